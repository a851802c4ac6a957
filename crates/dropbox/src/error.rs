//! What can go wrong with Dropbox, in words that name the cure.
//!
//! One type for every call, [`Error`]. What a route itself refuses (HTTP 409) is a [`RouteError`], typed by the union that the
//! API specification gives for that route ([`unions`]). Tags are matched, never Dropbox's summary text; an unknown tag is
//! `Other`. A caller asks what to do next by [`Error::needs_login`], [`Error::missing_scope`], [`Error::invalid_client`],
//! [`Error::is_conflict`], [`Error::is_not_found`], [`Error::is_full`]; retries are already behind an error that a call returns.

mod auth;
mod meaning;
mod unions;

use std::time::Duration;

pub use auth::{AccessError, AuthError, OAuthError, PathRootError, RateLimitReason};
pub use unions::*;

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A setting that cannot work.
    #[error("{0}")]
    Settings(String),
    /// The caller's [`crate::files::Gate`] closed before a commit was sent.
    #[error("{0}: nothing was published")]
    Stopped(String),
    /// A commit or copy ended while an attempt had no answer: Dropbox may still carry it out.
    #[error("{cause}. Dropbox did not answer whether {path} was stored, and it may still appear there")]
    Unsettled {
        /// Where it may appear.
        path: String,
        /// What ended the attempts.
        cause: Box<Error>,
    },
    /// There is no grant yet.
    #[error("Dropbox is not authorized yet. Authorize it first")]
    NotAuthorized,
    /// The code was sent, but the answer did not arrive; a code works only once.
    #[error(
        "Dropbox's answer to the authorization was lost on the network, and the code cannot be used again. Start the authorization again"
    )]
    ExchangeLost,
    /// A proxy or a network sign-in page answered instead of Dropbox.
    #[error(
        "a proxy answered {route} instead of Dropbox (HTTP {status}). Allow access to *.dropboxapi.com in the proxy, or sign in to the network, then try again"
    )]
    Intermediary {
        /// The route or endpoint.
        route: String,
        /// The HTTP status.
        status: u16,
    },
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
    /// 429, after all retries or with a longer wait than the client's limits allow.
    #[error("Dropbox limits requests of this account ({reason}). Try again {}", later(.retry_after))]
    RateLimited {
        /// Why.
        reason: RateLimitReason,
        /// How long Dropbox wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// 5xx, after all retries.
    #[error(
        "Dropbox has a problem of its own (HTTP {status} for {route}, request {request_id}). Try again {}; see status.dropbox.com", later(.retry_after)
    )]
    Server {
        /// The route.
        route: String,
        /// The HTTP status.
        status: u16,
        /// Dropbox's id of the request, for its support.
        request_id: String,
        /// How long Dropbox wants to be left alone.
        retry_after: Option<Duration>,
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
    #[error("the transfer made no progress for {} and was given up: {cause}", in_words(*.stalled))]
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
    /// A file that was to be copied is another revision than the one that was checked. Nothing was copied.
    #[error("{path} was changed since it was checked: nothing was copied")]
    OriginalChanged {
        /// The file.
        path: String,
    },
    /// A part of this program broke down.
    #[error("internal error in {0}")]
    Internal(String),
    /// What Dropbox holds is not what was sent, or what came is not what Dropbox promised.
    #[error("{path}: the content at Dropbox is not the content {transferred}: {expected} was expected, {found} found")]
    ContentMismatch {
        /// The file.
        path: String,
        /// `sent`, `received` or `to be copied`.
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
    Relocation(#[from] RelocationError),
    Unspecified(#[from] UnspecifiedError),
}

fn with_message(message: &Option<String>) -> String {
    message.as_ref().map(|text| format!(" (Dropbox says: {text})")).unwrap_or_default()
}

fn later(retry_after: &Option<Duration>) -> String {
    retry_after.map_or_else(|| "later".to_owned(), |wait| format!("in {}", in_words(wait)))
}

/// Seconds, or minutes from two minutes on.
fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}
