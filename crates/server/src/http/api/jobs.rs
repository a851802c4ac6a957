//! Jobs: what is backed up to where, how, and when.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use catalog::{Job, JobEntry, NewRun, Page};
use domain::run::{BackupSpec, RunSpec};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::edit::Edit;
use super::super::extract::{Body, Id, Query};
use super::super::lists::{List, list as answer};
use super::super::problem::{Fields, Problem};
use super::super::revision::{IfMatch, Revised};
use super::super::time::Time;
use super::job_info::{JobInfo, LastRestore, show_job};
use super::job_input::{JobInput, JobPatch, ScheduleInput, check, check_acknowledged, parse_schedule};
use super::job_query::{DaysQuery, JobQuery, PreviewQuery};
use super::queue::Accepted;
use super::runs::RunInfo;
use crate::app::App;
use crate::runs::live::LiveEvent;

/// How many slots a preview shows.
const SLOTS: usize = 5;

/// A warning that a job's runs shall not count.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcknowledgeInput {
    /// The warning's code, or `code:subject`.
    #[schema(min_length = 1, max_length = 500)]
    warning: String,
}

fn gone() -> Problem {
    Problem::not_found("the job")
}

/// A page of jobs, each with its newest run and how it stands.
#[utoipa::path(get, path = "/api/jobs", tag = "jobs", params(JobQuery), responses((status = 200, body = List<JobInfo>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<JobQuery>,
) -> Result<Json<List<JobInfo>>, Problem> {
    let (request, days, filter) = (query.page()?, query.days()?, query.filter()?);
    let order = filter.order;
    let found = match &query.name {
        Some(name) => Page::of_one(app.catalog.job_by_name(name).await?),
        None => app.catalog.job_list(&filter, &request).await?,
    };
    let strips = match days {
        Some(days) => {
            let jobs: Vec<&Job> = found.items.iter().map(|entry| &entry.job).collect();
            app.strips(&jobs, days, true).await?
        }
        None => Vec::new(),
    };
    let mut strips = strips.into_iter();
    Ok(answer(
        found,
        |entry| entry.place(order),
        |entry| {
            let shown = show_job(entry);
            match strips.next() {
                Some(strip) => shown.with_days(strip),
                None => shown,
            }
        },
    ))
}

async fn read(app: &App, id: &str) -> Result<JobEntry, Problem> {
    app.catalog.job_entry(id).await?.ok_or_else(gone)
}

/// Adds one.
#[utoipa::path(post, path = "/api/jobs", tag = "jobs", request_body = JobInput, responses((status = 201, body = JobInfo)))]
pub(crate) async fn create(
    State(app): State<App>,
    Body(input): Body<JobInput>,
) -> Result<(StatusCode, Revised<JobInfo>), Problem> {
    let job = app.catalog.create_job(&check(&app, input).await?, app.now()).await?;
    let shown = show(State(app), Id(job.id), Query(DaysQuery::default())).await?;
    Ok((StatusCode::CREATED, shown))
}

/// One of them, with its days if asked for, and when one of its backups was last restored and verified.
#[utoipa::path(get, path = "/api/jobs/{id}", tag = "jobs", params(("id" = String, Path), DaysQuery), responses((status = 200, body = JobInfo)))]
pub(crate) async fn show(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<DaysQuery>,
) -> Result<Revised<JobInfo>, Problem> {
    let days = query.days()?;
    let entry = read(&app, &id).await?;
    let restore = app.catalog.last_restore(&entry.job.name).await?;
    let restore = restore.map(|run| LastRestore {
        at: run.finished_at.or(run.started_at).unwrap_or(run.created_at).into(),
        run_id: run.id,
        state: run.state,
    });
    let verified_at = app.catalog.last_verified(&entry.job.name).await?.map(Time::from);
    let strip = match days {
        Some(days) => app.strips(&[&entry.job], days, false).await?.pop(),
        None => None,
    };
    let shown = show_job(entry).with_proof(restore, verified_at);
    Ok(Revised(match strip {
        Some(strip) => shown.with_days(strip),
        None => shown,
    }))
}

/// Replaces one. Read-only fields are ignored. A run that is going on is not concerned.
#[utoipa::path(put, path = "/api/jobs/{id}", tag = "jobs", params(("id" = String, Path), IfMatch), request_body = JobInput,
    responses((status = 200, body = JobInfo)))]
pub(crate) async fn update(
    State(app): State<App>,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<JobInput>,
) -> Result<Revised<JobInfo>, Problem> {
    let before = read(&app, &id).await?;
    let revision = before.job.revision;
    if_match.check(revision)?;
    let new = check(&app, edit.of(&show_job(before))?).await?;
    let saved = app.catalog.update_job(&id, revision, &new, app.now()).await;
    saved.map_err(|error| if_match.refusal(error))?.ok_or_else(gone)?;
    show(State(app), Id(id), Query(DaysQuery::default())).await
}

/// Changes some fields of one, by a merge patch (RFC 7396): `{"enabled": false}` pauses it. A run that is going on is not concerned.
#[utoipa::path(patch, path = "/api/jobs/{id}", tag = "jobs", params(("id" = String, Path), IfMatch),
    request_body(content = JobPatch, content_type = "application/merge-patch+json"), responses((status = 200, body = JobInfo)))]
pub(crate) async fn change(
    State(app): State<App>,
    Id(id): Id,
    if_match: IfMatch,
    edit: Edit<JobInput>,
) -> Result<Revised<JobInfo>, Problem> {
    update(State(app), Id(id), if_match, edit).await
}

/// Removes one. Its runs and its backups stay.
#[utoipa::path(delete, path = "/api/jobs/{id}", tag = "jobs", params(("id" = String, Path), IfMatch), responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Id(id): Id, if_match: IfMatch) -> Result<StatusCode, Problem> {
    let JobEntry { job, last_run, .. } = read(&app, &id).await?;
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
        started_by: Some(caller.name()),
        slot: None,
        attempt: 0,
    };
    let run = match app.catalog.queue_run(&new, app.now()).await {
        Err(error @ catalog::Error::AlreadyRunning) => {
            let newest = app.catalog.job_entry(&id).await?.and_then(|job| job.last_run);
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
    Ok(Revised(show_job(read(&app, &id).await?)))
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
