//! Carrying out a backup.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapter::authorization::Act;
use catalog::Run;
use domain::Warning;
use domain::outcome::RunStatus;
use domain::run::{
    BackupPlan, BackupResult, BackupSpec, Cause, CopyResult, DatabaseResult, FailureCode, MissingCopy, RunEvent,
    RunResult, Stage, StoredCopy,
};
use domain::warning::ListedWarning;
use jiff::Timestamp;
use pipeline::keys::Recipient;
use runner::backup::{CopyReport, Failure as CopyFailure, NamedDestination, RunReport, Stored};
use runner::{BackupRequest, Event, back_up};
use sources::{Databases, DumpOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::executor::Outcome;
use super::guard::StillOurs;
use super::plan::{open_destination, open_source};
use super::published::not_compared;
use super::stages::Stages;
use super::{Active, StopReason};
use crate::app::App;
use crate::failure::{Failure, of_storage};
use crate::stored_copies::method;

/// How long the look at the destinations' space may take after a run.
const SPACE_TIMEOUT: Duration = Duration::from_secs(60);

/// Lines that may wait to be stored. A run says a handful per database.
const LINES: usize = 4096;

/// What a run has opened of its plan.
struct Opened {
    source: Box<dyn sources::Source>,
    ready: Vec<NamedDestination>,
    /// See [`catalog::Catalog::epoch`]; by a destination's id.
    epochs: HashMap<String, i64>,
    missing: Vec<Missing>,
    recipients: Vec<Recipient>,
}

/// What a run says, and with it what it has published: a destination's id and epoch, and what is there.
struct Said {
    event: RunEvent,
    published: Option<(String, i64, Stored)>,
}

/// A destination that cannot, and why.
struct Missing {
    id: String,
    name: String,
    reason: String,
    code: FailureCode,
}

impl App {
    pub(crate) async fn back_up(&self, run: &Run, active: &Active, spec: &BackupSpec) -> Outcome {
        let plan = match self.planned(run, active, spec).await {
            Ok(plan) => plan,
            Err(failure) => return failure.into(),
        };
        let opened = match self.open_plan(active, &plan).await {
            Ok(opened) => opened,
            Err(failure) => return failure.into(),
        };
        let timer = plan.timeout_seconds.map(|seconds| {
            let (active, wait) = (active.clone(), Duration::from_secs(seconds));
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                active.stop(StopReason::TimedOut);
            })
        });
        let (mut outcome, used) = self.carry_out_plan(run, active, spec.databases.as_ref(), &plan, opened).await;
        // A stop from now on came too late.
        outcome.committed |= active.stopped_for().is_none();
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

    /// Returns what the run does: as its spec says, or as its job says now, which is recorded. Later changes of the job concern the
    /// next run.
    async fn planned(&self, run: &Run, active: &Active, spec: &BackupSpec) -> Result<BackupPlan, Failure> {
        if let Some(plan) = &spec.plan {
            return Ok((**plan).clone());
        }
        let job_id = run.job_id.as_deref().unwrap_or_default();
        let job = self.catalog.job(job_id).await?.ok_or(Failure::Gone("the job"))?;
        let plan = self.plan_of(job).await?;
        self.catalog.record_plan(&run.id, active.fence, &plan).await?;
        Ok(plan)
    }

    async fn open_plan(&self, active: &Active, plan: &BackupPlan) -> Result<Opened, Failure> {
        let adapters = &self.config.adapters;
        let source = self.prepared(active, open_source(&plan.source, &adapters.sources, self)).await?;
        crate::redaction::make_public(&plan.job);
        let (mut ready, mut epochs, mut missing) = (Vec::new(), HashMap::new(), Vec::new());
        for planned in &plan.destinations {
            let (id, name) = (planned.id.clone(), planned.name.clone());
            let epoch = self.catalog.epoch(&id).await?;
            match self.prepared(active, open_destination(planned, &adapters.destinations, self)).await {
                Ok(destination) => {
                    epochs.insert(id.clone(), epoch);
                    ready.push(NamedDestination { id, name, destination });
                }
                Err(Failure::Stopped) => return Err(Failure::Stopped),
                Err(failure) => missing.push(Missing { id, name, reason: failure.to_string(), code: failure.code() }),
            }
        }
        let recipients = plan.recipients.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Ok(Opened { source, ready, epochs, missing, recipients })
    }

    async fn carry_out_plan(
        &self,
        run: &Run,
        active: &Active,
        lacking: Option<&Vec<String>>,
        plan: &BackupPlan,
        opened: Opened,
    ) -> (Outcome, Vec<NamedDestination>) {
        let unused = |outcome| (outcome, Vec::new());
        let Opened { source, ready, epochs, missing, recipients } = opened;
        for Missing { name, reason, code, .. } in &missing {
            let (destination, error) = (name.clone(), reason.clone());
            self.log(&run.id, RunEvent::Unreachable { destination, error, code: Some(*code) }).await;
        }
        if ready.is_empty() {
            let reasons: Vec<String> = missing.iter().map(|Missing { name, reason, .. }| about(name, reason)).collect();
            let code = missing.first().map_or(FailureCode::Failed, |missing| missing.code);
            return unused(Outcome::failed(code, reasons.join("; ")));
        }
        if recipients.is_empty() {
            self.log(&run.id, RunEvent::NotEncrypted).await;
        }
        let databases = match self.prepared(active, databases(lacking.or(plan.databases.as_ref()), &*source)).await {
            Ok(databases) if databases.names.is_empty() => {
                return unused(Outcome::failed(FailureCode::NoDatabases, "the source has no databases"));
            }
            Ok(databases) => databases,
            Err(failure) => return unused(failure.into()),
        };
        databases.names.iter().for_each(|database| crate::redaction::make_public(database));
        let request = BackupRequest {
            source: &*source,
            databases: databases.names,
            left_out: databases.left_out,
            acknowledged: plan.acknowledged_warnings.clone(),
            dump_options: DumpOptions { allow_damaged: plan.allow_damaged },
            host: pipeline::host::name(),
            destinations: ready.clone(),
            job: plan.job.clone(),
            compression: plan.compression,
            recipients,
            started: self.now(),
            trigger: trigger(run),
            run_id: run.id.clone(),
            job_id: Some(plan.job_id.clone()),
            guard: Arc::new(StillOurs::new(self, &run.id, active)),
            stall_timeout: Duration::from_secs(plan.stall_timeout_seconds),
            signer: Some(Arc::clone(&self.signer)),
        };
        let unreachable: Vec<MissingCopy> = missing.iter().map(not_reached).collect();
        for warning in &request.left_out {
            let warning = warning.listed(&request.acknowledged);
            self.log(&run.id, RunEvent::Warning { database: None, warning }).await;
        }
        let known = [request.left_out.clone(), self.same_places(active, &request.destinations).await].concat();
        let known = listed(&known, &request.acknowledged);
        active.stages.begin(&request.databases, &unreachable, ready.len() + missing.len(), known);
        self.store_items(&run.id, active).await;
        let report = self.run_request(run, active, &request, &epochs).await;
        self.note_grants(&report).await;
        let mut result = result_of(&report, &missing, &request.acknowledged);
        active.stages.add_times(&mut result);
        (outcome_of(result, &missing), ready)
    }

    /// Returns the warnings of destinations that are one place, so that they are known before the run ends. Empty if the run
    /// is stopped: the run's end tells.
    async fn same_places(&self, active: &Active, destinations: &[NamedDestination]) -> Vec<Warning> {
        let named = destinations.iter().map(|named| (&*named.destination, named.name.as_str()));
        let same_places = runner::backup::same_places(named);
        tokio::select! {
            biased;
            () = active.cancel.cancelled() => Vec::new(),
            same_places = tokio::time::timeout(SPACE_TIMEOUT, same_places) => {
                same_places.unwrap_or_else(|_| vec![not_compared()])
            }
        }
    }

    /// Runs it while its lines are stored, in order.
    async fn run_request(
        &self,
        run: &Run,
        active: &Active,
        request: &BackupRequest<'_>,
        epochs: &HashMap<String, i64>,
    ) -> RunReport {
        let (sender, mut lines) = mpsc::channel::<Said>(LINES);
        let lost = Mutex::new(0_u64);
        let storing = async {
            while let Some(Said { event, published }) = lines.recv().await {
                self.store_new_items(&run.id, active).await;
                self.log(&run.id, event).await;
                if let Some((id, epoch, stored)) = published {
                    self.record_backup(&run.id, (&id, epoch), &stored).await;
                }
            }
        };
        let not_sent = &lost;
        let running = async move {
            // Dropped with this block, which ends the storing.
            let on_event = move |event: Event<'_>| {
                note_stage(&active.stages, &event, &request.acknowledged, self.now());
                let data = event.to_data(&of_copy, &request.acknowledged);
                if sender.try_send(Said { event: data, published: published(&event, epochs) }).is_err() {
                    *not_sent.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                }
            };
            back_up(request, &active.progress, &active.cancel, &on_event).await
        };
        let (report, ()) = tokio::join!(running, storing);
        let lost = *lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost > 0 {
            self.log(&run.id, RunEvent::LinesMissing { count: lost, too_fast: true }).await;
        }
        report
    }

    /// What a backup has left of the room there is (M-16). Whoever may not look at that can still back up.
    async fn look_at_space(&self, ready: &[NamedDestination]) {
        for NamedDestination { id, name, destination } in ready {
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
    async fn note_grants(&self, report: &RunReport) {
        for copy in report.databases.iter().flat_map(|database| &database.copies) {
            match &copy.result {
                Ok(_) => self.note_working(&copy.destination_id, Act::Write).await,
                Err(CopyFailure::Destination(error)) => self.note_broken_grant(&copy.destination_id, error).await,
                Err(_) => {}
            }
        }
    }
}

/// Returns the databases that are named, or all that the source has.
pub(super) async fn databases(named: Option<&Vec<String>>, source: &dyn sources::Source) -> Result<Databases, Failure> {
    match named {
        Some(databases) if source.engine().has_databases() => Ok(Databases::all(databases.clone())),
        _ => Ok(source.databases().await?),
    }
}

/// Why there is no copy at a destination.
fn of_copy(failure: &CopyFailure) -> String {
    match failure {
        CopyFailure::Destination(error) => of_storage(error),
        failure => failure.to_string(),
    }
}

/// What is the matter with a destination; many a reason names it already.
fn about(name: &str, reason: &str) -> String {
    if reason.starts_with(name) { reason.to_owned() } else { format!("{name}: {reason}") }
}

fn trigger(run: &Run) -> &'static str {
    match run.cause {
        Cause::Schedule | Cause::Retry => "schedule",
        Cause::Api => "api",
        Cause::Manual => "manual",
    }
}

