//! Whether a run is still wanted: neither cancelled nor refused by its caller's guard.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use destinations::Gate;
use sources::{Error, Guard};
use tokio_util::sync::CancellationToken;

/// A commit that takes longer than this to be settled after a stop is told.
const SETTLING_NOTICE: Duration = Duration::from_secs(2);

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
            () = self.cancel.cancelled() => Err(Error::Stopped("cancelled".to_owned())),
            checked = self.guard.check() => checked,
        }
    }
}

#[async_trait]
impl Gate for Wanted {
    async fn check(&self) -> Result<(), String> {
        Guard::check(self).await.map_err(|error| match error {
            Error::Stopped(why) => why,
            error => error.to_string(),
        })
    }

    async fn closed(&self) {
        self.cancel.cancelled().await;
    }
}

/// Waits for a commit. Once the run is to stop, a commit that was sent is settled all the same, which can take as long as the storage
/// does not answer: `tell` is called then.
pub(crate) async fn settled<T>(
    committing: impl Future<Output = T>,
    cancel: &CancellationToken,
    tell: &(dyn Fn() + Sync),
) -> T {
    tokio::pin!(committing);
    let stopped = async {
        cancel.cancelled().await;
        tokio::time::sleep(SETTLING_NOTICE).await;
    };
    tokio::select! {
        biased;
        committed = &mut committing => return committed,
        () = stopped => tell(),
    }
    committing.await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_during_a_commit_is_told_and_the_commit_is_settled() {
        let told = AtomicUsize::new(0);
        let tell = || {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let (cancel, hour) = (CancellationToken::new(), Duration::from_secs(3600));
        let slow = || async {
            tokio::time::sleep(hour).await;
            "published"
        };
        assert_eq!(settled(slow(), &cancel, &tell).await, "published");
        assert_eq!(told.load(Ordering::Relaxed), 0, "nobody stops it");
        cancel.cancel();
        settled(async {}, &cancel, &tell).await;
        assert_eq!(told.load(Ordering::Relaxed), 0, "it ended at once");
        assert_eq!(settled(slow(), &cancel, &tell).await, "published");
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
