//! Reading scenario files: examples, assignments, every key, changed worlds.

use super::*;
use crate::catalog::{Family, entries};

const WORLD: &str = "duration = \"10s\"\n[load]\narrivals.poisson = { rate = \"10/s\" }\n[server.api]\n";

fn read(text: &str, set: &[(&str, &str)]) -> Result<Loaded, LoadError> {
    let set = set.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
    let overrides = Overrides { set, ..Overrides::default() };
    parse(Source::new("test.toml", text.to_owned()), "test", Path::new(""), &overrides)
}

/// Every example of the catalog means the value that stands beside it.
#[test]
fn examples_mean_what_they_say() {
    for entry in entries() {
        let limits = "attempts = 5\ntimeout = \"2s\"\ndeadline = \"30s\"";
        let text = format!("{WORLD}[policy.p]\n{limits}\n{}\n", entry.example);
        let loaded = read(&text, &[]).unwrap_or_else(|error| panic!("{}: {}", entry.name, error.render(false)));
        let policy = &loaded.scenario.policies[0];
        match entry.family {
            Family::Backoff => {
                let expected = format!("backoff: {:?}, backoff_for", entry.backoff.expect("a backoff"));
                let got = format!("{:?}", policy.rules().policy);
                assert!(got.contains(&expected), "{}: {got}, expected {expected}", entry.name);
            }
            Family::Gate => assert_eq!(policy.rules().gates.len(), 1, "{}", entry.name),
            Family::Hedge => assert!(policy.rules().hedge.is_some(), "{}", entry.name),
            Family::Replica => assert!(policy.rules().endpoints.ejection.is_some(), "{}", entry.name),
        }
    }
}

/// What `--set` made of a scenario with `[policy.p]`: a line of the resolved text, or a part of the error.
fn check(set: &[(&str, &str)], expected: Result<&str, &str>) {
    let text = format!(
        "{WORLD}workers = 3\n[fault.outage]\nuntil = \"5s\"\nrefused = 1\n\
         [policy.p]\nattempts = 5\nbackoff.full-jitter = {{ base = \"500ms\", cap = \"8s\" }}\n"
    );
    match (read(&text, set), expected) {
        (Ok(loaded), Ok(line)) => {
            assert!(loaded.resolved.lines().any(|other| other == line), "{set:?}:\n{}", loaded.resolved);
        }
        (Err(error), Err(part)) => assert!(error.render(false).contains(part), "{set:?}: {}", error.render(false)),
        (Ok(loaded), Err(part)) => panic!("{set:?}: expected `{part}`, got\n{}", loaded.resolved),
        (Err(error), Ok(line)) => panic!("{set:?}: expected `{line}`, got\n{}", error.render(false)),
    }
}

#[test]
fn assignments_change_one_value() {
    check(&[("policy.p.attempts", "3")], Ok("attempts = 3"));
    check(&[("policy.p.timeout", "2s")], Ok("timeout = \"2s\""));
    check(&[("policy.p.attempts", "3"), ("policy.p.attempts", "4")], Ok("attempts = 4"));
    check(&[("server.api.errors.503", "5%")], Ok("errors = { 503 = 0.05 }"));
    check(&[("title", "a \"quoted\" one")], Ok("title = \"a \\\"quoted\\\" one\""));
    check(&[("load.clients", "7")], Ok("clients = 7"));
    // An alternative replaces another; a parameter of the same one does not touch the rest.
    check(&[("policy.p.backoff.fixed.delay", "1s")], Ok("backoff.fixed = { delay = \"1s\" }"));
    check(&[("policy.p.backoff", "none")], Ok("backoff = \"none\""));
    check(
        &[("policy.p.backoff.full-jitter.base", "1s")],
        Ok("backoff.full-jitter = { base = \"1s\", factor = 2.0, cap = \"8s\" }"),
    );
    check(
        &[("policy.p.backoff.full-jitter", "{ base = \"2s\" }")],
        Ok("backoff.full-jitter = { base = \"2s\", factor = 2.0, cap = \"none\" }"),
    );
    check(&[("load.arrivals.constant.rate", "5/s")], Ok("arrivals.constant = { rate = \"5/s\" }"));
    check(&[("fault.outage.for", "3s")], Ok("until = \"3s\""));
}

