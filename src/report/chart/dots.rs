//! Dot plots: one row for each policy, with its mean, its 95% interval and every replication.
//!
//! The replications are there because a mean and its interval can lie where no run is.

use super::axis::{Scale, Tick, count_ticks, round_step, short};
use super::font;
use super::ink::{Role, TEXT};
use super::picture::{Anchor, Picture, Shape};
use super::{Chart, Panel, Table};
use crate::experiment::{Comparison, Estimate, PolicyResult};
use crate::report::ReportInput;
use crate::report::column::{Cells, Column, has_effects};
use crate::report::name::harmless;
use crate::report::number::Notation;

/// A dot plot: what it shows and how it is called.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    /// Above it.
    pub title: &'static str,
    /// What is shown; its mean stands at the right.
    pub column: Column,
    /// Shown in the same rows as ◇.
    pub second: Option<Column>,
}

/// Success rates.
pub const SUCCESS: Plot = Plot { title: "Succeeded, % of operations", column: Column::Success, second: None };
/// Attempts per operation.
pub const ATTEMPTS: Plot = Plot { title: "Attempts per operation", column: Column::Attempts, second: None };
/// What happened twice, and what happened though nobody was told.
pub const DUPLICATES: Plot =
    Plot { title: "Duplicates and phantom successes", column: Column::Duplicates, second: Some(Column::Phantom) };

