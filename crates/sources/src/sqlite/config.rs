//! `sqlite:///abs/path.db`, percent-encoding allowed as in every URL.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::Sqlite;
use crate::error::Error;

impl Sqlite {
    /// Reads what follows `sqlite://`.
    pub(crate) fn parse(path: &str) -> Result<Self, Error> {
        let bytes = percent_encoding::percent_decode_str(path).collect();
        Self::new(PathBuf::from(OsString::from_vec(bytes)))
    }

    /// The database of a file, whose path is taken as it is.
    pub(crate) fn new(path: PathBuf) -> Result<Self, Error> {
        if !path.is_absolute() || path.file_name().is_none() {
            return Err(Error::invalid(format!(
                "'sqlite://{}' does not name a file by its absolute path: write sqlite:///path/to/file.db",
                path.display()
            )));
        }
        Ok(Self { path })
    }
}
