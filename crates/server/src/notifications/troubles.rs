//! What is wrong now, as data, and what was wrong with runs that have just ended.

use std::collections::BTreeMap;

use catalog::{Channel, JobFailure, JobRef, RunNews, TroubledJob};
use domain::notification::Event;
use domain::outcome::RunStatus;
use domain::run::FailureCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::authorizations::status::AuthorizationStatus;
use crate::overview::{Facts, SLOT_TOLERANCE};
use crate::redaction::redact;

/// Maximum number of jobs that are looked at for one kind of problem.
const MAX_JOBS: i64 = 1000;
/// For how long the space of destinations is looked at.
const SPACE_DAYS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Runs that wait for longer in the queue do not start in time.
const QUEUE_TOLERANCE: SignedDuration = SignedDuration::from_hours(1);
/// A channel that does not deliver for so long is a problem.
const CHANNEL_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trouble {
    /// The same for as long as it lasts.
    pub(super) key: String,
    pub(super) event: Event,
    /// The name of the source, destination, profile or channel.
    pub(super) subject: Option<String>,
    /// In the server's words.
    pub(super) reason: Option<String>,
    /// The jobs that it concerns, as far as they are named.
    pub(super) jobs: Vec<Concerned>,
    /// Which rules it concerns beside those of its jobs.
    pub(super) concerns: Concerns,
    /// Since when, where that is known.
    pub(super) since: Option<Timestamp>,
}

/// A job that a problem concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Concerned {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) run_id: Option<String>,
}

/// What makes a problem one of a rule that is about some jobs only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Concerns {
    /// One of the jobs of the problem.
    Jobs,
    /// A job that uses this destination.
    Destination(String),
    /// A job that uses this encryption profile.
    Profile(String),
    /// Everybody has to know.
    Everybody,
    /// A way of telling people, which cannot tell of itself.
    Channel(String),
}

/// All that is known in a pass.
pub(super) struct Known {
    /// What is wrong now.
    pub(super) standing: Vec<Trouble>,
    /// What was wrong with runs that have just ended.
    pub(super) passing: Vec<Trouble>,
}

impl From<JobRef> for Concerned {
    fn from(job: JobRef) -> Self {
        Self { id: job.id, name: job.name, run_id: job.run_id }
    }
}

impl Trouble {
    fn new(key: String, event: Event) -> Self {
        let (jobs, concerns) = (Vec::new(), Concerns::Jobs);
        Self { key, event, subject: None, reason: None, jobs, concerns, since: None }
    }

    fn about(mut self, subject: &str, concerns: Concerns) -> Self {
        self.subject = Some(subject.to_owned());
        self.concerns = concerns;
        self
    }

    fn with(mut self, jobs: Vec<JobRef>) -> Self {
        self.jobs = jobs.into_iter().map(Concerned::from).collect();
        self
    }

    fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason.map(|reason| redact(&reason));
        self
    }
}

/// Returns whether a channel is a problem: it has not delivered for a while.
pub(crate) fn is_failing(channel: &Channel, now: Timestamp) -> bool {
    channel.enabled && channel.failing_since.is_some_and(|since| now.duration_since(since.0) >= CHANNEL_TOLERANCE)
}

impl App {
    pub(super) async fn troubles(
        &self,
        news: &[RunNews],
        channels: &[Channel],
        now: Timestamp,
    ) -> Result<Known, catalog::Error> {
        let facts = Facts::read(self, now.checked_sub(SPACE_DAYS).unwrap_or(Timestamp::UNIX_EPOCH)).await?;
        let names = self.names(&facts).await?;
        let failing = self.catalog.jobs_that_fail(MAX_JOBS).await?;
        let mut standing = grouped(&failing, &names, &facts);
        standing.extend(self.catalog.jobs_with_warnings(MAX_JOBS).await?.iter().map(with_warnings));
        standing.extend(self.late(now).await?);
        standing.extend(self.at_destinations(&facts, now).await?);
        standing.extend(self.keys(&facts).await?);
        standing.extend(channels.iter().filter(|channel| is_failing(channel, now)).map(failing_channel));
        let ended: Vec<TroubledJob> = news.iter().filter_map(failed_run).collect();
        let mut passing = grouped(&ended, &names, &facts);
        passing.extend(news.iter().filter_map(lost_run));
        for trouble in &mut passing {
            let is_its = |news: &&RunNews| trouble.jobs.iter().any(|job| job.run_id.as_ref() == Some(&news.run_id));
            let ended = news.iter().find(is_its).map(|news| news.at.0);
            trouble.since = trouble.since.or(ended);
        }
        Ok(Known { standing, passing })
    }

