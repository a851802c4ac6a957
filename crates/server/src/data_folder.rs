//! The data folder: this server's alone while it runs.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// A data folder that nobody else uses. The lock ends with the process, however that ends.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is not there, mode 0700, and locks it.
    ///
    /// # Errors
    /// Says what is wrong with it, or that another server uses it.
    pub fn open(path: &Path) -> Result<Self, String> {
        let wrong = |error: std::io::Error| format!("the data folder {}: {error}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(wrong)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(wrong)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            format!(
                "another dbackup uses the data folder {}: stop it first, or name another folder with --data",
                path.display()
            )
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
