//! Restores: look first, then go.

use std::path::{Component, Path};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use catalog::NewRun;
use domain::access::Permission;
use runner::restore::examine;
use serde::{Deserialize, Serialize};
use sources::Contents;
use utoipa::ToSchema;

use super::super::access::AuditDetail;
use super::super::caller::{Caller, Credential};
use super::super::extract::Body;
use super::super::problem::{Fields, Problem};
use super::runs::RunInfo;
use crate::app::App;
use crate::dropbox_clients::Patience;
use crate::failure::Failure;
use crate::runs::live::LiveEvent;
use crate::runs::restore::RestoreRequest;
use crate::settings::{SourceSettings, of_source};

/// Which backup goes where.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RestoreInput {
    destination_id: String,
    /// The backup, as the list shows it.
    #[schema(min_length = 1, max_length = 2000)]
    path: String,
    /// The server to restore into.
    source_id: String,
    /// The database to restore into; for SQLite, the absolute path of a file. Absent: the source's own.
    #[schema(min_length = 1, max_length = 4096)]
    database: Option<String>,
    /// Replace a database that holds data.
    #[serde(default)]
    overwrite: bool,
    /// Let everything belong to the restoring role (PostgreSQL).
    #[serde(default)]
    no_owner: bool,
}

/// What a restore would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RestorePreview {
    /// The target, in words.
    target: String,
    contents: TargetContents,
    /// Whether the backup has a sidecar, with which its hash agrees.
    proved: bool,
}

/// What lies at the target.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TargetContents {
    /// Nothing: it will be made.
    Absent,
    /// A database without anything of its own.
    Empty,
    /// A database that holds something: it is replaced only if that is asked for.
    Data,
}

impl RestoreInput {
    fn check(&self) -> Result<(), Problem> {
        let mut fields = Fields::default();
        let sound = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        fields.check("path", sound(&self.path), || "must not be empty or hold control characters".to_owned());
        let database = self.database.as_deref();
        fields.check("database", database.is_none_or(sound), || {
            "must not be empty or hold control characters".to_owned()
        });
        fields.finish()
    }
}

/// A file may be named anywhere only by whoever may configure sources; everybody else restores beside the source.
async fn check_place(app: &App, caller: &Caller, input: &RestoreInput) -> Result<(), Problem> {
    let Some(database) = input.database.as_deref().filter(|_| !caller.allows(Permission::Configure)) else {
        return Ok(());
    };
    let Some(source) = app.catalog.source(&input.source_id).await? else { return Ok(()) };
    let SourceSettings::Sqlite { path } = of_source(&source)? else { return Ok(()) };
    let (own, asked) = (Path::new(&path), Path::new(database));
    let plain = asked.components().all(|part| part != Component::ParentDir);
    if plain && asked.parent() == own.parent() {
        return Ok(());
    }
    Err(Problem::forbidden("without the permission 'configure' a file is restored into the folder of its source only"))
}

async fn look(app: &App, input: &RestoreInput) -> Result<RestorePreview, Failure> {
    let destination = app.open_destination(&input.destination_id, Patience::Short).await?;
    let target = app.open_source(&input.source_id, input.database.as_deref()).await?;
    let proved = examine(&*destination, &input.path).await?.is_proved;
    let name = input.path.rsplit('/').next().and_then(domain::BackupName::parse);
    if let Some(name) = name.filter(|name| name.format.engine() != target.engine()) {
        let found = format!("a {} dump", name.format.engine());
        let target = target.engine().to_string();
        return Err(runner::OpenError::WrongFormat { path: input.path.clone(), found, target }.into());
    }
    let contents = match target.contents().await? {
        Contents::Absent => TargetContents::Absent,
        Contents::Empty => TargetContents::Empty,
        Contents::Data => TargetContents::Data,
    };
    Ok(RestorePreview { target: target.name(), contents, proved })
}

/// What a restore would find: is the backup the one that was made, and what lies at the target.
#[utoipa::path(post, path = "/api/restores/preview", tag = "restores", request_body = RestoreInput,
    responses((status = 200, body = RestorePreview)))]
pub(crate) async fn preview(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<RestoreInput>,
) -> Result<Json<RestorePreview>, Problem> {
    input.check()?;
    check_place(&app, &caller, &input).await?;
    Ok(Json(look(&app, &input).await?))
}

/// Begins a restore, which is a run. A target that holds data is refused unless it is to be overwritten.
#[utoipa::path(post, path = "/api/restores", tag = "restores", request_body = RestoreInput, responses((status = 202, body = RunInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<RestoreInput>,
) -> Result<(StatusCode, axum::Extension<AuditDetail>, Json<RunInfo>), Problem> {
    input.check()?;
    check_place(&app, &caller, &input).await?;
    let preview = look(&app, &input).await?;
    if matches!(preview.contents, TargetContents::Data) && !input.overwrite {
        return Err(Failure::Source(sources::Error::HoldsData(preview.target)).into());
    }
    let title = format!("{} into {}", input.path, preview.target);
    let RestoreInput { destination_id, path, source_id, database, overwrite, no_owner } = input;
    let request = RestoreRequest { destination_id, path, source_id, database, overwrite, no_owner };
    let new = NewRun {
        kind: "restore",
        job_id: None,
        title: title.clone(),
        request: Some(serde_json::to_value(&request).map_err(Problem::internal)?),
        cause: if let Credential::Token(_) = caller.credential { "api" } else { "manual" },
        slot: None,
        attempt: 0,
    };
    let run = app.catalog.queue_run(&new, app.now()).await?;
    app.runs.tell(LiveEvent::State(Box::new(run.clone())));
    app.runs.changed.notify_one();
    Ok((StatusCode::ACCEPTED, axum::Extension(AuditDetail(title)), Json(run.into())))
}
