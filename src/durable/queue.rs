//! The queue itself: who waits, who is being tried by which worker, and who is parked.

use std::collections::{BTreeSet, VecDeque};

use super::{DurableConfig, Order, When};
use crate::slab::Slab;
use crate::units::{SimTime, Span};

/// Operations that have failed, and wait to be tried again.
#[derive(Debug)]
pub struct DurableQueue<'a> {
    config: &'a DurableConfig,
    messages: Slab<Message>,
    /// Those that wait, in the order in which they are given out.
    waiting: BTreeSet<(SimTime, u64, u32)>,
    /// Those that are given out, by when that is over.
    given: BTreeSet<(SimTime, u32)>,
    /// Those in the queue by when they came.
    stays: BTreeSet<(SimTime, u32)>,
    parked: VecDeque<u32>,
    /// Those that would have been given out too late: their owner parks them.
    expired: Vec<u32>,
    workers: Slab<Worker>,
    idle: u32,
    /// The longest stay that is over.
    longest: Span,
    is_down: bool,
    /// When it came back last.
    back: SimTime,
    /// The next of those that are parked is tried again then; [`SimTime::NEVER`]: none is any more.
    redrive: SimTime,
    /// So many are still to be: those that were parked when it began.
    redriving: usize,
    /// Places in the order that were given away.
    seq: u64,
}

#[derive(Debug)]
struct Message {
    /// Who came first.
    order: u32,
    /// Who has part in it.
    also: Vec<u32>,
    /// When it was put in.
    since: SimTime,
    /// No try begins later.
    expires: SimTime,
    state: State,
    /// Its place in the order.
    seq: u64,
    tries: Tries,
    /// Workers that have it, or have not forgotten it.
    held: u32,
    /// When it was given out last.
    given: SimTime,
    /// Times that it was given out: who had it before that is late.
    receipt: u32,
}

/// How often something was tried, one in its process included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Since it was put in, or tried again after it was parked: what limits are about.
    pub now: u32,
    /// In all: what it draws goes by that.
    pub ever: u32,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It waits until then.
    Waits(SimTime),
    /// A worker has it, and has to be done by then.
    Given(SimTime),
    /// It is in the dead-letter queue.
    Parked,
    /// Its work is done; somebody is still busy with it.
    Done,
}

#[derive(Debug, Default)]
struct Worker {
    batch: Vec<Taken>,
    at: usize,
}

/// What a worker has taken.
#[derive(Clone, Copy, Debug)]
struct Taken {
    message: u32,
    receipt: u32,
    /// With this one.
    tries: Tries,
    succeeded: bool,
}

/// A worker is to try this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Who.
    pub worker: u32,
    /// Whose operation.
    pub order: u32,
    /// Tries so far, this one included.
    pub tries: Tries,
    /// Another worker is still at it.
    pub again: bool,
}

/// What has become of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A try has failed, and it is whoever owns the queue who says when there is another one, if there is: [`DurableQueue::wait`] or
    /// [`DurableQueue::park`].
    Failed {
        /// Which message.
        message: u32,
        /// Whose operation.
        order: u32,
        /// Tries so far.
        tries: Tries,
    },
    /// It is out of the queue.
    Gone {
        /// Which message that was.
        message: u32,
        /// Whose operation.
        order: u32,
        /// Who had part in it.
        also: Vec<u32>,
    },
}

/// What is in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Messages that wait or are being tried.
    pub depth: u32,
    /// Since when the oldest of them has been there; [`SimTime::NEVER`]: there is none.
    pub oldest: SimTime,
}

impl Default for Stay {
    /// Nothing.
    fn default() -> Stay {
        Stay { depth: 0, oldest: SimTime::NEVER }
    }
}

impl<'a> DurableQueue<'a> {
    /// Nothing is in it.
    pub fn new(config: &'a DurableConfig) -> DurableQueue<'a> {
        DurableQueue {
            config,
            messages: Slab::default(),
            waiting: BTreeSet::new(),
            given: BTreeSet::new(),
            stays: BTreeSet::new(),
            parked: VecDeque::new(),
            expired: Vec::new(),
            workers: Slab::default(),
            idle: config.workers,
            longest: Span::ZERO,
            is_down: false,
            back: SimTime::ZERO,
            redrive: config.redrive.map_or(SimTime::NEVER, |redrive| SimTime::ZERO + redrive.at),
            redriving: 0,
            seq: 0,
        }
    }

    /// Its rules.
    pub fn config(&self) -> &'a DurableConfig {
        self.config
    }

