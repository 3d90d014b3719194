//! Retry arithmetic on a server without limits: how many succeed, at how many attempts, with how many executions.

use simlab::retry::{Backoff, KeyMode, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Idempotency, Scenario, ServerConfig};
use simlab::units::Span;

use super::{check, check_values, run, values};

/// 10 × 200,000 operations; `failing` before the work, `lost` replies after it.
fn scenario(
    failing: f64,
    lost: f64,
    attempts: u32,
    key: KeyMode,
    idempotency: Idempotency,
    operations: u64,
) -> Scenario {
    let fates = Fates { errors: vec![(500, failing)], lost_replies: lost, ..Fates::default() };
    let server = ServerConfig { fates, idempotency, ..ServerConfig::named("s") };
    let policy = RetryPolicy {
        attempts: Some(attempts),
        timeout: Some(Span::secs(1)),
        backoff: Backoff::none(),
        key,
        ..RetryPolicy::default()
    };
    let seconds = operations / 1_000;
    Scenario {
        seed: 20_261_124,
        replications: 10,
        ..Scenario::new(Span::secs(seconds), Arrivals::Constant { rate: 1_000.0 }, server)
    }
    .with_policy("retry", policy, &[])
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
        let result = run(&scenario(p, 0.0, n, KeyMode::None, Idempotency::None, 400_000));
        let case = format!("p {p}, n {n}");
        // Tolerances: 5 standard deviations of a binomial over 4 million operations, and 0.2% of the attempts.
        check(&case, &result, "success_rate", success, 0.000_02_f64.max(0.004 * (success * (1.0 - success)).sqrt()));
        check(&case, &result, "attempts_per_operation", attempts, 0.002 * attempts);
        // Attempts of successful operations: all attempts less n for each failure.
        let of_successes: Vec<f64> = values(&result, "attempts")
            .iter()
            .zip(values(&result, "failed"))
            .zip(values(&result, "succeeded"))
            .map(|((attempts, failed), succeeded)| (attempts - f64::from(n) * failed) / succeeded)
            .collect();
        check_values(&format!("{case}: attempts given success"), &of_successes, given_success, 0.002 * given_success);
    }
}

/// Lost replies make duplicates without a key, or with one per attempt; a stable key makes exactly none.
#[test]
fn duplicate_executions() {
    let lock = Idempotency::Lock {
        retention: Span::secs(3_600 * 24),
        lock_ttl: Some(Span::secs(30)),
        conflict_status: 409,
        store_errors: false,
    };
    for (f, q, n, success, attempts, executions, duplicated, duplicates, ghosts) in [
        (0.0, 0.05, 3, 0.999_875, 1.052_5, 1.052_5, 0.05, 0.052_5, 0.000_125),
        (0.10, 0.05, 4, 0.999_494, 1.175_875, 1.058_288, 0.055_350, 0.058_388, 0.000_406_25),
        (0.02, 0.01, 3, 0.999_973, 1.030_9, 1.010_282, 0.010_192, 0.010_290, 0.000_019),
        (0.20, 0.20, 5, 0.989_760, 1.649_6, 1.319_680, 0.248_320, 0.32, 0.009_920),
    ] {
        let per_operation = |result: &simlab::experiment::PolicyResult, metric: &str| -> Vec<f64> {
            values(result, metric).iter().zip(values(result, "operations")).map(|(count, of)| count / of).collect()
        };
        // A share's tolerance: 5 standard deviations over the 4 million operations, at least.
        let share = |p: f64| 0.005 * (p * (1.0 - p)).sqrt();
        for (key, store) in [(KeyMode::None, Idempotency::None), (KeyMode::PerAttempt, lock.clone())] {
            let result = run(&scenario(f, q, n, key, store, 400_000));
            let case = format!("f {f}, q {q}, n {n}, {key:?}");
            check(&case, &result, "success_rate", success, share(success));
            check(&case, &result, "attempts_per_operation", attempts, 0.002 * attempts);
            check_values(
                &format!("{case}: executions"),
                &per_operation(&result, "executions"),
                executions,
                0.002 * executions,
            );
            check_values(
                &format!("{case}: duplicated"),
                &per_operation(&result, "duplicated_operations"),
                duplicated,
                share(duplicated),
            );
            check(&case, &result, "duplicate_rate", duplicates, 1.5 * share(duplicates));
            check_values(
                &format!("{case}: ghosts"),
                &per_operation(&result, "phantom_successes"),
                ghosts,
                share(ghosts),
            );
        }
        let keyed = run(&scenario(f, q, n, KeyMode::PerOperation, lock.clone(), 400_000));
        let case = format!("f {f}, q {q}, n {n}, stable key");
        check(&case, &keyed, "success_rate", success, share(success));
        check(&case, &keyed, "attempts_per_operation", attempts, 0.002 * attempts);
        check_values(&format!("{case}: ghosts"), &per_operation(&keyed, "phantom_successes"), ghosts, share(ghosts));
        assert!(values(&keyed, "duplicates").iter().all(|n| *n == 0.0), "{case}: a stable key makes no duplicate");
        assert!(values(&keyed, "executions").iter().zip(values(&keyed, "operations")).all(|(e, o)| *e <= o));
    }
}
