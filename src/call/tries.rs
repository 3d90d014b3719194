//! The attempts of a call of which several may be open: what hedging adds to a [`Call`].
//!
//! A *try* is a first attempt or a retry with the hedges beside it. Only when a try has failed as a whole is the call asked whether there is
//! another one. Where a time-out sets hedges off, it ends a try without ending its attempt, which lingers beside the next try.
//!
//! The first success wins, and so does the first failure that is not retried: whatever else is open is given up.

use super::{Action, Call, Draws, ForGates, Held, Rules, State, Verdict, tell_gates, tell_of_call};
use crate::gate::{Admission, Ask, Moment};
use crate::hedge::{Hedger, OnFailure, Trigger};
use crate::protocol::{Failure, Outcome};
use crate::retry::{GiveUp, History};
use crate::units::SimTime;

/// An attempt that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its number, from 1.
    pub attempt: u32,
    /// For the driver.
    pub tag: u32,
    /// Its number for gates, for whom what is sent once more is the same attempt.
    number: u32,
    sent: SimTime,
    /// When the client stops waiting, or only begins to look for another one.
    due: SimTime,
    held: Held,
    /// Its time-out has passed, and nobody counts on it any more.
    lingers: bool,
}

impl Open {
    /// When its client stops waiting, or only begins to look for another one.
    pub fn due(&self) -> SimTime {
        self.due
    }
}

/// What is remembered of a call beside the [`Call`].
#[derive(Clone, Debug, Default)]
pub struct Tries {
    /// In the order of their numbers.
    open: Vec<Open>,
    sent: u32,
    /// Of these, hedges.
    hedges: u32,
    /// Hedges that have asked, sent or not.
    asked: u32,
    /// Hedges of this try.
    beside: u32,
    /// When the next hedge is due, if one is.
    next: Option<SimTime>,
    /// Hedges that failures of this instant have asked for at once, the next one among them.
    at_once: u32,
    /// When the one after them is due, if a failure that came later has said that.
    after_these: Option<SimTime>,
    /// When the wait before the next try is over, if there is one.
    wake: Option<SimTime>,
    /// That wait is one in line, for a place.
    in_line: bool,
    /// The first of this try's failures, by the number of its attempt.
    failure: Option<(u32, Failure)>,
    /// There will be no further try.
    gave_up: Option<GiveUp>,
    /// How the last attempt to end did.
    after: Option<Outcome>,
    /// What gates gave the try that is being prepared.
    held: Held,
    /// The gate that has refused a hedge, which fails no call.
    refused: Option<u8>,
    /// The attempt whose time was over.
    timed_out: Option<Open>,
}

impl Tries {
    /// What is open.
    pub fn open(&self) -> &[Open] {
        &self.open
    }

    /// True if this attempt is.
    pub fn is_open(&self, attempt: u32) -> bool {
        self.open.iter().any(|open| open.attempt == attempt)
    }

    /// Takes what is open away, for a call that is over: it has lost.
    pub fn take_open(&mut self) -> Vec<Open> {
        std::mem::take(&mut self.open)
    }

    /// Gives the list back, whose room serves the next call, and forgets the rest of this one.
    pub fn put_back(&mut self, mut open: Vec<Open>) {
        open.clear();
        *self = Tries { open, ..Tries::default() };
    }

    /// The attempt that has timed out in the last step, if one has.
    pub fn take_timed_out(&mut self) -> Option<Open> {
        self.timed_out.take()
    }

    /// The number of the gate that has refused a hedge since this was asked before. The chain has forgotten it: what it still tells was refused to
    /// the call.
    pub fn take_refused(&mut self) -> Option<u8> {
        self.refused.take()
    }

    /// Attempts sent so far.
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// Attempts sent so far that were not hedges.
    pub fn tries(&self) -> u32 {
        self.sent - self.hedges
    }

    /// Hedges that have asked whether they may go out: the next draws anew for gates, even if this one was not sent.
    pub fn asked(&self) -> u32 {
        self.asked
    }

    /// Bytes that it takes beside its own size.
    pub fn heap_bytes(&self) -> usize {
        self.open.capacity() * size_of::<Open>()
    }

    /// Notes something about an open attempt, for [`Open::tag`].
    pub fn tag(&mut self, attempt: u32, tag: u32) {
        if let Some(open) = self.open.iter_mut().find(|open| open.attempt == attempt) {
            open.tag = tag;
        }
    }

    /// When there is something to do, if nothing else happens before.
    pub fn due(&self) -> SimTime {
        let others = self.open.iter().map(|open| open.due);
        others.chain(self.next).chain(self.wake).min().unwrap_or(SimTime::NEVER)
    }

    /// True if an attempt is open on which somebody counts.
    fn counts(&self) -> bool {
        self.open.iter().any(|open| !open.lingers)
    }

    fn no_hedge_is_due(&mut self) {
        (self.next, self.at_once, self.after_these) = (None, 0, None);
    }
}

/// What a call has beside policy and gates: its policy's hedging, and its attempts.
pub(super) struct Beside<'a> {
    pub(super) hedger: &'a mut Hedger,
    pub(super) tries: &'a mut Tries,
}

