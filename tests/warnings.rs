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
    check(&["load.arrivals.poisson.rate = 90/s"], &["overload"]);
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

/// One warning with this code is said of a text, with these words in it.
fn check_says(text: &str, code: &str, parts: &[&str]) {
    let said = of(text);
    let [warning] = &said.iter().filter(|warning| warning.starts_with(&format!("{code}: "))).collect::<Vec<_>>()[..]
    else {
        panic!("not one {code}: {said:?}");
    };
    parts.iter().for_each(|part| assert!(warning.contains(part), "no `{part}` in {warning}"));
}

/// All that is said of a text, in words.
fn of(text: &str) -> Vec<String> {
    let loaded = file::parse(Source::new("t.toml", text.to_owned()), "t", Path::new(""), &Overrides::default());
    let loaded = loaded.unwrap_or_else(|error| panic!("{}", error.render(false)));
    loaded.warnings.iter().map(|warning| warning.render(&loaded.source, false)).for_each(drop);
    loaded.warnings.iter().map(file::Diagnostic::in_words).collect()
}

/// What 200 pods with 1,000 requests a second meet at a limit of 800, and do not at 750.
fn pods(demand: &str, more: &str) -> String {
    format!(
        "duration = \"3m\"\nreplications = 10\n{more}\n[load]\nclients = 200\narrivals.{demand}\n[operation]\nmethod = \"GET\"\n\
         [server.api]\nservice_time.lognormal = {{ p50 = \"50ms\", p99 = \"300ms\" }}\nrate_limit = {{ rate = \"800/s\" }}\n\
         [fault.outage]\nfrom = \"60s\"\nfor = \"20s\"\nfailures = {{ 503 = \"100%\" }}\n[policy.no-retry]\ntimeout = \"1s\"\n\
         [policy.today]\nattempts = 4\ntimeout = \"1s\"\nbackoff.exponential = {{ base = \"100ms\" }}\n"
    )
}

#[test]
fn more_than_a_limit_lets_pass() {
    let poisson = |rate: &str| pods(&format!("poisson = {{ rate = \"{rate}\" }}"), "");
    check_says(&poisson("1000/s"), "overload", &["demand 1,000/s exceeds the limit 800/s, so a fifth fails for ever;"]);
    assert_eq!(of(&poisson("750/s")), [""; 0]);
    assert_eq!(of(&poisson("800/s")), [""; 0]);
    // Each client has a limit of its own: 200 times 4 a second.
    let own =
        |rate: &str| poisson("1000/s").replace("rate = \"800/s\"", &format!("rate = \"{rate}\", per = \"client\""));
    check_says(&own("4/s"), "overload", &["exceeds the limit 800/s"]);
    assert_eq!(of(&own("5/s")), [""; 0]);
    // What is lost on the way does not reach the limit: 950 of it do at first, then 800.
    let lost =
        |share: &str| poisson("1000/s").replace("[server.api]", &format!("[server.api]\nlost_requests = {share}"));
    check_says(
        &lost("0.05"),
        "overload",
        &["demand 1,000/s, of which 950/s get there, exceeds the limit 800/s, so 15.8% fails for ever"],
    );
    assert_eq!(of(&lost("0.2")), [""; 0]);
    let bursts = |every: &str| pods(&format!("burst = {{ operations = 10000, at = \"0s\", every = \"{every}\" }}"), "");
    check_says(&bursts("10s"), "overload", &["demand 1,000/s exceeds"]);
    assert_eq!(of(&bursts("13s")), [""; 0]);
    assert_eq!(of(&bursts("5m")), [""; 0]);
}

