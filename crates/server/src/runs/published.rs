//! What an abandoned backup had published, as its destinations show it. Its end may be written nowhere: the metadata database was away, or
//! the disk full, until the server was killed.

use std::time::Duration;

use catalog::{Run, Settlement};
use domain::outcome::RunStatus;
use domain::run::{
    BackupResult, BackupSpec, CopyResult, DatabaseResult, FailureCode, MissingCopy, RunResult, RunSpec, Stage,
};
use domain::warning::ListedWarning;
use domain::{RunState, Warning};
use futures_util::future::join_all;
use jiff::Timestamp;
use runner::backup::Stored;
use runner::catalog::{PublishedBy, published_by};
use sources::Databases;
use tokio::time::timeout;

use super::backup::{databases, listed, stored_copy};
use crate::app::App;
use crate::failure::Failure;
use crate::patience::Patience;

/// Maximum time for the look at a run's destinations, which are asked at the same time, and for that at its source.
const LOOK_TIMEOUT: Duration = Duration::from_secs(60);
/// Sidecars read at each destination beyond one per database: neighbours in time, which other runs may have written.
const MORE_SIDECARS: usize = 16;
/// Maximum number of databases named in a warning.
const MAX_NAMED: usize = 5;
/// Sidecars read at each destination if the number of databases is not known.
const MAX_UNKNOWN: usize = 256;

/// What a run was to do.
struct Planned {
    /// The job's name.
    job: String,
    source_id: String,
    /// All that the source has if absent.
    databases: Option<Vec<String>>,
    /// Ids and names.
    destinations: Vec<(String, String)>,
    /// See [`domain::run::BackupPlan::acknowledged_warnings`].
    acknowledged: Vec<String>,
}

/// A destination, and what the run published there or why that is not known.
struct Place {
    id: String,
    name: String,
    found: Result<Vec<Stored>, String>,
}

impl App {
    /// Looks at the destinations of an abandoned backup for sidecars that this server signed for it, and returns how the run ended
    /// according to them.
    pub(super) async fn published(&self, run: &Run) -> Settlement {
        match self.look_at_destinations(run).await {
            Ok(settlement) => settlement,
            Err(failure) => {
                tracing::warn!(run_id = run.id, %failure, "what the interrupted run had published could not be looked for");
                Settlement::interrupted()
            }
        }
    }

    async fn look_at_destinations(&self, run: &Run) -> Result<Settlement, Failure> {
        let planned = self.recorded_plan(run).await?;
        let databases = match timeout(LOOK_TIMEOUT, self.databases_of(run, &planned)).await {
            Ok(Ok(databases)) => Some(databases),
            _ => None,
        };
        let most = databases.as_ref().map_or(MAX_UNKNOWN, |databases| databases.names.len() + MORE_SIDECARS);
        let places = planned.destinations.iter().map(|(id, name)| async {
            let found = match timeout(LOOK_TIMEOUT, self.look_at_destination(id, run, &planned.job, most)).await {
                Ok(found) => found.map_err(|failure| failure.to_string()),
                Err(_) => Err("no answer in time".to_owned()),
            };
            Place { id: id.clone(), name: name.clone(), found }
        });
        let places = join_all(places).await;
        let mut before = recorded(run);
        let mut known = databases.as_ref().map(|databases| databases.left_out.clone()).unwrap_or_default();
        known.extend(self.same_destinations(&planned.destinations).await);
        let known = listed(&known, &planned.acknowledged);
        add_missing(&mut before.warnings, known);
        Ok(settlement(&before, databases.map(|databases| databases.names), &places, &planned.acknowledged))
    }

    /// Returns what a run was to do: as it was recorded at its start, or else, for runs of earlier versions, what its job does now.
    async fn recorded_plan(&self, run: &Run) -> Result<Planned, Failure> {
        if let Some(plan) = self.backup_plan(run).await? {
            return Ok(Planned {
                destinations: plan.destinations.into_iter().map(|planned| (planned.id, planned.name)).collect(),
                job: plan.job,
                source_id: plan.source.id,
                databases: plan.databases,
                acknowledged: plan.acknowledged_warnings,
            });
        }
        let job = self.catalog.job(run.job_id.as_deref().unwrap_or_default()).await?.ok_or(Failure::Gone("the job"))?;
        let mut destinations = Vec::new();
        for id in job.destination_ids {
            let name = self.catalog.destination(&id).await?.map(|found| found.name).unwrap_or_default();
            destinations.push((id, name));
        }
        let (source_id, databases, acknowledged) = (job.source_id, job.databases, job.acknowledged_warnings);
        Ok(Planned { job: job.name, source_id, databases, destinations, acknowledged })
    }

