//! Schedules: when jobs run next, and queueing the run of a slot.

use domain::run::{BackupSpec, Cause, RunSpec};
use jiff::Timestamp;

use crate::Catalog;
use crate::error::Error;
use crate::runs::{self, NewRun, Run};
use crate::sql::{self, record, values};
use crate::values::Moment;

/// A job whose next slot is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// The job.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The slot.
    pub next_run_at: Moment,
    /// See [`crate::Job::cron`].
    pub cron: Option<String>,
    /// See [`crate::Job::time_zone`].
    pub time_zone: String,
}

record!(Due, "jobs", { id, name, next_run_at, cron, time_zone });

/// A job with a schedule.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// The job.
    pub id: String,
    /// Its name.
    pub name: String,
    /// See [`crate::Job::cron`].
    pub cron: String,
    /// See [`crate::Job::time_zone`].
    pub time_zone: String,
    /// See [`crate::Job::next_run_at`].
    pub next_run_at: Option<Moment>,
}

record!(Scheduled, "jobs", { id, name, cron, time_zone, next_run_at });

impl Catalog {
    /// Returns at most `limit` jobs whose slot is due, the earliest slot first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn due_jobs(&self, now: Timestamp, limit: i64) -> Result<Vec<Due>, Error> {
        let text = sql::select::<Due>("WHERE next_run_at <= $1 AND enabled ORDER BY next_run_at LIMIT $2");
        sql::all(&self.db, &text, values![now, limit]).await
    }

    /// Returns the enabled jobs that have a schedule.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn scheduled_jobs(&self) -> Result<Vec<Scheduled>, Error> {
        sql::all(&self.db, &sql::select::<Scheduled>("WHERE enabled AND cron IS NOT NULL ORDER BY id"), []).await
    }

    /// Changes a job's next slot, unless the job was changed since it was read. Returns whether the slot was changed.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn move_next_slot(&self, job: &Scheduled, next: Option<Timestamp>) -> Result<bool, Error> {
        let text = "UPDATE jobs SET next_run_at = $2 WHERE id = $1 AND COALESCE(next_run_at, -1) = $3 \
                    AND cron = $4 AND time_zone = $5 AND enabled";
        let was = job.next_run_at.map_or(-1, |time| time.0.as_millisecond());
        let values = values![&job.id, next, was, &job.cron, &job.time_zone];
        Ok(sql::run(&self.db, text, values).await? > 0)
    }

    /// Returns the next slot of all enabled jobs.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn next_slot(&self) -> Result<Option<Timestamp>, Error> {
        let text = "SELECT MIN(next_run_at) AS next_run_at FROM jobs WHERE enabled";
        let next: Option<Option<Moment>> = sql::value(&self.db, text, []).await?;
        Ok(next.flatten().map(Timestamp::from))
    }

    /// Queues the run of a slot and sets the job's next slot. Returns `None` if another server has done so. If the job has a run that
    /// has not ended, the slot is skipped, and `Err` holds that run.
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
        let mut transaction = self.db.begin().await?;
        let text = "UPDATE jobs SET next_run_at = $3 WHERE id = $1 AND next_run_at = $2 AND enabled";
        let moved = sql::run(&mut transaction, text, values![job_id, slot, next]).await?;
        if moved == 0 {
            return Ok(None);
        }
        let new = NewRun {
            spec: RunSpec::Backup(BackupSpec::default()),
            job_id: Some(job_id.to_owned()),
            title: title.to_owned(),
            cause: Cause::Schedule,
            started_by: None,
            slot: Some(slot),
            attempt: 0,
        };
        let id = runs::next_id(&mut transaction, now).await?;
        let queued = runs::insert(&mut transaction, &id, &new, now).await?;
        transaction.commit().await?;
        if queued > 0 {
            return Ok(self.run(&id).await?.map(Ok));
        }
        let text = "SELECT MAX(id) AS newest FROM runs WHERE job_id = $1";
        let newest = sql::value::<Option<String>>(&self.db, text, values![job_id]).await?.flatten();
        Ok(self.run(newest.as_deref().unwrap_or_default()).await?.map(Err))
    }

    /// Returns the slots of a job, from a time on, that have fired. After a clock was set back, some of them are in the future.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn fired_slots(&self, job_id: &str, from: Timestamp) -> Result<Vec<Timestamp>, Error> {
        let text = sql::select::<Fired>("WHERE job_id = $1 AND slot >= $2 ORDER BY slot LIMIT 1000");
        let fired: Vec<Fired> = sql::all(&self.db, &text, values![job_id, from]).await?;
        Ok(fired.into_iter().map(|fired| fired.slot.into()).collect())
    }
}

/// A slot that a run has been queued for.
struct Fired {
    slot: Moment,
}

record!(Fired, "runs", { slot });
