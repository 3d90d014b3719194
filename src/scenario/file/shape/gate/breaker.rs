//! `breaker`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RefusalName, ScopeName, gate};
use crate::gate::breaker::{ConsecutiveBreakerConfig, RateBreakerConfig, RateWindow, SlowCalls};
use crate::gate::{GateConfig, GateRule};
use crate::scenario::file::leaf::{AtLeastOne, Count, PositiveDuration, PositiveProbability};

/// A circuit breaker.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "consecutive": { "failures": 5, "open": "30s" } }]))]
pub enum BreakerChoice {
    /// Opens after a number of failures in a row.
    Consecutive {
        /// Failures in a row that open it.
        failures: AtLeastOne,
        /// How long it refuses everything once it is open.
        open: PositiveDuration,
        /// Attempts that pass when it is half-open; that many successes close it. Default: 1.
        #[serde(default = "one_probe")]
        probes: AtLeastOne,
        /// One for each client (default) or one for the fleet.
        #[serde(default)]
        scope: ScopeName,
        /// What a refusal does to the call. Default: `"fail"`.
        #[serde(default)]
        on_refusal: RefusalName,
    },
    /// Opens at a share of failures among the last calls, or in the last time.
    Rate(RateBreaker),
}

/// As sony/gobreaker 2.4 (`MaxRequests` 0 means 1).
fn one_probe() -> AtLeastOne {
    Count(1)
}

/// Opens at a share of failures; `calls` or `window` says of which outcomes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RateBreakerKeys", into = "RateBreakerKeys")]
pub struct RateBreaker {
    keys: RateBreakerKeys,
    window: RateWindow,
    min_calls: AtLeastOne,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "anyOf" = [{ "required": ["calls"] }, { "required": ["window"] }],
    "not" = { "required": ["calls", "window"] },
    "dependentRequired" = { "slow_threshold": ["slow_call"] }
))]
struct RateBreakerKeys {
    /// Share of failures that opens it.
    threshold: PositiveProbability,
    /// The last so many outcomes count.
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<AtLeastOne>,
    /// The outcomes of the last so long count.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<PositiveDuration>,
    /// Fewer outcomes than this open nothing. Default: 20, or `calls` if that is less.
    min_calls: Option<AtLeastOne>,
    /// How long it refuses everything once it is open.
    open: PositiveDuration,
    /// Attempts that pass when it is half-open; that many successes close it. Default: 1.
    #[serde(default = "one_probe")]
    probes: AtLeastOne,
    /// An attempt that takes longer is slow. Default: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_call: Option<PositiveDuration>,
    /// Share of slow calls that opens it. Default: a slow call is a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_threshold: Option<PositiveProbability>,
    /// One for each client (default) or one for the fleet.
    #[serde(default)]
    scope: ScopeName,
    /// What a refusal does to the call. Default: `"fail"`.
    #[serde(default)]
    on_refusal: RefusalName,
}

/// Hystrix's `requestVolumeThreshold`.
const MIN_CALLS: u64 = 20;

impl TryFrom<RateBreakerKeys> for RateBreaker {
    type Error = String;
    fn try_from(mut keys: RateBreakerKeys) -> Result<RateBreaker, String> {
        let window = match (keys.calls, keys.window) {
            (Some(calls), None) => RateWindow::Calls(calls.get()),
            (None, Some(window)) => RateWindow::Time(window.span()),
            (Some(_), Some(_)) => {
                return Err("counts over the last `calls` or over a `window` of time, not both".into());
            }
            (None, None) => return Err("needs `calls = 100` or `window = \"30s\"`: the outcomes that count".into()),
        };
        if keys.slow_threshold.is_some() && keys.slow_call.is_none() {
            return Err("`slow_threshold` needs `slow_call`: from when on is a call slow?".into());
        }
        // A window of fewer calls is judged when it is full.
        let most = keys.calls.map_or(u64::MAX, |calls| calls.0);
        let min_calls = *keys.min_calls.get_or_insert(Count(MIN_CALLS.min(most)));
        if min_calls.0 > most {
            return Err(format!("`min_calls` ({}) is above `calls` ({most}): it would never open", min_calls.0));
        }
        Ok(RateBreaker { keys, window, min_calls })
    }
}

impl From<RateBreaker> for RateBreakerKeys {
    fn from(breaker: RateBreaker) -> RateBreakerKeys {
        breaker.keys
    }
}

impl BreakerChoice {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        match self {
            BreakerChoice::Consecutive { failures, open, probes, scope, on_refusal } => {
                let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig {
                    failures: failures.get(),
                    open: open.span(),
                    probes: probes.get(),
                });
                gate(rule, *scope, *on_refusal)
            }
            BreakerChoice::Rate(RateBreaker { keys, window, min_calls }) => {
                let slow = keys.slow_call.map(|above| SlowCalls {
                    above: above.span(),
                    threshold: keys.slow_threshold.map(|threshold| threshold.0.0),
                });
                let rule = GateRule::RateBreaker(RateBreakerConfig {
                    threshold: keys.threshold.0.0,
                    window: *window,
                    min_calls: min_calls.get(),
                    open: keys.open.span(),
                    probes: keys.probes.get(),
                    slow,
                });
                gate(rule, keys.scope, keys.on_refusal)
            }
        }
    }
}
