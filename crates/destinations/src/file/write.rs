//! Writing: a private file in the destination's folder, read back and compared before it gets its name.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::naming::PARTIAL_PREFIX;
use pipeline::private_file::sweep;
use pipeline::{Digested, Digester, PrivateFile};

use super::beneath::{by_descriptor, is_link, split};
use super::{FileSystem, LINK, blocking};
use crate::error::Error;
use crate::{Companion, Expected, Gate, OpenGate, Sealed, Upload, path};

/// A file that is being written.
struct FileUpload {
    destination: FileSystem,
    file: Arc<PrivateFile>,
    /// What was written has been read back.
    sealed: bool,
    gate: Arc<dyn Gate>,
}

impl FileSystem {
    /// Creates the private file: in the folder that the file will lie in, since that may be on another file system, or in the
    /// destination's own while that one does not exist. The latter must exist: a missing one may be a disk that is not mounted.
    pub(super) async fn start_upload(&self, folder: &str) -> Result<impl Upload + use<>, Error> {
        let (destination, folder) = (self.clone(), folder.to_owned());
        if !folder.is_empty() {
            path::check(&folder)?;
        }
        blocking(move || {
            let beneath = match destination.beneath() {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    return Err(Error::failed(
                        format!("the folder {} does not exist", destination.folder.display()),
                        "create it, or mount the disk that it lies on",
                    ));
                }
                opened => opened.map_err(|error| destination.write_error(&folder, &error))?,
            };
            let place = match beneath.folder(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => beneath.folder(""),
                place => place,
            };
            let place = place.map_err(|error| destination.write_error(&folder, &error))?;
            let file = PrivateFile::create(&by_descriptor(&place), PARTIAL_PREFIX.as_ref(), 0o600)
                .map_err(|error| destination.write_error(&folder, &error))?;
            let file = Arc::new(file.holding(place));
            Ok(FileUpload { destination, file, sealed: false, gate: Arc::new(OpenGate) })
        })
        .await
    }

    /// Removes a file.
    pub(super) async fn remove(&self, path: &str) -> Result<(), Error> {
        let (destination, path) = (self.clone(), path::check(path)?.to_owned());
        blocking(move || match destination.beneath().and_then(|beneath| beneath.remove(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(destination.io_error("could not delete", &destination.folder.join(&path), &error))
            }
            _ => Ok(()),
        })
        .await
    }

    /// Removes the private files of interrupted uploads into a folder, which lie there, or in the destination's own if the folder did
    /// not exist yet.
    pub(super) async fn sweep(&self, folder: &str) -> Result<Vec<String>, Error> {
        let (destination, folder) = (self.clone(), folder.to_owned());
        if !folder.is_empty() {
            path::check(&folder)?;
        }
        blocking(move || {
            let failed = |error: io::Error| destination.write_error(&folder, &error);
            let beneath = destination.beneath().map_err(failed)?;
            let mut left = Vec::new();
            for place in ["", &*folder] {
                match beneath.folder(place) {
                    Ok(place) => left.extend(sweep(&by_descriptor(&place), PARTIAL_PREFIX.as_ref()).map_err(failed)?),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            let name = |path: &std::path::PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(left.iter().map(name).collect())
        })
        .await
    }

    fn write_error(&self, path: &str, error: &io::Error) -> Error {
        let whole = self.folder.join(path);
        if is_link(error) {
            return Error::failed(format!("could not write to {}", whole.display()), LINK);
        }
        if error.kind() == io::ErrorKind::NotADirectory {
            let cause = "it is not a folder: move it out of the way";
            return Error::failed(format!("could not write to {}", whole.display()), cause);
        }
        self.io_error("could not write to", &whole, error)
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

    fn guard(&mut self, gate: Arc<dyn Gate>) {
        self.gate = gate;
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
        let path = path::check(path)?.to_owned();
        crate::check_sealed(self.sealed, &path)?;
        self.gate.check().await.map_err(Error::Stopped)?;
        let (destination, file) = (self.destination.clone(), Arc::clone(&self.file));
        blocking(move || {
            let (folder, name) = split(&path);
            let place = destination.beneath().and_then(|beneath| beneath.make_folders(folder));
            let place = place.map_err(|error| destination.write_error(folder, &error))?;
            file.publish(&by_descriptor(&place).join(name)).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Error::Taken(destination.folder.join(&path).display().to_string()),
                _ => destination.io_error("could not write", &destination.folder.join(&path), &error),
            })
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
