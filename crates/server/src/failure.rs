//! Why something that a person or a run asked of the world did not happen.

use axum::http::StatusCode;

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

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let words = failure.to_string();
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
        sources::Error::HoldsData(what) => Problem::conflict(
            "targetHoldsData",
            format!("{what} holds data: choose another target, or confirm that it is replaced"),
        ),
        sources::Error::Failed { .. } | sources::Error::Kept { .. } => {
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
