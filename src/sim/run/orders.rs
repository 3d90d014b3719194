//! What operations are made of, the whole way: their steps, the calls that workers make for them, and what becomes of both when a call ends.

use super::going::{Going, Life};
use super::things::{Again, Things};
use super::whole::{CallSide, Made};
use super::*;
use crate::flow::{Act, Flow, Next};
use crate::metrics::parts;
use crate::retry::GiveUp;
use crate::retry::backoff::Memory;
use crate::scenario::call::{Answer, CallConfig, Failed};
use crate::scenario::{CrashWhen, Same};

/// Who waits for a call to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The operation, which is this call and nothing else.
    Order,
    /// A course of the operation, with this number.
    Course(u32),
    /// A worker, for this attempt.
    Worker(u32),
}

/// An operation on the books.
#[derive(Debug)]
pub(super) struct Order {
    pub key: CallKey,
    pub start: SimTime,
    pub client: u32,
    /// Whose it is, whoever has taken it over.
    pub user: u32,
    /// Index of the member that the client belongs to.
    pub member: u32,
    /// What it is about, where that is asked.
    pub thing: u32,
    /// What its user wanted once, by the first operation that was done for it; `None`: there is no other.
    pub action: Option<CallKey>,
    /// The server at which one of its steps has read its thing's row last, and the version.
    pub version: Option<(u16, u32)>,
    /// Writes over what others had written since it had read.
    pub lost_updates: u32,
    /// It is done again, for the so many-eth time; 0: it is the first.
    nth: u32,
    pub life: Life,
    /// Courses of it that go on.
    pub courses: u32,
    /// Its message in the queue of its member; [`NONE`]: it has none.
    pub message: u32,
    /// Its user does not wait for it any more.
    is_told: bool,
    /// What its queue remembers of waits before.
    pub memory: Memory,
    /// Calls on the books that are made for it, at any server.
    pub calls: u32,
    /// Retries of its steps that have ended.
    pub retries: u32,
    /// Attempts of all calls for it that have ended, those of servers too.
    pub attempts: u32,
    pub verdict: Option<Verdict>,
    /// When it was over for its user, once it was.
    pub over: SimTime,
    /// It succeeded, and within `slo`.
    pub in_time: bool,
}

/// All operations on the books.
#[derive(Debug)]
pub(super) struct Orders {
    pub all: Slab<Order>,
    places: usize,
    /// By operation and place.
    executions: Vec<u32>,
}

impl Orders {
    pub(super) fn new(places: usize) -> Orders {
        Orders { all: Slab::default(), places, executions: Vec::new() }
    }

    /// Where what belongs to an operation and a place stands.
    pub(super) fn slot(&self, order: u32, place: usize) -> u32 {
        order * self.places as u32 + place as u32
    }

    /// Executions of an operation, by place.
    pub(super) fn executions(&mut self, order: u32) -> &mut [u32] {
        let first = order as usize * self.places;
        &mut self.executions[first..first + self.places]
    }

    pub(super) fn bytes(&self) -> usize {
        self.all.bytes() + self.executions.capacity() * size_of::<u32>()
    }
}

/// Whether a step is among a share of flows: drawn for the step, by what its flow is known by.
pub(super) fn shares(streams: &Streams, key: CallKey) -> impl FnMut(usize, f64) -> bool {
    move |step, share| streams.at(Purpose::Condition, key, step as u64).unit() < share
}

impl<'a> Run<'a> {
    /// An operation of the demand starts.
    pub(super) fn first(&mut self, number: u64, client: u32) {
        let key = CallKey::operation(number);
        let streams = &self.streams;
        let things = self.whole.as_mut().and_then(|whole| whole.things.as_mut());
        let thing = things.map_or(NONE, |things| things.pick(|| streams.at(Purpose::Thing, key, 0).unit()));
        let again = Again { number: key, nth: 0, client, thing };
        if let Some(repeat) = &self.scene.world.repeat
            && self.streams.at(Purpose::Repeat, key, 0).unit() < repeat.share
        {
            self.do_again(again);
        }
        self.order(again);
    }

