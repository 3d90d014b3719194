//! The event queue: ordered by (time, class, order of scheduling), exactly.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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

const CLASS_SHIFT: u32 = 62;

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (self.time, self.rank) == (other.time, other.rank)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.time, self.rank).cmp(&(other.time, other.rank))
    }
}

/// Pending events.
#[derive(Debug, Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
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
        self.heap.push(Reverse(Entry { time, rank, event }));
    }

    /// The next event.
    pub fn pop(&mut self) -> Option<(SimTime, Event)> {
        self.heap.pop().map(|Reverse(entry)| (entry.time, entry.event))
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
    use super::*;
    use crate::sim::event::Event;

    #[test]
    fn time_then_class_then_order_of_scheduling() {
        let mut queue = Queue::default();
        let early = queue.reserve();
        for (n, (time, class)) in [
            (2, Class::Arrival),
            (1, Class::Timer),
            (1, Class::Reply),
            (1, Class::Timer),
            (1, Class::Fault),
            (1, Class::Arrival),
        ]
        .into_iter()
        .enumerate()
        {
            queue.push(SimTime(time), class, Event::Timer { row: n as u32 });
        }
        queue.push_reserved(SimTime(1), Class::Timer, early, Event::Timer { row: 9 });
        let mut order = Vec::new();
        while let Some((_, Event::Timer { row })) = queue.pop() {
            order.push(row);
        }
        assert_eq!(order, [4, 2, 9, 1, 3, 5, 0]);
    }
}
