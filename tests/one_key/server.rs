//! The server, from the network to its workers: faults, the door, the queue.

use simlab::protocol::Outcome;
use simlab::scenario::{Asked, LockOnFailure, Stores};

use super::super::world::{Fate, Ns, Wrong};
use super::{Life, Record, Stage, What, Who};

impl Life<'_> {
    pub(super) fn edge(&mut self, window: usize) {
        let window = self.world.windows[window];
        let begins = self.now == window.from;
        match window.what {
            Wrong::Crash if begins => self.crash(),
            Wrong::Forgets if begins => {
                for record in &mut self.records {
                    let reply = record.reply.map_or(0, |reply| reply.until);
                    let lock = record.lock.map_or(0, |lock| lock.until);
                    let stored_at = record.stored_at;
                    *record = Record { forgotten: reply.max(lock), stored_at, ..Record::default() };
                }
            }
            Wrong::Freeze if begins => {
                self.frozen_since.get_or_insert(self.now);
            }
            Wrong::Freeze if !self.is(Wrong::Freeze) => {
                let stood_still = self.now - self.frozen_since.take().expect("it froze");
                let of_workers = self.dues.iter_mut().filter(|due| due.what.is_of_workers());
                of_workers.for_each(|due| due.at += stood_still);
                self.take_up();
            }
            _ => {}
        }
    }

    fn crash(&mut self) {
        self.queue.clear();
        for attempt in 0..self.attempts.len() {
            let own = &self.attempts[attempt];
            if own.stage == Stage::Away {
                continue;
            }
            let unsaid = own.keyed && own.effect_made && !own.stored && self.is_kept(attempt);
            self.seen.crash_in_the_window |= unsaid;
            self.leave(attempt);
            self.answer(attempt, Outcome::Reset);
        }
    }

    pub(super) fn arrive(&mut self, attempt: usize) {
        if self.attempts[attempt].cancelled {
            return;
        }
        let everybodys = self.wrong().find_map(|wrong| if let Wrong::All(fate) = wrong { Some(fate) } else { None });
        let fate = *self.attempts[attempt].fate.get_or_insert(everybodys.unwrap_or(Fate::Fine));
        match fate {
            _ if self.is(Wrong::Crash) => return self.answer(attempt, Outcome::Refused),
            Fate::Refused => return self.answer(attempt, Outcome::Refused),
            Fate::LostRequest => return,
            Fate::Reset => return self.answer(attempt, Outcome::Reset),
            _ => {}
        }
        self.attempts[attempt].came = self.now;
        match self.world.store.asked {
            Asked::First => {
                self.attempts[attempt].stage = Stage::AtTheDoor;
                self.looked_up(attempt);
            }
            Asked::ByWorker => self.come_in(attempt),
        }
    }

    /// Behind the store, if that is asked first.
    pub(super) fn come_in(&mut self, attempt: usize) {
        if let Some(Fate::Error(status)) = self.attempts[attempt].fate {
            return self.turn_away(attempt, status);
        }
        self.queue.push_back(attempt);
        self.attempts[attempt].stage = Stage::Queued;
        self.take_up();
        if self.world.server.queue.is_some_and(|places| self.queue.len() > places as usize) {
            self.queue.pop_back();
            self.turn_away(attempt, 503);
        }
    }

    /// An end like others where the store has been asked first.
    fn turn_away(&mut self, attempt: usize, status: u16) {
        if self.attempts[attempt].admitted && self.attempts[attempt].keyed {
            let on_failure = self.world.store.lock.as_ref().map(|lock| lock.on_failure);
            if self.world.store.stores == Stores::Everything {
                self.store(attempt, status);
            } else if on_failure == Some(LockOnFailure::Free) {
                self.free(attempt);
            }
        }
        self.leave(attempt);
        self.answer(attempt, Outcome::Status(status));
    }

    /// Workers that are free take up who waits longest.
    pub(super) fn take_up(&mut self) {
        while self.frozen_since.is_none() {
            let idle = [Stage::Away, Stage::AtTheDoor, Stage::Queued];
            let busy = self.attempts.iter().filter(|own| !idle.contains(&own.stage)).count();
            if self.world.server.workers.is_some_and(|workers| busy >= workers as usize) {
                return;
            }
            let Some(attempt) = self.queue.pop_front() else { return };
            match self.attempts[attempt].admitted {
                true => self.work(attempt),
                false => self.access(attempt, Stage::LookingUp),
            }
        }
    }

    pub(super) fn cancel(&mut self, attempt: usize) {
        self.attempts[attempt].cancelled = true;
        if self.attempts[attempt].stage == Stage::Away {
            return;
        }
        self.queue.retain(|other| *other != attempt);
        if self.attempts[attempt].locked_until.is_some() {
            self.free(attempt);
        }
        self.leave(attempt);
        self.take_up();
    }

    /// It is not at the server any more.
    pub(super) fn leave(&mut self, attempt: usize) {
        self.forget_plans(Who::Attempt(attempt), What::is_of_workers);
        let own = &mut self.attempts[attempt];
        own.stage = Stage::Away;
        let demanded = |instant: Ns| instant.min(self.world.duration);
        self.presence += demanded(self.now) - demanded(own.came);
    }

    pub(super) fn answer(&mut self, attempt: usize, outcome: Outcome) {
        self.plan(self.leg(), Who::Attempt(attempt), What::ReplyArrives(outcome));
    }
}
