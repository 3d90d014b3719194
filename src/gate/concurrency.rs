//! Retries in flight at once (`concurrency`): a semaphore for retries, asked when one is sent.
//!
//! Envoy's circuit breaker `max_retries` (3 unless configured), which bounds the retries to a cluster that are outstanding, and its retry
//! budget, which lets there be a share of what is active, and never fewer than some (20% and 3). A retry holds its place from its sending
//! until the client has an answer or has stopped waiting; first attempts need none. Envoy's holds it from the decision on, and so through
//! the backoff: then what waits is not active, and the share grows smaller just when attempts fail.

use rand::Rng;

use super::{Answer, Ask, Ended, Gate, Hears, Kept, Moment, Permit};
use crate::entry::Entry;
use crate::units::SimTime;

/// What is said of it.
pub const ENTRY: Entry = Entry {
    name: "concurrency",
    summary: "at most so many retries, or attempts, in flight at once",
    rule: "Asked at sending. A retry is admitted while fewer than `retries` are in flight: sent, and neither answered nor given up by the client. \
           First attempts always pass. With `share` instead, while fewer than max(share * attempts in flight, min) are. With hold = \"retry\" \
           asked before the wait, and a retry holds its place through it. With `attempts` instead it is a pool: first attempts need a place too, and wait \
           for one in line, for max_wait at most, or are refused (on_limit = \"refuse\").",
    source: "Envoy's circuit breaker for retries (max_retries, 3) and its retry budget (20% of active requests, at least 3); connection pools (HikariCP, Go's \
           database/sql) and bulkheads (resilience4j, Polly).",
    example: "concurrency = { retries = 3, scope = \"fleet\" }",
};

/// Most retries at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MostRetries {
    /// So many, at least 1.
    Number(u32),
    /// This share of the attempts in flight, rounded down, and at least so many.
    Share {
        /// Of all attempts that are sent and neither answered nor given up, retries included, the one that asks left out.
        share: f64,
        /// However few there are.
        min: u32,
    },
}

/// From when on a retry holds its place, always until it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum Hold {
    /// From its sending.
    #[default]
    Attempt,
    /// From the decision to retry, after the budget, through the backoff to its end, or until it turns out that it is not sent.
    Retry,
}

impl Hold {
    /// When a retry asks for its place.
    pub fn moment(self) -> Moment {
        match self {
            Hold::Attempt => Moment::Send,
            Hold::Retry => Moment::Retry,
        }
    }
}

/// `concurrency = { retries, hold }` or `{ share, min, hold }`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConcurrencyConfig {
    /// Most retries at once.
    pub most: MostRetries,
    /// When one begins to count.
    pub hold: Hold,
}

impl ConcurrencyConfig {
    /// So many retries at once.
    pub fn retries(retries: u32) -> ConcurrencyConfig {
        ConcurrencyConfig { most: MostRetries::Number(retries), hold: Hold::Attempt }
    }
}

/// The places taken, and the attempts in flight.
#[derive(Clone, Debug)]
pub struct Concurrency {
    retries: u32,
    attempts: u32,
}

/// The permit of a retry that holds a place. That of a first attempt may be of an earlier call.
const HOLDS_A_PLACE: Permit = Permit(1);

impl Concurrency {
    fn leave(&mut self, permit: Permit, attempt: u32) {
        self.attempts -= 1;
        if attempt > 1 && permit == HOLDS_A_PLACE {
            self.retries -= 1;
        }
    }
}

impl Kept for Concurrency {
    type Config = ConcurrencyConfig;
    type Terms = ConcurrencyConfig;

    fn terms(config: &ConcurrencyConfig) -> ConcurrencyConfig {
        config.clone()
    }

    fn hears(terms: &ConcurrencyConfig) -> Hears {
        let sent = terms.hold == Hold::Retry;
        Hears { first_attempts: sent, retries: sent, ends: true, ..Hears::NOTHING }
    }

    fn new(_terms: &ConcurrencyConfig) -> Concurrency {
        Concurrency { retries: 0, attempts: 0 }
    }
}

impl Gate for Concurrency {
    fn check(&mut self, ask: Ask, terms: &ConcurrencyConfig, _rng: &mut dyn Rng) -> Answer {
        let most = match terms.most {
            MostRetries::Number(most) => most,
            // Rounded up by less than a billionth, so that a tenth of ten is one.
            MostRetries::Share { share, min } => ((f64::from(self.attempts) * share + 1e-9) as u32).max(min),
        };
        Answer::admit_if(ask.attempt == 1 || self.retries < most)
    }

    fn on_admit(&mut self, ask: Ask, terms: &ConcurrencyConfig) -> Permit {
        self.attempts += u32::from(terms.hold == Hold::Attempt);
        if ask.attempt == 1 {
            return Permit::default();
        }
        self.retries += 1;
        HOLDS_A_PLACE
    }

    fn on_first_attempt(&mut self, _now: SimTime, terms: &ConcurrencyConfig) {
        self.attempts += u32::from(terms.hold == Hold::Retry);
    }

    fn on_retry_sent(&mut self, terms: &ConcurrencyConfig) {
        self.attempts += u32::from(terms.hold == Hold::Retry);
    }

    fn on_unsent(&mut self, terms: &ConcurrencyConfig) {
        self.retries -= u32::from(terms.hold == Hold::Retry);
    }

