//! What can go wrong with Dropbox, in words that name the cure.
//!
//! One type for every call, [`Error`]. What a route itself refuses (HTTP 409) is a [`RouteError`], typed by the union that the
//! API specification gives for that route ([`unions`]). Tags are matched, never Dropbox's summary text; an unknown tag is
//! `Other`. A caller asks what to do next by [`Error::needs_login`], [`Error::is_conflict`], [`Error::is_not_found`],
//! [`Error::is_full`]; trying again has been done already when an error comes out of a call.

mod auth;
mod unions;

use std::time::Duration;

pub use auth::{AccessError, AuthError, OAuthError, PathRootError, RateLimitReason};
pub use unions::*;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that cannot work.
    #[error("{0}")]
    Settings(String),
    /// There is no grant yet.
    #[error("Dropbox is not authorized yet: log in first")]
    NotAuthorized,
    /// Dropbox could not be reached, or stopped answering.
    #[error("could not reach Dropbox for {route}: {reason}. Check the network, then try again")]
    Network {
        /// The route or endpoint.
        route: String,
        /// The chain of causes.
        reason: String,
        /// The request cannot have reached Dropbox (no connection was made).
        unsent: bool,
    },
    /// The other side could not prove that it is Dropbox.
    #[error(
        "whoever answered in Dropbox's place for {route} is not trusted ({reason}). Does a proxy open the traffic here? Its certificate authority must be known to this program"
    )]
    Untrusted {
        /// The route or endpoint.
        route: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// The token endpoint refused.
    #[error("{0}")]
    OAuth(OAuthError),
    /// 401.
    #[error("{0}")]
    Auth(AuthError),
    /// 403.
    #[error("{error}{}", with_message(.message))]
    Access {
        /// What is denied.
        error: AccessError,
        /// Dropbox's own words for the user.
        message: Option<String>,
    },
    /// 422.
    #[error("{0}")]
    PathRoot(PathRootError),
    /// 429 until patience ran out.
    #[error("Dropbox asks to slow down ({reason}) and kept asking. Try again {}", later(.retry_after))]
    RateLimited {
        /// Why.
        reason: RateLimitReason,
        /// How long Dropbox wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// 5xx until patience ran out.
    #[error(
        "Dropbox has a problem of its own (HTTP {status} for {route}, request {request_id}). Try again later; see status.dropbox.com"
    )]
    Server {
        /// The route.
        route: String,
        /// The HTTP status.
        status: u16,
        /// Dropbox's id of the request, for its support.
        request_id: String,
    },
    /// 400 and whatever the API does not define: a mistake in this program, or a change at Dropbox.
    #[error("Dropbox did not understand {route} (HTTP {status}, request {request_id}): {text}")]
    BadRequest {
        /// The route.
        route: String,
        /// The HTTP status.
        status: u16,
        /// What Dropbox says.
        text: String,
        /// Dropbox's id of the request, for its support.
        request_id: String,
    },
    /// 409: the route itself refused.
    #[error("{error}{}", with_message(.message))]
    Route {
        /// The route.
        route: String,
        /// Why, typed.
        error: RouteError,
        /// Dropbox's own words for the user.
        message: Option<String>,
    },
    /// A 2xx whose body is not what the API promises.
    #[error("Dropbox answered {route} with something unexpected: {reason}")]
    UnexpectedAnswer {
        /// The route.
        route: String,
        /// What was wrong.
        reason: String,
    },
    /// A transfer got nowhere for as long as it may.
    #[error("the transfer got no further for {} minutes and was given up: {cause}", .stalled.as_secs().div_ceil(60))]
    Stalled {
        /// How long.
        stalled: Duration,
        /// The last failure.
        cause: Box<Error>,
    },
    /// An upload was to go on with other bytes than it began with.
    #[error(
        "the data has changed since the upload began (byte {offset} and after): start the upload again from the beginning"
    )]
    Changed {
        /// Where the block begins that is different.
        offset: u64,
    },
    /// A part of this program broke down.
    #[error("internal error in {0}")]
    Internal(String),
    /// What Dropbox holds is not what was sent, or what came is not what Dropbox promised.
    #[error("{path}: the content at Dropbox is not the content {transferred}: {expected} was expected, {found} found")]
    ContentMismatch {
        /// The file.
        path: String,
        /// `sent` or `received`.
        transferred: &'static str,
        /// The hash or size that was expected.
        expected: String,
        /// The one found.
        found: String,
    },
}

