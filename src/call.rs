//! One logical call: the state machine that consults policy and gates and says what to do next.
//!
//! It does no I/O and reads no clock. A driver (the simulator, a tokio task, a user's own program) tells it what happened and when,
//! and does what the returned [`Action`] says. Every admitted attempt ends exactly once: by [`Call::on_reply`], by a [`Call::on_wake`]
//! when its time is over, because another one has won, or by [`Call::abandon`].
//!
//! Where a policy hedges ([`Rules::hedging`]) several attempts may be open at once; `tries` is about them. A driver that handles any number of
//! open attempts handles one: after each step it forgets those that are not open any more ([`Call::is_open`]).

mod draws;
mod limit;
pub mod tries;

use crate::gate::{Admission, Ask, Ended, GateChain, GateOutcome, Moment, OnRefusal, Permits};
use crate::hedge::Hedger;
use crate::protocol::{Failure, Outcome};
use crate::retry::{Decision, GiveUp, History, Policy};
use crate::units::{SimTime, Span};

pub use draws::Draws;
use draws::ForGates;
use limit::TimeLimit;
use tries::{Beside, Tries};

/// What the driver must do next. There is always exactly one thing, and each replaces what was asked for before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this attempt (numbered from 1), and call [`Call::on_wake`] at `due` unless a reply comes first.
    Send {
        /// Its number.
        attempt: u32,
        /// When the client stops waiting, or there is something else to do; [`SimTime::NEVER`]: never.
        due: SimTime,
        /// It is a hedge: sent beside an open one.
        hedge: bool,
    },
    /// Call [`Call::on_wake`] at this instant, unless a reply comes first; [`SimTime::NEVER`]: only a reply goes on. If it has come already, that is a step
    /// of its own, after whatever else happens now.
    WakeAt(SimTime),
    /// Call [`Call::on_wake`] when it is its turn ([`GateChain::take_turn`]), or at this instant if that comes first.
    WaitInLine(SimTime),
    /// The call is over, and nothing of it is open any more: an attempt that was has lost.
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

/// What a call consults: one policy, its gates, its hedging, and which client is calling.
pub struct Rules<'a> {
    policy: &'a dyn Policy,
    gates: &'a mut GateChain,
    held: &'a mut Held,
    client: u32,
    call: u32,
    beside: Option<Beside<'a>>,
}

impl<'a> Rules<'a> {
    /// A policy and its gates. `held` is what these hold for the call: the driver keeps it from one step of the call to the next; without gates any will
    /// do. `client` is for gates that each client has its own of. By `call`, below [`u32::MAX`], the driver knows the call among all that are not
    /// over; only who stands in a line is called by it.
    #[inline(always)]
    pub fn new(
        policy: &'a dyn Policy,
        gates: &'a mut GateChain,
        held: &'a mut Held,
        client: u32,
        call: u32,
    ) -> Rules<'a> {
        Rules { policy, gates, held, client, call, beside: None }
    }

    /// The same where attempts go to one of several replicas: the next one would go to this, and gates of each replica are asked about it. Gates
    /// go by what they were told last, so that it is to be said before each step.
    pub fn at(self, endpoint: u16) -> Rules<'a> {
        self.gates.set_endpoint(endpoint);
        self
    }

    /// The same where the policy hedges. The driver keeps `tries` from one step of the call to the next.
    pub fn hedging(self, hedger: &'a mut Hedger, tries: &'a mut Tries) -> Rules<'a> {
        Rules { beside: Some(Beside { hedger, tries }), ..self }
    }
}

impl Rules<'_> {
    /// True if a call that waits in line has a place by now.
    pub fn has_place(&mut self) -> bool {
        !self.gates.waits_in_line(self.client, &self.held.permits)
    }
}

/// What gates hold for a call: what they gave its last attempt, when that was sent, and how the one before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    permits: Permits,
    /// How the last attempt ended; open where gates have not heard of an end, since it is to be sent once more.
    after: Outcome,
    sent: SimTime,
}

const _: () = assert!(size_of::<Held>() == 32, "found by a shift");

impl Default for Held {
    /// Nothing.
    fn default() -> Held {
        Held { permits: Permits::default(), after: Outcome::Open, sent: SimTime::ZERO }
    }
}

impl Held {
    /// When the last attempt was sent.
    pub fn sent(&self) -> SimTime {
        self.sent
    }
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An attempt is open.
    Open,
    /// Between attempts.
    Waiting(Next),
    /// Over.
    Done(Verdict),
    /// The caller has gone.
    Abandoned,
}

/// What comes after a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The gates of a retry, which have refused before, and then those of sending.
    Retry,
    /// The gates of sending.
    Send,
    /// Nothing: the attempt is sent once more.
    Again,
    /// The same, and a limiter holds a token for the attempt.
    SendReserved,
    /// The same, in line for a place.
    InLine,
}

/// What an attempt has waited for that asks the gates of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    /// Nothing.
    No,
    /// A token, which is reserved.
    ForToken,
    /// And a place, which is kept for it.
    InLine,
}

/// One logical call.
#[derive(Clone, Debug)]
pub struct Call {
    history: History,
    deadline: SimTime,
    state: State,
}

impl Call {
    /// Begins a call: its first attempt is sent now, or a gate refuses it or makes it wait.
    pub fn start(now: SimTime, rules: &mut Rules, draws: &mut impl Draws) -> (Call, Action) {
        let mut call = Call::new(now, rules.policy);
        let action = call.begin(now, rules, draws);
        (call, action)
    }

    /// A call that [`Call::begin`] is going to begin now: for drivers that first put it where it stays.
    #[inline(always)]
    pub fn new(now: SimTime, policy: &dyn Policy) -> Call {
        let deadline = policy.deadline().map_or(SimTime::NEVER, |deadline| now + deadline);
        Call { history: History::default(), deadline, state: State::Waiting(Next::Send) }
    }

