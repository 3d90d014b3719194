//! The same window before every retry; a delay of zero is the immediate retry.

use crate::units::Span;

/// `w = delay`.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// The wait before every retry.
    pub delay: Span,
}

impl Constant {
    /// The window in ns.
    pub fn window(&self) -> f64 {
        self.delay.0 as f64
    }
}
