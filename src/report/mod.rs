//! Results on paper: the terminal's table, `summary.json`, `summary.csv`, `timeline.csv`, charts and the page.
//!
//! A report reads plain results and returns bytes. It opens no file and asks no clock, so that the same results always give the same report.

pub mod chart;
pub mod column;
pub mod contrast;
mod escape;
pub mod findings;
pub mod marks;
mod name;
pub mod number;
pub mod page;
pub mod recovery;

pub use name::{fitted, harmless};

use crate::experiment::Comparison;
use crate::scenario::Scenario;

/// What a report is made from.
#[derive(Clone, Copy)]
pub struct ReportInput<'a> {
    /// The results.
    pub comparison: &'a Comparison,
    /// The question.
    pub scenario: &'a Scenario,
    /// The scenario file's stem.
    pub name: &'a str,
    /// The scenario with every default filled in, as TOML that `run` accepts.
    pub resolved_toml: &'a str,
    /// The same as JSON.
    pub resolved_json: &'a serde_json::Value,
    /// Files the scenario refers to, with a hash of their content.
    pub files: &'a [(String, String)],
    /// The command that makes these results again.
    pub command: &'a str,
    /// Draw charts into files too.
    pub charts: bool,
}
