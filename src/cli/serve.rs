//! `simlab serve`: a scenario's servers on real sockets.

use std::net::SocketAddr;
use std::path::PathBuf;

#[cfg(feature = "live")]
pub use served::main;

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to listen: the first server at this port, the next one at the next; port 0: at any free ones
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Seed instead of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Set a value: a dotted path and a TOML value; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Write each request as a line of JSON; `-`: to stdout
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// A command to run with the addresses in its environment, and to end with
    #[arg(last = true, value_name = "CMD")]
    command: Vec<std::ffi::OsString>,
}

/// How to get it.
#[cfg(not(feature = "live"))]
pub fn main(_: &Args) -> super::Exit {
    super::say::error("this simlab was built without sockets");
    super::say::help("cargo install simlab --features live");
    super::Exit::Usage
}

#[cfg(feature = "live")]
mod served {
    use std::ffi::OsString;
    use std::fs::File;
    use std::io::{self, LineWriter, Write};
    use std::net::SocketAddr;
    use std::path::Path;
    use std::process::{Command, ExitStatus};
    use std::sync::atomic::Ordering;
    use std::thread::sleep;
    use std::time::Duration;

    use super::Args;
    use crate::cli::{Exit, check, interrupt, print, say};
    use crate::live::serve::{Log, NotServed, Served};
    use crate::scenario::file::Overrides;

    pub fn main(args: &Args) -> Exit {
        let set = match check::assignments(&args.set) {
            Ok(set) => set,
            Err(exit) => return exit,
        };
        let overrides = Overrides { set, seed: args.seed, replications: None };
        // What is said about demand and policies means nothing here.
        let loaded = match check::load(&args.file, &overrides, true, check::reading()) {
            Ok(loaded) => loaded,
            Err(exit) => return exit,
        };
        if !args.listen.ip().is_loopback() {
            say::line(format_args!(
                "warning: whoever can reach {} can send requests here, and change its clock",
                args.listen.ip()
            ));
        }
        let served = match Served::listen(loaded.scenario, args.listen) {
            Ok(served) => served,
            Err(error @ NotServed::Beyond(_)) => {
                say::error(format_args!("{}: {error}", args.file.display()));
                return Exit::Invalid;
            }
            Err(error) => {
                say::error(error);
                return Exit::Io;
            }
        };
        // An older log is replaced once all else is there.
        let log = match args.log.as_deref().map(open_log).transpose() {
            Ok(log) => log,
            Err(exit) => return exit,
        };
        let environment = environment(&served.addresses);
        let said = print(&first_lines(&served.addresses, &environment));
        if said != Exit::Done {
            return said;
        }
        let command = args.command.split_first();
        let run = command.map(|(program, arguments)| || run(program, arguments, &environment));
        match served.serve_while(log, run) {
            Ok(exit) => exit.unwrap_or(Exit::Done),
            Err(error) => {
                say::error(format_args!("there are no threads to serve with: {error}"));
                Exit::Io
            }
        }
    }

    /// How often it is looked whether a command has ended.
    const LOOK: Duration = Duration::from_millis(10);

    /// Runs a command to its end; how it ended is how this ends. An interrupt ends the command too.
    fn run(program: &OsString, arguments: &[OsString], environment: &[(String, String)]) -> Exit {
        let named = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let cannot = |error: io::Error| {
            say::error(format_args!("cannot run `{}`: {error}", Path::new(program).display()));
            Exit::Usage
        };
        interrupt::undisturbed(|| {
            let mut child = match Command::new(program).args(arguments).envs(named).spawn() {
                Ok(child) => child,
                Err(error) => return cannot(error),
            };
            loop {
                match child.try_wait() {
                    Ok(Some(status)) => return Exit::Command(code(status)),
                    Ok(None) if interrupt::flag().load(Ordering::Relaxed) => {
                        // It may have ended by itself just now.
                        let _ = child.kill();
                        let _ = child.wait();
                        return Exit::Interrupted;
                    }
                    Ok(None) => sleep(LOOK),
                    Err(error) => return cannot(error),
                }
            }
        })
    }

    /// Its code; of one that was ended by a signal 128 and the signal's number, as in a shell.
    fn code(status: ExitStatus) -> u8 {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return (128 + signal) as u8;
        }
        status.code().map_or(1, |code| code as u8)
    }

    fn open_log(path: &Path) -> Result<Log, Exit> {
        let mut writer: Box<dyn Write + Send> = match path.to_str() {
            Some("-") => Box::new(io::stdout()),
            _ => match File::create(path) {
                Ok(file) => Box::new(LineWriter::new(file)),
                Err(error) => {
                    say::error(format_args!("cannot write `{}`: {error}", path.display()));
                    return Err(Exit::Io);
                }
            },
        };
        // A reader that has seen enough stops nothing.
        Ok(Box::new(move |line: &str| {
            _ = writer.write_all(format!("{line}\n").as_bytes()).and_then(|()| writer.flush())
        }))
    }

    /// What a command finds in its environment.
    fn environment(addresses: &[(String, SocketAddr)]) -> Vec<(String, String)> {
        let url = |address: &SocketAddr| format!("http://{address}");
        let in_upper = |name: &str| -> String {
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
        };
        let (_, first) = &addresses[0];
        let mut all = vec![("SIMLAB_URL".to_owned(), url(first))];
        all.extend(addresses.iter().map(|(name, address)| (format!("SIMLAB_URL_{}", in_upper(name)), url(address))));
        all.push(("OPENAI_BASE_URL".to_owned(), format!("{}/v1", url(first))));
        all.push(("AWS_ENDPOINT_URL".to_owned(), url(first)));
        all
    }

    fn first_lines(addresses: &[(String, SocketAddr)], environment: &[(String, String)]) -> String {
        let mut text: String = addresses.iter().map(|(name, address)| format!("{name} http://{address}\n")).collect();
        let (_, first) = &addresses[0];
        for (name, value) in environment.iter().filter(|(name, _)| !name.starts_with("SIMLAB_URL")) {
            text.push_str(&format!("export {name}={value}\n"));
        }
        text.push_str(&format!("stripe.api_base = \"http://{first}\"\ncurl -i -X POST http://{first}/\nready\n"));
        text
    }
}
