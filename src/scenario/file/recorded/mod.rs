//! Files that a scenario names: values, instants and errors as they were recorded. Each is read once, whoever asks for it.

pub mod clock;
mod lines;
mod series;
#[cfg(test)]
mod tests;
mod trace;
mod values;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use toml::de::DeTable;

use super::Parts;
use super::diagnostic::Diagnostic;
use super::shape::distribution::{DistributionChoice, Recorded};
use super::shape::load::{ArrivalsChoice, Load};
use super::shape::recorded::{Column, Origin, SeriesTable, TraceTable};
use super::tree;
use crate::distribution::Empirical;
use crate::scenario::Series;
use crate::units::{SimTime, Span};
use clock::{Kind, Moment};

/// What reading may take, and who may stop it. Nothing in here changes a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Set by another thread: stop as soon as possible.
    pub interrupted: &'a AtomicBool,
    /// Bytes for what is kept of recorded files.
    pub memory: u64,
}

impl Default for Reading<'_> {
    /// Nobody stops it, and nothing is too much.
    fn default() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Reading { interrupted: &NEVER, memory: u64::MAX }
    }
}

/// Why a file was not read to its end.
#[derive(Debug)]
enum Halt {
    /// Something is wrong with it, at a key of the table that names it, or at `file`.
    Wrong { key: Option<&'static str>, problem: String },
    /// There is a code for what is wrong.
    Interrupted,
}

impl Halt {
    fn wrong(problem: String) -> Halt {
        Halt::Wrong { key: None, problem }
    }
}

/// Values are shown up to here: a line may be a megabyte long.
const MOST_SHOWN: usize = 60;

/// A text that stands in a file, short enough to read.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What has been read.
pub struct Shelf<'a> {
    folder: &'a Path,
    reading: Reading<'a>,
    /// Files with a hash of their content.
    pub files: Vec<(String, String)>,
    values: Vec<(String, Column, Arc<Empirical>)>,
    traces: Vec<(trace::Wanted, trace::Found)>,
    series: Vec<(series::Wanted, Arc<Series>)>,
    /// Bytes of all of it.
    bytes: u64,
}

