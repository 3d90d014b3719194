//! What clients meet: servers, what goes wrong at them, and what is asked of them.

use super::call::CallConfig;
use super::metric::Names;
use super::{Arrivals, ClientCrashes, Contend, Fault, Idempotency, Repeat, RowUse, ServerConfig, StoreFault};
use crate::distribution::Distribution;
use crate::flow::{Journal, OnFailure};
use crate::protocol::Method;
use crate::units::{SimTime, Span};

/// What a policy meets. Worlds are shared: rows of one world hold the same one.
#[derive(Clone, Debug)]
pub struct World {
    /// Client processes; at least 1.
    pub clients: u32,
    /// The demand.
    pub arrivals: Arrivals,
    /// When a surge of demand is over, if somebody said so.
    pub recover_from: Option<Span>,
    /// Operations that are done again.
    pub repeat: Option<Repeat>,
    /// Operations about the same things; `None`: each about one of its own.
    pub contend: Option<Contend>,
    /// Crashes of clients.
    pub crashes: Option<ClientCrashes>,
    /// What one operation does.
    pub operation: Operation,
    /// At least one.
    pub servers: Vec<ServerConfig>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
}

/// What an operation knows of its completed steps when it goes on, and what it takes to know it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JournalConfig {
    /// What is known.
    pub kept: Journal,
    /// How long a write takes.
    pub write: Span,
    /// Share of writes that are lost.
    pub fails: f64,
    /// Steps that were undone stay in the list of completed ones.
    pub lists_undone: bool,
}

/// What one operation does.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Index of the server it calls.
    pub server: usize,
    /// How repeated executions add up.
    pub method: Method,
    /// The calls that it makes, in order; none: one call, to `server` with `method`.
    pub steps: Vec<CallConfig>,
    /// What it does with the row of its thing, if it has no steps.
    pub row: RowUse,
    /// So many effects are wanted of each thing, at each place; `None`: one of each operation.
    pub wanted: Option<u32>,
    /// What it knows of completed steps when it goes on.
    pub journal: JournalConfig,
}

impl JournalConfig {
    /// True if it has each completed step, after a crash too.
    pub fn is_step_by_step(&self) -> bool {
        self.kept == Journal::EachStep
    }
}

impl Operation {
    /// Index of the server that it calls, first if it has several steps.
    pub fn called_index(&self) -> usize {
        self.steps.first().map_or(self.server, |step| step.server)
    }

    /// True if both make the same calls, with whatever rules, and whatever they do when one fails.
    pub fn asks_the_same(&self, other: &Operation) -> bool {
        let of = |operation: &Operation| (operation.server, operation.method, operation.row, operation.steps.len());
        let of_step = |step: &CallConfig| (step.server, step.method, step.row);
        let mut steps = self.steps.iter().zip(&other.steps);
        of(self) == of(other) && steps.all(|(a, b)| (of_step(a), a.step.when) == (of_step(b), b.step.when))
    }

    /// True if a step may be resumed or undone.
    pub fn has_course(&self) -> bool {
        let is_of_course =
            |step: &CallConfig| matches!(step.step.on_failure, OnFailure::Resume(_) | OnFailure::Compensate(_));
        self.steps.iter().any(is_of_course)
    }

    /// True if it does anything with the row of its thing.
    pub fn uses_rows(&self) -> bool {
        !self.row.is_none() || self.steps.iter().any(|step| !step.row.is_none())
    }
}

impl World {
    /// A world with the contract's defaults: one client that posts to this server, and nothing goes wrong.
    pub fn new(arrivals: Arrivals, server: ServerConfig) -> World {
        World {
            clients: 1,
            arrivals,
            recover_from: None,
            repeat: None,
            contend: None,
            crashes: None,
            operation: Operation {
                server: 0,
                method: Method::Post,
                steps: Vec::new(),
                row: RowUse::default(),
                wanted: None,
                journal: JournalConfig::default(),
            },
            servers: vec![server],
            faults: Vec::new(),
        }
    }

    /// True if operations may go on later, or undo what they have done.
    pub fn may_go_on(&self) -> bool {
        self.crashes.is_some() || self.operation.journal != JournalConfig::default() || self.operation.has_course()
    }

    /// The server that operations call, first if they have several steps.
    pub fn called(&self) -> &ServerConfig {
        &self.servers[self.called_index()]
    }

    /// Its index.
    pub fn called_index(&self) -> usize {
        self.operation.called_index()
    }

    /// True if an operation makes several calls, of its own or by servers.
    pub fn makes_several_calls(&self) -> bool {
        !self.operation.steps.is_empty() || self.servers.iter().any(|server| !server.calls.is_empty())
    }

