//! What can go wrong with the metadata database and the vault.

use sqlx::error::ErrorKind;

use crate::master_key::MasterKey;

/// What the constraints on names are called after, in both databases.
const NAME_COLUMN: &str = "name_key";
/// SQLite's `SQLITE_FULL`, and what PostgreSQL calls `disk_full`.
const DISK_FULL: [&str; 2] = ["13", "53100"];
/// How the codes begin with which a PostgreSQL refuses or ends sessions while it stops or starts: `admin_shutdown`,
/// `crash_shutdown`, `cannot_connect_now` (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
const SHUT_DOWN: &str = "57P0";

/// Why the catalog did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database itself.
    #[error("the metadata database: {0}")]
    Database(sqlx::Error),
    /// A column holds a value that this version does not know.
    #[error(
        "the metadata database holds a value that this version of dbackup cannot read, in {place}: {reason}. If a newer version wrote it, start that one"
    )]
    Unreadable {
        /// Table and column.
        place: String,
        /// Why, with the value.
        reason: String,
    },
    /// It cannot be reached, or does not answer.
    #[error("the metadata database does not answer. Nothing needs to be restarted once it does")]
    Unreachable(sqlx::Error),
    /// Nothing can be written for want of space.
    #[error(
        "the metadata database cannot be written: its disk is full. Free some space; nothing needs to be restarted"
    )]
    DiskFull,
    /// Opening it.
    #[error("could not open the metadata database {location}: {cause}")]
    Open {
        /// Which one, without its password.
        location: String,
        /// Why.
        cause: String,
    },
    /// Something of that name is there already.
    #[error("the name is taken: choose another one")]
    NameTaken,
    /// Something else refers to it, or it refers to something that is not there.
    #[error("it is still in use, or refers to something that does not exist")]
    Referenced,
    /// The job has a run that has not ended, or that slot has fired.
    #[error("the job is running already: wait for its end or cancel it")]
    AlreadyRunning,
    /// The run has ended.
    #[error("the run has ended already: there is nothing to cancel")]
    Ended,
    /// Another request changed the same row at the same time.
    #[error("another request changed this at the same time: try again")]
    Conflict,
    /// The row has another revision than the change was made of.
    #[error("it was changed since you read it. Read it again, and repeat your change")]
    Outdated,
    /// The key was changed while this process ran.
    #[error("the encryption key was changed since this server started: restart it with the new key")]
    KeyChanged,
    /// Another process uses the database file.
    #[error(
        "the metadata database {location} is in use by another dbackup: stop that first, or give this one a database of its own"
    )]
    InUse {
        /// Which one.
        location: String,
    },
    /// The database was encrypted under another key.
    #[error(
        "the metadata database is encrypted under key {wanted}, but {given} was given. Start with the key that it was made with: ENCRYPTION_KEY, or the file encryption.key in the data folder"
    )]
    WrongKey {
        /// The id of the database's key.
        wanted: String,
        /// What was given, in words.
        given: String,
    },
    /// The key cannot be one.
    #[error("{0}")]
    Key(String),
    /// A sealed value does not open.
    #[error("a secret in {place} cannot be decrypted: {reason}")]
    Sealed {
        /// Table, row and column.
        place: String,
        /// Why.
        reason: &'static str,
    },
    /// The operating system gives no random numbers.
    #[error("no randomness: {0}")]
    Randomness(String),
}

impl Error {
    /// The database wants another key than the one there is.
    pub(crate) fn wrong_key(wanted: &str, given: Option<&MasterKey>) -> Self {
        let given = given.map_or_else(|| "no key".to_owned(), |key| format!("key {}", key.id()));
        Self::WrongKey { wanted: wanted.to_owned(), given }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let Some(refusal) = error.as_database_error() else {
            let is_cut_off = matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut);
            return if is_cut_off { Self::Unreachable(error) } else { Self::Database(error) };
        };
        match refusal.kind() {
            ErrorKind::UniqueViolation if refusal.message().contains(NAME_COLUMN) => Self::NameTaken,
            ErrorKind::UniqueViolation => Self::Conflict,
            ErrorKind::ForeignKeyViolation => Self::Referenced,
            _ if refusal.code().is_some_and(|code| DISK_FULL.contains(&&*code)) => Self::DiskFull,
            _ if refusal.code().is_some_and(|code| code.starts_with(SHUT_DOWN)) => Self::Unreachable(error),
            _ => Self::Database(error),
        }
    }
}
