//! Errors as RFC 9457 problem details.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::passwords::HashError;
use crate::redaction::redact;

/// The codes of all problems. They are stable: programs go by them.
pub(crate) const CODES: [&str; 53] = [
    "accountChanged",
    "alreadyEnded",
    "alreadyRunning",
    "altered",
    "appNotRecognized",
    "authorizationFailed",
    "authorizationRequired",
    "badRequest",
    "bodyTooLarge",
    "bodyTooSlow",
    "busy",
    "cannotOpen",
    "changed",
    "confirm",
    "conflict",
    "destinationFailed",
    "destinationFull",
    "diskFull",
    "exported",
    "failed",
    "forbidden",
    "idempotencyKeyInUse",
    "idempotencyKeyReused",
    "inUse",
    "internal",
    "invalid",
    "keyChanged",
    "lastAdministrator",
    "locked",
    "methodNotAllowed",
    "nameTaken",
    "needsHttps",
    "noIdentity",
    "notExported",
    "notFound",
    "notRevoked",
    "outcomeUnknown",
    "outdated",
    "pathUnusable",
    "reauthorizationRequired",
    "sourceFailed",
    "stopped",
    "taken",
    "targetHoldsData",
    "tooManyQueued",
    "tooManyRequests",
    "tooManyTokens",
    "tookTooLong",
    "unauthorized",
    "unavailable",
    "unencrypted",
    "unknownHost",
    "unsupportedMediaType",
];

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Its path in the request: `settings.host`.
    pub(crate) field: String,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
}

/// Why a request was not carried out (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProblemBody {
    /// `urn:dbackup:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The HTTP status in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A word for programs.
    code: &'static str,
    /// What failed, why, and what to do about it.
    detail: String,
    /// Per field, where fields are to blame.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The run that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    /// What a tool, a server or a storage said, word for word.
    #[serde(skip_serializing_if = "Option::is_none")]
    technical_details: Option<String>,
    /// The request's id, as in the header `X-Request-Id` and the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// Seconds after which a busy server may be asked again.
const BUSY: i64 = 5;

/// A request that is refused.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    code: &'static str,
    pub(crate) detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<i64>,
    run_id: Option<Box<str>>,
    technical_details: Option<Box<str>>,
    /// Whether it was a guess, which the audit log keeps.
    pub(crate) is_attempt: bool,
}

impl Problem {
    /// `code` is one of [`CODES`].
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        debug_assert!(CODES.contains(&code), "{code} is not among the codes of problems");
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            run_id: None,
            technical_details: None,
            is_attempt: false,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "badRequest", detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "notFound", format!("{what} does not exist"))
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// The storage or the database that was to be asked did not answer as it should. Not a 502: proxies put pages of their own
    /// in its place, and the cure would be lost.
    pub(crate) fn failed_dependency(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FAILED_DEPENDENCY, code, detail)
    }

    pub(crate) fn too_many(seconds: i64) -> Self {
        let detail = format!("too many wrong attempts: try again in {seconds} s");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "tooManyRequests", detail);
        Self { retry_after: Some(seconds), ..problem }
    }

    /// The user, or all users together, have as much in the queue as it takes.
    pub(crate) fn too_many_queued(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(BUSY), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "tooManyQueued", detail) }
    }

    /// The request with the same `Idempotency-Key` is being carried out.
    pub(crate) fn key_in_use(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(BUSY), ..Self::conflict("idempotencyKeyInUse", detail) }
    }

    /// The `Idempotency-Key` belongs to another request.
    pub(crate) fn key_reused(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotencyKeyReused", detail)
    }

    /// The user has asked for the same too often.
    pub(crate) fn too_often(what: &str, seconds: i64) -> Self {
        let detail = format!("You have begun too many {what}. Try again in {seconds} s.");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "tooManyRequests", detail);
        Self { retry_after: Some(seconds), ..problem }
    }

    /// The same, with the run that is in the way.
    pub(crate) fn with_run(self, run_id: String) -> Self {
        Self { run_id: Some(run_id.into()), ..self }
    }

    /// The same, with what a tool, a server or a storage said word for word.
    pub(crate) fn with_technical_details(self, details: Option<&str>) -> Self {
        Self { technical_details: details.map(Into::into), ..self }
    }

    /// A problem that the audit log keeps, although it was only asked for something.
    pub(crate) fn of_attempt(self) -> Self {
        Self { is_attempt: true, ..self }
    }

    /// The server has as much to do as it takes at once.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(BUSY), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail) }
    }

    /// The errors come in the order of their fields, as people count: `jobs[2]` before `jobs[10]`.
    pub(crate) fn invalid(mut errors: Vec<FieldError>) -> Self {
        errors.sort_by_cached_key(|error| in_order(&error.field));
        let detail = errors.iter().map(|error| format!("{}: {}", error.field, error.message));
        let detail = detail.collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail) }
    }

    /// Returns what is wrong field by field; as the fault of `whole` where no field is to blame.
    pub(crate) fn into_errors(self, whole: &str) -> Vec<FieldError> {
        match self.errors.is_empty() {
            true => vec![FieldError { field: whole.to_owned(), message: self.detail }],
            false => self.errors,
        }
    }

    /// The same problem with another status: what is wrong, and who may not do it.
    pub(crate) fn into_forbidden(self) -> Self {
        Self { status: StatusCode::FORBIDDEN, code: "forbidden", ..self }
    }

    pub(crate) fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    /// Something broke in this server: the person learns that, the log learns what.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        let detail = "something went wrong in the server; its log says what, under this answer's X-Request-Id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::busy(format!("{error}: try again in a moment")),
            HashError::Failed(cause) => Self::internal(cause),
        }
    }
}

