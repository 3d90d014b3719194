//! Work in stages: a store that takes time for each access, or more than one of them, effects before the end of the work, rows that are read, written and
//! locked. A worker is held from the first stage to the last, and goes from one to the next with [`Server::complete`].

use super::idempotency::{Admission, record};
use super::job::{Job, Keyed, Place};
use super::rows::{Got, Ticket, Transaction};
use super::work::{Ending, Sent, begins_calls};
use super::{Door, Floor, Output, Request, Server, WHOLE};
use crate::key::CallKey;
use crate::protocol::{Met, Outcome};
use crate::rng::Purpose;
use crate::scenario::{LockConfig, LockOnFailure, OnConflict, RowUse, StoreRules, WhenDown, Writes};
use crate::units::{SimTime, Span};

/// What is known of an attempt at servers that work in stages, beside what every attempt has.
#[derive(Clone, Copy, Debug)]
pub struct Staged {
    /// What its user wants once: with another one it has a key in common, at most.
    pub action: CallKey,
    /// The operation.
    pub operation: CallKey,
    /// What its operation is about.
    pub thing: u32,
    /// The transaction that it is a part of, if it is one of a step.
    pub of: Option<Transaction>,
    /// What it does with the row of that.
    pub uses: RowUse,
    /// The version of the row that it goes by, once it has read one.
    pub version: Option<u32>,
    pub(super) stage: Stage,
    /// Work that is left after the effect.
    rest: Span,
    /// How long it waits for a row, and its place in line.
    pub(super) until: SimTime,
    pub(super) ticket: Option<Ticket>,
    /// It is at work on a row that its transaction has.
    pub(super) is_inside: bool,
    /// The store was asked at the door.
    admitted: bool,
    /// Whether its effect was made, once that is known; if not, with which status it was refused.
    effect: Option<Result<(), u16>>,
    /// Its reply was stored with its effect.
    stored: bool,
}

/// Where the work for an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The store is asked what it knows of the key.
    LookUp,
    /// The key is locked, in an access of its own.
    Lock,
    /// Another try holds the key: it is looked up again after this.
    Conflict,
    /// It waits for its row.
    Row,
    /// The row is its own.
    HasRow,
    /// Work, up to the effect.
    Before,
    /// Work, to its end.
    Work,
    /// The reply is stored, or the lock freed.
    Store,
}

/// For whom a key is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KnownFor {
    /// The action for which it was locked last.
    locked: CallKey,
    /// That whose reply is stored.
    stored: CallKey,
    /// The version of its row that the reply has told.
    version: Option<u32>,
}

/// What a store says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// Go on.
    GoOn,
    /// It knows nothing: lock the key.
    Lock,
    /// Answer this; `true`: it is what was stored.
    Answer(u16, bool),
    /// Ask again after this time.
    Later(Span),
}

impl Staged {
    /// An attempt on its way.
    pub fn new(
        (action, operation): (CallKey, CallKey),
        (thing, of): (u32, Option<Transaction>),
        uses: RowUse,
        version: Option<u32>,
    ) -> Staged {
        // What a step reads, it reads anew, and so does who looks first whether there is anything to do.
        let looks = !uses.reads.is_no() || uses.if_undone().is_some();
        let version = version.filter(|_| !looks);
        Staged {
            action,
            operation,
            ticket: None,
            is_inside: false,
            thing,
            of,
            uses,
            version,
            stage: Stage::Work,
            rest: Span::ZERO,
            until: SimTime::NEVER,
            admitted: false,
            effect: None,
            stored: false,
        }
    }

    /// It has its row, or works on that of its transaction.
    pub(super) fn has_got(&mut self, got: Got) {
        (self.ticket, self.is_inside) = (None, got == Got::Inside);
    }

    /// True if the effect was made before the work was over, or as it was.
    pub fn has_effect(&self) -> bool {
        self.effect == Some(Ok(()))
    }

    /// How work has ended whose last stage is over: as it was going to, unless the row was another one by then.
    pub(super) fn ended(&self, ending: Ending) -> Ending {
        match self.effect {
            Some(Err(status)) => Ending { status, executed: false, ..ending },
            Some(Ok(())) => Ending { executed: true, ..ending },
            None => Ending { executed: false, ..ending },
        }
    }

    /// True if the store has let it pass: from then on it may have a lock.
    pub(super) fn has_passed_store(&self) -> bool {
        !matches!(self.stage, Stage::LookUp | Stage::Lock | Stage::Conflict)
    }

