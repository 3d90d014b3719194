//! What gates said no to: the metrics that count it, and the words for it.

/// Refusals of one kind of gate.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// The metric that counts them.
    pub metric: &'static str,
    /// The gate.
    pub gate: &'static str,
    /// What it refuses.
    pub what: &'static str,
}

/// Every kind of gate that refuses.
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
