//! Presets against the clients they stand for: what each waits, retries and prints.
//!
//! Bounds and means are those of the clients' formulas, written down here by hand; none is taken from simlab.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use simlab::experiment::{self, Options};
use simlab::protocol::{Failure, Outcome};
use simlab::retry::{Decision, History, Policy, RetryPolicy};
use simlab::rng::{KeyedRng, Purpose};
use simlab::scenario::file::preset::{NAMES, Preset, preset, presets};
use simlab::scenario::file::{self, LoadError, Loaded, Overrides, Source};
use simlab::units::Span;

#[path = "presets/more.rs"]
mod more;
#[path = "presets/worlds.rs"]
mod worlds;

/// What a client waits before its first retries, in seconds: smallest, mean, largest.
type Delays = &'static [(f64, f64, f64)];

/// The outcome after which a preset waits, and its delays.
struct Row {
    preset: &'static str,
    after: Outcome,
    delays: Delays,
    /// Draws come as near to the bounds as to anything else.
    reaches_bounds: bool,
}

const fn row(preset: &'static str, after: Outcome, delays: Delays) -> Row {
    Row { preset, after, delays, reaches_bounds: true }
}

/// Draws near the bounds are rare.
const fn curved(preset: &'static str, after: Outcome, delays: Delays) -> Row {
    Row { preset, after, delays, reaches_bounds: false }
}

/// A delay without jitter.
const fn at(seconds: f64) -> (f64, f64, f64) {
    (seconds, seconds, seconds)
}

/// Full jitter below `w`.
const fn below(w: f64) -> (f64, f64, f64) {
    (0.0, w / 2.0, w)
}

/// Between `1 - r` and `1 + r` times `w`.
const fn around(w: f64, r: f64) -> (f64, f64, f64) {
    (w * (1.0 - r), w, w * (1.0 + r))
}

/// Between half of `w` and `w`.
const fn upper_half(w: f64) -> (f64, f64, f64) {
    (w / 2.0, 0.75 * w, w)
}

const UNAVAILABLE: Outcome = Outcome::Status(503);
const TOO_MANY: Outcome = Outcome::Status(429);

const API_SDKS: &[Row] = &[
    row("stripe-node", UNAVAILABLE, &[at(0.5), at(0.5)]),
    row("stripe-python", UNAVAILABLE, &[at(0.5), upper_half(1.0)]),
    row("stripe-python", Outcome::Status(409), &[at(0.5), upper_half(1.0)]),
    row("stripe-ruby", UNAVAILABLE, &[at(0.5), upper_half(1.0)]),
    row("stripe-go", UNAVAILABLE, &[at(0.5), (0.75, 0.875, 1.0)]),
    row("stripe-go-as-built", Outcome::Timeout, &[at(0.5), (0.75, 0.875, 1.0)]),
    row("aws-sdk-standard", UNAVAILABLE, &[below(0.05), below(0.1)]),
    row("aws-sdk-standard", TOO_MANY, &[below(1.0), below(2.0)]),
    row("aws-sdk-standard-2.0", UNAVAILABLE, &[below(1.0), below(2.0)]),
    row("aws-sdk-adaptive", UNAVAILABLE, &[below(0.05), below(0.1)]),
    row("aws-sdk-adaptive", TOO_MANY, &[below(1.0), below(2.0)]),
    row("aws-sdk-legacy", UNAVAILABLE, &[below(1.0), below(2.0), below(4.0), below(8.0)]),
    row(
        "google-api-core",
        UNAVAILABLE,
        &[below(1.0), below(2.0), below(4.0), below(8.0), below(16.0), below(32.0), below(60.0), below(60.0)],
    ),
];

const RPC_AND_PROXIES: &[Row] = &[
    row("grpc", UNAVAILABLE, &[around(0.1, 0.2), around(0.2, 0.2), around(0.4, 0.2)]),
    // Whole milliseconds from 0 to 24.
    row("envoy", UNAVAILABLE, &[(0.0, 0.012, 0.024)]),
    row("envoy-hedge", UNAVAILABLE, &[(0.0, 0.012, 0.024)]),
    row("finagle", Outcome::Refused, &[at(0.0); 8]),
];

