//! The backups at all destinations, from the catalog: what runs have recorded and scans have found.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use catalog::{BackupFilter, PageRequest, StoredBackup, StoredVerification};
use domain::stored::{BackupStatus, CopyState, SidecarKnown, VerificationMethod, VerificationResult};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::export::{ExportQuery, Exported};
use super::super::extract::{Id, Query};
use super::super::lists::{List, page};
use super::super::problem::Problem;
use super::super::time::Time;
use super::backups::{PathQuery, SignatureName};
use crate::app::App;

/// A copy of a backup at a destination, as it was last seen there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StoredBackup)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredBackupInfo {
    /// The copy's id.
    id: String,
    /// The backup's id, which its copies at other destinations share.
    backup_id: String,
    destination_id: String,
    /// The destination's name.
    destination: String,
    /// Relative to the destination's folder.
    path: String,
    state: CopyState,
    /// When the state last changed.
    state_at: Time,
    /// The job's name.
    job: String,
    /// As its sidecar says: the job may be another server's, or deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    /// The source's address, without its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// `PostgreSQL`, `SQLite`. Of a source that this version does not know, its type or the ending of the backup's name.
    engine: String,
    /// Absent for engines with one database per source.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    /// When its run started.
    time: Time,
    /// Bytes of the file.
    size: i64,
    /// Bytes of the dump, as its sidecar says.
    #[serde(skip_serializing_if = "Option::is_none")]
    dumped_size: Option<i64>,
    /// Rows at the moment of the dump, as its sidecar says; absent if they were not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<i64>,
    /// Tables at the moment of the dump, as its sidecar says; absent if they were not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    tables: Option<i64>,
    /// Of the file, by algorithm, as its sidecar says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    hashes: BTreeMap<String, String>,
    /// Of the dump, by algorithm, as its sidecar says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dump_hashes: BTreeMap<String, String>,
    /// `zst`, `gz`; absent if it is not compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<String>,
    encrypted: bool,
    /// The public keys that it is encrypted to, as its sidecar says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    encrypted_to: Vec<String>,
    /// What it lacks, and what could not be checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<domain::Warning>,
    sidecar: SidecarKnown,
    /// Who signed its sidecar when it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureName>,
    first_seen_at: Time,
    last_seen_at: Time,
    /// The last verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<LastVerification>,
    /// Whether a user or its sidecar locks it against deletion.
    locked: bool,
    /// What users noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// When its retention policy may delete it; absent if it is not marked for deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Time>,
}

/// A verification of a copy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LastVerification {
    at: Time,
    /// By whom: `user anna`, `run <id>`.
    by: String,
    how: VerificationMethod,
    result: VerificationResult,
    /// The result in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// The verifications of a copy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerificationList {
    /// The newest first.
    items: Vec<LastVerification>,
}

/// How many backups there are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackupSummary)]
pub(crate) struct BackupSummaryInfo {
    copies: i64,
    /// Bytes of their files.
    size: i64,
}

/// What the list can be filtered by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackupNames)]
pub(crate) struct BackupNamesInfo {
    /// Names of jobs that have backups, at most 1000.
    jobs: Vec<String>,
    /// Names of databases that have backups, at most 1000.
    databases: Vec<String>,
}

/// Which backups.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StoredBackupQuery {
    /// Only at the destination with this id.
    destination: Option<String>,
    /// Only of the job of this name.
    job: Option<String>,
    /// Only of this database.
    database: Option<String>,
    /// Only where job, database or destination contain each of these words, in any case. Words with a slash are compared with the path.
    #[param(max_length = 200)]
    search: Option<String>,
    /// Only those with this status.
    #[param(inline)]
    status: Option<BackupStatus>,
    /// Only backups made at this time or later.
    from: Option<Time>,
    /// Only backups made before this time.
    to: Option<Time>,
    /// The oldest first.
    #[serde(default)]
    oldest: bool,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

impl StoredBackupQuery {
    fn filter(&self) -> Result<BackupFilter, Problem> {
        let texts = [("job", &self.job), ("database", &self.database), ("search", &self.search)];
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| text.contains('\0') || text.len() > MAX_TEXT) {
                return Err(Problem::invalid_field(name, format!("must have at most {MAX_TEXT} bytes and no NUL")));
            }
        }
        Ok(BackupFilter {
            destination_id: self.destination.clone(),
            job: self.job.clone(),
            database: self.database.clone(),
            search: self.search.clone(),
            status: self.status,
            from: self.from.map(|time| time.0),
            to: self.to.map(|time| time.0),
            oldest_first: self.oldest,
        })
    }
}

/// Maximum bytes of a text that a list is filtered by.
const MAX_TEXT: usize = 2000;

/// The columns of an export.
const COLUMNS: [&str; 23] = [
    "time",
    "job",
    "engine",
    "database",
    "source",
    "destination",
    "path",
    "size",
    "dumpedSize",
    "compression",
    "encrypted",
    "state",
    "sidecar",
    "signature",
    "verified.at",
    "verified.how",
    "verified.result",
    "locked",
    "note",
    "dueAt",
    "backupId",
    "runId",
    "destinationId",
];

