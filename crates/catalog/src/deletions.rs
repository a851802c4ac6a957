//! Copies that retention has marked for deletion. A mark changes nothing at the destination: the copy is deleted once its grace period is
//! over, and what fails is tried again.

use domain::retention::Reason;
use domain::stored::CopyState;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use crate::audit::{self, NewAuditEntry};
use crate::copies::BeforeDeletion;
use crate::error::Error;
use crate::page::{Page, PageRequest};
use crate::retained::PUBLISHED;
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, Value, json};
use crate::{Catalog, names, scans};

/// Copies marked by one statement.
const BATCH: usize = 200;
/// Minimum time between a mark that no user has confirmed and the deletion.
const MIN_UNCONFIRMED_GRACE: SignedDuration = SignedDuration::from_hours(24);

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

/// A mark to be made.
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
    /// How long they stay marked before they are deleted; at least a day where no user has confirmed it.
    pub grace: SignedDuration,
    /// Whether a user has confirmed the marks.
    pub confirmed: bool,
}

/// Whether a user or a sidecar locks the copy `c`, or another copy of its backup.
const LOCKED: &str =
    "EXISTS (SELECT 1 FROM copies l WHERE l.backup_id = c.backup_id AND (l.locked OR l.sidecar_locked))";

fn select(rest: &str) -> String {
    format!(
        "SELECT m.copy_id, c.destination_id, d.name AS destination, c.path, c.state, m.job_id, m.policy, m.reasons, m.stored_size, \
         m.stored_at, c.created_at, m.marked_at, m.due_at, m.attempts, m.last_error, m.retry_at FROM deletions m \
         JOIN copies c ON c.id = m.copy_id JOIN destinations d ON d.id = c.destination_id {rest}"
    )
}

