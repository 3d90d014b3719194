//! Writing a report: the folder holds the old one or the new one, whatever ends the run and whenever.
//!
//! Everything is written into a fresh folder on the folder's own file system first. Then there are two ways.
//!
//! - Beside the folder, if one may write there: what simlab did not write is carried over, and the two folders change their names in one step
//!   (`exchange.rs`). A folder that does not exist yet gets its name in one step, too.
//! - Within the folder otherwise: a record of what is about to be moved is put in place, then the files are moved one by one (`record.rs`). Whoever
//!   finds the record finishes what it says.
//!
//! A lock makes one writer of many (`lock.rs`), and what killed runs leave is removed by the next one (`leftover.rs`).

#[cfg(target_os = "linux")]
mod exchange;
mod leftover;
mod lock;
mod owned;
mod place;
mod record;
pub mod single;
mod system;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use self::leftover::Stage;
use self::lock::Lock;
use crate::text::printable;

/// A folder cannot take the report.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It holds something else.
    #[error("`{}` holds other files and no report of simlab; nothing was written. Name another folder with --out", shown(.0))]
    NotOurs(PathBuf),
    /// Something that simlab did not write stands where a file of the report would.
    #[error("`{}` is in the way of the report, and simlab did not write it; nothing was written. Move it, or name another folder with --out", shown(.0))]
    InTheWay(PathBuf),
    /// A link that leads nowhere.
    #[error("`{}` is a link to something that does not exist; nothing was written", shown(.0))]
    Dangling(PathBuf),
    /// `..` of a folder that does not exist.
    #[error("there is no folder `{}`, so that `..` leads nowhere from there; nothing was written", shown(.0))]
    NoFolder(PathBuf),
    /// Another run has been writing to it all the time.
    #[error("another run of simlab has been writing to `{}` for {} seconds; nothing was written", shown(.0), lock::PATIENCE.as_secs())]
    Busy(PathBuf),
    /// Interrupted while another run was writing to it.
    #[error("interrupted; no report was written")]
    Interrupted,
    /// The system says no.
    #[error("cannot write the report to `{}`: {source}", shown(.path))]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system said no when some files were in place already.
    #[error("cannot replace the report in `{}`: {source}. Some of its files are new already; the next run into it moves the others, too", shown(.path))]
    Half {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A path on a terminal.
fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

fn failed(path: &Path) -> impl Fn(io::Error) -> FolderError {
    move |source| FolderError::Io { path: path.to_owned(), source }
}

/// A folder that can take a report.
pub struct Folder {
    /// As it was named.
    named: PathBuf,
    /// Where that is, without links; it may not exist yet.
    path: PathBuf,
}

impl Folder {
    /// Where this folder is.
    ///
    /// # Errors
    /// If that is nowhere, or no folder.
    pub fn find(named: &Path) -> Result<Folder, FolderError> {
        Ok(Folder { named: named.to_owned(), path: place::resolve(named)? })
    }

    /// Finds out, before anything runs, whether it can take a report, with charts or without: it is missing, empty, or holds an earlier report, files
    /// can be made in it, and nothing else is in the way. What a killed run left is finished or removed here.
    ///
    /// # Errors
    /// If it cannot. Then no file of a report has changed.
    pub fn prepare(&self, charts: bool, interrupted: &AtomicBool) -> Result<(), FolderError> {
        let Some(lock) = self.lock(interrupted)? else {
            return self.try_to_make().map_err(failed(&self.named));
        };
        self.tidy()?;
        let own = owned::check(&self.path, &self.named, &owned::possible(charts))?;
        self.try_charts().map_err(failed(&self.named))?;
        let parent = |name: &String| self.path.join(if name.contains('/') { owned::CHARTS } else { "" });
        match own.iter().find(|name| system::is_pinned(&self.path.join(name), &parent(name), lock.path())) {
            Some(name) => Err(failed(&self.named.join(name))(io::ErrorKind::PermissionDenied.into())),
            None => Ok(()),
        }
    }

    /// Finishes or removes what killed runs left, whatever becomes of the command that names the folder. Of one that is locked its writer takes care,
    /// and of one that cannot be written nobody can.
    pub fn settle(&self, interrupted: &AtomicBool) {
        match self.lock_within(interrupted, Duration::ZERO) {
            Ok(Some(_lock)) => drop(self.tidy()),
            Ok(None) => leftover::remove_dead(&self.path),
            Err(_) => {}
        }
    }

    /// True if both are the same folder, whatever they are called.
    pub fn is_same(&self, other: &Folder) -> bool {
        self.path == other.path
    }

    /// Writes the files of a report: relative path and content.
    ///
    /// # Errors
    /// If the folder cannot take it any more, or the system says no. Then the earlier report is as it was, unless the error says otherwise.
    pub fn write(&self, files: &[(String, Vec<u8>)], interrupted: &AtomicBool) -> Result<(), FolderError> {
        loop {
            if let Some(lock) = self.lock(interrupted)? {
                return self.replace(lock, files);
            }
            if self.make(files).map_err(failed(&self.named))? {
                return Ok(());
            }
            // Another run was faster.
        }
    }

    /// Becomes the one writer of the folder; none if it does not exist. A folder of something else is not touched.
    fn lock(&self, interrupted: &AtomicBool) -> Result<Option<Lock>, FolderError> {
        self.lock_within(interrupted, lock::PATIENCE)
    }

    fn lock_within(&self, interrupted: &AtomicBool, patience: Duration) -> Result<Option<Lock>, FolderError> {
        if self.path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(None);
        }
        if !owned::may_be_ours(&self.path).map_err(failed(&self.named))? {
            return Err(FolderError::NotOurs(self.named.clone()));
        }
        Lock::wait(&self.path, &self.named, interrupted, patience)
    }

    /// Finishes or removes what killed runs left. The caller holds the lock.
    fn tidy(&self) -> Result<(), FolderError> {
        record::recover(&self.path, &self.named)?;
        leftover::remove_dead(&self.path);
        Ok(())
    }

    /// Charts stand in a folder of their own, with a mode of its own.
    fn try_charts(&self) -> io::Result<()> {
        let charts = self.path.join(owned::CHARTS);
        if !is_folder(&charts) {
            return Ok(());
        }
        let probe = charts.join(leftover::fresh_name()?);
        OpenOptions::new().write(true).create_new(true).open(&probe)?;
        fs::remove_file(probe)
    }

    /// Makes a folder that does not exist yet, with all that it stands in, under another name, and removes it again.
    fn try_to_make(&self) -> io::Result<()> {
        leftover::remove_dead(&self.path);
        let there = self.path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let beside = there.join(self.path.file_name().unwrap_or_default());
        leftover::remove_dead_beside(&beside, &self.path);
        let stage = Stage::beside(&beside)?;
        fs::create_dir_all(stage.path().join(self.path.strip_prefix(there).unwrap_or(Path::new(""))))
    }

    /// Writes a folder that does not exist yet; false if it does now.
    fn make(&self, files: &[(String, Vec<u8>)]) -> io::Result<bool> {
        let missing: Vec<&Path> = self.path.ancestors().skip(1).take_while(|path| !path.exists()).collect();
        let made = self.make_within(files);
        if made.is_err() {
            // Whatever is not empty stays.
            missing.iter().for_each(|folder| drop(fs::remove_dir(folder)));
        }
        made
    }

    fn make_within(&self, files: &[(String, Vec<u8>)]) -> io::Result<bool> {
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent)?;
        let stage = Stage::beside(&self.path)?;
        write_all(stage.path(), files)?;
        match fs::rename(stage.path(), &self.path) {
            Ok(()) => {
                sync(parent);
                leftover::remove_dead(&self.path);
                drop(stage.into_lock(&self.path));
                Ok(true)
            }
            Err(_) if self.path.symlink_metadata().is_ok() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Replaces what is there.
    fn replace(&self, lock: Lock, files: &[(String, Vec<u8>)]) -> Result<(), FolderError> {
        self.tidy()?;
        let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
        let own = owned::check(&self.path, &self.named, &names)?;
        #[cfg(target_os = "linux")]
        let lock = match exchange::exchange(&self.path, lock, files, &own).map_err(failed(&self.named))? {
            Some(lock) => lock,
            None => return Ok(()),
        };
        let result = record::replace(&self.path, &self.named, files, &own);
        drop(lock);
        result
    }
}

/// Writes files into a fresh folder and waits until the disk has them: a name must not be there before its content.
fn write_all(folder: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let mut written: Vec<File> = Vec::new();
    // The manifest first: it says what else of this folder is a report's.
    let is_manifest = |(name, _): &&(String, Vec<u8>)| name == owned::MANIFEST;
    for (name, content) in files.iter().filter(is_manifest).chain(files.iter().filter(|file| !is_manifest(file))) {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(content)?;
        written.push(file);
    }
    // All are on their way by now, so that the disk is waited for about once.
    written.iter().try_for_each(File::sync_all)?;
    sync(&folder.join(owned::CHARTS));
    sync(folder);
    Ok(())
}

/// Waits until the disk has the names in a folder, where the system knows how.
fn sync(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

/// A folder, and no link to one.
fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|is| is.is_dir())
}

/// A file, and no link to one.
fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|is| is.is_file())
}
