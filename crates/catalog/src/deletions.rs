//! Copies that retention has marked for deletion. A mark changes nothing at the destination: the copy is deleted once its grace period is
//! over, and what fails is tried again.

use domain::retention::Reason;
use domain::stored::CopyState;
use jiff::Timestamp;

use crate::Catalog;
use crate::copies::BeforeDeletion;
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::scans;
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, Value, json};

/// Copies marked by one statement.
const BATCH: usize = 200;

/// A copy that is marked for deletion.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// The copy.
    pub copy_id: String,
    /// Its destination.
    pub destination_id: String,
    /// The destination's name.
    pub destination: String,
    /// Relative to the destination's folder.
    pub path: String,
    /// The state of the copy.
    pub state: CopyState,
    /// The job whose policy marked it.
    pub job_id: String,
    /// The name of the policy.
    pub policy: String,
    /// Why it goes.
    pub reasons: Vec<Reason>,
    /// Bytes of the file.
    pub stored_size: i64,
    /// When the storage took the file, where it tells.
    pub stored_at: Option<Moment>,
    /// When its backup was made.
    pub created_at: Moment,
    /// When it was marked.
    pub marked_at: Moment,
    /// When the grace period is over.
    pub due_at: Moment,
    /// Attempts that failed.
    pub attempts: i64,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it is tried again, after an attempt failed.
    pub retry_at: Option<Moment>,
}

record!(Deletion, "deletions", {
    copy_id, destination_id, destination, path, state, job_id, policy, reasons, stored_size, stored_at, created_at, marked_at,
    due_at, attempts, last_error, retry_at
});

/// A mark that is made.
#[derive(Debug, Clone)]
pub struct NewDeletion<'a> {
    /// The copy.
    pub copy_id: &'a str,
    /// Why it goes.
    pub reasons: &'a [Reason],
}

/// Whose policy marks copies.
#[derive(Debug, Clone, Copy)]
pub struct MarkedBy<'a> {
    /// The job.
    pub job_id: &'a str,
    /// The name of the policy.
    pub policy: &'a str,
    /// When the grace period is over.
    pub due_at: Timestamp,
}

fn select(rest: &str) -> String {
    format!(
        "SELECT m.copy_id, c.destination_id, d.name AS destination, c.path, c.state, m.job_id, m.policy, m.reasons, m.stored_size, \
         m.stored_at, c.created_at, m.marked_at, m.due_at, m.attempts, m.last_error, m.retry_at FROM deletions m \
         JOIN copies c ON c.id = m.copy_id JOIN destinations d ON d.id = c.destination_id {rest}"
    )
}

impl Catalog {
    /// Marks copies for deletion, unless another scan has begun since this one. Copies that are marked, locked or not present are left
    /// as they are. Returns how many were marked.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn mark_deletions(
        &self,
        (destination_id, scan): (&str, i64),
        by: MarkedBy<'_>,
        marks: &[NewDeletion<'_>],
        now: Timestamp,
    ) -> Result<u64, Error> {
        let mut transaction = self.db.begin().await?;
        if scans::lock(&mut transaction, destination_id).await?.number != scan {
            return Ok(0);
        }
        let text = "INSERT INTO deletions (copy_id, job_id, policy, reasons, stored_size, stored_at, marked_at, due_at) \
                    SELECT c.id, $3, $4, $5, c.stored_size, c.stored_at, $6, $7 FROM copies c WHERE c.id = $1 \
                    AND c.destination_id = $2 AND c.state = 'present' AND NOT c.locked AND NOT c.sidecar_locked \
                    ON CONFLICT (copy_id) DO NOTHING";
        let mut marked = 0;
        for mark in marks {
            let reasons = json(&mark.reasons)?;
            let values = values![mark.copy_id, destination_id, by.job_id, by.policy, reasons, now, by.due_at];
            marked += sql::run(&mut transaction, text, values).await?;
        }
        transaction.commit().await?;
        Ok(marked)
    }