    /// An operation will be done once more, if the demand lasts until then.
    fn do_again(&mut self, before: Again) {
        let Some(repeat) = &self.scene.world.repeat else { return };
        let nth = before.nth + 1;
        let after = repeat.after.sample(&mut self.streams.at(Purpose::Repeat, before.number, u64::from(nth)));
        let at = self.now + after;
        if nth > repeat.times || at >= self.scene.frame.demand_end() {
            return;
        }
        let things = self.things();
        things.hold(before.thing);
        let repeat = things.repeats.insert(Again { nth, ..before });
        self.queue.push(at, Event::NextOperation { repeat });
        self.to_start += 1;
    }

    /// An operation is done again.
    pub(super) fn repeat(&mut self, repeat: u32) {
        let again = self.things().repeats.remove(repeat);
        self.do_again(again);
        self.order(again);
    }

    fn things(&mut self) -> &mut Things {
        self.whole().things.as_mut().expect("there are, where anything comes again")
    }

    /// An operation starts.
    fn order(&mut self, again: Again) {
        self.recorder.operation_started();
        let Again { number, nth, client, thing } = again;
        let (key, start) = (number.repeated(nth), self.now);
        let is_same_action = self.scene.world.repeat.as_ref().is_some_and(|repeat| repeat.same == Same::Key);
        let action = is_same_action.then_some(number);
        let member = self.member_of(client);
        let (verdict, in_time) = (None, false);
        let (calls, retries, attempts) = (0, 0, 0);
        let order = Order {
            key,
            start,
            client,
            user: client,
            member,
            thing,
            action,
            version: None,
            lost_updates: 0,
            nth,
            life: Life::default(),
            courses: 0,
            message: NONE,
            is_told: false,
            memory: Memory::default(),
            calls,
            retries,
            attempts,
            verdict,
            over: start,
            in_time,
        };
        let whole = self.whole();
        let orders = &mut whole.orders;
        let order = orders.all.insert(order);
        if let Some(notes) = &mut whole.notes {
            notes.start(order);
        }
        let most = (order as usize + 1) * orders.places;
        if orders.executions.len() < most {
            orders.executions.resize(most, 0);
        }
        orders.executions(order).fill(0);
        if whole.places.is_one_call {
            let place = whole.places.members[member as usize];
            let row = self.put_down(Made { place, owner: Owner::Order, order, left: Span::MAX }, key, false);
            self.at_once.operation(self.now, row);
            return self.begin_call(row);
        }
        let course = self.begin_course(Going::of(order, client));
        if !self.client_takes(course) || self.is_accepted(course) {
            return;
        }
        match self.on_course(course, |course, plan, drawn| course.start(plan, drawn)) {
            Next::Call(step) => {
                if let Some(row) = self.call_step(course, step, false) {
                    self.at_once.operation(self.now, row);
                    self.begin_call(row);
                }
            }
            next => self.go(course, next),
        }
    }

    /// The member that a client belongs to for all of a run.
    fn member_of(&mut self, client: u32) -> u32 {
        let row = self.whole().row;
        if row.members.len() == 1 {
            return 0;
        }
        let unit = self.streams.at(Purpose::Member, CallKey::operation(u64::from(client)), 0).unit();
        row.member(unit) as u32
    }

    /// A course makes this step, if its client lives until then.
    pub(super) fn call_step(&mut self, id: u32, step: usize, in_turn: bool) -> Option<u32> {
        if self.dies_at(id, step, CrashWhen::Before) {
            return None;
        }
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        let Going { order, tries, ref course, .. } = whole.courses[id];
        let of = &mut whole.orders.all[order];
        let place = whole.places.members[of.member as usize] + step;
        let key = of.key.step(step as u16).tried(tries).again(course.begun_anew());
        of.life.makes(step, whole.has_steps);
        let made = Made { place, owner: Owner::Course(id), order, left: Span::MAX };
        let row = self.put_down(made, key, in_turn);
        self.whole().courses[id].makes(place, row);
        Some(row)
    }

    /// A worker makes the first of its calls for an attempt, if it makes any.
    pub(super) fn begin_below(&mut self, job: u32) {
        let (steps, key) = self.below(job);
        let (flow, act) = Flow::start(steps, shares(&self.streams, key));
        self.whole().attempts[job as usize].flow = flow;
        self.below_next(job, act, None);
    }

