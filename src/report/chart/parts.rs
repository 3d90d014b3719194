//! What servers, steps and members of mixes have of it: a dot plot for each of them, side by side.

use super::dots::{self, Plot};
use super::{Chart, Panel, Table};
use crate::experiment::{Comparison, Estimate, PolicyResult};
use crate::report::ReportInput;
use crate::report::column::{Cells, Column};
use crate::report::name::harmless;
use crate::report::number::{LatencyUnit, Notation};
use crate::scenario::metric::{Measure, Metric, Of};

/// Most panels of one chart; of more the first.
const MOST_PANELS: usize = 12;

/// Attempts at each server for each operation, where operations meet several.
pub fn servers(input: &ReportInput) -> Option<Chart> {
    let world = &input.scenario.world;
    if !world.makes_several_calls() && input.scenario.policies.iter().all(|row| row.calls_one_server(world)) {
        return None;
    }
    let servers = (0..).zip(&world.servers).map(|(index, server)| (Of::Server(index), server.name.as_str()));
    let title = "Attempts at each server, per operation";
    chart(input, title, Metric::AttemptsPerOperation, Column::Attempts, servers.collect())
}

/// Attempts of each step, every time it is made.
pub fn steps(input: &ReportInput) -> Option<Chart> {
    let steps =
        (0..).zip(&input.scenario.world.operation.steps).map(|(index, step)| (Of::Step(index), step.name.as_str()));
    let mut chart = chart(
        input,
        "Attempts of each step, per call",
        Metric::AttemptsPerCall,
        Column::Attempts,
        steps.clone().collect(),
    )?;
    chart.tables.extend(steps.map(|(of, name)| by_step(input.comparison, of, name)));
    Some(chart)
}

/// What there is of one step under each policy: means over the replications.
fn by_step(comparison: &Comparison, of: Of, name: &str) -> Table {
    let n = Notation::PAGE;
    let heads = ["calls", "succeeded", "needed a retry", "attempts per call", "mean duration", "errors"];
    let row = |policy: &PolicyResult| {
        let value = |metric| policy.mean(Measure { metric, of });
        let calls = value(Metric::Succeeded).unwrap_or(0.0) + value(Metric::Failed).unwrap_or(0.0);
        let share = |part: Option<f64>, whole: f64| match part {
            Some(part) if whole > 0.0 => n.percent(part / whole),
            _ => n.null.to_owned(),
        };
        let attempts = value(Metric::Attempts).unwrap_or(0.0);
        let errors = [
            ("time-outs", Metric::OutcomeTimeout),
            ("connections", Metric::OutcomeConnection),
            ("statuses", Metric::ErrorReplies),
        ];
        let mut errors: Vec<(f64, &str)> =
            errors.into_iter().map(|(what, metric)| (value(metric).unwrap_or(0.0), what)).collect();
        errors.retain(|(count, _)| *count > 0.0);
        errors.sort_by(|a, b| b.0.total_cmp(&a.0));
        let errors: Vec<String> =
            errors.into_iter().map(|(count, what)| format!("{what} {}", share(Some(count), attempts))).collect();
        vec![
            n.count(calls),
            share(value(Metric::Succeeded), calls),
            share(value(Metric::RetriesNeeded), calls),
            value(Metric::AttemptsPerCall).map_or_else(|| n.null.to_owned(), |mean| format!("{mean:.2}")),
            value(Metric::DurationMean).map_or_else(|| n.null.to_owned(), |mean| in_words(n, mean)),
            if errors.is_empty() { "none".to_owned() } else { errors.join(", ") },
        ]
    };
    Table {
        title: format!("step {}: errors are shares of its attempts", harmless(name)),
        heads: heads.map(str::to_owned).to_vec(),
        rows: comparison.policies.iter().map(row).collect(),
    }
}

/// A time in its own unit.
fn in_words(n: Notation, seconds: f64) -> String {
    let unit = LatencyUnit::of(std::iter::once(seconds));
    format!("{}{}{}", n.latency(seconds, unit), n.unit_space, unit.symbol())
}

/// What goes wrong with each member of a mix.
pub fn members(input: &ReportInput) -> Option<Chart> {
    let members = (0..).zip(input.scenario.member_names()).map(|(number, name)| (Of::Member(number), name));
    let title = "What goes wrong with each member, per 10,000 of its operations";
    chart(input, title, Metric::GoneWrongRate, Column::Duplicates, members.collect())
}

/// A panel for each part that any policy has a value of; written as a column is.
fn chart(
    input: &ReportInput,
    title: &'static str,
    metric: Metric,
    column: Column,
    parts: Vec<(Of, &str)>,
) -> Option<Chart> {
    let comparison = input.comparison;
    let plots: Vec<(Plot, String)> = parts
        .into_iter()
        .map(|(of, name)| {
            (Plot { title, column, of: Some(Measure { metric, of }), second: None, reach: 0.0 }, harmless(name))
        })
        .filter(|(plot, _)| comparison.policies.iter().any(|policy| plot.of.and_then(|of| policy.mean(of)).is_some()))
        .collect();
    if plots.len() < 2 {
        return None;
    }
    let reach = plots.iter().map(|(plot, _)| plot.highest(comparison)).fold(0.0, f64::max);
    let plots: Vec<(Plot, String)> = plots.into_iter().map(|(plot, name)| (Plot { reach, ..plot }, name)).collect();
    let panel = |(plot, name): &(Plot, String)| {
        let mut picture = dots::plot(comparison, plot);
        picture.words = format!("{name}: {}", picture.words);
        Panel { name: name.clone(), picture, ..Panel::default() }
    };
    let first = match plots.len() {
        more if more > MOST_PANELS => format!(" The first {MOST_PANELS} of {more}; the table has all."),
        _ => String::new(),
    };
    Some(Chart {
        title: title.to_owned(),
        caption: dots::caption(comparison) + &first,
        panels: plots.iter().take(MOST_PANELS).map(panel).collect(),
        tables: vec![table(comparison, title, &plots)],
        ..Chart::default()
    })
}

/// Means, a column for each part.
fn table(comparison: &Comparison, title: &str, plots: &[(Plot, String)]) -> Table {
    let cells = Cells::new(comparison, None, Notation::PAGE);
    let rows = comparison.policies.iter().map(|policy| {
        let cell = |(plot, _): &(Plot, String)| {
            let estimate = plot.of.and_then(|of| policy.metric(of)).map(|metric| metric.estimate).unwrap_or_default();
            let Estimate { mean, ci_low, ci_high } = estimate;
            let number = |value: f64| cells.number(plot.column, value);
            let interval =
                ci_low.zip(ci_high).map(|(low, high)| format!(" ({} to {})", number(low.max(0.0)), number(high)));
            mean.map_or_else(|| Notation::PAGE.null.to_owned(), |mean| number(mean) + &interval.unwrap_or_default())
        };
        plots.iter().map(cell).collect()
    });
    let interval = if comparison.replications > 1 { " (mean and 95% interval)" } else { "" };
    let heads = plots.iter().map(|(_, name)| name.clone()).collect();
    Table { title: format!("{title}{interval}"), heads, rows: rows.collect() }
}
