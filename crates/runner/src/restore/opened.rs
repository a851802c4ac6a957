//! A backup as it is read: the download, the layers, and all that is checked on the way.

use std::time::Duration;

use adapter::destination::{Destination, Download};
use domain::naming::BackupName;
use domain::rows::Rows;
use pipeline::keys::Identity;
use pipeline::stream::{self, Receiver, Sender};
use pipeline::{DecodeError, Decoded, Keys, Progress, decode, held};
use tokio::task::JoinHandle;

use super::OpenError;
use super::examine::{Examined, altered, equal, examine, open_examined};
use crate::checks::Checks;
use crate::limited::Limited;
use crate::sidecars::SidecarState;
use crate::stall::STALL_TIMEOUT;

/// What to open.
pub struct OpenRequest<'a> {
    /// Where it is.
    pub destination: &'a dyn Destination,
    /// Its path there.
    pub path: &'a str,
    /// What may decrypt it.
    pub identities: Vec<Identity>,
}

/// A backup that is being read. [`Self::finish`] must have answered before what was read counts.
pub struct OpenedBackup {
    /// The dump, decrypted and decompressed; its last piece comes only after everything was checked.
    pub pieces: Receiver,
    /// Whether its database was already damaged when it was backed up, and that was allowed.
    pub damaged: bool,
    /// The rows of its tables, as its sidecar says.
    pub(super) rows: Option<Rows>,
    /// Bytes of the dump, as its sidecar says.
    pub(super) promised: Option<u64>,
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

pub(super) async fn open_within(
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
    let rows = sidecar.sidecar().and_then(|sidecar| sidecar.rows.clone());
    let damaged =
        sidecar.sidecar().is_some_and(|sidecar| sidecar.warnings.iter().any(|warning| warning.code == "damaged"));
    let decoding = decode(keys, decoder_input, decoder_output, move |decoded| {
        let _held = place;
        compare(&owned_path, &sidecar, decoded)
    });
    Ok(OpenedBackup { pieces, damaged, rows, promised, reading, decoding, path: path.to_owned(), checks })
}

/// Reads all of a backup, decrypts and decompresses it to the end, and compares it and its dump with the sidecar. Nothing is kept of
/// it. Returns what it was checked with.
///
/// # Errors
/// As [`open`]; [`OpenError::Altered`] and [`OpenError::Layers`] if it is not whole.
pub async fn verify_deep(request: OpenRequest<'_>) -> Result<(Examined, Checks), OpenError> {
    let (destination, path) = (request.destination, request.path);
    let mut opened = open(request, &Progress::default()).await?;
    let mut taken = 0_u64;
    // What interrupts the stages is the error of their end.
    while let Ok(Some(piece)) = opened.pieces.receive().await {
        taken += piece.len() as u64;
        if let Some(promised) = opened.promised.filter(|promised| taken > *promised) {
            let found = format!("more than {promised}");
            return Err(altered(path, "size of the dump in bytes", &promised.to_string(), found));
        }
    }
    let (_, checks) = opened.finish_checked().await?;
    Ok((examine(destination, path).await?, checks))
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
