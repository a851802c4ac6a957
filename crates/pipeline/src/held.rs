//! What work on other threads holds until it ends: a request's place in its limits.
//!
//! A file system call that hangs in the kernel cannot be cancelled. Its task can be dropped, but its thread goes on. So the thread
//! itself owns the place of the request: what hangs is never started again and again.

use std::any::Any;
use std::sync::Arc;

/// Released when the last owner drops it.
pub type Place = Arc<dyn Any + Send + Sync>;

tokio::task_local! {
    static PLACE: Option<Place>;
}

/// Runs `work`. Every blocking call in it owns `place` until the call returns, even if `work` is dropped before.
pub async fn holding<T>(place: Option<Place>, work: impl Future<Output = T>) -> T {
    PLACE.scope(place, work).await
}

/// Returns the place of the work at hand. `None` outside [`holding`].
pub fn place() -> Option<Place> {
    PLACE.try_with(Clone::clone).ok().flatten()
}

/// Runs `call` on a thread where it may block, and lets it own the place of the work at hand until it returns.
///
/// # Errors
/// If it panicked, or the runtime is stopping.
pub async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    let place = place();
    tokio::task::spawn_blocking(move || {
        let _held = place;
        call()
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_call_that_hangs_owns_its_place_although_nobody_waits_for_it() {
        let place: Place = Arc::new(());
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, ended) = mpsc::sync_channel::<()>(1);
        let hanging = blocking(move || {
            let _ = begun.send(());
            let _ = ended.recv();
        });
        let work = tokio::spawn(holding(Some(Arc::clone(&place)), hanging));
        has_begun.await.unwrap();
        work.abort();
        let _ = work.await;
        assert_eq!(Arc::strong_count(&place), 2, "the thread owns it");
        end.send(()).unwrap();
        while Arc::strong_count(&place) > 1 {
            tokio::task::yield_now().await;
        }
        assert!(super::place().is_none());
    }
}
