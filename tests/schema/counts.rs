//! No key is read and then ignored: each gets all values that the schema lets it have, of a handful, and the question and what is printed of it
//! change with them. Keys are found in the schema: one that is added is tried, and needs a line here only if it depends on others in a way that the
//! schema does not say.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};
use simlab::scenario::file::{self, Overrides, Source};

/// A scenario in which most keys can be set.
fn plain() -> Value {
    json!({
        "duration": "10s",
        "replications": 2,
        "load": { "arrivals": { "poisson": { "rate": "10/s" } } },
        "operation": { "method": "PUT" },
        "server": { "s": { "replicas": 3, "call": { "other": {} } }, "other": {} },
        "fault": { "f": { "server": "s", "until": "4s" } },
        "policy": { "p": { "attempts": 3, "timeout": "1s", "deadline": "9s" }, "q": {}, "r": { "attempts": 2 } },
        "mix": { "m": { "a": { "share": 0.5, "policy": "r" }, "b": { "share": 0.5, "policy": "q", "server": "other" } } },
        "expect": [{ "policy": "p", "metric": "success_rate", "at_least": 0.5 }],
    })
}

/// The names in it.
const NAMES: [(&str, &str); 5] = [("server", "s"), ("fault", "f"), ("policy", "p"), ("mix", "m"), ("mix.m", "a")];

/// Values of many kinds; the schema says which of them a key may have.
fn pool() -> Vec<Value> {
    let list = json!([
        true, false, 10, 2, 0.5, 0.25, 1.5, 1, 0,
        "1s", "2s", "250ms", "10/s", "20/s", "25%", "50%", "429", "503", 429, 503, "refuse",
        "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z",
        { "429": 10 }, { "429": 0.25 }, { "429": 0.5 }, { "429": true }, { "503": true }, { "429": "1s" }, { "429": "2s" },
        { "timeout": 1 }, { "timeout": 2 },
        { "429": { "fixed": { "delay": "1s" } } }, { "429": { "fixed": { "delay": "2s" } } },
        ["429"], ["503"], ["1s"], ["2s"], ["wrong"], ["p99"], { "wrong": 0.25 }, { "wrong": 0.5 }, [["p"]], [["q"]],
        ["overload"], ["open-work"], ["seconds"], ["date"],
        { "load": { "clients": 2 } }, { "load": { "clients": 3 } },
        "a text", "another"
    ]);
    list.as_array().expect("a list").clone()
}

/// Values of keys that the schema takes for any text.
fn meant(key: &str) -> Option<[Value; 2]> {
    Some(match key {
        "baseline" | "expect.0.policy" => [json!("p"), json!("q")],
        "fault.f.server" | "mix.m.a.server" => [json!("s"), json!("other")],
        "mix.m.a.policy" => [json!("r"), json!("q")],
        "expect.0.metric" => [json!("success_rate"), json!("waited")],
        _ if key.ends_with("empirical.file") => {
            [json!("tests/recorded/seconds.csv"), json!("tests/recorded/seconds-later.csv")]
        }
        _ if key.ends_with("empirical.column") => [json!("took"), json!("waited")],
        _ if key.ends_with("file") => [json!("tests/recorded/errors.csv"), json!("tests/recorded/errors-later.csv")],
        _ if key.ends_with("trace.column") || key.ends_with(".time") => [json!("time"), json!("end")],
        _ if key.ends_with("column") || key.ends_with("series.status") => [json!("status"), json!("upstream")],
        _ if key.ends_with("trace.key") => [json!("status"), json!("upstream")],
        _ => return None,
    })
}

/// What is tried in `scenario/file/calls.rs`, `going.rs`, `mixes.rs` and `queues.rs`: calls and steps have to fit each other, nobody may be left without a caller, and
/// shares add up to 1.
const APART: [&str; 15] = [
    "fault.f.queue",
    "policy.p.durable.key",
    "policy.p.durable.deduplicated",
    "load.crash.at_step",
    "load.crash.takeover",
    "operation.on_failure",
    "operation.journal",
    "operation.lists_undone",
    "operation.server",
    "operation.step",
    "policy.p.step",
    "policy.p.row",
    "server.s.call",
    "mix.m.a.share",
    "mix.m.a.step",
];

