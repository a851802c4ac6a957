//! Stores how far the databases of a run are, as it happens: a crash loses nothing of it.

use std::time::Duration;

use super::Active;
use crate::app::App;

/// Maximum time that a run waits for what happened to be stored, and as much more for each thousand databases.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

impl App {
    /// Stores what has happened to the databases of a run. Does nothing while the metadata database is away: each renewal of the lease
    /// tries again.
    pub(super) async fn store_new_items(&self, run_id: &str, active: &Active) {
        if !active.stages.is_behind() {
            self.store_items(run_id, active).await;
        }
    }

    /// Stores what has happened to the databases of a run and is not stored yet.
    pub(super) async fn store_items(&self, run_id: &str, active: &Active) {
        let storing = async {
            let Ok(_turn) = active.stages.storing.try_lock() else { return };
            let was_behind = active.stages.is_behind();
            let Some(unstored) = active.stages.unstored() else { return };
            match self.catalog.record_items(run_id, active.fence, &unstored.result, &unstored.items).await {
                // Whoever has taken the run over records it.
                Ok(_) => active.stages.stored(&unstored),
                Err(error) if was_behind => tracing::debug!(%error, run_id, "how far the run is, is not stored yet"),
                Err(error) => tracing::error!(%error, run_id, "could not store how far the run is; trying again"),
            }
        };
        let thousands = u32::try_from(active.stages.count() / 1000).unwrap_or(u32::MAX);
        if tokio::time::timeout(STORE_TIMEOUT.saturating_mul(thousands.saturating_add(1)), storing).await.is_err() {
            tracing::debug!(run_id, "the metadata database does not answer: how far the run is will be stored later");
        }
    }
}
