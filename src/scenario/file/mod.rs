//! Scenario files: TOML in, a [`Scenario`] or diagnostics out (`docs/CONTRACT.md`, section 3).
//!
//! A file is read in steps, each of which reports all it can: grammar, then the shape of every table, then what tables say about each other.

mod calls;
mod checks;
mod deciding;
mod diagnostic;
mod excerpt;
mod expectations;
mod explain;
mod going;
mod group;
pub(super) mod leaf;
mod measured;
mod mixes;
mod overrides;
pub mod preset;
mod queues;
mod recorded;
mod resolved;
mod schema;
mod shape;
mod source;
mod stores;
#[cfg(test)]
mod tests;
mod tree;
mod warnings;
mod world;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::decide::Decide;
use super::expectation::Expectation;
use super::metric::{Measure, Names};
use super::{Frame, Scenario, World};
pub use diagnostic::{Diagnostic, Severity, render_all};
use leaf::PositiveDuration;
pub use overrides::{BadPath, Overrides};
pub use recorded::Reading;
use recorded::Shelf;
use schema::form;
pub use schema::schema;
use shape::decide::DecideTable;
use shape::expect::{EVERY_POLICY, ExpectTable};
use shape::fault::FaultTable;
use shape::load::{Load, RepeatTable};
use shape::mix::MixTable;
use shape::policy::{PolicyTable, With};
use shape::server::Server;
use shape::top::{OperationTable, Top};
pub use source::Source;
use tree::Node;

use crate::text::printable;

/// A scenario that was read.
#[derive(Debug)]
pub struct Loaded {
    /// The question.
    pub scenario: Scenario,
    /// Things that are allowed, but may not mean what was meant.
    pub warnings: Vec<Diagnostic>,
    /// Warnings that it allows.
    pub allowed: Vec<Diagnostic>,
    /// Codes that it allows for nothing: a warning for who checks the file, and nobody else.
    pub unused: Vec<Diagnostic>,
    /// Where places in warnings are found.
    pub source: Source,
    /// Every default filled in, as TOML that is read again.
    pub resolved: String,
    /// The same as JSON.
    pub resolved_json: serde_json::Value,
    /// Files the scenario refers to, with a hash of their content.
    pub files: Vec<(String, String)>,
}

/// A scenario that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// `--set` names something that does not exist.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// Somebody did not want to wait for the end of a file.
    #[error("interrupted")]
    Interrupted,
    /// The scenario is invalid.
    #[error("{} in {}", count(.diagnostics), .text.path)]
    Invalid {
        /// The text that places refer to.
        text: Box<Source>,
        /// At least one error.
        diagnostics: Vec<Diagnostic>,
    },
}

fn count(diagnostics: &[Diagnostic]) -> String {
    match diagnostics.len() {
        1 => "1 error".to_owned(),
        n => format!("{n} errors"),
    }
}

impl LoadError {
    /// All of it, for people.
    pub fn render(&self, colour: bool) -> String {
        match self {
            LoadError::Invalid { text, diagnostics } => {
                render_all(diagnostics, text, colour)
                    + &format!("error: {}; nothing was run\n", printable(&self.to_string()))
            }
            // Who interrupted has been told.
            LoadError::Interrupted => String::new(),
            other => format!("error: {}\n", printable(&other.to_string())),
        }
    }
}

/// Largest file that is read: a scenario is written by people.
const MOST_BYTES: u64 = 16 << 20;

/// Reads the scenario in a file, with changes from the command line.
///
/// # Errors
/// Says what is wrong, all of it.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded, LoadError> {
    load_within(path, overrides, Reading::default())
}

/// The same within limits, for recorded files may be large.
///
/// # Errors
/// Says what is wrong, all of it, or that it was interrupted.
pub fn load_within(path: &Path, overrides: &Overrides, reading: Reading) -> Result<Loaded, LoadError> {
    let failed = |reason| LoadError::Io { path: path.to_owned(), reason };
    let bytes = read(path).map_err(failed)?;
    let shown = path.display().to_string();
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(&error.into_bytes()[..good]).into_owned();
            let diagnostic = Diagnostic::error(
                "not-text",
                "this is not a text file",
                good..good,
                format!("byte {good} is not UTF-8"),
            );
            return Err(LoadError::Invalid {
                text: Box::new(Source::new(&shown, text)),
                diagnostics: vec![diagnostic],
            });
        }
    };
    let stem = path.file_stem().map_or_else(|| "scenario".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    parse_within(Source::new(&shown, text), &stem, &folder, overrides, reading)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("larger than {} MiB; that is no scenario", MOST_BYTES >> 20)));
    }
    Ok(bytes)
}

