//! One call on tokio, as a future.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep_until};

use super::calling::{Attempt, Calling};
use super::gates::Gates;
use super::reply::{AnyError, Classify, Failed};
use crate::call::{Action, Verdict};
use crate::protocol::{Failure, Outcome};
use crate::retry::{GiveUp, Policy};
use crate::units::{SimTime, Span};

/// Whose policy and gates a call goes by.
pub trait Holds {
    /// The policy.
    fn policy(&self) -> &dyn Policy;
    /// The gates.
    fn gates(&self) -> &Gates;
}

/// Both, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    pub policy: &'a dyn Policy,
    pub gates: &'a Gates,
}

impl Holds for Pair<'_> {
    fn policy(&self) -> &dyn Policy {
        self.policy
    }
    fn gates(&self) -> &Gates {
        self.gates
    }
}

impl<H: Holds> Holds for &H {
    fn policy(&self) -> &dyn Policy {
        (**self).policy()
    }
    fn gates(&self) -> &Gates {
        (**self).gates()
    }
}

impl<H: Holds> Holds for Arc<H> {
    fn policy(&self) -> &dyn Policy {
        (**self).policy()
    }
    fn gates(&self) -> &Gates {
        (**self).gates()
    }
}

/// Makes attempts.
pub trait Make<F> {
    /// The next one.
    fn make(&mut self, attempt: Attempt) -> F;
}

impl<F, M: FnMut(Attempt) -> F> Make<F> for M {
    fn make(&mut self, attempt: Attempt) -> F {
        self(attempt)
    }
}

/// Calls until it succeeds or the policy gives up: `live::retry(&policy, &gates, || async { … }).await`. Each attempt is a future of its own;
/// several of them may be open where calls are hedged.
///
/// What it returns is a future that does nothing until it is polled; [`Retry::classified_by`] says what attempts came to, and [`Retry::within`] how long the
/// call may take.
pub fn retry<'a, F: Future>(
    policy: &'a dyn Policy,
    gates: &'a Gates,
    mut attempt: impl FnMut() -> F,
) -> Retry<Pair<'a>, impl Make<F>, F, AnyError> {
    Retry::new(Pair { policy, gates }, move |_: Attempt| attempt())
}

/// A call: a future of what its successful attempt returned.
///
/// Dropped before it is over, it drops what is open, and its gates hear that nothing comes of it.
///
/// # Panics
/// If it waits where tokio has no timer, or is polled again once it is over.
#[must_use = "a call does nothing until it is polled"]
pub struct Retry<H: Holds, M, F: Future, C> {
    make: M,
    classify: C,
    call: Held<H, F>,
}

/// What a call goes by, and where it stands.
struct Held<H: Holds, F: Future> {
    holds: H,
    left: Span,
    stands: Stands<F>,
}

enum Stands<F: Future> {
    New,
    Running(Box<Running<F>>),
    Over,
}

struct Running<F: Future> {
    calling: Calling,
    open: Vec<(u32, Pin<Box<F>>)>,
    next: Action,
    sleep: Option<Pin<Box<Sleep>>>,
    /// How the last attempt ended that did, and what it returned.
    ended: (Outcome, Option<F::Output>),
}

impl<H: Holds, M: Make<F>, F: Future> Retry<H, M, F, AnyError> {
    pub(super) fn new(holds: H, make: M) -> Retry<H, M, F, AnyError> {
        Retry { make, classify: AnyError, call: Held { holds, left: Span::MAX, stands: Stands::New } }
    }
}

impl<H: Holds, M, F: Future, C> Retry<H, M, F, C> {
    /// Says what attempts came to: see [`http`](super::http). Without it whatever is `Ok` has succeeded ([`AnyError`]).
    pub fn classified_by<D: Fn(&F::Output) -> Failure>(self, classify: D) -> Retry<H, M, F, D> {
        self.with(classify)
    }

    pub(super) fn with<D: Classify<F::Output>>(self, classify: D) -> Retry<H, M, F, D> {
        Retry { make: self.make, classify, call: self.call }
    }

