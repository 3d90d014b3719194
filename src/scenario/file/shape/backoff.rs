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
    /// `delay`.
    Fixed {
        /// The wait before every retry.
        delay: Duration,
    },
    /// min(cap, base + step · (k−1)).
    Linear {
        /// The wait before the first retry.
        base: Duration,
        /// What each further wait is longer.
        step: Duration,
        /// Longest wait.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// w = min(cap, base · factor^(k−1)).
    Exponential {
        /// The wait before the first retry.
        base: Duration,
        /// The wait grows by this factor from retry to retry; at least 1.
        #[serde(default)]
        factor: Factor,
        /// Longest wait.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// U(0, w), w = min(cap, base · factor^(k−1)).
    FullJitter {
        /// Window before the first retry.
        base: Duration,
        /// The window grows by this factor from retry to retry; at least 1.
        #[serde(default)]
        factor: Factor,
        /// Longest window.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// w/2 + U(0, w/2), w = min(cap, base · factor^(k−1)).
    EqualJitter {
        /// Window before the first retry.
        base: Duration,
        /// The window grows by this factor from retry to retry; at least 1.
        #[serde(default)]
        factor: Factor,
        /// Longest window.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// min(cap, U(base, 3 · previous)); `previous` is the wait before the last retry of this call, `base` if there was none.
    DecorrelatedJitter {
        /// Shortest wait, and the first window is three times this.
        base: Duration,
        /// Longest wait.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// min(cap, base · factor^(k−1) + U(0, jitter)); with `cap_before = true` min(cap, base · factor^(k−1)) + U(0, jitter).
    AdditiveJitter {
        /// Window before the first retry.
        base: Duration,
        /// The window grows by this factor from retry to retry; at least 1.
        #[serde(default)]
        factor: Factor,
        /// Longest wait.
        #[serde(default)]
        cap: OrNone<Duration>,
        /// Up to this much is added at random.
        jitter: Duration,
        /// Whether the window is capped before the jitter is added.
        #[serde(default)]
        cap_before: bool,
    },
    /// w · U(1−spread, 1+spread), w = min(cap, base · factor^(k−1)); `spread` is a probability.
    ProportionalJitter {
        /// Window before the first retry.
        base: Duration,
        /// The window grows by this factor from retry to retry; at least 1.
        #[serde(default)]
        factor: Factor,
        /// Longest window.
        #[serde(default)]
        cap: OrNone<Duration>,
        /// How far below and above the window the wait lies, as a share of it.
        spread: Probability,
    },
    /// Exponentially distributed.
    Memoryless {
        /// Mean wait.
        mean: Duration,
    },
    /// The delays of the list in turn, the last one repeating, times U(1−spread, 1+spread).
    Schedule(Schedule),
    /// min(cap, base + scale · (k−1)^exponent); `exponent` is 1 to 16.
    Power {
        /// The wait before the first retry.
        base: Duration,
        /// What the power is multiplied by.
        scale: Duration,
        /// 1 to 16.
        exponent: Count<1, 16>,
        /// Longest wait.
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    /// min(cap, base/1.4 · (g(t) − g(t before))), g(t) = 2^t · tanh(√(4t)), t = k−1 + U(0, 1); before the first, g is 0. As Polly 8 has it.
    TelescopingJitter {
        /// About the median of the first wait.
        base: Duration,
        /// Longest wait.
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
    /// How far below and above the delay the wait lies, as a share of it.
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
