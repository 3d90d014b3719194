//! Durable queues: what is tried again, when, by whom, and what becomes of it.

use simlab::durable::{DurableConfig, Handover, Order, Redrive, When};
use simlab::flow::{Journal, Step};
use simlab::protocol::Method;
use simlab::retry::KeyMode;
use simlab::scenario::call::CallConfig;
use simlab::scenario::{
    ClientCrashes, CrashAtStep, CrashWhen, Fates, Idempotency, InProgress, JournalConfig, LockConfig, Member,
    QueueFault, Repeat, Same,
};

use super::*;

/// Tries again after a second, then two, and so on.
fn queue() -> DurableConfig {
    DurableConfig { backoff: Backoff::linear(MS(1_000), MS(1_000), None), ..DurableConfig::default() }
}

fn run_with(scenario: &Scenario, policy: RetryPolicy, durable: DurableConfig) -> RunResult {
    let mut scenario = scenario.clone().with_policy("p", policy, &[]);
    scenario.policies[0].members[0].durable = Some(durable);
    run_first(&scenario)
}

/// In whole ms.
fn ms(result: &RunResult, metric: &str) -> u64 {
    (value(result, metric).expect("there is one") * 1e3).round() as u64
}

/// Operations at a server that needs 100 ms, has room for all, and fails in these spells of ms.
fn failing(operations: u64, spells: &[(u64, u64)]) -> Scenario {
    let server = ServerConfig { service_time: constant(100), ..ServerConfig::named("s") };
    burst(operations, server).in_world(|world| {
        let fates = || Fates { failures: vec![(500, 1.0)], ..Fates::default() };
        let fault = |(from, until): &(u64, u64)| Fault { fates: fates(), ..fault(*from, *until) };
        world.faults = spells.iter().map(fault).collect();
    })
}

#[test]
fn what_has_failed_is_tried_again_after_its_wait() {
    // Fails at 0.1 s, is tried at 1.1, 3.2, and 6.3 s.
    let scenario = failing(1, &[(0, 5_000)]);
    let result = run_with(&scenario, tries(1), queue());
    check("alone", &result, &[("succeeded", 1.0), ("failed", 0.0), ("latency_max", 6.4), ("attempts", 4.0)]);
    check(
        "alone",
        &result,
        &[("handed_over", 1.0), ("durable_tries", 3.0), ("messages_max", 1.0), ("oldest_max", 6.3)],
    );
    check("alone", &result, &[("first_attempt_success_rate", 0.0), ("retries_needed", 1.0), ("done_in_1m", 1.0)]);
    // With two attempts each: 0 and 0.1, 1.2 and 1.3, 3.4 and 3.5, 6.6 s.
    let result = run_with(&scenario, tries(2), queue());
    check("twice", &result, &[("latency_max", 6.7), ("attempts", 7.0), ("retries", 3.0), ("durable_tries", 3.0)]);
    // What does not fail has nothing of it.
    let result = run_with(&failing(1, &[]), tries(1), queue());
    check(
        "no need",
        &result,
        &[("latency_max", 0.1), ("handed_over", 0.0), ("oldest_max", 0.0), ("messages_max", 0.0)],
    );
}

#[test]
fn what_is_tried_too_often_or_for_too_long_is_parked() {
    let scenario = failing(3, &[(0, 100_000)]);
    let parked = [("operations", 3.0), ("parked", 3.0), ("failed", 0.0), ("succeeded", 0.0), ("unresolved", 0.0)];
    let result = run_with(&scenario, tries(1), DurableConfig { attempts: Some(3), workers: 3, ..queue() });
    check("attempts", &result, &parked);
    check("attempts", &result, &[("attempts", 9.0), ("durable_tries", 6.0), ("oldest_max", 3.2), ("gone_wrong", 3.0)]);
    // The third try of the queue would begin at 6.3 s.
    let aged = |ms| DurableConfig { max_age: Some(MS(ms)), workers: 3, ..queue() };
    let result = run_with(&scenario, tries(1), aged(6_299));
    check("age", &result, &parked);
    check("age", &result, &[("durable_tries", 6.0)]);
    let result = run_with(&scenario, tries(1), aged(6_300));
    check("age", &result, &[("durable_tries", 9.0), ("parked", 3.0)]);
    // Without an end it is still there when the run is over, at 20 s: tried at 1.1, 3.2, 6.3, 10.4, 15.5 s.
    let result = run_with(&scenario, tries(1), DurableConfig { workers: 3, ..queue() });
    check("open", &result, &[("unresolved", 3.0), ("parked", 0.0), ("durable_tries", 15.0), ("oldest_max", 19.9)]);
}

