//! Runs every policy and replication on threads and puts the results together in a fixed order.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::comparison::{Band, Bands, Comparison, Estimate, Measured, PolicyResult};
use super::example::example;
use super::expectation::judge;
use crate::metrics::digest::Digest;
use crate::metrics::ending::{ByEnding, Ending};
use crate::metrics::intervals::Pooled;
use crate::metrics::result::RunResult;
use crate::metrics::statistics::nearest_rank;
use crate::metrics::timeline::Timeline;
use crate::scenario::Scenario;
use crate::scenario::metric::{Measure, Metric, Of, Unit};
use crate::sim::{self, Limits, Stop};

/// How to run an experiment. Nothing in here changes a result.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Threads; 0: as many as the machine has cores.
    pub threads: usize,
    /// Bytes of state for all runs together.
    pub memory: u64,
    /// Set by another thread: stop as soon as possible.
    pub interrupted: &'a AtomicBool,
    /// Told after each run: how many are done, of how many, and which policy and replication it was.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// How far an experiment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Runs done.
    pub done: usize,
    /// Runs in all.
    pub total: usize,
    /// Index of the policy that was run.
    pub policy: usize,
    /// Number of the replication, from 0.
    pub replication: u32,
}

/// An experiment that did not come to its end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("policy `{policy}`, replication {replication}: {stop}")]
pub struct Failed {
    /// Which policy.
    pub policy: String,
    /// Which replication, from 1.
    pub replication: u32,
    /// Why.
    pub stop: Stop,
}

/// The memory that an experiment needs, as far as that is known before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Bytes for all runs that go on at once, and for the results of all.
    pub bytes: u64,
    /// Runs that go on at once.
    pub at_once: u64,
}

/// The memory that an experiment is known to need: the state of as many runs as go on at once, and the results of all.
pub fn memory_needed(scenario: &Scenario, policies: &[usize], threads: usize) -> Need {
    let largest = policies.iter().map(|policy| sim::run::initial_bytes(scenario, *policy)).max().unwrap_or(0);
    let replications = u64::from(scenario.frame.replications);
    let runs = policies.len() as u64 * replications;
    let at_once = (workers(threads) as u64).min(runs).max(1);
    let result = |policy: &usize| RunResult::bytes(scenario.of(*policy), &scenario.policies[*policy]);
    let results = policies.iter().map(result).fold(0, u64::saturating_add).saturating_mul(replications);
    let common = results.saturating_add(scenario.recorded_bytes());
    Need { bytes: largest.saturating_mul(at_once).saturating_add(common), at_once }
}

fn workers(threads: usize) -> usize {
    if threads > 0 { threads } else { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) }
}

/// Runs `policies` (indices, in the file's order, the baseline among them) of `scenario`.
///
/// # Errors
/// The first run, in order, that stopped before its end.
///
/// # Panics
/// If the baseline is not among the policies.
pub fn run(scenario: &Scenario, policies: &[usize], options: &Options) -> Result<Comparison, Failed> {
    let replications = scenario.frame.replications;
    let jobs: Vec<(usize, u32)> = policies.iter().flat_map(|p| (0..replications).map(move |r| (*p, r))).collect();
    let threads = workers(options.threads).min(jobs.len()).max(1);
    let limits = Limits {
        memory: usize::try_from(options.memory.saturating_sub(scenario.recorded_bytes()) / threads as u64)
            .unwrap_or(usize::MAX),
        interrupted: options.interrupted,
    };
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = AtomicBool::new(false);
    let results: Vec<Mutex<Option<Result<RunResult, Stop>>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(policy, replication)) = jobs.get(index) else { return };
            let result = sim::run(scenario, policy, replication, limits);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            *results[index].lock().expect("nobody panics while storing a result") = Some(result);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            (options.progress)(Progress { done, total: jobs.len(), policy, replication });
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut runs = Vec::with_capacity(jobs.len());
    for (slot, (policy, replication)) in results.into_iter().zip(&jobs) {
        match slot.into_inner().expect("nobody panics while storing a result") {
            Some(Ok(result)) => runs.push(result),
            Some(Err(stop)) => {
                return Err(Failed {
                    policy: scenario.policies[*policy].name.clone(),
                    replication: replication + 1,
                    stop,
                });
            }
            // Left out because a run failed; that one is found in another place.
            None => {}
        }
    }
    Ok(compare(scenario, policies, runs))
}

