//! What operations are about: who shares a key with whom, and how many effects there have been.
//!
//! A run has these where operations come again, are about the same things, or have keys that others have too. What is known of a key stands in a slot of
//! the servers' stores, and a slot belongs to a thing: two requests have one key if they are about one thing, at one place, and are the same in what the
//! key is made from.

use std::collections::BTreeMap;

use super::*;
use crate::metrics::Done;
use crate::retry::Clock;
use crate::scenario::{Contend, World};

/// All things that somebody is busy with, or may be again.
#[derive(Debug)]
pub(super) struct Things {
    all: Slab<Thing>,
    places: usize,
    /// Where operations share things by chance: the upper ends of their intervals, by rank. Their numbers are those of the first things.
    ends: Vec<f64>,
    slots: Slab<()>,
    /// Repeats that are to come, by their number in the event.
    pub repeats: Slab<Again>,
    /// Bytes of lists.
    heap: usize,
}

/// An operation that is to be done again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    /// That of the first, and how many there have been.
    pub number: CallKey,
    pub nth: u32,
    pub client: u32,
    pub thing: u32,
}

#[derive(Debug)]
struct Thing {
    /// Operations that are about it, and repeats that will be.
    busy: u32,
    /// It is one of those that are drawn: there for the whole run.
    stays: bool,
    slots: BTreeMap<SlotKey, u32>,
    /// By place.
    executions: Vec<u32>,
}

/// What two requests about one thing must have in common to have one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotKey {
    pub place: usize,
    pub made_from: MadeFrom,
}

/// What a key is made from, beside the thing and the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MadeFrom {
    /// Nothing more.
    Thing,
    /// An action, by its first operation.
    Action(CallKey),
    /// One operation on the books, or one of its calls: nobody else has it.
    Own { order: u32, call: Option<CallKey> },
    /// The time, in units of the clock's resolution.
    Clock(u64),
}

/// Bytes of a slot among those of its thing: nodes of a tree are half full at least.
const SLOT_BYTES: usize = 2 * size_of::<(SlotKey, u32)>();

impl Things {
    /// Nothing yet; `places` is where calls are made.
    pub(super) fn new(world: &World, places: usize) -> Things {
        let ends = world.contend.as_ref().map(Contend::ends).unwrap_or_default();
        let mut things =
            Things { all: Slab::default(), places, ends, slots: Slab::default(), repeats: Slab::default(), heap: 0 };
        for _ in 0..things.ends.len() {
            things.put_down(true);
        }
        things
    }

    fn put_down(&mut self, stays: bool) -> u32 {
        let thing = Thing { busy: 0, stays, slots: BTreeMap::new(), executions: Vec::new() };
        self.all.insert(thing)
    }

    /// What a new operation is about: it is busy with it. `unit` draws among those that are drawn.
    pub(super) fn pick(&mut self, unit: impl FnOnce() -> f64) -> u32 {
        let thing = match self.ends.len() {
            0 => self.put_down(false),
            things => {
                let unit = unit();
                self.ends.partition_point(|end| *end <= unit).min(things - 1) as u32
            }
        };
        self.hold(thing);
        thing
    }

    /// Somebody will be busy with a thing.
    pub(super) fn hold(&mut self, thing: u32) {
        self.all[thing].busy += 1;
    }

    /// The slot of a key.
    pub(super) fn slot(&mut self, thing: u32, key: SlotKey) -> u32 {
        *self.all[thing].slots.entry(key).or_insert_with(|| {
            self.heap += SLOT_BYTES;
            self.slots.insert(())
        })
    }

    /// What so many executions more of a thing have come to, where so many effects of it are wanted, or one of each operation.
    pub(super) fn done(&mut self, thing: u32, place: usize, more: u32, most_effects: u32, wanted: Option<u32>) -> Done {
        let Some(wanted) = wanted else { return Done::new(more, most_effects) };
        let executions = &mut self.all[thing].executions;
        if executions.is_empty() {
            executions.resize(self.places, 0);
            self.heap += executions.capacity() * size_of::<u32>();
        }
        let executions = &mut executions[place];
        let before = (*executions).min(most_effects);
        *executions = executions.saturating_add(more);
        let after = (*executions).min(most_effects);
        Done { executions: more, effects: after - before, firsts: after.min(wanted) - before.min(wanted) }
    }

    /// Executions that operations have made which are off the books, by place; nothing if none has made any.
    pub(super) fn executions(&self, thing: u32) -> &[u32] {
        &self.all[thing].executions
    }

    /// An operation is busy with a thing no more. Calls back for each slot, with its place, that nobody will ask for again: those that are the
    /// operation's own, or all of a thing that is over: then it returns true.
    pub(super) fn let_go(&mut self, thing: u32, order: u32, mut forget: impl FnMut(usize, u32)) -> bool {
        let of = &mut self.all[thing];
        of.busy -= 1;
        let is_over = of.busy == 0 && !of.stays;
        let gone: Vec<SlotKey> = if is_over {
            of.slots.keys().copied().collect()
        } else {
            let own = |place, call| SlotKey { place, made_from: MadeFrom::Own { order, call } };
            let last = Some(CallKey::operation(u64::MAX));
            let at = |place| of.slots.range(own(place, None)..=own(place, last));
            (0..self.places).flat_map(at).map(|(key, _)| *key).collect()
        };
        for key in gone {
            let slot = of.slots.remove(&key).expect("it was found there");
            forget(key.place, slot);
            self.slots.remove(slot);
            self.heap -= SLOT_BYTES;
        }
        if is_over {
            self.heap -= self.all.remove(thing).executions.capacity() * size_of::<u32>();
        }
        is_over
    }

    /// Bytes that so many things take which are there for the whole run, before anything is known of them.
    pub(super) fn bytes_for(things: u32) -> u64 {
        Slab::<Thing>::bytes_for(u64::from(things)) + u64::from(things) * size_of::<f64>() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.repeats.is_empty() && self.all.iter().all(|(_, thing)| thing.busy == 0 && thing.stays)
    }

    pub(super) fn bytes(&self) -> usize {
        self.all.bytes()
            + self.slots.bytes()
            + self.repeats.bytes()
            + self.heap
            + self.ends.capacity() * size_of::<f64>()
    }
}

/// What a key with the time in it is made from at this instant.
pub(super) fn at_clock(clock: Clock, now: SimTime) -> MadeFrom {
    MadeFrom::Clock(now.0 / clock.resolution.0.max(1))
}
