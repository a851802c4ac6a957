//! Storages: how each one takes, lists, gives back and deletes backups.
//!
//! A folder per storage, the same file names in each: `manifest` (what can be set), `config` (what is made of it), `write`, `read`. A new
//! storage is a new folder and one line in [`registry`]. Paths are relative to the destination's folder, with `/` between segments.

mod dropbox;
mod entry;
mod error;
mod file;
mod hash;
mod path;
mod probe;
mod registry;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use ::dropbox::files::{Gate, Open as OpenGate};
use async_trait::async_trait;
use bytes::Bytes;
use domain::probe::Step;
use pipeline::Digested;

pub use dropbox::GrantFault;
pub use dropbox::manifest::space as dropbox_space;
pub use entry::{Entry, Listing, Object, Unreadable};
pub use error::Error;
pub use file::RootLinks;
pub use hash::{StoredHash, StoredHasher};
pub use registry::{Context, DestinationAdapter, parse, registry};

/// A place that keeps backups.
#[async_trait]
pub trait Destination: Send + Sync {
    /// What a person calls it: `dropbox:/backups`, `file:///backups`.
    fn name(&self) -> String;

    /// Returns what tells this place from others: two addresses of one place have the same.
    async fn identity(&self) -> String;

    /// Starts an upload. Nothing is visible before [`Upload::commit`].
    async fn create(&self) -> Result<Box<dyn Upload>, Error>;

    /// Starts an upload of a file that will lie in `folder`, which may be on another disk than the destination's own.
    async fn create_in(&self, _folder: &str) -> Result<Box<dyn Upload>, Error> {
        self.create().await
    }

    /// Goes on with an upload that was interrupted. Write the same bytes again, from the first one.
    /// [`Error::NotResumable`], now or later, if it has to start anew.
    async fn resume(&self, _checkpoint: &Checkpoint) -> Result<Box<dyn Upload>, Error> {
        let cause = format!("{} does not keep parts of an upload", self.name());
        Err(Error::NotResumable { destination: self.name(), cause })
    }

    /// Returns whether a backup is refused before its dump starts if the last one would not fit; otherwise it only warns.
    fn stops_when_full(&self) -> bool {
        false
    }

    /// What is left of its room; none if it cannot tell.
    async fn usage(&self) -> Result<Option<Usage>, Error> {
        Ok(None)
    }

    /// Opens a file for reading, from one revision, to its end.
    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error>;

    /// Every file below a folder (the empty path is the destination's own), at any depth, sorted by path. A folder that does
    /// not exist is empty. A listing is whole or an error.
    async fn list(&self, folder: &str) -> Result<Vec<Object>, Error>;

    /// Lists as [`Self::list`] does, for display only: a folder below that cannot be read is reported, and bars nothing else.
    async fn list_readable(&self, folder: &str) -> Result<Listing, Error> {
        Ok(Listing { objects: self.list(folder).await?, unreadable: Vec::new() })
    }

    /// Looks a file up without reading it. Returns `None` if it does not exist.
    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error>;

    /// Deletes a file. What is gone already is deleted.
    async fn delete(&self, path: &str) -> Result<(), Error>;

    /// Returns the hash of what the storage holds now: from its metadata, or by reading all of the file. To find out whether a
    /// file exists, use [`Self::stat`].
    async fn stored_hash(&self, path: &str) -> Result<StoredHash, Error>;

    /// Tests the storage step by step, each told as soon as it is known. True if all passed.
    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool;

    /// The folders in a folder of the storage, by name. Unlike everywhere else, the path is absolute there: a person looks for
    /// where the destination's own folder shall be. Empty or `/` is the root.
    async fn folders(&self, _path: &str) -> Result<Vec<Folder>, Error> {
        Err(Error::Usage(format!("{} cannot be browsed", self.name())))
    }

    /// Makes a folder; the path is as in [`Self::folders`]. [`Error::Taken`] if there is something of that name.
    async fn create_folder(&self, _path: &str) -> Result<Folder, Error> {
        Err(Error::Usage(format!("{} cannot be browsed", self.name())))
    }

    /// Removes what interrupted uploads into a folder left in sight, and returns what could not be removed. Nothing, where a storage shows
    /// nothing of an unfinished upload.
    async fn remove_leftovers(&self, _folder: &str) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    /// Reads a file of at most `limit` bytes. `Ok(None)` means that the file does not exist; if that cannot be determined, returns
    /// an error.
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
                return Err(Error::TooLarge { path: path.to_owned(), limit });
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

    /// From what another process can go on; none while there is nothing to go on from, and where that is not possible at all.
    fn checkpoint(&self) -> Option<Checkpoint> {
        None
    }

