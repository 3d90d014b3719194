//! `[fault.NAME]`.

use serde::{Deserialize, Serialize};

use super::distribution::DistributionChoice;
use crate::scenario::file::leaf::{Amount, ByStatus, Duration, OrNone, PositiveDuration, PositiveNumber, Probability};
use crate::scenario::{Fates, Fault, Flapping};
use crate::units::{SimTime, Span};

/// `[fault.NAME]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultTable {
    /// Default: the only server.
    pub server: Option<String>,
    #[serde(default = "beginning")]
    pub from: Duration,
    #[serde(default)]
    pub until: OrNone<Duration>,
    #[serde(rename = "for", skip_serializing)]
    pub length: Option<PositiveDuration>,
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
    pub added_latency: DistributionChoice,
    #[serde(default = "unchanged_speed")]
    slowdown: PositiveNumber,
    #[serde(default = "unchanged_capacity")]
    capacity: Amount,
    #[serde(default)]
    freeze: bool,
    #[serde(default)]
    crash: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    flapping: Option<FlappingKeys>,
}

fn beginning() -> Duration {
    Duration(Span::ZERO)
}

fn unchanged_speed() -> PositiveNumber {
    PositiveNumber(1.0)
}

fn unchanged_capacity() -> Amount {
    Amount(1.0)
}

/// `flapping = { mean_on, mean_off }`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlappingKeys {
    mean_on: PositiveDuration,
    mean_off: PositiveDuration,
}

impl FaultTable {
    /// Turns `for` into `until`.
    pub fn resolve(&mut self) {
        if let Some(length) = self.length.take() {
            self.until = OrNone(Some(Duration(self.from.0 + length.span())));
        }
    }

    /// When it ends; `None`: never.
    pub fn end(&self) -> Option<Span> {
        self.length.map(|length| self.from.0 + length.span()).or(self.until.0.map(|until| until.0))
    }

    /// What it adds to the server's shares, as the engine knows them.
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

    /// As the engine knows it. Call [`FaultTable::resolve`] first.
    pub fn build(&self, name: &str, server: usize) -> Fault {
        Fault {
            name: name.to_owned(),
            server,
            from: SimTime(self.from.0.0),
            until: self.until.0.map_or(SimTime::NEVER, |until| SimTime(until.0.0)),
            fates: self.fates(),
            added_latency: self.added_latency.build(),
            slowdown: self.slowdown.0,
            capacity: self.capacity.0,
            freeze: self.freeze,
            crash: self.crash,
            flapping: self
                .flapping
                .map(|flapping| Flapping { mean_on: flapping.mean_on.span(), mean_off: flapping.mean_off.span() }),
        }
    }
}
