//! Another seed is no other answer: what a stock scenario's page says to ship does not depend on which runs it happened to make.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use simlab::decision::{Choice, Decision, Kind};
use simlab::scenario::Scenario;
use simlab::scenario::file::{self, Overrides};

use crate::pages::{long_or, run};

fn stock() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = folder.read_dir().expect("the stock scenarios").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    let load = |path: PathBuf| {
        let loaded = file::load(&path, &Overrides::default()).unwrap_or_else(|error| panic!("{}", error.render(false)));
        (path.file_stem().expect("a name").to_string_lossy().into_owned(), loaded.scenario)
    };
    files.into_iter().map(load).collect()
}

/// What makes fewer events by one seed is done soon, and so by more than its own in the short form too.
const SOON: u64 = 20_000_000;

/// The decision by these seeds: the file's own, and more.
fn decisions(scenario: &Scenario) -> Vec<Decision> {
    let rows: Vec<usize> = (0..scenario.policies.len()).collect();
    let own = run(scenario, &rows, 0);
    let seeds = long_or(50, if own.events < SOON { 5 } else { 1 });
    let more = (1..seeds).map(|seed| scenario.clone().framed(|frame| frame.seed = 1_000 + seed));
    let more = more.map(|scenario| Decision::new(&scenario, &run(&scenario, &rows, 0)));
    std::iter::once(Decision::new(scenario, &own)).chain(more).collect()
}

/// True if nearly all are the same, or all others leave it open.
fn are_stable(choices: &[&Choice]) -> bool {
    let is_open = |choice: &Choice| matches!(choice.kind, Kind::AnyOf | Kind::Undecided);
    choices.iter().any(|usual| {
        let others: Vec<&&Choice> = choices.iter().filter(|choice| choice.policies != usual.policies).collect();
        // 47 of 50.
        others.len() * 50 <= 3 * choices.len() || others.iter().all(|choice| is_open(choice))
    })
}

/// "48 × one: a; 2 × any of: a, b".
fn counted(scenario: &Scenario, choices: &[&Choice]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for choice in choices {
        let names = choice.policies.iter().map(|policy| scenario.policies[*policy].name.as_str());
        let names: Vec<&str> = names.collect();
        *counts.entry(format!("{}: {}", choice.kind.name(), names.join(", "))).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(choice, count)| format!("{count} × {choice}")).collect();
    counts.join("; ")
}

/// And a stock scenario mostly names one policy: it is there to show what is better.
#[test]
fn another_seed_is_no_other_choice() {
    let (mut unstable, mut name_one) = (Vec::new(), 0);
    for (name, scenario) in stock() {
        let decisions = decisions(&scenario);
        for group in 0..decisions[0].groups.len() {
            let choices: Vec<&Choice> = decisions.iter().map(|decision| &decision.groups[group].choice).collect();
            let line = format!("{name}, group {}: {}", group + 1, counted(&scenario, &choices));
            println!("{line}");
            unstable.extend((!are_stable(&choices)).then_some(line));
        }
        name_one += usize::from(decisions[0].groups[0].choice.kind == Kind::One);
    }
    assert!(unstable.is_empty(), "{unstable:#?}");
    assert!(name_one >= 10, "{name_one} of the stock scenarios name one policy");
}
