//! Where a folder is that may not exist yet.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{FolderError, failed};

/// The folder's path without links and without `..`. Links are followed as the system does, also at the end: who names a link to a folder means the
/// folder.
///
/// # Errors
/// If a part is a link that leads nowhere, or `..` follows what does not exist; if it is no folder; if the system does not tell.
pub fn resolve(folder: &Path) -> Result<PathBuf, FolderError> {
    let mut there = folder;
    let mut missing = Vec::new();
    let real = loop {
        let named = if there.as_os_str().is_empty() { Path::new(".") } else { there };
        match fs::canonicalize(named) {
            Ok(real) => break real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(folder)(error)),
        }
        if named.symlink_metadata().is_ok() {
            return Err(FolderError::Dangling(named.to_owned()));
        }
        match (named.components().next_back(), named.parent()) {
            (Some(Component::Normal(name)), Some(parent)) => {
                missing.push(name);
                there = parent;
            }
            (_, Some(parent)) => return Err(FolderError::NoFolder(parent.to_owned())),
            (_, None) => return Err(failed(folder)(io::ErrorKind::NotFound.into())),
        }
    };
    if !real.is_dir() {
        return Err(failed(folder)(io::ErrorKind::NotADirectory.into()));
    }
    Ok(missing.into_iter().rev().fold(real, |path, name| path.join(name)))
}
