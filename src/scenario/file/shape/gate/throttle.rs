//! `throttle`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Around, OnRefusal, Scope, gate_around};
use crate::gate::throttle::AdaptiveThrottleConfig;
use crate::gate::{GateConfig, GateRule};
use crate::scenario::file::leaf::{Duration, PositiveDuration};
use crate::units::Span;

/// A throttle.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "adaptive": { "k": 2.0, "window": "2m" } }]))]
pub enum ThrottleChoice {
    /// Sends about `k` attempts for each one that is accepted.
    Adaptive {
        /// Attempts that are sent for each one accepted, at least 1.
        #[serde(default)]
        k: Multiplier,
        /// How much of the past counts.
        #[serde(default = "two_minutes")]
        window: PositiveDuration,
        /// Whose state it is.
        #[serde(default)]
        scope: Scope,
        /// What a refusal does to the call.
        #[serde(default)]
        on_refusal: OnRefusal,
        /// What it stands around. Default: `"attempt"`.
        #[serde(skip_serializing_if = "Option::is_none")]
        around: Option<Around>,
    },
}

/// The multiplier of accepts: at least 1, or a server that accepts everything would be throttled.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(inline, extend("minimum" = 1))]
pub struct Multiplier(f64);

/// As the Google SRE book.
impl Default for Multiplier {
    fn default() -> Multiplier {
        Multiplier(2.0)
    }
}

impl TryFrom<f64> for Multiplier {
    type Error = String;
    fn try_from(k: f64) -> Result<Multiplier, String> {
        if k.is_finite() && k >= 1.0 {
            Ok(Multiplier(k))
        } else {
            Err(format!("{k} is not at least 1: requests would be refused although all are accepted"))
        }
    }
}

/// As the Google SRE book.
fn two_minutes() -> PositiveDuration {
    PositiveDuration(Duration(Span::secs(120)))
}

impl ThrottleChoice {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        let ThrottleChoice::Adaptive { k, window, scope, on_refusal, around } = self;
        let rule = GateRule::AdaptiveThrottle(AdaptiveThrottleConfig { k: k.0, window: window.span() });
        gate_around(rule, *scope, *on_refusal, *around)
    }
}
