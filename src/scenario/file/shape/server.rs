//! `[server.NAME]`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::call::{CallTable, InOrder};
use super::distribution::{DistributionChoice, DurationOrDistribution, MaxWait};

use crate::endpoint::Balance;
use crate::protocol::{HintFormat, Outcome};
use crate::scenario::file::leaf::{
    ByStatus, Count, Duration, OrNone, OrUnlimited, PositiveDuration, PositiveRate, Probability, Status,
};
use crate::scenario::file::schema::or_word;
use crate::scenario::{AbandonedWork, Discipline, Fates, Idempotency, Per, RateLimit, ServerConfig, StoreScope};
use crate::units::Span;

/// A server: how many requests it can work on, how long each takes, and what becomes of attempts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// How many there are behind the name, 1 to 1,000. Each has workers, queue and rest of its own; capacity and utilisation are of all, the
    /// largest queue is that of any.
    #[serde(default = "one")]
    pub replicas: Count<1, 1_000>,
    /// Which replica an attempt goes to. In flight is what was sent there, by anybody, and neither answered nor given up.
    #[serde(default)]
    balance: Balance,
    /// Requests in service at once; at least 1.
    #[serde(default)]
    workers: OrUnlimited<1>,
    /// Waiting places; 0 is none.
    #[serde(default)]
    queue: OrUnlimited<0>,
    /// Answer when no place is left: a status, or `"refuse"`: no connection.
    #[serde(default)]
    when_full: WhenFull,
    /// Longest time in the queue, drawn for each attempt; then the answer is that of `when_full`. A duration (`"2s"`), or any distribution
    /// (`max_wait.exponential = { mean = "2s" }`).
    #[serde(default)]
    pub max_wait: MaxWait,
    /// Who is served next.
    #[serde(default)]
    discipline: Discipline,
    /// Whether a worker throws away, without losing time, what it would take up for a client that has stopped waiting, once the server
    /// knows it (*cancelling*).
    #[serde(default)]
    drop_expired: bool,
    /// What becomes of work whose client stops waiting, as soon as the server knows it (*cancelling*).
    #[serde(default)]
    abandoned_work: AbandonedWork,
    /// Time a worker needs for a request.
    #[serde(default)]
    pub service_time: DistributionChoice,
    /// Time on the network, one way; drawn for each direction.
    #[serde(default)]
    pub network: DistributionChoice,
    /// Share of attempts whose connection is refused.
    #[serde(default)]
    refused: Probability,
    /// Share of attempts whose request never arrives: no work, no answer.
    #[serde(default)]
    lost_requests: Probability,
    /// Share of attempts whose connection is reset before the server did anything.
    #[serde(default)]
    resets: Probability,
    /// By status: share of attempts that something in front of the application answers with it: no work, no effect, nothing stored.
    #[serde(default)]
    errors: ByStatus<Probability>,
    /// By status: share of attempts whose work runs and fails: this status, no effect.
    #[serde(default)]
    failures: ByStatus<Probability>,
    /// Share of attempts whose work runs, without effect, and is never answered.
    #[serde(default)]
    hangs: Probability,
    /// By status: share of attempts that make their effect and are then answered with it.
    #[serde(default)]
    late_errors: ByStatus<Probability>,
    /// Share of attempts that make their effect and whose reply never arrives. A stored reply can be lost too.
    #[serde(default)]
    lost_replies: Probability,
    /// By status: share of operations that can never succeed, a declined card. Drawn once for each operation: whenever its work would
    /// succeed, fail or be late, it ends in this status instead, without effect. Hangs and lost replies stay what they are, without effect.
    #[serde(default)]
    permanent_errors: ByStatus<Probability>,
    /// By status: what is sent as `Retry-After` with it, a duration, or a distribution that is drawn for each attempt: `{ 429 = "1s", 503 =
    /// { uniform = { min = "1s", max = "30s" } } }`.
    #[serde(default)]
    pub retry_after: ByStatus<DurationOrDistribution>,
    /// How a hint is sent, the rate limit's too.
    #[serde(default)]
    retry_after_as: HintFormat,
    /// By status: true or false, with which the server says that the request should be tried again, or should not (`Stripe-Should-Retry`).
    #[serde(default)]
    should_retry: ByStatus<bool>,
    /// A token bucket in front of the server. A refused request costs no token.
    #[serde(default)]
    rate_limit: OrAbsent<RateLimitKeys>,
    /// What becomes of requests with an idempotency key.
    #[serde(default)]
    idempotency: IdempotencyChoice,
    /// Calls that a worker makes for each request, by name, in the file's order, after its own time; it is held until they are over.
    /// Default: none.
    #[serde(default, skip_serializing_if = "InOrder::is_empty")]
    pub call: InOrder<CallTable>,
}

