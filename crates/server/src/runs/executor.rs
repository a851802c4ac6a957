//! Works off the queue, a few runs at a time, each under a lease that it renews.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Claim, Run, RunEnd};
use domain::outcome::RunStatus;
use domain::run::{CopyResult, FailureCode, RunEvent, RunKind, RunProgress, RunResult, RunSpec};
use jiff::SignedDuration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::abandoned::is_made_up_for;
use super::live::LiveEvent;
use super::unrecorded::Unrecorded;
use super::watch::Watch;
use super::{Active, StopReason};
use crate::app::App;
use crate::failure::Failure;
use crate::loops::Loop;
use crate::redaction::redact;

/// Whoever does not renew for so long can lose the run to another server.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often an end is tried to be stored.
const STORE_AGAIN: Duration = Duration::from_secs(1);
/// Maximum time for storing an end once. Shorter than [`CLEAN_UP`], so that a file keeps the end where the
/// metadata database hangs.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time that an attempt to store the end of a run may take.
const MAX_STORE_TIMEOUT: Duration = Duration::from_secs(120);
/// How often a lease is renewed, and somebody else's wish to cancel is seen.
const RENEW: Duration = Duration::from_secs(1);
/// How often the queue is looked at without being told.
const LOOK: Duration = Duration::from_secs(1);
/// Maximum time that a stopped run takes to clean up.
pub(crate) const CLEAN_UP: Duration = Duration::from_secs(10);

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) state: RunStatus,
    pub(crate) error: Option<String>,
    pub(crate) code: Option<FailureCode>,
    /// What a tool, a server or a storage said, word for word.
    pub(crate) technical_details: Option<String>,
    pub(crate) result: Option<RunResult>,
    /// Whether it changed something for good, which a stop that came too late does not undo.
    pub(crate) committed: bool,
}

impl Outcome {
    pub(crate) fn failed(code: FailureCode, error: impl std::fmt::Display) -> Self {
        let (error, code) = (Some(error.to_string()), Some(code));
        Self { state: RunStatus::Failed, error, code, technical_details: None, result: None, committed: false }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        let technical_details = failure.technical_details().map(str::to_owned);
        Self { technical_details, ..Self::failed(failure.code(), failure) }
    }
}

impl App {
    /// Works until the server stops, then gives running ones their time of grace.
    pub(crate) async fn work(self) {
        let turns = Arc::new(Semaphore::new(self.config.max_runs));
        let mut running = JoinSet::new();
        // A claim that has begun is waited for: given up half-way, its run would be called interrupted at the next start.
        let overdue = async {
            self.runs.draining.cancelled().await;
            tokio::time::sleep(STORE_TIMEOUT).await;
        };
        tokio::select! {
            () = self.work_off(&turns, &mut running) => {}
            () = overdue => tracing::error!("the metadata database does not answer: the queue is left as it is"),
        }
        self.drain(running).await;
    }

