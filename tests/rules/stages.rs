//! Work in stages: a store that takes time, in one step or two; what is stored with the effect; effects before the end of the work; rows that are read, written
//! and locked. Each case shows what goes wrong, and that it does not with the right setting.

use simlab::flow::OnFailure;
use simlab::protocol::Method;
use simlab::retry::{KeyMode, OutcomeClass, OutcomeSet};
use simlab::scenario::call::CallConfig;
use simlab::scenario::{
    AbandonedWork, Asked, Contend, Idempotency, LockConfig, Locks, OnConflict, RateLimit, Reads, Repeat, RowLock,
    RowUse, Same, Scripted, StoreFault, Stores, Writes,
};

use super::*;

trait Faulty {
    /// And this goes wrong.
    fn with_fault(self, fault: Fault) -> Scenario;
}

impl Faulty for Scenario {
    fn with_fault(self, fault: Fault) -> Scenario {
        self.in_world(|world| world.faults.push(fault))
    }
}

/// Workers that need 100 ms, and a store with a lock.
fn workers(lock: LockConfig) -> ServerConfig {
    ServerConfig { service_time: constant(100), idempotency: Idempotency::Lock(lock), ..ServerConfig::named("s") }
}

fn lock() -> LockConfig {
    LockConfig::default()
}

/// One operation, and the same again so much later, by a client with a key for both.
fn twice(after: u64, server: ServerConfig) -> Scenario {
    burst(1, server).in_world(|world| {
        world.repeat = Some(Repeat { share: 1.0, after: constant(after), times: 1, same: Same::Key });
        world.operation.wanted = Some(1);
    })
}

fn with_key(attempts: u32) -> RetryPolicy {
    RetryPolicy { key: KeyMode::PerAction, ..tries(attempts) }
}

/// Retries after 100 ms.
fn later(attempts: u32) -> RetryPolicy {
    RetryPolicy { backoff: Backoff::fixed(MS(100)), ..with_key(attempts) }
}

/// Each access takes its time, and the worker's: looking up, storing, and looking up again.
#[test]
fn an_access_takes_time() {
    let slow = |access, atomic| workers(LockConfig { access: MS(access), atomic, ..lock() });
    for (case, server, first, second) in [
        ("no time", slow(0, true), 0.1, 0.0),
        ("5 ms each", slow(5, true), 0.11, 0.005),
        ("in two steps", slow(5, false), 0.115, 0.005),
    ] {
        let result = run(&twice(500, server), with_key(1));
        check(case, &result, &[("executions", 1.0), ("succeeded", 2.0), ("latency_max", first)]);
        check(case, &result, &[("latency_mean", (first + second) / 2.0)]);
        // Both are served, and nothing of it is in vain.
        check(case, &result, &[("wasted_work", 0.0), ("in_flight_mean", (first + second) / 10.0)]);
    }
    // Without a key nothing is asked, and a fault makes it slow.
    check("no key", &run(&burst(1, slow(5, true)), tries(1)), &[("latency_max", 0.1)]);
    let slowed = |until| {
        twice(500, slow(0, true)).with_fault(Fault { store: Some(StoreFault::Slow(MS(20))), ..fault(0, until) })
    };
    check("slow", &run(&slowed(1_000), with_key(1)), &[("latency_max", 0.14), ("latency_mean", 0.08)]);
    check("slow at first", &run(&slowed(400), with_key(1)), &[("latency_max", 0.14), ("latency_mean", 0.07)]);
    check("not yet stored", &run(&slowed(50), with_key(1)), &[("latency_max", 0.12)]);
}

/// Who looks a key up just before its reply is stored, and locks it just after, does the work again.
#[test]
fn look_up_then_lock() {
    let at = |after, atomic| {
        let server = workers(LockConfig { access: MS(5), atomic, ..lock() });
        run(&twice(after, server), with_key(1))
    };
    // The first one has stored its reply at 115 ms. The second looks the key up 5 ms after it comes, and locks it 5 ms later.
    for (after, executions, conflicts) in [(50, 1.0, 1.0), (104, 1.0, 1.0), (107, 2.0, 0.0), (111, 1.0, 0.0)] {
        let result = at(after, false);
        check(&format!("after {after} ms"), &result, &[("executions", executions), ("outcome_409", conflicts)]);
        check(&format!("after {after} ms"), &result, &[("duplicates", executions - 1.0)]);
    }
    for after in [50, 104, 107, 111] {
        check(&format!("atomic, after {after} ms"), &at(after, true), &[("executions", 1.0), ("duplicates", 0.0)]);
    }
}

