//! `preset = "…"`: the defaults of production clients. Each is a file of this folder: what it is and where it comes from, and the keys of a
//! policy's table. A policy that names one gets the keys that it does not give itself, in the tree of the file, before anything reads it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::resolved;
use super::schema::form;
use super::shape::policy::PolicyTable;
use super::source::Place;
use super::tree::{self, Node};
use crate::protocol::Method;
use crate::retry::backoff::DelayRow;
use crate::retry::{AtLimit, Backoff, OutcomeSet, RetryFor, RetryPolicy};

macro_rules! presets {
    ($($name:literal)*) => {
        /// The names of all presets, by family.
        pub const NAMES: &[&str] = &[$($name),*];
        /// Their files.
        const TEXTS: &[&str] = &[$(include_str!(concat!($name, ".toml"))),*];
    };
}

// A line for each file, in the order in which they are listed; those of one family stand together.
presets! {
    "stripe-node"
    "stripe-python"
    "stripe-ruby"
    "stripe-go"
    "stripe-go-as-built"
    "aws-sdk-standard"
    "aws-sdk-standard-2.0"
    "aws-sdk-adaptive"
    "aws-sdk-legacy"
    "google-api-core"
    "gapic"
    "azure-python"
    "azure-dotnet"
    "azure-js"
    "octokit"
    "grpc"
    "grpc-hedging"
    "envoy"
    "envoy-hedge"
    "finagle"
    "finagle-backup"
    "tower-default"
    "linkerd-profile"
    "go-retryablehttp"
    "undici"
    "got"
    "ky"
    "axios-retry"
    "axios-retry-exponential"
    "gaxios"
    "p-retry"
    "urllib3"
    "urllib3-backoff"
    "httpx"
    "tenacity"
    "polly-v8"
    "polly-jitter"
    "polly-hedging"
    "dotnet-http-standard"
    "resilience4j-retry"
    "backon"
    "backoff-rs"
    "tokio-retry"
    "cenkalti"
    "retry-go"
    "k8s-default-backoff"
    "hystrix"
    "gobreaker"
    "failsafe-breaker"
    "resilience4j-breaker"
    "finagle-accrual"
    "linkerd-breaker"
    "sidekiq"
    "temporal-activity"
    "celery-backoff"
    "kafka-producer"
    "k8s-workqueue"
    "lambda-async"
    "svix-webhook"
    "shopify-webhook"
    "stripe-webhook"
    "sqs-redrive"
    "step-functions"
    "arch-full"
    "arch-equal"
    "arch-decorrelated"
}

/// What presets are of; each says which.
pub const FAMILIES: [&str; 6] =
    ["API SDKs", "RPC and proxies", "client libraries", "circuit breakers", "queues and webhooks", "blogs and papers"];

/// The production defaults of one client.
#[derive(Clone, Debug)]
pub struct Preset {
    /// As in scenario files.
    pub name: &'static str,
    /// One of [`FAMILIES`].
    pub family: String,
    /// One line.
    pub summary: String,
    /// The package and the files that were read.
    pub source: String,
    /// Which version of them.
    pub version: String,
    /// What surprises people who use it.
    pub surprises: String,
    /// What the client does that simlab cannot, and what that changes.
    pub not_modelled: Option<String>,
    /// Which of its keys its source does not say, and where that was looked for; `None`: every key was read there.
    pub unconfirmed: Option<String>,
    /// Every key of its policy, defaults filled in, as lines of a policy's table.
    pub resolved: String,
    /// The same as JSON.
    pub resolved_json: Value,
    /// Its policy without gates, for an operation whose method is idempotent.
    pub policy: RetryPolicy,
    /// The keys of its gates, in the order in which they are asked.
    gate_keys: Vec<&'static str>,
}

/// A preset's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    family: String,
    summary: String,
    source: String,
    version: String,
    surprises: String,
    not_modelled: Option<String>,
    unconfirmed: Option<String>,
    policy: PolicyTable,
}

/// Every preset, by family.
pub fn presets() -> Vec<Preset> {
    NAMES.iter().zip(TEXTS).map(|(name, text)| read(name, text)).collect()
}

/// The preset of this name.
pub fn preset(name: &str) -> Option<Preset> {
    let index = NAMES.iter().position(|other| *other == name)?;
    Some(read(NAMES[index], TEXTS[index]))
}

