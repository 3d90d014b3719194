//! Were the author's expectations met?

use super::comparison::{Estimate, PolicyResult};
use crate::metrics::statistics::nine_digits;
use crate::scenario::Scenario;
use crate::scenario::expectation::Limit;
use crate::scenario::metric::{Measure, Of};

/// One expectation about one policy, held against what was observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Index of the policy among those that were run.
    pub policy: usize,
    /// What was measured.
    pub measure: Measure,
    /// Its name.
    pub name: String,
    /// What was expected, in the metric's unit.
    pub limit: Limit,
    /// Mean and interval over the replications.
    pub observed: Estimate,
    /// True if the mean, rounded as in every output, is within the limit. Without a mean it is false.
    pub met: bool,
}

impl Judgement {
    /// How far the mean lies on the good side of the limit, in the metric's unit; negative on the other side.
    pub fn margin(&self) -> Option<f64> {
        self.observed.mean.map(|mean| self.limit.margin(nine_digits(mean)))
    }
}

/// Judges every expectation about a policy that was run, in the scenario's order; one about every policy in the order of the policies.
pub(super) fn judge(scenario: &Scenario, policies: &[PolicyResult]) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    for expectation in &scenario.expectations {
        let about =
            policies.iter().enumerate().filter(|(_, run)| expectation.policy.is_none_or(|slot| slot == run.slot));
        for (policy, result) in about {
            let measure = expectation.measure;
            let observed = match result.metric(measure) {
                Some(metric) => metric.estimate,
                // An outcome that occurred nowhere.
                None if matches!(measure.of, Of::Outcome(_)) => {
                    Estimate::of(&vec![Some(0.0); scenario.frame.replications as usize], 0.95)
                }
                None => Estimate::default(),
            };
            let met = observed.mean.is_some_and(|mean| expectation.limit.margin(nine_digits(mean)) >= 0.0);
            let name = measure.name(&scenario.names());
            judgements.push(Judgement { policy, measure, name, limit: expectation.limit, observed, met });
        }
    }
    judgements
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use crate::experiment::{Options, run};
    use crate::retry::RetryPolicy;
    use crate::scenario::expectation::{Expectation, Limit};
    use crate::scenario::metric::Measure;
    use crate::scenario::{Arrivals, Fates, Scenario, ServerConfig};
    use crate::units::Span;

    /// Expectations of two policies of which all ten operations fail: what comes of each, `+` met, `-` not.
    fn check(run_only: &[usize], policy: Option<usize>, metric: &str, limit: Limit, expected: &str) {
        let server = ServerConfig {
            fates: Fates { permanent_errors: vec![(402, 1.0)], ..Fates::default() },
            ..ServerConfig::named("s")
        };
        let arrivals = Arrivals::Burst { operations: 10, at: Span::ZERO, every: None };
        let measure = Measure::parse(metric, &crate::scenario::metric::Names::default()).expect("a metric");
        let scenario = Scenario {
            expectations: vec![Expectation { policy, measure, limit }],
            ..Scenario::new(Span::secs(1), arrivals, server).framed(|frame| frame.replications = 3)
        };
        let once = RetryPolicy::default();
        let scenario = scenario.with_policy("a", once.clone(), &[]).with_policy("b", once, &[]);
        let options = Options { threads: 1, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
        let comparison = run(&scenario, run_only, &options).expect("the run comes to its end");
        let got: String = comparison.expectations.iter().map(|j| if j.met { '+' } else { '-' }).collect();
        assert_eq!(got, expected, "{metric} {limit:?}: {:?}", comparison.expectations);
        for judgement in &comparison.expectations {
            assert_eq!(judgement.margin().is_some_and(|margin| margin >= 0.0), judgement.met);
        }
    }

    #[test]
    fn limits_are_inclusive_and_null_meets_none() {
        let both = &[0, 1][..];
        check(both, Some(1), "failed", Limit::AtMost(10.0), "+");
        check(both, Some(1), "failed", Limit::AtMost(9.999), "-");
        check(both, Some(1), "failed", Limit::AtLeast(10.0), "+");
        check(both, None, "failed", Limit::AtLeast(10.1), "--");
        // What never occurred is 0; what has no value meets neither limit.
        check(both, Some(0), "outcome_503", Limit::AtMost(0.0), "+");
        check(both, Some(0), "outcome_402", Limit::AtMost(0.0), "-");
        check(both, None, "latency_p99", Limit::AtLeast(0.0), "--");
        check(both, None, "latency_p99", Limit::AtMost(1e9), "--");
    }

    #[test]
    fn policies_that_were_left_out_are_not_judged() {
        check(&[0], Some(1), "failed", Limit::AtMost(0.0), "");
        check(&[0], None, "failed", Limit::AtMost(10.0), "+");
    }
}
