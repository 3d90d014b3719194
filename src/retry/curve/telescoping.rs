//! Polly 8's exponential backoff with jitter (`RetryHelper.cs`, from "Decorrelated Jitter Backoff V2" of Polly.Contrib): differences of a smooth curve
//! at random points. So the sum of the delays depends on the last draw only.

use crate::units::Span;

/// `w = base/1.4·(g(n + U) - g(previous point))`, g(t) = 2^t·tanh(√(4t)), g at first 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Telescoping {
    /// The median of the first delay is about nine tenths of this.
    pub base: Span,
}

/// What Polly divides by, so that medians follow the exponential curve.
const SCALE: f64 = 1.4;

impl Telescoping {
    /// The sum of all delays up to the one at index `n`, in ns, for a uniform draw; may be infinite.
    pub fn sum(&self, n: i64, uniform: f64) -> f64 {
        let t = n.max(0) as f64 + uniform;
        if self.base == Span::ZERO {
            0.0
        } else {
            self.base.0 as f64 / SCALE * libm::exp2(t) * libm::tanh((4.0 * t).sqrt())
        }
    }

    /// Smallest and largest delay at index `n`.
    pub fn bounds(&self, n: i64) -> (f64, f64) {
        let before = if n > 0 { self.sum(n - 1, 0.0) } else { 0.0 };
        (0.0, self.sum(n, 1.0) - before)
    }
}
