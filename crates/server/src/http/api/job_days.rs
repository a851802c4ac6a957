//! The days of jobs: what their runs came to, and which slots passed without one.

use std::collections::HashMap;

use catalog::{Job, JobDay, day_of};
use domain::schedule::Schedule;
use jiff::civil::Time as Clock;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;
use crate::overview::space::{civil, date};

/// A job's day on which something happened, or should have. What is 0 or false is left out.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = JobDay)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobDayInfo {
    /// In the time zone of the job's schedule: `2026-01-15`.
    date: String,
    /// Runs that succeeded, with or without warnings.
    #[serde(skip_serializing_if = "is_zero")]
    succeeded: i64,
    /// How many of those with warnings.
    #[serde(skip_serializing_if = "is_zero")]
    with_warnings: i64,
    #[serde(skip_serializing_if = "is_zero")]
    partial: i64,
    /// Failed or interrupted.
    #[serde(skip_serializing_if = "is_zero")]
    failed: i64,
    #[serde(skip_serializing_if = "is_zero")]
    cancelled: i64,
    /// Queued or running.
    #[serde(skip_serializing_if = "is_zero")]
    unfinished: i64,
    /// By its schedule it should have run, and has not.
    #[serde(skip_serializing_if = "is_false")]
    missed: bool,
    /// A run to look at: the newest of the worst.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    /// Bytes that its successful runs have stored at each destination.
    #[serde(skip_serializing_if = "is_zero")]
    stored_bytes: i64,
    /// Bytes that its successful runs have read. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_bytes: Option<i64>,
    /// Seconds that its successful runs took. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// When its last good backup ended. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_good_at: Option<Time>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// The days of a job, up to today.
pub(super) struct Strip {
    /// Today's date in the job's time zone.
    pub(super) today: Option<String>,
    /// The days on which something happened, or should have, the oldest first.
    pub(super) days: Vec<JobDayInfo>,
}

impl App {
    /// Returns the days of each of these jobs, in their order. With `brief`, without what lists leave out.
    pub(super) async fn strips(&self, jobs: &[&Job], days: i64, brief: bool) -> Result<Vec<Strip>, Problem> {
        let now = self.now();
        let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
        // No zone is more than a day behind.
        let found = self.catalog.job_days(&ids, day_of(now, "UTC") - days).await?;
        let mut by_job: HashMap<String, Vec<JobDay>> = HashMap::new();
        for day in found {
            by_job.entry(day.job_id.clone()).or_default().push(day);
        }
        let strip = |job: &&Job| strip(job, by_job.remove(&job.id).unwrap_or_default(), days, now, brief);
        Ok(jobs.iter().map(strip).collect())
    }
}

fn strip(job: &Job, found: Vec<JobDay>, days: i64, now: Timestamp, brief: bool) -> Strip {
    let today = day_of(now, &job.time_zone);
    let begin = today - days + 1;
    let mut strip: Vec<(i64, JobDayInfo)> =
        found.into_iter().filter(|day| day.day >= begin).map(|day| (day.day, show(day, brief))).collect();
    for day in missed_days(job, begin, now) {
        if let Err(place) = strip.binary_search_by_key(&day, |(day, _)| *day) {
            strip.insert(place, (day, JobDayInfo { missed: true, ..JobDayInfo::default() }));
        }
    }
    let dated = |(day, info): (i64, JobDayInfo)| Some(JobDayInfo { date: date(day)?, ..info });
    Strip { today: date(today), days: strip.into_iter().filter_map(dated).collect() }
}

fn show(day: JobDay, brief: bool) -> JobDayInfo {
    let JobDay { sums, .. } = day;
    JobDayInfo {
        date: String::new(),
        succeeded: sums.succeeded,
        with_warnings: sums.with_warnings,
        partial: sums.partial,
        failed: sums.failed + sums.interrupted,
        cancelled: sums.cancelled,
        unfinished: sums.unfinished,
        missed: false,
        run_id: Some(day.run_id),
        stored_bytes: sums.stored_bytes,
        read_bytes: Some(sums.dumped_bytes).filter(|_| !brief),
        seconds: Some(sums.duration as f64 / 1000.0).filter(|_| !brief),
        last_good_at: day.good_at.filter(|_| !brief).map(Time::from),
    }
}

/// Returns the days from `begin` on with a slot that has passed, by the schedule as it has been since it was last changed.
fn missed_days(job: &Job, begin: i64, now: Timestamp) -> Vec<i64> {
    let schedule = job.cron.as_deref().filter(|_| job.enabled);
    let Some(schedule) = schedule.and_then(|cron| Schedule::parse(cron, &job.time_zone).ok()) else {
        return Vec::new();
    };
    let Ok(zone) = TimeZone::get(&job.time_zone) else { return Vec::new() };
    let starts = |day: i64| zone.to_timestamp(civil(day)?.to_datetime(Clock::midnight())).ok();
    let mut days = Vec::new();
    let mut after = starts(begin).map(|start| start.max(job.scheduled_since.0) - 1.nanosecond());
    while let Some(slot) = after.and_then(|after| schedule.next_after(after)) {
        // The scheduler looks every second; what is due just now is not missed yet.
        if slot + 1.minute() >= now {
            break;
        }
        let day = day_of(slot, &job.time_zone);
        days.push(day);
        after = starts(day + 1).map(|start| start - 1.nanosecond());
    }
    days
}
