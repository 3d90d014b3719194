//! `--chart`: the delays of some names as a picture in a file.

use std::path::{Path, PathBuf};

use super::{Subject, distinct};
use crate::catalog::DelayRow;
use crate::cli::folder::single::Draft;
use crate::cli::{Exit, check, interrupt, print, say};
use crate::report::chart::ladder::{Ladder, Rung};
use crate::report::chart::{Ending, ladders};
use crate::text::cut;

/// A name that says what to draw.
pub fn file(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    ending(&path).map(|_| path).ok_or_else(|| "it must end in .svg or .png".to_owned())
}

fn ending(path: &Path) -> Option<Ending> {
    match path.extension()?.to_str()? {
        "svg" => Some(Ending::Svg),
        "png" => Some(Ending::Png),
        _ => None,
    }
}

/// Draws what words have found; delays after a single outcome stand beside the others. A word that finds several may find some without
/// delays, but not only such.
pub fn write(path: &Path, found: &[(&str, Vec<&Subject>)]) -> Exit {
    let has_delays = |subject: &&Subject| !subject.ladders().is_empty();
    if let Some((word, meant)) = found.iter().find(|(_, meant)| !meant.iter().any(has_delays)) {
        match meant[..] {
            [one] => say::error(format_args!("`{}` makes no delays to draw", one.name())),
            _ => say::error(format_args!("nothing that `{}` finds makes delays to draw", cut(word))),
        }
        return Exit::Usage;
    }
    let mut drawn = Vec::new();
    for subject in distinct(found.iter().flat_map(|(_, meant)| meant.iter().copied())) {
        drawn.extend(subject.ladders().into_iter().map(|(after, rows)| {
            let rung = |row: &DelayRow| Rung { retry: row.retry, min: row.min, mean: row.mean, max: row.max };
            Ladder { name: format!("{}{after}", subject.name()), rungs: rows.iter().map(rung).collect() }
        }));
    }
    let ending = ending(path).expect("the name has been checked");
    let bytes = ladders(&drawn, ending);
    match interrupt::undisturbed(|| Draft::new(path, &bytes).and_then(Draft::replace)) {
        Ok(()) => print(&format!("Wrote {}.\n", check::shown(path))),
        Err(error) => {
            say::error(format_args!("cannot write `{}`: {error}", path.display()));
            Exit::Io
        }
    }
}