    /// The first step of [`Call::start`].
    #[inline(always)]
    pub fn begin(&mut self, now: SimTime, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        if rules.beside.is_some() {
            return self.with_tries(rules, |beside, call, rules| beside.begin(now, call, rules, draws));
        }
        self.send(now, Waited::No, rules, draws)
    }

    /// A step of a call of which several attempts may be open.
    #[inline(never)]
    fn with_tries<T>(&mut self, rules: &mut Rules, step: impl FnOnce(&mut Beside, &mut Call, &mut Rules) -> T) -> T {
        let mut beside = rules.beside.take().expect("only calls that hedge come here");
        rules.gates.set_within(true);
        let result = step(&mut beside, self, rules);
        rules.gates.set_within(false);
        rules.beside = Some(beside);
        result
    }

    /// True if this attempt is open: its reply counts.
    pub fn is_open(&self, attempt: u32, rules: &Rules) -> bool {
        match &rules.beside {
            Some(beside) => beside.tries.is_open(attempt),
            None => self.state == State::Open && self.attempts() == attempt,
        }
    }

    /// How it ended, if it has.
    pub fn verdict(&self) -> Option<Verdict> {
        match self.state {
            State::Done(verdict) => Some(verdict),
            State::Open | State::Waiting(_) | State::Abandoned => None,
        }
    }

    /// True if it waits for nothing but its turn to send the last attempt once more, of whose end gates have not heard.
    pub fn sends_again(&self) -> bool {
        self.state == State::Waiting(Next::Again)
    }

    /// Attempts sent so far; of hedges [`Tries::sent`] knows.
    pub fn attempts(&self) -> u32 {
        self.history.attempts - self.history.refused
    }

    /// Attempts used up so far: sent, or refused by a gate that lets the call try again.
    pub fn used(&self) -> u32 {
        self.history.attempts
    }

    /// An open attempt was answered; `reply.retry_after` is the hint of the reply. Nothing is sent at once.
    ///
    /// # Panics
    /// If it is not open ([`Call::is_open`]): a late reply to an attempt that has ended is the driver's to drop.
    #[inline(always)]
    pub fn on_reply(
        &mut self,
        now: SimTime,
        attempt: u32,
        reply: Failure,
        rules: &mut Rules,
        draws: &mut impl Draws,
    ) -> Action {
        if rules.beside.is_some() {
            return self
                .with_tries(rules, |beside, call, rules| beside.on_reply(now, attempt, reply, call, rules, draws));
        }
        self.ended(now, reply, rules, draws)
    }

    /// The open attempt, which is alone, has ended.
    #[inline(always)]
    fn ended(&mut self, now: SimTime, reply: Failure, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        assert!(self.state == State::Open, "an outcome needs an open attempt");
        if !rules.gates.is_empty() {
            self.tell_gates(now, reply.outcome, rules);
        }
        if reply.outcome.is_success() {
            return self.finish(now, Verdict::Succeeded, rules);
        }
        self.failed(now, &reply, rules, draws)
    }

    /// The attempt that counted has failed, and gates know: is there another one, and when?
    #[inline(always)]
    fn failed(&mut self, now: SimTime, reply: &Failure, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        if now >= self.deadline && self.limit(rules.policy).is_over(now) {
            return self.finish(now, Verdict::Failed(GiveUp::Deadline), rules);
        }
        let decision = rules.policy.on_failure(reply, &mut self.history, draws.jitter());
        self.decided(now, decision, rules, draws)
    }

    /// The policy has decided; a retry asks gates before its wait.
    #[inline(always)]
    fn decided(&mut self, now: SimTime, decision: Decision, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        let until = match decision {
            Decision::GiveUp(reason) => return self.finish(now, Verdict::Failed(reason), rules),
            Decision::RetryAfter(wait) => now + wait,
            // Gates that have heard of the failure, as beside hedges, are asked.
            Decision::Again if !rules.gates.is_empty() && rules.held.after != Outcome::Open => now,
            Decision::Again => return self.wait(now, Next::Again),
        };
        let Some(until) = self.allowed(until, rules.policy) else {
            return self.finish(now, Verdict::Failed(GiveUp::Deadline), rules);
        };
        match self.ask(Moment::Retry, now, Waited::No, rules, draws) {
            Admission::Refused(gate) => self.refused(now, gate, Next::Retry, rules, draws),
            // Nothing that is asked before the wait makes it longer.
            Admission::Admitted | Admission::NotBefore(_) | Admission::InLine => self.wait(until, Next::Send),
        }
    }

    /// The instant asked for has come: an open attempt has timed out, a hedge is due, or a wait is over. Of these it is one, and where there is
    /// more to do now, that is a step of its own.
    ///
    /// # Panics
    /// If the call is over.
    #[inline(always)]
    pub fn on_wake(&mut self, now: SimTime, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        if rules.beside.is_some() {
            return self.with_tries(rules, |beside, call, rules| beside.on_wake(now, call, rules, draws));
        }
        self.woken(now, rules, draws)
    }

    /// The instant asked for has come, and at most one attempt is open.
    #[inline(always)]
    fn woken(&mut self, now: SimTime, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        match self.state {
            State::Waiting(Next::Send) => self.send(now, Waited::No, rules, draws),
            State::Open => self.ended(now, Failure::new(Outcome::Timeout), rules, draws),
            State::Waiting(next) => self.on_other_wake(now, next, rules, draws),
            State::Done(_) | State::Abandoned => unreachable!("a call that is over is not woken"),
        }
    }

