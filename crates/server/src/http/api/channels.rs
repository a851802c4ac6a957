//! Channels: ways of telling people (S-08).

use std::collections::BTreeMap;

use adapter::Settings;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use catalog::{Channel, NewChannel, Page};
use domain::probe::{Step, StepResult};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::edit::{Edit, Editable};
use super::super::extract::{Body, Id, Query};
use super::super::lists::{List, NamedListQuery, list as answer};
use super::super::problem::{Fields, Problem};
use super::super::revision::{HasRevision, IfMatch, Revised};
use super::super::secret_field::SecretFields;
use super::super::time::Time;
use super::steps::{StepInfo, answer_steps};
use crate::app::App;
use crate::settings::{Before, channel_settings, check as check_settings};

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Channel)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelInfo {
    id: String,
    name: String,
    #[schema(schema_with = channel_settings)]
    settings: Settings,
    /// Whether each of its secrets is kept.
    #[serde(flatten)]
    #[schema(ignore)]
    secrets_set: BTreeMap<String, bool>,
    /// Whether messages are sent through it.
    enabled: bool,
    /// Since when nothing could be delivered; absent while it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Time>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// When a message was last delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sent_at: Option<Time>,
    /// Counts the changes that users make, from 1. It is also the `ETag`.
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl HasRevision for ChannelInfo {
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

/// A channel that is added or changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelInput {
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    #[schema(schema_with = channel_settings)]
    pub(crate) settings: Map<String, Value>,
    /// Whether messages are sent through it.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(crate) enabled: bool,
    /// Its secrets by name. Absent: as it is. `null`: removed.
    #[serde(flatten)]
    #[schema(ignore)]
    pub(crate) secrets: SecretFields,
}

fn yes() -> bool {
    true
}

impl Editable for ChannelInput {
    const READ_ONLY: &'static [&'static str] =
        &["id", "failingSince", "lastError", "lastSentAt", "revision", "createdAt", "updatedAt"];
}

/// The fields of a channel that change; those that are absent stay, those that are `null` are removed.
#[derive(Debug, ToSchema)]
pub(crate) struct ChannelPatch {}

impl ChannelInput {
    /// Checks what is to be saved in the place of `before`.
    pub(crate) fn check(self, app: &App, caller: &Caller, before: Option<&Channel>) -> Result<NewChannel, Problem> {
        let mut fields = Fields::default();
        fields.check_name(&self.name);
        let configured = before.map(|before| app.channel_settings(before)).transpose()?;
        let stored = before.zip(configured);
        let stored = stored.map(|(before, configured)| Before { configured, secrets: before.secrets_set.as_slice() });
        let registry = &app.config.adapters.channels;
        let checked = check_settings(registry, &self.settings, self.secrets, stored.as_ref(), caller, fields)?;
        let settings = serde_json::to_value(&checked.configured.settings).map_err(Problem::internal)?;
        Ok(NewChannel { name: self.name, settings, secrets: checked.secrets, enabled: self.enabled })
    }
}

fn info(app: &App, channel: Channel) -> Result<ChannelInfo, Problem> {
    let configured = app.channel_settings(&channel)?;
    Ok(ChannelInfo {
        secrets_set: configured.secrets_set(&channel.secrets_set),
        settings: configured.settings,
        id: channel.id,
        name: channel.name,
        enabled: channel.enabled,
        failing_since: channel.failing_since.map(Time::from),
        last_error: channel.last_error,
        last_sent_at: channel.last_sent_at.map(Time::from),
        revision: channel.revision,
        created_at: channel.created_at.into(),
        updated_at: channel.updated_at.into(),
    })
}

fn gone() -> Problem {
    Problem::not_found("the channel")
}

/// Lists channels by name.
#[utoipa::path(get, path = "/api/channels", tag = "notifications", params(NamedListQuery), responses((status = 200, body = List<ChannelInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<NamedListQuery>,
) -> Result<Json<List<ChannelInfo>>, Problem> {
    let request = query.page()?;
    let page = match &query.name {
        Some(name) => Page::of_one(app.catalog.channel_by_name(name).await?),
        None => app.catalog.channels(&request).await?,
    };
    let Json(List { items, next_cursor }) = answer(page, |channel| channel.name.clone(), |channel| info(&app, channel));
    Ok(Json(List { items: items.into_iter().collect::<Result<_, _>>()?, next_cursor }))
}

