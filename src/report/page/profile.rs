//! One policy in sentences: what came of it, what it sent, what it cost.
//!
//! A sentence says what a metric says. Differences are named only where the paired interval excludes 0.

use super::{N, Page};
use crate::experiment::PolicyResult;
use crate::report::chart::storm::peak::peak;
use crate::report::chart::storm::words::{peak_in_words, recovery_in_words};
use crate::report::column::{Column, has_effects};
use crate::report::escape::escape;
use crate::report::name::list;
use crate::report::number::{LatencyUnit, difference_decimals};
use crate::report::recovery::after;
use crate::report::refusal::{REFUSALS, operations, untried_in_words};
use crate::scenario::metric::Metric;

/// Outcomes with a smaller share of the attempts would be written as 0.0%.
const LEAST_SHARE: f64 = 0.0005;

impl Page<'_> {
    /// The profile of a policy, to open under its panel.
    pub(super) fn profile(&self, policy: usize) -> String {
        let items: String = self
            .profile_parts(policy)
            .iter()
            .map(|(about, sentences)| format!("<dt>{about}</dt><dd>{}</dd>", self.prose(sentences)))
            .collect();
        format!(
            "<details class=\"profile\"><summary>Profile of {}</summary><dl>{items}</dl></details>",
            escape(&self.findings.names[policy])
        )
    }

    /// What there is to say, by subject.
    fn profile_parts(&self, policy: usize) -> Vec<(&'static str, String)> {
        let result = &self.input.comparison.policies[policy];
        let recovered = self.findings.recovered.as_ref().map(|all| all[policy]);
        let parts = [
            ("Success", self.success_in_words(policy)),
            ("Latency", latency_in_words(result)),
            ("Load", Some(self.load_in_words(policy))),
            ("Attempts", attempts_in_words(result)),
            ("Hedges", hedges_in_words(result)),
            ("Gates", gates_in_words(result)),
            ("Effects", has_effects(self.input.comparison).then(|| effects_in_words(result)).flatten()),
            (
                "Recovery",
                recovered.filter(|r| r.of > 0).zip(after(self.input)).map(|(r, what)| recovery_in_words(r, &what)),
            ),
        ];
        parts.into_iter().filter_map(|(about, sentences)| Some((about, sentences?))).collect()
    }

    fn success_in_words(&self, policy: usize) -> Option<String> {
        let comparison = self.input.comparison;
        let result = &comparison.policies[policy];
        let rate = result.mean(Metric::SuccessRate)?;
        let mut text = format!("{} of operations succeeded", N.percent(rate));
        match result.mean(Metric::FirstAttemptSuccessRate) {
            Some(first) if N.percent(first) != N.percent(rate) => {
                text.push_str(&format!(", {} at the first attempt.", N.percent(first)))
            }
            _ => text.push('.'),
        }
        if let Some(split) = &self.input.decision.splits[policy] {
            text.push_str(&format!(
                " By what goes wrong per 10,000, the runs fall into two groups ({} near {}, {} near {}); the mean describes no single run.",
                split.low_runs,
                N.per_10_000(split.low),
                split.high_runs,
                N.per_10_000(split.high)
            ));
        }
        text.push_str(&self.against_baseline(policy).unwrap_or_default());
        Some(text)
    }

    /// What the decision knows of its success against the baseline's.
    fn against_baseline(&self, policy: usize) -> Option<String> {
        let group = self.input.decision.group_of(policy);
        let compared = group.pair(Column::Success.criterion(), policy, group.baseline)?;
        let rate = |policy: usize| self.input.comparison.policies[policy].mean(Metric::SuccessRate).unwrap_or(0.0);
        let points = |value: f64| N.signed_points(value, difference_decimals(rate(policy), rate(group.baseline)));
        let (baseline, runs) = (&self.findings.names[group.baseline], self.input.comparison.replications);
        let interval = N.around(&points(compared.mean), &points(compared.low), &points(compared.high));
        Some(match compared.in_words() {
            "not shown" => format!(" No difference from {baseline} that matters is shown with {runs} replications."),
            word => format!(" Against {baseline} {} points{interval}: {word}.", points(compared.mean)),
        })
    }

    /// The peak against demand and against what the server can do when nothing is wrong.
    fn load_in_words(&self, policy: usize) -> String {
        let result = &self.input.comparison.policies[policy];
        let mut text = peak_in_words(self.input, policy);
        if let Some(ratio) = result.mean(Metric::PeakOfCapacity).filter(|_| peak(result).is_some()) {
            let share = if ratio < 1.0 { format!("{} of", N.percent(ratio)) } else { N.times(ratio) };
            text.push_str(&format!(" That is {share} capacity."));
        }
        text
    }
}

