//! Which policies the replications tell apart.
//!
//! Two thresholds. A policy *differs* from another if the paired 95% interval of their difference excludes 0. Picking the best or the
//! worst of many is a choice made after looking: there the interval is the one at 1 − 0.05 / (policies − 1), Bonferroni's correction
//! (Dunn, "Multiple comparisons among means", JASA 56, 1961).

use std::cmp::Ordering;

use super::column::Column;
use crate::experiment::{Comparison, Estimate};

/// Paired comparisons between any two policies.
#[derive(Clone, Copy)]
pub struct Contrasts<'a> {
    comparison: &'a Comparison,
}

impl<'a> Contrasts<'a> {
    /// Of these results.
    pub fn new(comparison: &'a Comparison) -> Contrasts<'a> {
        Contrasts { comparison }
    }

    /// The difference `a` − `b` with its paired 95% interval.
    pub fn paired(&self, a: usize, b: usize, column: Column) -> Estimate {
        self.difference(a, b, column, 0.95)
    }

    /// Where `a` lies from `b` at 95%; `None` if no difference is shown.
    pub fn differs(&self, a: usize, b: usize, column: Column) -> Option<Ordering> {
        direction(self.paired(a, b, column))
    }

    /// Where `a` lies from `b` with the correction for having picked one of them among all policies.
    pub fn separated(&self, a: usize, b: usize, column: Column) -> Option<Ordering> {
        let others = self.comparison.policies.len().saturating_sub(1).max(1);
        direction(self.difference(a, b, column, 1.0 - 0.05 / others as f64))
    }

    /// The policy with the highest (or lowest) mean among `among`, and all of them that are not separated from it; in the file's order.
    /// Empty with one replication: nothing can be judged then.
    pub fn extreme(&self, column: Column, among: &[usize], side: Ordering) -> Vec<usize> {
        let Some(first) = self.first(column, among, side) else { return Vec::new() };
        if self.comparison.replications < 2 {
            return Vec::new();
        }
        let with_value = |policy: &&usize| self.mean(**policy, column).is_some();
        let belongs = |policy: &&usize| **policy == first || self.separated(first, **policy, column).is_none();
        among.iter().filter(with_value).filter(belongs).copied().collect()
    }

    /// The members of `group` that nobody of `among` outside of it surpasses in the mean.
    pub fn unsurpassed(&self, column: Column, among: &[usize], group: &[usize], side: Ordering) -> Vec<usize> {
        let beyond = |a: usize, b: usize| {
            let means = self.mean(a, column).zip(self.mean(b, column));
            means.is_some_and(|(a, b)| a.total_cmp(&b) == side)
        };
        let surpassed = |member: usize| among.iter().any(|other| !group.contains(other) && beyond(*other, member));
        group.iter().copied().filter(|member| !surpassed(*member)).collect()
    }

    /// The one with the highest (or lowest) mean, the earliest of several; says nothing about whether it differs from the next.
    pub fn first(&self, column: Column, among: &[usize], side: Ordering) -> Option<usize> {
        let means = among.iter().filter_map(|policy| Some((*policy, self.mean(*policy, column)?)));
        means.reduce(|best, next| if next.1.total_cmp(&best.1) == side { next } else { best }).map(|(policy, _)| policy)
    }

    /// The mean of a policy in a column.
    pub fn mean(&self, policy: usize, column: Column) -> Option<f64> {
        column.mean(&self.comparison.policies[policy])
    }

    fn difference(&self, a: usize, b: usize, column: Column, confidence: f64) -> Estimate {
        column.difference(&self.comparison.policies[a], &self.comparison.policies[b], confidence)
    }
}

fn direction(difference: Estimate) -> Option<Ordering> {
    difference.excludes_zero().then(|| difference.mean.unwrap_or(0.0).total_cmp(&0.0))
}

/// Replications that fall into two groups, so that their mean describes none of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoGroups {
    /// Replications in the lower group.
    pub low_runs: usize,
    /// Their mean.
    pub low: f64,
    /// Replications in the upper group.
    pub high_runs: usize,
    /// Their mean.
    pub high: f64,
}