#[test]
fn workers_are_few() {
    // All three are due at 1.1 s.
    let scenario = failing(3, &[(0, 500)]);
    let latest = |workers, poll| {
        let result = run_with(&scenario, tries(1), DurableConfig { workers, poll: MS(poll), ..queue() });
        ms(&result, "latency_max")
    };
    assert_eq!([latest(3, 0), latest(2, 0), latest(1, 0)], [1_200, 1_300, 1_400]);
    // Who is idle looks at 2 s, who has finished at once.
    assert_eq!([latest(3, 2_000), latest(1, 2_000)], [2_100, 2_300]);
}

#[test]
fn a_queue_in_order_stands_behind_its_first() {
    // Operations at 0 and 0.4 s fail, at 0.1 and 0.5 s; the first again at 1.1 s, until the fault is over at 1.3 s.
    let held_up = |order| {
        let scenario = failing(1, &[(0, 1_300)]).in_world(|world| {
            world.arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(MS(400)) };
        });
        let mut scenario = scenario.framed(|frame| frame.duration = MS(800));
        scenario.frame.drain = MS(10_000);
        let result = run_with(&scenario, tries(1), DurableConfig { order, ..queue() });
        (ms(&result, "latency_max"), ms(&result, "latency_mean"))
    };
    // Due: the second at 1.5 s, done at 1.6 after 1.2 s; the first at 3.2 s, done after 3.3 s. In order: the second waits for it, and is done at 3.4 s, after 3.0 s.
    assert_eq!(held_up(Order::Due), (3_300, (3_300 + 1_200) / 2));
    assert_eq!(held_up(Order::Fifo), (3_300, (3_300 + 3_000) / 2));
}

#[test]
fn what_takes_longer_than_it_may_is_tried_beside_itself() {
    // The try begins at 1.1 s and takes 5 s, and again at 3.1 s beside it: the first that is done ends it, and both have an effect.
    let slow = failing(1, &[(0, 500)]).in_world(|world| world.faults[0].slowdown = 1.0);
    let slow = slow.in_world(|world| world.servers[0].service_time = constant(100));
    let slow = slow.in_world(|world| world.faults.push(Fault { slowdown: 50.0, ..fault(500, 90_000) }));
    let patient = RetryPolicy { timeout: Some(MS(9_000)), ..tries(1) };
    let visible = |visibility| DurableConfig { visibility: Some(MS(visibility)), workers: 2, ..queue() };
    let result = run_with(&slow, patient.clone(), visible(2_000));
    check("late", &result, &[("latency_max", 6.1), ("durable_tries", 2.0), ("redeliveries", 1.0), ("duplicates", 1.0)]);
    let result = run_with(&slow, patient.clone(), visible(5_001));
    check(
        "in time",
        &result,
        &[("latency_max", 6.1), ("durable_tries", 1.0), ("redeliveries", 0.0), ("duplicates", 0.0)],
    );
    let beats = DurableConfig { heart_beat: Some(MS(1_500)), ..visible(2_000) };
    let result = run_with(&slow, patient.clone(), beats.clone());
    check("beats", &result, &[("durable_tries", 1.0), ("duplicates", 0.0)]);
    // While the queue is down nobody hears it: it was given out at 1.1 s, and heard at 2.6 s. Back at 5.5 s it is given out again.
    let down = slow.clone().in_world(|world| {
        world.faults.push(Fault { queue: Some(QueueFault::Down), ..fault(2_700, 5_500) });
    });
    let result = run_with(&down, patient.clone(), beats);
    check("unheard", &result, &[("durable_tries", 2.0), ("redeliveries", 1.0), ("duplicates", 1.0)]);
    // A key does no harm to anybody: whoever comes second is told that the first is at work.
    let keyed = slow.in_world(|world| {
        world.servers[0].idempotency = Idempotency::Lock(LockConfig {
            retention: MS(60_000),
            lock_ttl: Some(MS(30_000)),
            ..LockConfig::default()
        });
    });
    let result = run_with(&keyed, RetryPolicy { key: KeyMode::PerOperation, ..patient }, visible(2_000));
    check("with a key", &result, &[("succeeded", 1.0), ("duplicates", 0.0)]);
}

