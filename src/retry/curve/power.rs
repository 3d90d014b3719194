//! Grows by a power of the retry's index: quadratic in stripe-go 86.2 (`stripe.go`, 0.5 s + 0.5 s·n²) and Octokit's plugin-retry (k²), quartic in
//! Sidekiq 8.1 (`job_retry.rb`, 15 s + n⁴ s).

use crate::units::Span;

/// `w = base + scale·n^exponent`, n from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Power {
    /// Before the first retry, where the index is 0.
    pub base: Span,
    /// What the power is multiplied by.
    pub scale: Span,
    /// At least 1.
    pub exponent: u32,
}

impl Power {
    /// The window at index `n` in ns. An index below 0 counts as 0.
    pub fn window(&self, n: i64) -> f64 {
        let n = n.max(0) as f64;
        let power = (0..self.exponent).fold(1.0, |power, _| power * n);
        self.base.0 as f64 + self.scale.0 as f64 * power
    }
}
