//! Copying a stored backup, as it is, from one destination to another; going on after an interruption where that is possible.

use std::sync::Arc;
use std::time::Duration;

use adapter::destination::{
    Algorithm, Capabilities, Checkpoint, Companion, Destination, Entry, Expected, Gate, How, SHA256, Sealed, Upload,
    digest_of, put,
};
use adapter::{Error, Kind};
use bytes::Bytes;
use domain::Hashes;
use domain::hashes::{Compared, label};
use domain::run::FailureCode;
use pipeline::{Digester, Progress};
use sources::Guard;
use tokio_util::sync::CancellationToken;

use crate::checks::Checks;
use crate::limited::Limited;
use crate::restore::Examined;
use crate::sidecars::{SidecarState, read_content, sidecar_path};
use crate::signature::{SignatureState, Signer};
use crate::wanted::{Wanted, settled};

/// Bytes after which the state is worth keeping anew; for long files, a fraction of what went before, since the state grows too.
const CHECKPOINT_EVERY: u64 = 8 * 1024 * 1024;
const CHECKPOINT_FRACTION: u64 = 64;

/// The position of a copy's only destination in its progress.
const TO: usize = 0;

/// What to copy.
pub struct CopyRequest<'a> {
    /// Where it is.
    pub source: &'a dyn Destination,
    /// Its path there, and at the destination.
    pub path: &'a str,
    /// Where it goes.
    pub destination: &'a dyn Destination,
    /// The id and the name of that destination, as the run's progress shows them.
    pub shown_as: (String, String),
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
    /// It is there: the same bytes as at the source, or as many if only the size was compared.
    Done {
        /// Bytes.
        size: u64,
        /// What they were compared with besides.
        checks: Checks,
        /// How it was proved that the destination holds them.
        proved: How,
        /// The copy with its sidecar, as it was published. It counts as proved if its bytes were compared with the sidecar, too.
        examined: Box<Examined>,
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
        what: String,
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

impl CopyError {
    /// Returns why, for programs.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Source(error) | Self::Destination(error) => error.kind().failure_code(),
            Self::Altered { .. } => FailureCode::Altered,
            Self::Sidecar { .. } => FailureCode::SidecarFailed,
        }
    }
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
/// [`Kind::Taken`] if another file has its name; [`Kind::Stopped`] if it was cancelled, or refused by its guard; as [`CopyError`].
pub async fn copy(
    request: CopyRequest<'_>,
    progress: &Progress,
    on_event: &(dyn Fn(CopyEvent<'_>) + Sync),
) -> Result<Copied, CopyError> {
    progress.set_destinations([request.shown_as.clone()]);
    let copying = Copying {
        source: Limited::new(request.source, request.stall_timeout),
        destination: Limited::new(request.destination, request.stall_timeout),
        request: &request,
        progress,
        on_event,
    };
    let copied = copying.resumed_or_new().await;
    match &copied {
        Ok(_) => progress.committed(TO),
        Err(error) => {
            progress.failed(TO, &error.to_string());
        }
    }
    copied
}

struct Copying<'a> {
    request: &'a CopyRequest<'a>,
    source: Limited<'a>,
    destination: Limited<'a>,
    progress: &'a Progress,
    on_event: &'a (dyn Fn(CopyEvent<'_>) + Sync),
}

