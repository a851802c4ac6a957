//! Writing.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::Hashes;
use domain::hashes::SHA256;
use pipeline::{Counter, Digested, Digester};

use super::{Destination, How};
use crate::Error;

/// An upload in progress. Dropping it leaves nothing that anyone sees.
#[async_trait]
pub trait Upload: Send {
    /// Writes the next bytes.
    async fn write(&mut self, piece: Bytes) -> Result<(), Error>;

    /// Returns the count of bytes that the storage has acknowledged: those of requests that it answered, or of writes that returned,
    /// never those that wait in a buffer. It can be read while another call is in progress, never goes back, and is the file's
    /// size once that is published. Bytes of a resumed upload count once they are known to be at the storage.
    fn acknowledged(&self) -> Counter;

    /// Returns from what another process can go on; `None` while there is nothing to go on from, and where that is not possible at
    /// all.
    fn checkpoint(&self) -> Option<Checkpoint> {
        None
    }

    /// Returns whether [`Self::seal`] has to be told the SHA-256. A storage that hashes by itself can do without.
    fn needs_sha256(&self) -> bool {
        true
    }

    /// Has this asked before each attempt to publish: [`Self::commit`] fails with [`crate::Kind::Stopped`] once it is closed.
    fn guard(&mut self, gate: Arc<dyn Gate>);

    /// Ends the writing, and makes sure that everything arrived. Nothing is visible yet.
    async fn seal(&mut self, expected: &Expected) -> Result<Sealed, Error>;

    /// Publishes what was sealed, after proving that what the storage holds is what was written. Never overwrites:
    /// [`crate::Kind::Taken`] says that something else has the name and was left alone. With
    /// [`rename_at_commit`](super::Capabilities::rename_at_commit), commit again under another path then. Without, `path` must be the
    /// one that the upload began with, and the upload is lost ([`crate::Kind::Unsupported`] for another path).
    async fn commit(&mut self, path: &str) -> Result<(), Error>;

    /// The same with a companion beside it, in one step where the storage can do that. The companion is never there without
    /// the file. Its own failure is the inner result: the file is published then.
    async fn commit_with(&mut self, path: &str, companion: Companion) -> Result<Result<(), Error>, Error>;
}

/// What was to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Bytes.
    pub size: u64,
    /// The hashes of all of them that are known.
    pub hashes: Hashes,
}

impl From<Digested> for Expected {
    fn from(digested: Digested) -> Self {
        Self { size: digested.size, hashes: Hashes::of(SHA256, digested.sha256) }
    }
}

/// What is known of a file before it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// How the storage is known to hold what was written.
    pub how: How,
    /// Its hashes.
    pub hashes: Hashes,
}

/// The state of an interrupted upload, as JSON. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint(pub String);

/// A small file that is published with another one: a backup's sidecar.
#[derive(Debug, Clone)]
pub struct Companion {
    /// Where.
    pub path: String,
    /// All of it.
    pub content: Bytes,
}

/// Decides whether something may still be published.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Asked right before each attempt of a commit is sent.
    ///
    /// # Errors
    /// Why nothing may be published.
    async fn check(&self) -> Result<(), String>;

    /// Completes as soon as it is known that [`Self::check`] will fail, which ends the waits between attempts.
    async fn closed(&self);
}

/// Lets every upload pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenGate;

#[async_trait]
impl Gate for OpenGate {
    async fn check(&self) -> Result<(), String> {
        Ok(())
    }

    async fn closed(&self) {
        std::future::pending::<()>().await;
    }
}

/// Writes a whole small file.
///
/// # Errors
/// As [`Upload`].
pub async fn put(destination: &dyn Destination, path: &str, content: Bytes) -> Result<(), Error> {
    let mut digester = Digester::default();
    digester.update(&content);
    let mut upload = destination.create(path).await?;
    upload.write(content).await?;
    upload.seal(&digester.finish().into()).await?;
    upload.commit(path).await
}

/// Refuses to publish what has not been proved: the first line of every commit.
///
/// # Errors
/// If the upload was not sealed.
pub fn check_sealed(sealed: bool, path: &str) -> Result<(), Error> {
    if sealed { Ok(()) } else { Err(Error::failed(format!("could not publish {path}"), "it was not sealed")) }
}
