//! A connection of the driver: questions, changes that this process commits, and an end that leaves nothing running in the server.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::change::{Extent, Work};
use super::query::{
    self, CHANGE_SETTINGS, CHANGE_TIMEOUT, COMMIT_TIMEOUT, Encoding, MAX_ANSWER, QUESTION_TIMEOUT, Rows,
    STATEMENT_TIMEOUT,
};
use super::query_error::{QueryError, SqlError};
use crate::guard::Guard;

/// Maximum time to tell a server that nobody waits for a statement any more.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// A session in one database. Its socket is read and written only while it is asked, and is closed at once when it is dropped: what was
/// not committed never is. Dropped in the middle of a statement, it cancels that, too.
pub(super) struct Connection {
    client: Client,
    socket: Socket,
    tls: MakeRustlsConnect,
    is_busy: bool,
}

/// Reads and writes a socket until it is closed. The mutex is never locked: it makes a session shareable.
struct Socket(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("is_busy", &self.is_busy).finish_non_exhaustive()
    }
}

impl Connection {
    /// Wraps a client, whose socket `running` reads and writes.
    pub(super) fn new(
        client: Client,
        running: impl Future<Output = ()> + Send + 'static,
        tls: MakeRustlsConnect,
    ) -> Self {
        Self { client, socket: Socket(Mutex::new(Some(Box::pin(running)))), tls, is_busy: false }
    }

    /// Runs one statement in a transaction of its own, with limits that end with it.
    pub(super) async fn question(&mut self, sql: &str, encoding: Encoding) -> Result<Rows, QueryError> {
        self.is_busy = true;
        let settings = format!("SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'");
        let rows = self.socket.drive(question(&self.client, &settings, sql, encoding)).await;
        self.is_busy = false;
        rows
    }

    /// As [`Self::question`], with a limit of its own, and no policy that hides rows.
    pub(super) async fn count(&mut self, sql: &str, limit: Duration) -> Result<Rows, QueryError> {
        self.is_busy = true;
        let settings =
            format!("SET LOCAL statement_timeout = '{}ms'; SET LOCAL row_security = off", limit.as_millis().max(1));
        let rows = self.socket.drive(question(&self.client, &settings, sql, Encoding::AsStored)).await;
        self.is_busy = false;
        rows
    }

    /// Runs statements in one transaction, asks the guard, and commits.
    pub(super) async fn change(&mut self, sql: &str, guard: &dyn Guard) -> Result<(), QueryError> {
        self.batch(CHANGE_SETTINGS, QUESTION_TIMEOUT).await?;
        self.batch("BEGIN", QUESTION_TIMEOUT).await?;
        self.batch(sql, CHANGE_TIMEOUT).await?;
        let work = self.work(Extent::Transaction).await?;
        if let Err(error) = query::confirm(guard).await {
            // A server that learns late of the connection's end would hold the locks until then.
            let _ = self.batch("ROLLBACK", QUESTION_TIMEOUT).await;
            return Err(error);
        }
        self.last("COMMIT", COMMIT_TIMEOUT, work).await
    }

    /// Asks the guard, and runs a statement that takes no transaction.
    pub(super) async fn change_alone(&mut self, sql: &str, guard: &dyn Guard) -> Result<(), QueryError> {
        self.batch(CHANGE_SETTINGS, QUESTION_TIMEOUT).await?;
        let work = self.work(Extent::Session).await?;
        guard.check().await.map_err(QueryError::Stopped)?;
        self.last(sql, CHANGE_TIMEOUT, work).await
    }

    /// Runs the statement after which the change has happened.
    async fn last(&mut self, sql: &str, limit: Duration, work: Work) -> Result<(), QueryError> {
        self.batch(sql, limit).await.map_err(|error| error.of_last(work))
    }

    async fn work(&mut self, extent: Extent) -> Result<Work, QueryError> {
        let answer = self.value(&extent.question()).await?.unwrap_or_default();
        Work::parse(&answer, extent).ok_or_else(|| QueryError::ended("the server does not list this session"))
    }

    async fn batch(&mut self, sql: &str, limit: Duration) -> Result<(), QueryError> {
        self.is_busy = true;
        let running = self.socket.drive(self.client.batch_execute(sql));
        // One that is given up leaves the session busy: its end cancels the statement.
        let done = query::within(limit, async { Ok(running.await) }).await?;
        let done = done.map_err(|error| failure(&error));
        if let Err(QueryError::Sql(_)) = done {
            // PostgreSQL tells an error before it lets go of the statement's locks: only the next answer tells that it has.
            let released = self.socket.drive(self.client.batch_execute(""));
            let _ = query::within(QUESTION_TIMEOUT, async { Ok(released.await) }).await;
        }
        self.is_busy = false;
        done
    }

