//! What faults do to work that is under way, in exact arithmetic.

use simlab::distribution::Distribution;
use simlab::experiment::PolicyResult;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{Arrivals, Fault, Scenario, ServerConfig};
use simlab::units::{SimTime, Span};

use super::{check_exact, run};

/// One operation of 10 s at t = 0 on one worker, with `faults`, measured over 20 s.
fn ten_seconds_of_work(faults: Vec<Fault>, policy: RetryPolicy) -> PolicyResult {
    let service_time = Distribution::Constant(Span::secs(10));
    let server = ServerConfig { workers: Some(1), service_time, ..ServerConfig::named("s") };
    let arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: None };
    let scenario = Scenario::new(Span::secs(20), arrivals, server).in_world(|world| world.faults = faults);
    run(&scenario.with_policy("client", policy, &[]))
}

/// A fault in [from, until), in seconds.
fn window(from: u64, until: u64) -> Fault {
    Fault::named("fault", 0, SimTime::ZERO + Span::secs(from), SimTime::ZERO + Span::secs(until))
}

/// Work under way when the workers stand still goes on from where it was: two stalls of 2 s and 1 s make 13 s of 10. A slowdown changes only
/// work that starts in it.
#[test]
fn a_stall_pauses_work() {
    let stalls = [(4, 6), (8, 9)].map(|(from, until)| Fault { freeze: true, ..window(from, until) });
    let slow = Fault { slowdown: 3.0, ..window(1, 12) };
    let faults = stalls.into_iter().chain([slow]).collect();
    let result = ten_seconds_of_work(faults, RetryPolicy::default());
    check_exact(&result, "latency_mean", 13.0, 1e-9);
    check_exact(&result, "utilisation", 13.0 / 20.0, 1e-9);
    let slow_from_the_start = vec![Fault { slowdown: 1.5, ..window(0, 1) }];
    check_exact(&ten_seconds_of_work(slow_from_the_start, RetryPolicy::default()), "latency_mean", 15.0, 1e-9);
}

/// Work that a crash cuts short is wasted: 4 s of the first attempt are, the 10 s of the second one are not.
#[test]
fn work_cut_by_a_crash_is_wasted() {
    let policy = RetryPolicy { attempts: Some(2), backoff: Backoff::fixed(Span::secs(1)), ..RetryPolicy::default() };
    let result = ten_seconds_of_work(vec![Fault { crash: true, ..window(4, 5) }], policy);
    check_exact(&result, "latency_mean", 15.0, 1e-9);
    check_exact(&result, "utilisation", 14.0 / 20.0, 1e-9);
    check_exact(&result, "executions", 1.0, 0.0);
    check_exact(&result, "wasted_work", 4.0 / 14.0, 1e-9);
}
