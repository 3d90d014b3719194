//! Keys: locks, replays, conflicts, what a store remembers, and how executions add up to effects.

use simlab::protocol::Method;
use simlab::retry::{Backoff, KeyMode, OutcomeClass, OutcomeSet, RetryPolicy};
use simlab::scenario::{AbandonedWork, Fates, Fault, Idempotency, ServerConfig, StoreScope};
use simlab::units::Span;

use super::{MS, burst, check, fault, one_worker, run, tries};

fn lock(ttl: Option<u64>, retention: u64) -> Idempotency {
    Idempotency::Lock {
        retention: MS(retention),
        lock_ttl: ttl.map(MS),
        conflict_status: 409,
        store_errors: false,
        scope: StoreScope::Server,
    }
}

/// Two workers that need 100 ms, time-outs after 60 ms, one attempt after the other.
fn keyed(idempotency: Idempotency, fates: Fates, attempts: u32) -> (ServerConfig, RetryPolicy) {
    let server = ServerConfig { workers: Some(2), idempotency, fates, ..one_worker() };
    let policy = RetryPolicy {
        timeout: Some(MS(60)),
        key: KeyMode::PerOperation,
        retry_on: OutcomeSet::new(vec![OutcomeClass::Any]),
        ..tries(attempts)
    };
    (server, policy)
}

/// Locks, replays and conflicts.
#[test]
fn idempotency() {
    // The first attempt works until 100; the second meets the lock at 60 and waits 70 ms; the third is a replay.
    let (server, policy) = keyed(lock(Some(1_000), 10_000), Fates::default(), 3);
    let patient = RetryPolicy { backoff: Backoff::schedule(vec![Span::ZERO, MS(70)], 0.0), ..policy.clone() };
    let result = run(&burst(1, server.clone()), patient.clone());
    check(
        "lock",
        &result,
        &[("outcome_timeout", 1.0), ("outcome_409", 1.0), ("outcome_200", 1.0), ("executions", 1.0)],
    );
    // A replay takes no time, and its reply can be lost as well.
    check("lock", &result, &[("latency_max", 0.13), ("duplicates", 0.0)]);
    let (lossy, _) = keyed(lock(Some(1_000), 10_000), Fates { lost_replies: 1.0, ..Fates::default() }, 3);
    let result = run(&burst(1, lossy), patient.clone());
    check("lost replay", &result, &[("outcome_timeout", 2.0), ("outcome_409", 1.0), ("phantom_successes", 1.0)]);
    // A lock that ends before the work does: the work is done twice.
    let (short, _) = keyed(lock(Some(60), 10_000), Fates::default(), 3);
    check("short lock", &run(&burst(1, short), policy.clone()), &[("executions", 2.0), ("duplicates", 1.0)]);
    // The reply is forgotten, [stored, stored + retention).
    for (retention, executions) in [(30, 2.0), (31, 1.0)] {
        let (server, _) = keyed(lock(None, retention), Fates::default(), 3);
        let case = format!("retention {retention} ms");
        check(&case, &run(&burst(1, server), patient.clone()), &[("executions", executions)]);
    }
    // A cache is not atomic; a key per attempt is none.
    let cache = Idempotency::Cache { retention: MS(10_000), store_errors: false, scope: StoreScope::Server };
    let (server, _) = keyed(cache, Fates::default(), 3);
    check("cache", &run(&burst(1, server.clone()), patient.clone()), &[("executions", 2.0), ("outcome_200", 1.0)]);
    let fresh = RetryPolicy { key: KeyMode::PerAttempt, ..patient };
    check("fresh keys", &run(&burst(1, server), fresh), &[("executions", 3.0), ("outcome_timeout", 3.0)]);
}

/// A crash keeps locks and replies; a cancelled attempt gives its lock back.
#[test]
fn locks_outlive_a_crash() {
    for (ttl, executions, conflicts) in [(Some(100), 1.0, 1.0), (None, 0.0, 2.0)] {
        let (server, policy) = keyed(lock(ttl, 10_000), Fates::default(), 3);
        let policy = RetryPolicy { timeout: Some(MS(1_000)), backoff: Backoff::fixed(MS(60)), ..policy };
        let mut scenario = burst(1, server);
        scenario.world_mut().faults = vec![Fault { crash: true, ..fault(10, 20) }];
        // Reset at 10; tries again at 70 and, if refused, at 130.
        let result = run(&scenario, policy);
        check(&format!("{ttl:?}"), &result, &[("executions", executions), ("outcome_409", conflicts)]);
    }
    let (server, policy) = keyed(lock(None, 10_000), Fates::default(), 2);
    let server = ServerConfig { abandoned_work: AbandonedWork::Cancel, ..server };
    let result = run(&burst(1, server), policy);
    check("cancelled", &result, &[("outcome_409", 0.0), ("outcome_timeout", 2.0), ("executions", 0.0)]);
}

/// Failures, late errors and permanent errors are stored if the store stores errors.
#[test]
fn stored_errors() {
    for (store_errors, executions, duplicates) in [(true, 1.0, 0.0), (false, 3.0, 2.0)] {
        let store = Idempotency::Cache { retention: MS(10_000), store_errors, scope: StoreScope::Server };
        let (server, policy) = keyed(store, Fates { late_errors: vec![(500, 1.0)], ..Fates::default() }, 3);
        let policy = RetryPolicy { timeout: Some(MS(1_000)), ..policy };
        let result = run(&burst(1, server), policy);
        check("late errors", &result, &[("executions", executions), ("duplicates", duplicates), ("outcome_500", 3.0)]);
    }
}

/// How executions add up to effects.
#[test]
fn methods() {
    for (method, effects, duplicates) in
        [(Method::Get, 0.0, 0.0), (Method::Put, 1.0, 0.0), (Method::Delete, 1.0, 0.0), (Method::Patch, 3.0, 2.0)]
    {
        let mut scenario = burst(1, ServerConfig { workers: None, ..one_worker() });
        scenario.world_mut().operation.method = method;
        let policy = RetryPolicy { timeout: Some(MS(50)), ..tries(3) };
        let result = run(&scenario, policy);
        let phantom = f64::from(u8::from(effects > 0.0));
        check(method.name(), &result, &[("executions", 3.0), ("effects", effects), ("duplicates", duplicates)]);
        check(
            method.name(),
            &result,
            &[("phantom_successes", phantom), ("duplicated_operations", duplicates.min(1.0))],
        );
    }
}
