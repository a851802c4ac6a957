//! Reading a backup and writing it elsewhere, with its bytes compared on the way.

use adapter::destination::{
    Algorithm, Checkpoint, Companion, Destination, Entry, Expected, How, SHA256, Sealed, Upload,
};
use bytes::Bytes;
use domain::Hashes;
use pipeline::{Digester, Progress};

use super::checked::compared;
use super::{CopyError, CopyEvent, TO, from, to};
use crate::checks::Checks;
use crate::restore::Examined;
use crate::sidecars::{SidecarState, sidecar_path};
use crate::signature::{SignatureState, Signer};

/// Bytes after which the state is worth keeping anew; for long files, a fraction of what went before, since the state grows too.
const CHECKPOINT_EVERY: u64 = 8 * 1024 * 1024;
const CHECKPOINT_FRACTION: u64 = 64;

/// A copy that is invisible yet.
pub(super) struct SealedCopy {
    pub(super) upload: Box<dyn Upload>,
    sidecar: Option<Bytes>,
    pub(super) size: u64,
    pub(super) checks: Checks,
    pub(super) proved: How,
    pub(super) examined: Box<Examined>,
}

impl SealedCopy {
    pub(super) async fn publish(&mut self, path: &str) -> Result<(), CopyError> {
        let Some(content) = self.sidecar.take() else { return self.upload.commit(path).await.map_err(to) };
        let companion = Companion { path: sidecar_path(path), content };
        let committed = self.upload.commit_with(path, companion).await.map_err(to)?;
        committed.map_err(|cause| CopyError::Sidecar { path: path.to_owned(), cause })
    }
}

/// A copy by way of this machine.
pub(super) struct Transfer<'a> {
    pub(super) source: &'a dyn Destination,
    pub(super) path: &'a str,
    pub(super) destination: &'a dyn Destination,
    pub(super) sidecar: Option<Vec<u8>>,
    pub(super) state: SidecarState,
    pub(super) signer: Option<&'a Signer>,
    pub(super) progress: &'a Progress,
    pub(super) on_event: &'a (dyn Fn(CopyEvent<'_>) + Sync),
}

impl Transfer<'_> {
    pub(super) async fn run(&self, checkpoint: Option<&Checkpoint>) -> Result<SealedCopy, CopyError> {
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
        let mut found = Expected { size: read.size, hashes: sealed.hashes.clone() };
        found.hashes.extend(&read.hashes);
        let mut checks = compared(&self.state, &found, self.path, self.source)?;
        checks.note(sealed.how);
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