impl Copying<'_> {
    async fn resumed_or_new(&self) -> Result<Copied, CopyError> {
        if let Some(checkpoint) = &self.request.checkpoint {
            match self.attempt(Some(checkpoint)).await {
                Err(CopyError::Destination(cause)) if *cause.kind() == Kind::NotResumable => {
                    (self.on_event)(CopyEvent::Restarted { cause: &cause });
                    // What was read to be compared is read again.
                    self.progress.begin_database();
                }
                result => return result,
            }
        }
        self.attempt(None).await
    }

    async fn attempt(&self, checkpoint: Option<&Checkpoint>) -> Result<Copied, CopyError> {
        let CopyRequest { path, cancel, guard, .. } = self.request;
        let prepared = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(to(Error::unpublished("cancelled"))),
            prepared = self.prepare(checkpoint) => prepared?,
        };
        let wanted = Wanted::new(cancel, guard);
        match prepared {
            Prepared::AlreadyThere(None) => Ok(Copied::AlreadyThere),
            Prepared::AlreadyThere(Some(sidecar)) => {
                Gate::check(&*wanted).await.map_err(|why| to(Error::unpublished(why)))?;
                let written = put(&self.destination, &sidecar_path(path), sidecar).await;
                written.map_err(|cause| CopyError::Sidecar { path: (*path).to_owned(), cause })?;
                Ok(Copied::AlreadyThere)
            }
            Prepared::Sealed(mut copy) => {
                copy.upload.guard(wanted);
                settled(copy.publish(path), cancel, &|| (self.on_event)(CopyEvent::Settling)).await?;
                let SealedCopy { size, checks, proved, examined, .. } = *copy;
                Ok(Copied::Done { size, checks, proved, examined })
            }
        }
    }

    async fn prepare(&self, checkpoint: Option<&Checkpoint>) -> Result<Prepared, CopyError> {
        let Self { source, destination, progress, on_event, request } = self;
        let CopyRequest { path, signer, .. } = request;
        if let Some(there) = destination.stat(path).await.map_err(to)? {
            return if same_content(source, destination, path, &there).await? {
                Ok(Prepared::AlreadyThere(missing_sidecar(source, path, destination).await?))
            } else {
                Err(to(Error::taken(&format!("{path} at {}", destination.name()))))
            };
        }
        let (sidecar, state) = match read_content(source, path).await.map_err(from)? {
            Ok(content) => (content.clone(), SidecarState::parse(content.as_deref())),
            // The backup is worth a copy nevertheless.
            Err(cause) => (None, SidecarState::Unreadable(cause)),
        };
        let transfer = Transfer { source, path, destination, sidecar, state, signer: *signer, progress, on_event };
        transfer.run(checkpoint).await.map(|copy| Prepared::Sealed(Box::new(copy)))
    }
}

/// What is left to do once everything has been read and compared. It is short, and a cancel does not break it off half-way.
enum Prepared {
    /// The backup is there; its sidecar, if that is not: an interruption can have struck between the two.
    AlreadyThere(Option<Bytes>),
    Sealed(Box<SealedCopy>),
}

