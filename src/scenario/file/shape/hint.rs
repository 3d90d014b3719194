//! `retry_after` of `[policy.NAME]`: what a client makes of a server's hint.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::custom::{AddKeys, MultiplyKeys};
use crate::protocol::{HintFormat, Method};
use crate::retry::{Hints, Jitter, OverMax, RetryAfter};
use crate::scenario::file::leaf::{Duration, OrNone, Outcomes, PositiveDuration, PositiveNumber};

/// `retry_after`: `"ignore"`, `"honour"`, or `honour = { max }`.
#[derive(Clone, Debug, Default)]
pub enum RetryAfterChoice {
    /// The backoff applies.
    #[default]
    Ignore,
    /// The hint applies.
    Honour(HonourKeys),
}

/// How a hint is honoured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HonourKeys {
    /// A wait is never longer than this.
    #[serde(default)]
    max: OrNone<PositiveDuration>,
    /// What becomes of a hint that is longer than `max`.
    #[serde(default)]
    over_max: OverMax,
    /// The formats that the client reads; the server's is `retry_after_as`. A hint in another format is not seen.
    #[serde(default = "retry_after_header")]
    formats: Vec<HintFormat>,
    /// Outcomes whose hint is looked at.
    #[serde(default = "Outcomes::any")]
    on: Outcomes,
    /// Outcomes that are retried because they carry a hint, whatever `retry_on` says.
    #[serde(default = "Outcomes::none")]
    triggers: Outcomes,
    /// Further outcomes that are, but only if the operation's method is idempotent.
    #[serde(default = "Outcomes::none")]
    triggers_idempotent: Outcomes,
    /// Whether the wait is no shorter than the backoff.
    #[serde(default)]
    at_least_backoff: bool,
    /// The wait is at most so much longer than the backoff.
    #[serde(default)]
    beyond_backoff: OrNone<Duration>,
    /// The wait is at most so many times the backoff.
    #[serde(default)]
    times_backoff: OrNone<PositiveNumber>,
    /// What randomness does to the wait; drawn last, and may exceed `max`.
    #[serde(default)]
    jitter: HintJitter,
    /// Whether the curve of the backoff begins anew after a hint.
    #[serde(default)]
    begins_anew: bool,
}

fn retry_after_header() -> Vec<HintFormat> {
    vec![HintFormat::Seconds, HintFormat::Date]
}

impl Default for HonourKeys {
    fn default() -> HonourKeys {
        HonourKeys {
            max: OrNone(None),
            over_max: OverMax::Cap,
            formats: retry_after_header(),
            on: Outcomes::any(),
            triggers: Outcomes::none(),
            triggers_idempotent: Outcomes::none(),
            at_least_backoff: false,
            beyond_backoff: OrNone(None),
            times_backoff: OrNone(None),
            jitter: HintJitter::None,
            begins_anew: false,
        }
    }
}

/// `jitter` of a hint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum HintJitter {
    /// Nothing.
    #[default]
    None,
    /// The wait is multiplied by a number drawn from this range.
    Multiply(MultiplyKeys),
    /// The wait + U(−below, above + growth · (k−1)) before the *k*-th retry, at least 0: `{ above = "5s" }` comes back up to 5 s after the
    /// hint.
    Add(AddKeys),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RetryAfterTable {
    /// `Retry-After` replaces the backoff.
    honour: HonourKeys,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RetryAfterWord {
    /// The backoff applies.
    Ignore,
    /// `Retry-After` replaces the backoff.
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
                    RetryAfterWord::Honour => Ok(RetryAfterChoice::Honour(HonourKeys::default())),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RetryAfterChoice, A::Error> {
                let table = RetryAfterTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RetryAfterChoice::Honour(table.honour))
            }
        }
        deserializer.deserialize_any(WordOrTable)
    }
}

impl JsonSchema for RetryAfterChoice {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "RetryAfter".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [generator.subschema_for::<RetryAfterWord>(), generator.subschema_for::<RetryAfterTable>()]
        })
    }
}

impl Serialize for RetryAfterChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            RetryAfterChoice::Ignore => serializer.serialize_str("ignore"),
            RetryAfterChoice::Honour(keys) if *keys == HonourKeys::default() => serializer.serialize_str("honour"),
            RetryAfterChoice::Honour(keys) => RetryAfterTable { honour: keys.clone() }.serialize(serializer),
        }
    }
}

impl RetryAfterChoice {
    /// A key that means nothing without another one that is missing, and that one.
    pub fn without_effect(&self) -> Option<(&'static str, &'static str)> {
        let RetryAfterChoice::Honour(keys) = self else { return None };
        (keys.over_max != OverMax::Cap && keys.max.0.is_none()).then_some(("over_max", "max"))
    }

    /// As the engine knows it, for an operation with this method.
    pub fn build(&self, method: Method) -> RetryAfter {
        let RetryAfterChoice::Honour(keys) = self else { return RetryAfter::Ignore };
        RetryAfter::Honour(Box::new(Hints {
            formats: keys.formats.clone(),
            on: keys.on.set(),
            triggers: keys.triggers.for_method(&keys.triggers_idempotent, method),
            max: keys.max.0.map(PositiveDuration::span),
            over_max: keys.over_max,
            at_least_backoff: keys.at_least_backoff,
            beyond_backoff: keys.beyond_backoff.0.map(|beyond| beyond.0),
            times_backoff: keys.times_backoff.0.map(|times| times.0),
            jitter: match &keys.jitter {
                HintJitter::None => Jitter::None,
                HintJitter::Multiply(range) => Jitter::Multiply(range.multiply()),
                HintJitter::Add(range) => Jitter::Additive(range.additive()),
            },
            begins_anew: keys.begins_anew,
        }))
    }
}
