//! Looking up, reading, hashing.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::write::digest;
use super::{FileSystem, blocking};
use crate::error::Error;
use crate::{Download, Entry, StoredHash};

/// Bytes read at a time: each read is a way to another thread and back.
const READ_SIZE: usize = 1024 * 1024;

/// A file that is being read.
struct FileDownload {
    file: Arc<File>,
    size: u64,
    what: String,
}

impl FileSystem {
    /// Opens a file.
    pub(super) async fn start_download(&self, path: &str) -> Result<impl Download + use<>, Error> {
        let (destination, path) = (self.clone(), self.resolve(path)?);
        blocking(move || {
            let file = File::open(&path).map_err(|error| destination.read_error(&path, &error))?;
            let size = file.metadata().map_err(|error| destination.read_error(&path, &error))?.len();
            Ok(FileDownload { file: Arc::new(file), size, what: format!("could not read {}", path.display()) })
        })
        .await
    }

    /// Looks a file up; no byte of it is read.
    pub(super) async fn look_up(&self, path: &str) -> Result<Option<Entry>, Error> {
        let (destination, path) = (self.clone(), self.resolve(path)?);
        blocking(move || match fs::metadata(&path) {
            Ok(found) if found.is_file() => {
                Ok(Some(Entry { size: found.len(), modified: modified(&found), hash: None }))
            }
            Ok(_) => Ok(None),
            Err(error) => match destination.read_error(&path, &error) {
                Error::NotFound(_) => Ok(None),
                error => Err(error),
            },
        })
        .await
    }

    /// Hashes a file.
    pub(super) async fn hash(&self, path: &str) -> Result<StoredHash, Error> {
        let (destination, path) = (self.clone(), self.resolve(path)?);
        blocking(move || match File::open(&path).and_then(digest) {
            Ok(digested) => Ok(StoredHash::Sha256(digested.sha256)),
            Err(error) => Err(destination.read_error(&path, &error)),
        })
        .await
    }

    fn read_error(&self, path: &Path, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NotFound(path.display().to_string()),
            _ => self.io_error("could not read", path, error),
        }
    }
}

#[async_trait]
impl Download for FileDownload {
    fn size(&self) -> u64 {
        self.size
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let (file, what) = (Arc::clone(&self.file), self.what.clone());
        blocking(move || {
            let mut piece = Vec::with_capacity(READ_SIZE);
            let read = (&*file).take(READ_SIZE as u64).read_to_end(&mut piece);
            read.map_err(|error| Error::failed(what, error))?;
            Ok((!piece.is_empty()).then(|| piece.into()))
        })
        .await
    }
}

/// Returns when a file was last written; `None` where that is no time.
pub(super) fn modified(found: &Metadata) -> Option<Timestamp> {
    Timestamp::try_from(found.modified().ok()?).ok()
}
