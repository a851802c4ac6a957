//! Storages: how each one takes, lists, gives back and deletes backups.
//!
//! A folder per storage, the same file names in each: `config` (what a person writes), `write`, `read`. A new storage is a new
//! folder and one line in [`parse`]. Paths are relative to the destination's folder, with `/` between segments.

mod dropbox;
mod error;
mod file;
mod path;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pipeline::Digested;

pub use error::Error;

/// A place that keeps backups.
#[async_trait]
pub trait Destination: Send + Sync {
    /// What a person calls it: `dropbox:/backups`, `file:///backups`.
    fn name(&self) -> String;

    /// Starts an upload. Nothing is visible before [`Upload::commit`].
    async fn create(&self) -> Result<Box<dyn Upload>, Error>;

    /// Opens a file for reading, from one revision, to its end.
    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error>;

    /// Every file below a folder (the empty path is the destination's own), at any depth, sorted by path. A folder that does
    /// not exist is empty. A listing is whole or an error.
    async fn list(&self, folder: &str) -> Result<Vec<Object>, Error>;

    /// Deletes a file. What is gone already is deleted.
    async fn delete(&self, path: &str) -> Result<(), Error>;

    /// The storage's own hash of what it holds now: from its metadata, or by reading where that costs nothing.
    async fn stored_hash(&self, path: &str) -> Result<StoredHash, Error>;

    /// Reads a small file. None if nothing is there; an error, never none, if that cannot be told.
    async fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let mut download = match self.open(path).await {
            Ok(download) => download,
            Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut content = Vec::new();
        while let Some(piece) = download.next().await? {
            content.extend_from_slice(&piece);
            if content.len() as u64 > limit {
                return Err(Error::failed(
                    format!("could not read {path}"),
                    format!("it is larger than {limit} bytes"),
                ));
            }
        }
        Ok(Some(content))
    }
}

/// An upload in progress. Dropping it leaves nothing that anyone sees.
#[async_trait]
pub trait Upload: Send {
    /// Takes the next bytes.
    async fn write(&mut self, piece: Bytes) -> Result<(), Error>;

    /// Publishes the file, after proving that what the storage holds is what was written (`expected`). Never overwrites:
    /// [`Error::Taken`] loses nothing, commit again under another path.
    async fn commit(&mut self, path: &str, expected: &Digested) -> Result<Committed, Error>;
}

/// What a storage says of a file that it has published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// Dropbox's content hash, where Dropbox is the storage.
    pub dropbox_content_hash: Option<String>,
}

/// A download in progress.
#[async_trait]
pub trait Download: Send {
    /// The file's size in bytes.
    fn size(&self) -> u64;

    /// The next bytes; none at the end, after everything that the storage can check has been checked.
    async fn next(&mut self) -> Result<Option<Bytes>, Error>;
}

/// A file at a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Relative to the destination's folder, spelt as its writer did.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// A hash that a storage can give of a stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredHash {
    /// SHA-256, lower-case hexadecimal.
    Sha256(String),
    /// See [`::dropbox::ContentHasher`].
    DropboxContentHash(String),
}

/// Writes a whole small file.
///
/// # Errors
/// As [`Upload`].
pub async fn put(destination: &dyn Destination, path: &str, content: Vec<u8>) -> Result<Committed, Error> {
    let mut digester = pipeline::Digester::default();
    digester.update(&content);
    let mut upload = destination.create().await?;
    upload.write(content.into()).await?;
    upload.commit(path, &digester.finish()).await
}

/// Reads a destination's address: `dropbox:/folder`, `file:///folder`. The Dropbox client is asked for only if it is needed.
///
/// # Errors
/// [`Error::Usage`] says what is wrong with it.
pub fn parse(
    address: &str,
    dropbox_client: impl FnOnce() -> Result<::dropbox::Client, Error>,
) -> Result<Arc<dyn Destination>, Error> {
    if let Some(folder) = address.strip_prefix("dropbox:") {
        return Ok(Arc::new(dropbox::Dropbox::parse(folder, dropbox_client()?)?));
    }
    if let Some(folder) = address.strip_prefix("file://") {
        return Ok(Arc::new(file::FileSystem::parse(folder)?));
    }
    Err(Error::Usage(format!("'{address}' is not a destination: write dropbox:/folder or file:///folder")))
}
