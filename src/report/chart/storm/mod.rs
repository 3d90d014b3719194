//! The storm: attempts per second over the run, a panel for each policy, all on the same axes, with goodput in a strip below.

pub mod axes;
mod faults;
mod legend;
mod panel;
pub mod peak;
mod readings;
mod strips;
mod table;
pub mod words;

use self::axes::Axes;
use self::strips::{Level, Strips};
use super::picture::Point;
use super::series::{Grouping, MOST_POINTS};
use super::{Chart, Panel};
use crate::experiment::Comparison;
use crate::report::ReportInput;
use crate::report::name::{harmless, list};
use crate::report::number::Notation;
use crate::report::recovery::recovered;
use crate::scenario::metric::Metric;

/// Most points of another policy's line.
const MOST_CONTEXT_POINTS: usize = 130;
/// With more policies than this the others are left out: they would be a grey wall, and their number grows with the square.
const MOST_IN_CONTEXT: usize = 24;

/// With more policies than this the two that matter most come first: in their own places nobody would see them side by side.
const MOST_IN_ORDER: usize = 9;

/// A panel for each policy.
pub fn chart(input: &ReportInput) -> Option<Chart> {
    let storm = Storm::new(input);
    let recovered = recovered(input);
    let panel = |policy: usize| {
        let result = &input.comparison.policies[policy];
        let rate = result.mean(Metric::SuccessRate);
        Panel {
            slot: Some(result.slot),
            name: harmless(&result.name),
            right: rate.map_or_else(String::new, |rate| format!("{} succeeded", Notation::PAGE.percent(rate))),
            picture: panel::panel(&storm, policy),
            words: words::words(input, policy, recovered.as_ref().map(|all| all[policy])),
            ..Panel::default()
        }
    };
    Some(Chart {
        title: "Attempts per second and goodput".to_owned(),
        caption: storm.caption(),
        legend: vec![("", legend::legend(&storm))],
        panels: storm.order().into_iter().map(panel).collect(),
        tables: table::tables(&storm),
        readings: readings::readings(&storm),
        ..Chart::default()
    })
}

/// The policies of which fewest and most operations went wrong; nothing if there are two or less, or if it is the same one.
fn featured(comparison: &Comparison) -> Option<(usize, usize)> {
    let policies = comparison.policies.iter().enumerate();
    let rates = policies.filter_map(|(index, policy)| Some((policy.mean(Metric::GoneWrongRate)?, index)));
    let mut rates: Vec<(f64, usize)> = rates.collect();
    // Stable: of equals the first in the file.
    rates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (best, worst) = (rates.first()?, rates.iter().find(|(rate, _)| Some(rate) == rates.last().map(|(r, _)| r))?);
    (best.0 < worst.0).then_some((best.1, worst.1))
}

/// What all panels share.
struct Storm<'a> {
    input: &'a ReportInput<'a>,
    axes: Axes,
    /// How many bins make a point of a policy's own line.
    grouping: Grouping,
    /// The line of each policy as the others' panels show it; empty if it is not shown.
    context: Vec<Vec<Point>>,
    /// Levels under the goodput.
    strips: Strips,
    /// The chosen policy and the worst one, where these come first.
    featured: Option<(usize, usize)>,
}

impl<'a> Storm<'a> {
    /// Of these results.
    fn new(input: &'a ReportInput<'a>) -> Storm<'a> {
        let policies = &input.comparison.policies;
        // With very many policies the page stays small.
        let points = (18_000 / policies.len().max(1)).clamp(30, MOST_POINTS);
        let axes = Axes::new(input, points);
        let bin = policies[0].timeline.bin;
        // One more comes at the left edge.
        let group = |most: usize| Grouping::new(bin, axes.time.high, most - 1);
        let line = |values: &[f64]| axes.line(group(MOST_CONTEXT_POINTS.min(points)), values);
        let shown = policies.len() <= MOST_IN_CONTEXT;
        let context = policies.iter().map(|p| if shown { line(&p.timeline.attempts) } else { Vec::new() }).collect();
        let strips = Strips::new(input, &axes);
        let featured = if policies.len() > MOST_IN_ORDER { featured(input.comparison) } else { None };
        Storm { input, grouping: group(points), axes, context, strips, featured }
    }

    /// The policies in the order of their panels.
    fn order(&self) -> Vec<usize> {
        let first: Vec<usize> = self.featured.into_iter().flat_map(|(chosen, worst)| [chosen, worst]).collect();
        let rest = (0..self.input.comparison.policies.len()).filter(|policy| !first.contains(policy));
        first.iter().copied().chain(rest).collect()
    }

    /// What a panel shows, over how many runs.
    fn caption(&self) -> String {
        let n = Notation::PAGE;
        let (seconds, replications) = (self.grouping.seconds(), self.input.comparison.replications);
        let line = match replications {
            1 => format!("Line: one run in bins of {}.", n.length(seconds)),
            runs => format!(
                "Line: mean of {runs} runs in bins of {}; band: 10th to 90th percentile of the runs.",
                n.length(seconds)
            ),
        };
        let window = n.length(self.input.scenario.peak_window.seconds());
        let runs = if replications > 1 {
            " of each run, averaged; it spans the times at which the runs had it, and stands above the mean"
        } else {
            ""
        };
        let levels = self.strips.any();
        let strips = if levels.is_empty() {
            String::new()
        } else {
            let levels: Vec<&str> = levels.into_iter().map(Level::label).collect();
            format!(" Under these, where the level is not flat: {}.", list(&levels, "and"))
        };
        let name = |policy: usize| harmless(&self.input.comparison.policies[policy].name);
        let first = self.featured.map_or_else(String::new, |(chosen, worst)| {
            let (chosen, worst) = (name(chosen), name(worst));
            format!(
                " First {chosen}, where fewest operations went wrong, and {worst}, where most did; then all others."
            )
        });
        format!(
            "Above, attempts per second; below, goodput. {line} Short bar: the busiest {window}{runs}.{strips}{first}"
        )
    }

    /// True if every panel shows the other policies.
    fn has_context(&self) -> bool {
        self.context.len() > 1 && self.context.iter().any(|line| !line.is_empty())
    }
}
