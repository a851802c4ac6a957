//! Runs: each backup, restore and copy, as it is queued and listed. `leases.rs` has what workers do with them.

use domain::naming::job_folder;
use domain::outcome::RunStatus;
use domain::run::{Cause, DestinationProgress, FailureCode, RunKind, RunResult, RunSpec};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, Executor, Transaction, record, values};
use crate::values::{Moment, Value, json};
use crate::{Catalog, new_id, run_items, scans, sums};

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    /// UUID of version 7.
    pub id: String,
    /// What kind of work it is.
    pub kind: RunKind,
    /// The job of a backup. `None` for a restore and a copy, and if the job was deleted.
    pub job_id: Option<String>,
    /// The job's name when the run was queued, or what is restored or copied.
    pub title: String,
    /// The parameters of a restore or a copy. Of a backup that is made again, the databases that the interrupted run lacks.
    pub request: Option<Json>,
    /// What caused it.
    pub cause: Cause,
    /// The name of the user or API token that asked for it. `None` for a slot, and in runs of earlier versions.
    pub started_by: Option<String>,
    /// The scheduled time.
    pub slot: Option<Moment>,
    /// The state.
    pub state: RunStatus,
    /// How often it was started.
    pub attempt: i64,
    /// Whether a user requested cancellation.
    pub cancel_requested: bool,
    /// Bytes read from the database, or written to it.
    pub dumped_bytes: i64,
    /// Bytes after compression and encryption.
    pub stored_bytes: i64,
    /// Bytes that the slowest destination has acknowledged, or that were read from one.
    pub sent_bytes: i64,
    /// How far each destination is.
    pub destinations: Vec<DestinationProgress>,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// The same for programs. `None` in runs of earlier versions, too.
    pub code: Option<FailureCode>,
    /// What a tool, a server or a storage said, word for word.
    pub technical_details: Option<String>,
    /// The result, so far if the run has not ended.
    pub result: Option<RunResult>,
    /// When it was queued.
    pub created_at: Moment,
    /// When it was started.
    pub started_at: Option<Moment>,
    /// When it ended.
    pub finished_at: Option<Moment>,
}

/// A run that is queued.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// What to do.
    pub spec: RunSpec,
    /// See [`Run::job_id`].
    pub job_id: Option<String>,
    /// See [`Run::title`].
    pub title: String,
    /// See [`Run::cause`].
    pub cause: Cause,
    /// See [`Run::started_by`].
    pub started_by: Option<String>,
    /// See [`Run::slot`].
    pub slot: Option<Timestamp>,
    /// How often it was started before, under other ids.
    pub attempt: i64,
}

/// Which runs.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only of this job.
    pub job_id: Option<String>,
    /// Only in one of these states; in any if empty.
    pub states: Vec<RunStatus>,
    /// Only of this kind.
    pub kind: Option<RunKind>,
    /// Only those that were queued then or later.
    pub since: Option<Timestamp>,
    /// Only those that were queued earlier.
    pub until: Option<Timestamp>,
    /// Only those that read from this destination, or write to it.
    pub destination_id: Option<String>,
    /// Only restores of this job's backups, by its name.
    pub restored_job: Option<String>,
    /// In which order.
    pub order: RunOrder,
}

/// The order of a list of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// The destinations of a run are in its rows, in what was asked for, and in its plan: by their ids, which are in quotes there.
const AT_DESTINATION: &str = "(EXISTS (SELECT 1 FROM run_copies c WHERE c.run_id = runs.id AND c.destination_id = $$) \
                              OR request LIKE '%\"' || $$ || '\"%' OR plan LIKE '%\"' || $$ || '\"%')";

/// Restores of a job's backups.
const RESTORED: &str = "kind <> 'backup' AND kind = 'restore' AND request LIKE $$ ESCAPE '\\'";

record!(Run, "runs", {
    id,
    kind,
    job_id,
    title,
    request,
    cause,
    started_by,
    slot,
    state,
    attempt,
    cancel_requested,
    dumped_bytes,
    stored_bytes,
    sent_bytes,
    destinations,
    error,
    code,
    technical_details,
    result,
    created_at,
    started_at,
    finished_at
});

impl Run {
    /// Returns what it is to do.
    ///
    /// # Errors
    /// A clause that says what in it cannot be read.
    pub fn spec(&self) -> Result<RunSpec, String> {
        RunSpec::from_stored(self.kind, self.request.as_ref())
    }
}

impl Catalog {
    /// Queues a run and returns it.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`] if its job has one that has not ended, or its slot has fired.
    pub async fn queue_run(&self, new: &NewRun, now: Timestamp) -> Result<Run, Error> {
        let mut transaction = self.db.begin().await?;
        // What a run reads is not deleted meanwhile: a deletion begins under the same lock.
        for destination_id in new.spec.destination_ids() {
            scans::lock(&mut transaction, destination_id).await?;
        }
        let id = next_id(&mut transaction, now).await?;
        if insert(&mut transaction, &id, new, now).await? == 0 {
            return Err(Error::AlreadyRunning);
        }
        transaction.commit().await?;
        self.run(&id).await?.ok_or(Error::AlreadyRunning)
    }