/// A copy that is invisible yet.
struct SealedCopy {
    upload: Box<dyn Upload>,
    sidecar: Option<Bytes>,
    size: u64,
    checks: Checks,
    proved: How,
    examined: Box<Examined>,
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
            Some(checkpoint) => self.destination.resume(self.path, checkpoint).await.map_err(to)?,
            None => self.destination.create(self.path).await.map_err(to)?,
        };
        if checkpoint.is_some() {
            (self.on_event)(CopyEvent::Resumed);
        }
        self.progress.uploading(TO, upload.acknowledged());
        let read = self.stream(&mut *upload).await?;
        self.progress.verifying(TO);
        let sealed = upload.seal(&read).await.map_err(to)?;
        self.keep(&*upload);
        let checks = self.compare(&read, &sealed)?;
        let sidecar = self.sidecar_for(&sealed.hashes);
        let examined = Box::new(Examined {
            entry: Entry { size: read.size, hashes: sealed.hashes.clone(), ..Entry::default() },
            sidecar: SidecarState::parse(sidecar.as_deref()),
            proved: (!checks.passed.is_empty()).then_some(sealed.how),
        });
        Ok(SealedCopy { upload, sidecar, size: read.size, checks, proved: sealed.how, examined })
    }

    async fn stream(&self, upload: &mut dyn Upload) -> Result<Expected, CopyError> {
        let mut download = self.source.open(self.path).await.map_err(from)?;
        // Hashing is most of the work: the storage's own hash is enough where the sidecar knows it.
        let own = self.destination.capabilities().own_hash;
        let in_sidecar =
            |own: Algorithm| self.state.sidecar().is_none_or(|sidecar| sidecar.checksum.others.get(own.name).is_some());
        let known = own.is_some_and(in_sidecar);
        let mut digester = (upload.needs_sha256() || !known).then(Digester::default);
        let (mut size, mut kept) = (0, 0);
        while let Some(piece) = download.next().await.map_err(from)? {
            digester.iter_mut().for_each(|digester| digester.update(&piece));
            let length = piece.len();
            self.progress.add_stored(length);
            upload.write(piece).await.map_err(to)?;
            size += length as u64;
            if size - kept >= CHECKPOINT_EVERY.max(size / CHECKPOINT_FRACTION) {
                self.keep(upload);
                kept = size;
            }
        }
        let sha256 = digester.map(|digester| Hashes::of(SHA256.name, digester.finish().sha256));
        Ok(Expected { size, hashes: sha256.unwrap_or_default() })
    }

    fn keep(&self, upload: &dyn Upload) {
        if let Some(checkpoint) = upload.checkpoint() {
            (self.on_event)(CopyEvent::Checkpoint(&checkpoint));
        }
    }

    /// Compares what was read with what was once backed up.
    fn compare(&self, read: &Expected, sealed: &Sealed) -> Result<Checks, CopyError> {
        let mut checks = Checks { passed: Vec::new(), missing: self.state.problem() };
        if sealed.how == How::SizeAndTag {
            checks.missing.get_or_insert_with(|| "the storage knows no hash of what it took".to_owned());
        }
        let Some(sidecar) = self.state.sidecar() else { return Ok(checks) };
        let altered =
            |what| Err(CopyError::Altered { path: self.path.to_owned(), source_name: self.source.name(), what });
        if sidecar.size.stored != read.size {
            return altered("size".to_owned());
        }
        let mut found = sealed.hashes.clone();
        found.extend(&read.hashes);
        match sidecar.checksum.stored().compare(&found) {
            Compared::Nothing => {}
            Compared::Different { algorithm, .. } => return altered(label(&algorithm)),
            Compared::Same(algorithms) => {
                algorithms.iter().for_each(|name| checks.passed(format!("the sidecar's {}", label(name))));
            }
        }
        Ok(checks)
    }

    /// The sidecar as it is, but for the storage's own hash, which a backup that comes from elsewhere does not have yet.
    fn sidecar_for(&self, hashes: &Hashes) -> Option<Bytes> {
        let content = self.sidecar.as_ref()?;
        Some(self.completed(hashes).unwrap_or_else(|| content.clone()).into())
    }

    /// The sidecar with the storage's own hashes. A signed one stays as it is, unless it is one's own and can be signed again.
    fn completed(&self, hashes: &Hashes) -> Option<Vec<u8>> {
        let SidecarState::Read(sidecar, signature) = &self.state else { return None };
        let signer = match signature {
            SignatureState::Unsigned => None,
            SignatureState::Wrong => return None,
            SignatureState::SignedBy(key) => Some(self.signer.filter(|signer| signer.public_key() == key)?),
        };
        let known = sidecar.checksum.stored();
        let new: Vec<_> = hashes.iter().filter(|(algorithm, _)| known.get(algorithm).is_none()).collect();
        if new.is_empty() {
            return None;
        }
        let mut sidecar = sidecar.clone();
        new.into_iter().for_each(|(algorithm, digest)| sidecar.checksum.others.insert(algorithm, digest));
        if let Some(signer) = signer {
            signer.sign(&mut sidecar).ok()?;
        }
        serde_json::to_vec_pretty(&sidecar).ok()
    }
}

/// Returns whether source and destination hold the same content. Nothing is read where the sizes differ, or both storages know the
/// same hash; otherwise each is read that does not know the other's.
async fn same_content(
    source: &dyn Destination,
    destination: &dyn Destination,
    path: &str,
    there: &Entry,
) -> Result<bool, CopyError> {
    let here = source.stat(path).await.map_err(from)?;
    let here = here.ok_or_else(|| from(Error::missing(&format!("{path} at {}", source.name()))))?;
    if here.size != there.size {
        return Ok(false);
    }
    match here.hashes.compare(&there.hashes) {
        Compared::Same(_) => return Ok(true),
        Compared::Different { .. } => return Ok(false),
        Compared::Nothing => {}
    }
    let known = |entry: &Entry, capabilities: Capabilities| {
        capabilities.own_hash.filter(|algorithm| entry.hashes.get(algorithm.name).is_some())
    };
    let own = known(there, destination.capabilities()).or(known(&here, source.capabilities()));
    let algorithm = own.unwrap_or(SHA256);
    let at_source = digest(source, path, &here, algorithm).await.map_err(from)?;
    let at_destination = digest(destination, path, there, algorithm).await.map_err(to)?;
    Ok(at_source.eq_ignore_ascii_case(&at_destination))
}

/// Returns a file's digest: read only if it is not known.
async fn digest(place: &dyn Destination, path: &str, entry: &Entry, algorithm: Algorithm) -> Result<String, Error> {
    match entry.hashes.get(algorithm.name) {
        Some(known) => Ok(known.to_owned()),
        None => digest_of(place, path, algorithm).await,
    }
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
