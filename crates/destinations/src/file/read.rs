//! Looking up, reading, hashing.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use rustix::fs::{FileType, Stat};

use super::write::digest;
use super::{FileSystem, beneath, blocking};
use crate::error::Error;
use crate::{Download, Entry, StoredHash, path};

/// Bytes read at a time: each read is a way to another thread and back.
const READ_SIZE: usize = 1024 * 1024;

/// A file that is being read.
struct FileDownload {
    file: Arc<File>,
    entry: Entry,
    what: String,
}

impl FileSystem {
    /// Opens a file.
    pub(super) async fn start_download(&self, path: &str) -> Result<impl Download + use<>, Error> {
        let (destination, path) = (self.clone(), path::check(path)?.to_owned());
        blocking(move || {
            let failed = |error: io::Error| destination.read_error(&path, &error);
            let file = destination.beneath().and_then(|beneath| beneath.file(&path)).map_err(failed)?;
            let entry = entry(&rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?);
            let what = format!("could not read {}", destination.folder.join(&path).display());
            Ok(FileDownload { file: Arc::new(file), entry, what })
        })
        .await
    }

    /// Looks a file up; no byte of it is read.
    pub(super) async fn look_up(&self, path: &str) -> Result<Option<Entry>, Error> {
        let (destination, path) = (self.clone(), path::check(path)?.to_owned());
        blocking(move || match destination.beneath().and_then(|beneath| beneath.look(&path)) {
            Ok(found) => match FileType::from_raw_mode(found.st_mode) {
                FileType::RegularFile => Ok(Some(entry(&found))),
                FileType::Symlink => Err(destination.read_error(&path, &rustix::io::Errno::LOOP.into())),
                _ => Ok(None),
            },
            Err(error) => match destination.read_error(&path, &error) {
                Error::NotFound(_) => Ok(None),
                error => Err(error),
            },
        })
        .await
    }

    /// Hashes a file.
    pub(super) async fn hash(&self, path: &str) -> Result<StoredHash, Error> {
        let (destination, path) = (self.clone(), path::check(path)?.to_owned());
        blocking(move || {
            let opened = destination.beneath().and_then(|beneath| beneath.file(&path));
            match opened.and_then(digest) {
                Ok(digested) => Ok(StoredHash::Sha256(digested.sha256)),
                Err(error) => Err(destination.read_error(&path, &error)),
            }
        })
        .await
    }

    fn read_error(&self, path: &str, error: &io::Error) -> Error {
        let whole = self.folder.join(path);
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NotFound(whole.display().to_string()),
            _ if beneath::is_link(error) => Error::failed(format!("could not read {}", whole.display()), super::LINK),
            _ => self.io_error("could not read", &whole, error),
        }
    }
}

#[async_trait]
impl Download for FileDownload {
    fn entry(&self) -> &Entry {
        &self.entry
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

fn entry(found: &Stat) -> Entry {
    Entry { size: size(found), modified: modified(found), hash: None }
}

/// Bytes.
pub(super) fn size(found: &Stat) -> u64 {
    u64::try_from(found.st_size).unwrap_or_default()
}

/// Returns when a file was last written; `None` where that is no time.
pub(super) fn modified(found: &Stat) -> Option<Timestamp> {
    #[allow(clippy::useless_conversion, reason = "the field's type depends on the platform")]
    let (seconds, nanoseconds) = (i64::try_from(found.st_mtime).ok()?, i32::try_from(found.st_mtime_nsec).ok()?);
    Timestamp::new(seconds, nanoseconds).ok()
}