impl From<catalog::Error> for Problem {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NameTaken => {
                let errors = vec![FieldError { field: "name".to_owned(), message: error.to_string() }];
                Self { errors, ..Self::conflict("nameTaken", error.to_string()) }
            }
            catalog::Error::Referenced => Self::conflict("inUse", error.to_string()),
            catalog::Error::Ended => Self::conflict("alreadyEnded", error.to_string()),
            catalog::Error::AlreadyRunning => Self::conflict("alreadyRunning", error.to_string()),
            catalog::Error::Conflict => Self::conflict("conflict", error.to_string()),
            catalog::Error::Outdated => Self::conflict("conflict", catalog::Error::Conflict.to_string()),
            catalog::Error::DiskFull => Self::new(StatusCode::INSUFFICIENT_STORAGE, "diskFull", error.to_string()),
            catalog::Error::KeyChanged => Self::new(StatusCode::SERVICE_UNAVAILABLE, "keyChanged", error.to_string()),
            catalog::Error::Unreachable(ref cause) => {
                tracing::error!(%cause, "the metadata database does not answer");
                let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string());
                Self { retry_after: Some(BUSY), ..problem }
            }
            error => Self::internal(error),
        }
    }
}

impl From<Problem> for ProblemBody {
    fn from(problem: Problem) -> Self {
        Self {
            kind: format!("urn:dbackup:problem:{}", problem.code),
            title: problem.status.canonical_reason().unwrap_or("Error"),
            status: problem.status.as_u16(),
            code: problem.code,
            detail: problem.detail,
            errors: problem.errors,
            run_id: problem.run_id.map(String::from),
            technical_details: problem.technical_details.map(|details| redact(&details)),
            request_id: super::request_log::current_id(),
        }
    }
}

/// Marks an answer of a request that was refused before it did anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DidNothing;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after, is_busy) = (self.status, self.retry_after, self.code == "busy");
        let mut response = (status, Json(ProblemBody::from(self))).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if is_busy {
            response.extensions_mut().insert(DidNothing);
        }
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert("www-authenticate", HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Returns what sorts the paths of fields: its texts, and its numbers by value.
fn in_order(field: &str) -> Vec<(u64, String)> {
    let digit = |c: char| c.is_ascii_digit();
    let parts = field.split_inclusive(['.', '[', ']']);
    parts.map(|part| (part.trim_end_matches(|c| !digit(c)).parse().unwrap_or_default(), part.to_owned())).collect()
}

/// Collects what is wrong with a request's fields.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<FieldError>);

impl Fields {
    /// Notes a message if the field is not right.
    pub(crate) fn check(&mut self, field: &str, right: bool, message: impl FnOnce() -> String) {
        if !right {
            self.0.push(FieldError { field: field.to_owned(), message: message() });
        }
    }

    /// Notes what is wrong with a field.
    pub(crate) fn add(&mut self, field: &str, message: String) {
        self.0.push(FieldError { field: field.to_owned(), message });
    }

    /// Returns what was checked, or notes which fields are to blame. Any other problem is passed on.
    pub(crate) fn accept<T>(&mut self, checked: Result<T, Problem>) -> Result<Option<T>, Problem> {
        match checked {
            Ok(checked) => Ok(Some(checked)),
            Err(problem) if problem.status == StatusCode::UNPROCESSABLE_ENTITY && !problem.errors.is_empty() => {
                self.0.extend(problem.errors);
                Ok(None)
            }
            Err(problem) => Err(problem),
        }
    }

    /// A name that people give.
    pub(crate) fn check_name(&mut self, name: &str) {
        let refusal = super::names::refuse(name);
        self.check("name", refusal.is_none(), || refusal.unwrap_or_default());
    }

    /// Refuses if anything was noted.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}
