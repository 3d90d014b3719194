//! How attempts get to their servers, the whole way, and what servers in stages do to rows and effects on the way.

use super::delivering::Queued;
use super::orders::Owner;
use super::places::Place;
use super::things::{MadeFrom, SlotKey, at_clock};
use super::whole::AttemptSide;
use super::*;
use crate::call::tries::Open;
use crate::flow::Flow;
use crate::metrics::notes::{Note, What};
use crate::protocol::Met;
use crate::retry::Made;
use crate::server::Staged;

impl<'a> Run<'a> {
    /// Sends an attempt. False if it is answered by now.
    pub(super) fn send_whole(&mut self, row_id: u32, attempt: u32, hedge: bool) -> bool {
        self.at_once.attempt(self.now, row_id);
        let Row { key, start, client, .. } = self.rows[row_id];
        let &Place { server, is_step, step, .. } = self.whole().place(row_id);
        let measured = self.recorder.measured(start);
        if hedge {
            self.recorder.hedge_sent(measured);
        } else {
            self.recorder.attempt_sent(measured, attempt);
        }
        let host = self.whole().next_host;
        let number = self.sent_to(row_id, host);
        if self.whole().notes.is_some() {
            let whole = self.whole();
            let of = whole.places.clients[whole.place(row_id).client].policy.most_attempts();
            self.note(row_id, attempt, What::Sent { hedge, of });
        }
        if let Some(parts) = self.recorder.parts.as_mut().filter(|_| measured) {
            parts.sent(server, number, step);
        }
        // Servers that call are clients too, with one number behind those of operations.
        let client = if is_step { client } else { self.scene.world.clients };
        let delay = self.server(number).leg(key, attempt, Leg::Out);
        if delay > Span::ZERO {
            let job = self.set_off((row_id, attempt), number, client, delay);
            self.queue.push(self.now + delay, Event::Request { job });
            return true;
        }
        if self.server(number).asks_first() {
            let job = self.set_off((row_id, attempt), number, client, Span::ZERO);
            self.request_whole(job);
            return self.is_still_open(row_id, key, attempt);
        }
        let (now, request) = (self.now, Request { key, attempt, client, cancelled: false });
        let door = self.server(number).knock(now, request);
        self.arrived_whole(server, start, door != Door::Gone { arrived: false });
        match door {
            Door::Answer(reply, _) if self.whole().notes.is_some() => {
                let why = self.server(number).why_turned_away(now, request);
                self.note(row_id, attempt, What::TurnedAway(reply, why));
            }
            Door::Gone { .. } => self.note(row_id, attempt, What::Silence),
            _ => {}
        }
        match door {
            Door::Open(fate) => {
                let job = self.set_off((row_id, attempt), number, client, Span::ZERO);
                self.tell_whole(number, |server, now, floor| server.enter(now, job, fate, floor));
                self.is_still_open(row_id, key, attempt)
            }
            Door::Answer(outcome, retry_after) => {
                let server = self.server(number);
                let delay = server.leg(key, attempt, Leg::Back);
                if delay == Span::ZERO {
                    let reply = server.read(now, outcome, retry_after);
                    self.answered_whole(row_id, attempt, reply);
                    return false;
                }
                let job = self.set_off((row_id, attempt), number, client, Span::ZERO);
                self.jobs[job].answer(outcome, retry_after);
                self.queue.push(self.now + delay, Event::Reply { job });
                true
            }
            Door::Gone { .. } => true,
        }
    }

    /// True if a call still waits for an attempt, and has not gone off the books.
    fn is_still_open(&mut self, row_id: u32, key: CallKey, attempt: u32) -> bool {
        let is_open = self.whole().sides[row_id as usize].tries.is_open(attempt);
        self.rows.get(row_id).is_some_and(|row| row.key == key) && is_open
    }

    /// A request reaches its server after its way.
    pub(super) fn request_whole(&mut self, id: u32) {
        let row = self.attempt_side(id).row;
        let start = self.rows[row].start;
        let server = self.whole().place(row).server;
        let mut arrived = false;
        self.tell_its_server(id, |server, now, floor| arrived = server.receive(now, id, floor));
        self.arrived_whole(server, start, arrived);
    }

    /// Counts an attempt that has reached its server, if it has.
    fn arrived_whole(&mut self, server: usize, start: SimTime, arrived: bool) {
        self.count_arrival(start, arrived);
        if let Some(parts) = self.recorder.parts.as_mut().filter(|_| arrived) {
            parts.arrived(self.now, server);
        }
    }

