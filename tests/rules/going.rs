//! Operations that go on after failures and crashes: what is made again, what is undone, and when.

use simlab::flow::{Compensate, Journal, OnFailure, Resume, Step, When};
use simlab::gate::budget::{TokenBudgetConfig, Tokens};
use simlab::gate::{GateRule, Scope};
use simlab::protocol::Method;
use simlab::retry::{KeyMode, OutcomeClass, OutcomeSet};
use simlab::scenario::call::CallConfig;
use simlab::scenario::{
    ClientCrashes, CrashAtStep, CrashWhen, Fates, Idempotency, InProgress, JournalConfig, LockConfig, Meanwhile,
    RandomCrash,
};

use super::*;

/// Three steps of 100 ms each, at servers of their own, then a step that undoes each of the first two.
fn saga(on_failure: &OnFailure) -> Scenario {
    let names = ["one", "two", "three"];
    let server = |name: &str| ServerConfig { service_time: constant(100), ..ServerConfig::named(name) };
    burst(1, server(names[0])).in_world(|world| {
        world.servers = names.map(server).to_vec();
        let call = |(name, at)| {
            let step = Step { on_failure: on_failure.clone(), ..Step::default() };
            CallConfig { step, ..CallConfig::to(name, at, Method::Post) }
        };
        let undo = |(name, of)| {
            let step = Step { when: When::Undoing { step: of, if_sent: false }, ..Step::default() };
            CallConfig { step, ..CallConfig::to(name, of, Method::Delete) }
        };
        let steps = names.into_iter().zip(0..).map(call);
        world.operation.steps = steps.chain([("undo-one", 0), ("undo-two", 1)].into_iter().map(undo)).collect();
    })
}

fn failing(scenario: Scenario, server: usize) -> Scenario {
    scenario.in_world(|world| {
        world.servers[server].fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
    })
}

/// The server answers with 500 until then.
fn failing_until(scenario: Scenario, server: usize, ms: u64) -> Scenario {
    scenario.in_world(|world| {
        let fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
        world.faults = vec![Fault { fates, ..Fault::named("f", server, at(0), at(ms)) }];
    })
}

fn resume(times: u32, then: Option<Compensate>) -> OnFailure {
    let on = OutcomeSet::new(vec![OutcomeClass::Any]);
    OnFailure::Resume(Box::new(Resume { on, after: MS(1_000), times, then }))
}

fn compensate() -> OnFailure {
    OnFailure::Compensate(Compensate::default())
}

fn with_journal(scenario: Scenario, kept: Journal, write: u64) -> Scenario {
    let journal = JournalConfig { kept, write: MS(write), ..JournalConfig::default() };
    scenario.in_world(|world| world.operation.journal = journal)
}

/// The client crashes once, at this step, for 2 s.
fn crashing(scenario: Scenario, step: usize, when: CrashWhen) -> Scenario {
    let at_step = Some(CrashAtStep { step, when, share: 1.0, restart: MS(2_000) });
    scenario.in_world(|world| world.crashes = Some(ClientCrashes { at_step, ..ClientCrashes::default() }))
}

#[test]
fn what_was_done_is_undone() {
    let result = run(&failing(saga(&OnFailure::Stop), 2), tries(1));
    check("stops", &result, &[("failed", 1.0), ("half_done", 1.0), ("missing_effects", 1.0), ("undone", 0.0)]);
    check("stops", &result, &[("gone_wrong", 2.0), ("phantom_successes", 0.0), ("effects", 2.0)]);
    let result = run(&failing(saga(&compensate()), 2), tries(1));
    check("undone", &result, &[("failed", 1.0), ("undone", 1.0), ("half_done", 0.0), ("phantom_successes", 0.0)]);
    check(
        "undone",
        &result,
        &[("effects", 4.0), ("duplicates", 0.0), ("failure_latency_p50", 0.5), ("gone_wrong", 1.0)],
    );
    // The first has nothing to undo.
    let result = run(&failing(saga(&compensate()), 0), tries(1));
    check("nothing", &result, &[("failed", 1.0), ("undone", 0.0), ("effects", 0.0), ("half_done", 0.0)]);
    let result = run(&saga(&compensate()), tries(1));
    check("succeeds", &result, &[("succeeded", 1.0), ("effects", 3.0), ("half_done", 0.0), ("missing_effects", 0.0)]);
}

#[test]
fn an_undo_that_fails_is_left_for_a_person() {
    // The second server fails from 250 ms on: its own step was made by then, its undo is not.
    let scenario = failing(saga(&compensate()), 2).in_world(|world| {
        let fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
        world.faults = vec![Fault { fates, ..Fault::named("f", 1, at(250), at(9_000)) }];
    });
    let result = run(&scenario, tries(2));
    check("left", &result, &[("left_for_person", 1.0), ("undone", 0.0), ("half_done", 1.0), ("effects", 3.0)]);
    // One more try of the step, two of the undo; the first is undone all the same.
    check("left", &result, &[("attempts", 7.0), ("failure_latency_p50", 0.7), ("missing_effects", 2.0)]);
}

