//! Settles runs whose server died or lost them: records what they completed, and begins again what they did not.

use std::time::Duration;

use catalog::{Lease, NewRun, Run, Settlement};
use domain::outcome::RunStatus;
use domain::run::{BackupSpec, Cause, CopyResult, RunEvent, RunKind, RunResult, RunSpec};

use super::backup::whole_without_end;
use super::live::LiveEvent;
use super::watch::Watch;
use crate::app::App;

/// Maximum attempts of a scheduled run that is interrupted, the first one included.
const MAX_ATTEMPTS: i64 = 3;
/// Time before an abandoned run that could not be settled is tried again.
const SETTLE_AGAIN: Duration = Duration::from_secs(1);

impl App {
    /// Settles what earlier processes left in a database that no other server uses.
    ///
    /// # Errors
    /// [`catalog::Error`].
    pub(crate) async fn settle_abandoned(&self) -> Result<(), catalog::Error> {
        for lease in self.catalog.leases_of_others(&self.runs.worker).await? {
            self.settle(lease).await?;
        }
        Ok(())
    }

    /// Settles what other servers have abandoned.
    ///
    /// # Errors
    /// [`catalog::Error`].
    pub(super) async fn settle_others(&self, watch: &mut Watch) -> Result<(), catalog::Error> {
        if self.catalog.is_private() {
            return Ok(());
        }
        let settled = async {
            let leases = self.catalog.leases_of_others(&self.runs.worker).await?;
            for lease in watch.look(leases, std::time::Instant::now(), self.config.lease) {
                self.settle(lease).await?;
            }
            Ok(())
        };
        settled.await.inspect_err(|_| watch.forget())
    }

    /// Settles a run. A backup whose end is unknown is settled by a task of its own, after its destinations have been asked: one that
    /// hangs holds up neither the start nor the queue.
    async fn settle(&self, lease: Lease) -> Result<(), catalog::Error> {
        let Some(run) = self.catalog.run(&lease.run_id).await? else { return Ok(()) };
        if run.kind != RunKind::Backup || run.job_id.is_none() {
            return self.settle_as(&lease, &Settlement::interrupted()).await;
        }
        if let Some(state) = run.result.as_ref().and_then(whole_without_end) {
            return self.settle_as(&lease, &Settlement { state, error: None, code: None, result: None }).await;
        }
        if self.runs.begin_settling(&run.id) {
            let app = self.clone();
            tokio::spawn(async move {
                app.runs.draining.run_until_cancelled(app.settle_backup(&lease, &run)).await;
                app.runs.end_settling(&run.id);
            });
        }
        Ok(())
    }

    async fn settle_backup(&self, lease: &Lease, run: &Run) {
        let settlement = self.published(run).await;
        while let Err(error) = self.settle_as(lease, &settlement).await {
            tracing::error!(%error, run_id = run.id, "the abandoned run could not be settled yet; trying again");
            tokio::time::sleep(SETTLE_AGAIN).await;
        }
    }

    /// Records how a run ended, and begins again what it lacks.
    async fn settle_as(&self, lease: &Lease, settlement: &Settlement) -> Result<(), catalog::Error> {
        let Some(run) = self.catalog.settle_abandoned(lease, settlement, self.now()).await? else { return Ok(()) };
        self.log(&run.id, RunEvent::Settled { state: run.state }).await;
        self.runs.tell(LiveEvent::State(Box::new(run.clone())));
        if run.state.is_success() {
            return Ok(());
        }
        // In a task of its own: a source that hangs holds up neither the start nor the queue.
        let (app, abandoned) = (self.clone(), run.clone());
        tokio::spawn(async move { app.remove_leftovers(&abandoned).await });
        self.begin_again(&run).await
    }

    /// Queues a scheduled run again, for those databases of which it left no copy.
    ///
    /// # Errors
    /// [`catalog::Error`].
    pub(super) async fn begin_again(&self, run: &Run) -> Result<(), catalog::Error> {
        if !run.cause.is_scheduled() || run.attempt >= MAX_ATTEMPTS || run.job_id.is_none() || run.cancel_requested {
            return Ok(());
        }
        let spec = match (lacking(run.result.as_ref()), run.spec()) {
            (Lacking::Nothing, _) | (_, Err(_)) => return Ok(()),
            (Lacking::Some(databases), _) if self.backs_up_the_same(run).await? => {
                RunSpec::Backup(BackupSpec { databases: Some(databases), plan: None })
            }
            // The names are those of another source, or of another choice.
            (Lacking::Some(_), _) => RunSpec::Backup(BackupSpec::default()),
            (Lacking::Everything, Ok(spec)) => spec,
        };
        let new = NewRun {
            spec,
            job_id: run.job_id.clone(),
            title: run.title.clone(),
            cause: Cause::Retry,
            started_by: None,
            slot: None,
            attempt: run.attempt,
        };
        match self.catalog.queue_retry(&run.id, &new, self.now()).await {
            Ok(None) => Ok(()),
            Ok(Some(again)) => {
                self.log(&again.id, RunEvent::BegunAgain { run_id: run.id.clone() }).await;
                self.runs.changed.notify_one();
                Ok(())
            }
            Err(catalog::Error::AlreadyRunning | catalog::Error::NameTaken | catalog::Error::Referenced) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl App {
    /// Returns whether a run's job backs up the same databases of the same source as when the run started.
    async fn backs_up_the_same(&self, run: &Run) -> Result<bool, catalog::Error> {
        let job = self.catalog.job(run.job_id.as_deref().unwrap_or_default()).await?;
        let plan = self.backup_plan(run).await?;
        Ok(job.zip(plan).is_none_or(|(job, plan)| job.source_id == plan.source.id && job.databases == plan.databases))
    }
}

/// Returns whether a run that ended like this is made up for by another one.
pub(super) fn is_made_up_for(state: RunStatus, result: Option<&RunResult>) -> bool {
    matches!(state, RunStatus::Interrupted | RunStatus::Partial) && lacking(result) != Lacking::Nothing
}

/// The databases of which a run left no copy anywhere.
#[derive(Debug, PartialEq, Eq)]
enum Lacking {
    Nothing,
    Some(Vec<String>),
    Everything,
}

fn lacking(result: Option<&RunResult>) -> Lacking {
    let Some(RunResult::Backup(result)) = result else { return Lacking::Everything };
    let lacking = result.databases.iter().filter(|database| !database.copies.iter().any(CopyResult::is_stored));
    let without: Vec<String> = lacking.map(|database| database.database.clone()).collect();
    match without.len() {
        missing if missing == result.databases.len() => Lacking::Everything,
        0 => Lacking::Nothing,
        _ => Lacking::Some(without),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_what_has_no_copy_is_begun_again() {
        let missing = json!({"destination": "b", "error": "full"});
        let stored = json!({"destination": "a", "path": "p", "size": {"plain": 1, "stored": 1},
            "checksum": {"sha256Plain": "a", "sha256Stored": "b"}});
        let shop = json!({"database": "shop", "copies": [stored, missing]});
        let blog = json!({"database": "blog", "copies": [missing]});
        let of = |databases: Value| lacking(Some(&serde_json::from_value(json!({"databases": databases})).unwrap()));
        assert_eq!(of(json!([shop, blog])), Lacking::Some(vec!["blog".to_owned()]));
        assert_eq!(of(json!([shop])), Lacking::Nothing);
        assert_eq!(of(json!([blog])), Lacking::Everything);
        assert_eq!(lacking(None), Lacking::Everything);
    }
}
