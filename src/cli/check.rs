//! `simlab check`: is the scenario valid? Also the one place where a command reads a scenario and shows what is wrong with it.

use std::path::{Path, PathBuf};

use super::{Exit, print, say, terminal};
use crate::scenario::file::{self, Diagnostic, LoadError, Loaded, Overrides, Source, render_all};
use crate::text::printable;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
}

pub fn main(args: &Args) -> Exit {
    let mut exit = Exit::Done;
    let mut text = String::new();
    for path in &args.files {
        match load(path, &Overrides::default(), false) {
            Ok(loaded) if args.strict && !loaded.warnings.is_empty() => {
                say::error(format_args!("{}: warnings are errors with --strict", path.display()));
                exit = exit.min(Exit::Invalid);
            }
            Ok(loaded) => {
                let scenario = &loaded.scenario;
                let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
                let policies = count(scenario.policies.len(), "policy").replace("policys", "policies");
                let runs = count(scenario.replications as usize, "replication");
                text.push_str(&format!("{}: valid ({policies}, {runs})\n", shown(path)));
            }
            Err(error) => exit = exit.min(error),
        }
    }
    exit.min(print(&text))
}

/// Reads a scenario; warnings and errors go to stderr.
pub fn load(path: &Path, overrides: &Overrides, quiet: bool) -> Result<Loaded, Exit> {
    match file::load(path, overrides) {
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
                LoadError::Invalid { .. } => Exit::Invalid,
            })
        }
    }
}

/// Shows warnings on stderr.
pub fn show(warnings: &[Diagnostic], source: &Source) {
    say::text(&render_all(warnings, source, terminal::stderr_colour()));
}

/// A path for people: on one line, with nothing in it that steers a terminal.
pub fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}
