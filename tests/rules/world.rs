//! What happens to an attempt: order at one instant, the path, faults.

use simlab::distribution::Distribution;
use simlab::gate::breaker::{CircuitRules, ConsecutiveBreakerConfig, RateBreakerConfig, RateWindow};
use simlab::gate::budget::{Refill, TokenBudgetConfig, Tokens};
use simlab::gate::{Around, GateConfig, GateRule, Scope};
use simlab::protocol::Outcome;
use simlab::retry::{Backoff, OutcomeClass, OutcomeSet, RetryAfter, RetryPolicy};
use simlab::scenario::{
    AbandonedWork, Arrivals, Discipline, Fates, Fault, Flapping, Per, RateLimit, Scenario, ServerConfig,
};
use simlab::units::{SimTime, Span};

use super::{MS, at, burst, check, constant, fault, one_worker, run, tries, try_run};

/// A reply due exactly at the time-out counts, over the network too; one nanosecond later it does not.
#[test]
fn a_reply_at_the_timeout_counts() {
    for (network, timeout, in_time) in
        [(0, MS(100), true), (0, Span(MS(100).0 - 1), false), (30, MS(160), true), (30, Span(MS(160).0 - 1), false)]
    {
        let server = ServerConfig { network: constant(network), ..one_worker() };
        let policy = RetryPolicy { timeout: Some(timeout), ..RetryPolicy::default() };
        let result = run(&burst(1, server), policy.clone());
        let (won, lost) = if in_time { (1.0, 0.0) } else { (0.0, 1.0) };
        let case = format!("network {network} ms, time-out {timeout}");
        check(&case, &result, &[("succeeded", won), ("outcome_timeout", lost), ("executions", 1.0)]);
        check(&case, &result, &[("phantom_successes", lost), ("wasted_work", lost)]);
    }
}

/// At one instant: a completion frees the worker before the retry that a time-out sends asks for it, and before a new operation does.
#[test]
fn completions_come_before_retries_and_new_operations() {
    let server = ServerConfig { queue: Some(0), ..one_worker() };
    // Operations at 0 and 100 ms; the first one's work ends at 100 ms.
    let scenario = burst(1, server.clone())
        .framed(|frame| frame.duration = MS(200))
        .in_world(|world| world.arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(MS(100)) });
    check("new operation", &run(&scenario, tries(1)), &[("succeeded", 2.0), ("outcome_503", 0.0)]);
    // Two operations at 0: the second is refused and tries again at 100 ms.
    let again = RetryPolicy { backoff: Backoff::fixed(MS(100)), ..tries(2) };
    check("retry", &run(&burst(2, server), again), &[("succeeded", 2.0), ("outcome_503", 1.0)]);
}

/// A request that arrives when a worker becomes free finds it free, however long ago it was sent.
#[test]
fn completions_come_before_requests_from_the_network() {
    for network in [0, 1, 50, 100, 150, 1_000] {
        let server = ServerConfig { queue: Some(0), network: constant(network), ..one_worker() };
        let mut scenario = burst(1, server);
        scenario.world_mut().arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(MS(100)) };
        scenario.frame.duration = MS(1_000);
        let policy = RetryPolicy::default();
        check(&format!("network {network} ms"), &run(&scenario, policy), &[("succeeded", 10.0), ("outcome_503", 0.0)]);
    }
}

/// A fault's edge comes before everything else of its instant: windows are [from, until).
#[test]
fn faults_come_first() {
    let down = |from, until| Fault { fates: Fates { refused: 1.0, ..Fates::default() }, ..fault(from, until) };
    for (from, until, refused) in [(0, 1, 1.0), (5, 6, 0.0), (0, 100, 1.0)] {
        let mut scenario = burst(1, one_worker());
        scenario.world_mut().faults = vec![down(from, until)];
        check("at 0", &run(&scenario, tries(1)), &[("outcome_connection", refused)]);
        scenario.world_mut().arrivals = Arrivals::Burst { operations: 1, at: MS(until), every: None };
        check("at the end of the fault", &run(&scenario, tries(1)), &[("outcome_connection", 0.0)]);
    }
    // A crash at the very instant at which the work would end: it has no effect.
    let mut scenario = burst(1, one_worker());
    scenario.world_mut().faults = vec![Fault { crash: true, ..fault(100, 200) }];
    check("crash", &run(&scenario, tries(1)), &[("outcome_connection", 1.0), ("executions", 0.0)]);
}

