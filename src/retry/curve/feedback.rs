//! Finagle's `exponentialJittered` (4feb34c, `Backoff.scala`): the random delay itself grows on, and once it reaches the cap it stays there.

use crate::units::Span;

/// `w = U(0, previous·2^n)`, n from 0; the first is the base.
#[derive(Clone, Debug, PartialEq)]
pub struct Feedback {
    /// The first delay.
    pub base: Span,
}

impl Feedback {
    /// The window in ns at index `n` after a delay of `previous` ns (0: none yet), for a uniform draw.
    pub fn window(&self, n: i64, previous: f64, cap: f64, uniform: f64) -> f64 {
        if n <= 0 {
            self.base.0 as f64
        } else if previous >= cap {
            cap
        } else {
            previous * doubled(n) * uniform
        }
    }

    /// Smallest and largest window at index `n` under a cap.
    pub fn bounds(&self, n: i64, cap: f64) -> (f64, f64) {
        let base = (self.base.0 as f64).min(cap);
        if n <= 0 || base >= cap {
            return (base, base);
        }
        let largest = (1..=n).try_fold(base, |largest, n| {
            let next = largest * doubled(n);
            if next < cap { Ok(next) } else { Err(cap) }
        });
        (0.0, largest.unwrap_or_else(|cap| cap))
    }
}

/// 2^n for n of at least 0.
fn doubled(n: i64) -> f64 {
    if n < 1_024 { f64::from_bits((1_023 + n as u64) << 52) } else { f64::INFINITY }
}
