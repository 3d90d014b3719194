//! A world in plain numbers: the model reads them as they are, and the simulator's scenario is made of them here.

use simlab::distribution::Distribution;
use simlab::protocol::Method;
use simlab::retry::{Backoff, KeyMode, OutcomeClass, OutcomeSet, RetryPolicy};
use simlab::scenario::{
    AbandonedWork, Arrivals, Asked, CacheConfig, Fates, Fault, FreedBy, Idempotency, LockConfig, LockOnFailure,
    OnConflict, Repeat, Same, Scenario, Scripted, ServerConfig, StoreFault, Stores, WhenDown,
};
use simlab::units::{SimTime, Span};

/// An instant, or a length, in nanoseconds.
pub type Ns = u64;

/// What happens in it is up to these numbers alone: nothing is drawn.
#[derive(Clone, Debug)]
pub struct World {
    /// When the first operation starts.
    pub start: Ns,
    /// No operation starts then or later.
    pub duration: Ns,
    /// The run is over so much later.
    pub drain: Ns,
    pub again: Option<Again>,
    pub method: Method,
    pub wanted: Option<u32>,
    pub client: Client,
    pub server: Server,
    pub store: Store,
    pub windows: Vec<Window>,
}

/// The operation is done again: so often, so much later each time.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    pub after: Ns,
    pub times: u32,
    pub same: Same,
}

/// What the client does.
#[derive(Clone, Debug)]
pub struct Client {
    pub key: KeyMode,
    pub attempts: u32,
    pub timeout: Option<Ns>,
    pub deadline: Option<Ns>,
    pub backoff: Ns,
    pub retry_on: Vec<OutcomeClass>,
}

/// What the server is like.
#[derive(Clone, Debug)]
pub struct Server {
    pub workers: Option<u32>,
    pub queue: Option<u32>,
    pub network: Ns,
    /// A whole number of microseconds, so that thousandths of it are whole nanoseconds.
    pub service: Ns,
    /// After so many thousandths of its work the effect is made.
    pub effect_at: u64,
    /// Whether work is taken off its worker when its client has stopped waiting.
    pub cancels: bool,
    pub script: Vec<Scripted>,
    /// The status in which all work ends that would be answered.
    pub permanent: Option<u16>,
}

/// Who remembers keys.
#[derive(Clone, Debug)]
pub struct Store {
    pub lock: Option<Lock>,
    pub retention: Ns,
    pub stores: Stores,
    pub mismatch: Option<u16>,
    pub access: Ns,
    pub with_effect: bool,
    pub asked: Asked,
    pub when_down: WhenDown,
}

/// How keys are locked.
#[derive(Clone, Debug)]
pub struct Lock {
    pub ttl: Option<Ns>,
    pub atomic: bool,
    pub on_conflict: OnConflict,
    pub conflict_status: u16,
    pub freed_by: FreedBy,
    pub on_failure: LockOnFailure,
}

/// What goes wrong from one instant until another.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from: Ns,
    pub until: Ns,
    pub what: Wrong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    Crash,
    Freeze,
    Down,
    Forgets,
    /// Each access takes so much longer.
    Slow(Ns),
    /// Each leg on the network takes so much longer.
    Latency(Ns),
    /// Work takes so many times as long.
    Slowdown(u64),
    /// All that arrive end like this, unless the script says otherwise.
    All(Fate),
}

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Refused,
    LostRequest,
    Reset,
    Error(u16),
    Failure(u16),
    Hang,
    LateError(u16),
    LostReply,
    LateReset,
    Fine,
}

impl Window {
    pub fn covers(&self, instant: Ns) -> bool {
        self.from <= instant && instant < self.until
    }