/// Polly's curve at a base of 2 s; the means by numerical integration.
const POLLY: Delays = &[
    (0.0, 1.742_231_4, 2.754_364_514_502_334),
    (0.0, 2.316_292_8, 5.674_499_116_604_966),
    (0.0, 4.155_829_2, 8.651_834_326_619_94),
];

/// cenkalti/backoff's intervals, which its namesake in Rust has too: a factor of 1.5, capped, within half.
const CENKALTI: Delays = &[
    around(0.5, 0.5),
    around(0.75, 0.5),
    around(1.125, 0.5),
    around(1.687_5, 0.5),
    around(2.531_25, 0.5),
    around(3.796_875, 0.5),
    around(5.695_312_5, 0.5),
    around(8.542_968_75, 0.5),
    around(12.814_453_125, 0.5),
    around(19.221_679_687_5, 0.5),
    around(28.832_519_531_25, 0.5),
    around(43.248_779_296_875, 0.5),
    around(60.0, 0.5),
    around(60.0, 0.5),
];

const CLIENT_LIBRARIES: &[Row] = &[
    row("axios-retry", Outcome::Reset, &[at(0.0); 3]),
    row("axios-retry-exponential", UNAVAILABLE, &[(0.2, 0.22, 0.24), (0.4, 0.44, 0.48), (0.8, 0.88, 0.96)]),
    row("urllib3", Outcome::Refused, &[at(0.0); 10]),
    row(
        "urllib3-backoff",
        Outcome::Refused,
        &[at(0.0), at(1.0), at(2.0), at(4.0), at(8.0), at(16.0), at(32.0), at(64.0), at(120.0), at(120.0)],
    ),
    row("polly-v8", UNAVAILABLE, &[at(2.0); 3]),
    curved("polly-jitter", UNAVAILABLE, POLLY),
    curved("dotnet-http-standard", UNAVAILABLE, POLLY),
    row("resilience4j-retry", UNAVAILABLE, &[at(0.5); 2]),
    row("go-retryablehttp", UNAVAILABLE, &[at(1.0), at(2.0), at(4.0), at(8.0)]),
    row("undici", UNAVAILABLE, &[at(0.5), at(1.0), at(2.0), at(4.0), at(8.0)]),
    row("got", UNAVAILABLE, &[(1.0, 1.05, 1.1), (2.0, 2.05, 2.1)]),
    row("got", Outcome::Timeout, &[(1.0, 1.05, 1.1), (2.0, 2.05, 2.1)]),
    row("backon", UNAVAILABLE, &[at(1.0), at(2.0), at(4.0)]),
    row("backoff-rs", UNAVAILABLE, CENKALTI),
];

/// Sidekiq's polynomial and its jitter, in whole seconds from 0 to 10k - 1.
const fn sidekiq(k: u64) -> (f64, f64, f64) {
    let (base, jitter) = (((k - 1) * (k - 1) * (k - 1) * (k - 1) + 15) as f64, (10 * k - 1) as f64);
    (base, base + jitter / 2.0, base + jitter)
}

const QUEUES_AND_WEBHOOKS: &[Row] = &[
    row(
        "sidekiq",
        UNAVAILABLE,
        &[
            sidekiq(1),
            sidekiq(2),
            sidekiq(3),
            sidekiq(4),
            sidekiq(5),
            sidekiq(6),
            sidekiq(7),
            sidekiq(8),
            sidekiq(9),
            sidekiq(10),
        ],
    ),
    row(
        "temporal-activity",
        UNAVAILABLE,
        &[at(1.0), at(2.0), at(4.0), at(8.0), at(16.0), at(32.0), at(64.0), at(100.0)],
    ),
    row(
        "svix-webhook",
        UNAVAILABLE,
        &[
            around(5.0, 0.2),
            around(300.0, 0.2),
            around(1_800.0, 0.2),
            around(7_200.0, 0.2),
            around(18_000.0, 0.2),
            around(36_000.0, 0.2),
            around(36_000.0, 0.2),
        ],
    ),
    row("svix-webhook", TOO_MANY, &[around(60.0, 0.2), around(300.0, 0.2)]),
    row("svix-webhook", Outcome::Timeout, &[around(60.0, 0.2), around(300.0, 0.2)]),
];

