//! Jobs: what is backed up to where, how, and when.

use std::collections::{BTreeMap, HashSet};

use adapter::{Capability, Manifest};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use catalog::{Job, JobWithRun, NewJob, NewRun, Page};
use domain::Compression;
use domain::run::{BackupSpec, RunSpec};
use domain::schedule::Schedule;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::caller::Caller;
use super::super::edit::{Editable, MergePatch, Replacement};
use super::super::extract::{Body, Id, Query};
use super::super::lists::{List, NamedListQuery, list as answer};
use super::super::problem::{Fields, Problem};
use super::super::revision::{HasRevision, IfMatch, Revised};
use super::super::time::Time;
use super::queue::Accepted;
use super::runs::RunInfo;
use crate::app::App;
use crate::runs::live::LiveEvent;
use crate::runs::scheduler::schedule_error;

const MOST_DESTINATIONS: usize = 10;
const MOST_DATABASES: usize = 1000;
const SHORTEST_TIMEOUT: i64 = 60;
const LONGEST_TIMEOUT: i64 = 30 * 24 * 3600;
/// How many slots a preview shows.
const SLOTS: usize = 5;
/// Maximum number of acknowledged warnings of a job.
const MAX_ACKNOWLEDGED: usize = 200;
/// Maximum length of one, in characters.
const MAX_ENTRY_LEN: usize = 500;

/// When a job runs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScheduleInput {
    /// Five cron fields: minute, hour, day of month, month, day of week; or `@daily` and the like.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) cron: String,
    /// An IANA name: `Europe/Berlin`.
    #[serde(default = "utc")]
    #[schema(min_length = 1, max_length = 100, default = "UTC")]
    pub(crate) time_zone: String,
}

pub(crate) fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobInfo {
    id: String,
    name: String,
    source_id: String,
    /// Absent: all that the source has at the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    databases: Option<Vec<String>>,
    destination_ids: Vec<String>,
    /// The id of the retention policy at a destination, by the destination's id. Without one, every backup is kept there.
    retention: BTreeMap<String, String>,
    /// `zstd:3`, `gzip:6`, `none`.
    compression: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleInput>,
    /// Why the job does not run by its schedule, which this version of dbackup cannot read.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<i64>,
    enabled: bool,
    /// Warnings that do not make a run one with warnings: codes, or `code:subject`.
    acknowledged_warnings: Vec<String>,
    /// Whether a database with damaged pages is backed up nevertheless, with a warning (SQLite).
    allow_damaged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_run_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<RunInfo>,
    /// Counts the changes that users make, from 1. It is also the `ETag`.
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl HasRevision for JobInfo {
    fn revision(&self) -> i64 {
        self.revision
    }
}

/// A job that is added or changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct JobInput {
    /// Also the name of its folder at the destinations.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    pub(crate) source_id: String,
    /// Which databases; absent: all that the source has at the time.
    #[schema(min_items = 1, max_items = 1000)]
    pub(crate) databases: Option<Vec<String>>,
    #[schema(min_items = 1, max_items = 10)]
    pub(crate) destination_ids: Vec<String>,
    /// The id of the retention policy at a destination, by the destination's id. Without one, every backup is kept there.
    #[serde(default)]
    pub(crate) retention: BTreeMap<String, String>,
    /// `zstd`, `gzip` or `none`, with a level of 1 to 9: `zstd:3`.
    #[serde(default = "default_compression")]
    #[schema(default = "zstd:3")]
    pub(crate) compression: String,
    /// To whom it is encrypted; absent: to nobody.
    pub(crate) profile_id: Option<String>,
    /// Absent: only by hand.
    pub(crate) schedule: Option<ScheduleInput>,
    /// After so long a run is stopped; absent: never.
    #[schema(minimum = 60, maximum = 2592000)]
    pub(crate) timeout_seconds: Option<i64>,
    /// Whether the schedule counts.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(crate) enabled: bool,
    /// Warnings that do not make a run one with warnings: codes, or `code:subject`. Absent: as they are.
    #[schema(max_items = 200)]
    pub(crate) acknowledged_warnings: Option<Vec<String>>,
    /// Back up a database with damaged pages nevertheless, with a warning (SQLite).
    #[serde(default)]
    pub(crate) allow_damaged: bool,
}