#[test]
fn a_batch_without_partial_answers_repeats_what_was_done() {
    // Two are due at 1.1 s. Of the batch the one fails and the other succeeds: without partial answers both are tried again.
    let scenario = failing(2, &[(0, 500), (1_150, 1_250)]);
    let batch = |partial| DurableConfig { batch: 2, partial, ..queue() };
    let result = run_with(&scenario, tries(1), batch(true));
    check("partial", &result, &[("succeeded", 2.0), ("effects", 2.0), ("duplicates", 0.0), ("durable_tries", 3.0)]);
    let result = run_with(&scenario, tries(1), batch(false));
    check("whole", &result, &[("succeeded", 2.0), ("effects", 3.0), ("duplicates", 1.0), ("durable_tries", 4.0)]);
}

#[test]
fn what_was_done_by_another_path_is_not_done_again() {
    // The effect is there, and the reply is lost.
    let server = ServerConfig {
        service_time: constant(100),
        fates: Fates { lost_replies: 1.0, ..Fates::default() },
        ..ServerConfig::named("s")
    };
    let scenario = burst(1, server);
    let result = run_with(&scenario, tries(1), DurableConfig { attempts: Some(3), ..queue() });
    check("blind", &result, &[("parked", 1.0), ("effects", 3.0), ("duplicates", 2.0), ("found_done", 0.0)]);
    let result = run_with(&scenario, tries(1), DurableConfig { check_first: true, ..queue() });
    check("looks", &result, &[("succeeded", 1.0), ("effects", 1.0), ("found_done", 1.0), ("latency_max", 2.0)]);
}

/// A payment that is declined, and would not be a minute later.
#[test]
fn a_stored_decline_comes_back_for_as_long_as_it_is_stored() {
    let scenario = |retention| {
        failing(1, &[(0, 500)]).in_world(|world| {
            let stores = simlab::scenario::Stores::Everything;
            let lock =
                LockConfig { retention: MS(retention), lock_ttl: Some(MS(1_000)), stores, ..LockConfig::default() };
            world.servers[0].idempotency = Idempotency::Lock(lock);
        })
    };
    let keyed = || RetryPolicy { key: KeyMode::PerOperation, ..tries(1) };
    let durable = |key_per_try| DurableConfig { key_per_try, attempts: Some(4), ..queue() };
    // Tried at 1.1 s, 3.1 s and 6.1 s.
    let result = run_with(&scenario(60_000), keyed(), durable(false));
    check("one key", &result, &[("succeeded", 0.0), ("parked", 1.0), ("effects", 0.0)]);
    let result = run_with(&scenario(60_000), keyed(), durable(true));
    check("new keys", &result, &[("succeeded", 1.0), ("effects", 1.0), ("latency_max", 1.2)]);
    let result = run_with(&scenario(2_000), keyed(), durable(false));
    check("forgotten", &result, &[("succeeded", 1.0), ("latency_max", 3.2)]);
}

