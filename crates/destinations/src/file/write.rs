//! Writing: a private file in the destination's folder, read back and compared before it gets its name.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::naming::PARTIAL_PREFIX;
use pipeline::private_file::sync_folder;
use pipeline::{Digested, Digester, PrivateFile};

use super::{FileSystem, blocking};
use crate::error::Error;
use crate::{Companion, Expected, Sealed, Upload};

/// A file that is being written.
struct FileUpload {
    destination: FileSystem,
    file: Arc<PrivateFile>,
    /// What was written has been read back.
    sealed: bool,
}

impl FileSystem {
    /// Creates the private file: in the folder that the file will lie in, since that may be on another file system, or in the
    /// destination's own while that one does not exist. The latter must exist: a missing one may be a disk that is not mounted.
    pub(super) async fn start_upload(&self, folder: &str) -> Result<impl Upload + use<>, Error> {
        let destination = self.clone();
        let place = if folder.is_empty() { self.folder.clone() } else { self.resolve(folder)? };
        blocking(move || {
            let folder = &destination.folder;
            if !folder.is_dir() {
                return Err(Error::failed(
                    format!("the folder {} does not exist", folder.display()),
                    "create it, or mount the disk that it lies on",
                ));
            }
            let place = match fs::symlink_metadata(&place) {
                Ok(_) if place.is_dir() => &place,
                Ok(_) => {
                    let cause = "it is not a folder, or a link that leads nowhere: move it out of the way";
                    return Err(Error::failed(format!("could not write to {}", place.display()), cause));
                }
                Err(_) => folder,
            };
            let file = PrivateFile::create(place, PARTIAL_PREFIX.as_ref(), 0o600)
                .map_err(|error| destination.io_error("could not write to", place, &error))?;
            Ok(FileUpload { destination, file: Arc::new(file), sealed: false })
        })
        .await
    }

    /// Removes a file.
    pub(super) async fn remove(&self, path: &str) -> Result<(), Error> {
        let (destination, path) = (self.clone(), self.resolve(path)?);
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(destination.io_error("could not delete", &path, &error))
            }
            _ => Ok(()),
        })
        .await
    }

    pub(super) fn io_error(&self, what: &str, path: &Path, error: &io::Error) -> Error {
        Error::of_io(&format!("file://{}", self.folder.display()), format!("{what} {}", path.display()), error)
    }
}

#[async_trait]
impl Upload for FileUpload {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        let (destination, file) = (self.destination.clone(), Arc::clone(&self.file));
        blocking(move || {
            let mut handle = file.file();
            handle
                .write_all(&piece)
                .map_err(|error| destination.io_error("could not write to", &destination.folder, &error))
        })
        .await
    }

    async fn seal(&mut self, expected: &Expected) -> Result<Sealed, Error> {
        let (destination, file, expected) = (self.destination.clone(), Arc::clone(&self.file), expected.clone());
        blocking(move || {
            let cannot = |error: io::Error| destination.io_error("could not write to", &destination.folder, &error);
            file.sync().map_err(cannot)?;
            let found = read_back(file.file()).map_err(cannot)?;
            if Expected::from(found) != expected {
                return Err(Error::failed(
                    format!("could not write to {}", destination.folder.display()),
                    "what the disk gives back is not what was written: check the disk",
                ));
            }
            Ok(())
        })
        .await?;
        self.sealed = true;
        Ok(Sealed::default())
    }

    async fn commit(&mut self, path: &str) -> Result<(), Error> {
        let target = self.destination.resolve(path)?;
        crate::check_sealed(self.sealed, path)?;
        let (destination, file) = (self.destination.clone(), Arc::clone(&self.file));
        blocking(move || {
            let cannot = |error: io::Error| match error.kind() {
                io::ErrorKind::AlreadyExists => Error::Taken(target.display().to_string()),
                _ => destination.io_error("could not write", &target, &error),
            };
            let folder = target.parent().unwrap_or(&destination.folder);
            if !folder.is_dir() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(cannot)?;
                sync_folder(&destination.folder).map_err(cannot)?;
            }
            file.publish(&target).map_err(cannot)
        })
        .await
    }

    async fn commit_with(&mut self, path: &str, companion: Companion) -> Result<Result<(), Error>, Error> {
        self.commit(path).await?;
        Ok(crate::put(&self.destination, &companion.path, companion.content).await)
    }
}

/// Reads what was written, from the disk as far as the kernel lets go of its cache. Through the same handle: some network file
/// systems refuse a second one while a file is locked.
fn read_back(mut file: &File) -> io::Result<Digested> {
    // Advice only: a file system that ignores it gives the cached bytes.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    file.rewind()?;
    digest(file)
}

/// Reads a file from where it stands and hashes it.
pub(super) fn digest(mut file: impl Read) -> io::Result<Digested> {
    let mut digester = Digester::default();
    let mut buffer = vec![0; pipeline::stream::PIECE_SIZE];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digester.finish()),
            length => digester.update(&buffer[..length]),
        }
    }
}
