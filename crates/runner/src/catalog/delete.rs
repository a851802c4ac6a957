//! Deleting backups, and nothing else.

use destinations::{Destination, Error};

use super::{SidecarState, parse_path, read_sidecar};
use crate::sidecars::sidecar_path;

/// Why a backup was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The path is not a backup's.
    #[error("'{0}' is not a backup, and nothing else is deleted: give the path as dbackup list shows it")]
    NotABackup(String),
    /// Its sidecar forbids it.
    #[error("{0} is locked: its sidecar says that it must be kept")]
    Locked(String),
    /// The destination failed.
    #[error(transparent)]
    Destination(#[from] Error),
}

/// Deletes a backup, then its sidecar. A backup that cannot be deleted keeps its sidecar; one that is gone loses the sidecar that an
/// interrupted deletion has left.
///
/// # Errors
/// See [`DeleteError`]; [`Error::NotFound`] if there is neither a backup nor a sidecar.
pub async fn delete(destination: &dyn Destination, path: &str) -> Result<(), DeleteError> {
    if parse_path(path).is_none() {
        return Err(DeleteError::NotABackup(path.to_owned()));
    }
    let beside = sidecar_path(path);
    let is_there = destination.stat(path).await?.is_some();
    if !is_there && destination.stat(&beside).await?.is_none() {
        return Err(Error::NotFound(format!("{path} at {}", destination.name())).into());
    }
    if let SidecarState::Read(sidecar, _) = read_sidecar(destination, path).await?
        && sidecar.locked
    {
        return Err(DeleteError::Locked(path.to_owned()));
    }
    if is_there {
        destination.delete(path).await?;
    }
    Ok(destination.delete(&beside).await?)
}
