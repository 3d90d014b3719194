//! One attempt in flight, from its sending until nothing of it moves any more.

use crate::fault::Fate;
use crate::protocol::Outcome;
use crate::units::{SimTime, Span};

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the network, or answered.
    Elsewhere,
    /// In a server's queue.
    Waiting,
    /// With a worker.
    InService,
}

/// An attempt in flight.
#[derive(Clone, Debug)]
pub struct Job {
    /// The operation: the key of the world's draws.
    pub operation: u64,
    /// Its number within the call, from 1.
    pub attempt: u32,
    /// Where the operation stands.
    pub row: u32,
    /// Which client sent it.
    pub client: u32,
    /// It carries the operation's idempotency key, and the server knows keys.
    pub keyed: bool,
    /// Nobody waits for its reply.
    pub abandoned: bool,
    /// Where it is.
    pub place: Place,
    /// What becomes of it, drawn when it arrives.
    pub fate: Fate,
    /// The operation fails for good with this status.
    pub permanent: Option<u16>,
    /// When it arrived.
    pub arrived: SimTime,
    /// When its work began.
    pub began: SimTime,
    /// In service, when its work will end; [`SimTime::NEVER`] while frozen. In the queue, how long it may wait at most.
    pub ends: SimTime,
    /// Work left while frozen.
    pub left: Span,
    /// Neighbour towards the head of the queue.
    pub ahead: u32,
    /// Neighbour towards the tail.
    pub behind: u32,
    /// Place among those in service.
    pub index: u32,
    /// Worker time it took while measured.
    pub busy: Span,
    /// The reply.
    pub reply: Outcome,
    /// Its hint.
    pub retry_after: Option<Span>,
}

impl Job {
    /// An attempt on its way.
    pub fn new(operation: u64, attempt: u32, row: u32, client: u32, keyed: bool) -> Job {
        Job {
            operation,
            attempt,
            row,
            client,
            keyed,
            abandoned: false,
            place: Place::Elsewhere,
            fate: Fate::Success,
            permanent: None,
            arrived: SimTime::ZERO,
            began: SimTime::ZERO,
            ends: SimTime::NEVER,
            left: Span::ZERO,
            ahead: u32::MAX,
            behind: u32::MAX,
            index: u32::MAX,
            busy: Span::ZERO,
            reply: Outcome::Open,
            retry_after: None,
        }
    }
}
