//! One call, with what it keeps between its steps.

use std::time::Duration;

use super::gates::{Gates, duration};
use crate::call::tries::{Open, Tries};
use crate::call::{Action, Call, Held, Rules, Verdict};
use crate::protocol::Failure;
use crate::retry::{GiveUp, Policy, Within};
use crate::rng::KeyedRng;
use crate::units::{SimTime, Span};

/// An attempt that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// It is sent beside an open one.
    pub is_hedge: bool,
    /// Its time-out, or what is left of the deadline; `None`: it has none. After it nobody waits for the attempt any more, unless time-outs are what sets off hedges
    /// (`hedge.timeout`): then it is still counted on.
    pub timeout: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Calling {
    pub number: u64,
    pub call: Call,
    pub held: Held,
    pub tries: Tries,
    /// How long it may take, by a deadline from outside.
    left: Span,
    /// Since when it waits for its next attempt.
    waits: Option<SimTime>,
    is_over: bool,
}

impl Calling {
    /// A call that begins.
    pub fn begin(policy: &dyn Policy, gates: &Gates, left: Span) -> (Calling, Action) {
        let call = Call::new(gates.now(), &Within { policy, left });
        let (number, held, tries) = (gates.next_call(), Held::default(), Tries::default());
        let mut calling = Calling { number, call, held, tries, left, waits: None, is_over: true };
        if left == Span::ZERO {
            // No time is left to send anything in.
            let over = Action::Finish(Verdict::Failed(GiveUp::Deadline));
            calling.note(over, gates);
            return (calling, over);
        }
        let action = calling.step(policy, gates, |call, now, rules, draws| call.begin(now, rules, draws));
        (calling, action)
    }

    /// By which gates know it among those that are not over.
    pub fn place(number: u64) -> u32 {
        (number % u64::from(u32::MAX)) as u32
    }

    /// Its own place.
    pub fn own_place(&self) -> u32 {
        Calling::place(self.number)
    }

    fn step(
        &mut self,
        policy: &dyn Policy,
        gates: &Gates,
        step: impl FnOnce(&mut Call, SimTime, &mut Rules, &mut (KeyedRng, KeyedRng)) -> Action,
    ) -> Action {
        let within = Within { policy, left: self.left };
        let policy: &dyn Policy = if self.left == Span::MAX { policy } else { &within };
        // If a policy of one's own panics in a step, nobody knows how gates stand with the call: they are told no more of it.
        self.is_over = true;
        let action = gates.step(policy, self, step);
        self.note(action, gates);
        action
    }

    /// Counts what is done next.
    fn note(&mut self, action: Action, gates: &Gates) {
        let waited = match action {
            Action::WakeAt(_) | Action::WaitInLine(_) => {
                // Beside an open attempt nothing is waited for but that.
                if self.tries.open().is_empty() {
                    self.waits.get_or_insert_with(|| gates.now());
                }
                None
            }
            Action::Send { .. } | Action::Finish(_) => self.waits.take().map(|since| gates.now().since(since)),
        };
        self.is_over = matches!(action, Action::Finish(_));
        gates.count(|metrics| {
            metrics.waited += waited.map_or(Duration::ZERO, duration);
            match action {
                Action::Send { hedge, .. } => {
                    metrics.attempts += 1;
                    metrics.hedges += u64::from(hedge);
                }
                Action::Finish(Verdict::Succeeded) => metrics.succeeded += 1,
                Action::Finish(Verdict::Failed(_)) => metrics.failed += 1,
                Action::WakeAt(_) | Action::WaitInLine(_) => {}
            }
        });
    }

    /// An open attempt has come to something.
    pub fn replied(&mut self, policy: &dyn Policy, gates: &Gates, attempt: u32, reply: Failure) -> Action {
        self.step(policy, gates, |call, now, rules, draws| call.on_reply(now, attempt, reply, rules, draws))
    }

    /// Its time has come, or its turn.
    pub fn woken(&mut self, policy: &dyn Policy, gates: &Gates) -> Action {
        self.step(policy, gates, |call, now, rules, draws| call.on_wake(now, rules, draws))
    }

    /// Takes out those of these attempts that are not open any more.
    pub fn take_closed<T>(&mut self, policy: &dyn Policy, gates: &Gates, open: &mut Vec<(u32, T)>) -> Vec<(u32, T)> {
        if open.is_empty() {
            return Vec::new();
        }
        let is_open = gates.step(policy, self, |call, _, rules, _| {
            open.iter().map(|(attempt, _)| call.is_open(*attempt, rules)).collect::<Vec<bool>>()
        });
        let mut is_open = is_open.into_iter();
        open.extract_if(.., |_| is_open.next() == Some(false)).collect()
    }

    /// What is known of an attempt that is sent, with the instant at which there is something else to do.
    pub fn attempt(&self, number: u32, is_hedge: bool, due: SimTime, gates: &Gates) -> Attempt {
        let open = self.tries.open().iter().find(|open| open.attempt == number);
        let due = open.map_or(due, Open::due);
        let timeout = (due != SimTime::NEVER).then(|| duration(due.since(gates.now())));
        Attempt { number, is_hedge, timeout }
    }

    /// Attempts that were sent, hedges among them.
    pub fn sent(&self) -> u32 {
        self.call.attempts().max(self.tries.sent())
    }

    /// Whoever made it has gone.
    pub fn abandon(&mut self, policy: &dyn Policy, gates: &Gates) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        gates.step(policy, self, |call, _, rules, _| call.abandon(rules));
        gates.leaves_line(self.own_place());
        gates.count(|metrics| metrics.abandoned += 1);
    }
}
