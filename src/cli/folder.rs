//! Writing a report: everything under a temporary name first, then in place by renaming, so that an interrupted run leaves
//! either the old report or the new one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder cannot take the report.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It holds something else.
    #[error("`{0}` holds other files and no report of simlab; nothing was written. Name another folder with --out")]
    NotOurs(PathBuf),
    /// The system says no.
    #[error("cannot write the report to `{path}`: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Files by which a folder is known to hold a report, and which a new report replaces.
const OURS: [&str; 5] = ["summary.json", "summary.csv", "timeline.csv", "report.html", "manifest.json"];
const CHARTS: &str = "charts";

fn is_chart(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "svg" || extension == "png")
}

/// Checks, before anything runs, that `folder` may take a report: it does not exist, is empty, or holds an earlier one.
///
/// # Errors
/// If it holds something else, or cannot be read.
pub fn check(folder: &Path) -> Result<(), FolderError> {
    let failed = |source| FolderError::Io { path: folder.to_owned(), source };
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let holds_a_report = folder.join("summary.json").is_file() || folder.join("report.html").is_file();
    if !holds_a_report && entries.next().is_some() {
        return Err(FolderError::NotOurs(folder.to_owned()));
    }
    Ok(())
}

/// Writes the files of a report: relative path and content.
///
/// # Errors
/// If the folder holds something else, or the system says no; then the earlier report is as it was.
pub fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), FolderError> {
    check(folder)?;
    let failed = |source| FolderError::Io { path: folder.to_owned(), source };
    let temporary = temporary_beside(folder);
    let result = write_all(&temporary, files).and_then(|()| put_in_place(&temporary, folder, files));
    // Whatever happened, nothing temporary stays; when all went well it is gone or empty already.
    let _ = fs::remove_dir_all(&temporary);
    result.map_err(failed)
}

fn temporary_beside(folder: &Path) -> PathBuf {
    let name = folder.file_name().map_or_else(|| "report".into(), |name| name.to_string_lossy().into_owned());
    folder.with_file_name(format!(".{name}.simlab-{}", std::process::id()))
}

fn write_all(temporary: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    fs::create_dir_all(temporary)?;
    for (name, content) in files {
        let path = temporary.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

fn put_in_place(temporary: &Path, folder: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if empty {
        fs::remove_dir(folder)?;
    }
    if !folder.exists() {
        // The whole folder at once.
        return fs::rename(temporary, folder);
    }
    if files.iter().any(|(name, _)| name.starts_with(CHARTS)) {
        fs::create_dir_all(folder.join(CHARTS))?;
    }
    for (name, _) in files {
        fs::rename(temporary.join(name), folder.join(name))?;
    }
    remove_outdated(folder, files)
}

/// Removes what an earlier report had and this one has not; what is not ours stays.
fn remove_outdated(folder: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let written = |relative: &str| files.iter().any(|(name, _)| name == relative);
    for name in OURS {
        if !written(name) && folder.join(name).is_file() {
            fs::remove_file(folder.join(name))?;
        }
    }
    let Ok(entries) = fs::read_dir(folder.join(CHARTS)) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let relative = format!("{CHARTS}/{}", entry.file_name().to_string_lossy());
        if is_chart(&entry.path()) && !written(&relative) {
            fs::remove_file(entry.path())?;
        }
    }
    // Only if nothing is left in it.
    let _ = fs::remove_dir(folder.join(CHARTS));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("simlab-folder-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn report(text: &str, charts: &[&str]) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![("summary.json".to_owned(), text.into()), ("report.html".to_owned(), text.into())];
        files.extend(charts.iter().map(|name| (format!("charts/{name}"), text.into())));
        files
    }

    #[test]
    fn replaces_its_own_and_nothing_else() {
        let root = scratch("own");
        let folder = root.join("out");
        write(&folder, &report("old", &["storm.svg", "gone.png"])).unwrap();
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        fs::write(folder.join("charts/notes.txt"), "mine").unwrap();
        write(&folder, &report("new", &["storm.svg"])).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        assert_eq!(read("summary.json").as_deref(), Some("new"));
        assert_eq!(read("charts/storm.svg").as_deref(), Some("new"));
        assert_eq!(read("charts/gone.png"), None);
        assert_eq!(read("notes.txt").as_deref(), Some("mine"));
        assert_eq!(read("charts/notes.txt").as_deref(), Some("mine"));
        // Nothing temporary stays behind.
        assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn leaves_other_folders_alone() {
        let root = scratch("other");
        fs::write(root.join("precious.txt"), "mine").unwrap();
        assert!(matches!(write(&root, &report("new", &[])), Err(FolderError::NotOurs(_))));
        assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
        let file = root.join("precious.txt");
        assert!(matches!(write(&file, &report("new", &[])), Err(FolderError::Io { .. })));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_empty_folder_is_fine() {
        let root = scratch("empty");
        write(&root, &report("new", &["a.svg"])).unwrap();
        assert!(root.join("charts/a.svg").is_file());
        fs::remove_dir_all(root).unwrap();
    }
}
