//! What a backup, a review and a restore come to, with a source that is made up and a folder that is real.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapter::authorization::{Environment, Patience};
use adapter::conformance::Meager;
use adapter::destination::Destination;
use async_trait::async_trait;
use bytes::Bytes;
use domain::probe::Step;
use domain::rows::Rows;
use domain::run::FailureCode;
use domain::{Compression, RunState, Warning};
use pipeline::Progress;
use runner::restore::state_of;
use runner::{
    BackupRequest, Controls, Event, OpenError, OpenRequest, RestoreEvent, RestoreReport, RunReport, STALL_TIMEOUT,
    back_up, restore, review,
};
use sources::{
    Activity, Contents, Counted, Counting, Databases, Dump, DumpOptions, Error, FailedObject, Finding, Guard, Kind,
    OnError, Restore, RestoreOptions, Restored, Review, Severity, Source, SourceAdapter, Unguarded, Versions, WayOn,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Larger than what travels in one piece, so that a review need not read all of it.
const DUMP_LEN: usize = 8 * 1024 * 1024;

/// A source whose every answer the test decides.
#[derive(Default)]
struct Made {
    warnings: Vec<Warning>,
    failed_objects: Vec<FailedObject>,
    findings: Vec<Finding>,
    /// The restore is loaded, but is not put in its place.
    keeps: bool,
    /// The dump stops giving anything in the middle.
    hangs: bool,
    /// The target has all of the backup, and does nothing with it.
    target_hangs: bool,
    /// The questions of the review fail.
    review_fails: bool,
    /// What the dump records, and what the restored database is said to have.
    rows: (Option<Rows>, Option<Counting>),
    reviewed: Arc<AtomicUsize>,
    committed: Arc<AtomicUsize>,
    restored: Arc<Mutex<Vec<u8>>>,
}

impl Made {
    fn boxed(&self) -> Box<Self> {
        Box::new(Self {
            warnings: self.warnings.clone(),
            failed_objects: self.failed_objects.clone(),
            findings: self.findings.clone(),
            rows: self.rows.clone(),
            reviewed: Arc::clone(&self.reviewed),
            committed: Arc::clone(&self.committed),
            restored: Arc::clone(&self.restored),
            ..*self
        })
    }
}

#[async_trait]
impl Source for Made {
    fn adapter(&self) -> SourceAdapter {
        sources::registry().get("sqlite").unwrap()
    }

    fn name(&self) -> String {
        "made-up".to_owned()
    }

    async fn databases(&self) -> Result<Databases, Error> {
        Ok(Databases::all(vec!["shop".to_owned()]))
    }

    async fn dump(&self, _database: &str, _options: DumpOptions) -> Result<Box<dyn Dump>, Error> {
        Ok(Box::new(MadeDump {
            hangs: self.hangs,
            left: DUMP_LEN,
            warnings: self.warnings.clone(),
            rows: self.rows.0.clone(),
        }))
    }

    async fn restore(&self, options: RestoreOptions) -> Result<Box<dyn Restore>, Error> {
        Ok(Box::new(MadeRestore { source: self.boxed(), options, guard: Arc::new(Unguarded) }))
    }

    async fn review(&self, _options: RestoreOptions) -> Result<Box<dyn Review>, Error> {
        Ok(self.boxed())
    }

    async fn put_in_place(&self, kept: &str, _guard: &dyn Guard) -> Result<Restored, Error> {
        Ok(Restored::whole(kept))
    }

    async fn contents(&self) -> Result<Contents, Error> {
        Ok(Contents::Absent)
    }

    async fn probe(&self, _on_step: &(dyn Fn(Step) + Sync)) -> bool {
        true
    }
}

struct MadeDump {
    hangs: bool,
    left: usize,
    warnings: Vec<Warning>,
    rows: Option<Rows>,
}

#[async_trait]
impl Dump for MadeDump {
    fn versions(&self) -> Versions {
        Versions { engine: "1".to_owned(), tool: "made-up 1".to_owned() }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.hangs && self.left < DUMP_LEN {
            std::future::pending::<()>().await;
        }
        let mut piece = vec![0; self.left.min(256 * 1024)];
        if self.left == DUMP_LEN {
            piece[..16].copy_from_slice(b"SQLite format 3\0");
        }
        self.left -= piece.len();
        Ok(Some(piece).filter(|piece| !piece.is_empty()).map(Bytes::from))
    }

    async fn count_rows(&mut self, _limit: Duration) -> Option<Rows> {
        self.rows.clone()
    }

    async fn finish(self: Box<Self>) -> Result<Vec<Warning>, Error> {
        Ok(self.warnings)
    }
}

#[async_trait]
impl Review for Made {
    fn read(&mut self, piece: &[u8]) -> Result<bool, Error> {
        let before = self.reviewed.fetch_add(piece.len(), Ordering::Relaxed);
        Ok(before + piece.len() > 1000)
    }

    async fn finish(self: Box<Self>) -> Result<Vec<Finding>, Error> {
        if self.review_fails {
            return Err(Error::failed("could not read pg_roles", "refused"));
        }
        Ok(self.findings)
    }
}

/// A target that does nothing.
struct Idle;

#[async_trait]
impl Activity for Idle {
    async fn is_active(&self) -> bool {
        false
    }
}

struct MadeRestore {
    source: Box<Made>,
    options: RestoreOptions,
    guard: Arc<dyn Guard>,
}

#[async_trait]
impl Restore for MadeRestore {
    fn guard(&mut self, guard: Arc<dyn Guard>) {
        self.guard = guard;
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        self.source.restored.lock().unwrap().extend_from_slice(&piece);
        Ok(())
    }

    fn activity(&self) -> Box<dyn Activity> {
        Box::new(Idle)
    }

    async fn finish(&mut self) -> Result<(), Error> {
        if self.source.target_hangs {
            std::future::pending::<()>().await;
        }
        match self.source.failed_objects.first().filter(|_| self.options.on_error == OnError::Stop) {
            Some(object) => {
                Err(Error::new(Kind::Object, format!("could not restore {}", object.object), &object.error))
            }
            None => Ok(()),
        }
    }

    async fn count_rows(&mut self, _limit: Duration) -> Counting {
        self.source.rows.1.clone().unwrap_or_else(|| Counting::Not("nobody asked for it".to_owned()))
    }

    async fn commit(self: Box<Self>) -> Result<Restored, Error> {
        self.guard.check().await?;
        self.source.committed.fetch_add(1, Ordering::Relaxed);
        let Made { failed_objects, warnings, keeps, .. } = *self.source;
        if keeps {
            let kind = Kind::Kept { name: "shop__dbackup_restore_1".to_owned() };
            return Err(Error::new(kind, "'shop' could not be replaced", "sessions come back"));
        }
        Ok(Restored { target: "made-up".to_owned(), failed_objects, warnings })
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

struct Folder {
    _folder: TempDir,
    destination: Arc<dyn Destination>,
}

fn folder() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("file://{}", folder.path().display());
    let destination: Arc<dyn Destination> =
        destinations::parse(&address, &Environment::default(), Patience::Medium).unwrap();
    Folder { _folder: folder, destination }
}

async fn backed_up(source: &Made, folder: &Folder, left_out: Vec<Warning>, acknowledged: &[&str]) -> RunReport {
    let request = request(source, folder, left_out, acknowledged);
    back_up(&request, &Progress::default(), &CancellationToken::new(), &|_| ()).await
}

fn request<'a>(source: &'a Made, folder: &Folder, left_out: Vec<Warning>, acknowledged: &[&str]) -> BackupRequest<'a> {
    let started = "2026-01-15T12:00:00Z".parse().unwrap();
    BackupRequest {
        source,
        databases: vec!["shop".to_owned()],
        left_out,
        acknowledged: acknowledged.iter().map(|&entry| entry.to_owned()).collect(),
        dump_options: DumpOptions::default(),
        host: None,
        destinations: vec![Arc::clone(&folder.destination).into()],
        job: "shop".to_owned(),
        compression: Compression::None,
        recipients: Vec::new(),
        started,
        trigger: "manual",
        run_id: runner::backup::new_run_id(started),
        job_id: None,
        signer: None,
        guard: Arc::new(Unguarded),
        stall_timeout: STALL_TIMEOUT,
    }
}

