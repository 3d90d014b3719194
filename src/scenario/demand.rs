//! When operations start: the demand.

use std::sync::Arc;

use crate::distribution::Distribution;
use crate::units::{SimTime, Span};

/// The demand.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Open loop, rate of the whole fleet per second; each operation at a client drawn uniformly.
    Poisson {
        /// Per second.
        rate: f64,
    },
    /// Evenly spaced in [0, duration), clients in turn.
    Constant {
        /// Per second.
        rate: f64,
    },
    /// Each client: think, operation, think …
    Closed {
        /// Time between an operation's end and the next one's start.
        think: Distribution,
    },
    /// All at one instant, clients in turn.
    Burst {
        /// How many.
        operations: u64,
        /// When first.
        at: Span,
        /// And again this often.
        every: Option<Span>,
    },
    /// Poisson with a rate that is linear between points and constant outside; two points at one time are a step.
    Profile(Vec<ProfilePoint>),
    /// Recorded instants; each operation at a client drawn uniformly.
    Trace(Arc<Trace>),
}

/// A point of a rate profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProfilePoint {
    /// When.
    pub at: Span,
    /// Operations per second.
    pub rate: f64,
}

/// Instants of operations as they were recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Where they come from.
    pub file: String,
    /// Ascending, from the beginning of the run. Those at or after the end of the demand are left out.
    pub at: Vec<SimTime>,
    /// What the file has beyond these.
    pub cut: Cut,
    /// True if lines that name the same operation were taken for one.
    pub keyed: bool,
}

/// Instants of a recorded file that are no operations of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// So many lie before the beginning of the run.
    pub before: u64,
    /// So many at the end of the demand or later.
    pub after: u64,
    /// The earliest instant of the file, in nanoseconds from the beginning of the run.
    pub first: i64,
    /// The latest one.
    pub last: i64,
}

/// The rate of a profile at `t`.
pub(crate) fn profile_rate(points: &[ProfilePoint], t: Span) -> f64 {
    // The last point at or before t; of two at one time the later one holds from there on.
    let next = points.partition_point(|point| point.at <= t);
    match (next.checked_sub(1).map(|i| points[i]), points.get(next)) {
        (None, Some(first)) => first.rate,
        (Some(last), None) => last.rate,
        (Some(a), Some(b)) => a.rate + (b.rate - a.rate) * ((t - a.at).seconds() / (b.at - a.at).seconds()),
        (None, None) => 0.0,
    }
}
