//! Policies between which there is nothing to choose: at most one page in twenty may name one as better in anything.

use simlab::decision::Decision;
use simlab::distribution::Distribution;
use simlab::retry::RetryPolicy;
use simlab::scenario::{Arrivals, Fates, Fault, Flapping, Frame, Scenario, ServerConfig, World};
use simlab::units::{SimTime, Span};

use crate::pages::{
    POLICIES, RUNS, check, claims, dealt, each, failing, fault, five_times, full_jitter, long_or, rng, run, stalled,
};

/// Pages that may name one, and what the first of those that do say of it.
fn hold(case: &str, pages: &[Vec<String>]) {
    let named: Vec<&Vec<String>> = pages.iter().filter(|claims| !claims.is_empty()).collect();
    for claims in named.iter().take(5) {
        println!("    {}", claims.join("; "));
    }
    check(case, pages.len(), named.len(), 0.0, 0.05);
}

/// 2,500 operations: so many that a 99th percentile is compared.
fn world(rate: f64, server: ServerConfig) -> Scenario {
    Scenario::new(Span::secs(25), Arrivals::Poisson { rate }, server).framed(|frame| frame.drain = Span::secs(20))
}

fn server() -> ServerConfig {
    ServerConfig { service_time: Distribution::Exponential { mean: Span::millis(50) }, ..ServerConfig::named("s") }
}

/// Bases 2% apart differ in everything, and in nothing by more than its margin: none is better.
#[test]
fn five_full_jitters() {
    let server = ServerConfig { workers: Some(10), ..server() };
    let pages = each(long_or(200, 20), |page| {
        let scenario = Scenario::from_parts(
            Frame {
                seed: 20_261_130 + page as u64,
                replications: RUNS as u32,
                drain: Span::secs(20),
                ..Frame::lasting(Span::secs(60))
            },
            World { faults: vec![fault(1.0, 10, 20)], ..World::new(Arrivals::Poisson { rate: 50.0 }, server.clone()) },
        );
        let bases = 98..98 + POLICIES as u64;
        let scenario = bases
            .fold(scenario, |scenario, base| scenario.with_policy(&format!("base-{base}"), full_jitter(5, base), &[]));
        let comparison = run(&scenario, &[0, 1, 2, 3, 4], 1);
        claims(&Decision::new(&scenario, &comparison), false)
    });
    hold("full jitters from 98 to 102 ms, an outage", &pages);
}

/// One policy's runs, dealt at random to five rows: nothing is better, not even slightly.
fn deal(case: &str, scenario: &Scenario, policy: &RetryPolicy) {
    let pool = scenario.clone().framed(|frame| {
        frame.seed = 20_261_130;
        frame.replications = 1_000;
    });
    let pool = run(&pool.with_policy("pool", policy.clone(), &[]), &[0], 0);
    let scenario = five_times(&scenario.clone().framed(|frame| frame.replications = RUNS as u32), policy);
    let pages = each(200, |page| {
        let comparison = dealt(&pool.policies[0], &mut rng(1, page));
        claims(&Decision::new(&scenario, &comparison), true)
    });
    hold(case, &pages);
}

#[test]
fn independent_failures_dealt() {
    let server = ServerConfig { fates: failing(0.1), ..server() };
    deal("dealt: independent failures", &world(100.0, server), &full_jitter(2, 100));
}

#[test]
fn an_overload_dealt() {
    let server = ServerConfig {
        workers: Some(8),
        queue: Some(100),
        service_time: Distribution::Exponential { mean: Span::millis(100) },
        ..server()
    };
    deal("dealt: an overload", &world(90.0, server), &full_jitter(3, 100));
}

#[test]
fn a_flapping_fault_dealt() {
    let flapping = Some(Flapping { mean_on: Span::secs(1), mean_off: Span::secs(4) });
    let flaps = Fault { flapping, until: SimTime::NEVER, ..fault(0.8, 0, 1) };
    let scenario = world(100.0, server()).in_world(|world| world.faults = vec![flaps]);
    deal("dealt: a flapping fault", &scenario, &full_jitter(3, 100));
}

/// Here there is a wave to compare.
#[test]
fn an_outage_dealt() {
    let server = ServerConfig { workers: Some(6), ..server() };
    let arrivals = Arrivals::Poisson { rate: 100.0 };
    let scenario = Scenario::from_parts(
        Frame { drain: Span::secs(20), ..Frame::lasting(Span::secs(60)) },
        World { faults: vec![fault(1.0, 10, 15)], ..World::new(arrivals, server) },
    );
    deal("dealt: an outage", &scenario, &full_jitter(4, 100));
}

/// Here some recoveries never come, and a page counts in how many runs.
#[test]
fn a_stall_dealt() {
    deal("dealt: a stall, for good in every second run", &stalled(), &full_jitter(2, 100));
}

/// One reply in 10,000 is lost, and its operation done again: each row has two or three duplicates in 25,000 operations.
#[test]
fn rare_duplicates_dealt() {
    let fates = Fates { lost_replies: 0.000_1, ..Fates::default() };
    let world = world(100.0, ServerConfig { fates, ..server() });
    deal("dealt: 1 duplicate per 10,000 operations", &world, &full_jitter(2, 100));
}
