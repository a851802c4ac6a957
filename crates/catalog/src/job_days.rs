//! What the backups of each job came to per day, and of all jobs together.
//!
//! A day is counted anew from its runs whenever one of them changes, in the same transaction. Counting anew cannot drift, and a day has
//! few runs. The totals change by the difference, and hold exactly the sums of the jobs' days.

use domain::outcome::RunStatus;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::Catalog;
use crate::error::Error;
use crate::sql::{self, Transaction, record, values};
use crate::values::{Moment, Value};

/// The numbers of a day that can be added up.
pub(crate) const NUMBERS: [&str; 10] = [
    "succeeded",
    "with_warnings",
    "partial",
    "failed",
    "interrupted",
    "cancelled",
    "unfinished",
    "dumped_bytes",
    "stored_bytes",
    "duration",
];

/// Maximum of a sum of bytes or milliseconds of a job's day, so that the totals of thousands of jobs do not overflow.
const MAX_SUM: i64 = 1_000_000_000_000_000;

/// A day of a job on which runs were queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobDay {
    /// The job.
    pub job_id: String,
    /// Days since 1970-01-01, in the time zone that the job had when the runs were queued.
    pub day: i64,
    /// Its numbers.
    pub sums: DaySums,
    /// When the last run that succeeded ended.
    pub good_at: Option<Moment>,
    /// The newest of the worst runs.
    pub run_id: String,
}

/// A day of all jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalDay {
    /// Days since 1970-01-01, in the time zone of each job.
    pub day: i64,
    /// Its numbers.
    pub sums: DaySums,
}

/// Numbers of a day: runs by what they came to; bytes and time of those that succeeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DaySums {
    /// With or without warnings.
    pub succeeded: i64,
    /// How many of those with warnings.
    pub with_warnings: i64,
    /// Not every database reached every destination.
    pub partial: i64,
    /// Failed.
    pub failed: i64,
    /// The server stopped during the run.
    pub interrupted: i64,
    /// Cancelled by a user.
    pub cancelled: i64,
    /// Queued or running.
    pub unfinished: i64,
    /// Bytes read from the source.
    pub dumped_bytes: i64,
    /// Bytes stored at each destination.
    pub stored_bytes: i64,
    /// Milliseconds between start and end.
    pub duration: i64,
}

record!(DaySums, "job_days", {
    succeeded,
    with_warnings,
    partial,
    failed,
    interrupted,
    cancelled,
    unfinished,
    dumped_bytes,
    stored_bytes,
    duration
});

impl sql::Record for JobDay {
    const TABLE: &'static str = "job_days";
    const COLUMNS: &'static [&'static str] = &["*"];

    fn read(row: &sql::Row) -> Result<Self, Error> {
        Ok(Self {
            job_id: row.get(Self::TABLE, "job_id")?,
            day: row.get(Self::TABLE, "day")?,
            sums: DaySums::read(row)?,
            good_at: row.get(Self::TABLE, "good_at")?,
            run_id: row.get(Self::TABLE, "run_id")?,
        })
    }
}

impl sql::Record for TotalDay {
    const TABLE: &'static str = "total_days";
    const COLUMNS: &'static [&'static str] = &["*"];

    fn read(row: &sql::Row) -> Result<Self, Error> {
        Ok(Self { day: row.get(Self::TABLE, "day")?, sums: DaySums::read(row)? })
    }
}

impl DaySums {
    fn numbers(&self) -> [i64; NUMBERS.len()] {
        [
            self.succeeded,
            self.with_warnings,
            self.partial,
            self.failed,
            self.interrupted,
            self.cancelled,
            self.unfinished,
            self.dumped_bytes,
            self.stored_bytes,
            self.duration,
        ]
    }

    /// Returns how many runs there were.
    pub fn runs(&self) -> i64 {
        let Self { succeeded, partial, failed, interrupted, cancelled, unfinished, .. } = self;
        succeeded + partial + failed + interrupted + cancelled + unfinished
    }
}

