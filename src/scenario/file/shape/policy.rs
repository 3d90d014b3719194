//! `[policy.NAME]`.

use std::fmt;
use std::sync::Arc;

use serde::de::{IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::backoff::BackoffChoice;
use crate::gate::breaker::ConsecutiveBreakerConfig;
use crate::gate::budget::{DepositOn, TokenBudgetConfig, Tokens};
use crate::gate::{GateConfig, GateRule, Scope};
use crate::retry::{KeyMode, OutcomeClass, OutcomeSet, RetryAfter, RetryPolicy};
use crate::scenario::PolicyConfig;
use crate::scenario::file::leaf::{AtLeastOne, Count, OrNone, OrUnlimited, Outcome, Outcomes, PositiveDuration};

/// `[policy.NAME]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyTable {
    /// Default: 1.
    pub attempts: Option<OrUnlimited<1>>,
    #[serde(default)]
    pub timeout: OrNone<PositiveDuration>,
    #[serde(default)]
    pub deadline: OrNone<PositiveDuration>,
    /// Default: none. Absent where there is no retry to wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffChoice>,
    #[serde(default, skip_serializing_if = "BackoffFor::is_empty")]
    pub backoff_for: BackoffFor,
    #[serde(default)]
    retry_on: Outcomes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfterChoice>,
    #[serde(default)]
    key: KeyName,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<BreakerChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetChoice>,
    /// What is different in this row's world. Read from the scenario's tree, where it has its places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<With>,
}

/// `with`: paths of the world. Only that it is a table is known here.
#[derive(Clone, Debug)]
pub struct With {
    /// Every key it touches, as it stands in the changed world; filled in once that has been read.
    pub resolved: serde_json::Value,
}

impl<'de> Deserialize<'de> for With {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<With, D::Error> {
        struct AnyTable;
        impl<'de> Visitor<'de> for AnyTable {
            type Value = With;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table of what changes, such as with.server.api.queue = 0")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<With, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(With { resolved: serde_json::Value::Null })
            }
        }
        deserializer.deserialize_map(AnyTable)
    }
}

impl Serialize for With {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.resolved.serialize(serializer)
    }
}

/// `backoff_for`: backoffs by outcome.
#[derive(Clone, Debug, Default)]
pub struct BackoffFor(Vec<(OutcomeClass, BackoffChoice)>);

impl BackoffFor {
    /// True if no outcome has a backoff of its own.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for BackoffFor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BackoffFor, D::Error> {
        struct ByOutcome;
        impl<'de> Visitor<'de> for ByOutcome {
            type Value = BackoffFor;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("backoffs by outcome, such as backoff_for.429.fixed = { delay = \"2s\" }")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BackoffFor, A::Error> {
                let mut entries = Vec::new();
                while let Some(Outcome(class)) = map.next_key()? {
                    entries.push((class, map.next_value()?));
                }
                Ok(BackoffFor(entries))
            }
        }
        deserializer.deserialize_map(ByOutcome)
    }
}

impl Serialize for BackoffFor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (class, backoff) in &self.0 {
            map.serialize_entry(&class.to_string(), backoff)?;
        }
        map.end()
    }
}

