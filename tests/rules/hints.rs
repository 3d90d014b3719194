//! What a server says beside its status: when to come back, and whether.

use simlab::distribution::Distribution;
use simlab::protocol::HintFormat;
use simlab::retry::jitter::additive::Additive;
use simlab::retry::{Backoff, Hints, Jitter, OutcomeClass, OutcomeSet, RetryAfter, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Fault, Per, RateLimit, Scenario, ServerConfig};
use simlab::units::Span;

use super::{MS, check, constant, fault, run, tries, value};

/// Answers 503 for the first second, and so much later succeeds.
fn failing(server: ServerConfig) -> Scenario {
    let down = Fault { fates: Fates { errors: vec![(503, 1.0)], ..Fates::default() }, ..fault(0, 1_000) };
    let arrivals = Arrivals::Burst { operations: 1, at: MS(300), every: None };
    Scenario::new(MS(60_000), arrivals, server).in_world(|world| world.faults = vec![down])
}

fn waits_1_250(format: HintFormat) -> ServerConfig {
    ServerConfig { retry_after: vec![(503, constant(1_250))], retry_after_as: format, ..ServerConfig::named("s") }
}

/// Reads any format, and waits 5 s without one.
fn reads(formats: &[HintFormat]) -> RetryPolicy {
    let hints = Hints { formats: formats.to_vec(), ..Hints::default() };
    RetryPolicy { retry_after: RetryAfter::Honour(Box::new(hints)), backoff: Backoff::fixed(MS(5_000)), ..tries(2) }
}

/// A date is a whole second of the clock, and so is the second of a reset: 1.25 s after 0.3 s is 2 s there.
#[test]
fn formats() {
    use HintFormat::{Date, Milliseconds, Reset, Seconds};
    for (format, seconds) in [(Seconds, 1.25), (Milliseconds, 1.25), (Date, 1.7), (Reset, 1.7)] {
        let waited = |policy| value(&run(&failing(waits_1_250(format)), policy), "latency_max").unwrap();
        let case = format!("{format:?}");
        assert!((waited(reads(&[format])) - seconds).abs() < 0.005 * seconds, "{case}");
        let others: Vec<_> =
            [Seconds, Milliseconds, Date, Reset].into_iter().filter(|other| *other != format).collect();
        assert!((waited(reads(&others)) - 5.0).abs() < 0.025, "{case} is not read");
    }
}

/// A hint may be drawn for each attempt, at the door, in the queue, after the work and by a rate limit; spread may come on top of it.
#[test]
fn hints_are_drawn_and_spread() {
    let uniform = Distribution::Uniform { min: MS(1_000), max: MS(30_000) };
    let down = |fates| Fault { fates, ..fault(0, 1_000) };
    let errors = |share| Fates { errors: vec![(503, share)], ..Fates::default() };
    let hinting = || ServerConfig { retry_after: vec![(503, uniform.clone())], ..ServerConfig::named("s") };
    let full = ServerConfig {
        workers: Some(1),
        queue: Some(0),
        service_time: Distribution::Constant(Span::nanos(100)),
        ..hinting()
    };
    let limit = RateLimit { rate: 1e7, burst: 1.0, per: Per::Server, status: 503, retry_after: false, ban: None };
    let limited = ServerConfig { rate_limit: Some(limit), ..hinting() };
    let honours = |jitter| {
        let hints = Hints { jitter, ..Hints::default() };
        RetryPolicy { retry_after: RetryAfter::Honour(Box::new(hints)), attempts: None, ..tries(2) }
    };
    let failures = Fates { failures: vec![(503, 1.0)], ..Fates::default() };
    for (case, server, fates) in [
        ("door", hinting(), errors(1.0)),
        ("work", hinting(), failures),
        ("queue", full, Fates::default()),
        ("limit", limited, Fates::default()),
    ] {
        let arrivals = Arrivals::Burst { operations: 4_000, at: MS(500), every: None };
        let scenario = Scenario::new(MS(60_000), arrivals, server).in_world(|world| world.faults = vec![down(fates)]);
        let result = run(&scenario, honours(Jitter::None));
        let of = |metric| value(&result, metric).unwrap();
        // Uniform from 1 to 30 s; the mean's standard error is 0.13 s.
        assert!((of("latency_mean") - 15.5).abs() < 0.6, "{case}: {}", of("latency_mean"));
        assert!((29.8..=30.001).contains(&of("latency_max")), "{case}: {}", of("latency_max"));
        // Nobody is in step: a second has a thirtieth of them.
        assert!(of("recovery_peak") < 250.0, "{case}: {}", of("recovery_peak"));
    }
    // All are told 5 s, and come back within 3 s of it.
    let told = ServerConfig { retry_after: vec![(503, constant(5_000))], ..ServerConfig::named("s") };
    let arrivals = Arrivals::Burst { operations: 3_000, at: MS(500), every: None };
    let scenario = Scenario::new(MS(60_000), arrivals, told).in_world(|world| world.faults = vec![down(errors(1.0))]);
    let above = Jitter::Additive(Additive { above: MS(3_000), ..Additive::default() });
    for (jitter, mean, max, peak) in [(Jitter::None, 5.0, 5.0, 3_000.0), (above, 6.5, 8.0, 1_000.0)] {
        let result = run(&scenario, honours(jitter));
        let of = |metric| value(&result, metric).unwrap();
        assert!((of("latency_mean") - mean).abs() < 0.06, "{}", of("latency_mean"));
        assert!((max - 0.02..=max).contains(&of("latency_max")), "{}", of("latency_max"));
        assert!((of("recovery_peak") - peak).abs() < 120.0, "{}", of("recovery_peak"));
    }
}

