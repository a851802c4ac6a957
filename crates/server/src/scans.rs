//! Scans: reconcile the catalog with what lies at the destinations.
//!
//! A scan lists a destination, adopts what is unknown by its name, marks what is gone, and then reads the sidecars that are new, the
//! newest backups first. A scan that fails or is cancelled marks nothing as missing, and one that could not read a folder nothing below
//! it.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapter::authorization::Act;
use adapter::destination::{Destination, Place};
use catalog::{FoundCopy, FoundFile, FoundSidecar, PageRequest, ScanEnd, SweepScope, UnreadCopy, UnreadableFolder};
use domain::stored::ScanState;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use runner::scan::{File, Found, Scan, SidecarReader};
use runner::{Limited, SidecarState};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::App;
use crate::deletions::Retain;
use crate::failure::Failure;
use crate::patience::Patience;
use crate::stored_copies::signer_of;

/// Scans of this process at once.
const MAX_SCANS: usize = 16;
/// Backups reconciled in one transaction.
const PAGE: usize = 500;
/// Maximum number of sidecars read by one scan; the next one reads further.
const MAX_SIDECARS: usize = 3000;
/// Maximum number of sidecars read at once.
const PARALLEL_READS: usize = 4;
/// Maximum number of unreadable folders that are kept.
const MAX_UNREADABLE: usize = 100;
/// A scan whose server has not renewed it for so long has ended.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// How often a scan renews its lease, and learns that it was cancelled.
const RENEW_INTERVAL: Duration = Duration::from_secs(2);
/// How often it is looked for destinations that are due.
const LOOK_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// How long a scan that was stopped waits for the deletion of a backup.
const MAX_DELETION_TIME: Duration = Duration::from_secs(10);
/// Destinations read from the catalog at once.
const DESTINATIONS: usize = 100;

/// The scans of this process.
#[derive(Debug)]
pub(crate) struct Scans {
    places: Arc<Semaphore>,
    /// Destinations of which this process has read everything.
    read: Mutex<HashSet<String>>,
}

impl Default for Scans {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_SCANS)), read: Mutex::default() }
    }
}

impl Scans {
    /// Waits until every scan has ended. Call it once the server is draining.
    pub(crate) async fn ended(&self) {
        let all = u32::try_from(MAX_SCANS).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _ = self.places.acquire_many(all).await;
    }

    /// Notes that everything at a destination was read. Returns whether that is the first time since the start of the server.
    fn is_first(&self, destination_id: &str) -> bool {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(destination_id.to_owned())
    }
}

/// How far a scan is.
#[derive(Default)]
struct Progress {
    found: AtomicI64,
    adopted: AtomicI64,
    /// How it ended, once all that there is was listed and reconciled: what follows is not part of that.
    reconciled: Mutex<Option<ScanEnd>>,
    /// Locked while a backup is being deleted.
    deleting: tokio::sync::Mutex<()>,
}

impl Progress {
    fn counts(&self) -> [i64; 2] {
        [self.found.load(Ordering::Relaxed), self.adopted.load(Ordering::Relaxed)]
    }

    fn end(&self, state: ScanState, error: Option<String>) -> ScanEnd {
        let [found, adopted] = self.counts();
        ScanEnd { state, found, adopted, missing: 0, error, unreadable: Vec::new() }
    }

