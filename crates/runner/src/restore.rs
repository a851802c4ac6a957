//! Reading a backup back: checked as early as can be, and never a half for a whole.
//!
//! Before a byte is read: the size, and the destination's own hash where it knows one, against the sidecar's. With the first bytes:
//! the key, and what the dump is. At the end, before the last piece is handed on: age's last chunk, the compression's checksum, the
//! storage's own hash where it has one, and both SHA-256 of the sidecar.

mod ending;
mod examine;

use std::sync::Arc;
use std::time::Duration;

use adapter::destination::{Destination, Download};
use bytes::Bytes;
use domain::naming::BackupName;
use domain::run::FailureCode;
use domain::{DumpFormat, RunState};
use pipeline::held;
use pipeline::keys::Identity;
use pipeline::stream::{self, Interrupted, Receiver, Sender};
use pipeline::{DecodeError, Decoded, Keys, Progress, decode};
use sources::{Guard, Kind, RestoreOptions, Restored, Source, WayOn};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::ending::RestoreEvent;
pub use self::examine::{Examined, examine, open_examined, verify};
use self::examine::{altered, equal};
use crate::checks::Checks;
use crate::limited::Limited;
use crate::sidecars::SidecarState;
use crate::stall::{self, STALL_TIMEOUT, Stalled};
use crate::wanted::Wanted;

/// What to open.
pub struct OpenRequest<'a> {
    /// Where it is.
    pub destination: &'a dyn Destination,
    /// Its path there.
    pub path: &'a str,
    /// What may decrypt it.
    pub identities: Vec<Identity>,
}

/// Why a backup is refused.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The destination failed.
    #[error(transparent)]
    Destination(adapter::Error),
    /// The target database failed.
    #[error(transparent)]
    Source(#[from] sources::Error),
    /// A layer cannot be opened.
    #[error("{path}: {cause}")]
    Layers {
        /// The backup.
        path: String,
        /// Why.
        cause: DecodeError,
    },
    /// It is not what its sidecar says.
    #[error(
        "{path} is not the file that was backed up: {found} is not the {what} in its sidecar ({expected}). Restore another backup"
    )]
    Altered {
        /// The backup.
        path: String,
        /// What differs.
        what: String,
        /// The sidecar's value.
        expected: String,
        /// The one found.
        found: String,
    },
    /// It is a dump of another engine, or none.
    #[error("{path} is {found}, which cannot be restored into {target}")]
    WrongFormat {
        /// The backup.
        path: String,
        /// What it is.
        found: String,
        /// The target's engine.
        target: String,
    },
    /// It is not encrypted among backups that are, and nobody has confirmed that.
    #[error(
        "{path} is not encrypted, but its job encrypts its backups, or other backups of the job are encrypted: somebody else may have put it there. Restore another backup, or allow an unencrypted one explicitly"
    )]
    Unencrypted {
        /// The backup.
        path: String,
    },
    /// It failed, and something remains of it.
    #[error("{}. Besides, {leftover}", cause.without_promise())]
    Leftover {
        /// Why it failed.
        cause: Box<OpenError>,
        /// What remains.
        leftover: sources::Error,
    },
    /// Nothing came, or nothing was taken, for too long.
    #[error(
        "the restore has stalled at {place}: {stalled}. Nothing was changed. Look at what is going on there, then restore again"
    )]
    Stalled {
        /// The target, or the backup.
        place: String,
        /// For how long.
        stalled: Stalled,
    },
    /// Somebody stopped it.
    #[error("cancelled: nothing was changed")]
    Cancelled,
    /// A part of this program broke down.
    #[error("internal error: {0}")]
    Internal(String),
}

