//! `simlab policies`: what there is, and what each does.

mod chart;
mod find;
mod json;
mod text;

use std::path::PathBuf;

use super::{Exit, print, say};
use crate::catalog::{self, DelayRow, Entry};
use crate::scenario::file::preset::{Preset, presets};
use crate::scenario::nearest;
use crate::text::cut;
use find::find;

/// Arguments of `policies`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names to explain. A part of names or of headings, as in polly or breaker, explains the one that has it, or lists several
    /// [default: list all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// What to print on stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Draw the delays of these names side by side instead, into a file that ends in .svg or .png
    #[arg(long, value_name = "FILE", requires = "names", conflicts_with = "format", value_parser = chart::file)]
    chart: Option<PathBuf>,
}

/// What to print on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Something that has a name here.
enum Subject {
    /// A backoff, a gate or a way to hedge.
    Entry(Box<Entry>),
    /// A production client's defaults.
    Preset(Box<Preset>),
}

/// Retries of a backoff that is no preset.
const RETRIES: u32 = 8;

impl Subject {
    fn name(&self) -> &'static str {
        match self {
            Subject::Entry(entry) => entry.name,
            Subject::Preset(preset) => preset.name,
        }
    }

    /// One line.
    fn summary(&self) -> &str {
        match self {
            Subject::Entry(entry) => entry.summary,
            Subject::Preset(preset) => &preset.summary,
        }
    }

    /// What it is listed with.
    fn family(&self) -> &str {
        match self {
            Subject::Entry(entry) => entry.family.heading(),
            Subject::Preset(preset) => &preset.family,
        }
    }

    /// What stands above it in the list.
    fn heading(&self) -> String {
        let kind = if matches!(self, Subject::Preset(_)) { "presets: " } else { "" };
        format!("{kind}{}", self.family())
    }

    /// The delays before retries; of a preset also those after outcomes that have their own. None of the others.
    fn delays(&self) -> Vec<(Option<String>, Vec<DelayRow>)> {
        match self {
            Subject::Entry(entry) => vec![(None, entry.delays(RETRIES))],
            Subject::Preset(preset) => preset.delays(),
        }
    }

    /// The same for people: each ladder once, with what it comes after: nothing, or " after timeout or 429".
    fn ladders(&self) -> Vec<(String, Vec<DelayRow>)> {
        let mut ladders: Vec<(String, Vec<DelayRow>)> = Vec::new();
        for (outcome, rows) in self.delays().into_iter().filter(|(_, rows)| !rows.is_empty()) {
            match (ladders.iter_mut().find(|(_, other)| *other == rows), outcome) {
                (_, None) => ladders.push((String::new(), rows)),
                (Some((after, _)), Some(outcome)) if !after.is_empty() => after.push_str(&format!(" or {outcome}")),
                (Some(_), Some(_)) => {}
                (None, Some(outcome)) => ladders.push((format!(" after {outcome}"), rows)),
            }
        }
        ladders
    }
}

/// All that there is, in the order of the list.
fn all() -> Vec<Subject> {
    let entries = catalog::entries().into_iter().map(|entry| Subject::Entry(Box::new(entry)));
    entries.chain(presets().into_iter().map(|preset| Subject::Preset(Box::new(preset)))).collect()
}

pub fn main(args: &Args) -> Exit {
    let all = all();
    let mut found = Vec::new();
    for word in &args.names {
        let meant = find(word, &all);
        if meant.is_empty() {
            return unknown(word, &all);
        }
        found.push((word.as_str(), meant));
    }
    for (word, meant) in &found {
        if let [one] = meant[..]
            && one.name() != *word
        {
            say::line(format_args!("`{}` is taken for `{}`", cut(word), one.name()));
        }
    }
    if found.is_empty() {
        found.push(("", all.iter().collect()));
    }
    match (&args.chart, args.format) {
        (Some(path), _) => chart::write(path, &found),
        (None, Format::Json) => print(&json::list(&distinct(found.into_iter().flat_map(|(_, meant)| meant)))),
        (None, Format::Table) => print(&text::all(&found)),
    }
}

/// Each once, in the order of their first mention.
fn distinct<'a>(subjects: impl Iterator<Item = &'a Subject>) -> Vec<&'a Subject> {
    let mut once: Vec<&Subject> = Vec::new();
    for subject in subjects {
        if once.iter().all(|other| other.name() != subject.name()) {
            once.push(subject);
        }
    }
    once
}

fn unknown(word: &str, subjects: &[Subject]) -> Exit {
    say::error(format_args!("there is no backoff, gate, hedge or preset `{}`", cut(word)));
    if let Some(near) = nearest::nearest(word, subjects.iter().map(Subject::name)) {
        say::help(format_args!("there is `{near}`"));
    }
    say::help("`simlab policies` lists all");
    Exit::Usage
}
