//! Listing, reading, hashing.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::naming::PARTIAL_PREFIX;

use super::write::digest;
use super::{FileSystem, blocking};
use crate::error::Error;
use crate::{Download, Object, StoredHash};

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

    /// Lists files below a folder.
    pub(super) async fn list_files(&self, folder: &str) -> Result<Vec<Object>, Error> {
        let destination = self.clone();
        let start = if folder.is_empty() { self.folder.clone() } else { self.resolve(folder)? };
        let must_exist = folder.is_empty();
        let prefix = folder.to_owned();
        blocking(move || {
            let mut objects = Vec::new();
            let there = must_exist || start.symlink_metadata().is_ok();
            if there {
                walk(&start, &prefix, &mut objects)
                    .map_err(|error| destination.io_error("could not list", &start, &error))?;
            }
            objects.sort_by(|one, other| one.path.cmp(&other.path));
            Ok(objects)
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
            io::ErrorKind::NotFound => Error::NotFound(path.display().to_string()),
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

/// Links are not followed: they could lead outside, or in a circle.
fn walk(folder: &Path, prefix: &str, objects: &mut Vec<Object>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &path, objects)?;
        } else if kind.is_file() && !name.starts_with(PARTIAL_PREFIX) {
            match entry.metadata() {
                Ok(metadata) => objects.push(Object { path, size: metadata.len() }),
                // Deleted since its folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