    /// Returns the warnings of destinations that are one place, or that this could not be told.
    async fn same_destinations(&self, destinations: &[(String, String)]) -> Vec<Warning> {
        let opening = destinations.iter().map(|(id, name)| async {
            let opened = timeout(LOOK_TIMEOUT, self.open_destination(id, Patience::Short)).await;
            Some((opened.ok()?.ok()?, name.clone()))
        });
        // One that cannot be opened has no copy of which anything could be told.
        let opened: Vec<_> = join_all(opening).await.into_iter().flatten().collect();
        let same_places = runner::backup::same_places(opened.iter().map(|(opened, name)| (&**opened, name.as_str())));
        timeout(LOOK_TIMEOUT, same_places).await.unwrap_or_else(|_| vec![not_compared()])
    }

    /// The databases that the run was to back up, and a warning per database that it was to leave out, if that was not recorded.
    async fn databases_of(&self, run: &Run, planned: &Planned) -> Result<Databases, Failure> {
        let known: Vec<String> = recorded(run).databases.into_iter().map(|entry| entry.database).collect();
        if !known.is_empty() {
            return Ok(Databases::all(known));
        }
        if let Ok(RunSpec::Backup(BackupSpec { databases: Some(databases), .. })) = run.spec() {
            return Ok(Databases::all(databases));
        }
        let source = self.open_source(&planned.source_id, None).await?;
        databases(planned.databases.as_ref(), &*source).await
    }

    async fn look_at_destination(&self, id: &str, run: &Run, job: &str, most: usize) -> Result<Vec<Stored>, Failure> {
        let epoch = self.catalog.epoch(id).await?;
        let destination = self.open_destination(id, Patience::Short).await?;
        let started = run.started_at.or(Some(run.created_at)).map(Timestamp::from).unwrap_or_default();
        let mut found = Vec::new();
        // The job may have been renamed since.
        let renamed = (job != run.title).then_some(job);
        for job in std::iter::once(run.title.as_str()).chain(renamed) {
            let signed_by = self.signer.public_key();
            let wanted = PublishedBy { run_id: &run.id, job, signed_by, started, most };
            let published = published_by(&*destination, &wanted).await;
            found.extend(published.map_err(Failure::Destination)?);
        }
        for stored in &found {
            self.record_backup(&run.id, (id, epoch), stored).await;
        }
        Ok(found)
    }
}

/// Warns that the destinations did not tell in time whether they are one place.
pub(super) fn not_compared() -> Warning {
    let message = "whether two destinations are the same place could not be checked: no answer in time";
    Warning::new("same-destination", message).with_cure("Run the job again")
}

/// What the run had recorded when it was abandoned.
fn recorded(run: &Run) -> BackupResult {
    match &run.result {
        Some(RunResult::Backup(result)) => result.clone(),
        _ => BackupResult::default(),
    }
}

