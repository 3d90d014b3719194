//! What is counted, where and until when.

use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::budget::{DepositOn, TokenBudgetConfig, Tokens};
use simlab::gate::limiter::{OnLimit, RateLimiterConfig};
use simlab::gate::{GateChain, GateConfig, GateRule, OnRefusal, Scope};
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Fault, Flapping, Per, RateLimit, Scenario, ServerConfig};
use simlab::units::{SimTime, Span};

use super::{MS, at, burst, check, constant, fault, one_worker, run, tries, try_run, value};

/// A server that refuses everything, at once.
fn refuses() -> ServerConfig {
    ServerConfig { fates: Fates { refused: 1.0, ..Fates::default() }, ..ServerConfig::named("s") }
}

/// One operation at every so many ms from 0 on.
fn every(ms: u64, seconds: u64, server: ServerConfig) -> Scenario {
    let arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: Some(MS(ms)) };
    burst(1, server)
        .framed(|frame| {
            frame.duration = Span::secs(seconds);
            frame.drain = Span::secs(seconds);
        })
        .in_world(|world| world.arrivals = arrivals)
}

fn breaker(failures: u32, open: Span) -> GateConfig {
    let config = ConsecutiveBreakerConfig::new(failures, open, 1);
    GateConfig::new(GateRule::ConsecutiveBreaker(config), Scope::Fleet)
}

/// What is open at the end of the run was open until then: its levels fill the timeline, and its attempts end there.
#[test]
fn what_is_open_lasts_to_the_end() {
    let mut scenario = burst(3, one_worker());
    scenario.world_mut().faults = vec![Fault { freeze: true, until: SimTime::NEVER, ..fault(50, 60) }];
    let result = run(&scenario, RetryPolicy::default());
    check("frozen", &result, &[("unresolved", 3.0), ("outcome_open", 3.0), ("utilisation", 1.0), ("queue_max", 2.0)]);
    check("frozen", &result, &[("in_flight_mean", 3.0), ("wasted_work", 1.0)]);
    let (holding, waiting) = (&result.timeline.in_flight, &result.timeline.queue);
    assert_eq!((holding.len(), waiting.len()), (20, 20), "a bin per second of duration and drain");
    assert!(holding[1..].iter().all(|n| *n == 3.0) && waiting[1..].iter().all(|n| *n == 2.0), "{holding:?}");
    let shorter = scenario.framed(|frame| frame.drain = MS(5_000));
    assert_ne!(run(&shorter, RetryPolicy::default()).digest, result.digest, "attempts end where the run does");
}

/// What gates and rate limits remember of each client is state of the run, and is what was expected of it beforehand.
#[test]
fn what_is_remembered_of_clients_is_state() {
    let clients = 1_000;
    let bare = burst(1, one_worker()).in_world(|world| world.clients = clients);
    let bytes = |scenario: &Scenario, gates: &[GateConfig]| {
        try_run(scenario, tries(1), gates).expect("the run comes to its end").state_bytes
    };
    let alone = bytes(&bare, &[]);
    let mut limited = bare.clone();
    let limit = RateLimit { rate: 1.0, burst: 1.0, per: Per::Client, status: 429, retry_after: false, ban: None };
    limited.world_mut().servers[0].rate_limit = Some(limit);
    assert_eq!(bytes(&limited, &[]), alone + 8 * u64::from(clients));
    let budget = TokenBudgetConfig::new(Tokens::new(1.0), Tokens::new(1.0), Tokens::new(1.0));
    let budget = |scope| GateConfig::new(GateRule::TokenBudget(budget.clone()), scope);
    let (fleet, own) = (bytes(&bare, &[budget(Scope::Fleet)]), bytes(&bare, &[budget(Scope::Client)]));
    assert_eq!(own, fleet + 8 * u64::from(clients - 1));
    assert_eq!(GateChain::most_bytes(&[budget(Scope::Client)], clients, 1), 8 * u64::from(clients));
}

/// A run is over when nothing is open; a fault that flaps for ever does not keep it going, nor does an open breaker.
#[test]
fn a_run_ends_when_nothing_is_open() {
    let mut scenario = burst(1, one_worker());
    let flapping = Flapping { mean_on: MS(1), mean_off: MS(1) };
    scenario.world_mut().faults = vec![Fault { flapping: Some(flapping), until: SimTime::NEVER, ..fault(0, 1) }];
    let result = run(&scenario, tries(1));
    assert_eq!(result.timeline.attempts.len(), 1);
    assert!(result.events < 1_000, "{}", result.events);
    // Work that goes on after its client has given up keeps the run going.
    let policy = RetryPolicy { timeout: Some(MS(10)), ..RetryPolicy::default() };
    let slow = ServerConfig { service_time: constant(3_000), ..one_worker() };
    check("slow", &run(&burst(1, slow), policy), &[("executions", 1.0), ("utilisation", 0.3)]);
    // Without a drain, what is open at the end of the demand stays unresolved; at the last instant nothing happens any more.
    let scenario = burst(3, one_worker()).framed(|frame| {
        frame.drain = Span::ZERO;
        frame.duration = MS(200);
    });
    check("no drain", &run(&scenario, tries(1)), &[("succeeded", 1.0), ("unresolved", 2.0), ("outcome_open", 2.0)]);
}