    /// True if its work has ended, and the store is being told.
    pub fn is_being_stored(&self) -> bool {
        self.stage == Stage::Store
    }

    /// True if it waits for its row, or has just been given it: when workers have stood still, it asks at once.
    pub(super) fn waits_for_row(&self) -> bool {
        matches!(self.stage, Stage::Row | Stage::HasRow)
    }
}

impl Server<'_> {
    /// A worker takes the attempt up.
    pub(super) fn take_up_in_stages(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        match floor.jobs[id].keyed {
            Keyed::Missing => {
                let status = self.rules().missing_key.expect("only what is required is missing");
                self.answer_early(now, id, (status, false), floor);
            }
            Keyed::Known if !floor.staged(id).admitted => {
                let access = self.access();
                if access > Span::ZERO {
                    self.stand(now, id, Stage::LookUp, now + access, floor);
                } else {
                    self.ask(now, id, floor);
                }
            }
            _ => self.want_row(now, id, floor),
        }
    }

    /// A stage is over, or a worker's own time: what comes next, or the end of the work.
    #[inline(never)]
    pub(super) fn complete_stage(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let goes_on = match self.in_stages {
            true => self.goes_on(now, id, floor),
            false => begins_calls(id, &mut floor.jobs[id], floor.out),
        };
        if goes_on {
            return;
        }
        self.completions += 1;
        let job = &mut floor.jobs[id];
        self.leave_worker(now, job);
        let below = self.makes_calls.then_some(job.reply);
        let mut ending = Ending::of(job, below);
        let mut is_stored = false;
        if self.in_stages {
            let staged = floor.staged(id);
            ending = staged.ended(ending);
            is_stored = staged.stored;
        }
        let job = &floor.jobs[id];
        if job.keyed == Keyed::Known && !is_stored {
            // A store that is down is told nothing: the lock runs out.
            match self.in_force.store_down {
                true => record(&mut self.records, job.row).orphan(id),
                false => self.tell_store(now, id, ending.reply(), floor),
            }
        }
        // In stages, an effect was told when it was made.
        ending.executed &= !self.in_stages;
        self.send(id, &mut floor.jobs[id], ending, below, floor.out);
        if self.waiting.len() > 0 {
            self.fill(now, floor);
        }
    }

    /// A stage is over. False if that was the last.
    #[inline(never)]
    pub(super) fn goes_on(&mut self, now: SimTime, id: u32, floor: &mut Floor) -> bool {
        match floor.staged(id).stage {
            Stage::LookUp => self.ask(now, id, floor),
            Stage::Lock => self.lock(now, id, floor),
            Stage::Conflict if self.access() > Span::ZERO => {
                self.stand(now, id, Stage::LookUp, now + self.access(), floor);
            }
            Stage::Conflict => self.ask(now, id, floor),
            Stage::Row => self.wait_for_row(now, id, floor),
            Stage::HasRow => {
                floor.out.push(Output::Meets { job: id, met: Met::HasRow });
                self.work(now, id, floor);
            }
            Stage::Before => {
                self.make_effect(now, id, floor);
                let rest = floor.staged(id).rest;
                self.stand(now, id, Stage::Work, now + rest, floor);
            }
            Stage::Work => {
                let is_refused = matches!(floor.staged(id).effect, Some(Err(_)));
                if self.makes_calls && !is_refused && begins_calls(id, &mut floor.jobs[id], floor.out) {
                    return true;
                }
                self.make_effect(now, id, floor);
                self.end_transaction(now, id, floor);
                if !self.stores_after(id, floor) {
                    return false;
                }
                if !floor.staged(id).has_effect() {
                    floor.out.push(Output::Meets { job: id, met: Met::Ended });
                }
                self.stand(now, id, Stage::Store, now + self.access(), floor);
            }
            Stage::Store => return false,
        }
        if self.waiting.len() > 0 {
            // The stage may have ended with an answer.
            self.fill(now, floor);
        }
        true
    }

    /// A worker is held until the end of this stage.
    pub(super) fn stand(&mut self, now: SimTime, id: u32, stage: Stage, at: SimTime, floor: &mut Floor) {
        floor.staged_mut(id).stage = stage;
        let job = &mut floor.jobs[id];
        if job.place == Place::InService {
            job.ends = at;
            floor.out.push(Output::CompletionAt { job: id, at });
        } else {
            self.occupy(now, id, at, floor);
        }
    }

    fn rules(&self) -> StoreRules {
        self.config.idempotency.rules().expect("only who has a store is asked about keys")
    }

    /// Time of an access to the store.
    fn access(&self) -> Span {
        self.config.idempotency.rules().map_or(Span::ZERO, |rules| rules.access + self.in_force.store_slow)
    }

    /// The store has been asked what it knows of the key.
    fn ask(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let said = self.say(now, id, floor);
        self.do_as_said(now, id, said, floor);
    }

    /// The store has been asked to lock the key, whatever has come since it said that it knows nothing.
    fn lock(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let said = self.say_if_locked(now, id, floor);
        self.do_as_said(now, id, said, floor);
    }

    fn do_as_said(&mut self, now: SimTime, id: u32, said: Said, floor: &mut Floor) {
        match said {
            Said::GoOn => self.want_row(now, id, floor),
            Said::Lock => self.stand(now, id, Stage::Lock, now + self.access(), floor),
            Said::Answer(status, replay) => self.answer_early(now, id, (status, replay), floor),
            Said::Later(wait) => self.stand(now, id, Stage::Conflict, now + wait, floor),
        }
    }

    /// A store that is down says this.
    fn say_down(&self, id: u32, floor: &mut Floor) -> Said {
        floor.out.push(Output::Meets { job: id, met: Met::StoreDown });
        match self.rules().when_down {
            WhenDown::Closed => Said::Answer(503, false),
            WhenDown::Open => {
                floor.jobs[id].keyed = Keyed::Passes;
                Said::GoOn
            }
        }
    }

    /// What the store says of the key of an attempt.
    fn say(&mut self, now: SimTime, id: u32, floor: &mut Floor) -> Said {
        if self.in_force.store_down {
            return self.say_down(id, floor);
        }
        let (row, action) = (floor.jobs[id].row, floor.staged(id).action);
        let mismatch = self.rules().mismatch;
        let config = &self.config.idempotency;
        let known = record(&mut self.records, row);
        let of = self.known_for.get(row as usize).copied().unwrap_or_default();
        let is_stored = known.stored(now).is_some();
        let in_two = config.has_lock().is_some_and(|lock| !lock.atomic);
        if let Some(status) = mismatch
            && (is_stored || known.is_known(now) && !in_two)
            && action != if is_stored { of.stored } else { of.locked }
        {
            return Said::Answer(status, false);
        }
        if is_stored {
            // What a stored reply has said of a row, it says again.
            floor.staged_mut(id).version = of.version;
        }
        match config.has_lock() {
            // In two steps: who holds the lock is not looked at yet.
            Some(LockConfig { atomic: false, .. }) => match known.stored(now) {
                Some(status) => Said::Answer(status, true),
                None => Said::Lock,
            },
            _ => match known.begin(now, id, config) {
                Admission::Replay(status) => Said::Answer(status, true),
                Admission::Conflict(status) => self.say_conflict(id, status, floor),
                Admission::Work => self.begin_for_key(id, floor),
            },
        }
    }

    fn say_if_locked(&mut self, now: SimTime, id: u32, floor: &mut Floor) -> Said {
        if self.in_force.store_down {
            return self.say_down(id, floor);
        }
        let lock = self.config.idempotency.has_lock().expect("only a lock is locked");
        if let Some(status) = self.rules().mismatch {
            let (row, action) = (floor.jobs[id].row, floor.staged(id).action);
            if record(&mut self.records, row).is_held(now) && self.known_for(row).locked != action {
                return Said::Answer(status, false);
            }
        }
        match record(&mut self.records, floor.jobs[id].row).lock(now, id, lock) {
            Admission::Conflict(status) => self.say_conflict(id, status, floor),
            _ => self.begin_for_key(id, floor),
        }
    }

    fn say_conflict(&self, id: u32, status: u16, floor: &mut Floor) -> Said {
        if floor.staged(id).stage != Stage::Conflict {
            floor.out.push(Output::Meets { job: id, met: Met::Held });
        }
        match self.config.idempotency.has_lock().map(|lock| lock.on_conflict) {
            Some(OnConflict::Wait(wait)) => Said::Later(wait),
            _ => Said::Answer(status, false),
        }
    }

    /// Work for a key begins, that of this action.
    fn begin_for_key(&mut self, id: u32, floor: &mut Floor) -> Said {
        let met = if self.config.idempotency.has_lock().is_some() { Met::Locked } else { Met::Unknown };
        floor.out.push(Output::Meets { job: id, met });
        if self.remembers_whose() {
            let action = floor.staged(id).action;
            self.known_for(floor.jobs[id].row).locked = action;
        }
        Said::GoOn
    }

    /// True if it matters for whom a key is known.
    fn remembers_whose(&self) -> bool {
        self.rows.is_some() || self.rules().mismatch.is_some()
    }

    fn known_for(&mut self, row: u32) -> &mut KnownFor {
        let row = row as usize;
        if self.known_for.len() <= row {
            self.known_for.resize(row + 1, KnownFor::default());
        }
        &mut self.known_for[row]
    }

    /// The store is told how the work for a key has ended.
    pub(super) fn tell_store(&mut self, now: SimTime, id: u32, reply: Option<(u16, bool)>, floor: &mut Floor) {
        let row = floor.jobs[id].row;
        let is_kept = reply.is_some_and(|(status, executed)| self.rules().stores.keeps(status, executed));
        if is_kept && self.remembers_whose() {
            let Staged { action, version, .. } = *floor.staged(id);
            let of = self.known_for(row);
            (of.stored, of.version) = (action, version);
        }
        record(&mut self.records, row).end(now, id, reply, &self.config.idempotency);
    }

    /// The work itself begins, and reads its row.
    pub(super) fn work(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let staged = floor.staged_mut(id);
        let mut read = None;
        if let Some(rows) = self.rows.as_mut().filter(|_| !staged.uses.is_none()) {
            let version = *staged.version.get_or_insert_with(|| rows.version(staged.thing));
            if let Some(status) = staged.uses.if_undone()
                && version > 0
            {
                return self.end_without_work(now, id, (status, Met::RowDone), floor);
            }
            read = Some(Output::Meets { job: id, met: Met::Reads(version) });
        }
        let service = self.config.service_time.sample(&mut self.draws(&floor.jobs[id], Purpose::Service));
        let service = if self.in_force.slowdown == 1.0 { service } else { service.scaled(self.in_force.slowdown) };
        if self.config.effect_at < 1.0 {
            let before = service.scaled(self.config.effect_at);
            floor.staged_mut(id).rest = service - before;
            self.stand(now, id, Stage::Before, now + before, floor);
        } else {
            self.stand(now, id, Stage::Work, now + service, floor);
        }
        floor.out.extend(read);
    }

    /// The work ends before it begins, with this status and without effect.
    pub(super) fn end_without_work(&mut self, now: SimTime, id: u32, (status, met): (u16, Met), floor: &mut Floor) {
        floor.staged_mut(id).effect = Some(Err(status));
        self.stand(now, id, Stage::Work, now, floor);
        floor.out.push(Output::Meets { job: id, met });
    }

    /// The effect is made, if the work has one, and if its row is as it must be.
    fn make_effect(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let job = &floor.jobs[id];
        let Ending { status, executed, .. } = Ending::of(job, self.makes_calls.then_some(job.reply));
        let staged = &mut floor.beside.as_mut().expect(WHOLE).staged[id as usize];
        if !executed || staged.effect.is_some() {
            return;
        }
        let mut lost_update = false;
        if let Some(rows) = self.rows.as_mut().filter(|_| !staged.uses.writes.is_nothing()) {
            let read = staged.version.unwrap_or_default();
            if let Writes::IfUnchanged(status) = staged.uses.writes
                && read != rows.version(staged.thing)
            {
                staged.effect = Some(Err(status));
                floor.out.push(Output::Meets { job: id, met: Met::RowChanged });
                return;
            }
            lost_update =
                staged.uses.writes == Writes::Blind && rows.was_written_by_others(staged.thing, read, staged.operation);
            rows.write(staged.thing, staged.operation);
        }
        staged.effect = Some(Ok(()));
        floor.out.push(Output::Effect { job: id, lost_update });
        if job.keyed == Keyed::Known {
            let rules = self.config.idempotency.rules().expect("who knows keys has a store");
            if rules.with_effect && rules.stores.keeps(status, true) {
                staged.stored = true;
                if self.in_force.store_down {
                    // It is told nothing, then or later: the lock runs out.
                    record(&mut self.records, job.row).orphan(id);
                    return;
                }
                self.tell_store(now, id, Some((status, true)), floor);
                floor.out.push(Output::Meets { job: id, met: Met::Stored });
            }
        }
    }

    /// True if the store is told how the work has ended, in an access that takes time.
    fn stores_after(&self, id: u32, floor: &Floor) -> bool {
        let job = &floor.jobs[id];
        if job.keyed != Keyed::Known || floor.staged(id).stored || self.access() == Span::ZERO {
            return false;
        }
        let ending = floor.staged(id).ended(Ending::of(job, self.makes_calls.then_some(job.reply)));
        let is_kept = ending.reply().is_some_and(|(status, executed)| self.rules().stores.keeps(status, executed));
        is_kept || self.config.idempotency.has_lock().is_some_and(|lock| lock.on_failure == LockOnFailure::Free)
    }

    /// A worker answers before any work, as the store says; `true`: what it has stored.
    fn answer_early(&mut self, now: SimTime, id: u32, said: (u16, bool), floor: &mut Floor) {
        let job = &mut floor.jobs[id];
        if job.place == Place::InService {
            self.leave_worker(now, job);
            job.ends = now;
        } else {
            job.ends = SimTime::ZERO;
            floor.out.push(Output::TakenUp { arrived: job.since });
        }
        self.say_early(id, said, floor);
    }

    /// The answer itself.
    fn say_early(&self, id: u32, (status, replay): (u16, bool), floor: &mut Floor) {
        floor.out.push(Output::Meets { job: id, met: Met::Store });
        let job = &mut floor.jobs[id];
        let sent = if replay { Sent::of_replay(job.fate) } else { Sent::Reply };
        match sent {
            Sent::Nothing => floor.out.push(Output::Gone { job: id, executed: false }),
            Sent::Reset => {
                job.answer(Outcome::Reset, None);
                floor.out.push(Output::Answer { job: id, executed: false });
            }
            Sent::Reply => {
                let hint = self.retry_after(status, job.key, job.attempt);
                job.answer(Outcome::Status(status), hint);
                floor.out.push(Output::Answer { job: id, executed: false });
            }
        }
    }

    /// A request arrives at a server that asks its store first: false if it was lost on its way after all.
    pub(super) fn receive_first(&mut self, now: SimTime, id: u32, request: Request, floor: &mut Floor) -> bool {
        let fate = match self.reach(request) {
            Ok(fate) => fate,
            Err(door) => return self.turn_back(id, door, floor),
        };
        floor.jobs[id].fate = fate;
        let said = match floor.jobs[id].keyed {
            Keyed::Passes => Said::GoOn,
            Keyed::Missing => {
                let status = self.rules().missing_key.expect("only what is required is missing");
                Said::Answer(status, false)
            }
            Keyed::Known => match self.say(now, id, floor) {
                // It takes no time here: nothing comes in between.
                Said::Lock => self.say_if_locked(now, id, floor),
                said => said,
            },
        };
        if let Said::Answer(status, replay) = said {
            self.say_early(id, (status, replay), floor);
            return true;
        }
        floor.staged_mut(id).admitted = true;
        match self.let_in(now, fate, request) {
            Door::Open(fate) => self.enter(now, id, fate, floor),
            door => {
                if let Door::Answer(answer, _) = door {
                    self.end_unworked(now, id, Some(answer), floor);
                }
                return self.turn_back(id, door, floor);
            }
        }
        true
    }

    /// An attempt that the store has let in at the door leaves without work, with this answer or none.
    pub(super) fn end_unworked(&mut self, now: SimTime, id: u32, answer: Option<Outcome>, floor: &mut Floor) {
        let job: &Job = &floor.jobs[id];
        if job.keyed != Keyed::Known || !self.in_stages || !floor.staged(id).admitted {
            return;
        }
        let row = job.row;
        match answer {
            _ if self.in_force.store_down => record(&mut self.records, row).orphan(id),
            Some(Outcome::Status(status)) => self.tell_store(now, id, Some((status, false)), floor),
            _ => record(&mut self.records, row).cancel(id, &self.config.idempotency),
        }
    }

    /// The server crashes under an attempt that waits.
    pub(super) fn orphan_unworked(&mut self, id: u32, floor: &Floor) {
        let job = &floor.jobs[id];
        if job.keyed == Keyed::Known && self.in_stages && floor.staged(id).admitted {
            record(&mut self.records, job.row).orphan(id);
        }
    }
}
