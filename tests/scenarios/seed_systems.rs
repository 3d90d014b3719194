//! `docs/SEED-SYSTEMS.md`: the retry systems that engineers keep writing, and what each was measured to do here.

use simlab::metrics::statistics::summarise;
use simlab::retry::Backoff;
use simlab::units::Span;

use super::{charged_once, check_file, mean, nothing_lost, results};

/// One system: its number and name, what it does, and where its effect is seen, in measured figures.
type Row = (&'static str, &'static str, String);

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

pub fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let grouped: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|chunk| std::str::from_utf8(chunk).expect("digits")).collect();
    grouped.join(",")
}

/// The longest wait of a client with additive jitter of a second, a base of a second, and a cap, in seconds.
fn longest(cap: u64, retries: u32, cap_before: bool) -> f64 {
    let backoff = Backoff::additive_jitter(Span::secs(1), 2.0, Some(Span::secs(cap)), Span::secs(1), cap_before);
    let longest = backoff.table(retries).iter().map(|row| row.max).fold(0.0, f64::max);
    assert!(longest < cap as f64, "a cap of {cap} s is reached");
    longest
}

/// By how much this metric is higher with the hint honoured than with the hint ignored, times a factor, paired over the replications.
fn hint_costs(metric: &str, factor: f64) -> String {
    let values = |policy: &str| {
        let policies = &results()["rate-limited-api"].comparison.policies;
        let result = policies.iter().find(|result| result.name == policy).expect("the policy is there");
        let values = &result.named(metric).expect("the metric is there").values;
        values.iter().map(|value| value.expect("a value")).collect::<Vec<f64>>()
    };
    let (honoured, ignored) = (values("honours-hint"), values("ignores-hint"));
    let differences: Vec<f64> = honoured.iter().zip(&ignored).map(|(h, i)| factor * (h - i)).collect();
    let cost = summarise(&differences);
    let half_width = cost.half_width(0.95).expect("several replications");
    assert!(cost.mean > half_width, "honouring the hint costs {metric}");
    format!("{:.1} ± {half_width:.1}", cost.mean)
}

/// What the figures published for an order system rest on.
fn calibration() -> String {
    let value = |policy: &str, metric: &str| mean("flaky-checkout", policy, metric);
    let row = |policy: &str| {
        format!(
            "{:.2}% of orders, {:.2} errors a day, {:.3} attempts on average",
            value(policy, "success_rate") * 100.0,
            value(policy, "failed") / 365.0,
            value(policy, "attempts_per_call.step.charge")
        )
    };
    format!(
        "The figures that engineers of one order system published (71.3% of orders without retries and 98.6% with them, 1.4 attempts, 47 errors a day \
         before and 2 after) are met by three fitted parameters in `flaky-checkout`: the share of attempts that fail, the share of orders that fail for good, \
         and the orders of a day. Four attempts give {}. The five attempts of the published code, in the same world, give {}. \
         Of crashes they give no figure: of {:.0} orders a year whose process dies in the middle of the charge, {:.0} are left half done by hand, and \
         {:.2} with a journal and a key, {:.1} s later on average; retries change nothing about that.\n",
        row("four-attempts"),
        row("five-attempts"),
        value("four-and-by-hand", "client_crashes"),
        value("four-and-by-hand", "half_done"),
        value("four-attempts", "half_done"),
        value("four-attempts", "repair_mean")
    )
}

/// What a ban does to those who go on asking.
fn banned() -> String {
    let success = |policy| percent(mean("banned", policy, "success_rate"));
    let (impatient, patient) = (success("full-jitter"), success("patient-jitter"));
    format!(
        "retries within the ban's time: {impatient} of calls get through; with more patience than it lasts: {patient} (`banned`)"
    )
}

