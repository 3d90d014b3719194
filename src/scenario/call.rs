//! What calls are made, by operations and by workers, and with which rules.

use std::borrow::Borrow;
use std::sync::Arc;

use crate::endpoint::EndpointRules;
use crate::flow::Step;
use crate::gate::GateConfig;
use crate::hedge::HedgeConfig;
use crate::protocol::{Method, Outcome};
use crate::retry::{OutcomeClass, Policy, RetryPolicy};
use crate::scenario::RowUse;

/// Most places at which calls are made: the steps of an operation, below each the calls of its server, and so on.
pub const MOST_PLACES: usize = 1_000;

/// What somebody who calls does.
#[derive(Clone, Debug)]
pub struct ClientRules {
    /// When there is another attempt.
    pub policy: Arc<dyn Policy>,
    /// State that may refuse attempts: at most one of each kind.
    pub gates: Vec<GateConfig>,
    /// What is sent beside an open attempt.
    pub hedge: Option<HedgeConfig>,
    /// What they do about replicas.
    pub endpoints: EndpointRules,
}

impl Default for ClientRules {
    /// One attempt, without a time-out.
    fn default() -> ClientRules {
        ClientRules {
            policy: Arc::new(RetryPolicy::default()),
            gates: Vec::new(),
            hedge: None,
            endpoints: EndpointRules::default(),
        }
    }
}

/// A step of an operation, or a call that a worker makes for each request.
#[derive(Clone, Debug)]
pub struct CallConfig {
    /// Its name in the file.
    pub name: String,
    /// Index of the server that is called.
    pub server: usize,
    /// How repeated executions add up.
    pub method: Method,
    /// Of a step: what it does with the row of the operation's thing.
    pub row: RowUse,
    /// Its own rules; `None`: those of the row, which only a step can have.
    pub rules: Option<ClientRules>,
    /// Whether it is made, and what its failure means.
    pub step: Step,
    /// Of a worker's call: it has a deadline, when the client above stops waiting, less the time that the request took to get here.
    pub propagate: bool,
    /// Of a worker's call: what is open is told when the request above is given up.
    pub cancel: bool,
    /// Of a worker's call: what the server answers if it failed.
    pub map: AnswerMap,
}

impl CallConfig {
    /// A call with the contract's defaults.
    pub fn to(name: &str, server: usize, method: Method) -> CallConfig {
        CallConfig {
            name: name.to_owned(),
            server,
            method,
            row: RowUse::default(),
            rules: None,
            step: Step::default(),
            propagate: false,
            cancel: false,
            map: AnswerMap::default(),
        }
    }
}

impl Borrow<Step> for CallConfig {
    fn borrow(&self) -> &Step {
        &self.step
    }
}

/// How a call below has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// With this as its last outcome.
    With(Outcome),
    /// Its deadline came, or had come too near.
    AtDeadline,
    /// A gate refused, and nothing was sent.
    Unsent,
}

/// What a failure is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedBy {
    /// The last outcome is one of these.
    Outcome(OutcomeClass),
    /// [`Failed::AtDeadline`].
    Deadline,
    /// [`Failed::Unsent`].
    Gate,
}

impl FailedBy {
    fn is(self, failed: Failed) -> bool {
        match (self, failed) {
            (FailedBy::Outcome(class), Failed::With(outcome)) => class.contains(outcome),
            (FailedBy::Deadline, Failed::AtDeadline) | (FailedBy::Gate, Failed::Unsent) => true,
            _ => false,
        }
    }

    /// Smaller is more specific.
    fn breadth(self) -> u8 {
        match self {
            FailedBy::Outcome(class) => class.breadth(),
            FailedBy::Deadline | FailedBy::Gate => 0,
        }
    }
}

/// What a server answers if a call below it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This status.
    Status(u16),
    /// The status of the last reply, with its hint.
    Pass,
}

/// What a server answers, by how a call below it failed. What is listed goes before the contract's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnswerMap(pub Vec<(FailedBy, Answer)>);

/// Gateways answer 504 where nobody answered in time, and 502 to what they did not understand (RFC 9110, sections 15.6.3 and 15.6.5); who is limited
/// or overloaded may say so and when to come back, and that is passed on.
const DEFAULT: [(FailedBy, Answer); 6] = [
    (FailedBy::Outcome(OutcomeClass::Any), Answer::Status(502)),
    (FailedBy::Outcome(OutcomeClass::Timeout), Answer::Status(504)),
    (FailedBy::Outcome(OutcomeClass::Status(429)), Answer::Pass),
    (FailedBy::Outcome(OutcomeClass::Status(503)), Answer::Pass),
    (FailedBy::Deadline, Answer::Status(504)),
    (FailedBy::Gate, Answer::Status(503)),
];

impl AnswerMap {
    /// The answer to a failure: the most specific entry, among equals the first.
    pub fn of(&self, failed: Failed) -> Answer {
        let most_specific = |entries: &[(FailedBy, Answer)]| {
            let known = entries.iter().filter(|(by, _)| by.is(failed));
            known.min_by_key(|(by, _)| by.breadth()).copied()
        };
        let (own, default) = (most_specific(&self.0), most_specific(&DEFAULT));
        let (own, default) = match (own, default) {
            // Of two that are equally specific the own one.
            (Some(own), Some(default)) if default.0.breadth() < own.0.breadth() => (None, Some(default)),
            both => both,
        };
        own.or(default).map_or(Answer::Status(502), |(_, answer)| answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_most_specific() {
        let with = |status| Failed::With(Outcome::Status(status));
        let default = AnswerMap::default();
        for (failed, expected) in [
            (with(500), Answer::Status(502)),
            (with(404), Answer::Status(502)),
            (with(429), Answer::Pass),
            (with(503), Answer::Pass),
            (Failed::With(Outcome::Timeout), Answer::Status(504)),
            (Failed::With(Outcome::Reset), Answer::Status(502)),
            (Failed::AtDeadline, Answer::Status(504)),
            (Failed::Unsent, Answer::Status(503)),
        ] {
            assert_eq!(default.of(failed), expected, "{failed:?}");
        }
        let own = AnswerMap(vec![
            (FailedBy::Outcome(OutcomeClass::Any), Answer::Status(500)),
            (FailedBy::Outcome(OutcomeClass::ServerErrors), Answer::Pass),
            (FailedBy::Outcome(OutcomeClass::Status(503)), Answer::Status(599)),
            (FailedBy::Gate, Answer::Status(429)),
        ]);
        for (failed, expected) in [
            (with(500), Answer::Pass),
            (with(404), Answer::Status(500)),
            (with(429), Answer::Pass),
            (with(503), Answer::Status(599)),
            (Failed::With(Outcome::Timeout), Answer::Status(504)),
            (Failed::With(Outcome::Refused), Answer::Status(500)),
            (Failed::Unsent, Answer::Status(429)),
        ] {
            assert_eq!(own.of(failed), expected, "{failed:?}");
        }
    }
}
