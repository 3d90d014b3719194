//! `[operation.step.NAME]` and `[server.NAME.call.NAME]`: calls in order, each with its own rules.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::policy::PolicyTable;
use super::top::OperationTable;
use crate::flow::{Compensate, OnFailure, Resume, Step, When};
use crate::protocol::Method;
use crate::scenario::call::{Answer, AnswerMap, CallConfig, FailedBy};
use crate::scenario::file::leaf::{Count, Duration, Outcome, Outcomes, Probability, Raw, Status};
use crate::scenario::file::schema::{FAILURE_KEY, by_key, named, or_word};
use crate::scenario::{Locks, Reads, RowUse, Writes};

/// Tables by the names that a file gives them, in its order.
#[derive(Clone, Debug)]
pub struct InOrder<T>(pub Vec<(String, T)>);

impl<T> Default for InOrder<T> {
    fn default() -> InOrder<T> {
        InOrder(Vec::new())
    }
}

impl<T> InOrder<T> {
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the one of this name stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(other, _)| other == name)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InOrder<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<InOrder<T>, D::Error> {
        struct ByName<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ByName<T> {
            type Value = InOrder<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table of tables, each with a name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }
        deserializer.deserialize_map(ByName(PhantomData))
    }
}

impl<T: Serialize> Serialize for InOrder<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, table) in &self.0 {
            map.serialize_entry(name, table)?;
        }
        map.end()
    }
}

impl<T: JsonSchema> JsonSchema for InOrder<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}_by_name", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        named::<T>(generator)
    }
}

/// Keys of a policy that are a row's: a call has none of them. They are read, so that what is said of them points at them.
pub const OF_ROWS: [&str; 4] = ["with", "step", "row", "durable"];

/// The rules of one call: the keys of a policy but those of a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rules(pub Box<PolicyTable>);

impl JsonSchema for Rules {
    fn schema_name() -> Cow<'static, str> {
        "Rules".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = PolicyTable::json_schema(generator);
        schema
            .insert("description".to_owned(), "The rules of one call: the keys of a policy but those of a row.".into());
        if let Some(keys) = schema.get_mut("properties").and_then(|keys| keys.as_object_mut()) {
            keys.retain(|key, _| !OF_ROWS.contains(&key.as_str()));
        }
        schema
    }
}

/// A step of an operation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepTable {
    /// Name of the server that it calls. Default: its own name.
    server: Option<String>,
    /// How repeated executions add up. Default: `"POST"`.
    method: Option<Method>,
    /// Whether it reads the row of what the operation is about: what a later step writes, goes by that. Default: `false`.
    #[serde(default, skip_serializing_if = "Reads::is_no")]
    reads: Reads,
    /// Whether it writes to that row, and on which condition. Default: `"nothing"`.
    #[serde(default, skip_serializing_if = "Writes::is_nothing")]
    writes: Writes,
    /// Whether it has the row for itself while a worker is busy with it; others that lock it wait (`row_lock` of the server). Default: `false`.
    #[serde(default, skip_serializing_if = "Locks::is_no")]
    locks: Locks,
    /// Its rules: the keys of a policy but `with` and `step`, `policy = { attempts = 3 }`, `policy.preset = "envoy"`. Default: those of the
    /// row.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Rules>,
    /// Whether it is made.
    #[serde(default)]
    when: WhenChoice,
    /// What follows if it fails. Default: as `[operation]` says.
    on_failure: Option<OnFailureChoice>,
    /// Name of the later step with which its entry in the journal is written, in one transaction, and rolled back if that fails. Default: by
    /// itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    committed_with: Option<String>,
}

/// Whether a key has its default.
pub fn is_false(yes: &bool) -> bool {
    !yes
}

