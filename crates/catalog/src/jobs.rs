//! Jobs: what is backed up to where, how, and when.

use std::collections::{BTreeMap, HashMap};

use domain::Compression;
use jiff::Timestamp;

use crate::error::Error;
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, Value, json};
use crate::{Catalog, job_days, job_standings, names, new_id, revision};

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
    /// The retention policy at a destination, by the destination's id. Without one, every backup is kept there.
    pub retention: BTreeMap<String, String>,
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
    /// Counts the changes that users make, from 1.
    pub revision: i64,
    /// When it was added.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
    /// Since when it has its schedule, and is enabled or paused.
    pub scheduled_since: Moment,
}

/// A job that is added or changed; the fields are [`Job`]'s.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields of Job")]
pub struct NewJob {
    pub name: String,
    pub source_id: String,
    pub databases: Option<Vec<String>>,
    pub destination_ids: Vec<String>,
    pub retention: BTreeMap<String, String>,
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

record!(
    Job,
    "jobs",
    {
        id,
        name,
        source_id,
        databases,
        compression,
        profile_id,
        cron,
        time_zone,
        timeout_seconds,
        enabled,
        acknowledged_warnings,
        allow_damaged,
        next_run_at,
        revision,
        created_at,
        updated_at,
        scheduled_since
    },
    |row| { destination_ids: Vec::new(), retention: BTreeMap::new() }
);

struct Link {
    job_id: String,
    destination_id: String,
    retention_policy_id: Option<String>,
}

record!(Link, "job_destinations", { job_id, destination_id, retention_policy_id });

impl Catalog {
    /// Adds a job.
    ///
    /// # Errors
    /// [`Error::NameTaken`]; [`Error::Referenced`] if its source, profile or a destination does not exist.
    pub async fn create_job(&self, new: &NewJob, now: Timestamp) -> Result<Job, Error> {
        let id = new_id(now);
        let mut transaction = self.db.begin().await?;
        insert(&mut transaction, &id, new, now).await?;
        transaction.commit().await?;
        self.job(&id).await?.ok_or(Error::Referenced)
    }

    /// Changes a job of this revision. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// As [`Self::create_job`]; [`Error::Outdated`].
    pub async fn update_job(
        &self,
        id: &str,
        revision: i64,
        new: &NewJob,
        now: Timestamp,
    ) -> Result<Option<Job>, Error> {
        let mut transaction = self.db.begin().await?;
        if !change(&mut transaction, id, revision, new, now).await? {
            drop(transaction);
            return revision::found(0, self.job(id).await?);
        }
        transaction.commit().await?;
        self.job(id).await
    }

    /// Adds an acknowledged warning to a job, once. Returns `None` if there is no such job.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn acknowledge_warning(&self, id: &str, entry: &str) -> Result<Option<Job>, Error> {
        let mut transaction = self.db.begin().await?;
        // Locks the row in both databases.
        let text = "UPDATE jobs SET enabled = enabled WHERE id = $1 RETURNING acknowledged_warnings";
        let found: Option<Vec<String>> = sql::value(&mut transaction, text, values![id]).await?;
        let Some(mut entries) = found else { return Ok(None) };
        if !entries.iter().any(|other| other == entry) {
            entries.push(entry.to_owned());
            let text = "UPDATE jobs SET acknowledged_warnings = $2, revision = revision + 1 WHERE id = $1";
            sql::run(&mut transaction, text, values![id, json(&entries)?]).await?;
            job_standings::refresh(&mut transaction, id).await?;
        }
        transaction.commit().await?;
        self.job(id).await
    }

    /// Returns the job with this id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn job(&self, id: &str) -> Result<Option<Job>, Error> {
        let job: Option<Job> = sql::one(&self.db, &sql::select::<Job>("WHERE id = $1"), values![id]).await?;
        let mut jobs: Vec<Job> = job.into_iter().collect();
        self.add_destinations(&mut jobs).await?;
        Ok(jobs.pop())
    }

    /// Returns the jobs that have a retention policy at a destination, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn jobs_with_retention(&self, destination_id: &str) -> Result<Vec<Job>, Error> {
        let text = sql::select::<Job>(
            "WHERE id IN (SELECT job_id FROM job_destinations WHERE destination_id = $1 AND retention_policy_id IS NOT NULL) \
             ORDER BY name_key",
        );
        let mut jobs: Vec<Job> = sql::all(&self.db, &text, values![destination_id]).await?;
        self.add_destinations(&mut jobs).await?;
        Ok(jobs)
    }

    /// Removes a job of this revision. Its runs and backups are kept. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Outdated`].
    pub async fn delete_job(&self, id: &str, revision: i64) -> Result<bool, Error> {
        let mut transaction = self.db.begin().await?;
        let text = "UPDATE jobs SET revision = revision WHERE id = $1 AND revision = $2";
        let mut deleted = sql::run(&mut transaction, text, values![id, revision]).await?;
        if deleted > 0 {
            deleted = remove(&mut transaction, id).await?;
        }
        transaction.commit().await?;
        revision::gone(deleted, self.job(id).await?.as_ref())
    }

    pub(crate) async fn add_destinations(&self, jobs: &mut [Job]) -> Result<(), Error> {
        if jobs.is_empty() {
            return Ok(());
        }
        let (list, ids) = id_list(jobs);
        let text = sql::select::<Link>(&format!("WHERE job_id IN ({list}) ORDER BY job_id, position"));
        add_links(jobs, sql::all(&self.db, &text, ids).await?);
        Ok(())
    }
}

