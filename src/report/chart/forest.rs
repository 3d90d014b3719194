//! Forest plots: how far each policy lies from the baseline, replication by replication, with the 95% interval of that difference.

use super::axis::{Names, Scale, Tick, have_room, round_step, short, widest};
use super::ink::Role;
use super::picture::{Anchor, Picture, Shape};
use super::{Chart, Table};
use crate::experiment::{Comparison, Estimate, PolicyResult};
use crate::report::ReportInput;
use crate::report::column::{Column, has_effects};
use crate::report::name::harmless;
use crate::report::number::{LatencyUnit, Notation, difference_decimals};
use crate::scenario::metric::Metric;

const WIDTH: f64 = 340.0;
/// Most that names take; the axis needs the rest.
const MOST_NAME: f64 = 140.0;
/// Between names and the axis, and between that and the values.
const BESIDE: f64 = 13.0;
/// Half of the widest tick's label has to fit right of the axis too.
const LEAST_VALUE: f64 = 24.0;
const TOP: f64 = 4.0;
const ROW: f64 = 22.0;
/// Half a square.
const SQUARE: f64 = 3.6;

/// One panel: a column, and the policies that can be compared in it.
pub struct Panel<'a> {
    comparison: &'a Comparison,
    column: Column,
    rows: Vec<Row<'a>>,
}

/// A policy's difference to the baseline.
struct Row<'a> {
    policy: &'a PolicyResult,
    /// In the axis's unit.
    difference: Estimate,
    /// The decision shows a difference.
    shown: bool,
    name: String,
    text: String,
}

/// A panel for each quantity; nothing where differences cannot be judged.
pub fn chart(input: &ReportInput) -> Option<Chart> {
    let comparison = input.comparison;
    let panels = panels(input);
    if panels.is_empty() {
        return None;
    }
    let baseline = &comparison.policies[comparison.baseline];
    let row = |policy: &PolicyResult| {
        let none = if policy.slot == baseline.slot { "baseline" } else { Notation::PAGE.null };
        panels.iter().map(|panel| panel.cell(policy.slot).unwrap_or_else(|| none.to_owned())).collect()
    };
    let table = Table {
        title: format!("paired differences to {}", harmless(&baseline.name)),
        heads: panels.iter().map(Panel::title).collect(),
        rows: comparison.policies.iter().map(row).collect(),
    };
    let panel = |panel: &Panel| super::Panel { name: panel.title(), picture: panel.picture(), ..Default::default() };
    Some(Chart {
        title: title(comparison),
        caption: caption(comparison),
        panels: panels.iter().map(panel).collect(),
        tables: vec![table],
        ..Chart::default()
    })
}

/// Above it where no finding is.
fn title(comparison: &Comparison) -> String {
    format!("Difference to {}", harmless(&comparison.policies[comparison.baseline].name))
}

/// What is drawn, over how many runs.
fn caption(comparison: &Comparison) -> String {
    let baseline = harmless(&comparison.policies[comparison.baseline].name);
    format!(
        "Policy minus {baseline}, paired over {} replications on the same demand; bars are 95% intervals, each by itself. Filled: a difference is shown, at 95% for all of the page together. Open, with its number in grey: none is.",
        comparison.replications
    )
}

/// The panels of a comparison: none where nothing can be judged, with a single policy or a single replication.
pub fn panels<'a>(input: &'a ReportInput<'a>) -> Vec<Panel<'a>> {
    let comparison = input.comparison;
    if comparison.replications < 2 || comparison.policies.len() < 2 {
        return Vec::new();
    }
    let effects = has_effects(comparison);
    [Column::Success, Column::Attempts, Column::Phantom, Column::P99]
        .into_iter()
        .filter(|column| *column != Column::Phantom || effects)
        .map(|column| Panel::new(input, column))
        .filter(|panel| !panel.rows.is_empty())
        .collect()
}

