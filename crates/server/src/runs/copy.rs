//! Carrying out a copy of a stored backup, from one destination to another.

use std::sync::Arc;
use std::time::Duration;

use adapter::authorization::Act;
use catalog::Run;
use domain::Warning;
use domain::outcome::RunStatus;
use domain::run::{CopiedTo, CopyPlan, CopySpec, RunEvent, RunResult, RunSpec};
use runner::{Copied, CopyError, CopyEvent};
use tokio::sync::mpsc;

use super::Active;
use super::executor::Outcome;
use super::guard::StillOurs;
use super::plan::open_destination;
use crate::app::App;
use crate::failure::{Failure, of_storage};

/// Maximum number of a copy's events that wait to be stored: it is streamed once, and settled once per attempt.
const MAX_EVENTS: usize = 4;

impl App {
    pub(crate) async fn copy(&self, run: &Run, active: &Active, spec: CopySpec) -> Outcome {
        match self.carry_out_copy(run, active, spec).await {
            Ok(outcome) => outcome,
            Err(failure) => failure.into(),
        }
    }

    /// Returns the plan of a copy, which is made and recorded unless the spec has it.
    async fn planned_copy(&self, run: &Run, active: &Active, spec: CopySpec) -> Result<CopyPlan, Failure> {
        if let Some(plan) = spec.plan {
            return Ok(*plan);
        }
        let plan = self.plan_of_copy(&spec).await?;
        let spec = CopySpec { plan: Some(Box::new(plan.clone())), ..spec };
        self.record_spec(run, active, &RunSpec::Copy(spec)).await?;
        Ok(plan)
    }

    async fn carry_out_copy(&self, run: &Run, active: &Active, spec: CopySpec) -> Result<Outcome, Failure> {
        let path = &spec.path.clone();
        let plan = self.planned_copy(run, active, spec).await?;
        let (destination_id, to_destination_id) = (&plan.from.id, &plan.to.id);
        let destinations = &self.config.adapters.destinations;
        let source = self.prepared(active, open_destination(&plan.from, destinations, self)).await?;
        let epoch = self.catalog.epoch(to_destination_id).await?;
        let destination = self.prepared(active, open_destination(&plan.to, destinations, self)).await?;
        let (from, to) = (plan.from.name.clone(), plan.to.name.clone());
        self.log(&run.id, RunEvent::Copying { path: path.clone(), from, to: to.clone() }).await;
        let signer = Some(&*self.signer);
        let copy = runner::CopyRequest {
            source: &*source,
            path,
            destination: &*destination,
            shown_as: (to_destination_id.clone(), to.clone()),
            checkpoint: None,
            signer,
            cancel: &active.cancel,
            guard: Arc::new(StillOurs::new(self, &run.id, active)),
            stall_timeout: Duration::from_secs(plan.stall_timeout_seconds),
        };
        let (sender, mut events) = mpsc::channel(MAX_EVENTS);
        let destination_name = to.clone();
        let copying = async move {
            let on_event = move |event: CopyEvent<'_>| {
                let event = match event {
                    CopyEvent::Settling => RunEvent::Settling { database: None, destination: destination_name.clone() },
                    CopyEvent::Streamed { cause } => RunEvent::CopyStreamed { error: of_storage(cause) },
                    // There is nothing to go on from: a copy that is interrupted here starts anew.
                    CopyEvent::Checkpoint(_) | CopyEvent::Resumed | CopyEvent::Restarted { .. } => return,
                };
                // There is room for each, once.
                let _ = sender.try_send(event);
            };
            runner::copy(copy, &active.progress, &on_event).await
        };
        let storing = async {
            while let Some(event) = events.recv().await {
                self.log(&run.id, event).await;
            }
        };
        let mut unchecked = None;
        let (event, examined) = match tokio::join!(copying, storing).0 {
            Ok(Copied::Done { size, checks, proved, inside, examined }) => {
                unchecked = checks.missing;
                let (checked_by, inside) = (proved.to_string(), inside.map(str::to_owned));
                (RunEvent::CopyDone { destination: to, size, checked_by, inside }, Some(examined))
            }
            Ok(Copied::AlreadyThere) => (RunEvent::AlreadyThere { destination: to }, None),
            Err(error) => {
                let (whose, words) = match &error {
                    CopyError::Source(error) => (Some((destination_id, error)), of_storage(error)),
                    CopyError::Destination(error) => (Some((to_destination_id, error)), of_storage(error)),
                    CopyError::Sidecar { cause, .. } => (Some((to_destination_id, cause)), error.to_string()),
                    CopyError::Altered { .. } => (None, error.to_string()),
                };
                if let Some((id, error)) = whose {
                    self.note_broken_grant(id, error).await;
                }
                let technical_details = error.technical_details().map(str::to_owned);
                let failed = Outcome { technical_details, ..Outcome::failed(error.code(), words) };
                // The backup itself is there, without its sidecar.
                let committed = matches!(error, CopyError::Sidecar { .. });
                if committed && let Ok(examined) = runner::restore::examine(&*destination, path).await {
                    self.record_copied(&run.id, (to_destination_id, epoch), path, &examined).await;
                }
                return Ok(Outcome { committed, ..failed });
            }
        };
        self.note_working(destination_id, Act::Read).await;
        self.note_working(to_destination_id, Act::Write).await;
        self.log(&run.id, event).await;
        let examined = match examined {
            Some(examined) => Ok(*examined),
            None => runner::restore::examine(&*destination, path).await,
        };
        match examined {
            Ok(examined) => self.record_copied(&run.id, (to_destination_id, epoch), path, &examined).await,
            Err(error) => tracing::warn!(%error, path, "a copy could not be looked at; the next scan finds it"),
        }
        let state = if unchecked.is_some() { RunStatus::SucceededWithWarnings } else { RunStatus::Succeeded };
        if let Some(cause) = unchecked {
            let message = format!("the copy was not compared with what was once backed up: {cause}");
            let warning = Warning::new("content-not-checked", message)
                .with_cure("Verify the copy by restoring it somewhere else");
            self.log(&run.id, RunEvent::Warning { database: None, warning: warning.listed(&[]) }).await;
        }
        let result = RunResult::Copy(CopiedTo { path: path.clone(), destination_id: to_destination_id.clone() });
        let result = Some(result);
        Ok(Outcome { state, error: None, code: None, technical_details: None, result, committed: true })
    }
}
