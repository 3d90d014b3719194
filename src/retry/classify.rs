//! Which outcomes a rule is about: `"5xx"`, `"429"`, `"timeout"`, `"connection"`, `"any"` …

use std::fmt;

use crate::protocol::Outcome;

/// One word of a list such as `retry_on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeClass {
    /// One status, 400 to 599.
    Status(u16),
    /// 400 to 499.
    ClientErrors,
    /// 500 to 599.
    ServerErrors,
    /// The attempt's time-out passed.
    Timeout,
    /// Refused or reset.
    Connection,
    /// Every failure.
    Any,
}

impl OutcomeClass {
    /// Reads one word.
    ///
    /// # Errors
    /// Lists what is possible.
    pub fn parse(word: &str) -> Result<OutcomeClass, String> {
        match word {
            "4xx" => Ok(OutcomeClass::ClientErrors),
            "5xx" => Ok(OutcomeClass::ServerErrors),
            "timeout" => Ok(OutcomeClass::Timeout),
            "connection" => Ok(OutcomeClass::Connection),
            "any" => Ok(OutcomeClass::Any),
            _ => match word.parse() {
                Ok(status @ 400..=599) => Ok(OutcomeClass::Status(status)),
                _ => Err(format!(
                    "`{word}` is not an outcome; one of \"5xx\", \"4xx\", \"timeout\", \"connection\", \"any\" or a status from 400 to 599"
                )),
            },
        }
    }

    /// True if `outcome` is of this class.
    pub fn contains(self, outcome: Outcome) -> bool {
        match (self, outcome) {
            (_, Outcome::Open | Outcome::Status(200..=299)) => false,
            (OutcomeClass::Any, _) => true,
            (OutcomeClass::Status(wanted), Outcome::Status(status)) => wanted == status,
            (OutcomeClass::ClientErrors, Outcome::Status(status)) => (400..500).contains(&status),
            (OutcomeClass::ServerErrors, Outcome::Status(status)) => (500..600).contains(&status),
            (OutcomeClass::Timeout, Outcome::Timeout) | (OutcomeClass::Connection, Outcome::Connection) => true,
            _ => false,
        }
    }

    /// Smaller is more specific: one status, then a class, then any.
    pub fn breadth(self) -> u8 {
        match self {
            OutcomeClass::Status(_) | OutcomeClass::Timeout | OutcomeClass::Connection => 0,
            OutcomeClass::ClientErrors | OutcomeClass::ServerErrors => 1,
            OutcomeClass::Any => 2,
        }
    }
}

impl fmt::Display for OutcomeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutcomeClass::Status(status) => write!(f, "{status}"),
            OutcomeClass::ClientErrors => f.write_str("4xx"),
            OutcomeClass::ServerErrors => f.write_str("5xx"),
            OutcomeClass::Timeout => f.write_str("timeout"),
            OutcomeClass::Connection => f.write_str("connection"),
            OutcomeClass::Any => f.write_str("any"),
        }
    }
}

/// A set of outcomes, written as a list of classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeSet(pub Vec<OutcomeClass>);

impl Default for OutcomeSet {
    /// What the contract retries unless told otherwise: 5xx, 429, time-outs and connection errors.
    fn default() -> OutcomeSet {
        OutcomeSet(vec![
            OutcomeClass::ServerErrors,
            OutcomeClass::Status(429),
            OutcomeClass::Timeout,
            OutcomeClass::Connection,
        ])
    }
}

impl OutcomeSet {
    /// True if one of the classes contains `outcome`.
    pub fn contains(&self, outcome: Outcome) -> bool {
        self.0.iter().any(|class| class.contains(outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, outcome: Outcome, expected: bool) {
        assert_eq!(OutcomeClass::parse(word).unwrap().contains(outcome), expected, "{word} and {outcome}");
    }

    #[test]
    fn classes() {
        check("5xx", Outcome::Status(503), true);
        check("5xx", Outcome::Status(429), false);
        check("4xx", Outcome::Status(429), true);
        check("429", Outcome::Status(429), true);
        check("429", Outcome::Status(409), false);
        check("timeout", Outcome::Timeout, true);
        check("timeout", Outcome::Connection, false);
        check("connection", Outcome::Connection, true);
        check("any", Outcome::Status(400), true);
        check("any", Outcome::Timeout, true);
        check("any", Outcome::Status(204), false);
        check("any", Outcome::Open, false);
        for word in ["", "200", "600", "6xx", "time-out"] {
            assert!(OutcomeClass::parse(word).is_err(), "{word}");
        }
        assert!(!OutcomeSet::default().contains(Outcome::Status(409)));
    }
}