/// `retry_after`: `"ignore"`, `"honour"`, or `honour = { max }`.
#[derive(Clone, Copy, Debug, Default)]
pub enum RetryAfterChoice {
    #[default]
    Ignore,
    Honour {
        max: OrNone<PositiveDuration>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HonourKeys {
    #[serde(default)]
    max: OrNone<PositiveDuration>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryAfterTable {
    honour: HonourKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RetryAfterWord {
    Ignore,
    Honour,
}

impl<'de> Deserialize<'de> for RetryAfterChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RetryAfterChoice, D::Error> {
        struct WordOrTable;
        impl<'de> Visitor<'de> for WordOrTable {
            type Value = RetryAfterChoice;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("\"ignore\", \"honour\" or honour = { max = \"60s\" }")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<RetryAfterChoice, E> {
                match RetryAfterWord::deserialize(serde::de::value::StrDeserializer::new(word))? {
                    RetryAfterWord::Ignore => Ok(RetryAfterChoice::Ignore),
                    RetryAfterWord::Honour => Ok(RetryAfterChoice::Honour { max: OrNone(None) }),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RetryAfterChoice, A::Error> {
                let table = RetryAfterTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RetryAfterChoice::Honour { max: table.honour.max })
            }
        }
        deserializer.deserialize_any(WordOrTable)
    }
}

impl Serialize for RetryAfterChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            RetryAfterChoice::Ignore => serializer.serialize_str("ignore"),
            RetryAfterChoice::Honour { max: OrNone(None) } => serializer.serialize_str("honour"),
            RetryAfterChoice::Honour { max } => {
                RetryAfterTable { honour: HonourKeys { max: *max } }.serialize(serializer)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeyName {
    #[default]
    None,
    PerOperation,
    PerAttempt,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopeName {
    #[default]
    Client,
    Fleet,
}

impl ScopeName {
    fn scope(self) -> Scope {
        match self {
            ScopeName::Client => Scope::Client,
            ScopeName::Fleet => Scope::Fleet,
        }
    }
}

/// `breaker`. A new one is registered here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum BreakerChoice {
    Consecutive {
        failures: AtLeastOne,
        open: PositiveDuration,
        #[serde(default = "one_probe")]
        probes: AtLeastOne,
        #[serde(default)]
        scope: ScopeName,
    },
}

/// As sony/gobreaker 2.4 (`MaxRequests` 0 means 1).
fn one_probe() -> AtLeastOne {
    Count(1)
}

/// `budget`. A new one is registered here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum BudgetChoice {
    Tokens {
        capacity: TokenAmount,
        #[serde(default = "one_token")]
        cost: TokenAmount,
        deposit: TokenAmount,
        #[serde(default)]
        deposit_on: DepositName,
        #[serde(default)]
        scope: ScopeName,
    },
}

fn one_token() -> TokenAmount {
    TokenAmount(1.0)
}

/// A number of tokens, fractions allowed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64")]
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

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DepositName {
    #[default]
    Success,
    FirstAttempt,
}

impl PolicyTable {
    /// Writes the defaults that depend on whether there are retries.
    pub fn resolve(&mut self) {
        let attempts = *self.attempts.get_or_insert(OrUnlimited(Some(1)));
        if attempts != OrUnlimited(Some(1)) {
            self.backoff.get_or_insert_with(BackoffChoice::default);
            self.retry_after.get_or_insert_with(RetryAfterChoice::default);
        }
    }

    /// As the engine knows it. Call [`PolicyTable::resolve`] first.
    pub fn build(&self, name: &str) -> PolicyConfig {
        let mut backoff_for: Vec<_> =
            self.backoff_for.0.iter().map(|(class, backoff)| (*class, backoff.build())).collect();
        backoff_for.sort_by_key(|(class, _)| class.breadth());
        let policy = RetryPolicy {
            attempts: self.attempts.map_or(Some(1), |attempts| attempts.0),
            timeout: self.timeout.0.map(PositiveDuration::span),
            deadline: self.deadline.0.map(PositiveDuration::span),
            backoff: self.backoff.clone().unwrap_or_default().build(),
            backoff_for,
            retry_on: OutcomeSet(self.retry_on.0.iter().map(|outcome| outcome.0).collect()),
            retry_after: match self.retry_after.unwrap_or_default() {
                RetryAfterChoice::Ignore => RetryAfter::Ignore,
                RetryAfterChoice::Honour { max } => RetryAfter::Honour { max: max.0.map(PositiveDuration::span) },
            },
            key: match self.key {
                KeyName::None => KeyMode::None,
                KeyName::PerOperation => KeyMode::PerOperation,
                KeyName::PerAttempt => KeyMode::PerAttempt,
            },
        };
        PolicyConfig { name: name.to_owned(), policy: Arc::new(policy), gates: self.gates(), world: None }
    }

    fn gates(&self) -> Vec<GateConfig> {
        let budget = self.budget.as_ref().map(|BudgetChoice::Tokens { capacity, cost, deposit, deposit_on, scope }| {
            let rule = GateRule::TokenBudget(TokenBudgetConfig {
                capacity: Tokens::new(capacity.0),
                cost: Tokens::new(cost.0),
                deposit: Tokens::new(deposit.0),
                deposit_on: match deposit_on {
                    DepositName::Success => DepositOn::Success,
                    DepositName::FirstAttempt => DepositOn::FirstAttempt,
                },
            });
            GateConfig { rule, scope: scope.scope() }
        });
        let breaker = self.breaker.as_ref().map(|BreakerChoice::Consecutive { failures, open, probes, scope }| {
            let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig {
                failures: failures.get(),
                open: open.span(),
                probes: probes.get(),
            });
            GateConfig { rule, scope: scope.scope() }
        });
        budget.into_iter().chain(breaker).collect()
    }
}
