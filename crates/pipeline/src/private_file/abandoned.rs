//! Telling a file that a dead process left from one that is being written, also where several machines share a folder.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, File, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use super::has_no_locks;
use crate::host;

/// A file of another machine, or of one that cannot be told, is abandoned after this long without a write: locks may not reach
/// from one machine to the other.
const FOREIGN_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Returns a new name: the prefix, who writes the file, and a random number.
pub(super) fn new_name(prefix: &OsStr) -> io::Result<OsString> {
    let (host, boot) = host::fingerprint();
    let random = getrandom::u64().map_err(io::Error::other)?;
    Ok(OsString::from_vec([prefix.as_bytes(), format!("{host}-{boot}-{random:016x}").as_bytes()].concat()))
}

/// Removes what dead processes left in `folder` under `prefix`. Returns what is left over and could not be removed.
///
/// # Errors
/// If the folder cannot be read.
pub fn sweep(folder: &Path, prefix: &OsStr) -> io::Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(writer) = name.as_bytes().strip_prefix(prefix.as_bytes()) else { continue };
        if !entry.file_type()?.is_file() {
            continue;
        }
        match remove_if_abandoned(&entry, &Writer::parse(writer)) {
            // Another run was faster.
            Err(error) if error.kind() != io::ErrorKind::NotFound => left.push(entry.path()),
            _ => {}
        }
    }
    Ok(left)
}

fn remove_if_abandoned(entry: &DirEntry, writer: &Writer) -> io::Result<()> {
    let path = entry.path();
    // What is no regular file any more must neither be followed nor waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let open = |options: &mut OpenOptions| options.custom_flags(flags).open(&path);
    let file = open(OpenOptions::new().write(true)).or_else(|_| open(OpenOptions::new().read(true)))?;
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    if is_abandoned(entry, &file, writer) { fs::remove_file(path) } else { Ok(()) }
}

/// Who writes a file, by its name.
#[derive(Debug, PartialEq, Eq)]
enum Writer {
    /// A process that runs, or ran, on this machine since it started.
    Here,
    /// A machine of this name, before its last start; or another one that is called the same.
    SameName,
    /// Another machine, or an earlier version of this program.
    Other,
}

impl Writer {
    fn parse(name: &[u8]) -> Self {
        let (host, boot) = host::fingerprint();
        let mut parts = name.split(|byte| *byte == b'-');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(found), Some(since), Some(_)) if found == host.as_bytes() => {
                if since == boot.as_bytes() {
                    Self::Here
                } else {
                    Self::SameName
                }
            }
            _ => Self::Other,
        }
    }
}

fn is_abandoned(entry: &DirEntry, file: &File, writer: &Writer) -> bool {
    let written = entry.metadata().and_then(|metadata| metadata.modified()).ok();
    let is_old = written.is_some_and(|written| written.elapsed().is_ok_and(|age| age > FOREIGN_AGE));
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => false,
        Err(fs::TryLockError::Error(error)) => has_no_locks(&error) && is_old,
        Ok(()) => match writer {
            Writer::Here => true,
            Writer::SameName => is_old || is_before(written, host::boot_time()),
            Writer::Other => is_old,
        },
    }
}

fn is_before(written: Option<SystemTime>, boot: Option<SystemTime>) -> bool {
    written.zip(boot).is_some_and(|(written, boot)| written < boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = ".partial-";

    /// Creates an unlocked file that was last written so long ago, and returns whether it is still there after a clean-up.
    fn survives(name: &str, age: Duration) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{PREFIX}{name}"));
        let file = File::create(&path).unwrap();
        let now = file.metadata().unwrap().modified().unwrap();
        file.set_modified(now - age).unwrap();
        drop(file);
        assert!(sweep(folder.path(), PREFIX.as_ref()).unwrap().is_empty());
        path.exists()
    }

    #[test]
    fn a_file_that_another_machine_writes_is_not_taken_for_abandoned() {
        let (host, boot) = host::fingerprint();
        let (now, day, weeks) = (Duration::ZERO, Duration::from_secs(86_400), 2 * FOREIGN_AGE);
        assert!(!survives(&format!("{host}-{boot}-0123456789abcdef"), now), "this machine's own, whose lock is free");
        assert!(survives(&format!("00000000-{boot}-0123456789abcdef"), day), "another machine's");
        assert!(!survives(&format!("00000000-{boot}-0123456789abcdef"), weeks), "another machine's, long dead");
        assert!(survives(&format!("{host}-00000000-0123456789abcdef"), now), "another machine of the same name");
        assert!(
            !survives(&format!("{host}-00000000-0123456789abcdef"), weeks),
            "this machine's, before it was started"
        );
        assert!(survives("0123456789abcdef", day), "an earlier version's, which does not say whose");
        assert!(!survives("0123456789abcdef", weeks), "an earlier version's, long dead");
    }

    #[test]
    fn what_was_written_before_this_machine_started_is_abandoned() {
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert!(is_before(at(10), at(20)) && !is_before(at(20), at(10)));
        assert!(!is_before(None, at(20)) && !is_before(at(10), None));
        let written = tempfile::tempfile().unwrap().metadata().unwrap().modified().unwrap();
        assert!(host::boot_time().is_some_and(|boot| boot < written));
    }
}
