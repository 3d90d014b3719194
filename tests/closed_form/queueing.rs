//! Queues without retries: M/M/1, M/M/c, finite queues, and time-outs that nobody retries.
//! Sources: Kleinrock, "Queueing Systems", vol. 1 (1975); Gross and Harris, "Fundamentals of Queueing Theory".

use simlab::distribution::Distribution;
use simlab::retry::RetryPolicy;
use simlab::scenario::{Idempotency, ServerConfig};
use simlab::units::Span;

use super::{check, check_values, one_attempt, open_loop, run, values};

fn server(workers: u32, service: Distribution, queue: Option<u32>) -> ServerConfig {
    ServerConfig {
        workers: Some(workers),
        queue,
        service_time: service,
        idempotency: Idempotency::None,
        ..ServerConfig::named("s")
    }
}

fn exponential(seconds: f64) -> Distribution {
    Distribution::Exponential { mean: Span::from_seconds(seconds) }
}

/// M/M/1 at ρ = 0.8: all means are known, and the sojourn time is exponential with rate μ − λ.
#[test]
fn mm1() {
    let scenario = one_attempt(open_loop(80.0, 50_000, server(1, exponential(0.01), None)));
    let result = run(&scenario);
    let case = "M/M/1";
    check(case, &result, "latency_mean", 0.05, 0.05 * 0.015);
    check(case, &result, "wait_mean", 0.04, 0.04 * 0.015);
    check(case, &result, "in_flight_mean", 4.0, 4.0 * 0.015);
    check(case, &result, "waited", 0.8, 0.8 * 0.015);
    check(case, &result, "utilisation", 0.8, 0.8 * 0.015);
    check(case, &result, "latency_p50", 0.034_657, 0.034_657 * 0.015);
    check(case, &result, "latency_p99", 0.230_259, 0.230_259 * 0.025);
    check(case, &result, "latency_p999", 0.345_388, 0.345_388 * 0.04);
    check(case, &result, "wait_p99", 0.219_101, 0.219_101 * 0.025);
    check(case, &result, "dispersion", 1.0, 0.015);
    // Little's law over the same window, from an integral on one side and single sojourns on the other.
    let little: Vec<f64> = values(&result, "in_flight_mean")
        .iter()
        .zip(values(&result, "load_mean"))
        .zip(values(&result, "latency_mean"))
        .map(|((n, rate), time)| n / (rate * time))
        .collect();
    check_values("M/M/1: N / (λT)", &little, 1.0, 0.001);
}

/// M/M/c at ρ = 0.8: more servers, less waiting (Erlang C).
#[test]
fn mmc() {
    for (c, waits, wait_mean, latency_mean, p50, p99, p999) in [
        (5, 0.554_11, 0.554_11, 1.554_11, 1.204_39, 6.079_66, 8.665_94),
        (20, 0.256_08, 0.064_02, 1.064_02, 0.767_15, 4.687_08, 6.989_67),
    ] {
        let rate = 0.8 * f64::from(c);
        let seconds = if c == 5 { 600_000 } else { 200_000 };
        let result = run(&one_attempt(open_loop(rate, seconds, server(c, exponential(1.0), None))));
        let case = format!("M/M/{c}");
        check(&case, &result, "waited", waits, 0.005);
        check(&case, &result, "wait_mean", wait_mean, 0.025 * wait_mean);
        check(&case, &result, "latency_mean", latency_mean, 0.015 * latency_mean);
        check(&case, &result, "latency_p50", p50, 0.015 * p50);
        check(&case, &result, "latency_p99", p99, 0.025 * p99);
        check(&case, &result, "latency_p999", p999, 0.04 * p999);
    }
}

/// Finite queues: what is refused, what gets through, how long it takes.
#[test]
fn finite_queues() {
    for (case, rate, service, c, places, refused, throughput, latency, busy) in [
        ("M/M/1/10", 90.0, 0.01, 1, 9, 0.050_813_7, 85.426_8, 0.046_466, 0.854_268),
        ("M/M/1/20", 120.0, 0.01, 1, 19, 0.170_370, 99.555_6, 0.155_357, 0.995_556),
        ("M/M/10/10", 80.0, 0.1, 10, 0, 0.121_661, 70.267_1, 0.1, 0.702_671),
        ("M/M/4/12", 44.0, 0.1, 4, 8, 0.138_706, 37.896_9, 0.207_298, 0.947_423),
        ("M/M/1/50", 200.0, 0.01, 1, 49, 0.5, 100.0, 0.49, 1.0),
    ] {
        let result = run(&one_attempt(open_loop(rate, 10_000, server(c, exponential(service), Some(places)))));
        let refusals: Vec<f64> = values(&result, "success_rate").iter().map(|rate| 1.0 - rate).collect();
        check_values(&format!("{case}: refused"), &refusals, refused, 0.002);
        check(case, &result, "goodput", throughput, 0.01 * throughput);
        check(case, &result, "latency_mean", latency, 0.02 * latency);
        check(case, &result, "utilisation", busy, 0.01 * busy);
    }
}

