//! Latency as what is left: the share of all operations that have not yet succeeded, over the time since they began.
//!
//! It is the complement of a distribution function over all operations, failed ones included, so every curve ends level at its failure
//! rate. Failing fast cannot look like answering fast. Both axes are logarithmic.

use super::axis::{LogScale, Names, short, widest};
use super::font;
use super::ink::{Role, TEXT};
use super::picture::{Anchor, Picture, Point, Shape};
use super::{Chart, Panel, Table, Width};
use crate::experiment::{Comparison, PolicyResult};
use crate::metrics::histogram::grid;
use crate::report::ReportInput;
use crate::report::name::{harmless, list};
use crate::report::number::{LatencyUnit, Notation};
use crate::scenario::metric::Metric;

/// Above it.
const TITLE: &str = "Operations still without a success";

/// In two widths.
pub fn chart(input: &ReportInput) -> Option<Chart> {
    let comparison = input.comparison;
    let axes = Axes::new(comparison);
    let picture = |width| self::picture(input, &axes, width);
    Some(Chart {
        title: TITLE.to_owned(),
        note: note(input),
        panels: vec![Panel { picture: picture(Width::Wide), narrow: Some(picture(Width::Narrow)), ..Panel::default() }],
        numbers: Some(quantiles(comparison)),
        tables: vec![table(comparison, &axes)],
        ..Chart::default()
    })
}

/// The share of operations without a success after some times.
fn table(comparison: &Comparison, axes: &Axes) -> Table {
    let times = axes.table_times();
    let heads = times.iter().map(|(_, time)| time_label(*time)).chain(["never".to_owned()]);
    let row = |policy: &PolicyResult| {
        let shares = left(policy, &times).into_iter().chain([level(policy)]);
        shares.map(percent).collect()
    };
    Table {
        title: "share of operations without a success after …".to_owned(),
        heads: heads.collect(),
        rows: comparison.policies.iter().map(row).collect(),
    }
}

/// The tail in numbers. An axis of all operations may end far above it.
fn quantiles(comparison: &Comparison) -> Table {
    const QUANTILES: [(&str, Metric); 3] =
        [("p50", Metric::LatencyP50), ("p99", Metric::LatencyP99), ("p99.9", Metric::LatencyP999)];
    // Milliseconds where seconds would be written as 0.03.
    let unit = |metric: Metric| {
        let means = || comparison.policies.iter().filter_map(|policy| policy.mean(metric)).filter(|mean| *mean > 0.0);
        if means().all(|mean| mean >= 0.1) { LatencyUnit::of(means()) } else { LatencyUnit::Millis }
    };
    let columns = QUANTILES.map(|(name, metric)| (name, metric, unit(metric)));
    let heads = columns.iter().map(|(name, _, unit)| format!("{name}, {}", unit.symbol())).chain(["never".to_owned()]);
    let row = |policy: &PolicyResult| {
        let n = Notation::PAGE;
        let quantile = |(_, metric, unit): &(&str, Metric, LatencyUnit)| {
            policy.mean(*metric).map_or_else(|| n.null.to_owned(), |seconds| n.latency(seconds, *unit))
        };
        columns.iter().map(quantile).chain([percent(level(policy))]).collect()
    };
    Table {
        title: "Latency of successes, and the share that never succeeded".to_owned(),
        heads: heads.collect(),
        rows: comparison.policies.iter().map(row).collect(),
    }
}

/// What is drawn, over how many runs.
fn note(input: &ReportInput) -> String {
    let comparison = input.comparison;
    let runs = match comparison.replications {
        1 => String::new(),
        n => format!(" Means of {n} runs."),
    };
    let others = labelled(input).map_or_else(String::new, |labelled| {
        let grey = comparison.policies.len() - labelled.len();
        let name =
            |(policy, why): &(usize, String)| format!("{} ({why})", harmless(&comparison.policies[*policy].name));
        let names: Vec<String> = labelled.iter().map(name).collect();
        format!(" In colour: {}. Grey: the other {grey}.", list(&names, "and"))
    });
    format!(
        "Both axes logarithmic.{runs} The level at the right, in per cent, is the share that never succeeded: failing fast cannot look like answering fast.{others}"
    )
}

/// Most curves that can be told apart by colour and dash.
const MOST_CURVES: usize = 9;

