//! Values that may be words: a status or `"refuse"`, a number or `"each"`, what becomes of an attempt.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Count, MOST, Raw, Status};
use crate::protocol::Outcome as Answer;
use crate::scenario::{Locks, Reads, Scripted};

/// The answer to a request that finds no place: a status, or `"refuse"`.
#[derive(Clone, Copy, Debug)]
pub struct WhenFull(pub Answer);

impl<'de> Deserialize<'de> for WhenFull {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WhenFull, D::Error> {
        // The only word that is no status; all others are told what a status is.
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "must be a status from 400 to 599, or \"refuse\"")]
        enum Either {
            Status(Status),
            Word(Word),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Word {
            Refuse,
        }
        match Either::deserialize(deserializer)? {
            Either::Status(Status(status)) => Ok(WhenFull(Answer::Status(status))),
            Either::Word(Word::Refuse) => Ok(WhenFull(Answer::Refused)),
        }
    }
}

impl Serialize for WhenFull {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Answer::Status(status) => serializer.serialize_u16(status),
            _ => serializer.serialize_str("refuse"),
        }
    }
}

/// A number of effects, or `"each"`: one of each operation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted(pub Option<u32>);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Wanted, D::Error> {
        match Raw::deserialize(deserializer)? {
            Raw::Text(text) if text == "each" => Ok(Wanted(None)),
            Raw::Text(text) => {
                Err(serde::de::Error::custom(format!("must be a whole number or \"each\", not \"{text}\"")))
            }
            raw => {
                Count::<1, MOST>::try_from(raw).map(|count| Wanted(Some(count.get()))).map_err(serde::de::Error::custom)
            }
        }
    }
}

impl Serialize for Wanted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_str("each"),
            Some(count) => serializer.serialize_u32(count),
        }
    }
}

impl<'de> Deserialize<'de> for Reads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reads, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "must be true, false, or `if-undone` with a status from 400 to 599")]
        enum Either {
            Yes(bool),
            If(Condition),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        struct Condition {
            if_undone: Status,
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Yes(false) => Reads::No,
            Either::Yes(true) => Reads::Yes,
            Either::If(Condition { if_undone: Status(status) }) => Reads::IfUndone(status),
        })
    }
}

impl Serialize for Reads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Reads::No | Reads::Yes => serializer.serialize_bool(*self == Reads::Yes),
            Reads::IfUndone(status) => serializer.collect_map([("if-undone", status)]),
        }
    }
}

impl<'de> Deserialize<'de> for Locks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Locks, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "must be true, false, or \"until-over\"")]
        enum Either {
            Yes(bool),
            Word(Word),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Word {
            UntilOver,
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Yes(false) => Locks::No,
            Either::Yes(true) => Locks::Work,
            Either::Word(Word::UntilOver) => Locks::UntilOver,
        })
    }
}

impl Serialize for Locks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Locks::No | Locks::Work => serializer.serialize_bool(*self == Locks::Work),
            Locks::UntilOver => serializer.serialize_str("until-over"),
        }
    }
}

/// A status, or `"serve"`.
#[derive(Clone, Copy, Debug)]
pub struct OrServe(pub Option<Status>);

impl<'de> Deserialize<'de> for OrServe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OrServe, D::Error> {
        match Raw::deserialize(deserializer)? {
            Raw::Text(text) if text == "serve" => Ok(OrServe(None)),
            raw => {
                let told = format!("{} is neither an error status, 400 to 599, nor \"serve\"", raw.shown());
                let status = Status::try_from(raw).map_err(|_| serde::de::Error::custom(told))?;
                Ok(OrServe(Some(status)))
            }
        }
    }
}

impl Serialize for OrServe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_str("serve"),
            Some(status) => status.serialize(serializer),
        }
    }
}

/// What becomes of one attempt by a script.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Raw")]
pub struct ScriptWord(pub Scripted);

/// Its words, each with what it stands for. The first of two for one thing is the one that is written.
pub const SCRIPT_WORDS: [(&str, Scripted); 8] = [
    ("ok", Scripted::Ok),
    ("refused", Scripted::Refused),
    ("lost-request", Scripted::LostRequest),
    ("reset", Scripted::Reset),
    ("hang", Scripted::Hang),
    ("timeout", Scripted::Hang),
    ("lost-reply", Scripted::LostReply),
    ("late-reset", Scripted::LateReset),
];

impl TryFrom<Raw> for ScriptWord {
    type Error = String;
    fn try_from(raw: Raw) -> Result<ScriptWord, String> {
        let known = |text: &str| SCRIPT_WORDS.into_iter().find(|(word, _)| *word == text);
        if let Raw::Text(text) = &raw
            && let Some((_, scripted)) = known(text)
        {
            return Ok(ScriptWord(scripted));
        }
        let words: Vec<&str> = SCRIPT_WORDS.iter().map(|(word, _)| *word).collect();
        let told = format!("{} is neither an error status, 400 to 599, nor one of {}", raw.shown(), words.join(", "));
        Status::try_from(raw).map(|status| ScriptWord(Scripted::Status(status.0))).map_err(|_| told)
    }
}

impl Serialize for ScriptWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Scripted::Status(status) => serializer.serialize_u16(status),
            scripted => {
                let word = SCRIPT_WORDS.into_iter().find(|(_, other)| *other == scripted);
                serializer.serialize_str(word.expect("each has a word").0)
            }
        }
    }
}

/// What becomes of attempts, one after the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Script(pub Vec<ScriptWord>);
