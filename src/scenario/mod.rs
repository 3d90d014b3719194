//! A validated question: the world, the demand, and the policies to try in it.
//!
//! A [`Scenario`] is plain data. It is built from a file by [`mod@file`] (feature `scenario-files`) or in code, field by field. It builds, it never runs.

mod chance;
pub mod decide;
pub mod expectation;
#[cfg(feature = "scenario-files")]
pub mod file;
pub mod metric;
pub mod nearest;
pub mod warning;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::distribution::Distribution;
use crate::gate::GateConfig;
use crate::hedge::HedgeConfig;
use crate::protocol::{HintFormat, Method, Outcome};
use crate::retry::Policy;
use crate::units::{SimTime, Span};
use decide::Decide;
use expectation::Expectation;
use metric::Of;

/// A scenario. See `docs/CONTRACT.md`, section 3, for the meaning of each field.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Shown in every output.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// Replication r draws from mix(seed, r).
    pub seed: u64,
    /// Demand is offered for this long.
    pub duration: Span,
    /// Then at most this long until nothing is in flight.
    pub drain: Span,
    /// Operations that start earlier are simulated but not measured.
    pub warmup: Span,
    /// Independent runs per policy; at least 1.
    pub replications: u32,
    /// Index of the policy that others are compared with.
    pub baseline: usize,
    /// Successes within this time are counted apart; `None`: they are not.
    pub slo: Option<Span>,
    /// Window of peaks and timelines.
    pub peak_window: Span,
    /// Client processes; at least 1.
    pub clients: u32,
    /// The demand.
    pub arrivals: Arrivals,
    /// When a surge of demand is over, if somebody said so.
    pub recover_from: Option<Span>,
    /// What one operation does.
    pub operation: Operation,
    /// At least one.
    pub servers: Vec<ServerConfig>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
    /// At least one.
    pub policies: Vec<PolicyConfig>,
    /// What the results should be.
    pub expectations: Vec<Expectation>,
    /// What the choice is made by.
    pub decide: Decide,
    /// Codes of warnings that are meant.
    pub allow: Vec<String>,
}

/// The demand.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Open loop, rate of the whole fleet per second; each operation at a client drawn uniformly.
    Poisson {
        /// Per second.
        rate: f64,
    },
    /// Evenly spaced in [0, duration), clients in turn.
    Constant {
        /// Per second.
        rate: f64,
    },
    /// Each client: think, operation, think …
    Closed {
        /// Time between an operation's end and the next one's start.
        think: Distribution,
    },
    /// All at one instant, clients in turn.
    Burst {
        /// How many.
        operations: u64,
        /// When first.
        at: Span,
        /// And again this often.
        every: Option<Span>,
    },
    /// Poisson with a rate that is linear between points and constant outside; two points at one time are a step.
    Profile(Vec<ProfilePoint>),
    /// Recorded instants; each operation at a client drawn uniformly.
    Trace(Arc<Trace>),
}

/// Instants of operations as they were recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Where they come from.
    pub file: String,
    /// Ascending, from the beginning of the run. Those at or after the end of the demand are left out.
    pub at: Vec<SimTime>,
    /// What the file has beyond these.
    pub cut: Cut,
    /// True if lines that name the same operation were taken for one.
    pub keyed: bool,
}

/// Instants of a recorded file that are no operations of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// So many lie before the beginning of the run.
    pub before: u64,
    /// So many at the end of the demand or later.
    pub after: u64,
    /// The earliest instant of the file, in nanoseconds from the beginning of the run.
    pub first: i64,
    /// The latest one.
    pub last: i64,
}

/// Shares of errors as they were recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Where they come from.
    pub file: String,
    /// Instants in ascending order, and from each of them on the shares by status.
    pub steps: Vec<(SimTime, Vec<(u16, f64)>)>,
}

/// A point of a rate profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProfilePoint {
    /// When.
    pub at: Span,
    /// Operations per second.
    pub rate: f64,
}

/// What one operation does.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Index of the server it calls.
    pub server: usize,
    /// How repeated executions add up.
    pub method: Method,
}

