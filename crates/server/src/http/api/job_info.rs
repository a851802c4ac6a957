//! Jobs as answers show them.

use std::collections::BTreeMap;

use catalog::{Job, JobEntry, JobStanding, JobStatus};
use domain::outcome::RunStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::revision::HasRevision;
use super::super::time::Time;
use super::job_days::{JobDayInfo, Strip};
use super::job_input::ScheduleInput;
use super::runs::RunInfo;
use crate::runs::scheduler::schedule_error;

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobInfo {
    id: String,
    name: String,
    source_id: String,
    /// Absent: all that the source has at the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    databases: Option<Vec<String>>,
    destination_ids: Vec<String>,
    /// The id of the retention policy at a destination, by the destination's id. Without one, every backup is kept there.
    retention: BTreeMap<String, String>,
    /// `zstd:3`, `gzip:6`, `none`.
    compression: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleInput>,
    /// Why the job does not run by its schedule, which this version of dbackup cannot read.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<i64>,
    enabled: bool,
    /// Warnings that do not make a run one with warnings: codes, or `code:subject`.
    acknowledged_warnings: Vec<String>,
    /// Whether a database with damaged pages is backed up nevertheless, with a warning (SQLite).
    allow_damaged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_run_at: Option<Time>,
    /// Its newest run. In lists, what happened per database is left out of the `result`.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<RunInfo>,
    standing: JobStandingInfo,
    /// Today's date in the time zone of its schedule, the last of its days; with `days` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    today: Option<String>,
    /// The days on which something happened, or should have; with `days` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Vec<JobDayInfo>>,
    /// The last restore of one of its backups. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_restore: Option<LastRestore>,
    /// When one of its backups was last verified. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_verified_at: Option<Time>,
    /// Counts the changes that users make, from 1. It is also the `ETag`.
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl HasRevision for JobInfo {
    fn revision(&self) -> i64 {
        self.revision
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// How a job stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobStanding)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobStandingInfo {
    status: JobStatusInfo,
    /// When the last run that succeeded ended, with or without warnings.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_good_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_good_run_id: Option<String>,
    /// What the last run came to that ended by itself; cancelled ones do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<RunStatus>,
    /// How many warnings that run gave that the job does not acknowledge.
    warnings: i64,
    /// How many databases it backs up; absent before the first run of a job that takes all that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    databases: Option<i64>,
    /// How many of them its last run has stored at every destination.
    backed_up: i64,
}

/// How a job stands, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JobStatus)]
#[serde(rename_all = "camelCase")]
pub(crate) enum JobStatusInfo {
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

/// A restore.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastRestore {
    pub(super) run_id: String,
    pub(super) state: RunStatus,
    pub(super) at: Time,
}

impl JobStatusInfo {
    pub(super) fn stored(self) -> JobStatus {
        match self {
            Self::Failed => JobStatus::Failed,
            Self::New => JobStatus::New,
            Self::Running => JobStatus::Running,
            Self::Warnings => JobStatus::Warnings,
            Self::Good => JobStatus::Good,
            Self::Paused => JobStatus::Paused,
        }
    }
}

impl From<JobStatus> for JobStatusInfo {
    fn from(status: JobStatus) -> Self {
        match status {
            JobStatus::Failed => Self::Failed,
            JobStatus::New => Self::New,
            JobStatus::Running => Self::Running,
            JobStatus::Warnings => Self::Warnings,
            JobStatus::Good => Self::Good,
            JobStatus::Paused => Self::Paused,
        }
    }
}

impl From<JobStanding> for JobStandingInfo {
    fn from(standing: JobStanding) -> Self {
        Self {
            status: standing.status.into(),
            last_good_at: standing.good_at.map(Time::from),
            last_good_run_id: standing.good_run_id,
            state: standing.state,
            warnings: standing.warnings,
            databases: standing.databases,
            backed_up: standing.backed_up,
        }
    }
}

impl JobInfo {
    /// Adds its days.
    pub(super) fn with_days(mut self, Strip { today, days }: Strip) -> Self {
        (self.today, self.days) = (today, Some(days));
        self
    }

    /// Adds when it was last restored and verified.
    pub(super) fn with_proof(mut self, restore: Option<LastRestore>, verified_at: Option<Time>) -> Self {
        (self.last_restore, self.last_verified_at) = (restore, verified_at);
        self
    }
}

pub(super) fn show_job(JobEntry { job, standing, last_run }: JobEntry) -> JobInfo {
    let Job { cron, time_zone, .. } = job;
    JobInfo {
        id: job.id,
        name: job.name,
        source_id: job.source_id,
        databases: job.databases,
        destination_ids: job.destination_ids,
        retention: job.retention,
        compression: job.compression.to_string(),
        profile_id: job.profile_id,
        schedule_error: schedule_error(cron.as_deref(), &time_zone),
        schedule: cron.map(|cron| ScheduleInput { cron, time_zone }),
        timeout_seconds: job.timeout_seconds,
        enabled: job.enabled,
        acknowledged_warnings: job.acknowledged_warnings,
        allow_damaged: job.allow_damaged,
        next_run_at: job.next_run_at.map(Time::from),
        last_run: last_run.map(RunInfo::from),
        standing: standing.into(),
        today: None,
        days: None,
        last_restore: None,
        last_verified_at: None,
        revision: job.revision,
        created_at: job.created_at.into(),
        updated_at: job.updated_at.into(),
    }
}
