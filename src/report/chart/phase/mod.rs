//! The phase picture: offered load against goodput, one run as a way through the two.
//!
//! A system that recovers comes back to where it began. One in a metastable failure ends far to the right, near the bottom, though its
//! fault is long over (Bronson, Aghayev, Charapko, Zhu, "Metastable Failures in Distributed Systems", HotOS 2021). A mean over several
//! runs would draw a state that none was in.

mod panel;
mod way;

use super::axis::{LogScale, Scale, Tick, count_ticks, instant};
use super::{Chart, Panel, Table};
use crate::experiment::PolicyResult;
use crate::report::ReportInput;
use crate::report::name::{harmless, list};
use crate::report::number::Notation;
use crate::report::recovery::recovered;
use crate::scenario::Arrivals;
use crate::scenario::metric::Metric;
use way::Way;

/// Panels that are shown at once.
const AT_ONCE: usize = 3;
/// Width of a panel.
const WIDTH: f64 = 340.0;
/// Height of a panel.
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 38.0;
const RIGHT: f64 = WIDTH - 10.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = HEIGHT - 40.0;

/// Why a policy is among the panels that are shown at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    StayedDown,
    Worst,
    Best,
    Baseline,
    ThereIsRoom,
}

/// The panels with most to tell, then those of all other policies.
pub fn chart(input: &ReportInput) -> Option<Chart> {
    let phase = Phase::new(input)?;
    let shown: Vec<usize> = phase.shown.iter().map(|(policy, _)| *policy).collect();
    let others = phase.moving.iter().copied().filter(|policy| !shown.contains(policy));
    let panels = shown.iter().map(|policy| phase.panel(*policy, false));
    Some(Chart {
        title: "Load against goodput".to_owned(),
        caption: phase.caption(),
        panels: panels.chain(others.map(|policy| phase.panel(policy, true))).collect(),
        tables: vec![phase.table()],
        ..Chart::default()
    })
}

/// The panels of a comparison on their shared axes.
struct Phase<'a> {
    input: &'a ReportInput<'a>,
    ways: Vec<Way>,
    load: LogScale,
    goodput: Scale,
    goodput_ticks: Vec<Tick>,
    /// Operations per second that users ask for, if that is one number.
    demand: Option<f64>,
    /// Requests per second that the server can finish when nothing is wrong.
    capacity: Option<f64>,
    /// The policies whose run moves enough to be seen.
    moving: Vec<usize>,
    /// Those of them that are shown at once, and why.
    shown: Vec<(usize, Why)>,
}

/// A run that stays within so many units of one place does not move.
const STILL: f64 = 20.0;

