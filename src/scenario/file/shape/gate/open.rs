//! `open` of a breaker: a duration, or a backoff whose waits it is open for in turn.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::gate::breaker::OpenTime;
use crate::scenario::file::leaf::PositiveDuration;
use crate::scenario::file::shape::backoff::BackoffChoice;

/// How long a breaker stays open.
#[derive(Clone, Debug)]
pub enum OpenChoice {
    /// So long each time.
    Same(PositiveDuration),
    /// For the waits of a backoff in turn, until it closes.
    Grows(Box<BackoffChoice>),
}

impl OpenChoice {
    /// As the engine knows it.
    pub fn build(&self) -> OpenTime {
        match self {
            OpenChoice::Same(open) => open.span().into(),
            OpenChoice::Grows(backoff) => backoff.build().into(),
        }
    }

    /// A key of the backoff that means nothing without another one that is missing, and that one.
    pub fn without_effect(&self) -> Option<(&'static str, &'static str)> {
        match self {
            OpenChoice::Same(_) => None,
            OpenChoice::Grows(backoff) => backoff.without_effect(),
        }
    }
}

impl<'de> Deserialize<'de> for OpenChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OpenChoice, D::Error> {
        struct OpenVisitor;
        impl<'de> Visitor<'de> for OpenVisitor {
            type Value = OpenChoice;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a duration such as \"30s\", or a backoff such as { equal-jitter = { base = \"5s\" } }")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<OpenChoice, E> {
                PositiveDuration::deserialize(StrDeserializer::new(text)).map(OpenChoice::Same)
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<OpenChoice, E> {
                Err(E::custom(format!("a duration needs a unit: \"{number}s\" or \"{number}ms\"")))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<OpenChoice, E> {
                Err(E::custom(format!("a duration needs a unit: \"{number}s\" or \"{number}ms\"")))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OpenChoice, A::Error> {
                if map.size_hint() == Some(0) {
                    return Err(A::Error::custom("wanted exactly 1 element, found 0 elements"));
                }
                let backoff = BackoffChoice::deserialize(MapAccessDeserializer::new(&mut map))?;
                // As TOML says it of every other choice.
                if map.next_key::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::custom("wanted exactly 1 element, more than 1 element"));
                }
                if (1..=4).all(|k| backoff.build().bounds(k).1 == 0.0) {
                    return Err(A::Error::custom("waits of 0s: it would never refuse"));
                }
                Ok(OpenChoice::Grows(Box::new(backoff)))
            }
        }
        deserializer.deserialize_any(OpenVisitor)
    }
}

impl Serialize for OpenChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            OpenChoice::Same(open) => open.serialize(serializer),
            OpenChoice::Grows(backoff) => backoff.serialize(serializer),
        }
    }
}

impl JsonSchema for OpenChoice {
    fn schema_name() -> Cow<'static, str> {
        "Open".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let backoff = generator.subschema_for::<BackoffChoice>();
        json_schema!({
            "description": "A duration longer than 0; or a backoff: its waits in turn, from opening to opening, beginning anew once it is closed.",
            "anyOf": [
                generator.subschema_for::<PositiveDuration>(),
                { "type": "object", "allOf": [backoff] },
            ],
            "examples": ["30s", { "equal-jitter": { "base": "5s", "cap": "300s" } }],
        })
    }
}
