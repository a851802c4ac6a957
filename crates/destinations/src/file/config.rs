//! A folder, as it is opened.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use adapter::Error;
use adapter::destination::Place;

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
        place_of(&self.folder).unwrap_or_else(|_| self.folder.components().collect::<PathBuf>().display().to_string())
    }

    /// Returns the folder's place, and those of the folders around it, whatever the spelling and the links on the way.
    pub(super) fn place_on_machine(&self) -> io::Result<Place> {
        let folder = self.folder.canonicalize()?;
        let around = folder.ancestors().skip(1).map(place_of).collect::<io::Result<_>>()?;
        Ok(Place { own: place_of(&folder)?, around })
    }

    /// Opens the folder.
    pub(super) fn beneath(&self) -> io::Result<Beneath> {
        Beneath::open(&self.folder, self.links)
    }
}

fn place_of(folder: &Path) -> io::Result<String> {
    let metadata = std::fs::metadata(folder)?;
    Ok(format!("folder {} of file system {}", metadata.ino(), metadata.dev()))
}