impl Editable for JobInput {
    const READ_ONLY: &'static [&'static str] =
        &["id", "scheduleError", "nextRunAt", "lastRun", "revision", "createdAt", "updatedAt"];
}

/// The fields of a job that change; those that are absent stay, those that are `null` are removed.
#[derive(Debug, ToSchema)]
pub(crate) struct JobPatch {}

/// A warning that a job's runs shall not count.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcknowledgeInput {
    /// The warning's code, or `code:subject`.
    #[schema(min_length = 1, max_length = 500)]
    warning: String,
}

pub(crate) fn default_compression() -> String {
    Compression::default().to_string()
}

/// The next slots of a schedule.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviewQuery {
    cron: String,
    #[serde(default = "utc")]
    time_zone: String,
}

fn show_job(JobWithRun { job, last_run }: JobWithRun) -> JobInfo {
    let Job { cron, time_zone, .. } = job;
    JobInfo {
        id: job.id,
        name: job.name,
        source_id: job.source_id,
        databases: job.databases,
        destination_ids: job.destination_ids,
        retention: job.retention,
        compression: job.compression.to_string(),
        profile_id: job.profile_id,
        schedule_error: schedule_error(cron.as_deref(), &time_zone),
        schedule: cron.map(|cron| ScheduleInput { cron, time_zone }),
        timeout_seconds: job.timeout_seconds,
        enabled: job.enabled,
        acknowledged_warnings: job.acknowledged_warnings,
        allow_damaged: job.allow_damaged,
        next_run_at: job.next_run_at.map(Time::from),
        last_run: last_run.map(RunInfo::from),
        revision: job.revision,
        created_at: job.created_at.into(),
        updated_at: job.updated_at.into(),
    }
}

fn gone() -> Problem {
    Problem::not_found("the job")
}

/// What a job refers to.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// The adapter of its source; `None` if there is no such source.
    pub(crate) source: Option<&'static Manifest>,
    /// The ids of its destinations, those that exist.
    pub(crate) destinations: HashSet<String>,
    /// Whether its profile exists.
    pub(crate) has_profile: bool,
    /// The ids of its retention policies, those that exist.
    pub(crate) policies: HashSet<String>,
}

impl References {
    async fn of(app: &App, input: &JobInput) -> Result<Self, Problem> {
        let source = app.catalog.source(&input.source_id).await?;
        let source = source.map(|source| app.source_settings(&source)).transpose()?;
        let mut destinations = HashSet::new();
        for id in input.destination_ids.iter().take(MOST_DESTINATIONS) {
            destinations.extend(app.catalog.destination(id).await?.map(|destination| destination.id));
        }
        let has_profile = match &input.profile_id {
            Some(id) => app.catalog.profile(id).await?.is_some(),
            None => false,
        };
        let mut policies = HashSet::new();
        for id in input.retention.values().take(MOST_DESTINATIONS) {
            policies.extend(app.catalog.retention_policy(id).await?.map(|policy| policy.id));
        }
        Ok(Self { source: source.map(|source| source.manifest()), destinations, has_profile, policies })
    }
}

async fn check(app: &App, input: JobInput) -> Result<NewJob, Problem> {
    let references = References::of(app, &input).await?;
    check_with(app, input, &references)
}