/// Shares of all attempts by fate, or what a fault adds to them. Disjoint; the rest succeeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fates {
    /// Connection refused.
    pub refused: f64,
    /// Never arrives.
    pub lost_requests: f64,
    /// Reset before the server did anything.
    pub resets: f64,
    /// A status from in front of the application.
    pub errors: Vec<(u16, f64)>,
    /// The work runs and fails.
    pub failures: Vec<(u16, f64)>,
    /// The work runs without effect and is never answered.
    pub hangs: f64,
    /// The work and its effect are done, then this status.
    pub late_errors: Vec<(u16, f64)>,
    /// The effect is done, the reply never arrives.
    pub lost_replies: f64,
    /// Drawn once per operation and step, apart from the shares above: every attempt fails with this status.
    pub permanent_errors: Vec<(u16, f64)>,
}

impl Fates {
    /// Sum of the disjoint shares (permanent errors are apart).
    pub fn total(&self) -> f64 {
        let of = |map: &[(u16, f64)]| map.iter().map(|(_, share)| share).sum::<f64>();
        self.refused
            + self.lost_requests
            + self.resets
            + of(&self.errors)
            + of(&self.failures)
            + self.hangs
            + of(&self.late_errors)
            + self.lost_replies
    }

    /// Sum of the shares of operations that can never succeed.
    pub fn permanent(&self) -> f64 {
        self.permanent_errors.iter().map(|(_, share)| share).sum()
    }

    /// Every share above 0 under its name, with its status if it has one.
    pub fn listed(&self) -> Vec<(&'static str, Option<u16>, f64)> {
        let mut listed = vec![
            ("refused", None, self.refused),
            ("lost_requests", None, self.lost_requests),
            ("resets", None, self.resets),
            ("hangs", None, self.hangs),
            ("lost_replies", None, self.lost_replies),
        ];
        let maps = [
            ("errors", &self.errors),
            ("failures", &self.failures),
            ("late_errors", &self.late_errors),
            ("permanent_errors", &self.permanent_errors),
        ];
        for (name, map) in maps {
            listed.extend(map.iter().map(|(status, share)| (name, Some(*status), *share)));
        }
        listed.retain(|(_, _, share)| *share > 0.0);
        listed
    }
}

/// A server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Its name in the file.
    pub name: String,
    /// Requests in service at once; `None`: unlimited.
    pub workers: Option<u32>,
    /// Waiting places; `None`: unlimited.
    pub queue: Option<u32>,
    /// Answer when the queue is full: a status, or [`Outcome::Refused`].
    pub when_full: Outcome,
    /// Longest time in the queue, drawn for each attempt; then it is answered as when the queue is full. `None`: no limit.
    pub max_wait: Option<Distribution>,
    /// Who is served next.
    pub discipline: Discipline,
    /// Work whose client has timed out is dropped when a worker would take it.
    pub drop_expired: bool,
    /// What happens to work whose client stops waiting.
    pub abandoned_work: AbandonedWork,
    /// Time a worker needs.
    pub service_time: Distribution,
    /// One way, each direction.
    pub network: Distribution,
    /// What becomes of attempts.
    pub fates: Fates,
    /// `Retry-After` sent with these statuses, drawn for each attempt.
    pub retry_after: Vec<(u16, Distribution)>,
    /// How it is sent.
    pub retry_after_as: HintFormat,
    /// Statuses that come with the server's word that the request should be tried again, or should not.
    pub should_retry: Vec<(u16, bool)>,
    /// Token bucket in front of everything.
    pub rate_limit: Option<RateLimit>,
    /// How keys are treated.
    pub idempotency: Idempotency,
}

/// Who is served next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discipline {
    /// Who waits longest.
    #[default]
    Fifo,
    /// Who came last.
    Lifo,
}

/// What happens to work whose client stops waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AbandonedWork {
    /// It is done all the same.
    #[default]
    Finish,
    /// It leaves queue or worker at once, without effect.
    Cancel,
}

