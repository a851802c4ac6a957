//! Feeding a target.

use std::time::Duration;

use domain::rows::Rows;
use pipeline::stream::Interrupted;
use pipeline::{Decoded, Progress};
use sources::SourceAdapter;
use tokio::time::timeout;

use super::examine::altered;
use super::format::{check_format, no_dump};
use super::opened::open_within;
use super::{OpenError, OpenRequest, OpenedBackup, RestoreEvent};
use crate::checks::Checks;
use crate::stall::{self, Stalled};

/// What is the same for all pieces of a restore.
pub(super) struct Loading<'a> {
    pub(super) target: String,
    pub(super) adapter: SourceAdapter,
    pub(super) limit: Duration,
    pub(super) on_event: &'a (dyn Fn(RestoreEvent) + Sync),
}

impl Loading<'_> {
    fn tell_silence(&self, since: Duration) {
        (self.on_event)(RestoreEvent::Silent { since, limit: self.limit });
    }

    fn stalled(&self, stalled: Stalled) -> OpenError {
        OpenError::Stalled { place: self.target.clone(), stalled }
    }
}

/// What was loaded.
pub(super) struct Loaded {
    pub(super) decoded: Decoded,
    pub(super) checks: Checks,
    /// The rows that the backup recorded.
    pub(super) rows: Option<Rows>,
}

/// Feeds the target all of a backup that is whole, and waits until it has taken it in.
pub(super) async fn load(
    request: OpenRequest<'_>,
    restoring: &mut dyn sources::Restore,
    loading: &Loading<'_>,
    progress: &Progress,
) -> Result<Loaded, OpenError> {
    let path = request.path;
    let mut opened = open_within(request, progress, loading.limit).await?;
    if opened.damaged {
        restoring.accept_damage();
    }
    match feed(&mut opened, restoring, loading, progress, path).await {
        Ok(()) => {
            let rows = opened.rows.take();
            let (decoded, checks) = opened.finish_checked().await?;
            finish(restoring, loading).await?;
            Ok(Loaded { decoded, checks, rows })
        }
        Err(Fed::Refused(error)) => Err(error),
        Err(Fed::Interrupted) => {
            Err(opened.finish().await.err().unwrap_or_else(|| OpenError::Internal(Interrupted.to_string())))
        }
    }
}

/// Waits until the target has taken everything in, as long as it does anything.
async fn finish(restoring: &mut dyn sources::Restore, loading: &Loading<'_>) -> Result<(), OpenError> {
    let activity = restoring.activity();
    let finishing = restoring.finish();
    tokio::pin!(finishing);
    let is_active = || async { timeout(loading.limit, activity.is_active()).await.unwrap_or(false) };
    stall::unless_active(loading.limit, finishing, &is_active, &|since| loading.tell_silence(since))
        .await
        .map_err(|stalled| loading.stalled(stalled))?
        .map_err(OpenError::from)
}

enum Fed {
    /// The stages stopped; they say why.
    Interrupted,
    Refused(OpenError),
}

async fn feed(
    opened: &mut OpenedBackup,
    restoring: &mut dyn sources::Restore,
    loading: &Loading<'_>,
    progress: &Progress,
    path: &str,
) -> Result<(), Fed> {
    let mut taken = 0_u64;
    while let Some(piece) = opened.pieces.receive().await.map_err(|Interrupted| Fed::Interrupted)? {
        if taken == 0 {
            check_format(&piece, loading.adapter, path).map_err(Fed::Refused)?;
        }
        taken += piece.len() as u64;
        // What is longer than it says would fill the target's disk before its checksum is known to be wrong.
        if let Some(promised) = opened.promised.filter(|promised| taken > *promised) {
            let found = format!("more than {promised}");
            return Err(Fed::Refused(altered(path, "size of the dump in bytes", &promised.to_string(), found)));
        }
        let length = piece.len();
        let on_silence = |since| loading.tell_silence(since);
        let written = stall::of_database(loading.limit, restoring.write(piece), &on_silence).await;
        let written = written.map_err(|stalled| loading.stalled(stalled));
        written.and_then(|written| written.map_err(OpenError::from)).map_err(Fed::Refused)?;
        progress.add_dumped(length);
    }
    if taken == 0 { Err(Fed::Refused(no_dump(path, loading.adapter))) } else { Ok(()) }
}
