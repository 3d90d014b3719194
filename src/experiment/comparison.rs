//! The result of an experiment: plain data, ready to be written down.

use super::expectation::Judgement;
use crate::metrics::Timeline;
use crate::metrics::ending::ByEnding;
use crate::metrics::intervals::{self, Pooled};
use crate::metrics::statistics::summarise;
use crate::scenario::metric::{Measure, Unit};

/// An estimate with its 95% interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Mean over the replications that have a value; `None` if none has.
    pub mean: Option<f64>,
    /// Lower end of the interval; `None` with fewer than two values.
    pub ci_low: Option<f64>,
    /// Upper end.
    pub ci_high: Option<f64>,
}

/// One measure of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What was measured.
    pub measure: Measure,
    /// Its name (contract, section 4).
    pub name: String,
    /// Over the replications.
    pub estimate: Estimate,
    /// Per replication; infinite where it never came about.
    pub values: Vec<Option<f64>>,
    /// Paired difference to the baseline, replication by replication; the baseline's own is 0.
    pub versus_baseline: Estimate,
}

/// What one policy did.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyResult {
    /// Its name.
    pub name: String,
    /// Its place in the file, also when others are left out: colours depend on it.
    pub slot: usize,
    /// Hash of every attempt's end, in order, over all replications.
    pub digest: u64,
    /// In the contract's order, the same names for every policy.
    pub metrics: Vec<Measured>,
    /// Per second for counts, plain for levels; mean over the replications.
    pub timeline: Timeline,
    /// 10th percentile of `timeline.attempts` across the replications.
    pub attempts_low: Vec<f64>,
    /// 90th percentile.
    pub attempts_high: Vec<f64>,
    /// Per replication: the start of the peak window with most arrivals, in seconds.
    pub peak_at: Vec<f64>,
    /// Where the levels of most replications lie.
    pub bands: Bands,
    /// Shares of operations by how they ended; mean over the replications that measured any.
    pub endings: ByEnding<f64>,
    /// Shares of operations that succeeded within each time of [`grid`](crate::metrics::histogram::grid); a mean likewise.
    pub succeeded_within: Vec<f64>,
    /// One replication from its beginning to its end.
    pub example: Example,
}

/// The 10th and the 90th percentile across the replications, bin by bin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Band {
    /// 10th percentile.
    pub low: Vec<f64>,
    /// 90th percentile.
    pub high: Vec<f64>,
}

/// The bands of the levels in a timeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bands {
    /// Of attempts at the servers.
    pub in_flight: Band,
    /// Of attempts waiting there.
    pub queue: Band,
    /// Of breakers open.
    pub breaker_open: Band,
    /// Of messages in durable queues.
    pub messages: Band,
    /// Of the time that the oldest has been there.
    pub oldest: Band,
}

/// One replication, for pictures in which a mean over several would draw a state that no run was in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// Its number, from 0.
    pub replication: u32,
    /// True if it is the one with the lowest success rate among those that were not back to normal after the last fault; false if there is
    /// none and it is the one with the median success rate.
    pub stayed_down: bool,
    /// Attempts per second, bin by bin.
    pub attempts: Vec<f64>,
    /// Successes per second, bin by bin.
    pub goodput: Vec<f64>,
}

/// All policies, side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Index into `policies` of the one that others are compared with.
    pub baseline: usize,
    /// Replications of each.
    pub replications: u32,
    /// In the file's order.
    pub policies: Vec<PolicyResult>,
    /// What was expected, in the scenario's order, of the policies that were run.
    pub expectations: Vec<Judgement>,
    /// Things the reader should know, in words.
    pub warnings: Vec<String>,
    /// Warnings that the scenario allows, in words.
    pub allowed: Vec<String>,
    /// Model events over all runs (attempts sent and completions), for the manifest.
    pub events: u64,
    /// Attempts over all runs, for the manifest.
    pub attempts: u64,
}

impl Measured {
    /// Replications in which it never came about; `None` of what always does, or has no value.
    pub fn never(&self) -> Option<usize> {
        let may = self.measure.metric.unit() == Unit::SecondsOrNever;
        may.then(|| self.values.iter().flatten().filter(|value| value.is_infinite()).count())
    }
}

impl Estimate {
    /// Mean of the values there are, with the Student interval at `confidence` (0.95: 95%). What never came about in some replication has no
    /// mean.
    pub fn of(values: &[Option<f64>], confidence: f64) -> Estimate {
        let present: Vec<f64> = values.iter().flatten().copied().collect();
        if present.is_empty() || present.iter().any(|value| !value.is_finite()) {
            return Estimate::default();
        }
        let summary = summarise(&present);
        let half = summary.half_width(confidence);
        Estimate {
            mean: Some(summary.mean),
            ci_low: half.map(|h| summary.mean - h),
            ci_high: half.map(|h| summary.mean + h),
        }
    }

