//! What a scan finds at a destination: every backup with its sidecar, page by page. No file is read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use adapter::Error;
use adapter::destination::{Destination, Object, Unreadable};
use domain::BackupName;
use domain::naming::SIDECAR_SUFFIX;
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::catalog::parse_path;
use crate::sidecars::{SidecarState, read_sidecar};

/// Minimum time between two reads of sidecars: storages slow a client down that asks more often.
const READ_INTERVAL: Duration = Duration::from_millis(100);

/// A backup as a listing shows it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Relative to the destination's folder.
    pub path: String,
    /// The job, read from its folder.
    pub job: String,
    /// The parts of its file name.
    pub name: BackupName,
    /// The file.
    pub file: File,
    /// The sidecar beside it.
    pub sidecar: Option<File>,
}

/// A file's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Bytes.
    pub size: u64,
    /// When the storage took it, where it tells.
    pub modified: Option<Timestamp>,
}

/// The backups at a destination, as it listed them.
#[derive(Debug)]
pub struct Scan {
    objects: std::vec::IntoIter<Object>,
    /// By the path of their backup, in lower case: some storages list the two in different case.
    sidecars: HashMap<String, File>,
    /// The folders that could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl Scan {
    /// Lists a destination.
    ///
    /// # Errors
    /// As [`Destination::list_readable`]: nothing is known of the destination then.
    pub async fn of(destination: &dyn Destination) -> Result<Self, Error> {
        let listed = destination.list_readable("").await?;
        let sidecar = |object: &Object| {
            let backup = object.path.strip_suffix(SIDECAR_SUFFIX)?;
            Some((backup.to_lowercase(), File { size: object.size, modified: object.modified }))
        };
        let sidecars = listed.objects.iter().filter_map(sidecar).collect();
        Ok(Self { objects: listed.objects.into_iter(), sidecars, unreadable: listed.unreadable })
    }

    /// Returns the next backups, at most `limit`; none at the end.
    pub fn page(&mut self, limit: usize) -> Vec<Found> {
        let sidecars = &self.sidecars;
        let found = |object: Object| {
            let (job, name) = parse_path(&object.path)?;
            let file = File { size: object.size, modified: object.modified };
            let sidecar = sidecars.get(&object.path.to_lowercase()).copied();
            Some(Found { path: object.path, job, name, file, sidecar })
        };
        self.objects.by_ref().filter_map(found).take(limit).collect()
    }
}

/// Reads sidecars one after the other, or a few at once, at no more than ten a second.
#[derive(Debug, Clone)]
pub struct SidecarReader(Arc<Mutex<Interval>>);

impl Default for SidecarReader {
    fn default() -> Self {
        let mut pace = interval(READ_INTERVAL);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(Arc::new(Mutex::new(pace)))
    }
}

impl SidecarReader {
    /// Reads the sidecar of a backup.
    ///
    /// # Errors
    /// As [`read_sidecar`].
    pub async fn read(&self, destination: &dyn Destination, path: &str) -> Result<SidecarState, Error> {
        self.0.lock().await.tick().await;
        read_sidecar(destination, path).await
    }
}
