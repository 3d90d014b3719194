//! What gates said no to, and with what calls ended: the metrics that count it, and the words for it. What came last is no cause: those operations might
//! have failed without the gate too.

use super::number::Notation;
use crate::experiment::PolicyResult;
use crate::scenario::metric::Metric;

/// Refusals of one kind of gate.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// The metric that counts them.
    pub metric: Metric,
    /// The metric that counts the operations that failed with one.
    pub cost: Metric,
    /// The gate.
    pub gate: &'static str,
    /// What it refuses, one of them and all.
    pub what: [&'static str; 2],
}

/// Smaller shares would be written as 0.0%.
const LEAST_SHARE: f64 = 0.0005;

const ATTEMPTS: [&str; 2] = ["an attempt", "attempts"];
const RETRIES: [&str; 2] = ["a retry", "retries"];

/// Every kind of gate that refuses.
pub const REFUSALS: [Refusal; 5] = [
    Refusal { metric: Metric::BreakerRefused, cost: Metric::FailedByBreaker, gate: "breaker", what: ATTEMPTS },
    Refusal { metric: Metric::BudgetRefused, cost: Metric::FailedByBudget, gate: "budget", what: RETRIES },
    Refusal { metric: Metric::Throttled, cost: Metric::FailedByThrottle, gate: "throttle", what: ATTEMPTS },
    Refusal { metric: Metric::LimiterRefused, cost: Metric::FailedByLimiter, gate: "limiter", what: ATTEMPTS },
    Refusal {
        metric: Metric::ConcurrencyRefused,
        cost: Metric::FailedByConcurrency,
        gate: "limit on concurrent retries",
        what: RETRIES,
    },
];

impl Refusal {
    /// How many there were and how many operations ended with one, as what the gate did; `None` without any.
    pub fn in_words(self, result: &PolicyResult, notation: Notation) -> Option<String> {
        let refused = result.mean(self.metric).filter(|mean| *mean > 0.0)?;
        let cost = result.mean(self.cost).unwrap_or(0.0);
        let (count, [_, what]) = (some(refused, notation), self.what);
        Some(if cost == 0.0 {
            format!("refused {count} {what} per run, which ended no operation")
        } else if cost == refused {
            format!("refused {count} {what} per run, and as many operations ended with that")
        } else {
            format!("refused {count} {what} per run, and {} ended with that", operations(cost, notation))
        })
    }
}

/// Who failed with nothing sent, as a sentence. Gates are not all there is to blame: a limiter can make wait for longer than there is time.
pub fn untried_in_words(result: &PolicyResult, notation: Notation) -> Option<String> {
    let untried = result.mean(Metric::FailedWithoutAttempt).filter(|mean| *mean > 0.0)?;
    let share = result.mean(Metric::Operations).map(|operations| untried / operations);
    let who = match share.filter(|share| *share >= LEAST_SHARE) {
        Some(share) => format!("{} of operations", notation.percent(share)),
        None => operations(untried, notation),
    };
    Some(format!("{who} failed without an attempt."))
}

/// A mean number of operations.
pub fn operations(mean: f64, notation: Notation) -> String {
    let count = some(mean, notation);
    let noun = if count == "1" { "operation" } else { "operations" };
    format!("{count} {noun}")
}

/// A mean below one half would read as none.
fn some(mean: f64, notation: Notation) -> String {
    if mean < 0.5 { "<1".to_owned() } else { notation.count(mean) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate;
    use crate::report::fixture::{row, with_input};

    #[test]
    fn no_refusal_is_passed_over() {
        assert_eq!(REFUSALS.len(), gate::Refusal::ALL.len());
    }

    fn check(refused: f64, cost: f64, expected: Option<&str>) {
        let row = row("p", &[0.9, 0.8]).all("breaker_refused", refused).all("failed_by_breaker", cost);
        with_input(vec![row], |input| {
            let words = REFUSALS[0].in_words(&input.comparison.policies[0], Notation::PAGE);
            assert_eq!(words.as_deref(), expected, "{refused} refused, {cost} failed");
        });
    }

    #[test]
    fn refusals_and_what_they_cost() {
        check(0.0, 0.0, None);
        check(16_742.4, 0.0, Some("refused 16,742 attempts per run, which ended no operation"));
        check(16_742.4, 16_742.4, Some("refused 16,742 attempts per run, and as many operations ended with that"));
        check(16_742.4, 9_310.0, Some("refused 16,742 attempts per run, and 9,310 operations ended with that"));
        check(3.0, 0.2, Some("refused 3 attempts per run, and <1 operations ended with that"));
        check(3.0, 1.0, Some("refused 3 attempts per run, and 1 operation ended with that"));
    }

    #[test]
    fn what_failed_untried() {
        for (untried, expected) in [
            (0.0, None),
            (0.3, Some("<1 operations failed without an attempt.")),
            (1.0, Some("1 operation failed without an attempt.")),
            (4_000.0, Some("40.0% of operations failed without an attempt.")),
        ] {
            with_input(vec![row("p", &[0.9, 0.8]).all("failed_without_attempt", untried)], |input| {
                let words = untried_in_words(&input.comparison.policies[0], Notation::PAGE);
                assert_eq!(words.as_deref(), expected, "{untried}");
            });
        }
    }
}
