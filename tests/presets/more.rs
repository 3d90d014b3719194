//! More presets: of cloud SDKs, proxies, libraries, breakers, queues and an article. Bounds and means are those of the clients' formulas, as in the
//! tables of `presets.rs`.

use simlab::protocol::HintFormat;
use simlab::retry::AtLimit;

use super::*;

/// Between `low` and `high` times `w`.
const fn times(w: f64, low: f64, high: f64) -> (f64, f64, f64) {
    (w * low, w * (low + high) / 2.0, w * high)
}

/// Between `w` and `jitter` more.
const fn plus(w: f64, jitter: f64) -> (f64, f64, f64) {
    (w, w + jitter / 2.0, w + jitter)
}

/// Whole milliseconds from 0.8 to below 1.2 of `w`.
const fn kafka(w: f64) -> (f64, f64, f64) {
    (0.8 * w, w - 0.000_5, 1.2 * w - 0.001)
}

/// From the fifth retry on, half of all waits are the cap: 1000 ms, and those below are 899.5 ms on average.
const KAFKA_CAPPED: (f64, f64, f64) = (0.8, 0.949_75, 1.0);

/// From a second to five minutes.
const LAMBDA_S_QUEUE: Delays =
    &[at(1.0), at(2.0), at(4.0), at(8.0), at(16.0), at(32.0), at(64.0), at(128.0), at(256.0), at(300.0)];

