//! What can go wrong with a database, in words that name the cure.
//!
//! [`Error::Usage`] is for what the person wrote, [`Error::HoldsData`] for the overwrite guard, [`Error::Object`] for an object
//! of a backup that does not load, [`Error::Failed`] for all else: what failed, why, and what to do about it where that is
//! known. What to do with an option of a restore is worded by its faces, the command line and the server: see
//! [`Error::way_on`].

use pipeline::process::ProcessError;

/// Why a source did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address or an option cannot be meant so.
    #[error("{0}")]
    Usage(String),
    /// The target of a restore is not empty.
    #[error("{0} holds data: nothing was changed")]
    HoldsData(String),
    /// An object of the backup could not be restored ([`crate::OnError::Stop`]). The target is as it was.
    #[error("{what}: {cause}{}", cure_sentence(.cure))]
    Object {
        /// What was being done, on what.
        what: String,
        /// The tool's words.
        cause: String,
        /// What to do about it.
        cure: Option<String>,
    },
    /// Everything was loaded, but could not be put in its place. Nothing was thrown away.
    #[error("{cause}. The restored database is complete and kept as '{kept}'. {cure}")]
    Kept {
        /// Why it is not in its place.
        cause: String,
        /// The passing name, for [`crate::Source::put_in_place`].
        kept: String,
        /// What to do, then to try the swap again.
        cure: String,
    },
    /// The restore was stopped before it changed its target ([`crate::Guard`]).
    #[error("{0}: nothing was changed")]
    Stopped(String),
    /// Something failed.
    #[error("{what}: {cause}{}", cure_sentence(.cure))]
    Failed {
        /// What was being done, on what.
        what: String,
        /// Why it failed.
        cause: String,
        /// What to do about it.
        cure: Option<String>,
    },
}

/// What a restore that failed can be tried again with. Each face has its own words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayOn<'a> {
    /// [`crate::RestoreOptions::overwrite`], or another target.
    Overwrite,
    /// [`crate::OnError::Continue`].
    ContinueOnError,
    /// [`crate::Source::put_in_place`] of the database under this name.
    PutInPlace(&'a str),
}

impl Error {
    /// Returns how to go on, where an option of the restore decides that.
    pub fn way_on(&self) -> Option<WayOn<'_>> {
        match self {
            Self::HoldsData(_) => Some(WayOn::Overwrite),
            Self::Object { .. } => Some(WayOn::ContinueOnError),
            Self::Kept { kept, .. } => Some(WayOn::PutInPlace(kept)),
            Self::Usage(_) | Self::Stopped(_) | Self::Failed { .. } => None,
        }
    }

    /// A failure without a known cure.
    pub(crate) fn failed(what: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Failed { what: what.into(), cause: cause.to_string(), cure: None }
    }

    /// A tool's failure, with the cure if its words tell.
    pub(crate) fn of_tool(
        what: impl Into<String>,
        error: &ProcessError,
        cure: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let cause = error.to_string();
        let cure = cure(&cause);
        Self::Failed { what: what.into(), cause, cure }
    }

    /// pg_restore's failure: an object's if its words tell of a statement, the tool's own otherwise.
    pub(crate) fn of_restore_tool(
        what: impl Into<String>,
        error: &ProcessError,
        cure: impl Fn(&str) -> Option<String>,
    ) -> Self {
        match Self::of_tool(what, error, cure) {
            Self::Failed { what, cause, cure }
                if ["could not execute query", "COPY failed"].iter().any(|sign| cause.contains(sign)) =>
            {
                Self::Object { what, cause, cure }
            }
            error => error,
        }
    }
}

fn cure_sentence(cure: &Option<String>) -> String {
    cure.as_ref().map(|cure| format!(". {cure}")).unwrap_or_default()
}
