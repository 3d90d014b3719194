//! What comes first at one instant: fault edges, then servers and replies, then time-outs and wake-ups, then new operations.

use simlab::distribution::Distribution;
use simlab::experiment::PolicyResult;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{AbandonedWork, Arrivals, Fates, Fault, Scenario, ServerConfig};
use simlab::units::{SimTime, Span};

use super::{check_exact, run};

/// One operation a second for 20 s, on one worker without a waiting place, with a service time and a time-out that meet on whole seconds.
fn on_the_second(service: u64, timeout: u64, abandoned_work: AbandonedWork) -> PolicyResult {
    let service_time = Distribution::Constant(Span::secs(service));
    let server =
        ServerConfig { workers: Some(1), queue: Some(0), service_time, abandoned_work, ..ServerConfig::named("s") };
    let policy = RetryPolicy { timeout: Some(Span::secs(timeout)), ..RetryPolicy::default() };
    let scenario = Scenario::new(Span::secs(20), Arrivals::Constant { rate: 1.0 }, server);
    run(&scenario.with_policy("once", policy, &[]))
}

/// Work ends, its reply counts although the time-out is due, and the next operation finds the worker free.
#[test]
fn replies_before_timeouts_before_operations() {
    check_exact(&on_the_second(1, 1, AbandonedWork::Finish), "success_rate", 1.0, 0.0);
}

/// A time-out that takes its work away frees the worker for the operation that starts then.
#[test]
fn timeouts_before_operations() {
    let result = on_the_second(10, 1, AbandonedWork::Cancel);
    check_exact(&result, "outcome_timeout", 20.0, 0.0);
    check_exact(&result, "attempts", 20.0, 0.0);
}

/// Windows are half-open: an attempt sent when an outage ends meets a healthy server, and work that would end when a stall begins is held.
#[test]
fn fault_edges_before_all() {
    let outage = Fault {
        fates: Fates { errors: vec![(503, 1.0)], ..Fates::default() },
        ..Fault::named("outage", 0, SimTime::ZERO, SimTime::ZERO + Span::secs(5))
    };
    let stall = Fault {
        freeze: true,
        ..Fault::named("stall", 0, SimTime::ZERO + Span::secs(7), SimTime::ZERO + Span::secs(9))
    };
    let server = ServerConfig { service_time: Distribution::Constant(Span::secs(2)), ..ServerConfig::named("s") };
    let arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: None };
    let policy = RetryPolicy { attempts: None, backoff: Backoff::fixed(Span::secs(1)), ..RetryPolicy::default() };
    let scenario = Scenario::new(Span::secs(20), arrivals, server).in_world(|world| world.faults = vec![outage, stall]);
    let result = run(&scenario.with_policy("retry", policy, &[]));
    // At 0, 1, … 5 s; the sixth attempt would end at 7 s, when the stall begins.
    check_exact(&result, "attempts", 6.0, 0.0);
    check_exact(&result, "latency_mean", 9.0, 1e-9);
}
