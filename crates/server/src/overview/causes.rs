//! What needs attention, grouped by what is behind it, so that one cure stands for all that it helps.

use catalog::{FailingJobs, JobFailure, JobRef, JobStatus};
use domain::run::FailureCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::headline::Headline;
use super::{Facts, KnownDestination, MAX_FAILURES, MAX_NAMED, MAX_OVERDUE, SLOT_TOLERANCE};
use crate::app::App;
use crate::authorizations::status::AuthorizationStatus;
use crate::notifications::is_failing;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Level {
    /// Backups are missing now.
    Bad,
    /// Backups can be lost, or will be missing.
    Warn,
    /// What a careful owner would still do.
    Note,
    /// Everything is backed up.
    Good,
    /// Nothing is backed up, or nothing is known.
    None,
}

/// What can be wrong, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CauseKind {
    /// A destination waits for a user to authorize it.
    Authorize,
    /// Runs failed.
    Failed,
    /// Schedules cannot be read.
    Schedule,
    /// Slots passed without a run.
    Missed,
    /// A destination is nearly full, or soon will be.
    Full,
    /// Jobs have no backup yet.
    Never,
    /// A channel does not deliver notifications.
    Channel,
    /// A key exists only on this server.
    Key,
    /// Backups on somebody else's storage are not encrypted.
    Plaintext,
    /// Jobs keep a single copy.
    OneCopy,
    /// No backup was ever restored.
    Unrestored,
}

/// Something that needs attention, with the jobs that it concerns.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = OverviewCause)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cause {
    /// The same for as long as it lasts.
    key: String,
    pub(super) kind: CauseKind,
    pub(super) level: Level,
    /// How many jobs it concerns.
    pub(super) job_count: i64,
    /// The first of them.
    jobs: Vec<AffectedJob>,
    /// The query of `GET /api/jobs` that lists them all; absent where no query does.
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs_query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<AffectedDestination>,
    /// The source at which runs failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Named>,
    /// The profile of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Named>,
    /// The channel that does not deliver.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Named>,
    /// In the server's words; absent if the jobs have several reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A job that a cause concerns.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AffectedJob {
    id: String,
    name: String,
    /// Its last run that ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
}

/// A destination that a cause is about.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AffectedDestination {
    id: String,
    name: String,
    authorization: AuthorizationStatus,
    /// The share of its space in use, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    /// The day on which it is full at the current rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    full_on: Option<String>,
}

/// A thing by name.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AffectedThing)]
pub(crate) struct Named {
    id: String,
    name: String,
}

impl From<JobRef> for AffectedJob {
    fn from(job: JobRef) -> Self {
        Self { id: job.id, name: job.name, run_id: job.run_id }
    }
}

impl From<&KnownDestination> for AffectedDestination {
    fn from(destination: &KnownDestination) -> Self {
        let space = destination.space.as_ref();
        Self {
            id: destination.id.clone(),
            name: destination.name.clone(),
            authorization: destination.status,
            share: space.and_then(super::space::DestinationSpace::share),
            full_on: space.and_then(|space| space.full_on.clone()),
        }
    }
}

impl Cause {
    fn new(key: String, kind: CauseKind, level: Level, job_count: i64) -> Self {
        Self {
            key,
            kind,
            level,
            job_count,
            jobs: Vec::new(),
            jobs_query: None,
            destination: None,
            source: None,
            profile: None,
            channel: None,
            reason: None,
        }
    }

    fn at(mut self, destination: &KnownDestination) -> Self {
        self.destination = Some(destination.into());
        self
    }

    fn with(mut self, jobs: Vec<JobRef>) -> Self {
        self.jobs = jobs.into_iter().map(AffectedJob::from).collect();
        self
    }

    fn listed_by(mut self, query: impl Into<String>) -> Self {
        self.jobs_query = Some(query.into());
        self
    }
}

