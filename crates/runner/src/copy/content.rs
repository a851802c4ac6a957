//! Whether a backup is at its destination already.

use adapter::Error;
use adapter::destination::{Algorithm, Capabilities, Destination, Entry, SHA256, digest_of};
use bytes::Bytes;
use domain::hashes::Compared;

use super::{CopyError, from, to};
use crate::sidecars::{read_content, sidecar_path};

/// Returns whether source and destination hold the same content. Nothing is read where the sizes differ, or both storages know the
/// same hash; otherwise each is read that does not know the other's.
pub(super) async fn same_content(
    source: &dyn Destination,
    destination: &dyn Destination,
    path: &str,
    there: &Entry,
) -> Result<bool, CopyError> {
    let here = source.stat(path).await.map_err(from)?;
    let here = here.ok_or_else(|| from(Error::missing(&format!("{path} at {}", source.name()))))?;
    if here.size != there.size {
        return Ok(false);
    }
    match here.hashes.compare(&there.hashes) {
        Compared::Same(_) => return Ok(true),
        Compared::Different { .. } => return Ok(false),
        Compared::Nothing => {}
    }
    let known = |entry: &Entry, capabilities: Capabilities| {
        capabilities.own_hash.filter(|algorithm| entry.hashes.get(algorithm.name).is_some())
    };
    let own = known(there, destination.capabilities()).or(known(&here, source.capabilities()));
    let algorithm = own.unwrap_or(SHA256);
    let at_source = digest(source, path, &here, algorithm).await.map_err(from)?;
    let at_destination = digest(destination, path, there, algorithm).await.map_err(to)?;
    Ok(at_source.eq_ignore_ascii_case(&at_destination))
}

/// Returns a file's digest: read only if it is not known.
async fn digest(place: &dyn Destination, path: &str, entry: &Entry, algorithm: Algorithm) -> Result<String, Error> {
    match entry.hashes.get(algorithm.name) {
        Some(known) => Ok(known.to_owned()),
        None => digest_of(place, path, algorithm).await,
    }
}

/// Returns the sidecar, if the destination has none beside the backup.
pub(super) async fn missing_sidecar(
    source: &dyn Destination,
    path: &str,
    destination: &dyn Destination,
) -> Result<Option<Bytes>, CopyError> {
    if destination.stat(&sidecar_path(path)).await.map_err(to)?.is_some() {
        return Ok(None);
    }
    let Ok(content) = read_content(source, path).await.map_err(from)? else { return Ok(None) };
    Ok(content.map(Bytes::from))
}