fn latency_in_words(result: &PolicyResult) -> Option<String> {
    let write = |seconds: f64| {
        let unit = LatencyUnit::of([seconds].into_iter());
        format!("{}{}{}", N.latency(seconds, unit), N.unit_space, unit.symbol())
    };
    let (median, high) = (result.mean(Metric::LatencyP50)?, result.mean(Metric::LatencyP99)?);
    let mut text = format!("Half of the successes took up to {}, 99% up to {}.", write(median), write(high));
    let needed = result.mean(Metric::RetriesNeeded).filter(|needed| *needed >= 0.5);
    if let Some((needed, mean)) = needed.zip(result.mean(Metric::LatencyRetriedMean)) {
        let who = operations(needed, N);
        text.push_str(&format!(" {who} per run succeeded with a retry, after {} on average.", write(mean)));
    }
    if let Some(duration) = result.mean(Metric::DurationMean) {
        text.push_str(&format!(" Successes and failures together took {} on average.", write(duration)));
    }
    if let Some(failure) = result.mean(Metric::FailureLatencyP99).filter(|seconds| *seconds > 0.0) {
        text.push_str(&format!(" 99% of the failures were known within {}.", write(failure)));
    }
    Some(text)
}

/// How many, and what they ended as.
fn attempts_in_words(result: &PolicyResult) -> Option<String> {
    let attempts = result.mean(Metric::Attempts).filter(|attempts| *attempts > 0.0)?;
    let per_operation = result.mean(Metric::AttemptsPerOperation)?;
    let mut ends: Vec<(f64, String)> = result
        .metrics
        .iter()
        .filter_map(|metric| {
            let share = metric.estimate.mean? / attempts;
            let end = match metric.name.strip_prefix("outcome_")? {
                "connection" => "with a broken connection".to_owned(),
                "timeout" => "without a reply in time".to_owned(),
                "open" => "with the run".to_owned(),
                "cancelled" => "cancelled beside a better one".to_owned(),
                status => format!("with {status}"),
            };
            (share >= LEAST_SHARE).then_some((share, end))
        })
        .collect();
    // Stable: equal shares stay in the metrics' order.
    ends.sort_by(|a, b| b.0.total_cmp(&a.0));
    let ends: Vec<String> = ends.iter().map(|(share, end)| format!("{} {end}", N.percent(*share))).collect();
    let of = format!("{} per operation.", N.ratio(per_operation));
    Some(if ends.is_empty() {
        of
    } else {
        format!("{of} Of {} per run ended {}.", N.count(attempts), list(&ends, "and"))
    })
}

/// How many attempts were sent beside others, and how many were not.
fn hedges_in_words(result: &PolicyResult) -> Option<String> {
    let mean = |metric: Metric| result.mean(metric).unwrap_or(0.0);
    let (hedges, refused) = (mean(Metric::Hedges), mean(Metric::HedgesRefused));
    if hedges + refused <= 0.0 {
        return None;
    }
    // A mean below one half would read as none.
    let count = |n: f64| if n > 0.0 && n < 0.5 { "<1".to_owned() } else { N.count(n) };
    let per_operation = N.ratio(hedges / mean(Metric::Operations).max(1.0));
    let mut text =
        format!("{} attempts per run were sent beside an open one, {per_operation} per operation.", count(hedges));
    if refused > 0.0 {
        text.push_str(&format!(" The budget for them refused {}.", count(refused)));
    }
    Some(text)
}

