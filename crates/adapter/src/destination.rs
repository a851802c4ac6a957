//! What a destination of backups has to be.
//!
//! Paths are relative to the destination's folder, with `/` between segments. What storages differ in is data
//! ([`Capabilities`]); the suite in `crate::conformance` picks its checks by it.

mod capabilities;
mod download;
mod entry;
mod error;
mod list;
mod path;
pub mod probe;
mod proof;
mod upload;
mod usage;
mod within;

use std::sync::Arc;

use async_trait::async_trait;
use domain::probe::Step;

pub use self::capabilities::Capabilities;
pub use self::download::{Download, digest_of};
pub use self::entry::{Entry, Folder, Object, Version};
pub use self::list::{Listing, MAX_LISTED, Page, Pages, Unreadable};
pub use self::path::check_path;
pub use self::proof::{Algorithm, Difference, Hasher, How, Proof, SHA256, prove_by_reading};
pub use self::upload::{Checkpoint, Companion, Expected, Gate, OpenGate, Sealed, Upload, check_sealed, put};
pub use self::usage::Usage;
pub use self::within::{Original, Place, Storage};
use crate::{Error, Kind};

/// A place that keeps backups.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Returns what a person calls it: `dropbox:/backups`, `file:///backups`.
    fn name(&self) -> String;

    /// Returns what it can do.
    fn capabilities(&self) -> Capabilities;

    /// Returns what tells this place from others: two addresses of one place have the same.
    async fn identity(&self) -> String;

    /// Returns where its files are. Two destinations that can hold the same file overlap, even if that is not certain.
    ///
    /// # Errors
    /// If that cannot be found out now.
    async fn place(&self) -> Result<Place, Error> {
        Ok(Place { own: self.identity().await, around: Vec::new() })
    }

    /// Starts an upload of the file that will lie at `path`. Nothing is visible before [`Upload::commit`], and a taken name is found
    /// there at the latest.
    ///
    /// # Errors
    /// [`Kind::Taken`] if the storage can tell already.
    async fn create(&self, path: &str) -> Result<Box<dyn Upload>, Error>;

    /// Resumes an interrupted upload. The caller writes the same bytes again, from the first one.
    ///
    /// # Errors
    /// [`Kind::NotResumable`], now or later, if it has to start anew; always without [`Capabilities::resume`].
    async fn resume(&self, _path: &str, _checkpoint: &Checkpoint) -> Result<Box<dyn Upload>, Error> {
        let cause = format!("{} does not keep parts of an upload", self.name());
        Err(Error::not_resumable(&self.name(), cause))
    }

    /// Returns whether a backup is refused before its dump starts if the last one would not fit; otherwise it only warns.
    fn stops_when_full(&self) -> bool {
        false
    }

    /// Returns how its room is used; `None` if it cannot tell.
    async fn usage(&self) -> Result<Option<Usage>, Error> {
        Ok(None)
    }

    /// Opens a file for reading, from one version, to its end.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is none.
    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error>;

    /// Lists every file below a folder (the empty path is the destination's own), at any depth, page by page, in any order. A folder
    /// that does not exist is empty. A file comes again if the storage changes meanwhile. What cannot be read fails the listing: its
    /// pages are all there is, or it ends with an error.
    async fn pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error>;

    /// Lists as [`Self::pages`] does, for display only: a folder below that cannot be read is reported, and bars nothing else.
    async fn readable_pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        self.pages(folder).await
    }

    /// Returns a file's metadata without reading the file, or `None` if it does not exist.
    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error>;

    /// Deletes a file. One that is gone already counts as deleted. With a `version` that [`Self::stat`] returned, only that one is
    /// deleted, where the storage has [`Capabilities::versions`].
    ///
    /// # Errors
    /// [`Kind::Changed`] if the file is another one than that.
    async fn delete(&self, path: &str, version: Option<&Version>) -> Result<(), Error>;

    /// Finds out what the storage holds at a path now, by the strongest means that does not cost more than needed to compare it with
    /// `expected`, and returns how. The caller compares: see [`Proof::against`]. To find out whether a file exists, use
    /// [`Self::stat`].
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such file.
    async fn prove(&self, path: &str, expected: &Expected) -> Result<Proof, Error>;

    /// Returns which storage it is a part of; `None` without [`Capabilities::server_side_copy`].
    async fn storage(&self) -> Result<Option<Storage>, Error> {
        Ok(None)
    }

    /// Returns where a file is in the storage, in the storage's own words, whether or not it exists.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] without [`Capabilities::server_side_copy`].
    fn location(&self, _path: &str) -> Result<String, Error> {
        Err(not_copying(&self.name()))
    }

    /// Has the storage copy a file of a destination inside the same one ([`Self::storage`]), and proves that the copy is the original
    /// as it was checked. Nothing is visible before it is whole. Never overwrites. `gate` is asked before each attempt; an attempt
    /// that was sent is settled.
    ///
    /// # Errors
    /// [`Kind::Taken`] if something else has the name; [`Kind::Changed`] if the original is another version than that of its entry;
    /// [`Kind::Stopped`] if the gate is closed. [`Kind::Unsupported`] if the storage does not copy this file for a reason that does not
    /// concern reading and writing it, and without [`Capabilities::server_side_copy`]. There is no copy then.
    async fn copy_within(&self, _original: &Original, _path: &str, _gate: Arc<dyn Gate>) -> Result<Proof, Error> {
        Err(not_copying(&self.name()))
    }

    /// Tests the storage step by step, each told as soon as it is known. Returns whether all passed.
    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool;

    /// Returns the folders in a folder of the storage, sorted by name. Unlike elsewhere, the path is absolute, because a user browses the
    /// whole storage to choose the destination's folder. Empty or `/` is the root.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] without [`Capabilities::browse`].
    async fn folders(&self, _path: &str) -> Result<Vec<Folder>, Error> {
        Err(not_browsable(&self.name()))
    }

    /// Creates a folder; the path is as in [`Self::folders`].
    ///
    /// # Errors
    /// [`Kind::Taken`] if there is something of that name; [`Kind::Unsupported`] without [`Capabilities::browse`].
    async fn create_folder(&self, _path: &str) -> Result<Folder, Error> {
        Err(not_browsable(&self.name()))
    }

    /// Removes what interrupted uploads into a folder left in sight, and returns what could not be removed. Nothing, where a storage
    /// shows nothing of an unfinished upload.
    async fn remove_leftovers(&self, _folder: &str) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    /// Collects [`Self::pages`], sorted by path, each file once.
    ///
    /// # Errors
    /// As [`Self::pages`]; [`Kind::TooLarge`] beyond [`MAX_LISTED`] files.
    async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        let pages = self.pages(folder).await?;
        Ok(list::collect(pages, &self.name()).await?.objects)
    }

    /// Collects [`Self::readable_pages`], as [`Self::list`] does.
    ///
    /// # Errors
    /// As [`Self::list`].
    async fn list_readable(&self, folder: &str) -> Result<Listing, Error> {
        list::collect(self.readable_pages(folder).await?, &self.name()).await
    }

    /// Reads a file of at most `limit` bytes. `Ok(None)` means that the file does not exist; if that cannot be determined, returns
    /// an error.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] beyond the limit.
    async fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let download = match self.open(path).await {
            Ok(download) => download,
            Err(error) if *error.kind() == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        download::read_small(download, path, limit).await.map(Some)
    }
}

fn not_copying(name: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{name} does not copy files by itself"), "")
}

fn not_browsable(name: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{name} cannot be browsed"), "")
}
