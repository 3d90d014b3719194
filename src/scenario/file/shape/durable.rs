//! `[policy.NAME.durable]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backoff::BackoffChoice;
use crate::durable::{DurableConfig, Handover, Order, Redrive, When};
use crate::scenario::file::leaf::{
    Count, Duration, Leaf, OrNone, OrUnlimited, PositiveDuration, PositiveRate, Probability,
};
use crate::scenario::file::preset::PresetName;
use crate::units::Span;

/// A durable queue: what has failed in its process goes there, and workers try it again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DurableTable {
    /// Which operations go there.
    #[serde(default)]
    when: When,
    /// Somebody's schedule: `attempts` and `backoff` of this policy's defaults, where they are not given here. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<PresetName>,
    /// Most times that an operation is tried or given to a worker, the try in its process included; a number or `"unlimited"`. Then it is parked.
    #[serde(default)]
    attempts: OrUnlimited<1>,
    /// The wait before each further try. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffChoice>,
    /// What would be tried later than this after the start of its operation is parked instead. Above 0.
    #[serde(default)]
    max_age: OrNone<PositiveDuration>,
    /// Tries at once, of all workers of the row together. At least 1.
    #[serde(default = "one_worker")]
    workers: Count<1, 1_000_000>,
    /// How often a worker looks that has nothing to do: at multiples of this; `"0s"`: it hears at once.
    #[serde(default)]
    poll: Duration,
    /// How many a worker takes at once; it works on one after the other.
    #[serde(default = "one_at_a_time")]
    batch: Count<1, 10_000>,
    /// Whether each of a batch is done for itself. If not, all of it is tried again when one of it fails.
    #[serde(default)]
    partial: bool,
    /// After this time what a worker has taken is given to another one, if it is not done by then; the first one goes on. At least 1 ms.
    #[serde(default)]
    visibility: OrNone<PositiveDuration>,
    /// Workers say so often that they are still busy, and keep what they have from there for `visibility`, unless the queue is down then. Below `visibility`.
    #[serde(default)]
    heart_beat: OrNone<PositiveDuration>,
    /// Which one is given out next.
    #[serde(default)]
    order: Order,
    /// Keys of further tries.
    #[serde(default)]
    key: TryKey,
    /// Whether it is asked before each try if the work has been done by another path.
    #[serde(default)]
    check_first: bool,
    /// How an operation gets into the queue.
    #[serde(default)]
    handover: HandoverChoice,
    /// Whether what is about a thing that is in the queue is not put there again, but has part in those tries.
    #[serde(default)]
    deduplicated: bool,
    /// What becomes of what was parked. Default: it stays there.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter: Option<DeadLetterTable>,
}

/// Keys of further tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum TryKey {
    /// Those of the policy.
    #[default]
    AsPolicy,
    /// New ones for each try, the same within it: something new, as a payment is.
    PerTry,
}

/// How an operation gets into the queue.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum HandoverChoice {
    /// In one transaction with its own state: it is never lost, and waits while the queue is down.
    #[default]
    WithJournal,
    /// By a call afterwards. It is lost if its client crashes meanwhile, or if the queue is down then.
    After {
        /// How long the call takes.
        #[serde(default)]
        takes: Duration,
        /// Share of calls that are lost.
        #[serde(default)]
        fails: Probability,
    },
}

/// What becomes of what was parked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "redrive_at": "20h", "rate": "10/s" }]))]
struct DeadLetterTable {
    /// When what is parked by then is tried again, once, with its tries counted anew. Before the end of the run.
    redrive_at: Duration,
    /// How many a second. Default: all at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<PositiveRate>,
}

fn one_worker() -> Count<1, 1_000_000> {
    Count(1)
}

fn one_at_a_time() -> Count<1, 10_000> {
    Count(1)
}

/// What else a file says.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// The policy makes keys.
    pub has_keys: bool,
    /// Operations may be about the same things.
    pub has_things: bool,
    /// The end of the run, if that is known.
    pub end: Option<Span>,
}

impl DurableTable {
    /// As the engine knows it.
    pub fn build(&self) -> DurableConfig {
        let span = |time: &OrNone<PositiveDuration>| time.0.map(PositiveDuration::span);
        DurableConfig {
            when: self.when,
            attempts: self.attempts.0,
            backoff: self.backoff.clone().unwrap_or_default().build(),
            max_age: span(&self.max_age),
            workers: self.workers.plain(),
            poll: self.poll.0,
            batch: self.batch.plain(),
            partial: self.partial,
            visibility: span(&self.visibility),
            heart_beat: span(&self.heart_beat),
            order: self.order,
            key_per_try: self.key == TryKey::PerTry,
            check_first: self.check_first,
            handover: match self.handover {
                HandoverChoice::WithJournal => Handover::WithJournal,
                HandoverChoice::After { takes, fails } => Handover::After { takes: takes.0, fails: fails.0 },
            },
            deduplicated: self.deduplicated,
            redrive: self.dead_letter.as_ref().map(|table| Redrive {
                at: table.redrive_at.0,
                rate: table.rate.as_ref().map(|rate| rate.0.per_second),
            }),
        }
    }

    /// After which time another worker is given what is not done.
    pub fn visibility(&self) -> Option<Span> {
        self.visibility.0.map(PositiveDuration::span)
    }

    /// A key that means nothing as things stand, and why not.
    pub fn without_effect(&self, beside: Beside) -> Option<(&'static str, &'static str)> {
        let Beside { has_keys, has_things, end } = beside;
        let late = |table: &DeadLetterTable| end.is_some_and(|end| table.redrive_at.0 >= end);
        let (beats, visible) = (self.heart_beat.0, self.visibility.0);
        if self.partial && self.batch.plain() == 1 {
            Some(("partial", "is said of batches: `batch`"))
        } else if beats.is_some() && visible.is_none() {
            Some(("heart_beat", "keeps what nobody takes away: `visibility`"))
        } else if beats.zip(visible).is_some_and(|(beats, visible)| beats.span() >= visible.span()) {
            Some(("heart_beat", "comes when `visibility` is over"))
        } else if self.key == TryKey::PerTry && !has_keys {
            Some(("key", "the policy makes no keys: `key` of the policy"))
        } else if self.deduplicated && !has_things {
            Some(("deduplicated", "each operation is about a thing of its own: `load.repeat`, `load.contend`"))
        } else if self.dead_letter.is_some() && self.attempts.0.is_none() && self.max_age.0.is_none() {
            Some(("dead_letter", "nothing is ever parked: `attempts`, `max_age`"))
        } else if self.dead_letter.as_ref().is_some_and(late) {
            Some(("dead_letter", "comes when the run is over"))
        } else {
            None
        }
    }
}
