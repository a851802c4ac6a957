//! What takes the space of a destination: its space with a forecast, the jobs whose backups lie there, and folders of no job.

use axum::Json;
use axum::extract::State;
use catalog::JobUsage;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::extract::Id;
use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;
use crate::overview::space::DestinationSpace;
use crate::overview::space_of;

/// Maximum number of folders that are listed.
const MAX_FOLDERS: usize = 50;
/// Maximum number of folders of no job that are counted.
const MAX_ORPHANS: i64 = 1000;
/// Days of space that are shown, and that the forecast is based on.
const DAYS: i64 = 90;

/// What takes the space of a destination.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DestinationUsage)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    /// Absent until it was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    space: Option<DestinationSpace>,
    /// How many backups lie there.
    backups: i64,
    /// Their bytes.
    bytes: i64,
    /// The folders that take the most, the largest first.
    jobs: Vec<FolderUsage>,
    /// How many folders there are.
    folder_count: i64,
    /// The largest folders that belong to no job.
    orphans: Vec<FolderUsage>,
    /// How many folders belong to no job; at most 1000 are counted.
    orphan_count: usize,
}

/// What the backups in a folder take.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FolderUsage {
    /// The folder, which is a job's name.
    job: String,
    /// Absent if there is no job of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    /// How many backups lie in it.
    backups: i64,
    /// Their bytes.
    bytes: i64,
    /// When the newest of them was made.
    newest_at: Time,
}

impl From<JobUsage> for FolderUsage {
    fn from(usage: JobUsage) -> Self {
        Self {
            job: usage.job,
            job_id: usage.job_id,
            backups: usage.copies,
            bytes: usage.bytes,
            newest_at: usage.newest_at.into(),
        }
    }
}

/// What takes the space of a destination, as far as scans and runs have seen it.
#[utoipa::path(get, path = "/api/destinations/{id}/usage", tag = "destinations", params(("id" = String, Path)),
    responses((status = 200, body = Usage)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<Usage>, Problem> {
    let gone = || Problem::not_found("the destination");
    let destination = app.catalog.destination(&id).await?.ok_or_else(gone)?;
    let since = app.now().checked_sub((DAYS * 24).hours()).unwrap_or(Timestamp::UNIX_EPOCH);
    let total = app.catalog.total_usage(&id).await?;
    let orphans = app.catalog.orphans(&id, MAX_ORPHANS).await?;
    let orphan_count = orphans.len();
    let list = |folders: Vec<JobUsage>| folders.into_iter().take(MAX_FOLDERS).map(FolderUsage::from).collect();
    Ok(Json(Usage {
        space: space_of(&destination, &app.catalog.space_of(&id, since.into()).await?),
        backups: total.copies,
        bytes: total.bytes,
        jobs: list(app.catalog.usage(&id, i64::try_from(MAX_FOLDERS).unwrap_or(i64::MAX)).await?),
        folder_count: total.folders,
        orphans: list(orphans),
        orphan_count,
    }))
}
