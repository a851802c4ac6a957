//! How the jobs have done: day by day, and when each was last good.

use domain::outcome::RunStatus;
use domain::run::RunResult;
use jiff::Timestamp;

use crate::error::Error;
use crate::sql::{self, Record, Row, record};
use crate::values::{Moment, Value};
use crate::{Catalog, run_items};

/// A job's backups of one span that came to the same.
#[derive(Debug, Clone)]
pub struct SpanCount {
    /// The job.
    pub job_id: String,
    /// The span's place among those asked for.
    pub span: usize,
    /// What they came to, or how far they are.
    pub state: RunStatus,
    /// How many.
    pub runs: i64,
    /// The id of the newest.
    pub newest: String,
    /// Bytes after compression and encryption, of all of them.
    pub stored_bytes: i64,
}

/// A job with what its backups have come to.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The job.
    pub job_id: String,
    /// Which databases it names; none if it takes all that there are.
    pub databases: Option<Vec<String>>,
    /// Its schedule: five cron fields.
    pub cron: Option<String>,
    /// The schedule's IANA time zone.
    pub time_zone: String,
    /// Whether the schedule counts.
    pub enabled: bool,
    /// When job and schedule were last changed.
    pub updated_at: Moment,
    /// Warnings that do not count: codes, or `code:subject`.
    pub acknowledged_warnings: Vec<String>,
    /// The last run that succeeded, with or without warnings.
    pub good: Option<LastRun>,
    /// The last run that ended by itself: neither cancelled nor going on.
    pub ended: Option<LastRun>,
}

/// One of a job's runs.
#[derive(Debug, Clone)]
pub struct LastRun {
    /// Its id.
    pub id: String,
    /// What it came to.
    pub state: RunStatus,
    /// When it ended.
    pub finished_at: Moment,
    /// What came out of it.
    pub result: Option<RunResult>,
}

record!(SpanCount, "runs", { job_id, span, state, runs, newest, stored_bytes });

impl Record for Standing {
    const TABLE: &'static str = "jobs";
    const COLUMNS: &'static [&'static str] =
        &["id", "databases", "cron", "time_zone", "enabled", "updated_at", "acknowledged_warnings"];

    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            job_id: row.get(Self::TABLE, "id")?,
            databases: row.get(Self::TABLE, "databases")?,
            cron: row.get(Self::TABLE, "cron")?,
            time_zone: row.get(Self::TABLE, "time_zone")?,
            enabled: row.get(Self::TABLE, "enabled")?,
            updated_at: row.get(Self::TABLE, "updated_at")?,
            acknowledged_warnings: row.get(Self::TABLE, "acknowledged_warnings")?,
            good: last_run(row, "good")?,
            ended: last_run(row, "ended")?,
        })
    }
}

/// Reads the columns of a run that `alias` was joined as.
fn last_run(row: &Row, alias: &str) -> Result<Option<LastRun>, Error> {
    let name = |column| format!("{alias}_{column}");
    let Some(id) = row.get("runs", &name("id"))? else { return Ok(None) };
    Ok(Some(LastRun {
        id,
        state: row.get("runs", &name("state"))?,
        finished_at: row.get("runs", &name("finished_at"))?,
        result: row.get("runs", &name("result"))?,
    }))
}

impl Catalog {
    /// How many backups came to what in each span between neighbours of `bounds`, which are in order.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn runs_by_span(&self, bounds: &[Timestamp]) -> Result<Vec<SpanCount>, Error> {
        if bounds.len() < 2 {
            return Ok(Vec::new());
        }
        let spans: Vec<String> =
            (0..bounds.len() - 1).map(|span| format!("({span}, ${}, ${})", span + 1, span + 2)).collect();
        let text = format!(
            "WITH spans (span, low, high) AS (VALUES {}) \
             SELECT r.job_id, CAST(s.span AS BIGINT) AS span, r.state, COUNT(*) AS runs, MAX(r.id) AS newest, \
             CAST(SUM(r.stored_bytes) AS BIGINT) AS stored_bytes \
             FROM spans s CROSS JOIN runs r \
             WHERE r.created_at >= s.low AND r.created_at < s.high AND r.kind = 'backup' AND r.job_id IS NOT NULL \
             GROUP BY r.job_id, s.span, r.state ORDER BY r.job_id, s.span",
            spans.join(", ")
        );
        sql::all(&self.db, &text, bounds.iter().map(|bound| Value::from(*bound))).await
    }

    /// Every job, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn standings(&self) -> Result<Vec<Standing>, Error> {
        let newest = |counts: fn(RunStatus) -> bool| {
            let states: Vec<String> = RunStatus::ALL
                .into_iter()
                .filter(|state| counts(*state))
                .map(|state| format!("'{}'", state.as_str()))
                .collect();
            let states = states.join(", ");
            format!(
                "(SELECT r.id FROM runs r WHERE r.job_id = j.id AND r.state IN ({states}) ORDER BY r.id DESC LIMIT 1)"
            )
        };
        let columns = |alias: &str| {
            ["id", "state", "finished_at", "result"]
                .map(|column| format!("{alias}.{column} AS {alias}_{column}"))
                .join(", ")
        };
        let text = format!(
            "SELECT {}, {}, {} FROM jobs j \
             LEFT JOIN runs good ON good.id = {} LEFT JOIN runs ended ON ended.id = {} ORDER BY j.name_key",
            sql::columns_of::<Standing>("j"),
            columns("good"),
            columns("ended"),
            newest(RunStatus::is_success),
            newest(|state| state.is_finished() && state != RunStatus::Cancelled),
        );
        let mut standings: Vec<Standing> = sql::all(&self.db, &text, []).await?;
        let runs = standings.iter_mut().flat_map(|standing| standing.good.iter_mut().chain(&mut standing.ended));
        let results = runs.filter_map(|run| Some((run.id.as_str(), run.result.as_mut()?)));
        run_items::fill(&self.db, results.collect()).await?;
        Ok(standings)
    }
}
