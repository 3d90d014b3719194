//! Presets in a run: what becomes of their calls in a small world whose answer can be counted by hand.

use super::*;

/// Success and attempts per operation of each policy.
fn outcomes(text: &str) -> Vec<(String, f64, f64)> {
    let loaded = load(text).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let all: Vec<usize> = (0..loaded.scenario.policies.len()).collect();
    let options = Options { threads: 1, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    let comparison = experiment::run(&loaded.scenario, &all, &options).expect("the run comes to its end");
    let value = |policy: &experiment::PolicyResult, name: &str| {
        policy.named(name).and_then(|metric| metric.values[0]).unwrap_or_else(|| panic!("{name} of {}", policy.name))
    };
    let row = |policy: &experiment::PolicyResult| {
        (policy.name.clone(), value(policy, "success_rate"), value(policy, "attempts_per_operation"))
    };
    comparison.policies.iter().map(row).collect()
}

/// Calls at one instant, a fault of these lines in the first part of a long time, and these policies.
fn world_text(clients: u32, fault: &str, policies: &str) -> String {
    format!(
        "duration = \"1m\"\ndrain = \"8h\"\n[load]\nclients = {clients}\n\
         arrivals.burst = {{ operations = {clients}, at = \"0s\" }}\n[operation]\nmethod = \"POST\"\n[server.api]\n\
         [fault.first]\n{fault}\n{policies}"
    )
}

fn world(clients: u32, fault: &str, policies: &str) -> Vec<(String, f64, f64)> {
    outcomes(&world_text(clients, fault, policies))
}

fn check(got: Vec<(String, f64, f64)>, expected: &[(&str, f64, f64)]) {
    let expected: Vec<(String, f64, f64)> = expected.iter().map(|(name, s, a)| ((*name).to_owned(), *s, *a)).collect();
    assert_eq!(got, expected);
}

/// A time-out per try resets the stream, and a reset is a 5xx to Envoy: with a route's retry, hung attempts are tried again.
#[test]
fn envoy_retries_what_its_time_out_per_try_ended() {
    let got = world(
        3,
        "until = \"500ms\"\nhangs = 1.0",
        "[policy.envoy]\npreset = \"envoy\"\ntimeout = \"1s\"\n\
         [policy.one-try]\npreset = \"envoy\"\ntimeout = \"1s\"\nattempts = 1\nbackoff = \"none\"\nconcurrency = \"none\"\n\
         [policy.hedge]\npreset = \"envoy-hedge\"\n\
         [policy.hedge-switched-off]\npreset = \"envoy-hedge\"\nhedge = \"none\"\n\
         [policy.whole-route]\npreset = \"envoy\"\n",
    );
    check(
        got,
        &[
            ("envoy", 1.0, 2.0),
            ("one-try", 0.0, 1.0),
            ("hedge", 1.0, 2.0),
            ("hedge-switched-off", 1.0, 2.0),
            // Without a time-out per try the first attempt eats the route's 15 s.
            ("whole-route", 0.0, 1.0),
        ],
    );
}

/// Three retries are in flight at once, those after time-outs too: of ten calls that hang at one instant seven end.
#[test]
fn envoy_s_limit_holds_for_time_outs() {
    for preset in ["envoy", "envoy-hedge"] {
        let policy = format!("[policy.p]\npreset = \"{preset}\"\ntimeout = \"1s\"\nconcurrency.scope = \"fleet\"\n");
        let text = policy.replace(
            "concurrency.scope = \"fleet\"",
            "concurrency = { retries = 3, hold = \"retry\", scope = \"fleet\" }",
        );
        let got = world(10, "until = \"500ms\"\nhangs = 1.0", &text);
        check(got, &[("p", 0.3, 1.3)]);
    }
}

/// Throttles and errors of Lambda itself send an event back to its queue for up to six hours; an error of the function is tried twice more.
#[test]
fn lambda_s_queue_outlasts_throttling() {
    let lambda = "[policy.lambda]\npreset = \"lambda-async\"\ntimeout = \"30s\"\n";
    // Waits of 1, 2, 4 … 256 and then 300 s: the 20th retry is the first one after an hour, at 3,811 s.
    for status in [429, 502, 503, 504] {
        check(world(5, &format!("until = \"1h\"\nerrors = {{ {status} = 1.0 }}"), lambda), &[("lambda", 1.0, 21.0)]);
    }
    check(world(5, "until = \"1h\"\nrefused = 1.0", lambda), &[("lambda", 1.0, 21.0)]);
    // Of the function's own errors the retries come after one and three minutes.
    for (until, success, attempts) in [("59s", 1.0, 2.0), ("179s", 1.0, 3.0), ("181s", 0.0, 3.0), ("1h", 0.0, 3.0)] {
        let fault = format!("until = \"{until}\"\nfailures = {{ 500 = 1.0 }}");
        check(world(5, &fault, lambda), &[("lambda", success, attempts)]);
    }
    // Its time-out is one of them: attempts at 0, 90 and 240 s.
    check(world(5, "until = \"4m\"\nhangs = 1.0", lambda), &[("lambda", 1.0, 3.0)]);
    check(world(5, "until = \"241s\"\nhangs = 1.0", lambda), &[("lambda", 0.0, 3.0)]);
    // After six hours the event is given up: waits end at 511 s + 300 s · n, the last of them at 21,511 s.
    check(world(5, "errors = { 429 = 1.0 }", lambda), &[("lambda", 0.0, 80.0)]);
}

/// A receiver that needs longer than Svix waits: the hosted service's 15 s, and the 30 s of the server that one runs oneself.
#[test]
fn svix_waits_for_fifteen_seconds() {
    let policies = "[policy.hosted]\npreset = \"svix-webhook\"\nattempts = 1\nbackoff = \"none\"\nbackoff_for = {}\nretry_after = \"ignore\"\n\
                    [policy.own]\npreset = \"svix-webhook\"\ntimeout = \"30s\"\nattempts = 1\nbackoff = \"none\"\nbackoff_for = {}\nretry_after = \"ignore\"\n";
    let slow = |by: &str| world(2, &format!("added_latency.constant = \"{by}\""), policies);
    // There and back.
    check(slow("7s"), &[("hosted", 1.0, 1.0), ("own", 1.0, 1.0)]);
    check(slow("8s"), &[("hosted", 0.0, 1.0), ("own", 1.0, 1.0)]);
    check(slow("16s"), &[("hosted", 0.0, 1.0), ("own", 0.0, 1.0)]);
}

/// The codes of proposal A6's example send the next request at once; any other cancels what is open.
#[test]
fn grpc_hedges_after_the_codes_of_its_example() {
    let hedged = "[policy.p]\npreset = \"grpc-hedging\"\n";
    for (status, success, attempts) in
        [(409, 1.0, 2.0), (500, 1.0, 2.0), (503, 1.0, 2.0), (429, 0.0, 1.0), (504, 0.0, 1.0)]
    {
        // First requests arrive after a millisecond and are answered with the status; the next ones arrive when that is over.
        let text = world_text(3, &format!("until = \"2ms\"\nerrors = {{ {status} = 1.0 }}"), hedged);
        let text = text.replace("[server.api]", "[server.api]\nnetwork.constant = \"1ms\"");
        check(outcomes(&text), &[("p", success, attempts)]);
    }
}
