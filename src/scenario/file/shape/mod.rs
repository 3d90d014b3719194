//! The tables of a scenario file as serde sees them, with the contract's defaults. One file per table.
//!
//! Choices with parameters are externally tagged enums: `backoff.full-jitter = { … }`. Only those keep exact positions in errors.
//! Reading and writing go through the same types, so that what `show` prints is what is read.

pub mod backoff;
pub mod call;
pub mod custom;
pub mod decide;
pub mod distribution;
pub mod durable;
pub mod ejection;
pub mod expect;
pub mod fault;
pub mod gate;
pub mod hedge;
pub mod hint;
pub mod limits;
pub mod load;
pub mod mix;
pub mod policy;
pub mod recorded;
pub mod server;
pub mod top;
