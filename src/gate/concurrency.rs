//! Retries in flight at once (`concurrency`): a semaphore for retries, asked when one is sent.
//!
//! Envoy's circuit breaker `max_retries` (3 unless configured), which bounds the retries to a cluster that are outstanding. A retry
//! holds its place from its sending until the client has an answer or has stopped waiting; first attempts need none.

use rand::Rng;

use super::{Answer, Ask, Ended, Gate, Hears, Permit};

/// `concurrency = { retries }`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConcurrencyConfig {
    /// Most retries in flight at once, at least 1.
    pub retries: u32,
}

/// The retries in flight.
#[derive(Clone, Debug)]
pub struct Concurrency {
    in_flight: u32,
}

/// The permit of an attempt that holds a place.
const HOLDS_A_PLACE: Permit = Permit(1);

impl Concurrency {
    fn leave(&mut self, permit: Permit) {
        if permit == HOLDS_A_PLACE {
            self.in_flight -= 1;
        }
    }
}

impl Gate for Concurrency {
    type Config = ConcurrencyConfig;
    type Terms = ConcurrencyConfig;

    fn terms(config: &ConcurrencyConfig) -> ConcurrencyConfig {
        config.clone()
    }

    fn hears(_terms: &ConcurrencyConfig) -> Hears {
        Hears { ends: true, ..Hears::NOTHING }
    }

    fn new(_terms: &ConcurrencyConfig) -> Concurrency {
        Concurrency { in_flight: 0 }
    }

    fn check(&mut self, ask: Ask, terms: &ConcurrencyConfig, _rng: &mut dyn Rng) -> Answer {
        Answer::admit_if(ask.attempt == 1 || self.in_flight < terms.retries)
    }

    fn on_admit(&mut self, ask: Ask, _terms: &ConcurrencyConfig) -> Permit {
        if ask.attempt == 1 {
            return Permit::default();
        }
        self.in_flight += 1;
        HOLDS_A_PLACE
    }

    fn on_outcome(&mut self, permit: Permit, _ended: Ended, _terms: &ConcurrencyConfig) {
        self.leave(permit);
    }

    fn on_abandon(&mut self, permit: Permit) {
        self.leave(permit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::GateOutcome;
    use crate::rng::{KeyedRng, Purpose};
    use crate::units::SimTime;

    /// A script for two retries at once: `f` sends a first attempt, `r` a retry; `o`/`a` end the oldest one open by outcome or abandon.
    /// Returns `1`/`0` for each that was asked for.
    fn check(script: &str, expected: &str) {
        let config = ConcurrencyConfig { retries: 2 };
        let mut rng = KeyedRng::new(1, Purpose::Gate, 0, 0);
        let (mut gate, mut open, mut got) = (Concurrency::new(&config), Vec::new(), String::new());
        let ended = Ended::at_once(SimTime::ZERO, GateOutcome::Failure);
        for step in script.chars() {
            match step {
                'o' => gate.on_outcome(open.remove(0), ended, &config),
                'a' => gate.on_abandon(open.remove(0)),
                _ => {
                    let ask = Ask { attempt: if step == 'f' { 1 } else { 2 }, ..Ask::first(SimTime::ZERO) };
                    let admits = gate.check(ask, &config, &mut rng) == Answer::Admit;
                    got.push(if admits { '1' } else { '0' });
                    if admits {
                        open.push(gate.on_admit(ask, &config));
                    }
                }
            }
        }
        assert_eq!(got, expected, "{script}");
    }

    #[test]
    fn scripts() {
        check("ffff", "1111");
        check("rrrfr", "11010");
        check("rrorr", "1110");
        check("rrarr", "1110");
        // The end of a first attempt frees no place.
        check("frrorar", "11101");
        check("rrroorr", "11011");
    }
}
