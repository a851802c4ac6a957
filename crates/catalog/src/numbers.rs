//! What monitoring asks beside the jobs: how long the queue is, how full the destinations are.

use jiff::Timestamp;

use crate::Catalog;
use crate::destinations::AuthorizationState;
use crate::error::Error;
use crate::sql::{self, record};
use crate::values::Moment;

/// The queue of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueNumbers {
    /// How many runs wait.
    pub queued: i64,
    /// When the one that waits longest was queued.
    pub oldest: Option<Moment>,
}

/// What is known of a destination.
#[derive(Debug, Clone)]
pub struct DestinationNumbers {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Bytes in use, when they were last looked at.
    pub used: Option<i64>,
    /// Bytes allowed; `None` without a limit.
    pub allowed: Option<i64>,
    /// Bytes of all backups there.
    pub stored: i64,
    /// Its authorization, where it needs one and was authorized at least once.
    pub authorization: Option<AuthorizationState>,
}

record!(QueueNumbers, "runs", { queued, oldest });
record!(DestinationNumbers, "destinations", { id, name, used, allowed, stored, authorization = "authorization_state" });

impl QueueNumbers {
    /// Returns for how many seconds the oldest run has waited; 0 if none waits.
    pub fn age(&self, now: Timestamp) -> i64 {
        self.oldest.map_or(0, |oldest| now.duration_since(oldest.0).as_secs().max(0))
    }
}

impl Catalog {
    /// Returns how long the queue is.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn queue_numbers(&self) -> Result<QueueNumbers, Error> {
        let text = "SELECT COUNT(*) AS queued, MIN(created_at) AS oldest FROM runs WHERE state = 'queued'";
        Ok(sql::one(&self.db, text, []).await?.unwrap_or(QueueNumbers { queued: 0, oldest: None }))
    }

    /// Returns what is known of every destination, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn destination_numbers(&self) -> Result<Vec<DestinationNumbers>, Error> {
        let text = "SELECT d.id, d.name, d.authorization_state, s.used, s.allowed, CAST(COALESCE((SELECT SUM(u.bytes) \
                    FROM destination_usage u WHERE u.destination_id = d.id), 0) AS BIGINT) AS stored FROM destinations d \
                    LEFT JOIN destination_space s ON s.destination_id = d.id \
                    AND s.day = (SELECT MAX(l.day) FROM destination_space l WHERE l.destination_id = d.id) \
                    ORDER BY d.name_key";
        sql::all(&self.db, text, []).await
    }
}
