//! A line and a count per request. Neither queries nor headers are logged: they can hold codes and tokens.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::client_address;
use crate::app::App;

tokio::task_local! {
    /// The id of the request that this task answers.
    static CURRENT: String;
}

/// Returns the id of the request that is being answered. `None` outside of one.
pub(crate) fn current_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Returns work that goes on answering the request at hand in a task of its own.
pub(crate) fn carried_on<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let id = current_id();
    async move {
        match id {
            Some(id) => CURRENT.scope(id, work).await,
            None => work.await,
        }
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) async fn log(State(app): State<App>, request: Request, next: Next) -> Response {
    let clock = Instant::now();
    let id = request_id(&request, &app);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let client = peer.map(|peer| client_address::of(peer, request.headers(), &app.config.trusted_proxies).to_string());
    let span = tracing::info_span!("request", id = %id);
    let mut response = CURRENT.scope(id.clone(), next.run(request).instrument(span.clone())).await;
    let seconds = clock.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    span.in_scope(|| {
        let milliseconds = (seconds * 1e4).round() / 10.0;
        let client = client.unwrap_or_default();
        if is_probe(&route) && status < 400 {
            tracing::debug!(%method, route, status, milliseconds, client, "answered");
        } else {
            tracing::info!(%method, route, status, milliseconds, client, "answered");
        }
    });
    app.metrics.count_request(&method, &route, status, seconds);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Health checks would be most of the log.
fn is_probe(route: &str) -> bool {
    matches!(route, "/healthz" | "/readyz")
}

/// The one that a proxy gave, if it is harmless; or a new one.
fn request_id(request: &Request, app: &App) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless =
        |id: &&str| (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    given.filter(harmless).map_or_else(|| catalog::new_id(app.now()), str::to_owned)
}
