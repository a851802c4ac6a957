//! Scans of destinations: one at a time at each, also where servers share the database.

use domain::stored::ScanState;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::error::Error;
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, json};

/// The latest scan of a destination.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The destination.
    pub destination_id: String,
    /// Counts the destination's scans, from 1.
    pub number: i64,
    /// The state.
    pub state: ScanState,
    /// When it was started.
    pub started_at: Moment,
    /// When it ended.
    pub finished_at: Option<Moment>,
    /// When this or an earlier scan last read all that there is.
    pub complete_at: Option<Moment>,
    /// Backups found so far.
    pub found: i64,
    /// Backups among them that were unknown.
    pub adopted: i64,
    /// Backups that it has marked as missing.
    pub missing: i64,
    /// Why it failed.
    pub error: Option<String>,
    /// Folders that could not be read.
    pub unreadable: Vec<UnreadableFolder>,
}

/// A folder that a scan could not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableFolder {
    /// Relative to the destination's folder.
    pub path: String,
    /// Why.
    pub error: String,
}

record!(Scan, "scans", {
    destination_id,
    number,
    state,
    started_at,
    finished_at,
    complete_at,
    found,
    adopted,
    missing,
    error,
    unreadable
});

/// A destination's latest scan, as it orders what is known of the copies there. All zero if there was none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latest {
    /// See [`Scan::number`]. A row that carries it was changed since that scan began, and is newer than what the scan read.
    pub(crate) number: i64,
    /// What carries a smaller number was seen before the destination was changed.
    pub(crate) valid_from: i64,
}

record!(Latest, "scans", { number, valid_from });

/// Locks a destination's scans until the transaction ends, and returns the latest. Every writer of copies takes this lock, so that a
/// scan that was replaced notices it before it writes.
pub(crate) async fn lock(transaction: &mut Transaction, destination_id: &str) -> Result<Latest, Error> {
    let text =
        format!("UPDATE scans SET number = number WHERE destination_id = $1 RETURNING {}", sql::columns::<Latest>());
    Ok(sql::one(transaction, &text, values![destination_id]).await?.unwrap_or_default())
}

/// Invalidates what is known of a destination's copies, because the destination may be another place now. A scan in progress is ended:
/// what it reads is of the place before. Until another scan has seen them, copies are [`domain::stored::CopyState::Unconfirmed`].
pub(crate) async fn invalidate(
    transaction: &mut Transaction,
    destination_id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let text = "INSERT INTO scans (destination_id, number, state, cancel_requested, started_at, found, adopted, missing, error, \
                unreadable, valid_from) \
                VALUES ($1, 1, 'cancelled', FALSE, $2, 0, 0, 0, 'The destination was changed and has to be scanned again.', '[]', 1) \
                ON CONFLICT (destination_id) DO UPDATE SET number = scans.number + 1, valid_from = scans.number + 1, \
                state = excluded.state, lease_until = NULL, cancel_requested = FALSE, started_at = excluded.started_at, \
                finished_at = NULL, complete_at = NULL, found = 0, adopted = 0, missing = 0, error = excluded.error, \
                unreadable = excluded.unreadable, place = NULL";
    sql::run(transaction, text, values![destination_id, now]).await.map(drop)
}

/// How a scan ended.
#[derive(Debug, Clone)]
pub struct ScanEnd {
    /// The state.
    pub state: ScanState,
    /// Backups found.
    pub found: i64,
    /// Backups among them that were unknown.
    pub adopted: i64,
    /// Backups marked as missing.
    pub missing: i64,
    /// Why it failed.
    pub error: Option<String>,
    /// Folders that could not be read.
    pub unreadable: Vec<UnreadableFolder>,
}

