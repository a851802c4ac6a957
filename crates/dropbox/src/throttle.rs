//! The bandwidth limit. It is the process's: all clients with the same limit share it, in each direction.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

/// Both directions of a limit.
#[derive(Debug)]
pub(crate) struct Throttles {
    pub(crate) sending: Arc<Throttle>,
    pub(crate) receiving: Throttle,
}

static SHARED: LazyLock<Mutex<HashMap<Option<NonZeroU64>, Weak<Throttles>>>> = LazyLock::new(Mutex::default);

impl Throttles {
    /// The throttles of everything in this process that has this limit.
    pub(crate) fn shared(bytes_per_second: Option<NonZeroU64>) -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, throttles| throttles.strong_count() > 0);
        if let Some(throttles) = shared.get(&bytes_per_second).and_then(Weak::upgrade) {
            return throttles;
        }
        let sending = Arc::new(Throttle::new(bytes_per_second));
        let throttles = Arc::new(Self { sending, receiving: Throttle::new(bytes_per_second) });
        shared.insert(bytes_per_second, Arc::downgrade(&throttles));
        throttles
    }
}

/// Hands out the time at which so many bytes may move.
#[derive(Debug)]
pub(crate) struct Throttle {
    bytes_per_second: Option<NonZeroU64>,
    next: Mutex<Option<Instant>>,
}

impl Throttle {
    /// No limit if none is given.
    pub(crate) fn new(bytes_per_second: Option<NonZeroU64>) -> Self {
        Self { bytes_per_second, next: Mutex::default() }
    }

    /// Books `bytes`; the caller waits until the given time before it moves more. None means at once.
    pub(crate) fn book(&self, bytes: usize) -> Option<Instant> {
        let speed = self.bytes_per_second?;
        let time = Duration::from_secs_f64(bytes as f64 / speed.get() as f64);
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let free = next.map_or(now, |next| next.max(now)) + time;
        *next = Some(free);
        Some(free)
    }

    /// The same, and waits.
    pub(crate) async fn pass(&self, bytes: usize) {
        if let Some(free) = self.book(bytes) {
            tokio::time::sleep_until(free).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_together_are_no_faster_than_allowed() {
        let (throttle, start) = (Throttle::new(NonZeroU64::new(1000)), Instant::now());
        for _ in 0..10 {
            throttle.pass(500).await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        tokio::time::sleep(Duration::from_secs(60)).await;
        // Time in which nothing moved is not saved up.
        throttle.pass(2000).await;
        assert_eq!(start.elapsed(), Duration::from_secs(67));
        Throttle::new(None).pass(1 << 40).await;
        assert_eq!(start.elapsed(), Duration::from_secs(67));
    }
}
