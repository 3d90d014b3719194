//! Servers that call others: who waits for whom, what a client that has gone leaves behind, and what is answered when a call below fails.

use std::sync::Arc;

use simlab::endpoint::Balance;
use simlab::flow::{OnFailure, Step};
use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::{GateRule, Scope};
use simlab::protocol::Method;
use simlab::scenario::call::{Answer, AnswerMap, CallConfig, ClientRules, FailedBy};
use simlab::scenario::{AbandonedWork, CacheConfig, Fates, Idempotency, Per, RateLimit};

use super::*;

/// Needs so long, and is so far away.
fn server(name: &str, service: u64, network: u64) -> ServerConfig {
    ServerConfig { service_time: constant(service), network: constant(network), ..ServerConfig::named(name) }
}

fn calls(server: usize, policy: RetryPolicy) -> CallConfig {
    let rules = ClientRules { policy: Arc::new(policy), ..ClientRules::default() };
    CallConfig { rules: Some(rules), ..CallConfig::to("db", server, Method::Post) }
}

/// `api` needs 100 ms and calls `db`, which needs 200 ms; both are 10 ms away.
fn two_tiers(operations: u64, call: CallConfig) -> Scenario {
    let api = ServerConfig { calls: vec![call], ..server("api", 100, 10) };
    burst(operations, api).in_world(|world| world.servers.push(server("db", 200, 10)))
}

fn once() -> RetryPolicy {
    RetryPolicy::default()
}

#[test]
fn a_worker_waits_for_its_calls() {
    let result = run(&two_tiers(1, calls(1, once())), once());
    check("one", &result, &[("succeeded", 1.0), ("latency_max", 0.34), ("attempts", 2.0), ("load_mean", 0.2)]);
    check("one", &result, &[("attempts.server.api", 1.0), ("attempts.server.db", 1.0), ("load_mean.server.db", 0.1)]);
    // The first server passes on, and changes nothing itself.
    check("one", &result, &[("executions", 2.0), ("effects", 1.0), ("duplicates", 0.0), ("effects.server.db", 1.0)]);
    // One worker, held for 320 ms.
    let narrow = two_tiers(2, calls(1, once())).in_world(|world| world.servers[0].workers = Some(1));
    let result = run(&narrow, once());
    check("two", &result, &[("latency_max", 0.66), ("utilisation", 0.064), ("queue_max.server.api", 1.0)]);
    check("two", &result, &[("queue_max.server.db", 0.0), ("wait_mean", 0.08), ("attempts_per_call", 1.0)]);
}

#[test]
fn retries_below_are_not_those_above() {
    let failing = |policy: RetryPolicy, above: RetryPolicy| {
        let world = two_tiers(1, calls(1, policy)).in_world(|world| {
            world.servers[1].fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
        });
        run(&world, above)
    };
    let result = failing(tries(3), once());
    check("below", &result, &[("attempts", 4.0), ("attempts.server.db", 3.0), ("outcome_502", 1.0), ("effects", 0.0)]);
    check("below", &result, &[("outcome_500", 3.0), ("retries", 2.0), ("attempts_per_call", 2.0)]);
    // 10 + 100 + 3 · 220 + 10
    check("below", &result, &[("failure_latency_p50", 0.78), ("attempts_per_operation.server.db", 3.0)]);
    let result = failing(tries(3), RetryPolicy { timeout: None, ..tries(2) });
    check("both", &result, &[("attempts", 8.0), ("retries", 5.0), ("attempts.server.db", 6.0), ("outcome_502", 2.0)]);
}

