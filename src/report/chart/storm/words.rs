//! A panel in words.

use super::peak::{EVENT, When, peak};
use crate::experiment::PolicyResult;
use crate::report::ReportInput;
use crate::report::column::Column;
use crate::report::name::harmless;
use crate::report::number::Notation;
use crate::report::recovery::{Recovered, last_fault};

/// What happened to a policy: its peak and when, how it recovered, what its gates refused, its duplicates.
pub fn words(input: &ReportInput, policy: usize, recovered: Option<Recovered>) -> String {
    let result = &input.comparison.policies[policy];
    let sentences = [
        Some(peak_in_words(input, result)),
        recovered.zip(last_fault(input)).map(|(recovered, fault)| recovery_in_words(recovered, &harmless(fault))),
        refusal_in_words(result, "breaker_refused", "breaker", "attempts"),
        refusal_in_words(result, "budget_refused", "budget", "retries"),
        duplicates_in_words(result),
    ];
    sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// What the panel shows, for who cannot see it.
pub fn description(input: &ReportInput, policy: usize) -> String {
    let result = &input.comparison.policies[policy];
    let (name, n) = (harmless(&result.name), Notation::PAGE);
    let success = result.mean("success_rate").map(|rate| format!(" {} of operations succeeded.", n.percent(rate)));
    let load = result.mean("load_mean").map(|load| format!(" On average {}/s.", n.rate(load)));
    format!(
        "{name}: attempts per second and goodput over time. {}{}{}",
        peak_in_words(input, result),
        load.unwrap_or_default(),
        success.unwrap_or_default()
    )
}

fn peak_in_words(input: &ReportInput, result: &PolicyResult) -> String {
    let n = Notation::PAGE;
    let Some(peak) = peak(result) else { return "No attempts.".to_owned() };
    let height = if input.scenario.demand_at(crate::units::SimTime::ZERO).is_some() {
        format!("{} demand", n.times(peak.ratio))
    } else {
        format!("{}/s", n.rate(peak.load))
    };
    match peak.when {
        _ if peak.ratio < EVENT => format!("Peak {height}, at no particular time."),
        When::At(time) => format!("Peak {height} at {}.", n.clock(time)),
        When::Between(from, until) => format!("Peak {height} between {} and {}.", n.clock(from), n.clock(until)),
    }
}

fn recovery_in_words(recovered: Recovered, fault: &str) -> String {
    match (recovered.down(), recovered.slowest) {
        (0, Some(slowest)) if slowest > 0.0 => {
            let within = if recovered.of > 1 { "within " } else { "" };
            format!("Normal again {within}{} after {fault}.", Notation::PAGE.length(slowest))
        }
        (0, _) => format!("Normal again at once after {fault}."),
        (_, None) => format!("Never recovered from {fault}{}.", if recovered.of > 1 { ", in no run" } else { "" }),
        (down, Some(_)) => format!("Never recovered from {fault} in {down} of {} runs.", recovered.of),
    }
}

fn refusal_in_words(result: &PolicyResult, metric: &str, gate: &str, what: &str) -> Option<String> {
    let refused = result.mean(metric).filter(|mean| *mean > 0.0)?;
    // A mean below one half would read as none.
    let refused = if refused < 0.5 { "under 1".to_owned() } else { Notation::PAGE.count(refused) };
    Some(format!("Its {gate} refused {refused} {what} per run."))
}

fn duplicates_in_words(result: &PolicyResult) -> Option<String> {
    let rate = Column::Duplicates.estimate(result).mean?;
    Some(match rate {
        0.0 => "No duplicates.".to_owned(),
        rate => format!("{} duplicates per 10,000.", Notation::PAGE.per_10_000(rate)),
    })
}