fn rows() -> Vec<Row> {
    let peak = |scenario, policy| format!("{:.1}×", mean(scenario, policy, "peak_ratio"));
    let wave = |policy| count(mean("thundering-herd", policy, "wave"));
    let success = |scenario, policy| percent(mean(scenario, policy, "success_rate"));
    let attempts = |scenario, policy| format!("{:.2}", mean(scenario, policy, "attempts_per_operation"));
    vec![
        (
            "P1",
            "immediate retry",
            format!(
                "worst peak in an overload: {} of the demand, against {} with full jitter (`cron-herd`); harmless for isolated failures: {} of \
                 orders with {:.2} attempts, as with backoff (`flaky-checkout`)",
                peak("cron-herd", "immediate"),
                peak("cron-herd", "full-jitter"),
                success("flaky-checkout", "four-at-once"),
                mean("flaky-checkout", "four-at-once", "attempts_per_call.step.charge")
            ),
        ),
        (
            "P2",
            "`while (true)` retry",
            format!(
                "never ends under a permanent error: {} operations are unresolved when the run ends, at {} attempts per operation over all \
                 (`endless-retry`)",
                count(mean("endless-retry", "endless", "unresolved")),
                attempts("endless-retry", "endless")
            ),
        ),
        (
            "P3",
            "fixed delay",
            format!(
                "synchronised waves: all clients come back within 100 ms, {} attempts/s (`thundering-herd`)",
                wave("fixed")
            ),
        ),
        (
            "P4",
            "exponential, no jitter",
            format!(
                "sparser waves, still in step: {} attempts per client instead of {}, and the same {} attempts/s (`thundering-herd`)",
                count(mean("thundering-herd", "exponential", "attempts_per_operation")),
                count(mean("thundering-herd", "fixed", "attempts_per_operation")),
                wave("exponential")
            ),
        ),
        (
            "P5",
            "exponential with additive jitter",
            format!(
                "partly out of step. As usually written, with a base of 1 s and either five attempts and a cap of 30 s after the jitter or three \
                 retries and a cap of 10 s before it, no wait reaches its cap (the longest are {:.0} s and {:.0} s), and where it applies makes no \
                 difference. With more retries it does: {} attempts/s with the cap after the jitter, where late retries wait exactly the cap, {} \
                 with the cap before it (`thundering-herd`)",
                longest(30, 4, false),
                longest(10, 3, true),
                wave("additive-cap-last"),
                wave("additive-cap-first")
            ),
        ),
        (
            "P6",
            "full jitter",
            format!(
                "flattest wave: {} attempts/s, against {} with equal and {} with decorrelated jitter (`thundering-herd`)",
                wave("full-jitter"),
                wave("equal-jitter"),
                wave("decorrelated-jitter")
            ),
        ),
        (
            "P7",
            "circuit breaker",
            format!(
                "load collapses while it is open: {:.1} attempts/s on average instead of {:.1} (`stripe-outage`); success depends on its settings: \
                 {} with five failures and 10 s, {} with 30 s, {} with ten failures (`breaker-tradeoff`)",
                mean("stripe-outage", "breaker", "load_mean"),
                mean("stripe-outage", "full-jitter", "load_mean"),
                success("breaker-tradeoff", "five-10s"),
                success("breaker-tradeoff", "five-30s"),
                success("breaker-tradeoff", "ten-10s")
            ),
        ),
        (
            "P8",
            "classification of failures",
            format!(
                "retrying what can never succeed: {} attempts per operation instead of {} for the same {} of success, and failures known after \
                 {:.1} s instead of {:.1} s; without retrying 429, {} (`retry-everything`)",
                attempts("retry-everything", "everything"),
                attempts("retry-everything", "retryable-only"),
                success("retry-everything", "retryable-only"),
                mean("retry-everything", "everything", "failure_latency_p50"),
                mean("retry-everything", "retryable-only", "failure_latency_p50"),
                success("retry-everything", "not-429")
            ),
        ),
        (
            "P9",
            "429 treated apart",
            format!(
                "a larger base after 429 respects the limit: {} refusals per run, against {} with a retry at once. Honouring `Retry-After` does not: it \
                 puts everybody in step, and costs {} more refusals and {} points of success, compared with ignoring it (`rate-limited-api`)",
                count(mean("rate-limited-api", "larger-base", "outcome_429")),
                count(mean("rate-limited-api", "immediate", "outcome_429")),
                hint_costs("outcome_429", 1.0),
                hint_costs("success_rate", -100.0)
            ),
        ),
    ]
}

