//! Backing up: each database in one pass through the pipeline to every destination at once.

mod publish;
mod report;
mod stream;

use std::sync::Arc;

use destinations::{Destination, Upload};
use domain::outcome::RunState;
use domain::{Compression, Warning};
use futures_util::future::join_all;
use jiff::Timestamp;
use pipeline::keys::Recipient;
use pipeline::{Encoded, Progress};
use sources::{DumpOptions, Source, Versions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::publish::publish;
pub use self::report::{CopyReport, DatabaseReport, Event, Failure, RunReport, Stored};
use crate::naming::TakenNames;

/// What to back up, and how.
pub struct BackupRequest<'a> {
    /// Where the data comes from.
    pub source: &'a dyn Source,
    /// The databases, in order.
    pub databases: Vec<String>,
    /// A warning per database of the source that cannot be backed up and is left out.
    pub left_out: Vec<Warning>,
    /// Warnings that do not make the run one with warnings: codes, or `code:subject`.
    pub acknowledged: Vec<String>,
    /// How to treat what the dumps find.
    pub dump_options: DumpOptions,
    /// The host name of this machine, kept in the sidecar.
    pub host: Option<String>,
    /// Where it goes.
    pub destinations: Vec<Arc<dyn Destination>>,
    /// The job's name, which is its folder.
    pub job: String,
    /// How it is compressed.
    pub compression: Compression,
    /// Who can read it; nobody in particular means everybody.
    pub recipients: Vec<Recipient>,
    /// When the run started.
    pub started: Timestamp,
    /// What caused the run: `manual`, `schedule`, `api`.
    pub trigger: &'a str,
    /// The run's id; see [`new_run_id`].
    pub run_id: String,
    /// The job's id where a server knows one.
    pub job_id: Option<String>,
}