fn note_stage(stages: &Stages, event: &Event<'_>, acknowledged: &[String], now: Timestamp) {
    match event {
        Event::Started { database } => stages.reach(database, Stage::Dumping, now),
        Event::Dumped { database, size } => stages.dumped(database, *size),
        Event::Warned { database, warning } | Event::MayNotFit { database, warning, .. } => {
            stages.warn(database, warning.listed(acknowledged));
        }
        Event::Failed { database, failure } => stages.fail(database, &failure.to_string(), failure.code(), now),
        Event::Copied { database, copy, .. } => stages.add_copy(database, copy_result(copy, Some(now)), now),
        Event::DroppedOut { database, place, failure } => {
            stages.add_copy(database, CopyResult::Missing(missing_copy(&place.id, &place.name, failure)), now);
        }
        Event::Silent { .. } | Event::Settling { .. } => {}
    }
}

/// Returns what was published, if that is what happened.
fn published(event: &Event<'_>, epochs: &HashMap<String, i64>) -> Option<(String, i64, Stored)> {
    let Event::Copied { copy, stored, .. } = *event else { return None };
    Some((copy.destination_id.clone(), *epochs.get(&copy.destination_id)?, stored.clone()))
}

/// What a report comes to by the success contract ([`BackupResult::state`]), and why it is no success.
fn outcome_of(result: BackupResult, missing: &[Missing]) -> Outcome {
    let failure = result.databases.iter().find_map(first_failure);
    let unreached = |Missing { name, reason, code, .. }: &Missing| (about(name, reason), Some(*code));
    let failure = failure.or_else(|| missing.first().map(unreached));
    let (error, code) = failure.map_or((None, None), |(error, code)| (Some(error), code));
    let state = result.state().into();
    Outcome { state, error, code, result: Some(RunResult::Backup(result)), committed: false }
}

