//! Columns of text: their widths, their alignment, and the colours of their marks.

use super::TableStyle;
use crate::report::ReportInput;
use crate::report::column::{Cells, Column};
use crate::report::findings::{Asked, Findings};
use crate::report::marks::{CHOSEN, Mark};
use crate::report::recovery::heads;

/// Between columns.
const GAP: &str = "  ";
/// A baseline with a longer name is called "baseline" in the heading.
const LONGEST_BASELINE: usize = 12;

/// A column of the table, beside the names.
pub(super) struct Block {
    /// What it shows; `None`: the whisker, or what was asked for first.
    pub column: Option<Column>,
    /// It stays whatever the width.
    pub stays: bool,
    /// Its heading.
    pub heading: String,
    /// A text and a mark per policy.
    pub cells: Vec<(String, Option<Mark>)>,
}

impl Block {
    /// A column of numbers.
    pub fn number(column: Column, input: &ReportInput, findings: &Findings, cells: &Cells) -> Block {
        let mut heads = heads(input, findings, cells.latency_unit());
        if heads.baseline.chars().count() > LONGEST_BASELINE {
            heads.baseline = "baseline";
        }
        let heading = heads.terminal(column);
        let cell = |policy: usize| {
            let mut text = cells.text(policy, column);
            if column.is_latency() && text.starts_with(|c: char| c.is_ascii_digit()) {
                text.push_str(cells.latency_unit().symbol());
            }
            (text, findings.marks.at(policy, column))
        };
        Block {
            column: Some(column),
            stays: column.dropped().is_none(),
            heading,
            cells: (0..findings.names.len()).map(cell).collect(),
        }
    }

    /// What the author asks for first.
    pub fn asked(asked: &Asked) -> Block {
        Block { column: None, stays: true, heading: asked.head.clone(), cells: asked.cells.clone() }
    }

    /// Columns with a mark keep a place for it in every row, so that digits stay below each other.
    fn place_for_mark(&self) -> usize {
        usize::from(self.cells.iter().any(|(_, mark)| mark.is_some()))
    }

    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|(text, _)| text.chars().count() + self.place_for_mark());
        cells.max().unwrap_or(0).max(self.heading.chars().count())
    }

    fn cell(&self, policy: usize, colour: bool) -> String {
        let (text, mark) = &self.cells[policy];
        let text = format!("{}{text}", " ".repeat(self.width() - self.place_for_mark() - text.chars().count()));
        let mark = match mark {
            Some(Mark::Best) => painted("*".to_owned(), GREEN, colour),
            Some(Mark::Worst) => painted("!".to_owned(), RED, colour),
            Some(Mark::NoDifference) => painted("?".to_owned(), DIM, colour),
            None => " ".repeat(self.place_for_mark()),
        };
        text + &mark
    }
}

pub(super) const GREEN: &str = "32";
pub(super) const RED: &str = "31";
const DIM: &str = "2";

/// `text` in a colour (ECMA-48, select graphic rendition).
pub(super) fn painted(text: impl Into<String>, code: &str, colour: bool) -> String {
    let text = text.into();
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text }
}

/// Before each name there is a place for the mark of the choice, if there is one.
fn place_for_choice(findings: &Findings) -> usize {
    2 * usize::from(findings.marks.has_choice())
}

fn name_width(findings: &Findings) -> usize {
    let names = findings.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    names.max("policy".len()) + place_for_choice(findings)
}

/// Width of the whole table.
pub(super) fn width(findings: &Findings, blocks: &[Block]) -> usize {
    name_width(findings) + blocks.iter().map(|block| GAP.len() + block.width()).sum::<usize>()
}

/// Heading, rule and a line per policy.
pub(super) fn aligned(findings: &Findings, blocks: &[Block], style: TableStyle) -> Vec<String> {
    let names_width = name_width(findings);
    let place = place_for_choice(findings);
    let mut heading = format!("{:<names_width$}", format!("{:place$}policy", ""));
    for block in blocks {
        heading.push_str(&format!("{GAP}{:>width$}", block.heading, width = block.width()));
    }
    let rule = if style.unicode { "─" } else { "-" };
    let mut lines = vec![heading, rule.repeat(width(findings, blocks))];
    for (policy, name) in findings.names.iter().enumerate() {
        let mark = if findings.marks.is_chosen(policy) {
            painted(format!("{CHOSEN} "), GREEN, style.colour)
        } else {
            " ".repeat(place)
        };
        let mut line = format!("{mark}{name:<width$}", width = names_width - place);
        for block in blocks {
            line.push_str(GAP);
            line.push_str(&block.cell(policy, style.colour));
        }
        lines.push(line);
    }
    lines
}