fn tables() -> impl Iterator<Item = &'static Row> {
    [API_SDKS, RPC_AND_PROXIES, CLIENT_LIBRARIES, QUEUES_AND_WEBHOOKS, more::ROWS, more::WALKS].into_iter().flatten()
}

fn named(name: &str) -> Preset {
    preset(name).unwrap_or_else(|| panic!("there is a preset {name}"))
}

/// What the policy makes of a failed attempt, the `retry`-th of its call.
fn decision(policy: &impl Policy, failure: &Failure, history: &mut History, draw: u64, retry: u32) -> Decision {
    history.attempts = retry;
    let mut rng = KeyedRng::new(11, Purpose::Jitter, draw, u64::from(retry));
    policy.on_failure(failure, history, &mut rng)
}

/// Calls drawn of each policy.
const CALLS: u64 = 20_000;

fn check(rows: &[Row]) {
    for Row { preset, after, delays, reaches_bounds } in rows {
        // Waits do not depend on how many there may be after one outcome; that is another test.
        let policy = RetryPolicy { limits: None, ..named(preset).policy };
        let failure = Failure::new(*after);
        let mut drawn = vec![Vec::new(); delays.len()];
        for call in 0..CALLS {
            let mut history = History::default();
            for (retry, drawn) in (1..).zip(&mut drawn) {
                match decision(&policy, &failure, &mut history, call, retry) {
                    Decision::RetryAfter(delay) => drawn.push(delay.seconds()),
                    given_up => panic!("{preset}, retry {retry} after {after}: {given_up:?}"),
                }
            }
        }
        for (index, (drawn, (min, mean, max))) in drawn.iter().zip(*delays).enumerate() {
            let what = format!("{preset}, retry {} after {after}", index + 1);
            let n = drawn.len() as f64;
            let got = drawn.iter().sum::<f64>() / n;
            let variance = drawn.iter().map(|delay| (delay - got).powi(2)).sum::<f64>() / (n - 1.0);
            let error = (variance / n).sqrt();
            assert!(error <= 0.01 * mean, "{what}: a standard error of {error} is too much to judge");
            assert!(
                (got - mean).abs() <= 4.0 * error + 1e-9 * mean.max(1.0),
                "{what}: mean {got}, expected {mean} ± {error}"
            );
            let least = drawn.iter().copied().fold(f64::INFINITY, f64::min);
            let most = drawn.iter().copied().fold(0.0, f64::max);
            let near = if *reaches_bounds { 1e-3 * (max - min) + 1e-9 } else { max - min };
            assert!((min - 1e-9..=min + near).contains(&least), "{what}: from {least}, expected {min}");
            assert!((max - near..=max + 1e-9).contains(&most), "{what}: to {most}, expected {max}");
        }
        // What `simlab policies` shows is the same.
        let shown = named(preset).delays();
        let own = |outcome: &Option<String>| *outcome == Some(after.to_string());
        let (_, shown) = shown.iter().find(|(outcome, _)| own(outcome)).unwrap_or(&shown[0]);
        for (row, (min, mean, max)) in shown.iter().zip(*delays) {
            let what = format!("{preset}, retry {} after {after}", row.retry);
            assert!((row.min - min).abs() < 1e-9 && (row.max - max).abs() < 1e-9, "{what}: {row:?}");
            assert!((row.mean - mean).abs() <= 1e-4 * mean, "{what}: {row:?}, expected a mean of {mean}");
        }
    }
}

#[test]
fn api_sdks() {
    check(API_SDKS);
}

#[test]
fn rpc_and_proxies() {
    check(RPC_AND_PROXIES);
}