/// Retries of many operations at one instant keep the order in which they were scheduled, however their timers were set before.
#[test]
fn waits_end_in_the_order_in_which_they_began() {
    // Three operations at 0, in order, one worker without a queue: each round the first in order gets it.
    let server = ServerConfig { queue: Some(0), ..one_worker() };
    let policy = RetryPolicy { backoff: Backoff::fixed(MS(100)), ..tries(4) };
    let result = run(&burst(3, server), policy);
    check("three in turn", &result, &[("succeeded", 3.0), ("latency_max", 0.3), ("latency_mean", 0.2)]);
}

/// What a crash leaves behind: everything in service and queued is reset without effect, whatever was in it.
#[test]
fn a_crash_resets_everything() {
    let mut scenario = burst(3, ServerConfig { network: constant(10), ..one_worker() });
    scenario.world_mut().faults = vec![Fault { crash: true, ..fault(150, 300) }];
    // The first is done at 110; the second is in service, the third waits. Both learn of it at 160.
    let result = run(&scenario, tries(1));
    check("once", &result, &[("succeeded", 1.0), ("outcome_connection", 2.0), ("executions", 1.0)]);
    check("once", &result, &[("failure_latency_p99", 0.16)]);
    // 100 ms of work in vain between 110 and 150, 100 ms that were worth it.
    check("once", &result, &[("wasted_work", 40.0 / 140.0), ("utilisation", 0.14 / 10.0)]);
    // Refused while it is down, served after it.
    let again = RetryPolicy { backoff: Backoff::fixed(MS(70)), ..tries(5) };
    let result = run(&scenario, again);
    check("again", &result, &[("succeeded", 3.0), ("outcome_connection", 4.0), ("executions", 3.0)]);
}

/// Workers stand still in a freeze and go on with what was left; new work waits, and a full queue still answers.
#[test]
fn a_freeze_stops_the_clock_of_the_workers() {
    let mut scenario = burst(3, ServerConfig { queue: Some(1), ..one_worker() });
    scenario.world_mut().faults = vec![Fault { freeze: true, ..fault(40, 540) }];
    let result = run(&scenario, tries(1));
    check("freeze", &result, &[("succeeded", 2.0), ("outcome_503", 1.0), ("latency_max", 0.7)]);
    check("freeze", &result, &[("utilisation", 0.07)]);
    // Two overlapping freezes are one long one; a crash within ends the work for good.
    scenario.world_mut().faults.push(Fault { freeze: true, ..fault(500, 640) });
    check("two freezes", &run(&scenario, tries(1)), &[("latency_max", 0.8)]);
    scenario.world_mut().faults.push(Fault { crash: true, ..fault(600, 610) });
    let result = run(&scenario, tries(1));
    check("freeze and crash", &result, &[("succeeded", 0.0), ("outcome_connection", 2.0), ("executions", 0.0)]);
}

/// A slowdown is for work that starts in its window.
#[test]
fn a_slowdown_is_for_work_that_starts_in_it() {
    let mut scenario = burst(3, one_worker());
    scenario.world_mut().faults = vec![Fault { slowdown: 3.0, ..fault(50, 150) }];
    // The first ends at 100, the second takes three times as long, the third the usual time.
    check("slowdown", &run(&scenario, tries(1)), &[("latency_max", 0.5), ("latency_mean", (0.1 + 0.4 + 0.5) / 3.0)]);
}

