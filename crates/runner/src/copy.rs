//! Copying a stored backup, as it is, from one destination to another; going on after an interruption where that is possible.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use destinations::{Checkpoint, Companion, Destination, Error, Expected, Gate, StoredHash, Upload};
use pipeline::{Digester, Progress};
use sources::Guard;
use tokio_util::sync::CancellationToken;

use crate::checks::Checks;
use crate::limited::Limited;
use crate::sidecars::{SidecarState, read_content, sidecar_path};
use crate::signature::{SignatureState, Signer};
use crate::wanted::{Wanted, settled};

/// Bytes after which the state is worth keeping anew; for long files, a fraction of what went before, since the state grows too.
const CHECKPOINT_EVERY: u64 = 8 * 1024 * 1024;
const CHECKPOINT_FRACTION: u64 = 64;

/// What to copy.
pub struct CopyRequest<'a> {
    /// Where it is.
    pub source: &'a dyn Destination,
    /// Its path there, and at the destination.
    pub path: &'a str,
    /// Where it goes.
    pub destination: &'a dyn Destination,
    /// The last state of an interrupted copy.
    pub checkpoint: Option<Checkpoint>,
    /// Signs a sidecar of its own again that is completed.
    pub signer: Option<&'a Signer>,
    /// Stops the copy. A commit that was sent is settled first.
    pub cancel: &'a CancellationToken,
    /// Asked right before the copy is published.
    pub guard: Arc<dyn Guard>,
    /// How long nothing may move at either destination.
    pub stall_timeout: Duration,
}

/// What happens, as it happens.
#[derive(Debug)]
pub enum CopyEvent<'a> {
    /// The copy can go on from here, should it be interrupted.
    Checkpoint(&'a Checkpoint),
    /// It goes on from an earlier state.
    Resumed,
    /// The copy is to stop, but was already sent: the destination has not told yet whether it was published.
    Settling,
    /// It cannot go on, and starts again.
    Restarted {
        /// Why.
        cause: &'a Error,
    },
}

/// How a copy ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copied {
    /// It is there, the same bytes as at the source.
    Done {
        /// Bytes.
        size: u64,
        /// What they were compared with besides.
        checks: Checks,
    },
    /// It was there already, with the same content.
    AlreadyThere,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The destination that the backup is read from failed.
    #[error("{0}")]
    Source(#[source] Error),
    /// The destination that the copy goes to failed.
    #[error("{0}")]
    Destination(#[source] Error),
    /// What was read is not what the sidecar describes.
    #[error(
        "{path} at {source_name} is not the file that was backed up: its {what} is not the one in its sidecar. Copy another backup"
    )]
    Altered {
        /// The backup.
        path: String,
        /// Where it was read.
        source_name: String,
        /// What differs.
        what: &'static str,
    },
    /// The backup is there and whole, its sidecar is not.
    #[error("{path} was copied and is whole, but its sidecar could not be written: {cause}")]
    Sidecar {
        /// The backup.
        path: String,
        /// Why.
        cause: Error,
    },
}

fn from(error: Error) -> CopyError {
    CopyError::Source(error)
}

fn to(error: Error) -> CopyError {
    CopyError::Destination(error)
}

/// Copies a backup with its sidecar. Nothing is visible at the destination before everything has been proved.
///
/// # Errors
/// [`Error::Taken`] if another file has its name; [`Error::Stopped`] if it was cancelled, or refused by its guard; as [`CopyError`].
pub async fn copy(
    request: CopyRequest<'_>,
    progress: &Progress,
    on_event: &(dyn Fn(CopyEvent<'_>) + Sync),
) -> Result<Copied, CopyError> {
    let copying = Copying {
        source: Limited::new(request.source, request.stall_timeout),
        destination: Limited::new(request.destination, request.stall_timeout),
        request: &request,
        progress,
        on_event,
    };
    if let Some(checkpoint) = &request.checkpoint {
        match copying.attempt(Some(checkpoint)).await {
            Err(CopyError::Destination(cause @ Error::NotResumable { .. })) => {
                on_event(CopyEvent::Restarted { cause: &cause });
            }
            result => return result,
        }
    }
    copying.attempt(None).await
}

struct Copying<'a> {
    request: &'a CopyRequest<'a>,
    source: Limited<'a>,
    destination: Limited<'a>,
    progress: &'a Progress,
    on_event: &'a (dyn Fn(CopyEvent<'_>) + Sync),
}