/// Backs up every database of the request, one after another. `cancel` stops the run at any time before a database's copies
/// are published, which is short and is finished, so that no half of a pair is left.
pub async fn back_up(
    request: &BackupRequest<'_>,
    progress: &Progress,
    cancel: &CancellationToken,
    on_event: &(dyn Fn(Event<'_>) + Sync),
) -> RunReport {
    let mut databases = Vec::with_capacity(request.databases.len());
    for database in &request.databases {
        on_event(Event::Started { database });
        let report = match copy_database(request, database, progress, cancel, on_event).await {
            Ok(report) => report,
            Err(failure) => {
                on_event(Event::Failed { database, failure: &failure });
                let (copies, warnings) = (Vec::new(), Vec::new());
                DatabaseReport { database: database.clone(), failure: Some(failure), warnings, copies }
            }
        };
        databases.push(report);
    }
    let mut warnings = databases.iter().flat_map(|report| &report.warnings).chain(&request.left_out);
    let warned = warnings.any(|warning| !warning.is_acknowledged(&request.acknowledged));
    let whole = databases.iter().flat_map(|report| {
        let dumped = report.failure.is_some().then_some(false);
        dumped.into_iter().chain(report.copies.iter().map(|copy| copy.result.is_ok()))
    });
    RunReport {
        run_id: request.run_id.clone(),
        state: RunState::of(whole, warned),
        warnings: request.left_out.clone(),
        databases,
    }
}

/// A destination and how far a database's copy has come there.
type Copy<T> = (Arc<dyn Destination>, Result<T, Failure>);

async fn copy_database(
    request: &BackupRequest<'_>,
    database: &str,
    progress: &Progress,
    cancel: &CancellationToken,
    on_event: &(dyn Fn(Event<'_>) + Sync),
) -> Result<DatabaseReport, Failure> {
    let streamed = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(Failure::Cancelled),
        streamed = dump_to_all(request, database, progress, on_event) => streamed?,
    };
    if let Some(dump) = &streamed.dump {
        on_event(Event::Dumped { database, size: dump.encoded.plain.size });
        for warning in &dump.warnings {
            on_event(Event::Warned { database, warning });
        }
    }
    let dump = streamed.dump.as_ref();
    let publishing = streamed.copies.into_iter().map(|(destination, upload)| async move {
        let result = match (upload, dump) {
            (Ok((taken, upload)), Some(dump)) => publish(request, database, dump, taken, upload, cancel).await,
            (Ok(_), None) => Err(Failure::NoDump),
            (Err(failure), _) => Err(failure),
        };
        let copy = CopyReport { index: position(request, &destination), destination: destination.name(), result };
        on_event(Event::Copied { database, copy: &copy });
        copy
    });
    let copies = join_all(publishing).await;
    let warnings = streamed.dump.map(|dump| dump.warnings).unwrap_or_default();
    Ok(DatabaseReport { database: database.to_owned(), failure: None, warnings, copies })
}

/// What each destination has of a dump, still invisible.
struct Streamed {
    /// None if no destination was left to dump for.
    dump: Option<ProvedDump>,
    copies: Vec<Copy<(TakenNames, Box<dyn Upload>)>>,
}

/// A dump that has proved its end.
struct ProvedDump {
    versions: Versions,
    warnings: Vec<Warning>,
    encoded: Encoded,
}

async fn dump_to_all(
    request: &BackupRequest<'_>,
    database: &str,
    progress: &Progress,
    on_event: &(dyn Fn(Event<'_>) + Sync),
) -> Result<Streamed, Failure> {
    let prepared = join_all(request.destinations.iter().map(|destination| prepare(destination, &request.job))).await;
    let (mut copies, mut ready, mut uploads) = (Vec::new(), Vec::new(), Vec::new());
    for (destination, outcome) in prepared {
        match outcome {
            Ok((taken, upload)) => {
                foresee(request, database, &*destination, &taken, on_event).await;
                ready.push((destination, taken));
                uploads.push(upload);
            }
            Err(failure) => copies.push((destination, Err(failure))),
        }
    }
    if ready.is_empty() {
        return Ok(Streamed { dump: None, copies });
    }
    let dump = request.source.dump(database, request.dump_options).await?;
    let versions = dump.versions();
    let stream = stream::run(dump, request.compression, request.recipients.clone(), uploads, progress).await?;
    copies.extend(ready.into_iter().zip(stream.uploads).map(|((destination, taken), upload)| {
        (destination, upload.map(|upload| (taken, upload)).map_err(Failure::from))
    }));
    let dump = stream.encoded.map(|encoded| ProvedDump { versions, warnings: stream.warnings, encoded });
    Ok(Streamed { dump, copies })
}

/// Looks at the job's folder, which proves that the destination can be reached before a dump starts, and begins an upload.
async fn prepare(destination: &Arc<dyn Destination>, job: &str) -> Copy<(TakenNames, Box<dyn Upload>)> {
    let prepared = async {
        let taken = TakenNames::of_job(&**destination, job).await?;
        Ok((taken, destination.create().await?))
    };
    (Arc::clone(destination), prepared.await)
}

/// Warns of a destination that the last backup would not fit into: it may still do, or something may be deleted in time.
async fn foresee(
    request: &BackupRequest<'_>,
    database: &str,
    destination: &dyn Destination,
    taken: &TakenNames,
    on_event: &(dyn Fn(Event<'_>) + Sync),
) {
    let Some(last_size) = taken.last_size(&publish::first_name(request, database)) else { return };
    // Whoever may not look at the space can still write: the backup itself will tell.
    let Ok(Some(usage)) = destination.usage().await else { return };
    if usage.free().is_some_and(|free| free < last_size) {
        on_event(Event::MayNotFit { database, destination: destination.name(), last_size, usage });
    }
}

/// Where a destination stands in the request.
fn position(request: &BackupRequest<'_>, destination: &Arc<dyn Destination>) -> usize {
    request.destinations.iter().position(|other| Arc::ptr_eq(other, destination)).unwrap_or_default()
}

/// A new run's id: a UUID of version 7, which sorts by the run's start.
pub fn new_run_id(started: Timestamp) -> String {
    let seconds = u64::try_from(started.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(started.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)).to_string()
}