/// The server's word goes before the list of what is retried, both ways, for who heeds it.
#[test]
fn should_retry() {
    for (list, word, heeds, attempts) in [
        (503, None, true, 2.0),
        (503, Some(false), true, 1.0),
        (503, Some(false), false, 2.0),
        (429, None, true, 1.0),
        (429, Some(true), true, 2.0),
        (429, Some(true), false, 1.0),
    ] {
        let server = ServerConfig {
            should_retry: word.map(|word| (503, word)).into_iter().collect(),
            ..ServerConfig::named("s")
        };
        let policy = RetryPolicy {
            retry_on: OutcomeSet::new(vec![OutcomeClass::Status(list)]),
            heeds_should_retry: heeds,
            ..tries(2)
        };
        check(&format!("{list} {word:?} {heeds}"), &run(&failing(server), policy), &[("attempts", attempts)]);
    }
}

/// A hint is a reason to retry what would not be retried; a hint that is too long, one to give up.
#[test]
fn hints_decide() {
    let only_429 = OutcomeSet::new(vec![OutcomeClass::Status(429)]);
    let with = |hints| RetryPolicy {
        retry_on: only_429.clone(),
        retry_after: RetryAfter::Honour(Box::new(hints)),
        ..tries(2)
    };
    let triggers = |status| Hints { triggers: OutcomeSet::new(vec![OutcomeClass::Status(status)]), ..Hints::default() };
    let server = || waits_1_250(HintFormat::Seconds);
    check("triggered", &run(&failing(server()), with(triggers(503))), &[("succeeded", 1.0), ("attempts", 2.0)]);
    check("not this one", &run(&failing(server()), with(triggers(413))), &[("attempts", 1.0)]);
    check("no hint", &run(&failing(ServerConfig::named("s")), with(triggers(503))), &[("attempts", 1.0)]);
    for (over_max, attempts) in [(simlab::retry::OverMax::Stop, 1.0), (simlab::retry::OverMax::Cap, 2.0)] {
        let hints = Hints { max: Some(MS(1_000)), over_max, ..triggers(503) };
        check(&format!("{over_max:?}"), &run(&failing(server()), with(hints)), &[("attempts", attempts)]);
    }
}

/// After a hint, an exponential backoff may begin anew: gRPC's does.
#[test]
fn a_curve_begins_anew() {
    let server = ServerConfig { retry_after: vec![(429, constant(100))], ..ServerConfig::named("s") };
    let fates = |status, from, until| Fault {
        fates: Fates { errors: vec![(status, 1.0)], ..Fates::default() },
        ..fault(from, until)
    };
    let mut scenario =
        Scenario::new(MS(60_000), Arrivals::Burst { operations: 1, at: Span::ZERO, every: None }, server);
    // 503 at 0, 1 and 3 s; 429 at 7 s, which says 100 ms; 503 from then on.
    scenario.world_mut().faults = vec![fates(503, 0, 6_500), fates(429, 6_500, 7_050), fates(503, 7_050, 60_000)];
    let backoff = Backoff::exponential(MS(1_000), 2.0, None);
    for (begins_anew, attempts) in [(true, 7.0), (false, 5.0)] {
        let hints = Hints { begins_anew, ..Hints::default() };
        let policy = RetryPolicy {
            attempts: None,
            deadline: Some(MS(10_500)),
            backoff: backoff.clone(),
            retry_after: RetryAfter::Honour(Box::new(hints)),
            ..RetryPolicy::default()
        };
        // At 0, 1, 3, 7 and 7.1 s; then after 1 and 2 s, or after 16 s, which is too late.
        check(&format!("anew: {begins_anew}"), &run(&scenario, policy), &[("attempts", attempts)]);
    }
}
