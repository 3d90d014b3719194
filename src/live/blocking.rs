//! The blocking twin: calls of a thread that waits.
//!
//! An attempt runs on the thread that calls, and nothing can end it from outside: it has to keep to [`Attempt::timeout`] by itself, as clients of HTTP and
//! databases do that are told. If it fails later than that, that was a time-out; if it succeeds later, that is a success. There is no hedging: one thread
//! makes one attempt.
//!
//! ```
//! use simlab::live::{Gates, blocking};
//! use simlab::retry::RetryPolicy;
//!
//! # fn post(_: &str) -> std::io::Result<&'static str> { Ok("charged") }
//! let (policy, gates) = (RetryPolicy { attempts: Some(4), ..RetryPolicy::default() }, Gates::none());
//! assert_eq!(blocking::retry(&policy, &gates, || post("/charge")).run().unwrap(), "charged");
//! ```

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use super::calling::{Attempt, Calling};
use super::gates::{Gates, duration};
use super::reply::{AnyError, Classify, Failed};
use crate::call::{Action, Verdict};
use crate::protocol::{Failure, Outcome};
use crate::retry::{GiveUp, Policy};
use crate::units::{SimTime, Span};

/// Calls until it succeeds or the policy gives up, once it is [`run`](Blocking::run).
///
/// # Panics
/// If the gates hedge.
pub fn retry<'a, T, E>(
    policy: &'a dyn Policy,
    gates: &'a Gates,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Blocking<'a, impl FnMut(Attempt) -> Result<T, E>, AnyError> {
    Blocking::new(policy, gates, move |_: Attempt| attempt())
}

/// A call that has not been made.
#[must_use = "it is made when it is run"]
pub struct Blocking<'a, M, C> {
    policy: &'a dyn Policy,
    gates: &'a Gates,
    attempt: M,
    classify: C,
    left: Span,
}

/// A call that is being made: if an attempt panics, gates hear that nothing comes of it.
struct Making<'a> {
    policy: &'a dyn Policy,
    gates: &'a Gates,
    calling: Calling,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.calling.abandon(self.policy, self.gates);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<'a, M> Blocking<'a, M, AnyError> {
    pub(super) fn new(policy: &'a dyn Policy, gates: &'a Gates, attempt: M) -> Blocking<'a, M, AnyError> {
        assert!(!gates.hedges(), "one thread makes one attempt: there is no hedging in blocking code");
        Blocking { policy, gates, attempt, classify: AnyError, left: Span::MAX }
    }
}

impl<'a, M, C> Blocking<'a, M, C> {
    /// Says what attempts came to: see [`http`](super::http). Without it whatever is `Ok` has succeeded ([`AnyError`]).
    pub fn classified_by<D, R>(self, classify: D) -> Blocking<'a, M, D>
    where
        M: FnMut(Attempt) -> R,
        D: Fn(&R) -> Failure,
    {
        let Blocking { policy, gates, attempt, left, .. } = self;
        Blocking { policy, gates, attempt, classify, left }
    }

    /// The call is given up after this time, whatever the policy's own deadline says; of two the earlier one counts.
    pub fn within(mut self, limit: Duration) -> Blocking<'a, M, C> {
        self.left = Span(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        self
    }

    /// Makes the call.
    ///
    /// # Errors
    /// If the policy gives up.
    pub fn run<T, E>(self) -> Result<T, Failed<T, E>>
    where
        M: FnMut(Attempt) -> Result<T, E>,
        C: Classify<Result<T, E>>,
    {
        let Blocking { policy, gates, mut attempt, classify, left } = self;
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let (calling, mut next) = Calling::begin(policy, gates, left);
        let mut making = Making { policy, gates, calling };
        let (mut outcome, mut last) = (Outcome::Open, None);
        let verdict = loop {
            next = match next {
                Action::Send { attempt: number, due, hedge } => {
                    let returned = attempt(making.calling.attempt(number, hedge, due, gates));
                    let mut reply = classify.reply(&returned);
                    last = Some(returned);
                    if !reply.outcome.is_success() && gates.now() > due {
                        reply = Failure::new(Outcome::Timeout);
                        last = None;
                        gates.count(|metrics| metrics.timed_out += 1);
                    }
                    outcome = reply.outcome;
                    making.calling.replied(policy, gates, number, reply)
                }
                Action::WakeAt(at) => {
                    park(gates, at, || false);
                    making.calling.woken(policy, gates)
                }
                Action::WaitInLine(at) => {
                    park(gates, at, || gates.has_place(policy, &mut making.calling, &waker));
                    gates.leaves_line(making.calling.own_place());
                    making.calling.woken(policy, gates)
                }
                Action::Finish(verdict) => break verdict,
            };
        };
        let attempts = making.calling.sent();
        match (verdict, last) {
            (Verdict::Succeeded, Some(Ok(value))) => Ok(value),
            (Verdict::Succeeded, last) => Err(Failed { why: GiveUp::NotRetryable, attempts, outcome, last }),
            (Verdict::Failed(why), last) => Err(Failed { why, attempts, outcome, last }),
        }
    }
}

/// Waits until then, unless there is something else to do before.
fn park(gates: &Gates, at: SimTime, mut has_more: impl FnMut() -> bool) {
    while !has_more() {
        let now = gates.now();
        match at {
            SimTime::NEVER => thread::park(),
            at if at <= now => return,
            at => thread::park_timeout(duration(at.since(now))),
        }
    }
}
