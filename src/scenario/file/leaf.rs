//! The small values of a scenario file: durations, rates, probabilities, statuses. Each checks itself when it is read, so that the error
//! points at it, and each is written back in a form that is read again.

mod plain;
mod words;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::protocol::Method;
use crate::retry::{OutcomeClass, OutcomeSet};
use crate::text::cut;
use crate::units::{Span, check_probability, parse_percentage, parse_probability, parse_rate, rate_parts};

pub use plain::{As, Leaf};
pub use words::{OrServe, SCRIPT_WORDS, Script, ScriptWord, Wanted, WhenFull};

/// Bytes of the longest text that may be a value: a duration in all its units has fewer.
const MOST_BYTES: usize = 200;

/// A scalar as it stands in the file, before anybody knows what it means.
pub enum Raw {
    /// A string, or a date as it is written.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// What is no scalar, in a word.
    Other(&'static str),
}

impl Raw {
    /// As a message shows it.
    pub fn shown(&self) -> String {
        match self {
            Raw::Text(text) => format!("\"{text}\""),
            Raw::Integer(number) => number.to_string(),
            // With its point, which may be what is wrong with it.
            Raw::Float(number) => format!("{number:?}"),
            Raw::Other(kind) => format!("a {kind}"),
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        struct RawVisitor;
        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
                // No value is as long as that: what is wrong with it can be said of its ends.
                Ok(Raw::Text(if text.len() > MOST_BYTES { cut(text) } else { text.to_owned() }))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
                Ok(Raw::Integer(number.into()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
                Ok(Raw::Integer(number.into()))
            }
            fn visit_i128<E>(self, number: i128) -> Result<Raw, E> {
                Ok(Raw::Integer(number))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
                Ok(Raw::Float(number))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
                Ok(Raw::Other("boolean"))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Raw::Other("list"))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                // The toml crate hands a date over as a table with this key.
                while let Some(key) = map.next_key::<String>()? {
                    if key == "$__toml_private_datetime" {
                        return map.next_value().map(Raw::Text);
                    }
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(Raw::Other("table"))
            }
        }
        deserializer.deserialize_any(RawVisitor)
    }
}

/// A duration such as `"1m 30s"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Duration(pub Span);

impl TryFrom<Raw> for Duration {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Duration, String> {
        match raw {
            Raw::Text(text) => Span::parse(&text).map(Duration),
            Raw::Integer(_) | Raw::Float(_) => {
                Err(format!("a duration needs a unit: \"{0}s\" or \"{0}ms\"", raw.shown()))
            }
            Raw::Other(kind) => Err(format!("a duration is a string such as \"250ms\", not a {kind}")),
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A duration above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct PositiveDuration(pub Duration);

impl PositiveDuration {
    /// As a length of time.
    pub fn span(self) -> Span {
        self.0.0
    }
}

impl TryFrom<Raw> for PositiveDuration {
    type Error = String;
    fn try_from(raw: Raw) -> Result<PositiveDuration, String> {
        let duration = Duration::try_from(raw)?;
        if duration.0 == Span::ZERO { Err("must be longer than 0s".into()) } else { Ok(PositiveDuration(duration)) }
    }
}

/// A value, or `"none"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrNone<T>(pub Option<T>);

impl<T> Default for OrNone<T> {
    fn default() -> OrNone<T> {
        OrNone(None)
    }
}

impl<'de, T: TryFrom<Raw, Error = String>> Deserialize<'de> for OrNone<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OrNone<T>, D::Error> {
        match Raw::deserialize(deserializer)? {
            Raw::Text(text) if text == "none" => Ok(OrNone(None)),
            raw => T::try_from(raw).map(|value| OrNone(Some(value))).map_err(serde::de::Error::custom),
        }
    }
}

impl<T: Serialize> Serialize for OrNone<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            None => serializer.serialize_str("none"),
            Some(value) => value.serialize(serializer),
        }
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Count<const LEAST: u64, const MOST: u64>(pub u64);

impl<const LEAST: u64, const MOST: u64> TryFrom<Raw> for Count<LEAST, MOST> {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Integer(number) if number < i128::from(LEAST) => Err(format!("must be at least {LEAST}")),
            Raw::Integer(number) if number > i128::from(MOST) => Err(format!("must be at most {MOST}")),
            Raw::Integer(number) => Ok(Count(number as u64)),
            other => Err(format!("must be a whole number, not {}", other.shown())),
        }
    }
}

const MOST: u64 = u32::MAX as u64;

/// A count of things.
pub type AtLeastOne = Count<1, MOST>;

impl<const LEAST: u64> Count<LEAST, MOST> {
    /// As the engine counts.
    pub fn get(self) -> u32 {
        self.0 as u32
    }
}

/// A whole number, or `"unlimited"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrUnlimited<const LEAST: u64>(pub Option<u32>);

impl<const LEAST: u64> Default for OrUnlimited<LEAST> {
    fn default() -> Self {
        OrUnlimited(None)
    }
}

impl<'de, const LEAST: u64> Deserialize<'de> for OrUnlimited<LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Raw::deserialize(deserializer)? {
            Raw::Text(text) if text == "unlimited" => Ok(OrUnlimited(None)),
            Raw::Text(text) => {
                Err(serde::de::Error::custom(format!("must be a whole number or \"unlimited\", not \"{text}\"")))
            }
            raw => Count::<LEAST, MOST>::try_from(raw)
                .map(|count| OrUnlimited(Some(count.get())))
                .map_err(serde::de::Error::custom),
        }
    }
}

