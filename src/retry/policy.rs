//! The policy trait, and the one implementation that scenario files configure.

use std::fmt;

use rand::Rng;

use super::backoff::{Backoff, Memory};
use super::classify::{OutcomeClass, OutcomeSet};
use super::curve::exponential::Exponential;
use super::hint::{Hinted, Hints, RetryAfter};
use crate::protocol::{Failure, Outcome};
use crate::units::Span;

/// What one call remembers between its attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Attempts used up so far: those that were sent, and those that a gate refused and that are tried again.
    pub attempts: u32,
    /// Of these, the ones a gate refused.
    pub refused: u32,
    /// What its backoff remembers.
    pub backoff: Memory,
}

/// How to send an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptPlan {
    /// The client stops waiting after this long; `None`: never.
    pub timeout: Option<Span>,
    /// The call's deadline does not end it: it only says that no more waits are begun.
    pub outlives_deadline: bool,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send another attempt after this wait, if deadline and gates allow.
    RetryAfter(Span),
    /// The call has failed.
    GiveUp(GiveUp),
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// The outcome is not one that is retried.
    NotRetryable,
    /// All attempts are used up.
    AttemptsExhausted,
    /// The deadline passed, or the next wait would end at or after it.
    Deadline,
    /// The gate with this number in the chain refused.
    Gate(u8),
}

/// The idempotency key that requests carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyMode {
    /// No key.
    #[default]
    None,
    /// One key for all attempts of an operation's step.
    PerOperation,
    /// A fresh key for every attempt: made inside the retried function, a common mistake.
    PerAttempt,
}

/// One client's rules for one call. Plain configuration, shared by all clients and threads.
pub trait Policy: fmt::Debug + Send + Sync {
    /// How to send the next attempt.
    fn attempt(&self, history: &History) -> AttemptPlan;

    /// What to do about `failure`. `history.attempts` counts the failed attempt. `rng` is the call's own jitter stream.
    fn on_failure(&self, failure: &Failure, history: &mut History, rng: &mut dyn Rng) -> Decision;

    /// What to do when a gate refused an attempt and is set to try again. `history.attempts` counts the refused attempt. By default the
    /// same as after a connection that was refused.
    fn on_refusal(&self, history: &mut History, rng: &mut dyn Rng) -> Decision {
        self.on_failure(&Failure::new(Outcome::Refused), history, rng)
    }

    /// True if it would be retried after this failure, limits left aside.
    fn is_retried(&self, failure: &Failure) -> bool {
        self.is_failure(failure.outcome)
    }

    /// How long the server asks to wait, if that counts and as far as it does.
    fn hint(&self, _failure: &Failure) -> Option<Span> {
        None
    }

    /// True if this outcome counts as a failure for gates.
    fn is_failure(&self, outcome: Outcome) -> bool;

    /// The call is given up this long after its start; `None`: never.
    fn deadline(&self) -> Option<Span> {
        None
    }

    /// The idempotency key of its requests.
    fn key(&self) -> KeyMode {
        KeyMode::None
    }

    /// True if some attempt may wait for ever: no time-out, and no deadline that ends it.
    fn may_wait_for_ever(&self) -> bool {
        let plan = self.attempt(&History::default());
        plan.timeout.is_none() && (plan.outlives_deadline || self.deadline().is_none())
    }
}

/// What a call's deadline does to an attempt that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtDeadline {
    /// It is abandoned.
    #[default]
    Abandon,
    /// It goes on: the deadline only limits waits, as in google-api-core and cenkalti/backoff.
    Finish,
}

/// The policy that scenario files describe.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Most attempts per call, the first included; `None`: unlimited.
    pub attempts: Option<u32>,
    /// Per attempt, from its sending.
    pub timeout: Option<Span>,
    /// The time-out of each attempt is this many times that of the one before; 1: all are equal.
    pub timeout_factor: f64,
    /// But no longer than this.
    pub timeout_cap: Option<Span>,
    /// Per call, from its start.
    pub deadline: Option<Span>,
    /// What the deadline does to an attempt that is open.
    pub at_deadline: AtDeadline,
    /// The wait before a retry.
    pub backoff: Backoff,
    /// Other waits after some outcomes, the most specific first.
    pub backoff_for: Vec<(OutcomeClass, Backoff)>,
    /// Outcomes that are retried.
    pub retry_on: OutcomeSet,
    /// What to do with the server's hint.
    pub retry_after: RetryAfter,
    /// Whether the server's word that a request should be tried again, or should not, goes before `retry_on`.
    pub heeds_should_retry: bool,
    /// The idempotency key of its requests.
    pub key: KeyMode,
}

impl Default for RetryPolicy {
    /// One attempt, no time-out.
    fn default() -> RetryPolicy {
        RetryPolicy {
            attempts: Some(1),
            timeout: None,
            timeout_factor: 1.0,
            timeout_cap: None,
            deadline: None,
            at_deadline: AtDeadline::Abandon,
            backoff: Backoff::none(),
            backoff_for: Vec::new(),
            retry_on: OutcomeSet::default(),
            retry_after: RetryAfter::Ignore,
            heeds_should_retry: false,
            key: KeyMode::None,
        }
    }
}

