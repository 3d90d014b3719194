//! Schemas of the values that read themselves: how a duration, a rate, a status is written. One line of JSON Schema for each.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::scenario::file::leaf::{
    Amount, As, ByStatus, Count, Duration, Factor, OrNone, OrServe, OrUnlimited, Outcome, Outcomes, PositiveDuration,
    PositiveNumber, PositiveProbability, PositiveRate, Probability, Rate, Ratio, SCRIPT_WORDS, Script, Status, Wanted,
    WhenFull,
};
use crate::scenario::file::shape::recorded::{Column, Origin};
use crate::scenario::warning::codes;
use crate::scenario::{Locks, Reads};

/// Numbers with units, as [`crate::units::Span::parse`] reads them.
const DURATION: &str = r"^\s*(([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)(ns|us|ms|s|m|h|d|w)\s*)+$";
/// The same, with a digit that is not 0.
const POSITIVE_DURATION: &str = r"^(?=.*[1-9])\s*(([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)(ns|us|ms|s|m|h|d|w)\s*)+$";
/// As [`crate::units::parse_rate`] reads it.
const RATE: &str = r"^\s*([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][+-]?[0-9]+)?\s*/\s*[smhd]\s*$";
/// The same, with a digit that is not 0.
const POSITIVE_RATE: &str =
    r"^(?=.*[1-9])\s*([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][+-]?[0-9]+)?\s*/\s*[smhd]\s*$";
/// 0 to 1, or 0% to 100%, as [`crate::units::parse_probability`] reads it.
const PROBABILITY: &str = r"^\s*(\+?(0*(\.[0-9]+)?|0*1(\.0*)?|0+\.|0*[0-9](\.[0-9]*)?[eE]-[0-9]+)|0*([0-9]{0,2}(\.[0-9]*)?|100(\.0*)?)\s*%)\s*$";
/// The same, with a digit that is not 0.
const POSITIVE_PROBABILITY: &str = r"^(?=.*[1-9])\s*(\+?(0*(\.[0-9]+)?|0*1(\.0*)?|0+\.|0*[0-9](\.[0-9]*)?[eE]-[0-9]+)|0*([0-9]{0,2}(\.[0-9]*)?|100(\.0*)?)\s*%)\s*$";
/// Any percentage.
const PERCENTAGE: &str = r"^\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*%\s*$";
/// An error status.
const STATUS: &str = "^[45][0-9]{2}$";