impl<'a> Panel<'a> {
    fn new(input: &'a ReportInput<'a>, column: Column) -> Panel<'a> {
        let comparison = input.comparison;
        let mut panel = Panel { comparison, column, rows: Vec::new() };
        let names = Names::within(MOST_NAME, comparison).texts;
        // Rows in another world are not held against this baseline.
        let group = input.decision.group_of(comparison.baseline);
        for index in group.policies.iter().copied().filter(|index| *index != group.baseline) {
            let policy = &comparison.policies[index];
            let paired = column.difference(policy, &comparison.policies[group.baseline], 0.95);
            if paired.ci_low.is_none() {
                continue;
            }
            let times = |value: Option<f64>| value.map(|value| value * panel.factor());
            let difference =
                Estimate { mean: times(paired.mean), ci_low: times(paired.ci_low), ci_high: times(paired.ci_high) };
            let text = panel.number(policy, difference.mean.unwrap_or(0.0));
            let compared = group.pair(column.criterion(), index, group.baseline);
            let shown = compared.is_some_and(|compared| compared.differs());
            panel.rows.push(Row { policy, difference, shown, name: names[index].clone(), text });
        }
        panel
    }

    /// Above it.
    pub fn title(&self) -> String {
        match self.column {
            Column::Success => "Succeeded, percentage points".to_owned(),
            Column::Attempts => "Attempts per operation".to_owned(),
            Column::Phantom => "Phantom successes per 10,000".to_owned(),
            _ => format!("p99 of all operations, {}", self.unit().symbol()),
        }
    }

    /// From the metric's unit to the axis's.
    fn factor(&self) -> f64 {
        match self.column {
            Column::Success => 100.0,
            Column::Phantom => 10_000.0,
            Column::P99 if self.unit() == LatencyUnit::Millis => 1e3,
            _ => 1.0,
        }
    }

    fn unit(&self) -> LatencyUnit {
        LatencyUnit::of(self.comparison.policies.iter().filter_map(|policy| policy.mean(Metric::LatencyAllP99)))
    }

    /// A difference in the axis's unit, with its sign and as many decimals as the table has.
    fn number(&self, policy: &PolicyResult, difference: f64) -> String {
        let n = Notation::PAGE;
        let decimals = match self.column {
            Column::Success => {
                let rate = |policy: &PolicyResult| policy.mean(Metric::SuccessRate).unwrap_or(0.0);
                difference_decimals(rate(policy), rate(&self.comparison.policies[self.comparison.baseline]))
            }
            Column::Attempts => 2,
            _ if difference.abs() >= 9.95 => 0,
            Column::P99 if self.unit() == LatencyUnit::Seconds => 2,
            _ => 1,
        };
        n.signed(difference, decimals)
    }

    /// "+13.0 (+12.9 to +13.2)" for each policy; the baseline, and whoever is not comparable, have none.
    pub fn cell(&self, slot: usize) -> Option<String> {
        let row = self.rows.iter().find(|row| row.policy.slot == slot)?;
        let (low, high) = (row.difference.ci_low?, row.difference.ci_high?);
        Some(format!("{} ({} to {})", row.text, self.number(row.policy, low), self.number(row.policy, high)))
    }

    /// From the lowest interval to the highest, with 0 in it. One interval is much wider than the rest: it goes on beyond the axis.
    fn scale(&self) -> Scale {
        let ends = |pick: fn(&Estimate) -> Option<f64>| self.rows.iter().filter_map(move |row| pick(&row.difference));
        let means = || ends(|difference| difference.mean);
        let (least, most) = (means().fold(0.0, f64::min), means().fold(0.0, f64::max));
        let room = if most > least { 3.0 * (most - least) } else { f64::INFINITY };
        let low = ends(|difference| difference.ci_low).fold(least, f64::min).max(least - room);
        let high = ends(|difference| difference.ci_high).fold(most, f64::max).min(most + room);
        let (low, high) = if high > low { (low, high) } else { (-1.0, 1.0) };
        // A square at the end is not cut.
        let edge = (high - low) * 0.04;
        let start = widest(self.rows.iter().map(|row| &row.name)) + BESIDE;
        let end = WIDTH - widest(self.rows.iter().map(|row| &row.text)).max(LEAST_VALUE) - BESIDE;
        Scale { low: low - edge, high: high + edge, start, end }
    }

    /// The panel's picture.
    pub fn picture(&self) -> Picture {
        let bottom = TOP + ROW * self.rows.len() as f64 + 2.0;
        let mut picture = Picture::new(WIDTH, bottom + 24.0);
        let scale = self.scale();
        for tick in ticks(scale) {
            let x = scale.at(tick.value);
            picture.line(Role::Grid, (x, TOP), (x, bottom));
            picture.text(Role::Tick, (x, bottom + 15.0), Anchor::Middle, tick.label);
        }
        let zero = scale.at(0.0);
        picture.line(Role::Zero, (zero, TOP), (zero, bottom));
        for (index, row) in self.rows.iter().enumerate() {
            draw(&mut picture, row, scale, TOP + ROW * (index as f64 + 0.5));
        }
        let baseline = harmless(&self.comparison.policies[self.comparison.baseline].name);
        let words = self.rows.iter().map(|row| {
            let shown = if row.shown { "" } else { ", no difference shown" };
            let cell = self.cell(row.policy.slot).unwrap_or_default();
            format!("{} {cell}{shown}", harmless(&row.policy.name))
        });
        let words: Vec<String> = words.collect();
        picture.words = format!("{}, difference to {baseline} by policy. {}.", self.title(), words.join("; "));
        picture
    }
}