/// A step whose reply was lost is done, whatever its client thinks.
#[test]
fn what_was_sent_may_have_been_done() {
    let lost = |if_sent| {
        saga(&compensate()).in_world(|world| {
            world.servers[1].fates = Fates { late_errors: vec![(500, 1.0)], ..Fates::default() };
            world.operation.steps[4].step.when = When::Undoing { step: 1, if_sent };
            world.operation.steps[4].server = 2;
        })
    };
    let result = run(&lost(false), tries(1));
    check("completed", &result, &[("failed", 1.0), ("half_done", 1.0), ("effects", 3.0), ("undone", 0.0)]);
    let result = run(&lost(true), tries(1));
    check("sent", &result, &[("failed", 1.0), ("half_done", 0.0), ("effects", 4.0), ("undone", 1.0)]);
}

#[test]
fn a_failure_that_does_not_stop_it_leaves_it_half_done() {
    let result = run(&failing(saga(&OnFailure::GoOn), 0), tries(1));
    check("goes on", &result, &[("succeeded", 1.0), ("half_done", 1.0), ("missing_effects", 1.0), ("gone_wrong", 1.0)]);
}

/// The table by step: two calls of the second, of which the first fails after two attempts and the other succeeds at its second.
#[test]
fn each_step_has_its_own_table() {
    let scenario = failing_until(saga(&resume(3, None)), 1, 1_350);
    // 100 ms; 100 and 100 ms, a second later the same, the last attempt after the fault; 100 ms.
    let result = run(&scenario, tries(2));
    let of = |step: &str, expected: &[(&str, f64)]| {
        let expected: Vec<(String, f64)> =
            expected.iter().map(|(metric, value)| (format!("{metric}.step.{step}"), *value)).collect();
        let expected: Vec<(&str, f64)> = expected.iter().map(|(metric, value)| (metric.as_str(), *value)).collect();
        check(step, &result, &expected);
    };
    of("one", &[("succeeded", 1.0), ("retries_needed", 0.0), ("duration_mean", 0.1), ("error_replies", 0.0)]);
    of("two", &[("succeeded", 1.0), ("failed", 1.0), ("retries_needed", 1.0), ("attempts_per_call", 2.0)]);
    of("two", &[("duration_mean", 0.2), ("error_replies", 3.0), ("outcome_timeout", 0.0), ("outcome_connection", 0.0)]);
    check("all", &result, &[("error_replies", 3.0), ("outcome_500", 3.0), ("latency_max", 1.6)]);
    // What takes longer than a second is given up: two attempts.
    let slow = saga(&OnFailure::Stop).in_world(|world| world.servers[0].service_time = constant(1_500));
    let result = run(&slow, tries(2));
    check(
        "slow",
        &result,
        &[("outcome_timeout.step.one", 2.0), ("duration_mean.step.one", 2.0), ("failed.step.one", 1.0)],
    );
    let refused = saga(&OnFailure::Stop).in_world(|world| {
        world.servers[0].fates = Fates { refused: 1.0, ..Fates::default() };
    });
    check("refused", &run(&refused, tries(2)), &[("outcome_connection.step.one", 2.0), ("error_replies", 0.0)]);
}

#[test]
fn it_goes_on_where_it_stood() {
    let world = |kept| with_journal(failing_until(saga(&resume(3, None)), 1, 1_000), kept, 0);
    let result = run(&world(Journal::Memory), tries(1));
    check("memory", &result, &[("succeeded", 1.0), ("latency_max", 1.4), ("attempts", 4.0), ("duplicates", 0.0)]);
    check("memory", &result, &[("steps_repeated", 1.0), ("failed.step.two", 1.0), ("succeeded.step.two", 1.0)]);
    let result = run(&world(Journal::None), tries(1));
    check("none", &result, &[("succeeded", 1.0), ("latency_max", 1.5), ("attempts", 5.0), ("duplicates", 1.0)]);
    check("none", &result, &[("steps_repeated", 2.0), ("duplicates.step.one", 1.0)]);
    // As often as it may, and then it is undone, or not.
    let never = |then| failing(saga(&resume(2, then)), 1);
    let result = run(&never(None), tries(1));
    check("stops", &result, &[("failed", 1.0), ("attempts.step.two", 3.0), ("half_done", 1.0)]);
    let result = run(&never(Some(Compensate::default())), tries(1));
    check("undone", &result, &[("failed", 1.0), ("attempts", 5.0), ("undone", 1.0), ("half_done", 0.0)]);
}

