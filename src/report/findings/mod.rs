//! What the [decision](crate::decision) says, in sentences.
//!
//! Nothing else states a comparison. A sentence says of a pair what the decision knows of it, in its five words or in their sense; all others give figures. No
//! sentence names a cause: what would have come without something is known only where that was tried.

mod choice;
mod headings;
#[cfg(test)]
mod tests;
mod told;
mod values;
mod why;

pub use headings::Headings;
pub use why::why;

use super::ReportInput;
use super::column::{Cells, Column};
use super::marks::{Mark, Marks};
use super::name::{fitted, harmless, list};
use super::number::Notation;
use super::recovery::{Recovered, recovered};
use crate::decision::{Decision, Group};
use crate::experiment::Comparison;
use crate::scenario::metric::Metric;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Whom the next findings are about, where not all are choices between each other.
    Among,
    /// Who should be shipped, and why.
    Choice,
    /// What the choice costs.
    Price,
    /// What else could be shipped.
    Alternatives,
    /// What retrying costs where it gains nothing.
    Nothing,
    /// What is not shown.
    NotShown,
    /// Who is worse than the choice in something and better in nothing.
    Beaten,
    /// Who misses what is expected, or may.
    Expected,
    /// Who came back after what ended, and how high the wave was.
    Recovery,
    /// Who loads the servers most and least.
    Load,
    /// Who makes duplicates and phantom successes.
    Duplicates,
    /// What durable queues make good, and when.
    Queues,
    /// What goes wrong with the members of mixes.
    Mixes,
    /// What servers and gates refused.
    Refused,
    /// Whose runs fall into two groups.
    Groups,
}

impl Topic {
    /// One or two words that stand before the finding.
    pub fn label(self) -> &'static str {
        match self {
            Topic::Among => "Among",
            Topic::Choice => "Choice",
            Topic::Price => "Price",
            Topic::Alternatives => "Or",
            Topic::Nothing => "For nothing",
            Topic::NotShown => "Not shown",
            Topic::Beaten => "Beaten",
            Topic::Expected => "Expected",
            Topic::Recovery => "Recovery",
            Topic::Load => "Load",
            Topic::Duplicates => "Duplicates",
            Topic::Queues => "Queues",
            Topic::Mixes => "Mixes",
            Topic::Refused => "Refused",
            Topic::Groups => "Two groups",
        }
    }
}

/// A finding: one or more whole sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub topic: Topic,
    /// In words.
    pub text: String,
}

impl Finding {
    /// The text as a paragraph of its own: with a capital, unless it begins with whom it is about.
    pub fn sentence(&self) -> String {
        if matches!(self.topic, Topic::Among | Topic::Choice | Topic::Alternatives | Topic::Beaten) {
            return self.text.clone();
        }
        let mut chars = self.text.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    }
}

/// What the author asks for first, where no column shows it: a column of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The criterion's name.
    pub head: String,
    /// A value and a mark per policy.
    pub cells: Vec<(String, Option<Mark>)>,
}

/// All that is said about a comparison. Policies are indices into [`Comparison::policies`].
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// The policies' names, harmless and no longer than the notation allows. They still need HTML's escapes.
    pub names: Vec<String>,
    /// For whoever reads no further: the choice with its price, what else could be shipped, what is not shown.
    pub lead: Vec<Finding>,
    /// Further findings.
    pub found: Vec<Finding>,
    /// What the author asks for first, if no column shows it.
    pub asked: Option<Asked>,
    /// What margins and marks mean here.
    pub rules: Vec<String>,
    /// Headings of figures.
    pub headings: Headings,
    /// Best and worst of columns, the choice, no difference from the baseline.
    pub marks: Marks,
    /// Per policy; `None` if there was nothing to recover from.
    pub recovered: Option<Vec<Recovered>>,
}

impl Findings {
    /// Puts the decision into words.
    pub fn new(input: &ReportInput, notation: Notation) -> Findings {
        let facts = Facts::new(input, notation);
        let (mut lead, mut found) = (Vec::new(), Vec::new());
        for group in &input.decision.groups {
            let mut add = |topic: Topic, text: Option<String>| lead.extend(text.map(|text| Finding { topic, text }));
            add(Topic::Among, facts.among(group));
            add(Topic::Choice, Some(facts.headline(group)));
            add(Topic::Price, facts.price(group));
            add(Topic::Alternatives, facts.alternatives(group));
            add(Topic::Nothing, facts.for_nothing(group));
            add(Topic::NotShown, facts.not_shown(group));
        }
        lead.extend(facts.expected().map(|text| Finding { topic: Topic::Expected, text }));
        let mut add = |topic: Topic, text: Option<String>| found.extend(text.map(|text| Finding { topic, text }));
        for group in &input.decision.groups {
            add(Topic::Beaten, facts.beaten(group).map(|text| facts.of_group(group, text)));
        }
        add(Topic::Recovery, facts.recovery());
        for group in &input.decision.groups {
            add(Topic::Load, facts.load(group).map(|text| facts.of_group(group, text)));
        }
        add(Topic::Duplicates, facts.duplicates());
        add(Topic::Queues, facts.queues());
        add(Topic::Mixes, facts.mixes());
        add(Topic::Refused, facts.refused());
        add(Topic::Groups, facts.two_groups());
        Findings {
            lead,
            found,
            asked: facts.asked(),
            rules: facts.rules(),
            headings: facts.headings(),
            marks: Marks::of(input.decision, &facts.cells),
            recovered: facts.recovered,
            names: fitted(
                &input.comparison.policies.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>(),
                &notation,
            ),
        }
    }