impl<'a> Shelf<'a> {
    /// Nothing yet; files are found in `folder`.
    pub fn new(folder: &'a Path, reading: Reading<'a>) -> Shelf<'a> {
        let (files, values, traces, series) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Shelf { folder, reading, files, values, traces, series, bytes: 0 }
    }

    /// Reads every file that `parts` name and puts what is in it in place.
    pub fn fill(&mut self, parts: &mut Parts, root: &DeTable<'_>) -> Result<(), Vec<Diagnostic>> {
        let mut errors = Vec::new();
        for (keys, recorded) in distributions(parts) {
            let read = self.values(recorded);
            keep(read, &recorded.file, &keys, root, &mut errors);
        }
        let duration = parts.top.as_ref().map(|top| top.duration.span());
        let end = parts.top.as_ref().map(|top| top.duration.span() + top.drain.unwrap_or(top.duration.0).0);
        let (Some(duration), Some(end)) = (duration, end) else { return done(errors) };
        let mut clock = None;
        if let Some(ArrivalsChoice::Trace(table)) = parts.load.as_mut().map(|load| &mut load.arrivals) {
            let keys = ["load", "arrivals", "trace"].map(str::to_owned);
            let read = self.trace(table, duration).map(|origin| clock = origin);
            keep(read, &table.file, &keys, root, &mut errors);
        }
        for fault in &mut parts.faults {
            let Some(table) = &mut fault.table.words.series else { continue };
            let keys = ["fault", &fault.name, "series"].map(str::to_owned);
            let read = self.series(table, clock, SimTime::ZERO + end);
            keep(read, &table.file, &keys, root, &mut errors);
        }
        done(errors)
    }

    fn values(&mut self, recorded: &mut Recorded) -> Result<(), Halt> {
        let known = self.values.iter().find(|(file, column, _)| (file, column) == (&recorded.file, &recorded.column));
        if let Some((_, _, values)) = known {
            recorded.values = Some(Arc::clone(values));
            return Ok(());
        }
        let mut lines = lines::Lines::open(&self.folder.join(&recorded.file), self.reading)?;
        let read = values::read(&mut lines, &recorded.column, self.left())?;
        self.seen(&recorded.file, lines.hash(), size_of_val(&*read));
        let values = Arc::new(Empirical { file: recorded.file.clone(), values: read });
        self.values.push((recorded.file.clone(), recorded.column.clone(), Arc::clone(&values)));
        recorded.values = Some(values);
        Ok(())
    }

    /// Fills in the instants; the origin, if times are those of a clock.
    fn trace(&mut self, table: &mut TraceTable, duration: Span) -> Result<Option<i64>, Halt> {
        let wanted = trace::Wanted::new(table, duration);
        let known = self.traces.iter().position(|(other, _)| *other == wanted);
        let index = match known {
            Some(index) => index,
            None => {
                let mut lines = lines::Lines::open(&self.folder.join(&table.file), self.reading)?;
                let read = trace::read(&mut lines, &wanted, self.left())?;
                self.seen(&table.file, lines.hash(), size_of_val(&*read.trace.at));
                self.traces.push((wanted, read));
                self.traces.len() - 1
            }
        };
        let (_, read) = &self.traces[index];
        table.trace = Some(Arc::clone(&read.trace));
        Ok(read.clock)
    }

    fn series(&mut self, table: &mut SeriesTable, clock: Option<i64>, end: SimTime) -> Result<(), Halt> {
        let wanted = series::Wanted::new(table, clock, end);
        let series = match self.series.iter().find(|(other, _)| *other == wanted) {
            Some((_, series)) => Arc::clone(series),
            None => {
                let mut lines = lines::Lines::open(&self.folder.join(&table.file), self.reading)?;
                let series = Arc::new(series::read(&mut lines, &wanted, self.left())?);
                self.seen(&table.file, lines.hash(), 0);
                self.series.push((wanted, Arc::clone(&series)));
                series
            }
        };
        table.series = Some(series);
        Ok(())
    }

    fn left(&self) -> Room {
        Room { bytes: self.reading.memory.saturating_sub(self.bytes) }
    }

    fn seen(&mut self, file: &str, hash: u64, bytes: usize) {
        self.bytes += bytes as u64;
        if self.files.iter().all(|(other, _)| other != file) {
            self.files.push((file.to_owned(), format!("fnv1a64:{hash:016x}")));
        }
    }
}

/// Memory for what is kept of a file.
#[derive(Clone, Copy)]
struct Room {
    bytes: u64,
}

impl Room {
    /// An error if these do not fit. A list that grows moves, and is there twice for a moment.
    fn check<T>(self, kept: &Vec<T>) -> Result<(), Halt> {
        let grows = if kept.len() == kept.capacity() { 3 } else { 1 };
        let bytes = (kept.capacity() * size_of::<T>() * grows) as u64;
        if bytes <= self.bytes || kept.is_empty() {
            return Ok(());
        }
        let (count, mb) = (kept.len(), self.bytes / 1_000_000);
        Err(Halt::wrong(format!("more than {count} values are too many for the {mb} MB of memory there are")))
    }
}

