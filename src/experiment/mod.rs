//! Scenario × policies × replications: runs them on threads and compares the results.

mod comparison;
mod example;
pub mod expectation;
#[cfg(test)]
pub(crate) mod fixture;
mod incident;
mod run;
mod warnings;

pub use comparison::{Band, Bands, Comparison, Estimate, Example, Measured, PolicyResult};
pub use incident::{Incident, TOLD_BYTES, incidents};
pub use run::{Failed, Need, Options, Progress, compare, memory_needed, run};
pub use warnings::{Warning, warnings};
