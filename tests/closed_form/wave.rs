//! The wave after an outage: clients that failed together come back together, unless jitter spreads them.
//!
//! N clients send at t = 0. Every attempt before D fails at once, every one from D on succeeds at once. Without jitter all of this is
//! arithmetic. With jitter it is the renewal process of "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015) seen at D: the
//! expected numbers come from 300 runs of an independent program, and the tolerances allow for both programs' standard errors.

use simlab::experiment::PolicyResult;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Fault, Frame, Scenario, ServerConfig, World};
use simlab::units::{SimTime, Span};

use super::{check_values, compare, values};

/// Width of the windows in which peaks are counted.
const WINDOW: Span = Span::millis(100);

/// `clients` operations at t = 0 on a server that answers 503 until `outage` and 200 from then on.
fn wave(clients: u32, outage: Span) -> Scenario {
    let until = SimTime::ZERO + outage;
    let errors = Fates { errors: vec![(503, 1.0)], ..Fates::default() };
    let arrivals = Arrivals::Burst { operations: u64::from(clients), at: Span::ZERO, every: None };
    Scenario::from_parts(
        Frame { seed: 20_261_124, replications: 300, peak_window: WINDOW, ..Frame::lasting(Span::secs(60)) },
        World {
            clients,
            faults: vec![Fault { fates: errors, ..Fault::named("outage", 0, SimTime::ZERO, until) }],
            ..World::new(arrivals, ServerConfig::named("s"))
        },
    )
}

fn unlimited(backoff: Backoff) -> RetryPolicy {
    RetryPolicy { attempts: None, backoff, ..RetryPolicy::default() }
}

/// Without jitter: all clients in one window, after a number of attempts and a delay that can be counted on paper.
fn check_herd(result: &PolicyResult, clients: u32, outage: Span, attempts: f64, delay: f64) {
    let name = &result.name;
    for (metric, expected) in [
        ("peak_goodput", f64::from(clients) / WINDOW.seconds()),
        ("attempts_per_operation", attempts),
        ("latency_mean", outage.seconds() + delay),
        ("latency_max", outage.seconds() + delay),
        ("success_rate", 1.0),
    ] {
        for value in values(result, metric) {
            assert!((value - expected).abs() < 1e-9, "{name}, {outage:?}: {metric} {value}, expected {expected}");
        }
    }
}

/// What a jittered wave looks like: value and tolerance each.
struct Wave {
    /// Most successes in one window.
    peak: (f64, f64),
    attempts: (f64, f64),
    /// Mean time from the end of the outage to a client's success, seconds.
    delay: (f64, f64),
    /// The last client's, seconds.
    last: (f64, f64),
}

fn check_wave(result: &PolicyResult, outage: Span, expected: &Wave) {
    let what = |metric: &str| format!("{} after {} s: {metric}", result.name, outage.seconds());
    let since_outage = |metric: &str| values(result, metric).iter().map(|v| v - outage.seconds()).collect::<Vec<f64>>();
    let peaks: Vec<f64> = values(result, "peak_goodput").iter().map(|rate| rate * WINDOW.seconds()).collect();
    check_values(&what("peak"), &peaks, expected.peak.0, expected.peak.1);
    let attempts = values(result, "attempts_per_operation");
    check_values(&what("attempts"), &attempts, expected.attempts.0, expected.attempts.1);
    check_values(&what("mean delay"), &since_outage("latency_mean"), expected.delay.0, expected.delay.1);
    check_values(&what("last delay"), &since_outage("latency_max"), expected.last.0, expected.last.1);
}

