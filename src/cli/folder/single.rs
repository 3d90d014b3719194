//! Files that are written alone: whole, or not at all. Links are not followed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{is_file, leftover, lock};

/// Content under a fresh name beside the file that it is to become. It goes, unless it becomes the file.
pub struct Draft {
    path: PathBuf,
    target: PathBuf,
    /// Held open: its lock says that somebody is at it.
    file: File,
}

impl Draft {
    /// Writes the content of a file that is to be. Removes what killed runs left that were to write it.
    ///
    /// # Errors
    /// If one may not write there.
    pub fn new(target: &Path, content: &[u8]) -> io::Result<Draft> {
        leftover::remove_dead_files(target);
        for _ in 0..leftover::TRIES {
            let path = leftover::fresh_beside(target)?;
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            let mut draft = Draft { path, target: target.to_owned(), file };
            if lock::claim(&draft.file, &draft.path)? {
                draft.file.write_all(content)?;
                draft.file.sync_all()?;
                return Ok(draft);
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Becomes a file that does not exist yet.
    ///
    /// # Errors
    /// If it exists, as whatever it may be, or the system says no.
    pub fn create(self) -> io::Result<()> {
        match fs::hard_link(&self.path, &self.target) {
            Ok(()) => Ok(()),
            Err(_) if self.target.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
            // A file system without second names.
            Err(_) => fs::rename(&self.path, &self.target),
        }
    }

    /// Becomes a file, or replaces it. A link is replaced, not what it leads to.
    ///
    /// # Errors
    /// If what stands there is neither, or the system says no.
    pub fn replace(self) -> io::Result<()> {
        match self.target.symlink_metadata() {
            Ok(there) if there.is_file() => fs::set_permissions(&self.path, there.permissions())?,
            Ok(there) if !there.is_symlink() => return Err(io::ErrorKind::AlreadyExists.into()),
            _ => {}
        }
        fs::rename(&self.path, &self.target)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if is_file(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
