//! Destinations that hang, and runs that are stopped at each point.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use adapter::authorization::{Environment, Patience};
use adapter::destination::{
    Capabilities, Companion, Destination, Download, Entry, Expected, Gate, Pages, Proof, Sealed, Upload, Usage,
    Version, put,
};
use adapter::{Error, Kind};
use async_trait::async_trait;
use bytes::Bytes;
use domain::probe::Step;
use pipeline::{Counter, Progress};
use runner::{Copied, CopyError, CopyRequest, Limited, OpenRequest, STALL_TIMEOUT, copy, open};
use sources::{Guard, Unguarded};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A folder of which one call never ends, and whose commit is met by a cancel.
struct Made {
    folder: Arc<dyn Destination>,
    hangs: &'static str,
    cancelled_at_commit: CancellationToken,
    _folder: TempDir,
}

fn made(hangs: &'static str) -> Made {
    let temporary = tempfile::tempdir().unwrap();
    let address = format!("file://{}", temporary.path().display());
    let folder = destinations::parse(&address, &Environment::default(), Patience::Medium).unwrap();
    Made { folder, hangs, cancelled_at_commit: CancellationToken::new(), _folder: temporary }
}

impl Made {
    async fn reach(&self, call: &str) {
        hang_if(self.hangs == call).await;
    }
}

async fn hang_if(hangs: bool) {
    if hangs {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Destination for Made {
    fn name(&self) -> String {
        "made-up:/".to_owned()
    }

    async fn identity(&self) -> String {
        self.reach("identity").await;
        self.folder.identity().await
    }

    fn capabilities(&self) -> Capabilities {
        self.folder.capabilities()
    }

    async fn create(&self, path: &str) -> Result<Box<dyn Upload>, Error> {
        self.reach("create").await;
        let (upload, hangs) = (self.folder.create(path).await?, self.hangs);
        Ok(Box::new(MadeUpload { upload, hangs, cancelled_at_commit: self.cancelled_at_commit.clone() }))
    }

    async fn usage(&self) -> Result<Option<Usage>, Error> {
        self.reach("usage").await;
        Ok(None)
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        self.reach("open").await;
        let download = self.folder.open(path).await?;
        Ok(Box::new(MadeDownload { download, hangs: self.hangs }))
    }

    async fn pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        self.reach("list").await;
        self.folder.pages(folder).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.reach("stat").await;
        self.folder.stat(path).await
    }

    async fn delete(&self, path: &str, version: Option<&Version>) -> Result<(), Error> {
        self.reach("delete").await;
        self.folder.delete(path, version).await
    }

    async fn prove(&self, path: &str, expected: &Expected) -> Result<Proof, Error> {
        self.reach("prove").await;
        self.folder.prove(path, expected).await
    }

    async fn probe(&self, _on_step: &(dyn Fn(Step) + Sync)) -> bool {
        true
    }
}

struct MadeUpload {
    upload: Box<dyn Upload>,
    hangs: &'static str,
    cancelled_at_commit: CancellationToken,
}

#[async_trait]
impl Upload for MadeUpload {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        hang_if(self.hangs == "write").await;
        self.upload.write(piece).await
    }

    fn acknowledged(&self) -> Counter {
        self.upload.acknowledged()
    }

    fn guard(&mut self, gate: Arc<dyn Gate>) {
        self.upload.guard(gate);
    }

    async fn seal(&mut self, expected: &Expected) -> Result<Sealed, Error> {
        hang_if(self.hangs == "seal").await;
        self.upload.seal(expected).await
    }

    async fn commit(&mut self, path: &str) -> Result<(), Error> {
        hang_if(self.hangs == "commit").await;
        self.upload.commit(path).await
    }

    async fn commit_with(&mut self, path: &str, companion: Companion) -> Result<Result<(), Error>, Error> {
        let committed = self.upload.commit_with(path, companion).await;
        self.cancelled_at_commit.cancel();
        // A run that dropped the commit now would not hear of it.
        tokio::task::yield_now().await;
        committed
    }
}

struct MadeDownload {
    download: Box<dyn Download>,
    hangs: &'static str,
}

#[async_trait]
impl Download for MadeDownload {
    fn entry(&self) -> &Entry {
        self.download.entry()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        hang_if(self.hangs == "next").await;
        self.download.next().await
    }
}

/// Makes every call once, and returns the first error.
async fn all_calls(destination: &dyn Destination) -> Result<(), Error> {
    put(destination, "job/a", Bytes::from_static(b"content")).await?;
    destination.list("job").await?;
    destination.stat("job/a").await?;
    destination.prove("job/a", &Expected { size: 7, ..Expected::default() }).await?;
    destination.usage().await?;
    destination.read("job/a", 100).await?;
    destination.delete("job/a", None).await
}

#[tokio::test(start_paused = true)]
async fn every_call_of_a_storage_that_hangs_ends_in_words() {
    let calls = ["create", "write", "seal", "commit", "list", "stat", "prove", "usage", "open", "next", "delete"];
    for hangs in calls {
        let destination = made(hangs);
        let error = all_calls(&Limited::new(&destination, STALL_TIMEOUT)).await.unwrap_err().to_string();
        assert!(error.contains("nothing moved for") && error.contains("made-up:/"), "{hangs}: {error}");
    }
    let destination = made("nothing");
    all_calls(&Limited::new(&destination, STALL_TIMEOUT)).await.unwrap();
    let destination = made("identity");
    assert_eq!(Limited::new(&destination, STALL_TIMEOUT).identity().await, "made-up:/");
}

