//! The stock scenarios: each opens with its question, runs as it stands, and shows what it says.
//!
//! They are run once, in full, and looked at by all tests. `UPDATE_SNAPSHOTS=1 cargo test --release --test scenarios` writes the digests,
//! `docs/SEED-SYSTEMS.md` and `docs/gallery/` anew.

mod charged_once;
mod effects;
mod gallery;
mod nothing_lost;
mod seed_systems;
mod terminal;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use simlab::decision::Decision;
use simlab::experiment::{self, Comparison, Options};
use simlab::report::ReportInput;
use simlab::scenario::file::{self, Loaded, Overrides};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every stock scenario by its name.
fn files() -> BTreeMap<String, PathBuf> {
    let folder = fs::read_dir(root().join("scenarios")).expect("there are scenarios");
    let toml = folder
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"));
    toml.map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path)).collect()
}

/// A scenario and what it gives.
struct Ran {
    loaded: Loaded,
    comparison: Comparison,
}

impl Ran {
    /// What its report is made of.
    fn report<'a>(&'a self, name: &'a str, decision: &'a Decision, charts: bool) -> ReportInput<'a> {
        ReportInput {
            comparison: &self.comparison,
            incidents: &[],
            decision,
            scenario: &self.loaded.scenario,
            name,
            resolved_toml: &self.loaded.resolved,
            resolved_json: &self.loaded.resolved_json,
            files: &self.loaded.files,
            command: "",
            charts,
        }
    }
}

/// All of them, each run once.
fn results() -> &'static BTreeMap<String, Ran> {
    static RESULTS: OnceLock<BTreeMap<String, Ran>> = OnceLock::new();
    RESULTS.get_or_init(|| {
        let run = |path: &PathBuf| {
            let loaded =
                file::load(path, &Overrides::default()).unwrap_or_else(|error| panic!("{}", error.render(false)));
            let all: Vec<usize> = (0..loaded.scenario.policies.len()).collect();
            let interrupted = AtomicBool::new(false);
            let options = Options { threads: 0, memory: 8 << 30, interrupted: &interrupted, progress: &|_| {} };
            let comparison = experiment::run(&loaded.scenario, &all, &options);
            let comparison = comparison.unwrap_or_else(|failed| panic!("{}: {failed}", path.display()));
            Ran { loaded, comparison }
        };
        files().into_iter().map(|(name, path)| (name, run(&path))).collect()
    })
}

/// The general way to run gives what the plain one gave, to the last attempt.
#[test]
fn the_whole_way_is_the_plain_one() {
    for (name, ran) in results() {
        let whole = ran.loaded.scenario.clone().framed(|frame| {
            frame.whole_way = true;
            // Those of a herd are as good as many.
            frame.replications = frame.replications.min(3);
        });
        let plain = ran.loaded.scenario.clone().framed(|frame| frame.replications = whole.frame.replications);
        let [plain, whole] = [plain, whole].map(|scenario| {
            let all: Vec<usize> = (0..scenario.policies.len()).collect();
            let options =
                Options { threads: 0, memory: 8 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
            experiment::run(&scenario, &all, &options).unwrap_or_else(|failed| panic!("{name}: {failed}"))
        });
        for (plain, whole) in plain.policies.iter().zip(&whole.policies) {
            assert_eq!(plain.digest, whole.digest, "{name}, {}", plain.name);
            assert_eq!(plain.metrics, whole.metrics, "{name}, {}", plain.name);
            assert_eq!(plain.timeline, whole.timeline, "{name}, {}", plain.name);
            assert_eq!(plain.succeeded_within, whole.succeeded_within, "{name}, {}", plain.name);
            assert_eq!(plain.endings, whole.endings, "{name}, {}", plain.name);
        }
    }
}

/// The mean of a metric of a policy of a scenario.
fn mean(scenario: &str, policy: &str, metric: &str) -> f64 {
    let ran = results().get(scenario).unwrap_or_else(|| panic!("no scenario {scenario}"));
    let result = ran.comparison.policies.iter().find(|result| result.name == policy);
    let result = result.unwrap_or_else(|| panic!("no policy {policy} in {scenario}"));
    result
        .named(metric)
        .and_then(|metric| metric.estimate.mean)
        .unwrap_or_else(|| panic!("{scenario}, {policy}: no {metric}"))
}

/// Compares a file with what it should hold, or writes it.
fn check_file(path: &str, expected: &str) {
    let path = root().join(path);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, expected).expect("the file is written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} is not what the runs give; it should be\n{expected}", path.display());
}

/// A scenario is read from its top: first the question it answers, then where its numbers come from.
#[test]
fn each_opens_with_its_question() {
    for (name, path) in files() {
        let text = fs::read_to_string(&path).expect("a readable file");
        let opening: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let question = opening.split(|line| *line == "#").next().expect("a first paragraph").join(" ");
        assert!(question.ends_with('?'), "{name} opens with: {question}");
        assert!(opening.contains(&"# Where the numbers come from"), "{name} does not say where its numbers come from");
        assert!(opening.iter().all(|line| line.chars().count() <= 120), "{name} has lines that are too long");
        let loaded = file::load(&path, &Overrides::default()).unwrap_or_else(|error| panic!("{}", error.render(false)));
        assert!(!loaded.scenario.frame.title.is_empty() && !loaded.scenario.frame.description.is_empty(), "{name}");
        assert!(loaded.scenario.frame.replications >= 10, "{name} has too few replications to tell differences");
    }
}

/// The README names all of them.
#[test]
fn the_readme_lists_them() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    for name in files().keys() {
        assert!(readme.contains(&format!("scenarios/{name}.toml")), "{name} is not in the README");
    }
}

/// A digest that changes is another answer to the same question, and belongs into the changelog.
#[test]
fn digests_are_those_written_down() {
    let mut text = String::from(
        "# Digests of the stock scenarios: every attempt's end of every replication. A change is an entry of CHANGELOG.md.\n",
    );
    for (name, ran) in results() {
        for policy in &ran.comparison.policies {
            text.push_str(&format!("{:016x} {name} {}\n", policy.digest, policy.name));
        }
    }
    check_file("tests/scenarios/digests.txt", &text);
}
