//! `simlab trace`: single operations, told attempt by attempt, and what alone would have made them right.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Exit, check, interrupt, memory, print, say};
use crate::call::Verdict;
use crate::metrics::RunResult;
use crate::metrics::notes::{Account, Condition, Count, Note, Told, Wanted, What, Why};
use crate::protocol::Outcome;
use crate::report::story::{self, Setting};
use crate::scenario::file::{self, Loaded, Overrides, Reading};
use crate::scenario::metric::Metric;
use crate::scenario::{
    FreedBy, Idempotency, LockOnFailure, Locks, Reads, RowUse, StoreScope, Stores, WhenDown, Writes,
};
use crate::sim::{self, Limits, Stop};
use crate::text::cut;
use crate::units::{SimTime, Span};

/// Arguments of `trace`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only these policies [default: all]
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',')]
    policy: Vec<String>,
    /// The operation with this number, from 0
    #[arg(long, value_name = "N", conflicts_with_all = ["filter", "worst", "at"])]
    operation: Option<u64>,
    /// The first operation of which this holds, as in "duplicates > 0"
    #[arg(long = "where", value_name = "CONDITION", conflicts_with_all = ["worst", "at"])]
    filter: Option<String>,
    /// The first operation that is not over then: a time since the start, as in 5:00 or 90s
    #[arg(long, value_name = "TIME", conflicts_with = "worst", value_parser = instant)]
    at: Option<SimTime>,
    /// The operations that went most wrong
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=100))]
    worst: Option<u16>,
    /// The replication, from 1
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    replication: u32,
    /// Seed instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Set a value: a dotted path and a TOML value, as in policy.full-jitter.attempts=3
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// What to print on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What to print on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

pub fn main(args: &Args) -> Exit {
    let set = match check::assignments(&args.set) {
        Ok(set) => set,
        Err(exit) => return exit,
    };
    let wanted = match wanted(args) {
        Ok(wanted) => wanted,
        Err(exit) => return exit,
    };
    let overrides = Overrides { set, seed: args.seed, replications: None };
    let reading = Reading { interrupted: interrupt::flag(), memory: memory::limit(None) };
    let loaded = match check::load(&args.file, &overrides, true, reading) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let rows = match rows(args, &loaded) {
        Ok(rows) => rows,
        Err(exit) => return exit,
    };
    let mut text = String::new();
    let mut all: Vec<Value> = Vec::new();
    if let [one, other] = rows[..]
        && !args.policy.is_empty()
    {
        let both = [one, other].map(|row| Traced { args, overrides: &overrides, loaded: &loaded, row });
        return match side_by_side(&both, &wanted, args.format) {
            Ok(text) => print(&text),
            Err(Stop::Interrupted) => Exit::Interrupted,
            Err(stop) => {
                say::error(format_args!("{}: {stop}", both[0].policy()));
                Exit::Invalid
            }
        };
    }
    for row in rows {
        let traced = Traced { args, overrides: &overrides, loaded: &loaded, row };
        match traced.tell(&wanted, &mut text, &mut all) {
            Ok(()) => {}
            Err(Stop::Interrupted) => return Exit::Interrupted,
            Err(stop) => {
                say::error(format_args!("{}: {stop}", traced.policy()));
                return Exit::Invalid;
            }
        }
    }
    match args.format {
        Format::Json => print(&format!("{}\n", Value::from(all))),
        Format::Text if text.is_empty() => print("no operation is like that\n"),
        Format::Text => print(&text),
    }
}

fn wanted(args: &Args) -> Result<Wanted, Exit> {
    let asked = args.operation.map(Wanted::Number).or(args.at.map(Wanted::At));
    let asked = asked.or(args.worst.map(|most| Wanted::Worst(usize::from(most))));
    let Some(condition) = &args.filter else { return Ok(asked.unwrap_or(Wanted::Telling)) };
    Condition::parse(condition).map(Wanted::Where).ok_or_else(|| {
        let names: Vec<&str> = Count::NAMED.iter().map(|(name, _)| *name).collect();
        say::error(format_args!(
            "`--where {}` is no condition; write one of {}, a sign and a number, as in --where \"duplicates > 0\"",
            cut(condition),
            names.join(", ")
        ));
        Exit::Usage
    })
}

