//! The storm: attempts per second over the run, a panel for each policy, all on the same axes, with goodput in a strip below.

pub mod axes;
mod clear;
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
use crate::report::ReportInput;
use crate::report::name::{harmless, list};
use crate::report::number::Notation;
use crate::report::recovery::{any_end, recovered};
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
            words: storm.place_in_words(policy)
                + &words::words(input, policy, recovered.as_ref().map(|all| all[policy])),
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
        // One more comes at each edge.
        let group = |most: usize| Grouping::new(bin, axes.time.high, most - 2);
        let line = |values: &[f64]| axes.line(group(MOST_CONTEXT_POINTS.min(points)), values);
        let shown = policies.len() <= MOST_IN_CONTEXT;
        let context = policies.iter().map(|p| if shown { line(&p.timeline.attempts) } else { Vec::new() }).collect();
        let strips = Strips::new(input, &axes);
        let featured = if policies.len() > MOST_IN_ORDER { input.decision.extremes() } else { None };
        Storm { input, grouping: group(points), axes, context, strips, featured }
    }

    /// The policies in the order of their panels.
    fn order(&self) -> Vec<usize> {
        let first: Vec<usize> = self.featured.into_iter().flat_map(|(chosen, worst)| [chosen, worst]).collect();
        let rest = (0..self.input.comparison.policies.len()).filter(|policy| !first.contains(policy));
        first.iter().copied().chain(rest).collect()
    }

    /// Why a policy comes first, if it does.
    fn place_in_words(&self, policy: usize) -> String {
        match self.featured {
            Some((best, _)) if best == policy => match self.input.decision.is_chosen(policy) {
                true => "The choice. ".to_owned(),
                false => "The best by what goes wrong. ".to_owned(),
            },
            Some((_, worst)) if worst == policy => "The worst by what goes wrong. ".to_owned(),
            _ => String::new(),
        }
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
        let peaks = self.peaks_in_words();
        let levels = self.strips.any();
        let strips = if levels.is_empty() {
            String::new()
        } else {
            let levels: Vec<&str> = levels.into_iter().map(Level::label).collect();
            format!(" Under these, where the level is not flat: {}.", list(&levels, "and"))
        };
        let first = if self.featured.is_some() {
            " The first two are the best, or the choice, and the worst by what goes wrong."
        } else {
            ""
        };
        format!("Above, attempts per second; below, goodput. {line}{peaks}{strips}{first}")
    }

    /// What the marks of the peaks mean, if there are any, or what is cut off instead.
    fn peaks_in_words(&self) -> String {
        let n = Notation::PAGE;
        let input = self.input;
        let window = n.length(input.scenario.frame.peak_window.seconds());
        let high = n.count(self.axes.attempts.high);
        if self.axes.cut_before.is_some() {
            let what = any_end(input).unwrap_or_default();
            let runs = if input.comparison.replications > 1 { ", as a mean of the runs" } else { "" };
            return format!(
                " The axis is that of the load after {what}: what lies above {high}/s is cut off (▲). Short bar: the highest load then{runs}."
            );
        }
        let marked = input.comparison.policies.iter().any(|policy| peak::event(policy).is_some());
        let multiple = if self.axes.worlds.iter().any(|world| !world.demand.is_empty()) {
            format!(", as a multiple of the highest demand, which is the most operations that started in {window}")
        } else {
            String::new()
        };
        match input.comparison.replications {
            _ if !marked => String::new(),
            1 => format!(" Short bar: the busiest {window}{multiple}."),
            runs if runs as usize <= peak::MOST_DOTS => {
                format!(" Dots: the busiest {window} of each run; short bar: their mean{multiple}.")
            }
            _ => {
                let most = peak::MOST_DOTS;
                format!(
                    " Dots: the busiest {window} of {most} runs, at even ranks; short bar: the mean of all{multiple}."
                )
            }
        }
    }

    /// True if every panel shows the other policies.
    fn has_context(&self) -> bool {
        self.context.len() > 1 && self.context.iter().any(|line| !line.is_empty())
    }
}
