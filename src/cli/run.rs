//! `simlab run`: check all files, run them, print the comparison, write the reports.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::folder::{Folder, FolderError};
use super::interrupt;
use super::memory;
use super::progress::ProgressLine;
use super::terminal;
use super::{Exit, check, print, say, shell};
use crate::decision::Decision;
use crate::experiment::{self, Comparison, Incident, Options};
use crate::report::{self, ReportInput, TableStyle};
use crate::scenario::file::{Diagnostic, Loaded, Overrides, Reading};
use crate::sim::Stop;
use crate::text::cut;

/// The bounds that a scenario file has too, so that the resolved scenario of every report can be run again.
const MOST_SEED: u64 = i64::MAX as u64;
const MOST_REPLICATIONS: i64 = 100_000;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder for the report [default: reports/<file stem>]; with several files, DIR/<file stem>
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=MOST_SEED))]
    seed: Option<u64>,
    /// Replications instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_REPLICATIONS))]
    replications: Option<u32>,
    /// Only these policies (and the baseline)
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',')]
    policy: Vec<String>,
    /// Set a value: a dotted path and a TOML value, as in policy.full-jitter.attempts=3
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u16).range(0..=MOST_THREADS))]
    threads: u16,
    /// Memory for the state of all runs, as in 8GB, 512MB or 2GiB [default: 80% of what is available]
    #[arg(long, value_name = "SIZE", value_parser = memory::size)]
    memory: Option<u64>,
    /// What to print on stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// After the table: the comparisons that decided about this policy
    #[arg(long, value_name = "POLICY")]
    why: Option<String>,
    /// Leave the charts out of the report's folder
    #[arg(long)]
    no_charts: bool,
    /// Nothing on stderr but errors
    #[arg(long, short)]
    quiet: bool,
    /// Goes the whole way, also where the plain one would do: the same results, later
    #[arg(long, hide = true)]
    whole_way: bool,
}

/// What to print on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Table,
    /// summary.json
    Json,
    /// summary.csv
    Csv,
    /// A table for issues and pull requests
    Markdown,
}

/// More threads than this are a slip of the finger.
const MOST_THREADS: i64 = 1_024;

/// A scenario that is ready to run.
struct Job {
    loaded: Loaded,
    stem: String,
    out: PathBuf,
    /// Where that is.
    folder: Folder,
    /// Indices of the policies to run.
    policies: Vec<usize>,
    command: String,
}

pub fn main(args: &Args) -> Exit {
    let limit = memory::limit(args.memory);
    let reading = Reading { interrupted: interrupt::flag(), memory: limit };
    let jobs = match prepare(args, reading) {
        Ok(jobs) => jobs,
        Err(exit) => return exit,
    };
    for job in &jobs {
        let need = experiment::memory_needed(&job.loaded.scenario, &job.policies, usize::from(args.threads));
        if memory::refuses(&job.stem, need, limit) {
            return Exit::Invalid;
        }
    }
    let mut exit = Exit::Done;
    let mut missed = Vec::new();
    for job in &jobs {
        let progress = ProgressLine::new(args.quiet);
        let names: Vec<&str> = job.loaded.scenario.policies.iter().map(|policy| policy.name.as_str()).collect();
        let options = Options {
            threads: usize::from(args.threads),
            memory: limit,
            interrupted: interrupt::flag(),
            progress: &|now| {
                let what = format!("{}, replication {}", names[now.policy], now.replication + 1);
                progress.update(now.done, now.total, &what);
            },
        };
        let started = Instant::now();
        let result = experiment::run(&job.loaded.scenario, &job.policies, &options);
        progress.clear();
        exit = exit.min(match result {
            Ok(comparison) => deliver(args, job, comparison, started.elapsed().as_secs_f64(), &mut missed),
            Err(failed) if failed.stop == Stop::Interrupted => return Exit::Interrupted,
            Err(failed) => {
                say::error(format_args!("{}: {failed}; no report was written", job.stem));
                Exit::Invalid
            }
        });
    }
    // At the very end, where nobody overlooks it.
    for message in missed {
        say::error(message);
        exit = exit.min(Exit::Unmet);
    }
    exit
}

