//! A destination whose every call ends: a dead mount or a silent server fails a run instead of holding it for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapter::destination::{
    Capabilities, Checkpoint, Companion, Destination, Download, Entry, Expected, Folder, Gate, Original, Page, Pages,
    Place, Proof, Sealed, Storage, Upload, Usage, Version,
};
use adapter::{Error, Kind};
use async_trait::async_trait;
use bytes::Bytes;
use domain::probe::Step;
use pipeline::Counter;

use crate::stall;

/// Slowest rate at which a storage reads back what it holds, in bytes per second. Calls that read a whole file may take so much longer.
const SLOWEST_READING: u64 = 1024 * 1024;
/// A commit is at most so many calls in a row: publish, look up, compare, write the sidecar.
const CALLS_OF_COMMIT: u32 = 4;

/// A destination whose calls fail once they have taken longer than nothing may move.
pub struct Limited<'a> {
    destination: &'a dyn Destination,
    limit: Duration,
}

impl<'a> Limited<'a> {
    /// Limits every call of `destination`; `limit` is how long nothing may move there.
    pub fn new(destination: &'a dyn Destination, limit: Duration) -> Self {
        Self { destination, limit }
    }

    async fn within<T>(&self, doing: &str, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        within(self.limit, || format!("could not {doing} {}", self.name()), call).await
    }

    fn upload(&self, upload: Box<dyn Upload>) -> Box<dyn Upload> {
        Box::new(LimitedUpload { upload, place: self.name(), limit: self.limit, asking: Arc::default() })
    }
}

async fn within<T>(
    limit: Duration,
    what: impl FnOnce() -> String,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    stall::of_storage(limit, call).await.unwrap_or_else(|stalled| {
        Err(Error::new(Kind::Unavailable, what(), stalled)
            .cure("Check the disk or the connection there, then try again."))
    })
}

/// How long a call may take that reads `size` bytes before it answers.
fn with_reading(limit: Duration, size: u64) -> Duration {
    limit.saturating_add(Duration::from_secs(size / SLOWEST_READING))
}

#[async_trait]
impl Destination for Limited<'_> {
    fn name(&self) -> String {
        self.destination.name()
    }

    async fn identity(&self) -> String {
        let identity = stall::of_storage(self.limit, self.destination.identity()).await;
        identity.unwrap_or_else(|_| self.name())
    }

    async fn place(&self) -> Result<Place, Error> {
        self.within("ask", self.destination.place()).await
    }

    fn capabilities(&self) -> Capabilities {
        self.destination.capabilities()
    }

    async fn create(&self, path: &str) -> Result<Box<dyn Upload>, Error> {
        self.within("write to", self.destination.create(path)).await.map(|upload| self.upload(upload))
    }

    async fn resume(&self, path: &str, checkpoint: &Checkpoint) -> Result<Box<dyn Upload>, Error> {
        self.within("write to", self.destination.resume(path, checkpoint)).await.map(|upload| self.upload(upload))
    }

    fn stops_when_full(&self) -> bool {
        self.destination.stops_when_full()
    }

    async fn usage(&self) -> Result<Option<Usage>, Error> {
        self.within("look up the space in", self.destination.usage()).await
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        let download = self.within("read from", self.destination.open(path)).await?;
        Ok(Box::new(LimitedDownload { download, place: self.name(), limit: self.limit }))
    }

    async fn pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        let pages = self.within("list", self.destination.pages(folder)).await?;
        Ok(Box::new(LimitedPages { pages, place: self.name(), limit: self.limit }))
    }

    async fn readable_pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        let pages = self.within("list", self.destination.readable_pages(folder)).await?;
        Ok(Box::new(LimitedPages { pages, place: self.name(), limit: self.limit }))
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.within("read from", self.destination.stat(path)).await
    }

    async fn delete(&self, path: &str, version: Option<&Version>) -> Result<(), Error> {
        self.within("delete from", self.destination.delete(path, version)).await
    }

    async fn prove(&self, path: &str, expected: &Expected) -> Result<Proof, Error> {
        let proving = self.destination.prove(path, expected);
        tokio::pin!(proving);
        if let Ok(proof) = stall::of_storage(self.limit, &mut proving).await {
            return proof;
        }
        // It reads all of the file.
        let size = self.stat(path).await?.map_or(0, |entry| entry.size);
        within(with_reading(Duration::ZERO, size), || format!("could not read from {}", self.name()), proving).await
    }

    async fn storage(&self) -> Result<Option<Storage>, Error> {
        self.within("ask", self.destination.storage()).await
    }

    fn location(&self, path: &str) -> Result<String, Error> {
        self.destination.location(path)
    }

    async fn copy_within(&self, original: &Original, path: &str, gate: Arc<dyn Gate>) -> Result<Proof, Error> {
        let asking = Arc::default();
        let watched = Arc::new(Watched { gate, asking: Arc::clone(&asking) });
        let copying = self.destination.copy_within(original, path, watched);
        // The storage may read all of it.
        let limit = with_reading(self.limit, original.entry.size);
        settled(limit, &asking, (path, &self.name()), copying).await
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        self.destination.probe(on_step).await
    }

    async fn remove_leftovers(&self, folder: &str) -> Result<Vec<String>, Error> {
        self.within("clean up", self.destination.remove_leftovers(folder)).await
    }

    async fn folders(&self, path: &str) -> Result<Vec<Folder>, Error> {
        self.within("list", self.destination.folders(path)).await
    }

    async fn create_folder(&self, path: &str) -> Result<Folder, Error> {
        self.within("write to", self.destination.create_folder(path)).await
    }
}

