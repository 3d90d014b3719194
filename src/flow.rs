//! Calls in order: which one is next, and whether the whole has succeeded.
//!
//! As a call is, a flow is a state machine without I/O and clock: it says which step is to be made, and is told how each ended. Steps of an operation
//! and calls that a worker makes for a request are flows.

use std::borrow::Borrow;

use crate::protocol::Outcome;
use crate::retry::OutcomeSet;
use crate::units::Span;

mod course;

pub use course::{Course, Journal, Next, Plan};

/// Most steps of a flow: what has become of each is a bit.
pub const MOST_STEPS: usize = 64;

/// When a step is made, and what follows if it fails.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Whether it is made.
    pub when: When,
    /// What its failure means.
    pub on_failure: OnFailure,
    /// The later step with which its entry in the journal is written, and rolled back if that fails; `None`: by itself.
    pub committed_with: Option<usize>,
}

impl Step {
    /// True if it is always made, and its failure is that of its flow.
    pub fn is_plain(&self) -> bool {
        self.when == When::Always && self.on_failure == OnFailure::Stop
    }
}

/// Whether a step is made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum When {
    /// In any case.
    #[default]
    Always,
    /// Of this share of all flows, drawn once for each.
    Share(f64),
    /// If the earlier step with this number was made and has failed.
    Failed(usize),
    /// If it was made and has succeeded.
    Succeeded(usize),
    /// Only to undo what that step has done.
    Undoing {
        /// Its number.
        step: usize,
        /// Also where it has failed after something was sent, since nobody knows what became of that.
        if_sent: bool,
    },
}

/// What the failure of a step means.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OnFailure {
    /// The flow has failed, and no further step is made.
    #[default]
    Stop,
    /// Nothing: the next step is made.
    GoOn,
    /// The flow begins again with its first step, at most so many times, if the last outcome is one of these; otherwise it stops.
    StartOver {
        /// After which outcomes.
        on: Box<OutcomeSet>,
        /// How often, at least 1.
        times: u32,
    },
    /// After a while the operation goes on with what its journal does not have.
    Resume(Box<Resume>),
    /// What has succeeded is undone, the last first.
    Compensate(Compensate),
}

/// How an operation goes on after a failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Resume {
    /// After which outcomes.
    pub on: OutcomeSet,
    /// When.
    pub after: Span,
    /// How often, at least 1.
    pub times: u32,
    /// What follows then, if it is not over.
    pub then: Option<Compensate>,
}

/// How what was done is undone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Compensate {
    /// How often the operation is made anew after that.
    pub times: u32,
    /// When.
    pub after: Span,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Make this step.
    Call(usize),
    /// The flow is over: it has succeeded, or this step has failed it.
    Over(Result<(), usize>),
}

/// Where a flow stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// The step after the last that was made or passed over.
    next: u32,
    /// How often it has begun again.
    restarts: u32,
    failed: u64,
    succeeded: u64,
}

impl Flow {
    /// Begins. `drawn` says for a step whether it is among the share of flows that make it: the same whenever it is asked.
    pub fn start(steps: &[impl Borrow<Step>], drawn: impl FnMut(usize, f64) -> bool) -> (Flow, Act) {
        let mut flow = Flow::default();
        let act = flow.go_on(steps, drawn);
        (flow, act)
    }

    /// The step that was asked for has succeeded, or failed with this outcome as its last ([`Outcome::Open`]: nothing was sent).
    pub fn on_end(
        &mut self,
        ended: Result<(), Outcome>,
        steps: &[impl Borrow<Step>],
        drawn: impl FnMut(usize, f64) -> bool,
    ) -> Act {
        let step = self.next as usize - 1;
        let Err(outcome) = ended else {
            self.succeeded |= 1 << step;
            return self.go_on(steps, drawn);
        };
        self.failed |= 1 << step;
        match &steps[step].borrow().on_failure {
            OnFailure::GoOn => self.go_on(steps, drawn),
            OnFailure::StartOver { on, times } if self.restarts < *times && on.contains(outcome) => {
                *self = Flow { restarts: self.restarts + 1, ..Flow::default() };
                self.go_on(steps, drawn)
            }
            _ => Act::Over(Err(step)),
        }
    }

    /// How often it has begun again.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Goes on from its start, where these steps have succeeded before.
    fn go_on_with(
        &mut self,
        succeeded: u64,
        steps: &[impl Borrow<Step>],
        drawn: impl FnMut(usize, f64) -> bool,
    ) -> Act {
        *self = Flow { succeeded, restarts: self.restarts, ..Flow::default() };
        self.go_on(steps, drawn)
    }

