//! What each scenario is there to show, held against its results.

use super::{mean, results};

/// Names of a scenario's policies.
fn policies(scenario: &str) -> Vec<&'static str> {
    results()[scenario].comparison.policies.iter().map(|policy| policy.name.as_str()).collect()
}

/// `value` lies within `off` of `expected`.
fn close(what: &str, value: f64, expected: f64, off: f64) {
    assert!((value - expected).abs() <= off, "{what}: {value}, expected {expected} ± {off}");
}

#[test]
fn stripe_outage() {
    let metric = |policy: &str, metric: &str| mean("stripe-outage", policy, metric);
    for policy in ["immediate", "fixed", "exponential", "full-jitter", "decorrelated"] {
        assert!(metric(policy, "duplicates") > 100.0, "{policy} charges nobody twice");
        assert!(metric(policy, "success_rate") > metric("no-retry", "success_rate") + 0.15, "{policy}");
        assert!(policy == "immediate" || metric(policy, "peak_load") < metric("immediate", "peak_load"), "{policy}");
    }
    // Exactly none, in every replication.
    assert_eq!((metric("key-v1", "duplicates"), metric("key-v2", "duplicates")), (0.0, 0.0));
    assert!(metric("key-v2", "success_rate") > metric("full-jitter", "success_rate"));
    // What failed once fails for good, against a store that keeps the error.
    assert!(metric("key-v1", "success_rate") < metric("full-jitter", "success_rate") - 0.1);
    // While it is open the load collapses, and with it what gets through.
    assert!(metric("breaker", "load_mean") < metric("no-retry", "load_mean"));
    assert!(metric("breaker", "success_rate") < metric("no-retry", "success_rate"));
}

#[test]
fn thundering_herd() {
    let wave = |policy: &str| mean("thundering-herd", policy, "wave");
    assert_eq!(wave("fixed"), 10_000.0);
    assert_eq!(wave("exponential"), 10_000.0);
    assert!(policies("thundering-herd").iter().all(|policy| wave(policy) >= wave("full-jitter")));
    // The cap on top of the jitter keeps late retries in step.
    assert!(wave("additive-cap-last") > 1.2 * wave("additive-cap-first"));
    assert!(wave("additive-cap-last") < 0.2 * wave("fixed"));
    assert_eq!(mean("thundering-herd", "exponential", "attempts_per_operation"), 7.0);
    assert_eq!(mean("thundering-herd", "fixed", "attempts_per_operation"), 52.0);
}

#[test]
fn metastable() {
    let recovered = |policy: &str| {
        let comparison = &results()["metastable"].comparison;
        let result = comparison.policies.iter().find(|result| result.name == policy).expect("the policy");
        result.named("recovery").expect("the metric").values.iter().flatten().filter(|time| time.is_finite()).count()
    };
    for (policy, runs) in
        [("no-retry", 10), ("retry-once", 0), ("full-jitter", 0), ("budget-10", 0), ("budget-5", 10), ("breaker", 10)]
    {
        assert_eq!(recovered(policy), runs, "{policy}");
    }
}

#[test]
fn flaky_checkout() {
    let metric = |policy: &str, metric: &str| mean("flaky-checkout", policy, metric);
    close("success without retries", metric("no-retry", "success_rate"), 0.713, 0.001);
    for policy in ["four-attempts", "four-at-once"] {
        close("success with four attempts", metric(policy, "success_rate"), 0.986, 0.0005);
        close("attempts", metric(policy, "attempts_per_call.step.charge"), 1.40, 0.005);
    }
    close("errors a day without", metric("no-retry", "failed") / 365.0, 47.0, 0.5);
    close("errors a day with", metric("four-attempts", "failed") / 365.0, 2.3, 0.1);
    // 0.9922 · (1 − 0.2814⁵), and 0.9922 · (1 − 0.2814⁵) ÷ (1 − 0.2814) + 0.0078 · 5: who fails for good makes all five attempts.
    close("success with five attempts", metric("five-attempts", "success_rate"), 0.990_45, 0.0002);
    close("errors a day with five", metric("five-attempts", "failed") / 365.0, 1.566, 0.05);
    close("attempts of five", metric("five-attempts", "attempts_per_call.step.charge"), 1.4173, 0.002);
    // One order in 2,000 meets a crash: by hand that is left half done, with a journal it goes on when its process is back.
    let crashes = 0.0005 * 164.0 * 365.0;
    for policy in ["no-retry", "four-and-by-hand"] {
        assert_eq!(metric(policy, "half_done"), metric(policy, "client_crashes"), "{policy}");
        close("half done by hand", metric(policy, "half_done"), crashes, 3.0);
    }
    close("half done", metric("four-attempts", "half_done"), 0.0, 0.1);
    close("goes on after the restart", metric("four-attempts", "repair_mean"), 5.5, 0.5);
    assert_eq!(metric("four-attempts", "duplicates"), 0.0);
    // Where the reply that nobody has read was a success, it is charged again.
    let charged_before = metric("no-retry", "success_rate") * metric("four-without-key", "client_crashes");
    close("charged twice", metric("four-without-key", "duplicates.step.charge"), charged_before, 1.5);
}

