//! Operations that have failed go to the durable queue of their member, and workers try them again.

use std::collections::BTreeMap;

use super::closing::left_behind;
use super::going::Going;
use super::orders::{Order, shares};
use super::whole::Whole;
use super::*;
use crate::durable::{DurableConfig, DurableQueue, Ended, Given, Handover, Stay, Tries, When};
use crate::gate::Refusal;
use crate::metrics::notes::{Note, What};
use crate::metrics::{Done, Durable, Standing};
use crate::retry::GiveUp;
use crate::retry::backoff::Memory;
use crate::sim::queue::TURNS;

/// A durable queue of a run.
#[derive(Debug)]
pub(super) struct Queued<'a> {
    pub queue: DurableQueue<'a>,
    /// The next look that is arranged, and which one it is.
    next: SimTime,
    turn: u32,
    /// By thing: its message, where none is put in twice.
    things: BTreeMap<u32, u32>,
    /// Messages that were put in, and that are out.
    put: u64,
    gone: u64,
}

impl<'a> Queued<'a> {
    pub(super) fn new(config: &'a DurableConfig) -> Queued<'a> {
        let (queue, things) = (DurableQueue::new(config), BTreeMap::new());
        Queued { queue, next: SimTime::NEVER, turn: 0, things, put: 0, gone: 0 }
    }

    /// Who comes for this thing does not find this message any more.
    fn forget(&mut self, thing: u32, message: u32) {
        if self.things.get(&thing) == Some(&message) {
            self.things.remove(&thing);
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.queue.is_alive()
    }

    /// True if each try has keys of its own.
    pub(super) fn makes_new_keys(&self) -> bool {
        self.queue.config().key_per_try
    }

    pub(super) fn bytes(&self) -> usize {
        self.queue.bytes() + 2 * self.things.len() * size_of::<(u32, u32)>()
    }

    /// Every message is done, parked, or still in the queue.
    ///
    /// # Panics
    /// If not: that is a bug in the simulator.
    pub(super) fn check(&self) {
        self.queue.check();
        assert_eq!(self.put, self.gone + self.queue.messages(), "what was put in is in there until it is out");
    }
}

impl<'a> Run<'a> {
    fn queued(&mut self, queue: usize) -> &mut Queued<'a> {
        self.whole().queues[queue].as_mut().expect("only where there is one")
    }

    /// Counts something of an operation that started then, if it is measured.
    fn count(&mut self, start: SimTime, what: impl FnOnce(&mut Durable)) {
        if self.recorder.measured(start)
            && let Some(durable) = &mut self.recorder.durable
        {
            what(durable);
        }
    }

    /// More messages are in the queues.
    fn count_depth(&mut self) {
        let depth = self.queue_stay().depth;
        if let Some(durable) = &mut self.recorder.durable {
            durable.holds(depth);
        }
    }

    /// True if an operation goes to its queue before anything of it is made.
    pub(super) fn is_accepted(&mut self, id: u32) -> bool {
        let whole = self.whole();
        let member = whole.orders.all[whole.courses[id].order].member as usize;
        let queued = whole.queues[member].as_ref();
        let is_at_once = queued.is_some_and(|queued| queued.queue.config().when == When::AtOnce);
        if is_at_once {
            // It has no call yet.
            self.at_once.operation(self.now, NONE);
        }
        is_at_once && self.hand_over(id, (Verdict::Failed(GiveUp::Crashed), None))
    }

    /// A course has failed. True if its operation is handed over to a queue, which goes on for it, or may be on its way there.
    pub(super) fn hand_over(&mut self, id: u32, failed: (Verdict, Option<Refusal>)) -> bool {
        let whole = self.whole();
        let member = whole.orders.all[whole.courses[id].order].member as usize;
        let Some(queued) = &whole.queues[member] else { return false };
        let handover = queued.queue.config().handover;
        let going = &mut whole.courses[id];
        going.failed = failed;
        match handover {
            Handover::WithJournal => self.put(id),
            Handover::After { takes, .. } => {
                going.hands_over = true;
                match takes {
                    Span::ZERO => self.handed_over(id),
                    takes => self.wait(id, self.now + takes),
                }
            }
        }
        true
    }

    /// A call to the queue ends.
    pub(super) fn handed_over(&mut self, id: u32) {
        let whole = self.whole();
        let going = &mut whole.courses[id];
        going.hands_over = false;
        let order = &whole.orders.all[going.order];
        let (key, member) = (order.key, order.member as usize);
        let queue = &self.queued(member).queue;
        let (is_down, handover) = (queue.is_down(), queue.config().handover);
        let fails = match handover {
            Handover::After { fails, .. } => fails,
            Handover::WithJournal => 0.0,
        };
        if is_down || fails > 0.0 && self.streams.at(Purpose::Handover, key, 0).unit() < fails {
            self.handover_lost(id);
        } else {
            self.put(id);
        }
    }

    /// An operation was not handed over, and nobody knows: it has failed.
    pub(super) fn handover_lost(&mut self, id: u32) {
        self.note_course(id, What::HandedOver(false));
        let Going { order, failed, .. } = self.end_course(id);
        let start = self.whole().orders.all[order].start;
        self.count(start, |durable| durable.handed_over(None));
        self.over(order, Err(0), failed);
    }

    /// An operation is put into the queue of its member. Its user is told so, and waits no more.
    fn put(&mut self, id: u32) {
        self.note_course(id, What::HandedOver(true));
        let Going { order, .. } = self.end_course(id);
        let now = self.now;
        let &Order { start, thing, member, .. } = &self.whole().orders.all[order];
        let member = member as usize;
        let took = now.since(start);
        self.count(start, |durable| durable.handed_over(Some(took)));
        let queued = self.queued(member);
        let is_there = queued.queue.config().deduplicated.then(|| queued.things.get(&thing).copied()).flatten();
        let message = if let Some(message) = is_there {
            queued.queue.join(message, order);
            message
        } else {
            let message = queued.queue.put(now, order, start);
            queued.put += 1;
            if queued.queue.config().deduplicated {
                queued.things.insert(thing, message);
            }
            message
        };
        self.whole().orders.all[order].message = message;
        self.count_depth();
        match self.queued(member).queue.config().when {
            _ if is_there.is_some() => {}
            When::AfterFailure => self.wait_or_park(member, (message, order), Tries { now: 1, ever: 1 }),
            When::AtOnce => self.queued(member).queue.wait(message, now),
        }
        self.user_is_told(order);
        self.arrange(member);
    }

    /// A message has been tried so often, in vain: it is tried again some time, or never.
    fn wait_or_park(&mut self, queue: usize, (message, id): (u32, u32), tries: Tries) {
        let now = self.now;
        let config = self.queued(queue).queue.config();
        let order = &mut self.whole.as_mut().expect("only what goes the whole way comes here").orders.all[id];
        let (start, key) = (order.start, order.key);
        let after = config.backoff.delay(
            tries.now,
            &mut order.memory,
            &mut self.streams.at(Purpose::Durable, key, u64::from(tries.ever)),
        );
        let due = now + after;
        let is_over = config.attempts.is_some_and(|most| tries.now >= most);
        if is_over || config.max_age.is_some_and(|age| due > start + age) {
            return self.park(queue, (message, id));
        }
        self.note_queue(id, What::Queued(due));
        self.queued(queue).queue.wait(message, due);
    }

    fn park(&mut self, queue: usize, (message, id): (u32, u32)) {
        let now = self.now;
        self.note_queue(id, What::Parked);
        let thing = self.whole().orders.all[id].thing;
        let queued = self.queued(queue);
        queued.queue.park(now, message);
        // Nobody tries it: what comes for the same thing has tries of its own.
        queued.forget(thing, message);
    }

    fn note_queue(&mut self, id: u32, what: What) {
        let at = self.now;
        let whole = self.whole();
        if let Some(notes) = &mut whole.notes {
            let order = &whole.orders.all[id];
            let place = whole.places.members[order.member as usize];
            notes.note(id, Note { at, call: order.key, place, attempt: 0, what });
        }
    }

    /// Arranges the next look at a queue.
    fn arrange(&mut self, queue: usize) {
        let now = self.now;
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        let queued = whole.queues[queue].as_mut().expect("only where there is one");
        let next = queued.queue.next(now);
        if next < queued.next {
            queued.turn = queued.turn % (TURNS - 1) + 1;
            queued.next = next;
            self.queue.push(next, Event::Look { queue: queue as u32, turn: queued.turn });
        }
    }

    /// It is time to look at a queue.
    pub(super) fn look(&mut self, queue: u32, turn: u32) {
        let (now, queue) = (self.now, queue as usize);
        let queued = self.queued(queue);
        if queued.turn != turn {
            return;
        }
        queued.next = SimTime::NEVER;
        loop {
            let queued = self.queued(queue);
            if let Some((message, order, tries)) = queued.queue.take_late(now) {
                let most = queued.queue.config().attempts;
                if most.is_some_and(|most| tries.now >= most) {
                    self.park(queue, (message, order));
                } else {
                    // It has waited for long enough.
                    self.queued(queue).queue.wait(message, now);
                }
            } else if let Some(order) = queued.queue.take_redriven(now) {
                let of = &mut self.whole().orders.all[order];
                of.memory = Memory::default();
                let start = of.start;
                self.count(start, |durable| durable.redriven += 1);
                self.note_queue(order, What::Redriven);
                self.count_depth();
            } else if let Some(given) = queued.queue.take(now) {
                self.whole().given.push_back((queue, given));
                self.try_all();
            } else if let Some(expired) = queued.queue.take_expired() {
                self.park(queue, expired);
            } else {
                break;
            }
        }
        self.arrange(queue);
    }

    /// Workers begin with what they were given, one after the other: one that is done at once is given the next.
    fn try_all(&mut self) {
        if std::mem::replace(&mut self.whole().is_giving, true) {
            return;
        }
        while let Some((queue, given)) = self.whole().given.pop_front() {
            self.try_again(queue, given);
        }
        self.whole().is_giving = false;
    }

    /// A worker tries an operation again.
    fn try_again(&mut self, queue: usize, given: Given) {
        let Given { worker, order: id, tries, again } = given;
        let checks = self.queued(queue).queue.config().check_first;
        let order = &self.whole().orders.all[id];
        let (start, client, written) = (order.start, order.client, order.life.written);
        let is_done = checks && self.is_done(id);
        self.count(start, |durable| durable.tried(again, is_done));
        self.note_queue(id, What::TriedAgain { tries: tries.ever, again, is_done });
        if is_done {
            self.whole().orders.all[id].life.is_done_elsewhere();
            return self.try_ended(queue, worker, id, true);
        }
        let order = &mut self.whole().orders.all[id];
        if order.verdict.is_none() && tries.ever > 1 {
            order.retries += 1;
        }
        let course = self.begin_course(Going::of_worker(id, client, (worker, tries.ever - 1)));
        let next = self.on_course(course, |course, plan, drawn| course.take_up(written, plan, drawn));
        self.go(course, next);
    }

    /// The course of a worker is over.
    pub(super) fn try_over(&mut self, id: u32, is_done: bool) {
        let Going { order, worker, .. } = self.end_course(id);
        let queue = self.whole().orders.all[order].member as usize;
        self.try_ended(queue, worker, order, is_done);
    }

    /// A worker is done with a try.
    fn try_ended(&mut self, queue: usize, worker: u32, id: u32, is_done: bool) {
        if is_done && self.whole().orders.all[id].verdict.is_none() {
            self.order_over(id, Ok(()), Verdict::Succeeded);
        }
        let now = self.now;
        let mut ended = Vec::new();
        let next = self.queued(queue).queue.ended(now, worker, is_done, &mut ended);
        for end in ended {
            match end {
                Ended::Failed { message, order, tries } => self.wait_or_park(queue, (message, order), tries),
                Ended::Gone { message, order, also } => {
                    let thing = self.whole().orders.all[order].thing;
                    let queued = self.queued(queue);
                    queued.gone += 1;
                    queued.forget(thing, message);
                    for id in std::iter::once(order).chain(also) {
                        self.made_good(id);
                    }
                }
            }
        }
        let queued = self.queued(queue);
        if let Some(next) = next.or_else(|| queued.queue.take_next(now)) {
            self.whole().given.push_back((queue, next));
        }
        while let Some(expired) = self.queued(queue).queue.take_expired() {
            self.park(queue, expired);
        }
        self.try_all();
        self.arrange(queue);
    }

    /// What an operation was in the queue for is done.
    fn made_good(&mut self, id: u32) {
        let order = &mut self.whole().orders.all[id];
        order.message = NONE;
        if order.verdict.is_some() {
            return self.release_order(id);
        }
        // Tries of another one have done it.
        order.life.is_done_elsewhere();
        self.order_over(id, Ok(()), Verdict::Succeeded);
    }

    /// True if all that an operation is to do has been done, by whatever path.
    fn is_done(&mut self, id: u32) -> bool {
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        let mut executions = whole.orders.executions(id).to_vec();
        for (row, of) in self.rows.iter() {
            let side = &whole.sides[row as usize];
            if side.order == id {
                executions[side.place] += of.executions;
            }
        }
        let Whole { orders, places, things, .. } = whole;
        let order = &orders.all[id];
        if let Some(things) = things {
            executions.iter_mut().zip(things.executions(order.thing)).for_each(|(own, others)| *own += others);
        }
        let done = |(executions, place): (&u32, &places::Place)| Done::new(*executions, place.most_effects);
        let mut done: Vec<Done> = executions.iter().zip(&places.all).map(done).collect();
        let left = left_behind(order, places, &mut done, false, shares(&self.streams, order.key));
        left.standing == Standing::All
    }

    /// Durable queues go down with a fault, or come back.
    pub(super) fn change_queues(&mut self) {
        let now = self.now;
        let servers = 0..self.scene.world.servers.len();
        let is_down = servers.into_iter().any(|server| self.faults.in_force(self.now, server, 0).queue_down);
        for queue in 0..self.whole().queues.len() {
            if let Some(queued) = &mut self.whole().queues[queue] {
                queued.queue.set_down(now, is_down);
                self.arrange(queue);
            }
        }
    }

    /// What is in all queues.
    pub(super) fn queue_stay(&self) -> Stay {
        let queues = self.whole.iter().flat_map(|whole| &whole.queues).flatten();
        let nothing = Stay { depth: 0, oldest: SimTime::NEVER };
        queues
            .map(|queued| queued.queue.stay())
            .fold(nothing, |all, one| Stay { depth: all.depth + one.depth, oldest: all.oldest.min(one.oldest) })
    }

    /// The run is over: what is still in queues has been there until its end.
    pub(super) fn close_queues(&mut self) {
        self.whole().queues.iter().flatten().for_each(Queued::check);
        let longest = self.whole().queues.iter().flatten().map(|queued| queued.queue.longest()).max();
        let Stay { depth, oldest } = self.queue_stay();
        let still = if depth > 0 { self.scene.frame.end().since(oldest) } else { Span::ZERO };
        if let Some(durable) = &mut self.recorder.durable {
            durable.longest = longest.unwrap_or(Span::ZERO).max(still);
        }
    }
}
