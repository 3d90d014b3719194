//! `simlab bench`: how fast the simulator is here. One run at a time, on one thread, measured from its first event to its last.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::progress::ProgressLine;
use super::{Exit, check, interrupt, memory, print, say, terminal};
use crate::experiment;
use crate::metrics::RunResult;
use crate::metrics::statistics::{nearest_rank, nine_digits};
use crate::report;
use crate::report::number::Notation;
use crate::scenario::Scenario;
use crate::scenario::file::{self, Overrides, Reading, Source};
use crate::sim::{self, Limits, Stop};
use crate::text::printable;

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario files, or names of the benchmark's [default: the whole benchmark]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Runs of each policy; the median of their times is shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=MOST_RUNS))]
    runs: u32,
    /// Memory for the state of a run, as in 8GB, 512MB or 2GiB [default: 80% of what is available]
    #[arg(long, value_name = "SIZE", value_parser = memory::size)]
    memory: Option<u64>,
    /// What to print on stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Nothing on stderr but errors
    #[arg(long, short)]
    quiet: bool,
}

/// More runs than this are a slip of the finger.
const MOST_RUNS: i64 = 1_000;

/// What to print on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

macro_rules! built_in {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../scenarios/bench/", $name, ".toml")))),*]
    };
}

/// The benchmark: names and scenarios. They are in the program, so that it can be measured wherever it is installed.
#[rustfmt::skip]
const BUILT_IN: &[(&str, &str)] = built_in![
    "closed-loop-1k" "closed-loop-10k" "closed-loop-100k" "closed-loop-1m"
    "timeouts-1k" "timeouts-10k" "timeouts-100k" "timeouts-1m"
    "herd-instant-1k" "herd-instant-10k" "herd-instant-100k" "herd-instant-1m"
    "herd-microsecond-1k" "herd-microsecond-10k" "herd-microsecond-100k" "herd-microsecond-1m"
    "every-gate-1k" "every-gate-10k" "every-gate-100k" "every-gate-1m"
];

/// A scenario to measure.
struct Subject {
    name: String,
    scenario: Scenario,
}

impl Subject {
    fn policies(&self) -> impl Iterator<Item = (usize, &str)> {
        self.scenario.policies.iter().map(|policy| policy.name.as_str()).enumerate()
    }
}

/// What was measured of one policy.
struct Measured<'a> {
    scenario: &'a str,
    policy: &'a str,
    clients: u32,
    result: RunResult,
    /// The median, set-up left out.
    seconds: f64,
}

pub fn main(args: &Args) -> Exit {
    let limit = memory::limit(args.memory);
    let reading = Reading { interrupted: interrupt::flag(), memory: limit };
    let subjects = match prepare(args, reading) {
        Ok(subjects) => subjects,
        Err(exit) => return exit,
    };
    for Subject { name, scenario } in &subjects {
        let all: Vec<usize> = (0..scenario.policies.len()).collect();
        if memory::refuses(name, experiment::memory_needed(scenario, &all, 1), limit) {
            return Exit::Invalid;
        }
    }
    let limits = Limits { memory: usize::try_from(limit).unwrap_or(usize::MAX), interrupted: interrupt::flag() };
    match args.format {
        Format::Table => {
            let table = Table::new(&subjects);
            let exit = print(&table.head(args.runs));
            // A row as soon as it is there: all of it takes minutes.
            exit.min(measure_all(args, &subjects, limits, |measured| print(&table.row(measured))))
        }
        Format::Json => {
            let mut list = Vec::new();
            let exit = measure_all(args, &subjects, limits, |measured| {
                list.push(json(measured));
                Exit::Done
            });
            // A list that ends in the middle is not what was asked for.
            if exit == Exit::Interrupted {
                exit
            } else {
                exit.min(print(&report::seen(&format!("{:#}\n", serde_json::json!(list)))))
            }
        }
    }
}

/// Reads and checks everything before anything runs. Warnings are about comparisons, and nothing is compared here.
fn prepare(args: &Args, reading: Reading) -> Result<Vec<Subject>, Exit> {
    // One run is measured again and again, whatever the file says.
    let once = Overrides { replications: Some(1), ..Overrides::default() };
    let built_in = |(name, text): &(&str, &str)| {
        let source = Source::new(&format!("{name}.toml"), (*text).to_owned());
        let loaded = file::parse(source, name, Path::new(""), &once).expect("the benchmark's scenarios are valid");
        Subject { name: (*name).to_owned(), scenario: loaded.scenario }
    };
    if args.files.is_empty() {
        return Ok(BUILT_IN.iter().map(built_in).collect());
    }
    let mut subjects = Vec::new();
    let mut exit = Exit::Done;
    for file in &args.files {
        let known = BUILT_IN.iter().find(|(name, _)| file.as_os_str() == *name && !file.exists());
        match known.map_or_else(
            || check::load(file, &once, true, reading).map(|loaded| subject(file, loaded.scenario)),
            |it| Ok(built_in(it)),
        ) {
            Ok(subject) => subjects.push(subject),
            Err(error) => exit = exit.min(error),
        }
    }
    if exit == Exit::Done { Ok(subjects) } else { Err(exit) }
}

fn subject(file: &Path, scenario: Scenario) -> Subject {
    let name = file.file_stem().map_or_else(|| "scenario".to_owned(), |stem| stem.to_string_lossy().into_owned());
    Subject { name, scenario }
}