    /// Runs a statement of a moment, and returns the first field of its first row as text.
    pub(super) async fn value(&mut self, sql: &str) -> Result<Option<String>, QueryError> {
        self.is_busy = true;
        let running = self.socket.drive(self.client.simple_query(sql));
        let messages = query::within(QUESTION_TIMEOUT, async { Ok(running.await) }).await?;
        self.is_busy = false;
        Ok(messages.map_err(|error| failure(&error))?.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten().map(str::to_owned),
            _ => None,
        }))
    }
}

impl Socket {
    /// Reads and writes for as long as `work` takes. Once the socket is closed, work that needs it fails.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let running = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::future::poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            if running.as_mut().is_some_and(|socket| socket.as_mut().poll(context).is_ready()) {
                *running = None;
            }
            work.as_mut().poll(context)
        })
        .await
    }
}

async fn question(client: &Client, settings: &str, sql: &str, encoding: Encoding) -> Result<Rows, QueryError> {
    let encoding = encoding.name();
    let begin = format!(
        "BEGIN; {settings}; SET LOCAL search_path = pg_catalog; \
         SET LOCAL client_encoding = '{encoding}'"
    );
    client.batch_execute(&begin).await.map_err(|error| failure(&error))?;
    let rows = rows(client, sql).await?;
    client.batch_execute("COMMIT").await.map_err(|error| failure(&error))?;
    Ok(rows)
}

/// Runs one statement and returns its rows. Nothing is prepared: poolers may give each transaction another server connection.
async fn rows(client: &Client, sql: &str) -> Result<Rows, QueryError> {
    let no_parameters = std::iter::empty::<(&(dyn ToSql + Sync), Type)>();
    let rows = client.query_typed_raw(sql, no_parameters).await.map_err(|error| failure(&error))?;
    let mut rows = std::pin::pin!(rows);
    let (mut answer, mut size) = (Rows::new(), 0);
    while let Some(row) = rows.try_next().await.map_err(|error| failure(&error))? {
        let fields: Result<Vec<Vec<u8>>, _> =
            (0..row.len()).map(|column| row.try_get::<_, Field>(column).map(|field| field.0)).collect();
        let fields = fields.map_err(|error| failure(&error))?;
        size += fields.iter().map(Vec::len).sum::<usize>();
        if size as u64 > MAX_ANSWER {
            return Err(QueryError::ended(format!("the answer has more than {MAX_ANSWER} bytes")));
        }
        answer.push(fields);
    }
    Ok(answer)
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.is_busy {
            return;
        }
        let (token, tls) = (self.client.cancel_token(), self.tls.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // The server ends the statement by itself later if this does not reach it (client_connection_check_interval, statement_timeout).
            runtime.spawn(async move { tokio::time::timeout(CANCEL_TIMEOUT, token.cancel_query(tls)).await });
        }
    }
}

/// A value as psql would print it; NULL is empty.
struct Field(Vec<u8>);

impl<'a> FromSql<'a> for Field {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let text = match *kind {
            Type::BOOL => if bool::from_sql(kind, raw)? { "t" } else { "f" }.to_owned(),
            Type::INT2 => i16::from_sql(kind, raw)?.to_string(),
            Type::INT4 => i32::from_sql(kind, raw)?.to_string(),
            Type::INT8 => i64::from_sql(kind, raw)?.to_string(),
            Type::OID => u32::from_sql(kind, raw)?.to_string(),
            // Texts and names travel as they are in both formats.
            _ => return Ok(Self(raw.to_vec())),
        };
        Ok(Self(text.into_bytes()))
    }

    fn from_sql_null(_kind: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Vec::new()))
    }

    fn accepts(kind: &Type) -> bool {
        // Others have a binary format that is not their text.
        const KNOWN: [Type; 11] = [
            Type::BOOL,
            Type::INT2,
            Type::INT4,
            Type::INT8,
            Type::OID,
            Type::TEXT,
            Type::NAME,
            Type::VARCHAR,
            Type::BPCHAR,
            Type::CHAR,
            Type::VOID,
        ];
        KNOWN.contains(kind) || *kind == Type::UNKNOWN
    }
}

fn failure(error: &tokio_postgres::Error) -> QueryError {
    if let Some(said) = error.as_db_error() {
        return QueryError::Sql(SqlError {
            sqlstate: said.code().code().to_owned(),
            message: said.message().to_owned(),
        });
    }
    let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
    QueryError::ended(format!("server closed the connection unexpectedly: {error}{cause}"))
}