    fn on_outcome(&mut self, permit: Permit, ended: Ended, _terms: &ConcurrencyConfig) {
        self.leave(permit, ended.attempt);
    }

    fn on_abandon(&mut self, permit: Permit, attempt: u32) {
        self.leave(permit, attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::GateOutcome;
    use crate::rng::{KeyedRng, Purpose};

    /// A script for so many retries at once: `f` sends a first attempt, `r` a retry; `o`/`a` end the oldest one open by outcome or abandon.
    /// Returns `1`/`0` for each that was asked for.
    fn play(most: MostRetries, script: &str, expected: &str) {
        let config = ConcurrencyConfig { most, hold: Hold::Attempt };
        let mut rng = KeyedRng::new(1, Purpose::Gate, 0, 0);
        let (mut gate, mut open, mut got) = (Concurrency::new(&config), Vec::new(), String::new());
        let ended = Ended::at_once(SimTime::ZERO, GateOutcome::Failure);
        for step in script.chars() {
            match step {
                'o' => {
                    let (permit, attempt) = open.remove(0);
                    gate.on_outcome(permit, Ended { attempt, ..ended }, &config);
                }
                'a' => {
                    let (permit, attempt) = open.remove(0);
                    gate.on_abandon(permit, attempt);
                }
                _ => {
                    let ask = Ask { attempt: if step == 'f' { 1 } else { 2 }, ..Ask::first(SimTime::ZERO) };
                    let admits = gate.check(ask, &config, &mut rng) == Answer::Admit;
                    got.push(if admits { '1' } else { '0' });
                    if admits {
                        open.push((gate.on_admit(ask, &config), ask.attempt));
                    }
                }
            }
        }
        assert!(got.ends_with(expected), "{script}: {got}, expected {expected} at the end");
    }

    #[test]
    fn scripts() {
        let check = |script: &str, expected: &str| {
            assert_eq!(expected.len(), script.chars().filter(|step| "fr".contains(*step)).count());
            play(MostRetries::Number(2), script, expected);
        };
        check("ffff", "1111");
        check("rrrfr", "11010");
        check("rrorr", "1110");
        check("rrarr", "1110");
        // The end of a first attempt frees no place.
        check("frrorar", "11101");
        check("rrroorr", "11011");
    }

    /// Envoy's retry budget: of 100 active requests 20, of 10 or of none 3.
    #[test]
    fn published_vectors() {
        let envoy = MostRetries::Share { share: 0.2, min: 3 };
        // Retries are active too: with 81 first attempts the twentieth retry meets 100 that are, of which 20 may be retries, and is the last.
        for (first, retries) in [(0, 3), (10, 3), (17, 4), (80, 19), (81, 20)] {
            let script = "f".repeat(first) + &"r".repeat(retries + 1);
            play(envoy, &script, &("1".repeat(retries) + "0"));
        }
        // Every end makes the share smaller.
        play(envoy, &("f".repeat(20) + "rrr" + &"o".repeat(20) + "r"), "1110");
        play(MostRetries::Share { share: 0.1, min: 0 }, &("f".repeat(9) + "r"), "0");
        play(MostRetries::Share { share: 0.1, min: 0 }, &("f".repeat(10) + "rr"), "10");
    }

    /// 29% of a hundred are 29, though the product is a little less.
    #[test]
    fn shares_are_rounded_as_people_count() {
        play(MostRetries::Share { share: 0.29, min: 0 }, &("f".repeat(72) + &"r".repeat(30)), &("1".repeat(29) + "0"));
    }

    /// One that holds its place through the wait is no attempt in flight until it is sent, and gives the place back if it never is.
    #[test]
    fn held_through_the_wait() {
        let most = MostRetries::Share { share: 0.5, min: 0 };
        let config = ConcurrencyConfig { most, hold: Hold::Retry };
        let mut gate = Concurrency::new(&config);
        assert_eq!([Hold::Attempt, Hold::Retry].map(Hold::moment), [Moment::Send, Moment::Retry]);
        let ask = Ask { attempt: 2, ..Ask::first(SimTime::ZERO) };
        let decided = |gate: &mut Concurrency| {
            let admits = gate.check(ask, &config, &mut KeyedRng::new(1, Purpose::Gate, 0, 0)) == Answer::Admit;
            if admits {
                assert_eq!(gate.on_admit(ask, &config), HOLDS_A_PLACE);
            }
            admits
        };
        // Half of two and of three is one, of four two.
        (0..3).for_each(|_| gate.on_first_attempt(SimTime::ZERO, &config));
        assert_eq!([decided(&mut gate), decided(&mut gate)], [true, false]);
        gate.on_retry_sent(&config);
        assert_eq!([decided(&mut gate), decided(&mut gate)], [true, false]);
        gate.on_unsent(&config);
        assert_eq!([decided(&mut gate), decided(&mut gate)], [true, false]);
        // What stands in a first attempt's permit is of an earlier call.
        gate.on_first_attempt(SimTime::ZERO, &config);
        gate.on_outcome(HOLDS_A_PLACE, Ended::at_once(SimTime::ZERO, GateOutcome::Success), &config);
        assert_eq!((gate.attempts, gate.retries), (4, 2));
        // The end of the retry that was sent leaves three in flight, and one place, which is taken.
        gate.on_abandon(HOLDS_A_PLACE, 2);
        assert!(!decided(&mut gate));
    }
}