impl RetryPolicy {
    fn exhausted(&self, history: &History) -> bool {
        self.attempts.is_some_and(|limit| history.attempts >= limit)
    }

    /// An attempt whose time-out has grown.
    #[inline(never)]
    fn later_attempt(&self, history: &History) -> AttemptPlan {
        let sent = history.attempts - history.refused;
        let grown = |base| {
            let curve = Exponential { base, factor: self.timeout_factor, whole: Span::ZERO };
            Span::from_nanos_f64(curve.window(sent.into())).min(self.timeout_cap.unwrap_or(Span::MAX))
        };
        AttemptPlan { timeout: self.timeout.map(grown), outlives_deadline: self.at_deadline == AtDeadline::Finish }
    }

    /// The server has said more than a status. Its word whether to try again goes first, if it counts; then what is retried, and what is retried
    /// because the server said when.
    #[inline(never)]
    fn on_word(&self, failure: &Failure, history: &mut History, rng: &mut dyn Rng) -> Decision {
        let hint = self.read(failure);
        if !self.is_retried_after(failure, hint) {
            return Decision::GiveUp(GiveUp::NotRetryable);
        }
        if self.exhausted(history) {
            return Decision::GiveUp(GiveUp::AttemptsExhausted);
        }
        match hint {
            Some((hints, hint)) => self.after_hint(hints, hint, failure.outcome, history, rng),
            None => Decision::RetryAfter(self.wait(failure.outcome, history, rng)),
        }
    }

    /// The server's hint, if it has one and hints are honoured.
    fn read(&self, failure: &Failure) -> Option<(&Hints, Span)> {
        match &self.retry_after {
            RetryAfter::Ignore => None,
            RetryAfter::Honour(hints) => hints.read(failure).map(|hint| (&**hints, hint)),
        }
    }

    /// Is it retried after this failure, which has this hint?
    fn is_retried_after(&self, failure: &Failure, hint: Option<(&Hints, Span)>) -> bool {
        match failure.should_retry {
            Some(should) if self.heeds_should_retry => should,
            _ => {
                hint.is_some_and(|(hints, _)| hints.triggers(failure.outcome))
                    || self.retry_on.contains(failure.outcome)
            }
        }
    }

    /// The wait that the server asks for, as far as it is honoured.
    fn after_hint(
        &self,
        hints: &Hints,
        hint: Span,
        outcome: Outcome,
        history: &mut History,
        rng: &mut dyn Rng,
    ) -> Decision {
        let wait = match hints.wait(hint, |rng| self.wait(outcome, history, rng), rng) {
            Hinted::Stop => return Decision::GiveUp(GiveUp::NotRetryable),
            Hinted::Backoff => self.wait(outcome, history, rng),
            Hinted::Wait(wait) => {
                self.backoff.replaced(wait, &mut history.backoff);
                if hints.begins_anew {
                    history.backoff.begin_anew(history.attempts);
                }
                wait
            }
        };
        Decision::RetryAfter(wait)
    }

    /// The backoff after `outcome`.
    #[inline(always)]
    fn wait(&self, outcome: Outcome, history: &mut History, rng: &mut dyn Rng) -> Span {
        if self.backoff_for.is_empty() {
            self.backoff.delay(history.attempts, &mut history.backoff, rng)
        } else {
            self.special_wait(outcome, history, rng)
        }
    }

    /// The wait after `outcome`, where some outcomes have a backoff of their own.
    #[inline(never)]
    fn special_wait(&self, outcome: Outcome, history: &mut History, rng: &mut dyn Rng) -> Span {
        let special = self.backoff_for.iter().find(|(class, _)| class.contains(outcome));
        let backoff = special.map_or(&self.backoff, |(_, backoff)| backoff);
        let wait = backoff.delay(history.attempts, &mut history.backoff, rng);
        self.backoff.replaced(wait, &mut history.backoff);
        wait
    }
}

impl Policy for RetryPolicy {
    fn attempt(&self, history: &History) -> AttemptPlan {
        if self.timeout_factor != 1.0 {
            return self.later_attempt(history);
        }
        AttemptPlan { timeout: self.timeout, outlives_deadline: self.at_deadline == AtDeadline::Finish }
    }

    fn on_failure(&self, failure: &Failure, history: &mut History, rng: &mut dyn Rng) -> Decision {
        // Most servers say no more than a status, and most clients read no more.
        if failure.should_retry.is_some()
            || (failure.retry_after.is_some() && matches!(self.retry_after, RetryAfter::Honour(_)))
        {
            return self.on_word(failure, history, rng);
        }
        if !self.retry_on.contains(failure.outcome) {
            return Decision::GiveUp(GiveUp::NotRetryable);
        }
        if self.exhausted(history) {
            return Decision::GiveUp(GiveUp::AttemptsExhausted);
        }
        Decision::RetryAfter(self.wait(failure.outcome, history, rng))
    }