impl<const LEAST: u64> Serialize for OrUnlimited<LEAST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_str("unlimited"),
            Some(count) => serializer.serialize_u32(count),
        }
    }
}

/// A rate such as `"200/s"`. Written back as it was read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Rate {
    text: String,
    /// Per second.
    pub per_second: f64,
}

impl TryFrom<Raw> for Rate {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Rate, String> {
        match raw {
            Raw::Text(text) => parse_rate(&text).map(|per_second| Rate { text, per_second }),
            other => Err(format!("a rate is a string such as \"200/s\" (/s /m /h /d), not {}", other.shown())),
        }
    }
}

impl Rate {
    /// As a number and the time that it is for.
    pub fn parts(&self) -> (f64, Span) {
        rate_parts(&self.text).unwrap_or((0.0, Span::secs(1)))
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl Default for Rate {
    fn default() -> Rate {
        Rate { text: "0/s".to_owned(), per_second: 0.0 }
    }
}

/// A rate above zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct PositiveRate(pub Rate);

impl TryFrom<Raw> for PositiveRate {
    type Error = String;
    fn try_from(raw: Raw) -> Result<PositiveRate, String> {
        let rate = Rate::try_from(raw)?;
        if rate.per_second > 0.0 { Ok(PositiveRate(rate)) } else { Err("must be above 0/s".into()) }
    }
}

/// A probability: a number in 0..1, or a string such as `"0.5%"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Probability(pub f64);

impl TryFrom<Raw> for Probability {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Probability, String> {
        match raw {
            Raw::Text(text) => parse_probability(&text),
            Raw::Integer(number) => check_probability(number as f64),
            Raw::Float(number) => check_probability(number),
            Raw::Other(kind) => Err(format!("a probability is 0.005 or \"0.5%\", not a {kind}")),
        }
        .map(Probability)
    }
}

/// A probability above zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct PositiveProbability(pub Probability);

impl TryFrom<Raw> for PositiveProbability {
    type Error = String;
    fn try_from(raw: Raw) -> Result<PositiveProbability, String> {
        let probability = Probability::try_from(raw)?;
        if probability.0 > 0.0 { Ok(PositiveProbability(probability)) } else { Err("must be above 0%".into()) }
    }
}

/// A proportion: a number that is not negative, or a string such as `"20%"`. Above 1 it is no probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Ratio(pub f64);

impl TryFrom<Raw> for Ratio {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Ratio, String> {
        let wrong = format!("{} is not a proportion; write 0.2 or \"20%\"", raw.shown());
        let number = match raw {
            Raw::Text(text) => text.trim().strip_suffix('%').and_then(parse_percentage),
            Raw::Integer(number) => Some(number as f64),
            Raw::Float(number) => Some(number),
            Raw::Other(_) => None,
        };
        number.filter(|number| (0.0..=1e9).contains(number)).map(Ratio).ok_or(wrong)
    }
}

/// A finite number that is not negative.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Amount(pub f64);

impl TryFrom<Raw> for Amount {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Amount, String> {
        let number = match raw {
            Raw::Integer(number) => number as f64,
            Raw::Float(number) => number,
            other => return Err(format!("must be a number, not {}", other.shown())),
        };
        if number.is_finite() && number >= 0.0 {
            Ok(Amount(number))
        } else {
            Err(format!("{number} is not a finite number of at least 0"))
        }
    }
}

/// A finite number above zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct PositiveNumber(pub f64);

impl TryFrom<Raw> for PositiveNumber {
    type Error = String;
    fn try_from(raw: Raw) -> Result<PositiveNumber, String> {
        let Amount(number) = Amount::try_from(raw)?;
        if number > 0.0 { Ok(PositiveNumber(number)) } else { Err("must be above 0".into()) }
    }
}

/// The factor of an exponential window: at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Factor(pub f64);

impl Default for Factor {
    fn default() -> Factor {
        Factor(2.0)
    }
}

impl TryFrom<Raw> for Factor {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Factor, String> {
        let Amount(number) = Amount::try_from(raw)?;
        if number >= 1.0 { Ok(Factor(number)) } else { Err("a factor below 1 would shrink the window".into()) }
    }
}

/// An error status, 400 to 599, as a number or a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Status(pub u16);

impl TryFrom<Raw> for Status {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Status, String> {
        let number = match &raw {
            Raw::Integer(number) => u16::try_from(*number).ok(),
            // As it stands in an answer: three digits.
            Raw::Text(text) if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(status @ 400..=599) => Ok(Status(status)),
            _ => Err(format!("{} is not an error status; one from 400 to 599", raw.shown())),
        }
    }
}

/// Values by status, in the file's order.
#[derive(Clone, Debug, PartialEq)]
pub struct ByStatus<T>(pub Vec<(u16, T)>);

impl<T> Default for ByStatus<T> {
    fn default() -> ByStatus<T> {
        ByStatus(Vec::new())
    }
}

impl<T> ByStatus<T> {
    /// With other values.
    pub fn map<U>(&self, convert: impl Fn(&T) -> U) -> Vec<(u16, U)> {
        self.0.iter().map(|(status, value)| (*status, convert(value))).collect()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByStatus<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByStatus<T>, D::Error> {
        struct MapVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for MapVisitor<T> {
            type Value = ByStatus<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table by status, such as { 503 = … }")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByStatus<T>, A::Error> {
                let mut entries: Vec<(u16, T)> = Vec::new();
                while let Some(Status(status)) = map.next_key()? {
                    entries.push((status, map.next_value()?));
                }
                Ok(ByStatus(entries))
            }
        }
        deserializer.deserialize_map(MapVisitor(PhantomData))
    }
}

impl<T: Serialize> Serialize for ByStatus<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (status, value) in &self.0 {
            map.serialize_entry(&status.to_string(), value)?;
        }
        map.end()
    }
}

