use super::choice::{Evidence, Left, Standing, choose};
use super::*;
use crate::experiment::fixture::{Row, around, comparison, row, scenario};
use crate::retry::RetryPolicy;

/// The decision about these rows in a scenario that `change` has made its own.
fn decided(rows: Vec<Row>, change: impl FnOnce(&mut Scenario)) -> (Decision, Vec<String>) {
    let comparison = comparison(rows);
    let mut scenario = scenario(comparison.replications);
    for policy in &comparison.policies {
        scenario = scenario.with_policy(&policy.name, RetryPolicy::default(), &[]);
    }
    change(&mut scenario);
    let names = comparison.policies.iter().map(|policy| policy.name.clone()).collect();
    (Decision::new(&scenario, &comparison), names)
}

/// "one: a", "any of: a b", by the first group.
fn choice_of(rows: Vec<Row>, change: impl FnOnce(&mut Scenario)) -> String {
    let (decision, names) = decided(rows, change);
    let choice = &decision.groups[0].choice;
    let policies: Vec<&str> = choice.policies.iter().map(|policy| names[*policy].as_str()).collect();
    format!("{}: {}", choice.kind.name(), policies.join(" "))
}

fn check(rows: Vec<Row>, expected: &str) {
    assert_eq!(choice_of(rows, |_| {}), expected);
}

/// Succeeds at about this rate, with little noise of its own.
fn at(name: &'static str, rate: f64) -> Row {
    row(name, &around(rate, 0.000_05))
}

/// One number first: without success, duplicates and phantoms count alike, unless they weigh more.
#[test]
fn gone_wrong_comes_first() {
    let duplicating = || at("retry", 0.9).all("duplicate_rate", 0.03);
    check(vec![at("never", 0.85), duplicating()], "one: retry");
    check(
        vec![at("never", 0.85), at("retry", 0.9).all("duplicate_rate", 0.02).all("phantom_rate", 0.01)],
        "one: retry",
    );
    let weighed = |scenario: &mut Scenario| scenario.decide.duplicate = 2.0;
    assert_eq!(choice_of(vec![at("never", 0.85), duplicating()], weighed), "one: never");
    let weighed = |scenario: &mut Scenario| scenario.decide.phantom = 10.0;
    assert_eq!(choice_of(vec![at("never", 0.85), at("retry", 0.9).all("phantom_rate", 0.02)], weighed), "one: never");
    // The parts are told.
    let (decision, _) = decided(vec![duplicating().all("phantom_rate", 0.02)], |_| {});
    let wrong = decision.wrong[0].expect("operations were measured");
    assert!((wrong.all - 0.15).abs() < 1e-9 && (wrong.unsuccessful - 0.1).abs() < 1e-9, "{wrong:?}");
    assert!((wrong.duplicates - 0.03).abs() < 1e-9 && (wrong.phantoms - 0.02).abs() < 1e-9, "{wrong:?}");
}

/// Less than the margin is no reason: what comes next decides.
#[test]
fn load_decides_within_the_margin() {
    let loaded = |rate: f64, peak: f64| at("b", rate).all("peak_load", peak);
    check(vec![at("a", 0.9).all("peak_load", 300.0), loaded(0.903, 400.0)], "one: a");
    check(vec![at("a", 0.9).all("peak_load", 300.0), loaded(0.92, 400.0)], "one: b");
    // Ten per cent more load is within the margin too.
    check(vec![at("a", 0.9).all("peak_load", 300.0), loaded(0.903, 325.0)], "any of: a b");
    // A wave comes before the peak.
    let wave = |name, wave: f64, peak: f64| at(name, 0.9).all("wave", wave).all("peak_load", peak);
    check(vec![wave("a", 100.0, 500.0), wave("b", 200.0, 300.0)], "one: a");
    // The order can be another one, and so can margins.
    let peak_first = |scenario: &mut Scenario| scenario.decide.order = vec![Criterion::of(Metric::PeakLoad)];
    assert_eq!(choice_of(vec![wave("a", 100.0, 500.0), wave("b", 200.0, 300.0)], peak_first), "one: b");
    let half = |scenario: &mut Scenario| {
        scenario.decide.margins = vec![(Criterion::of(Metric::Wave), crate::scenario::decide::Margin::Relative(1.5))]
    };
    assert_eq!(choice_of(vec![wave("a", 100.0, 500.0), wave("b", 200.0, 300.0)], half), "one: b");
}

