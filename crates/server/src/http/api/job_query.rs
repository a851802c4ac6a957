//! Which jobs, and what of them, a request asks for.

use catalog::{JobFilter, JobOrder, JobStatus, PageRequest};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::lists::page;
use super::super::problem::Problem;
use super::job_info::JobStatusInfo;
use super::job_input::utc;

/// Maximum number of days of a job.
const MAX_DAYS: u16 = 400;
/// Maximum number of days of each job in a list.
const MAX_DAYS_OF_LIST: u16 = 90;

/// The next slots of a schedule.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviewQuery {
    pub(super) cron: String,
    #[serde(default = "utc")]
    pub(super) time_zone: String,
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobQuery {
    /// Only the one with this name, in upper or lower case.
    pub(super) name: Option<String>,
    /// Only those whose name contains this, in upper or lower case.
    search: Option<String>,
    /// Only of one of these: `failed,new`, or repeated.
    #[param(value_type = Option<Vec<JobStatusInfo>>, style = Form, explode = false)]
    status: Option<String>,
    /// Only of this source.
    source_id: Option<String>,
    /// Only with this destination.
    destination_id: Option<String>,
    /// By name, or the most urgent first.
    #[serde(default)]
    #[param(inline)]
    sort: JobSort,
    /// With the days of each job, so many, today included.
    #[param(minimum = 1, maximum = 90)]
    days: Option<u16>,
    /// `nextCursor` of the page before; without it, the first page.
    cursor: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
}

/// The order of jobs.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum JobSort {
    /// By name.
    #[default]
    Name,
    /// By status, the most urgent first, then by name.
    Urgency,
}

/// Which days.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DaysQuery {
    /// With its days, so many, today included.
    #[param(minimum = 1, maximum = 400)]
    days: Option<u16>,
}

impl JobQuery {
    pub(super) fn page(&self) -> Result<PageRequest, Problem> {
        page(self.cursor.as_deref(), self.limit)
    }

    pub(super) fn days(&self) -> Result<Option<i64>, Problem> {
        days(self.days, MAX_DAYS_OF_LIST)
    }

    pub(super) fn filter(&self) -> Result<JobFilter, Problem> {
        Ok(JobFilter {
            statuses: self.status.as_deref().map(statuses).transpose()?.unwrap_or_default(),
            search: self.search.clone(),
            source_id: self.source_id.clone(),
            destination_id: self.destination_id.clone(),
            order: match self.sort {
                JobSort::Name => JobOrder::Name,
                JobSort::Urgency => JobOrder::Urgency,
            },
        })
    }
}

impl DaysQuery {
    pub(super) fn days(&self) -> Result<Option<i64>, Problem> {
        days(self.days, MAX_DAYS)
    }
}

fn days(days: Option<u16>, most: u16) -> Result<Option<i64>, Problem> {
    match days {
        Some(days) if !(1..=most).contains(&days) => {
            Err(Problem::invalid_field("days", format!("must be 1 to {most}")))
        }
        days => Ok(days.map(i64::from)),
    }
}

fn statuses(text: &str) -> Result<Vec<JobStatus>, Problem> {
    let status = |text: &str| serde_json::from_value(text.into()).map(JobStatusInfo::stored);
    let statuses: Result<_, _> = text.split(',').map(status).collect();
    let all = "failed, new, running, warnings, good or paused";
    statuses.map_err(|_| Problem::invalid_field("status", format!("holds something else than {all}")))
}
