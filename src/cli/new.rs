//! `simlab new`: a commented scenario to start from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::single::Draft;
use super::{Exit, check, interrupt, print, say, schema, shell};

/// Arguments of `new`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the scenario, its folder before it if it is another one; the file is NAME.toml
    #[arg(value_name = "NAME", default_value = "scenario", value_parser = file_name)]
    name: PathBuf,
    /// The question to start from
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Template::Outage)]
    template: Template,
    /// Write simlab.schema.json beside it, too, with which editors complete and check the file
    #[arg(long)]
    schema: bool,
}

/// A question to start from. A new one is registered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Template {
    /// A payment API fails for some minutes
    Outage,
    /// A server becomes three times slower
    Brownout,
    /// An API lets ten requests a second pass
    RateLimit,
    /// A short stall that a service never recovers from
    Metastable,
    /// Replies get lost, and customers pay twice
    Idempotency,
}

impl Template {
    fn text(self) -> &'static str {
        match self {
            Template::Outage => include_str!("../../assets/templates/outage.toml"),
            Template::Brownout => include_str!("../../assets/templates/brownout.toml"),
            Template::RateLimit => include_str!("../../assets/templates/rate-limit.toml"),
            Template::Metastable => include_str!("../../assets/templates/metastable.toml"),
            Template::Idempotency => include_str!("../../assets/templates/idempotency.toml"),
        }
    }
}

/// The file that the first line of every template names.
const SCHEMA: &str = "simlab.schema.json";

/// The file for a name: a scenario's name becomes the name of its report's folder, so that it consists of what names consist of.
fn file_name(name: &str) -> Result<PathBuf, String> {
    let path = Path::new(name.strip_suffix(".toml").unwrap_or(name));
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match path.file_name().and_then(|stem| stem.to_str()) {
        Some(stem) if stem.chars().all(allowed) && path.to_str().is_some_and(|path| path.ends_with(stem)) => {
            Ok(path.with_extension("toml"))
        }
        _ => Err("a name consists of letters, digits, `_` and `-`".to_owned()),
    }
}

pub fn main(args: &Args) -> Exit {
    let path = &args.name;
    let mut files = vec![(path.clone(), args.template.text().to_owned())];
    if args.schema {
        // Before the scenario that names it.
        files.insert(0, (path.with_file_name(SCHEMA), schema::text()));
    }
    if let Err((path, error)) = interrupt::undisturbed(|| write(&files)) {
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                say::error(format_args!("`{}` exists already; nothing was written", path.display()))
            }
            _ => say::error(format_args!("cannot write `{}`: {error}", path.display())),
        }
        return Exit::Io;
    }
    let mut said = format!("Wrote {}", check::shown(path));
    said.push_str(&if args.schema { format!(" and {}.\n", check::shown(&files[0].0)) } else { ".\n".to_owned() });
    said.push_str(&format!("Next: simlab run {}\n", shell::quoted(path.as_os_str())));
    print(&said)
}

/// Writes files that do not exist yet: all or none.
fn write(files: &[(PathBuf, String)]) -> Result<(), (&Path, io::Error)> {
    // Asked beforehand, so that nothing appears that has to go again.
    if let Some((taken, _)) = files.iter().rev().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err((taken, io::ErrorKind::AlreadyExists.into()));
    }
    let mut drafts = Vec::new();
    for (path, text) in files {
        drafts.push(Draft::new(path, text.as_bytes()).map_err(|error| (path.as_path(), error))?);
    }
    for (index, draft) in drafts.into_iter().enumerate() {
        if let Err(error) = draft.create() {
            for (path, _) in &files[..index] {
                let _ = fs::remove_file(path);
            }
            return Err((&files[index].0, error));
        }
    }
    Ok(())
}
