//! One logical call: the state machine that consults policy and gates and says what to do next.
//!
//! It does no I/O and reads no clock. A driver (the simulator, a tokio task, a user's own program) tells it what happened and when,
//! and does what the returned [`Action`] says. Every admitted attempt ends exactly once, by [`Call::on_outcome`], by
//! a [`Call::on_wake`] at its due time, or by [`Call::abandon`].

use rand::Rng;

use crate::gate::{GateChain, GateOutcome, Moment, Permits};
use crate::protocol::{Failure, Outcome};
use crate::retry::{Decision, GiveUp, History, Policy};
use crate::units::SimTime;

/// What the driver must do next. There is always exactly one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this attempt (numbered from 1), and call [`Call::on_wake`] at `due` unless its outcome comes first.
    Send {
        /// Its number.
        attempt: u32,
        /// When the client stops waiting; [`SimTime::NEVER`] without time-out and deadline.
        due: SimTime,
    },
    /// Call [`Call::on_wake`] at this instant.
    WakeAt(SimTime),
    /// The call is over.
    Finish(Verdict),
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A 2xx reply arrived in time.
    Succeeded,
    /// The client gave up.
    Failed(GiveUp),
}

/// What a call consults: one policy, its gates, and which client is calling.
pub struct Rules<'a> {
    /// The policy.
    pub policy: &'a dyn Policy,
    /// Its gates.
    pub gates: &'a mut GateChain,
    /// The client, for gates that each client has its own of.
    pub client: u32,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An attempt is open until then.
    Open { due: SimTime },
    /// Between attempts until then.
    Waiting { until: SimTime },
    /// Over.
    Done,
}

/// One logical call.
#[derive(Clone, Debug)]
pub struct Call {
    history: History,
    deadline: SimTime,
    permits: Permits,
    state: State,
}

impl Call {
    /// Begins a call: either its first attempt is sent now, or a gate refuses and it is over.
    pub fn start(now: SimTime, rules: &mut Rules) -> (Call, Action) {
        let deadline = rules.policy.deadline().map_or(SimTime::NEVER, |deadline| now + deadline);
        let mut call = Call {
            history: History::default(),
            deadline,
            permits: Permits::default(),
            state: State::Waiting { until: now },
        };
        let action = call.send(now, rules);
        (call, action)
    }

    /// The number of the attempt that is open, if one is.
    pub fn open_attempt(&self) -> Option<u32> {
        matches!(self.state, State::Open { .. }).then_some(self.history.attempts)
    }

    /// Attempts sent so far.
    pub fn attempts(&self) -> u32 {
        self.history.attempts
    }

    /// The open attempt ended with `outcome`; `failure.retry_after` is the reply's hint. `rng` is the call's jitter stream.
    ///
    /// # Panics
    /// If no attempt is open: a late reply to an ended attempt is the driver's to drop.
    pub fn on_outcome(&mut self, now: SimTime, reply: Failure, rules: &mut Rules, rng: &mut dyn Rng) -> Action {
        assert!(self.open_attempt().is_some(), "an outcome needs an open attempt");
        let failed = rules.policy.is_failure(reply.outcome);
        let outcome = if failed { GateOutcome::Failure } else { GateOutcome::Success };
        rules.gates.on_outcome(now, rules.client, &self.permits, outcome);
        if reply.outcome.is_success() {
            rules.gates.on_call_success(rules.client);
            return self.finish(Verdict::Succeeded);
        }
        if now >= self.deadline {
            return self.finish(Verdict::Failed(GiveUp::Deadline));
        }
        let wait = match rules.policy.on_failure(&reply, &mut self.history, rng) {
            Decision::GiveUp(reason) => return self.finish(Verdict::Failed(reason)),
            Decision::RetryAfter(wait) => wait,
        };
        let until = now + wait;
        // Without a deadline, a wait may end beyond the end of time.
        if until >= self.deadline && self.deadline != SimTime::NEVER {
            return self.finish(Verdict::Failed(GiveUp::Deadline));
        }
        match rules.gates.admit(Moment::Retry, now, rules.client, &mut self.permits) {
            Err(gate) => self.finish(Verdict::Failed(GiveUp::Gate(gate))),
            Ok(()) => {
                self.state = State::Waiting { until };
                Action::WakeAt(until)
            }
        }
    }

    /// The instant asked for has come: an open attempt has timed out, or a wait is over.
    ///
    /// # Panics
    /// If it is not yet time.
    pub fn on_wake(&mut self, now: SimTime, rules: &mut Rules, rng: &mut dyn Rng) -> Action {
        match self.state {
            State::Open { due } => {
                assert!(now >= due, "woken before the time-out");
                self.on_outcome(now, Failure { outcome: Outcome::Timeout, retry_after: None }, rules, rng)
            }
            State::Waiting { until } => {
                assert!(now >= until, "woken before the wait was over");
                self.send(now, rules)
            }
            State::Done => unreachable!("a call that is over is not woken"),
        }
    }

    /// The caller is gone: whatever is open ends without an outcome.
    pub fn abandon(&mut self, rules: &mut Rules) {
        if let State::Open { .. } = self.state {
            rules.gates.on_abandon(rules.client, &self.permits);
        }
        self.state = State::Done;
    }