struct LimitedUpload {
    upload: Box<dyn Upload>,
    place: String,
    limit: Duration,
    /// Whether a commit waits for the gate's answer, which is not the storage's time.
    asking: Arc<AtomicBool>,
}

/// A gate that shows when it is asked.
struct Watched {
    gate: Arc<dyn Gate>,
    asking: Arc<AtomicBool>,
}

#[async_trait]
impl Gate for Watched {
    async fn check(&self) -> Result<(), String> {
        self.asking.store(true, Ordering::Relaxed);
        let checked = self.gate.check().await;
        self.asking.store(false, Ordering::Relaxed);
        checked
    }

    async fn closed(&self) {
        self.gate.closed().await;
    }
}

/// Waits for a commit. One that takes too long may still take place.
async fn settled<T>(
    limit: Duration,
    asking: &AtomicBool,
    (path, place): (&str, &str),
    commit: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::pin!(commit);
    loop {
        match stall::of_storage(limit.saturating_mul(CALLS_OF_COMMIT), &mut commit).await {
            Ok(committed) => return committed,
            Err(_) if asking.load(Ordering::Relaxed) => {}
            Err(stalled) => {
                let what = format!("could not find out whether {path} was published at {place}");
                return Err(Error::new(Kind::Uncertain, what, stalled)
                    .cure("Scan the destination, which lists it if it was published."));
            }
        }
    }
}

#[async_trait]
impl Upload for LimitedUpload {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        within(self.limit, || format!("could not write to {}", self.place), self.upload.write(piece)).await
    }

    fn acknowledged(&self) -> Counter {
        self.upload.acknowledged()
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        self.upload.checkpoint()
    }

    fn needs_sha256(&self) -> bool {
        self.upload.needs_sha256()
    }

    fn guard(&mut self, gate: Arc<dyn Gate>) {
        self.upload.guard(Arc::new(Watched { gate, asking: Arc::clone(&self.asking) }));
    }

    async fn seal(&mut self, expected: &Expected) -> Result<Sealed, Error> {
        let limit = with_reading(self.limit, expected.size);
        within(limit, || format!("could not write to {}", self.place), self.upload.seal(expected)).await
    }

    async fn commit(&mut self, path: &str) -> Result<(), Error> {
        settled(self.limit, &self.asking, (path, &self.place), self.upload.commit(path)).await
    }

    async fn commit_with(&mut self, path: &str, companion: Companion) -> Result<Result<(), Error>, Error> {
        settled(self.limit, &self.asking, (path, &self.place), self.upload.commit_with(path, companion)).await
    }
}

struct LimitedPages {
    pages: Box<dyn Pages>,
    place: String,
    limit: Duration,
}

#[async_trait]
impl Pages for LimitedPages {
    async fn next(&mut self) -> Result<Option<Page>, Error> {
        within(self.limit, || format!("could not list {}", self.place), self.pages.next()).await
    }
}

struct LimitedDownload {
    download: Box<dyn Download>,
    place: String,
    limit: Duration,
}

#[async_trait]
impl Download for LimitedDownload {
    fn entry(&self) -> &Entry {
        self.download.entry()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        within(self.limit, || format!("could not read from {}", self.place), self.download.next()).await
    }
}
