//! What is known of backups, whatever destinations they are at.

use std::collections::BTreeMap;

use domain::BackupName;
use domain::naming::{database_segment, job_folder};
use domain::sidecar::Sidecar;
use domain::warning::Warning;
use jiff::Timestamp;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::new_id;
use crate::sql::{self, Transaction, values};
use crate::values::json;

/// Hashes in lower-case hexadecimal, by algorithm.
pub type Hashes = BTreeMap<String, String>;

/// Maximum number of warnings that are kept of a backup; its sidecar has all of them.
const MAX_WARNINGS: usize = 50;
/// What the digests are called in a sidecar that are kept by the name of their algorithm.
const SHA256: &str = "sha256";

/// What is known of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBackup {
    /// What all copies of this backup have in common. `None` if only its name is known: then a copy is a backup of its own.
    pub(crate) identity: Option<String>,
    /// The job's id where a server made it. The job may be another server's, or deleted.
    pub job_id: Option<String>,
    /// The run's id.
    pub run_id: Option<String>,
    /// The job's name.
    pub job: String,
    /// The source's address, without its password.
    pub source: Option<String>,
    /// The host name of the machine that ran the backup.
    pub host: Option<String>,
    /// The id of the adapter that made it, as its sidecar says; empty if no sidecar was read.
    pub source_type: String,
    /// `None` for engines with one database per source.
    pub database: Option<String>,
    /// When its run started.
    pub created_at: Timestamp,
    /// Bytes of the dump.
    pub dumped_size: Option<i64>,
    /// Rows at the moment of the dump.
    pub row_count: Option<i64>,
    /// Tables at the moment of the dump.
    pub table_count: Option<i64>,
    /// Of the dump.
    pub dump_hashes: Hashes,
    /// `zst`, `gz`; `None` if it is not compressed.
    pub compression: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The public keys that it is encrypted to.
    pub encrypted_to: Vec<String>,
    /// What it lacks, and what could not be checked.
    pub warnings: Vec<Warning>,
    /// The version of its sidecar's format. `None` if no sidecar was read.
    pub sidecar_version: Option<i64>,
}

impl NewBackup {
    /// Returns what a file's name and folder tell.
    pub fn from_name(job: &str, name: &BackupName) -> Self {
        Self {
            identity: None,
            job_id: None,
            run_id: None,
            job: clean(job),
            source: None,
            host: None,
            source_type: String::new(),
            database: name.database_name().or_else(|| name.database.clone()).as_deref().map(clean),
            created_at: name.time,
            dumped_size: None,
            row_count: None,
            table_count: None,
            dump_hashes: Hashes::new(),
            compression: name.compression.map(str::to_owned),
            encrypted: name.encrypted,
            encrypted_to: Vec::new(),
            warnings: Vec::new(),
            sidecar_version: None,
        }
    }

    /// Returns what a file's name and folder and its sidecar tell. Where they contradict each other, the name and folder count: a sidecar
    /// completes only names that were cut.
    pub fn from_sidecar(job: &str, name: &BackupName, sidecar: &Sidecar) -> Self {
        let by_name = Self::from_name(job, name);
        let is_of_folder = job_folder(&sidecar.job_name).to_lowercase() == job_folder(job).to_lowercase();
        let is_cut_job = job.contains("%~") && job_folder(&sidecar.job_name).to_lowercase() == job.to_lowercase();
        let is_of_name = name.database.as_deref() == Some(&database_segment(&sidecar.database));
        let (dump_hashes, _) = hashes_of(sidecar);
        let encryption = sidecar.encryption.as_ref();
        Self {
            identity: Some(identity(sidecar)),
            job_id: sidecar.job_id.as_deref().map(clean),
            run_id: Some(clean(&sidecar.run_id)),
            job: if is_of_folder || is_cut_job { clean(&sidecar.job_name) } else { by_name.job.clone() },
            source: Some(clean(&sidecar.source_name)),
            source_type: sidecar.source_type.to_string(),
            host: sidecar.host.as_deref().map(clean),
            database: if is_of_name { Some(clean(&sidecar.database)) } else { by_name.database.clone() },
            dumped_size: Some(i64::try_from(sidecar.size.plain).unwrap_or(i64::MAX)),
            row_count: sidecar.rows.as_ref().map(|rows| i64::try_from(rows.total).unwrap_or(i64::MAX)),
            table_count: sidecar.rows.as_ref().map(|rows| i64::try_from(rows.tables).unwrap_or(i64::MAX)),
            dump_hashes,
            encrypted_to: encryption.map(|it| it.recipients.iter().map(|key| clean(key)).collect()).unwrap_or_default(),
            warnings: sidecar.warnings.iter().take(MAX_WARNINGS).cloned().collect(),
            sidecar_version: Some(sidecar.version.into()),
            ..by_name
        }
    }
}

