//! A constant amount of jitter on top of the window, as got (U(0, 100 ms)) and many hand-written clients have it.

use crate::units::Span;

/// `w + U(0, extra)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Additive {
    /// Most that is added.
    pub extra: Span,
}

impl Additive {
    /// The delay in ns.
    pub fn delay(&self, w: f64, uniform: f64) -> f64 {
        w + self.extra.0 as f64 * uniform
    }
}
