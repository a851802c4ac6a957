//! Asks a PostgreSQL server through psql: SQL on its standard input, CSV on its output, errors with their SQLSTATE.

use std::time::Duration;

use pipeline::process::{Command, EXIT_PATIENCE, Input, Output, Process, ProcessError};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::Postgres;
use super::cures::Operation;
use super::tools::Tool;
use crate::error::{self, Error};
use crate::guard::{Guard, Unguarded};

/// Maximum size of an answer in bytes.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// Maximum time for a statement that only reads, as PostgreSQL writes it.
const STATEMENT_TIMEOUT: &str = "30s";
/// Maximum time for a question with its connection.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(90);
/// Maximum time for statements that change something: creating or dropping a large database takes its time.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);
/// The settings of a session that changes something: it waits for no lock for long, since everybody else who connects would wait behind
/// it; the server notices that psql has gone (PostgreSQL 14 and later); and settings of the role or the database do not bar a change that was
/// asked for.
const CHANGE_SETTINGS: &str = "SET lock_timeout = '10s'; SET statement_timeout = '2h'; SET default_transaction_read_only = off; \
    SELECT pg_catalog.set_config(name, '5s', false) FROM pg_catalog.pg_settings WHERE name = 'client_connection_check_interval' \
    AND version() ~ 'linux' \
    \\g /dev/null\nCOMMIT;\n";
/// The row after which only the commit is left.
const READY: &str = "dbackup: ready to commit";

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
    /// There is no session: libpq's words.
    Connect(String),
    /// The server refused a statement.
    Sql(SqlError),
    /// It was stopped before its commit.
    Stopped(Error),
    /// psql could not be run, or broke off.
    Tool(Error),
}

impl SqlError {
    /// Finds the error in what psql says with `VERBOSITY=verbose`: `ERROR:  42P01: relation "x" does not exist`.
    fn parse(words: &str) -> Option<Self> {
        let mut lines = words.lines().skip_while(|line| sqlstate_of(line).is_none_or(is_notice));
        let (sqlstate, message) = sqlstate_of(lines.next()?)?;
        let mut message = message.to_owned();
        // The message may go on for lines; every field after it has a label of its own.
        for line in lines.take_while(|line| !is_field(line)) {
            message.push('\n');
            message.push_str(line);
        }
        Some(Self { sqlstate: sqlstate.to_owned(), message })
    }
}

/// Splits `SEVERITY:  SQLSTATE: message`, whatever stands before it.
fn sqlstate_of(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(":  ")?;
    let (sqlstate, message) = rest.split_once(": ")?;
    let is_sqlstate = sqlstate.len() == 5 && sqlstate.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    is_sqlstate.then_some((sqlstate, message))
}

/// Success, warnings and "no data" are no errors.
fn is_notice((sqlstate, _): (&str, &str)) -> bool {
    ["00", "01", "02"].iter().any(|class| sqlstate.starts_with(class)) || sqlstate == "25P01"
}

fn is_field(line: &str) -> bool {
    let label = line.split_once(':').map_or("", |(label, _)| label);
    ["DETAIL", "HINT", "QUERY", "CONTEXT", "LOCATION"].contains(&label) || label.starts_with("LINE ")
}

impl QueryError {
    /// Returns whether the server answered and refused this database (or knows none of that name), so that another may serve.
    pub(super) fn is_refused_database(&self) -> bool {
        let Self::Connect(words) = self else { return false };
        is_of_server(words) && !words.contains("password authentication failed")
    }

    /// Returns the words with which the server's access rules refuse a database.
    pub(super) fn refused_by_rules(&self) -> Option<&str> {
        match self {
            Self::Connect(words) if is_of_server(words) && words.contains("pg_hba.conf") => Some(words),
            _ => None,
        }
    }

    /// Returns whether the server says that it has no such database.
    pub(super) fn is_absent_database(&self, database: &str) -> bool {
        matches!(self, Self::Connect(words) if words.contains(&format!("FATAL:  database \"{database}\" does not exist")))
    }

    /// The error for the caller of `sql`, with its cure.
    pub(super) fn into_error(self, source: &Postgres, sql: &str) -> Error {
        let what = doing(source, sql);
        let (cause, sqlstate) = match self {
            Self::Tool(error) | Self::Stopped(error) => return error,
            Self::Connect(words) => (words, None),
            Self::Sql(SqlError { sqlstate, message }) => (format!("{message} (SQLSTATE {sqlstate})"), Some(sqlstate)),
        };
        let cure = source.cure(Operation::Ask, &cause);
        let error = Error::failed(what, cause).maybe_cure(cure);
        match sqlstate {
            Some(sqlstate) => error.native_code(sqlstate),
            None => error,
        }
    }
}