fn done(errors: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Turns what is wrong with a file into an error at the key that is to blame. Nobody is told of an interruption here.
fn keep(read: Result<(), Halt>, file: &str, keys: &[String], root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    let (key, problem) = match read {
        Ok(()) => return,
        Err(Halt::Wrong { key, problem }) => (key.unwrap_or("file"), problem),
        Err(Halt::Interrupted) => ("file", "interrupted".to_owned()),
    };
    let path: Vec<&str> = keys.iter().map(String::as_str).chain([key]).collect();
    let title = format!("`{}` holds no recorded values", cut(file));
    errors.push(Diagnostic::error("recorded-values", title, tree::value_place(root, &path), problem));
}

/// Every distribution of recorded values in `parts`, with the path of the table that names it.
fn distributions(parts: &mut Parts) -> Vec<(Vec<String>, &mut Recorded)> {
    let mut all: Vec<(Vec<String>, &mut Recorded)> = Vec::new();
    let mut drawn: Vec<([&str; 3], &mut DistributionChoice)> = Vec::new();
    let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    if let Some(Load { arrivals, repeat, .. }) = &mut parts.load {
        if let ArrivalsChoice::Closed { think } = arrivals {
            let keys = ["load", "arrivals", "closed", "think", "empirical"];
            all.extend(think.recorded().into_iter().map(|recorded| (path(&keys), recorded)));
        }
        let keys = ["load", "repeat", "after", "empirical"];
        let again = repeat.iter_mut().flat_map(|repeat| repeat.after.0.recorded());
        all.extend(again.map(|recorded| (path(&keys), recorded)));
    }
    for server in &mut parts.servers {
        let words = &mut server.table.words;
        drawn.push((["server", &server.name, "service_time"], &mut words.service_time));
        drawn.push((["server", &server.name, "network"], &mut words.network));
        drawn.extend(words.max_wait.0.as_mut().map(|wait| (["server", &server.name, "max_wait"], wait)));
        for (status, hint) in &mut words.retry_after.0 {
            let keys = path(&["server", &server.name, "retry_after", &status.to_string(), "empirical"]);
            all.extend(hint.0.recorded().into_iter().map(|recorded| (keys.clone(), recorded)));
        }
    }
    for fault in &mut parts.faults {
        drawn.push((["fault", &fault.name, "added_latency"], &mut fault.table.words.added_latency));
    }
    for (keys, distribution) in drawn {
        let keys = path(&[keys[0], keys[1], keys[2], "empirical"]);
        all.extend(distribution.recorded().into_iter().map(|recorded| (keys.clone(), recorded)));
    }
    all
}

/// The times in a column, all of one kind.
struct Times {
    column: usize,
    origin: Option<Moment>,
    /// The kind of the first, and its line.
    kind: Option<(Kind, u64)>,
}

impl Times {
    fn new(column: usize, origin: Option<&Origin>) -> Times {
        Times { column, origin: origin.map(|origin| origin.moment), kind: None }
    }

    /// The time in the current record, in nanoseconds since 1970 or since the beginning; nothing for a header.
    fn read<R: std::io::Read>(&mut self, lines: &lines::Lines<R>) -> Result<Option<i64>, Halt> {
        let field = lines.field(self.column);
        let Some(Moment { kind, nanos }) = std::str::from_utf8(field).ok().and_then(Moment::parse) else {
            // A name does not begin like a number.
            let is_header =
                lines.is_first() && !field.first().is_some_and(|c| c.is_ascii_digit() || b"+-.".contains(c));
            return if is_header { Ok(None) } else { Err(no_value(lines, self.column, "a time")) };
        };
        let (first, line) = *self.kind.get_or_insert((kind, lines.line()));
        if first == kind {
            return Ok(Some(nanos));
        }
        let shown = cut(&lines.text(self.column));
        Err(Halt::wrong(format!(
            "line {}: `{shown}` is {kind}, and line {line} has {first}; all times of a file are of one kind",
            lines.line()
        )))
    }

    /// True if they are times of a clock, as far as is known.
    fn is_clock(&self) -> bool {
        self.kind.is_some_and(|(kind, _)| kind.is_clock())
    }

    /// The time at which the run begins; `None`: at the earliest of them.
    fn begin(&self) -> Option<i64> {
        self.origin.map(|origin| origin.nanos).or((!self.is_clock()).then_some(0))
    }

    /// True if they are times of a clock; an error if the origin is another kind of time.
    fn clock(&self) -> Result<bool, Halt> {
        let Some((kind, _)) = self.kind else { return Err(Halt::wrong("no line with a time".to_owned())) };
        match self.origin {
            Some(origin) if origin.kind.is_clock() != kind.is_clock() => {
                let problem = format!("is {}, and the file has {kind}", origin.kind);
                Err(Halt::Wrong { key: Some("origin"), problem })
            }
            _ => Ok(kind.is_clock()),
        }
    }
}

/// The current record has no `what` where one should stand.
fn no_value<R: std::io::Read>(lines: &lines::Lines<R>, column: usize, what: &str) -> Halt {
    let (line, text) = (lines.line(), lines.text(column));
    let shown = cut(&text);
    Halt::wrong(match () {
        () if text.is_empty() => format!("line {line}: nothing in column {}, where {what} should stand", column + 1),
        () if text.contains('\n') => {
            format!("line {line}: a quote (\") opens there and is closed some lines later")
        }
        () if text.contains(['[', ' ']) && text.contains("/20") => {
            format!("line {line}: `{shown}` is not {what}; if one is in it, give it a column of its own")
        }
        () => format!("line {line}: `{shown}` is not {what}"),
    })
}
