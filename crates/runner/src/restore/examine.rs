//! What can be known of a backup without reading it, and with its storage reading it.

use destinations::{Destination, Download, Entry, StoredHash};
use domain::sidecar::Sidecar;
use futures_util::future::join;

use super::OpenError;
use crate::checks::Checks;
use crate::sidecars::{SidecarState, read_sidecar};

/// What is known of a backup before its content is read.
#[derive(Debug)]
pub struct Examined {
    /// The storage's metadata.
    pub entry: Entry,
    /// What is beside it.
    pub sidecar: SidecarState,
    /// Whether the storage's own hash was compared with the sidecar's.
    pub is_proved: bool,
}

impl Examined {
    /// Returns the checks that reading all of the backup makes, without those of its layers: their failure is an error.
    pub(super) fn checks(&self) -> Checks {
        let mut checks = Checks { passed: Vec::new(), missing: self.sidecar.problem() };
        if let Some(StoredHash::DropboxContentHash(_)) = self.entry.hash {
            checks.passed("Dropbox's content hash");
        }
        if self.sidecar.sidecar().is_some() {
            checks.passed("the sidecar's SHA-256");
        }
        checks
    }

    /// Compares all of the stored bytes with the sidecar, once they were read, and returns what was compared.
    ///
    /// # Errors
    /// [`OpenError::Altered`] if they are not the bytes that were backed up.
    pub fn compare(&self, path: &str, sha256: &str) -> Result<Checks, OpenError> {
        if let Some(sidecar) = self.sidecar.sidecar() {
            equal(path, "SHA-256", &sidecar.checksum.sha256_stored, sha256)?;
        }
        Ok(self.checks())
    }
}

/// Looks a backup and its sidecar up, and compares what is known without reading the backup.
///
/// # Errors
/// [`destinations::Error::NotFound`] if there is no such file; [`OpenError::Altered`] if its size, or the hash that the storage
/// knows, is not the sidecar's.
pub async fn examine(destination: &dyn Destination, path: &str) -> Result<Examined, OpenError> {
    // At once, for each takes a round trip.
    let (entry, sidecar) = join(destination.stat(path), read_sidecar(destination, path)).await;
    let Some(entry) = entry? else {
        return Err(destinations::Error::NotFound(format!("{path} at {}", destination.name())).into());
    };
    judge(path, entry, sidecar?)
}

/// As [`examine`], of a backup that is opened at the same time.
///
/// # Errors
/// As [`examine`].
pub async fn open_examined(
    destination: &dyn Destination,
    path: &str,
) -> Result<(Examined, Box<dyn Download>), OpenError> {
    let (download, sidecar) = join(destination.open(path), read_sidecar(destination, path)).await;
    let download = download?;
    Ok((judge(path, download.entry().clone(), sidecar?)?, download))
}

fn judge(path: &str, entry: Entry, sidecar: SidecarState) -> Result<Examined, OpenError> {
    let mut is_proved = false;
    if let Some(sidecar) = sidecar.sidecar() {
        if let Some(hash) = &entry.hash {
            is_proved = compare_hash(path, sidecar, hash)?;
        }
        equal(path, "size in bytes", &sidecar.size.stored.to_string(), &entry.size.to_string())?;
    }
    Ok(Examined { entry, sidecar, is_proved })
}

/// As [`examine`]; where the storage does not know a hash, it reads the whole file for it.
///
/// # Errors
/// As [`examine`].
pub async fn verify(destination: &dyn Destination, path: &str) -> Result<Examined, OpenError> {
    let mut examined = examine(destination, path).await?;
    if let Some(sidecar) = examined.sidecar.sidecar().filter(|_| !examined.is_proved) {
        examined.is_proved = compare_hash(path, sidecar, &destination.stored_hash(path).await?)?;
    }
    Ok(examined)
}

/// Returns whether the sidecar knows a hash of this kind, which then agrees.
fn compare_hash(path: &str, sidecar: &Sidecar, hash: &StoredHash) -> Result<bool, OpenError> {
    let checksum = &sidecar.checksum;
    let (what, expected, found) = match hash {
        StoredHash::Sha256(found) => ("SHA-256", Some(&checksum.sha256_stored), found),
        StoredHash::DropboxContentHash(found) => ("content hash", checksum.dropbox_content_hash.as_ref(), found),
    };
    let Some(expected) = expected else { return Ok(false) };
    equal(path, what, expected, found)?;
    Ok(true)
}

pub(super) fn equal(path: &str, what: &'static str, expected: &str, found: &str) -> Result<(), OpenError> {
    if expected.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    Err(altered(path, what, expected, found.to_owned()))
}

pub(super) fn altered(path: &str, what: &'static str, expected: &str, found: String) -> OpenError {
    OpenError::Altered { path: path.to_owned(), what, expected: expected.to_owned(), found }
}