impl OpenError {
    /// Returns why, for programs.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Destination(error) | Self::Source(error) => error.kind().failure_code(),
            Self::Layers { cause: DecodeError::IdentityNeeded | DecodeError::WrongIdentity, .. } => {
                FailureCode::CannotDecrypt
            }
            Self::Layers { .. } => FailureCode::Damaged,
            Self::Altered { .. } => FailureCode::Altered,
            Self::WrongFormat { .. } => FailureCode::Unsupported,
            Self::Unencrypted { .. } => FailureCode::Unencrypted,
            Self::Leftover { cause, .. } => cause.code(),
            Self::Stalled { .. } => FailureCode::Stalled,
            Self::Cancelled => FailureCode::Cancelled,
            Self::Internal(_) => FailureCode::Internal,
        }
    }

    /// Returns whether the target may have been changed all the same: something remains, or the outcome is not known.
    pub fn may_have_changed(&self) -> bool {
        match self {
            Self::Source(error) => *error.kind() == Kind::Uncertain,
            Self::Leftover { .. } => true,
            _ => false,
        }
    }

    /// Returns the words, without the promise that nothing was changed.
    fn without_promise(&self) -> String {
        match self {
            Self::Cancelled => "cancelled".to_owned(),
            Self::Stalled { place, stalled } => format!("the restore has stalled at {place}: {stalled}"),
            Self::Source(error) if *error.kind() == Kind::Stopped => error.what().to_owned(),
            other => other.to_string(),
        }
    }

    /// Returns how to go on, where an option of the restore decides that.
    pub fn way_on(&self) -> Option<WayOn<'_>> {
        match self {
            Self::Source(error) => WayOn::after(error),
            Self::Leftover { cause, .. } => cause.way_on(),
            _ => None,
        }
    }
}

/// A backup that is being read. [`Self::finish`] must have answered before what was read counts.
pub struct OpenedBackup {
    /// The dump, decrypted and decompressed; its last piece comes only after everything was checked.
    pub pieces: Receiver,
    /// Whether its database was already damaged when it was backed up, and that was allowed.
    pub damaged: bool,
    /// Bytes of the dump, as its sidecar says.
    promised: Option<u64>,
    reading: Reading,
    decoding: JoinHandle<Result<Result<Decoded, OpenError>, DecodeError>>,
    path: String,
    checks: Checks,
}

/// The download, which ends with the backup that nobody reads any more. Without it the stages end, too.
struct Reading(JoinHandle<Result<(), adapter::Error>>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts to read a backup. The place of the work at hand ([`held`]) is held until nothing works on the backup any more, also by a
/// read that hangs in the operating system.
///
/// # Errors
/// If it cannot be read, or is found to be altered before the first byte.
pub async fn open(request: OpenRequest<'_>, progress: &Progress) -> Result<OpenedBackup, OpenError> {
    open_within(request, progress, STALL_TIMEOUT).await
}

async fn open_within(
    request: OpenRequest<'_>,
    progress: &Progress,
    limit: Duration,
) -> Result<OpenedBackup, OpenError> {
    let place = held::place();
    let OpenRequest { destination, path, identities } = request;
    let (examined, download) = open_examined(&Limited::new(destination, limit), path).await?;
    let (checks, sidecar) = (examined.checks(), examined.sidecar);
    let named_encrypted = path.rsplit('/').next().and_then(BackupName::parse).is_some_and(|name| name.encrypted);
    let must_be_encrypted = named_encrypted || sidecar.sidecar().is_some_and(|sidecar| sidecar.encryption.is_some());
    let ((stored, decoder_input), (decoder_output, pieces)) = (stream::channel(), stream::channel());
    let promised = sidecar.sidecar().map(|sidecar| sidecar.size.plain);
    let downloading = read(download, stored, progress.clone());
    let reading = Reading(tokio::spawn(held::holding(place.clone(), downloading)));
    let owned_path = path.to_owned();
    let keys = Keys { identities, must_be_encrypted };
    let damaged =
        sidecar.sidecar().is_some_and(|sidecar| sidecar.warnings.iter().any(|warning| warning.code == "damaged"));
    let decoding = decode(keys, decoder_input, decoder_output, move |decoded| {
        let _held = place;
        compare(&owned_path, &sidecar, decoded)
    });
    Ok(OpenedBackup { pieces, damaged, promised, reading, decoding, path: path.to_owned(), checks })
}

impl OpenedBackup {
    /// Returns what was read and what it was checked with, once all of it came.
    ///
    /// # Errors
    /// The cause that lies deepest: the destination's before the layers'.
    pub async fn finish_checked(mut self) -> Result<(Decoded, Checks), OpenError> {
        let mut checks = std::mem::take(&mut self.checks);
        let decoded = self.finish().await?;
        decoded.layers.iter().for_each(|layer| checks.passed(*layer));
        Ok((decoded, checks))
    }

    /// As [`Self::finish_checked`].
    ///
    /// # Errors
    /// The cause that lies deepest: the destination's before the layers'.
    pub async fn finish(self) -> Result<Decoded, OpenError> {
        let Self { pieces, mut reading, decoding, path, .. } = self;
        drop(pieces);
        let decoded = decoding.await.map_err(|error| OpenError::Internal(error.to_string()))?;
        let read = (&mut reading.0).await.map_err(|error| OpenError::Internal(error.to_string()))?;
        match (decoded, read) {
            (Err(DecodeError::Interrupted), Err(error)) => Err(OpenError::Destination(error)),
            (Err(cause), _) => Err(OpenError::Layers { path, cause }),
            (Ok(Err(refused)), _) => Err(refused),
            (Ok(Ok(_)), Err(error)) => Err(OpenError::Destination(error)),
            (Ok(Ok(decoded)), Ok(())) => Ok(decoded),
        }
    }
}

fn compare(path: &str, sidecar: &SidecarState, decoded: &Decoded) -> Result<(), OpenError> {
    let Some(sidecar) = sidecar.sidecar() else { return Ok(()) };
    equal(path, "SHA-256", &sidecar.checksum.sha256_stored, &decoded.stored.sha256)?;
    equal(path, "SHA-256 of the dump", &sidecar.checksum.sha256_plain, &decoded.plain.sha256)
}

/// Moves the stored bytes into the stages; says that they ended only after the destination has checked them.
async fn read(mut download: Box<dyn Download>, stored: Sender, progress: Progress) -> Result<(), adapter::Error> {
    while let Some(piece) = download.next().await? {
        progress.add_read(piece.len());
        if stored.send(piece).await.is_err() {
            return Ok(());
        }
    }
    // If the stages are gone, they say why.
    let _ = stored.end().await;
    Ok(())
}

/// Returns the end of a restore that was committed: partial if any object is missing.
pub fn state_of(restored: &Restored) -> RunState {
    match (restored.failed_objects.is_empty(), restored.warnings.is_empty()) {
        (false, _) => RunState::Partial,
        (true, false) => RunState::SucceededWithWarnings,
        (true, true) => RunState::Succeeded,
    }
}

/// How a restore went.
#[derive(Debug)]
pub struct RestoreReport {
    /// What was restored, and what was not.
    pub restored: Restored,
    /// Sizes and hashes of what was read.
    pub decoded: Decoded,
    /// What it was checked with.
    pub checks: Checks,
}

/// What can stop a restore, and what it tells.
pub struct Controls<'a> {
    /// Counts bytes.
    pub progress: &'a Progress,
    /// Stops it, until the target changes. One that comes later waits for what becomes of the restore.
    pub cancel: &'a CancellationToken,
    /// Asked right before the target changes.
    pub guard: Arc<dyn Guard>,
    /// How long the target may take nothing, and the destination give nothing.
    pub stall_timeout: Duration,
    /// Told what happens.
    pub on_event: &'a (dyn Fn(RestoreEvent) + Sync),
}

