//! How the criteria are called, and their values written.

use super::Facts;
use crate::decision::{Compared, Wrong};
use crate::report::column::{has_effects, leaves_halves, loses_updates};
use crate::report::name::harmless;
use crate::report::recovery::{after, any_end};
use crate::scenario::decide::{Criterion, Scale};
use crate::scenario::metric::{Measure, Metric, Of, Unit};

impl Facts<'_> {
    /// What was over when a wave or a recovery began: a fault, or else a surge.
    pub(super) fn end(&self, of: Of) -> String {
        match of {
            Of::Fault(index) => harmless(&self.input.scenario.world.faults[index as usize].name),
            _ => "the surge of demand".to_owned(),
        }
    }

    /// What a criterion is, as the subject of a sentence.
    pub(super) fn noun(&self, criterion: Criterion) -> String {
        let fallback = || criterion.name(&self.input.scenario.names());
        let Criterion::Of(Measure { metric, of }) = criterion else { return "what goes wrong".to_owned() };
        match (metric, of) {
            (Metric::Wave, Of::Run) => {
                format!("the wave after {}", any_end(self.input).unwrap_or_else(|| "the fault".to_owned()))
            }
            (Metric::Wave, of) => format!("the wave after {}", self.end(of)),
            (Metric::Recovery, Of::Run) => {
                format!("recovery after {}", after(self.input).unwrap_or_else(|| "the fault".to_owned()))
            }
            (Metric::Recovery, of) => format!("recovery after {}", self.end(of)),
            (Metric::Goodput, _) => "goodput".to_owned(),
            (Metric::PeakLoad | Metric::PeakOfDemand, _) => "the peak".to_owned(),
            (Metric::AttemptsPerOperation, _) => "attempts per operation".to_owned(),
            (Metric::FinishP99, _) => "the time until 99% are done".to_owned(),
            (Metric::Finish, _) => "the time until all are done".to_owned(),
            (Metric::LatencyAllP50, _) => "p50 of all operations".to_owned(),
            (Metric::LatencyAllP99, _) => "p99 of all operations".to_owned(),
            (Metric::LatencyAllP999, _) => "p99.9 of all operations".to_owned(),
            (Metric::LatencyP50, _) => "p50 of successes".to_owned(),
            (Metric::LatencyP99, _) => "p99 of successes".to_owned(),
            (Metric::LatencyP999, _) => "p99.9 of successes".to_owned(),
            (Metric::SuccessRate, _) => "success".to_owned(),
            _ => fallback(),
        }
    }

    /// What a policy has in a criterion, with its unit.
    pub(super) fn value(&self, criterion: Criterion, policy: usize) -> String {
        let n = &self.notation;
        let Criterion::Of(measure) = criterion else {
            return self.decision.wrong[policy].map_or_else(|| n.null.to_owned(), |wrong| n.per_10_000(wrong.all));
        };
        let Some(measured) = self.comparison.policies[policy].metric(measure) else {
            // An outcome that occurred nowhere.
            let none = matches!(measure.of, Of::Outcome(_));
            return if none { self.number(measure.metric, 0.0) } else { n.null.to_owned() };
        };
        let values: Vec<f64> = measured.values.iter().flatten().copied().collect();
        let never = values.iter().filter(|value| value.is_infinite()).count();
        if never > 0 {
            return if never == values.len() {
                "never".to_owned()
            } else {
                format!("never in {never} of {}", self.runs(values.len()))
            };
        }
        let Some(mean) = measured.estimate.mean else { return n.null.to_owned() };
        let mixed = measure.metric == Metric::Recovery && values.iter().any(|value| *value != values[0]);
        let average = if mixed { " on average" } else { "" };
        self.number(measure.metric, mean) + average
    }

    /// The same as a noun with its value: "the peak 116/s (3.1x the highest demand)", "gone wrong 524 per 10,000".
    pub(super) fn valued(&self, criterion: Criterion, policy: usize) -> String {
        let value = self.value(criterion, policy);
        match criterion {
            Criterion::Wrong => format!("gone wrong {value} per 10,000"),
            criterion if criterion == Criterion::of(Metric::PeakLoad) => {
                format!("{} {value}{}", self.noun(criterion), self.denominators(policy))
            }
            criterion => format!("{} {value}", self.noun(criterion)),
        }
    }

    /// A value of a metric with its unit.
    fn number(&self, metric: Metric, value: f64) -> String {
        let n = &self.notation;
        match (metric, metric.unit()) {
            (Metric::DuplicateRate | Metric::PhantomRate | Metric::GoneWrongRate, _) => n.per_10_000(value),
            (Metric::PeakRatio | Metric::PeakOfDemand | Metric::PeakOfCapacity, _) => n.times(value),
            (_, Unit::Share) => n.percent(value),
            (_, Unit::Ratio) => n.ratio(value),
            (_, Unit::PerSecond) => format!("{}/s", n.rate(value)),
            (_, Unit::Seconds | Unit::SecondsOrNever) if value == 0.0 => "at once".to_owned(),
            (_, Unit::Seconds | Unit::SecondsOrNever) => n.length(value),
            (_, Unit::Count) if value < 99.5 => format!("{} per run", n.rate(value)),
            (_, Unit::Count) => format!("{} per run", n.count(value)),
        }
    }

    /// A peak with its denominators: " (3.1x the highest demand, 2.5x capacity)".
    pub(super) fn denominators(&self, policy: usize) -> String {
        let times =
            |metric, of: &str| self.mean(policy, metric).map(|mean| format!("{} {of}", self.notation.times(mean)));
        let parts = [times(Metric::PeakOfDemand, "the highest demand"), times(Metric::PeakOfCapacity, "capacity")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    }

    /// What went wrong with its parts: "2,162 go wrong per 10,000 operations (2,020 without success, 0 duplicates, 142 phantoms)".
    pub(super) fn gone_wrong(&self, policy: usize) -> String {
        let Some(wrong) = self.decision.wrong[policy] else { return "no operation was measured".to_owned() };
        format!("{} go wrong per 10,000 operations{}", self.notation.per_10_000(wrong.all), self.parts(wrong))
    }

    fn parts(&self, wrong: Wrong) -> String {
        let n = |share: f64| self.notation.per_10_000(share);
        let weights = &self.input.scenario.decide;
        let weighed = |weight: f64| {
            if weight == 1.0 { String::new() } else { format!(" that weigh {} each", self.notation.rate(weight)) }
        };
        let without = match self.input.scenario.frame.slo {
            Some(slo) => format!("without success within {}", self.notation.length(slo.seconds())),
            None => "without success".to_owned(),
        };
        if !has_effects(self.comparison) {
            return if self.input.scenario.frame.slo.is_some() && wrong.all > 0.0 {
                format!(" ({without})")
            } else {
                String::new()
            };
        }
        if wrong.all == 0.0 {
            return String::new();
        }
        let lost = if loses_updates(self.comparison) {
            let lost = counted(&n(wrong.lost_updates), "lost update", "lost updates");
            format!(", {lost}{}", weighed(weights.lost_update))
        } else {
            String::new()
        };
        let halves = if leaves_halves(self.comparison) {
            format!(", {} half done{}", n(wrong.half_done), weighed(weights.half_done))
        } else {
            String::new()
        };
        format!(
            " ({} {without}, {}{}, {}{}{lost}{halves})",
            n(wrong.unsuccessful),
            counted(&n(wrong.duplicates), "duplicate", "duplicates"),
            weighed(weights.duplicate),
            counted(&n(wrong.phantoms), "phantom success", "phantom successes"),
            weighed(weights.phantom)
        )
    }

    /// How far two policies lie apart: "by 1,050 to 1,140 per 10,000", "by 12% to 15%", "by 3 s".
    pub(super) fn apart(&self, criterion: Criterion, compared: &Compared) -> String {
        let n = &self.notation;
        if !compared.low.is_finite() || !compared.high.is_finite() {
            return String::new();
        }
        let write = |value: f64| match criterion.scale() {
            Scale::Share => n.signed(value * 10_000.0, usize::from((value * 10_000.0).abs() < 9.95)),
            Scale::Time => n.signed(value, usize::from(value.abs() < 9.95)),
            Scale::Ratio => n.signed((libm::exp(value) - 1.0) * 100.0, usize::from(value.abs() < 0.0995)),
        };
        let unit = match criterion.scale() {
            Scale::Share => " per 10,000",
            Scale::Time => " s",
            Scale::Ratio => "%",
        };
        let (low, high) = (write(compared.low), write(compared.high));
        if low == high { format!("{low}{unit}") } else { format!("{low} to {high}{unit}") }
    }

    /// A margin: "50 per 10,000", "5 s", "10%".
    pub(super) fn margin(&self, criterion: Criterion, margin: f64) -> String {
        let n = &self.notation;
        match criterion.scale() {
            Scale::Share => format!("{} per 10,000", n.per_10_000(margin)),
            Scale::Time => n.length(margin),
            Scale::Ratio => format!("{}%", n.rate((libm::exp(margin) - 1.0) * 100.0)),
        }
    }
}

/// A number that was written, with its noun.
pub(super) fn counted(number: &str, one: &str, many: &str) -> String {
    format!("{number} {}", if number == "1" || number == "1.0" { one } else { many })
}
