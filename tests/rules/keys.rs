//! Keys: locks, replays, conflicts, what a store remembers, and how executions add up to effects.

use simlab::protocol::Method;
use simlab::retry::{Backoff, KeyMode, OutcomeClass, OutcomeSet, RetryPolicy};
use simlab::scenario::{
    AbandonedWork, CacheConfig, Fates, Fault, FreedBy, Idempotency, LockConfig, LockOnFailure, Scripted, ServerConfig,
    StoreFault, Stores, WhenDown,
};
use simlab::units::Span;

use super::{MS, burst, check, fault, one_worker, run, tries};

fn lock(ttl: Option<u64>, retention: u64) -> Idempotency {
    Idempotency::Lock(LockConfig { retention: MS(retention), lock_ttl: ttl.map(MS), ..LockConfig::default() })
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
    let cache = Idempotency::Cache(CacheConfig { retention: MS(10_000), ..CacheConfig::default() });
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

/// What is stored comes back: of late errors, whose effect was made, and of failures, which may be done again.
#[test]
fn stored_errors() {
    let late = || Fates { late_errors: vec![(500, 1.0)], ..Fates::default() };
    // The work fails at first, and would succeed the second time.
    let twice = |stores, fates, script| {
        let store = Idempotency::Cache(CacheConfig { stores, ..CacheConfig::default() });
        let (server, policy) = keyed(store, fates, 3);
        let server = ServerConfig { script, ..server };
        run(&burst(1, server), RetryPolicy { timeout: Some(MS(1_000)), ..policy })
    };
    for (stores, executions) in [(Stores::Everything, 1.0), (Stores::Effects, 1.0), (Stores::Successes, 3.0)] {
        let result = twice(stores, late(), Vec::new());
        check(
            "late errors",
            &result,
            &[("executions", executions), ("duplicates", executions - 1.0), ("outcome_500", 3.0)],
        );
    }
    for (stores, errors, succeeded) in
        [(Stores::Everything, 3.0, 0.0), (Stores::Effects, 1.0, 1.0), (Stores::Successes, 1.0, 1.0)]
    {
        let result = twice(stores, Fates::default(), vec![Scripted::Status(500)]);
        check("failures", &result, &[("outcome_500", errors), ("succeeded", succeeded), ("executions", succeeded)]);
    }
}

/// One that ends late frees the lock of the one that came after it, unless locks know their owners.
#[test]
fn a_lock_is_its_owners() {
    for (freed_by, conflicts) in [(FreedBy::Owner, 1.0), (FreedBy::Anyone, 0.0)] {
        // Works of 100 ms that fail. The second begins at 65, when the first one's lock is over, and has its own until 125. The first one ends at
        // 100; the third comes at 105.
        let lock = LockConfig { lock_ttl: Some(MS(60)), freed_by, ..LockConfig::default() };
        let fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
        let (server, policy) = keyed(Idempotency::Lock(lock), fates, 3);
        let server = ServerConfig { workers: None, ..server };
        let backoff = Backoff::schedule(vec![MS(45), MS(20)], 0.0);
        let result = run(&burst(1, server), RetryPolicy { timeout: Some(MS(20)), backoff, ..policy });
        check(&format!("{freed_by:?}"), &result, &[("outcome_409", conflicts), ("outcome_timeout", 3.0 - conflicts)]);
    }
}

/// A handler that throws leaves its lock behind, so that an ordinary failure is followed by conflicts.
#[test]
fn a_lock_outlives_its_handler() {
    for (on_failure, conflicts, succeeded) in [(LockOnFailure::Free, 0.0, 1.0), (LockOnFailure::Keep, 1.0, 1.0)] {
        let lock = LockConfig { lock_ttl: Some(MS(250)), on_failure, ..LockConfig::default() };
        let (server, policy) = keyed(Idempotency::Lock(lock), Fates::default(), 3);
        let server = ServerConfig { script: vec![Scripted::Status(500)], ..server };
        let policy = RetryPolicy { timeout: Some(MS(1_000)), backoff: Backoff::fixed(MS(100)), ..policy };
        // Fails at 100, tries at 200, and if the lock is still there, at 300.
        let result = run(&burst(1, server), policy);
        check(&format!("{on_failure:?}"), &result, &[("outcome_409", conflicts), ("succeeded", succeeded)]);
    }
}

/// Where keys are required, who sends none is told so, and takes no worker's time.
#[test]
fn a_key_is_required() {
    for (missing_key, key, status) in [
        (Some(400), KeyMode::None, "outcome_400"),
        (Some(400), KeyMode::PerAttempt, "outcome_200"),
        (Some(400), KeyMode::PerOperation, "outcome_200"),
        (None, KeyMode::None, "outcome_200"),
    ] {
        let executions = if status == "outcome_200" { 1.0 } else { 0.0 };
        for store in [
            Idempotency::Cache(CacheConfig { missing_key, ..CacheConfig::default() }),
            Idempotency::Lock(LockConfig { missing_key, ..LockConfig::default() }),
        ] {
            let (server, policy) = keyed(store, Fates::default(), 1);
            let result = run(&burst(1, server), RetryPolicy { timeout: None, key, ..policy });
            check(&format!("{key:?}"), &result, &[(status, 1.0), ("executions", executions), ("attempts", 1.0)]);
        }
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

/// The connection of a stored reply can break too.
#[test]
fn replays_break() {
    let (server, policy) = keyed(lock(None, 10_000), Fates { late_resets: 1.0, ..Fates::default() }, 3);
    let result = run(&burst(1, server), RetryPolicy { timeout: Some(MS(1_000)), ..policy });
    check("breaks", &result, &[("outcome_connection", 3.0), ("executions", 1.0), ("phantom_successes", 1.0)]);
}

/// A script says what becomes of first attempts, the shares of the others.
#[test]
fn scripts() {
    let failing = || ServerConfig { fates: Fates { failures: vec![(500, 1.0)], ..Fates::default() }, ..one_worker() };
    let scripted = |script| run(&burst(1, ServerConfig { script, ..failing() }), tries(2));
    check("ok", &scripted(vec![Scripted::Ok]), &[("succeeded", 1.0), ("attempts", 1.0)]);
    check("rest", &scripted(vec![Scripted::Status(502)]), &[("outcome_502", 1.0), ("outcome_500", 1.0)]);
    for (word, outcome, executions) in [
        (Scripted::Refused, "outcome_connection", 0.0),
        (Scripted::LostRequest, "outcome_timeout", 0.0),
        (Scripted::Reset, "outcome_connection", 0.0),
        (Scripted::Hang, "outcome_timeout", 0.0),
        (Scripted::LostReply, "outcome_timeout", 1.0),
        (Scripted::LateReset, "outcome_connection", 1.0),
    ] {
        let expected = [(outcome, 1.0), ("outcome_500", 1.0), ("executions", executions)];
        check(&format!("{word:?}"), &scripted(vec![word]), &expected);
    }
    let first = |fail_first| run(&burst(1, ServerConfig { fail_first, ..one_worker() }), tries(3));
    check("two", &first(2), &[("outcome_503", 2.0), ("succeeded", 1.0)]);
    check("three", &first(3), &[("outcome_503", 3.0), ("succeeded", 0.0)]);
}

/// A store that cannot be asked: nothing is served, or everything as without a key. What is at work then is not stored.
#[test]
fn stores_fail() {
    let lossy = || Fates { lost_replies: 1.0, ..Fates::default() };
    let result = |when_down, store, from, until| {
        let lock = LockConfig { when_down, lock_ttl: Some(MS(50)), ..LockConfig::default() };
        let (server, policy) = keyed(Idempotency::Lock(lock), lossy(), 3);
        let mut scenario = burst(1, server);
        scenario.world_mut().faults = vec![Fault { store: Some(store), ..fault(from, until) }];
        // Sent at 0, 200 and 400; each works for 100 ms.
        let policy = RetryPolicy { timeout: Some(MS(150)), backoff: Backoff::fixed(MS(50)), ..policy };
        run(&scenario, policy)
    };
    use StoreFault::{Down, Forgets};
    for (case, when_down, store, (from, until), executions, refused) in [
        ("up", WhenDown::Closed, Down, (5_000, 6_000), 1.0, 0.0),
        ("closed", WhenDown::Closed, Down, (150, 300), 1.0, 2.0),
        ("open", WhenDown::Open, Down, (150, 250), 2.0, 0.0),
        ("open, and known again", WhenDown::Open, Down, (150, 500), 3.0, 0.0),
        ("down at the end of the work", WhenDown::Closed, Down, (50, 150), 2.0, 0.0),
        // Served as without a key, which it stays when the store is back.
        ("open, and back before the end", WhenDown::Open, Down, (0, 50), 2.0, 0.0),
        ("forgets", WhenDown::Closed, Forgets, (150, 160), 2.0, 0.0),
        ("forgets before it knows", WhenDown::Closed, Forgets, (50, 160), 1.0, 0.0),
    ] {
        check(case, &result(when_down, store, from, until), &[("executions", executions), ("outcome_503", refused)]);
    }
}

/// What is stored after a store has forgotten is not forgotten again at the edge of another fault.
#[test]
fn a_store_forgets_once() {
    let (server, policy) = keyed(lock(None, 10_000), Fates { lost_replies: 1.0, ..Fates::default() }, 3);
    let mut scenario = burst(1, server);
    let forgets = Fault { store: Some(StoreFault::Forgets), ..fault(0, 1_000) };
    scenario.world_mut().faults =
        vec![forgets, Fault { slowdown: 2.0, ..Fault::named("g", 0, super::at(150), super::at(160)) }];
    let policy = RetryPolicy { timeout: Some(MS(120)), backoff: Backoff::fixed(MS(80)), ..policy };
    check("once", &run(&scenario, policy), &[("executions", 1.0), ("outcome_timeout", 3.0)]);
}
