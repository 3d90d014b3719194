//! What is decided before anything is put down: whether a request gets in, and what it hears if not. And how its client reads what it hears.

use super::{Floor, Output, Server};
use crate::fault::Fate;
use crate::key::CallKey;
use crate::protocol::{Failure, HintFormat, Outcome, TurnedAway};
use crate::rng::Purpose;
use crate::scenario::{AbandonedWork, Scripted};
use crate::units::{SimTime, Span};

/// A request that reaches a server.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// With `attempt`, the key of the world's draws.
    pub key: CallKey,
    /// Its number within the call, from 1.
    pub attempt: u32,
    /// Which client sent it.
    pub client: u32,
    /// The server has heard that nobody waits for its reply, before it arrives.
    pub cancelled: bool,
}

/// What becomes of a request at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Let it [`Server::enter`], with this fate.
    Open(Fate),
    /// This reply leaves the server now, with this hint.
    Answer(Outcome, Option<Span>),
    /// No answer will ever come.
    Gone {
        /// False if it was lost on its way after all.
        arrived: bool,
    },
}

impl Server<'_> {
    /// A request arrives: what becomes of it at the door.
    #[inline(always)]
    pub fn knock(&mut self, now: SimTime, request: Request) -> Door {
        let mut fate = Fate::Success;
        if self.in_force.crashed {
            return Door::Answer(Outcome::Refused, None);
        }
        if self.has_fates || request.cancelled {
            fate = self.fate(request);
            if let Some(door) = self.stopped(fate, request) {
                return door;
            }
        }
        self.let_in(now, fate, request)
    }

    /// Does a request get as far as the server? With which fate, if it does.
    pub(super) fn reach(&self, request: Request) -> Result<Fate, Door> {
        if self.in_force.crashed {
            return Err(Door::Answer(Outcome::Refused, None));
        }
        let fate = self.fate(request);
        self.stopped(fate, request).map_or(Ok(fate), Err)
    }

    /// What becomes of a request that does not arrive, or that nobody waits for any more.
    #[inline(always)]
    fn stopped(&self, fate: Fate, request: Request) -> Option<Door> {
        match fate {
            Fate::Refused => Some(Door::Answer(Outcome::Refused, None)),
            Fate::Reset => Some(Door::Answer(Outcome::Reset, None)),
            Fate::LostRequest => Some(Door::Gone { arrived: false }),
            _ if request.cancelled && self.config.abandoned_work == AbandonedWork::Cancel => {
                Some(Door::Gone { arrived: true })
            }
            _ => None,
        }
    }

    /// And does it get in?
    #[inline(always)]
    pub(super) fn let_in(&mut self, now: SimTime, fate: Fate, request: Request) -> Door {
        if let Some(limiter) = &mut self.limiter
            && let Err(wait) = limiter.take(now, request.client)
        {
            return self.limit(wait, request);
        }
        if let Fate::Error(status) = fate {
            return Door::Answer(Outcome::Status(status), self.retry_after(status, request.key, request.attempt));
        }
        let has_place = self.has_free_worker() || self.config.queue.is_none_or(|places| self.waiting.len() < places);
        if has_place {
            return Door::Open(fate);
        }
        Door::Answer(self.config.when_full, self.hint_when_full(request.key, request.attempt))
    }

    /// Why a request has just been turned away at the door: looks at all that may do it, and takes nothing.
    pub fn why_turned_away(&self, now: SimTime, request: Request) -> TurnedAway {
        if self.in_force.crashed {
            return TurnedAway::Down;
        }
        let fate = if self.has_fates { self.fate(request) } else { Fate::Success };
        match fate {
            Fate::Refused | Fate::Reset => TurnedAway::Connection,
            _ if self.limiter.as_ref().is_some_and(|limiter| limiter.refuses(now, request.client)) => {
                TurnedAway::Limited
            }
            Fate::Error(_) => TurnedAway::InFront,
            _ => TurnedAway::Full,
        }
    }

    /// A request is not let in: it is answered, or gone. False if it never arrived.
    pub(super) fn turn_back(&self, id: u32, door: Door, floor: &mut Floor) -> bool {
        match door {
            Door::Open(_) => unreachable!("who finds the door open gets in"),
            Door::Answer(reply, retry_after) => {
                floor.jobs[id].answer(reply, retry_after);
                floor.out.push(Output::Answer { job: id, executed: false });
                true
            }
            Door::Gone { arrived } => {
                floor.out.push(Output::Gone { job: id, executed: false });
                arrived
            }
        }
    }

    /// What becomes of an attempt. Where nothing can go wrong, nothing is drawn.
    fn fate(&self, request: Request) -> Fate {
        let mut fate = Fate::Success;
        if self.in_force.has_fates() {
            let attempt = u64::from(request.attempt);
            fate = self.in_force.fate(self.streams.at(Purpose::Fate, request.key, attempt).unit());
        }
        if let Some(scripted) = self.scripted(request.attempt) {
            fate = scripted;
        }
        if self.in_force.has_permanent_errors() {
            let unit = self.streams.at(Purpose::PermanentError, request.key, 0).unit();
            if let Some(status) = self.in_force.permanent_error(unit) {
                fate = fate.failing(status);
            }
        }
        fate
    }

    /// What the script says about an attempt of this number.
    fn scripted(&self, attempt: u32) -> Option<Fate> {
        if attempt <= self.config.fail_first {
            return Some(Fate::Failure(503));
        }
        let scripted = self.config.script.get(attempt as usize - 1)?;
        Some(match scripted {
            Scripted::Ok => Fate::Success,
            Scripted::Status(status) => Fate::Failure(*status),
            Scripted::Refused => Fate::Refused,
            Scripted::LostRequest => Fate::LostRequest,
            Scripted::Reset => Fate::Reset,
            Scripted::Hang => Fate::Hang,
            Scripted::LostReply => Fate::LostReply,
            Scripted::LateReset => Fate::LateReset,
        })
    }

    /// The rate limiter has no token for an attempt, and will have one after this wait.
    #[inline(never)]
    fn limit(&self, wait: Span, request: Request) -> Door {
        let limit = self.config.rate_limit.as_ref().expect("what limits is configured");
        let wait = match self.config.retry_after_as {
            // A Retry-After header carries whole seconds (RFC 9110, section 10.2.3).
            HintFormat::Seconds => wait.up_to_whole(Span::secs(1)),
            HintFormat::Milliseconds => wait.up_to_whole(Span::millis(1)),
            HintFormat::Date | HintFormat::Reset => wait,
        };
        let hint = limit.retry_after.then_some(wait);
        Door::Answer(
            Outcome::Status(limit.status),
            hint.or_else(|| self.retry_after(limit.status, request.key, request.attempt)),
        )
    }

    /// A reply as its client reads it now: what it says, when to come back, and whether.
    #[inline(always)]
    pub fn read(&self, now: SimTime, outcome: Outcome, retry_after: Option<Span>) -> Failure {
        let format = self.config.retry_after_as;
        let mut failure = Failure { retry_after, format, ..Failure::new(outcome) };
        if matches!(format, HintFormat::Date | HintFormat::Reset) || !self.config.should_retry.is_empty() {
            self.read_more(now, &mut failure);
        }
        failure
    }

    /// A date is a whole second of the clock, which shows a whole second when a run begins.
    #[inline(never)]
    fn read_more(&self, now: SimTime, failure: &mut Failure) {
        if matches!(failure.format, HintFormat::Date | HintFormat::Reset) {
            let until = |wait| Span((now + wait).0).up_to_whole(Span::secs(1));
            failure.retry_after = failure.retry_after.map(|wait| Span(until(wait).0 - now.0));
        }
        let word =
            |status| self.config.should_retry.iter().find(|(with, _)| *with == status).map(|(_, should)| *should);
        failure.should_retry = match failure.outcome {
            Outcome::Status(status) => word(status),
            _ => None,
        };
    }
}
