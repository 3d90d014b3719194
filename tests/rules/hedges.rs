//! Hedges: what the servers see of them, and what is counted where.

use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::budget::{RatioBudgetConfig, Tokens};
use simlab::gate::concurrency::{ConcurrencyConfig, Hold};
use simlab::gate::throttle::AdaptiveThrottleConfig;
use simlab::gate::{GateConfig, GateRule, OnRefusal, Scope};
use simlab::hedge::{HedgeConfig, Losers, OnFailure, Trigger};
use simlab::scenario::{AbandonedWork, Arrivals, Fates, Scenario, ServerConfig};

use super::*;

/// So many workers that need a second, for one operation, hedged after 200 ms.
fn hedged(workers: u32, abandoned_work: AbandonedWork, losers: Losers) -> RunResult {
    let server = ServerConfig { workers: Some(workers), abandoned_work, service_time: constant(1_000), ..one_worker() };
    let scenario = burst(1, server).with_policy("p", RetryPolicy::default(), &[]);
    run_first(&scenario.hedged(HedgeConfig { losers, ..HedgeConfig::after(MS(200)) }))
}

/// A loser is cancelled when another wins, and the server notices or not.
#[test]
fn losers() {
    use AbandonedWork::{Cancel as Noticed, Finish as Unnoticed};
    for (case, workers, abandoned_work, losers, executions, busy) in [
        // It has 200 ms to go.
        ("unnoticed", 2, Unnoticed, Losers::Cancel, 2.0, 2.0),
        ("noticed", 2, Noticed, Losers::Cancel, 1.0, 1.8),
        ("runs on", 2, Noticed, Losers::Run, 2.0, 2.0),
        // It was still in the queue.
        ("unnoticed in the queue", 1, Unnoticed, Losers::Cancel, 2.0, 2.0),
        ("noticed in the queue", 1, Noticed, Losers::Cancel, 1.0, 1.0),
        ("waits on", 1, Noticed, Losers::Run, 2.0, 2.0),
    ] {
        let result = hedged(workers, abandoned_work, losers);
        check(case, &result, &[("attempts", 2.0), ("retries", 0.0), ("hedges", 1.0), ("latency_max", 1.0)]);
        check(case, &result, &[("outcome_200", 1.0), ("outcome_cancelled", 1.0), ("first_attempt_success_rate", 1.0)]);
        check(case, &result, &[("executions", executions), ("duplicates", executions - 1.0)]);
        let wasted = [("wasted_work", 1.0 - 1.0 / busy), ("utilisation", busy / 10.0 / f64::from(workers))];
        check(case, &result, &wasted);
    }
}

/// What expires is what nobody wants: a loser that runs on is served.
#[test]
fn losers_that_run_do_not_expire() {
    // The second is taken up at the instant at which the first one's answer is there; the third is given up by then.
    for (losers, executions) in [(Losers::Cancel, 2.0), (Losers::Run, 3.0)] {
        let server = ServerConfig { drop_expired: true, service_time: constant(1_000), ..one_worker() };
        let scenario = burst(1, server).with_policy("p", RetryPolicy::default(), &[]);
        let result = run_first(&scenario.hedged(HedgeConfig { losers, extra: 2, ..HedgeConfig::after(MS(200)) }));
        check("expired", &result, &[("executions", executions), ("outcome_cancelled", 2.0)]);
    }
}

/// An answer at the same instant, and hedges that are sent at once: everything happens in its turn.
#[test]
fn at_one_instant() {
    let busy = ServerConfig { queue: Some(0), service_time: constant(1_000), ..one_worker() };
    // The second and the third find no place; the first goes on.
    let three = HedgeConfig { extra: 2, ..HedgeConfig::after(Span::ZERO) };
    let scenario = burst(1, busy).with_policy("p", RetryPolicy::default(), &[]).hedged(three.clone());
    check("refused", &run_first(&scenario), &[("outcome_503", 2.0), ("outcome_200", 1.0), ("latency_max", 1.0)]);
    let fast = ServerConfig { workers: None, service_time: constant(1), ..one_worker() };
    let scenario = burst(7, fast).with_policy("p", RetryPolicy::default(), &[]).hedged(three);
    check("at once", &run_first(&scenario), &[("outcome_200", 7.0), ("outcome_cancelled", 14.0), ("duplicates", 14.0)]);
    // A reply of the same instant comes first.
    let scenario = scenario.in_world(|world| world.servers[0].service_time = constant(0));
    check("no time", &run_first(&scenario), &[("outcome_200", 7.0), ("hedges", 0.0), ("duplicates", 0.0)]);
}

