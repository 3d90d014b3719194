//! What in a folder simlab wrote. Nothing else is ever replaced or removed.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::system::is_mount_point;
use super::{FolderError, failed, is_file, is_folder, leftover, lock, record};
use crate::report::chart;

/// Says which files a report has.
pub const MANIFEST: &str = "manifest.json";
/// The folder of charts.
pub const CHARTS: &str = "charts";
const SUMMARY: &str = "summary.json";
/// What a report has beside charts.
const TOP: [&str; 5] = [SUMMARY, "summary.csv", "timeline.csv", "report.html", MANIFEST];

/// All names that a report can have.
pub fn possible(charts: bool) -> Vec<String> {
    let names = TOP.iter().map(|name| (*name).to_owned());
    let both = |chart: &chart::Listed| ["svg", "png"].map(|ending| format!("{CHARTS}/{}.{ending}", chart.name));
    names.chain(chart::CHARTS.iter().filter(|_| charts).flat_map(both)).collect()
}

/// Parts of a manifest.
#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "simlab_version")]
    _version: String,
    /// The other files of the report. Not in manifests of the first versions.
    files: Option<Vec<String>>,
}

/// Parts of a summary.
#[derive(Deserialize)]
struct Summary {
    #[serde(rename = "schema_version")]
    _schema: u32,
    #[serde(rename = "simlab_version")]
    _version: String,
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    if !is_file(path) {
        return None;
    }
    serde_json::from_reader(BufReader::new(File::open(path).ok()?)).ok()
}

/// True if a name can be that of a file of a report: it leads nowhere else.
pub fn is_name(name: &str) -> bool {
    let file = name.strip_prefix(CHARTS).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    !file.is_empty() && !file.starts_with('.') && file.chars().all(plain)
}

/// The files in a folder that simlab wrote: those that its manifest lists, or, without a list, those with names that reports have.
pub fn files(folder: &Path) -> Vec<String> {
    let manifest: Option<Manifest> = read(&folder.join(MANIFEST));
    let mut names = match manifest.and_then(|manifest| manifest.files) {
        Some(files) => files.into_iter().filter(|name| is_name(name)).chain([MANIFEST.to_owned()]).collect(),
        None => possible(true),
    };
    let charts = is_folder(&folder.join(CHARTS));
    names.retain(|name| (charts || !name.contains('/')) && is_file(&folder.join(name)));
    names.sort();
    names.dedup();
    names
}

/// True for an empty folder and for one with a report of simlab, whole or not.
pub fn may_be_ours(folder: &Path) -> io::Result<bool> {
    let mut empty = true;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if name == lock::NAME || name == record::NAME {
            return Ok(true);
        }
        empty &= leftover::is_fresh(&name);
    }
    Ok(empty || is_report(folder))
}

fn is_report(folder: &Path) -> bool {
    read::<Manifest>(&folder.join(MANIFEST)).is_some() || read::<Summary>(&folder.join(SUMMARY)).is_some()
}

/// The files in a folder that simlab wrote, if these names can be written there.
///
/// # Errors
/// If the folder holds something else, or something else has one of the names.
pub fn check(folder: &Path, named: &Path, wanted: &[String]) -> Result<Vec<String>, FolderError> {
    let others = fs::read_dir(folder)
        .and_then(|entries| entries.collect::<io::Result<Vec<_>>>())
        .map_err(failed(named))?
        .into_iter()
        .any(|entry| entry.file_name() != lock::NAME && !leftover::is_fresh(&entry.file_name()));
    if others && !is_report(folder) {
        return Err(FolderError::NotOurs(named.to_owned()));
    }
    let charts = folder.join(CHARTS);
    let unfit = charts.symlink_metadata().is_ok() && (!is_folder(&charts) || is_mount_point(&charts));
    if unfit && wanted.iter().any(|name| name.contains('/')) {
        return Err(FolderError::InTheWay(named.join(CHARTS)));
    }
    let own = files(folder);
    // What is mounted at a file is somebody else's, too.
    let taken = |name: &&String| {
        let path = folder.join(name);
        path.symlink_metadata().is_ok() && (own.binary_search(name).is_err() || is_mount_point(&path))
    };
    match wanted.iter().find(taken) {
        Some(name) => Err(FolderError::InTheWay(named.join(name))),
        None => Ok(own),
    }
}