/// A conflict may wait for the first one's result, with its worker; it does the work itself where there is none.
#[test]
fn a_conflict_can_wait() {
    let waiting = |access, script| ServerConfig {
        script,
        ..workers(LockConfig { on_conflict: OnConflict::Wait(MS(50)), access: MS(access), ..lock() })
    };
    // It asks at 10, 60 and 110 ms, the first one having ended at 100 ms.
    let result = run(&twice(10, waiting(0, vec![])), with_key(1));
    check("waits", &result, &[("executions", 1.0), ("succeeded", 2.0), ("latency_max", 0.1)]);
    check("waits", &result, &[("in_flight_mean", 0.02), ("outcome_409", 0.0)]);
    // With 5 ms for each access it asks at 15, 70 and 125 ms.
    let result = run(&twice(10, waiting(5, vec![])), with_key(1));
    check("asks", &result, &[("executions", 1.0), ("succeeded", 2.0), ("latency_max", 0.115)]);
    // Both fail at first: the second one works from 110 ms on.
    let result = run(&twice(10, waiting(0, vec![Scripted::Status(500)])), with_key(1));
    check("fails", &result, &[("executions", 0.0), ("failed", 2.0), ("failure_latency_p99", 0.2)]);
}

/// A crash after the effect, and before the reply is stored: the work is done again when the lock has run out.
#[test]
fn a_crash_between_effect_and_reply() {
    let crashed = |effect_at, with_effect, from| {
        let lock = LockConfig { lock_ttl: Some(MS(60)), with_effect, ..lock() };
        let server = ServerConfig { effect_at, ..workers(lock) };
        let scenario = burst(1, server).with_fault(Fault { crash: true, ..fault(from, from + 5) });
        run(&scenario, later(2))
    };
    for (case, result, executions) in [
        ("before the effect", crashed(0.5, false, 40), 1.0),
        ("after it", crashed(0.5, false, 70), 2.0),
        ("stored with it", crashed(0.5, true, 70), 1.0),
        ("at the end", crashed(1.0, false, 70), 1.0),
    ] {
        check(case, &result, &[("executions", executions), ("duplicates", executions - 1.0), ("succeeded", 1.0)]);
        check(case, &result, &[("outcome_connection", 1.0)]);
    }
    // The same while the reply is being stored.
    for (with_effect, executions) in [(false, 2.0), (true, 1.0)] {
        let lock = LockConfig { lock_ttl: Some(MS(150)), with_effect, access: MS(20), ..lock() };
        let scenario = burst(1, workers(lock)).with_fault(Fault { crash: true, ..fault(130, 131) });
        let case = format!("while storing, {with_effect}");
        let result = run(&scenario, later(2));
        check(&case, &result, &[("executions", executions), ("succeeded", 1.0)]);
    }
}

/// An effect is made when it is, also of work that is taken off its worker then.
#[test]
fn effects_come_before_the_end() {
    for (effect_at, executions) in [(0.4, 1.0), (0.6, 0.0), (1.0, 0.0)] {
        let server = ServerConfig { effect_at, abandoned_work: AbandonedWork::Cancel, ..workers(lock()) };
        let policy = RetryPolicy { timeout: Some(MS(50)), ..with_key(1) };
        let result = run(&burst(1, server), policy);
        check(&format!("at {effect_at}"), &result, &[("executions", executions), ("phantom_successes", executions)]);
    }
    // What fails has none, and nobody sees when it comes where nothing is cut off.
    let failing = ServerConfig { effect_at: 0.4, script: vec![Scripted::Status(500)], ..workers(lock()) };
    check("fails", &run(&burst(1, failing), with_key(1)), &[("executions", 0.0), ("failure_latency_p50", 0.1)]);
    let server = ServerConfig { effect_at: 0.4, ..workers(lock()) };
    check("works", &run(&burst(1, server), with_key(1)), &[("executions", 1.0), ("latency_max", 0.1)]);
}

