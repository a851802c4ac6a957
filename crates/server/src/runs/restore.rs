//! Carrying out a restore.

use catalog::Run;
use domain::outcome::RunStatus;
use domain::size::human;
use pipeline::keys::Identity;
use runner::{OpenError, OpenRequest};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sources::RestoreOptions;

use super::Active;
use super::executor::Outcome;
use super::log::Level;
use crate::app::App;
use crate::dropbox_clients::Patience;
use crate::failure::Failure;

/// What a restore is about, as it is kept with its run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RestoreRequest {
    pub(crate) destination_id: String,
    pub(crate) path: String,
    pub(crate) source_id: String,
    pub(crate) database: Option<String>,
    pub(crate) overwrite: bool,
    pub(crate) no_owner: bool,
}

impl App {
    pub(crate) async fn restore(&self, run: &Run, active: &Active) -> Outcome {
        match self.carry_out_restore(run, active).await {
            Ok(outcome) => outcome,
            Err(failure) => Outcome::failed(failure),
        }
    }

    async fn carry_out_restore(&self, run: &Run, active: &Active) -> Result<Outcome, Failure> {
        let request: RestoreRequest = serde_json::from_value(run.request.clone().unwrap_or_default())?;
        let destination = self.open_destination(&request.destination_id, Patience::Long).await?;
        let target = self.open_source(&request.source_id, request.database.as_deref()).await?;
        let identities = self.identities().await?;
        self.log(&run.id, Level::Info, &format!("restoring {} into {}", request.path, target.name())).await;
        let options =
            RestoreOptions { overwrite: request.overwrite, no_owner: request.no_owner, ..RestoreOptions::default() };
        let open = OpenRequest { destination: &*destination, path: &request.path, identities };
        match runner::restore(open, &*target, options, &active.progress, &active.cancel).await {
            Ok(report) => {
                let size = report.decoded.plain.size;
                let words = format!("restored {} into {}; every checksum agrees", human(size), report.restored.target);
                self.log(&run.id, Level::Info, &words).await;
                let result = json!({"target": report.restored.target, "size": size});
                Ok(Outcome { state: RunStatus::Succeeded, error: None, result: Some(result) })
            }
            Err(error) => {
                if let OpenError::Destination(error) = &error {
                    self.note_broken_grant(&request.destination_id, error).await;
                }
                if let OpenError::Source(sources::Error::HoldsData(what)) = &error {
                    let cure = "restore into another database, or confirm that this one is replaced";
                    return Ok(Outcome::failed(format!("{what} holds data: nothing was changed. {cure}")));
                }
                Err(error.into())
            }
        }
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