/// The sum of Polly's delays depends on the last draw only: three of them take 5.67 to 11.41 s.
#[test]
fn polly_telescopes() {
    let policy = named("polly-jitter").policy;
    let curve = |t: f64| 2.0 / 1.4 * 2f64.powf(t) * (4.0 * t).sqrt().tanh();
    for call in 0..CALLS {
        let (mut history, mut sum) = (History::default(), 0.0);
        for retry in 1..=3 {
            match decision(&policy, &Failure::new(UNAVAILABLE), &mut history, call, retry) {
                Decision::RetryAfter(delay) => sum += delay.seconds(),
                given_up => panic!("{given_up:?}"),
            }
        }
        let last = KeyedRng::new(11, Purpose::Jitter, call, 3).unit();
        assert!((sum - curve(2.0 + last)).abs() < 1e-7, "{sum}, expected {}", curve(2.0 + last));
        assert!((5.674..=11.407).contains(&sum), "{sum}");
    }
}

#[test]
fn client_libraries() {
    check(CLIENT_LIBRARIES);
}

#[test]
fn queues_and_webhooks() {
    check(QUEUES_AND_WEBHOOKS);
}

/// Each preset has its delays above, as many as it makes or eight, and gives up when its attempts are used up.
#[test]
fn every_preset_has_its_delays() {
    for preset in presets() {
        let most = tables().filter(|row| row.preset == preset.name).map(|row| row.delays.len()).max();
        let needed = preset.retries().map_or(8, |retries| retries.min(10)) as usize;
        assert!(
            needed == 0 || most.is_some_and(|most| most >= needed),
            "{}: {needed} delays in a table of this file",
            preset.name
        );
        let Some(attempts) = preset.policy.attempts else { continue };
        let failure = Failure::new(UNAVAILABLE);
        let last = decision(&preset.policy, &failure, &mut History::default(), 0, attempts);
        assert!(matches!(last, Decision::GiveUp(_)), "{}: {last:?}", preset.name);
    }
}

/// Outcomes that clients retry, and some that they do not; all others of these stand on the other side.
#[test]
fn what_is_retried() {
    let status = [400, 401, 404, 408, 409, 413, 422, 429, 500, 501, 502, 503, 504, 521, 522, 524].map(Outcome::Status);
    let outcomes = || status.into_iter().chain([Outcome::Timeout, Outcome::Refused, Outcome::Reset]);
    let name = |outcome: Outcome| match outcome {
        Outcome::Refused => "refused".to_owned(),
        Outcome::Reset => "reset".to_owned(),
        other => other.to_string(),
    };
    let words = |list: &str| -> Vec<String> { list.split(' ').map(str::to_owned).collect() };
    let all: Vec<String> = outcomes().map(name).collect();
    let mut left = NAMES.to_vec();
    left.retain(|name| more::RETRIED.iter().all(|(other, ..)| other != name));
    for (preset, retried) in [
        ("stripe-node", words("409 500 501 502 503 504 521 522 524 timeout refused reset")),
        ("stripe-ruby", words("409 500 501 502 503 504 521 522 524 timeout refused reset")),
        ("stripe-go", words("409 500 501 502 503 504 521 522 524 timeout refused reset")),
        ("stripe-go-as-built", words("timeout refused reset")),
        ("aws-sdk-standard", words("429 500 502 503 504 timeout refused reset")),
        ("aws-sdk-adaptive", words("429 500 502 503 504 timeout refused reset")),
        ("aws-sdk-legacy", words("429 500 502 503 504 timeout refused reset")),
        ("grpc", words("503 refused reset")),
        ("grpc-hedging", words("409 500 503 refused reset")),
        ("envoy", words("500 501 502 503 504 521 522 524 timeout refused reset")),
        ("envoy-hedge", words("500 501 502 503 504 521 522 524 timeout refused reset")),
        ("finagle", words("refused")),
        ("finagle-backup", words("refused")),
        ("axios-retry", words("429 500 501 502 503 504 521 522 524 refused reset")),
        ("axios-retry-exponential", words("429 500 501 502 503 504 521 522 524 refused reset")),
        ("urllib3-backoff", words("timeout refused reset")),
        ("urllib3", words("timeout refused reset")),
        ("dotnet-http-standard", words("408 429 500 501 502 503 504 521 522 524 timeout refused reset")),
        ("stripe-python", words("409 500 501 502 503 504 521 522 524 timeout refused reset")),
        ("aws-sdk-standard-2.0", words("500 502 503 504 timeout refused reset")),
        ("google-api-core", words("429 500 503 refused reset")),
        ("got", words("408 429 500 502 503 504 521 522 524 timeout refused reset")),
        ("polly-v8", all.clone()),
        ("polly-jitter", all.clone()),
        ("polly-hedging", all.clone()),
        ("resilience4j-retry", all.clone()),
        ("sidekiq", all.clone()),
        ("resilience4j-breaker", words("429 500 501 502 503 504 521 522 524 timeout refused reset")),
        ("backon", all.clone()),
        ("backoff-rs", all.clone()),
        ("temporal-activity", all.clone()),
        ("svix-webhook", all),
    ] {
        let policy = named(preset).policy;
        let got: Vec<String> = outcomes().filter(|outcome| policy.is_failure(*outcome)).map(name).collect();
        assert_eq!(got, retried, "{preset}");
        left.retain(|other| *other != preset);
    }
    assert_eq!(left, [""; 0], "presets without a row here");
}

