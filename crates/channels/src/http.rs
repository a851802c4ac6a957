//! One HTTP request of a channel: pinned to the addresses that were judged, without redirects, bounded in time and size.

use std::time::Duration;

use adapter::channel::one_line;
use adapter::{Error, Kind, Retry};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use crate::egress::Egress;

/// Maximum duration of a request, from the connection to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum length in bytes of an answer that is read.
const MAX_ANSWER: usize = 64 * 1024;
/// Maximum length in characters of an answer that is repeated in an error.
const MAX_DETAIL: usize = 300;
/// Maximum time that another system can ask to wait.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// A request. Its URL may hold a secret, so no error repeats the URL.
pub(crate) struct Request<'a> {
    /// The service: `Slack`.
    pub(crate) service: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// What is removed from answers.
    pub(crate) secrets: Vec<&'a str>,
}

/// Sends a request and returns the body of a successful answer, without secrets.
///
/// # Errors
/// What the policy, the network or the other side refuse.
pub(crate) async fn send(egress: &Egress, request: Request<'_>) -> Result<String, Error> {
    let what = format!("could not send to {}", request.service);
    let late = || Error::new(Kind::Unavailable, &*what, format!("no answer within {} s", TIMEOUT.as_secs()));
    tokio::time::timeout(TIMEOUT, exchange(egress, &request, &what)).await.unwrap_or_else(|_| Err(late()))
}

async fn exchange(egress: &Egress, request: &Request<'_>, what: &str) -> Result<String, Error> {
    let addresses = egress.of_url(&request.url, what).await?;
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("dbackup/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    if let Some(host) = request.url.domain() {
        builder = builder.resolve_to_addrs(host, &addresses);
    }
    let client = builder.build().map_err(|error| Error::failed(what, error.without_url()))?;
    let call = client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
    let answer = call.body(request.body.clone()).send().await;
    let answer = answer.map_err(|error| Error::new(Kind::Unavailable, what, network_cause(error)))?;
    let (status, wait) = (answer.status(), retry_after(answer.headers()));
    let body = redacted(&read(answer).await, &request.secrets);
    if status.is_success() { Ok(body) } else { Err(refusal(what, status, wait, &body)) }
}

/// Returns the innermost cause, which names no URL.
fn network_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Reads an answer up to [`MAX_ANSWER`]. One that breaks off is taken as far as it came: its status has arrived.
async fn read(mut answer: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
        if body.len() == MAX_ANSWER {
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// Returns the parts of a URL that may hold secrets: its path, its query, and each value of the query.
pub(crate) fn url_secrets(url: &Url) -> Vec<&str> {
    let query = url.query().unwrap_or_default();
    let values = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    // A text this short would blacken whole answers, and is no secret.
    [url.path(), query].into_iter().chain(values).filter(|part| part.len() > 3).collect()
}

fn redacted(text: &str, secrets: &[&str]) -> String {
    let mut secrets: Vec<_> = secrets.iter().filter(|secret| !secret.is_empty()).collect();
    // The longest first: a secret may be a part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

fn refusal(what: &str, status: StatusCode, wait: Option<Duration>, body: &str) -> Error {
    let later = wait.map_or(Retry::Later, Retry::After);
    let (kind, cause, cure, retry) = match status.as_u16() {
        429 => (Kind::Unavailable, "it asks to send less often", None, later),
        408 | 425 | 500.. => (Kind::Unavailable, "it has a fault", None, later),
        401 | 403 => (Kind::Denied, "access was denied", Some("Enter the token or URL again."), Retry::Never),
        404 | 410 => {
            (Kind::NotFound, "there is no such address", Some("Create it again there, then enter it."), Retry::Never)
        }
        300..=399 => {
            (Kind::Failed, "it redirects, and redirects are not followed", Some("Enter the final URL."), Retry::Never)
        }
        413 => (Kind::TooLarge, "the message is too large for it", None, Retry::Never),
        _ => (Kind::Failed, "it refused the message", None, Retry::Never),
    };
    let error = Error::new(kind, what, format!("{cause} (HTTP {})", status.as_u16()));
    error.maybe_cure(cure).retry(retry).native_code(status.as_str()).detail(one_line(body, MAX_DETAIL))
}
