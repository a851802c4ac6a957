//! What each job takes of a destination. Counted anew for a job when one of its copies has changed, and for all jobs after a scan.

use crate::Catalog;
use crate::error::Error;
use crate::sql::{self, Transaction, record, values};
use crate::values::Moment;

/// Jobs that are counted by one transaction.
const JOBS_AT_ONCE: i64 = 50;

/// What the backups in a job's folder take of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobUsage {
    /// The job, as its folder says.
    pub job: String,
    /// The id of the job of this name. `None` if there is none: the folder is an orphan.
    pub job_id: Option<String>,
    /// Copies that are present.
    pub copies: i64,
    /// Their bytes.
    pub bytes: i64,
    /// When the newest of them was made.
    pub newest_at: Moment,
}

record!(JobUsage, "destination_usage", { job, job_id, copies, bytes, newest_at });

/// What all backups take of a destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TotalUsage {
    /// Folders, those that belong to no job included.
    pub folders: i64,
    /// Copies that are present.
    pub copies: i64,
    /// Their bytes.
    pub bytes: i64,
}

record!(TotalUsage, "destination_usage", { folders, copies, bytes });

struct Folder {
    job: String,
}

record!(Folder, "series", { job });

/// The job that has made the newest backup of a folder `u`, if it still exists: it may have been renamed since.
const MAKER: &str = "SELECT k.id FROM series s JOIN copies c ON c.id = (SELECT n.id FROM copies n WHERE n.series_id = s.id \
                     AND n.state <> 'deleted' AND n.state = 'present' ORDER BY n.created_at DESC, n.id DESC LIMIT 1) \
                     JOIN backups b ON b.id = c.backup_id JOIN jobs k ON k.id = b.job_id \
                     WHERE s.destination_id = u.destination_id AND s.job = u.job ORDER BY c.created_at DESC LIMIT 1";

impl Catalog {
    /// Returns what the largest folders of a destination take, the largest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn usage(&self, destination_id: &str, limit: i64) -> Result<Vec<JobUsage>, Error> {
        let text = format!(
            "SELECT u.job, COALESCE(j.id, ({MAKER})) AS job_id, u.copies, u.bytes, u.newest_at FROM (SELECT * FROM destination_usage \
             WHERE destination_id = $1 ORDER BY bytes DESC, job LIMIT $2) u LEFT JOIN jobs j ON j.name = u.job \
             ORDER BY u.bytes DESC, u.job"
        );
        sql::all(&self.db, &text, values![destination_id, limit]).await
    }

    /// Returns what the largest folders of a destination take that belong to no job, the largest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn orphans(&self, destination_id: &str, limit: i64) -> Result<Vec<JobUsage>, Error> {
        let text = format!(
            "SELECT u.job, CAST(NULL AS TEXT) AS job_id, u.copies, u.bytes, u.newest_at FROM destination_usage u \
             WHERE u.destination_id = $1 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.name = u.job) AND NOT EXISTS ({MAKER}) \
             ORDER BY u.bytes DESC, u.job LIMIT $2"
        );
        sql::all(&self.db, &text, values![destination_id, limit]).await
    }

    /// Returns what all folders of a destination take.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn total_usage(&self, destination_id: &str) -> Result<TotalUsage, Error> {
        let text = "SELECT COUNT(*) AS folders, CAST(COALESCE(SUM(copies), 0) AS BIGINT) AS copies, \
                    CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM destination_usage WHERE destination_id = $1";
        Ok(sql::one(&self.db, text, values![destination_id]).await?.unwrap_or_default())
    }

    /// Counts anew what every job takes of a destination.
    ///
    /// # Errors
    /// [`Error::Database`]. What was counted until then stays so.
    pub async fn count_usage(&self, destination_id: &str) -> Result<(), Error> {
        let mut after = String::new();
        let next = "SELECT DISTINCT job FROM series WHERE destination_id = $1 AND job > $2 ORDER BY job LIMIT $3";
        loop {
            let folders: Vec<Folder> = sql::all(&self.db, next, values![destination_id, &after, JOBS_AT_ONCE]).await?;
            let Some(last) = folders.last() else { return Ok(()) };
            after.clone_from(&last.job);
            let mut transaction = self.db.begin().await?;
            for Folder { job } in &folders {
                recount(&mut transaction, destination_id, job).await?;
            }
            transaction.commit().await?;
        }
    }
}

/// Counts anew what the job takes whose copy lies at a path.
pub(crate) async fn recount_at(transaction: &mut Transaction, destination_id: &str, path: &str) -> Result<(), Error> {
    match job_at(transaction, destination_id, path).await? {
        Some(job) => recount(transaction, destination_id, &job).await,
        None => Ok(()),
    }
}

/// Returns the job whose copy lies at a path.
pub(crate) async fn job_at(
    transaction: &mut Transaction,
    destination_id: &str,
    path: &str,
) -> Result<Option<String>, Error> {
    let text =
        "SELECT s.job FROM copies c JOIN series s ON s.id = c.series_id WHERE c.destination_id = $1 AND c.path = $2";
    sql::value(transaction, text, values![destination_id, path]).await
}

/// Counts anew what a job takes of a destination.
pub(crate) async fn recount(transaction: &mut Transaction, destination_id: &str, job: &str) -> Result<(), Error> {
    let old = "DELETE FROM destination_usage WHERE destination_id = $1 AND job = $2";
    sql::run(&mut *transaction, old, values![destination_id, job]).await?;
    let text = "INSERT INTO destination_usage (destination_id, job, copies, bytes, newest_at) \
                SELECT s.destination_id, s.job, COUNT(*), CAST(SUM(c.stored_size) AS BIGINT), MAX(c.created_at) \
                FROM series s JOIN copies c ON c.series_id = s.id AND c.state <> 'deleted' AND c.state = 'present' \
                WHERE s.destination_id = $1 AND s.job = $2 GROUP BY s.destination_id, s.job";
    sql::run(transaction, text, values![destination_id, job]).await.map(drop)
}
