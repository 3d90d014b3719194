//! Row locks across steps: a transaction that stays open until its steps are over, who waits for it, and what ends it before.

use simlab::durable::DurableConfig;
use simlab::endpoint::Balance;
use simlab::hedge::HedgeConfig;
use simlab::protocol::Method;
use simlab::scenario::call::CallConfig;
use simlab::scenario::{
    ClientCrashes, CrashAtStep, CrashWhen, Fates, Locks, Reads, Repeat, RowLock, RowUse, Same, Writes,
};

use super::*;

/// A cancellation, and another one of the same order so much later: each looks whether it is cancelled (100 ms), refunds (300 ms), and writes that it is
/// cancelled (100 ms).
fn cancellations(locks: Locks, after: u64) -> Scenario {
    let server = |name, ms| ServerConfig { service_time: constant(ms), ..ServerConfig::named(name) };
    burst(1, server("orders", 100)).in_world(|world| {
        world.servers.push(server("psp", 300));
        world.repeat = Some(Repeat { share: 1.0, after: constant(after), times: 1, same: Same::Thing });
        world.operation.wanted = Some(1);
        let step = |name, at, method, row| CallConfig { row, ..CallConfig::to(name, at, method) };
        world.operation.steps = vec![
            step("one", 0, Method::Get, RowUse { reads: Reads::IfUndone(409), locks, ..RowUse::default() }),
            step("two", 1, Method::Post, RowUse::default()),
            step("three", 0, Method::Post, RowUse { writes: Writes::Blind, locks: Locks::Work, ..RowUse::default() }),
        ];
    })
}

/// At the first server.
fn row_lock(scenario: Scenario, timeout: u64, hung: u64) -> Scenario {
    let row_lock = RowLock { timeout: MS(timeout), hung: MS(hung), status: 503 };
    scenario.in_world(|world| world.servers[0].row_lock = row_lock)
}

fn crash(from: u64, replica: Option<u32>) -> Fault {
    Fault { crash: true, replica, ..fault(from, from + 1) }
}

/// Waits so long for each reply.
fn patient(ms: u64, attempts: u32) -> RetryPolicy {
    RetryPolicy { timeout: Some(MS(ms)), backoff: Backoff::fixed(MS(10)), ..tries(attempts) }
}

/// A lock for the time of a look keeps nobody from refunding after it; one until all is over does.
#[test]
fn two_cancellations() {
    // The second one's look waits for the first one's, or only its last step does.
    for locks in [Locks::No, Locks::Work] {
        let result = run(&cancellations(locks, 10), tries(1));
        let case = format!("{locks:?}");
        check(&case, &result, &[("succeeded", 2.0), ("executions", 6.0), ("duplicates", 2.0), ("lost_updates", 1.0)]);
        check(&case, &result, &[("latency_max", 0.59)]);
    }
    let result = run(&cancellations(Locks::UntilOver, 10), tries(1));
    check("until over", &result, &[("succeeded", 1.0), ("outcome_409", 1.0), ("duplicates", 0.0)]);
    check("until over", &result, &[("executions", 3.0), ("failure_latency_p50", 0.49)]);
}

/// A step whose reply was lost is made again inside of its own transaction. Whoever waits outside goes in when that is over.
#[test]
fn its_own_attempts_do_not_wait() {
    let fates = Fates { lost_replies: 1.0, ..Fates::default() };
    let lost =
        cancellations(Locks::UntilOver, 10).in_world(|world| world.faults = vec![Fault { fates, ..fault(0, 5) }]);
    let result = run(&lost, tries(2));
    // The second has waited in two attempts; the first of these has gone by then, and was in line before.
    check(
        "lost",
        &result,
        &[("outcome_timeout", 2.0), ("outcome_409", 1.0), ("latency_max", 1.5), ("executions", 4.0)],
    );
    check("lost", &result, &[("failure_latency_p50", 1.49), ("duplicates", 0.0)]);
}

/// What fails, and what nobody waits for any more, keeps no row.
#[test]
fn only_success_keeps_a_row() {
    let later = |timeout| RetryPolicy { backoff: Backoff::fixed(MS(1_000)), ..patient(timeout, 2) };
    // It comes again at 1.1 s, and the second one has cancelled the order by then.
    let fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
    let fails =
        cancellations(Locks::UntilOver, 10).in_world(|world| world.faults = vec![Fault { fates, ..fault(0, 5) }]);
    let result = run(&fails, later(5_000));
    check("fails", &result, &[("succeeded", 1.0), ("outcome_409", 1.0), ("latency_max", 0.59), ("outcome_500", 1.0)]);
    // Its first work ends at 500 ms, and its client has gone at 350 ms.
    let slow = cancellations(Locks::UntilOver, 400)
        .in_world(|world| world.faults = vec![Fault { slowdown: 5.0, ..fault(0, 5) }]);
    let result = run(&slow, later(350));
    check("gone", &result, &[("succeeded", 1.0), ("outcome_409", 1.0), ("latency_max", 0.6), ("outcome_timeout", 1.0)]);
}

/// A hedge that waits for the row of its own transaction, waits no more.
#[test]
fn hedges_go_inside() {
    let scenario = cancellations(Locks::UntilOver, 10).in_world(|world| world.repeat = None);
    let scenario = scenario.with_policy("p", tries(1), &[]).hedged(HedgeConfig::after(MS(50)));
    let result = run_first(&scenario);
    check("hedged", &result, &[("succeeded", 1.0), ("latency_max", 0.5), ("executions", 6.0), ("outcome_409", 0.0)]);
}