/// The margin of what went wrong is no more than a tenth of the better one's, and at least 1 per 10,000.
#[test]
fn the_margin_shrinks_with_what_goes_wrong() {
    let exact = |name, wrong: f64, own: f64| row(name, &around(1.0 - wrong, own).alone());
    check(vec![exact("bad", 0.001_3, 0.000_02), exact("good", 0.001, -0.000_01)], "one: good");
    check(vec![exact("bad", 0.000_15, 0.000_02), exact("good", 0.000_1, -0.000_01)], "any of: bad good");
}

trait Quiet {
    fn alone(self) -> Vec<f64>;
}

impl Quiet for Vec<f64> {
    /// Only the policy's own noise: what moves all together would leave 0 to 1.
    fn alone(self) -> Vec<f64> {
        let common = around(0.0, 0.0);
        self.iter().zip(common).map(|(value, common)| value - common).collect()
    }
}

#[test]
fn who_misses_what_is_expected_is_set_aside() {
    use crate::experiment::Estimate;
    use crate::experiment::expectation::Judgement;
    use crate::scenario::metric::{Measure, Of};
    let judged = |missed: &[usize]| {
        let mut comparison = comparison(vec![at("a", 0.9), at("b", 0.95), at("c", 0.8)]);
        comparison.expectations = (0..3)
            .map(|policy| Judgement {
                policy,
                measure: Measure { metric: Metric::SuccessRate, of: Of::Run },
                name: "success_rate".to_owned(),
                limit: Limit::AtLeast(0.5),
                observed: Estimate { mean: Some(0.9), ci_low: Some(0.4), ci_high: Some(0.95) },
                met: !missed.contains(&policy),
            })
            .collect();
        let mut scenario = scenario(10);
        for policy in &comparison.policies {
            scenario = scenario.with_policy(&policy.name, RetryPolicy::default(), &[]);
        }
        let decision = Decision::new(&scenario, &comparison);
        let group = &decision.groups[0];
        (group.choice.kind, group.choice.policies.clone(), group.may_miss.clone())
    };
    assert_eq!(judged(&[]), (Kind::One, vec![1], vec![0, 1, 2]));
    assert_eq!(judged(&[1]), (Kind::One, vec![0], vec![0, 2]));
    assert_eq!(judged(&[0, 1, 2]), (Kind::NoneMeets, vec![1], vec![]));
}

#[test]
fn nothing_to_choose() {
    check(vec![at("a", 0.9)], "alone: ");
    check(vec![row("a", &[0.9; 4]), row("b", &[0.5; 4])], "not judged: ");
    check(vec![row("a", &[0.0; 10]), row("b", &[0.0; 10])], "nothing succeeds: ");
}

/// Ten zeros prove nothing about what happens once in a thousand.
#[test]
fn rare_events() {
    let none = |name| row(name, &[1.0; 10]);
    let compared = |a: Row, b: Row, metric: Metric| {
        let (decision, _) = decided(vec![a, b], |_| {});
        decision.groups[0].pair(Criterion::of(metric), 1, 0).expect("a pair with the baseline")
    };
    // 3 in 100,000 operations are within 1 in 10,000; 3 in 1,500 are not.
    assert_eq!(compared(none("a"), none("b"), Metric::DuplicateRate).word(), Word::AsGood);
    let few = |name| none(name).all("operations", 150.0);
    assert_eq!(compared(few("a"), few("b"), Metric::DuplicateRate).word(), Word::NotShown);
    // Nine duplicates against none are few, forty are not.
    let some = |share: f64| none("a").all("operations", 1_000.0).set("duplicate_rate", &around(share, 0.000_1).alone());
    let clean = || none("b").all("operations", 1_000.0);
    assert_eq!(compared(some(0.000_9), clean(), Metric::DuplicateRate).word(), Word::NotWorse);
    assert_eq!(compared(some(0.004), clean(), Metric::DuplicateRate).word(), Word::Better);
    // Nor are they more of them for weighing more.
    let (decision, _) = decided(vec![some(0.000_9), clean()], |scenario| scenario.decide.duplicate = 1_000.0);
    let wrong = decision.groups[0].pair(Criterion::Wrong, 1, 0).expect("a pair with the baseline");
    assert!(wrong.mean > wrong.margin && wrong.word() == Word::NotWorse, "{wrong:?}");
    // Forty failures beside them, as many on both sides, make them no more.
    let failing = |row: Row| row.set("success_rate", &around(0.996, 0.000_1).alone());
    let both = vec![failing(some(0.000_9)), failing(clean())];
    let (decision, _) = decided(both, |scenario| scenario.decide.duplicate = 1_000.0);
    let wrong = decision.groups[0].pair(Criterion::Wrong, 1, 0).expect("a pair with the baseline");
    assert!(wrong.mean > wrong.margin && wrong.word() == Word::NotWorse, "{wrong:?}");
    // What did not happen may be a heavy one.
    let (decision, _) = decided(vec![none("a"), none("b")], |scenario| scenario.decide.phantom = 100.0);
    let wrong = decision.groups[0].pair(Criterion::Wrong, 1, 0).expect("a pair with the baseline");
    assert_eq!(wrong.word(), Word::NotShown, "{wrong:?}");
    // And what weighs nothing is none: five failures stay few, whatever is duplicated besides.
    let failing = some(0.02).set("success_rate", &around(0.999_5, 0.000_1).alone());
    let (decision, _) = decided(vec![failing, clean()], |scenario| scenario.decide.duplicate = 0.0);
    let wrong = decision.groups[0].pair(Criterion::Wrong, 1, 0).expect("a pair with the baseline");
    assert!(wrong.mean > wrong.margin && wrong.word() == Word::NotWorse, "{wrong:?}");
}