/// What a server asks for with `Retry-After`, and what is made of it.
#[test]
fn hints() {
    let asked = Span::secs(40);
    for (name, waited) in [
        ("stripe-python", None),
        ("aws-sdk-standard-2.0", None),
        ("google-api-core", None),
        ("go-retryablehttp", Some(asked)),
        ("undici", Some(Span::secs(30))),
        ("got", Some(asked)),
    ] {
        let policy = named(name).policy;
        let failure = Failure { retry_after: Some(asked), ..Failure::new(UNAVAILABLE) };
        let got = decision(&policy, &failure, &mut History::default(), 0, 1);
        match waited {
            Some(waited) => assert_eq!(got, Decision::RetryAfter(waited), "{name}"),
            None => assert!(matches!(got, Decision::RetryAfter(delay) if delay <= Span::secs(1)), "{name}: {got:?}"),
        }
    }
}

/// Ten seconds of a server that fails often, and a policy with these lines.
fn scenario(lines: &str) -> String {
    format!(
        "duration = \"10s\"\nseed = 3\n[load]\nclients = 5\narrivals.poisson = {{ rate = \"20/s\" }}\n[server.api]\n\
         service_time.exponential = {{ mean = \"50ms\" }}\nerrors = {{ 503 = 0.3, 429 = 0.1 }}\nrefused = 0.1\n\
         [policy.p]\n{lines}\n"
    )
}

fn load(text: &str) -> Result<Loaded, LoadError> {
    file::parse(Source::new("p.toml", text.to_owned()), "p", Path::new(""), &Overrides::default())
}