/// Creates a channel. It tells nothing until a notification rule uses it.
#[utoipa::path(post, path = "/api/channels", tag = "notifications", request_body = ChannelInput, responses((status = 201, body = ChannelInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<ChannelInput>,
) -> Result<(StatusCode, Revised<ChannelInfo>), Problem> {
    let new = input.check(&app, &caller, None)?;
    let made = app.catalog.create_channel(&new, app.now()).await?;
    Ok((StatusCode::CREATED, Revised(info(&app, made)?)))
}

/// Returns a channel.
#[utoipa::path(get, path = "/api/channels/{id}", tag = "notifications", params(("id" = String, Path)), responses((status = 200, body = ChannelInfo)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Revised<ChannelInfo>, Problem> {
    Ok(Revised(info(&app, app.catalog.channel(&id).await?.ok_or_else(gone)?)?))
}

/// Replaces a channel. Read-only fields are ignored, and secrets that are absent stay.
#[utoipa::path(put, path = "/api/channels/{id}", tag = "notifications", params(("id" = String, Path), IfMatch),
    request_body = ChannelInput, responses((status = 200, body = ChannelInfo)))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<ChannelInput>,
) -> Result<Revised<ChannelInfo>, Problem> {
    let before = app.catalog.channel(&id).await?.ok_or_else(gone)?;
    if_match.check(before.revision)?;
    let input = edit.of(&info(&app, before.clone())?)?;
    let new = input.check(&app, &caller, Some(&before))?;
    let saved = app.catalog.update_channel(&id, before.revision, &new, app.now()).await;
    let saved = saved.map_err(|error| if_match.refusal(error))?.ok_or_else(gone)?;
    app.notifications.changed.notify_one();
    Ok(Revised(info(&app, saved)?))
}

/// Changes some fields of a channel by a merge patch (RFC 7396).
#[utoipa::path(patch, path = "/api/channels/{id}", tag = "notifications", params(("id" = String, Path), IfMatch),
    request_body(content = ChannelPatch, content_type = "application/merge-patch+json"), responses((status = 200, body = ChannelInfo)))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<ChannelInput>,
) -> Result<Revised<ChannelInfo>, Problem> {
    update(State(app), caller, Id(id), if_match, edit).await
}

/// Deletes a channel that no notification rule uses, with its messages.
#[utoipa::path(delete, path = "/api/channels/{id}", tag = "notifications", params(("id" = String, Path), IfMatch), responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Id(id): Id, if_match: IfMatch) -> Result<StatusCode, Problem> {
    let channel = app.catalog.channel(&id).await?.ok_or_else(gone)?;
    if_match.check(channel.revision)?;
    let deleted = app.catalog.delete_channel(&id, channel.revision).await;
    if deleted.map_err(|error| if_match.refusal(error))? { Ok(StatusCode::NO_CONTENT) } else { Err(gone()) }
}

/// Sends a test message through a channel at once, and answers with what the service said. The message stays in the outbox.
#[utoipa::path(post, path = "/api/channels/{id}/test", tag = "notifications", params(("id" = String, Path)),
    responses((status = 200, description = "Its steps: a line each as they come, or an array of them",
        content((Vec<StepInfo> = "application/json"), (StepInfo = "application/x-ndjson")))))]
pub(crate) async fn test(State(app): State<App>, Id(id): Id, headers: HeaderMap) -> Result<Response, Problem> {
    let channel = app.catalog.channel(&id).await?.ok_or_else(gone)?;
    let answer = answer_steps(&headers, |steps| async move {
        let tested = app.test_channel(&channel).await;
        let result = match tested {
            Ok(detail) => StepResult::Passed { detail },
            Err(message) => StepResult::Failed { message },
        };
        steps.tell(&Step { name: "send", result });
    });
    Ok(answer.await)
}