#[test]
fn more_than_workers_can_do() {
    check_says(
        &SOUND.replace("20/s", "90/s"),
        "overload",
        &["demand 90/s, of which 81/s get there, exceeds the capacity 80/s, so the queue grows without end"],
    );
    check(&["server.api.queue = 0", "load.arrivals.poisson.rate = 88/s"], &[]);
    check(&["server.api.queue = 0", "load.arrivals.poisson.rate = 90/s"], &["overload"]);
    // Whoever stays outside of the workers counts for the limit only.
    let limited = SOUND.replace("workers = 2", "workers = 2\nqueue = 9\nrate_limit = { rate = \"90/s\" }");
    check_says(
        &limited.replace("\"20/s\"", "\"120/s\""),
        "overload",
        &["demand 120/s, of which 108/s get there, exceeds the capacity 80/s, so at least 25.9% fails"],
    );
    // Slower all the time is slower; slower for a while is the question.
    let slow = |keys: &str| format!("{SOUND}[fault.slow]\n{keys}\nslowdown = 5.0\n");
    check_says(&slow(""), "overload", &["demand 20/s, of which 18/s get there, exceeds the capacity 16/s"]);
    check_says(&slow("until = \"60s\""), "overload", &["capacity 16/s"]);
    assert_eq!(of(&slow("until = \"50s\"")), [""; 0]);
    assert_eq!(of(&slow("from = \"1s\"")), [""; 0]);
    // A closed loop waits for its server.
    check(&["load.arrivals.closed.think.constant = 10ms"], &["closed-loop"]);
}

#[test]
fn more_for_a_while() {
    let profile = "profile = [{ at = \"1m\", rate = \"700/s\" }, { at = \"1m\", rate = \"1600/s\" }, { at = \"90s\", rate = \"1600/s\" }, { at = \"90s\", rate = \"100/s\" }]";
    check_says(
        &pods(profile, ""),
        "overload",
        &["from 1m to 1m 30s, demand 1,600/s exceeds the limit 800/s, so half fails then"],
    );
    // The mean between two points: 850/s, and 750/s.
    let ramp = |top: &str| {
        pods(&format!("profile = [{{ at = \"0s\", rate = \"700/s\" }}, {{ at = \"3m\", rate = \"{top}\" }}]"), "")
    };
    check_says(&ramp("1000/s"), "overload", &["demand 850/s exceeds"]);
    assert_eq!(of(&ramp("800/s")), [""; 0]);
}

#[test]
fn the_rows_in_which_it_is_so() {
    let rows = |more: &str| pods("poisson = { rate = \"750/s\" }", "") + more;
    let limit = "[policy.less]\ntimeout = \"1s\"\nwith.server.api.rate_limit.rate = \"600/s\"\n";
    check_says(
        &rows(limit),
        "overload",
        &["demand 750/s exceeds the limit 600/s, so a fifth fails for ever (in `less`)"],
    );
    // The scenario's own demand, which no row but the first two meets.
    let fixed = "[policy.more]\ntimeout = \"1s\"\nwith.server.api.rate_limit.rate = \"1200/s\"\n";
    let text = pods("poisson = { rate = \"1000/s\" }", "") + fixed;
    check_says(&text, "overload", &["so a fifth fails for ever (in `no-retry`, `today`)"]);
}

/// What is refused of evenly spaced requests is what is said beforehand.
#[test]
fn evenly_spaced_requests() {
    let check_run = |demand: &str, limit: &str, burst: &str, codes: &[&str], refused: f64| {
        let rate = format!("load.arrivals.constant.rate = {demand}");
        let limit = format!("server.api.rate_limit = {{ rate = \"{limit}\", burst = {burst} }}");
        let changes = [rate.as_str(), &limit, "server.api.workers = unlimited", "server.api.errors = {}"];
        check(&changes, codes);
        let result = experiment::run(
            &load(&changes).scenario,
            &[0],
            &Options { threads: 1, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} },
        );
        let row = &result.expect("the run comes to its end").policies[0];
        let mean = |name: &str| row.named(name).and_then(|metric| metric.estimate.mean);
        let share = mean("outcome_429").unwrap_or(0.0) / mean("attempts").expect("attempts");
        assert!((share - refused).abs() < 0.005, "{demand} at {limit}: {share} is refused, expected {refused}");
    };
    let both = &["overload", "small-burst"][..];
    check_run("801/s", "800/s", "1", both, 0.5);
    check_run("1000/s", "800/s", "1", both, 0.5);
    check_run("1000/s", "800/s", "1.5", both, 0.25);
    check_run("1000/s", "800/s", "1.2", both, 1.0 / 3.0);
    check_run("1000/s", "300/s", "1", both, 0.75);
    // A bucket with room loses nothing; every second passes anyway; nothing is above the limit.
    check_run("1000/s", "800/s", "2", &["overload"], 0.2);
    check_run("1000/s", "500/s", "1", &["overload"], 0.5);
    check_run("800/s", "800/s", "1", &[], 0.0);
    check_run("799/s", "800/s", "1", &[], 0.0);
    // At random times there is no such thing.
    check(
        &[
            "load.arrivals.poisson.rate = 30/s",
            "server.api.workers = unlimited",
            "server.api.rate_limit = { rate = \"29/s\", burst = 1 }",
        ],
        &["overload"],
    );
    let even = pods("constant = { rate = \"801/s\" }", "").replace("rate = \"800/s\"", "rate = \"800/s\", burst = 1");
    check_says(&even, "small-burst", &["half is refused, though only 0.125% is above the limit"]);
    check_says(&even, "overload", &["demand 801/s exceeds the limit 800/s, so half fails for ever"]);
}

