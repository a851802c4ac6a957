//! Jobs: what is backed up to where, how, and when.

use std::collections::HashMap;

use domain::Compression;
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult, Value};

use crate::columns::{JsonText, Moment, json, milliseconds};
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::runs::Run;
use crate::sql::{self, values};
use crate::{Catalog, names, new_id, runs};

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    /// UUID.
    pub id: String,
    /// Its name, which is its folder at the destinations; unique but for case.
    pub name: String,
    /// What is backed up.
    pub source_id: String,
    /// Which of its databases; all that there are at the time if none.
    pub databases: Option<Vec<String>>,
    /// Where to, in order.
    pub destination_ids: Vec<String>,
    /// How it is compressed.
    pub compression: Compression,
    /// To whom it is encrypted; to nobody if none.
    pub profile_id: Option<String>,
    /// When it runs: five cron fields; only by hand if none.
    pub cron: Option<String>,
    /// The IANA time zone of the schedule.
    pub time_zone: String,
    /// After so many seconds a run is stopped.
    pub timeout_seconds: Option<i64>,
    /// Whether the schedule counts.
    pub enabled: bool,
    /// Warnings that do not count: codes, or `code:subject`.
    pub acknowledged_warnings: Vec<String>,
    /// Whether a database with damaged pages is backed up nevertheless, with a warning (SQLite).
    pub allow_damaged: bool,
    /// The next slot.
    pub next_run_at: Option<Moment>,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// A job with its newest run.
#[derive(Debug, Clone)]
pub struct JobWithRun {
    /// The job.
    pub job: Job,
    /// Its newest run, whatever its state.
    pub last_run: Option<Run>,
}

/// A job that is added or changed; the fields are [`Job`]'s.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields of Job")]
pub struct NewJob {
    pub name: String,
    pub source_id: String,
    pub databases: Option<Vec<String>>,
    pub destination_ids: Vec<String>,
    pub compression: Compression,
    pub profile_id: Option<String>,
    pub cron: Option<String>,
    pub time_zone: String,
    pub timeout_seconds: Option<i64>,
    pub enabled: bool,
    /// See [`Job::acknowledged_warnings`]; `None` leaves them as they are.
    pub acknowledged_warnings: Option<Vec<String>>,
    pub allow_damaged: bool,
    pub next_run_at: Option<Timestamp>,
}

/// A job whose slot has come.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Due {
    /// The job.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The slot.
    pub next_run_at: Moment,
    /// See [`Job::cron`].
    pub cron: Option<String>,
    /// See [`Job::time_zone`].
    pub time_zone: String,
}

/// A job that runs by a schedule.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Scheduled {
    /// The job.
    pub id: String,
    /// Its name.
    pub name: String,
    /// See [`Job::cron`].
    pub cron: String,
    /// See [`Job::time_zone`].
    pub time_zone: String,
    /// See [`Job::next_run_at`].
    pub next_run_at: Option<Moment>,
}

impl FromQueryResult for Job {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let databases: Option<JsonText<Vec<String>>> = row.try_get(prefix, "databases")?;
        let compression: String = row.try_get(prefix, "compression")?;
        let JsonText(acknowledged_warnings) = row.try_get(prefix, "acknowledged_warnings")?;
        Ok(Self {
            id: row.try_get(prefix, "id")?,
            name: row.try_get(prefix, "name")?,
            source_id: row.try_get(prefix, "source_id")?,
            databases: databases.map(|JsonText(databases)| databases),
            destination_ids: Vec::new(),
            compression: compression.parse().map_err(|error| DbErr::Type(format!("{error}")))?,
            profile_id: row.try_get(prefix, "profile_id")?,
            cron: row.try_get(prefix, "cron")?,
            time_zone: row.try_get(prefix, "time_zone")?,
            timeout_seconds: row.try_get(prefix, "timeout_seconds")?,
            enabled: row.try_get(prefix, "enabled")?,
            acknowledged_warnings,
            allow_damaged: row.try_get(prefix, "allow_damaged")?,
            next_run_at: row.try_get(prefix, "next_run_at")?,
            created_at: row.try_get(prefix, "created_at")?,
            updated_at: row.try_get(prefix, "updated_at")?,
        })
    }
}

#[derive(FromQueryResult)]
struct Link {
    job_id: String,
    destination_id: String,
}

const SELECT: &str = "SELECT id, name, source_id, databases, compression, profile_id, cron, time_zone, timeout_seconds, enabled, \
                      acknowledged_warnings, allow_damaged, next_run_at, created_at, updated_at FROM jobs";

