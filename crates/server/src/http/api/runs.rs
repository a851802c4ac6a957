//! Runs: how they went, how they are going.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use catalog::{LogLine, PageRequest, Run, RunFilter, RunOrder};
use domain::outcome::RunStatus;
use domain::run::{Cause, DestinationProgress, FailureCode, RunEvent, RunKind, RunResult, RunSpec};
use futures_util::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::{IntoParams, ToSchema};

use super::super::export::{ExportQuery, Exported};
use super::super::extract::{Id, Query};
use super::super::lists::{List, page};
use super::super::problem::{Problem, ProblemBody};
use super::super::time::Time;
use crate::app::App;
use crate::runs::StopReason;
use crate::runs::live::LiveEvent;

/// A run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Run)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunInfo {
    id: String,
    kind: RunKind,
    /// Absent for a restore and a copy, or if the job was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    /// The job's name, or what is restored or copied.
    title: String,
    cause: Cause,
    /// The name of the user or API token that asked for it. Absent for scheduled runs, and in runs of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_by: Option<String>,
    /// The scheduled time.
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<Time>,
    state: RunStatus,
    attempt: i64,
    /// Somebody wants it to stop.
    cancel_requested: bool,
    /// Bytes read from the database, or taken by the target of a restore.
    dumped_bytes: i64,
    /// Bytes after compression and encryption; of a copy, bytes read from its source.
    stored_bytes: i64,
    /// Bytes that the slowest destination that still takes part has acknowledged; of a restore, bytes that were read.
    sent_bytes: i64,
    /// How far each destination of a backup or a copy is.
    destinations: Vec<DestinationProgress>,
    /// Why it did not succeed, or not in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The same for programs; absent in runs of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<FailureCode>,
    /// What a tool, a server or a storage said, word for word.
    #[serde(skip_serializing_if = "Option::is_none")]
    technical_details: Option<String>,
    /// What a restore or a copy is about; of a backup that is made again, the `databases` that the interrupted run lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    request: Option<Value>,
    /// What came out of it, so far if it has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<RunResult>,
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Time>,
}

/// A line of a run's log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogLine)]
pub(crate) struct LogLineInfo {
    /// From 1, without gaps.
    number: i64,
    at: Time,
    /// `info`, `warning` or `error`.
    level: String,
    /// What happened, in words.
    message: String,
    /// The same as data; absent in lines of earlier versions. Later versions have further kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RunEvent>)]
    event: Option<Value>,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunQuery {
    /// Only of this job.
    job_id: Option<String>,
    /// Only in one of these states: `succeeded,succeededWithWarnings`, or repeated.
    #[param(value_type = Option<Vec<RunStatus>>, style = Form, explode = false)]
    state: Option<String>,
    /// Only of this kind.
    kind: Option<RunKind>,
    /// Only those that were queued at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only those that were queued before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Only those that read from this destination, or write to it.
    destination_id: Option<String>,
    /// Only restores of backups of the job with this name.
    restored_job: Option<String>,
    /// The newest first (`-createdAt`), or the oldest.
    #[serde(default)]
    #[param(inline)]
    sort: RunSort,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

/// The order of runs.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
pub(crate) enum RunSort {
    /// The newest first.
    #[default]
    #[serde(rename = "-createdAt")]
    Newest,
    /// The oldest first.
    #[serde(rename = "createdAt")]
    Oldest,
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// The number of the last line that is known already.
    #[serde(default)]
    #[param(minimum = 0)]
    after: i64,
}

/// Lines per answer.
const LINES: i64 = 1000;
/// Maximum number of failed reads in a row before a watcher is told that the metadata database does not answer.
const MAX_FAILED_READS: u32 = 5;
/// Another process may be at work on a run: its lines are looked for this often.
const LOOK: Duration = Duration::from_secs(2);

impl From<Run> for RunInfo {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            kind: run.kind,
            job_id: run.job_id,
            title: run.title,
            cause: run.cause,
            started_by: run.started_by,
            slot: run.slot.map(Time::from),
            state: run.state,
            attempt: run.attempt,
            cancel_requested: run.cancel_requested,
            dumped_bytes: run.dumped_bytes,
            stored_bytes: run.stored_bytes,
            sent_bytes: run.sent_bytes,
            destinations: run.destinations,
            error: run.error,
            code: run.code,
            technical_details: run.technical_details,
            request: run.request,
            result: run.result,
            created_at: run.created_at.into(),
            started_at: run.started_at.map(Time::from),
            finished_at: run.finished_at.map(Time::from),
        }
    }
}

