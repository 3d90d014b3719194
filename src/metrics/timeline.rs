//! What happened when: counts and levels per bin.

use super::recovery::Tally;
use crate::durable::Stay;
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
    /// Messages in durable queues that wait or are being tried; empty where there are no such queues.
    pub messages: Vec<f64>,
    /// Seconds that the oldest of them has been there; likewise.
    pub oldest: Vec<f64>,
}

/// Levels at an instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels {
    /// Attempts at the servers.
    pub in_flight: u32,
    /// Attempts waiting there.
    pub queue: u32,
    /// Breakers open.
    pub breakers_open: u64,
    /// What is in durable queues, if there are any.
    pub stay: Option<Stay>,
}

/// What has happened since the run began: the counts that windows and bins are made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Operations started.
    pub operations: u64,
    /// Attempts that arrived at the servers.
    pub arrivals: u64,
    /// Operations that succeeded.
    pub successes: u64,
    /// Operations that failed.
    pub failures: u64,
    /// Attempts that a gate refused.
    pub refusals: u64,
    /// Attempts of operations that succeeded or failed.
    pub attempts_of_ended: u64,
}

impl Totals {
    /// How many operations started and ended.
    pub fn of_operations(self) -> Tally {
        let (succeeded, failed) = (self.successes, self.failures);
        Tally { started: self.operations, succeeded, failed, attempts: self.attempts_of_ended }
    }

    /// What has happened since it was `earlier`.
    pub fn since(self, earlier: Totals) -> Totals {
        Totals {
            operations: self.operations - earlier.operations,
            arrivals: self.arrivals - earlier.arrivals,
            successes: self.successes - earlier.successes,
            failures: self.failures - earlier.failures,
            refusals: self.refusals - earlier.refusals,
            attempts_of_ended: self.attempts_of_ended - earlier.attempts_of_ended,
        }
    }
}

/// A timeline that grows bin by bin.
#[derive(Clone, Debug)]
pub struct Bins {
    timeline: Timeline,
    /// Of the last bin.
    end: SimTime,
    /// What had happened before it.
    before: Totals,
}

impl Bins {
    /// No bin yet.
    pub fn new(width: Span) -> Bins {
        let timeline = Timeline { bin: width, ..Timeline::default() };
        Bins { timeline, end: SimTime::ZERO, before: Totals::default() }
    }

    /// When [`Bins::pass`] is next due.
    pub fn next(&self) -> SimTime {
        self.end
    }

    /// Time has come to `now`; before it all this had happened, and `levels` held since the last event.
    pub fn pass(&mut self, now: SimTime, totals: Totals, levels: Levels) {
        self.close(totals);
        self.before = totals;
        while now >= self.end {
            let line = &mut self.timeline;
            for counts in
                [&mut line.operations, &mut line.attempts, &mut line.goodput, &mut line.failed, &mut line.refused]
            {
                counts.push(0.0);
            }
            line.in_flight.push(f64::from(levels.in_flight));
            line.queue.push(f64::from(levels.queue));
            line.breaker_open.push(levels.breakers_open as f64);
            if let Some(Stay { depth, oldest }) = levels.stay {
                line.messages.push(f64::from(depth));
                line.oldest.push(self.end.since(oldest.min(self.end)).seconds());
            }
            self.end = self.end + line.bin;
        }
    }

    /// Writes what has happened in the last bin.
    fn close(&mut self, totals: Totals) {
        let (line, within) = (&mut self.timeline, totals.since(self.before));
        for (column, count) in [
            (&mut line.operations, within.operations),
            (&mut line.attempts, within.arrivals),
            (&mut line.goodput, within.successes),
            (&mut line.failed, within.failures),
            (&mut line.refused, within.refusals),
        ] {
            if let Some(last) = column.last_mut() {
                *last = count as f64;
            }
        }
    }

    /// The run is over.
    pub fn finish(mut self, totals: Totals) -> Timeline {
        self.close(totals);
        self.timeline
    }
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