/// A token bucket that starts full. A refused request costs no token.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests per second; above 0.
    pub rate: f64,
    /// Requests at once; at least 1.
    pub burst: f64,
    /// A bucket for each client instead of one for the server.
    pub per_client: bool,
    /// Answer to refused requests.
    pub status: u16,
    /// Send the time until the next token, in whole seconds, as `Retry-After`.
    pub retry_after: bool,
}

/// How a server treats idempotency keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Idempotency {
    /// Ignores them.
    #[default]
    None,
    /// Looks the key up, does the work, stores the reply: two overlapping tries both do the work.
    Cache {
        /// From when the reply is stored.
        retention: Span,
        /// Stores failures, late and permanent errors too.
        store_errors: bool,
    },
    /// Locks the key while the work runs.
    Lock {
        /// From when the reply is stored.
        retention: Span,
        /// Longest time a key stays locked, from when the work starts; `None`: until it ends.
        lock_ttl: Option<Span>,
        /// Answer while locked.
        conflict_status: u16,
        /// Stores failures, late and permanent errors too.
        store_errors: bool,
    },
}

/// What goes wrong at one server in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Its name in the file, and what its draws depend on: two of one name draw the same.
    pub name: String,
    /// Index of the server.
    pub server: usize,
    /// First instant.
    pub from: SimTime,
    /// First instant after it; [`SimTime::NEVER`] without end.
    pub until: SimTime,
    /// Added to the server's own.
    pub fates: Fates,
    /// On top of each network leg.
    pub added_latency: Distribution,
    /// Service times × this, for work that starts in the window.
    pub slowdown: f64,
    /// Workers × this, rounded down.
    pub capacity: f64,
    /// Workers stand still.
    pub freeze: bool,
    /// Everything in service or queued is reset at `from`; connections are refused until `until`.
    pub crash: bool,
    /// Active only in random spells.
    pub flapping: Option<Flapping>,
    /// Errors that change from instant to instant, beside those of `fates`.
    pub series: Option<Arc<Series>>,
}

/// Exponential sojourns, on and off; the first state from their stationary shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// Mean length of an active spell.
    pub mean_on: Span,
    /// Mean length of a pause.
    pub mean_off: Span,
}

/// A row of the comparison.
#[derive(Clone, Debug)]
pub struct PolicyConfig {
    /// Its name in the file.
    pub name: String,
    /// What the client does.
    pub policy: Arc<dyn Policy>,
    /// State that may refuse its attempts: at most one of each kind.
    pub gates: Vec<GateConfig>,
    /// What it sends beside an open attempt.
    pub hedge: Option<HedgeConfig>,
    /// The world it runs in, if that is not the scenario's.
    pub world: Option<Arc<World>>,
}

/// A changed world: what stands in place of the scenario's own. Servers and faults are the same ones in the same order, with other values.
#[derive(Clone, Debug)]
pub struct World {
    /// Client processes; at least 1.
    pub clients: u32,
    /// The demand.
    pub arrivals: Arrivals,
    /// When a surge of demand is over, if somebody said so.
    pub recover_from: Option<Span>,
    /// At least one.
    pub servers: Vec<ServerConfig>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
}

impl Series {
    /// The shares by status at `t`.
    pub fn at(&self, t: SimTime) -> &[(u16, f64)] {
        let next = self.steps.partition_point(|(from, _)| *from <= t);
        next.checked_sub(1).map_or(&[], |step| &self.steps[step].1)
    }

    /// The first instant after `t` at which they change; [`SimTime::NEVER`] if none.
    pub fn next_after(&self, t: SimTime) -> SimTime {
        let next = self.steps.partition_point(|(from, _)| *from <= t);
        self.steps.get(next).map_or(SimTime::NEVER, |(from, _)| *from)
    }
}

impl Fault {
    /// Errors that it adds at `t` beside its `fates`, by status, where it replays a series.
    pub fn errors_at(&self, t: SimTime) -> &[(u16, f64)] {
        self.series.as_ref().map_or(&[], |series| series.at(t))
    }

    /// True if the window of the fault contains `t` (a flapping fault counts as on).
    pub fn covers(&self, t: SimTime) -> bool {
        self.from <= t && t < self.until
    }
}

