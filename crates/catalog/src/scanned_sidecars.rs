//! The sidecars that a scan reads after it has found their backups by name.

use domain::BackupName;
use domain::sidecar::Sidecar;
use domain::stored::SidecarKnown;
use jiff::Timestamp;

use crate::backups::{self, NewBackup};
use crate::error::Error;
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, json};
use crate::{Catalog, copies, scans};

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

impl Catalog {
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
