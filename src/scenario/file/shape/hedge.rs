//! `hedge`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate::Scope;
use crate::gate::budget::{RatioBudgetConfig, Tokens};
use crate::hedge::{HedgeConfig, Losers, OnFailure, Trigger};
use crate::scenario::file::leaf::{Count, Duration, OrNone, PositiveDuration, Probability, Rate, Ratio};
use crate::units::Span;

/// Another attempt beside one that is open.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "fixed": { "delay": "50ms" } }]))]
pub enum HedgeChoice {
    /// So long after the last attempt was sent.
    Fixed(FixedHedge),
    /// As long after the last attempt was sent as most attempts took lately.
    Percentile(PercentileHedge),
    /// When an attempt times out, which then stays open beside the retry that follows.
    Timeout {
        /// What becomes of the attempts that do not win.
        #[serde(default)]
        losers: Losers,
    },
}

/// So long after the last attempt was sent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "FixedKeys", into = "FixedKeys")]
pub struct FixedHedge {
    keys: FixedKeys,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FixedKeys {
    /// How long after the last attempt of the try was sent the next hedge is due; `"none"`: not by itself.
    delay: OrNone<Duration>,
    /// Most hedges beside a first attempt or a retry, 1 to 100.
    #[serde(default = "one")]
    extra: Extra,
    /// What a failure that would be retried does while there are hedges left.
    #[serde(default)]
    on_failure: OnFailure,
    /// What becomes of the attempts that do not win.
    #[serde(default)]
    losers: Losers,
    /// A limit on hedges in proportion to calls, with the rule of `budget.ratio`; deposits are first attempts. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<HedgeBudget>,
    /// Whose budget it is; only with `budget`. Default: `"client"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
}

impl TryFrom<FixedKeys> for FixedHedge {
    type Error = String;
    fn try_from(keys: FixedKeys) -> Result<FixedHedge, String> {
        if keys.delay.0.is_none() && keys.on_failure != OnFailure::Next {
            return Err("with `delay = \"none\"` and this `on_failure` nothing sets off a hedge".into());
        }
        if keys.scope.is_some() && keys.budget.is_none() {
            return Err("`scope` means nothing without `budget`".into());
        }
        Ok(FixedHedge { keys })
    }
}

impl From<FixedHedge> for FixedKeys {
    fn from(hedge: FixedHedge) -> FixedKeys {
        hedge.keys
    }
}

/// As long after the last attempt was sent as most attempts took lately.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "PercentileKeys", into = "PercentileKeys")]
pub struct PercentileHedge {
    keys: PercentileKeys,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PercentileKeys {
    /// The delay is the time within which this share of attempts ended; above 0 and below 100%.
    at: Probability,
    /// How much of the past counts: the last three thirds of it that are over.
    #[serde(default = "thirty_seconds")]
    window: PositiveDuration,
    /// The delay is no shorter than this.
    #[serde(default = "a_millisecond")]
    min: Duration,
    /// Most hedges beside a first attempt or a retry, 1 to 100.
    #[serde(default = "one")]
    extra: Extra,
    /// What a failure that would be retried does while there are hedges left.
    #[serde(default)]
    on_failure: OnFailure,
    /// What becomes of the attempts that do not win.
    #[serde(default)]
    losers: Losers,
    /// A limit on hedges in proportion to calls, with the rule of `budget.ratio`; deposits are first attempts. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<HedgeBudget>,
    /// Whose latencies are seen, and whose budget it is.
    #[serde(default)]
    scope: Scope,
}

impl TryFrom<PercentileKeys> for PercentileHedge {
    type Error = String;
    fn try_from(keys: PercentileKeys) -> Result<PercentileHedge, String> {
        if keys.at.0 <= 0.0 || keys.at.0 >= 1.0 {
            return Err("`at` must be above 0 and below 100%: the share of attempts that are not hedged".into());
        }
        Ok(PercentileHedge { keys })
    }
}

impl From<PercentileHedge> for PercentileKeys {
    fn from(hedge: PercentileHedge) -> PercentileKeys {
        hedge.keys
    }
}

type Extra = Count<1, 100>;

fn one() -> Extra {
    Count(1)
}

/// Finagle: three buckets of ten seconds.
fn thirty_seconds() -> PositiveDuration {
    PositiveDuration(Duration(Span::secs(30)))
}

/// Finagle.
fn a_millisecond() -> Duration {
    Duration(Span::millis(1))
}

/// The time to live of deposits in Finagle's budgets.
fn ten_seconds() -> PositiveDuration {
    PositiveDuration(Duration(Span::secs(10)))
}

/// `hedge.….budget`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HedgeBudget {
    /// Hedges for each call.
    ratio: Ratio,
    /// Hedges that are free, per time.
    #[serde(default)]
    min_rate: Rate,
    /// How much of the past counts.
    #[serde(default = "ten_seconds")]
    window: PositiveDuration,
}

impl HedgeChoice {
    /// True if a time-out is what sets it off.
    pub fn is_on_timeout(&self) -> bool {
        matches!(self, HedgeChoice::Timeout { .. })
    }

    /// As the engine knows it.
    pub fn build(&self) -> HedgeConfig {
        match self {
            HedgeChoice::Fixed(FixedHedge { keys }) => HedgeConfig {
                trigger: Trigger::Fixed(keys.delay.0.map(|delay| delay.0)),
                extra: keys.extra.0 as u32,
                on_failure: keys.on_failure,
                losers: keys.losers,
                budget: keys.budget.as_ref().map(HedgeBudget::build),
                scope: keys.scope.unwrap_or_default(),
            },
            HedgeChoice::Percentile(PercentileHedge { keys }) => HedgeConfig {
                trigger: Trigger::Percentile { at: keys.at.0, window: keys.window.span(), min: keys.min.0 },
                extra: keys.extra.0 as u32,
                on_failure: keys.on_failure,
                losers: keys.losers,
                budget: keys.budget.as_ref().map(HedgeBudget::build),
                scope: keys.scope,
            },
            HedgeChoice::Timeout { losers } => HedgeConfig {
                trigger: Trigger::Timeout,
                extra: 0,
                on_failure: OnFailure::End,
                losers: *losers,
                budget: None,
                scope: Scope::Client,
            },
        }
    }
}

impl HedgeBudget {
    fn build(&self) -> RatioBudgetConfig {
        RatioBudgetConfig::new(Tokens::new(self.ratio.0), self.min_rate.per_second, self.window.span())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(text: &str) -> HedgeConfig {
        toml::from_str::<HedgeChoice>(text).expect(text).build()
    }

    /// What is not said is what the contract says.
    #[test]
    fn defaults() {
        let budget = |seconds| Some(RatioBudgetConfig::new(Tokens::new(0.5), 0.0, Span::secs(seconds)));
        let fixed = HedgeConfig { budget: budget(10), ..HedgeConfig::after(Span::millis(50)) };
        assert_eq!(built("fixed = { delay = '50ms', budget = { ratio = 0.5 } }"), fixed);
        let trigger = Trigger::Percentile { at: 0.95, window: Span::secs(30), min: Span::millis(1) };
        let percentile = HedgeConfig { trigger, ..HedgeConfig::after(Span::ZERO) };
        assert_eq!(built("percentile = { at = '95%' }"), percentile);
    }
}
