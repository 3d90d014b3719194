//! One attempt in flight, from its sending until nothing of it moves any more.
//!
//! An attempt fills one cache line, and a field means what its place makes of it: what waits has no worker, and what is
//! answered has neither.

use crate::fault::Fate;
use crate::key::CallKey;
use crate::protocol::Outcome;
use crate::slab::Slab;
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

/// Whether somebody waits for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The client does.
    Yes,
    /// The client has stopped waiting.
    No,
    /// And the server has heard of it.
    Cancelled,
}

/// What a server makes of an attempt's idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyed {
    /// Nothing: it looks at none, this one is known to nobody else, or there is none and none is required.
    Passes,
    /// It is the operation's, and may be known.
    Known,
    /// There is none, and one is required.
    Missing,
}

/// An attempt in flight.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct Job {
    /// With `attempt`, the key of the world's draws.
    pub key: CallKey,
    /// When its work began, once it did; before, when it arrived.
    pub since: SimTime,
    /// With a worker, when its work will end, as long as workers do not stand still. In the queue, how long it may wait at most.
    /// After its work, when that ended; zero for what was not worked on, so that `since` to `ends` is the time a worker took.
    pub ends: SimTime,
    /// The reply's hint, if it has one. Before there is a reply, when the server hears that nobody waits for it, if it is going to.
    hint: Span,
    /// Where the operation stands.
    pub row: u32,
    /// Which client sent it.
    pub client: u32,
    /// Its number within the call, from 1.
    pub attempt: u32,
    /// In the queue, its neighbour towards the head. With a worker, the number of its work: they count up.
    pub ahead: u32,
    /// In the queue, its neighbour towards the tail.
    pub behind: u32,
    /// What becomes of it, drawn when it arrives.
    pub fate: Fate,
    /// The reply.
    pub reply: Outcome,
    has_hint: bool,
    /// What its idempotency key (which is not `key`) is to the server.
    pub keyed: Keyed,
    /// Whether somebody waits for its reply.
    pub awaited: Awaited,
    /// Where it is.
    pub place: Place,
}

const _: () = assert!(Slab::<Job>::PLACE_BYTES == 64, "an attempt fills one cache line");

impl Job {
    /// An attempt on its way.
    pub fn new(key: CallKey, attempt: u32, row: u32, client: u32, keyed: Keyed) -> Job {
        Job {
            key,
            since: SimTime::ZERO,
            ends: SimTime::ZERO,
            hint: Span::ZERO,
            row,
            client,
            attempt,
            ahead: u32::MAX,
            behind: u32::MAX,
            fate: Fate::Success,
            reply: Outcome::Open,
            has_hint: false,
            keyed,
            awaited: Awaited::Yes,
            place: Place::Elsewhere,
        }
    }

    /// Sets the reply and its hint.
    pub fn answer(&mut self, reply: Outcome, retry_after: Option<Span>) {
        self.reply = reply;
        if let Some(hint) = retry_after {
            (self.hint, self.has_hint) = (hint, true);
        }
    }

    /// The server will hear at this instant that nobody waits.
    pub fn cancel_at(&mut self, at: SimTime) {
        self.hint = Span(at.0);
    }

    /// True if the server hears that at this instant. What has been answered is not cancelled any more.
    pub fn is_cancelled_at(&self, now: SimTime) -> bool {
        self.awaited == Awaited::No && self.can_be_cancelled() && self.hint == Span(now.0)
    }

    /// True unless its answer is on the way. A worker may know how its calls have ended, and have more to do.
    pub fn can_be_cancelled(&self) -> bool {
        self.reply == Outcome::Open || self.place == Place::InService
    }

    /// The reply's hint.
    pub fn retry_after(&self) -> Option<Span> {
        self.has_hint.then_some(self.hint)
    }
}