/// The policies whose curves have a colour and a label, and why, where there are too many for all.
fn labelled(input: &ReportInput) -> Option<Vec<(usize, String)>> {
    let comparison = input.comparison;
    if comparison.policies.len() <= MOST_CURVES {
        return None;
    }
    let mut labelled = vec![(comparison.baseline, "baseline".to_owned())];
    let (best, worst) = input.decision.extremes().unzip();
    let is_chosen = best.is_some_and(|best| input.decision.is_chosen(best));
    let first = if is_chosen { "the choice" } else { "the best by what goes wrong" };
    for (found, why) in [(best, first), (worst, "the worst by what goes wrong")] {
        let Some(policy) = found else { continue };
        match labelled.iter_mut().find(|(own, _)| *own == policy) {
            Some((_, reasons)) => reasons.push_str(&format!(", {why}")),
            None => labelled.push((policy, why.to_owned())),
        }
    }
    Some(labelled)
}

/// Left of the plot, for labels up to "100%"; longer ones take more.
const LEFT: f64 = 38.0;
/// Between a label and the plot.
const TICK: f64 = 3.6;
const TOP: f64 = 12.0;
/// Between the plot and the lower edge.
const FOOT: f64 = 24.0;
/// Between the end of a curve and its label.
const TIE: f64 = 14.0;
/// A piece of the curve beside its name, for those that end elsewhere or where others do.
const KEY: f64 = 20.0;
/// Least distance between two labels.
const LABEL: f64 = 15.2;
/// Between a name and its value.
const APART: f64 = 9.0;

/// What the axes show.
#[derive(Clone, Debug)]
pub struct Axes {
    /// The times of the grid in seconds.
    times: Vec<f64>,
    /// Where in the grid the plot begins and ends.
    shown: std::ops::RangeInclusive<usize>,
    /// The lowest share; all lower ones lie on the edge.
    lowest: f64,
}

impl Axes {
    /// For these results.
    pub fn new(comparison: &Comparison) -> Axes {
        let times: Vec<f64> = grid().map(crate::units::Span::seconds).collect();
        let policies = || comparison.policies.iter().map(|policy| &policy.succeeded_within);
        let is_step = |i: &usize| i.is_multiple_of(10);
        // It begins where only a few have succeeded but for those that took no time, and ends where nothing comes any more.
        let few = |i: &usize| policies().all(|within| within[*i] - within[0] <= FEW);
        let over = |i: &usize| policies().all(|within| Some(&within[*i]) == within.last());
        let last = times.len() - 1;
        let first = (0..=last).rev().filter(is_step).find(few).unwrap_or(0);
        // Nothing takes any time: any axis does.
        let first = if over(&first) { SOME_TIME } else { first };
        let end = (first + 8..=last).find(over).map_or(last, |end| (end + 2).min(last));
        let levels = || comparison.policies.iter().map(level);
        let above = levels().filter(|level| *level > 0.0).fold(1.0, f64::min) / 2.0;
        let above = if levels().any(|level| level <= 0.0) { above.min(0.01) } else { above };
        Axes { times, shown: first..=end, lowest: round_down(above.max(1e-6)) }
    }

    /// Times for a table, in seconds: of the steps between the ends at most eight.
    pub fn table_times(&self) -> Vec<(usize, f64)> {
        let inner = (*self.shown.start() + 1..*self.shown.end()).filter(|i| matches!(i % 20, 0 | 6 | 14));
        let all: Vec<usize> = inner.collect();
        let every = all.len().div_ceil(8).max(1);
        all.into_iter().step_by(every).map(|i| (i, self.times[i])).collect()
    }

    /// Where in the grid a curve is below all that is shown.
    fn leaves(&self, policy: &PolicyResult) -> usize {
        policy.succeeded_within.partition_point(|within| 1.0 - within >= self.lowest)
    }

    fn scales(&self, frame: &Frame) -> (LogScale, LogScale) {
        let (low, high) = (self.times[*self.shown.start()], self.times[*self.shown.end()]);
        (
            LogScale { low, high, start: frame.left, end: frame.right },
            LogScale { low: self.lowest, high: 1.0, start: frame.bottom, end: TOP },
        )
    }

    /// The shares that have a line.
    fn shares(&self) -> Vec<f64> {
        let scale = LogScale { low: self.lowest, high: 1.0, start: 0.0, end: 1.0 };
        let decades = scale.steps(&[1.0]).len();
        scale.steps(if decades > 3 { &[1.0] } else { &[1.0, 2.0, 5.0] })
    }
}

