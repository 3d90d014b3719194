//! Which rows meet the same world, and so are choices between which one can choose; and whose runs fall into two groups.

use crate::metrics::statistics::{nine_digits, summarise};
use crate::scenario::{Scenario, ServerConfig, World};

/// Rows of the comparison (by their slots) that are decided among themselves, each group in the file's order and by its first row.
pub(super) fn groups(scenario: &Scenario, slots: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    if let Some(named) = &scenario.decide.groups {
        let rest = (0..scenario.policies.len()).filter(|slot| !named.iter().flatten().any(|named| named == slot));
        let all = named.iter().cloned().chain([rest.collect()]);
        for group in all {
            let mut rows: Vec<usize> = (0..slots.len()).filter(|row| group.contains(&slots[*row])).collect();
            rows.sort_unstable();
            groups.push(rows);
        }
        groups.retain(|rows| !rows.is_empty());
        groups.sort_by_key(|rows| rows[0]);
        return groups;
    }
    let mut worlds: Vec<&World> = Vec::new();
    for (row, slot) in slots.iter().enumerate() {
        let world = scenario.of(*slot).world;
        match worlds.iter().position(|other| is_same_world(other, world)) {
            Some(group) => groups[group].push(row),
            None => {
                worlds.push(world);
                groups.push(vec![row]);
            }
        }
    }
    groups
}

/// True if both ask the same of servers that can do the same and fail in the same way. How a server treats what it is asked (its store, its queue) is
/// something that one can choose.
fn is_same_world(a: &World, b: &World) -> bool {
    let servers = a.servers.iter().zip(&b.servers).all(|(a, b)| {
        let of =
            |server: &ServerConfig| (server.workers, server.replicas, server.rate_limit.clone(), server.fates.clone());
        of(a) == of(b) && a.service_time == b.service_time && a.network == b.network
    });
    servers
        && a.clients == b.clients
        && a.arrivals == b.arrivals
        && a.operation.asks_the_same(&b.operation)
        && a.faults == b.faults
}

/// Two groups of runs around one gap: the mean describes neither.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// Runs below the gap.
    pub low_runs: usize,
    /// Their mean.
    pub low: f64,
    /// Runs above it.
    pub high_runs: usize,
    /// Their mean.
    pub high: f64,
}

/// Fewer runs show no groups; nor do fewer on a side.
const LEAST_RUNS: usize = 10;
const LEAST_ON_A_SIDE: usize = 3;
/// The gap's least share of the range.
const LEAST_GAP: f64 = 0.6;

/// The two groups that values of one run each fall into, if they do, `margin` being a difference that does not matter.
pub(super) fn split(values: &[Option<f64>], margin: f64) -> Option<Split> {
    let mut sorted: Vec<f64> = values.iter().flatten().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    if sorted.len() < LEAST_RUNS {
        return None;
    }
    let range = sorted[sorted.len() - 1] - sorted[0];
    let split = (LEAST_ON_A_SIDE..=sorted.len() - LEAST_ON_A_SIDE)
        .find(|at| nine_digits(sorted[*at] - sorted[at - 1]) > nine_digits((LEAST_GAP * range).max(margin)))?;
    let (low, high) = sorted.split_at(split);
    Some(Split { low_runs: low.len(), low: summarise(low).mean, high_runs: high.len(), high: summarise(high).mean })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], margin: f64, expected: Option<(usize, usize)>) {
        let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
        let got = split(&values, margin).map(|split| (split.low_runs, split.high_runs));
        assert_eq!(got, expected, "{values:?}");
    }

    #[test]
    fn two_groups_of_runs() {
        let two = [0.12, 0.81, 0.13, 0.80, 0.82, 0.11, 0.81, 0.79, 0.12, 0.80];
        check(&two, 0.005, Some((4, 6)));
        // Not more than what does not matter.
        check(&two, 0.7, None);
        // Two on a side are strays; nine runs are few.
        check(&[0.1, 0.1, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8], 0.005, None);
        check(&two[..9], 0.005, None);
        // A gap of a little less, and of a little more, than 0.6 of the range.
        check(&[0.0, 0.0, 0.0, 0.21, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0], 0.005, None);
        check(&[0.0, 0.0, 0.0, 0.19, 0.81, 1.0, 1.0, 1.0, 1.0, 1.0], 0.005, Some((4, 6)));
        check(&[0.5; 12], 0.0, None);
    }
}