/// A store that forgets does so at the beginning of each such fault, also while another one lasts.
#[test]
fn forgetting_twice() {
    let forgets = |name: &str, from, until| Fault {
        store: Some(StoreFault::Forgets),
        ..Fault::named(name, 0, at(from), at(until))
    };
    for (second, executions) in [(200, 2.0), (150, 2.0), (350, 1.0)] {
        let scenario =
            twice(300, workers(lock())).with_fault(forgets("f", 50, 200)).with_fault(forgets("g", second, 400));
        check(&format!("{second} ms"), &run(&scenario, with_key(1)), &[("executions", executions)]);
    }
}

/// Another action with the same key: served as if it were the same, or told.
#[test]
fn fingerprints() {
    for (mismatch, same, status, count) in [
        (None, Same::Thing, "outcome_409", 1.0),
        (Some(422), Same::Thing, "outcome_422", 1.0),
        (Some(422), Same::Key, "outcome_409", 1.0),
    ] {
        for after in [50, 500] {
            let scenario = twice(after, workers(LockConfig { mismatch, ..lock() })).in_world(|world| {
                let Some(repeat) = &mut world.repeat else { unreachable!("there is one") };
                repeat.same = same;
            });
            let result = run(&scenario, RetryPolicy { key: KeyMode::PerThing, ..tries(1) });
            // Once it is done, the same action is answered.
            let count = if after == 500 && status == "outcome_409" { 0.0 } else { count };
            let case = format!("{mismatch:?} {same:?} after {after} ms");
            check(&case, &result, &[(status, count), ("executions", 1.0), ("succeeded", 2.0 - count)]);
        }
    }
}

/// Who asks the store first, needs no token for what is known, and may remember for ever that there was none.
#[test]
fn asked_before_the_rate_limit() {
    let limited = |asked, stores| {
        let rate_limit =
            RateLimit { rate: 1.0, burst: 1.0, per: Default::default(), status: 429, retry_after: false, ban: None };
        ServerConfig { rate_limit: Some(rate_limit), ..workers(LockConfig { asked, stores, ..lock() }) }
    };
    for (asked, refused) in [(Asked::ByWorker, 1.0), (Asked::First, 0.0)] {
        let result = run(&twice(500, limited(asked, Stores::Successes)), with_key(1));
        check(&format!("{asked:?}"), &result, &[("outcome_429", refused), ("executions", 1.0)]);
    }
    // Two operations, one token: the other one tries again after 2 s.
    for (asked, stores, succeeded) in [
        (Asked::ByWorker, Stores::Everything, 2.0),
        (Asked::First, Stores::Everything, 1.0),
        (Asked::First, Stores::Successes, 2.0),
    ] {
        let policy = RetryPolicy {
            backoff: Backoff::fixed(MS(2_000)),
            retry_on: OutcomeSet::new(vec![OutcomeClass::Any]),
            ..with_key(3)
        };
        let result = run(&burst(2, limited(asked, stores)), policy);
        check(&format!("{asked:?} {stores:?}"), &result, &[("succeeded", succeeded), ("executions", succeeded)]);
    }
    // The lock lasts from the door on: a queue uses it up.
    for (asked, executions) in [(Asked::ByWorker, 2.0), (Asked::First, 3.0)] {
        let one = LockConfig { asked, lock_ttl: Some(MS(150)), ..lock() };
        let scenario = twice(20, ServerConfig { workers: Some(1), ..workers(one) }).in_world(|world| {
            world.arrivals = Arrivals::Burst { operations: 2, at: Span::ZERO, every: None };
            world.repeat = Some(Repeat { share: 1.0, after: constant(160), times: 1, same: Same::Key });
        });
        // The second works from 100 to 200 ms; its repeat comes at 160 ms, and waits until 200 ms if it is let in.
        check(&format!("{asked:?}"), &run(&scenario, with_key(1)), &[("executions", executions)]);
    }
}

