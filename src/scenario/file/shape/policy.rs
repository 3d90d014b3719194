//! `[policy.NAME]`.

use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::backoff::BackoffChoice;
use super::gate::{BreakerChoice, BudgetChoice, ConcurrencyTable, LimiterChoice, ThrottleChoice};
use crate::gate::{GateConfig, OnRefusal};
use crate::retry::{KeyMode, OutcomeClass, OutcomeSet, RetryAfter, RetryPolicy};
use crate::scenario::PolicyConfig;
use crate::scenario::file::leaf::{OrNone, OrUnlimited, Outcome, Outcomes, PositiveDuration};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    throttle: Option<ThrottleChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limiter: Option<LimiterChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencyTable>,
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
        PolicyConfig { name: name.to_owned(), policy: Arc::new(policy), gates: self.gates() }
    }

    /// In the order in which they are asked.
    fn gates(&self) -> Vec<GateConfig> {
        let gates = [
            self.budget.as_ref().map(BudgetChoice::build),
            self.throttle.as_ref().map(ThrottleChoice::build),
            self.limiter.as_ref().map(LimiterChoice::build),
            self.breaker.as_ref().map(BreakerChoice::build),
            self.concurrency.as_ref().map(ConcurrencyTable::build),
        ];
        gates.into_iter().flatten().collect()
    }

    /// The keys of gates that let a call try again after a refusal.
    pub fn tries_again(&self) -> Vec<&'static str> {
        let gates = [
            ("breaker", self.breaker.as_ref().map(BreakerChoice::build)),
            ("budget", self.budget.as_ref().map(BudgetChoice::build)),
            ("throttle", self.throttle.as_ref().map(ThrottleChoice::build)),
            ("limiter", self.limiter.as_ref().map(LimiterChoice::build)),
            ("concurrency", self.concurrency.as_ref().map(ConcurrencyTable::build)),
        ];
        let again = |gate: &Option<GateConfig>| gate.as_ref().is_some_and(|gate| gate.on_refusal == OnRefusal::Retry);
        gates.iter().filter(|(_, gate)| again(gate)).map(|(key, _)| *key).collect()
    }
}
