//! One run: one policy, one replication, from the first operation until nothing is in flight.
//!
//! The life of an attempt, in the order of the functions below: `send` → `request` at the server → the server's outputs
//! (`settle`) → `reply` at the client → the call decides (`act`) → its wait ends in `timer` → sent again. A
//! time-out is the same timer, with an attempt open.

use std::sync::atomic::Ordering;

use super::draws::StepDraws;
use super::event::Event;
use super::faults::FaultClock;
use super::need::open_at_once;
use super::queue::{Queue, TURNS};
use super::standstill::AtOnce;
use super::stop::{Limits, Stop};
use super::timers::Timers;
use crate::call::{Action, Call, Held, Rules, Verdict};
use crate::client::arrivals::{OpenLoop, Start};
use crate::distribution::Distribution;
use crate::gate::GateChain;
use crate::metrics::recorder::{Levels, ServerTotals};
use crate::metrics::{Recorder, RunResult};
use crate::protocol::{Failure, Outcome};
use crate::retry::{KeyMode, Policy};
use crate::rng::{Purpose, Streams, replication_seed};
use crate::scenario::{Arrivals, Scenario};
use crate::server::job::Job;
use crate::server::meter::Window;
use crate::server::{Floor, Output, Server};
use crate::slab::Slab;
use crate::units::{SimTime, Span};

/// Bytes of operations that stay in a processor's caches by themselves.
const CACHED: usize = 1 << 19;
/// Events between two looks at memory and interruption.
const LOOK_EVERY: u64 = 1 << 14;

/// An operation on the books: one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Row {
    operation: u64,
    start: SimTime,
    call: Call,
    client: u32,
    /// The attempt whose reply the client waits for.
    open_job: u32,
    /// Attempts of which something still moves.
    in_flight: u32,
    executions: u32,
}

const _: () = assert!(Slab::<Row>::PLACE_BYTES == 64, "an operation fills one cache line");

const NONE: u32 = u32::MAX;

/// The number of an operation of a closed loop.
fn turn_of(client: u32, turn: u32) -> u64 {
    u64::from(client) << 32 | u64::from(turn)
}

/// What events of the near future are about.
#[derive(Debug, Default)]
struct Ahead {
    jobs: Vec<u32>,
    rows: Vec<u32>,
}

/// Everything a run consists of.
struct Run<'a> {
    scenario: &'a Scenario,
    policy: &'a dyn Policy,
    streams: Streams,
    now: SimTime,
    queue: Queue,
    timers: Timers,
    rows: Slab<Row>,
    jobs: Slab<Job>,
    servers: Vec<Server<'a>>,
    outputs: Vec<Output>,
    faults: FaultClock<'a>,
    gates: GateChain,
    /// What the gates hold for each call, by the operation's place; one for all where there are no gates.
    held: Vec<Held>,
    demand: OpenLoop<'a>,
    next_start: Option<Start>,
    /// Operations that are still to start: the next of an open loop, or clients thinking.
    to_start: u64,
    at_once: AtOnce,
    ahead: Ahead,
    recorder: Recorder,
    events: u64,
}

/// Bytes that a run is known to need before anything happens: state for each client, and what will be open at once.
pub fn initial_bytes(scenario: &Scenario, policy: usize) -> u64 {
    let world = scenario.in_world_of(policy);
    let scenario = &*world;
    let clients = scenario.clients;
    let closed = match scenario.arrivals {
        Arrivals::Closed { .. } => u64::from(clients) * Queue::ENTRY_BYTES as u64 * 2,
        _ => 0,
    };
    let limiters = scenario.servers.iter().filter_map(|server| server.rate_limit.as_ref());
    let limiters: u64 = limiters.map(|limit| crate::server::limiter::Limiter::bytes_for(limit, clients)).sum();
    let gates = GateChain::most_bytes(&scenario.policies[policy].gates, clients);
    let open = open_at_once(scenario);
    let open = [Slab::<Row>::bytes_for(open.operations), Slab::<Job>::bytes_for(open.attempts)];
    [closed, limiters, gates].into_iter().chain(open).fold(0, u64::saturating_add)
}