/// Fewer workers finish what they hold; more take up what waits at once.
#[test]
fn capacity_shrinks_and_grows() {
    let mut scenario = burst(8, ServerConfig { workers: Some(4), ..one_worker() });
    scenario.world_mut().faults = vec![Fault { capacity: 0.5, ..fault(50, 250) }];
    // 4 end at 100, 2 at 200; at 200 two start, at 250 no one waits any more: 300.
    check("half", &run(&scenario, tries(1)), &[("latency_max", 0.3)]);
    scenario.world_mut().faults = vec![Fault { capacity: 0.0, ..fault(50, 250) }];
    check("none", &run(&scenario, tries(1)), &[("latency_max", 0.35)]);
    scenario.world_mut().faults = vec![Fault { capacity: 2.0, ..fault(50, 250) }];
    check("double", &run(&scenario, tries(1)), &[("latency_max", 0.15)]);
    scenario.world_mut().faults =
        vec![Fault { capacity: 0.5, ..fault(0, 9_000) }, Fault { capacity: 0.5, ..fault(0, 9_000) }];
    let mut unlimited = burst(3, ServerConfig { workers: None, ..one_worker() });
    unlimited.world_mut().faults = vec![Fault { capacity: 0.0, ..fault(0, 250) }];
    check("nothing of an unlimited number", &run(&unlimited, tries(1)), &[("latency_max", 0.35), ("waited", 1.0)]);
    check("a quarter", &run(&scenario, tries(1)), &[("latency_max", 0.8)]);
}

/// Abandoned work is finished, or leaves worker, queue and network at once.
#[test]
fn abandoned_work() {
    let policy = RetryPolicy { timeout: Some(MS(150)), ..RetryPolicy::default() };
    let server = |abandoned_work, network| ServerConfig { abandoned_work, network: constant(network), ..one_worker() };
    // The first is served until 100, the second would be until 200 and gives up at 150, the third waits.
    let result = run(&burst(3, server(AbandonedWork::Finish, 0)), policy.clone());
    check("finish", &result, &[("executions", 3.0), ("phantom_successes", 2.0), ("utilisation", 0.03)]);
    let result = run(&burst(3, server(AbandonedWork::Cancel, 0)), policy.clone());
    check("cancel", &result, &[("executions", 1.0), ("phantom_successes", 0.0), ("utilisation", 0.015)]);
    check("cancel", &result, &[("wasted_work", 1.0 / 3.0), ("outcome_timeout", 2.0)]);
    // Given up on its way: the work is done before the server hears of it.
    let result = run(&burst(1, server(AbandonedWork::Cancel, 200)), policy.clone());
    check("on its way", &result, &[("executions", 1.0), ("phantom_successes", 1.0), ("load_mean", 0.1)]);
    let lossy = Fates { lost_requests: 1.0, ..Fates::default() };
    let result = run(&burst(1, ServerConfig { fates: lossy, ..server(AbandonedWork::Cancel, 200) }), policy.clone());
    check("lost on its way", &result, &[("load_mean", 0.0)]);
    // Given up after the effect, on the way back: nothing is left to cancel.
    let result = run(&burst(1, server(AbandonedWork::Cancel, 40)), policy);
    check("on its way back", &result, &[("executions", 1.0), ("phantom_successes", 1.0), ("wasted_work", 1.0)]);
}

