//! The general server: start and finish are events, and anything may be cancelled, slowed, frozen or crashed in between.
//!
//! It keeps no queue of events and moves no attempt over its network: it knows how long a leg takes, is told what happens and says, in [`Output`]s,
//! what follows.
//! Attempts in flight stand in one [`Slab`] that the driver owns.

mod common;
mod door;
pub mod idempotency;
pub mod job;
pub mod limiter;
mod network;
mod rows;
mod stages;
#[cfg(test)]
mod tests;
mod transaction;
mod waiting;
mod work;

use crate::distribution::Distribution;
use crate::fault::{Fate, InForce};
use crate::key::CallKey;
use crate::protocol::{Met, Outcome};
use crate::rng::{KeyedRng, Purpose, Streams};
use crate::scenario::{AbandonedWork, Idempotency, ServerConfig};
use crate::slab::Slab;
use crate::units::{SimTime, Span};
use crate::window::Window;
pub use door::{Door, Request};
use idempotency::{Record, record};
use job::{Awaited, Job, Keyed, Place};
use limiter::Limiter;
pub use network::Leg;
use network::constant_leg;
use rows::Rows;
use stages::KnownFor;
pub use stages::Staged;
use waiting::Waiting;

/// What follows from what a server was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A worker took the attempt up and works on it. Tell the server with [`Server::complete`] at the instant `at`.
    Started {
        /// Which.
        job: u32,
        /// When it had arrived.
        arrived: SimTime,
        /// When the work will end.
        at: SimTime,
    },
    /// A worker took the attempt up, but its answer was known at once.
    TakenUp {
        /// When it had arrived.
        arrived: SimTime,
    },
    /// The worker waits for the calls that the server makes for each request. Tell the server with [`Server::calls_over`] how they ended, unless it says
    /// before that it is done with the attempt.
    Calls {
        /// Which.
        job: u32,
    },
    /// Work that stood still goes on. Tell the server with [`Server::complete`] at this instant.
    CompletionAt {
        /// Which.
        job: u32,
        /// When.
        at: SimTime,
    },
    /// Tell the server with [`Server::lose_patience`] at this instant.
    PatienceEndsAt {
        /// Which.
        job: u32,
        /// When.
        at: SimTime,
    },
    /// The reply in [`Job::reply`] leaves the server now. The server is done with the attempt.
    Answer {
        /// Which.
        job: u32,
        /// The work was carried out: an execution.
        executed: bool,
    },
    /// No answer will ever come. The server is done with the attempt.
    Gone {
        /// Which.
        job: u32,
        /// The work was carried out: an execution.
        executed: bool,
    },
    /// The work was carried out: an execution. A server that works in stages says it when it is so, and not with its answer.
    Effect {
        /// Which.
        job: u32,
        /// It has written over what somebody else had written since it read.
        lost_update: bool,
    },
    /// The attempt meets something on its way through the stages of work.
    Meets {
        /// Which.
        job: u32,
        /// What.
        met: Met,
    },
}

/// A server.
#[derive(Debug)]
pub struct Server<'a> {
    config: &'a ServerConfig,
    /// By which it is known among all replicas of all servers.
    number: u32,
    /// There are others with which it has buckets and the store in common, where each has not got its own.
    has_others: bool,
    /// Its workers make calls.
    makes_calls: bool,
    /// They work in stages.
    in_stages: bool,
    /// Either of these: there is more to do when a worker's own time is over.
    has_more_to_do: bool,
    streams: Streams,
    window: Window,
    in_force: InForce,
    /// Something can go wrong with an attempt.
    has_fates: bool,
    /// Workers that may take work up now: none while they stand still, [`u32::MAX`] without a limit.
    open_workers: u32,
    /// What each leg of the network takes now, if all take the same.
    constant_leg: Option<Span>,
    /// Since when workers stand still, if they do.
    frozen_since: SimTime,
    /// The hint of a reply that turns an attempt away.
    retry_after_full: Option<&'a Distribution>,
    limiter: Option<Limiter>,
    /// Attempts in service.
    working: u32,
    /// Works that have begun: the number of the next one.
    begun: u32,
    waiting: Waiting,
    /// By the operation's place; empty unless keys matter here.
    records: Vec<Record>,
    /// For whom each of them is; empty unless that matters.
    known_for: Vec<KnownFor>,
    /// The rows that are written to here, if any are.
    rows: Option<Rows>,
    /// Worker time within the window, in ns, of works that have ended.
    worked: u128,
    /// Time in the queue within the window, in ns, of attempts that have left it.
    waited: u128,
    /// Works that ended.
    pub completions: u64,
    /// Longest queue seen while measured.
    longest_queue: u32,
}

