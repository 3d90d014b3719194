//! One logical call: the state machine that consults policy and gates and says what to do next.
//!
//! It does no I/O and reads no clock. A driver (the simulator, a tokio task, a user's own program) tells it what happened and when,
//! and does what the returned [`Action`] says. Every admitted attempt ends exactly once, by [`Call::on_outcome`], by
//! a [`Call::on_wake`] at its due time, or by [`Call::abandon`].

pub mod hedged;

use std::convert::Infallible;

use rand::{Rng, TryRng};

use crate::gate::{Admission, Ask, Ended, GateChain, GateOutcome, Moment, OnRefusal, Permits};
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
    /// What they hold for this call. The driver keeps it from one step of a call to the next; without gates any will do.
    pub held: &'a mut Held,
    /// The client, for gates that each client has its own of.
    pub client: u32,
}

/// What gates hold for a call: what they gave its last attempt, when that was sent, and how the one before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    permits: Permits,
    after: Outcome,
    sent: SimTime,
}

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

/// Where a call's random numbers come from: two streams, so that a gate that draws moves no jitter. Both are at their beginning for each
/// step, and belong to the number of attempts used up ([`Call::used`]).
pub trait Draws {
    /// For the wait after a failure.
    fn jitter(&mut self) -> &mut dyn Rng;
    /// For gates that draw, and for the wait after a refusal.
    fn gates(&mut self) -> &mut dyn Rng;
}

/// The generator for gates, which nobody makes before a gate draws.
struct ForGates<'a, D>(&'a mut D);

impl<D: Draws> TryRng for ForGates<'_, D> {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.gates().next_u32())
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.gates().next_u64())
    }
    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        self.0.gates().fill_bytes(destination);
        Ok(())
    }
}

/// Two generators.
impl<J: Rng, G: Rng> Draws for (J, G) {
    fn jitter(&mut self) -> &mut dyn Rng {
        &mut self.0
    }

    fn gates(&mut self) -> &mut dyn Rng {
        &mut self.1
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
    /// The same, and a limiter holds a token for the attempt.
    SendReserved,
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
        self.send(now, false, rules, draws)
    }

    /// The number of the attempt that is open, if one is.
    pub fn open_attempt(&self) -> Option<u32> {
        (self.state == State::Open).then_some(self.attempts())
    }

    /// How it ended, if it has.
    pub fn verdict(&self) -> Option<Verdict> {
        match self.state {
            State::Done(verdict) => Some(verdict),
            State::Open | State::Waiting(_) | State::Abandoned => None,
        }
    }

    /// Attempts sent so far.
    pub fn attempts(&self) -> u32 {
        self.history.attempts - self.history.refused
    }

    /// Attempts used up so far: sent, or refused by a gate that lets the call try again.
    pub fn used(&self) -> u32 {
        self.history.attempts
    }

    /// The open attempt ended with `outcome`; `failure.retry_after` is the reply's hint.
    ///
    /// # Panics
    /// If no attempt is open: a late reply to an ended attempt is the driver's to drop.
    #[inline(always)]
    pub fn on_outcome(&mut self, now: SimTime, reply: Failure, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        assert!(self.state == State::Open, "an outcome needs an open attempt");
        if !rules.gates.is_empty() {
            tell_gates(now, reply.outcome, self.attempts(), rules);
        }
        if reply.outcome.is_success() {
            return self.finish(Verdict::Succeeded);
        }
        self.failed(now, &reply, rules, draws)
    }

    /// The attempt that counted has failed, and gates know: is there another one, and when?
    #[inline(always)]
    pub(crate) fn failed(
        &mut self,
        now: SimTime,
        reply: &Failure,
        rules: &mut Rules,
        draws: &mut impl Draws,
    ) -> Action {
        if now >= self.deadline {
            return self.finish(Verdict::Failed(GiveUp::Deadline));
        }
        let decision = rules.policy.on_failure(reply, &mut self.history, draws.jitter());
        self.decided(now, decision, rules, draws)
    }