/// What never comes about is worse than any time; in some runs only, it is judged by how many.
#[test]
fn never() {
    let never = f64::INFINITY;
    let back = |times: [f64; 10]| at("b", 0.9).set("recovery", &times);
    let word = |a: [f64; 10], b: [f64; 10]| {
        let (decision, _) = decided(vec![at("a", 0.9).set("recovery", &a), back(b)], |_| {});
        decision.groups[0].pair(Criterion::of(Metric::Recovery), 1, 0).expect("a pair").word()
    };
    assert_eq!(word([never; 10], [600.0; 10]), Word::Better);
    assert_eq!(word([never; 10], [never; 10]), Word::AsGood);
    assert_eq!(word([0.0; 10], [4.0; 10]), Word::AsGood);
    assert_eq!(word([16.0; 10], [10.0; 10]), Word::Better);
    let mut half = [5.0; 10];
    half[..5].fill(never);
    assert_eq!(word(half, [5.0; 10]), Word::NotShown);
    let mut one = [never; 10];
    one[0] = 5.0;
    assert_eq!(word(one, [5.0; 10]), Word::NotShown, "one of ten and ten of ten, at the level of a whole family");
}

/// Rows whose demand or faults differ are no choice between each other; how a server treats what it is asked is one.
#[test]
fn rows_in_other_worlds() {
    let rows = || vec![at("a", 0.9), at("b", 0.8), at("c", 0.99), at("d", 0.7)];
    let worlds = |change: fn(&mut crate::scenario::World)| {
        move |scenario: &mut Scenario| {
            for slot in 2..4 {
                change(scenario.own_world_mut(slot));
            }
        }
    };
    let groups = |change: fn(&mut crate::scenario::World)| {
        let (decision, _) = decided(rows(), worlds(change));
        decision.groups.iter().map(|group| (group.policies.clone(), group.baseline)).collect::<Vec<_>>()
    };
    let (together, apart) = (vec![(vec![0, 1, 2, 3], 0)], vec![(vec![0, 1], 0), (vec![2, 3], 2)]);
    assert_eq!(groups(|_| {}), together);
    assert_eq!(groups(|world| world.servers[0].queue = Some(3)), together);
    assert_eq!(groups(|world| world.servers[0].workers = Some(3)), apart);
    assert_eq!(groups(|world| world.faults.clear()), apart);
    assert_eq!(groups(|world| world.clients = 7), apart);
    let (decision, _) = decided(rows(), worlds(|world| world.clients = 7));
    assert_eq!(decision.groups[0].choice.policies, [0]);
    assert_eq!(decision.groups[1].choice.policies, [2]);
    // As the author says.
    let (decision, _) = decided(rows(), |scenario| scenario.decide.groups = Some(vec![vec![3, 1]]));
    let groups: Vec<_> = decision.groups.iter().map(|group| group.policies.clone()).collect();
    assert_eq!(groups, [vec![0, 2], vec![1, 3]]);
}