/// What a server works on: the attempts in flight, and where to say what follows.
pub struct Floor<'a> {
    /// Attempts in flight. Those in a queue or with a worker are at this server.
    pub jobs: &'a mut Slab<Job>,
    /// What follows.
    pub out: &'a mut Vec<Output>,
    /// What only runs know that go the whole way.
    pub beside: Option<Beside<'a>>,
}

/// What is known of attempts beside what every attempt has, by the attempt's place.
pub struct Beside<'a> {
    /// The number of the replica that each is sent to.
    pub at: &'a [u32],
    /// What servers that work in stages know of each; empty where none does.
    pub staged: &'a mut [Staged],
}

const WHOLE: &str = "who works in stages goes the whole way";

impl Floor<'_> {
    fn at(&self) -> Option<&[u32]> {
        self.beside.as_ref().map(|beside| beside.at)
    }

    /// What is known of an attempt at servers that work in stages.
    fn staged(&self, id: u32) -> &Staged {
        let beside = self.beside.as_ref().expect(WHOLE);
        &beside.staged[id as usize]
    }

    fn staged_mut(&mut self, id: u32) -> &mut Staged {
        let beside = self.beside.as_mut().expect(WHOLE);
        &mut beside.staged[id as usize]
    }
}

/// Attempts at a server over time, integrated over the window: attempts × ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integrals {
    /// In service: busy workers.
    pub busy: u128,
    /// Waiting or in service.
    pub held: u128,
}

