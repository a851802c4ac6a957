//! Copies inside one storage: when the storage makes them, when it does not, and how they stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use adapter::destination::{
    Capabilities, Destination, Download, Entry, Expected, Gate, How, Original, Pages, Proof, Storage, Upload, Version,
    put,
};
use adapter::{Authorization, Error, Kind};
use async_trait::async_trait;
use bytes::Bytes;
use destinations::{RootLinks, WhenFull};
use domain::probe::Step;
use pipeline::Progress;
use runner::{Copied, CopyError, CopyEvent, CopyRequest, STALL_TIMEOUT, copy};
use sources::{Guard, Unguarded};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const PATH: &str = "shop/backup_2026-01-15T12-00-00.db";
const CONTENT: &[u8] = b"content";

/// What a storage does when it is to copy.
#[derive(Clone, PartialEq)]
enum Copies {
    Itself,
    /// Cancels the run, as somebody does at that moment, then copies.
    AfterACancel(CancellationToken),
    Never,
    Refuses(Kind),
}

/// A folder of a storage that can copy from its other folders.
struct Part {
    folder: Arc<dyn Destination>,
    account: Result<&'static str, Kind>,
    copies: Copies,
    /// Backups that were read.
    opened: AtomicUsize,
    temporary: TempDir,
}

fn part(account: Result<&'static str, Kind>, copies: Copies) -> Part {
    let temporary = tempfile::tempdir().unwrap();
    let folder = destinations::folder(temporary.path().to_owned(), WhenFull::Warn, RootLinks::Follow).unwrap();
    Part { folder, account, copies, opened: AtomicUsize::new(0), temporary }
}

/// A folder with a backup and its sidecar.
async fn filled(account: Result<&'static str, Kind>) -> Part {
    let part = part(account, Copies::Itself);
    put(&*part.folder, PATH, Bytes::from_static(CONTENT)).await.unwrap();
    put(&*part.folder, &beside(), Bytes::from_static(b"{}")).await.unwrap();
    part
}

fn beside() -> String {
    format!("{PATH}.meta.json")
}

impl Part {
    async fn files(&self) -> Vec<String> {
        self.folder.list("").await.unwrap().into_iter().map(|object| object.path).collect()
    }

