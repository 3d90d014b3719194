//! Fresh names, and what runs leave under them that were killed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::Lock;
use super::{is_file, is_folder, lock, owned};

/// How a fresh name begins, or goes on after the name that it stands beside.
const MARK: &str = ".simlab-";
/// Digits of a fresh name.
const DIGITS: usize = 16;
/// Longer names are cut: a fresh name has to fit into the 255 bytes that file systems allow.
const LONGEST: usize = 200;
/// What is fresh is made again if somebody takes it for a leftover before it is locked; so often would be no accident.
pub const TRIES: usize = 10;

/// Digits that nobody can guess.
fn digits() -> io::Result<String> {
    let number = getrandom::u64().map_err(io::Error::other)?;
    Ok(format!("{number:016x}"))
}

/// A name that nothing has and that nobody can guess.
pub fn fresh_name() -> io::Result<String> {
    Ok(format!("{MARK}{}", digits()?))
}

/// The same beside a folder or a file, in whose folder there are others.
pub fn fresh_beside(path: &Path) -> io::Result<PathBuf> {
    let mut name = prefix(path);
    name.push(digits()?);
    Ok(path.with_file_name(name))
}

/// True for names of this kind.
pub fn is_fresh(name: &OsStr) -> bool {
    name.to_str().and_then(|name| name.strip_prefix(MARK)).is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// What fresh names beside a folder or file begin with: `.NAME.simlab-`.
fn prefix(path: &Path) -> OsString {
    let name = path.file_name().unwrap_or_default();
    let mut prefix = OsString::from(".");
    if name.len() <= LONGEST {
        prefix.push(name);
    } else {
        let hash = super::record::hash(name.as_encoded_bytes());
        prefix.push(hash.replace(':', "-"));
    }
    prefix.push(MARK);
    prefix
}

/// A fresh folder beside another one. It goes with what is in it, unless it becomes the other one.
pub struct Stage {
    path: PathBuf,
    lock: Option<Lock>,
}

impl Stage {
    /// Beside this one.
    ///
    /// # Errors
    /// If one may not write there.
    pub fn beside(folder: &Path) -> io::Result<Stage> {
        for _ in 0..TRIES {
            let path = fresh_beside(folder)?;
            fs::create_dir(&path)?;
            match Lock::fresh(&path) {
                Ok(lock) => return Ok(Stage { path, lock: Some(lock) }),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotFound) => {}
                Err(error) => {
                    let _ = fs::remove_dir(&path);
                    return Err(error);
                }
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It has become this folder; what is left is the lock.
    pub fn into_lock(mut self, folder: &Path) -> Option<Lock> {
        let mut lock = self.lock.take();
        if let Some(lock) = &mut lock {
            lock.moved(folder);
        }
        lock
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        // What it holds was written here, or has another name elsewhere.
        for entry in entries(&self.path).filter(|entry| entry.file_name() != lock::NAME) {
            let path = entry.path();
            drop(if is_folder(&path) { fs::remove_dir_all(path) } else { fs::remove_file(path) });
        }
        remove_last(&self.path, lock);
    }
}

/// Removes a folder with nothing left in it but its lock. With more in it, it is a leftover and stays known as one.
fn remove_last(folder: &Path, lock: Lock) {
    if entries(folder).count() > 1 {
        return lock.leave();
    }
    drop(lock);
    let _ = fs::remove_dir(folder);
}

/// Removes what killed runs left within a folder and beside it, as far as the system allows. The caller holds the folder's lock, if there is a
/// folder.
pub fn remove_dead(folder: &Path) {
    for entry in entries(folder).filter(|entry| is_fresh(&entry.file_name())) {
        // Made by whoever held the lock.
        if is_folder(&entry.path()) {
            discard(&entry.path());
        }
    }
    let charts = folder.join(owned::CHARTS);
    if is_folder(&charts) {
        // Made to see whether one may.
        let empty = |entry: &fs::DirEntry| entry.metadata().is_ok_and(|is| is.is_file() && is.len() == 0);
        for entry in entries(&charts).filter(|entry| is_fresh(&entry.file_name()) && empty(entry)) {
            let _ = fs::remove_file(entry.path());
        }
    }
    remove_dead_beside(folder, folder);
}

/// Removes what was to become this folder, or was it; what simlab did not write goes into `folder`.
pub fn remove_dead_beside(name: &Path, folder: &Path) {
    for (path, digits) in beside(name).into_iter().filter(|(path, _)| is_folder(path)) {
        if is_number(&digits) {
            match Lock::of_dead(&path) {
                Some(lock) => bury(&path, lock, folder),
                // Whoever made it this moment makes another one. Nothing goes that is not empty.
                None if path.join(lock::NAME).symlink_metadata().is_err() => remove_empty(&path),
                None => {}
            }
        } else if is_process(&digits) && is_over(&digits) {
            bury_first(&path);
        }
    }
}

/// Removes what was to become a file, by runs that were killed.
pub fn remove_dead_files(file: &Path) {
    for (path, digits) in beside(file) {
        if is_number(&digits) && is_file(&path) && lock::is_dead(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

/// What stands beside a path under a fresh name of its own, and the digits of the name.
fn beside(path: &Path) -> Vec<(PathBuf, String)> {
    let prefix = prefix(path);
    let digits = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes())?;
        Some((entry.path(), str::from_utf8(rest).ok()?.to_owned()))
    };
    let parent = path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    parent.map(|parent| entries(parent).filter_map(digits).collect()).unwrap_or_default()
}

/// What the first versions had instead of digits: the number of their process.
fn is_process(text: &str) -> bool {
    (1..=10).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// In no particular order.
fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

/// Removes a stage within a folder, in which simlab alone writes.
pub fn discard(stage: &Path) {
    for name in owned::files(stage) {
        let _ = fs::remove_file(stage.join(name));
    }
    let _ = fs::remove_file(stage.join(super::record::NAME));
    let _ = fs::remove_dir(stage.join(owned::CHARTS));
    let _ = fs::remove_dir(stage);
}

/// Removes a folder that was to become a report, or was one before another took its place: the report's files, and second names of what stands in
/// the report's folder. What stands here alone is carried over there.
pub fn bury(old: &Path, lock: Lock, folder: &Path) {
    let mut own = owned::files(old);
    // The list of the others goes last.
    own.sort_by_key(|name| name == owned::MANIFEST);
    for name in &own {
        let _ = fs::remove_file(old.join(name));
    }
    // What could not be removed is a report's all the same.
    own.retain(|name| is_file(&old.join(name)));
    own.push(lock::NAME.to_owned());
    carry_over(old, folder, "", &own);
    remove_last(old, lock);
}

/// Removes a folder with nothing in it but such folders.
fn remove_empty(folder: &Path) {
    entries(folder).filter(|entry| is_folder(&entry.path())).for_each(|entry| remove_empty(&entry.path()));
    let _ = fs::remove_dir(folder);
}

fn carry_over(old: &Path, folder: &Path, within: &str, own: &[String]) {
    for entry in entries(old) {
        let inside = format!("{within}{}", entry.file_name().to_string_lossy());
        if own.contains(&inside) {
            continue;
        }
        let (from, to) = (entry.path(), folder.join(entry.file_name()));
        if is_folder(&from) && to.symlink_metadata().is_err() {
            remove_empty(&from);
        }
        match (from.symlink_metadata(), to.symlink_metadata()) {
            (Ok(is), Ok(there)) if is.is_dir() && there.is_dir() => {
                carry_over(&from, &to, &format!("{inside}/"), own);
                let _ = fs::remove_dir(from);
            }
            // The same file, or one that somebody has changed since. The newer one stays.
            (Ok(is), Ok(there)) if !is.is_dir() && !there.is_dir() => {
                let newer = is.modified().is_ok_and(|own| there.modified().is_ok_and(|other| own > other));
                drop(if newer { fs::rename(from, to) } else { fs::remove_file(from) });
            }
            (Ok(_), Err(_)) if is_folder(folder) && !own.iter().any(|name| name.starts_with(&format!("{inside}/"))) => {
                drop(fs::rename(from, to));
            }
            _ => {}
        }
    }
}

/// True if no process has this number. Where the system does not say, nobody knows.
fn is_over(process: &str) -> bool {
    let running = Path::new("/proc");
    running.join("self").exists() && !running.join(process).exists()
}

/// Removes what versions without locks left: a folder that holds files of a report and nothing else.
fn bury_first(old: &Path) {
    let charts = old.join(owned::CHARTS);
    let count = |folder: &Path| entries(folder).filter(|entry| is_file(&entry.path())).count();
    let all = |folder: &Path| entries(folder).count();
    let files = owned::files(old);
    let in_charts = if is_folder(&charts) { count(&charts) } else { 0 };
    let whole =
        all(old) == count(old) + usize::from(is_folder(&charts)) && (!is_folder(&charts) || all(&charts) == in_charts);
    if whole && files.len() == count(old) + in_charts {
        discard(old);
    }
}
