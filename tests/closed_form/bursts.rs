//! Failures that come in bursts: what a retry meets depends on how long it waited.
//!
//! Source: Gilbert, "Capacity of a Burst-Noise Channel" (1960); Elliott, "Estimates of Error Rates for Codes on Burst-Noise Channels" (1963). With
//! the chain's generator Q, the failure probabilities D on its diagonal and its stationary shares π, all attempts of a call fail with
//! probability π·D·∏ exp(Q·d)·D·1 over the waits d.

use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Fault, Flapping, Frame, Scenario, ServerConfig, World};
use simlab::units::{SimTime, Span};

use super::{check, check_values, run, values};

/// Calls every five seconds for `days`, with these waits between attempts, while spells of failure come and go.
fn scenario(good: u64, bad: u64, fails_good: f64, fails_bad: f64, waits_ms: &[u64], days: u64) -> Scenario {
    let errors = |share: f64| Fates { errors: vec![(500, share)], ..Fates::default() };
    let server = ServerConfig { fates: errors(fails_good), ..ServerConfig::named("s") };
    let flapping = Flapping { mean_on: Span::secs(bad), mean_off: Span::secs(good) };
    let bursts = Fault {
        // Probabilities add: in a spell an attempt fails with both together.
        fates: errors(fails_bad - fails_good),
        flapping: Some(flapping),
        ..Fault::named("bursts", 0, SimTime::ZERO, SimTime::NEVER)
    };
    let policy = RetryPolicy {
        attempts: Some(waits_ms.len() as u32 + 1),
        backoff: Backoff::schedule(waits_ms.iter().map(|ms| Span::millis(*ms)).collect(), 0.0),
        ..RetryPolicy::default()
    };
    let seconds = days * 86_400;
    Scenario::from_parts(
        Frame { seed: 20_261_126, replications: 20, drain: Span::secs(60), ..Frame::lasting(Span::secs(seconds)) },
        World { faults: vec![bursts], ..World::new(Arrivals::Constant { rate: 0.2 }, server) },
    )
    .with_policy("retry", policy, &[])
}

/// Independent failures at the same rate would all but vanish after three attempts: 1% cubed is one in a million.
#[test]
fn retries_within_a_burst_fail_together() {
    for (waits, days, failed) in [
        (&[100, 200][..], 12, 0.009_704_48),
        (&[5_000, 10_000], 40, 0.002_250_81),
        (&[100, 200, 400, 800], 12, 0.008_607_46),
    ] {
        let result = run(&scenario(990, 10, 0.0, 1.0, waits, days));
        let failures: Vec<f64> = values(&result, "success_rate").iter().map(|rate| 1.0 - rate).collect();
        check_values(&format!("waits of {waits:?} ms: failed"), &failures, failed, 0.05 * failed);
    }
}

/// Some attempts get through in a bad spell, and some fail in a good one.
#[test]
fn bursts_that_let_some_through() {
    let result = run(&scenario(95, 5, 0.001, 0.8, &[1_000, 2_000, 4_000], 12));
    let share = |metric: &str, of: &str| -> Vec<f64> {
        values(&result, metric).iter().zip(values(&result, of)).map(|(part, whole)| part / whole).collect()
    };
    let first_failures: Vec<f64> =
        values(&result, "first_attempt_success_rate").iter().map(|rate| 1.0 - rate).collect();
    check_values("first attempts that fail", &first_failures, 0.040_950, 0.05 * 0.040_950);
    check_values("calls that fail", &share("failed", "operations"), 0.005_201_87, 0.05 * 0.005_201_87);
    check("bursts", &result, "attempts_per_operation", 1.081_340, 0.005 * 1.081_340);
}
