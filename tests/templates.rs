//! What `simlab new` writes: valid, quick, and showing what it says it shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use simlab::experiment::{self, Comparison, Options};
use simlab::scenario::file::{self, Loaded, Overrides};

fn path(template: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/templates").join(template).with_extension("toml")
}

fn load(template: &str, set: &[(&str, &str)]) -> Loaded {
    let set = set.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
    let overrides = Overrides { set, ..Overrides::default() };
    file::load(&path(template), &overrides).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

fn run(template: &str, set: &[(&str, &str)]) -> Comparison {
    let scenario = load(template, set).scenario;
    let all: Vec<usize> = (0..scenario.policies.len()).collect();
    let options = Options { threads: 0, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    let comparison = experiment::run(&scenario, &all, &options).expect("the run comes to its end");
    let warnings = experiment::warnings(&scenario, &comparison);
    assert!(!set.is_empty() || warnings.is_empty(), "{template}: {warnings:?}");
    comparison
}

/// The mean of a metric.
fn mean(comparison: &Comparison, policy: &str, metric: &str) -> f64 {
    let row = comparison.policies.iter().find(|row| row.name == policy).unwrap_or_else(|| panic!("there is {policy}"));
    row.named(metric)
        .and_then(|metric| metric.estimate.mean)
        .unwrap_or_else(|| panic!("{metric} of {policy} has a value"))
}

/// How many replications came back after the fault.
fn recovered(comparison: &Comparison, policy: &str) -> usize {
    let row = comparison.policies.iter().find(|row| row.name == policy).expect("the policy");
    row.named("recovery").expect("the metric").values.iter().flatten().filter(|time| time.is_finite()).count()
}

/// For editors first, then the question; nothing to warn of.
#[test]
fn all_are_commented_and_sound() {
    let mut seen = 0;
    for entry in fs::read_dir(path("outage").parent().expect("a folder")).expect("templates") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a text");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("#:schema ./simlab.schema.json"), "{}", path.display());
        let opening: Vec<&str> = lines.by_ref().take_while(|line| line.len() > 1).collect();
        assert!(opening.concat().contains('?'), "{} opens with a question: {opening:?}", path.display());
        let loaded = file::load(&path, &Overrides::default()).expect("a template is valid");
        let said: Vec<String> = loaded.warnings.iter().map(|warning| warning.render(&loaded.source, false)).collect();
        assert!(said.is_empty(), "{}: {said:?}", path.display());
        assert!(
            loaded.scenario.frame.replications >= 10,
            "{} has too few replications to tell differences",
            path.display()
        );
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn outage() {
    let comparison = run("outage", &[]);
    let success = |policy| mean(&comparison, policy, "success_rate");
    assert!(success("full-jitter") > success("no-retry") + 0.1);
    assert!(mean(&comparison, "immediate", "peak_load") > mean(&comparison, "full-jitter", "peak_load"));
    assert!(mean(&comparison, "full-jitter", "duplicates") > 0.0);
    assert_eq!(mean(&comparison, "no-retry", "duplicates"), 0.0);
    assert!(mean(&comparison, "breaker", "load_mean") < mean(&comparison, "no-retry", "load_mean"));
}

#[test]
fn brownout() {
    let comparison = run("brownout", &[]);
    let of = |policy, metric| mean(&comparison, policy, metric);
    // What is asked of a server that cannot do it helps nobody.
    assert!((of("full-jitter", "success_rate") - of("no-retry", "success_rate")).abs() < 0.01);
    assert!(of("full-jitter", "attempts") > 1.5 * of("no-retry", "attempts"));
    assert!(of("budget", "attempts") < 1.11 * of("no-retry", "attempts"));
    // Without the brownout nobody fails.
    let healthy = run("brownout", &[("fault.brownout.slowdown", "1.0")]);
    assert!(mean(&healthy, "no-retry", "success_rate") > 0.999);
}

#[test]
fn rate_limit() {
    let comparison = run("rate-limit", &[]);
    let of = |policy, metric| mean(&comparison, policy, metric);
    // Ten pass in each second, and who was told to come back then does: 10 × 1, 10 × 2, 10 × 3 and 10 × 4 attempts.
    assert_eq!(of("honour", "success_rate"), 1.0);
    assert_eq!(of("honour", "attempts_per_operation"), 2.5);
    assert!(of("ignore", "success_rate") < 0.99);
    assert!(of("ignore", "attempts_per_operation") > 3.0);
    assert!(of("patient", "success_rate") > of("ignore", "success_rate"));
}

#[test]
fn metastable() {
    let comparison = run("metastable", &[]);
    assert_eq!(recovered(&comparison, "no-retry"), 10);
    assert_eq!(recovered(&comparison, "retry-once"), 0);
    assert_eq!(recovered(&comparison, "budget"), 10);
    assert!(mean(&comparison, "retry-once", "wasted_work") > 0.5);
    // The file says what to try: a short queue keeps waits below the time-out, and last come is first served in time. Without
    // either a worker takes up only what is about to time out.
    for (key, value, back) in
        [("queue", "100", 10), ("discipline", "lifo", 10), ("drop_expired", "true", 0), ("abandoned_work", "cancel", 0)]
    {
        let key = format!("server.database.{key}");
        assert_eq!(recovered(&run("metastable", &[(&key, value)]), "retry-once"), back, "{key} = {value}");
    }
}

#[test]
fn idempotency() {
    let comparison = run("idempotency", &[]);
    let of = |policy, metric| mean(&comparison, policy, metric);
    assert!(of("no-retry", "phantom_successes") > 0.0);
    assert_eq!(of("no-retry", "duplicates"), 0.0);
    assert!(of("no-key", "duplicates") > 50.0);
    assert!(of("key-per-attempt", "duplicates") > 50.0);
    assert_eq!(of("key", "duplicates"), 0.0);
    assert!(of("key", "success_rate") > 0.999);
}
