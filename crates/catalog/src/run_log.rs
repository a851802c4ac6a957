//! What a run had to say, line by line.

use domain::run::RunEvent;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::Catalog;
use crate::error::Error;
use crate::sql::{self, record, values};
use crate::values::{Moment, json};

/// Maximum attempts to insert a line when other servers take its number.
const MAX_ATTEMPTS: u32 = 20;

/// A line.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// From 1, without gaps.
    pub number: i64,
    /// When.
    pub at: Moment,
    /// `info`, `warning` or `error`.
    pub level: String,
    /// What, in words.
    pub message: String,
    /// The same as data. `None` in lines of earlier versions.
    pub event: Option<Json>,
}

record!(LogLine, "run_log", { number, at, level, message, event });

impl LogLine {
    /// Returns what happened. `None` in lines of earlier versions.
    ///
    /// # Errors
    /// A clause that says what in it cannot be read: an event of a kind that only a later version knows.
    pub fn event(&self) -> Result<Option<RunEvent>, String> {
        let event = self.event.as_ref().map(RunEvent::deserialize).transpose();
        event.map_err(|error| format!("line {} of the log: {error}", self.number))
    }
}

/// A line that is added.
#[derive(Debug, Clone, Copy)]
pub struct NewLogLine<'a> {
    /// What happened, which also says its level.
    pub event: &'a RunEvent,
    /// See [`LogLine::message`].
    pub message: &'a str,
}

impl Catalog {
    /// Adds a line to a run's log, and gives its number.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn add_log_line(&self, run_id: &str, new: NewLogLine<'_>, now: Timestamp) -> Result<i64, Error> {
        let text = "INSERT INTO run_log (run_id, number, at, level, message, event) \
                    SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, $5 FROM run_log WHERE run_id = $1 RETURNING number";
        let mut attempts = 0;
        loop {
            let values = values![run_id, now, new.event.level().as_str(), new.message, json(new.event)?];
            match sql::value(&self.db, text, values).await {
                // Another server took the number.
                Err(Error::Conflict) if attempts < MAX_ATTEMPTS => attempts += 1,
                added => return Ok(added?.unwrap_or(0)),
            }
        }
    }

    /// The lines after a number, in order.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn log_lines(&self, run_id: &str, after: i64, limit: i64) -> Result<Vec<LogLine>, Error> {
        let text = sql::select::<LogLine>("WHERE run_id = $1 AND number > $2 ORDER BY number LIMIT $3");
        sql::all(&self.db, &text, values![run_id, after, limit]).await
    }

    /// Returns the last lines, in order.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn last_log_lines(&self, run_id: &str, limit: i64) -> Result<Vec<LogLine>, Error> {
        let text = sql::select::<LogLine>("WHERE run_id = $1 ORDER BY number DESC LIMIT $2");
        let mut lines: Vec<LogLine> = sql::all(&self.db, &text, values![run_id, limit]).await?;
        lines.reverse();
        Ok(lines)
    }
}
