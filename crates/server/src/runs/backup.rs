//! Carrying out a backup.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use catalog::{Job, Run};
use destinations::Destination;
use domain::Warning;
use domain::outcome::RunStatus;
use domain::size::human;
use jiff::Timestamp;
use pipeline::keys::Recipient;
use runner::backup::{CopyReport, Failure as CopyFailure, RunReport, Stored};
use runner::{BackupRequest, Event, back_up};
use serde_json::{Value, json};
use sources::{Databases, DumpOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::executor::Outcome;
use super::guard::StillOurs;
use super::log::Level;
use super::stages::{Stage, Stages};
use super::{Active, StopReason};
use crate::app::App;
use crate::dropbox_clients::{Patience, WRITING};
use crate::failure::{Failure, of_storage};

/// How long the look at the destinations' space may take after a run.
const SPACE_TIMEOUT: Duration = Duration::from_secs(60);

/// Lines that may wait to be stored. A run says a handful per database.
const LINES: usize = 4096;

/// Everything that a backup needs, read at its start: later changes of the job concern the next run.
struct Plan {
    job: Job,
    source: Box<dyn sources::Source>,
    ready: Vec<Target>,
    missing: Vec<Missing>,
    recipients: Vec<Recipient>,
}

/// A destination that can be used.
struct Target {
    id: String,
    name: String,
    destination: Arc<dyn Destination>,
}

/// A destination that cannot, and why.
struct Missing {
    id: String,
    name: String,
    reason: String,
}

impl App {
    pub(crate) async fn back_up(&self, run: &Run, active: &Active) -> Outcome {
        let plan = match self.plan(run, active).await {
            Ok(plan) => plan,
            Err(failure) => return Outcome::failed(failure),
        };
        let timer = plan.job.timeout_seconds.map(|seconds| {
            let (active, wait) = (active.clone(), Duration::from_secs(seconds.unsigned_abs()));
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                active.stop(StopReason::TimedOut);
            })
        });
        let (outcome, used) = self.carry_out_plan(run, active, plan).await;
        timer.inspect(JoinHandle::abort);
        // Not part of the job's time: a destination that is slow to tell its space must not fail a run that succeeded. A run that is
        // stopped has its end stored at once.
        tokio::select! {
            biased;
            () = active.cancel.cancelled() => {}
            _ = tokio::time::timeout(SPACE_TIMEOUT, self.look_at_space(&used)) => {}
        }
        outcome
    }

    async fn plan(&self, run: &Run, active: &Active) -> Result<Plan, Failure> {
        let job_id = run.job_id.as_deref().unwrap_or_default();
        let job = self.catalog.job(job_id).await?.ok_or(Failure::Gone("the job"))?;
        let source = self.prepared(active, self.open_source(&job.source_id, None)).await?;
        crate::redaction::make_public(&job.name);
        let (mut ready, mut missing) = (Vec::new(), Vec::new());
        for id in &job.destination_ids {
            let (id, name) =
                (id.clone(), self.catalog.destination(id).await?.map(|found| found.name).unwrap_or_default());
            match self.prepared(active, self.open_destination(&id, Patience::Long)).await {
                Ok(destination) => ready.push(Target { id, name, destination }),
                Err(Failure::Stopped) => return Err(Failure::Stopped),
                Err(failure) => missing.push(Missing { id, name, reason: failure.to_string() }),
            }
        }
        let recipients = match &job.profile_id {
            None => Vec::new(),
            Some(id) => {
                let profile = self.catalog.profile(id).await?.ok_or(Failure::Gone("the encryption profile"))?;
                profile.recipients.iter().map(|text| text.parse()).collect::<Result<_, _>>()?
            }
        };
        Ok(Plan { job, source, ready, missing, recipients })
    }

    async fn carry_out_plan(&self, run: &Run, active: &Active, plan: Plan) -> (Outcome, Vec<Target>) {
        let unused = |outcome| (outcome, Vec::new());
        let Plan { job, source, ready, missing, recipients } = plan;
        for Missing { name, reason, .. } in &missing {
            self.log(&run.id, Level::Error, &about(name, reason)).await;
        }
        if ready.is_empty() {
            let reasons: Vec<String> = missing.iter().map(|Missing { name, reason, .. }| about(name, reason)).collect();
            return unused(Outcome::failed(reasons.join("; ")));
        }
        if recipients.is_empty() {
            self.log(&run.id, Level::Warning, "not encrypted: whoever can read the destination can read the backup")
                .await;
        }
        let databases = match self.prepared(active, self.databases_for(run, &job, &*source)).await {
            Ok(databases) if databases.names.is_empty() => {
                return unused(Outcome::failed("the source has no databases"));
            }
            Ok(databases) => databases,
            Err(failure) => return unused(Outcome::failed(failure)),
        };
        databases.names.iter().for_each(|database| crate::redaction::make_public(database));
        let request = BackupRequest {
            source: &*source,
            databases: databases.names,
            left_out: databases.left_out,
            acknowledged: job.acknowledged_warnings.clone(),
            dump_options: DumpOptions { allow_damaged: job.allow_damaged },
            host: pipeline::host::name(),
            destinations: ready.iter().map(|target| Arc::clone(&target.destination)).collect(),
            job: job.name.clone(),
            compression: job.compression,
            recipients,
            started: self.now(),
            trigger: trigger(run),
            run_id: run.id.clone(),
            job_id: Some(job.id.clone()),
            guard: Arc::new(StillOurs::new(self, &run.id, active)),
            stall_timeout: self.config.stall_timeout,
            signer: Some(Arc::clone(&self.signer)),
        };
        let unreachable: Vec<Value> = missing.iter().map(not_reached).collect();
        for warning in &request.left_out {
            self.log(&run.id, Level::Warning, &warning.to_string()).await;
        }
        let left_out = listed(&request.left_out, &request.acknowledged);
        active.stages.begin(&request.databases, &unreachable, ready.len() + missing.len(), left_out);
        let report = self.run_request(run, active, &request, &ready).await;
        self.note_grants(&ready, &report).await;
        (outcome_of(&report, &ready, &missing, &request.acknowledged), ready)
    }

    /// The databases that a run backs up: all of the job's, or those that an interrupted run before it lacks.
    async fn databases_for(&self, run: &Run, job: &Job, source: &dyn sources::Source) -> Result<Databases, Failure> {
        match databases_in(run) {
            Some(databases) if source.engine().has_databases() => Ok(Databases::all(databases)),
            _ => self.databases(job, source).await,
        }
    }

    pub(super) async fn databases(&self, job: &Job, source: &dyn sources::Source) -> Result<Databases, Failure> {
        match &job.databases {
            Some(databases) if source.engine().has_databases() => Ok(Databases::all(databases.clone())),
            _ => Ok(source.databases().await?),
        }
    }

    /// Runs it while its lines are stored, in order.
    async fn run_request(
        &self,
        run: &Run,
        active: &Active,
        request: &BackupRequest<'_>,
        ready: &[Target],
    ) -> RunReport {
        let (sender, mut lines) = mpsc::channel::<(Level, String)>(LINES);
        let lost = Mutex::new(0_usize);
        let storing = async {
            while let Some((level, words)) = lines.recv().await {
                self.log(&run.id, level, &words).await;
            }
        };
        let not_sent = &lost;
        let running = async move {
            // Dropped with this block, which ends the storing.
            let on_event = move |event: Event<'_>| {
                note_stage(&active.stages, &event, ready, &request.acknowledged, self.now());
                if sender.try_send(in_words(&event, ready)).is_err() {
                    *not_sent.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                }
            };
            back_up(request, &active.progress, &active.cancel, &on_event).await
        };
        let (report, ()) = tokio::join!(running, storing);
        let lost = *lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost > 0 {
            self.log(&run.id, Level::Warning, &format!("{lost} lines of this log are missing: too many came at once"))
                .await;
        }
        report
    }

    /// What a backup has left of the room there is (M-16). Whoever may not look at that can still back up.
    async fn look_at_space(&self, ready: &[Target]) {
        for Target { id, name, destination } in ready {
            let noted = match destination.usage().await {
                Ok(Some(usage)) => self.note_space(id, usage.used, usage.allowed).await,
                Ok(None) => Ok(()),
                Err(error) => {
                    tracing::debug!(%error, destination = name, "its space could not be looked at");
                    Ok(())
                }
            };
            if let Err(error) = noted {
                tracing::error!(%error, destination = name, "its space could not be noted");
            }
        }
    }

    /// Notes which authorizations worked, and which did not.
    async fn note_grants(&self, ready: &[Target], report: &RunReport) {
        for copy in report.databases.iter().flat_map(|database| &database.copies) {
            let Some(target) = ready.get(copy.index) else { continue };
            match &copy.result {
                Ok(_) => self.note_working(&target.id, &WRITING).await,
                Err(CopyFailure::Destination(error)) => self.note_broken_grant(&target.id, error).await,
                Err(_) => {}
            }
        }
    }
}