/// Reads the scenario in a text. `stem` is its title unless it has one; files it names are found in `folder`.
///
/// # Errors
/// Says what is wrong, all of it.
pub fn parse(source: Source, stem: &str, folder: &Path, overrides: &Overrides) -> Result<Loaded, LoadError> {
    parse_within(source, stem, folder, overrides, Reading::default())
}

fn parse_within(
    mut source: Source,
    stem: &str,
    folder: &Path,
    overrides: &Overrides,
    reading: Reading,
) -> Result<Loaded, LoadError> {
    // A byte order mark is no content.
    if let Some(text) = source.text.strip_prefix('\u{feff}') {
        source.text = text.to_owned();
    }
    let text = source.text.clone();
    let assignments: Vec<(usize, String)> = overrides
        .set
        .iter()
        .map(|(path, value)| overrides::assignment(path, value))
        .map(|assignment| (source.add_assignment(&assignment), assignment))
        .collect();
    let invalid = |source: Source, mut diagnostics: Vec<Diagnostic>| {
        // What a file holds that was read in part is not known.
        if reading.interrupted.load(Ordering::Relaxed) {
            return LoadError::Interrupted;
        }
        diagnostics.sort_by_key(Diagnostic::start);
        LoadError::Invalid { text: Box::new(source), diagnostics }
    };
    let (parsed, errors) = DeTable::parse_recoverable(&text);
    if !errors.is_empty() {
        let diagnostics = errors.iter().map(explain::syntax).collect();
        return Err(invalid(source, diagnostics));
    }
    let mut root = parsed.into_inner();
    for ((path, value), (place, assignment)) in overrides.set.iter().zip(&assignments) {
        overrides::apply(&mut root, (*place, assignment), path, value)?;
    }
    let too_many = checks::too_many(&root);
    if !too_many.is_empty() {
        return Err(invalid(source, too_many));
    }
    let plain = root.clone();
    preset::fill(&mut root);
    let (mut parts, mut diagnostics) = Parts::read(&root);
    diagnostics.extend(checks::across(&parts, &root));
    let mut shelf = Shelf::new(folder, reading);
    diagnostics.extend(shelf.fill(&mut parts, &root).err().into_iter().flatten());
    let mut tables = match parts.whole() {
        Some(tables) if diagnostics.is_empty() => tables,
        _ => return Err(invalid(source, diagnostics)),
    };
    tables.top.seed.0 = overrides.seed.unwrap_or(tables.top.seed.0);
    if let Some(replications) = overrides.replications {
        tables.top.replications.0 = replications.into();
    }
    let worlds =
        match worlds(&world::Reader { root: &root, plain: &plain, source: &source, tables: &tables, stem }, &mut shelf)
        {
            Ok(worlds) => worlds,
            Err(errors) => return Err(invalid(source, errors)),
        };
    tables.resolve(stem);
    let mut scenario = tables.build();
    for (policy, read) in worlds {
        let row = tables.rows().iter().position(|row| *row == tables.policies[policy].name);
        scenario.policies[row.expect("only rows have worlds")] = read.row;
        tables.policies[policy].table.with = Some(With { resolved: read.resolved });
    }
    let mut errors: Vec<Diagnostic> = checks::of_scenario(&scenario, &root).into_iter().collect();
    errors.extend(expectations::of_scenario(&tables.expectations, &scenario, &root));
    if !errors.is_empty() {
        return Err(invalid(source, errors));
    }
    let (warnings, allowed) = warnings::allow::sort(warnings::all(&tables, &scenario, &root), &scenario.allow);
    let unused = warnings::allow::unused(&scenario.allow, &allowed, &root);
    let resolved_json = resolved::json(&tables);
    let resolved = resolved::toml(&resolved_json);
    let files = shelf.files;
    Ok(Loaded { scenario, warnings, allowed, unused, source, resolved, resolved_json, files })
}

/// The rows that have worlds of their own, with their places.
fn worlds(reader: &world::Reader, shelf: &mut Shelf) -> Result<Vec<(usize, world::Read)>, Vec<Diagnostic>> {
    let (mut worlds, mut errors) = (Vec::new(), Vec::new());
    for (index, policy) in reader.tables.policies.iter().enumerate() {
        match reader.read(policy, shelf) {
            Ok(read) => worlds.extend(read.map(|read| (index, read))),
            Err(of_policy) => errors.extend(of_policy),
        }
    }
    if errors.is_empty() { Ok(worlds) } else { Err(errors) }
}

