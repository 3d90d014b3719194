//! The marks of the table: best, worst, no difference from the baseline shown.

use std::cmp::Ordering;

use super::column::Column;
use super::contrast::Contrasts;
use super::recovery::Recovered;
use crate::experiment::Comparison;

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
    /// A column is not marked on a side whose group holds more than a third of the policies. In cost columns only policies that retry,
    /// are not shown to succeed less often than the baseline, and recovered in every replication can be best: else the one that never
    /// tries would win every cost. Latency is not marked: it is of successes only, so giving up early looks fast.
    pub fn of(comparison: &Comparison, recovered: Option<&[Recovered]>) -> Marks {
        let contrasts = Contrasts::new(comparison);
        let policies = comparison.policies.len();
        let all: Vec<usize> = (0..policies).collect();
        let eligible: Vec<usize> =
            all.iter().copied().filter(|p| eligible(comparison, &contrasts, recovered, *p)).collect();
        let mut of = vec![[None; Column::ALL.len()]; policies];
        let mut put = |column: Column, group: Vec<usize>, mark: Mark| {
            if group.len() * 3 <= policies {
                group.into_iter().for_each(|policy| of[policy][column as usize] = Some(mark));
            }
        };
        for column in Column::ALL {
            if column == Column::Success {
                put(column, contrasts.extreme(column, &all, Ordering::Greater), Mark::Best);
                put(column, contrasts.extreme(column, &all, Ordering::Less), Mark::Worst);
            } else if column.is_cost() {
                put(column, contrasts.extreme(column, &eligible, Ordering::Less), Mark::Best);
                // After the best: the only one that may be best can also be the worst of all.
                put(column, contrasts.extreme(column, &all, Ordering::Greater), Mark::Worst);
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

/// True if a policy may be the best in a cost column.
pub(super) fn eligible(
    comparison: &Comparison,
    contrasts: &Contrasts,
    recovered: Option<&[Recovered]>,
    policy: usize,
) -> bool {
    let retries = comparison.policies[policy].mean("retries").is_some_and(|mean| mean > 0.0);
    let loses = contrasts.differs(policy, comparison.baseline, Column::Success) == Some(Ordering::Less);
    retries && !loses && recovered.is_none_or(|all| all[policy].down() == 0)
}
