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
                let got = format!("{:?}", policy.policy);
                assert!(got.contains(&expected), "{}: {got}, expected {expected}", entry.name);
            }
            Family::Gate => assert_eq!(policy.gates.len(), 1, "{}", entry.name),
            Family::Hedge => assert!(policy.hedge.is_some(), "{}", entry.name),
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

/// A scenario in which every key has a value.
pub const FULL: &str = r#"
title = "t"
description = "d"
seed = 1
duration = "10s"
drain = "5s"
warmup = "1s"
replications = 2
baseline = "p"
slo = "4s"
peak_window = "2s"
allow = ["few-replications"]
[load]
clients = 3
recover_from = "7s"
arrivals.burst = { operations = 5, at = "1s", every = "3s" }
[operation]
server = "s"
method = "PUT"
[server.s]
workers = 2
queue = 4
when_full = 503
max_wait = "none"
discipline = "fifo"
drop_expired = false
abandoned_work = "finish"
service_time.exponential = { mean = "10ms" }
network.constant = "1ms"
refused = 0.01
lost_requests = 0.01
resets = 0.01
errors = { 500 = 0.01 }
failures = { 500 = 0.01 }
hangs = 0.01
late_errors = { 500 = 0.01 }
lost_replies = 0.01
permanent_errors = { 402 = 0.01 }
retry_after = { 429 = { uniform = { min = "1s", max = "5s" } }, 503 = "1s" }
retry_after_as = "seconds"
should_retry = { 503 = true }
rate_limit = { rate = "10/s", burst = 5, per = "server", status = 429, retry_after = true }
idempotency.lock = { retention = "1d", lock_ttl = "30s", conflict_status = 409, store_errors = false }
[server.other]
[fault.f]
server = "s"
from = "2s"
until = "4s"
refused = 0.01
lost_requests = 0.01
resets = 0.01
errors = { 500 = 0.01 }
failures = { 500 = 0.01 }
hangs = 0.01
late_errors = { 500 = 0.01 }
lost_replies = 0.01
permanent_errors = { 402 = 0.01 }
added_latency.constant = "1ms"
slowdown = 2.0
capacity = 0.5
freeze = false
crash = false
flapping = { mean_on = "1s", mean_off = "2s" }
[fault.g]
server = "other"
series = { file = "tests/recorded/errors.csv", time = "time", status = "status", origin = "none", window = "2s", of = ["5xx"] }
[policy.p]
attempts = 3
timeout = "1s"
timeout_factor = 1.5
timeout_cap = "5s"
deadline = "9s"
retry_for = { limit = "7s", rule = "elapsed" }
backoff.additive-jitter = { base = "1s", factor = 2.0, cap = "8s", jitter = "1s", cap_before = false }
backoff_for.429.exponential = { base = "1s", factor = 2.0, cap = "8s" }
backoff_for.4xx.proportional-jitter = { base = "1s", factor = 2.0, cap = "8s", spread = 0.1 }
retry_on = ["5xx"]
retry_on_idempotent = ["409"]
retries_for = { timeout = 1, "5xx+connection" = 2 }
free_retries = { on = ["refused"], retries = 1, first_only = false }
should_retry = "ignore"
retry_after.honour = { max = "60s", over_max = "cap", formats = ["seconds"], on = ["any"], triggers = [], triggers_idempotent = [], at_least_backoff = false, beyond_backoff = "5s", times_backoff = 2.0, jitter.multiply = { low = 1.0, high = 1.5 }, begins_anew = false }
key = "none"
breaker.consecutive = { failures = 5, open = "30s", edge = "at", probes = 2, successes = 1, half_open_for = "1m", stale = "drop", failures_are = ["5xx"], ignore = ["409"], scope = "client" }
budget.tokens = { capacity = 10, initial = 9, cost = 1, cost_for = { timeout = 2, 5xx = 3 }, charge = "retry", above = 0.1, deposit = 0.1, deposit_on = "success", refund = "none", refill = "1/m", scope = "client" }
throttle.adaptive = { k = 2.0, window = "2m", scope = "client" }
limiter.rate = { rate = "10/s", burst = 5, on_limit = "wait", scope = "client" }
concurrency = { retries = 3, scope = "client" }
hedge.fixed = { delay = "1s", extra = 2, on_failure = "next", losers = "cancel", budget = { ratio = "5%", min_rate = "1/s", window = "10s" }, scope = "client" }
with.load.clients = 5
with.server.s.queue = 7
with.server.s.errors = { 503 = 0.5 }
with.fault.f.until = "8s"
[policy.q]
breaker.rate = { threshold = "50%", calls = 100, open = "30s" }
[policy.t]
breaker.rate = { failures = 5, window = "30s", slots = 10, judge = "tick", tick = "1s", open = "30s", edge = "at", probes = 4, verdict = "all", stale = "drop", failures_are = ["5xx"] }
attempts = 3
concurrency = { share = "20%", min = 2, hold = "attempt" }
limiter.cubic = { throttled = ["429"], min_rate = "1/s" }
[policy.r]
attempts = 3
breaker.rate = { threshold = "50%", window = "30s", min_calls = 20, judge = "outcome", open = "30s", probes = 1, slow_call = "2s", slow_threshold = "80%" }
budget.ratio = { ratio = "20%", min_rate = "1/s", window = "10s", deposit_on = "first-attempt", rounding = "none" }
limiter.rate = { rate = "10/s", on_limit = "refuse" }
[policy.c]
attempts = 3
[policy.c.backoff.custom]
curve.exponential = { base = "1s", factor = 2.0, whole = "1ms" }
offset = -1
first = "1s"
cap = "8s"
cap_at = "both"
jitter.multiply = { low = 0.5, high = 1.0 }
floor = "1s"
unit = "1ms"
inclusive = false
[policy.c.backoff_for]
501.custom = { curve.constant = { delay = "1s" }, jitter.add = { below = "1s", above = "1s", growth = "1s" } }
502.custom = { curve.linear = { base = "1s", step = "1s" }, jitter.whole-seconds = { share = 0.5 } }
503.custom = { curve.power = { base = "1s", scale = "1s", exponent = 2 }, jitter = "memoryless" }
504.custom.curve.schedule = { delays = ["1s"] }
505.custom.curve.decorrelated = { base = "1s", from = "base" }
506.custom.curve.feedback = { base = "1s" }
507.custom.curve.telescoping = { base = "1s" }
508.power = { base = "1s", scale = "1s", exponent = 2, cap = "9s" }
509.telescoping-jitter = { base = "1s", cap = "9s" }
[policy.u]
preset = "got"
[policy.h]
hedge.percentile = { at = "90%", window = "30s", min = "2ms", extra = 1, on_failure = "next", losers = "cancel", budget = { ratio = "10%", min_rate = "1/s", window = "10s" }, scope = "client" }
[policy.n]
concurrency = { attempts = 10, on_limit = "refuse" }
[policy.l]
attempts = 2
concurrency = { attempts = 10, on_limit = "wait", max_wait = "1s", scope = "client" }
breaker.rate = { threshold = "50%", calls = 100, open = "30s", half_open_for = "1m" }
[policy.m]
attempts = 2
retry_after.honour = { jitter.add = { below = "1s", above = "5s", growth = "1s" } }
[policy.j]
attempts = 2
breaker.consecutive = { failures = 5, open = "30s" }
throttle.adaptive = {}
[policy.i]
attempts = 2
timeout = "1s"
deadline = "9s"
hedge.timeout = { losers = "cancel" }
[decide]
order = ["p99", "wrong"]
weigh = { duplicate = 2, phantom = 3 }
margin = { wrong = "1%", recovery = "3s" }
groups = [["p", "q"], ["r"]]
[[expect]]
policy = "p"
metric = "success_rate"
at_least = "99%"
"#;

