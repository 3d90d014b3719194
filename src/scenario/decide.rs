//! What the choice between policies is made by (contract, sections 3.11 and 6).

use super::metric::{Measure, Metric, Names, Of, OutcomeKey, Unit};

/// What is compared, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Criterion {
    /// What went wrong, per operation: without success (with an `slo`: in time), duplicates, phantom successes and lost updates by their weights.
    Wrong,
    /// Any other measure.
    Of(Measure),
}

/// Criteria that have names of their own, in their order, and the metric each is.
const NAMED: [(&str, Metric); 8] = [
    ("goodput", Metric::Goodput),
    ("wave", Metric::Wave),
    ("peak", Metric::PeakLoad),
    ("attempts", Metric::AttemptsPerOperation),
    ("recovery", Metric::Recovery),
    ("finish", Metric::FinishP99),
    ("p99", Metric::LatencyAllP99),
    ("p50", Metric::LatencyAllP50),
];

/// The name of [`Criterion::Wrong`].
const WRONG: &str = "wrong";

impl Criterion {
    /// The criterion of a metric of the whole run.
    pub fn of(metric: Metric) -> Criterion {
        // What is counted of operations is compared per operation.
        match metric {
            Metric::GoneWrong | Metric::GoneWrongRate => Criterion::Wrong,
            Metric::Duplicates => Criterion::Of(Metric::DuplicateRate.into()),
            Metric::PhantomSuccesses => Criterion::Of(Metric::PhantomRate.into()),
            Metric::Succeeded => Criterion::Of(Metric::SuccessRate.into()),
            metric => Criterion::Of(metric.into()),
        }
    }

    /// What somebody called this, where things are called so.
    pub fn parse(name: &str, names: &Names) -> Option<Criterion> {
        if name == WRONG {
            return Some(Criterion::Wrong);
        }
        if let Some((_, metric)) = NAMED.into_iter().find(|(own, _)| *own == name) {
            return Some(Criterion::of(metric));
        }
        let measure = Measure::parse(name, names)?;
        Some(if measure.of == Of::Run { Criterion::of(measure.metric) } else { Criterion::Of(measure) })
    }

    /// Names that are no metric's.
    pub fn names() -> impl Iterator<Item = &'static str> {
        std::iter::once(WRONG).chain(NAMED.into_iter().map(|(name, _)| name))
    }

    /// Its name, where things are called so.
    pub fn name(self, names: &Names) -> String {
        let Criterion::Of(measure) = self else { return WRONG.to_owned() };
        let own = NAMED.into_iter().find(|(_, metric)| Measure::from(*metric) == measure);
        own.map_or_else(|| measure.name(names), |(name, _)| name.to_owned())
    }

    /// True if the higher value is the better one.
    pub fn more_is_better(self) -> bool {
        let Criterion::Of(measure) = self else { return false };
        match measure.of {
            Of::Outcome(OutcomeKey::Status(status)) => status < 300,
            _ => matches!(
                measure.metric,
                Metric::Succeeded
                    | Metric::SuccessRate
                    | Metric::InTimeRate
                    | Metric::FirstAttemptSuccessRate
                    | Metric::Goodput
                    | Metric::PeakGoodput
            ),
        }
    }

    /// How its differences are taken.
    pub fn scale(self) -> Scale {
        let Criterion::Of(Measure { metric, .. }) = self else { return Scale::Share };
        match metric {
            Metric::SuccessRate
            | Metric::InTimeRate
            | Metric::FirstAttemptSuccessRate
            | Metric::DuplicateRate
            | Metric::PhantomRate => Scale::Share,
            Metric::LatencyAllP50 | Metric::LatencyAllP99 | Metric::LatencyAllP999 => Scale::Ratio,
            _ if metric.unit() == Unit::SecondsOrNever => Scale::Time,
            _ => Scale::Ratio,
        }
    }
}

/// How differences of a criterion are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Of shares of operations, as they are.
    Share,
    /// Of times, as they are.
    Time,
    /// Of logarithms.
    Ratio,
}

/// A difference that does not matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Margin {
    /// In the criterion's unit.
    Absolute(f64),
    /// A share of the better one's value.
    Relative(f64),
}

/// What the author says about the choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Decide {
    /// What a duplicate weighs where an operation without success weighs 1.
    pub duplicate: f64,
    /// What a phantom success weighs.
    pub phantom: f64,
    /// What a lost update weighs.
    pub lost_update: f64,
    /// What an operation weighs that was left half done.
    pub half_done: f64,
    /// Criteria that come before all others.
    pub order: Vec<Criterion>,
    /// Margins that are not the default.
    pub margins: Vec<(Criterion, Margin)>,
    /// Indices of policies that are decided among themselves, instead of those that share a world; those that stand in none are one more.
    pub groups: Option<Vec<Vec<usize>>>,
}

impl Default for Decide {
    fn default() -> Decide {
        Decide {
            duplicate: 1.0,
            phantom: 1.0,
            lost_update: 1.0,
            half_done: 1.0,
            order: Vec::new(),
            margins: Vec::new(),
            groups: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        let check = |name: &str, expected: &str| {
            let criterion = Criterion::parse(name, &Names::of_faults(&["outage"])).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(criterion.name(&Names::of_faults(&["outage"])), expected);
        };
        for name in Criterion::names() {
            check(name, name);
        }
        check("gone_wrong_rate", "wrong");
        check("gone_wrong", "wrong");
        check("duplicates", "duplicate_rate");
        check("peak_load", "peak");
        check("latency_all_p99", "p99");
        check("latency_p999", "latency_p999");
        check("recovery.fault.outage", "recovery.fault.outage");
        check("outcomes_per_operation.outcome.503", "outcomes_per_operation.outcome.503");
        assert_eq!(Criterion::parse("p98", &Names::default()), None);
    }

    #[test]
    fn which_side_is_good() {
        let more = |name| Criterion::parse(name, &Names::default()).map(Criterion::more_is_better);
        for (name, expected) in
            [("goodput", true), ("outcome_200", true), ("outcome_503", false), ("wrong", false), ("p99", false)]
        {
            assert_eq!(more(name), Some(expected), "{name}");
        }
    }
}
