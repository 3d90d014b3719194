//! `simlab schema` against the files there are: what is read is valid by it, and what is misshapen is not.

#[path = "schema/counts.rs"]
mod counts;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use simlab::scenario::file::{self, Overrides};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All scenarios below a folder.
fn scenarios(folder: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).expect("a folder") {
        let path = entry.expect("an entry").path();
        let inside = path.strip_prefix(root()).expect("below the root");
        if path.is_dir() {
            scenarios(inside.to_str().expect("a plain path"), found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found.sort();
}

fn validator() -> jsonschema::Validator {
    let schema = file::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::meta::validate(&schema).expect("the schema is one");
    jsonschema::draft202012::new(&schema).expect("the schema can be used")
}

fn as_json(text: &str) -> Option<Value> {
    serde_json::to_value(toml::from_str::<toml::Table>(text).ok()?).ok()
}

/// Every scenario, as it was written and as `show` prints it.
#[test]
fn every_scenario_is_valid() {
    let validator = validator();
    let mut files = Vec::new();
    for folder in ["scenarios", "assets/templates", "tests/cli"] {
        scenarios(folder, &mut files);
    }
    assert!(files.len() >= 8, "{files:?}");
    for path in files.iter().filter(|path| !path.ends_with("typo.toml")) {
        let text = fs::read_to_string(path).expect("a text");
        let written = as_json(&text).expect("TOML");
        if let Err(error) = validator.validate(&written) {
            panic!("{}: {error} at {}", path.display(), error.instance_path());
        }
        let loaded = file::load(path, &Overrides::default()).unwrap_or_else(|error| panic!("{}", error.render(false)));
        if let Err(error) = validator.validate(&as_json(&loaded.resolved).expect("TOML")) {
            panic!("{}, resolved: {error} at {}", path.display(), error.instance_path());
        }
    }
}

/// Codes of mistakes that no schema sees: names and sums across tables, orders of values, numbers that are too large for the simulator.
const BEYOND: [&str; 29] = [
    "unknown-replica",
    "shares-not-1",
    "circle",
    "mixed-methods",
    "not-called",
    "too-many-places",
    "unknown-criterion",
    "named-twice",
    "weight",
    "empty-group",
    "unknown-name",
    "which-server",
    "window-empty",
    "window-late",
    "two-ends",
    "shares-above-1",
    "faults-above-1",
    "no-retries",
    "without-effect",
    "lingers-for-ever",
    "misplaced",
    "nothing-measured",
    "too-many-operations",
    "too-many-spells",
    "too-many-crashes",
    "unknown-metric",
    "no-limit",
    "two-limits",
    "limit-unit",
];
/// Files whose only mistake is one between values of one table, in the number that a text says, in a file of values, or in the changed world of
/// a row.
const RELATIONS: [&str; 35] = [
    // JSON does not tell 1.0 from 1.
    "seed-float",
    "uniform-order",
    "lognormal-order",
    "jitter-range",
    "profile-order",
    "duration-too-long",
    "recorded-values",
    "trace-values",
    "trace-semicolons",
    "trace-quote",
    "trace-mixed",
    "trace-column",
    "trace-origin",
    "series-status",
    "with-key",
    "with-value",
    "breaker-never-opens",
    "limiter-never-refuses",
    "hedge-never",
    "around-slow",
    "hedge-scope",
    "hedge-percentile-100",
    "breaker-ignored-failure",
    "breaker-ignores-all",
    "breaker-open-zero",
    "breaker-successes",
    "breaker-successes-verdict",
    "breaker-too-many-failures",
    "budget-above",
    "budget-refill",
    "concurrency-attempts-hold",
    "concurrency-max-wait",
    "concurrency-never-refuses",
    "budget-initial",
    "budget-refund",
];

/// Every misshapen file is invalid by the schema, and what only the reader can see is not.
#[test]
fn misshapen_scenarios_are_not() {
    let validator = validator();
    let mut files = Vec::new();
    scenarios("tests/broken", &mut files);
    let (mut seen, mut differing) = (0, Vec::new());
    for path in files {
        let Some(value) = fs::read_to_string(&path).ok().and_then(|text| as_json(&text)) else { continue };
        let message = fs::read_to_string(path.with_extension("stderr")).expect("a message");
        let mut codes = message.lines().filter_map(|line| line.strip_prefix("error[")?.split(']').next());
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
        let beyond = RELATIONS.contains(&stem) || codes.all(|code| BEYOND.contains(&code));
        if validator.is_valid(&value) != beyond {
            differing.push(format!("{stem}, {} by the schema: {message}", if beyond { "invalid" } else { "valid" }));
        }
        seen += usize::from(!beyond);
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(seen >= 25, "{seen} misshapen files");
}

/// Examples are what they are examples of.
#[test]
fn examples_are_valid() {
    let schema = file::schema();
    let mut seen = 0;
    for (name, definition) in schema["$defs"].as_object().expect("definitions") {
        let mut rooted = serde_json::json!({ "$ref": format!("#/$defs/{name}") });
        rooted["$defs"] = schema["$defs"].clone();
        let validator = jsonschema::draft202012::new(&rooted).expect("the definition can be used");
        for example in definition["examples"].as_array().into_iter().flatten() {
            assert!(validator.is_valid(example), "{name}: {example}");
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen} examples");
}
