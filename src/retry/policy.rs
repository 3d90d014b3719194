//! The policy trait, and the one implementation that scenario files configure.

use std::fmt;

use rand::Rng;

use super::backoff::{Backoff, Memory};
use super::classify::{OutcomeClass, OutcomeSet};
use super::curve::exponential::Exponential;
use super::hint::{Hinted, Hints, RetryAfter};
use super::limits::{AtLimit, Limits, RetryFor, Used};
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
    /// What it has used of its policy's limits.
    pub used: Used,
}

impl History {
    /// Attempts used up that count: without retries that are free.
    #[inline(always)]
    pub fn counted(&self) -> u32 {
        self.attempts - self.used.free()
    }
}

/// How to send an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptPlan {
    /// The client stops waiting after this long; [`Span::MAX`]: never.
    pub timeout: Span,
    /// So long after the call's deadline it is ended; [`Span::MAX`]: never, the deadline only says that there are no more retries.
    pub beyond: Span,
}

impl Default for AttemptPlan {
    /// Nothing but the call's deadline ends it.
    fn default() -> AttemptPlan {
        AttemptPlan { timeout: Span::MAX, beyond: Span::ZERO }
    }
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send another attempt after this wait, if deadline and gates allow.
    RetryAfter(Span),
    /// Send the same attempt once more, at once: a retry that is free ([`Policy::is_free`]). The policy has counted it with
    /// [`Used::take_free`].
    Again,
    /// The call has failed.
    GiveUp(GiveUp),
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// The outcome is not one that is retried.
    NotRetryable,
    /// All attempts are used up, or all retries after outcomes like the last.
    AttemptsExhausted,
    /// The deadline passed, or that of its retries, or the next wait would last too long for it.
    Deadline,
    /// The gate with this number in the chain refused.
    Gate(u8),
    /// Its client has crashed, and nobody knows of it any more. No policy says this.
    Crashed,
}

/// The idempotency key that requests carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyMode {
    /// No key.
    #[default]
    None,
    /// One for all attempts of an operation; for each of its steps another.
    PerOperation,
    /// A fresh one for each attempt: made inside the retried function, a common mistake.
    PerAttempt,
    /// One for each call of a flow: who starts over makes another.
    PerCall,
    /// One for what a user wanted once, however often the operation is done.
    PerAction,
    /// One for all operations about one thing.
    PerThing,
    /// Made from the thing and the time.
    Clock(Clock),
}

impl KeyMode {
    /// True if all attempts of a call have one key.
    pub fn is_kept(self) -> bool {
        match self {
            KeyMode::None | KeyMode::PerAttempt => false,
            KeyMode::PerOperation | KeyMode::PerCall | KeyMode::PerAction | KeyMode::PerThing => true,
            KeyMode::Clock(clock) => clock.made == Made::Operation,
        }
    }

    /// True if keys are the operation's own, or an attempt's, so that no other operation has them.
    pub fn is_own(self) -> bool {
        matches!(self, KeyMode::None | KeyMode::PerOperation | KeyMode::PerAttempt)
    }
}

/// The time in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Times are equal within it; above 0.
    pub resolution: Span,
    /// Whose time it is.
    pub made: Made,
}

/// When a key with the time in it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum Made {
    /// For each attempt, inside the retried function.
    #[default]
    Attempt,
    /// Once, when the operation starts.
    Operation,
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

    /// True if an attempt that ended so is sent once more without counting: [`Policy::on_failure`] says [`Decision::Again`]. For gates both are
    /// one attempt, of which they hear how the last one ended.
    fn is_free(&self, _outcome: Outcome, _history: &History) -> bool {
        false
    }

    /// This long after its start a call is given up, but for an attempt whose plan goes beyond; `None`: never.
    fn deadline(&self) -> Option<Span> {
        None
    }

    /// What the deadline does to waits, and how long attempts may outlast it: what their plans say too.
    fn at_deadline(&self) -> (AtLimit, Span) {
        (AtLimit::Deadline, Span::ZERO)
    }

    /// The idempotency key of its requests.
    fn key(&self) -> KeyMode {
        KeyMode::None
    }

    /// Share of its requests that lose their key on the way, in a proxy.
    fn key_lost(&self) -> f64 {
        0.0
    }

    /// Most attempts of a call that it makes; `None`: it does not say, or there is no limit.
    fn most_attempts(&self) -> Option<u32> {
        None
    }

    /// The longest wait that it may draw after its `k`-th attempt ended so; `None`: it does not say.
    fn longest_wait(&self, _outcome: Outcome, _k: u32) -> Option<Span> {
        None
    }

    /// False if it never draws a random number: then the same failures always have the same waits.
    fn draws(&self) -> bool {
        true
    }

    /// True if some attempt may wait for ever: no time-out, and no deadline that ends it.
    fn may_wait_for_ever(&self) -> bool {
        let plan = self.attempt(&History::default());
        plan.timeout == Span::MAX && (plan.beyond == Span::MAX || self.deadline().is_none())
    }
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
    /// A limit on retries only.
    pub retry_for: Option<RetryFor>,
    /// The wait before a retry.
    pub backoff: Backoff,
    /// Other waits after some outcomes, the most specific first.
    pub backoff_for: Vec<(OutcomeClass, Backoff)>,
    /// Outcomes that are retried.
    pub retry_on: OutcomeSet,
    /// Most retries after some outcomes, and retries that do not count; `None`: there is only the number of attempts.
    pub limits: Option<Box<Limits>>,
    /// What to do with the server's hint.
    pub retry_after: RetryAfter,
    /// Whether the server's word that a request should be tried again, or should not, goes before `retry_on`.
    pub heeds_should_retry: bool,
    /// The idempotency key of its requests.
    pub key: KeyMode,
    /// Share of requests that lose it on the way.
    pub key_lost: f64,
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
            retry_for: None,
            backoff: Backoff::none(),
            backoff_for: Vec::new(),
            retry_on: OutcomeSet::default(),
            limits: None,
            retry_after: RetryAfter::Ignore,
            heeds_should_retry: false,
            key: KeyMode::None,
            key_lost: 0.0,
        }
    }
}

