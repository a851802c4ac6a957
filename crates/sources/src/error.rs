//! What can go wrong with a database, in words that name the cure.
//!
//! [`Error::Usage`] is for what the person wrote, [`Error::HoldsData`] for the overwrite guard, [`Error::Failed`] for all
//! else: what failed, why, and what to do about it where that is known.

use pipeline::process::ProcessError;

/// Why a source did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address or an option cannot be meant so.
    #[error("{0}")]
    Usage(String),
    /// The target of a restore is not empty.
    #[error("{0} holds data: nothing was changed. Restore into another database, or replace this one with --overwrite")]
    HoldsData(String),
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
    /// Something failed.
    #[error("{what}: {cause}{}", cure_sentence(.cure))]
    Failed {
        /// What was being done, on what.
        what: String,
        /// Why it failed.
        cause: String,
        /// What to do about it.
        cure: Option<&'static str>,
    },
}

impl Error {
    /// A failure without a known cure.
    pub(crate) fn failed(what: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Failed { what: what.into(), cause: cause.to_string(), cure: None }
    }

    /// A tool's failure, with the cure if its words tell.
    pub(crate) fn of_tool(
        what: impl Into<String>,
        error: &ProcessError,
        cure: impl Fn(&str) -> Option<&'static str>,
    ) -> Self {
        let cause = error.to_string();
        let cure = cure(&cause);
        Self::Failed { what: what.into(), cause, cure }
    }
}

fn cure_sentence(cure: &Option<&'static str>) -> String {
    cure.map(|cure| format!(". {cure}")).unwrap_or_default()
}