/// What stands beside a key, for those of which the schema does not say it; null takes a key away.
const BESIDE: [(&str, &str); 20] = [
    ("durable.partial", "batch = 10"),
    ("durable.heart_beat", "visibility = '1m'"),
    ("durable.dead_letter", "attempts = 10"),
    ("dead_letter.redrive_at", "rate = '10/s'"),
    ("crash.in_progress", "random = { mean_between = '1m', restart = '1s' }"),
    ("crash.arrivals_meanwhile", "random = { mean_between = '1m', restart = '1s' }"),
    ("policy.p.key_lost", "key = 'per-operation'"),
    ("series.time", "window = '2s'"),
    ("server.s.effect_at", "call = 'null'"),
    ("lock.atomic", "access = '5ms'"),
    ("fault.f.for", "until = 'null'"),
    ("expect.0.at_most", "at_least = 'null'"),
    ("timeout_cap", "timeout_factor = 2.0"),
    ("custom.cap_at", "cap = '8s'"),
    ("custom.inclusive", "unit = '1ms'"),
    ("honour.over_max", "max = '1s'"),
    ("rate.tick", "judge = 'tick'"),
    ("limiter.rate.on_refusal", "on_limit = 'refuse'"),
    ("fixed.scope", "budget.ratio = 0.5"),
    ("fixed.on_failure", "delay = '1s'"),
];

struct Walk<'a> {
    root: &'a Value,
    /// Definitions whose keys have been tried where they were met first.
    seen: BTreeSet<&'a str>,
    tried: usize,
    wrong: Vec<String>,
}

/// The question and what is printed of it, or why it cannot be read.
type Told = Result<(String, String), String>;

/// Reads a scenario.
fn told(scenario: &Value) -> Told {
    let text = toml::to_string(scenario).map_err(|error| error.to_string())?;
    let loaded = file::parse(Source::new("keys.toml", text), "keys", Path::new(""), &Overrides::default());
    let loaded = loaded.map_err(|error| error.render(false))?;
    Ok((format!("{:?}", loaded.scenario), loaded.resolved))
}

/// With a value at a path, or without any.
fn with(scenario: &Value, path: &[String], value: Option<Value>) -> Value {
    let mut scenario = scenario.clone();
    let Some((last, above)) = path.split_last() else { return scenario };
    let table = above.iter().fold(&mut scenario, |table, key| match table {
        Value::Array(list) => &mut list[key.parse::<usize>().expect("a place in a list")],
        Value::Object(table) => table.entry(key).or_insert_with(|| json!({})),
        other => {
            *other = json!({});
            &mut other[key]
        }
    });
    if table.is_null() || table.is_string() {
        *table = json!({});
    }
    match (table, value) {
        (Value::Array(list), Some(value)) => list[last.parse::<usize>().expect("a place in a list")] = value,
        (Value::Object(table), Some(value)) => drop(table.insert(last.clone(), value)),
        (Value::Object(table), None) => drop(table.remove(last)),
        (Value::Array(list), None) => list.clear(),
        (other, _) => unreachable!("no table: {other}"),
    }
    scenario
}

impl<'a> Walk<'a> {
    /// What may stand in the place of a schema.
    fn parts(&self, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(name) = schema["$ref"].as_str() {
            return self.parts(&self.root["$defs"][name.trim_start_matches("#/$defs/")]);
        }
        let either = ["anyOf", "allOf"].iter().find_map(|word| schema[*word].as_array());
        match either.filter(|_| !schema["properties"].is_object()) {
            Some(either) => either.iter().flat_map(|part| self.parts(part)).collect(),
            None => vec![schema],
        }
    }

    /// Says what is valid by a part of the schema.
    fn validator(&self, part: &Value) -> jsonschema::Validator {
        let whole = json!({ "$defs": self.root["$defs"], "allOf": [part] });
        jsonschema::draft202012::new(&whole).expect("it is a schema")
    }

