//! Limits beside the number of attempts, through the whole simulator.

use simlab::gate::budget::{TokenBudgetConfig, Tokens};
use simlab::gate::{GateConfig, GateRule, Scope};
use simlab::retry::{AtLimit, Backoff, Cause, Free, Limits, OutcomeClass, OutcomeSet, RetryFor, RetryPolicy};
use simlab::scenario::{Fates, Fault, ServerConfig};

use super::{MS, burst, check, fault, one_worker, run, tries, try_run};

fn on(classes: &[OutcomeClass]) -> OutcomeSet {
    OutcomeSet::new(classes.to_vec())
}

fn limited(policy: RetryPolicy, causes: Vec<Cause>, free: Option<Free>) -> RetryPolicy {
    RetryPolicy { limits: Some(Box::new(Limits { causes, free })), ..policy }
}

fn refuses() -> ServerConfig {
    ServerConfig { fates: Fates { refused: 1.0, ..Fates::default() }, ..one_worker() }
}

/// Two retries while connections are refused, three more when it answers with errors: attempts at 0, 100, 200 are refused, those at 300, 400, 500 fail.
#[test]
fn each_cause_has_its_own() {
    let causes = vec![
        Cause { on: on(&[OutcomeClass::Refused]), retries: 3 },
        Cause { on: on(&[OutcomeClass::ServerErrors]), retries: 2 },
    ];
    let policy = limited(RetryPolicy { backoff: Backoff::fixed(MS(100)), ..tries(20) }, causes, None);
    let failing = ServerConfig { fates: Fates { errors: vec![(503, 1.0)], ..Fates::default() }, ..one_worker() };
    let mut scenario = burst(1, failing);
    scenario.world_mut().faults = vec![Fault { fates: Fates { refused: 1.0, ..Fates::default() }, ..fault(0, 250) }];
    let result = run(&scenario, policy.clone());
    check("both", &result, &[("outcome_connection", 3.0), ("outcome_503", 3.0), ("failure_latency_p50", 0.5)]);
    // Only the first is used up.
    let result = run(&burst(1, refuses()), policy);
    check("one", &result, &[("outcome_connection", 4.0), ("failure_latency_p50", 0.3)]);
}

/// An attempt takes 100 ms to fail, and waits are 200 ms long: the second wait, from 400 to 600 ms, is not begun, ends late, or ends at 500 ms.
#[test]
fn rules_of_a_limit_on_time() {
    let failing = ServerConfig { fates: Fates { failures: vec![(503, 1.0)], ..Fates::default() }, ..one_worker() };
    for (rule, attempts, failed_at) in
        [(AtLimit::Fits, 2.0, 0.4), (AtLimit::Elapsed, 3.0, 0.7), (AtLimit::Cut, 3.0, 0.6)]
    {
        let retry_for = Some(RetryFor { limit: MS(500), rule });
        let policy = RetryPolicy { retry_for, backoff: Backoff::fixed(MS(200)), ..tries(9) };
        let result = run(&burst(1, failing.clone()), policy);
        check(&format!("{rule:?}"), &result, &[("attempts", attempts), ("failure_latency_p50", failed_at)]);
    }
    // Attempts are not ended by it.
    let policy = RetryPolicy { retry_for: Some(RetryFor { limit: MS(50), rule: AtLimit::Fits }), ..tries(9) };
    check("open", &run(&burst(1, one_worker()), policy), &[("succeeded", 1.0), ("latency_max", 0.1)]);
}

/// One retry at once, before those that count and wait; a budget without any tokens lets it pass.
#[test]
fn free_retries_are_attempts_to_the_server_only() {
    let free = |retries| Some(Free { on: on(&[OutcomeClass::Refused]), retries, first_only: true });
    let patient = RetryPolicy { backoff: Backoff::fixed(MS(100)), ..tries(2) };
    let result = run(&burst(1, refuses()), limited(patient.clone(), Vec::new(), free(1)));
    check("counted", &result, &[("attempts", 3.0), ("retries", 2.0), ("failure_latency_p50", 0.1)]);
    let result = run(&burst(1, refuses()), limited(patient.clone(), Vec::new(), free(5)));
    check("five", &result, &[("attempts", 7.0), ("failure_latency_p50", 0.1)]);
    let one = Tokens::new(1.0);
    let none = TokenBudgetConfig { initial: Tokens::new(0.0), ..TokenBudgetConfig::new(one, one, Tokens::new(0.0)) };
    let budget = GateConfig::new(GateRule::TokenBudget(none), Scope::Client);
    let policy = limited(patient, Vec::new(), free(1));
    let result = try_run(&burst(1, refuses()), policy, &[budget]).expect("the run comes to its end");
    check("budget", &result, &[("attempts", 2.0), ("budget_refused", 1.0), ("failure_latency_p50", 0.0)]);
}
