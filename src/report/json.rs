//! `summary.json`: everything that programs read (contract, section 4).

use serde_json::{Map, Number, Value, json};

use super::{ReportInput, decision};
use crate::experiment::expectation::Judgement;
use crate::experiment::{Comparison, Estimate, Measured, PolicyResult};
use crate::metrics::statistics::nine_digits;
use crate::text::deceives;

/// Version of the shape of `summary.json`.
const SCHEMA_VERSION: u32 = 1;

/// The summary as text, with a line per metric.
pub fn json(input: &ReportInput) -> String {
    let comparison = input.comparison;
    let mut scenario = input.resolved_json.clone();
    if let Some(object) = scenario.as_object_mut()
        && !input.files.is_empty()
    {
        let files = input.files.iter().map(|(name, hash)| (name.clone(), Value::from(hash.as_str())));
        object.insert("files".to_owned(), Value::Object(files.collect()));
    }
    let summary = json!({
        "schema_version": SCHEMA_VERSION,
        "simlab_version": env!("CARGO_PKG_VERSION"),
        "scenario": scenario,
        "seed": input.scenario.frame.seed,
        "replications": comparison.replications,
        "baseline": comparison.policies[comparison.baseline].name,
        "policies": comparison.policies.iter().map(policy).collect::<Vec<Value>>(),
        "decision": decision::json(input),
        "expectations": comparison.expectations.iter().map(|one| expectation(one, comparison)).collect::<Vec<Value>>(),
        "warnings": comparison.warnings,
        "allowed": comparison.allowed,
    });
    let mut text = String::new();
    write(&summary, 0, &mut text);
    text.push('\n');
    seen(&text)
}

