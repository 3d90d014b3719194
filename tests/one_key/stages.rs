//! Workers, stage by stage, and the store that they ask.

use simlab::protocol::Outcome;
use simlab::retry::KeyMode;
use simlab::scenario::{FreedBy, LockOnFailure, OnConflict, Same, Stores, WhenDown};

use super::super::world::{Fate, Lock, Ns, Wrong};
use super::{Held, Life, NEVER, Record, Reply, Stage, What, Who};

impl Life<'_> {
    fn enter(&mut self, attempt: usize, stage: Stage, takes: Ns) {
        self.attempts[attempt].stage = stage;
        self.plan(self.now + takes, Who::Attempt(attempt), What::StageOver);
    }

    pub(super) fn access(&mut self, attempt: usize, stage: Stage) {
        let more: Ns = self.wrong().map(|wrong| if let Wrong::Slow(more) = wrong { more } else { 0 }).sum();
        self.enter(attempt, stage, self.world.store.access + more);
    }

    pub(super) fn stage_over(&mut self, attempt: usize) {
        match self.attempts[attempt].stage {
            Stage::LookingUp => self.looked_up(attempt),
            Stage::Locking => self.lock(attempt),
            Stage::Waiting => self.access(attempt, Stage::LookingUp),
            Stage::Working => self.worked(attempt),
            Stage::Storing => {
                let status = self.status(attempt).expect("hangs are not stored");
                self.store(attempt, status);
                self.finish(attempt);
            }
            Stage::Freeing => {
                self.free(attempt);
                self.finish(attempt);
            }
            stage @ (Stage::Away | Stage::AtTheDoor | Stage::Queued) => {
                unreachable!("{stage:?} is no stage of a worker")
            }
        }
    }

    pub(super) fn record(&mut self, attempt: usize) -> &mut Record {
        let operation = self.attempts[attempt].operation;
        let again = self.world.again.map(|again| again.same);
        let own = match self.world.client.key {
            KeyMode::PerThing => false,
            KeyMode::PerAction => again == Some(Same::Thing),
            _ => true,
        };
        &mut self.records[if own { operation } else { 0 }]
    }

    /// True if both are what somebody wanted once.
    fn is_same_action(&self, one: usize, other: usize) -> bool {
        one == other || self.world.again.is_some_and(|again| again.same == Same::Key)
    }

    /// The store cannot be asked: true if that was the end of it.
    fn is_away(&mut self, attempt: usize) -> bool {
        if self.is(Wrong::Down) {
            match self.world.store.when_down {
                WhenDown::Closed => self.refuse(attempt, 503),
                WhenDown::Open => {
                    self.attempts[attempt].keyed = false;
                    self.go_on(attempt);
                }
            }
        }
        self.is(Wrong::Down)
    }

    pub(super) fn looked_up(&mut self, attempt: usize) {
        if self.is_away(attempt) {
            return;
        }
        let (now, operation) = (self.now, self.attempts[attempt].operation);
        self.attempts[attempt].looked_up = now;
        let record = self.record(attempt);
        let forgotten = record.forgotten;
        let reply = record.reply.filter(|reply| now < reply.until);
        let held = record.lock.filter(|held| now < held.until);
        self.seen.lost_entry |= reply.is_none() && held.is_none() && now < forgotten;
        match (reply, &self.world.store.lock) {
            (Some(reply), _) => match self.world.store.mismatch {
                Some(status) if !self.is_same_action(reply.operation, operation) => self.refuse(attempt, status),
                _ => self.replay(attempt, reply.status),
            },
            (None, None) => self.begin(attempt),
            (None, Some(lock)) if lock.atomic || self.is_at_the_door(attempt) => self.lock(attempt),
            (None, Some(_)) => self.access(attempt, Stage::Locking),
        }
    }

    fn lock(&mut self, attempt: usize) {
        if self.is_away(attempt) {
            return;
        }
        let lock = self.world.store.lock.as_ref().expect("it locks");
        let (now, operation) = (self.now, self.attempts[attempt].operation);
        if let Some(held) = self.record(attempt).lock.filter(|held| now < held.until) {
            return self.conflict(attempt, lock, held);
        }
        let until = lock.ttl.map_or(NEVER, |ttl| now + ttl);
        self.record(attempt).lock = Some(Held { by: attempt, until, operation });
        let looked_up = self.attempts[attempt].looked_up;
        self.seen.stale_read |= self.record(attempt).stored_at.is_some_and(|stored| looked_up < stored);
        self.seen.expired_lock |= self.attempts.iter().any(|other| {
            let at_work = matches!(other.stage, Stage::Working | Stage::Storing | Stage::Freeing);
            at_work && other.locked_until.is_some_and(|until| until <= now)
        });
        self.attempts[attempt].locked_until = Some(until);
        self.begin(attempt);
    }

    fn is_at_the_door(&self, attempt: usize) -> bool {
        self.attempts[attempt].stage == Stage::AtTheDoor
    }

    /// Nobody has the key, and no reply to it is known.
    fn begin(&mut self, attempt: usize) {
        self.go_on(attempt);
    }

    /// The store lets it pass.
    fn go_on(&mut self, attempt: usize) {
        match self.is_at_the_door(attempt) {
            true => {
                self.attempts[attempt].admitted = true;
                self.come_in(attempt);
            }
            false => self.work(attempt),
        }
    }

    fn conflict(&mut self, attempt: usize, lock: &Lock, held: Held) {
        let own = self.attempts[attempt].operation;
        match (self.world.store.mismatch, lock.on_conflict) {
            (Some(status), _) if !self.is_same_action(held.operation, own) => return self.refuse(attempt, status),
            (_, OnConflict::Refuse) => self.refuse(attempt, lock.conflict_status),
            (_, OnConflict::Wait(time)) => self.enter(attempt, Stage::Waiting, time.0),
        }
        self.seen.conflict = true;
    }

    pub(super) fn work(&mut self, attempt: usize) {
        let slower = self.wrong().map(|wrong| if let Wrong::Slowdown(times) = wrong { times } else { 1 });
        let takes = self.world.server.service * slower.product::<Ns>();
        let at = self.now + takes / 1_000 * self.world.server.effect_at;
        // On the list before the end of the work, with which it may come.
        self.plan(at, Who::Attempt(attempt), What::EffectDue);
        self.enter(attempt, Stage::Working, takes);
    }

    /// The status in which work ends; none of a hang.
    fn status(&self, attempt: usize) -> Option<u16> {
        match (self.attempts[attempt].fate, self.world.server.permanent) {
            (Some(Fate::Hang), _) => None,
            (_, Some(permanent)) => Some(permanent),
            (Some(Fate::Failure(status) | Fate::LateError(status)), None) => Some(status),
            _ => Some(200),
        }
    }

    /// True if it has an effect, now or later.
    fn has_effect(&self, attempt: usize) -> bool {
        let fails = matches!(self.attempts[attempt].fate, Some(Fate::Failure(_) | Fate::Hang));
        !fails && self.world.server.permanent.is_none()
    }

    /// True if such work is stored where it ends.
    pub(super) fn is_kept(&self, attempt: usize) -> bool {
        self.status(attempt).is_some_and(|status| match self.world.store.stores {
            Stores::Successes => status == 200,
            Stores::Effects => self.has_effect(attempt),
            Stores::Everything => true,
        })
    }

    pub(super) fn effect(&mut self, attempt: usize) {
        if self.has_effect(attempt) {
            self.attempts[attempt].effect_made = true;
            self.operations[self.attempts[attempt].operation].executions += 1;
            if self.world.store.with_effect && self.attempts[attempt].keyed && self.is_kept(attempt) {
                let status = self.status(attempt).expect("hangs have no effect");
                self.store(attempt, status);
            }
        }
    }

    fn worked(&mut self, attempt: usize) {
        let own = &self.attempts[attempt];
        let lock = self.world.store.lock.as_ref();
        if !own.keyed {
            self.finish(attempt);
        } else if self.is_kept(attempt) {
            if self.world.store.with_effect && own.effect_made {
                self.finish(attempt);
            } else {
                self.access(attempt, Stage::Storing);
            }
        } else if lock.is_some_and(|lock| lock.on_failure == LockOnFailure::Free) {
            self.access(attempt, Stage::Freeing);
        } else {
            self.finish(attempt);
        }
    }

    pub(super) fn store(&mut self, attempt: usize, status: u16) {
        if self.is(Wrong::Down) {
            return;
        }
        let (now, operation) = (self.now, self.attempts[attempt].operation);
        let until = now.saturating_add(self.world.store.retention);
        self.attempts[attempt].stored = true;
        let record = self.record(attempt);
        record.reply = Some(Reply { status, until, operation });
        record.stored_at = Some(now);
        self.free(attempt);
    }

    pub(super) fn free(&mut self, attempt: usize) {
        let Some(lock) = &self.world.store.lock else { return };
        let anyone = lock.freed_by == FreedBy::Anyone;
        if !self.is(Wrong::Down) {
            let held = &mut self.record(attempt).lock;
            *held = held.filter(|held| held.by != attempt && !anyone);
        }
    }

    /// The worker is done with it, and it is answered as its fate says.
    fn finish(&mut self, attempt: usize) {
        let status = self.status(attempt);
        self.say(attempt, status);
    }

    /// What is known is answered, and this answer too may be lost.
    fn replay(&mut self, attempt: usize, status: u16) {
        self.seen.replay = true;
        self.say(attempt, Some(status));
    }

    fn say(&mut self, attempt: usize, status: Option<u16>) {
        self.leave(attempt);
        match (self.attempts[attempt].fate, status) {
            (Some(Fate::LostReply), _) | (_, None) => {}
            (Some(Fate::LateReset), _) => self.answer(attempt, Outcome::Reset),
            (_, Some(status)) => self.answer(attempt, Outcome::Status(status)),
        }
        self.take_up();
    }

    /// No end of work: nothing is stored.
    fn refuse(&mut self, attempt: usize, status: u16) {
        self.leave(attempt);
        self.answer(attempt, Outcome::Status(status));
        self.take_up();
    }
}
