//! The result of an experiment: plain data, ready to be written down.

use crate::metrics::Timeline;

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

/// One metric of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name (contract, section 4).
    pub name: String,
    /// Over the replications.
    pub estimate: Estimate,
    /// Per replication.
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
    pub metrics: Vec<Metric>,
    /// Per second for counts, plain for levels; mean over the replications.
    pub timeline: Timeline,
    /// 10th percentile of `timeline.attempts` across the replications.
    pub attempts_low: Vec<f64>,
    /// 90th percentile.
    pub attempts_high: Vec<f64>,
    /// Per replication: the start of the peak window with most arrivals, in seconds.
    pub peak_at: Vec<f64>,
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
    /// Things the reader should know, in words.
    pub warnings: Vec<String>,
    /// Model events over all runs (attempts sent and completions), for the manifest.
    pub events: u64,
    /// Attempts over all runs, for the manifest.
    pub attempts: u64,
}

impl PolicyResult {
    /// The metric of this name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// The mean of the metric of this name, if it has one.
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.metric(name).and_then(|metric| metric.estimate.mean)
    }
}