    /// Claims runs, and settles what other servers left, until the server stops.
    async fn work_off(&self, turns: &Arc<Semaphore>, running: &mut JoinSet<()>) {
        let mut watch = Watch::default();
        loop {
            while let Ok(turn) = Arc::clone(turns).try_acquire_owned() {
                let Some(claim) = self.claim().await else { break };
                let app = self.clone();
                running.spawn(async move {
                    app.execute(claim).await;
                    drop(turn);
                });
            }
            tokio::select! {
                () = self.runs.draining.cancelled() => return,
                () = self.runs.changed.notified() => {}
                Some(_) = running.join_next() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            self.loops.passed(Loop::Worker);
            if let Err(error) = self.settle_others(&mut watch).await {
                tracing::error!(%error, "abandoned runs could not be looked for");
            }
        }
    }

    async fn drain(&self, mut running: JoinSet<()>) {
        let ended = async { while running.join_next().await.is_some() {} };
        tokio::pin!(ended);
        if tokio::time::timeout(self.config.grace, &mut ended).await.is_ok() {
            return;
        }
        self.runs.all_active().iter().for_each(|active| active.stop(StopReason::ShuttingDown));
        if tokio::time::timeout(CLEAN_UP, ended).await.is_err() {
            tracing::error!("runs did not stop in time; they are marked at the next start");
        }
    }

    async fn claim(&self) -> Option<Claim> {
        if self.runs.draining.is_cancelled() {
            return None;
        }
        match self.catalog.claim_run(&self.runs.worker, self.now(), self.lease()).await {
            Ok(claim) => claim,
            Err(error) => {
                tracing::error!(%error, "the queue could not be looked at");
                None
            }
        }
    }

    fn lease(&self) -> SignedDuration {
        SignedDuration::try_from(self.config.lease).unwrap_or(SignedDuration::MAX)
    }

    async fn execute(&self, claim: Claim) {
        let Claim { run, fence } = claim;
        // The job's name, or which backup goes where.
        crate::redaction::make_public(&run.title);
        let active = self.runs.begin(&run.id, fence);
        let begun = Instant::now();
        self.metrics.running.inc();
        self.runs.tell(LiveEvent::State(Box::new(run.clone())));
        // A ping that is missing is no reason not to run.
        if let Err(error) = self.catalog.note_run_started(&run.id, self.now()).await {
            tracing::warn!(%error, run_id = run.id, "the start of the run could not be noted for notifications");
        }
        let outcome = tokio::select! {
            outcome = self.carry_out(&run, &active) => outcome,
            never = self.hold(&run.id, fence, &active) => match never {},
        };
        self.finish(&run, fence, &active, outcome, begun.elapsed()).await;
        self.metrics.running.dec();
        self.runs.end(&run.id);
        self.runs.changed.notify_one();
        self.notifications.changed.notify_one();
    }

    async fn carry_out(&self, run: &Run, active: &Active) -> Outcome {
        // In a task of its own, so that a panic is this run's failure and nobody else's.
        let (app, run, active) = (self.clone(), run.clone(), active.clone());
        let working = tokio::spawn(async move {
            match app.complete_spec(&run).await {
                Ok(RunSpec::Backup(spec)) => Box::pin(app.back_up(&run, &active, spec)).await,
                Ok(RunSpec::Restore(spec)) => Box::pin(app.restore(&run, &active, spec)).await,
                Ok(RunSpec::PutInPlace(spec)) => Box::pin(app.put_in_place(&run, &active, spec)).await,
                Ok(RunSpec::Copy(spec)) => Box::pin(app.copy(&run, &active, spec)).await,
                Err(failure) => failure.into(),
            }
        });
        let broken = |error| Outcome::failed(FailureCode::Internal, format!("internal error: {error}"));
        working.await.unwrap_or_else(broken)
    }

    /// Renews the lease, tells the progress, and stops the run when it is lost or somebody wants that.
    async fn hold(&self, id: &str, fence: i64, active: &Active) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(RENEW).await;
            let (progress, result) = (progress(active), active.stages.news());
            let renewed = self.catalog.renew_run(id, fence, self.lease(), &progress).await;
            let result = result.map(Box::new);
            self.runs.tell(LiveEvent::Progress { run_id: id.to_owned(), progress, result });
            match renewed {
                Ok(Some(false)) => {
                    self.store_items(id, active).await;
                    self.store_log(id, active).await;
                }
                Ok(Some(true)) => active.stop(StopReason::Cancelled),
                Ok(None) => active.stop(StopReason::Lost),
                // Whoever takes the run over raises the fence, which is asked before anything is published.
                Err(error) => tracing::error!(%error, run_id = id, "the lease could not be renewed"),
            }
        }
    }

    async fn finish(&self, run: &Run, fence: i64, active: &Active, outcome: Outcome, took: Duration) {
        let outcome = outcome.after_stop(active.stopped_for());
        let Outcome { state, error, code, technical_details, result, .. } = outcome;
        let error = error.map(|error| redact(&error));
        let technical_details = technical_details.map(|details| redact(&details));
        let result = result.map(|result| result.with_words(&redact));
        let ended = RunEvent::Ended { state, error: error.clone(), code, technical_details: technical_details.clone() };
        self.log(&run.id, ended).await;
        let progress = progress(active);
        let stored = if state.is_success() { progress.stored_bytes } else { 0 };
        if result.is_none() {
            // What was recorded last stays: all of it.
            self.store_items(&run.id, active).await;
        }
        let end = RunEnd { state, error, code, technical_details, result, progress };
        if !self.store_end(&Unrecorded { run_id: run.id.clone(), fence, end, at: self.now() }).await {
            tracing::warn!(run_id = run.id, "the run was taken over by somebody else");
        }
        self.store_log(&run.id, active).await;
        self.metrics.count_run(run.kind, state, took.as_secs_f64(), stored);
        if let (RunKind::Backup, Some(job_id)) = (run.kind, &run.job_id)
            && (state.is_success() || state == RunStatus::Partial)
        {
            self.retain_after_backup(job_id).await;
        }
        if let Ok(Some(run)) = self.catalog.run(&run.id).await {
            self.runs.tell(LiveEvent::State(Box::new(run.clone())));
            // A server that took a run over begins it again.
            if matches!(state, RunStatus::Interrupted | RunStatus::Partial)
                && active.stopped_for() == Some(StopReason::ShuttingDown)
                && let Err(error) = self.begin_again(&run).await
            {
                tracing::error!(%error, "the interrupted run could not be queued again");
            }
        }
    }
}

