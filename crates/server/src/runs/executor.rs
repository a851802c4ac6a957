//! Works off the queue, a few runs at a time, each under a lease that it renews.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Claim, NewRun, Run, RunEnd};
use domain::outcome::RunStatus;
use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::live::LiveEvent;
use super::log::Level;
use super::{Active, StopReason};
use crate::app::App;
use crate::redaction::{redact, redacted};

/// Whoever does not renew for so long has lost the run.
const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// How often a lease is renewed, and somebody else's wish to cancel is seen.
const RENEW: Duration = Duration::from_secs(1);
/// How often the queue is looked at without being told.
const LOOK: Duration = Duration::from_secs(1);
/// A scheduled run that was interrupted is begun again, so often in all.
const MOST_ATTEMPTS: i64 = 3;
/// What was stopped gets so long to clean up.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) state: RunStatus,
    pub(crate) error: Option<String>,
    pub(crate) result: Option<Value>,
    /// Whether it changed something for good, which a stop that came too late does not undo.
    pub(crate) committed: bool,
}

impl Outcome {
    pub(crate) fn failed(error: impl std::fmt::Display) -> Self {
        Self { state: RunStatus::Failed, error: Some(error.to_string()), result: None, committed: false }
    }
}

/// A state as the last line of a log says it.
fn in_words(state: RunStatus) -> &'static str {
    match state {
        RunStatus::SucceededWithWarnings => "succeeded with warnings",
        state => state.as_str(),
    }
}

impl App {
    /// Settles what an earlier process left: says that it was interrupted, and begins scheduled ones again. `every`: no other
    /// process can be working on this database.
    pub(crate) async fn settle_abandoned(&self, every: bool) -> Result<(), catalog::Error> {
        for run in self.catalog.interrupt_abandoned(self.now(), every).await? {
            let words = "interrupted: the server stopped in the middle of this run. What it had not finished does not count as a backup";
            self.log(&run.id, Level::Error, words).await;
            self.remove_leftovers(&run).await;
            self.runs.tell(LiveEvent::State(Box::new(run.clone())));
            self.begin_again(&run).await?;
        }
        Ok(())
    }

    async fn begin_again(&self, run: &Run) -> Result<(), catalog::Error> {
        let scheduled = matches!(run.cause.as_str(), "schedule" | "retry");
        if !scheduled || run.attempt >= MOST_ATTEMPTS || run.job_id.is_none() {
            return Ok(());
        }
        let new = NewRun {
            kind: "backup",
            job_id: run.job_id.clone(),
            title: run.title.clone(),
            request: None,
            cause: "retry",
            slot: None,
            attempt: run.attempt,
        };
        match self.catalog.queue_run(&new, self.now()).await {
            Ok(again) => {
                let words = format!("begun again, because run {} was interrupted", run.id);
                self.log(&again.id, Level::Info, &words).await;
                Ok(())
            }
            Err(catalog::Error::AlreadyRunning | catalog::Error::NameTaken | catalog::Error::Referenced) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Works until the server stops, then gives running ones their time of grace.
    pub(crate) async fn work(self) {
        let turns = Arc::new(Semaphore::new(self.config.max_runs));
        let mut running = JoinSet::new();
        loop {
            while let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
                match self.claim().await {
                    Some(claim) => {
                        let app = self.clone();
                        running.spawn(async move {
                            app.execute(claim).await;
                            drop(turn);
                        });
                    }
                    None => break,
                }
            }
            tokio::select! {
                () = self.runs.draining.cancelled() => break,
                () = self.runs.changed.notified() => {}
                Some(_) = running.join_next() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Err(error) = self.settle_abandoned(false).await {
                tracing::error!(%error, "abandoned runs could not be looked for");
            }
        }
        self.drain(running).await;
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
        let now = self.now();
        match self.catalog.claim_run(&self.runs.worker, now, now + LEASE).await {
            Ok(claim) => claim,
            Err(error) => {
                tracing::error!(%error, "the queue could not be looked at");
                None
            }
        }
    }

    async fn execute(&self, claim: Claim) {
        let Claim { run, fence } = claim;
        let active = self.runs.begin(&run.id);
        let begun = tokio::time::Instant::now();
        self.metrics.running.inc();
        self.runs.tell(LiveEvent::State(Box::new(run.clone())));
        let outcome = tokio::select! {
            outcome = self.carry_out(&run, &active) => outcome,
            never = self.hold(&run.id, fence, &active) => match never {},
        };
        self.finish(&run, fence, &active, outcome, begun.elapsed()).await;
        self.metrics.running.dec();
        self.runs.end(&run.id);
        self.runs.changed.notify_one();
    }

    async fn carry_out(&self, run: &Run, active: &Active) -> Outcome {
        // In a task of its own, so that a panic is this run's failure and nobody else's.
        let (app, run, active) = (self.clone(), run.clone(), active.clone());
        let working = tokio::spawn(async move {
            match run.kind.as_str() {
                "restore" => app.restore(&run, &active).await,
                "copy" => app.copy(&run, &active).await,
                _ => app.back_up(&run, &active).await,
            }
        });
        working.await.unwrap_or_else(|error| Outcome::failed(format!("internal error: {error}")))
    }

    /// Renews the lease, tells the progress, and stops the run when it is lost or somebody wants that.
    async fn hold(&self, id: &str, fence: i64, active: &Active) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(RENEW).await;
            let (bytes, result) = (bytes(active), active.stages.news());
            let renewed = self.catalog.renew_run(id, fence, self.now() + LEASE, bytes, result.as_ref()).await;
            let bytes = bytes.map(i64::unsigned_abs);
            self.runs.tell(LiveEvent::Progress { run_id: id.to_owned(), bytes, result });
            match renewed {
                Ok(Some(false)) => {}
                Ok(Some(true)) => active.stop(StopReason::Cancelled),
                Ok(None) => active.stop(StopReason::Lost),
                // The lease outlasts a short outage; whoever takes the run over raises the fence.
                Err(error) => tracing::error!(%error, run_id = id, "the lease could not be renewed"),
            }
        }
    }

