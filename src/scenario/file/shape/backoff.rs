//! `backoff`: the names of scenario files, each a combination of curve, cap and jitter. A new name is registered here.

use serde::{Deserialize, Serialize};

use crate::retry::Backoff;
use crate::scenario::file::leaf::{Duration, Factor, OrNone, Probability};
use crate::units::Span;

/// `backoff` and `backoff_for.…`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum BackoffChoice {
    #[default]
    None,
    Fixed {
        delay: Duration,
    },
    Linear {
        base: Duration,
        step: Duration,
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    Exponential {
        base: Duration,
        #[serde(default)]
        factor: Factor,
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    FullJitter {
        base: Duration,
        #[serde(default)]
        factor: Factor,
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    EqualJitter {
        base: Duration,
        #[serde(default)]
        factor: Factor,
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    DecorrelatedJitter {
        base: Duration,
        #[serde(default)]
        cap: OrNone<Duration>,
    },
    AdditiveJitter {
        base: Duration,
        #[serde(default)]
        factor: Factor,
        #[serde(default)]
        cap: OrNone<Duration>,
        jitter: Duration,
        #[serde(default)]
        cap_before: bool,
    },
    ProportionalJitter {
        base: Duration,
        #[serde(default)]
        factor: Factor,
        #[serde(default)]
        cap: OrNone<Duration>,
        spread: Probability,
    },
    Memoryless {
        mean: Duration,
    },
    Schedule(Schedule),
}

/// `schedule = { delays, spread }`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "ScheduleKeys")]
pub struct Schedule {
    delays: Vec<Duration>,
    spread: Probability,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleKeys {
    delays: Vec<Duration>,
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
        }
    }
}
