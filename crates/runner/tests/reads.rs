//! What is read of a backup, and what is not: no file is read only to learn that it exists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use adapter::conformance::Meager;
use adapter::destination::{
    Capabilities, Destination, Download, Entry, Expected, How, Pages, Proof, Upload, Version, put,
};
use adapter::{Error, Kind};
use async_trait::async_trait;
use bytes::Bytes;
use destinations::{RootLinks, WhenFull};
use domain::Hashes;
use domain::probe::Step;
use pipeline::{Digester, Progress};
use runner::restore::{examine, verify};
use runner::{Copied, CopyError, CopyRequest, DeleteError, STALL_TIMEOUT, copy, delete};
use sources::Unguarded;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const PATH: &str = "shop/backup_2026-01-15T12-00-00.db";
const CONTENT: &[u8] = b"content";

/// A folder that notes what is read.
struct Watched {
    folder: Arc<dyn Destination>,
    read: Mutex<Vec<String>>,
    /// Written over while the sidecar is read.
    swapped: Option<PathBuf>,
    temporary: TempDir,
}

fn watched() -> Watched {
    let temporary = tempfile::tempdir().unwrap();
    let folder = destinations::folder(temporary.path().to_owned(), WhenFull::Warn, RootLinks::Follow).unwrap();
    Watched { folder, read: Mutex::default(), swapped: None, temporary }
}

impl Watched {
    fn noted(&self) -> Vec<String> {
        std::mem::take(&mut *self.read.lock().unwrap())
    }
}

fn beside(path: &str) -> String {
    format!("{path}.meta.json")
}

fn sidecar() -> Bytes {
    let mut digester = Digester::default();
    digester.update(CONTENT);
    let digested = digester.finish();
    let json = format!(
        r#"{{"version":2,"id":"i","runId":"r","jobName":"shop","sourceName":"s","sourceType":"sqlite","database":"d",
        "engineVersion":"3","toolVersion":"3","timestamp":"2026-01-15T12:00:00Z","originalFileName":"backup_2026-01-15T12-00-00.db",
        "compression":"none","size":{{"plain":7,"stored":7}},"checksum":{{"sha256Plain":"{0}","sha256Stored":"{0}"}},
        "trigger":"manual","locked":false}}"#,
        digested.sha256
    );
    json.into()
}

async fn fill(destination: &dyn Destination) {
    put(destination, PATH, Bytes::from_static(CONTENT)).await.unwrap();
    put(destination, &beside(PATH), sidecar()).await.unwrap();
}

#[async_trait]
impl Destination for Watched {
    fn name(&self) -> String {
        self.folder.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.folder.capabilities()
    }

    async fn identity(&self) -> String {
        self.folder.identity().await
    }

    async fn create(&self, path: &str) -> Result<Box<dyn Upload>, Error> {
        self.folder.create(path).await
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        self.read.lock().unwrap().push(path.to_owned());
        if let Some(swapped) = &self.swapped {
            std::fs::write(swapped, "another backup").unwrap();
        }
        self.folder.open(path).await
    }

    async fn pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        self.folder.pages(folder).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.folder.stat(path).await
    }

    async fn delete(&self, path: &str, version: Option<&Version>) -> Result<(), Error> {
        self.folder.delete(path, version).await
    }

    async fn prove(&self, path: &str, expected: &Expected) -> Result<Proof, Error> {
        self.read.lock().unwrap().push(format!("{path} to prove it"));
        self.folder.prove(path, expected).await
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        self.folder.probe(on_step).await
    }
}

async fn copied(source: &dyn Destination, destination: &dyn Destination) -> Result<Copied, CopyError> {
    let cancel = CancellationToken::new();
    let request = CopyRequest {
        source,
        path: PATH,
        destination,
        shown_as: ("to".to_owned(), "to".to_owned()),
        checkpoint: None,
        signer: None,
        cancel: &cancel,
        guard: Arc::new(Unguarded),
        stall_timeout: STALL_TIMEOUT,
    };
    copy(request, &Progress::default(), &|_| ()).await
}

#[tokio::test]
async fn details_and_a_deletion_read_the_sidecar_only() {
    let destination = watched();
    fill(&destination).await;
    assert!(examine(&destination, PATH).await.unwrap().proved.is_none());
    assert_eq!(destination.noted(), [beside(PATH)]);
    delete(&sources::registry(), &destination, PATH).await.unwrap();
    assert_eq!(destination.noted(), [beside(PATH)]);
    assert!(destination.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_copy_reads_a_backup_once_and_nothing_at_its_destination() {
    let (source, destination) = (watched(), watched());
    fill(&source).await;
    assert!(matches!(copied(&source, &destination).await.unwrap(), Copied::Done { size: 7, .. }));
    assert_eq!(source.noted(), [beside(PATH), PATH.to_owned()]);
    assert!(destination.noted().is_empty());
    // What is there already is compared; what is another file is known by its size.
    assert_eq!(copied(&source, &destination).await.unwrap(), Copied::AlreadyThere);
    assert_eq!((source.noted(), destination.noted()), (vec![PATH.to_owned()], vec![PATH.to_owned()]));
    std::fs::write(destination.temporary.path().join(PATH), "longer content").unwrap();
    let taken = copied(&source, &destination).await.unwrap_err();
    assert!(matches!(taken, CopyError::Destination(error) if *error.kind() == Kind::Taken));
    assert!(source.noted().is_empty() && destination.noted().is_empty());
}

#[tokio::test]
async fn a_backup_that_was_changed_since_it_was_looked_at_is_not_deleted() {
    let mut destination = watched();
    fill(&destination).await;
    let file = destination.temporary.path().join(PATH);
    destination.swapped = Some(file.clone());
    let refused = delete(&sources::registry(), &destination, PATH).await.unwrap_err();
    assert!(matches!(&refused, DeleteError::Destination(error) if *error.kind() == Kind::Changed), "{refused}");
    assert_eq!(std::fs::read(file).unwrap(), b"another backup");
    assert_eq!(destination.list("").await.unwrap().len(), 2, "its sidecar stays, too");
}

#[tokio::test]
async fn a_verification_says_how_the_content_was_compared() {
    let destination = watched();
    fill(&destination).await;
    assert_eq!(verify(&destination, PATH).await.unwrap().proved, Some(How::ReadBack));
    assert_eq!(destination.noted(), [beside(PATH), format!("{PATH} to prove it")]);
    // A size that agrees proves nothing.
    let meager = Meager::default();
    fill(&meager).await;
    assert_eq!(verify(&meager, PATH).await.unwrap().proved, None);
    meager.plant(PATH, b"shorter");
    meager.plant(PATH, b"short");
    assert!(verify(&meager, PATH).await.is_err());
}

#[tokio::test]
async fn a_copy_to_a_storage_without_a_hash_says_that_its_content_was_not_checked_there() {
    let (source, meager) = (watched(), Meager::default());
    fill(&source).await;
    let Copied::Done { checks, .. } = copied(&source, &meager).await.unwrap() else { panic!("there already") };
    assert!(checks.to_string().contains("knows no hash"), "{checks}");
    assert_eq!(copied(&source, &meager).await.unwrap(), Copied::AlreadyThere);
    meager.plant(PATH, b"CONTENT");
    assert!(copied(&source, &meager).await.is_err(), "another content of the same size");
    assert_eq!(Hashes::default(), meager.stat(PATH).await.unwrap().unwrap().hashes);
}
