use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;
use crate::scenario::file::TABLES;
use crate::scenario::file::tests::FULL;

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
        let text = toml::to_string(value).expect("TOML");
        toml::from_str::<T>(&text).expect_err("there is no such key").message().to_owned()
    }
    let table = |depth: usize| way[..depth].iter().fold(&value, |inner, key| &inner[key.as_str()]);
    let message = match way.first().map_or("", String::as_str) {
        "load" => told::<Load>(table(1)),
        "operation" => told::<OperationTable>(table(1)),
        "server" => told::<Server>(table(2)),
        "fault" => told::<FaultTable>(table(2)),
        "policy" => told::<PolicyTable>(table(2)),
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
    if way.is_empty() {
        words.extend(TABLES.iter().map(|table| (*table).to_owned()));
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

/// The keys of every table are among those that `every_key_counts` tries.
#[test]
fn what_is_described_is_tried() {
    let schema = schema();
    let mut described = BTreeMap::new();
    tables(&schema, &schema, Way::new(), &mut described);
    let full: Map<String, Value> = toml::from_str(FULL).expect("TOML");
    let tried = |way: &[&str]| -> BTreeSet<String> {
        let table = way.iter().fold(&Value::Object(full.clone()), |table, key| &table[*key]).clone();
        table.as_object().expect("a table").keys().cloned().collect()
    };
    for (described_at, tried_at) in [
        (vec![], vec![]),
        (vec!["load"], vec!["load"]),
        (vec!["operation"], vec!["operation"]),
        (vec!["decide"], vec!["decide"]),
        (vec!["decide", "weigh"], vec!["decide", "weigh"]),
        (vec!["server", "name"], vec!["server", "s"]),
        (vec!["fault", "name"], vec!["fault", "f"]),
        (vec!["policy", "name"], vec!["policy", "p"]),
    ] {
        let way: Way = described_at.iter().map(|key| (*key).to_owned()).collect();
        let mut keys = described[&way].clone();
        // Another way to write `until`, and a key that does nothing where all others are given.
        keys.remove("for");
        keys.remove("preset");
        // Another fault has it, for it stands beside no `flapping`.
        keys.remove("series");
        assert_eq!(keys, tried(&tried_at), "{tried_at:?}: left is in the schema, right is tried");
    }
}
