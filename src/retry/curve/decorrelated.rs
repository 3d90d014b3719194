//! Decorrelated jitter: a walk on the previous delay. In "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015; `aws-arch-backoff-simulator`,
//! `backoff_simulator.py`) a step begins at the base; in Finagle (4feb34c, `Backoff.scala`, `decorrelatedJittered`) at the previous delay, so that delays
//! never fall, and the first is the base. The cap clamps what is remembered too; the walk starts anew with each call.

use crate::units::Span;

/// `w = U(from, 3·previous)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Decorrelated {
    /// Where the walk starts.
    pub base: Span,
    /// Where each step begins.
    pub from: StepFrom,
}

/// Where a step of the walk begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum StepFrom {
    /// At the base.
    #[default]
    Base,
    /// At the previous delay.
    Previous,
}

/// How far the walk may reach beyond the previous delay.
const REACH: f64 = 3.0;

impl Decorrelated {
    /// The window in ns after a wait of `previous` (zero: none yet), for a uniform draw in [0, 1).
    pub fn window(&self, previous: f64, uniform: f64) -> f64 {
        let base = self.base.0 as f64;
        let previous = match self.from {
            StepFrom::Previous if previous == 0.0 => return base,
            _ if previous == 0.0 => base,
            _ => previous,
        };
        let from = if self.from == StepFrom::Base { base } else { previous };
        from + (REACH * previous - from) * uniform
    }

    /// Smallest and largest window of retry `k` under a cap.
    pub fn bounds(&self, k: u32, cap: f64) -> (f64, f64) {
        let base = self.base.0 as f64;
        let mut high = base.min(cap);
        let steps = if self.from == StepFrom::Base { k } else { k - 1 };
        for _ in 0..steps {
            let next = (REACH * high).min(cap);
            if next == high {
                break;
            }
            high = next;
        }
        (base.min(cap), high)
    }
}
