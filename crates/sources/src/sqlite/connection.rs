//! Opening SQLite files, and its errors in words.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::error::Error;

/// How long to wait for another process's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// What to do with a damaged database.
pub(super) const SALVAGE: &str =
    "Restore an older backup, or salvage what is left with the .recover command of the sqlite3 shell";

/// Opens an existing database for reading. `parameters` are those of SQLite's URIs.
pub(super) fn open_read_only(path: &Path, parameters: &str) -> rusqlite::Result<Connection> {
    open(path, parameters, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Opens an existing database for writing.
pub(super) fn open_read_write(path: &Path) -> rusqlite::Result<Connection> {
    open(path, "mode=rw", OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens a file without locks, without reading its journals, and without creating anything beside it: a private file, or a glance
/// at what may change meanwhile.
pub(super) fn open_immutable(path: &Path) -> rusqlite::Result<Connection> {
    open(path, "immutable=1", OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open(path: &Path, parameters: &str, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || *byte == b'/' {
            uri.push(char::from(*byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push('?');
    uri.push_str(parameters);
    let flags = flags | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Reads past what is wrong in the schema or in the file's length, so that every page can be copied.
pub(super) fn tolerate_damage(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA writable_schema = ON")
}

/// Reads whether the header names WAL mode, on a connection of any kind.
pub(super) fn header_names_wal(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT substr(data, 19, 2) = x'0202' FROM sqlite_dbpage WHERE pgno = 1", [], |row| row.get(0))
}

/// Reads the number of pages.
pub(super) fn page_count(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA page_count", [], |row| row.get(0))
}

/// Returns whether a reader failed because it would have to write first: to play back a crashed process's journal, or to create
/// the files of WAL mode.
pub(super) fn needs_to_write(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied))
}

/// Returns whether a disk without room was the cause.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_WRITE)
}

/// Returns whether another connection holds a lock that is needed.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Describes what failed, on which file, with the cure for SQLite's code.
pub(super) fn failed(what: &str, path: &Path, error: &rusqlite::Error) -> Error {
    let cure = match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => {
            Some("Check the path, and give this user the right to read the file and to enter its folder")
        }
        Some(ErrorCode::DatabaseCorrupt) => Some(SALVAGE),
        Some(ErrorCode::NotADatabase) => Some("The file is not a SQLite database, or it is encrypted. Check the path"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Some("Wait until the process that holds the database is done, or stop it, then try again")
        }
        Some(ErrorCode::DiskFull) => Some("Free some space on that disk, then try again"),
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            Some("Give this user the right to write to the file and to its folder")
        }
        _ => None,
    };
    Error::failed(format!("could not {what} {}", path.display()), error.to_string()).maybe_cure(cure.map(str::to_owned))
}
