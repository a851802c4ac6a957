//! Finding a name that nobody has taken.

use std::collections::HashSet;

use destinations::{Destination, Error, Object};
use domain::BackupName;
use domain::naming::job_folder;

/// The names in a job's folder at one destination. Compared in lower case, as Dropbox does.
#[derive(Debug)]
pub struct TakenNames {
    folder: String,
    lower: HashSet<String>,
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
        Ok(Self {
            folder,
            lower: objects.iter().map(|object| object.path.to_lowercase()).collect(),
            backups: objects.iter().filter_map(backup).collect(),
        })
    }

    /// Bytes of the newest backup of the same database in the same layers: what `name` may come to.
    pub fn last_size(&self, name: &BackupName) -> Option<u64> {
        let alike = |other: &BackupName| {
            (&other.database, other.format, other.compression) == (&name.database, name.format, name.compression)
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
