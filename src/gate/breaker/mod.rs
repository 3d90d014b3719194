//! Circuit breakers: Nygard, "Release It!" (2007). They differ in when they open; what is here they share.
//!
//! Closed lets everything pass and watches. Open refuses everything for a while. Half-open admits a few probes, and what becomes of them
//! decides. Every change of state begins a new generation, and a permit carries the generation it was given in: so an outcome of an attempt
//! that was admitted in an earlier state is known. sony/gobreaker 2.4 drops it, Polly, resilience4j and Hystrix apply it to the state they
//! are in. resilience4j bounds the time that a breaker is half-open (`maxWaitDurationInHalfOpenState`), so that a probe that is never answered does
//! not keep it there: then it opens again.

mod consecutive;
#[cfg(test)]
mod families;
mod open;
mod rate;

pub use consecutive::{ConsecutiveBreaker, ConsecutiveBreakerConfig, ENTRY as CONSECUTIVE};
pub use open::{GrowingTime, OpenTime, SameTime};
pub use rate::{ENTRY as RATE, Judge, RateBreaker, RateBreakerConfig, RateWindow, SlowCalls, Threshold};

use rand::Rng;

use super::{Ended, GateOutcome, GateState, Permit};
use crate::retry::OutcomeSet;
use crate::units::SimTime;
use crate::units::Span;
use open::{OpenTerms, OpenTimes};

/// What decides about a half-open breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// As many successes as there are probes close it, and the first failure reopens it.
    #[default]
    All,
    /// So many successes close it; it reopens as soon as the probes that are left cannot bring them. At least 1, at most the probes.
    Successes(u32),
    /// The first outcome.
    First,
    /// The thresholds that would open it, once the outcomes of all probes are there. Only of breakers that have any.
    Threshold,
}

/// What an outcome means whose attempt was admitted in an earlier state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum Stale {
    /// They do not count (gobreaker).
    #[default]
    Drop,
    /// They count in the state the breaker is in, as regular ones when it is closed and as those of probes when it is half-open; while it
    /// is open they do not count either (resilience4j, Polly, Hystrix).
    Apply,
}

/// In what else breakers differ, whenever they open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CircuitRules {
    /// What closes it again.
    pub verdict: Verdict,
    /// What outcomes of an earlier state mean.
    pub stale: Stale,
    /// Longest time half-open: after that without a verdict it opens again. `None`: there is no limit.
    pub half_open_for: Option<Span>,
    /// An attempt at the very instant at which the open time has passed is still refused.
    pub strictly_after: bool,
    /// The outcomes that are failures to it; `None`: those that the policy retries.
    pub failures: Option<OutcomeSet>,
    /// The outcomes that are neither failures nor successes to it, whatever else they are; `None`: there are none.
    pub ignored: Option<OutcomeSet>,
}

/// What outcomes are to a breaker that has a say of its own in that.
#[derive(Clone, Debug)]
struct OwnView {
    failures: Option<OutcomeSet>,
    ignored: Option<OutcomeSet>,
}

/// True if a breaker has to remember more than most do ([`OpenTimes`]).
fn remembers(open: &OpenTime, rules: &CircuitRules) -> bool {
    open.grows() || rules.half_open_for.is_some()
}

/// What the circuit of a breaker works with.
#[derive(Clone, Debug)]
struct CircuitTerms {
    open: OpenTerms,
    probes: u32,
    /// Successes that close it.
    needed: u32,
    half_open_for: Span,
    verdict: Verdict,
    stale: Stale,
    view: Option<Box<OwnView>>,
}

