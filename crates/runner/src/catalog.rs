//! The backups at a destination, read from the storage itself.

mod delete;

use std::collections::HashSet;
use std::time::Duration;

use adapter::destination::{Destination, How, Object, Unreadable};
use adapter::{Error, Registry};
use domain::BackupName;
use domain::naming::{SIDECAR_SUFFIX, is_same_job, job_folder, job_of_folder};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use sources::{SourceAdapter, of_ending};
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval};

pub use self::delete::{DeleteError, Listed, delete, delete_left, delete_listed};
use crate::backup::Stored;
use crate::sidecars::pair_key;
pub use crate::sidecars::{SidecarState, read_sidecar};
use crate::signature::SignatureState;

/// Maximum number of sidecars read at once.
const PARALLEL_READS: usize = 4;
/// Minimum time between two reads: storages slow a client down that asks more often.
const READ_INTERVAL: Duration = Duration::from_millis(100);

/// A file in a job's folder that says that a job of another spelling writes there, too; see docs/FORMAT.md.
pub(crate) const SHARED_MARKER: &str = "shared-folder.txt";

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
    /// When the storage took it, where it tells.
    pub modified: Option<Timestamp>,
    /// Whether a sidecar lies beside it.
    pub has_sidecar: bool,
}

/// The backups at a destination, oldest first, and what could not be read.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The backups.
    pub backups: Vec<Backup>,
    /// The folders that could not be read; of a job's own folder, none.
    pub unreadable: Vec<Unreadable>,
}

/// Lists the backups at a destination; of one job if it is named. What none of `sources` has written is a backup if a sidecar lies beside
/// it.
///
/// # Errors
/// As [`Destination::list`]; a job's own folder is listed as a whole or not at all.
pub async fn list(
    destination: &dyn Destination,
    job: Option<&str>,
    sources: &Registry<SourceAdapter>,
) -> Result<Listing, Error> {
    match job {
        Some(job) => Ok(Listing { backups: of_job(destination, job, sources).await?, unreadable: Vec::new() }),
        None => {
            let listed = destination.list_readable("").await?;
            let backups = sorted(recognize(destination, &listed.objects, Some(sources)));
            Ok(Listing { backups, unreadable: listed.unreadable })
        }
    }
}

/// The backups of a job, oldest first. Two jobs whose names differ only by case share a folder in Dropbox: there, and only there,
/// the sidecars tell them apart.
async fn of_job(
    destination: &dyn Destination,
    job: &str,
    sources: &Registry<SourceAdapter>,
) -> Result<Vec<Backup>, Error> {
    let folder = JobFolder::list(destination, job, sources).await?;
    if !folder.is_shared {
        return Ok(folder.backups);
    }
    let mut pace = interval(READ_INTERVAL);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (pace, is_spelt_so) = (&Mutex::new(pace), folder.is_spelt_so);
    let judged: Vec<Option<Backup>> = stream::iter(folder.backups)
        .map(|backup| async move {
            let sidecar = if backup.has_sidecar {
                pace.lock().await.tick().await;
                read_sidecar(destination, &backup.path).await?
            } else {
                SidecarState::Missing
            };
            let is_ours = belongs_to(job, &sidecar).unwrap_or(is_spelt_so);
            Ok::<_, Error>(is_ours.then(|| Backup { job: job.to_owned(), ..backup }))
        })
        .buffered(PARALLEL_READS)
        .try_collect()
        .await?;
    Ok(judged.into_iter().flatten().collect())
}

/// A run, and who signs its sidecars.
#[derive(Debug, Clone, Copy)]
pub struct PublishedBy<'a> {
    /// The run.
    pub run_id: &'a str,
    /// Its job's name.
    pub job: &'a str,
    /// The public key of this installation, as sidecars name it.
    pub signed_by: &'a str,
    /// About when it started: names that tell a nearer time are looked at first.
    pub started: Timestamp,
    /// Maximum number of sidecars to read.
    pub most: usize,
}

