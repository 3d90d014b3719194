//! Dot plots: one row for each policy, with its mean, its 95% interval and every replication.
//!
//! The replications are there because a mean and its interval can lie where no run is.

use super::axis::{Names, Scale, Tick, count_ticks, have_room, round_step, short, widest};
use super::ink::Role;
use super::picture::{Anchor, Picture, Shape};
use super::{Chart, Panel, Table};
use crate::experiment::{Comparison, Estimate, PolicyResult};
use crate::report::ReportInput;
use crate::report::column::{Cells, Column, has_effects};
use crate::report::name::harmless;
use crate::report::number::Notation;
use crate::scenario::metric::Measure;

/// A dot plot: what it shows and how it is called.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    /// Above it.
    pub title: &'static str,
    /// What is shown; its mean stands at the right.
    pub column: Column,
    /// Of a server, a step or a member, what is written as the column is; `None`: of the whole run.
    pub of: Option<Measure>,
    /// Shown in the same rows as ◇.
    pub second: Option<Column>,
    /// The axis goes at least so far: plots side by side have one.
    pub reach: f64,
}

/// Success rates.
pub const SUCCESS: Plot =
    Plot { title: "Succeeded, % of operations", column: Column::Success, of: None, second: None, reach: 0.0 };
/// Attempts per operation.
pub const ATTEMPTS: Plot =
    Plot { title: "Attempts per operation", column: Column::Attempts, of: None, second: None, reach: 0.0 };
/// What happened twice, and what happened though nobody was told.
pub const DUPLICATES: Plot = Plot {
    title: "Duplicates and phantom successes",
    column: Column::Duplicates,
    of: None,
    second: Some(Column::Phantom),
    reach: 0.0,
};

impl Plot {
    /// What a policy has of it, run by run.
    fn values(&self, policy: &PolicyResult) -> Vec<Option<f64>> {
        let of = |measure| policy.metric(measure).map(|metric| metric.values.clone()).unwrap_or_default();
        self.of.map_or_else(|| self.column.values(policy), of)
    }

    fn estimate(&self, policy: &PolicyResult) -> Estimate {
        let of = |measure| policy.metric(measure).map(|metric| metric.estimate).unwrap_or_default();
        self.of.map_or_else(|| self.column.estimate(policy), of)
    }

    /// The highest replication of all policies.
    pub fn highest(&self, comparison: &Comparison) -> f64 {
        comparison.policies.iter().flat_map(|policy| self.values(policy)).flatten().fold(0.0, f64::max)
    }

    /// What stands at the right of a policy's row.
    fn text(&self, comparison: &Comparison, cells: &Cells, policy: usize) -> String {
        let mean = || self.estimate(&comparison.policies[policy]).mean;
        let of = |_| mean().map_or_else(|| Notation::PAGE.null.to_owned(), |mean| cells.number(self.column, mean));
        self.of.map_or_else(|| cells.text(policy, self.column), of)
    }
}

/// A dot plot. Where there is no duplicate to be seen it is a sentence.
pub fn chart(input: &ReportInput, plot: &Plot) -> Option<Chart> {
    let comparison = input.comparison;
    if let Some(words) = harmless_in_words(comparison).filter(|_| plot.column == Column::Duplicates) {
        return Some(Chart { title: plot.title.to_owned(), note: words.to_owned(), ..Chart::default() });
    }
    Some(Chart {
        title: plot.title.to_owned(),
        note: note(comparison, plot),
        caption: caption(comparison),
        panels: vec![Panel { picture: self::plot(comparison, plot), ..Panel::default() }],
        tables: vec![table(comparison, plot)],
        ..Chart::default()
    })
}

/// What is said in place of the plot of duplicates, where there is none.
fn harmless_in_words(comparison: &Comparison) -> Option<&'static str> {
    match (any_harm(comparison), has_effects(comparison)) {
        (true, _) => None,
        (false, true) => Some("No policy made a duplicate or a phantom success."),
        (false, false) => Some("No operation has an effect, so none can be duplicated."),
    }
}

/// Something was done twice, or done and reported as failed.
fn any_harm(comparison: &Comparison) -> bool {
    [Column::Duplicates, Column::Phantom].into_iter().any(|column| highest(comparison, column) > 0.0)
}

/// The highest replication of all policies.
fn highest(comparison: &Comparison, column: Column) -> f64 {
    comparison.policies.iter().flat_map(|policy| column.values(policy)).flatten().fold(0.0, f64::max)
}