/// The document is what the runs give.
#[test]
fn the_document_is_measured() {
    let mut text = String::from(
        "# Retry systems and what they do\n\n\
         The retry systems that engineers keep writing, each with the effect it is known for, as measured by the stock scenarios. The figures are means \
         over the replications of the scenario named; `cargo test --release --test scenarios` holds this page against them.\n\n\
         | | system | what it does here |\n|---|---|---|\n",
    );
    for (number, system, effect) in rows() {
        text.push_str(&format!("| {number} | {system} | {effect} |\n"));
    }
    text.push_str(&format!("\n{}", calibration()));
    text.push_str(
        "\n## Charged once\n\n\
         How an effect comes about twice, or is lost. Each was run twice in one small world, 12,000 charges that sometimes take longer than the client waits and whose \
         reply is sometimes lost: as people build it, and with the setting that is right. In files: section 3.13 of the contract, *The cases*.\n\n\
         | | system | as it is, and as it should be |\n|---|---|---|\n",
    );
    for (number, system, effect) in charged_once::rows() {
        text.push_str(&format!("| {number} | {system} | {effect} |\n"));
    }
    text.push_str(&format!("| Q4 | limited, then banned | {} |\n", banned()));
    text.push_str(
        "\n## Nothing lost\n\n\
         What is made again, and what is left half done. Each was run twice in one small world, 6,000 orders that reserve, charge and save, or 7,200 jobs: as people build it, \
         and with the setting that is right. In files: section 3.14 of the contract, *The cases*.\n\n\
         | | system | as it is, and as it should be |\n|---|---|---|\n",
    );
    for (number, system, effect) in nothing_lost::rows() {
        text.push_str(&format!("| {number} | {system} | {effect} |\n"));
    }
    text.push_str(&format!(
        "\n## What they watch, and what breaks it\n\n| | what | where it is here |\n|---|---|---|\n\
         | O1 | latency of operations that needed a retry | `latency_retried_p99`: {:.1} s under `full-jitter` in `stripe-outage`, where `latency_p99` is {:.1} s |\n\
         | O2 | the table by step | {} |\n\
         | O3 | lints | `lock-too-short`, `retention-too-short`, `stored-errors`, `lock-conflict` and others: section 2 of the contract, *Warnings* |\n\n\
         Of the faults that people inject, there are latency, resets, time-outs, lost requests and replies, error statuses, rate limits, stalls, crashes of servers and clients, stores and queues that \
         are down. There is no limit of bandwidth: a request has no size.\n",
        mean("stripe-outage", "full-jitter", "latency_retried_p99"),
        mean("stripe-outage", "full-jitter", "latency_p99"),
        by_step()
    ));
    check_file("docs/SEED-SYSTEMS.md", &text);
}

/// What there is of each step of an order, under the policy that is chosen there.
fn by_step() -> String {
    let of = |step: &str, metric: &str| mean("order-saga", "resume", &format!("{metric}.step.{step}"));
    let row = |step: &str| {
        let calls = of(step, "succeeded") + of(step, "failed");
        format!(
            "{step}: {} calls, {} succeeded, {} needed a retry, {:.2} attempts each, {:.0} ms, {} of attempts answered with an error",
            count(calls),
            percent(of(step, "succeeded") / calls),
            percent(of(step, "retries_needed") / calls),
            of(step, "attempts_per_call"),
            of(step, "duration_mean") * 1e3,
            percent(of(step, "error_replies") / of(step, "attempts"))
        )
    };
    format!("`order-saga`, with `resume`: {}", ["reserve", "charge", "confirm"].map(row).join("; "))
}
