//! How everything stands: what the first page shows, and a small answer for the window's title.

use axum::Json;
use axum::extract::State;
use catalog::{JobRef, JobStatus, TotalDay, day_of};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;
use crate::overview::space::{DestinationSpace, date};
use crate::overview::{Cause, Facts, Headline};

const DEFAULT_DAYS: u16 = 30;
const MAX_DAYS: u16 = 90;
/// Maximum number of causes that are listed.
const MAX_CAUSES: usize = 50;
/// Maximum number of destinations that are listed, the fullest first.
const MAX_DESTINATIONS: usize = 20;

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OverviewQuery {
    /// How many, today included.
    #[param(minimum = 1, maximum = 90, default = 30)]
    days: Option<u16>,
    /// Whose today the last day is: an IANA name, such as `Europe/Berlin`. Absent: UTC.
    time_zone: Option<String>,
}

/// How everything stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    headline: Headline,
    /// How many jobs there are of each status.
    jobs: JobCounts,
    /// The enabled job whose last good backup is the oldest, with its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_good: Option<JobTime>,
    /// The enabled job that runs next, with its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_run: Option<JobTime>,
    /// What needs attention, the most urgent first.
    causes: Vec<Cause>,
    /// How many causes are not listed.
    more_causes: usize,
    /// The destinations whose space is known, the fullest first.
    destinations: Vec<DestinationSpace>,
    /// How many of them are not listed.
    more_destinations: usize,
    /// What all jobs did per day, the oldest day first.
    activity: Vec<ActivityDay>,
}

/// How many jobs there are of each status.
#[derive(Debug, Default, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobCounts {
    /// The last run that ended by itself did not succeed, or the schedule cannot be read.
    failed: i64,
    /// No run has ended by itself yet.
    new: i64,
    /// A run is queued or running.
    running: i64,
    /// The last run gave warnings that are not acknowledged.
    warnings: i64,
    /// The last run succeeded.
    good: i64,
    /// A user has paused it.
    paused: i64,
}

impl JobCounts {
    /// Adds up the jobs of each status.
    pub(super) fn of(counts: impl IntoIterator<Item = (JobStatus, i64)>) -> Self {
        let mut sums = Self::default();
        for (status, jobs) in counts {
            *match status {
                JobStatus::Failed => &mut sums.failed,
                JobStatus::New => &mut sums.new,
                JobStatus::Running => &mut sums.running,
                JobStatus::Warnings => &mut sums.warnings,
                JobStatus::Good => &mut sums.good,
                JobStatus::Paused => &mut sums.paused,
            } += jobs;
        }
        sums
    }
}

/// A job and a time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobTime {
    job_id: String,
    name: String,
    at: Time,
}

impl JobTime {
    fn of(job: JobRef) -> Option<Self> {
        Some(Self { job_id: job.id, name: job.name, at: job.at?.into() })
    }
}

/// A day of all jobs. A run counts for the date of its job's time zone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActivityDay {
    date: String,
    /// With or without warnings.
    succeeded: i64,
    partial: i64,
    /// Failed or interrupted.
    failed: i64,
    cancelled: i64,
    /// Bytes that successful runs have read from sources.
    read_bytes: i64,
    /// Bytes that successful runs have stored at each destination.
    stored_bytes: i64,
}

/// What the window's title and icon show.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problems {
    headline: Headline,
    /// How many jobs there are of each status.
    jobs: JobCounts,
}

/// What the first page shows: the one sentence, what needs attention, space, and activity. Jobs are listed by `GET /api/jobs`.
#[utoipa::path(get, path = "/api/overview", tag = "overview", params(OverviewQuery), responses((status = 200, body = Overview)))]
pub(crate) async fn show(
    State(app): State<App>,
    Query(query): Query<OverviewQuery>,
) -> Result<Json<Overview>, Problem> {
    let days = query.days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Problem::invalid_field("days", format!("must be 1 to {MAX_DAYS}")));
    }
    let days = i64::from(days);
    let zone = query.time_zone.as_deref().unwrap_or("UTC");
    TimeZone::get(zone)
        .map_err(|_| Problem::invalid_field("timeZone", "is not an IANA time zone: write Europe/Berlin, or UTC"))?;
    let now = app.now();
    let facts = Facts::read(&app, since(now, days)).await?;
    let (mut causes, headline) = facts.causes(&app).await?;
    let today = day_of(now, zone);
    let activity = activity(app.catalog.total_days(today - days + 1).await?, today, days);
    let more_causes = causes.len().saturating_sub(MAX_CAUSES);
    causes.truncate(MAX_CAUSES);
    let jobs = JobCounts::of(facts.kinds.iter().map(|kind| (kind.status, kind.jobs)));
    let mut destinations: Vec<DestinationSpace> =
        facts.destinations.into_iter().filter_map(|destination| destination.space).collect();
    let more_destinations = destinations.len().saturating_sub(MAX_DESTINATIONS);
    if more_destinations > 0 {
        destinations.sort_by(|one, other| other.share().unwrap_or(0.0).total_cmp(&one.share().unwrap_or(0.0)));
        destinations.truncate(MAX_DESTINATIONS);
    }
    Ok(Json(Overview {
        headline,
        jobs,
        oldest_good: app.catalog.oldest_good().await?.and_then(JobTime::of),
        next_run: app.catalog.next_job(now).await?.and_then(JobTime::of),
        causes,
        more_causes,
        destinations,
        more_destinations,
        activity,
    }))
}

/// How many problems keep databases from being backed up, and how many jobs there are of each status.
#[utoipa::path(get, path = "/api/problems", tag = "overview", responses((status = 200, body = Problems)))]
pub(crate) async fn problems(State(app): State<App>) -> Result<Json<Problems>, Problem> {
    let facts = Facts::read(&app, since(app.now(), i64::from(DEFAULT_DAYS))).await?;
    let (_, headline) = facts.causes(&app).await?;
    let jobs = JobCounts::of(facts.kinds.iter().map(|kind| (kind.status, kind.jobs)));
    Ok(Json(Problems { headline, jobs }))
}

fn since(now: Timestamp, days: i64) -> Timestamp {
    now.checked_sub((days * 24).hours()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Returns each of the days up to today, or up to tomorrow where some job's day is further.
fn activity(found: Vec<TotalDay>, today: i64, days: i64) -> Vec<ActivityDay> {
    let last = found.last().map_or(today, |last| last.day.clamp(today, today + 1));
    let mut found = found.into_iter().peekable();
    let day = |day: i64| {
        while found.next_if(|one| one.day < day).is_some() {}
        let sums = found.next_if(|one| one.day == day).map(|one| one.sums).unwrap_or_default();
        Some(ActivityDay {
            date: date(day)?,
            succeeded: sums.succeeded,
            partial: sums.partial,
            failed: sums.failed + sums.interrupted,
            cancelled: sums.cancelled,
            read_bytes: sums.dumped_bytes,
            stored_bytes: sums.stored_bytes,
        })
    };
    (last - days + 1..=last).filter_map(day).collect()
}
