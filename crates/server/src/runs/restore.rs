//! Carrying out a restore.

mod result;

use std::sync::Arc;
use std::time::Duration;

use catalog::{PageRequest, Run};
use domain::naming::job_folder;
use domain::run::{PutInPlacePlan, PutInPlaceSpec, RestorePlan, RestoreSpec, RunEvent, RunResult, RunSpec};
use pipeline::keys::Identity;
use runner::provenance::check_encryption;
use runner::{Controls, Expected, OpenError, OpenRequest, RestoreEvent, RestoreReport};
use sources::{OnError, RestoreOptions, Restored, Source};
use tokio::sync::mpsc;

use self::result::{MAX_OBJECTS, failed, outcome_of};
use super::Active;
use super::executor::Outcome;
use super::guard::StillOurs;
use super::plan::{Resources, open_destination, open_target};
use crate::app::App;
use crate::failure::Failure;
use crate::restore_targets::{Asked, Permitted, check_kept};

/// Maximum number of events that wait to be stored.
const EVENTS: usize = 64;

/// What a run asks of [`App::restore_target`].
pub(crate) fn asked(spec: &RestoreSpec) -> Asked<'_> {
    Asked { source_id: &spec.source_id, database: spec.database.as_deref(), administers: spec.administers }
}

/// What a run asks of its target.
pub(crate) fn options(spec: &RestoreSpec) -> RestoreOptions {
    RestoreOptions {
        overwrite: spec.overwrite,
        no_owner: spec.no_owner,
        on_error: if spec.continue_on_error { OnError::Continue } else { OnError::Stop },
        in_place: spec.in_place,
        allow_damaged: spec.allow_damaged,
    }
}

impl App {
    pub(crate) async fn restore(&self, run: &Run, active: &Active, spec: RestoreSpec) -> Outcome {
        self.carry_out_restore(run, active, spec).await.unwrap_or_else(|failure| failed(&failure))
    }

    /// Puts a database in its place that an earlier restore loaded and kept.
    pub(crate) async fn put_in_place(&self, run: &Run, active: &Active, spec: PutInPlaceSpec) -> Outcome {
        self.carry_out_swap(run, active, spec).await.unwrap_or_else(|failure| failed(&failure))
    }

    /// Returns the plan of a restore, which is made and recorded unless the spec has it.
    async fn planned_restore(&self, run: &Run, active: &Active, spec: RestoreSpec) -> Result<RestorePlan, Failure> {
        if let Some(plan) = spec.plan {
            return Ok(*plan);
        }
        let plan = self.prepared(active, self.plan_of_restore(&spec)).await?;
        let spec = RestoreSpec { plan: Some(Box::new(plan.clone())), ..spec };
        self.record_spec(run, active, &RunSpec::Restore(spec)).await?;
        Ok(plan)
    }

    async fn planned_swap(&self, run: &Run, active: &Active, spec: PutInPlaceSpec) -> Result<PutInPlacePlan, Failure> {
        if let Some(plan) = spec.plan {
            return Ok(*plan);
        }
        let plan = self.prepared(active, self.plan_of_swap(&spec)).await?;
        let spec = PutInPlaceSpec { plan: Some(Box::new(plan.clone())), ..spec };
        self.record_spec(run, active, &RunSpec::PutInPlace(spec)).await?;
        Ok(plan)
    }

    async fn carry_out_restore(&self, run: &Run, active: &Active, mut spec: RestoreSpec) -> Result<Outcome, Failure> {
        let plan = self.planned_restore(run, active, spec.clone()).await?;
        let adapters = &self.config.adapters;
        spec.database.iter().chain([&spec.path]).for_each(|name| crate::redaction::make_public(name));
        let target = self.prepared(active, open_target(&plan.target, &adapters.sources, self)).await?;
        // What was new when it was asked for, and is not any more at the end, is not replaced either.
        spec.overwrite &= plan.replaces;
        let opening = open_destination(&plan.destination, &adapters.destinations, self);
        let destination = self.prepared(active, opening).await?;
        let allow_unencrypted = spec.allow_unencrypted;
        let sources = Some(&self.config.adapters.sources);
        let expected = Expected { encrypted: plan.job_encrypts, allow_unencrypted, sources, ..Expected::default() };
        self.prepared(active, check_encryption(&*destination, &spec.path, expected)).await?;
        let identities = Resources::identities(self, &plan.identities).await?;
        self.log(&run.id, RunEvent::Restoring { path: spec.path.clone(), target: target.name() }).await;
        let open = OpenRequest { destination: &*destination, path: &spec.path, identities };
        let controls = Controls {
            progress: &active.progress,
            cancel: &active.cancel,
            guard: Arc::new(StillOurs::new(self, &run.id, active)),
            stall_timeout: Duration::from_secs(plan.stall_timeout_seconds),
            on_event: &|_| (),
        };
        match self.restore_telling(run, open, &*target, options(&spec), controls).await {
            Ok(report) => {
                let size = report.decoded.plain.size;
                let event = RunEvent::Restored {
                    target: report.restored.target.clone(),
                    size,
                    checks: report.checks.to_string(),
                    fully_checked: report.checks.missing.is_none(),
                    rows: report.rows.clone(),
                };
                self.log(&run.id, event).await;
                let mut outcome = self.outcome_of_restore(run, &report.restored).await;
                if let Some(RunResult::Restore(result)) = &mut outcome.result {
                    result.size = Some(size);
                    result.rows = report.rows;
                }
                Ok(outcome)
            }
            Err(error) => {
                if let OpenError::Destination(error) = &error {
                    self.note_broken_grant(&plan.destination.id, error).await;
                }
                Err(error.into())
            }
        }
    }

