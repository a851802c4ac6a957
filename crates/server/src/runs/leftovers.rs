//! What a run that was killed left at its source.

use catalog::Run;
use serde::Deserialize;

use super::log::Level;
use crate::app::App;
use crate::failure::Failure;

/// Where a restore, or a swap that is tried again, has its target: what both kinds of requests say.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    source_id: String,
    database: Option<String>,
}

impl App {
    /// Removes the private files of a run that was interrupted, and names in its log what could not be removed.
    pub(crate) async fn remove_leftovers(&self, run: &Run) {
        match self.source_of(run).await {
            Ok(Some(source)) => {
                for warning in source.remove_leftovers().await {
                    self.log(&run.id, Level::Warning, &warning.to_string()).await;
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(run = run.id, %error, "leftovers of the run could not be looked for"),
        }
    }

    async fn source_of(&self, run: &Run) -> Result<Option<Box<dyn sources::Source>>, Failure> {
        match (run.kind.as_str(), &run.job_id) {
            ("backup", Some(job)) => match self.catalog.job(job).await? {
                Some(job) => self.open_source(&job.source_id, None).await.map(Some),
                None => Ok(None),
            },
            ("restore", _) => {
                let target: Target = serde_json::from_value(run.request.clone().unwrap_or_default())?;
                self.open_source(&target.source_id, target.database.as_deref()).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}