    /// The calls that a worker makes for an attempt, and by which its conditions are drawn: the operation and the server.
    fn below(&mut self, job: u32) -> (&'a [CallConfig], CallKey) {
        let whole = self.whole();
        let row = whole.attempts[job as usize].row;
        let order = whole.orders.all[whole.sides[row as usize].order].key;
        let number = whole.place(row).server;
        (&self.scene.world.servers[number].calls, order.below(0, number as u16))
    }

    /// A worker makes this call, or answers.
    fn below_next(&mut self, job: u32, act: Act, failed: Option<(usize, Failed, Failure)>) {
        match act {
            Act::Call(step) => {
                let whole = self.whole.as_ref().expect("only what goes the whole way comes here");
                let attempt_side = whole.attempts[job as usize];
                let CallSide { order, .. } = whole.sides[attempt_side.row as usize];
                let place = whole.place(attempt_side.row).below.start + step;
                let propagates = whole.places.all[place].call.is_some_and(|call| call.propagate);
                let left = match attempt_side.due {
                    due if propagates && due != SimTime::NEVER => due.since(self.now + attempt_side.way),
                    _ => Span::MAX,
                };
                let Job { key, attempt, .. } = self.jobs[job];
                let key = key.below(attempt, step as u16).again(attempt_side.flow.restarts());
                let row = self.put_down(Made { place, owner: Owner::Worker(job), order, left }, key, true);
                self.whole().attempts[job as usize].below = row;
            }
            Act::Over(ended) => {
                let whole = self.whole();
                let (number, row) = (whole.at[job as usize], whole.attempts[job as usize].row);
                let server = whole.place(row).server;
                let answer = ended.err().and(failed).map(|(step, failed, last)| {
                    let call = &self.scene.world.servers[server].calls[step];
                    match (call.map.of(failed), last.outcome) {
                        (Answer::Status(status), _) => (status, None),
                        (Answer::Pass, Outcome::Status(status)) => (status, last.retry_after),
                        // Nothing to pass on.
                        (Answer::Pass, _) => (502, None),
                    }
                });
                self.tell_whole(number, |server, now, floor| server.calls_over(now, job, answer, floor));
            }
        }
    }

    /// An attempt is done with, or given up, while a call is made for it.
    pub(super) fn give_up_below(&mut self, job: u32) {
        let below = std::mem::replace(&mut self.whole().attempts[job as usize].below, NONE);
        if below != NONE {
            self.abandon_call(below);
        }
    }

    /// A call has ended, after so many attempts that were no hedges, and so many in all: what comes next?
    pub(super) fn call_ended(&mut self, row_id: u32, (tries, sent): (u32, u32), verdict: Verdict) {
        let whole = self.whole();
        let CallSide { owner, order, place, last, refused, begun, .. } = whole.sides[row_id as usize];
        let ended = match verdict {
            Verdict::Succeeded => Ok(()),
            Verdict::Failed(_) if sent == 0 => Err(Outcome::Open),
            Verdict::Failed(_) => Err(last.outcome),
        };
        let of = &mut whole.orders.all[order];
        if !matches!(owner, Owner::Worker(_)) {
            of.retries += tries.saturating_sub(1);
        }
        let step = whole.places.all[place].step;
        let has_steps = whole.has_steps;
        self.count_call(order, sent);
        if let Some(step) = step.filter(|_| has_steps) {
            let took = self.now.since(begun);
            self.count_step(order, step, parts::Ended { succeeded: ended.is_ok(), tries, took });
        }
        match owner {
            Owner::Order => self.over(order, ended.map_err(|_| 0), (verdict, refused)),
            Owner::Course(course) => self.step_ended(course, (row_id, order), ended, (verdict, refused)),
            Owner::Worker(job) => {
                let attempt_side = &mut self.whole().attempts[job as usize];
                attempt_side.below = NONE;
                let mut flow = attempt_side.flow;
                let failed = match verdict {
                    Verdict::Failed(GiveUp::Deadline) => Failed::AtDeadline,
                    _ if sent == 0 => Failed::Unsent,
                    _ => Failed::With(last.outcome),
                };
                let (steps, key) = self.below(job);
                let act = flow.on_end(ended, steps, shares(&self.streams, key));
                self.whole().attempts[job as usize].flow = flow;
                let step = match act {
                    Act::Over(Err(step)) => step,
                    _ => 0,
                };
                self.below_next(job, act, Some((step, failed, last)));
            }
        }
    }

