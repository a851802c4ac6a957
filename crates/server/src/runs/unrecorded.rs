//! Ends of runs that could not be stored yet: a file each in the data folder, so that the next start can store them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use catalog::RunEnd;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FOLDER: &str = "unrecorded";

/// How a run ended. Holds no secrets: results and errors are redacted before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Unrecorded {
    pub(super) run_id: String,
    pub(super) fence: i64,
    pub(super) end: RunEnd,
    pub(super) at: Timestamp,
}

impl Unrecorded {
    /// Writes the file.
    pub(super) fn keep(&self, data: &Path) -> io::Result<()> {
        fs::create_dir_all(data.join(FOLDER))?;
        let (path, partial) = (self.path(data), self.path(data).with_extension("partial"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(partial, path)
    }

    /// Removes the file.
    pub(super) fn forget(&self, data: &Path) {
        if let Err(error) = fs::remove_file(self.path(data))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, run_id = self.run_id, "the file with the run's end could not be removed");
        }
    }

    /// Reads the files that there are.
    pub(super) fn all(data: &Path) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(data.join(FOLDER)) else { return Vec::new() };
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
        let whole = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        whole.filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok()).collect()
    }

    fn path(&self, data: &Path) -> PathBuf {
        data.join(FOLDER).join(format!("{}.json", self.run_id))
    }
}
