//! What can go wrong with a storage, in words that name the cure.

use std::io;

use crate::Usage;

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
    /// It has more bytes than what it should be can have.
    #[error("could not read {path}: it is larger than {limit} bytes")]
    TooLarge {
        /// Which file.
        path: String,
        /// Bytes.
        limit: u64,
    },
    /// The user that dbackup runs as may not do that.
    #[error("{what}: permission denied: give this user the right to the folder")]
    Denied {
        /// What was being done, on what.
        what: String,
    },
    /// No room is left.
    #[error("{destination} is full{}: free space there or enlarge it, then run again", .usage.map(|usage| format!(" ({usage})")).unwrap_or_default())]
    Full {
        /// Which one.
        destination: String,
        /// Where it is known.
        usage: Option<Usage>,
    },
    /// An interrupted upload cannot go on; nothing is lost but time.
    #[error("the interrupted upload to {destination} cannot go on: {cause}")]
    NotResumable {
        /// Which one.
        destination: String,
        /// Why.
        cause: String,
    },
    /// The caller's [`crate::Gate`] closed before anything was published.
    #[error("{0}: nothing was published")]
    Stopped(String),
    /// The authorization needs its user; see [`crate::GrantFault`].
    #[error("{destination}: {}", words(.cause))]
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

/// What is wrong with the authorization, in words that fit every program.
fn words(cause: &::dropbox::Error) -> String {
    crate::GrantFault::of(cause).map_or_else(|| cause.to_string(), |fault| fault.to_string())
}

impl Error {
    pub(crate) fn failed(what: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Failed { what: what.into(), cause: cause.to_string() }
    }

    /// Sorts an error of the local file system.
    pub(crate) fn of_io(destination: &str, what: String, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { destination: destination.to_owned(), usage: None }
            }
            io::ErrorKind::PermissionDenied => Self::Denied { what },
            _ => Self::failed(what, error),
        }
    }
}
