//! What `[[expect]]` tables say, held against the policies and the metrics there are.

use toml::de::DeTable;

use super::diagnostic::Diagnostic;
use super::shape::expect::{EVERY_POLICY, ExpectTable};
use super::source::Place;
use super::tree;
use crate::scenario::metric::{self, METRICS};
use crate::scenario::nearest::nearest;

/// All errors of all expectations.
pub fn check(expectations: &[(usize, ExpectTable)], root: &DeTable<'_>) -> Vec<Diagnostic> {
    let policies = root.get("policy").and_then(|node| node.get_ref().as_table());
    let policies: Vec<&str> =
        policies.map(|table| table.keys().map(|key| key.get_ref().as_ref()).collect()).unwrap_or_default();
    let list = root.get("expect").and_then(|node| node.get_ref().as_array());
    let mut errors = Vec::new();
    for (index, expected) in expectations {
        let Some(table) = list.and_then(|list| list.get(*index)).and_then(|item| item.get_ref().as_table()) else {
            continue;
        };
        let known = policies.is_empty() || policies.contains(&expected.policy.as_str());
        if !known && expected.policy != EVERY_POLICY {
            errors.push(unknown_policy(&expected.policy, &policies, tree::value_place(table, &["policy"])));
        }
        match metric::unit(&expected.metric) {
            None => errors.push(unknown_metric(&expected.metric, tree::value_place(table, &["metric"]))),
            Some(unit) => errors.extend(limit(expected, unit, table)),
        }
    }
    errors
}

fn unknown_policy(name: &str, policies: &[&str], place: Place) -> Diagnostic {
    let title = format!("there is no policy `{name}`");
    let error = Diagnostic::error("unknown-name", title, place.clone(), "names no policy of this file");
    match nearest(name, policies.iter().copied()) {
        Some(near) => error.fix("a policy with a similar name exists", place, format!("\"{near}\"")),
        None => error.help(format!("there are {}; \"{EVERY_POLICY}\" is every policy", policies.join(", "))),
    }
}

fn unknown_metric(name: &str, place: Place) -> Diagnostic {
    let title = format!("there is no metric `{name}`");
    let error = Diagnostic::error("unknown-metric", title, place.clone(), "names nothing that is measured");
    match nearest(name, METRICS.iter().map(|(metric, _)| *metric)) {
        Some(near) => error.fix("a metric with a similar name exists", place, format!("\"{near}\"")),
        None => {
            error.help("for example success_rate, latency_p99, peak_ratio or duplicates; docs/CONTRACT.md lists all")
        }
    }
}

/// Exactly one limit, and one that fits the metric.
fn limit(expected: &ExpectTable, unit: metric::Unit, table: &DeTable<'_>) -> Option<Diagnostic> {
    let metric = &expected.metric;
    let (key, threshold) = match (&expected.at_least, &expected.at_most) {
        (Some(least), None) => ("at_least", least),
        (None, Some(most)) => ("at_most", most),
        (None, None) => {
            let title = format!("nothing is expected of `{metric}`");
            let place = tree::key_place(table, &["metric"]);
            return Some(
                Diagnostic::error("no-limit", title, place, "needs `at_least` or `at_most`")
                    .help("for example `at_least = \"99%\"`"),
            );
        }
        (Some(_), Some(_)) => {
            let title = format!("`{metric}` has two limits in one expectation");
            return Some(
                Diagnostic::error("two-limits", title, tree::key_place(table, &["at_most"]), "and this one")
                    .also(tree::key_place(table, &["at_least"]), "this limit")
                    .help("write two expectations, each with one"),
            );
        }
    };
    let problem = threshold.value(unit).err()?;
    let title = format!("`{key}` does not fit the metric `{metric}`");
    Some(Diagnostic::error("limit-unit", title, tree::value_place(table, &[key]), problem))
}