impl Facts {
    /// Returns what needs attention, the most urgent first, and the one sentence about it.
    pub(crate) async fn causes(&self, app: &App) -> Result<(Vec<Cause>, Headline), catalog::Error> {
        let mut causes = self.authorizations(app).await?;
        causes.extend(self.failures(app).await?);
        causes.extend(self.idle(app).await?);
        causes.extend(self.full(app).await?);
        causes.extend(self.channels());
        causes.extend(self.risks(app).await?);
        causes.sort_by(|one, other| one.kind.cmp(&other.kind).then(other.job_count.cmp(&one.job_count)));
        let headline = Headline::of(self, &causes);
        Ok((causes, headline))
    }

    async fn authorizations(&self, app: &App) -> Result<Vec<Cause>, catalog::Error> {
        let mut causes = Vec::new();
        for destination in self.destinations.iter().filter(|one| one.is_waiting()) {
            let jobs = self.count(|kind| kind.destinations.contains(&destination.id));
            let mut cause = Cause::new(format!("authorize {}", destination.id), CauseKind::Authorize, Level::Bad, jobs)
                .at(destination)
                .with(app.catalog.enabled_jobs_at(&destination.id, MAX_NAMED).await?)
                .listed_by(format!("destinationId={}", destination.id));
            cause.reason.clone_from(&destination.reason);
            causes.push(cause);
        }
        Ok(causes)
    }

    /// Failed jobs, together where they failed at the same place, or else for the same kind of reason.
    async fn failures(&self, app: &App) -> Result<Vec<Cause>, catalog::Error> {
        let mut causes = Vec::new();
        for FailingJobs { failure, jobs, reason } in app.catalog.failing_jobs(MAX_FAILURES).await? {
            if self.is_only_waiting(&failure) {
                continue;
            }
            let kind = if failure == JobFailure::Schedule { CauseKind::Schedule } else { CauseKind::Failed };
            let mut cause = Cause::new(key_of(&failure), kind, Level::Bad, jobs)
                .with(app.catalog.jobs_failing_so(&failure, MAX_NAMED).await?)
                .listed_by("status=failed");
            cause.reason = reason;
            match &failure {
                JobFailure::Source { id } => {
                    let source = app.catalog.source(id).await?;
                    cause.source = source.map(|source| Named { id: source.id, name: source.name });
                    cause = cause.listed_by(format!("status=failed&sourceId={id}"));
                }
                JobFailure::Destinations { ids } if ids.len() == 1 => {
                    cause.destination = self.destination(&ids[0]).map(AffectedDestination::from);
                    cause = cause.listed_by(format!("status=failed&destinationId={}", ids[0]));
                }
                _ => {}
            }
            causes.push(cause);
        }
        Ok(causes)
    }

    /// Whether all that a failure lacks waits for an authorization, which has a cause of its own.
    pub(crate) fn is_only_waiting(&self, failure: &JobFailure) -> bool {
        let waiting = self.waiting();
        matches!(failure, JobFailure::Destinations { ids } if !ids.is_empty() && ids.iter().all(|id| waiting.contains(id.as_str())))
    }

    /// Jobs whose slots passed, and jobs that never ran.
    async fn idle(&self, app: &App) -> Result<Vec<Cause>, catalog::Error> {
        let mut causes = Vec::new();
        let overdue = app.catalog.overdue_jobs(self.now - SLOT_TOLERANCE, MAX_OVERDUE).await?;
        if !overdue.is_empty() {
            let jobs = i64::try_from(overdue.len()).unwrap_or(i64::MAX);
            let named = overdue.into_iter().take(usize::try_from(MAX_NAMED).unwrap_or_default()).collect();
            causes.push(Cause::new("missed".to_owned(), CauseKind::Missed, Level::Bad, jobs).with(named));
        }
        let waiting: Vec<String> = self.waiting().into_iter().map(str::to_owned).collect();
        let new = self
            .count(|kind| kind.status == JobStatus::New && !kind.destinations.iter().all(|id| waiting.contains(id)));
        if new > 0 {
            let jobs = app.catalog.jobs_of_status(JobStatus::New, &waiting, MAX_NAMED).await?;
            let cause = Cause::new("never".to_owned(), CauseKind::Never, Level::Bad, new);
            causes.push(cause.with(jobs).listed_by("status=new"));
        }
        Ok(causes)
    }

