//! A call of which several attempts may be open: what hedging adds to a [`Call`].
//!
//! A *try* is a first attempt or a retry with the hedges beside it. Only when a try has failed as a whole is the call asked whether there is
//! another one. Where a time-out sets hedges off, it ends a try without ending its attempt, which lingers beside the next try.
//!
//! The first success wins, and so does the first failure that is not retried: whatever else is open is given up.

use super::{Action, Call, Draws, ForGates, Held, Rules, State, Verdict, tell_gates};
use crate::gate::{Admission, Ask, Moment};
use crate::hedge::{Hedger, OnFailure, Trigger};
use crate::protocol::{Failure, Outcome};
use crate::retry::{GiveUp, History};
use crate::units::SimTime;

/// What the driver must do. After each but [`Deed::Over`] it asks for the next, with [`Hedged::on_hedge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing for now.
    Rest,
    /// Send this attempt.
    Send {
        /// Its number, from 1.
        attempt: u32,
        /// It is a hedge: sent beside an open one.
        hedge: bool,
    },
    /// This attempt has timed out; if there is a verdict, the call is over too.
    TimedOut(Open, Option<Verdict>),
    /// The call is over, and what is still open ([`Hedged::open`]) was given up.
    Over(Verdict),
}

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

/// What is remembered of a call beside the [`Call`].
#[derive(Clone, Debug, Default)]
pub struct Hedged {
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
}

/// The call, and those who are asked. Of [`Rules::held`] only one attempt at a time makes use.
pub struct Parties<'a, 'b> {
    /// The call.
    pub call: &'a mut Call,
    /// Policy and gates.
    pub rules: &'a mut Rules<'b>,
    /// The policy's hedging.
    pub hedger: &'a mut Hedger,
}

impl Hedged {
    /// What is open.
    pub fn open(&self) -> &[Open] {
        &self.open
    }

    /// Takes what is open away, for a call that is over.
    pub fn take_open(&mut self) -> Vec<Open> {
        std::mem::take(&mut self.open)
    }