/// What gates refused, and what became of it.
fn gates_in_words(result: &PolicyResult) -> Option<String> {
    let mean = |metric: Metric| result.mean(metric).unwrap_or(0.0);
    let mut sentences = Vec::new();
    for refusal in REFUSALS {
        if let Some(refused) = refusal.in_words(result, N) {
            let opened = if refusal.gate == "breaker" {
                format!("opened {} times and ", N.count(mean(Metric::BreakerOpened)))
            } else {
                String::new()
            };
            sentences.push(format!("Its {} {opened}{refused}.", refusal.gate));
        }
    }
    sentences.extend(untried_in_words(result, N));
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// Duplicates, phantom successes, wasted work.
fn effects_in_words(result: &PolicyResult) -> Option<String> {
    let (duplicates, phantom) = (Column::Duplicates.mean(result)?, Column::Phantom.mean(result)?);
    let mut text = if duplicates == 0.0 && phantom == 0.0 {
        "No duplicates and no phantom successes.".to_owned()
    } else {
        let (duplicates, phantom) = (N.per_10_000(duplicates), N.per_10_000(phantom));
        format!("{duplicates} duplicates and {phantom} phantom successes per 10,000 operations.")
    };
    if let Some(wasted) = result.mean(Metric::WastedWork).filter(|share| *share >= LEAST_SHARE) {
        text.push_str(&format!(" {} of the workers' busy time served nobody who still waited.", N.percent(wasted)));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::findings::Findings;
    use crate::report::fixture::{Row, around, row, with_input};

    /// What is said about `subject` of the second policy beside a baseline.
    fn check(row: Row, subject: &str, expected: Option<&str>) {
        let baseline = self::row("no-retry", &around(0.7, 0.0));
        with_input(vec![baseline, row], |input| {
            let page = Page { input, findings: Findings::new(input, N) };
            let parts = page.profile_parts(1);
            let part =
                parts.into_iter().find(|(about, _)| *about == subject).map(|(_, text)| text.replace('\u{a0}', " "));
            assert_eq!(part.as_deref(), expected, "{subject}");
        });
    }

    fn p(rate: f64) -> Row {
        row("p", &around(rate, 0.0005))
    }

    #[test]
    fn success_is_held_against_the_baseline_in_the_decision_s_words() {
        check(
            p(0.8).all("first_attempt_success_rate", 0.62),
            "Success",
            Some("80.0% of operations succeeded, 62.0% at the first attempt. Against no-retry +10.0 points: better."),
        );
        check(p(0.7), "Success", Some("70.0% of operations succeeded. Against no-retry +0.0 points: as good."));
        let groups = [0.3, 0.9, 0.3, 0.9, 0.3, 0.9, 0.9, 0.9, 0.9, 0.9];
        check(
            row("p", &groups),
            "Success",
            Some(
                "72.0% of operations succeeded. By what goes wrong per 10,000, the runs fall into two groups (7 near 1,000, 3 near \
                 7,000); the mean describes no single run. No difference from no-retry that matters is shown with 10 replications.",
            ),
        );
    }

    #[test]
    fn load_stands_against_demand_and_capacity() {
        // 20 workers of 100 ms finish 200/s.
        check(p(0.8), "Load", Some("Peak 3.0× the highest demand at 5:01. That is 1.5× capacity."));
        check(
            p(0.8).all("peak_load", 124.0).all("peak_of_demand", 1.24).all("peak_of_capacity", 0.62),
            "Load",
            Some("Peak 1.2× the highest demand at 5:01. That is 62.0% of capacity."),
        );
    }

    #[test]
    fn attempts_by_what_they_ended_as() {
        let ended = p(0.8)
            .all("attempts", 20_000.0)
            .all("outcome_200", 8_000.0)
            .all("outcome_503", 10_000.0)
            .all("outcome_connection", 5.0)
            .all("outcome_timeout", 1_995.0);
        check(
            ended,
            "Attempts",
            Some(
                "2.00 per operation. Of 20,000 per run ended 50.0% with 503, 40.0% with 200 and 10.0% without a reply in time.",
            ),
        );
        check(p(0.8).all("attempts", 0.0), "Attempts", None);
    }

    #[test]
    fn what_gates_refused_and_what_that_left_untried() {
        check(
            p(0.8)
                .all("breaker_refused", 5_000.0)
                .all("failed_by_breaker", 4_200.0)
                .all("failed_without_attempt", 4_000.0)
                .all("breaker_opened", 40.0),
            "Gates",
            Some(
                "Its breaker opened 40 times and refused 5,000 attempts per run, and 4,200 operations ended with that. 40.0% \
                 of operations failed without an attempt.",
            ),
        );
        check(
            p(0.8).all("budget_refused", 0.2),
            "Gates",
            Some("Its budget refused <1 retries per run, which ended no operation."),
        );
        check(p(0.8).all("failed_without_attempt", 1.0), "Gates", Some("1 operation failed without an attempt."));
        check(p(0.8).all("failed_without_attempt", 0.0), "Gates", None);
    }

    #[test]
    fn effects_and_latency() {
        check(
            p(0.8).all("wasted_work", 0.031),
            "Effects",
            Some(
                "No duplicates and no phantom successes. 3.1% of the workers' busy time served nobody who still waited.",
            ),
        );
        check(
            p(0.8).all("duplicate_rate", 0.1341),
            "Effects",
            Some("1,341 duplicates and 0 phantom successes per 10,000 operations."),
        );
        check(
            p(0.8).all("effects", 0.0).all("latency_p50", 0.15),
            "Effects",
            Some("No duplicates and no phantom successes."),
        );
        check(
            p(0.8).all("latency_p50", 0.15),
            "Latency",
            Some("Half of the successes took up to 150 ms, 99% up to 1.5 s."),
        );
        check(p(0.8), "Recovery", Some("Normal again at once after outage."));
    }
}
