//! How things stand, and how they stood day by day: what the first page says.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use catalog::{LastRun, Moment, SpaceOfDay, SpanCount, Standing};
use domain::outcome::RunStatus;
use domain::run::{DatabaseResult, RunResult};
use domain::schedule::Schedule;
use jiff::civil::{Date, Time as Clock};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::Query;
use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;
use crate::runs::scheduler::schedule_error;

const DEFAULT_DAYS: u16 = 30;
const MOST_DAYS: u16 = 90;
/// A destination is foreseen to be full within so many days, or not at all.
const FARTHEST: i64 = 3650;
/// A rate from fewer days than these says nothing.
const FEWEST_DAYS: i64 = 3;

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OverviewQuery {
    /// How many, today included.
    #[param(minimum = 1, maximum = 90, default = 30)]
    days: Option<u16>,
    /// Whose days: an IANA name, such as `Europe/Berlin`. Absent: UTC.
    time_zone: Option<String>,
}

/// How things stand.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    /// The days, the oldest first: `2026-01-15`.
    dates: Vec<String>,
    /// Every job, by name.
    jobs: Vec<JobStanding>,
    /// Every destination that has told of its space.
    destinations: Vec<DestinationSpace>,
}

/// How a job stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobStanding {
    job_id: String,
    /// When the last run that succeeded ended, with or without warnings.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_good_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_good_run_id: Option<String>,
    /// What the last run came to that ended by itself; cancelled ones tell nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<RunStatus>,
    /// Why the job does not run by its schedule, which this version of dbackup cannot read.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_error: Option<String>,
    /// How many warnings the last run gave that the job does not acknowledge.
    warnings: usize,
    /// How many databases it backs up; absent before the first run of a job that takes all that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    databases: Option<usize>,
    /// How many of them its last run has backed up to every destination.
    backed_up: usize,
    /// The days on which something happened, or should have.
    days: Vec<JobDay>,
}

/// A job's day.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobDay {
    /// The day's place in `dates`.
    day: usize,
    /// With or without warnings.
    succeeded: i64,
    /// How many of those with warnings.
    with_warnings: i64,
    partial: i64,
    /// Failed or interrupted.
    failed: i64,
    cancelled: i64,
    /// Waiting or going on.
    unfinished: i64,
    /// By its schedule it should have run, and has not.
    missed: bool,
    /// A run to look at: the newest of the worst.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    /// Bytes that its successful runs have stored at each destination.
    stored_bytes: i64,
}

/// How full a destination was.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DestinationSpace {
    destination_id: String,
    days: Vec<SpaceDay>,
    /// The day on which it is full at the present rate; absent if it does not fill, or that cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    full_on: Option<String>,
}

/// How full it was on a day (UTC).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpaceDay {
    date: String,
    /// Bytes in use.
    used: i64,
    /// Bytes allowed; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<i64>,
}

/// How things stand, and how they stood day by day.
#[utoipa::path(get, path = "/api/overview", tag = "overview", params(OverviewQuery), responses((status = 200, body = Overview)))]
pub(crate) async fn show(
    State(app): State<App>,
    Query(query): Query<OverviewQuery>,
) -> Result<Json<Overview>, Problem> {
    let days = query.days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Problem::invalid_field("days", format!("must be 1 to {MOST_DAYS}")));
    }
    let zone = TimeZone::get(query.time_zone.as_deref().unwrap_or("UTC"))
        .map_err(|_| Problem::invalid_field("timeZone", "is not an IANA time zone: write Europe/Berlin, or UTC"))?;
    let now = app.now();
    let calendar = Calendar::ending(now, i64::from(days), &zone).map_err(Problem::internal)?;
    let counts = app.catalog.runs_by_span(&calendar.bounds).await?;
    let mut by_job: HashMap<String, Vec<SpanCount>> = HashMap::new();
    for count in counts {
        by_job.entry(count.job_id.clone()).or_default().push(count);
    }
    let standings = app.catalog.standings().await?;
    let jobs = standings
        .into_iter()
        .map(|standing| {
            let counts = by_job.remove(&standing.job_id).unwrap_or_default();
            job_standing(standing, counts, &calendar, now)
        })
        .collect();
    let since = calendar.bounds.first().copied().unwrap_or(now);
    let space = app.catalog.space_since(Moment(since)).await?;
    let destinations =
        space.chunk_by(|one, other| one.destination_id == other.destination_id).filter_map(destination_space).collect();
    Ok(Json(Overview { dates: calendar.dates.iter().map(Date::to_string).collect(), jobs, destinations }))
}