/// The databases that the request of a run names. `None` if it backs up all databases of its job.
pub(super) fn databases_in(run: &Run) -> Option<Vec<String>> {
    serde_json::from_value(run.request.as_ref()?.get("databases")?.clone()).ok()
}

/// Returns whether a database in a result has a copy at any destination.
pub(super) fn has_copy(database: &Value) -> bool {
    database["copies"].as_array().is_some_and(|copies| copies.iter().any(|copy| copy["path"].is_string()))
}

/// A copy's destination, by the name that people gave it.
fn name_of<'a>(copy: &'a CopyReport, ready: &'a [Target]) -> &'a str {
    ready.get(copy.index).map_or(&copy.destination, |target| &target.name)
}

/// Why there is no copy at a destination.
fn of_copy(copy: &CopyReport, ready: &[Target], failure: &CopyFailure) -> String {
    let failure = match failure {
        CopyFailure::Destination(error) => of_storage(error),
        failure => failure.to_string(),
    };
    let name = name_of(copy, ready);
    match failure.strip_prefix(&copy.destination) {
        Some(rest) => format!("{name}{rest}"),
        None => about(name, &failure),
    }
}

/// What is the matter with a destination; many a reason names it already.
fn about(name: &str, reason: &str) -> String {
    if reason.starts_with(name) { reason.to_owned() } else { format!("{name}: {reason}") }
}

