//! A folder, as it is opened.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use adapter::Error;

use super::FileSystem;
use super::beneath::{Beneath, RootLinks};
use crate::WhenFull;

impl FileSystem {
    /// Creates the destination of a folder, whose path is taken as it is.
    pub(crate) fn new(folder: PathBuf, when_full: WhenFull, links: RootLinks) -> Result<Self, Error> {
        if !folder.is_absolute() {
            return Err(Error::invalid(format!(
                "'file://{}' is not an absolute path: write file:///path/to/folder",
                folder.display()
            )));
        }
        Ok(Self { folder, links, stops_when_full: when_full == WhenFull::Stop })
    }

    /// Returns which folder of which file system this is, whatever the spelling; its path if it does not exist.
    pub(super) fn place(&self) -> String {
        match std::fs::metadata(&self.folder) {
            Ok(folder) => format!("folder {} of file system {}", folder.ino(), folder.dev()),
            Err(_) => self.folder.components().collect::<PathBuf>().display().to_string(),
        }
    }

    /// Opens the folder.
    pub(super) fn beneath(&self) -> io::Result<Beneath> {
        Beneath::open(&self.folder, self.links)
    }
}
