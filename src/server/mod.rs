//! The general server: start and finish are events, and anything may be cancelled, slowed, frozen or crashed in between.
//!
//! It keeps no queue of events and moves no attempt over a network: it is told what happens and says, in [`Output`]s, what follows.
//! Attempts in flight stand in one [`Slab`] that the driver owns.

pub mod idempotency;
pub mod job;
pub mod limiter;
pub mod meter;
mod waiting;

use crate::fault::{Fate, InForce};
use crate::protocol::Outcome;
use crate::rng::{KeyedRng, Purpose};
use crate::scenario::{AbandonedWork, Discipline, Idempotency, ServerConfig};
use crate::slab::Slab;
use crate::units::{NANOS_PER_SECOND, SimTime, Span};
use idempotency::{Admission, Record};
use job::{Job, Place};
use limiter::Limiter;
use meter::{LevelMeter, Window};
use waiting::Waiting;

/// What follows from what a server was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A worker took the attempt up.
    TakenUp {
        /// Which.
        job: u32,
    },
    /// Tell the server with [`Server::complete`] at this instant.
    CompletionAt {
        /// When.
        at: SimTime,
        /// Which.
        job: u32,
    },
    /// Tell the server with [`Server::lose_patience`] at this instant.
    PatienceEndsAt {
        /// When.
        at: SimTime,
        /// Which.
        job: u32,
    },
    /// The work was carried out: an execution.
    Executed {
        /// Which.
        job: u32,
    },
    /// The reply in [`Job::reply`] leaves the server now. The server is done with the attempt.
    Answer {
        /// Which.
        job: u32,
    },
    /// No answer will ever come. The server is done with the attempt.
    Gone {
        /// Which.
        job: u32,
    },
}

/// A server.
#[derive(Debug)]
pub struct Server<'a> {
    config: &'a ServerConfig,
    seed: u64,
    in_force: InForce,
    limiter: Option<Limiter>,
    /// Attempts in service, in no order.
    working: Vec<u32>,
    waiting: Waiting,
    /// By the operation's place; empty unless keys matter here.
    records: Vec<Record>,
    /// Attempts in service over time: busy workers.
    pub busy: LevelMeter,
    /// Attempts here over time, waiting or in service.
    pub held: LevelMeter,
    /// Works that ended.
    pub completions: u64,
    /// Longest queue seen while measured.
    longest_queue: u32,
    measured_from: SimTime,
}

/// What a server works on: the attempts in flight, and where to say what follows.
pub struct Floor<'a> {
    /// Attempts in flight.
    pub jobs: &'a mut Slab<Job>,
    /// What follows.
    pub out: &'a mut Vec<Output>,
}

impl<'a> Server<'a> {
    /// An empty server that measures its levels in `window`.
    pub fn new(config: &'a ServerConfig, clients: u32, seed: u64, window: Window) -> Server<'a> {
        Server {
            config,
            seed,
            in_force: InForce::new(config, std::iter::empty()),
            limiter: config.rate_limit.as_ref().map(|limit| Limiter::new(limit, clients)),
            working: Vec::new(),
            waiting: Waiting::default(),
            records: Vec::new(),
            busy: LevelMeter::new(window),
            held: LevelMeter::new(window),
            completions: 0,
            longest_queue: 0,
            measured_from: window.from,
        }
    }

    /// The faults in force.
    pub fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// Its configuration.
    pub fn config(&self) -> &'a ServerConfig {
        self.config
    }

    /// Attempts waiting.
    pub fn queue_len(&self) -> u32 {
        self.waiting.len()
    }

    /// Longest queue from the beginning of the measured part until `now`.
    pub fn queue_max(&self, now: SimTime) -> u32 {
        // What waits now has done so since before this instant.
        if now > self.measured_from { self.longest_queue.max(self.waiting.len()) } else { self.longest_queue }
    }

    /// Attempts waiting or in service.
    pub fn load(&self) -> u32 {
        self.waiting.len() + self.working.len() as u32
    }

