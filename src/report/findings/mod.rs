//! What the results say, in sentences made from numbers.
//!
//! A sentence never names a winner that the paired intervals do not separate from the others, and a cause only if a metric shows it.
//! What is not shown is called "no difference shown", never "equal".

mod careful;
mod costs;
mod separation;
mod success;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use super::ReportInput;
use super::column::{Cells, Column};
use super::contrast::{Contrasts, TwoGroups, two_groups};
use super::marks::{Marks, best_without_duplicates};
use super::name::fitted;
use super::number::{Notation, difference_decimals};
use super::recovery::{Recovered, recovered};
use crate::experiment::Comparison;
use crate::scenario::metric::Metric;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Who succeeded most often.
    Success,
    /// Who succeeded in time most often.
    InTime,
    /// Who made duplicates and phantom successes.
    Duplicates,
    /// Who did not come back after the fault.
    Recovery,
    /// Whose replications fall into two groups.
    Groups,
    /// Who loaded the servers most.
    Load,
    /// Who came back at once after the fault.
    Wave,
    /// Who did worse than the baseline.
    Worse,
}

impl Topic {
    /// One or a few words that stand before the finding.
    pub fn label(self) -> &'static str {
        match self {
            Topic::Success => "Success",
            Topic::InTime => "In time",
            Topic::Duplicates => "Duplicates",
            Topic::Recovery => "Recovery",
            Topic::Groups => "Two groups",
            Topic::Load => "Load",
            Topic::Wave => "Wave",
            Topic::Worse => "Worse than the baseline",
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

/// Findings as headings of figures, without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headings {
    /// Over success rates.
    pub success: String,
    /// Over attempts per operation.
    pub attempts: String,
    /// Over the load in time.
    pub load: String,
    /// Over duplicates and phantom successes.
    pub duplicates: String,
    /// Over latency and results.
    pub latency: String,
    /// Beside results; empty if there is nothing to say.
    pub results: String,
    /// Over the phase pictures.
    pub phase: String,
    /// Over differences to the baseline.
    pub forest: String,
}

/// All that is said about a comparison. Policies are indices into [`Comparison::policies`].
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// The policies' names, harmless and no longer than the notation allows. They still need HTML's escapes.
    pub names: Vec<String>,
    /// Who succeeded most often: the one with the highest mean and all that are not separated from it. Empty if that cannot be judged.
    pub top: Vec<usize>,
    /// The highest success rate among the policies that retry and made no duplicate.
    pub best_without_duplicates: Option<usize>,
    /// One to three sentences for whoever reads no further.
    pub verdict: Vec<String>,
    /// The verdict's sentence about who made no duplicates, if it has one.
    pub without_duplicates: Option<String>,
    /// What the winners cost, as a sentence's end: "a peak of 11.4× demand, 1,341 duplicates per 10,000 operations".
    pub costs: Option<String>,
    /// Further findings, in the order of their weight.
    pub found: Vec<Finding>,
    /// Pairs whose success rates the replications do not separate: "exponential from any policy but immediate".
    pub not_separable: Vec<String>,
    /// Sentences that belong to it: what is too small to see, and how many replications would help.
    pub hints: Vec<String>,
    /// Headings of figures.
    pub headings: Headings,
    /// Best, worst, no difference from the baseline.
    pub marks: Marks,
    /// Per policy; `None` if there was nothing to recover from.
    pub recovered: Option<Vec<Recovered>>,
    /// Per policy: its success rates fall into two groups.
    pub groups: Vec<Option<TwoGroups>>,
}

impl Findings {
    /// Reads the results and puts them into words.
    pub fn new(input: &ReportInput, notation: Notation) -> Findings {
        let facts = Facts::new(input, notation);
        let comparison = input.comparison;
        let judged = comparison.replications > 1 && comparison.policies.len() > 1;
        let mut found = Vec::new();
        let mut add = |topic: Topic, text: Option<String>| found.extend(text.map(|text| Finding { topic, text }));
        if judged {
            add(Topic::Success, facts.success());
            add(Topic::InTime, facts.in_time());
            add(Topic::Worse, facts.worse());
        }
        add(Topic::Recovery, facts.recovery());
        add(Topic::Groups, facts.two_groups());
        if judged {
            // Where the wave is what is looked at, the highest load may be that of the beginning, which no policy decides.
            match facts.wave() {
                Some(wave) => add(Topic::Wave, Some(wave)),
                None => add(Topic::Load, facts.load()),
            }
            add(Topic::Duplicates, facts.duplicates());
        }
        Findings {
            verdict: facts.verdict(),
            without_duplicates: if judged { facts.without_duplicates() } else { None },
            costs: if judged { facts.costs() } else { None },
            found,
            not_separable: if judged { facts.not_separable() } else { Vec::new() },
            hints: if judged { facts.hints() } else { Vec::new() },
            headings: facts.headings(judged),
            marks: Marks::of(comparison, facts.recovered.as_deref()),
            best_without_duplicates: facts.best_without_duplicates,
            top: facts.top,
            groups: facts.groups,
            recovered: facts.recovered,
            names: facts.names,
        }
    }

