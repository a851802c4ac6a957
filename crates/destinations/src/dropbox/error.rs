//! Dropbox's errors as an adapter's.

use ::dropbox::Error as DropboxError;
use adapter::{Authorization, Error, Kind, Retry};

use super::Dropbox;

/// Returns what is wrong with the authorization. `None` if the error does not concern it, or may pass by itself, as an HTTP 401 can.
fn fault(error: &DropboxError) -> Option<Authorization> {
    if error.grant_revoked() {
        return Some(Authorization::Revoked);
    }
    if error.invalid_client() {
        return Some(Authorization::AppNotRecognized);
    }
    error.missing_scope().map(|scope| Authorization::MissingScope(scope.to_owned()))
}

/// Returns what is wrong with an authorization of Dropbox, as a cause and, where there is one, the cure to apply before authorizing
/// again. How to authorize depends on the program.
pub(super) fn fault_words(fault: &Authorization) -> (String, Option<&'static str>) {
    match fault {
        Authorization::Missing => ("Dropbox is not authorized yet".to_owned(), None),
        Authorization::Revoked => {
            ("Dropbox no longer accepts this authorization: it was revoked, or the app was changed".to_owned(), None)
        }
        Authorization::AppNotRecognized => (
            "Dropbox does not recognize the app: its App Key or App Secret was changed, or the app was deleted"
                .to_owned(),
            Some("Copy both again from the Settings tab of your app in the Dropbox App Console."),
        ),
        Authorization::MissingScope(scope) => (
            format!("the app is missing the scope {scope}"),
            Some("Enable it on the Permissions tab of your app in the Dropbox App Console and click Submit."),
        ),
    }
}

/// An error of a call that is not about files, whose own words say what failed.
pub(super) fn in_words(error: &DropboxError) -> Error {
    if let Some(fault) = fault(error) {
        let (cause, cure) = fault_words(&fault);
        return Error::new(Kind::Unauthorized(fault), cause, "").maybe_cure(cure).detail(error.to_string());
    }
    let (kind, retry) = sort(error);
    Error::new(kind, error.to_string(), "").retry(retry)
}

impl Dropbox {
    /// Sorts an error of Dropbox.
    pub(super) fn error(&self, what: String, error: &DropboxError) -> Error {
        let missing = error.needs_login().then_some(Authorization::Missing);
        if let Some(fault) = fault(error).or(missing) {
            let (cause, cure) = fault_words(&fault);
            return Error::new(Kind::Unauthorized(fault), what, cause).maybe_cure(cure).detail(error.to_string());
        }
        let destination = adapter::destination::Destination::name(self);
        if error.is_full() {
            return full(what, &destination, None).detail(error.to_string());
        }
        if error.is_session_lost() || matches!(error, DropboxError::Changed { .. }) {
            return Error::not_resumable(&destination, error).detail(error.to_string());
        }
        let (kind, retry) = sort(error);
        let cure = (kind == Kind::Uncertain).then_some("Scan the destination, which lists it if it was stored.");
        Error::new(kind, what, error).retry(retry).maybe_cure(cure)
    }
}

/// No room is left; `usage` where it is known.
pub(super) fn full(what: String, destination: &str, usage: Option<adapter::destination::Usage>) -> Error {
    let usage = usage.map(|usage| format!(" ({usage})")).unwrap_or_default();
    Error::new(Kind::Full, what, format!("{destination} is full{usage}"))
        .cure("Free space there or enlarge it, then run again.")
}

fn sort(error: &DropboxError) -> (Kind, Retry) {
    match error {
        DropboxError::Stalled { cause, .. } => sort(cause),
        DropboxError::Unsettled { .. } => (Kind::Uncertain, Retry::Later),
        DropboxError::RateLimited { retry_after, .. } | DropboxError::Server { retry_after, .. } => {
            (Kind::Unavailable, retry_after.map_or(Retry::Later, Retry::After))
        }
        DropboxError::Network { .. } | DropboxError::Intermediary { .. } => (Kind::Unavailable, Retry::Later),
        DropboxError::Settings(_) => (Kind::Invalid, Retry::Never),
        DropboxError::Access { .. } => (Kind::Denied, Retry::Never),
        DropboxError::ContentMismatch { .. } => (Kind::Damaged, Retry::Later),
        _ => (Kind::Failed, Retry::Never),
    }
}