/// Measures every policy of every scenario in turn, and delivers each.
fn measure_all(args: &Args, subjects: &[Subject], limits: Limits, mut deliver: impl FnMut(&Measured) -> Exit) -> Exit {
    let progress = ProgressLine::new(args.quiet);
    let total = subjects.iter().map(|subject| subject.policies().count()).sum::<usize>() * args.runs as usize;
    let (mut exit, mut done) = (Exit::Done, 0);
    for subject in subjects {
        for (index, policy) in subject.policies() {
            let measured = measure(subject, index, args.runs, limits, |run| {
                done += 1;
                progress.update(done, total, &format!("{}, {policy}, run {run}", subject.name));
            });
            progress.clear();
            exit = exit.min(match measured {
                Ok(measured) => deliver(&measured),
                Err(Stop::Interrupted) => return Exit::Interrupted,
                Err(stop) => {
                    say::error(format_args!("{}: policy `{policy}`: {stop}", subject.name));
                    Exit::Invalid
                }
            });
        }
    }
    exit
}

fn measure<'a>(
    subject: &'a Subject,
    policy: usize,
    runs: u32,
    limits: Limits,
    mut ran: impl FnMut(u32),
) -> Result<Measured<'a>, Stop> {
    let scenario = &subject.scenario;
    let mut times = Vec::new();
    let mut last = None;
    for run in 1..=runs {
        // A short run ends before it looks for an interruption.
        if limits.interrupted.load(Ordering::Relaxed) {
            return Err(Stop::Interrupted);
        }
        let mut begun = Instant::now();
        let result = sim::run_from(scenario, policy, 0, limits, || begun = Instant::now())?;
        times.push(begun.elapsed().as_secs_f64());
        last = Some(result);
        ran(run);
    }
    times.sort_by(f64::total_cmp);
    Ok(Measured {
        scenario: &subject.name,
        policy: &scenario.policies[policy].name,
        clients: scenario.of(policy).world.clients,
        result: last.expect("there is at least one run"),
        seconds: nearest_rank(&times, 0.5).unwrap_or(0.0),
    })
}

impl Measured<'_> {
    /// Attempts, and works that ended.
    fn model_events(&self) -> u64 {
        self.result.attempts + self.result.completions
    }

    /// `None` if nothing happened.
    fn ns_per_event(&self) -> Option<f64> {
        let events = self.model_events();
        (events > 0).then(|| self.seconds * 1e9 / events as f64)
    }

    fn bytes_per_client(&self) -> f64 {
        self.result.state_bytes as f64 / f64::from(self.clients)
    }
}

fn json(measured: &Measured) -> serde_json::Value {
    serde_json::json!({
        "scenario": measured.scenario,
        "policy": measured.policy,
        "model_events": measured.model_events(),
        "attempts": measured.result.attempts,
        "wall_seconds": nine_digits(measured.seconds),
        "ns_per_model_event": measured.ns_per_event().map(nine_digits),
        "bytes_per_client": nine_digits(measured.bytes_per_client()),
    })
}

/// How the table is set: every name is known before the first row is.
struct Table {
    scenario: usize,
    policy: usize,
    notation: Notation,
}

impl Table {
    fn new(subjects: &[Subject]) -> Table {
        let widest = |least: &str, names: &mut dyn Iterator<Item = &str>| {
            names.map(|name| printable(name).chars().count()).max().unwrap_or(0).max(least.len())
        };
        Table {
            scenario: widest("scenario", &mut subjects.iter().map(|subject| subject.name.as_str())),
            policy: widest("policy", &mut subjects.iter().flat_map(|s| s.policies().map(|(_, name)| name))),
            notation: if terminal::unicode() { Notation::TERMINAL } else { Notation::ASCII },
        }
    }

    fn head(&self, runs: u32) -> String {
        let times = if runs == 1 { "one run".to_owned() } else { format!("the median of {runs} runs") };
        let columns =
            ["scenario", "policy", "clients", "model events", "attempts", "ns/event", "M events/s", "bytes/client"];
        format!(
            "Model events are attempts and completions; times are those of {times} without setting up.\n\n{}",
            self.line(&columns.map(str::to_owned))
        )
    }

    fn row(&self, measured: &Measured) -> String {
        let number = |value: Option<f64>, decimals| {
            value.map_or_else(|| self.notation.null.to_owned(), |value| self.notation.fixed(value, decimals))
        };
        let nanos = measured.ns_per_event();
        self.line(&[
            printable(measured.scenario),
            measured.policy.to_owned(),
            self.notation.count(measured.clients.into()),
            self.notation.count(measured.model_events() as f64),
            self.notation.count(measured.result.attempts as f64),
            number(nanos, 1),
            number(nanos.map(|nanos| 1e3 / nanos), 2),
            number(Some(measured.bytes_per_client()), 0),
        ])
    }

    fn line(&self, cells: &[String; 8]) -> String {
        let [scenario, policy, clients, events, attempts, nanos, rate, bytes] = cells;
        let (first, second) = (self.scenario, self.policy);
        format!(
            "{scenario:<first$}  {policy:<second$}  {clients:>9}  {events:>12}  {attempts:>11}  {nanos:>8}  {rate:>10}  {bytes:>12}\n"
        )
    }
}
