//! Replicas behind one name: what each has of its own, what all have in common, and what a client knows of each.

use simlab::endpoint::{Balance, EjectionConfig, EndpointRules, RetryHost};
use simlab::flow::{OnFailure, Step};
use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::{GateConfig, GateRule, OnRefusal, Scope};
use simlab::protocol::Method;
use simlab::retry::KeyMode;
use simlab::scenario::call::CallConfig;
use simlab::scenario::{CacheConfig, Fates, Idempotency, LockConfig, Per, RateLimit, StoreScope};

use super::*;

/// So many replicas in turn, which need `service` ms each.
fn in_turn(replicas: u32, service: u64) -> ServerConfig {
    let balance = Balance::RoundRobin;
    ServerConfig { replicas, balance, service_time: constant(service), ..ServerConfig::named("api") }
}

/// A client that does this about replicas.
fn run_with(scenario: &Scenario, policy: RetryPolicy, endpoints: EndpointRules) -> RunResult {
    let mut scenario = scenario.clone().with_policy("p", policy, &[]);
    scenario.policies[0].rules_mut().endpoints = endpoints;
    run_first(&scenario)
}

fn refusing(replica: u32) -> Fault {
    Fault {
        replica: Some(replica),
        fates: Fates { refused: 1.0, ..Fates::default() },
        ..Fault::named("dead", 0, SimTime::ZERO, SimTime::NEVER)
    }
}

/// Workers and queues are each replica's own.
#[test]
fn each_has_workers_and_a_queue() {
    let server = ServerConfig { workers: Some(1), queue: Some(1), ..in_turn(2, 1_000) };
    // Four find two workers and two places, and a fifth finds none; in one server with two workers and one place a fourth would find none.
    let result = run(&burst(5, server.clone()), RetryPolicy::default());
    check("two", &result, &[("succeeded", 4.0), ("outcome_503", 1.0), ("queue_max", 1.0), ("latency_max", 2.0)]);
    check("two", &result, &[("attempts.server.api.1", 3.0), ("attempts.server.api.2", 2.0)]);
    // Two seconds of ten, at both.
    check(
        "two",
        &result,
        &[("utilisation", 0.2), ("utilisation.server.api.1", 0.2), ("utilisation.server.api.2", 0.2)],
    );
    // The second stands still: what it got waits for the end of that, and the first is not held up.
    let frozen = burst(4, server).in_world(|world| {
        let until = SimTime::ZERO + Span::secs(5);
        world.faults = vec![Fault { replica: Some(1), freeze: true, ..Fault::named("f", 0, SimTime::ZERO, until) }];
    });
    let result = run(&frozen, RetryPolicy::default());
    check("frozen", &result, &[("succeeded", 3.0), ("latency_p50", 2.0), ("latency_max", 6.0), ("outcome_503", 1.0)]);
}

/// A rate limit is that of the server, unless each replica has one.
#[test]
fn a_limit_is_of_all_or_of_each() {
    let limit = |per| RateLimit { rate: 1.0, burst: 2.0, per, status: 429, retry_after: false, ban: None };
    for (per, passed) in [(Per::Server, 2.0), (Per::Replica, 6.0), (Per::Client, 2.0)] {
        let server = ServerConfig { rate_limit: Some(limit(per)), ..in_turn(3, 0) };
        let result = run(&burst(8, server), RetryPolicy::default());
        check(&format!("{per:?}"), &result, &[("succeeded", passed), ("outcome_429", 8.0 - passed)]);
    }
}

/// A crash empties what its replica counted; what all have in common only the crash of all.
#[test]
fn a_crash_forgets_what_nobody_else_knows() {
    let limit = |per| RateLimit { rate: 0.001, burst: 2.0, per, status: 429, retry_after: false, ban: None };
    let crash = |replica| {
        let at = |seconds| SimTime::ZERO + Span::secs(seconds);
        Fault { replica, crash: true, ..Fault::named("crash", 0, at(1), at(2)) }
    };
    for (per, replica, passed) in
        [(Per::Server, Some(0), 2.0), (Per::Server, None, 4.0), (Per::Replica, Some(0), 6.0), (Per::Replica, None, 8.0)]
    {
        let server = ServerConfig { rate_limit: Some(limit(per)), ..in_turn(2, 0) };
        // Six at first, and six more when the crash is over.
        let scenario = burst(6, server).in_world(|world| {
            world.arrivals = Arrivals::Burst { operations: 6, at: Span::ZERO, every: Some(Span::secs(6)) };
            world.faults = vec![crash(replica)];
        });
        check(&format!("{per:?} {replica:?}"), &run(&scenario, RetryPolicy::default()), &[("succeeded", passed)]);
    }
}

/// A key is known to all, unless each replica has a store.
#[test]
fn a_key_is_known_to_all_or_to_one() {
    for (scope, executions) in [(StoreScope::Server, 1.0), (StoreScope::Replica, 2.0)] {
        let retention = Span::secs(100);
        let lock = Idempotency::Lock(LockConfig { retention, lock_ttl: None, scope, ..LockConfig::default() });
        let mut server = ServerConfig { idempotency: lock, ..in_turn(2, 100) };
        server.fates = Fates { late_errors: vec![(500, 1.0)], ..Fates::default() };
        let policy = RetryPolicy { key: KeyMode::PerOperation, ..tries(2) };
        // Errors are not stored, but those that have made their effect are done again.
        let result = run(&burst(1, server.clone()), policy.clone());
        check("late errors", &result, &[("executions", 2.0)]);
        server.fates = Fates { lost_replies: 1.0, ..Fates::default() };
        let result = run(&burst(1, server), policy);
        check(&format!("{scope:?}"), &result, &[("executions", executions), ("duplicates", executions - 1.0)]);
    }
}