pub const ROWS: &[Row] = &[
    row(
        "gapic",
        UNAVAILABLE,
        &[
            below(0.1),
            below(0.13),
            below(0.169),
            below(0.219_7),
            below(0.285_61),
            below(0.371_293),
            below(0.482_680_9),
            below(0.627_485_17),
        ],
    ),
    row(
        "azure-python",
        UNAVAILABLE,
        &[at(0.0), at(1.6), at(3.2), at(6.4), at(12.8), at(25.6), at(51.2), at(102.4), at(120.0)],
    ),
    row("azure-dotnet", UNAVAILABLE, &[around(0.8, 0.2), around(1.6, 0.2), around(3.2, 0.2)]),
    row("azure-js", UNAVAILABLE, &[upper_half(1.0), upper_half(2.0), upper_half(4.0)]),
    row("octokit", UNAVAILABLE, &[at(1.0), at(4.0), at(9.0)]),
    // b + trunc(⌊b⌋·r) + frac(b)·r, r = U(0, 0.99): of a whole second no jitter is left, of n of them there are 0 to n-1 more. P(trunc(n·r) ≥ i)
    // is 1 - i/(0.99·n), whose sum over i is the mean number of whole seconds: 0.989_899 of 3, 2.474_747 of 6.
    row(
        "tower-default",
        UNAVAILABLE,
        &[
            times(0.05, 1.0, 1.99),
            times(0.1, 1.0, 1.99),
            times(0.2, 1.0, 1.99),
            times(0.4, 1.0, 1.99),
            times(0.8, 1.0, 1.99),
            (1.6, 1.897, 2.194),
            (3.2, 4.288_898_990, 5.398),
            (6.4, 9.072_747_475, 11.796),
        ],
    ),
    row("linkerd-profile", UNAVAILABLE, &[at(0.0); 8]),
    row("ky", UNAVAILABLE, &[at(0.3), at(0.6)]),
    row("gaxios", UNAVAILABLE, &[at(0.1), at(0.5), at(1.5)]),
    row(
        "p-retry",
        UNAVAILABLE,
        &[at(1.0), at(2.0), at(4.0), at(8.0), at(16.0), at(32.0), at(64.0), at(128.0), at(256.0), at(512.0)],
    ),
    row(
        "tenacity",
        UNAVAILABLE,
        &[
            plus(1.0, 1.0),
            plus(2.0, 1.0),
            plus(4.0, 1.0),
            plus(8.0, 1.0),
            plus(16.0, 1.0),
            plus(32.0, 1.0),
            plus(64.0, 1.0),
            plus(128.0, 1.0),
        ],
    ),
    row("cenkalti", UNAVAILABLE, CENKALTI),
    row(
        "retry-go",
        UNAVAILABLE,
        &[
            plus(0.1, 0.1),
            plus(0.2, 0.1),
            plus(0.4, 0.1),
            plus(0.8, 0.1),
            plus(1.6, 0.1),
            plus(3.2, 0.1),
            plus(6.4, 0.1),
            plus(12.8, 0.1),
            plus(25.6, 0.1),
        ],
    ),
    row(
        "k8s-default-backoff",
        Outcome::Status(409),
        &[times(0.01, 1.0, 1.1), times(0.05, 1.0, 1.1), times(0.25, 1.0, 1.1)],
    ),
    // One attempt each: what these have is a breaker.
    row("hystrix", UNAVAILABLE, &[]),
    row("gobreaker", UNAVAILABLE, &[]),
    row("finagle-accrual", UNAVAILABLE, &[]),
    row("linkerd-breaker", UNAVAILABLE, &[]),
    row("tokio-retry", UNAVAILABLE, &[at(0.01), at(0.1), at(1.0)]),
    row("failsafe-breaker", UNAVAILABLE, &[]),
    row("httpx", Outcome::Refused, &[]),
    // Whole seconds, the last one as likely as the others.
    row("celery-backoff", UNAVAILABLE, &[below(1.0), below(2.0), below(4.0)]),
    row(
        "kafka-producer",
        UNAVAILABLE,
        &[kafka(0.1), kafka(0.2), kafka(0.4), kafka(0.8), KAFKA_CAPPED, KAFKA_CAPPED, KAFKA_CAPPED, KAFKA_CAPPED],
    ),
    row(
        "k8s-workqueue",
        UNAVAILABLE,
        &[at(0.005), at(0.01), at(0.02), at(0.04), at(0.08), at(0.16), at(0.32), at(0.64)],
    ),
    row("lambda-async", Outcome::Status(500), &[at(60.0), at(120.0)]),
    row("lambda-async", Outcome::Timeout, &[at(60.0), at(120.0)]),
    row("lambda-async", TOO_MANY, LAMBDA_S_QUEUE),
    row("lambda-async", UNAVAILABLE, LAMBDA_S_QUEUE),
    // Eight that double and add up to four hours.
    row(
        "shopify-webhook",
        UNAVAILABLE,
        &[at(56.47), at(112.94), at(225.88), at(451.76), at(903.52), at(1_807.04), at(3_614.08), at(7_228.16)],
    ),
    // Twelve that double and add up to nearly three days.
    row(
        "stripe-webhook",
        UNAVAILABLE,
        &[
            at(63.0),
            at(126.0),
            at(252.0),
            at(504.0),
            at(1_008.0),
            at(2_016.0),
            at(4_032.0),
            at(8_064.0),
            at(16_128.0),
            at(32_256.0),
            at(64_512.0),
            at(129_024.0),
        ],
    ),
    row("sqs-redrive", UNAVAILABLE, &[at(30.0), at(30.0), at(30.0), at(30.0)]),
    row("step-functions", UNAVAILABLE, &[at(1.0), at(2.0), at(4.0)]),
    // From twice the base of 5 ms on.
    row(
        "arch-full",
        UNAVAILABLE,
        &[
            below(0.01),
            below(0.02),
            below(0.04),
            below(0.08),
            below(0.16),
            below(0.32),
            below(0.64),
            below(1.28),
            below(2.0),
            below(2.0),
        ],
    ),
    row(
        "arch-equal",
        UNAVAILABLE,
        &[
            upper_half(0.01),
            upper_half(0.02),
            upper_half(0.04),
            upper_half(0.08),
            upper_half(0.16),
            upper_half(0.32),
            upper_half(0.64),
            upper_half(1.28),
            upper_half(2.0),
            upper_half(2.0),
        ],
    ),
];

/// Waits that walk: few calls come near their bounds. E[d] = (base + 3·E[d before]) / 2 until the cap is felt, from the sixth on, where
/// the means are those of 400,000 walks of another program.
pub const WALKS: &[Row] = &[row(
    "arch-decorrelated",
    UNAVAILABLE,
    &[
        (0.005, 0.01, 0.015),
        (0.005, 0.017_5, 0.045),
        (0.005, 0.028_75, 0.135),
        (0.005, 0.045_625, 0.405),
        (0.005, 0.070_937_5, 1.215),
        (0.005, 0.108_7, 2.0),
        (0.005, 0.163_5, 2.0),
        (0.005, 0.231_9, 2.0),
    ],
)];

#[test]
fn delays() {
    check(ROWS);
}

/// httpx retries if it is told to: at once, and then from its factor on.
#[test]
fn delays_of_httpx() {
    let httpx = read("preset = \"httpx\"\nattempts = 6").scenario.policies.remove(0).members.remove(0).rules.policy;
    let waits: Vec<Decision> =
        (1..=6).map(|retry| decide(&*httpx, &Failure::new(Outcome::Refused), &mut History::default(), retry)).collect();
    let millis = [0, 500, 1_000, 2_000, 4_000];
    assert_eq!(waits[..5], millis.map(|wait| Decision::RetryAfter(Span::millis(wait))));
    assert!(matches!(waits[5], Decision::GiveUp(_)), "{waits:?}");
}

