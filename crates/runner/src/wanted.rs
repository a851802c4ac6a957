//! Whether a run is still wanted: neither cancelled nor refused by its caller's guard.

use std::sync::Arc;

use async_trait::async_trait;
use destinations::Gate;
use sources::{Error, Guard, Kind};
use tokio_util::sync::CancellationToken;

/// Passes a run that is not cancelled and that its caller's guard passes. Asked before a target changes, and before each attempt to
/// publish a backup.
pub(crate) struct Wanted {
    pub(crate) cancel: CancellationToken,
    pub(crate) guard: Arc<dyn Guard>,
}

impl Wanted {
    pub(crate) fn new(cancel: &CancellationToken, guard: &Arc<dyn Guard>) -> Arc<Self> {
        Arc::new(Self { cancel: cancel.clone(), guard: Arc::clone(guard) })
    }
}

#[async_trait]
impl Guard for Wanted {
    async fn check(&self) -> Result<(), Error> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::stopped("cancelled")),
            checked = self.guard.check() => checked,
        }
    }
}

#[async_trait]
impl Gate for Wanted {
    async fn check(&self) -> Result<(), String> {
        Guard::check(self).await.map_err(|error| match error.kind() {
            Kind::Stopped => error.what().to_owned(),
            _ => error.to_string(),
        })
    }

    async fn closed(&self) {
        self.cancel.cancelled().await;
    }
}