/// Reads and checks everything before anything runs.
fn prepare(args: &Args, reading: Reading) -> Result<Vec<Job>, Exit> {
    // Before anything else: whatever becomes of this command, nothing half done stays where it was told to write.
    for folder in args.files.iter().filter_map(|file| Folder::find(&out_of(args, file)).ok()) {
        interrupt::undisturbed(|| folder.settle(interrupt::flag()));
    }
    if args.why.is_some() && args.format != Format::Table {
        say::error("--why is for the table; `decision` in summary.json has all comparisons");
        return Err(Exit::Usage);
    }
    let overrides = overrides(args)?;
    let mut jobs = Vec::new();
    let mut exit = Exit::Done;
    for file in &args.files {
        match check::load(file, &overrides, args.quiet, reading) {
            Ok(mut loaded) => {
                loaded.scenario.frame.whole_way = args.whole_way;
                jobs.push(job(args, file, loaded)?);
            }
            Err(Exit::Interrupted) => return Err(Exit::Interrupted),
            Err(error) => exit = exit.min(error),
        }
    }
    for (index, job) in jobs.iter().enumerate() {
        if let Some(other) = jobs[..index].iter().find(|other| other.folder.is_same(&job.folder)) {
            let folder = other.out.display();
            say::error(format_args!("two files would write to `{folder}`; rename one, or run them apart"));
            return Err(Exit::Usage);
        }
    }
    if exit != Exit::Done {
        return Err(exit);
    }
    for job in &jobs {
        let ready = interrupt::undisturbed(|| job.folder.prepare(!args.no_charts, interrupt::flag()));
        if let Err(error) = ready {
            exit = exit.min(refused(&error));
        }
    }
    if exit == Exit::Done { Ok(jobs) } else { Err(exit) }
}

/// Says why a folder does not take a report.
fn refused(error: &FolderError) -> Exit {
    match error {
        // The interrupt says so itself.
        FolderError::Interrupted => Exit::Interrupted,
        _ => {
            say::error(error);
            Exit::Io
        }
    }
}

fn overrides(args: &Args) -> Result<Overrides, Exit> {
    Ok(Overrides { set: check::assignments(&args.set)?, seed: args.seed, replications: args.replications })
}

fn job(args: &Args, file: &Path, loaded: Loaded) -> Result<Job, Exit> {
    let (stem, out) = (stem_of(file), out_of(args, file));
    let policies = chosen(args, &loaded)?;
    // Only what changes the result, and no path of this machine, so that a report is the same wherever it is made.
    let mut command = format!("simlab run {}", shell::file(file.file_name().unwrap_or(file.as_os_str())));
    for assignment in &args.set {
        command.push_str(&format!(" --set {}", shell::quoted(OsStr::new(assignment))));
    }
    if let Some(seed) = args.seed {
        command.push_str(&format!(" --seed {seed}"));
    }
    if let Some(replications) = args.replications {
        command.push_str(&format!(" --replications {replications}"));
    }
    if !args.policy.is_empty() {
        command.push_str(&format!(" --policy {}", args.policy.join(",")));
    }
    let folder = Folder::find(&out).map_err(|error| refused(&error))?;
    Ok(Job { loaded, stem, out, folder, policies, command })
}

