//! When and how long to wait before a call is tried again.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// Bounds for trying again: exponential, half of each wait at random, never past what Dropbox asked for.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// How often one call is tried again, at most.
    pub retries: u32,
    /// The first wait; each later one is twice as long.
    pub first_wait: Duration,
    /// No wait is longer, but for one that Dropbox asks for.
    pub longest_wait: Duration,
    /// What Dropbox asks for (`Retry-After`) is obeyed up to here; more is an error at once.
    pub longest_obeyed: Duration,
    /// Draws from 0.0 to 1.0; a parameter so that tests are repeatable.
    pub jitter: fn() -> f64,
    /// Told of each wait before it begins, so that a person can be.
    pub on_wait: fn(&Error, Duration),
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 8,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_obeyed: Duration::from_secs(300),
            jitter: random_fraction,
            on_wait: |_, _| {},
        }
    }
}

impl RetryPolicy {
    /// Waits after `error` before retry number `retry` (from 0); gives the error back when it is final or patience is over.
    pub(crate) async fn wait_after(&self, error: Error, retry: u32) -> Result<(), Error> {
        if error.is_transient() { self.wait_anyway(error, retry).await } else { Err(error) }
    }

    /// The same for an error that may not be final though it looks so.
    pub(crate) async fn wait_anyway(&self, error: Error, retry: u32) -> Result<(), Error> {
        let Some(wait) = self.wait(retry, asked(&error)) else { return Err(error) };
        (self.on_wait)(&error, wait);
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// The wait of a transfer, which is patient as long as it gets anywhere. Gives [`Error::Stalled`] when it does not.
    pub(crate) async fn wait_in_transfer(&self, error: Error, retry: u32, progress: &Progress) -> Result<(), Error> {
        // One connection of many failed: the others show that Dropbox is there, so that nothing is gained by a long wait.
        let first_wait = self.first_wait / 4;
        let wait = Self { first_wait, ..*self }.paced(retry, asked(&error));
        if progress.last().elapsed() + wait > progress.stall {
            return Err(Error::Stalled { stalled: progress.last().elapsed(), cause: Box::new(error) });
        }
        (self.on_wait)(&error, wait);
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn paced(&self, retry: u32, asked: Option<Duration>) -> Duration {
        let backoff = self.first_wait.saturating_mul(1 << retry.min(16)).min(self.longest_wait);
        let jittered = backoff.mul_f64(0.5 + (self.jitter)().clamp(0.0, 1.0) / 2.0);
        asked.map_or(jittered, |asked| asked + jittered / 4)
    }

    /// The wait before retry number `retry` (from 0); none when it is time to give up.
    fn wait(&self, retry: u32, asked: Option<Duration>) -> Option<Duration> {
        if retry >= self.retries || asked.is_some_and(|asked| asked > self.longest_obeyed) {
            return None;
        }
        Some(self.paced(retry, asked))
    }
}

/// When a transfer last got somewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    last: Mutex<Instant>,
    stall: Duration,
}

impl Progress {
    /// Begins now; `stall` is the time without progress after which a transfer fails.
    pub(crate) fn new(stall: Duration) -> Self {
        Self { last: Mutex::new(Instant::now()), stall }
    }

    pub(crate) fn made(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long Dropbox wants to be left alone.
pub(crate) fn asked(error: &Error) -> Option<Duration> {
    if let Error::RateLimited { retry_after, .. } = error { *retry_after } else { None }
}

/// Chance from the system; without it (never seen) waits are merely not spread.
fn random_fraction() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_is_capped_and_ends() {
        let policy = RetryPolicy { jitter: || 1.0, ..RetryPolicy::default() };
        assert_eq!(policy.wait(0, None), Some(Duration::from_millis(500)));
        assert_eq!(policy.wait(2, None), Some(Duration::from_secs(2)));
        assert_eq!(policy.wait(7, None), Some(Duration::from_secs(30)));
        assert_eq!(policy.wait(8, None), None);
        let spread = RetryPolicy { jitter: || 0.0, ..policy };
        assert_eq!(spread.wait(0, None), Some(Duration::from_millis(250)));
    }

    #[test]
    fn obeys_dropbox_but_not_for_ever() {
        let policy = RetryPolicy::default();
        assert!(policy.wait(0, Some(Duration::from_secs(15))).unwrap() >= Duration::from_secs(15));
        assert_eq!(policy.wait(0, Some(Duration::from_secs(3600))), None);
    }
}
