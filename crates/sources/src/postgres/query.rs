//! Asks a PostgreSQL server: through the driver, or where that cannot log in as libpq would, through psql.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::Postgres;
use super::connection::Connection;
use super::cures::{self, Operation};
use super::login::{Login, Refused};
use super::tools::Tool;
use super::{psql, sql};
use crate::error::{Error, Kind};
use crate::guard::{Guard, Unguarded};

/// Maximum size of an answer in bytes.
pub(super) const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// Maximum time for a statement that only reads, as PostgreSQL writes it.
pub(super) const STATEMENT_TIMEOUT: &str = "30s";
/// Maximum time for a question with its connection.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(90);
/// Maximum time for statements that change something: creating or dropping a large database takes its time.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);
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

/// An error that the server reported for a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SqlError {
    /// Its class and kind, five characters (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    pub(super) sqlstate: String,
    /// What happened, in the server's language.
    pub(super) message: String,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum QueryError {
    /// There is no session.
    Connect {
        /// The server's words or the network's, in libpq's form.
        words: String,
        /// The server's code, if it was the server.
        sqlstate: Option<String>,
    },
    /// The server refused a statement.
    Sql(SqlError),
    /// It was stopped before its commit.
    Stopped(Error),
    /// psql could not be run, or broke off.
    Tool(Error),
}

impl QueryError {
    /// Creates the error of a session that ended.
    pub(super) fn lost(words: impl Into<String>) -> Self {
        Self::Connect { words: words.into(), sqlstate: None }
    }

    fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Connect { sqlstate, .. } => sqlstate.as_deref(),
            Self::Sql(error) => Some(&error.sqlstate),
            Self::Stopped(_) | Self::Tool(_) => None,
        }
    }

    /// Returns whether the server answered and refused this database (or knows none of that name), so that another may serve.
    pub(super) fn is_refused_database(&self) -> bool {
        matches!(self, Self::Connect { sqlstate: Some(sqlstate), .. } if sqlstate != "28P01")
    }

    /// Returns the words with which the server's access rules refuse a database. (A role that may not log in has the same SQLSTATE.)
    pub(super) fn refused_by_rules(&self) -> Option<&str> {
        match self {
            Self::Connect { words, sqlstate: Some(sqlstate) }
                if sqlstate == "28000" && words.contains("pg_hba.conf") =>
            {
                Some(words)
            }
            _ => None,
        }
    }

    /// Returns whether the server says that it has no such database.
    pub(super) fn is_absent_database(&self) -> bool {
        matches!(self, Self::Connect { sqlstate: Some(sqlstate), .. } if sqlstate == "3D000")
    }

    /// Returns whether the session is over, rather than the statement refused.
    fn is_end_of_session(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Sql(error) => error.sqlstate.starts_with("57P"),
            Self::Stopped(_) | Self::Tool(_) => false,
        }
    }

    /// The error for the caller of `sql`, with its cure.
    pub(super) fn into_error(self, source: &Postgres, sql: &str) -> Error {
        self.into_error_of(source, Operation::Ask, &doing(source, sql))
    }

    /// The error of an act, with its cure.
    pub(super) fn into_error_of(self, source: &Postgres, operation: Operation, what: &str) -> Error {
        let (kind, sqlstate) = (kind_of(&self), self.sqlstate().map(str::to_owned));
        let cause = match self {
            Self::Tool(error) | Self::Stopped(error) => return error,
            Self::Connect { words, .. } => words,
            Self::Sql(SqlError { sqlstate, message }) => format!("{message} (SQLSTATE {sqlstate})"),
        };
        let cure = source.cure(operation, &cause).or_else(|| cures::by_code(sqlstate.as_deref()?));
        let error = Error::new(kind, what, cause).maybe_cure(cure);
        match sqlstate {
            Some(sqlstate) => error.native_code(sqlstate),
            None => error,
        }
    }
}

/// Returns the kind of an error, by the class of its SQLSTATE.
fn kind_of(error: &QueryError) -> Kind {
    let Some(sqlstate) = error.sqlstate() else {
        return if matches!(error, QueryError::Connect { .. }) { Kind::Unavailable } else { Kind::Failed };
    };
    match (&sqlstate[..sqlstate.len().min(2)], sqlstate) {
        ("28", _) | (_, "42501") => Kind::Denied,
        (_, "3D000") => Kind::NotFound,
        (_, "53100") => Kind::Full,
        ("08" | "53" | "57", _) => Kind::Unavailable,
        _ => Kind::Failed,
    }
}

