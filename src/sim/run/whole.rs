//! The life of an attempt the whole way: everything there is, written once. It runs in place of `life.rs` where a run has what that does not know:
//! several open attempts of one call, several steps of an operation, servers that call each other. Where both can go, they give the same run, to
//! the last attempt: tests hold them to one another.
//!
//! Here a row is a call; whose call it is, and what comes after it, stands in `orders.rs`. A client reacts to a reply where the reply is; what it
//! sends then takes its turn, as a timer of the same instant, since a server may not have said all it has to say.

use std::collections::VecDeque;

use super::delivering::Queued;
use super::going::{Crashes, Going};
use super::hosts::Hosts;
use super::orders::{Orders, Owner};
use super::places::{Client, Place, Places};
use super::things::Things;
use super::*;
use crate::call::tries::Tries;
use crate::durable::Given;
use crate::flow::Flow;
use crate::gate::{Ask, Moment, Refusal};
use crate::hedge::Losers;
use crate::metrics::Done;
use crate::metrics::notes::{Note, Notes, Wanted, What};
use crate::protocol::Met;
use crate::retry::{GiveUp, Within};
use crate::scenario::World;
use crate::server::{Beside, Staged};

/// What the whole way needs beside the rest of a run.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    /// Whose clients there are.
    pub row: &'a PolicyConfig,
    pub places: Places<'a>,
    pub orders: Orders,
    /// Who is busy with them.
    pub courses: Slab<Going>,
    /// By member: its durable queue, if it has one.
    pub queues: Vec<Option<Queued<'a>>>,
    /// Workers of these queues that have something to try, and have not begun.
    pub given: VecDeque<(usize, Given)>,
    /// What is known of clients, where they may crash.
    pub crashes: Option<Crashes>,
    /// How many waits of operations there have been.
    pub turns: u32,
    /// How many transactions across steps there may have been.
    transactions: u32,
    /// What operations are about, where that is asked.
    pub things: Option<Things>,
    /// What happens, where somebody wants it told.
    pub notes: Option<Notes>,
    /// By the call's place.
    pub sides: Vec<CallSide>,
    /// By the attempt's place.
    pub attempts: Vec<AttemptSide>,
    /// The number of the replica that each attempt is sent to, by the attempt's place.
    pub at: Vec<u32>,
    /// What servers that work in stages know of each attempt, by its place; empty where none does.
    pub staged: Vec<Staged>,
    pub in_stages: bool,
    /// Replicas of some server have something in common.
    pub has_common: bool,
    /// Operations have steps, which are measured apart.
    pub has_steps: bool,
    pub hosts: Hosts,
    /// Where the attempt goes that the step being taken may send.
    pub next_host: u32,
    /// What an operation has done at each place, while its books are closed.
    pub done: Vec<Done>,
    /// A server is being told something: what follows is done when it has said all.
    settling: bool,
    /// Workers of queues are being given what they try: what comes up meanwhile is given after it.
    pub is_giving: bool,
    /// Bytes that sides take beside their own size.
    pub heap: usize,
}

/// A call, beside what every call has.
#[derive(Debug)]
pub(super) struct CallSide {
    pub place: usize,
    pub owner: Owner,
    /// Index of the operation that it is made for.
    pub order: u32,
    /// How long it may take, by a deadline from outside; [`Span::MAX`]: for ever.
    pub left: Span,
    pub tries: Tries,
    /// The replica that each attempt was sent to, where there is a choice.
    pub hosts: Vec<u32>,
    /// How the last attempt ended that did.
    pub last: Failure,
    /// What refused it, if it ended with that.
    pub refused: Option<Refusal>,
    pub has_begun: bool,
    /// When, once it has.
    pub begun: SimTime,
    pub is_over: bool,
}

/// A call that has not begun: where it is made, for whom, for which operation, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub place: usize,
    pub owner: Owner,
    pub order: u32,
    pub left: Span,
}

impl CallSide {
    fn new(Made { place, owner, order, left }: Made) -> CallSide {
        let last = Failure::new(Outcome::Open);
        let (tries, hosts) = (Tries::default(), Vec::new());
        let (refused, has_begun, begun, is_over) = (None, false, SimTime::ZERO, false);
        CallSide { place, owner, order, left, tries, hosts, last, refused, has_begun, begun, is_over }
    }

    /// Takes the place of one that is over. Its lists serve this one.
    fn becomes(&mut self, Made { place, owner, order, left }: Made) {
        (self.place, self.owner, self.order, self.left) = (place, owner, order, left);
        (self.last, self.refused) = (Failure::new(Outcome::Open), None);
        (self.has_begun, self.is_over) = (false, false);
        self.hosts.clear();
    }
}

