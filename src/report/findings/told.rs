//! Recovery, load, duplicates, refusals, groups of runs: figures, and comparisons only where the decision ranks.

use super::Facts;
use super::values::counted;
use crate::decision::Group;
use crate::report::column::{has_effects, leaves_halves, loses_updates};
use crate::report::name::harmless;
use crate::scenario::decide::Criterion;
use crate::scenario::metric::{Measure, Metric, Of, OutcomeKey};

/// Ends that are told one by one.
const MOST_ENDS: usize = 3;

impl Facts<'_> {
    fn all(&self) -> Vec<usize> {
        (0..self.comparison.policies.len()).collect()
    }

    /// Fault by fault: who came back when, and who did not.
    pub(super) fn recovery(&self) -> Option<String> {
        let faults = (0..self.input.scenario.world.faults.len() as u32).map(Of::Fault);
        let ends: Vec<Of> = faults.chain([Of::Demand]).collect();
        let told: Vec<String> = ends.into_iter().filter_map(|of| self.recovery_from(of)).collect();
        let sentence =
            |(at, text): (usize, &String)| if at > 0 { text.replacen("after", "After", 1) } else { text.clone() };
        let sentences: Vec<String> = told.iter().take(MOST_ENDS).enumerate().map(sentence).collect();
        let mut text = sentences.join(" ");
        if told.len() > MOST_ENDS {
            text.push_str(&format!(" And {} more faults.", told.len() - MOST_ENDS));
        }
        (!text.is_empty()).then_some(text)
    }

    /// "after outage, back within 5 s: a; within 25 s: b; never in 4 of 10 runs: c; never: d."
    fn recovery_from(&self, of: Of) -> Option<String> {
        /// Of more times those between the first and the last are told as one.
        const MOST_TIMES: usize = 4;
        let measure = Measure { metric: Metric::Recovery, of };
        let mut back: Vec<(f64, usize)> = Vec::new();
        let mut down: Vec<(String, Vec<usize>)> = Vec::new();
        for policy in self.all() {
            let values = self.comparison.policies[policy].metric(measure).map(|metric| metric.values.as_slice());
            let values: Vec<f64> = values.unwrap_or_default().iter().flatten().copied().collect();
            let never = values.iter().filter(|value| value.is_infinite()).count();
            if values.is_empty() {
                continue;
            }
            if never == 0 {
                back.push((values.iter().copied().fold(0.0, f64::max), policy));
                continue;
            }
            let how = if never == values.len() {
                "never".to_owned()
            } else {
                format!("never in {never} of {}", self.runs(values.len()))
            };
            match down.iter_mut().find(|(own, _)| *own == how) {
                Some((_, policies)) => policies.push(policy),
                None => down.push((how, vec![policy])),
            }
        }
        back.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let write = |slowest: f64| {
            if slowest > 0.0 { format!("within {}", self.notation.length(slowest)) } else { "at once".to_owned() }
        };
        let mut times: Vec<(String, Vec<usize>)> = Vec::new();
        for (slowest, policy) in &back {
            match times.last_mut() {
                Some((time, policies)) if *time == write(*slowest) => policies.push(*policy),
                _ => times.push((write(*slowest), vec![*policy])),
            }
        }
        if times.len() > MOST_TIMES {
            let (first, last) = (times.remove(0), times.pop());
            let latest = times.last().map(|(time, _)| time.clone()).unwrap_or_default();
            let mut between: Vec<usize> = times.into_iter().flat_map(|(_, policies)| policies).collect();
            between.sort_unstable();
            times = [Some(first), Some((latest, between)), last].into_iter().flatten().collect();
        }
        let everybody = self.comparison.policies.len();
        let who = |policies: &[usize]| {
            if policies.len() == everybody && everybody > 1 { "all".to_owned() } else { self.list(policies) }
        };
        let mut parts: Vec<String> =
            times.iter().map(|(time, policies)| format!("{time}: {}", who(policies))).collect();
        if let Some(first) = parts.first_mut() {
            first.insert_str(0, "back ");
        }
        parts.extend(down.iter().map(|(how, policies)| format!("{how}: {}", who(policies))));
        (!parts.is_empty()).then(|| format!("after {}, {}.", self.end(of), parts.join("; ")))
    }

    /// Who loads the servers most and least, where that is shown.
    pub(super) fn load(&self, group: &Group) -> Option<String> {
        let mut texts = Vec::new();
        for metric in [Metric::Wave, Metric::PeakLoad] {
            let criterion = Criterion::of(metric);
            let Some(rank) = group.rank(criterion) else { continue };
            let side = |policies: &[usize]| {
                let [first, ..] = policies else { return None };
                let beside = if metric == Metric::PeakLoad && policies.len() == 1 {
                    self.denominators(*first)
                } else {
                    String::new()
                };
                Some(format!("{}{beside} with {}", self.span(criterion, policies), self.list(policies)))
            };
            let text = match (side(&rank.worst), side(&rank.best)) {
                (Some(worst), Some(best)) => {
                    format!("{} is highest: {worst}, and lowest: {best}", self.noun(criterion))
                }
                (Some(worst), None) => format!("{} is highest: {worst}", self.noun(criterion)),
                (None, Some(best)) => format!("{} is lowest: {best}", self.noun(criterion)),
                (None, None) => continue,
            };
            texts.push(text);
        }
        (!texts.is_empty()).then(|| texts.join("; ") + ".")
    }

    /// The means of some policies, from lowest to highest.
    fn span(&self, criterion: Criterion, policies: &[usize]) -> String {
        let Criterion::Of(measure) = criterion else { return String::new() };
        let mean = |policy: &usize| self.comparison.policies[*policy].mean(measure).unwrap_or(0.0);
        let low = policies.iter().copied().min_by(|a, b| mean(a).total_cmp(&mean(b)));
        let high = policies.iter().copied().max_by(|a, b| mean(a).total_cmp(&mean(b)));
        let write = |policy: Option<usize>| policy.map(|policy| self.value(criterion, policy)).unwrap_or_default();
        let (low, high) = (write(low), write(high));
        if low == high { high } else { format!("{low} to {high}") }
    }

    /// Who makes duplicates, and what is done but reported as failed.
    pub(super) fn duplicates(&self) -> Option<String> {
        if !has_effects(self.comparison) {
            return None;
        }
        let rate = |policy: usize, metric| self.mean(policy, metric).unwrap_or(0.0);
        let of = |metric: Metric, [one, what]: [&str; 2]| {
            let (some, none): (Vec<usize>, Vec<usize>) =
                self.all().into_iter().partition(|policy| rate(*policy, metric) > 0.0);
            let most = some.iter().copied().max_by(|a, b| rate(*a, metric).total_cmp(&rate(*b, metric)));
            let Some(most) = most else { return self.none_of(what) };
            let write = |policy: usize| self.notation.per_10_000(rate(policy, metric));
            let number = write(most);
            let as_many: Vec<usize> = some.iter().copied().filter(|policy| write(*policy) == number).collect();
            let count = format!("{} per 10,000 operations with {}", counted(&number, one, what), self.list(&as_many));
            let up_to = if some.len() > as_many.len() { "up to " } else { "" };
            let none = if none.is_empty() { String::new() } else { format!(", none with {}", self.list(&none)) };
            format!("{up_to}{count}{none}")
        };
        let lost = if loses_updates(self.comparison) {
            format!("; {}", of(Metric::LostUpdateRate, ["lost update", "lost updates"]))
        } else {
            String::new()
        };
        let halves = if leaves_halves(self.comparison) {
            format!("; {}", of(Metric::HalfDoneRate, ["left half done", "left half done"]))
        } else {
            String::new()
        };
        Some(format!(
            "{}; {}{lost}{halves}.",
            of(Metric::DuplicateRate, ["duplicate", "duplicates"]),
            of(Metric::PhantomRate, ["phantom success", "phantom successes"])
        ))
    }

    /// What share of operations is done by when, where there are durable queues, and what is parked or lost on the way there.
    pub(super) fn queues(&self) -> Option<String> {
        /// Of more, the last are not told.
        const MOST: usize = 4;
        let times = [Metric::DoneIn1m, Metric::DoneIn10m, Metric::DoneIn1h, Metric::DoneIn1d];
        let mut told: Vec<(String, Vec<usize>)> = Vec::new();
        for policy in self.all() {
            let shares: Option<Vec<f64>> = times.into_iter().map(|time| self.mean(policy, time)).collect();
            let Some(shares) = shares else { continue };
            let text = shares.iter().map(|share| self.notation.percent(*share)).collect::<Vec<_>>().join(", ");
            match told.iter_mut().find(|(own, _)| *own == text) {
                Some((_, policies)) => policies.push(policy),
                None => told.push((text, vec![policy])),
            }
        }
        if told.is_empty() {
            return None;
        }
        let more = told.len().saturating_sub(MOST);
        let each: Vec<String> =
            told.iter().take(MOST).map(|(text, policies)| format!("{text} with {}", self.list(policies))).collect();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let mut text = format!("done within 1 min, 10 min, 1 h and 1 day: {}{more}.", each.join("; "));
        for (metric, what) in
            [(Metric::Parked, "Parked in the end"), (Metric::LostHandovers, "Lost on the way to the queue")]
        {
            let share = |policy: usize| {
                let of_run = |metric| self.mean(policy, metric);
                of_run(metric).zip(of_run(Metric::Operations)).map_or(0.0, |(part, whole)| part / whole)
            };
            let some = self.all().into_iter().filter(|policy| share(*policy) > 0.0);
            let some: Vec<String> = some
                .map(|policy| format!("{} with {}", self.notation.percent(share(policy)), self.name(policy)))
                .collect();
            if !some.is_empty() {
                text.push_str(&format!(" {what}: {}.", some.join(", ")));
            }
        }
        Some(text)
    }

    /// Mix by mix, what goes wrong with the operations of each member.
    pub(super) fn mixes(&self) -> Option<String> {
        let n = &self.notation;
        let told = self.all().into_iter().filter_map(|policy| {
            let result = &self.comparison.policies[policy];
            let row = &self.input.scenario.policies[result.slot];
            let each = row.members.iter().filter(|_| row.members.len() > 1).filter_map(|member| {
                let of = |metric| result.mean(Measure { metric, of: Of::Member(member.number) });
                let (wrong, duplicates) = (of(Metric::GoneWrongRate)?, of(Metric::DuplicateRate)?);
                let duplicates = match duplicates > 0.0 {
                    true => format!(" ({})", counted(&n.per_10_000(duplicates), "duplicate", "duplicates")),
                    false => String::new(),
                };
                Some(format!("{} of {}{duplicates}", n.per_10_000(wrong), harmless(&member.name)))
            });
            let each: Vec<String> = each.collect();
            (!each.is_empty()).then(|| format!("with {} {}", self.name(policy), each.join(", ")))
        });
        let told: Vec<String> = told.collect();
        (!told.is_empty()).then(|| format!("go wrong per 10,000 operations of their own: {}.", told.join("; ")))
    }

    /// "no duplicates in 1,500 operations each"
    fn none_of(&self, what: &str) -> String {
        let least = self.all().into_iter().map(|policy| self.operations(policy)).reduce(f64::min).unwrap_or(0.0);
        let each = if self.comparison.policies.len() > 1 { " each" } else { "" };
        format!("no {what} in {} operations{each}", self.notation.count(least))
    }

    /// Over all runs.
    pub(super) fn operations(&self, policy: usize) -> f64 {
        let values = self.comparison.policies[policy].metric(Metric::Operations).map(|metric| metric.values.as_slice());
        values.unwrap_or_default().iter().flatten().sum()
    }

    /// What a rate limit refused.
    pub(super) fn refused(&self) -> Option<String> {
        let scenario = self.input.scenario;
        let limit = scenario.world.called().rate_limit.as_ref()?;
        let measure = Measure { metric: Metric::OutcomeStatus, of: Of::Outcome(OutcomeKey::Status(limit.status)) };
        let mut refused: Vec<(usize, f64)> = self
            .all()
            .into_iter()
            .filter_map(|policy| Some((policy, self.comparison.policies[policy].mean(measure)?)))
            .collect();
        refused.sort_by(|a, b| a.1.total_cmp(&b.1));
        /// Of more, only the ends are told.
        const MOST: usize = 8;
        if refused.len() > MOST {
            refused.drain(1..refused.len() - 1);
        }
        let each: Vec<String> = refused
            .iter()
            .map(|(policy, count)| format!("{} {}", self.name(*policy), self.notation.count(*count)))
            .collect();
        let between = if refused.len() < self.comparison.policies.len() { " to " } else { ", " };
        (!each.is_empty()).then(|| format!("answered {} per run: {}.", limit.status, each.join(between)))
    }

    /// Whose runs fall into two groups.
    pub(super) fn two_groups(&self) -> Option<String> {
        let n = &self.notation;
        let split = self.decision.splits.iter().zip(&self.names).filter_map(|(split, name)| {
            let split = (*split)?;
            let (low, high) = (n.per_10_000(split.low), n.per_10_000(split.high));
            Some(format!("{name} {} near {low} and {} near {high}", self.runs(split.low_runs), split.high_runs))
        });
        let split: Vec<String> = split.collect();
        let mean =
            if split.len() == 1 { "the mean describes no single run" } else { "their means describe no single run" };
        (!split.is_empty()).then(|| format!("by what goes wrong per 10,000: {}; {mean}.", split.join(", ")))
    }
}
