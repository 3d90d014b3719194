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
        Slot((window.0 / SLOTS as u64).max(1))
    }
}

/// `KINDS` kinds of things, counted over a window.
#[derive(Clone, Debug)]
pub struct Slots<const KINDS: usize> {
    /// In a ring, of which `place` is the current one.
    counts: [[u64; KINDS]; SLOTS],
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
        for _ in 0..new.min(SLOTS as u64) {
            self.place = (self.place + 1) % SLOTS;
            for (sum, count) in self.sums.iter_mut().zip(std::mem::replace(&mut self.counts[self.place], [0; KINDS])) {
                *sum -= count;
            }
        }
        self.until = SimTime((now.0 / length).saturating_add(1).saturating_mul(length));
    }

    /// One more of a kind, in the current slot.
    #[inline]
    pub fn add(&mut self, kind: usize) {
        self.counts[self.place][kind] += 1;
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
            let slot = (window / 10).max(1);
            prop_assert_eq!(Slot::of(Span(window)), Slot(slot));
            let (mut now, mut seen) = (0, Vec::new());
            for (step, kind) in steps {
                // Mostly small steps, now and then a leap.
                now += if step < 380 { step / 20 } else { step * 5 };
                slots.advance(SimTime(now), Slot::of(Span(window)));
                slots.add(kind);
                seen.push((now / slot, kind));
                for kind in 0..2 {
                    let expected = seen.iter().filter(|(at, own)| *own == kind && at + 10 > now / slot).count();
                    prop_assert_eq!(slots.sums()[kind], expected as u64);
                }
            }
        }
    }
}