#[test]
fn best_and_worst() {
    let rank = |rates: [f64; 4]| {
        let rows = ["a", "b", "c", "d"].into_iter().zip(rates).map(|(name, rate)| at(name, rate)).collect();
        let (decision, _) = decided(rows, |_| {});
        let rank = decision.groups[0].rank(Criterion::of(Metric::SuccessRate)).expect("it is measured").clone();
        (rank.best, rank.worst)
    };
    assert_eq!(rank([0.7, 0.8, 0.85, 0.9]), (vec![3], vec![0]));
    assert_eq!(rank([0.7, 0.8, 0.897, 0.9]), (vec![2, 3], vec![0]));
    assert_eq!(rank([0.7, 0.701, 0.702, 0.703]), (vec![], vec![]));
}

/// Two rows that are the same have the same marks, however few operations there are to prove it.
#[test]
fn equal_rows_are_marked_alike() {
    let few = |name, rate: f64| row(name, &[rate; 10]).all("operations", 150.0);
    let (decision, _) = decided(vec![few("a", 1.0), few("b", 1.0), few("c", 0.5)], |_| {});
    let rank = decision.groups[0].rank(Criterion::of(Metric::SuccessRate)).expect("it is measured");
    assert_eq!((&rank.best[..], &rank.worst[..]), (&[0, 1][..], &[2][..]));
}

/// Other shares of operations have the margin that somebody gave to what goes wrong.
#[test]
fn shares_have_one_margin() {
    let margin = |scenario: &mut Scenario| {
        scenario.decide.margins = vec![(Criterion::Wrong, crate::scenario::decide::Margin::Absolute(0.02))];
    };
    let (decision, _) = decided(vec![at("a", 0.9), at("b", 0.88)], margin);
    for metric in [Metric::SuccessRate, Metric::DuplicateRate, Metric::GoneWrongRate] {
        let compared = decision.groups[0].pair(Criterion::of(metric), 0, 1).expect("a pair");
        assert_eq!(compared.margin, 0.02, "{metric:?}");
    }
}

#[test]
fn alternatives_and_beaten() {
    let of = |name, rate: f64, wave: f64, attempts: f64| {
        at(name, rate).all("wave", wave).all("attempts_per_operation", attempts)
    };
    let rows = vec![
        of("a", 0.9, 100.0, 2.0),
        of("cheap", 0.895, 200.0, 1.1),
        of("worse", 0.88, 200.0, 2.5),
        of("far", 0.8, 50.0, 1.0),
    ];
    let (decision, names) = decided(rows, |_| {});
    let group = &decision.groups[0];
    let alternatives: Vec<(&str, &str)> = (group.alternatives.iter())
        .map(|one| (names[one.policy].as_str(), group.criteria[one.gains].name.as_str()))
        .collect();
    assert_eq!(alternatives, [("cheap", "attempts")]);
    let beaten: Vec<(&str, &str)> = group
        .beaten
        .iter()
        .map(|one| (names[one.policy].as_str(), group.criteria[one.criterion].name.as_str()))
        .collect();
    assert_eq!(beaten, [("worse", "wrong")]);
}

/// One family for all of a group: criteria and columns, times the pairs that may be spoken of.
#[test]
fn the_family_counts_what_is_compared() {
    let family = |policies: usize| {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let rows = names[..policies].iter().map(|name| at(name, 0.9)).collect();
        decided(rows, |_| {}).0.groups[0].family
    };
    // wrong, peak, attempts, recovery, p99; success, duplicates and phantoms. The peak as a multiple of demand says what the peak does.
    let measures = 8;
    for (policies, pairs) in [(2, 1), (3, 3), (8, 28), (9, 32), (10, 36)] {
        let family = family(policies);
        assert_eq!((family.measures, family.comparisons), (measures, measures * pairs), "{policies}");
        assert!((1.0 - family.confidence - 0.05 / (measures * pairs) as f64).abs() < 1e-12);
    }
    // What cannot happen is no measure, and then success is what does not go wrong.
    let read = |name, rate: f64| at(name, rate).all("effects", 0.0);
    let reads = decided(vec![read("a", 0.9), read("b", 0.8)], |_| {}).0;
    assert_eq!(reads.groups[0].family.measures, measures - 3);
    let success = reads.groups[0].rank(Criterion::of(Metric::SuccessRate)).expect("it is known as what goes wrong");
    assert_eq!((success.criterion, &success.best[..]), (Criterion::Wrong, &[0][..]));
}

