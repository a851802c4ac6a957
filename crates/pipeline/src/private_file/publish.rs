//! The ways to give a file its name without ever overwriting another one.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Renames the first path to the second one, or fails with [`io::ErrorKind::AlreadyExists`].
pub(super) type Way = fn(&Path, &Path) -> io::Result<()>;

/// In one step, on file systems that can do that.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

/// By a second name, which is refused if it is taken.
pub(super) fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    // It is published; the private name is removed again when the file is dropped.
    let _ = fs::remove_file(from);
    Ok(())
}

/// By an empty file that reserves the name, and is then replaced.
pub(super) fn reserve(from: &Path, to: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    fs::rename(from, to).inspect_err(|_| {
        // Only the empty file of a moment ago is removed, never one that took its place.
        if fs::symlink_metadata(to).is_ok_and(|found| found.len() == 0) {
            let _ = fs::remove_file(to);
        }
    })
}

/// Returns whether the file system cannot do what was asked, rather than that it failed.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno
        .is_some_and(|errno| [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::PERM, Errno::MLINK].contains(&errno))
}