impl Scenario {
    /// The first instant at which a run is over whatever happens.
    pub fn end(&self) -> SimTime {
        SimTime::ZERO + self.duration + self.drain
    }

    /// The scenario as policy number `policy` meets it: with that policy's own world in place of the common one, if it has its own.
    pub fn in_world_of(&self, policy: usize) -> Cow<'_, Scenario> {
        let Some(world) = &self.policies[policy].world else { return Cow::Borrowed(self) };
        let World { clients, arrivals, recover_from, servers, faults } = World::clone(world);
        Cow::Owned(Scenario { clients, arrivals, recover_from, servers, faults, ..self.clone() })
    }

    /// Bytes of all that is recorded, which runs share: instants of traces, and values that distributions draw from.
    pub fn recorded_bytes(&self) -> u64 {
        let own = std::iter::once((&self.arrivals, &self.servers, &self.faults));
        let worlds = self.policies.iter().filter_map(|policy| policy.world.as_deref());
        let worlds = own.chain(worlds.map(|world| (&world.arrivals, &world.servers, &world.faults)));
        // Each list once, by where it stands.
        let mut seen = BTreeMap::new();
        for (arrivals, servers, faults) in worlds {
            let mut drawn: Vec<&Distribution> = faults.iter().map(|fault| &fault.added_latency).collect();
            drawn.extend(servers.iter().flat_map(|server| [&server.service_time, &server.network]));
            drawn.extend(servers.iter().filter_map(|server| server.max_wait.as_ref()));
            match arrivals {
                Arrivals::Trace(trace) => _ = seen.insert(trace.at.as_ptr().addr(), size_of_val(&*trace.at)),
                Arrivals::Closed { think } => drawn.push(think),
                _ => {}
            }
            for values in drawn.into_iter().flat_map(Distribution::recorded).map(|recorded| &*recorded.values) {
                seen.insert(values.as_ptr().addr(), size_of_val(values));
            }
        }
        seen.values().map(|bytes| *bytes as u64).sum()
    }

    /// The end of the last fault that ends within the run.
    pub fn last_fault_end(&self) -> Option<SimTime> {
        self.faults.iter().map(|fault| fault.until).filter(|until| *until < self.end()).max()
    }

    /// The beginning of the first fault.
    pub fn first_fault_start(&self) -> Option<SimTime> {
        self.faults.iter().map(|fault| fault.from).min()
    }

    /// All that ends in the run and may be recovered from: faults in their order, then a surge of demand.
    pub fn what_ends(&self) -> Vec<(Of, SimTime)> {
        let faults = (0..).zip(&self.faults).filter(|(_, fault)| fault.until < self.end());
        let faults = faults.map(|(index, fault)| (Of::Fault(index), fault.until));
        faults.chain(self.surge().map(|(_, end)| (Of::Demand, end))).collect()
    }

    /// First and last instant of a surge of demand, the last one being the first after it: of a profile from its first step up to its last step
    /// down, or until `recover_from`, and then from the first 30 s on where nothing tells when it began.
    fn surge(&self) -> Option<(SimTime, SimTime)> {
        let steps = match &self.arrivals {
            Arrivals::Profile(points) => &points[..],
            _ => &[],
        };
        let mut pairs = steps.iter().zip(steps.iter().skip(1));
        let up = pairs.clone().find(|(a, b)| b.rate > a.rate).map(|(a, _)| SimTime::ZERO + a.at);
        let down = pairs.rfind(|(a, b)| b.rate < a.rate).map(|(_, b)| SimTime::ZERO + b.at);
        let end = self.recover_from.map(|from| SimTime::ZERO + from).or(down.filter(|_| up.is_some()))?;
        (end < SimTime::ZERO + self.duration).then(|| (up.unwrap_or(SimTime::ZERO + FIRST_VIEW).min(end), end))
    }

    /// The time before anything happens that there may be a recovery from. What is so from the beginning and never ends is how the world is.
    pub fn undisturbed_until(&self) -> SimTime {
        let changes = |fault: &&Fault| fault.from > SimTime::ZERO || fault.until < self.end();
        let faults = self.faults.iter().filter(changes).map(|fault| fault.from);
        faults.chain(self.surge().map(|(start, _)| start)).min().unwrap_or(SimTime::NEVER)
    }

    /// True if the demand after `end`, on average, is more than the called server can do with the faults that last for all of the run: then nothing
    /// can be as before.
    pub fn asks_too_much_after(&self, end: SimTime) -> bool {
        let lasts = |fault: &Fault| fault.from == SimTime::ZERO && fault.until >= self.end();
        let capacity = least(self.work_capacity(lasts), self.rate_limit());
        self.mean_demand(end).zip(capacity).is_some_and(|(demand, capacity)| demand > capacity)
    }

    /// Mean operations per second from `from` to the end of the demand; `None` in a closed loop, for bursts, and if that is no time.
    fn mean_demand(&self, from: SimTime) -> Option<f64> {
        let until = SimTime::ZERO + self.duration;
        let seconds = until.since(from).seconds();
        if seconds <= 0.0 {
            return None;
        }
        match &self.arrivals {
            Arrivals::Poisson { rate } | Arrivals::Constant { rate } => Some(*rate),
            Arrivals::Closed { .. } | Arrivals::Burst { .. } => None,
            Arrivals::Trace(trace) => {
                let starts = trace.at.partition_point(|at| *at < until) - trace.at.partition_point(|at| *at < from);
                Some(starts as f64 / seconds)
            }
            Arrivals::Profile(points) => {
                // Linear between points, so that a mean of two ends is exact; of two points at one instant the later one holds from there on.
                let inside = points.iter().map(|point| SimTime::ZERO + point.at).filter(|at| from < *at && *at < until);
                let edges: Vec<SimTime> = std::iter::once(from).chain(inside).chain([until]).collect();
                let area = |pair: &[SimTime]| {
                    let last = profile_rate(points, Span(pair[1].0 - 1));
                    (profile_rate(points, Span(pair[0].0)) + last) / 2.0 * pair[1].since(pair[0]).seconds()
                };
                Some(edges.windows(2).filter(|pair| pair[0] < pair[1]).map(area).sum::<f64>() / seconds)
            }
        }
    }

    /// Operations per second that the demand asks for at `t`; `None` in a closed loop, for bursts and for recorded instants, whose rate is no number.
    pub fn demand_at(&self, t: SimTime) -> Option<f64> {
        if t >= SimTime::ZERO + self.duration {
            return Some(0.0);
        }
        match &self.arrivals {
            Arrivals::Poisson { rate } | Arrivals::Constant { rate } => Some(*rate),
            Arrivals::Closed { .. } | Arrivals::Burst { .. } | Arrivals::Trace(_) => None,
            Arrivals::Profile(points) => Some(profile_rate(points, Span(t.0))),
        }
    }

    /// The most requests per second that the called server answers with success at `t`, faults included: what its workers can finish, or its rate
    /// limit if that is less; `None` if neither limits it.
    pub fn capacity_at(&self, t: SimTime) -> Option<f64> {
        least(self.work_capacity_at(t), self.rate_limit())
    }

    /// The same without faults.
    pub fn capacity(&self) -> Option<f64> {
        least(self.work_capacity(|_| false), self.rate_limit())
    }

    /// Requests per second that the called server's rate limit lets pass, of all clients together.
    pub fn rate_limit(&self) -> Option<f64> {
        let limit = self.servers[self.operation.server].rate_limit.as_ref()?;
        Some(if limit.per_client { limit.rate * f64::from(self.clients) } else { limit.rate })
    }

    /// Requests per second that the called server's workers can finish at `t`, faults included; `None` if unlimited.
    pub fn work_capacity_at(&self, t: SimTime) -> Option<f64> {
        self.work_capacity(|fault| fault.covers(t))
    }

    /// The same with the faults that are `in_force`; a flapping one never is.
    fn work_capacity(&self, in_force: impl Fn(&Fault) -> bool) -> Option<f64> {
        let server = &self.servers[self.operation.server];
        let workers = server.workers?;
        let service = server.service_time.mean_seconds();
        // A heavy tail without a mean has no capacity in requests per second.
        if service <= 0.0 || !service.is_finite() {
            return None;
        }
        let (mut capacity, mut slowdown) = (1.0, 1.0);
        let called = self.faults.iter().filter(|fault| fault.server == self.operation.server);
        for fault in called.filter(|fault| fault.flapping.is_none() && in_force(fault)) {
            capacity *= fault.capacity;
            slowdown *= fault.slowdown;
            if fault.freeze || fault.crash {
                return Some(0.0);
            }
        }
        let workers = workers_left(Some(workers), capacity)?;
        (slowdown > 0.0).then(|| f64::from(workers) / (service * slowdown))
    }
}