impl RetryPolicy {
    #[inline(always)]
    fn exhausted(&self, counted: u32) -> bool {
        self.attempts.is_some_and(|limit| counted >= limit)
    }

    /// An attempt whose time-out may have grown, or that may outlast the limit on retries.
    #[inline(never)]
    fn special_attempt(&self, history: &History) -> AttemptPlan {
        let sent = history.counted() - history.refused;
        let grown = |base| {
            let curve = Exponential { base, factor: self.timeout_factor, whole: Span::ZERO };
            Span::from_nanos_f64(curve.window(sent.into())).min(self.timeout_cap.unwrap_or(Span::MAX))
        };
        AttemptPlan { timeout: self.timeout.map_or(Span::MAX, grown), beyond: self.beyond() }
    }

    /// The limit on retries, if it comes before the deadline.
    fn retry_limit(&self) -> Option<RetryFor> {
        self.retry_for.filter(|retry_for| self.deadline.is_none_or(|deadline| retry_for.limit < deadline))
    }

    /// The first of the two limits.
    #[inline(never)]
    fn first_limit(&self) -> Option<Span> {
        self.retry_limit().map(|retry_for| retry_for.limit).or(self.deadline)
    }

    /// How long an attempt may outlast the first of the two limits.
    #[inline(always)]
    fn beyond(&self) -> Span {
        if self.retry_for.is_none() { Span::ZERO } else { self.beyond_retries() }
    }

    #[inline(never)]
    fn beyond_retries(&self) -> Span {
        match (self.retry_limit(), self.deadline) {
            (None, _) => Span::ZERO,
            (Some(_), None) => Span::MAX,
            (Some(first), Some(deadline)) => deadline - first.limit,
        }
    }

    /// The longest time from the sending of a call's first attempt to that of its last: every attempt but the last ends with its time-out, and every wait is
    /// the longest of its backoff, or `hint`. An attempt without a time-out counts as none, for nobody knows how long it lasts. Limits on the time of a call
    /// bound it; [`Span::MAX`]: nothing does.
    pub fn longest_call(&self, hint: Span) -> Span {
        /// Delays do not grow any more, or have grown beyond all limits.
        const GROWN: u32 = 10_000;
        let first_limit = self.deadline.into_iter().chain(self.retry_for.map(|retry_for| retry_for.limit)).min();
        let retries = self.attempts.map_or(u32::MAX, |attempts| attempts - 1);
        let backoffs = || self.backoff_for.iter().map(|(_, backoff)| backoff).chain([&self.backoff]);
        let (mut total, mut last) = (Span::ZERO, Span::ZERO);
        for k in 1..=retries.min(GROWN) {
            let history = History { attempts: k - 1, ..History::default() };
            let timeout = Some(self.attempt(&history).timeout).filter(|timeout| *timeout < Span::MAX);
            let wait = backoffs().map(|backoff| Span::from_seconds(backoff.longest(k))).max().unwrap_or(Span::ZERO);
            last = timeout.unwrap_or(Span::ZERO) + wait.max(hint);
            total += last;
        }
        let rest = u64::from(retries.saturating_sub(GROWN));
        let total = if self.attempts.is_none() { Span::MAX } else { total + Span(last.0.saturating_mul(rest)) };
        first_limit.map_or(total, |limit| limit.min(total))
    }