/// After it was undone it is made anew, and what was undone counts for nothing.
#[test]
fn made_anew() {
    let again = OnFailure::Compensate(Compensate { times: 1, after: MS(1_000) });
    let world = || failing_until(saga(&again), 2, 1_000);
    let result = run(&world(), tries(1));
    check("anew", &result, &[("succeeded", 1.0), ("duplicates", 0.0), ("effects", 7.0), ("half_done", 0.0)]);
    check("anew", &result, &[("latency_max", 1.8), ("steps_repeated", 3.0), ("undone", 0.0)]);
    // Where what was undone stays listed, it is shipped though refunded.
    let listed = world().in_world(|world| world.operation.journal.lists_undone = true);
    let result = run(&listed, tries(1));
    check("listed", &result, &[("succeeded", 1.0), ("half_done", 1.0), ("missing_effects", 2.0), ("effects", 5.0)]);
}

#[test]
fn a_write_takes_its_time() {
    let world = |kept| crashing(with_journal(saga(&OnFailure::Stop), kept, 20), 2, CrashWhen::After);
    let none = |kept| with_journal(saga(&OnFailure::Stop), kept, 20);
    check("each step", &run(&none(Journal::EachStep), tries(1)), &[("latency_max", 0.36), ("attempts", 3.0)]);
    check("after run", &run(&none(Journal::AfterRun), tries(1)), &[("latency_max", 0.32)]);
    check("memory", &run(&none(Journal::Memory), tries(1)), &[("latency_max", 0.3)]);
    // All is written when it crashes, or nothing.
    let result = run(&world(Journal::EachStep), tries(1));
    check("written", &result, &[("latency_max", 2.36), ("attempts", 3.0), ("repair_mean", 2.0)]);
    let lost = world(Journal::EachStep).in_world(|world| world.operation.journal.fails = 1.0);
    check("lost", &run(&lost, tries(1)), &[("latency_max", 2.72), ("attempts", 6.0), ("duplicates", 3.0)]);
}

/// `kill -9` before, inside and after the second step, with each journal.
#[test]
fn what_a_crash_leaves() {
    let told = |kept, when, expected: [f64; 3]| {
        let result = run(&crashing(with_journal(saga(&OnFailure::Stop), kept, 0), 1, when), tries(1));
        let [attempts, duplicates, latency] = expected;
        let case = format!("{kept:?} {when:?}");
        check(&case, &result, &[("succeeded", 1.0), ("client_crashes", 1.0), ("attempts", attempts)]);
        check(&case, &result, &[("duplicates", duplicates), ("latency_max", latency), ("half_done", 0.0)]);
    };
    for kept in [Journal::None, Journal::Memory, Journal::AfterRun] {
        told(kept, CrashWhen::Before, [4.0, 1.0, 2.4]);
        told(kept, CrashWhen::During, [5.0, 2.0, 2.5]);
        told(kept, CrashWhen::After, [5.0, 2.0, 2.5]);
    }
    told(Journal::EachStep, CrashWhen::Before, [3.0, 0.0, 2.3]);
    told(Journal::EachStep, CrashWhen::During, [4.0, 1.0, 2.4]);
    told(Journal::EachStep, CrashWhen::After, [3.0, 0.0, 2.3]);
    // With a key and a lock the step that was in flight is not done twice.
    let scenario = crashing(with_journal(saga(&OnFailure::Stop), Journal::EachStep, 0), 1, CrashWhen::During);
    let scenario = scenario.in_world(|world| {
        world.servers[1].idempotency = Idempotency::Lock(LockConfig::default());
    });
    let result = run(&scenario, RetryPolicy { key: KeyMode::PerOperation, ..tries(1) });
    check("a key", &result, &[("succeeded", 1.0), ("attempts", 4.0), ("duplicates", 0.0), ("latency_max", 2.3)]);
}

/// One transaction: the rollback forgets the charge.
#[test]
fn what_is_rolled_back_is_forgotten() {
    let world = |with| {
        failing_until(saga(&resume(1, None)), 1, 1_000)
            .in_world(|world| world.operation.steps[0].step.committed_with = with)
    };
    check("apart", &run(&world(None), tries(1)), &[("succeeded", 1.0), ("duplicates.step.one", 0.0)]);
    check("together", &run(&world(Some(1)), tries(1)), &[("succeeded", 1.0), ("duplicates.step.one", 1.0)]);
}