/// Joins what the run had recorded with what its destinations hold.
fn settlement(
    before: &BackupResult,
    databases: Option<Vec<String>>,
    places: &[Place],
    acknowledged: &[String],
) -> Settlement {
    let is_known = databases.is_some();
    let databases = databases.unwrap_or_else(|| {
        let found = places.iter().filter_map(|place| place.found.as_ref().ok()).flatten();
        let mut names: Vec<String> = found.map(|stored| stored.sidecar.database.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    });
    let joined = databases.iter().map(|database| entry(before, database, places, acknowledged)).collect();
    let mut result = BackupResult { databases: joined, warnings: before.warnings.clone() };
    let unknown = result.databases.iter().filter(|entry| entry.copies.iter().any(CopyResult::is_stored));
    let unknown: Vec<&str> = unknown.map(|entry| &*entry.database).filter(|name| !is_warned_of(before, name)).collect();
    if !unknown.is_empty() {
        result.warnings.push(not_recorded(&unknown).listed(acknowledged));
    }
    let state = match result.state() {
        RunState::Succeeded | RunState::SucceededWithWarnings if !is_known => RunState::Partial,
        state => state,
    };
    let error = match state {
        RunState::Succeeded | RunState::SucceededWithWarnings => None,
        RunState::Partial => Some("the server stopped in the middle of it; some copies are missing".to_owned()),
        RunState::Failed => {
            let mut interrupted = Settlement::interrupted();
            let unknown =
                places.iter().filter_map(|place| Some(format!("{}: {}", place.name, place.found.as_ref().err()?)));
            let unknown: Vec<String> = unknown.collect();
            if !unknown.is_empty() {
                let words = format!("whether a copy was published could not be determined at {}", unknown.join("; "));
                interrupted.error =
                    Some(crate::redaction::redact(&format!("the server stopped in the middle of it; {words}")));
            }
            return interrupted;
        }
    };
    Settlement {
        state: RunStatus::from(state),
        code: error.as_ref().map(|_| FailureCode::Interrupted),
        error,
        result: Some(RunResult::Backup(result).with_words(&crate::redaction::redact)),
    }
}

/// Returns whether the warnings of a database that its destinations do not keep were recorded: those that are given before its dump ends.
fn is_warned_of(before: &BackupResult, database: &str) -> bool {
    let entry = before.databases.iter().find(|entry| entry.database == database);
    entry.is_some_and(|entry| matches!(entry.stage, None | Some(Stage::Proving)))
}

fn not_recorded(databases: &[&str]) -> Warning {
    let named: Vec<&str> = databases.iter().take(MAX_NAMED).copied().collect();
    let more = databases.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!(
        "the server stopped before all warnings about {}{more} were recorded: there may have been too little free space",
        named.join(", ")
    );
    Warning::new("warnings-not-recorded", message).with_cure("Check the free space at the destinations")
}

/// Adds the warnings that are not listed yet.
fn add_missing(listed: &mut Vec<ListedWarning>, more: Vec<ListedWarning>) {
    for warning in more {
        let Warning { code, subject, message, .. } = &warning.warning;
        // As they were recorded.
        let message = crate::redaction::redact(message);
        let is_same = |other: &ListedWarning| {
            (&other.warning.code, &other.warning.subject, &other.warning.message) == (code, subject, &message)
        };
        if !listed.iter().any(is_same) {
            listed.push(warning);
        }
    }
}

/// A database with its copies.
fn entry(before: &BackupResult, database: &str, places: &[Place], acknowledged: &[String]) -> DatabaseResult {
    let recorded = before.databases.iter().find(|entry| entry.database == database).cloned();
    let mut entry = recorded.unwrap_or_else(|| DatabaseResult::waiting(database, Vec::new()));
    (entry.stage, entry.held_since) = (None, None);
    let told = std::mem::take(&mut entry.copies);
    for place in places {
        let stored = place.found.iter().flatten().find(|stored| stored.sidecar.database == database);
        if let Some(stored) = stored {
            add_missing(&mut entry.warnings, listed(&stored.sidecar.warnings, acknowledged));
        }
        let told = told.iter().find(|copy| copy.destination_id() == place.id);
        entry.copies.push(match (told, stored) {
            (Some(told), _) if told.is_stored() => told.clone(),
            (_, Some(stored)) => CopyResult::Stored(stored_copy(&place.id, &place.name, stored, None)),
            (Some(told), None) => told.clone(),
            (None, None) => CopyResult::Missing(place.unpublished()),
        });
    }
    // Of destinations that the job has no longer.
    let is_elsewhere = |copy: &CopyResult| places.iter().all(|place| copy.destination_id() != place.id);
    entry.copies.extend(told.into_iter().filter(is_elsewhere));
    entry
}

impl Place {
    fn unpublished(&self) -> MissingCopy {
        let (code, error) = match &self.found {
            Ok(_) => (FailureCode::Interrupted, "the server stopped before this copy was published".to_owned()),
            Err(cause) => (
                FailureCode::OutcomeUnknown,
                format!("whether this copy was published could not be determined: {cause}"),
            ),
        };
        MissingCopy {
            destination_id: self.id.clone(),
            destination: self.name.clone(),
            error,
            code: Some(code),
            technical_details: None,
        }
    }
}