    async fn full(&self, app: &App) -> Result<Vec<Cause>, catalog::Error> {
        let mut causes = Vec::new();
        for destination in &self.destinations {
            if !destination.space.as_ref().is_some_and(|space| space.is_short(self.now)) {
                continue;
            }
            let jobs = self.count(|kind| kind.destinations.contains(&destination.id));
            let named = app.catalog.enabled_jobs_at(&destination.id, MAX_NAMED).await?;
            causes.push(
                Cause::new(format!("full {}", destination.id), CauseKind::Full, Level::Warn, jobs)
                    .at(destination)
                    .with(named)
                    .listed_by(format!("destinationId={}", destination.id)),
            );
        }
        Ok(causes)
    }

    /// Channels that do not deliver.
    fn channels(&self) -> Vec<Cause> {
        let failing = self.channels.iter().filter(|channel| is_failing(channel, self.now));
        let cause = |channel: &catalog::Channel| {
            let mut cause = Cause::new(format!("channel {}", channel.id), CauseKind::Channel, Level::Warn, 0);
            cause.channel = Some(Named { id: channel.id.clone(), name: channel.name.clone() });
            cause.reason.clone_from(&channel.last_error);
            cause
        };
        failing.map(cause).collect()
    }

    /// What is backed up, but could be lost all the same.
    async fn risks(&self, app: &App) -> Result<Vec<Cause>, catalog::Error> {
        let mut causes = Vec::new();
        for profile in self.profiles.iter().filter(|one| one.has_identity() && one.exported_at.is_none()) {
            let jobs = self.count(|kind| kind.profile_id.as_deref() == Some(&profile.id));
            if jobs == 0 {
                continue;
            }
            let mut cause = Cause::new(format!("key {}", profile.id), CauseKind::Key, Level::Warn, jobs)
                .with(app.catalog.enabled_jobs_of_profile(Some(&profile.id), &[], MAX_NAMED).await?);
            cause.profile = Some(Named { id: profile.id.clone(), name: profile.name.clone() });
            causes.push(cause);
        }
        let foreign: Vec<String> =
            self.destinations.iter().filter(|one| one.is_foreign).map(|one| one.id.clone()).collect();
        let plain =
            self.count(|kind| kind.profile_id.is_none() && kind.destinations.iter().any(|id| foreign.contains(id)));
        if plain > 0 {
            let jobs = app.catalog.enabled_jobs_of_profile(None, &foreign, MAX_NAMED).await?;
            causes.push(Cause::new("plaintext".to_owned(), CauseKind::Plaintext, Level::Warn, plain).with(jobs));
        }
        let single = self.count(|kind| kind.destinations.len() == 1);
        if single > 0 {
            let jobs = app.catalog.enabled_jobs_with_one_copy(MAX_NAMED).await?;
            causes.push(Cause::new("oneCopy".to_owned(), CauseKind::OneCopy, Level::Note, single).with(jobs));
        }
        let enabled = self.count(|_| true);
        if !self.has_restored && enabled > 0 {
            causes.push(Cause::new("unrestored".to_owned(), CauseKind::Unrestored, Level::Note, enabled));
        }
        Ok(causes)
    }
}

fn key_of(failure: &JobFailure) -> String {
    match failure {
        JobFailure::Schedule => "schedule".to_owned(),
        JobFailure::Source { id } => format!("failed {id}"),
        JobFailure::Destinations { ids } => format!("failed {}", ids.join(" ")),
        JobFailure::Elsewhere { code } => format!("failed {}", code.map_or("", FailureCode::as_str)),
    }
}