/// What failed: a question, or the statement that begins the SQL.
pub(super) fn doing(source: &Postgres, sql: &str) -> String {
    if is_question(sql) || sql.trim_start().starts_with("SELECT") {
        return format!("could not ask {}", source.address());
    }
    let statement: Vec<&str> = sql.split_whitespace().take(2).collect();
    format!("{} failed at {}", statement.join(" "), source.address())
}

/// Runs SQL through `database`. Several statements are one transaction.
pub(super) async fn ask(source: &Postgres, database: &str, sql: &str, encoding: Encoding) -> Result<Rows, QueryError> {
    ask_guarded(source, database, sql, encoding, &Unguarded).await
}

/// As [`ask`]. What changes something is committed only after the guard has passed it, and by this process.
pub(super) async fn ask_guarded(
    source: &Postgres,
    database: &str,
    sql: &str,
    encoding: Encoding,
    guard: &dyn Guard,
) -> Result<Rows, QueryError> {
    let limit = if is_question(sql) { QUESTION_TIMEOUT } else { CHANGE_TIMEOUT };
    let answered = tokio::time::timeout(limit, ask_in_time(source, database, sql, encoding, guard)).await;
    let mut rows = answered.unwrap_or_else(|_| {
        Err(QueryError::lost(format!("timeout expired: no answer from the server within {} s", limit.as_secs())))
    })?;
    // Functions that return nothing leave empty fields.
    rows.retain(|row| row.len() > 1 || row.iter().any(|field| !field.is_empty()));
    Ok(rows)
}

async fn ask_in_time(
    source: &Postgres,
    database: &str,
    sql: &str,
    encoding: Encoding,
    guard: &dyn Guard,
) -> Result<Rows, QueryError> {
    if let Some(mut connection) = take_idle(source, database).filter(|_| is_question(sql)) {
        match connection.question(sql, encoding).await {
            // The server or a firewall has ended it meanwhile.
            Err(error) if error.is_end_of_session() => {}
            answer => {
                keep_idle(source, database, connection, &answer);
                return answer;
            }
        }
    }
    let Some(mut connection) = connect(source, database).await? else {
        return psql::ask(source, database, sql, encoding, guard).await;
    };
    if !is_question(sql) {
        return connection.change(sql, takes_no_transaction(sql), guard).await.map(|()| Rows::new());
    }
    let answer = connection.question(sql, encoding).await;
    keep_idle(source, database, connection, &answer);
    answer
}

/// Connects by the driver. `None` leaves it to libpq.
pub(super) async fn connect(source: &Postgres, database: &str) -> Result<Option<Connection>, QueryError> {
    let lines = &source.lines;
    let login = lines.login.get_or_init(|| Login::of(source).ok());
    let Some(login) = login.as_ref().filter(|_| !lines.needs_libpq.load(Ordering::Relaxed)) else { return Ok(None) };
    match login.connect(database).await {
        Ok(connection) => Ok(Some(connection)),
        Err(Refused::Said { words, sqlstate }) => Err(QueryError::Connect { words, sqlstate }),
        // Without psql, the driver's words are better than none.
        Err(Refused::LeftToLibpq(words)) if Tool::find_any("psql").await.is_err() => Err(QueryError::lost(words)),
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
fn takes_no_transaction(sql: &str) -> bool {
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

    #[test]
    fn what_a_program_decides_by_follows_from_the_sqlstate() {
        let sql = |sqlstate: &str| QueryError::Sql(SqlError { sqlstate: sqlstate.to_owned(), message: String::new() });
        for (sqlstate, kind) in
            [("42501", Kind::Denied), ("53100", Kind::Full), ("53300", Kind::Unavailable), ("42P01", Kind::Failed)]
        {
            assert_eq!(kind_of(&sql(sqlstate)), kind);
        }
        assert_eq!(kind_of(&QueryError::lost("Connection refused")), Kind::Unavailable);
    }
}
