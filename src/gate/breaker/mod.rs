//! Circuit breakers: Nygard, "Release It!" (2007). They differ in when they open; what is here they share.
//!
//! Closed lets everything pass and watches. Open refuses everything for a while. Half-open admits a few probes: the first failure reopens,
//! as many successes close. Outcomes of attempts admitted in an earlier state do not count, as in sony/gobreaker 2.4: every change of state
//! begins a new generation, and a permit carries the generation it was given in.

mod consecutive;
mod rate;

pub use consecutive::{ConsecutiveBreaker, ConsecutiveBreakerConfig};
pub use rate::{RateBreaker, RateBreakerConfig, RateWindow, SlowCalls};

use super::Permit;
use crate::units::{SimTime, Span};

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    /// Everything passes.
    #[default]
    Closed,
    /// Nothing passes until the instant given.
    Open(SimTime),
    /// Probes pass.
    HalfOpen,
}

/// What an attempt that ends means to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing: it was admitted in an earlier state.
    Stale,
    /// It was admitted while closed.
    Regular,
    /// It was admitted while half-open.
    Probe,
}

/// What all breakers share: the state, its generation, the probes.
#[derive(Clone, Debug, Default)]
struct Circuit {
    state: State,
    generation: u32,
    /// Half-open: probes admitted and not given back.
    admitted: u32,
    /// Half-open: probes that succeeded.
    succeeded: u32,
}

impl Circuit {
    /// True if it is open. One whose time has passed stays open until the next attempt asks.
    fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// True if an attempt would be admitted now. Moves on to half-open when the open time has passed; charges nothing.
    fn check(&mut self, now: SimTime, probes: u32) -> bool {
        if let State::Open(until) = self.state
            && now >= until
        {
            self.enter(State::HalfOpen);
        }
        match self.state {
            State::Closed => true,
            State::Open(_) => false,
            State::HalfOpen => self.admitted < probes,
        }
    }

    /// Takes an admitted attempt on the books.
    fn on_admit(&mut self) -> Permit {
        if self.state == State::HalfOpen {
            self.admitted += 1;
        }
        Permit(self.generation)
    }

    /// What the end of the attempt with this permit means.
    fn standing(&self, permit: Permit) -> Standing {
        match self.state {
            _ if permit.0 != self.generation => Standing::Stale,
            State::Closed => Standing::Regular,
            State::HalfOpen => Standing::Probe,
            State::Open(_) => unreachable!("nothing is admitted while open"),
        }
    }

    /// It opens for so long.
    fn open(&mut self, now: SimTime, open: Span) {
        self.enter(State::Open(now + open));
    }

    /// A probe ended. True if that closes the breaker.
    fn on_probe(&mut self, now: SimTime, failed: bool, open: Span, probes: u32) -> bool {
        if failed {
            self.open(now, open);
            return false;
        }
        self.succeeded += 1;
        let closes = self.succeeded >= probes;
        if closes {
            self.enter(State::Closed);
        }
        closes
    }

    /// An admitted attempt ended without an outcome: a probe gives its place back.
    fn on_abandon(&mut self, permit: Permit) {
        if self.standing(permit) == Standing::Probe {
            self.admitted -= 1;
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation = self.generation.wrapping_add(1);
        self.admitted = 0;
        self.succeeded = 0;
    }
}

#[cfg(test)]
mod script {
    use super::super::{Answer, Ask, Ended, Gate, GateOutcome};
    use super::*;
    use crate::rng::{KeyedRng, Purpose};

    /// Runs a script: `f`/`s` an attempt that fails or succeeds at once, `w`/`l` one that succeeds or fails after 3 s (the clock of others
    /// stands still meanwhile), `.` one second passes, `(` admits and holds, `F`/`S`/`A` end the oldest held one. Returns `1`/`0` per attempt
    /// asked for.
    pub fn play<G: Gate>(config: &G::Config, script: &str) -> String {
        let terms = &G::terms(config);
        let mut breaker = G::new(terms);
        let mut rng = KeyedRng::new(1, Purpose::Gate, 0, 0);
        let mut now = SimTime::ZERO;
        let mut held = Vec::new();
        let mut got = String::new();
        for step in script.chars() {
            let failed = matches!(step, 'f' | 'F' | 'l');
            let outcome = if failed { GateOutcome::Failure } else { GateOutcome::Success };
            let took = if matches!(step, 'w' | 'l') { Span::secs(3) } else { Span::ZERO };
            let ended = Ended { took, ..Ended::at_once(now, outcome) };
            match step {
                '.' => now = now + Span::secs(1),
                'F' | 'S' | 'A' if held.is_empty() => {}
                'F' | 'S' => breaker.on_outcome(held.remove(0), ended, terms),
                'A' => breaker.on_abandon(held.remove(0)),
                _ => {
                    let ask = Ask::first(now);
                    let admits = breaker.check(ask, terms, &mut rng) == Answer::Admit;
                    got.push(if admits { '1' } else { '0' });
                    if admits {
                        let permit = breaker.on_admit(ask, terms);
                        if step == '(' {
                            held.push(permit);
                        } else {
                            breaker.on_outcome(permit, ended, terms);
                        }
                    }
                }
            }
        }
        got
    }
}