/// Each of two failures at one instant sends a hedge at once, over a network and without one, after a crash or time-outs.
#[test]
fn two_failures_of_one_instant() {
    let server = ServerConfig { workers: None, service_time: constant(2_000), network: constant(50), ..one_worker() };
    // Two attempts are reset at 500 ms, which is known at 550; two hedges are sent then and refused, which is known at 650.
    let policy = RetryPolicy { timeout: Some(MS(5_000)), ..RetryPolicy::default() };
    // The last of them fails 100 ms after the one before it.
    for (extra, hedges, failed) in [(1, 1.0, 0.55), (2, 2.0, 0.65), (3, 3.0, 0.65), (4, 4.0, 0.75), (9, 9.0, 0.95)] {
        let mut scenario = burst(1, server.clone());
        scenario.world_mut().faults = vec![Fault { crash: true, ..fault(500, 10_000) }];
        let scenario = scenario.with_policy("p", policy.clone(), &[]);
        let result = run_first(&scenario.hedged(HedgeConfig { extra, ..HedgeConfig::after(MS(300)) }));
        check(
            &format!("{extra} hedges"),
            &result,
            &[("hedges", hedges), ("failed", 1.0), ("failure_latency_p50", failed)],
        );
    }
}

/// A time-out that leaves its attempt open: the retry is sent beside it, and a hedge.
#[test]
fn on_timeout() {
    let server = ServerConfig { workers: None, service_time: constant(1_000), ..one_worker() };
    let policy = RetryPolicy { timeout: Some(MS(700)), deadline: Some(MS(5_000)), ..tries(2) };
    let timeout = HedgeConfig { trigger: Trigger::Timeout, extra: 0, ..HedgeConfig::after(Span::ZERO) };
    let plain = burst(1, server).with_policy("p", policy, &[]);
    check("plain", &run_first(&plain), &[("succeeded", 0.0), ("retries", 1.0), ("outcome_timeout", 2.0)]);
    let result = run_first(&plain.hedged(timeout));
    check("hedged", &result, &[("succeeded", 1.0), ("latency_max", 1.0), ("hedges", 1.0), ("retries", 0.0)]);
    check("hedged", &result, &[("outcome_200", 1.0), ("outcome_cancelled", 1.0), ("executions", 2.0)]);
    // It was no retry.
    check("hedged", &result, &[("first_attempt_success_rate", 1.0)]);
}

/// Attempts that time out are given up one by one, and the server notices or not.
#[test]
fn time_outs() {
    for (abandoned_work, executions, busy) in [(AbandonedWork::Cancel, 0.0, 1.0), (AbandonedWork::Finish, 2.0, 2.0)] {
        let server = ServerConfig { workers: Some(2), abandoned_work, service_time: constant(1_000), ..one_worker() };
        let policy = RetryPolicy { timeout: Some(MS(500)), ..RetryPolicy::default() };
        let result = run_first(&burst(1, server).with_policy("p", policy, &[]).hedged(HedgeConfig::after(MS(200))));
        check("time-outs", &result, &[("outcome_timeout", 2.0), ("failed", 1.0), ("executions", executions)]);
        check("time-outs", &result, &[("failure_latency_p50", 0.7), ("utilisation", busy / 20.0)]);
    }
}

/// What happens to operations of the warm-up is not measured.
#[test]
fn only_what_is_measured_counts() {
    let server = ServerConfig { workers: None, service_time: constant(1_000), ..one_worker() };
    let every = Arrivals::Burst { operations: 10, at: MS(0), every: Some(MS(4_000)) };
    let none = RatioBudgetConfig::new(Tokens::new(0.0), 0.0, Span::secs(10));
    for (case, budget, counted) in [("free", None, "hedges"), ("no budget", Some(none), "hedges_refused")] {
        let scenario = burst(1, server.clone())
            .framed(|frame| frame.warmup = MS(2_000))
            .in_world(|world| world.arrivals = every.clone());
        let scenario = scenario.with_policy("p", RetryPolicy::default(), &[]);
        let result = run_first(&scenario.hedged(HedgeConfig { budget, ..HedgeConfig::after(MS(200)) }));
        check(
            case,
            &result,
            &[("operations", 20.0), (counted, 20.0), ("hedges", value(&result, "outcome_cancelled").unwrap())],
        );
    }
    let fates = Fates { errors: vec![(503, 1.0)], ..Fates::default() };
    let refuses = ServerConfig { fates, ..ServerConfig::named("s") };
    let scenario = burst(1, refuses).framed(|frame| frame.warmup = MS(2_000)).in_world(|world| world.arrivals = every);
    let scenario = scenario.with_policy("p", RetryPolicy::default(), &[breaker(10)]);
    check("breaker", &run_first(&scenario.hedged(HedgeConfig::after(MS(200)))), &[("breaker_opened", 2.0)]);
}

