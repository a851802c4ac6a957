//! What an abandoned backup had published, as its destinations show it. Its end may be written nowhere: the metadata database was away, or
//! the disk full, until the server was killed.

use std::time::Duration;

use catalog::{Job, Run, Settlement};
use domain::RunState;
use domain::outcome::RunStatus;
use futures_util::future::join_all;
use jiff::Timestamp;
use runner::backup::Stored;
use runner::catalog::{PublishedBy, published_by};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::backup::{databases_in, listed, stored_copy};
use crate::app::App;
use crate::dropbox_clients::Patience;
use crate::failure::Failure;

/// Maximum time for the look at a run's destinations, which are asked at the same time, and for that at its source.
const LOOK_TIMEOUT: Duration = Duration::from_secs(60);
/// Sidecars read at each destination beyond one per database: neighbours in time, which other runs may have written.
const MORE_SIDECARS: usize = 16;
/// Sidecars read at each destination if the number of databases is not known.
const MAX_UNKNOWN: usize = 256;

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
        let job = self.catalog.job(run.job_id.as_deref().unwrap_or_default()).await?.ok_or(Failure::Gone("the job"))?;
        let databases = match timeout(LOOK_TIMEOUT, self.databases_of(run, &job)).await {
            Ok(Ok(databases)) => Some(databases),
            _ => None,
        };
        let most = databases.as_ref().map_or(MAX_UNKNOWN, |databases| databases.len() + MORE_SIDECARS);
        let places = job.destination_ids.iter().map(|id| async {
            let name = self.catalog.destination(id).await.ok().flatten().map(|found| found.name).unwrap_or_default();
            let found = match timeout(LOOK_TIMEOUT, self.look_at_destination(id, run, &job, most)).await {
                Ok(found) => found.map_err(|failure| failure.to_string()),
                Err(_) => Err("no answer in time".to_owned()),
            };
            Place { id: id.clone(), name, found }
        });
        let places = join_all(places).await;
        Ok(settlement(run.result.as_ref(), databases, &places, &job.acknowledged_warnings))
    }

    /// The databases that the run was to back up.
    async fn databases_of(&self, run: &Run, job: &Job) -> Result<Vec<String>, Failure> {
        let known: Vec<String> = entries(run.result.as_ref()).filter_map(name_of).collect();
        if !known.is_empty() {
            return Ok(known);
        }
        if let Some(databases) = databases_in(run) {
            return Ok(databases);
        }
        let source = self.open_source(&job.source_id, None).await?;
        Ok(self.databases(job, &*source).await?.names)
    }

    async fn look_at_destination(&self, id: &str, run: &Run, job: &Job, most: usize) -> Result<Vec<Stored>, Failure> {
        let destination = self.open_destination(id, Patience::Short).await?;
        let started = run.started_at.or(Some(run.created_at)).map(Timestamp::from).unwrap_or_default();
        let mut found = Vec::new();
        // The job may have been renamed since.
        let renamed = (job.name != run.title).then_some(&job.name);
        for job in std::iter::once(&run.title).chain(renamed) {
            let signed_by = self.signer.public_key();
            let wanted = PublishedBy { run_id: &run.id, job, signed_by, started, most };
            found.extend(published_by(&*destination, &wanted).await?);
        }
        Ok(found)
    }
}

fn entries(result: Option<&Value>) -> impl Iterator<Item = &Value> {
    result.and_then(|result| result["databases"].as_array()).into_iter().flatten()
}

fn name_of(entry: &Value) -> Option<String> {
    entry["database"].as_str().map(str::to_owned)
}

/// Joins what the run had recorded with what its destinations hold.
fn settlement(
    before: Option<&Value>,
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
    let joined: Vec<Map<String, Value>> =
        databases.iter().map(|database| entry(before, database, places, acknowledged)).collect();
    let mut result = json!({"databases": joined});
    if let Some(warnings) = before.and_then(|before| before.get("warnings")) {
        result["warnings"] = warnings.clone();
    }
    let of_databases = joined.iter().filter_map(|entry| entry.get("warnings")?.as_array());
    let warnings = of_databases.chain(result["warnings"].as_array()).flatten();
    let is_warned = warnings.into_iter().any(|warning| warning["acknowledged"] != true);
    let copies = joined.iter().flat_map(|entry| {
        let dumped = entry.contains_key("error").then_some(false);
        let copies = entry.get("copies").and_then(Value::as_array).into_iter().flatten();
        dumped.into_iter().chain(copies.map(|copy| copy.get("path").is_some()))
    });
    let state = RunState::of(copies.chain((!is_known).then_some(false)), is_warned);
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
    Settlement { state: RunStatus::from(state), error, result: Some(crate::redaction::redacted(result)) }
}

/// A database with its copies.
fn entry(before: Option<&Value>, database: &str, places: &[Place], acknowledged: &[String]) -> Map<String, Value> {
    let mut entry = entries(before)
        .find(|entry| entry["database"] == database)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_else(|| Map::from_iter([("database".to_owned(), json!(database))]));
    entry.remove("stage");
    entry.remove("heldSince");
    let told: Vec<Value> = entry.get("copies").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut copies = Vec::new();
    for place in places {
        let told = told.iter().find(|copy| copy["destinationId"] == place.id.as_str());
        let stored = place.found.iter().flatten().find(|stored| stored.sidecar.database == database);
        if let Some(stored) = stored
            && !stored.sidecar.warnings.is_empty()
            && !entry.contains_key("warnings")
        {
            entry.insert("warnings".to_owned(), json!(listed(&stored.sidecar.warnings, acknowledged)));
        }
        copies.push(match (told, stored) {
            (Some(told), _) if told.get("path").is_some() => told.clone(),
            (_, Some(stored)) => stored_copy(&place.id, &place.name, stored),
            (Some(told), None) => told.clone(),
            (None, None) => {
                let error = match &place.found {
                    Ok(_) => "the server stopped before this copy was published".to_owned(),
                    Err(cause) => format!("whether this copy was published could not be determined: {cause}"),
                };
                json!({"destinationId": place.id, "destination": place.name, "error": error})
            }
        });
    }
    // Of destinations that the job has no longer.
    copies
        .extend(told.into_iter().filter(|copy| places.iter().all(|place| copy["destinationId"] != place.id.as_str())));
    entry.insert("copies".to_owned(), Value::Array(copies));
    entry
}