/// Returns the digests that a sidecar knows: of the dump, and of the stored file.
pub(crate) fn hashes_of(sidecar: &Sidecar) -> (Hashes, Hashes) {
    let (mut dump, mut stored) = (Hashes::new(), Hashes::new());
    let Ok(Json::Object(checksum)) = serde_json::to_value(&sidecar.checksum) else { return (dump, stored) };
    for (name, value) in checksum {
        let Json::String(value) = value else { continue };
        match name.as_str() {
            "sha256Plain" => dump.insert(SHA256.to_owned(), clean(&value)),
            "sha256Stored" => stored.insert(SHA256.to_owned(), clean(&value)),
            _ => stored.insert(name, clean(&value)),
        };
    }
    (dump, stored)
}

/// Hashes what copies of one backup have in common. Each copy's sidecar has an id of its own, and hashes of its storage.
fn identity(sidecar: &Sidecar) -> String {
    let Sidecar { run_id, job_name, database, timestamp, checksum, .. } = sidecar;
    let parts = [run_id, job_name, database, &checksum.sha256_plain, &checksum.sha256_stored];
    let mut hasher = Sha256::new();
    for part in parts.into_iter().chain([&timestamp.to_string()]) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    base16ct::lower::encode_string(&hasher.finalize())
}

/// PostgreSQL's TEXT holds no NUL, which JSON can.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Returns the id of this backup, which is added unless a copy of it is known.
pub(crate) async fn find_or_insert(
    transaction: &mut Transaction,
    new: &NewBackup,
    now: Timestamp,
) -> Result<String, Error> {
    let id = new_id(now);
    let text = "INSERT INTO backups (id, identity, job_id, run_id, job, source, host, source_type, database, created_at, \
                dumped_size, dump_hashes, compression, encrypted, encrypted_to, warnings, sidecar_version, \
                row_count, table_count) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) \
                ON CONFLICT (identity) DO NOTHING";
    let values = values![
        &id,
        &new.identity,
        &new.job_id,
        &new.run_id,
        &new.job,
        &new.source,
        &new.host,
        &new.source_type,
        &new.database,
        new.created_at,
        new.dumped_size,
        json(&new.dump_hashes)?,
        &new.compression,
        new.encrypted,
        json(&new.encrypted_to)?,
        json(&new.warnings)?,
        new.sidecar_version,
        new.row_count,
        new.table_count
    ];
    if sql::run(&mut *transaction, text, values).await? > 0 {
        return Ok(id);
    }
    let known = sql::value(transaction, "SELECT id FROM backups WHERE identity = $1", values![&new.identity]).await?;
    known.ok_or(Error::Conflict)
}

/// Removes a backup that has no copies.
pub(crate) async fn remove_orphan(transaction: &mut Transaction, id: &str) -> Result<(), Error> {
    let text = "DELETE FROM backups WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM copies WHERE backup_id = $1)";
    sql::run(transaction, text, values![id]).await.map(drop)
}