/// A table with the name the file gives it.
#[derive(Clone, Debug)]
struct Named<T> {
    name: String,
    table: T,
}

/// All tables of a file.
#[derive(Clone, Debug)]
struct Tables {
    top: Top,
    load: Load,
    operation: OperationTable,
    servers: Vec<Named<Server>>,
    faults: Vec<Named<FaultTable>>,
    policies: Vec<Named<PolicyTable>>,
    mixes: Vec<Named<MixTable>>,
    /// If there is one.
    decide: Option<DecideTable>,
    expectations: Vec<ExpectTable>,
}

/// The tables of a file that could be read.
#[derive(Debug, Default)]
struct Parts {
    top: Option<Top>,
    load: Option<Load>,
    operation: Option<OperationTable>,
    servers: Vec<Named<Server>>,
    faults: Vec<Named<FaultTable>>,
    policies: Vec<Named<PolicyTable>>,
    mixes: Vec<Named<MixTable>>,
    decide: Option<DecideTable>,
    /// With their places in the list.
    expectations: Vec<(usize, ExpectTable)>,
}

impl Parts {
    /// Reads every table; each reports its own first error.
    fn read(root: &DeTable<'_>) -> (Parts, Vec<Diagnostic>) {
        let mut errors = Vec::new();
        let parts = Parts {
            top: keep(read_top(root), &mut errors),
            load: keep(read_table(root, "load"), &mut errors).flatten(),
            operation: keep(read_table(root, "operation").map(Option::unwrap_or_default), &mut errors),
            servers: read_named(root, "server", &mut errors, Server::read),
            faults: read_named(root, "fault", &mut errors, FaultTable::read),
            policies: read_named(root, "policy", &mut errors, |node| {
                PolicyTable::deserialize(ValueDeserializer::from(node))
            }),
            mixes: read_named(root, "mix", &mut errors, |node| MixTable::deserialize(ValueDeserializer::from(node))),
            decide: keep(read_table(root, "decide"), &mut errors).flatten(),
            expectations: read_list(root, "expect", &mut errors),
        };
        errors.extend(checks::missing_tables(root));
        (parts, errors)
    }

    /// All of it, if nothing is missing.
    fn whole(self) -> Option<Tables> {
        let Parts { top, load, operation, servers, faults, policies, mixes, decide, expectations } = self;
        let expectations = expectations.into_iter().map(|(_, table)| table).collect();
        let (top, load, operation) = (top?, load?, operation?);
        Some(Tables { top, load, operation, servers, faults, policies, mixes, decide, expectations })
    }
}

impl Tables {
    /// Fills in the defaults that depend on other tables.
    fn resolve(&mut self, stem: &str) {
        self.top.title.get_or_insert_with(|| stem.to_owned());
        self.top.drain.get_or_insert(self.top.duration.0);
        let first = self.rows()[0].to_owned();
        self.top.baseline.get_or_insert(first);
        self.resolve_calls();
        for fault in &mut self.faults {
            fault.table.words.server.get_or_insert_with(|| self.servers[0].name.clone());
            fault.table.resolve();
        }
        self.servers.iter_mut().for_each(|server| server.table.resolve());
        self.policies.iter_mut().for_each(|policy| policy.table.resolve());
    }

    /// As the engine knows it. The tables have been checked and resolved.
    fn build(&self) -> Scenario {
        let server = |name: &Option<String>| self.server(name.as_deref().unwrap_or_default());
        let baseline = self.top.baseline.as_deref().unwrap_or_default();
        let top = &self.top;
        let frame = Frame {
            title: top.title.clone().unwrap_or_default(),
            description: top.description.clone(),
            seed: top.seed.0,
            duration: top.duration.span(),
            drain: top.drain.unwrap_or(top.duration.0).0,
            warmup: top.warmup.0,
            replications: top.replications.0 as u32,
            baseline: self.rows().iter().position(|row| *row == baseline).expect("names have been checked"),
            slo: top.slo.0.map(PositiveDuration::span),
            peak_window: top.peak_window.span(),
            whole_way: false,
        };
        let world = World {
            clients: self.load.clients.get(),
            arrivals: self.load.arrivals.build(),
            recover_from: self.load.recover_from.0.map(PositiveDuration::span),
            repeat: self.load.repeat.as_ref().map(RepeatTable::build),
            contend: self.load.contend,
            crashes: self
                .load
                .crash
                .as_ref()
                .map(|crash| crash.build(|step| self.operation.step.position(step).expect("it has been checked"))),
            operation: self.build_operation(&self.operation),
            servers: self.build_servers(),
            faults: self.faults.iter().map(|f| f.table.build(&f.name, server(&f.table.words.server))).collect(),
        };
        Scenario {
            policies: self.build_rows(),
            decide: self.decide.as_ref().map(|table| self.decide(table, &world)).unwrap_or_default(),
            allow: top.allow.clone(),
            expectations: self.expectations.iter().map(|expected| self.expectation(expected, &world)).collect(),
            world: Arc::new(world),
            frame,
        }
    }

