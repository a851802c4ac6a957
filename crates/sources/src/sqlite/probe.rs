//! What is in a SQLite file, without leaving anything beside it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use domain::size::{counted, human};
use rusqlite::{Connection, ErrorCode};

use super::blocking;
use super::connection::{failed, needs_to_write, open_immutable, open_read_only};
use super::files::{self, Reading, beside};
use super::private_copy;
use crate::Contents;
use crate::error::Error;

/// What lies at a path.
pub(super) async fn contents(path: PathBuf) -> Result<Contents, Error> {
    blocking(move || {
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(Contents::Absent);
        }
        Ok(if holds_data(&path)? { Contents::Data } else { Contents::Empty })
    })
    .await
}

/// Whether there is a file, and how large.
pub(super) async fn look_at_file(path: PathBuf) -> Result<((), Option<String>), Error> {
    blocking(move || files::resolve(&path).map(|(_, metadata)| ((), Some(human(metadata.len()))))).await
}

/// Whether it is a database, and how many tables it has.
pub(super) async fn look_inside(path: PathBuf) -> Result<((), Option<String>), Error> {
    blocking(move || {
        let (database, _) = files::resolve(&path)?;
        let connection = glance(&database)?;
        let count = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
        let tables: u32 =
            connection.query_row(count, [], |row| row.get(0)).map_err(|error| failed("read", &path, &error))?;
        Ok(((), Some(format!("{}, SQLite {}", counted(tables as usize, "table"), rusqlite::version()))))
    })
    .await
}

/// Whether a consistent copy can be had, and what that costs the application.
pub(super) async fn look_at_copy(path: PathBuf) -> Result<((), Option<String>), Error> {
    blocking(move || {
        let (database, metadata) = files::resolve(&path)?;
        let detail = match Reading::of(&database, &metadata)? {
            Reading::SharedLog { .. } => {
                "read in place (WAL mode). Writers do not wait, but the -wal file grows until the upload is done"
                    .to_owned()
            }
            reading => {
                let size = metadata.len();
                let folder = private_copy::create(&database, size, |_, folder| Ok(folder.to_owned()))?;
                let wait = if reading == Reading::Locked { ". Writers wait while it is copied" } else { "" };
                format!("copied first, to {} ({}){wait}", folder.display(), human(size))
            }
        };
        Ok(((), Some(detail)))
    })
    .await
}

/// Whether a path holds a database with anything in it. An empty file is an empty database to SQLite.
pub(super) fn holds_data(path: &Path) -> Result<bool, Error> {
    let (database, metadata) = files::resolve(path)?;
    if metadata.len() == 0 {
        return Ok(has_pending_journal(&database));
    }
    let answer = glance(&database).and_then(|connection| {
        let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_schema)";
        connection.query_row(exists, [], |row| row.get::<_, bool>(0)).map_err(|error| refused(path, &error))
    });
    Ok(answer? || has_pending_journal(&database))
}

/// What is in a journal that nobody has open is not read here, but it is data.
fn has_pending_journal(database: &Path) -> bool {
    let has_log = files::size(&beside(database, "-wal")).is_some_and(|size| size > 0);
    // A journal that is kept after its transaction begins with zeros.
    let mut first = [0];
    let journal = fs::File::open(beside(database, "-journal")).and_then(|mut journal| journal.read_exact(&mut first));
    (has_log && !is_shared(database)) || (journal.is_ok() && first != [0])
}

/// Whether the files through which processes share a write-ahead log are there.
fn is_shared(database: &Path) -> bool {
    ["-wal", "-shm"].iter().all(|suffix| files::size(&beside(database, suffix)).is_some())
}

/// Opens the database for one question.
fn glance(database: &Path) -> Result<Connection, Error> {
    let is_shared = is_shared(database);
    let open = || {
        let connection = open_immutable(database)?;
        connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
        Ok(connection)
    };
    let opened = match is_shared {
        false => open(),
        true => open_read_only(database, "mode=ro&readonly_shm=1").and_then(|connection| {
            connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
            Ok(connection)
        }),
    };
    let opened = match opened {
        Err(error) if is_shared && needs_to_write(&error) => open(),
        opened => opened,
    };
    opened.map_err(|error| refused(database, &error))
}

fn refused(path: &Path, error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Error::failed(
            format!("could not read {}", path.display()),
            error.to_string(),
        )
        .cure("Check the path. To restore here, first move the file away, with its -wal and -journal if there are any"),
        _ => failed("read", path, error),
    }
}
