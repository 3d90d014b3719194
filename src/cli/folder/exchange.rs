//! The first way: a fresh folder with everything in it changes names with the old one in one step.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, listxattr, listxattr_query, renameat_with};
use rustix::io::Errno;

use super::leftover::{self, Stage};
use super::lock::Lock;
use super::system::is_mount_point;
use super::{owned, sync, write_all};

/// Most files and folders that are carried over. Where there are more, they stay where they are.
const MOST_CARRIED: usize = 10_000;

/// Replaces the report in a folder. The lock comes back if this is not possible here; then nothing has changed.
///
/// # Errors
/// If the system says no; then nothing has changed either.
pub fn exchange(
    folder: &Path,
    mut lock: Lock,
    files: &[(String, Vec<u8>)],
    own: &[String],
) -> io::Result<Option<Lock>> {
    if !may_be_moved(folder) {
        return Ok(Some(lock));
    }
    let Ok(stage) = Stage::beside(folder) else { return Ok(Some(lock)) };
    if carry(folder, stage.path(), own).is_err() {
        return Ok(Some(lock));
    }
    write_all(stage.path(), files)?;
    // Where charts were and are no more.
    let _ = fs::remove_dir(stage.path().join(owned::CHARTS));
    match renameat_with(CWD, stage.path(), CWD, folder, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        Err(
            Errno::XDEV | Errno::BUSY | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS,
        ) => {
            return Ok(Some(lock));
        }
        Err(error) => return Err(error.into()),
    }
    let old = stage.path().to_owned();
    let new = stage.into_lock(folder);
    lock.moved(&old);
    if let Some(parent) = folder.parent() {
        sync(parent);
    }
    leftover::bury(&old, lock, folder);
    drop(new);
    Ok(None)
}

/// False for what a fresh folder cannot stand for: a mount point, a folder with more to it than mode and owner (as access control lists), and one
/// in which this program was started, whose shell would find itself in a folder that is gone.
fn may_be_moved(folder: &Path) -> bool {
    !is_mount_point(folder)
        && !has_attributes(folder)
        && !std::env::current_dir().is_ok_and(|current| current.starts_with(folder))
}

/// True if a folder has more to it than others have. A label of SELinux, which a fresh folder gets too, is nothing of its own.
fn has_attributes(folder: &Path) -> bool {
    let mut names = vec![0; listxattr_query(folder).unwrap_or(0)];
    let length = if names.is_empty() { 0 } else { listxattr(folder, &mut names[..]).unwrap_or(0) };
    names[..length].split(|byte| *byte == 0).any(|name| !name.is_empty() && name != b"security.selinux")
}

/// Gives a fresh folder the mode and the group of the old one, and a name in it to everything that simlab did not write. The old names stay, so
/// that at no time something is missing.
fn carry(old: &Path, new: &Path, own: &[String]) -> io::Result<()> {
    look_alike(old, new)?;
    let mut carried = 0;
    carry_within(old, new, "", own, &mut carried)
}

fn carry_within(old: &Path, new: &Path, within: &str, own: &[String], carried: &mut usize) -> io::Result<()> {
    for entry in fs::read_dir(old)? {
        let entry = entry?;
        let name = entry.file_name();
        let inside = format!("{within}{}", name.to_string_lossy());
        let is_own = own.binary_search(&inside).is_ok();
        if is_own || (within.is_empty() && (name == super::lock::NAME || leftover::is_fresh(&name))) {
            continue;
        }
        *carried += 1;
        if *carried > MOST_CARRIED {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let to = new.join(&name);
        if entry.file_type()?.is_dir() {
            if is_mount_point(&entry.path()) || has_attributes(&entry.path()) {
                return Err(io::ErrorKind::CrossesDevices.into());
            }
            fs::DirBuilder::new().mode(0o700).create(&to)?;
            look_alike(&entry.path(), &to)?;
            carry_within(&entry.path(), &to, &format!("{inside}/"), own, carried)?;
        } else {
            // The link itself, of links.
            fs::hard_link(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Gives a folder the owner, the group and the mode of another one.
fn look_alike(old: &Path, new: &Path) -> io::Result<()> {
    let (as_is, so_far) = (old.symlink_metadata()?, new.symlink_metadata()?);
    if (as_is.uid(), as_is.gid()) != (so_far.uid(), so_far.gid()) {
        chown(new, Some(as_is.uid()), Some(as_is.gid()))?;
    }
    fs::set_permissions(new, as_is.permissions())?;
    let is = new.symlink_metadata()?;
    let same = (is.uid(), is.gid(), is.mode()) == (as_is.uid(), as_is.gid(), as_is.mode());
    if same { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}
