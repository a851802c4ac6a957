//! Asking a PostgreSQL server: its version, what a database holds, and SQL in general.

use super::Postgres;
use super::change;
use super::cures::{self, Operation};
use super::query::{self, Encoding, Request, Rows};
use super::query_error::{QueryError, doing};
use crate::error::Error;
use crate::guard::Guard;

/// Databases that servers have, for questions about others.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];
const VERSION: &str = "SELECT current_setting('server_version_num'), current_setting('server_version')";

/// A server's version.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// The major number.
    pub(super) major: u32,
    /// As the server writes it.
    pub(super) version: String,
}

impl Server {
    /// Reads `server_version_num` and `server_version`.
    pub(super) fn parse(number: &str, version: &str) -> Result<Self, Error> {
        let number: u32 = number.parse().map_err(|error| Error::failed("the server's version", error))?;
        Ok(Self { major: number / 10_000, version: version.to_owned() })
    }
}

/// Asks the server for its version, through `database`.
#[allow(dead_code, reason = "for databases of which nothing else is asked")]
pub(super) async fn server(source: &Postgres, database: &str) -> Result<Server, Error> {
    version_of(&query(source, database, VERSION).await?)
}

/// Asks for the version through the database that the address names, or else a maintenance database.
pub(super) async fn any_server(source: &Postgres) -> Result<Server, Error> {
    if let Some(own) = &source.database {
        match query::ask(source, own, VERSION, Encoding::AsStored).await {
            Ok(rows) => return version_of(&readable(rows)),
            Err(error) if error.is_refused_database() => {}
            Err(error) => return Err(error.into_error(source, VERSION)),
        }
    }
    version_of(&execute(source, VERSION).await?)
}

fn version_of(rows: &[Vec<String>]) -> Result<Server, Error> {
    let fields = rows.first().map(Vec::as_slice);
    let Some([number, version]) = fields else { return Err(Error::failed("the server's version", "no answer")) };
    Server::parse(number, version)
}

/// Runs SQL in one transaction, outside of any database in particular. If the answer is lost, it runs again: not for what must not
/// happen twice ([`change::once`]).
pub(super) async fn execute(source: &Postgres, sql: &str) -> Result<Vec<Vec<String>>, Error> {
    execute_raw(source, sql).await.map(readable)
}

/// As [`execute`], with the bytes as they are stored.
pub(super) async fn execute_raw(source: &Postgres, sql: &str) -> Result<Rows, Error> {
    change::repeatable(source, sql).await.map_err(|error| error.into_error(source, sql))
}

/// Runs SQL through the first database that lets the role in: `postgres`, `template1`, and last the one that the address names.
pub(super) async fn through_any(source: &Postgres, sql: &str, guard: &dyn Guard) -> Result<Rows, QueryError> {
    let mut refusals = Vec::new();
    for database in entries(source) {
        match query::answer(Request { source, database: &database, sql, encoding: Encoding::AsStored, guard }).await {
            Ok(rows) => {
                // Only a hint: whichever answers first is remembered.
                let _ = source.entry.set(database);
                return Ok(rows);
            }
            Err(error) if error.is_refused_database() => refusals.push((database, error)),
            Err(error) => return Err(error),
        }
    }
    Err(QueryError::Tool(no_entry(source, sql, refusals)))
}

fn entries(source: &Postgres) -> Vec<String> {
    let own = source.database.as_deref();
    let maintenance = MAINTENANCE.into_iter().filter(|database| own != Some(database));
    let known = source.entry.get().map(String::as_str);
    let mut entries: Vec<String> = Vec::new();
    for database in known.into_iter().chain(maintenance).chain(own) {
        if !entries.iter().any(|entry| entry == database) {
            entries.push(database.to_owned());
        }
    }
    entries
}

/// No database lets the role in: the refusal that tells most is the last that is not about an absent database.
fn no_entry(source: &Postgres, sql: &str, refusals: Vec<(String, QueryError)>) -> Error {
    let present = refusals.into_iter().rev().find(|(_, error)| !error.is_absent_database());
    let Some((_, QueryError::Connect { words, sqlstate })) = present else {
        return Error::failed(doing(source, sql), "there is no database to ask through (postgres or template1)")
            .cure("Create one (CREATE DATABASE postgres), or name a database that exists");
    };
    let cure = source.cure(Operation::Ask, &words).unwrap_or_else(|| source.with_role(cures::ENTRY));
    QueryError::Connect { words, sqlstate }.into_error(source, sql).cure(cure)
}

/// Runs SQL through one database, in one transaction; rows of fields. NULL is the empty text.
pub(super) async fn query(source: &Postgres, database: &str, sql: &str) -> Result<Vec<Vec<String>>, Error> {
    let rows = query::ask(source, database, sql, Encoding::AsStored).await;
    rows.map(readable).map_err(|error| error.into_error(source, sql))
}

/// Runs SQL through one database, with names converted for people to read.
pub(super) async fn query_readable(source: &Postgres, database: &str, sql: &str) -> Result<Vec<Vec<String>>, Error> {
    let rows = query::ask(source, database, sql, Encoding::Readable).await;
    rows.map(readable).map_err(|error| error.into_error(source, sql))
}

fn readable(rows: Rows) -> Vec<Vec<String>> {
    let text = |field: Vec<u8>| {
        String::from_utf8(field).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    };
    rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
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
