//! Operations of several steps: what is done in which order, and what is counted of each.

use std::sync::Arc;

use simlab::flow::{OnFailure, Step, When};
use simlab::protocol::Method;
use simlab::retry::{OutcomeClass, OutcomeSet};
use simlab::scenario::Fates;
use simlab::scenario::call::{CallConfig, ClientRules};

use super::*;

/// Three servers that need 100 ms, and a step at each.
fn three_steps(change: impl FnOnce(&mut Vec<CallConfig>)) -> Scenario {
    let names = ["api", "db", "last"];
    let server = |name: &str| ServerConfig { service_time: constant(100), ..ServerConfig::named(name) };
    burst(1, server(names[0])).in_world(|world| {
        world.servers = names.map(server).to_vec();
        let steps = ["one", "two", "three"].into_iter().zip(0..);
        world.operation.steps = steps.map(|(name, at)| CallConfig::to(name, at, Method::Post)).collect();
        change(&mut world.operation.steps);
    })
}

fn failing(scenario: Scenario, server: usize, status: u16) -> Scenario {
    scenario.in_world(|world| {
        world.servers[server].fates = Fates { failures: vec![(status, 1.0)], ..Fates::default() };
    })
}

#[test]
fn steps_follow_each_other() {
    let result = run(&three_steps(|_| {}), tries(3));
    check("all", &result, &[("succeeded", 1.0), ("latency_max", 0.3), ("attempts", 3.0), ("retries", 0.0)]);
    check("all", &result, &[("effects", 3.0), ("duplicates", 0.0), ("effects.step.two", 1.0)]);
    check("all", &result, &[("attempts_per_call", 1.0), ("attempts_per_call.step.three", 1.0)]);
    let result = run(&failing(three_steps(|_| {}), 1, 500), tries(3));
    // What was done before is done.
    check("stops", &result, &[("failed", 1.0), ("attempts", 4.0), ("retries", 2.0), ("half_done", 1.0)]);
    check("stops", &result, &[("attempts.step.two", 3.0), ("failed.step.two", 1.0), ("attempts.step.three", 0.0)]);
    check("stops", &result, &[("succeeded.step.one", 1.0), ("failure_latency_p50", 0.4), ("effects", 1.0)]);
}

#[test]
fn conditions() {
    let fallback = |steps: &mut Vec<CallConfig>| {
        steps[0].step.on_failure = OnFailure::GoOn;
        steps[1].step.when = When::Failed(0);
        steps[2].step.when = When::Succeeded(1);
    };
    let result = run(&three_steps(fallback), tries(1));
    check("works", &result, &[("succeeded", 1.0), ("attempts", 1.0), ("latency_max", 0.1)]);
    let result = run(&failing(three_steps(fallback), 0, 500), tries(1));
    check("falls back", &result, &[("succeeded", 1.0), ("attempts", 3.0), ("latency_max", 0.3)]);
    check("falls back", &result, &[("failed.step.one", 1.0), ("succeeded.step.two", 1.0), ("effects", 2.0)]);
    let seldom = three_steps(|steps| steps[1].step.when = When::Share(0.25))
        .in_world(|world| world.arrivals = Arrivals::Burst { operations: 10_000, at: Span::ZERO, every: None });
    let made = value(&run(&seldom, tries(1)), "attempts.step.two").expect("a number");
    assert!((made - 2_500.0).abs() < 4.0 * 43.3, "a quarter: {made}");
}

#[test]
fn starting_over() {
    let on = OutcomeSet::new(vec![OutcomeClass::Status(409)]);
    let again = |steps: &mut Vec<CallConfig>| {
        steps[1].step = Step {
            when: When::Always,
            on_failure: OnFailure::StartOver { on: Box::new(on.clone()), times: 2 },
            committed_with: None,
        };
    };
    let result = run(&failing(three_steps(again), 1, 409), tries(1));
    check("conflicts", &result, &[("failed", 1.0), ("attempts.step.one", 3.0), ("attempts.step.two", 3.0)]);
    // The first step was repeated.
    check("conflicts", &result, &[("duplicates", 2.0), ("duplicates.step.one", 2.0), ("attempts.step.three", 0.0)]);
    let result = run(&failing(three_steps(again), 1, 500), tries(1));
    check("other", &result, &[("failed", 1.0), ("attempts.step.one", 1.0)]);
}

/// A step has the row's rules, or its own, or the row's for that step.
#[test]
fn whose_rules() {
    let rules = |attempts| ClientRules { policy: Arc::new(tries(attempts)), ..ClientRules::default() };
    let world = |own: bool| failing(three_steps(|steps| steps[0].rules = own.then(|| rules(4))), 0, 500);
    check("row's", &run(&world(false), tries(2)), &[("attempts", 2.0)]);
    check("own", &run(&world(true), tries(2)), &[("attempts", 4.0)]);
    let mut scenario = world(true).with_policy("p", tries(2), &[]);
    scenario.policies[0].members[0].steps = vec![(0, rules(7))];
    let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
    check("row's for it", &sim::run(&scenario, 0, 0, limits).expect("an end"), &[("attempts", 7.0)]);
}