/// The backups at all destinations, the newest first, as they were last seen. Nothing is read from the destinations: see the scans.
#[utoipa::path(get, path = "/api/backups", tag = "backups", params(StoredBackupQuery, ExportQuery), responses((status = 200, content(
    (List<StoredBackupInfo> = "application/json"), (String = "text/csv"), (String = "application/x-ndjson")))))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<StoredBackupQuery>,
    Query(export): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let request = page(query.cursor.as_deref(), query.limit)?;
    let filter = query.filter()?;
    let (reader, shower) = (app.clone(), app.clone());
    let read = move |request: PageRequest| {
        let (app, filter) = (reader.clone(), filter.clone());
        async move { app.catalog.backups(&filter, &request).await }
    };
    let show = move |backup| StoredBackupInfo::of(&shower, backup);
    let backups = Exported { name: "backups", columns: &COLUMNS, read, key: StoredBackup::place, show };
    backups.answer(&export, request).await
}

/// Returns how many backups a filter lets through. Takes longer than a page, the more there are.
#[utoipa::path(get, path = "/api/backups/summary", tag = "backups", params(StoredBackupQuery),
    responses((status = 200, body = BackupSummaryInfo)))]
pub(crate) async fn summary(
    State(app): State<App>,
    Query(query): Query<StoredBackupQuery>,
) -> Result<Json<BackupSummaryInfo>, Problem> {
    let summary = app.catalog.backup_summary(&query.filter()?).await?;
    Ok(Json(BackupSummaryInfo { copies: summary.copies, size: summary.stored_size }))
}

/// Returns the names that backups can be filtered by.
#[utoipa::path(get, path = "/api/backups/names", tag = "backups", responses((status = 200, body = BackupNamesInfo)))]
pub(crate) async fn names(State(app): State<App>) -> Result<Json<BackupNamesInfo>, Problem> {
    let names = app.catalog.backup_names().await?;
    Ok(Json(BackupNamesInfo { jobs: names.jobs, databases: names.databases }))
}

/// Returns how a backup was verified so far, at most the last twenty times.
#[utoipa::path(get, path = "/api/destinations/{id}/backups/verifications", tag = "backups",
    params(("id" = String, Path), PathQuery), responses((status = 200, body = VerificationList)))]
pub(crate) async fn verifications(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<PathQuery>,
) -> Result<Json<VerificationList>, Problem> {
    super::backups::check_backup(&query.path)?;
    let stored = app.catalog.verifications(&id, &query.path).await?;
    Ok(Json(VerificationList { items: stored.into_iter().map(LastVerification::from).collect() }))
}

impl StoredBackupInfo {
    fn of(app: &App, backup: StoredBackup) -> Self {
        let ours = app.signer.public_key();
        let name = runner::catalog::parse_path(&backup.path).map(|(_, name)| name);
        let source_type = Some(backup.source_type).filter(|source_type| !source_type.is_empty());
        let engine = name.map(|name| sources::engine_of(&app.config.adapters.sources, &name, source_type.as_deref()));
        let verified = match (backup.verified_at, backup.verified_by, backup.verified_how, backup.verified_result) {
            (Some(at), Some(by), Some(how), Some(result)) => {
                Some(LastVerification { at: at.into(), by, how, result, detail: String::new() })
            }
            _ => None,
        };
        Self {
            id: backup.id,
            backup_id: backup.backup_id,
            destination_id: backup.destination_id,
            destination: backup.destination,
            path: backup.path,
            state: backup.state,
            state_at: backup.state_at.into(),
            job: backup.job,
            job_id: backup.job_id,
            run_id: backup.run_id,
            source: backup.source,
            engine: engine.or(source_type).unwrap_or_default(),
            database: backup.database,
            time: backup.created_at.into(),
            size: backup.stored_size,
            dumped_size: backup.dumped_size,
            rows: backup.row_count,
            tables: backup.table_count,
            hashes: backup.hashes,
            dump_hashes: backup.dump_hashes,
            compression: backup.compression,
            encrypted: backup.encrypted,
            encrypted_to: backup.encrypted_to,
            warnings: backup.warnings,
            sidecar: backup.sidecar,
            signature: backup.signature.map(|signature| match signature.as_str() {
                "unsigned" => SignatureName::Unsigned,
                "wrong" => SignatureName::Wrong,
                key if key == ours => SignatureName::ThisServer,
                _ => SignatureName::OtherInstallation,
            }),
            first_seen_at: backup.first_seen_at.into(),
            last_seen_at: backup.last_seen_at.into(),
            verified,
            locked: backup.locked,
            note: backup.note,
            due_at: backup.due_at.map(Time::from),
        }
    }
}

impl From<StoredVerification> for LastVerification {
    fn from(stored: StoredVerification) -> Self {
        Self {
            at: stored.verified_at.into(),
            by: stored.verified_by,
            how: stored.how,
            result: stored.result,
            detail: stored.detail,
        }
    }
}
