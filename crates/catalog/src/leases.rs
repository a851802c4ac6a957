//! Who works on a run, and how it ends.
//!
//! A run in progress has a worker, a lease that the worker renews, and a fence that grows whenever the run changes hands: a worker
//! with an older fence has lost the run and changes nothing. A run is abandoned when its lease has not been renewed for a whole lease. The
//! watching server measures that with a monotonic clock, so it does not depend on wall clocks.

use domain::outcome::RunStatus;
use domain::run::{FailureCode, RunProgress, RunResult, RunSpec};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Error;
use crate::runs::Run;
use crate::sql::{self, Record, Row, Transaction, record, values};
use crate::values::json;
use crate::{Catalog, run_items, sums, told};

/// A run that a worker has claimed.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The run.
    pub run: Run,
    /// The fence that every change of the run has to name.
    pub fence: i64,
}

/// A worker's hold on a run, as it was last renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run_id: String,
    /// See [`Claim::fence`].
    pub fence: i64,
    /// What the last renewal wrote, by the database's clock: milliseconds since 1970. Only that it changes with each renewal tells
    /// anything: clocks jump.
    pub until: Option<i64>,
}

record!(Lease, "runs", { run_id = "id", fence, until = "lease_until" });

/// How a run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunEnd {
    /// The final state.
    pub state: RunStatus,
    /// See [`Run::error`].
    pub error: Option<String>,
    /// See [`Run::code`].
    #[serde(default)]
    pub code: Option<FailureCode>,
    /// See [`Run::technical_details`].
    #[serde(default)]
    pub technical_details: Option<String>,
    /// See [`Run::result`]; `None` keeps the one that was recorded last.
    pub result: Option<RunResult>,
    /// How far it was.
    #[serde(default)]
    pub progress: RunProgress,
}

/// How an abandoned run ends.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The final state.
    pub state: RunStatus,
    /// See [`Run::error`].
    pub error: Option<String>,
    /// See [`Run::code`].
    pub code: Option<FailureCode>,
    /// See [`Run::result`]; `None` keeps the one that was recorded last.
    pub result: Option<RunResult>,
}

impl Settlement {
    /// The end of a run of which nothing is known to be complete.
    pub fn interrupted() -> Self {
        let error = "the server stopped in the middle of it; nothing unfinished counts as a backup".to_owned();
        Self { state: RunStatus::Interrupted, error: Some(error), code: Some(FailureCode::Interrupted), result: None }
    }
}

impl Record for Claim {
    const TABLE: &'static str = Run::TABLE;
    const COLUMNS: &'static [&'static str] = &["fence"];

    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self { run: Run::read(row)?, fence: row.get(Self::TABLE, "fence")? })
    }
}

