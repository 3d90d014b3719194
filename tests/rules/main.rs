//! The rules that decide numbers, one small run for each: what comes first at one instant, what a crash, a freeze or a cancellation leaves
//! behind, what is counted where. Everything in here is exact: no statistics.

mod extremes;
mod going;
mod hedges;
mod hints;
mod keys;
mod limits;
mod measures;
mod measuring;
mod mixes;
mod patience;
mod pool;
mod queues;
mod recorded;
mod replicas;
mod stages;
mod steps;
mod things;
mod tiers;
mod transactions;
mod world;

use std::sync::atomic::AtomicBool;

use simlab::distribution::Distribution;
use simlab::gate::GateConfig;
use simlab::metrics::RunResult;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::metric::{Measure, Names, Of};
use simlab::scenario::{Arrivals, Fault, Scenario, ServerConfig};
use simlab::sim::{self, Limits, Stop};
use simlab::units::{SimTime, Span};

const MS: fn(u64) -> Span = Span::millis;

/// The instant so many ms after the beginning.
const fn at(ms: u64) -> SimTime {
    SimTime(ms * 1_000_000)
}

/// Always the same time.
fn constant(ms: u64) -> Distribution {
    Distribution::Constant(MS(ms))
}

/// One worker that needs 100 ms.
fn one_worker() -> ServerConfig {
    ServerConfig { workers: Some(1), service_time: constant(100), ..ServerConfig::named("s") }
}

/// Tries so often, at once, with a time-out of 1 s.
fn tries(attempts: u32) -> RetryPolicy {
    RetryPolicy {
        attempts: Some(attempts),
        timeout: Some(MS(1_000)),
        backoff: Backoff::none(),
        ..RetryPolicy::default()
    }
}

/// So many operations at the beginning of 10 s.
fn burst(operations: u64, server: ServerConfig) -> Scenario {
    Scenario::new(MS(10_000), Arrivals::Burst { operations, at: Span::ZERO, every: None }, server)
}

/// A fault at the only server, in ms.
fn fault(from: u64, until: u64) -> Fault {
    Fault::named("f", 0, at(from), at(until))
}

fn try_run(scenario: &Scenario, policy: RetryPolicy, gates: &[GateConfig]) -> Result<RunResult, Stop> {
    let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
    sim::run(&scenario.clone().with_policy("p", policy, gates), 0, 0, limits)
}

/// The first row of a scenario.
fn run_first(scenario: &Scenario) -> RunResult {
    let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
    sim::run(scenario, 0, 0, limits).expect("the run comes to its end")
}

fn run(scenario: &Scenario, policy: RetryPolicy) -> RunResult {
    try_run(scenario, policy, &[]).expect("the run comes to its end")
}

/// The value of a metric; an outcome that did not occur is 0.
fn value(result: &RunResult, name: &str) -> Option<f64> {
    let names = Names {
        faults: vec!["f"],
        servers: vec!["api", "db", "last"],
        steps: vec!["one", "two", "three"],
        members: vec!["first", "second"],
    };
    let measure = Measure::parse(name, &names).unwrap_or_else(|| panic!("no metric {name}"));
    match result.metrics.iter().find(|(own, _)| *own == measure) {
        Some((_, value)) => *value,
        None if matches!(measure.of, Of::Outcome(_)) => Some(0.0),
        None => panic!("{name} is absent"),
    }
}

/// Holds several metrics against what they must be: to the nanosecond, but for quantiles, which come from a histogram.
fn check(case: &str, result: &RunResult, expected: &[(&str, f64)]) {
    for (name, expected) in expected {
        let got = value(result, name).unwrap_or(f64::NAN);
        let off = if name.contains("_p") { 0.004 * expected } else { 1e-9 };
        assert!(
            got == *expected || (got - expected).abs() <= off,
            "{case}: {name} is {got}, expected {expected}\n{:#?}",
            result.metrics
        );
    }
}
