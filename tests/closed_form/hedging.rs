//! Hedging without limits: the latency is T = min(X, d + Y), and a hedge is sent with P(X > d).

use simlab::distribution::Distribution;
use simlab::hedge::{HedgeConfig, Trigger};
use simlab::protocol::Outcome;

use super::*;

/// Mean, 99th and 99.9th percentile in ms.
type Latency = [f64; 3];

/// Four distributions of X and Y, with P(X > d) and the latencies without and with the hedge. The last is the cartoon of Dean and Barroso, "The
/// Tail at Scale", that `scenarios/hedging-tail.toml` tells.
#[test]
fn the_minimum_of_two() {
    let exponential = |ms| Distribution::Exponential { mean: Span::from_seconds(ms * 1e-3) };
    let lognormal = || Distribution::lognormal_p50_sigma(Span::millis(10), 1.0);
    let mixture = Distribution::Mixture(vec![(0.99, exponential(5.0)), (0.01, exponential(500.0))]);
    let cases: [(&str, Distribution, f64, f64, Latency, Latency); 4] = [
        ("exponential", exponential(10.0), 20.0, 0.135335, [10.0, 46.0517, 69.0776], [9.32332, 33.0259, 44.5388]),
        ("p95", lognormal(), 51.8025, 0.05, [16.4872, 102.405, 219.822], [15.2989, 66.6658, 93.1295]),
        ("p99", lognormal(), 102.405, 0.01, [16.4872, 102.405, 219.822], [16.1020, 102.405, 127.190]),
        ("mixture", mixture, 30.0, 0.0118716, [9.95, 36.2735, 1151.29], [5.3048, 30.7192, 41.6577]),
    ];
    for (case, service_time, delay, extra, plain, hedged) in cases {
        let server = ServerConfig { service_time, ..ServerConfig::named("s") };
        let scenario = open_loop(2_000.0, 250, server)
            .framed(|frame| frame.warmup = Span::ZERO)
            .with_policy("plain", RetryPolicy::default(), &[])
            .with_policy("hedged", RetryPolicy::default(), &[])
            .hedged(HedgeConfig::after(Span::from_seconds(delay * 1e-3)));
        let results = compare(&scenario).policies;
        for (result, expected) in results.iter().zip([plain, hedged]) {
            for (metric, expected) in ["latency_mean", "latency_p99", "latency_p999"].into_iter().zip(expected) {
                // The tail of the tail is made of few; and a quantile is that of a bucket.
                let share = match metric {
                    "latency_mean" => 0.012,
                    "latency_p99" => 0.025,
                    _ => 0.06,
                };
                check(&format!("{case}, {}", result.name), result, metric, expected * 1e-3, share * expected * 1e-3);
            }
        }
        let per_operation = |metric: &str| -> Vec<f64> {
            let (part, whole) = (values(&results[1], metric), values(&results[1], "operations"));
            part.iter().zip(whole).map(|(part, whole)| part / whole).collect()
        };
        check_values(&format!("{case}: hedges per operation"), &per_operation("hedges"), extra, 0.03 * extra);
        // The server finishes what nobody waits for.
        check_values(&format!("{case}: executed twice"), &per_operation("duplicates"), extra, 0.03 * extra);
        let cancelled = format!("outcome_{}", Outcome::Cancelled);
        assert_eq!(values(&results[1], &cancelled), values(&results[1], "hedges"), "{case}: one of two loses");
    }
}

/// At a percentile of what was seen lately the extra load is what is left above it, whatever the distribution.
#[test]
fn a_percentile_sets_the_extra_load() {
    for at in [0.9, 0.95, 0.99] {
        let service_time = Distribution::lognormal_p50_sigma(Span::millis(10), 1.0);
        let server = ServerConfig { service_time, ..ServerConfig::named("s") };
        let trigger = Trigger::Percentile { at, window: Span::secs(30), min: Span::ZERO };
        let scenario = open_loop(1_000.0, 300, server).with_policy("p", RetryPolicy::default(), &[]);
        let result = run(&scenario.hedged(HedgeConfig { trigger, ..HedgeConfig::after(Span::ZERO) }));
        let (hedges, operations) = (values(&result, "hedges"), values(&result, "operations"));
        let shares: Vec<f64> = hedges.iter().zip(operations).map(|(part, whole)| part / whole).collect();
        // Hedges are seen too, and they are quick or cut short: with e of them for each call, e = (1 - at) (1 + e) at most.
        let (low, high) = (1.0 - at, (1.0 - at) / at);
        check_values(&format!("hedges above {at}"), &shares, (low + high) / 2.0, (high - low) / 2.0 + 0.03 * low);
    }
}