/// 1,000 clients, an outage of 5.05 s, base 100 ms, cap 10 s.
#[test]
fn short_outage() {
    let outage = Span::millis(5_050);
    let (base, cap) = (Span::millis(100), Some(Span::secs(10)));
    let scenario = wave(1_000, outage)
        .with_policy("full-jitter", unlimited(Backoff::full_jitter(base, 2.0, cap)), &[])
        .with_policy("equal-jitter", unlimited(Backoff::equal_jitter(base, 2.0, cap)), &[])
        .with_policy("decorrelated-jitter", unlimited(Backoff::decorrelated_jitter(base, cap)), &[]);
    let result = compare(&scenario);
    let expected = [
        Wave { peak: (30.9, 0.8), attempts: (8.306, 0.01), delay: (2.888, 0.02), last: (9.70, 0.15) },
        Wave { peak: (59.4, 1.5), attempts: (7.702, 0.01), delay: (3.041, 0.02), last: (6.31, 0.15) },
        Wave { peak: (67.6, 1.5), attempts: (8.926, 0.03), delay: (1.504, 0.02), last: (8.09, 0.25) },
    ];
    result.policies.iter().zip(&expected).for_each(|(policy, expected)| check_wave(policy, outage, expected));

    let herd = wave(1_000, outage)
        .framed(|frame| frame.replications = 1)
        .with_policy("fixed", unlimited(Backoff::fixed(base)), &[])
        .with_policy("exponential", unlimited(Backoff::exponential(base, 2.0, cap)), &[]);
    let result = compare(&herd);
    check_herd(&result.policies[0], 1_000, outage, 52.0, 0.05);
    check_herd(&result.policies[1], 1_000, outage, 7.0, 1.25);
}

/// 1,000 clients, an outage of 10.03 s, base 1 s, cap 20 s.
#[test]
fn long_outage() {
    let outage = Span::millis(10_030);
    let (base, cap) = (Span::secs(1), Some(Span::secs(20)));
    let scenario = wave(1_000, outage)
        .with_policy("full-jitter", unlimited(Backoff::full_jitter(base, 2.0, cap)), &[])
        .with_policy("equal-jitter", unlimited(Backoff::equal_jitter(base, 2.0, cap)), &[])
        .with_policy("decorrelated-jitter", unlimited(Backoff::decorrelated_jitter(base, cap)), &[]);
    let result = compare(&scenario);
    let expected = [
        Wave { peak: (21.8, 0.7), attempts: (6.002, 0.01), delay: (5.873, 0.04), last: (19.3, 0.2) },
        Wave { peak: (34.5, 0.8), attempts: (5.204, 0.01), delay: (3.669, 0.04), last: (15.8, 0.2) },
        Wave { peak: (26.0, 0.7), attempts: (4.730, 0.01), delay: (4.369, 0.04), last: (19.6, 0.2) },
    ];
    result.policies.iter().zip(&expected).for_each(|(policy, expected)| check_wave(policy, outage, expected));

    let herd = wave(1_000, outage)
        .framed(|frame| frame.replications = 1)
        .with_policy("fixed", unlimited(Backoff::fixed(base)), &[])
        .with_policy("exponential", unlimited(Backoff::exponential(base, 2.0, cap)), &[]);
    let result = compare(&herd);
    check_herd(&result.policies[0], 1_000, outage, 12.0, 0.97);
    check_herd(&result.policies[1], 1_000, outage, 5.0, 4.97);
}

/// 500 clients, an outage of 3.07 s, base 200 ms, cap 5 s. Equal jitter needs exactly six attempts whatever it draws: the five shortest
/// waits before them add up to 3.1 s.
#[test]
fn brief_outage() {
    let outage = Span::millis(3_070);
    let (base, cap) = (Span::millis(200), Some(Span::secs(5)));
    let scenario = wave(500, outage)
        .with_policy("full-jitter", unlimited(Backoff::full_jitter(base, 2.0, cap)), &[])
        .with_policy("equal-jitter", unlimited(Backoff::equal_jitter(base, 2.0, cap)), &[])
        .with_policy("decorrelated-jitter", unlimited(Backoff::decorrelated_jitter(base, cap)), &[]);
    let result = compare(&scenario);
    let expected = [
        Wave { peak: (28.8, 0.8), attempts: (6.589, 0.01), delay: (1.501, 0.02), last: (4.80, 0.1) },
        Wave { peak: (39.3, 0.9), attempts: (6.0, 1e-9), delay: (1.581, 0.02), last: (2.84, 0.1) },
        Wave { peak: (40.9, 1.0), attempts: (5.595, 0.02), delay: (1.114, 0.02), last: (4.82, 0.1) },
    ];
    result.policies.iter().zip(&expected).for_each(|(policy, expected)| check_wave(policy, outage, expected));

    let herd = wave(500, outage)
        .framed(|frame| frame.replications = 1)
        .with_policy("fixed", unlimited(Backoff::fixed(base)), &[])
        .with_policy("exponential", unlimited(Backoff::exponential(base, 2.0, cap)), &[]);
    let result = compare(&herd);
    check_herd(&result.policies[0], 500, outage, 17.0, 0.13);
    check_herd(&result.policies[1], 500, outage, 6.0, 3.13);
}
