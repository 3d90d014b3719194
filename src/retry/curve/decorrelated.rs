//! Decorrelated jitter: a walk on the previous delay, from "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015;
//! `aws-arch-backoff-simulator`, `backoff_simulator.py`). The cap clamps what is remembered too, as there; the walk starts anew with each call.

use crate::units::Span;

/// `w = U(base, 3·previous)`, `previous` starting at the base.
#[derive(Clone, Debug, PartialEq)]
pub struct Decorrelated {
    /// Shortest wait, and where the walk starts.
    pub base: Span,
}

/// How far the walk may reach beyond the previous delay.
const REACH: f64 = 3.0;

impl Decorrelated {
    /// The window in ns after a wait of `previous` (zero: none yet), for a uniform draw in [0, 1).
    pub fn window(&self, previous: Span, uniform: f64) -> f64 {
        let base = self.base.0 as f64;
        let previous = if previous == Span::ZERO { base } else { previous.0 as f64 };
        base + (REACH * previous - base) * uniform
    }

    /// Smallest and largest window of retry `k` under a cap.
    pub fn bounds(&self, k: u32, cap: f64) -> (f64, f64) {
        let base = self.base.0 as f64;
        let mut high = base.min(cap);
        for _ in 0..k {
            let next = (REACH * high).min(cap);
            if next == high {
                break;
            }
            high = next;
        }
        (base.min(cap), high)
    }
}
