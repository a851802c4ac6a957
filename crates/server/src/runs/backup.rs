//! Carrying out a backup.

mod aftermath;
mod result;
mod telling;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use catalog::Run;
use domain::Warning;
use domain::run::{BackupPlan, BackupSpec, Cause, FailureCode, MissingCopy, RunEvent, RunSpec};
use pipeline::keys::Recipient;
use runner::BackupRequest;
use runner::backup::NamedDestination;
use sources::{Databases, DumpOptions};
use tokio::task::JoinHandle;

use self::result::{Missing, about, not_reached, outcome_of, result_of};
pub(super) use self::result::{listed, stored_copy, whole_without_end};
use super::executor::Outcome;
use super::guard::StillOurs;
use super::plan::{open_destination, open_source};
use super::published::not_compared;
use super::{Active, StopReason};
use crate::app::App;
use crate::failure::Failure;

/// How long the look at the destinations' space may take after a run.
const SPACE_TIMEOUT: Duration = Duration::from_secs(60);

/// What a run has opened of its plan.
struct Opened {
    source: Box<dyn sources::Source>,
    ready: Vec<NamedDestination>,
    /// See [`catalog::Catalog::epoch`]; by a destination's id.
    epochs: HashMap<String, i64>,
    missing: Vec<Missing>,
    recipients: Vec<Recipient>,
}

impl App {
    pub(crate) async fn back_up(&self, run: &Run, active: &Active, spec: BackupSpec) -> Outcome {
        let lacking = spec.databases.clone();
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
        let (mut outcome, used) = self.carry_out_plan(run, active, lacking.as_ref(), &plan, opened).await;
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

    /// Returns the plan of a backup. Unless the spec has it, that is what the run's job says now, which is recorded.
    async fn planned(&self, run: &Run, active: &Active, spec: BackupSpec) -> Result<BackupPlan, Failure> {
        if let Some(plan) = spec.plan {
            return Ok(*plan);
        }
        let job_id = run.job_id.as_deref().unwrap_or_default();
        let job = self.catalog.job(job_id).await?.ok_or(Failure::Gone("the job"))?;
        let plan = self.plan_of(job).await?;
        let spec = BackupSpec { plan: Some(Box::new(plan.clone())), ..spec };
        self.record_spec(run, active, &RunSpec::Backup(spec)).await?;
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
                Err(failure) => {
                    let technical_details = failure.technical_details().map(str::to_owned);
                    let (reason, code) = (failure.to_string(), failure.code());
                    missing.push(Missing { id, name, reason, code, technical_details });
                }
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
        for Missing { name, reason, code, technical_details, .. } in &missing {
            let (destination, error, technical_details) = (name.clone(), reason.clone(), technical_details.clone());
            let event = RunEvent::Unreachable { destination, error, code: Some(*code), technical_details };
            self.log(&run.id, event).await;
        }
        if ready.is_empty() {
            let reasons: Vec<String> = missing.iter().map(|Missing { name, reason, .. }| about(name, reason)).collect();
            let code = missing.first().map_or(FailureCode::Failed, |missing| missing.code);
            let technical_details = missing.first().and_then(|missing| missing.technical_details.clone());
            return unused(Outcome { technical_details, ..Outcome::failed(code, reasons.join("; ")) });
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
}

/// Returns the databases that are named, or all that the source has.
pub(super) async fn databases(named: Option<&Vec<String>>, source: &dyn sources::Source) -> Result<Databases, Failure> {
    match named {
        Some(databases) if source.adapter().has_databases() => Ok(Databases::all(databases.clone())),
        _ => Ok(source.databases().await?),
    }
}

fn trigger(run: &Run) -> &'static str {
    match run.cause {
        Cause::Schedule | Cause::Retry => "schedule",
        Cause::Api => "api",
        Cause::Manual => "manual",
    }
}