    /// An attempt leaves its client.
    fn set_off(&mut self, (row_id, attempt): (u32, u32), number: u32, client: u32, way: Span) -> u32 {
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        let side = &mut whole.sides[row_id as usize];
        let place = &whole.places.all[side.place];
        let server = numbered(self.called, number as usize, &mut self.server, &mut self.others);
        let policy = &*whole.places.clients[place.client].policy;
        let row = &mut self.rows[row_id];
        let mut keyed = keyed(server, policy);
        let order = &whole.orders.all[side.order];
        // What is known of a key belongs to the operation and the place, unless others have it too.
        let slot = match &mut whole.things {
            Some(things) if keyed == Keyed::Known => {
                let own = MadeFrom::Own { order: side.order, call: None };
                let tries = match side.owner {
                    Owner::Course(course) => whole.courses[course].tries,
                    Owner::Order | Owner::Worker(_) => 0,
                };
                let is_new = whole.queues[order.member as usize].as_ref().is_some_and(Queued::makes_new_keys);
                let made_from = match policy.key() {
                    _ if tries > 0 && is_new => MadeFrom::Own { order: side.order, call: Some(order.key.tried(tries)) },
                    KeyMode::PerCall => MadeFrom::Own { order: side.order, call: Some(row.key) },
                    KeyMode::PerAction => order.action.map_or(own, MadeFrom::Action),
                    KeyMode::PerThing => MadeFrom::Thing,
                    KeyMode::Clock(clock) if clock.made == Made::Operation => at_clock(clock, order.start),
                    KeyMode::Clock(clock) => at_clock(clock, self.now),
                    _ => own,
                };
                things.slot(order.thing, SlotKey { place: side.place, made_from })
            }
            Some(_) => NONE,
            None => whole.orders.slot(side.order, side.place),
        };
        let lost = policy.key_lost();
        if lost > 0.0 && self.streams.at(Purpose::KeyLost, row.key, u64::from(attempt)).unit() < lost {
            keyed = if server.knows_keys() { server.without_key() } else { Keyed::Passes };
        }
        let job = self.jobs.insert(Job::new(row.key, attempt, slot, client, keyed));
        row.in_flight += 1;
        if let Some(notes) = &mut whole.notes {
            let key = (keyed == Keyed::Known).then_some(slot);
            let what = What::Keyed { key, replica: whole.hosts.replica(number) };
            notes.note(side.order, Note { at: self.now, call: row.key, place: side.place, attempt, what });
        }
        let due = side.tries.open().iter().find(|open| open.attempt == attempt).map_or(SimTime::NEVER, Open::due);
        side.tries.tag(attempt, job);
        let attempt_side = AttemptSide { row: row_id, due, way, flow: Flow::default(), below: NONE };
        if whole.attempts.len() <= job as usize {
            whole.attempts.push(attempt_side);
            whole.at.push(number);
        } else {
            whole.attempts[job as usize] = attempt_side;
            whole.at[job as usize] = number;
        }
        if whole.in_stages {
            let action = order.action.unwrap_or(order.key);
            let version =
                order.version.filter(|(server, _)| usize::from(*server) == place.server).map(|(_, version)| version);
            let of = match side.owner {
                Owner::Course(course) => Some(whole.courses[course].transaction),
                Owner::Order | Owner::Worker(_) => None,
            };
            let staged = Staged::new((action, order.key), (order.thing, of), place.row, version);
            if whole.staged.len() <= job as usize {
                whole.staged.push(staged);
            } else {
                whole.staged[job as usize] = staged;
            }
        }
        job
    }

    /// The work for an attempt has had its effect, before its server is done with it.
    pub(super) fn effect(&mut self, job: u32, lost_update: bool) {
        let whole = self.whole();
        let row = whole.attempts[job as usize].row;
        let order = whole.sides[row as usize].order;
        whole.orders.all[order].lost_updates += u32::from(lost_update);
        self.rows[row].executions += 1;
        let attempt = self.jobs[job].attempt;
        self.note(row, attempt, What::Executed);
        if lost_update {
            self.note(row, attempt, What::LosesUpdate);
        }
    }

    /// An attempt meets something at a server that works in stages.
    pub(super) fn meets(&mut self, job: u32, met: Met) {
        if self.whole().notes.is_some() {
            let (row, attempt) = (self.whole().attempts[job as usize].row, self.jobs[job].attempt);
            self.note(row, attempt, if met == Met::Ended { What::Ended } else { What::Meets(met) });
        }
    }

    /// A client reads what a step has read of a row: what follows goes by that.
    pub(super) fn reads_row(&mut self, row: u32, job: u32, reply: Outcome) {
        let whole = self.whole();
        let &Place { row: uses, server, .. } = whole.place(row);
        if !uses.reads.is_no() && reply == Outcome::Status(200) {
            let order = whole.sides[row as usize].order;
            whole.orders.all[order].version =
                whole.staged[job as usize].version.map(|version| (server as u16, version));
        }
    }
}