impl Catalog {
    /// Returns the days of these jobs from `since` on, by job and day.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn job_days(&self, job_ids: &[&str], since: i64) -> Result<Vec<JobDay>, Error> {
        if job_ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = sql::placeholders(2, job_ids.len());
        let text = sql::select::<JobDay>(&format!("WHERE day >= $1 AND job_id IN ({places}) ORDER BY job_id, day"));
        let values = std::iter::once(Value::from(since)).chain(job_ids.iter().map(|id| Value::from(*id)));
        sql::all(&self.db, &text, values).await
    }

    /// Returns the days of all jobs together from `since` on, the oldest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn total_days(&self, since: i64) -> Result<Vec<TotalDay>, Error> {
        sql::all(&self.db, &sql::select::<TotalDay>("WHERE day >= $1 ORDER BY day"), values![since]).await
    }
}

/// Returns the day of a time in an IANA time zone. One that is not known counts as UTC.
pub fn day_of(time: Timestamp, time_zone: &str) -> i64 {
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    let date = zone.to_datetime(time).date();
    let epoch = Date::constant(1970, 1, 1);
    date.duration_since(epoch).as_hours() / 24
}

/// Counts a day of a job anew.
pub(crate) async fn refresh(transaction: &mut Transaction, job_id: &str, day: i64) -> Result<(), Error> {
    let which = "WHERE job_id = $1 AND day = $2";
    let before: Option<JobDay> =
        sql::one(&mut *transaction, &sql::select::<JobDay>(which), values![job_id, day]).await?;
    let text = format!("SELECT {} FROM runs r {which} GROUP BY job_id, day", counted());
    let after: Option<JobDay> = sql::one(&mut *transaction, &text, values![job_id, day]).await?;
    match &after {
        Some(day) => write(transaction, day).await?,
        None => sql::run(&mut *transaction, &format!("DELETE FROM job_days {which}"), values![job_id, day])
            .await
            .map(drop)?,
    }
    let numbers = |day: Option<&JobDay>| day.map(|day| day.sums).unwrap_or_default().numbers();
    let (before, after) = (numbers(before.as_ref()), numbers(after.as_ref()));
    let difference: Vec<i64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    add(transaction, day, &difference).await
}

/// Takes the days of a job that is about to be deleted out of the totals.
pub(crate) async fn forget(transaction: &mut Transaction, job_id: &str) -> Result<(), Error> {
    let days: Vec<JobDay> =
        sql::all(&mut *transaction, &sql::select::<JobDay>("WHERE job_id = $1 ORDER BY day"), values![job_id]).await?;
    for JobDay { day, sums, .. } in days {
        add(transaction, day, &sums.numbers().map(|number| -number)).await?;
    }
    sql::run(transaction, "DELETE FROM job_days WHERE job_id = $1", values![job_id]).await.map(drop)
}

/// Counts every day of these jobs, and sets none apart from the totals. The tables hold nothing of them yet.
pub(crate) async fn count_all(transaction: &mut Transaction, job_ids: &[String]) -> Result<(), Error> {
    let places = sql::placeholders(1, job_ids.len());
    let columns = columns();
    let text = format!(
        "INSERT INTO job_days ({columns}) SELECT {} FROM runs r WHERE job_id IN ({places}) AND day IS NOT NULL GROUP BY job_id, day",
        counted()
    );
    sql::run(transaction, &text, job_ids.iter().map(Value::from)).await.map(drop)
}

/// Adds up the totals anew.
pub(crate) async fn total_all(transaction: &mut Transaction) -> Result<(), Error> {
    sql::run(&mut *transaction, "DELETE FROM total_days", []).await?;
    let sums = NUMBERS.map(|name| format!("CAST(SUM({name}) AS BIGINT)")).join(", ");
    let text =
        format!("INSERT INTO total_days (day, {}) SELECT day, {sums} FROM job_days GROUP BY day", NUMBERS.join(", "));
    sql::run(transaction, &text, []).await.map(drop)
}

async fn write(transaction: &mut Transaction, day: &JobDay) -> Result<(), Error> {
    let changes = NUMBERS.iter().copied().chain(["good_at", "run_id"]);
    let changes: Vec<String> = changes.map(|name| format!("{name} = excluded.{name}")).collect();
    let text = format!(
        "INSERT INTO job_days ({}) VALUES ({}) ON CONFLICT (job_id, day) DO UPDATE SET {}",
        columns(),
        sql::placeholders(1, NUMBERS.len() + 4),
        changes.join(", ")
    );
    let numbers = day.sums.numbers().map(Value::from);
    let values = values![&day.job_id, day.day].into_iter().chain(numbers).chain(values![day.good_at, &day.run_id]);
    sql::run(transaction, &text, values).await.map(drop)
}