fn rows(uses: RowUse) -> Scenario {
    let server = ServerConfig { service_time: constant(100), ..ServerConfig::named("s") };
    burst(1, server).in_world(|world| {
        world.repeat = Some(Repeat { share: 1.0, after: constant(10), times: 1, same: Same::Thing });
        world.operation.row = uses;
    })
}

fn writes(writes: Writes) -> RowUse {
    RowUse { writes, ..RowUse::default() }
}

/// Two who read the same and write: one update is lost, or the second is told, or waits.
#[test]
fn two_writers() {
    let locked = |writes| RowUse { locks: Locks::Work, writes, ..RowUse::default() };
    let result = run(&rows(writes(Writes::Blind)), tries(1));
    check("blind", &result, &[("executions", 2.0), ("lost_updates", 1.0), ("gone_wrong", 1.0), ("succeeded", 2.0)]);
    check("blind", &result, &[("lost_update_rate", 0.5), ("duplicates", 0.0)]);
    let result = run(&rows(writes(Writes::IfUnchanged(412))), tries(1));
    check("told", &result, &[("executions", 1.0), ("lost_updates", 0.0), ("outcome_412", 1.0), ("succeeded", 1.0)]);
    let again = RetryPolicy { retry_on: OutcomeSet::new(vec![OutcomeClass::Any]), ..tries(2) };
    let result = run(&rows(writes(Writes::IfUnchanged(412))), again);
    check("again", &result, &[("executions", 2.0), ("lost_updates", 0.0), ("outcome_412", 1.0), ("succeeded", 2.0)]);
    let result = run(&rows(locked(Writes::Blind)), tries(1));
    check("locked", &result, &[("executions", 2.0), ("lost_updates", 0.0), ("succeeded", 2.0), ("latency_max", 0.19)]);
    // One after the other, without any lock.
    let apart = rows(writes(Writes::Blind)).in_world(|world| {
        world.repeat = Some(Repeat { share: 1.0, after: constant(100), times: 1, same: Same::Thing });
    });
    check("apart", &run(&apart, tries(1)), &[("executions", 2.0), ("lost_updates", 0.0)]);
    // Operations about things of their own have nothing to lose.
    let own = rows(writes(Writes::Blind)).in_world(|world| {
        world.repeat = None;
        world.arrivals = Arrivals::Burst { operations: 50, at: Span::ZERO, every: None };
    });
    check("own", &run(&own, tries(1)), &[("executions", 50.0), ("lost_updates", 0.0)]);
    let all = own.in_world(|world| world.contend = Some(Contend { things: 1, zipf: 0.0 }));
    check("all", &run(&all, tries(1)), &[("executions", 50.0), ("lost_updates", 49.0)]);
}

/// Two cancellations of one order: who looks without a lock refunds twice.
#[test]
fn looking_before_writing() {
    for (locks, executions) in [(Locks::No, 2.0), (Locks::Work, 1.0)] {
        let scenario = rows(RowUse { locks, writes: Writes::IfUndone(409), ..RowUse::default() })
            .in_world(|world| world.operation.wanted = Some(1));
        let result = run(&scenario, tries(1));
        let case = format!("{locks:?}");
        check(&case, &result, &[("executions", executions), ("duplicates", executions - 1.0)]);
        check(&case, &result, &[("outcome_409", 2.0 - executions), ("lost_updates", 0.0)]);
    }
}

/// Its own write is no one else's: an attempt that comes again loses nothing, but is told that the row has changed.
#[test]
fn writing_again() {
    for (uses, lost, told) in [(Writes::Blind, 0.0, 0.0), (Writes::IfUnchanged(412), 0.0, 1.0)] {
        let scenario = rows(RowUse::default()).in_world(|world| {
            world.repeat = None;
            world.operation.steps = vec![CallConfig::to("one", 0, Method::Get), CallConfig::to("two", 0, Method::Put)];
            world.operation.steps[0].row.reads = Reads::Yes;
            world.operation.steps[1].row.writes = uses;
            world.servers[0].script = vec![Scripted::LostReply];
        });
        // The read is lost too, and made again.
        let result = run(&scenario, RetryPolicy { timeout: Some(MS(200)), ..tries(2) });
        let case = format!("{uses:?}");
        check(&case, &result, &[("lost_updates", lost), ("outcome_412", told), ("outcome_timeout", 2.0)]);
    }
}

