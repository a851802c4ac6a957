//! Brings the schema of a database up to date, and sets a copy aside before it changes one that holds data.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::migrate::{AppliedMigration, Migrate, MigrateError};
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use crate::migrations::{self, ALL};

/// Maximum number of copies that are kept beside a database.
const MAX_COPIES: usize = 3;

/// Brings a SQLite database up to date. One with an older schema is copied to `<database>.before-<migration>` first.
///
/// # Errors
/// Returns a message for the operator. If the copy failed, nothing was changed.
pub(crate) async fn sqlite(pool: &SqlitePool, path: &Path) -> Result<(), String> {
    let mut connection = pool.acquire().await.map_err(|error| error.to_string())?;
    let pending = first_pending(&mut *connection).await.map_err(|error| migrations::in_words(&error))?;
    let Some(migration) = pending else { return migrate(&mut *connection).await };
    // Beside the database itself, not beside a link to it.
    let path = fs::canonicalize(path).map_err(|error| error.to_string())?;
    let copy = with_suffix(&path, &format!(".before-{migration:04}"));
    set_aside(&mut connection, &copy).await.map_err(|cause| {
        format!(
            "its schema is older than this version of dbackup, and it could not be copied to {} before the upgrade: {cause}. \
             Nothing was changed. Make sure that the folder is writable and has as much free space as the database is large, then \
             start again",
            copy.display()
        )
    })?;
    tracing::info!(copy = %copy.display(), "upgrading the schema of the metadata database; it was copied before");
    migrate(&mut *connection).await.map_err(|cause| format!("{cause}. {} holds the data as it was", copy.display()))?;
    if let Err(error) = remove_old_copies(&path) {
        tracing::warn!(%error, "older copies of the metadata database could not be removed");
    }
    Ok(())
}

/// Brings a PostgreSQL database up to date.
///
/// # Errors
/// Returns a message for the operator.
pub(crate) async fn postgres(pool: &PgPool) -> Result<(), String> {
    let mut connection = pool.acquire().await.map_err(|error| error.to_string())?;
    if first_pending(&mut *connection).await.map_err(|error| migrations::in_words(&error))?.is_some() {
        tracing::warn!(
            "upgrading the schema of the metadata database; dbackup makes no copy of a PostgreSQL database, so going back to the \
             previous version needs a backup of your own"
        );
    }
    migrate(&mut *connection).await
}

async fn migrate(connection: &mut impl Migrate) -> Result<(), String> {
    ALL.run_direct(None, connection, false).await.map_err(|error| migrations::in_words(&error))
}

/// Returns the first migration that a database lacks. Returns `None` for a new database, and for one that will be refused.
async fn first_pending(connection: &mut impl Migrate) -> Result<Option<i64>, MigrateError> {
    let table = &ALL.table_name;
    // Creates the table where it is missing, which only one server may do at a time.
    connection.lock().await?;
    connection.ensure_migrations_table(table).await?;
    let applied = connection.list_applied_migrations(table).await?;
    connection.unlock().await?;
    let is_known = |migration: &AppliedMigration| ALL.version_exists(migration.version);
    if applied.is_empty() || !applied.iter().all(is_known) {
        return Ok(None);
    }
    let is_missing = |version: &i64| applied.iter().all(|migration| migration.version != *version);
    Ok(ALL.iter().map(|migration| migration.version).filter(is_missing).min())
}

/// Copies a database to a file that only its owner can read. A copy of an earlier attempt is replaced once the new one is complete.
async fn set_aside(connection: &mut SqliteConnection, copy: &Path) -> Result<(), String> {
    let partial = with_suffix(copy, ".partial");
    let copied = write_copy(connection, &partial).await;
    let placed = copied.and_then(|()| put_in_place(&partial, copy).map_err(|error| error.to_string()));
    if placed.is_err() {
        // The failure above is the one to report.
        let _ = fs::remove_file(&partial);
    }
    placed
}

async fn write_copy(connection: &mut SqliteConnection, partial: &Path) -> Result<(), String> {
    let name = partial.to_str().ok_or("its path is not UTF-8")?;
    remove(partial).map_err(|error| error.to_string())?;
    // SQLite writes into an empty file, but would create one that others can read (<https://www.sqlite.org/lang_vacuum.html>).
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial).map_err(|error| error.to_string())?;
    let vacuum = sqlx::query("VACUUM INTO $1").bind(name);
    vacuum.execute(connection).await.map(drop).map_err(|error| error.to_string())
}

fn put_in_place(partial: &Path, copy: &Path) -> std::io::Result<()> {
    File::open(partial)?.sync_all()?;
    fs::rename(partial, copy)?;
    File::open(folder_of(copy))?.sync_all()
}

/// Removes all but the copies of the newest schemas.
fn remove_old_copies(database: &Path) -> std::io::Result<()> {
    let copies = copies_before_upgrades(database)?;
    let old = copies.len().saturating_sub(MAX_COPIES);
    copies[..old].iter().try_for_each(|path| remove(path))
}

/// Returns the copies of a SQLite database that were made before its schema was upgraded, the oldest schema first.
///
/// # Errors
/// If the database's folder cannot be read.
pub fn copies_before_upgrades(database: &Path) -> std::io::Result<Vec<PathBuf>> {
    let prefix = with_suffix(database, ".before-");
    let mut copies = Vec::new();
    for entry in fs::read_dir(folder_of(database))? {
        let path = entry?.path();
        let rest = path.as_os_str().as_encoded_bytes().strip_prefix(prefix.as_os_str().as_encoded_bytes());
        let migration = rest.and_then(|rest| std::str::from_utf8(rest).ok()?.parse::<u32>().ok());
        copies.extend(migration.map(|migration| (migration, path)));
    }
    copies.sort_unstable();
    Ok(copies.into_iter().map(|(_, path)| path).collect())
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A path of the root has no folder, and is no file either.
fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
