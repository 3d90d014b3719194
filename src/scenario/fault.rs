//! What goes wrong at a server, and when.

use std::sync::Arc;

use super::Fates;
#[cfg(feature = "scenario-files")]
use super::file::leaf::{Amount, As, PositiveDuration, PositiveNumber};
use crate::distribution::Distribution;
use crate::units::{SimTime, Span};

/// What goes wrong at one server in a window. Its keys in a file are those that are not skipped here, beside its [`Fates`] and what a file
/// says in words of its own (`scenario/file/shape/fault.rs`).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(default, deny_unknown_fields)
)]
pub struct Fault {
    /// Its name in the file, and what its draws depend on: two of one name draw the same.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub name: String,
    /// Index of the server.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub server: usize,
    /// Which of its replicas it is about, from 0; `None`: all.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub replica: Option<u32>,
    /// First instant.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub from: SimTime,
    /// First instant after it; [`SimTime::NEVER`] without end.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub until: SimTime,
    /// Added to the server's own.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub fates: Fates,
    /// On top of each network leg.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub added_latency: Distribution,
    /// Factor on the service times of work that begins in the window. Above 0.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveNumber>"))]
    pub slowdown: f64,
    /// Factor on the number of workers, rounded down. May be 0 (nothing is taken up, by unlimited workers neither) or above 1. Workers
    /// above it finish what they hold.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Amount>"))]
    pub capacity: f64,
    /// Whether workers stand still, keep what is left of their work, and go on afterwards. Rate limit, `errors` and the limit of the queue
    /// still answer.
    pub freeze: bool,
    /// Whether, at `from`, everything in service or waiting is reset, without an effect that it has not had yet; until the end, connections are refused. Queue and
    /// workers start empty, the rate limit's bucket full.
    pub crash: bool,
    /// What happens to the server's store of keys. Default: nothing.
    #[cfg_attr(feature = "scenario-files", serde(skip_serializing_if = "Option::is_none"))]
    pub store: Option<StoreFault>,
    /// What happens to durable queues, of all rows: at whatever server. Default: nothing.
    #[cfg_attr(feature = "scenario-files", serde(skip_serializing_if = "Option::is_none"))]
    pub queue: Option<QueueFault>,
    /// Active in random spells only, of exponential length (means above 0); the first state is drawn from their long-run shares. Default:
    /// active all the time.
    #[cfg_attr(feature = "scenario-files", serde(skip_serializing_if = "Option::is_none"))]
    pub flapping: Option<Flapping>,
    /// Errors that change from instant to instant, beside those of `fates`.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub series: Option<Arc<Series>>,
}

/// What happens to a store of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum StoreFault {
    /// It cannot be asked, nor told (`when_down`). What it knows is kept, and locks run out.
    Down,
    /// At the beginning it loses all it knows, locks too.
    Forgets,
    /// Each access takes so much longer.
    Slow(#[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveDuration>"))] Span),
}

/// What happens to durable queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum QueueFault {
    /// They take nothing in and give nothing out. What they hold is kept, and what workers have at hand goes on.
    Down,
}

/// Random spells: exponentially long, the first state from their shares of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(deny_unknown_fields)
)]
pub struct Flapping {
    /// Mean length of an active spell.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveDuration>"))]
    pub mean_on: Span,
    /// Mean length of a pause.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveDuration>"))]
    pub mean_off: Span,
}

/// Shares of errors as they were recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Where they come from.
    pub file: String,
    /// Instants in ascending order, and from each of them on the shares by status.
    pub steps: Vec<(SimTime, Vec<(u16, f64)>)>,
}

impl Fault {
    /// A fault that changes nothing yet.
    pub fn named(name: &str, server: usize, from: SimTime, until: SimTime) -> Fault {
        Fault { name: name.to_owned(), server, from, until, ..Fault::default() }
    }

    /// Errors that it adds at `t` beside its `fates`, by status, where it replays a series.
    pub fn errors_at(&self, t: SimTime) -> &[(u16, f64)] {
        self.series.as_ref().map_or(&[], |series| series.at(t))
    }

    /// True if it is about this replica.
    pub fn is_at(&self, replica: u32) -> bool {
        self.replica.is_none_or(|of| of == replica)
    }

    /// True if the window of the fault contains `t` (a flapping fault counts as on).
    pub fn covers(&self, t: SimTime) -> bool {
        self.from <= t && t < self.until
    }
}

impl Series {
    /// The shares by status at `t`.
    pub fn at(&self, t: SimTime) -> &[(u16, f64)] {
        let next = self.steps.partition_point(|(from, _)| *from <= t);
        next.checked_sub(1).map_or(&[], |step| &self.steps[step].1)
    }

    /// The first instant after `t` at which they change; [`SimTime::NEVER`] if none.
    pub fn next_after(&self, t: SimTime) -> SimTime {
        let next = self.steps.partition_point(|(from, _)| *from <= t);
        self.steps.get(next).map_or(SimTime::NEVER, |(from, _)| *from)
    }
}

impl Default for Fault {
    /// It lasts and changes nothing yet.
    fn default() -> Fault {
        Fault {
            name: String::new(),
            server: 0,
            replica: None,
            from: SimTime::ZERO,
            until: SimTime::NEVER,
            fates: Fates::default(),
            added_latency: Distribution::ZERO,
            slowdown: 1.0,
            capacity: 1.0,
            freeze: false,
            crash: false,
            store: None,
            queue: None,
            flapping: None,
            series: None,
        }
    }
}