/// Retries above repeat what was done below.
#[test]
fn effects_are_counted_at_each_place() {
    let lost = two_tiers(1, calls(1, once())).in_world(|world| {
        world.servers[0].fates = Fates { late_errors: vec![(500, 1.0)], ..Fates::default() };
    });
    let result = run(&lost, tries(2));
    check("late", &result, &[("executions.server.db", 2.0), ("duplicates", 1.0), ("duplicates.server.db", 1.0)]);
    check("late", &result, &[("duplicated_operations", 1.0), ("phantom_successes", 1.0), ("effects.server.api", 0.0)]);
    // Work that fails by itself makes no call.
    for fates in [
        Fates { failures: vec![(500, 1.0)], ..Fates::default() },
        Fates { permanent_errors: vec![(402, 1.0)], ..Fates::default() },
        Fates { hangs: 1.0, ..Fates::default() },
    ] {
        let fails = two_tiers(1, calls(1, once())).in_world(|world| world.servers[0].fates = fates.clone());
        check("fails", &run(&fails, tries(1)), &[("attempts.server.db", 0.0), ("executions", 0.0)]);
    }
    // And a reply that is lost, after its call.
    let silent = two_tiers(1, calls(1, once()))
        .in_world(|world| world.servers[0].fates = Fates { lost_replies: 1.0, ..Fates::default() });
    check("lost", &run(&silent, tries(1)), &[("executions.server.db", 1.0), ("outcome_timeout", 1.0)]);
    let broken = two_tiers(1, calls(1, once()))
        .in_world(|world| world.servers[0].fates = Fates { late_resets: 1.0, ..Fates::default() });
    check("broken", &run(&broken, tries(1)), &[("executions.server.db", 1.0), ("outcome_connection", 1.0)]);
}

#[test]
fn what_a_tier_answers() {
    let answer = |call: CallConfig, change: &dyn Fn(&mut ServerConfig)| {
        let world = two_tiers(1, call).in_world(|world| change(&mut world.servers[1]));
        run(&world, once())
    };
    let failing =
        |status: u16| move |db: &mut ServerConfig| db.fates = Fates { errors: vec![(status, 1.0)], ..Fates::default() };
    // What is passed on ends two attempts so.
    for (status, answered, attempts) in
        [(500, "outcome_502", 1.0), (404, "outcome_502", 1.0), (503, "outcome_503", 2.0), (429, "outcome_429", 2.0)]
    {
        check("status", &answer(calls(1, once()), &failing(status)), &[(answered, attempts)]);
    }
    let refused = |db: &mut ServerConfig| db.fates = Fates { refused: 1.0, ..Fates::default() };
    check("refused", &answer(calls(1, once()), &refused), &[("outcome_502", 1.0)]);
    let lost = |db: &mut ServerConfig| db.fates = Fates { lost_requests: 1.0, ..Fates::default() };
    check("time-out", &answer(calls(1, tries(1)), &lost), &[("outcome_504", 1.0)]);
    let own = AnswerMap(vec![(FailedBy::Outcome(simlab::retry::OutcomeClass::Status(500)), Answer::Status(599))]);
    let mapped = CallConfig { map: own, ..calls(1, once()) };
    check("mapped", &answer(mapped, &failing(500)), &[("outcome_599", 1.0)]);
}

/// A limit below says when to come back, and who asked above hears it.
#[test]
fn hints_are_passed_on() {
    let limit = RateLimit { rate: 0.5, burst: 1.0, per: Per::Server, status: 429, retry_after: true, ban: None };
    let world = two_tiers(2, calls(1, once())).in_world(|world| world.servers[1].rate_limit = Some(limit));
    let patient = RetryPolicy {
        attempts: Some(2),
        retry_after: simlab::retry::RetryAfter::up_to(None),
        ..RetryPolicy::default()
    };
    let result = run(&world, patient);
    // The second is told at 140 ms to come back in 2 s, when the limit has its token, and takes 340 ms then.
    check("hint", &result, &[("succeeded", 2.0), ("outcome_429", 2.0), ("latency_max", 2.48)]);
}

