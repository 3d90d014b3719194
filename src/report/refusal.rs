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
pub const REFUSALS: [Refusal; 2] = [
    Refusal { metric: "breaker_refused", gate: "breaker", what: "attempts" },
    Refusal { metric: "budget_refused", gate: "budget", what: "retries" },
];