    /// What everything is called.
    fn names<'a>(&'a self, world: &'a World) -> Names<'a> {
        let mut members: Vec<&str> = Vec::new();
        for (member, _) in self.mixes.iter().flat_map(|mix| &mix.table.0) {
            if !members.contains(&member.as_str()) {
                members.push(member);
            }
        }
        Names { members, ..world.names() }
    }

    fn decide(&self, table: &DecideTable, world: &World) -> Decide {
        table.build(&self.rows(), &self.names(world))
    }

    fn expectation(&self, table: &ExpectTable, world: &World) -> Expectation {
        let policy = self.rows().iter().position(|row| *row == table.policy);
        assert!(policy.is_some() || table.policy == EVERY_POLICY, "names have been checked");
        let measure = Measure::parse(&table.metric, &self.names(world)).expect("names have been checked");
        table.build(policy, measure).expect("limits have been checked")
    }
}

fn keep<T>(result: Result<T, Diagnostic>, errors: &mut Vec<Diagnostic>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

fn read_top(root: &DeTable<'_>) -> Result<Top, Diagnostic> {
    let mut top = root.clone();
    let tables = form().tables();
    for table in &tables {
        top.remove(*table);
    }
    let node = Spanned::new(0..0, DeValue::Table(top));
    Top::deserialize(ValueDeserializer::from(node)).map_err(|error| explain::top(&error, &tables, root))
}

fn read_table<T: for<'de> Deserialize<'de>>(root: &DeTable<'_>, name: &str) -> Result<Option<T>, Diagnostic> {
    let Some(node) = root.get(name) else { return Ok(None) };
    explain::no_table(name, node).map_or(Ok(()), Err)?;
    T::deserialize(ValueDeserializer::from(node.clone()))
        .map(Some)
        .map_err(|error| explain::shape(&error, &[name], root))
}

fn read_named<T>(
    root: &DeTable<'_>,
    kind: &str,
    errors: &mut Vec<Diagnostic>,
    read: impl Fn(Node<'_>) -> Result<T, toml::de::Error>,
) -> Vec<Named<T>> {
    let Some(node) = root.get(kind) else { return Vec::new() };
    let Some(entries) = node.get_ref().as_table() else {
        let title = format!("`{kind}` is not a table");
        let fix = format!("write `[{kind}.NAME]`");
        errors.push(Diagnostic::error("wrong-type", title, node.span(), "must be a table of tables").help(fix));
        return Vec::new();
    };
    let mut named = Vec::new();
    for (key, node) in entries {
        let name = key.get_ref().to_string();
        if let Some(error) = checks::name(kind, &name, key.span()) {
            errors.push(error);
            continue;
        }
        if let Some(error) = explain::no_table(&format!("{kind}.{name}"), node) {
            errors.push(error);
            continue;
        }
        match read(node.clone()) {
            Ok(table) => named.push(Named { name, table }),
            Err(error) => errors.push(preset::replaced(explain::shape(&error, &[kind, &name], root), node)),
        }
    }
    named
}

/// Reads the tables of a list; each reports its own first error.
fn read_list<T: for<'de> Deserialize<'de>>(
    root: &DeTable<'_>,
    key: &str,
    errors: &mut Vec<Diagnostic>,
) -> Vec<(usize, T)> {
    let Some(node) = root.get(key) else { return Vec::new() };
    let Some(items) = node.get_ref().as_array() else {
        let title = format!("`{key}` is not a list of tables");
        let fix = format!("write `[[{key}]]`, with two brackets");
        errors.push(Diagnostic::error("wrong-type", title, node.span(), "must be a list of tables").help(fix));
        return Vec::new();
    };
    let mut tables = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(error) = explain::no_table(key, item) {
            errors.push(error);
            continue;
        }
        match T::deserialize(ValueDeserializer::from(item.clone())) {
            Ok(table) => tables.push((index, table)),
            Err(error) => errors.push(explain::item(&error, key, index, root)),
        }
    }
    tables
}
