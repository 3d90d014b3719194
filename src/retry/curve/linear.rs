//! Grows by a fixed step.

use crate::units::Span;

/// `w = base + step·n`, n from 0, and no less than zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Before the first retry, where the index is 0.
    pub base: Span,
    /// Added for each further one.
    pub step: Span,
}

impl Linear {
    /// The window at index `n` in ns.
    pub fn window(&self, n: i64) -> f64 {
        (self.base.0 as f64 + self.step.0 as f64 * n as f64).max(0.0)
    }
}