/// A gate keeps what it gave one operation apart from what it gives the others, and from one step to the next.
#[test]
fn operations_hold_their_own() {
    let fates = Fates { errors: vec![(503, 1.0)], ..Fates::default() };
    let server = ServerConfig { fates, ..ServerConfig::named("s") };
    let arrivals = Arrivals::Burst { operations: 1, at: MS(0), every: Some(MS(1_000)) };
    let place = ConcurrencyConfig { hold: Hold::Retry, ..ConcurrencyConfig::retries(1) };
    let place = GateConfig::new(GateRule::Concurrency(place), Scope::Fleet);
    let policy = RetryPolicy { backoff: Backoff::fixed(MS(1_500)), ..tries(2) };
    let scenario = burst(1, server).in_world(|world| world.arrivals = arrivals).with_policy("p", policy, &[place]);
    let hedge = HedgeConfig { on_failure: OnFailure::End, ..HedgeConfig::after(MS(200)) };
    // Every other one finds the place taken.
    let expected = [("operations", 10.0), ("retries", 5.0), ("concurrency_refused", 5.0)];
    check("places", &run_first(&scenario.hedged(hedge)), &expected);
}

/// A wait that begins at an instant ends after everything else that was to happen at it, even if it takes no time.
#[test]
fn waits_take_their_turn() {
    let server = ServerConfig { workers: None, service_time: constant(9_000), ..one_worker() };
    let policy = RetryPolicy { timeout: Some(MS(700)), deadline: Some(MS(5_000)), ..tries(2) };
    let timeout = HedgeConfig { trigger: Trigger::Timeout, extra: 0, ..HedgeConfig::after(Span::ZERO) };
    // Both have timed out before one of them retries.
    let scenario = burst(2, server).with_policy("p", policy, &[breaker(2)]);
    check("in turn", &run_first(&scenario.hedged(timeout)), &[("attempts", 2.0), ("breaker_refused", 2.0)]);
}

/// An operation's timer is nothing to the one that takes its place, even where both are set for the same instant.
#[test]
fn timers_are_their_own() {
    let server = ServerConfig {
        workers: None,
        service_time: constant(850),
        abandoned_work: AbandonedWork::Cancel,
        ..one_worker()
    };
    // Each ends 850 ms after its start with its timer set for its time-out at 1 s, the instant at which the next one's hedge is due.
    let arrivals = Arrivals::Burst { operations: 1, at: MS(0), every: Some(MS(900)) };
    let scenario = burst(1, server).in_world(|world| world.arrivals = arrivals).with_policy("p", tries(1), &[]);
    let result = run_first(&scenario.hedged(HedgeConfig::after(MS(100))));
    check("timers", &result, &[("operations", 12.0), ("hedges", 12.0)]);
}

/// Opens for a second after so many failures in a row, wherever.
fn breaker(failures: u32) -> GateConfig {
    let config = ConsecutiveBreakerConfig::new(failures, MS(1_000), 1);
    GateConfig::new(GateRule::ConsecutiveBreaker(config), Scope::Fleet)
}

/// Endless retries at one instant end the run where a policy hedges too, whether servers or gates refuse.
#[test]
fn endless_retries() {
    let fates = Fates { refused: 1.0, ..Fates::default() };
    let server = ServerConfig { fates, ..ServerConfig::named("s") };
    let endless = RetryPolicy { attempts: None, ..tries(1) };
    for gates in [vec![], vec![GateConfig { on_refusal: OnRefusal::Retry, ..no_budget() }]] {
        let scenario = burst(1, server.clone()).with_policy("p", endless.clone(), &gates);
        let scenario = scenario.hedged(HedgeConfig::after(MS(200)));
        let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
        assert_eq!(sim::run(&scenario, 0, 0, limits).unwrap_err(), Stop::RetryStorm { at: SimTime::ZERO });
    }
}

/// A budget without a token.
fn no_budget() -> GateConfig {
    let config = RatioBudgetConfig::new(Tokens::new(0.0), 0.0, Span::secs(10));
    GateConfig::new(GateRule::RatioBudget(config), Scope::Client)
}

