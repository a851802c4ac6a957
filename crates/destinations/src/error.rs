//! What can go wrong with a storage, in words that name the cure.

use std::io;

/// Why a destination did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address or path cannot be meant so.
    #[error("{0}")]
    Usage(String),
    /// A file of that name exists. Nothing was changed.
    #[error("{0} exists already")]
    Taken(String),
    /// There is no such file.
    #[error("{0} does not exist")]
    NotFound(String),
    /// No room is left.
    #[error("{destination} is full{usage}: free space there or enlarge it, then run again")]
    Full {
        /// Which one.
        destination: String,
        /// ` (1.9 GiB of 2.0 GiB used)` where it is known.
        usage: String,
    },
    /// Only a new authorization helps.
    #[error("{destination}: {cause}")]
    Unauthorized {
        /// Which one.
        destination: String,
        /// What the storage says.
        cause: Box<::dropbox::Error>,
    },
    /// Something failed.
    #[error("{what}: {cause}")]
    Failed {
        /// What was being done, on what.
        what: String,
        /// Why it failed, with the cure where that is known.
        cause: String,
    },
}

impl Error {
    pub(crate) fn failed(what: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Failed { what: what.into(), cause: cause.to_string() }
    }

    /// Sorts an error of the local file system.
    pub(crate) fn of_io(destination: &str, what: String, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { destination: destination.to_owned(), usage: String::new() }
            }
            io::ErrorKind::PermissionDenied => {
                Self::failed(what, "permission denied: give this user the right to the folder")
            }
            _ => Self::failed(what, error),
        }
    }
}