    /// Mean of the shares there are, with an interval within 0 and 1 (see [`intervals`]). `pooled` is the share over all replications, where it was counted.
    pub fn of_shares(shares: &[Option<f64>], pooled: Option<Pooled>, confidence: f64) -> Estimate {
        let present: Vec<f64> = shares.iter().flatten().copied().collect();
        let ends = intervals::of_shares(&present, pooled, confidence);
        Estimate {
            ci_low: ends.map(|(low, _)| low),
            ci_high: ends.map(|(_, high)| high),
            ..Estimate::of(shares, confidence)
        }
    }

    /// The difference `own` − `other`, replication by replication, where both have a value.
    pub fn of_difference(own: &[Option<f64>], other: &[Option<f64>], confidence: f64) -> Estimate {
        let differences: Vec<Option<f64>> = own.iter().zip(other).map(|(a, b)| Some((*a)? - (*b)?)).collect();
        Estimate::of(&differences, confidence)
    }

    /// The same for shares, whose difference lies within −1 and 1.
    pub fn of_difference_of_shares(own: &[Option<f64>], other: &[Option<f64>], confidence: f64) -> Estimate {
        let Estimate { mean, ci_low, ci_high } = Estimate::of_difference(own, other, confidence);
        Estimate { mean, ci_low: ci_low.map(|low| low.max(-1.0)), ci_high: ci_high.map(|high| high.min(1.0)) }
    }

    /// True if there is an interval and 0 lies outside of it.
    pub fn excludes_zero(&self) -> bool {
        matches!((self.ci_low, self.ci_high), (Some(low), Some(high)) if low > 0.0 || high < 0.0)
    }

    /// From the mean to the farther end of the interval: what stands after ±, and is too much rather than too little on the other side.
    pub fn half_width(&self) -> Option<f64> {
        let mean = self.mean?;
        Some((self.ci_high? - mean).max(mean - self.ci_low?))
    }
}

impl PolicyResult {
    /// What came of a measure; of a metric, in the whole run.
    pub fn metric(&self, measure: impl Into<Measure>) -> Option<&Measured> {
        let measure = measure.into();
        self.metrics.iter().find(|metric| metric.measure == measure)
    }

    /// What came of the measure of this name.
    pub fn named(&self, name: &str) -> Option<&Measured> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// The mean of a measure, if it has one.
    pub fn mean(&self, measure: impl Into<Measure>) -> Option<f64> {
        self.metric(measure).and_then(|metric| metric.estimate.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairing_drops_what_has_no_partner() {
        let own = [Some(3.0), None, Some(5.0), Some(7.0)];
        let baseline = [Some(1.0), Some(1.0), None, Some(1.0)];
        let difference = Estimate::of_difference(&own, &baseline, 0.95);
        assert_eq!(difference.mean, Some(4.0));
        assert!(!difference.excludes_zero(), "two values, 2 and 6: {difference:?}");
        assert_eq!(Estimate::of(&[None, None], 0.95), Estimate::default());
        assert_eq!(Estimate::of(&[None, Some(2.0)], 0.95), Estimate { mean: Some(2.0), ci_low: None, ci_high: None });
        assert!(Estimate::of(&[Some(-2.0), Some(-2.1), Some(-1.9)], 0.95).excludes_zero());
    }

    #[test]
    fn what_never_came_about_has_no_mean() {
        let some = [Some(1.0), Some(f64::INFINITY), Some(3.0)];
        assert_eq!(Estimate::of(&some, 0.95), Estimate::default());
        // Nor does the difference between never and never, which is no number.
        assert_eq!(Estimate::of_difference(&some, &some, 0.95), Estimate::default());
    }

    #[test]
    fn shares_and_their_differences_stay_within_what_is_possible() {
        let (all, none) = ([Some(1.0), None, Some(1.0), Some(0.9)], [Some(0.0), Some(0.0), Some(0.1), Some(0.0)]);
        let pooled = |shares: &[Option<f64>]| Some(Pooled::of(shares, std::iter::repeat(50)));
        let plain = Estimate::of(&all, 0.95);
        assert!(plain.ci_high > Some(1.0), "{plain:?}");
        let share = Estimate::of_shares(&all, pooled(&all), 0.95);
        assert_eq!(share.mean, plain.mean);
        assert!(share.ci_high > share.mean && share.ci_high < Some(1.0), "{share:?}");
        // Paired differences 1, 0.9, 0.9.
        let plain = Estimate::of_difference(&all, &none, 0.95);
        let share = Estimate::of_difference_of_shares(&all, &none, 0.95);
        assert!(plain.ci_high > Some(1.0), "{plain:?}");
        assert_eq!(share, Estimate { ci_high: Some(1.0), ..plain });
        // What is said with ± is Student's still.
        let half = (plain.ci_high.unwrap() - plain.ci_low.unwrap()) / 2.0;
        assert!((share.half_width().unwrap() - half).abs() < 1e-12, "{share:?}");
        assert_eq!(Estimate::of_shares(&[None, None], pooled(&[]), 0.95), Estimate::default());
        let one = Estimate { mean: Some(0.5), ci_low: None, ci_high: None };
        assert_eq!(Estimate::of_shares(&[Some(0.5), None], pooled(&[Some(0.5)]), 0.95), one);
    }
}