impl Catalog {
    /// Claims the run that was queued first, under a lease. Returns `None` if the queue is empty.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn claim_run(&self, worker: &str, now: Timestamp, lease: SignedDuration) -> Result<Option<Claim>, Error> {
        let clock = self.db.clock();
        let text = format!(
            "UPDATE runs SET state = 'running', attempt = attempt + 1, fence = fence + 1, worker = $1, \
             started_at = $2, lease_until = {clock} + $3 \
             WHERE id = (SELECT id FROM runs WHERE state = 'queued' ORDER BY id LIMIT 1) AND state = 'queued' \
             RETURNING {}, {}",
            sql::columns::<Run>(),
            sql::columns::<Claim>()
        );
        sql::one(&self.db, &text, values![worker, now, milliseconds_of(lease)]).await
    }

    /// Renews the lease and records progress. Returns whether cancellation was requested, or `None` if another worker owns the run.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn renew_run(
        &self,
        id: &str,
        fence: i64,
        lease: SignedDuration,
        progress: &RunProgress,
    ) -> Result<Option<bool>, Error> {
        let clock = self.db.clock();
        let text = format!(
            "UPDATE runs SET lease_until = {clock} + $3, dumped_bytes = $4, stored_bytes = $5, sent_bytes = $6, \
             destinations = $7 WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING cancel_requested"
        );
        let [dumped, stored, sent] = bytes_of(progress);
        let destinations = json(&progress.destinations)?;
        let values = values![id, fence, milliseconds_of(lease), dumped, stored, sent, destinations];
        sql::value(&self.db, &text, values).await
    }

    /// Records the plan of a run, once it has started. Returns `false` if another worker owns the run.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn record_plan(&self, id: &str, fence: i64, spec: &RunSpec) -> Result<bool, Error> {
        let text = "UPDATE runs SET plan = $3 WHERE id = $1 AND fence = $2 AND state = 'running'";
        let plan = spec.plan().as_ref().map(json).transpose()?;
        Ok(sql::run(&self.db, text, values![id, fence, plan]).await? > 0)
    }

    /// Returns what a run is to do, with what [`Self::record_plan`] has recorded: nothing for a run that has not started, and for those of
    /// earlier versions. The inner error says what in it cannot be read.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn complete_spec(&self, run: &Run) -> Result<Result<RunSpec, String>, Error> {
        let text = "SELECT plan FROM runs WHERE id = $1";
        let plan = sql::value::<Option<Json>>(&self.db, text, values![&run.id]).await?.flatten();
        let spec = run.spec();
        Ok(match plan {
            Some(plan) => spec.and_then(|spec| spec.with_plan(plan)),
            None => spec,
        })
    }

    /// Ends a run. Returns `false` if another worker owns it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn finish_run(&self, id: &str, fence: i64, end: &RunEnd, now: Timestamp) -> Result<bool, Error> {
        let mut transaction = self.db.begin().await?;
        let is_ours = finish(&mut transaction, id, fence, "state = 'running' AND fence = $2", end, now).await?;
        transaction.commit().await?;
        Ok(is_ours)
    }

    /// Ends a run whose end could not be stored in time, even if another server has settled it as abandoned meanwhile. With
    /// `withdraw_retry`, the run that is queued to make up for it is cancelled. Returns `false` if another worker has claimed the run
    /// since.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn finish_late(
        &self,
        id: &str,
        fence: i64,
        end: &RunEnd,
        withdraw_retry: bool,
        at: Timestamp,
    ) -> Result<bool, Error> {
        let mine = "(state = 'running' AND fence = $2 OR state IN ('interrupted', 'partial') AND fence = $2 + 1)";
        let mut transaction = self.db.begin().await?;
        let is_ours = finish(&mut transaction, id, fence, mine, end, at).await?;
        if is_ours && withdraw_retry {
            let text = "UPDATE runs SET state = 'cancelled', finished_at = $2, error = $3, code = 'cancelled' \
                        WHERE retry_of = $1 AND state = 'queued' RETURNING job_id, day";
            let error = format!("not needed: run {id}, which it was to make up for, had ended after all");
            let withdrawn = sql::all(&mut transaction, text, values![id, at, error]).await?;
            sums::note(&mut transaction, withdrawn).await?;
        }
        transaction.commit().await?;
        Ok(is_ours)
    }

    /// Requests cancellation of a run. A queued run is cancelled at once. Returns `None` if the run does not exist.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::Database`].
    pub async fn cancel_run(&self, id: &str, now: Timestamp) -> Result<Option<Run>, Error> {
        let queued = "UPDATE runs SET state = 'cancelled', finished_at = $2, error = 'cancelled before it began', code = 'cancelled' \
                      WHERE id = $1 AND state = 'queued'";
        let mut transaction = self.db.begin().await?;
        let mut changed = sql::run(&mut transaction, queued, values![id, now]).await?;
        if changed > 0 {
            sums::note_run(&mut transaction, id).await?;
        }
        let running = "UPDATE runs SET cancel_requested = TRUE WHERE id = $1 AND state = 'running'";
        changed += sql::run(&mut transaction, running, values![id]).await?;
        transaction.commit().await?;
        match self.run(id).await? {
            Some(_) if changed == 0 => Err(Error::Ended),
            run => Ok(run),
        }
    }

    /// Returns the leases of other workers' runs that are in progress.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn leases_of_others(&self, worker: &str) -> Result<Vec<Lease>, Error> {
        let text = sql::select::<Lease>("WHERE state = 'running' AND worker <> $1");
        sql::all(&self.db, &text, values![worker]).await
    }

    /// Marks a run as interrupted unless its lease has been renewed. Returns `None` if it has, or if the run has ended.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn interrupt_abandoned(&self, lease: &Lease, now: Timestamp) -> Result<Option<Run>, Error> {
        self.settle_abandoned(lease, &Settlement::interrupted(), now).await
    }

    /// Ends a run in its worker's place unless its lease has been renewed. Returns `None` if it has, or if the run has ended.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn settle_abandoned(
        &self,
        lease: &Lease,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<Option<Run>, Error> {
        let text = "UPDATE runs SET state = $5, fence = fence + 1, finished_at = $1, lease_until = NULL, worker = NULL, error = $6, \
                    result = COALESCE($7, result), code = $8 \
                    WHERE state = 'running' AND id = $2 AND fence = $3 AND lease_until IS NOT DISTINCT FROM $4";
        let Settlement { state, error, code, result } = settlement;
        let (head, code) = (result_column(result.as_ref())?, code.map(FailureCode::as_str));
        let values = values![now, &lease.run_id, lease.fence, lease.until, state.as_str(), error, head, code];
        let mut transaction = self.db.begin().await?;
        if sql::run(&mut transaction, text, values).await? == 0 {
            return Ok(None);
        }
        if let Some(result) = result {
            run_items::replace(&mut transaction, &lease.run_id, result).await?;
        }
        sums::note_run(&mut transaction, &lease.run_id).await?;
        told::note_run_ended(&mut transaction, &lease.run_id, now).await?;
        transaction.commit().await?;
        self.run(&lease.run_id).await
    }

    /// Returns whether the worker with this fence still owns the run and no cancellation was requested.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn holds_run(&self, id: &str, fence: i64) -> Result<bool, Error> {
        let text = "SELECT fence FROM runs WHERE id = $1 AND fence = $2 AND state = 'running' AND NOT cancel_requested";
        Ok(sql::value::<i64>(&self.db, text, values![id, fence]).await?.is_some())
    }
}

