//! The command line: clap types, a file per subcommand, exit codes.

mod bench;
mod check;
mod completions;
mod folder;
mod interrupt;
mod memory;
mod new;
mod policies;
mod progress;
mod run;
mod say;
mod schema;
mod serve;
mod shell;
mod show;
mod terminal;
mod trace;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};

use crate::scenario::nearest::nearest;
use crate::text::{cut, printable};

/// Try retry policies before production does.
#[derive(Debug, Parser)]
#[command(name = "simlab", version, about, long_about = None, arg_required_else_help = true, after_help = FIRST_STEPS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  simlab new my-scenario          write a scenario
  simlab check my-scenario.toml   is it valid?
  simlab run my-scenario.toml     compare its policies
  simlab trace my-scenario.toml   how did one double charge come about?
  simlab policies full-jitter     explain a policy

Exit codes:
    0  done
    1  internal error
    2  wrong command line
    3  scenario invalid, or not to be run to its end
    4  a file cannot be read or written
   99  an expectation was not met
  130  interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulate every policy of a scenario on the same demand and faults, print the comparison, write the report
    Run(run::Args),
    /// Tell how one double charge came about, attempt by attempt
    Trace(trace::Args),
    /// Put a scenario's servers on real sockets, for the client that ships
    Serve(serve::Args),
    /// Validate scenarios without running them
    Check(check::Args),
    /// Print the fully resolved scenario as TOML
    Show(show::Args),
    /// List backoffs, gates and presets, or explain some with their delays and sources
    Policies(policies::Args),
    /// Write a commented scenario to start from
    New(new::Args),
    /// Print the JSON Schema of scenario files
    Schema,
    /// Measure how fast the simulator is on this machine
    Bench(bench::Args),
    /// Print a script that completes commands and options in a shell
    Completions(completions::Args),
}

/// How a command ended, by exit code (contract, section 2). Of several, the smallest in this order applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    /// Interrupted.
    Interrupted,
    /// Wrong command line.
    Usage,
    /// Scenario invalid.
    Invalid,
    /// Input or output.
    Io,
    /// An expectation was not met.
    Unmet,
    /// Done.
    Done,
    /// As a command has ended that was run.
    #[cfg(feature = "live")]
    Command(u8),
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Exit::Interrupted => 130,
            Exit::Usage => 2,
            Exit::Invalid => 3,
            Exit::Io => 4,
            Exit::Unmet => 99,
            Exit::Done => 0,
            #[cfg(feature = "live")]
            Exit::Command(code) => code,
        }
    }
}

/// Runs the command line and returns its exit code. A panic is a bug: exit code 1.
pub fn main() -> ExitCode {
    interrupt::watch();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(no_command(error).code()),
    };
    let outcome = std::panic::catch_unwind(|| match &cli.command {
        Command::Run(args) => run::main(args),
        Command::Trace(args) => trace::main(args),
        Command::Serve(args) => serve::main(args),
        Command::Check(args) => check::main(args),
        Command::Show(args) => show::main(args),
        Command::Policies(args) => policies::main(args),
        Command::New(args) => new::main(args),
        Command::Schema => schema::main(),
        Command::Bench(args) => bench::main(args),
        Command::Completions(args) => completions::main(args),
    });
    match outcome {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(_) => {
            say::error("this is a bug in simlab; please report it with the scenario and the lines above");
            ExitCode::from(1)
        }
    }
}

/// Help and version go to stdout, mistakes to stderr.
fn no_command(error: clap::Error) -> Exit {
    if !error.use_stderr() {
        return printed(error.print());
    }
    let scenario = scenario_for_command(&error);
    // clap repeats the arguments as they are: what is said is what it says of them with nothing in them that steers a terminal.
    let harmless = |argument: OsString| printable(&cut(&argument.to_string_lossy()));
    let shown = Cli::try_parse_from(std::env::args_os().map(harmless)).err();
    let mut shown = shown.filter(clap::Error::use_stderr).unwrap_or(error);
    if let Some(scenario) = scenario {
        // Not what the name of the file has in common with that of a command.
        shown.remove(ContextKind::SuggestedSubcommand);
        let tip = format!("to run a scenario: simlab run {}", shell::file(&scenario));
        shown.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    } else if let (Some(near), None) = (nearest_command(&shown), shown.get(ContextKind::SuggestedSubcommand)) {
        shown.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![near]));
    }
    let _ = shown.print();
    Exit::Usage
}

/// The word that is no command.
fn unknown_command(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidSubcommand)? {
        ContextValue::String(word) => Some(word),
        _ => None,
    }
}

/// What a mistyped command meant: clap does not see that `rnu` is `run`.
fn nearest_command(error: &clap::Error) -> Option<String> {
    let commands = Cli::command();
    let names = commands.get_subcommands().map(clap::Command::get_name);
    nearest(unknown_command(error)?, names).map(str::to_owned)
}

/// The scenario that stands where a command should.
fn scenario_for_command(error: &clap::Error) -> Option<OsString> {
    let word = unknown_command(error)?;
    std::env::args_os().nth(1).filter(|first| first.to_string_lossy() == word && is_scenario(first))
}

/// True if this is a scenario rather than a mistyped command: a file, or the name of one.
fn is_scenario(word: &OsStr) -> bool {
    let path = Path::new(word);
    match path.extension() {
        None => path.is_file(),
        Some(ending) => ending == "toml" && (path.is_file() || word.len() <= LONGEST_TIP),
    }
}

/// A name of a file that does not exist is repeated up to this length, in bytes.
const LONGEST_TIP: usize = 200;

/// Prints a result on stdout.
fn print(text: &str) -> Exit {
    let mut stdout = io::stdout().lock();
    printed(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// What became of printing on stdout. A reader that has seen enough (`| head`) is no error.
fn printed(result: io::Result<()>) -> Exit {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say::error(format_args!("cannot write to stdout: {error}"));
            Exit::Io
        }
        _ => Exit::Done,
    }
}
