//! Removes what is older than it has to be kept, a batch at a time: no statement locks others out for long.

use domain::outcome::RunStatus;
use jiff::{SignedDuration, Timestamp};

use crate::error::Error;
use crate::job_days::states;
use crate::job_standings::ends_by_itself;
use crate::sql::{self, Transaction, values};
use crate::sums::{self, Summed};
use crate::values::Value;
use crate::{Catalog, backups};

/// Rows removed per statement.
pub const HOUSEKEEPING_BATCH: i64 = 200;

/// What grows, and is removed once it is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aging {
    /// Lines of the logs of runs.
    RunLogs,
    /// Runs that have ended, with their logs. The last good backup of each job and its last one that ended by itself stay.
    Runs,
    /// The audit log.
    Audit,
    /// Copies of backups that were deleted, with their verifications.
    DeletedCopies,
    /// Responses to requests with an `Idempotency-Key`.
    IdempotencyKeys,
}

impl Aging {
    /// All of them, in the order in which they are removed.
    pub const ALL: [Self; 5] = [Self::RunLogs, Self::Runs, Self::Audit, Self::DeletedCopies, Self::IdempotencyKeys];

    /// Removes at most `$2` rows that are older than `$1`.
    fn statement(self) -> String {
        match self {
            Self::RunLogs => "DELETE FROM run_log WHERE (run_id, number) IN \
                              (SELECT run_id, number FROM run_log WHERE at < $1 ORDER BY at LIMIT $2)"
                .to_owned(),
            Self::Runs => {
                let newest = |counts: fn(RunStatus) -> bool| {
                    format!(
                        "(r.job_id IS NULL OR r.id <> COALESCE((SELECT k.id FROM runs k WHERE k.job_id = r.job_id \
                         AND k.state IN ({}) ORDER BY k.id DESC LIMIT 1), ''))",
                        states(counts)
                    )
                };
                format!(
                    "DELETE FROM runs WHERE id IN (SELECT r.id FROM runs r WHERE r.created_at < $1 \
                     AND r.state NOT IN ('queued', 'running') AND {} AND {} ORDER BY r.created_at LIMIT $2) RETURNING job_id, day",
                    newest(RunStatus::is_success),
                    newest(ends_by_itself),
                )
            }
            Self::Audit => {
                "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)".to_owned()
            }
            Self::IdempotencyKeys => "DELETE FROM idempotency_keys WHERE id IN \
                                      (SELECT id FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
                .to_owned(),
            Self::DeletedCopies => "DELETE FROM copies WHERE id IN (SELECT id FROM copies \
                                    WHERE state = 'deleted' AND state_at < $1 ORDER BY state_at LIMIT $2) RETURNING backup_id"
                .to_owned(),
        }
    }
}

impl Catalog {
    /// Removes a batch of what is older than `age`, and returns whether more may be left.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn remove_older(&self, what: Aging, age: SignedDuration, now: Timestamp) -> Result<bool, Error> {
        let before = now.checked_sub(age).unwrap_or(Timestamp::UNIX_EPOCH);
        let (text, values) = (what.statement(), values![before, HOUSEKEEPING_BATCH]);
        let removed = match what {
            Aging::DeletedCopies => self.remove_copies(&text, values).await?,
            Aging::Runs => self.remove_runs(&text, values).await?,
            _ => sql::run(&self.db, &text, values).await?,
        };
        Ok(i64::try_from(removed).unwrap_or(i64::MAX) >= HOUSEKEEPING_BATCH)
    }

    /// Removes runs by a statement that returns what they are summed up under. Returns how many.
    async fn remove_runs(&self, text: &str, values: impl IntoIterator<Item = Value>) -> Result<u64, Error> {
        let mut transaction = self.db.begin().await?;
        let removed: Vec<Summed> = sql::all(&mut transaction, text, values).await?;
        let count = removed.len() as u64;
        sums::note(&mut transaction, removed).await?;
        transaction.commit().await?;
        Ok(count)
    }

    /// Removes copies by a statement that returns the ids of their backups, and backups that have no others. Returns how many copies.
    pub(crate) async fn remove_copies(
        &self,
        text: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<u64, Error> {
        let mut transaction = self.db.begin().await?;
        let removed = remove_copies(&mut transaction, text, values).await?;
        transaction.commit().await?;
        Ok(removed)
    }
}

/// The same in a transaction.
pub(crate) async fn remove_copies(
    transaction: &mut Transaction,
    text: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, Error> {
    struct Removed {
        backup_id: String,
    }
    sql::record!(Removed, "copies", { backup_id });
    let removed: Vec<Removed> = sql::all(&mut *transaction, text, values).await?;
    for Removed { backup_id } in &removed {
        backups::remove_orphan(&mut *transaction, backup_id).await?;
    }
    Ok(removed.len() as u64)
}