impl From<LogLine> for LogLineInfo {
    fn from(line: LogLine) -> Self {
        Self { number: line.number, at: line.at.into(), level: line.level, message: line.message, event: line.event }
    }
}

fn gone() -> Problem {
    Problem::not_found("the run")
}

fn states(text: &str) -> Result<Vec<RunStatus>, Problem> {
    let states = text.split(',').take(RunStatus::ALL.len()).map(str::parse).collect::<Result<_, String>>();
    states.map_err(|message| Problem::invalid_field("state", message))
}

/// The columns of an export.
const COLUMNS: [&str; 15] = [
    "createdAt",
    "startedAt",
    "finishedAt",
    "kind",
    "state",
    "title",
    "cause",
    "attempt",
    "dumpedBytes",
    "storedBytes",
    "sentBytes",
    "code",
    "error",
    "jobId",
    "id",
];

/// The newest first, unless it is asked otherwise.
#[utoipa::path(get, path = "/api/runs", tag = "runs", params(RunQuery, ExportQuery), responses((status = 200, content(
    (List<RunInfo> = "application/json"), (String = "text/csv"), (String = "application/x-ndjson")))))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<RunQuery>,
    Query(export): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let request = page(query.cursor.as_deref(), query.limit)?;
    let states = query.state.as_deref().map(states).transpose()?.unwrap_or_default();
    let RunQuery { job_id, kind, since, until, destination_id, restored_job, sort, .. } = query;
    if destination_id.as_ref().is_some_and(|id| uuid::Uuid::parse_str(id).is_err()) {
        return Err(Problem::invalid_field("destinationId", "is not the id of a destination"));
    }
    let order = match sort {
        RunSort::Newest => RunOrder::Newest,
        RunSort::Oldest => RunOrder::Oldest,
    };
    let filter = RunFilter { job_id, states, kind, since, until, destination_id, restored_job, order };
    let read = move |request: PageRequest| {
        let (app, filter) = (app.clone(), filter.clone());
        async move { app.catalog.runs(&filter, &request).await }
    };
    let runs = Exported { name: "runs", columns: &COLUMNS, read, key: |run: &Run| run.id.clone(), show: RunInfo::from };
    runs.answer(&export, request).await
}

/// Which runs are counted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunCountQuery {
    /// Only of this job.
    job_id: Option<String>,
    /// Only of this kind.
    kind: Option<RunKind>,
}

/// How many runs are in each state.
#[utoipa::path(get, path = "/api/run-counts", tag = "runs", params(RunCountQuery),
    responses((status = 200, body = BTreeMap<String, i64>)))]
pub(crate) async fn counts(
    State(app): State<App>,
    Query(query): Query<RunCountQuery>,
) -> Result<Json<BTreeMap<String, i64>>, Problem> {
    let counts = app.catalog.run_counts(query.job_id.as_deref(), query.kind).await?;
    Ok(Json(counts.into_iter().map(|(state, runs)| (state.as_str().to_owned(), runs)).collect()))
}

/// One of them.
#[utoipa::path(get, path = "/api/runs/{id}", tag = "runs", params(("id" = String, Path)), responses((status = 200, body = RunInfo)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<RunInfo>, Problem> {
    Ok(Json(app.catalog.run(&id).await?.ok_or_else(gone)?.into()))
}

/// What a run does. It is complete once the run has started, as everything was then. Secrets are named, never shown.
#[utoipa::path(get, path = "/api/runs/{id}/spec", tag = "runs", params(("id" = String, Path)),
    responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn spec(State(app): State<App>, Id(id): Id) -> Result<Json<RunSpec>, Problem> {
    let run = app.catalog.run(&id).await?.ok_or_else(gone)?;
    Ok(Json(app.complete_spec(&run).await?))
}

/// Stops a run. What it has not finished leaves nothing behind. 409 `alreadyEnded` if it has ended.
#[utoipa::path(post, path = "/api/runs/{id}/cancel", tag = "runs", params(("id" = String, Path)), responses((status = 202, body = RunInfo)))]
pub(crate) async fn cancel(State(app): State<App>, Id(id): Id) -> Result<(StatusCode, Json<RunInfo>), Problem> {
    let run = app.catalog.cancel_run(&id, app.now()).await?.ok_or_else(gone)?;
    if let Some(active) = app.runs.active(&id) {
        active.stop(StopReason::Cancelled);
    }
    app.runs.tell(LiveEvent::State(Box::new(run.clone())));
    Ok((StatusCode::ACCEPTED, Json(run.into())))
}

