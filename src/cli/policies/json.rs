//! Backoffs, gates and presets for programs.

use serde_json::{Map, Value, json};

use super::Subject;
use crate::catalog::{DelayRow, Family};
use crate::metrics::statistics::nine_digits;

/// A list of them.
pub fn list(subjects: &[&Subject]) -> String {
    let list: Vec<Value> = subjects.iter().map(|subject| one(subject)).collect();
    format!("{:#}\n", json!(list))
}

fn one(subject: &Subject) -> Value {
    let mut tables = subject.delays().into_iter();
    let delays = tables.next().map_or_else(Vec::new, |(_, rows)| rows);
    let (kind, source, version, attempts) = match subject {
        Subject::Entry(entry) => {
            let kind = match entry.family {
                Family::Backoff => "backoff",
                Family::Gate => "gate",
                Family::Hedge => "hedge",
                Family::Replica => "replica",
            };
            (kind, entry.source, Value::Null, Value::Null)
        }
        Subject::Preset(preset) => {
            let attempts = preset.resolved_json["attempts"].clone();
            ("preset", preset.source.as_str(), json!(preset.version), attempts)
        }
    };
    let mut object = json!({
        "kind": kind,
        "name": subject.name(),
        "family": subject.family(),
        "summary": subject.summary(),
        "source": source,
        "version": version,
        "attempts": attempts,
        "delays": rows(&delays),
    });
    let own = match subject {
        Subject::Entry(entry) => json!({ "rule": entry.rule, "example": entry.example }),
        Subject::Preset(preset) => {
            let after: Map<String, Value> =
                tables.map(|(outcome, own)| (outcome.unwrap_or_default(), rows(&own))).collect();
            let total = preset
                .total_wait()
                .map(|total| json!({ "retries": total.retries, "mean": number(total.mean), "max": number(total.max) }));
            let limits: Map<String, Value> =
                preset.limits().into_iter().map(|(outcomes, retries)| (outcomes, json!(retries))).collect();
            json!({
                "limits": limits,
                "free_retries": preset.free_retries().map(|(outcomes, retries)| json!({ "after": outcomes, "retries": retries })),
                "delays_after": after,
                "total_wait": total,
                "deadline": preset.policy.deadline.map(|deadline| number(deadline.seconds())),
                "retry_for": preset.policy.retry_for.map(|retry_for| number(retry_for.limit.seconds())),
                "retry_on": preset.resolved_json["retry_on"],
                "gates": preset.gates(),
                "hedge": preset.hedge(),
                "policy": preset.resolved_json,
                "surprises": preset.surprises,
                "not_modelled": preset.not_modelled,
                "confirmed": preset.unconfirmed.is_none(),
                "unconfirmed": preset.unconfirmed,
            })
        }
    };
    if let (Value::Object(object), Value::Object(own)) = (&mut object, own) {
        object.extend(own);
    }
    object
}

fn rows(rows: &[DelayRow]) -> Value {
    rows.iter()
        .map(|row| {
            json!({
                "retry": row.retry,
                "min": number(row.min),
                "mean": number(row.mean),
                "max": number(row.max),
                "jitter": number(row.effective_jitter()),
            })
        })
        .collect()
}

/// Rounded once; without limit is null.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(nine_digits(value)) } else { Value::Null }
}