/// A step that hangs keeps the row of another step's transaction, until its client gives up or the database does.
#[test]
fn a_later_step_that_hangs() {
    let fates = Fates { hangs: 1.0, ..Fates::default() };
    let hangs = cancellations(Locks::UntilOver, 10)
        .in_world(|world| world.faults = vec![Fault { fates, ..Fault::named("f", 1, at(100), at(110)) }]);
    let policy = patient(5_000, 1);
    // The refund of the first times out at 5.1 s.
    let result = run(&row_lock(hangs.clone(), 2_000, 30_000), policy.clone());
    check("in vain", &result, &[("succeeded", 0.0), ("outcome_503", 1.0), ("executions", 1.0)]);
    // The database ends it at 1.1 s.
    let result = run(&row_lock(hangs.clone(), 30_000, 1_000), policy.clone());
    check("ended", &result, &[("succeeded", 1.0), ("latency_max", 1.59), ("outcome_timeout", 1.0)]);
    // Its client has done with it.
    let hangs = hangs.in_world(|world| world.repeat.as_mut().expect("it comes again").after = constant(4_000));
    let result = run(&row_lock(hangs, 30_000, 30_000), policy);
    check("given up", &result, &[("succeeded", 1.0), ("latency_max", 1.6), ("outcome_timeout", 1.0)]);
    // Who has lost it this way waits for it again: its refund ends at 400 ms, the other one has the row from 150 ms to 650 ms.
    let result = run(&row_lock(cancellations(Locks::UntilOver, 10), 30_000, 50), tries(1));
    check("lost", &result, &[("succeeded", 2.0), ("duplicates", 2.0), ("lost_updates", 1.0)]);
}

/// An attempt that is at work in a transaction keeps it, though its client has gone.
#[test]
fn work_in_it_goes_on() {
    // The last step would end at 1.4 s, and its client waits until 0.9 s.
    let slow = cancellations(Locks::UntilOver, 950)
        .in_world(|world| world.faults = vec![Fault { slowdown: 10.0, ..fault(350, 890) }]);
    let result = run(&slow, patient(500, 1));
    check("slow", &result, &[("succeeded", 0.0), ("outcome_timeout", 1.0), ("outcome_409", 1.0)]);
    check("slow", &result, &[("failure_latency_p99", 0.9), ("executions", 3.0)]);
}

/// Who tries it again, from a queue, is another one: it waits for the work that is left of the first, and finds the order cancelled.
#[test]
fn whoever_tries_it_again_waits_too() {
    let slow = cancellations(Locks::UntilOver, 10).in_world(|world| {
        world.repeat = None;
        world.faults = vec![Fault { slowdown: 10.0, ..fault(350, 890) }];
    });
    let mut slow = slow.with_policy("p", patient(600, 1), &[]);
    slow.policies[0].members[0].durable = Some(DurableConfig { attempts: Some(2), ..DurableConfig::default() });
    let result = run_first(&slow);
    // Its last step would end at 1.4 s, and its client waits until 1 s; the worker begins then.
    check(
        "queue",
        &result,
        &[("durable_tries", 1.0), ("outcome_timeout", 1.0), ("outcome_409", 1.0), ("executions", 3.0)],
    );
    check("queue", &result, &[("duplicates", 0.0), ("parked", 1.0)]);
}

/// A crash of a client ends its transactions, one of a replica those that were open there.
#[test]
fn crashes_end_transactions() {
    let at_step = Some(CrashAtStep { step: 1, when: CrashWhen::During, share: 1.0, restart: MS(2_000) });
    let crashing = cancellations(Locks::UntilOver, 10).in_world(|world| {
        world.crashes = Some(ClientCrashes { at_step, ..ClientCrashes::default() });
    });
    // The client dies at 400 ms. What the second one had sent has the row then, for 100 ms; both begin again at 2.4 s.
    let result = run(&crashing, tries(1));
    check("client", &result, &[("succeeded", 1.0), ("executions", 6.0), ("duplicates", 1.0), ("latency_max", 2.9)]);

    let two = |fault: Fault| {
        let scenario = cancellations(Locks::UntilOver, 10).in_world(|world| {
            (world.servers[0].replicas, world.servers[0].balance) = (2, Balance::RoundRobin);
            world.faults.push(fault);
        });
        run(&scenario, patient(1_000, 2))
    };
    // All of it: the second comes again at 210 ms, and the first writes when that is over.
    let result = two(crash(200, None));
    check("all", &result, &[("succeeded", 2.0), ("duplicates", 2.0), ("lost_updates", 1.0), ("latency_max", 0.81)]);
    // Where it was begun: the second, which waits at the other one, has the row at 200 ms.
    let result = two(crash(200, Some(0)));
    check("its own", &result, &[("succeeded", 2.0), ("duplicates", 2.0), ("lost_updates", 1.0), ("latency_max", 0.8)]);
    // Elsewhere.
    let result = two(crash(200, Some(1)));
    check("another", &result, &[("succeeded", 1.0), ("duplicates", 0.0), ("outcome_409", 1.0)]);
}
