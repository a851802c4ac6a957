//! Copying a stored backup, as it is, from one destination to another: inside their storage if both are parts of one, else by way of
//! this machine, going on after an interruption where that is possible.

mod checked;
mod content;
mod transfer;
mod within;

use std::sync::Arc;
use std::time::Duration;

use adapter::destination::{Checkpoint, Destination, Gate, How, Storage, put};
use adapter::{Authorization, Error, Kind};
use bytes::Bytes;
use domain::run::FailureCode;
use pipeline::{Counter, Progress};
use sources::Guard;
use tokio_util::sync::CancellationToken;

use self::content::{missing_sidecar, same_content};
use self::transfer::{SealedCopy, Transfer};
use self::within::Within;
use crate::checks::Checks;
use crate::limited::Limited;
use crate::restore::Examined;
use crate::sidecars::{SidecarState, read_content, sidecar_path};
use crate::signature::Signer;
use crate::wanted::{Wanted, settled};

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
    /// Both destinations are inside one storage, or may be, but it does not copy the backup by itself, or cannot be asked: the backup
    /// is read and written instead.
    Streamed {
        /// Why.
        cause: &'a Error,
    },
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
        /// The name of the storage that made the copy by itself: nothing was read or written but the sidecar.
        inside: Option<&'static str>,
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
    /// Returns what a storage said, word for word.
    pub fn technical_details(&self) -> Option<&str> {
        match self {
            Self::Source(error) | Self::Destination(error) | Self::Sidecar { cause: error, .. } => error.detail_text(),
            Self::Altered { .. } => None,
        }
    }

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
    let copied = copying.within_or_streamed().await;
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

/// How a backup is copied.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// By this storage itself.
    Within(&'static str),
    /// By way of this machine, from an earlier state if there is one.
    Streamed(Option<&'a Checkpoint>),
}

impl Copying<'_> {
    async fn within_or_streamed(&self) -> Result<Copied, CopyError> {
        if let Some(storage) = self.common_storage().await? {
            match self.attempt(Way::Within(storage.name)).await {
                Err(CopyError::Destination(cause)) if *cause.kind() == Kind::Unsupported => {
                    (self.on_event)(CopyEvent::Streamed { cause: &cause });
                }
                result => return result,
            }
        }
        self.resumed_or_new().await
    }

    /// Returns the storage that both destinations are inside, if it can copy by itself. A grant that lacks the scope to find that out
    /// bars no copy.
    async fn common_storage(&self) -> Result<Option<Storage>, CopyError> {
        let Self { source, destination, .. } = self;
        if !(source.capabilities().server_side_copy && destination.capabilities().server_side_copy) {
            return Ok(None);
        }
        let both = async { Ok(tokio::join!(source.storage(), destination.storage())) };
        let unknown = |cause: Error, whose: fn(Error) -> CopyError| {
            let bars_every_copy = match cause.kind() {
                Kind::Unauthorized(fault) => !matches!(fault, Authorization::MissingScope(_)),
                kind => *kind == Kind::Unavailable,
            };
            if bars_every_copy {
                return Err(whose(cause));
            }
            (self.on_event)(CopyEvent::Streamed { cause: &cause });
            Ok(None)
        };
        match self.unless_cancelled(both).await? {
            (Ok(one), Ok(other)) => Ok(one.filter(|one| Some(one) == other.as_ref())),
            (Err(cause), _) => unknown(cause, from),
            (_, Err(cause)) => unknown(cause, to),
        }
    }

    async fn resumed_or_new(&self) -> Result<Copied, CopyError> {
        if let Some(checkpoint) = &self.request.checkpoint {
            match self.attempt(Way::Streamed(Some(checkpoint))).await {
                Err(CopyError::Destination(cause)) if *cause.kind() == Kind::NotResumable => {
                    (self.on_event)(CopyEvent::Restarted { cause: &cause });
                    // What was read to be compared is read again.
                    self.progress.begin_database();
                }
                result => return result,
            }
        }
        self.attempt(Way::Streamed(None)).await
    }

    async fn unless_cancelled<T>(&self, doing: impl Future<Output = Result<T, CopyError>>) -> Result<T, CopyError> {
        tokio::select! {
            biased;
            () = self.request.cancel.cancelled() => Err(to(Error::unpublished("cancelled"))),
            done = doing => done,
        }
    }

    async fn attempt(&self, way: Way<'_>) -> Result<Copied, CopyError> {
        let CopyRequest { path, cancel, guard, .. } = self.request;
        let prepared = self.unless_cancelled(self.prepare(way)).await?;
        let wanted = Wanted::new(cancel, guard);
        let settling = || (self.on_event)(CopyEvent::Settling);
        match prepared {
            Prepared::AlreadyThere(None) => Ok(Copied::AlreadyThere),
            Prepared::AlreadyThere(Some(sidecar)) => {
                Gate::check(&*wanted).await.map_err(|why| to(Error::unpublished(why)))?;
                let written = put(&self.destination, &sidecar_path(path), sidecar).await;
                written.map_err(|cause| CopyError::Sidecar { path: (*path).to_owned(), cause })?;
                Ok(Copied::AlreadyThere)
            }
            Prepared::Within(copy, storage) => {
                let proof = settled(copy.publish(&self.destination, path, wanted), cancel, &settling).await?;
                let acknowledged = Counter::default();
                acknowledged.add(proof.size);
                self.progress.uploading(TO, acknowledged);
                self.progress.add_stored(usize::try_from(proof.size).unwrap_or(usize::MAX));
                Ok(copy.done(proof, storage))
            }
            Prepared::Sealed(mut copy) => {
                copy.upload.guard(wanted);
                settled(copy.publish(path), cancel, &settling).await?;
                let SealedCopy { size, checks, proved, examined, .. } = *copy;
                Ok(Copied::Done { size, checks, proved, inside: None, examined })
            }
        }
    }

    async fn prepare(&self, way: Way<'_>) -> Result<Prepared, CopyError> {
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
        let checkpoint = match way {
            Way::Within(storage) => {
                let copy = Within::prepare(source, path, sidecar, &state).await?;
                return Ok(Prepared::Within(Box::new(copy), storage));
            }
            Way::Streamed(checkpoint) => checkpoint,
        };
        let transfer = Transfer { source, path, destination, sidecar, state, signer: *signer, progress, on_event };
        transfer.run(checkpoint).await.map(|copy| Prepared::Sealed(Box::new(copy)))
    }
}

/// What is left to do once everything has been read and compared. It is short, and a cancel does not break it off half-way.
enum Prepared {
    /// The backup is there; its sidecar, if that is not: an interruption can have struck between the two.
    AlreadyThere(Option<Bytes>),
    /// The storage of that name copies it.
    Within(Box<Within>, &'static str),
    Sealed(Box<SealedCopy>),
}
