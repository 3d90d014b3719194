//! Recorded instants that are not what they seem, and rows that have other operations to do.

use std::sync::Arc;

use toml::de::DeTable;

use super::row_place;
use super::words::number;
use crate::scenario::file::checks::demand;
use crate::scenario::file::diagnostic::Diagnostic;
use crate::scenario::{Arrivals, Scenario, Scene, Trace, profile_rate};
use crate::units::{SimTime, Span};

/// What is to be said of every trace that rows replay.
pub fn traces(scenario: &Scenario, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut seen: Vec<&Arc<Trace>> = Vec::new();
    let mut warnings = Vec::new();
    for index in 0..scenario.policies.len() {
        let arrivals = &scenario.of(index).world.arrivals;
        let Arrivals::Trace(trace) = arrivals else { continue };
        if seen.iter().any(|other| Arc::ptr_eq(other, trace)) {
            continue;
        }
        seen.push(trace);
        let common = std::ptr::eq(arrivals, &scenario.world.arrivals) || *arrivals == scenario.world.arrivals;
        let place = || if common { demand(root) } else { row_place(scenario, index, root) };
        warnings.extend(cut(trace, scenario, place()));
        warnings.extend(retries(trace, place()));
    }
    warnings
}

fn cut(trace: &Trace, scenario: &Scenario, place: std::ops::Range<usize>) -> Option<Diagnostic> {
    let (cut, end) = (trace.cut, scenario.frame.duration);
    let left_out = cut.before + cut.after;
    if left_out == 0 {
        return None;
    }
    let all = left_out + trace.at.len() as u64;
    let what = |count: u64, where_: String| (count > 0).then(|| format!("{} {where_}", number(count as f64)));
    let parts = [what(cut.before, "before the beginning".to_owned()), what(cut.after, format!("at or after {end}"))];
    let label = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let title = format!("{} of {} recorded instants are left out", number(left_out as f64), number(all as f64));
    let last = Span(cut.last.max(0) as u64).up_to_whole(Span::secs(1)) + Span::secs(1);
    let help = if cut.after > 0 {
        format!("`duration = \"{last}\"` takes up the last one; or begin elsewhere with `origin`")
    } else {
        "an earlier `origin`".to_owned()
    };
    Some(
        Diagnostic::warning("trace-cut", title, place, label)
            .note("the run replays a part of what was recorded, which may not be the part that matters")
            .help(help),
    )
}

fn retries(trace: &Trace, place: std::ops::Range<usize>) -> Option<Diagnostic> {
    if trace.keyed {
        return None;
    }
    let title = "recorded retries are taken for operations of their own".to_owned();
    Some(
        Diagnostic::warning("trace-retries", title, place, "each line is an operation")
            .note("a log has a line for each request: what clients repeated while it was written is demand here, and is repeated again")
            .help("`key = \"request_id\"`, a column that is the same for all requests of an operation; if there are no retries in it, `allow = [\"trace-retries\"]`"),
    )
}

/// Rows that are compared although they have other numbers of operations.
pub fn different(scenario: &Scenario, root: &DeTable<'_>) -> Option<Diagnostic> {
    let of = |index: usize| operations(scenario.of(index));
    let usual = of(scenario.frame.baseline)?;
    let differs = |count: f64| (count - usual).abs() > 1e-6 * usual.max(count);
    let others: Vec<(usize, f64)> = (0..scenario.policies.len())
        .filter(|index| scenario.has_own_world(*index) || scenario.has_own_world(scenario.frame.baseline))
        .filter_map(|index| of(index).map(|count| (index, count)))
        .filter(|(_, count)| differs(*count))
        .collect();
    let (first, _) = *others.first()?;
    let name = |index: usize| format!("`{}`", scenario.policies[index].name);
    let list: Vec<String> =
        others.iter().map(|(index, count)| format!("{} {}", name(*index), number(*count))).collect();
    let title = "rows have different numbers of operations".to_owned();
    let label = format!("{} has {}, {}", name(scenario.frame.baseline), number(usual), list.join(", "));
    Some(
        Diagnostic::warning("different-demand", title, row_place(scenario, first, root), label)
            .note("they do not meet the same operations, so that differences of counts and of rates are those of the demand too")
            .help("compare shares, or a row of each demand with one of the same"),
    )
}

/// Operations that are measured, where that is known or has a mean.
fn operations(scene: Scene) -> Option<f64> {
    let (from, to) = (scene.frame.warmup, scene.frame.duration);
    Some(match &scene.world.arrivals {
        Arrivals::Closed { .. } => return None,
        Arrivals::Poisson { rate } | Arrivals::Constant { rate } => rate * (to - from).seconds(),
        Arrivals::Burst { operations, at, every } => {
            let rounds = |until: Span| match every {
                _ if until <= *at => 0,
                None => 1,
                Some(every) => (until - *at).0.div_ceil(every.0),
            };
            (rounds(to) - rounds(from)) as f64 * *operations as f64
        }
        Arrivals::Trace(trace) => {
            let before = |end: Span| trace.at.partition_point(|at| *at < SimTime::ZERO + end);
            (before(to) - before(from)) as f64
        }
        Arrivals::Profile(points) => {
            let inner = points.iter().map(|point| point.at).filter(|at| from < *at && *at < to);
            let edges: Vec<Span> = std::iter::once(from).chain(inner).chain([to]).collect();
            // Trapezoids; a step has no width.
            let area = |pair: &[Span]| {
                let end = points.iter().find(|point| point.at == pair[1]).map(|point| point.rate);
                let end = end.unwrap_or_else(|| profile_rate(points, pair[1]));
                (profile_rate(points, pair[0]) + end) / 2.0 * (pair[1] - pair[0]).seconds()
            };
            edges.windows(2).map(area).sum()
        }
    })
}
