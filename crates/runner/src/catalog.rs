//! The backups at a destination, read from the storage itself.

use std::collections::HashSet;

use destinations::{Destination, Error, Object};
use domain::BackupName;
use domain::naming::{SIDECAR_SUFFIX, job_folder, job_of_folder};
use domain::sidecar::{self, Sidecar};
use futures_util::{StreamExt, TryStreamExt, stream};

/// Sidecars that are read at once.
const PARALLEL_READS: usize = 8;

/// A backup as its name and its listing tell.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Relative to the destination's folder.
    pub path: String,
    /// The job, read from its folder.
    pub job: String,
    /// The parts of its file name.
    pub name: BackupName,
    /// Bytes.
    pub size: u64,
    /// Whether a sidecar lies beside it.
    pub has_sidecar: bool,
    /// Where its data came from, if its sidecar was read for the listing (as it is for a named job).
    pub source: Option<String>,
}

/// Lists the backups at a destination, oldest first; of one job if it is named.
///
/// Two jobs whose names differ only by case share a folder in Dropbox; for a named job the sidecars tell them apart.
///
/// # Errors
/// As [`Destination::list`]: a listing is whole or an error.
pub async fn list(destination: &dyn Destination, job: Option<&str>) -> Result<Vec<Backup>, Error> {
    let folder = job.map(job_folder).unwrap_or_default();
    let objects = destination.list(&folder).await?;
    let sidecars: HashSet<String> =
        objects.iter().filter_map(|object| Some(object.path.strip_suffix(SIDECAR_SUFFIX)?.to_lowercase())).collect();
    let mut backups: Vec<Backup> = objects.iter().filter_map(|object| recognize(object, &sidecars)).collect();
    if let Some(job) = job {
        backups = only_of_job(destination, job, backups).await?;
    }
    backups.sort_by(|one, other| {
        (one.name.time, one.name.ordinal, &one.path).cmp(&(other.name.time, other.name.ordinal, &other.path))
    });
    Ok(backups)
}

/// Reads the sidecar of a backup; none if there is none, or it is of no use.
///
/// # Errors
/// If it cannot be told whether there is one.
pub async fn read_sidecar(destination: &dyn Destination, path: &str) -> Result<Option<Sidecar>, Error> {
    let content = destination.read(&format!("{path}{SIDECAR_SUFFIX}"), sidecar::MAX_SIZE).await?;
    Ok(content.and_then(|json| serde_json::from_slice(&json).ok()))
}

/// Deletes a backup, then its sidecar. A backup that cannot be deleted keeps its sidecar.
///
/// # Errors
/// [`Error::NotFound`] if nothing is there; as [`Destination::delete`].
pub async fn delete(destination: &dyn Destination, path: &str) -> Result<(), Error> {
    destination.stored_hash(path).await.map(drop)?;
    destination.delete(path).await?;
    destination.delete(&format!("{path}{SIDECAR_SUFFIX}")).await
}

/// What a backup's path says of it: the job, and the parts of the file's name. None if it is not a backup's.
pub fn parse_path(path: &str) -> Option<(String, BackupName)> {
    let (folder, file_name) = path.rsplit_once('/')?;
    Some((job_of_folder(folder.rsplit('/').next()?), BackupName::parse(file_name)?))
}

fn recognize(object: &Object, sidecars: &HashSet<String>) -> Option<Backup> {
    let (job, name) = parse_path(&object.path)?;
    let has_sidecar = sidecars.contains(&object.path.to_lowercase());
    Some(Backup { path: object.path.clone(), job, name, size: object.size, has_sidecar, source: None })
}

async fn only_of_job(destination: &dyn Destination, job: &str, backups: Vec<Backup>) -> Result<Vec<Backup>, Error> {
    let judged: Vec<Option<Backup>> = stream::iter(backups)
        .map(|backup| async move {
            let sidecar = if backup.has_sidecar { read_sidecar(destination, &backup.path).await? } else { None };
            let is_ours = sidecar.as_ref().map_or(backup.job == job, |sidecar| sidecar.job_name == job);
            let source = sidecar.map(|sidecar| sidecar.source_name);
            Ok::<_, Error>(is_ours.then(|| Backup { job: job.to_owned(), source, ..backup }))
        })
        .buffered(PARALLEL_READS)
        .try_collect()
        .await?;
    Ok(judged.into_iter().flatten().collect())
}
