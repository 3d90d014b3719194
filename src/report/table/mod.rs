//! The comparison for a terminal: a table that fits, its marks explained, and the findings in words.

mod layout;
#[cfg(test)]
mod tests;
mod whisker;

use super::ReportInput;
use super::column::{Cells, Column};
use super::findings::{Findings, Topic};
use super::marks::Mark;
use super::number::{LatencyUnit, Notation};
use super::recovery::{Recovered, heads};
use crate::report::expectations::{self, Line};
use layout::{Block, GREEN, RED, aligned, painted};

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStyle {
    /// Columns.
    pub width: usize,
    /// Colours may be used; they only repeat what characters say.
    pub colour: bool,
    /// Characters beyond ASCII can be shown.
    pub unicode: bool,
}

/// From this width on there is room for the whisker, phantom successes and the latency.
const WIDE: usize = 117;
/// Prose is never set wider than this: longer lines are hard to read.
const PROSE: usize = 100;
/// Where prose begins, right of its label.
const INDENT: usize = 15;

/// The whole text, with a line end at its end.
pub fn table(input: &ReportInput, style: TableStyle) -> String {
    let notation = if style.unicode { Notation::TERMINAL } else { Notation::ASCII };
    let findings = Findings::new(input, notation);
    let cells = Cells::new(input.comparison, findings.recovered.as_deref(), notation);
    let baseline = &findings.names[input.comparison.baseline];
    let mut lines = vec![input.title(), format!("{}, baseline {baseline}", input.facts())];
    let own: Vec<&str> = input.in_own_worlds().into_iter().map(|policy| findings.names[policy].as_str()).collect();
    if !own.is_empty() {
        lines.extend(wrapped(&format!("in a changed world: {}", own.join(", ")), style.width));
    }
    lines.push(String::new());
    let blocks = fitting(input, &findings, &cells, style);
    lines.extend(aligned(&findings.names, &blocks, style));
    lines.push(String::new());
    lines.extend(legend(input, &findings, &blocks, style));
    lines.extend(prose(input, &findings, style.width.clamp(INDENT + 25, PROSE)));
    lines.extend(expected(&expectations::lines(input, &findings.names, notation), style));
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The columns that fit: what matters least is left out first; success, the difference and the peak stay.
fn fitting(input: &ReportInput, findings: &Findings, cells: &Cells, style: TableStyle) -> Vec<Block> {
    let wide = style.width >= WIDE;
    let shown = |column: &Column| wide || !matches!(column, Column::Phantom | Column::P99 | Column::InTime);
    let number = |column| Block::number(column, input, findings, cells);
    let columns = Column::shown(input.comparison, findings.recovered.as_deref());
    let mut blocks: Vec<Block> = columns.into_iter().filter(shown).map(number).collect();
    if wide && style.unicode {
        blocks.insert(1, whisker::block(input.comparison));
    }
    let mut least: Vec<Option<Column>> =
        Column::ALL.into_iter().filter(|column| column.dropped().is_some()).map(Some).collect();
    least.sort_by_key(|column| column.and_then(Column::dropped));
    // The picture goes before any number.
    for column in std::iter::once(None).chain(least) {
        if layout::width(&findings.names, &blocks) > style.width {
            blocks.retain(|block| block.column != column);
        }
    }
    blocks
}

/// What marks and short headings mean, as far as they occur.
fn legend(input: &ReportInput, findings: &Findings, blocks: &[Block], style: TableStyle) -> Vec<String> {
    let columns: Vec<Column> = blocks.iter().filter_map(|block| block.column).collect();
    let marks =
        [(Mark::Best, "best"), (Mark::Worst, "worst"), (Mark::NoDifference, "no difference from the baseline shown")];
    let marks: Vec<String> = marks
        .into_iter()
        .filter(|(mark, _)| findings.marks.has(*mark, &columns))
        .map(|(mark, words)| format!("{} {words}", mark.symbol()))
        .collect();
    let mut lines = Vec::new();
    if !marks.is_empty() {
        let line = format!("{} (95%, paired)", marks.join("  "));
        lines.extend(if line.chars().count() <= style.width {
            vec![line]
        } else {
            wrapped(&line.replace("  ", ", "), style.width)
        });
    }
    let heads = heads(input, findings, LatencyUnit::Seconds);
    let mut words: Vec<String> = columns.iter().filter_map(|column| heads.legend(*column)).collect();
    let told = |of: &Recovered| of.of == input.comparison.replications as usize;
    if columns.iter().any(|column| column.counts_runs()) && !findings.recovered.iter().flatten().all(told) {
        words.push(
            "runs are left out in which that cannot be told: little demand or success before, or too much demand after"
                .to_owned(),
        );
    }
    if !words.is_empty() {
        lines.extend(wrapped(&words.join("; "), style.width));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// The findings, each with its label at the left.
fn prose(input: &ReportInput, findings: &Findings, width: usize) -> Vec<String> {
    let judged = !findings.top.is_empty() && input.comparison.policies.len() > 1;
    let mut best = vec![findings.verdict[0].as_str()];
    if findings.top.len() > 1 || findings.top == [input.comparison.baseline] {
        best.extend(findings.without_duplicates.as_deref());
    }
    best.extend(findings.about(Topic::Success));
    let down = findings.recovered.iter().flatten().any(|recovered| recovered.down() > 0);
    let recovery = findings.about(Topic::Recovery).filter(|_| down);
    let careful: Vec<&str> = recovery.into_iter().chain(findings.about(Topic::Groups)).collect();
    let mut open = Vec::new();
    if !findings.not_separable.is_empty() {
        open.push(format!("{}.", findings.not_separable.join("; ")));
    }
    open.extend(findings.hints.iter().cloned());
    let paragraphs = [
        (if judged { "Best success" } else { "Result" }, best.join(" ")),
        ("It costs", findings.costs.as_ref().map(|costs| format!("{costs}.")).unwrap_or_default()),
        ("In time", findings.about(Topic::InTime).unwrap_or_default().to_owned()),
        ("Worse", findings.about(Topic::Worse).unwrap_or_default().to_owned()),
        ("Wave", findings.about(Topic::Wave).unwrap_or_default().to_owned()),
        ("Careful", careful.join(" ")),
        ("Not separable", open.join(" ")),
    ];
    let mut lines = Vec::new();
    for (label, text) in paragraphs.into_iter().filter(|(_, text)| !text.is_empty()) {
        for (index, line) in wrapped(&text, width - INDENT).into_iter().enumerate() {
            lines.push(format!("{:<INDENT$}{line}", if index == 0 { label } else { "" }));
        }
    }
    lines
}

/// What was expected: limits, results and margins below each other. Where they do not fit side by side, results stand below the limits.
fn expected(lines: &[Line], style: TableStyle) -> Vec<String> {
    const STATUS: usize = 11;
    if lines.is_empty() {
        return Vec::new();
    }
    let column = |of: &dyn Fn(&Line) -> String| -> Vec<String> {
        let texts: Vec<String> = lines.iter().map(of).collect();
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        texts.into_iter().map(|text| format!("{text:<width$}")).collect()
    };
    let whats = column(&|line| format!("{} of {}", line.metric, line.policy));
    let limits = column(&|line| line.limit.clone());
    let results = column(&|line| line.result());
    let margins = column(&|line| line.margin.clone());
    let columns = [&whats, &limits, &results, &margins];
    let width =
        STATUS + columns.iter().map(|column| column[0].chars().count()).sum::<usize>() + 2 * (columns.len() - 1);
    let between = if width <= style.width { "  ".to_owned() } else { format!("\n{:STATUS$}", "") };
    let tally = expectations::tally(lines);
    let mut text = vec![String::new(), format!("{:<INDENT$}{tally}; last, the margin", "Expectations")];
    for (index, line) in lines.iter().enumerate() {
        let (status, colour) = if line.met { ("  met      ", GREEN) } else { ("  NOT MET  ", RED) };
        let status = painted(status, colour, style.colour);
        let row = format!("{status}{}  {}{between}{}  {}", whats[index], limits[index], results[index], line.margin);
        text.extend(row.split('\n').map(str::to_owned));
    }
    text
}

/// Lines of at most `width` characters, broken at spaces; a longer word stands alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