fn trigger(run: &Run) -> &'static str {
    match run.cause.as_str() {
        "schedule" | "retry" => "schedule",
        "api" => "api",
        _ => "manual",
    }
}

fn note_stage(stages: &Stages, event: &Event<'_>, ready: &[Target], acknowledged: &[String], now: Timestamp) {
    match event {
        Event::Started { database } => stages.reach(database, Stage::Dumping, now),
        Event::Dumped { database, .. } => stages.reach(database, Stage::Proving, now),
        Event::Warned { database, warning } => stages.warn(database, json!(warning.listed(acknowledged))),
        Event::Failed { database, failure } => stages.fail(database, &failure.to_string()),
        Event::Copied { database, copy } => stages.add_copy(database, copy_result(copy, ready)),
        Event::MayNotFit { .. } | Event::Silent { .. } | Event::Settling { .. } => {}
    }
}

fn in_words(event: &Event<'_>, ready: &[Target]) -> (Level, String) {
    match event {
        Event::Started { database } => (Level::Info, format!("backing up {database}")),
        Event::MayNotFit { destination, last_size, usage, .. } => (
            Level::Warning,
            format!(
                "it may not fit into {destination}: the last backup took {}, and {} are free ({usage})",
                human(*last_size),
                human(usage.free().unwrap_or_default())
            ),
        ),
        Event::Silent { database, since, limit } => (
            Level::Warning,
            format!(
                "{database}: the database has given nothing for {}; after {} the dump fails",
                runner::in_words(*since),
                runner::in_words(*limit)
            ),
        ),
        Event::Settling { database, index, destination } => {
            let name = ready.get(*index).map_or(destination, |target| &target.name);
            let words = format!(
                "{database}: stopping, but this backup was already sent. The run waits for {name} to tell whether the backup was published"
            );
            (Level::Warning, words)
        }
        Event::Dumped { database, size } => (Level::Info, format!("dump of {database} complete: {}", human(*size))),
        Event::Warned { database, warning } => (Level::Warning, format!("{database}: {warning}")),
        Event::Failed { database, failure } => (Level::Error, format!("{database} is not backed up: {failure}")),
        Event::Copied { database, copy } => match &copy.result {
            Ok(stored) => {
                let (name, size) = (name_of(copy, ready), human(stored.sidecar.size.stored));
                (Level::Info, format!("{database} is at {name}: {} ({size}), proved whole", stored.path))
            }
            Err(failure) => (Level::Error, format!("{database}: {}", of_copy(copy, ready, failure))),
        },
    }
}