/// A call that a server makes for each request that it works on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallTable {
    /// Name of the server that it calls, not itself, at first or second hand. Default: its own name.
    server: Option<String>,
    /// How repeated executions add up. Default: the method with which its server is called, `"POST"` if it is called with several.
    method: Option<Method>,
    /// Its rules: the keys of a policy but `with` and `step`. Default: one attempt, no time-out.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Rules>,
    /// Whether it is made.
    #[serde(default)]
    when: WhenChoice,
    /// What follows if it fails.
    #[serde(default)]
    on_failure: OnFailureChoice,
    /// Whether the call has a deadline, if the request has an end: when its client stops waiting for it, less the time that the request
    /// took to get here, which its answer is taken to need too. Of two deadlines the earlier one counts.
    #[serde(default)]
    propagate: bool,
    /// Whether what is open below is told when the request is given up: when the server hears that nobody waits for it any more. Needs
    /// `abandoned_work = "cancel"` of its server.
    #[serde(default)]
    cancel: bool,
    /// By outcome, in the words of `retry_on`, `"gate"` (nothing was sent) and `"deadline"`: the status with which the server answers if
    /// this call failed, or `"pass"`: the status of the last reply, with its hint. The most specific applies. Entries go before `{ any =
    /// 502, timeout = 504, deadline = 504, gate = 503, 429 = "pass", 503 = "pass" }`. Default: `{}`.
    #[serde(default, skip_serializing_if = "AnswerTable::is_empty")]
    map: AnswerTable,
}

/// Whether a call is made; one that was not made has neither failed nor succeeded.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WhenChoice {
    /// In any case.
    #[default]
    Always,
    /// By this share of all operations, drawn once for each.
    Share(Probability),
    /// If the earlier one of this name has failed.
    Failed(String),
    /// If the earlier one of this name has succeeded.
    Succeeded(String),
    /// Of a step: only to undo the earlier one of this name, where operations compensate.
    Undoing(String),
    /// The same, also where that one has failed after something was sent: nobody knows what became of it.
    UndoingIfSent(String),
}

/// What follows if a call fails.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum OnFailureChoice {
    /// No further call is made, and the whole has failed.
    #[default]
    Stop,
    /// The next one is made, and the failure does not count.
    GoOn,
    /// It begins again with the first, after some outcomes; otherwise it stops.
    StartOver {
        /// Outcomes of the last attempt.
        #[serde(default = "Outcomes::any")]
        on: Outcomes,
        /// Most times, 1 to 1,000.
        times: Count<1, 1_000>,
    },
    /// Of a step: after a while the operation goes on with what its journal does not have.
    Resume {
        /// Outcomes of the last attempt; after others `then` follows at once.
        #[serde(default = "Outcomes::any")]
        on: Outcomes,
        /// When.
        after: Duration,
        /// Most times, 1 to 1,000.
        times: Count<1, 1_000>,
        /// What follows where it has gone on so often.
        #[serde(default)]
        then: ThenChoice,
    },
    /// Of a step: what has succeeded is undone, the last first, and the operation has failed.
    Compensate,
    /// The same, and then it is made anew.
    CompensateAndRetry {
        /// When.
        after: Duration,
        /// Most times, 1 to 1,000.
        times: Count<1, 1_000>,
    },
}

/// What follows where an operation has gone on as often as it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThenChoice {
    /// It has failed.
    #[default]
    Stop,
    /// What has succeeded is undone, and it has failed.
    Compensate,
}

/// `map`: what a server answers if a call failed, by how it did.
#[derive(Clone, Debug, Default)]
pub struct AnswerTable(Vec<(FailureWord, AnswerWord)>);

impl AnswerTable {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An outcome, `gate` or `deadline`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Raw")]
struct FailureWord(FailedBy);

impl TryFrom<Raw> for FailureWord {
    type Error = String;
    fn try_from(raw: Raw) -> Result<FailureWord, String> {
        match &raw {
            Raw::Text(word) if word == "gate" => Ok(FailureWord(FailedBy::Gate)),
            Raw::Text(word) if word == "deadline" => Ok(FailureWord(FailedBy::Deadline)),
            _ => Outcome::try_from(raw).map(|outcome| FailureWord(FailedBy::Outcome(outcome.0))),
        }
    }
}

impl fmt::Display for FailureWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            FailedBy::Outcome(class) => class.fmt(f),
            FailedBy::Gate => f.write_str("gate"),
            FailedBy::Deadline => f.write_str("deadline"),
        }
    }
}

/// A status, or `"pass"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Raw")]
struct AnswerWord(Answer);

impl TryFrom<Raw> for AnswerWord {
    type Error = String;
    fn try_from(raw: Raw) -> Result<AnswerWord, String> {
        match &raw {
            Raw::Text(word) if word == "pass" => Ok(AnswerWord(Answer::Pass)),
            _ => {
                let told = format!("{} is neither an error status, 400 to 599, nor \"pass\"", raw.shown());
                Status::try_from(raw).map(|status| AnswerWord(Answer::Status(status.0))).map_err(|_| told)
            }
        }
    }
}

