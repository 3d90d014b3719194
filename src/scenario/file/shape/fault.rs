//! `[fault.NAME]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::de::ValueDeserializer;

use super::distribution::DistributionChoice;
use super::recorded::SeriesTable;
use crate::scenario::file::group::{both, take};
use crate::scenario::file::leaf::{Count, Duration, Leaf, OrNone, PositiveDuration};
use crate::scenario::file::tree::Node;
use crate::scenario::{Fates, Fault};
use crate::units::{SimTime, Span};

/// What goes wrong at one server in a window of time.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FaultTable {
    #[serde(flatten)]
    pub words: Words,
    /// The keys that the engine knows as they are.
    #[serde(flatten)]
    fault: Fault,
    /// Shares are added to the server's own.
    #[serde(flatten)]
    pub fates: Fates,
}

/// What a file says of a fault in words of its own.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Words {
    /// Name of the server it is about. Required if there are several. Default: the only server.
    pub server: Option<String>,
    /// Which of its replicas it is about, from 1. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<Count<1, 1_000>>,
    /// First instant. Before the end of the run.
    pub from: Duration,
    /// First instant after it; `"none"`: without end.
    pub until: OrNone<Duration>,
    /// How long it lasts, above 0, instead of `until`. Default: as `until` says.
    #[serde(rename = "for", skip_serializing)]
    pub length: Option<PositiveDuration>,
    /// Time on top of each network leg that begins in the window.
    pub added_latency: DistributionChoice,
    /// Replays an error rate that was recorded: shares of `errors` by status, window by window. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesTable>,
}

impl FaultTable {
    /// What stands in a file.
    pub fn read(mut node: Node<'_>) -> Result<FaultTable, toml::de::Error> {
        let special = both(take(&mut node), take(&mut node));
        let fault = Fault::deserialize(ValueDeserializer::from(node));
        let ((words, fates), fault) = both(special, fault)?;
        Ok(FaultTable { words, fault, fates })
    }

    /// Turns `for` into `until`.
    pub fn resolve(&mut self) {
        if let Some(length) = self.words.length.take() {
            self.words.until = OrNone(Some(Duration(self.words.from.0 + length.span())));
        }
    }

    /// True if it is about durable queues.
    pub fn is_of_queues(&self) -> bool {
        self.fault.queue.is_some()
    }

    /// True if it has two reasons to change from instant to instant.
    pub fn flaps_and_replays(&self) -> bool {
        self.fault.flapping.is_some() && self.words.series.is_some()
    }

    /// When it ends; `None`: never.
    pub fn end(&self) -> Option<Span> {
        let words = &self.words;
        words.length.map(|length| words.from.0 + length.span()).or(words.until.0.map(|until| until.0))
    }

    /// As the engine knows it. Call [`FaultTable::resolve`] first.
    pub fn build(&self, name: &str, server: usize) -> Fault {
        let words = &self.words;
        Fault {
            name: name.to_owned(),
            server,
            replica: words.replica.map(|replica| replica.plain() - 1),
            from: SimTime(words.from.0.0),
            until: words.until.0.map_or(SimTime::NEVER, |until| SimTime(until.0.0)),
            fates: self.fates.clone(),
            added_latency: words.added_latency.build(),
            series: words.series.as_ref().and_then(|table| table.series.clone()),
            ..self.fault.clone()
        }
    }
}
