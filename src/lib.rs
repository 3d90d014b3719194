//! simlab tries retry policies before production does.
//!
//! A deterministic discrete-event simulator runs many clients against a flaky server and replays every retry policy on the same
//! demand and the same faults.

pub mod bucket;
pub mod call;
pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
pub mod client;
pub mod decision;
pub mod distribution;
pub mod durable;
pub mod endpoint;
pub mod entry;
pub mod experiment;
pub mod fault;
pub mod flow;
pub mod gate;
pub mod hedge;
pub mod key;
#[cfg(feature = "live")]
pub mod live;
pub mod metrics;
pub mod mix;
pub mod protocol;
#[cfg(feature = "report")]
pub mod report;
pub mod retry;
pub mod rng;
pub mod scenario;
pub mod server;
pub mod sim;
pub mod size_class;
pub mod slab;
#[cfg(feature = "scenario-files")]
pub mod text;
pub mod units;
pub mod window;