/// Checks a job whose references are known.
pub(crate) fn check_with(app: &App, input: JobInput, references: &References) -> Result<NewJob, Problem> {
    let mut fields = Fields::default();
    fields.check_name(&input.name);
    let count = input.destination_ids.len();
    fields.check("destinationIds", count > 0, || "Choose at least one destination".to_owned());
    fields.check("destinationIds", count <= MOST_DESTINATIONS, || {
        format!("Choose at most {MOST_DESTINATIONS} destinations")
    });
    let unique: HashSet<&String> = input.destination_ids.iter().collect();
    fields.check("destinationIds", unique.len() == count, || "names one twice".to_owned());
    let compression = input.compression.parse::<Compression>();
    fields.check("compression", compression.is_ok(), || {
        "write zstd, gzip or none, with a level of 1 to 9: zstd:3".to_owned()
    });
    let timeout = input.timeout_seconds;
    fields.check(
        "timeoutSeconds",
        timeout.is_none_or(|seconds| (SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&seconds)),
        || format!("must be {SHORTEST_TIMEOUT} to {LONGEST_TIMEOUT}"),
    );
    let schedule = input.schedule.as_ref().map(parse_schedule).transpose();
    if let Err((field, message)) = &schedule {
        fields.check(&format!("schedule.{field}"), false, || message.clone());
    }
    if let Some(entries) = &input.acknowledged_warnings {
        check_acknowledged(&mut fields, "acknowledgedWarnings", entries);
    }
    check_references(&input, references, &mut fields);
    fields.finish()?;
    let schedule = schedule.ok().flatten();
    let next_run_at = schedule.as_ref().filter(|_| input.enabled).and_then(|schedule| schedule.next_after(app.now()));
    let (cron, time_zone) =
        input.schedule.map_or_else(|| (None, utc()), |schedule| (Some(schedule.cron), schedule.time_zone));
    Ok(NewJob {
        name: input.name,
        source_id: input.source_id,
        databases: input.databases,
        destination_ids: input.destination_ids,
        retention: input.retention,
        compression: compression.unwrap_or_default(),
        profile_id: input.profile_id,
        cron,
        time_zone,
        timeout_seconds: input.timeout_seconds,
        enabled: input.enabled,
        acknowledged_warnings: input.acknowledged_warnings,
        allow_damaged: input.allow_damaged,
        next_run_at,
    })
}

fn check_acknowledged(fields: &mut Fields, field: &str, entries: &[String]) {
    fields.check(field, entries.len() <= MAX_ACKNOWLEDGED, || format!("takes at most {MAX_ACKNOWLEDGED} entries"));
    let sound = |entry: &String| {
        !entry.trim().is_empty() && entry.chars().count() <= MAX_ENTRY_LEN && !entry.chars().any(char::is_control)
    };
    fields.check(field, entries.iter().all(sound), || {
        format!("takes codes, or code:subject, of at most {MAX_ENTRY_LEN} characters")
    });
}

fn check_references(input: &JobInput, references: &References, fields: &mut Fields) {
    let missing = || "does not exist: choose another one".to_owned();
    fields.check("sourceId", references.source.is_some(), || match input.source_id.is_empty() {
        true => "Choose a source".to_owned(),
        false => missing(),
    });
    if let (Some(source), Some(databases)) = (references.source, &input.databases) {
        let several = source.can(Capability::Databases);
        fields.check("databases", several, || "cannot be chosen: this source is one database".to_owned());
        fields.check("databases", !databases.is_empty(), || {
            "Choose at least one database, or leave it out for all".to_owned()
        });
        fields.check("databases", databases.len() <= MOST_DATABASES, || {
            format!("Choose at most {MOST_DATABASES} databases, or leave it out for all")
        });
        let sound =
            databases.iter().all(|name| !name.is_empty() && name.len() <= 200 && !name.chars().any(char::is_control));
        fields.check("databases", sound, || "holds an empty or impossible name".to_owned());
        let unique: HashSet<&String> = databases.iter().collect();
        fields.check("databases", unique.len() == databases.len(), || "names one twice".to_owned());
    }
    for (index, id) in input.destination_ids.iter().take(MOST_DESTINATIONS).enumerate() {
        let found = references.destinations.contains(id);
        fields.check(&format!("destinationIds[{index}]"), found, missing);
    }
    for (destination, policy) in &input.retention {
        let field = format!("retention.{destination}");
        fields.check(&field, input.destination_ids.contains(destination), || {
            "is not a destination of this job".to_owned()
        });
        fields.check(&field, references.policies.contains(policy), missing);
    }
    fields.check("profileId", input.profile_id.is_none() || references.has_profile, missing);
}