/// A duration of 1 ns is a duration.
#[test]
fn one_nanosecond() {
    let scenario = burst(2, ServerConfig::named("s")).framed(|frame| {
        frame.duration = Span(1);
        frame.drain = Span::ZERO;
    });
    check("1 ns", &run(&scenario, tries(1)), &[("operations", 2.0), ("succeeded", 2.0)]);
    let scenario = burst(2, one_worker()).framed(|frame| {
        frame.duration = Span(1);
        frame.drain = Span::ZERO;
    });
    check("1 ns", &run(&scenario, tries(1)), &[("unresolved", 2.0)]);
}

/// Where nothing is measured, means and rates have no value; they are not infinite, and not "not a number".
#[test]
fn nothing_measured() {
    for warmup in [MS(10_000), MS(20_000), Span::MAX] {
        let result = run(&burst(3, one_worker()).framed(|frame| frame.warmup = warmup), tries(2));
        for (measure, value) in &result.metrics {
            assert!(value.is_none_or(|value| value.is_finite()), "{measure:?} is {value:?}");
        }
        check("none", &result, &[("operations", 0.0), ("attempts", 0.0)]);
        assert_eq!(value(&result, "success_rate"), None);
        assert_eq!(value(&result, "goodput"), None);
        assert_eq!(value(&result, "utilisation"), None);
    }
}

/// Operations that start in the warm-up are not measured; their work is, where it falls into the window.
#[test]
fn the_warm_up_cuts_operations_off_and_clips_work() {
    let scenario = burst(5, one_worker()).framed(|frame| frame.warmup = MS(150));
    let result = run(&scenario, tries(1));
    check("warm-up", &result, &[("operations", 0.0), ("executions", 0.0), ("load_mean", 0.0), ("goodput", 4.0 / 9.85)]);
    check("warm-up", &result, &[("utilisation", 0.35 / 9.85), ("wasted_work", 0.0), ("peak_goodput", 4.0)]);
    // Three wait when the measured part begins.
    check("warm-up", &result, &[("queue_max", 3.0)]);
    assert_eq!(value(&result, "wait_mean"), None);
    // At 100 ms one is taken up before the measured part begins at that instant.
    let result = run(&scenario.framed(|frame| frame.warmup = MS(100)), tries(1));
    check("warm-up at an edge", &result, &[("queue_max", 3.0)]);
}

/// The end of the demand clips as well, on both sides of each ratio.
#[test]
fn the_end_of_the_demand_clips_work() {
    let scenario = burst(3, one_worker()).framed(|frame| {
        frame.duration = MS(150);
        frame.drain = MS(10_000);
    });
    let policy = RetryPolicy { timeout: Some(MS(250)), ..RetryPolicy::default() };
    let result = run(&scenario, policy);
    // Busy from 0 to 300, of which [0, 150) counts; the third one's work is in vain, but not in the window.
    check("clipped", &result, &[("utilisation", 1.0), ("wasted_work", 0.0), ("succeeded", 2.0), ("executions", 3.0)]);
    check("clipped", &result, &[("goodput", 1.0 / 0.15), ("in_flight_mean", 1.0 + 1.0 + 100.0 / 150.0)]);
}

/// A refusal is no attempt: an operation can fail with none, at once.
#[test]
fn a_refusal_is_no_attempt() {
    let scenario = every(100, 1, refuses());
    let policy = tries(1);
    let result = try_run(&scenario, policy, &[breaker(2, Span::secs(60))]).unwrap();
    check("breaker", &result, &[("operations", 10.0), ("failed", 10.0), ("attempts", 2.0), ("breaker_refused", 8.0)]);
    check("breaker", &result, &[("attempts_per_operation", 0.2), ("attempts_per_call", 0.2), ("breaker_opened", 1.0)]);
    check("breaker", &result, &[("failure_latency_p99", 0.0), ("load_mean", 2.0)]);
    assert_eq!(result.timeline.refused, [8.0]);
    // Half-open after 250 ms: one probe, which fails.
    let result = try_run(&scenario, tries(1), &[breaker(2, MS(250))]).unwrap();
    check("half-open", &result, &[("attempts", 4.0), ("breaker_opened", 3.0), ("breaker_refused", 6.0)]);
    // What happened in the warm-up is not measured: the openings at 100 and 400 ms.
    let warm = scenario.framed(|frame| frame.warmup = MS(500));
    let result = try_run(&warm, tries(1), &[breaker(2, MS(250))]).unwrap();
    check("warm-up", &result, &[("operations", 5.0), ("breaker_opened", 1.0), ("breaker_refused", 4.0)]);
}

