//! What the tests have in common: runs, pages made of them, and what a page says.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use simlab::decision::{Decision, Kind, Word};
use simlab::distribution::Distribution;
use simlab::experiment::{self, Bands, Comparison, Estimate, Example, Measured, Options, PolicyResult};
use simlab::metrics::Timeline;
use simlab::metrics::ending::ByEnding;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::rng::{KeyedRng, Purpose};
use simlab::scenario::decide::Criterion;
use simlab::scenario::metric::{Measure, Names};
use simlab::scenario::{Arrivals, Fates, Fault, Frame, Scenario, ServerConfig, World};
use simlab::units::{SimTime, Span};

/// Rows of a page.
pub const POLICIES: usize = 5;
/// Runs of each, unless a test says otherwise.
pub const RUNS: usize = 10;

/// In the long form the first, else the second.
pub fn long_or<T>(long: T, short: T) -> T {
    if std::env::var("SIMLAB_DECISION").is_ok_and(|form| form == "long") { long } else { short }
}

/// Runs these rows of a scenario; with 0 threads on all cores.
pub fn run(scenario: &Scenario, rows: &[usize], threads: usize) -> Comparison {
    let options = Options { threads, memory: 4 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    experiment::run(scenario, rows, &options).expect("the run comes to its end")
}

/// What `of` makes of each number below `n`, in their order, on all cores.
pub fn each<T: Send>(n: usize, of: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let made: Vec<Mutex<Option<T>>> = (0..n).map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(place) = made.get(at) else { return };
            *place.lock().expect("nobody panics while storing a result") = Some(of(at));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(work);
        }
    });
    let made = made.into_iter().map(|place| place.into_inner().expect("nobody panics while storing a result"));
    made.map(|one| one.expect("all are made")).collect()
}

/// The draws of one page.
pub fn rng(test: u64, page: usize) -> KeyedRng {
    KeyedRng::new(test, Purpose::Replication, page as u64, 0)
}

pub fn failing(share: f64) -> Fates {
    Fates { errors: vec![(503, share)], ..Fates::default() }
}

/// A fault in which this share of the attempts fails.
pub fn fault(share: f64, from: u64, until: u64) -> Fault {
    let at = |seconds| SimTime::ZERO + Span::secs(seconds);
    Fault { fates: failing(share), ..Fault::named("fault", 0, at(from), at(until)) }
}

/// A server stands still for 0.9 s, with time-outs after one. Where they are followed by retries, these keep it down for good in about every second
/// run, and 84% go wrong; in the others only the 12% that cannot succeed.
pub fn stalled() -> Scenario {
    let server = ServerConfig {
        workers: Some(6),
        service_time: Distribution::Constant(Span::millis(100)),
        fates: Fates { permanent_errors: vec![(402, 0.12)], ..Fates::default() },
        ..ServerConfig::named("s")
    };
    let from = SimTime::ZERO + Span::secs(10);
    let stall = Fault { freeze: true, ..Fault::named("fault", 0, from, from + Span::millis(900)) };
    let arrivals = Arrivals::Poisson { rate: 50.0 };
    Scenario::from_parts(
        Frame { drain: Span::secs(5), ..Frame::lasting(Span::secs(60)) },
        World { faults: vec![stall], ..World::new(arrivals, server) },
    )
}

/// Full jitter from this base, in milliseconds.
pub fn full_jitter(attempts: u32, base: u64) -> RetryPolicy {
    RetryPolicy {
        attempts: Some(attempts),
        timeout: Some(Span::secs(1)),
        backoff: Backoff::full_jitter(Span::millis(base), 2.0, Some(Span::secs(5))),
        ..RetryPolicy::default()
    }
}

