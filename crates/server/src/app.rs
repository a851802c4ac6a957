//! What every request and every run shares.

use std::sync::Arc;

use adapter::authorization::Providers;
use catalog::Catalog;
use jiff::Timestamp;
use runner::Signer;
use tokio::sync::Semaphore;

use crate::authorizations::Clients;
use crate::clock::Clock;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::host_paths::{HostPaths, Refusal};
use crate::http::Gates;
use crate::limiter::Limiters;
use crate::listings::Listings;
use crate::loops::Loops;
use crate::metrics::Metrics;
use crate::notifications::Notifications;
use crate::passwords::Passwords;
use crate::readiness::Readiness;
use crate::runs::Runs;
use crate::scans::Scans;

/// The server's shared parts. Clones are the same.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) config: Config,
    /// Signs the sidecars of backups.
    pub(crate) signer: Arc<Signer>,
    pub(crate) host_paths: HostPaths,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Clock,
    pub(crate) limiters: Limiters,
    /// Requests at work, by class.
    pub(crate) gates: Gates,
    /// Bytes that request bodies may still take.
    pub(crate) bodies: Arc<Semaphore>,
    pub(crate) credentials: Credentials,
    pub(crate) passwords: Passwords,
    pub(crate) providers: Providers,
    pub(crate) clients: Clients,
    pub(crate) listings: Listings<runner::Listing>,
    pub(crate) folders: Listings<Vec<adapter::destination::Folder>>,
    pub(crate) runs: Runs,
    pub(crate) scans: Scans,
    /// Held by the one configuration that is being applied.
    pub(crate) applying: tokio::sync::Mutex<()>,
    pub(crate) metrics: Metrics,
    pub(crate) notifications: Notifications,
    pub(crate) readiness: Readiness,
    pub(crate) loops: Loops,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Asks about paths on a thread that may wait for a disk.
    pub(crate) async fn host_paths<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&HostPaths) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let paths = self.host_paths.clone();
        let asked = pipeline::held::blocking(move || ask(&paths)).await;
        asked.unwrap_or_else(|error| {
            Err(Refusal::Unusable { path: "the path".to_owned(), cause: format!("could not be resolved: {error}") })
        })
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
