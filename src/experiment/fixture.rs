//! Comparisons made by hand, for tests.

use crate::experiment::{Band, Bands, Comparison, Estimate, Example, Measured, PolicyResult};
use crate::metrics::Timeline;
use crate::metrics::ending::{ByEnding, Ending};
use crate::metrics::histogram::grid;
use crate::scenario::metric::Measure;
use crate::scenario::{Arrivals, Fates, Fault, Frame, Scenario, ServerConfig, World};
use crate::units::{SimTime, Span};

/// What one policy did, with a value per replication.
#[derive(Clone)]
pub(crate) struct Row {
    name: &'static str,
    metrics: Vec<(&'static str, Vec<Option<f64>>)>,
}

/// A policy that succeeded at these rates, with 2 attempts per operation, a peak of 3 × demand, and nothing to blame it for.
pub(crate) fn row(name: &'static str, success: &[f64]) -> Row {
    let same = |value: f64| vec![Some(value); success.len()];
    let row = Row { name, metrics: vec![("operations", same(10_000.0))] };
    row.set("success_rate", success)
        .all("attempts_per_operation", 2.0)
        .all("retries", 10_000.0)
        .all("effects", 10_000.0)
        .all("duplicate_rate", 0.0)
        .all("phantom_rate", 0.0)
        .all("peak_of_demand", 3.0)
        .all("peak_load", 300.0)
        .all("peak_of_capacity", 1.5)
        .all("latency_p99", 1.5)
        .all("latency_all_p99", 1.5)
        .all("recovery", 0.0)
}

impl Row {
    /// The values of one metric.
    pub fn set(self, metric: &'static str, values: &[f64]) -> Row {
        self.maybe(metric, values.iter().copied().map(Some).collect())
    }

    /// The same value in every replication.
    pub fn all(self, metric: &'static str, value: f64) -> Row {
        let replications = self.metrics[0].1.len();
        self.maybe(metric, vec![Some(value); replications])
    }

    /// With the counts that its shares are made of, unless it has them.
    fn counted(self) -> Row {
        let values = |name: &str| self.metrics.iter().find(|(own, _)| *own == name).map(|(_, values)| values.clone());
        let operations = values("operations").unwrap_or_default();
        let count = |share: &str, complement: bool| -> Vec<Option<f64>> {
            let shares = values(share).unwrap_or_default();
            let of = |share: f64| if complement { 1.0 - share } else { share };
            shares.iter().zip(&operations).map(|(share, n)| Some(of((*share)?) * (*n)?)).collect()
        };
        let counts = [
            ("succeeded", count("success_rate", false)),
            ("unsuccessful", count("success_rate", true)),
            ("duplicates", count("duplicate_rate", false)),
            ("phantom_successes", count("phantom_rate", false)),
        ];
        let missing: Vec<_> = counts.into_iter().filter(|(name, _)| values(name).is_none()).collect();
        missing.into_iter().fold(self, |row, (name, values)| row.maybe(name, values))
    }