/// An attempt, beside what every attempt has.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptSide {
    /// Its call.
    pub row: u32,
    /// When its client stops waiting.
    pub due: SimTime,
    /// How long its way to the server took.
    pub way: Span,
    /// Which calls are made for it by its server.
    pub flow: Flow,
    /// The one that is open.
    pub below: u32,
}

impl<'a> Whole<'a> {
    /// `has_common`: replicas of some server have something in common.
    pub(super) fn new(world: &'a World, row: &'a PolicyConfig, wanted: Option<Wanted>, has_common: bool) -> Whole<'a> {
        let places = Places::new(world, row);
        let notes = wanted.map(|wanted| Notes::new(wanted, places.names(world)));
        let has_rows = row.uses_rows(world);
        let makes_new = |member: &Member| member.durable.as_ref().is_some_and(|durable| durable.key_per_try);
        let new_keys = row.members.iter().any(makes_new);
        let has_things = world.has_things() || has_rows || places.share_keys() || new_keys;
        let mut servers = 0..world.servers.len();
        Whole {
            has_common,
            has_steps: !world.operation.steps.is_empty(),
            in_stages: has_rows || servers.any(|server| world.works_in_stages(server)),
            row,
            notes,
            orders: Orders::new(places.all.len()),
            courses: Slab::default(),
            queues: row.members.iter().map(|member| member.durable.as_ref().map(Queued::new)).collect(),
            given: VecDeque::new(),
            crashes: world.crashes.as_ref().map(|_| Crashes::new(world.clients)),
            turns: 0,
            transactions: 0,
            things: has_things.then(|| Things::new(world, places.all.len())),
            places,
            sides: Vec::new(),
            attempts: Vec::new(),
            at: Vec::new(),
            staged: Vec::new(),
            hosts: Hosts::new(world),
            next_host: 0,
            done: Vec::new(),
            settling: false,
            is_giving: false,
            heap: 0,
        }
    }

    /// What a course locks from now on, is of a transaction that nobody has had.
    pub(super) fn begin_transaction(&mut self, course: u32) {
        self.transactions = self.transactions.wrapping_add(1);
        self.courses[course].transaction = self.transactions;
    }

    /// The place of a call.
    pub(super) fn place(&self, row: u32) -> &Place<'a> {
        &self.places.all[self.sides[row as usize].place]
    }

    /// Breakers that are open, of clients and servers.
    pub(super) fn breakers_open(&self) -> u64 {
        self.places.clients.iter().map(|client| client.gates.counts().breakers_open).sum()
    }

    /// True if all that is on the books is in a durable queue.
    pub(super) fn nobody_waits(&self) -> bool {
        self.orders.all.iter().all(|(_, order)| order.message != NONE)
    }

    pub(super) fn bytes(&self) -> usize {
        self.places.bytes()
            + self.orders.bytes()
            + self.courses.bytes()
            + self.queues.iter().flatten().map(Queued::bytes).sum::<usize>()
            + self.things.as_ref().map_or(0, Things::bytes)
            + self.notes.as_ref().map_or(0, Notes::bytes)
            + self.sides.capacity() * size_of::<CallSide>()
            + self.heap
            + self.attempts.capacity() * size_of::<AttemptSide>()
            + self.at.capacity() * size_of::<u32>()
            + self.staged.capacity() * size_of::<Staged>()
            + self.hosts.bytes()
            + self.crashes.as_ref().map_or(0, Crashes::bytes)
    }
}

