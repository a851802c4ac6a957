//! `file:///folder`, percent-encoding allowed as in every URL.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::FileSystem;
use crate::error::Error;
use crate::path;

impl FileSystem {
    /// Reads what follows `file://`.
    pub(crate) fn parse(folder: &str) -> Result<Self, Error> {
        let bytes = percent_encoding::percent_decode_str(folder).collect();
        let folder = PathBuf::from(OsString::from_vec(bytes));
        if !folder.is_absolute() {
            return Err(Error::Usage(format!(
                "'file://{}' is not an absolute path: write file:///path/to/folder",
                folder.display()
            )));
        }
        Ok(Self { folder })
    }

    /// The absolute path of a path of ours.
    pub(super) fn resolve(&self, relative: &str) -> Result<PathBuf, Error> {
        Ok(self.folder.join(path::check(relative)?))
    }
}