    /// Takes marks back. Copies whose deletion has begun keep theirs.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn unmark_deletions(&self, copy_ids: &[&str]) -> Result<u64, Error> {
        let mut unmarked = 0;
        for batch in copy_ids.chunks(BATCH) {
            let text = format!(
                "DELETE FROM deletions WHERE copy_id IN ({}) \
                 AND NOT EXISTS (SELECT 1 FROM copies c WHERE c.id = deletions.copy_id AND c.state = 'deleting')",
                sql::placeholders(1, batch.len())
            );
            unmarked += sql::run(&self.db, &text, batch.iter().map(|id| Value::from(*id))).await?;
        }
        Ok(unmarked)
    }

    /// Takes back the marks at a destination that no longer hold: of copies that are gone, that were replaced by another file, or whose job
    /// has no policy there.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn drop_void_deletions(&self, destination_id: &str) -> Result<u64, Error> {
        let text = "DELETE FROM deletions WHERE EXISTS (SELECT 1 FROM copies c WHERE c.id = deletions.copy_id \
                    AND c.destination_id = $1 AND c.state <> 'deleting' AND (c.state <> 'present' \
                    OR c.locked OR c.sidecar_locked \
                    OR c.stored_size <> deletions.stored_size OR COALESCE(c.stored_at <> deletions.stored_at, FALSE) \
                    OR NOT EXISTS (SELECT 1 FROM job_destinations j WHERE j.job_id = deletions.job_id \
                    AND j.destination_id = $1 AND j.retention_policy_id IS NOT NULL)))";
        sql::run(&self.db, text, values![destination_id]).await
    }

    /// Returns marked copies at a destination that are due now, the longest marked first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn due_deletions(
        &self,
        destination_id: &str,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Deletion>, Error> {
        let text = select(
            "WHERE c.destination_id = $1 AND c.state = 'present' AND NOT c.locked AND NOT c.sidecar_locked AND m.due_at <= $2 \
             AND COALESCE(m.retry_at, 0) <= $2 ORDER BY m.due_at, m.copy_id LIMIT $3",
        );
        sql::all(&self.db, &text, values![destination_id, now, limit]).await
    }

    /// Returns a page of copies that are marked, those that are due first at the top.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn deletions(&self, destination_id: Option<&str>, page: &PageRequest) -> Result<Page<Deletion>, Error> {
        let place = page.after.as_deref().and_then(|after| after.split_once(' '));
        let (due, id) = place.and_then(|(due, id)| Some((due.parse().ok()?, id))).unwrap_or((i64::MIN, ""));
        let text = select(
            "WHERE (m.due_at, m.copy_id) > ($1, $2) AND ($3 = '' OR c.destination_id = $3) AND c.state <> 'deleted' \
             ORDER BY m.due_at, m.copy_id LIMIT $4",
        );
        let values = values![due, id, destination_id.unwrap_or_default(), page.probe()];
        Ok(Page::of(sql::all(&self.db, &text, values).await?, page))
    }

    /// Begins the deletion of a marked copy, if its mark still holds. Returns `None` if it was taken back, the copy was locked, or it is
    /// another file now.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn begin_marked_deletion(
        &self,
        (destination_id, scan): (&str, i64),
        marked: &Deletion,
        now: Timestamp,
    ) -> Result<Option<BeforeDeletion>, Error> {
        let mut transaction = self.db.begin().await?;
        if scans::lock(&mut transaction, destination_id).await?.number != scan {
            return Ok(None);
        }
        let text = "UPDATE copies SET state = 'deleting', state_at = $4 WHERE id = $1 AND destination_id = $2 AND state = 'present' \
                    AND scan >= $3 AND NOT locked AND NOT sidecar_locked AND stored_size = $5 \
                    AND COALESCE(stored_at, 0) = COALESCE($6, stored_at, 0) \
                    AND EXISTS (SELECT 1 FROM deletions m WHERE m.copy_id = copies.id AND m.due_at <= $4)";
        let values = values![&marked.copy_id, destination_id, scan, now, marked.stored_size, marked.stored_at];
        let begun = sql::run(&mut transaction, text, values).await? > 0;
        transaction.commit().await?;
        Ok(begun.then(|| BeforeDeletion::seen_by(scan)))
    }

    /// Notes why a deletion failed, and when it is tried again. The copy is present until a scan tells otherwise.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn deletion_failed(&self, copy_id: &str, error: &str, retry_at: Timestamp) -> Result<(), Error> {
        let text = "UPDATE deletions SET attempts = attempts + 1, last_error = $2, retry_at = $3 WHERE copy_id = $1";
        sql::run(&self.db, text, values![copy_id, error, retry_at]).await.map(drop)
    }

    /// Removes the mark of a copy that was deleted.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn deletion_done(&self, copy_id: &str) -> Result<(), Error> {
        sql::run(&self.db, "DELETE FROM deletions WHERE copy_id = $1", values![copy_id]).await.map(drop)
    }

    /// Locks a copy against deletion, or unlocks it. Locking takes its mark back. Returns `None` if no such copy is known.
    ///
    /// # Errors
    /// [`Error::Conflict`] if its deletion has begun.
    pub async fn lock_copy(&self, destination_id: &str, path: &str, locked: bool) -> Result<Option<()>, Error> {
        let text = "UPDATE copies SET locked = $3 WHERE destination_id = $1 AND path = $2 AND state <> 'deleting' RETURNING id";
        self.change_copy((destination_id, path), text, values![destination_id, path, locked], locked).await
    }

    /// Changes the note of a copy. Returns `None` if no such copy is known.
    ///
    /// # Errors
    /// [`Error::Conflict`] if its deletion has begun.
    pub async fn annotate_copy(
        &self,
        destination_id: &str,
        path: &str,
        note: Option<&str>,
    ) -> Result<Option<()>, Error> {
        let text =
            "UPDATE copies SET note = $3 WHERE destination_id = $1 AND path = $2 AND state <> 'deleting' RETURNING id";
        self.change_copy((destination_id, path), text, values![destination_id, path, note.map(str::to_owned)], false)
            .await
    }

    async fn change_copy(
        &self,
        (destination_id, path): (&str, &str),
        text: &str,
        values: [Value; 3],
        unmarks: bool,
    ) -> Result<Option<()>, Error> {
        let mut transaction = self.db.begin().await?;
        // In the order of all who write copies.
        scans::lock(&mut transaction, destination_id).await?;
        let Some(id): Option<String> = sql::value(&mut transaction, text, values).await? else {
            return if is_known(&mut transaction, destination_id, path).await? {
                Err(Error::Conflict)
            } else {
                Ok(None)
            };
        };
        if unmarks {
            sql::run(&mut transaction, "DELETE FROM deletions WHERE copy_id = $1", values![id]).await?;
        }
        transaction.commit().await?;
        Ok(Some(()))
    }
}

async fn is_known(transaction: &mut Transaction, destination_id: &str, path: &str) -> Result<bool, Error> {
    let text = "SELECT id FROM copies WHERE destination_id = $1 AND path = $2";
    Ok(sql::value::<String>(transaction, text, values![destination_id, path]).await?.is_some())
}

impl Deletion {
    /// Returns what the next page starts after.
    pub fn place(&self) -> String {
        format!("{} {}", self.due_at.0.as_millisecond(), self.copy_id)
    }
}