impl Copying<'_> {
    async fn attempt(&self, checkpoint: Option<&Checkpoint>) -> Result<Copied, CopyError> {
        let CopyRequest { path, cancel, guard, .. } = self.request;
        let prepared = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(to(Error::Stopped("cancelled".to_owned()))),
            prepared = self.prepare(checkpoint) => prepared?,
        };
        let wanted = Wanted::new(cancel, guard);
        match prepared {
            Prepared::AlreadyThere(None) => Ok(Copied::AlreadyThere),
            Prepared::AlreadyThere(Some(sidecar)) => {
                Gate::check(&*wanted).await.map_err(|why| to(Error::Stopped(why)))?;
                let written = destinations::put(&self.destination, &sidecar_path(path), sidecar).await;
                written.map_err(|cause| CopyError::Sidecar { path: (*path).to_owned(), cause })?;
                Ok(Copied::AlreadyThere)
            }
            Prepared::Sealed(mut copy) => {
                copy.upload.guard(wanted);
                settled(copy.publish(path), cancel, &|| (self.on_event)(CopyEvent::Settling)).await?;
                Ok(Copied::Done { size: copy.size, checks: copy.checks })
            }
        }
    }

    async fn prepare(&self, checkpoint: Option<&Checkpoint>) -> Result<Prepared, CopyError> {
        let Self { source, destination, progress, on_event, request } = self;
        let CopyRequest { path, signer, .. } = request;
        if let Some(there) = stored_hash(destination, path).await.map_err(to)? {
            return if holds(source, path, &there).await.map_err(from)? {
                Ok(Prepared::AlreadyThere(missing_sidecar(source, path, destination).await?))
            } else {
                Err(to(Error::Taken(format!("{path} at {}", destination.name()))))
            };
        }
        let (sidecar, state) = match read_content(source, path).await.map_err(from)? {
            Ok(content) => (content.clone(), SidecarState::parse(content.as_deref())),
            // The backup is worth a copy nevertheless.
            Err(cause) => (None, SidecarState::Unreadable(cause)),
        };
        let transfer = Transfer { source, path, destination, sidecar, state, signer: *signer, progress, on_event };
        transfer.run(checkpoint).await.map(Prepared::Sealed)
    }
}

/// What is left to do once everything has been read and compared. It is short, and a cancel does not break it off half-way.
enum Prepared {
    /// The backup is there; its sidecar, if that is not: an interruption can have struck between the two.
    AlreadyThere(Option<Bytes>),
    Sealed(SealedCopy),
}

/// A copy that is invisible yet.
struct SealedCopy {
    upload: Box<dyn Upload>,
    sidecar: Option<Bytes>,
    size: u64,
    checks: Checks,
}

impl SealedCopy {
    async fn publish(&mut self, path: &str) -> Result<(), CopyError> {
        let Some(content) = self.sidecar.take() else { return self.upload.commit(path).await.map_err(to) };
        let companion = Companion { path: sidecar_path(path), content };
        let committed = self.upload.commit_with(path, companion).await.map_err(to)?;
        committed.map_err(|cause| CopyError::Sidecar { path: path.to_owned(), cause })
    }
}

struct Transfer<'a> {
    source: &'a dyn Destination,
    path: &'a str,
    destination: &'a dyn Destination,
    sidecar: Option<Vec<u8>>,
    state: SidecarState,
    signer: Option<&'a Signer>,
    progress: &'a Progress,
    on_event: &'a (dyn Fn(CopyEvent<'_>) + Sync),
}

