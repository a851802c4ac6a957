//! Asks through psql what the driver cannot: a login by GSSAPI, a certificate that rustls does not accept, a database whose encoding
//! cannot be converted, and whatever else [`super::settings`] leaves to libpq.

use pipeline::process::{Command, EXIT_PATIENCE, Input, Output, Process, ProcessError};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::Postgres;
use super::change::{Extent, Work};
use super::cures::Operation;
use super::query::{
    self, CHANGE_SETTINGS, CHANGE_TIMEOUT, COMMIT_TIMEOUT, Encoding, MAX_ANSWER, Request, Rows, STATEMENT_TIMEOUT,
    is_question, takes_no_transaction,
};
use super::query_error::{QueryError, SqlError, doing};
use super::tools::Tool;
use crate::error;
use crate::guard::Guard;

/// The row after which only the commit is left.
const READY: &str = "dbackup: ready to commit";

/// Stands for the SQLSTATE of a refusal that cannot be told from its words.
const UNKNOWN: &str = "XX000";

/// SQLSTATEs of a connection that the server refuses. psql does not print them.
const REFUSALS: [(&str, &str); 4] = [
    ("password authentication failed", "28P01"),
    ("pg_hba.conf", "28000"),
    ("FATAL:  database \"", "3D000"),
    // The server has answered, in whatever language: libpq's own words have no severity in front of them.
    (":  ", UNKNOWN),
];

/// Runs SQL. Several statements are one transaction, which this process commits after the guard has passed it: whatever happens to it
/// before, psql ends without the commit.
pub(super) async fn ask(request: Request<'_>) -> Result<Rows, QueryError> {
    match ask_once(request).await {
        // Nothing converts MULE_INTERNAL to UTF-8: the server refuses the connection.
        Err(QueryError::Connect { sqlstate: Some(code), .. })
            if request.encoding == Encoding::Readable && code == UNKNOWN =>
        {
            ask_once(Request { encoding: Encoding::AsStored, ..request }).await
        }
        answer => answer,
    }
}

async fn ask_once(request: Request<'_>) -> Result<Rows, QueryError> {
    let Request { source, database, sql, encoding, guard } = request;
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
    command.environment.push(("PGCLIENTENCODING".into(), encoding.name().into()));
    let output = if is_question(sql) {
        run(&command, sql).await.map_err(|error| failure(source, sql, &error))
    } else {
        change(&command, source, sql, guard).await
    };
    output.map(|bytes| parse_csv(&bytes))
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
async fn change(command: &Command, source: &Postgres, sql: &str, guard: &dyn Guard) -> Result<Vec<u8>, QueryError> {
    let failed = |error: &ProcessError| failure(source, sql, error);
    let (process, stdin, stdout) = command.start().map_err(|error| failed(&error))?;
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
        return Err(failed(&unusable(&process, "it has no pipes".to_owned())));
    };
    let who = Extent::Session.question();
    let script = format!("{CHANGE_SETTINGS}\n\\g /dev/null\n{who};\nCOMMIT;\n{sql}\n;\nSELECT '{READY}';\n");
    let mut stdout = BufReader::new(stdout.take(MAX_ANSWER + 1));
    let mut work = None;
    let reading = async {
        let written = stdin.write_all(script.as_bytes());
        let read = async {
            work = read_line(&mut stdout).await.and_then(|line| Work::parse(&line, Extent::Session));
            read_until_ready(&mut stdout).await
        };
        Ok(tokio::join!(written, read).1)
    };
    let rows = query::within(CHANGE_TIMEOUT, reading).await;
    let of_last = |error: QueryError| match work {
        Some(work) => error.of_last(work),
        None => error,
    };
    let error = match rows {
        Ok(Some(rows)) => {
            // Dropped with a refusal, psql is killed before it is told to commit.
            query::confirm(guard).await?;
            let committed = feed(Some(stdin), "COMMIT;\n").await;
            return match process.finish(Some(COMMIT_TIMEOUT)).await {
                Ok(_) if committed => Ok(rows),
                Ok(_) => Err(of_last(failed(&broken_off("it did not take the commit")))),
                Err(error) => Err(of_last(failed(&error))),
            };
        }
        Ok(None) => {
            drop(stdin);
            let ended = process.finish(Some(EXIT_PATIENCE)).await;
            failed(&ended.map_or_else(|error| error, |_| broken_off("it ended before the commit")))
        }
        Err(error) => error,
    };
    // Nothing was committed, unless the statement does that by itself.
    Err(if takes_no_transaction(sql) { of_last(error) } else { error })
}

async fn read_line(stdout: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = String::new();
    stdout.read_line(&mut line).await.ok()?;
    Some(line.trim_end().to_owned())
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

fn broken_off(why: &str) -> ProcessError {
    ProcessError::Failed { name: "psql".to_owned(), status: "broken off".to_owned(), stderr: why.to_owned() }
}

fn unusable(_killed_when_dropped: &Process, why: String) -> ProcessError {
    ProcessError::Failed { name: "psql".to_owned(), status: "its output cannot be used".to_owned(), stderr: why }
}

fn failure(source: &Postgres, sql: &str, error: &ProcessError) -> QueryError {
    if let ProcessError::Failed { stderr, .. } = error {
        if let Some(words) = stderr.strip_prefix("psql: error: ") {
            let known = REFUSALS.iter().find(|(sign, _)| words.contains(sign));
            return QueryError::Connect {
                words: words.to_owned(),
                sqlstate: known.map(|(_, sqlstate)| (*sqlstate).to_owned()),
            };
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
}
