//! What a server is like, and what becomes of attempts that it gets.

use super::call::CallConfig;
use crate::distribution::Distribution;
use crate::endpoint::Balance;
use crate::protocol::{HintFormat, Outcome};
use crate::units::Span;

#[cfg(feature = "scenario-files")]
use super::file::leaf::{
    As, ByStatus, Count, Factor, OrNone, OrServe, OrUnlimited, PositiveDuration, Probability, Script, Status, WhenFull,
};

/// A server. Its keys in a file are those that are not skipped here, beside its [`Fates`] and what a file says in words of its own
/// (`scenario/file/shape/server.rs`).
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(default, deny_unknown_fields)
)]
pub struct ServerConfig {
    /// Its name in the file.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub name: String,
    /// How many there are behind the name, 1 to 1,000. Each has workers, queue and rest of its own; capacity and utilisation are of all, the
    /// largest queue is that of any.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Count<1, 1_000>>"))]
    pub replicas: u32,
    /// Which replica an attempt goes to. In flight is what was sent there, by anybody, and neither answered nor given up.
    pub balance: Balance,
    /// Requests in service at once; at least 1.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<OrUnlimited<1>>"))]
    pub workers: Option<u32>,
    /// Waiting places; 0 is none.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<OrUnlimited<0>>"))]
    pub queue: Option<u32>,
    /// Answer when no place is left: a status, or `"refuse"`: no connection.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<WhenFull>"))]
    pub when_full: Outcome,
    /// Longest time in the queue, drawn for each attempt; then it is answered as when the queue is full. `None`: no limit.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub max_wait: Option<Distribution>,
    /// Who is served next.
    pub discipline: Discipline,
    /// Whether a worker throws away, without losing time, what it would take up for a client that has stopped waiting, once the server
    /// knows it (*cancelling*).
    pub drop_expired: bool,
    /// What becomes of work whose client stops waiting, as soon as the server knows it (*cancelling*).
    pub abandoned_work: AbandonedWork,
    /// Time a worker needs.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub service_time: Distribution,
    /// One way, each direction.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub network: Distribution,
    /// What becomes of attempts.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub fates: Fates,
    /// `Retry-After` sent with these statuses, drawn for each attempt.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub retry_after: Vec<(u16, Distribution)>,
    /// How a hint is sent, the rate limit's too.
    pub retry_after_as: HintFormat,
    /// By status: true or false, with which the server says that the request should be tried again, or should not (`Stripe-Should-Retry`).
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<ByStatus<bool>>"))]
    pub should_retry: Vec<(u16, bool)>,
    /// Token bucket in front of everything.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub rate_limit: Option<RateLimit>,
    /// What becomes of the first attempts of each call, one after the other, instead of what they draw: `"ok"`; an error status, with which the
    /// work fails; `"refused"`, `"lost-request"`, `"reset"`, `"hang"` or `"timeout"`, which is a hang; `"lost-reply"`, `"late-reset"`.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Script>"))]
    pub script: Vec<Scripted>,
    /// So many first attempts of each call fail with 503: short for a `script`.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Count<0, 1_000>>"))]
    pub fail_first: u32,
    /// What becomes of requests with an idempotency key.
    pub idempotency: Idempotency,
    /// The calls that a worker makes for each request, in order, after its own time.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub calls: Vec<CallConfig>,
}

/// Shares of all attempts by fate, or what a fault adds to them. Disjoint; the rest succeeds.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(default, deny_unknown_fields)
)]
pub struct Fates {
    /// Share of attempts whose connection is refused.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub refused: f64,
    /// Share of attempts whose request never arrives: no work, no answer.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub lost_requests: f64,
    /// Share of attempts whose connection is reset before the server did anything.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub resets: f64,
    /// By status: share of attempts that something in front of the application answers with it: no work, no effect, nothing stored.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<ByStatus<Probability>>"))]
    pub errors: Vec<(u16, f64)>,
    /// By status: share of attempts whose work runs and fails: this status, no effect.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<ByStatus<Probability>>"))]
    pub failures: Vec<(u16, f64)>,
    /// Share of attempts whose work runs, without effect, and is never answered.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub hangs: f64,
    /// By status: share of attempts that make their effect and are then answered with it.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<ByStatus<Probability>>"))]
    pub late_errors: Vec<(u16, f64)>,
    /// Share of attempts that make their effect and whose reply never arrives. A stored reply can be lost too.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub lost_replies: f64,
    /// Share of attempts that make their effect and whose connection then breaks: the client sees a reset at once, and cannot tell it from
    /// `resets`. The connection of a stored reply can break too.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub late_resets: f64,
    /// By status: share of operations that can never succeed, a declined card. Drawn once for each operation: whenever its work would
    /// succeed, fail or be late, it ends in this status instead, without effect. Hangs, lost replies and late resets stay what they are, without effect.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<ByStatus<Probability>>"))]
    pub permanent_errors: Vec<(u16, f64)>,
}

