//! What reports are made from, made by hand, for the tests of this folder.

use serde_json::Value;

use super::ReportInput;
use crate::decision::Decision;
use crate::experiment::Comparison;
pub(super) use crate::experiment::fixture::{Row, around, comparison, row, scenario};
use crate::retry::RetryPolicy;

/// Gives `use_it` a whole input for these rows.
pub(super) fn with_input<T>(rows: Vec<Row>, use_it: impl FnOnce(&ReportInput) -> T) -> T {
    with_comparison(comparison(rows), use_it)
}

/// Gives `use_it` a whole input for this comparison.
pub(super) fn with_comparison<T>(comparison: Comparison, use_it: impl FnOnce(&ReportInput) -> T) -> T {
    let mut scenario = scenario(comparison.replications);
    for policy in &comparison.policies {
        scenario = scenario.with_policy(&policy.name, RetryPolicy::default(), &[]);
    }
    let decision = Decision::new(&scenario, &comparison);
    let resolved_json: Value = serde_json::json!({ "title": scenario.frame.title, "policy": {} });
    use_it(&ReportInput {
        comparison: &comparison,
        decision: &decision,
        scenario: &scenario,
        name: "checkout",
        resolved_toml: "",
        resolved_json: &resolved_json,
        files: &[],
        command: "simlab run checkout.toml",
        incidents: &[],
        charts: false,
    })
}