#[test]
fn rate_limited_api() {
    let refused = |policy: &str| mean("rate-limited-api", policy, "outcome_429");
    assert!(refused("immediate") > 2.5 * refused("larger-base"));
    assert!(refused("honours-hint") < refused("immediate") && refused("larger-base") < refused("ignores-hint"));
    assert!(mean("rate-limited-api", "larger-base", "success_rate") > 0.999);
    // Who honours the hint is refused more often than who ignores it, and fails more often.
    assert!(refused("honours-hint") > refused("ignores-hint"));
    let success = |policy: &str| mean("rate-limited-api", policy, "success_rate");
    assert!(success("honours-hint") < success("ignores-hint") - 0.015);
    assert_eq!(mean("rate-limited-api", "never-retries-429", "retries"), 0.0);
}

#[test]
fn brownout() {
    let metric = |policy: &str, metric: &str| mean("brownout", policy, metric);
    assert!(metric("immediate", "peak_ratio") > 5.0);
    assert!(metric("immediate", "wasted_work") > metric("breaker", "wasted_work"));
    assert!(metric("breaker", "success_rate") > metric("no-retry", "success_rate") + 0.03);
    close("a budget bounds its retries", metric("budget", "attempts_per_operation"), 1.0, 0.1);
}

#[test]
fn breaker_tradeoff() {
    let available = |policy: &str| mean("breaker-tradeoff", policy, "success_rate");
    close("without", available("no-breaker"), 0.5, 0.002);
    close("five, 10 s", available("five-10s"), 0.121_212, 0.004);
    close("five, 30 s", available("five-30s"), 0.048_19, 0.003);
    close("ten, 10 s", available("ten-10s"), 0.455_5, 0.006);
}

#[test]
fn retry_everything() {
    let metric = |policy: &str, metric: &str| mean("retry-everything", policy, metric);
    close("nothing is gained", metric("everything", "success_rate"), metric("retryable-only", "success_rate"), 0.001);
    assert!(metric("everything", "attempts_per_operation") > 1.4 * metric("retryable-only", "attempts_per_operation"));
    assert!(metric("everything", "failure_latency_p50") > 10.0 * metric("retryable-only", "failure_latency_p50"));
    assert!(metric("not-429", "success_rate") < metric("retryable-only", "success_rate"));
}

#[test]
fn endless_retry() {
    let metric = |policy: &str, metric: &str| mean("endless-retry", policy, metric);
    assert_eq!(metric("five-attempts", "unresolved"), 0.0);
    for policy in ["endless", "endless-with-backoff"] {
        assert!(metric(policy, "unresolved") > 10.0, "{policy}");
    }
    assert_eq!(metric("endless-with-deadline", "unresolved"), 0.0);
    // Twenty a second each, for half of the run on average: thousands of attempts for every one that can succeed.
    assert!(metric("endless", "attempts_per_operation") > 20.0 * metric("five-attempts", "attempts_per_operation"));
}

#[test]
fn cron_herd() {
    let metric = |policy: &str, metric: &str| mean("cron-herd", policy, metric);
    close(
        "a retry at once finds the queue as full",
        metric("immediate", "success_rate"),
        metric("no-retry", "success_rate"),
        0.005,
    );
    assert!(metric("wide-jitter", "success_rate") > 0.999);
    assert!(policies("cron-herd").iter().all(|policy| metric(policy, "peak_load") <= metric("immediate", "peak_load")));
}

#[test]
fn slow_success() {
    let metric = |policy: &str, metric: &str| mean("slow-success", policy, metric);
    close("operations charged twice", metric("retry", "duplicate_rate"), 0.0326, 0.001);
    assert_eq!(metric("key", "duplicates"), 0.0);
    assert_eq!(metric("key-per-attempt", "duplicates"), metric("retry", "duplicates"), "a fresh key is no key");
    assert!(metric("longer-timeout", "duplicate_rate") < 0.001);
}

