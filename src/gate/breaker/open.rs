//! How long a breaker stays open: the same time whenever it opens, or other times as long as its probes fail.
//!
//! Finagle's failure accrual and Linkerd's breaker wait as a backoff does, one wait further after each probe that fails, and begin anew once
//! they are closed. Nothing may be drawn when an attempt ends, since the end has no draws of its own: so the time is drawn when the first
//! attempt asks an open breaker, from that attempt's draws. Most breakers know no such times, and do not pay for them: what is remembered of
//! them is a parameter of the breaker's type. So it is with a limit on the time half-open.

use std::fmt;

use rand::Rng;

use crate::retry::{Backoff, Memory};
use crate::units::{SimTime, Span};

/// How long a breaker stays open.
#[derive(Clone, Debug, PartialEq)]
pub enum OpenTime {
    /// So long each time.
    Same(Span),
    /// As long as this waits before a first retry; after a failed probe as long as before a second one, and so on until it closes.
    Grows(Box<Backoff>),
}

impl From<Span> for OpenTime {
    fn from(span: Span) -> OpenTime {
        OpenTime::Same(span)
    }
}

impl From<Backoff> for OpenTime {
    fn from(backoff: Backoff) -> OpenTime {
        OpenTime::Grows(Box::new(backoff))
    }
}

impl OpenTime {
    /// True if a breaker has to remember how often it has opened.
    pub(super) fn grows(&self) -> bool {
        matches!(self, OpenTime::Grows(_))
    }
}

/// What a breaker works with.
#[derive(Clone, Debug)]
pub struct OpenTerms {
    time: OpenTime,
    /// Added to every time.
    more: Span,
}

impl OpenTerms {
    pub(super) fn new(time: &OpenTime, strictly_after: bool) -> OpenTerms {
        // Time is a whole number of nanoseconds: after an instant is at the next one.
        let more = Span(u64::from(strictly_after));
        match time {
            OpenTime::Same(open) => OpenTerms { time: OpenTime::Same(*open + more), more: Span::ZERO },
            OpenTime::Grows(_) => OpenTerms { time: time.clone(), more },
        }
    }
}

/// What a breaker remembers about its open times. Asked in turn: it opens, and then until when it is open, as often as an attempt asks.
pub trait OpenTimes: Clone + fmt::Debug + Default {
    /// Whether a limit on the time half-open is looked at.
    const LIMITS_HALF_OPEN: bool;

    /// It opens now: until when, or now if that is still to be drawn.
    fn open(&mut self, now: SimTime, terms: &OpenTerms) -> SimTime;

    /// What [`OpenTimes::open`] or this said last: until when it is open.
    fn until(&mut self, said: SimTime, terms: &OpenTerms, rng: &mut dyn Rng) -> SimTime;
}

/// It is open for the same time whenever it opens: nothing to remember.
#[derive(Clone, Copy, Debug, Default)]
pub struct SameTime;

impl OpenTimes for SameTime {
    const LIMITS_HALF_OPEN: bool = false;

    #[inline(always)]
    fn open(&mut self, now: SimTime, terms: &OpenTerms) -> SimTime {
        let OpenTime::Same(open) = terms.time else { unreachable!("a breaker is built from its own configuration") };
        now + open
    }

    #[inline(always)]
    fn until(&mut self, said: SimTime, _terms: &OpenTerms, _rng: &mut dyn Rng) -> SimTime {
        said
    }
}

/// How far a series of times has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct GrowingTime {
    /// What the backoff remembers.
    memory: Memory,
    /// How often it has opened since it was closed.
    openings: u32,
    /// The time of the last opening is known.
    drawn: bool,
}

impl OpenTimes for GrowingTime {
    const LIMITS_HALF_OPEN: bool = true;

    #[inline(never)]
    fn open(&mut self, now: SimTime, terms: &OpenTerms) -> SimTime {
        self.openings = self.openings.saturating_add(1);
        match terms.time {
            OpenTime::Same(open) => {
                self.drawn = true;
                now + open
            }
            OpenTime::Grows(_) => {
                self.drawn = false;
                now
            }
        }
    }