/// A crash while it is undone: with a journal it goes on with that, without one it forgets it.
#[test]
fn a_crash_between_undos() {
    let world = |kept| crashing(with_journal(failing(saga(&compensate()), 2), kept, 0), 4, CrashWhen::After);
    let result = run(&world(Journal::EachStep), tries(1));
    check("a journal", &result, &[("failed", 1.0), ("undone", 1.0), ("attempts", 5.0), ("failure_latency_p50", 2.5)]);
    let result = run(&world(Journal::Memory), tries(1));
    // Two steps are made again, the third fails again, and both are undone: but the first had not been undone before, and one of it stays.
    check("memory", &result, &[("failed", 1.0), ("attempts", 9.0), ("left_for_person", 0.0)]);
    check("memory", &result, &[("duplicates", 0.0), ("half_done", 1.0), ("undone", 0.0)]);
}

/// Four operations of one client, one a second, that each crash it once at their second step, for 2 s.
#[test]
fn what_becomes_of_users() {
    let world = |change: &dyn Fn(&mut ClientCrashes)| {
        let scenario = crashing(saga(&OnFailure::Stop), 1, CrashWhen::Before);
        let scenario = scenario.framed(|frame| (frame.duration, frame.drain) = (MS(4_000), MS(20_000)));
        scenario.in_world(|world| {
            world.arrivals = Arrivals::Constant { rate: 1.0 };
            change(world.crashes.as_mut().expect("there are"));
        })
    };
    // At 0.1, 2.2, 4.3 and 6.4 s, the last two behind the measured part; from 8.4 s on nothing comes in between any more.
    let result = run(&world(&|_| {}), tries(1));
    check("wait", &result, &[("succeeded", 4.0), ("client_crashes", 2.0), ("latency_max", 8.7), ("half_done", 0.0)]);
    // At 0.1 s; at 2.2 s, with the second and the third, which have waited; and at 4.3 s.
    let result = run(&world(&|crashes| crashes.in_progress = InProgress::Lost), tries(1));
    check("lost", &result, &[("failed", 4.0), ("half_done", 4.0), ("attempts", 4.0), ("client_crashes", 2.0)]);
    // The second and the third find nobody there.
    let result = run(
        &world(&|crashes| {
            (crashes.in_progress, crashes.arrivals_meanwhile) = (InProgress::Lost, Meanwhile::Lost);
        }),
        tries(1),
    );
    check(
        "lost meanwhile",
        &result,
        &[("failed", 4.0), ("half_done", 2.0), ("attempts", 2.0), ("client_crashes", 2.0)],
    );
}

#[test]
fn another_client_takes_over() {
    let world = |takeover: Option<u64>| {
        crashing(with_journal(saga(&OnFailure::Stop), Journal::EachStep, 0), 1, CrashWhen::After).in_world(|world| {
            world.clients = 2;
            world.crashes.as_mut().expect("there are").takeover = takeover.map(MS);
        })
    };
    check("own", &run(&world(None), tries(1)), &[("latency_max", 2.3), ("repair_mean", 2.1)]);
    check("another", &run(&world(Some(500)), tries(1)), &[("latency_max", 0.8), ("repair_mean", 0.6)]);
    check("too late", &run(&world(Some(3_000)), tries(1)), &[("latency_max", 2.3)]);
}

/// A budget of one retry, which is spent: who has died since has another one, unless the fleet shares it.
#[test]
fn what_gates_remember_dies_with_the_process() {
    let one = Tokens::new(1.0);
    let rule = || GateRule::TokenBudget(TokenBudgetConfig::new(one, one, Tokens::new(0.0)));
    let run = |crashes: bool, scope| {
        let scenario = saga(&OnFailure::Stop).in_world(|world| {
            world.arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(MS(5_000)) };
            world.servers[0].fail_first = 1;
        });
        let scenario = if crashes { crashing(scenario, 2, CrashWhen::Before) } else { scenario };
        let scenario = with_journal(scenario, Journal::EachStep, 0);
        try_run(&scenario, tries(2), &[GateConfig::new(rule(), scope)]).expect("it ends")
    };
    let counts = |succeeded| [("operations", 2.0), ("succeeded", succeeded)];
    check("alive", &run(false, Scope::Client), &counts(1.0));
    check("dead", &run(true, Scope::Client), &counts(2.0));
    check("the fleet's", &run(true, Scope::Fleet), &counts(1.0));
}

/// Crashes at random are as many as there should be, and everybody's.
#[test]
fn crashes_at_random() {
    let random = Some(RandomCrash { mean_between: MS(2_000), restart: MS(1) });
    let scenario = burst(1, one_worker()).in_world(|world| {
        world.clients = 1_000;
        world.arrivals = Arrivals::Constant { rate: 1.0 };
        world.crashes = Some(ClientCrashes { random, ..ClientCrashes::default() });
    });
    let crashes = value(&run(&scenario, tries(1)), "client_crashes").expect("a count");
    // 1,000 clients, 10 s, each every 2 s; a Poisson process, from which the last operation cuts off what is behind it.
    assert!((crashes - 4_550.0).abs() < 4.0 * 68.0, "{crashes}");
}