impl<'a> Phase<'a> {
    /// For these results; `None` if nothing moves anywhere, and for bursts: they have no rate that a system could come back to.
    fn new(input: &'a ReportInput<'a>) -> Option<Phase<'a>> {
        if matches!(input.scenario.world.arrivals, Arrivals::Burst { .. }) {
            return None;
        }
        let policies = &input.comparison.policies;
        let ways: Vec<Way> = policies.iter().map(|policy| Way::new(input.scenario.common(), policy)).collect();
        let points = || ways.iter().flat_map(|way| &way.points);
        let loads = || points().map(|point| point.load).filter(|load| *load > 0.0);
        let (least, most) = (loads().fold(f64::INFINITY, f64::min), loads().fold(0.0, f64::max));
        if most <= 0.0 {
            return None;
        }
        let demand = demand(input);
        // A breaker can hold back nearly everything, and a bin can be empty: neither may squeeze the rest.
        let (low, high) = match demand {
            Some(demand) => (least.clamp(demand / 40.0, demand / 2.0), (demand * 10.0).max(most * 1.1)),
            None => ((least / 1.5).max(most / 1000.0), most * 1.5),
        };
        let goodput = points().map(|point| point.goodput).fold(0.0, f64::max).max(demand.unwrap_or(0.0)) * 1.12;
        let goodput = if goodput > 0.0 { goodput } else { 1.0 };
        let load = LogScale { low, high, start: LEFT, end: RIGHT };
        let goodput_scale = Scale { low: 0.0, high: goodput, start: BOTTOM, end: TOP };
        let moves = |policy: &usize| ways[*policy].reach(load, goodput_scale) > STILL;
        let moving: Vec<usize> = (0..ways.len()).filter(moves).collect();
        if moving.is_empty() {
            return None;
        }
        Some(Phase {
            load,
            goodput: goodput_scale,
            goodput_ticks: count_ticks(goodput, 5.0),
            demand,
            capacity: capacity(input),
            shown: shown(input, &moving),
            moving,
            ways,
            input,
        })
    }

    /// "run 6 of 10"; nothing if there is only one.
    fn run(&self, policy: usize) -> String {
        let (runs, example) = (self.input.comparison.replications, &self.policy(policy).example);
        if runs == 1 { String::new() } else { format!("run {} of {runs}", example.replication + 1) }
    }

    /// A policy's panel with its head.
    fn panel(&self, policy: usize, aside: bool) -> Panel {
        let result = self.policy(policy);
        Panel {
            slot: Some(result.slot),
            name: harmless(&result.name),
            right: self.run(policy),
            picture: panel::panel(self, policy),
            aside,
            ..Panel::default()
        }
    }

    /// Loads and goodputs of the runs in time.
    fn table(&self) -> Table {
        let n = Notation::PAGE;
        let row = |way: &Way| {
            way.points.iter().map(|point| format!("{} → {}", n.rate(point.load), n.rate(point.goodput))).collect()
        };
        Table {
            title: "attempts per second → successes per second of these runs".to_owned(),
            heads: self.ways[0].points.iter().map(|point| self.instant(point.from)).collect(),
            rows: self.ways.iter().map(row).collect(),
        }
    }

    /// What the panels show, and which runs.
    fn caption(&self) -> String {
        let n = Notation::PAGE;
        let seconds = self.ways[0].seconds;
        let one = if self.input.comparison.replications > 1 { "One run each, in" } else { "In" };
        let mut text =
            format!("{one} time order: attempts per second against goodput, in bins of {}.", n.length(seconds));
        let some = |holds: fn(&Way) -> bool| self.ways.iter().any(holds);
        let fault = match &self.input.scenario.world.faults[..] {
            [] => None,
            [one] => Some((harmless(&one.name), "during it", "after it")),
            _ => Some(("the first fault".to_owned(), "up to the end of the last one", "after that")),
        };
        if let Some((fault, during, after)) = fault {
            let parts = [
                (some(|way| way.before > 0), format!("Thin grey: before {fault}.")),
                (some(|way| way.during > way.before), format!("In the fault's colour: {during}.")),
                (some(|way| way.points.len() > way.during), format!("Thick, in the policy's colour: {after}.")),
            ];
            parts.into_iter().filter(|(there, _)| *there).for_each(|(_, part)| text.push_str(&format!(" {part}")));
        }
        text.push_str(" Large ring: end of the demand.");
        let why = |wanted: Why| self.shown.iter().any(|(_, why)| *why == wanted);
        let reasons = [
            (Why::StayedDown, "the run that stayed down longest"),
            (Why::Worst, "the worst by what goes wrong"),
            (Why::Best, "the choice, or the best by what goes wrong"),
            (Why::Baseline, "the baseline"),
        ];
        let reasons: Vec<&str> = reasons.into_iter().filter(|(wanted, _)| why(*wanted)).map(|(_, text)| text).collect();
        if self.moving.len() > AT_ONCE && !reasons.is_empty() {
            text.push_str(&format!(" Shown are {}.", list(&reasons, "and")));
        }
        if self.input.comparison.replications > 1 {
            text.push_str(" Each is its policy's median run, or one that stayed down.");
        }
        if self.moving.len() < self.ways.len() {
            text.push_str(" Policies whose run stays in one place have no panel.");
        }
        text
    }

    fn policy(&self, policy: usize) -> &PolicyResult {
        &self.input.comparison.policies[policy]
    }

    fn instant(&self, seconds: f64) -> String {
        instant(seconds, self.input.scenario.frame.duration.seconds())
    }
}

/// The panels shown at once, of the policies whose run moves at all: who stayed down, or is the worst, the choice, and the baseline; each policy once.
fn shown(input: &ReportInput, moving: &[usize]) -> Vec<(usize, Why)> {
    let comparison = input.comparison;
    let recovered = recovered(input);
    let down = |policy: usize| recovered.as_ref().map_or(0, |all| all[policy].down());
    let rate = |policy: usize| comparison.policies[policy].mean(Metric::SuccessRate).unwrap_or(0.0);
    // Who stayed down in most runs, of those who succeeded least often; of equals the first in the file.
    let stayed_down = moving.iter().copied().filter(|policy| comparison.policies[*policy].example.stayed_down);
    let stayed_down = stayed_down.min_by(|a, b| down(*b).cmp(&down(*a)).then(rate(*a).total_cmp(&rate(*b))));
    let extremes = input.decision.extremes();
    let first = match stayed_down {
        Some(policy) => Some((policy, Why::StayedDown)),
        None => extremes.map(|(_, worst)| (worst, Why::Worst)),
    };
    let best = extremes.map(|(best, _)| (best, Why::Best));
    let wanted = [first, best, Some((comparison.baseline, Why::Baseline))];
    let rest = moving.iter().map(|policy| (*policy, Why::ThereIsRoom));
    let mut panels: Vec<(usize, Why)> = Vec::new();
    for (policy, why) in wanted.into_iter().flatten().chain(rest) {
        let is_new = moving.contains(&policy) && panels.iter().all(|(other, _)| *other != policy);
        if panels.len() < AT_ONCE && is_new {
            panels.push((policy, why));
        }
    }
    panels
}

/// The demand, if it is the same all the time.
fn demand(input: &ReportInput) -> Option<f64> {
    match input.scenario.world.arrivals {
        Arrivals::Poisson { rate } | Arrivals::Constant { rate } => Some(rate).filter(|rate| *rate > 0.0),
        _ => None,
    }
}

fn capacity(input: &ReportInput) -> Option<f64> {
    input.scenario.world.capacity().filter(|capacity| *capacity > 0.0)
}
