//! Scenario × policies × replications: runs them on threads and compares the results.

mod comparison;
mod example;
mod run;

pub use comparison::{Band, Bands, Comparison, Estimate, Example, Metric, PolicyResult};
pub use run::{Failed, Need, Options, Progress, memory_needed, run};