    /// Gives the list back, whose room serves the next call, and forgets the rest of this one.
    pub fn put_back(&mut self, mut open: Vec<Open>) {
        open.clear();
        *self = Hedged { open, ..Hedged::default() };
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

    /// The number of the gate that has refused a hedge since this was asked before. The chain has forgotten it: what it still tells was refused to
    /// the call.
    pub fn take_refused(&mut self) -> Option<u8> {
        self.refused.take()
    }

    /// When [`Hedged::on_due`] is to be called, if nothing else happens before.
    pub fn due(&self) -> SimTime {
        let others = self.open.iter().map(|open| open.due);
        others.chain(self.next).chain(self.wake).min().unwrap_or(SimTime::NEVER)
    }

    /// Begins the call, which is new.
    pub fn begin(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Deed {
        let open = self.take_open();
        self.put_back(open);
        *parties.rules.held = Held::default();
        let action = parties.call.begin(now, parties.rules, draws);
        self.act(now, action, parties)
    }

    /// An attempt was answered; `None` if it is not open any more.
    pub fn on_reply(
        &mut self,
        now: SimTime,
        attempt: u32,
        reply: Failure,
        parties: &mut Parties,
        draws: &mut impl Draws,
    ) -> Option<Deed> {
        let place = self.open.iter().position(|open| open.attempt == attempt)?;
        let open = self.open.remove(place);
        let policy = parties.rules.policy;
        if self.end(now, &open, reply.outcome, parties) {
            return Some(self.sent_again(now, reply, parties, draws).map_or(Deed::Rest, Deed::Over));
        }
        if reply.outcome.is_success() {
            return Some(self.over(now, Verdict::Succeeded, parties));
        }
        let retried = policy.is_retried(&reply);
        if !retried && !policy.is_failure(reply.outcome) {
            return Some(self.over(now, Verdict::Failed(GiveUp::NotRetryable), parties));
        }
        if open.lingers {
            // A bad answer to an attempt that was given up on is nothing new.
            return Some(self.nothing_left(now, parties).map_or(Deed::Rest, Deed::Over));
        }
        if !retried {
            // The server forbids it.
            self.no_more_hedges(parties);
        }
        Some(self.try_failed(now, attempt, reply, parties, draws).map_or(Deed::Rest, Deed::Over))
    }

    /// It is time for something: one time-out or hedge after the other, until there is nothing to do. A wait that was over when the
    /// instant began ([`Hedged::wakes`]) comes after that, once: what begins to wait at this instant is a later event.
    pub fn on_due(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Deed {
        match self.open.iter().position(|open| open.due <= now) {
            Some(place) => self.on_timeout(now, place, parties, draws),
            None => self.on_hedge(now, parties, draws),
        }
    }

    /// True if a wait is over now.
    pub fn wakes(&self, now: SimTime) -> bool {
        self.wake.is_some_and(|wake| wake <= now)
    }

    /// It is its turn: the wait in line is over now.
    pub fn turn(&mut self, now: SimTime) {
        self.wake = Some(now);
    }

    /// The wait is over.
    pub fn on_wake(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Deed {
        self.wake = None;
        *parties.rules.held = self.held;
        let action = parties.call.on_wake(now, parties.rules, draws);
        self.act(now, action, parties)
    }

    /// Sends the next hedge if it is due.
    pub fn on_hedge(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Deed {
        if self.next.is_none_or(|next| next > now) {
            return Deed::Rest;
        }
        self.next = None;
        let due = if parties.call.too_late(now) { None } else { self.ask(now, parties, draws) };
        let Some(due) = due else {
            // Whoever says no to one hedge will say no to the next.
            self.no_more_hedges(parties);
            return self.tried_all(now, parties, draws).map_or(Deed::Rest, Deed::Over);
        };
        self.beside += 1;
        self.sends(now, due, true, parties)
    }

    /// The caller is gone: whatever is open ends without an outcome.
    pub fn abandon(&mut self, parties: &mut Parties) {
        self.release(parties);
        *parties.rules.held = self.held;
        if let State::Waiting(_) = parties.call.state {
            parties.call.abandon(parties.rules);
        }
        parties.call.state = State::Abandoned;
    }

    /// May a hedge go out now, and until when is it waited for? Nothing is charged unless all agree. A hedge does not wait at a limiter.
    fn ask(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Option<SimTime> {
        let Parties { call, rules, hedger } = parties;
        let after = self.after.unwrap_or(Outcome::Open);
        let ask = Ask { now, attempt: self.sent + 1, waited: false, has_place: false, after };
        self.asked += 1;
        if !hedger.check(ask, rules.client, draws.gates()) {
            return None;
        }
        *rules.held = Held { after, ..Held::default() };
        if !rules.gates.is_empty() {
            let held = &mut *rules.held;
            let admission =
                rules.gates.admit(Moment::Hedge, ask, rules.client, &mut held.permits, &mut ForGates(draws));
            if admission != Admission::Admitted {
                self.refused = rules.gates.take_refusal();
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
    fn act(&mut self, now: SimTime, action: Action, parties: &mut Parties) -> Deed {
        self.held = *parties.rules.held;
        match action {
            Action::Send { due, .. } => {
                self.beside = 0;
                if self.sent == 0 {
                    parties.hedger.on_first_attempt(now, parties.rules.client);
                }
                // A retry beside an attempt that lingers.
                let hedge = !self.open.is_empty();
                self.sends(now, due, hedge, parties)
            }
            Action::WakeAt(at) | Action::WaitInLine(at) => {
                self.wake = Some(at);
                Deed::Rest
            }
            Action::Finish(verdict) => self.finish(now, verdict, parties).map_or(Deed::Rest, Deed::Over),
        }
    }

    /// An attempt is sent: the next one beside it is due some time later.
    fn sends(&mut self, now: SimTime, due: SimTime, hedge: bool, parties: &mut Parties) -> Deed {
        self.sent = self.sent.saturating_add(1);
        self.hedges += u32::from(hedge);
        let number = parties.call.numbered() + self.sent - parties.call.attempts();
        let held = *parties.rules.held;
        self.open.push(Open { attempt: self.sent, tag: 0, number, sent: now, due, held, lingers: false });
        let delay = parties.hedger.delay(now, parties.rules.client);
        let left = self.beside < parties.hedger.config().extra;
        self.next = delay.filter(|_| left).map(|delay| now + delay);
        self.at_once = self.at_once.saturating_sub(1);
        if self.at_once > 0 {
            self.next = Some(now);
        } else if let Some(said) = self.after_these.take() {
            self.next = Some(said).filter(|_| left);
        }
        Deed::Send { attempt: self.sent, hedge }
    }

    /// An attempt has timed out, or only lingers from now on.
    fn on_timeout(&mut self, now: SimTime, place: usize, parties: &mut Parties, draws: &mut impl Draws) -> Deed {
        let lingers = parties.hedger.config().trigger == Trigger::Timeout && !parties.call.too_late(now);
        if lingers {
            let open = self.open[place];
            self.end(now, &open, Outcome::Timeout, parties);
            self.open[place] = Open { due: parties.call.end(parties.rules.policy), lingers: true, ..open };
            // Whatever is retried otherwise: the attempt has not failed.
            let decision = parties.rules.policy.on_refusal(&mut parties.call.history, draws.jitter());
            let action = parties.call.decided(now, decision, parties.rules, draws);
            return self.act(now, action, parties);
        }
        let open = self.open.remove(place);
        let verdict = if self.end(now, &open, Outcome::Timeout, parties) {
            self.sent_again(now, Failure::new(Outcome::Timeout), parties, draws)
        } else if open.lingers {
            self.nothing_left(now, parties)
        } else {
            self.try_failed(now, open.attempt, Failure::new(Outcome::Timeout), parties, draws)
        };
        Deed::TimedOut(open, verdict)
    }

    /// An attempt that counted has failed: is there a hedge to come, or something open, or has the try failed with it?
    fn try_failed(
        &mut self,
        now: SimTime,
        attempt: u32,
        reply: Failure,
        parties: &mut Parties,
        draws: &mut impl Draws,
    ) -> Option<Verdict> {
        if self.failure.is_none_or(|(first, _)| attempt < first) {
            self.failure = Some((attempt, reply));
        }
        let config = parties.hedger.config();
        if self.beside + self.at_once < config.extra {
            match config.on_failure {
                OnFailure::End if self.counts() => {}
                OnFailure::End => self.next = None,
                // The server says when (gRPC: pushback).
                other => match parties.rules.policy.hint(&reply) {
                    Some(hint) if self.at_once > 0 => self.after_these = Some(now + hint),
                    Some(hint) => self.next = Some(now + hint),
                    // What is due now waits for its turn at this instant. Another failure that comes before it sends one more.
                    None if other == OnFailure::Next => {
                        (self.next, self.after_these) = (Some(now), None);
                        self.at_once += 1;
                    }
                    None => {}
                },
            }
        }
        // What would be due at the deadline or after it is not waited for.
        let in_time = |at: &SimTime| !parties.call.too_late(*at);
        (self.next, self.after_these) = (self.next.filter(in_time), self.after_these.filter(in_time));
        if self.next.is_none() {
            self.at_once = 0;
        }
        self.tried_all(now, parties, draws)
    }

    /// If nothing of the try is open or to come, it has failed.
    fn tried_all(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Option<Verdict> {
        if self.counts() || self.next.is_some() {
            return None;
        }
        let (_, failure) = self.failure.take()?;
        *parties.rules.held = Held { after: failure.outcome, ..self.held };
        self.ask_call(now, &failure, parties, draws)
    }

    /// Asks the call whether there is another attempt after this failure. Nobody is sent before a wait, if only of no time.
    fn ask_call(
        &mut self,
        now: SimTime,
        failure: &Failure,
        parties: &mut Parties,
        draws: &mut impl Draws,
    ) -> Option<Verdict> {
        let action = parties.call.failed(now, failure, parties.rules, draws);
        match self.act(now, action, parties) {
            Deed::Over(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// An attempt that was alone is sent once more, of which gates have not heard.
    fn sent_again(
        &mut self,
        now: SimTime,
        reply: Failure,
        parties: &mut Parties,
        draws: &mut impl Draws,
    ) -> Option<Verdict> {
        self.no_hedge_is_due();
        self.ask_call(now, &reply, parties, draws)
    }

    /// True if an attempt is open on which somebody counts.
    fn counts(&self) -> bool {
        self.open.iter().any(|open| !open.lingers)
    }

    fn no_more_hedges(&mut self, parties: &mut Parties) {
        self.no_hedge_is_due();
        self.beside = parties.hedger.config().extra;
    }

    fn no_hedge_is_due(&mut self) {
        (self.next, self.at_once, self.after_these) = (None, 0, None);
    }

    /// There will be no further try. What lingers may still win.
    fn finish(&mut self, now: SimTime, verdict: Verdict, parties: &mut Parties) -> Option<Verdict> {
        match verdict {
            Verdict::Failed(reason) if !self.open.is_empty() => {
                self.gave_up = Some(reason);
                parties.call.state = State::Open;
                None
            }
            verdict => {
                self.over(now, verdict, parties);
                Some(verdict)
            }
        }
    }

    /// If there will be no further try, and nothing lingers, the call has failed.
    fn nothing_left(&mut self, now: SimTime, parties: &mut Parties) -> Option<Verdict> {
        let reason = self.gave_up.filter(|_| self.open.is_empty())?;
        self.over(now, Verdict::Failed(reason), parties);
        Some(Verdict::Failed(reason))
    }

    /// The call is over.
    fn over(&mut self, now: SimTime, verdict: Verdict, parties: &mut Parties) -> Deed {
        for open in &self.open {
            parties.hedger.saw(now, parties.rules.client, now.since(open.sent));
        }
        self.release(parties);
        if let State::Waiting(_) = parties.call.state {
            // What the next try was given, not the attempt that ended.
            *parties.rules.held = self.held;
        }
        parties.call.over(verdict, parties.rules);
        Deed::Over(verdict)
    }

    /// Gates forget what is open.
    fn release(&self, parties: &mut Parties) {
        for open in self.open.iter().filter(|open| !open.lingers) {
            parties.rules.gates.on_abandon(parties.rules.client, &open.held.permits, open.number);
        }
    }

    /// An attempt has ended, or its time-out has passed: whoever listens is told, once. True if it is sent once more instead, as one that was
    /// alone may be.
    fn end(&mut self, now: SimTime, open: &Open, outcome: Outcome, parties: &mut Parties) -> bool {
        if outcome.is_success() || outcome == Outcome::Timeout {
            parties.hedger.saw(now, parties.rules.client, now.since(open.sent));
        }
        if open.lingers {
            return false;
        }
        let rules = &mut *parties.rules;
        *rules.held = open.held;
        let alone = self.open.is_empty() && self.beside == 0;
        if alone && parties.call.is_sent_again(now, outcome, rules.policy) {
            rules.held.after = Outcome::Open;
            self.held = *rules.held;
            return true;
        }
        self.after = Some(outcome);
        if !rules.gates.is_empty() {
            tell_gates(now, outcome, open.number, rules);
        }
        false
    }
}

impl Call {
    /// The call is over, whatever it was waiting for.
    fn over(&mut self, verdict: Verdict, rules: &mut Rules) {
        if let State::Waiting(next) = self.state {
            self.not_awaited(next, rules);
        }
        self.state = State::Done(verdict);
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
        let (mut hedger, mut held, mut hedged) = (Hedger::new(config, 1), Held::default(), Hedged::default());
        let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
        let (mut now, mut said) = (SimTime::ZERO, Vec::new());
        for replies in calls {
            let start = now;
            // What comes of a quantile is known to a class.
            let at = |now: SimTime| format!("{}", (now.since(start).seconds() * 10.0).round() / 10.0);
            let mut rules = Rules { policy, gates: &mut *gates, held: &mut held, client: 0, call: 0 };
            let mut call = Call::new(now, policy);
            let mut parties = Parties { call: &mut call, rules: &mut rules, hedger: &mut hedger };
            let mut coming: Vec<(SimTime, u32, Failure)> = Vec::new();
            let mut deed = hedged.begin(now, &mut parties, &mut draws);
            let verdict = 'call: loop {
                loop {
                    match deed {
                        Deed::Rest => break,
                        Deed::Send { attempt, hedge } => {
                            said.push(format!("{attempt}{}@{}", if hedge { "h" } else { "" }, at(now)));
                            if let Some((after, reply)) = replies.get(attempt as usize - 1) {
                                coming.push((now + Span::from_seconds(*after), attempt, *reply));
                            }
                        }
                        Deed::TimedOut(open, verdict) => {
                            said.push(format!("{}-@{}", open.attempt, at(now)));
                            coming.retain(|(_, attempt, _)| *attempt != open.attempt);
                            if let Some(verdict) = verdict {
                                break 'call verdict;
                            }
                        }
                        Deed::Over(verdict) => break 'call verdict,
                    }
                    deed = hedged.on_hedge(now, &mut parties, &mut draws);
                }
                coming.sort_by_key(|(at, attempt, _)| (*at, *attempt));
                let due = hedged.due();
                match coming.first().copied() {
                    Some((at, attempt, reply)) if at <= due => {
                        now = at;
                        coming.remove(0);
                        deed = hedged
                            .on_reply(now, attempt, reply, &mut parties, &mut draws)
                            .expect("a cancelled attempt is not answered");
                    }
                    _ => {
                        assert!(due < SimTime::NEVER, "it waits for ever: {said:?}");
                        now = due;
                        let woken = hedged.wakes(now);
                        deed = hedged.on_due(now, &mut parties, &mut draws);
                        if deed == Deed::Rest && woken {
                            deed = hedged.on_wake(now, &mut parties, &mut draws);
                        }
                    }
                }
            };
            let ended = match verdict {
                Verdict::Succeeded => "ok".to_owned(),
                Verdict::Failed(reason) => format!("{reason:?}"),
            };
            said.push(format!("{ended}@{}", at(now)));
            said.extend(hedged.open().iter().map(|open| format!("x{}", open.attempt)));
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
            (hedge(1), Hold::Attempt, End::Abandoned, 2),
            (hedge(1), Hold::Retry, End::Abandoned, 2),
            (timeout.clone(), Hold::Retry, End::Abandoned, 12),
            (timeout, Hold::Retry, End::Won, 12),
        ] {
            let place = ConcurrencyConfig { hold, ..ConcurrencyConfig::retries(1) };
            let mut gates = GateChain::new(&[GateConfig::new(GateRule::Concurrency(place), Scope::Client)], 1);
            let (mut hedger, mut held, mut hedged) = (Hedger::new(&config, 1), Held::default(), Hedged::default());
            let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
            // The second call finds the place free.
            for start in [0u64, 100] {
                let at = |seconds| SimTime::ZERO + Span::secs(start + seconds);
                let mut rules = Rules { policy: &policy, gates: &mut gates, held: &mut held, client: 0, call: 0 };
                let mut call = Call::new(at(0), &policy);
                let mut parties = Parties { call: &mut call, rules: &mut rules, hedger: &mut hedger };
                assert_eq!(hedged.begin(at(0), &mut parties, &mut draws), Deed::Send { attempt: 1, hedge: false });
                let deed = match config.trigger {
                    Trigger::Timeout => hedged.on_due(at(2), &mut parties, &mut draws),
                    _ => hedged.on_hedge(at(2), &mut parties, &mut draws),
                };
                let waits = config.trigger == Trigger::Timeout;
                let expected = if waits { Deed::Rest } else { Deed::Send { attempt: 2, hedge: true } };
                assert_eq!((deed, hedged.due()), (expected, at(due)), "{config:?} {hold:?} {ends:?} {start}");
                match ends {
                    End::Abandoned => hedged.abandon(&mut parties),
                    End::Won => {
                        let deed = hedged.on_reply(at(3), 1, Failure::new(OK), &mut parties, &mut draws);
                        assert_eq!(deed, Some(Deed::Over(Verdict::Succeeded)));
                    }
                }
            }
        }
    }

    #[test]
    fn a_late_driver_sends_nothing_after_the_deadline() {
        let policy = RetryPolicy { deadline: Some(Span::secs(5)), ..policy(1) };
        let (mut gates, mut held, mut hedged) = (GateChain::new(&[], 1), Held::default(), Hedged::default());
        let mut draws = (KeyedRng::new(1, Purpose::Jitter, 0, 0), KeyedRng::new(1, Purpose::Gate, 0, 0));
        let mut hedger = Hedger::new(&hedge(1), 1);
        let mut rules = Rules { policy: &policy, gates: &mut gates, held: &mut held, client: 0, call: 0 };
        let mut call = Call::new(SimTime::ZERO, &policy);
        let mut parties = Parties { call: &mut call, rules: &mut rules, hedger: &mut hedger };
        hedged.begin(SimTime::ZERO, &mut parties, &mut draws);
        let late = SimTime::ZERO + Span::secs(5);
        assert_eq!(hedged.on_hedge(late, &mut parties, &mut draws), Deed::Rest);
        assert!(matches!(hedged.on_due(late, &mut parties, &mut draws), Deed::TimedOut(_, Some(Verdict::Failed(_)))));
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