/// Erlang's loss formula knows only the mean service time. Wrong accounting of busy workers would show here.
#[test]
fn erlang_b_is_insensitive() {
    for (name, service) in [
        ("constant", Distribution::Constant(Span::millis(100))),
        ("lognormal", Distribution::lognormal_mean_sd(Span::millis(100), Span::millis(200))),
    ] {
        let result = run(&one_attempt(open_loop(80.0, 10_000, server(10, service, Some(0)))));
        let refusals: Vec<f64> = values(&result, "success_rate").iter().map(|rate| 1.0 - rate).collect();
        check_values(&format!("M/G/10/10, {name}: refused"), &refusals, 0.121_661, 0.002);
    }
}

/// M/M/1: the share of all work that belongs to requests whose sojourn T = W + S exceeds τ, E[S; T > τ]/E[S]. The wait W is 0 with
/// probability 1 − ρ, else exponential with rate δ = μ − λ, and independent of S; E[S; S > x] = e^(−μx)·(x + 1/μ).
fn work_behind_timeouts(arrival_rate: f64, service_rate: f64, timeout: f64) -> f64 {
    let (rho, delta) = (arrival_rate / service_rate, service_rate - arrival_rate);
    let at_once = (-service_rate * timeout).exp() * (timeout + 1.0 / service_rate);
    let waited_longer = (-delta * timeout).exp() / service_rate;
    let x = arrival_rate * timeout;
    let waited_shorter = delta
        * (-delta * timeout).exp()
        * ((1.0 - (-x).exp() * (1.0 + x)) / (arrival_rate * arrival_rate)
            + (1.0 - (-x).exp()) / (service_rate * arrival_rate));
    service_rate * ((1.0 - rho) * at_once + rho * (waited_longer + waited_shorter))
}

/// A client's time-out takes no work off the server: every timed-out request is executed all the same.
#[test]
fn timeouts_leave_the_work_behind() {
    const SECONDS: u32 = 40_000;
    for (timeout_ms, timed_out, tolerance, unwanted, latency_mean, p99) in [
        (100, 0.135_335, 0.003, 10.826_8, 0.034_348, 0.096_903),
        (200, 0.018_316, 0.001_5, 1.465_25, 0.046_269, 0.178_542),
    ] {
        let policy = RetryPolicy { timeout: Some(Span::millis(timeout_ms)), ..RetryPolicy::default() };
        let scenario =
            open_loop(80.0, SECONDS.into(), server(1, exponential(0.01), None)).with_policy("once", policy, &[]);
        let result = run(&scenario);
        let case = format!("time-out {timeout_ms} ms");
        let share: Vec<f64> =
            values(&result, "outcome_timeout").iter().zip(values(&result, "attempts")).map(|(t, a)| t / a).collect();
        check_values(&format!("{case}: timed out"), &share, timed_out, tolerance);
        check(&case, &result, "latency_mean", latency_mean, 0.02 * latency_mean);
        check(&case, &result, "latency_p99", p99, 0.02 * p99);
        // Per second: all work, and the part of it that nobody waits for any more.
        let per_second = |metric: &str| -> Vec<f64> {
            values(&result, metric).iter().map(|count| count / (0.9 * f64::from(SECONDS))).collect()
        };
        check_values(&format!("{case}: executions per second"), &per_second("executions"), 80.0, 0.01 * 80.0);
        check_values(
            &format!("{case}: unwanted per second"),
            &per_second("phantom_successes"),
            unwanted,
            tolerance * 80.0,
        );
        let wasted = work_behind_timeouts(80.0, 100.0, Span::millis(timeout_ms).seconds());
        check(&case, &result, "wasted_work", wasted, 1.5 * tolerance);
        // Executions equal operations, to the last one.
        assert_eq!(values(&result, "executions"), values(&result, "operations"), "{case}");
        assert_eq!(values(&result, "phantom_successes"), values(&result, "outcome_timeout"), "{case}");
    }
}