fn first_failure(database: &DatabaseResult) -> Option<(String, Option<FailureCode>)> {
    let of_copy = |copy: &CopyResult| match copy {
        CopyResult::Stored(_) => None,
        CopyResult::Missing(MissingCopy { destination, error, code, .. }) => Some((about(destination, error), *code)),
    };
    match &database.error {
        Some(error) => Some((format!("{}: {error}", database.database), database.code)),
        None => database.copies.iter().find_map(of_copy),
    }
}

/// What a run came to whose server died before it could say so, if its result as it grew shows every copy of every database.
pub(super) fn whole_without_end(result: &RunResult) -> Option<RunStatus> {
    let RunResult::Backup(result) = result else { return None };
    Some(RunStatus::from(result.state())).filter(|state| result.has_ended() && state.is_success())
}

fn not_reached(Missing { id, name, reason, code }: &Missing) -> MissingCopy {
    let (destination_id, destination, error) = (id.clone(), name.clone(), reason.clone());
    MissingCopy { destination_id, destination, error, code: Some(*code) }
}

fn copy_result(copy: &CopyReport, stored_at: Option<Timestamp>) -> CopyResult {
    let CopyReport { destination_id: id, destination: name, result } = copy;
    match result {
        Ok(stored) => CopyResult::Stored(stored_copy(id, name, stored, stored_at)),
        Err(failure) => CopyResult::Missing(missing_copy(id, name, failure)),
    }
}

