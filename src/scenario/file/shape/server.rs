//! `[server.NAME]`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::distribution::{DistributionChoice, MaxWait};
use crate::protocol::Outcome;
use crate::scenario::file::leaf::{
    ByStatus, Duration, OrNone, OrUnlimited, PositiveDuration, PositiveRate, Probability, Status,
};
use crate::scenario::{AbandonedWork, Discipline, Fates, Idempotency, RateLimit, ServerConfig};
use crate::units::Span;

/// `[server.NAME]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    #[serde(default)]
    workers: OrUnlimited<1>,
    #[serde(default)]
    queue: OrUnlimited<0>,
    #[serde(default)]
    when_full: WhenFull,
    #[serde(default)]
    pub max_wait: MaxWait,
    #[serde(default)]
    discipline: DisciplineName,
    #[serde(default)]
    drop_expired: bool,
    #[serde(default)]
    abandoned_work: AbandonedWorkName,
    #[serde(default)]
    pub service_time: DistributionChoice,
    #[serde(default)]
    pub network: DistributionChoice,
    #[serde(default)]
    refused: Probability,
    #[serde(default)]
    lost_requests: Probability,
    #[serde(default)]
    resets: Probability,
    #[serde(default)]
    errors: ByStatus<Probability>,
    #[serde(default)]
    failures: ByStatus<Probability>,
    #[serde(default)]
    hangs: Probability,
    #[serde(default)]
    late_errors: ByStatus<Probability>,
    #[serde(default)]
    lost_replies: Probability,
    #[serde(default)]
    permanent_errors: ByStatus<Probability>,
    #[serde(default)]
    retry_after: ByStatus<Duration>,
    #[serde(default)]
    rate_limit: OrAbsent<RateLimitKeys>,
    #[serde(default)]
    idempotency: IdempotencyChoice,
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
            Either::Word(Word::Refuse) => Ok(WhenFull(Outcome::Connection)),
        }
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

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DisciplineName {
    #[default]
    Fifo,
    Lifo,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AbandonedWorkName {
    #[default]
    Finish,
    Cancel,
}

/// `rate_limit`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimitKeys {
    rate: PositiveRate,
    /// Default: one second's worth, at least one request.
    burst: Option<Burst>,
    #[serde(default)]
    per: Per,
    #[serde(default = "too_many_requests")]
    status: Status,
    #[serde(default = "yes")]
    retry_after: bool,
}

/// Requests at once: at least 1.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64")]
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Per {
    #[default]
    Server,
    Client,
}

/// RFC 6585, section 4.
fn too_many_requests() -> Status {
    Status(429)
}

fn yes() -> bool {
    true
}

/// `idempotency`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum IdempotencyChoice {
    #[default]
    None,
    Cache {
        #[serde(default = "a_day")]
        retention: PositiveDuration,
        #[serde(default)]
        store_errors: bool,
    },
    Lock {
        #[serde(default = "a_day")]
        retention: PositiveDuration,
        #[serde(default = "half_a_minute")]
        lock_ttl: OrNone<PositiveDuration>,
        #[serde(default = "conflict")]
        conflict_status: Status,
        #[serde(default)]
        store_errors: bool,
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

    /// As the engine knows it. Call [`Server::resolve`] first.
    pub fn build(&self, name: &str) -> ServerConfig {
        ServerConfig {
            name: name.to_owned(),
            workers: self.workers.0,
            queue: self.queue.0,
            when_full: self.when_full.0,
            max_wait: self.max_wait.0.as_ref().map(DistributionChoice::build),
            discipline: match self.discipline {
                DisciplineName::Fifo => Discipline::Fifo,
                DisciplineName::Lifo => Discipline::Lifo,
            },
            drop_expired: self.drop_expired,
            abandoned_work: match self.abandoned_work {
                AbandonedWorkName::Finish => AbandonedWork::Finish,
                AbandonedWorkName::Cancel => AbandonedWork::Cancel,
            },
            service_time: self.service_time.build(),
            network: self.network.build(),
            fates: self.fates(),
            retry_after: self.retry_after.map(|span| span.0),
            rate_limit: self.rate_limit.0.as_ref().map(|limit| RateLimit {
                rate: limit.rate.0.per_second,
                burst: limit.burst.map_or(1.0, |burst| burst.0),
                per_client: limit.per == Per::Client,
                status: limit.status.0,
                retry_after: limit.retry_after,
            }),
            idempotency: match &self.idempotency {
                IdempotencyChoice::None => Idempotency::None,
                IdempotencyChoice::Cache { retention, store_errors } => {
                    Idempotency::Cache { retention: retention.span(), store_errors: *store_errors }
                }
                IdempotencyChoice::Lock { retention, lock_ttl, conflict_status, store_errors } => Idempotency::Lock {
                    retention: retention.span(),
                    lock_ttl: lock_ttl.0.map(PositiveDuration::span),
                    conflict_status: conflict_status.0,
                    store_errors: *store_errors,
                },
            },
        }
    }
}
