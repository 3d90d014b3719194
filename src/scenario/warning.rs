//! The codes of all warnings: what `allow` takes.

/// Those that a scenario file tells, before anything runs.
pub const BEFORE: [&str; 15] = [
    "few-replications",
    "no-warm-up",
    "closed-loop",
    "no-timeout",
    "timeout-below-p99",
    "lock-conflict",
    "overload",
    "small-burst",
    "lock-too-short",
    "retention-too-short",
    "stored-errors",
    "trace-cut",
    "trace-retries",
    "different-demand",
    UNUSED_ALLOW,
];

/// Those that only results tell.
pub const AFTER: [&str; 3] = ["wide-intervals", "never-saturates", "open-work"];

/// What is allowed and would not have been said.
pub const UNUSED_ALLOW: &str = "unused-allow";
