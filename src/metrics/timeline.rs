//! What happened when: counts and levels per bin.

use crate::units::{NANOS_PER_SECOND, SimTime, Span};

/// One column per quantity, one row per bin, from the beginning of the run. Counts are per bin, levels at a bin's start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Width of a bin.
    pub bin: Span,
    /// Operations started.
    pub operations: Vec<f64>,
    /// Attempts that arrived at the servers.
    pub attempts: Vec<f64>,
    /// Operations that succeeded.
    pub goodput: Vec<f64>,
    /// Operations that failed.
    pub failed: Vec<f64>,
    /// Attempts at the servers.
    pub in_flight: Vec<f64>,
    /// Attempts waiting at the servers.
    pub queue: Vec<f64>,
    /// Attempts that a gate refused.
    pub refused: Vec<f64>,
    /// Breakers open.
    pub breaker_open: Vec<f64>,
}

/// Most bins of a timeline.
pub const MOST_BINS: u64 = 6_000;

/// The width of bins: `peak_window`, or the next of 1 s, 10 s, 1 min, 10 min, 1 h, 1 d that gives at most [`MOST_BINS`] up to `end`.
pub fn bin_width(peak_window: Span, end: SimTime) -> Span {
    let fits = |width: Span| end.0.div_ceil(width.0) <= MOST_BINS;
    if fits(peak_window) {
        return peak_window;
    }
    [1, 10, 60, 600, 3_600, 86_400]
        .map(|seconds| Span(seconds * NANOS_PER_SECOND))
        .into_iter()
        .find(|width| *width > peak_window && fits(*width))
        // 584 years are 213,504 days: the last resort is as wide as it must be.
        .unwrap_or(Span(end.0.div_ceil(MOST_BINS)))
}