#[test]
fn what_is_parked_is_tried_again_at_its_time_and_rate() {
    let scenario = failing(3, &[(0, 4_000)]);
    let durable = |rate| DurableConfig {
        attempts: Some(2),
        workers: 3,
        redrive: Some(Redrive { at: MS(5_000), rate }),
        ..queue()
    };
    let done = [("succeeded", 3.0), ("parked", 0.0), ("redriven", 3.0), ("oldest_max", 1.1)];
    let result = run_with(&scenario, tries(1), durable(None));
    check("at once", &result, &done);
    check("at once", &result, &[("latency_max", 5.1), ("peak_load", 3.0)]);
    let result = run_with(&scenario, tries(1), durable(Some(0.5)));
    check("paced", &result, &done);
    check("paced", &result, &[("latency_max", 9.1)]);
    // With keys of its own for each try: none is one that it had before it was parked.
    let stores = simlab::scenario::Stores::Everything;
    let lock = LockConfig { retention: MS(60_000), lock_ttl: Some(MS(1_000)), stores, ..LockConfig::default() };
    let keyed = scenario.clone().in_world(|world| world.servers[0].idempotency = Idempotency::Lock(lock));
    let new_keys = DurableConfig { key_per_try: true, ..durable(None) };
    let result = run_with(&keyed, RetryPolicy { key: KeyMode::PerOperation, ..tries(1) }, new_keys);
    check("new keys", &result, &done);
    // Once: what fails then is parked for good.
    let scenario = failing(3, &[(0, 90_000)]);
    let result = run_with(&scenario, tries(1), durable(None));
    check("in vain", &result, &[("parked", 3.0), ("redriven", 3.0), ("durable_tries", 6.0), ("attempts", 9.0)]);
}

#[test]
fn a_queue_that_is_down_gives_nothing_out() {
    let scenario = failing(1, &[(0, 500)]).in_world(|world| {
        world.faults.push(Fault { queue: Some(QueueFault::Down), ..fault(50, 4_000) });
    });
    let result = run_with(&scenario, tries(1), queue());
    check("with the journal", &result, &[("succeeded", 1.0), ("latency_max", 4.1), ("lost_handovers", 0.0)]);
    let after = |takes| Handover::After { takes: MS(takes), fails: 0.0 };
    let result = run_with(&scenario, tries(1), DurableConfig { handover: after(0), ..queue() });
    check("after it", &result, &[("failed", 1.0), ("handed_over", 0.0), ("lost_handovers", 1.0), ("attempts", 1.0)]);
    // The call ends when the queue is back.
    let result = run_with(&scenario, tries(1), DurableConfig { handover: after(4_000), ..queue() });
    check("long enough", &result, &[("succeeded", 1.0), ("latency_max", 5.2), ("lost_handovers", 0.0)]);
    let lost = Handover::After { takes: Span::ZERO, fails: 1.0 };
    let result = run_with(&failing(2, &[(0, 500)]), tries(1), DurableConfig { handover: lost, ..queue() });
    check("lost", &result, &[("failed", 2.0), ("lost_handovers", 2.0), ("gone_wrong", 2.0)]);
}

/// Two steps, of which the second fails for a while.
#[test]
fn a_try_goes_on_by_the_journal() {
    let scenario = |kept| {
        failing(1, &[]).in_world(|world| {
            world.servers.push(ServerConfig { service_time: constant(100), ..ServerConfig::named("t") });
            let call =
                |(name, server)| CallConfig { step: Step::default(), ..CallConfig::to(name, server, Method::Post) };
            world.operation.steps = [("one", 0), ("two", 1)].map(call).to_vec();
            let fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
            world.faults = vec![Fault { fates, ..Fault::named("f", 1, at(0), at(500)) }];
            world.operation.journal = JournalConfig { kept, ..JournalConfig::default() };
        })
    };
    let result = run_with(&scenario(Journal::Memory), tries(1), queue());
    check("memory", &result, &[("succeeded", 1.0), ("duplicates", 1.0), ("steps_repeated", 2.0), ("latency_max", 1.4)]);
    let result = run_with(&scenario(Journal::EachStep), tries(1), queue());
    check(
        "each step",
        &result,
        &[("succeeded", 1.0), ("duplicates", 0.0), ("steps_repeated", 1.0), ("latency_max", 1.3)],
    );
}