    fn take_reconciled(&self) -> Option<ScanEnd> {
        self.reconciled.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl App {
    /// Starts a scan of a destination in the background. Returns `false` if one is in progress, or if as many scans run as may.
    ///
    /// # Errors
    /// [`catalog::Error`].
    pub(crate) async fn start_scan(&self, destination_id: &str, retain: Retain) -> Result<bool, catalog::Error> {
        match Arc::clone(&self.scans.places).try_acquire_owned() {
            Ok(permit) if !self.runs.draining.is_cancelled() => self.begin_scan(destination_id, retain, permit).await,
            _ => Ok(false),
        }
    }

    /// Starts a scan of a destination whose copies have to be confirmed, because it was changed. One that cannot start now is due: it starts
    /// with the next look, or when somebody asks for it.
    pub(crate) async fn confirm_copies(&self, destination_id: &str) {
        let started = async {
            let last = self.catalog.scan(destination_id).await?;
            if last.is_some_and(|last| last.state != ScanState::Running && last.finished_at.is_none()) {
                self.start_scan(destination_id, Retain::Mark).await?;
            }
            Ok::<_, catalog::Error>(())
        };
        if let Err(error) = started.await {
            tracing::warn!(%error, destination_id, "the destination could not be scanned after its change");
        }
    }

    async fn begin_scan(
        &self,
        destination_id: &str,
        retain: Retain,
        permit: OwnedSemaphorePermit,
    ) -> Result<bool, catalog::Error> {
        let Some(number) = self.catalog.begin_scan(destination_id, LEASE, self.now()).await? else { return Ok(false) };
        let (app, id) = (self.clone(), destination_id.to_owned());
        tokio::spawn(async move {
            app.scan(&id, number, retain).await;
            drop(permit);
        });
        Ok(true)
    }

    /// Scans every destination at the start, and again daily.
    pub(crate) async fn scan_destinations(self) {
        let mut is_start = true;
        loop {
            if let Err(error) = self.scan_due(is_start).await {
                tracing::warn!(%error, "destinations could not be scanned");
            }
            is_start = false;
            tokio::select! {
                () = self.runs.draining.cancelled() => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    async fn scan_due(&self, is_start: bool) -> Result<(), catalog::Error> {
        let mut page = PageRequest { after: None, limit: DESTINATIONS };
        loop {
            let found = self.catalog.destinations(&page).await?;
            for destination in &found.items {
                if is_start || self.is_due(&destination.id).await? {
                    tokio::select! {
                        biased;
                        () = self.runs.draining.cancelled() => return Ok(()),
                        permit = Arc::clone(&self.scans.places).acquire_owned() => match permit {
                            Ok(permit) => self.begin_scan(&destination.id, Retain::Apply, permit).await?,
                            Err(_) => return Ok(()),
                        },
                    };
                }
            }
            page.after = found.items.last().map(|destination| destination.name.clone()).filter(|_| found.more);
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Returns whether a destination's last scan is too old, or has left sidecars to be read.
    async fn is_due(&self, destination_id: &str) -> Result<bool, catalog::Error> {
        let Some(last) = self.catalog.scan(destination_id).await? else { return Ok(true) };
        let Some(finished) = last.finished_at else { return Ok(true) };
        let now = self.catalog.shared_now(self.now()).await?;
        if now.duration_since(finished.0).abs() >= self.config.scan_interval {
            return Ok(true);
        }
        let is_whole = matches!(last.state, ScanState::Complete | ScanState::Partial);
        Ok(is_whole && !self.catalog.unread_copies(destination_id, None, 1).await?.is_empty())
    }

    async fn scan(&self, id: &str, number: i64, retain: Retain) {
        let progress = Progress::default();
        let mut carried_out = pin!(self.carry_out_scan(id, number, retain, &progress));
        let stopped = tokio::select! {
            biased;
            () = self.runs.draining.cancelled() => Some("The server is stopping."),
            () = self.until_cancelled(id, number, &progress) => Some("The scan was cancelled."),
            done = &mut carried_out => match done {
                Ok(()) => None,
                Err(failure) => {
                    tracing::warn!(destination = id, error = %failure, "a destination could not be scanned");
                    self.finish_scan(id, number, progress.end(ScanState::Failed, Some(failure.to_string()))).await;
                    return;
                }
            },
        };
        if stopped.is_some() {
            // A deletion that has begun is not cut off between the backup and its sidecar. The lock is fair: no further one begins.
            let deleted = async {
                tokio::select! {
                    _ = progress.deleting.lock() => {}
                    _ = &mut carried_out => {}
                }
            };
            // One that hangs is completed by the next scan.
            let _ = tokio::time::timeout(MAX_DELETION_TIME, deleted).await;
        }
        let end = progress.take_reconciled();
        let cancelled = || progress.end(ScanState::Cancelled, stopped.map(str::to_owned));
        self.finish_scan(id, number, end.unwrap_or_else(cancelled)).await;
    }

    async fn finish_scan(&self, id: &str, number: i64, end: ScanEnd) {
        let finished = async {
            let now = self.catalog.shared_now(self.now()).await?;
            self.catalog.finish_scan(id, number, &end, now).await
        };
        if let Err(error) = finished.await {
            tracing::error!(%error, destination = id, "the end of a scan could not be stored");
        }
        if let Err(error) = self.catalog.count_usage(id).await {
            tracing::error!(%error, destination = id, "what backups take could not be counted; the next scan does it");
        }
    }

    /// Renews a scan's lease until it is cancelled or lost. A metadata database that is away for a while ends no scan.
    async fn until_cancelled(&self, id: &str, number: i64, progress: &Progress) {
        loop {
            tokio::time::sleep(RENEW_INTERVAL).await;
            if matches!(self.catalog.renew_scan(id, number, LEASE, progress.counts()).await, Ok(false)) {
                return;
            }
        }
    }

    async fn carry_out_scan(&self, id: &str, number: i64, retain: Retain, progress: &Progress) -> Result<(), Failure> {
        let destination = self.open_destination(id, Patience::Long).await?;
        let destination = Limited::new(&*destination, self.config.stall_timeout);
        let mut scan = match Scan::of(&destination, &self.config.data, &self.config.adapters.sources).await {
            Ok(scan) => scan,
            Err(error) => {
                self.note_broken_grant(id, &error).await;
                return Err(error.into());
            }
        };
        self.note_working(id, Act::List).await;
        // One that cannot be found out now stays as it was known.
        match destination.place().await {
            Ok(Place { own, around }) => self.catalog.note_place(id, number, &own, &around).await?,
            Err(error) => tracing::info!(destination = id, %error, "where its files are could not be found out"),
        }
        loop {
            let page: Vec<FoundCopy> = scan.page(PAGE).await?.into_iter().map(found_copy).collect();
            if page.is_empty() {
                break;
            }
            let now = self.catalog.shared_now(self.now()).await?;
            let Some(adopted) = self.catalog.reconcile(id, number, &page, now).await? else { return Ok(()) };
            progress.adopted.fetch_add(adopted, Ordering::Relaxed);
            progress.found.fetch_add(i64::try_from(page.len()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
        let unread: Vec<String> = scan.unreadable.iter().map(|folder| folder.path.clone()).collect();
        let scope = SweepScope { unread: &unread, ignores_case: destination.capabilities().ignores_case };
        let (mut missing, mut after) = (0, Some(String::new()));
        while let Some(start) = after {
            let (marked, next) = self.catalog.sweep(id, number, &scope, &start, self.now()).await?;
            missing += marked;
            after = next;
        }
        let state = if unread.is_empty() { ScanState::Complete } else { ScanState::Partial };
        let unreadable = scan.unreadable.into_iter().take(MAX_UNREADABLE);
        let unreadable = unreadable.map(|folder| UnreadableFolder { path: folder.path, error: folder.cause }).collect();
        let end = ScanEnd { missing, unreadable, ..progress.end(state, None) };
        *progress.reconciled.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        if let Err(failure) = self.read_sidecars(id, number, &destination).await {
            tracing::info!(destination = id, error = %failure, "sidecars could not be read; the next scan goes on");
        }
        // Nothing is deleted on the strength of a listing with gaps, nor right after a start, when the clock may not have been set yet.
        if state == ScanState::Complete {
            let retain = if self.scans.is_first(id) { Retain::Mark } else { retain };
            let applied = self.apply_retention((id, number), &destination, retain, &progress.deleting).await;
            let Err(error) = applied else { return Ok(()) };
            tracing::warn!(%error, destination = id, "retention could not be applied; the next scan does it");
        }
        Ok(())
    }

    /// Reads sidecars that were not read yet. What cannot be read now is left to the next scan, and a destination that fails is left alone.
    async fn read_sidecars(&self, id: &str, number: i64, destination: &dyn Destination) -> Result<(), Failure> {
        let reader = SidecarReader::default();
        let (mut last, mut read): (Option<UnreadCopy>, usize) = (None, 0);
        while read < MAX_SIDECARS {
            let copies = self.catalog.unread_copies(id, last.as_ref(), i64::try_from(PAGE).unwrap_or(i64::MAX)).await?;
            let Some(newest) = copies.last().cloned() else { break };
            read += copies.len();
            stream::iter(copies)
                .map(Ok::<_, Failure>)
                .try_for_each_concurrent(PARALLEL_READS, |copy| {
                    let reader = reader.clone();
                    async move {
                        let Some((job, name)) = runner::catalog::parse_path(&copy.path) else { return Ok(()) };
                        let found = found_sidecar(reader.read(destination, &copy.path).await?);
                        let name = (job.as_str(), &name);
                        Ok(self.catalog.record_sidecar((id, number), &copy, name, &found, self.now()).await?)
                    }
                })
                .await?;
            last = Some(newest);
        }
        Ok(())
    }
}

fn found_copy(found: Found) -> FoundCopy {
    let file = |file: File| FoundFile { size: i64::try_from(file.size).unwrap_or(i64::MAX), modified: file.modified };
    let Found { path, job, name, file: backup, sidecar } = found;
    FoundCopy { path, job, name, file: file(backup), sidecar: sidecar.map(file) }
}

fn found_sidecar(state: SidecarState) -> FoundSidecar {
    match state {
        SidecarState::Read(sidecar, signature) => FoundSidecar::Read(sidecar, signer_of(&signature)),
        SidecarState::Unreadable(_) => FoundSidecar::Unreadable,
        SidecarState::Missing => FoundSidecar::Absent,
    }
}
