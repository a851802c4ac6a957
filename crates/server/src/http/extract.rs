//! Reading requests: JSON bodies and queries, within bounds, with errors that name the field.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use super::strict_json;
use crate::app::App;

/// Maximum bytes of all bodies that are read at the same time, small ones aside.
pub(crate) const MAX_BODIES: usize = 32 * 1024 * 1024;
/// Bodies that cannot be larger are not counted: the number of connections bounds them, and large ones of somebody else must not
/// keep anybody from signing in.
const SMALL_BODY: usize = 4 * 1024;

/// A body that was read before its request got a place in its class.
#[derive(Debug, Clone)]
struct ReadBody {
    bytes: Bytes,
    /// Its share of [`MAX_BODIES`].
    _held: Option<Arc<OwnedSemaphorePermit>>,
}

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        read_as(read_json(request, &["application/json"])?).map(Self)
    }
}

/// Returns the body of a request, as it was sent.
pub(crate) fn body_of(request: &Request) -> Bytes {
    request.extensions().get::<ReadBody>().map(|body| body.bytes.clone()).unwrap_or_default()
}

/// Parses a body of one of these media types, of which the first is named in errors.
pub(crate) fn read_json(mut request: Request, kinds: &[&str]) -> Result<Value, Problem> {
    if !is_one_of(request.headers(), kinds) {
        let kind = kinds.first().copied().unwrap_or_default();
        let detail = format!("the body must be JSON, and Content-Type must say so: {kind}");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupportedMediaType", detail));
    }
    let body = request.extensions_mut().remove::<ReadBody>();
    let bytes = body.as_ref().map(|body| &*body.bytes).unwrap_or_default();
    let value =
        strict_json::parse(bytes).map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")))?;
    if holds_zero(&value) {
        return Err(Problem::bad_request("the body holds a text with a zero character (\\u0000)"));
    }
    Ok(value)
}

/// Reads a value as an input, with errors that name the field.
pub(crate) fn read_as<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = error.path().to_string();
        let field = if field == "." { "body".to_owned() } else { field };
        Problem::invalid_field(&field, error.into_inner().to_string())
    })
}

fn is_one_of(headers: &HeaderMap, kinds: &[&str]) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kinds.iter().any(|known| kind.eq_ignore_ascii_case(known))
}

/// Reads a request's body within the limit of its operation, of all bodies together, and of time.
pub(crate) async fn read_ahead(mut request: Request, limit: usize, app: &App) -> Result<Request, Problem> {
    if limit == 0 || matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(request);
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let body = std::mem::take(request.body_mut());
    let timeout = app.config.slowest_request;
    let budget = (limit > SMALL_BODY).then_some(&app.bodies);
    let read = tokio::time::timeout(timeout, collect(body, limit, budget)).await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {timeout:?}");
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "bodyTooSlow", detail))
    });
    request.extensions_mut().insert(read?);
    Ok(request)
}

async fn collect(body: axum::body::Body, limit: usize, budget: Option<&Arc<Semaphore>>) -> Result<ReadBody, Problem> {
    let mut pieces = body.into_data_stream();
    let (mut bytes, mut held) = (BytesMut::new(), None::<OwnedSemaphorePermit>);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Problem::bad_request(format!("the body broke off: {error}")))?;
        if bytes.len() + piece.len() > limit {
            return Err(too_large(limit));
        }
        if let Some(budget) = budget {
            let permits = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let more = Arc::clone(budget).try_acquire_many_owned(permits);
            let more =
                more.map_err(|_| Problem::busy("Too many requests are being read at once. Try again in a moment."))?;
            match &mut held {
                Some(held) => held.merge(more),
                None => held = Some(more),
            }
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(ReadBody { bytes: bytes.freeze(), _held: held.map(Arc::new) })
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body is larger than {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "bodyTooLarge", detail)
}

/// PostgreSQL stores no zero character, and nobody means one.
fn holds_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_zero),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_zero(value)),
        _ => false,
    }
}

/// A query string.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let query = joined(query);
        let deserializer = serde_urlencoded::Deserializer::new(form_pairs(&query));
        serde_path_to_error::deserialize(deserializer).map(Self).map_err(|error| {
            let field = error.path().to_string();
            let field = if field == "." { "query".to_owned() } else { field };
            Problem::invalid_field(&field, error.into_inner().to_string())
        })
    }
}

fn form_pairs(query: &str) -> url::form_urlencoded::Parse<'_> {
    url::form_urlencoded::parse(query.as_bytes())
}

/// Parameters that take several values, separated by commas or each on its own: `state=failed&state=partial`.
const LISTS: [&str; 1] = ["state"];

/// Returns a query in which each of [`LISTS`] stands once.
fn joined(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in form_pairs(query) {
        match pairs.iter_mut().find(|(known, _)| LISTS.contains(&&*name) && *known == name) {
            Some((_, values)) => *values = format!("{values},{value}"),
            None => pairs.push((name.into_owned(), value.into_owned())),
        }
    }
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The one parameter of a path.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(id)| Self(id)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}
