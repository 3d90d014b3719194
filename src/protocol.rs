//! What client and server say to each other.

use std::fmt;

use crate::units::Span;

/// HTTP methods, as far as they decide what a repeated request changes (RFC 9110, section 9.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "UPPERCASE")
)]
pub enum Method {
    /// No effect.
    Get,
    /// No effect.
    Head,
    /// One effect, however many executions.
    Put,
    /// One effect, however many executions.
    Delete,
    /// An effect for each execution.
    #[default]
    Post,
    /// An effect for each execution.
    Patch,
}

impl Method {
    /// Every method, in the order shown to users.
    pub const ALL: [Method; 6] = [Method::Get, Method::Head, Method::Put, Method::Delete, Method::Post, Method::Patch];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Post => "POST",
            Method::Patch => "PATCH",
        }
    }

    /// True if repeating a request changes no more than sending it once (RFC 9110, section 9.2.2).
    pub fn is_idempotent(self) -> bool {
        self.effects(2) <= 1
    }

    /// Effects on the server after `executions` executions of one step.
    pub fn effects(self, executions: u32) -> u32 {
        match self {
            Method::Get | Method::Head => 0,
            Method::Put | Method::Delete => executions.min(1),
            Method::Post | Method::Patch => executions,
        }
    }
}

/// How an attempt ended, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A reply with this status arrived; 2xx is success.
    Status(u16),
    /// The client stopped waiting: the attempt's own time-out, or the call's deadline.
    Timeout,
    /// The connection was refused: the request never got there.
    Refused,
    /// The connection was reset after it was made.
    Reset,
    /// The run ended first.
    Open,
    /// The client gave it up for the sake of another attempt that won.
    Cancelled,
}

impl Outcome {
    /// The plain success.
    pub const OK: Outcome = Outcome::Status(200);

    /// True for a 2xx reply.
    pub fn is_success(self) -> bool {
        matches!(self, Outcome::Status(200..=299))
    }
}

/// The name used in `outcome_*` metrics.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Status(status) => write!(f, "{status}"),
            Outcome::Timeout => f.write_str("timeout"),
            Outcome::Refused | Outcome::Reset => f.write_str("connection"),
            Outcome::Open => f.write_str("open"),
            Outcome::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// How a server says when to come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum HintFormat {
    /// `Retry-After` in whole seconds.
    #[default]
    Seconds,
    /// `Retry-After` as a date: a whole second of the clock, which shows one when the run begins.
    Date,
    /// A header in milliseconds, such as `x-amz-retry-after`.
    Milliseconds,
    /// A header with the second of the clock at which the limit is reset, such as `X-RateLimit-Reset`.
    Reset,
}

/// A failed attempt, as a policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How it ended.
    pub outcome: Outcome,
    /// The server's hint, if the reply carried one: wait this long.
    pub retry_after: Option<Span>,
    /// The format of the hint.
    pub format: HintFormat,
    /// The server says whether to try again (`Stripe-Should-Retry`, a negative pushback).
    pub should_retry: Option<bool>,
}

impl Failure {
    /// Without a word from the server.
    pub fn new(outcome: Outcome) -> Failure {
        Failure { outcome, retry_after: None, format: HintFormat::Seconds, should_retry: None }
    }
}

/// Why a server turns a request away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// It is down, or goes down.
    Down,
    /// The connection is refused, or breaks, by chance.
    Connection,
    /// Something in front of it answers.
    InFront,
    /// Its rate limit has no token left.
    Limited,
    /// Its queue is full.
    Full,
    /// It has waited as long as it may.
    Waited,
}

/// What an attempt can meet where work is done in stages. The last of these before an answer is what that is because of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// The store knows nothing of its key, and locks nothing.
    Unknown,
    /// The key is locked for it.
    Locked,
    /// Another try holds the key.
    Held,
    /// The store cannot be asked.
    StoreDown,
    /// It is answered as the store says.
    Store,
    /// Its reply is stored with its effect.
    Stored,
    /// Its work has ended without effect, and the store is being told.
    Ended,
    /// It waits for its row.
    WaitsForRow,
    /// It has its row.
    HasRow,
    /// Its work has ended, and its transaction keeps the row.
    KeepsRow,
    /// It has waited long enough for its row.
    RowTimeout,
    /// It goes by this version of its row.
    Reads(u32),
    /// Its row was written before, and is not written again.
    RowDone,
    /// Somebody has written to its row since it read.
    RowChanged,
}
