//! Deletions of backups: those that people ask for, and those of retention policies.
//!
//! Retention only acts at the end of a scan that has read everything, under that scan's lease, so by one server and on a fresh listing.
//! It plans ([`plan`]), marks, and deletes what was marked long enough ago ([`pass`]). There is no other way to delete a backup.

mod pass;
mod plan;

use adapter::Kind;
use adapter::destination::Destination;
use catalog::BeforeDeletion;
use runner::{DeleteError, Listed};

use crate::app::App;
use crate::stored_copies::Opened;

pub(crate) use pass::{Marks, Retain};
pub(crate) use plan::JobPlan;

impl App {
    /// Deletes a copy whose deletion has begun in the catalog, and records what came of it: first the file, then its sidecar, then the row.
    /// With `listed`, only the file that a listing showed is deleted.
    ///
    /// # Errors
    /// [`catalog::Error`] if the outcome could not be recorded.
    pub(crate) async fn delete_copy(
        &self,
        opened: Opened<'_>,
        destination: &dyn Destination,
        path: &str,
        listed: Option<&Listed>,
        before: &BeforeDeletion,
    ) -> Result<Result<(), DeleteError>, catalog::Error> {
        self.listings.forget(opened.0);
        let sources = &self.config.adapters.sources;
        let deleted = match listed {
            Some(listed) => runner::delete_listed(sources, destination, path, listed).await,
            None => runner::delete(sources, destination, path).await,
        };
        let is_gone = |error: &adapter::Error| *error.kind() == Kind::NotFound;
        match &deleted {
            Ok(()) => self.catalog.end_deletion(opened, path, self.now()).await?,
            Err(DeleteError::Destination(error)) if is_gone(error) => {
                self.catalog.end_deletion(opened, path, self.now()).await?;
            }
            Err(DeleteError::NotABackup(_) | DeleteError::Locked(_) | DeleteError::Unreadable { .. }) => {
                self.catalog.abandon_deletion(opened, path, before, self.now()).await?;
            }
            // Whether it is still there, the next scan tells.
            Err(DeleteError::Destination(_)) => {}
        }
        Ok(deleted)
    }
}
