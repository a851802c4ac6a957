//! The backups at a destination, read from the storage itself (M-12).

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::sidecar::Sidecar;
use runner::Backup;
use runner::restore::inspect;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::{Body, Id, Query};
use super::super::lists::{List, cursor, page};
use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;
use crate::dropbox_clients::Patience;
use crate::failure::Failure;

/// A backup, as its name and the storage tell.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Backup)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupInfo {
    /// Relative to the destination's folder.
    path: String,
    /// The job, read from its folder.
    job: String,
    /// When its run started.
    time: Time,
    /// Absent for engines with one database per source.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    /// `PostgreSQL`, `SQLite`.
    engine: String,
    /// `zst`, `gz`; absent if it is not compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<&'static str>,
    encrypted: bool,
    /// Bytes.
    size: u64,
    /// Whether a sidecar lies beside it.
    has_sidecar: bool,
}

/// Which backups.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct BackupQuery {
    /// Only of this job.
    job: Option<String>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

/// Which backup.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PathQuery {
    /// As the list shows it.
    path: String,
}

/// Which backup.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PathInput {
    /// As the list shows it.
    #[schema(min_length = 1, max_length = 2000)]
    path: String,
}

/// All that is known of one backup.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupDetails {
    /// Relative to the destination's folder.
    path: String,
    /// The job that made it.
    job: String,
    /// When its run started.
    time: Time,
    /// Absent if neither the file's name nor a sidecar tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    /// `PostgreSQL`, `SQLite`.
    engine: String,
    encrypted: bool,
    /// What lies beside it, as docs/FORMAT.md describes it; a backup without it is restored all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    sidecar: Option<Sidecar>,
}

/// What the storage's own hash says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verification {
    result: VerificationResult,
    /// In words.
    detail: String,
}

/// Whether it is the file that was backed up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum VerificationResult {
    /// The storage's hash is the sidecar's.
    Whole,
    /// It is there, but there is no sidecar to compare it with.
    Unknown,
    /// It is not the file that was backed up.
    Altered,
}

impl From<Backup> for BackupInfo {
    fn from(backup: Backup) -> Self {
        Self {
            time: backup.name.time.into(),
            database: backup.name.database_name(),
            engine: backup.name.format.engine().to_string(),
            compression: backup.name.compression,
            encrypted: backup.name.encrypted,
            path: backup.path,
            job: backup.job,
            size: backup.size,
            has_sidecar: backup.has_sidecar,
        }
    }
}

/// The newest first.
#[utoipa::path(get, path = "/api/destinations/{id}/backups", tag = "backups", params(("id" = String, Path), BackupQuery),
    responses((status = 200, body = List<BackupInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<BackupQuery>,
) -> Result<Json<List<BackupInfo>>, Problem> {
    let request = page(query.cursor.as_deref(), query.limit)?;
    let backups = listing(&app, &id, query.job.as_deref(), request.after.is_some()).await?;
    // Also where the one that it names was deleted meanwhile: go on with what is older.
    let start = request.after.as_ref().map_or(0, |after| backups.partition_point(|backup| key(backup) >= *after));
    let more = backups.len() > start + request.limit;
    let items: Vec<Backup> = backups.iter().skip(start).take(request.limit).cloned().collect();
    let next_cursor = items.last().filter(|_| more).map(|last| cursor(&key(last)));
    Ok(Json(List { items: items.into_iter().map(BackupInfo::from).collect(), next_cursor }))
}

/// What the list is sorted by.
fn key(backup: &Backup) -> String {
    format!("{} {:010} {}", backup.name.time, backup.name.ordinal, backup.path)
}

/// All backups at a destination, the newest first: as it lists them now, or as it did for the page before.
async fn listing(app: &App, id: &str, job: Option<&str>, goes_on: bool) -> Result<Arc<Vec<Backup>>, Problem> {
    if let Some(backups) = app.listings.recent(id, job, app.now()).filter(|_| goes_on) {
        return Ok(backups);
    }
    let destination = app.open_destination(id, Patience::Short).await?;
    let listed = runner::list(&*destination, job).await;
    match &listed {
        Ok(_) => app.note_working(id, &["files.metadata.read"]).await,
        Err(error) => app.note_broken_grant(id, error).await,
    }
    let mut backups = listed.map_err(Failure::from)?;
    backups.sort_by_cached_key(|backup| Reverse(key(backup)));
    let backups = Arc::new(backups);
    app.listings.keep(id, job, Arc::clone(&backups), app.now());
    Ok(backups)
}

/// All that is known of one backup, its sidecar included.
#[utoipa::path(get, path = "/api/destinations/{id}/backups/details", tag = "backups", params(("id" = String, Path), PathQuery),
    responses((status = 200, body = BackupDetails)))]
pub(crate) async fn details(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<PathQuery>,
) -> Result<Json<BackupDetails>, Problem> {
    let (job, name) = runner::catalog::parse_path(&query.path).ok_or_else(not_a_backup)?;
    let destination = app.open_destination(&id, Patience::Short).await?;
    // Whether it is there at all.
    destination.stored_hash(&query.path).await.map_err(Failure::from)?;
    let sidecar = runner::catalog::read_sidecar(&*destination, &query.path).await.map_err(Failure::from)?;
    Ok(Json(BackupDetails {
        job: sidecar.as_ref().map_or(job, |sidecar| sidecar.job_name.clone()),
        time: name.time.into(),
        database: sidecar.as_ref().map(|sidecar| sidecar.database.clone()).or_else(|| name.database_name()),
        engine: name.format.engine().to_string(),
        encrypted: name.encrypted,
        path: query.path,
        sidecar,
    }))
}

fn not_a_backup() -> Problem {
    Problem::bad_request("this is not the path of a backup: give it as the list shows it")
}

/// Compares the storage's own hash with the sidecar's; nothing is downloaded where the storage knows it.
#[utoipa::path(post, path = "/api/destinations/{id}/backups/verify", tag = "backups", params(("id" = String, Path)),
    request_body = PathInput, responses((status = 200, body = Verification)))]
pub(crate) async fn verify(
    State(app): State<App>,
    Id(id): Id,
    Body(input): Body<PathInput>,
) -> Result<Json<Verification>, Problem> {
    let destination = app.open_destination(&id, Patience::Short).await?;
    let (result, detail) = match inspect(&*destination, &input.path).await {
        Ok(Some(_)) => (VerificationResult::Whole, "the storage's own hash agrees with the sidecar".to_owned()),
        Ok(None) => (
            VerificationResult::Unknown,
            "there is no sidecar to compare it with; a restore checks its layers".to_owned(),
        ),
        Err(altered @ runner::OpenError::Altered { .. }) => (VerificationResult::Altered, altered.to_string()),
        Err(error) => return Err(Failure::from(error).into()),
    };
    Ok(Json(Verification { result, detail }))
}

/// Deletes a backup, then its sidecar.
#[utoipa::path(delete, path = "/api/destinations/{id}/backups", tag = "backups", params(("id" = String, Path), PathQuery),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<PathQuery>,
) -> Result<(axum::Extension<super::super::access::AuditDetail>, StatusCode), Problem> {
    let destination = app.open_destination(&id, Patience::Short).await?;
    runner::catalog::parse_path(&query.path).ok_or_else(not_a_backup)?;
    app.listings.forget(&id);
    runner::delete(&*destination, &query.path).await.map_err(Failure::from)?;
    Ok((axum::Extension(super::super::access::AuditDetail(format!("deleted {}", query.path))), StatusCode::NO_CONTENT))
}