#[test]
fn deadlines_are_passed_down_less_the_way() {
    let slow = |propagate| {
        let call = CallConfig { propagate, ..calls(1, once()) };
        two_tiers(1, call).in_world(|world| world.servers[1].service_time = constant(5_000))
    };
    let hurried = RetryPolicy { timeout: Some(MS(300)), ..once() };
    // The call below ends at 290 ms, and the answer is there at 300 ms, in time.
    let result = run(&slow(true), hurried.clone());
    check("propagated", &result, &[("outcome_504", 1.0), ("utilisation", f64::NAN), ("executions", 1.0)][..1]);
    check("not", &run(&slow(false), hurried.clone()), &[("outcome_timeout", 1.0)]);
    // No retry is begun that would end later.
    let again = RetryPolicy { attempts: None, backoff: Backoff::fixed(MS(50)), ..once() };
    let failing = |propagate| {
        let call = CallConfig { propagate, ..calls(1, again.clone()) };
        two_tiers(1, call).in_world(|world| {
            world.servers[1].fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
            world.servers[1].service_time = constant(10);
        })
    };
    // Sent at 110 ms, 190 ms and 270 ms; the last one is given up at 290 ms.
    check("retries", &run(&failing(true), hurried), &[("attempts.server.db", 3.0), ("outcome_504", 1.0)]);
    // What would arrive too late is not sent at all.
    let late = RetryPolicy { timeout: Some(MS(115)), ..once() };
    check("no time", &run(&slow(true), late), &[("attempts.server.db", 0.0), ("outcome_timeout", 1.0)]);
}

#[test]
fn who_has_gone_is_not_worked_for_below() {
    let world = |cancel| {
        let call = CallConfig { cancel, ..calls(1, tries(5)) };
        two_tiers(1, call).in_world(|world| {
            world.servers[0].abandoned_work = AbandonedWork::Cancel;
            world.servers[0].workers = Some(1);
            world.servers[1].abandoned_work = AbandonedWork::Cancel;
            world.servers[1].workers = Some(1);
            world.servers[1].service_time = constant(900);
        })
    };
    let hurried = RetryPolicy { timeout: Some(MS(300)), ..once() };
    // Heard at 310 ms, and one server further at 320 ms: each has worked from when it began.
    let result = run(&world(true), hurried.clone());
    check("told", &result, &[("executions", 0.0), ("utilisation.server.api", 0.03), ("utilisation.server.db", 0.02)]);
    check("told", &result, &[("attempts.server.db", 1.0), ("outcome_timeout", 1.0), ("phantom_successes", 0.0)]);
    let result = run(&world(false), hurried);
    check("not told", &result, &[("executions", 1.0), ("utilisation.server.db", 0.09), ("attempts.server.db", 1.0)]);
    check("not told", &result, &[("phantom_successes", 1.0), ("effects.server.db", 1.0)]);
}

#[test]
fn crashes_above_and_below() {
    let with = |server, from, until| {
        two_tiers(1, calls(1, once())).in_world(|world| {
            let crash = Fault { crash: true, server, ..fault(from, until) };
            world.faults.push(crash);
        })
    };
    let below = run(&with(1, 200, 1_000), once());
    check("below", &below, &[("outcome_502", 1.0), ("executions", 0.0), ("failure_latency_p50", 0.22)]);
    // The first server forgets that it waits; what it asked for is done all the same.
    let above = run(&with(0, 200, 1_000), once());
    check("above", &above, &[("outcome_connection", 1.0), ("executions", 1.0), ("phantom_successes", 1.0)]);
    check("above", &above, &[("executions.server.api", 0.0), ("failure_latency_p50", 0.21)]);
}

/// Workers that stand still take no notice of what comes back.
#[test]
fn a_freeze_outlasts_what_comes_back() {
    let frozen = |from, until| {
        let world = two_tiers(1, calls(1, once()))
            .in_world(|world| world.faults.push(Fault { freeze: true, ..fault(from, until) }));
        run(&world, once())
    };
    // The answer from below is there at 330 ms.
    check("over it", &frozen(200, 500), &[("latency_max", 0.51), ("succeeded", 1.0)]);
    check("before it", &frozen(200, 300), &[("latency_max", 0.34)]);
    // Its own work stands still.
    check("own work", &frozen(50, 150), &[("latency_max", 0.44)]);
}