    /// There is more to it than a status and a number of attempts. What is free goes first; then the server's word whether to try again, if it counts;
    /// then what is retried, and what is retried because the server said when; then all limits.
    #[inline(never)]
    fn in_full(&self, failure: &Failure, history: &mut History, rng: &mut dyn Rng) -> Decision {
        if self.is_free(failure.outcome, history) {
            history.used.take_free();
            return Decision::Again;
        }
        let hint = self.read(failure);
        if !self.is_retried_after(failure, hint) {
            return Decision::GiveUp(GiveUp::NotRetryable);
        }
        let k = history.counted();
        let takes_none = |limits: &Limits| !limits.take(failure.outcome, &mut history.used);
        if self.exhausted(k) || self.limits.as_deref().is_some_and(takes_none) {
            return Decision::GiveUp(GiveUp::AttemptsExhausted);
        }
        match hint {
            Some((hints, hint)) => self.after_hint(hints, hint, failure.outcome, history, rng),
            None => Decision::RetryAfter(self.wait(failure.outcome, k, history, rng)),
        }
    }

    /// The server's hint, if it has one and hints are honoured.
    fn read(&self, failure: &Failure) -> Option<(&Hints, Span)> {
        match &self.retry_after {
            RetryAfter::Ignore => None,
            RetryAfter::Honour(hints) => hints.read(failure).map(|hint| (&**hints, hint)),
        }
    }

    /// True if a call whose first attempt failed like this makes another one, as far as attempts and time allow it.
    pub fn would_retry(&self, failure: &Failure) -> bool {
        let history = History { attempts: 1, ..History::default() };
        let limited = |limits: &Limits| {
            limits.causes.iter().any(|cause| cause.retries == 0 && cause.on.contains(failure.outcome))
        };
        self.is_free(failure.outcome, &history)
            || (self.is_retried_after(failure, self.read(failure)) && !self.limits.as_deref().is_some_and(limited))
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
        let k = history.counted();
        let wait = match hints.wait(hint, k, |rng| self.wait(outcome, k, history, rng), rng) {
            Hinted::Stop => return Decision::GiveUp(GiveUp::NotRetryable),
            Hinted::Backoff => self.wait(outcome, k, history, rng),
            Hinted::Wait(wait) => {
                self.backoff.replaced(wait, &mut history.backoff);
                if hints.begins_anew {
                    history.backoff.begin_anew(k);
                }
                wait
            }
        };
        Decision::RetryAfter(wait)
    }

    /// The backoff after `outcome`, the `k`-th attempt that counts.
    #[inline(always)]
    fn wait(&self, outcome: Outcome, k: u32, history: &mut History, rng: &mut dyn Rng) -> Span {
        if self.backoff_for.is_empty() {
            self.backoff.delay(k, &mut history.backoff, rng)
        } else {
            self.special_wait(outcome, k, history, rng)
        }
    }

    /// The wait after `outcome`, where some outcomes have a backoff of their own.
    #[inline(never)]
    fn special_wait(&self, outcome: Outcome, k: u32, history: &mut History, rng: &mut dyn Rng) -> Span {
        let special = self.backoff_for.iter().find(|(class, _)| class.contains(outcome));
        let backoff = special.map_or(&self.backoff, |(_, backoff)| backoff);
        let wait = backoff.delay(k, &mut history.backoff, rng);
        self.backoff.replaced(wait, &mut history.backoff);
        wait
    }
}

impl Policy for RetryPolicy {
    fn most_attempts(&self) -> Option<u32> {
        self.attempts
    }

    fn longest_wait(&self, outcome: Outcome, k: u32) -> Option<Span> {
        let special = self.backoff_for.iter().find(|(class, _)| class.contains(outcome));
        let backoff = special.map_or(&self.backoff, |(_, backoff)| backoff);
        Some(Span::from_seconds(backoff.longest(k)))
    }

    fn draws(&self) -> bool {
        let hints = match &self.retry_after {
            RetryAfter::Ignore => false,
            RetryAfter::Honour(hints) => hints.jitter != super::jitter::Jitter::None,
        };
        hints || self.backoff.draws() || self.backoff_for.iter().any(|(_, backoff)| backoff.draws())
    }

    fn attempt(&self, history: &History) -> AttemptPlan {
        if self.timeout_factor != 1.0 || self.retry_for.is_some() {
            return self.special_attempt(history);
        }
        AttemptPlan { timeout: self.timeout.unwrap_or(Span::MAX), beyond: Span::ZERO }
    }

