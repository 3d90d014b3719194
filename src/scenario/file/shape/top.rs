//! The keys outside of any table, and `[operation]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{InOrder, OnFailureChoice, StepTable, is_false};
use crate::flow::Journal;
use crate::protocol::Method;
use crate::scenario::file::leaf::{Count, Duration, OrNone, PositiveDuration, Probability, Wanted};
use crate::scenario::{JournalConfig, Locks, Reads, Writes};
use crate::units::Span;

/// Largest number of replications: beyond, the results of single runs would not fit in any report.
const MOST_REPLICATIONS: u64 = 100_000;

/// The keys outside of any table.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Top {
    /// Shown in every output; at most 500 characters. Default: the file's stem.
    #[schemars(length(max = 500))]
    pub title: Option<String>,
    /// What the scenario is about.
    #[serde(default)]
    pub description: String,
    /// Seed of all random draws, 0 to 2^63 − 1. Replication *r* has a seed of its own, made from this one and *r*.
    #[serde(default = "seed")]
    pub seed: Count<0, { i64::MAX as u64 }>,
    /// Demand is offered for this long, in simulated time. Above 0.
    pub duration: PositiveDuration,
    /// Then the run goes on for at most this long, until nothing is open or in flight. Default: `duration`.
    pub drain: Option<Duration>,
    /// Operations that start earlier are simulated, not measured. Shorter than `duration`.
    #[serde(default = "no_time")]
    pub warmup: Duration,
    /// Independent runs of each policy, 1 to 100,000. Intervals need several.
    #[serde(default = "once")]
    pub replications: Count<1, MOST_REPLICATIONS>,
    /// Name of the policy that the others are compared with. Default: the first policy.
    pub baseline: Option<String>,
    /// Time within which an operation should succeed: `in_time_rate` counts those that do. Above 0.
    #[serde(default)]
    pub slo: OrNone<PositiveDuration>,
    /// Window of peaks, and bin of the timeline. Above 0.
    #[serde(default = "second")]
    pub peak_window: PositiveDuration,
    /// Codes of warnings that are meant: they are not said. Default: `[]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::scenario::file::schema::warnings")]
    pub allow: Vec<String>,
}

fn seed() -> Count<0, { i64::MAX as u64 }> {
    Count(0)
}

fn no_time() -> Duration {
    Duration(Span::ZERO)
}

fn once() -> Count<1, MOST_REPLICATIONS> {
    Count(1)
}

fn second() -> PositiveDuration {
    PositiveDuration(Duration(Span::secs(1)))
}

/// What an operation does.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationTable {
    /// Name of the server that it calls, unless it has steps. Default: the first.
    pub server: Option<String>,
    /// How repeated executions add up, unless it has steps.
    #[serde(default)]
    pub method: Method,
    /// Whether it reads the row of what the operation is about, unless it has steps: what a later step writes, goes by that. Default: `false`.
    #[serde(default, skip_serializing_if = "Reads::is_no")]
    pub reads: Reads,
    /// Whether it writes to that row, and on which condition, unless it has steps. Default: `"nothing"`.
    #[serde(default, skip_serializing_if = "Writes::is_nothing")]
    pub writes: Writes,
    /// Whether it has the row for itself while a worker is busy with it; others that lock it wait (`row_lock` of the server). Unless it has steps. Default:
    /// `false`.
    #[serde(default, skip_serializing_if = "Locks::is_no")]
    pub locks: Locks,
    /// How many effects are lawful: one of `"each"` operation, or so many of each thing. More are duplicates.
    #[serde(default)]
    pub wanted: Wanted,
    /// What follows if a step fails that does not say it itself. Default: `"stop"`.
    #[serde(default, skip_serializing_if = "OnFailureChoice::is_stop")]
    pub on_failure: OnFailureChoice,
    /// What it knows of its completed steps when it goes on: after `resume`, after `compensate-and-retry`, or when its client comes back. Default:
    /// `"memory"`.
    #[serde(default, skip_serializing_if = "JournalChoice::is_memory")]
    pub journal: JournalChoice,
    /// Whether steps that were undone stay in the list of completed ones, as where nobody thinks of it. Default: `false`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lists_undone: bool,
    /// The calls that it makes, by name, in the file's order, one after the other. Default: one call, with `server` and `method`.
    #[serde(default, skip_serializing_if = "InOrder::is_empty")]
    pub step: InOrder<StepTable>,
}

/// What an operation knows of its completed steps when it goes on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum JournalChoice {
    /// Nothing: it begins with the first step.
    None,
    /// Every one, until its client crashes.
    #[default]
    Memory,
    /// What is written, after a crash too.
    Durable {
        /// When it is written.
        #[serde(default)]
        when: WrittenChoice,
        /// How long a write takes, before the next step is made.
        #[serde(default = "no_time")]
        write: Duration,
        /// Share of writes that are lost, and nobody sees it.
        #[serde(default)]
        fails: Probability,
    },
}

/// When a journal is written.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WrittenChoice {
    /// After each step that has succeeded.
    #[default]
    EachStep,
    /// When the last one has: until then nothing is known after a crash.
    AfterRun,
}

impl JournalChoice {
    /// True if it is as without a word.
    pub fn is_memory(&self) -> bool {
        matches!(self, JournalChoice::Memory)
    }
}

impl OperationTable {
    /// The journal as the engine knows it.
    pub fn journal(&self) -> JournalConfig {
        let (kept, write, fails) = match &self.journal {
            JournalChoice::None => (Journal::None, Span::ZERO, 0.0),
            JournalChoice::Memory => (Journal::Memory, Span::ZERO, 0.0),
            JournalChoice::Durable { when: WrittenChoice::EachStep, write, fails } => {
                (Journal::EachStep, write.0, fails.0)
            }
            JournalChoice::Durable { when: WrittenChoice::AfterRun, write, fails } => {
                (Journal::AfterRun, write.0, fails.0)
            }
        };
        JournalConfig { kept, write, fails, lists_undone: self.lists_undone }
    }
}
