//! Counting the rows of a database's tables within a time limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::rows::Rows;
use rusqlite::{Connection, InterruptHandle, ffi};

use super::blocking;
use crate::Counting;
use crate::error::Error;

/// Interval at which counting that takes too long is interrupted until it ends.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(100);
/// The name of the schema of a file's own tables.
const SCHEMA: &str = "main";

/// Counts the rows of every table that is stored in the file: none of SQLite's own, and no virtual ones, whose rows lie elsewhere.
///
/// Returns what the connection was taken from, which is kept open meanwhile.
pub(super) async fn count<H: Send + 'static>(
    holder: H,
    connection: impl for<'a> Fn(&'a H) -> &'a Connection + Send + 'static,
    limit: Duration,
) -> Result<(H, Result<Rows, Counting>), Error> {
    let stop = Stop { wanted: Arc::default(), interrupt: connection(&holder).get_interrupt_handle() };
    let wanted = Arc::clone(&stop.wanted);
    let counting = blocking(move || {
        let rows = rows_of_tables(connection(&holder), &wanted);
        Ok((holder, rows))
    });
    let mut counting = std::pin::pin!(counting);
    let mut in_time = true;
    let mut patience = limit;
    let (holder, rows) = loop {
        if let Ok(counted) = tokio::time::timeout(patience, &mut counting).await {
            break counted?;
        }
        // Between two statements an interrupt is lost, so it is repeated.
        stop.stop();
        (in_time, patience) = (false, INTERRUPT_INTERVAL);
    };
    let why = |error: rusqlite::Error| match in_time {
        true => Counting::Not(error.to_string()),
        false => Counting::too_long(limit),
    };
    Ok((holder, rows.map_err(why)))
}

/// Ends the counting, also when it is dropped: a cancelled run does not wait for it.
struct Stop {
    wanted: Arc<AtomicBool>,
    interrupt: InterruptHandle,
}

impl Stop {
    fn stop(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        self.interrupt.interrupt();
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.stop();
    }
}

fn rows_of_tables(connection: &Connection, stop: &AtomicBool) -> rusqlite::Result<Rows> {
    let names = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut names = connection.prepare(names)?;
    let names = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let mut rows = Rows::default();
    for name in names {
        if stop.load(Ordering::Relaxed) {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_INTERRUPT), None));
        }
        let sql = format!("SELECT count(*) FROM main.\"{}\"", name.replace('"', "\"\""));
        let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        rows.add(SCHEMA, &name, u64::try_from(count).unwrap_or_default());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let schema = "CREATE TABLE \"a \"\"b\" (x INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO \"a \"\"b\" VALUES (1), (2); \
                      CREATE TABLE sqliteness (x PRIMARY KEY) WITHOUT ROWID; INSERT INTO sqliteness VALUES ('1'); \
                      CREATE TABLE empty (x); CREATE VIEW seen AS SELECT * FROM empty;";
        connection.execute_batch(schema).unwrap();
        connection
    }

    #[tokio::test]
    async fn every_table_of_the_file_is_counted_but_sqlites_own() {
        let (_, rows) = count(database(), |connection| connection, Duration::from_secs(60)).await.unwrap();
        let rows = rows.unwrap();
        let tables: Vec<(&str, u64)> =
            rows.by_table["main"].iter().map(|(name, rows)| (name.as_str(), *rows)).collect();
        assert_eq!(tables, [("a \"b", 2), ("empty", 0), ("sqliteness", 1)]);
        assert_eq!((rows.total, rows.tables, rows.large_objects), (3, 3, None));
    }

    #[test]
    fn counting_that_is_stopped_is_given_up_and_the_connection_goes_on() {
        let connection = database();
        let stop = Stop { wanted: Arc::default(), interrupt: connection.get_interrupt_handle() };
        stop.stop();
        assert!(rows_of_tables(&connection, &stop.wanted).is_err());
        assert!(rows_of_tables(&connection, &AtomicBool::new(false)).is_ok());
    }
}
