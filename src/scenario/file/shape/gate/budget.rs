//! `budget`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{OnRefusal, Scope, gate};
use crate::gate::budget::{Charge, DepositOn, EarnOn, RatioBudgetConfig, Refill, Rounding, TokenBudgetConfig, Tokens};
use crate::gate::{GateConfig, GateRule};
use crate::retry::OutcomeClass;
use crate::scenario::file::leaf::{Duration, Outcome, PositiveDuration, Probability, Rate, Ratio};
use crate::scenario::file::schema::{OUTCOME_KEY, by_key};
use crate::units::Span;

/// A retry budget.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "tokens": { "capacity": 10, "deposit": 0.1, "deposit_on": "first-attempt" } }]))]
pub enum BudgetChoice {
    /// Retries take tokens, successes or first attempts bring them in.
    Tokens(TokenBudget),
    /// Retries in proportion to first attempts.
    Ratio {
        /// Retries for each deposit: a number from 0 to 10^9, counted in billionths, or a percentage.
        ratio: Ratio,
        /// Retries that are free, per time.
        #[serde(default)]
        min_rate: Rate,
        /// How much of the past counts.
        #[serde(default = "ten_seconds")]
        window: PositiveDuration,
        /// What is a deposit. Default: `"first-attempt"`.
        #[serde(skip_serializing_if = "Option::is_none")]
        deposit_on: Option<EarnOn>,
        /// How it is counted. Default: `"none"`.
        #[serde(skip_serializing_if = "Option::is_none")]
        rounding: Option<Rounding>,
        /// Whose state it is.
        #[serde(default)]
        scope: Scope,
        /// What a refusal does to the call.
        #[serde(default)]
        on_refusal: OnRefusal,
    },
}

fn one_token() -> TokenAmount {
    TokenAmount(1.0)
}

/// The time to live of deposits in Finagle's and tower's budgets.
fn ten_seconds() -> PositiveDuration {
    PositiveDuration(Duration(Span::secs(10)))
}

/// Retries take tokens, successes or first attempts bring them in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "TokenBudgetKeys", into = "TokenBudgetKeys")]
pub struct TokenBudget {
    keys: TokenBudgetKeys,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["deposit"] }, { "required": ["refill"] }]))]
struct TokenBudgetKeys {
    /// Most tokens.
    capacity: TokenAmount,
    /// Tokens at first, at most `capacity`. Default: `capacity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    initial: Option<TokenAmount>,
    /// Tokens that a retry takes; it passes if there are as many.
    #[serde(default = "one_token")]
    cost: TokenAmount,
    /// By outcome: the cost after it, in the words of `retry_on`, such as `{ timeout = 10, 429 = 5 }`; the most specific applies. Default:
    /// `{}`.
    #[serde(default, skip_serializing_if = "CostFor::is_empty")]
    cost_for: CostFor,
    /// What takes tokens. Default: `"retry"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<Charge>,
    /// Retries pass only while there are more tokens than this share of `capacity`, from 0 to below 1. With `charge = "failure"` that is
    /// the only condition; with `"retry"` 0 is none. Default: `0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    above: Option<Probability>,
    /// Tokens that a deposit brings in, up to `capacity`. Required without `refill`. Default: `0` with `refill`.
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit: Option<TokenAmount>,
    /// What is a deposit.
    #[serde(default)]
    deposit_on: DepositOn,
    /// What a call that was retried and succeeded gets back, beside the deposit. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund: Option<RefundName>,
    /// So many tokens come in with time, evenly and in fractions, up to `capacity`, whatever calls do; at most 10^9 per unit, and the
    /// number before the slash is counted to the billionth. Default: `"0/s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refill: Option<Rate>,
    /// Whose state it is.
    #[serde(default)]
    scope: Scope,
    /// What a refusal does to the call.
    #[serde(default)]
    on_refusal: OnRefusal,
}

