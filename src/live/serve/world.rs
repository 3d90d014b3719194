//! The servers of a scenario, told what comes over real connections and when. It has no clock and no socket: whoever has them tells it what has happened, asks when it
//! has something to do, and hears what is to be answered. What servers decide is decided by the simulator's own [`Server`].

use std::collections::BTreeMap;

use crate::fault::Fate;
use crate::fault::clock::FaultClock;
use crate::key::CallKey;
use crate::protocol::{Failure, Outcome};
use crate::scenario::{RowUse, Scenario, Scene};
use crate::server::job::{Awaited, Job, Keyed};
use crate::server::{Beside, Floor, Leg, Output, Server, Staged};
use crate::slab::Slab;
use crate::units::{SimTime, Span};
use crate::window::Window;

/// A request, as its server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The number of the server.
    pub server: usize,
    /// Whose draws it has.
    pub key: CallKey,
    /// What it asks for.
    pub action: CallKey,
    /// Its number among the attempts of its operation, from 1.
    pub attempt: u32,
    /// By which buckets know its client.
    pub client: u32,
    /// Its idempotency key, if it has one.
    pub idempotency: Option<String>,
}

/// What a request has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The number of the request.
    pub ticket: u64,
    /// What its client is to see; [`Outcome::Open`]: nothing, ever.
    pub reply: Failure,
    /// It was executed.
    pub executed: bool,
    /// Where the connection breaks: after the work, and not before.
    pub is_late: bool,
}

/// What is to be done at an instant; what comes first at one instant is as in the simulator.
#[derive(Clone, Copy, Debug)]
enum Due {
    Edge(u32),
    Arrives(u32),
    Ends(u32),
    Patience(u32),
    Replies(u32),
    Cancelled(u32),
}

impl Due {
    fn class(self) -> u8 {
        match self {
            Due::Edge(_) => 0,
            _ => 1,
        }
    }
}

/// Counts of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests.
    pub requests: u64,
    /// Those that were executed.
    pub executions: u64,
    /// Those that are at the server now, or on their way.
    pub open: u64,
}

/// An attempt beside what every attempt has.
#[derive(Clone, Copy, Debug)]
struct Side {
    ticket: u64,
    executed: bool,
    /// Its connection is there.
    is_there: bool,
    /// Nothing will come of it.
    is_silent: bool,
}

/// The servers, what is open, and what is due.
pub struct World<'a> {
    scene: Scene<'a>,
    servers: Vec<Server<'a>>,
    faults: FaultClock<'a>,
    jobs: Slab<Job>,
    at: Vec<u32>,
    staged: Vec<Staged>,
    sides: Vec<Side>,
    /// By ticket, those whose connection is there.
    open: BTreeMap<u64, u32>,
    due: BTreeMap<(SimTime, u8, u64), Due>,
    scheduled: u64,
    out: Vec<Output>,
    heard: Vec<Heard>,
    /// By server: the places of idempotency keys in its store.
    slots: Vec<BTreeMap<String, u32>>,
    counts: Vec<Counts>,
    now: SimTime,
}

/// Clients that buckets tell apart.
pub const CLIENTS: u32 = 10_000;

