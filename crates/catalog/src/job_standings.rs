//! How each job stands: a row per job, written anew in the transaction in which the job or one of its runs changes.

use domain::outcome::RunStatus;
use domain::run::{BackupResult, DatabaseResult, FailureCode, RunResult};
use domain::schedule::Schedule;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sql::{self, Transaction, record, values};
use crate::values::{FromColumn, Moment, json};
use crate::{job_days, run_items};

/// How a job stands, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    /// Its last run that ended by itself did not succeed, or its schedule cannot be read.
    Failed,
    /// No run has ended by itself yet.
    New,
    /// A run is queued or running.
    Running,
    /// Its last run gave warnings that are not acknowledged.
    Warnings,
    /// Its last run succeeded.
    Good,
    /// A user has paused it.
    Paused,
}

impl JobStatus {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 6] = [Self::Failed, Self::New, Self::Running, Self::Warnings, Self::Good, Self::Paused];

    /// Returns its place in [`Self::ALL`], as which it is stored.
    pub(crate) fn rank(self) -> i64 {
        self as i64
    }
}

impl FromColumn for JobStatus {
    type Raw = i64;

    fn from_raw(raw: i64) -> Result<Self, String> {
        let found = usize::try_from(raw).ok().and_then(|rank| Self::ALL.get(rank));
        found.copied().ok_or_else(|| format!("{raw} is unknown"))
    }
}

/// Where and why a job fails: the same for all jobs that one cure helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum JobFailure {
    /// Its schedule cannot be read.
    Schedule,
    /// At its source.
    Source {
        /// The source.
        id: String,
    },
    /// At destinations, of which each lacks a copy.
    Destinations {
        /// The destinations, sorted.
        ids: Vec<String>,
    },
    /// At no place of its own.
    Elsewhere {
        /// Why. `None` in runs of earlier versions.
        code: Option<FailureCode>,
    },
}

crate::values::as_json!(JobFailure;);

/// How a job stands.
#[derive(Debug, Clone)]
pub struct JobStanding {
    /// The job.
    pub job_id: String,
    /// Its status.
    pub status: JobStatus,
    /// Whether it lacks a good backup now, or a schedule that can be read.
    pub troubled: bool,
    /// Why its schedule cannot be read.
    pub schedule_error: Option<String>,
    /// The last run that ended by itself.
    pub ended_run_id: Option<String>,
    /// What that run came to.
    pub state: Option<RunStatus>,
    /// The last run that succeeded.
    pub good_run_id: Option<String>,
    /// When it ended.
    pub good_at: Option<Moment>,
    /// How many databases it backs up. `None` before the first run of a job that takes all that there are.
    pub databases: Option<i64>,
    /// How many of them its last run has stored at every destination.
    pub backed_up: i64,
    /// How many warnings of its last run are not acknowledged.
    pub warnings: i64,
    /// Where and why it fails.
    pub failure: Option<JobFailure>,
    /// What its last run or its schedule says about that.
    pub reason: Option<String>,
}

record!(JobStanding, "job_standings", {
    job_id,
    status,
    troubled,
    schedule_error,
    ended_run_id,
    state,
    good_run_id,
    good_at,
    databases,
    backed_up,
    warnings,
    failure,
    reason
});

/// What a standing is made of.
struct Facts {
    name_key: String,
    source_id: String,
    databases: Option<Vec<String>>,
    profile_id: Option<String>,
    cron: Option<String>,
    time_zone: String,
    enabled: bool,
    acknowledged_warnings: Vec<String>,
}

record!(Facts, "jobs", {
    name_key,
    source_id,
    databases,
    profile_id,
    cron,
    time_zone,
    enabled,
    acknowledged_warnings
});

/// A run, as far as a standing depends on it.
struct LastRun {
    id: String,
    state: RunStatus,
    finished_at: Option<Moment>,
    error: Option<String>,
    code: Option<FailureCode>,
    result: Option<RunResult>,
}

record!(LastRun, "runs", { id, state, finished_at, error, code, result });

impl LastRun {
    fn backup(&self) -> Option<&BackupResult> {
        match &self.result {
            Some(RunResult::Backup(result)) => Some(result),
            _ => None,
        }
    }

    fn databases(&self) -> &[DatabaseResult] {
        self.backup().map_or(&[], |result| &result.databases)
    }
}

