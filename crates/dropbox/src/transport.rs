//! One HTTP exchange: the connection's settings, and an answer turned into a value or a typed error. No retries here.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{AccessError, AuthError, Error, PathRootError, RateLimitReason, RouteError, UnspecifiedError};
use crate::lenient;
use crate::settings::Settings;

/// A connection whose sent bytes nobody acknowledges for so long is dead.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(60);
/// Error bodies are read up to here; what is longer comes from no API.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// Builds the HTTP client: rustls, HTTP/1.1 (a connection per request in flight), bounded waits, no redirects.
pub(crate) fn http_client(settings: &Settings) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("dbackup/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.timeouts.connect)
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
        return if is_page(response.headers()) { Err(intermediary(route, response.status())) } else { Ok(response) };
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
    let retry_after = retry_after(headers);
    let as_text = || Error::BadRequest {
        route: route.to_owned(),
        status: status.as_u16(),
        text: String::from_utf8_lossy(body).trim().chars().take(500).collect(),
        request_id: request_id(headers),
    };
    match status.as_u16() {
        429 => rate_limited(retry_after, body),
        500..=599 => Error::Server {
            route: route.to_owned(),
            status: status.as_u16(),
            request_id: request_id(headers),
            retry_after,
        },
        // The API redirects nobody, and has no proxy authentication.
        300..=399 | 407 => intermediary(route, status),
        _ if is_page(headers) => intermediary(route, status),
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

/// Whether a web page came instead of an API's answer. The metadata of a download tells it from one.
pub(crate) fn is_page(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"text/html"))
        && !headers.contains_key("dropbox-api-result")
}

fn intermediary(route: &str, status: StatusCode) -> Error {
    Error::Intermediary { route: route.to_owned(), status: status.as_u16() }
}

/// The header `Retry-After` in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
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
    #[serde(default)]
    text: String,
}

/// Reads an error body. A union's tag may come without its braces, as in `"error": "other"`.
fn tagged<E: DeserializeOwned>(body: &[u8]) -> Option<Refusal<E>> {
    let mut body: serde_json::Value = serde_json::from_slice(body).ok()?;
    if let Some(tag) = body.get("error").and_then(|error| error.as_str().map(str::to_owned)) {
        body["error"] = serde_json::json!({ ".tag": tag });
    }
    serde_json::from_value(body).ok()
}

#[derive(Deserialize)]
struct RateLimit {
    #[serde(default)]
    reason: Option<RateLimitReason>,
    #[serde(default, deserialize_with = "lenient::optional")]
    retry_after: Option<u64>,
}

/// A 429 comes as JSON with or without `retry_after`, or as plain text; the header may be there in each (DOC: data ingress guide).
fn rate_limited(header: Option<Duration>, body: &[u8]) -> Error {
    let json = tagged::<RateLimit>(body).map(|answer| answer.error);
    let in_body = json.as_ref().and_then(|limit| limit.retry_after).map(Duration::from_secs);
    Error::RateLimited {
        reason: json.and_then(|limit| limit.reason).unwrap_or(RateLimitReason::TooManyRequests),
        retry_after: header.or(in_body),
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

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn refused(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Error {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect::<HeaderMap>();
        let status = StatusCode::from_u16(status).unwrap();
        refusal::<UnspecifiedError>("files/list_folder", status, &headers, body.as_bytes())
    }

    #[test]
    fn a_web_page_is_a_proxys() {
        let page = [("content-type", "text/HTML; charset=utf-8")];
        for (status, headers) in
            [(401, &page[..]), (403, &page[..]), (404, &page[..]), (302, &[("location", "http://login")]), (407, &[])]
        {
            let error = refused(status, headers, "<html>Sign in</html>");
            assert!(matches!(error, Error::Intermediary { .. }) && error.is_transient(), "{status}: {error}");
            assert!(error.to_string().contains("a proxy answered") && !error.needs_login(), "{error}");
        }
        let text = refused(400, &[("content-type", "text/plain")], "Error in call");
        assert!(matches!(text, Error::BadRequest { .. }) && !text.is_transient(), "{text}");
    }

    #[test]
    fn a_401_proves_nothing_about_the_grant() {
        let json = [("content-type", "application/json")];
        for error in [
            r#"{".tag":"other"}"#,
            r#"{".tag":"of_next_year"}"#,
            r#"{".tag":"route_access_denied"}"#,
            r#"{".tag":"invalid_access_token"}"#,
            r#"{".tag":"expired_access_token"}"#,
            r#""other""#,
        ] {
            let refusal = refused(401, &json, &format!(r#"{{"error":{error},"error_summary":"x/..","new":1}}"#));
            assert!(matches!(&refusal, Error::Auth(auth) if auth.is_about_the_token()), "{refusal:?}");
            assert!(!refusal.needs_login() && !refusal.is_transient(), "{refusal}");
        }
        let scope = r#"{"error":{".tag":"missing_scope","required_scope":"files.content.write"}}"#;
        let refusal = refused(401, &json, scope);
        assert_eq!(refusal.missing_scope(), Some("files.content.write"));
        assert!(!refusal.needs_login() && refusal.to_string().contains("files.content.write"), "{refusal}");
    }

    #[test]
    fn a_wait_is_read_wherever_dropbox_writes_it() {
        let wait = |error: Error| error.retry_after().map(|wait| wait.as_secs());
        let header = ("retry-after", "7");
        let json = ("content-type", "application/json");
        assert_eq!(wait(refused(503, &[header], "busy")), Some(7));
        assert_eq!(wait(refused(503, &[], "busy")), None);
        assert_eq!(wait(refused(429, &[header], "too_many_requests")), Some(7));
        for body in
            [r#"{"error":{"reason":{".tag":"too_many_requests"},"retry_after":9}}"#, r#"{"error":{"retry_after":"9"}}"#]
        {
            assert_eq!(wait(refused(429, &[json], body)), Some(9), "{body}");
        }
        assert_eq!(wait(refused(429, &[("retry-after", "18446744073709551615")], "")), Some(u64::MAX));
        assert_eq!(wait(refused(429, &[("retry-after", "tomorrow")], "")), None);
    }
}
