//! The metadata database of a server: SQLite by default, PostgreSQL when scaled out, one SQL text for both. And the vault,
//! which encrypts secrets at rest.
//!
//! A file per table, except that what happens to runs and jobs has files of its own (`leases`, `schedules`, `sums`). Statements
//! use `$1` placeholders and nothing that only one of the two databases supports (`sql`). Time comes in as a parameter.

mod api_tokens;
mod audit;
mod authorizations;
mod backup_list;
mod backups;
mod channels;
mod configuration;
mod connection;
mod copies;
mod databases;
mod deletions;
mod destinations;
mod devices;
mod download_links;
mod error;
mod housekeeping;
mod idempotency_keys;
mod job_days;
mod job_list;
mod job_numbers;
mod job_standings;
mod jobs;
mod key_source;
mod leases;
mod master_key;
mod meta;
mod migrations;
mod names;
mod notification_rules;
mod numbers;
mod outage;
mod outbox;
mod page;
mod profiles;
mod proofs;
mod reconcile;
mod retained;
mod retention_policies;
mod revision;
mod rotation;
mod run_counts;
mod run_items;
mod run_log;
mod runs;
mod scanned_sidecars;
mod scans;
mod schedules;
mod sessions;
mod setup_tokens;
mod signing_key;
mod sources;
mod space;
mod sql;
mod standings;
mod sums;
mod sweep;
mod token;
mod told;
mod upgrade;
mod usage;
mod users;
mod values;
mod vault;
mod verifications;

pub use api_tokens::{ApiToken, MAX_TOKENS_PER_USER, NewApiToken};
pub use audit::{AuditEntry, AuditFilter, NewAuditEntry};
pub use authorizations::{Authorization, NewAuthorization};
pub use backup_list::{BackupFilter, BackupNames, BackupSummary, StoredBackup};
pub use backups::{Hashes, NewBackup};
pub use channels::{Channel, NewChannel};
pub use configuration::{Configuration, ConfigurationEdit, ConfigurationWrite, Kind};
pub use connection::{Location, ServerPlace};
pub use copies::{BeforeDeletion, NewCopy};
pub use databases::{DatabaseFilter, NewestCopy, StoredDatabase};
pub use deletions::{Deletion, MarkedBy, NewDeletion};
pub use destinations::{AuthorizationState, Destination, DestinationSecrets, GrantChange, NewDestination};
pub use download_links::{DownloadLink, NewDownloadLink};
pub use error::Error;
pub use housekeeping::{Aging, HOUSEKEEPING_BATCH};
pub use idempotency_keys::{KeyedRequest, MAX_AGE as MAX_KEY_AGE, MAX_KEYS_PER_USER, RequestKey};
pub use job_days::{DaySums, JobDay, TotalDay, day_of};
pub use job_list::{JobEntry, JobFilter, JobOrder};
pub use job_numbers::{JobNumbers, RunNumbers};
pub use job_standings::{JobFailure, JobStanding, JobStatus};
pub use jobs::{Job, NewJob};
pub use key_source::{KeyFile, KeySource};
pub use leases::{Claim, Lease, RunEnd, Settlement};
pub use master_key::MasterKey;
pub use names::key as name_key;
pub use notification_rules::{NewNotificationRule, NotificationRule};
pub use numbers::{DestinationNumbers, QueueNumbers};
pub use outbox::{ChannelNumbers, Delivery, MAX_ENDED, MAX_WAITING, NewMessage, OutboxFilter, OutboxMessage};
pub use page::{Page, PageRequest};
pub use profiles::{NewProfile, Profile};
pub use reconcile::{FoundCopy, FoundFile};
pub use retained::{Published, Retained, RetainedCopy};
pub use retention_policies::{NewRetentionPolicy, RetentionPolicy};
pub use run_log::{LogLine, NewLogLine};
pub use runs::{NewRun, Run, RunFilter, RunOrder};
pub use scanned_sidecars::{FoundSidecar, UnreadCopy};
pub use scans::{Scan, ScanEnd, UnreadableFolder};
pub use schedules::{Due, Scheduled};
pub use sessions::{MAX_SESSIONS_PER_USER, NewSession, Session};
pub use sources::{APPROVED_BEFORE, NewSource, Source};
pub use space::SpaceOfDay;
pub use standings::{AlteredCopies, FailingJobs, JobKind, JobRef, TroubledJob, Unprotected};
pub use sweep::SweepScope;
pub use token::Token;
pub use told::{OpenCause, RunNews, Telling};
pub use upgrade::copies_before_upgrades;
pub use usage::{JobUsage, TotalUsage};
pub use users::{Keep, NewUser, User};
pub use values::Moment;
pub use vault::{Place, Vault};
pub use verifications::{NewVerification, StoredVerification};

