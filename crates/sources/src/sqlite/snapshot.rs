//! One unchanging state of a database that is in use.
//!
//! Nothing is left beside the database that its application could not write to: in WAL mode a reader creates `-wal` and `-shm` in
//! its own name, and as long as they exist, other users can only read. So the database is read in place where the files exist or
//! would belong to its owner; otherwise, as in the other journal modes, from a private copy.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pipeline::PrivateFile;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use rustix::process::geteuid;

use super::connection::{failed, needs_to_write, open_read_only, open_read_write, page_count, tolerate_damage};
use super::files::{self, Reading, beside};
use super::in_use::InUse;
use super::private_copy::{self, Unmade};
use super::still_copy;
use crate::error::Error;

/// Pages copied before writers get their turn.
const PAGES_PER_STEP: i32 = 1024;
/// A copy that writers made start over so often is finished in one step, during which they wait.
const MAX_RESTARTS: u32 = 3;

/// A connection that sees one state of the database until it is dropped. Fields are dropped in this order.
pub(super) struct Snapshot {
    connection: Connection,
    _log: Option<CreatedLog>,
    _use: Option<InUse>,
}

impl Snapshot {
    /// Returns the connection, which is in a read transaction.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Takes a snapshot. Damage does not stop it if `allow_damaged`.
    pub(super) fn take(path: &Path, allow_damaged: bool) -> Result<Self, Error> {
        let (database, metadata) = files::resolve(path)?;
        refuse_nothing(path, metadata.len())?;
        let unreadable = |error: rusqlite::Error| failed("read", path, &error);
        let snapshot = match Reading::of(&database, &metadata)? {
            Reading::Copy => Self::of_copy(still_copy::make(&database)?),
            reading => match Self::in_place(&database, &metadata, reading, allow_damaged)? {
                Opened::Snapshot(snapshot) => snapshot,
                Opened::NeedsCopy => Self::of_copy(still_copy::make(&database)?),
            },
        };
        if allow_damaged {
            tolerate_damage(&snapshot.connection).map_err(unreadable)?;
        }
        refuse_nothing(path, page_count(&snapshot.connection).map_err(unreadable)?.try_into().unwrap_or_default())?;
        // The transaction's first read fixes what it sees.
        let begin = snapshot.connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;");
        begin.map_err(unreadable)?;
        Ok(snapshot)
    }

    fn of_copy(connection: Connection) -> Self {
        Self { connection, _log: None, _use: None }
    }

    fn in_place(database: &Path, metadata: &Metadata, reading: Reading, tolerant: bool) -> Result<Opened, Error> {
        let in_use = InUse::by_sqlite(database, metadata)?;
        // Not even for a moment may a file appear that the application could not write to.
        let parameters =
            if reading == (Reading::SharedLog { as_owner: true }) { "mode=ro" } else { "mode=ro&readonly_shm=1" };
        let log = CreatedLog::watch(database, metadata, reading);
        let opened = open_read_only(database, parameters).and_then(|connection| {
            if tolerant {
                tolerate_damage(&connection)?;
            }
            connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
            Ok(connection)
        });
        match opened {
            Ok(connection) if reading == Reading::Locked => {
                online_copy(&connection, database, metadata.len()).map(|copy| Opened::Snapshot(Self::of_copy(copy)))
            }
            // Root's files are not given to the owner where root may not do that: in some containers and on NFS.
            Ok(_) if log.as_ref().is_some_and(CreatedLog::bars_the_owner) => Ok(Opened::NeedsCopy),
            Ok(connection) => Ok(Opened::Snapshot(Self { connection, _log: log, _use: Some(in_use) })),
            Err(error) if needs_to_write(&error) => Ok(Opened::NeedsCopy),
            Err(error) => Err(failed("open", database, &error)),
        }
    }
}

enum Opened {
    Snapshot(Snapshot),
    /// A crashed process left a journal that a reader cannot play back, or the log's files are out of reach.
    NeedsCopy,
}

/// The write-ahead log's files that reading may create; removed when dropped.
struct CreatedLog {
    database: PathBuf,
    owner: u32,
    as_owner: bool,
    /// The log that was there before.
    before: Option<u64>,
}

impl CreatedLog {
    fn watch(database: &Path, metadata: &Metadata, reading: Reading) -> Option<Self> {
        let Reading::SharedLog { as_owner } = reading else { return None };
        let before = fs::metadata(beside(database, "-wal")).ok().map(|log| log.ino());
        Some(Self { database: database.to_owned(), owner: metadata.uid(), as_owner, before })
    }

    fn bars_the_owner(&self) -> bool {
        let log = fs::metadata(beside(&self.database, "-wal"));
        log.is_ok_and(|log| self.before != Some(log.ino()) && log.uid() != self.owner)
    }
}

impl Drop for CreatedLog {
    fn drop(&mut self) {
        let path = beside(&self.database, "-wal");
        let Ok(log) = fs::metadata(&path) else { return };
        // What the application wrote meanwhile is its own to move into the database.
        if log.len() > 0 || self.before == Some(log.ino()) {
            return;
        }
        if self.as_owner {
            // SQLite removes the files when the last connection that may write is closed, under the lock that makes that safe.
            if let Ok(connection) = open_read_write(&self.database) {
                let _ = connection.query_row("PRAGMA schema_version", [], |_| Ok(()));
            }
        } else if log.uid() == geteuid().as_raw() && log.uid() != self.owner {
            // The application closed the database just before it was opened here. It could not write to this log.
            let _ = fs::remove_file(path);
        }
    }
}

/// An empty file is an empty database to SQLite, but hardly what anybody wants to keep.
fn refuse_nothing(path: &Path, size: u64) -> Result<(), Error> {
    if size > 0 {
        return Ok(());
    }
    Err(Error::failed(format!("could not back up {}", path.display()), "the file is empty")
        .cure("Check the path: a database that was ever written to has at least one page"))
}

/// Copies the database under SQLite's locks. The copy has no name by the time this returns.
fn online_copy(database: &Connection, path: &Path, size: u64) -> Result<Connection, Error> {
    private_copy::create(path, size, |file, _| {
        let failed = |error: &rusqlite::Error| Unmade::of_sqlite(path, error);
        let mut copy = open_read_write(file.path()).map_err(|error| failed(&error))?;
        drop::<PrivateFile>(file);
        // A lock that is never given up: SQLite would look for a journal of this name whenever it takes one, and where everybody
        // may write, anybody could have put one there.
        let settings = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;";
        let copied = copy.execute_batch(settings).and_then(|()| {
            let backup = Backup::new(database, &mut copy)?;
            copy_pages(&backup)
        });
        copied.map_err(|error| failed(&error))?;
        Ok(copy)
    })
}

/// Copies step by step, so that writers get their turn between two steps. A write starts the copy over.
fn copy_pages(backup: &Backup<'_, '_>) -> rusqlite::Result<()> {
    let (mut restarts, mut remaining, mut refused) = (0, i32::MAX, 0);
    loop {
        let pages = if restarts < MAX_RESTARTS { PAGES_PER_STEP } else { -1 };
        match backup.step(pages)? {
            StepResult::Done => return Ok(()),
            // Each refusal has waited for the lock as long as is bearable already.
            StepResult::Busy | StepResult::Locked if refused > 0 => return Err(busy()),
            StepResult::Busy | StepResult::Locked => refused += 1,
            _ => refused = 0,
        }
        let left = backup.progress().remaining;
        if left >= remaining {
            restarts += 1;
        }
        remaining = left;
        std::thread::yield_now();
    }
}

fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None)
}
