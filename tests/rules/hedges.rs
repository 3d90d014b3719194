//! Hedges: what the servers see of them, and what is counted where.

use simlab::hedge::{HedgeConfig, Losers, Trigger};
use simlab::scenario::{AbandonedWork, Arrivals, Scenario, ServerConfig};

use super::*;

/// So many workers that need a second, for one operation, hedged after 200 ms.
fn hedged(workers: u32, abandoned_work: AbandonedWork, losers: Losers) -> RunResult {
    let server = ServerConfig { workers: Some(workers), abandoned_work, service_time: constant(1_000), ..one_worker() };
    let scenario = burst(1, server).with_policy("p", RetryPolicy::default(), &[]);
    run_first(&scenario.hedged(HedgeConfig { losers, ..HedgeConfig::after(MS(200)) }))
}

fn run_first(scenario: &Scenario) -> RunResult {
    let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
    sim::run(scenario, 0, 0, limits).expect("the run comes to its end")
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
    let fast = ServerConfig { workers: None, service_time: constant(0), ..one_worker() };
    let scenario = burst(7, fast).with_policy("p", RetryPolicy::default(), &[]).hedged(three);
    check("at once", &run_first(&scenario), &[("outcome_200", 7.0), ("outcome_cancelled", 14.0), ("duplicates", 14.0)]);
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
