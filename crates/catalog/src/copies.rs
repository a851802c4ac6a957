//! Copies of backups at destinations: as runs and deletions write them. `reconcile.rs` has what scans do.

use domain::BackupName;
use domain::sidecar::Sidecar;
use domain::stored::{CopyState, SidecarKnown};
use jiff::Timestamp;

use crate::backups::{self, Hashes, NewBackup};
use crate::error::Error;
use crate::scans::{self, Latest};
use crate::sql::{self, Transaction, values};
use crate::values::json;
use crate::verifications::{self, NewVerification};
use crate::{Catalog, names, new_id, usage};

/// A copy that a run has published.
#[derive(Debug, Clone)]
pub struct NewCopy<'a> {
    /// Its destination.
    pub destination_id: &'a str,
    /// Relative to the destination's folder.
    pub path: &'a str,
    /// The job, as its folder says.
    pub job: &'a str,
    /// The parts of its file name.
    pub name: &'a BackupName,
    /// What was written beside it. `None` if there is no sidecar.
    pub sidecar: Option<&'a Sidecar>,
    /// `unsigned`, `wrong`, or the public key that has signed the sidecar.
    pub signature: Option<&'a str>,
    /// Bytes.
    pub stored_size: i64,
    /// The destination's [`Catalog::epoch`] when it was opened.
    pub epoch: i64,
    /// How it was verified.
    pub verification: Option<NewVerification<'a>>,
}

impl Catalog {
    /// Records a copy that a run has published, in the place of what was known of its path. How the same copy was verified before is kept,
    /// unless this is a better verification. Nothing is recorded if the destination was changed since it was opened: the copy is at the
    /// place before.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::Referenced`] if the destination was deleted.
    pub async fn record_copy(&self, new: &NewCopy<'_>, now: Timestamp) -> Result<(), Error> {
        let backup = match new.sidecar {
            Some(sidecar) => NewBackup::from_sidecar(new.job, new.name, sidecar),
            None => NewBackup::from_name(new.job, new.name),
        };
        let hashes = new.sidecar.map(|sidecar| backups::hashes_of(sidecar).1).unwrap_or_default();
        let sidecar = if new.sidecar.is_some() { SidecarKnown::Read } else { SidecarKnown::Absent };
        let mut transaction = self.db.begin().await?;
        let latest = scans::lock(&mut transaction, new.destination_id).await?;
        if latest.valid_from > new.epoch {
            return Ok(());
        }
        let old = copy_at(&mut transaction, new.destination_id, new.path).await?;
        let old_job = usage::job_at(&mut transaction, new.destination_id, new.path).await?;
        let fields = Fields {
            destination_id: new.destination_id,
            path: new.path,
            backup: &backup,
            hashes: &hashes,
            sidecar,
            sidecar_size: None,
            sidecar_at: None,
            signature: new.signature,
            stored_size: new.stored_size,
            stored_at: None,
        };
        let id = write(&mut transaction, &fields, latest, now).await?;
        if let Some(sidecar) = new.sidecar {
            let text = "UPDATE copies SET sidecar_locked = $2 WHERE id = $1";
            sql::run(&mut transaction, text, values![&id, sidecar.locked]).await?;
        }
        if let Some(verification) = &new.verification {
            verifications::add(&mut transaction, &id, verification, now).await?;
        }
        if let Some((_, backup_id)) = old {
            backups::remove_orphan(&mut transaction, &backup_id).await?;
        }
        if let Some(job) = old_job.filter(|job| job != new.job) {
            usage::recount(&mut transaction, new.destination_id, &job).await?;
        }
        usage::recount_at(&mut transaction, new.destination_id, new.path).await?;
        transaction.commit().await
    }