/// Values that differ from those of [`FULL`], a line for each key.
const OTHERS: &str = r#"
title = "u"
description = "e"
seed = 2
duration = "11s"
drain = "6s"
warmup = "2s"
replications = 3
baseline = "q"
slo = "none"
peak_window = "3s"
allow = ["open-work"]
load.clients = 4
load.recover_from = "8s"
load.arrivals.burst.operations = 6
load.arrivals.burst.at = "2s"
load.arrivals.burst.every = "none"
operation.server = "other"
operation.method = "POST"
server.s.workers = "unlimited"
server.s.queue = 5
server.s.when_full = "refuse"
server.s.max_wait = "2s"
server.s.discipline = "lifo"
server.s.drop_expired = true
server.s.abandoned_work = "cancel"
server.s.service_time.exponential.mean = "11ms"
server.s.network.constant = "2ms"
server.s.refused = 0.02
server.s.lost_requests = 0.02
server.s.resets = 0.02
server.s.errors.500 = 0.02
server.s.failures.500 = 0.02
server.s.hangs = 0.02
server.s.late_errors.500 = 0.02
server.s.lost_replies = 0.02
server.s.permanent_errors.402 = 0.02
server.s.retry_after.503 = "2s"
server.s.retry_after.503.exponential.mean = "2s"
server.s.retry_after.429.uniform.min = "2s"
server.s.retry_after.429.uniform.max = "6s"
server.s.retry_after.429 = "2s"
server.s.retry_after_as = "date"
server.s.should_retry.503 = false
server.s.rate_limit.rate = "11/s"
server.s.rate_limit.burst = 6
server.s.rate_limit.per = "client"
server.s.rate_limit.status = 503
server.s.rate_limit.retry_after = false
server.s.idempotency.lock.retention = "2d"
server.s.idempotency.lock.lock_ttl = "none"
server.s.idempotency.lock.conflict_status = 425
server.s.idempotency.lock.store_errors = true
fault.f.server = "other"
fault.f.from = "1s"
fault.f.until = "5s"
fault.f.refused = 0.02
fault.f.lost_requests = 0.02
fault.f.resets = 0.02
fault.f.errors.500 = 0.02
fault.f.failures.500 = 0.02
fault.f.hangs = 0.02
fault.f.late_errors.500 = 0.02
fault.f.lost_replies = 0.02
fault.f.permanent_errors.402 = 0.02
fault.f.added_latency.constant = "2ms"
fault.f.slowdown = 3.0
fault.f.capacity = 0.25
fault.f.freeze = true
fault.f.crash = true
fault.f.flapping.mean_on = "2s"
fault.f.flapping.mean_off = "3s"
fault.g.series.file = "tests/recorded/errors-later.csv"
fault.g.series.time = "end"
fault.g.series.status = "upstream"
fault.g.series.origin = "2026-01-01T00:00:01Z"
fault.g.series.window = "3s"
fault.g.series.of = ["429"]
policy.p.attempts = "unlimited"
policy.p.timeout = "2s"
policy.p.timeout_factor = 2.0
policy.p.timeout_cap = "none"
policy.p.deadline = "8s"
policy.p.retry_for.limit = "6s"
policy.p.retry_for.rule = "cut-wait"
policy.p.retry_for = "7s"
policy.p.retry_for = "none"
policy.p.backoff.additive-jitter.base = "2s"
policy.p.backoff.additive-jitter.factor = 3.0
policy.p.backoff.additive-jitter.cap = "9s"
policy.p.backoff.additive-jitter.jitter = "2s"
policy.p.backoff.additive-jitter.cap_before = true
policy.p.backoff_for.429.exponential.base = "2s"
policy.p.backoff_for.429.exponential.factor = 3.0
policy.p.backoff_for.429.exponential.cap = "none"
policy.p.backoff_for.4xx.proportional-jitter.base = "2s"
policy.p.backoff_for.4xx.proportional-jitter.factor = 3.0
policy.p.backoff_for.4xx.proportional-jitter.cap = "9s"
policy.p.backoff_for.4xx.proportional-jitter.spread = 0.2
policy.p.retry_on = ["any"]
policy.p.retry_on_idempotent = ["408"]
policy.p.retries_for.timeout = 0
policy.p.retries_for."5xx+connection" = 3
policy.p.free_retries.on = ["reset"]
policy.p.free_retries.retries = 2
policy.p.free_retries.first_only = true
policy.p.should_retry = "honour"
policy.p.retry_after.honour.max = "none"
policy.p.retry_after.honour.over_max = "stop"
policy.p.retry_after.honour.formats = ["date"]
policy.p.retry_after.honour.on = ["429"]
policy.p.retry_after.honour.triggers = ["413"]
policy.p.retry_after.honour.triggers_idempotent = ["413"]
policy.p.retry_after.honour.at_least_backoff = true
policy.p.retry_after.honour.beyond_backoff = "none"
policy.p.retry_after.honour.times_backoff = 3.0
policy.p.retry_after.honour.jitter.multiply.low = 0.5
policy.p.retry_after.honour.jitter.multiply.high = 2.0
policy.p.retry_after.honour.begins_anew = true
policy.p.key = "per-attempt"
policy.p.breaker.consecutive.failures = 6
policy.p.breaker.consecutive.open = "31s"
policy.p.breaker.consecutive.probes = 3
policy.p.breaker.consecutive.edge = "after"
policy.p.breaker.consecutive.successes = 2
policy.p.breaker.consecutive.half_open_for = "2m"
policy.p.breaker.consecutive.half_open_for = "none"
policy.p.breaker.consecutive.stale = "apply"
policy.p.breaker.consecutive.open.equal-jitter = { base = "5s", cap = "300s" }
policy.p.breaker.consecutive.failures_are = ["any"]
policy.p.breaker.consecutive.ignore = ["429", "timeout"]
policy.p.breaker.consecutive.scope = "fleet"
policy.p.breaker.consecutive.on_refusal = "retry"
policy.p.budget.tokens.capacity = 11
policy.p.budget.tokens.cost = 2
policy.p.budget.tokens.deposit = 0.2
policy.p.budget.tokens.deposit_on = "first-attempt"
policy.p.budget.tokens.deposit_on = "first-try-success"
policy.p.budget.tokens.initial = 8
policy.p.budget.tokens.refill = "1/h"
policy.p.budget.tokens.refill = "0/s"
policy.p.budget.tokens.cost_for.timeout = 4
policy.p.budget.tokens.cost_for.5xx = 4
policy.p.budget.tokens.charge = "failure"
policy.p.budget.tokens.above = "20%"
policy.p.budget.tokens.refund = "last"
policy.p.budget.tokens.scope = "fleet"
policy.c.backoff.custom.curve.exponential.base = "2s"
policy.c.backoff.custom.curve.exponential.factor = 3.0
policy.c.backoff.custom.curve.exponential.whole = "none"
policy.c.backoff.custom.offset = 1
policy.c.backoff.custom.first = "none"
policy.c.backoff.custom.cap = "9s"
policy.c.backoff.custom.cap_at = "delay"
policy.c.backoff.custom.jitter.multiply.low = 0.25
policy.c.backoff.custom.jitter.multiply.high = 2.0
policy.c.backoff.custom.floor = "2s"
policy.c.backoff.custom.unit = "2ms"
policy.c.backoff.custom.inclusive = true
policy.c.backoff_for.501.custom.curve.constant.delay = "2s"
policy.c.backoff_for.501.custom.jitter.add.below = "2s"
policy.c.backoff_for.501.custom.jitter.add.above = "2s"
policy.c.backoff_for.501.custom.jitter.add.growth = "2s"
policy.c.backoff_for.502.custom.curve.linear.base = "2s"
policy.c.backoff_for.502.custom.curve.linear.step = "2s"
policy.c.backoff_for.502.custom.jitter.whole-seconds.share = 0.25
policy.c.backoff_for.503.custom.curve.power.base = "2s"
policy.c.backoff_for.503.custom.curve.power.scale = "2s"
policy.c.backoff_for.503.custom.curve.power.exponent = 3
policy.c.backoff_for.503.custom.jitter = "none"
policy.c.backoff_for.504.custom.curve.schedule.delays = ["2s"]
policy.c.backoff_for.505.custom.curve.decorrelated.base = "2s"
policy.c.backoff_for.505.custom.curve.decorrelated.from = "previous"
policy.c.backoff_for.506.custom.curve.feedback.base = "2s"
policy.c.backoff_for.507.custom.curve.telescoping.base = "2s"
policy.c.backoff_for.508.power.base = "2s"
policy.c.backoff_for.508.power.scale = "2s"
policy.c.backoff_for.508.power.exponent = 3
policy.c.backoff_for.508.power.cap = "8s"
policy.c.backoff_for.509.telescoping-jitter.base = "2s"
policy.c.backoff_for.509.telescoping-jitter.cap = "8s"
policy.p.with.load.clients = 6
policy.p.with.server.s.queue = 8
policy.p.with.server.s.errors.503 = 0.6
policy.p.with.fault.f.until = "9s"
policy.p.with.fault.f.for = "3s"
policy.p.with.load.arrivals.constant.rate = "9/s"
expect = [{ policy = "*", metric = "success_rate", at_least = "99%" }]
expect = [{ policy = "p", metric = "waited", at_least = "99%" }]
expect = [{ policy = "p", metric = "success_rate", at_most = "99%" }]
expect = [{ policy = "p", metric = "success_rate", at_least = 0.9 }]
policy.p.budget.tokens.on_refusal = "retry"
policy.p.throttle.adaptive.k = 1.1
policy.p.throttle.adaptive.window = "1m"
policy.p.throttle.adaptive.scope = "fleet"
policy.p.throttle.adaptive.on_refusal = "retry"
policy.p.limiter.rate.rate = "11/s"
policy.p.limiter.rate.burst = 6
policy.p.limiter.rate.on_limit = "refuse"
policy.p.limiter.rate.scope = "fleet"
policy.p.concurrency.retries = 4
policy.p.concurrency.scope = "fleet"
policy.p.concurrency.on_refusal = "retry"
policy.r.breaker.rate.threshold = "51%"
policy.r.breaker.rate.window = "31s"
policy.r.breaker.rate.min_calls = 21
policy.r.breaker.rate.open = "31s"
policy.r.breaker.rate.open.fixed = { delay = "30s" }
policy.r.breaker.rate.ignore = ["429"]
policy.r.breaker.rate.probes = 2
policy.r.breaker.rate.slow_call = "3s"
policy.r.breaker.rate.slow_threshold = "81%"
policy.r.breaker.rate.scope = "fleet"
policy.r.breaker.rate.on_refusal = "retry"
policy.r.budget.ratio.ratio = "21%"
policy.r.budget.ratio.min_rate = "2/s"
policy.r.budget.ratio.window = "11s"
policy.r.budget.ratio.deposit_on = "success"
policy.r.budget.ratio.deposit_on = "not-retried"
policy.r.budget.ratio.rounding = "finagle"
policy.r.budget.ratio.rounding = "tower"
policy.r.budget.ratio.scope = "fleet"
policy.r.budget.ratio.on_refusal = "retry"
policy.r.limiter.rate.on_refusal = "retry"
policy.q.breaker.rate.calls = 101
policy.u.preset = "backon"
policy.p.breaker = "none"
policy.p.budget = "none"
policy.p.throttle = "none"
policy.p.limiter = "none"
policy.p.concurrency = "none"
policy.r.breaker.rate.judge = "failure"
policy.r.breaker.rate.judge = "tick"
policy.t.breaker.rate.failures = 6
policy.t.breaker.rate.slots = 11
policy.t.breaker.rate.tick = "2s"
policy.t.breaker.rate.edge = "after"
policy.t.breaker.rate.verdict = "first"
policy.t.breaker.rate.verdict = "threshold"
policy.t.breaker.rate.successes = 3
policy.t.breaker.rate.stale = "apply"
policy.t.breaker.rate.failures_are = ["any"]
policy.t.breaker.rate.min_calls = 2
policy.t.concurrency.share = "30%"
policy.t.concurrency.min = 0
policy.t.concurrency.hold = "retry"
policy.t.limiter.cubic.throttled = ["503"]
policy.t.limiter.cubic.min_rate = "2/s"
policy.t.limiter.cubic.scope = "fleet"
policy.p.hedge.fixed.delay = "2s"
policy.p.hedge.fixed.extra = 3
policy.p.hedge.fixed.on_failure = "wait"
policy.p.hedge.fixed.on_failure = "end"
policy.p.hedge.fixed.losers = "run"
policy.p.hedge.fixed.budget.ratio = "6%"
policy.p.hedge.fixed.budget.min_rate = "2/s"
policy.p.hedge.fixed.budget.window = "11s"
policy.p.hedge.fixed.scope = "fleet"
policy.p.hedge = "none"
policy.h.hedge.percentile.at = "91%"
policy.h.hedge.percentile.window = "31s"
policy.h.hedge.percentile.min = "3ms"
policy.h.hedge.percentile.extra = 2
policy.h.hedge.percentile.on_failure = "end"
policy.h.hedge.percentile.losers = "run"
policy.h.hedge.percentile.budget.ratio = "11%"
policy.h.hedge.percentile.budget.min_rate = "2/s"
policy.h.hedge.percentile.budget.window = "11s"
policy.h.hedge.percentile.scope = "fleet"
policy.i.hedge.timeout.losers = "run"
policy.l.concurrency.attempts = 11
policy.n.concurrency.on_limit = "wait"
policy.l.concurrency.max_wait = "2s"
policy.l.concurrency.scope = "fleet"
policy.l.concurrency.on_refusal = "retry"
policy.l.breaker.rate.half_open_for = "2m"
policy.m.retry_after.honour.jitter.add.below = "2s"
policy.m.retry_after.honour.jitter.add.above = "6s"
policy.m.retry_after.honour.jitter.add.growth = "2s"
policy.m.retry_after.honour.jitter.multiply = { low = 1, high = 2 }
policy.q.breaker.rate.around = "call"
policy.r.limiter.rate.around = "call"
policy.j.breaker.consecutive.around = "call"
policy.j.throttle.adaptive.around = "call"
decide.order = ["wrong"]
decide.weigh.duplicate = 1
decide.weigh.phantom = 1
decide.margin.wrong = "2%"
decide.margin.recovery = "10%"
decide.groups = [["p"], ["q"]]
"#;

