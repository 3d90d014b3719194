//! Retry arithmetic on a server without limits: how many succeed, at how many attempts, with how many executions.

use simlab::distribution::Distribution;
use simlab::experiment::PolicyResult;
use simlab::retry::{Backoff, KeyMode, OutcomeClass, OutcomeSet, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Frame, Idempotency, LockConfig, Scenario, ServerConfig, World};
use simlab::units::Span;

use super::{check, check_values, compare, open_loop, run, values};

/// 10 replications of so many operations; `failing` before the work, `lost` replies after it.
fn scenario(failing: f64, lost: f64, idempotency: Idempotency, operations: u64) -> Scenario {
    let fates = Fates { errors: vec![(500, failing)], lost_replies: lost, ..Fates::default() };
    let server = ServerConfig { fates, idempotency, ..ServerConfig::named("s") };
    Scenario::from_parts(
        Frame { seed: 20_261_124, replications: 10, ..Frame::lasting(Span::secs(operations / 1_000)) },
        World::new(Arrivals::Constant { rate: 1_000.0 }, server),
    )
}

/// Retries at once; notices a lost reply after a second.
fn retry(attempts: u32, key: KeyMode) -> RetryPolicy {
    RetryPolicy {
        attempts: Some(attempts),
        timeout: Some(Span::secs(1)),
        backoff: Backoff::none(),
        key,
        ..RetryPolicy::default()
    }
}

/// A store that locks, and keeps replies for `retention`.
fn lock(retention: Span) -> Idempotency {
    Idempotency::Lock(LockConfig { retention, ..LockConfig::default() })
}

/// What becomes of calls of at most `n` attempts, each of which fails before the work with probability `f`, and does it but loses its reply
/// with `q`. With s = 1 − f − q a call makes A = (1 − (f + q)ⁿ)/s attempts and (1 − f)·A executions, of which (1 − f)·A − (1 − fⁿ) are
/// duplicates; it fails although its work was done with probability (f + q)ⁿ − fⁿ.
struct LostReplies {
    f: f64,
    q: f64,
    n: u32,
    success: f64,
    attempts: f64,
    executions: f64,
    /// Share of calls with a duplicate.
    duplicated: f64,
    duplicates: f64,
    /// Calls that failed although their work was done.
    phantoms: f64,
}

const LOST_REPLIES: [LostReplies; 4] = [
    LostReplies {
        f: 0.0,
        q: 0.05,
        n: 3,
        success: 0.999_875,
        attempts: 1.052_5,
        executions: 1.052_5,
        duplicated: 0.05,
        duplicates: 0.052_5,
        phantoms: 0.000_125,
    },
    LostReplies {
        f: 0.10,
        q: 0.05,
        n: 4,
        success: 0.999_494,
        attempts: 1.175_875,
        executions: 1.058_288,
        duplicated: 0.055_350,
        duplicates: 0.058_388,
        phantoms: 0.000_406_25,
    },
    LostReplies {
        f: 0.02,
        q: 0.01,
        n: 3,
        success: 0.999_973,
        attempts: 1.030_9,
        executions: 1.010_282,
        duplicated: 0.010_192,
        duplicates: 0.010_290,
        phantoms: 0.000_019,
    },
    LostReplies {
        f: 0.20,
        q: 0.20,
        n: 5,
        success: 0.989_760,
        attempts: 1.649_6,
        executions: 1.319_680,
        duplicated: 0.248_320,
        duplicates: 0.32,
        phantoms: 0.009_920,
    },
];

/// Enough for standard errors that are estimated from ten replications: the true one is half of what is asked for, or less. Where little
/// fails, more operations are needed to know how much.
fn operations(failing: f64) -> u64 {
    if failing < 0.04 { 1_600_000 } else { 800_000 }
}

/// The tolerance of a share p: over 8 million operations, 8 standard deviations of a binomial.
fn share_tolerance(p: f64) -> f64 {
    0.003 * (p * (1.0 - p)).sqrt()
}

/// The tolerance of a count per operation that is 1 without faults: 0.2% of it, and 2% of what the faults add.
fn count_tolerance(expected: f64) -> f64 {
    (0.002 * expected).min(0.02 * (expected - 1.0))
}

fn per_operation(result: &PolicyResult, metric: &str) -> Vec<f64> {
    values(result, metric).iter().zip(values(result, "operations")).map(|(count, of)| count / of).collect()
}