impl<'a> World<'a> {
    /// The servers of a scenario at the beginning, with draws from this seed.
    pub fn new(scenario: &'a Scenario, seed: u64) -> World<'a> {
        let scene = scenario.common();
        let always = Window { from: SimTime::ZERO, until: SimTime::NEVER };
        let servers = (0..).zip(&scene.world.servers).map(|(number, config)| {
            let server = Server::new(config, CLIENTS + 1, seed, always).numbered(number, 0);
            server.working_in_stages(scene.world.works_in_stages(number as usize), false)
        });
        let servers: Vec<Server> = servers.collect();
        let faults = FaultClock::new(scene, seed);
        let count = servers.len();
        let mut world = World {
            scene,
            servers,
            faults,
            jobs: Slab::default(),
            at: Vec::new(),
            staged: Vec::new(),
            sides: Vec::new(),
            open: BTreeMap::new(),
            due: BTreeMap::new(),
            scheduled: 0,
            out: Vec::new(),
            heard: Vec::new(),
            slots: vec![BTreeMap::new(); count],
            counts: vec![Counts::default(); count],
            now: SimTime::ZERO,
        };
        let edges: Vec<(SimTime, u32)> = world.faults.first_edges().collect();
        edges.into_iter().for_each(|(at, fault)| world.push(at, Due::Edge(fault)));
        world
    }

    /// When there is something to do next.
    pub fn next_due(&self) -> Option<SimTime> {
        self.due.first_key_value().map(|((at, ..), _)| *at)
    }

    /// True if a server takes no connections now.
    pub fn is_down(&self, server: usize) -> bool {
        self.servers[server].is_crashed()
    }

    /// Counts of each server.
    pub fn counts(&self) -> &[Counts] {
        &self.counts
    }

    /// What requests have come to since it was asked last.
    pub fn take_heard(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    /// Does everything that is due by then, each at its own instant.
    pub fn advance(&mut self, now: SimTime) {
        while let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= now) {
            self.now = self.now.max(first.key().0);
            let due = first.remove();
            self.do_due(due);
        }
        self.now = self.now.max(now);
    }

    fn push(&mut self, at: SimTime, due: Due) {
        self.scheduled += 1;
        self.due.insert((at, due.class(), self.scheduled), due);
    }

    /// A request has been sent; it arrives after its way.
    pub fn send(&mut self, now: SimTime, ticket: u64, asked: &Asked) {
        self.advance(now);
        let number = asked.server;
        self.counts[number].requests += 1;
        self.counts[number].open += 1;
        let server = &self.servers[number];
        let (keyed, slot) = match &asked.idempotency {
            Some(name) if server.knows_keys() => {
                let next = self.slots[number].len() as u32;
                (Keyed::Known, *self.slots[number].entry(name.clone()).or_insert(next))
            }
            None if server.knows_keys() => (server.without_key(), u32::MAX),
            _ => (Keyed::Passes, u32::MAX),
        };
        let way = server.leg(asked.key, asked.attempt, Leg::Out);
        let job = self.jobs.insert(Job::new(asked.key, asked.attempt, slot, asked.client, keyed));
        let side = Side { ticket, executed: false, is_there: true, is_silent: false };
        let staged = Staged::new((asked.action, asked.key), (0, None), RowUse::default(), None);
        let place = job as usize;
        if self.sides.len() <= place {
            self.sides.push(side);
            self.at.push(number as u32);
            self.staged.push(staged);
        } else {
            (self.sides[place], self.at[place], self.staged[place]) = (side, number as u32, staged);
        }
        self.open.insert(ticket, job);
        match way {
            Span::ZERO => self.arrives(job),
            way => self.push(self.now + way, Due::Arrives(job)),
        }
    }

    /// The client of a request has gone: its connection is closed.
    pub fn leave(&mut self, now: SimTime, ticket: u64) {
        self.advance(now);
        let Some(job) = self.open.remove(&ticket) else { return };
        let side = &mut self.sides[job as usize];
        side.is_there = false;
        if side.is_silent {
            // It was there for its connection only.
            return self.remove(job);
        }
        let number = self.at[job as usize];
        let server = &self.servers[number as usize];
        self.jobs[job].awaited = Awaited::No;
        if !server.heeds_cancellation() || !self.jobs[job].can_be_cancelled() {
            return;
        }
        let Job { key, attempt, .. } = self.jobs[job];
        let at = self.now + server.leg(key, attempt, Leg::Cancel);
        self.jobs[job].cancel_at(at);
        self.push(at, Due::Cancelled(job));
    }

    fn tell(&mut self, number: u32, what: impl FnOnce(&mut Server, SimTime, &mut Floor)) {
        let beside = Some(Beside { at: &self.at, staged: &mut self.staged });
        let floor = &mut Floor { jobs: &mut self.jobs, out: &mut self.out, beside };
        what(&mut self.servers[number as usize], self.now, floor);
        let mut next = 0;
        while let Some(output) = self.out.get(next).copied() {
            next += 1;
            match output {
                Output::Started { job, at, .. } | Output::CompletionAt { job, at } => self.push(at, Due::Ends(job)),
                Output::PatienceEndsAt { job, at } => self.push(at, Due::Patience(job)),
                Output::TakenUp { .. } | Output::Meets { .. } => {}
                Output::Effect { job, .. } => self.executed(job),
                Output::Answer { job, executed } => {
                    if executed {
                        self.executed(job);
                    }
                    let Job { key, attempt, .. } = self.jobs[job];
                    match self.servers[number as usize].leg(key, attempt, Leg::Back) {
                        Span::ZERO => self.replies(job),
                        way => self.push(self.now + way, Due::Replies(job)),
                    }
                }
                Output::Gone { job, executed } => {
                    if executed {
                        self.executed(job);
                    }
                    self.falls_silent(job);
                }
                Output::Calls { .. } => unreachable!("servers that call others are refused"),
            }
        }
        self.out.clear();
    }

    fn executed(&mut self, job: u32) {
        self.sides[job as usize].executed = true;
        self.counts[self.at[job as usize] as usize].executions += 1;
    }

    fn do_due(&mut self, due: Due) {
        match due {
            Due::Edge(fault) => {
                let edge = self.faults.edge(self.now, fault);
                let in_force = self.faults.in_force(self.now, edge.server, 0);
                self.tell(edge.server as u32, |server, now, floor| server.set_in_force(now, in_force, floor));
                if let Some(next) = edge.next {
                    self.push(next, Due::Edge(fault));
                }
            }
            Due::Arrives(job) => self.arrives(job),
            Due::Ends(job) => self.tell_its_server(job, |server, now, floor| server.complete(now, job, floor)),
            Due::Patience(job) => self.tell_its_server(job, |server, now, floor| server.lose_patience(now, job, floor)),
            Due::Replies(job) => self.replies(job),
            Due::Cancelled(job) => {
                if self.jobs.get(job).is_some_and(|known| known.is_cancelled_at(self.now)) {
                    self.tell_its_server(job, |server, now, floor| server.cancel(now, job, floor));
                }
            }
        }
    }

    /// What is announced for an attempt may come when it is gone, and its place another one's.
    fn tell_its_server(&mut self, job: u32, what: impl FnOnce(&mut Server, SimTime, &mut Floor)) {
        if self.jobs.get(job).is_some() && !self.sides[job as usize].is_silent {
            self.tell(self.at[job as usize], what);
        }
    }

    fn arrives(&mut self, job: u32) {
        self.tell(self.at[job as usize], |server, now, floor| _ = server.receive(now, job, floor));
    }

    /// A reply has come to its client.
    fn replies(&mut self, job: u32) {
        let number = self.at[job as usize] as usize;
        let known = &self.jobs[job];
        let reply = self.servers[number].read(self.now, known.reply, known.retry_after());
        self.says(job, reply);
        self.remove(job);
    }

    /// No answer comes: as long as its client is there, so is its connection.
    fn falls_silent(&mut self, job: u32) {
        if !self.sides[job as usize].is_there {
            return self.remove(job);
        }
        self.sides[job as usize].is_silent = true;
        self.says(job, Failure::new(Outcome::Open));
    }

    fn says(&mut self, job: u32, reply: Failure) {
        let Side { ticket, executed, is_there, .. } = self.sides[job as usize];
        let is_late = matches!(self.jobs[job].fate, Fate::LateReset | Fate::ResetFailure(_));
        if is_there {
            self.heard.push(Heard { ticket, reply, executed, is_late });
        }
    }

    fn remove(&mut self, job: u32) {
        self.open.remove(&self.sides[job as usize].ticket);
        self.counts[self.at[job as usize] as usize].open -= 1;
        self.jobs.remove(job);
    }

    /// What the scenario has that is not served yet.
    pub fn not_served(scenario: &Scenario) -> Option<String> {
        let world = scenario.common().world;
        let calls = world.servers.iter().find(|server| !server.calls.is_empty());
        let replicas = world.servers.iter().find(|server| server.replicas > 1);
        calls
            .map(|server| format!("server `{}` calls others", server.name))
            .or_else(|| replicas.map(|server| format!("server `{}` has replicas", server.name)))
            .or_else(|| world.operation.uses_rows().then(|| "its operation reads, writes or locks rows".to_owned()))
    }

    /// The name of a server.
    pub fn name(&self, server: usize) -> &'a str {
        &self.scene.world.servers[server].name
    }
}
