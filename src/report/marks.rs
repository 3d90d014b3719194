//! The marks of the table: best, worst, no difference from the baseline shown.

use std::cmp::Ordering;

use super::column::Column;
use super::contrast::Contrasts;
use super::recovery::Recovered;
use crate::experiment::Comparison;
use crate::scenario::metric::Metric;

/// A mark at a cell. `*`, `!` and `?` in the terminal; ▲ and ▽ on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// In the best group of its column.
    Best,
    /// In the worst group of its column.
    Worst,
    /// No difference from the baseline is shown.
    NoDifference,
}

impl Mark {
    /// As a character.
    pub fn symbol(self) -> char {
        match self {
            Mark::Best => '*',
            Mark::Worst => '!',
            Mark::NoDifference => '?',
        }
    }
}

/// All marks of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    of: Vec<[Option<Mark>; Column::ALL.len()]>,
}

impl Marks {
    /// The mark at a cell.
    pub fn at(&self, policy: usize, column: Column) -> Option<Mark> {
        self.of[policy][column as usize]
    }

    /// True if some cell of `columns` has it.
    pub fn has(&self, mark: Mark, columns: &[Column]) -> bool {
        self.of.iter().any(|row| columns.iter().any(|column| row[*column as usize] == Some(mark)))
    }

    /// Marks by the paired intervals.
    ///
    /// A column is not marked on a side whose group holds more than a third of the policies, or jumps over policies that do not belong to
    /// it: then one with a wide interval is in it that may as well be in the middle. In cost columns only policies that retry,
    /// are not shown to succeed less often than the baseline, and recovered in every replication can be best: else the one that never
    /// tries would win every cost. Latency is not marked: it is of successes only, so giving up early looks fast.
    pub fn of(comparison: &Comparison, recovered: Option<&[Recovered]>) -> Marks {
        let contrasts = Contrasts::new(comparison);
        let policies = comparison.policies.len();
        let all: Vec<usize> = (0..policies).collect();
        let eligible: Vec<usize> =
            all.iter().copied().filter(|p| eligible(comparison, &contrasts, recovered, *p)).collect();
        let mut of = vec![[None; Column::ALL.len()]; policies];
        let mut put = |column: Column, among: &[usize], side: Ordering, mark: Mark| {
            let group = contrasts.extreme(column, among, side);
            if group.len() * 3 <= policies && contrasts.unsurpassed(column, among, &group, side) == group {
                group.into_iter().for_each(|policy| of[policy][column as usize] = Some(mark));
            }
        };
        for column in Column::ALL {
            if column.is_gain() {
                put(column, &all, Ordering::Greater, Mark::Best);
                put(column, &all, Ordering::Less, Mark::Worst);
            } else if column.is_cost() {
                put(column, &eligible, Ordering::Less, Mark::Best);
                // After the best: the only one that may be best can also be the worst of all.
                put(column, &all, Ordering::Greater, Mark::Worst);
            }
        }
        if comparison.replications > 1 {
            for policy in all.into_iter().filter(|p| *p != comparison.baseline) {
                let shown = contrasts.differs(policy, comparison.baseline, Column::Success).is_some();
                let exists = contrasts.mean(policy, Column::Success).is_some();
                of[policy][Column::VersusBaseline as usize] = (exists && !shown).then_some(Mark::NoDifference);
            }
        }
        Marks { of }
    }
}

/// The highest success rate among the policies that retry and made no duplicate.
pub(super) fn best_without_duplicates(comparison: &Comparison) -> Option<usize> {
    let contrasts = Contrasts::new(comparison);
    let retries = |policy: usize| comparison.policies[policy].mean(Metric::Retries).is_some_and(|mean| mean > 0.0);
    let clean: Vec<usize> = (0..comparison.policies.len())
        .filter(|policy| retries(*policy) && contrasts.mean(*policy, Column::Duplicates) == Some(0.0))
        .collect();
    contrasts.first(Column::Success, &clean, Ordering::Greater)
}