/// What becomes of an attempt by the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripted {
    /// Nothing goes wrong.
    Ok,
    /// The work fails with this status.
    Status(u16),
    /// Connection refused.
    Refused,
    /// The request never arrives.
    LostRequest,
    /// Reset before the server did anything.
    Reset,
    /// The work runs without effect and is never answered.
    Hang,
    /// The effect is done, the reply never arrives.
    LostReply,
    /// The effect is done, then the connection breaks.
    LateReset,
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
    /// What becomes of those who are refused again and again.
    pub ban: Option<Ban>,
}

/// Refusals that lead to more refusals.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(deny_unknown_fields)
)]
pub struct Ban {
    /// After so many refusals, with no request that passed among them, whoever has the bucket is banned: all its requests are refused. Those
    /// count too, and so many of them make the next ban, from that instant on.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Count<1, 1_000_000>>"))]
    pub after: u32,
    /// How long the first ban lasts. What passes ends the series: the next ban is a first one again.
    #[cfg_attr(feature = "scenario-files", serde(rename = "for", with = "As::<PositiveDuration>"))]
    pub time: Span,
    /// How much longer each further ban is than the one before it; at least 1.
    #[cfg_attr(feature = "scenario-files", serde(default = "unchanged", with = "As::<Factor>"))]
    pub grows: f64,
}

#[cfg(feature = "scenario-files")]
fn unchanged() -> f64 {
    1.0
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

/// What becomes of requests with an idempotency key.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case", deny_unknown_fields),
    schemars(extend("examples" = [{ "lock": { "retention": "24h" } }]))
)]
pub enum Idempotency {
    /// They are served like those without a key.
    #[default]
    None,
    /// The key is looked up when a worker takes the request, the work is done, and the reply is stored when it ends, so that two attempts
    /// that overlap both do the work.
    Cache(CacheConfig),
    /// The same, and the key is locked from when the work starts until it ends.
    Lock(LockConfig),
}

/// A store of replies without a lock.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(default, deny_unknown_fields)
)]
pub struct CacheConfig {
    /// How long a reply is kept, from when it is stored. Above 0.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveDuration>"))]
    pub retention: Span,
    /// Which ends of work are stored, and come back for the same key. Hangs leave nothing to store.
    pub stores: Stores,
    /// What a request without a key gets: it is served, or this status, as a 400 where keys are required.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<OrServe>"))]
    pub missing_key: Option<u16>,
    /// What happens while the store is down, by a fault.
    pub when_down: WhenDown,
    /// Whose store it is.
    pub scope: StoreScope,
}

/// A store of replies with a lock for each key.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(default, deny_unknown_fields)
)]
pub struct LockConfig {
    /// How long a reply is kept, from when it is stored. Above 0.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveDuration>"))]
    pub retention: Span,
    /// Longest time a key stays locked, from when the work starts; `"none"`: until it ends.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<OrNone<PositiveDuration>>"))]
    pub lock_ttl: Option<Span>,
    /// Answer while the key is locked.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Status>"))]
    pub conflict_status: u16,
    /// Which ends of work are stored, and come back for the same key. Hangs leave nothing to store.
    pub stores: Stores,
    /// Who frees the lock where work ends.
    pub freed_by: FreedBy,
    /// What work that ends and is not stored does to its lock.
    pub on_failure: LockOnFailure,
    /// What a request without a key gets: it is served, or this status, as a 400 where keys are required.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<OrServe>"))]
    pub missing_key: Option<u16>,
    /// What happens while the store is down, by a fault.
    pub when_down: WhenDown,
    /// Whose store it is.
    pub scope: StoreScope,
}

/// Stripe keeps keys for at least 24 hours (API reference, "Idempotent requests").
const A_DAY: Span = Span::secs(24 * 3_600);

impl Default for CacheConfig {
    /// The contract's defaults: a day, successes only, keys are not required, one store for all replicas.
    fn default() -> CacheConfig {
        CacheConfig {
            retention: A_DAY,
            stores: Stores::Successes,
            missing_key: None,
            when_down: WhenDown::Closed,
            scope: StoreScope::Server,
        }
    }
}

