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
    /// The connection was refused: the request never got there.
    Refused,
    /// The connection was reset.
    Reset,
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
            "refused" => Ok(OutcomeClass::Refused),
            "reset" => Ok(OutcomeClass::Reset),
            "any" => Ok(OutcomeClass::Any),
            _ => match word.parse() {
                Ok(status @ 400..=599) => Ok(OutcomeClass::Status(status)),
                _ => Err(format!(
                    "`{word}` is not an outcome; one of \"5xx\", \"4xx\", \"timeout\", \"connection\", \"refused\", \"reset\", \"any\" or a status from 400 to 599"
                )),
            },
        }
    }

    /// True if `outcome` is of this class.
    pub fn contains(self, outcome: Outcome) -> bool {
        match (self, outcome) {
            (_, Outcome::Open | Outcome::Cancelled | Outcome::Status(200..=299)) => false,
            (OutcomeClass::Any, _) => true,
            (OutcomeClass::Status(wanted), Outcome::Status(status)) => wanted == status,
            (OutcomeClass::ClientErrors, Outcome::Status(status)) => (400..500).contains(&status),
            (OutcomeClass::ServerErrors, Outcome::Status(status)) => (500..600).contains(&status),
            (OutcomeClass::Timeout, Outcome::Timeout)
            | (OutcomeClass::Connection, Outcome::Refused | Outcome::Reset)
            | (OutcomeClass::Refused, Outcome::Refused)
            | (OutcomeClass::Reset, Outcome::Reset) => true,
            _ => false,
        }
    }

    /// Smaller is more specific: one status, then a class, then any.
    pub fn breadth(self) -> u8 {
        match self {
            OutcomeClass::Status(_) | OutcomeClass::Timeout | OutcomeClass::Refused | OutcomeClass::Reset => 0,
            OutcomeClass::ClientErrors | OutcomeClass::ServerErrors | OutcomeClass::Connection => 1,
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
            OutcomeClass::Refused => f.write_str("refused"),
            OutcomeClass::Reset => f.write_str("reset"),
            OutcomeClass::Any => f.write_str("any"),
        }
    }
}

/// A set of outcomes, written as a list of classes. A policy asks after every failure, so the answers are worked out once.
#[derive(Clone, PartialEq, Eq)]
pub struct OutcomeSet {
    classes: Vec<OutcomeClass>,
    /// The answers about the statuses that classes name.
    statuses: [bool; 600],
    /// The answer about all others.
    beyond: bool,
    timeout: bool,
    refused: bool,
    reset: bool,
}

impl fmt::Debug for OutcomeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OutcomeSet").field(&self.classes).finish()
    }
}

impl Default for OutcomeSet {
    /// What the contract retries unless told otherwise: 5xx, 429, time-outs and connection errors.
    fn default() -> OutcomeSet {
        OutcomeSet::new(vec![
            OutcomeClass::ServerErrors,
            OutcomeClass::Status(429),
            OutcomeClass::Timeout,
            OutcomeClass::Connection,
        ])
    }
}

impl OutcomeSet {
    /// The outcomes of all these classes.
    pub fn new(classes: Vec<OutcomeClass>) -> OutcomeSet {
        let is_in = |outcome| classes.iter().any(|class| class.contains(outcome));
        OutcomeSet {
            statuses: std::array::from_fn(|status| is_in(Outcome::Status(status as u16))),
            beyond: is_in(Outcome::Status(u16::MAX)),
            timeout: is_in(Outcome::Timeout),
            refused: is_in(Outcome::Refused),
            reset: is_in(Outcome::Reset),
            classes,
        }
    }

    /// No outcome at all.
    pub fn none() -> OutcomeSet {
        OutcomeSet::new(Vec::new())
    }

    /// Every failure.
    pub fn any() -> OutcomeSet {
        OutcomeSet::new(vec![OutcomeClass::Any])
    }

    /// The classes, as they were listed.
    pub fn classes(&self) -> &[OutcomeClass] {
        &self.classes
    }

    /// True if one of the classes contains `outcome`.
    #[inline]
    pub fn contains(&self, outcome: Outcome) -> bool {
        // A status first, and no arm for each of the others: that would be a jump by a table.
        match outcome {
            Outcome::Status(status) => match self.statuses.get(usize::from(status)) {
                Some(answer) => *answer,
                None => self.beyond,
            },
            Outcome::Timeout => self.timeout,
            Outcome::Refused => self.refused,
            _ => self.reset && outcome == Outcome::Reset,
        }
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
        check("timeout", Outcome::Refused, false);
        check("connection", Outcome::Refused, true);
        check("connection", Outcome::Reset, true);
        check("refused", Outcome::Refused, true);
        check("refused", Outcome::Reset, false);
        check("reset", Outcome::Reset, true);
        check("reset", Outcome::Refused, false);
        check("any", Outcome::Status(400), true);
        check("any", Outcome::Timeout, true);
        check("any", Outcome::Status(204), false);
        check("any", Outcome::Open, false);
        for word in ["", "200", "600", "6xx", "time-out"] {
            assert!(OutcomeClass::parse(word).is_err(), "{word}");
        }
        assert!(!OutcomeSet::default().contains(Outcome::Status(409)));
    }

    /// A set says of every outcome what its classes say.
    #[test]
    fn answers_are_those_of_the_classes() {
        use OutcomeClass::{Any, ClientErrors, Connection, ServerErrors, Status, Timeout};
        let all = [Any, ClientErrors, Connection, ServerErrors, Status(302), Status(429), Status(599), Timeout];
        let others = [Outcome::Timeout, Outcome::Refused, Outcome::Reset, Outcome::Open];
        let outcomes: Vec<Outcome> = (0..=u16::MAX).map(Outcome::Status).chain(others).collect();
        let pairs = all.iter().flat_map(|&one| all.map(|other| vec![one, other]));
        for classes in [Vec::new(), OutcomeSet::default().classes().to_vec()].into_iter().chain(pairs) {
            let set = OutcomeSet::new(classes);
            for &outcome in &outcomes {
                let expected = set.classes().iter().any(|class| class.contains(outcome));
                assert_eq!(set.contains(outcome), expected, "{outcome} in {:?}", set.classes());
            }
        }
    }
}
