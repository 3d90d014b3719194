//! `simlab show`: the scenario with every default filled in.

use std::path::PathBuf;

use super::{Exit, check, print};
use crate::scenario::file::Overrides;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub fn main(args: &Args) -> Exit {
    match check::load(&args.file, &Overrides::default(), true, check::reading()) {
        Ok(loaded) => print(&loaded.resolved),
        Err(exit) => exit,
    }
}
