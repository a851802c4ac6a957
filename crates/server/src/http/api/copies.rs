//! Copies of stored backups, from one destination to another.

use axum::extract::State;
use domain::run::{CopySpec, RunSpec};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::extract::Body;
use super::super::problem::{Fields, Problem};
use super::backups::check_backup;
use super::queue::{Queued, queue};
use super::runs::RunInfo;
use crate::app::App;
use crate::failure::Failure;
use crate::patience::Patience;

/// Which backup goes where.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CopyInput {
    /// Where it is.
    destination_id: String,
    /// The backup, as the list shows it; it gets the same path where it goes.
    #[schema(min_length = 1, max_length = 2000)]
    path: String,
    /// Where it goes.
    to_destination_id: String,
}

/// Begins to copy a backup with its sidecar, byte for byte, which is a run. What is there already, with the same content, stays.
#[utoipa::path(post, path = "/api/copies", tag = "backups", request_body = CopyInput, responses((status = 202, body = RunInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<CopyInput>,
) -> Result<Queued, Problem> {
    let CopyInput { destination_id, path, to_destination_id } = input;
    let mut fields = Fields::default();
    fields.check("path", !path.is_empty() && !path.chars().any(char::is_control), || {
        "must not be empty or hold control characters".to_owned()
    });
    fields.check("toDestinationId", destination_id != to_destination_id, || {
        "is where the backup is already: choose another destination".to_owned()
    });
    fields.finish()?;
    check_backup(&path)?;
    for id in [&destination_id, &to_destination_id] {
        app.gates.at_destination(id).await?;
    }
    let source = app.open_destination(&destination_id, Patience::Short).await?;
    let destination = app.open_destination(&to_destination_id, Patience::Short).await?;
    // That it is there, and its sidecar is one, is worth knowing before a run waits for its turn.
    let examined = runner::restore::examine(&*source, &path).await;
    if let Err(runner::OpenError::Destination(error)) = &examined {
        app.note_broken_grant(&destination_id, error).await;
    }
    examined.map_err(Failure::from)?;
    let title = format!("{path} to {}", destination.name());
    let requested_by = Some(caller.user.id.clone());
    let spec = CopySpec { destination_id, path, to_destination_id, requested_by, plan: None };
    queue(&app, &caller, title, RunSpec::Copy(spec)).await
}
