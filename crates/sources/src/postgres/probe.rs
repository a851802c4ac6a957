//! Asking a PostgreSQL server: its version, its databases, what one holds.

use std::time::Duration;

use pipeline::process::ANSWER_TIMEOUT;

use super::Postgres;
use super::tools::{Tool, cure};

use crate::Databases;
use crate::error::Error;

/// Databases that servers have, for questions about others: the first that is there, and is not itself in question, serves.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];
const VERSION: &str = "SELECT current_setting('server_version_num'), current_setting('server_version')";
/// Answers are short; a longer one is no answer.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// Maximum time for a statement that changes something: creating or dropping a database waits for checkpoints and files.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// A server's version.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// The major number.
    pub(super) major: u32,
    /// As the server writes it.
    pub(super) version: String,
}

/// Asks the server for its version, through `database`.
pub(super) async fn server(source: &Postgres, database: &str) -> Result<Server, Error> {
    version_of(&query(source, database, VERSION).await?)
}

/// Asks for the version through a maintenance database.
pub(super) async fn any_server(source: &Postgres) -> Result<Server, Error> {
    version_of(&execute(source, VERSION).await?)
}

fn version_of(rows: &[Vec<String>]) -> Result<Server, Error> {
    let fields = rows.first().map(Vec::as_slice);
    let Some([number, version]) = fields else { return Err(Error::failed("the server's version", "no answer")) };
    let number: u32 = number.parse().map_err(|error| Error::failed("the server's version", error))?;
    Ok(Server { major: number / 10_000, version: version.clone() })
}

/// Every database that takes connections, templates aside.
pub(super) async fn databases(source: &Postgres) -> Result<Databases, Error> {
    let sql = "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname";
    Ok(Databases::all(execute(source, sql).await?.into_iter().flatten().collect()))
}

/// Runs SQL in one transaction, outside of any database in particular.
pub(super) async fn execute(source: &Postgres, sql: &str) -> Result<Vec<Vec<String>>, Error> {
    for database in MAINTENANCE {
        if source.database.as_deref() == Some(database) {
            continue;
        }
        let absent = format!("database \"{database}\" does not exist");
        match query(source, database, sql).await {
            Err(Error::Failed { cause, .. }) if cause.contains(&absent) => {}
            result => return result,
        }
    }
    Err(Error::failed(source.address(), "there is no database to ask through (postgres or template1)"))
}

/// Runs SQL through psql; rows of fields. NULL is the empty text.
pub(super) async fn query(source: &Postgres, database: &str, sql: &str) -> Result<Vec<Vec<String>>, Error> {
    let psql = Tool::find_any("psql").await?;
    let timeout = if sql.starts_with("SELECT") { ANSWER_TIMEOUT } else { STATEMENT_TIMEOUT };
    let command = psql.command(source).arguments([
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--no-password",
        "--set=ON_ERROR_STOP=1",
        "--field-separator=\u{1f}",
        "--record-separator-zero",
        &format!("--dbname={}", source.conninfo(database)),
        &format!("--command={sql}"),
    ]);
    let output = command
        .output_within(MAX_ANSWER, timeout)
        .await
        .map_err(|error| Error::of_tool(format!("could not ask {}", source.address()), &error, cure))?;
    let text = String::from_utf8(output).map_err(|error| Error::failed("the server's answer", error))?;
    Ok(text
        .split('\0')
        .filter(|row| !row.is_empty())
        .map(|row| row.split('\u{1f}').map(str::to_owned).collect())
        .collect())
}

/// A text as SQL, whatever it holds.
pub(super) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''").replace('\\', "\\\\");
    if text.contains('\\') { format!("E'{quoted}'") } else { format!("'{quoted}'") }
}

/// A name as SQL, whatever it holds.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