impl<'a> Run<'a> {
    /// What the whole way needs, where a run goes it.
    pub(super) fn whole(&mut self) -> &mut Whole<'a> {
        self.whole.as_mut().expect("only what goes the whole way comes here")
    }

    pub(super) fn attempt_side(&mut self, job: u32) -> &mut AttemptSide {
        &mut self.whole().attempts[job as usize]
    }

    #[inline(never)]
    pub(super) fn handle_whole(&mut self, event: Event) {
        match event {
            Event::FaultEdge { fault } => self.fault_edge(fault),
            Event::Request { job } => self.request_whole(job),
            Event::Completion { job } => {
                self.tell_its_server(job, |server, now, floor| server.complete(now, job, floor))
            }
            Event::PatienceEnds { job } => {
                self.tell_its_server(job, |server, now, floor| server.lose_patience(now, job, floor));
            }
            Event::Reply { job } => self.reply_whole(job, false),
            Event::Cancellation { job } => {
                if self.jobs.get(job).is_some_and(|job| job.is_cancelled_at(self.now)) {
                    self.tell_its_server(job, |server, now, floor| server.cancel(now, job, floor));
                }
            }
            Event::WakeUp { row } => self.timer_whole(row),
            Event::TimeOut { row, setting } => {
                if self.timers.popped(row, setting) {
                    self.timer_whole(row);
                }
            }
            Event::NextOperation { repeat } if repeat != DEMAND => {
                self.to_start -= 1;
                self.repeat(repeat);
            }
            Event::NextOperation { .. } => {
                self.to_start -= 1;
                if let Some(start) = self.next_start.take() {
                    self.schedule_next_start();
                    self.first(start.number, start.client);
                }
            }
            Event::GoOn { course, turn } => self.gone_on(course, turn),
            Event::Look { queue, turn } => self.look(queue, turn),
            Event::ClientCrash { number } => self.random_crash(number),
            Event::ThinkingOver { client, turn } => {
                self.to_start -= 1;
                self.first(turn_of(client, turn), client);
            }
        }
    }

    /// Tells a replica something, and does what it says, now or when that is done which is being done.
    pub(super) fn tell_whole(&mut self, number: u32, what: impl FnOnce(&mut Server, SimTime, &mut Floor)) {
        self.server(number);
        let server = numbered(self.called, number as usize, &mut self.server, &mut self.others);
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        let beside = Some(Beside { at: &whole.at, staged: &mut whole.staged });
        what(server, self.now, &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs, beside });
        self.settle_whole();
    }

    pub(super) fn tell_its_server(&mut self, job: u32, what: impl FnOnce(&mut Server, SimTime, &mut Floor)) {
        // What is announced for an attempt may come when it is gone, and its place another one's.
        if self.jobs.get(job).is_some() {
            let number = self.whole().at[job as usize];
            self.tell_whole(number, what);
        }
    }

    /// Does what servers say, until they have said all.
    fn settle_whole(&mut self) {
        if std::mem::replace(&mut self.whole().settling, true) {
            return;
        }
        let mut next = 0;
        let mut because = None;
        while let Some(output) = self.outputs.get(next).copied() {
            next += 1;
            // What an answer is because of, comes right before it.
            let by = because.take();
            match output {
                Output::Answer { job, executed } => {
                    self.give_up_below(job);
                    let Job { key, attempt, reply, ends, .. } = self.jobs[job];
                    let (number, row) = (self.whole().at[job as usize], self.attempt_side(job).row);
                    self.note_answer((row, attempt, job), Some(reply), (executed, ends), by);
                    let delay = self.server(number).leg(key, attempt, Leg::Back);
                    if delay == Span::ZERO {
                        self.reply_whole(job, executed);
                    } else {
                        self.rows[row].executions += u32::from(executed);
                        self.queue.push(self.now + delay, Event::Reply { job });
                    }
                }
                Output::Started { job, arrived, at } => {
                    self.recorder.taken_up(arrived, self.now);
                    let (row, attempt) = (self.attempt_side(job).row, self.jobs[job].attempt);
                    let waited = self.now.since(arrived);
                    self.note(row, attempt, What::TakenUp { waited, until: at });
                    self.queue.push(at, Event::Completion { job });
                }
                Output::TakenUp { arrived } => {
                    // What a worker takes up and answers at once, it has asked the store about.
                    because = Some(Met::Store);
                    self.recorder.taken_up(arrived, self.now);
                }
                Output::Effect { job, lost_update } => self.effect(job, lost_update),
                Output::Meets { job, met } => {
                    because = Some(met);
                    self.meets(job, met);
                }
                Output::CompletionAt { job, at } => self.queue.push(at, Event::Completion { job }),
                Output::PatienceEndsAt { job, at } => self.queue.push(at, Event::PatienceEnds { job }),
                Output::Calls { job } => self.begin_below(job),
                Output::Gone { job, executed } => {
                    self.give_up_below(job);
                    let row_id = self.attempt_side(job).row;
                    let Job { attempt, ends, .. } = self.jobs.remove(job);
                    self.note_answer((row_id, attempt, job), None, (executed, ends), by);
                    let row = &mut self.rows[row_id];
                    row.executions += u32::from(executed);
                    row.in_flight -= 1;
                    self.release_call(row_id);
                }
            }
        }
        self.outputs.clear();
        self.whole().settling = false;
    }

    /// A call is put down. It begins at once, or takes its turn at this instant.
    pub(super) fn put_down(&mut self, side: Made, key: CallKey, in_turn: bool) -> u32 {
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        let order = &whole.orders.all[side.order];
        let (start, place) = (order.start, &whole.places.all[side.place]);
        let client = match side.owner {
            Owner::Order => order.client,
            Owner::Course(course) => whole.courses[course].client,
            // Each replica is a client of its own.
            Owner::Worker(job) => whole.hosts.replica(whole.at[job as usize]),
        };
        let rules = &whole.places.clients[place.client];
        let call = Call::new(self.now, &Within { policy: &*rules.policy, left: side.left });
        let row = Row { key, start, call, client, open_job: NONE, in_flight: 0, executions: 0 };
        let row_id = self.rows.insert(row);
        whole.orders.all[side.order].calls += 1;
        match whole.sides.get_mut(row_id as usize) {
            Some(before) => before.becomes(side),
            None => whole.sides.push(CallSide::new(side)),
        }
        if in_turn {
            self.timers.set(row_id, self.now, &mut self.queue);
        }
        row_id
    }

    /// A call begins, if it has time.
    pub(super) fn begin_call(&mut self, row_id: u32) {
        let now = self.now;
        let side = &mut self.whole().sides[row_id as usize];
        (side.has_begun, side.begun) = (true, now);
        if side.left == Span::ZERO {
            return self.end_call(row_id, Verdict::Failed(GiveUp::Deadline));
        }
        let action = self.step(row_id, |call, now, rules, draws| call.begin(now, rules, draws));
        self.act_whole(row_id, action);
    }

    /// A reply reaches its client, who may have stopped waiting for it. `executed`: at the same instant.
    fn reply_whole(&mut self, job_id: u32, executed: bool) {
        let (number, row_id) = (self.whole().at[job_id as usize], self.attempt_side(job_id).row);
        let job = self.jobs.remove(job_id);
        let row = &mut self.rows[row_id];
        row.in_flight -= 1;
        row.executions += u32::from(executed);
        if job.awaited != Awaited::Yes || !self.whole().sides[row_id as usize].tries.is_open(job.attempt) {
            // Given up, or it lost and ran on.
            self.note(row_id, job.attempt, What::TooLate(job.reply));
            self.release_call(row_id);
            return;
        }
        self.reads_row(row_id, job_id, job.reply);
        let now = self.now;
        let server = self.server(number);
        let (busy, reply) = (server.time_worked_on(&job), server.read(now, job.reply, job.retry_after()));
        self.recorder.reply_received(busy);
        self.answered_whole(row_id, job.attempt, reply);
    }

    /// An open attempt ends with a reply.
    pub(super) fn answered_whole(&mut self, row_id: u32, attempt: u32, reply: Failure) {
        if self.dies_before_reading(row_id) {
            return;
        }
        self.attempt_over(row_id, attempt, reply);
        let action = self.step(row_id, |call, now, rules, draws| call.on_reply(now, attempt, reply, rules, draws));
        self.act_whole(row_id, action);
    }

    /// Counts how an attempt ended in its step, if it is one of a step.
    fn count_in_step(&mut self, row_id: u32, start: SimTime, outcome: Outcome) {
        let step = self.whole().place(row_id).step;
        let measured = self.recorder.measured(start);
        if let Some((step, parts)) = step.zip(self.recorder.parts.as_mut().filter(|_| measured)) {
            parts.attempt_ended(step, outcome);
        }
    }

    /// Counts an attempt that has ended.
    pub(super) fn attempt_over(&mut self, row_id: u32, attempt: u32, reply: Failure) {
        self.done_at(row_id, attempt, reply.outcome);
        let Row { key, start, .. } = self.rows[row_id];
        let now = self.now;
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        if reply.outcome != Outcome::Cancelled {
            whole.sides[row_id as usize].last = reply;
        }
        self.note(
            row_id,
            attempt,
            match reply.outcome {
                Outcome::Timeout => What::TimedOut,
                Outcome::Cancelled | Outcome::Open => What::GivenUp,
                outcome => What::Reads(outcome),
            },
        );
        self.recorder.attempt_ended(now, key, attempt, reply.outcome, self.recorder.measured(start));
        if self.whole().has_steps {
            self.count_in_step(row_id, start, reply.outcome);
        }
    }

    /// The timer of a call.
    fn timer_whole(&mut self, row_id: u32) {
        if !self.whole().sides[row_id as usize].has_begun {
            return self.begin_call(row_id);
        }
        let key = self.rows[row_id].key;
        let action = self.step(row_id, |call, now, rules, draws| call.on_wake(now, rules, draws));
        let timed_out = self.whole().sides[row_id as usize].tries.take_timed_out();
        if let Some(open) = timed_out {
            self.attempt_over(row_id, open.attempt, Failure::new(Outcome::Timeout));
        }
        self.act_whole(row_id, action);
        if let Some(open) = timed_out.filter(|open| self.left_something(key, *open)) {
            self.stop_waiting_whole(open.tag, false);
        }
    }

    /// Does what the call says.
    fn act_whole(&mut self, row_id: u32, action: Action) {
        self.timers.clear(row_id);
        let due = match action {
            Action::Send { attempt, due, hedge } => {
                if !self.send_whole(row_id, attempt, hedge) {
                    return;
                }
                due
            }
            Action::WakeAt(at) | Action::WaitInLine(at) => {
                if at > self.now && at != SimTime::NEVER && self.whole().sides[row_id as usize].tries.open().is_empty()
                {
                    self.note_wait(row_id, at);
                }
                at
            }
            Action::Finish(verdict) => return self.end_call(row_id, verdict),
        };
        if due != SimTime::NEVER {
            self.timers.set(row_id, due, &mut self.queue);
        }
    }

    /// The call is over for whoever made it; what is still open has lost.
    fn end_call(&mut self, row_id: u32, verdict: Verdict) {
        let key = self.rows[row_id].key;
        let whole = self.whole();
        let client = whole.place(row_id).client;
        let cancels = whole.places.clients[client].hedger.config().losers == Losers::Cancel;
        let side = &mut whole.sides[row_id as usize];
        side.is_over = true;
        let (attempts, losers) = ((side.tries.tries(), side.tries.sent()), side.tries.take_open());
        self.note(row_id, 0, What::CallOver(verdict));
        for open in &losers {
            self.attempt_over(row_id, open.attempt, Failure::new(Outcome::Cancelled));
        }
        self.call_ended(row_id, attempts, verdict);
        self.lose(row_id, key, losers, cancels);
    }

    /// Lets the call take a step, and counts what that did to the gates.
    pub(super) fn step(
        &mut self,
        row_id: u32,
        step: impl FnOnce(&mut Call, SimTime, &mut Rules, &mut StepDraws) -> Action,
    ) -> Action {
        let host = self.next_host(row_id);
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        whole.next_host = host;
        let row = &mut self.rows[row_id];
        let side = &mut whole.sides[row_id as usize];
        let place = &whole.places.all[side.place];
        let endpoint = (place.first_endpoint + host) as u16;
        let Client { policy, gates, hedger, .. } = &mut whole.places.clients[place.client];
        let measured = self.recorder.measured(row.start);
        let refused = hedger.refused();
        let had = side.tries.heap_bytes();
        let mut draws = StepDraws::of_hedge(&self.streams, row.key, row.call.used(), side.tries.asked());
        let within = Within { policy: &**policy, left: side.left };
        let policy: &dyn Policy = if side.left == Span::MAX { &**policy } else { &within };
        let rules = Rules::new(policy, gates, &mut self.desk, row.client, row_id).at(endpoint);
        let action = step(&mut row.call, self.now, &mut rules.hedging(hedger, &mut side.tries), &mut draws);
        whole.heap = whole.heap + side.tries.heap_bytes() - had;
        let is_over = matches!(action, Action::Finish(_));
        let opened = gates.take_opened();
        if measured {
            self.recorder.breakers_opened(opened);
            self.recorder.hedges_refused(hedger.refused() - refused);
        }
        let both = [(side.tries.take_refused(), true), (gates.take_refusal(), false)];
        // Hardly ever.
        let refusals = if both[0].0.is_none() && both[1].0.is_none() { &[][..] } else { &both };
        for &(gate, of_hedge) in refusals {
            let Some(gate) = gate else { continue };
            let ask = Ask { endpoint, ..Ask::retry(self.now, side.last.outcome) };
            let state = whole.notes.as_ref().map(|_| gates.state(gate, ask, row.client)).unwrap_or_default();
            let rule = &gates.config(gate).rule;
            if let Some(notes) = &mut whole.notes {
                let what = What::Refused(rule.refusal(), state);
                notes.note(side.order, Note { at: self.now, call: row.key, place: side.place, attempt: 0, what });
            }
            // Whether an operation fails with it, is seen when the call has ended.
            self.recorder.refused(rule.refusal(), measured, false);
            side.refused = Some(rule.refusal()).filter(|_| is_over && !of_hedge);
            if rule.moment() == Moment::Send {
                whole.hosts.servers[place.server].passed(host);
            }
            if side.has_begun {
                self.at_once.attempt(self.now, row_id);
            }
        }
        // Whose turn it is to have a place is woken after everything else that has been scheduled for this instant.
        while let Some(row) = gates.take_turn() {
            self.timers.clear(row);
            self.timers.set(row, self.now, &mut self.queue);
        }
        action
    }
}