    #[inline(never)]
    fn until(&mut self, said: SimTime, terms: &OpenTerms, rng: &mut dyn Rng) -> SimTime {
        if self.drawn {
            return said;
        }
        let OpenTime::Grows(backoff) = &terms.time else {
            unreachable!("a breaker is built from its own configuration")
        };
        self.drawn = true;
        said + backoff.delay(self.openings, &mut self.memory, rng) + terms.more
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::play;
    use super::super::{
        CircuitRules, ConsecutiveBreaker, ConsecutiveBreakerConfig, RateBreaker, RateBreakerConfig, RateWindow,
    };
    use super::*;
    use crate::gate::{Answer, Ask, Ended, Gate, GateOutcome, Kept};
    use crate::retry::curve::decorrelated::{Decorrelated, StepFrom};
    use crate::retry::{CapAt, Curve, Jitter};
    use crate::rng::{KeyedRng, Purpose};

    type Row = ConsecutiveBreaker<GrowingTime>;
    type Rate = RateBreaker<GrowingTime>;

    fn config(open: impl Into<OpenTime>) -> ConsecutiveBreakerConfig {
        ConsecutiveBreakerConfig::new(1, open, 1)
    }

    #[test]
    fn each_failed_probe_leads_to_the_next_time() {
        let doubling = config(Backoff::exponential(Span::secs(1), 2.0, Some(Span::secs(4))));
        let share = RateBreakerConfig::new(1.0, RateWindow::Calls(1), 1, doubling.open.clone(), 1);
        for (script, admitted) in [
            // One second, two, four, and four again.
            ("f,(", "10"),
            ("f.f.(", "110"),
            ("f.f..f...(", "1110"),
            ("f.f..f....f...(", "11110"),
            ("f.f..f....f....s", "11111"),
            // Who closes begins anew; refusals and given up probes make no difference.
            ("f.f..sf.s", "11111"),
            ("f.f((..s", "11001"),
            ("f.f..(A(F...(", "11110"),
        ] {
            assert_eq!(play::<Row>(&doubling, script), admitted, "{script}");
            assert_eq!(play::<Rate>(&share, script), admitted, "{script}");
        }
        let rules = CircuitRules { strictly_after: true, ..CircuitRules::default() };
        assert_eq!(play::<Row>(&ConsecutiveBreakerConfig { rules, ..doubling }, "f.('f..('s"), "10101");
    }

    /// A time that does not change is that of a breaker that knows no other.
    #[test]
    fn a_fixed_backoff_is_a_plain_time() {
        for script in ["ff.....f....(.s", "f....((((.(F.....(S((", "f'.....(A(S"] {
            for strictly_after in [false, true] {
                let rules = CircuitRules { strictly_after, ..CircuitRules::default() };
                let plain = ConsecutiveBreakerConfig { rules: rules.clone(), ..config(Span::secs(5)) };
                let fixed = ConsecutiveBreakerConfig { rules, ..config(Backoff::fixed(Span::secs(5))) };
                assert_eq!(play::<ConsecutiveBreaker>(&plain, script), play::<Row>(&fixed, script), "{script}");
            }
        }
    }

    /// Opens again and again, each time by a probe, and tells how long it was open.
    fn times(backoff: Backoff, openings: usize, seed: u64) -> Vec<Span> {
        let terms = Row::terms(&config(backoff));
        let mut breaker = Row::new(&terms);
        let mut now = SimTime::ZERO;
        let fail = |breaker: &mut Row, now: SimTime| {
            let permit = breaker.on_admit(Ask::first(now), &terms);
            breaker.on_outcome(permit, Ended::at_once(now, GateOutcome::Failure), &terms);
        };
        fail(&mut breaker, now);
        let mut times = Vec::new();
        for opening in 0..openings {
            // The first to ask decides: later ones have other draws.
            let mut rng = KeyedRng::new(seed, Purpose::Gate, opening as u64, 0);
            breaker.check(Ask::first(now), &terms, &mut rng);
            let super::super::State::Open(until) = breaker.circuit().state else {
                panic!("open for longer than no time")
            };
            times.push(Span(until.0 - now.0));
            let mut other = KeyedRng::new(seed + 1, Purpose::Gate, opening as u64, 0);
            let before = SimTime(until.0 - 1);
            assert_eq!(breaker.check(Ask::first(before), &terms, &mut other), Answer::Refuse);
            assert_eq!(breaker.check(Ask::first(until), &terms, &mut other), Answer::Admit);
            now = until;
            fail(&mut breaker, now);
        }
        times
    }

    /// Times are the backoff's, with all that it remembers.
    #[test]
    fn times_are_those_of_the_backoff() {
        let walk = Curve::Decorrelated(Decorrelated { base: Span::millis(10), from: StepFrom::Previous });
        for backoff in [
            Backoff::equal_jitter(Span::secs(10), 2.0, None).with_first(Span::secs(5)),
            Backoff::decorrelated_jitter(Span::secs(1), Some(Span::secs(100))),
            Backoff::telescoping_jitter(Span::secs(1), None),
            Backoff::new(walk, Some(Span::secs(9)), CapAt::Both, Jitter::None),
        ] {
            let mut memory = Memory::default();
            let expected: Vec<Span> = (1..=30)
                .map(|k| backoff.delay(k, &mut memory, &mut KeyedRng::new(3, Purpose::Gate, u64::from(k) - 1, 0)))
                .collect();
            assert_eq!(times(backoff.clone(), 30, 3), expected, "{backoff:?}");
            assert_ne!(times(backoff.clone(), 30, 4), expected, "{backoff:?}");
        }
    }

    /// A million clients have a breaker each.
    #[test]
    fn only_who_needs_it_pays() {
        assert_eq!(size_of::<ConsecutiveBreaker>(), 40);
        assert_eq!(size_of::<Row>(), 56);
    }
}