    /// An operation that started at `start` is put in. Whoever does that says when it is given out: [`DurableQueue::wait`] or [`DurableQueue::park`].
    pub fn put(&mut self, now: SimTime, order: u32, start: SimTime) -> u32 {
        let (also, state, seq) = (Vec::new(), State::Waits(now), self.next_seq());
        let tries = Tries { now: self.tried_before(), ever: self.tried_before() };
        let expires = self.config.max_age.map_or(SimTime::NEVER, |age| start + age);
        let message = Message { order, also, since: now, expires, state, seq, tries, held: 0, given: now, receipt: 0 };
        let message = self.messages.insert(message);
        self.stays.insert((now, message));
        message
    }

    /// Tries in its process of what is put in.
    fn tried_before(&self) -> u32 {
        u32::from(self.config.when == When::AfterFailure)
    }

    /// How many there are, whatever becomes of them.
    pub fn messages(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Another operation has part in it.
    pub fn join(&mut self, message: u32, order: u32) {
        self.messages[message].also.push(order);
    }

    /// The queue goes down, or comes back: nothing is given out while it is down.
    pub fn set_down(&mut self, now: SimTime, is_down: bool) {
        if is_down == self.is_down {
            return;
        }
        self.is_down = is_down;
        if !is_down {
            self.back = now;
            return;
        }
        // Until now it has heard who was busy.
        for (until, message) in std::mem::take(&mut self.given) {
            let later = self.heard(message, now, false).map_or(until, |until_then| until_then.max(until));
            self.messages[message].state = State::Given(later);
            self.given.insert((later, message));
        }
    }

    /// Until when whoever has this message keeps it, by the last that was heard of it up to this instant; `None`: nothing was.
    fn heard(&self, message: u32, now: SimTime, with_now: bool) -> Option<SimTime> {
        let (beat, visibility) = (self.config.heart_beat?, self.config.visibility?);
        let given = self.messages[message].given;
        let passed = now.since(given).0 + u64::from(with_now);
        let last = given + Span(passed.saturating_sub(1) / beat.0 * beat.0);
        (last > given && last >= self.back).then_some(last + visibility)
    }

    /// True while nothing is taken in or given out.
    pub fn is_down(&self) -> bool {
        self.is_down
    }

    /// When there is something to do next; [`SimTime::NEVER`]: nothing, whatever time it is.
    pub fn next(&self, now: SimTime) -> SimTime {
        let head = self.waiting.first().filter(|_| self.idle > 0 && !self.is_down);
        let look = head.map_or(SimTime::NEVER, |(_, _, message)| self.look_from(self.due(*message).max(now)));
        let late = self.given.first().map_or(SimTime::NEVER, |(until, _)| *until);
        let redrive = if !self.parked.is_empty() && !self.is_down { self.redrive.max(now) } else { SimTime::NEVER };
        look.min(late).min(redrive)
    }

    /// The next instant from this one on at which who is idle looks.
    fn look_from(&self, at: SimTime) -> SimTime {
        match self.config.poll {
            Span::ZERO => at,
            poll => SimTime(at.0.div_ceil(poll.0).saturating_mul(poll.0)),
        }
    }

    fn due(&self, message: u32) -> SimTime {
        match self.messages[message].state {
            State::Waits(due) => due,
            _ => SimTime::NEVER,
        }
    }

    fn place(&self, due: SimTime, seq: u64, message: u32) -> (SimTime, u64, u32) {
        let due = if self.config.order == Order::Fifo { SimTime::ZERO } else { due };
        (due, seq, message)
    }

    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// The next of those that were given out for too long, whose operation it is, and tries so far. Whoever asks says what becomes of it, as of one that
    /// has failed.
    pub fn take_late(&mut self, now: SimTime) -> Option<(u32, u32, Tries)> {
        let message = loop {
            let (until, message) = *self.given.first()?;
            if until > now {
                return None;
            }
            self.given.remove(&(until, message));
            let heard = if self.is_down { None } else { self.heard(message, now, true) };
            let Some(until) = heard.filter(|until| *until > now) else { break message };
            self.messages[message].state = State::Given(until);
            self.given.insert((until, message));
        };
        let Message { order, tries, .. } = self.messages[message];
        self.messages[message].state = State::Waits(now);
        Some((message, order, tries))
    }

    /// The next one of those that are parked which is tried again now: whose operation it is. Tries are counted anew.
    pub fn take_redriven(&mut self, now: SimTime) -> Option<u32> {
        if self.redrive > now || self.is_down {
            return None;
        }
        if self.redriving == 0 {
            self.redriving = self.parked.len();
        }
        let tried_before = self.tried_before();
        let message = self.parked.pop_front()?;
        self.redriving -= 1;
        let of = &mut self.messages[message];
        (of.since, of.tries.now) = (now, tried_before);
        let order = of.order;
        self.stays.insert((now, message));
        if self.redriving == 0 {
            self.redrive = SimTime::NEVER;
        } else if let Some(rate) = self.config.redrive.and_then(|redrive| redrive.rate) {
            self.redrive = now + Span::from_seconds(1.0 / rate);
        }
        self.wait(message, now);
        Some(order)
    }

    /// An idle worker takes what is due, if there is anything and it looks now, and tries the first of it.
    pub fn take(&mut self, now: SimTime) -> Option<Given> {
        if self.idle == 0 || self.look_from(now) != now {
            return None;
        }
        self.take_batch(now)
    }

    fn take_batch(&mut self, now: SimTime) -> Option<Given> {
        if self.is_down {
            return None;
        }
        let mut batch = Vec::new();
        while batch.len() < self.config.batch as usize {
            let Some(&(place, seq, message)) = self.waiting.first() else { break };
            if self.due(message) > now {
                break;
            }
            self.waiting.remove(&(place, seq, message));
            if self.messages[message].expires < now {
                self.expired.push(message);
                continue;
            }
            let until = self.config.visibility.map_or(SimTime::NEVER, |visibility| now + visibility);
            let of = &mut self.messages[message];
            of.state = State::Given(until);
            of.given = now;
            of.receipt += 1;
            of.held += 1;
            of.tries = Tries { now: of.tries.now.saturating_add(1), ever: of.tries.ever.saturating_add(1) };
            batch.push(Taken { message, receipt: of.receipt, tries: of.tries, succeeded: false });
            if until != SimTime::NEVER {
                self.given.insert((until, message));
            }
        }
        if batch.is_empty() {
            return None;
        }
        self.idle -= 1;
        let worker = self.workers.insert(Worker { batch, at: 0 });
        Some(self.begin(worker))
    }

    /// One that was to be given out, and is too old for it: the message, and whose operation it is. Its owner parks it.
    pub fn take_expired(&mut self) -> Option<(u32, u32)> {
        let message = self.expired.pop()?;
        Some((message, self.messages[message].order))
    }

    fn begin(&self, worker: u32) -> Given {
        let Worker { batch, at } = &self.workers[worker];
        let Taken { message, tries, .. } = batch[*at];
        let of = &self.messages[message];
        Given { worker, order: of.order, tries, again: of.held > 1 }
    }

    /// The try of a worker has ended. What it tries next, if it has anything; what has become of messages goes to `ended`.
    pub fn ended(&mut self, now: SimTime, worker: u32, succeeded: bool, ended: &mut Vec<Ended>) -> Option<Given> {
        let of = &mut self.workers[worker];
        of.batch[of.at].succeeded = succeeded;
        of.at += 1;
        let (at, len) = (of.at, of.batch.len());
        if self.config.partial || len == 1 {
            let taken = self.workers[worker].batch[at - 1];
            ended.extend(self.settle(now, taken, succeeded));
        }
        if at < len {
            return Some(self.begin(worker));
        }
        let Worker { batch, .. } = self.workers.remove(worker);
        self.idle += 1;
        if !self.config.partial && len > 1 {
            let all = batch.iter().all(|taken| taken.succeeded);
            ended.extend(batch.into_iter().filter_map(|taken| self.settle(now, taken, all)));
        }
        None
    }

    /// Who has just finished looks at once, without waiting for its time.
    pub fn take_next(&mut self, now: SimTime) -> Option<Given> {
        self.take_batch(now)
    }

    fn settle(&mut self, now: SimTime, taken: Taken, succeeded: bool) -> Option<Ended> {
        let Taken { message, receipt, .. } = taken;
        let of = &mut self.messages[message];
        of.held -= 1;
        let (state, is_late, seq) = (of.state, of.receipt != receipt, of.seq);
        if succeeded {
            match state {
                State::Waits(due) => _ = self.waiting.remove(&self.place(due, seq, message)),
                State::Given(until) => _ = self.given.remove(&(until, message)),
                State::Parked => {
                    let place = self.parked.iter().position(|parked| *parked == message);
                    let place = place.expect("it is among them");
                    self.parked.remove(place);
                    self.redriving -= usize::from(place < self.redriving);
                }
                State::Done => {}
            }
            let of = &mut self.messages[message];
            of.state = State::Done;
            let (since, held) = (of.since, of.held);
            self.leaves(now, since, message);
            if held > 0 {
                return None;
            }
            let Message { order, also, .. } = self.messages.remove(message);
            return Some(Ended::Gone { message, order, also });
        }
        if state == State::Done && of.held == 0 {
            let Message { order, also, .. } = self.messages.remove(message);
            return Some(Ended::Gone { message, order, also });
        }
        if is_late || !matches!(state, State::Given(_)) {
            return None;
        }
        if let State::Given(until) = state {
            self.given.remove(&(until, message));
        }
        let of = &mut self.messages[message];
        of.state = State::Waits(now);
        Some(Ended::Failed { message, order: of.order, tries: of.tries })
    }

    /// A message whose try has failed is given out again from `due` on.
    pub fn wait(&mut self, message: u32, due: SimTime) {
        let seq = match self.config.order {
            Order::Fifo => self.messages[message].seq,
            Order::Due => self.next_seq(),
        };
        let of = &mut self.messages[message];
        (of.state, of.seq) = (State::Waits(due), seq);
        self.waiting.insert(self.place(due, seq, message));
    }

    /// It is in the queue no longer, if it was.
    fn leaves(&mut self, now: SimTime, since: SimTime, message: u32) {
        if self.stays.remove(&(since, message)) {
            self.longest = self.longest.max(now.since(since));
        }
    }

    /// The longest time that a message was there until it was done or parked.
    pub fn longest(&self) -> Span {
        self.longest
    }

    /// It goes to the dead-letter queue.
    pub fn park(&mut self, now: SimTime, message: u32) {
        if self.redriving == 0 && self.parked.is_empty() && now > self.redrive {
            // Nothing was there that could have been tried again.
            self.redrive = SimTime::NEVER;
        }
        let of = &mut self.messages[message];
        of.state = State::Parked;
        let since = of.since;
        self.leaves(now, since, message);
        self.parked.push_back(message);
    }

    /// True if this message is in the dead-letter queue.
    pub fn is_parked(&self, message: u32) -> bool {
        self.messages.get(message).is_some_and(|of| of.state == State::Parked)
    }

    /// What is in it now, without the dead-letter queue.
    pub fn stay(&self) -> Stay {
        let oldest = self.stays.first().map_or(SimTime::NEVER, |(since, _)| *since);
        Stay { depth: self.stays.len() as u32, oldest }
    }

    /// True if something in it may still happen: not if all that there is, is parked for good.
    pub fn is_alive(&self) -> bool {
        !self.stays.is_empty() || !self.workers.is_empty() || !self.parked.is_empty() && self.redrive != SimTime::NEVER
    }

    /// Everything in it is in exactly one state, and where that says.
    ///
    /// # Panics
    /// If not: that is a bug in the simulator.
    pub fn check(&self) {
        let mut counts = [0_usize; 4];
        for (_, message) in self.messages.iter() {
            counts[match message.state {
                State::Waits(_) => 0,
                State::Given(_) => 1,
                State::Parked => 2,
                State::Done => 3,
            }] += 1;
        }
        assert_eq!(counts[0], self.waiting.len(), "who waits is given out some time");
        assert_eq!(counts[2], self.parked.len(), "who is parked is counted");
        assert_eq!(counts[0] + counts[1], self.stays.len(), "who waits or is being tried is in the queue");
        if self.config.visibility.is_some() {
            assert_eq!(counts[1], self.given.len(), "who is being tried is so until a time");
        }
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        // Nodes of trees are at least half full.
        let tree = self.waiting.len() * size_of::<(SimTime, u64, u32)>()
            + (self.given.len() + self.stays.len()) * size_of::<(SimTime, u32)>();
        self.messages.bytes() + self.workers.bytes() + 2 * tree + self.parked.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + Span::secs(seconds)
    }

    /// A driver that tries what it is given for so long, with these results, and waits a second after each that fails; it parks after `attempts`. Writes
    /// what happens: `2@5` a try of 2 at 5 s, `+2`, `-2` its end, `p2` parked, `r2` tried again.
    struct Drive<'a> {
        queue: DurableQueue<'a>,
        takes: u64,
        fails: Box<dyn Fn(u32, u32) -> bool>,
        told: Vec<String>,
        busy: Vec<(SimTime, Given)>,
    }

