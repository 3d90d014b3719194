//! The course of an operation through its steps, with what it knows of them when it goes on later: it may wait, undo what it has done, and come back after a
//! crash of its client.

use std::borrow::Borrow;

use super::{Act, Compensate, Flow, OnFailure, Step, When};
use crate::protocol::Outcome;
use crate::units::Span;

/// What an operation knows of its completed steps when it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Journal {
    /// Nothing.
    None,
    /// Every one, until its client crashes.
    #[default]
    Memory,
    /// Every one that is written.
    EachStep,
    /// Nothing until all is done, and that is written.
    AfterRun,
}

/// What is to be done, and how it is remembered.
#[derive(Debug)]
pub struct Plan<'a, S> {
    /// The steps.
    pub steps: &'a [S],
    /// What is known of them later.
    pub journal: Journal,
    /// Steps that were undone stay among the completed ones.
    pub lists_undone: bool,
}

// Also where steps are not.
impl<S> Clone for Plan<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Plan<'_, S> {}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Make this step.
    Call(usize),
    /// Write to the journal, and say when that is done.
    Write,
    /// Wait for so long.
    Wait(Span),
    /// The operation is over: it has succeeded, or this step has failed it.
    Over(Result<(), usize>),
}

/// Where the course of an operation stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Course {
    flow: Flow,
    doing: Doing,
    /// Steps that the journal has.
    written: u64,
    /// Steps whose entries are being written, and erased.
    writing: u64,
    erasing: u64,
    /// Steps that were undone since the operation began, or began anew.
    undone: u64,
    /// Steps whose undo has failed.
    left: u64,
    /// Of the steps before this one, what was done is being undone, for this reason.
    undoing: Option<(usize, Undoing)>,
    /// How often it began anew, for whatever reason.
    begun_anew: u32,
    resumes: u32,
    rollbacks: u32,
}

/// What is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doing {
    /// Nothing yet.
    #[default]
    Nothing,
    Step,
    /// This one is undone.
    Undoing(usize),
    /// A write, and this comes after it.
    Writing(Act),
    /// A write: this step was undone.
    WritingUndone(usize),
    Waiting,
    Over,
}

/// Why steps are undone, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Undoing {
    failed: usize,
    /// Something was sent by then.
    sent: bool,
    times: u32,
    after: Span,
}

impl Course {
    /// Begins. `drawn` says for a step whether it is among the share of operations that make it: the same whenever it is asked.
    pub fn start<S: Borrow<Step>>(&mut self, plan: Plan<S>, drawn: impl FnMut(usize, f64) -> bool) -> Next {
        let act = self.flow.go_on_with(0, plan.steps, drawn);
        self.act(act, plan)
    }

    /// How often it began anew, for whatever reason: draws of steps go by it.
    pub fn begun_anew(&self) -> u32 {
        self.begun_anew
    }

    /// Begins where its journal has these steps, written by whoever made them before.
    pub fn take_up<S: Borrow<Step>>(
        &mut self,
        written: u64,
        plan: Plan<S>,
        drawn: impl FnMut(usize, f64) -> bool,
    ) -> Next {
        self.written = written;
        let act = self.flow.go_on_with(written, plan.steps, drawn);
        self.act(act, plan)
    }

    /// Steps that have succeeded since they were made last, as far as is known.
    pub fn succeeded(&self) -> u64 {
        self.flow.succeeded
    }

    /// Steps that the journal has.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// True if an undo has failed: that is left for a person.
    pub fn is_left(&self) -> bool {
        self.left != 0
    }

    /// True if something is being written to the journal.
    pub fn is_writing(&self) -> bool {
        matches!(self.doing, Doing::Writing(_) | Doing::WritingUndone(_))
    }

