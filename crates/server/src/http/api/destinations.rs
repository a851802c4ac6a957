//! Places that keep backups.

use std::collections::BTreeMap;

use adapter::Settings;
use adapter::authorization::Act;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use catalog::{Destination, GrantChange, NewDestination, Page};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::super::access::AuditDetail;
use super::super::caller::Caller;
use super::super::edit::{Edit, Editable};
use super::super::extract::{Body, Id, Query};
use super::super::lists::{Existing, List, NamedListQuery, list as answer};
use super::super::problem::{Fields, Problem};
use super::super::revision::{HasRevision, IfMatch, Revised};
use super::super::saved_path;
use super::super::secret_field::SecretFields;
use super::super::time::Time;
use super::steps::{StepInfo, answer_steps};
use crate::app::App;
use crate::authorizations::grants::{Access, NewGrant};
use crate::authorizations::status::{AuthorizationStatus, standing};
use crate::patience::Patience;
use crate::settings::{Before, DestinationSettings, check as check_settings, destination_settings};

/// A destination.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Destination)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DestinationInfo {
    id: String,
    name: String,
    #[schema(schema_with = destination_settings)]
    settings: Settings,
    /// In short: `file:///backups`.
    address: String,
    /// Whether each of its secrets is kept.
    #[serde(flatten)]
    #[schema(ignore)]
    secrets_set: BTreeMap<String, bool>,
    authorization: Authorization,
    /// Counts the changes that users make, from 1. It is also the `ETag`.
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl HasRevision for DestinationInfo {
    fn revision(&self) -> i64 {
        self.revision
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Whether the storage lets us in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authorization {
    status: AuthorizationStatus,
    /// What is wrong, and what to do. While the status is `authorized`: which scope is missing that backups do not need.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Whose storage it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Account>,
    /// Its room.
    #[serde(skip_serializing_if = "Option::is_none")]
    space: Option<SpaceInfo>,
    /// When account and space were last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<Time>,
}

/// Whose storage it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    id: String,
    name: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<String>,
}

/// Room, in bytes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpaceInfo {
    used: u64,
    /// Absent if there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<u64>,
}

/// A destination that is added or changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DestinationInput {
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    #[schema(schema_with = destination_settings)]
    pub(crate) settings: Map<String, Value>,
    /// Its secrets by name. Absent: as it is. `null`: removed.
    #[serde(flatten)]
    #[schema(ignore)]
    pub(crate) secrets: SecretFields,
}

impl Editable for DestinationInput {
    const READ_ONLY: &'static [&'static str] =
        &["id", "address", "authorization", "revision", "createdAt", "updatedAt"];
}

/// The fields of a destination that change; those that are absent stay, those that are `null` are removed.
#[derive(Debug, ToSchema)]
pub(crate) struct DestinationPatch {}

/// A destination that could be saved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedDestination {
    name: String,
    /// As they would be kept.
    #[schema(schema_with = destination_settings)]
    settings: Settings,
}

/// How to remove a destination.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Removal {
    /// Also revoke the access, for good.
    #[serde(default)]
    revoke: bool,
}

impl DestinationInput {
    /// Checks what is to be saved in the place of `before`. Asks the provider whose a new grant is.
    pub(crate) async fn check(
        mut self,
        app: &App,
        caller: &Caller,
        before: Option<&Destination>,
    ) -> Result<NewDestination, Problem> {
        let mut fields = Fields::default();
        let kind = self.settings.get("type").and_then(Value::as_str).unwrap_or_default();
        let grant = NewGrant::of_request(app, kind, &mut self.secrets, before).await;
        let grant = fields.accept(grant)?.unwrap_or_default();
        fields.check_name(&self.name);
        let configured_before = before.map(|before| app.destination_settings(before)).transpose()?;
        let before_it = before.zip(configured_before.clone());
        let stored =
            before_it.map(|(before, configured)| Before { configured, secrets: before.secrets_set.as_slice() });
        let checked = check_settings(
            &app.config.adapters.destinations,
            &self.settings,
            self.secrets,
            stored.as_ref(),
            caller,
            fields,
        )?;
        let (configured, settings_before) = (checked.configured, configured_before);
        configured.check_restricted(settings_before.as_ref(), caller)?;
        let path = configured.host_path();
        let is_unchanged = settings_before.as_ref().and_then(DestinationSettings::host_path) == path;
        let approved = before.filter(|_| is_unchanged).and_then(|before| before.approved_path.clone());
        let approved_path = saved_path::approve(app, caller, path, approved).await?;
        let settings = serde_json::to_value(&configured.settings).map_err(Problem::internal)?;
        Ok(NewDestination { name: self.name, settings, approved_path, secrets: checked.secrets, grant })
    }
}

