//! The backups at a destination, read from the storage itself (M-12).

use std::cmp::Reverse;
use std::sync::Arc;

use adapter::authorization::Act;
use adapter::destination::{Destination, Entry};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::BackupName;
use domain::sidecar::Sidecar;
use futures_util::{StreamExt, TryStreamExt, stream};
use runner::restore::Examined;
use runner::{Backup, DeleteError, Listing, SidecarState, SignatureState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::{Id, Query};
use super::super::lists::{cursor, page};
use super::super::problem::Problem;
use super::super::time::Time;
use super::restores::FindingInfo;
use crate::app::App;
use crate::failure::Failure;
use crate::patience::Patience;

/// Maximum number of unreadable folders in an answer.
const MAX_UNREADABLE: usize = 100;
/// Maximum number of sidecars read at once.
const PARALLEL_READS: usize = 4;

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
    /// `PostgreSQL`, `SQLite`. Of a source that this version does not know, its type or the ending of the backup's name.
    engine: String,
    /// `zst`, `gz`; absent if it is not compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<&'static str>,
    encrypted: bool,
    /// Bytes.
    size: u64,
    /// Whether a sidecar lies beside it.
    has_sidecar: bool,
    /// Who signed its sidecar, if that was asked for; absent without a sidecar that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureName>,
}

/// A page of backups.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupList {
    items: Vec<BackupInfo>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Folders at the destination that could not be read. Backups in them are not listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableFolder>,
}

/// A folder that could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnreadableFolder {
    /// Relative to the destination's folder.
    path: String,
    /// Why.
    error: String,
}

/// Which backups.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct BackupQuery {
    /// Only of this job.
    job: Option<String>,
    /// Read the sidecars of the page, to tell who signed them.
    #[serde(default)]
    signatures: bool,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

/// Which backup.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PathQuery {
    /// As the list shows it.
    pub(super) path: String,
}

/// Which backup.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PathInput {
    /// As the list shows it.
    #[schema(min_length = 1, max_length = 2000)]
    pub(super) path: String,
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
    /// As in the list of backups.
    engine: String,
    encrypted: bool,
    /// The host name of the machine that ran the backup, if its sidecar says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// What lies beside it, as docs/FORMAT.md describes it; a backup without it is restored all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    sidecar: Option<Sidecar>,
    /// Why a file beside it is no sidecar that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    sidecar_error: Option<String>,
    /// Who signed its sidecar; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureName>,
    /// What speaks against its origin, before it is read.
    findings: Vec<FindingInfo>,
}

/// Who signed a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SignatureState)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SignatureName {
    /// This server, or another one on its metadata database.
    ThisServer,
    /// Nobody: it was made by the command line or an earlier version, or by somebody else.
    Unsigned,
    /// The sidecar was changed since it was signed.
    Wrong,
    /// Another installation.
    OtherInstallation,
}

impl SignatureName {
    pub(super) fn of(signature: &SignatureState, ours: &str) -> Self {
        match signature {
            SignatureState::Unsigned => Self::Unsigned,
            SignatureState::Wrong => Self::Wrong,
            SignatureState::SignedBy(key) if key == ours => Self::ThisServer,
            SignatureState::SignedBy(_) => Self::OtherInstallation,
        }
    }
}

impl BackupInfo {
    fn of(app: &App, backup: Backup) -> Self {
        Self {
            time: backup.name.time.into(),
            database: backup.name.database_name(),
            engine: sources::engine_of(&app.config.adapters.sources, &backup.name, None),
            compression: backup.name.compression,
            encrypted: backup.name.encrypted,
            path: backup.path,
            job: backup.job,
            size: backup.size,
            has_sidecar: backup.has_sidecar,
            signature: None,
        }
    }
}

/// The newest first.
#[utoipa::path(get, path = "/api/destinations/{id}/backups", tag = "backups", params(("id" = String, Path), BackupQuery),
    responses((status = 200, body = BackupList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<BackupQuery>,
) -> Result<Json<BackupList>, Problem> {
    let request = page(query.cursor.as_deref(), query.limit)?;
    let listing = listing(&app, &id, query.job.as_deref(), request.after.is_some()).await?;
    let backups = &listing.backups;
    // Also where the one that it names was deleted meanwhile: go on with what is older.
    let start = request.after.as_ref().map_or(0, |after| backups.partition_point(|backup| key(backup) >= *after));
    let more = backups.len() > start + request.limit;
    let items: Vec<Backup> = backups.iter().skip(start).take(request.limit).cloned().collect();
    let next_cursor = items.last().filter(|_| more).map(|last| cursor(&key(last)));
    let unreadable = listing.unreadable.iter().take(MAX_UNREADABLE);
    let items: Vec<BackupInfo> = items.into_iter().map(|backup| BackupInfo::of(&app, backup)).collect();
    Ok(Json(BackupList {
        items: if query.signatures { with_signatures(&app, &id, items).await? } else { items },
        next_cursor,
        unreadable: unreadable
            .map(|folder| UnreadableFolder { path: folder.path.clone(), error: folder.cause.clone() })
            .collect(),
    }))
}

/// Reads the sidecars beside backups, a few at once.
async fn with_signatures(app: &App, id: &str, items: Vec<BackupInfo>) -> Result<Vec<BackupInfo>, Problem> {
    let destination = &*app.open_destination(id, Patience::Short).await?;
    let read = |mut item: BackupInfo| async move {
        if item.has_sidecar {
            let sidecar = runner::catalog::read_sidecar(destination, &item.path).await?;
            let ours = app.signer.public_key();
            item.signature = sidecar.signature().map(|signature| SignatureName::of(signature, ours));
        }
        Ok::<_, adapter::Error>(item)
    };
    let read: Result<Vec<_>, _> = stream::iter(items).map(read).buffered(PARALLEL_READS).try_collect().await;
    Ok(read.map_err(Failure::Destination)?)
}

/// What the list is sorted by.
fn key(backup: &Backup) -> String {
    format!("{} {:010} {}", backup.name.time, backup.name.ordinal, backup.path)
}

/// All backups at a destination, the newest first: as it lists them now, or as it did for the page before.
async fn listing(app: &App, id: &str, job: Option<&str>, goes_on: bool) -> Result<Arc<Listing>, Problem> {
    if let Some(listing) = app.listings.recent(id, job, app.now()).filter(|_| goes_on) {
        return Ok(listing);
    }
    let destination = app.open_destination(id, Patience::Short).await?;
    let listed = runner::list(&*destination, job, &app.config.adapters.sources).await;
    match &listed {
        Ok(_) => app.note_working(id, Act::List).await,
        Err(error) => app.note_broken_grant(id, error).await,
    }
    let mut listing = listed.map_err(Failure::Destination)?;
    listing.backups.sort_by_cached_key(|backup| Reverse(key(backup)));
    let listing = Arc::new(listing);
    app.listings.keep(id, job, Arc::clone(&listing), app.now());
    Ok(listing)
}

/// All that is known of one backup, its sidecar included.
#[utoipa::path(get, path = "/api/destinations/{id}/backups/details", tag = "backups", params(("id" = String, Path), PathQuery),
    responses((status = 200, body = BackupDetails)))]
