//! The databases that are backed up: which job backs each up, and where the newest copies are.

use axum::Json;
use axum::extract::State;
use catalog::{DatabaseFilter, NewestCopy, StoredDatabase};
use domain::stored::VerificationResult;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::Query;
use super::super::lists::{List, list as answer, page};
use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;

/// Which databases.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatabaseQuery {
    /// Only of this source.
    source_id: Option<String>,
    /// Only of the job with this name.
    job: Option<String>,
    /// Only of this name.
    database: Option<String>,
    /// `nextCursor` of the page before; without it, the first page.
    cursor: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

/// A database of a job that copies exist of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StoredDatabase)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredDatabaseInfo {
    /// The job's name, which is the folder of its backups.
    job: String,
    /// Absent if there is no job of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    /// The source of that job.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<String>,
    /// Its name. Empty for engines with one database per source.
    database: String,
    /// When the newest backup was made of which a copy is present.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_good_at: Option<Time>,
    /// The newest copy that is present at each destination.
    copies: Vec<NewestCopyInfo>,
}

/// The newest copy of a database that is present at a destination.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewestCopy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewestCopyInfo {
    destination_id: String,
    /// In the destination's folder.
    path: String,
    /// When its backup was made.
    created_at: Time,
    /// Bytes.
    stored_size: i64,
    /// When it was last verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_at: Option<Time>,
    /// What that came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_result: Option<VerificationResult>,
}

impl From<StoredDatabase> for StoredDatabaseInfo {
    fn from(found: StoredDatabase) -> Self {
        Self {
            last_good_at: found.copies.iter().map(|copy| copy.created_at).max().map(Time::from),
            job: found.job,
            job_id: found.job_id,
            source_id: found.source_id,
            database: found.database,
            copies: found.copies.into_iter().map(NewestCopyInfo::from).collect(),
        }
    }
}

impl From<NewestCopy> for NewestCopyInfo {
    fn from(copy: NewestCopy) -> Self {
        Self {
            destination_id: copy.destination_id,
            path: copy.path,
            created_at: copy.created_at.into(),
            stored_size: copy.stored_size,
            verified_at: copy.verified_at.map(Time::from),
            verified_result: copy.verified_result,
        }
    }
}

/// A page of databases, by job and name, with the newest copy at each destination. Restores are listed by
/// `GET /api/runs?kind=restore&restoredJob=`.
#[utoipa::path(get, path = "/api/databases", tag = "backups", params(DatabaseQuery), responses((status = 200, body = List<StoredDatabaseInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<DatabaseQuery>,
) -> Result<Json<List<StoredDatabaseInfo>>, Problem> {
    let request = page(query.cursor.as_deref(), query.limit)?;
    let filter = DatabaseFilter { job: query.job, database: query.database, source_id: query.source_id };
    Ok(answer(app.catalog.databases(&filter, &request).await?, StoredDatabase::place, StoredDatabaseInfo::from))
}