fn missing_copy(id: &str, name: &str, failure: &CopyFailure) -> MissingCopy {
    MissingCopy {
        destination_id: id.to_owned(),
        destination: name.to_owned(),
        error: of_copy(failure),
        code: Some(failure.code()),
    }
}

/// A copy as a result lists it.
pub(super) fn stored_copy(id: &str, name: &str, stored: &Stored, stored_at: Option<Timestamp>) -> StoredCopy {
    StoredCopy {
        destination_id: id.to_owned(),
        destination: name.to_owned(),
        path: stored.path.clone(),
        size: stored.sidecar.size,
        checksum: stored.sidecar.checksum.clone(),
        verified_by: Some(method(stored.proved)),
        stored_at,
    }
}

/// Warnings as a result lists them, those marked that the job acknowledges.
pub(super) fn listed(warnings: &[Warning], acknowledged: &[String]) -> Vec<ListedWarning> {
    warnings.iter().map(|warning| warning.listed(acknowledged)).collect()
}

fn result_of(report: &RunReport, missing: &[Missing], acknowledged: &[String]) -> BackupResult {
    let databases = report.databases.iter().map(|database| {
        let made = database.copies.iter().map(|copy| copy_result(copy, None));
        let unreached = missing.iter().map(|missing| CopyResult::Missing(not_reached(missing)));
        DatabaseResult {
            stage: None,
            error: database.failure.as_ref().map(ToString::to_string),
            code: database.failure.as_ref().map(CopyFailure::code),
            copies: made.chain(unreached).collect(),
            warnings: listed(&database.warnings, acknowledged),
            ..DatabaseResult::waiting(&database.database, Vec::new())
        }
    });
    BackupResult { databases: databases.collect(), warnings: listed(&report.warnings, acknowledged) }
}

#[cfg(test)]
mod tests {
    use runner::backup::DatabaseReport;
    use serde_json::{Value, json};

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
        let result = result_of(&report, &[], &["unlogged-tables".to_owned()]);
        let result = serde_json::to_value(result).unwrap();
        let left_out = json!({"code": "invalid-database", "subject": "broken", "message": "'broken' is invalid", "cure": "Drop it."});
        assert_eq!(result["warnings"], json!([left_out]));
        let unlogged = json!({"code": "unlogged-tables", "message": "a table is unlogged", "acknowledged": true});
        assert_eq!(result["databases"][0]["warnings"], json!([unlogged]));
    }

    #[test]
    fn that_a_backup_may_not_fit_is_known_while_the_run_goes_on() {
        let stages = Stages::default();
        stages.begin(&["shop".to_owned()], &[], 1, Vec::new());
        let usage = adapter::destination::Usage { used: 9, allowed: Some(10) };
        let warning = Warning::new("may-not-fit", "m").about("file:///x");
        let (destination, database) = ("file:///x", "shop");
        let event = Event::MayNotFit { database, destination, last_size: 2, usage, warning: &warning };
        note_stage(&stages, &event, &[], Timestamp::UNIX_EPOCH);
        let told = serde_json::to_value(stages.news()).unwrap();
        let expected = json!([{"code": "may-not-fit", "subject": "file:///x", "message": "m"}]);
        assert_eq!(told["databases"][0]["warnings"], expected);
    }

    #[test]
    fn only_a_result_with_every_copy_is_whole_without_its_end() {
        let copy = json!({"destination": "a", "path": "p", "size": {"plain": 1, "stored": 1},
            "checksum": {"sha256Plain": "a", "sha256Stored": "b"}});
        let shop = json!({"database": "shop", "copies": [copy]});
        let of = |result: Value| whole_without_end(&serde_json::from_value(result).unwrap());
        let state = |databases: Value| of(json!({"databases": databases}));
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
        let warned = |warning: Value| of(json!({"databases": [shop], "warnings": [warning]}));
        assert_eq!(warned(json!({"code": "x", "message": "m"})), Some(RunStatus::SucceededWithWarnings));
        let known = json!({"code": "x", "message": "m", "acknowledged": true});
        assert_eq!(warned(known), Some(RunStatus::Succeeded));
    }
}