    /// A wait is over of which there are few.
    #[inline(never)]
    fn on_other_wake(&mut self, now: SimTime, next: Next, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        match next {
            Next::Again => self.go(now, rules),
            Next::Retry => match self.ask(Moment::Retry, now, Waited::No, rules, draws) {
                Admission::Refused(gate) => self.refused(now, gate, Next::Retry, rules, draws),
                Admission::Admitted | Admission::NotBefore(_) | Admission::InLine => {
                    self.send(now, Waited::No, rules, draws)
                }
            },
            Next::Send => self.send(now, Waited::No, rules, draws),
            Next::SendReserved => self.send(now, Waited::ForToken, rules, draws),
            Next::InLine => self.line_ends(now, rules, draws),
        }
    }

    /// It joins the line for a place, until it has one or its patience or its time is over. The token that it needs is reserved.
    #[inline(never)]
    fn line_up(&mut self, now: SimTime, waited: Waited, rules: &mut Rules) -> Action {
        if waited == Waited::No {
            rules.gates.reserve(now, rules.client);
        }
        let patience = rules.gates.join_line(now, rules.client, rules.call, &mut rules.held.permits);
        self.state = State::Waiting(Next::InLine);
        Action::WaitInLine(patience.min(self.limit(rules.policy).end()))
    }

    /// It has a place, or has waited for one as long as it may.
    #[inline(never)]
    fn line_ends(&mut self, now: SimTime, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        if self.limit(rules.policy).is_end(now) {
            self.not_awaited(Next::InLine, rules);
            return self.finish(now, Verdict::Failed(GiveUp::Deadline), rules);
        }
        if rules.has_place() {
            return self.send(now, Waited::InLine, rules, draws);
        }
        let gate = rules.gates.refuse_in_line(rules.client, &rules.held.permits);
        rules.gates.give_back(rules.client);
        self.refused(now, gate, Next::Send, rules, draws)
    }

    /// The caller is gone: whatever is open ends without an outcome, and all gates hear of it.
    pub fn abandon(&mut self, rules: &mut Rules) {
        let sent = match &rules.beside {
            Some(beside) => beside.tries.sent(),
            None => self.attempts(),
        };
        match self.state {
            State::Done(_) | State::Abandoned => return,
            _ if rules.beside.is_some() => self.with_tries(rules, |beside, call, rules| beside.abandon(call, rules)),
            State::Open => rules.gates.on_abandon(rules.client, &rules.held.permits, self.numbered()),
            State::Waiting(next) => self.not_awaited(next, rules),
        }
        if sent > 0 {
            rules.gates.on_call_end(rules.client, &rules.held.permits, None);
        }
        self.state = State::Abandoned;
    }

    /// The end of a wait does not matter any more.
    fn not_awaited(&self, next: Next, rules: &mut Rules) {
        match next {
            Next::Retry => {}
            Next::Again => rules.gates.on_abandon(rules.client, &rules.held.permits, self.numbered() + 1),
            Next::Send => self.not_sent(rules),
            Next::SendReserved => {
                rules.gates.give_back(rules.client);
                self.not_sent(rules);
            }
            Next::InLine => {
                rules.gates.leave_line(rules.client, &rules.held.permits);
                rules.gates.give_back(rules.client);
                self.not_sent(rules);
            }
        }
    }

    #[inline(always)]
    fn ask(
        &mut self,
        moment: Moment,
        now: SimTime,
        waited: Waited,
        rules: &mut Rules,
        draws: &mut impl Draws,
    ) -> Admission {
        if !rules.gates.asks(moment) {
            return Admission::Admitted;
        }
        let sent = self.attempts();
        let after = if sent == 0 { Outcome::Open } else { rules.held.after };
        let (has_waited, has_place) = (waited != Waited::No, waited == Waited::InLine);
        let ask = Ask {
            now,
            attempt: sent.saturating_add(1),
            waited: has_waited,
            has_place,
            after,
            endpoint: rules.gates.endpoint(),
        };
        rules.gates.admit(moment, ask, rules.client, &mut rules.held.permits, &mut ForGates(draws))
    }

    #[inline(always)]
    fn send(&mut self, now: SimTime, waited: Waited, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        match self.ask(Moment::Send, now, waited, rules, draws) {
            Admission::Admitted => {}
            // This is no wait between attempts: a limit on retries leaves it alone.
            Admission::NotBefore(until) if self.too_late(until) && self.limit(rules.policy).is_end(until) => {
                self.not_sent(rules);
                return self.finish(now, Verdict::Failed(GiveUp::Deadline), rules);
            }
            Admission::NotBefore(until) => {
                rules.gates.reserve(now, rules.client);
                return self.wait(until, Next::SendReserved);
            }
            Admission::InLine => return self.line_up(now, waited, rules),
            Admission::Refused(gate) => {
                if waited == Waited::InLine {
                    rules.gates.leave_line(rules.client, &rules.held.permits);
                }
                return self.refused(now, gate, Next::Send, rules, draws);
            }
        }
        if !rules.gates.is_empty() {
            rules.held.sent = now;
            if self.attempts() == 0 {
                rules.gates.on_first_attempt(now, rules.client);
            } else {
                rules.gates.on_retry_sent(rules.client);
            }
        }
        self.go(now, rules)
    }

    /// An attempt goes out.
    #[inline(always)]
    fn go(&mut self, now: SimTime, rules: &Rules) -> Action {
        let plan = rules.policy.attempt(&self.history);
        self.history.attempts = self.history.attempts.saturating_add(1);
        let due = (now + plan.timeout).min(self.deadline + plan.beyond);
        self.state = State::Open;
        Action::Send { attempt: self.attempts(), due, hedge: false }
    }

