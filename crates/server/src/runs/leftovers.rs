//! What killed runs left at their sources and destinations.

use std::time::Duration;

use catalog::{PageRequest, Run, Source};
use domain::naming::job_folder;
use domain::run::{CopySpec, PutInPlaceSpec, RestoreSpec, RunEvent, RunSpec};

use crate::app::App;
use crate::failure::Failure;
use crate::patience::Patience;

/// How often all sources are looked at, from the start on.
const LOOK_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// Maximum time for one source or destination: one that hangs delays the others no longer than this.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Sources read from the catalog at once.
const PAGE: usize = 100;

impl App {
    /// Removes at every source what dead runs left there, whether the catalog still knows them or not, at the start and daily. What cannot be
    /// removed is named in the log, with what to do.
    pub(crate) async fn sweep_sources(self) {
        loop {
            let mut page = PageRequest { after: None, limit: PAGE };
            loop {
                match self.catalog.sources(&page).await {
                    Ok(found) => {
                        page.after = found.items.last().map(|source| source.name.clone()).filter(|_| found.more);
                        for source in &found.items {
                            self.sweep_source(source).await;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "sources could not be looked at for leftovers");
                        page.after = None;
                    }
                }
                if page.after.is_none() {
                    break;
                }
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    async fn sweep_source(&self, source: &Source) {
        let sweeping = async { Ok::<_, Failure>(self.open_source(&source.id, None).await?.remove_leftovers().await) };
        match tokio::time::timeout(LOOK_TIMEOUT, sweeping).await {
            Ok(Ok(warnings)) => {
                for warning in warnings {
                    tracing::warn!(source = source.name, "{warning}");
                }
            }
            Ok(Err(error)) => tracing::warn!(source = source.name, %error, "leftovers could not be looked for"),
            Err(_) => tracing::warn!(source = source.name, "leftovers could not be looked for: no answer in time"),
        }
    }

    /// Removes what a run that was interrupted left at its source and its destinations, and names in its log what could not be removed.
    pub(crate) async fn remove_leftovers(&self, run: &Run) {
        match tokio::time::timeout(LOOK_TIMEOUT, self.source_of(run)).await {
            Ok(Ok(Some(source))) => {
                for warning in source.remove_leftovers().await {
                    self.log(&run.id, RunEvent::Warning { database: None, warning: warning.listed(&[]) }).await;
                }
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!(run = run.id, %error, "leftovers of the run could not be looked for"),
            Err(_) => tracing::warn!(run = run.id, "leftovers of the run could not be looked for: no answer in time"),
        }
        for (destination_id, folder) in self.folders_of(run).await {
            match tokio::time::timeout(LOOK_TIMEOUT, self.sweep_destination(&destination_id, &folder)).await {
                Ok(Ok(left)) => {
                    for name in left {
                        self.log(&run.id, RunEvent::Leftover { name }).await;
                    }
                }
                Ok(Err(error)) => tracing::warn!(run = run.id, %error, "parts of uploads could not be looked for"),
                Err(_) => tracing::warn!(run = run.id, "parts of uploads could not be looked for: no answer in time"),
            }
        }
    }

    async fn sweep_destination(&self, id: &str, folder: &str) -> Result<Vec<String>, Failure> {
        let destination = self.open_destination(id, Patience::Short).await?;
        destination.remove_leftovers(folder).await.map_err(Failure::Destination)
    }

    /// The destinations that a run wrote to, each with its folder there.
    async fn folders_of(&self, run: &Run) -> Vec<(String, String)> {
        match (run.spec(), &run.job_id) {
            (Ok(RunSpec::Backup(_)), Some(job)) => match self.catalog.job(job).await {
                Ok(Some(job)) => {
                    let folder = job_folder(&job.name);
                    job.destination_ids.iter().map(|id| (id.clone(), folder.clone())).collect()
                }
                _ => Vec::new(),
            },
            (Ok(RunSpec::Copy(CopySpec { to_destination_id, path, .. })), _) => {
                let folder = path.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
                vec![(to_destination_id, folder)]
            }
            _ => Vec::new(),
        }
    }

    async fn source_of(&self, run: &Run) -> Result<Option<Box<dyn sources::Source>>, Failure> {
        let (source_id, database) = match (run.spec().map_err(Failure::Spec)?, &run.job_id) {
            (RunSpec::Backup(_), Some(job)) => match self.catalog.job(job).await? {
                Some(job) => (job.source_id, None),
                None => return Ok(None),
            },
            (RunSpec::Restore(RestoreSpec { source_id, database, .. }), _)
            | (RunSpec::PutInPlace(PutInPlaceSpec { source_id, database, .. }), _) => (source_id, database),
            (RunSpec::Backup(_) | RunSpec::Copy(_), _) => return Ok(None),
        };
        self.open_source(&source_id, database.as_deref()).await.map(Some)
    }
}
