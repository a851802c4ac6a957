//! The outbox: what was told, through which channel, and what the service answered.

use axum::Json;
use axum::extract::State;
use catalog::{OutboxFilter, OutboxMessage};
use domain::notification::MessageState;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::Query;
use super::super::lists::{List, list as answer, page};
use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutboxMessage)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageInfo {
    /// The same for every attempt. Receivers recognize a repetition by it.
    id: String,
    channel_id: String,
    /// The rule that it was written for; absent for a test.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<String>,
    /// Messages about the same problem, or the pings of the same job, have the same.
    cause_key: String,
    /// An event of rules, or `summary`, `digest`, `test`, `start`, `success`, `fail`.
    event: String,
    /// What is delivered.
    #[schema(value_type = Object)]
    message: serde_json::Value,
    state: MessageState,
    attempts: i64,
    /// When it is sent next, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Time>,
    /// What the service answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    /// Why the last attempt failed, or why it was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    created_at: Time,
    /// When it was sent, or given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Time>,
}

impl From<OutboxMessage> for MessageInfo {
    fn from(found: OutboxMessage) -> Self {
        let waits = found.state == MessageState::Waiting;
        Self {
            id: found.id,
            channel_id: found.channel_id,
            rule_id: found.rule_id,
            cause_key: found.cause_key,
            event: found.event,
            message: found.message,
            state: found.state,
            attempts: found.attempts,
            next_attempt_at: waits.then(|| found.next_attempt_at.into()),
            answer: found.answer,
            error: found.error,
            created_at: found.created_at.into(),
            ended_at: found.ended_at.map(Time::from),
        }
    }
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OutboxQuery {
    /// Only of this channel.
    channel_id: Option<String>,
    /// Only in this state.
    #[param(inline)]
    state: Option<MessageState>,
    /// Only about this event: `failed`, `digest`.
    event: Option<String>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

/// Lists messages, the newest first.
#[utoipa::path(get, path = "/api/outbox", tag = "notifications", params(OutboxQuery), responses((status = 200, body = List<MessageInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<OutboxQuery>,
) -> Result<Json<List<MessageInfo>>, Problem> {
    let request = page(query.cursor.as_deref(), query.limit)?;
    let OutboxQuery { channel_id, state, event, .. } = query;
    let filter = OutboxFilter { channel_id, states: state.into_iter().collect(), event };
    let found = app.catalog.outbox(&filter, &request).await?;
    Ok(answer(found, |message| message.id.clone(), MessageInfo::from))
}
