//! In how many replications each policy was back to normal after all that ended: faults, and a surge of demand.

use super::ReportInput;
use super::column::{Heads, has_effects, leaves_halves, loses_updates};
use super::findings::Findings;
use super::name::harmless;
use super::name::list;
use super::number::{LatencyUnit, Notation};
use crate::scenario::metric::{Measure, Metric, Of};

/// Recovery of one policy. There is no mean here: over the runs that did recover it says nothing without those that did not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovered {
    /// Replications with a time to recover.
    pub runs: usize,
    /// Replications in which there was something to recover from, and to compare with.
    pub of: usize,
    /// The longest time to recover among them, in seconds.
    pub slowest: Option<f64>,
}

impl Recovered {
    /// Replications that stayed down.
    pub fn down(&self) -> usize {
        self.of - self.runs
    }
}

/// Per policy; `None` if no policy has anything to recover from that can be told of.
pub fn recovered(input: &ReportInput) -> Option<Vec<Recovered>> {
    let per_policy = input.comparison.policies.iter().map(|policy| {
        let times = policy.metric(Metric::Recovery).map_or(&[][..], |metric| &metric.values);
        let came_back = || times.iter().flatten().copied().filter(|time| time.is_finite());
        Recovered {
            runs: came_back().count(),
            of: times.iter().flatten().count(),
            slowest: came_back().reduce(f64::max),
        }
    });
    let per_policy: Vec<Recovered> = per_policy.collect();
    per_policy.iter().any(|r| r.of > 0).then_some(per_policy)
}

/// All that ends, in the world of some row.
fn ends(input: &ReportInput) -> Vec<Of> {
    let policies = 0..input.comparison.policies.len();
    let mut ends: Vec<Of> =
        policies.flat_map(|policy| input.scene_of(policy).what_ends()).map(|(what, _)| what).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// These by name: one of them, or `each` of several.
fn in_words(input: &ReportInput, ends: &[Of], each: &str) -> Option<String> {
    let fault = |index: u32| harmless(&input.scenario.world.faults[index as usize].name);
    match ends {
        [] => None,
        [Of::Fault(one)] => Some(fault(*one)),
        [_] => Some("the surge of demand".to_owned()),
        [Of::Demand, Of::Fault(one)] => Some(format!("{} and the surge of demand", fault(*one))),
        [Of::Demand, ..] => Some(format!("{each} fault and the surge of demand")),
        _ => Some(format!("{each} fault")),
    }
}

/// What there is to recover from, as far as it can be told whether somebody did: "outage", "the surge of demand", "every fault".
pub fn after(input: &ReportInput) -> Option<String> {
    let all = ends(input);
    let told = |of: &Of| {
        let measure = Measure { metric: Metric::Recovery, of: *of };
        let mut measured = input.comparison.policies.iter().filter_map(|policy| policy.metric(measure)).peekable();
        measured.peek().is_none() || measured.any(|of| of.values.iter().any(Option::is_some))
    };
    let told: Vec<Of> = all.iter().copied().filter(told).collect();
    if told.len() == all.len() || told.len() < 2 {
        return in_words(input, &told, "every");
    }
    Some(format!("{} of {} that end", told.len(), all.len()))
}

/// What a wave may come after.
pub fn any_end(input: &ReportInput) -> Option<String> {
    in_words(input, &ends(input), "any")
}

/// What goes wrong, with what it weighs.
fn wrong(input: &ReportInput) -> String {
    if !has_effects(input.comparison) {
        return "without success".to_owned();
    }
    let weighing = |weight: f64| {
        if weight == 1.0 { String::new() } else { format!(" that weigh {} each", Notation::PAGE.rate(weight)) }
    };
    let decide = &input.scenario.decide;
    let (duplicates, phantoms) = (weighing(decide.duplicate), weighing(decide.phantom));
    let mut parts =
        vec!["without success".to_owned(), format!("duplicates{duplicates}"), format!("phantom successes{phantoms}")];
    if loses_updates(input.comparison) {
        parts.push(format!("lost updates{}", weighing(decide.lost_update)));
    }
    if leaves_halves(input.comparison) {
        parts.push(format!("operations left half done{}", weighing(decide.half_done)));
    }
    list(&parts, "and")
}

/// What heads and legends of columns say.
pub fn heads<'a>(input: &ReportInput, findings: &'a Findings, unit: LatencyUnit) -> Heads<'a> {
    Heads {
        baseline: match input.decision.groups.len() {
            1 => &findings.names[input.comparison.baseline],
            // Each group has its own.
            _ => "own baseline",
        },
        wrong: wrong(input),
        slo: input.scenario.frame.slo.map_or_else(String::new, |slo| Notation::PAGE.length(slo.seconds())),
        after: after(input).unwrap_or_else(|| "the fault".to_owned()),
        any_end: any_end(input).unwrap_or_else(|| "the fault".to_owned()),
        unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{row, with_input};
    use crate::units::{SimTime, Span};

    /// Runs that recovered, and of how many, of a policy with these times; `None` if there is no telling.
    fn check(times: [Option<f64>; 3], expected: Option<(usize, usize)>) {
        let rows = vec![row("a", &[0.7; 3]).maybe("recovery", times.to_vec())];
        let got = with_input(rows, recovered);
        assert_eq!(got.map(|all| (all[0].runs, all[0].of)), expected, "{times:?}");
    }

    #[test]
    fn when_there_is_something_to_recover_from() {
        let never = Some(f64::INFINITY);
        check([Some(5.0); 3], Some((3, 3)));
        check([Some(0.0), never, Some(9.0)], Some((2, 3)));
        check([Some(0.0), None, never], Some((1, 2)));
        check([never; 3], Some((0, 3)));
        check([None; 3], None);
    }

    #[test]
    fn what_there_is_to_recover_from() {
        let check = |until: u64, surge: Option<u64>, expected: Option<&str>| {
            with_input(vec![row("a", &[0.7; 3])], |input| {
                let mut scenario = input.scenario.clone();
                scenario.world_mut().faults[0].until = SimTime::ZERO + Span::secs(until);
                scenario.world_mut().recover_from = surge.map(Span::secs);
                assert_eq!(after(&ReportInput { scenario: &scenario, ..*input }).as_deref(), expected);
            });
        };
        check(240, None, Some("outage"));
        // It never ends within the run.
        check(1_200, None, None);
        check(1_200, Some(300), Some("the surge of demand"));
        check(240, Some(300), Some("outage and the surge of demand"));
    }
}
