//! The event queue: ordered by (time, class, order of scheduling), exactly.

use super::event::{Class, Event};
use crate::units::SimTime;

/// A place in the order of scheduling, reserved before an entry is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

impl Ticket {
    /// Before all others; a placeholder.
    pub const FIRST: Ticket = Ticket(0);
}

/// Time, then class and order of scheduling in one word; the event does not take part.
#[derive(Clone, Copy, Debug)]
struct Entry {
    time: SimTime,
    rank: u64,
    event: Event,
}

const CLASS_SHIFT: u32 = 61;

impl Entry {
    /// Time and rank as one number: compared without a branch, which a heap would mispredict half of the time.
    fn key(&self) -> u128 {
        u128::from(self.time.0) << 64 | u128::from(self.rank)
    }
}

/// Children of a place in the heap: with four, it is half as deep as with two, and they lie in one or two cache lines
/// (LaMarca and Ladner, "The influence of caches on the performance of heaps", 1996).
const CHILDREN: usize = 4;

/// Pending events: an implicit heap, the earliest first.
#[derive(Debug, Default)]
pub struct Queue {
    heap: Vec<Entry>,
    scheduled: u64,
}

impl Queue {
    /// Bytes per pending event.
    pub const ENTRY_BYTES: usize = size_of::<Entry>();

    /// Reserves the next place in the order of scheduling.
    pub fn reserve(&mut self) -> Ticket {
        self.scheduled += 1;
        Ticket(self.scheduled)
    }

    /// Schedules `event`.
    pub fn push(&mut self, time: SimTime, class: Class, event: Event) {
        let ticket = self.reserve();
        self.push_reserved(time, class, ticket, event);
    }

    /// Schedules `event` at a place reserved earlier.
    pub fn push_reserved(&mut self, time: SimTime, class: Class, ticket: Ticket, event: Event) {
        let rank = ((class as u64) << CLASS_SHIFT) | ticket.0;
        let entry = Entry { time, rank, event };
        // A gap rises from the end until its parent is earlier.
        let mut gap = self.heap.len();
        self.heap.push(entry);
        while gap > 0 {
            let parent = (gap - 1) / CHILDREN;
            if self.heap[parent].key() <= entry.key() {
                break;
            }
            self.heap[gap] = self.heap[parent];
            gap = parent;
        }
        self.heap[gap] = entry;
    }

    /// The next event, and its place in the order of scheduling.
    pub fn pop(&mut self) -> Option<(SimTime, Ticket, Event)> {
        let first = *self.heap.first()?;
        let last = self.heap.pop()?;
        if !self.heap.is_empty() {
            self.sink(last);
        }
        Some((first.time, Ticket(first.rank & ((1 << CLASS_SHIFT) - 1)), first.event))
    }

    /// Puts `entry` where it belongs: the gap at the top sinks until no child is earlier.
    fn sink(&mut self, entry: Entry) {
        let heap = self.heap.as_mut_slice();
        let mut gap = 0;
        loop {
            let child = gap * CHILDREN + 1;
            let earliest = match heap.get(child..child + CHILDREN) {
                Some(four) => {
                    let earlier = |a: usize, b: usize| if four[b].key() < four[a].key() { b } else { a };
                    child + earlier(earlier(0, 1), earlier(2, 3))
                }
                None if child < heap.len() => (child..heap.len()).min_by_key(|at| heap[*at].key()).unwrap_or(child),
                None => break,
            };
            if entry.key() <= heap[earliest].key() {
                break;
            }
            heap[gap] = heap[earliest];
            gap = earliest;
        }
        heap[gap] = entry;
    }

    /// Pending events.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// True if nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::units::Span;

    const CLASSES: [Class; 5] = [Class::Fault, Class::Reply, Class::Request, Class::Timer, Class::Arrival];

    /// Instants that adversaries like: now, the same few again, far away, the last one of all.
    fn delay() -> impl Strategy<Value = u64> {
        prop_oneof![4 => Just(0u64), 4 => 1u64..4, 1 => Just(1 << 62), 1 => Just(u64::MAX)]
    }

    /// One step: schedule (class, delay), reserve a place for later, use the oldest place reserved, or take the next event.
    #[derive(Clone, Debug)]
    enum Step {
        Push(usize, u64),
        Reserve,
        PushReserved(usize, u64),
        Pop,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0usize..5, delay()).prop_map(|(class, delay)| Step::Push(class, delay)),
            1 => Just(Step::Reserve),
            1 => (0usize..5, delay()).prop_map(|(class, delay)| Step::PushReserved(class, delay)),
            4 => Just(Step::Pop),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2_000,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(3),
            ..ProptestConfig::default()
        })]

        /// The same order as a plain list, sorted by (time, class, order of scheduling).
        #[test]
        fn is_a_sorted_list(steps in proptest::collection::vec(step(), 0..200)) {
            let mut queue = Queue::default();
            let mut model: Vec<(SimTime, Class, u64, u32)> = Vec::new();
            let (mut now, mut order, mut number) = (SimTime::ZERO, 0, 0);
            let mut reserved = std::collections::VecDeque::new();
            for step in steps.iter().chain(std::iter::repeat_n(&Step::Pop, 200)) {
                number += 1;
                let event = Event::Timer { row: number };
                match step {
                    Step::Push(class, delay) => {
                        order += 1;
                        queue.push(now + Span(*delay), CLASSES[*class], event);
                        model.push((now + Span(*delay), CLASSES[*class], order, number));
                    }
                    Step::Reserve => {
                        order += 1;
                        reserved.push_back((queue.reserve(), order));
                    }
                    Step::PushReserved(class, delay) => {
                        if let Some((ticket, order)) = reserved.pop_front() {
                            queue.push_reserved(now + Span(*delay), CLASSES[*class], ticket, event);
                            model.push((now + Span(*delay), CLASSES[*class], order, number));
                        }
                    }
                    Step::Pop => {
                        model.sort_unstable();
                        let expected = (!model.is_empty()).then(|| model.remove(0));
                        let got = queue.pop();
                        prop_assert_eq!(
                            got.map(|(time, _, event)| (time, event)),
                            expected.map(|(time, _, _, number)| (time, Event::Timer { row: number }))
                        );
                        now = got.map_or(now, |(time, _, _)| time);
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
            }
        }
    }
}