impl App {
    /// Stores how a run ended, however long the database is away. False if the run was taken over. Meanwhile a file keeps it for the
    /// next start.
    async fn store_end(&self, ended: &Unrecorded) -> bool {
        let data = &self.config.data;
        let mut is_kept = false;
        let mut limit = STORE_TIMEOUT;
        loop {
            let stored = self.store_late(ended);
            let stored = tokio::time::timeout(limit, stored).await;
            // A long result can take longer to write than an answer usually takes.
            limit = (limit * 2).min(MAX_STORE_TIMEOUT);
            match stored
                .map_err(|_| "the metadata database does not answer".to_owned())
                .and_then(|stored| stored.map_err(|error| error.to_string()))
            {
                Ok(is_ours) => {
                    if is_kept {
                        ended.forget(data).await;
                    }
                    return is_ours;
                }
                Err(error) if is_kept => tracing::debug!(%error, run_id = ended.run_id, "its end is not stored yet"),
                Err(error) => {
                    tracing::error!(%error, run_id = ended.run_id, "the run's end could not be stored yet; trying again");
                    match ended.keep(data).await {
                        Ok(()) => is_kept = true,
                        Err(error) => tracing::error!(%error, run_id = ended.run_id, "nor could a file keep it"),
                    }
                }
            }
            tokio::time::sleep(STORE_AGAIN).await;
        }
    }

    async fn store_late(&self, ended: &Unrecorded) -> Result<bool, catalog::Error> {
        let Unrecorded { run_id, fence, end, at } = ended;
        self.catalog.finish_late(run_id, *fence, end, !is_made_up_for(end.state, end.result.as_ref()), *at).await
    }

    /// Stores the ends that an earlier process of this server could not.
    pub(crate) async fn recover_ends(&self) -> Result<(), catalog::Error> {
        for ended in Unrecorded::all(&self.config.data).await {
            if self.store_late(&ended).await? {
                tracing::info!(run_id = ended.run_id, "the end of a run is stored that could not be stored before");
            }
            ended.forget(&self.config.data).await;
        }
        Ok(())
    }
}

impl Outcome {
    /// What a run that was stopped came to. One that succeeded, or changed something for good, before it heard of that stays so.
    fn after_stop(self, reason: Option<StopReason>) -> Self {
        let Some(reason) = reason.filter(|_| !self.state.is_success() && !self.committed) else { return self };
        // What is at its destinations counts, whatever stopped the rest.
        let unfinished = if self.state == RunStatus::Partial { RunStatus::Partial } else { RunStatus::Interrupted };
        let (state, code, error) = match reason {
            StopReason::Cancelled => match self.unsettled() {
                Some(error) => (RunStatus::Cancelled, FailureCode::OutcomeUnknown, error),
                None => (RunStatus::Cancelled, FailureCode::Cancelled, "cancelled; no partial files were left behind"),
            },
            StopReason::TimedOut => {
                (RunStatus::Failed, FailureCode::TimedOut, "it took longer than the job's timeout and was stopped")
            }
            StopReason::ShuttingDown => {
                (unfinished, FailureCode::Interrupted, "the server was stopped before the run had ended")
            }
            StopReason::Lost => (unfinished, FailureCode::Interrupted, "another server has taken this run over"),
        };
        let (error, code) = (Some(error.to_owned()), Some(code));
        Self { state, error, code, technical_details: None, result: self.result, committed: false }
    }

    /// Returns why it is not known whether something was published: a destination that had not answered may still carry it out.
    fn unsettled(&self) -> Option<&str> {
        if self.code == Some(FailureCode::OutcomeUnknown) {
            return self.error.as_deref();
        }
        let Some(RunResult::Backup(result)) = &self.result else { return None };
        result.databases.iter().flat_map(|database| &database.copies).find_map(|copy| match copy {
            CopyResult::Missing(missing) if missing.code == Some(FailureCode::OutcomeUnknown) => Some(&*missing.error),
            _ => None,
        })
    }
}

fn progress(active: &Active) -> RunProgress {
    active.progress.snapshot().with_words(&redact)
}

#[cfg(test)]
mod tests {
    use domain::run::{BackupResult, DatabaseResult, MissingCopy};

    use super::*;

    fn ended(code: FailureCode, error: &str) -> Outcome {
        let missing = MissingCopy {
            destination_id: "d".to_owned(),
            destination: "Offsite".to_owned(),
            error: error.to_owned(),
            code: Some(code),
            technical_details: None,
        };
        let database = DatabaseResult { copies: vec![CopyResult::Missing(missing)], ..DatabaseResult::default() };
        let result = BackupResult { databases: vec![database], ..BackupResult::default() };
        Outcome {
            result: Some(RunResult::Backup(result)),
            ..Outcome::failed(FailureCode::Failed, "another one failed first")
        }
    }

    #[test]
    fn a_cancelled_run_says_that_a_copy_may_still_appear() {
        let open = "cancelled. Dropbox did not answer whether /shop was stored, and it may still appear there";
        let after = ended(FailureCode::OutcomeUnknown, open).after_stop(Some(StopReason::Cancelled));
        assert_eq!((after.state, after.code), (RunStatus::Cancelled, Some(FailureCode::OutcomeUnknown)));
        assert_eq!(after.error.as_deref(), Some(open));

        let after = ended(FailureCode::Stopped, "nothing was published").after_stop(Some(StopReason::Cancelled));
        assert_eq!((after.state, after.code), (RunStatus::Cancelled, Some(FailureCode::Cancelled)));
    }
}
