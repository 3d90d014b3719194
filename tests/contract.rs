//! `docs/CONTRACT.md` names everything there is: keys, alternatives, metrics, options.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use keys::Keys;
use simlab::experiment::{self, Options};
use simlab::scenario::file::{self, Loaded, Overrides, Source};
use simlab::scenario::metric;
use simlab::scenario::warning::{AFTER, BEFORE, Warning};

#[path = "contract/keys.rs"]
mod keys;

/// A scenario in which everything is measured.
const MEASURED: &str = r#"
duration = "10s"
[load]
arrivals.burst = { operations = 10, at = "0s" }
[server.s]
[fault.f]
until = "5s"
[policy.p]
"#;

fn contract() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONTRACT.md");
    fs::read_to_string(path).expect("the contract is there")
}

fn loaded() -> Loaded {
    let source = Source::new("measured.toml", MEASURED.to_owned());
    file::parse(source, "measured", Path::new(""), &Overrides::default())
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
            metric::Scope::Run | metric::Scope::Status => {
                let part = |is_there, of| if is_there { format!(", `{name}.{of}.NAME`") } else { String::new() };
                let servers = part(metric.is_of_servers(), "server");
                let steps = part(metric.is_of_steps(), "step");
                let replicas =
                    if metric.is_of_replicas() { format!(", `{name}.server.NAME.REPLICA`") } else { String::new() };
                format!("`{name}`{servers}{replicas}{steps}")
            }
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

/// A table of warnings.
fn warnings(warnings: &[Warning]) -> String {
    let rows = warnings.iter().map(|(code, when)| format!("| `{code}` | {when} |\n"));
    format!("| code | when |\n|---|---|\n{}", rows.collect::<String>())
}

/// What begins a table that is written from the source, as `<!-- keys: server -->`, and what it is.
fn marked(line: &str) -> Option<(&str, &str)> {
    let (kind, what) = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.split_once(": ")?;
    ["keys", "choices", "metrics", "warnings"].contains(&kind).then_some((kind, what))
}

/// The contract with all its tables as the source has them.
fn written(text: &str) -> String {
    let schema = file::schema();
    let marks = || text.lines().filter_map(marked);
    let paths = marks().filter(|(kind, _)| ["keys", "choices"].contains(kind));
    let keys = Keys::new(&schema, paths.map(|(_, what)| what.split(", but ").next().map_or("", path)));
    for table in keys.tables() {
        assert!(
            marks().any(|(kind, what)| kind == "keys" && what.split(", but ").next() == Some(table)),
            "no `{table}`"
        );
    }
    let mut written = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        written.push_str(line);
        written.push('\n');
        let Some((kind, what)) = marked(line) else { continue };
        let table = match (kind, what.split_once(", but those of ")) {
            ("keys", Some((of, but))) => keys.keys(path(of), Some(but)),
            ("keys", None) => keys.keys(path(what), None),
            ("choices", _) => keys.choices(what),
            ("metrics", _) => metric_tables(),
            (_, _) => warnings(if what == "before a run" { &BEFORE } else { &AFTER }),
        };
        let end = format!("<!-- end of {kind} -->");
        lines.by_ref().find(|line| *line == end).unwrap_or_else(|| panic!("`{line}` has no end"));
        written.push_str(&format!("\n{}\n\n{end}\n", table.trim_matches('\n')));
    }
    written
}

/// The path that a mark names.
fn path(what: &str) -> &str {
    if what == "the top" { "" } else { what }
}

/// The tables are those of the source; with `UPDATE=1` they are written.
#[test]
fn has_the_tables_of_the_source() {
    let text = contract();
    let written = written(&text);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONTRACT.md");
        return fs::write(path, written).expect("the contract can be written");
    }
    for (number, (line, right)) in text.lines().zip(written.lines()).enumerate() {
        assert!(
            line == right,
            "docs/CONTRACT.md:{}: UPDATE=1 writes what the source says\n{line}\n{right}",
            number + 1
        );
    }
    assert!(text == written, "docs/CONTRACT.md does not end as the source says: UPDATE=1 writes it");
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
