//! A rate limit that a client puts on itself (`limiter.rate`): a token bucket that is asked before an attempt is sent.
//!
//! With `wait` an attempt without a token takes the next one in advance and is sent when that is there, in the order of asking: as
//! `golang.org/x/time/rate` and client-go reserve. With `refuse` it is refused, as by resilience4j's RateLimiter without a time-out.

use rand::Rng;

use super::{Answer, Ask, Gate, GateState, Hears, Kept, Permit};
use crate::bucket::Bucket;
use crate::entry::Entry;
use crate::units::{SimTime, Span};

/// What is said of it.
pub const ENTRY: Entry = Entry {
    name: "limiter.rate",
    summary: "sends at most at a rate of its own",
    rule: "A token bucket, asked at sending; starts full. Without a token an attempt takes the next one in advance and waits for it \
           (on_limit = \"wait\"; a wait that would end at the deadline or after it fails the call), or is refused (\"refuse\"). Default burst: one \
           second's worth, at least 1.",
    source: "golang.org/x/time/rate and client-go (reservations); resilience4j's RateLimiter; GCRA, ITU-T I.371.",
    example: "limiter.rate = { rate = \"10/s\", burst = 10, on_limit = \"wait\" }",
};

/// What happens to an attempt for which there is no token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum OnLimit {
    /// It waits for one.
    #[default]
    Wait,
    /// It is refused.
    Refuse,
}

/// `limiter.rate = { rate, burst, on_limit }`. Starts full.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimiterConfig {
    /// Tokens per second, above 0.
    pub rate: f64,
    /// Most tokens, at least 1.
    pub burst: f64,
    /// Without a token.
    pub on_limit: OnLimit,
}

/// The bucket.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    full_at: SimTime,
}

/// What a limiter works with.
#[derive(Clone, Debug)]
pub struct RateLimiterTerms {
    bucket: Bucket,
    on_limit: OnLimit,
}

impl Kept for RateLimiter {
    type Config = RateLimiterConfig;
    type Terms = RateLimiterTerms;

    fn terms(config: &RateLimiterConfig) -> RateLimiterTerms {
        RateLimiterTerms { bucket: Bucket::new(config.rate, config.burst), on_limit: config.on_limit }
    }

    /// One that refuses holds a token too for an attempt that another gate makes wait.
    fn hears(_terms: &RateLimiterTerms) -> Hears {
        Hears { waits: true, ..Hears::NOTHING }
    }

    fn new(_terms: &RateLimiterTerms) -> RateLimiter {
        RateLimiter { full_at: SimTime::ZERO }
    }
}

impl Gate for RateLimiter {
    fn check(&mut self, ask: Ask, terms: &RateLimiterTerms, _rng: &mut dyn Rng) -> Answer {
        match terms.bucket.wait(self.full_at, ask.now) {
            _ if ask.waited => Answer::Admit,
            Span::ZERO => Answer::Admit,
            wait if terms.on_limit == OnLimit::Wait => Answer::NotBefore(ask.now + wait),
            _ => Answer::Refuse,
        }
    }

    fn state(&self, ask: Ask, terms: &RateLimiterTerms) -> GateState {
        GateState::TokenAt(ask.now + terms.bucket.wait(self.full_at, ask.now))
    }

    fn on_admit(&mut self, ask: Ask, terms: &RateLimiterTerms) -> Permit {
        if !ask.waited {
            terms.bucket.take(&mut self.full_at, ask.now);
        }
        Permit::default()
    }

    fn reserve(&mut self, now: SimTime, terms: &RateLimiterTerms) {
        terms.bucket.take(&mut self.full_at, now);
    }

    fn give_back(&mut self, terms: &RateLimiterTerms) {
        terms.bucket.give_back(&mut self.full_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{KeyedRng, Purpose};

    /// Attempts that ask at these instants (ms), and when each is sent; `None` if it is refused. 10 tokens a second.
    fn check(burst: f64, on_limit: OnLimit, asks: &[u64], expected: &[Option<u64>]) {
        let terms = RateLimiter::terms(&RateLimiterConfig { rate: 10.0, burst, on_limit });
        let mut limiter = RateLimiter::new(&terms);
        let mut rng = KeyedRng::new(1, Purpose::Gate, 0, 0);
        let got: Vec<Option<u64>> = asks
            .iter()
            .map(|ms| {
                let ask = Ask::first(SimTime::ZERO + Span::millis(*ms));
                match limiter.check(ask, &terms, &mut rng) {
                    Answer::Admit => {
                        limiter.on_admit(ask, &terms);
                        Some(*ms)
                    }
                    Answer::NotBefore(at) => {
                        limiter.reserve(ask.now, &terms);
                        let later = Ask { now: at, waited: true, ..ask };
                        assert_eq!(limiter.check(later, &terms, &mut rng), Answer::Admit);
                        limiter.on_admit(later, &terms);
                        Some(at.0 / 1_000_000)
                    }
                    Answer::Refuse | Answer::InLine => None,
                }
            })
            .collect();
        assert_eq!(got, expected, "burst {burst}, at {asks:?}");
    }

    #[test]
    fn waits_or_refuses() {
        let sent = |at: &[u64]| at.iter().map(|ms| Some(*ms)).collect::<Vec<_>>();
        check(1.0, OnLimit::Wait, &[0, 0, 0, 350], &sent(&[0, 100, 200, 350]));
        check(3.0, OnLimit::Wait, &[0, 0, 0, 0, 50, 1_000], &sent(&[0, 0, 0, 100, 200, 1_000]));
        check(1.0, OnLimit::Refuse, &[0, 0, 99, 100], &[Some(0), None, None, Some(100)]);
        check(2.0, OnLimit::Refuse, &[0, 0, 0, 100, 100], &[Some(0), Some(0), None, Some(100), None]);
    }
}