/// Days of a time zone, with where they begin, and where the last one ends.
struct Calendar {
    dates: Vec<Date>,
    bounds: Vec<Timestamp>,
}

impl Calendar {
    fn ending(now: Timestamp, days: i64, zone: &TimeZone) -> Result<Self, jiff::Error> {
        let today = zone.to_datetime(now).date();
        let dates = (0..days).rev().map(|back| today.checked_sub(back.days())).collect::<Result<Vec<_>, _>>()?;
        let ends = dates.iter().copied().chain([today.tomorrow()?]);
        let bounds =
            ends.map(|date| zone.to_timestamp(date.to_datetime(Clock::midnight()))).collect::<Result<_, _>>()?;
        Ok(Self { dates, bounds })
    }
}

fn job_standing(standing: Standing, counts: Vec<SpanCount>, calendar: &Calendar, now: Timestamp) -> JobStanding {
    let ended = standing.ended.as_ref();
    let outcomes = ended.map(outcomes).unwrap_or_default();
    let named = standing.databases.as_ref().map_or(0, Vec::len);
    let before = standing.good.as_ref().map_or(0, |good| self::outcomes(good).len());
    let known = outcomes.len().max(named).max(if outcomes.is_empty() { before } else { 0 });
    JobStanding {
        days: job_days(&standing, counts, calendar, now),
        job_id: standing.job_id,
        last_good_at: standing.good.as_ref().map(|good| good.finished_at.into()),
        state: ended.map(|run| run.state),
        schedule_error: schedule_error(standing.cron.as_deref().filter(|_| standing.enabled), &standing.time_zone),
        warnings: ended.map_or(0, |run| warnings(run, &standing.acknowledged_warnings)),
        databases: Some(known).filter(|known| *known > 0),
        backed_up: outcomes.into_iter().filter(|whole| *whole).count(),
        last_good_run_id: standing.good.map(|good| good.id),
    }
}

/// Per database of a run's result, whether it is at every destination.
fn outcomes(run: &LastRun) -> Vec<bool> {
    match &run.result {
        Some(RunResult::Backup(result)) => result.databases.iter().map(DatabaseResult::is_whole).collect(),
        _ => Vec::new(),
    }
}

/// How many warnings of a run's result, its databases' included, are not acknowledged.
fn warnings(run: &LastRun, acknowledged: &[String]) -> usize {
    let Some(RunResult::Backup(result)) = &run.result else { return 0 };
    result.all_warnings().filter(|listed| !listed.warning.is_acknowledged(acknowledged)).count()
}

