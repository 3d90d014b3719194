//! One run: one policy, one replication, from the first operation until nothing is in flight.
//!
//! The life of an attempt, in the order of the functions below: `send` → `request` at the server → the server's outputs
//! (`settle`) → `reply` at the client → the call decides (`act`) → its wait ends in `timer` → sent again. A
//! time-out is the same timer, with an attempt open.

use std::sync::atomic::{AtomicBool, Ordering};

use super::event::{Class, Event};
use super::faults::FaultClock;
use super::need::open_at_once;
use super::queue::{Queue, Ticket};
use super::standstill::AtOnce;
use super::timers::Timers;
use crate::call::{Action, Call, Draws, Rules, Verdict};
use crate::client::arrivals::{OpenLoop, Start};
use crate::distribution::Distribution;
use crate::gate::GateChain;
use crate::metrics::recorder::{Levels, ServerTotals};
use crate::metrics::{Recorder, RunResult};
use crate::protocol::{Failure, Outcome};
use crate::retry::{KeyMode, Policy};
use crate::rng::{KeyedRng, Purpose, replication_seed};
use crate::scenario::{Arrivals, Scenario};
use crate::server::job::Job;
use crate::server::meter::Window;
use crate::server::{Floor, Output, Server};
use crate::slab::Slab;
use crate::units::{SimTime, Span};

/// What a run may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Bytes of state; beyond, the run stops.
    pub memory: usize,
    /// Set by another thread: stop as soon as possible.
    pub interrupted: &'a AtomicBool,
}

/// Why a run stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Somebody asked for it.
    #[error("interrupted")]
    Interrupted,
    /// One operation made too many attempts at one instant.
    #[error(
        "one operation made more than {MOST_ATTEMPTS_AT_ONCE} attempts at one instant ({at:?}): it retries at once, the failure comes back at once, and its attempts are not limited enough"
    )]
    RetryStorm {
        /// When.
        at: SimTime,
    },
    /// Many operations together made too many attempts at one instant.
    #[error(
        "{attempts} attempts at one instant ({at:?}), and no end: many operations retry at once, their failures come back at once, and their attempts are not limited enough"
    )]
    RetryStorms {
        /// When.
        at: SimTime,
        /// Attempts made by then.
        attempts: u64,
    },
    /// Clients that neither think nor wait, or a demand without time between its operations.
    #[error(
        "more operations than can be simulated start at one instant ({at:?}): there is no time between them, or neither thinking nor serving takes any"
    )]
    Standstill {
        /// When.
        at: SimTime,
    },
    /// The state has outgrown the memory.
    #[error("its state needs more than the {limit} bytes there are for it, at {at:?} of the run")]
    OutOfMemory {
        /// When.
        at: SimTime,
        /// Bytes.
        limit: usize,
    },
}

/// More attempts of one operation at one instant than this end the run.
pub const MOST_ATTEMPTS_AT_ONCE: u32 = 100_000;
/// Events between two looks at memory and interruption.
const LOOK_EVERY: u64 = 1 << 14;

/// An operation on the books.
#[derive(Debug)]
struct Row {
    operation: u64,
    client: u32,
    start: SimTime,
    call: Call,
    verdict: Option<Verdict>,
    /// The attempt whose reply the client waits for.
    open_job: u32,
    /// Attempts of which something still moves.
    in_flight: u32,
    executions: u32,
    measured: bool,
    /// For the guard against endless retries at one instant.
    instant: SimTime,
    at_instant: u32,
}

const NONE: u32 = u32::MAX;

/// What a call draws from in a step, by the attempts it has used up.
fn streams(seed: u64, operation: u64, used: u32, gates: &GateChain) -> (KeyedRng, KeyedRng) {
    let stream = |purpose| KeyedRng::new(seed, purpose, operation, u64::from(used));
    let jitter = stream(Purpose::Jitter);
    // Where there is no gate, nobody draws from the second, and making it is saved.
    let gate = if gates.is_empty() { jitter.clone() } else { stream(Purpose::Gate) };
    (jitter, gate)
}

