//! The end of a restore. Once the target may commit, the restore is not given up any more: what becomes of it is waited for and told.

use std::time::Duration;

use domain::run::RunEvent;
use sources::{Activity, Error, Kind, Restore, Restored};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Controls, OpenError};
use crate::stall::{self, in_words};
use crate::wanted::settled;

/// Maximum time for a commit. What is replaced is dropped with it, and SQLite copies the database then: both take long if it is large.
const COMMIT_LIMIT: Duration = Duration::from_secs(6 * 60 * 60);

/// What happens during a restore, as it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreEvent {
    /// The target has done nothing for a while.
    Silent {
        /// For how long.
        since: Duration,
        /// After how long the restore fails.
        limit: Duration,
    },
    /// The commit takes long.
    Committing {
        /// For how long it has been going on.
        since: Duration,
        /// After how long it is given up.
        limit: Duration,
    },
    /// The restore was cancelled while its target committed it, which cannot be undone.
    Settling,
}

impl RestoreEvent {
    /// Returns the event as it is stored and told.
    pub fn to_data(self) -> RunEvent {
        match self {
            Self::Silent { since, limit } => {
                RunEvent::Silent { database: None, seconds: since.as_secs(), limit: limit.as_secs() }
            }
            Self::Committing { since, limit } => {
                RunEvent::Committing { seconds: since.as_secs(), limit: limit.as_secs() }
            }
            Self::Settling => RunEvent::TooLateToCancel,
        }
    }
}

/// Waits until everything is loaded. A cancel ends that at once, unless the target may be committing.
pub(super) async fn unless_cancelled<T>(
    loading: impl Future<Output = Result<T, OpenError>>,
    activity: &dyn Activity,
    controls: &Controls<'_>,
) -> Result<T, OpenError> {
    let mut loading = std::pin::pin!(loading);
    tokio::select! {
        biased;
        () = controls.cancel.cancelled() => {}
        loaded = &mut loading => return loaded,
    }
    if !activity.is_committing() {
        return Err(OpenError::Cancelled);
    }
    (controls.on_event)(RestoreEvent::Settling);
    loading.await
}

/// Puts what was loaded in its place, whatever becomes of the run: the guard is asked before the target changes.
pub(super) async fn commit(
    restoring: Box<dyn Restore>,
    target: &str,
    controls: &Controls<'_>,
) -> Result<Restored, OpenError> {
    let Controls { cancel, on_event, .. } = controls;
    let tell = || on_event(RestoreEvent::Settling);
    let mut committing = std::pin::pin!(settled(restoring.commit(), cancel, &tell));
    if let Ok(committed) = timeout(stall::NOTICE, &mut committing).await {
        return committed.map_err(|error| after(error, cancel));
    }
    on_event(RestoreEvent::Committing { since: stall::NOTICE, limit: COMMIT_LIMIT });
    match timeout(COMMIT_LIMIT.saturating_sub(stall::NOTICE), committing).await {
        Ok(committed) => committed.map_err(|error| after(error, cancel)),
        Err(_) => Err(OpenError::Source(
            Error::new(
                Kind::Uncertain,
                format!("it is unknown whether the restore into {target} is complete"),
                format!("it did not end within {} of its commit", in_words(COMMIT_LIMIT)),
            )
            .cure(
                "Look into the target: it holds either all of the backup, or what it held before. A database beside it whose name contains \
                 __dbackup_ says that the restore has not ended: the next one there removes what this one made",
            ),
        )),
    }
}