    /// Whether [`Self::seal`] has to be told the SHA-256. A storage that hashes by itself can do without.
    fn needs_sha256(&self) -> bool {
        true
    }

    /// Has this asked before each attempt to publish: [`Self::commit`] fails with [`Error::Stopped`] once it is closed.
    fn guard(&mut self, gate: Arc<dyn Gate>);

    /// Ends the writing, and makes sure that everything arrived. Nothing is visible yet.
    async fn seal(&mut self, expected: &Expected) -> Result<Sealed, Error>;

    /// Publishes what was sealed, after proving that what the storage holds is what was written. Never overwrites:
    /// [`Error::Taken`] loses nothing, commit again under another path.
    async fn commit(&mut self, path: &str) -> Result<(), Error>;

    /// The same with a companion beside it, in one step where the storage can do that. The companion is never there without
    /// the file. Its own failure is the inner result: the file is published then.
    async fn commit_with(&mut self, path: &str, companion: Companion) -> Result<Result<(), Error>, Error>;
}

/// What was to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Bytes.
    pub size: u64,
    /// Of all of them, lower-case hexadecimal; where it is known.
    pub sha256: Option<String>,
}

impl From<Digested> for Expected {
    fn from(digested: Digested) -> Self {
        Self { size: digested.size, sha256: Some(digested.sha256) }
    }
}

/// What is known of a file before it is published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sealed {
    /// Dropbox's content hash, where Dropbox is the storage.
    pub dropbox_content_hash: Option<String>,
}

/// The state of an interrupted upload, as JSON. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint(pub String);

/// A storage's room in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// In use.
    pub used: u64,
    /// All there is; none if there is no limit.
    pub allowed: Option<u64>,
}

impl Usage {
    /// What is left; none if there is no limit.
    pub fn free(self) -> Option<u64> {
        self.allowed.map(|allowed| allowed.saturating_sub(self.used))
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let used = domain::size::human(self.used);
        match self.allowed {
            Some(allowed) => write!(f, "{used} of {} used", domain::size::human(allowed)),
            None => write!(f, "{used} used"),
        }
    }
}

/// A small file that is published with another one: a backup's sidecar.
#[derive(Debug, Clone)]
pub struct Companion {
    /// Where.
    pub path: String,
    /// All of it.
    pub content: Bytes,
}

/// A download in progress.
#[async_trait]
pub trait Download: Send {
    /// What the storage says of the file, as [`Destination::stat`] does.
    fn entry(&self) -> &Entry;

    /// The next bytes; none at the end, after everything that the storage can check has been checked.
    async fn next(&mut self) -> Result<Option<Bytes>, Error>;
}

/// A folder of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its own name.
    pub name: String,
    /// Absolute in the storage.
    pub path: String,
}

/// By name, whatever the case.
fn sorted(mut folders: Vec<Folder>) -> Vec<Folder> {
    folders.sort_by_cached_key(|folder| (folder.name.to_lowercase(), folder.name.clone()));
    folders
}

/// Writes a whole small file.
///
/// # Errors
/// As [`Upload`].
pub async fn put(destination: &dyn Destination, path: &str, content: Bytes) -> Result<(), Error> {
    let mut digester = pipeline::Digester::default();
    digester.update(&content);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut upload = destination.create_in(folder).await?;
    upload.write(content).await?;
    upload.seal(&digester.finish().into()).await?;
    upload.commit(path).await
}

/// Nothing is published that has not been proved.
fn check_sealed(sealed: bool, path: &str) -> Result<(), Error> {
    if sealed { Ok(()) } else { Err(Error::failed(format!("could not publish {path}"), "it was not sealed")) }
}

/// What to do with a backup that is not expected to fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Back up anyway, and warn.
    #[default]
    Warn,
    /// Refuse the destination before the dump starts.
    Stop,
}

/// Opens a folder of this machine. The path is taken as it is, not as part of an address.
///
/// # Errors
/// [`Error::Usage`] if the path is not absolute.
pub fn folder(path: PathBuf, when_full: WhenFull, links: RootLinks) -> Result<Arc<dyn Destination>, Error> {
    Ok(Arc::new(file::FileSystem::new(path, when_full, links)?))
}

/// Returns the address of a folder of this machine, which [`parse`] reads back.
pub fn folder_address(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    // A percent sign has a meaning of its own there; what is not ASCII stays readable if it is UTF-8.
    const ESCAPED: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%');
    match path.to_str() {
        Some(text) => format!("file://{}", text.replace('%', "%25")),
        None => format!("file://{}", percent_encoding::percent_encode(path.as_os_str().as_bytes(), ESCAPED)),
    }
}
