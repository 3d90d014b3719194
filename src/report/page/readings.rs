//! What the cross-hair reads in the panels of the storm: their lines as numbers, for the script.

use super::{N, Page};
use crate::report::chart::storm::Storm;
use crate::report::chart::storm::axes::{HEIGHT, LEFT, RIGHT, STRIP_BOTTOM, TOP};

impl Page<'_> {
    /// The numbers behind the panels, and where in a panel they lie. Only numbers: no text of the scenario gets into a script.
    pub(super) fn readings(&self, storm: &Storm) -> String {
        let (bin, end) = (storm.grouping.seconds(), storm.axes.time.high);
        let bins = (end / bin).ceil() as usize;
        let demand: Vec<f64> = match storm.axes.constant_demand() {
            Some(rate) => vec![rate],
            None => (0..bins).filter_map(|i| demand_at(&storm.axes.demand, (i as f64 + 0.5) * bin)).collect(),
        };
        let policies = self.input.comparison.policies.iter().map(|policy| {
            let line = |values: &[f64]| {
                let means = storm.grouping.means(values, end);
                numbers(&means.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
            };
            let band = if self.input.comparison.replications > 1 {
                format!(",\"low\":{},\"high\":{}", line(&policy.attempts_low), line(&policy.attempts_high))
            } else {
                String::new()
            };
            let (attempts, goodput) = (line(&policy.timeline.attempts), line(&policy.timeline.goodput));
            format!("{{\"attempts\":{attempts}{band},\"goodput\":{goodput}}}")
        });
        let policies = policies.collect::<Vec<_>>().join(",");
        format!(
            "<script type=\"application/json\" id=\"storm-data\">{{\"bin\":{bin},\"end\":{end},\"left\":{LEFT},\"right\":{RIGHT},\
             \"top\":{TOP},\"foot\":{},\"demand\":{},\"policies\":[{policies}]}}</script>\n",
            HEIGHT - STRIP_BOTTOM,
            numbers(&demand)
        )
    }
}

/// An array in as few letters as the reading shows.
fn numbers(values: &[f64]) -> String {
    let short = |value: &f64| N.rate(*value).replace(',', "");
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