    fn on_failure(&self, failure: &Failure, history: &mut History, rng: &mut dyn Rng) -> Decision {
        // Most servers say no more than a status, most clients read no more, and most policies limit no more than attempts.
        if failure.should_retry.is_some()
            || self.limits.is_some()
            || (failure.retry_after.is_some() && matches!(self.retry_after, RetryAfter::Honour(_)))
        {
            return self.in_full(failure, history, rng);
        }
        if !self.retry_on.contains(failure.outcome) {
            return Decision::GiveUp(GiveUp::NotRetryable);
        }
        if self.exhausted(history.attempts) {
            return Decision::GiveUp(GiveUp::AttemptsExhausted);
        }
        Decision::RetryAfter(self.wait(failure.outcome, history.attempts, history, rng))
    }

    /// The backoff, whatever is retried: nothing has come back that could be classified.
    fn on_refusal(&self, history: &mut History, rng: &mut dyn Rng) -> Decision {
        let k = history.counted();
        if self.exhausted(k) {
            return Decision::GiveUp(GiveUp::AttemptsExhausted);
        }
        Decision::RetryAfter(self.backoff.delay(k, &mut history.backoff, rng))
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

    fn is_free(&self, outcome: Outcome, history: &History) -> bool {
        self.limits.as_deref().is_some_and(|limits| limits.is_free(outcome, history))
    }

    fn deadline(&self) -> Option<Span> {
        if self.retry_for.is_none() { self.deadline } else { self.first_limit() }
    }

    fn at_deadline(&self) -> (AtLimit, Span) {
        (self.retry_limit().map_or(AtLimit::Deadline, |retry_for| retry_for.rule), self.beyond())
    }

    fn key(&self) -> KeyMode {
        self.key
    }

    fn key_lost(&self) -> f64 {
        self.key_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::hint::OverMax;
    use crate::retry::limits::Cause;
    use crate::rng::{KeyedRng, Purpose};

    fn check(policy: &RetryPolicy, attempts: u32, outcome: Outcome, hint: Option<u64>, expected: Decision) {
        let mut history = History { attempts, ..History::default() };
        let failure = Failure { retry_after: hint.map(Span::secs), ..Failure::new(outcome) };
        let mut rng = KeyedRng::new(1, Purpose::Jitter, 0, 0);
        assert_eq!(policy.on_failure(&failure, &mut history, &mut rng), expected, "{outcome} after {attempts}");
    }

    #[test]
    fn the_longest_call() {
        let base = RetryPolicy {
            attempts: Some(4),
            timeout: Some(Span::secs(1)),
            backoff: Backoff::exponential(Span::secs(1), 2.0, None),
            ..RetryPolicy::default()
        };
        // Three time-outs, and 1 + 2 + 4 s.
        assert_eq!(base.longest_call(Span::ZERO), Span::secs(10));
        assert_eq!(base.longest_call(Span::secs(3)), Span::secs(13));
        assert_eq!(RetryPolicy { timeout: None, ..base.clone() }.longest_call(Span::ZERO), Span::secs(7));
        assert_eq!(RetryPolicy { timeout_factor: 2.0, ..base.clone() }.longest_call(Span::ZERO), Span::secs(14));
        assert_eq!(
            RetryPolicy { deadline: Some(Span::secs(8)), ..base.clone() }.longest_call(Span::ZERO),
            Span::secs(8)
        );
        assert_eq!(RetryPolicy { attempts: None, ..base.clone() }.longest_call(Span::ZERO), Span::MAX);
        assert_eq!(RetryPolicy { attempts: Some(1), ..base.clone() }.longest_call(Span::ZERO), Span::ZERO);
        let fixed = RetryPolicy { attempts: Some(1_000_001), backoff: Backoff::fixed(Span::secs(2)), ..base };
        assert_eq!(fixed.longest_call(Span::ZERO), Span::secs(3_000_000));
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
        // The waits of a cause that has its limit are those of any other.
        let causes = vec![Cause { on: OutcomeSet::new(vec![OutcomeClass::Timeout]), retries: 1 }];
        let limited =
            RetryPolicy { attempts: Some(9), limits: Some(Box::new(Limits { causes, free: None })), ..policy.clone() };
        let (mut history, mut rng) = (History::default(), KeyedRng::new(1, Purpose::Jitter, 0, 0));
        let mut after = |outcome| {
            history.attempts += 1;
            limited.on_failure(&Failure::new(outcome), &mut history, &mut rng)
        };
        assert_eq!(after(Outcome::Timeout), Wait(Span::secs(1)));
        assert_eq!(after(Outcome::Reset), Wait(Span::secs(2)));
        assert_eq!(after(Outcome::Timeout), Stop(GiveUp::AttemptsExhausted));
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
