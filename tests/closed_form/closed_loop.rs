//! Closed loops: a fixed number of clients that think, call and think again.
//!
//! Sources: Scherr, "An Analysis of Time-Shared Computer Systems" (1967), the machine-repair model M/M/c//N; Schroeder, Wierman, Harchol-Balter,
//! "Open Versus Closed: A Cautionary Tale" (NSDI 2006).

use simlab::distribution::Distribution;
use simlab::experiment::PolicyResult;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Scenario, ServerConfig};
use simlab::units::Span;

use super::{check, check_values, one_attempt, open_loop, run, values};

fn exponential(seconds: f64) -> Distribution {
    Distribution::Exponential { mean: Span::from_seconds(seconds) }
}

/// `clients` that think `think` seconds on average, for `seconds`.
fn closed_loop(clients: u32, think: f64, seconds: u64, server: ServerConfig) -> Scenario {
    let open = open_loop(1.0, seconds, server);
    open.in_world(|world| {
        world.clients = clients;
        world.arrivals = Arrivals::Closed { think: exponential(think) };
    })
}

fn workers(count: u32, service: f64) -> ServerConfig {
    ServerConfig { workers: Some(count), service_time: exponential(service), ..ServerConfig::named("s") }
}

/// The machine-repair model: throughput, response time and its quantiles.
#[test]
fn machine_repair() {
    for (clients, service, c, throughput, response, busy, p50, p99) in [
        (20, 0.05, 1, 16.822_2, 0.188_908, 0.841_108, 0.152_061, 0.675_769),
        (50, 0.1, 4, 38.849_8, 0.287_007, 0.971_246, 0.263_713, 0.787_973),
    ] {
        let result = run(&one_attempt(closed_loop(clients, 1.0, 30_000, workers(c, service))));
        let case = format!("M/M/{c}//{clients}");
        check(&case, &result, "goodput", throughput, 0.005 * throughput);
        check(&case, &result, "latency_mean", response, 0.015 * response);
        check(&case, &result, "utilisation", busy, 0.005 * busy);
        check(&case, &result, "latency_p50", p50, 0.015 * p50);
        check(&case, &result, "latency_p99", p99, 0.025 * p99);
        // The interactive response-time law: N = X·(R + Z).
        let law: Vec<f64> = values(&result, "goodput")
            .iter()
            .zip(values(&result, "latency_mean"))
            .map(|(rate, response)| rate * (response + 1.0))
            .collect();
        check_values(&format!("{case}: X(R + Z)"), &law, f64::from(clients), 0.005 * f64::from(clients));
    }
}

/// The same server at the same load answers much later when the demand does not wait for it.
#[test]
fn open_is_slower_than_closed() {
    // The second queue is busy 99.15% of the time and forgets slowly: 25% is what 25 days of it can tell. The factor is 11.5.
    for (rate, open, closed, clients, tolerance, seconds) in
        [(16.822_16, 0.314_679, 0.188_908, 20, 0.02, 60_000), (19.830_85, 5.911_9, 0.512_79, 30, 0.25, 220_000)]
    {
        let result = run(&one_attempt(open_loop(rate, seconds, workers(1, 0.05))));
        check(&format!("open, {rate}/s"), &result, "latency_mean", open, tolerance * open);
        let result = run(&one_attempt(closed_loop(clients, 1.0, 30_000, workers(1, 0.05))));
        check(&format!("closed, {clients} clients"), &result, "latency_mean", closed, 0.015 * closed);
        check(&format!("closed, {clients} clients"), &result, "goodput", rate, 0.005 * rate);
    }
}

/// A closed loop slows down while it retries: X = N/(Z + A·S + E\[waits\]), by renewal and reward.
#[test]
fn retries_slow_a_closed_loop_down() {
    let full = Backoff::full_jitter(Span::millis(100), 2.0, Some(Span::secs(10)));
    let plain = Backoff::exponential(Span::millis(200), 2.0, Some(Span::secs(2)));
    for (clients, think, service, p, n, backoff, calls, attempts, goodput) in [
        (50, 0.5, 0.02, 0.2, 4, full, 92.496_7, 115.436, 92.348_7),
        (100, 1.0, 0.05, 0.5, 5, plain, 66.805_9, 129.436, 64.718_2),
    ] {
        let fates = Fates { failures: vec![(500, p)], ..Fates::default() };
        let server = ServerConfig { fates, service_time: exponential(service), ..ServerConfig::named("s") };
        let policy = RetryPolicy { attempts: Some(n), backoff, ..RetryPolicy::default() };
        let scenario = closed_loop(clients, think, 3_000, server).with_policy("retry", policy, &[]);
        let result = run(&scenario);
        let case = format!("{clients} clients, p {p}");
        let per_second = |metric: &str| -> Vec<f64> { rates(&result, metric, 3_000.0 - 300.0) };
        check_values(&format!("{case}: calls/s"), &per_second("operations"), calls, 0.005 * calls);
        check(&case, &result, "load_mean", attempts, 0.005 * attempts);
        check(&case, &result, "goodput", goodput, 0.005 * goodput);
    }
}

fn rates(result: &PolicyResult, metric: &str, seconds: f64) -> Vec<f64> {
    values(result, metric).iter().map(|count| count / seconds).collect()
}
