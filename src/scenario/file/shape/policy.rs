//! `[policy.NAME]`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::backoff::BackoffChoice;
use super::call::{InOrder, Rules};
use super::durable::DurableTable;
use super::ejection::EjectionTable;
use super::gate::{BreakerChoice, BudgetChoice, ConcurrencyTable, LimiterChoice, ThrottleChoice};
use super::hedge::HedgeChoice;
use super::hint::RetryAfterChoice;
use super::limits::{self, FreeRetries, RetriesFor, RetryForChoice};
use crate::endpoint::{EndpointRules, RetryHost};
use crate::gate::{Around, GateConfig, OnRefusal};
use crate::protocol::Method;
use crate::retry::{Clock, KeyMode, Made, OutcomeClass, RetryPolicy};
use crate::scenario::call::ClientRules;
use crate::scenario::file::leaf::{Factor, OrNone, OrUnlimited, Outcome, Outcomes, PositiveDuration, Probability};
use crate::scenario::file::preset::PresetName;
use crate::scenario::file::schema::{OUTCOME_KEY, by_key, form};

/// A policy: one client's rules for one call. A row of the comparison.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyTable {
    /// A production client's defaults: keys that are not given here are the preset's. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<PresetName>,
    /// Most attempts of a call, the first included; a number or `"unlimited"`. Default: `1`.
    pub attempts: Option<OrUnlimited<1>>,
    /// How long the client waits for the reply to each attempt, from its sending. Above 0.
    #[serde(default)]
    pub timeout: OrNone<PositiveDuration>,
    /// The time-out of each attempt is this many times that of the one before; at least 1.
    #[serde(default = "no_growth")]
    timeout_factor: Factor,
    /// Longest time-out of an attempt, however it grows.
    #[serde(default)]
    timeout_cap: OrNone<PositiveDuration>,
    /// Longest time of a call, from its start, waits included. Above 0. A wait that would end then or later is not begun.
    #[serde(default)]
    pub deadline: OrNone<PositiveDuration>,
    /// How long after its start a call is retried: `"2m"`, or `{ limit, rule }`. It ends no attempt, and leaves waits for a limiter alone.
    /// Shorter than `deadline`, if there is one.
    #[serde(default)]
    pub retry_for: RetryForChoice,
    /// The wait before each retry. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffChoice>,
    /// By outcome: another backoff after it. The most specific applies: one status, `timeout`, `refused` or `reset`, then `4xx`, `5xx` and
    /// `connection`, then `any`. Default: `{}`.
    #[serde(default, skip_serializing_if = "BackoffFor::is_empty")]
    pub backoff_for: BackoffFor,
    /// Outcomes that are retried, and that a breaker counts as failures. `connection` is `refused` and `reset`.
    #[serde(default)]
    retry_on: Outcomes,
    /// Further outcomes that are retried, and count, only if the operation's `method` is GET, HEAD, PUT or DELETE.
    #[serde(default = "Outcomes::none")]
    retry_on_idempotent: Outcomes,
    /// By outcomes: most retries of a call after these, 0 to 255, beside `attempts`: `retries_for = { timeout = 1, "refused+reset" = 3 }`.
    /// Outcomes joined by `+` have one limit together; an outcome counts for every limit that names it. At most three limits. Default:
    /// `{}`.
    #[serde(default, skip_serializing_if = "RetriesFor::is_empty")]
    pub retries_for: RetriesFor,
    /// Retries that do not count: sent at once, and for gates the same attempt. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_retries: Option<FreeRetries>,
    /// What a reply's word makes of it that the request should be tried again, or should not.
    #[serde(default)]
    should_retry: ShouldRetryName,
    /// What a reply's `Retry-After` does to the wait. Default: `"ignore"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfterChoice>,
    /// The idempotency key of its requests.
    #[serde(default)]
    key: KeyChoice,
    /// Share of requests that lose their key on the way, in a proxy.
    #[serde(default)]
    key_lost: Probability,
    /// A circuit breaker, which may refuse attempts. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OrNone<BreakerChoice>>")]
    breaker: Option<BreakerChoice>,
    /// A budget, which may refuse retries. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OrNone<BudgetChoice>>")]
    pub budget: Option<BudgetChoice>,
    /// A throttle, which refuses attempts while many fail. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OrNone<ThrottleChoice>>")]
    throttle: Option<ThrottleChoice>,
    /// A limit on the rate at which attempts are sent. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OrNone<LimiterChoice>>")]
    limiter: Option<LimiterChoice>,
    /// A limit on retries, or on attempts, in flight at once. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OrNone<ConcurrencyTable>>")]
    pub concurrency: Option<ConcurrencyTable>,
    /// Another attempt beside one that is open, in case that one is slow. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OrNone<HedgeChoice>>")]
    pub hedge: Option<HedgeChoice>,
    /// Which replica retries and hedges go to.
    #[serde(default)]
    retry_host: RetryHost,
    /// Leaves a replica out that has failed too often. When all are out, nobody is. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<OrNone<EjectionTable>>")]
    pub ejection: Option<EjectionTable>,
    /// A durable queue for what has failed: section 3.14. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durable: Option<DurableTable>,
    /// By name of a step of the operation: the rules of this row for it, in place of its own and of the other keys here: keys of a policy but
    /// `with` and `step`. Default: `{}`.
    #[serde(default, skip_serializing_if = "InOrder::is_empty")]
    pub step: InOrder<Rules>,
    /// Whether it is a row of the comparison; if not, it is a member of mixes only. Default: `true`.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub row: bool,
    /// What is different in the world of this row: paths of `server`, `fault`, `load` and `operation`. Default: `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<With>,
}