/// The success contract: one copy that is missing makes a run partial, none that is there makes it failed.
fn outcome_of(report: &RunReport, ready: &[Target], missing: &[Missing], acknowledged: &[String]) -> Outcome {
    let copies = report.databases.iter().flat_map(|database| {
        let dumped = database.failure.is_some().then_some(false);
        dumped.into_iter().chain(database.copies.iter().map(|copy| copy.result.is_ok()))
    });
    let state = domain::RunState::of(
        copies.chain(missing.iter().map(|_| false)),
        report.state == domain::RunState::SucceededWithWarnings,
    );
    let first_failure = report.databases.iter().find_map(|database| {
        let dump = database.failure.as_ref().map(|failure| format!("{}: {failure}", database.database));
        dump.or_else(|| {
            database.copies.iter().find_map(|copy| {
                let failure = copy.result.as_ref().err()?;
                Some(of_copy(copy, ready, failure))
            })
        })
    });
    let error = first_failure.or_else(|| missing.first().map(|Missing { name, reason, .. }| about(name, reason)));
    let result = Some(result_of(report, ready, missing, acknowledged));
    Outcome { state: state.into(), error, result, committed: false }
}

/// What a run came to whose server died before it could say so, if its result as it grew shows every copy of every database.
pub(super) fn whole_without_end(result: &Value) -> Option<RunStatus> {
    let databases = result["databases"].as_array().filter(|databases| !databases.is_empty())?;
    let has = |value: &Value, field: &str| value.get(field).is_some_and(|found| !found.is_null());
    let is_whole = |database: &Value| {
        let copies = database["copies"].as_array().filter(|copies| !copies.is_empty());
        let are_proved = copies.is_some_and(|copies| copies.iter().all(|copy| !has(copy, "error")));
        are_proved && !has(database, "error") && !has(database, "stage")
    };
    let warnings = databases.iter().chain([result]).filter_map(|part| part["warnings"].as_array()).flatten();
    let is_warned = warnings.into_iter().any(|warning| warning["acknowledged"] != true);
    let state = if is_warned { RunStatus::SucceededWithWarnings } else { RunStatus::Succeeded };
    databases.iter().all(is_whole).then_some(state)
}

fn not_reached(Missing { id, name, reason }: &Missing) -> Value {
    json!({"destinationId": id, "destination": name, "error": reason})
}

fn copy_result(copy: &CopyReport, ready: &[Target]) -> Value {
    let id = ready.get(copy.index).map_or(&copy.destination, |target| &target.id);
    let name = name_of(copy, ready);
    match &copy.result {
        Ok(stored) => stored_copy(id, name, stored),
        Err(failure) => json!({"destinationId": id, "destination": name, "error": of_copy(copy, ready, failure)}),
    }
}