fn read(name: &'static str, text: &str) -> Preset {
    let card: Card = toml::from_str(text).unwrap_or_else(|error| panic!("the preset {name} is valid: {error}"));
    let Card { family, summary, source, version, surprises, not_modelled, unconfirmed, policy: mut table } = card;
    table.resolve();
    let resolved_json = resolved::policy(&table);
    let resolved = resolved::lines(&resolved_json);
    let policy = table.retry_policy(Method::Get);
    Preset {
        name,
        family,
        summary,
        source,
        version,
        surprises,
        not_modelled,
        unconfirmed,
        resolved,
        resolved_json,
        policy,
        gate_keys: table.gates().into_iter().map(|(key, _)| key).collect(),
    }
}

/// Delays are shown before so many retries where attempts are not limited.
const ROWS: u32 = 8;
/// And before so many at most where they are.
const MOST_ROWS: u32 = 10;
/// Waits are added up over so many retries at most.
const MOST_RETRIES: u32 = 1_000;

/// All waits of a call that retries as often as it may.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TotalWait {
    /// Retries.
    pub retries: u32,
    /// Mean sum of the waits before them, in seconds.
    pub mean: f64,
    /// Longest, in seconds; may be infinite.
    pub max: f64,
}

/// Outcomes, one or the other.
fn in_words(outcomes: &OutcomeSet) -> String {
    let words: Vec<String> = outcomes.classes().iter().map(ToString::to_string).collect();
    words.join(" or ")
}

impl Preset {
    /// Most retries of a call that count, whatever it fails of; `None`: no limit.
    pub fn retries(&self) -> Option<u32> {
        let of_causes = self.policy.limits.as_deref().and_then(|limits| limits.most_retries(&self.policy.retry_on));
        let of_call = self.policy.attempts.map(|attempts| attempts - 1);
        of_call.into_iter().chain(of_causes).min()
    }

    /// Most retries after some outcomes, which stand first.
    pub fn limits(&self) -> Vec<(String, u8)> {
        let causes = self.policy.limits.iter().flat_map(|limits| &limits.causes);
        causes.map(|cause| (in_words(&cause.on), cause.retries)).collect()
    }

    /// What its limit on retries says, as a sentence.
    pub fn limit_on_time(&self) -> Option<String> {
        let RetryFor { limit, rule } = self.policy.retry_for?;
        Some(match rule {
            AtLimit::Elapsed => format!("Nothing is retried once {limit} have passed since the call began."),
            AtLimit::Cut => format!("Waits end {limit} after the call began at the latest."),
            AtLimit::Deadline | AtLimit::Fits => {
                format!("No wait is begun that would end more than {limit} after the call began.")
            }
        })
    }

    /// Retries that do not count: after which outcomes, and how many.
    pub fn free_retries(&self) -> Option<(String, u8)> {
        let free = self.policy.limits.as_ref()?.free.as_ref()?;
        Some((in_words(&free.on), free.retries))
    }

    /// The names of its gates, in the order in which they are asked: `budget.tokens`, `concurrency`.
    pub fn gates(&self) -> Vec<String> {
        let name = |key: &&str| {
            let gate = self.resolved_json.get(*key)?.as_object()?;
            // A gate with alternatives has the name of its alternative.
            let alternative = gate.iter().next().filter(|(_, keys)| keys.is_object());
            Some(alternative.map_or_else(|| (*key).to_owned(), |(alternative, _)| format!("{key}.{alternative}")))
        };
        self.gate_keys.iter().filter_map(name).collect()
    }

    /// The name of its hedge: `hedge.fixed`.
    pub fn hedge(&self) -> Option<String> {
        let hedge = self.resolved_json.get("hedge")?.as_object()?;
        hedge.keys().next().map(|alternative| format!("hedge.{alternative}"))
    }

    /// The delays before its retries, first those that its backoff makes, then those after outcomes that have their own.
    pub fn delays(&self) -> Vec<(Option<String>, Vec<DelayRow>)> {
        let rows = self.retries().map_or(ROWS, |retries| retries.min(MOST_ROWS));
        let own = self.policy.backoff_for.iter().map(|(outcome, backoff)| (Some(outcome.to_string()), backoff));
        let tables: Vec<(Option<String>, &Backoff)> =
            std::iter::once((None, &self.policy.backoff)).chain(own).collect();
        tables.into_iter().map(|(outcome, backoff)| (outcome, backoff.table(rows))).collect()
    }

