//! Restoring SQLite: into a new file beside the target, checked, then put in its place at once.
//!
//! A path where nothing lies gets the new file itself. A database that exists is replaced through SQLite's backup API inside
//! one transaction, so that processes which have it open see either the old or the new content, never a mixture; a rename
//! would leave them writing into a file that has no name any more.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pipeline::PrivateFile;
use rusqlite::Connection;
use rusqlite::backup::Backup;

use super::connection::{check_integrity, failed, open_immutable, open_read_write};
use super::probe::holds_data;
use crate::error::Error;
use crate::{Restore, RestoreOptions, Restored};

/// What names the new file beside the target.
const RESTORE: &str = "dbackup-restore";

/// A restore that writes its new file.
pub(super) struct SqliteRestore {
    target: PathBuf,
    exists: bool,
    overwrite: bool,
    file: Arc<PrivateFile>,
}

impl SqliteRestore {
    /// Looks at the target, and makes the new file.
    pub(super) async fn start(target: PathBuf, options: RestoreOptions) -> Result<Self, Error> {
        blocking(move || {
            // A link's target is what is replaced, not the link.
            let target = fs::canonicalize(&target).unwrap_or(target);
            let exists = target.exists();
            if exists && holds_data(&target)? && !options.overwrite {
                return Err(Error::HoldsData(target.display().to_string()));
            }
            if !exists {
                refuse_stale_journals(&target)?;
            }
            let file = PrivateFile::beside(&target, RESTORE, 0o600)
                .map_err(|error| Error::failed(format!("could not make a file beside {}", target.display()), error))?;
            Ok(Self { target, exists, overwrite: options.overwrite, file: Arc::new(file) })
        })
        .await
    }

    fn put_in_place(&self) -> Result<String, Error> {
        if self.exists {
            // It may have been filled meanwhile.
            if !self.overwrite && holds_data(&self.target)? {
                return Err(Error::HoldsData(self.target.display().to_string()));
            }
            replace(&open_immutable(self.file.path())?, &self.target)?;
        } else {
            let what = format!("could not put the restored database at {}", self.target.display());
            self.file.publish(&self.target).map_err(|error| Error::failed(what, error))?;
        }
        Ok(format!("sqlite://{}", self.target.display()))
    }
}

#[async_trait]
impl Restore for SqliteRestore {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        let cannot = format!("could not write beside {}", self.target.display());
        let mut file = self.file.file().try_clone().map_err(|error| Error::failed(cannot.as_str(), error))?;
        blocking(move || file.write_all(&piece).map_err(|error| Error::failed(cannot, error))).await
    }

    async fn finish(&mut self) -> Result<(), Error> {
        let file = Arc::clone(&self.file);
        blocking(move || {
            let what = format!("could not write {}", file.path().display());
            file.file().sync_all().map_err(|error| Error::failed(what, error))?;
            check_integrity(&open_immutable(file.path())?, file.path()).map(drop)
        })
        .await
    }

    async fn commit(self: Box<Self>) -> Result<Restored, Error> {
        blocking(move || self.put_in_place().map(Restored::whole)).await
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        // A check that is still going on keeps the file open; its name goes now.
        let what = format!("could not remove {}", self.file.path().display());
        fs::remove_file(self.file.path()).map_err(|error| Error::failed(what, error))
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::failed("the restore stopped", error)))
}

/// A journal without its database would be played into the restored one by the next process that opens it.
fn refuse_stale_journals(target: &Path) -> Result<(), Error> {
    for suffix in ["-wal", "-journal"] {
        let mut journal = OsString::from(target);
        journal.push(suffix);
        let journal = PathBuf::from(journal);
        // Readers leave empty ones behind.
        if fs::symlink_metadata(&journal).is_ok_and(|journal| journal.len() > 0) {
            return Err(Error::Failed {
                what: format!("{} lies there without its database", journal.display()),
                cause: "SQLite would play it into the restored database and damage it".to_owned(),
                cure: Some("Move it away, then restore again"),
            });
        }
    }
    Ok(())
}

fn replace(restored: &Connection, target: &Path) -> Result<(), Error> {
    let unwritable = |error: rusqlite::Error| failed("replace", target, &error);
    let mut database = open_read_write(target)?;
    if page_size(restored).map_err(unwritable)? != page_size(&database).map_err(unwritable)? {
        // A database in WAL mode cannot change its page size; leaving the mode needs the database to ourselves.
        database.execute_batch("PRAGMA journal_mode = DELETE").map_err(unwritable)?;
    }
    let backup = Backup::new(restored, &mut database).map_err(unwritable)?;
    match backup.step(-1).map_err(unwritable)? {
        rusqlite::backup::StepResult::Done => Ok(()),
        _ => Err(Error::Failed {
            what: format!("could not replace {}", target.display()),
            cause: "another process holds it".to_owned(),
            cure: Some("Stop the processes that use the database, then restore again"),
        }),
    }
}

fn page_size(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA page_size", [], |row| row.get(0))
}
