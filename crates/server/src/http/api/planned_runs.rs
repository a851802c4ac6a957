//! When jobs run next, all of them: what the timeline shows.

use axum::Json;
use axum::extract::State;
use catalog::Scheduled;
use domain::schedule::Schedule;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::Query;
use super::super::lists::List;
use super::super::problem::Problem;
use super::super::time::Time;
use crate::app::App;

/// How far ahead it looks unless it is told.
const HORIZON: SignedDuration = SignedDuration::from_hours(24);
/// How far ahead it looks at most.
const MAX_HORIZON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Maximum number of jobs, those that run first.
const MAX_JOBS: usize = 1000;
/// Maximum number of runs of a job: one every five minutes for a day.
const MAX_RUNS_OF_JOB: usize = 288;
/// Maximum number of runs in all. Jobs beyond it have their next one only.
const MAX_RUNS: usize = 20_000;

/// Until when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlannedQuery {
    /// A time, at most seven days ahead. Absent: 24 hours ahead.
    until: Option<Time>,
}

/// The runs that a job's schedule plans.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlannedRuns {
    job_id: String,
    /// In their order, at most 288.
    at: Vec<Time>,
    /// Whether there are more of them before `until`.
    has_more: bool,
}

/// When the enabled jobs run by their schedules, until a time: at most 1000 jobs, those that run first.
#[utoipa::path(get, path = "/api/planned-runs", tag = "jobs", params(PlannedQuery), responses((status = 200, body = List<PlannedRuns>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<PlannedQuery>,
) -> Result<Json<List<PlannedRuns>>, Problem> {
    let now = app.now();
    let ahead = |by: SignedDuration| now.checked_add(by).unwrap_or(Timestamp::MAX);
    let until = query.until.map_or_else(|| ahead(HORIZON), |Time(until)| until);
    if until > ahead(MAX_HORIZON) {
        return Err(Problem::invalid_field("until", "must be at most seven days ahead"));
    }
    let mut jobs = app.catalog.scheduled_jobs().await?;
    jobs.retain(|job| job.next_run_at.is_some_and(|next| next.0 < until));
    jobs.sort_by(|one, other| (one.next_run_at, &one.name).cmp(&(other.next_run_at, &other.name)));
    let mut left = MAX_RUNS;
    let items = jobs.iter().take(MAX_JOBS).map(|job| {
        let planned = planned(job, now, until, left.clamp(1, MAX_RUNS_OF_JOB));
        left = left.saturating_sub(planned.at.len());
        planned
    });
    Ok(Json(List { items: items.collect(), next_cursor: None }))
}

/// The first is the stored one, which may be late; the others follow by the schedule.
fn planned(job: &Scheduled, now: Timestamp, until: Timestamp, most: usize) -> PlannedRuns {
    let Scheduled { id, cron, time_zone, next_run_at, .. } = job;
    let first = next_run_at.map(|next| next.0);
    let schedule = Schedule::parse(cron, time_zone).ok();
    let next = |time: &Timestamp| schedule.as_ref().and_then(|schedule| schedule.next_after((*time).max(now)));
    let mut times = std::iter::successors(first, next).take_while(|time| *time < until);
    let at = times.by_ref().take(most).map(Time::from).collect();
    PlannedRuns { job_id: id.clone(), at, has_more: times.next().is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_come_by_the_clocks_of_their_zone_up_to_a_bound() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let job = |cron: &str, next: &str| Scheduled {
            id: "j".to_owned(),
            name: "j".to_owned(),
            cron: cron.to_owned(),
            time_zone: "Europe/Zurich".to_owned(),
            next_run_at: Some(time(next).into()),
        };
        // In this night the clocks are set back, so that six hours take seven.
        let (now, until) = (time("2026-10-24T21:00:00Z"), time("2026-10-25T12:00:00Z"));
        let found = planned(&job("0 */6 * * *", "2026-10-24T22:00:00Z"), now, until, 10);
        let times: Vec<String> = found.at.iter().map(|at| at.0.to_string()).collect();
        assert_eq!(times, ["2026-10-24T22:00:00Z", "2026-10-25T05:00:00Z", "2026-10-25T11:00:00Z"]);
        assert!(!found.has_more);
        let found = planned(&job("*/45 * * * *", "2026-10-24T21:45:00Z"), now, until, 5);
        assert_eq!((found.at.len(), found.has_more), (5, true));
    }
}