#[test]
fn locks_that_let_go_too_early() {
    let (key, retried) =
        ("policy.retry.key = per-operation", "policy.retry.retry_on = [\"5xx\", \"409\", \"timeout\"]");
    let lock = |ttl: &str| format!("server.api.idempotency.lock.lock_ttl = {ttl}");
    // The p99 of the work is 115 ms, the time-out 1 s.
    check(&[&lock("2s"), key, retried], &[]);
    check(&[&lock("1s"), key, retried], &[]);
    check(&[&lock("900ms"), key, retried], &["lock-too-short"]);
    check(&[&lock("900ms"), retried], &[]);
    check(&[&lock("none"), key, retried], &[]);
    check(&[&lock("110ms"), key, retried, "policy.retry.timeout = 130ms"], &["lock-too-short"]);
    check(&[&lock("116ms"), key, retried, "policy.retry.timeout = 116ms"], &[]);
    // Nobody comes again while the work goes on.
    check(&[&lock("10ms"), key, "policy.retry.retry_on = [\"5xx\", \"409\"]"], &[]);
    check(&[&lock("10ms"), key, retried, "policy.retry.timeout = none"], &[]);
    check(&[&lock("10ms"), "policy.no-retry.key = per-operation"], &[]);
    check(
        &[&lock("10ms"), "policy.no-retry.key = per-operation", "policy.no-retry.hedge.fixed.delay = 50ms"],
        &["lock-too-short"],
    );
    // Ten times as slow for a while, and 1.15 s are above 1.1 s.
    let slow = format!(
        "{SOUND}key = \"per-operation\"\nretry_on = [\"5xx\", \"409\", \"timeout\"]\n[fault.slow]\nfrom = \"9s\"\nfor = \"9s\"\nslowdown = 10.0\n"
    );
    let ttl = |ttl: &str| slow.replace("workers = 2", &format!("workers = 2\nidempotency.lock.lock_ttl = \"{ttl}\""));
    check_says(&ttl("1100ms"), "lock-too-short", &["policy `retry`", "after 1s 100ms"]);
    assert_eq!(of(&ttl("1200ms")), [""; 0]);
}

#[test]
fn stores_that_forget_too_early() {
    let (key, fixed) = ("policy.retry.key = per-operation", "policy.retry.backoff.fixed.delay = 10s");
    let kept = |time: &str| format!("server.api.idempotency.cache.retention = {time}");
    // Two time-outs of 1 s and two waits of 10 s.
    check(&[&kept("22s"), key, fixed], &[]);
    check(&[&kept("21s"), key, fixed], &["retention-too-short"]);
    check(&[&kept("21s"), fixed], &[]);
    check(&[&kept("21s"), key, fixed, "policy.retry.deadline = 20s"], &[]);
    check(&[&kept("5s"), key, "policy.retry.backoff.exponential.base = 1s"], &[]);
    check(&[&kept("4s"), key, "policy.retry.backoff.exponential.base = 1s"], &["retention-too-short"]);
    // Without end is to the end of the run.
    check(&[&kept("119s"), key, fixed, "policy.retry.attempts = unlimited"], &["retention-too-short"]);
    check(&[&kept("120s"), key, fixed, "policy.retry.attempts = unlimited"], &[]);
    // The server says when.
    let hint = ["policy.retry.retry_after = honour", "server.api.retry_after.503 = 30s"];
    check(&[&kept("61s"), key, fixed, hint[0], hint[1]], &["retention-too-short"]);
    check(&[&kept("62s"), key, fixed, hint[0], hint[1]], &[]);
}

