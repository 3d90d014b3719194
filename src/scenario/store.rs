//! What a server's store of idempotency keys is like.

use crate::units::Span;

#[cfg(feature = "scenario-files")]
use super::file::leaf::{As, Duration, OrNone, OrServe, PositiveDuration, Status};

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
    /// What another action with the same key gets: it is served as if it were the same, or this status, as a 422 where fingerprints of requests
    /// are compared. Both have a key in common where that is made from a thing, or from a clock.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<OrServe>"))]
    pub mismatch: Option<u16>,
    /// Time that each access to the store takes, the worker held: looking a key up, locking it, storing the reply or freeing the lock.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Duration>"))]
    pub access: Span,
    /// Whether the reply is stored in one step with the effect, as in one transaction: then it takes no access of its own, and nothing comes
    /// between the two.
    pub with_effect: bool,
    /// When the store is asked first.
    pub asked: Asked,
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
    /// Whether the key is looked up and locked in one access. If not, these are two, and a first try that ends in between is not seen.
    pub atomic: bool,
    /// What happens while another try holds the key.
    pub on_conflict: OnConflict,
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
    /// What another action with the same key gets: it is served as if it were the same, or this status, as a 422 where fingerprints of requests
    /// are compared. Both have a key in common where that is made from a thing, or from a clock.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<OrServe>"))]
    pub mismatch: Option<u16>,
    /// Time that each access to the store takes, the worker held: looking a key up, locking it, storing the reply or freeing the lock.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Duration>"))]
    pub access: Span,
    /// Whether the reply is stored in one step with the effect, as in one transaction: then it takes no access of its own, and nothing comes
    /// between the two.
    pub with_effect: bool,
    /// When the store is asked first.
    pub asked: Asked,
    /// What happens while the store is down, by a fault.
    pub when_down: WhenDown,
    /// Whose store it is.
    pub scope: StoreScope,
}

/// What stores with and without a lock have in common: the fields of [`CacheConfig`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // Each is that field.
pub struct StoreRules {
    pub retention: Span,
    pub stores: Stores,
    pub missing_key: Option<u16>,
    pub mismatch: Option<u16>,
    pub access: Span,
    pub with_effect: bool,
    pub asked: Asked,
    pub when_down: WhenDown,
    pub scope: StoreScope,
}

/// Stripe keeps keys for at least 24 hours (API reference, "Idempotent requests").
const A_DAY: Span = Span::secs(24 * 3_600);

impl Default for CacheConfig {
    /// The contract's defaults: a day, successes only, keys are not required, no time, one store for all replicas.
    fn default() -> CacheConfig {
        CacheConfig {
            retention: A_DAY,
            stores: Stores::Successes,
            missing_key: None,
            mismatch: None,
            access: Span::ZERO,
            with_effect: false,
            asked: Asked::ByWorker,
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
            atomic: true,
            on_conflict: OnConflict::Refuse,
            conflict_status: 409,
            stores: Stores::Successes,
            freed_by: FreedBy::Owner,
            on_failure: LockOnFailure::Free,
            missing_key: None,
            mismatch: None,
            access: Span::ZERO,
            with_effect: false,
            asked: Asked::ByWorker,
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

/// When a store is asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum Asked {
    /// When a worker takes the request: what the rate limit, `errors` or a full queue answer is not stored.
    #[default]
    ByWorker,
    /// When the request arrives, before the rate limit, in no time: what is known is answered without a worker, the lock lasts from then on, and what
    /// the rate limit, `errors` or a full queue answer is an end like others, and may be stored.
    First,
}

/// What a store does while another try holds the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum OnConflict {
    /// It answers `conflict_status`.
    #[default]
    Refuse,
    /// It asks again after this time, and again, the worker held, until the key is free or its reply is known.
    Wait(#[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveDuration>"))] Span),
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

    /// What stores with and without a lock have in common; `None` without a store.
    pub fn rules(&self) -> Option<StoreRules> {
        macro_rules! common {
            ($of:ident) => {
                StoreRules {
                    retention: $of.retention,
                    stores: $of.stores,
                    missing_key: $of.missing_key,
                    mismatch: $of.mismatch,
                    access: $of.access,
                    with_effect: $of.with_effect,
                    asked: $of.asked,
                    when_down: $of.when_down,
                    scope: $of.scope,
                }
            };
        }
        match self {
            Idempotency::None => None,
            Idempotency::Cache(cache) => Some(common!(cache)),
            Idempotency::Lock(lock) => Some(common!(lock)),
        }
    }

    /// The lock, if there is one.
    pub fn has_lock(&self) -> Option<&LockConfig> {
        match self {
            Idempotency::Lock(lock) => Some(lock),
            _ => None,
        }
    }

    /// True if replicas know different keys.
    pub fn is_per_replica(&self) -> bool {
        self.rules().is_some_and(|rules| rules.scope == StoreScope::Replica)
    }

    /// True if it does anything but answer at once, in one step, what it knows.
    pub fn takes_stages(&self) -> bool {
        let of_lock = self.has_lock().is_some_and(|lock| !lock.atomic || lock.on_conflict != OnConflict::Refuse);
        let of_all =
            |rules: StoreRules| rules.access > Span::ZERO || rules.mismatch.is_some() || rules.asked == Asked::First;
        of_lock || self.rules().is_some_and(of_all)
    }
}
