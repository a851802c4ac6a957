//! Databases to back up.

use std::collections::BTreeMap;

use adapter::Settings;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use catalog::{NewSource, Page, Source};
use domain::Warning;
use domain::access::Permission;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

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
use crate::restore_targets::RestoreTarget;
use crate::settings::{Before, SourceSettings, check, source_settings};

/// A source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceInfo {
    id: String,
    name: String,
    #[schema(schema_with = source_settings)]
    settings: Settings,
    /// In short, without secrets: `postgres://dbackup@db/shop`.
    address: String,
    /// What operators may restore into it.
    restore_target: RestoreTarget,
    /// Whether each of its secrets is kept.
    #[serde(flatten)]
    #[schema(ignore)]
    secrets_set: BTreeMap<String, bool>,
    /// Counts the changes that users make, from 1. It is also the `ETag`.
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl HasRevision for SourceInfo {
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

/// A source that is added or changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceInput {
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    #[schema(schema_with = source_settings)]
    pub(crate) settings: Map<String, Value>,
    /// What operators may restore into it; absent: as it was, or `none`. Needs the permission `administer`.
    #[serde(default)]
    pub(crate) restore_target: Option<RestoreTarget>,
    /// Its secrets by name. Absent: as it is. `null`: removed.
    #[serde(flatten)]
    #[schema(ignore)]
    pub(crate) secrets: SecretFields,
}

impl Editable for SourceInput {
    const READ_ONLY: &'static [&'static str] = &["id", "address", "revision", "createdAt", "updatedAt"];

    fn complete(&mut self) {
        self.restore_target.get_or_insert_default();
    }
}

/// The fields of a source that change; those that are absent stay, those that are `null` are removed.
#[derive(Debug, ToSchema)]
pub(crate) struct SourcePatch {}

/// A source that could be saved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedSource {
    name: String,
    /// As they would be kept.
    #[schema(schema_with = source_settings)]
    settings: Settings,
}

impl SourceInput {
    /// Checks what is to be saved in the place of `before`.
    pub(crate) async fn check(self, app: &App, caller: &Caller, before: Option<&Source>) -> Result<NewSource, Problem> {
        let mut fields = Fields::default();
        fields.check_name(&self.name);
        let configured_before = before.map(|before| app.source_settings(before)).transpose()?;
        let before_it = before.zip(configured_before.clone());
        let stored =
            before_it.map(|(before, configured)| Before { configured, secrets: before.secrets_set.as_slice() });
        let checked =
            check(&app.config.adapters.sources, &self.settings, self.secrets, stored.as_ref(), caller, fields)?;
        let (configured, settings_before) = (checked.configured, configured_before);
        let restore_target =
            check_restore_target(self.restore_target, caller, before, &configured, settings_before.as_ref())?;
        configured.check_restricted(settings_before.as_ref(), caller)?;
        let path = configured.host_path();
        let is_unchanged = settings_before.as_ref().and_then(SourceSettings::host_path) == path;
        let approved = before.filter(|_| is_unchanged).and_then(|before| before.approved_path.clone());
        let approved_path = saved_path::approve(app, caller, path, approved).await?;
        Ok(NewSource {
            name: self.name,
            settings: serde_json::to_value(&configured.settings).map_err(Problem::internal)?,
            restore_target: restore_target.as_str().to_owned(),
            approved_path,
            secrets: checked.secrets,
        })
    }
}

/// Only administrators decide what operators may write: also by what a marked source is.
fn check_restore_target(
    asked: Option<RestoreTarget>,
    caller: &Caller,
    before: Option<&Source>,
    settings: &SourceSettings,
    settings_before: Option<&SourceSettings>,
) -> Result<RestoreTarget, Problem> {
    let was = before.map(RestoreTarget::of).unwrap_or_default();
    let is = asked.unwrap_or(was);
    let is_same_place = settings_before.is_some_and(|before| before.settings == settings.settings);
    let is_as_before = is == was && (is == RestoreTarget::None || is_same_place);
    if is_as_before || caller.allows(Permission::Administer) {
        return Ok(is);
    }
    Err(Problem::forbidden(
        "what operators may restore into a source, and where a source is that they may restore into, needs the permission \
         'administer'",
    ))
}

fn info(app: &App, source: Source) -> Result<SourceInfo, Problem> {
    let configured = app.source_settings(&source)?;
    Ok(SourceInfo {
        address: (configured.adapter.address)(&configured.settings),
        restore_target: RestoreTarget::of(&source),
        secrets_set: configured.secrets_set(&source.secrets_set),
        settings: configured.settings,
        id: source.id,
        name: source.name,
        revision: source.revision,
        created_at: source.created_at.into(),
        updated_at: source.updated_at.into(),
    })
}

fn gone() -> Problem {
    Problem::not_found("the source")
}

/// By name.
#[utoipa::path(get, path = "/api/sources", tag = "sources", params(NamedListQuery), responses((status = 200, body = List<SourceInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<NamedListQuery>,
) -> Result<Json<List<SourceInfo>>, Problem> {
    let request = query.page()?;
    let page = match &query.name {
        Some(name) => Page::of_one(app.catalog.source_by_name(name).await?),
        None => app.catalog.sources(&request).await?,
    };
    let Json(List { items, next_cursor }) = answer(page, |source| source.name.clone(), |source| info(&app, source));
    Ok(Json(List { items: items.into_iter().collect::<Result<_, _>>()?, next_cursor }))
}