impl Serialize for AnswerWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Answer::Status(status) => serializer.serialize_u16(status),
            Answer::Pass => serializer.serialize_str("pass"),
        }
    }
}

impl JsonSchema for AnswerWord {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Answer".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        or_word::<Status>("pass", generator)
    }
}

impl<'de> Deserialize<'de> for AnswerTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AnswerTable, D::Error> {
        struct ByFailure;
        impl<'de> Visitor<'de> for ByFailure {
            type Value = AnswerTable;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table of answers by outcome, such as { timeout = 504, 429 = \"pass\" }")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnswerTable, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(AnswerTable(entries))
            }
        }
        deserializer.deserialize_map(ByFailure)
    }
}

impl Serialize for AnswerTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (failure, answer) in &self.0 {
            map.serialize_entry(&failure.to_string(), answer)?;
        }
        map.end()
    }
}

impl JsonSchema for AnswerTable {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Answers".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        by_key::<AnswerWord>(FAILURE_KEY, generator)
    }
}

/// What steps and calls have in common.
pub struct Common<'a> {
    /// The server, if it is said.
    pub server: Option<&'a str>,
    /// The method, if it is said.
    pub method: Option<Method>,
    /// Its own rules.
    pub rules: Option<&'a Rules>,
    /// Whether it is made.
    pub when: &'a WhenChoice,
}

/// A step or a call.
pub trait Called {
    /// What both have.
    fn common(&self) -> Common<'_>;

    /// Fills in what depends on other tables and keys.
    fn resolve(&mut self, name: &str, method: Method);
}

macro_rules! called {
    ($table:ty) => {
        impl Called for $table {
            fn common(&self) -> Common<'_> {
                let (server, rules) = (self.server.as_deref(), self.policy.as_ref());
                Common { server, method: self.method, rules, when: &self.when }
            }

            fn resolve(&mut self, name: &str, method: Method) {
                self.server.get_or_insert_with(|| name.to_owned());
                self.method.get_or_insert(method);
                if let Some(rules) = &mut self.policy {
                    rules.0.resolve();
                }
            }
        }
    };
}

called!(StepTable);
called!(CallTable);

/// Steps as the engine knows them; `server` is the index of a name. They have been checked and resolved.
pub fn build_steps(steps: &InOrder<StepTable>, server: impl Fn(&str) -> usize) -> Vec<CallConfig> {
    let build = |(name, table): &(String, StepTable)| {
        let on_failure = table.on_failure.as_ref().map_or(OnFailure::Stop, OnFailureChoice::build);
        let committed_with =
            table.committed_with.as_ref().map(|with| steps.position(with).expect("it has been checked"));
        let step = Step { when: table.when.build(steps), on_failure, committed_with };
        let row = RowUse { reads: table.reads, writes: table.writes, locks: table.locks };
        CallConfig { step, row, ..config(name, table, &server) }
    };
    steps.0.iter().map(build).collect()
}

/// The calls of a server, likewise.
pub fn build_calls(calls: &InOrder<CallTable>, server: impl Fn(&str) -> usize) -> Vec<CallConfig> {
    let build = |(name, table): &(String, CallTable)| CallConfig {
        step: Step { when: table.when.build(calls), on_failure: table.on_failure.build(), committed_with: None },
        propagate: table.propagate,
        cancel: table.cancel,
        map: AnswerMap(table.map.0.iter().map(|(failure, answer)| (failure.0, answer.0)).collect()),
        ..config(name, table, &server)
    };
    calls.0.iter().map(build).collect()
}

fn config(name: &str, table: &impl Called, server: &impl Fn(&str) -> usize) -> CallConfig {
    let Common { server: called, method, rules, .. } = table.common();
    let method = method.unwrap_or_default();
    let rules = rules.map(|rules| rules.0.build(method));
    CallConfig { rules, ..CallConfig::to(name, server(called.unwrap_or(name)), method) }
}

impl StepTable {
    /// Its method.
    pub fn written_by(&self) -> Method {
        self.method.unwrap_or_default()
    }

    /// What follows if it fails, once that is known.
    pub fn on_failure(&self) -> &OnFailureChoice {
        self.on_failure.as_ref().unwrap_or(&OnFailureChoice::Stop)
    }

    /// The step with which its entry in the journal is written.
    pub fn committed_with(&self) -> Option<&str> {
        self.committed_with.as_deref()
    }

