//! What measures mean, one small world for each: waves, recovery, finish, waiting that counts everybody, what went wrong.

use super::*;
use simlab::protocol::Method;
use simlab::scenario::{Fates, Per, ProfilePoint, RateLimit};

const NEVER: f64 = f64::INFINITY;

/// Every request in the window is answered 503.
fn outage(from: u64, until: u64) -> Fault {
    Fault { fates: Fates { errors: vec![(503, 1.0)], ..Fates::default() }, ..fault(from, until) }
}

/// Waits of 1 s that double up to 100 s, without end.
fn doubling() -> RetryPolicy {
    RetryPolicy {
        attempts: None,
        timeout: None,
        backoff: Backoff::exponential(Span::secs(1), 2.0, Some(Span::secs(100))),
        ..RetryPolicy::default()
    }
}

/// Who waits longest comes back last: at 1, 3, 7, 15, 31, 63, 127, 227 and 327 s, of which the last is after an outage of four minutes, and
/// later than the first minute after it.
#[test]
fn a_wave_is_found_however_late_it_is() {
    let arrivals = Arrivals::Burst { operations: 100, at: Span::ZERO, every: None };
    let mut scenario = Scenario::new(Span::secs(600), arrivals, ServerConfig::named("s"));
    scenario.world_mut().faults = vec![outage(0, 240_000)];
    let result = run(&scenario, doubling());
    check("in step", &result, &[("wave", 100.0), ("wave.fault.f", 100.0), ("recovery_peak", 0.0)]);
    let backoff = Backoff::full_jitter(Span::secs(1), 2.0, Some(Span::secs(100)));
    let result = run(&scenario, RetryPolicy { backoff, ..doubling() });
    let wave = value(&result, "wave").expect("a fault ends");
    assert!(wave > 0.0 && wave <= 10.0, "spread over 100 s: {wave}");
}

/// Only operations from before its end are a fault's wave; what starts later is demand.
#[test]
fn a_wave_is_of_those_who_were_there() {
    let arrivals = Arrivals::Constant { rate: 10.0 };
    let mut scenario = Scenario::new(Span::secs(60), arrivals, ServerConfig::named("s"));
    scenario.world_mut().faults = vec![outage(10_000, 20_000)];
    // Who starts within the last 5 s of the outage comes back once, 5 s later, and with it, for the second time, who started 5 s before.
    let policy = RetryPolicy { backoff: Backoff::fixed(Span::secs(5)), ..tries(9) };
    check("5 s later", &run(&scenario, policy.clone()), &[("wave", 20.0), ("peak_load", 30.0)]);
    // Over a network, what is on its way when the fault ends is in the wave too.
    let server = ServerConfig { network: constant(500), ..ServerConfig::named("s") };
    scenario.world_mut().servers = vec![server];
    check("on its way", &run(&scenario, tries(1)), &[("wave", 5.0)]);
    assert_eq!(value(&run(&scenario, tries(1)), "peak_of_demand"), Some(1.0));
}

/// 10/s, an outage from 60 s to 70 s, and four minutes of demand.
fn after_an_outage() -> Scenario {
    let arrivals = Arrivals::Constant { rate: 10.0 };
    let mut scenario = Scenario::new(Span::secs(240), arrivals, ServerConfig::named("s"));
    scenario.world_mut().faults = vec![outage(60_000, 70_000)];
    scenario
}

#[test]
fn recovery_of_each_fault() {
    let mut scenario = after_an_outage();
    check("at once", &run(&scenario, tries(1)), &[("recovery", 0.0), ("recovery.fault.f", 0.0)]);
    // Half of what comes within 42 s after it fails. Views that begin 40 s after its end have 2 bad seconds of 30, half of which fail: 3.3%.
    let half = Fates { errors: vec![(503, 1.0)], ..Fates::default() };
    scenario.world_mut().faults.push(Fault { fates: half, ..Fault::named("g", 0, at(70_000), at(1_000_000)) });
    scenario.world_mut().faults[1].until = at(112_000);
    let result = run(&scenario, tries(1));
    check("until the other ends", &result, &[("recovery.fault.f", 45.0), ("recovery", 45.0)]);
    // Too little demand is left to tell.
    scenario.world_mut().faults.truncate(1);
    scenario.world_mut().faults[0].until = at(211_000);
    assert_eq!(value(&run(&scenario, tries(1)), "recovery"), None);
    scenario.world_mut().faults[0].until = at(210_000);
    assert_eq!(value(&run(&scenario, tries(1)), "recovery"), Some(0.0));
    // A second fault that ends with the run is part of the world until then.
    scenario.world_mut().faults[0].until = SimTime::NEVER;
    assert_eq!(value(&run(&scenario, tries(1)), "recovery"), None);
}

