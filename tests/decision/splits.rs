//! "The runs fall into two groups" is said where they do, and hardly ever where they do not.

use simlab::decision::Decision;
use simlab::distribution::Distribution;
use simlab::retry::RetryPolicy;
use simlab::scenario::metric::Metric;
use simlab::scenario::{Arrivals, Fault, Flapping, Scenario, ServerConfig};
use simlab::units::{SimTime, Span};

use crate::pages::{RUNS, check, failing, fault, long_or, picked, row, run, side_by_side, stalled};

/// A page for every ten runs of one policy: what went wrong in each of them, and whether they are said to be two groups.
fn pages(scenario: Scenario, policy: RetryPolicy, pages: usize) -> Vec<(Vec<f64>, bool)> {
    let scenario = scenario.framed(|frame| {
        frame.seed = 20_261_130;
        frame.replications = (pages * RUNS) as u32;
    });
    let scenario = scenario.with_policy("policy", RetryPolicy { timeout: Some(Span::secs(1)), ..policy }, &[]);
    let pool = run(&scenario, &[0], 0);
    let runs: Vec<usize> = (0..pages * RUNS).collect();
    let page = |runs: &[usize]| {
        let comparison = side_by_side(vec![row(0, picked(&pool.policies[0], runs))]);
        let succeeded = &comparison.policies[0].metric(Metric::SuccessRate).expect("it is measured").values;
        let wrong = succeeded.iter().map(|rate| 1.0 - rate.expect("there are operations")).collect();
        (wrong, Decision::new(&scenario, &comparison).splits[0].is_some())
    };
    runs.chunks(RUNS).map(page).collect()
}

/// None of whose pages is of two groups.
fn hold(case: &str, scenario: Scenario) {
    let pages = pages(scenario, RetryPolicy::default(), long_or(500, 200));
    let split = pages.iter().filter(|(_, is_split)| *is_split).count();
    check(&format!("two groups: {case}"), pages.len(), split, 0.0, 0.01);
}

fn poisson(rate: f64, server: ServerConfig) -> Scenario {
    Scenario::new(Span::secs(20), Arrivals::Poisson { rate }, server).framed(|frame| frame.drain = Span::secs(5))
}

#[test]
fn independent_failures_are_one_group() {
    for share in [0.01, 0.1, 0.5] {
        let server = ServerConfig { fates: failing(share), ..ServerConfig::named("s") };
        hold(&format!("{share} fail independently"), poisson(50.0, server));
    }
}

#[test]
fn a_flapping_fault_is_one_group() {
    let flapping = Some(Flapping { mean_on: Span::secs(1), mean_off: Span::secs(4) });
    let flaps = Fault { flapping, until: SimTime::NEVER, ..fault(0.8, 0, 1) };
    let scenario = poisson(20.0, ServerConfig::named("s")).in_world(|world| world.faults = vec![flaps]);
    hold("a flapping fault", scenario.framed(|frame| frame.duration = Span::secs(60)));
}

#[test]
fn a_queue_near_its_capacity_is_one_group() {
    let server = ServerConfig {
        workers: Some(1),
        service_time: Distribution::Exponential { mean: Span::millis(100) },
        ..ServerConfig::named("s")
    };
    hold("a queue at 0.9 load", poisson(9.0, server).framed(|frame| frame.duration = Span::secs(200)));
}

#[test]
fn what_comes_back_or_does_not_is_two_groups() {
    let both_occur = |(wrong, _): &(Vec<f64>, bool)| {
        let down = wrong.iter().filter(|wrong| **wrong > 0.5).count();
        (3..=RUNS - 3).contains(&down)
    };
    let pages: Vec<(Vec<f64>, bool)> =
        pages(stalled(), RetryPolicy { attempts: Some(2), ..RetryPolicy::default() }, 80)
            .into_iter()
            .filter(both_occur)
            .take(50)
            .collect();
    assert_eq!(pages.len(), 50);
    let split = pages.iter().filter(|(_, is_split)| *is_split).count();
    check("two groups: comes back or does not", pages.len(), split, 1.0, 1.0);
}