    /// The backoff, whatever is retried: nothing has come back that could be classified.
    fn on_refusal(&self, history: &mut History, rng: &mut dyn Rng) -> Decision {
        if self.exhausted(history) {
            return Decision::GiveUp(GiveUp::AttemptsExhausted);
        }
        Decision::RetryAfter(self.backoff.delay(history.attempts, &mut history.backoff, rng))
    }

    fn is_retried(&self, failure: &Failure) -> bool {
        let hint = self.read(failure);
        let too_long = hint.is_some_and(|(hints, hint)| hints.within_max(hint) == Hinted::Stop);
        !too_long && self.is_retried_after(failure, hint)
    }

    fn hint(&self, failure: &Failure) -> Option<Span> {
        match self.read(failure).map(|(hints, hint)| hints.within_max(hint)) {
            Some(Hinted::Wait(wait)) => Some(wait),
            Some(Hinted::Backoff | Hinted::Stop) | None => None,
        }
    }

    fn is_failure(&self, outcome: Outcome) -> bool {
        self.retry_on.contains(outcome)
    }

    fn deadline(&self) -> Option<Span> {
        self.deadline
    }

    fn key(&self) -> KeyMode {
        self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::hint::OverMax;
    use crate::rng::{KeyedRng, Purpose};

    fn check(policy: &RetryPolicy, attempts: u32, outcome: Outcome, hint: Option<u64>, expected: Decision) {
        let mut history = History { attempts, ..History::default() };
        let failure = Failure { retry_after: hint.map(Span::secs), ..Failure::new(outcome) };
        let mut rng = KeyedRng::new(1, Purpose::Jitter, 0, 0);
        assert_eq!(policy.on_failure(&failure, &mut history, &mut rng), expected, "{outcome} after {attempts}");
    }

    #[test]
    fn decisions() {
        use Decision::{GiveUp as Stop, RetryAfter as Wait};
        let policy = RetryPolicy {
            attempts: Some(3),
            backoff: Backoff::exponential(Span::secs(1), 2.0, None),
            backoff_for: vec![(OutcomeClass::Status(429), Backoff::fixed(Span::secs(9)))],
            ..RetryPolicy::default()
        };
        check(&policy, 1, Outcome::Status(503), None, Wait(Span::secs(1)));
        check(&policy, 2, Outcome::Timeout, None, Wait(Span::secs(2)));
        check(&policy, 3, Outcome::Timeout, None, Stop(GiveUp::AttemptsExhausted));
        check(&policy, 1, Outcome::Status(400), None, Stop(GiveUp::NotRetryable));
        check(&policy, 3, Outcome::Status(400), None, Stop(GiveUp::NotRetryable));
        check(&policy, 1, Outcome::Status(429), Some(30), Wait(Span::secs(9)));
        let honours = RetryPolicy { retry_after: RetryAfter::up_to(None), ..policy.clone() };
        check(&honours, 1, Outcome::Status(429), Some(30), Wait(Span::secs(30)));
        check(&honours, 1, Outcome::Status(429), None, Wait(Span::secs(9)));
        let bounded = RetryPolicy { retry_after: RetryAfter::up_to(Some(Span::secs(20))), ..policy.clone() };
        check(&bounded, 1, Outcome::Status(429), Some(30), Wait(Span::secs(20)));
        // A hint that is not followed is no reason to begin anew.
        let hints =
            Hints { max: Some(Span::secs(20)), over_max: OverMax::Backoff, begins_anew: true, ..Hints::default() };
        let anew = RetryPolicy { retry_after: RetryAfter::Honour(Box::new(hints)), attempts: None, ..policy.clone() };
        for (hint, next) in [(10, 1), (30, 4)] {
            let mut history = History { attempts: 2, ..History::default() };
            let mut rng = KeyedRng::new(1, Purpose::Jitter, 0, 0);
            let hinted = Failure { retry_after: Some(Span::secs(hint)), ..Failure::new(Outcome::Status(503)) };
            anew.on_failure(&hinted, &mut history, &mut rng);
            history.attempts = 3;
            let got = anew.on_failure(&Failure::new(Outcome::Status(503)), &mut history, &mut rng);
            assert_eq!(got, Wait(Span::secs(next)), "after a hint of {hint} s");
        }
        let mut history = History { attempts: 1, refused: 1, ..History::default() };
        let mut rng = KeyedRng::new(1, Purpose::Gate, 0, 0);
        let strict = RetryPolicy { retry_on: OutcomeSet::new(Vec::new()), ..policy.clone() };
        assert_eq!(strict.on_refusal(&mut history, &mut rng), Wait(Span::secs(1)), "whatever is retried");
        history.attempts = 3;
        assert_eq!(strict.on_refusal(&mut history, &mut rng), Stop(GiveUp::AttemptsExhausted));
        let endless = RetryPolicy { attempts: None, backoff: Backoff::none(), ..policy };
        check(&endless, 4_000_000_000, Outcome::Refused, None, Wait(Span::ZERO));
    }
}