#[test]
fn walks() {
    for Row { preset, after, delays, .. } in WALKS {
        let policy = named(preset).policy;
        let mut drawn = vec![Vec::new(); delays.len()];
        for call in 0..CALLS {
            let mut history = History::default();
            for (retry, drawn) in (1..).zip(&mut drawn) {
                match decision(&policy, &Failure::new(*after), &mut history, call, retry) {
                    Decision::RetryAfter(delay) => drawn.push(delay.seconds()),
                    given_up => panic!("{preset}, retry {retry}: {given_up:?}"),
                }
            }
        }
        let shown = named(preset).delays().remove(0).1;
        for (index, (min, mean, max)) in delays.iter().enumerate() {
            let (drawn, what) = (&drawn[index], format!("{preset}, retry {}", index + 1));
            let n = drawn.len() as f64;
            let got = drawn.iter().sum::<f64>() / n;
            let error = (drawn.iter().map(|delay| (delay - got).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
            assert!((got - mean).abs() <= 4.0 * error, "{what}: mean {got}, expected {mean} ± {error}");
            assert!(drawn.iter().all(|delay| (min..=max).contains(&delay)), "{what}: beyond {min} to {max}");
            let row = shown[index];
            assert!((row.min - min).abs() < 1e-9 && (row.max - max).abs() < 1e-9, "{what}: {row:?}");
            assert!((row.mean - mean).abs() <= 4.0 * error, "{what}: {row:?}, expected a mean of {mean}");
        }
    }
}

fn decide(policy: &dyn Policy, failure: &Failure, history: &mut History, retry: u32) -> Decision {
    history.attempts = retry;
    policy.on_failure(failure, history, &mut KeyedRng::new(11, Purpose::Jitter, 0, u64::from(retry)))
}

/// The policy of a preset for an operation with this method.
fn for_method(preset: &str, method: &str) -> std::sync::Arc<dyn Policy> {
    let text = scenario(&format!("preset = \"{preset}\""))
        .replace("[load]", &format!("operation.method = \"{method}\"\n[load]"));
    let mut loaded = load(&text).unwrap_or_else(|error| panic!("{preset}: {}", error.render(false)));
    loaded.scenario.policies.remove(0).members.remove(0).rules.policy
}

const EVERY: &str = "400 401 404 408 409 413 422 429 500 501 502 503 504 505 521 522 524 timeout refused reset";
const IN_USE: &str = "429 500 502 503 504 505 521 522 524 timeout refused reset";
const SIX: &str = "408 429 500 502 503 504 timeout refused reset";
const NOTHING: &str = "";

/// What is retried of a GET and of a POST, or counts as a failure.
pub const RETRIED: &[(&str, &str, &str)] = &[
    ("gapic", "409 500 503 refused reset", "409 500 503 refused reset"),
    ("azure-python", "408 429 500 502 503 504 521 522 524 timeout refused reset", "500 503 504"),
    ("azure-dotnet", SIX, SIX),
    ("azure-js", "408 500 502 503 504 521 522 524 refused reset", "408 500 502 503 504 521 522 524 refused reset"),
    (
        "octokit",
        "408 409 413 429 500 501 502 503 504 505 521 522 524 refused reset",
        "408 409 413 429 500 501 502 503 504 505 521 522 524 refused reset",
    ),
    ("tower-default", EVERY, EVERY),
    ("linkerd-profile", "500 501 502 503 504 505 521 522 524", "500 501 502 503 504 505 521 522 524"),
    ("go-retryablehttp", IN_USE, IN_USE),
    ("undici", "429 500 502 503 504 refused reset", NOTHING),
    ("ky", "408 429 500 502 503 504 refused reset", NOTHING),
    ("gaxios", "408 429 500 501 502 503 504 505 521 522 524 timeout refused reset", NOTHING),
    ("p-retry", EVERY, EVERY),
    ("httpx", "refused", "refused"),
    ("tenacity", EVERY, EVERY),
    ("cenkalti", EVERY, EVERY),
    ("retry-go", EVERY, EVERY),
    ("k8s-default-backoff", "409", "409"),
    (
        "hystrix",
        "500 501 502 503 504 505 521 522 524 timeout refused reset",
        "500 501 502 503 504 505 521 522 524 timeout refused reset",
    ),
    ("gobreaker", EVERY, EVERY),
    (
        "finagle-accrual",
        "500 501 502 503 504 505 521 522 524 timeout refused reset",
        "500 501 502 503 504 505 521 522 524 timeout refused reset",
    ),
    (
        "linkerd-breaker",
        "500 501 502 503 504 505 521 522 524 timeout refused reset",
        "500 501 502 503 504 505 521 522 524 timeout refused reset",
    ),
    ("tokio-retry", EVERY, EVERY),
    ("failsafe-breaker", EVERY, EVERY),
    ("celery-backoff", EVERY, EVERY),
    ("kafka-producer", "503 timeout refused reset", "503 timeout refused reset"),
    ("k8s-workqueue", EVERY, EVERY),
    (
        "lambda-async",
        "429 500 501 502 503 504 505 521 522 524 timeout refused reset",
        "429 500 501 502 503 504 505 521 522 524 timeout refused reset",
    ),
    ("shopify-webhook", EVERY, EVERY),
    ("stripe-webhook", EVERY, EVERY),
    ("sqs-redrive", EVERY, EVERY),
    ("step-functions", EVERY, EVERY),
    ("arch-full", EVERY, EVERY),
    ("arch-equal", EVERY, EVERY),
    ("arch-decorrelated", EVERY, EVERY),
];

#[test]
fn retried_of_a_get_and_of_a_post() {
    let outcome = |word: &str| match word {
        "timeout" => Outcome::Timeout,
        "refused" => Outcome::Refused,
        "reset" => Outcome::Reset,
        status => Outcome::Status(status.parse().expect("a status")),
    };
    for (preset, get, post) in RETRIED {
        for (method, expected) in [("GET", get), ("POST", post)] {
            let policy = for_method(preset, method);
            let got: Vec<&str> = EVERY.split(' ').filter(|word| policy.is_failure(outcome(word))).collect();
            assert_eq!(got.join(" "), **expected, "{preset}, {method}");
        }
    }
}

/// What is made of a hint of so many seconds: the shortest and the longest wait, or the end of the call.
#[test]
fn waits_after_hints() {
    use HintFormat::{Date, Milliseconds, Reset, Seconds};
    type Waits = Option<(f64, f64)>;
    let check = |preset: &str, method: &str, status: u16, format: HintFormat, hint: u64, waits: Waits| {
        let policy = for_method(preset, method);
        let failure = Failure { retry_after: Some(Span::secs(hint)), format, ..Failure::new(Outcome::Status(status)) };
        let got = decide(&*policy, &failure, &mut History::default(), 1);
        let what = format!("{preset}, {hint} s of {format:?} in a {status} of a {method}: {got:?}");
        match (got, waits) {
            (Decision::RetryAfter(wait), Some((least, most))) => {
                assert!((least..=most).contains(&wait.seconds()), "{what}");
            }
            (Decision::GiveUp(_), None) => {}
            _ => panic!("{what}"),
        }
    };
    let own = |seconds: f64| Some((seconds, seconds));
    // Nobody tells a client that reads nothing.
    for preset in ["gapic", "octokit", "gaxios", "p-retry", "tenacity", "retry-go", "cenkalti", "shopify-webhook"] {
        let most = named(preset).delays()[0].1[0].max;
        check(preset, "GET", 503, Seconds, 4_000, Some((0.0, most)));
    }
    for format in [Seconds, Date, Reset] {
        check("ky", "GET", 429, format, 40, own(40.0));
        check("ky", "GET", 503, format, 400, own(400.0));
    }
    check("ky", "GET", 503, Milliseconds, 40, own(0.3));
    check("ky", "GET", 413, Seconds, 40, own(40.0));
    check("ky", "GET", 413, Milliseconds, 40, None);
    check("ky", "POST", 413, Seconds, 40, None);
    check("ky", "GET", 500, Seconds, 40, own(0.3));
    check("ky", "POST", 503, Seconds, 40, None);
    // A hint is a reason to retry, whatever the method.
    check("azure-python", "GET", 404, Seconds, 40, own(40.0));
    check("azure-python", "POST", 409, Date, 4_000, own(4_000.0));
    check("azure-python", "GET", 404, Milliseconds, 40, None);
    // The longer of both.
    check("azure-dotnet", "POST", 503, Milliseconds, 40, own(40.0));
    check("azure-dotnet", "GET", 503, Seconds, 0, Some((0.64, 0.96)));
    check("azure-js", "GET", 429, Seconds, 0, own(0.0));
    check("azure-js", "POST", 503, Milliseconds, 400, own(400.0));
    check("azure-js", "GET", 500, Seconds, 40, Some((0.5, 1.0)));
    check("azure-js", "GET", 404, Seconds, 40, None);
    // Of two statuses only.
    check("go-retryablehttp", "POST", 429, Seconds, 400, own(400.0));
    check("go-retryablehttp", "POST", 502, Seconds, 400, own(1.0));
    check("undici", "GET", 429, Seconds, 40, own(30.0));
    check("undici", "POST", 429, Seconds, 40, None);
    // Between one and two times the wait.
    check("svix-webhook", "POST", 503, Seconds, 4_000, Some((8.0, 12.0)));
    check("svix-webhook", "POST", 503, Seconds, 1, Some((4.0, 6.0)));
    check("svix-webhook", "POST", 429, Seconds, 4_000, Some((96.0, 144.0)));
}

/// A limit on retries, and one that gives up an attempt that is open.
#[test]
fn deadlines() {
    for (preset, seconds, for_retries) in [
        ("google-api-core", Some(120.0), true),
        ("gapic", Some(600.0), true),
        ("backoff-rs", Some(900.0), true),
        ("cenkalti", Some(900.0), true),
        ("lambda-async", Some(21_600.0), true),
        ("azure-python", Some(604_800.0), false),
        ("kafka-producer", Some(120.0), false),
        ("ky", None, false),
    ] {
        let policy = named(preset).policy;
        assert_eq!(policy.deadline().map(Span::seconds), seconds, "{preset}");
        assert_eq!(policy.retry_for.is_some_and(|limit| limit.rule == AtLimit::Fits), for_retries, "{preset}");
        assert_eq!(
            policy.attempt(&History::default()).beyond,
            if for_retries { Span::MAX } else { Span::ZERO },
            "{preset}"
        );
    }
}

/// Most retries after one outcome, after several in turn, and how many of them are free.
#[test]
fn limits_by_cause() {
    use Outcome::{Refused, Reset, Timeout};
    let bad = Outcome::Status(500);
    for (preset, outcomes, retries, free) in [
        ("azure-python", &[Refused][..], 3, 0),
        ("azure-python", &[Timeout], 3, 0),
        ("azure-python", &[Timeout, Reset], 3, 0),
        ("azure-python", &[bad], 3, 0),
        ("azure-python", &[UNAVAILABLE, Outcome::Status(408)], 3, 0),
        ("azure-python", &[Refused, Refused, Refused, Reset, Timeout, Reset, bad, bad, bad, bad], 9, 0),
        ("azure-python", &[Refused, bad, bad, bad, bad], 4, 0),
        ("gaxios", &[Refused], 2, 0),
        ("gaxios", &[Refused, Timeout, Reset], 2, 0),
        ("gaxios", &[bad], 3, 0),
        ("gaxios", &[Timeout, bad, Reset, bad], 3, 0),
        ("grpc", &[UNAVAILABLE], 3, 0),
        ("grpc", &[Refused], 4, 1),
        ("grpc", &[UNAVAILABLE, Refused, Refused, Refused], 3, 0),
        ("grpc", &[Refused, UNAVAILABLE, Refused, UNAVAILABLE, UNAVAILABLE], 4, 1),
        ("stripe-node", &[Reset], 2, 0),
        ("urllib3", &[Refused], 10, 0),
        ("lambda-async", &[bad], 2, 0),
        ("lambda-async", &[Timeout], 2, 0),
        ("lambda-async", &[UNAVAILABLE, bad, TOO_MANY, TOO_MANY, Timeout, UNAVAILABLE, bad], 6, 0),
    ] {
        let policy = named(preset).policy;
        let mut history = History::default();
        let (mut got, mut got_free) = (0, 0);
        for (attempt, outcome) in (1..).zip(outcomes.iter().cycle()) {
            match super::decision(&policy, &Failure::new(*outcome), &mut history, 0, attempt) {
                Decision::RetryAfter(_) => got += 1,
                Decision::Again => (got, got_free) = (got + 1, got_free + 1),
                Decision::GiveUp(_) => break,
            }
        }
        assert_eq!((got, got_free), (retries, free), "{preset} after {outcomes:?}");
    }
    assert_eq!(named("azure-python").retries(), Some(9), "three of each");
    assert_eq!(named("gaxios").retries(), Some(3));
}

/// What gates presets have, with the numbers that their documentation has.
#[test]
fn gates() {
    for (preset, gate, line) in [
        (
            "hystrix",
            "breaker.rate",
            "threshold = 0.5, window = \"10s\", slots = 10, min_calls = 20, judge = \"tick\", tick = \"500ms\", open = \"5s\", edge = \"after\"",
        ),
        ("hystrix", "breaker.rate", "probes = 1, verdict = \"first\", stale = \"apply\""),
        (
            "gobreaker",
            "breaker.consecutive",
            "failures = 6, open = \"1m\", edge = \"after\", probes = 1, stale = \"drop\"",
        ),
        (
            "failsafe-breaker",
            "breaker.consecutive",
            "failures = 1, open = \"1m\", edge = \"at\", probes = 1, stale = \"apply\"",
        ),
        (
            "finagle-accrual",
            "breaker.consecutive",
            "failures = 5, open = { custom = { curve = { exponential = { base = \"5s\"",
        ),
        ("finagle-accrual", "breaker.consecutive", "probes = 1, stale = \"apply\""),
        (
            "linkerd-breaker",
            "breaker.consecutive",
            "failures = 7, open = { custom = { curve = { exponential = { base = \"1s\"",
        ),
        ("linkerd-breaker", "breaker.consecutive", "probes = 1, stale = \"apply\""),
        (
            "tower-default",
            "budget.ratio",
            "ratio = 0.2, min_rate = \"10/s\", window = \"10s\", deposit_on = \"success\", rounding = \"tower\"",
        ),
        (
            "linkerd-profile",
            "budget.ratio",
            "ratio = 0.2, min_rate = \"10/s\", window = \"10s\", deposit_on = \"not-retried\", rounding = \"tower\"",
        ),
    ] {
        let preset = named(preset);
        assert_eq!(preset.gates(), [gate], "{}", preset.name);
        assert!(preset.resolved.contains(line), "{}: no {line}\n{}", preset.name, preset.resolved);
    }
}

/// How long breakers are open whose time grows with each failed probe: smallest, mean and largest of many series, in seconds.
#[test]
fn open_times() {
    use simlab::gate::GateRule;
    use simlab::gate::breaker::OpenTime;
    use simlab::retry::Memory;
    const SERIES: u64 = 4_000;
    // h + U(0, h), h = 5·2^(k-2), at most 300: the seventh reaches it in an eighth of all cases.
    let finagle: &[(f64, f64, f64)] = &[
        at(5.0),
        upper_half(10.0),
        upper_half(20.0),
        upper_half(40.0),
        upper_half(80.0),
        upper_half(160.0),
        (160.0, 238.75, 300.0),
        at(300.0),
        at(300.0),
    ];
    // w + trunc(w·r), r = U(0, 0.5): 0 to w/2 - 1 whole seconds more, each as likely; from 60 on nothing is left to add.
    let linkerd: &[(f64, f64, f64)] = &[
        at(1.0),
        at(2.0),
        (4.0, 4.5, 5.0),
        (8.0, 9.5, 11.0),
        (16.0, 19.5, 23.0),
        (32.0, 39.5, 47.0),
        at(60.0),
        at(60.0),
    ];
    for (preset, expected) in [("finagle-accrual", finagle), ("linkerd-breaker", linkerd)] {
        let loaded = read(&format!("preset = \"{preset}\""));
        let GateRule::ConsecutiveBreaker(breaker) = &loaded.scenario.policies[0].rules().gates[0].rule else {
            panic!("{preset} is a breaker of failures in a row")
        };
        let OpenTime::Grows(open) = &breaker.open else { panic!("the time of {preset} grows") };
        let mut times = vec![Vec::new(); expected.len()];
        for series in 0..SERIES {
            let mut memory = Memory::default();
            for (number, times) in times.iter_mut().enumerate() {
                let mut rng = KeyedRng::new(8, Purpose::Gate, series, number as u64);
                times.push(open.delay(number as u32 + 1, &mut memory, &mut rng).seconds());
            }
        }
        for (number, (times, (least, mean, most))) in times.iter().zip(expected).enumerate() {
            let got = [
                times.iter().copied().fold(f64::INFINITY, f64::min),
                times.iter().sum::<f64>() / SERIES as f64,
                times.iter().copied().fold(0.0, f64::max),
            ];
            for (got, expected) in got.into_iter().zip([least, mean, most]) {
                assert!((got - expected).abs() <= 0.01 * expected, "{preset}, {number}: {got}, expected {expected}");
            }
        }
    }
}