    /// The step that was asked for has succeeded, or failed with this outcome as its last ([`Outcome::Open`]: nothing was sent).
    pub fn on_end<S: Borrow<Step>>(
        &mut self,
        ended: Result<(), Outcome>,
        plan: Plan<S>,
        drawn: impl FnMut(usize, f64) -> bool,
    ) -> Next {
        if let Doing::Undoing(step) = self.doing {
            return self.undone(step, ended.is_ok(), plan);
        }
        let step = self.flow.next as usize - 1;
        let act = self.flow.on_end(ended, plan.steps, drawn);
        let Err(outcome) = ended else {
            let is_written_later = plan.steps[step].borrow().committed_with.is_some();
            if plan.journal != Journal::EachStep || is_written_later {
                return self.act(act, plan);
            }
            self.writing = 1 << step | committed_with(plan.steps, step) & self.flow.succeeded;
            self.doing = Doing::Writing(act);
            return Next::Write;
        };
        // What was to be written with it, is rolled back.
        self.flow.succeeded &= !committed_with(plan.steps, step);
        if act != Act::Over(Err(step)) {
            if matches!(plan.steps[step].borrow().on_failure, OnFailure::StartOver { .. }) {
                self.begun_anew += 1;
                self.written = 0;
            }
            return self.act(act, plan);
        }
        let sent = outcome != Outcome::Open;
        match &plan.steps[step].borrow().on_failure {
            OnFailure::Compensate(how) => self.compensate(step, sent, *how, plan),
            OnFailure::Resume(how) if self.resumes < how.times && how.on.contains(outcome) => {
                self.resumes += 1;
                self.doing = Doing::Waiting;
                Next::Wait(how.after)
            }
            OnFailure::Resume(how) => match how.then {
                Some(then) => self.compensate(step, sent, then, plan),
                None => self.act(act, plan),
            },
            _ => self.act(act, plan),
        }
    }

    /// What was to be written to the journal is there, or lost.
    pub fn on_written<S: Borrow<Step>>(&mut self, is_kept: bool, plan: Plan<S>) -> Next {
        if is_kept {
            self.written = (self.written | self.writing) & !self.erasing;
        }
        (self.writing, self.erasing) = (0, 0);
        match self.doing {
            Doing::Writing(Act::Over(ended)) => {
                self.doing = Doing::Over;
                Next::Over(ended)
            }
            Doing::Writing(act) => self.act(act, plan),
            Doing::WritingUndone(step) => self.undo_before(step, plan),
            doing => unreachable!("nothing is written while {doing:?}"),
        }
    }

    /// It has waited as long as it had to.
    pub fn on_wake<S: Borrow<Step>>(&mut self, plan: Plan<S>, drawn: impl FnMut(usize, f64) -> bool) -> Next {
        let known = if plan.journal == Journal::None { 0 } else { self.flow.succeeded };
        self.rollbacks += u32::from(self.undoing.is_some());
        self.go_on_with(known, plan, drawn)
    }

    /// Its client has crashed. What it knows is what its journal keeps.
    pub fn crash(&mut self, journal: Journal) {
        (self.writing, self.erasing) = (0, 0);
        if journal != Journal::EachStep {
            self.written = 0;
        }
        self.flow.succeeded = self.written;
        self.undone = 0;
        if journal != Journal::EachStep {
            self.undoing = None;
        }
        if self.doing != Doing::Nothing {
            self.doing = Doing::Waiting;
        }
    }

    /// Its client is back, or another one has taken over.
    pub fn restart<S: Borrow<Step>>(&mut self, plan: Plan<S>, drawn: impl FnMut(usize, f64) -> bool) -> Next {
        match (self.doing, self.undoing) {
            (Doing::Nothing, _) => self.start(plan, drawn),
            (_, Some((before, _))) => {
                self.begun_anew += 1;
                self.undo_before(before, plan)
            }
            _ => self.go_on_with(self.written, plan, drawn),
        }
    }

    fn go_on_with<S: Borrow<Step>>(
        &mut self,
        known: u64,
        plan: Plan<S>,
        drawn: impl FnMut(usize, f64) -> bool,
    ) -> Next {
        self.begun_anew += 1;
        (self.undone, self.undoing) = (0, None);
        let act = self.flow.go_on_with(known, plan.steps, drawn);
        self.act(act, plan)
    }

    fn act<S>(&mut self, act: Act, plan: Plan<S>) -> Next {
        match act {
            Act::Call(step) => {
                self.doing = Doing::Step;
                Next::Call(step)
            }
            Act::Over(Ok(())) if plan.journal == Journal::AfterRun => {
                self.doing = Doing::Writing(act);
                Next::Write
            }
            Act::Over(ended) => {
                self.doing = Doing::Over;
                Next::Over(ended)
            }
        }
    }

    fn compensate<S: Borrow<Step>>(&mut self, failed: usize, sent: bool, how: Compensate, plan: Plan<S>) -> Next {
        let Compensate { times, after } = how;
        self.undoing = Some((plan.steps.len(), Undoing { failed, sent, times, after }));
        self.undo_before(plan.steps.len(), plan)
    }