    fn opened(&self) -> usize {
        self.opened.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl Destination for Part {
    fn name(&self) -> String {
        "made-up:/".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { server_side_copy: true, ..self.folder.capabilities() }
    }

    async fn identity(&self) -> String {
        self.folder.identity().await
    }

    async fn create(&self, path: &str) -> Result<Box<dyn Upload>, Error> {
        self.folder.create(path).await
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        if path == PATH {
            self.opened.fetch_add(1, Ordering::Relaxed);
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
        self.folder.prove(path, expected).await
    }

    async fn storage(&self) -> Result<Option<Storage>, Error> {
        match &self.account {
            Ok(account) => Ok(Some(Storage { name: "Made-up", id: (*account).to_owned() })),
            Err(kind) => Err(Error::new(kind.clone(), "could not look up the account", "because")),
        }
    }

    fn location(&self, path: &str) -> Result<String, Error> {
        Ok(self.temporary.path().join(path).display().to_string())
    }

    async fn copy_within(&self, original: &Original, path: &str, gate: Arc<dyn Gate>) -> Result<Proof, Error> {
        gate.check().await.map_err(Error::unpublished)?;
        match &self.copies {
            Copies::Itself => {}
            Copies::AfterACancel(cancel) => cancel.cancel(),
            Copies::Never => std::future::pending().await,
            Copies::Refuses(kind) => return Err(Error::new(kind.clone(), "could not copy", "because")),
        }
        put(&*self.folder, path, std::fs::read(&original.location).unwrap().into()).await?;
        Ok(Proof { how: How::OwnHash, size: original.entry.size, hashes: original.entry.hashes.clone() })
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        self.folder.probe(on_step).await
    }
}

struct Ran {
    copied: Result<Copied, CopyError>,
    /// Why it was streamed, if that was told.
    streamed: Vec<String>,
    progress: Progress,
}

impl Ran {
    fn is_inside(&self) -> bool {
        matches!(self.copied, Ok(Copied::Done { inside: Some("Made-up"), .. }))
    }

    fn error(&self) -> &Error {
        match &self.copied {
            Err(CopyError::Destination(error) | CopyError::Source(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

async fn run(source: &dyn Destination, to: &dyn Destination, guard: Arc<dyn Guard>, cancel: &CancellationToken) -> Ran {
    let (progress, streamed) = (Progress::default(), Mutex::new(Vec::new()));
    let request = CopyRequest {
        source,
        path: PATH,
        destination: to,
        shown_as: ("to".to_owned(), "to".to_owned()),
        checkpoint: None,
        signer: None,
        cancel,
        guard,
        stall_timeout: STALL_TIMEOUT,
    };
    let on_event = |event: CopyEvent<'_>| {
        if let CopyEvent::Streamed { cause } = event {
            streamed.lock().unwrap().push(cause.to_string());
        }
    };
    let copied = copy(request, &progress, &on_event).await;
    Ran { copied, streamed: streamed.into_inner().unwrap(), progress }
}

async fn copied(source: &dyn Destination, to: &dyn Destination) -> Ran {
    run(source, to, Arc::new(Unguarded), &CancellationToken::new()).await
}

#[tokio::test]
async fn two_destinations_inside_one_storage_have_it_copy_and_nothing_is_read() {
    let (source, to) = (filled(Ok("ada")).await, part(Ok("ada"), Copies::Itself));
    let ran = copied(&source, &to).await;
    assert!(ran.is_inside() && ran.streamed.is_empty(), "{:?}", ran.copied);
    assert_eq!((source.opened(), to.opened()), (0, 0));
    assert_eq!(to.files().await, [PATH.to_owned(), beside()]);
    let progress = ran.progress.snapshot();
    assert_eq!((progress.stored_bytes, progress.sent_bytes, progress.destinations[0].acknowledged_bytes), (7, 7, 7));
    let again = copied(&source, &to).await;
    assert!(matches!(again.copied, Ok(Copied::AlreadyThere)), "{:?}", again.copied);
}

#[tokio::test]
async fn what_was_not_compared_with_the_sidecar_is_not_called_checked() {
    let (source, to) = (filled(Ok("ada")).await, part(Ok("ada"), Copies::Itself));
    let Ok(Copied::Done { checks, examined, .. }) = copied(&source, &to).await.copied else { panic!("no copy") };
    assert!(checks.passed.is_empty() && checks.missing.is_some(), "{checks}");
    assert_eq!(examined.proved, None);
}

#[tokio::test]
async fn what_is_not_inside_one_storage_is_streamed() {
    let source = filled(Ok("ada")).await;
    let other = part(Ok("grace"), Copies::Itself);
    let ran = copied(&source, &other).await;
    assert!(ran.copied.is_ok() && !ran.is_inside() && ran.streamed.is_empty(), "{:?}", ran.copied);
    assert_eq!(source.opened(), 1);
    // A storage that cannot copy is not even asked which one it is.
    let disk = tempfile::tempdir().unwrap();
    let folder = destinations::folder(disk.path().to_owned(), WhenFull::Warn, RootLinks::Follow).unwrap();
    let unreachable = filled(Err(Kind::Unavailable)).await;
    assert!(copied(&unreachable, &*folder).await.copied.is_ok());
}

#[tokio::test]
async fn what_the_storage_does_not_copy_by_itself_is_streamed_and_said() {
    let (source, to) = (filled(Ok("ada")).await, part(Ok("ada"), Copies::Refuses(Kind::Unsupported)));
    let ran = copied(&source, &to).await;
    assert!(ran.copied.is_ok() && !ran.is_inside(), "{:?}", ran.copied);
    assert_eq!((ran.streamed, source.opened()), (vec!["could not copy: because".to_owned()], 1));
    assert_eq!(to.files().await.len(), 2);
    // Which one it is can be unknown: nothing but a scope is missing.
    let missing = Kind::Unauthorized(Authorization::MissingScope("account".to_owned()));
    let ran = copied(&source, &part(Err(missing), Copies::Itself)).await;
    assert!(ran.copied.is_ok() && ran.streamed.len() == 1, "{:?}", ran.copied);
}

#[tokio::test]
async fn what_an_upload_would_meet_too_fails_and_nothing_is_streamed() {
    let source = filled(Ok("ada")).await;
    for kind in [Kind::Taken, Kind::Changed, Kind::Full, Kind::Denied, Kind::Unavailable] {
        let to = part(Ok("ada"), Copies::Refuses(kind.clone()));
        let ran = copied(&source, &to).await;
        assert_eq!((ran.error().kind(), ran.streamed.len()), (&kind, 0));
        assert!(source.opened() == 0 && to.files().await.is_empty(), "{kind:?}");
    }
    for kind in [Kind::Unavailable, Kind::Unauthorized(Authorization::Revoked)] {
        let ran = copied(&source, &part(Err(kind.clone()), Copies::Itself)).await;
        assert_eq!((ran.error().kind(), ran.streamed.len(), source.opened()), (&kind, 0, 0));
    }
}

/// Another server has the run.
struct Lost;

#[async_trait]
impl Guard for Lost {
    async fn check(&self) -> Result<(), Error> {
        Err(Error::stopped("another server has taken this run over"))
    }
}

#[tokio::test]
async fn a_run_that_is_cancelled_or_lost_copies_nothing() {
    let source = filled(Ok("ada")).await;
    let (to, cancel) = (part(Ok("ada"), Copies::Itself), CancellationToken::new());
    assert_eq!(*run(&source, &to, Arc::new(Lost), &cancel).await.error().kind(), Kind::Stopped);
    cancel.cancel();
    assert_eq!(*run(&source, &to, Arc::new(Unguarded), &cancel).await.error().kind(), Kind::Stopped);
    assert!(to.files().await.is_empty());
}

#[tokio::test]
async fn a_cancel_while_the_storage_copies_does_not_part_the_backup_from_its_sidecar() {
    let (source, cancel) = (filled(Ok("ada")).await, CancellationToken::new());
    let to = part(Ok("ada"), Copies::AfterACancel(cancel.clone()));
    let ran = run(&source, &to, Arc::new(Unguarded), &cancel).await;
    assert!(cancel.is_cancelled() && ran.is_inside(), "{:?}", ran.copied);
    assert_eq!(to.files().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_never_ends_its_copy_fails_the_run_in_words() {
    let (source, to) = (filled(Ok("ada")).await, part(Ok("ada"), Copies::Never));
    let ran = copied(&source, &to).await;
    let error = ran.error().to_string();
    assert!(error.contains("could not find out whether") && error.contains("nothing moved for"), "{error}");
    assert!(to.files().await.is_empty());
}
