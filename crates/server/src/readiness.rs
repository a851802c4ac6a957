//! Whether the metadata database can be written. Anybody may ask, and a write to disk answers: one a second serves all who do.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long an answer counts.
const VALID: Duration = Duration::from_secs(1);
/// Maximum time for one look. A database that takes longer is not ready.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// The last answer.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Result<(), String>)>>);

impl Readiness {
    /// Returns the last answer if it still counts, or else the one of `look`. All who ask meanwhile wait for it.
    ///
    /// # Errors
    /// In words what is wrong.
    pub(crate) async fn check(&self, look: impl Future<Output = Result<(), String>>) -> Result<(), String> {
        let mut last = self.0.lock().await;
        if let Some((_, answer)) = last.as_ref().filter(|(at, _)| at.elapsed() < VALID) {
            return answer.clone();
        }
        let answer = tokio::time::timeout(LOOK_TIMEOUT, look).await;
        let answer = answer.unwrap_or_else(|_| Err("the metadata database does not answer".to_owned()));
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_who_ask_cause_one_write_and_hear_its_answer() {
        let (readiness, writes) = (Readiness::default(), AtomicUsize::new(0));
        let ask = || {
            readiness.check(async {
                writes.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err("the disk is full".to_owned())
            })
        };
        let answers = futures_util::future::join_all((0..64).map(|_| ask())).await;
        assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|words| words == "the disk is full")));
        assert_eq!(writes.load(Ordering::Relaxed), 1);
        // An answer that is old counts no longer.
        let old = Instant::now().checked_sub(VALID).unwrap();
        *readiness.0.lock().await = Some((old, Ok(())));
        assert!(ask().await.is_err());
        assert_eq!(writes.load(Ordering::Relaxed), 2);
    }
}