    /// Values that may stand there, those of many kinds first.
    fn values(&self, path: &[String], schema: &'a Value) -> Vec<Value> {
        if let Some(values) = meant(&path.join(".")) {
            return values.into();
        }
        let parts = self.parts(schema);
        let alternatives = parts.iter().flat_map(|part| part["oneOf"].as_array().into_iter().flatten());
        let made = alternatives.map(|alternative| match alternative["properties"].as_object() {
            Some(_) => self.table(path, alternative, None, &Value::Null),
            None => alternative["const"].clone(),
        });
        let tables = parts.iter().filter(|part| part["properties"].is_object());
        let lists = parts.iter().filter(|part| self.is_list_of_tables(part));
        let list = |part: &&&'a Value| json!([self.values(path, &part["items"])[0]]);
        let own = ["enum", "examples"].map(|word| schema[word].as_array().cloned().unwrap_or_default());
        let words = parts.iter().map(|part| part["const"].clone()).filter(|word| !word.is_null());
        let all = made
            .chain(tables.map(|part| self.table(path, part, None, &Value::Null)))
            .chain(lists.map(|part| list(&part)))
            .chain(pool())
            .chain(own.into_iter().flatten())
            .chain(words);
        let valid = self.validator(schema);
        let mut values: Vec<Value> = Vec::new();
        for value in all.filter(|value| valid.is_valid(value)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }

    /// True if it is a list of tables, or of named ones.
    fn holds_tables(&self, part: &'a Value) -> bool {
        let named = part["patternProperties"].as_object().into_iter().flat_map(Map::values);
        let mut named = named.flat_map(|inner| self.parts(inner));
        self.is_list_of_tables(part) || named.any(|inner| inner["properties"].is_object() || self.holds_tables(inner))
    }

    fn is_list_of_tables(&self, part: &'a Value) -> bool {
        part["items"].is_object() && self.parts(&part["items"]).iter().any(|item| item["properties"].is_object())
    }

    /// What a table must have, and what must stand beside `key`, of which `there` is there.
    fn table(&self, path: &[String], schema: &'a Value, key: Option<&str>, there: &Value) -> Value {
        let (mut keys, mut gone) = (Vec::<&str>::new(), Vec::<&str>::new());
        let names = |list: &'a Value| -> Vec<&'a str> {
            list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        keys.extend(names(&schema["required"]));
        if let Some(key) = key {
            keys.extend(names(&schema["dependentRequired"][key]));
        }
        // One of several sets of keys: that of the key, or one that is there, or the first.
        let groups = schema["allOf"].as_array().into_iter().flatten().map(|group| &group["oneOf"]);
        for group in groups.chain([&schema["anyOf"]]).filter(|group| group.is_array()) {
            let sets: Vec<Vec<&str>> =
                group.as_array().into_iter().flatten().map(|set| names(&set["required"])).collect();
            let has = |set: &&Vec<&str>| set.iter().any(|name| Some(*name) == key || keys.contains(name));
            let chosen = sets.iter().find(has).or(sets.first()).cloned().unwrap_or_default();
            gone.extend(sets.into_iter().flatten().filter(|name| !chosen.contains(name) && Some(*name) != key));
            keys.extend(chosen);
        }
        let properties = schema["properties"].as_object().expect("a table");
        let least = schema["minProperties"].as_u64().unwrap_or(0) as usize;
        let more = properties.keys().map(String::as_str).filter(|name| Some(*name) != key && !keys.contains(name));
        let missing = least.saturating_sub(keys.len() + usize::from(key.is_some_and(|key| !keys.contains(&key))));
        let more: Vec<&str> = more.take(missing).collect();
        let value = |name: &str| {
            let path: Vec<String> = path.iter().cloned().chain([name.to_owned()]).collect();
            let values = self.values(&path, &properties[name]);
            (name.to_owned(), values.first().unwrap_or_else(|| panic!("no value for {}", path.join("."))).clone())
        };
        let missing = |name: &&str| there.get(*name).is_none() && Some(*name) != key;
        // Where there is room for so many only, others go.
        let room =
            schema["maxProperties"].as_u64().is_none_or(|most| there.as_object().map_or(0, Map::len) < most as usize)
                || key.is_some_and(|key| there.get(key).is_some());
        let others = there.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let others: Vec<&str> = others.filter(|name| !room && !keys.contains(name) && Some(*name) != key).collect();
        let gone = gone.into_iter().chain(others).map(|name| (name.to_owned(), Value::Null));
        let made = keys.into_iter().chain(more).filter(missing).map(value);
        gone.filter(|(name, _)| there.get(name).is_some()).chain(made).collect::<Map<_, _>>().into()
    }

    /// Tries every key below a schema, in a scenario that has everything on the way there.
    fn walk(&mut self, schema: &'a Value, scenario: &Value, path: &[String]) {
        // A table counts by its keys.
        if !self.parts(schema).iter().any(|part| part["properties"].is_object() || self.holds_tables(part)) {
            self.check(schema, scenario, path);
        }
        if let Some(name) = schema["$ref"].as_str()
            && !self.seen.insert(name)
        {
            return;
        }
        let below = |key: &str| -> Vec<String> { path.iter().cloned().chain([key.to_owned()]).collect() };
        for part in self.parts(schema) {
            for (name, inner) in part["patternProperties"].as_object().into_iter().flatten() {
                let own = NAMES.iter().find(|(table, _)| path.join(".") == *table).map(|(_, name)| *name);
                if own.is_some() || !self.parts(inner).iter().all(|part| part["properties"].is_null()) {
                    self.walk(inner, scenario, &below(own.unwrap_or(name)));
                }
            }
            if self.is_list_of_tables(part) {
                let value = self.values(path, &part["items"])[0].clone();
                let kept = path.iter().fold(scenario, |at, key| &at[key.as_str()]).is_array();
                let scenario = if kept { scenario.clone() } else { with(scenario, path, Some(json!([value]))) };
                self.walk(&part["items"], &scenario, &below("0"));
            }
            for alternative in part["oneOf"].as_array().into_iter().flatten() {
                let Some(keys) = alternative["properties"].as_object() else { continue };
                let whole = with(scenario, path, Some(self.table(path, alternative, None, &Value::Null)));
                keys.iter().for_each(|(name, inner)| self.walk(inner, &whole, &below(name)));
            }
            let keys = part["properties"].as_object().into_iter().flatten();
            for (key, inner) in keys.filter(|(key, _)| !APART.contains(&below(key).join(".").as_str())) {
                let mut scenario = scenario.clone();
                let beside = self.table(path, part, Some(key), value_at(&scenario, path));
                for (name, value) in beside.as_object().into_iter().flatten() {
                    scenario = with(&scenario, &below(name), Some(value.clone()).filter(|value| !value.is_null()));
                }
                let at = below(key).join(".");
                for (_, beside) in BESIDE.iter().filter(|(key, _)| at.ends_with(key)) {
                    let beside: Map<String, Value> = toml::from_str(beside).expect("TOML");
                    for (name, value) in beside {
                        scenario = with(&scenario, &below(&name), Some(value).filter(|value| *value != "null"));
                    }
                }
                self.walk(inner, &scenario, &below(key));
            }
        }
    }

    /// All values of a key that can be read make a difference, also to having none.
    fn check(&mut self, schema: &'a Value, scenario: &Value, path: &[String]) {
        let values = self.values(path, schema);
        let parts = self.parts(schema);
        let alternatives = || parts.iter().flat_map(|part| part["oneOf"].as_array().into_iter().flatten());
        // Presets of one library may be alike.
        let words = |value: &Value| {
            !path.ends_with(&["preset".to_owned()])
                && value.is_string()
                && alternatives().any(|word| word["const"] == *value)
        };
        let results: Vec<(Value, Told)> = values
            .into_iter()
            .map(Some)
            .chain([None])
            .map(|value| (value.clone().unwrap_or_default(), told(&with(scenario, path, value))))
            .collect();
        let read: Vec<(&Value, &(String, String))> =
            results.iter().filter_map(|(value, told)| Some((value, told.as_ref().ok()?))).collect();
        let differs = read.iter().any(|(_, told)| told.0 != read[0].1.0 && told.1 != read[0].1.1);
        let same = read.iter().enumerate().find_map(|(index, (value, told))| {
            let others = read[..index].iter().filter(|(other, _)| words(value) && words(other));
            others
                .into_iter()
                .find(|(_, other)| told.0 == other.0 || told.1 == other.1)
                .map(|(other, _)| (value, other))
        });
        let at = path.join(".");
        self.tried += 1;
        if let Some((one, other)) = same {
            self.wrong.push(format!("{at}: {one} and {other} are the same"));
        } else if !differs {
            let errors: Vec<&String> = results.iter().filter_map(|(_, told)| told.as_ref().err()).collect();
            let values: Vec<String> = results.iter().map(|(value, told)| format!("{value} {}", told.is_ok())).collect();
            self.wrong.push(format!("{at} changes nothing: {values:?}\n{}", errors.first().map_or("", |text| text)));
        }
    }
}

fn value_at<'v>(scenario: &'v Value, path: &[String]) -> &'v Value {
    path.iter().fold(scenario, |at, key| match at {
        Value::Array(list) => &list[key.parse::<usize>().expect("a place in a list")],
        at => &at[key.as_str()],
    })
}

#[test]
fn every_key_counts() {
    let schema = file::schema();
    let mut walk = Walk { root: &schema, seen: BTreeSet::new(), tried: 0, wrong: Vec::new() };
    walk.walk(&schema, &plain(), &[]);
    assert!(walk.wrong.is_empty(), "{} of {}:\n{}", walk.wrong.len(), walk.tried, walk.wrong.join("\n"));
    assert!(walk.tried > 250, "{} keys", walk.tried);
}