/// What a step has read counts for the next one, and who is told that it has changed, reads again.
#[test]
fn a_read_and_a_write() {
    let steps = |uses, times| {
        rows(RowUse::default()).in_world(|world| {
            world.operation.steps = vec![CallConfig::to("one", 0, Method::Get), CallConfig::to("two", 0, Method::Post)];
            world.operation.steps[0].row.reads = Reads::Yes;
            world.operation.steps[1].row.writes = uses;
            if times > 0 {
                let on = Box::new(OutcomeSet::new(vec![OutcomeClass::Any]));
                world.operation.steps[1].step.on_failure = OnFailure::StartOver { on, times };
            }
            // The second reads while the first writes: from 110 to 210 ms, that is.
            world.repeat = Some(Repeat { share: 1.0, after: constant(110), times: 1, same: Same::Thing });
        })
    };
    check("blind", &run(&steps(Writes::Blind, 0), tries(1)), &[("lost_updates", 1.0), ("succeeded", 2.0)]);
    let told = run(&steps(Writes::IfUnchanged(409), 0), tries(1));
    check("told", &told, &[("lost_updates", 0.0), ("outcome_409", 1.0), ("succeeded", 1.0)]);
    let again = run(&steps(Writes::IfUnchanged(409), 3), tries(1));
    check("again", &again, &[("lost_updates", 0.0), ("outcome_409", 1.0), ("succeeded", 2.0), ("latency_max", 0.4)]);
}

/// A transaction that hangs keeps its row, and whoever waits for it waits as long as it may.
#[test]
fn a_hung_transaction() {
    let uses = RowUse { locks: Locks::Work, writes: Writes::Blind, ..RowUse::default() };
    let hung = |timeout, hung| {
        rows(uses).in_world(|world| {
            world.servers[0].row_lock = RowLock { timeout: MS(timeout), hung: MS(hung), status: 503 };
            world.repeat = Some(Repeat { share: 1.0, after: constant(10), times: 1, same: Same::Thing });
        })
    };
    let hangs = |scenario: Scenario, from| {
        let fates = simlab::scenario::Fates { hangs: 1.0, ..Default::default() };
        scenario.with_fault(Fault { fates, ..fault(from, from + 5) })
    };
    // The first hangs at 100 ms. The second comes at 10 ms.
    for (case, timeout, kept, latency, outcome) in [
        ("waits in vain", 50, 1_000, 0.05, "outcome_503"),
        ("waits for its end", 1_000, 30, 0.22, "outcome_timeout"),
        ("gives up before", 1_000, 2_000, 1.0, "outcome_timeout"),
    ] {
        let result = run(&hangs(hung(timeout, kept), 0), RetryPolicy { timeout: Some(MS(3_000)), ..tries(1) });
        let succeeds = f64::from(u8::from(case == "waits for its end"));
        check(case, &result, &[("succeeded", succeeds), ("executions", succeeds), (outcome, 1.0)]);
        match succeeds {
            1.0 => check(case, &result, &[("latency_max", latency)]),
            _ => check(case, &result, &[("outcome_503", 1.0)]),
        }
    }
}

