//! Writing: a private file in the destination's folder, read back and compared before it gets its name.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use adapter::destination::{
    Companion, Expected, Gate, How, OpenGate, Proof, Sealed, Upload, Version, check_path, check_sealed, put,
};
use adapter::{Error, Kind};
use async_trait::async_trait;
use bytes::Bytes;
use domain::Hashes;
use domain::hashes::SHA256;
use domain::naming::PARTIAL_PREFIX;
use pipeline::private_file::sweep;
use pipeline::{Counter, Digested, Digester, PrivateFile};

use super::beneath::{Beneath, by_descriptor, split};
use super::read::version;
use super::{FileSystem, blocking};

/// A file that is being written.
struct FileUpload {
    destination: FileSystem,
    file: Arc<PrivateFile>,
    acknowledged: Counter,
    /// What was written has been read back.
    sealed: bool,
    gate: Arc<dyn Gate>,
}

impl FileSystem {
    /// Creates the private file: in the folder that the file will lie in, since that may be on another file system, or in the
    /// destination's own while that one does not exist. The latter must exist: a missing one may be a disk that is not mounted.
    pub(super) async fn start_upload(&self, path: &str) -> Result<impl Upload + use<>, Error> {
        let (destination, folder) = (self.clone(), split(check_path(path)?).0.to_owned());
        blocking(move || {
            let beneath = match destination.beneath() {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    let what = format!("could not write to {}", destination.folder.display());
                    return Err(Error::failed(what, "the folder does not exist")
                        .cure("Create it, or mount the disk that it lies on."));
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
            Ok(FileUpload {
                destination,
                file,
                acknowledged: Counter::default(),
                sealed: false,
                gate: Arc::new(OpenGate),
            })
        })
        .await
    }

    /// Removes a file, if it still is the version that is meant. Between the look at it and its removal lies a moment: the kernel has
    /// no call for both.
    pub(super) async fn remove(&self, path: &str, meant: Option<&Version>) -> Result<(), Error> {
        let (destination, path, meant) = (self.clone(), check_path(path)?.to_owned(), meant.cloned());
        blocking(move || {
            let removed = remove(&destination.root()?, &path, meant.as_ref());
            let whole = destination.folder.join(&path);
            match removed {
                Ok(true) => Ok(()),
                Ok(false) => Err(Error::changed("delete", &whole.display().to_string())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(destination.io_error("could not delete", &whole, &error)),
            }
        })
        .await
    }

    /// Removes the private files of interrupted uploads into a folder, which lie there, or in the destination's own if the folder did
    /// not exist yet.
    pub(super) async fn sweep(&self, folder: &str) -> Result<Vec<String>, Error> {
        let (destination, folder) = (self.clone(), folder.to_owned());
        if !folder.is_empty() {
            check_path(&folder)?;
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
}

/// Returns `false` if there is another version than the one that is meant.
fn remove(beneath: &Beneath, path: &str, meant: Option<&Version>) -> io::Result<bool> {
    if let Some(meant) = meant
        && version(&beneath.look(path)?) != *meant
    {
        return Ok(false);
    }
    beneath.remove(path)?;
    Ok(true)
}

#[async_trait]
impl Upload for FileUpload {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        let (destination, file) = (self.destination.clone(), Arc::clone(&self.file));
        let length = piece.len() as u64;
        blocking(move || {
            let mut handle = file.file();
            handle
                .write_all(&piece)
                .map_err(|error| destination.io_error("could not write to", &destination.folder, &error))
        })
        .await
        .inspect(|()| self.acknowledged.add(length))
    }

    fn acknowledged(&self) -> Counter {
        self.acknowledged.clone()
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
            let hashes = Hashes::of(SHA256, found.sha256);
            let proof = Proof { how: How::ReadBack, size: found.size, hashes };
            match proof.against(&expected) {
                Ok(true) => Ok(Sealed { how: proof.how, hashes: proof.hashes }),
                _ => Err(Error::new(
                    Kind::Damaged,
                    format!("could not write to {}", destination.folder.display()),
                    "what the disk gives back is not what was written",
                )
                .cure("Check the disk.")),
            }
        })
        .await
        .inspect(|_| self.sealed = true)
    }

    async fn commit(&mut self, path: &str) -> Result<(), Error> {
        let path = check_path(path)?.to_owned();
        check_sealed(self.sealed, &path)?;
        self.gate.check().await.map_err(Error::unpublished)?;
        let (destination, file) = (self.destination.clone(), Arc::clone(&self.file));
        blocking(move || {
            let (folder, name) = split(&path);
            let place = destination.beneath().and_then(|beneath| beneath.make_folders(folder));
            let place = place.map_err(|error| destination.write_error(folder, &error))?;
            file.publish(&by_descriptor(&place).join(name)).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Error::taken(&destination.folder.join(&path).display().to_string()),
                _ => destination.io_error("could not write", &destination.folder.join(&path), &error),
            })
        })
        .await
    }

    async fn commit_with(&mut self, path: &str, companion: Companion) -> Result<Result<(), Error>, Error> {
        self.commit(path).await?;
        Ok(put(&self.destination, &companion.path, companion.content).await)
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