/// Means and intervals.
fn table(comparison: &Comparison, plot: &Plot) -> Table {
    let cells = Cells::new(comparison, None, Notation::PAGE);
    let columns: Vec<Column> = [Some(plot.column), plot.second].into_iter().flatten().collect();
    let head = |column: &Column| match column {
        Column::Success => "succeeded",
        Column::Attempts => "attempts per operation",
        Column::Duplicates => "duplicates per 10,000",
        _ => "phantom successes per 10,000",
    };
    let heads: Vec<String> = columns.iter().map(|column| head(column).to_owned()).collect();
    let row = |policy: &PolicyResult| {
        let write = |column: &Column| {
            let Estimate { mean, ci_low, ci_high } = column.estimate(policy);
            let Some(mean) = mean else { return format!("{} (no operation was measured)", Notation::PAGE.null) };
            let number = |value: f64| cells.number(*column, value);
            let interval =
                ci_low.zip(ci_high).map(|(low, high)| format!(" ({} to {})", number(low.max(0.0)), number(high)));
            number(mean) + &interval.unwrap_or_default()
        };
        columns.iter().map(write).collect()
    };
    let interval = if comparison.replications > 1 { " (mean and 95% interval)" } else { "" };
    Table {
        title: format!("{}{interval}", heads.join(", ")),
        heads,
        rows: comparison.policies.iter().map(row).collect(),
    }
}

const WIDTH: f64 = 340.0;
/// Most that names take; the axis needs the rest.
const MOST_NAME: f64 = 140.0;
/// Between names and the axis: dots at its start lie half left of it.
const BEFORE: f64 = 14.0;
/// Between the axis and the values, where triangles stand.
const AFTER: f64 = 13.0;
/// Half of the widest tick's label has to fit right of the axis too.
const LEAST_VALUE: f64 = 24.0;
const TOP: f64 = 14.0;
const FIRST_ROW: f64 = 18.0;
const ROW: f64 = 22.0;
/// Most replications that get a dot; of more, that many at even ranks.
const MOST_DOTS: usize = 60;

/// Where everything stands in a plot.
struct Layout {
    names: Names,
    values: Vec<String>,
    scale: Scale,
    ticks: Vec<Tick>,
}

impl Layout {
    /// The axis gets what names and values leave.
    fn new(comparison: &Comparison, plot: &Plot) -> Layout {
        let cells = Cells::new(comparison, None, Notation::PAGE);
        let value = |policy: usize| bare(plot.column, &plot.text(comparison, &cells, policy));
        let values: Vec<String> = (0..comparison.policies.len()).map(value).collect();
        let names = Names::within(MOST_NAME, comparison);
        let (start, end) = (names.width + BEFORE, WIDTH - widest(values.iter()).max(LEAST_VALUE) - AFTER);
        // As many ticks, up to five steps, as have room for their labels.
        let axis = |steps: u32| axis(comparison, plot, f64::from(steps), (start, end));
        let fits = |(scale, ticks): &(Scale, Vec<Tick>)| have_room(ticks, |value| scale.at(value));
        let (scale, ticks) = (2..=5).rev().map(axis).find(fits).unwrap_or_else(|| axis(1));
        Layout { names, values, scale, ticks }
    }
}

/// A plot of these results.
pub fn plot(comparison: &Comparison, plot: &Plot) -> Picture {
    let rows_bottom = FIRST_ROW + ROW * comparison.policies.len() as f64 + 2.0;
    let mut picture = Picture::new(WIDTH, rows_bottom + 24.0);
    let Layout { names, values, scale, ticks } = Layout::new(comparison, plot);
    let cells = Cells::new(comparison, None, Notation::PAGE);
    let second = second(comparison, plot);
    for tick in ticks {
        let x = scale.at(tick.value);
        picture.line(Role::Grid, (x, TOP), (x, rows_bottom));
        picture.text(Role::Tick, (x, rows_bottom + 15.0), Anchor::Middle, tick.label);
    }
    let baseline = &comparison.policies[comparison.baseline];
    if let Some(mean) = plot.estimate(baseline).mean {
        let x = scale.within(mean);
        picture.line(Role::Reference, (x, TOP), (x, rows_bottom));
    }
    let mut words = Vec::new();
    for (index, ((policy, name), value)) in comparison.policies.iter().zip(names.texts).zip(values).enumerate() {
        let y = FIRST_ROW + ROW * (index as f64 + 0.5);
        let label = Role::Label.of(policy.slot);
        picture.text(label, (0.0, y + 4.0), Anchor::Start, name);
        picture.text(label, (WIDTH, y + 4.0), Anchor::End, value);
        row(&mut picture, plot, second, policy, scale, y);
        words.push(format!("{} {}", harmless(&policy.name), value_in_words(plot, policy, &cells)));
    }
    picture.words = format!("{}, by policy. {}.", plot.title, words.join("; "));
    picture
}

