//! The marks of the table: the choice, best and worst of a column, no difference from the baseline shown.

use super::column::{Cells, Column};
use crate::decision::{Decision, Group};

/// A mark at a cell. `*`, `!` and `?` in the terminal; ▲ and ▽ on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The best mean of its column, or as good as it.
    Best,
    /// The worst mean of its column, or as good as it.
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

/// Before the name of a policy of the choice.
pub const CHOSEN: char = '>';

/// All marks of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    of: Vec<[Option<Mark>; Column::ALL.len()]>,
    chosen: Vec<bool>,
}

impl Marks {
    /// The mark at a cell.
    pub fn at(&self, policy: usize, column: Column) -> Option<Mark> {
        self.of[policy][column as usize]
    }

    /// True if it is of the choice.
    pub fn is_chosen(&self, policy: usize) -> bool {
        self.chosen[policy]
    }

    /// True if somebody is.
    pub fn has_choice(&self) -> bool {
        self.chosen.contains(&true)
    }

    /// True if some cell of `columns` has it.
    pub fn has(&self, mark: Mark, columns: &[Column]) -> bool {
        self.of.iter().any(|row| columns.iter().any(|column| row[*column as usize] == Some(mark)))
    }

    /// Marks as the decision ranks. What is printed alike is never best and worst.
    pub fn of(decision: &Decision, cells: &Cells) -> Marks {
        let policies = decision.wrong.len();
        let mut of = vec![[None; Column::ALL.len()]; policies];
        for group in &decision.groups {
            for column in Column::ALL {
                if column == Column::VersusBaseline {
                    let open = group.policies.iter().filter(|policy| no_difference(group, **policy));
                    open.for_each(|policy| of[*policy][column as usize] = Some(Mark::NoDifference));
                    continue;
                }
                let Some(rank) = group.rank(column.criterion()) else { continue };
                let texts = |policies: &[usize]| policies.iter().map(|p| cells.text(*p, column)).collect::<Vec<_>>();
                let (best, worst) = (texts(&rank.best), texts(&rank.worst));
                if best.iter().any(|text| worst.contains(text)) {
                    continue;
                }
                rank.best.iter().for_each(|policy| of[*policy][column as usize] = Some(Mark::Best));
                rank.worst.iter().for_each(|policy| of[*policy][column as usize] = Some(Mark::Worst));
            }
        }
        Marks { of, chosen: (0..policies).map(|policy| decision.is_chosen(policy)).collect() }
    }
}

/// No difference of success from the baseline is shown, nor that there is none that matters.
fn no_difference(group: &Group, policy: usize) -> bool {
    let compared = group.pair(Column::VersusBaseline.criterion(), policy, group.baseline);
    compared.is_some_and(|compared| !compared.differs() && !compared.is_as_good())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::findings::Findings;
    use crate::report::fixture::{Row, around, row, with_input};
    use crate::report::number::Notation;

    /// The marks of one column, a character per policy.
    fn check(rows: Vec<Row>, column: Column, expected: &str) {
        let got: String = with_input(rows, |input| {
            let marks = Findings::new(input, Notation::TERMINAL).marks;
            let all = 0..input.comparison.policies.len();
            all.map(|policy| marks.at(policy, column).map_or('.', Mark::symbol)).collect()
        });
        assert_eq!(got, expected, "{column:?}");
    }

    fn rows(rates: [f64; 4]) -> Vec<Row> {
        let names = ["never", "a", "b", "c"];
        names.into_iter().zip(rates).map(|(name, rate)| row(name, &around(rate, 0.000_1))).collect()
    }

    #[test]
    fn best_and_worst_success() {
        check(rows([0.7, 0.8, 0.85, 0.9]), Column::Success, "!..*");
        check(rows([0.7, 0.8, 0.898, 0.9]), Column::Success, "!.**");
        check(rows([0.7, 0.701, 0.702, 0.703]), Column::Success, "....");
        check(vec![row("a", &[0.7]), row("b", &[0.8])], Column::Success, "..");
    }

    #[test]
    fn difference_from_the_baseline() {
        let wide: Vec<f64> = (0..10).map(|i| if i % 2 == 0 { 0.5 } else { 0.9 }).collect();
        let mut all = rows([0.7, 0.8, 0.85, 0.702]);
        all.push(row("wide", &wide));
        check(all, Column::VersusBaseline, "....?");
    }

    /// Full success without a retry is the best there is, and the least load too.
    #[test]
    fn who_never_retries_can_be_best() {
        let row = |name, attempts| row(name, &around(0.9, 0.0)).all("attempts_per_operation", attempts);
        check(vec![row("never", 1.0), row("a", 2.0), row("b", 3.0)], Column::Attempts, "*.!");
    }

    #[test]
    fn what_is_printed_alike_is_not_best_and_worst() {
        let peaks = |times: [f64; 2]| {
            let row = |(name, times): (&'static str, f64)| {
                row(name, &around(0.9, 0.0)).all("peak_load", times * 100.0).all("peak_of_demand", times)
            };
            ["a", "b"].into_iter().zip(times).map(row).collect()
        };
        check(peaks([3.0, 4.0]), Column::Peak, "*!");
        // Both are 0.0.
        check(peaks([0.03, 0.04]), Column::Peak, "..");
    }
}