/// What succeeds at the price of more attempts has not recovered; what does not succeed as before has not either.
#[test]
fn recovery_is_of_success_and_load() {
    let mut scenario = after_an_outage();
    // Every attempt that fails is made up for by another; a fifth of them fails, without end, once the outage is over.
    let fates = Fates { errors: vec![(500, 0.2)], ..Fates::default() };
    scenario.world_mut().faults.push(Fault { fates, ..Fault::named("g", 0, at(70_000), at(10_000_000)) });
    check("heavier", &run(&scenario, tries(9)), &[("recovery", NEVER), ("time_to_recover", 0.0)]);
    check("worse", &run(&scenario, tries(1)), &[("recovery", NEVER)]);
    scenario.world_mut().faults[1].fates.errors[0].1 = 0.02;
    check("as before", &run(&scenario, tries(9)), &[("recovery", 0.0)]);
    // It was no better before.
    scenario.world_mut().servers[0].fates.errors = vec![(500, 0.1)];
    assert_eq!(value(&run(&scenario, tries(1)), "recovery"), None);
}

/// A demand that nobody could serve says nothing about who recovers.
#[test]
fn nothing_recovers_from_too_much() {
    let mut scenario = after_an_outage();
    let limit = |rate| RateLimit { rate, burst: 1000.0, per: Per::Server, status: 429, retry_after: false, ban: None };
    scenario.world_mut().servers[0].rate_limit = Some(limit(9.0));
    assert_eq!(value(&run(&scenario, tries(1)), "recovery"), None);
    scenario.world_mut().servers[0].rate_limit = Some(limit(10.0));
    assert_eq!(value(&run(&scenario, tries(1)), "recovery"), Some(0.0));
    let server = ServerConfig { workers: Some(1), service_time: constant(101), ..ServerConfig::named("s") };
    scenario.world_mut().servers = vec![server];
    assert_eq!(value(&run(&scenario, tries(1)), "recovery"), None);
}

/// A surge is over with the last step down of a profile, or when somebody says so.
#[test]
fn recovery_of_a_surge() {
    let points = |points: &[(u64, f64)]| {
        Arrivals::Profile(points.iter().map(|(s, rate)| ProfilePoint { at: Span::secs(*s), rate: *rate }).collect())
    };
    let surge = points(&[(60, 10.0), (60, 40.0), (90, 40.0), (90, 10.0)]);
    // 20/s are served; what waits longer than a second is refused.
    let server =
        ServerConfig { workers: Some(2), queue: Some(20), service_time: constant(100), ..ServerConfig::named("s") };
    let mut scenario = Scenario::new(Span::secs(300), surge, server);
    check("surge", &run(&scenario, tries(1)), &[("recovery.demand", 0.0), ("recovery", 0.0)]);
    let retrying = RetryPolicy { backoff: Backoff::fixed(Span::secs(5)), ..tries(50) };
    let result = run(&scenario, retrying);
    // 600 too many are worked off at 10/s, each refused on the way: no sooner than half a minute after it.
    assert!(
        value(&result, "recovery.demand").expect("a surge ends") >= 30.0,
        "{:?}",
        value(&result, "recovery.demand")
    );
    assert!(value(&result, "wave.demand").expect("a surge ends") > 20.0);
    scenario.world_mut().recover_from = Some(Span::secs(120));
    assert!(value(&run(&scenario, tries(1)), "wave.demand").expect("a surge ends") < 5.0);
    scenario.world_mut().arrivals = Arrivals::Constant { rate: 10.0 };
    check("said", &run(&scenario, tries(1)), &[("recovery.demand", 0.0), ("wave.demand", 0.0)]);
    // Without a step up before it there is no surge, and of what is not there no value.
    for arrivals in [points(&[(60, 40.0), (60, 10.0)]), points(&[(60, 10.0), (60, 40.0)])] {
        let scenario = scenario.clone().in_world(|world| {
            world.arrivals = arrivals;
            world.recover_from = None;
        });
        let result = run(&scenario, tries(1));
        assert!(result.metrics.iter().all(|(measure, _)| measure.of != Of::Demand));
        assert_eq!(value(&result, "recovery"), None);
    }
}

/// Served one after the other, each 100 ms.
#[test]
fn a_burst_finishes_with_its_last() {
    let result = run(&burst(50, one_worker()), RetryPolicy { timeout: None, ..tries(1) });
    check("all", &result, &[("finish", 5.0), ("finish_p99", 5.0)]);
    let mut late = burst(5, one_worker());
    late.world_mut().arrivals = Arrivals::Burst { operations: 5, at: Span::secs(3), every: None };
    check("from the first start on", &run(&late, tries(1)), &[("finish", 0.5)]);
    let two = ServerConfig { queue: Some(1), ..one_worker() };
    check("never", &run(&burst(5, two), tries(1)), &[("finish", NEVER), ("finish_p99", NEVER)]);
    let steady = Scenario::new(Span::secs(9), Arrivals::Constant { rate: 1.0 }, one_worker());
    assert_eq!(value(&run(&steady, tries(1)), "finish"), None);
}

