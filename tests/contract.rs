//! `docs/CONTRACT.md` names everything there is: keys, alternatives, metrics, options.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use simlab::catalog;
use simlab::experiment::{self, Options};
use simlab::scenario::file::{self, Loaded, Overrides, Source};
use simlab::scenario::metric;

/// Every table, with a value wherever the default would leave a key out.
const EVERYTHING: &str = r#"
duration = "10s"
[load]
arrivals.burst = { operations = 10, at = "0s" }
[server.s]
rate_limit = { rate = "10/s" }
idempotency.lock = {}
[fault.f]
until = "5s"
flapping = { mean_on = "1s", mean_off = "1s" }
[policy.p]
attempts = 3
backoff_for.429.additive-jitter = { base = "1s", jitter = "1s" }
breaker.consecutive = { failures = 1, open = "1s" }
budget.tokens = { capacity = 1, refill = "1/s" }
throttle.adaptive = {}
limiter.rate = { rate = "1/s", on_limit = "refuse" }
concurrency = { retries = 1 }
retry_after.honour = { jitter.add = { above = "1s" } }
with.server.s.queue = 3
[policy.q]
preset = "backon"
attempts = 3
concurrency = { attempts = 1, max_wait = "1s" }
breaker.rate = { threshold = 0.5, calls = 10, open = "1s", half_open_for = "1s", slow_call = "1s", slow_threshold = 0.5 }
budget.ratio = { ratio = 0.5 }
[[expect]]
policy = "p"
metric = "failed"
at_most = 3
[[expect]]
policy = "*"
metric = "success_rate"
at_least = "1%"
"#;

fn contract() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONTRACT.md");
    fs::read_to_string(path).expect("the contract is there")
}

fn loaded() -> Loaded {
    let source = Source::new("everything.toml", EVERYTHING.to_owned());
    file::parse(source, "everything", Path::new(""), &Overrides::default())
        .unwrap_or_else(|error| panic!("{}", error.render(false)))
}

/// Words that stand in code: between backticks, or in a block.
fn words_in_code(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.split('`').skip(1).step_by(2).flat_map(|code| code.split(|c| !is_part(c))).collect()
}

fn check(what: &str, names: impl IntoIterator<Item = String>) {
    let text = contract();
    let words = words_in_code(&text);
    let missing: Vec<String> = names.into_iter().filter(|name| !words.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "docs/CONTRACT.md lacks the {what} {missing:?}");
}

/// Keys of all tables, but names that the file gives and statuses.
fn keys(value: &Value, keys_found: &mut BTreeSet<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        if !["s", "f", "p", "q"].contains(&key.as_str()) && key.parse::<u16>().is_err() {
            keys_found.insert(key.clone());
        }
        keys(inner, keys_found);
    }
    value.as_array().into_iter().flatten().for_each(|item| keys(item, keys_found));
}

#[test]
fn names_every_key() {
    let mut found = BTreeSet::new();
    keys(&loaded().resolved_json, &mut found);
    // Tables are headings there: `[server.NAME]`.
    assert!(found.len() > 60, "{found:?}");
    check("keys", found);
}

#[test]
fn names_every_backoff_and_gate() {
    let names = catalog::entries().into_iter().map(|entry| entry.name.rsplit('.').next().unwrap_or("").to_owned());
    check("alternatives", names);
}

#[test]
fn names_every_metric_in_order() {
    let options = Options { threads: 1, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    let comparison = experiment::run(&loaded().scenario, &[0], &options).expect("the run comes to its end");
    let names = comparison.policies[0].metrics.iter().map(|metric| metric.name.clone());
    let unknown: Vec<String> = names.clone().filter(|name| metric::unit(name).is_none()).collect();
    assert!(unknown.is_empty(), "nothing can be expected of {unknown:?}: they are missing in scenario/metric.rs");
    let measured: BTreeSet<String> = names.clone().collect();
    for (name, _) in metric::METRICS {
        assert!(measured.contains(name), "{name} is not measured, but something may be expected of it");
    }
    // A status stands for all of them.
    let names = names.filter(|name| name.strip_prefix("outcome_").is_none_or(|rest| rest.parse::<u16>().is_err()));
    let text = contract();
    let (_, metrics) = text.split_once("### 4.3").expect("there is a section on metrics");
    let mut rest = metrics;
    for name in names {
        let quoted = format!("`{name}`");
        let at = rest.find(&quoted).unwrap_or_else(|| panic!("docs/CONTRACT.md lacks the metric {name} at its place"));
        rest = &rest[at + quoted.len()..];
    }
}

#[test]
fn names_every_option() {
    for command in ["run", "check", "show", "policies", "new", "schema", "bench", "completions"] {
        let output = Command::new(env!("CARGO_BIN_EXE_simlab")).args([command, "--help"]).output();
        let help = String::from_utf8(output.expect("simlab starts").stdout).expect("help is text");
        let options = help.split_whitespace().filter(|word| word.starts_with("--"));
        check("options", options.map(|word| word.trim_end_matches([',', ';', '.']).to_owned()));
    }
}
