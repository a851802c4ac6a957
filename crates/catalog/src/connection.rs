//! Connecting to either database.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::error::Error;
use crate::sql::Pool;
use crate::upgrade;

/// SQLite has one writer at a time; the others wait so long for their turn.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// A PostgreSQL that cannot be reached is said to be so after this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that a disk must have left. SQLite's WAL takes some transactions within what it has, and then no more.
const MIN_FREE: u64 = 512 * 1024;
const SQLITE_CONNECTIONS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 8;

/// Where the metadata database is.
#[derive(Debug, Clone)]
pub enum Location {
    /// A file of one's own, made if it is not there.
    Sqlite(PathBuf),
    /// `postgres://user:password@host/database`.
    Postgres(SecretString),
}

/// Where a database of a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPlace {
    /// The id of the adapter for such servers.
    pub adapter: &'static str,
    /// Name, address, or the folder of a socket.
    pub host: String,
    /// TCP port, or the number in the socket's name.
    pub port: u16,
    /// The database's name.
    pub database: String,
}

impl Location {
    /// Reads `DATABASE_URL`.
    ///
    /// # Errors
    /// [`Error::Open`] if it is neither of the two kinds. The text itself is not quoted: it may hold a password.
    pub fn parse(url: &SecretString) -> Result<Self, Error> {
        let text = url.expose_secret();
        match text.split_once("://") {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.clone())),
            Some(("sqlite", path)) if path.starts_with('/') => Ok(Self::Sqlite(path.into())),
            _ => Err(Error::Open {
                location: "DATABASE_URL".to_owned(),
                cause: "write postgres://user:password@host/database or sqlite:///path/to/file.db".to_owned(),
            }),
        }
    }

    /// What to call it where everybody can read it.
    pub fn describe(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(url) => match PgConnectOptions::from_str(url.expose_secret()) {
                Ok(options) => {
                    format!("postgres://{}/{}", options.get_host(), options.get_database().unwrap_or_default())
                }
                Err(_) => "PostgreSQL".to_owned(),
            },
        }
    }

    /// Returns the metadata database's file; `None` if it is on a server.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// Returns where the metadata database is, if that is a server; `None` if it is a file.
    pub fn place(&self) -> Option<ServerPlace> {
        let Self::Postgres(url) = self else { return None };
        let options = PgConnectOptions::from_str(url.expose_secret()).ok()?;
        let socket = options.get_socket().map(|folder| folder.display().to_string());
        Some(ServerPlace {
            adapter: "postgres",
            host: socket.unwrap_or_else(|| options.get_host().to_owned()),
            port: options.get_port(),
            database: options.get_database().unwrap_or(options.get_username()).to_owned(),
        })
    }

    /// Connects, and changes nothing in a database that holds something.
    pub(crate) async fn connect(&self) -> Result<Pool, Error> {
        let connected = match self {
            Self::Sqlite(path) => connect_sqlite(path).await,
            Self::Postgres(url) => connect_postgres(url).await,
        };
        connected.map_err(|cause| Error::Open { location: self.describe(), cause })
    }

    /// Brings the schema up to date.
    pub(crate) async fn upgrade(&self, db: &Pool) -> Result<(), Error> {
        let upgraded = match (self, db) {
            (Self::Sqlite(path), Pool::Sqlite(pool)) => upgrade::sqlite(pool, path).await,
            (_, Pool::Postgres(pool, _)) => upgrade::postgres(pool).await,
            (Self::Postgres(_), Pool::Sqlite(_)) => Err("it is no PostgreSQL database".to_owned()),
        };
        upgraded.map_err(|cause| Error::Open { location: self.describe(), cause })
    }
}

/// A database file that no other process uses: runs that a server finds unfinished when it starts must be its own.
#[derive(Debug)]
pub(crate) struct LockedFile {
    path: PathBuf,
    /// None on network file systems without locks: there the data folder's must do.
    _lock: Option<File>,
}

impl LockedFile {
    /// Locks the file of a database that is one, and makes it first if need be.
    pub(crate) fn of(location: &Location) -> Result<Option<Self>, Error> {
        let Location::Sqlite(path) = location else { return Ok(None) };
        let open = |cause: std::io::Error| Error::Open { location: location.describe(), cause: cause.to_string() };
        create_private(path).map_err(open)?;
        // Another name of the same file is the same database.
        let path = std::fs::canonicalize(path).map_err(open)?;
        let mut name = path.clone().into_os_string();
        name.push(".lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(name).map_err(open)?;
        let lock = match lock.try_lock() {
            Ok(()) => Some(lock),
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { location: location.describe() }),
            Err(TryLockError::Error(_)) => None,
        };
        Ok(Some(Self { path, _lock: lock }))
    }

    /// Whether its disk has no room for the next transactions.
    pub(crate) fn is_disk_full(&self) -> bool {
        rustix::fs::statvfs(&self.path).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < MIN_FREE)
    }
}

async fn connect_sqlite(path: &Path) -> Result<Pool, String> {
    create_private(path).map_err(|error| error.to_string())?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .max_connections(SQLITE_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_release(|connection, _| Box::pin(is_at_rest(connection)))
        .connect_with(options)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Pool::Sqlite(pool))
}

/// Returns whether a connection that comes back is in no transaction; otherwise it is closed. When the disk is full, SQLite ends
/// some transactions by itself and leaves others open, and sqlx's own count of them is wrong in either case: such a connection
/// would lock out every other one, or refuse every transaction, for good.
async fn is_at_rest(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    match connection.begin_with("BEGIN").await {
        Ok(transaction) => transaction.rollback().await.map(|()| true),
        Err(_) => Ok(false),
    }
}

async fn connect_postgres(url: &SecretString) -> Result<Pool, String> {
    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|error| error.to_string())?;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_with(options.application_name("dbackup"))
        .await
        .map_err(|error| error.to_string())?;
    Ok(Pool::Postgres(pool, Arc::default()))
}

/// Creates a file that only its owner can read, unless it is there. SQLite gives the WAL and its index the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{self, record};

    struct Pragmas {
        version: String,
        foreign_keys: i64,
        synchronous: i64,
        journal_mode: String,
    }

    record!(Pragmas, "pragmas", { version, foreign_keys, synchronous, journal_mode });

    #[tokio::test]
    async fn every_connection_keeps_its_promises() {
        let folder = tempfile::tempdir().unwrap();
        let db = Location::Sqlite(folder.path().join("x.db")).connect().await.unwrap();
        let text = "SELECT sqlite_version() AS version, (SELECT foreign_keys FROM pragma_foreign_keys) AS foreign_keys, \
                    (SELECT synchronous FROM pragma_synchronous) AS synchronous, \
                    (SELECT journal_mode FROM pragma_journal_mode) AS journal_mode";
        let ask = || async { sql::one::<Pragmas>(&db, text, []).await.unwrap().unwrap() };
        for pragmas in [ask().await, ask().await, ask().await, ask().await, ask().await] {
            let version: Vec<u32> = pragmas.version.split('.').map(|part| part.parse().unwrap()).collect();
            // Before 3.51.3 a WAL could lose transactions when two connections checkpointed at once.
            assert!(version >= vec![3, 51, 3], "{}", pragmas.version);
            assert_eq!((pragmas.foreign_keys, pragmas.synchronous, pragmas.journal_mode.as_str()), (1, 2, "wal"));
        }
    }
}