/// The tables of a row's world: what `with` may change.
pub const WORLD: [&str; 4] = ["server", "fault", "load", "operation"];

/// `with`: paths of the world. Only that it is a table is known here; the scenario's tree has the places that errors point at.
#[derive(Clone, Debug)]
pub struct With {
    /// Every key it touches, as it stands in the changed world; filled in once that has been read.
    pub resolved: serde_json::Value,
}

impl<'de> Deserialize<'de> for With {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<With, D::Error> {
        struct AnyTable;
        impl<'de> Visitor<'de> for AnyTable {
            type Value = With;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table of what changes, such as with.server.api.queue = 0")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<With, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(With { resolved: serde_json::Value::Null })
            }
        }
        deserializer.deserialize_map(AnyTable)
    }
}

impl JsonSchema for With {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "With".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Parts of tables, which need not be whole: what they may hold is checked in the changed world.
        let named = json_schema!({ "type": "object", "additionalProperties": { "type": "object" } });
        json_schema!({
            "type": "object",
            "patternProperties": { "^(server|fault)$": named, "^(load|operation)$": { "type": "object" } },
            "additionalProperties": false
        })
    }
}

impl Serialize for With {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.resolved.serialize(serializer)
    }
}

/// `backoff_for`: backoffs by outcome.
#[derive(Clone, Debug, Default)]
pub struct BackoffFor(Vec<(OutcomeClass, BackoffChoice)>);

impl BackoffFor {
    /// True if no outcome has a backoff of its own.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for BackoffFor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BackoffFor, D::Error> {
        struct ByOutcome;
        impl<'de> Visitor<'de> for ByOutcome {
            type Value = BackoffFor;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("backoffs by outcome, such as backoff_for.429.fixed = { delay = \"2s\" }")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BackoffFor, A::Error> {
                let mut entries = Vec::new();
                while let Some(Outcome(class)) = map.next_key()? {
                    entries.push((class, map.next_value()?));
                }
                Ok(BackoffFor(entries))
            }
        }
        deserializer.deserialize_map(ByOutcome)
    }
}

impl JsonSchema for BackoffFor {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "BackoffFor".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        by_key::<BackoffChoice>(OUTCOME_KEY, generator)
    }
}

impl Serialize for BackoffFor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (class, backoff) in &self.0 {
            map.serialize_entry(&class.to_string(), backoff)?;
        }
        map.end()
    }
}

fn yes() -> bool {
    true
}

fn no_growth() -> Factor {
    Factor(1.0)
}

/// `should_retry`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ShouldRetryName {
    /// Nothing: the outcome counts.
    #[default]
    Ignore,
    /// It goes before `retry_on`.
    Honour,
}