    /// A gate refused: the call is over, or tries again after a wait. A budget that refused is asked again then; one that was charged is not.
    #[inline(never)]
    fn refused(&mut self, now: SimTime, gate: u8, next: Next, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        let gives_up = if rules.gates.config(gate).on_refusal == OnRefusal::Fail {
            GiveUp::Gate(gate)
        } else {
            self.history.attempts = self.history.attempts.saturating_add(1);
            self.history.refused = self.history.refused.saturating_add(1);
            match rules.policy.on_refusal(&mut self.history, draws.gates()) {
                Decision::GiveUp(reason) => reason,
                Decision::Again => return self.wait(now, next),
                Decision::RetryAfter(_) if now >= self.deadline && self.limit(rules.policy).is_over(now) => {
                    GiveUp::Deadline
                }
                Decision::RetryAfter(wait) => match self.allowed(now + wait, rules.policy) {
                    Some(until) => return self.wait(until, next),
                    None => GiveUp::Deadline,
                },
            }
        };
        if next == Next::Send {
            self.not_sent(rules);
        }
        self.finish(now, Verdict::Failed(gives_up), rules)
    }

    /// What was to be sent now is not. If it was a retry, gates have let it pass when it was decided on.
    fn not_sent(&self, rules: &mut Rules) {
        if self.attempts() > 0 {
            rules.gates.on_unsent(rules.client);
        }
    }

    /// Attempts sent as gates count them: what is sent once more is the same attempt.
    fn numbered(&self) -> u32 {
        self.history.counted() - self.history.refused
    }

    /// An attempt has ended: the gates learn of it before anything is decided, unless it is sent once more.
    #[inline(always)]
    fn tell_gates(&self, now: SimTime, outcome: Outcome, rules: &mut Rules) {
        if !outcome.is_success() && self.is_sent_again(now, outcome, rules.policy) {
            rules.held.after = Outcome::Open;
        } else {
            tell_gates(now, outcome, self.numbered(), rules);
        }
    }

    /// True if an attempt that ended so is sent once more.
    fn is_sent_again(&self, now: SimTime, outcome: Outcome, policy: &dyn Policy) -> bool {
        policy.is_free(outcome, &self.history) && !(now >= self.deadline && self.limit(policy).is_over(now))
    }

    /// True if a wait that would end then reaches the limit on the call's time. Without one, a wait may end beyond the end of time.
    fn too_late(&self, until: SimTime) -> bool {
        until >= self.deadline && self.deadline != SimTime::NEVER
    }

    /// When a wait ends that would end at `until`; `None`: it is not begun.
    #[inline(always)]
    fn allowed(&self, until: SimTime, policy: &dyn Policy) -> Option<SimTime> {
        if self.too_late(until) { self.limit(policy).allows(until) } else { Some(until) }
    }

    /// The limit on the call's time.
    #[inline(never)]
    fn limit(&self, policy: &dyn Policy) -> TimeLimit {
        TimeLimit::new(self.deadline, policy)
    }

    fn wait(&mut self, until: SimTime, next: Next) -> Action {
        self.state = State::Waiting(next);
        Action::WakeAt(until)
    }

    #[inline(always)]
    fn finish(&mut self, now: SimTime, verdict: Verdict, rules: &mut Rules) -> Action {
        self.state = State::Done(verdict);
        if !rules.gates.is_empty() && rules.gates.hears_calls() && !rules.gates.is_within() {
            tell_of_call(now, self.attempts(), rules);
        }
        Action::Finish(verdict)
    }
}

/// A call has ended after so many attempts: gates around it learn how its last attempt did. Without an attempt they have admitted nothing.
#[inline(never)]
fn tell_of_call(now: SimTime, attempts: u32, rules: &mut Rules) {
    if attempts == 0 {
        return;
    }
    let reply = rules.held.after;
    let failed = rules.policy.is_failure(reply);
    let outcome = if failed { GateOutcome::Failure } else { GateOutcome::Success };
    let ended = Ended { now, outcome, reply, attempt: 1, took: Span::ZERO };
    rules.gates.on_call_end(rules.client, &rules.held.permits, Some(ended));
}