    /// Queues a run that makes up for an interrupted one, and returns it. Returns `None` if how that one really ended has been recorded
    /// since.
    ///
    /// # Errors
    /// As [`Self::queue_run`].
    pub async fn queue_retry(&self, of: &str, new: &NewRun, now: Timestamp) -> Result<Option<Run>, Error> {
        let mut transaction = self.db.begin().await?;
        // Locks the row: a late end withdraws the retry, or prevents it.
        let unfinished = "UPDATE runs SET fence = fence WHERE id = $1 AND state IN ('interrupted', 'partial')";
        if sql::run(&mut transaction, unfinished, values![of]).await? == 0 {
            return Ok(None);
        }
        let id = next_id(&mut transaction, now).await?;
        if insert(&mut transaction, &id, new, now).await? == 0 {
            return Err(Error::AlreadyRunning);
        }
        sql::run(&mut transaction, "UPDATE runs SET retry_of = $2 WHERE id = $1", values![&id, of]).await?;
        transaction.commit().await?;
        self.run(&id).await
    }

    /// Returns the run with this id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn run(&self, id: &str) -> Result<Option<Run>, Error> {
        let mut run = sql::one(&self.db, &sql::select::<Run>("WHERE id = $1"), values![id]).await?;
        self.add_items(run.as_mut_slice()).await?;
        Ok(run)
    }

    /// Adds what is recorded per database to the results of these runs.
    pub(crate) async fn add_items(&self, runs: &mut [Run]) -> Result<(), Error> {
        let results = runs.iter_mut().filter_map(|run| Some((run.id.as_str(), run.result.as_mut()?)));
        run_items::fill(&self.db, results.collect()).await
    }

    /// Returns a page of runs.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn runs(&self, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>, Error> {
        let mut conditions = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        let (beyond, order) = match filter.order {
            RunOrder::Newest => ("id < $$", "DESC"),
            RunOrder::Oldest => ("id > $$", "ASC"),
        };
        let text = |text: Option<&str>| text.map(Value::from);
        for (condition, value) in [
            ("job_id = $$", text(filter.job_id.as_deref())),
            ("kind = $$", text(filter.kind.map(RunKind::as_str))),
            ("created_at >= $$", filter.since.map(Value::from)),
            ("created_at < $$", filter.until.map(Value::from)),
            (AT_DESTINATION, text(filter.destination_id.as_deref())),
            (RESTORED, filter.restored_job.as_ref().map(|job| Value::from(restored_from(job)))),
            (beyond, text(page.after.as_deref())),
        ] {
            let Some(value) = value else { continue };
            values.push(value);
            conditions.push(condition.replace("$$", &format!("${}", values.len())));
        }
        if !filter.states.is_empty() {
            let places = sql::placeholders(values.len() + 1, filter.states.len());
            values.extend(filter.states.iter().map(|state| Value::from(state.as_str())));
            conditions.push(format!("state IN ({places})"));
        }
        let which = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        values.push(page.probe().into());
        let text = sql::select::<Run>(&format!("{which} ORDER BY id {order} LIMIT ${}", values.len()));
        let mut page = Page::of(sql::all(&self.db, &text, values).await?, page);
        self.add_items(&mut page.items).await?;
        Ok(page)
    }

    /// Returns how many runs are in a state.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn count_runs(&self, state: RunStatus) -> Result<i64, Error> {
        let text = "SELECT COUNT(*) AS number FROM runs WHERE state = $1";
        Ok(sql::value(&self.db, text, values![state.as_str()]).await?.unwrap_or(0))
    }
}

/// Returns an id that sorts after those of all runs so far. A clock that was ahead for a while has left ids of the future: these are
/// followed, since the newest run has to be the one that was queued last.
pub(crate) async fn next_id(db: impl Executor, now: Timestamp) -> Result<String, Error> {
    let id = new_id(now);
    let text = "SELECT MAX(id) AS newest FROM runs";
    match sql::value::<Option<String>>(db, text, []).await?.flatten().filter(|newest| *newest >= id) {
        Some(newest) => Ok(new_id(time_of(&newest).unwrap_or(now) + SignedDuration::from_millis(1))),
        None => Ok(id),
    }
}

/// When an id was made: a UUID of version 7 begins with the milliseconds since 1970 (RFC 9562, section 5.7).
fn time_of(id: &str) -> Option<Timestamp> {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    Timestamp::from_millisecond(i64::from_str_radix(&digits, 16).ok()?).ok()
}

/// Returns 0 if the job has a run that has not ended, or the slot has fired.
pub(crate) async fn insert(
    transaction: &mut Transaction,
    id: &str,
    new: &NewRun,
    now: Timestamp,
) -> Result<u64, Error> {
    let day = sums::day(transaction, new.job_id.as_deref(), now).await?;
    let text = "INSERT INTO runs (id, kind, job_id, title, request, cause, slot, state, attempt, fence, cancel_requested, \
                dumped_bytes, stored_bytes, sent_bytes, created_at, started_by, day) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, 0, FALSE, 0, 0, 0, $9, $10, $11) ON CONFLICT DO NOTHING";
    let values = values![
        id,
        new.spec.kind().as_str(),
        &new.job_id,
        &new.title,
        new.spec.request().as_ref().map(json).transpose()?,
        new.cause.as_str(),
        new.slot,
        new.attempt,
        now,
        &new.started_by,
        day
    ];
    let inserted = sql::run(&mut *transaction, text, values).await?;
    if inserted > 0 {
        sums::note_run(transaction, id).await?;
    }
    Ok(inserted)
}

/// Returns a pattern for the requests of restores that read a file in a job's folder. `request` holds JSON.
pub(crate) fn restored_from(job: &str) -> String {
    let json = serde_json::Value::from(format!("{}/", job_folder(job))).to_string();
    let json = json.trim_end_matches('"').replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%\"path\":{json}%")
}
