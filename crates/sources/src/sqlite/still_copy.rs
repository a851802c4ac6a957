//! A private copy of a database that cannot be read in place: its files as bytes, taken while none of them changes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use pipeline::PrivateFile;
use rusqlite::Connection;

use super::connection::{open_immutable, open_read_write};
use super::files::beside;
use super::in_use::InUse;
use super::private_copy::{self, Unmade};
use crate::error::Error;

/// Copies that a writer spoiled before giving up.
const MAX_ATTEMPTS: u32 = 5;
/// Longer than a tick of the clock that file systems stamp changes with.
const TICK: Duration = Duration::from_millis(20);
/// The files that hold what is not yet in the database.
const JOURNALS: [&str; 2] = ["-wal", "-journal"];

/// Copies the database with its journals, plays them into the copy, and opens it. The copy has no name by the time this returns.
pub(super) fn make(database: &Path) -> Result<Connection, Error> {
    let unreadable = |error: io::Error| unreadable(database, &error);
    let metadata = fs::metadata(database).map_err(unreadable)?;
    let _in_use = InUse::as_bytes(database, &metadata)?;
    let journals: u64 = JOURNALS.iter().filter_map(|suffix| super::files::size(&beside(database, suffix))).sum();
    private_copy::create(database, metadata.len() + journals, |file, _| {
        let companions = copy_unchanged(database, &file)?;
        if companions.iter().any(|journal| journal.file().metadata().map_or(true, |metadata| metadata.len() > 0)) {
            play_back(file.path()).map_err(|error| Unmade::of_sqlite(database, &error))?;
        }
        open_immutable(file.path()).map_err(|error| Unmade::of_sqlite(database, &error))
    })
}

/// Copies until nothing has changed during the copy. Returns the journals of the copy.
fn copy_unchanged(database: &Path, copy: &PrivateFile) -> Result<Vec<PrivateFile>, Unmade> {
    for attempt in 0..MAX_ATTEMPTS {
        if attempt > 0 {
            std::thread::park_timeout(TICK);
        }
        let before = State::of(database);
        // Stamps the copy: a change of the original in the same tick of the clock could not be told from one before.
        let stamp = stamp(copy.file()).map_err(|error| Unmade::of_file(&error))?;
        if before.changed_at(&stamp) {
            continue;
        }
        let companions = copy_files(database, copy)?;
        if State::of(database) == before {
            return Ok(companions);
        }
    }
    Err(Unmade::Anywhere(
        Error::failed(
            format!("could not copy {}", database.display()),
            "it keeps changing, and this user cannot hold its lock",
        )
        .cure("Give this user the right to write to the database, its -wal and -shm files and its folder"),
    ))
}

/// Empties a file and returns its metadata as of now.
fn stamp(copy: &File) -> io::Result<fs::Metadata> {
    copy.write_all_at(b"x", 0)?;
    copy.set_len(0)?;
    copy.metadata()
}

fn copy_files(database: &Path, copy: &PrivateFile) -> Result<Vec<PrivateFile>, Unmade> {
    copy_bytes(database, copy)?;
    let mut companions = Vec::new();
    for suffix in JOURNALS {
        let journal = beside(database, suffix);
        // An empty one keeps its name from others: SQLite plays back what it finds.
        let companion = copy.companion(suffix).map_err(|error| Unmade::of_file(&error))?;
        if super::files::size(&journal).is_some_and(|size| size > 0) {
            copy_bytes(&journal, &companion)?;
        }
        companions.push(companion);
    }
    Ok(companions)
}

fn copy_bytes(from: &Path, to: &PrivateFile) -> Result<(), Unmade> {
    let mut original = File::open(from).map_err(|error| Unmade::Anywhere(unreadable(from, &error)))?;
    let mut copy = File::options().write(true).open(to.path()).map_err(|error| Unmade::of_file(&error))?;
    io::copy(&mut original, &mut copy).map(drop).map_err(|error| Unmade::of_file(&error))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::failed(format!("could not read {}", path.display()), error.to_string())
        .cure("Give this user the right to read it")
}

/// Moves what the journals hold into the copy, by itself: nobody else knows of it. The header keeps its journal mode.
fn play_back(copy: &Path) -> rusqlite::Result<()> {
    let connection = open_read_write(copy)?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF;")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}

/// What tells that a database's files have not changed.
#[derive(Debug, PartialEq, Eq)]
struct State(Vec<Option<FileState>>);

#[derive(Debug, PartialEq, Eq)]
struct FileState {
    file: (u64, u64, u64),
    modified: (i64, i64),
    changed: (i64, i64),
}

impl State {
    fn of(database: &Path) -> Self {
        let paths = [database.to_owned()].into_iter().chain(JOURNALS.map(|suffix| beside(database, suffix)));
        Self(paths.map(|path| fs::symlink_metadata(path).ok().as_ref().map(FileState::of)).collect())
    }

    fn changed_at(&self, stamp: &fs::Metadata) -> bool {
        self.0.iter().flatten().any(|file| file.modified == FileState::of(stamp).modified)
    }
}

impl FileState {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino(), metadata.len()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