    /// Values that may be missing.
    pub fn maybe(mut self, metric: &'static str, values: Vec<Option<f64>>) -> Row {
        assert_eq!(values.len(), self.metrics[0].1.len(), "{metric} of {}", self.name);
        match self.metrics.iter_mut().find(|(name, _)| *name == metric) {
            Some((_, old)) => *old = values,
            None => self.metrics.push((metric, values)),
        }
        self
    }
}

/// Rates around `mean` that move together in all policies, plus a little of their own: paired differences are narrow.
pub(crate) fn around(mean: f64, own: f64) -> Vec<f64> {
    let common = [-0.012, 0.009, -0.004, 0.013, -0.008, 0.002, 0.006, -0.010, 0.011, -0.007];
    let noise = [1.0, -1.0, 0.5, -0.5, 0.2, -0.2, 0.8, -0.8, 0.3, -0.3];
    common.iter().zip(noise).map(|(common, noise)| mean + common + own * noise).collect()
}

/// An outage from 2:00 to 4:00 in a run of ten minutes, 20 workers of 100 ms: 200/s.
pub(crate) fn scenario(replications: u32) -> Scenario {
    let minute = |m: u64| SimTime::ZERO + Span::secs(60 * m);
    let server = ServerConfig {
        workers: Some(20),
        queue: Some(100),
        service_time: crate::distribution::Distribution::Constant(Span::millis(100)),
        ..ServerConfig::named("api")
    };
    let outage = Fault {
        fates: Fates { errors: vec![(503, 0.8)], ..Fates::default() },
        ..Fault::named("outage", 0, minute(2), minute(4))
    };
    Scenario::from_parts(
        Frame { title: "Outage at checkout".to_owned(), seed: 7, replications, ..Frame::lasting(Span::secs(600)) },
        World { faults: vec![outage], ..World::new(Arrivals::Poisson { rate: 100.0 }, server) },
    )
}

/// The comparison of these rows with the first one as baseline.
pub(crate) fn comparison(rows: Vec<Row>) -> Comparison {
    let replications = rows[0].metrics[0].1.len() as u32;
    let rows: Vec<Row> = rows.into_iter().map(Row::counted).collect();
    let base: Vec<(&str, Vec<Option<f64>>)> = rows[0].metrics.clone();
    let policy = |(slot, row): (usize, Row)| {
        let metric = |(name, values): (&str, Vec<Option<f64>>)| {
            let of_base = base.iter().find(|(other, _)| *other == name).map(|(_, values)| values.clone());
            let measure = Measure::parse(name, &crate::scenario::metric::Names::of_faults(&["outage"]));
            Measured {
                measure: measure.unwrap_or_else(|| panic!("{name} is no metric")),
                name: name.to_owned(),
                estimate: Estimate::of(&values, 0.95),
                versus_baseline: Estimate::of_difference(&values, &of_base.unwrap_or_default(), 0.95),
                values,
            }
        };
        // All successes come with the first attempt after a second, all failures after retries.
        let success = Estimate::of(&row.metrics[1].1, 0.95).mean.unwrap_or(0.0);
        let mut endings = ByEnding::default();
        (endings[Ending::First], endings[Ending::AfterRetries]) = (success, 1.0 - success);
        // Every column has its own numbers.
        let line = |first: f64| vec![first, first + 1.0 / 3.0];
        PolicyResult {
            name: row.name.to_owned(),
            slot,
            digest: 0xab,
            metrics: row.metrics.into_iter().map(metric).collect(),
            timeline: Timeline {
                bin: Span::secs(1),
                operations: line(1.0),
                attempts: line(2.0),
                goodput: line(3.0),
                failed: line(4.0),
                in_flight: line(5.0),
                queue: line(6.0),
                refused: line(7.0),
                breaker_open: line(8.0),
                messages: Vec::new(),
                oldest: Vec::new(),
            },
            attempts_low: line(9.0),
            attempts_high: line(10.0),
            peak_at: vec![301.0; replications as usize],
            bands: Bands {
                in_flight: Band { low: line(4.0), high: line(6.0) },
                queue: Band { low: line(5.0), high: line(7.0) },
                breaker_open: Band { low: line(7.0), high: line(9.0) },
                ..Bands::default()
            },
            succeeded_within: grid().map(|time| if time > Span::secs(1) { success } else { 0.0 }).collect(),
            endings,
            // Half a minute of rest, and half a minute in which everybody asks again.
            example: Example {
                attempts: [[100.0; 30], [300.0; 30]].concat(),
                goodput: [[100.0; 30], [20.0; 30]].concat(),
                ..Example::default()
            },
        }
    };
    Comparison {
        baseline: 0,
        replications,
        policies: rows.into_iter().enumerate().map(policy).collect(),
        expectations: Vec::new(),
        warnings: vec!["a warning".to_owned()],
        allowed: Vec::new(),
        events: 0,
        attempts: 0,
    }
}
