//! What comes again and what is about one thing: who has whose key, and how many effects are too many.

use simlab::flow::OnFailure;
use simlab::protocol::Method;
use simlab::retry::{Clock, KeyMode, Made, OutcomeClass, OutcomeSet};
use simlab::scenario::call::CallConfig;
use simlab::scenario::{CacheConfig, Contend, Idempotency, LockConfig, Repeat, Same, Scripted, Stores};

use super::*;

const LOCKED: fn() -> Idempotency = || Idempotency::Lock(LockConfig::default());

/// Workers that need 100 ms, and a store.
fn workers(idempotency: Idempotency) -> ServerConfig {
    ServerConfig { service_time: constant(100), idempotency, ..ServerConfig::named("s") }
}

/// One operation, and the same again.
fn twice(same: Same, after: u64, idempotency: Idempotency) -> Scenario {
    burst(1, workers(idempotency)).in_world(|world| {
        world.repeat = Some(Repeat { share: 1.0, after: constant(after), times: 1, same });
        world.operation.wanted = Some(1);
    })
}

fn with_key(key: KeyMode) -> RetryPolicy {
    RetryPolicy { key, ..tries(1) }
}

const fn clock(ms: u64, made: Made) -> KeyMode {
    KeyMode::Clock(Clock { resolution: Span::millis(ms), made })
}

/// A double click after 10 ms, while the first is at work, and after 200 ms, when it is done.
#[test]
fn who_has_whose_key() {
    use KeyMode::{None, PerAction, PerAttempt, PerCall, PerOperation, PerThing};
    for (key, of_action, of_thing) in [
        (None, 2.0, 2.0),
        (PerAttempt, 2.0, 2.0),
        (PerCall, 2.0, 2.0),
        (PerOperation, 2.0, 2.0),
        (PerAction, 1.0, 2.0),
        (PerThing, 1.0, 1.0),
        (clock(1_000, Made::Operation), 1.0, 1.0),
        (clock(1_000, Made::Attempt), 1.0, 1.0),
        (clock(1, Made::Operation), 2.0, 2.0),
        (clock(1, Made::Attempt), 2.0, 2.0),
    ] {
        for (same, executions) in [(Same::Key, of_action), (Same::Thing, of_thing)] {
            let case = format!("{key:?}, {same:?}");
            let at_work = run(&twice(same, 10, LOCKED()), with_key(key));
            let refused = 2.0 - executions;
            check(&case, &at_work, &[("operations", 2.0), ("executions", executions), ("outcome_409", refused)]);
            check(&case, &at_work, &[("duplicates", executions - 1.0), ("succeeded", executions)]);
            let done = run(&twice(same, 200, LOCKED()), with_key(key));
            check(&case, &done, &[("succeeded", 2.0), ("executions", executions), ("duplicates", executions - 1.0)]);
        }
    }
}

/// A cache is not atomic: the second click does not see the first one's work.
#[test]
fn a_cache_is_not_atomic() {
    for (after, duplicates) in [(10, 1.0), (200, 0.0)] {
        let cache = Idempotency::Cache(CacheConfig::default());
        let result = run(&twice(Same::Key, after, cache), with_key(KeyMode::PerAction));
        check(&format!("after {after} ms"), &result, &[("duplicates", duplicates), ("succeeded", 2.0)]);
    }
}

/// What is wanted is not too much, and a PUT is done however often it is done.
#[test]
fn what_is_wanted() {
    let result = |wanted, method| {
        let scenario = twice(Same::Thing, 10, Idempotency::None).in_world(|world| {
            world.operation.wanted = wanted;
            world.operation.method = method;
        });
        run(&scenario, tries(1))
    };
    for (wanted, method, effects, duplicates) in [
        (None, Method::Post, 2.0, 0.0),
        (Some(1), Method::Post, 2.0, 1.0),
        (Some(2), Method::Post, 2.0, 0.0),
        (Some(1), Method::Put, 1.0, 0.0),
        (Some(1), Method::Get, 0.0, 0.0),
    ] {
        let case = format!("{wanted:?} {method:?}");
        check(&case, &result(wanted, method), &[("executions", 2.0), ("effects", effects), ("duplicates", duplicates)]);
    }
}

