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

const BEGIN: &str = "<!-- metrics: written from src/scenario/metric.rs by `UPDATE=1 cargo test --test contract` -->\n";
const END: &str = "<!-- end of metrics -->\n";

/// The tables of metrics, one for each group.
fn metric_tables() -> String {
    let mut text = String::new();
    let mut group = None;
    for metric in metric::Metric::ALL {
        if group != Some(metric.group()) {
            group = Some(metric.group());
            text.push_str(&format!("\n**{:?}**\n\n| metric | unit | meaning |\n|---|---|---|\n", metric.group()));
        }
        let name = metric.name();
        let names = match metric.scope() {
            metric::Scope::Run | metric::Scope::Status => format!("`{name}`"),
            metric::Scope::Ends => format!("`{name}`, `{name}.fault.NAME`, `{name}.demand`"),
            metric::Scope::Outcome => format!("`{name}.outcome.NAME`"),
        };
        let unit = match metric.unit() {
            metric::Unit::Count => "count",
            metric::Unit::Share => "share",
            metric::Unit::Ratio => "ratio",
            metric::Unit::PerSecond => "1/s",
            metric::Unit::Seconds => "s",
            metric::Unit::SecondsOrNever => "s, or never",
        };
        text.push_str(&format!("| {names} | {unit} | {} |\n", metric.meaning()));
    }
    text.push('\n');
    text
}

/// The tables of metrics are those of the source; with `UPDATE=1` they are written.
#[test]
fn says_what_every_metric_means() {
    let text = contract();
    let (head, rest) = text.split_once(BEGIN).expect("the contract has a place for metrics");
    let (written, tail) = rest.split_once(END).expect("and an end of it");
    let tables = metric_tables();
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONTRACT.md");
        fs::write(path, format!("{head}{BEGIN}{tables}{END}{tail}")).expect("the contract can be written");
    } else {
        assert!(
            written == tables,
            "docs/CONTRACT.md does not say what src/scenario/metric.rs says: UPDATE=1 writes it"
        );
    }
}

/// What something may be expected of is measured, in the order of the table.
#[test]
fn measures_every_metric() {
    let options = Options { threads: 1, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    let comparison = experiment::run(&loaded().scenario, &[0], &options).expect("the run comes to its end");
    let measured: Vec<_> = comparison.policies[0].metrics.iter().map(|metric| metric.measure).collect();
    assert!(measured.is_sorted());
    for metric in metric::Metric::ALL {
        assert!(measured.iter().any(|measure| measure.metric == metric), "{} is not measured", metric.name());
    }
    for metric in &comparison.policies[0].metrics {
        let read = metric::Measure::parse(&metric.name, &metric::Names::of_faults(&["f"]));
        assert_eq!(read, Some(metric.measure), "nothing can be expected of {}", metric.name);
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
