//! Why a backup cannot be read, or not be restored.

use domain::rows::RowComparison;
use domain::run::FailureCode;
use pipeline::DecodeError;
use sources::{Kind, WayOn};

use crate::stall::Stalled;

/// Why a backup is refused.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The destination failed.
    #[error(transparent)]
    Destination(adapter::Error),
    /// The target database failed.
    #[error(transparent)]
    Source(#[from] sources::Error),
    /// A layer cannot be opened.
    #[error("{path}: {cause}")]
    Layers {
        /// The backup.
        path: String,
        /// Why.
        cause: DecodeError,
    },
    /// It is not what its sidecar says.
    #[error(
        "{path} is not the file that was backed up: {found} is not the {what} in its sidecar ({expected}). Restore another backup"
    )]
    Altered {
        /// The backup.
        path: String,
        /// What differs.
        what: String,
        /// The sidecar's value.
        expected: String,
        /// The one found.
        found: String,
    },
    /// The restored database has other rows than the backup recorded.
    #[error("{0}. Nothing was changed. Restore another backup, and keep this one to find out why")]
    RowsDiffer(RowComparison),
    /// It is a dump of another engine, or none.
    #[error("{path} is {found}, which cannot be restored into {target}")]
    WrongFormat {
        /// The backup.
        path: String,
        /// What it is.
        found: String,
        /// The target's engine.
        target: String,
    },
    /// It is not encrypted among backups that are, and nobody has confirmed that.
    #[error(
        "{path} is not encrypted, but its job encrypts its backups, or other backups of the job are encrypted: somebody else may have put it there. Restore another backup, or allow an unencrypted one explicitly"
    )]
    Unencrypted {
        /// The backup.
        path: String,
    },
    /// It failed, and something remains of it.
    #[error("{}. Besides, {leftover}", cause.without_promise())]
    Leftover {
        /// Why it failed.
        cause: Box<OpenError>,
        /// What remains.
        leftover: sources::Error,
    },
    /// Nothing came, or nothing was taken, for too long.
    #[error(
        "the restore has stalled at {place}: {stalled}. Nothing was changed. Look at what is going on there, then restore again"
    )]
    Stalled {
        /// The target, or the backup.
        place: String,
        /// For how long.
        stalled: Stalled,
    },
    /// Somebody stopped it.
    #[error("cancelled: nothing was changed")]
    Cancelled,
    /// A part of this program broke down.
    #[error("internal error: {0}")]
    Internal(String),
}

impl OpenError {
    /// Returns why, for programs.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Destination(error) | Self::Source(error) => error.kind().failure_code(),
            Self::Layers { cause: DecodeError::IdentityNeeded | DecodeError::WrongIdentity, .. } => {
                FailureCode::CannotDecrypt
            }
            Self::Layers { .. } => FailureCode::Damaged,
            Self::Altered { .. } => FailureCode::Altered,
            Self::RowsDiffer(_) => FailureCode::RowsDiffer,
            Self::WrongFormat { .. } => FailureCode::Unsupported,
            Self::Unencrypted { .. } => FailureCode::Unencrypted,
            Self::Leftover { cause, .. } => cause.code(),
            Self::Stalled { .. } => FailureCode::Stalled,
            Self::Cancelled => FailureCode::Cancelled,
            Self::Internal(_) => FailureCode::Internal,
        }
    }

    /// Returns what the tool, the server or the storage said, word for word.
    pub fn technical_details(&self) -> Option<&str> {
        match self {
            Self::Destination(error) | Self::Source(error) => error.detail_text(),
            Self::Leftover { cause, .. } => cause.technical_details(),
            _ => None,
        }
    }

    /// Returns whether the target may have been changed all the same: something remains, or the outcome is not known.
    pub fn may_have_changed(&self) -> bool {
        match self {
            Self::Source(error) => *error.kind() == Kind::Uncertain,
            Self::Leftover { .. } => true,
            _ => false,
        }
    }

    /// Returns the words, without the promise that nothing was changed.
    fn without_promise(&self) -> String {
        match self {
            Self::Cancelled => "cancelled".to_owned(),
            Self::RowsDiffer(rows) => rows.to_string(),
            Self::Stalled { place, stalled } => format!("the restore has stalled at {place}: {stalled}"),
            Self::Source(error) if *error.kind() == Kind::Stopped => error.what().to_owned(),
            other => other.to_string(),
        }
    }

    /// Returns how to go on, where an option of the restore decides that.
    pub fn way_on(&self) -> Option<WayOn<'_>> {
        match self {
            Self::Source(error) => WayOn::after(error),
            Self::Leftover { cause, .. } => cause.way_on(),
            _ => None,
        }
    }
}