    /// The policy has decided; a retry asks gates before its wait.
    #[inline(always)]
    pub(crate) fn decided(
        &mut self,
        now: SimTime,
        decision: Decision,
        rules: &mut Rules,
        draws: &mut impl Draws,
    ) -> Action {
        let until = match decision {
            Decision::GiveUp(reason) => return self.finish(Verdict::Failed(reason)),
            Decision::RetryAfter(wait) => now + wait,
        };
        if self.too_late(until) {
            return self.finish(Verdict::Failed(GiveUp::Deadline));
        }
        match self.ask(Moment::Retry, now, false, rules, draws) {
            Admission::Refused(gate) => self.refused(now, gate, Next::Retry, rules, draws),
            // Nothing that is asked before the wait makes it longer.
            Admission::Admitted | Admission::NotBefore(_) => self.wait(until, Next::Send),
        }
    }

    /// The instant asked for has come: an open attempt has timed out, or a wait is over.
    ///
    /// # Panics
    /// If the call is over.
    #[inline(always)]
    pub fn on_wake(&mut self, now: SimTime, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        match self.state {
            State::Open => self.on_outcome(now, Failure::new(Outcome::Timeout), rules, draws),
            State::Waiting(next) => {
                if next == Next::Retry
                    && let Admission::Refused(gate) = self.ask(Moment::Retry, now, false, rules, draws)
                {
                    return self.refused(now, gate, Next::Retry, rules, draws);
                }
                self.send(now, next == Next::SendReserved, rules, draws)
            }
            State::Done(_) | State::Abandoned => unreachable!("a call that is over is not woken"),
        }
    }

    /// The caller is gone: whatever is open ends without an outcome.
    pub fn abandon(&mut self, rules: &mut Rules) {
        match self.state {
            State::Open => rules.gates.on_abandon(rules.client, &rules.held.permits, self.attempts()),
            State::Waiting(next) => self.not_awaited(next, rules),
            State::Done(_) | State::Abandoned => {}
        }
        self.state = State::Abandoned;
    }

    /// The end of a wait does not matter any more.
    fn not_awaited(&self, next: Next, rules: &mut Rules) {
        if next == Next::SendReserved {
            rules.gates.give_back(rules.client);
        }
        if next != Next::Retry {
            self.not_sent(rules);
        }
    }

    #[inline(always)]
    fn ask(
        &mut self,
        moment: Moment,
        now: SimTime,
        waited: bool,
        rules: &mut Rules,
        draws: &mut impl Draws,
    ) -> Admission {
        if !rules.gates.asks(moment) {
            return Admission::Admitted;
        }
        let sent = self.attempts();
        let after = if sent == 0 { Outcome::Open } else { rules.held.after };
        let ask = Ask { now, attempt: sent.saturating_add(1), waited, after };
        rules.gates.admit(moment, ask, rules.client, &mut rules.held.permits, &mut ForGates(draws))
    }

    #[inline(always)]
    fn send(&mut self, now: SimTime, waited: bool, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        match self.ask(Moment::Send, now, waited, rules, draws) {
            Admission::Admitted => {}
            Admission::NotBefore(until) if self.too_late(until) => {
                self.not_sent(rules);
                return self.finish(Verdict::Failed(GiveUp::Deadline));
            }
            Admission::NotBefore(until) => {
                rules.gates.reserve(now, rules.client);
                return self.wait(until, Next::SendReserved);
            }
            Admission::Refused(gate) => return self.refused(now, gate, Next::Send, rules, draws),
        }
        if !rules.gates.is_empty() {
            rules.held.sent = now;
            if self.attempts() == 0 {
                rules.gates.on_first_attempt(now, rules.client);
            } else {
                rules.gates.on_retry_sent(rules.client);
            }
        }
        let plan = rules.policy.attempt(&self.history);
        self.history.attempts = self.history.attempts.saturating_add(1);
        let deadline = if plan.outlives_deadline { SimTime::NEVER } else { self.deadline };
        let due = plan.timeout.map_or(SimTime::NEVER, |timeout| now + timeout).min(deadline);
        self.state = State::Open;
        Action::Send { attempt: self.attempts(), due }
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
                Decision::RetryAfter(wait) if self.too_late(now + wait) => GiveUp::Deadline,
                Decision::RetryAfter(wait) => return self.wait(now + wait, next),
            }
        };
        if next == Next::Send {
            self.not_sent(rules);
        }
        self.finish(Verdict::Failed(gives_up))
    }

    /// What was to be sent now is not. If it was a retry, gates have let it pass when it was decided on.
    fn not_sent(&self, rules: &mut Rules) {
        if self.attempts() > 0 {
            rules.gates.on_unsent(rules.client);
        }
    }

    /// A wait that would end at the deadline or after it is not begun. Without a deadline, a wait may end beyond the end of time.
    fn too_late(&self, until: SimTime) -> bool {
        until >= self.deadline && self.deadline != SimTime::NEVER
    }

    fn wait(&mut self, until: SimTime, next: Next) -> Action {
        self.state = State::Waiting(next);
        Action::WakeAt(until)
    }

    fn finish(&mut self, verdict: Verdict) -> Action {
        self.state = State::Done(verdict);
        Action::Finish(verdict)
    }
}