    /// What follows if it fails, where that is not filled in yet.
    pub fn failing_in<'a>(&'a self, operation: &'a OperationTable) -> &'a OnFailureChoice {
        self.on_failure.as_ref().unwrap_or(&operation.on_failure)
    }

    /// Whether it is made.
    pub fn when(&self) -> &WhenChoice {
        &self.when
    }

    /// Fills in what follows if it fails, as its operation says.
    pub fn resolve_failure(&mut self, of_operation: &OnFailureChoice) {
        let own = if self.when.is_undo() { &OnFailureChoice::Stop } else { of_operation };
        self.on_failure.get_or_insert_with(|| own.clone());
    }

    /// What it writes.
    pub fn writes(&self) -> Writes {
        self.writes
    }
}

impl CallTable {
    /// Whether it is made.
    pub fn when(&self) -> &WhenChoice {
        &self.when
    }

    /// What follows if it fails.
    pub fn on_failure(&self) -> &OnFailureChoice {
        &self.on_failure
    }

    /// True if what is open below is told when the request is given up.
    pub fn cancels(&self) -> bool {
        self.cancel
    }
}

impl WhenChoice {
    /// The earlier call that it asks about, and with which word.
    pub fn asks_about(&self) -> Option<(&'static str, &str)> {
        match self {
            WhenChoice::Always | WhenChoice::Share(_) => None,
            WhenChoice::Failed(name) => Some(("failed", name)),
            WhenChoice::Succeeded(name) => Some(("succeeded", name)),
            WhenChoice::Undoing(name) => Some(("undoing", name)),
            WhenChoice::UndoingIfSent(name) => Some(("undoing-if-sent", name)),
        }
    }

    /// True if the step is made only to undo another one.
    pub fn is_undo(&self) -> bool {
        matches!(self, WhenChoice::Undoing(_) | WhenChoice::UndoingIfSent(_))
    }

    fn build<T>(&self, all: &InOrder<T>) -> When {
        let number = |name: &str| all.position(name).expect("names have been checked");
        match self {
            WhenChoice::Always => When::Always,
            WhenChoice::Share(share) => When::Share(share.0),
            WhenChoice::Failed(name) => When::Failed(number(name)),
            WhenChoice::Succeeded(name) => When::Succeeded(number(name)),
            WhenChoice::Undoing(name) => When::Undoing { step: number(name), if_sent: false },
            WhenChoice::UndoingIfSent(name) => When::Undoing { step: number(name), if_sent: true },
        }
    }
}

impl OnFailureChoice {
    /// True if it is as without a word.
    pub fn is_stop(&self) -> bool {
        matches!(self, OnFailureChoice::Stop)
    }

    /// True if it is a step's only.
    pub fn is_of_steps(&self) -> bool {
        matches!(
            self,
            OnFailureChoice::Resume { .. } | OnFailureChoice::Compensate | OnFailureChoice::CompensateAndRetry { .. }
        )
    }

    /// True if the operation may go on later.
    pub fn goes_on(&self) -> bool {
        matches!(self, OnFailureChoice::Resume { .. } | OnFailureChoice::CompensateAndRetry { .. })
    }

    /// True if steps may be undone then.
    pub fn compensates(&self) -> bool {
        match self {
            OnFailureChoice::Resume { then, .. } => *then == ThenChoice::Compensate,
            OnFailureChoice::Compensate | OnFailureChoice::CompensateAndRetry { .. } => true,
            _ => false,
        }
    }

    fn build(&self) -> OnFailure {
        match self {
            OnFailureChoice::Stop => OnFailure::Stop,
            OnFailureChoice::GoOn => OnFailure::GoOn,
            OnFailureChoice::StartOver { on, times } => {
                OnFailure::StartOver { on: Box::new(on.set()), times: times.0 as u32 }
            }
            OnFailureChoice::Resume { on, after, times, then } => {
                let then = (*then == ThenChoice::Compensate).then(Compensate::default);
                OnFailure::Resume(Box::new(Resume { on: on.set(), after: after.0, times: times.0 as u32, then }))
            }
            OnFailureChoice::Compensate => OnFailure::Compensate(Compensate::default()),
            OnFailureChoice::CompensateAndRetry { after, times } => {
                OnFailure::Compensate(Compensate { times: times.0 as u32, after: after.0 })
            }
        }
    }
}
