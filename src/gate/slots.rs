//! Counts over the recent past, in ten slots.
//!
//! A window is the current slot of a tenth of its length and the nine slots before it, so it covers between 90% and 100% of that length.
//! Ten buckets are what Hystrix (10 of 1 s) and Polly (10 windows of the sampling duration) count in, and what the budgets of Finagle and
//! tower do; resilience4j has one for each second. Memory and work do not depend on the traffic.

use crate::units::{SimTime, Span};

const SLOTS: usize = 10;

/// `KINDS` kinds of things, counted over a window.
#[derive(Clone, Debug)]
pub struct Slots<const KINDS: usize> {
    counts: [[u64; KINDS]; SLOTS],
    sums: [u64; KINDS],
    /// Number of the current slot, counted from the beginning of the run.
    current: u64,
}

impl<const KINDS: usize> Slots<KINDS> {
    /// Nothing was counted.
    pub fn new() -> Slots<KINDS> {
        Slots { counts: [[0; KINDS]; SLOTS], sums: [0; KINDS], current: 0 }
    }

    /// Forgets what is older than the window at `now`.
    pub fn advance(&mut self, now: SimTime, window: Span) {
        let current = now.0 / (window.0 / SLOTS as u64).max(1);
        let new = (current - self.current).min(SLOTS as u64);
        for number in (current + 1 - new)..=current {
            let slot = &mut self.counts[(number % SLOTS as u64) as usize];
            for (sum, count) in self.sums.iter_mut().zip(std::mem::replace(slot, [0; KINDS])) {
                *sum -= count;
            }
        }
        self.current = current;
    }

    /// One more of a kind, in the current slot.
    pub fn add(&mut self, kind: usize) {
        self.counts[(self.current % SLOTS as u64) as usize][kind] += 1;
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
            let (mut now, mut seen) = (0, Vec::new());
            for (step, kind) in steps {
                // Mostly small steps, now and then a leap.
                now += if step < 380 { step / 20 } else { step * 5 };
                slots.advance(SimTime(now), Span(window));
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
