//! Is it alive, is it ready, what has it counted.

use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::problem::Problem;
use crate::app::App;
use crate::loops;
use crate::metrics::{Format, Known};

/// The server.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SystemInfo {
    /// Its version.
    version: &'static str,
    /// The address under which browsers reach it.
    public_url: String,
    /// The public key with which this installation signs the sidecars of its backups.
    signing_key: String,
}

fn unavailable(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
}

/// Whether the process works: 503 once its scheduler or its worker has been stuck for five minutes, so that it should be restarted.
#[utoipa::path(get, path = "/healthz", tag = "system", responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn health(State(app): State<App>) -> Result<&'static str, Problem> {
    // While it stops, its loops have ended.
    let stuck = app.loops.stuck_for(loops::DEAD).filter(|_| !app.runs.draining.is_cancelled());
    stuck.map_or(Ok("ok"), |words| Err(unavailable(&words)))
}

/// Whether it can work: its database can be written, its scheduler and its worker get through their work, and it is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "system", responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if app.runs.draining.is_cancelled() {
        return Err(unavailable("the server is stopping"));
    }
    let look = async {
        app.catalog.check_writable().await.map_err(|error| match error {
            catalog::Error::DiskFull => error.to_string(),
            _ => "the metadata database does not answer, or cannot be written".to_owned(),
        })
    };
    app.readiness.check(look).await.map_err(|words| unavailable(&words))?;
    if let Some(words) = app.loops.stuck_for(loops::NOT_READY) {
        return Err(unavailable(&words));
    }
    Ok("ready")
}

impl App {
    async fn known_numbers(&self) -> Result<Known, catalog::Error> {
        let jobs = self.catalog.job_numbers().await?;
        let queue = self.catalog.queue_numbers().await?;
        let destinations = self.catalog.destination_numbers().await?;
        let channels = self.catalog.channel_numbers().await?;
        Ok(Known { jobs, queue, destinations, channels, now: self.now() })
    }
}

/// Numbers for Prometheus: in its text format of version 0.0.4, or as OpenMetrics if `Accept` names that. While the metadata
/// database is away, what this server counts itself is shown to whoever could read it in the last hour.
#[utoipa::path(get, path = "/metrics", tag = "system", responses((status = 200, content(
    (String = "text/plain"), (String = "application/openmetrics-text")))))]
pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse, Problem> {
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::accepted(&accept.collect::<Vec<_>>().join(","));
    let known = app.known_numbers().await;
    if let Err(error) = &known {
        tracing::warn!(%error, "the metrics lack what the metadata database knows");
    }
    let text = app.metrics.text(known.as_ref().ok(), format).map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, format.content_type()), (VARY, "accept")], text))
}

/// What the server is.
#[utoipa::path(get, path = "/api/system", tag = "system", responses((status = 200, body = SystemInfo)))]
pub(crate) async fn info(State(app): State<App>) -> Json<SystemInfo> {
    Json(SystemInfo {
        version: env!("CARGO_PKG_VERSION"),
        public_url: app.config.public_url.to_string(),
        signing_key: app.signer.public_key().to_owned(),
    })
}