fn parse_schedule(input: &ScheduleInput) -> Result<Schedule, (&'static str, String)> {
    Schedule::parse(&input.cron, &input.time_zone).map_err(|error| (error.field(), error.to_string()))
}

/// By name, each with its newest run.
#[utoipa::path(get, path = "/api/jobs", tag = "jobs", params(NamedListQuery), responses((status = 200, body = List<JobInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<NamedListQuery>,
) -> Result<Json<List<JobInfo>>, Problem> {
    let request = query.page()?;
    let page = match &query.name {
        Some(name) => Page::of_one(app.catalog.job_by_name(name).await?),
        None => app.catalog.jobs(&request).await?,
    };
    Ok(answer(page, |job| job.job.name.clone(), show_job))
}

/// Adds one.
#[utoipa::path(post, path = "/api/jobs", tag = "jobs", request_body = JobInput, responses((status = 201, body = JobInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    Body(input): Body<JobInput>,
) -> Result<(StatusCode, Revised<JobInfo>), Problem> {
    let job = app.catalog.create_job(&check(&app, input).await?, app.now()).await?;
    Ok((StatusCode::CREATED, Revised(show_job(JobWithRun { job, last_run: None }))))
}

/// One of them.
#[utoipa::path(get, path = "/api/jobs/{id}", tag = "jobs", params(("id" = String, Path)), responses((status = 200, body = JobInfo)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Revised<JobInfo>, Problem> {
    Ok(Revised(show_job(app.catalog.job_with_run(&id).await?.ok_or_else(gone)?)))
}

/// Replaces one. Read-only fields are ignored. A run that is going on is not concerned.
#[utoipa::path(put, path = "/api/jobs/{id}", tag = "jobs", params(("id" = String, Path), IfMatch), request_body = JobInput,
    responses((status = 200, body = JobInfo)))]
pub(crate) async fn update(
    State(app): State<App>,
    Id(id): Id,
    if_match: IfMatch,
    Replacement(input): Replacement<JobInput>,
) -> Result<Revised<JobInfo>, Problem> {
    let before = app.catalog.job(&id).await?.ok_or_else(gone)?;
    save(&app, &before, &if_match, input).await
}

/// Changes some fields of one, by a merge patch (RFC 7396): `{"enabled": false}` pauses it. A run that is going on is not concerned.
#[utoipa::path(patch, path = "/api/jobs/{id}", tag = "jobs", params(("id" = String, Path), IfMatch),
    request_body(content = JobPatch, content_type = "application/merge-patch+json"), responses((status = 200, body = JobInfo)))]
pub(crate) async fn change(
    State(app): State<App>,
    Id(id): Id,
    if_match: IfMatch,
    patch: MergePatch,
) -> Result<Revised<JobInfo>, Problem> {
    let before = app.catalog.job(&id).await?.ok_or_else(gone)?;
    let mut input: JobInput = patch.apply(&show_job(JobWithRun { job: before.clone(), last_run: None }))?;
    // Absent means "as they are" only where nothing was merged.
    input.acknowledged_warnings.get_or_insert_default();
    save(&app, &before, &if_match, input).await
}

async fn save(app: &App, before: &Job, if_match: &IfMatch, input: JobInput) -> Result<Revised<JobInfo>, Problem> {
    if_match.check(before.revision)?;
    let new = check(app, input).await?;
    let saved = app.catalog.update_job(&before.id, before.revision, &new, app.now()).await;
    saved.map_err(|error| if_match.refusal(error))?.ok_or_else(gone)?;
    Ok(Revised(show_job(app.catalog.job_with_run(&before.id).await?.ok_or_else(gone)?)))
}

