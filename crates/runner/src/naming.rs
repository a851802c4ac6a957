//! Finding a name that nobody has taken.

use std::collections::HashSet;

use adapter::Error;
use adapter::destination::{Destination, Object, put};
use bytes::Bytes;
use domain::BackupName;
use domain::naming::job_folder;

use crate::catalog::{SHARED_MARKER, is_shared_marker, is_spelt};

/// The names in a job's folder at one destination. Compared in lower case, as Dropbox does.
#[derive(Debug)]
pub struct TakenNames {
    folder: String,
    lower: HashSet<String>,
    /// Whether the folder is another job's, whose name differs only by case, and nothing there says so yet.
    marker_is_missing: bool,
    backups: Vec<(BackupName, u64)>,
}

impl TakenNames {
    /// Lists a job's folder. That this works is also the first proof that the destination can be reached.
    ///
    /// # Errors
    /// As [`Destination::list`].
    pub async fn of_job(destination: &dyn Destination, job: &str) -> Result<Self, Error> {
        let folder = job_folder(job);
        let objects = destination.list(&folder).await?;
        let backup = |object: &Object| Some((BackupName::parse(object.path.rsplit('/').next()?)?, object.size));
        let marker_is_missing = !is_spelt(&folder, &objects) && !objects.iter().any(is_shared_marker);
        Ok(Self {
            folder,
            marker_is_missing,
            lower: objects.iter().map(|object| object.path.to_lowercase()).collect(),
            backups: objects.iter().filter_map(backup).collect(),
        })
    }

    /// Says in a folder that another job's backups lie there, too, so that its listing reads their sidecars. Without that, only
    /// a listing of the other job would show too much: a failure is tried again by the next run.
    pub(crate) async fn mark_as_shared(&mut self, destination: &dyn Destination) {
        if self.marker_is_missing {
            let words = "Jobs whose names differ only by case share this folder. Their sidecars tell them apart.\n";
            let written = put(destination, &self.path(SHARED_MARKER), Bytes::from_static(words.as_bytes())).await;
            self.marker_is_missing = written.is_err();
        }
    }

    /// Bytes of the newest backup of the same database in the same layers: what `name` may come to.
    pub fn last_size(&self, name: &BackupName) -> Option<u64> {
        let alike = |other: &BackupName| {
            (&other.database, &other.ending, other.compression) == (&name.database, &name.ending, name.compression)
        };
        let newest =
            self.backups.iter().filter(|(other, _)| alike(other)).max_by_key(|(other, _)| (other.time, other.ordinal));
        newest.map(|(_, size)| *size)
    }

    /// The first name from `name` on of which neither the backup nor the sidecar is taken.
    #[must_use]
    pub fn first_free(&self, name: BackupName) -> BackupName {
        let mut name = name;
        while self.is_taken(&name.to_string()) || self.is_taken(&name.sidecar()) {
            name = name.next();
        }
        name
    }

    /// The whole path of a file of this job.
    pub fn path(&self, file_name: &str) -> String {
        format!("{}/{file_name}", self.folder)
    }

    /// Notes that a name is taken after all.
    pub fn take(&mut self, file_name: &str) {
        self.lower.insert(self.path(file_name).to_lowercase());
    }

    fn is_taken(&self, file_name: &str) -> bool {
        self.lower.contains(&self.path(file_name).to_lowercase())
    }
}