/// Values of one policy, with all that a decision reads of them.
pub fn row(slot: usize, metrics: impl IntoIterator<Item = (Measure, Vec<Option<f64>>)>) -> PolicyResult {
    let measured = |(measure, values): (Measure, Vec<Option<f64>>)| Measured {
        measure,
        name: measure.name(&Names::of_faults(&["fault"])),
        estimate: Estimate::of(&values, 0.95),
        values,
        versus_baseline: Estimate::default(),
    };
    PolicyResult {
        name: name(slot),
        slot,
        digest: 0,
        metrics: metrics.into_iter().map(measured).collect(),
        timeline: Timeline::default(),
        attempts_low: Vec::new(),
        attempts_high: Vec::new(),
        peak_at: Vec::new(),
        bands: Bands::default(),
        endings: ByEnding::default(),
        succeeded_within: Vec::new(),
        example: Example::default(),
    }
}

/// Rows side by side.
pub fn side_by_side(policies: Vec<PolicyResult>) -> Comparison {
    Comparison {
        baseline: 0,
        replications: policies[0].metrics[0].values.len() as u32,
        policies,
        expectations: Vec::new(),
        warnings: Vec::new(),
        allowed: Vec::new(),
        events: 0,
        attempts: 0,
    }
}

fn name(slot: usize) -> String {
    format!("policy-{slot}")
}

/// The scenario with nothing but one policy, five times.
pub fn five_times(scenario: &Scenario, policy: &RetryPolicy) -> Scenario {
    (0..POLICIES).fold(scenario.clone(), |scenario, slot| scenario.with_policy(&name(slot), policy.clone(), &[]))
}

/// A page on which runs of one policy are dealt at random as if they were those of five.
pub fn dealt(pool: &PolicyResult, rng: &mut KeyedRng) -> Comparison {
    let runs = pool.metrics[0].values.len();
    let mut deck: Vec<usize> = (0..runs).collect();
    for at in 0..POLICIES * RUNS {
        deck.swap(at, at + rng.below((runs - at) as u64) as usize);
    }
    let hands = deck.chunks(RUNS).take(POLICIES).enumerate();
    side_by_side(hands.map(|(slot, hand)| row(slot, picked(pool, hand))).collect())
}

/// What was measured in these runs.
pub fn picked(pool: &PolicyResult, runs: &[usize]) -> Vec<(Measure, Vec<Option<f64>>)> {
    let values = |measured: &Measured| runs.iter().map(|run| measured.values[*run]).collect();
    pool.metrics.iter().map(|measured| (measured.measure, values(measured))).collect()
}

/// Where a page names a policy as better than another, by more than the margin or, `slightly`, by anything.
pub fn claims(decision: &Decision, slightly: bool) -> Vec<String> {
    let mut claims = Vec::new();
    for group in &decision.groups {
        let name = |criterion: Criterion| criterion.name(&Names::of_faults(&["fault"]));
        if group.choice.kind == Kind::One {
            claims.push(format!("one: {:?}", group.choice.policies));
        }
        for pair in &group.pairs {
            let measure = name(pair.criterion);
            for word in [pair.compared.word(), pair.compared.reversed().word()] {
                if word == Word::Better || slightly && word == Word::SlightlyBetter {
                    claims.push(format!("{} in {measure}: {:?}", word.name(), pair.compared));
                }
            }
        }
        let ranks = group.ranks.iter().filter(|rank| !rank.best.is_empty() || !rank.worst.is_empty());
        claims.extend(ranks.map(|rank| format!("a rank in {}", name(rank.criterion))));
        claims.extend(group.beaten.iter().map(|beaten| format!("{beaten:?}")));
        claims.extend(group.alternatives.iter().map(|alternative| format!("{alternative:?}")));
    }
    claims
}

/// Prints a line of the table, and holds a share of the pages against what it may be.
pub fn check(case: &str, pages: usize, of_them: usize, least: f64, most: f64) {
    let share = of_them as f64 / pages as f64;
    let line = format!("{case:<44} {of_them:>3} of {pages} pages: {:>5.1}%", 100.0 * share);
    println!("{line}");
    assert!((least..=most).contains(&share), "{line}, allowed are {:.0} to {:.0}%", 100.0 * least, 100.0 * most);
}
