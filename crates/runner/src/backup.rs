//! Backing up: each database in one pass through the pipeline to every destination at once.

mod stream;

use std::sync::Arc;

use destinations::{Committed, Destination, Upload};
use domain::outcome::RunState;
use domain::sidecar::{self, Checksum, Encryption, Sidecar};
use domain::{BackupName, Compression};
use futures_util::future::join_all;
use jiff::Timestamp;
use pipeline::keys::Recipient;
use pipeline::{Encoded, Progress};
use sources::{Source, Versions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::naming::TakenNames;

/// Another writer can take a name between our look and our commit; so often in a row it cannot.
const MAX_NAMES_TRIED: u32 = 100;

/// What to back up, and how.
pub struct BackupRequest<'a> {
    /// Where the data comes from.
    pub source: &'a dyn Source,
    /// The databases, in order.
    pub databases: Vec<String>,
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
}

/// What happens, as it happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// A database's turn.
    Started {
        /// Its name.
        database: &'a str,
    },
    /// The dump is whole; its copies are being published.
    Dumped {
        /// The database's name.
        database: &'a str,
        /// Bytes of the dump.
        size: u64,
    },
    /// The dump tool succeeded, and had something to say.
    ToolSaid {
        /// The database's name.
        database: &'a str,
        /// The tool's words.
        words: &'a str,
    },
    /// A copy is done, one way or the other.
    Copied {
        /// The database's name.
        database: &'a str,
        /// The copy.
        copy: &'a CopyReport,
    },
}

/// How a run went.
#[derive(Debug)]
pub struct RunReport {
    /// The run's id.
    pub run_id: String,
    /// Its end.
    pub state: RunState,
    /// Per database.
    pub databases: Vec<DatabaseReport>,
}

/// How one database went.
#[derive(Debug)]
pub struct DatabaseReport {
    /// Its name.
    pub database: String,
    /// Why there is no dump at all; the copies are empty then.
    pub failure: Option<Failure>,
    /// Per destination.
    pub copies: Vec<CopyReport>,
}

/// How one copy went.
#[derive(Debug)]
pub struct CopyReport {
    /// The destination's name.
    pub destination: String,
    /// What is there, or why it is not.
    pub result: Result<Stored, Failure>,
}

/// A copy that is provably whole.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its path at the destination.
    pub path: String,
    /// What its sidecar says.
    pub sidecar: Sidecar,
}

