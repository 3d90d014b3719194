//! An outage under open demand: load climbs while it lasts, and the backlog of retries comes back in a shape that can be computed.
//!
//! Operations arrive as a Poisson stream of λ per second. Attempts fail at once until the outage ends, D after its beginning, and succeed at once
//! from then on. Under a fixed wait b every operation that arrived in the outage is still retrying, so the load in the b seconds after its end is a Poisson
//! stream of λ(1 + D/b). The other shapes are the renewal densities of each backoff's schedule, by counting and, for full jitter, by an
//! independent program.

use std::sync::atomic::AtomicBool;

use simlab::metrics::RunResult;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Fault, Frame, Scenario, ServerConfig, World};
use simlab::sim::{self, Limits};
use simlab::units::{SimTime, Span};

use super::{check_values, run, values};

/// The outage begins here.
const START: Span = Span::secs(2);

fn outage(rate: f64, length: Span, window: Span, backoff: Backoff) -> Scenario {
    let from = SimTime::ZERO + START;
    let errors = Fates { errors: vec![(503, 1.0)], ..Fates::default() };
    let policy = RetryPolicy { attempts: None, backoff, ..RetryPolicy::default() };
    Scenario::from_parts(
        Frame {
            seed: 20_261_126,
            replications: 400,
            peak_window: window,
            drain: Span::secs(60),
            ..Frame::lasting(START + length + Span::secs(2))
        },
        World {
            clients: 100,
            faults: vec![Fault { fates: errors, ..Fault::named("outage", 0, from, from + length) }],
            ..World::new(Arrivals::Poisson { rate }, ServerConfig::named("s"))
        },
    )
    .with_policy("retry", policy, &[])
}

#[test]
fn a_fixed_wait_multiplies_the_load() {
    for (rate, length, wait, expected) in
        [(200.0, Span::secs(5), Span::millis(500), 2_200.0), (100.0, Span::secs(10), Span::secs(1), 1_100.0)]
    {
        let scenario = outage(rate, length, wait, Backoff::fixed(wait));
        // The window that begins with the outage's end holds one wait of everybody.
        check_values(
            &format!("{rate}/s, wait {wait}: after the outage"),
            &values(&run(&scenario), "recovery_peak"),
            expected,
            0.02 * expected,
        );
        // And while it lasts, each wait adds λ.
        let runs = runs(&scenario);
        for step in [0, 1, 4] {
            let at = START + wait.scaled(f64::from(step));
            let load = rate * f64::from(1 + step);
            let case = format!("{rate}/s, wait {wait}: window {step}");
            check_values(&case, &arrivals(&scenario, &runs, at), load, 0.04 * load);
        }
    }
}

#[test]
fn backoffs_shape_the_wave() {
    let tenth = Span::millis(100);
    let (base, cap) = (Span::millis(100), Some(Span::secs(10)));
    for (name, backoff, shape) in [
        (
            "exponential",
            Backoff::exponential(base, 2.0, cap),
            &[120.0, 100.0, 80.0, 80.0, 60.0, 60.0, 60.0, 60.0, 40.0][..],
        ),
        ("full jitter", Backoff::full_jitter(base, 2.0, cap), &[127.1, 97.2, 82.8, 73.5]),
    ] {
        let scenario = outage(200.0, Span::secs(5), tenth, backoff);
        let runs = runs(&scenario);
        for (window, count) in shape.iter().enumerate() {
            let at = START + Span::secs(5) + tenth.scaled(window as f64);
            let counts: Vec<f64> = arrivals(&scenario, &runs, at).iter().map(|rate| rate * tenth.seconds()).collect();
            check_values(&format!("{name}, window {window}"), &counts, *count, 0.04 * count);
        }
    }
}

/// Every replication, with its timeline.
fn runs(scenario: &Scenario) -> Vec<RunResult> {
    let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
    let run = |replication| sim::run(scenario, 0, replication, limits).expect("the run comes to its end");
    (0..scenario.frame.replications).map(run).collect()
}

/// Arrivals per second at the server in the window that begins at `at`, replication by replication.
fn arrivals(scenario: &Scenario, runs: &[RunResult], at: Span) -> Vec<f64> {
    let window = scenario.frame.peak_window;
    runs.iter().map(|run| run.timeline.attempts[(at.0 / window.0) as usize] / window.seconds()).collect()
}