/// A quantile with fewer than 20 operations beyond it in a run is not compared, and what is not defined neither keeps nor removes.
#[test]
fn what_is_not_defined_does_not_decide() {
    let slow = |operations: f64| {
        let row = |name, seconds: f64| at(name, 0.9).all("operations", operations).all("latency_all_p99", seconds);
        choice_of(vec![row("a", 1.0), row("b", 5.0)], |_| {})
    };
    assert_eq!(slow(2_000.0), "one: a");
    assert_eq!(slow(1_999.0), "any of: a b");
    let recovers = |name, times: Vec<Option<f64>>| at(name, 0.9).maybe("recovery", times);
    check(vec![recovers("a", vec![Some(50.0); 10]), recovers("b", vec![None; 10])], "any of: a b");
    check(vec![recovers("a", vec![Some(50.0); 10]), recovers("b", vec![Some(1.0); 10])], "one: b");
}

/// Two that tie, of which the second is known less well, and a third that is a margin and a bit worse.
struct Tied {
    /// Half the width of the second one's intervals.
    vague: f64,
}

impl Evidence for Tied {
    fn criteria(&self) -> usize {
        1
    }

    fn standing(&self, _: usize, candidate: usize) -> Option<Standing> {
        Some(Standing { never: 0.0, mean: [1.0, 1.0, 2.5][candidate] })
    }

    fn compare(&self, criterion: usize, own: usize, other: usize) -> Compared {
        let mean = |candidate: usize| self.standing(criterion, candidate).map_or(0.0, |standing| standing.mean);
        let half = if own == 1 || other == 1 { self.vague } else { 0.25 };
        let mean = mean(other) - mean(own);
        Compared { low: mean - half, high: mean + half, mean, margin: MARGIN }
    }
}

/// If leaders tie to the digit, only who is worse than each of them goes.
#[test]
fn leaders_that_tie() {
    let left = choose(&Tied { vague: 0.25 }, &[0, 1, 2]);
    assert_eq!((left.leaders[0].clone(), left.kept), (vec![0, 1], vec![0, 1]));
    assert_eq!(choose(&Tied { vague: 2.0 }, &[0, 1, 2]).kept, [0, 1, 2]);
}

/// Who lies further from an earlier leader than the margin does not lead later, though it is not shown to be worse.
#[test]
fn only_who_is_near_leads_later() {
    let table = Table { means: vec![vec![Some(0.0), Some(3.0)], vec![Some(5.0), Some(0.0)]], half: vec![5.0, 0.25] };
    let left = choose(&table, &[0, 1]);
    assert_eq!((left.kept, left.leaders, left.undecided), (vec![0, 1], vec![vec![0], vec![0]], true));
    // Within the margin it does.
    let near = Table { means: vec![vec![Some(0.0), Some(1.0)], table.means[1].clone()], ..table };
    assert_eq!(choose(&near, &[0, 1]).kept, [1]);
}

/// In a closed loop operations come when the client is free: goodput stands before what goes wrong.
#[test]
fn closed_loops_ask_for_goodput_first() {
    let row = |name, goodput: f64, rate: f64| at(name, rate).all("goodput", goodput);
    let rows = || vec![row("slow", 8.0, 0.99), row("fast", 20.0, 0.9)];
    assert_eq!(choice_of(rows(), |_| {}), "one: slow");
    let closed = |scenario: &mut Scenario| {
        scenario.world_mut().arrivals = Arrivals::Closed { think: crate::distribution::Distribution::ZERO };
    };
    assert_eq!(choice_of(rows(), closed), "one: fast");
}

/// Where nothing is left to chance, one run says all; with chance four say nothing.
#[test]
fn a_scenario_without_any_draw_is_decided_from_one_run() {
    let certain = |scenario: &mut Scenario| {
        scenario.world_mut().arrivals = Arrivals::Constant { rate: 100.0 };
        scenario.world_mut().faults[0].fates.errors = vec![(503, 1.0)];
    };
    let rows = |runs: usize| vec![row("a", &vec![0.9; runs]), row("b", &vec![0.8; runs])];
    assert_eq!(choice_of(rows(1), certain), "one: a");
    assert_eq!(choice_of(rows(1), |_| {}), "not judged: ");
    assert_eq!(choice_of(rows(4), |_| {}), "not judged: ");
    assert_eq!(choice_of(vec![at("a", 0.9), at("b", 0.8)], |_| {}), "one: a");
}

/// Of times 5 s do not matter, nor a tenth of them.
#[test]
fn margins_of_times() {
    let is_better = |a: f64, b: f64| {
        let row = |name, seconds: f64| at(name, 0.9).all("finish_p99", seconds);
        let (decision, _) = decided(vec![row("a", a), row("b", b)], |_| {});
        let compared = decision.groups[0].pair(Criterion::of(Metric::FinishP99), 0, 1).expect("a pair");
        assert_ne!(compared.is_better(), compared.is_as_good());
        compared.is_better()
    };
    assert!(!is_better(10.0, 15.0) && is_better(10.0, 15.1));
    assert!(!is_better(100.0, 110.0) && is_better(100.0, 110.1));
}