/// Cancelling travels one leg of the network: what ends before it arrives, or as it does, has its effect.
#[test]
fn cancelling_takes_a_leg() {
    let policy = RetryPolicy { timeout: Some(MS(1_000)), ..RetryPolicy::default() };
    let server = |service, network| ServerConfig {
        abandoned_work: AbandonedWork::Cancel,
        service_time: constant(service),
        network: constant(network),
        ..one_worker()
    };
    // Given up at 1,000 ms, which the server hears at 1,010; the work ends at 1,005, at 1,010, and would have ended at 1,011.
    for (service, effects, busy) in
        [(995, 1.0, 995.0), (1_000, 1.0, 1_000.0), (1_001, 0.0, 1_000.0), (9_000, 0.0, 1_000.0)]
    {
        let result = run(&burst(1, server(service, 10)), policy.clone());
        let expected = [("effects", effects), ("phantom_successes", effects), ("utilisation", busy / 10_000.0)];
        check(&format!("{service} ms"), &result, &expected);
    }
    // It leaves worker and queue 10 ms later too: the second works from 1,005 to 1,010, and the third is taken up then, for no time.
    let result = run(&burst(3, server(995, 10)), policy.clone());
    check(
        "queue",
        &result,
        &[("effects", 1.0), ("utilisation", 1.0 / 10.0), ("waited", 2.0 / 3.0), ("wait_mean", 1.995 / 3.0)],
    );
    // What a fault adds to the leg counts.
    let mut slow = burst(1, server(1_005, 10));
    slow.world_mut().faults = vec![Fault { added_latency: constant(10), ..fault(500, 2_000) }];
    check("added latency", &run(&slow, policy.clone()), &[("effects", 1.0)]);
    // A cancellation that overtakes its request is known when that arrives.
    let mut late = burst(1, server(100, 0));
    late.world_mut().faults = vec![Fault { added_latency: constant(1_500), ..fault(0, 500) }];
    let result = run(&late, policy.clone());
    check("overtaken", &result, &[("effects", 0.0), ("utilisation", 0.0), ("load_mean", 0.1)]);
    // The first is gone at 1,005 ms with a reply that is lost; what is sent at 1,006 ms takes its place here, and has nothing to do with the
    // cancellation that arrives at 1,010 ms.
    let arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(MS(1_006)) };
    let mut next = burst(1, server(500, 10)).in_world(|world| world.arrivals = arrivals);
    let lost = Fates { lost_replies: 1.0, ..Fates::default() };
    next.world_mut().faults = vec![Fault { fates: lost, slowdown: 1.99, ..fault(0, 500) }];
    check("next", &run(&next, policy), &[("operations", 10.0), ("succeeded", 9.0), ("effects", 10.0)]);
}

/// An attempt is thrown away once the server knows that its client is gone, and not before.
#[test]
fn expiry_is_known_a_leg_later() {
    // The first is served for 100 ms from when it arrives, and then the second is due, whose client has gone 99, 100 or 150 ms after the beginning: the
    // server hears that as long after it has heard of the request. At the instant itself the worker is free first.
    for (timeout, executions) in [(99, 1.0), (100, 2.0), (150, 2.0)] {
        for network in [0, 10, 51, 70] {
            let policy = RetryPolicy { timeout: Some(MS(timeout)), ..RetryPolicy::default() };
            let server = ServerConfig { drop_expired: true, network: constant(network), ..one_worker() };
            let case = format!("{timeout} ms, network {network} ms");
            check(&case, &run(&burst(5, server), policy), &[("executions", executions)]);
        }
    }
}

/// Work whose client is gone is dropped in no time when a worker would take it; what is in service goes on.
#[test]
fn expired_work_is_dropped() {
    let policy = RetryPolicy { timeout: Some(MS(150)), ..RetryPolicy::default() };
    let server = ServerConfig { drop_expired: true, ..one_worker() };
    let result = run(&burst(5, server.clone()), policy.clone());
    check("dropped", &result, &[("executions", 2.0), ("utilisation", 0.02), ("outcome_timeout", 4.0)]);
    // Dropped work was never served: it has no wait.
    check("dropped", &result, &[("waited", 0.5), ("wait_mean", 0.05)]);
    let late = ServerConfig { network: constant(200), ..server };
    // The server hears of it 350 ms after the beginning, and the work ends 300 ms after it.
    check("late", &run(&burst(1, late), policy), &[("executions", 1.0)]);
}

