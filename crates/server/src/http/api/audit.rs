//! Who changed what, and what was refused to whom.

use axum::extract::State;
use axum::response::Response;
use catalog::{AuditEntry, AuditFilter, PageRequest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::export::{ExportQuery, Exported};
use super::super::extract::Query;
use super::super::lists::{List, page};
use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;

/// An entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditInfo {
    id: String,
    at: Time,
    /// Who: `user anna`, `token ci of anna`, `nobody`.
    actor: String,
    /// The name of the user; absent for nobody and for the server itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    /// The name of the API token, if it was one.
    #[serde(skip_serializing_if = "String::is_empty")]
    token: String,
    /// From where.
    address: String,
    /// What was done, as a stable word: `job.run`. Absent in entries of earlier versions.
    #[serde(skip_serializing_if = "String::is_empty")]
    event: String,
    /// The method.
    action: String,
    /// The kind of thing that it was done to: `job`, `destination`, `retentionPolicy`, `run`.
    #[serde(skip_serializing_if = "String::is_empty")]
    object_kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    object_id: String,
    /// What the thing was called at that time.
    #[serde(skip_serializing_if = "String::is_empty")]
    object_name: String,
    /// The address that was asked.
    object: String,
    /// `done` or `refused`.
    outcome: String,
    /// Why it was refused, or what else is worth knowing.
    detail: String,
}

impl From<AuditEntry> for AuditInfo {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.at.into(),
            actor: entry.actor,
            user: entry.user,
            token: entry.token,
            address: entry.address,
            event: entry.event,
            action: entry.action,
            object_kind: entry.object_kind,
            object_id: entry.object_id,
            object_name: entry.object_name,
            object: entry.object,
            outcome: entry.outcome,
            detail: entry.detail,
        }
    }
}

/// How something ended for the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuditOutcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only of the user with this name, their API tokens included.
    user: Option<String>,
    /// Only of API tokens with this name.
    token: Option<String>,
    /// Only with this word: `job.run`; `job` stands for all that begin with `job.`.
    event: Option<String>,
    /// Only on the thing with this id, or with this name at that time.
    object: Option<String>,
    /// Only at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Only what was done, or only what was refused.
    #[param(inline)]
    outcome: Option<AuditOutcome>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

/// The columns of an export.
const COLUMNS: [&str; 14] = [
    "at",
    "actor",
    "user",
    "token",
    "address",
    "event",
    "objectKind",
    "objectName",
    "objectId",
    "outcome",
    "detail",
    "action",
    "object",
    "id",
];

/// The newest first.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(AuditQuery, ExportQuery), responses((status = 200, content(
    (List<AuditInfo> = "application/json"), (String = "text/csv"), (String = "application/x-ndjson")))))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<AuditQuery>,
    Query(export): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let request = page(query.cursor.as_deref(), query.limit)?;
    let AuditQuery { user, token, event, object, since, until, outcome, .. } = query;
    let refused = outcome.map(|outcome| outcome == AuditOutcome::Refused);
    let filter = AuditFilter { user, token, event, object, since, until, refused };
    let read = move |request: PageRequest| {
        let (app, filter) = (app.clone(), filter.clone());
        async move { app.catalog.audit_entries(&filter, &request).await }
    };
    let key = |entry: &AuditEntry| entry.id.clone();
    let entries = Exported { name: "audit", columns: &COLUMNS, read, key, show: AuditInfo::from };
    entries.answer(&export, request).await
}