    /// The call is given up after this time, whatever the policy's own deadline says; of two the earlier one counts.
    pub fn within(mut self, limit: Duration) -> Retry<H, M, F, C> {
        self.call.left = Span(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        self
    }
}

impl<H: Holds, F: Future> Drop for Held<H, F> {
    fn drop(&mut self) {
        if let Stands::Running(running) = &mut self.stands {
            running.calling.abandon(self.holds.policy(), self.holds.gates());
        }
    }
}

/// Nothing in it is pinned where it stands.
impl<H: Holds, M, F: Future, C> Unpin for Retry<H, M, F, C> {}

impl<H, M, F, C, T, E> Future for Retry<H, M, F, C>
where
    H: Holds,
    M: Make<F>,
    F: Future<Output = Result<T, E>>,
    C: Classify<F::Output>,
{
    type Output = Result<T, Failed<T, E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Retry { make, classify, call: Held { holds, left, stands } } = self.get_mut();
        let (policy, gates) = (holds.policy(), holds.gates());
        if let Stands::New = stands {
            let (calling, next) = Calling::begin(policy, gates, *left);
            let (open, ended) = (Vec::new(), (Outcome::Open, None));
            *stands = Stands::Running(Box::new(Running { calling, open, next, sleep: None, ended }));
        }
        let Stands::Running(running) = stands else { panic!("the call is over") };
        let verdict = match running.go(policy, gates, make, classify, context) {
            Poll::Ready(verdict) => verdict,
            Poll::Pending => return Poll::Pending,
        };
        let Stands::Running(running) = std::mem::replace(stands, Stands::Over) else { unreachable!("it was running") };
        Poll::Ready(running.result(verdict))
    }
}

impl<F: Future> Running<F> {
    /// Does what the call says, until it is over or has to wait.
    fn go(
        &mut self,
        policy: &dyn Policy,
        gates: &Gates,
        make: &mut impl Make<F>,
        classify: &impl Classify<F::Output>,
        context: &mut Context<'_>,
    ) -> Poll<Verdict> {
        loop {
            let (due, in_line) = match self.next {
                Action::Send { attempt, due, hedge } => {
                    let future = make.make(self.calling.attempt(attempt, hedge, due, gates));
                    self.open.push((attempt, Box::pin(future)));
                    // It is sent once.
                    self.next = Action::WakeAt(due);
                    (due, false)
                }
                Action::WakeAt(due) => (due, false),
                Action::WaitInLine(due) => (due, true),
                Action::Finish(verdict) => return Poll::Ready(verdict),
            };
            if let Some((attempt, returned)) = self.first_ready(context) {
                let reply = classify.reply(&returned);
                self.ended = (reply.outcome, Some(returned));
                self.next = self.calling.replied(policy, gates, attempt, reply);
            } else if in_line && gates.has_place(policy, &mut self.calling, context.waker())
                || self.is_due(due, gates, context)
            {
                self.next = self.calling.woken(policy, gates);
            } else {
                return Poll::Pending;
            }
            if in_line {
                gates.leaves_line(self.calling.own_place());
            }
            self.drop_closed(policy, gates);
            if matches!(self.next, Action::WakeAt(at) if at <= gates.now()) {
                // After whatever else happens now: whoever was given a place comes first.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// What the first attempt has returned that is ready, which is taken out.
    fn first_ready(&mut self, context: &mut Context<'_>) -> Option<(u32, F::Output)> {
        for place in 0..self.open.len() {
            let (attempt, future) = &mut self.open[place];
            let attempt = *attempt;
            if let Poll::Ready(returned) = future.as_mut().poll(context) {
                drop(self.open.remove(place));
                return Some((attempt, returned));
            }
        }
        None
    }

    /// True if this instant has come; else it is woken then.
    fn is_due(&mut self, due: SimTime, gates: &Gates, context: &mut Context<'_>) -> bool {
        if due == SimTime::NEVER {
            return false;
        }
        let at = gates.instant(due);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(context).is_ready()
    }

    /// Attempts that are given up are dropped, which cancels them. Unless another one has won, nothing has come of them in time.
    fn drop_closed(&mut self, policy: &dyn Policy, gates: &Gates) {
        let closed = self.calling.take_closed(policy, gates, &mut self.open);
        if !closed.is_empty() && self.next != Action::Finish(Verdict::Succeeded) {
            self.ended = (Outcome::Timeout, None);
            gates.count(|metrics| metrics.timed_out += closed.len() as u64);
        }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Running<F> {
    fn result(self, verdict: Verdict) -> Result<T, Failed<T, E>> {
        let attempts = self.calling.sent();
        let (outcome, last) = self.ended;
        match (verdict, last) {
            (Verdict::Succeeded, Some(Ok(value))) => Ok(value),
            // An error that is classified as a success is none; there is nothing to return.
            (Verdict::Succeeded, last) => Err(Failed { why: GiveUp::NotRetryable, attempts, outcome, last }),
            (Verdict::Failed(why), last) => Err(Failed { why, attempts, outcome, last }),
        }
    }
}