    /// Returns a number that grows whenever a destination may have become another place. Read it before the destination is opened: what
    /// was learnt or changed there is recorded with it, and dropped if the destination was changed meanwhile.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn epoch(&self, destination_id: &str) -> Result<i64, Error> {
        let text = "SELECT valid_from FROM scans WHERE destination_id = $1";
        Ok(sql::value(&self.db, text, values![destination_id]).await?.unwrap_or(0))
    }

    /// Notes that a user is about to delete a copy, and takes its mark back. Returns what was known of it, for [`Self::abandon_deletion`].
    /// A copy that is locked is left as it is: see [`BeforeDeletion::is_locked`].
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn begin_deletion(
        &self,
        (destination_id, epoch): (&str, i64),
        path: &str,
        now: Timestamp,
    ) -> Result<BeforeDeletion, Error> {
        let text = format!("{} AND path = $2", sql::select::<BeforeDeletion>("WHERE destination_id = $1"));
        let mut transaction = self.db.begin().await?;
        let latest = scans::lock(&mut transaction, destination_id).await?;
        let before: Option<BeforeDeletion> = sql::one(&mut transaction, &text, values![destination_id, path]).await?;
        if latest.valid_from <= epoch {
            let which = "state IN ('present', 'missing') AND NOT locked";
            change_state(&mut transaction, (destination_id, path), which, (CopyState::Deleting, latest), now).await?;
            let unmark = "DELETE FROM deletions WHERE copy_id IN \
                          (SELECT id FROM copies WHERE destination_id = $1 AND path = $2 AND state = 'deleting')";
            sql::run(&mut transaction, unmark, values![destination_id, path]).await?;
            transaction.commit().await?;
        }
        Ok(before.unwrap_or_default())
    }

    /// Returns the path under which the copy at `path` is known, where the storage ignores the case of names. A locked copy comes first.
    /// Returns `None` if no such copy is known.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn spelling_of(&self, destination_id: &str, path: &str) -> Result<Option<String>, Error> {
        let text = "SELECT path FROM copies WHERE destination_id = $1 AND path_key = $2 AND state <> 'deleted' \
                    ORDER BY locked DESC, CASE WHEN path = $3 THEN 0 ELSE 1 END, path LIMIT 1";
        sql::value(&self.db, text, values![destination_id, names::key(path), path]).await
    }

    /// Notes that a copy was deleted.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn end_deletion(
        &self,
        (destination_id, epoch): (&str, i64),
        path: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut transaction = self.db.begin().await?;
        let latest = scans::lock(&mut transaction, destination_id).await?;
        if latest.valid_from > epoch {
            return Ok(());
        }
        let deleted = (CopyState::Deleted, latest);
        change_state(&mut transaction, (destination_id, path), "state <> 'deleted'", deleted, now).await?;
        transaction.commit().await
    }

    /// Notes that a copy was not deleted after all: what was known of it before holds again. Whether it is still there after a failure, the
    /// next scan tells.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn abandon_deletion(
        &self,
        (destination_id, epoch): (&str, i64),
        path: &str,
        before: &BeforeDeletion,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut transaction = self.db.begin().await?;
        let latest = scans::lock(&mut transaction, destination_id).await?;
        if latest.valid_from > epoch {
            return Ok(());
        }
        // What was not confirmed is not confirmed by this.
        let scan = if before.scan < latest.valid_from { before.scan } else { latest.number };
        let text = "UPDATE copies SET state = $3, state_at = $4, scan = $5 WHERE destination_id = $1 AND path = $2 AND state = 'deleting'";
        let values = values![destination_id, path, before.state.as_str(), now, scan];
        sql::run(&mut transaction, text, values).await?;
        usage::recount_at(&mut transaction, destination_id, path).await?;
        transaction.commit().await
    }
}

async fn change_state(
    transaction: &mut Transaction,
    (destination_id, path): (&str, &str),
    which: &str,
    (state, latest): (CopyState, Latest),
    now: Timestamp,
) -> Result<(), Error> {
    let text = format!(
        "UPDATE copies SET state = $3, state_at = $4, scan = $5 WHERE destination_id = $1 AND path = $2 AND {which}"
    );
    let values = values![destination_id, path, state.as_str(), now, latest.number];
    sql::run(&mut *transaction, &text, values).await?;
    usage::recount_at(transaction, destination_id, path).await
}

/// What was known of a copy before its deletion began.
#[derive(Debug)]
pub struct BeforeDeletion {
    state: CopyState,
    scan: i64,
    locked: bool,
}

sql::record!(BeforeDeletion, "copies", { state, scan, locked });

impl BeforeDeletion {
    /// A copy that this scan has seen.
    pub(crate) fn seen_by(scan: i64) -> Self {
        Self { state: CopyState::Present, scan, locked: false }
    }

    /// Returns whether a user has locked the copy: it must not be deleted.
    pub fn is_locked(&self) -> bool {
        self.locked
    }
}

impl Default for BeforeDeletion {
    fn default() -> Self {
        Self { state: CopyState::Present, scan: 0, locked: false }
    }
}

/// What is written of a copy.
pub(crate) struct Fields<'a> {
    pub(crate) destination_id: &'a str,
    pub(crate) path: &'a str,
    pub(crate) backup: &'a NewBackup,
    pub(crate) hashes: &'a Hashes,
    pub(crate) sidecar: SidecarKnown,
    pub(crate) sidecar_size: Option<i64>,
    pub(crate) sidecar_at: Option<Timestamp>,
    pub(crate) signature: Option<&'a str>,
    pub(crate) stored_size: i64,
    pub(crate) stored_at: Option<Timestamp>,
}