/// A breaker for each replica lets the others pass; one for the client stands in the way of all.
#[test]
fn a_breaker_of_one_replica() {
    let breaker = |scope| {
        let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(60), 1));
        GateConfig { on_refusal: OnRefusal::Fail, ..GateConfig::new(rule, scope) }
    };
    for (scope, succeeded, refused) in [(Scope::Client, 1.0, 6.0), (Scope::Replica, 4.0, 3.0)] {
        // In turn: the second, the fourth and so on go to the dead one, which says so once.
        let scenario = burst(8, in_turn(2, 0)).in_world(|world| world.faults = vec![refusing(1)]);
        let result = try_run(&scenario, RetryPolicy::default(), &[breaker(scope)]).expect("it comes to its end");
        let expected = [("succeeded", succeeded), ("breaker_refused", refused), ("breaker_opened", 1.0)];
        check(&format!("{scope:?}"), &result, &expected);
    }
}

/// An endpoint that is ejected gets nothing, comes back, and is out twice as long the next time.
#[test]
fn an_ejected_replica_is_left_out() {
    let scenario = burst(1, in_turn(2, 0)).in_world(|world| {
        // Every second, for 20 s.
        world.arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(Span::secs(1)) };
        world.faults = vec![refusing(0)];
    });
    let scenario = scenario.framed(|frame| frame.duration = Span::secs(20));
    let failed = |ejection| {
        let rules = EndpointRules { ejection, ..EndpointRules::default() };
        value(&run_with(&scenario, RetryPolicy::default(), rules), "failed")
    };
    assert_eq!(failed(None), Some(10.0), "every other one");
    // It fails at 0 s and is out for 2.5 s; in turn it is asked at 4 s, and out for 5 s; at 10 s, for 7.5 s; and at 18 s.
    let ejection = EjectionConfig { failures: 1, time: MS(2_500), ..EjectionConfig::default() };
    assert_eq!(failed(Some(ejection)), Some(4.0));
}

/// Retries go elsewhere, as long as there is an elsewhere.
#[test]
fn retries_go_to_another_host() {
    let sent = |retry_host, attempts| {
        let server = ServerConfig { balance: Balance::LeastInFlight, ..in_turn(3, 0) };
        let fates = Fates { errors: vec![(500, 1.0)], ..Fates::default() };
        let scenario = burst(1, ServerConfig { fates, ..server });
        let result = run_with(&scenario, tries(attempts), EndpointRules { retry_host, ejection: None });
        [1, 2, 3].map(|replica| value(&result, &format!("attempts.server.api.{replica}")).expect("it is measured"))
    };
    // Nothing is in flight anywhere: the first of all, or of those that are new.
    assert_eq!(sent(RetryHost::Any, 3), [3.0, 0.0, 0.0]);
    assert_eq!(sent(RetryHost::Other, 2), [1.0, 1.0, 0.0]);
    assert_eq!(sent(RetryHost::Other, 5), [3.0, 1.0, 1.0]);
}

/// What a replica's own store knew of an operation is forgotten with it, wherever that was.
#[test]
fn a_store_of_its_own_forgets() {
    let scope = StoreScope::Replica;
    let cache = Idempotency::Cache(CacheConfig { retention: Span::secs(100), scope, ..CacheConfig::default() });
    let server = ServerConfig { idempotency: cache, ..in_turn(2, 0) };
    let scenario = burst(1, server).in_world(|world| {
        world.arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(Span::secs(1)) };
    });
    let policy = RetryPolicy { key: KeyMode::PerOperation, ..RetryPolicy::default() };
    check(
        "ten",
        &run(&scenario, policy),
        &[("operations", 10.0), ("executions", 10.0), ("attempts.server.api.2", 5.0)],
    );
}

/// The breakers of steps that go to different servers are different ones, also where the steps follow the same rules.
#[test]
fn breakers_of_two_servers() {
    let scenario = burst(6, in_turn(2, 0)).in_world(|world| {
        world.servers.push(ServerConfig { name: "db".to_owned(), ..in_turn(2, 0) });
        let step = |name: &str, server| CallConfig {
            step: Step { on_failure: OnFailure::GoOn, ..Step::default() },
            ..CallConfig::to(name, server, Method::Post)
        };
        world.operation.steps = vec![step("one", 0), step("two", 1)];
        world.faults = vec![Fault { replica: None, ..refusing(0) }];
    });
    let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(60), 1));
    let gates = [GateConfig::new(rule, Scope::Replica)];
    let result = try_run(&scenario, RetryPolicy::default(), &gates).expect("it comes to its end");
    check("two", &result, &[("succeeded.step.one", 0.0), ("succeeded.step.two", 6.0), ("breaker_opened", 2.0)]);
    check("two", &result, &[("attempts.server.api", 2.0), ("breaker_refused", 4.0)]);
}
