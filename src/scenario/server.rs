//! What a server is like, and what becomes of attempts that it gets.

use super::call::CallConfig;
use crate::distribution::Distribution;
use crate::endpoint::Balance;
use crate::protocol::{HintFormat, Outcome};
use crate::units::Span;

/// A server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Its name in the file.
    pub name: String,
    /// How many there are behind the name, at least 1. Each has workers, a queue and faults of its own.
    pub replicas: u32,
    /// Which of them an attempt goes to.
    pub balance: Balance,
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
    /// The calls that a worker makes for each request, in order, after its own time.
    pub calls: Vec<CallConfig>,
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

/// Who is served next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum Discipline {
    /// Who waits longest.
    #[default]
    Fifo,
    /// Who came last.
    Lifo,
}

/// What happens to work whose client stops waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum AbandonedWork {
    /// It is done all the same.
    #[default]
    Finish,
    /// It is taken out of the queue, or off its worker, and has no effect.
    Cancel,
}

/// A token bucket that starts full. A refused request costs no token.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests per second; above 0.
    pub rate: f64,
    /// Requests at once; at least 1.
    pub burst: f64,
    /// Whose bucket it is.
    pub per: Per,
    /// Answer to refused requests.
    pub status: u16,
    /// Send the time until the next token, in whole seconds, as `Retry-After`.
    pub retry_after: bool,
}

/// Whose bucket a rate limit has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum Per {
    /// One bucket for all.
    #[default]
    Server,
    /// One bucket for each client.
    Client,
    /// One bucket for each replica.
    Replica,
}

impl RateLimit {
    /// Buckets of a server with so many replicas.
    pub fn buckets(&self, clients: u32, replicas: u32) -> u32 {
        match self.per {
            Per::Server => 1,
            Per::Client => clients,
            Per::Replica => replicas,
        }
    }
}

/// Whose store of keys it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum StoreScope {
    /// One store for all replicas.
    #[default]
    Server,
    /// Each replica knows only the keys that came to it.
    Replica,
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
        /// Whose store it is.
        scope: StoreScope,
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
        /// Whose store it is.
        scope: StoreScope,
    },
}

impl Idempotency {
    /// True if replicas know different keys.
    pub fn is_per_replica(&self) -> bool {
        match self {
            Idempotency::None => false,
            Idempotency::Cache { scope, .. } | Idempotency::Lock { scope, .. } => *scope == StoreScope::Replica,
        }
    }
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

impl ServerConfig {
    /// A server with the contract's defaults: unlimited workers, no service time, no network, nothing goes wrong.
    pub fn named(name: &str) -> ServerConfig {
        ServerConfig {
            name: name.to_owned(),
            replicas: 1,
            balance: Balance::Random,
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
            calls: Vec::new(),
        }
    }
}