/// Adds one.
#[utoipa::path(post, path = "/api/sources", tag = "sources", request_body = SourceInput, responses((status = 201, body = SourceInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<SourceInput>,
) -> Result<(StatusCode, Revised<SourceInfo>), Problem> {
    let source = app.catalog.create_source(&input.check(&app, &caller, None).await?, app.now()).await?;
    Ok((StatusCode::CREATED, Revised(info(&app, source)?)))
}

/// Checks a source as saving it would, and saves nothing: a new one, or the one with the `id`.
#[utoipa::path(post, path = "/api/sources/validate", tag = "sources", params(Existing), request_body = SourceInput,
    responses((status = 200, body = CheckedSource)))]
pub(crate) async fn validate(
    State(app): State<App>,
    caller: Caller,
    Query(existing): Query<Existing>,
    Body(input): Body<SourceInput>,
) -> Result<Json<CheckedSource>, Problem> {
    let before = match &existing.id {
        Some(id) => Some(app.catalog.source(id).await?.ok_or_else(gone)?),
        None => None,
    };
    let NewSource { name, settings, .. } = input.check(&app, &caller, before.as_ref()).await?;
    let settings = serde_json::from_value(settings).map_err(Problem::internal)?;
    Ok(Json(CheckedSource { name, settings }))
}

/// One of them.
#[utoipa::path(get, path = "/api/sources/{id}", tag = "sources", params(("id" = String, Path)), responses((status = 200, body = SourceInfo)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Revised<SourceInfo>, Problem> {
    Ok(Revised(info(&app, app.catalog.source(&id).await?.ok_or_else(gone)?)?))
}

/// Replaces one. Read-only fields are ignored, and secrets that are absent stay.
///
/// 422 if a stored secret would be sent to another place, and is not entered again; that needs the permission `administer`.
#[utoipa::path(put, path = "/api/sources/{id}", tag = "sources", params(("id" = String, Path), IfMatch), request_body = SourceInput,
    responses((status = 200, body = SourceInfo)))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<SourceInput>,
) -> Result<Revised<SourceInfo>, Problem> {
    let before = app.catalog.source(&id).await?.ok_or_else(gone)?;
    if_match.check(before.revision)?;
    let input = edit.of(&info(&app, before.clone())?)?;
    let new = input.check(&app, &caller, Some(&before)).await?;
    let changed = app.catalog.update_source(&id, before.revision, &new, app.now()).await;
    let changed = changed.map_err(|error| if_match.refusal(error))?.ok_or_else(gone)?;
    Ok(Revised(info(&app, changed)?))
}

/// Changes some fields of one, by a merge patch (RFC 7396). As for a replacement, a stored secret may have to be entered again.
#[utoipa::path(patch, path = "/api/sources/{id}", tag = "sources", params(("id" = String, Path), IfMatch),
    request_body(content = SourcePatch, content_type = "application/merge-patch+json"), responses((status = 200, body = SourceInfo)))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<SourceInput>,
) -> Result<Revised<SourceInfo>, Problem> {
    update(State(app), caller, Id(id), if_match, edit).await
}

/// Removes one that no job uses.
#[utoipa::path(delete, path = "/api/sources/{id}", tag = "sources", params(("id" = String, Path), IfMatch), responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Id(id): Id, if_match: IfMatch) -> Result<StatusCode, Problem> {
    let source = app.catalog.source(&id).await?.ok_or_else(gone)?;
    if_match.check(source.revision)?;
    let deleted = app.catalog.delete_source(&id, source.revision).await.map_err(|error| if_match.refusal(error))?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(gone()) }
}

/// The databases of a source.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatabaseList {
    /// Those that can be backed up.
    items: Vec<String>,
    /// A warning per database that cannot.
    left_out: Vec<WarningInfo>,
}

/// What a backup lacks, or a check that could not run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Warning)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WarningInfo {
    /// Stable identifier of the kind: `invalid-database`.
    code: String,
    /// What it concerns: a table, a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

impl From<Warning> for WarningInfo {
    fn from(Warning { code, subject, message, cure }: Warning) -> Self {
        Self { code, subject, message, cure }
    }
}

/// The databases that it holds.
#[utoipa::path(get, path = "/api/sources/{id}/databases", tag = "sources", params(("id" = String, Path)),
    responses((status = 200, body = DatabaseList)))]
pub(crate) async fn databases(State(app): State<App>, Id(id): Id) -> Result<Json<DatabaseList>, Problem> {
    let source = app.open_source(&id, None).await?;
    let databases = source.databases().await.map_err(crate::failure::Failure::from)?;
    let left_out = databases.left_out.into_iter().map(WarningInfo::from).collect();
    Ok(Json(DatabaseList { items: databases.names, left_out }))
}

/// Tests the connection, step by step.
#[utoipa::path(post, path = "/api/sources/{id}/test", tag = "sources", params(("id" = String, Path)),
    responses((status = 200, description = "Its steps: a line each as they come, or an array of them",
        content((Vec<StepInfo> = "application/json"), (StepInfo = "application/x-ndjson")))))]
pub(crate) async fn test(State(app): State<App>, Id(id): Id, headers: HeaderMap) -> Result<Response, Problem> {
    let source = app.open_source(&id, None).await?;
    let answer = answer_steps(&headers, |steps| async move {
        source.probe(&|step| steps.tell(&step)).await;
    });
    Ok(answer.await)
}
