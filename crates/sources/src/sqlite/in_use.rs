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
static USES: LazyLock<Mutex<HashMap<FileId, Use>>> = LazyLock::new(Mutex::default);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Sqlite(u32),
    Bytes,
}

/// A use of a file, until it is dropped.
#[derive(Debug)]
pub(super) struct InUse(FileId);

impl InUse {
    /// Announces that SQLite opens the file.
    pub(super) fn by_sqlite(path: &Path, metadata: &Metadata) -> Result<Self, Error> {
        Self::announce(path, metadata, |present| match present {
            None => Some(Use::Sqlite(1)),
            Some(Use::Sqlite(count)) => Some(Use::Sqlite(count + 1)),
            Some(Use::Bytes) => None,
        })
    }

    /// Announces that the file is read as bytes.
    pub(super) fn as_bytes(path: &Path, metadata: &Metadata) -> Result<Self, Error> {
        Self::announce(path, metadata, |present| present.is_none().then_some(Use::Bytes))
    }

    fn announce(
        path: &Path,
        metadata: &Metadata,
        next: impl FnOnce(Option<Use>) -> Option<Use>,
    ) -> Result<Self, Error> {
        let id = (metadata.dev(), metadata.ino());
        let mut uses = uses();
        let Some(use_) = next(uses.get(&id).copied()) else {
            return Err(Error::Failed {
                what: format!("could not open {}", path.display()),
                cause: "another run of this process is reading it".to_owned(),
                cure: Some("Wait until that run has ended, then try again"),
            });
        };
        uses.insert(id, use_);
        Ok(Self(id))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut uses = uses();
        match uses.get(&self.0) {
            Some(Use::Sqlite(count)) if *count > 1 => {
                let left = Use::Sqlite(count - 1);
                uses.insert(self.0, left);
            }
            _ => {
                uses.remove(&self.0);
            }
        }
    }
}

fn uses() -> MutexGuard<'static, HashMap<FileId, Use>> {
    // A panic elsewhere leaves the table as it was: each change is one insertion or removal.
    USES.lock().unwrap_or_else(PoisonError::into_inner)
}
