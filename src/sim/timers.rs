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

    /// An entry for `row` popped at `now`: true if the timer is due.
    pub fn popped(&mut self, now: SimTime, row: u32, queue: &mut Queue) -> bool {
        let timer = &mut self.timers[row as usize];
        if timer.queued != now {
            // Stale: replaced by an earlier one.
            return false;
        }
        let ticket = timer.queued_ticket;
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

    use super::*;

    /// When which row's timer fired.
    type Fired = Vec<(u64, u32)>;

    /// Timers set and replaced at random fire in the same order as in a model that queues all and cancels.
    fn check(steps: &[(u64, u32, Option<u64>)]) -> (Fired, Fired) {
        let (mut queue, mut timers) = (Queue::default(), Timers::default());
        // The model: (due, order of setting, row), replaced by row.
        let mut model: Vec<(u64, usize, u32)> = Vec::new();
        let (mut got, mut expected) = (Vec::new(), Vec::new());
        let mut steps = steps.to_vec();
        steps.sort_by_key(|step| step.0);
        let mut pending = std::collections::VecDeque::new();
        let end = steps.last().map_or(0, |step| step.0) + 1_000;
        let mut fire =
            |queue: &mut Queue, timers: &mut Timers, until: u64, pending: &mut std::collections::VecDeque<_>| {
                loop {
                    let next = pending.pop_front().or_else(|| queue.pop());
                    match next {
                        Some((time, Event::Timer { row })) if time < SimTime(until) => {
                            if timers.popped(time, row, queue) {
                                got.push((time.0, row));
                            }
                        }
                        Some(later) => {
                            pending.push_front(later);
                            break;
                        }
                        None => break,
                    }
                }
            };
        for (order, (at, row, after)) in steps.iter().enumerate() {
            // Put back what was popped too early, in its place.
            fire(&mut queue, &mut timers, *at, &mut pending);
            model.sort_unstable();
            while model.first().is_some_and(|first| first.0 < *at) {
                let (due, _, row) = model.remove(0);
                expected.push((due, row));
            }
            model.retain(|entry| entry.2 != *row);
            if let Some(after) = after {
                model.push((at + after, order, *row));
            }
            // A popped entry cannot be put back in order, so settle it first: it is the earliest of all.
            while let Some((time, Event::Timer { row })) = pending.pop_front() {
                queue.push_reserved(
                    time,
                    Class::Timer,
                    timers.timers[row as usize].queued_ticket,
                    Event::Timer { row },
                );
            }
            timers.set(*row, after.map_or(SimTime::NEVER, |after| SimTime(at + after)), &mut queue);
        }
        fire(&mut queue, &mut timers, end, &mut pending);
        model.sort_unstable();
        expected.extend(model.iter().map(|(due, _, row)| (*due, *row)));
        (got, expected)
    }

    proptest! {
        #[test]
        fn fire_in_the_order_they_were_set(
            steps in proptest::collection::vec((0u64..60, 0u32..5, proptest::option::of(0u64..20)), 0..60)
        ) {
            let (got, expected) = check(&steps);
            prop_assert_eq!(got, expected);
        }
    }
}