/// A row is given on when its holder is cut off, by a crash, a cancellation or a time-out.
#[test]
fn rows_are_given_on() {
    let uses = RowUse { locks: Locks::Work, writes: Writes::Blind, ..RowUse::default() };
    // A crash resets both; both come again, and the second waits for the first.
    let crashed = rows(uses).with_fault(Fault { crash: true, ..fault(50, 51) });
    let result = run(&crashed, RetryPolicy { backoff: Backoff::fixed(MS(10)), ..tries(2) });
    check("crash", &result, &[("succeeded", 2.0), ("executions", 2.0), ("lost_updates", 0.0), ("latency_max", 0.25)]);
    // The first is taken off its worker at 50 ms, and the second has 50 ms from 10 ms on, of which it has waited 40.
    let cancelled = rows(uses).in_world(|world| world.servers[0].abandoned_work = AbandonedWork::Cancel);
    let result = run(&cancelled, RetryPolicy { timeout: Some(MS(50)), ..tries(1) });
    check("cancelled", &result, &[("succeeded", 0.0), ("executions", 0.0), ("outcome_timeout", 2.0)]);
    let result = run(&cancelled, RetryPolicy { timeout: Some(MS(150)), ..tries(1) });
    check("one in time", &result, &[("succeeded", 1.0), ("executions", 1.0), ("outcome_timeout", 1.0)]);
    // One worker is held by who waits: nobody else is served.
    let one = rows(uses).in_world(|world| {
        world.servers[0].workers = Some(2);
        world.arrivals = Arrivals::Burst { operations: 3, at: Span::ZERO, every: None };
        world.contend = Some(Contend { things: 1, zipf: 0.0 });
        world.repeat = None;
    });
    let result = run(&one, tries(1));
    check("in line", &result, &[("succeeded", 3.0), ("latency_max", 0.3), ("lost_updates", 0.0)]);
}

/// Replicas have one database: rows and their locks are common to all.
#[test]
fn replicas_have_common_rows() {
    for (locks, lost) in [(Locks::No, 1.0), (Locks::Work, 0.0)] {
        let uses = RowUse { locks, writes: Writes::Blind, ..RowUse::default() };
        let scenario = rows(uses).in_world(|world| {
            world.servers[0].replicas = 2;
            world.servers[0].balance = simlab::endpoint::Balance::RoundRobin;
        });
        let latency = if locks == Locks::Work { 0.19 } else { 0.1 };
        let result = run(&scenario, tries(1));
        check(&format!("{locks:?}"), &result, &[("lost_updates", lost), ("latency_max", latency)]);
    }
    // A replica that stands still goes on when it does: it was given the row meanwhile.
    let frozen = rows(RowUse { locks: Locks::Work, writes: Writes::Blind, ..RowUse::default() })
        .in_world(|world| {
            world.servers[0].replicas = 2;
            world.servers[0].balance = simlab::endpoint::Balance::RoundRobin;
        })
        .with_fault(Fault { freeze: true, replica: Some(1), ..fault(50, 500) });
    let result = run(&frozen, tries(1));
    check("frozen", &result, &[("succeeded", 2.0), ("latency_max", 0.59), ("lost_updates", 0.0)]);
}

/// Who waits for a row while workers stand still, asks when they go on: not in the past, and not so much later.
#[test]
fn waiting_through_a_freeze() {
    let uses = RowUse { locks: Locks::Work, ..RowUse::default() };
    let hung = |timeout, kept| RowLock { timeout: MS(timeout), hung: MS(kept), status: 503 };
    let server = |row_lock| ServerConfig { service_time: constant(1_000), row_lock, ..ServerConfig::named("s") };
    let two = |server: ServerConfig, after: u64| {
        burst(2, server).in_world(|world| {
            world.operation.row = uses;
            world.arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: None };
            world.repeat = Some(Repeat { share: 1.0, after: constant(after), times: 1, same: Same::Thing });
        })
    };
    let patient = RetryPolicy { timeout: Some(MS(50_000)), ..tries(1) };
    let hangs = || simlab::scenario::Fates { hangs: 1.0, ..Default::default() };
    // The first hangs when workers go on; the second has waited long enough by then.
    let scenario = two(server(hung(2_000, 5_000)), 500)
        .with_fault(Fault { fates: hangs(), ..fault(0, 100) })
        .with_fault(Fault { freeze: true, ..Fault::named("g", 0, at(600), at(9_600)) });
    let result = run(&scenario, patient.clone());
    check("timed out", &result, &[("outcome_503", 1.0), ("failure_latency_p50", 9.1)]);
    // A row that is free while its first in line stands still is taken when that goes on.
    let scenario = two(
        ServerConfig { replicas: 2, balance: simlab::endpoint::Balance::RoundRobin, ..server(hung(30_000, 1_000)) },
        500,
    )
    .with_fault(Fault { fates: hangs(), ..fault(0, 100) })
    .with_fault(Fault { freeze: true, replica: Some(1), ..Fault::named("g", 0, at(600), at(5_000)) });
    let result = run(&scenario, patient.clone());
    check("free by then", &result, &[("succeeded", 1.0), ("latency_max", 5.5)]);
}