/// Creates the row of a job, and locks it until the transaction ends. Returns `false` if there is no such job.
pub(crate) async fn lock(transaction: &mut Transaction, job_id: &str) -> Result<bool, Error> {
    let text = "INSERT INTO job_standings (job_id, name_key, status, enabled, troubled, destinations, backed_up, lacking, warnings) \
                SELECT id, name_key, 1, enabled, FALSE, '[]', 0, 1, 0 FROM jobs WHERE id = $1 \
                ON CONFLICT (job_id) DO UPDATE SET name_key = excluded.name_key";
    Ok(sql::run(transaction, text, values![job_id]).await? > 0)
}

/// Writes anew how a job stands.
pub(crate) async fn refresh(transaction: &mut Transaction, job_id: &str) -> Result<(), Error> {
    // Boxed: it is large, and part of every change of a run or a job.
    Box::pin(work_out(transaction, job_id)).await
}

async fn work_out(transaction: &mut Transaction, job_id: &str) -> Result<(), Error> {
    if !lock(transaction, job_id).await? {
        return Ok(());
    }
    let facts: Option<Facts> =
        sql::one(&mut *transaction, &sql::select::<Facts>("WHERE id = $1"), values![job_id]).await?;
    let Some(facts) = facts else { return Ok(()) };
    let links = sql::select::<Linked>("WHERE job_id = $1 ORDER BY destination_id");
    let links: Vec<Linked> = sql::all(&mut *transaction, &links, values![job_id]).await?;
    let destinations: Vec<String> = links.into_iter().map(|link| link.destination_id).collect();
    let newest = newest_run(transaction, job_id, |_| true, false).await?;
    let ended = newest_run(transaction, job_id, ends_by_itself, true).await?;
    let good = match &ended {
        Some(run) if run.state.is_success() => None,
        _ => newest_run(transaction, job_id, RunStatus::is_success, true).await?,
    };
    let standing = Standing::of(&facts, &destinations, newest.as_ref(), ended.as_ref(), good.as_ref());
    standing.write(transaction, job_id, &facts, &destinations).await
}

/// Whether a run in this state says how the job is doing: cancelled runs do not.
pub(crate) fn ends_by_itself(state: RunStatus) -> bool {
    state.is_finished() && state != RunStatus::Cancelled
}

struct Linked {
    destination_id: String,
}

record!(Linked, "job_destinations", { destination_id });

async fn newest_run(
    transaction: &mut Transaction,
    job_id: &str,
    fits: fn(RunStatus) -> bool,
    with_items: bool,
) -> Result<Option<LastRun>, Error> {
    let which = format!("WHERE job_id = $1 AND state IN ({}) ORDER BY id DESC LIMIT 1", job_days::states(fits));
    let found: Option<LastRun> = sql::one(&mut *transaction, &sql::select::<LastRun>(&which), values![job_id]).await?;
    let Some(mut run) = found else { return Ok(None) };
    if with_items
        && let Some(RunResult::Backup(result)) = &mut run.result
        && result.databases.is_empty()
    {
        result.databases = run_items::of_run(transaction, &run.id).await?;
    }
    Ok(Some(run))
}

/// The columns that are worked out.
struct Standing<'a> {
    status: JobStatus,
    troubled: bool,
    schedule_error: Option<String>,
    newest: Option<&'a LastRun>,
    ended: Option<&'a LastRun>,
    good: Option<&'a LastRun>,
    databases: Option<i64>,
    backed_up: i64,
    warnings: i64,
    failure: Option<JobFailure>,
    reason: Option<String>,
}

