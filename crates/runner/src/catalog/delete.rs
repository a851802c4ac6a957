//! Deleting backups, and nothing else.

use adapter::destination::{Destination, Entry};
use adapter::{Error, Registry};
use jiff::Timestamp;
use sources::SourceAdapter;

use super::{SidecarState, is_backup, parse_path};
use crate::sidecars::{read_content, sidecar_path};

/// Why a backup was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The path is not a backup's.
    #[error("'{0}' is not a backup, and nothing else is deleted: give the path as dbackup list shows it")]
    NotABackup(String),
    /// Its sidecar forbids it.
    #[error("{0} is locked: its sidecar says that it must be kept")]
    Locked(String),
    /// Whether it is locked cannot be told.
    #[error(
        "{path} is not deleted: its sidecar, which could say that it is locked, cannot be read ({cause}). Make it readable, or \
         delete both with the storage's own means"
    )]
    Unreadable {
        /// The backup's path.
        path: String,
        /// Why its sidecar cannot be read.
        cause: String,
    },
    /// The destination failed.
    #[error(transparent)]
    Destination(Error),
}

/// A backup's file as a listing showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Bytes.
    pub size: u64,
    /// When the storage took it, to the millisecond, where it tells.
    pub modified: Option<Timestamp>,
}

impl Listed {
    fn is(&self, entry: &Entry) -> bool {
        let differs = self.modified.zip(entry.modified).is_some_and(|(a, b)| a.as_millisecond() != b.as_millisecond());
        self.size == entry.size && !differs
    }
}

/// Deletes a backup as [`delete`] does, if it is still the file that a listing showed.
///
/// # Errors
/// As [`delete`]; [`adapter::Kind::Changed`] if it is another file.
pub async fn delete_listed(
    sources: &Registry<SourceAdapter>,
    destination: &dyn Destination,
    path: &str,
    listed: &Listed,
) -> Result<(), DeleteError> {
    delete_if(sources, destination, path, |entry| listed.is(entry)).await
}

/// Deletes a backup, then its sidecar. A backup that cannot be deleted keeps its sidecar; one that is gone loses the sidecar that an
/// interrupted deletion has left.
///
/// # Errors
/// See [`DeleteError`]; [`adapter::Kind::Changed`] if one of them is another file than was looked at; [`adapter::Kind::NotFound`] if there is neither a backup nor a sidecar.
pub async fn delete(
    sources: &Registry<SourceAdapter>,
    destination: &dyn Destination,
    path: &str,
) -> Result<(), DeleteError> {
    delete_if(sources, destination, path, |_| true).await
}

/// Deletes the sidecar that an interrupted deletion has left, if its backup is still gone.
///
/// # Errors
/// As [`delete`]; [`adapter::Kind::Changed`] if there is a backup.
pub async fn delete_left(
    sources: &Registry<SourceAdapter>,
    destination: &dyn Destination,
    path: &str,
) -> Result<(), DeleteError> {
    delete_if(sources, destination, path, |_| false).await
}

async fn delete_if(
    sources: &Registry<SourceAdapter>,
    destination: &dyn Destination,
    path: &str,
    is_expected: impl Fn(&Entry) -> bool,
) -> Result<(), DeleteError> {
    let Some((_, name)) = parse_path(path) else { return Err(DeleteError::NotABackup(path.to_owned())) };
    let beside = sidecar_path(path);
    let failed = DeleteError::Destination;
    // Both are deleted only as they were looked at: what somebody has changed or locked since is kept.
    let backup = destination.stat(path).await.map_err(failed)?;
    let sidecar = destination.stat(&beside).await.map_err(failed)?;
    if backup.is_some() && !is_backup(&name, sidecar.is_some(), sources) {
        return Err(DeleteError::NotABackup(path.to_owned()));
    }
    if backup.is_none() && sidecar.is_none() {
        return Err(failed(Error::missing(&format!("{path} at {}", destination.name()))));
    }
    if backup.as_ref().is_some_and(|entry| !is_expected(entry)) {
        return Err(failed(Error::changed("delete", path)));
    }
    match read_content(destination, path).await.map_err(failed)? {
        Ok(content) if is_locked(content.as_deref()) => return Err(DeleteError::Locked(path.to_owned())),
        Ok(_) => {}
        Err(cause) => return Err(DeleteError::Unreadable { path: path.to_owned(), cause }),
    }
    if let Some(backup) = backup {
        destination.delete(path, backup.version.as_ref()).await.map_err(failed)?;
    }
    let Some(sidecar) = sidecar else { return Ok(()) };
    destination.delete(&beside, sidecar.version.as_ref()).await.map_err(failed)
}

/// Whether a sidecar locks its backup. One that is damaged still does if it says so.
fn is_locked(content: Option<&[u8]>) -> bool {
    match (SidecarState::parse(content), content) {
        (SidecarState::Read(sidecar, _), _) => sidecar.locked,
        (_, Some(content)) => {
            let text: String = String::from_utf8_lossy(content).chars().filter(|c| !c.is_whitespace()).collect();
            text.contains("\"locked\":true")
        }
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_sidecar_still_locks_its_backup() {
        assert!(is_locked(Some(b"{\"version\": 1, \"locked\" : true, \"chec")));
        for free in [&b"{\"locked\": false"[..], b"", b"garbage"] {
            assert!(!is_locked(Some(free)));
        }
        assert!(!is_locked(None));
    }
}