/// Why something is missing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database or its tool.
    #[error(transparent)]
    Source(#[from] sources::Error),
    /// The destination.
    #[error(transparent)]
    Destination(#[from] destinations::Error),
    /// The stages between.
    #[error(transparent)]
    Pipeline(#[from] pipeline::EncodeError),
    /// The backup is there and whole, its sidecar is not.
    #[error("the backup itself is whole at {path}, but its sidecar could not be written: {cause}")]
    Sidecar {
        /// Where the backup is.
        path: String,
        /// Why there is no sidecar.
        cause: destinations::Error,
    },
    /// The dump ended early because every other upload had failed, too.
    #[error("the dump was stopped")]
    NoDump,
    /// Somebody stopped the run.
    #[error("cancelled: nothing was left behind")]
    Cancelled,
    /// A part of this program broke down.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Backs up every database of the request, one after another. `cancel` stops the run at any time before a database's copies
/// are being published; publishing is finished, so that no half of a pair is left.
pub async fn back_up(
    request: &BackupRequest<'_>,
    progress: &Progress,
    cancel: &CancellationToken,
    on_event: &(dyn Fn(Event<'_>) + Sync),
) -> RunReport {
    let run_id = new_id(request.started);
    let mut databases = Vec::with_capacity(request.databases.len());
    for database in &request.databases {
        on_event(Event::Started { database });
        let (failure, copies) = match copy_database(request, &run_id, database, progress, cancel, on_event).await {
            Ok(copies) => (None, copies),
            Err(failure) => (Some(failure), Vec::new()),
        };
        databases.push(DatabaseReport { database: database.clone(), failure, copies });
    }
    let whole = databases.iter().flat_map(|report| {
        let dumped = report.failure.is_some().then_some(false);
        dumped.into_iter().chain(report.copies.iter().map(|copy| copy.result.is_ok()))
    });
    RunReport { run_id, state: RunState::of(whole), databases }
}

/// A destination and how far a database's copy has come there.
type Copy<T> = (Arc<dyn Destination>, Result<T, Failure>);

async fn copy_database(
    request: &BackupRequest<'_>,
    run_id: &str,
    database: &str,
    progress: &Progress,
    cancel: &CancellationToken,
    on_event: &(dyn Fn(Event<'_>) + Sync),
) -> Result<Vec<CopyReport>, Failure> {
    let streamed = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(Failure::Cancelled),
        streamed = dump_to_all(request, database, progress) => streamed?,
    };
    if let Some(dump) = &streamed.dump {
        on_event(Event::Dumped { database, size: dump.encoded.plain.size });
        if let Some(words) = &dump.words {
            on_event(Event::ToolSaid { database, words });
        }
    }
    let dump = streamed.dump.as_ref();
    let publishing = streamed.copies.into_iter().map(|(destination, upload)| async move {
        let result = match (upload, dump) {
            (Ok((taken, upload)), Some(dump)) => {
                publish(request, run_id, database, dump, &*destination, taken, upload).await
            }
            (Ok(_), None) => Err(Failure::NoDump),
            (Err(failure), _) => Err(failure),
        };
        let copy = CopyReport { destination: destination.name(), result };
        on_event(Event::Copied { database, copy: &copy });
        copy
    });
    Ok(join_all(publishing).await)
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
    words: Option<String>,
    encoded: Encoded,
}

async fn dump_to_all(request: &BackupRequest<'_>, database: &str, progress: &Progress) -> Result<Streamed, Failure> {
    let prepared = join_all(request.destinations.iter().map(|destination| prepare(destination, &request.job))).await;
    let (mut copies, mut ready, mut uploads) = (Vec::new(), Vec::new(), Vec::new());
    for (destination, outcome) in prepared {
        match outcome {
            Ok((taken, upload)) => {
                ready.push((destination, taken));
                uploads.push(upload);
            }
            Err(failure) => copies.push((destination, Err(failure))),
        }
    }
    if ready.is_empty() {
        return Ok(Streamed { dump: None, copies });
    }
    let dump = request.source.dump(database).await?;
    let versions = dump.versions();
    let stream = stream::run(dump, request.compression, request.recipients.clone(), uploads, progress).await?;
    copies.extend(ready.into_iter().zip(stream.uploads).map(|((destination, taken), upload)| {
        (destination, upload.map(|upload| (taken, upload)).map_err(Failure::from))
    }));
    let dump = stream.encoded.map(|encoded| ProvedDump { versions, words: stream.words, encoded });
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

async fn publish(
    request: &BackupRequest<'_>,
    run_id: &str,
    database: &str,
    dump: &ProvedDump,
    destination: &dyn Destination,
    mut taken: TakenNames,
    mut upload: Box<dyn Upload>,
) -> Result<Stored, Failure> {
    let (name, committed) = commit(request, database, &dump.encoded, &mut taken, &mut *upload).await?;
    let path = taken.path(&name.to_string());
    let sidecar = describe(request, run_id, database, dump, &name, &committed);
    let json = serde_json::to_vec_pretty(&sidecar).map_err(|error| Failure::Internal(error.to_string()))?;
    match destinations::put(destination, &taken.path(&name.sidecar()), json).await {
        Ok(_) => Ok(Stored { path, sidecar }),
        Err(cause) => Err(Failure::Sidecar { path, cause }),
    }
}

/// Publishes under the first name that is free.
async fn commit(
    request: &BackupRequest<'_>,
    database: &str,
    encoded: &Encoded,
    taken: &mut TakenNames,
    upload: &mut dyn Upload,
) -> Result<(BackupName, Committed), Failure> {
    let mut name = first_name(request, database);
    for _ in 0..MAX_NAMES_TRIED {
        name = taken.first_free(name);
        match upload.commit(&taken.path(&name.to_string()), &encoded.stored).await {
            Ok(committed) => return Ok((name, committed)),
            Err(destinations::Error::Taken(_)) => taken.take(&name.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    Err(destinations::Error::Taken(taken.path(&name.to_string())).into())
}

fn first_name(request: &BackupRequest<'_>, database: &str) -> BackupName {
    let engine = request.source.engine();
    // Where a source is one database, its job's folder says enough.
    let database = engine.has_databases().then_some(database);
    BackupName::new(request.started, database, engine.format(), request.compression, !request.recipients.is_empty())
}

fn describe(
    request: &BackupRequest<'_>,
    run_id: &str,
    database: &str,
    dump: &ProvedDump,
    name: &BackupName,
    committed: &Committed,
) -> Sidecar {
    let ProvedDump { versions, encoded, .. } = dump;
    let recipients: Vec<String> = request.recipients.iter().map(ToString::to_string).collect();
    Sidecar {
        version: sidecar::VERSION,
        id: new_id(request.started),
        run_id: run_id.to_owned(),
        job_id: None,
        job_name: request.job.clone(),
        source_name: request.source.name(),
        source_type: request.source.engine(),
        database: database.to_owned(),
        engine_version: versions.engine.clone(),
        tool_version: versions.tool.clone(),
        timestamp: request.started,
        original_file_name: name.to_string(),
        compression: request.compression,
        encryption: (!recipients.is_empty()).then(|| Encryption { format: "age".to_owned(), recipients }),
        size: sidecar::Size { plain: encoded.plain.size, stored: encoded.stored.size },
        checksum: Checksum {
            sha256_plain: encoded.plain.sha256.clone(),
            sha256_stored: encoded.stored.sha256.clone(),
            dropbox_content_hash: committed.dropbox_content_hash.clone(),
        },
        trigger: request.trigger.to_owned(),
        locked: false,
    }
}

/// A UUID of version 7: sorts by the run's start.
fn new_id(started: Timestamp) -> String {
    let seconds = u64::try_from(started.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(started.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)).to_string()
}
