//! What a measurement can hide: coordinated omission (Tene, "How NOT to Measure Latency", 2013).
//!
//! A server answers in 1 ms, then stands still for 100 s. Demand that keeps its schedule sees the stall in half of its operations. A client
//! that waits for each answer before it sends again sees it once. Both are exact arithmetic.

use simlab::distribution::Distribution;
use simlab::experiment::PolicyResult;
use simlab::scenario::{Arrivals, Fault, Scenario, ServerConfig};
use simlab::units::{SimTime, Span};

use super::{check_exact, one_attempt, run};

const SERVICE: Span = Span::millis(1);

/// A server of 1 ms that stands still in [from, until), with demand up to the end of the stall.
fn stalled(arrivals: Arrivals, from: Span, until: Span) -> PolicyResult {
    let server = ServerConfig { service_time: Distribution::Constant(SERVICE), ..ServerConfig::named("s") };
    let stall = Fault { freeze: true, ..Fault::named("stall", 0, SimTime::ZERO + from, SimTime::ZERO + until) };
    run(&one_attempt(Scenario::new(until, arrivals, server).in_world(|world| world.faults = vec![stall])))
}

/// 100/s for 200 s, stalled in [100 s, 200 s): the i-th operation of the second half takes 100.001 s − i·10 ms.
#[test]
fn latency_counts_from_the_intended_start() {
    let result = stalled(Arrivals::Constant { rate: 100.0 }, Span::secs(100), Span::secs(200));
    check_exact(&result, "operations", 20_000.0, 0.0);
    check_exact(&result, "succeeded", 20_000.0, 0.0);
    // Half of the successes come after the end of demand.
    check_exact(&result, "goodput", 50.0, 1e-9);
    check_exact(&result, "latency_mean", 25.003_5, 1e-9);
    check_exact(&result, "latency_max", 100.001, 1e-9);
    for (metric, expected) in
        [("latency_p50", 0.001), ("latency_p90", 80.001), ("latency_p99", 98.001), ("latency_p999", 99.801)]
    {
        check_exact(&result, metric, expected, 0.004);
    }
}

/// The same server seen by one client that thinks for 9 ms after each answer: of 10,001 operations one is slow. Its clock is 9 ms late, so
/// the stall is, too.
#[test]
fn a_closed_loop_hides_the_stall() {
    let think = Distribution::Constant(Span::millis(9));
    let late = Span::millis(9);
    let result = stalled(Arrivals::Closed { think }, Span::secs(100) + late, Span::secs(200) + late);
    check_exact(&result, "operations", 10_001.0, 0.0);
    check_exact(&result, "succeeded", 10_001.0, 0.0);
    check_exact(&result, "latency_mean", (10_000.0 * 0.001 + 100.001) / 10_001.0, 1e-9);
    check_exact(&result, "latency_max", 100.001, 1e-9);
    for metric in ["latency_p50", "latency_p90", "latency_p99", "latency_p999"] {
        check_exact(&result, metric, 0.001, 0.004);
    }
}