/// No key is read and then ignored: each changes the question, and what is printed of it.
#[test]
fn every_key_counts() {
    let full = read(FULL, &[]).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let mut missing = leaves(&full.resolved_json, "");
    missing.retain(|path| !path.starts_with("server.other") && !path.starts_with("policy.q"));
    // Of `g`, what stands beside no flapping.
    missing.retain(|path| !path.starts_with("fault.g") || path.contains("series"));
    // Of `t`, what no other breaker has.
    let of_t = [
        "failures",
        "slots",
        "tick",
        "edge",
        "verdict",
        "stale",
        "failures_are",
        "share",
        "min",
        "hold",
        "throttled",
        "min_rate",
    ];
    missing.retain(|path| {
        !path.starts_with("policy.t")
            || of_t.iter().any(|key| {
                path.ends_with(&format!("rate.{key}"))
                    || path.ends_with(&format!("concurrency.{key}"))
                    || path.ends_with(&format!("cubic.{key}"))
            })
    });
    // What `r` has that `p` has not.
    let of_r = |path: &str| path.starts_with("policy.r.b") && !path.contains("backoff") || path.ends_with("refusal");
    missing.retain(|path| !path.starts_with("policy.r") || of_r(path));
    // A backoff put together is the same wherever it stands.
    let of_c = |path: &str| path.contains("backoff.custom") || path.contains(".curve.") || path.contains(".jitter.");
    missing.retain(|path| !path.starts_with("policy.c") || of_c(path));
    // Of `j` nothing that others have not.
    missing.retain(|path| !path.starts_with("policy.j."));
    // Of `l`, `m` and `n`, what others have not.
    let of_l =
        |path: &str| path.contains("concurrency") && !path.ends_with("on_limit") || path.ends_with("half_open_for");
    missing.retain(|path| !path.starts_with("policy.l.") || of_l(path));
    missing.retain(|path| !path.starts_with("policy.m.") || path.contains(".jitter."));
    missing.retain(|path| !path.starts_with("policy.n.") || path.ends_with("on_limit"));
    // Of `h` and `i`, how they hedge.
    missing.retain(|path| !(path.starts_with("policy.h.") || path.starts_with("policy.i.")) || path.contains("hedge"));
    // What the preset of `u` gives it.
    missing.retain(|path| !path.starts_with("policy.u") || path == "policy.u.preset");
    for line in OTHERS.lines().filter(|line| !line.is_empty()) {
        let (path, value) = line.split_once(" = ").expect("an assignment");
        let other = read(FULL, &[(path, value)]).unwrap_or_else(|error| panic!("{line}: {}", error.render(false)));
        assert_ne!(format!("{:?}", other.scenario), format!("{:?}", full.scenario), "{line} changes nothing");
        assert_ne!(other.resolved, full.resolved, "{line} is not shown");
        missing.retain(|known| *known != path.replace('"', ""));
    }
    assert_eq!(missing, Vec::<String>::new(), "keys without another value");
}

/// Dotted paths of everything in a table that is no table.
fn leaves(value: &serde_json::Value, path: &str) -> Vec<String> {
    let Some(table) = value.as_object() else { return vec![path.to_owned()] };
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    table.iter().flat_map(|(key, inner)| leaves(inner, &below(key))).collect()
}

/// The backoff of one status goes before that of its class, wherever it stands.
#[test]
fn the_most_specific_backoff_comes_first() {
    let policy = |lines: &str| {
        let text = format!("{WORLD}[policy.p]\nattempts = 3\n{lines}");
        let loaded = read(&text, &[]).unwrap_or_else(|error| panic!("{}", error.render(false)));
        format!("{:?}", loaded.scenario.policies[0].policy)
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
