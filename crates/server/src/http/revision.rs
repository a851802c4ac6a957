//! Revisions of what users change: `ETag` in answers, `If-Match` in changes (RFC 9110, sections 8.8.3 and 13.1.1).

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::audit_words::AuditSubject;
use super::problem::Problem;

/// What carries a revision.
pub(crate) trait HasRevision {
    /// Counts the changes that users make, from 1.
    fn revision(&self) -> i64;

    /// The id of the thing.
    fn id(&self) -> &str;

    /// What people call it.
    fn name(&self) -> &str;
}

/// An answer with its revision as the ETag.
#[derive(Debug)]
pub(crate) struct Revised<T>(pub(crate) T);

impl<T: HasRevision + Serialize> IntoResponse for Revised<T> {
    fn into_response(self) -> Response {
        let subject = AuditSubject { kind: None, id: self.0.id().to_owned(), name: self.0.name().to_owned() };
        (Extension(subject), [(ETAG, tag(self.0.revision()))], Json(self.0)).into_response()
    }
}

fn tag(revision: i64) -> String {
    format!("\"{revision}\"")
}

/// The revisions that a change may be made of, by `If-Match`. Without the header, any.
#[derive(Debug)]
pub(crate) struct IfMatch(Option<String>);

impl IfMatch {
    /// Refuses a change of a thing that has another revision.
    pub(crate) fn check(&self, revision: i64) -> Result<(), Problem> {
        let Some(tags) = &self.0 else { return Ok(()) };
        let is_it = |listed: &str| listed.trim() == "*" || listed.trim() == tag(revision);
        if tags.split(',').any(is_it) { Ok(()) } else { Err(outdated()) }
    }

    /// Returns why the catalog refused a change. One that came between is a failed precondition only if there was one.
    pub(crate) fn refusal(&self, error: catalog::Error) -> Problem {
        match error {
            catalog::Error::Outdated if self.0.is_some() => outdated(),
            error => error.into(),
        }
    }
}

fn outdated() -> Problem {
    let detail = "it was changed since you read it. Read it again, and repeat your change";
    Problem::new(StatusCode::PRECONDITION_FAILED, "outdated", detail)
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let headers = parts.headers.get_all(IF_MATCH).iter();
        let tags: Result<Vec<&str>, _> = headers.map(axum::http::HeaderValue::to_str).collect();
        let tags = tags.map_err(|_| Problem::bad_request("If-Match must be the ETag of an answer, or *"))?;
        Ok(Self((!tags.is_empty()).then(|| tags.join(","))))
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let words = "The `ETag` of the state that the change was made of, or `\"<revision>\"`. If it was changed since, the answer is 412.";
        let schema = ObjectBuilder::new().schema_type(Type::String).build();
        let parameter =
            ParameterBuilder::new().name("If-Match").parameter_in(ParameterIn::Header).required(Required::False);
        vec![parameter.description(Some(words)).schema(Some(schema)).build()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strong_tag_of_the_revision_matches() {
        let passes = |header: Option<&str>| IfMatch(header.map(str::to_owned)).check(7).is_ok();
        for matching in [None, Some("*"), Some("\"7\""), Some("\"6\", \"7\"")] {
            assert!(passes(matching), "{matching:?}");
        }
        for other in ["\"6\"", "W/\"7\"", "7", "\"bogus\"", ""] {
            assert!(!passes(Some(other)), "{other}");
        }
    }
}
