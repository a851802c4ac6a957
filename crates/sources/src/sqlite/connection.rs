//! Opening SQLite files, and its errors in words.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::error::Error;

/// How long to wait for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// What to do with a damaged database.
const SALVAGE: &str = "Restore an older backup, or salvage what is left with the sqlite3 shell's .recover";

/// What SQLite answers to a reader who would have to write first (SQLITE_READONLY_ROLLBACK, _RECOVERY, _CANTINIT).
const NEEDS_RECOVERY: [i32; 3] =
    [ffi::SQLITE_READONLY_ROLLBACK, ffi::SQLITE_READONLY_RECOVERY, ffi::SQLITE_READONLY_CANTINIT];

/// Opens an existing database for reading.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, Error> {
    try_open_read_only(path).map_err(|error| failed("open", path, &error))
}

/// The same, for those who know better what its failure means.
pub(super) fn try_open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let name = path.as_os_str().as_bytes();
    let opened = open(name, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|connection| {
        connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
        Ok(connection)
    });
    match opened {
        // A crashed process left a journal: SQLite plays it back for whoever may write.
        Err(rusqlite::Error::SqliteFailure(error, _)) if NEEDS_RECOVERY.contains(&error.extended_code) => {
            open(name, OpenFlags::SQLITE_OPEN_READ_WRITE)
        }
        opened => opened,
    }
}

/// Opens an existing database for writing.
pub(super) fn open_read_write(path: &Path) -> Result<Connection, Error> {
    open(path.as_os_str().as_bytes(), OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| failed("open", path, &error))
}

/// Opens a file that nobody else knows of: no locks, no journal, nothing made beside it.
pub(super) fn open_immutable(path: &Path) -> Result<Connection, Error> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || *byte == b'/' {
            uri.push(char::from(*byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    open(uri.as_bytes(), flags).map_err(|error| failed("open", path, &error))
}

fn open(name: &[u8], flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(std::ffi::OsStr::from_bytes(name), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Checks every page and index of what this connection sees. Gives a remark if that cannot be done here: an index may be ordered
/// or computed by a function that only the application has.
pub(super) fn check_integrity(connection: &Connection, path: &Path) -> Result<Option<String>, Error> {
    let checked = connection.prepare("PRAGMA integrity_check(5)").and_then(|mut statement| {
        statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
    });
    let problems = match checked {
        Err(error) if is_foreign_function(&error) => {
            return Ok(Some(format!("its integrity could not be checked here: {error}")));
        }
        checked => checked.map_err(|error| failed("check", path, &error))?,
    };
    if problems == ["ok"] {
        return Ok(None);
    }
    Err(Error::Failed {
        what: format!("{} is damaged", path.display()),
        cause: problems.join("; "),
        cure: Some(SALVAGE),
    })
}

fn is_foreign_function(error: &rusqlite::Error) -> bool {
    let text = error.to_string();
    ["no such collation sequence", "unknown function", "no such function", "no such module"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// What failed, on which file, and the cure for what SQLite's code tells.
pub(super) fn failed(what: &str, path: &Path, error: &rusqlite::Error) -> Error {
    let cure = match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => {
            Some("Does the file exist, and may this user read it (and, in WAL mode, write in its folder)?")
        }
        Some(ErrorCode::DatabaseCorrupt) => Some(SALVAGE),
        Some(ErrorCode::NotADatabase) => Some("The file is not a SQLite database, or it is encrypted"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Some("Another process holds the database: let it finish, or stop it, then try again")
        }
        Some(ErrorCode::DiskFull) => Some("Free some space on that disk, then try again"),
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            Some("Give this user the right to the file and its folder")
        }
        _ => None,
    };
    Error::Failed { what: format!("could not {what} {}", path.display()), cause: error.to_string(), cure }
}
