//! Scenario × policies × replications: runs them on threads and compares the results.

mod comparison;

pub use comparison::{Comparison, Estimate, Metric, PolicyResult};