/// A hundred at once about one thing: one is done, or all are.
#[test]
fn a_hundred_at_once() {
    for (key, executions) in [(KeyMode::None, 100.0), (KeyMode::PerOperation, 100.0), (KeyMode::PerThing, 1.0)] {
        let scenario = burst(100, workers(LOCKED())).in_world(|world| {
            world.contend = Some(Contend { things: 1, zipf: 0.0 });
            world.operation.wanted = Some(1);
        });
        let result = run(&scenario, with_key(key));
        let case = format!("{key:?}");
        check(&case, &result, &[("executions", executions), ("outcome_409", 100.0 - executions)]);
        check(&case, &result, &[("duplicates", executions - 1.0), ("duplicated_operations", executions - 1.0)]);
    }
}

/// Things are drawn: of a thousand operations about four things, four are done.
#[test]
fn things_are_drawn() {
    let scenario = burst(1_000, workers(LOCKED())).in_world(|world| {
        world.contend = Some(Contend { things: 4, zipf: 1.0 });
        world.operation.wanted = Some(1);
    });
    check("four", &run(&scenario, with_key(KeyMode::PerThing)), &[("executions", 4.0), ("duplicates", 0.0)]);
    check("none", &run(&scenario, with_key(KeyMode::None)), &[("executions", 1_000.0), ("duplicates", 996.0)]);
}

/// Repeats come as often as said, each after the one before, and not when the demand is over.
#[test]
fn repeats() {
    for (times, after, operations) in [(1, 100, 2.0), (3, 100, 4.0), (3, 4_000, 3.0), (1, 10_000, 1.0)] {
        let scenario = burst(1, workers(Idempotency::None)).in_world(|world| {
            world.repeat = Some(Repeat { share: 1.0, after: constant(after), times, same: Same::Key })
        });
        check(&format!("{times} × {after} ms"), &run(&scenario, tries(1)), &[("operations", operations)]);
    }
    let scenario = burst(10_000, workers(Idempotency::None)).in_world(|world| {
        world.repeat = Some(Repeat { share: 0.25, after: constant(100), times: 2, same: Same::Key });
    });
    let operations = value(&run(&scenario, tries(1)), "operations").expect("a number");
    assert!((operations - 15_000.0).abs() < 4.0 * 2.0 * 43.3, "a quarter is done twice more: {operations}");
}

/// Who starts over makes another key, or has the same.
#[test]
fn starting_over() {
    for (key, executions) in [(KeyMode::PerOperation, 1.0), (KeyMode::PerCall, 2.0), (KeyMode::PerThing, 1.0)] {
        let server =
            |name: &str, script| ServerConfig { script, ..ServerConfig { name: name.to_owned(), ..workers(LOCKED()) } };
        // The second step fails at first, and is then done anew with the first.
        let scenario = burst(1, server("api", Vec::new())).in_world(|world| {
            world.servers.push(server("db", vec![Scripted::Status(500)]));
            let on = Box::new(OutcomeSet::new(vec![OutcomeClass::Any]));
            let steps = ["one", "two"].into_iter().zip(0..).map(|(name, at)| CallConfig::to(name, at, Method::Post));
            world.operation.steps = steps.collect();
            world.operation.steps[1].step.on_failure = OnFailure::StartOver { on, times: 1 };
        });
        let result = run(&scenario, with_key(key));
        check(&format!("{key:?}"), &result, &[("executions.server.api", executions), ("attempts.server.api", 2.0)]);
    }
}

