//! A client's pool: attempts in flight at once, and who waits in line for a place.

use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::limiter::{OnLimit, RateLimiterConfig};
use simlab::gate::pool::PoolConfig;
use simlab::gate::{GateConfig, GateRule, OnRefusal, Scope};
use simlab::hedge::HedgeConfig;
use simlab::metrics::RunResult;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Fault, Scenario, ServerConfig};
use simlab::units::Span;

use super::{MS, burst, check, constant, fault, tries, try_run};

/// Any number of workers that need 100 ms.
fn server() -> ServerConfig {
    ServerConfig { service_time: constant(100), ..ServerConfig::named("s") }
}

/// A pool of the fleet.
fn pool(config: PoolConfig) -> GateConfig {
    GateConfig::new(GateRule::Pool(config), Scope::Fleet)
}

fn run(scenario: &Scenario, policy: RetryPolicy, gates: &[GateConfig]) -> RunResult {
    try_run(scenario, policy, gates).expect("the run comes to its end")
}

/// D/D/c: seven at once and three places are three batches. Each client has its own pool, unless it is the fleet's.
#[test]
fn places_go_round() {
    for (places, mean, max) in
        [(1, 0.4, 0.7), (2, (0.2 + 0.4 + 0.6 + 0.4) / 7.0, 0.4), (3, (0.3 + 0.6 + 0.3) / 7.0, 0.3), (7, 0.1, 0.1)]
    {
        let result = run(&burst(7, server()), RetryPolicy::default(), &[pool(PoolConfig::attempts(places))]);
        let case = format!("{places} places");
        check(&case, &result, &[("latency_mean", mean), ("latency_max", max), ("attempts", 7.0)]);
        check(&case, &result, &[("concurrency_refused", 0.0), ("wait_mean", 0.0), ("success_rate", 1.0)]);
    }
    let scenario = burst(7, server()).in_world(|world| world.clients = 7);
    let own = GateConfig { scope: Scope::Client, ..pool(PoolConfig::attempts(1)) };
    check("own", &run(&scenario, RetryPolicy::default(), &[own]), &[("latency_max", 0.1)]);
}

/// Without a place an attempt is refused, at once or when its patience ends; a place that becomes free at that instant is in time.
#[test]
fn refused() {
    let refuse = PoolConfig { on_limit: OnLimit::Refuse, ..PoolConfig::attempts(3) };
    let patient = |ms| PoolConfig { max_wait: Some(ms), ..PoolConfig::attempts(3) };
    for (case, config, succeeded, after) in [
        ("at once", refuse, 3.0, 0.0),
        ("a moment too early", patient(Span(MS(100).0 - 1)), 3.0, 0.1),
        ("in time", patient(MS(100)), 6.0, 0.1),
        ("later", patient(MS(150)), 6.0, 0.15),
        ("for all", patient(MS(200)), 7.0, f64::NAN),
    ] {
        let result = run(&burst(7, server()), RetryPolicy::default(), &[pool(config)]);
        let refused = 7.0 - succeeded;
        check(case, &result, &[("succeeded", succeeded), ("failed", refused), ("concurrency_refused", refused)]);
        check(case, &result, &[("failed_by_concurrency", refused), ("failed_without_attempt", refused)]);
        if refused > 0.0 {
            check(case, &result, &[("failure_latency_p99", after)]);
        }
    }
}

/// Who waits at the deadline fails then, and was not refused; who has a place at that instant is not sent either.
#[test]
fn deadlines_end_the_line() {
    for (deadline, attempts, succeeded) in [(150, 6.0, 3.0), (100, 3.0, 3.0), (200, 6.0, 6.0), (201, 7.0, 6.0)] {
        let policy = RetryPolicy { deadline: Some(MS(deadline)), ..RetryPolicy::default() };
        let result = run(&burst(7, server()), policy, &[pool(PoolConfig::attempts(3))]);
        let case = format!("{deadline} ms");
        check(&case, &result, &[("attempts", attempts), ("succeeded", succeeded), ("concurrency_refused", 0.0)]);
        check(&case, &result, &[("failed_without_attempt", 7.0 - attempts), ("outcome_timeout", attempts - succeeded)]);
        check(&case, &result, &[("failure_latency_p99", deadline as f64 / 1_000.0)]);
    }
}

/// A place is held until the client has an answer or has stopped waiting, over the network too, and time-outs count from the sending.
#[test]
fn places_are_held_to_the_end_of_the_attempt() {
    let slow = ServerConfig { service_time: constant(1_000), ..server() };
    let one = pool(PoolConfig::attempts(1));
    let policy = RetryPolicy { timeout: Some(MS(200)), ..RetryPolicy::default() };
    let result = run(&burst(3, slow), policy, std::slice::from_ref(&one));
    check("time-outs", &result, &[("outcome_timeout", 3.0), ("failure_latency_p99", 0.6)]);
    let far = ServerConfig { network: constant(50), ..server() };
    check(
        "network",
        &run(&burst(3, far), RetryPolicy::default(), &[one]),
        &[("latency_max", 0.6), ("latency_mean", 0.4)],
    );
}

/// Retries wait like first attempts, behind who has waited longer.
#[test]
fn retries_join_the_line() {
    let server = ServerConfig { service_time: constant(0), network: constant(50), ..server() };
    let down = Fault { fates: Fates { errors: vec![(503, 1.0)], ..Fates::default() }, ..fault(0, 250) };
    let scenario = burst(2, server).in_world(|world| world.faults = vec![down]);
    // One from 0 to 100, the other from 100 to 200, and both again from there, in this order.
    let result = run(&scenario, tries(2), &[pool(PoolConfig::attempts(1))]);
    check("again", &result, &[("outcome_503", 2.0), ("succeeded", 2.0), ("latency_max", 0.4), ("latency_mean", 0.35)]);
}

