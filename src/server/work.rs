//! What workers do: take work up, ask the store, end it, and answer.

use super::idempotency::{Admission, record};
use super::job::{Awaited, Job, Keyed, Place};
use super::{Floor, Output, Server, answer};
use crate::fault::Fate;
use crate::protocol::Outcome;
use crate::rng::Purpose;
use crate::scenario::{Discipline, WhenDown};
use crate::units::{SimTime, Span};

impl Server<'_> {
    /// A completion that was announced is due. Does nothing if the attempt has been cancelled, frozen or reset since.
    #[inline(always)]
    pub fn complete(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        // Times are compared, not counters: an entry is stale unless the attempt ends exactly now.
        let Some(job) = floor.jobs.get_mut(id) else { return };
        if job.place != Place::InService || job.ends != now || self.in_force.frozen {
            return;
        }
        if self.has_more_to_do {
            return self.complete_stage(now, id, floor);
        }
        self.completions += 1;
        self.leave_worker(now, job);
        let ending = Ending::of(job, None);
        if job.keyed == Keyed::Known {
            let record = record(&mut self.records, job.row);
            // A store that is down is told nothing: the lock runs out.
            match self.in_force.store_down {
                true => record.orphan(id),
                false => record.end(now, id, ending.reply(), &self.config.idempotency),
            }
        }
        self.send(id, job, ending, None, floor.out);
        if self.waiting.len() > 0 {
            self.fill(now, floor);
        }
    }

    /// What leaves the server where work ends that was begun `below` with other calls, or with none.
    #[inline(always)]
    pub(super) fn send(&self, id: u32, job: &mut Job, ending: Ending, below: Option<Outcome>, out: &mut Vec<Output>) {
        let Ending { status, executed, sent } = ending;
        match sent {
            Sent::Reply => {
                // A hint that came with the failure of a call is passed on.
                let passed = below.and_then(|_| job.retry_after());
                let hint = passed.or_else(|| self.retry_after(status, job.key, job.attempt));
                job.answer(Outcome::Status(status), hint);
                out.push(Output::Answer { job: id, executed });
            }
            Sent::Reset => {
                job.answer(Outcome::Reset, None);
                out.push(Output::Answer { job: id, executed });
            }
            Sent::Nothing => out.push(Output::Gone { job: id, executed }),
        }
    }

    /// The calls that a worker waited for have succeeded, or failed, so that this status and hint is the answer.
    pub fn calls_over(&mut self, now: SimTime, id: u32, failed: Option<(u16, Option<Span>)>, floor: &mut Floor) {
        let job = &mut floor.jobs[id];
        assert!(job.place == Place::InService && job.ends == SimTime::NEVER, "a worker waits for them");
        let (status, hint) = failed.unwrap_or((200, None));
        job.answer(Outcome::Status(status), hint);
        if self.in_force.frozen {
            // It goes on when the workers do.
            job.ends = self.frozen_since;
            return;
        }
        job.ends = now;
        self.complete(now, id, floor);
    }

    /// Free workers take up what waits.
    pub(super) fn fill(&mut self, now: SimTime, floor: &mut Floor) {
        while self.has_free_worker() {
            let next = match self.config.discipline {
                Discipline::Fifo => self.waiting.first(),
                Discipline::Lifo => self.waiting.last(),
            };
            let Some(id) = next else { return };
            self.leave_queue(now, id, floor.jobs);
            self.take_up(now, id, floor);
        }
    }

    /// A free worker takes the attempt up: it may be dropped, answered from the store, or worked on.
    #[inline(always)]
    pub(super) fn take_up(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let job = &mut floor.jobs[id];
        if job.awaited == Awaited::Cancelled && self.config.drop_expired {
            self.end_unworked(now, id, None, floor);
            floor.out.push(Output::Gone { job: id, executed: false });
            return;
        }
        if self.in_stages {
            return self.take_up_in_stages(now, id, floor);
        }
        if job.keyed != Keyed::Passes && self.answer_from_store(now, id, floor) {
            return;
        }
        let job = &mut floor.jobs[id];
        let service = self.config.service_time.sample(&mut self.draws(job, Purpose::Service));
        let service = if self.in_force.slowdown == 1.0 { service } else { service.scaled(self.in_force.slowdown) };
        self.occupy(now, id, now + service, floor);
    }

    /// A worker is busy with an attempt from now on, until then as far as is known.
    #[inline(always)]
    pub(super) fn occupy(&mut self, now: SimTime, id: u32, at: SimTime, floor: &mut Floor) {
        let job = &mut floor.jobs[id];
        let arrived = job.since;
        job.place = Place::InService;
        (job.since, job.ends) = (now, at);
        job.ahead = self.begun;
        self.begun = self.begun.wrapping_add(1);
        self.working += 1;
        floor.out.push(Output::Started { job: id, arrived, at });
    }

    /// True if the store knows the answer, or that another try holds the key, or misses one. If not, work for the key begins.
    #[inline(always)]
    fn answer_from_store(&mut self, now: SimTime, id: u32, floor: &mut Floor) -> bool {
        let Job { row, keyed, .. } = floor.jobs[id];
        if keyed == Keyed::Missing {
            let rules = self.config.idempotency.rules();
            let status = rules.and_then(|rules| rules.missing_key).expect("only what is required is missing");
            self.tell_what_is_stored(id, status, false, floor);
            return true;
        }
        if self.in_force.store_down {
            if self.config.idempotency.rules().is_some_and(|rules| rules.when_down == WhenDown::Open) {
                floor.jobs[id].keyed = Keyed::Passes;
                return false;
            }
            self.tell_what_is_stored(id, 503, false, floor);
            return true;
        }
        match record(&mut self.records, row).begin(now, id, &self.config.idempotency) {
            Admission::Work => false,
            Admission::Replay(status) => {
                self.tell_what_is_stored(id, status, true, floor);
                true
            }
            Admission::Conflict(status) => {
                self.tell_what_is_stored(id, status, false, floor);
                true
            }
        }
    }

    /// No work for an attempt: its reply is known, or is that another try holds the key.
    #[inline(never)]
    fn tell_what_is_stored(&self, id: u32, status: u16, replay: bool, floor: &mut Floor) {
        let job = &floor.jobs[id];
        let sent = if replay { Sent::of_replay(job.fate) } else { Sent::Reply };
        floor.out.push(Output::TakenUp { arrived: job.since });
        match sent {
            Sent::Nothing => floor.out.push(Output::Gone { job: id, executed: false }),
            Sent::Reset => answer(floor, id, Outcome::Reset, None),
            Sent::Reply => {
                let hint = self.retry_after(status, job.key, job.attempt);
                answer(floor, id, Outcome::Status(status), hint);
            }
        }
    }

    /// A worker is free again.
    pub(super) fn leave_worker(&mut self, now: SimTime, job: &mut Job) {
        job.place = Place::Elsewhere;
        self.working -= 1;
        self.worked += u128::from(self.window.overlap(job.since, now).0);
    }
}