/// What refusals cost: the operations that one of them was the end of, by gate, and those that failed with nothing sent.
#[test]
fn what_a_refusal_costs() {
    let retrying = |gate: GateConfig| GateConfig { on_refusal: OnRefusal::Retry, ..gate };
    // One operation tells the breaker; to the nine others it is shut.
    let scenario = every(100, 1, refuses());
    let shut = || breaker(1, Span::secs(60));
    let result = try_run(&scenario, tries(1), &[shut()]).unwrap();
    check(
        "breaker",
        &result,
        &[("failed_by_breaker", 9.0), ("failed_without_attempt", 9.0), ("failed_by_budget", 0.0)],
    );
    let warm = scenario.clone().framed(|frame| frame.warmup = MS(500));
    let result = try_run(&warm, tries(1), &[shut()]).unwrap();
    check("warm-up", &result, &[("failed_by_breaker", 5.0), ("failed_without_attempt", 5.0)]);
    // All ten have three attempts. The first sends one of them, and is refused the others; the last refusal is the end of each.
    let result = try_run(&scenario, tries(3), &[retrying(shut())]).unwrap();
    check("used up", &result, &[("attempts", 1.0), ("breaker_refused", 29.0)]);
    check("used up", &result, &[("failed_by_breaker", 10.0), ("failed_without_attempt", 9.0)]);
    // Those that are refused 20 ms before their deadline have no time for another wait of 50 ms.
    let policy = RetryPolicy { backoff: Backoff::fixed(MS(50)), deadline: Some(MS(70)), ..tries(9) };
    let result = try_run(&scenario, policy, &[retrying(shut())]).unwrap();
    check(
        "too late",
        &result,
        &[("breaker_refused", 19.0), ("failed_by_breaker", 10.0), ("failed_without_attempt", 9.0)],
    );
    // Half-open again after 30 ms: the refusals before that, at 10 and 20 ms, cost nobody anything.
    let policy = RetryPolicy { backoff: Backoff::fixed(MS(10)), ..tries(4) };
    let down = Fault { fates: Fates { refused: 1.0, ..Fates::default() }, ..fault(0, 5) };
    let for_long = every(100, 1, ServerConfig::named("s")).in_world(|world| world.faults = vec![down]);
    let result = try_run(&for_long, policy, &[retrying(breaker(1, MS(30)))]).unwrap();
    check("in between", &result, &[("succeeded", 10.0), ("breaker_refused", 2.0), ("failed_by_breaker", 0.0)]);

    // A budget without a token: each operation has sent its first attempt.
    let config = TokenBudgetConfig {
        initial: Tokens::new(0.0),
        ..TokenBudgetConfig::new(Tokens::new(2.0), Tokens::new(1.0), Tokens::new(0.5))
    };
    let budget = GateConfig::new(GateRule::TokenBudget(config), Scope::Fleet);
    let result = try_run(&burst(7, refuses()), tries(3), &[budget]).unwrap();
    check("budget", &result, &[("failed", 7.0), ("failed_by_budget", 7.0), ("failed_without_attempt", 0.0)]);

    // A token every second. The first operation has one; the others are refused, or know at once that theirs comes too late.
    let limiter = |on_limit| {
        let config = RateLimiterConfig { rate: 1.0, burst: 1.0, on_limit };
        GateConfig::new(GateRule::RateLimiter(config), Scope::Fleet)
    };
    let policy = RetryPolicy { deadline: Some(MS(500)), ..tries(1) };
    for (on_limit, refused) in [(OnLimit::Refuse, 4.0), (OnLimit::Wait, 0.0)] {
        let result = try_run(&burst(5, ServerConfig::named("s")), policy.clone(), &[limiter(on_limit)]).unwrap();
        check("limiter", &result, &[("failed", 4.0), ("limiter_refused", refused), ("failed_by_limiter", refused)]);
        check("limiter", &result, &[("failed_without_attempt", 4.0)]);
    }
}

/// A budget is charged before the wait; when it refuses, the call fails at once, without the wait.
#[test]
fn a_budget_is_charged_before_the_wait() {
    let budget = |deposit_on| {
        let config = TokenBudgetConfig {
            deposit_on,
            ..TokenBudgetConfig::new(Tokens::new(2.0), Tokens::new(1.0), Tokens::new(0.5))
        };
        GateConfig::new(GateRule::TokenBudget(config), Scope::Fleet)
    };
    let policy = RetryPolicy { backoff: Backoff::fixed(Span::secs(5)), ..tries(2) };
    let scenario = burst(4, refuses());
    let result = try_run(&scenario, policy.clone(), &[budget(DepositOn::Success)]).unwrap();
    check("on success", &result, &[("retries", 2.0), ("budget_refused", 2.0), ("failure_latency_p50", 0.0)]);
    // A bucket that is full takes no deposit: tokens before each failure are 2, 1.5, 1, 0.5.
    let result = try_run(&scenario, policy, &[budget(DepositOn::FirstAttempt)]).unwrap();
    check("on first attempts", &result, &[("retries", 3.0), ("budget_refused", 1.0)]);
}

