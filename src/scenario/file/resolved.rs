//! The scenario with every default filled in, as TOML that is read again and as JSON.

use serde::Serialize;
use serde_json::{Map, Value};

use super::overrides::quoted;
use super::schema::form;
use super::shape::call::OF_ROWS;
use super::shape::decide::DecideTable;
use super::shape::load::Load;
use super::shape::policy::PolicyTable;
use super::shape::top::{OperationTable, Top};
use super::{Named, Tables, calls, mixes};

fn object<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        other => unreachable!("a table is written as one: {other:?}"),
    }
}

/// A policy alone, as JSON.
pub fn policy(table: &PolicyTable) -> Value {
    object(table).into()
}

/// As JSON, in the order of the file.
pub fn json(tables: &Tables) -> Value {
    fn named<T: Serialize>(entries: &[Named<T>]) -> Value {
        entries
            .iter()
            .map(|entry| (entry.name.clone(), Value::Object(object(&entry.table))))
            .collect::<Map<_, _>>()
            .into()
    }
    let mut root = object::<Top>(&tables.top);
    root.insert("load".into(), object::<Load>(&tables.load).into());
    let mut operation = object::<OperationTable>(&tables.operation);
    if !tables.operation.step.is_empty() {
        // Each step has its own.
        operation.retain(|key, value| {
            ["step", "on_failure", "journal", "lists_undone"].contains(&key.as_str())
                || key == "wanted" && value != "each"
        });
    }
    root.insert("operation".into(), operation.into());
    root.insert("server".into(), named(&tables.servers));
    if !tables.faults.is_empty() {
        root.insert("fault".into(), named(&tables.faults));
    }
    let mut policies = named(&tables.policies);
    let uses = mixes::uses(&tables.policies, &tables.mixes, &tables.operation);
    let is_followed = |policy: &Named<PolicyTable>| {
        let mut of = uses.iter().filter(|one| one.policy.name == policy.name);
        of.any(|one| calls::is_followed(&one.operation, &policy.table))
    };
    for policy in tables.policies.iter().filter(|policy| !is_followed(policy)) {
        // Every step has other rules: nobody would read the row's.
        policies[&policy.name].as_object_mut().expect("a table").retain(|key, _| OF_ROWS.contains(&key.as_str()));
    }
    root.insert("policy".into(), policies);
    if !tables.mixes.is_empty() {
        let mixes =
            tables.mixes.iter().map(|mix| (mix.name.clone(), serde_json::to_value(&mix.table).expect("tables")));
        root.insert("mix".into(), Value::Object(mixes.collect()));
    }
    if let Some(decide) = &tables.decide {
        root.insert("decide".into(), object::<DecideTable>(decide).into());
    }
    if !tables.expectations.is_empty() {
        let expectations = tables.expectations.iter().map(|table| Value::Object(object(table)));
        root.insert("expect".into(), expectations.collect());
    }
    root.into()
}

/// As TOML: a section for each table, choices as dotted keys.
pub fn toml(resolved: &Value) -> String {
    let mut text = String::new();
    let Some(root) = resolved.as_object() else { return text };
    let is_table =
        |value: &Value| value.is_object() || value.as_array().is_some_and(|list| list.iter().all(Value::is_object));
    for (key, value) in root.iter().filter(|(_, value)| !is_table(value)) {
        line(&mut text, key, value);
    }
    for (key, value) in root {
        for item in value.as_array().into_iter().flatten().filter(|item| item.is_object()) {
            section(&mut text, &[&format!("[{key}]")], item);
        }
        let Some(table) = value.as_object() else { continue };
        if form().has_names(key) {
            for (name, entry) in table {
                section(&mut text, &[key, name], entry);
            }
        } else {
            section(&mut text, &[key], value);
        }
    }
    text
}

/// A table, and behind it those in it that have names.
fn section(text: &mut String, path: &[&str], table: &Value) {
    if path.len() > 1 && form().has_names_at(path) {
        let entries = table.as_object().into_iter().flatten();
        return entries.for_each(|(name, entry)| section(text, &[path, &[name.as_str()]].concat(), entry));
    }
    text.push_str(&format!("\n[{}]\n", path.join(".")));
    let (mut named, mut rules) = (Vec::new(), None);
    for (key, value) in table.as_object().into_iter().flatten() {
        let inner = [path, &[key.as_str()]].concat();
        match value {
            // The rules of a call are as long as a policy.
            Value::Object(_) if key == "policy" => rules = Some(value),
            Value::Object(entries) if form().has_names_at(&inner) => named.push((key, entries)),
            _ => line(text, key, value),
        }
    }
    if let Some(rules) = rules {
        section(text, &[path, &["policy"]].concat(), rules);
    }
    for (key, entries) in named {
        for (name, entry) in entries {
            section(text, &[path, &[key.as_str(), name.as_str()]].concat(), entry);
        }
    }
}

/// The keys of a table, a line each.
pub fn lines(table: &Value) -> String {
    let mut text = String::new();
    for (key, value) in table.as_object().into_iter().flatten() {
        line(&mut text, key, value);
    }
    text
}

/// One line; a table with a single entry is a choice and becomes a dotted key.
fn line(text: &mut String, key: &str, value: &Value) {
    match value {
        Value::Null => {}
        // All its keys follow, so that what is printed means the same whatever becomes of the preset.
        Value::String(name) if key == "preset" => {
            text.push_str(&format!("# preset = {}, written out:\n", quoted(name)))
        }
        // Each outcome's backoff stands on a line of its own.
        Value::Object(table) if key == "backoff_for" => {
            table.iter().for_each(|(outcome, backoff)| line(text, &format!("backoff_for.{outcome}"), backoff));
        }
        // And so does each limit; what joins outcomes needs quotes.
        Value::Object(table) if key == "retries_for" => {
            let key = |outcomes: &str| if outcomes.contains('+') { quoted(outcomes) } else { outcomes.to_owned() };
            table.iter().for_each(|(outcomes, most)| line(text, &format!("retries_for.{}", key(outcomes)), most));
        }
        Value::Object(world) if key == "with" => with(text, &[], world),
        Value::Object(table) if is_choice(table) => {
            for (alternative, inner) in table {
                text.push_str(&format!("{key}.{alternative} = {}\n", inline(inner)));
            }
        }
        value => text.push_str(&format!("{key} = {}\n", inline(value))),
    }
}

/// Each key that a row's world changes, by its path.
fn with(text: &mut String, path: &[&str], world: &Map<String, Value>) {
    for (key, value) in world {
        let path = [path, &[key.as_str()]].concat();
        match value.as_object().filter(|_| form().leads_on(&path)) {
            Some(inner) => with(text, &path, inner),
            None => line(text, &format!("with.{}", path.join(".")), value),
        }
    }
}

/// A choice has one alternative, whose name is no status.
fn is_choice(table: &Map<String, Value>) -> bool {
    table.len() == 1 && table.keys().all(|key| key.parse::<u16>().is_err())
}

/// A value on one line; a choice as the dotted key it would be.
pub fn value(value: &Value) -> String {
    match value.as_object().filter(|table| is_choice(table)).and_then(|table| table.iter().next()) {
        Some((alternative, value)) => format!("{alternative} = {}", inline(value)),
        None => inline(value),
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Null => unreachable!("what is absent is written as a word or left out"),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(table) if table.is_empty() => "{}".to_owned(),
        Value::Object(table) => {
            // All keys of a preset are written out: see `line`.
            let present = table.iter().filter(|(key, value)| !value.is_null() && *key != "preset");
            let entries: Vec<String> = present.map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}