/// Returns every job.
pub(crate) async fn all(transaction: &mut Transaction) -> Result<Vec<Job>, Error> {
    let mut jobs: Vec<Job> = sql::all(&mut *transaction, &sql::select::<Job>("ORDER BY name_key"), []).await?;
    let links = sql::select::<Link>("ORDER BY job_id, position");
    add_links(&mut jobs, sql::all(transaction, &links, []).await?);
    Ok(jobs)
}

fn add_links(jobs: &mut [Job], links: Vec<Link>) {
    let mut by_job: HashMap<String, Vec<Link>> = HashMap::new();
    for link in links {
        by_job.entry(link.job_id.clone()).or_default().push(link);
    }
    for job in jobs {
        for Link { destination_id, retention_policy_id, .. } in by_job.remove(&job.id).unwrap_or_default() {
            job.retention.extend(retention_policy_id.map(|policy| (destination_id.clone(), policy)));
            job.destination_ids.push(destination_id);
        }
    }
}

pub(crate) async fn insert(transaction: &mut Transaction, id: &str, new: &NewJob, now: Timestamp) -> Result<(), Error> {
    let text = "INSERT INTO jobs (id, name, name_key, source_id, databases, compression, profile_id, cron, time_zone, \
                timeout_seconds, enabled, next_run_at, created_at, updated_at, scheduled_since, acknowledged_warnings, allow_damaged) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $13, COALESCE($14, '[]'), $15)";
    sql::run(&mut *transaction, text, columns(id, new, now)?).await?;
    link(transaction, id, new).await?;
    job_standings::refresh(transaction, id).await
}

/// Removes a job, and its runs from the sums. Returns 0 if it does not exist.
pub(crate) async fn remove(transaction: &mut Transaction, id: &str) -> Result<u64, Error> {
    // In the order of all who write sums: runs, then the standing, then the days.
    sql::run(&mut *transaction, "UPDATE runs SET job_id = NULL WHERE job_id = $1", values![id]).await?;
    job_standings::lock(transaction, id).await?;
    job_days::forget(transaction, id).await?;
    sql::run(transaction, "DELETE FROM jobs WHERE id = $1", values![id]).await
}

/// Returns `false` if there is no such job of this revision.
pub(crate) async fn change(
    transaction: &mut Transaction,
    id: &str,
    revision: i64,
    new: &NewJob,
    now: Timestamp,
) -> Result<bool, Error> {
    let text = "UPDATE jobs SET name = $2, name_key = $3, source_id = $4, databases = $5, compression = $6, \
                profile_id = $7, cron = $8, time_zone = $9, timeout_seconds = $10, enabled = $11, next_run_at = $12, \
                updated_at = $13, scheduled_since = CASE WHEN COALESCE(cron, '') = COALESCE($8, '') AND time_zone = $9 \
                AND enabled = $11 THEN scheduled_since ELSE $13 END, acknowledged_warnings = COALESCE($14, acknowledged_warnings), \
                allow_damaged = $15, revision = revision + 1 WHERE id = $1 AND revision = $16";
    let values = columns(id, new, now)?.into_iter().chain(values![revision]);
    if sql::run(&mut *transaction, text, values).await? == 0 {
        return Ok(false);
    }
    sql::run(&mut *transaction, "DELETE FROM job_destinations WHERE job_id = $1", values![id]).await?;
    link(transaction, id, new).await?;
    job_standings::refresh(transaction, id).await?;
    Ok(true)
}

fn columns(id: &str, new: &NewJob, now: Timestamp) -> Result<[Value; 15], Error> {
    let name = new.name.trim();
    Ok(values![
        id,
        name,
        names::key(name),
        &new.source_id,
        new.databases.as_ref().map(json).transpose()?,
        new.compression.to_string(),
        &new.profile_id,
        &new.cron,
        &new.time_zone,
        new.timeout_seconds,
        new.enabled,
        new.next_run_at,
        now,
        new.acknowledged_warnings.as_ref().map(json).transpose()?,
        new.allow_damaged
    ])
}

async fn link(transaction: &mut Transaction, job_id: &str, new: &NewJob) -> Result<(), Error> {
    let text =
        "INSERT INTO job_destinations (job_id, destination_id, position, retention_policy_id) VALUES ($1, $2, $3, $4)";
    for (position, destination_id) in (0_i64..).zip(&new.destination_ids) {
        let policy = new.retention.get(destination_id).cloned();
        sql::run(&mut *transaction, text, values![job_id, destination_id, position, policy]).await?;
    }
    Ok(())
}

/// Returns placeholders for the ids of the jobs, and the ids.
fn id_list(jobs: &[Job]) -> (String, Vec<Value>) {
    (sql::placeholders(1, jobs.len()), jobs.iter().map(|job| Value::from(&job.id)).collect())
}