/// The stored log, a thousand lines at a time.
#[utoipa::path(get, path = "/api/runs/{id}/log", tag = "runs", params(("id" = String, Path), LogQuery),
    responses((status = 200, body = List<LogLineInfo>)))]
pub(crate) async fn log(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<LogQuery>,
) -> Result<Json<List<LogLineInfo>>, Problem> {
    app.catalog.run(&id).await?.ok_or_else(gone)?;
    let lines = app.catalog.log_lines(&id, query.after, LINES).await?;
    Ok(Json(List { items: lines.into_iter().map(LogLineInfo::from).collect(), next_cursor: None }))
}

/// What happens, as it happens, until the run has ended: events `log` (with an id; go on with `Last-Event-ID`), `progress` and
/// `state`. Ends with the event `problem` (a Problem) if the run cannot be read any more.
#[utoipa::path(get, path = "/api/runs/{id}/events", tag = "runs",
    params(("id" = String, Path), ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came")),
    responses((status = 200, body = serde_json::Value, content_type = "text/event-stream")))]
pub(crate) async fn events(State(app): State<App>, Id(id): Id, headers: HeaderMap) -> Result<Response, Problem> {
    let live = app.runs.watch();
    app.catalog.run(&id).await?.ok_or_else(gone)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.trim().parse().ok()).unwrap_or(0);
    let watching = Watching { app, id, live, last, pending: Vec::new(), told: None, failed_reads: 0, ended: false };
    let events = stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok::<_, Infallible>(event), watching))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// A watcher of one run. What counts is what is stored; the live events only say that there is more, and soon.
struct Watching {
    app: App,
    id: String,
    live: Receiver<LiveEvent>,
    /// The number of the last line told.
    last: i64,
    pending: Vec<Event>,
    told: Option<RunStatus>,
    /// How often what is stored could not be read, in a row.
    failed_reads: u32,
    ended: bool,
}

impl Watching {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            self.read_stored().await;
            if self.pending.is_empty() && !self.ended {
                self.wait().await;
            }
        }
    }

    /// Fills `pending`, the next event last. While the metadata database does not answer, it is read again after a while; after
    /// [`MAX_FAILED_READS`] the watcher is told, and the stream ends.
    async fn read_stored(&mut self) {
        match self.read().await {
            Ok(events) => (self.pending, self.failed_reads) = (events, 0),
            Err(problem) if self.failed_reads < MAX_FAILED_READS && problem.status != StatusCode::NOT_FOUND => {
                self.failed_reads += 1;
            }
            Err(problem) => {
                self.ended = true;
                let event = Event::default().event("problem").json_data(ProblemBody::from(problem));
                self.pending.extend(event);
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<Event>, Problem> {
        // The state first: lines that come with its last change are stored before it.
        let run = self.app.catalog.run(&self.id).await?.ok_or_else(gone)?;
        let lines = self.app.catalog.log_lines(&self.id, self.last, LINES).await?;
        let more = lines.len() as i64 == LINES;
        let mut events = Vec::with_capacity(lines.len() + 1);
        for line in lines {
            self.last = line.number;
            let event = Event::default().event("log").id(line.number.to_string());
            events.push(event.json_data(LogLineInfo::from(line)).map_err(Problem::internal)?);
        }
        if !more && self.told != Some(run.state) {
            self.told = Some(run.state);
            self.ended = run.state.is_finished();
            events.push(Event::default().event("state").json_data(RunInfo::from(run)).map_err(Problem::internal)?);
        }
        events.reverse();
        Ok(events)
    }

    /// Until something happens to this run, or it is time to look.
    async fn wait(&mut self) {
        let deadline = tokio::time::Instant::now() + LOOK;
        loop {
            match tokio::time::timeout_at(deadline, self.live.recv()).await {
                Ok(Ok(event)) if event.run_id() != self.id => {}
                Ok(Ok(LiveEvent::Progress { progress, result, .. })) => {
                    let data = super::events::progress(&progress, result.as_deref());
                    if let Ok(event) = Event::default().event("progress").json_data(data) {
                        self.pending.push(event);
                    }
                    return;
                }
                Err(_) | Ok(Ok(_) | Err(RecvError::Lagged(_))) => return,
                Ok(Err(RecvError::Closed)) => {
                    self.ended = true;
                    return;
                }
            }
        }
    }
}