/// What a commit failed with, which a cancel must not hide: it may not have been undone.
fn after(error: Error, cancel: &CancellationToken) -> OpenError {
    match error.kind() {
        Kind::Stopped | Kind::Kept { .. } | Kind::Uncertain => OpenError::Source(error),
        _ if cancel.is_cancelled() => OpenError::Leftover { cause: Box::new(OpenError::Cancelled), leftover: error },
        _ => OpenError::Source(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use bytes::Bytes;
    use pipeline::Progress;
    use sources::{Guard, Unguarded};

    use super::*;

    /// A target that commits by itself, or is slow to.
    #[derive(Default)]
    struct Target {
        is_committing: AtomicBool,
        commit: Option<Duration>,
    }

    #[async_trait]
    impl Activity for Target {
        async fn is_active(&self) -> bool {
            true
        }

        fn is_committing(&self) -> bool {
            self.is_committing.load(Ordering::Relaxed)
        }
    }

    #[async_trait]
    impl Restore for Target {
        fn guard(&mut self, _guard: Arc<dyn Guard>) {}

        async fn write(&mut self, _piece: Bytes) -> Result<(), Error> {
            Ok(())
        }

        async fn finish(&mut self) -> Result<(), Error> {
            Ok(())
        }

        async fn commit(self: Box<Self>) -> Result<Restored, Error> {
            match self.commit {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
            Ok(Restored::whole("shop"))
        }

        async fn abort(self: Box<Self>) -> Result<(), Error> {
            Ok(())
        }
    }

    /// Runs with controls that note what is told.
    async fn told<T>(cancel: &CancellationToken, run: impl AsyncFnOnce(&Controls<'_>) -> T) -> (T, Vec<RestoreEvent>) {
        let (progress, told) = (Progress::default(), Mutex::new(Vec::new()));
        let on_event = |event: RestoreEvent| told.lock().unwrap().push(event);
        let controls = Controls {
            progress: &progress,
            cancel,
            guard: Arc::new(Unguarded),
            stall_timeout: stall::STALL_TIMEOUT,
            on_event: &on_event,
        };
        let result = run(&controls).await;
        (result, told.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancel_that_comes_after_the_gate_has_opened_waits_for_the_outcome_and_tells_it() {
        for committed in [true, false] {
            let (target, cancel) = (Target::default(), CancellationToken::new());
            let loading = async {
                target.is_committing.store(true, Ordering::Relaxed);
                cancel.cancel();
                tokio::time::sleep(Duration::from_secs(3600)).await;
                let rolled_back = || OpenError::Source(Error::failed("could not restore", "rolled back"));
                committed.then_some(()).ok_or_else(rolled_back)
            };
            let (loaded, told) =
                told(&cancel, async |controls| unless_cancelled(loading, &target, controls).await).await;
            assert_eq!((loaded.is_ok(), told), (committed, vec![RestoreEvent::Settling]));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancel_that_comes_before_ends_the_restore_at_once() {
        let (target, cancel) = (Target::default(), CancellationToken::new());
        cancel.cancel();
        let loading = std::future::pending::<Result<(), OpenError>>();
        let (loaded, told) = told(&cancel, async |controls| unless_cancelled(loading, &target, controls).await).await;
        assert!(matches!(loaded, Err(OpenError::Cancelled)) && told.is_empty(), "{loaded:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_that_takes_long_is_told_and_one_without_end_is_unknown() {
        let cancel = CancellationToken::new();
        let committing = RestoreEvent::Committing { since: stall::NOTICE, limit: COMMIT_LIMIT };
        for (commit, events) in [(1, vec![]), (7200, vec![committing])] {
            let slow = Box::new(Target { commit: Some(Duration::from_secs(commit)), ..Target::default() });
            let (restored, told) = told(&cancel, async |controls| super::commit(slow, "shop", controls).await).await;
            assert_eq!((restored.unwrap(), told), (Restored::whole("shop"), events));
        }
        let (endless, _) =
            told(&cancel, async |controls| commit(Box::<Target>::default(), "shop", controls).await).await;
        let error = endless.unwrap_err();
        assert!(error.may_have_changed() && error.to_string().starts_with("it is unknown whether"), "{error}");
    }

    #[test]
    fn what_remains_of_a_cancelled_restore_is_told_without_the_promise_that_nothing_was_changed() {
        let leftover = Error::failed("database 'shop' was empty and is partly filled now", "it was filled directly");
        let error = OpenError::Leftover { cause: Box::new(OpenError::Cancelled), leftover };
        assert!(error.may_have_changed());
        assert_eq!(
            error.to_string(),
            "cancelled. Besides, database 'shop' was empty and is partly filled now: it was filled directly"
        );
    }
}
