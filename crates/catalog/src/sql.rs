//! Runs statements on either database: one text with `$1` placeholders for both.
//!
//! sqlx's own `Any` driver is not used: it has neither SQLite's connection options and hooks nor typed NULLs for PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column as _, ColumnIndex, Connection as _, Database, Decode, Encode, Postgres, Row as _, Sqlite,
    Type,
};

use crate::error::Error;
use crate::outage::Outage;
use crate::values::{FromColumn, Value};

/// The values of a statement, in the order of its placeholders.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::values::Value::from($value)),*] };
}
pub(crate) use values;

/// The open connections to the database.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool, Arc<Outage>),
}

impl Pool {
    /// Starts a transaction that will write. SQLite takes its write lock now: it refuses the upgrade of a read transaction when
    /// another connection has written meanwhile (<https://www.sqlite.org/lang_transaction.html>).
    pub(crate) async fn begin(&self) -> Result<Transaction, Error> {
        Ok(match self {
            Self::Sqlite(pool) => Transaction::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool, outage) => {
                // Boxed, as below: a connection's future is large, and so would be all that wait for it.
                let beginning = outage.reach(Box::pin(pool.begin()), || Box::pin(is_down(pool)));
                Transaction::Postgres(in_time(beginning).await?)
            }
        })
    }

    /// Returns the SQL for the database's own time in milliseconds since 1970, which is the same for all servers that share it.
    pub(crate) fn clock(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::Postgres(..) => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// Closes every connection once it is returned.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool, _) => pool.close().await,
        }
    }
}

/// A transaction. It is rolled back when it is dropped.
#[derive(Debug)]
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    pub(crate) async fn commit(self) -> Result<(), Error> {
        let committed = match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => in_time(transaction.commit()).await,
        };
        Ok(committed?)
    }
}

/// What runs statements: `&Pool`, each on any connection, or `&mut Transaction`.
pub(crate) trait Executor: Send {
    /// Runs a statement to its end and returns its rows.
    fn fetch(self, sql: &str, values: Vec<Value>) -> impl Future<Output = Result<Vec<Row>, sqlx::Error>> + Send;

    /// Runs a statement and returns the number of rows changed.
    fn execute(self, sql: &str, values: Vec<Value>) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;
}

impl Executor for &Pool {
    async fn fetch(self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Pool::Sqlite(pool) => rows(query(sql, values).fetch_all(pool).await?, Row::Sqlite),
            Pool::Postgres(pool, outage) => {
                let mut connection = outage.reach(Box::pin(pool.acquire()), || Box::pin(is_down(pool))).await?;
                let answer = in_time(query(sql, values).fetch_all(&mut *connection)).await;
                rows(answer.inspect_err(|error| give_up(&mut connection, error))?, Row::Postgres)
            }
        })
    }

    async fn execute(self, sql: &str, values: Vec<Value>) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Pool::Sqlite(pool) => query(sql, values).execute(pool).await?.rows_affected(),
            Pool::Postgres(pool, outage) => {
                let mut connection = outage.reach(Box::pin(pool.acquire()), || Box::pin(is_down(pool))).await?;
                let answer = in_time(query(sql, values).execute(&mut *connection)).await;
                answer.inspect_err(|error| give_up(&mut connection, error))?.rows_affected()
            }
        })
    }
}

impl Executor for &mut Transaction {
    async fn fetch(self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Transaction::Sqlite(open) => rows(query(sql, values).fetch_all(&mut **open).await?, Row::Sqlite),
            Transaction::Postgres(open) => {
                rows(in_time(query(sql, values).fetch_all(&mut **open)).await?, Row::Postgres)
            }
        })
    }

    async fn execute(self, sql: &str, values: Vec<Value>) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Transaction::Sqlite(open) => query(sql, values).execute(&mut **open).await?.rows_affected(),
            Transaction::Postgres(open) => in_time(query(sql, values).execute(&mut **open)).await?.rows_affected(),
        })
    }
}

/// A PostgreSQL server that vanished without a word is waited for no longer. SQLite's waits end by its busy timeout.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum time to connect once more where a pool gave no connection.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(STATEMENT_TIMEOUT, answer).await.unwrap_or_else(|_| {
        let words = format!("no answer within {} seconds", STATEMENT_TIMEOUT.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, words)))
    })
}

/// Returns whether a server refuses one more connection, so that a pool that gave none was not only in use.
async fn is_down(pool: &PgPool) -> bool {
    let options = pool.connect_options();
    match tokio::time::timeout(PROBE_TIMEOUT, PgConnection::connect_with(&options)).await {
        Ok(Ok(connection)) => {
            // It has served its purpose, however it ends.
            let _ = connection.close_hard().await;
            false
        }
        Ok(Err(error)) => matches!(error, sqlx::Error::Io(_)),
        Err(_) => true,
    }
}

/// A connection that does not answer is not used again: the next statement would wait for this one's answer.
fn give_up(connection: &mut PoolConnection<Postgres>, error: &sqlx::Error) {
    if matches!(error, sqlx::Error::Io(_)) {
        connection.close_on_drop();
    }
}

