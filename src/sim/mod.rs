//! The simulator: one event loop over one small enum of events. No callbacks, no boxes, no actors.
//!
//! [`run::run`] takes a scenario, one of its policies and a replication, and returns what was measured.

mod draws;
pub mod event;
mod need;
pub mod queue;
pub mod run;
mod standstill;
pub mod stop;
pub mod timers;

pub use run::{run, run_from, tell};
pub use stop::{Limits, Stop};
