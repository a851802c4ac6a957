//! Ends of runs that could not be stored yet: a file each in the data folder, so that the next start can store them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use catalog::RunEnd;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

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
    /// Writes the file. Leaves nothing behind where that fails, as on a full disk.
    pub(super) async fn keep(&self, data: &Path) -> io::Result<()> {
        let (ended, data) = (self.clone(), data.to_owned());
        spawn_blocking(move || ended.keep_now(&data)).await.map_err(io::Error::other).flatten()
    }

    /// Removes the file.
    pub(super) async fn forget(&self, data: &Path) {
        let (ended, data) = (self.clone(), data.to_owned());
        // Fails only if it panics: the next start stores the end again, which changes nothing.
        let _ = spawn_blocking(move || ended.forget_now(&data)).await;
    }

    /// Reads the files that earlier processes left, and removes those that they had not finished.
    pub(super) async fn all(data: &Path) -> Vec<Self> {
        let data = data.to_owned();
        spawn_blocking(move || Self::all_now(&data)).await.unwrap_or_default()
    }

    fn keep_now(&self, data: &Path) -> io::Result<()> {
        fs::create_dir_all(data.join(FOLDER))?;
        let partial = self.path(data).with_extension("partial");
        self.write(&partial).and_then(|()| fs::rename(&partial, self.path(data))).inspect_err(|_| {
            let _ = fs::remove_file(&partial);
        })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()
    }

    fn forget_now(&self, data: &Path) {
        if let Err(error) = fs::remove_file(self.path(data))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, run_id = self.run_id, "the file with the run's end could not be removed");
        }
    }

    fn all_now(data: &Path) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(data.join(FOLDER)) else { return Vec::new() };
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
        let has = |path: &PathBuf, ending: &str| path.extension().is_some_and(|extension| extension == ending);
        let (whole, others): (Vec<PathBuf>, Vec<PathBuf>) = paths.partition(|path| has(path, "json"));
        for partial in others.iter().filter(|path| has(path, "partial")) {
            // The next start tries again.
            let _ = fs::remove_file(partial);
        }
        whole.into_iter().filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok()).collect()
    }

    fn path(&self, data: &Path) -> PathBuf {
        data.join(FOLDER).join(format!("{}.json", self.run_id))
    }
}

#[cfg(test)]
mod tests {
    use domain::outcome::RunStatus;
    use domain::run::RunProgress;

    use super::*;

    #[test]
    fn an_end_that_cannot_be_kept_leaves_no_file() {
        let data = tempfile::tempdir().unwrap();
        let end = RunEnd {
            state: RunStatus::Succeeded,
            error: None,
            code: None,
            technical_details: None,
            result: None,
            progress: RunProgress::default(),
        };
        let ended = Unrecorded { run_id: "r".to_owned(), fence: 1, end, at: Timestamp::UNIX_EPOCH };
        // In the way of the last step.
        fs::create_dir_all(ended.path(data.path()).join("in the way")).unwrap();
        ended.keep_now(data.path()).unwrap_err();
        assert_eq!(fs::read_dir(data.path().join(FOLDER)).unwrap().count(), 1);
    }
}
