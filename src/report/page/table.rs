//! The comparison: a row for each policy.

use super::whisker::{scale, whisker};
use super::{N, Page};
use crate::report::column::{Cells, Column};
use crate::report::csv::field;
use crate::report::escape::escape;
use crate::report::marks::Mark;
use crate::report::number::difference_decimals;
use crate::report::recovery::heads;
use crate::scenario::metric::Metric;

/// A name with more characters than this has to break, or the first column would fill a phone.
const LONG: usize = 20;

impl Page<'_> {
    /// The section with the table.
    pub(super) fn table(&self) -> String {
        let comparison = self.input.comparison;
        let cells = Cells::new(comparison, self.findings.recovered.as_deref(), N).of(self.input.decision);
        let columns = Column::shown(self.input, self.findings.recovered.as_deref());
        let asked = self.findings.asked.iter();
        let asked =
            asked.map(|asked| format!("<th scope=\"col\">{}<small>asked for first</small></th>", escape(&asked.head)));
        let heads: String = asked.chain(columns.iter().map(|column| self.column_head(*column, &cells))).collect();
        let rows: String = (0..comparison.policies.len()).map(|policy| self.row(policy, &columns, &cells)).collect();
        let bars = match comparison.replications {
            1 => "Dots under the numbers are the values on the scale of their column",
            _ => "Bars under the numbers are 95% intervals over replications, each by itself",
        };
        format!(
            "<section id=\"table\"><h2>Comparison</h2>\n\
             <p class=\"cap\">Same demand and faults for every policy{but}. {bars}; the dashed tick is {baseline}.\
             <span class=\"swipe\"> Swipe the table sideways for more columns.</span></p>\n\
             <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Comparison table\"><table class=\"cmp\">\
             <caption class=\"vh\">Policies compared</caption>\n\
             <thead><tr><th scope=\"col\">Policy</th>{heads}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n\
             {legend}\
             <p class=\"note\">{elsewhere}All metrics of every run are in summary.csv and summary.json.</p></section>",
            baseline = self.baseline(),
            but = self.own_worlds().map_or_else(String::new, |own| format!(", but {}", escape(&own))),
            legend = self.legend(),
            elsewhere = elsewhere(&columns),
        )
    }

    fn column_head(&self, column: Column, cells: &Cells) -> String {
        let heads = heads(self.input, &self.findings, cells.latency_unit());
        let (name, unit) = heads.page(column);
        let (name, unit) = if column == Column::VersusBaseline {
            // A long name would make a tall head of a narrow column.
            let baseline = if heads.baseline.chars().count() > LONG { "baseline" } else { heads.baseline };
            (format!("vs {}", self.prose(baseline)), escape(&unit))
        } else {
            (escape(&name), escape(&unit))
        };
        format!("<th scope=\"col\">{name}<small>{unit}</small></th>")
    }

    fn row(&self, policy: usize, columns: &[Column], cells: &Cells) -> String {
        let is_baseline = policy == self.input.comparison.baseline;
        let note = match (is_baseline, self.findings.marks.is_chosen(policy)) {
            (true, true) => "<small>▶ choice, baseline</small>",
            (true, false) => "<small>baseline</small>",
            (false, true) => "<small>▶ choice</small>",
            (false, false) => "",
        };
        let cell = |column: &Column| match column {
            Column::VersusBaseline => self.difference_cell(policy),
            Column::Recovered => self.recovered_cell(policy),
            column => self.number_cell(policy, *column, cells),
        };
        let asked = self.findings.asked.iter().map(|asked| {
            let (text, mark) = &asked.cells[policy];
            let (class, mark) = marked(*mark);
            format!("<td{class}><b class=\"n\">{mark}{}</b></td>", escape(text))
        });
        let row: String = asked.chain(columns.iter().map(cell)).collect();
        let long = if self.findings.names[policy].chars().count() > LONG { " long" } else { "" };
        format!(
            "<tr class=\"{}\"><th scope=\"row\">{}<span class=\"name{long}\">{}</span>{note}</th>{row}</tr>\n",
            self.class(policy),
            self.key(policy),
            self.name(policy)
        )
    }

    fn number_cell(&self, policy: usize, column: Column, cells: &Cells) -> String {
        let comparison = self.input.comparison;
        let result = &comparison.policies[policy];
        let estimate = cells.estimate(policy, column);
        if column.never(result).is_some() {
            let (class, mark) = marked(self.findings.marks.at(policy, column));
            return format!("<td{class}><b class=\"n\">{mark}{}</b></td>", escape(&cells.text(policy, column)));
        }
        if estimate.mean.is_none() {
            return null(if column.is_latency() { "no operation succeeded" } else { "no operation was measured" });
        }
        // The unit stands in the column's head.
        let bare = |text: String| text.trim_end_matches(['%', '×']).to_owned();
        let (class, mark) = marked(self.findings.marks.at(policy, column));
        let baseline = column.estimate(&comparison.policies[comparison.baseline]).mean;
        let number = escape(&bare(cells.text(policy, column)));
        // The scale of a column is that of its metric, which knows no weights.
        let decide = &self.input.scenario.decide;
        let weighed = column == Column::Wrong
            && [decide.duplicate, decide.phantom, decide.lost_update, decide.half_done] != [1.0; 4];
        let picture =
            if weighed { String::new() } else { whisker(scale(comparison, column), estimate, baseline, result.slot) };
        let interval = estimate.ci_low.zip(estimate.ci_high).map(|(low, high)| {
            let write = |value: f64| escape(&bare(cells.number(column, value)));
            format!("<small class=\"vh\">95% interval {} to {}</small>", write(low.max(0.0)), write(high))
        });
        format!(
            "<td{class}{}><b class=\"n\">{mark}{number}</b>{}{}</td>",
            sorted_by(estimate.mean),
            picture,
            interval.unwrap_or_default()
        )
    }

    fn difference_cell(&self, policy: usize) -> String {
        let comparison = self.input.comparison;
        let baseline = self.input.decision.group_of(policy).baseline;
        if policy == baseline {
            return format!("<td{}><span class=\"mut\">reference</span></td>", sorted_by(Some(0.0)));
        }
        let of = |policy: usize| &comparison.policies[policy];
        let difference = Column::Success.difference(of(policy), of(baseline), 0.95);
        let Some(mean) = difference.mean else { return null("no operation was measured") };
        let rate = |policy: usize| comparison.policies[policy].mean(Metric::SuccessRate).unwrap_or(0.0);
        let decimals = difference_decimals(rate(policy), rate(baseline));
        let write = |value: f64| N.signed_points(value, decimals);
        let interval = difference
            .ci_low
            .zip(difference.ci_high)
            .map(|(low, high)| format!("<small class=\"iv\">{} … {}</small>", write(low), write(high)));
        let unseparated = self.findings.marks.at(policy, Column::VersusBaseline) == Some(Mark::NoDifference);
        let unseparated = if unseparated { "<small class=\"nsl\">no difference shown</small>" } else { "" };
        let (value, number) = (sorted_by(Some(mean)), write(mean));
        format!("<td{value}><b class=\"n\">{number}</b>{}{unseparated}</td>", interval.unwrap_or_default())
    }

    fn recovered_cell(&self, policy: usize) -> String {
        let recovered = self.findings.recovered.as_ref().map(|all| all[policy]);
        let Some(recovered) = recovered.filter(|recovered| recovered.of > 0) else {
            return null(NO_TELLING);
        };
        let (class, mark) = marked(self.findings.marks.at(policy, Column::Recovered));
        let class = if class.is_empty() && recovered.down() > 0 { " class=\"down\"" } else { class };
        let when = match recovered.slowest {
            Some(slowest) if slowest > 0.0 && recovered.of > 1 => {
                format!("<small>within {}</small>", N.length(slowest))
            }
            Some(slowest) if slowest > 0.0 => format!("<small>{}</small>", N.length(slowest)),
            Some(_) => "<small>at once</small>".to_owned(),
            None => String::new(),
        };
        // More runs are better, then less time; none of it is as much as one more run.
        let rank = recovered.runs as f64 + recovered.slowest.map_or(0.0, |slowest| 0.5 / (1.0 + slowest));
        let value = sorted_by(Some(rank));
        format!("<td{class}{value}><b class=\"n\">{mark}{} of {}</b>{when}</td>", recovered.runs, recovered.of)
    }

    /// What the marks mean, as far as they occur, and what the margins are.
    fn legend(&self) -> String {
        let marks = &self.findings.marks;
        let meanings = [
            (marks.has_choice(), "▶ the choice"),
            (
                self.findings.has(Mark::Best, &Column::ALL),
                "▲ the best mean of its column and those as good as it, where another is shown to be worse",
            ),
            (self.findings.has(Mark::Worst, &Column::ALL), "▽ the worst likewise"),
        ];
        let meanings: Vec<&str> = meanings.into_iter().filter_map(|(used, words)| used.then_some(words)).collect();
        let meanings = (!meanings.is_empty()).then(|| meanings.join("; "));
        let parts: Vec<String> = meanings.into_iter().chain(self.findings.rules.iter().cloned()).collect();
        if parts.is_empty() {
            return String::new();
        }
        format!("<p class=\"note\">{}.</p>", self.prose(&parts.join(". ")))
    }
}

