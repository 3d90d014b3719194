//! `backoff`: the names of scenario files, each a combination of curve, cap and jitter. A new name is registered here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::custom::CustomBackoff;
use crate::retry::Backoff;
use crate::scenario::file::leaf::{Count, Duration, Factor, OrNone, Probability};
use crate::units::Span;

/// The wait before each retry.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "full-jitter": { "base": "500ms", "cap": "8s" } }, "none"]))]
pub enum BackoffChoice {
    /// At once.
    #[default]
    None,
    /// Always the same wait.
    Fixed {
        /// The wait before every retry.
        delay: Duration,
    },
    /// min(cap, base + step · (k−1)) before the k-th retry.
    Linear {
        /// The wait before the first retry.
        base: Duration,
        /// What each further wait is longer.
        step: Duration,
        /// Longest wait; default `"none"`.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// w = min(cap, base · factor^(k−1)) before the k-th retry.
    Exponential {
        /// The wait before the first retry.
        base: Duration,
        /// The wait grows by this factor from retry to retry; at least 1, default 2.
        #[serde(default)]
        factor: Factor,
        /// Longest wait; default `"none"`.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// Uniform between 0 and the window w = min(cap, base · factor^(k−1)).
    FullJitter {
        /// Window before the first retry.
        base: Duration,
        /// The window grows by this factor from retry to retry; at least 1, default 2.
        #[serde(default)]
        factor: Factor,
        /// Longest window; default `"none"`.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// Half of the window for sure, the other half at random.
    EqualJitter {
        /// Window before the first retry.
        base: Duration,
        /// The window grows by this factor from retry to retry; at least 1, default 2.
        #[serde(default)]
        factor: Factor,
        /// Longest window; default `"none"`.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// min(cap, U(base, 3 · previous)): a random walk on the previous wait.
    DecorrelatedJitter {
        /// Shortest wait, and the first window is three times this.
        base: Duration,
        /// Longest wait; default `"none"`.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// The window and a random part on top.
    AdditiveJitter {
        /// Window before the first retry.
        base: Duration,
        /// The window grows by this factor from retry to retry; at least 1, default 2.
        #[serde(default)]
        factor: Factor,
        /// Longest wait; default `"none"`.
        #[serde(default)]
        cap: OrNone<Duration>,
        /// Up to this much is added at random.
        jitter: Duration,
        /// Whether the window is capped before the jitter is added. Default: false, after.
        #[serde(default)]
        cap_before: bool,
    },
    /// The window, some share more or less.
    ProportionalJitter {
        /// Window before the first retry.
        base: Duration,
        /// The window grows by this factor from retry to retry; at least 1, default 2.
        #[serde(default)]
        factor: Factor,
        /// Longest window; default `"none"`.
        #[serde(default)]
        cap: OrNone<Duration>,
        /// How far below and above the window the wait lies, as a share of it.
        spread: Probability,
    },
    /// Exponentially distributed around a mean.
    Memoryless {
        /// Mean wait.
        mean: Duration,
    },
    /// A list of waits.
    Schedule(Schedule),
    /// base + scale · (k−1)^exponent before the k-th retry.
    Power {
        /// The wait before the first retry.
        base: Duration,
        /// What the power is multiplied by.
        scale: Duration,
        /// 1 to 16.
        exponent: Count<1, 16>,
        /// Longest wait; default `"none"`.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// Differences of a smooth curve at random points, as Polly 8 has them.
    TelescopingJitter {
        /// About the median of the first wait.
        base: Duration,
        /// Longest wait; default `"none"`.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// Put together from its parts.
    Custom(CustomBackoff),
}

/// `schedule = { delays, spread }`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ScheduleKeys")]
pub struct Schedule {
    delays: Vec<Duration>,
    spread: Probability,
}

/// The delays of a list in turn, the last one repeating.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleKeys {
    /// The waits in turn; the last one repeats.
    #[schemars(length(min = 1))]
    delays: Vec<Duration>,
    /// How far below and above the delay the wait lies, as a share of it. Default: 0.
    #[serde(default)]
    spread: Probability,
}

impl TryFrom<ScheduleKeys> for Schedule {
    type Error = String;
    fn try_from(ScheduleKeys { delays, spread }: ScheduleKeys) -> Result<Schedule, String> {
        if delays.is_empty() { Err("needs at least one delay".into()) } else { Ok(Schedule { delays, spread }) }
    }
}

impl BackoffChoice {
    /// A key that means nothing without another one that is missing, and that one.
    pub fn without_effect(&self) -> Option<(&'static str, &'static str)> {
        match self {
            BackoffChoice::Custom(custom) => custom.without_effect(),
            _ => None,
        }
    }

    /// As the engine knows it.
    pub fn build(&self) -> Backoff {
        let limit = |cap: &OrNone<Duration>| -> Option<Span> { cap.0.map(|cap| cap.0) };
        match self {
            BackoffChoice::None => Backoff::none(),
            BackoffChoice::Fixed { delay } => Backoff::fixed(delay.0),
            BackoffChoice::Linear { base, step, cap } => Backoff::linear(base.0, step.0, limit(cap)),
            BackoffChoice::Exponential { base, factor, cap } => Backoff::exponential(base.0, factor.0, limit(cap)),
            BackoffChoice::FullJitter { base, factor, cap } => Backoff::full_jitter(base.0, factor.0, limit(cap)),
            BackoffChoice::EqualJitter { base, factor, cap } => Backoff::equal_jitter(base.0, factor.0, limit(cap)),
            BackoffChoice::DecorrelatedJitter { base, cap } => Backoff::decorrelated_jitter(base.0, limit(cap)),
            BackoffChoice::AdditiveJitter { base, factor, cap, jitter, cap_before } => {
                Backoff::additive_jitter(base.0, factor.0, limit(cap), jitter.0, *cap_before)
            }
            BackoffChoice::ProportionalJitter { base, factor, cap, spread } => {
                Backoff::proportional_jitter(base.0, factor.0, limit(cap), spread.0)
            }
            BackoffChoice::Memoryless { mean } => Backoff::memoryless(mean.0),
            BackoffChoice::Schedule(Schedule { delays, spread }) => {
                Backoff::schedule(delays.iter().map(|delay| delay.0).collect(), spread.0)
            }
            BackoffChoice::Power { base, scale, exponent, cap } => {
                Backoff::power(base.0, scale.0, exponent.0 as u32, limit(cap))
            }
            BackoffChoice::TelescopingJitter { base, cap } => Backoff::telescoping_jitter(base.0, limit(cap)),
            BackoffChoice::Custom(custom) => custom.build(),
        }
    }
}