    /// A request arrives. False if it was lost on its way after all.
    pub fn receive(&mut self, now: SimTime, id: u32, floor: &mut Floor) -> bool {
        let job = &mut floor.jobs[id];
        job.arrived = now;
        job.fate = self.in_force.fate(self.draws(job, Purpose::Fate).unit());
        if self.in_force.has_permanent_errors() {
            let unit = KeyedRng::new(self.seed, Purpose::PermanentError, job.operation, 0).unit();
            job.permanent = self.in_force.permanent_error(unit);
        }
        if self.in_force.crashed {
            answer(floor, id, Outcome::Connection, None);
            return true;
        }
        match job.fate {
            Fate::Refused | Fate::Reset => {
                answer(floor, id, Outcome::Connection, None);
                return true;
            }
            Fate::LostRequest => {
                floor.out.push(Output::Gone { job: id });
                return false;
            }
            _ if job.abandoned && self.config.abandoned_work == AbandonedWork::Cancel => {
                floor.out.push(Output::Gone { job: id });
                return true;
            }
            _ => {}
        }
        self.admit(now, id, floor);
        true
    }

    /// From the rate limiter to a worker or a waiting place.
    fn admit(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let (client, fate) = (floor.jobs[id].client, floor.jobs[id].fate);
        if let (Some(limiter), Some(limit)) = (&mut self.limiter, &self.config.rate_limit)
            && let Err(wait) = limiter.take(now, client)
        {
            // A Retry-After header carries whole seconds (RFC 9110, section 10.2.3).
            let hint = limit.retry_after.then(|| Span::secs(wait.0.div_ceil(NANOS_PER_SECOND)));
            let hint = hint.or_else(|| self.retry_after(limit.status));
            answer(floor, id, Outcome::Status(limit.status), hint);
            return;
        }
        if let Fate::Error(status) = fate {
            answer(floor, id, Outcome::Status(status), self.retry_after(status));
        } else if self.has_free_worker() {
            self.take_up(now, id, floor);
        } else if self.config.queue.is_none_or(|places| self.waiting.len() < places) {
            self.queue_up(now, id, floor);
        } else {
            self.turn_away(id, floor);
        }
    }

    /// Takes a place in the queue, for as long as the attempt may wait.
    fn queue_up(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        if let Some(max_wait) = &self.config.max_wait {
            let patience = max_wait.sample(&mut self.draws(&floor.jobs[id], Purpose::Patience));
            if patience == Span::ZERO {
                self.turn_away(id, floor);
                return;
            }
            let at = now + patience;
            floor.jobs[id].ends = at;
            floor.out.push(Output::PatienceEndsAt { at, job: id });
        }
        floor.jobs[id].place = Place::Waiting;
        self.waiting.push(id, floor.jobs);
        if now >= self.measured_from {
            self.longest_queue = self.longest_queue.max(self.waiting.len());
        }
        self.held.set(now, self.load());
    }

    /// There is no place for this attempt, or none any more.
    fn turn_away(&self, id: u32, floor: &mut Floor) {
        let hint = match self.config.when_full {
            Outcome::Status(status) => self.retry_after(status),
            _ => None,
        };
        answer(floor, id, self.config.when_full, hint);
    }

    /// An attempt has waited as long as it may. Does nothing if it has been taken up or has left since.
    pub fn lose_patience(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        // As in `complete`: an entry is stale unless the attempt waits and may do so until exactly now.
        let waits = |job: &Job| job.place == Place::Waiting && job.ends == now;
        if floor.jobs.get(id).is_some_and(waits) {
            self.leave_queue(now, id, floor.jobs);
            self.turn_away(id, floor);
        }
    }

    fn leave_queue(&mut self, now: SimTime, id: u32, jobs: &mut Slab<Job>) {
        self.longest_queue = self.queue_max(now);
        self.waiting.remove(id, jobs);
        self.held.set(now, self.load());
    }

