//! Crashes of clients, and what becomes of their work.

#[cfg(feature = "scenario-files")]
use crate::scenario::file::leaf::{As, PositiveDuration};
use crate::units::Span;

/// Crashes of clients: a process dies, and all operations that it has open stop where they are. What was sent runs on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientCrashes {
    /// Each client, at random.
    pub random: Option<RandomCrash>,
    /// At a step of an operation.
    pub at_step: Option<CrashAtStep>,
    /// What becomes of operations that are open.
    pub in_progress: InProgress,
    /// What becomes of users that come while their client is down.
    pub arrivals_meanwhile: Meanwhile,
    /// After this time another client that is up goes on with what was open.
    pub takeover: Option<Span>,
}

/// Crashes at random.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(deny_unknown_fields)
)]
pub struct RandomCrash {
    /// Mean time between crashes of one client, which are a Poisson process; one that is down does not crash. Above 0.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveDuration>"))]
    pub mean_between: Span,
    /// Time until it is back. Above 0.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveDuration>"))]
    pub restart: Span,
}

/// Crashes at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrashAtStep {
    /// The number of the step.
    pub step: usize,
    /// When.
    pub when: CrashWhen,
    /// In this share of operations, once in each.
    pub share: f64,
    /// Time until the client is back.
    pub restart: Span,
}

/// When a client crashes at a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum CrashWhen {
    /// Before its first attempt is sent.
    Before,
    /// When its first reply is there, and before it is read.
    #[default]
    During,
    /// When it has succeeded, and that is written if it is to be, before anything else is done.
    After,
}

/// What becomes of operations that are open when their client crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum InProgress {
    /// They go on by their journal when it is back.
    #[default]
    Resume,
    /// They have failed.
    Lost,
}

/// What becomes of users who come while their client is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum Meanwhile {
    /// They wait until it is back.
    #[default]
    Wait,
    /// Their operations have failed without an attempt.
    Lost,
}