/// A time since the start: minutes and seconds, or a duration.
fn instant(text: &str) -> Result<SimTime, String> {
    let told = "write minutes and seconds, or a duration: 5:00, 90s, 1h 30m".to_owned();
    let span = match text.split_once(':') {
        None => Span::parse(text).map_err(|_| told)?,
        Some((minutes, seconds)) => {
            let read = |text: &str| text.parse::<u64>().ok().filter(|number| *number < 100_000_000).ok_or(told.clone());
            let (minutes, seconds) = (read(minutes)?, read(seconds)?);
            if seconds > 59 {
                return Err(told);
            }
            Span::secs(60 * minutes + seconds)
        }
    };
    Ok(SimTime::ZERO + span)
}

/// Indices of the rows that are traced.
fn rows(args: &Args, loaded: &Loaded) -> Result<Vec<usize>, Exit> {
    if args.policy.is_empty() {
        return Ok((0..loaded.scenario.policies.len()).collect());
    }
    args.policy.iter().map(|wanted| check::policy(loaded, wanted)).collect()
}

/// The operations that are wanted of the first row, each beside what became of it under the second.
fn side_by_side(both: &[Traced; 2], wanted: &Wanted, format: Format) -> Result<String, Stop> {
    let [one, other] = both;
    let (mut text, mut all) = (String::new(), Vec::new());
    let (result, account) = one.run(one.loaded, wanted.clone())?;
    for (why, told) in &account.told {
        let (other_result, other_account) = other.run(other.loaded, Wanted::Key(told.key))?;
        // Where demand depends on the policy, as in a closed loop, there may be no such operation.
        let Some((_, same)) = other_account.told.first() else { continue };
        let setting = |traced: &Traced, account: &'_ Account| (traced.policy().to_owned(), account.places.clone());
        let (own, others) = (setting(one, &account), setting(other, &other_account));
        let replication = one.args.replication;
        let first = Setting { policy: &own.0, replication, places: &own.1 };
        let second = Setting { policy: &others.0, replication, places: &others.1 };
        let tried = one.try_unless_right(told, &result)?;
        let others_tried = other.try_unless_right(same, &other_result)?;
        match format {
            Format::Json => {
                all.push(as_json(*why, told, first, &tried));
                all.push(as_json(*why, same, second, &others_tried));
            }
            Format::Text => {
                if !text.is_empty() {
                    text.push_str("\n\n");
                }
                text.push_str(&story::side_by_side([(told, first), (same, second)]));
                for (setting, tried) in [(first, tried), (second, others_tried)] {
                    if !tried.is_empty() {
                        text.push_str(&format!("\nOf `{}`:{}", setting.policy, counterfactuals(&tried)));
                    }
                }
            }
        }
    }
    Ok(match format {
        Format::Json => format!("{}\n", Value::from(all)),
        Format::Text if text.is_empty() => "no operation is like that\n".to_owned(),
        Format::Text => text,
    })
}

/// One row of a scenario, in one replication.
struct Traced<'a> {
    args: &'a Args,
    overrides: &'a Overrides,
    loaded: &'a Loaded,
    row: usize,
}

/// A change of the scenario that might have made an operation right.
struct Change {
    /// Paths and values, as `--set` takes them.
    set: Vec<(String, String)>,
}

impl Change {
    fn shown(&self) -> String {
        self.set.iter().map(|(path, value)| format!("{path} = {value}")).collect::<Vec<_>>().join(", ")
    }
}

/// What is compared between two runs.
const COMPARED: [(&str, Metric); 4] = [
    ("duplicates", Metric::Duplicates),
    ("failed", Metric::Failed),
    ("phantom successes", Metric::PhantomSuccesses),
    ("attempts", Metric::Attempts),
];