/// Intervals that somebody made up, for [`choose`] alone.
#[derive(Clone, Debug)]
struct Table {
    /// By criterion and candidate.
    means: Vec<Vec<Option<f64>>>,
    /// Half the width of every interval, by criterion.
    half: Vec<f64>,
}

const MARGIN: f64 = 1.0;

impl Evidence for Table {
    fn criteria(&self) -> usize {
        self.means.len()
    }

    fn standing(&self, criterion: usize, candidate: usize) -> Option<Standing> {
        self.means[criterion][candidate].map(|mean| Standing { never: 0.0, mean })
    }

    fn compare(&self, criterion: usize, own: usize, other: usize) -> Compared {
        let mean = |candidate: usize| self.means[criterion][candidate].expect("both are defined");
        let difference = mean(other) - mean(own);
        let half = self.half[criterion];
        Compared { low: difference - half, high: difference + half, mean: difference, margin: MARGIN }
    }
}

fn candidates(table: &Table) -> Vec<usize> {
    (0..table.means[0].len()).collect()
}

/// The same candidates in another order.
fn shuffled(table: &Table, order: &[usize]) -> Table {
    let means = table.means.iter().map(|means| order.iter().map(|at| means[*at]).collect()).collect();
    Table { means, half: table.half.clone() }
}

fn named(left: &Left, order: &[usize]) -> (Vec<usize>, bool) {
    let mut kept: Vec<usize> = left.kept.iter().map(|at| order[*at]).collect();
    kept.sort_unstable();
    (kept, left.undecided)
}

mod random {
    use super::*;
    use proptest::prelude::*;

    fn table() -> impl Strategy<Value = Table> {
        (1usize..4, 1usize..7).prop_flat_map(|(criteria, policies)| {
            // Coarse, so that ties and ends on the margin occur.
            let mean =
                prop_oneof![9 => (0i32..40).prop_map(|quarters| Some(f64::from(quarters) / 4.0)), 1 => Just(None)];
            let means = prop::collection::vec(prop::collection::vec(mean, policies), criteria);
            let half = prop::collection::vec((0i32..12).prop_map(|quarters| f64::from(quarters) / 4.0), criteria);
            (means, half).prop_map(|(means, half)| Table { means, half })
        })
    }

    proptest! {
        /// For given intervals the choice does not depend on the order of rows.
        #[test]
        fn order_does_not_matter(table in table(), seed in any::<u64>()) {
            let mut order = candidates(&table);
            let mut state = seed | 1;
            for at in (1..order.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                order.swap(at, (state >> 33) as usize % (at + 1));
            }
            let other = shuffled(&table, &order);
            let straight = choose(&table, &candidates(&table));
            let turned = choose(&other, &candidates(&other));
            prop_assert_eq!(named(&straight, &candidates(&table)), named(&turned, &order));
        }

        /// Nor on a policy that is worse than some other in everything.
        #[test]
        fn who_is_worse_in_everything_does_not_matter(table in table(), like in any::<prop::sample::Index>()) {
            let all = candidates(&table);
            let better = like.index(all.len());
            prop_assume!((0..table.criteria()).all(|criterion| table.means[criterion][better].is_some()));
            let mut more = table.clone();
            for (means, half) in more.means.iter_mut().zip(&table.half) {
                let worse = means[better].map(|mean| mean + half + MARGIN + 0.25);
                means.push(worse);
            }
            let (without, with) = (choose(&table, &all), choose(&more, &candidates(&more)));
            prop_assert_eq!(without.kept, with.kept);
            prop_assert_eq!(without.undecided, with.undecided);
        }

        /// Somebody is always left, and nobody is who is shown to be worse than the leader.
        #[test]
        fn somebody_is_left(table in table()) {
            let left = choose(&table, &candidates(&table));
            prop_assert!(!left.kept.is_empty());
            for (criterion, leaders) in left.leaders.iter().enumerate() {
                for leader in leaders.iter().filter(|_| leaders.len() == 1) {
                    for own in left.kept.iter().filter(|own| table.means[criterion][**own].is_some()) {
                        prop_assert!(!table.compare(criterion, *leader, *own).is_better() || own == leader);
                    }
                }
            }
        }
    }
}
