//! Backoffs, gates and presets in words and tables.

use std::fmt::Write;

use super::Subject;
use crate::catalog::{DelayRow, Entry};
use crate::scenario::file::preset::Preset;

/// What words have found: one is explained, several are listed.
pub fn all(found: &[(&str, Vec<&Subject>)]) -> String {
    let shown = |meant: &[&Subject]| if let [one] = meant { explain(one) } else { list(meant) };
    found.iter().map(|(_, meant)| shown(meant)).collect::<Vec<_>>().join("\n")
}

/// Some of them with a line each, by family.
fn list(subjects: &[&Subject]) -> String {
    let mut text = String::new();
    let longest = subjects.iter().map(|subject| subject.name().len()).max().unwrap_or(0);
    for (index, subject) in subjects.iter().enumerate() {
        let heading = subject.heading();
        if index == 0 || subjects[index - 1].heading() != heading {
            let gap = if index == 0 { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{heading}");
        }
        let _ = writeln!(text, "  {:<longest$}  {}{}", subject.name(), subject.summary(), mark(subject));
    }
    text.push_str("\n`simlab policies NAME` explains one, with its delays and its source.\n");
    text
}

/// One of them.
fn explain(subject: &Subject) -> String {
    let mut text = format!("{}: {}{}\n\n", subject.name(), subject.summary(), mark(subject));
    match subject {
        Subject::Entry(own) => entry(own, &mut text),
        Subject::Preset(own) => preset(subject, own, &mut text),
    }
    text
}

/// What stands behind the summary of a preset that its source does not say in full.
fn mark(subject: &Subject) -> &'static str {
    match subject {
        Subject::Preset(preset) if preset.unconfirmed.is_some() => " (unconfirmed)",
        _ => "",
    }
}

fn entry(entry: &Entry, text: &mut String) {
    for (label, words) in [("rule", entry.rule), ("source", entry.source)] {
        let _ = writeln!(text, "{}", wrapped(label, words));
    }
    let _ = writeln!(text, "{:<8}{}", "example", entry.example);
    let rows = entry.delays(super::RETRIES);
    if !rows.is_empty() {
        let _ = writeln!(text, "\nDelay before each retry of the example, in seconds:\n\n{}", table(&rows));
    }
}

fn preset(subject: &Subject, preset: &Preset, text: &mut String) {
    let retried = retried(preset);
    let gates = preset.gates();
    // What is not retried is still what a breaker counts.
    let retried_or_counted = if preset.retries() == Some(0) && !(gates.is_empty() && preset.hedge().is_none()) {
        "counted"
    } else {
        "retried"
    };
    let gates = if gates.is_empty() { "none".to_owned() } else { gates.join(", ") };
    let hedge = preset.hedge();
    for (label, words) in [
        ("family", &preset.family),
        ("source", &preset.source),
        ("version", &preset.version),
        (retried_or_counted, &retried),
        ("gates", &gates),
    ]
    .into_iter()
    .chain(hedge.as_ref().map(|hedge| ("hedge", hedge)))
    {
        let _ = writeln!(text, "{}", wrapped(label, words));
    }
    let keys: Vec<String> = preset.resolved.lines().map(|line| format!("  {line}\n")).collect();
    let _ = writeln!(text, "\nEvery key, as in a policy's table:\n\n{}", keys.concat());
    for (after, rows) in subject.ladders() {
        let _ = writeln!(text, "Delay before each retry{after}, in seconds:\n\n{}", table(&rows));
    }
    let _ = writeln!(text, "{}", paragraph(&total(preset)));
    for (label, words) in [
        ("Unconfirmed", preset.unconfirmed.as_deref()),
        ("Surprises", Some(preset.surprises.as_str())),
        ("Not modelled", preset.not_modelled.as_deref()),
    ] {
        if let Some(words) = words {
            let _ = writeln!(text, "\n{}", paragraph(&format!("{label}. {words}")));
        }
    }
}