/// Every text is this crate's: callers' data comes in by `values` only.
fn query<DB: Database>(sql: &str, values: Vec<Value>) -> Query<'_, DB, DB::Arguments>
where
    Option<i64>: for<'q> Encode<'q, DB> + Type<DB>,
    Option<String>: for<'q> Encode<'q, DB> + Type<DB>,
    bool: for<'q> Encode<'q, DB> + Type<DB>,
{
    values.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| match value {
        Value::Integer(value) => query.bind(value),
        Value::Boolean(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
    })
}

fn rows<T>(rows: Vec<T>, of: fn(T) -> Row) -> Vec<Row> {
    rows.into_iter().map(of).collect()
}

/// A row of a result.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// Reads a column of `table` by its name in the result.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it holds something else than a `T`.
    pub(crate) fn get<T: FromColumn>(&self, table: &str, column: &str) -> Result<T, Error> {
        self.read(column, || format!("{table}.{column}"))
    }

    /// Reads the first column.
    fn first<T: FromColumn>(&self) -> Result<T, Error> {
        let name = || match self {
            Self::Sqlite(row) => row.column(0).name().to_owned(),
            Self::Postgres(row) => row.column(0).name().to_owned(),
        };
        self.read(0, name)
    }

    fn read<T: FromColumn>(
        &self,
        index: impl ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
        place: impl FnOnce() -> String,
    ) -> Result<T, Error> {
        let raw: Result<Option<T::Raw>, _> = match self {
            Self::Sqlite(row) => row.try_get(index),
            Self::Postgres(row) => row.try_get(index),
        };
        let read = match raw {
            Ok(Some(raw)) => T::from_raw(raw),
            Ok(None) => T::from_null(),
            Err(error) => Err(error.to_string()),
        };
        read.map_err(|reason| Error::Unreadable { place: place(), reason })
    }
}

/// What a column holds in both databases.
pub(crate) trait Raw:
    Type<Sqlite> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + for<'r> Decode<'r, Postgres>
{
}

impl Raw for i64 {}
impl Raw for bool {}
impl Raw for String {}

/// What is read from the columns of a row.
pub(crate) trait Record: Sized {
    /// The table it is stored in.
    const TABLE: &'static str;
    /// The columns it is read from.
    const COLUMNS: &'static [&'static str];

    fn read(row: &Row) -> Result<Self, Error>;
}

/// Makes a struct a [`Record`]: its fields are read from the columns of their names, or from the one that is given. Fields that are
/// no columns follow after `|row|`.
macro_rules! record {
    ($record:ty, $table:literal, { $($field:ident $(= $column:literal)?),* $(,)? }) => {
        $crate::sql::record!($record, $table, { $($field $(= $column)?),* }, |row| {});
    };
    (
        $record:ty, $table:literal, { $($field:ident $(= $column:literal)?),* $(,)? },
        |$row:ident| { $($other:ident: $value:expr),* }
    ) => {
        impl $crate::sql::Record for $record {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$($crate::sql::record!(@ $field $($column)?)),*];

            fn read($row: &$crate::sql::Row) -> Result<Self, $crate::error::Error> {
                Ok(Self {
                    $($field: $row.get($table, $crate::sql::record!(@ $field $($column)?))?,)*
                    $($other: $value,)*
                })
            }
        }
    };
    (@ $field:ident) => { stringify!($field) };
    (@ $field:ident $column:literal) => { $column };
}
pub(crate) use record;

/// Returns the columns of a record, separated by commas.
pub(crate) fn columns<T: Record>() -> String {
    T::COLUMNS.join(", ")
}

/// Returns the columns of a record in the table that goes by `alias`, separated by commas.
pub(crate) fn columns_of<T: Record>(alias: &str) -> String {
    T::COLUMNS.iter().map(|column| format!("{alias}.{column}")).collect::<Vec<_>>().join(", ")
}

/// Returns `SELECT <columns> FROM <table> <rest>`.
pub(crate) fn select<T: Record>(rest: &str) -> String {
    format!("SELECT {} FROM {} {rest}", columns::<T>(), T::TABLE)
}

/// Returns placeholders for `count` values, starting at `$first`.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// Returns every row.
pub(crate) async fn all<T: Record>(
    db: impl Executor,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<T>, Error> {
    db.fetch(sql, values.into_iter().collect()).await?.iter().map(T::read).collect()
}

/// Returns the first row. The statement runs to its end, so one that writes and returns rows is done.
pub(crate) async fn one<T: Record>(
    db: impl Executor,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<T>, Error> {
    db.fetch(sql, values.into_iter().collect()).await?.first().map(T::read).transpose()
}

/// Returns the first column of the first row.
pub(crate) async fn value<T: FromColumn>(
    db: impl Executor,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<T>, Error> {
    db.fetch(sql, values.into_iter().collect()).await?.first().map(Row::first).transpose()
}

/// Runs a statement and returns the number of rows changed.
pub(crate) async fn run(db: impl Executor, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<u64, Error> {
    Ok(db.execute(sql, values.into_iter().collect()).await?)
}
