//! What is said of gates that refuse, in the order of their metrics.

/// A kind of gate and what it refuses.
pub struct Refusal {
    /// The metric that counts it.
    pub metric: &'static str,
    /// What a reader calls the gate.
    pub gate: &'static str,
    /// What it refuses.
    pub what: &'static str,
}

/// Every kind of refusal.
pub const REFUSALS: [Refusal; 5] = [
    Refusal { metric: "breaker_refused", gate: "breaker", what: "attempts" },
    Refusal { metric: "budget_refused", gate: "budget", what: "retries" },
    Refusal { metric: "throttled", gate: "throttle", what: "attempts" },
    Refusal { metric: "limiter_refused", gate: "limiter", what: "attempts" },
    Refusal { metric: "concurrency_refused", gate: "limit on concurrent retries", what: "retries" },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::recorder;

    #[test]
    fn no_refusal_is_passed_over() {
        assert_eq!(REFUSALS.map(|refusal| refusal.metric), recorder::REFUSALS);
    }
}
