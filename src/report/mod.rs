//! Results on paper: the terminal's table, `summary.json`, `summary.csv`, `timeline.csv`, charts and the page.
//!
//! A report reads plain results and returns bytes. It opens no file and asks no clock, so that the same results always give the same report.

pub mod chart;
pub mod column;
mod csv;
mod decision;
mod escape;
pub mod expectations;
pub mod findings;
#[cfg(test)]
mod fixture;
mod json;
mod markdown;
pub mod marks;
pub mod name;
pub mod number;
pub mod page;
pub mod recovery;
mod refusal;
pub mod story;
mod table;
mod timeline;

pub use csv::csv;
pub use findings::why;
pub use json::{json, seen};
pub use markdown::markdown;
pub use table::{TableStyle, table};
pub use timeline::timeline;

use crate::decision::Decision;
use crate::experiment::{Comparison, Incident};
use crate::scenario::{Scenario, Scene};

/// What a report is made from.
#[derive(Clone, Copy)]
pub struct ReportInput<'a> {
    /// The results.
    pub comparison: &'a Comparison,
    /// What they show.
    pub decision: &'a Decision,
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
    /// Single operations that went wrong, to be drawn.
    pub incidents: &'a [Incident],
    /// Draw charts into files too.
    pub charts: bool,
}

impl ReportInput<'_> {
    /// The scenario's title, or the name of its file; harmless.
    pub fn title(&self) -> String {
        let title = name::harmless(&self.scenario.frame.title);
        if title.is_empty() { name::harmless(self.name) } else { title }
    }

    /// What the policy in this row met: its own world, if it has one.
    pub fn scene_of(&self, policy: usize) -> Scene<'_> {
        self.scenario.of(self.comparison.policies[policy].slot)
    }

    /// Names of the scenario's policies that were not run; harmless.
    pub fn left_out(&self) -> Vec<String> {
        let ran = |slot: usize| self.comparison.policies.iter().any(|policy| policy.slot == slot);
        let all = self.scenario.policies.iter().enumerate();
        all.filter(|(slot, _)| !ran(*slot)).map(|(_, policy)| name::harmless(&policy.name)).collect()
    }

    /// Rows that ran in a world of their own.
    pub fn in_own_worlds(&self) -> Vec<usize> {
        let own = |policy: &usize| self.scenario.has_own_world(self.comparison.policies[*policy].slot);
        (0..self.comparison.policies.len()).filter(own).collect()
    }

    /// "9 policies, 10 replications, seed 7"; "2 of 9 policies" if some were left out.
    pub fn facts(&self) -> String {
        let count = |n: usize, one: &str, many: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {many}") };
        let (own, all) = (self.comparison.policies.len(), self.scenario.policies.len());
        let policies = if own < all { format!("{own} of {all} policies") } else { count(own, "policy", "policies") };
        let replications = count(self.comparison.replications as usize, "replication", "replications");
        format!("{policies}, {replications}, seed {}", self.scenario.frame.seed)
    }
}

/// All files of a report but the manifest: path within its folder, and content.
pub fn render(input: &ReportInput) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        ("summary.json".to_owned(), json(input).into_bytes()),
        ("summary.csv".to_owned(), csv(input).into_bytes()),
        ("timeline.csv".to_owned(), timeline(input).into_bytes()),
        ("report.html".to_owned(), page::html(input).into_bytes()),
    ];
    if input.charts {
        files.extend(chart::files(input));
    }
    files
}
