//! A PostgreSQL that refuses connections: one caller at a time waits for it, all others fail at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::Error;
use tokio::time::Instant;

/// Time after a failed attempt during which all callers fail at once. Then one of them tries again, and the others go on failing until
/// it has an answer.
const FAIL_FAST: Duration = Duration::from_secs(1);

/// What the callers of a pool know of its server.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the last attempt failed. `None` while the server can be reached.
    failed: Option<Instant>,
    is_tried: bool,
}

/// An attempt during an outage. However it ends, the next caller may try.
struct Attempt<'a>(&'a Outage);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.lock().is_tried = false;
    }
}

impl Outage {
    /// Waits for a connection, unless another caller has just failed to get one. `is_down` tells a server that cannot be reached from
    /// a pool whose connections are all in use.
    ///
    /// # Errors
    /// As `connecting`.
    pub(crate) async fn reach<T, Look: Future<Output = bool>>(
        &self,
        connecting: impl Future<Output = Result<T, Error>>,
        is_down: impl FnOnce() -> Look,
    ) -> Result<T, Error> {
        let attempt = self.begin()?;
        let connected = connecting.await;
        let failed = match &connected {
            Err(Error::Io(_)) => true,
            Err(Error::PoolTimedOut) => is_down().await,
            _ => false,
        };
        self.lock().failed = failed.then(Instant::now);
        drop(attempt);
        connected
    }

    fn begin(&self) -> Result<Option<Attempt<'_>>, Error> {
        let mut state = self.lock();
        let Some(failed) = state.failed else { return Ok(None) };
        if state.is_tried || failed.elapsed() < FAIL_FAST {
            return Err(Error::PoolTimedOut);
        }
        state.is_tried = true;
        Ok(Some(Attempt(self)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn while_a_database_refuses_connections_one_caller_waits_and_the_others_fail_at_once() {
        let (outage, tries) = (Outage::default(), AtomicUsize::new(0));
        let connect = |answer: Result<(), Error>| async {
            tries.fetch_add(1, Ordering::Relaxed);
            answer
        };
        outage.reach(connect(Err(Error::PoolTimedOut)), || ready(true)).await.unwrap_err();
        outage.reach(connect(Ok(())), || ready(true)).await.unwrap_err();
        assert_eq!(tries.load(Ordering::Relaxed), 1, "the second caller did not wait");
        tokio::time::advance(FAIL_FAST).await;
        {
            let waiting = outage.reach(pending::<Result<(), Error>>(), || ready(true));
            tokio::pin!(waiting);
            assert!(futures_poll(&mut waiting).is_none());
            outage.reach(connect(Ok(())), || ready(true)).await.unwrap_err();
            assert_eq!(tries.load(Ordering::Relaxed), 1, "another one is trying");
        }
        outage.reach(connect(Ok(())), || ready(true)).await.unwrap();
        outage.reach(connect(Ok(())), || ready(true)).await.unwrap();
        // All connections in use is no outage.
        outage.reach(connect(Err(Error::PoolTimedOut)), || ready(false)).await.unwrap_err();
        outage.reach(connect(Ok(())), || ready(true)).await.unwrap();
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