impl Catalog {
    /// Adds a job.
    ///
    /// # Errors
    /// [`Error::NameTaken`]; [`Error::Referenced`] if its source, profile or a destination does not exist.
    pub async fn create_job(&self, new: &NewJob, now: Timestamp) -> Result<Job, Error> {
        let id = new_id(now);
        let transaction = sql::begin(&self.db).await?;
        let text = "INSERT INTO jobs (id, name, name_key, source_id, databases, compression, profile_id, cron, time_zone, \
                    timeout_seconds, enabled, next_run_at, created_at, updated_at, acknowledged_warnings, \
                    allow_damaged) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, COALESCE($14, '[]'), $15)";
        sql::run(&transaction, text, columns(&id, new, now)?).await?;
        link(&transaction, &id, &new.destination_ids).await?;
        transaction.commit().await?;
        self.job(&id).await?.ok_or(Error::Referenced)
    }

    /// Changes a job. None if there is none.
    ///
    /// # Errors
    /// As [`Self::create_job`].
    pub async fn update_job(&self, id: &str, new: &NewJob, now: Timestamp) -> Result<Option<Job>, Error> {
        let transaction = sql::begin(&self.db).await?;
        let text = "UPDATE jobs SET name = $2, name_key = $3, source_id = $4, databases = $5, compression = $6, \
                    profile_id = $7, cron = $8, time_zone = $9, timeout_seconds = $10, enabled = $11, next_run_at = $12, \
                    updated_at = $13, acknowledged_warnings = COALESCE($14, acknowledged_warnings), \
                    allow_damaged = $15 WHERE id = $1";
        if sql::run(&transaction, text, columns(id, new, now)?).await? == 0 {
            return Ok(None);
        }
        sql::run(&transaction, "DELETE FROM job_destinations WHERE job_id = $1", values![id]).await?;
        link(&transaction, id, &new.destination_ids).await?;
        transaction.commit().await?;
        self.job(id).await
    }

