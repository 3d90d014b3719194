//! Do 95% intervals of shares hold the truth in 95% of experiments? Many small experiments of worlds whose truth is known, run as any other.
//!
//! Where 10 events or more are to be expected over all runs on the rarer side, 93 to 97% of 1,000 experiments must hold the truth, with fewer at
//! least 93%; and no interval leaves 0 to 1. The long form has larger runs and more shares, and takes minutes; either prints its table:
//!
//! ```text
//! SIMLAB_COVERAGE=long cargo test --locked --release --test coverage -- --nocapture
//! ```

use std::sync::atomic::AtomicBool;

use simlab::distribution::Distribution;
use simlab::experiment::{Comparison, Estimate, Options, run};
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Fault, Flapping, Frame, Scenario, ServerConfig, World};
use simlab::units::{SimTime, Span};

/// For each line of the table.
const EXPERIMENTS: u64 = 1_000;

fn is_long() -> bool {
    std::env::var("SIMLAB_COVERAGE").is_ok_and(|form| form == "long")
}

/// A second of evenly spaced requests to a server with these fates.
fn second(operations: u32, fates: Fates) -> Scenario {
    let server = ServerConfig { fates, ..ServerConfig::named("s") };
    Scenario::new(Span::secs(1), Arrivals::Constant { rate: f64::from(operations) }, server)
}

fn failing(share: f64) -> Fates {
    Fates { errors: vec![(500, share)], ..Fates::default() }
}

/// One attempt and no more.
fn once(scenario: Scenario) -> Scenario {
    scenario.with_policy("once", RetryPolicy::default(), &[])
}

/// How many of the experiments held the truth, and how many lay on which side of it.
#[derive(Default)]
struct Coverage {
    held: u64,
    below: u64,
    above: u64,
}

