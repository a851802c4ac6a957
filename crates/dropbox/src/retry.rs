//! When and how long to wait before a call is tried again.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::settings::DEFAULT_STALL;

/// Bounds for trying again: exponential, half of each wait at random, never past what Dropbox asked for.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Maximum retries of one call.
    pub retries: u32,
    /// A call that may pass is retried for at least this long, even beyond `retries`. Zero: `retries` alone decide.
    pub persistence: Duration,
    /// The first wait; each later one is twice as long.
    pub first_wait: Duration,
    /// No wait is longer, but for one that Dropbox asks for.
    pub longest_wait: Duration,
    /// What Dropbox asks for (`Retry-After`) is obeyed up to here; more is an error at once.
    pub longest_obeyed: Duration,
    /// Draws from 0.0 to 1.0; a parameter so that tests are repeatable.
    pub jitter: fn() -> f64,
    /// Told of each wait before it begins, so that a person can be.
    pub on_wait: fn(&dyn fmt::Display, Duration),
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 8,
            persistence: Duration::ZERO,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_obeyed: Duration::from_secs(300),
            jitter: random_fraction,
            on_wait: |_, _| {},
        }
    }
}

impl RetryPolicy {
    /// For calls that a user waits for: an unreachable Dropbox fails within a few seconds.
    pub fn interactive() -> Self {
        Self {
            retries: 3,
            longest_wait: Duration::from_secs(2),
            longest_obeyed: Duration::from_secs(5),
            ..Self::default()
        }
    }

    /// For unattended runs: every call, the first one included, is retried for as long as a transfer is.
    pub fn unattended() -> Self {
        Self { persistence: DEFAULT_STALL, ..Self::default() }
    }

    /// Waits before the next retry of a call; returns the error if it is final or the retries are used up.
    pub(crate) async fn wait_after(&self, error: Error, attempts: &mut Attempts) -> Result<(), Error> {
        if !error.is_transient() {
            return Err(error);
        }
        let Some(wait) = self.wait(attempts, error.retry_after()) else { return Err(error) };
        attempts.retry = attempts.retry.saturating_add(1);
        (self.on_wait)(&error, wait);
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Waits before the next retry of a transfer, which goes on as long as it makes progress. Returns [`Error::Stalled`] if it
    /// makes none, and the error itself if Dropbox asks for a longer wait than that.
    pub(crate) async fn wait_in_transfer(&self, error: Error, retry: u32, progress: &Progress) -> Result<(), Error> {
        if error.retry_after().is_some_and(|asked| asked > progress.stall) {
            return Err(error);
        }
        // One connection of many failed: the others show that Dropbox is there, so that nothing is gained by a long wait.
        let first_wait = self.first_wait / 4;
        let wait = Self { first_wait, ..*self }.paced(retry, error.retry_after());
        let stalled = progress.last().elapsed();
        if stalled.saturating_add(wait) > progress.stall {
            return Err(Error::Stalled { stalled, cause: Box::new(error) });
        }
        (self.on_wait)(&error, wait);
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// The wait before retry number `retry` (from 0), whether or not it is to be made.
    pub(crate) fn paced(&self, retry: u32, asked: Option<Duration>) -> Duration {
        let backoff = self.first_wait.saturating_mul(1 << retry.min(16)).min(self.longest_wait);
        let jittered = backoff.mul_f64(0.5 + (self.jitter)().clamp(0.0, 1.0) / 2.0);
        asked.map_or(jittered, |asked| asked.saturating_add(jittered / 4))
    }

    /// The wait before the next retry; `None` when it is time to give up.
    fn wait(&self, attempts: &Attempts, asked: Option<Duration>) -> Option<Duration> {
        if asked.is_some_and(|asked| asked > self.longest_obeyed) {
            return None;
        }
        let wait = self.paced(attempts.retry, asked);
        let persists = attempts.since.elapsed().saturating_add(wait) <= self.persistence;
        (attempts.retry < self.retries || persists).then_some(wait)
    }
}

/// How often a call was retried, and since when.
#[derive(Debug)]
pub(crate) struct Attempts {
    retry: u32,
    since: Instant,
}

impl Attempts {
    /// Before the first attempt.
    pub(crate) fn new() -> Self {
        Self { retry: 0, since: Instant::now() }
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

/// Chance from the system; without it (never seen) waits are merely not spread.
fn random_fraction() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_MOST: fn() -> f64 = || 1.0;

    fn after(retry: u32) -> Attempts {
        Attempts { retry, ..Attempts::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn grows_is_capped_and_ends() {
        let policy = RetryPolicy { jitter: AT_MOST, ..RetryPolicy::default() };
        assert_eq!(policy.wait(&after(0), None), Some(Duration::from_millis(500)));
        assert_eq!(policy.wait(&after(2), None), Some(Duration::from_secs(2)));
        assert_eq!(policy.wait(&after(7), None), Some(Duration::from_secs(30)));
        assert_eq!(policy.wait(&after(8), None), None);
        let spread = RetryPolicy { jitter: || 0.0, ..policy };
        assert_eq!(spread.wait(&after(0), None), Some(Duration::from_millis(250)));
    }

    #[tokio::test(start_paused = true)]
    async fn obeys_dropbox_but_not_for_ever() {
        let policy = RetryPolicy::default();
        assert!(policy.wait(&after(0), Some(Duration::from_secs(15))).unwrap() >= Duration::from_secs(15));
        assert_eq!(policy.wait(&after(0), Some(Duration::from_secs(3600))), None);
        assert_eq!(policy.wait(&after(0), Some(Duration::MAX)), None);
        assert_eq!(policy.paced(0, Some(Duration::MAX)), Duration::MAX);
    }

    /// How long a call lasts whose every attempt fails at once.
    async fn given_up_after(policy: RetryPolicy) -> Duration {
        let (mut attempts, start) = (Attempts::new(), Instant::now());
        let failure = || Error::Network { route: "r".to_owned(), reason: "refused".to_owned(), unsent: true };
        while policy.wait_after(failure(), &mut attempts).await.is_ok() {}
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_waits_seconds_and_an_unattended_run_half_an_hour() {
        let policy = |policy: RetryPolicy| RetryPolicy { jitter: AT_MOST, ..policy };
        assert!(given_up_after(policy(RetryPolicy::interactive())).await < Duration::from_secs(5));
        let unattended = given_up_after(policy(RetryPolicy::unattended())).await;
        assert!(unattended > DEFAULT_STALL - Duration::from_secs(60) && unattended <= DEFAULT_STALL, "{unattended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_longer_than_a_transfer_may_stall_is_told_as_it_is() {
        let progress = Progress::new(DEFAULT_STALL);
        let limited = |seconds| Error::RateLimited {
            reason: crate::error::RateLimitReason::TooManyRequests,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let policy = RetryPolicy::default();
        for (seconds, words) in [(3600, "Try again in 60 minutes"), (u64::MAX, "Try again in ")] {
            let error = policy.wait_in_transfer(limited(seconds), 0, &progress).await.unwrap_err();
            assert!(error.to_string().contains(words) && !error.to_string().contains("progress"), "{error}");
        }
        let start = Instant::now();
        policy.wait_in_transfer(limited(300), 0, &progress).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(300));
    }
}
