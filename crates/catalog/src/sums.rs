//! Keeps what is summed up about runs in step with them, in the same transaction.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::Error;
use crate::job_days::day_of;
use crate::sql::{self, Pool, Transaction, record, values};
use crate::values::{Moment, Value};
use crate::{Catalog, job_days, job_standings, meta};

/// Runs whose day is filled in by one transaction.
const RUNS_AT_ONCE: i64 = 5000;
/// Jobs whose runs are counted by one transaction.
const JOBS_AT_ONCE: i64 = 100;
/// In `meta`: whether the runs of earlier versions were summed up.
const FILLED: &str = "runSums";

/// What a run is summed up under.
pub(crate) struct Summed {
    pub(crate) job_id: Option<String>,
    pub(crate) day: Option<i64>,
}

record!(Summed, "runs", { job_id, day });

/// Sums up anew after these runs have changed or gone.
pub(crate) async fn note(transaction: &mut Transaction, runs: Vec<Summed>) -> Result<(), Error> {
    // In one order for all, so that two transactions do not wait for each other.
    let mut days: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for run in runs {
        if let (Some(job_id), Some(day)) = (run.job_id, run.day) {
            days.entry(job_id).or_default().push(day);
        }
    }
    for job_id in days.keys() {
        job_standings::refresh(transaction, job_id).await?;
    }
    let mut days: Vec<(i64, String)> =
        days.into_iter().flat_map(|(job, days)| days.into_iter().map(move |day| (day, job.clone()))).collect();
    days.sort_unstable();
    days.dedup();
    for (day, job_id) in days {
        job_days::refresh(transaction, &job_id, day).await?;
    }
    Ok(())
}

/// Sums up anew after a run has changed.
pub(crate) async fn note_run(transaction: &mut Transaction, run_id: &str) -> Result<(), Error> {
    let run = sql::all(&mut *transaction, &sql::select::<Summed>("WHERE id = $1"), values![run_id]).await?;
    note(transaction, run).await
}

/// Returns the day of a job at a time. Returns `None` if there is no such job.
pub(crate) async fn day(
    transaction: &mut Transaction,
    job_id: Option<&str>,
    now: Timestamp,
) -> Result<Option<i64>, Error> {
    let Some(job_id) = job_id else { return Ok(None) };
    let text = "SELECT time_zone FROM jobs WHERE id = $1";
    let zone: Option<String> = sql::value(transaction, text, values![job_id]).await?;
    Ok(zone.map(|zone| day_of(now, &zone)))
}

/// Sums up what earlier versions have left: their runs, and what lies at the destinations.
///
/// # Errors
/// [`Error::Database`]. The next start begins anew.
pub(crate) async fn fill(catalog: &Catalog) -> Result<(), Error> {
    let db = &catalog.db;
    if meta::get(db, FILLED).await?.is_some() {
        return Ok(());
    }
    fill_days(db).await?;
    fill_sums(db).await?;
    let destinations: Vec<At> = sql::all(db, &sql::select::<At>("ORDER BY id"), []).await?;
    for At { id } in destinations {
        catalog.count_usage(&id).await?;
    }
    meta::set_first(db, FILLED, "filled").await
}

struct At {
    id: String,
}

record!(At, "destinations", { id });

async fn fill_sums(db: &Pool) -> Result<(), Error> {
    let mut after = String::new();
    loop {
        let mut transaction = db.begin().await?;
        let which = "WHERE id > $1 ORDER BY id LIMIT $2";
        let jobs: Vec<Known> =
            sql::all(&mut transaction, &sql::select::<Known>(which), values![&after, JOBS_AT_ONCE]).await?;
        let ids: Vec<String> = jobs.into_iter().map(|job| job.id).collect();
        let Some(last) = ids.last() else { break };
        after.clone_from(last);
        for id in &ids {
            job_standings::refresh(&mut transaction, id).await?;
        }
        let places = sql::placeholders(1, ids.len());
        let text = format!("DELETE FROM job_days WHERE job_id IN ({places})");
        sql::run(&mut transaction, &text, ids.iter().map(Value::from)).await?;
        job_days::count_all(&mut transaction, &ids).await?;
        transaction.commit().await?;
    }
    let mut transaction = db.begin().await?;
    job_days::total_all(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

struct Known {
    id: String,
}

record!(Known, "jobs", { id });

/// A run without its day.
struct Undated {
    id: String,
    created_at: Moment,
    time_zone: String,
}

impl sql::Record for Undated {
    const TABLE: &'static str = "runs";
    const COLUMNS: &'static [&'static str] = &["id", "created_at"];

    fn read(row: &sql::Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.get(Self::TABLE, "id")?,
            created_at: row.get(Self::TABLE, "created_at")?,
            time_zone: row.get("jobs", "time_zone")?,
        })
    }
}

/// Gives every run of a job its day.
async fn fill_days(db: &Pool) -> Result<(), Error> {
    let text = format!(
        "SELECT {}, j.time_zone FROM runs r JOIN jobs j ON j.id = r.job_id \
         WHERE r.id > $1 AND r.day IS NULL AND r.kind = 'backup' ORDER BY r.id LIMIT $2",
        sql::columns_of::<Undated>("r")
    );
    let mut after = String::new();
    loop {
        let runs: Vec<Undated> = sql::all(db, &text, values![&after, RUNS_AT_ONCE]).await?;
        let Some(last) = runs.last() else { return Ok(()) };
        after.clone_from(&last.id);
        let mut by_day: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for run in runs {
            by_day.entry(day_of(run.created_at.0, &run.time_zone)).or_default().push(run.id);
        }
        let mut transaction = db.begin().await?;
        for (day, ids) in by_day {
            let text = format!("UPDATE runs SET day = $1 WHERE id IN ({})", sql::placeholders(2, ids.len()));
            let values = std::iter::once(Value::from(day)).chain(ids.into_iter().map(Value::from));
            sql::run(&mut transaction, &text, values).await?;
        }
        transaction.commit().await?;
    }
}
