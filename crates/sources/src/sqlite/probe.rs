//! What is in a SQLite file.

use std::path::{Path, PathBuf};

use domain::size::counted;
use rusqlite::ErrorCode;

use super::connection::{failed, open_read_only, try_open_read_only};
use super::restore::blocking;
use crate::Contents;
use crate::error::Error;

/// What lies at a path.
pub(super) async fn contents(path: PathBuf) -> Result<Contents, Error> {
    blocking(move || match path.exists() {
        false => Ok(Contents::Absent),
        true => Ok(if holds_data(&path)? { Contents::Data } else { Contents::Empty }),
    })
    .await
}

/// Whether there is a file, and how large.
pub(super) async fn look_at_file(path: PathBuf) -> Result<((), Option<String>), Error> {
    blocking(move || match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(((), Some(domain::size::human(metadata.len())))),
        Ok(_) => Err(Error::failed(path.display().to_string(), "it is not a file: name the database file itself")),
        Err(error) => Err(Error::failed(
            path.display().to_string(),
            format!("{error}: check the path, and that this server's user may read it"),
        )),
    })
    .await
}

/// Whether it is a database, and how many tables it has.
pub(super) async fn look_inside(path: PathBuf) -> Result<((), Option<String>), Error> {
    blocking(move || {
        let connection = open_read_only(&path)?;
        let count = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
        let tables: u32 =
            connection.query_row(count, [], |row| row.get(0)).map_err(|error| failed("read", &path, &error))?;
        Ok(((), Some(format!("{}, SQLite {}", counted(tables as usize, "table"), rusqlite::version()))))
    })
    .await
}

/// Whether a path holds a database with anything in it. An empty file is an empty database to SQLite.
pub(super) fn holds_data(path: &Path) -> Result<bool, Error> {
    let answer = try_open_read_only(path).and_then(|connection| {
        connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
    });
    answer.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Error::Failed {
            what: format!("{} cannot be replaced", path.display()),
            cause: error.to_string(),
            cure: Some("Move it away, with its -wal and -journal if there are any, then restore again"),
        },
        _ => failed("read", path, &error),
    })
}
