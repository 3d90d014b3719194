//! Random spells: a two-state chain with exponential sojourns (Gilbert 1960, Elliott 1963).

use crate::distribution::unit_exponential;
use crate::rng::{KeyedRng, Purpose, of_name};
use crate::scenario::Flapping;
use crate::units::Span;

/// The spells of one flapping fault, the same under every policy.
#[derive(Clone, Debug)]
pub struct Spells {
    flapping: Flapping,
    rng: KeyedRng,
    on: bool,
}

impl Spells {
    /// The spells of the fault of this name; the first state comes from the stationary shares.
    pub fn new(seed: u64, name: &str, flapping: Flapping) -> Spells {
        let mut rng = KeyedRng::new(seed, Purpose::Flapping, of_name(name), 0);
        let share_on = flapping.mean_on.seconds() / (flapping.mean_on.seconds() + flapping.mean_off.seconds());
        let on = rng.unit() < share_on;
        Spells { flapping, rng, on }
    }

    /// True while the fault is active.
    pub fn on(&self) -> bool {
        self.on
    }

    /// How long the present state lasts. Ask once per state.
    pub fn sojourn(&mut self) -> Span {
        let mean = if self.on { self.flapping.mean_on } else { self.flapping.mean_off };
        // At least 1 ns, so that a chain with tiny means still moves on.
        Span::from_nanos_f64(mean.0 as f64 * unit_exponential(&mut self.rng)).max(Span::nanos(1))
    }

    /// Changes state.
    pub fn toggle(&mut self) {
        self.on = !self.on;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stationary_share() {
        let flapping = Flapping { mean_on: Span::secs(2), mean_off: Span::secs(8) };
        let (mut on, mut total, mut first_on) = (0.0, 0.0, 0);
        for fault in 0..2_000 {
            let mut spells = Spells::new(7, &format!("fault-{fault}"), flapping);
            first_on += u32::from(spells.on());
            for _ in 0..40 {
                let length = spells.sojourn().seconds();
                total += length;
                if spells.on() {
                    on += length;
                }
                spells.toggle();
            }
        }
        // 2,000 chains of 20 cycles: the share's standard error is about 0.0015, the first state's 0.009.
        assert!((on / total - 0.2).abs() < 0.006, "{}", on / total);
        assert!((f64::from(first_on) / 2_000.0 - 0.2).abs() < 0.036, "{first_on}");
    }
}