    /// A completion that was announced is due. Does nothing if the attempt has been cancelled, frozen or reset since.
    pub fn complete(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        // Times are compared, not counters: an entry is stale unless the attempt ends exactly now.
        let Some(job) = floor.jobs.get(id) else { return };
        if job.place != Place::InService || job.ends != now {
            return;
        }
        self.completions += 1;
        self.leave_worker(now, id, floor.jobs);
        let job = &floor.jobs[id];
        let (status, executed, answered) = match (job.fate, job.permanent) {
            (Fate::Hang, _) => (0, false, false),
            (Fate::LostReply, Some(status)) => (status, false, false),
            (_, Some(status)) | (Fate::Failure(status), None) => (status, false, true),
            (Fate::LateError(status), None) => (status, true, true),
            (Fate::LostReply, None) => (200, true, false),
            (_, None) => (200, true, true),
        };
        if executed {
            floor.out.push(Output::Executed { job: id });
        }
        if job.keyed {
            let reply = (status != 0).then_some((status, status == 200));
            let row = job.row;
            let config = self.config;
            self.record(row).end(now, id, reply, &config.idempotency);
        }
        if answered {
            answer(floor, id, Outcome::Status(status), self.retry_after(status));
        } else {
            floor.out.push(Output::Gone { job: id });
        }
        self.fill(now, floor);
    }

    /// The client has stopped waiting for this attempt.
    pub fn abandon(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        floor.jobs[id].abandoned = true;
        if self.config.abandoned_work == AbandonedWork::Finish {
            return;
        }
        match floor.jobs[id].place {
            Place::Elsewhere => {}
            Place::Waiting => {
                self.leave_queue(now, id, floor.jobs);
                floor.out.push(Output::Gone { job: id });
            }
            Place::InService => {
                self.leave_worker(now, id, floor.jobs);
                let row = floor.jobs[id].row;
                if floor.jobs[id].keyed {
                    self.record(row).release(id);
                }
                floor.out.push(Output::Gone { job: id });
                self.fill(now, floor);
            }
        }
    }

    /// What is in force has changed: faults began or ended.
    pub fn set_in_force(&mut self, now: SimTime, in_force: InForce, floor: &mut Floor) {
        let (was_frozen, was_crashed) = (self.in_force.frozen, self.in_force.crashed);
        self.in_force = in_force;
        if self.in_force.crashed && !was_crashed {
            self.crash(now, floor);
        }
        if self.in_force.frozen && !was_frozen {
            for id in &self.working {
                let job = &mut floor.jobs[*id];
                job.left = job.ends.since(now);
                job.ends = SimTime::NEVER;
            }
        }
        if !self.in_force.frozen && was_frozen {
            // In the order in which they will end, so that ties are broken the same way as before.
            let mut resumed = self.working.clone();
            resumed.sort_by_key(|id| (floor.jobs[*id].left, floor.jobs[*id].began));
            for id in resumed {
                let job = &mut floor.jobs[id];
                job.ends = now + job.left;
                floor.out.push(Output::CompletionAt { at: job.ends, job: id });
            }
        }
        self.fill(now, floor);
    }

    /// An operation is off the books: its key is forgotten.
    pub fn forget(&mut self, row: u32) {
        if let Some(record) = self.records.get_mut(row as usize) {
            *record = Record::default();
        }
    }

    /// Bytes of state beyond the attempts in flight.
    pub fn bytes(&self) -> usize {
        self.records.capacity() * size_of::<Record>() + self.working.capacity() * size_of::<u32>()
    }

    /// Everything here is reset, without effect; locks stay in the store.
    fn crash(&mut self, now: SimTime, floor: &mut Floor) {
        let mut lost = std::mem::take(&mut self.working);
        lost.sort_by_key(|id| floor.jobs[*id].began);
        for id in &lost {
            let (row, keyed) = (floor.jobs[*id].row, floor.jobs[*id].keyed);
            if keyed {
                self.record(row).orphan(*id);
            }
        }
        self.longest_queue = self.queue_max(now);
        while let Some(id) = self.waiting.take_first(floor.jobs) {
            lost.push(id);
        }
        for id in lost {
            // The work was in vain: none of its time is put down to the attempt.
            floor.jobs[id].place = Place::Elsewhere;
            answer(floor, id, Outcome::Connection, None);
        }
        self.busy.set(now, 0);
        self.held.set(now, 0);
        if let Some(limiter) = &mut self.limiter {
            limiter.reset();
        }
    }