impl Traced<'_> {
    fn policy(&self) -> &str {
        &self.loaded.scenario.policies[self.row].name
    }

    /// The operations that are wanted, as text or as JSON.
    fn tell(&self, wanted: &Wanted, text: &mut String, all: &mut Vec<Value>) -> Result<(), Stop> {
        let (result, account) = self.run(self.loaded, wanted.clone())?;
        let Account { told, places } = account;
        for (why, told) in &told {
            let setting = Setting { policy: self.policy(), replication: self.args.replication, places: &places };
            let tried = self.try_unless_right(told, &result)?;
            match self.args.format {
                Format::Text => {
                    if !text.is_empty() {
                        text.push_str("\n\n");
                    }
                    text.push_str(&story::story(*why, told, setting));
                    text.push_str(&counterfactuals(&tried));
                }
                Format::Json => all.push(as_json(*why, told, setting, &tried)),
            }
        }
        Ok(())
    }

    fn run(&self, loaded: &Loaded, wanted: Wanted) -> Result<(RunResult, Account), Stop> {
        let limits = Limits { memory: memory::limit(None) as usize, interrupted: interrupt::flag() };
        sim::tell(&loaded.scenario, self.row, self.args.replication - 1, limits, wanted)
    }

    /// What was tried for an operation that did not go right.
    fn try_unless_right(&self, told: &Told, result: &RunResult) -> Result<Vec<Tried>, Stop> {
        if told.is_right() { Ok(Vec::new()) } else { self.try_all(told, result) }
    }

    /// Each change alone, on the same replication: whether it makes the operation right, and what else it changes.
    fn try_all(&self, told: &Told, result: &RunResult) -> Result<Vec<Tried>, Stop> {
        let mut tried = Vec::new();
        for change in self.changes(told) {
            let mut overrides = self.overrides.clone();
            overrides.set.extend(change.set.iter().cloned());
            let reading = Reading { interrupted: interrupt::flag(), memory: memory::limit(None) };
            // What cannot be combined with the rest of the file is no way out.
            let Ok(loaded) = file::load_within(&self.args.file, &overrides, reading) else { continue };
            let (other, account) = self.run(&loaded, Wanted::Key(told.key))?;
            // Of a thing that is wanted so often, others may do it; else success without the effect that it had is none.
            let is_wanted_of_things = loaded.scenario.of(self.row).world.operation.wanted.is_some();
            let is_right = |other: &Told| if is_wanted_of_things { other.is_right() } else { other.is_right_as(told) };
            let is_right = account.told.iter().any(|(_, other)| is_right(other));
            let value = |result: &RunResult, metric: Metric| result.value(metric).unwrap_or(0.0);
            let else_where =
                COMPARED.iter().map(|(name, metric)| (*name, value(result, *metric), value(&other, *metric)));
            tried.push(Tried {
                change,
                is_right,
                changed: else_where.filter(|(_, before, after)| before != after).collect(),
            });
        }
        Ok(tried)
    }

    /// Where the row's operations do something with rows, as paths of the file, and what.
    fn rows_used(&self, prefix: &str) -> Vec<(String, RowUse)> {
        let operation = &self.loaded.scenario.of(self.row).world.operation;
        let steps = operation.steps.iter().map(|step| (format!("{prefix}operation.step.{}", step.name), step.row));
        let own = operation.steps.is_empty().then(|| (format!("{prefix}operation"), operation.row));
        steps.chain(own).filter(|(_, uses)| !uses.is_none()).collect()
    }

    /// Settings that stop double charges or lost answers, as far as this row does not have them.
    fn changes(&self, told: &Told) -> Vec<Change> {
        let row = &self.loaded.scenario.policies[self.row];
        let policy = &self.loaded.resolved_json["policy"][&row.name];
        if row.is_mix() || policy.is_null() {
            return Vec::new();
        }
        let world = self.loaded.scenario.of(self.row).world;
        // Of several steps, the one that was done twice.
        let step = story::pair(told).and_then(|pair| world.operation.steps.get(pair.place));
        let server = step.map_or(world.called(), |step| &world.servers[step.server]);
        let (own, rules) = (format!("policy.{}", row.name), row.rules());
        let prefix = if row.world.is_some() { format!("{own}.with.") } else { String::new() };
        let store = format!("{prefix}server.{}.idempotency", server.name);
        let mut changes: Vec<Change> = Vec::new();
        let mut add = |set: &[(String, &str)]| {
            let set = set.iter().map(|(path, value)| (path.clone(), (*value).to_owned())).collect();
            changes.push(Change { set });
        };
        let key = (format!("{own}.key"), "per-operation");
        let lock = (format!("{store}.lock"), "{}");
        let keeps_key = rules.policy.key().is_kept();
        match &server.idempotency {
            Idempotency::None if keeps_key => add(std::slice::from_ref(&lock)),
            Idempotency::None => add(&[key.clone(), lock.clone()]),
            _ if !keeps_key => add(std::slice::from_ref(&key)),
            _ => {}
        }
        if world.has_things() {
            let thing = (format!("{own}.key"), "per-thing");
            if server.idempotency == Idempotency::None { add(&[thing, lock.clone()]) } else { add(&[thing]) }
        }
        if world.crashes.is_some() && !world.operation.journal.is_step_by_step() {
            add(&[(format!("{prefix}operation.journal.durable"), "{}")]);
        }
        if keeps_key && server.idempotency.rules().is_some_and(|rules| rules.when_down == WhenDown::Open) {
            let kind = if matches!(server.idempotency, Idempotency::Lock(_)) { "lock" } else { "cache" };
            add(&[(format!("{store}.{kind}.when_down"), "closed")]);
        }
        // A store that sees no key twice does nothing, however it is set.
        let apart = story::pair(told).map_or(Span::ZERO, |pair| pair.executed[1].since(pair.executed[0]));
        match &server.idempotency {
            Idempotency::None => {}
            _ if !keeps_key => {}
            Idempotency::Cache(cache) => {
                add(&[lock]);
                if cache.stores == Stores::Successes {
                    add(&[(format!("{store}.cache.stores"), "effects")]);
                }
                if apart >= cache.retention {
                    add(&[(format!("{store}.cache.retention"), "365d")]);
                }
            }
            Idempotency::Lock(lock) => {
                let of = |key: &str| format!("{store}.lock.{key}");
                if lock.lock_ttl.is_some() {
                    add(&[(of("lock_ttl"), "none")]);
                }
                if lock.stores != Stores::Effects {
                    add(&[(of("stores"), "effects")]);
                }
                if !lock.atomic {
                    add(&[(of("atomic"), "true")]);
                }
                if !lock.with_effect && (lock.access > Span::ZERO || server.effect_at < 1.0) {
                    add(&[(of("with_effect"), "true")]);
                }
                if lock.freed_by != FreedBy::Owner {
                    add(&[(of("freed_by"), "owner")]);
                }
                if lock.on_failure != LockOnFailure::Free {
                    add(&[(of("on_failure"), "free")]);
                }
                if lock.scope != StoreScope::Server {
                    add(&[(of("scope"), "server")]);
                }
                if apart >= lock.retention {
                    add(&[(of("retention"), "365d")]);
                }
            }
        }
        for (path, uses) in self.rows_used(&prefix) {
            let key = |key: &str| format!("{path}.{key}");
            if uses.writes == Writes::Blind {
                // Who is too late begins again: with the read, where that is a step, or as the policy retries.
                let again = match path.contains(".step.") {
                    true => (key("on_failure.start-over"), "{ on = [412], times = 100 }".to_owned()),
                    false => (format!("{own}.retry_on"), with_word(policy, "412")),
                };
                add(&[(key("writes.if-unchanged"), "412"), (again.0, &again.1)]);
            }
            if let Reads::IfUndone(_) = uses.reads {
                // What it has looked for is to hold for what comes after it.
                if uses.locks != Locks::UntilOver {
                    add(&[(key("locks"), "\"until-over\"")]);
                }
            } else if uses.locks.is_no() && !uses.writes.is_nothing() {
                add(&[(key("reads"), "true"), (key("locks"), "true")]);
            }
        }
        let has = policy["timeout"].as_str().and_then(|timeout| Span::parse(timeout).ok()).unwrap_or(Span::MAX);
        if let Some(timeout) = long_enough(told).filter(|timeout| *timeout > has) {
            let timeout = timeout.to_string();
            add(&[(format!("{own}.timeout"), &timeout)]);
        }
        if told.notes.iter().any(|note| note.what == What::Reads(Outcome::Status(409)))
            && let Some(words) = policy["retry_on"].as_array()
            && !words.iter().any(|word| ["409", "4xx", "any"].contains(&word.as_str().unwrap_or_default()))
        {
            add(&[(format!("{own}.retry_on"), &with_word(policy, "409"))]);
        }
        let durable = &policy["durable"];
        if durable.is_object() {
            let of = |key: &str| format!("{own}.durable.{key}");
            if durable["check_first"] == false {
                add(&[(of("check_first"), "true")]);
            }
            if durable["key"] == "per-try" {
                add(&[(of("key"), "as-policy")]);
            }
            if durable["batch"] != 1 && durable["partial"] == false {
                add(&[(of("partial"), "true")]);
            }
            let was_late = |note: &Note| matches!(note.what, What::TriedAgain { again: true, .. });
            if told.notes.iter().any(was_late) && durable["heart_beat"] == "none" {
                add(&[(of("visibility"), "none")]);
            }
        }
        if policy["attempts"] != 1 {
            add(&[(format!("{own}.attempts"), "1")]);
        }
        for gate in ["hedge", "budget", "breaker", "throttle", "limiter", "concurrency"] {
            if policy[gate].is_object() {
                add(&[(format!("{own}.{gate}"), "none")]);
            }
        }
        changes
    }
}