    /// Returns the names of all sources and destinations by their ids.
    async fn names(&self, facts: &Facts) -> Result<BTreeMap<String, String>, catalog::Error> {
        let sources = self.catalog.sources(&super::ALL).await?.items;
        let sources = sources.into_iter().map(|source| (source.id, source.name));
        let destinations = facts.destinations.iter().map(|one| (one.id.clone(), one.name.clone()));
        Ok(sources.chain(destinations).collect())
    }

    /// What should have run, whatever the scheduler and the queue say.
    async fn late(&self, now: Timestamp) -> Result<Vec<Trouble>, catalog::Error> {
        let overdue = self.catalog.overdue_jobs(now - SLOT_TOLERANCE, MAX_JOBS).await?;
        let queued = self.catalog.jobs_in_queue_since(now - QUEUE_TOLERANCE, MAX_JOBS).await?;
        let reason = "The runs wait in the queue for more than an hour.".to_owned();
        let late = [
            Trouble::new("missed".to_owned(), Event::Missed).with(overdue),
            Trouble::new("queued".to_owned(), Event::Missed).with(queued).because(Some(reason)),
        ];
        Ok(late.into_iter().filter(|trouble| !trouble.jobs.is_empty()).collect())
    }

    async fn at_destinations(&self, facts: &Facts, now: Timestamp) -> Result<Vec<Trouble>, catalog::Error> {
        let mut found = Vec::new();
        let altered = self.catalog.altered_copies().await?;
        for one in &facts.destinations {
            let concerns = || Concerns::Destination(one.id.clone());
            let jobs = self.catalog.enabled_jobs_at(&one.id, MAX_JOBS).await?;
            // One that was never authorized is not lost, unless jobs wait for it.
            if one.is_waiting() && (one.status != AuthorizationStatus::AuthorizationRequired || !jobs.is_empty()) {
                let trouble = Trouble::new(format!("authorize {}", one.id), Event::Authorization);
                found.push(trouble.about(&one.name, concerns()).with(jobs.clone()).because(one.reason.clone()));
            }
            if let Some(space) = one.space.as_ref().filter(|space| space.is_short(now)) {
                let trouble = Trouble::new(format!("quota {}", one.id), Event::Quota).about(&one.name, concerns());
                let share = space.share().map(|share| format!("{:.0} % of its space is used", share * 100.0));
                let full = space.full_on.as_ref().map(|day| format!("at the current rate it is full by {day}"));
                let words = [share, full].into_iter().flatten().collect::<Vec<_>>().join("; ");
                found.push(trouble.with(jobs).because(Some(words).filter(|words| !words.is_empty())));
            }
            if let Some(copies) = altered.iter().find(|altered| altered.destination_id == one.id) {
                let words = match copies.copies {
                    1 => format!("{} is not the file that was backed up.", copies.path),
                    number => {
                        format!("{number} backups are not the files that were backed up, among them {}.", copies.path)
                    }
                };
                let trouble = Trouble::new(format!("altered {}", one.id), Event::Verification);
                found.push(trouble.about(&one.name, concerns()).because(Some(words)));
            }
        }
        Ok(found)
    }

    async fn keys(&self, facts: &Facts) -> Result<Vec<Trouble>, catalog::Error> {
        let mut found = Vec::new();
        for profile in facts.profiles.iter().filter(|one| one.has_identity() && one.exported_at.is_none()) {
            let jobs = self.catalog.enabled_jobs_of_profile(Some(&profile.id), &[], MAX_JOBS).await?;
            if !jobs.is_empty() {
                let trouble = Trouble::new(format!("key {}", profile.id), Event::Key);
                found.push(trouble.about(&profile.name, Concerns::Profile(profile.id.clone())).with(jobs));
            }
        }
        Ok(found)
    }
}