/// A copy as a result lists it.
pub(super) fn stored_copy(id: &str, name: &str, stored: &Stored) -> Value {
    json!({
        "destinationId": id, "destination": name, "path": stored.path, "size": stored.sidecar.size,
        "checksum": stored.sidecar.checksum,
    })
}

/// Warnings as a result lists them, those marked that the job acknowledges.
pub(super) fn listed(warnings: &[Warning], acknowledged: &[String]) -> Vec<Value> {
    warnings.iter().map(|warning| json!(warning.listed(acknowledged))).collect()
}

fn result_of(report: &RunReport, ready: &[Target], missing: &[Missing], acknowledged: &[String]) -> Value {
    let databases = report.databases.iter().map(|database| {
        let made = database.copies.iter().map(|copy| copy_result(copy, ready));
        let copies: Vec<Value> = made.chain(missing.iter().map(not_reached)).collect();
        let mut object = json!({"database": database.database, "copies": copies});
        if let Some(failure) = &database.failure {
            object["error"] = json!(failure.to_string());
        }
        if !database.warnings.is_empty() {
            object["warnings"] = json!(listed(&database.warnings, acknowledged));
        }
        object
    });
    let mut result = json!({"databases": databases.collect::<Vec<_>>()});
    if !report.warnings.is_empty() {
        result["warnings"] = json!(listed(&report.warnings, acknowledged));
    }
    result
}

#[cfg(test)]
mod tests {
    use runner::backup::DatabaseReport;

    use super::*;

    #[test]
    fn every_warning_is_in_the_result_and_only_the_others_count() {
        let warning = Warning::new("invalid-database", "'broken' is invalid").about("broken").with_cure("Drop it.");
        let report = RunReport {
            run_id: "r".to_owned(),
            state: domain::RunState::SucceededWithWarnings,
            warnings: vec![warning],
            databases: vec![DatabaseReport {
                database: "shop".to_owned(),
                failure: None,
                warnings: vec![Warning::new("unlogged-tables", "a table is unlogged")],
                copies: Vec::new(),
            }],
        };
        let result = result_of(&report, &[], &[], &["unlogged-tables".to_owned()]);
        let left_out = json!({"code": "invalid-database", "subject": "broken", "message": "'broken' is invalid", "cure": "Drop it."});
        assert_eq!(result["warnings"], json!([left_out]));
        let unlogged = json!({"code": "unlogged-tables", "message": "a table is unlogged", "acknowledged": true});
        assert_eq!(result["databases"][0]["warnings"], json!([unlogged]));
    }

    #[test]
    fn only_a_result_with_every_copy_is_whole_without_its_end() {
        let copy = json!({"destination": "a", "path": "p"});
        let shop = json!({"database": "shop", "copies": [copy]});
        let state = |databases: Value| whole_without_end(&json!({"databases": databases}));
        assert_eq!(state(json!([shop, shop])), Some(RunStatus::Succeeded));
        for lacking in [
            json!({"database": "blog", "stage": "proving", "copies": [copy]}),
            json!({"database": "blog", "copies": [copy, {"destination": "b", "error": "full"}]}),
            json!({"database": "blog", "copies": [copy], "error": "no such database"}),
            json!({"database": "blog", "copies": []}),
        ] {
            assert_eq!(state(json!([shop, lacking])), None, "{lacking}");
        }
        assert_eq!(state(json!([])), None);
        let warned = |warning: Value| whole_without_end(&json!({"databases": [shop], "warnings": [warning]}));
        assert_eq!(warned(json!({"code": "x"})), Some(RunStatus::SucceededWithWarnings));
        assert_eq!(warned(json!({"code": "x", "acknowledged": true})), Some(RunStatus::Succeeded));
    }
}
