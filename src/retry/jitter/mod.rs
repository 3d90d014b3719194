//! Jitter: how a window becomes a delay. One file per jitter.

pub mod additive;
pub mod equal;
pub mod full;
pub mod memoryless;
pub mod proportional;

/// What randomness does to a window `w`.
#[derive(Clone, Debug, PartialEq)]
pub enum Jitter {
    /// The window itself.
    None,
    /// U(0, w).
    Full,
    /// w/2 + U(0, w/2).
    Equal,
    /// w + U(0, extra).
    Additive(additive::Additive),
    /// w·U(1-spread, 1+spread).
    Proportional(proportional::Proportional),
    /// Exponentially distributed with mean w.
    Memoryless,
}

impl Jitter {
    /// The delay in ns for a window of `w` ns and a uniform draw in [0, 1).
    #[inline(always)]
    pub fn delay(&self, w: f64, uniform: impl FnOnce() -> f64) -> f64 {
        match self {
            Jitter::None => w,
            Jitter::Full => full::delay(w, uniform()),
            Jitter::Equal => equal::delay(w, uniform()),
            Jitter::Additive(jitter) => jitter.delay(w, uniform()),
            Jitter::Proportional(jitter) => jitter.delay(w, uniform()),
            Jitter::Memoryless => memoryless::delay(w, uniform()),
        }
    }

    /// Smallest and largest delay in ns for windows between `low` and `high`; the largest may be infinite.
    pub fn bounds(&self, low: f64, high: f64) -> (f64, f64) {
        let largest = match self {
            Jitter::Memoryless if high > 0.0 => f64::INFINITY,
            _ => self.delay(high, || 1.0),
        };
        (self.delay(low, || 0.0), largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(jitter: &Jitter, w: f64, uniform: f64, expected: f64) {
        let delay = jitter.delay(w, || uniform);
        assert!((delay - expected).abs() < 1e-9, "{jitter:?} at {uniform}: {delay}, expected {expected}");
    }

    #[test]
    fn delays() {
        let additive = Jitter::Additive(additive::Additive { extra: crate::units::Span::nanos(40) });
        let proportional = Jitter::Proportional(proportional::Proportional { spread: 0.2 });
        for (jitter, at_zero, at_half, at_one) in [
            (&Jitter::None, 100.0, 100.0, 100.0),
            (&Jitter::Full, 0.0, 50.0, 100.0),
            (&Jitter::Equal, 50.0, 75.0, 100.0),
            (&additive, 100.0, 120.0, 140.0),
            (&proportional, 80.0, 100.0, 120.0),
        ] {
            check(jitter, 100.0, 0.0, at_zero);
            check(jitter, 100.0, 0.5, at_half);
            assert_eq!(jitter.bounds(100.0, 100.0), (at_zero, at_one), "{jitter:?}");
        }
        check(&Jitter::Memoryless, 100.0, 1.0 - (-1.0f64).exp(), 100.0);
        check(&Jitter::Memoryless, 100.0, 0.0, 0.0);
    }
}