/// A leaf with a definition of its own: its name and its schema.
macro_rules! defined {
    ($kind:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

defined!(Duration, "Duration", {
    "type": "string",
    "description": "Numbers with units ns, us, ms, s, m, h, d, w.",
    "pattern": DURATION,
    "examples": ["250ms", "1m 30s"],
});
defined!(PositiveDuration, "PositiveDuration", {
    "type": "string",
    "description": "Numbers with units ns, us, ms, s, m, h, d, w; longer than 0.",
    "pattern": POSITIVE_DURATION,
    "examples": ["250ms", "1m 30s"],
});
defined!(Rate, "Rate", {
    "type": "string",
    "description": "A number for each second (/s), minute (/m), hour (/h) or day (/d).",
    "pattern": RATE,
    "examples": ["200/s", "164/d"],
});
defined!(PositiveRate, "PositiveRate", {
    "type": "string",
    "description": "A number for each second (/s), minute (/m), hour (/h) or day (/d); above 0.",
    "pattern": POSITIVE_RATE,
    "examples": ["200/s", "164/d"],
});
defined!(Probability, "Probability", {
    "description": "A number from 0 to 1, or a percentage as a string.",
    "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, { "type": "string", "pattern": PROBABILITY }],
    "examples": ["0.5%", 0.005],
});
defined!(PositiveProbability, "PositiveProbability", {
    "description": "A number above 0, up to 1, or a percentage as a string.",
    "anyOf": [
        { "type": "number", "exclusiveMinimum": 0, "maximum": 1 },
        { "type": "string", "pattern": POSITIVE_PROBABILITY },
    ],
    "examples": ["50%", 0.5],
});
defined!(Ratio, "Ratio", {
    "description": "A number of at least 0, or a percentage as a string.",
    "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1e9 }, { "type": "string", "pattern": PERCENTAGE }],
    "examples": ["20%", 0.2],
});
defined!(Amount, "Amount", { "type": "number", "description": "A number of at least 0.", "minimum": 0 });
defined!(PositiveNumber, "PositiveNumber", { "type": "number", "description": "A number above 0.", "exclusiveMinimum": 0 });
defined!(Factor, "Factor", { "type": "number", "description": "A number of at least 1.", "minimum": 1, "examples": [2.0] });
defined!(Status, "Status", {
    "description": "An error status, 400 to 599, as a number or a string.",
    "anyOf": [{ "type": "integer", "minimum": 400, "maximum": 599 }, { "type": "string", "pattern": STATUS }],
    "examples": [503, 429],
});
defined!(Outcome, "Outcome", {
    "description": "How an attempt failed: a class, one status, or `any`.",
    "anyOf": [
        { "enum": ["5xx", "4xx", "timeout", "connection", "refused", "reset", "any"] },
        { "type": "integer", "minimum": 400, "maximum": 599 },
        { "type": "string", "pattern": STATUS },
    ],
    "examples": ["5xx", 429, "timeout"],
});

/// Tables by outcome take these keys.
pub const OUTCOME_KEY: &str = "^(5xx|4xx|timeout|connection|refused|reset|any|[45][0-9]{2})$";

/// Answers to failures of calls these.
pub const FAILURE_KEY: &str = "^(5xx|4xx|timeout|connection|refused|reset|any|gate|deadline|[45][0-9]{2})$";

/// Tables by several outcomes, joined by `+`, these.
pub const OUTCOMES_KEY: &str = r"^(5xx|4xx|timeout|connection|refused|reset|any|[45][0-9]{2})(\+(5xx|4xx|timeout|connection|refused|reset|any|[45][0-9]{2}))*$";

defined!(Column, "Column", {
    "description": "A column of a CSV file: a name in its header, or a number from 1.",
    "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 1, "maximum": u32::MAX }],
    "examples": ["time", 1],
});
defined!(Origin, "Origin", {
    "description": "A time: ISO 8601, that of the Common Log Format, or a number of seconds, of the clock from 10^9 on.",
    "anyOf": [{ "type": "string" }, { "type": "number", "minimum": 0 }],
    "examples": ["2026-01-01T00:00:00Z", 1767225600],
});

impl JsonSchema for Script {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Script".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = SCRIPT_WORDS.iter().map(|(word, _)| *word).collect();
        let status = generator.subschema_for::<Status>();
        json_schema!({
            "type": "array",
            "items": { "anyOf": [{ "enum": words }, status] },
            "examples": [["timeout", 500, "ok"]],
        })
    }
}

impl JsonSchema for Wanted {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Wanted".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_word::<Count<1, { u32::MAX as u64 }>>("each", generator)
    }
}

impl JsonSchema for Reads {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Reads".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "boolean" }, { "oneOf": [{
            "type": "object",
            "properties": { "if-undone": generator.subschema_for::<Status>() },
            "required": ["if-undone"],
            "additionalProperties": false,
            "description": "If nobody had ever written; otherwise this is the answer: an order that is cancelled by then.",
        }] }] })
    }
}

impl JsonSchema for Locks {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Locks".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "boolean" }, { "oneOf": [{
            "const": "until-over",
            "description": "If that has succeeded, on until whoever makes the steps has done with them: one transaction across steps.",
        }] }] })
    }
}

impl JsonSchema for OrServe {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "OrServe".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_word::<Status>("serve", generator)
    }
}

impl JsonSchema for WhenFull {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "WhenFull".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_word::<Status>("refuse", generator)
    }
}

impl<L: JsonSchema> JsonSchema for As<L> {
    fn inline_schema() -> bool {
        L::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        L::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        L::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        L::json_schema(generator)
    }
}

impl JsonSchema for Outcomes {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Outcomes".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": generator.subschema_for::<Outcome>() })
    }
}

impl<const LEAST: u64, const MOST: u64> JsonSchema for Count<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Count_{LEAST}_{MOST}").into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
    }
}

impl<const LEAST: u64> JsonSchema for OrUnlimited<LEAST> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Count_{LEAST}_or_unlimited").into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": LEAST, "maximum": u32::MAX }, { "const": "unlimited" }] })
    }
}

impl<T: JsonSchema> JsonSchema for OrNone<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}_or_none", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_word::<T>("none", generator)
    }
}

impl<T: JsonSchema> JsonSchema for ByStatus<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}_by_status", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        by_key::<T>(STATUS, generator)
    }
}

/// A list of codes of warnings.
pub fn warnings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "enum": codes().collect::<Vec<_>>() }, "examples": [["overload"]] })
}

/// A value, or one word.
pub fn or_word<T: JsonSchema>(word: &str, generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [generator.subschema_for::<T>(), { "const": word }] })
}

/// A table whose keys are of this pattern.
pub fn by_key<T: JsonSchema>(pattern: &str, generator: &mut SchemaGenerator) -> Schema {
    let values = json!({ pattern: generator.subschema_for::<T>() });
    json_schema!({ "type": "object", "patternProperties": values, "additionalProperties": false })
}
