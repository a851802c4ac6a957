//! Asks a PostgreSQL server: through the driver, or where that cannot log in as libpq would, through psql.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::Postgres;
use super::connection::Connection;
use super::login::{Login, Refused};
use super::query_error::QueryError;
use super::tools::Tool;
use super::{psql, sql};
use crate::guard::{Guard, Unguarded};

/// Maximum size of an answer in bytes.
pub(super) const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// Maximum time for a statement that only reads, as PostgreSQL writes it.
pub(super) const STATEMENT_TIMEOUT: &str = "30s";
/// Maximum time for a question with its connection, and for each statement of a session that is over in a moment.
pub(super) const QUESTION_TIMEOUT: Duration = Duration::from_secs(90);
/// Maximum time for statements that change something: creating or dropping a large database takes its time.
pub(super) const CHANGE_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);
/// Maximum time for a COMMIT: a busy disk, or a standby that has to confirm it.
pub(super) const COMMIT_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Maximum time for the guard of a change that holds its locks. Everybody who connects to a database that is being renamed waits.
pub(super) const GUARD_TIMEOUT: Duration = Duration::from_secs(10);
/// The settings of a session that changes something: it waits for no lock for long, since everybody else who connects would wait behind
/// it; the server notices that its client has gone (PostgreSQL 14 and later); settings of the role or the database do not bar a change
/// that was asked for; and names travel as they are stored.
pub(super) const CHANGE_SETTINGS: &str = "SET lock_timeout = '10s'; SET statement_timeout = '2h'; \
    SET default_transaction_read_only = off; SET client_encoding = 'SQL_ASCII'; \
    SELECT pg_catalog.set_config(name, '5s', false) FROM pg_catalog.pg_settings WHERE name = 'client_connection_check_interval' \
    AND version() ~ 'linux'";
/// Databases in which a connection may be kept between two questions: it bars nobody there. (It would in template1, which new
/// databases are copied from, and in the target of a restore.)
const KEPT_OPEN: &str = "postgres";

/// Rows of fields, as the server has them. NULL is the empty field.
pub(super) type Rows = Vec<Vec<Vec<u8>>>;

/// In which encoding names and texts travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Byte by byte as they are stored: a database is found by the same bytes with which one connects to it.
    AsStored,
    /// Converted where the server can, for people to read.
    Readable,
}

impl Encoding {
    /// Returns its name in PostgreSQL.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AsStored => "SQL_ASCII",
            Self::Readable => "UTF8",
        }
    }
}

/// What is known of the ways to ask a source, and the connection that waits for its next question.
#[derive(Default)]
pub(super) struct Lines {
    login: OnceLock<Option<Login>>,
    needs_libpq: AtomicBool,
    idle: Mutex<Option<Connection>>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("needs_libpq", &self.needs_libpq).finish_non_exhaustive()
    }
}

/// SQL for one database of a server.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    /// The server.
    pub(super) source: &'a Postgres,
    /// The database that is connected to.
    pub(super) database: &'a str,
    /// The SQL. Several statements are one transaction.
    pub(super) sql: &'a str,
    /// How names and texts travel.
    pub(super) encoding: Encoding,
    /// Asked before a change is committed.
    pub(super) guard: &'a dyn Guard,
}

/// Runs SQL through `database`. Several statements are one transaction.
pub(super) async fn ask(source: &Postgres, database: &str, sql: &str, encoding: Encoding) -> Result<Rows, QueryError> {
    answer(Request { source, database, sql, encoding, guard: &Unguarded }).await
}

/// Runs SQL. What changes something is committed only after the guard has passed it, and by this process.
pub(super) async fn answer(request: Request<'_>) -> Result<Rows, QueryError> {
    // Boxed: what waits for an answer would otherwise grow with every function that waits for it, up to the size of a thread's stack.
    let mut rows = if is_question(request.sql) {
        within(QUESTION_TIMEOUT, Box::pin(question(request))).await?
    } else {
        Box::pin(change(request)).await?
    };
    // Functions that return nothing leave empty fields.
    rows.retain(|row| row.len() > 1 || row.iter().any(|field| !field.is_empty()));
    Ok(rows)
}

/// Counts rows within a limit, and with all rows in view: where a policy would hide some, the statement fails. Each row of the answer ends
/// with a count, and may have a number before it. The error says why nothing was counted.
pub(super) async fn count(
    source: &Postgres,
    database: &str,
    sql: &str,
    limit: Duration,
) -> Result<Vec<(u64, u64)>, String> {
    let connection = within(QUESTION_TIMEOUT, connect(source, database)).await;
    let failed = |error: QueryError| error.into_error(source, sql).cause().to_owned();
    let Some(mut connection) = connection.map_err(failed)? else {
        return Err("the server can only be asked through psql".to_owned());
    };
    let rows = connection.count(sql, limit).await.map_err(failed)?;
    let number = |field: Option<&Vec<u8>>| -> Option<u64> { std::str::from_utf8(field?).ok()?.parse().ok() };
    let pair = |row: &Vec<Vec<u8>>| Some((number(row.first())?, number(row.last())?));
    rows.iter().map(pair).collect::<Option<_>>().ok_or_else(|| "the server's answer is no number".to_owned())
}

