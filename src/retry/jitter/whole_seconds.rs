//! A quirk of tower 0.5.3 (`retry/backoff.rs`), and of Linkerd's exp-backoff, which has the same arithmetic: the random part of the whole seconds is
//! cut to whole seconds. A window of exactly 1 s is not jittered at all, one of 2 s becomes 2 or 3 s.

use crate::units::NANOS_PER_SECOND;

/// `w + trunc(⌊w⌋·r)·1 s + frac(w)·r`, r = U(0, share).
#[derive(Clone, Debug, PartialEq)]
pub struct WholeSeconds {
    /// Below 1: by how much of the window the delay may exceed it.
    pub share: f64,
}

impl WholeSeconds {
    /// The delay in ns.
    pub fn delay(&self, w: f64, uniform: f64) -> f64 {
        let (second, r) = (NANOS_PER_SECOND as f64, self.share * uniform);
        let whole = (w / second).trunc();
        w + (whole * r).trunc() * second + (w - whole * second) * r
    }
}
