//! Replicas behind one name, of which some are dead: what becomes of calls that are retried somewhere.

use simlab::endpoint::{Balance, EndpointRules, RetryHost};
use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::{GateConfig, GateRule, OnRefusal, Scope};
use simlab::hedge::HedgeConfig;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{Fates, Fault, Scenario, ServerConfig};
use simlab::units::{SimTime, Span};

use super::{check, open_loop, run};

/// The first `dead` of so many replicas refuse everything, and the client tries so often, at once.
fn some_dead(replicas: u32, dead: u32, balance: Balance, attempts: u32, retry_host: RetryHost) -> Scenario {
    let server = ServerConfig { replicas, balance, ..ServerConfig::named("s") };
    let fault = |replica: u32| Fault {
        replica: Some(replica),
        fates: Fates { refused: 1.0, ..Fates::default() },
        ..Fault::named(&format!("dead-{replica}"), 0, SimTime::ZERO, SimTime::NEVER)
    };
    let policy = RetryPolicy { attempts: Some(attempts), backoff: Backoff::none(), ..RetryPolicy::default() };
    let mut scenario = open_loop(200.0, 500, server)
        .in_world(|world| world.faults = (0..dead).map(fault).collect())
        .with_policy("retry", policy, &[]);
    scenario.policies[0].rules_mut().endpoints = EndpointRules { retry_host, ejection: None };
    scenario
}

/// Random hosts, d of n dead: 1 − (d/n)^k after k attempts, and as many attempts as a geometric law says that is cut at k.
#[test]
fn random_hosts_are_drawn_again() {
    for (replicas, dead, attempts) in [(4, 1, 1), (4, 1, 2), (4, 1, 3), (4, 1, 5), (5, 3, 4)] {
        let share = f64::from(dead) / f64::from(replicas);
        let failing = share.powi(attempts);
        let result = run(&some_dead(replicas, dead, Balance::Random, attempts as u32, RetryHost::Any));
        let case = format!("{dead} of {replicas} dead, {attempts} attempts");
        check(&case, &result, "success_rate", 1.0 - failing, 0.003);
        check(&case, &result, "attempts_per_operation", (1.0 - failing) / (1.0 - share), 0.005);
        let first = format!("{case}, at the first");
        check(
            &first,
            &result,
            "attempts.server.s.1",
            90_000.0 * (1.0 - failing) / (1.0 - share) / f64::from(replicas),
            400.0,
        );
    }
}

/// Each at another host: all succeed once there are more attempts than hosts that are dead. With fewer, k of d dead of n are drawn without putting
/// back.
#[test]
fn other_hosts_are_new() {
    let hypergeometric = |replicas: i32, dead: i32, attempts: i32| {
        (0..attempts).map(|drawn| f64::from(dead - drawn) / f64::from(replicas - drawn)).product::<f64>()
    };
    for (replicas, dead, attempts) in [(4, 1, 2), (5, 3, 2), (5, 3, 3), (5, 3, 4)] {
        let failing = hypergeometric(replicas, dead, attempts);
        let scenario = some_dead(replicas as u32, dead as u32, Balance::Random, attempts as u32, RetryHost::Other);
        let result = run(&scenario);
        let case = format!("{dead} of {replicas} dead, {attempts} attempts at other hosts");
        check(&case, &result, "success_rate", 1.0 - failing, 0.003);
        if attempts > dead {
            let rate = result.named("success_rate").expect("it is measured");
            assert!(rate.values.iter().all(|rate| *rate == Some(1.0)), "{case}: {:?}", rate.values);
        }
    }
}

/// In turn, at any host: of two attempts in a row at most one meets the only dead one, if no other operation comes between.
#[test]
fn in_turn_the_next_host_is_another_one() {
    let result = run(&some_dead(4, 1, Balance::RoundRobin, 2, RetryHost::Any));
    let rate = result.named("success_rate").expect("it is measured");
    assert!(rate.values.iter().all(|rate| *rate == Some(1.0)), "{:?}", rate.values);
    // Every fourth attempt fails, and each that fails is one more: a = 1 + a / 4.
    check("in turn", &result, "attempts_per_operation", 4.0 / 3.0, 0.005);
}

/// A replica that refuses at once never has anything in flight: who looks for the emptiest finds it more often than chance does, and always, where
/// others are never empty.
#[test]
fn a_dead_replica_draws_attempts() {
    let busy = |balance| {
        let mut scenario = some_dead(2, 1, balance, 1, RetryHost::Any);
        scenario.world_mut().servers[0].service_time = simlab::distribution::Distribution::Constant(Span::secs(1));
        run(&scenario)
    };
    check("random", &busy(Balance::Random), "success_rate", 0.5, 0.005);
    // Of 200 a second the other one has at least one in flight but in the first second of those that came to it before.
    let result = busy(Balance::LeastInFlight);
    let rate = result.named("success_rate").expect("it is measured");
    assert!(rate.values.iter().all(|rate| rate.is_some_and(|rate| rate == 0.0)), "{:?}", rate.values);
}

/// A hedge at another host is answered where the first attempt hangs.
#[test]
fn a_hedge_at_another_host_saves_a_call() {
    for (retry_host, succeeded) in [(RetryHost::Any, 1.0 - 0.25 * 0.25), (RetryHost::Other, 1.0)] {
        let mut scenario = some_dead(4, 1, Balance::Random, 1, retry_host).hedged(HedgeConfig::after(Span::millis(50)));
        scenario.world_mut().faults[0].fates = Fates { hangs: 1.0, ..Fates::default() };
        scenario.policies[0].rules_mut().policy =
            std::sync::Arc::new(RetryPolicy { timeout: Some(Span::secs(1)), ..RetryPolicy::default() });
        let result = run(&scenario);
        check(&format!("{retry_host:?}"), &result, "success_rate", succeeded, 0.003);
        check(&format!("{retry_host:?}"), &result, "attempts_per_operation", 1.25, 0.005);
    }
}

/// With a breaker for each replica that has opened for good, a refusal is tried again wherever it is drawn: of two draws both meet the dead one of
/// four once in sixteen.
#[test]
fn a_refusal_is_drawn_again() {
    let mut scenario = some_dead(4, 1, Balance::Random, 2, RetryHost::Any);
    let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(100_000), 1));
    let gate = GateConfig { on_refusal: OnRefusal::Retry, ..GateConfig::new(rule, Scope::Replica) };
    scenario.policies[0].rules_mut().gates = vec![gate];
    let result = run(&scenario);
    check("a breaker each", &result, "success_rate", 1.0 - 1.0 / 16.0, 0.003);
    // What is refused is not sent.
    check("a breaker each", &result, "attempts_per_operation", 1.0 - 1.0 / 16.0, 0.003);
}