    fn fault(&self, index: usize) -> Fault {
        // Names must not be equal, or draws are.
        let fault = Fault::named(&format!("f{index}"), 0, SimTime(self.from), SimTime(self.until));
        let certain = |status| vec![(status, 1.0)];
        let with = |fates| Fault { fates, ..fault.clone() };
        match self.what {
            Wrong::Crash => Fault { crash: true, ..fault },
            Wrong::Freeze => Fault { freeze: true, ..fault },
            Wrong::Down => Fault { store: Some(StoreFault::Down), ..fault },
            Wrong::Forgets => Fault { store: Some(StoreFault::Forgets), ..fault },
            Wrong::Slow(more) => Fault { store: Some(StoreFault::Slow(Span(more))), ..fault },
            Wrong::Latency(more) => Fault { added_latency: Distribution::Constant(Span(more)), ..fault },
            Wrong::Slowdown(times) => Fault { slowdown: times as f64, ..fault },
            Wrong::All(fate) => with(match fate {
                Fate::Refused => Fates { refused: 1.0, ..Fates::default() },
                Fate::LostRequest => Fates { lost_requests: 1.0, ..Fates::default() },
                Fate::Reset => Fates { resets: 1.0, ..Fates::default() },
                Fate::Error(status) => Fates { errors: certain(status), ..Fates::default() },
                Fate::Failure(status) => Fates { failures: certain(status), ..Fates::default() },
                Fate::Hang => Fates { hangs: 1.0, ..Fates::default() },
                Fate::LateError(status) => Fates { late_errors: certain(status), ..Fates::default() },
                Fate::LostReply => Fates { lost_replies: 1.0, ..Fates::default() },
                Fate::LateReset => Fates { late_resets: 1.0, ..Fates::default() },
                Fate::Fine => Fates::default(),
            }),
        }
    }
}

impl World {
    /// The first instant at which the run is over.
    pub fn end(&self) -> Ns {
        self.duration + self.drain
    }

    /// What the simulator is told.
    pub fn scenario(&self) -> Scenario {
        let arrivals = Arrivals::Burst { operations: 1, at: Span(self.start), every: None };
        Scenario::new(Span(self.duration), arrivals, self.server())
            .framed(|frame| frame.drain = Span(self.drain))
            .in_world(|world| {
                world.operation.method = self.method;
                world.operation.wanted = self.wanted;
                world.repeat = self.again.map(|again| Repeat {
                    share: 1.0,
                    after: Distribution::Constant(Span(again.after)),
                    times: again.times,
                    same: again.same,
                });
                world.faults = self.windows.iter().enumerate().map(|(index, window)| window.fault(index)).collect();
            })
            .with_policy("p", self.policy(), &[])
    }

    fn policy(&self) -> RetryPolicy {
        let client = &self.client;
        RetryPolicy {
            attempts: Some(client.attempts),
            timeout: client.timeout.map(Span),
            deadline: client.deadline.map(Span),
            backoff: Backoff::fixed(Span(client.backoff)),
            retry_on: OutcomeSet::new(client.retry_on.clone()),
            key: client.key,
            ..RetryPolicy::default()
        }
    }

    fn server(&self) -> ServerConfig {
        let server = &self.server;
        ServerConfig {
            workers: server.workers,
            queue: server.queue,
            network: Distribution::Constant(Span(server.network)),
            service_time: Distribution::Constant(Span(server.service)),
            effect_at: server.effect_at as f64 / 1_000.0,
            abandoned_work: if server.cancels { AbandonedWork::Cancel } else { AbandonedWork::Finish },
            script: server.script.clone(),
            fates: Fates {
                permanent_errors: server.permanent.map(|status| (status, 1.0)).into_iter().collect(),
                ..Fates::default()
            },
            idempotency: self.store.idempotency(),
            ..ServerConfig::named("s")
        }
    }
}

impl Store {
    fn idempotency(&self) -> Idempotency {
        let (retention, access) = (Span(self.retention), Span(self.access));
        let Store { stores, mismatch, with_effect, asked, when_down, .. } = *self;
        match &self.lock {
            None => Idempotency::Cache(CacheConfig {
                retention,
                stores,
                mismatch,
                access,
                with_effect,
                asked,
                when_down,
                ..CacheConfig::default()
            }),
            Some(lock) => Idempotency::Lock(LockConfig {
                retention,
                stores,
                mismatch,
                access,
                with_effect,
                asked,
                when_down,
                lock_ttl: lock.ttl.map(Span),
                atomic: lock.atomic,
                on_conflict: lock.on_conflict,
                conflict_status: lock.conflict_status,
                freed_by: lock.freed_by,
                on_failure: lock.on_failure,
                ..LockConfig::default()
            }),
        }
    }
}
