//! Replacing a database that exists, in one transaction.

use std::fs;
use std::path::Path;

use domain::Warning;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode};

use super::super::connection::{failed, header_names_wal, open_read_write, tolerate_damage};
use super::super::in_use::InUse;
use crate::error::Error;

/// What to do about processes that have the database open.
const STOP_THEM: &str = "Stop the processes that use the database, then restore again";

/// Puts the restored content and its journal mode in the target's place. A failure leaves both as they were.
pub(super) fn replace(restored: &Connection, target: &Path) -> Result<Option<Warning>, Error> {
    let unwritable = |error: rusqlite::Error| failed("replace", target, &error);
    let metadata = fs::metadata(target).map_err(|error| Error::failed(target.display().to_string(), error))?;
    let _in_use = InUse::by_sqlite(target, &metadata)?;
    tolerate_damage(restored).map_err(unwritable)?;
    let wants_wal = header_names_wal(restored).map_err(unwritable)?;
    let mut database = open_read_write(target).map_err(unwritable)?;
    let had_wal = is_wal(&database).map_err(unwritable)?;
    // A database in WAL mode cannot change its page size; leaving the mode needs the database to ourselves.
    let leaves_wal = had_wal && page_size(restored).map_err(unwritable)? != page_size(&database).map_err(unwritable)?;
    if leaves_wal {
        match set_wal(&database, false) {
            Ok(false) => {}
            Err(error) if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => return Err(unwritable(error)),
            _ => return Err(held(target)),
        }
    }
    if let Err(error) = copy(restored, &mut database, target) {
        if leaves_wal && !set_wal(&database, true).unwrap_or(false) {
            return Err(not_set_back(&error, target));
        }
        return Err(error);
    }
    let got_wal = set_wal(&database, wants_wal).unwrap_or(!wants_wal);
    Ok((got_wal != wants_wal).then(|| kept_mode(target, wants_wal)))
}

fn copy(restored: &Connection, database: &mut Connection, target: &Path) -> Result<(), Error> {
    let unwritable = |error: rusqlite::Error| failed("replace", target, &error);
    let backup = Backup::new(restored, database).map_err(unwritable)?;
    match backup.step(-1).map_err(unwritable)? {
        StepResult::Done => Ok(()),
        _ => Err(held(target)),
    }
}

fn held(target: &Path) -> Error {
    Error::Failed {
        what: format!("could not replace {}", target.display()),
        cause: "another process has it open".to_owned(),
        cure: Some(STOP_THEM.to_owned()),
    }
}

fn not_set_back(cause: &Error, target: &Path) -> Error {
    Error::Failed {
        what: format!("{} has its old content, but is no longer in WAL mode", target.display()),
        cause: cause.to_string(),
        cure: Some("Run PRAGMA journal_mode = WAL on it".to_owned()),
    }
}

fn kept_mode(target: &Path, wants_wal: bool) -> Warning {
    let (wanted, kept) = if wants_wal { ("WAL", "a rollback journal") } else { ("DELETE", "WAL") };
    let message = format!("{} keeps its journal mode ({kept}), because a process has it open", target.display());
    Warning::new("journal-mode-not-set", message).with_cure(format!("Run PRAGMA journal_mode = {wanted} on it"))
}

fn page_size(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA page_size", [], |row| row.get(0))
}

fn is_wal(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA journal_mode", [], |row| Ok(row.get::<_, String>(0)? == "wal"))
}

/// Enters or leaves WAL mode unless it is so already. Returns whether the database is in WAL mode now.
fn set_wal(connection: &Connection, wal: bool) -> rusqlite::Result<bool> {
    if is_wal(connection)? == wal {
        return Ok(wal);
    }
    let mode = if wal { "WAL" } else { "DELETE" };
    let sql = format!("PRAGMA journal_mode = {mode}");
    connection.query_row(&sql, [], |row| Ok(row.get::<_, String>(0)? == "wal"))
}
