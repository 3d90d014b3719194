//! All warnings: their codes, which `allow` takes, and when each is said. `docs/CONTRACT.md` has its tables from here.

/// A warning: its code, and when it is said.
pub type Warning = (&'static str, &'static str);

/// Those that a scenario file tells, before anything runs.
pub const BEFORE: [Warning; 15] = [
    ("few-replications", "Fewer than 5 replications."),
    (
        "no-warm-up",
        "Demand is `poisson` or `constant`, workers are limited, no fault is at the called server, `warmup` is 0, and demand ÷ \
         capacity, ρ, is above 0.5 and below 1: if 5 relaxation times, each 1 ÷ (capacity · (1 − √ρ)²), are more than 1% of \
         `duration`.",
    ),
    (
        "closed-loop",
        "Demand is `closed`, there are more clients than workers, and they ask for more than 80% of the capacity if nobody waits, \
         or a fault slows the server down, takes workers away or freezes it: clients that wait ask for nothing (coordinated \
         omission).",
    ),
    ("no-timeout", "A policy has neither `timeout` nor `deadline`, and requests or replies are lost or hang."),
    (
        "timeout-below-p99",
        "More than 1% of requests take longer than a policy's `timeout` at an idle server without faults: service time, and twice \
         the mean of `network`.",
    ),
    (
        "lock-conflict",
        "A policy with retries and `key = \"per-operation\"` does not retry the `conflict_status` of its server's lock.",
    ),
    (
        "overload",
        "Demand exceeds what the called server can do: its rate limit, or `workers` ÷ the mean service time. Of `poisson` and \
         `constant` the rate counts, of `burst` that of its repetition, of `profile` the mean between two points or beyond the \
         outer ones, of `trace` the mean over `duration`; not that of retries, nor what `closed` asks for. What never reaches the \
         limit or a worker (`refused`, `lost_requests`, `resets`, `errors`) is subtracted. Faults count if they last from the \
         beginning to the end of the demand. Not said if the limit's `burst` is enough for the excess. The share that fails is that \
         of the excess; \"at least\" that where little can wait or be saved up, and chance fails more.",
    ),
    (
        "small-burst",
        "Demand is `constant` and above the rate limit, and the limit's `burst` is so small that tokens are lost between evenly \
         spaced requests: more is refused than what is above the limit. With `burst = 1` every n-th passes, n being demand ÷ limit, \
         rounded up.",
    ),
    (
        "lock-too-short",
        "A policy that may send a second attempt beside the first (retries after a `timeout`, or a `hedge`) with `key = \
         \"per-operation\"`, and a lock whose `lock_ttl` is shorter than the 99th percentile of the work, slowdowns included, or \
         than the policy's `timeout`.",
    ),
    (
        "retention-too-short",
        "A policy with retries and `key = \"per-operation\"`, and a store whose `retention` is shorter than the longest time from \
         the first attempt of a call to its last.",
    ),
    (
        "stored-errors",
        "A policy with retries and `key = \"per-operation\"`, and a store of `everything` that keeps an error (`failures`, \
         `late_errors`) which the policy retries for longer than a retry waits.",
    ),
    ("trace-cut", "Instants of a trace are left out, being before the beginning or after the end of the demand."),
    ("trace-retries", "Demand is a trace without a `key`."),
    (
        "different-demand",
        "Rows have different numbers of operations (of `poisson` and `profile` the expected ones), by `with.load`. Not in closed \
         loops.",
    ),
    (UNUSED_ALLOW, "By `check` only: no warning that is said before anything runs has a code that `allow` names."),
];

/// Those that only results tell.
pub const AFTER: [Warning; 3] = [
    (
        "wide-intervals",
        "With two or more replications: policies differ from the baseline in `success_rate`, `duplicate_rate` or `load_mean`, and \
         every interval of these differences contains 0.",
    ),
    (
        "never-saturates",
        "The called server has limited workers and a queue, the queue was never used, and `utilisation` stayed below 50%, under all \
         policies.",
    ),
    ("open-work", "Operations are `unresolved`."),
];

/// What is allowed and would not have been said.
pub const UNUSED_ALLOW: &str = "unused-allow";

/// The codes of all of them.
pub fn codes() -> impl Iterator<Item = &'static str> {
    BEFORE.into_iter().chain(AFTER).map(|(code, _)| code)
}