    /// The next step that is made.
    fn go_on(&mut self, steps: &[impl Borrow<Step>], mut drawn: impl FnMut(usize, f64) -> bool) -> Act {
        for (number, step) in steps.iter().enumerate().skip(self.next as usize) {
            let is_made = match step.borrow().when {
                When::Always => true,
                When::Share(share) => drawn(number, share),
                When::Failed(step) => self.failed & 1 << step != 0,
                When::Succeeded(step) => self.succeeded & 1 << step != 0,
                When::Undoing { .. } => false,
            };
            // What succeeded before the flow went on from its start is not made again.
            if is_made && self.succeeded & 1 << number == 0 {
                self.next = number as u32 + 1;
                return Act::Call(number);
            }
        }
        Act::Over(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::OutcomeClass;

    const CONFLICT: Outcome = Outcome::Status(409);
    const ERROR: Outcome = Outcome::Status(500);

    /// Plays a flow whose steps end so, each in turn. Returns the steps that were made, and how it ended.
    fn check(steps: &[Step], ends: &[Result<(), Outcome>], expected: (&[usize], Result<(), usize>)) {
        let (mut flow, mut act) = Flow::start(steps, |_, share| share > 0.5);
        let (mut ends, mut made) = (ends.iter(), Vec::new());
        let ended = loop {
            match act {
                Act::Over(ended) => break ended,
                Act::Call(step) => {
                    made.push(step);
                    let end = ends.next().unwrap_or_else(|| panic!("one step more than ends: {made:?}"));
                    act = flow.on_end(*end, steps, |_, share| share > 0.5);
                }
            }
        };
        assert_eq!((made.as_slice(), ended), expected, "{steps:?}");
        assert_eq!(ends.next(), None, "all ends were used");
    }

    fn step(when: When, on_failure: OnFailure) -> Step {
        Step { when, on_failure, committed_with: None }
    }

    #[test]
    fn steps_follow_each_other() {
        let plain = Step::default;
        check(&[], &[], (&[], Ok(())));
        check(&[plain(), plain()], &[Ok(()), Ok(())], (&[0, 1], Ok(())));
        check(&[plain(), plain()], &[Err(ERROR)], (&[0], Err(0)));
        check(&[plain(), plain()], &[Ok(()), Err(ERROR)], (&[0, 1], Err(1)));
        let go_on = step(When::Always, OnFailure::GoOn);
        check(&[go_on.clone(), plain()], &[Err(ERROR), Ok(())], (&[0, 1], Ok(())));
        check(&[plain(), go_on], &[Ok(()), Err(ERROR)], (&[0, 1], Ok(())));
    }

    #[test]
    fn some_are_made_under_a_condition() {
        let go_on = step(When::Always, OnFailure::GoOn);
        let fallback = step(When::Failed(0), OnFailure::Stop);
        let fill = step(When::Succeeded(1), OnFailure::GoOn);
        let cached = [go_on, fallback, fill];
        check(&cached, &[Ok(())], (&[0], Ok(())));
        check(&cached, &[Err(ERROR), Ok(()), Ok(())], (&[0, 1, 2], Ok(())));
        check(&cached, &[Err(ERROR), Ok(()), Err(ERROR)], (&[0, 1, 2], Ok(())));
        check(&cached, &[Err(ERROR), Err(ERROR)], (&[0, 1], Err(1)));
        let shares = [step(When::Share(0.9), OnFailure::Stop), step(When::Share(0.1), OnFailure::Stop)];
        check(&shares, &[Ok(())], (&[0], Ok(())));
    }

    #[test]
    fn some_failures_begin_it_again() {
        let on = OutcomeSet::new(vec![OutcomeClass::Status(409)]);
        let write = step(When::Always, OnFailure::StartOver { on: Box::new(on), times: 2 });
        let steps = [Step::default(), write];
        let (ok, conflict) = (Ok(()), Err(CONFLICT));
        check(&steps, &[ok, conflict, ok, ok], (&[0, 1, 0, 1], Ok(())));
        check(&steps, &[ok, conflict, ok, conflict, ok, conflict], (&[0, 1, 0, 1, 0, 1], Err(1)));
        check(&steps, &[ok, Err(ERROR)], (&[0, 1], Err(1)));
        // What became of steps before is forgotten.
        let on = OutcomeSet::new(vec![OutcomeClass::Status(409)]);
        let again = step(When::Failed(0), OnFailure::StartOver { on: Box::new(on), times: 1 });
        check(&[step(When::Always, OnFailure::GoOn), again], &[Err(ERROR), conflict, ok], (&[0, 1, 0], Ok(())));
    }
}
