//! How long an attempt waits in a queue: `max_wait` beside everything else that moves attempts.

use simlab::distribution::Distribution;
use simlab::protocol::Outcome;
use simlab::retry::{Backoff, RetryAfter, RetryPolicy};
use simlab::scenario::{AbandonedWork, Arrivals, Discipline, Fault, ServerConfig};

use super::{MS, burst, check, constant, fault, one_worker, run, tries};

/// One worker that needs 100 ms, and attempts that wait so long at most.
fn impatient(max_wait: u64) -> ServerConfig {
    ServerConfig { max_wait: Some(constant(max_wait)), ..one_worker() }
}

/// Of three, one is served at once, one waits, one gives up. It was never served: its wait is in no mean, and no worker worked in vain.
#[test]
fn who_waits_too_long_is_turned_away() {
    let result = run(&burst(3, impatient(150)), tries(1));
    check("of three", &result, &[("succeeded", 2.0), ("outcome_503", 1.0), ("failure_latency_p50", 0.15)]);
    check("of three", &result, &[("wait_mean", 0.05), ("waited", 0.5), ("wasted_work", 0.0), ("queue_max", 2.0)]);
    // Present for 100, 200 and 150 ms of 10 s.
    check("of three", &result, &[("executions", 2.0), ("in_flight_mean", 0.045)]);
}

/// As when the queue is full: the same answer, with the same hint.
#[test]
fn the_answer_is_that_of_a_full_queue() {
    let refusing = ServerConfig { when_full: Outcome::Refused, ..impatient(50) };
    check("refuse", &run(&burst(2, refusing), tries(1)), &[("succeeded", 1.0), ("outcome_connection", 1.0)]);
    let hinting = ServerConfig { retry_after: vec![(503, constant(300))], ..impatient(50) };
    let honouring = RetryPolicy { retry_after: RetryAfter::up_to(None), ..tries(2) };
    let result = run(&burst(2, hinting), honouring);
    check("hint", &result, &[("succeeded", 2.0), ("outcome_503", 1.0), ("latency_max", 0.45)]);
}

/// A worker that becomes free at the very instant takes the attempt up; the next one, whose patience ends then too, leaves.
#[test]
fn a_worker_that_is_free_in_time_takes_it() {
    let result = run(&burst(3, impatient(100)), tries(1));
    check("at 100 ms", &result, &[("succeeded", 2.0), ("latency_max", 0.2), ("outcome_503", 1.0)]);
    check("at 100 ms", &result, &[("failure_latency_p50", 0.1)]);
}

/// Its answer is due before a time-out of the same instant, and counts.
#[test]
fn the_answer_comes_before_a_timeout() {
    for network in [0, 20] {
        let server = ServerConfig { network: constant(network), ..impatient(50) };
        let policy = RetryPolicy { timeout: Some(MS(50 + 2 * network)), ..RetryPolicy::default() };
        let case = format!("network {network} ms");
        check(&case, &run(&burst(2, server), policy), &[("outcome_503", 1.0), ("outcome_timeout", 1.0)]);
    }
}

/// The place it leaves is free for a request that arrives at that instant.
#[test]
fn its_place_is_free_at_once() {
    for network in [0, 10] {
        let server = ServerConfig { queue: Some(1), network: constant(network), ..impatient(50) };
        let server = ServerConfig { service_time: constant(100_000), ..server };
        let scenario = burst(1, server)
            .framed(|frame| {
                // An even number of those that wait: were every second one refused at once, the median would tell.
                frame.duration = MS(550);
            })
            .in_world(|world| world.arrivals = Arrivals::Burst { operations: 1, at: MS(0), every: Some(MS(50)) });
        let wait = 0.05 + 0.02 * network as f64 / 10.0;
        let result = run(&scenario, RetryPolicy::default());
        let case = format!("network {network} ms");
        check(&case, &result, &[("outcome_503", 10.0), ("failure_latency_p50", wait), ("failure_latency_p99", wait)]);
    }
}

/// Patience ends while workers stand still, and is of no account once a crash has emptied the queue.
#[test]
fn freezes_and_crashes() {
    let mut scenario = burst(2, impatient(150));
    scenario.world_mut().faults = vec![Fault { freeze: true, ..fault(10, 500) }];
    let result = run(&scenario, tries(1));
    check("freeze", &result, &[("succeeded", 1.0), ("outcome_503", 1.0), ("failure_latency_p50", 0.15)]);
    scenario.world_mut().faults = vec![Fault { crash: true, ..fault(50, 60) }];
    check("crash", &run(&scenario, tries(1)), &[("outcome_connection", 2.0), ("outcome_503", 0.0)]);
    // A fault's edge comes first: the worker that goes on at 150 ms finishes at 240, too late for the one that leaves at 150.
    scenario.world_mut().faults = vec![Fault { freeze: true, ..fault(10, 150) }];
    check("thaw", &run(&scenario, tries(1)), &[("succeeded", 1.0), ("outcome_503", 1.0), ("latency_max", 0.24)]);
}

/// Nobody waits any more: with `cancel` it has left before; with `finish` it leaves when its patience ends, and is never worked on.
#[test]
fn abandoned_attempts() {
    let policy = |ms| RetryPolicy { timeout: Some(MS(ms)), ..RetryPolicy::default() };
    let cancelling = ServerConfig { abandoned_work: AbandonedWork::Cancel, ..impatient(120) };
    let result = run(&burst(2, cancelling), policy(80));
    check("cancel", &result, &[("outcome_timeout", 2.0), ("outcome_503", 0.0), ("executions", 0.0)]);
    let result = run(&burst(3, impatient(150)), policy(120));
    check(
        "finish",
        &result,
        &[("succeeded", 1.0), ("outcome_timeout", 2.0), ("executions", 2.0), ("wasted_work", 0.5)],
    );
    // Without patience the third is worked on too.
    check("for ever", &run(&burst(3, one_worker()), policy(120)), &[("executions", 3.0)]);
}

/// The last to come is served first; who waits longest leaves, from whatever place.
#[test]
fn the_last_may_overtake_those_that_leave() {
    let lifo = ServerConfig { discipline: Discipline::Lifo, ..impatient(150) };
    let result = run(&burst(4, lifo), tries(1));
    check("lifo", &result, &[("succeeded", 2.0), ("outcome_503", 2.0), ("latency_max", 0.2), ("wait_mean", 0.05)]);
}

/// No patience at all is no place to wait in; patience that never ends is none to speak of.
#[test]
fn the_extremes() {
    let again = RetryPolicy { backoff: Backoff::fixed(MS(70)), ..tries(4) };
    let digest = |server: ServerConfig| {
        let poisson = burst(1, server)
            .framed(|frame| frame.duration = MS(60_000))
            .in_world(|world| world.arrivals = Arrivals::Poisson { rate: 9.0 });
        run(&poisson, again.clone()).digest
    };
    let drawn = Distribution::Exponential { mean: MS(150) };
    assert_eq!(digest(impatient(0)), digest(ServerConfig { queue: Some(0), ..one_worker() }));
    assert_eq!(digest(impatient(1_000_000)), digest(one_worker()));
    assert_ne!(digest(ServerConfig { max_wait: Some(drawn), ..one_worker() }), digest(one_worker()));
}