const PATH: &str = "shop/backup.db";

/// A destination with a backup and its sidecar.
async fn filled() -> Made {
    let source = made("nothing");
    put(&source, PATH, Bytes::from_static(b"content")).await.unwrap();
    put(&source, &format!("{PATH}.meta.json"), Bytes::from_static(b"{}")).await.unwrap();
    source
}

async fn copied(
    source: &Made,
    destination: &Made,
    guard: Arc<dyn Guard>,
    cancel: &CancellationToken,
) -> Result<Copied, CopyError> {
    let request = CopyRequest {
        source,
        path: PATH,
        destination,
        shown_as: ("to".to_owned(), "to".to_owned()),
        checkpoint: None,
        signer: None,
        cancel,
        guard,
        stall_timeout: STALL_TIMEOUT,
    };
    copy(request, &Progress::default(), &|_| ()).await
}

/// Another server has the run.
struct Lost;

#[async_trait]
impl Guard for Lost {
    async fn check(&self) -> Result<(), Error> {
        Err(Error::stopped("another server has taken this run over"))
    }
}

fn is_stopped(error: &CopyError) -> bool {
    matches!(error, CopyError::Destination(error) if *error.kind() == Kind::Stopped)
}

#[tokio::test]
async fn a_copy_whose_run_is_lost_publishes_nothing() {
    let (source, destination) = (filled().await, made("nothing"));
    let error = copied(&source, &destination, Arc::new(Lost), &CancellationToken::new()).await.unwrap_err();
    assert!(is_stopped(&error) && error.to_string().contains("another server"), "{error}");
    assert!(destination.list("").await.unwrap().is_empty());
    // Nor the sidecar of a backup that is there.
    put(&destination, PATH, Bytes::from_static(b"content")).await.unwrap();
    let error = copied(&source, &destination, Arc::new(Lost), &CancellationToken::new()).await.unwrap_err();
    assert!(is_stopped(&error), "{error}");
    assert_eq!(destination.list("").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_cancel_stops_a_copy_wherever_it_hangs_and_leaves_nothing() {
    for hangs in ["create", "write", "seal", "stat"] {
        let (source, destination, cancel) = (filled().await, made(hangs), CancellationToken::new());
        let copying = copied(&source, &destination, Arc::new(Unguarded), &cancel);
        let (error, ()) = tokio::join!(copying, async {
            tokio::task::yield_now().await;
            cancel.cancel();
        });
        assert!(is_stopped(&error.unwrap_err()), "{hangs}");
        assert!(destination.folder.list("").await.unwrap().is_empty(), "{hangs}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_between_storages_that_hang_fails_in_words() {
    for (from, to) in [("open", "nothing"), ("next", "nothing"), ("nothing", "write"), ("nothing", "seal")] {
        let source = Made { hangs: from, ..filled().await };
        let copied = copied(&source, &made(to), Arc::new(Unguarded), &CancellationToken::new()).await;
        let error = copied.unwrap_err().to_string();
        assert!(error.contains("nothing moved for 31 min"), "{from}, {to}: {error}");
    }
}

#[tokio::test]
async fn a_cancel_at_the_commit_of_a_copy_does_not_part_the_backup_from_its_sidecar() {
    let (source, destination) = (filled().await, made("nothing"));
    let cancel = destination.cancelled_at_commit.clone();
    let copied = copied(&source, &destination, Arc::new(Unguarded), &cancel).await.unwrap();
    assert!(matches!(copied, Copied::Done { size: 7, .. }), "{copied:?}");
    assert!(cancel.is_cancelled());
    assert_eq!(destination.list("").await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hash_that_is_slow_to_read_gets_the_time_that_its_file_takes() {
    let destination = made("unused");
    put(&destination, "job/a", Bytes::from(vec![0; 4 * 1024 * 1024])).await.unwrap();
    let slow = Slow(destination);
    let expected = Expected { size: 4 * 1024 * 1024, ..Expected::default() };
    Limited::new(&slow, Duration::ZERO).prove("job/a", &expected).await.unwrap();
}

/// A storage that reads for a while before it knows a hash.
struct Slow(Made);

#[async_trait]
impl Destination for Slow {
    fn name(&self) -> String {
        self.0.name()
    }

    async fn identity(&self) -> String {
        self.0.identity().await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn create(&self, path: &str) -> Result<Box<dyn Upload>, Error> {
        self.0.create(path).await
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        self.0.open(path).await
    }

    async fn pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        self.0.pages(folder).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.0.stat(path).await
    }

    async fn delete(&self, path: &str, version: Option<&Version>) -> Result<(), Error> {
        self.0.delete(path, version).await
    }

    async fn prove(&self, path: &str, expected: &Expected) -> Result<Proof, Error> {
        tokio::time::sleep(Duration::from_secs(90)).await;
        self.0.prove(path, expected).await
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        self.0.probe(on_step).await
    }
}

#[tokio::test]
async fn a_backup_that_nobody_reads_any_more_stops_its_download_and_its_stages() {
    let source = made("next");
    put(&source, PATH, Bytes::from_static(b"content")).await.unwrap();
    let request = OpenRequest { destination: &source, path: PATH, identities: Vec::new() };
    let place: pipeline::held::Place = Arc::new(());
    let progress = Progress::default();
    let opened = pipeline::held::holding(Some(Arc::clone(&place)), open(request, &progress)).await.unwrap();
    assert!(Arc::strong_count(&place) > 1, "its work holds the place");
    drop(opened);
    while Arc::strong_count(&place) > 1 {
        tokio::task::yield_now().await;
    }
}