/// Of every interval that is written down.
const CONFIDENCE: f64 = 0.95;

/// Puts results together. `runs` holds the replications of each of `policies` (indices, in the file's order, the baseline among them) in turn, those of
/// one policy from the first on: what [`run`] runs, wherever that was done. [`Comparison`]s of the same runs are equal to the last bit.
///
/// # Panics
/// If there is not one result for each policy and replication, if the baseline is not among the policies, or if the runs are those of another scenario
/// and know faults that this one does not have.
pub fn compare(scenario: &Scenario, policies: &[usize], runs: Vec<RunResult>) -> Comparison {
    let replications = scenario.frame.replications as usize;
    assert_eq!(runs.len(), policies.len() * replications, "a result for each policy and replication");
    let baseline = policies.iter().position(|p| *p == scenario.frame.baseline).expect("the baseline is always run");
    let measures = measures(&runs);
    let bins = runs.iter().map(|run| run.timeline.attempts.len()).max().unwrap_or(0);
    let by_policy: Vec<&[RunResult]> = runs.chunks(replications).collect();
    let values = |runs: &[RunResult], measure| runs.iter().map(|run| value(run, measure)).collect::<Vec<_>>();
    let results = policies.iter().zip(&by_policy).map(|(policy, own)| {
        let metrics = measures.iter().map(|measure| {
            let (values, of_base) = (values(own, *measure), values(by_policy[baseline], *measure));
            let (estimate, versus_baseline) = if measure.metric.unit() == Unit::Share {
                let pooled = whole(measure.metric).map(|whole| Pooled::of(&values, own.iter().map(whole)));
                let difference = Estimate::of_difference_of_shares(&values, &of_base, CONFIDENCE);
                (Estimate::of_shares(&values, pooled, CONFIDENCE), difference)
            } else {
                (Estimate::of(&values, CONFIDENCE), Estimate::of_difference(&values, &of_base, CONFIDENCE))
            };
            let name = measure.name(&scenario.names());
            Measured { measure: *measure, name, estimate, values, versus_baseline }
        });
        let timeline = mean_timeline(own, bins);
        let attempts = band(own, bins, |t| &t.attempts, 1.0 / timeline.bin.seconds());
        let mut digest = Digest::default();
        own.iter().for_each(|run| digest.fold(run.digest));
        PolicyResult {
            name: scenario.policies[*policy].name.clone(),
            slot: *policy,
            digest: digest.value(),
            metrics: metrics.collect(),
            bands: Bands {
                in_flight: band(own, bins, |t| &t.in_flight, 1.0),
                queue: band(own, bins, |t| &t.queue, 1.0),
                breaker_open: band(own, bins, |t| &t.breaker_open, 1.0),
                messages: band(own, bins, |t| &t.messages, 1.0),
                oldest: band(own, bins, |t| &t.oldest, 1.0),
            },
            timeline,
            attempts_low: attempts.low,
            attempts_high: attempts.high,
            peak_at: own.iter().map(|run| run.peak_at.seconds()).collect(),
            endings: mean_endings(own),
            succeeded_within: mean_within(own),
            example: example(scenario, own),
        }
    });
    let results: Vec<PolicyResult> = results.collect();
    Comparison {
        baseline,
        replications: scenario.frame.replications,
        expectations: judge(scenario, &results),
        policies: results,
        warnings: Vec::new(),
        allowed: Vec::new(),
        events: runs.iter().map(|run| run.events).sum(),
        attempts: runs.iter().map(|run| run.attempts).sum(),
    }
}

/// Of how many a share that was counted is one; `None` for one that was measured.
fn whole(share: Metric) -> Option<fn(&RunResult) -> u64> {
    match share {
        Metric::Waited => Some(|run| run.taken_up),
        // A share of worker time.
        Metric::WastedWork => None,
        _ => Some(|run| Ending::ALL.into_iter().map(|ending| run.endings[ending]).sum()),
    }
}

