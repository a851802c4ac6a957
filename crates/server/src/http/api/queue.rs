//! Queues what people ask for, within bounds: a program that asks again and again fills neither the queue nor the disk.

use axum::http::header::LOCATION;
use axum::http::{HeaderName, StatusCode};
use axum::{Extension, Json};
use catalog::{NewRun, PageRequest, Run, RunFilter};
use domain::outcome::RunStatus;
use domain::run::{Cause, RunKind, RunSpec};

use super::super::access::AuditDetail;
use super::super::audit_words::AuditSubject;
use super::super::caller::{Caller, Credential};
use super::super::problem::Problem;
use super::runs::RunInfo;
use crate::app::App;
use crate::runs::live::LiveEvent;

/// Maximum number of restores and copies of one user that wait in the queue. docs/SERVER.md has the same figures.
const MAX_QUEUED_PER_USER: usize = 20;
/// Maximum number of restores and copies that wait in the queue.
const MAX_QUEUED: usize = 100;

/// What is answered with a run that was queued: where it is found, and what it is so far.
pub(super) type Accepted = (StatusCode, [(HeaderName, String); 1], Json<RunInfo>);

/// What the handlers of restores and copies answer with.
pub(super) type Queued = (Extension<AuditDetail>, Extension<AuditSubject>, Accepted);

/// Returns the answer with a run that was queued.
pub(super) fn accepted(run: Run) -> Accepted {
    let location = format!("/api/runs/{}", run.id);
    (StatusCode::ACCEPTED, [(LOCATION, location)], Json(run.into()))
}

/// Queues a restore or a copy, unless too many wait already. Backups need no bound: each job has one run at a time.
pub(super) async fn queue(app: &App, caller: &Caller, title: String, spec: RunSpec) -> Result<Queued, Problem> {
    let new = NewRun {
        spec,
        job_id: None,
        title: title.clone(),
        cause: cause(caller),
        started_by: Some(caller.name()),
        slot: None,
        attempt: 0,
    };
    // Counting and queueing in one go: requests at the same moment see each other. Only those of other servers may not.
    let one_at_a_time = app.runs.queueing.lock().await;
    check(app, &caller.user.id).await?;
    let run = app.catalog.queue_run(&new, app.now()).await?;
    drop(one_at_a_time);
    app.runs.tell(LiveEvent::State(Box::new(run.clone())));
    app.runs.changed.notify_one();
    let subject = AuditSubject { kind: Some("run"), id: run.id.clone(), name: title.clone() };
    Ok((Extension(AuditDetail(title)), Extension(subject), accepted(run)))
}

/// Returns what causes a run that a caller asks for.
pub(super) fn cause(caller: &Caller) -> Cause {
    if let Credential::Token(_) = caller.credential { Cause::Api } else { Cause::Manual }
}

async fn check(app: &App, user_id: &str) -> Result<(), Problem> {
    let (mut all, mut own) = (0, 0);
    for kind in [RunKind::Restore, RunKind::Copy] {
        let filter = RunFilter { states: vec![RunStatus::Queued], kind: Some(kind), ..RunFilter::default() };
        // Further ones change nothing: the queue is full by then.
        let page = PageRequest { after: None, limit: MAX_QUEUED };
        let queued = app.catalog.runs(&filter, &page).await?.items;
        all += queued.len();
        let is_own = |run: &Run| run.spec().is_ok_and(|spec| spec.requested_by() == Some(user_id));
        own += queued.iter().filter(|run| is_own(run)).count();
    }
    if own >= MAX_QUEUED_PER_USER {
        return Err(Problem::too_many_queued(format!(
            "{own} restores and copies of yours are waiting, and {MAX_QUEUED_PER_USER} is the maximum. Wait until some have run, or \
             cancel some."
        )));
    }
    if all >= MAX_QUEUED {
        return Err(Problem::too_many_queued(format!(
            "{all} restores and copies are waiting, and {MAX_QUEUED} is the maximum for all users. Wait until some have run."
        )));
    }
    Ok(())
}
