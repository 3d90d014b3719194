//! When all of a burst had succeeded.

use crate::scenario::{Arrivals, Scenario};
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
    /// Of one burst, or of recorded instants; `None` of any other demand, and if no operation is measured.
    pub fn new(scenario: &Scenario) -> Option<Finish> {
        let (from, until) = (SimTime::ZERO + scenario.warmup, SimTime::ZERO + scenario.duration);
        let (first, operations) = match &scenario.arrivals {
            Arrivals::Burst { operations, at, every: None } => {
                let at = SimTime::ZERO + *at;
                (at, if from <= at && at < until { *operations } else { 0 })
            }
            Arrivals::Trace(trace) => {
                let (first, end) =
                    (trace.at.partition_point(|at| *at < from), trace.at.partition_point(|at| *at < until));
                (trace.at.get(first).copied().unwrap_or(from), (end - first) as u64)
            }
            _ => return None,
        };
        // Whole numbers: 99% of 200 are 198.
        let most = operations - operations / 100;
        let none = SimTime::ZERO;
        (operations > 0).then_some(Finish { first, operations, succeeded: 0, last: none, most, most_at: None })
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
    use super::*;
    use crate::scenario::ServerConfig;

    /// When 99% and all of a burst at 10 s are done, of which so many succeed, one each second.
    fn check(operations: u64, succeed: u64, expected: (f64, f64)) {
        let arrivals = Arrivals::Burst { operations, at: Span::secs(10), every: None };
        let scenario = Scenario::new(Span::secs(60), arrivals, ServerConfig::named("s"));
        let mut finish = Finish::new(&scenario).expect("a burst finishes");
        (1..=succeed).for_each(|second| finish.succeeded(SimTime::ZERO + Span::secs(10 + second)));
        assert_eq!((finish.of_most(), finish.of_all()), expected, "{succeed} of {operations}");
    }

    #[test]
    fn a_burst_is_finished_when_the_last_has_succeeded() {
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
        let burst = |warmup: u64, every: Option<Span>| {
            let arrivals = Arrivals::Burst { operations: 5, at: Span::secs(10), every };
            let scenario = Scenario::new(Span::secs(60), arrivals, ServerConfig::named("s"));
            Finish::new(&Scenario { warmup: Span::secs(warmup), ..scenario }).map(|finish| finish.operations)
        };
        assert_eq!([burst(0, None), burst(10, None), burst(11, None)], [Some(5), Some(5), None]);
        assert_eq!(burst(0, Some(Span::secs(1))), None);
    }
}