/// Each server has a row of its own for a thing: what was read at one says nothing of another.
#[test]
fn rows_belong_to_a_server() {
    for uses in [Writes::Blind, Writes::IfUnchanged(412), Writes::IfUndone(409)] {
        let server = |name: &str| ServerConfig { service_time: constant(100), ..ServerConfig::named(name) };
        let scenario = burst(1, server("api")).in_world(|world| {
            world.servers.push(server("db"));
            let step = |name, server, row| CallConfig { row, ..CallConfig::to(name, server, Method::Post) };
            world.operation.steps = vec![
                step("one", 0, writes(Writes::Blind)),
                step("two", 0, RowUse { reads: Reads::Yes, ..RowUse::default() }),
                step("three", 1, writes(uses)),
            ];
        });
        let result = run(&scenario, tries(1));
        check(&format!("{uses:?}"), &result, &[("lost_updates", 0.0), ("succeeded", 1.0), ("executions", 3.0)]);
    }
}

/// Operations are others to each other, also where one is the other's repeat.
#[test]
fn a_repeat_is_another_operation() {
    let scenario = rows(writes(Writes::Blind)).in_world(|world| {
        world.repeat = Some(Repeat { share: 1.0, after: constant(50), times: 1, same: Same::Key });
    });
    check("repeat", &run(&scenario, tries(1)), &[("executions", 2.0), ("lost_updates", 1.0)]);
}

/// Who looks first whether there is anything to do looks when the work begins, whatever a step has read before.
#[test]
fn looking_is_not_reading_earlier() {
    let scenario = rows(RowUse::default()).in_world(|world| {
        world.operation.steps = vec![CallConfig::to("one", 0, Method::Get), CallConfig::to("two", 0, Method::Post)];
        world.operation.steps[0].row.reads = Reads::Yes;
        world.operation.steps[1].row =
            RowUse { locks: Locks::Work, writes: Writes::IfUndone(409), ..RowUse::default() };
    });
    check("looks", &run(&scenario, tries(1)), &[("effects", 1.0), ("outcome_409", 1.0)]);
}

/// What a row refuses is an end of work like others: it is stored if such ends are, the lock is freed in an access, and its reply can be lost.
#[test]
fn a_refusal_by_a_row_is_an_end_of_work() {
    let undone = |server: ServerConfig| {
        burst(2, server).in_world(|world| {
            world.operation.row = writes(Writes::IfUndone(409));
            world.contend = Some(Contend { things: 1, zipf: 0.0 });
            world.arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(MS(5_000)) };
        })
    };
    let result = run(&undone(workers(LockConfig { access: MS(100), ..lock() })), with_key(1));
    check("an access", &result, &[("outcome_409", 1.0), ("failure_latency_p50", 0.2), ("latency_max", 0.3)]);
    let late =
        Fault { fates: simlab::scenario::Fates { lost_replies: 1.0, ..Default::default() }, ..fault(4_000, 6_000) };
    let result = run(&undone(workers(lock())).with_fault(late), with_key(1));
    check("lost", &result, &[("outcome_timeout", 1.0), ("outcome_409", 0.0)]);
    for (stores, again) in [(Stores::Everything, 0.0), (Stores::Effects, 1.0)] {
        let server = ServerConfig {
            row_lock: RowLock { timeout: MS(50), ..RowLock::default() },
            ..workers(LockConfig { stores, ..lock() })
        };
        let scenario = burst(2, server).in_world(|world| {
            world.operation.row = RowUse { locks: Locks::Work, ..RowUse::default() };
            world.contend = Some(Contend { things: 1, zipf: 0.0 });
        });
        check(
            &format!("{stores:?}"),
            &run(&scenario, later(2)),
            &[("succeeded", 1.0 + again), ("executions", 1.0 + again)],
        );
    }
}