/// What has no column here, and why.
fn elsewhere(columns: &[Column]) -> String {
    let mut text = String::new();
    if !columns.contains(&Column::Duplicates) {
        text.push_str("No operation has an effect that could be duplicated: no columns for that. ");
    }
    if !columns.contains(&Column::P99) {
        text.push_str("Quantiles of the latency stand <a href=\"#fig-latency\">below</a>. ");
    }
    text
}

/// Why there is no recovery to tell of.
const NO_TELLING: &str =
    "nothing to compare with: less than 95% success before, more demand than capacity after, or no operation there";

/// The value that a cell is sorted by, as in `summary.json`.
fn sorted_by(value: Option<f64>) -> String {
    let number = field(value);
    if number.is_empty() { number } else { format!(" data-v=\"{number}\"") }
}

/// The class of a cell and what stands before its number.
fn marked(mark: Option<Mark>) -> (&'static str, String) {
    match mark {
        Some(Mark::Best) => (" class=\"best\"", symbol('▲', "best, or as good as the best", "best")),
        Some(Mark::Worst) => (" class=\"worst\"", symbol('▽', "worst, or as good as the worst", "worst")),
        _ => ("", String::new()),
    }
}

fn symbol(symbol: char, title: &str, word: &str) -> String {
    format!("<i class=\"mk\" title=\"{title}\">{symbol}<span class=\"vh\"> {word} </span></i>")
}

/// A value that does not exist, and why.
fn null(reason: &str) -> String {
    format!("<td><span class=\"mut\" title=\"{reason}\">{}<span class=\"vh\"> ({reason})</span></span></td>", N.null)
}