/// Peaks are of windows aligned at 0, those after a fault of windows aligned at its end; the warm-up counts for neither.
#[test]
fn peaks() {
    let mut scenario = every(300, 10, ServerConfig::named("s"));
    // 0 300 600 900 | 1200 1500 1800 | 2100 2400 2700 | 3000 3300 3600 3900 | …
    let result = run(&scenario, tries(1));
    check("peak", &result, &[("peak_load", 4.0), ("load_mean", 3.4), ("peak_ratio", 4.0 / 3.4)]);
    assert_eq!(result.peak_at, SimTime::ZERO);
    scenario.frame.warmup = MS(900);
    let result = run(&scenario, tries(1));
    assert_eq!((value(&result, "peak_load"), result.peak_at), (Some(4.0), at(3_000)));
    scenario.frame.peak_window = MS(250);
    check("short window", &run(&scenario, tries(1)), &[("peak_load", 4.0)]);
    // 600 900 1200 1500 | 1800 … counted from 600.
    scenario.frame.peak_window = MS(1_000);
    scenario.frame.duration = MS(1_000);
    assert_eq!(value(&run(&scenario, tries(1)), "recovery_peak"), None);
    scenario.frame.duration = MS(3_000);
    scenario.world_mut().faults = vec![Fault { slowdown: 2.0, ..fault(100, 600) }];
    check("recovery", &run(&scenario, tries(1)), &[("recovery_peak", 4.0)]);
    // A fault that does not end within the run has no recovery.
    scenario.world_mut().faults.push(Fault { slowdown: 2.0, ..fault(0, 1_000_000) });
    check("another without end", &run(&scenario, tries(1)), &[("recovery_peak", 4.0)]);
    scenario.world_mut().faults.remove(0);
    let result = run(&scenario, tries(1));
    assert_eq!((value(&result, "recovery_peak"), value(&result, "time_to_recover")), (None, None));
}

/// An effect that comes after the operation has failed is a phantom success all the same.
#[test]
fn late_effects_count() {
    let server = ServerConfig { network: constant(50), ..one_worker() };
    let policy = RetryPolicy { timeout: Some(MS(20)), ..RetryPolicy::default() };
    let result = run(&burst(2, server.clone()), policy.clone());
    check("late", &result, &[("failed", 2.0), ("phantom_successes", 2.0), ("executions", 2.0)]);
    // Cut off by the end of the run: only what was done by then exists.
    let scenario = burst(2, server).framed(|frame| {
        frame.duration = MS(100);
        frame.drain = MS(100);
    });
    check("cut off", &run(&scenario, policy), &[("failed", 2.0), ("phantom_successes", 1.0), ("unresolved", 0.0)]);
}

/// A breaker's level and the queue's stand in the timeline as they were when a bin began.
#[test]
fn levels_are_those_at_the_start_of_a_bin() {
    let slow = ServerConfig { service_time: constant(1_000), ..one_worker() };
    let policy = RetryPolicy::default();
    // Served until 1, 2, 3, 4 s: what happens at a bin's very start belongs to the bin.
    let result = run(&burst(4, slow), policy);
    assert_eq!(result.timeline.queue, [0.0, 3.0, 2.0, 1.0, 0.0]);
    assert_eq!(result.timeline.in_flight, [0.0, 4.0, 3.0, 2.0, 1.0]);
    assert_eq!(result.timeline.goodput, [0.0, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(result.timeline.operations, [4.0, 0.0, 0.0, 0.0, 0.0]);
}

/// In time is what succeeds within the `slo`, its last nanosecond included; of all operations, the failed ones too.
#[test]
fn in_time_counts_successes_within_the_slo() {
    // Served one after the other: at 100, 200 and 300 ms; the fourth finds no place.
    let server = ServerConfig { queue: Some(2), ..one_worker() };
    for (slo, share) in
        [(None, f64::NAN), (Some(MS(200)), 0.5), (Some(Span(MS(200).0 - 1)), 0.25), (Some(MS(900)), 0.75)]
    {
        let result = run(&burst(4, server.clone()).framed(|frame| frame.slo = slo), tries(1));
        let got = value(&result, "in_time_rate");
        assert_eq!(got, Some(share).filter(|share| share.is_finite()), "slo {slo:?}");
    }
}