/// What a report of a file is called.
fn stem_of(file: &Path) -> String {
    file.file_stem().map_or_else(|| "report".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The folder of the report of a file.
fn out_of(args: &Args, file: &Path) -> PathBuf {
    match &args.out {
        None => Path::new("reports").join(stem_of(file)),
        Some(folder) if args.files.len() > 1 => folder.join(stem_of(file)),
        Some(folder) => folder.clone(),
    }
}

/// Indices of the policies to run, in the file's order, the baseline among them.
fn chosen(args: &Args, loaded: &Loaded) -> Result<Vec<usize>, Exit> {
    let policies = &loaded.scenario.policies;
    for wanted in args.policy.iter().chain(&args.why) {
        check::policy(loaded, wanted)?;
    }
    let wanted = |index: &usize| {
        args.policy.is_empty()
            || *index == loaded.scenario.frame.baseline
            || args.policy.contains(&policies[*index].name)
    };
    let chosen: Vec<usize> = (0..policies.len()).filter(wanted).collect();
    if let Some(why) = &args.why
        && chosen.iter().all(|index| policies[*index].name != *why)
    {
        say::error(format_args!("`{}` is not run: --policy leaves it out", cut(why)));
        return Err(Exit::Usage);
    }
    Ok(chosen)
}

/// Prints the comparison and writes the report. Adds to `missed` what to say of expectations that were not met.
fn deliver(args: &Args, job: &Job, mut comparison: Comparison, seconds: f64, missed: &mut Vec<String>) -> Exit {
    let loaded = &job.loaded;
    let remarks = experiment::warnings(&loaded.scenario, &comparison);
    let (allowed, remarks): (Vec<_>, Vec<_>) =
        remarks.into_iter().partition(|remark| loaded.scenario.allow.iter().any(|code| code == remark.code));
    comparison.warnings = loaded.warnings.iter().map(Diagnostic::in_words).collect();
    comparison.warnings.extend(remarks.iter().map(ToString::to_string));
    comparison.allowed = loaded.allowed.iter().map(Diagnostic::in_words).collect();
    comparison.allowed.extend(allowed.iter().map(ToString::to_string));
    if !args.quiet {
        let remarks = remarks.iter().map(|r| Diagnostic::remark(r.code, &r.title).note(r.why).help(r.help));
        check::show(&remarks.collect::<Vec<_>>(), &job.loaded.source);
    }
    let decision = Decision::new(&job.loaded.scenario, &comparison);
    let incidents = match incidents(args, job, &comparison, &decision) {
        Ok(incidents) => incidents,
        Err(exit) => return exit,
    };
    let input = ReportInput {
        incidents: &incidents,
        comparison: &comparison,
        decision: &decision,
        scenario: &job.loaded.scenario,
        name: &job.stem,
        resolved_toml: &job.loaded.resolved,
        resolved_json: &job.loaded.resolved_json,
        files: &job.loaded.files,
        command: &job.command,
        charts: !args.no_charts,
    };
    let mut files = report::render(&input);
    let manifest = manifest(args, &comparison, seconds, &files);
    files.push(("manifest.json".to_owned(), manifest.into_bytes()));
    let written = interrupt::undisturbed(|| job.folder.write(&files, interrupt::flag()));
    let path = job.out.join("report.html");
    let text = match args.format {
        Format::Table => {
            let style = TableStyle {
                width: terminal::width(),
                colour: terminal::stdout_colour(),
                unicode: terminal::unicode(),
            };
            let mut text = report::table(&input, style);
            let asked = comparison.policies.iter().position(|policy| Some(&policy.name) == args.why.as_ref());
            if let Some(policy) = asked {
                text.push_str(&format!("\n{}", report::why(&input, policy, style.notation())));
            }
            if written.is_ok() {
                text.push_str(&format!("\nReport: {}\n", check::shown(&path)));
            }
            text
        }
        Format::Json => report::json(&input),
        Format::Csv => report::csv(&input),
        Format::Markdown => report::markdown(&input),
    };
    let printed = print(&text);
    let several = if args.files.len() > 1 { format!("{}: ", job.stem) } else { String::new() };
    missed.extend(report::expectations::failure(&input).map(|failure| several + &failure));
    match written {
        Err(error) => refused(&error),
        Ok(()) => {
            if args.format != Format::Table && !args.quiet {
                say::line(format_args!("report: {}", path.display()));
            }
            printed
        }
    }
}

/// The operations that the report draws.
fn incidents(args: &Args, job: &Job, comparison: &Comparison, decision: &Decision) -> Result<Vec<Incident>, Exit> {
    // Of several choices the first.
    let chosen = |policy: usize| {
        let group = decision.groups.iter().find(|group| decision.judged && group.policies.contains(&policy))?;
        group.choice.policies.first().copied()
    };
    // A bound of its own: what a report shows does not depend on how much memory there happens to be.
    let (memory, interrupted) = (memory::limit(args.memory).min(experiment::TOLD_BYTES), interrupt::flag());
    match experiment::incidents(&job.loaded.scenario, comparison, chosen, memory, interrupted) {
        Err(Stop::Interrupted) => Err(Exit::Interrupted),
        // It came to its end before; told, it may need more than that. Then nothing is drawn.
        incidents => Ok(incidents.unwrap_or_default()),
    }
}

/// What may differ between two runs of one scenario, and the names of the report's other files.
fn manifest(args: &Args, comparison: &Comparison, seconds: f64, files: &[(String, Vec<u8>)]) -> String {
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => usize::from(threads),
    };
    let manifest = serde_json::json!({
        "simlab_version": env!("CARGO_PKG_VERSION"),
        "host": { "os": std::env::consts::OS, "arch": std::env::consts::ARCH },
        "threads": threads,
        "events": comparison.events,
        "attempts": comparison.attempts,
        "wall_seconds": crate::metrics::statistics::nine_digits(seconds),
        "files": files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
    });
    format!("{manifest:#}\n")
}