/// `key`: what two requests must have in common to have one key.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = ["per-operation", { "clock": { "resolution": "1ms" } }]))]
enum KeyChoice {
    /// No key.
    #[default]
    None,
    /// A fresh one for each attempt: made inside the retried function, or with its number in it, a common mistake.
    PerAttempt,
    /// One for each call of a flow: who starts over makes another.
    PerCall,
    /// One for all attempts of an operation; each of its steps has one of its own.
    PerOperation,
    /// One for what a user wanted once: repeats with `same = "key"` have it too.
    PerAction,
    /// One for all operations about one thing, as a hash of the cart, or the order's number.
    PerThing,
    /// Made from the thing and the time.
    Clock {
        /// Times are equal within it.
        resolution: PositiveDuration,
        /// Whether the time is that of each attempt, inside the retried function, or that at which the operation started.
        #[serde(default)]
        made: Made,
    },
}

impl KeyChoice {
    fn build(self) -> KeyMode {
        match self {
            KeyChoice::None => KeyMode::None,
            KeyChoice::PerAttempt => KeyMode::PerAttempt,
            KeyChoice::PerCall => KeyMode::PerCall,
            KeyChoice::PerOperation => KeyMode::PerOperation,
            KeyChoice::PerAction => KeyMode::PerAction,
            KeyChoice::PerThing => KeyMode::PerThing,
            KeyChoice::Clock { resolution, made } => KeyMode::Clock(Clock { resolution: resolution.span(), made }),
        }
    }
}

impl PolicyTable {
    /// Writes the defaults that depend on whether there are retries.
    pub fn resolve(&mut self) {
        let attempts = *self.attempts.get_or_insert(OrUnlimited(Some(1)));
        if attempts != OrUnlimited(Some(1)) {
            self.backoff.get_or_insert_with(BackoffChoice::default);
            self.retry_after.get_or_insert_with(RetryAfterChoice::default);
        }
        self.step.0.iter_mut().for_each(|(_, rules)| rules.0.resolve());
        if let Some(durable) = &mut self.durable {
            durable.backoff.get_or_insert_with(BackoffChoice::default);
        }
    }

    /// As the engine knows it, for calls with this method. Call [`PolicyTable::resolve`] first.
    pub fn build(&self, method: Method) -> ClientRules {
        ClientRules {
            policy: Arc::new(self.retry_policy(method)),
            gates: self.gates().into_iter().map(|(_, gate)| gate).collect(),
            hedge: self.hedge.as_ref().map(HedgeChoice::build),
            endpoints: EndpointRules {
                retry_host: self.retry_host,
                ejection: self.ejection.as_ref().map(EjectionTable::build),
            },
        }
    }

    /// The same without gates.
    pub fn retry_policy(&self, method: Method) -> RetryPolicy {
        let mut backoff_for: Vec<_> =
            self.backoff_for.0.iter().map(|(class, backoff)| (*class, backoff.build())).collect();
        backoff_for.sort_by_key(|(class, _)| class.breadth());
        RetryPolicy {
            attempts: self.attempts.map_or(Some(1), |attempts| attempts.0),
            timeout: self.timeout.0.map(PositiveDuration::span),
            timeout_factor: self.timeout_factor.0,
            timeout_cap: self.timeout_cap.0.map(PositiveDuration::span),
            deadline: self.deadline.0.map(PositiveDuration::span),
            retry_for: self.retry_for.build(),
            backoff: self.backoff.clone().unwrap_or_default().build(),
            backoff_for,
            retry_on: self.retry_on.for_method(&self.retry_on_idempotent, method),
            limits: limits::build(&self.retries_for, self.free_retries.as_ref()),
            retry_after: self.retry_after.clone().unwrap_or_default().build(method),
            heeds_should_retry: self.should_retry == ShouldRetryName::Honour,
            key: self.key.build(),
            key_lost: self.key_lost.0,
        }
    }

    /// True if its requests have keys.
    pub fn has_keys(&self) -> bool {
        !matches!(self.key, KeyChoice::None)
    }

    /// True if an attempt stays open after its time-out, and nothing is there that ends it.
    pub fn lingers_for_ever(&self) -> bool {
        self.hedges_on_timeout() && self.deadline.0.is_none()
    }

