//! One run: one policy, one replication, from the first operation until nothing is in flight. Here are its state, the event loop and the books
//! at its end; what happens to an operation and its attempts stands in `run/life.rs`.

mod closing;
mod delivering;
mod going;
mod hosts;
mod leaving;
mod life;
mod orders;
mod places;
mod sending;
mod telling;
mod things;
mod whole;

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::draws::StepDraws;
use super::event::{DEMAND, Event};
use super::need::open_at_once;
use super::queue::{About, Queue, TURNS};
use super::standstill::AtOnce;
use super::stop::{Limits, MOST_ATTEMPTS, MOST_EVENTS, Stop};
use super::timers::Timers;
use crate::call::{Action, Call, Held, Rules, Verdict};
use crate::client::arrivals::{OpenLoop, Start};
use crate::endpoint::Ejector;
use crate::fault::clock::{Edge, FaultClock};
use crate::gate::GateChain;
use crate::hedge::Hedger;
use crate::key::CallKey;
use crate::metrics::notes::{Account, Notes, Wanted};
use crate::metrics::parts::OwnCounts;
use crate::metrics::recorder::{Levels, ServerTotals};
use crate::metrics::{Recorder, RunResult};
use crate::protocol::{Failure, Outcome};
use crate::retry::{KeyMode, Policy};
use crate::rng::{Purpose, Streams, replication_seed};
use crate::scenario::call::ClientRules;
use crate::scenario::{Arrivals, Member, PolicyConfig, Scenario, Scene, ServerConfig};
use crate::server::job::{Awaited, Job, Keyed};
use crate::server::limiter::Limiter;
use crate::server::{Door, Floor, Leg, Output, Request, Server};
use crate::slab::Slab;
use crate::units::{SimTime, Span};
use crate::window::Window;
use delivering::Queued;

/// Bytes of operations that stay in a processor's caches by themselves.
const CACHED: usize = 1 << 19;
/// Events between two looks at memory and interruption.
const LOOK_EVERY: u64 = 1 << 14;

/// An operation on the books: one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Row {
    /// Whose draws its call uses.
    key: CallKey,
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

/// No attempt is open.
const NONE: u32 = u32::MAX;
/// The open attempt was lost as it was sent, and nothing of it moves.
const LOST: u32 = u32::MAX - 1;

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
    scene: Scene<'a>,
    policy: &'a dyn Policy,
    /// What the called server makes of the key of its attempts, the plain way.
    keyed: Keyed,
    streams: Streams,
    now: SimTime,
    queue: Queue,
    timers: Timers,
    rows: Slab<Row>,
    jobs: Slab<Job>,
    /// The server that operations call, or the first of its replicas: it has a place of its own, which the plain way finds without looking.
    server: Server<'a>,
    /// Its number among all replicas of all servers.
    called: usize,
    /// All others.
    others: Vec<Server<'a>>,
    outputs: Vec<Output>,
    faults: FaultClock<'a>,
    gates: GateChain,
    /// What the gates hold for each call, by the operation's place; nothing where there are no gates.
    held: Vec<Held>,
    /// What stands in its place then, and where several attempts of a call may be open.
    desk: Held,
    /// What a run needs that goes the whole way.
    whole: Option<whole::Whole<'a>>,
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
    let Scene { world, .. } = scenario.of(policy);
    let clients = world.clients;
    let closed = match world.arrivals {
        Arrivals::Closed { .. } => u64::from(clients) * Queue::ENTRY_BYTES as u64 * 2,
        _ => 0,
    };
    let limiter = |server: &ServerConfig| {
        let limit = server.rate_limit.as_ref();
        limit.map_or(0, |limit| Limiter::bytes_for(limit, clients, server.replicas))
    };
    let limiters: u64 = world.servers.iter().map(limiter).sum();
    let row = &scenario.policies[policy];
    let of = |rules: &ClientRules, endpoints| {
        let hedge = rules.hedge.as_ref().map_or(0, |hedge| Hedger::initial_bytes(hedge, clients));
        let ejector = rules.endpoints.ejection.as_ref().map_or(0, |_| Ejector::bytes_for(clients, endpoints));
        GateChain::most_bytes(&rules.gates, clients, endpoints).saturating_add(hedge).saturating_add(ejector)
    };
    let of_member = |member: &Member| {
        let operation = member.operation(world);
        let endpoints = |follow: &dyn Fn(usize) -> bool| places::endpoints(world, operation, follow);
        // Steps with rules of their own have state of their own, for each client too.
        let own_of = |number: usize| member.rules_of(number, &operation.steps[number]);
        let steps = 0..operation.steps.len();
        let own = steps.filter_map(|number| Some(of(own_of(number)?, endpoints(&|other| other == number))));
        let common = of(&member.rules, endpoints(&|number| own_of(number).is_none()));
        own.fold(common, u64::saturating_add)
    };
    let rules = row.members.iter().map(of_member).fold(0, u64::saturating_add);
    let things = world.contend.map_or(0, |contend| things::Things::bytes_for(contend.things));
    let open = open_at_once(world);
    let open = [Slab::<Row>::bytes_for(open.operations), Slab::<Job>::bytes_for(open.attempts)];
    [closed, limiters, rules, things].into_iter().chain(open).fold(0, u64::saturating_add)
}

