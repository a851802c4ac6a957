//! How all jobs stand together: numbers of jobs of a kind, and some of the jobs by name. Each question is answered from an index, so that
//! it costs the same with ten thousand jobs.

use domain::outcome::RunStatus;
use jiff::Timestamp;

use crate::Catalog;
use crate::error::Error;
use crate::job_standings::{JobFailure, JobStatus};
use crate::sql::{self, Record, Row, record, values};
use crate::values::{Moment, Value};

/// The jobs that have everything in common that risks and remedies depend on.
#[derive(Debug, Clone)]
pub struct JobKind {
    /// Whether their schedules count.
    pub enabled: bool,
    /// Their status.
    pub status: JobStatus,
    /// Whether they lack a good backup now, or a schedule that can be read.
    pub troubled: bool,
    /// To whom their backups are encrypted.
    pub profile_id: Option<String>,
    /// Their destinations, sorted.
    pub destinations: Vec<String>,
    /// How many jobs these are.
    pub jobs: i64,
    /// How many databases they back up. At least one for each job.
    pub databases: i64,
    /// How many of the databases are in trouble if the jobs are.
    pub lacking: i64,
    /// How many of the jobs have no good backup.
    pub without_good: i64,
    /// How many databases these back up.
    pub databases_without_good: i64,
}

record!(JobKind, "job_standings", {
    enabled,
    status,
    troubled,
    profile_id,
    destinations,
    jobs,
    databases,
    lacking,
    without_good,
    databases_without_good
});

/// The jobs that fail at the same place.
#[derive(Debug, Clone)]
pub struct FailingJobs {
    /// Where and why.
    pub failure: JobFailure,
    /// How many.
    pub jobs: i64,
    /// What their runs say. `None` if they say different things.
    pub reason: Option<String>,
}

impl Record for FailingJobs {
    const TABLE: &'static str = "job_standings";
    const COLUMNS: &'static [&'static str] =
        &["failure", "COUNT(*) AS jobs", "MIN(COALESCE(reason, '')) AS least", "MAX(COALESCE(reason, '')) AS most"];

    fn read(row: &Row) -> Result<Self, Error> {
        let (least, most): (String, String) = (row.get(Self::TABLE, "least")?, row.get(Self::TABLE, "most")?);
        Ok(Self {
            failure: row.get(Self::TABLE, "failure")?,
            jobs: row.get(Self::TABLE, "jobs")?,
            reason: Some(least).filter(|reason| *reason == most && !reason.is_empty()),
        })
    }
}

/// A job that fails, or whose last run gave warnings.
#[derive(Debug, Clone)]
pub struct TroubledJob {
    /// The job.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What its last run came to.
    pub state: Option<RunStatus>,
    /// Its last run that ended by itself.
    pub run_id: Option<String>,
    /// Where and why it fails.
    pub failure: Option<JobFailure>,
    /// What its last run or its schedule says about that.
    pub reason: Option<String>,
    /// How many warnings of its last run are not acknowledged.
    pub warnings: i64,
}

impl Record for TroubledJob {
    const TABLE: &'static str = "job_standings";
    const COLUMNS: &'static [&'static str] =
        &["j.id", "j.name", "s.state", "s.ended_run_id", "s.failure", "s.reason", "s.warnings"];

    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.get("jobs", "id")?,
            name: row.get("jobs", "name")?,
            state: row.get(Self::TABLE, "state")?,
            run_id: row.get(Self::TABLE, "ended_run_id")?,
            failure: row.get(Self::TABLE, "failure")?,
            reason: row.get(Self::TABLE, "reason")?,
            warnings: row.get(Self::TABLE, "warnings")?,
        })
    }
}

/// A job that is not backed up as it should be.
#[derive(Debug, Clone)]
pub struct Unprotected {
    /// The job.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether its schedule counts.
    pub enabled: bool,
    /// Why it fails.
    pub reason: Option<String>,
    /// When its last good backup ended.
    pub good_at: Option<Moment>,
    /// Whether a slot has passed without a run.
    pub is_overdue: bool,
}

