//! `[server.NAME]`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::de::ValueDeserializer;

use super::call::{CallTable, InOrder};
use super::distribution::{DistributionChoice, DurationOrDistribution, MaxWait};
use crate::scenario::file::group::{both, take};
use crate::scenario::file::leaf::{ByStatus, PositiveRate, Status};
use crate::scenario::file::schema::or_word;
use crate::scenario::file::tree::Node;
use crate::scenario::{AbandonedWork, Ban, Fates, Per, RateLimit, ServerConfig};

/// A server: how many requests it can work on, how long each takes, and what becomes of attempts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Server {
    /// The keys that the engine knows as they are.
    #[serde(flatten)]
    pub config: ServerConfig,
    #[serde(flatten)]
    pub words: Words,
    #[serde(flatten)]
    pub fates: Fates,
}

/// What a file says of a server in words of its own.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Words {
    /// Longest time in the queue, drawn for each attempt; then the answer is that of `when_full`. A duration (`"2s"`), or any distribution
    /// (`max_wait.exponential = { mean = "2s" }`).
    pub max_wait: MaxWait,
    /// Time a worker needs for a request.
    pub service_time: DistributionChoice,
    /// Time on the network, one way; drawn for each direction.
    pub network: DistributionChoice,
    /// By status: what is sent as `Retry-After` with it, a duration, or a distribution that is drawn for each attempt: `{ 429 = "1s", 503 =
    /// { uniform = { min = "1s", max = "30s" } } }`.
    pub retry_after: ByStatus<DurationOrDistribution>,
    /// A token bucket in front of the server. A refused request costs no token.
    rate_limit: OrAbsent<RateLimitKeys>,
    /// Calls that a worker makes for each request, by name, in the file's order, after its own time; it is held until they are over.
    /// Default: none.
    #[serde(skip_serializing_if = "InOrder::is_empty")]
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
    /// What becomes of those who are refused again and again. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    ban: Option<Ban>,
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

impl Server {
    /// What stands in a file.
    pub fn read(mut node: Node<'_>) -> Result<Server, toml::de::Error> {
        let special = both(take(&mut node), take(&mut node));
        let config = ServerConfig::deserialize(ValueDeserializer::from(node));
        let ((words, fates), config) = both(special, config)?;
        Ok(Server { config, words, fates })
    }

    /// Fills in what depends on other keys.
    pub fn resolve(&mut self) {
        if let Some(limit) = &mut self.words.rate_limit.0 {
            limit.burst.get_or_insert(Burst(limit.rate.0.per_second.max(1.0)));
        }
    }

    /// True if work is taken off its worker once nobody waits for it.
    pub fn cancels_work(&self) -> bool {
        self.config.abandoned_work == AbandonedWork::Cancel
    }

    /// As the engine knows it, without its calls. Call [`Server::resolve`] first.
    pub fn build(&self, name: &str) -> ServerConfig {
        let words = &self.words;
        ServerConfig {
            name: name.to_owned(),
            max_wait: words.max_wait.0.as_ref().map(DistributionChoice::build),
            service_time: words.service_time.build(),
            network: words.network.build(),
            fates: self.fates.clone(),
            retry_after: words.retry_after.map(|hint| hint.0.build()),
            rate_limit: words.rate_limit.0.as_ref().map(|limit| RateLimit {
                rate: limit.rate.0.per_second,
                burst: limit.burst.map_or(1.0, |burst| burst.0),
                per: limit.per,
                status: limit.status.0,
                retry_after: limit.retry_after,
                ban: limit.ban.clone(),
            }),
            ..self.config.clone()
        }
    }
}
