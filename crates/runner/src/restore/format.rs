//! Whether a backup is a dump of the target's engine.

use bytes::Bytes;
use domain::naming::BackupName;
use sources::{SourceAdapter, of_ending, registry};

use super::OpenError;

/// Refuses a backup whose name says that it is another engine's.
///
/// # Errors
/// [`OpenError::WrongFormat`].
pub fn check_name(path: &str, target: SourceAdapter) -> Result<(), OpenError> {
    match path.rsplit('/').next().and_then(BackupName::parse) {
        Some(name) if name.ending != target.dump.ending => {
            let known = of_ending(&registry(), &name.ending).map(a_dump);
            Err(wrong_format(path, known.unwrap_or_else(|| format!("a .{} dump", name.ending)), target))
        }
        _ => Ok(()),
    }
}

/// Refuses a dump whose first bytes are not those of the target's engine.
pub(crate) fn check_format(first: &Bytes, target: SourceAdapter, path: &str) -> Result<(), OpenError> {
    if first.starts_with(target.dump.magic) {
        return Ok(());
    }
    match registry().all().iter().find(|adapter| first.starts_with(adapter.dump.magic)) {
        Some(found) => Err(wrong_format(path, a_dump(*found), target)),
        None => Err(no_dump(path, target)),
    }
}

pub(crate) fn no_dump(path: &str, target: SourceAdapter) -> OpenError {
    wrong_format(path, "no database dump".to_owned(), target)
}

fn a_dump(adapter: SourceAdapter) -> String {
    format!("a {} dump", adapter.manifest.title)
}

fn wrong_format(path: &str, found: String, target: SourceAdapter) -> OpenError {
    OpenError::WrongFormat { path: path.to_owned(), found, target: target.manifest.title.to_owned() }
}
