//! One timer per operation, of which at most one entry is queued.
//!
//! Most time-outs never happen: the reply comes first. So an entry already queued for an earlier instant is left where it is and, when it pops,
//! queues itself again for the instant now wanted, at the place in the order of scheduling that was reserved when the timer was set.
//! The order of events is exactly as if every timer were queued when it is set and cancelled when it is no longer wanted.

use super::event::{Class, Event};
use super::queue::{Queue, Ticket};
use crate::units::SimTime;

#[derive(Clone, Copy, Debug)]
struct Timer {
    due: SimTime,
    due_ticket: Ticket,
    queued: SimTime,
    queued_ticket: Ticket,
}

const IDLE: Timer =
    Timer { due: SimTime::NEVER, due_ticket: Ticket::FIRST, queued: SimTime::NEVER, queued_ticket: Ticket::FIRST };

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
        timer.due = due;
        if due == SimTime::NEVER {
            return;
        }
        timer.due_ticket = queue.reserve();
        if due < timer.queued {
            enqueue(timer, row, queue);
        }
    }

    /// The entry for `row` with this `ticket` popped at `now`: true if the timer is due.
    pub fn popped(&mut self, now: SimTime, ticket: Ticket, row: u32, queue: &mut Queue) -> bool {
        let timer = &mut self.timers[row as usize];
        if timer.queued != now || timer.queued_ticket != ticket {
            // Stale: replaced by an earlier one, maybe set anew for this very instant since.
            return false;
        }
        timer.queued = SimTime::NEVER;
        if timer.due == SimTime::NEVER {
            return false;
        }
        if timer.due == now && timer.due_ticket == ticket {
            timer.due = SimTime::NEVER;
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

fn enqueue(timer: &mut Timer, row: u32, queue: &mut Queue) {
    timer.queued = timer.due;
    timer.queued_ticket = timer.due_ticket;
    queue.push_reserved(timer.due, Class::Timer, timer.due_ticket, Event::Timer { row });
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

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(4), cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn fire_in_the_order_in_which_they_were_set(
            script in proptest::collection::vec((0u32..4, proptest::option::weighted(0.9, 0u64..8)), 0..60)
        ) {
            prop_assert_eq!(fired(&script), expected(&script));
        }
    }
}
