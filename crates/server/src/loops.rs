//! The loops that a server runs until it stops, under watch: one that panics is started again, and one that gets through no more passes is
//! reported by `/readyz`, later by `/healthz`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Time before a loop that has panicked is started again.
const RESTART_WAIT: Duration = Duration::from_secs(1);
/// Time without a pass after which the server is not ready.
pub(crate) const NOT_READY: Duration = Duration::from_secs(60);
/// Time without a pass after which the process should be restarted.
pub(crate) const DEAD: Duration = Duration::from_secs(300);

/// A loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loop {
    /// Claims and carries out runs.
    Worker,
    /// Queues the runs that are due.
    Scheduler,
    /// Removes what is old.
    Housekeeping,
    /// Removes what interrupted restores have left at sources.
    Leftovers,
    /// Scans destinations.
    Scans,
    /// Checks idle authorizations.
    Authorizations,
    /// Judges what has to be told.
    Notifications,
    /// Delivers messages.
    Delivery,
}

impl Loop {
    fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Scheduler => "scheduler",
            Self::Housekeeping => "housekeeping",
            Self::Leftovers => "removal of leftovers",
            Self::Scans => "scan of destinations",
            Self::Authorizations => "check of authorizations",
            Self::Notifications => "notifier",
            Self::Delivery => "delivery of messages",
        }
    }
}

/// When the loops that pass every few seconds did so last.
#[derive(Debug)]
pub(crate) struct Loops(Mutex<[(Loop, Instant); 4]>);

impl Default for Loops {
    fn default() -> Self {
        let watched = [Loop::Worker, Loop::Scheduler, Loop::Notifications, Loop::Delivery];
        Self(Mutex::new(watched.map(|which| (which, Instant::now()))))
    }
}

impl Loops {
    /// Records that a loop has got through a pass, whatever came of it.
    pub(crate) fn passed(&self, which: Loop) {
        let mut passes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, at) in passes.iter_mut().filter(|(watched, _)| *watched == which) {
            *at = Instant::now();
        }
    }

    /// Returns which loop has not got through a pass for that long, in words.
    pub(crate) fn stuck_for(&self, limit: Duration) -> Option<String> {
        let passes = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (which, at) = passes.into_iter().find(|(_, at)| at.elapsed() >= limit)?;
        let seconds = at.elapsed().as_secs();
        Some(format!("the {} has not worked for {seconds} s. Look into the server's log, and restart it", which.name()))
    }
}

/// Runs a loop in the background until `draining`, again whenever it panics.
pub(crate) fn watch<F>(which: Loop, draining: CancellationToken, run: impl Fn() -> F + Send + 'static) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            let ended = AbortOnDropHandle::new(tokio::spawn(run())).await;
            if draining.is_cancelled() {
                return;
            }
            match ended {
                Ok(()) => tracing::error!("the {} has ended; it is started again", which.name()),
                Err(error) => tracing::error!(%error, "the {} broke down; it is started again", which.name()),
            }
            tokio::time::sleep(RESTART_WAIT).await;
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_panics_is_started_again_and_one_that_never_passes_is_named() {
        let (loops, started, draining) =
            (Arc::new(Loops::default()), Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let counted = Arc::clone(&started);
        let handle = watch(Loop::Scheduler, draining.clone(), move || {
            let counted = Arc::clone(&counted);
            async move {
                counted.fetch_add(1, Ordering::SeqCst);
                panic!("a job that nobody can read");
            }
        });
        for _ in 0..61 {
            tokio::time::sleep(RESTART_WAIT).await;
            [Loop::Worker, Loop::Notifications, Loop::Delivery].iter().for_each(|which| loops.passed(*which));
        }
        assert!(started.load(Ordering::SeqCst) > 30);
        let words = loops.stuck_for(NOT_READY).unwrap();
        assert!(words.starts_with("the scheduler has not worked for 61 s"), "{words}");
        assert_eq!(loops.stuck_for(DEAD), None);
        loops.passed(Loop::Scheduler);
        assert_eq!(loops.stuck_for(NOT_READY), None);
        draining.cancel();
        tokio::time::timeout(Duration::from_secs(5), handle).await.unwrap().unwrap();
    }
}
