//! Every way in which a call does not succeed, and the answer that Dropbox gives for it.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use crate::errors::RouteError;
use crate::http::answer::{self, Answer};
use crate::random;

/// A call that did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 400, plain text, after the sentence `Error in call to API function "...": `.
    BadInput(String),
    /// Any status, plain text as it stands.
    Text(StatusCode, String),
    /// 401, JSON: the token is not good, or not good for this.
    Unauthorized(Value),
    /// 409, JSON: the route's own error.
    Endpoint(Value),
    /// 422, JSON: the `Dropbox-API-Path-Root` header.
    PathRoot(Value),
    /// 429, JSON. `too_many_write_operations` comes without a time to wait.
    RateLimited {
        /// `too_many_requests` or `too_many_write_operations`.
        reason: &'static str,
        /// Seconds to wait, in the body and in the header.
        retry_after: Option<u64>,
    },
    /// 429, plain text, with the header `Retry-After` in seconds.
    RateLimitedText(u64),
    /// 503, plain text, with the header `Retry-After` in seconds.
    Unavailable(u64),
    /// A web page that is not Dropbox's.
    Page(StatusCode),
    /// No answer at all: the connection ends here.
    Cut,
    /// No answer at all, while the connection stays open.
    Silent,
}

impl<E: RouteError> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Endpoint(to_value(&error))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Text(StatusCode::INTERNAL_SERVER_ERROR, format!("emulator: {error}"))
    }
}

/// Any of our own answers as JSON.
#[expect(clippy::expect_used, reason = "the answers are plain structs with string keys, which serde_json always takes")]
pub(crate) fn to_value(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("an answer is JSON")
}

impl Failure {
    /// 401 with that tag and no more.
    pub(crate) fn unauthorized(tag: &str) -> Failure {
        Failure::Unauthorized(json!({ ".tag": tag }))
    }

    /// The answer for `function`, which is a route's name such as `files/upload`; `None` if there is none.
    pub(crate) fn into_answer(self, function: &str) -> Option<Answer> {
        Some(match self {
            Failure::Cut | Failure::Silent => return None,
            Failure::BadInput(problem) => {
                let sentence = format!("Error in call to API function \"{function}\": {problem}");
                answer::text(StatusCode::BAD_REQUEST, sentence)
            }
            Failure::Text(status, sentence) => answer::text(status, sentence),
            Failure::Unauthorized(error) => {
                let realm = hyper::header::HeaderValue::from_static("Bearer realm=\"Dropbox-API\"");
                let mut answer = tagged(StatusCode::UNAUTHORIZED, &error);
                answer.headers_mut().insert(WWW_AUTHENTICATE, realm);
                answer
            }
            Failure::Endpoint(error) => tagged(StatusCode::CONFLICT, &error),
            Failure::PathRoot(error) => tagged(StatusCode::UNPROCESSABLE_ENTITY, &error),
            Failure::Unavailable(seconds) => {
                let mut answer = answer::text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable".to_owned());
                answer.headers_mut().insert(RETRY_AFTER, seconds.into());
                answer
            }
            Failure::Page(status) => {
                answer::page(status, "<!doctype html><title>Sign in to this network</title>".to_owned())
            }
            Failure::RateLimited { reason, retry_after } => rate_limited(reason, retry_after),
            Failure::RateLimitedText(seconds) => {
                let mut answer = answer::text(StatusCode::TOO_MANY_REQUESTS, "too_many_requests".to_owned());
                answer.headers_mut().insert(CONTENT_TYPE, answer::PLAIN_TEXT);
                answer.headers_mut().insert(RETRY_AFTER, seconds.into());
                answer
            }
        })
    }
}

fn rate_limited(reason: &str, retry_after: Option<u64>) -> Answer {
    let mut error = json!({ "reason": { ".tag": reason } });
    if let Some(seconds) = retry_after {
        error["retry_after"] = seconds.into();
    }
    let mut answer = tagged(StatusCode::TOO_MANY_REQUESTS, &error);
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    answer
}

fn tagged(status: StatusCode, error: &Value) -> Answer {
    let dots = ".".repeat(usize::from(random::below(4)));
    let summary = format!("{}/{dots}", summary(error));
    answer::json(status, &json!({ "error_summary": summary, "error": error }))
}

/// The tags from the outside in: `path/conflict/file`.
fn summary(error: &Value) -> String {
    let tag = error[".tag"].as_str().unwrap_or_default();
    let inner = [tag, "reason"].into_iter().map(|field| &error[field]).find(|inner| inner[".tag"].is_string());
    match inner {
        Some(inner) if tag.is_empty() => summary(inner),
        Some(inner) => format!("{tag}/{}", summary(inner)),
        None => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::{Conflict, SessionError, UploadError, UploadWriteFailed, WriteError};

    #[test]
    fn a_summary_is_the_tags_from_the_outside_in() {
        let reason = WriteError::conflict(Conflict::FileAncestor);
        let failed = UploadError::Path(UploadWriteFailed { reason, upload_session_id: "s".to_owned() });
        assert_eq!(summary(&to_value(&failed)), "path/conflict/file_ancestor");
        let offset = to_value(&SessionError::IncorrectOffset { correct_offset: 5 });
        assert_eq!(summary(&offset), "incorrect_offset");
        assert_eq!(offset, json!({ ".tag": "incorrect_offset", "correct_offset": 5 }));
        assert_eq!(summary(&json!({ "reason": { ".tag": "too_many_requests" } })), "too_many_requests");
    }
}