/// Writes a copy that is present, and returns its id. What was known of another file at its path is replaced, and with it the last
/// verification. Of the same file, as far as can be told without reading it, that is kept.
pub(crate) async fn write(
    transaction: &mut Transaction,
    fields: &Fields<'_>,
    latest: Latest,
    now: Timestamp,
) -> Result<String, Error> {
    let backup_id = backups::find_or_insert(transaction, fields.backup, now).await?;
    let series_id = series(transaction, fields.destination_id, fields.backup, now).await?;
    let kept = |column: &str| {
        format!(
            "CASE WHEN copies.backup_id = excluded.backup_id AND copies.stored_size = excluded.stored_size \
             AND copies.state = 'present' AND copies.scan >= $18 THEN copies.{column} END"
        )
    };
    let verified = ["verified_at", "verified_by", "verified_how", "verified_result"];
    let verified = verified.map(|column| format!("{column} = {}", kept(column))).join(", ");
    let text = format!(
        "INSERT INTO copies (id, backup_id, series_id, destination_id, path, created_at, state, state_at, scan, \
                stored_size, stored_at, encrypted, hashes, sidecar, sidecar_size, sidecar_at, signature, first_seen_at, \
                last_seen_at, path_key, arrival) \
                VALUES ($1, $2, $3, $4, $5, $6, 'present', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $7, $7, $17, \
                (SELECT COALESCE(MAX(arrival), 0) + 1 FROM copies WHERE destination_id = $4)) \
                ON CONFLICT (destination_id, path) DO UPDATE SET backup_id = excluded.backup_id, \
                series_id = excluded.series_id, created_at = excluded.created_at, state = excluded.state, \
                state_at = excluded.state_at, scan = excluded.scan, stored_size = excluded.stored_size, \
                stored_at = COALESCE(excluded.stored_at, {}), encrypted = excluded.encrypted, hashes = excluded.hashes, \
                sidecar = excluded.sidecar, sidecar_size = excluded.sidecar_size, sidecar_at = excluded.sidecar_at, \
                signature = excluded.signature, last_seen_at = excluded.last_seen_at, {verified}, \
                arrival = CASE WHEN copies.stored_size = excluded.stored_size AND copies.state <> 'deleted' \
                THEN copies.arrival ELSE excluded.arrival END, \
                first_seen_at = CASE WHEN copies.state = 'deleted' THEN excluded.first_seen_at ELSE copies.first_seen_at END \
                RETURNING id",
        kept("stored_at")
    );
    let values = values![
        new_id(now),
        backup_id,
        series_id,
        fields.destination_id,
        fields.path,
        fields.backup.created_at,
        now,
        latest.number,
        fields.stored_size,
        fields.stored_at,
        fields.backup.encrypted,
        json(fields.hashes)?,
        fields.sidecar.as_str(),
        fields.sidecar_size,
        fields.sidecar_at,
        fields.signature,
        names::key(fields.path),
        latest.valid_from
    ];
    sql::value(transaction, &text, values).await?.ok_or(Error::Conflict)
}

/// Returns the id of the series that a backup's copies at a destination belong to.
pub(crate) async fn series(
    transaction: &mut Transaction,
    destination_id: &str,
    backup: &NewBackup,
    now: Timestamp,
) -> Result<String, Error> {
    let database = backup.database.as_deref().unwrap_or_default();
    let find = "SELECT id FROM series WHERE destination_id = $1 AND job = $2 AND database = $3";
    let known = sql::value(&mut *transaction, find, values![destination_id, &backup.job, database]).await?;
    if let Some(id) = known {
        return Ok(id);
    }
    let text = "INSERT INTO series (id, destination_id, job, database, search_key) VALUES ($1, $2, $3, $4, $5) \
                ON CONFLICT (destination_id, job, database) DO UPDATE SET search_key = excluded.search_key RETURNING id";
    let search = names::key(&format!("{} {database}", backup.job));
    let values = values![new_id(now), destination_id, &backup.job, database, search];
    sql::value(transaction, text, values).await?.ok_or(Error::Conflict)
}

/// Returns the ids of the copy at a path and of its backup.
async fn copy_at(db: &mut Transaction, destination_id: &str, path: &str) -> Result<Option<(String, String)>, Error> {
    struct Ids {
        id: String,
        backup_id: String,
    }
    sql::record!(Ids, "copies", { id, backup_id });
    let text = sql::select::<Ids>("WHERE destination_id = $1 AND path = $2");
    let found: Option<Ids> = sql::one(db, &text, values![destination_id, path]).await?;
    Ok(found.map(|ids| (ids.id, ids.backup_id)))
}