/// An attempt has ended: the gates learn of it before anything is decided.
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
    use crate::gate::{GateConfig, GateRule, Scope};
    use crate::retry::{AtDeadline, Backoff, RetryPolicy};
    use crate::rng::{KeyedRng, Purpose};
    use crate::units::Span;

    /// Plays a call against outcomes, each so many seconds after its attempt was sent; `None` never answers.
    /// Returns what was done, in words, with instants in seconds.
    fn check(policy: &RetryPolicy, gates: &[GateConfig], outcomes: &[(u64, Option<Outcome>)], expected: &str) {
        let mut gates = GateChain::new(gates, 1);
        let mut held = Held::default();
        let mut rules = Rules { policy, gates: &mut gates, held: &mut held, client: 0 };
        let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
        let mut now = SimTime::ZERO;
        let (mut call, mut action) = Call::start(now, &mut rules, &mut draws);
        let mut outcomes = outcomes.iter();
        let mut got = Vec::new();
        loop {
            action = match action {
                Action::Send { attempt, due } => {
                    got.push(format!("{attempt}@{}", now.seconds()));
                    match outcomes.next() {
                        Some((after, Some(outcome))) if now + Span::secs(*after) <= due => {
                            now = now + Span::secs(*after);
                            call.on_outcome(now, Failure::new(*outcome), &mut rules, &mut draws)
                        }
                        Some(_) => {
                            now = due;
                            call.on_wake(now, &mut rules, &mut draws)
                        }
                        None => panic!("one attempt more than outcomes: {got:?}"),
                    }
                }
                Action::WakeAt(until) => {
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

    #[test]
    fn a_deadline_may_be_for_waits_only() {
        let patient = RetryPolicy { deadline: Some(Span::secs(4)), at_deadline: AtDeadline::Finish, ..policy() };
        // Open at the deadline, an attempt goes on; then no wait is begun any more.
        check(&patient, &[], &[(2, ERROR), (3, OK)], "1@0 2@3 Succeeded@6");
        check(&patient, &[], &[(2, ERROR), (3, ERROR)], "1@0 2@3 Failed(Deadline)@6");
        check(&patient, &[], &[(9, None)], "1@0 Failed(Deadline)@5");
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
        let mut rules = Rules { policy: &policy, gates: &mut gates, held: &mut held, client: 0 };
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
            let mut rules = Rules { policy, gates: &mut gates, held: &mut held, client: 0 };
            let (mut call, _) = Call::start(SimTime::ZERO, &mut rules, &mut draws);
            assert!(is_free(rules.gates), "{name}: nothing is held by a first attempt");
            let failure = Failure::new(Outcome::Status(503));
            let mut action = call.on_outcome(SimTime::ZERO, failure, &mut rules, &mut draws);
            for then in then {
                assert!(!is_free(rules.gates), "{name}: held until it ends");
                match (then, action) {
                    (Abandoned, _) => call.abandon(&mut rules),
                    (Woken, Action::WakeAt(at) | Action::Send { due: at, .. }) => {
                        action = call.on_wake(at, &mut rules, &mut draws);
                    }
                    (Woken, Action::Finish(_)) => panic!("{name}: over too early"),
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
