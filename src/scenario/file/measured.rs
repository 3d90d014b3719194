//! Will anything be measured? A demand of which nothing can start between the warm-up and its end answers no question.

use toml::de::DeTable;

use super::checks::demand;
use super::diagnostic::Diagnostic;
use crate::distribution::Distribution;
use crate::scenario::{Arrivals, Scenario, Trace, profile_rate};
use crate::units::{NANOS_PER_SECOND, Span};

/// Why nothing would be measured, and what to do.
struct Nothing {
    label: String,
    help: String,
}

/// An error if it is known beforehand that no operation starts in [warmup, duration).
pub fn nothing(scenario: &Scenario, root: &DeTable<'_>) -> Option<Diagnostic> {
    let (from, to) = (scenario.frame.warmup, scenario.frame.duration);
    let Nothing { label, help } = match &scenario.world.arrivals {
        Arrivals::Poisson { .. } => None,
        Arrivals::Constant { rate } => constant(*rate, from, to),
        Arrivals::Burst { operations, at, every } => burst(*operations, *at, *every, from, to),
        Arrivals::Profile(points) => {
            let inner = points.iter().filter(|point| from < point.at && point.at < to);
            let last = profile_rate(points, Span(to.0 - 1));
            let some = profile_rate(points, from) > 0.0 || last > 0.0 || inner.clone().any(|point| point.rate > 0.0);
            (!some).then(|| Nothing {
                label: format!("the rate is 0 {}", between(from, to)),
                help: "a rate above 0 at some time between".to_owned(),
            })
        }
        Arrivals::Closed { think } => {
            let label = match think {
                Distribution::Constant(think) if *think < from && *think + *think >= to => {
                    Some(format!("every client starts at {think} and then thinks again: none {}", between(from, to)))
                }
                _ if think.share_above(Span(to.0 - 1)) >= 1.0 => {
                    Some(format!("every client thinks for {to} or longer before its first operation"))
                }
                _ => None,
            };
            label.map(|label| Nothing { label, help: "less time to think, or a longer duration".to_owned() })
        }
        Arrivals::Trace(trace) => recorded(trace, from, to),
    }?;
    Some(Diagnostic::error("nothing-measured", "nothing would be measured", demand(root), label).help(help))
}

fn between(from: Span, to: Span) -> String {
    if from == Span::ZERO {
        format!("before {to}")
    } else {
        format!("between {from}, the end of the warm-up, and {to}")
    }
}

fn constant(rate: f64, from: Span, to: Span) -> Option<Nothing> {
    let start = |number: f64| Span::from_nanos_f64(number / rate * NANOS_PER_SECOND as f64);
    // Rounding may put a start on either side of the limit.
    let near = (from.seconds() * rate).floor();
    let starts = [near - 1.0, near, near + 1.0, near + 2.0].map(|number| start(number.max(0.0)));
    if starts.iter().any(|at| (from..to).contains(at)) {
        return None;
    }
    let (gap, next) = (start(1.0), starts.into_iter().find(|at| *at >= to).unwrap_or(to));
    Some(Nothing {
        label: format!("an operation every {gap}, and none {}", between(from, to)),
        help: longer_than(next),
    })
}

fn burst(operations: u64, at: Span, every: Option<Span>, from: Span, to: Span) -> Option<Nothing> {
    let next = match every {
        _ if at >= from => Some(at),
        None => None,
        Some(every) => Some(at + Span(every.0.saturating_mul((from - at).0.div_ceil(every.0)))),
    };
    if operations > 0 && next.is_some_and(|next| next < to) {
        return None;
    }
    let label = match next {
        Some(next) => format!("a burst at {next}, and none {}", between(from, to)),
        None => format!("a burst at {at}, and none {}", between(from, to)),
    };
    Some(Nothing { label, help: next.map_or_else(|| "a shorter warm-up".to_owned(), longer_than) })
}

fn recorded(trace: &Trace, from: Span, to: Span) -> Option<Nothing> {
    if trace.at.iter().any(|at| (from..to).contains(&Span(at.0))) {
        return None;
    }
    let cut = trace.cut;
    let (first, last) = (Span(cut.first.unsigned_abs()), Span(cut.last.unsigned_abs()));
    Some(match () {
        () if !trace.at.is_empty() => Nothing {
            label: format!("all {} instants before {to} lie in the warm-up of {from}", trace.at.len()),
            help: "a shorter warm-up, or a longer duration".to_owned(),
        },
        () if cut.after == 0 => Nothing {
            label: format!("all {} instants lie before the beginning, the last by {last}", cut.before),
            help: "an earlier `origin`, or none".to_owned(),
        },
        () if cut.before == 0 => Nothing {
            label: format!("all {} instants lie at or after {to}, the first at {first}", cut.after),
            help: format!("{}, or an `origin` that is no later than the first instant", longer_than(last)),
        },
        () => Nothing {
            label: format!("{} instants lie before the beginning and {} at or after {to}", cut.before, cut.after),
            help: format!("another `origin`, or {}", longer_than(last)),
        },
    })
}

/// A duration that ends after this instant, and is easy to read.
fn longer_than(instant: Span) -> String {
    let unit = if instant < Span::secs(600) { Span::secs(1) } else { Span::secs(60) };
    format!("`duration = \"{}\"`", (instant + Span::nanos(1)).up_to_whole(unit))
}