/// Returns the columns of the bytes: dumped, stored, sent.
fn bytes_of(progress: &RunProgress) -> [i64; 3] {
    let RunProgress { dumped_bytes, stored_bytes, sent_bytes, .. } = *progress;
    [dumped_bytes, stored_bytes, sent_bytes].map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

async fn finish(
    transaction: &mut Transaction,
    id: &str,
    fence: i64,
    which: &str,
    end: &RunEnd,
    at: Timestamp,
) -> Result<bool, Error> {
    let text = format!(
        "UPDATE runs SET state = $3, error = $4, result = COALESCE($5, result), finished_at = $6, dumped_bytes = $7, \
         stored_bytes = $8, sent_bytes = $9, destinations = $10, code = $11, technical_details = $12, lease_until = NULL, worker = NULL WHERE id = $1 AND {which}"
    );
    let [dumped, stored, sent] = bytes_of(&end.progress);
    let values = values![
        id,
        fence,
        end.state.as_str(),
        &end.error,
        result_column(end.result.as_ref())?,
        at,
        dumped,
        stored,
        sent,
        json(&end.progress.destinations)?,
        end.code.map(FailureCode::as_str),
        &end.technical_details
    ];
    let is_ours = sql::run(&mut *transaction, &text, values).await? > 0;
    if let Some(result) = end.result.as_ref().filter(|_| is_ours) {
        run_items::replace(transaction, id, result).await?;
    }
    if is_ours {
        sums::note_run(transaction, id).await?;
        told::note_run_ended(transaction, id, at).await?;
    }
    Ok(is_ours)
}

fn result_column(result: Option<&RunResult>) -> Result<Option<String>, Error> {
    result.map(|result| json(&run_items::without_items(result))).transpose()
}

fn milliseconds_of(lease: SignedDuration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2)
}