#[test]
fn shared_or_own_breaker() {
    let metric = |policy: &str, metric: &str| mean("shared-or-own-breaker", policy, metric);
    // By renewal and reward: 0.9/(1 + λ·O·p^k) with λ = 10/s and with λ = 1,000/s.
    close("own breakers", metric("own-breaker", "success_rate"), 0.9 * 0.997, 0.003);
    close("one breaker", metric("shared-breaker", "success_rate"), 0.9 * 0.769, 0.04);
    assert!(metric("shared-budget", "success_rate") > metric("own-budget", "success_rate"));
}

#[test]
fn retry_budget() {
    let metric = |policy: &str, metric: &str| mean("retry-budget", policy, metric);
    // Without a budget, or with one that gives each client ten retries a second, the service stays down.
    for policy in ["no-budget", "twenty-per-cent"] {
        assert!(metric(policy, "success_rate") < metric("no-retry", "success_rate") - 0.3, "{policy}");
        assert!(metric(policy, "attempts_per_operation") > 1.5, "{policy}");
    }
    for policy in ["aws-quota", "grpc-throttle", "twenty-without-floor", "ten-per-cent", "envoy-budget"] {
        close(policy, metric(policy, "success_rate"), metric("no-retry", "success_rate"), 0.01);
        assert!(metric(policy, "budget_refused") + metric(policy, "concurrency_refused") > 0.0, "{policy}");
    }
    // A fifth, and a tenth, of the first attempts at most.
    assert!(metric("twenty-without-floor", "attempts_per_operation") <= 1.2);
    assert!(metric("ten-per-cent", "attempts_per_operation") <= 1.1);
}

#[test]
fn sdk_shootout() {
    let metric = |policy: &str, metric: &str| mean("sdk-shootout", policy, metric);
    // Who gives up: a charge is a POST, which these do not repeat, or whose throttle is soon empty.
    for policy in ["got", "axios-retry", "urllib3", "grpc"] {
        close(policy, metric(policy, "success_rate"), metric("no-retry", "success_rate"), 0.002);
    }
    // Who charges twice: nobody who sends a key, or gives up.
    for policy in policies("sdk-shootout") {
        let twice = metric(policy, "duplicates");
        match policy {
            "no-retry" | "got" | "axios-retry" | "urllib3" | "undici" | "google-api-core" => {
                assert_eq!(twice, 0.0, "{policy}")
            }
            _ if policy.starts_with("stripe") => assert_eq!(twice, 0.0, "{policy}"),
            "grpc" | "envoy" => {}
            _ => assert!(twice > 5.0, "{policy}: {twice}"),
        }
    }
    // Who stampedes: whoever has no budget and many attempts, more than any with a budget.
    for policy in ["aws-sdk-legacy", "google-api-core", "go-retryablehttp"] {
        assert!(metric(policy, "peak_ratio") > 1.3 * metric("aws-sdk-standard", "peak_ratio"), "{policy}");
    }
}

/// The closed form of min(X, 30 ms + Y), what it costs, and what becomes of it when the server is busy.
#[test]
fn hedging_tail() {
    let metric = |policy: &str, metric: &str| mean("hedging-tail", policy, metric);
    let hedges = |policy: &str| metric(policy, "hedges") / metric(policy, "operations");
    for (policy, expected, p999) in [("no-hedge", 0.00995, 1.15129), ("hedge-30ms", 0.0053048, 0.0416577)] {
        close(policy, metric(policy, "latency_mean"), expected, 0.01 * expected);
        close(policy, metric(policy, "latency_p999"), p999, 0.03 * p999);
    }
    close("hedges", hedges("hedge-30ms"), 0.0118716, 0.0004);
    close("twice", metric("hedge-30ms", "duplicate_rate"), 0.0118716, 0.0004);
    close("p95", hedges("hedge-p95"), 0.05, 0.004);
    close("p99", hedges("hedge-p99"), 0.01, 0.001);
    assert!(metric("hedge-p95", "latency_p999") < metric("hedge-30ms", "latency_p999"), "sooner, and more of them");
    // A key on a lock: nothing twice, and nothing gained, to the last nanosecond.
    assert_eq!(metric("hedge-key", "duplicates"), 0.0);
    assert_eq!(metric("hedge-key", "latency_max"), metric("no-hedge", "latency_max"));
    // Twice 1,000 requests a second, of which the workers can do 1,206.
    assert!(metric("busy-plain", "success_rate") > 0.9999);
    assert!(metric("busy-hedge", "success_rate") < 0.001);
    assert!(hedges("busy-hedge") > 0.999);
    assert!(metric("busy-budget", "success_rate") > 0.9999);
    assert!(hedges("busy-budget") <= 0.0201);
}