impl<'a> Server<'a> {
    /// An empty server that measures its levels in `window`.
    pub fn new(config: &'a ServerConfig, clients: u32, seed: u64, window: Window) -> Server<'a> {
        let in_force = InForce::new(config, std::iter::empty(), SimTime::ZERO);
        Server {
            config,
            number: 0,
            has_others: false,
            makes_calls: !config.calls.is_empty(),
            in_stages: false,
            has_more_to_do: !config.calls.is_empty(),
            streams: Streams::new(seed),
            window,
            open_workers: open_workers(config, &in_force),
            constant_leg: constant_leg(config, &in_force),
            has_fates: has_fates(config, &in_force),
            in_force,
            frozen_since: SimTime::ZERO,
            retry_after_full: match config.when_full {
                Outcome::Status(status) => retry_after(config, status),
                _ => None,
            },
            limiter: config.rate_limit.as_ref().map(|limit| Limiter::new(limit, clients)),
            working: 0,
            begun: 0,
            waiting: Waiting::default(),
            records: Vec::new(),
            known_for: Vec::new(),
            rows: None,
            worked: 0,
            waited: 0,
            completions: 0,
            longest_queue: 0,
        }
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
        if now > self.window.from { self.longest_queue.max(self.waiting.len()) } else { self.longest_queue }
    }

    /// Attempts waiting or in service.
    pub fn load(&self) -> u32 {
        self.waiting.len() + self.working
    }

    /// Worker time that an attempt took while measured, once it is answered.
    pub fn time_worked_on(&self, job: &Job) -> Span {
        self.window.overlap(job.since, job.ends)
    }

    /// The levels up to `now`. It looks at all attempts in flight.
    pub fn integrals(&self, now: SimTime, jobs: &Slab<Job>, at: Option<&[u32]>) -> Integrals {
        let so_far = |place| -> u128 {
            let here = jobs.iter().filter(|(id, job)| job.place == place && self.is_here(*id, at));
            here.map(|(_, job)| u128::from(self.window.overlap(job.since, now).0)).sum()
        };
        let busy = self.worked + if self.working > 0 { so_far(Place::InService) } else { 0 };
        let queued = self.waited + if self.waiting.len() > 0 { so_far(Place::Waiting) } else { 0 };
        Integrals { busy, held: busy + queued }
    }

    /// An attempt arrives. False if it was lost on its way after all.
    #[inline(always)]
    pub fn receive(&mut self, now: SimTime, id: u32, floor: &mut Floor) -> bool {
        let job = &mut floor.jobs[id];
        job.since = now;
        let Job { key, attempt, client, awaited, .. } = *job;
        let cancelled = awaited == Awaited::Cancelled;
        let request = Request { key, attempt, client, cancelled };
        if self.asks_first() {
            return self.receive_first(now, id, request, floor);
        }
        match self.knock(now, request) {
            Door::Open(fate) => {
                self.enter(now, id, fate, floor);
                true
            }
            door => self.turn_back(id, door, floor),
        }
    }

    /// An attempt that finds the door open goes to a worker or a waiting place, at the same instant.
    #[inline(always)]
    pub fn enter(&mut self, now: SimTime, id: u32, fate: Fate, floor: &mut Floor) {
        let job = &mut floor.jobs[id];
        (job.since, job.fate) = (now, fate);
        if self.has_free_worker() { self.take_up(now, id, floor) } else { self.queue_up(now, id, floor) }
    }

    /// Takes a place in the queue, for as long as the attempt may wait.
    #[inline(always)]
    fn queue_up(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        if self.config.max_wait.is_some() && !self.has_patience(now, id, floor) {
            return;
        }
        self.waiting.push(id, floor.jobs);
        if now >= self.window.from {
            self.longest_queue = self.longest_queue.max(self.waiting.len());
        }
    }

    /// Draws how long an attempt may wait; false if not at all, and it is turned away.
    #[inline(never)]
    fn has_patience(&mut self, now: SimTime, id: u32, floor: &mut Floor) -> bool {
        let Some(max_wait) = &self.config.max_wait else { return true };
        let patience = max_wait.sample(&mut self.draws(&floor.jobs[id], Purpose::Patience));
        if patience == Span::ZERO {
            self.turn_away(now, id, floor);
            return false;
        }
        let at = now + patience;
        floor.jobs[id].ends = at;
        floor.out.push(Output::PatienceEndsAt { job: id, at });
        true
    }

    /// There is no place for this attempt, or none any more.
    fn turn_away(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        self.end_unworked(now, id, Some(self.config.when_full), floor);
        let Job { key, attempt, .. } = floor.jobs[id];
        answer(floor, id, self.config.when_full, self.hint_when_full(key, attempt));
    }

    /// An attempt has waited as long as it may. Does nothing if it has been taken up or has left since.
    pub fn lose_patience(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        // As in `complete`: an entry is stale unless the attempt waits and may do so until exactly now.
        let waits = |job: &Job| job.place == Place::Waiting && job.ends == now;
        if floor.jobs.get(id).is_some_and(waits) {
            self.leave_queue(now, id, floor.jobs);
            self.turn_away(now, id, floor);
        }
    }

    /// An attempt leaves the queue. Returns when it had arrived.
    #[inline(always)]
    fn leave_queue(&mut self, now: SimTime, id: u32, jobs: &mut Slab<Job>) -> SimTime {
        self.longest_queue = self.queue_max(now);
        self.waiting.remove(id, jobs);
        let arrived = jobs[id].since;
        self.waited += u128::from(self.window.overlap(arrived, now).0);
        arrived
    }

    /// True if it does something about a client that has stopped waiting.
    pub fn heeds_cancellation(&self) -> bool {
        self.config.abandoned_work == AbandonedWork::Cancel || self.config.drop_expired
    }

    /// It hears that the client has stopped waiting for this attempt. One that is still on its way is known when it arrives.
    pub fn cancel(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let job = &mut floor.jobs[id];
        job.awaited = Awaited::Cancelled;
        if self.config.abandoned_work == AbandonedWork::Finish {
            return;
        }
        match job.place {
            Place::Elsewhere => {}
            Place::Waiting => {
                self.leave_queue(now, id, floor.jobs);
                self.end_unworked(now, id, None, floor);
                floor.out.push(Output::Gone { job: id, executed: false });
            }
            Place::InService => {
                self.leave_worker(now, job);
                let has_passed = !self.in_stages || floor.staged(id).has_passed_store();
                let job = &floor.jobs[id];
                if job.keyed == Keyed::Known && has_passed {
                    let record = record(&mut self.records, job.row);
                    match self.in_force.store_down {
                        true => record.orphan(id),
                        false => record.cancel(id, &self.config.idempotency),
                    }
                }
                if self.in_stages {
                    self.leave_row(now, id, floor);
                }
                floor.out.push(Output::Gone { job: id, executed: false });
                self.fill(now, floor);
            }
        }
    }

    /// What is in force has changed: faults began or ended.
    pub fn set_in_force(&mut self, now: SimTime, in_force: InForce, floor: &mut Floor) {
        let (was_frozen, was_crashed) = (self.in_force.frozen, self.in_force.crashed);
        self.open_workers = open_workers(self.config, &in_force);
        self.constant_leg = constant_leg(self.config, &in_force);
        self.has_fates = has_fates(self.config, &in_force);
        let had_forgotten = std::mem::replace(&mut self.in_force, in_force).store_forgets;
        if self.in_force.store_forgets.iter().any(|fault| !had_forgotten.contains(fault)) {
            self.records.clear();
        }
        if self.in_force.crashed && !was_crashed {
            self.crash(now, floor);
        }
        if self.in_force.frozen && !was_frozen {
            self.frozen_since = now;
        }
        if !self.in_force.frozen && was_frozen {
            let stood_still = now.since(self.frozen_since);
            let mut resumed = self.in_service(floor);
            // Who waits for calls goes on waiting.
            resumed.retain(|id| floor.jobs[*id].ends != SimTime::NEVER);
            // In the order in which they will end, so that ties are broken the same way as before.
            resumed.sort_by_key(|id| (floor.jobs[*id].ends, floor.jobs[*id].ahead));
            for id in resumed {
                let asks = self.in_stages && floor.staged(id).waits_for_row();
                let job = &mut floor.jobs[id];
                job.ends = if asks { now } else { job.ends + stood_still };
                floor.out.push(Output::CompletionAt { job: id, at: job.ends });
            }
        }
        self.fill(now, floor);
    }

    /// Looks at what is known of an operation's key, so that it is at hand when it is needed; what it returns means nothing.
    pub fn touch(&self, row: u32) -> bool {
        self.records.get(row as usize).is_some_and(Record::is_locked)
    }

    /// An operation is off the books: its key is forgotten.
    pub fn forget(&mut self, row: u32) {
        if let Some(record) = self.records.get_mut(row as usize) {
            *record = Record::default();
        }
    }

    /// Bytes of state beyond the attempts in flight.
    pub fn bytes(&self) -> usize {
        self.records.capacity() * size_of::<Record>()
            + self.known_for.capacity() * size_of::<KnownFor>()
            + self.rows.as_ref().map_or(0, Rows::bytes)
            + self.limiter.as_ref().map_or(0, Limiter::bytes)
    }

    /// Everything here is reset, without effect; locks stay in the store.
    fn crash(&mut self, now: SimTime, floor: &mut Floor) {
        let mut lost = self.in_service(floor);
        lost.sort_by_key(|id| floor.jobs[*id].ahead);
        if self.in_stages {
            // Nobody who is lost is given a row that another one leaves.
            self.leave_lines(&lost, floor);
        }
        for id in &lost {
            let job = &mut floor.jobs[*id];
            self.leave_worker(now, job);
            if job.keyed == Keyed::Known {
                record(&mut self.records, job.row).orphan(*id);
            }
            if self.in_stages {
                self.leave_row(now, *id, floor);
            }
        }
        if self.in_stages {
            self.end_transactions(now, floor);
        }
        while let Some(id) = self.waiting.first() {
            self.leave_queue(now, id, floor.jobs);
            self.orphan_unworked(id, floor);
            lost.push(id);
        }
        for id in lost {
            // The work was in vain: none of its time is put down to the attempt.
            answer(floor, id, Outcome::Reset, None);
        }
        if !self.has_common_buckets() {
            self.fill_buckets();
        }
    }

    /// Attempts in service, by where they stand. A server that freezes or crashes looks for them; all others need only their number.
    fn in_service(&self, floor: &Floor) -> Vec<u32> {
        if self.working == 0 {
            return Vec::new();
        }
        let in_service = |(id, job): &(u32, &Job)| job.place == Place::InService && self.is_here(*id, floor.at());
        let found: Vec<u32> = floor.jobs.iter().filter(in_service).map(|(id, _)| id).collect();
        assert_eq!(found.len(), self.working as usize, "what is with a worker is at this server");
        found
    }

    /// True if this attempt is sent to this server.
    fn is_here(&self, id: u32, at: Option<&[u32]>) -> bool {
        at.is_none_or(|at| at[id as usize] == self.number)
    }

    fn has_free_worker(&self) -> bool {
        self.working < self.open_workers
    }

    /// The hint of a reply with this status to an attempt.
    fn retry_after(&self, status: u16, key: CallKey, attempt: u32) -> Option<Span> {
        retry_after(self.config, status).map(|hint| self.draw_hint(hint, key, attempt))
    }

    /// The hint of a reply that turns an attempt away.
    fn hint_when_full(&self, key: CallKey, attempt: u32) -> Option<Span> {
        self.retry_after_full.map(|hint| self.draw_hint(hint, key, attempt))
    }

    #[inline(never)]
    fn draw_hint(&self, hint: &Distribution, key: CallKey, attempt: u32) -> Span {
        hint.sample(&mut self.streams.at(Purpose::Hint, key, u64::from(attempt)))
    }

    fn draws(&self, job: &Job, purpose: Purpose) -> KeyedRng {
        self.streams.at(purpose, job.key, u64::from(job.attempt))
    }

    /// True if requests carrying a key are treated differently here.
    #[inline]
    pub fn knows_keys(&self) -> bool {
        self.config.idempotency != Idempotency::None
    }

    /// What it makes of a request without a key.
    pub fn without_key(&self) -> Keyed {
        if self.config.idempotency.rules().is_some_and(|rules| rules.missing_key.is_some()) {
            Keyed::Missing
        } else {
            Keyed::Passes
        }
    }
}

/// The hint that replies with this status carry.
fn retry_after(config: &ServerConfig, status: u16) -> Option<&Distribution> {
    config.retry_after.iter().find(|(with, _)| *with == status).map(|(_, hint)| hint)
}

/// The reply to an attempt on which nobody worked, or in vain.
fn answer(floor: &mut Floor, id: u32, reply: Outcome, retry_after: Option<Span>) {
    let job = &mut floor.jobs[id];
    job.ends = SimTime::ZERO;
    job.answer(reply, retry_after);
    floor.out.push(Output::Answer { job: id, executed: false });
}

/// True if something can go wrong with an attempt, by what it draws or by the script.
fn has_fates(config: &ServerConfig, in_force: &InForce) -> bool {
    in_force.has_fates() || in_force.has_permanent_errors() || !config.script.is_empty() || config.fail_first > 0
}

/// Workers that may take work up.
fn open_workers(config: &ServerConfig, in_force: &InForce) -> u32 {
    if in_force.frozen || in_force.crashed {
        return 0;
    }
    in_force.workers(config.workers).unwrap_or(u32::MAX)
}
