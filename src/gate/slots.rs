//! Counts over the recent past, in ten slots.
//!
//! A window is the current slot of a tenth of its length and the nine slots before it, so it covers between 90% and 100% of that length.
//! Ten buckets are what Hystrix (10 of 1 s) and Polly (10 windows of the sampling duration) count in, and what the budgets of Finagle and
//! tower do; resilience4j has one for each second. Memory and work do not depend on the traffic.

use crate::units::{SimTime, Span};

const SLOTS: usize = 10;

/// The slots of a window: how long each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u64);

impl Slot {
    /// The slots of a window of this length.
    pub fn of(window: Span) -> Slot {
        Slot::one_of(window, SLOTS as u32)
    }

    /// The slots of a window of this length that has so many.
    pub fn one_of(window: Span, slots: u32) -> Slot {
        Slot((window.0 / u64::from(slots.max(1))).max(1))
    }
}

/// `KINDS` kinds of things, counted over a window of ten slots, or of as many as a list has.
#[derive(Clone, Debug)]
pub struct Slots<const KINDS: usize, C = [[u64; KINDS]; SLOTS]> {
    /// In a ring, of which `place` is the current one.
    counts: C,
    sums: [u64; KINDS],
    place: usize,
    /// The instant at which the current slot is over: as long as it lies ahead, nothing has to be forgotten.
    until: SimTime,
}

impl<const KINDS: usize> Slots<KINDS> {
    /// Nothing was counted.
    pub fn new() -> Slots<KINDS> {
        Slots { counts: [[0; KINDS]; SLOTS], sums: [0; KINDS], place: 0, until: SimTime::ZERO }
    }
}

impl<const KINDS: usize> Slots<KINDS, Vec<[u64; KINDS]>> {
    /// Nothing was counted, over so many slots.
    pub fn many(slots: u32) -> Slots<KINDS, Vec<[u64; KINDS]>> {
        Slots { counts: vec![[0; KINDS]; slots.max(1) as usize], sums: [0; KINDS], place: 0, until: SimTime::ZERO }
    }
}

impl<const KINDS: usize> Slots<KINDS, Vec<[u64; KINDS]>> {
    /// Bytes that so many slots take, with all that belongs to them.
    pub fn bytes_of(slots: u32) -> u64 {
        size_of::<Self>() as u64 + u64::from(slots.max(1)) * size_of::<[u64; KINDS]>() as u64
    }

    /// Bytes that these take.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.counts.capacity() * size_of::<[u64; KINDS]>()
    }
}

impl<const KINDS: usize, C: AsMut<[[u64; KINDS]]>> Slots<KINDS, C> {
    /// The instant at which the current slot is over and the oldest is forgotten.
    pub fn until(&self) -> SimTime {
        self.until
    }

    /// Forgets what is older than the window at `now`.
    #[inline]
    pub fn advance(&mut self, now: SimTime, slot: Slot) {
        if now >= self.until {
            self.move_on(now, slot);
        }
    }

    /// The current slot is over.
    #[inline(never)]
    fn move_on(&mut self, now: SimTime, Slot(length): Slot) {
        let new = now.since(self.until).0 / length + 1;
        let counts = self.counts.as_mut();
        for _ in 0..new.min(counts.len() as u64) {
            self.place = (self.place + 1) % counts.len();
            for (sum, count) in self.sums.iter_mut().zip(std::mem::replace(&mut counts[self.place], [0; KINDS])) {
                *sum -= count;
            }
        }
        self.until = SimTime((now.0 / length).saturating_add(1).saturating_mul(length));
    }

    /// One more of a kind, in the current slot.
    #[inline]
    pub fn add(&mut self, kind: usize) {
        self.counts.as_mut()[self.place][kind] += 1;
        self.sums[kind] += 1;
    }

    /// How many of each kind are in the window.
    pub fn sums(&self) -> [u64; KINDS] {
        self.sums
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(20_261_126),
            ..ProptestConfig::default()
        })]

        /// As if every event had been written down.
        #[test]
        fn counts_the_current_slot_and_nine_before(
            steps in proptest::collection::vec((0u64..400, 0usize..2), 1..200),
            window in 1u64..500,
        ) {
            let mut slots = Slots::<2>::new();
            let mut many = Slots::<2, _>::many(10);
            let slot = (window / 10).max(1);
            prop_assert_eq!(Slot::of(Span(window)), Slot(slot));
            let (mut now, mut seen) = (0, Vec::new());
            for (step, kind) in steps {
                // Mostly small steps, now and then a leap.
                now += if step < 380 { step / 20 } else { step * 5 };
                slots.advance(SimTime(now), Slot::of(Span(window)));
                slots.add(kind);
                many.advance(SimTime(now), Slot::one_of(Span(window), 10));
                many.add(kind);
                prop_assert_eq!(many.sums(), slots.sums());
                seen.push((now / slot, kind));
                for kind in 0..2 {
                    let expected = seen.iter().filter(|(at, own)| *own == kind && at + 10 > now / slot).count();
                    prop_assert_eq!(slots.sums()[kind], expected as u64);
                }
            }
        }
    }
}