/// A policy may be called like a choice, and a server's map like one of a policy's.
#[test]
fn assignments_leave_the_rest_alone() {
    let text = format!(
        "{WORLD}retry_after = {{ 429 = \"1s\" }}\n[fault.for]\n[fault.until]\n\
         [policy.budget]\nattempts = 5\ntimeout = \"2s\"\nbackoff.fixed = {{ delay = \"1s\" }}\n"
    );
    let set = [
        ("policy.budget.attempts", "3"),
        ("policy.budget.retry_after.honour.max", "9s"),
        ("policy.budget.retry_after", "honour"),
        ("server.api.retry_after.503", "3s"),
        ("fault.until.from", "1s"),
    ];
    let resolved = read(&text, &set).unwrap_or_else(|error| panic!("{}", error.render(false))).resolved;
    for line in [
        "attempts = 3",
        "timeout = \"2s\"",
        "backoff.fixed = { delay = \"1s\" }",
        "retry_after = \"honour\"",
        "retry_after = { 429 = \"1s\", 503 = \"3s\" }",
        "[fault.for]",
        "[fault.until]",
    ] {
        assert!(resolved.lines().any(|other| other == line), "no {line}:\n{resolved}");
    }
}

#[test]
fn assignments_that_make_no_sense() {
    check(&[("policy.other.attempts", "3")], Err("no policy `other` in the scenario; there is only `p`"));
    check(&[("fault.outagee.until", "3s")], Err("there is `outage`"));
    check(&[("", "3")], Err("not a path"));
    check(&[("a b", "3")], Err("not a path"));
    check(&[("policy.p.attempts.more", "3")], Err("invalid value"));
    check(&[("policy.p.atempts", "3")], Err("--set:1:10"));
    check(&[("policy.p.timeout", "2")], Err("a duration needs a unit"));
}

/// The backoff of one status goes before that of its class, wherever it stands.
#[test]
fn the_most_specific_backoff_comes_first() {
    let policy = |lines: &str| {
        let text = format!("{WORLD}[policy.p]\nattempts = 3\n{lines}");
        let loaded = read(&text, &[]).unwrap_or_else(|error| panic!("{}", error.render(false)));
        format!("{:?}", loaded.scenario.policies[0].rules().policy)
    };
    let (one, class) = ("backoff_for.429.fixed = { delay = \"2s\" }", "backoff_for.4xx.fixed = { delay = \"1s\" }");
    assert_eq!(policy(&format!("{one}\n{class}")), policy(&format!("{class}\n{one}")));
}

/// A hint is a duration or a distribution, for each status by itself, and `--set` replaces one by the other.
#[test]
fn hints_are_durations_or_distributions() {
    let uniform = "retry_after = { 503 = { uniform = { min = \"1s\", max = \"30s\" } } }";
    let line = |given: &str, set: &[(&str, &str)]| match read(&format!("{WORLD}{given}\n[policy.p]\n"), set) {
        Ok(loaded) => {
            let line = loaded.resolved.lines().find(|line| line.starts_with("retry_after ="));
            line.expect("it is printed").to_owned()
        }
        Err(error) => error.render(false),
    };
    assert_eq!(line(uniform, &[]), uniform);
    let both = "retry_after = { 429 = \"1s\", 503 = { uniform = { min = \"1s\", max = \"30s\" } } }";
    assert_eq!(line(both, &[]), both);
    assert_eq!(
        line(uniform, &[("server.api.retry_after.429", "1s")]),
        line("retry_after = { 503 = { uniform = { min = \"1s\", max = \"30s\" } }, 429 = \"1s\" }", &[])
    );
    assert_eq!(line(uniform, &[("server.api.retry_after.503", "2s")]), "retry_after = { 503 = \"2s\" }");
    let exponential = [("server.api.retry_after.503.exponential.mean", "2s")];
    assert_eq!(line(uniform, &exponential), "retry_after = { 503 = { exponential = { mean = \"2s\" } } }");
    for (given, part) in [
        ("retry_after = { 503 = 2 }", "wrong type"),
        ("retry_after = { 503 = \"soon\" }", "soon"),
        ("retry_after = { 503 = { uniform = { min = \"3s\", max = \"1s\" } } }", "is below `min`"),
        ("retry_after = { 503 = { unifrom = { min = \"1s\", max = \"3s\" } } }", "a similar name exists"),
    ] {
        assert!(line(given, &[]).contains(part), "{given}: {}", line(given, &[]));
    }
}