/// A table, or `"none"`.
#[derive(Clone, Debug)]
pub struct OrAbsent<T>(Option<T>);

impl<T> Default for OrAbsent<T> {
    fn default() -> OrAbsent<T> {
        OrAbsent(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrAbsent<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OrAbsent<T>, D::Error> {
        struct TableOrNone<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for TableOrNone<T> {
            type Value = OrAbsent<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table or \"none\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OrAbsent<T>, E> {
                if text == "none" { Ok(OrAbsent(None)) } else { Err(E::custom("must be a table or \"none\"")) }
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<OrAbsent<T>, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(|table| OrAbsent(Some(table)))
            }
        }
        deserializer.deserialize_any(TableOrNone(std::marker::PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OrAbsent<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}_or_none", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_word::<T>("none", generator)
    }
}

impl<T: Serialize> Serialize for OrAbsent<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            None => serializer.serialize_str("none"),
            Some(table) => table.serialize(serializer),
        }
    }
}

/// `when_full`: a status, or `"refuse"`.
#[derive(Clone, Copy, Debug)]
struct WhenFull(Outcome);

impl Default for WhenFull {
    fn default() -> WhenFull {
        WhenFull(Outcome::Status(503))
    }
}

impl<'de> Deserialize<'de> for WhenFull {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WhenFull, D::Error> {
        // The only word that is no status; all others are told what a status is.
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "must be a status from 400 to 599, or \"refuse\"")]
        enum Either {
            Status(Status),
            Word(Word),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Word {
            Refuse,
        }
        match Either::deserialize(deserializer)? {
            Either::Status(Status(status)) => Ok(WhenFull(Outcome::Status(status))),
            Either::Word(Word::Refuse) => Ok(WhenFull(Outcome::Refused)),
        }
    }
}

impl JsonSchema for WhenFull {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "WhenFull".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_word::<Status>("refuse", generator)
    }
}

impl Serialize for WhenFull {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Outcome::Status(status) => serializer.serialize_u16(status),
            _ => serializer.serialize_str("refuse"),
        }
    }
}

/// A token bucket that starts full. A refused request costs no token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "rate": "100/s" }]))]
struct RateLimitKeys {
    /// Requests per time that pass. Above 0.
    rate: PositiveRate,
    /// Requests that pass at once; at least 1. The bucket starts full. Default: one second's worth, at least 1.
    burst: Option<Burst>,
    /// Whose bucket it is.
    #[serde(default)]
    per: Per,
    /// Answer to a request that does not pass.
    #[serde(default = "too_many_requests")]
    status: Status,
    /// Whether the time until the next token is sent as `Retry-After`, in whole seconds rounded up (or milliseconds, as `retry_after_as`
    /// says). With `false` the server's own `retry_after` applies.
    #[serde(default = "yes")]
    retry_after: bool,
}

/// Requests at once: at least 1.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(inline, extend("minimum" = 1))]
struct Burst(f64);

impl TryFrom<f64> for Burst {
    type Error = String;
    fn try_from(burst: f64) -> Result<Burst, String> {
        if burst.is_finite() && burst >= 1.0 {
            Ok(Burst(burst))
        } else {
            Err("must be at least 1, or no request ever passes".into())
        }
    }
}

/// RFC 6585, section 4.
fn too_many_requests() -> Status {
    Status(429)
}

fn yes() -> bool {
    true
}

fn one() -> Count<1, 1_000> {
    Count(1)
}