/// Truncated geometric: success 1 − pⁿ, attempts (1 − pⁿ)/(1 − p).
#[test]
fn truncated_geometric() {
    for (p, n, success, attempts, given_success) in [
        (0.1, 3, 0.999, 1.11, 1.108_108),
        (0.3, 4, 0.991_9, 1.417, 1.395_907),
        (0.5, 5, 0.968_75, 1.937_5, 1.838_710),
        (0.9, 10, 0.651_322, 6.513_216, 4.646_601),
        (0.01, 2, 0.999_9, 1.01, 1.009_901),
    ] {
        let result =
            run(&scenario(p, 0.0, Idempotency::None, operations(p)).with_policy("retry", retry(n, KeyMode::None), &[]));
        let case = format!("p {p}, n {n}");
        check(&case, &result, "success_rate", success, share_tolerance(success));
        check(&case, &result, "attempts_per_operation", attempts, count_tolerance(attempts));
        // Attempts of successful operations: all attempts less n for each failure.
        let of_successes: Vec<f64> = values(&result, "attempts")
            .iter()
            .zip(values(&result, "failed"))
            .zip(values(&result, "succeeded"))
            .map(|((attempts, failed), succeeded)| (attempts - f64::from(n) * failed) / succeeded)
            .collect();
        check_values(
            &format!("{case}: attempts given success"),
            &of_successes,
            given_success,
            count_tolerance(given_success),
        );
    }
}

/// Lost replies make duplicates without a key, or with one per attempt; a stable key makes exactly none.
#[test]
fn duplicate_executions() {
    for LostReplies { f, q, n, success, attempts, executions, duplicated, duplicates, phantoms } in LOST_REPLIES {
        let scenario = scenario(f, q, lock(Span::secs(24 * 3_600)), operations(f + q))
            .with_policy("no key", retry(n, KeyMode::None), &[])
            .with_policy("key per attempt", retry(n, KeyMode::PerAttempt), &[])
            .with_policy("stable key", retry(n, KeyMode::PerOperation), &[]);
        let result = compare(&scenario);
        let [plain, per_attempt, keyed] = &result.policies[..] else { panic!("three policies") };
        for result in [plain, keyed] {
            let case = format!("f {f}, q {q}, n {n}, {}", result.name);
            check(&case, result, "success_rate", success, share_tolerance(success));
            check(&case, result, "attempts_per_operation", attempts, count_tolerance(attempts));
            let seen = per_operation(result, "phantom_successes");
            check_values(&format!("{case}: phantom successes"), &seen, phantoms, share_tolerance(phantoms));
        }
        let case = format!("f {f}, q {q}, n {n}");
        for (metric, expected, tolerance) in [
            ("executions", executions, count_tolerance(executions)),
            ("duplicated_operations", duplicated, share_tolerance(duplicated)),
        ] {
            check_values(&format!("{case}: {metric}"), &per_operation(plain, metric), expected, tolerance);
        }
        check(&case, plain, "duplicate_rate", duplicates, 1.5 * share_tolerance(duplicates));
        // A fresh key per attempt protects from nothing: the same run, attempt by attempt.
        assert_eq!(per_attempt.digest, plain.digest, "{case}");
        assert_eq!(per_attempt.timeline, plain.timeline, "{case}");
        for (fresh, none) in per_attempt.metrics.iter().zip(&plain.metrics) {
            assert_eq!(fresh.values, none.values, "{case}: {}", fresh.name);
        }
        // A stable key executes once if at all, and only what never got through is not executed.
        assert!(
            values(keyed, "duplicates").iter().all(|count| *count == 0.0),
            "{case}: a stable key makes no duplicate"
        );
        assert_eq!(values(keyed, "executions"), values(keyed, "effects"), "{case}");
        let executed = per_operation(keyed, "executions");
        let never = f.powi(n as i32);
        check_values(&format!("{case}: executed"), &executed, 1.0 - never, share_tolerance(never).max(1e-6));
    }
}

/// Whether the reply is lost after the work or the connection breaks is the same to the books of who retries both: to the last operation. Who retries broken connections
/// and no time-outs fails with the one, and charges twice with the other.
#[test]
fn late_resets_are_lost_replies_that_are_heard_of() {
    let counts =
        ["attempts", "succeeded", "failed", "executions", "duplicates", "duplicated_operations", "phantom_successes"];
    for LostReplies { f, q, n, duplicates, .. } in LOST_REPLIES {
        let late = |policy: RetryPolicy| {
            let lost = scenario(f, q, Idempotency::None, operations(f + q) / 8);
            let late = lost.clone().in_world(|world| {
                let fates = &mut world.servers[0].fates;
                fates.late_resets = std::mem::take(&mut fates.lost_replies);
            });
            [lost, late].map(|scenario| run(&scenario.with_policy("p", policy.clone(), &[])))
        };
        let case = format!("f {f}, q {q}, n {n}");
        let [lost, reset] = late(retry(n, KeyMode::None));
        for count in counts {
            assert_eq!(values(&lost, count), values(&reset, count), "{case}: {count}");
        }
        let connections = OutcomeSet::new(vec![OutcomeClass::Connection, OutcomeClass::ServerErrors]);
        let [lost, reset] = late(RetryPolicy { retry_on: connections, ..retry(n, KeyMode::None) });
        assert!(values(&lost, "duplicates").iter().all(|count| *count == 0.0), "{case}: a time-out is the end");
        check(&case, &reset, "duplicate_rate", duplicates, 5.0 * share_tolerance(duplicates));
    }
}

