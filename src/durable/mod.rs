//! Durable retries: what has failed in its process goes to a queue that survives crashes, and is tried again by workers of its own.
//!
//! The queue has no clock and does no work: whoever owns it says what time it is and what became of each try, and asks when to come back.

mod queue;

pub use queue::{DurableQueue, Ended, Given, Stay, Tries};

use crate::retry::Backoff;
use crate::units::Span;

/// A queue with its workers, and what becomes of operations that fail.
#[derive(Clone, Debug, PartialEq)]
pub struct DurableConfig {
    /// Which operations go there.
    pub when: When,
    /// Most times that an operation is tried or given to a worker, the try in its process included; `None`: unlimited.
    pub attempts: Option<u32>,
    /// The wait before each further try.
    pub backoff: Backoff,
    /// No try begins later than this after the start of its operation.
    pub max_age: Option<Span>,
    /// Tries at once, of the whole fleet; at least 1.
    pub workers: u32,
    /// Who is idle looks this often, at multiples of it; zero: at once.
    pub poll: Span,
    /// How many a worker takes at once, at least 1, and works on one after the other.
    pub batch: u32,
    /// Each of a batch is done for itself; if not, all of a batch is tried again if one of it fails.
    pub partial: bool,
    /// What was given to a worker, and is not done by then, is given to another one; `None`: never.
    pub visibility: Option<Span>,
    /// Workers say so often that they are still busy, and keep what they have, unless the queue is down then; `None`: they do not.
    pub heart_beat: Option<Span>,
    /// Which one is given out next.
    pub order: Order,
    /// Each try is something new to the servers: it has keys of its own.
    pub key_per_try: bool,
    /// Before each try it is asked whether the work has been done by another path.
    pub check_first: bool,
    /// How an operation gets into the queue.
    pub handover: Handover,
    /// A thing that is in the queue is not put there twice: who comes second has part in the tries of the first.
    pub deduplicated: bool,
    /// What was parked is tried again; `None`: it is parked for good.
    pub redrive: Option<Redrive>,
}

impl Default for DurableConfig {
    /// One worker that tries at once, and for ever.
    fn default() -> DurableConfig {
        DurableConfig {
            when: When::AfterFailure,
            attempts: None,
            backoff: Backoff::none(),
            max_age: None,
            workers: 1,
            poll: Span::ZERO,
            batch: 1,
            partial: false,
            visibility: None,
            heart_beat: None,
            order: Order::Due,
            key_per_try: false,
            check_first: false,
            handover: Handover::WithJournal,
            deduplicated: false,
            redrive: None,
        }
    }
}

/// Which operations go to a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum When {
    /// Those that have failed in their process.
    #[default]
    AfterFailure,
    /// All, at their start: who asks is told 202, and workers do the first try too.
    AtOnce,
}

/// Which one is given out next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum Order {
    /// The one that is due first.
    #[default]
    Due,
    /// The one that was put in first: while it waits, so do all behind it.
    Fifo,
}

/// How an operation gets into the queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Handover {
    /// In one transaction with its own state: it is never lost, and waits outside while the queue is down.
    WithJournal,
    /// By a call afterwards. It is lost with a crash of its client meanwhile, and if the queue is down then.
    After {
        /// How long it takes.
        takes: Span,
        /// Share of calls that are lost.
        fails: f64,
    },
}

/// What was parked is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Redrive {
    /// When: so long after the beginning of the run.
    pub at: Span,
    /// How many a second; `None`: all at once.
    pub rate: Option<f64>,
}
