//! Grows by a fixed step.

use crate::units::Span;

/// `w = base + step·(k-1)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Before the first retry.
    pub base: Span,
    /// Added for each further one.
    pub step: Span,
}

impl Linear {
    /// The window of retry `k` in ns.
    pub fn window(&self, k: u32) -> f64 {
        self.base.0 as f64 + self.step.0 as f64 * f64::from(k - 1)
    }
}