/// Who came last is served first.
#[test]
fn lifo() {
    let server = ServerConfig { discipline: Discipline::Lifo, ..one_worker() };
    let policy = RetryPolicy { timeout: Some(MS(250)), ..RetryPolicy::default() };
    let mut scenario = burst(1, server);
    scenario.world_mut().arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(MS(60)) };
    scenario.frame.duration = MS(240);
    // Arrivals at 0, 60, 120, 180. Served: 0 to 100; then 60 to 200; then 180 to 300; then 120 to 400, too late.
    let result = run(&scenario, policy);
    check("lifo", &result, &[("succeeded", 3.0), ("outcome_timeout", 1.0), ("latency_max", 0.14)]);
}

/// What a full queue answers.
#[test]
fn when_full() {
    for (when_full, name) in [(Outcome::Status(503), "outcome_503"), (Outcome::Refused, "outcome_connection")] {
        let server = ServerConfig { queue: Some(1), when_full, network: constant(5), ..one_worker() };
        let result = run(&burst(4, server), tries(1));
        check(name, &result, &[(name, 2.0), ("succeeded", 2.0), ("queue_max", 1.0), ("failure_latency_p99", 0.01)]);
    }
}

/// The limiter answers before anything in front of the application; its hint, or the status's, is honoured.
#[test]
fn rate_limit() {
    let limit = RateLimit { rate: 1.0, burst: 1.0, per: Per::Server, status: 429, retry_after: true, ban: None };
    let server = ServerConfig {
        rate_limit: Some(limit.clone()),
        fates: Fates { errors: vec![(500, 1.0)], ..Fates::default() },
        ..ServerConfig::named("s")
    };
    check("first", &run(&burst(3, server), tries(1)), &[("outcome_429", 2.0), ("outcome_500", 1.0)]);

    let polite = RetryPolicy { retry_after: RetryAfter::up_to(None), ..tries(3) };
    let limited = |limit| ServerConfig { rate_limit: Some(limit), ..ServerConfig::named("s") };
    let result = run(&burst(2, limited(limit.clone())), polite.clone());
    check("hint", &result, &[("succeeded", 2.0), ("retries", 1.0), ("latency_max", 1.0)]);
    let silent = RateLimit { retry_after: false, ..limit.clone() };
    let result = run(&burst(2, limited(silent.clone())), polite.clone());
    check("no hint", &result, &[("succeeded", 1.0), ("retries", 2.0)]);
    let by_status = ServerConfig { retry_after: vec![(429, constant(1_500))], ..limited(silent) };
    check("by status", &run(&burst(2, by_status), polite.clone()), &[("succeeded", 2.0), ("latency_max", 1.5)]);
    let bounded = RetryPolicy { retry_after: RetryAfter::up_to(Some(MS(400))), ..polite };
    let result = run(&burst(2, limited(limit.clone())), bounded);
    check("bounded", &result, &[("succeeded", 1.0), ("failure_latency_p99", 0.8)]);
    // Each client has its own bucket: four operations at two clients.
    let mut scenario = burst(4, limited(RateLimit { per: Per::Client, ..limit }));
    scenario.world_mut().clients = 2;
    check("per client", &run(&scenario, tries(1)), &[("succeeded", 2.0), ("outcome_429", 2.0)]);
}

