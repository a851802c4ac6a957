//! Looking up, reading, proving.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use adapter::destination::{Download, Entry, Expected, How, Proof, SHA256, Version, check_path};
use adapter::{Error, Kind};
use async_trait::async_trait;
use bytes::Bytes;
use domain::Hashes;
use jiff::Timestamp;
use rustix::fs::{FileType, Stat};

use super::write::digest;
use super::{FileSystem, blocking};

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
        let (destination, path) = (self.clone(), check_path(path)?.to_owned());
        blocking(move || {
            let failed = |error: io::Error| destination.read_error(&path, &error);
            let file = destination.root()?.file(&path).map_err(failed)?;
            let entry = entry(&rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?);
            let what = format!("could not read {}", destination.folder.join(&path).display());
            Ok(FileDownload { file: Arc::new(file), entry, what })
        })
        .await
    }

    /// Looks a file up; no byte of it is read.
    pub(super) async fn look_up(&self, path: &str) -> Result<Option<Entry>, Error> {
        let (destination, path) = (self.clone(), check_path(path)?.to_owned());
        blocking(move || match destination.root()?.look(&path) {
            Ok(found) => match FileType::from_raw_mode(found.st_mode) {
                FileType::RegularFile => Ok(Some(entry(&found))),
                FileType::Symlink => Err(destination.read_error(&path, &rustix::io::Errno::LOOP.into())),
                _ => Ok(None),
            },
            Err(error) => match destination.read_error(&path, &error) {
                error if *error.kind() == Kind::NotFound => Ok(None),
                error => Err(error),
            },
        })
        .await
    }

    /// Hashes a file; one of another size than expected is not read.
    pub(super) async fn prove_file(&self, path: &str, expected: &Expected) -> Result<Proof, Error> {
        let (destination, path, wanted) = (self.clone(), check_path(path)?.to_owned(), expected.size);
        blocking(move || {
            let failed = |error: io::Error| destination.read_error(&path, &error);
            let file = destination.root()?.file(&path).map_err(failed)?;
            let found = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
            if size(&found) != wanted {
                return Ok(Proof { how: How::SizeAndTag, size: size(&found), hashes: Hashes::default() });
            }
            let digested = digest(file).map_err(failed)?;
            let hashes = Hashes::of(SHA256.name, digested.sha256);
            Ok(Proof { how: How::ReadBack, size: digested.size, hashes })
        })
        .await
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
    let hashes = Hashes::default();
    Entry { size: size(found), modified: modified(found), version: Some(version(found)), hashes }
}

/// A file that is written anew gets another inode; one that is written in place, another time.
pub(super) fn version(found: &Stat) -> Version {
    Version(format!("{}-{}-{}.{:09}", found.st_ino, found.st_size, found.st_mtime, found.st_mtime_nsec))
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
