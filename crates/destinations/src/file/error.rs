//! The file system's errors as an adapter's.

use std::io;
use std::path::Path;

use adapter::{Error, Kind};

use super::beneath::{self, Beneath};
use super::{FileSystem, LINK};

impl FileSystem {
    /// Sorts an error of the file system: `what` is the act, `path` its object.
    pub(super) fn io_error(&self, what: &str, path: &Path, error: &io::Error) -> Error {
        let what = format!("{what} {}", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::new(Kind::Full, what, format!("{} is full", adapter::destination::Destination::name(self)))
                    .cure("Free space there or enlarge it, then run again.")
            }
            io::ErrorKind::PermissionDenied => {
                Error::new(Kind::Denied, what, "permission denied").cure("Give this user the right to the folder.")
            }
            _ => Error::failed(what, error),
        }
    }

    /// Opens the destination's folder. One that is not there says nothing of its files: it may be on a disk that is not mounted.
    pub(super) fn root(&self) -> Result<Beneath, Error> {
        self.beneath().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                let what = format!("could not open {}", self.folder.display());
                Error::new(Kind::Unavailable, what, "the folder does not exist")
                    .cure("If it lies on a disk or a share of its own, mount that.")
            }
            _ => self.read_error("", &error),
        })
    }

    pub(super) fn read_error(&self, path: &str, error: &io::Error) -> Error {
        let whole = self.folder.join(path);
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::missing(&whole.display().to_string()),
            _ if beneath::is_link(error) => Error::failed(format!("could not read {}", whole.display()), LINK),
            _ => self.io_error("could not read", &whole, error),
        }
    }

    pub(super) fn write_error(&self, path: &str, error: &io::Error) -> Error {
        let whole = self.folder.join(path);
        if beneath::is_link(error) {
            return Error::failed(format!("could not write to {}", whole.display()), LINK);
        }
        if error.kind() == io::ErrorKind::NotADirectory {
            return Error::failed(format!("could not write to {}", whole.display()), "it is not a folder")
                .cure("Move it out of the way.");
        }
        self.io_error("could not write to", &whole, error)
    }
}
