//! The success rates as a picture of one line each: mean, 95% interval, and where the baseline is.

use super::layout::Block;
use crate::experiment::Comparison;
use crate::report::column::Column;

/// Characters.
const WIDTH: usize = 18;

/// The column, on one axis for all policies. It starts at the lowest and ends at the highest of all intervals and replications, in
/// steps of 5 per cent.
pub(super) fn block(comparison: &Comparison) -> Block {
    let column = Column::Success;
    let shown = comparison.policies.iter().flat_map(|policy| {
        let estimate = column.estimate(policy);
        column.values(policy).into_iter().chain([estimate.ci_low, estimate.ci_high]).flatten()
    });
    let (low, high) = shown.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    // In steps of 5%; the small amount keeps 0.35 / 0.05 at 7.
    let step = |value: f64| (value.clamp(0.0, 1.0) * 20.0).clamp(0.0, 20.0);
    let from = (step(low) + 1e-9).floor().min(19.0);
    let to = (step(high) - 1e-9).ceil().max(from + 1.0);
    let place = |value: f64| {
        let share = ((value * 20.0 - from) / (to - from)).clamp(0.0, 1.0);
        (share * (WIDTH - 1) as f64 + 0.5) as usize
    };
    let baseline = column.estimate(&comparison.policies[comparison.baseline]).mean.map(place);
    let cells = comparison.policies.iter().map(|policy| {
        let estimate = column.estimate(policy);
        let mut picture = [' '; WIDTH];
        if let Some(baseline) = baseline {
            picture[baseline] = '┊';
        }
        if let (Some(low), Some(high)) = (estimate.ci_low, estimate.ci_high) {
            picture[place(low)..=place(high)].fill('─');
        }
        if let Some(mean) = estimate.mean {
            picture[place(mean)] = '●';
        }
        (picture.into_iter().collect(), None)
    });
    let (left, right) = (format!("{:.0}%", from * 5.0), format!("{:.0}%", to * 5.0));
    let heading = format!("{left}{right:>width$}", width = WIDTH - left.len());
    Block { column: None, stays: false, heading, cells: cells.collect() }
}
