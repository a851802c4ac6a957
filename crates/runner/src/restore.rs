//! Reading a backup back: checked as early as can be, and never a half for a whole.
//!
//! Before a byte is read: the size, and the destination's own hash where it knows one, against the sidecar's. With the first bytes:
//! the key, and what the dump is. At the end, before the last piece is handed on: age's last chunk, the compression's checksum, the
//! storage's own hash where it has one, and both SHA-256 of the sidecar.

mod ending;
mod error;
mod examine;
mod format;
mod load;
mod opened;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use domain::RunState;
use domain::rows::RowComparison;
use pipeline::{Decoded, Progress};
use sources::{Guard, RestoreOptions, Restored, Source};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::ending::RestoreEvent;
pub use self::error::OpenError;
pub use self::examine::{Examined, examine, open_examined, verify};
pub use self::format::check_name;
pub(crate) use self::format::{check_format, no_dump};
use self::load::{Loaded, Loading, load};
pub use self::opened::{OpenRequest, OpenedBackup, open, verify_deep};
use crate::checks::Checks;
use crate::stall::Stalled;
use crate::wanted::Wanted;

/// How a restore went.
#[derive(Debug)]
pub struct RestoreReport {
    /// What was restored, and what was not.
    pub restored: Restored,
    /// Sizes and hashes of what was read.
    pub decoded: Decoded,
    /// What it was checked with.
    pub checks: Checks,
    /// Whether it has the rows that the backup recorded; `None` if the backup recorded none.
    pub rows: Option<RowComparison>,
}

/// What can stop a restore, and what it tells.
pub struct Controls<'a> {
    /// Counts bytes.
    pub progress: &'a Progress,
    /// Stops it, until the target changes. One that comes later waits for what becomes of the restore.
    pub cancel: &'a CancellationToken,
    /// Asked right before the target changes.
    pub guard: Arc<dyn Guard>,
    /// How long the target may take nothing, and the destination give nothing.
    pub stall_timeout: Duration,
    /// Told what happens.
    pub on_event: &'a (dyn Fn(RestoreEvent) + Sync),
}

/// Returns the end of a restore that was committed: partial if any object is missing.
pub fn state_of(restored: &Restored) -> RunState {
    match (restored.failed_objects.is_empty(), restored.warnings.is_empty()) {
        (false, _) => RunState::Partial,
        (true, false) => RunState::SucceededWithWarnings,
        (true, true) => RunState::Succeeded,
    }
}

/// Restores a backup into the database that `target` names. Whatever fails, the target stays as it was, unless the error says otherwise
/// ([`OpenError::may_have_changed`]).
///
/// # Errors
/// See [`OpenError`].
pub async fn restore(
    request: OpenRequest<'_>,
    target: &dyn Source,
    options: RestoreOptions,
    controls: &Controls<'_>,
) -> Result<RestoreReport, OpenError> {
    let Controls { progress, cancel, guard, stall_timeout, on_event } = controls;
    let adapter = target.adapter();
    check_name(request.path, adapter)?;
    let mut restoring = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(OpenError::Cancelled),
        restoring = timeout(*stall_timeout, target.restore(options)) => match restoring {
            Ok(restoring) => restoring?,
            Err(_) => return Err(OpenError::Stalled { place: target.name(), stalled: Stalled(*stall_timeout) }),
        },
    };
    restoring.guard(Wanted::new(cancel, guard));
    let loading = Loading { target: target.name(), adapter, limit: *stall_timeout, on_event: *on_event };
    let activity = restoring.activity();
    let loaded = load(request, &mut *restoring, &loading, progress);
    let compared = match ending::unless_cancelled(loaded, &*activity, controls).await {
        Ok(loaded) => rows::compare(&mut *restoring, loaded.rows.as_ref(), cancel).await.map(|rows| (loaded, rows)),
        Err(cause) => Err(cause),
    };
    match compared {
        Ok((Loaded { decoded, checks, .. }, rows)) => {
            let mut restored = ending::commit(restoring, &loading.target, controls).await?;
            restored.warnings.extend(rows.as_ref().and_then(rows::warning));
            Ok(RestoreReport { restored, decoded, checks, rows })
        }
        Err(cause) => match restoring.abort().await {
            Ok(()) => Err(cause),
            Err(leftover) => Err(OpenError::Leftover { cause: Box::new(cause), leftover }),
        },
    }
}
