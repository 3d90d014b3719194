//! What goes wrong at a server, and when.

use std::sync::Arc;

use super::Fates;
use crate::distribution::Distribution;
use crate::units::{SimTime, Span};

/// What goes wrong at one server in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Its name in the file, and what its draws depend on: two of one name draw the same.
    pub name: String,
    /// Index of the server.
    pub server: usize,
    /// Which of its replicas it is about, from 0; `None`: all.
    pub replica: Option<u32>,
    /// First instant.
    pub from: SimTime,
    /// First instant after it; [`SimTime::NEVER`] without end.
    pub until: SimTime,
    /// Added to the server's own.
    pub fates: Fates,
    /// On top of each network leg.
    pub added_latency: Distribution,
    /// Service times × this, for work that starts in the window.
    pub slowdown: f64,
    /// Workers × this, rounded down.
    pub capacity: f64,
    /// Workers stand still.
    pub freeze: bool,
    /// Everything in service or queued is reset at `from`; connections are refused until `until`.
    pub crash: bool,
    /// Active only in random spells.
    pub flapping: Option<Flapping>,
    /// Errors that change from instant to instant, beside those of `fates`.
    pub series: Option<Arc<Series>>,
}

/// Exponential sojourns, on and off; the first state from their stationary shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// Mean length of an active spell.
    pub mean_on: Span,
    /// Mean length of a pause.
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
        Fault {
            name: name.to_owned(),
            server,
            replica: None,
            from,
            until,
            fates: Fates::default(),
            added_latency: Distribution::ZERO,
            slowdown: 1.0,
            capacity: 1.0,
            freeze: false,
            crash: false,
            flapping: None,
            series: None,
        }
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