/// What is the same for all pieces of a restore.
struct Loading<'a> {
    target: String,
    format: DumpFormat,
    limit: Duration,
    on_event: &'a (dyn Fn(RestoreEvent) + Sync),
}

impl Loading<'_> {
    fn tell_silence(&self, since: Duration) {
        (self.on_event)(RestoreEvent::Silent { since, limit: self.limit });
    }

    fn stalled(&self, stalled: Stalled) -> OpenError {
        OpenError::Stalled { place: self.target.clone(), stalled }
    }
}

/// Restores a backup into the database that `target` names. Whatever fails, the target stays as it was, unless the error says otherwise
/// ([`OpenError::may_have_changed`]).
///
/// # Errors
/// See [`OpenError`].
pub async fn restore(
    request: OpenRequest<'_>,
    target: &dyn Source,
    options: RestoreOptions,
    controls: &Controls<'_>,
) -> Result<RestoreReport, OpenError> {
    let Controls { progress, cancel, guard, stall_timeout, on_event } = controls;
    let format = target.engine().format();
    check_name(request.path, format)?;
    let mut restoring = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(OpenError::Cancelled),
        restoring = timeout(*stall_timeout, target.restore(options)) => match restoring {
            Ok(restoring) => restoring?,
            Err(_) => return Err(OpenError::Stalled { place: target.name(), stalled: Stalled(*stall_timeout) }),
        },
    };
    restoring.guard(Wanted::new(cancel, guard));
    let loading = Loading { target: target.name(), format, limit: *stall_timeout, on_event: *on_event };
    let activity = restoring.activity();
    let loaded = load(request, &mut *restoring, &loading, progress);
    match ending::unless_cancelled(loaded, &*activity, controls).await {
        Ok((decoded, checks)) => {
            let restored = ending::commit(restoring, &loading.target, controls).await?;
            Ok(RestoreReport { restored, decoded, checks })
        }
        Err(cause) => match restoring.abort().await {
            Ok(()) => Err(cause),
            Err(leftover) => Err(OpenError::Leftover { cause: Box::new(cause), leftover }),
        },
    }
}