    /// Adds an acknowledged warning to a job, once. Returns `None` if there is no such job.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn acknowledge_warning(&self, id: &str, entry: &str) -> Result<Option<Job>, Error> {
        #[derive(FromQueryResult)]
        struct Acknowledged {
            acknowledged_warnings: JsonText<Vec<String>>,
        }
        let transaction = sql::begin(&self.db).await?;
        // Locks the row in both databases.
        let text = "UPDATE jobs SET enabled = enabled WHERE id = $1 RETURNING acknowledged_warnings";
        let Some(found) = sql::one::<Acknowledged>(&transaction, text, values![id]).await? else { return Ok(None) };
        let JsonText(mut entries) = found.acknowledged_warnings;
        if !entries.iter().any(|other| other == entry) {
            entries.push(entry.to_owned());
            let text = "UPDATE jobs SET acknowledged_warnings = $2 WHERE id = $1";
            sql::run(&transaction, text, values![id, json(&entries)?]).await?;
        }
        transaction.commit().await?;
        self.job(id).await
    }

    /// By id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn job(&self, id: &str) -> Result<Option<Job>, Error> {
        let job: Option<Job> = sql::one(&self.db, &format!("{SELECT} WHERE id = $1"), values![id]).await?;
        let mut jobs: Vec<Job> = job.into_iter().collect();
        self.add_destinations(&mut jobs).await?;
        Ok(jobs.pop())
    }

    /// By id, with its newest run.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn job_with_run(&self, id: &str) -> Result<Option<JobWithRun>, Error> {
        let jobs = self.job(id).await?.into_iter().collect();
        Ok(self.with_runs(jobs).await?.pop())
    }

    /// By name, in order, each with its newest run.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn jobs(&self, page: &PageRequest) -> Result<Page<JobWithRun>, Error> {
        let after = names::key(page.after.as_deref().unwrap_or_default());
        let text = format!("{SELECT} WHERE name_key > $1 ORDER BY name_key LIMIT $2");
        let Page { mut items, more } = Page::of(sql::all(&self.db, &text, values![after, page.probe()]).await?, page);
        self.add_destinations(&mut items).await?;
        Ok(Page { items: self.with_runs(items).await?, more })
    }

    /// Removes a job; its runs and its backups stay. False if there is none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn delete_job(&self, id: &str) -> Result<bool, Error> {
        Ok(sql::run(&self.db, "DELETE FROM jobs WHERE id = $1", values![id]).await? > 0)
    }

    /// Jobs whose slot has come, the one that waits longest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn due_jobs(&self, now: Timestamp, limit: i64) -> Result<Vec<Due>, Error> {
        let text = "SELECT id, name, next_run_at, cron, time_zone FROM jobs WHERE next_run_at <= $1 AND enabled \
                    ORDER BY next_run_at LIMIT $2";
        sql::all(&self.db, text, values![Moment(now), limit]).await
    }

    /// The jobs whose schedule counts.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn scheduled_jobs(&self) -> Result<Vec<Scheduled>, Error> {
        let text =
            "SELECT id, name, cron, time_zone, next_run_at FROM jobs WHERE enabled AND cron IS NOT NULL ORDER BY id";
        sql::all(&self.db, text, []).await
    }

    /// Moves a job's next slot, unless the job has changed since it was read. Returns whether it moved.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn move_next_slot(&self, job: &Scheduled, next: Option<Timestamp>) -> Result<bool, Error> {
        let text = "UPDATE jobs SET next_run_at = $2 WHERE id = $1 AND COALESCE(next_run_at, -1) = $3 \
                    AND cron = $4 AND time_zone = $5 AND enabled";
        let was = milliseconds(job.next_run_at.map(Timestamp::from)).unwrap_or(-1);
        let values = values![job.id.clone(), milliseconds(next), was, job.cron.clone(), job.time_zone.clone()];
        Ok(sql::run(&self.db, text, values).await? > 0)
    }

    /// When the next slot comes, of any job.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn next_slot(&self) -> Result<Option<Timestamp>, Error> {
        #[derive(FromQueryResult)]
        struct Next {
            next_run_at: Option<Moment>,
        }
        let text = "SELECT MIN(next_run_at) AS next_run_at FROM jobs WHERE enabled";
        let next: Option<Next> = sql::one(&self.db, text, []).await?;
        Ok(next.and_then(|next| next.next_run_at).map(Timestamp::from))
    }

    async fn add_destinations(&self, jobs: &mut [Job]) -> Result<(), Error> {
        if jobs.is_empty() {
            return Ok(());
        }
        let (list, ids) = id_list(jobs);
        let text = format!(
            "SELECT job_id, destination_id FROM job_destinations WHERE job_id IN ({list}) ORDER BY job_id, position"
        );
        let mut by_job: HashMap<String, Vec<String>> = HashMap::new();
        for link in sql::all::<Link>(&self.db, &text, ids).await? {
            by_job.entry(link.job_id).or_default().push(link.destination_id);
        }
        for job in jobs {
            job.destination_ids = by_job.remove(&job.id).unwrap_or_default();
        }
        Ok(())
    }

    async fn with_runs(&self, jobs: Vec<Job>) -> Result<Vec<JobWithRun>, Error> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let (list, ids) = id_list(&jobs);
        let text = format!(
            "SELECT {} FROM jobs j JOIN runs r ON r.id = (SELECT MAX(id) FROM runs WHERE job_id = j.id) WHERE j.id IN ({list})",
            runs::columns_of("r")
        );
        let runs: Vec<Run> = sql::all(&self.db, &text, ids).await?;
        let mut by_job: HashMap<String, Run> =
            runs.into_iter().filter_map(|run| Some((run.job_id.clone()?, run))).collect();
        Ok(jobs.into_iter().map(|job| JobWithRun { last_run: by_job.remove(&job.id), job }).collect())
    }
}

fn columns(id: &str, new: &NewJob, now: Timestamp) -> Result<[Value; 15], Error> {
    let name = new.name.trim();
    Ok(values![
        id,
        name,
        names::key(name),
        new.source_id.clone(),
        new.databases.as_ref().map(json).transpose()?,
        new.compression.to_string(),
        new.profile_id.clone(),
        new.cron.clone(),
        new.time_zone.clone(),
        new.timeout_seconds,
        new.enabled,
        milliseconds(new.next_run_at),
        Moment(now),
        new.acknowledged_warnings.as_ref().map(json).transpose()?,
        new.allow_damaged
    ])
}

async fn link(db: &impl ConnectionTrait, job_id: &str, destination_ids: &[String]) -> Result<(), Error> {
    let text = "INSERT INTO job_destinations (job_id, destination_id, position) VALUES ($1, $2, $3)";
    for (position, destination_id) in (0_i64..).zip(destination_ids) {
        sql::run(db, text, values![job_id, destination_id.as_str(), position]).await?;
    }
    Ok(())
}

/// `$1, $2, ...` and what they stand for.
fn id_list(jobs: &[Job]) -> (String, Vec<Value>) {
    let list = (1..=jobs.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
    (list, jobs.iter().map(|job| job.id.clone().into()).collect())
}
