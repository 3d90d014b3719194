//! `retries_for`, `free_retries` and `retry_for`: limits beside `attempts`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::retry::limits::MOST_CAUSES;
use crate::retry::{AtLimit, Cause, Free, Limits, OutcomeClass, OutcomeSet, RetryFor};
use crate::scenario::file::leaf::{Count, OrNone, Outcomes, PositiveDuration};
use crate::scenario::file::schema::{OUTCOMES_KEY, by_key};

/// So many as a call can count.
type Retries = Count<0, { u8::MAX as u64 }>;

fn retries(count: Retries) -> u8 {
    u8::try_from(count.0).unwrap_or(u8::MAX)
}

/// `retries_for`: most retries after some outcomes, which are joined by `+`.
#[derive(Clone, Debug, Default)]
pub struct RetriesFor(Vec<(Causes, Retries)>);

/// Outcomes joined by `+`.
#[derive(Clone, Debug)]
struct Causes(Vec<OutcomeClass>);

impl RetriesFor {
    /// True if no outcome has a limit of its own.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(OutcomeClass::to_string).collect();
        f.write_str(&words.join("+"))
    }
}

impl<'de> Deserialize<'de> for Causes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Causes, D::Error> {
        struct Joined;
        impl Visitor<'_> for Joined {
            type Value = Causes;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("outcomes joined by `+`")
            }
            fn visit_str<E: Error>(self, words: &str) -> Result<Causes, E> {
                let classes: Result<_, String> = words.split('+').map(OutcomeClass::parse).collect();
                classes.map(Causes).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Joined)
    }
}

impl<'de> Deserialize<'de> for RetriesFor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RetriesFor, D::Error> {
        struct ByOutcomes;
        impl<'de> Visitor<'de> for ByOutcomes {
            type Value = RetriesFor;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("most retries by outcome, such as retries_for = { timeout = 1, \"refused+reset\" = 3 }")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RetriesFor, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                if entries.len() > MOST_CAUSES {
                    let told =
                        format!("{} limits are too many: a call counts for {MOST_CAUSES} at most", entries.len());
                    return Err(A::Error::custom(told));
                }
                Ok(RetriesFor(entries))
            }
        }
        deserializer.deserialize_map(ByOutcomes)
    }
}

impl JsonSchema for RetriesFor {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "RetriesFor".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = by_key::<Retries>(OUTCOMES_KEY, generator);
        schema.insert("maxProperties".into(), MOST_CAUSES.into());
        schema
    }
}

impl Serialize for RetriesFor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (causes, count) in &self.0 {
            map.serialize_entry(&causes.to_string(), count)?;
        }
        map.end()
    }
}

/// Retries that do not count.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "on": ["refused"], "retries": 1 }]))]
pub struct FreeRetries {
    /// The outcomes that they follow, whether `retry_on` has them or not.
    on: Outcomes,
    /// Most of them in a call, 0 to 255.
    #[serde(default = "one")]
    retries: Retries,
    /// Only while no retry that counts has been sent.
    #[serde(default)]
    first_only: bool,
}

fn one() -> Retries {
    Count(1)
}

/// `retry_for`: `"none"`, a duration, or one with its rule.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RetryForChoice(Option<RetryForKeys>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "limit": "10s", "rule": "cut-wait" }]))]
struct RetryForKeys {
    /// From the start of the call.
    limit: PositiveDuration,
    /// What becomes of a wait that would end later.
    #[serde(default)]
    rule: RuleName,
}

/// What becomes of a wait that would last longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RuleName {
    /// It is not begun.
    #[default]
    WaitFits,
    /// It lasts as long as it lasts, but none begins at the limit or later.
    Elapsed,
    /// It ends at the limit, and none begins then or later.
    CutWait,
}

impl RetryForChoice {
    /// As the engine knows it.
    pub fn build(self) -> Option<RetryFor> {
        self.0.map(|keys| RetryFor {
            limit: keys.limit.span(),
            rule: match keys.rule {
                RuleName::WaitFits => AtLimit::Fits,
                RuleName::Elapsed => AtLimit::Elapsed,
                RuleName::CutWait => AtLimit::Cut,
            },
        })
    }
}

impl<'de> Deserialize<'de> for RetryForChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RetryForChoice, D::Error> {
        struct WordOrTable;
        impl<'de> Visitor<'de> for WordOrTable {
            type Value = RetryForChoice;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("\"none\", a duration such as \"2m\", or { limit = \"2m\", rule = \"elapsed\" }")
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<RetryForChoice, E> {
                let value = OrNone::<PositiveDuration>::deserialize(StrDeserializer::new(word))?;
                Ok(RetryForChoice(value.0.map(|limit| RetryForKeys { limit, rule: RuleName::default() })))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RetryForChoice, A::Error> {
                RetryForKeys::deserialize(MapAccessDeserializer::new(map)).map(|keys| RetryForChoice(Some(keys)))
            }
        }
        deserializer.deserialize_any(WordOrTable)
    }
}

impl JsonSchema for RetryForChoice {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "RetryFor".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<OrNone<PositiveDuration>>(),
                generator.subschema_for::<RetryForKeys>(),
            ]
        })
    }
}

impl Serialize for RetryForChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(keys) if keys.rule != RuleName::default() => keys.serialize(serializer),
            keys => OrNone(keys.map(|keys| keys.limit)).serialize(serializer),
        }
    }
}

/// Both as the engine knows them; `None` if there are none.
pub fn build(causes: &RetriesFor, free: Option<&FreeRetries>) -> Option<Box<Limits>> {
    let cause = |(causes, count): &(Causes, Retries)| {
        let on = OutcomeSet::new(causes.0.clone());
        Cause { on, retries: retries(*count) }
    };
    let causes: Vec<Cause> = causes.0.iter().map(cause).collect();
    let free = free.map(|free| Free { on: free.on.set(), retries: retries(free.retries), first_only: free.first_only });
    (!causes.is_empty() || free.is_some()).then(|| Box::new(Limits { causes, free }))
}
