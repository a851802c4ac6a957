//! Runs: each backup and each restore, from the queue to its end.
//!
//! A run that is going on has a worker, a lease that the worker renews, and a fence that grows with every change of hands:
//! whoever comes with an older fence has lost the run and changes nothing any more. Leases are by the database's clock, which is
//! one for all servers, whatever their own say.

use domain::outcome::RunStatus;
use jiff::{SignedDuration, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::columns::{JsonText, Moment, json, milliseconds};
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::sql::{self, values};
use crate::{Catalog, new_id};

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    /// UUID of version 7.
    pub id: String,
    /// `backup`, `restore` or `copy`.
    pub kind: String,
    /// The job of a backup; none for a restore and a copy, or if the job was deleted.
    pub job_id: Option<String>,
    /// What to call it: the job's name at that time, or what is restored or copied.
    pub title: String,
    /// What a restore or a copy is about.
    pub request: Option<Json>,
    /// What caused it: `manual`, `schedule`, `api`, `retry`.
    pub cause: String,
    /// The scheduled time that it is for.
    pub slot: Option<Moment>,
    /// How far it is.
    pub state: RunStatus,
    /// How often it was begun.
    pub attempt: i64,
    /// Whether somebody wants it to stop.
    pub cancel_requested: bool,
    /// Bytes out of the database, or into it.
    pub dumped_bytes: i64,
    /// Bytes after compression and encryption.
    pub stored_bytes: i64,
    /// Bytes that the destinations have taken, or that were read.
    pub sent_bytes: i64,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// What came out of it, so far if it has not ended.
    pub result: Option<Json>,
    /// When it was queued.
    pub created_at: Moment,
    /// When it began.
    pub started_at: Option<Moment>,
    /// When it ended.
    pub finished_at: Option<Moment>,
}

/// A run that is queued.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// See [`Run::kind`].
    pub kind: &'static str,
    /// See [`Run::job_id`].
    pub job_id: Option<String>,
    /// See [`Run::title`].
    pub title: String,
    /// See [`Run::request`].
    pub request: Option<Json>,
    /// See [`Run::cause`].
    pub cause: &'static str,
    /// See [`Run::slot`].
    pub slot: Option<Timestamp>,
    /// How often it was begun already, under other ids.
    pub attempt: i64,
}

/// A run that a worker has got hold of.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The run.
    pub run: Run,
    /// To be shown with every change.
    pub fence: i64,
}

/// How a run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunEnd {
    /// Its last state.
    pub state: RunStatus,
    /// See [`Run::error`].
    pub error: Option<String>,
    /// See [`Run::result`]; none leaves what was noted.
    pub result: Option<Json>,
    /// Bytes: dumped, stored, sent.
    pub bytes: [i64; 3],
}

/// Which runs.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only of this job.
    pub job_id: Option<String>,
    /// Only in one of these states; in any if empty.
    pub states: Vec<RunStatus>,
    /// Only of this kind.
    pub kind: Option<String>,
}

impl FromQueryResult for Run {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let state: String = row.try_get(prefix, "state")?;
        let request: Option<JsonText<Json>> = row.try_get(prefix, "request")?;
        let result: Option<JsonText<Json>> = row.try_get(prefix, "result")?;
        Ok(Self {
            id: row.try_get(prefix, "id")?,
            kind: row.try_get(prefix, "kind")?,
            job_id: row.try_get(prefix, "job_id")?,
            title: row.try_get(prefix, "title")?,
            request: request.map(|JsonText(request)| request),
            cause: row.try_get(prefix, "cause")?,
            slot: row.try_get(prefix, "slot")?,
            state: state.parse().map_err(DbErr::Type)?,
            attempt: row.try_get(prefix, "attempt")?,
            cancel_requested: row.try_get(prefix, "cancel_requested")?,
            dumped_bytes: row.try_get(prefix, "dumped_bytes")?,
            stored_bytes: row.try_get(prefix, "stored_bytes")?,
            sent_bytes: row.try_get(prefix, "sent_bytes")?,
            error: row.try_get(prefix, "error")?,
            result: result.map(|JsonText(result)| result),
            created_at: row.try_get(prefix, "created_at")?,
            started_at: row.try_get(prefix, "started_at")?,
            finished_at: row.try_get(prefix, "finished_at")?,
        })
    }
}