/// A stored reply is its own action's, whoever has worked for the key since, and a stored read tells the version that it told.
#[test]
fn whose_reply_is_stored() {
    let cache = |mismatch| Idempotency::Cache(simlab::scenario::CacheConfig { mismatch, ..Default::default() });
    // The first one's reply is lost; the second begins before that is stored, and fails.
    let server = ServerConfig { idempotency: cache(Some(422)), ..workers(lock()) };
    let fates = |lost_replies, failures| simlab::scenario::Fates { lost_replies, failures, ..Default::default() };
    let scenario = twice(50, server)
        .in_world(|world| world.repeat.as_mut().expect("there is one").same = Same::Thing)
        .with_fault(Fault { fates: fates(1.0, Vec::new()), ..fault(0, 20) })
        .with_fault(Fault { fates: fates(0.0, vec![(500, 1.0)]), ..Fault::named("g", 0, at(40), at(60)) });
    let policy =
        RetryPolicy { key: KeyMode::PerThing, retry_on: OutcomeSet::new(vec![OutcomeClass::Timeout]), ..tries(2) };
    check("its own", &run(&scenario, policy), &[("outcome_422", 0.0), ("outcome_500", 1.0), ("succeeded", 1.0)]);
    // A read that comes from the store is as old as it was.
    let scenario = rows(RowUse::default()).in_world(|world| {
        world.servers[0].idempotency = cache(None);
        world.operation.steps = vec![CallConfig::to("one", 0, Method::Get), CallConfig::to("two", 0, Method::Post)];
        world.operation.steps[0].row.reads = Reads::Yes;
        world.operation.steps[1].row.writes = Writes::IfUnchanged(412);
        let on = Box::new(OutcomeSet::new(vec![OutcomeClass::Any]));
        world.operation.steps[1].step.on_failure = OnFailure::StartOver { on, times: 3 };
    });
    let result = run(&scenario, RetryPolicy { key: KeyMode::PerOperation, ..tries(1) });
    check("as old", &result, &[("outcome_412", 4.0), ("succeeded", 1.0)]);
    let result = run(&scenario, RetryPolicy { key: KeyMode::PerCall, ..tries(1) });
    check("anew", &result, &[("outcome_412", 1.0), ("succeeded", 2.0)]);
}

/// A worker that knows how its calls have ended can still be told that nobody waits.
#[test]
fn cancelling_after_the_calls() {
    let api = ServerConfig {
        name: "api".to_owned(),
        abandoned_work: AbandonedWork::Cancel,
        calls: vec![CallConfig::to("db", 1, Method::Post)],
        ..workers(LockConfig { access: MS(500), ..lock() })
    };
    let scenario = burst(1, api).in_world(|world| {
        world.servers.push(ServerConfig { service_time: constant(100), ..ServerConfig::named("db") });
    });
    // 500 ms to look up, 100 ms each; the reply would be stored at 1.2 s.
    let result = run(&scenario, RetryPolicy { timeout: Some(MS(900)), ..with_key(1) });
    check("cancelled", &result, &[("outcome_timeout", 1.0), ("in_flight_mean", 0.1)]);
}

/// A line of many does not cost each of them more: events go with their number.
#[test]
fn a_long_line() {
    let events = |operations| {
        let server = ServerConfig {
            service_time: constant(1),
            row_lock: RowLock { timeout: MS(9_000), hung: MS(1), status: 503 },
            fates: simlab::scenario::Fates { hangs: 1.0, ..Default::default() },
            ..ServerConfig::named("s")
        };
        let scenario = burst(operations, server).in_world(|world| {
            world.operation.row = RowUse { locks: Locks::Work, ..RowUse::default() };
            world.contend = Some(Contend { things: 1, zipf: 0.0 });
        });
        run(&scenario, RetryPolicy { timeout: None, ..tries(1) }).events
    };
    assert!(events(4_000) < 5 * events(1_000), "{} and {}", events(1_000), events(4_000));
}
