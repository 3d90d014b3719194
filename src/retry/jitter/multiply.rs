//! A random multiple of the window. Full jitter is U(0, 1) and equal jitter U(1/2, 1) times the window ("Exponential Backoff and Jitter", AWS
//! Architecture Blog, 2015); Stripe's clients take U(1/2, 1), p-retry U(1, 2), tower and client-go U(1, 1 + j).

/// `w·U(low, high)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Multiply {
    /// Smallest multiple, at least 0.
    pub low: f64,
    /// Largest multiple, at least `low`.
    pub high: f64,
}

impl Multiply {
    /// The delay in ns, and `more` ns above the largest multiple, for a uniform draw.
    #[inline(always)]
    pub fn delay(&self, w: f64, more: f64, uniform: f64) -> f64 {
        w * self.low + (w * (self.high - self.low) + more) * uniform
    }
}