pub(crate) fn info(app: &App, destination: Destination) -> Result<DestinationInfo, Problem> {
    let configured = app.destination_settings(&destination)?;
    Ok(DestinationInfo {
        address: configured.address(),
        secrets_set: configured.secrets_set(&destination.secrets_set),
        authorization: authorization(&destination, &configured),
        settings: configured.settings,
        id: destination.id,
        name: destination.name,
        revision: destination.revision,
        created_at: destination.created_at.into(),
        updated_at: destination.updated_at.into(),
    })
}

fn authorization(destination: &Destination, settings: &DestinationSettings) -> Authorization {
    let empty = |status| Authorization { status, reason: None, account: None, space: None, checked_at: None };
    let Some(description) = settings.manifest().authorization else { return empty(AuthorizationStatus::NotRequired) };
    let Some(state) = &destination.authorization else { return empty(AuthorizationStatus::AuthorizationRequired) };
    let (status, reason) = standing(description, state);
    Authorization {
        status,
        reason,
        account: Some(Account {
            id: state.account_id.clone(),
            name: state.account_name.clone(),
            email: state.email.clone(),
            team: state.team.clone(),
        }),
        space: state.used.map(|used| SpaceInfo { used, allowed: state.allowed }),
        checked_at: Some(state.checked_at.into()),
    }
}

fn gone() -> Problem {
    Problem::not_found("the destination")
}

/// By name.
#[utoipa::path(get, path = "/api/destinations", tag = "destinations", params(NamedListQuery), responses((status = 200, body = List<DestinationInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<NamedListQuery>,
) -> Result<Json<List<DestinationInfo>>, Problem> {
    let request = query.page()?;
    let page = match &query.name {
        Some(name) => Page::of_one(app.catalog.destination_by_name(name).await?),
        None => app.catalog.destinations(&request).await?,
    };
    let Json(List { items, next_cursor }) =
        answer(page, |destination| destination.name.clone(), |destination| info(&app, destination));
    Ok(Json(List { items: items.into_iter().collect::<Result<_, _>>()?, next_cursor }))
}

/// Adds one. Where a person has to grant the access, authorize it next.
#[utoipa::path(post, path = "/api/destinations", tag = "destinations", request_body = DestinationInput,
    responses((status = 201, body = DestinationInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<DestinationInput>,
) -> Result<(StatusCode, Revised<DestinationInfo>), Problem> {
    let new = input.check(&app, &caller, None).await?;
    let mut created = app.catalog.create_destination(&new, app.now()).await?;
    if let GrantChange::Set(..) = new.grant {
        app.follow_change(&created.id, true, None).await;
        created = app.catalog.destination(&created.id).await?.unwrap_or(created);
    }
    Ok((StatusCode::CREATED, Revised(info(&app, created)?)))
}

/// Checks a destination as saving it would, and saves nothing: a new one, or the one with the `id`.
#[utoipa::path(post, path = "/api/destinations/validate", tag = "destinations", params(Existing), request_body = DestinationInput,
    responses((status = 200, body = CheckedDestination)))]
pub(crate) async fn validate(
    State(app): State<App>,
    caller: Caller,
    Query(existing): Query<Existing>,
    Body(input): Body<DestinationInput>,
) -> Result<Json<CheckedDestination>, Problem> {
    let before = match &existing.id {
        Some(id) => Some(app.catalog.destination(id).await?.ok_or_else(gone)?),
        None => None,
    };
    let NewDestination { name, settings, .. } = input.check(&app, &caller, before.as_ref()).await?;
    let settings = serde_json::from_value(settings).map_err(Problem::internal)?;
    Ok(Json(CheckedDestination { name, settings }))
}

