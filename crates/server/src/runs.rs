//! Runs: queued by people, programs and schedules; worked off a few at a time; watched live.

mod abandoned;
pub(crate) mod backup;
pub(crate) mod copy;
pub(crate) mod executor;
mod guard;
mod items;
mod leftovers;
pub(crate) mod live;
pub(crate) mod log;
mod plan;
mod planning;
mod published;
pub(crate) mod restore;
pub(crate) mod scheduler;
pub(crate) mod stages;
mod unrecorded;
mod unstored;
mod watch;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pipeline::Progress;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use self::live::LiveEvent;
use self::stages::Stages;
use self::unstored::Waiting;
use crate::app::App;
use crate::failure::Failure;

/// Events kept for watchers that are slow; whoever is slower reads the stored log.
const LIVE_EVENTS: usize = 1024;

/// How much longer than a storage or a database may be silent a step of a run may take.
const GRACE: Duration = Duration::from_secs(60);

/// What is going on in this process.
pub(crate) struct Runs {
    /// This process, among those that share a database.
    pub(crate) worker: String,
    active: Mutex<HashMap<String, Active>>,
    /// Abandoned runs whose destinations are being asked what they hold.
    settling: Mutex<HashSet<String>>,
    /// Something was queued, or a schedule was changed.
    pub(crate) changed: Notify,
    live: broadcast::Sender<LiveEvent>,
    /// Held while the queue is counted and a restore or a copy is added to it.
    pub(crate) queueing: tokio::sync::Mutex<()>,
    /// No new runs; and the ones that go on are to end.
    pub(crate) draining: CancellationToken,
}

/// A run that this process works on.
#[derive(Clone)]
pub(crate) struct Active {
    pub(crate) cancel: CancellationToken,
    pub(crate) reason: std::sync::Arc<Mutex<Option<StopReason>>>,
    /// To be shown with every change of the run.
    pub(crate) fence: i64,
    pub(crate) progress: Progress,
    pub(crate) stages: Stages,
    /// Lines of its log that are not stored yet.
    pub(crate) unstored: std::sync::Arc<Waiting>,
}

/// Why a run is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// Somebody asked for it.
    Cancelled,
    /// It took longer than its job allows.
    TimedOut,
    /// The server is stopping.
    ShuttingDown,
    /// Somebody else has taken it over.
    Lost,
}

impl Active {
    /// Stops it; the first reason counts.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.cancel.cancel();
    }

    pub(crate) fn stopped_for(&self) -> Option<StopReason> {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Waits for one of the things that a run needs before its own work begins. A stop ends that, and so does silence.
    async fn prepared<T, E>(&self, active: &Active, step: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        // What has a limit of its own says more: that comes first.
        unless_stopped(&active.cancel, self.config.stall_timeout.saturating_add(GRACE), Box::pin(step)).await
    }
}

async fn unless_stopped<T, E>(
    cancel: &CancellationToken,
    limit: Duration,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure>
where
    Failure: From<E>,
{
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Failure::Stopped),
        done = tokio::time::timeout(limit, step) => match done {
            Ok(done) => Ok(done?),
            Err(_) => Err(Failure::TookTooLong(limit)),
        },
    }
}

impl Runs {
    pub(crate) fn new(worker: String) -> Self {
        Self {
            worker,
            active: Mutex::default(),
            settling: Mutex::default(),
            changed: Notify::new(),
            live: broadcast::channel(LIVE_EVENTS).0,
            queueing: tokio::sync::Mutex::default(),
            draining: CancellationToken::new(),
        }
    }

    pub(crate) fn begin(&self, id: &str, fence: i64) -> Active {
        let active = Active {
            cancel: CancellationToken::new(),
            reason: std::sync::Arc::default(),
            fence,
            progress: Progress::default(),
            stages: Stages::default(),
            unstored: std::sync::Arc::default(),
        };
        self.lock().insert(id.to_owned(), active.clone());
        active
    }

    pub(crate) fn end(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Claims the settling of an abandoned run. Returns `false` if it is under way.
    fn begin_settling(&self, id: &str) -> bool {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned())
    }

    fn end_settling(&self, id: &str) {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    pub(crate) fn active(&self, id: &str) -> Option<Active> {
        self.lock().get(id).cloned()
    }

    pub(crate) fn active_ids(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    pub(crate) fn all_active(&self) -> Vec<Active> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that happens from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<LiveEvent> {
        self.live.subscribe()
    }

    pub(crate) fn tell(&self, event: LiveEvent) {
        // Nobody may be watching.
        let _ = self.live.send(event);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_run_needs_first_ends_with_a_stop_and_with_its_limit() {
        let (cancel, limit) = (CancellationToken::new(), Duration::from_secs(60));
        let hung = unless_stopped(&cancel, limit, pending::<Result<(), Failure>>()).await.unwrap_err();
        assert!(hung.to_string().contains("nothing answered for 60 s"), "{hung}");
        unless_stopped(&cancel, limit, async { Ok::<_, Failure>(()) }).await.unwrap();
        cancel.cancel();
        let stopped = unless_stopped(&cancel, limit, pending::<Result<(), Failure>>()).await;
        assert!(matches!(stopped, Err(Failure::Stopped)));
    }
}
