use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::*;
use crate::scenario::Fates;
use crate::scenario::file::group::keys;
use crate::scenario::file::shape::call::OF_ROWS;
use crate::scenario::file::shape::{fault, server};
use crate::scenario::file::tree::Node;

/// A way into a table: its keys, `[]` for an item of a list.
type Way = Vec<String>;

/// A key that there is not.
const STRANGE: &str = "zzzzzzzz";

/// What a schema says about one table: its keys, or the alternatives of a choice.
fn tables(root: &Value, schema: &Value, way: Way, found: &mut BTreeMap<Way, BTreeSet<String>>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        return tables(root, &root["$defs"][name], way, found);
    }
    let below = |key: &str| -> Way { way.iter().cloned().chain([key.to_owned()]).collect() };
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        assert!(inner["description"].is_string(), "{way:?}: `{key}` has no description");
        found.entry(way.clone()).or_default().insert(key.clone());
        tables(root, inner, below(key), found);
    }
    for (pattern, inner) in schema["patternProperties"].as_object().into_iter().flatten() {
        let key = if pattern.contains("A-Z") { "name" } else { "429" };
        tables(root, inner, below(key), found);
    }
    if schema["items"].is_object() {
        tables(root, &schema["items"], below("[]"), found);
    }
    let choices = |word: &str| schema[word].as_array().cloned().unwrap_or_default();
    for choice in choices("oneOf") {
        if let Some(word) = choice["const"].as_str() {
            assert!(choice["description"].is_string(), "{way:?}: `{word}` has no description");
            found.entry(way.clone()).or_default().insert(word.to_owned());
        } else {
            let key = choice["required"][0].as_str().expect("an alternative has a name");
            assert!(choice["description"].is_string(), "{way:?}: `{key}` has no description");
            found.entry(way.clone()).or_default().insert(key.to_owned());
            tables(root, &choice["properties"][key], below(key), found);
        }
    }
    // Words beside a table say what they are in the key's own description.
    for choice in choices("anyOf").iter().filter(|choice| choice["oneOf"].is_null()) {
        let only_words = choice["$ref"].as_str().is_some_and(|name| {
            let definition = &root["$defs"][name.trim_start_matches("#/$defs/")];
            definition["oneOf"].as_array().is_some_and(|words| words.iter().all(|word| word["const"].is_string()))
        });
        if !only_words {
            tables(root, choice, way.clone(), found);
        }
    }
}

