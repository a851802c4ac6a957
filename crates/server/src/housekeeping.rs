//! Removes what has expired, and what is older than it has to be kept, a little at a time.

use std::time::Duration;

use catalog::Aging;
use jiff::Timestamp;

use crate::app::App;

/// How often it is looked for what can be removed.
const TIDY_INTERVAL: Duration = Duration::from_secs(600);
/// Maximum number of batches of one kind that are removed in a row; the rest waits for the next time.
const MAX_BATCHES: usize = 50;

impl App {
    /// Removes what has expired and what is old, at the start and then every ten minutes.
    pub(crate) async fn tidy(self) {
        loop {
            if let Err(error) = self.remove_old().await {
                tracing::error!(%error, "what has expired could not be removed");
            }
            tokio::time::sleep(TIDY_INTERVAL).await;
        }
    }

    async fn remove_old(&self) -> Result<(), catalog::Error> {
        // A server whose clock is wrong must not end the sessions of the others.
        let now = self.catalog.shared_now(self.now()).await?;
        let ages = self.config.housekeeping;
        self.catalog.forget_expired(now, ages.session_idle, ages.session_age).await?;
        let before = now.checked_sub(ages.run_logs).unwrap_or(Timestamp::UNIX_EPOCH);
        self.catalog.trim_outbox(before).await?;
        for what in Aging::ALL {
            self.remove_aged(what, now).await?;
        }
        Ok(())
    }

    async fn remove_aged(&self, what: Aging, now: Timestamp) -> Result<(), catalog::Error> {
        let ages = self.config.housekeeping;
        let age = match what {
            Aging::RunLogs => ages.run_logs,
            Aging::Runs | Aging::DeletedCopies => ages.runs,
            Aging::Audit => ages.audit,
            Aging::IdempotencyKeys => catalog::MAX_KEY_AGE,
        };
        for _ in 0..MAX_BATCHES {
            if !self.catalog.remove_older(what, age, now).await? {
                break;
            }
        }
        Ok(())
    }
}
