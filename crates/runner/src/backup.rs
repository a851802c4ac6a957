//! Backing up: each database in one pass through the pipeline to every destination at once.

mod place;
mod publish;
mod report;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use adapter::destination::{Destination, Upload};
use domain::outcome::RunState;
use domain::rows::Rows;
use domain::{Compression, Warning};
use futures_util::future::join_all;
use jiff::Timestamp;
use pipeline::keys::Recipient;
use pipeline::{Encoded, Progress};
use sources::{DumpOptions, Guard, Source, Versions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::place::Place;
pub use self::place::same_places;
use self::publish::{publish, weakly_proved};
pub use self::report::{CopyReport, DatabaseReport, Event, Failure, RunReport, Stored};
use crate::signature::Signer;

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
    pub destinations: Vec<NamedDestination>,
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
    /// Asked right before a copy is published.
    pub guard: Arc<dyn Guard>,
    /// How long the database may give nothing, and a destination take nothing.
    pub stall_timeout: Duration,
    /// Signs the sidecars; the command line has no key.
    pub signer: Option<Arc<Signer>>,
}

/// A destination as those know it who asked for the run.
#[derive(Clone)]
pub struct NamedDestination {
    /// Its id; on the command line, its address.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// The place itself.
    pub destination: Arc<dyn Destination>,
}

/// A destination that has no other name than its address.
impl From<Arc<dyn Destination>> for NamedDestination {
    fn from(destination: Arc<dyn Destination>) -> Self {
        Self { id: destination.name(), name: destination.name(), destination }
    }
}

/// Backs up every database of the request, one after another. `cancel` stops the run at any time before a database's copies
/// are published, which is short and is finished, so that no half of a pair is left.
pub async fn back_up(
    request: &BackupRequest<'_>,
    progress: &Progress,
    cancel: &CancellationToken,
    on_event: &(dyn Fn(Event<'_>) + Sync),
) -> RunReport {
    progress.set_destinations(request.destinations.iter().map(|place| (place.id.clone(), place.name.clone())));
    let mut places: Vec<Place<'_>> =
        request.destinations.iter().map(|destination| Place::new(destination, request.stall_timeout)).collect();
    let mut databases = Vec::with_capacity(request.databases.len());
    for database in &request.databases {
        on_event(Event::Started { database });
        progress.begin_database();
        let turn = Turn { request, database, progress, on_event };
        let report = match turn.copy(&mut places, cancel).await {
            Ok(report) => report,
            Err(failure) => {
                for index in 0..places.len() {
                    progress.failed(index, &failure.to_string());
                }
                on_event(Event::Failed { database, failure: &failure });
                let (copies, warnings) = (Vec::new(), Vec::new());
                DatabaseReport { database: database.clone(), failure: Some(failure), rows: None, warnings, copies }
            }
        };
        databases.push(report);
    }
    let same_places = tokio::select! {
        biased;
        () = cancel.cancelled() => Vec::new(),
        same_places = same_places(places.iter().map(|place| (&place.destination as &dyn Destination, place.name))) => same_places,
    };
    let warnings = [request.left_out.clone(), same_places].concat();
    let mut all = databases.iter().flat_map(|report| &report.warnings).chain(&warnings);
    let warned = all.any(|warning| !warning.is_acknowledged(&request.acknowledged));
    let whole = databases.iter().flat_map(|report| {
        let dumped = report.failure.is_some().then_some(false);
        dumped.into_iter().chain(report.copies.iter().map(|copy| copy.result.is_ok()))
    });
    RunReport { run_id: request.run_id.clone(), state: RunState::of(whole, warned), warnings, databases }
}

/// One database of a run, and who is told of it.
struct Turn<'a> {
    request: &'a BackupRequest<'a>,
    database: &'a str,
    progress: &'a Progress,
    on_event: &'a (dyn Fn(Event<'_>) + Sync),
}