/// Each step does one thing. Of [`Rules`] what gates hold is that of one attempt at a time.
impl Beside<'_> {
    /// Begins the call, which is new.
    pub(super) fn begin(&mut self, now: SimTime, call: &mut Call, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        let open = self.tries.take_open();
        self.tries.put_back(open);
        *rules.held = Held::default();
        let action = call.begin(now, rules, draws);
        self.act(now, action, call, rules)
    }

    /// An open attempt was answered.
    pub(super) fn on_reply(
        &mut self,
        now: SimTime,
        attempt: u32,
        reply: Failure,
        call: &mut Call,
        rules: &mut Rules,
        draws: &mut impl Draws,
    ) -> Action {
        let place = self.tries.open.iter().position(|open| open.attempt == attempt);
        let open = self.tries.open.remove(place.expect("an outcome needs an open attempt"));
        if self.end(now, &open, reply.outcome, call, rules) {
            return self.sent_again(now, reply, call, rules, draws);
        }
        if reply.outcome.is_success() {
            return self.over(now, Verdict::Succeeded, call, rules);
        }
        let retried = rules.policy.is_retried(&reply);
        if !retried && !rules.policy.is_failure(reply.outcome) {
            return self.over(now, Verdict::Failed(GiveUp::NotRetryable), call, rules);
        }
        if open.lingers {
            // A bad answer to an attempt that was given up on is nothing new.
            return self.nothing_left(now, call, rules);
        }
        if !retried {
            // The server forbids it.
            self.no_more_hedges();
        }
        self.try_failed(now, attempt, reply, call, rules, draws)
    }

    /// It is time for something: for the end of an attempt before a hedge, and for that before the end of a wait.
    pub(super) fn on_wake(
        &mut self,
        now: SimTime,
        call: &mut Call,
        rules: &mut Rules,
        draws: &mut impl Draws,
    ) -> Action {
        if let Some(place) = self.tries.open.iter().position(|open| open.due <= now) {
            return self.on_timeout(now, place, call, rules, draws);
        }
        if self.tries.next.is_some_and(|next| next <= now) {
            return self.on_hedge(now, call, rules, draws);
        }
        *rules.held = self.tries.held;
        let turn = self.tries.in_line && rules.has_place();
        if !turn && self.tries.wake.is_none_or(|wake| wake > now) {
            return self.rest(now, rules);
        }
        (self.tries.wake, self.tries.in_line) = (None, false);
        let action = call.woken(now, rules, draws);
        self.act(now, action, call, rules)
    }

    /// The caller is gone: whatever is open ends without an outcome.
    pub(super) fn abandon(&mut self, call: &mut Call, rules: &mut Rules) {
        self.release(rules);
        *rules.held = self.tries.held;
        if let State::Waiting(next) = call.state {
            call.not_awaited(next, rules);
        }
    }

    /// Nothing to do for now.
    fn rest(&mut self, now: SimTime, rules: &mut Rules) -> Action {
        if !self.tries.in_line {
            return Action::WakeAt(self.tries.due());
        }
        *rules.held = self.tries.held;
        if rules.has_place() { Action::WakeAt(now) } else { Action::WaitInLine(self.tries.due()) }
    }

    /// Sends the next hedge if it may go out.
    fn on_hedge(&mut self, now: SimTime, call: &mut Call, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        self.tries.next = None;
        let due = if call.too_late(now) { None } else { self.ask(now, call, rules, draws) };
        let Some(due) = due else {
            // Whoever says no to one hedge will say no to the next.
            self.no_more_hedges();
            return self.tried_all(now, call, rules, draws);
        };
        self.tries.beside += 1;
        self.sends(now, due, true, call, rules)
    }

    /// May a hedge go out now, and until when is it waited for? Nothing is charged unless all agree. A hedge does not wait at a limiter.
    fn ask(&mut self, now: SimTime, call: &Call, rules: &mut Rules, draws: &mut impl Draws) -> Option<SimTime> {
        let Beside { hedger, tries } = self;
        let after = tries.after.unwrap_or(Outcome::Open);
        let endpoint = rules.gates.endpoint();
        let ask = Ask { now, attempt: tries.sent + 1, waited: false, has_place: false, after, endpoint };
        tries.asked += 1;
        if !hedger.check(ask, rules.client, draws.gates()) {
            return None;
        }
        *rules.held = Held { after, ..Held::default() };
        if !rules.gates.is_empty() {
            let held = &mut *rules.held;
            let admission =
                rules.gates.admit(Moment::Hedge, ask, rules.client, &mut held.permits, &mut ForGates(draws));
            if admission != Admission::Admitted {
                tries.refused = rules.gates.take_refusal();
                return None;
            }
            rules.gates.on_retry_sent(rules.client);
        }
        hedger.charge(ask, rules.client);
        rules.held.sent = now;
        // As the try beside which it stands.
        let of_try = History { attempts: call.history.attempts.saturating_sub(1), ..call.history };
        let plan = rules.policy.attempt(&of_try);
        Some((now + plan.timeout).min(call.deadline + plan.beyond))
    }

    /// Does what the call says.
    fn act(&mut self, now: SimTime, action: Action, call: &mut Call, rules: &mut Rules) -> Action {
        self.tries.held = *rules.held;
        match action {
            Action::Send { due, .. } => {
                self.tries.beside = 0;
                if self.tries.sent == 0 {
                    self.hedger.on_first_attempt(now, rules.client);
                }
                // A retry beside an attempt that lingers.
                let hedge = !self.tries.open.is_empty();
                self.sends(now, due, hedge, call, rules)
            }
            Action::WakeAt(at) | Action::WaitInLine(at) => {
                self.tries.wake = Some(at);
                self.tries.in_line = matches!(action, Action::WaitInLine(_));
                self.rest(now, rules)
            }
            Action::Finish(verdict) => self.finish(now, verdict, call, rules),
        }
    }

    /// An attempt is sent: the next one beside it is due some time later.
    fn sends(&mut self, now: SimTime, due: SimTime, hedge: bool, call: &Call, rules: &Rules) -> Action {
        let Beside { hedger, tries } = self;
        tries.sent = tries.sent.saturating_add(1);
        tries.hedges += u32::from(hedge);
        let number = call.numbered() + tries.sent - call.attempts();
        tries.open.push(Open {
            attempt: tries.sent,
            tag: 0,
            number,
            sent: now,
            due,
            held: *rules.held,
            lingers: false,
        });
        let delay = hedger.delay(now, rules.client);
        let left = tries.beside < hedger.config().extra;
        tries.next = delay.filter(|_| left).map(|delay| now + delay);
        tries.at_once = tries.at_once.saturating_sub(1);
        if tries.at_once > 0 {
            tries.next = Some(now);
        } else if let Some(said) = tries.after_these.take() {
            tries.next = Some(said).filter(|_| left);
        }
        Action::Send { attempt: tries.sent, due: tries.due(), hedge }
    }

    /// An attempt has timed out, or only lingers from now on.
    fn on_timeout(
        &mut self,
        now: SimTime,
        place: usize,
        call: &mut Call,
        rules: &mut Rules,
        draws: &mut impl Draws,
    ) -> Action {
        let lingers = self.hedger.config().trigger == Trigger::Timeout && !call.too_late(now);
        if lingers {
            let open = self.tries.open[place];
            self.end(now, &open, Outcome::Timeout, call, rules);
            self.tries.open[place] = Open { due: call.limit(rules.policy).end(), lingers: true, ..open };
            // Whatever is retried otherwise: the attempt has not failed.
            let decision = rules.policy.on_refusal(&mut call.history, draws.jitter());
            let action = call.decided(now, decision, rules, draws);
            return self.act(now, action, call, rules);
        }
        let open = self.tries.open.remove(place);
        self.tries.timed_out = Some(open);
        let timeout = Failure::new(Outcome::Timeout);
        if self.end(now, &open, Outcome::Timeout, call, rules) {
            self.sent_again(now, timeout, call, rules, draws)
        } else if open.lingers {
            self.nothing_left(now, call, rules)
        } else {
            self.try_failed(now, open.attempt, timeout, call, rules, draws)
        }
    }

    /// An attempt that counted has failed: is there a hedge to come, or something open, or has the try failed with it?
    fn try_failed(
        &mut self,
        now: SimTime,
        attempt: u32,
        reply: Failure,
        call: &mut Call,
        rules: &mut Rules,
        draws: &mut impl Draws,
    ) -> Action {
        let config = self.hedger.config();
        let tries = &mut *self.tries;
        if tries.failure.is_none_or(|(first, _)| attempt < first) {
            tries.failure = Some((attempt, reply));
        }
        if tries.beside + tries.at_once < config.extra {
            match config.on_failure {
                OnFailure::End if tries.counts() => {}
                OnFailure::End => tries.next = None,
                // The server says when (gRPC: pushback).
                other => match rules.policy.hint(&reply) {
                    Some(hint) if tries.at_once > 0 => tries.after_these = Some(now + hint),
                    Some(hint) => tries.next = Some(now + hint),
                    // What is due now waits for its turn at this instant. Another failure that comes before it sends one more.
                    None if other == OnFailure::Next => {
                        (tries.next, tries.after_these) = (Some(now), None);
                        tries.at_once += 1;
                    }
                    None => {}
                },
            }
        }
        // What would be due at the deadline or after it is not waited for.
        let in_time = |at: &SimTime| !call.too_late(*at);
        (tries.next, tries.after_these) = (tries.next.filter(in_time), tries.after_these.filter(in_time));
        if tries.next.is_none() {
            tries.at_once = 0;
        }
        self.tried_all(now, call, rules, draws)
    }

    /// If nothing of the try is open or to come, it has failed: is there another one?
    fn tried_all(&mut self, now: SimTime, call: &mut Call, rules: &mut Rules, draws: &mut impl Draws) -> Action {
        if self.tries.counts() || self.tries.next.is_some() {
            return self.rest(now, rules);
        }
        let Some((_, failure)) = self.tries.failure.take() else { return self.rest(now, rules) };
        *rules.held = Held { after: failure.outcome, ..self.tries.held };
        let action = call.failed(now, &failure, rules, draws);
        self.act(now, action, call, rules)
    }

    /// An attempt that was alone is sent once more, of which gates have not heard.
    fn sent_again(
        &mut self,
        now: SimTime,
        reply: Failure,
        call: &mut Call,
        rules: &mut Rules,
        draws: &mut impl Draws,
    ) -> Action {
        self.tries.no_hedge_is_due();
        let action = call.failed(now, &reply, rules, draws);
        self.act(now, action, call, rules)
    }

    fn no_more_hedges(&mut self) {
        self.tries.no_hedge_is_due();
        self.tries.beside = self.hedger.config().extra;
    }

    /// There will be no further try. What lingers may still win.
    fn finish(&mut self, now: SimTime, verdict: Verdict, call: &mut Call, rules: &mut Rules) -> Action {
        match verdict {
            Verdict::Failed(reason) if !self.tries.open.is_empty() => {
                self.tries.gave_up = Some(reason);
                call.state = State::Open;
                self.rest(now, rules)
            }
            verdict => self.over(now, verdict, call, rules),
        }
    }

    /// If there will be no further try, and nothing lingers, the call has failed.
    fn nothing_left(&mut self, now: SimTime, call: &mut Call, rules: &mut Rules) -> Action {
        match self.tries.gave_up.filter(|_| self.tries.open.is_empty()) {
            Some(reason) => self.over(now, Verdict::Failed(reason), call, rules),
            None => self.rest(now, rules),
        }
    }

    /// The call is over, whatever it was waiting for.
    fn over(&mut self, now: SimTime, verdict: Verdict, call: &mut Call, rules: &mut Rules) -> Action {
        for open in &self.tries.open {
            self.hedger.saw(now, rules.client, now.since(open.sent));
        }
        self.release(rules);
        // What the next try was given, not the attempt that ended.
        *rules.held = Held { after: self.tries.after.unwrap_or(Outcome::Open), ..self.tries.held };
        if let State::Waiting(next) = call.state {
            call.not_awaited(next, rules);
        }
        call.state = State::Done(verdict);
        if rules.gates.hears_calls() {
            tell_of_call(now, self.tries.sent, rules);
        }
        Action::Finish(verdict)
    }

    /// Gates forget what is open.
    fn release(&self, rules: &mut Rules) {
        for open in self.tries.open.iter().filter(|open| !open.lingers) {
            rules.gates.on_abandon(rules.client, &open.held.permits, open.number);
        }
    }

    /// An attempt has ended, or its time-out has passed: whoever listens is told, once. True if it is sent once more instead, as one that was
    /// alone may be.
    fn end(&mut self, now: SimTime, open: &Open, outcome: Outcome, call: &Call, rules: &mut Rules) -> bool {
        if outcome.is_success() || outcome == Outcome::Timeout {
            self.hedger.saw(now, rules.client, now.since(open.sent));
        }
        if open.lingers {
            return false;
        }
        *rules.held = open.held;
        let alone = self.tries.open.is_empty() && self.tries.beside == 0;
        if alone && !outcome.is_success() && call.is_sent_again(now, outcome, rules.policy) {
            rules.held.after = Outcome::Open;
            self.tries.held = *rules.held;
            return true;
        }
        self.tries.after = Some(outcome);
        if !rules.gates.is_empty() {
            tell_gates(now, outcome, open.number, rules);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::breaker::ConsecutiveBreakerConfig;
    use crate::gate::budget::{RatioBudgetConfig, TokenBudgetConfig, Tokens};
    use crate::gate::concurrency::{ConcurrencyConfig, Hold, MostRetries};
    use crate::gate::limiter::{OnLimit, RateLimiterConfig};
    use crate::gate::{GateChain, GateConfig, GateRule, Scope};
    use crate::hedge::HedgeConfig;
    use crate::retry::{AtLimit, Backoff, Hints, OutcomeClass, OutcomeSet, OverMax, RetryAfter, RetryFor, RetryPolicy};
    use crate::rng::{KeyedRng, Purpose};
    use crate::units::Span;

    const OK: Outcome = Outcome::OK;
    const ERROR: Outcome = Outcome::Status(503);

    /// One attempt with a hedge two seconds later.
    fn hedge(extra: u32) -> HedgeConfig {
        HedgeConfig { extra, ..HedgeConfig::after(Span::secs(2)) }
    }

    fn policy(attempts: u32) -> RetryPolicy {
        RetryPolicy { attempts: Some(attempts), backoff: Backoff::fixed(Span::secs(10)), ..RetryPolicy::default() }
    }

    /// Plays calls, each ten seconds after the one before is over, against replies, each so many seconds after its attempt was sent; an attempt without
    /// one is never answered. Returns what was done, in words, with instants in seconds from the beginning of each call.
    fn played(
        policy: &RetryPolicy,
        config: &HedgeConfig,
        gates: &mut GateChain,
        calls: &[&[(f64, Failure)]],
    ) -> String {
        let (mut hedger, mut held, mut tries) = (Hedger::new(config, 1), Held::default(), Tries::default());
        let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
        let (mut now, mut said) = (SimTime::ZERO, Vec::new());
        for replies in calls {
            let start = now;
            // What comes of a quantile is known to a class.
            let at = |now: SimTime| format!("{}", (now.since(start).seconds() * 10.0).round() / 10.0);
            let mut coming: Vec<(SimTime, u32, Failure)> = Vec::new();
            let mut rules = Rules::new(policy, &mut *gates, &mut held, 0, 0).hedging(&mut hedger, &mut tries);
            let (mut call, mut action) = Call::start(now, &mut rules, &mut draws);
            let verdict = loop {
                if let Some(open) = tries.take_timed_out() {
                    said.push(format!("{}-@{}", open.attempt, at(now)));
                    coming.retain(|(_, attempt, _)| *attempt != open.attempt);
                }
                let due = match action {
                    Action::Send { attempt, due, hedge } => {
                        said.push(format!("{attempt}{}@{}", if hedge { "h" } else { "" }, at(now)));
                        if let Some((after, reply)) = replies.get(attempt as usize - 1) {
                            coming.push((now + Span::from_seconds(*after), attempt, *reply));
                        }
                        due
                    }
                    Action::WakeAt(due) | Action::WaitInLine(due) => due,
                    Action::Finish(verdict) => break verdict,
                };
                assert_eq!(due, tries.due());
                coming.sort_by_key(|(at, attempt, _)| (*at, *attempt));
                let mut rules = Rules::new(policy, &mut *gates, &mut held, 0, 0).hedging(&mut hedger, &mut tries);
                action = match coming.first().copied() {
                    // A reply is earlier than a time-out of the same instant.
                    Some((at, attempt, reply)) if at <= due => {
                        now = at;
                        coming.remove(0);
                        assert!(call.is_open(attempt, &rules), "a cancelled attempt is not answered");
                        call.on_reply(now, attempt, reply, &mut rules, &mut draws)
                    }
                    _ => {
                        assert!(due < SimTime::NEVER, "it waits for ever: {said:?}");
                        now = due;
                        call.on_wake(now, &mut rules, &mut draws)
                    }
                };
            };
            let ended = match verdict {
                Verdict::Succeeded => "ok".to_owned(),
                Verdict::Failed(reason) => format!("{reason:?}"),
            };
            said.push(format!("{ended}@{}", at(now)));
            said.extend(tries.open().iter().map(|open| format!("x{}", open.attempt)));
            assert_eq!(call.verdict(), Some(verdict));
            now = now + Span::secs(10);
        }
        said.join(" ")
    }

    fn check(policy: &RetryPolicy, config: &HedgeConfig, replies: &[(f64, Outcome)], expected: &str) {
        let replies: Vec<_> = replies.iter().map(|(after, outcome)| (*after, Failure::new(*outcome))).collect();
        let got = played(policy, config, &mut GateChain::new(&[], 1), &[&replies]);
        assert_eq!(got, expected, "{config:?}");
    }

    #[test]
    fn the_first_good_answer_wins() {
        let never = (1e9, OK);
        check(&policy(1), &hedge(1), &[(1.0, OK)], "1@0 ok@1");
        check(&policy(1), &hedge(1), &[(9.0, OK), (1.0, OK)], "1@0 2h@2 ok@3 x1");
        check(&policy(1), &hedge(1), &[(2.5, OK), (1.0, OK)], "1@0 2h@2 ok@2.5 x2");
        check(&policy(1), &hedge(3), &[never, never, never, (1.0, OK)], "1@0 2h@2 3h@4 4h@6 ok@7 x1 x2 x3");
        // All at once.
        let at_once = HedgeConfig { trigger: Trigger::Fixed(Some(Span::ZERO)), ..hedge(2) };
        check(&policy(1), &at_once, &[(3.0, OK), (2.0, OK), (5.0, OK)], "1@0 2h@0 3h@0 ok@2 x1 x3");
        // A failure that is not retried is an answer like a good one.
        let fatal = Outcome::Status(400);
        check(&policy(3), &hedge(1), &[(9.0, OK), (1.0, fatal)], "1@0 2h@2 NotRetryable@3 x1");
    }

    #[test]
    fn a_failure_sets_off_the_next() {
        let only_then = HedgeConfig { trigger: Trigger::Fixed(None), ..hedge(2) };
        let wait = HedgeConfig { on_failure: OnFailure::Wait, ..hedge(2) };
        let end = HedgeConfig { on_failure: OnFailure::End, ..hedge(2) };
        let replies = [(1.0, ERROR), (1.0, ERROR), (1.0, OK)];
        check(&policy(1), &hedge(2), &replies, "1@0 2h@1 3h@2 ok@3");
        check(&policy(1), &only_then, &replies, "1@0 2h@1 3h@2 ok@3");
        check(&policy(1), &wait, &replies, "1@0 2h@2 3h@4 ok@5");
        check(&policy(1), &end, &replies, "1@0 AttemptsExhausted@1");
        // With another one open the try is not over, and the next comes in its time.
        let replies = [(3.0, ERROR), (9.0, OK), (1.0, OK)];
        check(&policy(1), &end, &replies, "1@0 2h@2 3h@4 ok@5 x2");
        check(&policy(1), &hedge(2), &replies, "1@0 2h@2 3h@3 ok@4 x2");
        // What would be due at the deadline or after it does not come, and is not waited for.
        let hurried = |seconds| RetryPolicy { deadline: Some(Span::from_seconds(seconds)), ..policy(1) };
        check(&hurried(2.5), &wait, &[(1.0, ERROR), (9.0, OK)], "1@0 2h@2 2-@2.5 Deadline@2.5");
        check(&hurried(2.0), &wait, &[(1.0, ERROR)], "1@0 AttemptsExhausted@1");
        let retry_for = RetryFor { limit: Span::secs(2), rule: AtLimit::Fits };
        let patient = RetryPolicy { deadline: None, retry_for: Some(retry_for), ..hurried(2.0) };
        check(&patient, &wait, &[(9.0, OK)], "1@0 ok@9");
        // A hedge that is sent begins the spacing anew.
        let never = (1e9, OK);
        check(&policy(1), &hedge(2), &[(1.0, ERROR), never, (2.0, OK)], "1@0 2h@1 3h@3 ok@5 x2");
    }

    /// Each failure asks for a hedge of its own, though several come at one instant.
    #[test]
    fn failures_of_one_instant_send_one_each() {
        let never = (1e9, OK);
        let two = [(3.0, ERROR), (1.0, ERROR), (1.0, OK)];
        check(&policy(1), &hedge(1), &two[..2], "1@0 2h@2 AttemptsExhausted@3");
        check(&policy(1), &hedge(2), &two, "1@0 2h@2 3h@3 ok@4");
        check(&policy(1), &hedge(3), &two, "1@0 2h@2 3h@3 4h@3 ok@4 x4");
        // After them the spacing begins anew.
        check(
            &policy(1),
            &hedge(9),
            &[two[0], two[1], never, never, (0.5, OK)],
            "1@0 2h@2 3h@3 4h@3 5h@5 ok@5.5 x3 x4",
        );
        let three = [(5.0, ERROR), (3.0, ERROR), (1.0, ERROR), never, never, (0.5, OK)];
        check(&policy(1), &hedge(5), &three, "1@0 2h@2 3h@4 4h@5 5h@5 6h@5 ok@5.5 x4 x5");
        // Time-outs too.
        let at_once = HedgeConfig { trigger: Trigger::Fixed(Some(Span::ZERO)), ..hedge(3) };
        let patient = RetryPolicy { timeout: Some(Span::secs(5)), ..policy(1) };
        let late = HedgeConfig { trigger: Trigger::Fixed(Some(Span::secs(60))), ..hedge(3) };
        check(&patient, &at_once, &[], "1@0 2h@0 3h@0 4h@0 1-@5 2-@5 3-@5 4-@5 AttemptsExhausted@5");
        check(&patient, &late, &[], "1@0 1-@5 2h@5 2-@10 3h@10 3-@15 4h@15 4-@20 AttemptsExhausted@20");
        // One that waits until the next is due sends none, nor is there one at the deadline.
        let wait = HedgeConfig { on_failure: OnFailure::Wait, ..hedge(3) };
        check(&policy(1), &wait, &two, "1@0 2h@2 3h@4 ok@5");
        let hurried = RetryPolicy { deadline: Some(Span::secs(3)), ..policy(1) };
        check(&hurried, &hedge(3), &two, "1@0 2h@2 Deadline@3");
        // The server's word is about the one after those that are due at once, and is overruled by a failure without one.
        let heeds = RetryPolicy { retry_after: RetryAfter::up_to(None), ..policy(1) };
        let says =
            |after, seconds| (after, Failure { retry_after: Some(Span::from_seconds(seconds)), ..Failure::new(ERROR) });
        let plain = |after| (after, Failure::new(ERROR));
        for (first, second, expected) in [
            (plain(3.0), says(1.0, 7.0), "1@0 2h@2 3h@3 4h@10 ok@10.5 x3"),
            (says(3.0, 7.0), plain(1.0), "1@0 2h@2 3h@3 4h@5 ok@5.5 x3"),
            (says(3.0, 7.0), says(1.0, 4.0), "1@0 2h@2 3h@7 4h@9 ok@9.5 x3"),
        ] {
            let replies = [first, second, (1e9, Failure::new(OK)), (0.5, Failure::new(OK))];
            let got = played(&heeds, &hedge(3), &mut GateChain::new(&[], 1), &[&replies]);
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_try_fails_as_a_whole() {
        let all = [(1.0, ERROR), (1.0, ERROR), (1.0, ERROR), (9.0, OK), (1.0, OK)];
        check(&policy(1), &hedge(1), &all, "1@0 2h@1 AttemptsExhausted@2");
        // Each try has its own hedges, and its wait begins when the last of them has failed.
        check(&policy(2), &hedge(1), &all, "1@0 2h@1 3@12 4h@13 ok@22");
        check(&policy(2), &hedge(2), &all, "1@0 2h@1 3h@2 4@13 5h@15 ok@16 x4");
        // What came to the earliest of its attempts decides: here the backoff after a 429.
        let special =
            RetryPolicy { backoff_for: vec![(OutcomeClass::Status(429), Backoff::fixed(Span::secs(3)))], ..policy(2) };
        let replies = [(9.0, Outcome::Status(429)), (1.0, ERROR), (1.0, OK)];
        check(&special, &hedge(1), &replies, "1@0 2h@2 3@12 ok@13");
    }

    #[test]
    fn each_attempt_has_its_timeout() {
        let patient = RetryPolicy { timeout: Some(Span::secs(5)), ..policy(2) };
        check(&patient, &hedge(1), &[], "1@0 2h@2 1-@5 2-@7 3@17 4h@19 3-@22 4-@24 AttemptsExhausted@24");
        let growing = RetryPolicy { timeout_factor: 2.0, ..patient.clone() };
        check(&growing, &hedge(1), &[], "1@0 2h@2 1-@5 2-@7 3@17 4h@19 3-@27 4-@29 AttemptsExhausted@29");
        // A time-out is a failure, and sets off the next.
        let late = HedgeConfig { trigger: Trigger::Fixed(Some(Span::secs(60))), ..hedge(1) };
        check(
            &RetryPolicy { attempts: Some(1), ..patient.clone() },
            &late,
            &[],
            "1@0 1-@5 2h@5 2-@10 AttemptsExhausted@10",
        );
        // And if one is due at that instant, it comes after.
        let then = HedgeConfig { trigger: Trigger::Fixed(Some(Span::secs(5))), ..hedge(1) };
        let once = RetryPolicy { attempts: Some(1), ..patient.clone() };
        check(&once, &then, &[], "1@0 1-@5 2h@5 2-@10 AttemptsExhausted@10");
        // At the deadline everything ends, and nothing begins.
        let short = RetryPolicy { deadline: Some(Span::secs(3)), ..patient.clone() };
        check(&short, &hedge(9), &[], "1@0 2h@2 1-@3 2-@3 Deadline@3");
        let exact = RetryPolicy { deadline: Some(Span::secs(2)), ..patient.clone() };
        check(&exact, &hedge(9), &[], "1@0 1-@2 Deadline@2");
        let retry_for = RetryFor { limit: Span::secs(2), rule: AtLimit::Fits };
        let finish = RetryPolicy { deadline: None, retry_for: Some(retry_for), ..exact };
        check(&finish, &hedge(9), &[(4.0, ERROR)], "1@0 Deadline@4");
    }

    /// Envoy's `hedge_on_per_try_timeout`.
    #[test]
    fn a_timeout_may_leave_its_attempt_open() {
        let config = HedgeConfig { trigger: Trigger::Timeout, extra: 0, ..hedge(0) };
        let policy = RetryPolicy {
            timeout: Some(Span::secs(1)),
            deadline: Some(Span::secs(15)),
            backoff: Backoff::fixed(Span::secs(2)),
            // Time-outs are not among what is retried.
            retry_on: OutcomeSet::new(vec![OutcomeClass::ServerErrors]),
            ..policy(2)
        };
        check(&policy, &config, &[(0.5, OK)], "1@0 ok@0.5");
        // While it waits, beside the next one, and after that has failed.
        check(&policy, &config, &[(2.0, OK)], "1@0 ok@2");
        check(&policy, &config, &[(3.5, OK), (9.0, OK)], "1@0 2h@3 ok@3.5 x2");
        check(&policy, &config, &[(9.0, OK), (0.5, ERROR)], "1@0 2h@3 ok@9");
        check(&policy, &config, &[(9.0, OK), (0.5, OK)], "1@0 2h@3 ok@3.5 x1");
        // A late bad answer is not retried again.
        check(&policy, &config, &[(2.0, ERROR), (0.5, OK)], "1@0 2@3 ok@3.5");
        check(&policy, &config, &[(5.0, ERROR), (0.5, ERROR)], "1@0 2h@3 AttemptsExhausted@5");
        check(&policy, &config, &[(0.5, ERROR), (9.0, OK)], "1@0 2@2.5 ok@11.5");
        check(&policy, &config, &[], "1@0 2h@3 1-@15 2-@15 AttemptsExhausted@15");
        check(&RetryPolicy { attempts: Some(1), ..policy.clone() }, &config, &[(9.0, OK)], "1@0 ok@9");
        // A retry costs what it costs after a time-out.
        let costly = TokenBudgetConfig {
            cost_for: vec![(OutcomeClass::Timeout, Tokens::new(5.0))],
            ..TokenBudgetConfig::new(Tokens::new(4.0), Tokens::new(1.0), Tokens::new(0.0))
        };
        let mut gates = GateChain::new(&[GateConfig::new(GateRule::TokenBudget(costly), Scope::Client)], 1);
        assert_eq!(played(&policy, &config, &mut gates, &[&[(9.0, Failure::new(OK))]]), "1@0 ok@9");
        // Gates hear of the time-out when it has passed: here no retry comes through.
        let breaker = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(60), 1));
        let policy = RetryPolicy { retry_on: OutcomeSet::new(vec![OutcomeClass::Timeout]), ..policy };
        for (reply, expected) in [((9.0, OK), "1@0 ok@9"), ((99.0, OK), "1@0 1-@15 Gate(0)@15")] {
            let mut gates = GateChain::new(&[GateConfig::new(breaker.clone(), Scope::Client)], 1);
            let got = played(&policy, &config, &mut gates, &[&[(reply.0, Failure::new(reply.1))]]);
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn the_server_may_say_when_or_forbid() {
        let policy = RetryPolicy { retry_after: RetryAfter::up_to(None), heeds_should_retry: true, ..policy(2) };
        let says = |after: f64| Failure { retry_after: Some(Span::from_seconds(after)), ..Failure::new(ERROR) };
        let forbids = Failure { should_retry: Some(false), ..Failure::new(ERROR) };
        let good = Failure::new(OK);
        for (replies, expected) in [
            (vec![(1.0, says(0.5)), (1.0, good)], "1@0 2h@1.5 ok@2.5"),
            (vec![(1.0, says(4.0)), (1.0, good)], "1@0 2h@5 ok@6"),
            // Nothing more is sent, and what is open goes on.
            (vec![(1.0, forbids)], "1@0 NotRetryable@1"),
            (vec![(3.0, forbids), (4.0, good)], "1@0 2h@2 ok@6"),
        ] {
            let got = played(&policy, &hedge(3), &mut GateChain::new(&[], 1), &[&replies]);
            assert_eq!(got.as_str(), expected);
        }
        // As far as the hint is honoured.
        let slow: &[_] = &[(3.0, says(4.0)), (5.0, good)];
        let quick: &[_] = &[(1.0, says(4.0)), (1.0, good)];
        for (over_max, replies, expected) in [
            (OverMax::Cap, quick, "1@0 2h@4 ok@5"),
            (OverMax::Backoff, quick, "1@0 2h@1 ok@2"),
            (OverMax::Stop, quick, "1@0 NotRetryable@1"),
            (OverMax::Stop, slow, "1@0 2h@2 ok@7"),
        ] {
            let hints = Hints { max: Some(Span::secs(3)), over_max, ..Hints::default() };
            let policy = RetryPolicy { retry_after: RetryAfter::Honour(Box::new(hints)), ..policy.clone() };
            let got = played(&policy, &hedge(1), &mut GateChain::new(&[], 1), &[replies]);
            assert_eq!(got, expected, "{over_max:?}");
        }
        // Beyond the deadline there is nothing to wait for.
        let hurried = RetryPolicy { deadline: Some(Span::secs(5)), ..policy };
        let got = played(&hurried, &hedge(1), &mut GateChain::new(&[], 1), &[quick]);
        assert_eq!(got, "1@0 Deadline@1");
    }

    /// Two calls under gates, of which the second may feel the first.
    fn check_gates(gates: &[GateRule], config: &HedgeConfig, calls: &[&[(f64, Outcome)]], expected: &str) -> GateChain {
        let gates: Vec<_> = gates.iter().map(|rule| GateConfig::new(rule.clone(), Scope::Client)).collect();
        let mut gates = GateChain::new(&gates, 1);
        let calls: Vec<Vec<(f64, Failure)>> = calls
            .iter()
            .map(|replies| replies.iter().map(|(after, outcome)| (*after, Failure::new(*outcome))).collect())
            .collect();
        let calls: Vec<&[(f64, Failure)]> = calls.iter().map(Vec::as_slice).collect();
        assert_eq!(played(&policy(1), config, &mut gates, &calls), expected);
        gates
    }

    #[test]
    fn budgets_may_refuse_a_hedge_but_fail_no_call() {
        let slow: &[(f64, Outcome)] = &[(5.0, OK), (9.0, OK)];
        // One token: the second call's hedge is not sent.
        let tokens = TokenBudgetConfig::new(Tokens::new(1.0), Tokens::new(1.0), Tokens::new(0.0));
        check_gates(&[GateRule::TokenBudget(tokens)], &hedge(1), &[slow, slow], "1@0 2h@2 ok@5 x2 1@0 ok@5");
        // Two calls earn one hedge.
        let half = RatioBudgetConfig::new(Tokens::new(0.5), 0.0, Span::secs(100));
        let config = HedgeConfig { budget: Some(half), ..hedge(1) };
        check_gates(&[], &config, &[slow, slow, slow], "1@0 ok@5 1@0 2h@2 ok@5 x2 1@0 ok@5");
        // A limiter that would have it wait.
        let limiter = RateLimiterConfig { rate: 0.1, burst: 1.0, on_limit: OnLimit::Wait };
        check_gates(&[GateRule::RateLimiter(limiter)], &hedge(1), &[slow], "1@0 ok@5");
        // A failure of which no hedge comes ends the try.
        let none = RatioBudgetConfig::new(Tokens::new(0.0), 0.0, Span::secs(100));
        let config = HedgeConfig { budget: Some(none), ..hedge(1) };
        check_gates(&[], &config, &[&[(1.0, ERROR)]], "1@0 AttemptsExhausted@1");
    }

    /// Attempts that succeed, time out or lose are seen, with their time so far; other failures are not.
    #[test]
    fn what_is_seen() {
        let lately = |at| HedgeConfig {
            trigger: Trigger::Percentile { at, window: Span::secs(30), min: Span::ZERO },
            on_failure: OnFailure::End,
            ..hedge(1)
        };
        let slow: &[(f64, Outcome)] = &[(9.0, OK), (1.0, OK)];
        let most = lately(0.99);
        check_gates(&[], &most, &[&[(3.0, OK)], slow], "1@0 ok@3 1@0 2h@3 ok@4 x1");
        check_gates(&[], &most, &[&[(3.0, ERROR)], slow], "1@0 AttemptsExhausted@3 1@0 ok@9");
        // The one that lost had taken six seconds.
        let calls: [&[_]; 3] = [&[(2.0, OK)], &[(9.0, OK), (4.0, OK)], slow];
        check_gates(&[], &most, &calls, "1@0 ok@2 1@0 2h@2 ok@6 x1 1@0 2h@6 ok@7 x1");
        // The first try times out, and so does the second; they are all that is seen when the third is sent.
        let patient = RetryPolicy { timeout: Some(Span::secs(3)), timeout_factor: 2.0, ..policy(3) };
        let got = played(&patient, &most, &mut GateChain::new(&[], 1), &[&[]]);
        assert_eq!(got, "1@0 1-@3 2@13 3h@16 2-@19 3-@22 4@32 5h@38 4-@44 5-@50 AttemptsExhausted@50");
    }

    /// A retry costs what the failure costs that decided on it, whatever came to the last.
    #[test]
    fn the_earliest_failure_is_paid_for() {
        let rule = |capacity| TokenBudgetConfig {
            cost_for: vec![(OutcomeClass::Status(429), Tokens::new(5.0))],
            ..TokenBudgetConfig::new(Tokens::new(capacity), Tokens::new(1.0), Tokens::new(0.0))
        };
        let limited = Outcome::Status(429);
        // And a hedge what the last failure costs.
        check_gates(&[GateRule::TokenBudget(rule(4.0))], &hedge(1), &[&[(1.0, limited)]], "1@0 AttemptsExhausted@1");
        check_gates(&[GateRule::TokenBudget(rule(4.0))], &hedge(1), &[&[(1.0, ERROR), (1.0, OK)]], "1@0 2h@1 ok@2");
        let gate = GateConfig::new(GateRule::TokenBudget(rule(5.0)), Scope::Client);
        for (first, hedge_ends, expected) in
            [(ERROR, limited, "1@0 2h@2 3@14 ok@15"), (limited, ERROR, "1@0 2h@2 Gate(0)@4")]
        {
            let mut gates = GateChain::new(std::slice::from_ref(&gate), 1);
            let replies = [(3.0, first), (2.0, hedge_ends), (1.0, OK)];
            let replies: Vec<_> = replies.iter().map(|(after, outcome)| (*after, Failure::new(*outcome))).collect();
            let got = played(&policy(2), &hedge(1), &mut gates, &[&replies]);
            assert_eq!(got, expected);
        }
    }

    /// The caller goes: what is open gives back what it holds, and so does a retry that waits; and so it is if what lingers wins.
    #[test]
    fn an_abandoned_call_gives_back() {
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum End {
            Abandoned,
            Won,
        }
        let timeout = HedgeConfig { trigger: Trigger::Timeout, extra: 0, ..hedge(0) };
        let policy = RetryPolicy { timeout: Some(Span::secs(2)), deadline: Some(Span::secs(60)), ..policy(2) };
        for (config, hold, ends, due) in [
            (HedgeConfig::after(Span::secs(1)), Hold::Attempt, End::Abandoned, 2),
            (HedgeConfig::after(Span::secs(1)), Hold::Retry, End::Abandoned, 2),
            (timeout.clone(), Hold::Retry, End::Abandoned, 12),
            (timeout, Hold::Retry, End::Won, 12),
        ] {
            let place = ConcurrencyConfig { hold, ..ConcurrencyConfig::retries(1) };
            let mut gates = GateChain::new(&[GateConfig::new(GateRule::Concurrency(place), Scope::Client)], 1);
            let (mut hedger, mut held, mut tries) = (Hedger::new(&config, 1), Held::default(), Tries::default());
            let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
            // The second call finds the place free.
            for start in [0u64, 100] {
                let at = |seconds| SimTime::ZERO + Span::secs(start + seconds);
                let mut rules = Rules::new(&policy, &mut gates, &mut held, 0, 0).hedging(&mut hedger, &mut tries);
                let (mut call, action) = Call::start(at(0), &mut rules, &mut draws);
                let timeout = config.trigger == Trigger::Timeout;
                let first = if timeout { at(2) } else { at(1) };
                assert_eq!(action, Action::Send { attempt: 1, due: first, hedge: false });
                let action = call.on_wake(first, &mut rules, &mut draws);
                let expected = match timeout {
                    true => Action::WakeAt(at(due)),
                    false => Action::Send { attempt: 2, due: at(due), hedge: true },
                };
                assert_eq!(action, expected, "{config:?} {hold:?} {ends:?} {start}");
                match ends {
                    End::Abandoned => call.abandon(&mut rules),
                    End::Won => {
                        let action = call.on_reply(at(3), 1, Failure::new(OK), &mut rules, &mut draws);
                        assert_eq!(action, Action::Finish(Verdict::Succeeded));
                    }
                }
            }
        }
    }

    #[test]
    fn a_late_driver_sends_nothing_after_the_deadline() {
        let policy = RetryPolicy { deadline: Some(Span::secs(5)), ..policy(1) };
        let (mut gates, mut held, mut tries) = (GateChain::new(&[], 1), Held::default(), Tries::default());
        let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
        let mut hedger = Hedger::new(&hedge(1), 1);
        let mut rules = Rules::new(&policy, &mut gates, &mut held, 0, 0).hedging(&mut hedger, &mut tries);
        let (mut call, _) = Call::start(SimTime::ZERO, &mut rules, &mut draws);
        let late = SimTime::ZERO + Span::secs(5);
        let action = call.on_wake(late, &mut rules, &mut draws);
        assert!(matches!(action, Action::Finish(Verdict::Failed(_))), "{action:?}");
    }

    /// Every attempt that a gate admitted ends for it exactly once, those that lost included.
    #[test]
    fn losers_give_back_what_they_hold() {
        let fails: &[(f64, Outcome)] = &[(1.0, ERROR), (1.0, ERROR)];
        let (slow, quick): (&[_], &[_]) = (&[(500.0, OK), (1.0, OK)], &[(1.0, OK)]);
        // Two failures open it, and two probes close it: one was lost, and the third call is the next.
        let breaker = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(2, Span::secs(1), 2));
        let calls = [fails, slow, quick, quick];
        let expected = "1@0 2h@1 AttemptsExhausted@2 1@0 2h@2 ok@3 x1 1@0 ok@1 1@0 ok@1";
        let gates = check_gates(&[breaker], &hedge(1), &calls, expected);
        assert_eq!((gates.counts().breaker_opened, gates.counts().breakers_open), (1, 0));
        // The only place for an attempt beside another.
        let place = GateRule::Concurrency(ConcurrencyConfig::retries(1));
        let slow: &[(f64, Outcome)] = &[(5.0, OK), (9.0, OK)];
        check_gates(&[place], &hedge(2), &[slow, slow], "1@0 2h@2 ok@5 x2 1@0 2h@2 ok@5 x2");
        // Or the only one for each two, held from the decision on, which for a hedge is its sending.
        let most = MostRetries::Share { share: 0.5, min: 1 };
        let place = GateRule::Concurrency(ConcurrencyConfig { most, hold: Hold::Retry });
        let calls = [slow; 3];
        check_gates(&[place], &hedge(2), &calls, &["1@0 2h@2 ok@5 x2"; 3].join(" "));
    }
}