/// Time-outs as the source of duplicates: with exponential work of mean m, a time-out τ and retries at once, each attempt is executed, and its reply comes too late with
/// q = e^(−τ/m). Then it is as with lost replies.
#[test]
fn work_that_outlasts_the_time_out() {
    for (m, timeout, n, success, executions, phantoms, mean) in [
        (100, 300, 3, 0.999_877, 1.052_266, 1.234_1e-4, 0.099_889),
        (200, 250, 3, 0.976_482, 1.368_590, 0.023_517_7, 0.181_937),
    ] {
        let server = ServerConfig {
            service_time: Distribution::Exponential { mean: Span::millis(m) },
            ..ServerConfig::named("s")
        };
        let policy = RetryPolicy { timeout: Some(Span::millis(timeout)), ..retry(n, KeyMode::None) };
        let result = run(&open_loop(1_000.0, 800, server).with_policy("p", policy, &[]));
        let case = format!("m {m} ms, time-out {timeout} ms");
        check(&case, &result, "success_rate", success, share_tolerance(success));
        let executed = per_operation(&result, "executions");
        check_values(&format!("{case}: executions"), &executed, executions, count_tolerance(executions));
        check(&case, &result, "duplicate_rate", executions - 1.0, 0.02 * (executions - 1.0));
        check(&case, &result, "phantom_rate", phantoms, share_tolerance(phantoms));
        check(&case, &result, "latency_mean", mean, 0.002 * mean);
    }
}

/// A store that forgets a reply before its client asks again is as good as none.
#[test]
fn a_forgetful_store_is_no_store() {
    for LostReplies { f, q, n, .. } in LOST_REPLIES {
        // The second attempt comes after the time-out of a second.
        for (retention, protects) in [(Span::millis(1_001), true), (Span::secs(1), false), (Span::millis(1), false)] {
            let world = |key| run(&scenario(f, q, lock(retention), 20_000).with_policy("retry", retry(n, key), &[]));
            let (plain, keyed) = (world(KeyMode::None), world(KeyMode::PerOperation));
            let case = format!("f {f}, q {q}, n {n}, retention {retention:?}");
            assert!(values(&plain, "duplicates").iter().all(|count| *count > 0.0), "{case}");
            if protects {
                assert!(
                    values(&keyed, "duplicates").iter().zip(values(&plain, "duplicates")).all(|(a, b)| *a < b),
                    "{case}"
                );
            } else {
                assert_eq!(keyed, plain, "{case}");
            }
        }
    }
}

/// The wait of calls that succeed, Σ E[d_k]·(pᵏ − pⁿ)/(1 − pⁿ) over the retries k: waits must follow the formula of their backoff and be
/// independent of what becomes of attempts. Decorrelated jitter's mean is base·(2·1.5ᵏ − 1) as long as the cap is out of reach.
#[test]
fn waits_of_a_call() {
    let (p, n) = (0.5_f64, 5);
    let (base, cap) = (Span::millis(100), Some(Span::secs(10)));
    for (name, backoff, means) in [
        ("fixed", Backoff::fixed(base), [0.1, 0.1, 0.1, 0.1]),
        ("exponential", Backoff::exponential(base, 2.0, cap), [0.1, 0.2, 0.4, 0.8]),
        ("full-jitter", Backoff::full_jitter(base, 2.0, cap), [0.05, 0.1, 0.2, 0.4]),
        ("equal-jitter", Backoff::equal_jitter(base, 2.0, cap), [0.075, 0.15, 0.3, 0.6]),
        ("decorrelated-jitter", Backoff::decorrelated_jitter(base, cap), [0.2, 0.35, 0.575, 0.912_5]),
    ] {
        let policy = RetryPolicy { backoff, ..retry(n, KeyMode::None) };
        let result = run(&scenario(p, 0.0, Idempotency::None, 100_000).with_policy(name, policy, &[]));
        let fails_after = |k: i32| p.powi(k);
        let expected: f64 = (1..)
            .zip(means)
            .map(|(k, mean)| mean * (fails_after(k) - fails_after(n as i32)) / (1.0 - fails_after(n as i32)))
            .sum();
        check(name, &result, "latency_mean", expected, 0.015 * expected);
    }
}