    fn has_free_worker(&self) -> bool {
        !self.in_force.frozen
            && !self.in_force.crashed
            && self
                .in_force
                .workers(self.config.workers)
                .is_none_or(|workers| (self.working.len() as u64) < u64::from(workers))
    }

    /// Free workers take up what waits.
    fn fill(&mut self, now: SimTime, floor: &mut Floor) {
        while self.waiting.len() > 0 && self.has_free_worker() {
            self.longest_queue = self.queue_max(now);
            let next = match self.config.discipline {
                Discipline::Fifo => self.waiting.take_first(floor.jobs),
                Discipline::Lifo => self.waiting.take_last(floor.jobs),
            };
            let Some(id) = next else { return };
            floor.jobs[id].place = Place::Elsewhere;
            self.held.set(now, self.load());
            self.take_up(now, id, floor);
        }
    }

    /// A free worker takes the attempt up: it may be dropped, answered from the store, or worked on.
    fn take_up(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let job = &mut floor.jobs[id];
        if job.abandoned && self.config.drop_expired {
            floor.out.push(Output::Gone { job: id });
            return;
        }
        floor.out.push(Output::TakenUp { job: id });
        if job.keyed {
            let (row, fate) = (job.row, job.fate);
            let store = &self.config.idempotency;
            match self.record(row).begin(now, id, store) {
                Admission::Work => {}
                Admission::Replay(_) if fate == Fate::LostReply => {
                    floor.out.push(Output::Gone { job: id });
                    return;
                }
                Admission::Replay(status) | Admission::Conflict(status) => {
                    answer(floor, id, Outcome::Status(status), self.retry_after(status));
                    return;
                }
            }
        }
        let job = &mut floor.jobs[id];
        let service = self.config.service_time.sample(&mut self.draws(job, Purpose::Service));
        let service = if self.in_force.slowdown == 1.0 { service } else { service.scaled(self.in_force.slowdown) };
        job.place = Place::InService;
        job.began = now;
        job.ends = now + service;
        job.index = self.working.len() as u32;
        floor.out.push(Output::CompletionAt { at: job.ends, job: id });
        self.working.push(id);
        self.busy.set(now, self.working.len() as u32);
        self.held.set(now, self.load());
    }

    fn leave_worker(&mut self, now: SimTime, id: u32, jobs: &mut Slab<Job>) {
        let job = &mut jobs[id];
        job.place = Place::Elsewhere;
        job.busy += self.busy.window().overlap(job.began, now);
        let index = job.index;
        self.working.swap_remove(index as usize);
        if let Some(moved) = self.working.get(index as usize) {
            jobs[*moved].index = index;
        }
        self.busy.set(now, self.working.len() as u32);
        self.held.set(now, self.load());
    }

    fn record(&mut self, row: u32) -> &mut Record {
        let needed = row as usize + 1;
        if self.records.len() < needed {
            self.records.resize(needed, Record::default());
        }
        &mut self.records[row as usize]
    }

    fn retry_after(&self, status: u16) -> Option<Span> {
        self.config.retry_after.iter().find(|(with, _)| *with == status).map(|(_, span)| *span)
    }

    fn draws(&self, job: &Job, purpose: Purpose) -> KeyedRng {
        KeyedRng::new(self.seed, purpose, job.operation, u64::from(job.attempt))
    }

    /// True if requests carrying a key are treated differently here.
    pub fn knows_keys(&self) -> bool {
        self.config.idempotency != Idempotency::None
    }
}

fn answer(floor: &mut Floor, id: u32, reply: Outcome, retry_after: Option<Span>) {
    let job = &mut floor.jobs[id];
    job.reply = reply;
    job.retry_after = retry_after;
    floor.out.push(Output::Answer { job: id });
}