/// A double click: both are about one thing, and both fail.
#[test]
fn a_thing_is_in_the_queue_once() {
    let scenario = failing(1, &[(0, 500)]).in_world(|world| {
        let after = constant(200);
        world.repeat = Some(Repeat { share: 1.0, after, times: 1, same: Same::Thing });
        world.operation.wanted = Some(1);
    });
    let result = run_with(&scenario, tries(1), DurableConfig { workers: 5, ..queue() });
    check("twice", &result, &[("succeeded", 2.0), ("effects", 2.0), ("duplicates", 1.0), ("durable_tries", 2.0)]);
    let once = DurableConfig { workers: 5, deduplicated: true, ..queue() };
    let result = run_with(&scenario, tries(1), once);
    check("once", &result, &[("succeeded", 2.0), ("effects", 1.0), ("duplicates", 0.0), ("durable_tries", 1.0)]);
    check(
        "once",
        &result,
        &[("handed_over", 2.0), ("messages_max", 1.0), ("missing_effects", 0.0), ("half_done", 0.0)],
    );
    // What is parked is not in the queue: the second has tries of its own.
    let later = scenario.clone().in_world(|world| {
        world.repeat = Some(Repeat { share: 1.0, after: constant(5_000), times: 1, same: Same::Thing });
        let fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
        world.faults.push(Fault { fates, ..fault(600, 5_050) });
    });
    let short = DurableConfig { attempts: Some(2), deduplicated: true, ..queue() };
    check("parked", &run_with(&later, tries(1), short), &[("parked", 1.0), ("succeeded", 1.0), ("durable_tries", 2.0)]);
    let looks = DurableConfig { workers: 1, check_first: true, ..queue() };
    let result = run_with(&scenario, tries(1), looks);
    check("looks", &result, &[("succeeded", 2.0), ("effects", 1.0), ("found_done", 1.0), ("durable_tries", 2.0)]);
}

/// A user waits no longer once the operation is handed over.
#[test]
fn who_has_handed_over_goes_on() {
    let scenario = failing(1, &[(0, 50)]).in_world(|world| {
        world.arrivals = Arrivals::Closed { think: constant(1_000) };
    });
    // Starts at 1, 2.1, 3.2, … 9.8 s: nothing fails there. With a fault until 1.05 s the first does.
    let fails =
        failing(1, &[(0, 1_050)]).in_world(|world| world.arrivals = Arrivals::Closed { think: constant(1_000) });
    let both = [&scenario, &fails].map(|scenario| {
        let result = run_with(scenario, tries(1), queue());
        (value(&result, "operations"), value(&result, "succeeded"), value(&result, "handed_over"))
    });
    assert_eq!(both, [(Some(9.0), Some(9.0), Some(0.0)), (Some(9.0), Some(9.0), Some(1.0))]);
}