/// A proxy that drops keys makes requests that have none.
#[test]
fn keys_are_lost() {
    for (missing_key, executions) in [(None, 2.0), (Some(400), 0.0)] {
        let store = Idempotency::Lock(LockConfig { missing_key, ..LockConfig::default() });
        let policy = RetryPolicy { key_lost: 1.0, ..with_key(KeyMode::PerAction) };
        let result = run(&twice(Same::Key, 200, store), policy);
        check(&format!("{missing_key:?}"), &result, &[("executions", executions), ("outcome_400", 2.0 - executions)]);
    }
    let scenario = burst(1_000, workers(LOCKED())).in_world(|world| {
        world.contend = Some(Contend { things: 1, zipf: 0.0 });
    });
    let executions = value(&run(&scenario, RetryPolicy { key_lost: 0.1, ..with_key(KeyMode::PerThing) }), "executions");
    let executions = executions.expect("a number");
    assert!((executions - 100.0).abs() < 4.0 * 9.5, "a tenth passes by: {executions}");
}

/// A key with the time in it is another one for each attempt, or the same for all of an operation.
#[test]
fn whose_time_it_is() {
    for (made, executions) in [(Made::Operation, 1.0), (Made::Attempt, 3.0)] {
        let server = ServerConfig {
            fates: simlab::scenario::Fates { late_errors: vec![(500, 1.0)], ..Default::default() },
            ..workers(Idempotency::Lock(LockConfig { stores: Stores::Effects, ..LockConfig::default() }))
        };
        let result = run(&burst(1, server), RetryPolicy { key: clock(1, made), ..tries(3) });
        check(&format!("{made:?}"), &result, &[("executions", executions), ("outcome_500", 3.0)]);
    }
}

/// Steps at one server have keys of their own, also of one thing.
#[test]
fn steps_have_keys_of_their_own() {
    let scenario = burst(1, ServerConfig { name: "api".to_owned(), ..workers(LOCKED()) }).in_world(|world| {
        let steps = ["one", "two"].map(|name| CallConfig::to(name, 0, Method::Post));
        world.operation.steps = steps.to_vec();
    });
    let result = run(&scenario, with_key(KeyMode::PerThing));
    check("steps", &result, &[("executions", 2.0), ("effects", 2.0), ("duplicates", 0.0), ("succeeded", 1.0)]);
}

/// Who does something again does not think twice for it.
#[test]
fn repeats_do_not_think() {
    let operations = |repeat: Option<Repeat>| {
        let scenario = burst(1, workers(Idempotency::None)).in_world(|world| {
            world.arrivals = Arrivals::Closed { think: constant(900) };
            world.repeat = repeat;
        });
        value(&run(&scenario, tries(1)), "operations").expect("a number")
    };
    let twice = Repeat { share: 1.0, after: constant(200), times: 1, same: Same::Key };
    // One each second, and again; the last one would come when the demand is over.
    assert_eq!((operations(None), operations(Some(twice))), (10.0, 19.0));
}

/// Keys that nobody else has are forgotten with their operations, also where the thing stays: 50,000 of them do not fit into this memory.
#[test]
fn keys_of_ones_own_are_forgotten() {
    let scenario = burst(1, workers(LOCKED())).in_world(|world| {
        world.arrivals = Arrivals::Constant { rate: 5_000.0 };
        world.contend = Some(Contend { things: 1, zipf: 0.0 });
    });
    let never = AtomicBool::new(false);
    for (key, fits) in [
        (KeyMode::PerOperation, true),
        (KeyMode::PerCall, true),
        (KeyMode::PerAction, true),
        // One for each microsecond that somebody asked at, for as long as the thing is there.
        (KeyMode::Clock(Clock { resolution: Span::nanos(1_000), made: Made::Attempt }), false),
    ] {
        let scenario = scenario.clone().with_policy("p", with_key(key), &[]);
        let result = sim::run(&scenario, 0, 0, Limits { memory: 3 << 19, interrupted: &never });
        assert_eq!(result.is_ok(), fits, "{key:?}");
    }
}
