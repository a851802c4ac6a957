//! Restores: look first, then go.

use axum::Json;
use axum::extract::State;
use domain::access::Permission;
use domain::run::{PutInPlaceSpec, RestoreSpec, RunSpec};
use runner::OpenRequest;
use runner::restore::{Examined, check_name, examine};
use serde::{Deserialize, Serialize};
use sources::{Contents, Finding, Severity, engine_of, of_ending};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::extract::Body;
use super::super::problem::{Fields, Problem};
use super::backups::SignatureName;
use super::queue::{Queued, queue};
use super::runs::RunInfo;
use crate::app::App;
use crate::failure::Failure;
use crate::patience::Patience;
use crate::redaction::redact;
use crate::runs::restore::{asked, options};

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
    /// The database to restore into; where databases are files, the absolute path of one. Absent: the source's own.
    #[schema(min_length = 1, max_length = 4096)]
    database: Option<String>,
    /// Replace a database that holds data.
    #[serde(default)]
    overwrite: bool,
    /// Skip ownership and privileges (capability `owners`): everything belongs to the restoring role.
    #[serde(default)]
    no_owner: bool,
    /// What to do about an object that cannot be restored.
    #[serde(default)]
    #[schema(default = "stop")]
    on_error: OnErrorInput,
    /// Load under the database's own name (capability `restoreInPlace`). What is there is moved aside meanwhile, and comes back if that fails.
    #[serde(default)]
    in_place: bool,
    /// Restore a damaged database nevertheless, with a warning (capability `damagedDatabases`).
    #[serde(default)]
    allow_damaged: bool,
    /// Restore an unencrypted backup although its job encrypts, or others in its folder are encrypted.
    #[serde(default)]
    allow_unencrypted: bool,
}

/// What to do about an object that cannot be restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = OnError)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnErrorInput {
    /// Fail; the target stays as it was.
    #[default]
    Stop,
    /// Restore everything else; the run is partial and lists the object.
    Continue,
}

/// A restored database that could not be put in its place, to be put there now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PutInPlaceInput {
    /// The server that it was restored into.
    source_id: String,
    /// The database that it replaces. Absent: the source's own.
    #[schema(min_length = 1, max_length = 4096)]
    database: Option<String>,
    /// Its present name: `kept` in the result of the run that restored it.
    #[schema(min_length = 1, max_length = 200)]
    kept: String,
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
    /// Who signed its sidecar; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureName>,
    /// What to know before the restore, the most severe first.
    findings: Vec<FindingInfo>,
}

/// Something to know before a restore.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Finding)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FindingInfo {
    severity: SeverityName,
    /// Stable identifier of the kind: `missing-role`.
    code: &'static str,
    message: String,
    /// Statements that cure it, to be run at the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<String>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = FindingSeverity)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SeverityName {
    /// The restore would fail, or fail for this object.
    Blocks,
    /// The restored database would differ, or a choice has to be made.
    Warns,
    /// Good to know.
    Informs,
}

impl From<Finding> for FindingInfo {
    fn from(Finding { severity, code, message, sql }: Finding) -> Self {
        let severity = match severity {
            Severity::Blocks => SeverityName::Blocks,
            Severity::Warns => SeverityName::Warns,
            Severity::Informs => SeverityName::Informs,
        };
        Self { severity, code, message: redact(&message), sql }
    }
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

/// Checks a name and, if there is one, a database.
fn check_texts(field: &str, text: &str, database: Option<&str>) -> Result<(), Problem> {
    let mut fields = Fields::default();
    let sound = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    let wrong = || "must not be empty or hold control characters".to_owned();
    fields.check(field, sound(text), wrong);
    fields.check("database", database.is_none_or(sound), wrong);
    fields.finish()
}

impl RestoreInput {
    fn check(&self) -> Result<(), Problem> {
        check_texts("path", &self.path, self.database.as_deref())?;
        super::backups::check_backup(&self.path).map(drop)
    }

