//! What monitoring asks of every job: when it was last good, what its last run came to, when it runs next.

use domain::outcome::RunStatus;

use crate::Catalog;
use crate::error::Error;
use crate::sql::{self, Record, Row};
use crate::values::Moment;

/// The numbers of a job.
#[derive(Debug, Clone)]
pub struct JobNumbers {
    /// The job.
    pub job_id: String,
    /// Its name.
    pub name: String,
    /// The name of its source.
    pub source: String,
    /// The source's type: `postgres`.
    pub source_type: String,
    /// Whether the schedule counts.
    pub enabled: bool,
    /// When it was added.
    pub created_at: Moment,
    /// When it runs next by its schedule.
    pub next_run_at: Option<Moment>,
    /// The last run that succeeded, with or without warnings.
    pub good: Option<RunNumbers>,
    /// The last run that ended, however.
    pub ended: Option<RunNumbers>,
}

/// The numbers of a run that has ended.
#[derive(Debug, Clone)]
pub struct RunNumbers {
    /// What it came to.
    pub state: RunStatus,
    /// When it began; `None` if it never did.
    pub started_at: Option<Moment>,
    /// When it ended.
    pub finished_at: Moment,
    /// Bytes out of the databases.
    pub dumped_bytes: i64,
    /// Bytes after compression and encryption.
    pub stored_bytes: i64,
}

impl Record for JobNumbers {
    const TABLE: &'static str = "jobs";
    const COLUMNS: &'static [&'static str] = &["id", "name", "enabled", "created_at", "next_run_at"];

    fn read(row: &Row) -> Result<Self, Error> {
        let settings: serde_json::Value = row.get("sources", "source_settings")?;
        Ok(Self {
            job_id: row.get(Self::TABLE, "id")?,
            name: row.get(Self::TABLE, "name")?,
            source: row.get("sources", "source_name")?,
            source_type: settings["type"].as_str().unwrap_or_default().to_owned(),
            enabled: row.get(Self::TABLE, "enabled")?,
            created_at: row.get(Self::TABLE, "created_at")?,
            next_run_at: row.get(Self::TABLE, "next_run_at")?,
            good: run_numbers(row, "good")?,
            ended: run_numbers(row, "ended")?,
        })
    }
}

/// The columns of a run that are read.
const RUN_COLUMNS: [&str; 5] = ["state", "started_at", "finished_at", "dumped_bytes", "stored_bytes"];

/// Reads the columns of a run that `alias` was joined as.
fn run_numbers(row: &Row, alias: &str) -> Result<Option<RunNumbers>, Error> {
    let [state, started_at, finished_at, dumped_bytes, stored_bytes] =
        RUN_COLUMNS.map(|column| format!("{alias}_{column}"));
    let Some(state) = row.get("runs", &state)? else { return Ok(None) };
    Ok(Some(RunNumbers {
        state,
        started_at: row.get("runs", &started_at)?,
        finished_at: row.get("runs", &finished_at)?,
        dumped_bytes: row.get("runs", &dumped_bytes)?,
        stored_bytes: row.get("runs", &stored_bytes)?,
    }))
}

impl Catalog {
    /// Returns the numbers of every job, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn job_numbers(&self) -> Result<Vec<JobNumbers>, Error> {
        // A retry that was withdrawn before it started does not count as a run of the job.
        let begun = "(r.started_at IS NOT NULL OR r.retry_of IS NULL)";
        let newest = |counts: fn(RunStatus) -> bool| {
            let states = RunStatus::ALL.into_iter().filter(|state| counts(*state));
            let states: Vec<String> = states.map(|state| format!("'{}'", state.as_str())).collect();
            let states = states.join(", ");
            format!(
                "(SELECT r.id FROM runs r WHERE r.job_id = j.id AND r.state IN ({states}) AND {begun} ORDER BY r.id DESC LIMIT 1)"
            )
        };
        let columns =
            |alias: &str| RUN_COLUMNS.map(|column| format!("{alias}.{column} AS {alias}_{column}")).join(", ");
        let text = format!(
            "SELECT {}, s.name AS source_name, s.settings AS source_settings, {}, {} FROM jobs j \
             JOIN sources s ON s.id = j.source_id \
             LEFT JOIN runs good ON good.id = {} LEFT JOIN runs ended ON ended.id = {} ORDER BY j.name_key",
            sql::columns_of::<JobNumbers>("j"),
            columns("good"),
            columns("ended"),
            newest(RunStatus::is_success),
            newest(RunStatus::is_finished),
        );
        sql::all(&self.db, &text, []).await
    }
}