/// Ten at once, of which the fourth to the last find no place: who is never served waits longest.
#[test]
fn waiting_counts_everybody() {
    let server = ServerConfig { queue: Some(2), ..one_worker() };
    let result = run(&burst(10, server.clone()), tries(1));
    check("successes", &result, &[("latency_p50", 0.2), ("latency_p99", 0.3)]);
    check("all", &result, &[("latency_all_p50", NEVER), ("latency_all_p99", NEVER)]);
    let result = run(&burst(4, server.clone()), tries(1));
    check("half of all", &result, &[("latency_all_p50", 0.2), ("latency_all_p99", NEVER)]);
    // 100, 200 and 300 ms, and a failure at once.
    check("to the end", &result, &[("duration_mean", 0.15), ("retries_needed", 0.0)]);
    // Two are refused, come back after 250 ms, and are served by 400 and 500 ms.
    let policy = RetryPolicy { backoff: Backoff::fixed(MS(250)), timeout: None, ..tries(2) };
    let result = run(&burst(5, server), policy);
    check("retried", &result, &[("retries_needed", 2.0), ("latency_retried_mean", 0.45), ("latency_retried_p50", 0.4)]);
    check(
        "retried",
        &result,
        &[("outcomes_per_operation.outcome.503", 0.4), ("outcomes_per_operation.outcome.200", 1.0)],
    );
}

/// What did not succeed, what was done too often, and what was done for nothing: each once.
#[test]
fn what_went_wrong() {
    // Every reply is lost: each of three operations is done twice, and nobody knows.
    let lost = Fates { lost_replies: 1.0, ..Fates::default() };
    let server = ServerConfig { fates: lost, ..ServerConfig::named("s") };
    let result = run(&burst(3, server.clone()), tries(2));
    let parts = [("unsuccessful", 3.0), ("duplicates", 3.0), ("phantom_successes", 3.0), ("phantom_rate", 1.0)];
    check("lost replies", &result, &parts);
    check("lost replies", &result, &[("gone_wrong", 9.0), ("gone_wrong_rate", 3.0)]);
    // GET has no effect to repeat.
    let get = burst(3, server).in_world(|world| world.operation.method = Method::Get);
    check("without effects", &run(&get, tries(2)), &[("gone_wrong", 3.0)]);
    // Late is wrong where somebody said what is in time: served at 100, 200 and 300 ms.
    let late = burst(3, one_worker()).framed(|frame| frame.slo = Some(MS(200)));
    check("late", &run(&late, tries(1)), &[("unsuccessful", 1.0), ("gone_wrong", 1.0), ("succeeded", 3.0)]);
}

/// Peaks have honest denominators: how long the demand lasts does not matter.
#[test]
fn peaks_of_demand_and_of_capacity() {
    for duration in [30, 60] {
        let mut scenario = burst(50, ServerConfig { workers: Some(5), queue: Some(0), ..one_worker() });
        scenario.frame.duration = Span::secs(duration);
        let result = run(&scenario, tries(1));
        // 5 workers finish 50/s.
        check("once", &result, &[("peak_of_demand", 1.0), ("peak_of_capacity", 1.0)]);
        let result = run(&scenario, RetryPolicy { backoff: Backoff::fixed(MS(50)), ..tries(3) });
        check("three times", &result, &[("peak_of_demand", 2.8), ("peak_of_capacity", 2.8)]);
    }
    let mut server = ServerConfig { workers: Some(5), ..one_worker() };
    let limit = RateLimit { rate: 10.0, burst: 1.0, per: Per::Client, status: 429, retry_after: false, ban: None };
    server.rate_limit = Some(limit);
    let mut scenario = burst(20, server);
    check("limit", &run(&scenario, tries(1)), &[("peak_of_capacity", 2.0)]);
    // Of each client: four of them may send 40/s.
    scenario.world_mut().clients = 4;
    check("limits", &run(&scenario, tries(1)), &[("peak_of_capacity", 0.5)]);
    scenario.world_mut().clients = 9;
    check("workers", &run(&scenario, tries(1)), &[("peak_of_capacity", 0.4)]);
    scenario.world_mut().servers = vec![ServerConfig::named("s")];
    assert_eq!(value(&run(&scenario, tries(1)), "peak_of_capacity"), None);
}
