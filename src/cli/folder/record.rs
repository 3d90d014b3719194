//! The second way: a record of what is about to be moved, then the moves. Until the record has its name nothing has changed; from then on whoever
//! comes next finishes it.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{FolderError, failed, is_file, is_folder, leftover, owned, sync, write_all};

/// The record of a folder in which files are being moved.
pub const NAME: &str = ".simlab-commit";

/// What is to be done.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The folder in this folder where the new files stand.
    stage: String,
    /// All files of the new report, in the order in which they are moved.
    files: Vec<Moved>,
    /// Files of the old report that the new one does not have.
    removed: Vec<String>,
}

/// A file of the new report.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Moved {
    name: String,
    hash: String,
}

/// What comes last: who sees a new page sees a new report.
const LAST: &str = "report.html";

/// Replaces the report in a folder, of which the caller holds the lock.
///
/// # Errors
/// If the system says no: before the first file is moved, with nothing changed, or between two, and the record is kept.
pub fn replace(folder: &Path, named: &Path, files: &[(String, Vec<u8>)], own: &[String]) -> Result<(), FolderError> {
    let record = match commit(folder, files, own) {
        Ok(record) => record,
        Err(error) => {
            leftover::remove_dead(folder);
            return Err(failed(named)(error));
        }
    };
    // What fails once, by accident, may work the second time. What does not is for the next run.
    record
        .finish(folder)
        .or_else(|_| record.finish(folder))
        .map_err(|source| FolderError::Half { path: named.to_owned(), source })
}

/// Writes the new files beside the old ones, and the record, which gets its name at the end.
fn commit(folder: &Path, files: &[(String, Vec<u8>)], own: &[String]) -> io::Result<Record> {
    let name = leftover::fresh_name()?;
    let stage = folder.join(&name);
    fs::create_dir(&stage)?;
    write_all(&stage, files)?;
    let is_new = |name: &&String| files.iter().all(|(new, _)| new != *name);
    let mut record = Record {
        stage: name,
        files: files.iter().map(|(name, content)| Moved { name: name.clone(), hash: hash(content) }).collect(),
        removed: own.iter().filter(is_new).cloned().collect(),
    };
    record.files.sort_by_key(|file| file.name == LAST);
    let text = format!("{:#}\n", serde_json::json!(record));
    let draft = stage.join(NAME);
    write_all(&stage, &[(NAME.to_owned(), text.into_bytes())])?;
    fs::rename(draft, folder.join(NAME))?;
    sync(folder);
    Ok(record)
}

/// Finishes what a record says that a killed run left, or discards it if that cannot be. The caller holds the folder's lock.
///
/// # Errors
/// If a file cannot be moved.
pub fn recover(folder: &Path, named: &Path) -> Result<(), FolderError> {
    let path = folder.join(NAME);
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    if !is_file(&path) {
        return Err(FolderError::InTheWay(named.join(NAME)));
    }
    let record: Option<Record> =
        fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).filter(Record::is_sound);
    match record {
        Some(record) if record.can_finish(folder) => {
            record.finish(folder).map_err(|source| FolderError::Half { path: named.to_owned(), source })
        }
        // Nobody but simlab writes here, so that this is a disk's fault or somebody's joke. The stage goes as every leftover does.
        _ => fs::remove_file(path).map_err(failed(named)),
    }
}

impl Record {
    /// True if no name leads out of the folder.
    fn is_sound(&self) -> bool {
        let names = self.files.iter().map(|file| &file.name).chain(&self.removed);
        leftover::is_fresh(self.stage.as_ref()) && names.into_iter().all(|name| owned::is_name(name))
    }

    /// True if every file of the new report is there, in the stage or in its place already.
    fn can_finish(&self, folder: &Path) -> bool {
        let stage = folder.join(&self.stage);
        let holds = |root: &Path, file: &Moved| {
            let charts = !file.name.contains('/') || is_folder(&root.join(owned::CHARTS));
            let path = root.join(&file.name);
            charts && is_file(&path) && fs::read(path).is_ok_and(|content| hash(&content) == file.hash)
        };
        let charts = folder.join(owned::CHARTS);
        let clear = charts.symlink_metadata().is_err() || is_folder(&charts) || !self.has_charts();
        clear && self.files.iter().all(|file| (is_folder(&stage) && holds(&stage, file)) || holds(folder, file))
    }

    fn has_charts(&self) -> bool {
        self.files.iter().any(|file| file.name.contains('/'))
    }

    /// Does what is not done yet.
    fn finish(&self, folder: &Path) -> io::Result<()> {
        let stage = folder.join(&self.stage);
        let charts = folder.join(owned::CHARTS);
        if self.has_charts() && !is_folder(&charts) {
            fs::create_dir(&charts)?;
        }
        for file in &self.files {
            let from = stage.join(&file.name);
            if is_file(&from) {
                fs::rename(from, folder.join(&file.name))?;
            }
        }
        for name in &self.removed {
            let path = folder.join(name);
            if is_file(&path) && (is_folder(&charts) || !name.contains('/')) {
                fs::remove_file(path)?;
            }
        }
        // Only if nothing is left in it.
        if !self.has_charts() && is_folder(&charts) {
            let _ = fs::remove_dir(&charts);
        }
        sync(&charts);
        sync(folder);
        fs::remove_file(folder.join(NAME))?;
        leftover::discard(&stage);
        Ok(())
    }
}

/// The 64-bit hash FNV-1a (Fowler, Noll, Vo): tells what a disk has lost, not what somebody means to look the same.
pub fn hash(bytes: &[u8]) -> String {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("fnv1a64:{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}
