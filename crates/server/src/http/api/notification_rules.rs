//! Notification rules: which events are told through which channels (S-08).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use catalog::{NewNotificationRule, NotificationRule, Page};
use domain::notification::Rule;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::edit::{Edit, Editable};
use super::super::extract::{Body, Id, Query};
use super::super::lists::{List, NamedListQuery, list as answer};
use super::super::problem::{Fields, Problem};
use super::super::revision::{HasRevision, IfMatch, Revised};
use super::super::time::Time;
use crate::app::App;

/// A notification rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotificationRule)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleInfo {
    id: String,
    name: String,
    rule: Rule,
    /// Counts the changes that users make, from 1. It is also the `ETag`.
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl HasRevision for RuleInfo {
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

impl From<NotificationRule> for RuleInfo {
    fn from(found: NotificationRule) -> Self {
        Self {
            id: found.id,
            name: found.name,
            rule: found.rule,
            revision: found.revision,
            created_at: found.created_at.into(),
            updated_at: found.updated_at.into(),
        }
    }
}

/// A notification rule that is added or changed.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NotificationRuleInput)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RuleInput {
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    pub(crate) rule: Rule,
}

impl Editable for RuleInput {
    const READ_ONLY: &'static [&'static str] = &["id", "revision", "createdAt", "updatedAt"];
}

/// The fields of a notification rule that change; those that are absent stay.
#[derive(Debug, ToSchema)]
#[schema(as = NotificationRulePatch)]
pub(crate) struct RulePatch {}

fn gone() -> Problem {
    Problem::not_found("the notification rule")
}

async fn check(app: &App, input: RuleInput) -> Result<NewNotificationRule, Problem> {
    let mut fields = Fields::default();
    fields.check_name(&input.name);
    for error in input.rule.errors() {
        fields.add(&format!("rule.{}", error.field), error.message);
    }
    for (field, message) in app.check_rule(&input.rule).await? {
        fields.add(&format!("rule.{field}"), message.to_owned());
    }
    fields.finish()?;
    Ok(NewNotificationRule { name: input.name, rule: input.rule })
}

/// Lists notification rules by name.
#[utoipa::path(get, path = "/api/notification-rules", tag = "notifications", params(NamedListQuery), responses((status = 200, body = List<RuleInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<NamedListQuery>,
) -> Result<Json<List<RuleInfo>>, Problem> {
    let request = query.page()?;
    let page = match &query.name {
        Some(name) => Page::of_one(app.catalog.notification_rule_by_name(name).await?),
        None => app.catalog.notification_rules(&request).await?,
    };
    Ok(answer(page, |rule| rule.name.clone(), RuleInfo::from))
}

/// Creates a notification rule. What is wrong already is told at once.
#[utoipa::path(post, path = "/api/notification-rules", tag = "notifications", request_body = RuleInput, responses((status = 201, body = RuleInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    Body(input): Body<RuleInput>,
) -> Result<(StatusCode, Revised<RuleInfo>), Problem> {
    let new = check(&app, input).await?;
    let made = app.catalog.create_notification_rule(&new, app.now()).await?;
    app.notifications.changed.notify_one();
    Ok((StatusCode::CREATED, Revised(made.into())))
}

/// Returns a notification rule.
#[utoipa::path(get, path = "/api/notification-rules/{id}", tag = "notifications", params(("id" = String, Path)), responses((status = 200, body = RuleInfo)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Revised<RuleInfo>, Problem> {
    Ok(Revised(app.catalog.notification_rule(&id).await?.ok_or_else(gone)?.into()))
}

/// Replaces a notification rule. Read-only fields are ignored.
#[utoipa::path(put, path = "/api/notification-rules/{id}", tag = "notifications", params(("id" = String, Path), IfMatch),
    request_body = RuleInput, responses((status = 200, body = RuleInfo)))]
pub(crate) async fn update(
    State(app): State<App>,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<RuleInput>,
) -> Result<Revised<RuleInfo>, Problem> {
    let before = app.catalog.notification_rule(&id).await?.ok_or_else(gone)?;
    if_match.check(before.revision)?;
    let new = check(&app, edit.of(&RuleInfo::from(before.clone()))?).await?;
    let saved = app.catalog.update_notification_rule(&id, before.revision, &new, app.now()).await;
    let saved = saved.map_err(|error| if_match.refusal(error))?.ok_or_else(gone)?;
    app.notifications.changed.notify_one();
    Ok(Revised(saved.into()))
}

/// Changes some fields of a notification rule by a merge patch (RFC 7396): `{"rule": {"reminderHours": 24}}`.
#[utoipa::path(patch, path = "/api/notification-rules/{id}", tag = "notifications", params(("id" = String, Path), IfMatch),
    request_body(content = RulePatch, content_type = "application/merge-patch+json"), responses((status = 200, body = RuleInfo)))]
pub(crate) async fn change(
    State(app): State<App>,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<RuleInput>,
) -> Result<Revised<RuleInfo>, Problem> {
    update(State(app), Id(id), if_match, edit).await
}

/// Deletes a notification rule. Messages that wait in the outbox are sent.
#[utoipa::path(delete, path = "/api/notification-rules/{id}", tag = "notifications", params(("id" = String, Path), IfMatch), responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Id(id): Id, if_match: IfMatch) -> Result<StatusCode, Problem> {
    let rule = app.catalog.notification_rule(&id).await?.ok_or_else(gone)?;
    if_match.check(rule.revision)?;
    let deleted = app.catalog.delete_notification_rule(&id, rule.revision).await;
    if deleted.map_err(|error| if_match.refusal(error))? { Ok(StatusCode::NO_CONTENT) } else { Err(gone()) }
}
