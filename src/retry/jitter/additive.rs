//! Jitter that does not depend on the window: got adds U(0, 100 ms), Failsafe takes as much away as it adds, and Sidekiq adds more with each retry.

use crate::units::Span;

/// `w + U(-below, above + growth·(k-1))`, and no less than zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Additive {
    /// Most that is taken away.
    pub below: Span,
    /// Most that is added before the first retry.
    pub above: Span,
    /// How much more may be added before each further retry.
    pub growth: Span,
}

impl Additive {
    /// The delay in ns before retry `k`, and `more` ns above the most that is added, for a uniform draw.
    #[inline(always)]
    pub fn delay(&self, w: f64, k: u32, more: f64, uniform: f64) -> f64 {
        let (below, growth) = (self.below.0 as f64, self.growth.0 as f64 * f64::from(k - 1));
        ((w - below) + (below + self.above.0 as f64 + growth + more) * uniform).max(0.0)
    }
}