#[test]
fn a_crash_takes_what_is_being_handed_over() {
    // Another operation's step makes the client crash at 0.55 s, while the first, which has failed at 0.1 s, is being handed over until 1.1 s.
    let scenario = |takes| {
        let scenario = failing(1, &[(0, 300)]).in_world(|world| {
            world.arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(MS(450)) };
            let at_step = Some(CrashAtStep { step: 0, when: CrashWhen::After, share: 1.0, restart: MS(1_000) });
            let in_progress = InProgress::Resume;
            world.crashes = Some(ClientCrashes { at_step, in_progress, ..ClientCrashes::default() });
            let call = CallConfig { step: Step::default(), ..CallConfig::to("one", 0, Method::Post) };
            world.operation.steps = vec![call];
        });
        let mut scenario = scenario.framed(|frame| frame.duration = MS(800));
        scenario.frame.drain = MS(10_000);
        let handover = Handover::After { takes: MS(takes), fails: 0.0 };
        run_with(&scenario, tries(1), DurableConfig { handover, ..queue() })
    };
    check("meanwhile", &scenario(1_000), &[("lost_handovers", 1.0), ("failed", 1.0), ("client_crashes", 1.0)]);
    check("before", &scenario(400), &[("lost_handovers", 0.0), ("handed_over", 1.0), ("succeeded", 2.0)]);
}

/// Who is still at it when it is done, keeps nobody in the queue; and what is put back is there as what comes anew.
#[test]
fn what_is_in_the_queue_is_there_until_it_is_done_or_parked() {
    // Tried from 1.1 s on for 4 s, and from 3.1 s on again, by who fails later.
    let server = ServerConfig { service_time: constant(4_000), ..ServerConfig::named("s") };
    let scenario = burst(1, server).in_world(|world| {
        let fates = |failures, errors| Fates { failures, errors, ..Fates::default() };
        let early = Fault { fates: fates(vec![], vec![(500, 1.0)]), ..fault(0, 100) };
        world.faults = vec![early, Fault { fates: fates(vec![(500, 1.0)], vec![]), ..fault(2_000, 4_000) }];
    });
    let patient = RetryPolicy { timeout: Some(MS(9_000)), ..tries(1) };
    let durable = DurableConfig { visibility: Some(MS(2_000)), workers: 2, ..queue() };
    let result = run_with(&scenario, patient, durable);
    check("late", &result, &[("succeeded", 1.0), ("latency_max", 5.0), ("oldest_max", 5.0), ("durable_tries", 2.0)]);
    let back = DurableConfig { attempts: Some(1), redrive: Some(Redrive { at: MS(5_000), rate: None }), ..queue() };
    let result = run_with(&failing(5, &[(0, 4_000)]), tries(1), back);
    check("put back", &result, &[("messages_max", 5.0), ("oldest_max", 0.5), ("redriven", 5.0), ("succeeded", 5.0)]);
}

#[test]
fn what_would_be_given_out_too_late_is_parked_then() {
    let down = Fault { queue: Some(QueueFault::Down), ..fault(500, 6_000) };
    let scenario = failing(2, &[(0, 500)]).in_world(|world| world.faults.push(down.clone()));
    let aged = |ms| DurableConfig { max_age: Some(MS(ms)), workers: 2, ..queue() };
    check("too late", &run_with(&scenario, tries(1), aged(5_999)), &[("parked", 2.0), ("durable_tries", 0.0)]);
    check("in time", &run_with(&scenario, tries(1), aged(6_000)), &[("parked", 0.0), ("succeeded", 2.0)]);
    // One worker is busy until 1.2 s.
    let scenario = failing(2, &[(0, 500)]);
    let one = DurableConfig { max_age: Some(MS(1_199)), ..queue() };
    check("busy", &run_with(&scenario, tries(1), one), &[("parked", 1.0), ("succeeded", 1.0), ("durable_tries", 1.0)]);
    // The other worker would be given it at 3.1 s.
    let slow = failing(1, &[(0, 500)]).in_world(|world| {
        world.faults.push(Fault { slowdown: 50.0, ..fault(500, 90_000) });
    });
    let patient = RetryPolicy { timeout: Some(MS(9_000)), ..tries(1) };
    let visible = DurableConfig { visibility: Some(MS(2_000)), workers: 2, ..aged(3_000) };
    check(
        "again",
        &run_with(&slow, patient, visible),
        &[("durable_tries", 1.0), ("duplicates", 0.0), ("succeeded", 1.0)],
    );
}

