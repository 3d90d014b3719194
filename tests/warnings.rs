//! Warnings: small scenarios with what is said about each, beforehand and afterwards; what is right is not warned of.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use simlab::experiment::{self, Options};
use simlab::scenario::file::{self, Loaded, Overrides, Source};

/// A scenario with nothing to say about: 20 requests a second, at 25% of what two workers with 25 ms each can do.
const SOUND: &str = r#"
duration = "60s"
replications = 5
[load]
clients = 4
arrivals.poisson = { rate = "20/s" }
[server.api]
workers = 2
service_time.exponential = { mean = "25ms" }
errors = { 503 = "10%" }
[policy.no-retry]
timeout = "1s"
[policy.retry]
attempts = 3
timeout = "1s"
"#;

fn load(changes: &[&str]) -> Loaded {
    let change = |change: &&str| {
        let (path, value) = change.split_once(" = ").expect("an assignment");
        (path.to_owned(), value.to_owned())
    };
    let overrides = Overrides { set: changes.iter().map(change).collect(), ..Overrides::default() };
    file::parse(Source::new("sound.toml", SOUND.to_owned()), "sound", Path::new(""), &overrides)
        .unwrap_or_else(|error| panic!("{changes:?}: {}", error.render(false)))
}

/// What is said beforehand about the scenario with these changes: the codes, in order.
fn check(changes: &[&str], expected: &[&str]) {
    let loaded = load(changes);
    let codes: Vec<&str> = loaded.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, expected, "{changes:?}");
    for warning in &loaded.warnings {
        let shown = warning.render(&loaded.source, false);
        for part in [&format!("warning[{}]", warning.code), "= note: ", "= help: ", "-->"] {
            assert!(shown.contains(part), "{changes:?}: no `{part}` in\n{shown}");
        }
        assert!(warning.in_words().starts_with(&format!("{}: ", warning.code)), "{}", warning.in_words());
    }
}

/// What the results of the scenario with these changes say.
fn check_after(changes: &[&str], expected: &[&str]) {
    let scenario = load(changes).scenario;
    let all: Vec<usize> = (0..scenario.policies.len()).collect();
    let options = Options { threads: 1, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    let comparison = experiment::run(&scenario, &all, &options).expect("the run comes to its end");
    let warnings = experiment::warnings(&scenario, &comparison);
    let codes: Vec<&str> = warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, expected, "{changes:?}: {warnings:?}");
}

#[test]
fn nothing_to_say() {
    check(&[], &[]);
    check_after(&[], &[]);
}

#[test]
fn few_replications() {
    check(&["replications = 1"], &["few-replications"]);
    check(&["replications = 4"], &["few-replications"]);
    check(&["replications = 5"], &[]);
}

#[test]
fn no_warm_up() {
    let busy = "load.arrivals.poisson.rate = 60/s";
    check(&[busy], &["no-warm-up"]);
    check(&["load.arrivals.constant.rate = 60/s"], &["no-warm-up"]);
    check(&[busy, "warmup = 5s"], &[]);
    // Long enough for the beginning not to matter; never steady; bounded by nothing; the way there is the question.
    check(&[busy, "duration = 1h"], &[]);
    check(&["load.arrivals.poisson.rate = 90/s"], &[]);
    check(&[busy, "server.api.workers = unlimited"], &[]);
    check(&["load.arrivals.burst.operations = 100", "load.arrivals.burst.at = 0s"], &[]);
}

#[test]
fn timeouts() {
    // The p99 of an exponential distribution is 4.6 times its mean: 115 ms.
    check(&["policy.retry.timeout = 110ms"], &["timeout-below-p99"]);
    check(&["policy.retry.timeout = 120ms"], &[]);
    check(&["policy.retry.timeout = 120ms", "server.api.network.constant = 3ms"], &["timeout-below-p99"]);
    check(&["policy.retry.timeout = none"], &[]);
    check(&["policy.retry.timeout = none", "server.api.hangs = 1%"], &["no-timeout"]);
    for (limit, expected) in [("deadline", &[][..]), ("retry_for", &["no-timeout"])] {
        let limit = format!("policy.retry.{limit} = 9s");
        check(&["policy.retry.timeout = none", "server.api.hangs = 1%", &limit], expected);
    }
    check(&["policy.retry.timeout = none", "policy.retry.deadline = 3s", "server.api.hangs = 1%"], &[]);
}

#[test]
fn lock_conflicts() {
    let (lock, key) = ("server.api.idempotency.lock.retention = 1h", "policy.retry.key = per-operation");
    check(&[lock, key], &["lock-conflict"]);
    check(&[lock], &[]);
    check(&[key], &[]);
    check(&[lock, "policy.retry.key = per-attempt"], &[]);
    check(&[lock, "policy.no-retry.key = per-operation"], &[]);
    check(&[lock, key, "policy.retry.retry_on = [\"5xx\", 409, \"timeout\"]"], &[]);
    check(&[lock, key, "server.api.idempotency.lock.conflict_status = 503"], &[]);
    check(&["server.api.idempotency.cache.retention = 1h", key], &[]);
}

#[test]
fn closed_loops() {
    let closed = "load.arrivals.closed.think.constant";
    check(&[&format!("{closed} = 10ms")], &["closed-loop"]);
    // Clients that think long never crowd the server, and those that have a worker each never wait.
    check(&[&format!("{closed} = 1s")], &[]);
    check(&[&format!("{closed} = 10ms"), "server.api.workers = 4"], &[]);
    check(&[&format!("{closed} = 10ms"), "server.api.workers = unlimited"], &[]);
}

#[test]
fn wide_intervals() {
    // Three runs of ten seconds with one failure in each, more or less.
    let short = ["duration = 10s", "replications = 3", "server.api.errors.503 = 0.5%", "seed = 2"];
    check_after(&short, &["wide-intervals"]);
    check_after(&["duration = 10s", "replications = 3", "seed = 2"], &[]);
    check_after(&["server.api.errors.503 = 0"], &[]);
}

#[test]
fn servers_that_never_saturate() {
    check_after(&["server.api.workers = 100"], &["never-saturates"]);
    check_after(&["server.api.workers = 100", "server.api.queue = 0"], &[]);
    check_after(&["server.api.workers = unlimited"], &[]);
}

#[test]
fn open_work() {
    check_after(
        &["policy.retry.timeout = none", "server.api.hangs = 1%", "server.api.workers = unlimited"],
        &["open-work"],
    );
    check_after(
        &["drain = 0s", "policy.no-retry.timeout = none", "server.api.service_time.constant = 90ms"],
        &["open-work"],
    );
}
