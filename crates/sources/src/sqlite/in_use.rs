//! Which databases this process has open, and how.
//!
//! POSIX locks belong to a process: closing any handle of a file gives up all locks that SQLite holds on it. So a file is either
//! open in SQLite or read as bytes, never both at once.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::error::Error;

type FileId = (u64, u64);

/// Global, as the locks themselves belong to the whole process.
static USES: LazyLock<Mutex<HashMap<FileId, (Use, u32)>>> = LazyLock::new(Mutex::default);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Sqlite,
    Bytes,
}

/// A use of a file, until it is dropped.
#[derive(Debug)]
pub(super) struct InUse(FileId);

impl InUse {
    /// Announces that SQLite opens the file.
    pub(super) fn by_sqlite(path: &Path, metadata: &Metadata) -> Result<Self, Error> {
        Self::announce(path, metadata, Use::Sqlite)
    }

    /// Announces that the file is read as bytes.
    pub(super) fn as_bytes(path: &Path, metadata: &Metadata) -> Result<Self, Error> {
        Self::announce(path, metadata, Use::Bytes)
    }

    fn announce(path: &Path, metadata: &Metadata, wanted: Use) -> Result<Self, Error> {
        let id = (metadata.dev(), metadata.ino());
        let mut uses = uses();
        let (present, count) = uses.entry(id).or_insert((wanted, 0));
        if *present != wanted {
            return Err(Error::failed(
                format!("could not open {}", path.display()),
                "another run of this process is reading it",
            )
            .cure("Wait until that run has ended, then try again"));
        }
        *count += 1;
        Ok(Self(id))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut uses = uses();
        if let Some((_, count)) = uses.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                uses.remove(&self.0);
            }
        }
    }
}

fn uses() -> MutexGuard<'static, HashMap<FileId, (Use, u32)>> {
    // A panic elsewhere leaves the table as it was: each change is complete before the lock is given up.
    USES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_sqlite_exclude_each_other_and_share_among_themselves() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (path, metadata) = (file.path(), file.as_file().metadata().unwrap());
        let first = InUse::as_bytes(path, &metadata).unwrap();
        let second = InUse::as_bytes(path, &metadata).unwrap();
        assert!(InUse::by_sqlite(path, &metadata).is_err());
        drop((first, second));
        let _sqlite = (InUse::by_sqlite(path, &metadata).unwrap(), InUse::by_sqlite(path, &metadata).unwrap());
        assert!(InUse::as_bytes(path, &metadata).is_err());
    }
}