/// An attempt has ended, with this number for gates.
#[inline(never)]
fn tell_gates(now: SimTime, outcome: Outcome, attempt: u32, rules: &mut Rules) {
    rules.held.after = outcome;
    if rules.gates.hears_ends() {
        let failed = rules.policy.is_failure(outcome);
        let seen = if failed { GateOutcome::Failure } else { GateOutcome::Success };
        let ended = Ended { now, outcome: seen, reply: outcome, attempt, took: now.since(rules.held.sent) };
        rules.gates.on_outcome(rules.client, &rules.held.permits, ended);
    }
    if outcome.is_success() {
        rules.gates.on_call_success(rules.client, &rules.held.permits, attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::breaker::ConsecutiveBreakerConfig;
    use crate::gate::budget::{TokenBudgetConfig, Tokens};
    use crate::gate::concurrency::{ConcurrencyConfig, Hold, MostRetries};
    use crate::gate::limiter::{OnLimit, RateLimiterConfig};
    use crate::gate::pool::PoolConfig;
    use crate::gate::{Around, GateConfig, GateRule, Scope};
    use crate::retry::{AtLimit, Backoff, Free, Limits, OutcomeClass, OutcomeSet, RetryFor, RetryPolicy};
    use crate::rng::{KeyedRng, Purpose};
    use crate::units::Span;

    /// Plays a call against outcomes, each so many seconds after its attempt was sent; `None` never answers.
    /// Returns what was done, in words, with instants in seconds.
    fn check(policy: &RetryPolicy, gates: &[GateConfig], outcomes: &[(u64, Option<Outcome>)], expected: &str) {
        let mut gates = GateChain::new(gates, 1);
        let mut held = Held::default();
        let mut rules = Rules::new(policy, &mut gates, &mut held, 0, 0);
        let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
        let mut now = SimTime::ZERO;
        let (mut call, mut action) = Call::start(now, &mut rules, &mut draws);
        let mut outcomes = outcomes.iter();
        let mut got = Vec::new();
        loop {
            action = match action {
                Action::Send { attempt, due, .. } => {
                    got.push(format!("{attempt}@{}", now.seconds()));
                    match outcomes.next() {
                        Some((after, Some(outcome))) if now + Span::secs(*after) <= due => {
                            now = now + Span::secs(*after);
                            call.on_reply(now, attempt, Failure::new(*outcome), &mut rules, &mut draws)
                        }
                        Some(_) => {
                            now = due;
                            call.on_wake(now, &mut rules, &mut draws)
                        }
                        None => panic!("one attempt more than outcomes: {got:?}"),
                    }
                }
                Action::WakeAt(until) | Action::WaitInLine(until) => {
                    now = until;
                    call.on_wake(now, &mut rules, &mut draws)
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

    /// A limit on retries ends no attempt; its rules differ in what they do to the wait that reaches it.
    #[test]
    fn retries_may_have_a_limit() {
        let with = |rule| RetryPolicy {
            attempts: None,
            retry_for: Some(RetryFor { limit: Span::secs(4), rule }),
            backoff: Backoff::fixed(Span::secs(3)),
            ..policy()
        };
        let [fits, elapsed, cut] = [AtLimit::Fits, AtLimit::Elapsed, AtLimit::Cut].map(with);
        let failures = |spans: &[u64]| spans.iter().map(|after| (*after, ERROR)).collect::<Vec<_>>();
        // The first wait would end at 5 s, one too late, or is cut to end at 4 s.
        check(&fits, &[], &failures(&[2]), "1@0 Failed(Deadline)@2");
        check(&elapsed, &[], &failures(&[2, 1]), "1@0 2@5 Failed(Deadline)@6");
        check(&cut, &[], &failures(&[2, 1]), "1@0 2@4 Failed(Deadline)@5");
        // One that ends at the limit is begun; then the attempt goes on, and may succeed.
        for policy in [&fits, &elapsed, &cut] {
            check(policy, &[], &[(1, ERROR), (3, OK)], "1@0 2@4 Succeeded@7");
            check(policy, &[], &[(1, ERROR), (9, None)], "1@0 2@4 Failed(Deadline)@9");
        }
        // At the limit itself, a wait of no time fits.
        let at_once = |policy: &RetryPolicy| RetryPolicy { backoff: Backoff::none(), ..policy.clone() };
        check(&at_once(&fits), &[], &failures(&[4, 1]), "1@0 2@4 Failed(Deadline)@5");
        check(&at_once(&elapsed), &[], &failures(&[4]), "1@0 Failed(Deadline)@4");
        check(&cut, &[], &failures(&[4]), "1@0 Failed(Deadline)@4");
        // A deadline beside it is one for attempts and all waits.
        let both =
            |policy: &RetryPolicy, deadline| RetryPolicy { deadline: Some(Span::secs(deadline)), ..policy.clone() };
        check(&both(&elapsed, 5), &[], &failures(&[2]), "1@0 Failed(Deadline)@2");
        check(&both(&elapsed, 6), &[], &[(2, ERROR), (9, None)], "1@0 2@5 Failed(Deadline)@6");
        check(&both(&cut, 6), &[], &[(2, ERROR), (9, None)], "1@0 2@4 Failed(Deadline)@6");
        check(&both(&cut, 4), &[], &failures(&[2]), "1@0 Failed(Deadline)@2");
        check(&both(&fits, 3), &[], &[(9, None)], "1@0 Failed(Deadline)@3");
        // Waiting for a limiter's token is no wait between attempts; a refusal's is.
        check(&fits, &[limiter(6, OnLimit::Wait)], &[(1, ERROR), (0, OK)], "1@0 2@6 Succeeded@6");
        check(&both(&fits, 6), &[limiter(6, OnLimit::Wait)], &[(1, ERROR)], "1@0 Failed(Deadline)@4");
        let refused = |policy| check(policy, &[retried(breaker(60))], &failures(&[0, 0]), "1@0 2@3 Failed(Deadline)@6");
        refused(&elapsed.clone());
    }

    /// Free retries are sent at once; of attempts, waits and gates they are no part.
    #[test]
    fn some_retries_do_not_count() {
        let free = |retries, first_only| {
            let on = OutcomeSet::new(vec![OutcomeClass::Refused]);
            let limits = Limits { causes: Vec::new(), free: Some(Free { on, retries, first_only }) };
            RetryPolicy {
                backoff: Backoff::exponential(Span::secs(1), 2.0, None),
                limits: Some(Box::new(limits)),
                ..policy()
            }
        };
        let refused = (0, Some(Outcome::Refused));
        let all = "1@0 2@0 3@1 4@3 5@7 Failed(AttemptsExhausted)@7";
        check(&free(1, true), &[], &[refused; 5], all);
        check(&free(3, true), &[], &[refused; 7], "1@0 2@0 3@0 4@0 5@1 6@3 7@7 Failed(AttemptsExhausted)@7");
        let late = [(0, ERROR), refused, (0, ERROR), (0, ERROR), (0, ERROR)];
        check(&free(1, true), &[], &late[..4], "1@0 2@1 3@3 4@7 Failed(AttemptsExhausted)@7");
        check(&free(1, false), &[], &late, "1@0 2@1 3@1 4@3 5@7 Failed(AttemptsExhausted)@7");
        // A budget of one retry is not asked, a limiter of one token a minute neither, and a breaker that opens at the first failure hears of none.
        check(&free(1, true), &[budget()], &[refused; 3], "1@0 2@0 3@1 Failed(Gate(0))@1");
        let strict = RetryPolicy { attempts: Some(1), ..free(2, true) };
        let once = ConsecutiveBreakerConfig::new(1, Span::secs(60), 1);
        let once = GateConfig::new(GateRule::ConsecutiveBreaker(once), Scope::Client);
        let ok = [refused, refused, (0, OK)];
        check(&strict, &[limiter(60, OnLimit::Refuse), once.clone()], &ok, "1@0 2@0 3@0 Succeeded@0");
        check(&free(1, true), &[once], &[refused; 2], "1@0 2@0 Failed(Gate(0))@1");
        // The deadline holds for it too.
        let hurried = RetryPolicy { deadline: Some(Span::secs(2)), ..free(9, true) };
        check(&hurried, &[], &[(1, refused.1), (1, refused.1)], "1@0 2@1 Failed(Deadline)@2");
        check(&hurried, &[limiter(60, OnLimit::Refuse)], &[(1, refused.1), (9, None)], "1@0 2@1 Failed(Deadline)@2");
    }

    /// A gate around the call is asked about its first attempt, and hears how the call ends.
    #[test]
    fn gates_may_stand_around_the_call() {
        let around = |gate: GateConfig| GateConfig { around: Around::Call, ..gate };
        let ok_at_last = [(0, ERROR), (0, ERROR), (0, OK)];
        // A token for the call, and none for its retries.
        check(&policy(), &[around(limiter(60, OnLimit::Refuse))], &ok_at_last, "1@0 2@1 3@2 Succeeded@2");
        check(&policy(), &[limiter(60, OnLimit::Refuse)], &ok_at_last, "1@0 Failed(Gate(0))@1");
        // Beside one inside of the retries, of the same moment.
        let both = [around(limiter(60, OnLimit::Refuse)), breaker(60)];
        check(&policy(), &both, &ok_at_last, "1@0 2@1 Failed(Gate(1))@2");
        // Opens at the second failure: those of two calls, and not of two attempts. An abandoned probe gives its place back.
        let calls = [
            (&[ERROR; 4][..], "AttemptsExhausted"),
            (&[ERROR, OK], "Succeeded"),
            (&[ERROR; 4], "AttemptsExhausted"),
            (&[Some(Outcome::Status(400))], "NotRetryable"),
            (&[ERROR; 4], "AttemptsExhausted"),
            (&[ERROR; 4], "AttemptsExhausted"),
            (&[OK], "Gate(0)"),
        ];
        let rule = ConsecutiveBreakerConfig::new(2, Span::secs(60), 1);
        let breaker = around(GateConfig::new(GateRule::ConsecutiveBreaker(rule), Scope::Client));
        let policy = RetryPolicy { backoff: Backoff::none(), ..policy() };
        let mut gates = GateChain::new(&[breaker], 1);
        let mut held = Held::default();
        let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
        let mut rules = Rules::new(&policy, &mut gates, &mut held, 0, 0);
        let now = SimTime::ZERO;
        for (outcomes, expected) in calls {
            let (mut call, mut action) = Call::start(now, &mut rules, &mut draws);
            let mut outcomes = outcomes.iter().flatten();
            let verdict = loop {
                action = match action {
                    Action::Send { .. } => {
                        let outcome = outcomes.next().expect("an outcome");
                        call.on_reply(now, call.attempts(), Failure::new(*outcome), &mut rules, &mut draws)
                    }
                    Action::WakeAt(_) | Action::WaitInLine(_) => call.on_wake(now, &mut rules, &mut draws),
                    Action::Finish(verdict) => break format!("{verdict:?}"),
                }
            };
            assert!(verdict.contains(expected), "{verdict}, not {expected}");
        }
        let later = now + Span::secs(60);
        let (mut probe, _) = Call::start(later, &mut rules, &mut draws);
        let (_, second) = Call::start(later, &mut rules, &mut draws);
        assert_eq!(second, Action::Finish(Verdict::Failed(GiveUp::Gate(0))), "the probe is out");
        probe.abandon(&mut rules);
        let (_, next) = Call::start(later, &mut rules, &mut draws);
        assert!(matches!(next, Action::Send { attempt: 1, .. }), "the probe came back: {next:?}");
    }

    /// What is sent once more is the same attempt for gates: it keeps its place, and its success is that of a first attempt.
    #[test]
    fn gates_see_one_attempt() {
        let on = OutcomeSet::new(vec![OutcomeClass::Refused]);
        let limits = Limits { causes: Vec::new(), free: Some(Free { on, retries: 1, first_only: false }) };
        let policy = RetryPolicy { limits: Some(Box::new(limits)), ..policy() };
        let breaker = GateConfig::new(
            GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(1), 1)),
            Scope::Client,
        );
        let at = |seconds| SimTime::ZERO + Span::secs(seconds);
        for abandoned_early in [true, false] {
            let mut gates = GateChain::new(std::slice::from_ref(&breaker), 1);
            let (mut held, mut other) = (Held::default(), Held::default());
            let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
            let mut rules = Rules::new(&policy, &mut gates, &mut other, 0, 0);
            let (mut first, _) = Call::start(at(0), &mut rules, &mut draws);
            first.on_reply(at(0), 1, Failure::new(Outcome::Status(503)), &mut rules, &mut draws);
            // The only probe of a breaker that has opened.
            let mut rules = Rules::new(&policy, &mut gates, &mut held, 0, 0);
            let (mut probe, action) = Call::start(at(2), &mut rules, &mut draws);
            assert!(matches!(action, Action::Send { attempt: 1, .. }));
            let action = probe.on_reply(at(2), 1, Failure::new(Outcome::Refused), &mut rules, &mut draws);
            assert_eq!(action, Action::WakeAt(at(2)));
            if !abandoned_early {
                let action = probe.on_wake(at(2), &mut rules, &mut draws);
                assert!(matches!(action, Action::Send { attempt: 2, .. }));
                let (_, second) = {
                    let (mut held, gates) = (Held::default(), &mut *rules.gates);
                    let mut rules = Rules::new(&policy, gates, &mut held, 0, 0);
                    Call::start(at(2), &mut rules, &mut draws)
                };
                assert_eq!(second, Action::Finish(Verdict::Failed(GiveUp::Gate(0))), "the probe is still out");
            }
            probe.abandon(&mut rules);
            let (_, next) = Call::start(at(2), &mut rules, &mut draws);
            assert!(matches!(next, Action::Send { attempt: 1, .. }), "the probe came back: {next:?}");
        }
    }

    #[test]
    fn timeouts_may_grow() {
        let growing = RetryPolicy { timeout_factor: 2.0, timeout_cap: Some(Span::secs(12)), ..policy() };
        check(&growing, &[], &[(99, None); 4], "1@0 2@6 3@17 4@30 Failed(AttemptsExhausted)@42");
    }

    /// One token, and none comes back.
    fn budget() -> GateConfig {
        let rule = GateRule::TokenBudget(TokenBudgetConfig::new(Tokens::new(1.0), Tokens::new(1.0), Tokens::new(0.0)));
        GateConfig::new(rule, Scope::Client)
    }

    /// Opens at the second failure.
    fn breaker(open: u64) -> GateConfig {
        let config = ConsecutiveBreakerConfig::new(2, Span::secs(open), 1);
        GateConfig::new(GateRule::ConsecutiveBreaker(config), Scope::Client)
    }

    /// A token every so many seconds, and one to begin with.
    fn limiter(seconds: u64, on_limit: OnLimit) -> GateConfig {
        let config = RateLimiterConfig { rate: 1.0 / seconds as f64, burst: 1.0, on_limit };
        GateConfig::new(GateRule::RateLimiter(config), Scope::Client)
    }

    fn retried(gate: GateConfig) -> GateConfig {
        GateConfig { on_refusal: OnRefusal::Retry, ..gate }
    }

    #[test]
    fn a_refusal_can_be_retried() {
        // Two failures open the breaker for 2 s; the third attempt is refused once, its backoff passes, and it is the probe.
        check(&policy(), &[retried(breaker(2))], &[(0, ERROR), (0, ERROR), (0, OK)], "1@0 2@1 3@3 Succeeded@3");
        // Refusals are attempts: two sent, two refused, no more.
        check(&policy(), &[retried(breaker(60))], &[(0, ERROR); 2], "1@0 2@1 Failed(AttemptsExhausted)@3");
        // A budget is asked again after the wait that follows its refusal, and the deadline holds.
        check(&policy(), &[retried(budget())], &[(0, ERROR); 2], "1@0 2@1 Failed(AttemptsExhausted)@2");
        let hurried = RetryPolicy { deadline: Some(Span::millis(1_500)), ..policy() };
        check(&hurried, &[retried(breaker(60))], &[(0, ERROR); 2], "1@0 2@1 Failed(Deadline)@1");
        // A retry that was paid for and then refused at its sending does not pay again.
        check(
            &policy(),
            &[budget(), retried(limiter(2, OnLimit::Refuse))],
            &[(0, ERROR), (0, OK)],
            "1@0 2@2 Succeeded@2",
        );
    }

    #[test]
    fn a_limiter_makes_wait() {
        let limiter = |seconds| limiter(seconds, OnLimit::Wait);
        check(&policy(), &[limiter(3)], &[(0, ERROR), (0, ERROR), (0, OK)], "1@0 2@3 3@6 Succeeded@6");
        check(&policy(), &[limiter(1)], &[(0, ERROR), (0, OK)], "1@0 2@1 Succeeded@1");
        // A wait that would end at the deadline is not begun, and takes no token.
        let hurried = RetryPolicy { deadline: Some(Span::secs(3)), ..policy() };
        check(&hurried, &[limiter(3)], &[(0, ERROR)], "1@0 Failed(Deadline)@1");
        // The breaker is asked at both ends of the wait: here it half-opens in between.
        check(
            &policy(),
            &[limiter(2), retried(breaker(2))],
            &[(0, ERROR), (0, ERROR), (0, OK)],
            "1@0 2@2 3@4 Succeeded@4",
        );
    }

    /// What is held goes back when the caller goes: a token that was waited for, a place, a probe.
    #[test]
    fn an_abandoned_call_gives_back() {
        let policy = policy();
        let mut gates = GateChain::new(&[limiter(3, OnLimit::Wait)], 1);
        let mut held = Held::default();
        let mut rules = Rules::new(&policy, &mut gates, &mut held, 0, 0);
        let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
        let at = |seconds| SimTime::ZERO + Span::secs(seconds);
        Call::start(at(0), &mut rules, &mut draws);
        let (mut second, action) = Call::start(at(0), &mut rules, &mut draws);
        assert_eq!(action, Action::WakeAt(at(3)));
        second.abandon(&mut rules);
        let (mut third, action) = Call::start(at(1), &mut rules, &mut draws);
        assert_eq!(action, Action::WakeAt(at(3)), "the token of the one who left");
        assert!(matches!(third.on_wake(at(3), &mut rules, &mut draws), Action::Send { attempt: 1, .. }));
    }

    /// A call in line has its place when it is its turn, passes it on when its caller goes, and is refused when its patience ends.
    #[test]
    fn calls_wait_in_line() {
        let policy = policy();
        let pool = PoolConfig { max_wait: Some(Span::secs(9)), ..PoolConfig::attempts(1) };
        let mut gates = GateChain::new(&[GateConfig::new(GateRule::Pool(pool), Scope::Client)], 1);
        let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
        let at = |seconds| SimTime::ZERO + Span::secs(seconds);
        let mut held = [Held::default(); 5];
        let mut calls = Vec::new();
        for (number, held) in held.iter_mut().enumerate() {
            let mut rules = Rules::new(&policy, &mut gates, held, 0, number as u32);
            let (call, action) = Call::start(at(number as u64), &mut rules, &mut draws);
            if number > 0 {
                assert_eq!(action, Action::WaitInLine(at(number as u64 + 9)));
            }
            calls.push(call);
        }
        let mut step = |number: usize, step: &mut dyn FnMut(&mut Call, &mut Rules) -> Option<Action>| {
            let held = &mut held[number];
            let mut rules = Rules::new(&policy, &mut gates, held, 0, number as u32);
            let action = step(&mut calls[number], &mut rules);
            (action, gates.take_turn())
        };
        let ok = Failure::new(Outcome::OK);
        // The first is done: it is the turn of the second, which goes before it is woken, and so does the third while it waits.
        assert_eq!(step(0, &mut |call, rules| Some(call.on_reply(at(5), 1, ok, rules, &mut draws))).1, Some(1));
        assert_eq!(
            step(2, &mut |call, rules| {
                call.abandon(rules);
                None
            })
            .1,
            None
        );
        assert_eq!(
            step(1, &mut |call, rules| {
                call.abandon(rules);
                None
            })
            .1,
            Some(3)
        );
        let (sent, turn) = step(3, &mut |call, rules| Some(call.on_wake(at(5), rules, &mut draws)));
        assert!(matches!(sent, Some(Action::Send { attempt: 1, .. })), "{sent:?}");
        assert_eq!(turn, None);
        let (refused, turn) = step(4, &mut |call, rules| Some(call.on_wake(at(13), rules, &mut draws)));
        assert_eq!((refused, turn), (Some(Action::Finish(Verdict::Failed(GiveUp::Gate(0)))), None));
    }

    /// A place that is held from the decision to retry goes back, whether the retry ends or is not even sent.
    #[test]
    fn a_retry_that_is_not_sent_gives_its_place_back() {
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum Then {
            Abandoned,
            Woken,
        }
        use Then::{Abandoned, Woken};
        let policy = policy();
        let hurried = RetryPolicy { deadline: Some(Span::secs(3)), ..policy.clone() };
        let place = GateRule::Concurrency(ConcurrencyConfig { most: MostRetries::Number(1), hold: Hold::Retry });
        let place = GateConfig::new(place, Scope::Client);
        let breaker = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(60), 1));
        let breaker = GateConfig::new(breaker, Scope::Client);
        for (name, policy, other, then, last) in [
            ("it waits", &policy, None, vec![Abandoned], None),
            ("it is open", &policy, None, vec![Woken, Abandoned], None),
            ("it times out as the last", &policy, None, vec![Woken; 6], Some(GiveUp::AttemptsExhausted)),
            ("a breaker refuses", &policy, Some(breaker.clone()), vec![Woken], Some(GiveUp::Gate(1))),
            ("refused to the end", &policy, Some(retried(breaker)), vec![Woken; 3], Some(GiveUp::AttemptsExhausted)),
            ("too late", &hurried, Some(limiter(3, OnLimit::Wait)), vec![Woken], Some(GiveUp::Deadline)),
            ("it waits for a token", &policy, Some(limiter(3, OnLimit::Wait)), vec![Woken, Abandoned], None),
        ] {
            let configs: Vec<GateConfig> = [place.clone()].into_iter().chain(other).collect();
            let mut gates = GateChain::new(&configs, 1);
            let mut held = Held::default();
            let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
            let is_free = |gates: &mut GateChain| {
                let (ask, rng) =
                    (Ask::retry(SimTime::ZERO, Outcome::Timeout), &mut KeyedRng::new(1, Purpose::Gate, 0, 0));
                gates.clone().admit(Moment::Retry, ask, 0, &mut Permits::default(), rng) == Admission::Admitted
            };
            let mut rules = Rules::new(policy, &mut gates, &mut held, 0, 0);
            let (mut call, _) = Call::start(SimTime::ZERO, &mut rules, &mut draws);
            assert!(is_free(rules.gates), "{name}: nothing is held by a first attempt");
            let failure = Failure::new(Outcome::Status(503));
            let mut action = call.on_reply(SimTime::ZERO, 1, failure, &mut rules, &mut draws);
            for then in then {
                assert!(!is_free(rules.gates), "{name}: held until it ends");
                match (then, action) {
                    (Abandoned, _) => call.abandon(&mut rules),
                    (Woken, Action::WakeAt(at) | Action::Send { due: at, .. }) => {
                        action = call.on_wake(at, &mut rules, &mut draws);
                    }
                    (Woken, Action::Finish(_)) => panic!("{name}: over too early"),
                    (Woken, Action::WaitInLine(_)) => unreachable!("there is no line"),
                }
            }
            if let Some(reason) = last {
                assert_eq!(action, Action::Finish(Verdict::Failed(reason)), "{name}");
            }
            assert!(is_free(rules.gates), "{name}: for ever");
        }
    }

    #[test]
    fn gates_refuse() {
        let (budget, breaker) = (budget(), breaker(60));
        // The budget is asked before the wait, the breaker at sending.
        check(&policy(), std::slice::from_ref(&budget), &[(0, ERROR); 2], "1@0 2@1 Failed(Gate(0))@1");
        check(&policy(), std::slice::from_ref(&breaker), &[(0, ERROR); 2], "1@0 2@1 Failed(Gate(0))@2");
        // A failure that is not retried costs no token.
        check(&policy(), &[budget, breaker], &[(0, Some(Outcome::Status(400)))], "1@0 Failed(NotRetryable)@0");
    }
}
