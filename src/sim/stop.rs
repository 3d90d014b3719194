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
    /// One operation has made more attempts than anybody waits for.
    #[error(
        "one operation had made {attempts} attempts by {at:?} of the run, and more than {MOST_ATTEMPTS} of one operation are not simulated: longer waits, fewer attempts or a `deadline` end it sooner"
    )]
    EndlessCall {
        /// When.
        at: SimTime,
        /// Attempts made by then, refused ones included.
        attempts: u32,
    },
    /// More has happened than can be simulated in hours.
    #[error(
        "more than {MOST_EVENTS} events by {at:?} of the run, and so many are not simulated: a shorter `duration`, fewer clients, longer waits or longer service times have fewer"
    )]
    TooMuch {
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

/// More attempts of one operation in a run than this end the run, at the next look at it. One a second makes as many in four months, one each 10 ms in a
/// day; a wait of nanoseconds is over in seconds of computing time.
pub const MOST_ATTEMPTS: u32 = 10_000_000;

/// More events of one run than this end it. A million clients in the fixed benchmark make 10^8; ten times as many clients with ten times as many
/// attempts are still simulated, in less than an hour.
pub const MOST_EVENTS: u64 = 10_000_000_000;