/// P-C1: writes of all clients and the time until the last has succeeded, as AWS's own simulator has them (aws-samples/aws-arch-backoff-simulator at 66cb169): means of
/// 200 runs of an independent copy in another language, within what is left to chance by 50 runs here.
#[test]
fn occ_contention() {
    for (policy, writes, seconds) in [
        ("no-wait", 2_422.6, 2.0228),
        ("exponential", 1_849.3, 62.994),
        ("equal-jitter", 812.4, 6.673),
        ("full-jitter", 795.4, 4.861),
        ("decorrelated-jitter", 1_002.0, 4.559),
    ] {
        let metric = |metric| mean("occ-contention", policy, metric);
        close(&format!("{policy}: writes"), metric("attempts"), writes, 0.02 * writes);
        close(&format!("{policy}: seconds"), metric("finish"), seconds, 0.06 * seconds);
        assert_eq!((metric("lost_updates"), metric("effects")), (0.0, 100.0), "{policy}");
    }
    let writes = |policy| mean("occ-contention", policy, "attempts");
    let order = ["full-jitter", "equal-jitter", "decorrelated-jitter", "exponential", "no-wait"];
    assert!(order.is_sorted_by(|one, other| writes(one) < writes(other)));
}

#[test]
fn oversell() {
    let metric = |policy: &str, metric: &str| mean("oversell", policy, metric);
    assert!(metric("blind", "lost_update_rate") > 0.1);
    for policy in ["looks", "looks-and-retries", "looks-and-reads-again", "locks"] {
        assert_eq!(metric(policy, "lost_updates"), 0.0, "{policy}");
    }
    // Writing again what was read changes nothing about what was read.
    close("retried", metric("looks-and-retries", "success_rate"), metric("looks", "success_rate"), 0.002);
    assert!(metric("looks-and-reads-again", "success_rate") > 0.9999 && metric("locks", "success_rate") == 1.0);
}

#[test]
fn lock_races() {
    let duplicates = |policy: &str| mean("lock-races", policy, "duplicates");
    assert_eq!((duplicates("all-right"), duplicates("final-409")), (0.0, 0.0));
    for policy in ["lock-of-1s", "freed-by-anyone", "two-steps", "stored-later"] {
        assert!(duplicates(policy) > 10.0, "{policy}");
    }
    assert!(duplicates("freed-by-anyone") > 1.05 * duplicates("lock-of-1s"));
    let phantom = |policy: &str| mean("lock-races", policy, "phantom_successes");
    assert!(phantom("final-409") > 100.0 * phantom("all-right"));
}

#[test]
fn webhook_receiver() {
    let duplicates = |policy: &str| mean("webhook-receiver", policy, "duplicate_rate");
    assert!(duplicates("works-first") > 0.1 && duplicates("answers-202") < 0.002);
    assert_eq!((duplicates("works-first-knows-id"), duplicates("answers-202-knows-id")), (0.0, 0.0));
}

/// How often steps are made again in `crash-resume`: each client has 0.4 orders a second open for the sum of what their steps take, and is up for 600 s of
/// each 605 s; a crash without a journal repeats all steps up to the one in flight, and with one only that.
#[test]
fn crashes_repeat_what_was_in_flight() {
    let of = |policy: &str, metric: &str| mean("crash-resume", policy, metric);
    let crashes = 50.0 * 1_800.0 / 605.0;
    let close = |value: f64, expected: f64, share: f64| {
        assert!((value / expected - 1.0).abs() < share, "{value}, expected {expected}");
    };
    // Ten replications of 149 crashes: 2.6% is one standard error.
    close(of("no-journal", "client_crashes"), crashes, 0.08);
    let steps = [0.020, 0.300, 0.050];
    let repeats: f64 = steps.iter().zip(1..).map(|(seconds, made)| seconds * f64::from(made)).sum();
    // A few hundred repeats each: 5% to 7% is one standard error.
    close(of("no-journal", "steps_repeated"), crashes * 0.4 * repeats, 0.2);
    close(of("each-step", "steps_repeated"), crashes * 0.4 * steps.iter().sum::<f64>(), 0.2);
    // Down for 5 s, and what is left of the order.
    close(of("each-step", "repair_mean"), 5.0 + 0.31, 0.03);
    close(of("each-step-and-takeover", "repair_mean"), 1.0 + 0.31, 0.1);
}