fn value(run: &RunResult, measure: Measure) -> Option<f64> {
    match run.metrics.binary_search_by_key(&measure, |(own, _)| *own) {
        Ok(place) => run.metrics[place].1,
        // An outcome that did not occur in this run, or a fault that ends in other worlds only.
        Err(_) => matches!(measure.of, Of::Outcome(_)).then_some(0.0),
    }
}

/// All that any run has measured, in order.
fn measures(runs: &[RunResult]) -> Vec<Measure> {
    let measures: BTreeSet<Measure> = runs.iter().flat_map(|run| &run.metrics).map(|(measure, _)| *measure).collect();
    measures.into_iter().collect()
}

/// Mean timeline per second.
fn mean_timeline(runs: &[RunResult], bins: usize) -> Timeline {
    let bin = runs[0].timeline.bin;
    let n = runs.len() as f64;
    let column = |pick: fn(&Timeline) -> &Vec<f64>, scale: f64| -> Vec<f64> {
        if runs.iter().all(|run| pick(&run.timeline).is_empty()) {
            return Vec::new();
        }
        let mut sums = vec![0.0; bins];
        for run in runs {
            // A run that ended early has nothing in its later bins.
            sums.iter_mut().zip(pick(&run.timeline)).for_each(|(sum, value)| *sum += value);
        }
        sums.iter().map(|sum| sum / n * scale).collect()
    };
    let rate = 1.0 / bin.seconds();
    Timeline {
        bin,
        operations: column(|t| &t.operations, rate),
        attempts: column(|t| &t.attempts, rate),
        goodput: column(|t| &t.goodput, rate),
        failed: column(|t| &t.failed, rate),
        in_flight: column(|t| &t.in_flight, 1.0),
        queue: column(|t| &t.queue, 1.0),
        refused: column(|t| &t.refused, rate),
        breaker_open: column(|t| &t.breaker_open, 1.0),
        messages: column(|t| &t.messages, 1.0),
        oldest: column(|t| &t.oldest, 1.0),
    }
}

/// The 10th and the 90th percentile of a column, times `scale`.
fn band(runs: &[RunResult], bins: usize, pick: fn(&Timeline) -> &Vec<f64>, scale: f64) -> Band {
    if runs.iter().all(|run| pick(&run.timeline).is_empty()) {
        return Band::default();
    }
    let mut values = Vec::with_capacity(runs.len());
    let mut band = Band { low: Vec::with_capacity(bins), high: Vec::with_capacity(bins) };
    for bin in 0..bins {
        values.clear();
        values.extend(runs.iter().map(|run| pick(&run.timeline).get(bin).copied().unwrap_or(0.0)));
        values.sort_by(f64::total_cmp);
        band.low.push(nearest_rank(&values, 0.1).unwrap_or(0.0) * scale);
        band.high.push(nearest_rank(&values, 0.9).unwrap_or(0.0) * scale);
    }
    band
}

/// The mean over the runs that measured an operation of what `share` makes of a run and the number of its operations.
fn mean_share(runs: &[RunResult], share: impl Fn(&RunResult, f64) -> f64) -> f64 {
    let of = |run: &RunResult| Ending::ALL.into_iter().map(|ending| run.endings[ending]).sum::<u64>() as f64;
    let shares: Vec<f64> =
        runs.iter().map(|run| (run, of(run))).filter(|(_, n)| *n > 0.0).map(|(run, n)| share(run, n)).collect();
    if shares.is_empty() { 0.0 } else { shares.iter().sum::<f64>() / shares.len() as f64 }
}

fn mean_endings(runs: &[RunResult]) -> ByEnding<f64> {
    let mut endings = ByEnding::default();
    for ending in Ending::ALL {
        endings[ending] = mean_share(runs, |run, operations| run.endings[ending] as f64 / operations);
    }
    endings
}

fn mean_within(runs: &[RunResult]) -> Vec<f64> {
    let times = runs[0].succeeded_within.len();
    (0..times).map(|i| mean_share(runs, |run, operations| run.succeeded_within[i] as f64 / operations)).collect()
}
