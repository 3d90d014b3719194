//! The comparison as Markdown, for issues and pull requests.

use super::ReportInput;
use super::column::{Cells, Column};
use super::findings::Findings;
use super::marks::Mark;
use super::name::harmless;
use super::number::Notation;

/// The table and all findings.
pub fn markdown(input: &ReportInput) -> String {
    let notation = Notation::PAGE;
    let findings = Findings::new(input, notation);
    let cells = Cells::new(input.comparison, findings.recovered.as_deref(), notation);
    let baseline = escaped(&findings.names[input.comparison.baseline]);
    let mut text = format!("### {}\n\n{}, baseline {baseline}\n\n", escaped(&input.title()), input.facts());
    text.push_str(&table(input, &findings, &cells));
    for sentence in &findings.verdict {
        // A leading dash would begin a list.
        let dash = if sentence.starts_with('-') { "\\" } else { "" };
        text.push_str(&format!("\n{dash}{}", escaped(sentence)));
    }
    text.push('\n');
    let mut items: Vec<String> =
        findings.found.iter().map(|f| format!("- **{}.** {}\n", f.topic.label(), escaped(&f.text))).collect();
    if !findings.not_separable.is_empty() {
        let what = escaped(&findings.not_separable.join("; "));
        let n = input.comparison.replications;
        items.push(format!("- **No difference shown** with {n} replications: {what}.\n"));
    }
    items.extend(findings.hints.iter().map(|hint| format!("- {}\n", escaped(hint))));
    if !items.is_empty() {
        text.push('\n');
        text.extend(items);
    }
    text.push_str(&format!("\n`{}`\n", harmless(input.command).replace('`', "'")));
    text
}

fn table(input: &ReportInput, findings: &Findings, cells: &Cells) -> String {
    let shown = |column: &Column| *column != Column::Recovered || findings.recovered.is_some();
    let columns: Vec<Column> = Column::ALL.into_iter().filter(shown).collect();
    let baseline = escaped(&findings.names[input.comparison.baseline]);
    let heading = |column: Column| match column {
        Column::Success => "succeeded".to_owned(),
        Column::VersusBaseline => format!("vs {baseline}, points"),
        Column::Attempts => "attempts per operation".to_owned(),
        Column::Peak => "peak, × demand".to_owned(),
        Column::Duplicates => "duplicates per 10,000".to_owned(),
        Column::Phantom => "phantom per 10,000".to_owned(),
        Column::P99 => format!("p99, {}", cells.latency_unit().symbol()),
        Column::Recovered => "recovered".to_owned(),
    };
    let mut text = "| policy |".to_owned();
    columns.iter().for_each(|column| text.push_str(&format!(" {} |", heading(*column))));
    text.push_str("\n| :-- |");
    columns.iter().for_each(|_| text.push_str(" --: |"));
    text.push('\n');
    for (policy, name) in findings.names.iter().enumerate() {
        text.push_str(&format!("| {} |", escaped(name)));
        for column in &columns {
            let cell = escaped(&cells.text(policy, *column));
            text.push_str(&match findings.marks.at(policy, *column) {
                Some(Mark::Best) => format!(" **{cell}** ▲ |"),
                Some(Mark::Worst) => format!(" {cell} ▽ |"),
                Some(Mark::NoDifference) => format!(" {cell} ? |"),
                None => format!(" {cell} |"),
            });
        }
        text.push('\n');
    }
    let (best, worst) = (findings.marks.has(Mark::Best, &columns), findings.marks.has(Mark::Worst, &columns));
    let unclear = findings.marks.has(Mark::NoDifference, &columns);
    let legend = [(best, "▲ best"), (worst, "▽ worst"), (unclear, "? no difference from the baseline shown")];
    let legend: Vec<&str> = legend.into_iter().filter_map(|(used, words)| used.then_some(words)).collect();
    if !legend.is_empty() {
        text.push_str(&format!("\n{} (95%, paired)\n", legend.join(", ")));
    }
    text
}

/// Text whose characters mean themselves.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
