//! Replacing a database that exists, in one transaction.

use std::fs;
use std::path::Path;
use std::time::Duration;

use domain::Warning;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::super::connection::{BUSY_TIMEOUT, failed, header_names_wal, is_busy, open_read_write, tolerate_damage};
use super::super::in_use::InUse;
use crate::error::Error;

/// What to do about processes that have the database open.
const STOP_THEM: &str = "Stop the processes that use the database, then restore again";

/// How long one try waits for another process's lock: it is asked in between whether the database may still be replaced.
const BUSY_STEP: Duration = Duration::from_millis(250);
/// Maximum tries of a step, which together take as long as any other step waits for a lock.
const MAX_TRIES: u128 = BUSY_TIMEOUT.as_millis() / BUSY_STEP.as_millis();

/// Returns an error if the target may not be changed any more.
pub(super) type Ask<'a> = dyn Fn() -> Result<(), Error> + 'a;

/// Puts the restored content and its journal mode in the target's place. A failure leaves both as they were.
pub(super) fn replace(restored: &Connection, target: &Path, ask: &Ask<'_>) -> Result<Option<Warning>, Error> {
    let unwritable = |error: rusqlite::Error| failed("replace", target, &error);
    let metadata = fs::metadata(target).map_err(|error| Error::failed(target.display().to_string(), error))?;
    let _in_use = InUse::by_sqlite(target, &metadata)?;
    tolerate_damage(restored).map_err(unwritable)?;
    let wants_wal = header_names_wal(restored).map_err(unwritable)?;
    let mut database = open_read_write(target).map_err(unwritable)?;
    let tries = Tries { target, ask };
    let had_wal = tries.take(&database, is_wal)?.map_err(unwritable)?;
    // A database in WAL mode cannot change its page size; leaving the mode needs the database to ourselves.
    let page_sizes = (page_size(restored).map_err(unwritable)?, tries.take(&database, page_size)?.map_err(unwritable)?);
    let leaves_wal = had_wal && page_sizes.0 != page_sizes.1;
    if leaves_wal {
        // This waits for nobody: whoever has the database open may keep it so for long.
        ask()?;
        match set_wal(&database, false) {
            Ok(false) => {}
            Err(error) if !is_busy(&error) => return Err(unwritable(error)),
            _ => return Err(held(target)),
        }
    }
    if let Err(error) = copy(restored, &mut database, &tries) {
        if leaves_wal && !set_wal(&database, true).unwrap_or(false) {
            return Err(not_set_back(&error, target));
        }
        return Err(error);
    }
    let got_wal = set_wal(&database, wants_wal).unwrap_or(!wants_wal);
    Ok((got_wal != wants_wal).then(|| kept_mode(target, wants_wal)))
}

/// Steps that other processes' locks can hold up.
struct Tries<'a> {
    target: &'a Path,
    ask: &'a Ask<'a>,
}

impl Tries<'_> {
    /// Takes a step as soon as no lock is in its way. Each try is allowed first.
    fn take<T>(
        &self,
        database: &Connection,
        step: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<rusqlite::Result<T>, Error> {
        let unusable = |error: rusqlite::Error| failed("replace", self.target, &error);
        database.busy_timeout(BUSY_STEP).map_err(unusable)?;
        let mut taken = Err(rusqlite::Error::InvalidQuery);
        for _ in 0..MAX_TRIES {
            (self.ask)()?;
            taken = step(database);
            if !taken.as_ref().is_err_and(is_busy) {
                break;
            }
        }
        database.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
        Ok(taken)
    }
}

fn copy(restored: &Connection, database: &mut Connection, tries: &Tries<'_>) -> Result<(), Error> {
    let unwritable = |error: rusqlite::Error| failed("replace", tries.target, &error);
    database.busy_timeout(BUSY_STEP).map_err(unwritable)?;
    let backup = Backup::new(restored, database).map_err(unwritable)?;
    for _ in 0..MAX_TRIES {
        (tries.ask)()?;
        match backup.step(-1) {
            Ok(StepResult::Done) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(unwritable(error)),
        }
    }
    Err(held(tries.target))
}

fn held(target: &Path) -> Error {
    Error::failed(format!("could not replace {}", target.display()), "another process has it open").cure(STOP_THEM)
}

fn not_set_back(cause: &Error, target: &Path) -> Error {
    Error::failed(format!("{} has its old content, but is no longer in WAL mode", target.display()), cause.to_string())
        .cure("Run PRAGMA journal_mode = WAL on it")
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
