//! What grows is removed once it is old, in small batches.

use catalog::{
    Aging, AuditFilter, Catalog, HOUSEKEEPING_BATCH, NewAuditEntry, NewLogLine, NewRun, PageRequest, RunEnd, RunFilter,
};
use domain::outcome::RunStatus;
use domain::run::{BackupSpec, Cause, CopySpec, RunEvent, RunProgress, RunSpec};
use jiff::{SignedDuration, Timestamp};

use crate::on_both;
use crate::store::{Store, at, destination, job, source};

on_both!(old_runs_go_but_never_the_last_good_one_of_a_job, old_lines_and_entries_go_a_batch_at_a_time,);

const ALL: PageRequest = PageRequest { after: None, limit: 1000 };
const DAY: i64 = 24 * 3600;

async fn run(catalog: &Catalog, job_id: &str, state: RunStatus, now: Timestamp) -> String {
    let new = NewRun {
        spec: RunSpec::Backup(BackupSpec::default()),
        job_id: Some(job_id.to_owned()),
        title: "j".to_owned(),
        cause: Cause::Manual,
        started_by: None,
        slot: None,
        attempt: 0,
    };
    let run = catalog.queue_run(&new, now).await.unwrap();
    let claim = catalog.claim_run("w", now, SignedDuration::from_secs(60)).await.unwrap().unwrap();
    let end = RunEnd {
        state,
        error: None,
        code: None,
        technical_details: None,
        result: None,
        progress: RunProgress::default(),
    };
    catalog.finish_run(&run.id, claim.fence, &end, now).await.unwrap();
    catalog.add_log_line(&run.id, NewLogLine { event: &RunEvent::NotEncrypted, message: "m" }, now).await.unwrap();
    run.id
}

async fn old_runs_go_but_never_the_last_good_one_of_a_job(store: Store) {
    let catalog = store.open().await;
    let source = catalog.create_source(&source("s", None), at(0)).await.unwrap();
    let destination = catalog.create_destination(&destination("d"), at(0)).await.unwrap();
    let job = catalog.create_job(&job("j", &source.id, &[&destination.id]), at(0)).await.unwrap().id;
    run(&catalog, &job, RunStatus::Succeeded, at(0)).await;
    let good = run(&catalog, &job, RunStatus::SucceededWithWarnings, at(1)).await;
    run(&catalog, &job, RunStatus::Failed, at(2)).await;
    let failed = run(&catalog, &job, RunStatus::Failed, at(3)).await;
    run(&catalog, &job, RunStatus::Cancelled, at(4)).await;
    let young = run(&catalog, &job, RunStatus::Cancelled, at(10 * DAY)).await;
    let age = SignedDuration::from_secs(5 * DAY);
    assert!(!catalog.remove_older(Aging::Runs, age, at(11 * DAY)).await.unwrap());
    let left: Vec<_> =
        catalog.runs(&RunFilter::default(), &ALL).await.unwrap().items.into_iter().map(|run| run.id).collect();
    assert_eq!(left, [young, failed, good.clone()]);
    let standing = catalog.job_entry(&job).await.unwrap().unwrap().standing;
    assert_eq!(standing.good_run_id, Some(good.clone()));
    assert_eq!(store.sql("SELECT count(*) FROM run_log"), "3", "their logs went with them");
    // One that has not ended stays, however old it is.
    let queued = NewRun {
        spec: RunSpec::Backup(BackupSpec::default()),
        job_id: Some(job.clone()),
        title: "j".to_owned(),
        cause: Cause::Manual,
        started_by: None,
        slot: None,
        attempt: 0,
    };
    let queued = catalog.queue_run(&queued, at(12 * DAY)).await.unwrap().id;
    catalog.remove_older(Aging::Runs, age, at(100 * DAY)).await.unwrap();
    assert!(catalog.run(&queued).await.unwrap().is_some());
    // A deleted job has no last good run.
    catalog.cancel_run(&queued, at(12 * DAY)).await.unwrap();
    catalog.delete_job(&job, 1).await.unwrap();
    catalog.remove_older(Aging::Runs, age, at(100 * DAY)).await.unwrap();
    assert!(catalog.runs(&RunFilter::default(), &ALL).await.unwrap().items.is_empty());
}

async fn old_lines_and_entries_go_a_batch_at_a_time(store: Store) {
    let catalog = store.open().await;
    let entry = NewAuditEntry { actor: "a", action: "x", ..NewAuditEntry::default() };
    for _ in 0..=HOUSEKEEPING_BATCH {
        catalog.add_audit_entry(&entry, at(0)).await.unwrap();
    }
    catalog.add_audit_entry(&entry, at(2 * DAY)).await.unwrap();
    let age = SignedDuration::from_secs(DAY);
    assert!(catalog.remove_older(Aging::Audit, age, at(2 * DAY)).await.unwrap());
    assert_eq!(catalog.audit_entries(&AuditFilter::default(), &ALL).await.unwrap().items.len(), 2);
    assert!(!catalog.remove_older(Aging::Audit, age, at(2 * DAY)).await.unwrap());
    assert_eq!(catalog.audit_entries(&AuditFilter::default(), &ALL).await.unwrap().items.len(), 1);

    let new = NewRun {
        spec: RunSpec::Copy(CopySpec {
            destination_id: "d".to_owned(),
            path: "p".to_owned(),
            to_destination_id: "e".to_owned(),
            requested_by: None,
            plan: None,
        }),
        job_id: None,
        title: "c".to_owned(),
        cause: Cause::Manual,
        started_by: None,
        slot: None,
        attempt: 0,
    };
    let run = catalog.queue_run(&new, at(0)).await.unwrap();
    for time in [0, 1, 2 * DAY] {
        catalog
            .add_log_line(&run.id, NewLogLine { event: &RunEvent::NotEncrypted, message: "m" }, at(time))
            .await
            .unwrap();
    }
    assert!(!catalog.remove_older(Aging::RunLogs, age, at(2 * DAY)).await.unwrap());
    let numbers: Vec<_> = catalog.log_lines(&run.id, 0, 10).await.unwrap().iter().map(|line| line.number).collect();
    assert_eq!(numbers, [3], "and the numbers go on");
    assert!(!catalog.remove_older(Aging::DeletedCopies, age, at(2 * DAY)).await.unwrap());
}