    async fn finish(&self, run: &Run, fence: i64, active: &Active, outcome: Outcome, took: Duration) {
        let outcome = outcome.after_stop(active.stopped_for());
        let Outcome { state, error, result, .. } = outcome;
        let error = error.map(|error| redact(&error));
        let result = result.map(redacted);
        match &error {
            Some(error) => self.log(&run.id, Level::Error, &format!("{}: {error}", in_words(state))).await,
            None => self.log(&run.id, Level::Info, in_words(state)).await,
        }
        let bytes = bytes(active);
        let end = RunEnd { state, error, result, bytes };
        match self.catalog.finish_run(&run.id, fence, &end, self.now()).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(run_id = run.id, "the run was taken over by somebody else"),
            Err(error) => tracing::error!(%error, run_id = run.id, "the run's end could not be stored"),
        }
        let stored = if state.is_success() { bytes[1].unsigned_abs() } else { 0 };
        self.metrics.count_run(&run.kind, state, took.as_secs_f64(), stored);
        if state.is_success() && run.kind == "backup" {
            self.metrics.note_success(&run.title, self.now().as_second());
        }
        if let Ok(Some(run)) = self.catalog.run(&run.id).await {
            self.runs.tell(LiveEvent::State(Box::new(run.clone())));
            if state == RunStatus::Interrupted
                && let Err(error) = self.begin_again(&run).await
            {
                tracing::error!(%error, "the interrupted run could not be queued again");
            }
        }
    }
}

impl Outcome {
    /// What a run that was stopped came to. One that succeeded, or changed something for good, before it heard of that stays so.
    fn after_stop(self, reason: Option<StopReason>) -> Self {
        let Some(reason) = reason.filter(|_| !self.state.is_success() && !self.committed) else { return self };
        let (state, error) = match reason {
            StopReason::Cancelled => {
                (RunStatus::Cancelled, "cancelled; what was not finished has left nothing behind".to_owned())
            }
            StopReason::TimedOut => {
                (RunStatus::Failed, "it took longer than the job's timeout and was stopped".to_owned())
            }
            StopReason::ShuttingDown => {
                (RunStatus::Interrupted, "the server was stopped before the run had ended".to_owned())
            }
            StopReason::Lost => (RunStatus::Interrupted, "another server has taken this run over".to_owned()),
        };
        Self { state, error: Some(error), result: self.result, committed: false }
    }
}

fn bytes(active: &Active) -> [i64; 3] {
    let snapshot = active.progress.snapshot();
    [snapshot.dumped, snapshot.stored, snapshot.sent].map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}