    /// Restores while what happens is stored in the run's log.
    async fn restore_telling(
        &self,
        run: &Run,
        open: OpenRequest<'_>,
        target: &dyn Source,
        options: RestoreOptions,
        controls: Controls<'_>,
    ) -> Result<RestoreReport, OpenError> {
        let (sender, mut events) = mpsc::channel(EVENTS);
        let restoring = async move {
            // Dropped with this block, which ends the storing.
            let on_event = move |event: RestoreEvent| {
                if sender.try_send(event).is_err() {
                    tracing::warn!(?event, "too many events came at once");
                }
            };
            runner::restore(open, target, options, &Controls { on_event: &on_event, ..controls }).await
        };
        let storing = async {
            while let Some(event) = events.recv().await {
                self.log(&run.id, event.to_data()).await;
            }
        };
        tokio::join!(restoring, storing).0
    }

    async fn carry_out_swap(&self, run: &Run, active: &Active, spec: PutInPlaceSpec) -> Result<Outcome, Failure> {
        let kept = spec.kept.clone();
        let plan = self.planned_swap(run, active, spec).await?;
        let sources = &self.config.adapters.sources;
        let target = self.prepared(active, open_target(&plan.target, sources, self)).await?;
        self.log(&run.id, RunEvent::PuttingInPlace { kept: kept.clone(), target: target.name() }).await;
        let restored = target.put_in_place(&kept, &StillOurs::new(self, &run.id, active)).await?;
        self.log(&run.id, RunEvent::InPlace { target: restored.target.clone() }).await;
        Ok(self.outcome_of_restore(run, &restored).await)
    }

    /// What is known of where a backup should come from.
    pub(crate) async fn expected_origin(&self, request: &RestoreSpec) -> Result<Expected<'_>, Failure> {
        Ok(Expected { allow_unencrypted: request.allow_unencrypted, ..self.origin(&request.path).await? })
    }

    /// What the job in whose folder a backup lies does now.
    pub(crate) async fn origin(&self, path: &str) -> Result<Expected<'_>, Failure> {
        let folder = path.rsplit('/').nth(1).unwrap_or_default().to_lowercase();
        let mut page = PageRequest { after: None, limit: 200 };
        loop {
            let jobs = self.catalog.jobs(&page).await?;
            let job = jobs.items.iter().find(|job| job_folder(&job.job.name).to_lowercase() == folder);
            match (job, jobs.items.last().filter(|_| jobs.more)) {
                (None, Some(last)) => page.after = Some(last.job.name.clone()),
                (job, _) => {
                    let encrypted = job.is_some_and(|job| job.job.profile_id.is_some());
                    let signed_by = Some(self.signer.public_key());
                    let (is_own_job, sources) = (job.is_some(), Some(&self.config.adapters.sources));
                    return Ok(Expected { encrypted, signed_by, is_own_job, sources, ..Expected::default() });
                }
            }
        }
    }

    /// Opens the database that a kept one replaces, if it may.
    pub(crate) async fn put_in_place_target(&self, request: &PutInPlaceSpec) -> Result<Permitted, Failure> {
        let PutInPlaceSpec { source_id, database, kept, administers, .. } = request;
        let asked = Asked { source_id, database: database.as_deref(), administers: *administers };
        let permitted = self.restore_target(asked).await?;
        if !administers {
            check_kept(&*permitted.target, kept)?;
        }
        Ok(permitted)
    }

    async fn outcome_of_restore(&self, run: &Run, restored: &Restored) -> Outcome {
        for object in restored.failed_objects.iter().take(MAX_OBJECTS) {
            self.log(&run.id, RunEvent::NotRestored { object: object.clone() }).await;
        }
        for warning in &restored.warnings {
            self.log(&run.id, RunEvent::Warning { database: None, warning: warning.listed(&[]) }).await;
        }
        outcome_of(restored)
    }

    /// Every private key that this server has.
    pub(crate) async fn identities(&self) -> Result<Vec<Identity>, Failure> {
        let mut identities = Vec::new();
        for file in self.catalog.all_identities().await? {
            identities.extend(Identity::parse_file(&file)?);
        }
        Ok(identities)
    }
}
