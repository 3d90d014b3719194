//! One run as a way: load and goodput, bin after bin.

use crate::experiment::PolicyResult;
use crate::report::chart::axis::{LogScale, Scale};
use crate::report::chart::series::Grouping;
use crate::scenario::Scene;
use crate::units::SimTime;

/// Width of a bin that readers can follow, in seconds.
const BIN: f64 = 30.0;
/// Bins of a run: fewer say too little, more are a tangle.
const BINS: std::ops::RangeInclusive<f64> = 20.0..=120.0;

/// A bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Its beginning in seconds.
    pub from: f64,
    /// Its end.
    pub until: f64,
    /// Attempts per second.
    pub load: f64,
    /// Successes per second.
    pub goodput: f64,
}

/// A run until the end of its demand.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// In time order.
    pub points: Vec<Point>,
    /// Points that belong to the time before the first fault.
    pub before: usize,
    /// Points up to the end of the last fault, those before it included.
    pub during: usize,
    /// Beginning and end of that time in seconds, as far as they lie within the demand.
    pub edges: (Option<f64>, Option<f64>),
    /// Seconds of a bin.
    pub seconds: f64,
}

impl Way {
    /// The way of a policy's example.
    pub fn new(scene: Scene, policy: &PolicyResult) -> Way {
        let duration = scene.frame.duration.seconds();
        let bins = (duration / BIN).clamp(*BINS.start(), *BINS.end());
        let grouping = Grouping::new(policy.timeline.bin, duration, bins.ceil() as usize);
        let seconds = grouping.seconds();
        let loads = grouping.means(&policy.example.attempts, duration);
        let goodputs = grouping.means(&policy.example.goodput, duration);
        let point = |(index, (load, goodput)): (usize, (f64, f64))| {
            let from = index as f64 * seconds;
            Point { from, until: (from + seconds).min(duration), load, goodput }
        };
        let values = loads.into_iter().zip(goodputs).map(|((_, load), (_, goodput))| (load, goodput));
        let points: Vec<Point> = values.enumerate().map(point).collect();
        let end = scene.frame.demand_end();
        let first = scene.world.first_fault_start().filter(|start| *start < end);
        let last = first.and_then(|_| scene.world.faults.iter().map(|fault| fault.until).max());
        let edges = (first.map(SimTime::seconds), last.filter(|last| *last < end).map(SimTime::seconds));
        // A bin that a fault shares belongs to it.
        let before = edges.0.map_or(0, |start| points.iter().take_while(|point| point.until <= start).count());
        let during = match (edges.0, edges.1) {
            (None, _) => 0,
            (Some(_), None) => points.len(),
            (Some(_), Some(end)) => points.iter().take_while(|point| point.from < end).count().max(before),
        };
        Way { points, before, during, edges, seconds }
    }

    /// How far it reaches on these axes, in the direction in which that is farther.
    pub fn reach(&self, load: LogScale, goodput: Scale) -> f64 {
        let span = |place: &dyn Fn(&Point) -> f64| {
            let (low, high) = self
                .points
                .iter()
                .map(place)
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
            high - low
        };
        span(&|point| load.within(point.load)).max(span(&|point| goodput.within(point.goodput)))
    }

    /// Mean load and goodput of some points.
    pub fn mean(points: &[Point]) -> Option<(f64, f64)> {
        let sum = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.load, sum.1 + point.goodput));
        let n = points.len() as f64;
        (!points.is_empty()).then(|| (sum.0 / n, sum.1 / n))
    }
}
