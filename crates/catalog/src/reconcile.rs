//! Reconciles the catalog with what a scan reads at a destination, page by page. The storage is the truth.
//!
//! A copy carries the number of the scan that saw it last. What carries the number of the scan in progress was seen by it, or was changed
//! by this server since it began, and is newer than what it read.

use std::collections::HashMap;

use domain::BackupName;
use domain::stored::SidecarKnown;
use jiff::Timestamp;

use crate::Catalog;
use crate::backups::{self, Hashes, NewBackup};
use crate::copies::{self, Fields};
use crate::error::Error;
use crate::scans::{self, Latest};
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, Value};

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