/// A refusal that is tried again is followed by the backoff, and joins the line anew.
#[test]
fn patience_that_is_tried_again() {
    let slow = ServerConfig { service_time: constant(1_000), ..server() };
    let config = PoolConfig { max_wait: Some(MS(100)), ..PoolConfig::attempts(1) };
    let again = GateConfig { on_refusal: OnRefusal::Retry, ..pool(config) };
    let policy = RetryPolicy { attempts: Some(20), backoff: Backoff::fixed(MS(100)), ..RetryPolicy::default() };
    // In line from 0, 0.2, … and 0.8 s for 0.1 s each; at 1 s there is a place.
    let result = run(&burst(2, slow), policy, std::slice::from_ref(&again));
    check("again", &result, &[("concurrency_refused", 5.0), ("succeeded", 2.0), ("latency_max", 2.0)]);
    let policy = RetryPolicy { attempts: Some(3), backoff: Backoff::fixed(MS(100)), ..RetryPolicy::default() };
    let result = run(&burst(2, ServerConfig { service_time: constant(1_000), ..server() }), policy, &[again]);
    check(
        "three",
        &result,
        &[("concurrency_refused", 3.0), ("failed_by_concurrency", 1.0), ("failure_latency_p99", 0.5)],
    );
}

/// Breakers are asked again when there is a place: who is refused then passes it on.
#[test]
fn a_breaker_may_open_meanwhile() {
    let down = ServerConfig { fates: Fates { failures: vec![(503, 1.0)], ..Fates::default() }, ..server() };
    let scenario = burst(1, down)
        .in_world(|world| world.arrivals = Arrivals::Burst { operations: 3, at: MS(0), every: Some(MS(5_000)) });
    let breaker = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, MS(1_000), 1));
    let gates = [GateConfig::new(breaker, Scope::Fleet), pool(PoolConfig::attempts(1))];
    // Two are refused when their turn comes, and two at once beside the probe.
    let result = run(&scenario, RetryPolicy::default(), &gates);
    check("opened", &result, &[("attempts", 2.0), ("breaker_opened", 2.0), ("breaker_refused", 4.0)]);
    check("opened", &result, &[("failed_by_breaker", 4.0), ("concurrency_refused", 0.0)]);
}

/// Who waits in line has a limiter's token, which goes back with who leaves.
#[test]
fn tokens_are_taken_in_advance() {
    let slow = ServerConfig { service_time: constant(250), ..server() };
    let limiter = |burst| {
        GateConfig::new(
            GateRule::RateLimiter(RateLimiterConfig { rate: 10.0, burst, on_limit: OnLimit::Wait }),
            Scope::Fleet,
        )
    };
    let one = pool(PoolConfig::attempts(1));
    for burst_of in [1.0, 3.0] {
        let result = run(&burst(3, slow.clone()), RetryPolicy::default(), &[limiter(burst_of), one.clone()]);
        check("tokens", &result, &[("latency_max", 0.75), ("latency_mean", 0.5), ("limiter_refused", 0.0)]);
    }
    // Two tokens at first, a third after ten seconds. The second leaves the line after 100 ms, and its token serves another one at 5 s.
    let scarce = GateRule::RateLimiter(RateLimiterConfig { rate: 0.1, burst: 2.0, on_limit: OnLimit::Refuse });
    let hurried = pool(PoolConfig { max_wait: Some(MS(100)), ..PoolConfig::attempts(1) });
    let arrivals = Arrivals::Burst { operations: 2, at: MS(0), every: Some(MS(5_000)) };
    let scenario = burst(1, slow).in_world(|world| world.arrivals = arrivals);
    let result = run(&scenario, RetryPolicy::default(), &[GateConfig::new(scarce, Scope::Fleet), hurried]);
    check("back", &result, &[("succeeded", 2.0), ("concurrency_refused", 1.0), ("limiter_refused", 1.0)]);
}

/// A hedge does not wait; a retry beside one does, and a place that nobody wants any more goes on.
#[test]
fn beside_hedges() {
    let slow = ServerConfig { service_time: constant(1_000), ..server() };
    for (places, hedges, max) in [(1, 0.0, 2.0), (2, 0.0, 1.0), (3, 1.0, 1.0), (4, 2.0, 1.0)] {
        let scenario =
            burst(2, slow.clone()).with_policy("p", RetryPolicy::default(), &[pool(PoolConfig::attempts(places))]);
        let scenario = scenario.hedged(HedgeConfig::after(MS(200)));
        let limits = simlab::sim::Limits { memory: 1 << 30, interrupted: &std::sync::atomic::AtomicBool::new(false) };
        let result = simlab::sim::run(&scenario, 0, 0, limits).expect("the run comes to its end");
        let case = format!("{places} places");
        check(
            &case,
            &result,
            &[("hedges", hedges), ("concurrency_refused", 0.0), ("succeeded", 2.0), ("latency_max", max)],
        );
    }
}

/// Who waits when the run ends is neither refused nor failed.
#[test]
fn the_run_ends_first() {
    let slow = ServerConfig { service_time: constant(60_000), ..server() };
    let result = run(&burst(3, slow), RetryPolicy::default(), &[pool(PoolConfig::attempts(1))]);
    check("open", &result, &[("unresolved", 3.0), ("attempts", 1.0), ("concurrency_refused", 0.0), ("failed", 0.0)]);
}
