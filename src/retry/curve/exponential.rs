//! Grows by a factor. The first window is the base, as in gRPC (proposal A6) and botocore's standard mode;
//! the simulator behind "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015) starts at base·2 instead.

use crate::units::Span;

/// `w = base·factor^n`, n from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Exponential {
    /// Before the first retry, where the index is 0.
    pub base: Span,
    /// At least 1.
    pub factor: f64,
    /// The window is cut to whole multiples of this before it is multiplied on, as resilience4j cuts it to ms; zero: it is not.
    pub whole: Span,
}

impl Exponential {
    /// The window at index `n` in ns; may be infinite. Before the first it is divided by the factor.
    pub fn window(&self, n: i64) -> f64 {
        if self.base == Span::ZERO {
            return 0.0;
        }
        if self.whole > Span::ZERO && n > 0 {
            return self.in_steps(n);
        }
        let base = self.base.0 as f64;
        if n < 0 { base / grown(1.0, self.factor, n.unsigned_abs()) } else { grown(base, self.factor, n as u64) }
    }

    fn in_steps(&self, n: i64) -> f64 {
        let (mut window, whole) = (self.base.0 as f64, self.whole.0 as f64);
        for _ in 0..n {
            let next = (window * self.factor / whole).trunc() * whole;
            if next == window || !next.is_finite() {
                return next;
            }
            window = next;
        }
        window
    }
}

/// `start·factor^exponent`. Repeated squaring by hand: `powi` may differ in the last bit between platforms.
fn grown(start: f64, factor: f64, mut exponent: u64) -> f64 {
    let (mut result, mut power) = (start, factor);
    while exponent > 0 && result.is_finite() {
        if exponent & 1 == 1 {
            result *= power;
        }
        power *= power;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base_ms: u64, factor: f64, n: i64, expected_ms: f64) {
        let window = Exponential { base: Span::millis(base_ms), factor, whole: Span::ZERO }.window(n) / 1e6;
        assert!((window - expected_ms).abs() <= 1e-9 * expected_ms, "n {n}: {window}, expected {expected_ms}");
    }

    #[test]
    fn windows() {
        check(500, 2.0, 0, 500.0);
        check(500, 2.0, 4, 8_000.0);
        check(500, 2.0, -1, 250.0);
        check(100, 1.5, 3, 337.5);
        check(100, 1.0, 1_000_000, 100.0);
        check(0, 2.0, 5_000, 0.0);
        let short = Exponential { base: Span::millis(1), factor: 2.0, whole: Span::ZERO };
        assert_eq!(short.window(5_000), f64::INFINITY);
    }

    /// resilience4j's intervals, which are kept in whole ms.
    #[test]
    fn windows_of_whole_milliseconds() {
        let curve = Exponential { base: Span::millis(500), factor: 1.5, whole: Span::millis(1) };
        let windows: Vec<f64> = (0..6).map(|n| curve.window(n) / 1e6).collect();
        assert_eq!(windows, [500.0, 750.0, 1_125.0, 1_687.0, 2_530.0, 3_795.0]);
        assert_eq!(Exponential { base: Span::nanos(1), ..curve }.window(9), 0.0);
    }
}