    impl<'a> Drive<'a> {
        fn new(config: &'a DurableConfig, takes: u64, fails: impl Fn(u32, u32) -> bool + 'static) -> Drive<'a> {
            Drive {
                queue: DurableQueue::new(config),
                takes,
                fails: Box::new(fails),
                told: Vec::new(),
                busy: Vec::new(),
            }
        }

        fn given(&mut self, now: SimTime, given: Given) {
            let seconds = now.since(SimTime::ZERO).seconds();
            self.told.push(format!("{}@{seconds}{}", given.order, if given.again { "!" } else { "" }));
            self.busy.push((now + Span::secs(self.takes), given));
        }

        fn failed(&mut self, now: SimTime, message: u32, order: u32, tries: Tries) {
            if self.queue.config().attempts.is_some_and(|most| tries.now >= most) {
                self.told.push(format!("p{order}"));
                self.queue.park(now, message);
            } else {
                self.queue.wait(message, now + Span::secs(1));
            }
        }

        fn run(mut self, until: u64) -> String {
            let mut now = SimTime::ZERO;
            loop {
                self.queue.check();
                let busy = self.busy.iter().map(|(at, _)| *at).min().unwrap_or(SimTime::NEVER);
                now = self.queue.next(now).min(busy).max(now);
                if now > at(until) {
                    self.queue.check();
                    return self.told.join(" ");
                }
                if let Some(index) = self.busy.iter().position(|(at, _)| *at == now) {
                    let (_, given) = self.busy.remove(index);
                    let ok = !(self.fails)(given.order, given.tries.now);
                    self.told.push(format!("{}{}", if ok { '+' } else { '-' }, given.order));
                    let mut ended = Vec::new();
                    let next = self.queue.ended(now, given.worker, ok, &mut ended);
                    for end in ended {
                        if let Ended::Failed { message, order, tries } = end {
                            self.failed(now, message, order, tries);
                        }
                    }
                    if let Some(next) = next.or_else(|| self.queue.take_next(now)) {
                        self.given(now, next);
                    }
                    continue;
                }
                if let Some((message, order, tries)) = self.queue.take_late(now) {
                    self.failed(now, message, order, tries);
                } else if let Some(order) = self.queue.take_redriven(now) {
                    self.told.push(format!("r{order}"));
                } else if let Some(given) = self.queue.take(now) {
                    self.given(now, given);
                } else if let Some((message, order)) = self.queue.take_expired() {
                    self.told.push(format!("p{order}"));
                    self.queue.park(now, message);
                }
            }
        }
    }

    fn check(config: DurableConfig, takes: u64, fails: fn(u32, u32) -> bool, expected: &str) {
        let mut drive = Drive::new(&config, takes, fails);
        for order in 1..=3 {
            let message = drive.queue.put(SimTime::ZERO, order, SimTime::ZERO);
            drive.queue.wait(message, at(u64::from(order)));
        }
        assert_eq!(drive.run(40), expected, "{config:?}");
    }

    #[test]
    fn what_is_due_is_tried_until_it_is_done() {
        let config = DurableConfig::default;
        check(config(), 0, |_, _| false, "1@1 +1 2@2 +2 3@3 +3");
        // The second try of 1 is due at 2 as 2 is, which came before.
        check(config(), 0, |order, tries| order == 1 && tries == 2, "1@1 -1 2@2 +2 1@2 +1 3@3 +3");
        // One worker: who is due waits for it. Two: the other one.
        check(config(), 5, |_, _| false, "1@1 +1 2@6 +2 3@11 +3");
        check(DurableConfig { workers: 2, ..config() }, 5, |_, _| false, "1@1 2@2 +1 3@6 +2 +3");
    }

    #[test]
    fn who_is_idle_looks_from_time_to_time() {
        let config = DurableConfig { poll: Span::secs(10), ..DurableConfig::default() };
        check(config.clone(), 1, |_, _| false, "1@10 +1 2@11 +2 3@12 +3");
        check(DurableConfig { workers: 3, ..config }, 1, |_, _| false, "1@10 2@10 3@10 +1 +2 +3");
    }

    #[test]
    fn the_first_holds_up_the_others() {
        let config = DurableConfig { order: Order::Fifo, ..DurableConfig::default() };
        check(config.clone(), 0, |order, tries| order == 1 && tries < 5, "1@1 -1 1@2 -1 1@3 -1 1@4 +1 2@4 +2 3@4 +3");
        let parks = DurableConfig { attempts: Some(3), ..config };
        check(parks, 0, |order, _| order == 1, "1@1 -1 1@2 -1 p1 2@2 +2 3@3 +3");
    }

    #[test]
    fn a_batch_is_done_when_all_of_it_is() {
        let config = DurableConfig { poll: Span::secs(10), batch: 3, ..DurableConfig::default() };
        let fails = |order, tries| order == 2 && tries == 2;
        check(config.clone(), 1, fails, "1@10 +1 2@11 -2 3@12 +3 1@20 +1 2@21 +2 3@22 +3");
        check(DurableConfig { partial: true, ..config }, 1, fails, "1@10 +1 2@11 -2 3@12 +3 2@13 +2");
    }

    #[test]
    fn what_takes_too_long_is_given_out_again() {
        let config = DurableConfig { visibility: Some(Span::secs(4)), workers: 2, ..DurableConfig::default() };
        // 1 and 2 are given back while both workers are busy, and done before anybody is free. 3 is not, and is tried twice: the first that is done ends it.
        check(config.clone(), 6, |_, _| false, "1@1 2@2 +1 3@7 +2 3@12! +3 +3");
        // What comes of a try that is late, and fails, is nothing.
        let three = DurableConfig { workers: 3, attempts: Some(3), ..config };
        check(three, 6, |order, _| order > 1, "1@1 2@2 3@3 +1 2@7! -2 3@8! -3 p2 p3 -2 -3");
    }

    #[test]
    fn whoever_says_that_it_is_busy_keeps_what_it_has() {
        let (visibility, heart_beat) = (Some(Span::secs(4)), Some(Span::secs(3)));
        let config = DurableConfig { visibility, heart_beat, workers: 9, ..DurableConfig::default() };
        check(config.clone(), 20, |_, _| false, "1@1 2@2 3@3 +1 +2 +3");
        // Given at 0 s, it says so at 3 s, 6 s, 9 s, …, for 4 s each.
        let late_at = |down: u64, up: u64| {
            let mut queue = DurableQueue::new(&config);
            let message = queue.put(at(0), 1, at(0));
            queue.wait(message, at(0));
            queue.take(at(0)).expect("it is due");
            for second in 1..40 {
                if second == down || second == up {
                    queue.set_down(at(second), second == down);
                }
                if queue.take_late(at(second)).is_some() {
                    return second;
                }
            }
            0
        };
        assert_eq!(late_at(0, 0), 0, "it is heard for ever");
        assert_eq!(late_at(1, 30), 4, "it was never heard");
        assert_eq!(late_at(3, 30), 4, "who is down does not hear");
        assert_eq!(late_at(4, 30), 7);
        assert_eq!(late_at(13, 30), 16, "heard at 12 s");
        assert_eq!(late_at(13, 15), 0, "it comes back in time to hear the next");
        assert_eq!(late_at(13, 16), 16, "and now too late");
    }

    #[test]
    fn what_is_parked_stays_until_it_is_tried_again() {
        let config = DurableConfig { attempts: Some(2), ..DurableConfig::default() };
        check(config.clone(), 0, |_, _| true, "1@1 -1 p1 2@2 -2 p2 3@3 -3 p3");
        let redriven = |rate| DurableConfig {
            redrive: Some(super::super::Redrive { at: Span::secs(20), rate }),
            ..config.clone()
        };
        let before = "1@1 -1 p1 2@2 -2 p2 3@3 -3 p3";
        check(redriven(None), 0, |_, _| true, &format!("{before} r1 r2 r3 1@20 -1 p1 2@20 -2 p2 3@20 -3 p3"));
        let paced = format!("{before} r1 1@20 -1 p1 r2 2@22 -2 p2 r3 3@24 -3 p3");
        check(redriven(Some(0.5)), 0, |_, _| true, &paced);
    }
}
