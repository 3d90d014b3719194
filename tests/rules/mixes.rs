//! Mixes: clients of several kinds at one server.

use std::sync::Arc;

use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::{GateConfig, GateRule, Scope};
use simlab::protocol::Method;
use simlab::scenario::call::{CallConfig, ClientRules};
use simlab::scenario::{Fates, Member, Operation};

use super::*;

fn member(name: &str, share: f64, policy: RetryPolicy) -> Member {
    Member { share, ..Member::all(name, ClientRules { policy: Arc::new(policy), ..ClientRules::default() }) }
}

fn run_mix(scenario: &Scenario, members: Vec<Member>) -> RunResult {
    let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
    sim::run(&scenario.clone().with_mix("mix", members), 0, 0, limits).expect("the run comes to its end")
}

/// A client each, and a server that makes the effect and then fails: who tries again does it again.
fn late_errors(clients: u32) -> Scenario {
    let fates = Fates { late_errors: vec![(500, 1.0)], ..Fates::default() };
    burst(u64::from(clients), ServerConfig { fates, ..ServerConfig::named("api") })
        .in_world(|world| world.clients = clients)
}

#[test]
fn each_member_follows_its_own_policy() {
    let members = vec![member("first", 0.5, RetryPolicy::default()), member("second", 0.5, tries(3))];
    let result = run_mix(&late_errors(1_000), members);
    let of = |name: &str| value(&result, name).unwrap_or_else(|| panic!("{name} has no value"));
    let (first, second) = (of("operations.member.first"), of("operations.member.second"));
    assert_eq!(first + second, 1_000.0);
    // Four standard deviations of a thousand tosses.
    assert!((first - 500.0).abs() < 64.0, "{first} of 1,000");
    check("first", &result, &[("attempts.member.first", first), ("duplicates.member.first", 0.0)]);
    check("first", &result, &[("phantom_successes.member.first", first), ("gone_wrong_rate.member.first", 2.0)]);
    check("second", &result, &[("attempts_per_operation.member.second", 3.0), ("duplicate_rate.member.second", 2.0)]);
    check("second", &result, &[("failed.member.second", second), ("success_rate.member.second", 0.0)]);
    check(
        "all",
        &result,
        &[
            ("attempts", first + 3.0 * second),
            ("duplicates", 2.0 * second),
            ("attempts_per_call", (first + 3.0 * second) / 1_000.0),
        ],
    );
}

/// The same shares make the same members, whatever they do; and a client stays what it is.
#[test]
fn a_client_belongs_to_one_member() {
    let scenario = late_errors(100).in_world(|world| {
        world.arrivals = Arrivals::Closed { think: constant(100) };
    });
    let operations = |policies: [RetryPolicy; 2]| {
        let [first, second] = policies;
        let result = run_mix(&scenario, vec![member("first", 0.3, first), member("second", 0.7, second)]);
        ["operations.member.first", "operations.member.second"].map(|name| value(&result, name).expect("a value"))
    };
    let [first, second] = operations([RetryPolicy::default(), RetryPolicy::default()]);
    // Every client makes as many as every other.
    assert_eq!(((first + second) % 100.0, first % ((first + second) / 100.0)), (0.0, 0.0), "{first} and {second}");
    assert_eq!(operations([tries(3), RetryPolicy::default()]), [first, second]);
    assert_eq!(operations([tries(2), tries(7)]), [first, second]);
}

/// A mix of one is the policy alone, and so is one of two that do the same.
#[test]
fn a_mix_of_equals_is_no_mix() {
    let scenario = late_errors(50).in_world(|world| world.servers[0].network = constant(10));
    let alone = run(&scenario, tries(3));
    for members in
        [vec![member("first", 1.0, tries(3))], vec![member("first", 0.2, tries(3)), member("second", 0.8, tries(3))]]
    {
        let mix = run_mix(&scenario, members);
        assert_eq!(mix.digest, alone.digest);
        for (measure, expected) in &alone.metrics {
            assert_eq!(mix.value(*measure), *expected, "{measure:?}");
        }
    }
}

/// A fleet is the clients of one member.
#[test]
fn a_fleet_is_of_one_member() {
    let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(60), 1));
    let mut first = member("first", 0.5, RetryPolicy::default());
    first.rules.gates = vec![GateConfig::new(rule, Scope::Fleet)];
    // The first failure of the first stops them all, and none of the others.
    let result = run_mix(&late_errors(1_000), vec![first, member("second", 0.5, RetryPolicy::default())]);
    check("fleet", &result, &[("attempts.member.first", 1.0), ("breaker_opened", 1.0)]);
    check("fleet", &result, &[("attempts_per_operation.member.second", 1.0)]);
}

/// Members may do something else: another method, another server, several steps.
#[test]
fn members_may_make_other_operations() {
    let put = Operation {
        server: 0,
        method: Method::Put,
        steps: Vec::new(),
        row: Default::default(),
        wanted: None,
        journal: Default::default(),
    };
    let steps = vec![CallConfig::to("one", 1, Method::Get), CallConfig::to("two", 0, Method::Post)];
    let other = |operation| Member { operation: Some(operation), ..member("second", 0.5, tries(3)) };
    let scenario = late_errors(1_000).in_world(|world| world.servers.push(ServerConfig::named("db")));
    let result = run_mix(&scenario, vec![member("first", 0.5, tries(3)), other(put)]);
    check("put", &result, &[("duplicates.member.second", 0.0), ("attempts_per_operation.member.second", 3.0)]);
    check("put", &result, &[("duplicate_rate.member.first", 2.0)]);
    let in_steps = Operation {
        server: 1,
        method: Method::Get,
        steps,
        row: Default::default(),
        wanted: None,
        journal: Default::default(),
    };
    let result = run_mix(&scenario, vec![member("first", 0.5, tries(3)), other(in_steps)]);
    let second = value(&result, "operations.member.second").expect("a value");
    // The second step is what makes effects, and what fails.
    check("steps", &result, &[("attempts_per_operation.member.second", 4.0), ("attempts.server.db", second)]);
    check("steps", &result, &[("duplicate_rate.member.second", 2.0), ("failed.member.second", second)]);
}
