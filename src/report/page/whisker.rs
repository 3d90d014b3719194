//! The small picture under a number of the table: its mean and interval on the scale of its column, the baseline as a tick.

use crate::experiment::{Comparison, Estimate};
use crate::report::chart::axis::Scale;
use crate::report::chart::ink::Role;
use crate::report::column::Column;

const WIDTH: f64 = 92.0;
const EDGE: f64 = 3.0;

/// The scale of a column: all replications of all policies; counts of what should not happen from 0.
pub fn scale(comparison: &Comparison, column: Column) -> Scale {
    let values = || comparison.policies.iter().flat_map(|policy| column.values(policy)).flatten();
    let from_zero = column.counts_harm();
    let low = if from_zero { 0.0 } else { values().fold(f64::INFINITY, f64::min).min(f64::MAX) };
    let high = values().fold(low, f64::max);
    Scale { low, high: if high > low { high } else { low + 1.0 }, start: EDGE, end: WIDTH - EDGE }
}

/// The picture. The number above says the same, so it is hidden from screen readers.
pub fn whisker(scale: Scale, estimate: Estimate, baseline: Option<f64>, slot: usize) -> String {
    let Some(mean) = estimate.mean else { return String::new() };
    let at = |value: f64| tenths(scale.within(value));
    let mut marks = format!("<line x1=\"{EDGE}\" y1=\"6\" x2=\"{}\" y2=\"6\" class=\"grid\"/>", WIDTH - EDGE);
    if let Some(baseline) = baseline {
        marks.push_str(&format!("<line x1=\"{0}\" y1=\"1\" x2=\"{0}\" y2=\"11\" class=\"ref\"/>", at(baseline)));
    }
    if let (Some(low), Some(high)) = (estimate.ci_low, estimate.ci_high) {
        let class = Role::Interval.of(slot).classes();
        marks.push_str(&format!("<line x1=\"{}\" y1=\"6\" x2=\"{}\" y2=\"6\" class=\"{class}\"/>", at(low), at(high)));
    }
    let class = Role::Beyond.of(slot).classes();
    marks.push_str(&format!("<circle cx=\"{}\" cy=\"6\" r=\"3\" class=\"{class}\"/>", at(mean)));
    format!(
        "<svg class=\"spk\" viewBox=\"0 0 {WIDTH} 12\" width=\"{WIDTH}\" height=\"12\" aria-hidden=\"true\">{marks}</svg>"
    )
}

/// One decimal, none where it is zero.
fn tenths(value: f64) -> String {
    format!("{}", (value * 10.0).round() / 10.0)
}