fn job_days(standing: &Standing, counts: Vec<SpanCount>, calendar: &Calendar, now: Timestamp) -> Vec<JobDay> {
    let mut days: Vec<JobDay> = (0..calendar.dates.len()).map(|day| JobDay { day, ..JobDay::default() }).collect();
    let mut worst: HashMap<usize, u8> = HashMap::new();
    for count in counts {
        let Some(day) = days.get_mut(count.span) else { continue };
        let (number, badness) = match count.state {
            RunStatus::Succeeded => (&mut day.succeeded, 1),
            RunStatus::Cancelled => (&mut day.cancelled, 2),
            RunStatus::SucceededWithWarnings => (&mut day.succeeded, 3),
            RunStatus::Queued | RunStatus::Running => (&mut day.unfinished, 4),
            RunStatus::Partial => (&mut day.partial, 5),
            RunStatus::Failed | RunStatus::Interrupted => (&mut day.failed, 6),
        };
        *number += count.runs;
        if count.state == RunStatus::SucceededWithWarnings {
            day.with_warnings += count.runs;
        }
        if count.state.is_success() {
            day.stored_bytes += count.stored_bytes;
        }
        let so_far = worst.entry(count.span).or_default();
        if badness > *so_far || badness == *so_far && day.run_id.as_ref() < Some(&count.newest) {
            *so_far = badness;
            day.run_id = Some(count.newest);
        }
    }
    mark_missed(standing, &mut days, calendar, now);
    days.retain(|day| day.run_id.is_some() || day.missed);
    days
}

/// Days on which the schedule, as it has been since it was last changed, had a slot that passed without a run.
fn mark_missed(standing: &Standing, days: &mut [JobDay], calendar: &Calendar, now: Timestamp) {
    let schedule = standing.cron.as_deref().filter(|_| standing.enabled);
    let Some(schedule) = schedule.and_then(|cron| Schedule::parse(cron, &standing.time_zone).ok()) else { return };
    for day in days.iter_mut().filter(|day| day.run_id.is_none()) {
        let (begin, end) = (calendar.bounds[day.day], calendar.bounds[day.day + 1].min(now));
        let after = begin.max(standing.updated_at.0) - 1.nanosecond();
        // The scheduler looks every second; what is due just now is not missed yet.
        day.missed = schedule.next_after(after).is_some_and(|slot| slot + 1.minute() < end);
    }
}

fn destination_space(days: &[SpaceOfDay]) -> Option<DestinationSpace> {
    let date = |day: i64| {
        let days = day.checked_mul(24 * 3600)?;
        Some(TimeZone::UTC.to_datetime(Timestamp::from_second(days).ok()?).date().to_string())
    };
    Some(DestinationSpace {
        destination_id: days.first()?.destination_id.clone(),
        full_on: full_on(days).and_then(date),
        days: days
            .iter()
            .filter_map(|day| Some(SpaceDay { date: date(day.day)?, used: day.used, allowed: day.allowed }))
            .collect(),
    })
}

/// The day on which the line through the first and the last day reaches what is allowed.
fn full_on(days: &[SpaceOfDay]) -> Option<i64> {
    let (first, last) = (days.first()?, days.last()?);
    let (span, growth) = (last.day - first.day, last.used - first.used);
    let free = last.allowed?.saturating_sub(last.used).max(0);
    if span < FEWEST_DAYS || growth <= 0 {
        return None;
    }
    let wait = i128::from(free) * i128::from(span) / i128::from(growth);
    i64::try_from(wait).ok().filter(|wait| *wait <= FARTHEST).map(|wait| last.day + wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(day: i64, used: i64) -> SpaceOfDay {
        SpaceOfDay { destination_id: "d".to_owned(), day, used, allowed: Some(1000) }
    }

    #[test]
    fn a_destination_is_full_where_its_line_meets_what_is_allowed() {
        assert_eq!(full_on(&[used(0, 100), used(5, 300), used(10, 500)]), Some(22));
        assert_eq!(full_on(&[used(0, 100), used(4, 2000)]), Some(4));
        for days in [&[used(0, 100), used(2, 500)][..], &[used(0, 500), used(9, 100)], &[used(0, 1), used(9, 2)], &[]] {
            assert_eq!(full_on(days).filter(|day| *day < 5000), None, "{days:?}");
        }
    }

    #[test]
    fn days_begin_with_the_clocks_of_their_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let calendar = Calendar::ending("2026-03-30T12:00:00Z".parse().unwrap(), 3, &zone).unwrap();
        let bounds: Vec<String> = calendar.bounds.iter().map(ToString::to_string).collect();
        assert_eq!(
            bounds,
            ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"]
        );
    }
}
