//! What to do with a server's hint: `Retry-After` and its relatives. A hint replaces the backoff, within limits, and may be the reason for the retry.

use rand::Rng;

use super::classify::OutcomeSet;
use super::jitter::Jitter;
use crate::protocol::{Failure, HintFormat, Outcome};
use crate::rng::unit;
use crate::units::Span;

/// What to do with a hint.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RetryAfter {
    /// Wait as the backoff says.
    #[default]
    Ignore,
    /// Wait as the server says.
    Honour(Box<Hints>),
}

impl RetryAfter {
    /// The hint replaces the backoff, but is never longer than `max`.
    pub fn up_to(max: Option<Span>) -> RetryAfter {
        RetryAfter::Honour(Box::new(Hints { max, ..Hints::default() }))
    }
}

/// How a hint is honoured.
#[derive(Clone, Debug, PartialEq)]
pub struct Hints {
    /// The formats that the client reads.
    pub formats: Vec<HintFormat>,
    /// The outcomes whose hint is looked at.
    pub on: OutcomeSet,
    /// Outcomes that are retried because they carry a hint, beside those that are retried anyway.
    pub triggers: OutcomeSet,
    /// Longest wait a server may ask for.
    pub max: Option<Span>,
    /// What becomes of a hint that is longer.
    pub over_max: OverMax,
    /// The wait is no shorter than the backoff.
    pub at_least_backoff: bool,
    /// The wait is at most so much longer than the backoff.
    pub beyond_backoff: Option<Span>,
    /// The wait is at most so many times the backoff.
    pub times_backoff: Option<f64>,
    /// What randomness does to the wait, at last.
    pub jitter: Jitter,
    /// The curve of the backoff begins anew after a hint.
    pub begins_anew: bool,
}

impl Default for Hints {
    /// `Retry-After` in seconds or as a date, whatever the status, replaces the backoff.
    fn default() -> Hints {
        Hints {
            formats: vec![HintFormat::Seconds, HintFormat::Date],
            on: OutcomeSet::any(),
            triggers: OutcomeSet::none(),
            max: None,
            over_max: OverMax::Cap,
            at_least_backoff: false,
            beyond_backoff: None,
            times_backoff: None,
            jitter: Jitter::None,
            begins_anew: false,
        }
    }
}

/// What becomes of a hint that is longer than the longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum OverMax {
    /// It is cut to `max`.
    #[default]
    Cap,
    /// It is ignored: the backoff applies.
    Backoff,
    /// It ends the call.
    Stop,
}

/// What a hint makes of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hinted {
    /// Nothing: the backoff applies.
    Backoff,
    /// This is the wait.
    Wait(Span),
    /// The server asks for too much: the call is given up.
    Stop,
}

impl Hints {
    /// The hint of a failure, if the client reads it.
    pub fn read(&self, failure: &Failure) -> Option<Span> {
        failure.retry_after.filter(|_| self.formats.contains(&failure.format) && self.on.contains(failure.outcome))
    }

    /// True if a failure with a hint is retried for that alone.
    pub fn triggers(&self, outcome: Outcome) -> bool {
        self.triggers.contains(outcome)
    }

    /// What the longest wait leaves of `hint`.
    pub fn within_max(&self, hint: Span) -> Hinted {
        match self.max {
            Some(max) if hint > max => match self.over_max {
                OverMax::Cap => Hinted::Wait(max),
                OverMax::Backoff => Hinted::Backoff,
                OverMax::Stop => Hinted::Stop,
            },
            _ => Hinted::Wait(hint),
        }
    }