/// Groups jobs that fail at the same place. What only waits for an authorization is a problem of its own.
fn grouped(failing: &[TroubledJob], names: &BTreeMap<String, String>, facts: &Facts) -> Vec<Trouble> {
    let mut troubles: BTreeMap<String, Trouble> = BTreeMap::new();
    for job in failing {
        let Some(failure) = job.failure.as_ref().filter(|failure| !facts.is_only_waiting(failure)) else { continue };
        let (key, subject) = place_of(failure, &job.id, names);
        let event = event_of(failure, job.state);
        let trouble = troubles.entry(key.clone()).or_insert_with(|| {
            let mut trouble = Trouble::new(key, event).because(job.reason.clone());
            trouble.subject = subject;
            trouble
        });
        if event != trouble.event {
            // A failure is worse than a partial run.
            trouble.event = Event::Failed;
        }
        trouble.jobs.push(Concerned { id: job.id.clone(), name: job.name.clone(), run_id: job.run_id.clone() });
    }
    troubles.into_values().collect()
}

fn place_of(failure: &JobFailure, job_id: &str, names: &BTreeMap<String, String>) -> (String, Option<String>) {
    match failure {
        JobFailure::Source { id } => (format!("failed at {id}"), names.get(id).cloned()),
        JobFailure::Destinations { ids } => {
            let known: Vec<&str> = ids.iter().filter_map(|id| names.get(id).map(String::as_str)).collect();
            (format!("failed at {}", ids.join(" ")), Some(known.join(", ")))
        }
        // One restart interrupts many.
        JobFailure::Elsewhere { code: Some(FailureCode::Interrupted) } => ("interrupted".to_owned(), None),
        JobFailure::Schedule => (format!("schedule {job_id}"), None),
        JobFailure::Elsewhere { .. } => (format!("failed {job_id}"), None),
    }
}

fn event_of(failure: &JobFailure, state: Option<RunStatus>) -> Event {
    match (failure, state) {
        (JobFailure::Schedule, _) => Event::Missed,
        (JobFailure::Elsewhere { code: Some(FailureCode::Interrupted) }, _) => Event::Interrupted,
        (_, Some(RunStatus::Partial)) => Event::Partial,
        _ => Event::Failed,
    }
}

fn with_warnings(job: &TroubledJob) -> Trouble {
    let words = match job.warnings {
        1 => "The last run gave a warning.".to_owned(),
        number => format!("The last run gave {number} warnings."),
    };
    let mut trouble = Trouble::new(format!("warnings {}", job.id), Event::Warnings).because(Some(words));
    trouble.jobs = vec![Concerned { id: job.id.clone(), name: job.name.clone(), run_id: job.run_id.clone() }];
    trouble
}

fn failing_channel(channel: &Channel) -> Trouble {
    let trouble = Trouble::new(format!("channel {}", channel.id), Event::Channel);
    let mut trouble = trouble.about(&channel.name, Concerns::Channel(channel.id.clone()));
    trouble.since = channel.failing_since.map(|since| since.0);
    trouble.because(channel.last_error.clone())
}

/// Returns a job as it failed in a run that has just ended, whatever came after.
fn failed_run(news: &RunNews) -> Option<TroubledJob> {
    let (job_id, failure) = (news.job_id.clone()?, news.failure.clone()?);
    news.has_ended.then(|| TroubledJob {
        id: job_id,
        name: news.title.clone(),
        state: Some(news.state),
        run_id: Some(news.run_id.clone()),
        failure: Some(failure),
        reason: news.reason.clone(),
        warnings: 0,
    })
}

/// Restores and copies have no standing: that one was lost is told once.
fn lost_run(news: &RunNews) -> Option<Trouble> {
    let is_lost = news.has_ended && news.job_id.is_none() && news.state == RunStatus::Interrupted;
    is_lost.then(|| {
        let trouble = Trouble::new(format!("run {}", news.run_id), Event::Interrupted);
        let mut trouble = trouble.about(&news.title, Concerns::Everybody).because(news.error.clone());
        trouble.jobs = Vec::new();
        trouble.since = Some(news.at.0);
        trouble
    })
}
