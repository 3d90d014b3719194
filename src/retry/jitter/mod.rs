//! Jitter: how a window becomes a delay. One file per jitter.

pub mod additive;
pub mod memoryless;
pub mod multiply;
pub mod proportional;
pub mod whole_seconds;

/// What randomness does to a window `w`.
#[derive(Clone, Debug, PartialEq)]
pub enum Jitter {
    /// The window itself.
    None,
    /// w·U(low, high).
    Multiply(multiply::Multiply),
    /// w + U(-below, above), and above grows.
    Additive(additive::Additive),
    /// w·U(1-spread, 1+spread).
    Proportional(proportional::Proportional),
    /// Exponentially distributed with mean w.
    Memoryless,
    /// tower's, whose whole seconds stay whole.
    WholeSeconds(whole_seconds::WholeSeconds),
}

impl Jitter {
    /// U(0, w).
    pub const FULL: Jitter = Jitter::Multiply(multiply::Multiply { low: 0.0, high: 1.0 });
    /// w/2 + U(0, w/2).
    pub const EQUAL: Jitter = Jitter::Multiply(multiply::Multiply { low: 0.5, high: 1.0 });

    /// The delay in ns before retry `k`, from 1, for a window of `w` ns and a uniform draw in [0, 1). Where a range is drawn from, it is `more` ns wider
    /// above: the last unit of a range of whole units.
    #[inline(always)]
    pub fn delay(&self, w: f64, k: u32, more: f64, uniform: impl FnOnce() -> f64) -> f64 {
        match self {
            Jitter::None => w,
            Jitter::Multiply(jitter) => jitter.delay(w, more, uniform()),
            Jitter::Additive(jitter) => jitter.delay(w, k, more, uniform()),
            Jitter::Proportional(jitter) => jitter.delay(w, uniform()),
            Jitter::Memoryless => memoryless::delay(w, uniform()),
            Jitter::WholeSeconds(jitter) => jitter.delay(w, uniform()),
        }
    }

    /// The mean delay in ns before retry `k` for a window of `w` ns, where it is the delay at the middle of the draws, or the window by definition.
    pub fn mean(&self, w: f64, k: u32, more: f64) -> Option<f64> {
        match self {
            Jitter::Memoryless => Some(w),
            Jitter::None | Jitter::Multiply(_) | Jitter::Proportional(_) => Some(self.delay(w, k, more, || 0.5)),
            // Unless some delays would be below zero.
            Jitter::Additive(jitter) => (jitter.below.0 as f64 <= w).then(|| self.delay(w, k, more, || 0.5)),
            Jitter::WholeSeconds(_) => None,
        }
    }

    /// Smallest delay in ns, and what no delay exceeds, before retry `k` for windows between `low` and `high`.
    pub fn bounds(&self, low: f64, high: f64, k: u32, more: f64) -> (f64, f64) {
        let largest = match self {
            Jitter::Memoryless if high > 0.0 => f64::INFINITY,
            _ => self.delay(high, k, more, || 1.0),
        };
        (self.delay(low, k, more, || 0.0), largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    fn check(jitter: &Jitter, w: f64, uniform: f64, expected: f64) {
        let delay = jitter.delay(w, 3, 0.0, || uniform);
        assert!((delay - expected).abs() < 1e-6, "{jitter:?} at {uniform}: {delay}, expected {expected}");
    }

    #[test]
    fn delays() {
        let ns = Span::nanos;
        let additive = |below, above, growth| {
            Jitter::Additive(additive::Additive { below: ns(below), above: ns(above), growth: ns(growth) })
        };
        let proportional = Jitter::Proportional(proportional::Proportional { spread: 0.2 });
        let stripe_go = Jitter::Multiply(multiply::Multiply { low: 0.75, high: 1.0 });
        for (jitter, at_zero, at_half, at_one) in [
            (&Jitter::None, 100.0, 100.0, 100.0),
            (&Jitter::FULL, 0.0, 50.0, 100.0),
            (&Jitter::EQUAL, 50.0, 75.0, 100.0),
            (&stripe_go, 75.0, 87.5, 100.0),
            (&additive(0, 40, 0), 100.0, 120.0, 140.0),
            (&additive(0, 40, 10), 100.0, 130.0, 160.0),
            (&additive(40, 40, 0), 60.0, 100.0, 140.0),
            (&additive(300, 0, 0), 0.0, 0.0, 100.0),
            (&proportional, 80.0, 100.0, 120.0),
        ] {
            check(jitter, 100.0, 0.0, at_zero);
            check(jitter, 100.0, 0.5, at_half);
            assert_eq!(jitter.bounds(100.0, 100.0, 3, 0.0), (at_zero, at_one), "{jitter:?}");
        }
        check(&Jitter::Memoryless, 100.0, 1.0 - (-1.0f64).exp(), 100.0);
        check(&Jitter::Memoryless, 100.0, 0.0, 0.0);
    }

    /// As tower 0.5.3 was seen to do it: jitter 0.99 at 0.8, 1, 1.6, 2 and 4 s.
    #[test]
    fn whole_seconds_stay_whole() {
        let jitter = Jitter::WholeSeconds(whole_seconds::WholeSeconds { share: 0.99 });
        let second = 1e9;
        for (w, low, high) in [(0.8, 0.8, 1.592), (1.0, 1.0, 1.0), (1.6, 1.6, 2.194), (2.0, 2.0, 3.0), (4.0, 4.0, 7.0)]
        {
            check(&jitter, w * second, 0.0, low * second);
            check(&jitter, w * second, 1.0, high * second);
        }
        check(&jitter, 4.0 * second, 0.5, 5.0 * second);
    }
}
