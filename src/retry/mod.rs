//! Retry policies: pure functions from one call's history to a decision.
//!
//! A policy holds no state of its own and reads no clock: a million clients share one. What a call remembers stands in its
//! [`History`]; what outlives a call is a gate's ([`crate::gate`]).

pub mod backoff;
pub mod classify;
pub mod curve;
pub mod hint;
pub mod jitter;
pub mod limits;
mod policy;
mod within;

pub use backoff::{Backoff, CapAt, Memory};
pub use classify::{OutcomeClass, OutcomeSet};
pub use curve::Curve;
pub use hint::{Hints, OverMax, RetryAfter};
pub use jitter::Jitter;
pub use limits::{AtLimit, Cause, Free, Limits, RetryFor};
pub use policy::{AttemptPlan, Clock, Decision, GiveUp, History, KeyMode, Made, Policy, RetryPolicy};
pub use within::Within;
