//! A list of archive entries for pg_restore, in a file that has no name and holds nothing but numbers.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;

use rustix::fs::{MemfdFlags, memfd_create};

/// A file in memory that child processes inherit.
#[derive(Debug)]
pub(super) struct ListFile(File);

impl ListFile {
    /// Writes a list.
    pub(super) fn of(list: &str) -> std::io::Result<Self> {
        // Without the flag CLOEXEC, so that pg_restore can open it.
        let mut file = File::from(memfd_create("pg_restore-list", MemfdFlags::empty())?);
        file.write_all(list.as_bytes())?;
        file.rewind()?;
        Ok(Self(file))
    }

    /// Returns the path under which a child process finds it.
    pub(super) fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }
}