/// Two groups, if the largest gap between sorted values is more than half their range and more than `least`, with two values or more
/// on each side.
pub fn two_groups(values: &[Option<f64>], least: f64) -> Option<TwoGroups> {
    let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let range = sorted.last()? - sorted.first()?;
    let gap = |split: usize| sorted[split] - sorted[split - 1];
    let split = (1..sorted.len()).max_by(|a, b| gap(*a).total_cmp(&gap(*b)))?;
    let (low, high) = sorted.split_at(split);
    let mean = |group: &[f64]| group.iter().sum::<f64>() / group.len() as f64;
    let apart = gap(split) > range / 2.0 && gap(split) > least && low.len() >= 2 && high.len() >= 2;
    apart.then(|| TwoGroups { low_runs: low.len(), low: mean(low), high_runs: high.len(), high: mean(high) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{around, comparison, row};

    fn check(values: &[f64], expected: Option<(usize, usize)>) {
        let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
        let sizes = two_groups(&values, 0.01).map(|groups| (groups.low_runs, groups.high_runs));
        assert_eq!(sizes, expected, "{values:?}");
    }

    #[test]
    fn groups_of_runs() {
        check(&[0.80, 0.12, 0.81, 0.13, 0.79], Some((2, 3)));
        // One run apart is an outlier, no group.
        check(&[0.80, 0.12, 0.81, 0.82, 0.79], None);
        // The largest gap is half the range, not more.
        check(&[0.0, 0.25, 0.75, 1.0], None);
        // Apart, but by less than a point.
        check(&[0.800, 0.801, 0.806, 0.807], None);
        check(&[0.8; 6], None);
        check(&[], None);
        assert_eq!(two_groups(&[Some(0.1), None, Some(0.1), Some(0.9), Some(0.9)], 0.01).map(|g| g.high), Some(0.9));
    }

    /// Indices of the group with the most successes.
    fn check_extreme(rates: &[Vec<f64>], expected: &[usize]) {
        let names = ["a", "b", "c", "d"];
        let comparison = comparison(names.into_iter().zip(rates).map(|(name, rates)| row(name, rates)).collect());
        let all: Vec<usize> = (0..rates.len()).collect();
        assert_eq!(
            Contrasts::new(&comparison).extreme(Column::Success, &all, Ordering::Greater),
            expected,
            "{rates:?}"
        );
    }

    #[test]
    fn the_top_group() {
        check_extreme(&[around(0.7, 0.0), around(0.8, 0.001), around(0.9, 0.001)], &[2]);
        check_extreme(&[around(0.7, 0.0), around(0.9, 0.001), around(0.9, 0.002)], &[1, 2]);
        check_extreme(&[vec![0.7], vec![0.9]], &[]);
        // Apart by 2 points in the mean; single runs scatter, but pairs do not: they are told apart.
        check_extreme(&[around(0.70, 0.0), around(0.72, 0.001)], &[1]);
        // The same means with each policy's own noise: they are not.
        check_extreme(&[around(0.70, 0.0), around(0.72, 0.09)], &[0, 1]);
    }

    #[test]
    fn picking_the_best_needs_a_wider_interval() {
        let own = |shift: f64| {
            around(0.7 + shift, 0.0).iter().zip([1.0, -1.0].iter().cycle()).map(|(v, n)| v + 0.02 * n).collect()
        };
        let rates: [Vec<f64>; 4] = [around(0.7, 0.0), own(0.018), around(0.6, 0.0), around(0.5, 0.0)];
        let names = ["a", "b", "c", "d"];
        let comparison = comparison(names.into_iter().zip(&rates).map(|(name, rates)| row(name, rates)).collect());
        let contrasts = Contrasts::new(&comparison);
        assert_eq!(contrasts.differs(1, 0, Column::Success), Some(Ordering::Greater));
        assert_eq!(contrasts.separated(1, 0, Column::Success), None);
    }
}
