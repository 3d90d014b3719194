//! Grows by a factor. The first window is the base, as in gRPC (proposal A6) and botocore's standard mode;
//! the simulator behind "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015) starts at base·2 instead.

use crate::units::Span;

/// `w = base·factor^(k-1)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Exponential {
    /// Before the first retry.
    pub base: Span,
    /// At least 1.
    pub factor: f64,
}

impl Exponential {
    /// The window of retry `k` in ns; may be infinite.
    pub fn window(&self, k: u32) -> f64 {
        // Repeated squaring by hand: `powi` may differ in the last bit between platforms.
        let (mut result, mut power, mut exponent) = (self.base.0 as f64, self.factor, k - 1);
        while exponent > 0 && result.is_finite() {
            if exponent & 1 == 1 {
                result *= power;
            }
            power *= power;
            exponent >>= 1;
        }
        if self.base == Span::ZERO { 0.0 } else { result }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base_ms: u64, factor: f64, k: u32, expected_ms: f64) {
        let window = Exponential { base: Span::millis(base_ms), factor }.window(k) / 1e6;
        assert!((window - expected_ms).abs() <= 1e-9 * expected_ms, "k {k}: {window}, expected {expected_ms}");
    }

    #[test]
    fn windows() {
        check(500, 2.0, 1, 500.0);
        check(500, 2.0, 5, 8_000.0);
        check(100, 1.5, 4, 337.5);
        check(100, 1.0, 1_000_000, 100.0);
        check(0, 2.0, 5_000, 0.0);
        assert_eq!(Exponential { base: Span::millis(1), factor: 2.0 }.window(5_000), f64::INFINITY);
    }
}
