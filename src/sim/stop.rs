//! What a run may use, and why one stops before its end.

use std::sync::atomic::AtomicBool;

use crate::units::SimTime;

/// What a run may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Bytes of state; beyond, the run stops.
    pub memory: usize,
    /// Set by another thread: stop as soon as possible.
    pub interrupted: &'a AtomicBool,
}

/// Why a run stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Somebody asked for it.
    #[error("interrupted")]
    Interrupted,
    /// One operation made too many attempts at one instant.
    #[error(
        "one operation made more than {MOST_ATTEMPTS_AT_ONCE} attempts at one instant ({at:?}): it retries at once, the failure comes back at once, and its attempts are not limited enough"
    )]
    RetryStorm {
        /// When.
        at: SimTime,
    },
    /// Many operations together made too many attempts at one instant.
    #[error(
        "{attempts} attempts at one instant ({at:?}), and no end: many operations retry at once, their failures come back at once, and their attempts are not limited enough"
    )]
    RetryStorms {
        /// When.
        at: SimTime,
        /// Attempts made by then.
        attempts: u64,
    },
    /// Clients that neither think nor wait, or a demand without time between its operations.
    #[error(
        "more operations than can be simulated start at one instant ({at:?}): there is no time between them, or neither thinking nor serving takes any"
    )]
    Standstill {
        /// When.
        at: SimTime,
    },
    /// The state has outgrown the memory.
    #[error("its state needs more than the {limit} bytes there are for it, at {at:?} of the run")]
    OutOfMemory {
        /// When.
        at: SimTime,
        /// Bytes.
        limit: usize,
    },
}

/// More attempts of one operation at one instant than this end the run.
pub const MOST_ATTEMPTS_AT_ONCE: u32 = 100_000;