    /// How long a call waits in all if every attempt fails; `None` where attempts are not limited.
    pub fn total_wait(&self) -> Option<TotalWait> {
        let retries = self.retries().filter(|retries| *retries <= MOST_RETRIES)?;
        let rows = self.policy.backoff.table(retries);
        let sum = |of: fn(&DelayRow) -> f64| rows.iter().map(of).sum();
        Some(TotalWait { retries, mean: sum(|row| row.mean), max: sum(|row| row.max) })
    }
}

/// `preset`: the name of one that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresetName(&'static str);

impl<'de> Deserialize<'de> for PresetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PresetName, D::Error> {
        struct Known;
        impl Visitor<'_> for Known {
            type Value = PresetName;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "the name of a preset, such as \"{}\"", NAMES[0])
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<PresetName, E> {
                let known = NAMES.iter().find(|name| **name == word);
                known.map(|name| PresetName(name)).ok_or_else(|| E::unknown_variant(word, NAMES))
            }
        }
        deserializer.deserialize_str(Known)
    }
}

impl Serialize for PresetName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl JsonSchema for PresetName {
    fn schema_name() -> Cow<'static, str> {
        "Preset".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name =
            |preset: Preset| json_schema!({ "type": "string", "const": preset.name, "description": preset.summary });
        json_schema!({ "oneOf": presets().into_iter().map(name).collect::<Vec<_>>() })
    }
}

/// The keys that a preset gives a policy, if there is one of this name.
fn keys_of(name: &str) -> Option<DeTable<'static>> {
    let index = NAMES.iter().position(|other| *other == name)?;
    let mut file = DeTable::parse(TEXTS[index]).expect("presets are TOML").into_inner();
    match file.remove("policy").expect("a preset has a policy").into_inner() {
        DeValue::Table(policy) => Some(policy),
        other => unreachable!("a policy is a table: {other:?}"),
    }
}

/// The name of the preset of a policy's table, and where it stands.
fn named<'a>(policy: &'a DeTable<'_>) -> Option<(&'a str, Place)> {
    let node = policy.get("preset")?;
    Some((node.get_ref().as_str()?, node.span()))
}

/// Gives each policy with a preset the keys that it does not have. They stand where the preset is named: what is wrong with them is wrong
/// there. A preset that there is not is left to who reads the table. A gate or a hedge that is `"none"` has kept the preset's away, and goes.
pub fn fill(root: &mut DeTable<'_>) {
    if let Some(rows) = table_mut(root, "policy") {
        for row in tables_mut(rows) {
            table_mut(row, "step").into_iter().flat_map(tables_mut).for_each(fill_one);
            table_mut(row, "durable").into_iter().for_each(fill_schedule);
            fill_one(row);
        }
    }
    let steps = table_mut(root, "operation").and_then(|operation| table_mut(operation, "step"));
    steps.into_iter().flat_map(tables_mut).filter_map(|step| table_mut(step, "policy")).for_each(fill_one);
    if let Some(mixes) = table_mut(root, "mix") {
        let members = tables_mut(mixes).flat_map(tables_mut);
        let steps = members.filter_map(|member| table_mut(member, "step")).flat_map(tables_mut);
        steps.filter_map(|step| table_mut(step, "policy")).for_each(fill_one);
    }
    if let Some(servers) = table_mut(root, "server") {
        let calls = tables_mut(servers).filter_map(|server| table_mut(server, "call")).flat_map(tables_mut);
        calls.filter_map(|call| table_mut(call, "policy")).for_each(fill_one);
    }
}

fn table_mut<'a, 's>(table: &'a mut DeTable<'s>, key: &str) -> Option<&'a mut DeTable<'s>> {
    match table.get_mut(key)?.get_mut() {
        DeValue::Table(inner) => Some(inner),
        _ => None,
    }
}

fn tables_mut<'a, 's>(table: &'a mut DeTable<'s>) -> impl Iterator<Item = &'a mut DeTable<'s>> {
    table.iter_mut().filter_map(|(_, node)| match node.get_mut() {
        DeValue::Table(inner) => Some(inner),
        _ => None,
    })
}

/// A durable queue has the schedule of the policy that it names.
fn fill_schedule(durable: &mut DeTable<'_>) {
    let Some((name, place)) = named(durable).map(|(name, place)| (name.to_owned(), place)) else { return };
    for (key, value) in keys_of(&name).into_iter().flatten() {
        let is_of_schedule = ["attempts", "backoff"].contains(&key.get_ref().as_ref());
        if is_of_schedule && !durable.contains_key(key.get_ref().as_ref()) {
            durable.insert(Spanned::new(place.clone(), key.into_inner()), placed(value, &place));
        }
    }
}

