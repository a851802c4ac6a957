//! Why something that a person or a run asked of the world did not happen.

use axum::http::StatusCode;
use sources::WayOn;

use crate::http::problem::Problem;

/// A failure, in words for whoever asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The metadata database.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// A setting in it that this version cannot read.
    #[error("the stored settings cannot be read: {0}")]
    Settings(#[from] serde_json::Error),
    /// Something was deleted meanwhile.
    #[error("{0} does not exist (any more)")]
    Gone(&'static str),
    /// The database, or its tools.
    #[error(transparent)]
    Source(#[from] sources::Error),
    /// The storage.
    #[error(transparent)]
    Destination(#[from] destinations::Error),
    /// The Dropbox client.
    #[error(transparent)]
    Dropbox(#[from] dropbox::Error),
    /// Opening or restoring a backup.
    #[error(transparent)]
    Open(#[from] runner::OpenError),
    /// A key.
    #[error(transparent)]
    Key(#[from] pipeline::keys::KeyError),
    /// Dropbox has not been authorized.
    #[error("{0} is not authorized yet: open it and click Authorize with Dropbox")]
    NotAuthorized(String),
    /// Dropbox has to be authorized again.
    #[error("{name} has to be authorized again: {reason}")]
    Reauthorize {
        /// The destination's name.
        name: String,
        /// Why.
        reason: String,
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
            Self::Source(error) => error.way_on(),
            Self::Open(error) => error.way_on(),
            _ => None,
        }
    }

    /// Returns the failure with the way to go on.
    pub(crate) fn with_way_on(&self) -> String {
        let words = self.to_string();
        let end = if words.ends_with('.') { "" } else { "." };
        self.way_on().map_or_else(|| words.clone(), |way_on| format!("{words}{end} {}", way_on_in_words(way_on)))
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let words = failure.with_way_on();
        match failure {
            Failure::Catalog(error) => error.into(),
            Failure::Settings(error) => Self::internal(error),
            Failure::Gone(what) => Self::not_found(what),
            Failure::NotAuthorized(_) => Self::conflict("authorizationRequired", words),
            Failure::Reauthorize { .. } => Self::conflict("reauthorizationRequired", words),
            Failure::Source(error) => of_source(&error, words),
            Failure::Destination(error) => of_destination(&error, words),
            Failure::Open(error) => of_open(&error, words),
            Failure::Dropbox(error) if error.needs_login() => Self::conflict("reauthorizationRequired", words),
            Failure::Dropbox(_) => Self::failed_dependency("destinationFailed", words),
            Failure::Key(_) => Self::invalid_field("identity", words),
        }
    }
}

fn of_source(error: &sources::Error, words: String) -> Problem {
    match error {
        sources::Error::Usage(_) => Problem::bad_request(words),
        sources::Error::HoldsData(_) => Problem::conflict("targetHoldsData", words),
        sources::Error::Failed { .. } | sources::Error::Object { .. } | sources::Error::Kept { .. } => {
            Problem::failed_dependency("sourceFailed", words)
        }
    }
}

fn of_destination(error: &destinations::Error, words: String) -> Problem {
    match error {
        destinations::Error::Usage(_) => Problem::bad_request(words),
        destinations::Error::Taken(_) => Problem::conflict("taken", words),
        destinations::Error::NotFound(_) => Problem::new(StatusCode::NOT_FOUND, "notFound", words),
        destinations::Error::Unauthorized { .. } => Problem::conflict("reauthorizationRequired", words),
        destinations::Error::Full { .. } => Problem::failed_dependency("destinationFull", words),
        _ => Problem::failed_dependency("destinationFailed", words),
    }
}

fn of_open(error: &runner::OpenError, words: String) -> Problem {
    match error {
        runner::OpenError::Destination(error) => of_destination(error, words),
        runner::OpenError::Source(error) => of_source(error, words),
        runner::OpenError::Altered { .. } => Problem::conflict("altered", words),
        runner::OpenError::Layers { .. } | runner::OpenError::WrongFormat { .. } => {
            Problem::conflict("cannotOpen", words)
        }
        _ => Problem::failed_dependency("failed", words),
    }
}