/// A refused hedge fails no call. A refused retry does, unless something is still open: what becomes of that decides then.
#[test]
fn what_refusals_cost() {
    let timeout = || HedgeConfig { trigger: Trigger::Timeout, extra: 0, ..HedgeConfig::after(Span::ZERO) };
    for (case, hedge, service, good, refused, cost) in [
        // The failure asks for a hedge, and when that is refused, for a retry.
        ("at once", HedgeConfig::after(MS(200)), 100, false, 2.0, 1.0),
        ("later", HedgeConfig::after(MS(200)), 600, false, 2.0, 1.0),
        ("won", HedgeConfig::after(MS(200)), 600, true, 1.0, 0.0),
        ("lingers and wins", timeout(), 1_000, true, 1.0, 0.0),
        // The refusal was not the end of the call.
        ("lingers and fails", timeout(), 1_000, false, 1.0, 0.0),
        ("lingers to the deadline", timeout(), 9_000, true, 1.0, 0.0),
    ] {
        let late_errors = if good { vec![] } else { vec![(503, 1.0)] };
        let fates = Fates { late_errors, ..Fates::default() };
        let server = ServerConfig { workers: None, service_time: constant(service), fates, ..one_worker() };
        let policy = RetryPolicy { timeout: Some(MS(700)), deadline: Some(MS(5_000)), ..tries(2) };
        let result = run_first(&burst(1, server).with_policy("p", policy, &[no_budget()]).hedged(hedge));
        let failed = f64::from(u8::from(!case.ends_with("won") && !case.ends_with("wins")));
        check(case, &result, &[("attempts", 1.0), ("failed", failed), ("failed_by_budget", cost)]);
        check(case, &result, &[("budget_refused", refused), ("hedges_refused", 0.0)]);
    }
}

/// A retry draws anew, whatever a hedge has drawn that was refused.
#[test]
fn each_draws_for_itself() {
    let fates = Fates { late_errors: vec![(503, 1.0)], ..Fates::default() };
    let server = ServerConfig { workers: None, service_time: constant(300), fates, ..one_worker() };
    let throttle = GateRule::AdaptiveThrottle(AdaptiveThrottleConfig { k: 1.0, window: Span::secs(60) });
    let throttle = GateConfig::new(throttle, Scope::Client);
    let scenario =
        burst(10_000, server).in_world(|world| world.clients = 10_000).with_policy("p", tries(2), &[throttle]);
    let result = run_first(&scenario.hedged(HedgeConfig::after(MS(200))));
    // One request and no success: half of the hedges are refused. Two of them: two thirds of the retries are, and then three quarters of the
    // hedges of those that are left. Nothing but the first attempt comes of half of two thirds.
    for (metric, expected) in [
        ("hedges", 5_833.0),
        ("throttled", 14_167.0),
        ("failed_by_throttle", 6_667.0),
        ("duplicated_operations", 6_667.0),
    ] {
        let got = value(&result, metric).unwrap_or_default();
        assert!((got - expected).abs() < 300.0, "{metric} is {got}, expected {expected}");
    }
}

/// What is known of open attempts takes memory, even where nothing else moves; so does what was seen.
#[test]
fn memory_is_counted() {
    let bytes = |clients, hedge: HedgeConfig| {
        let fates = Fates { lost_requests: 1.0, ..Fates::default() };
        let server = ServerConfig { fates, ..ServerConfig::named("s") };
        let scenario = burst(1_000, server).in_world(|world| world.clients = clients).with_policy("p", tries(1), &[]);
        run_first(&scenario.hedged(hedge)).state_bytes as f64
    };
    let at_once = |extra| HedgeConfig { extra, ..HedgeConfig::after(Span::ZERO) };
    let (few, many) = (bytes(1, at_once(1)), bytes(1, at_once(31)));
    assert!((many - few) / 1_000.0 > 28.0 * 40.0, "28 more places for each: {few} and {many}");
    let percentile = Trigger::Percentile { at: 0.5, window: Span::secs(30), min: Span::ZERO };
    let lately = |scope| HedgeConfig { trigger: percentile.clone(), scope, ..at_once(1) };
    let (one, each) = (bytes(10_000, lately(Scope::Fleet)), bytes(10_000, lately(Scope::Client)));
    assert!((each - one) / 10_000.0 > 100.0, "{one} and {each}");
}

/// What is open when the run ends.
#[test]
fn the_run_ends_first() {
    let server = ServerConfig { workers: None, service_time: constant(60_000), ..one_worker() };
    let scenario = Scenario::new(MS(10_000), Arrivals::Burst { operations: 2, at: MS(0), every: None }, server)
        .with_policy("p", RetryPolicy::default(), &[])
        .hedged(HedgeConfig::after(MS(200)));
    check("open", &run_first(&scenario), &[("unresolved", 2.0), ("attempts", 4.0), ("outcome_open", 4.0)]);
}