/// True if a policy may be the best in a cost column.
pub(super) fn eligible(
    comparison: &Comparison,
    contrasts: &Contrasts,
    recovered: Option<&[Recovered]>,
    policy: usize,
) -> bool {
    let retries = comparison.policies[policy].mean(Metric::Retries).is_some_and(|mean| mean > 0.0);
    let loses = contrasts.differs(policy, comparison.baseline, Column::Success) == Some(Ordering::Less);
    retries && !loses && recovered.is_none_or(|all| all[policy].down() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{Row, around, comparison, row};

    fn recovered(policies: usize) -> Vec<Recovered> {
        vec![Recovered { runs: 10, of: 10, slowest: Some(0.0) }; policies]
    }

    /// The marks of one column, a character per policy.
    fn check(rows: Vec<Row>, column: Column, expected: &str) {
        let down = rows.iter().position(|row| row.name() == "down");
        let comparison = comparison(rows);
        let mut recovered = recovered(comparison.policies.len());
        if let Some(down) = down {
            recovered[down].runs = 6;
        }
        let marks = Marks::of(&comparison, Some(&recovered));
        let got: String =
            (0..comparison.policies.len()).map(|p| marks.at(p, column).map_or('.', Mark::symbol)).collect();
        assert_eq!(got, expected, "{column:?}");
    }

    /// A baseline that never retries, and three policies with these rates.
    fn four(rates: [f64; 3], names: [&'static str; 3]) -> Vec<Row> {
        let mut rows = vec![row("never", &around(0.7, 0.0)).all("retries", 0.0)];
        rows.extend(names.into_iter().zip(rates).map(|(name, rate)| row(name, &around(rate, 0.001))));
        rows
    }

    #[test]
    fn best_and_worst_success() {
        let names = ["a", "b", "c"];
        check(four([0.8, 0.85, 0.9], names), Column::Success, "!..*");
        // Two of four are more than a third.
        check(four([0.8, 0.9, 0.9], names), Column::Success, "!...");
        check(four([0.7, 0.7, 0.7], names), Column::Success, "....");
        check(vec![row("a", &[0.7]), row("b", &[0.8]), row("c", &[0.9])], Column::Success, "...");
    }

    #[test]
    fn difference_from_the_baseline() {
        check(four([0.7, 0.85, 0.6], ["a", "b", "c"]), Column::VersusBaseline, ".?..");
        check(vec![row("a", &[0.7]), row("b", &[0.7]), row("c", &[0.9])], Column::VersusBaseline, "...");
    }

    #[test]
    fn who_never_tries_wins_no_cost() {
        let peaks = |names: [&'static str; 3], rates: [f64; 3], peaks: [f64; 3]| {
            let mut rows = four(rates, names);
            rows[0] = row("never", &around(0.7, 0.0)).all("retries", 0.0).all("peak_of_demand", 1.0);
            let retrying =
                rows.drain(1..).zip(peaks).map(|(row, peak)| row.all("peak_of_demand", peak)).collect::<Vec<_>>();
            rows.extend(retrying);
            rows
        };
        check(peaks(["a", "b", "c"], [0.8, 0.8, 0.9], [2.0, 3.0, 4.0]), Column::Peak, ".*.!");
        // The lowest succeeds less often than the baseline, or did not recover in every run.
        check(peaks(["a", "b", "c"], [0.6, 0.8, 0.9], [2.0, 3.0, 4.0]), Column::Peak, "..*!");
        check(peaks(["down", "b", "c"], [0.8, 0.8, 0.9], [2.0, 3.0, 4.0]), Column::Peak, "..*!");
        // The only one that may be best is the worst of all.
        check(peaks(["a", "b", "c"], [0.6, 0.6, 0.9], [2.0, 3.0, 4.0]), Column::Peak, "...!");
        check(peaks(["a", "b", "c"], [0.8, 0.8, 0.9], [2.0, 3.0, 4.0]), Column::P99, "....");
    }

    #[test]
    fn a_group_does_not_jump() {
        // The second is lowest; the last has such wide intervals that it is not separated from it, but others lie between.
        let wide: Vec<f64> = (0..10).map(|i| if i == 0 { 0.0 } else { 0.99 }).collect();
        let rows = |last: Vec<f64>| {
            let mut rows = four([0.65, 0.8, 0.85], ["low", "b", "c"]);
            rows.extend([row("d", &around(0.82, 0.001)), row("e", &around(0.84, 0.001)), row("last", &last)]);
            rows
        };
        check(rows(around(0.9, 0.001)), Column::Success, ".!....*");
        check(rows(wide), Column::Success, ".......");
    }
}