/// Where nothing says when a surge of demand began, what came in this time came before it.
const FIRST_VIEW: Span = Span::secs(30);

/// The lower of two limits.
fn least(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
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

/// The rate of a profile at `t`.
pub(crate) fn profile_rate(points: &[ProfilePoint], t: Span) -> f64 {
    // The last point at or before t; of two at one time the later one holds from there on.
    let next = points.partition_point(|point| point.at <= t);
    match (next.checked_sub(1).map(|i| points[i]), points.get(next)) {
        (None, Some(first)) => first.rate,
        (Some(last), None) => last.rate,
        (Some(a), Some(b)) => a.rate + (b.rate - a.rate) * ((t - a.at).seconds() / (b.at - a.at).seconds()),
        (None, None) => 0.0,
    }
}

impl ServerConfig {
    /// A server with the contract's defaults: unlimited workers, no service time, no network, nothing goes wrong.
    pub fn named(name: &str) -> ServerConfig {
        ServerConfig {
            name: name.to_owned(),
            workers: None,
            queue: None,
            when_full: Outcome::Status(503),
            max_wait: None,
            discipline: Discipline::Fifo,
            drop_expired: false,
            abandoned_work: AbandonedWork::Finish,
            service_time: Distribution::ZERO,
            network: Distribution::ZERO,
            fates: Fates::default(),
            retry_after: Vec::new(),
            retry_after_as: HintFormat::Seconds,
            should_retry: Vec::new(),
            rate_limit: None,
            idempotency: Idempotency::None,
        }
    }
}

impl Fault {
    /// A fault that changes nothing yet.
    pub fn named(name: &str, server: usize, from: SimTime, until: SimTime) -> Fault {
        Fault {
            name: name.to_owned(),
            server,
            from,
            until,
            fates: Fates::default(),
            added_latency: Distribution::ZERO,
            slowdown: 1.0,
            capacity: 1.0,
            freeze: false,
            crash: false,
            flapping: None,
            series: None,
        }
    }
}

impl Scenario {
    /// A scenario with the contract's defaults: one client, one replication, drain as long as the duration.
    pub fn new(duration: Span, arrivals: Arrivals, server: ServerConfig) -> Scenario {
        Scenario {
            title: String::new(),
            description: String::new(),
            seed: 0,
            duration,
            drain: duration,
            warmup: Span::ZERO,
            replications: 1,
            baseline: 0,
            slo: None,
            peak_window: Span::secs(1),
            clients: 1,
            arrivals,
            recover_from: None,
            operation: Operation { server: 0, method: Method::Post },
            servers: vec![server],
            faults: Vec::new(),
            policies: Vec::new(),
            expectations: Vec::new(),
            decide: Decide::default(),
            allow: Vec::new(),
        }
    }

    /// The same with hedging in its last row.
    pub fn hedged(mut self, hedge: HedgeConfig) -> Scenario {
        if let Some(policy) = self.policies.last_mut() {
            policy.hedge = Some(hedge);
        }
        self
    }

    /// Adds a row to the comparison.
    pub fn with_policy(mut self, name: &str, policy: impl Policy + 'static, gates: &[GateConfig]) -> Scenario {
        self.policies.push(PolicyConfig {
            name: name.to_owned(),
            policy: Arc::new(policy),
            gates: gates.to_vec(),
            hedge: None,
            world: None,
        });
        self
    }
}