/// Permanent errors and what may happen to an attempt besides.
#[test]
fn permanent_errors() {
    let declined =
        |fates: Fates| ServerConfig { fates: Fates { permanent_errors: vec![(402, 1.0)], ..fates }, ..one_worker() };
    let any = RetryPolicy { retry_on: OutcomeSet::new(vec![OutcomeClass::Any]), ..tries(2) };
    for (case, fates, expected) in [
        ("alone", Fates::default(), [("outcome_402", 2.0), ("executions", 0.0)]),
        ("hang", Fates { hangs: 1.0, ..Fates::default() }, [("outcome_timeout", 2.0), ("executions", 0.0)]),
        ("lost", Fates { lost_replies: 1.0, ..Fates::default() }, [("outcome_timeout", 2.0), ("executions", 0.0)]),
        ("reset", Fates { late_resets: 1.0, ..Fates::default() }, [("outcome_connection", 2.0), ("executions", 0.0)]),
        ("front", Fates { errors: vec![(500, 1.0)], ..Fates::default() }, [("outcome_500", 2.0), ("executions", 0.0)]),
        (
            "late",
            Fates { late_errors: vec![(500, 1.0)], ..Fates::default() },
            [("outcome_402", 2.0), ("executions", 0.0)],
        ),
    ] {
        check(case, &run(&burst(1, declined(fates)), any.clone()), &expected);
    }
}

/// What each fate does to worker, effect and reply.
#[test]
fn fates() {
    let none = Fates::default;
    for (case, fates, outcome, executions, busy) in [
        ("refused", Fates { refused: 1.0, ..none() }, "outcome_connection", 0.0, 0.0),
        ("resets", Fates { resets: 1.0, ..none() }, "outcome_connection", 0.0, 0.0),
        ("lost_requests", Fates { lost_requests: 1.0, ..none() }, "outcome_timeout", 0.0, 0.0),
        ("errors", Fates { errors: vec![(500, 1.0)], ..none() }, "outcome_500", 0.0, 0.0),
        ("failures", Fates { failures: vec![(500, 1.0)], ..none() }, "outcome_500", 0.0, 0.01),
        ("hangs", Fates { hangs: 1.0, ..none() }, "outcome_timeout", 0.0, 0.01),
        ("late_errors", Fates { late_errors: vec![(500, 1.0)], ..none() }, "outcome_500", 1.0, 0.01),
        ("lost_replies", Fates { lost_replies: 1.0, ..none() }, "outcome_timeout", 1.0, 0.01),
        ("late_resets", Fates { late_resets: 1.0, ..none() }, "outcome_connection", 1.0, 0.01),
    ] {
        let result = run(&burst(1, ServerConfig { fates, ..one_worker() }), tries(1));
        let arrived = if case == "lost_requests" { 0.0 } else { 0.1 };
        check(case, &result, &[(outcome, 1.0), ("executions", executions), ("utilisation", busy)]);
        check(case, &result, &[("phantom_successes", executions), ("load_mean", arrived)]);
    }
}

/// Two faults that add latency add it independently of each other.
#[test]
fn added_latencies_are_independent() {
    let spread = |name: &str| {
        let added_latency = Distribution::Uniform { min: Span::ZERO, max: MS(100) };
        Fault { added_latency, ..Fault::named(name, 0, SimTime::ZERO, at(1_000_000)) }
    };
    let mut scenario = burst(2_000, ServerConfig::named("s"));
    scenario.world_mut().faults = vec![spread("a"), spread("b")];
    let both = run(&scenario, RetryPolicy::default());
    // The sum of four uniform draws stays below 330 ms in 99 of 100 cases (Irwin and Hall); that of two draws, each twice, below 372 ms.
    let p99 = super::value(&both, "latency_p99").unwrap();
    assert!((0.320..0.340).contains(&p99), "{p99}");
    // What the second fault draws does not depend on whether the first one is there.
    let quiet = |from| Fault { added_latency: Distribution::ZERO, from, ..spread("a") };
    scenario.world_mut().faults[0] = quiet(SimTime::ZERO);
    let beside = run(&scenario, RetryPolicy::default());
    scenario.world_mut().faults[0] = quiet(at(999_999));
    assert_eq!(run(&scenario, RetryPolicy::default()).digest, beside.digest);
}