    /// True if some cell of `columns`, or of what was asked for first, has this mark.
    pub fn has(&self, mark: Mark, columns: &[Column]) -> bool {
        let asked = self.asked.iter().flat_map(|asked| &asked.cells);
        self.marks.has(mark, columns) || asked.into_iter().any(|(_, own)| *own == Some(mark))
    }

    /// All findings about `topic`.
    pub fn about(&self, topic: Topic) -> impl Iterator<Item = &str> {
        let all = self.lead.iter().chain(&self.found);
        all.filter(move |finding| finding.topic == topic).map(|finding| finding.text.as_str())
    }
}

/// What the sentences are made from.
struct Facts<'a> {
    input: &'a ReportInput<'a>,
    comparison: &'a Comparison,
    decision: &'a Decision,
    notation: Notation,
    /// Harmless and whole.
    names: Vec<String>,
    cells: Cells<'a>,
    recovered: Option<Vec<Recovered>>,
}

/// Names in a list; of more the number of the rest.
const MOST_NAMES: usize = 6;

impl<'a> Facts<'a> {
    fn new(input: &'a ReportInput<'a>, notation: Notation) -> Facts<'a> {
        let names: Vec<&str> = input.comparison.policies.iter().map(|policy| policy.name.as_str()).collect();
        let recovered = recovered(input);
        Facts {
            input,
            comparison: input.comparison,
            decision: input.decision,
            notation,
            // In sentences nothing is cut: whoever reads them wants to know whom they are about.
            names: names.iter().map(|name| harmless(name)).collect(),
            cells: Cells::new(input.comparison, recovered.as_deref(), notation).of(input.decision),
            recovered,
        }
    }

    fn name(&self, policy: usize) -> &str {
        &self.names[policy]
    }

    fn named(&self, policies: &[usize]) -> Vec<&str> {
        policies.iter().map(|policy| self.name(*policy)).collect()
    }

    /// "a, b and c"; of very many the first, and how many more.
    fn list(&self, policies: &[usize]) -> String {
        if policies.len() <= MOST_NAMES + 1 {
            return list(&self.named(policies), "and");
        }
        format!("{} and {} more", self.named(&policies[..MOST_NAMES]).join(", "), policies.len() - MOST_NAMES)
    }

    fn mean(&self, policy: usize, metric: Metric) -> Option<f64> {
        self.comparison.policies[policy].mean(metric)
    }

    fn asked(&self) -> Option<Asked> {
        let criterion = *self.input.scenario.decide.order.first()?;
        let columns = Column::shown(self.input, self.recovered.as_deref());
        if columns.iter().any(|column| column.criterion() == criterion) {
            return None;
        }
        let cell = |policy: usize| {
            let rank = self.decision.group_of(policy).rank(criterion);
            let mark = rank.and_then(|rank| match policy {
                policy if rank.best.contains(&policy) => Some(Mark::Best),
                policy if rank.worst.contains(&policy) => Some(Mark::Worst),
                _ => None,
            });
            (self.value(criterion, policy), mark)
        };
        let cells = (0..self.comparison.policies.len()).map(cell).collect();
        Some(Asked { head: harmless(&criterion.name(&self.input.scenario.names())), cells })
    }

    /// "4 runs".
    fn runs(&self, runs: usize) -> String {
        if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") }
    }

    /// Where there are several groups, who is in this one, and what is another world for them.
    fn among(&self, group: &Group) -> Option<String> {
        if self.decision.groups.len() < 2 {
            return None;
        }
        let changed = self.changes(group);
        let changed =
            if changed.is_empty() { String::new() } else { format!(" (with another {})", list(&changed, "and")) };
        Some(format!("{}{changed}", list(&self.named(&group.policies), "and")))
    }

    /// The same in short before a sentence that stands alone.
    fn of_group(&self, group: &Group, text: String) -> String {
        match (self.decision.groups.len(), &group.policies[..]) {
            (0 | 1, _) => text,
            (_, [only]) => format!("{}: {text}", self.name(*only)),
            (_, policies) => format!("among {} and {} more: {text}", self.name(policies[0]), policies.len() - 1),
        }
    }

    /// Which keys of the world are others in a group than in the file: what its first row's `with` says.
    fn changes(&self, group: &Group) -> Vec<String> {
        let name = &self.comparison.policies[group.policies[0]].name;
        let with = self.input.resolved_json.get("policy").and_then(|all| all.get(name)?.get("with"));
        let mut paths = Vec::new();
        if let Some(with) = with {
            paths_of(with, String::new(), 0, &mut paths);
        }
        paths
    }
}

/// Paths of a `with` down to the key: "load.arrivals", "server.db.workers".
fn paths_of(value: &serde_json::Value, path: String, depth: usize, paths: &mut Vec<String>) {
    let deepest = if path.starts_with("load") { 2 } else { 3 };
    match value.as_object() {
        Some(table) if depth < deepest => {
            for (key, inner) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                paths_of(inner, path, depth + 1, paths);
            }
        }
        _ => paths.push(path),
    }
}