/// Removes one. Its runs and its backups stay.
#[utoipa::path(delete, path = "/api/jobs/{id}", tag = "jobs", params(("id" = String, Path), IfMatch), responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Id(id): Id, if_match: IfMatch) -> Result<StatusCode, Problem> {
    let JobWithRun { job, last_run } = app.catalog.job_with_run(&id).await?.ok_or_else(gone)?;
    if_match.check(job.revision)?;
    if let Some(run) = last_run.filter(|run| !run.state.is_finished()) {
        let words = "the job is running: cancel the run, or wait for its end";
        return Err(Problem::conflict("alreadyRunning", words).with_run(run.id));
    }
    let deleted = app.catalog.delete_job(&id, job.revision).await.map_err(|error| if_match.refusal(error))?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(gone()) }
}

/// Runs it now. 409 `alreadyRunning` with the `runId` if it runs already.
#[utoipa::path(post, path = "/api/jobs/{id}/run", tag = "jobs", params(("id" = String, Path)), responses((status = 202, body = RunInfo)))]
pub(crate) async fn run(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Accepted, Problem> {
    let job = app.catalog.job(&id).await?.ok_or_else(gone)?;
    let new = NewRun {
        spec: RunSpec::Backup(BackupSpec::default()),
        job_id: Some(job.id),
        title: job.name,
        cause: super::queue::cause(&caller),
        slot: None,
        attempt: 0,
    };
    let run = match app.catalog.queue_run(&new, app.now()).await {
        Err(error @ catalog::Error::AlreadyRunning) => {
            let newest = app.catalog.job_with_run(&id).await?.and_then(|job| job.last_run);
            let in_the_way = newest.filter(|run| !run.state.is_finished());
            let problem = Problem::from(error);
            return Err(in_the_way.into_iter().fold(problem, |problem, run| problem.with_run(run.id)));
        }
        queued => queued?,
    };
    app.runs.tell(LiveEvent::State(Box::new(run.clone())));
    app.runs.changed.notify_one();
    Ok(super::queue::accepted(run))
}

/// Acknowledges a warning: it stays listed, and does not count any more, from the next run on.
#[utoipa::path(post, path = "/api/jobs/{id}/acknowledge", tag = "jobs", params(("id" = String, Path)),
    request_body = AcknowledgeInput, responses((status = 200, body = JobInfo)))]
pub(crate) async fn acknowledge(
    State(app): State<App>,
    Id(id): Id,
    Body(AcknowledgeInput { warning }): Body<AcknowledgeInput>,
) -> Result<Revised<JobInfo>, Problem> {
    let mut entries = app.catalog.job(&id).await?.ok_or_else(gone)?.acknowledged_warnings;
    entries.push(warning.clone());
    let mut fields = Fields::default();
    check_acknowledged(&mut fields, "warning", &entries);
    fields.finish()?;
    app.catalog.acknowledge_warning(&id, &warning).await?.ok_or_else(gone)?;
    Ok(Revised(show_job(app.catalog.job_with_run(&id).await?.ok_or_else(gone)?)))
}

/// The next five slots of a schedule, before it is kept.
#[utoipa::path(get, path = "/api/schedule", tag = "jobs", params(PreviewQuery), responses((status = 200, body = List<Time>)))]
pub(crate) async fn preview_schedule(
    State(app): State<App>,
    Query(query): Query<PreviewQuery>,
) -> Result<Json<List<Time>>, Problem> {
    let schedule = parse_schedule(&ScheduleInput { cron: query.cron, time_zone: query.time_zone });
    let schedule = schedule.map_err(|(field, message)| Problem::invalid_field(field, message))?;
    let items = schedule.upcoming(app.now(), SLOTS).into_iter().map(Time::from).collect();
    Ok(Json(List { items, next_cursor: None }))
}