/// True if a row needs what the plain way does not know.
fn goes_whole(scene: Scene, row: &PolicyConfig) -> bool {
    let world = scene.world;
    let shares_keys = |rules: &ClientRules| !rules.policy.key().is_own() || rules.policy.key_lost() > 0.0;
    scene.frame.whole_way
        || world.has_parts()
        || world.has_things()
        || row.uses_rows(world)
        || world.may_go_on()
        || row.is_durable()
        || (0..world.servers.len()).any(|server| world.works_in_stages(server))
        || row.is_mix()
        || row.rules().hedge.is_some()
        || shares_keys(row.rules())
}

/// What a server makes of a key that is made so.
fn keyed(server: &Server, policy: &dyn Policy) -> Keyed {
    if !server.knows_keys() {
        return Keyed::Passes;
    }
    match policy.key() {
        KeyMode::None => server.without_key(),
        KeyMode::PerAttempt => Keyed::Passes,
        _ => Keyed::Known,
    }
}

/// The replica with this number, where the called one stands apart.
fn numbered<'s, 'a>(
    called: usize,
    number: usize,
    server: &'s mut Server<'a>,
    others: &'s mut [Server<'a>],
) -> &'s mut Server<'a> {
    if number == called { server } else { &mut others[number - usize::from(number > called)] }
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
// Profilers know a run by its name.
#[inline(never)]
pub fn run_from(
    scenario: &Scenario,
    policy: usize,
    replication: u32,
    limits: Limits,
    ready: impl FnOnce(),
) -> Result<RunResult, Stop> {
    let run = Run::set_up(scenario, policy, replication, limits, None)?;
    ready();
    run.until_the_end(limits).map(|(result, _)| result)
}

/// The same, which also tells what happened to some operations. Every run can be told; the result is that of the run that is not.
///
/// # Errors
/// Says why the run stopped before its end.
pub fn tell(
    scenario: &Scenario,
    policy: usize,
    replication: u32,
    limits: Limits,
    wanted: Wanted,
) -> Result<(RunResult, Account), Stop> {
    let run = Run::set_up(scenario, policy, replication, limits, Some(wanted))?;
    let (result, notes) = run.until_the_end(limits)?;
    Ok((result, notes.map(Notes::kept).unwrap_or_default()))
}

impl<'a> Run<'a> {
    /// If it fits into the memory.
    fn set_up(
        scenario: &'a Scenario,
        policy: usize,
        replication: u32,
        limits: Limits,
        wanted: Option<Wanted>,
    ) -> Result<Run<'a>, Stop> {
        if initial_bytes(scenario, policy) > limits.memory as u64 {
            return Err(Stop::OutOfMemory { at: SimTime::ZERO, limit: limits.memory });
        }
        let scene = scenario.of(policy);
        let seed = replication_seed(scene.frame.seed, replication);
        Ok(Run::new(scene, &scenario.policies[policy], seed, wanted))
    }

    /// Until nothing is left to happen.
    fn until_the_end(mut self, limits: Limits) -> Result<(RunResult, Option<Notes>), Stop> {
        let end = self.scene.frame.end();
        while let Some((time, event)) = self.queue.pop() {
            if time >= end {
                break;
            }
            self.now = time;
            self.events += 1;
            if time >= self.recorder.next_tick() {
                let levels = self.levels();
                self.recorder.tick(time, levels);
            }
            if self.whole.is_some() {
                self.handle_whole(event);
            } else {
                if self.queue.has_news() {
                    self.look_ahead();
                }
                self.handle(event);
            }
            if self.at_once.storm() {
                return Err(Stop::RetryStorm { at: time });
            }
            if self.to_start == 0 && self.rows.is_empty() && !self.has_queued() {
                break;
            }
            if self.events.is_multiple_of(LOOK_EVERY) {
                self.look_up(limits)?;
                self.timers.tidy(&mut self.queue);
            }
        }
        Ok(self.finish())
    }
}

