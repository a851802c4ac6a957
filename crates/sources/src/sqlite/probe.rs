//! What is in a SQLite file.

use std::path::Path;

use super::connection::{failed, open_read_only};
use crate::error::Error;

/// Whether a path holds a database with anything in it. An empty file is an empty database to SQLite.
pub(super) fn holds_data(path: &Path) -> Result<bool, Error> {
    let connection = open_read_only(path)?;
    connection
        .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
        .map_err(|error| failed("read", path, &error))
}
