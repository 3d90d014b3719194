//! What only some systems tell of files and folders.

use std::path::Path;

/// True if another file system, or another part of this one, begins at this folder.
#[cfg(target_os = "linux")]
pub fn is_mount_point(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.symlink_metadata().map(|is| is.dev()).ok();
    has(folder, rustix::fs::StatxAttributes::MOUNT_ROOT)
        || folder.parent().is_none_or(|parent| device(parent) != device(folder))
}

/// True if a file of this folder cannot be replaced or removed although files can be made beside it: its attributes forbid it, or the folder lets
/// everybody write and leave the files of others alone. `mine` was just made there.
#[cfg(target_os = "linux")]
pub fn is_pinned(file: &Path, folder: &Path, mine: &Path) -> bool {
    use rustix::fs::StatxAttributes;
    use std::os::unix::fs::MetadataExt;
    let of = |path: &Path| path.symlink_metadata().map(|is| (is.uid(), is.mode()));
    let (Ok((owner, _)), Ok((host, mode)), Ok((me, _))) = (of(file), of(folder), of(mine)) else { return false };
    let sticky = mode & 0o1000 != 0 && me != 0 && me != owner && me != host;
    sticky || has(file, StatxAttributes::IMMUTABLE) || has(file, StatxAttributes::APPEND)
}

#[cfg(target_os = "linux")]
fn has(path: &Path, attribute: rustix::fs::StatxAttributes) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)
        .is_ok_and(|said| said.stx_attributes.contains(attribute))
}

/// Nobody tells.
#[cfg(not(target_os = "linux"))]
pub fn is_mount_point(_: &Path) -> bool {
    false
}

/// Nobody tells.
#[cfg(not(target_os = "linux"))]
pub fn is_pinned(_: &Path, _: &Path, _: &Path) -> bool {
    false
}