/// A request that takes no time is turned away at once, but its answer has a way of its own.
#[test]
fn the_way_back_of_an_answer_at_the_door() {
    let network = Distribution::Mixture(vec![(0.5, Distribution::ZERO), (0.5, constant(1_000))]);
    let fates = Fates { errors: vec![(503, 1.0)], ..Fates::default() };
    let policy = RetryPolicy { timeout: Some(MS(500)), ..RetryPolicy::default() };
    let result = run(&burst(2_000, ServerConfig { network, fates, ..ServerConfig::named("s") }), policy);
    // In time if both ways take none: 500 of 2,000, with a standard deviation of 19.
    let in_time = super::value(&result, "outcome_503").unwrap();
    assert!((424.0..=576.0).contains(&in_time), "{in_time}");
    check("later", &result, &[("outcome_timeout", 2_000.0 - in_time)]);
}

/// Without a deadline, a wait beyond the end of time leaves the operation open; it does not fail.
#[test]
fn a_wait_without_end() {
    let server = ServerConfig { fates: Fates { refused: 1.0, ..Fates::default() }, ..ServerConfig::named("s") };
    let policy = RetryPolicy { backoff: Backoff::fixed(Span::MAX), ..tries(2) };
    check("endless", &run(&burst(1, server), policy), &[("unresolved", 1.0), ("failed", 0.0), ("attempts", 1.0)]);
}

/// What a chart draws as the server's capacity is what the server has: 29% of 100 workers are 29.
#[test]
fn capacity_on_paper() {
    let server = ServerConfig { workers: Some(100), ..one_worker() };
    let mut scenario = burst(1, server);
    assert_eq!(scenario.world.capacity_at(at(0)), Some(1_000.0));
    scenario.world_mut().faults = vec![Fault { capacity: 0.29, slowdown: 2.0, ..fault(5, 10) }];
    assert_eq!(scenario.world.capacity_at(at(5)), Some(145.0));
    assert_eq!(scenario.world.capacity_at(at(10)), Some(1_000.0));
    scenario.world_mut().faults[0].slowdown = 0.0;
    assert_eq!(scenario.world.capacity_at(at(5)), None);
}

/// A breaker inside of the retries opens at the first attempt, and one around the call at the end of the first call.
#[test]
fn gates_around_the_call() {
    let down = ServerConfig { fates: Fates { errors: vec![(503, 1.0)], ..Fates::default() }, ..one_worker() };
    let scenario = Scenario::new(MS(2_000), Arrivals::Constant { rate: 1.0 }, down);
    let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(60), 1));
    let inside = GateConfig::new(rule, Scope::Client);
    let outside = GateConfig { around: Around::Call, ..inside.clone() };
    for (case, gate, attempts, cost, untried) in
        [("inside", inside, 1.0, 2.0, 1.0), ("outside", outside, 3.0, 1.0, 1.0)]
    {
        let result = try_run(&scenario, tries(3), &[gate]).expect("the run comes to its end");
        check(case, &result, &[("operations", 2.0), ("attempts", attempts), ("breaker_opened", 1.0)]);
        check(case, &result, &[("failed_by_breaker", cost), ("failed_without_attempt", untried)]);
    }
}

/// Tokens that come in with time pay for retries whatever happens to calls: one a second, of which the second operation of each second finds none.
#[test]
fn a_budget_refills() {
    let down = ServerConfig { fates: Fates { errors: vec![(503, 1.0)], ..Fates::default() }, ..one_worker() };
    let scenario =
        Scenario::new(MS(10_000), Arrivals::Constant { rate: 2.0 }, down).framed(|frame| frame.duration = MS(9_999));
    let refill = Some(Refill { tokens: Tokens::new(1.0), per: Span::secs(1) });
    let none = Tokens::new(0.0);
    for (refill, initial, retries) in [(None, 0.0, 0.0), (None, 3.0, 3.0), (refill, 0.0, 9.0), (refill, 3.0, 12.0)] {
        let config = TokenBudgetConfig {
            refill,
            initial: Tokens::new(initial),
            ..TokenBudgetConfig::new(Tokens::new(5.0), Tokens::new(1.0), none)
        };
        let budget = GateConfig::new(GateRule::TokenBudget(config), Scope::Fleet);
        let result = try_run(&scenario, tries(2), &[budget]).expect("the run comes to its end");
        let case = format!("{refill:?}, {initial} at first");
        check(&case, &result, &[("operations", 20.0), ("retries", retries), ("budget_refused", 20.0 - retries)]);
    }
}