/// What a policy retries, and this.
fn with_word(policy: &Value, word: &str) -> String {
    let words = policy["retry_on"].as_array().cloned().unwrap_or_default();
    Value::from(words.into_iter().chain([json!(word)]).collect::<Vec<_>>()).to_string()
}

/// A time-out within which every attempt that executed would have been answered, where one timed out.
fn long_enough(told: &Told) -> Option<Span> {
    told.notes.iter().find(|note| note.what == What::TimedOut)?;
    let took = |executed: &Note| {
        let sent = told.notes.iter().find(|note| {
            (note.call, note.attempt) == (executed.call, executed.attempt) && matches!(note.what, What::Sent { .. })
        })?;
        Some(executed.at.since(sent.at))
    };
    let longest = told.notes.iter().filter(|note| note.what == What::Executed).filter_map(took).max()?;
    Some(longest.scaled(1.5).up_to_whole(Span::secs(1)))
}

/// A change, and what came of it.
struct Tried {
    change: Change,
    is_right: bool,
    /// What is different in the run: before and after.
    changed: Vec<(&'static str, f64, f64)>,
}

impl Tried {
    fn elsewhere(&self) -> String {
        if self.changed.is_empty() {
            return "nothing else changes in the counts of this run".to_owned();
        }
        let each = self.changed.iter().map(|(name, before, after)| format!("{name} {before} -> {after}"));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// What alone would have made it right.
fn counterfactuals(tried: &[Tried]) -> String {
    if tried.is_empty() {
        return String::new();
    }
    let (right, wrong): (Vec<&Tried>, Vec<&Tried>) = tried.iter().partition(|tried| tried.is_right);
    let mut text = String::new();
    if !right.is_empty() {
        text.push_str("\nEach of these alone makes it right, on the same demand and faults; in the whole run:\n");
        for tried in &right {
            text.push_str(&format!("  {}\n      {}\n", tried.change.shown(), tried.elsewhere()));
        }
    }
    let wrong: Vec<String> = wrong.iter().map(|tried| tried.change.shown()).collect();
    match (right.is_empty(), wrong.is_empty()) {
        (_, true) => {}
        (true, false) => {
            text.push_str(&format!("\nNone of these alone makes it right:\n  {}\n", wrong.join("\n  ")));
        }
        (false, false) => text.push_str(&format!("These alone do not:\n  {}\n", wrong.join("\n  "))),
    }
    text
}

fn as_json(why: Why, told: &Told, setting: Setting, tried: &[Tried]) -> Value {
    let place = |place: usize| setting.places.get(place).cloned().unwrap_or_default();
    let notes = told.notes.iter().filter_map(|note| {
        Some(json!({
            "at_s": Span(note.at.0).seconds(),
            "place": place(note.place),
            "attempt": note.attempt,
            "what": story::words(note)?,
        }))
    });
    let tried = tried.iter().map(|tried| {
        let changed =
            tried.changed.iter().map(|(name, before, after)| json!({ "what": name, "before": before, "after": after }));
        json!({
            "set": tried.change.set.iter().map(|(path, value)| format!("{path}={value}")).collect::<Vec<_>>(),
            "right": tried.is_right,
            "changed": changed.collect::<Vec<_>>(),
        })
    });
    json!({
        "policy": setting.policy,
        "replication": setting.replication,
        "why": format!("{why:?}").to_lowercase(),
        "operation": told.number,
        "client": told.client,
        "start_s": Span(told.start.0).seconds(),
        "end_s": told.end.map(|end| Span(end.0).seconds()),
        "succeeded": told.verdict == Some(Verdict::Succeeded),
        "attempts": told.attempts,
        "executions": told.executions(),
        "duplicates": told.duplicates(),
        "phantom": told.is_phantom(),
        "lost_updates": told.lost_updates,
        "notes": notes.collect::<Vec<_>>(),
        "tried": tried.collect::<Vec<_>>(),
    })
}