fn draw(picture: &mut Picture, row: &Row, scale: Scale, y: f64) {
    let slot = row.policy.slot;
    picture.text(Role::Label.of(slot), (0.0, y + 4.0), Anchor::Start, row.name.clone());
    let shown = row.shown;
    let ink = if shown { Role::Label } else { Role::Tick };
    picture.text(ink.of(slot), (WIDTH, y + 4.0), Anchor::End, row.text.clone());
    let (Some(low), Some(high)) = (row.difference.ci_low, row.difference.ci_high) else { return };
    picture.line(Role::Interval.of(slot), (scale.within(low), y), (scale.within(high), y));
    for (beyond, x, direction) in [(low < scale.low, scale.start, -1.0), (high > scale.high, scale.end, 1.0)] {
        if beyond {
            let tip = (x + direction * 6.0, y);
            picture.add(Role::Beyond.of(slot), Shape::Area(vec![(x, y - 3.5), tip, (x, y + 3.5)]));
        }
    }
    let x = scale.within(row.difference.mean.unwrap_or(0.0));
    let role = if shown { Role::Dot } else { Role::Diamond };
    picture.add(role.of(slot), Shape::Rect((x - SQUARE, y - SQUARE), (x + SQUARE, y + SQUARE)));
}

/// As many ticks, up to four steps, as have room for their labels; 0 is always one.
fn ticks(scale: Scale) -> Vec<Tick> {
    let choice = |steps: u32| {
        let step = round_step(scale.high - scale.low, f64::from(steps));
        let (first, last) = ((scale.low / step).ceil() as i64, (scale.high / step).floor() as i64);
        let tick = |i: i64| {
            let value = i as f64 * step;
            let sign = match i.signum() {
                0 => "",
                1 => "+",
                _ => Notation::PAGE.minus,
            };
            Tick { value, label: format!("{sign}{}", short(value.abs(), step)) }
        };
        (first..=last).map(tick).collect()
    };
    let fits = |ticks: &Vec<Tick>| have_room(ticks, |value| scale.at(value));
    (1..=5).rev().map(choice).find(fits).unwrap_or_default()
}
