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
        /// It is a hedge.
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
    /// Hedges of this try.
    beside: u32,
    /// When the next hedge is due, if one is.
    next: Option<SimTime>,
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

    /// Gives the list back, whose room serves the next call.
    pub fn put_back(&mut self, mut open: Vec<Open>) {
        open.clear();
        self.open = open;
    }

    /// Attempts sent so far.
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// Notes something about an open attempt, for [`Open::tag`].
    pub fn tag(&mut self, attempt: u32, tag: u32) {
        if let Some(open) = self.open.iter_mut().find(|open| open.attempt == attempt) {
            open.tag = tag;
        }
    }

    /// When [`Hedged::on_due`] is to be called, if nothing else happens before.
    pub fn due(&self) -> SimTime {
        let others = self.open.iter().map(|open| open.due);
        others.chain(self.next).chain(self.wake).min().unwrap_or(SimTime::NEVER)
    }

    /// Begins the call, which is new.
    pub fn begin(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Deed {
        *self = Hedged { open: self.take_open(), ..Hedged::default() };
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
        self.end(now, &open, reply.outcome, parties);
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

    /// The wait is over.
    pub fn on_wake(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Deed {
        self.wake = None;
        *parties.rules.held = self.held;
        let action = parties.call.on_wake(now, parties.rules, draws);
        self.act(now, action, parties)
    }

    /// Sends the next hedge if it is due.
    pub fn on_hedge(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Deed {
        if !self.next.is_some_and(|next| next <= now) {
            return Deed::Rest;
        }
        self.next = None;
        if parties.call.too_late(now) {
            return Deed::Rest;
        }
        let Some(due) = self.ask(now, parties, draws) else {
            // Whoever says no to one hedge will say no to the next.
            self.no_more_hedges(parties);
            return self.tried_all(now, parties, draws).map_or(Deed::Rest, Deed::Over);
        };
        self.beside += 1;
        self.sends(now, due, parties);
        Deed::Send { attempt: self.sent, hedge: true }
    }

    /// The caller is gone: whatever is open ends without an outcome.
    pub fn abandon(&mut self, parties: &mut Parties) {
        self.release(parties);
        if let State::Waiting(next) = parties.call.state {
            parties.call.not_awaited(next, parties.rules);
        }
        parties.call.state = State::Abandoned;
    }

    /// May a hedge go out now, and until when is it waited for? Nothing is charged unless all agree. A hedge does not wait at a limiter.
    fn ask(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Option<SimTime> {
        let Parties { call, rules, hedger } = parties;
        let after = self.after.unwrap_or(Outcome::Open);
        let ask = Ask { now, attempt: self.sent + 1, waited: false, after };
        if !hedger.check(ask, rules.client, draws.gates()) {
            return None;
        }
        *rules.held = Held { after, ..Held::default() };
        if !rules.gates.is_empty() {
            let held = &mut *rules.held;
            let admission =
                rules.gates.admit(Moment::Hedge, ask, rules.client, &mut held.permits, &mut ForGates(draws));
            if admission != Admission::Admitted {
                return None;
            }
            rules.gates.on_retry_sent(rules.client);
        }
        hedger.charge(ask, rules.client);
        rules.held.sent = now;
        // As the try beside which it stands.
        let of_try = History { attempts: call.history.attempts.saturating_sub(1), ..call.history };
        let plan = rules.policy.attempt(&of_try);
        let deadline = if plan.outlives_deadline { SimTime::NEVER } else { call.deadline };
        Some(plan.timeout.map_or(SimTime::NEVER, |timeout| now + timeout).min(deadline))
    }

    /// Does what the call says.
    fn act(&mut self, now: SimTime, action: Action, parties: &mut Parties) -> Deed {
        self.held = *parties.rules.held;
        match action {
            Action::Send { due, .. } => {
                (self.beside, self.failure) = (0, None);
                if self.sent == 0 {
                    parties.hedger.on_first_attempt(now, parties.rules.client);
                }
                self.held.sent = now;
                *parties.rules.held = self.held;
                self.sends(now, due, parties);
                Deed::Send { attempt: self.sent, hedge: false }
            }
            Action::WakeAt(at) => {
                self.wake = Some(at);
                Deed::Rest
            }
            Action::Finish(verdict) => self.finish(now, verdict, parties).map_or(Deed::Rest, Deed::Over),
        }
    }

    /// An attempt is sent: the next one beside it is due some time later.
    fn sends(&mut self, now: SimTime, due: SimTime, parties: &mut Parties) {
        self.sent = self.sent.saturating_add(1);
        self.open.push(Open { attempt: self.sent, tag: 0, due, held: *parties.rules.held, lingers: false });
        let delay = parties.hedger.delay(now, parties.rules.client);
        let left = self.beside < parties.hedger.config().extra;
        self.next = delay.filter(|_| left).map(|delay| now + delay);
    }

    /// An attempt has timed out, or only lingers from now on.
    fn on_timeout(&mut self, now: SimTime, place: usize, parties: &mut Parties, draws: &mut impl Draws) -> Deed {
        let lingers = parties.hedger.config().trigger == Trigger::Timeout && !parties.call.too_late(now);
        if lingers {
            let open = self.open[place];
            self.end(now, &open, Outcome::Timeout, parties);
            self.open[place] = Open { due: parties.call.deadline, lingers: true, ..open };
            *parties.rules.held = self.held;
            // Whatever is retried otherwise: the attempt has not failed.
            let decision = parties.rules.policy.on_refusal(&mut parties.call.history, draws.jitter());
            let action = parties.call.decided(now, decision, parties.rules, draws);
            return self.act(now, action, parties);
        }
        let open = self.open.remove(place);
        self.end(now, &open, Outcome::Timeout, parties);
        let verdict = if open.lingers {
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
        if self.beside < config.extra {
            match (parties.rules.policy.hint(&reply), config.on_failure) {
                (Some(hint), _) => self.next = Some(now + hint),
                (None, OnFailure::Next) => self.next = Some(now),
                (None, OnFailure::Wait) => {}
                (None, OnFailure::End) if self.counts() => {}
                (None, OnFailure::End) => self.next = None,
            }
        }
        // With time at its end there is no other attempt.
        if parties.call.too_late(now) {
            self.next = None;
        }
        self.tried_all(now, parties, draws)
    }

    /// If nothing of the try is open or to come, it has failed.
    fn tried_all(&mut self, now: SimTime, parties: &mut Parties, draws: &mut impl Draws) -> Option<Verdict> {
        if self.counts() || self.next.is_some() {
            return None;
        }
        let (_, failure) = self.failure.take()?;
        *parties.rules.held = self.held;
        let action = parties.call.failed(now, &failure, parties.rules, draws);
        match self.act(now, action, parties) {
            Deed::Over(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// True if an attempt is open on which somebody counts.
    fn counts(&self) -> bool {
        self.open.iter().any(|open| !open.lingers)
    }

    fn no_more_hedges(&mut self, parties: &mut Parties) {
        (self.next, self.beside) = (None, parties.hedger.config().extra);
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
            parties.hedger.saw(now, parties.rules.client, now.since(open.held.sent));
        }
        self.release(parties);
        parties.call.over(verdict, parties.rules);
        (self.next, self.wake) = (None, None);
        Deed::Over(verdict)
    }

    /// Gates forget what is open.
    fn release(&self, parties: &mut Parties) {
        for open in self.open.iter().filter(|open| !open.lingers) {
            parties.rules.gates.on_abandon(parties.rules.client, &open.held.permits, open.attempt);
        }
    }

    /// An attempt has ended, or its time-out has passed: whoever listens is told, once.
    fn end(&mut self, now: SimTime, open: &Open, outcome: Outcome, parties: &mut Parties) {
        if outcome.is_success() || outcome == Outcome::Timeout {
            parties.hedger.saw(now, parties.rules.client, now.since(open.held.sent));
        }
        if !open.lingers {
            self.after = Some(outcome);
            *parties.rules.held = open.held;
            if !parties.rules.gates.is_empty() {
                tell_gates(now, outcome, open.attempt, parties.rules);
            }
            self.held.after = outcome;
        }
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
