//! The storm: attempts per second over the run, a panel for each policy, all on the same axes, with goodput in a strip below.

pub mod axes;
mod faults;
mod legend;
mod panel;
pub mod peak;
mod strips;
pub mod words;

pub use axes::Axes;
pub use legend::{Entry, legend};
pub use strips::{Level, Strips};
pub use words::words;

use super::picture::{Picture, Point};
use super::series::{Grouping, MOST_POINTS};
use crate::report::ReportInput;
use crate::report::name::list;
use crate::report::number::Notation;

/// Most points of another policy's line.
const MOST_CONTEXT_POINTS: usize = 130;
/// With more policies than this the others are left out: they would be a grey wall, and their number grows with the square.
const MOST_IN_CONTEXT: usize = 24;

/// What all panels share.
pub struct Storm<'a> {
    input: &'a ReportInput<'a>,
    /// The axes.
    pub axes: Axes,
    /// How many bins make a point of a policy's own line.
    pub grouping: Grouping,
    /// The line of each policy as the others' panels show it; empty if it is not shown.
    context: Vec<Vec<Point>>,
    /// Levels under the goodput.
    pub strips: Strips,
}

impl<'a> Storm<'a> {
    /// Of these results.
    pub fn new(input: &'a ReportInput<'a>) -> Storm<'a> {
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
        Storm { input, grouping: group(points), axes, context, strips }
    }

    /// The panel of a policy.
    pub fn panel(&self, policy: usize) -> Picture {
        panel::panel(self, policy)
    }

    /// What a panel shows, over how many runs.
    pub fn caption(&self) -> String {
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
        format!("Above, attempts per second; below, goodput. {line} Short bar: the busiest {window}{runs}.{strips}")
    }

    /// True if every panel shows the other policies.
    pub fn has_context(&self) -> bool {
        self.context.len() > 1 && self.context.iter().any(|line| !line.is_empty())
    }
}