/// One key is that of an operation and a place: the store below knows it whoever asks again.
#[test]
fn keys_are_passed_down() {
    let world = |key| {
        let policy = RetryPolicy { key, ..once() };
        two_tiers(1, calls(1, policy)).in_world(|world| {
            world.servers[0].fates = Fates { late_errors: vec![(500, 1.0)], ..Fates::default() };
            world.servers[1].idempotency =
                Idempotency::Cache(CacheConfig { retention: MS(60_000), ..CacheConfig::default() });
        })
    };
    use simlab::retry::KeyMode;
    let result = run(&world(KeyMode::PerOperation), tries(3));
    check("key", &result, &[("attempts.server.db", 3.0), ("executions.server.db", 1.0), ("duplicates", 0.0)]);
    let result = run(&world(KeyMode::None), tries(3));
    check("no key", &result, &[("attempts.server.db", 3.0), ("executions.server.db", 3.0), ("duplicates", 2.0)]);
}

/// Calls of one server are made one after the other, each at its own server and by its own rules.
#[test]
fn several_calls_of_one_server() {
    let cache = CallConfig {
        step: Step { on_failure: OnFailure::GoOn, ..Step::default() },
        ..CallConfig::to("cache", 2, Method::Get)
    };
    let api = ServerConfig { calls: vec![cache, calls(1, tries(2))], ..server("api", 100, 10) };
    let scenario = burst(1, api).in_world(|world| {
        world.servers.push(server("db", 200, 10));
        world.servers.push(ServerConfig {
            fates: Fates { failures: vec![(404, 1.0)], ..Fates::default() },
            ..server("last", 50, 10)
        });
    });
    let result = run(&scenario, once());
    // 10 + 100 + (10 + 50 + 10) + (10 + 200 + 10) + 10
    check("both", &result, &[("succeeded", 1.0), ("latency_max", 0.41), ("attempts.server.last", 1.0)]);
    check("both", &result, &[("attempts.server.db", 1.0), ("effects", 1.0), ("attempts", 3.0)]);
}

/// A call that a gate refuses is answered as one of which nothing was sent.
#[test]
fn a_refusal_below_is_an_answer_above() {
    let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(60), 1));
    for (map, expected) in
        [(AnswerMap::default(), "outcome_503"), (AnswerMap(vec![(FailedBy::Gate, Answer::Status(429))]), "outcome_429")]
    {
        let rules = ClientRules { gates: vec![GateConfig::new(rule.clone(), Scope::Client)], ..ClientRules::default() };
        let call = CallConfig { rules: Some(rules), map, ..CallConfig::to("db", 1, Method::Post) };
        let scenario = two_tiers(1, call).in_world(|world| {
            world.arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(Span::secs(1)) };
            world.servers[1].fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
        });
        // The first fails below, and the breaker lets no other go there.
        let result = run(&scenario, once());
        check(expected, &result, &[("outcome_502", 1.0), (expected, 9.0), ("attempts.server.db", 1.0)]);
    }
}

/// Of a server with replicas each has gates of its own for its calls: what one has learnt the other does not know.
#[test]
fn each_replica_has_gates_for_its_calls() {
    let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(60), 1));
    for (replicas, reached) in [(1, 1.0), (3, 3.0)] {
        let rules = ClientRules { gates: vec![GateConfig::new(rule.clone(), Scope::Client)], ..ClientRules::default() };
        let call = CallConfig { rules: Some(rules), ..CallConfig::to("db", 1, Method::Post) };
        let scenario = two_tiers(1, call).in_world(|world| {
            world.arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(Span::secs(1)) };
            (world.servers[0].replicas, world.servers[0].balance) = (replicas, Balance::RoundRobin);
            world.servers[1].fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
        });
        let expected = [("attempts.server.db", reached), ("outcome_503", 10.0 - reached), ("breaker_opened", reached)];
        check(&format!("{replicas}"), &run(&scenario, once()), &expected);
    }
}