    /// What `hint` makes of a wait before retry `k`, from 1, that would be `backoff`, which is asked for only if it matters.
    pub fn wait(&self, hint: Span, k: u32, backoff: impl FnOnce(&mut dyn Rng) -> Span, rng: &mut dyn Rng) -> Hinted {
        let mut wait = match self.within_max(hint) {
            Hinted::Wait(wait) => wait,
            other => return other,
        };
        if self.at_least_backoff || self.beyond_backoff.is_some() || self.times_backoff.is_some() {
            let backoff = backoff(rng);
            let beyond = self.beyond_backoff.map_or(Span::MAX, |beyond| backoff + beyond);
            let times = self.times_backoff.map_or(Span::MAX, |times| backoff.scaled(times));
            wait = wait.min(beyond).min(times);
            if self.at_least_backoff {
                wait = wait.max(backoff);
            }
        }
        if self.jitter != Jitter::None {
            wait = Span::from_nanos_f64(self.jitter.delay(wait.0 as f64, k, 0.0, || unit(rng)));
        }
        Hinted::Wait(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::super::jitter::additive::Additive;
    use super::super::jitter::multiply::Multiply;
    use super::*;
    use crate::rng::{KeyedRng, Purpose};

    /// `hints` makes `expected` of a hint of so many seconds and a backoff of 2 s.
    fn check(hints: &Hints, seconds: u64, expected: Hinted) {
        let mut rng = KeyedRng::new(1, Purpose::Jitter, 0, 0);
        assert_eq!(hints.wait(Span::secs(seconds), 1, |_| Span::secs(2), &mut rng), expected, "{hints:?}: {seconds} s");
    }

    #[test]
    fn every_rule_of_merging() {
        let wait = |seconds| Hinted::Wait(Span::secs(seconds));
        let plain = Hints::default();
        check(&plain, 30, wait(30));
        check(&plain, 0, wait(0));
        // undici; Envoy; got.
        let max = |over_max| Hints { max: Some(Span::secs(20)), over_max, ..Hints::default() };
        check(&max(OverMax::Cap), 20, wait(20));
        check(&max(OverMax::Cap), 21, wait(20));
        check(&max(OverMax::Backoff), 20, wait(20));
        check(&max(OverMax::Backoff), 21, Hinted::Backoff);
        check(&max(OverMax::Stop), 21, Hinted::Stop);
        // Azure for .NET takes the longer one.
        let longer = Hints { at_least_backoff: true, ..Hints::default() };
        check(&longer, 1, wait(2));
        check(&longer, 3, wait(3));
        // The AWS SDKs' [t, t + 5 s], and Svix's [d, 2d].
        let aws = Hints { beyond_backoff: Some(Span::secs(5)), ..longer.clone() };
        let svix = Hints { times_backoff: Some(2.0), ..longer };
        for (hint, aws_waits, svix_waits) in [(1, 2, 2), (3, 3, 3), (6, 6, 4), (9, 7, 4)] {
            check(&aws, hint, wait(aws_waits));
            check(&svix, hint, wait(svix_waits));
        }
        // Envoy draws from I to 1.5 I.
        let spread = Hints { jitter: Jitter::Multiply(Multiply { low: 1.0, high: 1.5 }), ..Hints::default() };
        let added = |below, above, growth| {
            let [below, above, growth] = [below, above, growth].map(Span::secs);
            Hints { jitter: Jitter::Additive(Additive { below, above, growth }), ..Hints::default() }
        };
        let capped = Hints { max: Some(Span::secs(4)), ..added(0, 5, 0) };
        for (hints, k, lowest, highest) in [
            (spread, 1, 10.0, 15.0),
            // Up to so much after the hint, around it, and more with each retry; the longest hint is spread too.
            (added(0, 5, 0), 1, 10.0, 15.0),
            (added(0, 5, 0), 7, 10.0, 15.0),
            (added(2, 5, 1), 1, 8.0, 15.0),
            (added(2, 5, 1), 4, 8.0, 18.0),
            (added(12, 1, 0), 1, 0.0, 11.0),
            (capped, 1, 4.0, 9.0),
        ] {
            let mut rng = KeyedRng::new(2, Purpose::Jitter, 0, 0);
            let mut wait = || match hints.wait(Span::secs(10), k, |_| Span::ZERO, &mut rng) {
                Hinted::Wait(wait) => wait.seconds(),
                other => panic!("{other:?}"),
            };
            let (low, high) = (0..2_000).fold((f64::MAX, 0.0f64), |(low, high), _| {
                let wait = wait();
                (low.min(wait), high.max(wait))
            });
            assert!((lowest..lowest + 0.1).contains(&low), "{hints:?}: from {low}");
            assert!((highest - 0.1..highest).contains(&high), "{hints:?}: to {high}");
        }
    }

    #[test]
    fn a_hint_is_read_in_its_format_and_where_it_counts() {
        let hints = Hints { on: OutcomeSet::new(vec![super::super::OutcomeClass::Status(429)]), ..Hints::default() };
        let failure = |status, format| Failure {
            retry_after: Some(Span::secs(3)),
            format,
            ..Failure::new(Outcome::Status(status))
        };
        assert_eq!(hints.read(&failure(429, HintFormat::Seconds)), Some(Span::secs(3)));
        assert_eq!(hints.read(&failure(429, HintFormat::Date)), Some(Span::secs(3)));
        assert_eq!(hints.read(&failure(429, HintFormat::Milliseconds)), None);
        assert_eq!(hints.read(&failure(503, HintFormat::Seconds)), None);
    }
}
