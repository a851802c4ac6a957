//! Why something that a person or a run asked of the world did not happen.

use std::time::Duration;

use adapter::{Authorization, Kind};
use domain::run::FailureCode;
use sources::WayOn;

use crate::host_paths::Refusal;

/// A failure, in words for whoever asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The metadata database.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// A setting in it that this version cannot read.
    #[error("the stored settings cannot be read: {0}")]
    Settings(#[from] serde_json::Error),
    /// What a run is to do is stored in a form that this version cannot read.
    #[error("{0}. A newer version of dbackup may have queued it")]
    Spec(String),
    /// Something was deleted meanwhile.
    #[error("{0} no longer exists")]
    Gone(&'static str),
    /// Something was changed since the run that needs it started.
    #[error("{0} was changed after this run started. Run it again")]
    Outdated(&'static str),
    /// A path of this machine that is not used, or not for whoever asked.
    #[error(transparent)]
    Path(#[from] Refusal),
    /// Whoever asked may not.
    #[error("{0}")]
    Forbidden(String),
    /// The database, or its tools.
    #[error(transparent)]
    Source(#[from] sources::Error),
    /// The storage.
    #[error("{}", of_storage(.0))]
    Destination(adapter::Error),
    /// A channel of notifications.
    #[error("{0}")]
    Channel(adapter::Error),
    /// Opening or restoring a backup.
    #[error("{}", of_opening(.0))]
    Open(#[from] runner::OpenError),
    /// A backup of a source that this version does not know.
    #[error(
        "this version has no adapter for '{0}', so this backup cannot be restored here. It can be verified, copied and downloaded"
    )]
    NoAdapter(String),
    /// A key.
    #[error(transparent)]
    Key(#[from] pipeline::keys::KeyError),
    /// A run was stopped before its own work began.
    #[error("stopped")]
    Stopped,
    /// What a run needs took too long.
    #[error("nothing answered for {}. Check that the disk, the database and the destination can be reached, then run again", runner::in_words(*.0))]
    TookTooLong(Duration),
    /// A destination has not been authorized.
    #[error("{destination} is not authorized yet: open it and click Authorize with {provider}")]
    NotAuthorized {
        /// What people call it.
        destination: String,
        /// Who grants the access.
        provider: &'static str,
    },
}

/// What a restore can be tried again with, in the web UI's words.
pub(crate) fn way_on_in_words(way_on: WayOn<'_>) -> &'static str {
    match way_on {
        WayOn::Overwrite => "Choose another target, or confirm that this one is replaced",
        WayOn::ContinueOnError => {
            "Fix the cause, or restore again with \u{201c}Continue past errors\u{201d} to load everything else"
        }
        WayOn::PutInPlace(_) => "Then open this run and choose \u{201c}Try the swap again\u{201d}",
    }
}

impl Failure {
    /// Returns how a restore can go on, where one of its options decides that.
    pub(crate) fn way_on(&self) -> Option<WayOn<'_>> {
        match self {
            Self::Source(error) => WayOn::after(error),
            Self::Open(error) => error.way_on(),
            _ => None,
        }
    }

    /// Returns why, for programs.
    pub(crate) fn code(&self) -> FailureCode {
        match self {
            Self::Catalog(_) => FailureCode::Internal,
            Self::Settings(_) | Self::Key(_) => FailureCode::Invalid,
            Self::Spec(_) => FailureCode::UnknownSpec,
            Self::NoAdapter(_) => FailureCode::Unsupported,
            Self::Gone(_) => FailureCode::NotFound,
            Self::Outdated(_) => FailureCode::Changed,
            Self::Path(_) | Self::Forbidden(_) => FailureCode::PermissionDenied,
            Self::Source(error) | Self::Destination(error) | Self::Channel(error) => error.kind().failure_code(),
            Self::Open(error) => error.code(),
            Self::Stopped => FailureCode::Stopped,
            Self::TookTooLong(_) => FailureCode::Unavailable,
            Self::NotAuthorized { .. } => FailureCode::AuthorizationRequired,
        }
    }

    /// Returns what a tool, a server or a storage said, word for word.
    pub(crate) fn technical_details(&self) -> Option<&str> {
        match self {
            Self::Source(error) | Self::Destination(error) => error.detail_text(),
            Self::Open(error) => error.technical_details(),
            _ => None,
        }
    }

    /// Returns whether the target of a restore may have been changed all the same.
    pub(crate) fn may_have_changed(&self) -> bool {
        match self {
            Self::Source(error) => *error.kind() == Kind::Uncertain,
            Self::Open(error) => error.may_have_changed(),
            _ => false,
        }
    }

    /// Returns the failure with the way to go on.
    pub(crate) fn with_way_on(&self) -> String {
        let words = self.to_string();
        let end = if words.ends_with('.') { "" } else { "." };
        self.way_on().map_or_else(|| words.clone(), |way_on| format!("{words}{end} {}", way_on_in_words(way_on)))
    }
}

/// What is wrong with an authorization, with what to do about it in this program.
pub(crate) fn with_cure(words: &str, fault: &Authorization) -> String {
    match fault {
        Authorization::Missing | Authorization::Revoked | Authorization::MissingScope(_) => {
            format!("{}. Re-authorize to continue", words.trim_end_matches('.'))
        }
        Authorization::AppNotRecognized => words.to_owned(),
    }
}

/// A storage's error, in this program's words.
pub(crate) fn of_storage(error: &adapter::Error) -> String {
    match error.kind() {
        Kind::Unauthorized(fault) => with_cure(&error.to_string(), fault),
        _ => error.to_string(),
    }
}

fn of_opening(error: &runner::OpenError) -> String {
    match error {
        runner::OpenError::Destination(error) => of_storage(error),
        error => error.to_string(),
    }
}