impl<'a> Standing<'a> {
    fn of(
        facts: &Facts,
        destinations: &[String],
        newest: Option<&'a LastRun>,
        ended: Option<&'a LastRun>,
        good: Option<&'a LastRun>,
    ) -> Self {
        let good = good.or(ended.filter(|run| run.state.is_success()));
        let is_active = newest.is_some_and(|run| !run.state.is_finished());
        let cron = facts.cron.as_deref().filter(|_| facts.enabled);
        let schedule_error =
            cron.and_then(|cron| Schedule::parse(cron, &facts.time_zone).err()).map(|error| error.to_string());
        let bad = ended.filter(|run| !run.state.is_success());
        let warnings = ended.and_then(LastRun::backup).map_or(0, |result| {
            result.all_warnings().filter(|listed| !listed.warning.is_acknowledged(&facts.acknowledged_warnings)).count()
        });
        let status = match ended {
            _ if is_active => JobStatus::Running,
            _ if !facts.enabled => JobStatus::Paused,
            _ if schedule_error.is_some() || bad.is_some() => JobStatus::Failed,
            None => JobStatus::New,
            Some(_) if warnings > 0 => JobStatus::Warnings,
            Some(_) => JobStatus::Good,
        };
        let (failure, reason) = match (&schedule_error, bad) {
            _ if !facts.enabled => (None, None),
            (Some(error), _) => (Some(JobFailure::Schedule), Some(error.clone())),
            (None, Some(run)) => (Some(failure_of(run, &facts.source_id, destinations)), run.error.clone()),
            (None, None) => (None, None),
        };
        let outcomes = ended.map(LastRun::databases).unwrap_or_default();
        let named = facts.databases.as_ref().map_or(0, Vec::len);
        let before = if outcomes.is_empty() { good.map_or(0, |run| run.databases().len()) } else { 0 };
        let known = outcomes.len().max(named).max(before);
        let signed = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            status,
            troubled: failure.is_some() || facts.enabled && ended.is_none() && !is_active,
            schedule_error,
            newest,
            ended,
            good,
            databases: Some(signed(known)).filter(|known| *known > 0),
            backed_up: signed(outcomes.iter().filter(|database| database.is_whole()).count()),
            warnings: signed(warnings),
            failure,
            reason,
        }
    }

    /// How many databases are in trouble if the job is: all of them where the last run has missed none.
    fn lacking(&self) -> i64 {
        let known = self.databases.unwrap_or(1);
        if known > self.backed_up { known - self.backed_up } else { known }
    }

    async fn write(
        &self,
        transaction: &mut Transaction,
        job_id: &str,
        facts: &Facts,
        destinations: &[String],
    ) -> Result<(), Error> {
        let text = "UPDATE job_standings SET name_key = $2, status = $3, enabled = $4, troubled = $5, profile_id = $6, \
                    destinations = $7, schedule_error = $8, last_run_id = $9, ended_run_id = $10, state = $11, good_run_id = $12, \
                    good_at = $13, databases = $14, backed_up = $15, lacking = $16, warnings = $17, failure = $18, reason = $19 \
                    WHERE job_id = $1";
        let id = |run: Option<&LastRun>| run.map(|run| run.id.clone());
        let values = values![
            job_id,
            &facts.name_key,
            self.status.rank(),
            facts.enabled,
            self.troubled,
            &facts.profile_id,
            json(&destinations)?,
            &self.schedule_error,
            id(self.newest),
            id(self.ended),
            self.ended.map(|run| run.state.as_str()),
            id(self.good),
            self.good.and_then(|run| run.finished_at),
            self.databases,
            self.backed_up,
            self.lacking(),
            self.warnings,
            self.failure.as_ref().map(json).transpose()?,
            &self.reason
        ];
        sql::run(transaction, text, values).await.map(drop)
    }
}

/// Returns where a run failed: at its source, at destinations, or at no place of its own.
fn failure_of(run: &LastRun, source_id: &str, destinations: &[String]) -> JobFailure {
    let databases = run.databases();
    let at_source =
        |database: &&DatabaseResult| database.error.is_some() && database.code.is_none_or(can_be_of_a_place);
    if databases.iter().any(|database| at_source(&database)) {
        return JobFailure::Source { id: source_id.to_owned() };
    }
    let copies = databases.iter().flat_map(|database| &database.copies).filter(|copy| !copy.is_stored());
    let mut ids: Vec<String> = copies.map(|copy| copy.destination_id().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    if !ids.is_empty() && databases.iter().all(|database| database.error.is_none()) {
        return JobFailure::Destinations { ids };
    }
    match run.code {
        // Before anything was tried: no destination lets us in.
        Some(code) if is_of_authorization(code) => JobFailure::Destinations { ids: destinations.to_vec() },
        code => JobFailure::Elsewhere { code },
    }
}

fn is_of_authorization(code: FailureCode) -> bool {
    use FailureCode::{AppNotRecognized, AuthorizationRequired, ReauthorizationRequired};
    matches!(code, AuthorizationRequired | ReauthorizationRequired | AppNotRecognized)
}

/// Whether a failure can be a source's or a destination's at all: some are the server's or a user's doing, whatever the run was at.
fn can_be_of_a_place(code: FailureCode) -> bool {
    use FailureCode::{Cancelled, CannotDecrypt, Internal, Interrupted, Stopped, TimedOut, UnknownSpec};
    !matches!(code, Stopped | TimedOut | Cancelled | Interrupted | CannotDecrypt | UnknownSpec | Internal)
}