/// Feeds the target all of a backup that is whole, and waits until it has taken it in.
async fn load(
    request: OpenRequest<'_>,
    restoring: &mut dyn sources::Restore,
    loading: &Loading<'_>,
    progress: &Progress,
) -> Result<(Decoded, Checks), OpenError> {
    let path = request.path;
    let mut opened = open_within(request, progress, loading.limit).await?;
    if opened.damaged {
        restoring.accept_damage();
    }
    match feed(&mut opened, restoring, loading, progress, path).await {
        Ok(()) => {
            let checked = opened.finish_checked().await?;
            finish(restoring, loading).await?;
            Ok(checked)
        }
        Err(Fed::Refused(error)) => Err(error),
        Err(Fed::Interrupted) => {
            Err(opened.finish().await.err().unwrap_or_else(|| OpenError::Internal(Interrupted.to_string())))
        }
    }
}

/// Waits until the target has taken everything in, as long as it does anything.
async fn finish(restoring: &mut dyn sources::Restore, loading: &Loading<'_>) -> Result<(), OpenError> {
    let activity = restoring.activity();
    let finishing = restoring.finish();
    tokio::pin!(finishing);
    let is_active = || async { timeout(loading.limit, activity.is_active()).await.unwrap_or(false) };
    stall::unless_active(loading.limit, finishing, &is_active, &|since| loading.tell_silence(since))
        .await
        .map_err(|stalled| loading.stalled(stalled))?
        .map_err(OpenError::from)
}

enum Fed {
    /// The stages stopped; they say why.
    Interrupted,
    Refused(OpenError),
}

async fn feed(
    opened: &mut OpenedBackup,
    restoring: &mut dyn sources::Restore,
    loading: &Loading<'_>,
    progress: &Progress,
    path: &str,
) -> Result<(), Fed> {
    let mut taken = 0_u64;
    while let Some(piece) = opened.pieces.receive().await.map_err(|Interrupted| Fed::Interrupted)? {
        if taken == 0 {
            check_format(&piece, loading.format, path).map_err(Fed::Refused)?;
        }
        taken += piece.len() as u64;
        // What is longer than it says would fill the target's disk before its checksum is known to be wrong.
        if let Some(promised) = opened.promised.filter(|promised| taken > *promised) {
            let found = format!("more than {promised}");
            return Err(Fed::Refused(altered(path, "size of the dump in bytes", &promised.to_string(), found)));
        }
        let length = piece.len();
        let on_silence = |since| loading.tell_silence(since);
        let written = stall::of_database(loading.limit, restoring.write(piece), &on_silence).await;
        let written = written.map_err(|stalled| loading.stalled(stalled));
        written.and_then(|written| written.map_err(OpenError::from)).map_err(Fed::Refused)?;
        progress.add_dumped(length);
    }
    if taken == 0 { Err(Fed::Refused(wrong_format(path, None, loading.format))) } else { Ok(()) }
}

/// Refuses a backup whose name says that it is another engine's.
pub(crate) fn check_name(path: &str, format: DumpFormat) -> Result<(), OpenError> {
    match path.rsplit('/').next().and_then(BackupName::parse) {
        Some(name) if name.format != format => Err(wrong_format(path, Some(name.format), format)),
        _ => Ok(()),
    }
}

/// Refuses a dump whose first bytes are another engine's.
pub(crate) fn check_format(first: &Bytes, format: DumpFormat, path: &str) -> Result<(), OpenError> {
    match DumpFormat::of_bytes(first) {
        Some(found) if found == format => Ok(()),
        found => Err(wrong_format(path, found, format)),
    }
}

pub(crate) fn wrong_format(path: &str, found: Option<DumpFormat>, target: DumpFormat) -> OpenError {
    let found = found.map_or_else(|| "no database dump".to_owned(), |found| format!("a {} dump", found.engine()));
    OpenError::WrongFormat { path: path.to_owned(), found, target: target.engine().to_string() }
}
