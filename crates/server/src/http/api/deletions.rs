//! Backups that are marked for deletion; locks and notes, which protect and explain them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use catalog::Deletion;
use domain::stored::CopyState;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::access::AuditDetail;
use super::super::extract::{Body, Id, Query};
use super::super::lists::{List, list as answer, page};
use super::super::problem::Problem;
use super::super::time::Time;
use super::backups::{PathInput, check_backup};
use super::retention::ReasonInfo;
use crate::app::App;

/// Maximum length of a note, in characters.
const MAX_NOTE_LEN: usize = 1000;

/// A backup that is marked for deletion.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MarkedBackup)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MarkedBackup {
    destination_id: String,
    /// The destination's name.
    destination: String,
    /// Relative to the destination's folder.
    path: String,
    state: CopyState,
    job_id: String,
    /// The name of the retention policy.
    policy: String,
    reasons: Vec<ReasonInfo>,
    /// When the backup was made.
    time: Time,
    /// Bytes of the file.
    size: i64,
    marked_at: Time,
    /// When it may be deleted.
    due_at: Time,
    /// Deletions that failed.
    attempts: i64,
    /// Why the last one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Time>,
}

/// Which backups.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MarkedQuery {
    /// Only at the destination with this id.
    destination: Option<String>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

/// A note on a backup.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteInput {
    /// As the list shows it.
    #[schema(min_length = 1, max_length = 2000)]
    path: String,
    /// Absent: the note is removed.
    #[schema(max_length = 1000)]
    note: Option<String>,
}

impl From<Deletion> for MarkedBackup {
    fn from(deletion: Deletion) -> Self {
        Self {
            destination_id: deletion.destination_id,
            destination: deletion.destination,
            path: deletion.path,
            state: deletion.state,
            job_id: deletion.job_id,
            policy: deletion.policy,
            reasons: deletion.reasons.iter().map(ReasonInfo::from).collect(),
            time: deletion.created_at.into(),
            size: deletion.stored_size,
            marked_at: deletion.marked_at.into(),
            due_at: deletion.due_at.into(),
            attempts: deletion.attempts,
            last_error: deletion.last_error,
            retry_at: deletion.retry_at.map(Time::from),
        }
    }
}

/// Lists backups that are marked for deletion, those that are due first at the top. Locking one keeps it.
#[utoipa::path(get, path = "/api/deletions", tag = "retention", params(MarkedQuery), responses((status = 200, body = List<MarkedBackup>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<MarkedQuery>,
) -> Result<Json<List<MarkedBackup>>, Problem> {
    let request = page(query.cursor.as_deref(), query.limit)?;
    let found = app.catalog.deletions(query.destination.as_deref(), &request).await?;
    Ok(answer(found, Deletion::place, MarkedBackup::from))
}

/// Locks a backup: nothing of dbackup deletes it. If it is marked for deletion, the mark is taken back.
#[utoipa::path(post, path = "/api/destinations/{id}/backups/lock", tag = "retention", params(("id" = String, Path)),
    request_body = PathInput, responses((status = 204)))]
pub(crate) async fn lock(
    State(app): State<App>,
    Id(id): Id,
    Body(input): Body<PathInput>,
) -> Result<(axum::Extension<AuditDetail>, StatusCode), Problem> {
    set_lock(&app, &id, input, true).await
}

/// Unlocks a backup. What its sidecar locks stays locked.
#[utoipa::path(post, path = "/api/destinations/{id}/backups/unlock", tag = "retention", params(("id" = String, Path)),
    request_body = PathInput, responses((status = 204)))]
pub(crate) async fn unlock(
    State(app): State<App>,
    Id(id): Id,
    Body(input): Body<PathInput>,
) -> Result<(axum::Extension<AuditDetail>, StatusCode), Problem> {
    set_lock(&app, &id, input, false).await
}

async fn set_lock(
    app: &App,
    id: &str,
    PathInput { path }: PathInput,
    locked: bool,
) -> Result<(axum::Extension<AuditDetail>, StatusCode), Problem> {
    check_backup(&path)?;
    app.catalog.lock_copy(id, &path, locked).await.map_err(refusal)?.ok_or_else(unknown)?;
    let word = if locked { "locked" } else { "unlocked" };
    Ok((axum::Extension(AuditDetail(format!("{word} {path}"))), StatusCode::NO_CONTENT))
}

/// Changes the note on a backup.
#[utoipa::path(post, path = "/api/destinations/{id}/backups/note", tag = "retention", params(("id" = String, Path)),
    request_body = NoteInput, responses((status = 204)))]
pub(crate) async fn note(
    State(app): State<App>,
    Id(id): Id,
    Body(input): Body<NoteInput>,
) -> Result<(axum::Extension<AuditDetail>, StatusCode), Problem> {
    check_backup(&input.path)?;
    let note = input.note.as_deref().map(str::trim).filter(|note| !note.is_empty());
    if note.is_some_and(|note| note.chars().count() > MAX_NOTE_LEN || note.contains('\0')) {
        return Err(Problem::invalid_field("note", format!("must have at most {MAX_NOTE_LEN} characters and no NUL")));
    }
    app.catalog.annotate_copy(&id, &input.path, note).await.map_err(refusal)?.ok_or_else(unknown)?;
    let word = if note.is_some() { "changed" } else { "removed" };
    let detail = format!("{word} the note on {}", input.path);
    Ok((axum::Extension(AuditDetail(detail)), StatusCode::NO_CONTENT))
}

fn unknown() -> Problem {
    Problem::not_found("the backup")
}

fn refusal(error: catalog::Error) -> Problem {
    match error {
        catalog::Error::Conflict => Problem::conflict("busy", "The backup is being deleted already."),
        error => error.into(),
    }
}