#[derive(FromQueryResult)]
struct Fence {
    fence: i64,
}

const COLUMNS: [&str; 18] = [
    "id",
    "kind",
    "job_id",
    "title",
    "request",
    "cause",
    "slot",
    "state",
    "attempt",
    "cancel_requested",
    "dumped_bytes",
    "stored_bytes",
    "sent_bytes",
    "error",
    "result",
    "created_at",
    "started_at",
    "finished_at",
];

/// The columns of a run, of the table that goes by `alias`.
pub(crate) fn columns_of(alias: &str) -> String {
    COLUMNS.map(|column| format!("{alias}.{column}")).join(", ")
}

impl Catalog {
    /// Queues a run.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`] if its job has one that has not ended, or its slot has fired.
    pub async fn queue_run(&self, new: &NewRun, now: Timestamp) -> Result<Run, Error> {
        let id = new_id(now);
        if insert(&self.db, &id, new, now).await? == 0 {
            return Err(Error::AlreadyRunning);
        }
        self.run(&id).await?.ok_or(Error::AlreadyRunning)
    }

    /// Queues the run of a slot, and moves the job on to its next one. None if somebody else has done that; if the job was still
    /// running, the slot passes without a run, and the result is the run that was in the way.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn fire_slot(
        &self,
        job_id: &str,
        title: &str,
        slot: Timestamp,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Result<Run, Run>>, Error> {
        let transaction = sql::begin(&self.db).await?;
        let text = "UPDATE jobs SET next_run_at = $3 WHERE id = $1 AND next_run_at = $2 AND enabled";
        let moved = sql::run(&transaction, text, values![job_id, Moment(slot), milliseconds(next)]).await?;
        if moved == 0 {
            return Ok(None);
        }
        let new = NewRun {
            kind: "backup",
            job_id: Some(job_id.to_owned()),
            title: title.to_owned(),
            request: None,
            cause: "schedule",
            slot: Some(slot),
            attempt: 0,
        };
        let id = new_id(now);
        let queued = insert(&transaction, &id, &new, now).await?;
        transaction.commit().await?;
        if queued > 0 {
            return Ok(self.run(&id).await?.map(Ok));
        }
        let text = format!("SELECT {} FROM runs r WHERE r.job_id = $1 ORDER BY r.id DESC LIMIT 1", columns_of("r"));
        Ok(sql::one(&self.db, &text, values![job_id]).await?.map(Err))
    }

