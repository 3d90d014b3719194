//! Small worlds about which something wrong was once said, and what is right: the whole way from the file to the words.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use simlab::decision::{Decision, Kind};
use simlab::experiment::{self, Comparison, Options};
use simlab::report::{ReportInput, TableStyle, table};
use simlab::scenario::file::{self, Loaded, Overrides, Source};

/// A scenario, what came of it, and what was decided.
struct Judged {
    loaded: Loaded,
    comparison: Comparison,
    decision: Decision,
}

fn judged(text: &str, seed: Option<u64>) -> Judged {
    let overrides = Overrides { seed, ..Overrides::default() };
    let loaded = file::parse(Source::new("case.toml", text.to_owned()), "case", Path::new(""), &overrides)
        .unwrap_or_else(|error| panic!("{}", error.render(false)));
    let all: Vec<usize> = (0..loaded.scenario.policies.len()).collect();
    let options = Options { threads: 0, memory: 2 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    let comparison = experiment::run(&loaded.scenario, &all, &options).expect("it comes to its end");
    let decision = Decision::new(&loaded.scenario, &comparison);
    Judged { loaded, comparison, decision }
}

impl Judged {
    /// The terminal's text, its lines joined.
    fn text(&self) -> String {
        let input = ReportInput {
            incidents: &[],
            comparison: &self.comparison,
            decision: &self.decision,
            scenario: &self.loaded.scenario,
            name: "case",
            resolved_toml: &self.loaded.resolved,
            resolved_json: &self.loaded.resolved_json,
            files: &[],
            command: "simlab run case.toml",
            charts: false,
        };
        let text = table(&input, TableStyle { width: 100, colour: false, unicode: true });
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn chosen(&self) -> (Kind, Vec<&str>) {
        let choice = &self.decision.groups[0].choice;
        (choice.kind, choice.policies.iter().map(|policy| self.comparison.policies[*policy].name.as_str()).collect())
    }
}

/// Who is chosen, and what is said, and not said.
fn check(text: &str, kind: Kind, chosen: &[&str], said: &[&str], not_said: &[&str]) {
    let judged = judged(text, None);
    let text = judged.text();
    assert_eq!(judged.chosen(), (kind, chosen.to_vec()), "{text}");
    for words in said {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    for words in not_said {
        assert!(!text.contains(words), "`{words}` in {text}");
    }
}

/// Whoever retries in lock-step hits the server hardest long after the fault has ended.
#[test]
fn a_late_wave() {
    let world = r#"
        replications = 5
        seed = 3
        duration = "10m"
        load.clients = 100
        load.arrivals.burst = { operations = 100, at = "0s" }
        operation.method = "GET"
        server.s = {}
        [fault.down]
        from = "0s"
        for = "4m"
        errors = { 503 = "100%" }
        [policy.lock-step]
        preset = "temporal-activity"
        [policy.full-jitter]
        preset = "temporal-activity"
        backoff.full-jitter = { base = "1s", cap = "100s" }
    "#;
    let said = ["the wave after down 4.8/s, against 100/s with lock-step.", "full-jitter (0 in 500 operations each)"];
    check(world, Kind::One, &["full-jitter"], &said, &["and at 0 with"]);
}

/// Ten values of jitter are ten waves; two hundred are one a second.
#[test]
fn jitter_in_buckets() {
    let world = r#"
        seed = 1
        duration = "2d"
        drain = "1d"
        replications = 5
        load.clients = 1000
        load.arrivals.burst = { operations = 1000, at = "0s" }
        server.job.service_time.constant = "10ms"
        fault.down = { from = "0s", for = "1h", errors = { 500 = "100%" } }
        policy.ten.attempts = 2
        policy.ten.backoff.custom = { curve.constant.delay = "130336s", jitter.add = { below = "0s", above = "200s" }, unit = "20s" }
        policy.two-hundred.attempts = 2
        policy.two-hundred.backoff.custom = { curve.constant.delay = "130336s", jitter.add = { below = "0s", above = "200s" }, unit = "1s" }
        policy.none.attempts = 2
        policy.none.backoff.fixed.delay = "130336s"
    "#;
    let said = ["the wave after down 12.6/s, against 116/s with ten", "highest: 1,000/s with none, and lowest: 12.6/s"];
    check(world, Kind::One, &["two-hundred"], &said, &[]);
}

/// Success ties, and the duplicates are the verdict.
#[test]
fn a_lock_that_is_too_short() {
    let world = r#"
        seed = 1
        duration = "1h"
        drain = "10m"
        replications = 5
        load.clients = 20
        load.arrivals.poisson = { rate = "1/s" }
        [server.escrow]
        service_time.uniform = { min = "2s", max = "60s" }
        idempotency.lock = { retention = "24h", lock_ttl = "10s", conflict_status = 409 }
        [policy.short]
        attempts = 12
        timeout = "30s"
        backoff.fixed = { delay = "5s" }
        retry_on = ["timeout", "5xx", "409"]
        key = "per-operation"
        [policy.long]
        attempts = 12
        timeout = "30s"
        backoff.fixed = { delay = "5s" }
        retry_on = ["timeout", "5xx", "409"]
        key = "per-operation"
        with.server.escrow.idempotency.lock.lock_ttl = "120s"
    "#;
    // One choice: how a server keeps keys is no other world.
    let said = [
        "long: 0 go wrong per 10,000 operations, against 4,324 with short.",
        "4,324 duplicates per 10,000 operations with short, none with long",
    ];
    check(world, Kind::One, &["long"], &said, &["Among"]);
}

/// What is printed alike is not best and worst, and who sends once has the least load.
#[test]
fn five_at_once() {
    let world = r#"
        seed = 1
        duration = "5m"
        drain = "1m"
        replications = 5
        load.clients = 5000
        load.arrivals.constant = { rate = "500/s" }
        operation.method = "PATCH"
        [server.apiserver]
        workers = 400
        queue = 2000
        when_full = 429
        retry_after = { 429 = "1s" }
        service_time.exponential = { mean = "20ms" }
        network.constant = "300us"
        [fault.killed]
        from = "1m"
        for = "1m"
        crash = true
        [policy.five-at-once]
        attempts = 5
        timeout = "10s"
        [policy.five-backoff]
        attempts = 5
        timeout = "10s"
        backoff.full-jitter = { base = "500ms", cap = "5s" }
        [policy.one]
        timeout = "10s"
    "#;
    let said = ["five-at-once 2,001! 80.0%!", "1.80! 5.1x!", "one 2,001! 80.0%!", "1.00* 1.0x*"];
    check(world, Kind::One, &["five-backoff"], &said, &["5.0x*", "5.1x*"]);
}

/// In a closed loop whoever waits longer asks less: how much gets done comes first.
#[test]
fn a_closed_loop() {
    let world = r#"
        seed = 1
        duration = "5m"
        drain = "5m"
        replications = 5
        load.clients = 40
        load.arrivals.closed.think.exponential = { mean = "1s" }
        operation.method = "GET"
        [server.api]
        workers = 40
        service_time.constant = "1ms"
        rate_limit = { rate = "20/s", burst = 20 }
        [policy.exponential]
        attempts = 5
        timeout = "10s"
        backoff.full-jitter = { base = "250ms" }
        [policy.cubic]
        attempts = 5
        timeout = "10s"
        backoff.full-jitter = { base = "250ms" }
        limiter.cubic = { scope = "fleet" }
        [policy.own-limit]
        attempts = 5
        timeout = "10s"
        backoff.full-jitter = { base = "250ms" }
        limiter.rate = { rate = "20/s", burst = 1, scope = "fleet" }
    "#;
    let said = [
        "own-limit: goodput 20/s, against 7.91/s with cubic",
        "0 go wrong per 10,000 operations, against 1,763 with exponential",
    ];
    check(world, Kind::One, &["own-limit"], &said, &["any of"]);
}

/// A herd for which retrying gains nothing that matters, at more than the server can do and at less.
#[test]
fn retrying_for_nothing() {
    let world = |rate: &str| {
        format!(
            r#"
            seed = 1
            duration = "3m"
            replications = 10
            load.clients = 200
            load.arrivals.poisson = {{ rate = "{rate}" }}
            operation.method = "GET"
            [server.api]
            service_time.lognormal = {{ p50 = "50ms", p99 = "300ms" }}
            rate_limit = {{ rate = "800/s" }}
            [fault.outage]
            from = "60s"
            for = "20s"
            failures = {{ 503 = "100%" }}
            [policy.no-retry]
            timeout = "1s"
            [policy.today]
            attempts = 4
            timeout = "1s"
            backoff.exponential = {{ base = "100ms" }}
            [policy.budget]
            attempts = 4
            timeout = "1s"
            backoff.exponential = {{ base = "100ms" }}
            budget.ratio = {{ ratio = "10%" }}
        "#
        )
    };
    let too_much = [
        "no policy that retries is shown to be better than no-retry in anything by more than the margin; today sends 2.30 attempts per operation and 3.8x the highest demand",
        "If you must retry: budget: 1.2x the highest demand at the peak.",
    ];
    check(&world("1000/s"), Kind::One, &["no-retry"], &too_much, &["recov"]);
    let enough = ["If you must retry: budget: 1.6x the highest demand at the peak."];
    check(&world("750/s"), Kind::One, &["no-retry"], &enough, &["because"]);
}

/// A burst is done when all of it is done, and a policy that loses orders is never the only choice.
#[test]
fn a_nightly_burst() {
    let world = |backoffs: &str| {
        let world = r#"
        seed = 1
        duration = "30m"
        replications = 5
        baseline = "fixed"
        load.clients = 5000
        load.arrivals.burst = { operations = 5000, at = "0s" }
        operation.method = "GET"
        [server.api]
        service_time.exponential = { mean = "50ms" }
        rate_limit = { rate = "50/s", burst = 50, status = 429, retry_after = true }
        [policy]
        "#;
        let policy = |line: &str| {
            let (name, rest) = line.trim().split_once(' ').expect("a name and the rest");
            format!("{name} = {{ attempts = 20, timeout = \"5s\", {rest} }}\n")
        };
        world.to_owned() + &backoffs.lines().filter(|line| !line.trim().is_empty()).map(policy).collect::<String>()
    };
    let all = world(
        r#"
        fixed backoff.fixed = { delay = "5s" }
        exponential backoff.exponential = { base = "1s", cap = "60s" }
        full-jitter backoff.full-jitter = { base = "1s", cap = "60s" }
        decorrelated backoff.decorrelated-jitter = { base = "1s", cap = "60s" }
        honour backoff.full-jitter = { base = "1s", cap = "60s" }, retry_after = "honour"
    "#,
    );
    let said =
        ["not decided between full-jitter and decorrelated", "2.0 with decorrelated", "honour 8,000! 20.0%!", "finish"];
    check(&all, Kind::Undecided, &["full-jitter", "decorrelated"], &said, &[]);
}

/// 100 experiments of five runs that fail at random: runs that lie apart by chance are no two groups.
#[test]
fn noise_is_no_group() {
    let world = r#"
        duration = "10s"
        replications = 5
        load.clients = 100
        load.arrivals.constant = { rate = "50/s" }
        operation.method = "GET"
        server.s.errors = { 500 = "30%" }
        policy.a = {}
    "#;
    let split = (1..=100).filter(|seed| judged(world, Some(*seed)).decision.splits[0].is_some()).count();
    assert_eq!(split, 0);
}
