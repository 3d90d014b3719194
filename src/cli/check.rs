//! `simlab check`: is the scenario valid? Also the one place where a command reads a scenario and shows what is wrong with it.

use std::path::{Path, PathBuf};

use super::{Exit, memory, print, say, terminal};
use crate::scenario::file::{self, Diagnostic, LoadError, Loaded, Overrides, Reading, Source, render_all};
use crate::scenario::nearest::nearest;
use crate::text::{cut, printable, there_are};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// Set a value: a dotted path and a TOML value, as in policy.full-jitter.attempts=3; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

pub fn main(args: &Args) -> Exit {
    let overrides = match assignments(&args.set) {
        Ok(set) => Overrides { set, ..Overrides::default() },
        Err(exit) => return exit,
    };
    let mut exit = Exit::Done;
    let mut text = String::new();
    for path in &args.files {
        match load(path, &overrides, false, reading()) {
            Ok(loaded) if args.strict && !(loaded.warnings.is_empty() && loaded.unused.is_empty()) => {
                show(&loaded.unused, &loaded.source);
                say::error(format_args!("{}: warnings are errors with --strict", path.display()));
                exit = exit.min(Exit::Invalid);
            }
            Ok(loaded) => {
                show(&loaded.unused, &loaded.source);
                let scenario = &loaded.scenario;
                let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
                let policies = count(scenario.policies.len(), "policy").replace("policys", "policies");
                let runs = count(scenario.frame.replications as usize, "replication");
                text.push_str(&format!("{}: valid ({policies}, {runs})\n", shown(path)));
            }
            Err(error) => exit = exit.min(error),
        }
    }
    exit.min(print(&text))
}

/// Paths and values of `--set KEY=VALUE`.
pub(super) fn assignments(set: &[String]) -> Result<Vec<(String, String)>, Exit> {
    let pair = |assignment: &String| match assignment.split_once('=') {
        Some((path, value)) => Ok((path.trim().to_owned(), value.trim().to_owned())),
        None => {
            let assignment = cut(assignment);
            say::error(format_args!("`--set {assignment}` has no `=`; write --set KEY=VALUE, as in --set duration=5m"));
            Err(Exit::Usage)
        }
    };
    set.iter().map(pair).collect()
}

/// The index of the policy of this name.
pub(super) fn policy(loaded: &Loaded, wanted: &str) -> Result<usize, Exit> {
    let names = loaded.scenario.policies.iter().map(|policy| policy.name.as_str());
    names.clone().position(|name| name == wanted).ok_or_else(|| {
        let near = nearest(wanted, names.clone()).map_or_else(|| there_are(names), |near| format!("there is `{near}`"));
        say::error(format_args!("no policy `{}` in the scenario; {near}", cut(wanted)));
        Exit::Usage
    })
}

/// Reads a scenario; warnings and errors go to stderr.
pub fn load(path: &Path, overrides: &Overrides, quiet: bool, reading: Reading) -> Result<Loaded, Exit> {
    match file::load_within(path, overrides, reading) {
        Ok(loaded) => {
            if !quiet {
                show(&loaded.warnings, &loaded.source);
            }
            Ok(loaded)
        }
        Err(error) => {
            say::text(&error.render(terminal::stderr_colour()));
            Err(match error {
                LoadError::Io { .. } => Exit::Io,
                LoadError::Path(_) => Exit::Usage,
                LoadError::Interrupted => Exit::Interrupted,
                LoadError::Invalid { .. } => Exit::Invalid,
            })
        }
    }
}

/// How much of recorded files is kept by a command that runs nothing.
pub fn reading() -> Reading<'static> {
    Reading { memory: memory::limit(None), ..Reading::default() }
}

/// Shows warnings on stderr.
pub fn show(warnings: &[Diagnostic], source: &Source) {
    say::text(&render_all(warnings, source, terminal::stderr_colour()));
}

/// A path for people: on one line, with nothing in it that steers a terminal.
pub fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}