/// What is shown as ◇, if there is any.
fn second(comparison: &Comparison, plot: &Plot) -> Option<Column> {
    plot.second.filter(|column| highest(comparison, *column) > 0.0)
}

/// The marks of a policy, back to front.
fn row(picture: &mut Picture, plot: &Plot, second: Option<Column>, policy: &PolicyResult, scale: Scale, y: f64) {
    for values in [Some(plot.values(policy)), second.map(|column| column.values(policy))].into_iter().flatten() {
        for value in shown(&values) {
            picture.add(Role::Replication.of(policy.slot), Shape::Circle((scale.within(value), y), 2.2));
        }
    }
    let Estimate { mean, ci_low, ci_high } = plot.estimate(policy);
    if let (Some(low), Some(high)) = (ci_low, ci_high) {
        picture.line(Role::Interval.of(policy.slot), (scale.within(low), y), (scale.within(high), y));
        // Something below 0 cannot be: an interval that reaches there simply ends at the axis.
        if low < scale.low && scale.low > 0.0 {
            beyond(picture, policy.slot, (scale.start, y), -1.0);
        }
        if high > scale.high {
            beyond(picture, policy.slot, (scale.end, y), 1.0);
        }
    }
    if let Some(mean) = second.and_then(|column| column.estimate(policy).mean) {
        // Large enough for its tips to be seen behind a dot in the same place.
        let (x, r) = (scale.within(mean), 5.8);
        let corners = vec![(x - r, y), (x, y - r), (x + r, y), (x, y + r)];
        picture.add(Role::Diamond.of(policy.slot), Shape::Area(corners));
    }
    if let Some(mean) = mean {
        picture.add(Role::Dot.of(policy.slot), Shape::Circle((scale.within(mean), y), 4.2));
    }
}

/// A triangle at the end of the axis that points away from it.
fn beyond(picture: &mut Picture, slot: usize, (x, y): (f64, f64), direction: f64) {
    let tip = x + direction * 6.0;
    picture.add(Role::Beyond.of(slot), Shape::Area(vec![(x, y - 3.5), (tip, y), (x, y + 3.5)]));
}

/// The replications that get a dot, the lowest and the highest always among them.
fn shown(values: &[Option<f64>]) -> Vec<f64> {
    let mut present: Vec<f64> = values.iter().flatten().copied().collect();
    if present.len() <= MOST_DOTS {
        return present;
    }
    present.sort_by(f64::total_cmp);
    (0..MOST_DOTS).map(|i| present[i * (present.len() - 1) / (MOST_DOTS - 1)]).collect()
}

/// What the marks of all dot plots mean.
pub fn caption(comparison: &Comparison) -> String {
    let baseline = harmless(&comparison.policies[comparison.baseline].name);
    let marks = match comparison.replications as usize {
        1 => "Dot: the one replication.".to_owned(),
        n if n <= MOST_DOTS => format!("Large dot and bar: mean and 95% interval. Small dots: the {n} replications."),
        n => format!(
            "Large dot and bar: mean and 95% interval. Small dots: {MOST_DOTS} of {n} replications, at even ranks."
        ),
    };
    format!("{marks} Dashed line: {baseline}.")
}

/// What is special about a plot: where its axis begins, what its second mark is.
fn note(comparison: &Comparison, plot: &Plot) -> String {
    let mut parts = Vec::new();
    let layout = Layout::new(comparison, plot);
    if let Some(first) = layout.ticks.first().filter(|first| first.value > 0.0) {
        parts.push(format!("Axis starts at {}.", first.label));
    }
    match (plot.second, second(comparison, plot)) {
        (_, Some(_)) => {
            parts.push("● duplicates (number at right), ◇ phantom successes, per 10,000 operations.".to_owned())
        }
        (Some(_), None) => parts.push("Duplicates per 10,000 operations; no phantom successes.".to_owned()),
        (None, None) => {}
    }
    parts.join(" ")
}