/// Limits a statement: a server that does not answer in time counts as a session that ended.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, QueryError>>,
) -> Result<T, QueryError> {
    let expired =
        || QueryError::ended(format!("timeout expired: no answer from the server within {} s", limit.as_secs()));
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(expired()))
}

/// Asks the guard of a change that holds its locks, for a short time: others wait for them.
pub(super) async fn confirm(guard: &dyn Guard) -> Result<(), QueryError> {
    match tokio::time::timeout(GUARD_TIMEOUT, guard.check()).await {
        Ok(checked) => checked.map_err(QueryError::Stopped),
        Err(_) => Err(QueryError::Unconfirmed),
    }
}

async fn question(request: Request<'_>) -> Result<Rows, QueryError> {
    let Request { source, database, sql, encoding, .. } = request;
    if let Some(mut connection) = take_idle(source, database) {
        match connection.question(sql, encoding).await {
            // The server or a firewall has ended it meanwhile.
            Err(error) if error.is_end_of_session() => {}
            answer => {
                keep_idle(source, database, connection, &answer);
                return answer;
            }
        }
    }
    let Some(mut connection) = connect(source, database).await? else { return psql::ask(request).await };
    let answer = connection.question(sql, encoding).await;
    keep_idle(source, database, connection, &answer);
    answer
}

async fn change(request: Request<'_>) -> Result<Rows, QueryError> {
    let Request { source, database, sql, guard, .. } = request;
    match within(QUESTION_TIMEOUT, connect(source, database)).await? {
        Some(mut connection) if takes_no_transaction(sql) => connection.change_alone(sql, guard).await,
        Some(mut connection) => connection.change(sql, guard).await,
        None => return psql::ask(request).await,
    }
    .map(|()| Rows::new())
}

/// Connects by the driver. `None` leaves it to libpq.
pub(super) async fn connect(source: &Postgres, database: &str) -> Result<Option<Connection>, QueryError> {
    let lines = &source.lines;
    let login = lines.login.get_or_init(|| Login::of(source).ok());
    let Some(login) = login.as_ref().filter(|_| !lines.needs_libpq.load(Ordering::Relaxed)) else { return Ok(None) };
    match Box::pin(login.connect(database)).await {
        Ok(connection) => Ok(Some(connection)),
        Err(Refused::Said { words, sqlstate }) => Err(QueryError::Connect { words, sqlstate }),
        // Without psql, the driver's words are better than none.
        Err(Refused::LeftToLibpq(words)) if Tool::find_any("psql").await.is_err() => Err(QueryError::ended(words)),
        Err(Refused::LeftToLibpq(_)) => {
            lines.needs_libpq.store(true, Ordering::Relaxed);
            Ok(None)
        }
    }
}

fn take_idle(source: &Postgres, database: &str) -> Option<Connection> {
    (database == KEPT_OPEN).then(|| source.lines.idle.lock().unwrap_or_else(PoisonError::into_inner).take())?
}

/// Keeps a connection for the next question, unless it has an open transaction, which an error leaves.
fn keep_idle(source: &Postgres, database: &str, connection: Connection, answer: &Result<Rows, QueryError>) {
    if answer.is_ok() && database == KEPT_OPEN && source.database.as_deref() != Some(KEPT_OPEN) {
        *source.lines.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }
}

/// One statement that only reads has a time limit, and needs none of the session's settings.
pub(super) fn is_question(sql: &str) -> bool {
    let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    ["SELECT", "WITH", "SHOW"].contains(&first.as_str()) && !sql::tokens(sql).any(|token| token == ";")
}

/// Returns whether SQL is a statement that takes no transaction.
pub(super) fn takes_no_transaction(sql: &str) -> bool {
    let words: Vec<String> = sql.split_whitespace().take(2).map(str::to_ascii_uppercase).collect();
    let is_alone = !sql::tokens(sql).any(|token| token == ";");
    is_alone
        && matches!(words.as_slice(), [first, second] if (first == "CREATE" || first == "DROP") && second == "DATABASE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reading_has_a_time_limit() {
        assert!(is_question("SELECT 1") && is_question("\n with x AS (SELECT 1) SELECT * FROM x"));
        assert!(is_question("SELECT 1 FROM pg_database WHERE datname = 'a;b'"), "a name is no end");
        for change in ["CREATE DATABASE x", "SELECT pg_terminate_backend(1); ALTER DATABASE a RENAME TO b"] {
            assert!(!is_question(change), "{change}");
        }
    }

    #[test]
    fn a_database_is_created_and_dropped_outside_of_a_transaction() {
        assert!(takes_no_transaction("CREATE DATABASE \"a;b\" TEMPLATE template0"));
        assert!(takes_no_transaction("drop  database x"));
        for other in ["ALTER DATABASE a RENAME TO b", "CREATE TABLE t (a int)", "DROP DATABASE x; SELECT 1", ""] {
            assert!(!takes_no_transaction(other), "{other}");
        }
    }
}