/// What becomes of requests with an idempotency key.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "lock": { "retention": "24h" } }]))]
enum IdempotencyChoice {
    /// They are served like those without a key.
    #[default]
    None,
    /// The key is looked up when a worker takes the request, the work is done, and the reply is stored when it ends, so that two attempts
    /// that overlap both do the work.
    Cache {
        /// How long a reply is kept, from when it is stored. Above 0.
        #[serde(default = "a_day")]
        retention: PositiveDuration,
        /// Whether failures, late errors and permanent errors are stored too.
        #[serde(default)]
        store_errors: bool,
        /// Whose store it is.
        #[serde(default)]
        scope: StoreScope,
    },
    /// The same, and the key is locked from when the work starts until it ends.
    Lock {
        /// How long a reply is kept, from when it is stored. Above 0.
        #[serde(default = "a_day")]
        retention: PositiveDuration,
        /// Longest time a key stays locked, from when the work starts; `"none"`: until it ends.
        #[serde(default = "half_a_minute")]
        lock_ttl: OrNone<PositiveDuration>,
        /// Answer while the key is locked.
        #[serde(default = "conflict")]
        conflict_status: Status,
        /// Whether failures, late errors and permanent errors are stored too.
        #[serde(default)]
        store_errors: bool,
        /// Whose store it is.
        #[serde(default)]
        scope: StoreScope,
    },
}

/// Stripe keeps keys for at least 24 hours (API reference, "Idempotent requests").
fn a_day() -> PositiveDuration {
    PositiveDuration(Duration(Span::secs(24 * 3_600)))
}

/// Chosen here, because it is what hand-written `SET key NX EX 30` locks use.
fn half_a_minute() -> OrNone<PositiveDuration> {
    OrNone(Some(PositiveDuration(Duration(Span::secs(30)))))
}

/// 409 Conflict: IETF draft "The Idempotency-Key HTTP Header Field", section 2.6.
fn conflict() -> Status {
    Status(409)
}

impl Server {
    /// Fills in what depends on other keys.
    pub fn resolve(&mut self) {
        if let Some(limit) = &mut self.rate_limit.0 {
            limit.burst.get_or_insert(Burst(limit.rate.0.per_second.max(1.0)));
        }
    }

    /// Shares of all attempts, as the engine knows them.
    pub fn fates(&self) -> Fates {
        Fates {
            refused: self.refused.0,
            lost_requests: self.lost_requests.0,
            resets: self.resets.0,
            errors: self.errors.map(|share| share.0),
            failures: self.failures.map(|share| share.0),
            hangs: self.hangs.0,
            late_errors: self.late_errors.map(|share| share.0),
            lost_replies: self.lost_replies.0,
            permanent_errors: self.permanent_errors.map(|share| share.0),
        }
    }

    /// True if work is taken off its worker once nobody waits for it.
    pub fn cancels_work(&self) -> bool {
        matches!(self.abandoned_work, AbandonedWork::Cancel)
    }

    /// As the engine knows it, without its calls. Call [`Server::resolve`] first.
    pub fn build(&self, name: &str) -> ServerConfig {
        ServerConfig {
            name: name.to_owned(),
            replicas: self.replicas.0 as u32,
            balance: self.balance,
            workers: self.workers.0,
            queue: self.queue.0,
            when_full: self.when_full.0,
            max_wait: self.max_wait.0.as_ref().map(DistributionChoice::build),
            discipline: self.discipline,
            drop_expired: self.drop_expired,
            abandoned_work: self.abandoned_work,
            service_time: self.service_time.build(),
            network: self.network.build(),
            fates: self.fates(),
            retry_after: self.retry_after.map(|hint| hint.0.build()),
            retry_after_as: self.retry_after_as,
            should_retry: self.should_retry.map(|should| *should),
            rate_limit: self.rate_limit.0.as_ref().map(|limit| RateLimit {
                rate: limit.rate.0.per_second,
                burst: limit.burst.map_or(1.0, |burst| burst.0),
                per: limit.per,
                status: limit.status.0,
                retry_after: limit.retry_after,
            }),
            idempotency: match &self.idempotency {
                IdempotencyChoice::None => Idempotency::None,
                IdempotencyChoice::Cache { retention, store_errors, scope } => {
                    Idempotency::Cache { retention: retention.span(), store_errors: *store_errors, scope: *scope }
                }
                IdempotencyChoice::Lock { retention, lock_ttl, conflict_status, store_errors, scope } => {
                    Idempotency::Lock {
                        retention: retention.span(),
                        lock_ttl: lock_ttl.0.map(PositiveDuration::span),
                        conflict_status: conflict_status.0,
                        store_errors: *store_errors,
                        scope: *scope,
                    }
                }
            },
            calls: Vec::new(),
        }
    }
}
