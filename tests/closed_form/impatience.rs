//! Queues that are left: attempts wait for a limited time only (`max_wait`).
//! Sources: Garnett, Mandelbaum and Reiman, "Designing a call center with impatient customers", M&SOM 4 (2002), for exponential patience
//! (Erlang-A); Barrer, "Queuing with impatient customers and ordered service", Operations Research 5 (1957), for constant patience.

use simlab::distribution::Distribution;
use simlab::scenario::ServerConfig;
use simlab::units::Span;

use super::{check, check_values, one_attempt, open_loop, run, values};

fn server(workers: u32, service_rate: f64, max_wait: Distribution) -> ServerConfig {
    ServerConfig {
        workers: Some(workers),
        service_time: Distribution::Exponential { mean: Span::from_seconds(1.0 / service_rate) },
        max_wait: Some(max_wait),
        ..ServerConfig::named("s")
    }
}

/// Of two metrics, replication by replication.
fn combined(result: &simlab::experiment::PolicyResult, a: &str, b: &str, of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    values(result, a).into_iter().zip(values(result, b)).map(|(a, b)| of(a, b)).collect()
}

/// Erlang-A, M/M/c+M: patience is exponential with rate θ. What abandons balances what waits, λ·P = θ·Lq, so a tolerance of P is one of Lq, too.
#[test]
fn exponential_patience() {
    const TOLERANCE: f64 = 0.003;
    for (c, rate, service_rate, theta, seconds, abandons, waits, queue, busy) in [
        (1, 100.0, 100.0, 10.0, 4_000, 0.187_521, 0.812_479, 1.875_21, 0.812_479),
        (10, 110.0, 10.0, 5.0, 10_000, 0.147_746, 0.750_503, 0.029_549_2 * 110.0, 110.0 * (1.0 - 0.147_746) / 100.0),
        (1, 150.0, 100.0, 2.0, 4_000, 0.333_555, 150.0 * (1.0 - 0.333_555) / 100.0, 25.016_6, 0.999_668),
    ] {
        let patience = Distribution::Exponential { mean: Span::from_seconds(1.0 / theta) };
        let result = run(&one_attempt(open_loop(rate, seconds, server(c, service_rate, patience))));
        let case = format!("M/M/{c}+M, λ {rate}, μ {service_rate}, θ {theta}");
        let gone: Vec<f64> = values(&result, "success_rate").iter().map(|share| 1.0 - share).collect();
        check_values(&format!("{case}: abandons"), &gone, abandons, TOLERANCE);
        // Who was served and did not wait is who did not wait.
        let waited = combined(&result, "success_rate", "waited", |served, waited| 1.0 - served * (1.0 - waited));
        check_values(&format!("{case}: waits"), &waited, waits, TOLERANCE);
        let waiting = combined(&result, "in_flight_mean", "utilisation", |held, busy| held - busy * f64::from(c));
        check_values(&format!("{case}: queue"), &waiting, queue, TOLERANCE * rate / theta);
        check(&case, &result, "utilisation", busy, TOLERANCE);
    }
}

/// M/M/1+D: everybody has the same patience τ. A share of (1 − ρ)ρe ÷ (1 − ρ²e) is lost, e = exp(−(μ − λ)τ); 1 ÷ (2 + μτ) at ρ = 1.
#[test]
fn constant_patience() {
    for (rate, patience_ms, lost, wait) in [
        (80.0, 50, 0.076_986_7, 0.014_977_6),
        (100.0, 50, 0.142_857, 0.020_833_3),
        (150.0, 100, 0.334_335, 0.080_496_3),
    ] {
        let patience = Distribution::Constant(Span::millis(patience_ms));
        let result = run(&one_attempt(open_loop(rate, 8_000, server(1, 100.0, patience))));
        let case = format!("M/M/1+D, λ {rate}, τ {patience_ms} ms");
        let gone: Vec<f64> = values(&result, "success_rate").iter().map(|share| 1.0 - share).collect();
        check_values(&format!("{case}: lost"), &gone, lost, 0.002);
        // Of those that were served.
        check(&case, &result, "wait_mean", wait, 0.01 * wait);
    }
}
