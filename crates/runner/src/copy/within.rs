//! Copying inside the storage that both destinations are a part of: no byte of the backup passes through this machine.

use std::sync::Arc;

use adapter::destination::{Destination, Entry, Expected, Gate, Original, Proof, put};
use adapter::{Error, Kind};
use bytes::Bytes;

use super::checked::compared;
use super::{Copied, CopyError, from, to};
use crate::checks::Checks;
use crate::restore::Examined;
use crate::sidecars::{SidecarState, sidecar_path};

/// A copy that the storage is to make. The backup as it is at the source was compared with its sidecar.
pub(super) struct Within {
    original: Original,
    sidecar: Option<Bytes>,
    checks: Checks,
}

impl Within {
    /// Looks the backup up, and compares its storage's own hash with its sidecar's.
    pub(super) async fn prepare(
        source: &dyn Destination,
        path: &str,
        sidecar: Option<Vec<u8>>,
        state: &SidecarState,
    ) -> Result<Self, CopyError> {
        let entry = source.stat(path).await.map_err(from)?;
        let entry = entry.ok_or_else(|| from(Error::missing(&format!("{path} at {}", source.name()))))?;
        let found = Expected { size: entry.size, hashes: entry.hashes.clone() };
        let checks = compared(state, &found, path, source)?;
        if checks.passed.is_empty() && state.sidecar().is_some() {
            // Streamed, it is compared with the hash that the sidecar has.
            let what = format!("could not copy {path} inside the storage");
            return Err(to(Error::new(Kind::Unsupported, what, "its sidecar lacks the storage's own hash")));
        }
        let original = Original { location: source.location(path).map_err(from)?, entry };
        Ok(Self { original, sidecar: sidecar.map(Bytes::from), checks })
    }

    /// Has the backup copied, then writes its sidecar as it was read: what makes it complete comes last.
    pub(super) async fn publish(
        &self,
        destination: &dyn Destination,
        path: &str,
        gate: Arc<dyn Gate>,
    ) -> Result<Proof, CopyError> {
        let proof = destination.copy_within(&self.original, path, gate).await.map_err(to)?;
        if let Some(content) = &self.sidecar {
            let written = put(destination, &sidecar_path(path), content.clone()).await;
            written.map_err(|cause| CopyError::Sidecar { path: path.to_owned(), cause })?;
        }
        Ok(proof)
    }

    /// Returns what became of it.
    pub(super) fn done(self, proof: Proof, storage: &'static str) -> Copied {
        let Proof { how, size, hashes } = proof;
        let mut checks = self.checks;
        checks.note(how);
        let examined = Box::new(Examined {
            entry: Entry { size, hashes, ..Entry::default() },
            sidecar: SidecarState::parse(self.sidecar.as_deref()),
            proved: (!checks.passed.is_empty()).then_some(how),
        });
        Copied::Done { size, checks, proved: how, inside: Some(storage), examined }
    }
}
