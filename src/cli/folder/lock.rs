//! One writer at a time: a lock on a file in the folder. The system gives it back when its holder ends, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{FolderError, failed, is_file};

/// The file that is locked. It exists while somebody writes, and after a kill until the next run.
pub const NAME: &str = ".simlab-lock";
/// How long another writer is waited for: many times what a report takes on a slow disk.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// The right to change what simlab wrote in a folder. Its file goes with it.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Of a folder that was just made.
    ///
    /// # Errors
    /// If the file cannot be made; also if somebody took the folder for a leftover before it was locked.
    pub fn fresh(folder: &Path) -> io::Result<Lock> {
        let path = folder.join(NAME);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        if claim(&file, &path)? { Ok(Lock { file, path }) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// Of a folder that others may be writing to, who are waited for. None if there is no such folder any more.
    ///
    /// # Errors
    /// If the wait lasts too long or is interrupted, or the file cannot be made.
    pub fn wait(
        folder: &Path,
        named: &Path,
        interrupted: &AtomicBool,
        patience: Duration,
    ) -> Result<Option<Lock>, FolderError> {
        let path = folder.join(NAME);
        let started = Instant::now();
        loop {
            if path.symlink_metadata().is_ok_and(|is| !is.is_file()) {
                return Err(FolderError::InTheWay(named.join(NAME)));
            }
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            match open(&mut options, &path) {
                Ok(file) => {
                    // Where there are no locks, everybody is the one.
                    let mine = try_lock(&file).map_err(failed(named))?.unwrap_or(true);
                    // Another writer may have put another folder here, or removed the file, since it was opened.
                    if mine && is_at(&file, &path) {
                        return Ok(Some(Lock { file, path }));
                    }
                }
                Err(_) if folder.symlink_metadata().is_err() => return Ok(None),
                // Removed by its holder between two looks.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(named)(error)),
            }
            if interrupted.load(Ordering::Relaxed) {
                return Err(FolderError::Interrupted);
            }
            if started.elapsed() > patience {
                return Err(FolderError::Busy(named.to_owned()));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Of a folder that its writer left; none if the writer lives, or if nobody can tell.
    pub fn of_dead(folder: &Path) -> Option<Lock> {
        let path = folder.join(NAME);
        Some(Lock { file: dead(&path)?, path })
    }

    /// The file, which exists as long as this does.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the lock back and leaves its file, by which the folder is known as a leftover.
    pub fn leave(mut self) {
        self.path.clear();
    }

    /// The folder has another name now.
    pub fn moved(&mut self, folder: &Path) {
        self.path = folder.join(NAME);
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// True for a file that its writer had locked and left.
pub fn is_dead(path: &Path) -> bool {
    dead(path).is_some()
}

fn dead(path: &Path) -> Option<File> {
    if !is_file(path) {
        return None;
    }
    let file = open(OpenOptions::new().write(true), path).ok()?;
    let dead = try_lock(&file).ok()? == Some(true) && is_at(&file, path);
    dead.then_some(file)
}

/// Locks a file that was just made; false if somebody took it for a leftover before.
pub fn claim(file: &File, path: &Path) -> io::Result<bool> {
    Ok(try_lock(file)? != Some(false) && is_at(file, path))
}

/// True if locked now, false if somebody else has it, none where files cannot be locked.
fn try_lock(file: &File) -> io::Result<Option<bool>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(true)),
        Err(TryLockError::WouldBlock) => Ok(Some(false)),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported || no_locks(&error) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What NFS says without its lock service.
fn no_locks(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    {
        error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = error;
        false
    }
}

/// Opens a file and no link.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options.open(path)
}

/// True if this file still has this name.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |is: &fs::Metadata| (is.dev(), is.ino());
        path.symlink_metadata().is_ok_and(|there| file.metadata().is_ok_and(|own| id(&own) == id(&there)))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}
