//! What can be known of a backup without reading it, and with its storage reading it.

use adapter::Error;
use adapter::destination::{Destination, Difference, Download, Entry, Expected, How, Proof};
use domain::sidecar::Sidecar;
use futures_util::future::join;

use super::OpenError;
use crate::checks::Checks;
use crate::sidecars::{SidecarState, read_sidecar};

/// What is known of a backup before its content is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The storage's metadata.
    pub entry: Entry,
    /// What is beside it.
    pub sidecar: SidecarState,
    /// How the content was compared with the sidecar; `None` if it was not.
    pub proved: Option<How>,
}

impl Examined {
    /// Returns the checks that reading all of the backup makes, without those of its layers: their failure is an error.
    pub(super) fn checks(&self) -> Checks {
        let mut checks = Checks { passed: Vec::new(), missing: self.sidecar.problem() };
        if !self.entry.hashes.is_empty() {
            checks.passed("the storage's own hash");
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
/// [`adapter::Kind::NotFound`] if there is no such file; [`OpenError::Altered`] if its size, or the hash that the storage
/// knows, is not the sidecar's.
pub async fn examine(destination: &dyn Destination, path: &str) -> Result<Examined, OpenError> {
    // At once, for each takes a round trip.
    let (entry, sidecar) = join(destination.stat(path), read_sidecar(destination, path)).await;
    let Some(entry) = entry.map_err(OpenError::Destination)? else {
        return Err(OpenError::Destination(Error::missing(&format!("{path} at {}", destination.name()))));
    };
    judge(path, entry, sidecar.map_err(OpenError::Destination)?)
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
    let download = download.map_err(OpenError::Destination)?;
    Ok((judge(path, download.entry().clone(), sidecar.map_err(OpenError::Destination)?)?, download))
}

fn judge(path: &str, entry: Entry, sidecar: SidecarState) -> Result<Examined, OpenError> {
    let mut examined = Examined { entry, sidecar, proved: None };
    if let Some(sidecar) = examined.sidecar.sidecar() {
        let Entry { size, hashes, .. } = &examined.entry;
        let known = Proof { how: How::OwnHash, size: *size, hashes: hashes.clone() };
        examined.proved = compare(path, sidecar, &known)?;
    }
    Ok(examined)
}

/// As [`examine`]; where that does not prove the content, the storage has to ([`Destination::prove`]), which may read all of it.
///
/// # Errors
/// As [`examine`].
pub async fn verify(destination: &dyn Destination, path: &str) -> Result<Examined, OpenError> {
    let mut examined = examine(destination, path).await?;
    if let Some(sidecar) = examined.sidecar.sidecar().filter(|_| examined.proved.is_none()) {
        let proof = destination.prove(path, &expected(sidecar)).await.map_err(OpenError::Destination)?;
        examined.proved = compare(path, sidecar, &proof)?;
    }
    Ok(examined)
}

/// What a sidecar says of its backup.
fn expected(sidecar: &Sidecar) -> Expected {
    Expected { size: sidecar.size.stored, hashes: sidecar.checksum.stored() }
}

/// Returns how the content was proved to be the sidecar's; `None` if there was no hash to compare.
fn compare(path: &str, sidecar: &Sidecar, proof: &Proof) -> Result<Option<How>, OpenError> {
    match proof.against(&expected(sidecar)) {
        Ok(is_proved) => Ok(is_proved.then_some(proof.how)),
        Err(Difference { what, expected, found }) => Err(altered(path, &what, &expected, found)),
    }
}

pub(super) fn equal(path: &str, what: &str, expected: &str, found: &str) -> Result<(), OpenError> {
    if expected.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    Err(altered(path, what, expected, found.to_owned()))
}

pub(super) fn altered(path: &str, what: &str, expected: &str, found: String) -> OpenError {
    OpenError::Altered { path: path.to_owned(), what: what.to_owned(), expected: expected.to_owned(), found }
}