/// What the reader says it would take there: serde lists it when it meets a key that it does not know.
fn taken(way: &[String]) -> BTreeSet<String> {
    let mut value = json!({ STRANGE: 1 });
    for key in way.iter().rev() {
        value = if key == "[]" { json!([value]) } else { json!({ key: value }) };
    }
    fn told<T: for<'de> Deserialize<'de> + std::fmt::Debug>(value: &Value) -> String {
        told_by(|node| T::deserialize(ValueDeserializer::from(node)), value)
    }
    fn told_by<T: std::fmt::Debug>(read: impl Fn(Node<'_>) -> Result<T, Error>, value: &Value) -> String {
        let text = toml::to_string(value).expect("TOML");
        let table = DeTable::parse(&text).expect("TOML").into_inner();
        let node = Node::new(0..text.len(), DeValue::Table(table));
        read(node).expect_err("there is no such key").message().to_owned()
    }
    let table = |depth: usize| way[..depth].iter().fold(&value, |inner, key| &inner[key.as_str()]);
    let message = match way.first().map_or("", String::as_str) {
        "load" => told::<Load>(table(1)),
        "operation" => told::<OperationTable>(table(1)),
        "server" => told_by(Server::read, table(2)),
        "fault" => told_by(FaultTable::read, table(2)),
        "policy" => told::<PolicyTable>(table(2)),
        "mix" => told::<MemberTable>(table(3)),
        "decide" if way.len() > 1 => told::<crate::scenario::file::shape::decide::Weights>(&table(1)["weigh"]),
        "decide" => told::<DecideTable>(table(1)),
        "expect" if way.len() > 1 => told::<ExpectTable>(&table(1)[0]),
        _ => told::<Top>(&value),
    };
    // toml's own message for alternatives with parameters; all others are serde's.
    let mut words: BTreeSet<String> = match message.split_once("available keys: ") {
        Some((_, keys)) => keys.split(", ").map(str::to_owned).collect(),
        None => message.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
    };
    assert!(message.contains(STRANGE), "{way:?}: {message}");
    words.remove(STRANGE);
    // Keys of rows are read, and refused in better words.
    if matches!(way, [.., call, _, policy] if policy == "policy" && ["call", "step"].contains(&call.as_str()))
        || matches!(way, [policy, _, step, _] if policy == "policy" && step == "step")
    {
        OF_ROWS.iter().for_each(|key| assert!(words.remove(*key), "{way:?}: {key}"));
    }
    // These tables are read in groups, and an unknown key is met in the last one.
    let others = match way {
        [kind, _] if kind == "server" => [keys::<Fates>(), keys::<server::Words>()],
        [kind, _] if kind == "fault" => [keys::<Fates>(), keys::<fault::Words>()],
        _ => [&[][..]; 2],
    };
    words.extend(others.concat().into_iter().map(str::to_owned));
    if way.is_empty() {
        words.extend(form().tables().into_iter().map(str::to_owned));
    }
    words
}

/// Every table of the schema has the keys that are read, every choice the alternatives.
#[test]
fn what_is_described_is_what_is_read() {
    let schema = schema();
    let mut described = BTreeMap::new();
    tables(&schema, &schema, Way::new(), &mut described);
    assert!(described.len() > 80, "{} tables", described.len());
    for (way, keys) in &described {
        // A list of words, not a table.
        if [
            "method",
            "discipline",
            "abandoned_work",
            "key",
            "preset",
            "per",
            "scope",
            "deposit_on",
            "on_refusal",
            "on_limit",
        ]
        .contains(&way.last().map_or("", String::as_str))
        {
            continue;
        }
        assert_eq!(taken(way), *keys, "at {way:?}: left is read, right is in the schema");
    }
}

/// What is asked of the form of files, and what was told of it by hand once.
#[test]
fn the_form_is_known() {
    assert_eq!(form().tables(), ["load", "operation", "server", "fault", "policy", "mix", "decide", "expect"]);
    let named: Vec<&str> = form().tables().into_iter().filter(|table| form().has_names(table)).collect();
    assert_eq!(named, ["server", "fault", "policy", "mix"]);
    let has_names = |path: &str| form().has_names_at(&path.split('.').collect::<Vec<_>>());
    for path in ["server", "policy", "server.s.call", "operation.step", "policy.p.step", "mix", "mix.m", "mix.m.a.step"]
    {
        assert!(has_names(path), "{path} has names");
    }
    for path in
        ["load", "server.call", "server.s.errors", "policy.p.backoff_for", "server.s.call.c.map", "policy.p.step.s"]
    {
        assert!(!has_names(path), "{path} has no names");
    }
    assert_eq!(
        form().may_be_none("policy"),
        ["breaker", "budget", "throttle", "limiter", "concurrency", "hedge", "ejection"]
    );
}

/// Setting an alternative of these replaces the other; a name may be that of a choice, and so may a key of something else.
#[test]
fn choices_are_known() {
    let is_choice = |path: &str| form().is_choice(&path.split('.').collect::<Vec<_>>());
    for path in [
        "load.arrivals",
        "load.arrivals.closed.think",
        "server.s.service_time",
        "server.s.network",
        "server.s.max_wait",
        "server.s.idempotency",
        "server.s.retry_after.503",
        "fault.f.added_latency",
        "policy.p.backoff",
        "policy.p.breaker",
        "policy.p.budget",
        "policy.p.throttle",
        "policy.p.limiter",
        "policy.p.retry_after",
        "policy.p.hedge",
        "policy.p.backoff_for.429",
        "policy.p.breaker.rate.open",
        "policy.p.breaker.consecutive.open",
        "policy.p.retry_after.honour.jitter",
        "policy.p.with.server.s.service_time",
        "policy.p.with.load.arrivals",
        "policy.p.with.server.s.call.c.policy.backoff",
        "policy.p.with.operation.step.s.when",
        "policy.p.step.s.hedge",
        "operation.step.s.when",
        "operation.step.s.on_failure",
        "operation.step.s.policy.backoff",
        "server.s.call.c.policy.retry_after.honour.jitter",
        // These were forgotten by hand.
        "policy.p.backoff.custom.curve",
        "policy.p.backoff.custom.jitter",
        "policy.p.breaker.rate.open.custom.curve",
    ] {
        assert!(is_choice(path), "{path} is a choice");
    }
    for path in [
        "",
        "title",
        "load",
        "server.service_time",
        "server.s",
        "server.s.retry_after",
        "server.s.discipline",
        "server.s.rate_limit",
        "server.s.service_time.exponential",
        "policy.budget",
        "policy.budget.attempts",
        "policy.p.retry_for",
        "policy.p.concurrency",
        "policy.p.backoff.full-jitter",
        "policy.p.backoff_for",
        "policy.p.with.load",
        "policy.p.with.backoff",
        "operation.step",
        "operation.step.when",
        "server.s.call.when",
        "server.s.call.c.map",
        "server.s.call.c.policy",
    ] {
        assert!(!is_choice(path), "{path} is no choice");
    }
}