/// The same for one.
fn fill_one(policy: &mut DeTable<'_>) {
    if let Some((name, place)) = named(policy).map(|(name, place)| (name.to_owned(), place)) {
        for (key, value) in keys_of(&name).into_iter().flatten() {
            if !policy.contains_key(key.get_ref().as_ref()) {
                policy.insert(Spanned::new(place.clone(), key.into_inner()), placed(value, &place));
            }
        }
    }
    let absent = |key: &str| policy.get(key).is_some_and(|gate| gate.get_ref().as_str() == Some("none"));
    let gone: Vec<&str> = form().may_be_none("policy").into_iter().filter(|key| absent(key)).collect();
    for key in gone {
        policy.remove(key);
    }
}

/// A value with all of its parts in one place.
fn placed<'s>(node: Node<'s>, place: &Place) -> Node<'s> {
    let value = match node.into_inner() {
        DeValue::Table(table) => {
            let moved =
                |(key, value): (Spanned<_>, _)| (Spanned::new(place.clone(), key.into_inner()), placed(value, place));
            DeValue::Table(table.into_iter().map(moved).collect())
        }
        DeValue::Array(items) => DeValue::Array(items.into_iter().map(|item| placed(item, place)).collect()),
        other => other,
    };
    Spanned::new(place.clone(), value)
}

/// Says of an incomplete value that it stands for the preset's, which it may have been meant to change in part.
pub fn replaced(error: Diagnostic, policy: &Node<'_>) -> Diagnostic {
    let Some((name, keys)) = policy.get_ref().as_table().and_then(|policy| {
        let (name, _) = named(policy)?;
        Some((name, keys_of(name)?))
    }) else {
        return error;
    };
    let path = policy.get_ref().as_table().map(|policy| tree::path_at(policy, error.place())).unwrap_or_default();
    match path.first() {
        Some(key) if keys.contains_key(key.as_str()) && matches!(error.code, "missing-key" | "no-choice") => {
            error.note(format!("this `{key}` replaces all of that of `{name}`, which `simlab policies {name}` shows"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_whole() {
        let presets = presets();
        let mut families: Vec<&str> = presets.iter().map(|preset| preset.family.as_str()).collect();
        families.dedup();
        let order: Vec<&str> = FAMILIES.into_iter().filter(|family| families.contains(family)).collect();
        assert_eq!(families, order, "left: as registered; families stand together and in their order");
        for preset in &presets {
            let Preset { name, summary, source, version, surprises, .. } = preset;
            assert!(!keys_of(name).expect("it is there").contains_key("preset"), "{name} names another preset");
            assert!(!summary.is_empty() && summary.chars().count() <= 56, "{name}: one line of at most 56 letters");
            assert!(version.contains(|c: char| c.is_ascii_digit()), "{name}: a version or a commit: {version}");
            for words in [source, surprises] {
                assert!(words.len() > 20 && words.ends_with('.'), "{name}: a sentence: {words}");
            }
        }
    }

    /// A source is a package's version with its files, or a place in a repository: a path and a line.
    #[test]
    fn sources_can_be_opened() {
        let in_a_package = |source: &str| {
            ["PyPI", "npm", "crates.io"].iter().any(|registry| source.contains(&format!(" on {registry}")))
        };
        let has_a_line = |source: &str| {
            let after = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
            source.split(':').zip(source.split(':').skip(1)).any(|(file, rest)| {
                let name = file.rsplit([' ', '/']).next().unwrap_or_default();
                name.contains('.') && after(rest)
            })
        };
        for Preset { name, source, unconfirmed, .. } in presets() {
            match unconfirmed {
                Some(words) => assert!(words.len() > 40 && words.ends_with('.'), "{name}: a sentence: {words}"),
                None => assert!(in_a_package(&source) || has_a_line(&source), "{name}: no path and line in {source}"),
            }
        }
        let unconfirmed = presets().iter().filter(|preset| preset.unconfirmed.is_some()).count();
        assert!(unconfirmed <= 10, "{unconfirmed} presets are unconfirmed");
    }

    #[test]
    fn every_file_is_registered() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scenario/file/preset");
        let files = std::fs::read_dir(folder).expect("the folder is there");
        let names = files.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".toml")?.to_owned())).collect();
        let mut registered = NAMES.to_vec();
        names.sort();
        registered.sort_unstable();
        assert_eq!(names, registered, "left: files, right: registered");
    }
}