/// All operations go there at their start, and workers do the first try too.
#[test]
fn who_is_told_202_does_not_wait() {
    let at_once = || DurableConfig { when: When::AtOnce, attempts: Some(3), ..queue() };
    let result = run_with(&failing(2, &[]), tries(1), DurableConfig { workers: 2, ..at_once() });
    check("well", &result, &[("succeeded", 2.0), ("latency_max", 0.1), ("accepted_mean", 0.0), ("handed_over", 2.0)]);
    check("well", &result, &[("durable_tries", 2.0), ("retries_needed", 0.0), ("first_attempt_success_rate", 1.0)]);
    let after = Handover::After { takes: MS(300), fails: 0.0 };
    let result = run_with(&failing(1, &[]), tries(1), DurableConfig { handover: after, ..at_once() });
    check("later", &result, &[("latency_max", 0.4), ("accepted_mean", 0.3)]);
    // Tried at 0 s, 1.1 s and 3.2 s, and put back at 5 s as if it were new: three more.
    let redrive = Some(Redrive { at: MS(5_000), rate: None });
    let result = run_with(&failing(1, &[(0, 90_000)]), tries(1), DurableConfig { redrive, ..at_once() });
    check("put back", &result, &[("durable_tries", 6.0), ("parked", 1.0), ("attempts", 6.0)]);
    let result = run_with(&failing(1, &[(0, 4_000)]), tries(1), DurableConfig { redrive, ..at_once() });
    check("put back", &result, &[("durable_tries", 4.0), ("succeeded", 1.0), ("latency_max", 5.1)]);
    // Nobody waits for anything, and no time passes.
    let scenario = failing(1, &[]).in_world(|world| world.arrivals = Arrivals::Closed { think: constant(0) });
    let mut scenario = scenario.with_policy("p", tries(1), &[]);
    scenario.policies[0].members[0].durable = Some(at_once());
    let limits = Limits { memory: 1 << 31, interrupted: &AtomicBool::new(false) };
    let stopped = sim::run(&scenario, 0, 0, limits);
    assert!(matches!(stopped, Err(Stop::Standstill { .. })), "{:?}", stopped.err());
}

/// What is parked with some of its effects is left half done; and in mixes each member has its own.
#[test]
fn what_is_parked_may_be_half_done() {
    let scenario = failing(1, &[]).in_world(|world| {
        world.servers.push(ServerConfig { service_time: constant(100), ..ServerConfig::named("t") });
        let call = |(name, server)| CallConfig { step: Step::default(), ..CallConfig::to(name, server, Method::Put) };
        world.operation.steps = [("one", 0), ("two", 1)].map(call).to_vec();
        world.servers[1].fates = Fates { failures: vec![(500, 1.0)], ..Fates::default() };
    });
    let result = run_with(&scenario, tries(1), DurableConfig { attempts: Some(2), ..queue() });
    check("half", &result, &[("parked", 1.0), ("half_done", 1.0), ("missing_effects", 1.0), ("gone_wrong", 2.0)]);
    let rules = || simlab::scenario::call::ClientRules {
        policy: std::sync::Arc::new(tries(1)),
        ..simlab::scenario::call::ClientRules::default()
    };
    let member = |name, durable| Member { share: 0.5, durable, ..Member::all(name, rules()) };
    let short = DurableConfig { attempts: Some(1), ..queue() };
    let mixed = failing(40, &[(0, 90_000)]).in_world(|world| world.clients = 40);
    let mixed = mixed.with_mix("m", vec![member("first", Some(short)), member("second", None)]);
    let result = run_first(&mixed);
    let of = |metric: &str| value(&result, metric).expect("there is one");
    assert!(of("parked.member.first") > 5.0 && of("failed.member.second") > 5.0);
    assert_eq!(of("parked.member.first") + of("failed.member.second"), 40.0);
    check(
        "mixed",
        &result,
        &[("unresolved.member.first", 0.0), ("parked.member.second", 0.0), ("failed.member.first", 0.0)],
    );
}
