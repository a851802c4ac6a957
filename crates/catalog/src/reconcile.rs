//! Reconciles the catalog with what a scan reads at a destination, page by page. The storage is the truth.
//!
//! A copy carries the number of the scan that saw it last. What carries the number of the scan in progress was seen by it, or was changed
//! by this server since it began, and is newer than what it read.

use std::collections::HashMap;

use domain::BackupName;
use domain::sidecar::Sidecar;
use domain::stored::SidecarKnown;
use jiff::Timestamp;

use crate::Catalog;
use crate::backups::{self, Hashes, NewBackup};
use crate::copies::{self, Fields};
use crate::error::Error;
use crate::scans::{self, Latest};
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, Value, json};

/// Copies looked at per statement when those that are missing are marked.
const SWEEP_PAGE: i64 = 500;

/// A backup as a scan finds it.
#[derive(Debug, Clone)]
pub struct FoundCopy {
    /// Relative to the destination's folder.
    pub path: String,
    /// The job, as its folder says.
    pub job: String,
    /// The parts of its file name.
    pub name: BackupName,
    /// The file.
    pub file: FoundFile,
    /// The sidecar beside it.
    pub sidecar: Option<FoundFile>,
}

/// A file's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundFile {
    /// Bytes.
    pub size: i64,
    /// When the storage took it, where it tells.
    pub modified: Option<Timestamp>,
}

/// A copy whose sidecar was not read yet.
#[derive(Debug, Clone)]
pub struct UnreadCopy {
    /// Its id.
    pub id: String,
    /// Relative to the destination's folder.
    pub path: String,
    /// When its backup was made.
    pub created_at: Moment,
}

record!(UnreadCopy, "copies", { id, path, created_at });

/// What was found beside a copy.
#[derive(Debug, Clone)]
pub enum FoundSidecar {
    /// A sidecar, and `unsigned`, `wrong` or the public key that has signed it.
    Read(Box<Sidecar>, String),
    /// A file that cannot be read.
    Unreadable,
    /// Nothing.
    Absent,
}

/// What a scan has not read, and how the destination treats names.
#[derive(Debug, Clone, Copy, Default)]
pub struct SweepScope<'a> {
    /// Folders that could not be read; an empty path is all of the destination.
    pub unread: &'a [String],
    /// Whether names that differ only by case are one file there.
    pub ignores_case: bool,
}

/// What the catalog knows of a path.
struct Known {
    id: String,
    path: String,
    scan: i64,
    stored_size: i64,
    stored_at: Option<Moment>,
    sidecar: SidecarKnown,
    sidecar_size: Option<i64>,
    sidecar_at: Option<Moment>,
}

record!(Known, "copies", { id, path, scan, stored_size, stored_at, sidecar, sidecar_size, sidecar_at });

/// What a scan has to do about a path that is known.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    /// It is as it was.
    Nothing,
    /// What is known of it is completed.
    Fill,
    /// Its sidecar was removed.
    SidecarGone,
    /// Its sidecar is another one.
    SidecarChanged,
    /// It is another file.
    Replaced,
}

impl Known {
    fn change(&self, found: &FoundCopy, latest: Latest) -> Change {
        let differs = |known: Option<Moment>, found: Option<Timestamp>| {
            known.zip(found).is_some_and(|(known, found)| known.0.as_millisecond() != found.as_millisecond())
        };
        if self.stored_size != found.file.size || differs(self.stored_at, found.file.modified) {
            return Change::Replaced;
        }
        // The destination may be another place: a file of the same name and size there is the same one only if its time says so, too.
        if self.scan < latest.valid_from && (self.stored_at.is_none() || found.file.modified.is_none()) {
            return Change::Replaced;
        }
        match (self.sidecar, &found.sidecar) {
            (SidecarKnown::Absent, None) if self.stored_at.is_some() => Change::Nothing,
            (SidecarKnown::Absent, Some(_)) => Change::SidecarChanged,
            (SidecarKnown::Read | SidecarKnown::Unread | SidecarKnown::Unreadable, None) => Change::SidecarGone,
            (_, Some(sidecar)) if self.sidecar_size.is_some_and(|size| size != sidecar.size) => Change::SidecarChanged,
            (_, Some(sidecar)) if differs(self.sidecar_at, sidecar.modified) => Change::SidecarChanged,
            (_, Some(_)) if self.sidecar_size.is_some() && self.stored_at.is_some() => Change::Nothing,
            // As a run has recorded it.
            _ => Change::Fill,
        }
    }
}