#[test]
fn errors_that_are_kept() {
    let (key, kept) = ("policy.retry.key = per-operation", "server.api.idempotency.cache.stores = everything");
    check(&[key, kept], &[]);
    check(&[key, kept, "server.api.failures.500 = 1%"], &["stored-errors"]);
    check(&[key, kept, "server.api.late_errors.504 = 1%"], &["stored-errors"]);
    check(&[key, kept, "server.api.permanent_errors.402 = 1%"], &[]);
    check(&[key, kept, "server.api.failures.400 = 1%"], &[]);
    check(&[kept, "server.api.failures.500 = 1%"], &[]);
    check(&[key, "server.api.idempotency.cache.stores = successes", "server.api.failures.500 = 1%"], &[]);
    // Whoever waits for longer than they are kept gets another answer.
    let wait = ["policy.retry.backoff.fixed.delay = 5s", "server.api.idempotency.cache.retention = 5s"];
    check(&[key, kept, "server.api.failures.500 = 1%", wait[0], wait[1]], &["retention-too-short"]);
}

#[test]
fn rows_with_other_operations() {
    let with = |what: &str| format!("{SOUND}[policy.other]\ntimeout = \"1s\"\nwith.load.{what}\n");
    check_says(
        &with("arrivals.poisson.rate = \"10/s\""),
        "different-demand",
        &["rows have different numbers of operations"],
    );
    for same in [
        "clients = 9",
        "arrivals.constant.rate = \"20/s\"",
        "arrivals.burst = { operations = 200, at = \"0s\", every = \"10s\" }",
        "arrivals.profile = [{ at = \"0s\", rate = \"10/s\" }, { at = \"60s\", rate = \"30/s\" }]",
    ] {
        let said = of(&with(same));
        assert!(said.iter().all(|warning| !warning.contains("different-demand")), "{same}: {said:?}");
    }
    for other in [
        "arrivals.burst = { operations = 1201, at = \"0s\" }",
        "arrivals.profile = [{ at = \"0s\", rate = \"10/s\" }, { at = \"60s\", rate = \"31/s\" }]",
    ] {
        check_says(&with(other), "different-demand", &["different numbers"]);
    }
    // In a closed loop the operations depend on the answers.
    let said = of(&with("arrivals.closed.think.constant = \"1s\""));
    assert!(said.iter().all(|warning| !warning.contains("different-demand")), "{said:?}");
}

/// What is allowed is not said, and kept; what does not exist is wrong; what is idle is told to those who check.
#[test]
fn warnings_that_are_meant() {
    let read = |allow: &str, demand: &str| {
        let text = pods(&format!("poisson = {{ rate = \"{demand}\" }}"), &format!("allow = {allow}"));
        file::parse(Source::new("t.toml", text), "t", Path::new(""), &Overrides::default())
    };
    let codes = |list: &[file::Diagnostic]| list.iter().map(|warning| warning.code).collect::<Vec<_>>();
    let check = |allow: &str, demand: &str, said: &[&str], allowed: &[&str], unused: &[&str]| {
        let loaded = read(allow, demand).unwrap_or_else(|error| panic!("{}", error.render(false)));
        assert_eq!(codes(&loaded.warnings), said, "{allow}");
        assert_eq!(codes(&loaded.allowed), allowed, "{allow}");
        assert_eq!(codes(&loaded.unused), unused, "{allow}");
        if allow != "[]" {
            assert!(loaded.resolved.contains(&format!("allow = {allow}\n")), "{}", loaded.resolved);
        }
    };
    check("[]", "1000/s", &["overload"], &[], &[]);
    check("[\"overload\"]", "1000/s", &[], &["overload"], &[]);
    check("[\"overload\"]", "750/s", &[], &[], &["unused-allow"]);
    check("[\"few-replications\", \"wide-intervals\"]", "1000/s", &["overload"], &[], &["unused-allow"]);
    // Only results tell whether these are idle.
    check("[\"open-work\", \"never-saturates\"]", "750/s", &[], &[], &[]);
    let wrong =
        read("[\"overload\", \"over-load\", \"xyz\"]", "750/s").expect_err("there is no such warning").render(false);
    for part in [
        "there is no warning `over-load`",
        "a similar code exists",
        "there is no warning `xyz`",
        "the codes are few-replications",
    ] {
        assert!(wrong.contains(part), "no `{part}` in\n{wrong}");
    }
}