impl CircuitTerms {
    fn new(open: &OpenTime, probes: u32, rules: &CircuitRules) -> CircuitTerms {
        let needed = match rules.verdict {
            Verdict::All | Verdict::Threshold => probes,
            Verdict::Successes(needed) => needed.clamp(1, probes),
            Verdict::First => 1,
        };
        let view = OwnView { failures: rules.failures.clone(), ignored: rules.ignored.clone() };
        CircuitTerms {
            open: OpenTerms::new(open, rules.strictly_after),
            probes,
            needed,
            half_open_for: rules.half_open_for.unwrap_or(Span::MAX),
            verdict: rules.verdict,
            stale: rules.stale,
            view: (view.failures.is_some() || view.ignored.is_some()).then(|| Box::new(view)),
        }
    }

    /// True if that is a failure to the breaker, false if it is a success; nothing if it is neither.
    #[inline(always)]
    fn failed(&self, ended: Ended) -> Option<bool> {
        match &self.view {
            None => Some(ended.outcome == GateOutcome::Failure),
            Some(view) => view.failed(ended),
        }
    }
}

impl OwnView {
    #[inline(always)]
    fn failed(&self, ended: Ended) -> Option<bool> {
        match (&self.ignored, &self.failures) {
            (Some(ignored), _) if ignored.contains(ended.reply) => None,
            (_, Some(failures)) => Some(failures.contains(ended.reply)),
            (_, None) => Some(ended.outcome == GateOutcome::Failure),
        }
    }
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everything passes. One that is judged now and then is judged next at this instant.
    Closed { judge_at: SimTime },
    /// Nothing passes until the instant given; if that is still to be drawn, since then.
    Open(SimTime),
    /// Probes pass. So many of their outcomes were slow.
    HalfOpen {
        /// How many.
        slow: u32,
        /// It opens again then, if nothing has decided about it: so long after its first probe.
        until: SimTime,
    },
}

/// What an attempt that ends means to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing: it was admitted in an earlier state.
    Stale,
    /// It is watched as one of those that pass while closed.
    Regular,
    /// It is one of those that decide while half-open.
    Probe,
}

/// What all breakers share: the state, its generation, the probes.
#[derive(Clone, Debug)]
struct Circuit<O> {
    state: State,
    /// Counted modulo 2^16: an outcome of as many changes ago would be taken for one of now.
    generation: u16,
    /// Half-open: probes admitted and not given back.
    admitted: u32,
    /// Half-open: outcomes that were successes.
    succeeded: u32,
    /// Half-open: and that were failures.
    failed: u32,
    /// What is to be remembered about open times.
    times: O,
}

impl<O: OpenTimes> Default for Circuit<O> {
    fn default() -> Circuit<O> {
        Circuit { state: State::CLOSED, generation: 0, admitted: 0, succeeded: 0, failed: 0, times: O::default() }
    }
}

impl State {
    const CLOSED: State = State::Closed { judge_at: SimTime::NEVER };
}

impl<O: OpenTimes> Circuit<O> {
    /// True if it is open. One whose time has passed stays open until the next attempt asks.
    fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Why it refuses.
    fn told(&self) -> GateState {
        match self.state {
            State::Closed { .. } => GateState::Unsaid,
            State::Open(until) => GateState::OpenUntil(until),
            State::HalfOpen { .. } => GateState::HalfOpen,
        }
    }

    /// True if an attempt would be admitted now. Moves on to half-open when the open time has passed; charges nothing.
    fn check(&mut self, now: SimTime, terms: &CircuitTerms, rng: &mut dyn Rng) -> bool {
        if let State::Open(until) = &mut self.state {
            *until = self.times.until(*until, &terms.open, rng);
            if now >= *until {
                self.enter(State::HalfOpen { slow: 0, until: SimTime::NEVER });
            }
        }
        match self.state {
            State::Closed { .. } => true,
            State::Open(_) => false,
            State::HalfOpen { .. } => self.admitted < terms.probes,
        }
    }

    /// Takes an admitted attempt on the books.
    fn on_admit(&mut self, now: SimTime, terms: &CircuitTerms) -> Permit {
        if let State::HalfOpen { until, .. } = &mut self.state {
            self.admitted += 1;
            if O::LIMITS_HALF_OPEN && *until == SimTime::NEVER {
                *until = now + terms.half_open_for;
            }
        }
        Permit(u32::from(self.generation))
    }