async fn add(transaction: &mut Transaction, day: i64, difference: &[i64]) -> Result<(), Error> {
    if difference.iter().all(|number| *number == 0) {
        return Ok(());
    }
    let changes: Vec<String> =
        NUMBERS.iter().map(|name| format!("{name} = total_days.{name} + excluded.{name}")).collect();
    let text = format!(
        "INSERT INTO total_days (day, {}) VALUES ({}) ON CONFLICT (day) DO UPDATE SET {}",
        NUMBERS.join(", "),
        sql::placeholders(1, NUMBERS.len() + 1),
        changes.join(", ")
    );
    let values = std::iter::once(day).chain(difference.iter().copied()).map(Value::from);
    sql::run(&mut *transaction, &text, values).await?;
    let empty = "DELETE FROM total_days WHERE day = $1 AND succeeded + partial + failed + interrupted + cancelled + unfinished = 0";
    sql::run(transaction, empty, values![day]).await.map(drop)
}

fn columns() -> String {
    format!("job_id, day, {}, good_at, run_id", NUMBERS.join(", "))
}

/// Returns the columns of a day, counted over the runs in `r`.
fn counted() -> String {
    let good = format!("state IN ({})", states(RunStatus::is_success));
    let count = |name: &str, which: &str| format!("COUNT(*) FILTER (WHERE {which}) AS {name}");
    // One run can claim any number: sums of floating-point numbers do not overflow, and are exact below the maximum.
    let sum = |name: &str, of: &str| {
        let sum = format!("SUM(CAST({of} AS DOUBLE PRECISION)) FILTER (WHERE {good})");
        format!("CASE WHEN {sum} > {MAX_SUM} THEN {MAX_SUM} ELSE CAST(COALESCE({sum}, 0) AS BIGINT) END AS {name}")
    };
    let worse: Vec<String> = RunStatus::ALL
        .into_iter()
        .map(|state| format!("WHEN '{}' THEN '{}'", state.as_str(), badness(state)))
        .collect();
    [
        "job_id".to_owned(),
        "day".to_owned(),
        count("succeeded", &good),
        count("with_warnings", "state = 'succeededWithWarnings'"),
        count("partial", "state = 'partial'"),
        count("failed", "state = 'failed'"),
        count("interrupted", "state = 'interrupted'"),
        count("cancelled", "state = 'cancelled'"),
        count("unfinished", "state IN ('queued', 'running')"),
        sum("dumped_bytes", "dumped_bytes"),
        sum("stored_bytes", "stored_bytes"),
        sum("duration", "CASE WHEN finished_at > started_at THEN finished_at - started_at ELSE 0 END"),
        format!("MAX(finished_at) FILTER (WHERE {good}) AS good_at"),
        format!("SUBSTR(MAX(CASE state {} END || id), 2) AS run_id", worse.join(" ")),
    ]
    .join(", ")
}

/// Returns how much a run says about its day, as a digit.
fn badness(state: RunStatus) -> u8 {
    match state {
        RunStatus::Succeeded => 1,
        RunStatus::Cancelled => 2,
        RunStatus::SucceededWithWarnings => 3,
        RunStatus::Queued | RunStatus::Running => 4,
        RunStatus::Partial => 5,
        RunStatus::Failed | RunStatus::Interrupted => 6,
    }
}

/// Returns the states that fit, in quotes, separated by commas.
pub(crate) fn states(fits: fn(RunStatus) -> bool) -> String {
    let states = RunStatus::ALL.into_iter().filter(|state| fits(*state));
    states.map(|state| format!("'{}'", state.as_str())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::day_of;

    #[test]
    fn a_day_is_the_date_of_its_zone() {
        let time = "1970-01-02T23:30:00Z".parse().unwrap();
        assert_eq!(
            ["UTC", "Europe/Berlin", "America/New_York", "Nowhere"].map(|zone| day_of(time, zone)),
            [1, 2, 1, 1]
        );
        assert_eq!(day_of("1969-12-31T12:00:00Z".parse().unwrap(), "UTC"), -1);
    }
}
