//! A session that stays: what it holds, it holds until this is dropped, or this process ends in whatever way.

use super::Postgres;
use super::connection::Connection;
use super::cures::Operation;
use super::psql_session::PsqlSession;
use super::query::{self, QUESTION_TIMEOUT};
use super::query_error::QueryError;
use crate::error::Error;

/// A parameter that is unknown before PostgreSQL 14: without it, such a server has no limit either.
const NO_IDLE_LIMIT: &str =
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'";

/// A session that is asked several times.
#[derive(Debug)]
pub(super) struct Session {
    source: Postgres,
    what: String,
    line: Line,
}

#[derive(Debug)]
enum Line {
    Driver(Connection),
    Psql(Box<PsqlSession>),
}

impl Session {
    /// Opens a session, within [`QUESTION_TIMEOUT`]; `what` fails with it.
    pub(super) async fn open(source: &Postgres, database: &str, what: String) -> Result<Self, Error> {
        let connecting = query::within(QUESTION_TIMEOUT, query::connect(source, database));
        let line = match connecting.await.map_err(|error| failed(source, &what, error))? {
            Some(mut connection) => {
                let set = connection.value(NO_IDLE_LIMIT).await;
                set.map_err(|error| failed(source, &what, error))?;
                Line::Driver(connection)
            }
            None => Line::Psql(Box::new(PsqlSession::open(source, database, &what).await?)),
        };
        Ok(Self { source: source.clone(), what, line })
    }

    /// Asks for one row of one field, within [`QUESTION_TIMEOUT`].
    pub(super) async fn ask(mut self, sql: &str) -> Result<(Self, String), Error> {
        let value = self.value(sql).await?;
        Ok((self, value))
    }

    async fn value(&mut self, sql: &str) -> Result<String, Error> {
        let Self { source, what, line } = self;
        match line {
            Line::Driver(connection) => {
                let value = connection.value(sql).await;
                value.map(Option::unwrap_or_default).map_err(|error| failed(source, what, error))
            }
            Line::Psql(session) => {
                let asking = async { Ok(session.ask(source, what, sql).await) };
                query::within(QUESTION_TIMEOUT, asking).await.map_err(|error| failed(source, what, error))?
            }
        }
    }
}

fn failed(source: &Postgres, what: &str, error: QueryError) -> Error {
    error.into_error_of(source, Operation::Restore, what)
}