    /// Of the steps before this one, the last is undone that there is anything to undo of.
    fn undo_before<S: Borrow<Step>>(&mut self, before: usize, plan: Plan<S>) -> Next {
        let (_, why) = self.undoing.expect("it is undoing");
        for step in (0..before).rev() {
            let undo = plan.steps.iter().enumerate().find_map(|(number, undo)| match undo.borrow().when {
                When::Undoing { step: of, if_sent } if of == step => Some((number, if_sent)),
                _ => None,
            });
            let Some((undo, if_sent)) = undo else { continue };
            let is_done = self.flow.succeeded & 1 << step != 0 || if_sent && why.sent && step == why.failed;
            if is_done && (self.undone | self.left) & 1 << step == 0 {
                self.undoing = Some((step + 1, why));
                self.doing = Doing::Undoing(step);
                return Next::Call(undo);
            }
        }
        self.undoing = Some((0, why));
        if self.rollbacks < why.times {
            self.doing = Doing::Waiting;
            return Next::Wait(why.after);
        }
        self.doing = Doing::Over;
        Next::Over(Err(why.failed))
    }

    /// A step has been undone, or could not be.
    fn undone<S: Borrow<Step>>(&mut self, step: usize, is_undone: bool, plan: Plan<S>) -> Next {
        if is_undone && !plan.lists_undone {
            self.undone |= 1 << step;
            self.flow.succeeded &= !(1 << step);
            if plan.journal == Journal::EachStep {
                self.erasing = 1 << step;
                self.doing = Doing::WritingUndone(step);
                return Next::Write;
            }
        } else if is_undone {
            self.undone |= 1 << step;
        } else {
            self.left |= 1 << step;
        }
        self.undo_before(step, plan)
    }
}