impl Catalog {
    /// Reconciles a page of what a scan has found, and returns how many were unknown. Those are adopted by their names; their sidecars are
    /// read later (see [`Catalog::unread_copies`]). Returns `None`, and changes nothing, if another scan has begun since, or the
    /// destination was changed.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::Referenced`] if the destination was deleted.
    pub async fn reconcile(
        &self,
        destination_id: &str,
        scan: i64,
        found: &[FoundCopy],
        now: Timestamp,
    ) -> Result<Option<i64>, Error> {
        let mut transaction = self.db.begin().await?;
        let latest = scans::lock(&mut transaction, destination_id).await?;
        if latest.number != scan {
            return Ok(None);
        }
        let known = known_at(&mut transaction, destination_id, found).await?;
        let (mut adopted, mut unchanged) = (0, Vec::new());
        for copy in found {
            let Some(known) = known.get(copy.path.as_str()) else {
                adopt(&mut transaction, destination_id, latest, copy, now).await?;
                adopted += 1;
                continue;
            };
            if known.scan >= scan {
                continue;
            }
            match known.change(copy, latest) {
                Change::Nothing => {}
                Change::Replaced => {
                    adopt(&mut transaction, destination_id, latest, copy, now).await?;
                    continue;
                }
                change => update(&mut transaction, known, copy, &change).await?,
            }
            unchanged.push(&*known.id);
        }
        see(&mut transaction, scan, &unchanged, now).await?;
        transaction.commit().await?;
        Ok(Some(adopted))
    }

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

    /// Returns copies whose sidecars were not read yet, the newest backups first, before one that was returned.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn unread_copies(
        &self,
        destination_id: &str,
        before: Option<&UnreadCopy>,
        limit: i64,
    ) -> Result<Vec<UnreadCopy>, Error> {
        let (time, id) = before.map_or((Moment(Timestamp::MAX), ""), |copy| (copy.created_at, copy.id.as_str()));
        let text = sql::select::<UnreadCopy>(
            "WHERE destination_id = $1 AND sidecar = 'unread' AND state = 'present' AND (created_at, id) < ($2, $3) \
             AND scan >= COALESCE((SELECT valid_from FROM scans WHERE destination_id = $1), 0) \
             ORDER BY created_at DESC, id DESC LIMIT $4",
        );
        sql::all(&self.db, &text, values![destination_id, time, id, limit]).await
    }

    /// Records what a scan has found beside a copy, unless another scan has begun since, or the destination was changed.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn record_sidecar(
        &self,
        scan: (&str, i64),
        copy: &UnreadCopy,
        name: (&str, &BackupName),
        found: &FoundSidecar,
        now: Timestamp,
    ) -> Result<(), Error> {
        let ((destination_id, number), (job, name)) = (scan, name);
        let mut transaction = self.db.begin().await?;
        if scans::lock(&mut transaction, destination_id).await?.number != number {
            return Ok(());
        }
        match found {
            FoundSidecar::Read(sidecar, signature) => {
                describe(&mut transaction, copy, job, name, sidecar, signature, now).await?;
            }
            FoundSidecar::Unreadable | FoundSidecar::Absent => {
                let known = match found {
                    FoundSidecar::Absent => SidecarKnown::Absent,
                    _ => SidecarKnown::Unreadable,
                };
                let text = "UPDATE copies SET sidecar = $2, signature = NULL WHERE id = $1 AND sidecar = 'unread'";
                sql::run(&mut transaction, text, values![&copy.id, known.as_str()]).await?;
            }
        }
        transaction.commit().await
    }
}

async fn known_at(
    transaction: &mut Transaction,
    destination_id: &str,
    found: &[FoundCopy],
) -> Result<HashMap<String, Known>, Error> {
    if found.is_empty() {
        return Ok(HashMap::new());
    }
    let places = sql::placeholders(2, found.len());
    let text = sql::select::<Known>(&format!("WHERE destination_id = $1 AND path IN ({places})"));
    let paths = found.iter().map(|copy| Value::from(&copy.path));
    let known: Vec<Known> = sql::all(transaction, &text, values![destination_id].into_iter().chain(paths)).await?;
    Ok(known.into_iter().map(|known| (known.path.clone(), known)).collect())
}