/// One of them, as it was when last checked.
#[utoipa::path(get, path = "/api/destinations/{id}", tag = "destinations", params(("id" = String, Path)),
    responses((status = 200, body = DestinationInfo)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Revised<DestinationInfo>, Problem> {
    Ok(Revised(info(&app, app.catalog.destination(&id).await?.ok_or_else(gone)?)?))
}

/// Replaces one. Read-only fields are ignored, and secrets that are absent stay. Another app needs another authorization.
///
/// 422 if a stored secret would be used for another app, and is not entered again; that needs the permission `administer`.
#[utoipa::path(put, path = "/api/destinations/{id}", tag = "destinations", params(("id" = String, Path), IfMatch),
    request_body = DestinationInput, responses((status = 200, body = DestinationInfo)))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<DestinationInput>,
) -> Result<Revised<DestinationInfo>, Problem> {
    let before = app.catalog.destination(&id).await?.ok_or_else(gone)?;
    if_match.check(before.revision)?;
    let named_app = app.app_of(&before)?;
    let input = edit.of(&info(&app, before.clone())?)?;
    let new = input.check(&app, &caller, Some(&before)).await?;
    let changed = app.catalog.update_destination(&id, before.revision, &new, app.now()).await;
    let changed = changed.map_err(|error| if_match.refusal(error))?.ok_or_else(gone)?;
    app.follow_change(&id, matches!(new.grant, GrantChange::Set(..)), named_app).await;
    Ok(Revised(info(&app, app.catalog.destination(&id).await?.unwrap_or(changed))?))
}

/// Changes some fields of one, by a merge patch (RFC 7396). As for a replacement, a stored secret may have to be entered again.
#[utoipa::path(patch, path = "/api/destinations/{id}", tag = "destinations", params(("id" = String, Path), IfMatch),
    request_body(content = DestinationPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = DestinationInfo)))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<DestinationInput>,
) -> Result<Revised<DestinationInfo>, Problem> {
    update(State(app), caller, Id(id), if_match, edit).await
}

/// Removes one that no job uses. The backups there stay.
#[utoipa::path(delete, path = "/api/destinations/{id}", tag = "destinations", params(("id" = String, Path), Removal, IfMatch),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Id(id): Id,
    Query(removal): Query<Removal>,
    if_match: IfMatch,
) -> Result<(axum::Extension<AuditDetail>, StatusCode), Problem> {
    let destination = app.catalog.destination(&id).await?.ok_or_else(gone)?;
    if_match.check(destination.revision)?;
    // The grants stay where they are until the deletion is accepted, and go with the destination.
    let access = if removal.revoke {
        let unconfirmed = app.catalog.unconfirmed(&id).await?;
        Some(Access::of(&app, &destination).and_unconfirmed(&app, &destination, &unconfirmed))
    } else {
        None
    };
    match app.catalog.delete_destination(&id, destination.revision, app.now()).await {
        Ok(true) => {}
        Ok(false) => return Err(gone()),
        Err(error) => {
            // What was known of some copies may be gone already.
            app.confirm_copies(&id).await;
            return Err(if_match.refusal(error));
        }
    }
    let mut detail = format!("removed {}", destination.name);
    if let Some(access) = access {
        match access.revoke(&app).await {
            Ok(done) => detail.push_str(done),
            Err(why) => {
                let by_hand = app.revoke_by_hand(&destination);
                let words =
                    format!("the destination was removed, but its access could not be revoked: {why}. {by_hand}");
                return Err(Problem::failed_dependency("notRevoked", words));
            }
        }
    }
    Ok((axum::Extension(AuditDetail(detail)), StatusCode::NO_CONTENT))
}

/// Looks at account and space again, and answers with what was found (M-08, M-16).
#[utoipa::path(post, path = "/api/destinations/{id}/check", tag = "destinations", params(("id" = String, Path)),
    responses((status = 200, body = DestinationInfo)))]
pub(crate) async fn check(State(app): State<App>, Id(id): Id) -> Result<Revised<DestinationInfo>, Problem> {
    let destination = app.catalog.destination(&id).await?.ok_or_else(gone)?;
    if app.destination_settings(&destination)?.manifest().authorization.is_some() {
        app.check_authorization(&destination).await?;
    } else {
        app.check_space(&destination).await?;
    }
    Ok(Revised(info(&app, app.catalog.destination(&id).await?.ok_or_else(gone)?)?))
}

/// Tests it, step by step.
#[utoipa::path(post, path = "/api/destinations/{id}/test", tag = "destinations", params(("id" = String, Path)),
    responses((status = 200, description = "Its steps: a line each as they come, or an array of them",
        content((Vec<StepInfo> = "application/json"), (StepInfo = "application/x-ndjson")))))]
pub(crate) async fn test(State(app): State<App>, Id(id): Id, headers: HeaderMap) -> Result<Response, Problem> {
    let destination = app.open_destination(&id, Patience::Short).await?;
    let answer = answer_steps(&headers, |steps| async move {
        if destination.probe(&|step| steps.tell(&step)).await {
            app.note_working(&id, Act::Test).await;
        } else {
            app.note_failed_test(&id).await;
        }
    });
    Ok(answer.await)
}