impl Catalog {
    /// Starts a scan under a lease and returns its number. Returns `None` if the destination is being scanned.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::Referenced`] if there is no such destination.
    pub async fn begin_scan(
        &self,
        destination_id: &str,
        lease: SignedDuration,
        now: Timestamp,
    ) -> Result<Option<i64>, Error> {
        let clock = self.db.clock();
        let text = format!(
            "INSERT INTO scans (destination_id, number, state, lease_until, cancel_requested, started_at, found, adopted, \
             missing, unreadable) VALUES ($1, 1, 'running', {clock} + $2, FALSE, $3, 0, 0, 0, '[]') \
             ON CONFLICT (destination_id) DO UPDATE SET number = scans.number + 1, state = 'running', \
             lease_until = excluded.lease_until, cancel_requested = FALSE, started_at = excluded.started_at, \
             finished_at = NULL, found = 0, adopted = 0, missing = 0, error = NULL, unreadable = '[]' \
             WHERE scans.state <> 'running' OR scans.lease_until < {clock} RETURNING number"
        );
        sql::value(&self.db, &text, values![destination_id, milliseconds(lease), now]).await
    }

    /// Records which folder of the storage a destination is, and those around it, in the storage's own terms. `epoch`: [`Catalog::epoch`]
    /// when it was opened; of a scan, its number.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn note_place(
        &self,
        destination_id: &str,
        epoch: i64,
        own: &str,
        around: &[String],
    ) -> Result<(), Error> {
        let place = json(&std::iter::once(own).chain(around.iter().map(String::as_str)).collect::<Vec<_>>())?;
        let text = "UPDATE scans SET place = $3 WHERE destination_id = $1 AND valid_from <= $2";
        sql::run(&self.db, text, values![destination_id, epoch, place]).await.map(drop)
    }

    /// Renews a scan's lease and records its progress. Returns whether it goes on: it was not cancelled, and no other one has begun.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn renew_scan(
        &self,
        destination_id: &str,
        number: i64,
        lease: SignedDuration,
        [found, adopted]: [i64; 2],
    ) -> Result<bool, Error> {
        let clock = self.db.clock();
        let text = format!(
            "UPDATE scans SET lease_until = {clock} + $3, found = $4, adopted = $5 \
             WHERE destination_id = $1 AND number = $2 AND state = 'running' RETURNING cancel_requested"
        );
        let values = values![destination_id, number, milliseconds(lease), found, adopted];
        let cancelled: Option<bool> = sql::value(&self.db, &text, values).await?;
        Ok(cancelled == Some(false))
    }

    /// Ends a scan, unless another one has begun.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn finish_scan(
        &self,
        destination_id: &str,
        number: i64,
        end: &ScanEnd,
        now: Timestamp,
    ) -> Result<(), Error> {
        let text = "UPDATE scans SET state = $3, lease_until = NULL, finished_at = $4, found = $5, adopted = $6, \
                    missing = $7, error = $8, unreadable = $9, complete_at = COALESCE($10, complete_at) \
                    WHERE destination_id = $1 AND number = $2 AND state = 'running'";
        let complete_at = (end.state == ScanState::Complete).then_some(now);
        let values = values![
            destination_id,
            number,
            end.state.as_str(),
            now,
            end.found,
            end.adopted,
            end.missing,
            &end.error,
            json(&end.unreadable)?,
            complete_at
        ];
        sql::run(&self.db, text, values).await.map(drop)
    }

    /// Requests that a destination's scan stop. Returns `false` if none is in progress.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn cancel_scan(&self, destination_id: &str) -> Result<bool, Error> {
        let text = "UPDATE scans SET cancel_requested = TRUE WHERE destination_id = $1 AND state = 'running'";
        Ok(sql::run(&self.db, text, values![destination_id]).await? > 0)
    }

    /// Ends the scans that a server that was killed has left, where no other server can have begun them.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn end_abandoned_scans(&self, now: Timestamp) -> Result<(), Error> {
        let text = "UPDATE scans SET state = 'failed', finished_at = $1, lease_until = NULL, \
                    error = 'The server stopped during this scan.' WHERE state = 'running'";
        sql::run(&self.db, text, values![now]).await.map(drop)
    }

    /// Returns the latest scan of each destination that was scanned.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn scans(&self) -> Result<Vec<Scan>, Error> {
        sql::all(&self.db, &sql::select::<Scan>("ORDER BY destination_id"), []).await
    }

    /// Returns the latest scan of a destination.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn scan(&self, destination_id: &str) -> Result<Option<Scan>, Error> {
        sql::one(&self.db, &sql::select::<Scan>("WHERE destination_id = $1"), values![destination_id]).await
    }
}

fn milliseconds(lease: SignedDuration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2)
}