/// Adds a copy, or replaces what is known of its path, by its name alone.
async fn adopt(
    transaction: &mut Transaction,
    destination_id: &str,
    latest: Latest,
    found: &FoundCopy,
    now: Timestamp,
) -> Result<(), Error> {
    let old = "SELECT backup_id FROM copies WHERE destination_id = $1 AND path = $2";
    let old: Option<String> = sql::value(&mut *transaction, old, values![destination_id, &found.path]).await?;
    let fields = Fields {
        destination_id,
        path: &found.path,
        backup: &NewBackup::from_name(&found.job, &found.name),
        hashes: &Hashes::new(),
        sidecar: if found.sidecar.is_some() { SidecarKnown::Unread } else { SidecarKnown::Absent },
        sidecar_size: found.sidecar.map(|sidecar| sidecar.size),
        sidecar_at: found.sidecar.and_then(|sidecar| sidecar.modified),
        signature: None,
        stored_size: found.file.size,
        stored_at: found.file.modified,
    };
    copies::write(transaction, &fields, latest, now).await?;
    match old {
        Some(backup_id) => backups::remove_orphan(transaction, &backup_id).await,
        None => Ok(()),
    }
}

/// Completes what is known of a copy, or notes that its sidecar is another one.
async fn update(transaction: &mut Transaction, known: &Known, found: &FoundCopy, change: &Change) -> Result<(), Error> {
    let sidecar = match change {
        Change::SidecarGone => SidecarKnown::Absent,
        Change::SidecarChanged => SidecarKnown::Unread,
        _ => known.sidecar,
    };
    let text = "UPDATE copies SET stored_at = $2, sidecar = $3, sidecar_size = $4, sidecar_at = $5 WHERE id = $1";
    let values = values![
        &known.id,
        found.file.modified,
        sidecar.as_str(),
        found.sidecar.map(|sidecar| sidecar.size),
        found.sidecar.and_then(|sidecar| sidecar.modified)
    ];
    sql::run(transaction, text, values).await.map(drop)
}

/// Marks copies as seen by a scan.
async fn see(transaction: &mut Transaction, scan: i64, ids: &[&str], now: Timestamp) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    // A file that has come back is not the one that was to go.
    let returned = format!(
        "DELETE FROM deletions WHERE copy_id IN (SELECT id FROM copies WHERE state = 'deleted' AND scan < $1 AND id IN ({}))",
        sql::placeholders(2, ids.len())
    );
    let copies = ids.iter().map(|id| Value::from(*id));
    sql::run(&mut *transaction, &returned, values![scan].into_iter().chain(copies)).await?;
    let text = format!(
        "UPDATE copies SET scan = $1, last_seen_at = $2, state_at = CASE WHEN state = 'present' THEN state_at ELSE $2 END, \
         state = 'present' WHERE scan < $1 AND id IN ({})",
        sql::placeholders(3, ids.len())
    );
    let ids = ids.iter().map(|id| Value::from(*id));
    sql::run(transaction, &text, values![scan, now].into_iter().chain(ids)).await.map(drop)
}

/// Replaces what a copy's name tells by what its sidecar tells.
async fn describe(
    transaction: &mut Transaction,
    copy: &UnreadCopy,
    job: &str,
    name: &BackupName,
    sidecar: &Sidecar,
    signature: &str,
    now: Timestamp,
) -> Result<(), Error> {
    struct Place {
        backup_id: String,
        destination_id: String,
    }
    record!(Place, "copies", { backup_id, destination_id });
    let text = sql::select::<Place>("WHERE id = $1 AND sidecar = 'unread'");
    let place: Option<Place> = sql::one(&mut *transaction, &text, values![&copy.id]).await?;
    // A run has recorded it meanwhile.
    let Some(place) = place else { return Ok(()) };
    let backup = NewBackup::from_sidecar(job, name, sidecar);
    let (_, hashes) = backups::hashes_of(sidecar);
    let backup_id = backups::find_or_insert(transaction, &backup, now).await?;
    let series_id = copies::series(transaction, &place.destination_id, &backup, now).await?;
    let text = "UPDATE copies SET backup_id = $2, series_id = $3, hashes = $4, sidecar = 'read', signature = $5, sidecar_locked = $6 \
         WHERE id = $1";
    let values = values![&copy.id, &backup_id, series_id, json(&hashes)?, signature, sidecar.locked];
    sql::run(&mut *transaction, text, values).await?;
    if place.backup_id == backup_id {
        return Ok(());
    }
    backups::remove_orphan(transaction, &place.backup_id).await
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