    fn send(&mut self, now: SimTime, rules: &mut Rules) -> Action {
        if let Err(gate) = rules.gates.admit(Moment::Send, now, rules.client, &mut self.permits) {
            return self.finish(Verdict::Failed(GiveUp::Gate(gate)));
        }
        if self.history.attempts == 0 {
            rules.gates.on_first_attempt(rules.client);
        }
        let timeout = rules.policy.attempt(&self.history).timeout;
        self.history.attempts = self.history.attempts.saturating_add(1);
        let due = timeout.map_or(SimTime::NEVER, |timeout| now + timeout).min(self.deadline);
        self.state = State::Open { due };
        Action::Send { attempt: self.history.attempts, due }
    }

    fn finish(&mut self, verdict: Verdict) -> Action {
        self.state = State::Done;
        Action::Finish(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::breaker::ConsecutiveBreakerConfig;
    use crate::gate::budget::{DepositOn, TokenBudgetConfig, Tokens};
    use crate::gate::{GateConfig, GateRule, Scope};
    use crate::retry::{Backoff, RetryPolicy};
    use crate::rng::{KeyedRng, Purpose};
    use crate::units::Span;

    /// Plays a call against outcomes, each so many seconds after its attempt was sent; `None` never answers.
    /// Returns what was done, in words, with instants in seconds.
    fn check(policy: &RetryPolicy, gates: &[GateConfig], outcomes: &[(u64, Option<Outcome>)], expected: &str) {
        let mut gates = GateChain::new(gates, 1);
        let mut rules = Rules { policy, gates: &mut gates, client: 0 };
        let mut rng = KeyedRng::new(1, Purpose::Jitter, 0, 0);
        let mut now = SimTime::ZERO;
        let (mut call, mut action) = Call::start(now, &mut rules);
        let mut outcomes = outcomes.iter();
        let mut got = Vec::new();
        loop {
            action = match action {
                Action::Send { attempt, due } => {
                    got.push(format!("{attempt}@{}", now.seconds()));
                    match outcomes.next() {
                        Some((after, Some(outcome))) if now + Span::secs(*after) <= due => {
                            now = now + Span::secs(*after);
                            call.on_outcome(now, Failure { outcome: *outcome, retry_after: None }, &mut rules, &mut rng)
                        }
                        Some(_) => {
                            now = due;
                            call.on_wake(now, &mut rules, &mut rng)
                        }
                        None => panic!("one attempt more than outcomes: {got:?}"),
                    }
                }
                Action::WakeAt(until) => {
                    now = until;
                    call.on_wake(now, &mut rules, &mut rng)
                }
                Action::Finish(verdict) => {
                    got.push(format!("{verdict:?}@{}", now.seconds()));
                    break;
                }
            };
        }
        assert_eq!(got.join(" "), expected);
    }

    fn policy() -> RetryPolicy {
        RetryPolicy {
            attempts: Some(4),
            timeout: Some(Span::secs(5)),
            backoff: Backoff::fixed(Span::secs(1)),
            ..RetryPolicy::default()
        }
    }

    const ERROR: Option<Outcome> = Some(Outcome::Status(503));
    const OK: Option<Outcome> = Some(Outcome::OK);

    #[test]
    fn retries_until_success_or_the_end() {
        check(&policy(), &[], &[(1, OK)], "1@0 Succeeded@1");
        check(&policy(), &[], &[(1, ERROR), (1, OK)], "1@0 2@2 Succeeded@3");
        check(&policy(), &[], &[(0, ERROR); 4], "1@0 2@1 3@2 4@3 Failed(AttemptsExhausted)@3");
        check(&policy(), &[], &[(1, Some(Outcome::Status(402)))], "1@0 Failed(NotRetryable)@1");
        check(&policy(), &[], &[(9, None), (1, OK)], "1@0 2@6 Succeeded@7");
        // A reply due exactly at the time-out counts.
        check(&policy(), &[], &[(5, OK)], "1@0 Succeeded@5");
    }

    #[test]
    fn the_deadline_includes_waits() {
        let with = |deadline| RetryPolicy { deadline: Some(Span::secs(deadline)), ..policy() };
        // A wait that would end at the deadline is not begun.
        check(&with(3), &[], &[(2, ERROR)], "1@0 Failed(Deadline)@2");
        check(&with(4), &[], &[(2, ERROR), (1, OK)], "1@0 2@3 Succeeded@4");
        // An open attempt is abandoned at the deadline and not retried.
        check(&with(4), &[], &[(2, ERROR), (2, OK)], "1@0 2@3 Failed(Deadline)@4");
    }

    #[test]
    fn gates_refuse() {
        let budget = GateConfig {
            rule: GateRule::TokenBudget(TokenBudgetConfig {
                capacity: Tokens::new(1.0),
                cost: Tokens::new(1.0),
                deposit: Tokens::new(0.0),
                deposit_on: DepositOn::Success,
            }),
            scope: Scope::Client,
        };
        let breaker = GateConfig {
            rule: GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig {
                failures: 2,
                open: Span::secs(60),
                probes: 1,
            }),
            scope: Scope::Client,
        };
        // The budget is asked before the wait, the breaker at sending.
        check(&policy(), std::slice::from_ref(&budget), &[(0, ERROR); 2], "1@0 2@1 Failed(Gate(0))@1");
        check(&policy(), std::slice::from_ref(&breaker), &[(0, ERROR); 2], "1@0 2@1 Failed(Gate(0))@2");
        // A failure that is not retried costs no token.
        check(&policy(), &[budget, breaker], &[(0, Some(Outcome::Status(400)))], "1@0 Failed(NotRetryable)@0");
    }
}
