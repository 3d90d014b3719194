//! One timer per operation, of which at most two entries are queued in the usual course of a call.
//!
//! Most time-outs never happen: the reply comes first. So an entry already queued for an earlier instant is left where it is and, when it pops,
//! queues itself again for the instant now wanted, at the place in the order of scheduling that was reserved when the timer was set. A wait
//! before a retry ends earlier than the time-out before it would have: its entry goes in front, and the one behind serves the next time-out.
//! The order of events is exactly as if every timer were queued when it is set and cancelled when it is no longer wanted.

use super::event::{Class, Event};
use super::queue::{Queue, Ticket};
use crate::units::SimTime;

/// An instant, and a place in the order of scheduling.
type Place = (SimTime, Ticket);

const NOWHERE: Place = (SimTime::NEVER, Ticket::FIRST);

#[derive(Clone, Copy, Debug)]
struct Timer {
    due: Place,
    /// The earliest entry queued.
    queued: Place,
    /// One queued behind it. Others may be, but are forgotten, and mean nothing when they pop.
    behind: Place,
}

const IDLE: Timer = Timer { due: NOWHERE, queued: NOWHERE, behind: NOWHERE };

/// The timers, by the operation's place.
#[derive(Debug, Default)]
pub struct Timers {
    timers: Vec<Timer>,
}

impl Timers {
    /// Wakes `row` at `due`, instead of at whatever was set before; [`SimTime::NEVER`] clears it.
    pub fn set(&mut self, row: u32, due: SimTime, queue: &mut Queue) {
        if self.timers.len() <= row as usize {
            self.timers.resize(row as usize + 1, IDLE);
        }
        let timer = &mut self.timers[row as usize];
        if due == SimTime::NEVER {
            timer.due = NOWHERE;
            return;
        }
        timer.due = (due, queue.reserve());
        enqueue(timer, row, queue);
    }

    /// The entry for `row` with this `ticket` popped at `now`: true if the timer is due.
    pub fn popped(&mut self, now: SimTime, ticket: Ticket, row: u32, queue: &mut Queue) -> bool {
        let timer = &mut self.timers[row as usize];
        if timer.queued != (now, ticket) {
            // Forgotten.
            return false;
        }
        (timer.queued, timer.behind) = (timer.behind, NOWHERE);
        if timer.due == (now, ticket) {
            timer.due = NOWHERE;
            return true;
        }
        enqueue(timer, row, queue);
        false
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.timers.capacity() * size_of::<Timer>()
    }
}

/// Queues an entry for the instant wanted, unless one that is queued comes no later.
fn enqueue(timer: &mut Timer, row: u32, queue: &mut Queue) {
    let (due, ticket) = timer.due;
    if due < timer.queued.0 {
        (timer.queued, timer.behind) = (timer.due, timer.queued);
        queue.push_reserved(due, Class::Timer, ticket, Event::Timer { row });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// What is set: which row, and after how long; `None` clears it.
    type Setting = (u32, Option<u64>);

    /// Plays a script: its settings are made one after the other, a few at the beginning and one more each time a timer fires.
    /// Returns which rows fired, and when.
    fn fired(script: &[Setting]) -> Vec<(u64, u32)> {
        let (mut queue, mut timers) = (Queue::default(), Timers::default());
        let mut fired = Vec::new();
        let mut script = script.iter();
        let mut now = SimTime::ZERO;
        let mut settings = 6;
        loop {
            for (row, after) in script.by_ref().take(settings) {
                timers.set(*row, after.map_or(SimTime::NEVER, |after| SimTime(now.0 + after)), &mut queue);
            }
            settings = 0;
            let Some((time, ticket, Event::Timer { row })) = queue.pop() else { return fired };
            now = time;
            if timers.popped(now, ticket, row, &mut queue) {
                fired.push((now.0, row));
                settings = 2;
            }
        }
    }

    /// The same with a plain list: (due, order of setting, row).
    fn expected(script: &[Setting]) -> Vec<(u64, u32)> {
        let mut list: Vec<(u64, usize, u32)> = Vec::new();
        let mut fired = Vec::new();
        let mut script = script.iter().enumerate();
        let (mut now, mut settings) = (0, 6);
        loop {
            for (order, (row, after)) in script.by_ref().take(settings) {
                list.retain(|entry| entry.2 != *row);
                list.extend(after.map(|after| (now + after, order, *row)));
            }
            list.sort_unstable();
            if list.is_empty() {
                return fired;
            }
            let (due, _, row) = list.remove(0);
            now = due;
            fired.push((due, row));
            settings = 2;
        }
    }

    /// A call that retries for ever under a long time-out does not fill the queue with time-outs that never come.
    #[test]
    fn long_timeouts_do_not_pile_up() {
        let (mut queue, mut timers) = (Queue::default(), Timers::default());
        let mut now = SimTime::ZERO;
        for _ in 0..1_000 {
            timers.set(0, SimTime(now.0 + 1_000_000), &mut queue);
            timers.set(0, SimTime(now.0 + 1), &mut queue);
            let (time, ticket, _) = queue.pop().expect("the wait is queued");
            now = time;
            assert!(timers.popped(now, ticket, 0, &mut queue));
            assert!(queue.len() <= 2, "{} entries for one timer", queue.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4_000,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(4),
            ..ProptestConfig::default()
        })]

        #[test]
        fn fire_in_the_order_in_which_they_were_set(
            script in proptest::collection::vec((0u32..4, proptest::option::weighted(0.9, 0u64..8)), 0..60)
        ) {
            prop_assert_eq!(fired(&script), expected(&script));
        }
    }
}
