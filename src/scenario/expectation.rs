//! What the author of a scenario expects of its results.

use super::metric::Measure;

/// One expectation. Compared with the mean over replications; a metric without a value does not meet it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Index of the policy; `None`: every policy.
    pub policy: Option<usize>,
    /// What is measured.
    pub measure: Measure,
    /// In the metric's unit.
    pub limit: Limit,
}

/// A bound of a number, itself included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Not less.
    AtLeast(f64),
    /// Not more.
    AtMost(f64),
}

impl Limit {
    /// The bound.
    pub fn value(self) -> f64 {
        match self {
            Limit::AtLeast(value) | Limit::AtMost(value) => value,
        }
    }

    /// How far `observed` lies on the good side of the bound; negative on the other side.
    pub fn margin(self, observed: f64) -> f64 {
        match self {
            Limit::AtLeast(least) => observed - least,
            Limit::AtMost(most) => most - observed,
        }
    }

    /// Its key in scenario files and in `summary.json`.
    pub fn key(self) -> &'static str {
        match self {
            Limit::AtLeast(_) => "at_least",
            Limit::AtMost(_) => "at_most",
        }
    }
}