    /// The findings about `topic`, if there is something to say.
    pub fn about(&self, topic: Topic) -> Option<&str> {
        self.found.iter().find(|finding| finding.topic == topic).map(|finding| finding.text.as_str())
    }
}

/// A gap between two groups of replications that is worth a warning: one point, chosen here because less changes no decision.
const LEAST_GAP: f64 = 0.01;

/// What the sentences are made from.
struct Facts<'a> {
    input: &'a ReportInput<'a>,
    comparison: &'a Comparison,
    notation: Notation,
    names: Vec<String>,
    contrasts: Contrasts<'a>,
    cells: Cells<'a>,
    recovered: Option<Vec<Recovered>>,
    groups: Vec<Option<TwoGroups>>,
    all: Vec<usize>,
    top: Vec<usize>,
    /// The members of `top` that no policy outside of it surpasses in the mean: all of them, unless one has so wide an interval that it
    /// belongs to `top` from far below.
    core: Vec<usize>,
    best_without_duplicates: Option<usize>,
}

impl<'a> Facts<'a> {
    fn new(input: &'a ReportInput<'a>, notation: Notation) -> Facts<'a> {
        let comparison = input.comparison;
        let contrasts = Contrasts::new(comparison);
        let names: Vec<&str> = comparison.policies.iter().map(|policy| policy.name.as_str()).collect();
        let recovered = recovered(input);
        let all: Vec<usize> = (0..comparison.policies.len()).collect();
        let top = contrasts.extreme(Column::Success, &all, Ordering::Greater);
        Facts {
            input,
            comparison,
            notation,
            names: fitted(&names, &notation),
            contrasts,
            cells: Cells::new(comparison, recovered.as_deref(), notation),
            groups: comparison.policies.iter().map(|p| two_groups(&Column::Success.values(p), LEAST_GAP)).collect(),
            core: contrasts.unsurpassed(Column::Success, &all, &top, Ordering::Greater),
            top,
            best_without_duplicates: best_without_duplicates(comparison),
            recovered,
            all,
        }
    }

    fn baseline(&self) -> usize {
        self.comparison.baseline
    }

    fn name(&self, policy: usize) -> &str {
        &self.names[policy]
    }

    fn named(&self, policies: &[usize]) -> Vec<&str> {
        policies.iter().map(|policy| self.name(*policy)).collect()
    }

    fn mean(&self, policy: usize, column: Column) -> Option<f64> {
        self.contrasts.mean(policy, column)
    }

    /// "with 10 replications".
    fn with_replications(&self) -> String {
        format!("with {} replications", self.comparison.replications)
    }

    /// The mean of a column as in the table.
    fn cell(&self, policy: usize, column: Column) -> String {
        self.cells.text(policy, column)
    }

    /// The means of some policies from lowest to highest: "80.1–85.2%".
    fn span(&self, policies: &[usize], column: Column, unit: &str) -> String {
        let means = || policies.iter().filter_map(|policy| self.mean(*policy, column));
        let write = |value: f64| self.cells.number(column, value);
        let (low, high) = (means().fold(f64::INFINITY, f64::min), means().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = (write(low), write(high));
        if low == high {
            return high;
        }
        // The unit once, at the end.
        let low = if low.starts_with('<') { &low } else { low.strip_suffix(unit).unwrap_or(&low) };
        self.notation.interval(low, &high)
    }

    /// How far two success rates that differ lie apart.
    fn apart(&self, a: usize, b: usize) -> Apart {
        let n = &self.notation;
        let paired = self.contrasts.paired(a, b, Column::Success);
        let rate = |policy| self.mean(policy, Column::Success).unwrap_or(0.0);
        let decimals = difference_decimals(rate(a), rate(b));
        let (mean, ends) = (paired.mean.unwrap_or(0.0), paired.ci_low.zip(paired.ci_high));
        let (low, high) =
            ends.map_or((mean, mean), |(low, high)| (low.abs().min(high.abs()), low.abs().max(high.abs())));
        let zero = n.points(0.0, decimals);
        if n.points(high, decimals) == zero {
            // One significant digit.
            let digits = (1..9).find(|digits| n.points(mean, *digits) != n.points(0.0, *digits)).unwrap_or(9);
            return Apart {
                visible: false,
                text: format!("too small to see here ({} points)", n.points(mean, digits)),
            };
        }
        let mean = n.points(mean, decimals);
        let interval = n.around(&mean, &n.points(low, decimals), &n.points(high, decimals));
        Apart { visible: true, text: format!("{mean} points{interval}") }
    }

    /// The mean of a plain metric.
    fn metric(&self, policy: usize, metric: Metric) -> f64 {
        self.comparison.policies[policy].mean(metric).unwrap_or(0.0)
    }
}

/// How far two policies lie apart, in words.
struct Apart {
    /// False if both ends of the interval round to 0 in the table.
    visible: bool,
    /// "1.7 points (1.2–2.1)", or "too small to see here (0.02 points)".
    text: String,
}
