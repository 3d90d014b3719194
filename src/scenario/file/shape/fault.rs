//! `[fault.NAME]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::DistributionChoice;
use super::recorded::SeriesTable;
use crate::scenario::file::leaf::{
    Amount, ByStatus, Count, Duration, OrNone, PositiveDuration, PositiveNumber, Probability,
};
use crate::scenario::{Fates, Fault, Flapping};
use crate::units::{SimTime, Span};

/// What goes wrong at one server in a window of time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultTable {
    /// Name of the server it is about. Required if there are several. Default: the only server.
    pub server: Option<String>,
    /// Which of its replicas it is about, from 1. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<Count<1, 1_000>>,
    /// First instant. Before the end of the run.
    #[serde(default = "beginning")]
    pub from: Duration,
    /// First instant after it; `"none"`: without end.
    #[serde(default)]
    pub until: OrNone<Duration>,
    /// How long it lasts, above 0, instead of `until`. Default: as `until` says.
    #[serde(rename = "for", skip_serializing)]
    pub length: Option<PositiveDuration>,
    /// Share of attempts whose connection is refused. Added to the server's own.
    #[serde(default)]
    refused: Probability,
    /// Share of attempts whose request never arrives: no work, no answer. Added to the server's own.
    #[serde(default)]
    lost_requests: Probability,
    /// Share of attempts whose connection is reset before the server did anything. Added to the server's own.
    #[serde(default)]
    resets: Probability,
    /// By status: share of attempts that something in front of the application answers with it: no work, no effect, nothing stored. Added
    /// to the server's own.
    #[serde(default)]
    errors: ByStatus<Probability>,
    /// By status: share of attempts whose work runs and fails: this status, no effect. Added to the server's own.
    #[serde(default)]
    failures: ByStatus<Probability>,
    /// Share of attempts whose work runs, without effect, and is never answered. Added to the server's own.
    #[serde(default)]
    hangs: Probability,
    /// By status: share of attempts that make their effect and are then answered with it. Added to the server's own.
    #[serde(default)]
    late_errors: ByStatus<Probability>,
    /// Share of attempts that make their effect and whose reply never arrives. A stored reply can be lost too. Added to the server's own.
    #[serde(default)]
    lost_replies: Probability,
    /// By status: share of operations that can never succeed, a declined card. Drawn once for each operation: whenever its work would
    /// succeed, fail or be late, it ends in this status instead, without effect. Hangs and lost replies stay what they are, without effect.
    /// Added to the server's own.
    #[serde(default)]
    permanent_errors: ByStatus<Probability>,
    /// Time on top of each network leg that begins in the window.
    #[serde(default)]
    pub added_latency: DistributionChoice,
    /// Factor on the service times of work that begins in the window. Above 0.
    #[serde(default = "unchanged_speed")]
    slowdown: PositiveNumber,
    /// Factor on the number of workers, rounded down. May be 0 (nothing is taken up, by unlimited workers neither) or above 1. Workers
    /// above it finish what they hold.
    #[serde(default = "unchanged_capacity")]
    capacity: Amount,
    /// Whether workers stand still, keep what is left of their work, and go on afterwards. Rate limit, `errors` and the limit of the queue
    /// still answer.
    #[serde(default)]
    freeze: bool,
    /// Whether, at `from`, everything in service or waiting is reset, without effect; until the end, connections are refused. Queue and
    /// workers start empty, the rate limit's bucket full.
    #[serde(default)]
    crash: bool,
    /// Active in random spells only, of exponential length (means above 0); the first state is drawn from their long-run shares. Default:
    /// active all the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    flapping: Option<FlappingKeys>,
    /// Replays an error rate that was recorded: shares of `errors` by status, window by window. Default: none.
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
            replica: self.replica.map(|replica| replica.0 as u32 - 1),
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