/// A share that can be left of the plot.
const FEW: f64 = 0.1;
/// The place of 0.1 s in the grid.
const SOME_TIME: usize = 100;

/// The share of operations that never succeeded.
pub fn level(policy: &PolicyResult) -> f64 {
    policy.succeeded_within.last().map_or(1.0, |within| 1.0 - within)
}

/// The share of operations without a success after each of `times` (places in the grid).
pub fn left(policy: &PolicyResult, times: &[(usize, f64)]) -> Vec<f64> {
    times.iter().map(|(place, _)| 1.0 - policy.succeeded_within[*place]).collect()
}

/// What stands right of the plot, from top to bottom.
struct Labels<'a> {
    /// In the order of the levels.
    policies: Vec<&'a PolicyResult>,
    names: Vec<String>,
    values: Vec<String>,
}

impl<'a> Labels<'a> {
    fn new(input: &ReportInput<'a>, axes: &Axes, width: Width) -> Labels<'a> {
        let comparison = input.comparison;
        let names = Names::within(width.most_name(), comparison).texts;
        let labelled = labelled(input);
        let has_label = |policy: usize| labelled.as_ref().is_none_or(|all| all.iter().any(|(own, _)| *own == policy));
        let mut order: Vec<usize> = (0..comparison.policies.len()).filter(|policy| has_label(*policy)).collect();
        // A stable sort: what is equal stays in the file's order. Of curves that leave the plot below, the last to do so comes first.
        order.sort_by(|a, b| {
            let [a, b] = [a, b].map(|policy| &comparison.policies[*policy]);
            let levels = level(b).max(axes.lowest).total_cmp(&level(a).max(axes.lowest));
            levels.then(axes.leaves(b).cmp(&axes.leaves(a)))
        });
        let policies: Vec<&PolicyResult> = order.iter().map(|policy| &comparison.policies[*policy]).collect();
        let values = policies.iter().map(|policy| bare(level(policy))).collect();
        Labels { policies, names: order.into_iter().map(|policy| names[policy].clone()).collect(), values }
    }

    /// Between the plot and the right edge.
    fn width(&self) -> f64 {
        TIE + KEY + 4.0 + self.value_at() + 0.5
    }

    /// From the left end of names to the right end of values.
    fn value_at(&self) -> f64 {
        widest(self.names.iter()) + APART + widest(self.values.iter())
    }
}

impl Width {
    /// Most that names take; the plot needs the rest.
    fn most_name(self) -> f64 {
        match self {
            Width::Wide => 170.0,
            Width::Narrow => 90.0,
        }
    }
}

/// Where the plot begins and ends, and how tall the picture is.
struct Frame {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    bottom: f64,
}

impl Frame {
    fn new(width: Width, axes: &Axes, labels: &Labels) -> Frame {
        let height = match width {
            Width::Wide => 330.0,
            Width::Narrow => 310.0,
        };
        let bottom = (height - FOOT).max(TOP + LABEL * labels.policies.len() as f64);
        let label = |share: f64| font::width(&percent_tick(share), TEXT, false);
        let left = axes.shares().into_iter().map(label).fold(LEFT, |left, label| left.max(label + TICK));
        let width = width.units();
        Frame { width, height: bottom + FOOT, left, right: width - labels.width(), bottom }
    }
}

/// The picture.
fn picture(input: &ReportInput, axes: &Axes, width: Width) -> Picture {
    let comparison = input.comparison;
    let labels = Labels::new(input, axes, width);
    let frame = Frame::new(width, axes, &labels);
    let (time, share) = axes.scales(&frame);
    let mut picture = Picture::new(frame.width, frame.height);
    grid_lines(&mut picture, &frame, axes, time, share);
    let is_behind = |policy: &&PolicyResult| labels.policies.iter().all(|own| own.slot != policy.slot);
    for policy in comparison.policies.iter().filter(is_behind) {
        picture.add(Role::Context.of(policy.slot), Shape::Path(curve(policy, axes, time, share)));
    }
    for policy in comparison.policies.iter().filter(|policy| !is_behind(policy)) {
        picture.add(Role::Curve.of(policy.slot), Shape::Path(curve(policy, axes, time, share)));
    }
    labels.draw(&mut picture, &frame, share);
    picture.words = words(comparison, axes);
    picture
}

fn grid_lines(picture: &mut Picture, frame: &Frame, axes: &Axes, time: LogScale, share: LogScale) {
    for value in axes.shares() {
        let y = share.within(value);
        picture.line(Role::Grid, (frame.left, y), (frame.right, y));
        picture.text(Role::Tick, (frame.left - TICK, y + 4.0), Anchor::End, percent_tick(value));
    }
    picture.line(Role::Axis, (frame.left, frame.bottom), (frame.right, frame.bottom));
    for value in time_ticks(time) {
        let x = time.within(value);
        picture.line(Role::Grid, (x, TOP), (x, frame.bottom));
        picture.text(Role::Tick, (x, frame.bottom + 16.0), Anchor::Middle, time_label(value));
    }
}

/// As many steps within powers of ten, or as few of these, as have room for their labels.
fn time_ticks(time: LogScale) -> Vec<f64> {
    let half = |value: f64| font::width(&time_label(value), TEXT, false) / 2.0;
    let fits = |ticks: &Vec<f64>| {
        ticks.windows(2).all(|pair| time.within(pair[1]) - time.within(pair[0]) >= half(pair[0]) + half(pair[1]) + 6.0)
    };
    let powers = time.steps(&[1.0]);
    let thinned = (1..=powers.len()).map(|every| powers.iter().copied().step_by(every).collect());
    let within: [&[f64]; 3] = [&[1.0, 2.0, 3.0, 5.0], &[1.0, 2.0, 5.0], &[1.0, 3.0]];
    within.into_iter().map(|steps| time.steps(steps)).chain(thinned).find(fits).unwrap_or_default()
}

/// "30 ms", "0.1 s", "1,000 s".
pub fn time_label(seconds: f64) -> String {
    let n = Notation::PAGE;
    let (value, unit) = match seconds {
        s if s < 0.999e-3 => (s * 1e6, "µs"),
        s if s < 0.0999 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    // Steps of a grid have one digit.
    let decimals = if value < 0.999 { 1 } else { 0 };
    format!("{}{}{unit}", n.fixed(value, decimals), n.unit_space)
}

fn percent_tick(share: f64) -> String {
    format!("{}%", short(share * 100.0, share * 100.0))
}

/// A policy's line, up to where it leaves the plot below.
fn curve(policy: &PolicyResult, axes: &Axes, time: LogScale, share: LogScale) -> Vec<Point> {
    let mut points = Vec::new();
    for i in axes.shown.clone() {
        let left = 1.0 - policy.succeeded_within[i];
        points.push((time.within(axes.times[i]), share.within(left.max(share.low))));
        if left < share.low {
            break;
        }
    }
    points
}

impl Labels<'_> {
    /// Each at the end of its curve, if that is at the right edge. Where curves end below, their labels are only a legend.
    fn draw(&self, picture: &mut Picture, frame: &Frame, share: LogScale) {
        let levels = || self.policies.iter().map(|policy| level(policy));
        let below = if levels().any(|level| level > share.low) { frame.bottom } else { TOP };
        let ends: Vec<f64> =
            levels().map(|level| if level > share.low { share.within(level) } else { below }).collect();
        let places = apart(&ends, LABEL, TOP - 2.0, frame.bottom);
        let from = frame.right + TIE;
        let name_at = from + KEY + 4.0;
        for (index, policy) in self.policies.iter().enumerate() {
            let (y, slot) = (places[index], policy.slot);
            if level(policy) > share.low {
                let knee = (frame.right + TIE * 0.7, y);
                let tie = vec![(frame.right, ends[index]), knee, (from, y)];
                picture.add(Role::Tie.of(slot), Shape::Path(tie));
            }
            picture.line(Role::Curve.of(slot), (from, y), (from + KEY, y));
            let label = Role::Label.of(slot);
            picture.text(label, (name_at, y + 4.0), Anchor::Start, self.names[index].clone());
            let value = self.values[index].clone();
            picture.text(label, (name_at + self.value_at(), y + 4.0), Anchor::End, value);
        }
    }
}

/// Ascending places as near to `wanted` (ascending too) as possible, at least `gap` apart, all between `low` and `high` if they fit.
///
/// Less the gaps above them, places have only to ascend: neighbours that do not are pooled at their mean (isotonic regression by
/// pool-adjacent-violators, Ayer et al., "An empirical distribution function for sampling with incomplete information", 1955).
fn apart(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (index, place) in wanted.iter().enumerate() {
        let mut pool = (place - index as f64 * gap, 1);
        while let Some((sum, count)) = pools.pop_if(|(sum, count)| *sum / *count as f64 > pool.0 / pool.1 as f64) {
            pool = (pool.0 + sum, pool.1 + count);
        }
        pools.push(pool);
    }
    let most = high - gap * wanted.len().saturating_sub(1) as f64;
    let starts = pools.iter().flat_map(|(sum, count)| std::iter::repeat_n(sum / *count as f64, *count));
    starts.enumerate().map(|(index, start)| start.min(most).max(low) + index as f64 * gap).collect()
}

/// A level as in the plot: per cent without the sign, more decimals where it is small.
fn bare(share: f64) -> String {
    percent(share).trim_end_matches('%').to_owned()
}

/// A share of operations without a success. It is small where all is well, so two digits are kept.
pub fn percent(share: f64) -> String {
    let n = Notation::PAGE;
    match share * 100.0 {
        p if p <= 0.0 => "0%".to_owned(),
        p if p < 0.005 => "<0.01%".to_owned(),
        p if p < 0.995 => format!("{}%", n.fixed(p, 2)),
        _ if share >= 1.0 => "100%".to_owned(),
        _ => n.percent(share),
    }
}

fn words(comparison: &Comparison, axes: &Axes) -> String {
    let times = axes.table_times();
    let of = |policy: &PolicyResult| {
        let shares = left(policy, &times);
        let after = times
            .iter()
            .zip(shares)
            .map(|((_, time), share)| format!("{} after {}", percent(share), time_label(*time)));
        let after: Vec<String> = after.collect();
        format!("{} {}, {} never", harmless(&policy.name), after.join(", "), percent(level(policy)))
    };
    let policies: Vec<String> = comparison.policies.iter().map(of).collect();
    format!("Share of operations that have not yet succeeded, by policy. {}.", policies.join("; "))
}

/// 1, 2 or 5 times a power of ten, at most `share`.
fn round_down(share: f64) -> f64 {
    let mut power = 1.0;
    while power > share {
        power /= 10.0;
    }
    [5.0, 2.0].map(|step| power * step).into_iter().find(|round| *round <= share).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_move_no_more_than_they_must() {
        let check = |wanted: &[f64], expected: &[f64]| assert_eq!(apart(wanted, 10.0, 0.0, 100.0), expected);
        check(&[10.0, 30.0], &[10.0, 30.0]);
        // Both give way.
        check(&[50.0, 52.0], &[46.0, 56.0]);
        check(&[50.0, 50.0, 50.0, 90.0], &[40.0, 50.0, 60.0, 90.0]);
        // At an edge only one can.
        check(&[0.0, 1.0], &[0.0, 10.0]);
        check(&[99.0, 100.0], &[90.0, 100.0]);
        check(&[], &[]);
    }

    #[test]
    fn labels_of_small_shares_have_room() {
        for (lowest, left) in [(0.5, LEFT), (0.001, LEFT), (1e-4, 41.7), (1e-6, 57.0)] {
            let axes = Axes { times: Vec::new(), shown: 0..=0, lowest };
            for width in [Width::Wide, Width::Narrow] {
                let labels = Labels { policies: Vec::new(), names: Vec::new(), values: Vec::new() };
                let frame = Frame::new(width, &axes, &labels);
                assert!((frame.left - left).abs() < 1.0, "{lowest}: {}", frame.left);
            }
        }
    }

    #[test]
    fn shares_and_times_are_written_with_the_digits_they_need() {
        let shares = [0.0, 0.000_01, 0.000_3, 0.0312, 0.433, 1.0].map(percent);
        assert_eq!(shares, ["0%", "<0.01%", "0.03%", "3.1%", "43.3%", "100%"]);
        let ticks = [1.0, 0.5, 0.05, 0.002, 0.000_01].map(percent_tick);
        assert_eq!(ticks, ["100%", "50%", "5%", "0.2%", "0.001%"]);
        let times = [1e-6, 0.003, 0.03, 0.1, 0.3, 10.0, 1000.0].map(time_label);
        assert_eq!(
            times.map(|t| t.replace('\u{a0}', " ")),
            ["1 µs", "3 ms", "30 ms", "0.1 s", "0.3 s", "10 s", "1,000 s"]
        );
        assert_eq!([0.07, 0.5, 0.023].map(round_down), [0.05, 0.5, 0.02]);
    }
}