/// What it retries, or counts as a failure.
fn retried(preset: &Preset) -> String {
    let always = words(&preset.resolved_json["retry_on"]);
    let idempotent = words(&preset.resolved_json["retry_on_idempotent"]);
    match (always.as_str(), idempotent.as_str()) {
        (_, "") => always,
        ("", _) => format!("{idempotent}; of GET, HEAD, PUT and DELETE only"),
        _ => format!("{always}; of GET, HEAD, PUT and DELETE also {idempotent}"),
    }
}

/// Words of a list.
fn words(list: &serde_json::Value) -> String {
    let words: Vec<&str> = list.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    words.join(", ")
}

/// How long a call waits in all.
fn total(preset: &Preset) -> String {
    let policy = &preset.policy;
    let mut said = match preset.total_wait() {
        Some(total) if total.retries == 0 && preset.hedge().is_some() => {
            "It retries nothing; what it sends beside a first attempt are hedges.".to_owned()
        }
        Some(total) if total.retries == 0 => "It makes one attempt, and waits for none.".to_owned(),
        Some(total) => {
            let retries = if total.retries == 1 { "1 retry".to_owned() } else { format!("{} retries", total.retries) };
            let decimals = if total.mean >= 1_000.0 { 1 } else { 3 };
            let most = match total.max {
                max if max.is_finite() => format!("{max:.decimals$} s at most"),
                _ => "without limit".to_owned(),
            };
            format!("Total wait of a call that fails, over {retries}: {:.decimals$} s on average, {most}.", total.mean)
        }
        None if policy.deadline.is_some() || policy.retry_for.is_some() => "Attempts are not limited.".to_owned(),
        None => "Attempts are not limited, and neither is the total wait.".to_owned(),
    };
    let times = |retries: u8| if retries == 1 { "1 retry".to_owned() } else { format!("{retries} retries") };
    let limits: Vec<String> =
        preset.limits().iter().map(|(outcomes, retries)| format!("{} after {outcomes}", times(*retries))).collect();
    if !limits.is_empty() {
        let _ = write!(said, " At most {}.", limits.join(", "));
    }
    if let Some((outcomes, retries)) = preset.free_retries() {
        let _ = write!(said, " Another {} after {outcomes}, at once, that does not count.", times(retries));
    }
    if let Some(limit) = preset.limit_on_time() {
        let _ = write!(said, " {limit}");
    }
    if let Some(deadline) = policy.deadline {
        let _ = write!(said, " A call ends at its deadline, {deadline} after it began.");
    }
    said
}

/// Delays by retry.
fn table(rows: &[DelayRow]) -> String {
    // Nobody counts the milliseconds of hours.
    let values =
        || rows.iter().flat_map(|row| [row.min, row.mean, row.max]).filter(|value| *value > 0.0 && value.is_finite());
    let are_long = values().all(|value| value >= 1.0) && values().any(|value| value >= 1_000.0);
    let decimals = if are_long { 1 } else { 3 };
    let number = |value: f64| if value.is_finite() { format!("{value:.decimals$}") } else { "no limit".to_owned() };
    let jitter = |value: f64| match value {
        0.0 => "none".to_owned(),
        value if value.is_finite() => format!("{value:.2}"),
        _ => "no limit".to_owned(),
    };
    let mut lines = vec![["retry", "min", "mean", "max", "mean so far", "jitter"].map(str::to_owned)];
    let mut total = 0.0;
    for row in rows {
        total += row.mean;
        let [min, mean, max, so_far] = [row.min, row.mean, row.max, total].map(number);
        lines.push([row.retry.to_string(), min, mean, max, so_far, jitter(row.effective_jitter())]);
    }
    let widths: Vec<usize> = [5, 9, 9, 9, 11, 6]
        .into_iter()
        .enumerate()
        .map(|(column, least)| lines.iter().map(|line| line[column].len()).fold(least, usize::max))
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  "));
    }
    text
}

/// Words after a label, wrapped at 80 columns and indented.
fn wrapped(label: &str, words: &str) -> String {
    format!("{label:<8}{}", lines(words, 72).join("\n        "))
}

/// Words wrapped at 80 columns.
fn paragraph(words: &str) -> String {
    lines(words, 80).join("\n")
}

fn lines(words: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= width) {
            Some(line) => *line = format!("{line} {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