/// Returns what a run of this installation published at a destination, by the sidecars there that it signed for this run. A backup of
/// another size than its sidecar says is left out; its content is not compared.
///
/// # Errors
/// As [`Destination::list`] and [`read_sidecar`].
pub async fn published_by(destination: &dyn Destination, run: &PublishedBy<'_>) -> Result<Vec<Stored>, Error> {
    // What has a sidecar is a backup, whatever has written it.
    let mut backups = JobFolder::list(destination, run.job, &Registry::new([])).await?.backups;
    backups.retain(|backup| backup.has_sidecar);
    backups.sort_by_key(|backup| backup.name.time.duration_since(run.started).abs());
    backups.truncate(run.most);
    let read = |backup: Backup| async move {
        let state = read_sidecar(destination, &backup.path).await?;
        let SidecarState::Read(sidecar, SignatureState::SignedBy(key)) = state else { return Ok(None) };
        let is_its_own = key == run.signed_by
            && sidecar.run_id == run.run_id
            && sidecar.size.stored == backup.size
            && backup.path.rsplit('/').next() == Some(&*sidecar.original_file_name);
        Ok::<_, Error>(is_its_own.then_some(Stored { path: backup.path, sidecar: *sidecar, proved: How::SizeAndTag }))
    };
    let read: Vec<_> = stream::iter(backups).map(read).buffered(PARALLEL_READS).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

/// Returns whether a sidecar says that its backup is the job's, or of a job that only its case tells apart; `None` if it does not
/// say.
pub fn belongs_to(job: &str, sidecar: &SidecarState) -> Option<bool> {
    let name = &sidecar.sidecar()?.job_name;
    if is_same_job(name, job) {
        return Some(true);
    }
    // A folder can have been renamed since: then its name counts.
    (name.to_lowercase() == job.to_lowercase()).then_some(false)
}

/// A job's folder, as one listing shows it.
#[derive(Debug)]
pub struct JobFolder {
    /// The backups in it, oldest first.
    pub backups: Vec<Backup>,
    /// Whether backups of another job, whose name differs only by case, can be among them.
    pub is_shared: bool,
    /// Whether its name is spelt as this job's.
    pub is_spelt_so: bool,
}

impl JobFolder {
    /// Lists it, as [`list`] does; no sidecar is read.
    ///
    /// # Errors
    /// As [`Destination::list`].
    pub async fn list(
        destination: &dyn Destination,
        job: &str,
        sources: &Registry<SourceAdapter>,
    ) -> Result<Self, Error> {
        let folder = job_folder(job);
        let objects = destination.list(&folder).await?;
        let mut backups = recognize(destination, &objects, Some(sources));
        backups.retain(|backup| {
            backup.path.rsplit_once('/').is_some_and(|(found, _)| found.to_lowercase() == folder.to_lowercase())
        });
        let is_spelt_so = is_spelt(&folder, &objects);
        if is_spelt_so {
            // A name that was cut is whole here.
            backups.iter_mut().for_each(|backup| job.clone_into(&mut backup.job));
        }
        let is_shared = !is_spelt_so || objects.iter().any(is_shared_marker);
        Ok(Self { backups: sorted(backups), is_shared, is_spelt_so })
    }
}

/// Returns whether a folder's files lie in a folder of just this spelling; true for an empty one.
pub(crate) fn is_spelt(folder: &str, objects: &[Object]) -> bool {
    objects.iter().all(|object| object.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
}

pub(crate) fn is_shared_marker(object: &Object) -> bool {
    object.path.rsplit('/').next() == Some(SHARED_MARKER)
}

/// Takes a backup's path apart: the job, and the parts of the file's name. `None` if it is not a backup's: every path that a person
/// or a program gives goes through here, so that nothing else at a destination is read, copied or deleted.
pub fn parse_path(path: &str) -> Option<(String, BackupName)> {
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..") || segment.contains('\0')) {
        return None;
    }
    let (folder, file_name) = path.rsplit_once('/')?;
    Some((job_of_folder(folder.rsplit('/').next()?), BackupName::parse(file_name)?))
}

/// Returns whether a file of such a name is a backup: people lay files of their own beside backups, such as checksums, and call them
/// nearly the same.
pub(crate) fn is_backup(name: &BackupName, has_sidecar: bool, sources: &Registry<SourceAdapter>) -> bool {
    has_sidecar || of_ending(sources, &name.ending).is_some()
}

fn sorted(mut backups: Vec<Backup>) -> Vec<Backup> {
    backups.sort_by(|one, other| {
        (one.name.time, one.name.ordinal, &one.path).cmp(&(other.name.time, other.name.ordinal, &other.path))
    });
    backups
}

/// Returns the backups among the files of a listing, in its order. Without sources, every ending passes.
pub(crate) fn recognize(
    destination: &dyn Destination,
    objects: &[Object],
    sources: Option<&Registry<SourceAdapter>>,
) -> Vec<Backup> {
    let ignores_case = destination.capabilities().ignores_case;
    let beside = objects.iter().filter_map(|object| object.path.strip_suffix(SIDECAR_SUFFIX));
    let sidecars: HashSet<_> = beside.map(|path| pair_key(path, ignores_case)).collect();
    let backup = |object: &Object| {
        let (job, name) = parse_path(&object.path)?;
        let has_sidecar = sidecars.contains(&pair_key(&object.path, ignores_case));
        if sources.is_some_and(|sources| !is_backup(&name, has_sidecar, sources)) {
            return None;
        }
        let Object { path, size, modified } = object.clone();
        Some(Backup { path, job, name, size, modified, has_sidecar })
    };
    objects.iter().filter_map(backup).collect()
}