impl Transfer<'_> {
    async fn run(&self, checkpoint: Option<&Checkpoint>) -> Result<SealedCopy, CopyError> {
        let mut upload = match checkpoint {
            Some(checkpoint) => self.destination.resume(checkpoint).await.map_err(to)?,
            None => self.destination.create_in(folder_of(self.path)).await.map_err(to)?,
        };
        if checkpoint.is_some() {
            (self.on_event)(CopyEvent::Resumed);
        }
        let read = self.stream(&mut *upload).await?;
        let sealed = upload.seal(&read).await.map_err(to)?;
        self.keep(&*upload);
        let checks = self.compare(&read, sealed.dropbox_content_hash.as_deref())?;
        let sidecar = self.sidecar_for(sealed.dropbox_content_hash);
        Ok(SealedCopy { upload, sidecar, size: read.size, checks })
    }

    async fn stream(&self, upload: &mut dyn Upload) -> Result<Expected, CopyError> {
        let mut download = self.source.open(self.path).await.map_err(from)?;
        // Hashing is most of the work: the storages' own hash is enough where the sidecar knows it.
        let known = self.state.sidecar().is_none_or(|sidecar| sidecar.checksum.dropbox_content_hash.is_some());
        let mut digester = (upload.needs_sha256() || !known).then(Digester::default);
        let (mut size, mut kept) = (0, 0);
        while let Some(piece) = download.next().await.map_err(from)? {
            digester.iter_mut().for_each(|digester| digester.update(&piece));
            let length = piece.len();
            upload.write(piece).await.map_err(to)?;
            self.progress.add_sent(length);
            size += length as u64;
            if size - kept >= CHECKPOINT_EVERY.max(size / CHECKPOINT_FRACTION) {
                self.keep(upload);
                kept = size;
            }
        }
        Ok(Expected { size, sha256: digester.map(|digester| digester.finish().sha256) })
    }

    fn keep(&self, upload: &dyn Upload) {
        if let Some(checkpoint) = upload.checkpoint() {
            (self.on_event)(CopyEvent::Checkpoint(&checkpoint));
        }
    }

    /// Compares what was read with what was once backed up.
    fn compare(&self, read: &Expected, content_hash: Option<&str>) -> Result<Checks, CopyError> {
        let mut checks = Checks { passed: Vec::new(), missing: self.state.problem() };
        let Some(sidecar) = self.state.sidecar() else { return Ok(checks) };
        let altered =
            |what| Err(CopyError::Altered { path: self.path.to_owned(), source_name: self.source.name(), what });
        if sidecar.size.stored != read.size {
            return altered("size");
        }
        if let Some(found) = &read.sha256 {
            if *found != sidecar.checksum.sha256_stored {
                return altered("SHA-256");
            }
            checks.passed("the sidecar's SHA-256");
        }
        if let (Some(found), Some(expected)) = (content_hash, &sidecar.checksum.dropbox_content_hash) {
            if found != expected {
                return altered("content hash");
            }
            checks.passed("the sidecar's content hash");
        }
        Ok(checks)
    }

    /// The sidecar as it is, but for Dropbox's hash, which a backup that comes from elsewhere does not have yet.
    fn sidecar_for(&self, content_hash: Option<String>) -> Option<Bytes> {
        let content = self.sidecar.as_ref()?;
        let completed = content_hash.and_then(|content_hash| self.completed(content_hash));
        Some(completed.unwrap_or_else(|| content.clone()).into())
    }

    /// The sidecar with Dropbox's hash. A signed one stays as it is, unless it is one's own and can be signed again.
    fn completed(&self, content_hash: String) -> Option<Vec<u8>> {
        let SidecarState::Read(sidecar, signature) = &self.state else { return None };
        let signer = match signature {
            SignatureState::Unsigned => None,
            SignatureState::Wrong => return None,
            SignatureState::SignedBy(key) => Some(self.signer.filter(|signer| signer.public_key() == key)?),
        };
        if sidecar.checksum.dropbox_content_hash.is_some() {
            return None;
        }
        let mut sidecar = sidecar.clone();
        sidecar.checksum.dropbox_content_hash = Some(content_hash);
        if let Some(signer) = signer {
            signer.sign(&mut sidecar).ok()?;
        }
        serde_json::to_vec_pretty(&sidecar).ok()
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the hash of what lies at a path, if anything does.
async fn stored_hash(destination: &dyn Destination, path: &str) -> Result<Option<StoredHash>, Error> {
    if destination.stat(path).await?.is_none() {
        return Ok(None);
    }
    destination.stored_hash(path).await.map(Some)
}

/// Whether the file at the source has this hash; read only if the source does not know it.
async fn holds(source: &dyn Destination, path: &str, hash: &StoredHash) -> Result<bool, Error> {
    let own = source.stored_hash(path).await?;
    if std::mem::discriminant(&own) == std::mem::discriminant(hash) {
        return Ok(own == *hash);
    }
    let mut hasher = hash.hasher();
    let mut download = source.open(path).await?;
    while let Some(piece) = download.next().await? {
        hasher.update(&piece);
    }
    Ok(hasher.finish() == *hash)
}

/// Returns the sidecar, if the destination has none beside the backup.
async fn missing_sidecar(
    source: &dyn Destination,
    path: &str,
    destination: &dyn Destination,
) -> Result<Option<Bytes>, CopyError> {
    if destination.stat(&sidecar_path(path)).await.map_err(to)?.is_some() {
        return Ok(None);
    }
    let Ok(content) = read_content(source, path).await.map_err(from)? else { return Ok(None) };
    Ok(content.map(Bytes::from))
}