fn read(lines: &str) -> Loaded {
    load(&scenario(lines)).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

fn digest(loaded: &Loaded) -> u64 {
    let options = Options { threads: 1, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    experiment::run(&loaded.scenario, &[0], &options).expect("the run comes to its end").policies[0].digest
}

/// Each preset runs, and what `show` prints of it is the same question: as text and without the preset's name.
#[test]
fn what_is_shown_of_a_preset_runs_alike() {
    for name in NAMES {
        let given = read(&format!("preset = \"{name}\""));
        let again = load(&given.resolved).unwrap_or_else(|error| panic!("{name}: {}", error.render(false)));
        assert_eq!(digest(&given), digest(&again), "{name}");
        assert!(given.resolved.contains(&format!("# preset = \"{name}\"")), "{}", given.resolved);
        assert_eq!(given.resolved_json["policy"]["p"]["preset"], *name);
        assert!(again.resolved_json["policy"]["p"]["preset"].is_null(), "the keys stand for themselves");
        // And so is what `simlab policies` prints.
        let printed = read(&named(name).resolved);
        assert_eq!(digest(&given), digest(&printed), "{name}");
        assert_eq!(again.resolved, printed.resolved, "{name}");
    }
}

/// A key that is given stands for all of the preset's.
#[test]
fn keys_replace_the_preset_s() {
    for (lines, expected) in [
        ("preset = \"got\"\nattempts = 7", &["attempts = 7", "retry_on = []"][..]),
        (
            "preset = \"got\"\nbackoff.fixed = { delay = \"1s\" }",
            &["backoff.fixed = { delay = \"1s\" }", "attempts = 3"],
        ),
        (
            "preset = \"got\"\nbackoff.additive-jitter = { base = \"3s\", jitter = \"1s\" }",
            &[
                "backoff.additive-jitter = { base = \"3s\", factor = 2.0, cap = \"none\", jitter = \"1s\", cap_before = false }",
            ],
        ),
        ("preset = \"got\"\nretry_on = [\"timeout\"]", &["retry_on = [\"timeout\"]"]),
        ("preset = \"undici\"\nretry_after = \"honour\"", &["retry_after = \"honour\""]),
        (
            "preset = \"svix-webhook\"\nbackoff_for.429.fixed = { delay = \"1s\" }",
            &["backoff_for.429.fixed = { delay = \"1s\" }"],
        ),
        ("preset = \"svix-webhook\"\nbackoff_for = {}", &["attempts = 8"]),
        ("preset = \"got\"\nbudget = \"none\"\nbreaker = \"none\"", &["attempts = 3"]),
        ("timeout = \"5s\"\npreset = \"stripe-python\"", &["timeout = \"5s\""]),
    ] {
        let loaded = read(lines);
        for line in expected {
            assert!(loaded.resolved.lines().any(|other| other == *line), "{lines}: no {line}\n{}", loaded.resolved);
        }
        assert!(!loaded.resolved.contains("backoff_for.timeout"), "{lines}: the other backoffs of the preset stay");
    }
}

/// What is wrong with a preset's keys is wrong where it is named.
#[test]
fn places() {
    let lock = scenario("preset = \"undici\"\nkey = \"per-operation\"")
        .replace("[policy.p]", "idempotency.lock = {}\n[policy.p]");
    let loaded = load(&lock).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let warnings: Vec<String> = loaded.warnings.iter().map(|warning| warning.render(&loaded.source, false)).collect();
    let line = lock.lines().position(|line| line.starts_with("preset")).expect("it is there") + 1;
    let conflict = warnings.iter().find(|warning| warning.contains("lock-conflict")).expect("409 is not retried");
    assert!(conflict.contains(&format!("p.toml:{line}:10")) && conflict.contains("preset = \"undici\""), "{conflict}");
    for (lines, parts) in [
        (
            "preset = \"strip-python\"",
            &["`policy.p.preset` cannot be `strip-python`", "preset = \"stripe-python\""][..],
        ),
        ("preset = \"mine\"", &["`simlab policies` lists the presets"]),
        ("preset = 3", &["wrong type for `policy.p.preset`"]),
        (
            "preset = \"backon\"\nbackoff.exponential.cap = \"9s\"",
            &["`base` is missing", "this `backoff` replaces all of that of `backon`"],
        ),
    ] {
        let error = load(&scenario(lines)).expect_err(lines).render(false);
        for part in parts {
            assert!(error.contains(part), "{lines}: no {part}\n{error}");
        }
    }
    // Without a preset nothing is replaced.
    let error = load(&scenario("attempts = 3\nbackoff.exponential.cap = \"9s\"")).expect_err("no base").render(false);
    assert!(!error.contains("replaces"), "{error}");
}

/// Presets can be chosen on the command line, and their keys set there.
#[test]
fn assignments() {
    let set = |pairs: &[(&str, &str)]| {
        let set = pairs.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
        let source = Source::new("p.toml", scenario("preset = \"got\""));
        let loaded = file::parse(source, "p", Path::new(""), &Overrides { set, ..Overrides::default() });
        loaded.map(|loaded| loaded.resolved).map_err(|error| error.render(false))
    };
    let resolved = set(&[("policy.p.preset", "backon"), ("policy.p.timeout", "2s")]).expect("valid");
    for line in ["attempts = 4", "timeout = \"2s\"", "retry_on = [\"any\"]"] {
        assert!(resolved.lines().any(|other| other == line), "no {line}\n{resolved}");
    }
    let error = set(&[("policy.p.preset", "bacon")]).expect_err("there is none");
    assert!(error.contains("--set:1:19") && error.contains("preset = \"backon\""), "{error}");
}