    /// True if a time-out is what sets a hedge off.
    pub fn hedges_on_timeout(&self) -> bool {
        self.hedge.as_ref().is_some_and(HedgeChoice::is_on_timeout)
    }

    /// True if it heeds the server's word whether to try again.
    pub fn heeds_should_retry(&self) -> bool {
        self.should_retry == ShouldRetryName::Honour
    }

    /// A key that means nothing without another one that is missing, that one, and the path of what has it.
    pub fn without_effect(&self) -> Option<(&'static str, &'static str, Vec<String>)> {
        if let Some((key, missing)) = self.without_effect_here() {
            return Some((key, missing, key.split('.').take(1).map(str::to_owned).collect()));
        }
        let hint = self.retry_after.as_ref().map(|hint| (vec!["retry_after".to_owned()], hint.without_effect()));
        let backoff = self.backoff.as_ref().map(|backoff| (vec!["backoff".to_owned()], backoff.without_effect()));
        let after = self
            .backoff_for
            .0
            .iter()
            .map(|(class, backoff)| (vec!["backoff_for".to_owned(), class.to_string()], backoff.without_effect()));
        let breaker = self.breaker.as_ref().map(|breaker| {
            let path = ["breaker", breaker.name(), "open"].map(str::to_owned);
            (path.to_vec(), breaker.without_effect())
        });
        let mut parts = backoff.into_iter().chain(after).chain(hint).chain(breaker);
        parts.find_map(|(path, found)| found.map(|(key, missing)| (key, missing, path)))
    }

    fn without_effect_here(&self) -> Option<(&'static str, &'static str)> {
        let grows = self.timeout_factor != no_growth();
        if grows && self.timeout.0.is_none() {
            Some(("timeout_factor", "timeout"))
        } else if self.timeout_cap.0.is_some() && !grows {
            Some(("timeout_cap", "timeout_factor"))
        } else if self.hedges_on_timeout() && self.timeout.0.is_none() {
            Some(("hedge.timeout", "timeout"))
        } else if self.key_lost.0 > 0.0 && matches!(self.key, KeyChoice::None) {
            Some(("key_lost", "key"))
        } else {
            None
        }
    }

    /// True if it limits how many retries there are at once.
    pub fn limits_retries(&self) -> bool {
        self.concurrency.as_ref().is_some_and(ConcurrencyTable::is_about_retries)
    }

    /// Its gates with their keys, in the order in which they are asked.
    pub fn gates(&self) -> Vec<(&'static str, GateConfig)> {
        let gates = [
            ("budget", self.budget.as_ref().map(BudgetChoice::build)),
            ("throttle", self.throttle.as_ref().map(ThrottleChoice::build)),
            ("limiter", self.limiter.as_ref().map(LimiterChoice::build)),
            ("breaker", self.breaker.as_ref().map(BreakerChoice::build)),
            ("concurrency", self.concurrency.as_ref().map(ConcurrencyTable::build)),
        ];
        gates.into_iter().filter_map(|(key, gate)| Some((key, gate?))).collect()
    }

    /// The same in the order of the keys of a table.
    fn gates_by_key(&self) -> Vec<(&'static str, GateConfig)> {
        let mut gates = self.gates();
        gates.sort_by_key(|(key, _)| form().may_be_none("policy").iter().position(|other| other == key));
        gates
    }

    /// The key of a gate around the call that cannot be there, and why not.
    pub fn misplaced_around(&self) -> Option<(&'static str, &'static str)> {
        let mut around = self.gates_by_key().into_iter().filter(|(_, gate)| gate.around == Around::Call);
        around.find_map(|(key, gate)| match gate.on_refusal {
            OnRefusal::Retry => Some((key, "outside of the retries a refusal cannot be retried")),
            OnRefusal::Fail => None,
        })
    }

    /// The keys of gates that let a call try again after a refusal.
    pub fn tries_again(&self) -> Vec<&'static str> {
        let again = self.gates_by_key().into_iter().filter(|(_, gate)| gate.on_refusal == OnRefusal::Retry);
        again.map(|(key, _)| key).collect()
    }
}
