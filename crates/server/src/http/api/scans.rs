//! Scans of destinations.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use catalog::Scan;
use domain::access::Permission;
use domain::stored::ScanState;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::caller::Caller;
use super::super::extract::{Id, Query};
use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;
use crate::deletions::Retain;
use crate::failure::Failure;

/// The latest scan of a destination.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Scan)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScanInfo {
    destination_id: String,
    state: ScanState,
    started_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Time>,
    /// When this or an earlier scan last read all that there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_at: Option<Time>,
    /// Backups found so far.
    found: i64,
    /// Backups among them that were unknown.
    adopted: i64,
    /// Backups that it has marked as missing.
    missing: i64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Folders that could not be read. What is known of backups in them was not changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadFolder>,
}

/// A folder that a scan could not read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnreadFolder {
    /// Relative to the destination's folder.
    path: String,
    /// Why.
    error: String,
}

/// The latest scans.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScanList {
    /// One per destination that was scanned.
    items: Vec<ScanInfo>,
}

/// When to scan.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScanQuery {
    /// Do nothing if the last scan ended less than this number of seconds ago.
    #[serde(default)]
    max_age: u32,
}

impl From<Scan> for ScanInfo {
    fn from(scan: Scan) -> Self {
        let unreadable = scan.unreadable.into_iter();
        Self {
            destination_id: scan.destination_id,
            state: scan.state,
            started_at: scan.started_at.into(),
            finished_at: scan.finished_at.map(Time::from),
            complete_at: scan.complete_at.map(Time::from),
            found: scan.found,
            adopted: scan.adopted,
            missing: scan.missing,
            error: scan.error,
            unreadable: unreadable.map(|folder| UnreadFolder { path: folder.path, error: folder.error }).collect(),
        }
    }
}

/// Returns the latest scan of each destination.
#[utoipa::path(get, path = "/api/scans", tag = "backups", responses((status = 200, body = ScanList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<ScanList>, Problem> {
    Ok(Json(ScanList { items: app.catalog.scans().await?.into_iter().map(ScanInfo::from).collect() }))
}

/// Returns the latest scan of a destination.
#[utoipa::path(get, path = "/api/destinations/{id}/scan", tag = "backups", params(("id" = String, Path)),
    responses((status = 200, body = ScanInfo)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<ScanInfo>, Problem> {
    Ok(Json(latest(&app, &id).await?))
}

/// Starts a scan, which reconciles what is known of a destination's backups with what lies there. Returns the scan in progress if there
/// is one. What is due for deletion is deleted only if the caller may `operate`.
#[utoipa::path(post, path = "/api/destinations/{id}/scan", tag = "backups", params(("id" = String, Path), ScanQuery),
    responses((status = 202, body = ScanInfo)))]
pub(crate) async fn start(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    Query(query): Query<ScanQuery>,
) -> Result<(StatusCode, Json<ScanInfo>), Problem> {
    app.catalog.destination(&id).await?.ok_or_else(|| Failure::Gone("the destination"))?;
    let max_age = SignedDuration::from_secs(query.max_age.into());
    let last = app.catalog.scan(&id).await?;
    let finished = last.as_ref().and_then(|last| last.finished_at);
    if finished.is_none_or(|finished| app.now().duration_since(finished.0).abs() >= max_age) {
        let retain = if caller.allows(Permission::Operate) { Retain::Apply } else { Retain::Mark };
        app.start_scan(&id, retain).await?;
    }
    let Some(scan) = app.catalog.scan(&id).await? else {
        let words = "Too many destinations are being scanned. Try again in a minute.";
        return Err(Problem::busy(words));
    };
    Ok((StatusCode::ACCEPTED, Json(scan.into())))
}

/// Cancels a destination's scan. What it has found stays.
#[utoipa::path(delete, path = "/api/destinations/{id}/scan", tag = "backups", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn cancel(State(app): State<App>, Id(id): Id) -> Result<StatusCode, Problem> {
    latest(&app, &id).await?;
    app.catalog.cancel_scan(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn latest(app: &App, id: &str) -> Result<ScanInfo, Problem> {
    let missing = || Failure::Gone("the destination, or a scan of it,");
    Ok(app.catalog.scan(id).await?.ok_or_else(missing)?.into())
}
