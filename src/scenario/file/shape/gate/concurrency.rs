//! `concurrency`: a limit on retries at once, or on attempts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OnRefusal, Scope, gate};
use crate::gate::concurrency::{ConcurrencyConfig, Hold, MostRetries};
use crate::gate::limiter::OnLimit;
use crate::gate::pool::PoolConfig;
use crate::gate::{GateConfig, GateRule};
use crate::scenario::file::leaf::{AtLeastOne, Count, OrNone, PositiveDuration, PositiveProbability};

/// A limit on retries in flight at once, or on all attempts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ConcurrencyKeys", into = "ConcurrencyKeys")]
pub struct ConcurrencyTable {
    keys: ConcurrencyKeys,
    most: Most,
}

/// What there may be at once.
#[derive(Clone, Copy, Debug)]
enum Most {
    /// Retries.
    Retries(MostRetries),
    /// Attempts.
    Attempts(u32),
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "allOf" = [{ "oneOf": [{ "required": ["retries"] }, { "required": ["share"] }, { "required": ["attempts"] }] }],
    "dependentRequired" = { "min": ["share"], "on_limit": ["attempts"], "max_wait": ["attempts"] }
))]
struct ConcurrencyKeys {
    /// Most retries in flight at once, at least 1. Default: `share` or `attempts` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<AtLeastOne>,
    /// Most retries in flight at once, as a share of all attempts in flight; above 0, at most 100%. Default: `retries` or `attempts`
    /// instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<PositiveProbability>,
    /// With `share`: retries that may be in flight in any case. Default: `3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Count<0, MOST_MIN>>,
    /// From when on a retry counts; not with `attempts`. Default: `"attempt"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    /// Most attempts in flight at once, first ones and retries alike, at least 1. Default: `retries` or `share` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<AtLeastOne>,
    /// With `attempts`: what happens to an attempt without a place. Default: `"wait"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_limit: Option<OnLimit>,
    /// With `attempts`: longest time in line, above 0; then the attempt is refused. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_wait: Option<OrNone<PositiveDuration>>,
    /// Whose state it is.
    #[serde(default)]
    scope: Scope,
    /// What a refusal does to the call.
    #[serde(default)]
    on_refusal: OnRefusal,
}

const MOST_MIN: u64 = 1_000_000;

/// Envoy's `min_retry_concurrency`.
const MIN: u64 = 3;

impl TryFrom<ConcurrencyKeys> for ConcurrencyTable {
    type Error = String;
    fn try_from(mut keys: ConcurrencyKeys) -> Result<ConcurrencyTable, String> {
        if keys.min.is_some() && keys.share.is_none() {
            return Err("`min` goes with `share`".into());
        }
        if keys.attempts.is_none() && (keys.on_limit.is_some() || keys.max_wait.is_some()) {
            let key = if keys.on_limit.is_some() { "on_limit" } else { "max_wait" };
            return Err(format!("`{key}` goes with `attempts`: retries do not wait for a place"));
        }
        let most = match (keys.retries, keys.share, keys.attempts) {
            (Some(retries), None, None) => Most::Retries(MostRetries::Number(retries.get())),
            (None, Some(share), None) => {
                let min = *keys.min.get_or_insert(Count(MIN));
                Most::Retries(MostRetries::Share { share: share.0.0, min: min.0 as u32 })
            }
            (None, None, Some(_)) if keys.hold.is_some() => {
                return Err("`hold` goes with `retries` or `share`: an attempt holds its place from its sending".into());
            }
            (None, None, Some(attempts)) => Most::Attempts(attempts.get()),
            (None, None, None) => {
                return Err("needs `retries = 3`, `share = \"20%\"` or `attempts = 10`: how many at once".into());
            }
            _ => return Err("takes one of `retries`, `share` and `attempts`".into()),
        };
        if let Most::Attempts(_) = most {
            let on_limit = *keys.on_limit.get_or_insert_default();
            let max_wait = keys.max_wait.and_then(|most| most.0);
            if max_wait.is_some() && on_limit == OnLimit::Refuse {
                return Err("`max_wait` needs `on_limit = \"wait\"`: what is refused does not wait".into());
            }
            if keys.on_refusal == OnRefusal::Retry && on_limit == OnLimit::Wait && max_wait.is_none() {
                return Err(
                    "`on_refusal` needs `on_limit = \"refuse\"` or a `max_wait`: nothing is refused without".into()
                );
            }
        }
        Ok(ConcurrencyTable { keys, most })
    }
}

impl From<ConcurrencyTable> for ConcurrencyKeys {
    fn from(table: ConcurrencyTable) -> ConcurrencyKeys {
        table.keys
    }
}

impl ConcurrencyTable {
    /// True if it is about retries only.
    pub fn is_about_retries(&self) -> bool {
        matches!(self.most, Most::Retries(_))
    }

    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        let hold = self.keys.hold.unwrap_or_default();
        let rule = match self.most {
            Most::Retries(most) => GateRule::Concurrency(ConcurrencyConfig { most, hold }),
            Most::Attempts(attempts) => GateRule::Pool(PoolConfig {
                attempts,
                on_limit: self.keys.on_limit.unwrap_or_default(),
                max_wait: self.keys.max_wait.and_then(|most| most.0).map(PositiveDuration::span),
            }),
        };
        gate(rule, self.keys.scope, self.keys.on_refusal)
    }
}
