//! What is copied, compared with its sidecar.

use adapter::destination::{Destination, Expected, How};
use domain::hashes::{Compared, label};

use super::CopyError;
use crate::checks::Checks;
use crate::sidecars::SidecarState;

/// Compares what is known of a backup with what its sidecar says was once backed up.
pub(super) fn compared(
    state: &SidecarState,
    found: &Expected,
    path: &str,
    source: &dyn Destination,
) -> Result<Checks, CopyError> {
    let mut checks = Checks { passed: Vec::new(), missing: state.problem() };
    let Some(sidecar) = state.sidecar() else { return Ok(checks) };
    let altered = |what| Err(CopyError::Altered { path: path.to_owned(), source_name: source.name(), what });
    if sidecar.size.stored != found.size {
        return altered("size".to_owned());
    }
    match sidecar.checksum.stored().compare(&found.hashes) {
        Compared::Nothing => {}
        Compared::Different { algorithm, .. } => return altered(label(&algorithm)),
        Compared::Same(algorithms) => {
            algorithms.iter().for_each(|name| checks.passed(format!("the sidecar's {}", label(name))));
        }
    }
    Ok(checks)
}

impl Checks {
    /// Notes what the destination's proof leaves open.
    pub(super) fn note(&mut self, how: How) {
        if how == How::SizeAndTag {
            self.missing.get_or_insert_with(|| "the storage knows no hash of what it took".to_owned());
        }
    }
}