impl Default for LockConfig {
    /// The contract's defaults. A lock of 30 s is chosen here, because it is what hand-written `SET key NX EX 30` locks use; 409 Conflict is that of
    /// the IETF draft "The Idempotency-Key HTTP Header Field", section 2.6.
    fn default() -> LockConfig {
        LockConfig {
            retention: A_DAY,
            lock_ttl: Some(Span::secs(30)),
            conflict_status: 409,
            stores: Stores::Successes,
            freed_by: FreedBy::Owner,
            on_failure: LockOnFailure::Free,
            missing_key: None,
            when_down: WhenDown::Closed,
            scope: StoreScope::Server,
        }
    }
}

/// Which ends of work a store keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum Stores {
    /// Failed work is done again for the same key, and so is work whose effect was made and that then answered with an error.
    #[default]
    Successes,
    /// Whatever had an effect, late errors too. Work that failed without one is done again, as Stripe's API v2 does.
    Effects,
    /// Whatever was answered: failures, late and permanent errors too, as Stripe's API v1 does.
    Everything,
}

impl Stores {
    /// True if work that ended with this status, with an effect or without, is stored.
    pub fn keeps(self, status: u16, executed: bool) -> bool {
        match self {
            Stores::Successes => status == 200,
            Stores::Effects => executed,
            Stores::Everything => true,
        }
    }
}

/// What a server does that cannot ask its store of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum WhenDown {
    /// It answers 503 to requests with a key, and does nothing.
    #[default]
    Closed,
    /// It serves them as if they had none.
    Open,
}

/// Who frees a lock where work ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum FreedBy {
    /// Only who holds it: the lock has a token.
    #[default]
    Owner,
    /// Whoever ends, also if its own lock has expired and another attempt holds the key.
    Anyone,
}

/// What becomes of a lock where work ends that is not stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum LockOnFailure {
    /// It is freed.
    #[default]
    Free,
    /// It stays until `lock_ttl` is over: the handler threw, past the code that would have freed it.
    Keep,
}

impl Idempotency {
    /// A lock with the contract's defaults, but this limit.
    pub fn lock(lock_ttl: Option<Span>) -> Idempotency {
        Idempotency::Lock(LockConfig { lock_ttl, ..LockConfig::default() })
    }

    /// How long a reply is kept, and which are; `None` without a store.
    pub fn keeps(&self) -> Option<(Span, Stores)> {
        match self {
            Idempotency::None => None,
            Idempotency::Cache(cache) => Some((cache.retention, cache.stores)),
            Idempotency::Lock(lock) => Some((lock.retention, lock.stores)),
        }
    }

    /// The status for requests without a key, where they are required.
    pub fn missing_key(&self) -> Option<u16> {
        match self {
            Idempotency::None => None,
            Idempotency::Cache(cache) => cache.missing_key,
            Idempotency::Lock(lock) => lock.missing_key,
        }
    }

    /// What happens while it is down; `None` without a store.
    pub fn when_down(&self) -> Option<WhenDown> {
        match self {
            Idempotency::None => None,
            Idempotency::Cache(cache) => Some(cache.when_down),
            Idempotency::Lock(lock) => Some(lock.when_down),
        }
    }

    /// True if replicas know different keys.
    pub fn is_per_replica(&self) -> bool {
        match self {
            Idempotency::None => false,
            Idempotency::Cache(CacheConfig { scope, .. }) | Idempotency::Lock(LockConfig { scope, .. }) => {
                *scope == StoreScope::Replica
            }
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
            + self.late_resets
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
            ("late_resets", None, self.late_resets),
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
    /// A server with the contract's defaults.
    pub fn named(name: &str) -> ServerConfig {
        ServerConfig { name: name.to_owned(), ..ServerConfig::default() }
    }
}

impl Default for ServerConfig {
    /// The contract's defaults: unlimited workers, no service time, no network, nothing goes wrong.
    fn default() -> ServerConfig {
        ServerConfig {
            name: String::new(),
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
            script: Vec::new(),
            fail_first: 0,
            idempotency: Idempotency::None,
            calls: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every share counts, under its name.
    #[test]
    fn shares_are_listed_and_add_up() {
        let fates = Fates {
            refused: 0.01,
            lost_requests: 0.02,
            resets: 0.03,
            errors: vec![(500, 0.04), (503, 0.05)],
            failures: vec![(500, 0.06)],
            hangs: 0.07,
            late_errors: vec![(500, 0.08)],
            lost_replies: 0.09,
            late_resets: 0.1,
            permanent_errors: vec![(402, 0.2)],
        };
        assert!((fates.total() - 0.55).abs() < 1e-12, "{}", fates.total());
        let listed: f64 = fates.listed().iter().map(|(_, _, share)| share).sum();
        assert!((listed - 0.75).abs() < 1e-12, "{listed}");
        assert_eq!(fates.listed().len(), 11);
    }
}
