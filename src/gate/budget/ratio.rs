//! A budget in proportion to demand (`budget.ratio`): retries are at most so many per first attempt of the recent past, and so many a second.
//!
//! Finagle's `RetryBudget` (20% and 10 a second over 10 s) and tower's, which follows it, with the rule of the Google SRE book ("Handling
//! Overload": retries at most 10% of requests): first attempts earn when they are sent, whatever becomes of them.

use rand::Rng;

use super::Tokens;
use crate::gate::slots::{Slot, Slots};
use crate::gate::{Answer, Ask, Gate, Hears, Permit};
use crate::units::{SimTime, Span};

/// `budget.ratio = { ratio, min_rate, window }`.
#[derive(Clone, Debug, PartialEq)]
pub struct RatioBudgetConfig {
    /// Retries for each first attempt; counted in billionths, so that ten times 0.1 is one.
    pub ratio: Tokens,
    /// Retries per second that are free.
    pub min_rate: f64,
    /// How long the past is.
    pub window: Span,
}

const FIRST: usize = 0;
const RETRY: usize = 1;

/// First attempts and retries of the recent past.
#[derive(Clone, Debug)]
pub struct RatioBudget {
    slots: Slots<2>,
}

/// What a budget works with.
#[derive(Clone, Debug)]
pub struct RatioBudgetTerms {
    ratio: Tokens,
    /// What is there without any demand: min_rate × window.
    free: Tokens,
    slot: Slot,
}

impl Gate for RatioBudget {
    type Config = RatioBudgetConfig;
    type Terms = RatioBudgetTerms;

    fn terms(config: &RatioBudgetConfig) -> RatioBudgetTerms {
        let free = Tokens::new(config.min_rate * config.window.seconds());
        RatioBudgetTerms { ratio: config.ratio, free, slot: Slot::of(config.window) }
    }

    fn hears(_terms: &RatioBudgetTerms) -> Hears {
        Hears { first_attempts: true, ..Hears::NOTHING }
    }

    fn new(_terms: &RatioBudgetTerms) -> RatioBudget {
        RatioBudget { slots: Slots::new() }
    }

    /// Admits if retries + 1 ≤ ratio × first attempts + min_rate × window.
    fn check(&mut self, ask: Ask, terms: &RatioBudgetTerms, _rng: &mut dyn Rng) -> Answer {
        self.slots.advance(ask.now, terms.slot);
        let sums = self.slots.sums();
        let earned = u128::from(terms.ratio.0) * u128::from(sums[FIRST]) + u128::from(terms.free.0);
        Answer::admit_if(u128::from(sums[RETRY] + 1) * u128::from(Tokens::ONE) <= earned)
    }

    fn on_admit(&mut self, _ask: Ask, _terms: &RatioBudgetTerms) -> Permit {
        self.slots.add(RETRY);
        Permit::default()
    }

    fn on_first_attempt(&mut self, now: SimTime, terms: &RatioBudgetTerms) {
        self.slots.advance(now, terms.slot);
        self.slots.add(FIRST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Outcome;
    use crate::rng::{KeyedRng, Purpose};

    /// A script: a digit sends as many first attempts, `r` asks for a retry, `.` lets a slot of a second pass. Returns `1`/`0` for each `r`.
    fn check(ratio: f64, min_rate: f64, script: &str, expected: &str) {
        let config = RatioBudgetConfig { ratio: Tokens::new(ratio), min_rate, window: Span::secs(10) };
        let terms = RatioBudget::terms(&config);
        let mut rng = KeyedRng::new(1, Purpose::Gate, 0, 0);
        let (mut budget, mut now, mut got) = (RatioBudget::new(&terms), SimTime::ZERO, String::new());
        for step in script.chars() {
            match step {
                '.' => now = now + Span::secs(1),
                'r' => {
                    let ask = Ask::retry(now, Outcome::Timeout);
                    let admits = budget.check(ask, &terms, &mut rng) == Answer::Admit;
                    got.push(if admits { '1' } else { '0' });
                    if admits {
                        budget.on_admit(ask, &terms);
                    }
                }
                digit => {
                    let count = digit.to_digit(10).expect("a digit");
                    (0..count).for_each(|_| budget.on_first_attempt(now, &terms));
                }
            }
        }
        assert_eq!(got, expected, "{ratio}, {min_rate}/s: {script}");
    }

    #[test]
    fn retries_in_proportion() {
        check(0.2, 0.0, "r5rr5rr", "01010");
        check(0.2, 0.0, "4r1r", "01");
        // Ten tenths are one, and seven hundred times a thousandth are not.
        check(0.1, 0.0, "9r1rr", "010");
        check(2.0, 0.0, "1rrr", "110");
        // Without any demand only the free ones: min_rate × window.
        check(0.2, 0.3, "rrrr", "1110");
        check(0.2, 0.05, "rr", "00");
        check(0.2, 0.05, "3r", "1");
    }

    #[test]
    fn the_window_is_ten_slots() {
        // Earned in the first slot, it is there to the end of the tenth.
        check(1.0, 0.0, "1.........r", "1");
        check(1.0, 0.0, "1..........r", "0");
        // A retry leaves the window as its first attempt does.
        check(1.0, 0.0, "1r.1rr........rr.r", "110000");
        check(0.0, 0.1, "r.........r.r", "101");
    }
}
