//! What a scan finds at a destination: every backup with its sidecar, page by page. No file at the destination is read.

mod sorted;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adapter::destination::{Destination, Unreadable};
use adapter::{Error, Registry};
use domain::BackupName;
use jiff::Timestamp;
use sources::SourceAdapter;
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

use self::sorted::{Backups, Sorter};
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
    /// `None` while a thread reads it.
    backups: Option<Backups>,
    /// The folders that could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl Scan {
    /// Lists a destination page by page; see [`crate::list`] for what is a backup. Of a long listing, private files in `scratch` hold what memory should not.
    ///
    /// # Errors
    /// As [`Destination::readable_pages`]: nothing is known of the destination then.
    pub async fn of(
        destination: &dyn Destination,
        scratch: &Path,
        sources: &Registry<SourceAdapter>,
    ) -> Result<Self, Error> {
        let ignores_case = destination.capabilities().ignores_case;
        let mut sorter = Sorter::new(scratch.to_owned(), ignores_case, sources.clone());
        let mut pages = destination.readable_pages("").await?;
        let mut unreadable = Vec::new();
        while let Some(page) = pages.next().await? {
            unreadable.extend(page.unreadable);
            sorter = blocking(move || sorter.add(page.objects).map(|()| sorter)).await?;
        }
        let backups = blocking(move || sorter.finish()).await?;
        Ok(Self { backups: Some(backups), unreadable })
    }

    /// Returns the next backups, sorted by path, at most `limit`; none at the end.
    ///
    /// # Errors
    /// If what was listed cannot be read back.
    pub async fn page(&mut self, limit: usize) -> Result<Vec<Found>, Error> {
        let Some(mut backups) = self.backups.take() else { return Ok(Vec::new()) };
        let (page, backups) = blocking(move || backups.page(limit).map(|page| (page, backups))).await?;
        self.backups = Some(backups);
        Ok(page)
    }
}

/// Reads or writes private files on a thread where that may take its time.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Error> {
    let worked = tokio::task::spawn_blocking(work).await.map_err(io::Error::other).flatten();
    worked.map_err(|error| Error::failed("could not keep the listing in a temporary file", error.to_string()))
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
