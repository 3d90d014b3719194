//! Backoff curves: the window `w` before each retry of a call, before jitter. One file per curve. The index `n` is 0 before the first retry; it may be
//! shifted, and below 0 then.

pub mod constant;
pub mod decorrelated;
pub mod exponential;
pub mod feedback;
pub mod linear;
pub mod power;
pub mod schedule;
pub mod telescoping;

use crate::units::Span;

/// How the window grows with the retries of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Curve {
    /// Always the same; zero means at once.
    Constant(constant::Constant),
    /// Grows by a fixed step.
    Linear(linear::Linear),
    /// Grows by a factor.
    Exponential(exponential::Exponential),
    /// Grows by a power of the index.
    Power(power::Power),
    /// Written out, the last one repeating.
    Schedule(schedule::Schedule),
    /// A random walk on the previous delay.
    Decorrelated(decorrelated::Decorrelated),
    /// The random delay itself grows on.
    Feedback(feedback::Feedback),
    /// Differences of a smooth curve at random points.
    Telescoping(telescoping::Telescoping),
}

/// What a call remembers of the walk of its backoff: the previous delay, or the sum of all, in ns. Zero at first.
pub type Walked = Span;

impl Curve {
    /// True if a window depends on what was drawn before.
    pub fn walks(&self) -> bool {
        matches!(self, Curve::Decorrelated(_) | Curve::Feedback(_) | Curve::Telescoping(_))
    }

    /// The window at index `n` in ns, uncapped, and the new place of its walk, if the curve walks and the delay does not say it. `walked`, the cap and a uniform
    /// draw are for curves that walk.
    pub fn window(&self, n: i64, walked: Walked, cap: f64, uniform: impl FnOnce() -> f64) -> (f64, Option<Walked>) {
        let window = match self {
            Curve::Constant(curve) => curve.window(),
            Curve::Linear(curve) => curve.window(n),
            Curve::Exponential(curve) => curve.window(n),
            Curve::Power(curve) => curve.window(n),
            Curve::Schedule(curve) => curve.window(n),
            Curve::Decorrelated(curve) => curve.window(walked.0 as f64, uniform()),
            Curve::Feedback(curve) => curve.window(n, walked.0 as f64, cap, uniform()),
            Curve::Telescoping(curve) => {
                let sum = curve.sum(n, uniform());
                return ((sum - walked.0 as f64).max(0.0), Some(Span::from_nanos_f64(sum)));
            }
        };
        (window, None)
    }

    /// Smallest and largest window before retry `k`, at index `n`, when no window exceeds `cap`, in ns.
    pub fn bounds(&self, k: u32, n: i64, cap: f64) -> (f64, f64) {
        let (low, high) = match self {
            Curve::Decorrelated(curve) => curve.bounds(k, cap),
            Curve::Feedback(curve) => curve.bounds(n, cap),
            Curve::Telescoping(curve) => curve.bounds(n),
            fixed => {
                let (window, _) = fixed.window(n, Span::ZERO, cap, || 0.0);
                (window, window)
            }
        };
        (low.min(cap), high.min(cap))
    }
}
