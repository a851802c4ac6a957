//! Marks what a scan has not seen as missing, once it has read everything.

use jiff::Timestamp;

use crate::error::Error;
use crate::sql::{self, Transaction, record, values};
use crate::values::Value;
use crate::{Catalog, backups, scans};

/// Copies looked at per statement when those that are missing are marked.
const SWEEP_PAGE: i64 = 500;

/// What a scan has not read, and how the destination treats names.
#[derive(Debug, Clone, Copy, Default)]
pub struct SweepScope<'a> {
    /// Folders that could not be read; an empty path is all of the destination.
    pub unread: &'a [String],
    /// Whether names that differ only by case are one file there.
    pub ignores_case: bool,
}

impl Catalog {
    /// Marks a page of copies that a scan has not seen, below no folder that it could not read: those that were present as missing, those that were
    /// being deleted as deleted. Call it only once the scan has read everything else. Returns how many are missing, and where the next page
    /// starts. Ends without a change if another scan has begun since, or the destination was changed.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn sweep(
        &self,
        destination_id: &str,
        scan: i64,
        scope: &SweepScope<'_>,
        after: &str,
        now: Timestamp,
    ) -> Result<(i64, Option<String>), Error> {
        struct Unseen {
            id: String,
            path: String,
        }
        record!(Unseen, "copies", { id, path });
        let text = sql::select::<Unseen>(
            "WHERE destination_id = $1 AND scan < $2 AND state IN ('present', 'deleting') AND path > $3 ORDER BY path LIMIT $4",
        );
        let values = values![destination_id, scan, after, SWEEP_PAGE];
        let unseen: Vec<Unseen> = sql::all(&self.db, &text, values).await?;
        let next = unseen.last().map(|last| last.path.clone());
        let is_unread = |path: &str| {
            scope.unread.iter().any(|folder| {
                folder.is_empty() || path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
            })
        };
        let gone: Vec<&str> =
            unseen.iter().filter(|copy| !is_unread(&copy.path)).map(|copy| copy.id.as_str()).collect();
        if gone.is_empty() {
            return Ok((0, next));
        }
        let mut transaction = self.db.begin().await?;
        if scans::lock(&mut transaction, destination_id).await?.number != scan {
            return Ok((0, None));
        }
        remove_respelled(&mut transaction, destination_id, scan, scope.ignores_case, &gone).await?;
        let places = sql::placeholders(3, gone.len());
        let which = format!("scan < $1 AND id IN ({places})");
        let ids = || gone.iter().map(|id| Value::from(*id));
        let deleted = format!(
            "UPDATE copies SET state = 'deleted', state_at = $2, scan = $1 WHERE state = 'deleting' AND {which}"
        );
        sql::run(&mut transaction, &deleted, values![scan, now].into_iter().chain(ids())).await?;
        let missing = format!(
            "UPDATE copies SET state = 'missing', state_at = $2, scan = $1 WHERE state = 'present' AND {which}"
        );
        let missing = sql::run(&mut transaction, &missing, values![scan, now].into_iter().chain(ids())).await?;
        transaction.commit().await?;
        Ok((i64::try_from(missing).unwrap_or(i64::MAX), next))
    }
}

/// Removes copies that a scan has found under a path that differs only by case: some storages list a path as its folder is spelt, not as
/// it was written. Called missing instead, such a copy would be offered for deletion, and its file is the one that was found. Where case
/// counts, that is so only of a path that was never listed: one that was is a file of its own.
async fn remove_respelled(
    transaction: &mut Transaction,
    destination_id: &str,
    scan: i64,
    ignores_case: bool,
    gone: &[&str],
) -> Result<(), Error> {
    struct Respelled {
        id: String,
        backup_id: String,
        locked: bool,
        note: Option<String>,
        path_key: String,
    }
    record!(Respelled, "copies", { id, backup_id, locked, note, path_key });
    let text = format!(
        "SELECT DISTINCT c.id, c.backup_id, c.locked, c.note, c.path_key FROM copies c JOIN copies o ON o.destination_id = c.destination_id \
         AND o.path_key = c.path_key AND o.id <> c.id AND o.state = 'present' AND o.scan = $2 \
         WHERE c.destination_id = $1 AND c.scan < $2 AND ($3 OR c.stored_at IS NULL AND o.stored_size = c.stored_size) AND c.id IN ({})",
        sql::placeholders(4, gone.len())
    );
    let ids = gone.iter().map(|id| Value::from(*id));
    let respelled: Vec<Respelled> =
        sql::all(&mut *transaction, &text, values![destination_id, scan, ignores_case].into_iter().chain(ids)).await?;
    for Respelled { id, backup_id, locked, note, path_key } in respelled {
        let text = "UPDATE copies SET locked = locked OR $5, note = COALESCE(note, $6) WHERE destination_id = $1 AND path_key = $2 \
                    AND id <> $3 AND state = 'present' AND scan = $4";
        let values = values![destination_id, path_key, &id, scan, locked, note];
        sql::run(&mut *transaction, text, values).await?;
        sql::run(&mut *transaction, "DELETE FROM copies WHERE id = $1", values![id]).await?;
        backups::remove_orphan(transaction, &backup_id).await?;
    }
    Ok(())
}
