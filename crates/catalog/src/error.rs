//! What can go wrong with the metadata database and the vault.

use sea_orm::{DbErr, SqlErr};

use crate::master_key::MasterKey;

/// Why the catalog did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database itself.
    #[error("the metadata database: {0}")]
    Database(#[from] DbErr),
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

    /// Sorts what a write was refused for.
    pub(crate) fn of_write(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::NameTaken,
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Self::Referenced,
            _ => Self::Database(error),
        }
    }
}
