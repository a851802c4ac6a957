//! Carrying out a copy of a stored backup, from one destination to another.

use std::sync::Arc;

use catalog::Run;
use domain::outcome::RunStatus;
use domain::run::{CopiedTo, CopySpec, RunEvent, RunResult};
use runner::{Copied, CopyError, CopyEvent};
use tokio::sync::mpsc;

use super::Active;
use super::executor::Outcome;
use super::guard::StillOurs;
use crate::app::App;
use crate::dropbox_clients::{READING, WRITING};
use crate::failure::{Failure, of_storage};
use crate::patience::Patience;

impl App {
    pub(crate) async fn copy(&self, run: &Run, active: &Active, spec: &CopySpec) -> Outcome {
        match self.carry_out_copy(run, active, spec).await {
            Ok(outcome) => outcome,
            Err(failure) => failure.into(),
        }
    }

    async fn carry_out_copy(&self, run: &Run, active: &Active, spec: &CopySpec) -> Result<Outcome, Failure> {
        let CopySpec { destination_id, path, to_destination_id, .. } = spec;
        let source = self.prepared(active, self.open_destination(destination_id, Patience::Long)).await?;
        let epoch = self.catalog.epoch(to_destination_id).await?;
        let destination = self.prepared(active, self.open_destination(to_destination_id, Patience::Long)).await?;
        let (from, to) =
            (self.destination_name(destination_id).await?, self.destination_name(to_destination_id).await?);
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
            stall_timeout: self.config.stall_timeout,
        };
        let (sender, mut settling) = mpsc::channel(1);
        let copying = async move {
            // There is nothing to go on from: a copy that is interrupted here starts anew.
            let on_event = move |event: CopyEvent<'_>| {
                if matches!(event, CopyEvent::Settling) {
                    // It is told once.
                    let _ = sender.try_send(());
                }
            };
            runner::copy(copy, &active.progress, &on_event).await
        };
        let storing = async {
            while settling.recv().await.is_some() {
                self.log(&run.id, RunEvent::Settling { database: None, destination: to.clone() }).await;
            }
        };
        let (event, examined) = match tokio::join!(copying, storing).0 {
            Ok(Copied::Done { size, proved, examined, .. }) => {
                (RunEvent::CopyDone { destination: to, size, checked_by: proved.to_string() }, Some(examined))
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
                return Ok(Outcome::failed(error.code(), words));
            }
        };
        self.note_working(destination_id, &READING).await;
        self.note_working(to_destination_id, &WRITING).await;
        self.log(&run.id, event).await;
        let examined = match examined {
            Some(examined) => Ok(*examined),
            None => runner::restore::examine(&*destination, path).await,
        };
        match examined {
            Ok(examined) => self.record_copied(&run.id, (to_destination_id, epoch), path, &examined).await,
            Err(error) => tracing::warn!(%error, path, "a copy could not be looked at; the next scan finds it"),
        }
        let result = RunResult::Copy(CopiedTo { path: path.clone(), destination_id: to_destination_id.clone() });
        Ok(Outcome { state: RunStatus::Succeeded, error: None, code: None, result: Some(result), committed: true })
    }

    /// Returns what users call a destination.
    async fn destination_name(&self, id: &str) -> Result<String, Failure> {
        let destination = self.catalog.destination(id).await?.ok_or(Failure::Gone("the destination"))?;
        Ok(destination.name)
    }
}