/// One outcome of a list such as `retry_on`: `"5xx"`, `429`, `"timeout"` …
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Outcome(pub OutcomeClass);

impl TryFrom<Raw> for Outcome {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Outcome, String> {
        match &raw {
            Raw::Text(word) => OutcomeClass::parse(word).map(Outcome),
            Raw::Integer(number) => OutcomeClass::parse(&number.to_string()).map(Outcome),
            _ => OutcomeClass::parse(&raw.shown()).map(Outcome),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A list of outcomes; the default is what clients usually retry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes(pub Vec<Outcome>);

impl Default for Outcomes {
    fn default() -> Outcomes {
        Outcomes(OutcomeSet::default().classes().iter().copied().map(Outcome).collect())
    }
}

impl Outcomes {
    /// No outcome.
    pub fn none() -> Outcomes {
        Outcomes(Vec::new())
    }

    /// Every status from 500 on.
    pub fn server_errors() -> Outcomes {
        Outcomes(vec![Outcome(OutcomeClass::ServerErrors)])
    }

    /// Every failure.
    pub fn any() -> Outcomes {
        Outcomes(vec![Outcome(OutcomeClass::Any)])
    }

    /// As the engine knows them, with those of another list where the method is idempotent.
    pub fn for_method(&self, idempotent: &Outcomes, method: Method) -> OutcomeSet {
        let more = method.is_idempotent().then_some(&idempotent.0);
        OutcomeSet::new(self.0.iter().chain(more.into_iter().flatten()).map(|outcome| outcome.0).collect())
    }

    /// As the engine knows them.
    pub fn set(&self) -> OutcomeSet {
        OutcomeSet::new(self.0.iter().map(|outcome| outcome.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `value = TEXT` and writes it again; or the message of its error.
    fn check<T: for<'de> Deserialize<'de> + Serialize>(text: &str, expected: Result<&str, &str>) {
        #[derive(Serialize, Deserialize)]
        struct Holder<T> {
            value: T,
        }
        match (toml::from_str::<Holder<T>>(&format!("value = {text}")), expected) {
            (Ok(holder), Ok(expected)) => {
                let written = serde_json::to_value(&holder).unwrap();
                assert_eq!(written["value"].to_string(), expected, "{text}");
            }
            (Err(error), Err(part)) => assert!(error.message().contains(part), "{text}: {}", error.message()),
            (Ok(_), Err(part)) => panic!("{text} was accepted, expected an error with `{part}`"),
            (Err(error), Ok(_)) => panic!("{text}: {error}"),
        }
    }

    #[test]
    fn values() {
        check::<Duration>("\"90s\"", Ok("\"1m 30s\""));
        check::<Duration>("5", Err("\"5s\""));
        check::<Duration>("[1]", Err("not a list"));
        check::<PositiveDuration>("\"0s\"", Err("longer than 0s"));
        check::<OrNone<PositiveDuration>>("\"none\"", Ok("\"none\""));
        check::<OrNone<PositiveDuration>>("\"2s\"", Ok("\"2s\""));
        check::<AtLeastOne>("0", Err("at least 1"));
        check::<AtLeastOne>("4294967296", Err("at most 4294967295"));
        check::<AtLeastOne>("1.5", Err("whole number, not 1.5"));
        check::<AtLeastOne>("1.0", Err("whole number, not 1.0"));
        check::<AtLeastOne>("1979-05-27", Err("whole number, not \"1979-05-27\""));
        check::<Probability>("\"19.520%\"", Ok("0.1952"));
        check::<Ratio>("\"19.520%\"", Ok("0.1952"));
        let long = format!("\"{}\"", "9".repeat(1_000));
        check::<Rate>(&long, Err("9…9"));
        check::<OrUnlimited<0>>("0", Ok("0"));
        check::<OrUnlimited<1>>("0", Err("at least 1"));
        check::<OrUnlimited<1>>("\"unlimited\"", Ok("\"unlimited\""));
        check::<OrUnlimited<1>>("\"many\"", Err("\"unlimited\""));
        check::<Rate>("\"164/d\"", Ok("\"164/d\""));
        check::<Rate>("200", Err("not 200"));
        check::<PositiveRate>("\"0/s\"", Err("above 0/s"));
        check::<Probability>("\"0.5%\"", Ok("0.005"));
        check::<Probability>("1", Ok("1.0"));
        check::<Probability>("1.5", Err("outside 0 to 1"));
        check::<Probability>("true", Err("not a boolean"));
        check::<PositiveProbability>("\"0%\"", Err("above 0%"));
        check::<PositiveProbability>("1", Ok("1.0"));
        check::<Ratio>("\"20%\"", Ok("0.2"));
        check::<Ratio>("0.07", Ok("0.07"));
        check::<Ratio>("3", Ok("3.0"));
        check::<Ratio>("\"250%\"", Ok("2.5"));
        check::<Ratio>("\"20\"", Err("write 0.2 or"));
        check::<Ratio>("-0.1", Err("not a proportion"));
        check::<Amount>("-1", Err("at least 0"));
        check::<Amount>("inf", Err("finite"));
        check::<PositiveNumber>("0", Err("above 0"));
        check::<Factor>("0.5", Err("shrink"));
        check::<Status>("\"503\"", Ok("503"));
        check::<Status>("200", Err("not an error status"));
        check::<Status>("\"0503\"", Err("not an error status"));
        check::<Status>("\"+503\"", Err("not an error status"));
        check::<ByStatus<Probability>>("{ 503 = \"90%\", 500 = 0.1 }", Ok("{\"503\":0.9,\"500\":0.1}"));
        check::<ByStatus<Probability>>("{ 5xx = 0.1 }", Err("not an error status"));
        check::<Script>("[\"timeout\", 500, \"ok\"]", Ok("[\"hang\",500,\"ok\"]"));
        check::<Script>("[\"late\"]", Err("nor one of ok, refused, "));
        check::<Script>("[200]", Err("200 is neither"));
        check::<Wanted>("\"each\"", Ok("\"each\""));
        check::<Wanted>("2", Ok("2"));
        check::<Wanted>("0", Err("at least 1"));
        check::<Wanted>("\"all\"", Err("or \"each\""));
        check::<OrServe>("\"serve\"", Ok("\"serve\""));
        check::<OrServe>("400", Ok("400"));
        check::<OrServe>("\"refuse\"", Err("nor \"serve\""));
        check::<Outcomes>("[\"5xx\", 429, \"timeout\"]", Ok("[\"5xx\",\"429\",\"timeout\"]"));
        check::<Outcomes>("[\"5x\"]", Err("not an outcome"));
        check::<Outcomes>("[]", Ok("[]"));
    }
}