impl Turn<'_> {
    async fn copy(&self, places: &mut [Place<'_>], cancel: &CancellationToken) -> Result<DatabaseReport, Failure> {
        let Self { request, database, progress, on_event } = *self;
        let streamed = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Failure::Cancelled),
            streamed = self.dump_to_all(places) => streamed?,
        };
        if let Some(dump) = &streamed.dump {
            on_event(Event::Dumped { database, size: dump.encoded.plain.size });
            for warning in &dump.warnings {
                on_event(Event::Warned { database, warning });
            }
        }
        let dump = streamed.dump.as_ref();
        let publishing =
            places.iter_mut().zip(streamed.uploads).enumerate().map(|(index, (place, upload))| async move {
                let (destination_id, destination) = (place.id.to_owned(), place.name.to_owned());
                let result = match (upload, dump) {
                    (Ok(upload), Some(dump)) => {
                        let tell = || on_event(Event::Settling { database, destination: &destination });
                        publish(request, database, dump, place, upload, (cancel, &tell)).await
                    }
                    (Ok(_), None) => Err(Failure::NoDump),
                    (Err(failure), _) => Err(failure),
                };
                let copy = CopyReport { destination_id, destination, result };
                match &copy.result {
                    Ok(stored) => {
                        progress.committed(index);
                        // Before the copy: whoever knows of all copies knows of all warnings.
                        if let Some(warning) = weakly_proved(stored.proved, &copy.destination) {
                            on_event(Event::Warned { database, warning: &warning });
                        }
                        on_event(Event::Copied { database, copy: &copy, stored });
                    }
                    Err(failure) => self.drop_out(index, failure),
                }
                copy
            });
        let copies = join_all(publishing).await;
        let mut warnings = streamed.foreseen;
        let rows = dump.and_then(|dump| dump.rows.as_ref()).map(Rows::totals);
        warnings.extend(streamed.dump.into_iter().flat_map(|dump| dump.warnings));
        warnings.extend(copies.iter().filter_map(weakly_proved_copy));
        Ok(DatabaseReport { database: database.to_owned(), failure: None, rows, warnings, copies })
    }

    /// Tells that a destination gets no copy of this database, once.
    fn drop_out(&self, index: usize, failure: &Failure) {
        let Some(place) = self.request.destinations.get(index) else { return };
        if self.progress.failed(index, &failure.to_string()) {
            (self.on_event)(Event::DroppedOut { database: self.database, place, failure });
        }
    }

    async fn dump_to_all(&self, places: &mut [Place<'_>]) -> Result<Streamed, Failure> {
        let Self { request, database, progress, on_event } = *self;
        let prepared = join_all(places.iter_mut().map(|place| place.prepare(request, database))).await;
        let (mut failures, mut uploads, mut foreseen) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (place, outcome)) in places.iter().zip(prepared).enumerate() {
            let foreseeing = match &outcome {
                Ok(_) => place.foresee(request, database, on_event).await,
                Err(_) => Ok(None),
            };
            failures.push(match outcome.and_then(|upload| Ok((upload, foreseeing?))) {
                Ok((upload, warning)) => {
                    foreseen.extend(warning);
                    uploads.push((index, upload));
                    None
                }
                Err(failure) => {
                    self.drop_out(index, &failure);
                    Some(failure)
                }
            });
        }
        if uploads.is_empty() {
            let uploads = failures.into_iter().flatten().map(Err).collect();
            return Ok(Streamed { dump: None, foreseen, uploads });
        }
        let dump = request.source.dump(database, request.dump_options).await?;
        let versions = dump.versions();
        let limit = request.stall_timeout;
        let on_silence = |since| on_event(Event::Silent { database, since, limit });
        let stall = stream::Stall { limit, on_silence: &on_silence };
        let sinks = stream::Sinks { uploads, on_failure: &|index, failure| self.drop_out(index, failure) };
        let encoding = (request.compression, request.recipients.clone());
        let stream = stream::run(dump, encoding, sinks, progress, &stall).await?;
        let mut streamed = stream.uploads.into_iter();
        let uploads = failures.into_iter().map(|failure| match failure {
            Some(failure) => Err(failure),
            // As many as were handed over.
            None => streamed.next().unwrap_or(Err(Failure::NoDump)),
        });
        let uploads = uploads.collect();
        let dump = stream.encoded.map(|encoded| ProvedDump {
            versions,
            warnings: stream.warnings,
            rows: stream.rows,
            encoded,
        });
        Ok(Streamed { dump, foreseen, uploads })
    }
}

fn weakly_proved_copy(copy: &CopyReport) -> Option<Warning> {
    weakly_proved(copy.result.as_ref().ok()?.proved, &copy.destination)
}

/// What each destination has of a dump, still invisible.
struct Streamed {
    /// `None` if no destination was left to dump for.
    dump: Option<ProvedDump>,
    /// What was known before the dump began.
    foreseen: Vec<Warning>,
    /// Per destination.
    uploads: Vec<Result<Box<dyn Upload>, Failure>>,
}

/// A dump that has proved its end.
struct ProvedDump {
    versions: Versions,
    warnings: Vec<Warning>,
    rows: Option<Rows>,
    encoded: Encoded,
}

/// A new run's id: a UUID of version 7, which sorts by the run's start.
pub fn new_run_id(started: Timestamp) -> String {
    let seconds = u64::try_from(started.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(started.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)).to_string()
}
