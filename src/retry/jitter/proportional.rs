//! A spread in proportion to the window, as gRPC (±20%) and cenkalti/backoff (±50%) have it.

/// `w·U(1-spread, 1+spread)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Proportional {
    /// 0 to 1.
    pub spread: f64,
}

impl Proportional {
    /// The delay in ns.
    pub fn delay(&self, w: f64, uniform: f64) -> f64 {
        w * (1.0 + self.spread * (2.0 * uniform - 1.0))
    }
}
