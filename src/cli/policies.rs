//! `simlab policies`: what there is, and what each does.

use std::fmt::Write;

use super::{Exit, print};
use crate::catalog::{Entry, Family, entries};
use crate::scenario::nearest;

/// Arguments of `policies`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names to explain; without any, all are listed
    names: Vec<String>,
}

/// Retries in an explanation's table.
const RETRIES: u32 = 8;

pub fn main(args: &Args) -> Exit {
    let entries = entries();
    if args.names.is_empty() {
        return print(&list(&entries));
    }
    let mut text = String::new();
    for (index, name) in args.names.iter().enumerate() {
        let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
            eprintln!("error: there is no backoff or gate `{name}`");
            if let Some(near) = nearest::nearest(name, entries.iter().map(|entry| entry.name)) {
                eprintln!("help: there is `{near}`");
            }
            eprintln!("help: `simlab policies` lists all");
            return Exit::Usage;
        };
        if index > 0 {
            text.push('\n');
        }
        explain(entry, &mut text);
    }
    print(&text)
}

fn list(entries: &[Entry]) -> String {
    let mut text = String::new();
    for family in [Family::Backoff, Family::Gate] {
        let _ = writeln!(text, "{}", family.heading());
        for entry in entries.iter().filter(|entry| entry.family == family) {
            let _ = writeln!(text, "  {:<20}  {}", entry.name, entry.summary);
        }
        text.push('\n');
    }
    text.push_str("`simlab policies NAME` explains one, with its delays and its source.\n");
    text
}

fn explain(entry: &Entry, text: &mut String) {
    let _ = writeln!(text, "{}: {}\n", entry.name, entry.summary);
    for (label, words) in [("rule", entry.rule), ("source", entry.source)] {
        let _ = writeln!(text, "{}", wrapped(label, words));
    }
    let _ = writeln!(text, "{:<8}{}", "example", entry.example);
    let rows = entry.delays(RETRIES);
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nDelay before each retry of the example, in seconds:\n");
    let _ = writeln!(text, "{:>5}  {:>9}  {:>9}  {:>9}  {:>11}", "retry", "min", "mean", "max", "mean so far");
    let mut total = 0.0;
    for row in rows {
        total += row.mean;
        let max = if row.max.is_finite() { format!("{:.3}", row.max) } else { "no limit".to_owned() };
        let _ = writeln!(text, "{:>5}  {:>9.3}  {:>9.3}  {max:>9}  {total:>11.3}", row.retry, row.min, row.mean);
    }
}

/// Words after a label, wrapped at 80 columns and indented.
fn wrapped(label: &str, words: &str) -> String {
    let mut text = format!("{label:<8}");
    let mut column = 8;
    for (index, word) in words.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > 80 {
            text.push_str("\n        ");
            column = 8;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text
}