/// Whether the server has answered, in whatever language: libpq's own words have no severity in front of them.
fn is_of_server(words: &str) -> bool {
    words.contains(":  ")
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

/// As [`ask`]. What changes something is committed only after the guard has passed it, and by this process: whatever happens to it before,
/// psql ends without the commit.
pub(super) async fn ask_guarded(
    source: &Postgres,
    database: &str,
    sql: &str,
    encoding: Encoding,
    guard: &dyn Guard,
) -> Result<Rows, QueryError> {
    let psql = Tool::find_any("psql").await.map_err(QueryError::Tool)?;
    let mut command = psql.command(source).arguments([
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--csv",
        "--no-password",
        "--set=ON_ERROR_STOP=1",
        // A transaction begins with the first statement, except for those that take none (CREATE DATABASE).
        "--set=AUTOCOMMIT=off",
        "--set=VERBOSITY=verbose",
        "--set=SHOW_CONTEXT=never",
        &format!("--dbname={}", source.reading_conninfo(database)),
    ]);
    let client_encoding = if encoding == Encoding::AsStored { "SQL_ASCII" } else { "UTF8" };
    command.environment.push(("PGCLIENTENCODING".into(), client_encoding.into()));
    let running = async {
        if is_question(sql) {
            run(&command, sql).await.map_err(Ended::Tool)
        } else {
            change(&command, sql, guard).await
        }
    };
    let limit = if is_question(sql) { QUESTION_TIMEOUT } else { CHANGE_TIMEOUT };
    let output = tokio::time::timeout(limit, running).await;
    let output = output.map_err(|_| {
        QueryError::Connect(format!("timeout expired: no answer from the server within {} s", limit.as_secs()))
    })?;
    output.map(|bytes| parse_csv(&bytes)).map_err(|ended| match ended {
        Ended::Tool(error) => failure(source, sql, &error),
        Ended::Stopped(error) => QueryError::Stopped(error),
    })
}

/// One statement that only reads has a time limit, and needs none of the session's settings.
fn is_question(sql: &str) -> bool {
    let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    ["SELECT", "WITH", "SHOW"].contains(&first.as_str()) && !sql.contains(';')
}

/// How psql ended without an answer.
enum Ended {
    Tool(ProcessError),
    Stopped(Error),
}

impl From<ProcessError> for Ended {
    fn from(error: ProcessError) -> Self {
        Self::Tool(error)
    }
}

/// Runs one statement that only reads.
async fn run(command: &Command, sql: &str) -> Result<Vec<u8>, ProcessError> {
    let (process, stdin, stdout) = command.start()?;
    let script = format!(
        "SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'; SET LOCAL search_path = pg_catalog;\n{sql}\n;\nCOMMIT;\n"
    );
    // A psql that has failed does not read on: its exit tells why.
    let (_, output) = tokio::join!(feed(stdin, &script), read(stdout));
    match output {
        Ok(output) => process.finish(Some(EXIT_PATIENCE)).await.map(|_| output),
        Err(why) => Err(unusable(&process, why)),
    }
}

/// Runs statements up to their commit, asks the guard, and commits.
async fn change(command: &Command, sql: &str, guard: &dyn Guard) -> Result<Vec<u8>, Ended> {
    let (process, stdin, stdout) = command.start()?;
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
        return Err(unusable(&process, "it has no pipes".to_owned()).into());
    };
    let script = format!("{CHANGE_SETTINGS}{sql}\n;\nSELECT '{READY}';\n");
    let mut stdout = BufReader::new(stdout.take(MAX_ANSWER + 1));
    let (_, rows) = tokio::join!(stdin.write_all(script.as_bytes()), read_until_ready(&mut stdout));
    if let Some(rows) = rows {
        // Dropped with a refusal, psql is killed before it is told to commit.
        guard.check().await.map_err(Ended::Stopped)?;
        let committed = feed(Some(stdin), "COMMIT;\n").await;
        process.finish(Some(EXIT_PATIENCE)).await?;
        return if committed { Ok(rows) } else { Err(broken_off("psql", "it did not take the commit").into()) };
    }
    drop(stdin);
    match process.finish(Some(EXIT_PATIENCE)).await {
        Ok(_) => Err(broken_off("psql", "it ended before the commit").into()),
        Err(error) => Err(error.into()),
    }
}