    /// Claims the run that has waited longest, under a lease. Returns `None` if the queue is empty.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn claim_run(&self, worker: &str, now: Timestamp, lease: SignedDuration) -> Result<Option<Claim>, Error> {
        #[derive(FromQueryResult)]
        struct Claimed {
            id: String,
            fence: i64,
        }
        let clock = sql::clock(&self.db);
        let text = format!(
            "UPDATE runs SET state = 'running', attempt = attempt + 1, fence = fence + 1, worker = $1, \
             started_at = $2, lease_until = {clock} + $3 \
             WHERE id = (SELECT id FROM runs WHERE state = 'queued' ORDER BY id LIMIT 1) AND state = 'queued' \
             RETURNING id, fence"
        );
        let values = values![worker, Moment(now), milliseconds_of(lease)];
        let Some(claimed): Option<Claimed> = sql::one(&self.db, &text, values).await? else { return Ok(None) };
        let run = self.run(&claimed.id).await?;
        Ok(run.map(|run| Claim { run, fence: claimed.fence }))
    }

    /// Renews a lease and notes how far the run is: its bytes (dumped, stored, sent) and, if there is news, its result so far. Gives whether somebody wants it to stop; none if the run is lost.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn renew_run(
        &self,
        id: &str,
        fence: i64,
        lease: SignedDuration,
        bytes: [i64; 3],
        result: Option<&Json>,
    ) -> Result<Option<bool>, Error> {
        #[derive(FromQueryResult)]
        struct Renewed {
            cancel_requested: bool,
        }
        let clock = sql::clock(&self.db);
        let text = format!(
            "UPDATE runs SET lease_until = {clock} + $3, dumped_bytes = $4, stored_bytes = $5, sent_bytes = $6, \
             result = COALESCE($7, result) WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING cancel_requested"
        );
        let [dumped, stored, sent] = bytes;
        let result = result.map(json).transpose()?;
        let values = values![id, fence, milliseconds_of(lease), dumped, stored, sent, result];
        let renewed: Option<Renewed> = sql::one(&self.db, &text, values).await?;
        Ok(renewed.map(|renewed| renewed.cancel_requested))
    }

    /// Ends a run. False if it is lost.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn finish_run(&self, id: &str, fence: i64, end: &RunEnd, now: Timestamp) -> Result<bool, Error> {
        self.finish(id, fence, "state = 'running' AND fence = $2", end, now).await
    }

    /// Ends a run whose end could not be stored while its worker lived, also if it was called interrupted meanwhile. False if
    /// somebody else has worked on it since.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn finish_late(&self, id: &str, fence: i64, end: &RunEnd, at: Timestamp) -> Result<bool, Error> {
        let mine = "(state = 'running' AND fence = $2 OR state = 'interrupted' AND fence = $2 + 1)";
        self.finish(id, fence, mine, end, at).await
    }

    async fn finish(&self, id: &str, fence: i64, which: &str, end: &RunEnd, at: Timestamp) -> Result<bool, Error> {
        let text = format!(
            "UPDATE runs SET state = $3, error = $4, result = COALESCE($5, result), finished_at = $6, dumped_bytes = $7, \
             stored_bytes = $8, sent_bytes = $9, lease_until = NULL, worker = NULL WHERE id = $1 AND {which}"
        );
        let [dumped, stored, sent] = end.bytes;
        let values = values![
            id,
            fence,
            end.state.as_str(),
            end.error.clone(),
            end.result.as_ref().map(json).transpose()?,
            Moment(at),
            dumped,
            stored,
            sent
        ];
        Ok(sql::run(&self.db, &text, values).await? > 0)
    }

    /// Says that an interrupted run has succeeded after all, as its result shows. Returns `None` if it is not interrupted.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn finish_interrupted(&self, id: &str, state: RunStatus) -> Result<Option<Run>, Error> {
        let text = format!(
            "UPDATE runs SET state = $2, error = NULL WHERE id = $1 AND state = 'interrupted' RETURNING {}",
            COLUMNS.join(", ")
        );
        sql::one(&self.db, &text, values![id, state.as_str()]).await
    }

    /// Asks a run to stop. One that is still queued is cancelled at once. None if there is none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn cancel_run(&self, id: &str, now: Timestamp) -> Result<Option<Run>, Error> {
        let queued = "UPDATE runs SET state = 'cancelled', finished_at = $2, error = 'cancelled before it began' \
                      WHERE id = $1 AND state = 'queued'";
        sql::run(&self.db, queued, values![id, Moment(now)]).await?;
        let running = "UPDATE runs SET cancel_requested = TRUE WHERE id = $1 AND state = 'running'";
        sql::run(&self.db, running, values![id]).await?;
        self.run(id).await
    }

    /// Marks as interrupted what nobody works on any more: runs of other workers whose lease has ended. A database that only one
    /// process can use has none but those of its predecessors, which are settled at its start.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn interrupt_abandoned(&self, worker: &str, now: Timestamp) -> Result<Vec<Run>, Error> {
        let clock = sql::clock(&self.db);
        let which = if self.is_private() { String::new() } else { format!(" AND lease_until < {clock}") };
        let text = format!(
            "UPDATE runs SET state = 'interrupted', fence = fence + 1, finished_at = $1, lease_until = NULL, worker = NULL, \
             error = 'the server stopped in the middle of it; nothing unfinished counts as a backup' \
             WHERE state = 'running' AND worker <> $2{which} RETURNING {}",
            COLUMNS.join(", ")
        );
        sql::all(&self.db, &text, values![Moment(now), worker]).await
    }

    /// By id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn run(&self, id: &str) -> Result<Option<Run>, Error> {
        let text = format!("SELECT {} FROM runs r WHERE r.id = $1", columns_of("r"));
        sql::one(&self.db, &text, values![id]).await
    }

    /// The newest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn runs(&self, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>, Error> {
        let mut text = format!("SELECT {} FROM runs r WHERE 1 = 1", columns_of("r"));
        let mut values: Vec<sea_orm::Value> = Vec::new();
        let conditions =
            [("r.job_id =", filter.job_id.clone()), ("r.kind =", filter.kind.clone()), ("r.id <", page.after.clone())];
        for (condition, value) in conditions {
            let Some(value) = value else { continue };
            values.push(value.into());
            text.push_str(&format!(" AND {condition} ${}", values.len()));
        }
        if !filter.states.is_empty() {
            values.extend(filter.states.iter().map(|state| sea_orm::Value::from(state.as_str())));
            let places: Vec<String> =
                (values.len() - filter.states.len() + 1..=values.len()).map(|place| format!("${place}")).collect();
            text.push_str(&format!(" AND r.state IN ({})", places.join(", ")));
        }
        values.push(page.probe().into());
        text.push_str(&format!(" ORDER BY r.id DESC LIMIT ${}", values.len()));
        Ok(Page::of(sql::all(&self.db, &text, values).await?, page))
    }

    /// How many runs are in a state.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn count_runs(&self, state: RunStatus) -> Result<i64, Error> {
        #[derive(FromQueryResult)]
        struct Count {
            number: i64,
        }
        let text = "SELECT COUNT(*) AS number FROM runs WHERE state = $1";
        let count: Option<Count> = sql::one(&self.db, text, values![state.as_str()]).await?;
        Ok(count.map_or(0, |count| count.number))
    }

    /// Whether a worker still holds a run.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn holds_run(&self, id: &str, fence: i64) -> Result<bool, Error> {
        let text = "SELECT fence FROM runs WHERE id = $1 AND fence = $2 AND state = 'running'";
        let row: Option<Fence> = sql::one(&self.db, text, values![id, fence]).await?;
        Ok(row.is_some_and(|row| row.fence == fence))
    }
}