/// A backup in a folder, and its path.
async fn backup(source: &Made) -> (Folder, String) {
    let folder = folder();
    let report = backed_up(source, &folder, Vec::new(), &[]).await;
    let path = report.databases[0].copies[0].result.as_ref().unwrap().path.clone();
    (folder, path)
}

fn open<'a>(folder: &'a Folder, path: &'a str) -> OpenRequest<'a> {
    OpenRequest { destination: &*folder.destination, path, identities: Vec::new() }
}

async fn restored(source: &Made, on_error: OnError) -> Result<Restored, OpenError> {
    let (folder, path) = backup(source).await;
    let options = RestoreOptions { on_error, ..RestoreOptions::default() };
    restored_from(&folder, &path, source, options, Arc::new(Unguarded)).await
}

async fn restored_from(
    folder: &Folder,
    path: &str,
    source: &Made,
    options: RestoreOptions,
    guard: Arc<dyn Guard>,
) -> Result<Restored, OpenError> {
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let controls =
        Controls { progress: &progress, cancel: &cancel, guard, stall_timeout: STALL_TIMEOUT, on_event: &|_| () };
    Ok(restore(open(folder, path), source, options, &controls).await?.restored)
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
async fn a_run_that_is_lost_publishes_nothing_and_changes_no_target() {
    let (source, folder) = (Made::default(), folder());
    let lost = BackupRequest { guard: Arc::new(Lost), ..request(&source, &folder, Vec::new(), &[]) };
    let report = back_up(&lost, &Progress::default(), &CancellationToken::new(), &|_| ()).await;
    assert_eq!(report.state, RunState::Failed);
    let failure = report.databases[0].copies[0].result.as_ref().unwrap_err().to_string();
    assert!(failure.contains("another server"), "{failure}");
    assert!(folder.destination.list("shop").await.unwrap().is_empty());

    let (folder, path) = backup(&source).await;
    let stopped = restored_from(&folder, &path, &source, RestoreOptions::default(), Arc::new(Lost)).await;
    let Err(OpenError::Source(error)) = stopped else { panic!("{stopped:?}") };
    assert_eq!(*error.kind(), Kind::Stopped);
}

#[tokio::test]
async fn a_source_that_hangs_is_told_and_fails_the_run_in_words() {
    let (source, folder) = (Made { hangs: true, ..Made::default() }, folder());
    let stall_timeout = Duration::from_millis(200);
    let hanging = BackupRequest { stall_timeout, ..request(&source, &folder, Vec::new(), &[]) };
    let silent = AtomicUsize::new(0);
    let on_event = |event: Event<'_>| {
        if matches!(event, Event::Silent { .. }) {
            silent.fetch_add(1, Ordering::Relaxed);
        }
    };
    let report = back_up(&hanging, &Progress::default(), &CancellationToken::new(), &on_event).await;
    let failure = report.databases[0].failure.as_ref().unwrap().to_string();
    assert!(failure.contains("the dump has stalled: nothing moved for"), "{failure}");
    assert_eq!((report.state, silent.load(Ordering::Relaxed)), (RunState::Failed, 1));
    assert!(folder.destination.list("shop").await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_after_the_last_byte_is_told_and_fails_the_restore() {
    let (folder, path) = backup(&Made::default()).await;
    let source = Made { target_hangs: true, ..Made::default() };
    let (progress, cancel, told) = (Progress::default(), CancellationToken::new(), AtomicUsize::new(0));
    let on_event = |event: RestoreEvent| {
        let RestoreEvent::Silent { limit, .. } = event else { panic!("{event:?}") };
        assert_eq!(limit, STALL_TIMEOUT);
        told.fetch_add(1, Ordering::Relaxed);
    };
    let guard: Arc<dyn Guard> = Arc::new(Unguarded);
    let stall_timeout = STALL_TIMEOUT;
    let controls = Controls { progress: &progress, cancel: &cancel, guard, stall_timeout, on_event: &on_event };
    let stalled = restore(open(&folder, &path), &source, RestoreOptions::default(), &controls).await.unwrap_err();
    assert!(stalled.to_string().contains("stalled at made-up: nothing moved for 30 min"), "{stalled}");
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_restore_stops_at_the_size_that_its_sidecar_promises() {
    let source = Made::default();
    let (folder, path) = backup(&source).await;
    let sidecar = folder._folder.path().join(format!("{path}.meta.json"));
    let mut lying: serde_json::Value = serde_json::from_slice(&std::fs::read(&sidecar).unwrap()).unwrap();
    lying["size"]["plain"] = serde_json::json!(DUMP_LEN / 4);
    std::fs::write(&sidecar, lying.to_string()).unwrap();
    let refused = restored_from(&folder, &path, &source, RestoreOptions::default(), Arc::new(Unguarded)).await;
    assert!(
        matches!(&refused, Err(OpenError::Altered { what, .. }) if what == "size of the dump in bytes"),
        "{refused:?}"
    );
    assert!(source.restored.lock().unwrap().len() <= DUMP_LEN / 4);
}

#[tokio::test]
async fn only_what_nobody_acknowledged_makes_a_run_one_with_warnings() {
    let unlogged = Warning::new("unlogged-tables", "2 unlogged tables are empty in the backup");
    let broken = Warning::new("invalid-database", "'broken' is invalid").about("broken");
    let source = Made { warnings: vec![unlogged], ..Made::default() };
    for (acknowledged, state) in [
        (&[][..], RunState::SucceededWithWarnings),
        (&["unlogged-tables"], RunState::SucceededWithWarnings),
        (&["unlogged-tables", "invalid-database:other"], RunState::SucceededWithWarnings),
        (&["unlogged-tables", "invalid-database:broken"], RunState::Succeeded),
    ] {
        let report = backed_up(&source, &folder(), vec![broken.clone()], acknowledged).await;
        assert_eq!(report.state, state, "{acknowledged:?}");
        assert_eq!((report.warnings.len(), report.databases[0].warnings.len()), (1, 1), "they stay listed");
    }
}

#[tokio::test]
async fn a_review_reads_no_more_than_it_needs_and_loads_nothing() {
    let finding = Finding {
        severity: Severity::Blocks,
        code: "missing-role",
        message: "Role 'app' does not exist".to_owned(),
        sql: Some("CREATE ROLE app;".to_owned()),
    };
    let source = Made { findings: vec![finding.clone()], ..Made::default() };
    let (folder, path) = backup(&source).await;
    let findings = review(open(&folder, &path), &source, RestoreOptions::default()).await.unwrap();
    assert_eq!(findings, [finding]);
    assert!(source.reviewed.load(Ordering::Relaxed) < DUMP_LEN / 2);
    assert!(source.restored.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_review_that_fails_is_a_finding_and_bars_nothing() {
    let source = Made { review_fails: true, ..Made::default() };
    let (folder, path) = backup(&source).await;
    let findings = review(open(&folder, &path), &source, RestoreOptions::default()).await.unwrap();
    assert_eq!((findings[0].code, findings[0].severity), ("review-failed", Severity::Warns));
    assert!(findings[0].message.contains("pg_roles"), "{}", findings[0].message);
}

#[tokio::test]
async fn a_review_refuses_what_a_restore_would_refuse() {
    let source = Made::default();
    let (folder, path) = backup(&source).await;
    let gone = review(open(&folder, &format!("{path}.gone")), &source, RestoreOptions::default()).await;
    assert!(matches!(gone, Err(OpenError::Destination(_))), "{gone:?}");
    let file = folder._folder.path().join(&path);
    let mut content = std::fs::read(&file).unwrap();
    content.push(0);
    std::fs::write(&file, content).unwrap();
    let altered = review(open(&folder, &path), &source, RestoreOptions::default()).await;
    assert!(matches!(altered, Err(OpenError::Altered { .. } | OpenError::Destination(_))), "{altered:?}");
}

// S-05
#[tokio::test]
async fn an_object_that_fails_stops_a_restore_or_is_listed() {
    let object = FailedObject { object: "VIEW public.v".into(), error: "no function f()".into(), cure: None };
    let source = Made { failed_objects: vec![object.clone()], ..Made::default() };
    let stopped = restored(&source, OnError::Stop).await.unwrap_err();
    assert_eq!(stopped.way_on(), Some(WayOn::ContinueOnError));
    let partial = restored(&source, OnError::Continue).await.unwrap();
    assert_eq!((state_of(&partial), partial.failed_objects), (RunState::Partial, vec![object]));
}

#[tokio::test]
async fn a_restore_with_warnings_succeeded_with_them() {
    let source = Made { warnings: vec![Warning::new("settings", "work_mem was not kept")], ..Made::default() };
    assert_eq!(state_of(&restored(&source, OnError::Stop).await.unwrap()), RunState::SucceededWithWarnings);
    assert_eq!(state_of(&restored(&Made::default(), OnError::Stop).await.unwrap()), RunState::Succeeded);
}

#[tokio::test]
async fn a_kept_database_says_how_to_put_it_in_place() {
    let source = Made { keeps: true, ..Made::default() };
    let kept = restored(&source, OnError::Stop).await.unwrap_err();
    assert_eq!(kept.way_on(), Some(WayOn::PutInPlace("shop__dbackup_restore_1")));
}

/// Backs up to a storage that can do almost nothing.
async fn backed_up_to(meager: &Meager, source: &Made, guard: Arc<dyn Guard>) -> RunReport {
    let folder = folder();
    let meager: Arc<dyn Destination> = Arc::new(meager.clone());
    let destinations = vec![meager.into()];
    let request = BackupRequest { destinations, guard, ..request(source, &folder, Vec::new(), &[]) };
    back_up(&request, &Progress::default(), &CancellationToken::new(), &|_| ()).await
}

#[tokio::test]
async fn a_storage_that_can_do_almost_nothing_takes_a_backup_and_gives_it_back() {
    let (source, meager) = (Made::default(), Meager::default());
    let report = backed_up_to(&meager, &source, Arc::new(Unguarded)).await;
    assert_eq!(report.state, RunState::SucceededWithWarnings, "its content was not checked there");
    assert_eq!(report.databases[0].warnings[0].code, "content-not-checked");
    let stored = report.databases[0].copies[0].result.as_ref().unwrap();
    assert_eq!(stored.sidecar.warnings[0].code, "content-not-checked");
    let request = OpenRequest { destination: &meager, path: &stored.path, identities: Vec::new() };
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let guard: Arc<dyn Guard> = Arc::new(Unguarded);
    let controls =
        Controls { progress: &progress, cancel: &cancel, guard, stall_timeout: STALL_TIMEOUT, on_event: &|_| () };
    restore(request, &source, RestoreOptions::default(), &controls).await.unwrap();
    assert_eq!(source.restored.lock().unwrap().len(), DUMP_LEN);
    let now = progress.snapshot();
    assert_eq!((now.dumped_bytes, now.sent_bytes), (DUMP_LEN as u64, DUMP_LEN as u64), "read, and taken by the target");
    // The next one finds the name taken before it uploads.
    let report = backed_up_to(&meager, &source, Arc::new(Unguarded)).await;
    assert_eq!(report.state, RunState::SucceededWithWarnings);
    assert_eq!(meager.list("shop").await.unwrap().len(), 4);
}

#[tokio::test]
async fn every_warning_of_a_copy_is_told_before_the_copy() {
    let (source, meager, folder) = (Made::default(), Meager::default(), folder());
    let request = BackupRequest {
        destinations: vec![(Arc::new(meager) as Arc<dyn Destination>).into()],
        ..request(&source, &folder, Vec::new(), &[])
    };
    let told = Mutex::new(Vec::new());
    let on_event = |event: Event<'_>| {
        told.lock().unwrap().extend(match event {
            Event::Warned { warning, .. } => Some(warning.code.clone()),
            Event::Copied { .. } => Some("copied".to_owned()),
            _ => None,
        });
    };
    back_up(&request, &Progress::default(), &CancellationToken::new(), &on_event).await;
    assert_eq!(told.into_inner().unwrap(), ["content-not-checked", "copied"]);
}

/// Another writer takes the name right before the commit.
struct Overtaken(Meager);

#[async_trait]
impl Guard for Overtaken {
    async fn check(&self) -> Result<(), Error> {
        self.0.plant("shop/backup_2026-01-15T12-00-00.db", b"another backup");
        Ok(())
    }
}

#[tokio::test]
async fn a_name_that_was_taken_during_the_upload_is_told_and_left_alone() {
    let (source, meager) = (Made::default(), Meager::default());
    let report = backed_up_to(&meager, &source, Arc::new(Overtaken(meager.clone()))).await;
    assert_eq!(report.state, RunState::Failed);
    let failure = report.databases[0].copies[0].result.as_ref().unwrap_err();
    assert!(failure.to_string().contains("Run the backup again"), "{failure}");
    let there = meager.list("shop").await.unwrap();
    assert_eq!((there.len(), there[0].size), (1, 14));
    // The next run finds another name.
    assert_eq!(backed_up_to(&meager, &source, Arc::new(Unguarded)).await.state, RunState::SucceededWithWarnings);
}

fn one_table(rows: u64) -> Rows {
    let mut all = Rows::default();
    all.add("main", "x", rows);
    all
}

/// Restores a backup that recorded one set of rows, where another is counted. Returns how often the target was changed, too.
async fn compared(recorded: Option<Rows>, counting: Option<Counting>) -> (Result<RestoreReport, OpenError>, usize) {
    let source = Made { rows: (recorded, counting), ..Made::default() };
    let (folder, path) = backup(&source).await;
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let controls = Controls {
        progress: &progress,
        cancel: &cancel,
        guard: Arc::new(Unguarded),
        stall_timeout: STALL_TIMEOUT,
        on_event: &|_| (),
    };
    let report = restore(open(&folder, &path), &source, RestoreOptions::default(), &controls).await;
    (report, source.committed.load(Ordering::Relaxed))
}

fn counted(rows: u64, can_have_changed: bool) -> Option<Counting> {
    Some(Counting::Done(Counted { rows: one_table(rows), can_have_changed }))
}

#[tokio::test]
async fn a_backup_whose_rows_are_not_those_that_it_recorded_never_gets_its_place() {
    let (differs, changed) = compared(Some(one_table(12)), counted(10, false)).await;
    let error = differs.unwrap_err();
    assert!(error.to_string().contains("Restored rows differ: table main.x has 10, backup has 12"), "{error}");
    assert_eq!((changed, error.code(), error.may_have_changed()), (0, FailureCode::RowsDiffer, false));
}

#[tokio::test]
async fn the_same_rows_are_told_and_what_was_not_counted_is_no_claim() {
    let (same, changed) = compared(Some(one_table(12)), counted(12, false)).await;
    assert_eq!((same.unwrap().rows.unwrap().equal, changed), (Some(true), 1));
    let (slow, changed) = compared(Some(one_table(12)), Some(Counting::too_long(Duration::from_secs(9)))).await;
    let slow = slow.unwrap();
    assert_eq!(
        (slow.rows.unwrap().to_string(), changed),
        ("Rows not counted: counting took longer than 9 s".to_owned(), 1)
    );
    assert!(slow.restored.warnings.is_empty());
    // As backups before this.
    let (old, changed) = compared(None, counted(12, false)).await;
    assert_eq!((old.unwrap().rows, changed), (None, 1));
}

#[tokio::test]
async fn rows_that_others_can_have_changed_are_a_warning() {
    let (differs, changed) = compared(Some(one_table(12)), counted(13, true)).await;
    let restored = differs.unwrap().restored;
    assert_eq!((restored.warnings[0].code.as_str(), changed), ("rows-differ", 1));
}
