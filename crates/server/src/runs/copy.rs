//! Carrying out a copy of a stored backup, from one destination to another.

use std::sync::Arc;

use catalog::Run;
use domain::outcome::RunStatus;
use domain::size::human;
use runner::{Copied, CopyError, CopyEvent};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;

use super::Active;
use super::executor::Outcome;
use super::guard::StillOurs;
use super::log::Level;
use crate::app::App;
use crate::dropbox_clients::{Patience, READING, WRITING};
use crate::failure::{Failure, of_storage};

/// What a copy is about, as it is kept with its run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CopyRequest {
    pub(crate) destination_id: String,
    pub(crate) path: String,
    pub(crate) to_destination_id: String,
}

impl App {
    pub(crate) async fn copy(&self, run: &Run, active: &Active) -> Outcome {
        match self.carry_out_copy(run, active).await {
            Ok(outcome) => outcome,
            Err(failure) => Outcome::failed(failure),
        }
    }

    async fn carry_out_copy(&self, run: &Run, active: &Active) -> Result<Outcome, Failure> {
        let request: CopyRequest = serde_json::from_value(run.request.clone().unwrap_or_default())?;
        let CopyRequest { destination_id, path, to_destination_id } = &request;
        let source = self.prepared(active, self.open_destination(destination_id, Patience::Long)).await?;
        let destination = self.prepared(active, self.open_destination(to_destination_id, Patience::Long)).await?;
        let (from, to) = (source.name(), destination.name());
        self.log(&run.id, Level::Info, &format!("copying {path} from {from} to {to}")).await;
        let signer = Some(&*self.signer);
        let copy = runner::CopyRequest {
            source: &*source,
            path,
            destination: &*destination,
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
                let words = format!(
                    "stopping, but the copy was already sent. The run waits for {to} to tell whether it was published"
                );
                self.log(&run.id, Level::Warning, &words).await;
            }
        };
        let words = match tokio::join!(copying, storing).0 {
            Ok(Copied::Done { size, .. }) => format!("{} copied to {to}, proved the same", human(size)),
            Ok(Copied::AlreadyThere) => format!("{to} holds it already, with the same content"),
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
                return Ok(Outcome::failed(words));
            }
        };
        self.note_working(destination_id, &READING).await;
        self.note_working(to_destination_id, &WRITING).await;
        self.log(&run.id, Level::Info, &words).await;
        let result = json!({"path": path, "destinationId": to_destination_id});
        Ok(Outcome { state: RunStatus::Succeeded, error: None, result: Some(result), committed: true })
    }
}