/// How work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// What would be answered; 0 of work that hangs.
    pub status: u16,
    /// With an effect.
    pub executed: bool,
    pub sent: Sent,
}

impl Ending {
    /// By its fate, and by how the calls ended that were made for it, if any were.
    #[inline(always)]
    pub(super) fn of(job: &Job, below: Option<Outcome>) -> Ending {
        let (mut status, mut executed, sent) = match job.fate {
            Fate::Hang => (0, false, Sent::Nothing),
            Fate::LostFailure(status) => (status, false, Sent::Nothing),
            Fate::ResetFailure(status) => (status, false, Sent::Reset),
            Fate::Failure(status) => (status, false, Sent::Reply),
            Fate::LateError(status) => (status, true, Sent::Reply),
            Fate::LostReply => (200, true, Sent::Nothing),
            Fate::LateReset => (200, true, Sent::Reset),
            // The others never get here.
            Fate::Success | Fate::Refused | Fate::LostRequest | Fate::Reset | Fate::Error(_) => {
                (200, true, Sent::Reply)
            }
        };
        if let Some(Outcome::Status(failed @ 300..)) = below {
            (status, executed) = (failed, false);
        }
        Ending { status, executed, sent }
    }

    /// True if it is a reply that says so.
    pub(super) fn is_success(self) -> bool {
        self.executed && (200..300).contains(&self.status)
    }

    /// What there is to store: nothing of work that hangs.
    #[inline(always)]
    pub(super) fn reply(self) -> Option<(u16, bool)> {
        (self.status != 0).then_some((self.status, self.executed))
    }
}

/// What leaves the server where work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Reply,
    /// The connection breaks.
    Reset,
    Nothing,
}

impl Sent {
    /// What becomes of a stored reply, by the fate of the attempt that it answers.
    pub(super) fn of_replay(fate: Fate) -> Sent {
        match fate {
            Fate::LostReply | Fate::LostFailure(_) => Sent::Nothing,
            Fate::LateReset | Fate::ResetFailure(_) => Sent::Reset,
            _ => Sent::Reply,
        }
    }
}

/// A worker's own time is over: true if it makes calls now, as it does where the work would succeed so far.
#[inline(never)]
pub(super) fn begins_calls(id: u32, job: &mut Job, out: &mut Vec<Output>) -> bool {
    let calls = matches!(job.fate, Fate::Success | Fate::LateError(_) | Fate::LostReply | Fate::LateReset);
    if !calls || job.reply != Outcome::Open {
        return false;
    }
    job.ends = SimTime::NEVER;
    out.push(Output::Calls { job: id });
    true
}