impl Catalog {
    /// Returns the slots of a job, from a time on, that have fired. After a clock was set back, some of them are in the future.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn fired_slots(&self, job_id: &str, from: Timestamp) -> Result<Vec<Timestamp>, Error> {
        #[derive(FromQueryResult)]
        struct Fired {
            slot: Moment,
        }
        let text = "SELECT slot FROM runs WHERE job_id = $1 AND slot >= $2 ORDER BY slot LIMIT 1000";
        let fired: Vec<Fired> = sql::all(&self.db, text, values![job_id, Moment(from)]).await?;
        Ok(fired.into_iter().map(|fired| fired.slot.0).collect())
    }
}

fn milliseconds_of(lease: SignedDuration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2)
}

/// 0 if the job has a run that has not ended, or the slot has fired.
async fn insert(db: &impl ConnectionTrait, id: &str, new: &NewRun, now: Timestamp) -> Result<u64, Error> {
    let text = "INSERT INTO runs (id, kind, job_id, title, request, cause, slot, state, attempt, fence, cancel_requested, \
                dumped_bytes, stored_bytes, sent_bytes, created_at) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, 0, FALSE, 0, 0, 0, $9) ON CONFLICT DO NOTHING";
    let values = values![
        id,
        new.kind,
        new.job_id.clone(),
        new.title.clone(),
        new.request.as_ref().map(json).transpose()?,
        new.cause,
        milliseconds(new.slot),
        new.attempt,
        Moment(now)
    ];
    sql::run(db, text, values).await
}