    /// Counts a call that has ended after so many attempts.
    pub(super) fn count_call(&mut self, order: u32, sent: u32) {
        let of = &mut self.whole().orders.all[order];
        of.attempts = of.attempts.saturating_add(sent);
        let start = of.start;
        let measured = self.recorder.measured(start);
        if let Some(parts) = self.recorder.parts.as_mut().filter(|_| measured) {
            parts.call_ended();
        }
    }

    /// The same, in its step.
    fn count_step(&mut self, order: u32, step: usize, ended: parts::Ended) {
        let start = self.whole().orders.all[order].start;
        let measured = self.recorder.measured(start);
        if let Some(parts) = self.recorder.parts.as_mut().filter(|_| measured) {
            parts.step_ended(step, ended);
        }
    }

    /// An operation has ended for its client. `verdict` is that of its last step.
    pub(super) fn order_over(&mut self, id: u32, ended: Result<(), usize>, verdict: Verdict) {
        let verdict = if ended.is_ok() { Verdict::Succeeded } else { verdict };
        let (now, slo) = (self.now, self.scene.frame.slo.unwrap_or(Span::ZERO));
        let order = &mut self.whole().orders.all[id];
        (order.verdict, order.over) = (Some(verdict), now);
        order.in_time = ended.is_ok() && now.since(order.start) <= slo;
        let start = order.start;
        // Without any attempt it has not been tried once.
        let tries = if order.attempts == 0 { 0 } else { 1 + order.retries };
        let attempts = (tries, order.attempts);
        let measured = self.recorder.measured(start);
        self.repaired(id);
        if let Some(durable) = self.recorder.durable.as_mut().filter(|_| measured && verdict == Verdict::Succeeded) {
            durable.succeeded(now.since(start));
        }
        self.recorder.operation_ended(self.now, start, attempts, verdict, measured);
        self.user_is_told(id);
        self.release_order(id);
    }

    /// The user of an operation does not wait for it any more: it is over, or in a durable queue.
    #[inline(always)]
    pub(super) fn user_is_told(&mut self, id: u32) {
        let order = &mut self.whole().orders.all[id];
        let (is_told, user, nth, key) = (order.is_told, order.user, order.nth, order.key);
        order.is_told = true;
        if !is_told && nth == 0 {
            self.think(user, (key.value() as u32 + 1) % TURNS);
        }
    }

    /// Takes a call off the books once it is over and nothing of it is in flight.
    pub(super) fn release_call(&mut self, row_id: u32) {
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        let CallSide { place, order, is_over, .. } = whole.sides[row_id as usize];
        let row = &self.rows[row_id];
        if !is_over || row.in_flight > 0 {
            return;
        }
        whole.orders.executions(order)[place] += row.executions;
        self.rows.remove(row_id);
        whole.orders.all[order].calls -= 1;
        self.release_order(order);
    }

    /// The same of an operation, once it has ended and none of its calls is on the books.
    pub(super) fn release_order(&mut self, id: u32) {
        let order = &self.whole().orders.all[id];
        if order.verdict.is_none() || order.calls > 0 || order.courses > 0 || order.message != NONE {
            return;
        }
        self.close_books(id);
        let Order { thing, .. } = self.whole().orders.all.remove(id);
        if let Some(things) = &mut self.whole().things {
            let mut over: Vec<(usize, u32)> = Vec::new();
            let is_over = things.let_go(thing, id, |place, slot| over.push((place, slot)));
            if is_over {
                if self.whole().in_stages {
                    self.forget_rows(thing);
                }
                if let Some(notes) = &mut self.whole().notes {
                    notes.forget(thing);
                }
            }
            for (place, slot) in over {
                let server = self.whole().places.all[place].server;
                self.forget(server, slot);
            }
            return;
        }
        for place in 0..self.whole().places.all.len() {
            let (server, slot) = (self.whole().places.all[place].server, self.whole().orders.slot(id, place));
            self.forget(server, slot);
        }
    }
}
