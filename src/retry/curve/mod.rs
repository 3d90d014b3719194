//! Backoff curves: the window `w` of the k-th retry, before jitter. One file per curve.

pub mod constant;
pub mod decorrelated;
pub mod exponential;
pub mod linear;
pub mod schedule;

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
    /// A random walk on the previous delay.
    Decorrelated(decorrelated::Decorrelated),
    /// Written out, the last one repeating.
    Schedule(schedule::Schedule),
}

impl Curve {
    /// True if a window depends on the previous delay and a draw.
    pub fn walks(&self) -> bool {
        matches!(self, Curve::Decorrelated(_))
    }

    /// The window of retry `k` (from 1) in ns, uncapped. `walk` is the previous delay and a uniform draw, for curves that walk.
    pub fn window(&self, k: u32, previous: Span, uniform: impl FnOnce() -> f64) -> f64 {
        match self {
            Curve::Constant(curve) => curve.window(),
            Curve::Linear(curve) => curve.window(k),
            Curve::Exponential(curve) => curve.window(k),
            Curve::Decorrelated(curve) => curve.window(previous, uniform()),
            Curve::Schedule(curve) => curve.window(k),
        }
    }

    /// Smallest and largest window of retry `k` when no window exceeds `cap`, in ns.
    pub fn bounds(&self, k: u32, cap: f64) -> (f64, f64) {
        let fixed = match self {
            Curve::Constant(curve) => curve.window(),
            Curve::Linear(curve) => curve.window(k),
            Curve::Exponential(curve) => curve.window(k),
            Curve::Schedule(curve) => curve.window(k),
            Curve::Decorrelated(curve) => return curve.bounds(k, cap),
        };
        (fixed.min(cap), fixed.min(cap))
    }
}
