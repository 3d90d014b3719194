//! What the cross-hair reads in the panels: their lines as numbers, for the page's script.

use super::Storm;
use super::axes::{HEIGHT, LEFT, RIGHT, STRIP_BOTTOM, TOP, World};
use crate::report::number::Notation;

/// The numbers behind the panels, in their order, and where in a panel they lie. Only numbers: no text of the scenario gets into a script.
pub fn readings(storm: &Storm) -> String {
    let comparison = storm.input.comparison;
    let (bin, end) = (storm.grouping.seconds(), storm.axes.time.high);
    let bins = (end / bin).ceil() as usize;
    let demand = |world: &World| -> Vec<f64> {
        match world.constant_demand() {
            Some(rate) => vec![rate],
            None => (0..bins).filter_map(|i| demand_at(&world.demand, (i as f64 + 0.5) * bin)).collect(),
        }
    };
    let common = &storm.axes.worlds[comparison.baseline];
    let policies = storm.order().into_iter().map(|index| {
        let (policy, world) = (&comparison.policies[index], &storm.axes.worlds[index]);
        let line = |values: &[f64]| {
            let means = storm.grouping.means(values, end);
            numbers(&means.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
        };
        let band = if comparison.replications > 1 {
            format!(",\"low\":{},\"high\":{}", line(&policy.attempts_low), line(&policy.attempts_high))
        } else {
            String::new()
        };
        let (attempts, goodput) = (line(&policy.timeline.attempts), line(&policy.timeline.goodput));
        // A row in a world of its own may have another demand.
        let own = if world.demand == common.demand {
            String::new()
        } else {
            format!(",\"demand\":{}", numbers(&demand(world)))
        };
        format!("{{\"attempts\":{attempts}{band},\"goodput\":{goodput}{own}}}")
    });
    let policies = policies.collect::<Vec<_>>().join(",");
    format!(
        "{{\"bin\":{bin},\"end\":{end},\"left\":{LEFT},\"right\":{RIGHT},\"top\":{TOP},\"foot\":{},\"demand\":{},\
         \"policies\":[{policies}]}}",
        HEIGHT - STRIP_BOTTOM,
        numbers(&demand(common))
    )
}

/// An array in as few letters as the reading shows.
fn numbers(values: &[f64]) -> String {
    let short = |value: &f64| Notation::PAGE.rate(*value).replace(',', "");
    format!("[{}]", values.iter().map(short).collect::<Vec<_>>().join(","))
}

/// The demand at `t`, between its corners; none after the last.
fn demand_at(corners: &[(f64, f64)], t: f64) -> Option<f64> {
    if corners.is_empty() {
        return None;
    }
    // Of two corners at one time the later one holds from there on.
    let next = corners.partition_point(|(at, _)| *at <= t);
    let (Some((from, low)), Some((until, high))) = (next.checked_sub(1).map(|i| corners[i]), corners.get(next)) else {
        return Some(0.0);
    };
    Some(low + (high - low) * (t - from) / (until - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(numbers(&[0.0, 39.96, 1234.4, 0.333_333, 120.5]), "[0,40,1234,0.33,120]");
    }

    #[test]
    fn demand_lies_between_its_corners() {
        let corners = [(0.0, 10.0), (60.0, 10.0), (60.0, 30.0), (120.0, 50.0)];
        for (t, expected) in [(0.0, 10.0), (59.0, 10.0), (60.0, 30.0), (90.0, 40.0), (120.0, 0.0)] {
            assert_eq!(demand_at(&corners, t), Some(expected), "{t}");
        }
        assert_eq!(demand_at(&[], 1.0), None);
    }
}
