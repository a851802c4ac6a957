//! The configuration as a whole: compared with what is wanted, or made so.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::client_address::ClientAddress;
use super::super::extract::Body;
use super::super::problem::{Fields, Problem};
use crate::app::App;
use crate::configuration::{self, Action, Change, Plan, Wanted};

/// A configuration. An entry is the whole desired state of an item, by its name; fields that it leaves out have their defaults, and
/// secrets that it leaves out are removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConfigurationInput {
    /// As for `POST /api/sources`, and `renamedFrom`: the name before.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    sources: Vec<Map<String, Value>>,
    /// As for `POST /api/destinations`, and `renamedFrom`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    destinations: Vec<Map<String, Value>>,
    /// As for `POST /api/profiles`, and `renamedFrom`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    profiles: Vec<Map<String, Value>>,
    /// As for `POST /api/retention-policies`, and `renamedFrom`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    retention_policies: Vec<Map<String, Value>>,
    /// As for `POST /api/jobs`, and `renamedFrom`; with the names of `source`, `destinations`, `profile` and, by the names of destinations,
    /// of policies in `retention`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    jobs: Vec<Map<String, Value>>,
    /// As for `POST /api/channels`, and `renamedFrom`. Needs the permission `administer`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    channels: Vec<Map<String, Value>>,
    /// As the `rule` of `POST /api/notification-rules`, with its `name` and `renamedFrom`, and with the names of `channels` and `jobs`. Needs
    /// the permission `administer`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    notification_rules: Vec<Map<String, Value>>,
    /// Remove what was applied under the same label and is in no entry. Backups are kept.
    #[serde(default)]
    prune: bool,
    /// The label of this configuration. Items belong to the configuration that has named them first.
    #[serde(default = "default_label")]
    #[schema(min_length = 1, max_length = 100, default = "dbackup apply")]
    managed_by: String,
}

fn default_label() -> String {
    "dbackup apply".to_owned()
}

/// What changes, or would change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigurationPlan {
    /// Whether anything is created, updated or deleted.
    has_changes: bool,
    /// An item each: entries in their order, then what is pruned.
    changes: Vec<Change>,
    /// What is right, and may not be meant.
    warnings: Vec<String>,
}

impl From<Plan> for ConfigurationPlan {
    fn from(Plan { changes, warnings, .. }: Plan) -> Self {
        Self { has_changes: changes.iter().any(|change| change.action != Action::Keep), changes, warnings }
    }
}

impl ConfigurationInput {
    pub(crate) fn read(self) -> Result<Wanted, Problem> {
        let mut fields = Fields::default();
        let refusal = super::super::names::refuse(&self.managed_by);
        fields.check("managedBy", refusal.is_none(), || refusal.unwrap_or_default());
        fields.finish()?;
        Ok(Wanted {
            sources: self.sources,
            destinations: self.destinations,
            profiles: self.profiles,
            retention_policies: self.retention_policies,
            jobs: self.jobs,
            channels: self.channels,
            notification_rules: self.notification_rules,
            prune: self.prune,
            owner: self.managed_by,
        })
    }
}

/// Checks a configuration and compares it with what the server has. Changes nothing.
#[utoipa::path(post, path = "/api/configuration/plan", tag = "configuration", request_body = ConfigurationInput,
    responses((status = 200, body = ConfigurationPlan)))]
pub(crate) async fn plan(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<ConfigurationInput>,
) -> Result<Json<ConfigurationPlan>, Problem> {
    Ok(Json(configuration::plan(&app, &caller, &input.read()?).await?.into()))
}

/// Makes the server what a configuration says: all of it, or nothing. Of two requests at once, the second waits.
#[utoipa::path(post, path = "/api/configuration", tag = "configuration", request_body = ConfigurationInput,
    responses((status = 200, body = ConfigurationPlan)))]
pub(crate) async fn apply(
    State(app): State<App>,
    caller: Caller,
    ClientAddress(address): ClientAddress,
    Body(input): Body<ConfigurationInput>,
) -> Result<Json<ConfigurationPlan>, Problem> {
    let wanted = input.read()?;
    Ok(Json(configuration::apply(&app, &caller, &address.to_string(), &wanted).await?.into()))
}
