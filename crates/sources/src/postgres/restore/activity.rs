//! Whether the server works on a restore that gives no sign of its own: everything after the last byte (indexes, constraints).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::super::Postgres;
use super::super::probe::{execute, literal};
use crate::Activity;

/// The sessions in the database that is loaded into.
pub(super) struct Sessions {
    pub(super) source: Postgres,
    pub(super) database: String,
    /// Whether pg_restore may commit.
    pub(super) is_committing: Arc<AtomicBool>,
}

#[async_trait]
impl Activity for Sessions {
    /// A session that waits for a lock, or for a standby to confirm, does not get on by itself
    /// (PostgreSQL's documentation: The Cumulative Statistics System, wait events).
    async fn is_active(&self) -> bool {
        // The commit has a limit of its own, after which it is settled.
        if self.is_committing() {
            return true;
        }
        let sql = format!(
            "SELECT 1 FROM pg_catalog.pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid() AND state = 'active' \
             AND backend_type IN ('client backend', 'parallel worker') AND wait_event_type IS DISTINCT FROM 'Lock' \
             AND wait_event IS DISTINCT FROM 'SyncRep' LIMIT 1",
            literal(&self.database)
        );
        execute(&self.source, &sql).await.is_ok_and(|rows| !rows.is_empty())
    }

    fn is_committing(&self) -> bool {
        self.is_committing.load(Ordering::Relaxed)
    }
}