    /// What the end of the attempt with this permit means.
    #[inline(always)]
    fn standing(&self, permit: Permit, stale: Stale) -> Standing {
        match self.state {
            _ if permit.0 != u32::from(self.generation) && stale == Stale::Drop => Standing::Stale,
            State::Closed { .. } => Standing::Regular,
            State::HalfOpen { .. } => Standing::Probe,
            // Nothing is admitted while open: it is of an earlier state.
            State::Open(_) => Standing::Stale,
        }
    }

    /// It opens for so long.
    fn open(&mut self, now: SimTime, terms: &CircuitTerms) {
        let until = self.times.open(now, &terms.open);
        self.enter(State::Open(until));
    }

    /// So late it is: it opens again if it has been half-open for too long.
    #[inline(always)]
    fn pass_time(&mut self, now: SimTime, terms: &CircuitTerms) {
        if O::LIMITS_HALF_OPEN
            && let State::HalfOpen { until, .. } = self.state
            && until <= now
            && until != SimTime::NEVER
        {
            self.open(until, terms);
        }
    }

    /// It closes: what it remembers of open times begins anew.
    fn close(&mut self) {
        self.times = O::default();
        self.enter(State::CLOSED);
    }

    /// An outcome while half-open. True if that closes the breaker.
    fn on_probe(&mut self, now: SimTime, failed: bool, terms: &CircuitTerms) -> bool {
        self.succeeded += u32::from(!failed);
        self.failed += u32::from(failed);
        if self.failed > terms.probes - terms.needed || (failed && terms.verdict == Verdict::First) {
            self.open(now, terms);
            return false;
        }
        let closes = self.succeeded >= terms.needed;
        if closes {
            self.close();
        }
        closes
    }

    /// An outcome while half-open, when thresholds decide: calls, failures and slow ones so far.
    fn count_probe(&mut self, failed: bool, slow: bool) -> [u64; 3] {
        self.succeeded += u32::from(!failed);
        self.failed += u32::from(failed);
        let State::HalfOpen { slow: seen, .. } = &mut self.state else { unreachable!("only half-open has probes") };
        *seen += u32::from(slow);
        [u64::from(self.succeeded) + u64::from(self.failed), u64::from(self.failed), u64::from(*seen)]
    }

    /// An admitted attempt ended without an outcome that means anything: a probe gives its place back.
    #[inline(never)]
    fn on_abandon(&mut self, permit: Permit) {
        if self.standing(permit, Stale::Drop) == Standing::Probe {
            self.admitted -= 1;
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation = self.generation.wrapping_add(1);
        (self.admitted, self.succeeded, self.failed) = (0, 0, 0);
    }
}

#[cfg(test)]
mod script {
    use super::super::{Answer, Ask, Ended, Gate, GateOutcome};
    use super::*;
    use crate::rng::{KeyedRng, Purpose};

    /// Runs a script: `f`/`s` an attempt that fails or succeeds at once, `w`/`l` one that succeeds or fails after 3 s (the clock of others
    /// stands still meanwhile), `.` `,` `'` a second, a millisecond, a nanosecond passes, `(` admits and holds, `F`/`S`/`A` end the oldest held one. Returns `1`/`0` per attempt
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
                ',' => now = now + Span::millis(1),
                '\'' => now = now + Span(1),
                'F' | 'S' | 'A' if held.is_empty() => {}
                'F' | 'S' => {
                    breaker.pass_time(now, terms);
                    breaker.on_outcome(held.remove(0), ended, terms);
                }
                'A' => breaker.on_abandon(held.remove(0), 1),
                _ => {
                    let ask = Ask::first(now);
                    breaker.pass_time(now, terms);
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