impl Catalog {
    /// Marks copies for deletion, unless another scan has begun since this one. Copies that are locked or not present are left as they
    /// are. A mark that stands takes the grace period that holds now; one that a clock has made in the future is made now. Returns how
    /// many copies are marked by it.
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
        let marked_at =
            "CASE WHEN deletions.marked_at < excluded.marked_at THEN deletions.marked_at ELSE excluded.marked_at END";
        let text = format!(
            "INSERT INTO deletions (copy_id, job_id, policy, reasons, stored_size, stored_at, marked_at, due_at, confirmed) \
             SELECT c.id, $3, $4, $5, c.stored_size, c.stored_at, $6, $6 + CASE WHEN $9 THEN $7 ELSE $8 END, $9 \
             FROM copies c WHERE c.id = $1 AND c.destination_id = $2 AND c.state = 'present' AND NOT {LOCKED} \
             ON CONFLICT (copy_id) DO UPDATE SET policy = excluded.policy, marked_at = {marked_at}, \
             due_at = {marked_at} + CASE WHEN deletions.confirmed OR excluded.confirmed THEN $7 ELSE $8 END, \
             confirmed = deletions.confirmed OR excluded.confirmed"
        );
        let milliseconds = |grace: SignedDuration| i64::try_from(grace.as_millis()).unwrap_or(i64::MAX / 4);
        let (grace, unconfirmed) = (milliseconds(by.grace), milliseconds(by.grace.max(MIN_UNCONFIRMED_GRACE)));
        let mut marked = 0;
        for mark in marks {
            let reasons = json(&mark.reasons)?;
            let values = values![
                mark.copy_id,
                destination_id,
                by.job_id,
                by.policy,
                reasons,
                now,
                grace,
                unconfirmed,
                by.confirmed
            ];
            marked += sql::run(&mut transaction, &text, values).await?;
        }
        transaction.commit().await?;
        Ok(marked)
    }

    /// Removes marks made by a job's policy. Copies whose deletion has begun keep theirs.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn unmark_deletions(&self, job_id: &str, copy_ids: &[&str]) -> Result<u64, Error> {
        let mut unmarked = 0;
        for batch in copy_ids.chunks(BATCH) {
            let text = format!(
                "DELETE FROM deletions WHERE job_id = $1 AND copy_id IN ({}) AND NOT EXISTS \
                 (SELECT 1 FROM copies c WHERE c.id = deletions.copy_id AND c.state IN ('deleting', 'deleted'))",
                sql::placeholders(2, batch.len())
            );
            let ids = batch.iter().map(|id| Value::from(*id));
            unmarked += sql::run(&self.db, &text, values![job_id].into_iter().chain(ids)).await?;
        }
        Ok(unmarked)
    }

    /// Takes back the marks at a destination that no longer hold: of copies that are missing, that were replaced by another file, or whose
    /// job has no policy there. Copies whose deletion has begun or was interrupted keep theirs; see [`Self::interrupted_deletions`].
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn drop_void_deletions(&self, destination_id: &str) -> Result<u64, Error> {
        let text = format!(
            "DELETE FROM deletions WHERE EXISTS (SELECT 1 FROM copies c LEFT JOIN scans v ON v.destination_id = c.destination_id \
             WHERE c.id = deletions.copy_id AND c.destination_id = $1 \
             AND (c.state = 'deleted' AND c.scan < COALESCE(v.valid_from, 0) OR c.state NOT IN ('deleting', 'deleted') \
             AND (c.state <> 'present' OR {LOCKED} OR c.stored_size <> deletions.stored_size \
             OR COALESCE(c.stored_at <> deletions.stored_at, FALSE) \
             OR NOT EXISTS (SELECT 1 FROM job_destinations j WHERE j.job_id = deletions.job_id \
             AND j.destination_id = $1 AND j.retention_policy_id IS NOT NULL))))"
        );
        sql::run(&self.db, &text, values![destination_id]).await
    }

    /// Returns copies at a destination that the policy of a job has marked and that are due now, the longest marked first. The storage's
    /// clock has to agree: a copy is due only if the destination has a backup of this server that was stored since.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn due_deletions(
        &self,
        (destination_id, job_id): (&str, &str),
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Deletion>, Error> {
        let text = select(&format!(
            "WHERE c.destination_id = $1 AND m.job_id = $2 AND c.state = 'present' AND NOT {LOCKED} AND m.due_at <= $3 \
             AND m.due_at <= (SELECT MAX(p.stored_at) FROM {PUBLISHED}) \
             AND COALESCE(m.retry_at, 0) <= $3 ORDER BY m.due_at, m.copy_id LIMIT $4"
        ));
        sql::all(&self.db, &text, values![destination_id, job_id, now, limit]).await
    }

    /// Returns marked copies at a destination whose deletion was interrupted: the file is gone, but its sidecar may be left, and nothing
    /// says in the audit log that it was deleted. What failed is not tried again before its time.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn interrupted_deletions(
        &self,
        destination_id: &str,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Deletion>, Error> {
        let text = select(
            "WHERE c.destination_id = $1 AND c.state = 'deleted' AND COALESCE(m.retry_at, 0) <= $2 \
             ORDER BY m.due_at, m.copy_id LIMIT $3",
        );
        sql::all(&self.db, &text, values![destination_id, now, limit]).await
    }

    /// Returns whether an interrupted deletion may be completed: no other scan has begun, the copy is still gone, and no run brings it
    /// back.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn may_resume_deletion(
        &self,
        (destination_id, scan): (&str, i64),
        marked: &Deletion,
    ) -> Result<bool, Error> {
        let mut transaction = self.db.begin().await?;
        if scans::lock(&mut transaction, destination_id).await?.number != scan {
            return Ok(false);
        }
        let text = "SELECT id FROM copies WHERE id = $1 AND state = 'deleted'";
        let is_gone = sql::value::<String>(&mut transaction, text, values![&marked.copy_id]).await?.is_some();
        Ok(is_gone && !is_used(&mut transaction, destination_id, &marked.path).await?)
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

    /// Begins the deletion of a marked copy, if its mark still holds. Returns `None` if it was taken back, the copy was locked, it is
    /// another file now, or a restore or a copy that has not ended reads it.
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
        if is_used(&mut transaction, destination_id, &marked.path).await? {
            return Ok(None);
        }
        let text = format!(
            "UPDATE copies SET state = 'deleting', state_at = $4 WHERE id IN (SELECT c.id FROM copies c WHERE c.id = $1 \
             AND c.destination_id = $2 AND c.state = 'present' AND c.scan >= $3 AND NOT {LOCKED} AND c.stored_size = $5 \
             AND COALESCE(c.stored_at, 0) = COALESCE($6, c.stored_at, 0) \
             AND EXISTS (SELECT 1 FROM deletions m WHERE m.copy_id = c.id AND m.due_at <= $4))"
        );
        let values = values![&marked.copy_id, destination_id, scan, now, marked.stored_size, marked.stored_at];
        let begun = sql::run(&mut transaction, &text, values).await? > 0;
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

    /// Removes the mark of a copy that was deleted, and adds the deletion to the audit log.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn deletion_done(&self, copy_id: &str, entry: &NewAuditEntry<'_>, now: Timestamp) -> Result<(), Error> {
        let mut transaction = self.db.begin().await?;
        if unmark(&mut transaction, copy_id).await? > 0 {
            audit::insert(&mut transaction, entry, now).await?;
        }
        transaction.commit().await
    }

    /// Notes that the sidecar of a marked copy locks it, and takes its mark back.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn sidecar_locks(&self, copy_id: &str) -> Result<(), Error> {
        let mut transaction = self.db.begin().await?;
        let text = "UPDATE copies SET sidecar_locked = TRUE WHERE id = $1";
        sql::run(&mut transaction, text, values![copy_id]).await?;
        unmark(&mut transaction, copy_id).await?;
        transaction.commit().await
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
            unmark(&mut transaction, &id).await?;
        }
        transaction.commit().await?;
        Ok(Some(()))
    }
}

/// Removes a copy's mark, if it has one. Returns the number of marks removed.
pub(crate) async fn unmark(transaction: &mut Transaction, copy_id: &str) -> Result<u64, Error> {
    sql::run(transaction, "DELETE FROM deletions WHERE copy_id = $1", values![copy_id]).await
}

/// Returns whether a restore or a copy that has not ended reads or writes the file at a path. A run is queued under the same lock of the
/// destination ([`Catalog::queue_run`]).
async fn is_used(transaction: &mut Transaction, destination_id: &str, path: &str) -> Result<bool, Error> {
    struct Asked {
        request: String,
    }
    record!(Asked, "runs", { request });
    let text = sql::select::<Asked>(
        "WHERE kind IN ('restore', 'copy') AND state IN ('queued', 'running') AND request IS NOT NULL",
    );
    let asked: Vec<Asked> = sql::all(transaction, &text, []).await?;
    let path = names::key(path);
    Ok(asked.iter().any(|run| {
        // What cannot be read may be about this file.
        let Ok(request) = serde_json::from_str::<Json>(&run.request) else { return true };
        let is_there = ["destinationId", "toDestinationId"].iter().any(|field| request[field] == destination_id);
        is_there && request["path"].as_str().is_some_and(|used| names::key(used) == path)
    }))
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