/// Returns the rows before the one that says that only the commit is left; `None` if it does not come.
async fn read_until_ready(stdout: &mut (impl AsyncBufRead + Unpin)) -> Option<Vec<u8>> {
    let mut rows = Vec::new();
    loop {
        let before = rows.len();
        if stdout.read_until(b'\n', &mut rows).await.ok()? == 0 {
            return None;
        }
        if rows[before..].trim_ascii_end() == READY.as_bytes() {
            rows.truncate(before);
            return Some(rows);
        }
    }
}

/// Returns whether all of it was taken.
async fn feed(stdin: Option<Input>, script: &str) -> bool {
    let Some(mut stdin) = stdin else { return false };
    stdin.write_all(script.as_bytes()).await.is_ok() && stdin.shutdown().await.is_ok()
}

/// Reads an answer; the error says why it cannot be used.
async fn read(stdout: Option<Output>) -> Result<Vec<u8>, String> {
    let mut output = Vec::new();
    let stdout = stdout.ok_or("psql has no output")?;
    stdout.take(MAX_ANSWER + 1).read_to_end(&mut output).await.map_err(|error| error.to_string())?;
    if output.len() as u64 <= MAX_ANSWER { Ok(output) } else { Err(format!("more than {MAX_ANSWER} bytes")) }
}

fn broken_off(name: &str, why: &str) -> ProcessError {
    ProcessError::Failed { name: name.to_owned(), status: "broken off".to_owned(), stderr: why.to_owned() }
}

fn unusable(_killed_when_dropped: &Process, why: String) -> ProcessError {
    ProcessError::Failed { name: "psql".to_owned(), status: "its output cannot be used".to_owned(), stderr: why }
}

fn failure(source: &Postgres, sql: &str, error: &ProcessError) -> QueryError {
    if let ProcessError::Failed { stderr, .. } = error {
        if let Some(words) = stderr.strip_prefix("psql: error: ") {
            return QueryError::Connect(words.to_owned());
        }
        if let Some(error) = SqlError::parse(stderr) {
            return QueryError::Sql(error);
        }
    }
    QueryError::Tool(error::of_tool(doing(source, sql), error, |words| source.cure(Operation::Ask, words)))
}

/// Parses psql's CSV: lines end with a line feed; fields with a comma, a quote or a line end in them are quoted.
fn parse_csv(bytes: &[u8]) -> Rows {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), Vec::new());
    let mut quoted = false;
    let mut bytes = bytes.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.next_if_eq(&b'"').is_some() => field.push(b'"'),
            b'"' => quoted = !quoted,
            b',' if !quoted => row.push(std::mem::take(&mut field)),
            b'\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            byte => field.push(byte),
        }
    }
    // Functions that return nothing leave empty lines.
    rows.retain(|row| row.len() > 1 || row.iter().any(|field| !field.is_empty()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_hold_anything() {
        let rows = parse_csv(b"a,\"b\"\"c,d\ne\",,x\x1fy\n\n\"\"\n7\n");
        assert_eq!(rows, [vec![b"a".to_vec(), b"b\"c,d\ne".to_vec(), vec![], b"x\x1fy".to_vec()], vec![b"7".to_vec()]]);
        assert_eq!(parse_csv(b"\xe9,1\n"), [[b"\xe9".to_vec(), b"1".to_vec()]]);
    }

    #[test]
    fn errors_carry_their_sqlstate_in_any_language() {
        for (words, sqlstate, message) in [
            (
                "ERROR:  42P01: relation \"x\" does not exist\nLINE 1: SELECT * FROM x\nLOCATION:  f, g.c:1",
                "42P01",
                "relation \"x\" does not exist",
            ),
            (
                "WARNING:  25P01: there is no transaction in progress\nLOCATION:  f, g.c:1\npsql:<stdin>:2: FEHLER:  42501: keine Berechtigung für Tabelle t",
                "42501",
                "keine Berechtigung für Tabelle t",
            ),
            ("NOTICE:  00000: a notice\nERROR:  P0001: two\nlines\nDETAIL:  d\nHINT:  h", "P0001", "two\nlines"),
            (
                "FATAL:  57P01: terminating connection due to administrator command",
                "57P01",
                "terminating connection due to administrator command",
            ),
        ] {
            let error = SqlError::parse(words).unwrap();
            assert_eq!((error.sqlstate.as_str(), error.message.as_str()), (sqlstate, message), "{words}");
        }
        assert_eq!(SqlError::parse("server closed the connection unexpectedly"), None);
    }

    #[test]
    fn only_reading_has_a_time_limit() {
        assert!(is_question("SELECT 1") && is_question("\n with x AS (SELECT 1) SELECT * FROM x"));
        for change in ["CREATE DATABASE x", "SELECT pg_terminate_backend(1); ALTER DATABASE a RENAME TO b"] {
            assert!(!is_question(change), "{change}");
        }
    }
}
