//! What independent models of the simulator have in common.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use simlab::scenario::Scenario;
use simlab::sim::{self, Limits};

type Ns = u64;
const MS: Ns = 1_000_000;

/// What the simulator counts in the first run of the first policy, by the names of metrics.
pub fn simulated(scenario: &Scenario) -> BTreeMap<String, f64> {
    let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
    let result = sim::run(scenario, 0, 0, limits).expect("the run comes to its end");
    let names = scenario.names();
    let named = result.metrics.iter().map(|(measure, value)| (measure.name(&names), *value));
    named.filter_map(|(name, value)| Some((name, value?))).collect()
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn between(&mut self, low: Ns, high: Ns) -> Ns {
        low + self.below(high.saturating_sub(low))
    }

    /// From so many ms to so many.
    pub fn ms(&mut self, low: u64, high: u64) -> Ns {
        self.between(low * MS, high * MS) | 1
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}