/// The steps whose entries are written with that of this one.
fn committed_with<S: Borrow<Step>>(steps: &[S], with: usize) -> u64 {
    let is_with = |(_, step): &(usize, &S)| (*step).borrow().committed_with == Some(with);
    steps.iter().enumerate().filter(is_with).map(|(number, _)| 1 << number).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Resume;
    use crate::retry::{OutcomeClass, OutcomeSet};

    const ERROR: Outcome = Outcome::Status(500);

    /// What happens to a course.
    #[derive(Clone, Copy, Debug)]
    enum Now {
        Ok,
        Fails,
        Unsent,
        Written,
        WriteLost,
        Wakes,
        Crash,
    }
    use Now::*;

    fn step(on_failure: OnFailure) -> Step {
        Step { on_failure, ..Step::default() }
    }

    fn undo(step: usize) -> Step {
        Step { when: When::Undoing { step, if_sent: false }, ..Step::default() }
    }

    fn resume(times: u32, then: Option<Compensate>) -> OnFailure {
        let on = OutcomeSet::new(vec![OutcomeClass::Any]);
        OnFailure::Resume(Box::new(Resume { on, after: Span::secs(1), times, then }))
    }

    fn compensate() -> OnFailure {
        OnFailure::Compensate(Compensate::default())
    }

    /// Plays a course, and writes what it does: numbers are steps, `w` a write, `t` a wait, `+` and `-n` its end.
    fn check(steps: &[Step], journal: Journal, lists_undone: bool, events: &[Now], expected: &str) {
        let plan = Plan { steps, journal, lists_undone };
        let drawn = |_, _| true;
        let mut course = Course::default();
        let mut told = String::new();
        let mut next = course.start(plan, drawn);
        let mut tell = |next: Next| {
            told.push_str(&match next {
                Next::Call(step) => format!("{step}"),
                Next::Write => "w".to_owned(),
                Next::Wait(_) => "t".to_owned(),
                Next::Over(Result::Ok(())) => "+".to_owned(),
                Next::Over(Err(step)) => format!("-{step}"),
            });
        };
        tell(next);
        for event in events {
            next = match event {
                Ok => course.on_end(Result::Ok(()), plan, drawn),
                Fails => course.on_end(Err(ERROR), plan, drawn),
                Unsent => course.on_end(Err(Outcome::Open), plan, drawn),
                Written => course.on_written(true, plan),
                WriteLost => course.on_written(false, plan),
                Wakes => course.on_wake(plan, drawn),
                Crash => {
                    course.crash(journal);
                    course.restart(plan, drawn)
                }
            };
            tell(next);
        }
        assert_eq!(told, expected, "{steps:?} {journal:?} {events:?}");
    }

    #[test]
    fn what_is_known_is_not_made_again() {
        let steps = [step(resume(2, None)), step(resume(2, None)), step(resume(2, None))];
        let run = |journal, events: &[Now], expected: &str| check(&steps, journal, false, events, expected);
        run(Journal::Memory, &[Ok, Fails, Wakes, Ok, Ok], "01t12+");
        run(Journal::None, &[Ok, Fails, Wakes, Ok, Ok, Ok], "01t012+");
        run(Journal::Memory, &[Ok, Fails, Wakes, Fails, Wakes, Fails], "01t1t1-1");
        run(Journal::EachStep, &[Ok, Written, Fails, Wakes, Ok, Written, Ok, Written], "0w1t1w2w+");
        run(Journal::AfterRun, &[Ok, Ok, Ok, Written], "012w+");
    }

    #[test]
    fn a_crash_leaves_what_is_written() {
        let steps = [step(OnFailure::Stop), step(OnFailure::Stop), step(OnFailure::Stop)];
        let run = |journal, events: &[Now], expected: &str| check(&steps, journal, false, events, expected);
        run(Journal::Memory, &[Ok, Crash, Ok, Ok, Ok], "01012+");
        run(Journal::EachStep, &[Ok, Written, Crash, Ok, Written, Ok, Written], "0w11w2w+");
        // Before it is written, or where the write was lost.
        run(Journal::EachStep, &[Ok, Crash, Ok, Written], "0w0w1");
        run(Journal::EachStep, &[Ok, WriteLost, Ok, Written, Crash], "0w1w20");
        run(Journal::EachStep, &[Ok, Written, Ok, Written, Ok, Written], "0w1w2w+");
        run(Journal::AfterRun, &[Ok, Ok, Ok, Crash], "012w0");
    }

    #[test]
    fn what_was_done_is_undone_the_last_first() {
        let steps = [step(compensate()), step(compensate()), step(compensate()), undo(0), undo(1)];
        let run = |journal, events: &[Now], expected: &str| check(&steps, journal, false, events, expected);
        run(Journal::Memory, &[Ok, Ok, Ok], "012+");
        run(Journal::Memory, &[Ok, Ok, Fails, Ok, Ok], "01243-2");
        run(Journal::Memory, &[Ok, Fails, Ok], "013-1");
        run(Journal::Memory, &[Fails], "0-0");
        // One that fails is left, and the next one is made.
        run(Journal::Memory, &[Ok, Ok, Fails, Fails, Ok], "01243-2");
        // A crash in the middle: with a journal it goes on, without one it forgets that it was undoing.
        let before = [Ok, Written, Ok, Written, Fails];
        let with = |after: &[Now]| [&before[..], after].concat();
        run(Journal::EachStep, &with(&[Crash, Ok, Written, Ok, Written]), "0w1w244w3w-2");
        run(Journal::EachStep, &with(&[Ok, Written, Crash, Ok, Written]), "0w1w24w33w-2");
        run(Journal::EachStep, &with(&[Ok, Crash, Ok, Written, Ok]), "0w1w24w4w3w");
        run(Journal::Memory, &[Ok, Ok, Fails, Ok, Crash, Ok], "0124301");
    }

    #[test]
    fn what_was_sent_may_be_undone_too() {
        let if_sent = Step { when: When::Undoing { step: 1, if_sent: true }, ..Step::default() };
        let steps = [step(compensate()), step(compensate()), undo(0), if_sent];
        check(&steps, Journal::Memory, false, &[Ok, Fails, Ok, Ok], "0132-1");
        check(&steps, Journal::Memory, false, &[Ok, Unsent, Ok], "012-1");
    }

    #[test]
    fn what_was_undone_is_made_anew_unless_it_stays_listed() {
        let again = || OnFailure::Compensate(Compensate { times: 1, after: Span::secs(60) });
        let steps = [step(again()), step(again()), undo(0)];
        check(&steps, Journal::Memory, false, &[Ok, Fails, Ok, Wakes, Ok, Ok], "012t01+");
        check(&steps, Journal::Memory, true, &[Ok, Fails, Ok, Wakes, Ok], "012t1+");
        check(&steps, Journal::Memory, false, &[Ok, Fails, Ok, Wakes, Ok, Fails, Ok], "012t012-1");
        let last = [step(OnFailure::Stop), step(resume(1, Some(Compensate::default()))), undo(0)];
        check(&last, Journal::Memory, false, &[Ok, Fails, Wakes, Fails, Ok], "01t12-1");
    }

    #[test]
    fn a_transaction_is_rolled_back() {
        let with = Step { committed_with: Some(1), ..step(OnFailure::Stop) };
        let steps = [with, step(resume(1, None)), step(OnFailure::Stop)];
        let run = |journal, events: &[Now], expected: &str| check(&steps, journal, false, events, expected);
        run(Journal::EachStep, &[Ok, Fails, Wakes, Ok, Ok, Written], "01t01w2");
        run(Journal::Memory, &[Ok, Fails, Wakes, Ok, Ok, Ok], "01t012+");
        run(Journal::EachStep, &[Ok, Crash], "010");
        run(Journal::EachStep, &[Ok, Ok, Written, Crash], "01w22");
    }
}