/// Runs policy number `policy` of `scenario` once.
///
/// # Errors
/// Says why the run stopped before its end.
pub fn run(scenario: &Scenario, policy: usize, replication: u32, limits: Limits) -> Result<RunResult, Stop> {
    run_from(scenario, policy, replication, limits, || {})
}

/// The same; `ready` is called once when everything is set up and before the first event.
///
/// # Errors
/// Says why the run stopped before its end.
pub fn run_from(
    scenario: &Scenario,
    policy: usize,
    replication: u32,
    limits: Limits,
    ready: impl FnOnce(),
) -> Result<RunResult, Stop> {
    let world = scenario.in_world_of(policy);
    let scenario = &*world;
    let need = initial_bytes(scenario, policy);
    if need > limits.memory as u64 {
        return Err(Stop::OutOfMemory { at: SimTime::ZERO, limit: limits.memory });
    }
    let mut run = Run::new(scenario, policy, replication_seed(scenario.seed, replication));
    let end = scenario.end();
    ready();
    while let Some((time, event)) = run.queue.pop() {
        if time >= end {
            break;
        }
        run.now = time;
        run.events += 1;
        if time >= run.recorder.next_tick() {
            let levels = run.levels();
            run.recorder.tick(time, levels);
        }
        if run.queue.has_news() {
            run.look_ahead();
        }
        run.handle(event);
        if run.at_once.storm() {
            return Err(Stop::RetryStorm { at: time });
        }
        if run.to_start == 0 && run.rows.is_empty() {
            break;
        }
        if run.events.is_multiple_of(LOOK_EVERY) {
            run.look_up(limits)?;
            run.timers.tidy(&mut run.queue);
        }
    }
    Ok(run.finish())
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario, policy: usize, seed: u64) -> Run<'a> {
        let config = &scenario.policies[policy];
        let window = Window { from: SimTime::ZERO + scenario.warmup, until: SimTime::ZERO + scenario.duration };
        let servers = scenario.servers.iter().map(|server| Server::new(server, scenario.clients, seed, window));
        let mut queue = Queue::default();
        let faults = FaultClock::new(scenario, seed, &mut queue);
        let mut run = Run {
            scenario,
            policy: &*config.policy,
            streams: Streams::new(seed),
            now: SimTime::ZERO,
            queue,
            timers: Timers::default(),
            rows: Slab::default(),
            jobs: Slab::default(),
            servers: servers.collect(),
            outputs: Vec::new(),
            faults,
            gates: GateChain::new(&config.gates, scenario.clients),
            held: vec![Held::default()],
            demand: OpenLoop::new(scenario, seed),
            next_start: None,
            to_start: 0,
            at_once: AtOnce::default(),
            ahead: Ahead::default(),
            recorder: Recorder::new(scenario),
            events: 0,
        };
        if let Arrivals::Closed { .. } = scenario.arrivals {
            (0..scenario.clients).for_each(|client| run.think(client, 0));
        } else {
            run.schedule_next_start();
        }
        run
    }

    #[inline(always)]
    fn handle(&mut self, event: Event) {
        match event {
            Event::FaultEdge { fault } => self.fault_edge(fault),
            Event::Request { job } => self.request(job),
            Event::Completion { job } => {
                self.tell(self.scenario.operation.server, |server, now, floor| server.complete(now, job, floor));
            }
            Event::PatienceEnds { job } => {
                self.tell(self.scenario.operation.server, |server, now, floor| server.lose_patience(now, job, floor));
            }
            Event::Reply { job } => self.reply(job, false),
            Event::WakeUp { row } => self.timer(row),
            Event::TimeOut { row, setting } => {
                if self.timers.popped(row, setting) {
                    self.timer(row);
                }
            }
            Event::NextOperation => {
                self.to_start -= 1;
                if let Some(start) = self.next_start.take() {
                    self.schedule_next_start();
                    self.start(start.number, start.client);
                }
            }
            Event::ThinkingOver { client, turn } => {
                self.to_start -= 1;
                self.start(turn_of(client, turn), client);
            }
        }
    }

    fn schedule_next_start(&mut self) {
        self.next_start = self.demand.next();
        if let Some(start) = self.next_start {
            self.queue.push(start.at, Event::NextOperation);
            self.to_start += 1;
        }
    }

    /// A client of a closed loop thinks before its operation number `turn`.
    #[inline(always)]
    fn think(&mut self, client: u32, turn: u32) {
        let Arrivals::Closed { think } = &self.scenario.arrivals else { return };
        let operation = turn_of(client, turn);
        let until = self.now + think.sample(&mut self.streams.at(Purpose::Think, operation, 0));
        if until < SimTime::ZERO + self.scenario.duration {
            self.queue.push(until, Event::ThinkingOver { client, turn });
            self.to_start += 1;
        }
    }

    /// An operation starts.
    #[inline(always)]
    fn start(&mut self, operation: u64, client: u32) {
        self.recorder.operation_started();
        let call = Call::new(self.now, self.policy);
        let row_id = self.rows.insert(Row {
            operation,
            start: self.now,
            call,
            client,
            open_job: NONE,
            in_flight: 0,
            executions: 0,
        });
        self.at_once.operation(self.now, row_id);
        if !self.gates.is_empty() && self.held.len() <= row_id as usize {
            self.held.resize(row_id as usize + 1, Held::default());
        }
        let place = if self.gates.is_empty() { 0 } else { row_id as usize };
        let held = &mut self.held[place];
        let mut rules = Rules { policy: self.policy, gates: &mut self.gates, held, client };
        let mut draws = StepDraws::new(&self.streams, operation, 0);
        let action = self.rows[row_id].call.begin(self.now, &mut rules, &mut draws);
        if !self.gates.is_empty() {
            self.count_refusal(self.recorder.measures());
        }
        self.act(row_id, action);
    }

    /// Does what the call says.
    #[inline(always)]
    fn act(&mut self, row: u32, action: Action) {
        match action {
            Action::Send { attempt, due } => self.send(row, attempt, due),
            Action::WakeAt(at) => self.queue.push(at, Event::WakeUp { row }),
            Action::Finish(verdict) => self.end(row, verdict),
        }
    }

    /// Sends an attempt and sets its time-out.
    #[inline(always)]
    fn send(&mut self, row_id: u32, attempt: u32, due: SimTime) {
        self.at_once.attempt(self.now, row_id);
        let row = &mut self.rows[row_id];
        self.recorder.attempt_sent(self.recorder.measured(row.start), attempt);
        let server = &self.servers[self.scenario.operation.server];
        let keyed = server.knows_keys() && self.policy.key() == KeyMode::PerOperation;
        let job = self.jobs.insert(Job::new(row.operation, attempt, row_id, row.client, keyed));
        row.open_job = job;
        row.in_flight += 1;
        let delay = self.leg(job, Purpose::NetworkOut, Purpose::AddedOut);
        if delay == Span::ZERO {
            self.request(job);
        } else {
            self.queue.push(self.now + delay, Event::Request { job });
        }
        // The answer may have come at once.
        if due != SimTime::NEVER && self.rows.get(row_id).is_some_and(|row| row.open_job == job) {
            self.timers.set(row_id, due, &mut self.queue);
        }
    }

    /// One way over the network.
    #[inline(always)]
    fn leg(&self, job: u32, own: Purpose, added: Purpose) -> Span {
        let constant = self.servers[self.scenario.operation.server].constant_leg();
        constant.unwrap_or_else(|| self.random_leg(job, own, added))
    }

    /// Kept apart, so that a leg that is the same for all stays a look at one field.
    #[inline(never)]
    fn random_leg(&self, job: u32, own: Purpose, added: Purpose) -> Span {
        let (server, job) = (&self.servers[self.scenario.operation.server], &self.jobs[job]);
        let draw = |distribution: &Distribution, purpose, fault: u32| {
            let attempt = u64::from(fault) << 32 | u64::from(job.attempt);
            distribution.sample(&mut self.streams.at(purpose, job.operation, attempt))
        };
        let mut delay = draw(&server.config().network, own, 0);
        for (fault, latency) in &server.in_force().added_latency {
            delay += draw(latency, added, *fault);
        }
        delay
    }

    /// A request reaches the server.
    #[inline(always)]
    fn request(&mut self, job: u32) {
        let server = &mut self.servers[self.scenario.operation.server];
        let arrived = server.receive(self.now, job, &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs });
        if arrived {
            self.recorder.attempt_arrived();
        }
        self.settle();
    }

    /// Tells a server something, and does what it says.
    #[inline(always)]
    fn tell(&mut self, server: usize, what: impl FnOnce(&mut Server, SimTime, &mut Floor)) {
        let floor = &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs };
        what(&mut self.servers[server], self.now, floor);
        self.settle();
    }

    /// Does what the server says. Nothing in here makes a server say more.
    #[inline(never)]
    fn settle(&mut self) {
        let said = self.outputs.len();
        for index in 0..said {
            match self.outputs[index] {
                Output::Answer { job, executed } => {
                    let delay = self.leg(job, Purpose::NetworkBack, Purpose::AddedBack);
                    if delay == Span::ZERO {
                        self.reply(job, executed);
                    } else {
                        self.rows[self.jobs[job].row].executions += u32::from(executed);
                        self.queue.push(self.now + delay, Event::Reply { job });
                    }
                }
                Output::Started { job, arrived, at } => {
                    self.recorder.taken_up(arrived, self.now);
                    self.queue.push(at, Event::Completion { job });
                }
                Output::TakenUp { arrived } => self.recorder.taken_up(arrived, self.now),
                Output::CompletionAt { job, at } => self.queue.push(at, Event::Completion { job }),
                Output::PatienceEndsAt { job, at } => self.queue.push(at, Event::PatienceEnds { job }),
                Output::Gone { job, executed } => {
                    let job = self.jobs.remove(job);
                    let row = &mut self.rows[job.row];
                    row.executions += u32::from(executed);
                    row.in_flight -= 1;
                    self.release(job.row);
                }
            }
        }
        assert_eq!(self.outputs.len(), said, "a client's reaction never reaches a server within one event");
        self.outputs.clear();
    }

    /// A reply reaches its client, who may have stopped waiting. `executed`: at the same instant.
    #[inline(always)]
    fn reply(&mut self, job_id: u32, executed: bool) {
        let job = self.jobs.remove(job_id);
        let row = &mut self.rows[job.row];
        row.in_flight -= 1;
        row.executions += u32::from(executed);
        if job.abandoned {
            self.release(job.row);
            return;
        }
        row.open_job = NONE;
        let server = &self.servers[self.scenario.operation.server];
        self.recorder.reply_received(server.time_worked_on(&job));
        let measured = self.recorder.measured(row.start);
        self.recorder.attempt_ended(self.now, row.operation, job.attempt, job.reply, measured);
        let reply = Failure { outcome: job.reply, retry_after: job.retry_after() };
        let action = self.decide(job.row, Some(reply));
        // What was open until now has ended; a wait sets the timer anew.
        self.timers.clear(job.row);
        match action {
            Action::WakeAt(at) => self.queue.push(at, Event::WakeUp { row: job.row }),
            Action::Finish(verdict) => self.end(job.row, verdict),
            Action::Send { .. } => unreachable!("before another attempt there is a wait, if only of no time"),
        }
    }

    /// A client's time-out or wake-up.
    #[inline(always)]
    fn timer(&mut self, row_id: u32) {
        let row = &mut self.rows[row_id];
        let timed_out = row.open_job;
        if timed_out != NONE {
            row.open_job = NONE;
            let (attempt, measured) = (row.call.attempts(), self.recorder.measured(row.start));
            self.recorder.attempt_ended(self.now, row.operation, attempt, Outcome::Timeout, measured);
        }
        let action = self.decide(row_id, None);
        self.act(row_id, action);
        // A lost request or a hang leaves nothing behind that could be abandoned.
        if timed_out != NONE && self.jobs.get(timed_out).is_some_and(|job| job.row == row_id) {
            self.tell(self.scenario.operation.server, |server, now, floor| server.abandon(now, timed_out, floor));
        }
    }

    /// Lets the call decide what to do next, after a reply or because its time has come, and counts what that did to the gates.
    #[inline(always)]
    fn decide(&mut self, row_id: u32, reply: Option<Failure>) -> Action {
        let row = &mut self.rows[row_id];
        let mut draws = StepDraws::new(&self.streams, row.operation, row.call.used());
        let place = if self.gates.is_empty() { 0 } else { row_id as usize };
        let held = &mut self.held[place];
        let opened = self.gates.counts().breaker_opened;
        let mut rules = Rules { policy: self.policy, gates: &mut self.gates, held, client: row.client };
        let action = match reply {
            Some(reply) => row.call.on_outcome(self.now, reply, &mut rules, &mut draws),
            None => row.call.on_wake(self.now, &mut rules, &mut draws),
        };
        if !self.gates.is_empty() {
            let measured = self.recorder.measured(row.start);
            if measured {
                self.recorder.breakers_opened(self.gates.counts().breaker_opened - opened);
            }
            if self.count_refusal(measured) {
                self.at_once.attempt(self.now, row_id);
            }
        }
        action
    }

    /// Counts the refusal of a gate, if one has just refused.
    fn count_refusal(&mut self, measured: bool) -> bool {
        let refusal = self.gates.take_refusal();
        if let Some(gate) = refusal {
            self.recorder.refused(self.gates.config(gate).rule.refusal(), measured);
        }
        refusal.is_some()
    }

    /// An operation has ended for its client.
    #[inline(always)]
    fn end(&mut self, row_id: u32, verdict: Verdict) {
        let row = &self.rows[row_id];
        let (client, operation, start) = (row.client, row.operation, row.start);
        let measured = self.recorder.measured(start);
        self.recorder.operation_ended(self.now, start, row.call.attempts(), verdict, measured);
        if row.in_flight == 0 {
            self.release(row_id);
        }
        self.think(client, (operation as u32 + 1) % TURNS);
    }

    /// Takes the operation off the books once it has ended and nothing of it is in flight.
    #[inline(always)]
    fn release(&mut self, row_id: u32) {
        let row = &self.rows[row_id];
        let verdict = row.call.verdict();
        if verdict.is_none() || row.in_flight > 0 {
            return;
        }
        self.recorder.operation_released(self.recorder.measured(row.start), verdict, row.executions);
        self.rows.remove(row_id);
        self.servers[self.scenario.operation.server].forget(row_id);
    }

    fn fault_edge(&mut self, fault: u32) {
        let server = self.faults.edge(self.now, fault, &mut self.queue);
        let in_force = self.faults.in_force(server);
        self.tell(server, |server, now, floor| server.set_in_force(now, in_force, floor));
    }

    fn levels(&self) -> Levels {
        Levels {
            in_flight: self.servers.iter().map(Server::load).sum(),
            queue: self.servers.iter().map(Server::queue_len).sum(),
            breakers_open: self.gates.counts().breakers_open,
        }
    }

    /// With very many clients, what an event is about has long left the caches when it happens, and waiting for memory would take half of the time.
    /// Looking at some dozens of them in advance lets memory work on all of these at once.
    #[inline(never)]
    fn look_ahead(&mut self) {
        let (rows, jobs, gates) = (&self.rows, &self.jobs, &self.gates);
        let mut seen = 0;
        if rows.bytes() < CACHED {
            self.queue.ignore_news();
            return;
        }
        let (ahead_jobs, ahead_rows) = (&mut self.ahead.jobs, &mut self.ahead.rows);
        self.queue.look_ahead(|event| match event {
            Event::Completion { job } | Event::Reply { job } | Event::Request { job } => {
                seen += u32::from(jobs.touch(job));
                ahead_jobs.push(job);
            }
            Event::WakeUp { row } => {
                seen += u32::from(rows.touch(row));
                ahead_rows.push(row);
            }
            Event::ThinkingOver { client, .. } if !gates.is_empty() => seen += u32::from(gates.touch(client)),
            _ => {}
        });
        for job in ahead_jobs.drain(..).filter_map(|job| jobs.get(job)) {
            seen += u32::from(rows.touch(job.row));
            ahead_rows.push(job.row);
        }
        let server = &self.servers[self.scenario.operation.server];
        if !gates.is_empty() || server.knows_keys() {
            for row in &*ahead_rows {
                let client = rows.get(*row).map_or(0, |row| row.client);
                let sent = self.held.get(*row as usize).map_or(SimTime::ZERO, Held::sent);
                let known = gates.touch(client) | server.touch(*row) | (sent > SimTime::ZERO);
                seen += u32::from(known);
            }
        }
        ahead_rows.clear();
        std::hint::black_box(seen);
    }

    /// From time to time: has somebody interrupted, does time stand still, does the state still fit?
    fn look_up(&self, limits: Limits) -> Result<(), Stop> {
        if limits.interrupted.load(Ordering::Relaxed) {
            return Err(Stop::Interrupted);
        }
        self.at_once.check(self.scenario, self.rows.len() as u64)?;
        if self.bytes() > limits.memory {
            return Err(Stop::OutOfMemory { at: self.now, limit: limits.memory });
        }
        Ok(())
    }

    /// Bytes of state.
    fn bytes(&self) -> usize {
        self.rows.bytes()
            + self.jobs.bytes()
            + self.timers.bytes()
            + self.gates.bytes()
            + self.held.capacity() * size_of::<Held>()
            + self.at_once.bytes()
            + self.queue.bytes()
            + self.servers.iter().map(Server::bytes).sum::<usize>()
            + self.recorder.bytes()
    }

    /// The run is over: what is still open is counted as such.
    fn finish(mut self) -> RunResult {
        if !self.rows.is_empty() {
            // It lasted to its end, even if nothing has happened for a while.
            self.now = self.scenario.end();
            let levels = self.levels();
            self.recorder.tick(SimTime(self.now.0.saturating_sub(1)), levels);
        }
        for (_, row) in self.rows.iter() {
            let measured = self.recorder.measured(row.start);
            if row.open_job != NONE {
                let attempt = row.call.attempts();
                self.recorder.attempt_ended(self.now, row.operation, attempt, Outcome::Open, measured);
            }
            self.recorder.operation_released(measured, row.call.verdict(), row.executions);
        }
        let window = self.scenario.duration - self.scenario.warmup;
        let end = SimTime::ZERO + self.scenario.duration.max(self.scenario.warmup);
        let at = self.now.max(end);
        let integrals: Vec<_> = self.servers.iter().map(|server| server.integrals(at, &self.jobs)).collect();
        let utilisation = self.servers.iter().zip(&integrals).filter_map(|(server, integrals)| {
            let worker_time = f64::from(server.config().workers?) * window.0 as f64;
            (worker_time > 0.0).then(|| integrals.busy as f64 / worker_time)
        });
        let totals = ServerTotals {
            held: integrals.iter().map(|integrals| integrals.held).sum(),
            busy: integrals.iter().map(|integrals| integrals.busy).sum(),
            utilisation: utilisation.reduce(f64::max),
            queue_max: self.servers.iter().map(|server| server.queue_max(at)).max().unwrap_or(0),
            completions: self.servers.iter().map(|server| server.completions).sum(),
        };
        let bytes = self.bytes() as u64;
        self.recorder.finish(totals, self.events, bytes)
    }
}
