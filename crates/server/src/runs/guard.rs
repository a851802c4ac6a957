//! Whether a run is still this server's, asked right before it publishes a backup or changes a target.

use std::time::Duration;

use async_trait::async_trait;
use sources::{Error, Guard};

use super::Active;
use crate::app::App;

/// How often a catalog that does not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Passes a run as long as the catalog says that it is this server's and nobody has cancelled it. While the catalog is away, nobody can
/// know that: the run waits.
pub(super) struct StillOurs {
    app: App,
    run_id: String,
    active: Active,
}

impl StillOurs {
    pub(super) fn new(app: &App, run_id: &str, active: &Active) -> Self {
        Self { app: app.clone(), run_id: run_id.to_owned(), active: active.clone() }
    }
}

#[async_trait]
impl Guard for StillOurs {
    async fn check(&self) -> Result<(), Error> {
        loop {
            match self.app.catalog.holds_run(&self.run_id, self.active.fence).await {
                _ if self.active.cancel.is_cancelled() => return Err(Error::stopped("cancelled")),
                Ok(true) => return Ok(()),
                Ok(false) => {
                    return Err(Error::stopped("it was cancelled, or another server has taken it over"));
                }
                Err(error) => tracing::warn!(%error, run_id = self.run_id, "the run waits for the catalog"),
            }
            tokio::select! {
                () = self.active.cancel.cancelled() => {}
                () = tokio::time::sleep(ASK_AGAIN) => {}
            }
        }
    }
}
