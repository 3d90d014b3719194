//! Adaptive throttling (`throttle.adaptive`): a client that sees its requests rejected sends fewer.
//!
//! Beyer et al., "Site Reliability Engineering" (2016), chapter 21, "Handling Overload", client-side throttling: a request is refused by
//! the client itself with probability max(0, (requests − k·accepts) / (requests + 1)), both over the last two minutes. Requests that it
//! refuses count as requests, so the probability grows as long as calls keep coming, and never reaches 1: some always ask.

use rand::Rng;

use super::slots::{Slot, Slots};
use super::{Answer, Ask, Ended, Gate, GateOutcome, Hears, Kept, Permit};
use crate::entry::Entry;
use crate::rng::unit;
use crate::units::{SimTime, Span};

/// What is said of it.
pub const ENTRY: Entry = Entry {
    name: "throttle.adaptive",
    summary: "sends fewer requests while many are rejected",
    rule: "Asked at sending. Refuses with probability max(0, (requests - k * accepts) / (requests + 1)), counted over the current tenth of the \
           window and the nine before. An attempt that is sent is a request, and so is one that the throttle refused; an outcome that is not in \
           retry_on is an accept.",
    source: "Beyer et al., \"Site Reliability Engineering\" (2016), chapter 21, client-side throttling: k = 2 over two minutes.",
    example: "throttle.adaptive = { k = 2.0, window = \"2m\" }",
};

/// `throttle.adaptive = { k, window }`.
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptiveThrottleConfig {
    /// Requests that are sent for each one accepted; at least 1.
    pub k: f64,
    /// How long the past is.
    pub window: Span,
}

const REQUEST: usize = 0;
const ACCEPT: usize = 1;

/// Requests and accepts of the recent past.
#[derive(Clone, Debug)]
pub struct AdaptiveThrottle {
    slots: Slots<2>,
}

impl AdaptiveThrottle {
    /// The probability that the next request is refused.
    fn probability(&self, k: f64) -> f64 {
        let [requests, accepts] = self.slots.sums();
        ((requests as f64 - k * accepts as f64) / (requests as f64 + 1.0)).max(0.0)
    }
}

/// What a throttle works with.
#[derive(Clone, Debug)]
pub struct AdaptiveThrottleTerms {
    k: f64,
    slot: Slot,
}

impl Kept for AdaptiveThrottle {
    type Config = AdaptiveThrottleConfig;
    type Terms = AdaptiveThrottleTerms;

    fn terms(config: &AdaptiveThrottleConfig) -> AdaptiveThrottleTerms {
        AdaptiveThrottleTerms { k: config.k, slot: Slot::of(config.window) }
    }

    fn hears(_terms: &AdaptiveThrottleTerms) -> Hears {
        Hears { ends: true, ..Hears::NOTHING }
    }

    fn new(_terms: &AdaptiveThrottleTerms) -> AdaptiveThrottle {
        AdaptiveThrottle { slots: Slots::new() }
    }
}

impl Gate for AdaptiveThrottle {
    fn check(&mut self, ask: Ask, terms: &AdaptiveThrottleTerms, rng: &mut dyn Rng) -> Answer {
        self.slots.advance(ask.now, terms.slot);
        // Nobody draws twice for one attempt.
        Answer::admit_if(ask.waited || unit(rng) >= self.probability(terms.k))
    }

    fn on_admit(&mut self, _ask: Ask, _terms: &AdaptiveThrottleTerms) -> Permit {
        self.slots.add(REQUEST);
        Permit::default()
    }

    fn on_refuse(&mut self, _now: SimTime, _terms: &AdaptiveThrottleTerms) {
        self.slots.add(REQUEST);
    }

    fn on_outcome(&mut self, _permit: Permit, ended: Ended, terms: &AdaptiveThrottleTerms) {
        self.slots.advance(ended.now, terms.slot);
        if ended.outcome == GateOutcome::Success {
            self.slots.add(ACCEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{KeyedRng, Purpose};

    const CONFIG: AdaptiveThrottleConfig = AdaptiveThrottleConfig { k: 2.0, window: Span::secs(10) };

    /// The probability after so many requests, of which so many were accepted: the book's formula, to four digits.
    fn check(requests: u32, accepts: u32, expected: f64) {
        let terms = AdaptiveThrottle::terms(&CONFIG);
        let mut throttle = AdaptiveThrottle::new(&terms);
        let ask = Ask::first(SimTime::ZERO);
        for number in 0..requests {
            let permit = throttle.on_admit(ask, &terms);
            let outcome = if number < accepts { GateOutcome::Success } else { GateOutcome::Failure };
            throttle.on_outcome(permit, Ended::at_once(SimTime::ZERO, outcome), &terms);
        }
        let got = throttle.probability(CONFIG.k);
        assert!((got - expected).abs() < 5e-5, "{accepts} of {requests}: {got}, expected {expected}");
    }

    #[test]
    fn the_books_formula() {
        check(0, 0, 0.0);
        check(100, 100, 0.0);
        check(100, 50, 0.0);
        check(100, 40, 0.1980);
        check(100, 10, 0.7921);
        check(100, 0, 0.9901);
    }

    #[test]
    fn local_refusals_are_requests_and_are_forgotten() {
        let terms = AdaptiveThrottle::terms(&CONFIG);
        let mut throttle = AdaptiveThrottle::new(&terms);
        let mut rng = KeyedRng::new(1, Purpose::Gate, 0, 0);
        let mut refused = 0;
        let mut ask = Ask::first(SimTime::ZERO);
        for _ in 0..1_000 {
            match throttle.check(ask, &terms, &mut rng) {
                Answer::Refuse => {
                    refused += 1;
                    throttle.on_refuse(ask.now, &terms);
                }
                _ => {
                    throttle.on_admit(ask, &terms);
                }
            }
        }
        // Nothing accepted: after n requests the next goes out with 1/(n + 1). Σ 1/n = 7.5 of 1,000; 15 is 2.9 standard deviations above.
        assert!((985..1_000).contains(&refused), "{refused} of 1000 refused");
        assert_eq!(throttle.slots.sums(), [1_000, 0]);
        ask.now = SimTime::ZERO + Span::secs(10);
        assert_eq!(throttle.check(ask, &terms, &mut rng), Answer::Admit);
        assert_eq!(throttle.slots.sums(), [0, 0]);
    }
}
