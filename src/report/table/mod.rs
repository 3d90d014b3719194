//! The comparison for a terminal: a table that fits, its marks explained, and the findings in words.

mod layout;
#[cfg(test)]
mod tests;
mod whisker;

use super::ReportInput;
use super::column::{Cells, Column};
use super::findings::{Finding, Findings};
use super::marks::{CHOSEN, Mark};
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

impl TableStyle {
    /// How numbers and names are written in it.
    pub fn notation(self) -> Notation {
        if self.unicode { Notation::TERMINAL } else { Notation::ASCII }
    }
}

/// From this width on there is room for the whisker.
const WIDE: usize = 117;
/// Prose is never set wider than this: longer lines are hard to read.
const PROSE: usize = 100;
/// Where prose begins, right of its label.
const INDENT: usize = 15;

/// The whole text, with a line end at its end.
pub fn table(input: &ReportInput, style: TableStyle) -> String {
    let notation = style.notation();
    let findings = Findings::new(input, notation);
    let cells = Cells::new(input.comparison, findings.recovered.as_deref(), notation).of(input.decision);
    let baseline = &findings.names[input.comparison.baseline];
    let mut lines = vec![input.title(), format!("{}, baseline {baseline}", input.facts())];
    let own: Vec<&str> = input.in_own_worlds().into_iter().map(|policy| findings.names[policy].as_str()).collect();
    if !own.is_empty() {
        lines.extend(wrapped(&format!("in a changed world: {}", own.join(", ")), style.width));
    }
    let left_out = input.left_out();
    if !left_out.is_empty() {
        lines.extend(wrapped(&format!("left out: {}", left_out.join(", ")), style.width));
    }
    lines.push(String::new());
    let prose_width = style.width.clamp(INDENT + 25, PROSE);
    lines.extend(prose(&findings.lead, prose_width));
    lines.push(String::new());
    let (blocks, dropped) = fitting(input, &findings, &cells, style);
    lines.extend(aligned(&findings, &blocks, style));
    lines.push(String::new());
    lines.extend(legend(input, &findings, &blocks, &dropped, style));
    lines.extend(prose(&findings.found, prose_width));
    lines.extend(expected(&expectations::lines(input, &findings.names, notation), style));
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The columns that fit, and those that do not: what matters least is left out first; what went wrong, success and the peak stay.
fn fitting(input: &ReportInput, findings: &Findings, cells: &Cells, style: TableStyle) -> (Vec<Block>, Vec<Column>) {
    let number = |column| Block::number(column, input, findings, cells);
    let columns = Column::shown(input, findings.recovered.as_deref());
    let mut blocks: Vec<Block> = columns.iter().copied().map(number).collect();
    if style.width >= WIDE && style.unicode {
        let success = columns.iter().position(|column| *column == Column::Success).unwrap_or(0);
        blocks.insert(success + 1, whisker::block(input.comparison));
    }
    blocks.splice(0..0, findings.asked.as_ref().map(Block::asked));
    // What is the same in every row tells least.
    let weight = |column: Column| {
        let block = blocks.iter().find(|block| block.column == Some(column))?;
        let varies = block.cells.iter().any(|cell| cell.0 != block.cells[0].0);
        Some((column, varies, column.dropped()?))
    };
    let mut least: Vec<(Column, bool, u8)> = columns.iter().copied().filter_map(weight).collect();
    least.sort_by_key(|(_, varies, drop)| (*varies, *drop));
    let mut dropped = Vec::new();
    // The picture goes before any number.
    for column in std::iter::once(None).chain(least.into_iter().map(|(column, ..)| Some(column))) {
        if layout::width(findings, &blocks) > style.width {
            blocks.retain(|block| block.stays || block.column != column);
            dropped.extend(column);
        }
    }
    dropped.sort_unstable();
    (blocks, dropped)
}

/// What marks and short headings mean, as far as they occur, and what is not there.
fn legend(
    input: &ReportInput,
    findings: &Findings,
    blocks: &[Block],
    dropped: &[Column],
    style: TableStyle,
) -> Vec<String> {
    let columns: Vec<Column> = blocks.iter().filter_map(|block| block.column).collect();
    let marks =
        [(Mark::Best, "best"), (Mark::Worst, "worst"), (Mark::NoDifference, "no difference from the baseline shown")];
    let marks = marks
        .into_iter()
        .filter(|(mark, _)| findings.has(*mark, &columns))
        .map(|(mark, words)| format!("{} {words}", mark.symbol()));
    let chosen = findings.marks.has_choice().then(|| format!("{CHOSEN} choice"));
    let marks: Vec<String> = chosen.into_iter().chain(marks).collect();
    let heads = heads(input, findings, LatencyUnit::Seconds);
    let mut words: Vec<String> = columns.iter().filter_map(|column| heads.legend(*column)).collect();
    let told = |of: &Recovered| of.of == input.comparison.replications as usize;
    if columns.iter().any(|column| column.counts_runs()) && !findings.recovered.iter().flatten().all(told) {
        words.push(
            "runs are left out in which that cannot be told: little demand or success before, or too much demand after"
                .to_owned(),
        );
    }
    words.extend(not_compared(input, &columns));
    let mut lines = Vec::new();
    if !marks.is_empty() {
        words.insert(0, marks.join(", "));
    }
    if !words.is_empty() {
        lines.extend(wrapped(&words.join("; "), style.width));
    }
    if !findings.rules.is_empty() {
        lines.extend(wrapped(&findings.rules.join(". "), style.width));
    }
    if !dropped.is_empty() {
        let names: Vec<String> = dropped.iter().map(|column| heads.terminal(*column)).collect();
        lines.extend(wrapped(&format!("Not in this width: {}", names.join(", ")), style.width));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// Why nobody is best or worst in a quantile that is shown.
fn not_compared(input: &ReportInput, columns: &[Column]) -> Option<String> {
    let judged: Vec<_> = input.decision.groups.iter().filter(|group| !group.ranks.is_empty()).collect();
    let open =
        |column: &&Column| column.is_latency() && judged.iter().all(|group| group.rank(column.criterion()).is_none());
    columns.iter().find(open).filter(|_| !judged.is_empty())?;
    Some("not compared: fewer than 20 operations lie beyond it in a run".to_owned())
}

/// The findings, each with its label at the left.
fn prose(findings: &[Finding], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in findings {
        for (index, line) in wrapped(&finding.text, width - INDENT).into_iter().enumerate() {
            lines.push(format!("{:<INDENT$}{line}", if index == 0 { finding.topic.label() } else { "" }));
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
    let margins = column(&|line| line.margin_in_words());
    let columns = [&whats, &limits, &results, &margins];
    let width =
        STATUS + columns.iter().map(|column| column[0].chars().count()).sum::<usize>() + 2 * (columns.len() - 1);
    let between = if width <= style.width { "  ".to_owned() } else { format!("\n{:STATUS$}", "") };
    let tally = expectations::tally(lines);
    let mut text = vec![String::new(), format!("{:<INDENT$}{tally}; last, the margin", "Expectations")];
    for (index, line) in lines.iter().enumerate() {
        let (status, colour) = if line.met { ("  met      ", GREEN) } else { ("  NOT MET  ", RED) };
        let status = painted(status, colour, style.colour);
        let row = format!(
            "{status}{}  {}{between}{}  {}",
            whats[index],
            limits[index],
            results[index],
            margins[index].trim_end()
        );
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
