//! When all of a trace had succeeded. Of a burst latencies tell: all of it starts at one instant.

use crate::scenario::{Arrivals, Scene};
use crate::units::{SimTime, Span};

/// Counts successes of a demand whose size is known beforehand.
#[derive(Clone, Debug)]
pub struct Finish {
    first: SimTime,
    operations: u64,
    succeeded: u64,
    last: SimTime,
    /// So many are 99%.
    most: u64,
    most_at: Option<SimTime>,
}

impl Finish {
    /// Of recorded instants; `None` of any other demand, and if no operation is measured.
    pub fn new(scene: Scene) -> Option<Finish> {
        let Arrivals::Trace(trace) = &scene.world.arrivals else { return None };
        let before = |time: Span| trace.at.partition_point(|at| *at < SimTime::ZERO + time);
        let (first, end) = (before(scene.frame.warmup), before(scene.frame.duration));
        let operations = end.saturating_sub(first) as u64;
        // Whole numbers: 99% of 200 are 198.
        let most = operations - operations / 100;
        let first = *trace.at.get(first)?;
        let last = SimTime::ZERO;
        (operations > 0).then_some(Finish { first, operations, succeeded: 0, last, most, most_at: None })
    }

    /// A measured operation has succeeded.
    pub fn succeeded(&mut self, now: SimTime) {
        self.succeeded += 1;
        self.last = now;
        if self.succeeded == self.most {
            self.most_at = Some(now);
        }
    }

    /// Seconds from the first start until 99% of all had succeeded; infinite if they never had.
    pub fn of_most(&self) -> f64 {
        self.most_at.map_or(f64::INFINITY, |at| self.seconds(at).seconds())
    }

    /// Seconds until all had.
    pub fn of_all(&self) -> f64 {
        if self.succeeded == self.operations { self.seconds(self.last).seconds() } else { f64::INFINITY }
    }

    fn seconds(&self, at: SimTime) -> Span {
        at.since(self.first)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scenario::{Cut, Scenario, ServerConfig, Trace};

    /// So many instants at 10 s.
    fn trace(operations: usize) -> Scenario {
        let at = vec![SimTime::ZERO + Span::secs(10); operations];
        let trace = Trace { file: String::new(), at, cut: Cut::default(), keyed: false };
        Scenario::new(Span::secs(60), Arrivals::Trace(Arc::new(trace)), ServerConfig::named("s"))
    }

    /// When 99% and all of them are done, of which so many succeed, one each second.
    fn check(operations: usize, succeed: u64, expected: (f64, f64)) {
        let mut finish = Finish::new(trace(operations).common()).expect("a trace finishes");
        (1..=succeed).for_each(|second| finish.succeeded(SimTime::ZERO + Span::secs(10 + second)));
        assert_eq!((finish.of_most(), finish.of_all()), expected, "{succeed} of {operations}");
    }

    #[test]
    fn a_trace_is_finished_when_the_last_has_succeeded() {
        let never = f64::INFINITY;
        check(200, 200, (198.0, 200.0));
        check(200, 199, (198.0, never));
        check(200, 197, (never, never));
        check(99, 99, (99.0, 99.0));
        check(101, 101, (100.0, 101.0));
        check(1, 1, (1.0, 1.0));
    }

    #[test]
    fn only_what_is_measured_counts() {
        let measured = |warmup: u64| {
            let scenario = trace(5).framed(|frame| frame.warmup = Span::secs(warmup));
            Finish::new(scenario.common()).map(|finish| finish.operations)
        };
        assert_eq!([measured(0), measured(10), measured(11)], [Some(5), Some(5), None]);
    }
}