    /// What everything is called.
    pub fn names(&self) -> Names<'_> {
        Names {
            faults: self.faults.iter().map(|fault| fault.name.as_str()).collect(),
            servers: self.servers.iter().map(|server| server.name.as_str()).collect(),
            steps: self.operation.steps.iter().map(|step| step.name.as_str()).collect(),
            members: Vec::new(),
        }
    }

    /// What goes wrong at it.
    pub fn called_faults(&self) -> impl Iterator<Item = &Fault> + Clone {
        self.faults.iter().filter(|fault| fault.server == self.called_index())
    }

    /// The beginning of the first fault.
    pub fn first_fault_start(&self) -> Option<SimTime> {
        self.faults.iter().map(|fault| fault.from).min()
    }

    /// The replicas of all servers, in order: the index of its server, and its number there.
    pub fn replicas(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let servers = self.servers.iter().enumerate();
        servers.flat_map(|(index, server)| (0..server.replicas).map(move |replica| (index, replica)))
    }

    /// True if operations have something in common: their things, or what is wanted of these.
    pub fn has_things(&self) -> bool {
        self.repeat.is_some() || self.contend.is_some() || self.operation.wanted.is_some()
    }

    /// True if this server's workers do their work in several stages: its store takes time or more than one step, or may become slow, or the effect
    /// comes before the end.
    pub fn works_in_stages(&self, server: usize) -> bool {
        let config = &self.servers[server];
        let slow = |fault: &Fault| fault.server == server && matches!(fault.store, Some(StoreFault::Slow(_)));
        config.effect_at < 1.0
            || config.idempotency.takes_stages()
            || config.idempotency != Idempotency::None && self.faults.iter().any(slow)
    }

    /// True if there is more than one step, server or replica that operations meet: then there are measures of each.
    pub fn has_parts(&self) -> bool {
        self.makes_several_calls() || self.servers.iter().any(|server| server.replicas > 1)
    }

    /// The most requests per second that the called server answers with success at `t`, faults included: what its workers can finish, or its rate
    /// limit if that is less; `None` if neither limits it.
    pub fn capacity_at(&self, t: SimTime) -> Option<f64> {
        self.capacity_with(|fault| fault.covers(t))
    }

    /// The same without faults.
    pub fn capacity(&self) -> Option<f64> {
        self.capacity_with(|_| false)
    }

    /// The same with the faults that are `in_force`; a flapping one never is. Of several servers nobody knows it beforehand: loads are those of all, and
    /// which of them is the narrow one depends on what each sends to the others.
    pub(super) fn capacity_with(&self, in_force: impl Fn(&Fault) -> bool) -> Option<f64> {
        if self.makes_several_calls() {
            return None;
        }
        match (self.work_capacity(in_force), self.rate_limit()) {
            (Some(work), Some(limit)) => Some(work.min(limit)),
            (work, limit) => work.or(limit),
        }
    }

    /// Requests per second that the called server's rate limit lets pass, of all clients together.
    pub fn rate_limit(&self) -> Option<f64> {
        let limit = self.called().rate_limit.as_ref()?;
        Some(limit.rate * f64::from(limit.buckets(self.clients, self.called().replicas)))
    }

    /// Requests per second that the called server's workers can finish at `t`, faults included; `None` if unlimited.
    pub fn work_capacity_at(&self, t: SimTime) -> Option<f64> {
        self.work_capacity(|fault| fault.covers(t))
    }

    fn work_capacity(&self, in_force: impl Fn(&Fault) -> bool) -> Option<f64> {
        let server = self.called();
        let workers = server.workers?;
        let service = server.service_time.mean_seconds();
        // A heavy tail without a mean has no capacity in requests per second.
        let accesses = server.accesses().seconds();
        if service + accesses <= 0.0 || !service.is_finite() {
            return None;
        }
        let faults: Vec<&Fault> =
            self.called_faults().filter(|fault| fault.flapping.is_none() && in_force(fault)).collect();
        let of_replica = |replica| {
            let (mut capacity, mut slowdown) = (1.0, 1.0);
            for fault in faults.iter().filter(|fault| fault.is_at(replica)) {
                capacity *= fault.capacity;
                slowdown *= fault.slowdown;
                if fault.freeze || fault.crash {
                    return Some(0.0);
                }
            }
            let workers = workers_left(Some(workers), capacity)?;
            (slowdown > 0.0).then(|| f64::from(workers) / (service * slowdown + accesses))
        };
        (0..server.replicas).map(of_replica).sum()
    }

    /// Every list of recorded values: where it stands, and its bytes.
    pub(super) fn recorded(&self) -> Vec<(usize, usize)> {
        let mut drawn: Vec<&Distribution> = self.faults.iter().map(|fault| &fault.added_latency).collect();
        drawn.extend(self.servers.iter().flat_map(|server| [&server.service_time, &server.network]));
        drawn.extend(self.servers.iter().filter_map(|server| server.max_wait.as_ref()));
        let mut lists = Vec::new();
        match &self.arrivals {
            Arrivals::Trace(trace) => lists.push((trace.at.as_ptr().addr(), size_of_val(&*trace.at))),
            Arrivals::Closed { think } => drawn.push(think),
            _ => {}
        }
        let values = drawn.into_iter().flat_map(Distribution::recorded).map(|recorded| &*recorded.values);
        lists.extend(values.map(|values| (values.as_ptr().addr(), size_of_val(values))));
        lists
    }
}

/// Workers × `capacity`, rounded down; an unlimited number stays unlimited unless nothing is left of it.
pub(crate) fn workers_left(workers: Option<u32>, capacity: f64) -> Option<u32> {
    match workers {
        // The small addition keeps 0.29 × 100 at 29.
        Some(workers) => Some((f64::from(workers) * capacity + 1e-9).min(f64::from(u32::MAX)) as u32),
        None => (capacity == 0.0).then_some(0),
    }
}