impl TryFrom<TokenBudgetKeys> for TokenBudget {
    type Error = String;
    fn try_from(mut keys: TokenBudgetKeys) -> Result<TokenBudget, String> {
        let refilled = keys.refill.as_ref().map_or(0.0, |refill| refill.parts().0);
        if refilled > Tokens::MOST {
            return Err(format!("`refill` must be at most {} tokens in its time", Tokens::MOST));
        }
        if keys.deposit.is_none() && refilled == 0.0 {
            return Err("needs `deposit = 1` or `refill = \"1/s\"`: what brings tokens in".into());
        }
        keys.deposit.get_or_insert(TokenAmount(0.0));
        if let Some(initial) = keys.initial.filter(|initial| initial.0 > keys.capacity.0) {
            return Err(format!("`initial` ({}) is above `capacity` ({})", initial.0, keys.capacity.0));
        }
        if keys.above.is_some_and(|above| above.0 >= 1.0) {
            return Err("`above` must be below 100%: there are never more tokens than `capacity`".into());
        }
        if keys.charge == Some(Charge::Failure) && keys.refund == Some(RefundName::Last) {
            return Err(
                "`refund = \"last\"` needs `charge = \"retry\"`: a retry that takes nothing gives nothing back".into(),
            );
        }
        Ok(TokenBudget { keys })
    }
}

impl From<TokenBudget> for TokenBudgetKeys {
    fn from(budget: TokenBudget) -> TokenBudgetKeys {
        budget.keys
    }
}

/// `cost_for`: tokens by outcome.
#[derive(Clone, Debug, Default)]
struct CostFor(Vec<(OutcomeClass, TokenAmount)>);

impl CostFor {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for CostFor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CostFor, D::Error> {
        struct ByOutcome;
        impl<'de> Visitor<'de> for ByOutcome {
            type Value = CostFor;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("tokens by outcome, such as cost_for = { timeout = 10, 429 = 5 }")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CostFor, A::Error> {
                let mut entries = Vec::new();
                while let Some(Outcome(class)) = map.next_key()? {
                    entries.push((class, map.next_value()?));
                }
                Ok(CostFor(entries))
            }
        }
        deserializer.deserialize_map(ByOutcome)
    }
}

impl Serialize for CostFor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (class, tokens) in &self.0 {
            map.serialize_entry(&class.to_string(), tokens)?;
        }
        map.end()
    }
}

impl JsonSchema for CostFor {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "CostFor".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        by_key::<TokenAmount>(OUTCOME_KEY, generator)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RefundName {
    /// Nothing.
    #[default]
    None,
    /// What its last retry took.
    Last,
}

/// A number of tokens, fractions allowed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(inline, extend("minimum" = 0, "maximum" = Tokens::MOST))]
pub struct TokenAmount(f64);

impl TryFrom<f64> for TokenAmount {
    type Error = String;
    fn try_from(amount: f64) -> Result<TokenAmount, String> {
        if (0.0..=Tokens::MOST).contains(&amount) {
            Ok(TokenAmount(amount))
        } else {
            Err(format!("must be between 0 and {} tokens", Tokens::MOST))
        }
    }
}

impl TokenBudgetKeys {
    fn build(&self) -> GateConfig {
        let tokens = |amount: TokenAmount| Tokens::new(amount.0);
        let rule = GateRule::TokenBudget(TokenBudgetConfig {
            capacity: tokens(self.capacity),
            initial: tokens(self.initial.unwrap_or(self.capacity)),
            cost: tokens(self.cost),
            cost_for: self.cost_for.0.iter().map(|(class, cost)| (*class, tokens(*cost))).collect(),
            charge: self.charge.unwrap_or_default(),
            above: self.above.unwrap_or_default().0,
            deposit: self.deposit.map_or(Tokens(0), tokens),
            deposit_on: self.deposit_on,
            refund: self.refund.unwrap_or_default() == RefundName::Last,
            refill: self
                .refill
                .as_ref()
                .map(Rate::parts)
                .filter(|(count, _)| *count > 0.0)
                .map(|(count, per)| Refill { tokens: Tokens::new(count), per }),
        });
        gate(rule, self.scope, self.on_refusal)
    }
}

impl BudgetChoice {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        match self {
            BudgetChoice::Tokens(TokenBudget { keys }) => keys.build(),
            BudgetChoice::Ratio { ratio, min_rate, window, deposit_on, rounding, scope, on_refusal } => {
                let rule = GateRule::RatioBudget(RatioBudgetConfig {
                    ratio: Tokens::new(ratio.0),
                    min_rate: min_rate.per_second,
                    window: window.span(),
                    deposit_on: deposit_on.unwrap_or_default(),
                    rounding: rounding.unwrap_or_default(),
                });
                gate(rule, *scope, *on_refusal)
            }
        }
    }
}