/// A row with `with` is the same as one of a scenario that was changed by hand, whatever is changed and however it is written.
#[test]
fn a_world_is_the_scenario_changed_by_hand() {
    let world = "duration = \"10s\"\n[load]\nclients = 2\narrivals.poisson = { rate = \"10/s\" }\n[server.api]\n\
                 errors = { 500 = 0.1, 503 = 0.1 }\nservice_time.exponential = { mean = \"1s\" }\n\
                 [fault.outage]\nfrom = \"2s\"\nfor = \"3s\"\nrefused = 0.5\n[policy.p]\ntimeout = \"1s\"\n";
    for (with, set) in [
        ("with.server.api.queue = 0", ("server.api.queue", "0")),
        ("with.server.api.errors = { 503 = 0.3 }", ("server.api.errors", "{ 503 = 0.3 }")),
        ("with.server.api.errors.503 = 0.3", ("server.api.errors.503", "0.3")),
        ("with = { server = { api = { errors = { 503 = 0.3 } } } }", ("server.api.errors", "{ 503 = 0.3 }")),
        ("[policy.p.with.server.api.errors]\n503 = 0.3", ("server.api.errors.503", "0.3")),
        ("with.server.api.service_time.constant = \"2s\"", ("server.api.service_time.constant", "2s")),
        ("with.load.arrivals.closed.think.constant = \"1s\"", ("load.arrivals.closed.think.constant", "1s")),
        ("with.load.arrivals.poisson.rate = \"30/s\"", ("load.arrivals.poisson.rate", "30/s")),
        ("with.load.clients = 9", ("load.clients", "9")),
        ("with.fault.outage.until = \"4s\"", ("fault.outage.until", "4s")),
        ("with.fault.outage.for = \"1s\"", ("fault.outage.for", "1s")),
        ("[policy.p.with.fault.outage]\nfreeze = true", ("fault.outage.freeze", "true")),
    ] {
        let given = read(&format!("{world}{with}\n"), &[]).unwrap_or_else(|error| panic!("{}", error.render(false)));
        let set = read(world, &[set]).unwrap_or_else(|error| panic!("{}", error.render(false)));
        let expected = &set.scenario;
        let check = |scenario: &Scenario| {
            assert_eq!(format!("{:?}", scenario.of(0).world), format!("{:?}", expected.world), "{with}");
        };
        check(&given.scenario);
        // The scenario itself is what it was, and what is printed is read as the same.
        let plain = read(world, &[]).unwrap_or_else(|error| panic!("{}", error.render(false))).scenario;
        assert_eq!(format!("{:?}", given.scenario.world.servers), format!("{:?}", plain.world.servers), "{with}");
        let again = read(&given.resolved, &[]).unwrap_or_else(|error| panic!("{}", error.render(false)));
        check(&again.scenario);
        assert_eq!(again.resolved, given.resolved, "{with}");
    }
}

/// A duration is a distribution that is always the same.
#[test]
fn max_wait_is_a_duration_or_a_distribution() {
    let line = |given: &str| {
        let loaded = read(&format!("{WORLD}{given}\n[policy.p]\n"), &[]);
        match loaded {
            Ok(loaded) => {
                let line = loaded.resolved.lines().find(|line| line.starts_with("max_wait"));
                line.expect("it is printed").to_owned()
            }
            Err(error) => error.render(false),
        }
    };
    assert_eq!(line(""), "max_wait = \"none\"");
    assert_eq!(line("max_wait = \"none\""), "max_wait = \"none\"");
    assert_eq!(line("max_wait = \"2s\""), "max_wait.constant = \"2s\"");
    assert_eq!(line("max_wait.constant = \"2s\""), "max_wait.constant = \"2s\"");
    assert_eq!(line("max_wait.exponential = { mean = \"2s\" }"), "max_wait.exponential = { mean = \"2s\" }");
    for (given, part) in [
        ("max_wait = 2", "wrong type for `server.api.max_wait`"),
        ("max_wait.exponential = { mean = \"2s\" }\nmax_wait.constant = \"2s\"", "is both"),
        ("max_wait = \"exponential\"", "takes parameters"),
        ("max_wait.exponentail = { mean = \"2s\" }", "a similar name exists"),
        ("max_wait.exponential = { maen = \"2s\" }", "unknown key `maen`"),
    ] {
        assert!(line(given).contains(part), "{given}: {}", line(given));
    }
    check(
        &[("server.api.max_wait", "2s"), ("server.api.max_wait.exponential.mean", "1s")],
        Ok("max_wait.exponential = { mean = \"1s\" }"),
    );
}