impl<'a> Run<'a> {
    fn new(scene: Scene<'a>, config: &'a PolicyConfig, seed: u64, wanted: Option<Wanted>) -> Run<'a> {
        let Scene { frame, world } = scene;
        let window = Window { from: SimTime::ZERO + frame.warmup, until: frame.demand_end() };
        // Servers that call are clients too, all with the number after that of the last.
        let clients = world.clients + u32::from(world.makes_several_calls());
        let replicas = (0..).zip(world.replicas());
        let has_rows = config.uses_rows(world);
        let mut servers: Vec<_> = replicas
            .map(|(number, (server, replica))| {
                let new = Server::new(&world.servers[server], clients, seed, window).numbered(number, replica);
                new.working_in_stages(world.works_in_stages(server), has_rows)
            })
            .collect();
        let called = world.replicas().take_while(|(server, _)| *server != world.called_index()).count();
        let mut queue = Queue::default();
        let faults = FaultClock::new(scene, seed);
        faults.first_edges().for_each(|(at, fault)| queue.push(at, Event::FaultEdge { fault }));
        let goes_whole = wanted.is_some() || goes_whole(scene, config);
        let has_common = servers.iter().any(Server::has_common);
        let whole = goes_whole.then(|| whole::Whole::new(world, config, wanted, has_common));
        let mut run = Run {
            scene,
            policy: &*config.rules().policy,
            keyed: keyed(&servers[called], &*config.rules().policy),
            streams: Streams::new(seed),
            now: SimTime::ZERO,
            queue,
            timers: Timers::default(),
            rows: Slab::default(),
            jobs: Slab::default(),
            server: servers.remove(called),
            called,
            others: servers,
            outputs: Vec::new(),
            faults,
            // The whole way has its own.
            gates: GateChain::new(if whole.is_some() { &[] } else { &config.rules().gates }, world.clients),
            held: Vec::new(),
            desk: Held::default(),
            whole,
            demand: OpenLoop::new(scene, seed),
            next_start: None,
            to_start: 0,
            at_once: AtOnce::default(),
            ahead: Ahead::default(),
            recorder: Recorder::new(scene, Some(config)),
            events: 0,
        };
        if let Arrivals::Closed { .. } = world.arrivals {
            (0..world.clients).for_each(|client| run.think(client, 0));
        } else {
            run.schedule_next_start();
        }
        run.next_crash(0);
        run
    }

    #[inline(always)]
    fn handle(&mut self, event: Event) {
        match event {
            Event::FaultEdge { fault } => self.fault_edge(fault),
            Event::Request { job } => self.request(job),
            Event::Completion { job } => {
                self.tell(|server, now, floor| server.complete(now, job, floor));
            }
            Event::PatienceEnds { job } => {
                self.tell(|server, now, floor| server.lose_patience(now, job, floor));
            }
            Event::Reply { job } => self.reply(job, false),
            Event::Cancellation { job } => self.cancellation(job),
            Event::WakeUp { row } => self.timer(row),
            Event::TimeOut { row, setting } => {
                if self.timers.popped(row, setting) {
                    self.timer(row);
                }
            }
            Event::NextOperation { .. } => {
                self.to_start -= 1;
                if let Some(start) = self.next_start.take() {
                    self.schedule_next_start();
                    self.start(start.number, start.client);
                }
            }
            Event::GoOn { .. } | Event::Look { .. } | Event::ClientCrash { .. } => {
                unreachable!("operations that go on, and clients that crash, go the whole way")
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
            self.queue.push(start.at, Event::NextOperation { repeat: DEMAND });
            self.to_start += 1;
        }
    }

    fn fault_edge(&mut self, fault: u32) {
        let Edge { server, replica, next } = self.faults.edge(self.now, fault);
        if let Some(at) = next {
            self.queue.push(at, Event::FaultEdge { fault });
        }
        if self.whole.is_some() {
            return self.change_whole(server, replica);
        }
        // Where no server has replicas, their numbers are those of servers.
        let (called, in_force) = (self.called, self.faults.in_force(self.now, server, 0));
        if server == called {
            self.tell(|server, now, floor| server.set_in_force(now, in_force, floor));
        } else {
            let other = numbered(called, server, &mut self.server, &mut self.others);
            let floor = &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs, beside: None };
            other.set_in_force(self.now, in_force, floor);
        }
    }

    fn servers(&self) -> impl Iterator<Item = &Server<'a>> {
        std::iter::once(&self.server).chain(&self.others)
    }

    /// True if something waits in a durable queue that may be tried again. Asked when nothing else is left, and out of the way of every event.
    #[cold]
    #[inline(never)]
    fn has_queued(&self) -> bool {
        self.whole.as_ref().is_some_and(|whole| whole.queues.iter().flatten().any(Queued::is_alive))
    }

    fn levels(&self) -> Levels {
        Levels {
            in_flight: self.servers().map(Server::load).sum(),
            queue: self.servers().map(Server::queue_len).sum(),
            breakers_open: match &self.whole {
                None => self.gates.counts().breakers_open,
                Some(whole) => whole.breakers_open(),
            },
            stay: self.recorder.durable.as_ref().map(|_| self.queue_stay()),
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
        self.queue.look_ahead(|about| match about {
            About::Job(job) => {
                seen += u32::from(jobs.touch(job));
                ahead_jobs.push(job);
            }
            About::Operation(row) => {
                seen += u32::from(rows.touch(row));
                ahead_rows.push(row);
            }
            About::Client(client) if !gates.is_empty() => seen += u32::from(gates.touch(client)),
            _ => {}
        });
        for job in ahead_jobs.drain(..).filter_map(|job| jobs.get(job)) {
            seen += u32::from(rows.touch(job.row));
            ahead_rows.push(job.row);
        }
        let server = &self.server;
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

    /// From time to time: has somebody interrupted, does time stand still, does it come to an end, does the state still fit?
    fn look_up(&self, limits: Limits) -> Result<(), Stop> {
        if limits.interrupted.load(Ordering::Relaxed) {
            return Err(Stop::Interrupted);
        }
        self.at_once.check(self.scene.world, self.rows.len() as u64)?;
        if self.events > MOST_EVENTS {
            return Err(Stop::TooMuch { at: self.now });
        }
        // An operation that goes on for ever is the one that was seen last, sooner or later; counting all would cost every attempt something.
        let attempts = self.rows.get(self.at_once.last()).map_or(0, |row| row.call.used());
        if attempts > MOST_ATTEMPTS {
            return Err(Stop::EndlessCall { at: self.now, attempts });
        }
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
            + self.whole.as_ref().map_or(0, whole::Whole::bytes)
            + self.at_once.bytes()
            + self.queue.bytes()
            + self.servers().map(Server::bytes).sum::<usize>()
            + self.recorder.bytes()
    }

    /// What is still open is counted as such.
    fn close_rows(&mut self) {
        for (_, row) in self.rows.iter() {
            let measured = self.recorder.measured(row.start);
            if row.open_job != NONE {
                let attempt = row.call.attempts();
                self.recorder.attempt_ended(self.now, row.key, attempt, Outcome::Open, measured);
            }
            if row.call.verdict().is_none() {
                self.recorder.left_open(row.start, row.call.attempts());
            }
            self.recorder.operation_released(measured, row.call.verdict(), row.executions);
        }
    }

    /// The run is over.
    fn finish(mut self) -> (RunResult, Option<Notes>) {
        if !self.rows.is_empty() {
            // It lasted to its end, even if nothing has happened for a while.
            self.now = self.scene.frame.end();
            let levels = self.levels();
            self.recorder.tick(SimTime(self.now.0.saturating_sub(1)), levels);
        }
        if self.whole.is_some() {
            self.close_whole();
        } else {
            self.close_rows();
        }
        let frame = self.scene.frame;
        let window = frame.duration - frame.warmup;
        let end = SimTime::ZERO + frame.duration.max(frame.warmup);
        let at = self.now.max(end);
        let places = self.whole.as_ref().map(|whole| &whole.at[..]);
        // In the order of the world: the called one stands apart.
        let mut servers: Vec<&Server> = self.others.iter().collect();
        servers.insert(self.called, &self.server);
        let integrals: Vec<_> = servers.iter().map(|server| server.integrals(at, &self.jobs, places)).collect();
        let of = |replicas: Range<usize>, config: &ServerConfig| {
            let busy: u128 = integrals[replicas.clone()].iter().map(|integrals| integrals.busy).sum();
            let worker_time = |workers| f64::from(workers) * replicas.len() as f64 * window.0 as f64;
            let worker_time = config.workers.map(worker_time).filter(|worker_time| *worker_time > 0.0);
            OwnCounts {
                utilisation: worker_time.map(|worker_time| busy as f64 / worker_time),
                queue_max: servers[replicas].iter().map(|server| server.queue_max(at)).max().unwrap_or(0),
            }
        };
        let replicas: Vec<OwnCounts> =
            servers.iter().enumerate().map(|(number, server)| of(number..number + 1, server.config())).collect();
        let mut first = 0;
        let each = self.scene.world.servers.iter().map(|config| {
            let replicas = first..first + config.replicas as usize;
            first = replicas.end;
            of(replicas, config)
        });
        let each: Vec<OwnCounts> = each.collect();
        let totals = ServerTotals {
            held: integrals.iter().map(|integrals| integrals.held).sum(),
            busy: integrals.iter().map(|integrals| integrals.busy).sum(),
            utilisation: each.iter().filter_map(|own| own.utilisation).reduce(f64::max),
            queue_max: each.iter().map(|own| own.queue_max).max().unwrap_or(0),
            completions: self.servers().map(|server| server.completions).sum(),
        };
        let bytes = self.bytes() as u64;
        let notes = self.whole.as_mut().and_then(|whole| whole.notes.take());
        (self.recorder.finish(totals, (&each, &replicas), self.events, bytes), notes)
    }
}
