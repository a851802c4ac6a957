//! One HTTP exchange: the connection's settings, and an answer turned into a value or a typed error. No retries here.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{AccessError, AuthError, Error, PathRootError, RateLimitReason, RouteError, UnspecifiedError};
use crate::settings::Settings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection whose sent bytes nobody acknowledges for so long is dead.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(60);
/// Error bodies are read up to here; what is longer comes from no API.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// Builds the HTTP client: rustls, HTTP/1.1 (a connection per request in flight), bounded waits, no redirects.
pub(crate) fn http_client(settings: &Settings) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("dbackup/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none());
    if let Some(pem) = &settings.extra_ca {
        let certificates = Certificate::from_pem_bundle(pem)
            .map_err(|error| Error::Settings(format!("the CA file holds no PEM certificate: {error}")))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| Error::Settings(format!("could not set up TLS: {}", causes(&error))))
}

/// Sends one request and sorts its answer: a 2xx is given back with its body unread, all else is a typed error.
/// `E` is the error union of the route.
pub(crate) async fn exchange<E>(route: &str, request: RequestBuilder) -> Result<Response, Error>
where
    E: DeserializeOwned + Into<RouteError>,
{
    let response = request.send().await.map_err(|error| network_error(route, &error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let (status, headers) = (response.status(), response.headers().clone());
    let body = error_body(response).await;
    Err(refusal::<E>(route, status, &headers, &body))
}

/// The next piece of an answer that streams; none at its end. (reqwest's own read timeout would count the time that an upload
/// takes, too.)
pub(crate) async fn chunk(route: &str, response: &mut Response, idle: Duration) -> Result<Option<Bytes>, Error> {
    match tokio::time::timeout(idle, response.chunk()).await {
        Ok(chunk) => chunk.map_err(|error| network_error(route, &error)),
        Err(_) => Err(timed_out(route)),
    }
}

/// An answer that did not begin.
pub(crate) fn timed_out(route: &str) -> Error {
    Error::Network { route: route.to_owned(), reason: "timed out".to_owned(), unsent: false }
}

/// Reads a 2xx body to its end.
pub(crate) async fn body(route: &str, response: Response) -> Result<Bytes, Error> {
    response.bytes().await.map_err(|error| network_error(route, &error))
}

/// Reads JSON that the API promised.
pub(crate) fn parse<T: DeserializeOwned>(route: &str, json: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(json)
        .map_err(|error| Error::UnexpectedAnswer { route: route.to_owned(), reason: error.to_string() })
}

/// A failure below HTTP, without the request's address (it could hold a secret).
pub(crate) fn network_error(route: &str, error: &reqwest::Error) -> Error {
    match certificate_problem(error) {
        Some(reason) => Error::Untrusted { route: route.to_owned(), reason },
        None => Error::Network { route: route.to_owned(), reason: causes(error), unsent: error.is_connect() },
    }
}

/// Reads as much of an error's body as an error may be long; a body that breaks off is used as far as it came.
pub(crate) async fn error_body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() >= MAX_ERROR_BODY {
            break;
        }
    }
    body.truncate(MAX_ERROR_BODY);
    body
}

/// `X-Dropbox-Request-Id`, which Dropbox's support asks for.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    headers.get("x-dropbox-request-id").and_then(|id| id.to_str().ok()).unwrap_or("unknown").to_owned()
}

/// The refusal of an endpoint that defines no error union.
pub(crate) fn unspecified_refusal(route: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    refusal::<UnspecifiedError>(route, status, headers, body)
}

fn refusal<E>(route: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error
where
    E: DeserializeOwned + Into<RouteError>,
{
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let as_text = || Error::BadRequest {
        route: route.to_owned(),
        status: status.as_u16(),
        text: String::from_utf8_lossy(body).trim().chars().take(500).collect(),
        request_id: request_id(headers),
    };
    match status.as_u16() {
        429 => rate_limited(headers, body),
        500..=599 => {
            Error::Server { route: route.to_owned(), status: status.as_u16(), request_id: request_id(headers) }
        }
        401 if is_json => tagged::<AuthError>(body).map_or_else(as_text, |answer| Error::Auth(answer.error)),
        403 if is_json => tagged::<AccessError>(body).map_or_else(as_text, |answer| Error::Access {
            error: answer.error,
            message: answer.user_message.map(|message| message.text),
        }),
        422 if is_json => tagged::<PathRootError>(body).map_or_else(as_text, |answer| Error::PathRoot(answer.error)),
        409 if is_json => tagged::<E>(body).map_or_else(as_text, |answer| Error::Route {
            route: route.to_owned(),
            error: answer.error.into(),
            message: answer.user_message.map(|message| message.text),
        }),
        _ => as_text(),
    }
}

/// The API's error body; `error_summary` is for eyes only and ends in a random number of dots.
#[derive(Deserialize)]
struct Refusal<E> {
    error: E,
    #[serde(default)]
    user_message: Option<UserMessage>,
}

#[derive(Deserialize)]
struct UserMessage {
    text: String,
}

fn tagged<E: DeserializeOwned>(body: &[u8]) -> Option<Refusal<E>> {
    serde_json::from_slice(body).ok()
}

#[derive(Deserialize)]
struct RateLimit {
    reason: RateLimitReason,
    #[serde(default)]
    retry_after: Option<u64>,
}

/// A 429 comes as JSON with or without `retry_after`, or as plain text; the header may be there in each (DOC: data ingress guide).
fn rate_limited(headers: &HeaderMap, body: &[u8]) -> Error {
    let header = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    let json = tagged::<RateLimit>(body).map(|answer| answer.error);
    let seconds = header.or_else(|| json.as_ref().and_then(|limit| limit.retry_after));
    Error::RateLimited {
        reason: json.map_or(RateLimitReason::TooManyRequests, |limit| limit.reason),
        retry_after: seconds.map(Duration::from_secs),
    }
}

/// A certificate that is not accepted will not be at the next try either.
fn certificate_problem(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(rustls::Error::InvalidCertificate(problem)) = error.downcast_ref() {
        return Some(problem.to_string());
    }
    // An io::Error hides what it was made of from `source`.
    match error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref()) {
        Some(inner) => certificate_problem(inner),
        None => certificate_problem(error.source()?),
    }
}

fn causes(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { String::new() };
    let mut source = error.source();
    while let Some(cause) = source {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    if text.is_empty() { "the connection failed".to_owned() } else { text }
}
