//! `limiter`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Around, OnRefusal, Scope, gate, gate_around};
use crate::gate::cubic::CubicLimiterConfig;
use crate::gate::limiter::{OnLimit, RateLimiterConfig};
use crate::gate::{GateConfig, GateRule};
use crate::retry::OutcomeSet;
use crate::scenario::file::leaf::{Outcomes, PositiveRate};

/// A limiter.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("examples" = [{ "rate": { "rate": "10/s", "burst": 10 } }]))]
pub enum LimiterChoice {
    /// A token bucket.
    Rate(RateLimiter),
    /// A token bucket whose rate follows throttling answers, as in the adaptive mode of the AWS SDKs; none until the first of them.
    Cubic(CubicLimiter),
}

/// A token bucket whose rate follows throttling answers; none until the first of them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CubicLimiter {
    /// Outcomes that say that the client was throttled, in the words of `retry_on`. Default: `["429", "503"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    throttled: Option<Outcomes>,
    /// Attempts per time that are sent at least, above 0. Default: `"0.5/s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_rate: Option<PositiveRate>,
    /// Whose state it is.
    #[serde(default)]
    scope: Scope,
}

impl CubicLimiter {
    fn build(&self) -> GateConfig {
        let mut config = CubicLimiterConfig::default();
        if let Some(words) = &self.throttled {
            config.throttled = OutcomeSet::new(words.0.iter().map(|outcome| outcome.0).collect());
        }
        if let Some(rate) = &self.min_rate {
            config.min_rate = rate.0.per_second;
        }
        gate(GateRule::CubicLimiter(config), self.scope, OnRefusal::Fail)
    }
}

/// A token bucket that starts full; every attempt takes a token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RateLimiterKeys", into = "RateLimiterKeys")]
pub struct RateLimiter {
    keys: RateLimiterKeys,
    burst: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RateLimiterKeys {
    /// Attempts per time that are sent, above 0.
    rate: PositiveRate,
    /// Attempts that are sent at once; at least 1. Default: one second's worth, at least 1.
    #[schemars(extend("minimum" = 1))]
    burst: Option<f64>,
    /// What happens to an attempt without a token.
    #[serde(default)]
    on_limit: OnLimit,
    /// Whose state it is.
    #[serde(default)]
    scope: Scope,
    /// What a refusal does to the call; only with `on_limit = "refuse"`. Default: `"fail"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_refusal: Option<OnRefusal>,
    /// What it stands around. Default: `"attempt"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    around: Option<Around>,
}

impl TryFrom<RateLimiterKeys> for RateLimiter {
    type Error = String;
    fn try_from(mut keys: RateLimiterKeys) -> Result<RateLimiter, String> {
        let burst = *keys.burst.get_or_insert(keys.rate.0.per_second.max(1.0));
        if !(burst.is_finite() && burst >= 1.0) {
            return Err(format!("`burst` is {burst}, and must be at least 1 token"));
        }
        match keys.on_limit {
            OnLimit::Refuse => {
                keys.on_refusal.get_or_insert_default();
            }
            OnLimit::Wait if keys.on_refusal.is_some() => {
                return Err(
                    "`on_refusal` needs `on_limit = \"refuse\"`: a limiter that makes wait refuses nothing".into()
                );
            }
            OnLimit::Wait => {}
        }
        Ok(RateLimiter { keys, burst })
    }
}

impl From<RateLimiter> for RateLimiterKeys {
    fn from(limiter: RateLimiter) -> RateLimiterKeys {
        limiter.keys
    }
}

impl LimiterChoice {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        let RateLimiter { keys, burst } = match self {
            LimiterChoice::Rate(limiter) => limiter,
            LimiterChoice::Cubic(limiter) => return limiter.build(),
        };
        let rule = GateRule::RateLimiter(RateLimiterConfig {
            rate: keys.rate.0.per_second,
            burst: *burst,
            on_limit: keys.on_limit,
        });
        gate_around(rule, keys.scope, keys.on_refusal.unwrap_or_default(), keys.around)
    }
}
