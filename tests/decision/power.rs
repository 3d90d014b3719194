//! Policies between which there is something to choose, or is known not to be: most pages say so.

use simlab::decision::{Decision, Kind, Word};
use simlab::distribution::normal_quantile;
use simlab::experiment::Comparison;
use simlab::rng::KeyedRng;
use simlab::scenario::decide::Criterion;
use simlab::scenario::metric::{Measure, Names};
use simlab::scenario::{Arrivals, Scenario, ServerConfig};
use simlab::units::Span;

use crate::pages::{POLICIES, check, each, failing, five_times, full_jitter, rng, row, side_by_side};

const PAGES: usize = 200;
const OPERATIONS: f64 = 10_000.0;
/// So much goes wrong under the better one: half of it is more than ten margins, so that the margin is the largest there is.
const WRONG: f64 = 0.2;
const MARGIN: f64 = 0.005;
/// Who is the better one.
const BETTER: usize = 2;

/// What a page measures: the more it does, the wider is each of its intervals.
#[derive(Clone, Copy)]
enum Measures {
    /// What went wrong: 10 intervals.
    One,
    /// The criteria of a page of reads without a fault: 50 intervals.
    Five,
}

/// Five policies in so many runs, the others worse than the better one by so much; paired differences have a standard deviation of half the margin.
fn page(rng: &mut KeyedRng, measures: Measures, runs: usize, worse_by: f64) -> Comparison {
    let mut normal = || normal_quantile(rng.open_unit());
    let own = MARGIN / 2.0 / f64::sqrt(2.0);
    // What all meet alike is several times what is each one's own.
    let common: Vec<f64> = (0..runs).map(|_| 3.0 * own * normal()).collect();
    let policy = |slot: usize| {
        let mean = if slot == BETTER { WRONG } else { WRONG + worse_by };
        let wrong: Vec<f64> = common.iter().map(|common| mean + common + own * normal()).collect();
        let of = |value: fn(f64) -> f64| wrong.iter().map(|wrong| Some(value(*wrong))).collect::<Vec<_>>();
        let mut metrics = vec![
            ("operations", of(|_| OPERATIONS)),
            ("succeeded", of(|wrong| OPERATIONS * (1.0 - wrong))),
            ("unsuccessful", of(|wrong| OPERATIONS * wrong)),
            ("success_rate", of(|wrong| 1.0 - wrong)),
            ("retries", of(|_| 0.2 * OPERATIONS)),
        ];
        if let Measures::Five = measures {
            metrics.extend([
                ("attempts_per_operation", of(|_| 1.2)),
                ("peak_load", of(|_| 150.0)),
                ("peak_of_demand", of(|_| 1.1)),
                ("latency_all_p99", of(|_| f64::INFINITY)),
                ("latency_all_p50", of(|_| 0.05)),
            ]);
        }
        let measure = |name| Measure::parse(name, &Names::default()).expect("it is a metric");
        row(slot, metrics.into_iter().map(|(name, values)| (measure(name), values)))
    };
    side_by_side((0..POLICIES).map(policy).collect())
}

fn decisions(test: u64, measures: Measures, runs: usize, worse_by: f64) -> Vec<Decision> {
    let server = ServerConfig { fates: failing(WRONG), ..ServerConfig::named("s") };
    let scenario = Scenario::new(Span::secs(100), Arrivals::Poisson { rate: 100.0 }, server);
    let scenario = five_times(&scenario.framed(|frame| frame.replications = runs as u32), &full_jitter(2, 100));
    let decide = |number| Decision::new(&scenario, &page(&mut rng(test, number), measures, runs, worse_by));
    let decisions = each(PAGES, decide);
    let intervals = if let Measures::One = measures { 10 } else { 50 };
    assert_eq!(decisions[0].groups[0].family.comparisons, intervals);
    decisions
}

/// The better one, and nobody else, is the choice.
fn is_named(decision: &&Decision) -> bool {
    let choice = &decision.groups[0].choice;
    choice.kind == Kind::One && choice.policies == [BETTER]
}

/// Where there is more to compare, ten runs are few: of pages with five measures 70% name it with 10 runs, and more than 90% with 13.
#[test]
fn twice_the_margin_is_seen() {
    for (case, measures, runs) in
        [("1 measure, 10 runs", Measures::One, 10), ("5 measures, 13 runs", Measures::Five, 13)]
    {
        let decisions = decisions(2, measures, runs, 2.0 * MARGIN);
        let named = decisions.iter().filter(is_named).count();
        check(&format!("better by two margins, {case}"), PAGES, named, 0.8, 1.0);
    }
}

#[test]
fn a_fifth_of_the_margin_is_as_good() {
    let as_good = |decision: &&Decision| {
        let group = &decision.groups[0];
        let first = group.choice.policies[0];
        let pair = |other: &usize| group.pair(Criterion::Wrong, first, *other).expect("it is spoken of").word();
        let mut others = group.policies.iter().filter(|policy| **policy != first);
        group.choice.kind == Kind::AnyOf && others.all(|other| pair(other) == Word::AsGood)
    };
    for (case, measures) in [("1 measure", Measures::One), ("5 measures", Measures::Five)] {
        let decisions = decisions(3, measures, 30, MARGIN / 5.0);
        let as_good = decisions.iter().filter(as_good).count();
        check(&format!("as good, by a fifth better, {case}, 30 runs"), PAGES, as_good, 0.8, 1.0);
    }
}
