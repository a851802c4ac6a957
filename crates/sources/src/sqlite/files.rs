//! The files that make up a database: itself, its write-ahead log, its rollback journal.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::geteuid;

use super::connection::{failed, header_names_wal, open_immutable, tolerate_damage};
use crate::error::Error;

/// Returns the path of a file that belongs to a database: `-wal`, `-shm`, `-journal`.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(database);
    path.push(suffix);
    path.into()
}

/// What SQLite adds to a database's name for files of its own. One that is put there becomes part of the database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Returns whether a name is one of SQLite's own files beside a database.
pub(super) fn is_companion(path: &Path) -> bool {
    path.file_name().is_some_and(|name| COMPANIONS.iter().any(|suffix| name.to_string_lossy().ends_with(suffix)))
}

/// Returns a file's size, or `None` if it does not exist.
pub(super) fn size(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|metadata| metadata.len())
}

/// Resolves links and requires a regular file, because opening a FIFO would wait forever.
pub(super) fn resolve(path: &Path) -> Result<(PathBuf, Metadata), Error> {
    let unreadable = |error: std::io::Error| {
        Error::failed(format!("could not read {}", path.display()), error.to_string())
            .cure("Check the path, and give this user the right to read the file and to enter its folder")
    };
    let resolved = fs::canonicalize(path).map_err(unreadable)?;
    let metadata = fs::metadata(&resolved).map_err(unreadable)?;
    if metadata.is_file() {
        return Ok((resolved, metadata));
    }
    Err(Error::failed(
        format!("could not read {}", path.display()),
        if metadata.is_dir() { "it is a folder" } else { "it is not a regular file" },
    )
    .cure("Name the database file itself"))
}

/// How a database can be read without creating a file that bars its application from writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Under SQLite's locks alone, since it has no write-ahead log.
    Locked,
    /// Through the write-ahead log's files, which are there, or are created for the owner.
    SharedLog {
        /// Whether files that are created belong to the database's owner.
        as_owner: bool,
    },
    /// Only a copy: the files of WAL mode would belong to another user than the application.
    Copy,
}

impl Reading {
    /// Chooses by the header, the files that exist, and who this process is.
    pub(super) fn of(database: &Path, metadata: &Metadata) -> Result<Self, Error> {
        if !glance(database)? {
            return Ok(Self::Locked);
        }
        let as_owner = acts_as_owner(database, metadata);
        let is_open = size(&beside(database, "-wal")).is_some() && size(&beside(database, "-shm")).is_some();
        Ok(if as_owner || is_open { Self::SharedLog { as_owner } } else { Self::Copy })
    }
}

/// Reads from the header whether the database is in WAL mode.
fn glance(database: &Path) -> Result<bool, Error> {
    let unreadable = |error: rusqlite::Error| failed("open", database, &error);
    let connection = open_immutable(database).map_err(unreadable)?;
    tolerate_damage(&connection).and_then(|()| header_names_wal(&connection)).map_err(unreadable)
}

/// SQLite gives the files that root creates to the database's owner.
fn acts_as_owner(database: &Path, metadata: &Metadata) -> bool {
    let user = geteuid();
    let may_write = |path: &Path| accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok();
    (user.is_root() || user.as_raw() == metadata.uid())
        && may_write(database)
        && may_write(pipeline::private_file::folder_of(database))
}