/// A probe that is never answered holds a breaker half-open for ever, or for so long at most.
#[test]
fn half_open_has_an_end() {
    let fates = |from, until, fates| Fault { fates, ..fault(from, until) };
    let arrivals = Arrivals::Constant { rate: 1.0 };
    let mut scenario = Scenario::new(MS(20_000), arrivals, ServerConfig::named("s"));
    // An error at 0 s, a probe at 2 s whose request is lost, and all is well from 3 s on.
    scenario.world_mut().faults = vec![
        fates(0, 500, Fates { errors: vec![(503, 1.0)], ..Fates::default() }),
        Fault { name: "g".into(), ..fates(1_500, 2_500, Fates { lost_requests: 1.0, ..Fates::default() }) },
    ];
    // With a limit of 3 s it is open from 5 to 7 s: the one at 7 s is a probe that closes it.
    for (limit, succeeded, opened) in [(None, 0.0, 1.0), (Some(MS(3_000)), 13.0, 2.0)] {
        let rules = CircuitRules { half_open_for: limit, ..CircuitRules::default() };
        let row = ConsecutiveBreakerConfig { rules: rules.clone(), ..ConsecutiveBreakerConfig::new(1, MS(2_000), 1) };
        let rate = RateBreakerConfig { rules, ..RateBreakerConfig::new(1.0, RateWindow::Calls(1), 1, MS(2_000), 1) };
        for rule in [GateRule::ConsecutiveBreaker(row), GateRule::RateBreaker(rate)] {
            let gate = GateConfig::new(rule, Scope::Fleet);
            let result = try_run(&scenario, RetryPolicy::default(), &[gate]).expect("the run comes to its end");
            check(&format!("{limit:?}"), &result, &[("succeeded", succeeded), ("breaker_opened", opened)]);
        }
    }
}

/// The order of faults in a scenario changes nothing: what they draw, and what of them comes first, belongs to their names.
#[test]
fn faults_stand_in_any_order() {
    let flapping = |name: &str, on| Fault {
        name: name.into(),
        fates: Fates { errors: vec![(503, 0.3)], ..Fates::default() },
        flapping: Some(Flapping { mean_on: MS(on), mean_off: MS(700) }),
        ..fault(0, 9_000)
    };
    let refused = Fault { name: "a".into(), fates: Fates { refused: 0.4, ..Fates::default() }, ..fault(2_000, 6_000) };
    let spread = Distribution::Exponential { mean: MS(30) };
    let late = Fault { name: "m".into(), added_latency: spread.clone(), ..fault(0, 9_000) };
    let later = Fault { name: "b".into(), added_latency: spread, freeze: true, ..fault(6_000, 6_500) };
    let arrivals = Arrivals::Poisson { rate: 50.0 };
    let mut scenario = Scenario::new(MS(10_000), arrivals, ServerConfig { queue: Some(9), ..one_worker() });
    scenario.world_mut().faults = vec![flapping("x", 400), flapping("c", 400), refused, late, later];
    let expected = run(&scenario, tries(3)).digest;
    for turn in 1..5 {
        scenario.world_mut().faults.rotate_left(1);
        assert_eq!(run(&scenario, tries(3)).digest, expected, "turned {turn} times");
        let mut reversed = scenario.clone();
        reversed.world_mut().faults.reverse();
        assert_eq!(run(&reversed, tries(3)).digest, expected, "turned {turn} times and reversed");
    }
    // Another name draws anew.
    scenario.world_mut().faults[0].name = "z".into();
    assert_ne!(run(&scenario, tries(3)).digest, expected);
}
