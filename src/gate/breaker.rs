//! Circuit breakers (`breaker.consecutive`): Nygard, "Release It!" (2007); the consecutive-failure rule is that of sony/gobreaker 2.4.
//!
//! Closed lets everything pass and counts failures in a row. Open refuses everything for a while. Half-open admits a few
//! probes: the first failure reopens, as many successes close. Outcomes of attempts admitted in an earlier state do not
//! count: every change of state begins a new generation, and a permit carries the generation it was given in.

use super::{GateOutcome, Permit};
use crate::units::{SimTime, Span};

/// `breaker.consecutive = { failures, open, probes }`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsecutiveBreakerConfig {
    /// Failures in a row that open it; at least 1.
    pub failures: u32,
    /// How long it stays open.
    pub open: Span,
    /// Attempts admitted while half-open, and successes that close it; at least 1.
    pub probes: u32,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum State {
    /// Everything passes.
    #[default]
    Closed,
    /// Nothing passes until the instant given.
    Open(SimTime),
    /// Probes pass.
    HalfOpen,
}

/// One breaker.
#[derive(Clone, Debug, Default)]
pub struct ConsecutiveBreaker {
    state: State,
    generation: u32,
    /// Closed: failures in a row. Half-open: probes that succeeded.
    count: u32,
    /// Half-open: probes admitted and not given back.
    admitted: u32,
}

impl ConsecutiveBreaker {
    /// Where it stands. An open breaker whose time has passed stays open until the next attempt asks.
    pub fn state(&self) -> State {
        self.state
    }

    /// True if an attempt would be admitted now. Moves on to half-open when the open time has passed; charges nothing.
    pub fn check(&mut self, now: SimTime, config: &ConsecutiveBreakerConfig) -> bool {
        if let State::Open(until) = self.state
            && now >= until
        {
            self.enter(State::HalfOpen);
        }
        match self.state {
            State::Closed => true,
            State::Open(_) => false,
            State::HalfOpen => self.admitted < config.probes,
        }
    }

    /// Takes an admitted attempt on the books.
    pub fn on_admit(&mut self) -> Permit {
        if self.state == State::HalfOpen {
            self.admitted += 1;
        }
        Permit(self.generation)
    }

    /// An admitted attempt ended. True if the breaker opened.
    pub fn on_outcome(
        &mut self,
        now: SimTime,
        permit: Permit,
        outcome: GateOutcome,
        config: &ConsecutiveBreakerConfig,
    ) -> bool {
        if permit.0 != self.generation {
            return false;
        }
        match (self.state, outcome) {
            (State::Closed, GateOutcome::Success) => self.count = 0,
            (State::Closed, GateOutcome::Failure) => {
                self.count += 1;
                if self.count >= config.failures {
                    self.enter(State::Open(now + config.open));
                    return true;
                }
            }
            (State::HalfOpen, GateOutcome::Success) => {
                self.count += 1;
                if self.count >= config.probes {
                    self.enter(State::Closed);
                }
            }
            (State::HalfOpen, GateOutcome::Failure) => {
                self.enter(State::Open(now + config.open));
                return true;
            }
            (State::Open(_), _) => {}
        }
        false
    }

    /// An admitted attempt ended without an outcome: a probe gives its place back.
    pub fn on_abandon(&mut self, permit: Permit) {
        if permit.0 == self.generation && self.state == State::HalfOpen {
            self.admitted -= 1;
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation = self.generation.wrapping_add(1);
        self.count = 0;
        self.admitted = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: ConsecutiveBreakerConfig = ConsecutiveBreakerConfig { failures: 3, open: Span::secs(10), probes: 2 };

    /// Runs a script: `f`/`s` an attempt that fails or succeeds at once, `.` one second passes,
    /// `(` admits and holds, `F`/`S`/`A` end the oldest held one. Returns `1`/`0` per attempt asked for.
    fn check(script: &str, admitted: &str) {
        let mut breaker = ConsecutiveBreaker::default();
        let mut now = SimTime::ZERO;
        let mut held = Vec::new();
        let mut got = String::new();
        for step in script.chars() {
            let outcome = if step.eq_ignore_ascii_case(&'f') { GateOutcome::Failure } else { GateOutcome::Success };
            match step {
                '.' => now = now + Span::secs(1),
                'F' | 'S' => {
                    breaker.on_outcome(now, held.remove(0), outcome, &CONFIG);
                }
                'A' => breaker.on_abandon(held.remove(0)),
                _ => {
                    let admit = breaker.check(now, &CONFIG);
                    got.push(if admit { '1' } else { '0' });
                    if admit {
                        let permit = breaker.on_admit();
                        if step == '(' {
                            held.push(permit);
                        } else {
                            breaker.on_outcome(now, permit, outcome, &CONFIG);
                        }
                    }
                }
            }
        }
        assert_eq!(got, admitted, "{script}");
    }

    #[test]
    fn scripts() {
        check("ffsff s", "1111111");
        check("fffs", "1110");
        check("fff.........s.s", "11101");
        // Two probes, no third; their success closes.
        check("fff..........(((SS(((", "111110111");
        // A failed probe reopens for the whole time.
        check("fff..........f.........s.s", "111101");
        // A late failure admitted before the opening does not reopen a closed breaker.
        check("(fff..........ssFs", "1111111");
        // An abandoned probe gives its place back, twice over.
        check("fff..........(((AA((", "11111011");
        // The outcome of a probe of an earlier half-open state does not count.
        check("fff..........((F..........S((", "1111111");
    }
}