impl Coverage {
    /// Of one estimate, experiment by experiment; `range` is what it may not leave.
    fn of(
        scenario: &Scenario,
        replications: u32,
        range: [f64; 2],
        truth: f64,
        pick: impl Fn(&Comparison) -> Estimate,
    ) -> Coverage {
        let mut coverage = Coverage::default();
        for experiment in 0..EXPERIMENTS {
            let seed = 20_261_129_000_000 + experiment;
            let scenario = scenario.clone().framed(|frame| {
                frame.seed = seed;
                frame.replications = replications;
            });
            let options =
                Options { threads: 1, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
            let all: Vec<usize> = (0..scenario.policies.len()).collect();
            let estimate = pick(&run(&scenario, &all, &options).expect("the run comes to its end"));
            let Estimate { mean: Some(mean), ci_low: Some(low), ci_high: Some(high) } = estimate else {
                panic!("seed {seed}: no interval in {estimate:?}")
            };
            let fits = range[0] <= low && low <= mean && mean <= high && high <= range[1];
            assert!(fits, "seed {seed}: {estimate:?}");
            if high < truth {
                coverage.below += 1;
            } else if truth < low {
                coverage.above += 1;
            } else {
                coverage.held += 1;
            }
        }
        coverage
    }

    fn share(&self) -> f64 {
        self.held as f64 / (self.held + self.below + self.above) as f64
    }
}

/// Holds the coverage of a share against what must hold; `events` are those to be expected on the rarer side, over all runs.
fn check(case: &str, scenario: &Scenario, replications: u32, metric: &str, truth: f64, events: f64) {
    let pick = |comparison: &Comparison| comparison.policies[0].named(metric).expect("it is measured").estimate;
    let coverage = Coverage::of(scenario, replications, [0.0, 1.0], truth, pick);
    let Coverage { below, above, .. } = coverage;
    let line = format!(
        "{case:<22} {replications:>3} runs {events:>8.1} events: {:>5.1}% hold {truth:.5}, {below} below, {above} above",
        100.0 * coverage.share()
    );
    println!("{line}");
    let most = if events >= 10.0 { 0.97 } else { 1.0 };
    assert!((0.93..=most).contains(&coverage.share()), "{line}");
}

/// What a server's errors leave is binomial in each run.
#[test]
fn independent_operations() {
    let (operations, shares): (u32, &[f64]) = if is_long() {
        (1_000, &[0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999])
    } else {
        (100, &[0.001, 0.04, 0.5, 0.999])
    };
    for replications in [5, 10, 20] {
        for succeeding in shares.iter().copied() {
            let scenario = once(second(operations, failing(1.0 - succeeding)));
            let events = succeeding.min(1.0 - succeeding) * f64::from(operations) * f64::from(replications);
            let case = format!("{succeeding} succeed");
            // Rounding must not decide which rule holds.
            check(&case, &scenario, replications, "success_rate", succeeding, events + 1e-9);
        }
    }
}

/// Spells in which half of the operations fail hit many at once: the spread is several times the binomial one. A spell begins as often as it
/// ends, so a fifth of the time is in one, in every run on average.
#[test]
fn operations_that_fail_together() {
    let seconds = if is_long() { 60 } else { 20 };
    let flapping = Some(Flapping { mean_on: Span::secs(1), mean_off: Span::secs(4) });
    let fault =
        |share| Fault { fates: failing(share), flapping, ..Fault::named("flaps", 0, SimTime::ZERO, SimTime::NEVER) };
    for replications in [5, 10, 20] {
        for failing in [0.2, 0.8] {
            let arrivals = Arrivals::Poisson { rate: 10.0 };
            let scenario = Scenario::new(Span::secs(seconds), arrivals, ServerConfig::named("s"))
                .in_world(|world| world.faults = vec![fault(failing)]);
            let events = 0.2 * failing * 10.0 * seconds as f64 * f64::from(replications);
            check("in spells", &once(scenario), replications, "success_rate", 1.0 - 0.2 * failing, events);
        }
    }
}

/// The other shares: a tenth takes longer than is in time (e⁻²·³⁰²⁵⁹ = 0.1), a fifth of all work hangs, and as many as succeed at the first
/// attempt do so whatever retries do.
#[test]
fn other_shares() {
    let exponential = |fates| ServerConfig {
        fates,
        service_time: Distribution::Exponential { mean: Span::millis(100) },
        ..ServerConfig::named("s")
    };
    let arrivals = || Arrivals::Poisson { rate: 100.0 };
    let slow = Scenario::from_parts(
        Frame { slo: Some(Span(230_258_509)), drain: Span::secs(10), ..Frame::lasting(Span::secs(2)) },
        World::new(arrivals(), exponential(Fates::default())),
    );
    check("in time", &once(slow), 10, "in_time_rate", 0.9, 200.0);
    let hanging = Fates { hangs: 0.2, ..Fates::default() };
    let service_time = Distribution::Constant(Span::millis(10));
    let server = ServerConfig { fates: hanging, service_time, ..ServerConfig::named("s") };
    let arrivals = Arrivals::Constant { rate: 100.0 };
    let impatient = RetryPolicy { timeout: Some(Span::millis(500)), ..RetryPolicy::default() };
    let hanging = Scenario::new(Span::secs(1), arrivals, server).framed(|frame| frame.drain = Span::secs(1));
    check("wasted work", &hanging.with_policy("once", impatient, &[]), 10, "wasted_work", 0.2, 200.0);
    let twice = RetryPolicy { attempts: Some(2), backoff: Backoff::none(), ..RetryPolicy::default() };
    let flaky = second(100, failing(0.2)).with_policy("twice", twice, &[]);
    check("at the first attempt", &flaky, 10, "first_attempt_success_rate", 0.8, 200.0);
}

/// The paired difference of one attempt and two: p − p².
#[test]
fn paired_differences() {
    let twice = RetryPolicy { attempts: Some(2), backoff: Backoff::none(), ..RetryPolicy::default() };
    for replications in [5, 10, 20] {
        for share in [0.1, 0.5, 0.9] {
            let scenario = once(second(100, failing(share))).with_policy("twice", twice.clone(), &[]);
            let pick = |comparison: &Comparison| {
                comparison.policies[1].named("success_rate").expect("it is measured").versus_baseline
            };
            let truth = share - share * share;
            let coverage = Coverage::of(&scenario, replications, [-1.0, 1.0], truth, pick);
            println!(
                "difference at {share} {replications:>3} runs: {:>5.1}% hold {truth:.5}",
                100.0 * coverage.share()
            );
            assert!((0.93..=0.97).contains(&coverage.share()), "{share}, {replications}: {}", coverage.share());
        }
    }
}

/// No failure among 1,500 operations: failures are rare, not impossible.
#[test]
fn nothing_seen_is_not_nothing() {
    let scenario = once(second(150, failing(1e-9))).framed(|frame| frame.replications = 10);
    let options = Options { threads: 1, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    let comparison = run(&scenario, &[0], &options).expect("the run comes to its end");
    let estimate = comparison.policies[0].named("success_rate").expect("it is measured").estimate;
    // 1,500 successes would be less likely than 2.5% below the 1,500th root of it.
    let low = estimate.ci_low.expect("an end");
    assert!((low - 0.997_543_768).abs() < 1e-8, "{estimate:?}");
    assert_eq!((estimate.mean, estimate.ci_high), (Some(1.0), Some(1.0)));
}