use std::sync::{Arc, LazyLock, Mutex};

use jiff::Timestamp;
use uuid::{ContextV7, Uuid};

use connection::LockedFile;
use sql::Pool;

/// The metadata database, open, with its vault. Clones share it.
#[derive(Debug, Clone)]
pub struct Catalog {
    db: Pool,
    vault: Arc<Vault>,
    /// The file of a database of one's own, locked.
    file: Option<Arc<LockedFile>>,
}

impl Catalog {
    /// Opens the database, finds the key that it is encrypted under, and brings its schema up to date. An empty database takes the
    /// key that there is, or a new one, as its own. With the wrong key nothing is changed.
    ///
    /// # Errors
    /// [`Error::WrongKey`] names both keys; [`Error::Open`] if it cannot be opened; [`Error::InUse`].
    pub async fn open(location: &Location, keys: &KeySource) -> Result<Self, Error> {
        let file = LockedFile::of(location)?.map(Arc::new);
        let db = location.connect().await?;
        let key = keys.find(meta::first_key_id(&db).await?.as_deref())?;
        location.upgrade(&db).await?;
        run_items::move_old(&db).await?;
        match meta::adopt_key(&db, &key).await? {
            Some(wanted) if wanted != key.id() => Err(Error::wrong_key(&wanted, Some(&key))),
            _ => {
                let catalog = Self { db, vault: Arc::new(Vault::new(&key)?), file };
                sums::fill(&catalog).await?;
                Ok(catalog)
            }
        }
    }

    /// Writes, and so proves that the database can be written; of a file also that it has room to grow.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Database`].
    pub async fn check_writable(&self) -> Result<(), Error> {
        if self.file.as_ref().is_some_and(|file| file.is_disk_full()) {
            return Err(Error::DiskFull);
        }
        sql::run(&self.db, "UPDATE meta SET value = value WHERE name = $1", sql::values![meta::KEY_ID]).await.map(drop)
    }

    /// What time it is for everybody who shares the database: its own clock where there can be several servers, otherwise `now`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn shared_now(&self, now: Timestamp) -> Result<Timestamp, Error> {
        if self.is_private() {
            return Ok(now);
        }
        let text = format!("SELECT {} AS now", self.db.clock());
        let found: Option<Moment> = sql::value(&self.db, &text, []).await?;
        Ok(found.map_or(now, Timestamp::from))
    }

    /// Whether no other process can use this database.
    pub fn is_private(&self) -> bool {
        self.file.is_some()
    }

    /// Closes every connection, after writing everything out.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn close(self) -> Result<(), Error> {
        self.db.close().await;
        Ok(())
    }
}

/// A new id: a UUID of version 7, which sorts by `now`, and by the order of their making within one millisecond.
pub fn new_id(now: Timestamp) -> String {
    static ORDER: LazyLock<Mutex<ContextV7>> = LazyLock::new(|| Mutex::new(ContextV7::new()));
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(&*ORDER, seconds, nanoseconds)).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_of_one_millisecond_sort_by_the_order_of_their_making() {
        let now = jiff::Timestamp::from_second(1_768_478_400).unwrap();
        let ids: Vec<String> = (0..1000).map(|_| super::new_id(now)).collect();
        assert!(ids.is_sorted());
    }
}