/// A route's own refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
#[expect(missing_docs, reason = "each variant is the union of its name")]
pub enum RouteError {
    Upload(#[from] UploadError),
    SessionStart(#[from] UploadSessionStartError),
    SessionAppend(#[from] UploadSessionAppendError),
    SessionFinish(#[from] UploadSessionFinishError),
    Download(#[from] DownloadError),
    GetMetadata(#[from] GetMetadataError),
    ListFolder(#[from] ListFolderError),
    ListFolderContinue(#[from] ListFolderContinueError),
    CreateFolder(#[from] CreateFolderError),
    Delete(#[from] DeleteError),
    Unspecified(#[from] UnspecifiedError),
}

impl Error {
    /// Whether only a person who logs in again can help.
    pub fn needs_login(&self) -> bool {
        match self {
            Self::NotAuthorized => true,
            Self::OAuth(error) => error.is_invalid_grant(),
            Self::Auth(error) => !matches!(error, AuthError::UserSuspended),
            Self::Stalled { cause, .. } => cause.needs_login(),
            _ => false,
        }
    }

    /// Whether the path is taken by a file or folder.
    pub fn is_conflict(&self) -> bool {
        let Some(WriteError::Conflict { conflict }) = self.write_error() else { return false };
        matches!(conflict, WriteConflictError::File | WriteConflictError::Folder)
    }

    /// Whether Dropbox has forgotten the upload session, or has ended it: the upload has to start again.
    pub fn is_session_lost(&self) -> bool {
        use UploadSessionAppendError as Append;
        let Self::Route { error, .. } = self else { return false };
        match error {
            RouteError::SessionAppend(error) => matches!(error, Append::NotFound | Append::Closed),
            RouteError::SessionFinish(UploadSessionFinishError::LookupFailed { .. }) => true,
            _ => false,
        }
    }

    /// Whether the account has no room left.
    pub fn is_full(&self) -> bool {
        matches!(self.write_error(), Some(WriteError::InsufficientSpace))
    }

    /// Whether the path that was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        let Self::Route { error, .. } = self else { return false };
        match error {
            RouteError::Download(DownloadError::Path { path })
            | RouteError::GetMetadata(GetMetadataError::Path { path })
            | RouteError::ListFolder(ListFolderError::Path { path })
            | RouteError::ListFolderContinue(ListFolderContinueError::Path { path })
            | RouteError::Delete(DeleteError::PathLookup { path_lookup: path }) => *path == LookupError::NotFound,
            _ => false,
        }
    }

    /// Whether the effect of the call is unknown: it may have happened though no answer came.
    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Network { unsent: false, .. } | Self::Server { .. } | Self::UnexpectedAnswer { .. })
    }

    /// Whether trying the same again may pass.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Server { .. } | Self::RateLimited { .. } => true,
            Self::Route {
                error:
                    RouteError::SessionFinish(UploadSessionFinishError::TooManyWriteOperations)
                    | RouteError::Delete(DeleteError::TooManyWriteOperations),
                ..
            } => true,
            _ => matches!(self.write_error(), Some(WriteError::TooManyWriteOperations)),
        }
    }

    /// Whether data was damaged on its way to Dropbox, which noticed. Sending it again may pass.
    pub(crate) fn is_damaged(&self) -> bool {
        let Self::Route { error, .. } = self else { return false };
        matches!(
            error,
            RouteError::Upload(UploadError::ContentHashMismatch)
                | RouteError::SessionStart(UploadSessionStartError::ContentHashMismatch)
                | RouteError::SessionAppend(UploadSessionAppendError::ContentHashMismatch)
                | RouteError::SessionFinish(UploadSessionFinishError::ContentHashMismatch)
        )
    }

    fn write_error(&self) -> Option<&WriteError> {
        let Self::Route { error, .. } = self else { return None };
        match error {
            RouteError::Upload(UploadError::Path { reason, .. }) => Some(reason),
            RouteError::SessionFinish(UploadSessionFinishError::Path { path })
            | RouteError::CreateFolder(CreateFolderError::Path { path })
            | RouteError::Delete(DeleteError::PathWrite { path_write: path }) => Some(path),
            _ => None,
        }
    }
}

fn with_message(message: &Option<String>) -> String {
    message.as_ref().map(|text| format!(" (Dropbox says: {text})")).unwrap_or_default()
}

fn later(retry_after: &Option<Duration>) -> String {
    retry_after.map_or_else(|| "later".to_owned(), |wait| format!("in {} s", wait.as_secs()))
}