    fn into_spec(self, caller: &Caller) -> RestoreSpec {
        let Self {
            destination_id,
            path,
            source_id,
            database,
            overwrite,
            no_owner,
            on_error,
            in_place,
            allow_damaged,
            allow_unencrypted,
        } = self;
        RestoreSpec {
            destination_id,
            path,
            source_id,
            database,
            overwrite,
            no_owner,
            continue_on_error: on_error == OnErrorInput::Continue,
            in_place,
            allow_damaged,
            allow_unencrypted,
            administers: caller.allows(Permission::Administer),
            requested_by: Some(caller.user.id.clone()),
            plan: None,
        }
    }
}

/// Refuses a backup of a source that this version does not know.
fn check_engine(app: &App, path: &str, examined: &Examined) -> Result<(), Failure> {
    let sources = &app.config.adapters.sources;
    let name = path.rsplit('/').next().and_then(domain::BackupName::parse);
    let Some(name) = name.filter(|name| of_ending(sources, &name.ending).is_none()) else { return Ok(()) };
    let source_type = examined.sidecar.sidecar().map(|sidecar| sidecar.source_type.as_str());
    Err(Failure::NoAdapter(engine_of(sources, &name, source_type)))
}

/// What is known without reading the backup.
async fn look(app: &App, input: &RestoreSpec) -> Result<RestorePreview, Failure> {
    let target = app.restore_target(asked(input)).await?.target;
    let destination = app.open_destination(&input.destination_id, Patience::Short).await?;
    let examined = examine(&*destination, &input.path).await?;
    check_engine(app, &input.path, &examined)?;
    check_name(&input.path, target.adapter())?;
    let contents = match target.contents().await? {
        Contents::Absent => TargetContents::Absent,
        Contents::Empty => TargetContents::Empty,
        Contents::Data => TargetContents::Data,
    };
    let expected = app.expected_origin(input).await?;
    let findings = runner::provenance::findings(&*destination, &input.path, &examined, expected).await;
    let findings = findings.map_err(Failure::Destination)?;
    Ok(RestorePreview {
        target: target.name(),
        contents,
        proved: examined.proved.is_some(),
        signature: examined.sidecar.signature().map(|signature| SignatureName::of(signature, app.signer.public_key())),
        findings: findings.into_iter().map(FindingInfo::from).collect(),
    })
}

/// Reads the beginning of the backup, and asks the target whether it has what the backup needs.
async fn findings(app: &App, request: &RestoreSpec) -> Result<Vec<FindingInfo>, Failure> {
    let destination = app.open_destination(&request.destination_id, Patience::Short).await?;
    let target = app.restore_target(asked(request)).await?.target;
    let open = OpenRequest { destination: &*destination, path: &request.path, identities: app.identities().await? };
    let found = runner::review(open, &*target, options(request)).await?;
    Ok(found.into_iter().map(FindingInfo::from).collect())
}

/// What a restore would find: is the backup the one that was made, what lies at the target, and what stands in the way.
#[utoipa::path(post, path = "/api/restores/preview", tag = "restores", request_body = RestoreInput,
    responses((status = 200, body = RestorePreview)))]
pub(crate) async fn preview(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<RestoreInput>,
) -> Result<Json<RestorePreview>, Problem> {
    input.check()?;
    let request = input.into_spec(&caller);
    app.gates.at_destination(&request.destination_id).await?;
    let mut preview = look(&app, &request).await?;
    preview.findings.extend(findings(&app, &request).await?);
    preview.findings.sort_by_key(|finding| finding.severity);
    Ok(Json(preview))
}

/// Begins a restore, which is a run. A target that holds data is refused unless it is to be overwritten.
#[utoipa::path(post, path = "/api/restores", tag = "restores", request_body = RestoreInput, responses((status = 202, body = RunInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<RestoreInput>,
) -> Result<Queued, Problem> {
    input.check()?;
    let request = input.into_spec(&caller);
    app.gates.at_destination(&request.destination_id).await?;
    let preview = look(&app, &request).await?;
    if matches!(preview.contents, TargetContents::Data) && !request.overwrite {
        return Err(Failure::Source(sources::Error::holds_data(preview.target)).into());
    }
    let destination = app.open_destination(&request.destination_id, Patience::Short).await?;
    let expected = app.expected_origin(&request).await?;
    runner::provenance::check_encryption(&*destination, &request.path, expected).await.map_err(Failure::from)?;
    let title = format!("{} into {}", request.path, preview.target);
    queue(&app, &caller, title, RunSpec::Restore(request)).await
}

/// Puts a restored database in its place, which is a run: a restore loaded and kept it, because it could not be put there then.
/// What has its name now is replaced.
#[utoipa::path(post, path = "/api/restores/put-in-place", tag = "restores", request_body = PutInPlaceInput,
    responses((status = 202, body = RunInfo)))]
pub(crate) async fn put_in_place(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<PutInPlaceInput>,
) -> Result<Queued, Problem> {
    let PutInPlaceInput { source_id, database, kept } = input;
    check_texts("kept", &kept, database.as_deref())?;
    let administers = caller.allows(Permission::Administer);
    let requested_by = Some(caller.user.id.clone());
    let request = PutInPlaceSpec { source_id, database, kept, administers, requested_by, plan: None };
    let target = app.put_in_place_target(&request).await?.target;
    let title = format!("{} into {}", request.kept, target.name());
    queue(&app, &caller, title, RunSpec::PutInPlace(request)).await
}
