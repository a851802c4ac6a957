//! What is in a SQLite file.

use std::path::Path;

use rusqlite::ErrorCode;

use super::connection::{failed, try_open_read_only};
use crate::error::Error;

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
