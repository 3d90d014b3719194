//! Theory, reproduced: closed forms from the literature against the simulator, with fixed seeds.
//!
//! Every check holds |simulated − expected| within max(tolerance, 4 standard errors) and the standard error within a quarter of the tolerance, so
//! that no test passes by being short. Standard errors come from independent replications, never from single requests.

mod bursts;
mod closed_loop;
mod faults;
mod gates;
mod hedging;
mod impatience;
mod instants;
mod measurement;
mod metastable;
mod queueing;
mod replicas;
mod retries;
mod storm;
mod tiers;
mod wave;
mod worlds;

use std::sync::atomic::AtomicBool;

use simlab::experiment::{self, Comparison, Options, PolicyResult};
use simlab::retry::RetryPolicy;
use simlab::scenario::{Arrivals, Frame, Scenario, ServerConfig, World};
use simlab::units::Span;

/// Runs all policies of a scenario.
fn compare(scenario: &Scenario) -> Comparison {
    let all: Vec<usize> = (0..scenario.policies.len()).collect();
    let options = Options { threads: 0, memory: 8 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    experiment::run(scenario, &all, &options).expect("the run comes to its end")
}

/// Runs a scenario of one policy.
fn run(scenario: &Scenario) -> PolicyResult {
    compare(scenario).policies.remove(0)
}

/// Open-loop Poisson demand on one server, one attempt per call, ten replications, a tenth of the time to warm up.
fn open_loop(rate: f64, seconds: u64, server: ServerConfig) -> Scenario {
    Scenario::from_parts(
        Frame {
            seed: 20_261_124,
            warmup: Span::secs(seconds / 10),
            drain: Span::secs(seconds),
            replications: 10,
            ..Frame::lasting(Span::secs(seconds))
        },
        World::new(Arrivals::Poisson { rate }, server),
    )
}

/// The plain client: one attempt, no time-out.
fn one_attempt(scenario: Scenario) -> Scenario {
    scenario.with_policy("once", RetryPolicy::default(), &[])
}

/// Holds one metric against theory; `tolerance` is absolute.
fn check(case: &str, result: &PolicyResult, metric: &str, expected: f64, tolerance: f64) {
    let values: Vec<f64> = result
        .named(metric)
        .unwrap_or_else(|| panic!("no metric {metric}"))
        .values
        .iter()
        .map(|v| v.expect("a value"))
        .collect();
    check_values(&format!("{case}: {metric}"), &values, expected, tolerance);
}

/// The same for numbers made from several metrics, one per replication.
fn check_values(what: &str, values: &[f64], expected: f64, tolerance: f64) {
    let n = values.len() as f64;
    assert!(n >= 10.0, "{what}: a standard error needs at least 10 replications");
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    let error = (variance / n).sqrt();
    let off = (mean - expected).abs();
    println!(
        "{what}: {mean:.6}, expected {expected:.6}, off {off:.2e}, tolerance {tolerance:.2e}, standard error {error:.2e}"
    );
    assert!(
        error <= tolerance / 4.0,
        "{what}: standard error {error} is above a quarter of the tolerance {tolerance}: run longer"
    );
    assert!(
        off <= tolerance.max(4.0 * error),
        "{what}: {mean}, expected {expected} ± {tolerance} (standard error {error})"
    );
}

/// Holds the mean of one metric against plain arithmetic, up to `relative`: rounding for counts and means, the histogram's bucket for quantiles.
fn check_exact(result: &PolicyResult, metric: &str, expected: f64, relative: f64) {
    let value = result.named(metric).and_then(|metric| metric.estimate.mean).expect("a value");
    assert!((value - expected).abs() <= relative * expected, "{metric}: {value}, expected {expected}");
}

/// The values of one metric, replication by replication.
fn values(result: &PolicyResult, metric: &str) -> Vec<f64> {
    result.named(metric).expect("the metric exists").values.iter().map(|v| v.expect("a value")).collect()
}
