//! Changes whose answer is lost. A connection can end between a COMMIT and its answer; whether the server has committed is then asked
//! through another one, after everything that the first one began has ended.

use std::time::Duration;

use super::Postgres;
use super::probe::through_any;
use super::query::Rows;
use super::query_error::QueryError;
use crate::guard::{Guard, Unguarded};

/// Maximum time in which a server is asked what became of a change: it may have to start again first.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Pause between two attempts to ask.
const SETTLE_INTERVAL: Duration = Duration::from_millis(250);

/// A change that was sent and not answered.
#[derive(Debug)]
pub(super) struct Lost {
    /// How the session ended.
    pub(super) words: String,
    /// What the server may still be at.
    pub(super) work: Work,
}

/// A transaction or a session, as `pg_stat_activity` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    pid: i64,
    /// Microseconds since 1970.
    started: i64,
    extent: Extent,
}

/// What is ended with a [`Work`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// A transaction: a pooler may give its session to others afterwards.
    Transaction,
    /// A session, for a statement that takes no transaction.
    Session,
}

impl Extent {
    /// SQL that tells the start of a row of `pg_stat_activity` from all others with its pid.
    fn started(self) -> &'static str {
        match self {
            // Without track_activities there is no start of a transaction.
            Self::Transaction => "(extract(epoch FROM coalesce(xact_start, backend_start)) * 1000000)::bigint",
            Self::Session => "(extract(epoch FROM backend_start) * 1000000)::bigint",
        }
    }

    /// Columns of `pg_stat_activity` that [`Work::parse`] reads.
    pub(super) fn columns(self) -> String {
        format!("pid || ' ' || {}", self.started())
    }

    /// A question for the work of the session that asks.
    pub(super) fn question(self) -> String {
        format!("SELECT {} FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()", self.columns())
    }
}

impl Work {
    /// Reads the answer to [`Extent::question`].
    pub(super) fn parse(answer: &str, extent: Extent) -> Option<Self> {
        let (pid, started) = answer.split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, started: started.parse().ok()?, extent })
    }

    /// SQL that ends it. It returns a row for as long as there is something to end.
    fn end(self) -> String {
        format!(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = {} AND {} = {}",
            self.pid,
            self.extent.started(),
            self.started
        )
    }
}

/// Returns the number of the transaction that a session is in, by which [`has_committed`] finds it later. `None` where the server does not
/// show it.
pub(super) async fn transaction_of(source: &Postgres, work: Work) -> Option<i64> {
    // backend_xid has no epoch: it is the latest with these 32 bits.
    let sql = format!(
        "SELECT (next >> 32 << 32) + xid - CASE WHEN xid > (next & 4294967295) THEN 4294967296 ELSE 0 END FROM \
         (SELECT backend_xid::text::bigint AS xid, pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) AS next \
         FROM pg_catalog.pg_stat_activity WHERE pid = {} AND {} = {}) AS session WHERE xid IS NOT NULL",
        work.pid,
        work.extent.started(),
        work.started
    );
    let rows = through_any(source, &sql, &Unguarded).await.ok()?;
    std::str::from_utf8(rows.first()?.first()?).ok()?.parse().ok()
}

/// Returns whether a transaction that has ended was committed; `None` if the server does not know that any more.
///
/// # Errors
/// If the server cannot be asked.
pub(super) async fn has_committed(source: &Postgres, transaction: i64) -> Result<Option<bool>, QueryError> {
    let sql = format!("SELECT pg_catalog.txid_status({transaction})");
    let rows = through_any(source, &sql, &Unguarded).await?;
    Ok(match rows.first().and_then(|row| row.first()).map(Vec::as_slice) {
        Some(b"committed") => Some(true),
        Some(b"aborted") => Some(false),
        _ => None,
    })
}

impl Lost {
    /// Ends what is left of the change, so that nothing of it happens any more.
    ///
    /// # Errors
    /// [`QueryError::Unknown`] if the server cannot be asked.
    pub(super) async fn end(&self, source: &Postgres) -> Result<(), QueryError> {
        self.settle(source, &self.work.end(), |rows| rows.is_empty().then_some(())).await
    }

    /// Ends what is left of the change, then returns whether `happened` has a row.
    ///
    /// # Errors
    /// As [`Self::end`].
    pub(super) async fn has_happened(&self, source: &Postgres, happened: &str) -> Result<bool, QueryError> {
        self.end(source).await?;
        self.settle(source, happened, |rows| Some(!rows.is_empty())).await
    }

    /// Asks until there is an answer that is of use.
    async fn settle<T>(
        &self,
        source: &Postgres,
        question: &str,
        of_use: impl Fn(Rows) -> Option<T>,
    ) -> Result<T, QueryError> {
        let mut cause = "the session does not end".to_owned();
        let asking = async {
            loop {
                match through_any(source, question, &Unguarded).await.map(&of_use) {
                    Ok(Some(answer)) => return answer,
                    Ok(None) => {}
                    Err(error) => cause = error.into_error(source, question).cause().to_owned(),
                }
                tokio::time::sleep(SETTLE_INTERVAL).await;
            }
        };
        let settled = tokio::time::timeout(SETTLE_TIMEOUT, asking).await;
        settled.map_err(|_| QueryError::Unknown { words: self.words.clone(), cause })
    }
}

/// Makes a change that must not be made twice. `happened` is a question that returns a row once it has been made; it is asked if the
/// answer is lost.
///
/// # Errors
/// [`QueryError::Unknown`] if the answer is lost and the server cannot be asked. After any other error nothing was changed.
pub(super) async fn once(source: &Postgres, sql: &str, happened: &str, guard: &dyn Guard) -> Result<(), QueryError> {
    match through_any(source, sql, guard).await {
        Err(QueryError::Lost(lost)) if lost.has_happened(source, happened).await? => Ok(()),
        Err(QueryError::Lost(lost)) => Err(QueryError::ended(lost.words)),
        answer => answer.map(drop),
    }
}

/// Asks a question, or makes a change that does no harm if it is made twice: it is made again if the answer is lost.
///
/// # Errors
/// As [`once`].
pub(super) async fn repeatable(source: &Postgres, sql: &str) -> Result<Rows, QueryError> {
    match through_any(source, sql, &Unguarded).await {
        Err(QueryError::Lost(lost)) => {
            lost.end(source).await?;
            match through_any(source, sql, &Unguarded).await {
                Err(QueryError::Lost(again)) => Err(QueryError::Unknown { words: lost.words, cause: again.words }),
                answer => answer,
            }
        }
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_alone_is_no_session() {
        let work = Work::parse("4711 1790000000123456", Extent::Transaction).unwrap();
        assert!(work.end().contains("pid = 4711 AND (extract(epoch FROM coalesce(xact_start"), "{}", work.end());
        assert!(work.end().ends_with("= 1790000000123456"));
        for other in ["", "4711", "4711 ", "x 1", "1 2; DROP"] {
            assert_eq!(Work::parse(other, Extent::Session), None, "{other}");
        }
    }
}