/// JSON in which nothing hides or steers a terminal: what deceives stands in strings only, and is escaped there.
pub fn seen(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && deceives(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

fn policy(policy: &PolicyResult) -> Value {
    let by_name = |shape: fn(&Measured) -> Value| -> Map<String, Value> {
        policy.metrics.iter().map(|metric| (metric.name.clone(), shape(metric))).collect()
    };
    json!({
        "name": policy.name,
        "digest": format!("{:016x}", policy.digest),
        "metrics": by_name(|metric| {
            let mut object = estimate(&metric.estimate);
            object.insert("values".to_owned(), metric.values.iter().copied().map(number).collect());
            if let Some(never) = metric.never() {
                object.insert("never".to_owned(), Value::from(never));
            }
            Value::Object(object)
        }),
        "versus_baseline": by_name(|metric| Value::Object(estimate(&metric.versus_baseline))),
    })
}

fn expectation(judgement: &Judgement, comparison: &Comparison) -> Value {
    let observed = &judgement.observed;
    let mut object = Map::new();
    object.insert("policy".to_owned(), Value::from(comparison.policies[judgement.policy].name.as_str()));
    object.insert("metric".to_owned(), Value::from(judgement.name.as_str()));
    object.insert(judgement.limit.key().to_owned(), number(Some(judgement.limit.value())));
    let numbers = [
        ("observed", observed.mean),
        ("ci_low", observed.ci_low),
        ("ci_high", observed.ci_high),
        ("margin", judgement.margin()),
    ];
    object.extend(numbers.into_iter().map(|(name, value)| (name.to_owned(), number(value))));
    object.insert("met".to_owned(), Value::from(judgement.met));
    Value::Object(object)
}

fn estimate(estimate: &Estimate) -> Map<String, Value> {
    let parts = [("mean", estimate.mean), ("ci_low", estimate.ci_low), ("ci_high", estimate.ci_high)];
    parts.into_iter().map(|(name, value)| (name.to_owned(), number(value))).collect()
}

/// Rounded once. What does not exist and what is no number is null; whole numbers are written without a decimal point.
pub(super) fn number(value: Option<f64>) -> Value {
    let Some(rounded) = value.map(nine_digits) else { return Value::Null };
    if rounded.fract() == 0.0 && rounded.abs() < 9.0e15 {
        return Value::from(rounded as i64);
    }
    Number::from_f64(rounded).map_or(Value::Null, Value::Number)
}

/// Indents by two; what holds no further objects stays on one line, so that a diff shows one metric per line.
fn write(value: &Value, depth: usize, text: &mut String) {
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    };
    let scalar = |value: &Value| !value.is_object() && !value.is_array();
    let short = |value: &Value| match value {
        Value::Array(items) => items.iter().all(scalar),
        other => scalar(other),
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let flat = depth > 1 && fields.values().all(short);
            text.push('{');
            for (index, (name, field)) in fields.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                if flat {
                    text.push(' ');
                } else {
                    line(text, depth + 1);
                }
                text.push_str(&format!("{}: ", Value::from(name.as_str())));
                write(field, depth + 1, text);
            }
            if flat {
                text.push(' ')
            } else {
                line(text, depth)
            }
            text.push('}');
        }
        Value::Array(items) if !items.is_empty() && !short(value) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                line(text, depth + 1);
                write(item, depth + 1, text);
            }
            line(text, depth);
            text.push(']');
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            text.push_str(&format!("[{}]", items.join(", ")));
        }
        other => text.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{around, row, with_input};

    /// The summary of two policies, read back.
    fn summary(files: &[(String, String)]) -> Value {
        let odd = row("odd \"name\"\u{1b}", &around(0.8, 0.0))
            .maybe("time_to_recover", vec![None; 10])
            .maybe("recovery", [vec![Some(2.5), Some(f64::INFINITY)], vec![None; 8]].concat())
            .maybe("latency_p99", [vec![Some(1.0 / 3.0)], vec![None; 9]].concat())
            .set("peak_ratio", &[f64::NAN; 10]);
        let text =
            with_input(vec![row("base", &around(0.7, 0.0)), odd], |input| json(&ReportInput { files, ..*input }));
        assert!(text.ends_with("}\n") && !text.contains("NaN") && !text.contains('\r'), "{text}");
        serde_json::from_str(&text).expect("the summary is JSON")
    }

    fn check(path: &str, expected: Value) {
        let summary = summary(&[("arrivals.csv".to_owned(), "00ff".to_owned())]);
        assert_eq!(summary.pointer(path), Some(&expected), "{path}");
    }

    #[test]
    fn the_contract_s_fields() {
        check("/schema_version", json!(1));
        check("/simlab_version", json!(env!("CARGO_PKG_VERSION")));
        check("/scenario/title", json!("Outage at checkout"));
        check("/scenario/files", json!({ "arrivals.csv": "00ff" }));
        assert_eq!(summary(&[]).pointer("/scenario/files"), None);
        check("/seed", json!(7));
        check("/replications", json!(10));
        check("/baseline", json!("base"));
        check("/expectations", json!([]));
        check("/warnings", json!(["a warning"]));
        check("/allowed", json!([]));
        check("/policies/1/name", json!("odd \"name\"\u{1b}"));
        check("/policies/1/digest", json!("00000000000000ab"));
        let names: Vec<String> = summary(&[]).as_object().expect("an object").keys().cloned().collect();
        let order = "schema_version simlab_version scenario seed replications baseline policies decision expectations warnings allowed";
        assert_eq!(names.join(" "), order);
    }

    #[test]
    fn null_is_null_and_numbers_are_rounded_once() {
        check("/policies/1/metrics/time_to_recover/mean", Value::Null);
        check(
            "/policies/1/metrics/time_to_recover/values",
            json!([null, null, null, null, null, null, null, null, null, null]),
        );
        check("/policies/1/metrics/latency_p99/mean", json!(0.333333333));
        check("/policies/1/metrics/latency_p99/ci_low", Value::Null);
        check("/policies/1/metrics/peak_ratio/mean", Value::Null);
        check("/policies/1/metrics/recovery/mean", Value::Null);
        check("/policies/1/metrics/recovery/never", json!(1));
        check(
            "/policies/1/metrics/recovery/values",
            json!([2.5, null, null, null, null, null, null, null, null, null]),
        );
        check("/policies/0/metrics/recovery/never", json!(0));
        check(
            "/policies/1/metrics/operations",
            json!({
                "mean": 10000, "ci_low": 10000, "ci_high": 10000, "values": vec![10000; 10]
            }),
        );
        check("/policies/0/versus_baseline/success_rate", json!({ "mean": 0, "ci_low": 0, "ci_high": 0 }));
        check("/policies/1/versus_baseline/success_rate/mean", json!(0.1));
    }

    #[test]
    fn one_replication_has_no_intervals() {
        let text = with_input(vec![row("base", &[0.7]), row("a", &[0.8])], json);
        let summary: Value = serde_json::from_str(&text).expect("the summary is JSON");
        let rate = json!({ "mean": 0.8, "ci_low": null, "ci_high": null, "values": [0.8] });
        assert_eq!(summary["policies"][1]["metrics"]["success_rate"], rate);
        assert_eq!(
            summary["policies"][1]["versus_baseline"]["success_rate"],
            json!({ "mean": 0.1, "ci_low": null, "ci_high": null })
        );
    }

    #[test]
    fn what_deceives_is_escaped_and_stays_what_it_is() {
        let value = json!({ "a": "x\u{9b}31m\u{202e}\u{e0041}\u{ffff}\n\u{1b}", "\u{200b}": 1 });
        let text = seen(&format!("{value:#}"));
        assert!(text.is_ascii() && text.contains("\\u009b31m\\u202e\\udb40\\udc41\\uffff\\n\\u001b"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
    }

    #[test]
    fn shape_of_the_text() {
        let mut text = String::new();
        write(&json!({ "a": [], "b": {}, "c": [1, "x"], "d": [{ "e": { "f": [1, null] } }] }), 0, &mut text);
        let expected = "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [1, \"x\"],\n  \"d\": [\n    {\n      \"e\": { \"f\": [1, null] }\n    }\n  ]\n}";
        assert_eq!(text, expected);
    }
}