record!(Unprotected, "jobs", { id, name, enabled, reason, good_at, is_overdue });

/// Copies at a destination that are not the files that were backed up.
#[derive(Debug, Clone)]
pub struct AlteredCopies {
    /// The destination.
    pub destination_id: String,
    /// How many.
    pub copies: i64,
    /// The path of one of them.
    pub path: String,
}

record!(AlteredCopies, "copies", { destination_id, copies, path });

/// A job by name, and its last run that ended by itself.
#[derive(Debug, Clone)]
pub struct JobRef {
    /// The job.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The run.
    pub run_id: Option<String>,
    /// When its last good backup ended, or when it runs next, if that was asked for.
    pub at: Option<Moment>,
}

impl Record for JobRef {
    const TABLE: &'static str = "jobs";
    const COLUMNS: &'static [&'static str] = &["j.id", "j.name", "s.ended_run_id", "s.good_at"];

    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.get(Self::TABLE, "id")?,
            name: row.get(Self::TABLE, "name")?,
            run_id: row.get("job_standings", "ended_run_id")?,
            at: row.get("job_standings", "good_at")?,
        })
    }
}

/// The jobs with their standings, in the order of the standings.
const JOBS: &str = "FROM job_standings s JOIN jobs j ON j.id = s.job_id";