/// A dot plot; none of duplicates where nothing has an effect.
pub fn chart(input: &ReportInput, plot: &Plot) -> Option<Chart> {
    let comparison = input.comparison;
    if plot.column == Column::Duplicates && !has_effects(comparison) {
        return None;
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
/// Where the axis begins: names stand left of it.
const LEFT: f64 = 112.0;
/// Where it ends: values stand right of it.
const RIGHT: f64 = WIDTH - 58.0;
const TOP: f64 = 14.0;
const FIRST_ROW: f64 = 18.0;
const ROW: f64 = 22.0;
/// Most replications that get a dot; of more, that many at even ranks.
const MOST_DOTS: usize = 60;

/// A plot of these results.
fn plot(comparison: &Comparison, plot: &Plot) -> Picture {
    let rows_bottom = FIRST_ROW + ROW * comparison.policies.len() as f64 + 2.0;
    let mut picture = Picture::new(WIDTH, rows_bottom + 24.0);
    let scale = scale(comparison, plot);
    for tick in ticks(plot.column, scale) {
        let x = scale.at(tick.value);
        picture.line(Role::Grid, (x, TOP), (x, rows_bottom));
        picture.text(Role::Tick, (x, rows_bottom + 15.0), Anchor::Middle, tick.label);
    }
    let baseline = &comparison.policies[comparison.baseline];
    if let Some(mean) = plot.column.estimate(baseline).mean {
        let x = scale.within(mean);
        picture.line(Role::Reference, (x, TOP), (x, rows_bottom));
    }
    let cells = Cells::new(comparison, None, Notation::PAGE);
    let mut words = Vec::new();
    for (index, policy) in comparison.policies.iter().enumerate() {
        let y = FIRST_ROW + ROW * (index as f64 + 0.5);
        let name = harmless(&policy.name);
        let label = Role::Label.of(policy.slot);
        picture.text(label, (0.0, y + 4.0), Anchor::Start, font::shorten(&name, LEFT - 10.0, TEXT, false));
        picture.text(label, (WIDTH, y + 4.0), Anchor::End, bare(plot.column, &cells.text(index, plot.column)));
        row(&mut picture, plot, policy, scale, y);
        words.push(format!("{name} {}", value_in_words(plot, policy, &cells)));
    }
    picture.words = format!("{}, by policy. {}.", plot.title, words.join("; "));
    picture
}

/// The marks of a policy, back to front.
fn row(picture: &mut Picture, plot: &Plot, policy: &PolicyResult, scale: Scale, y: f64) {
    let columns = [Some(plot.column), plot.second];
    for column in columns.into_iter().flatten() {
        for value in shown(&column.values(policy)) {
            picture.add(Role::Replication.of(policy.slot), Shape::Circle((scale.within(value), y), 2.2));
        }
    }
    let Estimate { mean, ci_low, ci_high } = plot.column.estimate(policy);
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
    if let Some(mean) = plot.second.and_then(|column| column.estimate(policy).mean) {
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
fn caption(comparison: &Comparison) -> String {
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
    let low = scale(comparison, plot).low;
    let mut parts = Vec::new();
    if low > 0.0 {
        parts.push(format!("Axis starts at {}.", tick_label(plot.column, low, 0.05)));
    }
    if plot.second.is_some() {
        parts.push("● duplicates (number at right), ◇ phantom successes, per 10,000 operations.".to_owned());
    }
    parts.join(" ")
}

/// Shares from the lowest replication to the highest, in steps of five points; counts from 0.
fn scale(comparison: &Comparison, plot: &Plot) -> Scale {
    let columns = [Some(plot.column), plot.second];
    let values = || {
        let of = |column: Column| comparison.policies.iter().flat_map(move |p| column.values(p)).flatten();
        columns.into_iter().flatten().flat_map(of)
    };
    let highest = values().fold(0.0, f64::max);
    let (low, high) = if values().next().is_none() {
        (0.0, 1.0)
    } else if plot.column == Column::Success {
        const STEP: f64 = 20.0;
        let lowest = values().fold(1.0, f64::min);
        let high = ((highest * STEP - 1e-9).ceil() / STEP).max(1.0 / STEP);
        let low = (lowest * STEP + 1e-9).floor() / STEP;
        (low.min(high - 1.0 / STEP).max(0.0), high)
    } else {
        (0.0, if highest > 0.0 { highest } else { 1.0 })
    };
    Scale { low, high, start: LEFT, end: RIGHT }
}

/// As many ticks, up to five steps, as have room for their labels.
fn ticks(column: Column, scale: Scale) -> Vec<Tick> {
    let choice = |steps: u32| {
        if column == Column::Success {
            share_ticks(scale, f64::from(steps))
        } else {
            let factor = factor(column);
            let ticks = count_ticks(scale.high * factor, f64::from(steps));
            ticks.into_iter().map(|tick| Tick { value: tick.value / factor, ..tick }).collect()
        }
    };
    let half = |tick: &Tick| font::width(&tick.label, TEXT, false) / 2.0;
    let fits = |ticks: &Vec<Tick>| {
        let apart = |pair: &[Tick]| scale.at(pair[1].value) - scale.at(pair[0].value) - half(&pair[0]) - half(&pair[1]);
        ticks.windows(2).all(|pair| apart(pair) >= 6.0)
    };
    (1..=5).rev().map(choice).find(fits).unwrap_or_default()
}

fn share_ticks(scale: Scale, most: f64) -> Vec<Tick> {
    let step = round_step(scale.high - scale.low, most);
    let first = (scale.low / step - 1e-9).ceil() as usize;
    let last = (scale.high / step + 1e-9).floor() as usize;
    let tick = |i: usize| {
        let value = i as f64 * step;
        Tick { value, label: tick_label(Column::Success, value, step) }
    };
    (first..=last).map(tick).collect()
}

fn tick_label(column: Column, value: f64, step: f64) -> String {
    if column == Column::Success { format!("{}%", short(value * 100.0, step * 100.0)) } else { short(value, step) }
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
    let one = |column: Column| {
        let Estimate { mean, ci_low, ci_high } = column.estimate(policy);
        let write = |value: f64| bare(column, &cells.number(column, value));
        let mean = mean.map_or_else(|| "no value".to_owned(), write);
        let interval = ci_low.zip(ci_high).map(|(low, high)| format!(" ({} to {})", write(low.max(0.0)), write(high)));
        mean + &interval.unwrap_or_default()
    };
    match plot.second {
        None => one(plot.column),
        Some(second) => format!("duplicates {}, phantom successes {}", one(plot.column), one(second)),
    }
}