/// The axis between two places, with at most so many steps: shares from a tick below the lowest replication to one above the highest, counts
/// from 0.
fn axis(comparison: &Comparison, plot: &Plot, steps: f64, (start, end): (f64, f64)) -> (Scale, Vec<Tick>) {
    let second = plot.second.map_or(0.0, |column| highest(comparison, column));
    let most = plot.highest(comparison).max(second).max(plot.reach);
    if plot.column == Column::Success {
        let values = comparison.policies.iter().flat_map(|policy| plot.values(policy)).flatten();
        // Of nothing there is no lowest.
        let least = values.fold(1.0, f64::min).min(most);
        let (low, high, ticks) = share_ticks(least * 100.0, most * 100.0, steps);
        return (Scale { low: low / 100.0, high: high / 100.0, start, end }, ticks);
    }
    let factor = factor(plot.column);
    let high = if most > 0.0 { most } else { 1.0 / factor };
    let tick = |tick: Tick| Tick { value: tick.value / factor, ..tick };
    let ticks = count_ticks(high * factor, steps).into_iter().map(tick).collect();
    (Scale { low: 0.0, high, start, end }, ticks)
}

/// Least per cent on an axis of shares: smaller differences are not made to look large.
const LEAST_RANGE: f64 = 5.0;

/// An axis of per cent that begins and ends at a tick; `steps` may become one more by that.
fn share_ticks(least: f64, most: f64, steps: f64) -> (f64, f64, Vec<Tick>) {
    let step = round_step((most - least).max(LEAST_RANGE), steps);
    let high = ((most / step - 1e-9).ceil() * step).clamp(step, 100.0);
    let low = ((least.min(high - LEAST_RANGE) / step + 1e-9).floor() * step).max(0.0);
    let high = high.max(low + (LEAST_RANGE / step - 1e-9).ceil() * step);
    let count = ((high - low) / step).round() as usize;
    let tick = |value: f64| Tick { value: value / 100.0, label: format!("{}%", short(value, step)) };
    (low, high, (0..=count).map(|i| tick(low + i as f64 * step)).collect())
}

/// From a metric's unit to the axis's.
fn factor(column: Column) -> f64 {
    if matches!(column, Column::Duplicates | Column::Phantom) { 10_000.0 } else { 1.0 }
}

/// A value without the unit that the title has.
fn bare(column: Column, text: &str) -> String {
    if column == Column::Success { text.trim_end_matches('%').to_owned() } else { text.to_owned() }
}

/// "72.2 (71.4 to 73.0)".
fn value_in_words(plot: &Plot, policy: &PolicyResult, cells: &Cells) -> String {
    let one = |column: Column, estimate: Estimate| {
        let Estimate { mean, ci_low, ci_high } = estimate;
        let write = |value: f64| bare(column, &cells.number(column, value));
        let mean = mean.map_or_else(|| "no value".to_owned(), write);
        let interval = ci_low.zip(ci_high).map(|(low, high)| format!(" ({} to {})", write(low.max(0.0)), write(high)));
        mean + &interval.unwrap_or_default()
    };
    match plot.second {
        None => one(plot.column, plot.estimate(policy)),
        Some(second) => {
            let of = |column: Column| one(column, column.estimate(policy));
            format!("duplicates {}, phantom successes {}", of(plot.column), of(second))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_shares_begin_and_end_at_ticks() {
        let check = |least: f64, most: f64, steps: f64, expected: &str| {
            let (low, high, ticks) = share_ticks(least, most, steps);
            let labels: Vec<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
            assert_eq!(labels.join(" "), expected);
            let ends = [ticks[0].value, ticks[ticks.len() - 1].value].map(|value| value * 100.0);
            assert!((ends[0] - low).abs() < 1e-9 && (ends[1] - high).abs() < 1e-9, "{low} to {high}: {ends:?}");
        };
        check(8.3, 98.0, 5.0, "0% 20% 40% 60% 80% 100%");
        check(44.1, 79.9, 5.0, "40% 50% 60% 70% 80%");
        check(93.1, 100.0, 5.0, "92% 94% 96% 98% 100%");
        // Small differences do not look large.
        check(100.0, 100.0, 5.0, "95% 96% 97% 98% 99% 100%");
        check(99.9, 100.0, 2.0, "94% 96% 98% 100%");
        check(0.0, 0.0, 5.0, "0% 1% 2% 3% 4% 5%");
        check(0.0, 100.0, 1.0, "0% 100%");
        check(50.0, 50.0, 5.0, "45% 46% 47% 48% 49% 50%");
    }
}