impl Catalog {
    /// Returns how many jobs there are of each kind.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn job_kinds(&self) -> Result<Vec<JobKind>, Error> {
        let text = "SELECT enabled, status, troubled, profile_id, destinations, COUNT(*) AS jobs, \
                    CAST(SUM(COALESCE(databases, 1)) AS BIGINT) AS databases, CAST(SUM(lacking) AS BIGINT) AS lacking, \
                    COUNT(*) FILTER (WHERE good_at IS NULL) AS without_good, \
                    CAST(COALESCE(SUM(COALESCE(databases, 1)) FILTER (WHERE good_at IS NULL), 0) AS BIGINT) AS databases_without_good \
                    FROM job_standings GROUP BY enabled, status, troubled, profile_id, destinations";
        sql::all(&self.db, text, []).await
    }

    /// Returns at most `limit` places where jobs fail, those of the most jobs first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn failing_jobs(&self, limit: i64) -> Result<Vec<FailingJobs>, Error> {
        let which = "WHERE failure IS NOT NULL GROUP BY failure ORDER BY COUNT(*) DESC, failure LIMIT $1";
        sql::all(&self.db, &sql::select::<FailingJobs>(which), values![limit]).await
    }

    /// Returns the first jobs that fail so, by age.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn jobs_failing_so(&self, failure: &JobFailure, limit: i64) -> Result<Vec<JobRef>, Error> {
        let which = "WHERE s.failure = $1 ORDER BY s.job_id LIMIT $2";
        self.job_refs(which, values![crate::values::json(failure)?, limit]).await
    }

    /// Returns the first jobs of a status, by name, without those all of whose destinations are among these.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn jobs_of_status(
        &self,
        status: JobStatus,
        without: &[String],
        limit: i64,
    ) -> Result<Vec<JobRef>, Error> {
        let places = sql::placeholders(3, without.len());
        let others = match without {
            [] => String::new(),
            _ => format!(
                " AND EXISTS (SELECT 1 FROM job_destinations d WHERE d.job_id = s.job_id AND d.destination_id NOT IN ({places}))"
            ),
        };
        let which = format!("WHERE s.status = $1{others} ORDER BY s.name_key LIMIT $2");
        let values = values![status.rank(), limit].into_iter().chain(without.iter().map(Value::from));
        self.job_refs(&which, values).await
    }

    /// Returns the first enabled jobs that use a destination, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn enabled_jobs_at(&self, destination_id: &str, limit: i64) -> Result<Vec<JobRef>, Error> {
        let which = "WHERE s.enabled AND s.job_id IN (SELECT job_id FROM job_destinations WHERE destination_id = $1) \
                     ORDER BY s.name_key LIMIT $2";
        self.job_refs(which, values![destination_id, limit]).await
    }

    /// Returns the first enabled jobs that encrypt to a profile, by name; those that encrypt to nobody and use one of the
    /// destinations for `None`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn enabled_jobs_of_profile(
        &self,
        profile_id: Option<&str>,
        destinations: &[String],
        limit: i64,
    ) -> Result<Vec<JobRef>, Error> {
        let Some(profile_id) = profile_id else {
            let places = sql::placeholders(2, destinations.len());
            let which = format!(
                "WHERE s.enabled AND s.profile_id IS NULL AND EXISTS (SELECT 1 FROM job_destinations d \
                 WHERE d.job_id = s.job_id AND d.destination_id IN ({places})) ORDER BY s.name_key LIMIT $1"
            );
            let values = std::iter::once(Value::from(limit)).chain(destinations.iter().map(Value::from));
            return self.job_refs(&which, values).await;
        };
        let which = "WHERE s.enabled AND s.profile_id = $1 ORDER BY s.name_key LIMIT $2";
        self.job_refs(which, values![profile_id, limit]).await
    }

    /// Returns the first enabled jobs with a single destination, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn enabled_jobs_with_one_copy(&self, limit: i64) -> Result<Vec<JobRef>, Error> {
        // A list of one has no comma.
        let which = "WHERE s.enabled AND s.destinations NOT LIKE '%,%' ORDER BY s.name_key LIMIT $1";
        self.job_refs(which, values![limit]).await
    }

    /// Returns jobs whose slot has passed before a time, and was not fired. Running jobs, and those in trouble anyway, are left out.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn overdue_jobs(&self, before: Timestamp, limit: i64) -> Result<Vec<JobRef>, Error> {
        let text = "SELECT j.id, j.name, s.ended_run_id, s.good_at FROM jobs j JOIN job_standings s ON s.job_id = j.id \
                    WHERE j.next_run_at < $1 AND j.enabled AND NOT s.troubled AND s.status <> $2 ORDER BY j.next_run_at LIMIT $3";
        sql::all(&self.db, text, values![before, JobStatus::Running.rank(), limit]).await
    }

    /// Returns how many databases these jobs back up, those left out that back up to one of some destinations.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn overdue_databases(&self, before: Timestamp, but_at: &[&str]) -> Result<i64, Error> {
        let left_out = match but_at {
            [] => String::new(),
            ids => format!(
                "AND NOT EXISTS (SELECT 1 FROM job_destinations d WHERE d.job_id = j.id AND d.destination_id IN ({}))",
                sql::placeholders(3, ids.len())
            ),
        };
        let text = format!(
            "SELECT CAST(COALESCE(SUM(COALESCE(s.databases, 1)), 0) AS BIGINT) AS databases FROM jobs j \
             JOIN job_standings s ON s.job_id = j.id WHERE j.next_run_at < $1 AND j.enabled AND NOT s.troubled AND s.status <> $2 {left_out}"
        );
        let values =
            values![before, JobStatus::Running.rank()].into_iter().chain(but_at.iter().map(|id| Value::from(*id)));
        Ok(sql::value(&self.db, &text, values).await?.unwrap_or_default())
    }

    /// Returns the first jobs that fail, by age.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn jobs_that_fail(&self, limit: i64) -> Result<Vec<TroubledJob>, Error> {
        self.troubled_jobs("WHERE s.failure IS NOT NULL ORDER BY s.job_id LIMIT $1", limit).await
    }

    /// Returns the first enabled jobs whose last run succeeded with warnings that are not acknowledged, by age.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn jobs_with_warnings(&self, limit: i64) -> Result<Vec<TroubledJob>, Error> {
        let which = "WHERE s.warnings > 0 AND s.enabled AND s.failure IS NULL ORDER BY s.job_id LIMIT $1";
        self.troubled_jobs(which, limit).await
    }

    async fn troubled_jobs(&self, which: &str, limit: i64) -> Result<Vec<TroubledJob>, Error> {
        let text = format!("SELECT {} {JOBS} {which}", sql::columns::<TroubledJob>());
        sql::all(&self.db, &text, values![limit]).await
    }

    /// Returns the first jobs that are not backed up as they should be, by name: those that fail, were never backed up, are paused, are
    /// overdue since a time, or have no schedule and no good backup since another time.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn unprotected_jobs(
        &self,
        overdue: Timestamp,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<Unprotected>, Error> {
        let text = "SELECT j.id, j.name, s.enabled, s.reason, s.good_at, COALESCE(j.next_run_at < $1, FALSE) AS is_overdue \
                    FROM job_standings s JOIN jobs j ON j.id = s.job_id WHERE s.failure IS NOT NULL OR s.good_at IS NULL \
                    OR NOT s.enabled OR j.next_run_at < $1 OR (j.next_run_at IS NULL AND s.good_at < $2) ORDER BY s.name_key LIMIT $3";
        sql::all(&self.db, text, values![overdue, since, limit]).await
    }

    /// Returns how many jobs there are.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn count_jobs(&self) -> Result<i64, Error> {
        Ok(sql::value(&self.db, "SELECT COUNT(*) AS jobs FROM jobs", []).await?.unwrap_or(0))
    }

    /// Returns jobs with a run that was queued before a time and has not started.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn jobs_in_queue_since(&self, before: Timestamp, limit: i64) -> Result<Vec<JobRef>, Error> {
        let text = "SELECT j.id, j.name, r.id AS ended_run_id, r.created_at AS good_at FROM runs r JOIN jobs j ON j.id = r.job_id \
                    WHERE r.state = 'queued' AND r.created_at < $1 ORDER BY r.id LIMIT $2";
        sql::all(&self.db, text, values![before, limit]).await
    }

    /// Returns at which destinations copies were found that are not the files that were backed up.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn altered_copies(&self) -> Result<Vec<AlteredCopies>, Error> {
        let text = "SELECT destination_id, COUNT(*) AS copies, MIN(path) AS path FROM copies \
                    WHERE verified_result = 'altered' AND state = 'present' GROUP BY destination_id ORDER BY destination_id";
        sql::all(&self.db, text, []).await
    }

    /// Returns the enabled job whose last good backup is the oldest, with its time. Jobs without one are left out.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn oldest_good(&self) -> Result<Option<JobRef>, Error> {
        let which = "WHERE s.enabled AND s.good_at IS NOT NULL ORDER BY s.good_at LIMIT 1";
        Ok(self.job_refs(which, []).await?.pop())
    }

    /// Returns the enabled job that runs next after a time, with that time.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn next_job(&self, now: Timestamp) -> Result<Option<JobRef>, Error> {
        let text = "SELECT j.id, j.name, NULL AS ended_run_id, j.next_run_at AS good_at FROM jobs j \
                    WHERE j.next_run_at > $1 AND j.enabled ORDER BY j.next_run_at LIMIT 1";
        sql::one(&self.db, text, values![now]).await
    }

    /// Returns whether a backup has ever been restored.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn has_restored(&self) -> Result<bool, Error> {
        let text = "SELECT id FROM runs WHERE kind <> 'backup' AND kind = 'restore' \
                    AND state IN ('succeeded', 'succeededWithWarnings', 'partial') LIMIT 1";
        Ok(sql::value::<String>(&self.db, text, []).await?.is_some())
    }

    async fn job_refs(&self, which: &str, values: impl IntoIterator<Item = Value>) -> Result<Vec<JobRef>, Error> {
        let text = format!("SELECT {} {JOBS} {which}", sql::columns::<JobRef>());
        sql::all(&self.db, &text, values).await
    }
}
