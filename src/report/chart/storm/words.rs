//! A panel in words.

use super::peak::{EVENT, When, peak};
use crate::experiment::PolicyResult;
use crate::report::ReportInput;
use crate::report::chart::axis::instant;
use crate::report::column::Column;
use crate::report::name::harmless;
use crate::report::number::Notation;
use crate::report::recovery::{Recovered, after, any_end};
use crate::report::refusal::{REFUSALS, Refusal, untried_in_words};
use crate::scenario::Arrivals;
use crate::scenario::metric::Metric;

/// What happened to a policy: its peak and when, how it recovered, what its gates refused, its duplicates.
pub fn words(input: &ReportInput, policy: usize, recovered: Option<Recovered>) -> String {
    let result = &input.comparison.policies[policy];
    let recovery = recovered.filter(|r| r.of > 0).zip(after(input)).map(|(r, what)| recovery_in_words(r, &what));
    let refusals = REFUSALS.into_iter().map(|refusal| refusal_in_words(result, refusal));
    let sentences =
        [Some(peak_in_words(input, policy)), wave_in_words(input, result), recovery].into_iter().chain(refusals);
    sentences
        .chain([untried_in_words(result, Notation::PAGE), duplicates_in_words(result)])
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// What the panel shows, for who cannot see it.
pub fn description(input: &ReportInput, policy: usize) -> String {
    let result = &input.comparison.policies[policy];
    let (name, n) = (harmless(&result.name), Notation::PAGE);
    let success = result.mean(Metric::SuccessRate).map(|rate| format!(" {} of operations succeeded.", n.percent(rate)));
    let load = result.mean(Metric::LoadMean).map(|load| format!(" On average {}/s.", n.rate(load)));
    format!(
        "{name}: attempts per second and goodput over time. {}{}{}",
        peak_in_words(input, policy),
        load.unwrap_or_default(),
        success.unwrap_or_default()
    )
}

/// How high the peak was and when.
pub fn peak_in_words(input: &ReportInput, policy: usize) -> String {
    let n = Notation::PAGE;
    let result = &input.comparison.policies[policy];
    let Some(peak) = peak(result) else { return "No attempts.".to_owned() };
    let is_rate = input.scene_of(policy).demand_at(crate::units::SimTime::ZERO).is_some();
    let height = if is_rate {
        format!("{} the highest demand", n.times(peak.ratio))
    } else {
        format!("{}/s", n.rate(peak.load))
    };
    let at = |time: f64| instant(time, input.scenario.frame.duration.seconds());
    match peak.when {
        // Many runs that peak at one time do so for a reason.
        When::At(time) if peak.ratio >= EVENT || !is_rate || result.peak_at.len() > 1 => {
            format!("Peak {height} at {}.", at(time))
        }
        _ if is_rate && peak.ratio < EVENT => format!("Peak {height}, at no particular time."),
        When::At(time) => format!("Peak {height} at {}.", at(time)),
        When::Between(from, until) => format!("Peak {height} between {} and {}.", at(from), at(until)),
    }
}

/// After a burst that something hit: what came back when that was over.
fn wave_in_words(input: &ReportInput, result: &PolicyResult) -> Option<String> {
    let wave = result.mean(Metric::Wave).filter(|_| matches!(input.scenario.world.arrivals, Arrivals::Burst { .. }))?;
    Some(format!("After {} up to {}/s.", any_end(input)?, Notation::PAGE.count(wave)))
}

/// How long it took to be back to normal, or in how many runs it never was.
pub fn recovery_in_words(recovered: Recovered, fault: &str) -> String {
    match (recovered.down(), recovered.slowest) {
        (0, Some(slowest)) if slowest > 0.0 => {
            let within = if recovered.of > 1 { "within " } else { "" };
            format!("Normal again {within}{} after {fault}.", Notation::PAGE.length(slowest))
        }
        (0, _) => format!("Normal again at once after {fault}."),
        (_, None) if recovered.of > 1 => format!("Recovered from {fault} in none of {} runs.", recovered.of),
        (_, None) => format!("Never recovered from {fault}."),
        (down, Some(_)) => format!("Never recovered from {fault} in {down} of {} runs.", recovered.of),
    }
}

fn refusal_in_words(result: &PolicyResult, refusal: Refusal) -> Option<String> {
    let refused = refusal.in_words(result, Notation::PAGE)?;
    Some(format!("Its {} {refused}.", refusal.gate))
}

/// Nothing where nothing had an effect.
fn duplicates_in_words(result: &PolicyResult) -> Option<String> {
    result.mean(Metric::Effects).filter(|effects| *effects > 0.0)?;
    let rate = Column::Duplicates.estimate(result).mean?;
    Some(match rate {
        0.0 => "No duplicates.".to_owned(),
        rate => format!("{} duplicates per 10,000.", Notation::PAGE.per_10_000(rate)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{Row, row, with_input};

    fn recovered(runs: usize, of: usize, slowest: Option<f64>) -> Option<Recovered> {
        Some(Recovered { runs, of, slowest })
    }

    fn check(row: Row, recovered: Option<Recovered>, expected: &str) {
        with_input(vec![row], |input| assert_eq!(words(input, 0, recovered).replace('\u{a0}', " "), expected));
    }

    #[test]
    fn a_policy_in_a_few_sentences() {
        let p = || row("p", &[0.9, 0.8]);
        check(p(), None, "Peak 3.0× the highest demand at 5:01. No duplicates.");
        check(p().all("peak_of_demand", 1.6), None, "Peak 1.6× the highest demand at 5:01. No duplicates.");
        let one = row("p", &[0.9]).all("peak_of_demand", 1.6);
        check(one, None, "Peak 1.6× the highest demand, at no particular time. No duplicates.");
        check(p().all("peak_load", 0.0), None, "No attempts. No duplicates.");
        check(
            p().all("breaker_refused", 16_742.4)
                .all("failed_by_breaker", 9_310.0)
                .all("failed_without_attempt", 8_900.0)
                .all("budget_refused", 0.2)
                .all("failed_by_budget", 0.2)
                .all("duplicate_rate", 0.1341),
            recovered(2, 2, Some(20.0)),
            "Peak 3.0× the highest demand at 5:01. Normal again within 20 s after outage. Its breaker refused 16,742 attempts per run, and 9,310 \
             operations ended with that. Its budget refused <1 retries per run, and as many operations ended with that. \
             89.0% of operations failed without an attempt. 1,341 duplicates per 10,000.",
        );
    }

    #[test]
    fn recovery_never_hides_the_runs_that_stayed_down() {
        let check = |runs, of, slowest, expected: &str| {
            let words = recovery_in_words(Recovered { runs, of, slowest }, "outage");
            assert_eq!(words.replace('\u{a0}', " "), expected);
        };
        check(10, 10, Some(0.0), "Normal again at once after outage.");
        check(6, 10, Some(25.0), "Never recovered from outage in 4 of 10 runs.");
        check(0, 10, None, "Recovered from outage in none of 10 runs.");
        check(0, 1, None, "Never recovered from outage.");
        check(1, 1, Some(25.0), "Normal again 25 s after outage.");
    }
}