/// Everything a run consists of.
struct Run<'a> {
    scenario: &'a Scenario,
    policy: &'a dyn Policy,
    seed: u64,
    now: SimTime,
    queue: Queue,
    timers: Timers,
    rows: Slab<Row>,
    jobs: Slab<Job>,
    servers: Vec<Server<'a>>,
    outputs: Vec<Output>,
    faults: FaultClock<'a>,
    gates: GateChain,
    demand: OpenLoop<'a>,
    next_start: Option<Start>,
    /// Closed loop: operations that each client has begun.
    turns: Vec<u32>,
    /// Operations that are still to start: the next of an open loop, or clients thinking.
    to_start: u64,
    at_once: AtOnce,
    recorder: Recorder,
    storm: bool,
    events: u64,
}

/// Bytes that a run is known to need before anything happens: state for each client, and what will be open at once.
pub fn initial_bytes(scenario: &Scenario, policy: usize) -> u64 {
    let world = scenario.in_world_of(policy);
    let scenario = &*world;
    let clients = scenario.clients;
    let closed = match scenario.arrivals {
        Arrivals::Closed { .. } => u64::from(clients) * (Queue::ENTRY_BYTES as u64 * 2 + size_of::<u32>() as u64),
        _ => 0,
    };
    let limiters = scenario.servers.iter().filter_map(|server| server.rate_limit.as_ref());
    let limiters: u64 = limiters.map(|limit| crate::server::limiter::Limiter::bytes(limit, clients)).sum();
    let gates = GateChain::bytes(&scenario.policies[policy].gates, clients);
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
    while let Some((time, ticket, event)) = run.queue.pop() {
        if time >= end {
            break;
        }
        run.now = time;
        run.events += 1;
        if time >= run.recorder.next_tick() {
            let levels = run.levels();
            run.recorder.tick(time, levels);
        }
        run.handle(ticket, event);
        if run.storm {
            return Err(Stop::RetryStorm { at: time });
        }
        if run.to_start == 0 && run.rows.is_empty() {
            break;
        }
        if run.events.is_multiple_of(LOOK_EVERY) {
            run.look_up(limits)?;
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
            seed,
            now: SimTime::ZERO,
            queue,
            timers: Timers::default(),
            rows: Slab::default(),
            jobs: Slab::default(),
            servers: servers.collect(),
            outputs: Vec::new(),
            faults,
            gates: GateChain::new(&config.gates, scenario.clients),
            demand: OpenLoop::new(scenario, seed),
            next_start: None,
            turns: Vec::new(),
            to_start: 0,
            at_once: AtOnce::default(),
            recorder: Recorder::new(scenario),
            storm: false,
            events: 0,
        };
        if let Arrivals::Closed { .. } = scenario.arrivals {
            run.turns = vec![0; scenario.clients as usize];
            (0..scenario.clients).for_each(|client| run.think(client));
        } else {
            run.schedule_next_start();
        }
        run
    }

    fn handle(&mut self, ticket: Ticket, event: Event) {
        match event {
            Event::FaultEdge { fault } => self.fault_edge(fault),
            Event::Request { job } => self.request(job),
            Event::Completion { job } => {
                let server = self.scenario.operation.server;
                self.servers[server].complete(
                    self.now,
                    job,
                    &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs },
                );
                self.settle();
            }
            Event::PatienceEnds { job } => {
                let server = self.scenario.operation.server;
                self.servers[server].lose_patience(
                    self.now,
                    job,
                    &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs },
                );
                self.settle();
            }
            Event::Reply { job } => self.reply(job),
            Event::Timer { row } => self.timer(ticket, row),
            Event::NextOperation => {
                self.to_start -= 1;
                if let Some(start) = self.next_start.take() {
                    self.schedule_next_start();
                    self.start(start.number, start.client);
                }
            }
            Event::ThinkingOver { client } => {
                self.to_start -= 1;
                let turn = &mut self.turns[client as usize];
                let operation = u64::from(client) << 32 | u64::from(*turn);
                *turn = turn.wrapping_add(1);
                self.start(operation, client);
            }
        }
    }

    fn schedule_next_start(&mut self) {
        self.next_start = self.demand.next();
        if let Some(start) = self.next_start {
            self.queue.push(start.at, Class::Arrival, Event::NextOperation);
            self.to_start += 1;
        }
    }

    /// A client of a closed loop thinks before its next operation.
    fn think(&mut self, client: u32) {
        let Arrivals::Closed { think } = &self.scenario.arrivals else { return };
        let operation = u64::from(client) << 32 | u64::from(self.turns[client as usize]);
        let until = self.now + think.sample(&mut KeyedRng::new(self.seed, Purpose::Think, operation, 0));
        if until < SimTime::ZERO + self.scenario.duration {
            self.queue.push(until, Class::Arrival, Event::ThinkingOver { client });
            self.to_start += 1;
        }
    }

    /// An operation starts.
    fn start(&mut self, operation: u64, client: u32) {
        self.recorder.operation_started(self.now);
        self.at_once.operation(self.now);
        let (mut jitter, mut gates) = streams(self.seed, operation, 0, &self.gates);
        let mut rules = Rules { policy: self.policy, gates: &mut self.gates, client };
        let mut draws = Draws { jitter: &mut jitter, gates: &mut gates };
        let (call, action) = Call::start(self.now, &mut rules, &mut draws);
        self.count_refusal(self.recorder.measures(self.now));
        let row = self.rows.insert(Row {
            operation,
            client,
            start: self.now,
            call,
            verdict: None,
            open_job: NONE,
            in_flight: 0,
            executions: 0,
            measured: self.recorder.measures(self.now),
            instant: self.now,
            at_instant: 0,
        });
        self.act(row, action);
    }

    /// Does what the call says.
    fn act(&mut self, row: u32, action: Action) {
        match action {
            Action::Send { attempt, due } => self.send(row, attempt, due),
            Action::WakeAt(at) => self.timers.set(row, at, &mut self.queue),
            Action::Finish(verdict) => self.finish_operation(row, verdict),
        }
    }

    /// Sends an attempt and sets its time-out.
    fn send(&mut self, row_id: u32, attempt: u32, due: SimTime) {
        self.count_attempt(row_id);
        let row = &mut self.rows[row_id];
        self.recorder.attempt_sent(row.measured, attempt);
        let server = &self.servers[self.scenario.operation.server];
        let keyed = server.knows_keys() && self.policy.key() == KeyMode::PerOperation;
        let job = self.jobs.insert(Job::new(row.operation, attempt, row_id, row.client, keyed));
        row.open_job = job;
        row.in_flight += 1;
        let delay = self.leg(job, Purpose::NetworkOut, Purpose::AddedOut);
        if delay == Span::ZERO {
            self.request(job);
        } else {
            self.queue.push(self.now + delay, Class::Request, Event::Request { job });
        }
        // The answer may have come at once.
        if self.rows.get(row_id).is_some_and(|row| row.open_job == job) {
            self.timers.set(row_id, due, &mut self.queue);
        }
    }

    /// An attempt was sent, or refused and will be tried again: how many at this instant?
    fn count_attempt(&mut self, row_id: u32) {
        let row = &mut self.rows[row_id];
        if row.instant != self.now {
            (row.instant, row.at_instant) = (self.now, 0);
        }
        row.at_instant += 1;
        self.storm |= row.at_instant > MOST_ATTEMPTS_AT_ONCE;
        self.at_once.attempt(self.now);
    }

    /// One way over the network.
    fn leg(&self, job: u32, own: Purpose, added: Purpose) -> Span {
        let server = &self.servers[self.scenario.operation.server];
        let job = &self.jobs[job];
        let draw = |distribution: &Distribution, purpose, fault: u32| match distribution {
            Distribution::Constant(span) => *span,
            other => {
                let attempt = u64::from(fault) << 32 | u64::from(job.attempt);
                other.sample(&mut KeyedRng::new(self.seed, purpose, job.operation, attempt))
            }
        };
        let mut delay = draw(&server.config().network, own, 0);
        for (fault, latency) in &server.in_force().added_latency {
            delay += draw(latency, added, *fault);
        }
        delay
    }

    /// A request reaches the server.
    fn request(&mut self, job: u32) {
        let server = &mut self.servers[self.scenario.operation.server];
        let arrived = server.receive(self.now, job, &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs });
        if arrived {
            self.recorder.attempt_arrived(self.now);
        }
        self.settle();
    }

    /// Does what the server says. Nothing in here makes a server say more.
    fn settle(&mut self) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            match output {
                Output::TakenUp { job } => self.recorder.taken_up(self.jobs[job].arrived, self.now),
                Output::CompletionAt { at, job } => self.queue.push(at, Class::Reply, Event::Completion { job }),
                Output::PatienceEndsAt { at, job } => {
                    self.queue.push(at, Class::Patience, Event::PatienceEnds { job });
                }
                Output::Executed { job } => self.rows[self.jobs[job].row].executions += 1,
                Output::Answer { job } => {
                    let delay = self.leg(job, Purpose::NetworkBack, Purpose::AddedBack);
                    if delay == Span::ZERO {
                        self.reply(job);
                    } else {
                        self.queue.push(self.now + delay, Class::Reply, Event::Reply { job });
                    }
                }
                Output::Gone { job } => {
                    let job = self.jobs.remove(job);
                    self.leave(job.row);
                }
            }
        }
        assert!(self.outputs.is_empty(), "a client's reaction never reaches a server within one event");
        self.outputs = outputs;
    }

    /// A reply reaches its client, who may have stopped waiting.
    fn reply(&mut self, job_id: u32) {
        let job = self.jobs.remove(job_id);
        let row = &mut self.rows[job.row];
        if job.abandoned {
            self.leave(job.row);
            return;
        }
        row.open_job = NONE;
        self.recorder.reply_received(job.busy);
        self.recorder.attempt_ended(self.now, row.operation, job.attempt, job.reply, row.measured);
        let (now, reply) = (self.now, Failure { outcome: job.reply, retry_after: job.retry_after });
        let action = self.decide(job.row, |call, rules, draws| call.on_outcome(now, reply, rules, draws));
        // What was open until now has ended; a wait sets the timer anew.
        self.timers.set(job.row, SimTime::NEVER, &mut self.queue);
        self.act(job.row, action);
        self.leave(job.row);
    }

    /// A client's time-out or wake-up.
    fn timer(&mut self, ticket: Ticket, row_id: u32) {
        if !self.timers.popped(self.now, ticket, row_id, &mut self.queue) {
            return;
        }
        let row = &mut self.rows[row_id];
        let timed_out = row.open_job;
        if timed_out != NONE {
            row.open_job = NONE;
            let attempt = row.call.attempts();
            self.recorder.attempt_ended(self.now, row.operation, attempt, Outcome::Timeout, row.measured);
        }
        let now = self.now;
        let action = self.decide(row_id, |call, rules, draws| call.on_wake(now, rules, draws));
        self.act(row_id, action);
        if timed_out != NONE {
            // A lost request or a hang leaves nothing behind that could be abandoned.
            if self.jobs.get(timed_out).is_some_and(|job| job.row == row_id) {
                let server = &mut self.servers[self.scenario.operation.server];
                server.abandon(self.now, timed_out, &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs });
                self.settle();
            }
            self.release(row_id);
        }
    }

    /// Lets the call decide what to do next, and counts what that did to the gates.
    fn decide(&mut self, row_id: u32, ask: impl FnOnce(&mut Call, &mut Rules, &mut Draws) -> Action) -> Action {
        let row = &mut self.rows[row_id];
        let opened = self.gates.counts().breaker_opened;
        let (mut jitter, mut gates) = streams(self.seed, row.operation, row.call.used(), &self.gates);
        let mut rules = Rules { policy: self.policy, gates: &mut self.gates, client: row.client };
        let action = ask(&mut row.call, &mut rules, &mut Draws { jitter: &mut jitter, gates: &mut gates });
        let measured = row.measured;
        if measured {
            self.recorder.breakers_opened(self.gates.counts().breaker_opened - opened);
        }
        if self.count_refusal(measured) {
            self.count_attempt(row_id);
        }
        action
    }

    /// Counts the refusal of a gate, if one has just refused.
    fn count_refusal(&mut self, measured: bool) -> bool {
        let refusal = self.gates.take_refusal();
        if let Some(gate) = refusal {
            self.recorder.refused(self.gates.config(gate).rule.refusal_metric(), measured);
        }
        refusal.is_some()
    }

    fn finish_operation(&mut self, row_id: u32, verdict: Verdict) {
        let row = &mut self.rows[row_id];
        row.verdict = Some(verdict);
        let (client, start, attempts) = (row.client, row.start, row.call.attempts());
        self.recorder.operation_ended(self.now, start, attempts, verdict);
        self.think(client);
        self.release(row_id);
    }

    /// An attempt of this operation is no longer in flight.
    fn leave(&mut self, row_id: u32) {
        self.rows[row_id].in_flight -= 1;
        self.release(row_id);
    }

    /// Takes the operation off the books once it has ended and nothing of it is in flight.
    fn release(&mut self, row_id: u32) {
        let Some(row) = self.rows.get(row_id) else { return };
        if row.verdict.is_none() || row.in_flight > 0 {
            return;
        }
        self.recorder.operation_released(row.measured, row.verdict, row.executions);
        self.rows.remove(row_id);
        self.timers.set(row_id, SimTime::NEVER, &mut self.queue);
        self.servers[self.scenario.operation.server].forget(row_id);
    }

    fn fault_edge(&mut self, fault: u32) {
        let server = self.faults.edge(self.now, fault, &mut self.queue);
        let in_force = self.faults.in_force(server);
        self.servers[server].set_in_force(
            self.now,
            in_force,
            &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs },
        );
        self.settle();
    }

    fn levels(&self) -> Levels {
        Levels {
            in_flight: self.servers.iter().map(Server::load).sum(),
            queue: self.servers.iter().map(Server::queue_len).sum(),
            breakers_open: self.gates.counts().breakers_open,
        }
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
            + self.queue.len() * Queue::ENTRY_BYTES
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
        for id in self.rows.indices() {
            let row = &self.rows[id];
            if row.open_job != NONE {
                let attempt = row.call.attempts();
                self.recorder.attempt_ended(self.now, row.operation, attempt, Outcome::Open, row.measured);
            }
            self.recorder.operation_released(row.measured, row.verdict, row.executions);
        }
        let window = self.scenario.duration - self.scenario.warmup;
        let end = SimTime::ZERO + self.scenario.duration.max(self.scenario.warmup);
        let at = self.now.max(end);
        let utilisation = self.servers.iter().filter_map(|server| {
            let worker_time = f64::from(server.config().workers?) * window.0 as f64;
            (worker_time > 0.0).then(|| server.busy.integral(at) as f64 / worker_time)
        });
        let totals = ServerTotals {
            held: self.servers.iter().map(|server| server.held.integral(at)).sum(),
            busy: self.servers.iter().map(|server| server.busy.integral(at)).sum(),
            utilisation: utilisation.reduce(f64::max),
            queue_max: self.servers.iter().map(|server| server.queue_max(at)).max().unwrap_or(0),
            completions: self.servers.iter().map(|server| server.completions).sum(),
        };
        let bytes = self.bytes() as u64;
        self.recorder.finish(totals, self.events, bytes)
    }
}
