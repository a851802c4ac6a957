//! Who changed what, and what was refused to whom.

use axum::Json;
use axum::extract::State;
use catalog::AuditEntry;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::extract::Query;
use super::super::lists::{List, ListQuery, list as answer};
use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;

/// An entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditInfo {
    id: String,
    at: Time,
    /// Who: `user anna`, `token ci of anna`, `nobody`.
    actor: String,
    /// From where.
    address: String,
    /// The method.
    action: String,
    /// The address that was asked.
    object: String,
    /// `done` or `refused`.
    outcome: String,
    /// Why it was refused, or what else is worth knowing.
    detail: String,
}

/// The newest first.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(ListQuery), responses((status = 200, body = List<AuditInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<AuditInfo>>, Problem> {
    let page = app.catalog.audit_entries(&query.page()?).await?;
    let show = |entry: AuditEntry| AuditInfo {
        id: entry.id,
        at: entry.at.into(),
        actor: entry.actor,
        address: entry.address,
        action: entry.action,
        object: entry.object,
        outcome: entry.outcome,
        detail: entry.detail,
    };
    Ok(answer(page, |entry| entry.id.clone(), show))
}
