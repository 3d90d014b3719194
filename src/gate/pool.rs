//! Attempts in flight at once (`concurrency` with `attempts`): a pool of connections, or a bulkhead.
//!
//! Every attempt holds a place from its sending until it is answered or has timed out. Without a free one it is refused, as by resilience4j's and Polly's
//! bulkheads without a queue, or waits in line, as for a connection of HikariCP or of Go's `database/sql`. Places go to who has waited longest, at the instant
//! at which they become free: who is next holds the place from then on, so that nobody who comes later overtakes.

use std::collections::VecDeque;

use rand::Rng;

use super::limiter::OnLimit;
use super::{Answer, Ask, Ended, Gate, Hears, Kept, Permit};
use crate::units::Span;

/// `concurrency = { attempts, on_limit, max_wait }`.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    /// Most attempts in flight at once, at least 1.
    pub attempts: u32,
    /// Without a place.
    pub on_limit: OnLimit,
    /// Longest time in line; `None`: no limit.
    pub max_wait: Option<Span>,
}

impl PoolConfig {
    /// So many attempts at once; all others wait.
    pub fn attempts(attempts: u32) -> PoolConfig {
        PoolConfig { attempts, on_limit: OnLimit::Wait, max_wait: None }
    }
}

/// The places taken, and who waits for one.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Places taken, and those that are kept for who has come to the head of the line.
    taken: u32,
    /// Number in line of the first of those below. Numbers count up from there.
    first: u32,
    /// Who waits, in order, or [`NOBODY`] any more.
    line: VecDeque<u32>,
}

/// Has left the line.
const NOBODY: u32 = u32::MAX;

impl Pool {
    /// Joins the end of the line: `call` is how its driver knows it. The permit is its number in line.
    pub(super) fn join(&mut self, call: u32) -> Permit {
        self.line.push_back(call);
        Permit(self.first.wrapping_add(self.line.len() as u32 - 1))
    }

    /// True if the call with this number still waits; if not, a place is kept for it.
    pub(super) fn waits(&self, Permit(number): Permit) -> bool {
        self.line.get(number.wrapping_sub(self.first) as usize).is_some_and(|call| *call != NOBODY)
    }

    /// The call with this number wants no place any more.
    pub(super) fn leave(&mut self, permit: Permit) {
        if !self.waits(permit) {
            self.taken -= 1;
            return;
        }
        self.line[permit.0.wrapping_sub(self.first) as usize] = NOBODY;
        self.forget();
    }

    /// The line begins and ends with somebody.
    fn forget(&mut self) {
        while self.line.back() == Some(&NOBODY) {
            self.line.pop_back();
        }
        while self.line.front() == Some(&NOBODY) {
            self.line.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }
}

impl Kept for Pool {
    type Config = PoolConfig;
    type Terms = PoolConfig;

    fn terms(config: &PoolConfig) -> PoolConfig {
        config.clone()
    }

    fn hears(_terms: &PoolConfig) -> Hears {
        Hears { ends: true, ..Hears::NOTHING }
    }

    fn new(_terms: &PoolConfig) -> Pool {
        Pool { taken: 0, first: 0, line: VecDeque::new() }
    }

    fn heap_bytes(&self) -> usize {
        self.line.capacity() * size_of::<u32>()
    }
}

impl Gate for Pool {
    const HAS_LINE: bool = true;

    fn check(&mut self, ask: Ask, terms: &PoolConfig, _rng: &mut dyn Rng) -> Answer {
        if ask.has_place || self.taken < terms.attempts {
            Answer::Admit
        } else if terms.on_limit == OnLimit::Wait {
            Answer::InLine
        } else {
            Answer::Refuse
        }
    }

    fn on_admit(&mut self, ask: Ask, _terms: &PoolConfig) -> Permit {
        self.taken += u32::from(!ask.has_place);
        Permit::default()
    }

    fn on_outcome(&mut self, _permit: Permit, _ended: Ended, _terms: &PoolConfig) {
        self.taken -= 1;
    }

    fn on_abandon(&mut self, _permit: Permit, _attempt: u32) {
        self.taken -= 1;
    }

    #[inline]
    fn next_in_line(&mut self, terms: &PoolConfig) -> Option<u32> {
        if self.taken >= terms.attempts {
            return None;
        }
        let call = self.line.pop_front()?;
        self.first = self.first.wrapping_add(1);
        self.forget();
        self.taken += 1;
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::GateOutcome;
    use crate::rng::{KeyedRng, Purpose};
    use crate::units::SimTime;

    /// A script for two places: `a` to `z` ask and join the line if they must, a capital letter ends the attempt or leaves the line. Returns who is
    /// admitted, in order: at once, or in brackets when it is called up.
    fn check(script: &str, expected: &str) {
        let terms = PoolConfig::attempts(2);
        let (mut pool, mut got) = (Pool::new(&terms), String::new());
        let mut rng = KeyedRng::new(1, Purpose::Gate, 0, 0);
        let mut permits = [Permit::default(); 26];
        let mut sent = [false; 26];
        let ask = Ask::first(SimTime::ZERO);
        for step in script.bytes() {
            let who = usize::from(step.to_ascii_lowercase() - b'a');
            if step.is_ascii_lowercase() {
                match pool.check(ask, &terms, &mut rng) {
                    Answer::Admit => {
                        (permits[who], sent[who]) = (pool.on_admit(ask, &terms), true);
                        got.push(char::from(step));
                    }
                    _ => permits[who] = pool.join(who as u32),
                }
            } else if sent[who] {
                pool.on_outcome(permits[who], Ended::at_once(SimTime::ZERO, GateOutcome::Success), &terms);
            } else {
                pool.leave(permits[who]);
            }
            if let Some(call) = pool.next_in_line(&terms) {
                assert!(!pool.waits(permits[call as usize]));
                sent[call as usize] = true;
                got.push_str(&format!("({})", char::from(b'a' + call as u8)));
            }
            assert!(pool.taken <= 2 && pool.line.front() != Some(&NOBODY) && pool.line.back() != Some(&NOBODY));
        }
        assert_eq!(got, expected, "{script}");
    }

    #[test]
    fn who_has_waited_longest_is_next() {
        check("abcde", "ab");
        check("abcdeAB", "ab(c)(d)");
        check("abcdeBCD", "ab(c)(d)(e)");
        check("abABcd", "abcd");
        // Who leaves is passed over, wherever in line.
        check("abcdeCA", "ab(d)");
        check("abcdeDAB", "ab(c)(e)");
        check("abcdeEDCAf", "abf");
        check("abcdeDECfAB", "ab(f)");
        check("abcdeDfABCE", "ab(c)(e)(f)");
    }

    #[test]
    fn refuses_or_makes_wait() {
        let mut rng = KeyedRng::new(1, Purpose::Gate, 0, 0);
        for (on_limit, expected) in [(OnLimit::Wait, Answer::InLine), (OnLimit::Refuse, Answer::Refuse)] {
            let terms = PoolConfig { on_limit, ..PoolConfig::attempts(1) };
            let mut pool = Pool::new(&terms);
            let ask = Ask::first(SimTime::ZERO);
            assert_eq!(pool.check(ask, &terms, &mut rng), Answer::Admit);
            pool.on_admit(ask, &terms);
            assert_eq!(pool.check(ask, &terms, &mut rng), expected);
            assert_eq!(pool.check(Ask { has_place: true, ..ask }, &terms, &mut rng), Answer::Admit);
        }
    }
}
