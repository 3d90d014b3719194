//! `[fault.NAME]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::DistributionChoice;
use super::recorded::SeriesTable;
use crate::scenario::file::leaf::{Amount, ByStatus, Duration, OrNone, PositiveDuration, PositiveNumber, Probability};
use crate::scenario::{Fates, Fault, Flapping};
use crate::units::{SimTime, Span};

/// What goes wrong at one server in a window of time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultTable {
    /// Name of the server it is about. Default: the only one; required if there are several.
    pub server: Option<String>,
    /// When it begins. Default: 0.
    #[serde(default = "beginning")]
    pub from: Duration,
    /// When it ends; `"none"` (default): never.
    #[serde(default)]
    pub until: OrNone<Duration>,
    /// How long it lasts, instead of `until`.
    #[serde(rename = "for", skip_serializing)]
    pub length: Option<PositiveDuration>,
    /// Share of attempts whose connection is refused. Added to the server's own. Default: 0.
    #[serde(default)]
    refused: Probability,
    /// Share of requests that never arrive: no work, no answer. Added to the server's own. Default: 0.
    #[serde(default)]
    lost_requests: Probability,
    /// Share of connections that are reset before the server did anything. Added to the server's own. Default: 0.
    #[serde(default)]
    resets: Probability,
    /// Shares of attempts, by status, that something in front of the application answers: no work, no effect. Added to
    /// the server's own. Default: none.
    #[serde(default)]
    errors: ByStatus<Probability>,
    /// Shares of attempts, by status, whose work runs and fails: no effect. Added to the server's own. Default: none.
    #[serde(default)]
    failures: ByStatus<Probability>,
    /// Share of attempts whose work runs, without effect, and is never answered. Added to the server's own. Default: 0.
    #[serde(default)]
    hangs: Probability,
    /// Shares of attempts, by status, that have their effect and then fail. Added to the server's own. Default: none.
    #[serde(default)]
    late_errors: ByStatus<Probability>,
    /// Share of attempts that have their effect and whose reply never arrives. Added to the server's own. Default: 0.
    #[serde(default)]
    lost_replies: Probability,
    /// Shares of operations, by status, that can never succeed, however often they are tried: a declined card. Added to
    /// the server's own. Default: none.
    #[serde(default)]
    permanent_errors: ByStatus<Probability>,
    /// Time on top of each network leg. Default: none.
    #[serde(default)]
    pub added_latency: DistributionChoice,
    /// Service times are multiplied by this, for work that starts in the window. Default: 1.
    #[serde(default = "unchanged_speed")]
    slowdown: PositiveNumber,
    /// The number of workers is multiplied by this and rounded down. Above 1 adds workers. Default: 1.
    #[serde(default = "unchanged_capacity")]
    capacity: Amount,
    /// Whether workers stand still and resume afterwards. Default: false.
    #[serde(default)]
    freeze: bool,
    /// Whether everything at the server is reset when the fault begins, and connections are refused until it ends.
    /// Default: false.
    #[serde(default)]
    crash: bool,
    /// Active only in random spells within the window. Default: active all the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    flapping: Option<FlappingKeys>,
    /// Shares of `errors` by status as they were recorded, window by window. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesTable>,
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

/// Random spells: exponentially long, the first state from their shares of time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FlappingKeys {
    /// Mean length of an active spell.
    mean_on: PositiveDuration,
    /// Mean length of a pause.
    mean_off: PositiveDuration,
}

impl FaultTable {
    /// Turns `for` into `until`.
    pub fn resolve(&mut self) {
        if let Some(length) = self.length.take() {
            self.until = OrNone(Some(Duration(self.from.0 + length.span())));
        }
    }

    /// True if it has two reasons to change from instant to instant.
    pub fn flaps_and_replays(&self) -> bool {
        self.flapping.is_some() && self.series.is_some()
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
            series: self.series.as_ref().and_then(|table| table.series.clone()),
        }
    }
}
