//! Reading.

use async_trait::async_trait;
use bytes::Bytes;

use super::{Algorithm, Destination, Entry, prove_by_reading};
use crate::Error;

/// A download in progress.
#[async_trait]
pub trait Download: Send {
    /// Returns what the storage says of the file, as [`Destination::stat`] does.
    fn entry(&self) -> &Entry;

    /// Returns the next bytes; `None` at the end, after everything that the storage can check has been checked.
    async fn next(&mut self) -> Result<Option<Bytes>, Error>;
}

/// Reads a whole file and returns its digest.
///
/// # Errors
/// As [`Destination::open`].
pub async fn digest_of(destination: &dyn Destination, path: &str, algorithm: Algorithm) -> Result<String, Error> {
    let proof = prove_by_reading(destination, path, &[algorithm]).await?;
    Ok(proof.hashes.get(algorithm.name).unwrap_or_default().to_owned())
}

/// Reads all of a file that has at most `limit` bytes.
pub(super) async fn read_small(mut download: Box<dyn Download>, path: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    while let Some(piece) = download.next().await? {
        content.extend_from_slice(&piece);
        if content.len() as u64 > limit {
            return Err(Error::too_large(path, limit));
        }
    }
    Ok(content)
}