pub(crate) async fn details(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<PathQuery>,
) -> Result<Json<BackupDetails>, Problem> {
    let (job, name) = check_backup(&query.path)?;
    let destination = app.open_destination(&id, Patience::Short).await?;
    let entry = check_exists(&*destination, &query.path).await?;
    let sidecar = runner::catalog::read_sidecar(&*destination, &query.path).await;
    let sidecar = sidecar.map_err(Failure::Destination)?;
    let examined = Examined { entry, sidecar, proved: None };
    let expected = app.origin(&query.path).await?;
    let findings = runner::provenance::findings(&*destination, &query.path, &examined, expected).await;
    let findings = findings.map_err(Failure::Destination)?.into_iter().map(FindingInfo::from).collect();
    let signature = examined.sidecar.signature();
    let signature = signature.map(|signature| SignatureName::of(signature, app.signer.public_key()));
    let (sidecar, sidecar_error) = match examined.sidecar {
        SidecarState::Read(sidecar, _) => (Some(*sidecar), None),
        SidecarState::Missing => (None, None),
        SidecarState::Unreadable(cause) => (None, Some(cause)),
    };
    let source_type = sidecar.as_ref().map(|sidecar| sidecar.source_type.as_str());
    Ok(Json(BackupDetails {
        engine: sources::engine_of(&app.config.adapters.sources, &name, source_type),
        job: sidecar.as_ref().map_or(job, |sidecar| sidecar.job_name.clone()),
        time: name.time.into(),
        database: sidecar.as_ref().map(|sidecar| sidecar.database.clone()).or_else(|| name.database_name()),
        encrypted: name.encrypted,
        host: sidecar.as_ref().and_then(|sidecar| sidecar.host.clone()),
        path: query.path,
        sidecar,
        sidecar_error,
        signature,
        findings,
    }))
}

/// Refuses a path where there is no file; none is read for it.
pub(super) async fn check_exists(destination: &dyn Destination, path: &str) -> Result<Entry, Failure> {
    let found = destination.stat(path).await.map_err(Failure::Destination)?;
    let missing = || adapter::Error::missing(&format!("{path} at {}", destination.name()));
    found.ok_or_else(missing).map_err(Failure::Destination)
}

/// Takes apart what must be the path of a backup, and of nothing else that a storage has.
pub(super) fn check_backup(path: &str) -> Result<(String, BackupName), Problem> {
    runner::catalog::parse_path(path).ok_or_else(not_a_backup)
}

fn not_a_backup() -> Problem {
    Problem::bad_request("this is not the path of a backup: give it as the list shows it")
}

/// Deletes a backup, then its sidecar.
#[utoipa::path(delete, path = "/api/destinations/{id}/backups", tag = "backups", params(("id" = String, Path), PathQuery),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<PathQuery>,
) -> Result<(axum::Extension<super::super::access::AuditDetail>, StatusCode), Problem> {
    check_backup(&query.path)?;
    let opened = (id.as_str(), app.catalog.epoch(&id).await?);
    let destination = app.open_destination(&id, Patience::Short).await?;
    let known = match destination.capabilities().ignores_case {
        true => app.catalog.spelling_of(&id, &query.path).await.map_err(Failure::from)?,
        false => None,
    };
    let path = known.unwrap_or(query.path);
    let before = app.catalog.begin_deletion(opened, &path, app.now()).await.map_err(Failure::from)?;
    if before.is_locked() {
        return Err(Problem::conflict("locked", format!("{path} is locked: unlock it first, then delete it")));
    }
    let deleted = app.delete_copy(opened, &*destination, &path, None, &before).await.map_err(Failure::from)?;
    deleted.map_err(not_deleted)?;
    Ok((axum::Extension(super::super::access::AuditDetail(format!("deleted {path}"))), StatusCode::NO_CONTENT))
}

fn not_deleted(error: DeleteError) -> Problem {
    match error {
        DeleteError::NotABackup(_) => not_a_backup(),
        DeleteError::Locked(_) | DeleteError::Unreadable { .. } => Problem::conflict("locked", error.to_string()),
        DeleteError::Destination(error) => Failure::Destination(error).into(),
    }
}
