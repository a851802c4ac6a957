//! What happened in a run, per database and destination, is rows.

use catalog::{Aging, Catalog, NewRun, PageRequest, RunEnd, RunFilter};
use domain::outcome::RunStatus;
use domain::run::{BackupResult, BackupSpec, Cause, CopyResult, DatabaseResult, RunProgress, RunResult, RunSpec};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::on_both;
use crate::store::{Store, at, destination, job, source};

on_both!(
    what_happens_is_there_before_the_run_ends,
    a_worker_that_lost_the_run_records_nothing,
    what_happened_goes_with_its_run,
    many_databases_come_back_in_their_order,
);

const LEASE: SignedDuration = SignedDuration::from_secs(3600);

/// A run in progress: its id, its fence, and its job.
async fn running(catalog: &Catalog, seconds: i64) -> (String, i64, String) {
    let jobs = catalog.jobs(&PageRequest { after: None, limit: 1 }).await.unwrap().items;
    let job_id = match jobs.into_iter().next() {
        Some(job) => job.job.id,
        None => {
            let source = catalog.create_source(&source("s", None), at(0)).await.unwrap();
            let destination = catalog.create_destination(&destination("one"), at(0)).await.unwrap();
            catalog.create_job(&job("j", &source.id, &[&destination.id]), at(0)).await.unwrap().id
        }
    };
    let new = NewRun {
        spec: RunSpec::Backup(BackupSpec::default()),
        job_id: Some(job_id.clone()),
        title: "j".to_owned(),
        cause: Cause::Manual,
        started_by: None,
        slot: None,
        attempt: 0,
    };
    catalog.queue_run(&new, at(seconds)).await.unwrap();
    let claim = catalog.claim_run("w1", at(seconds), LEASE).await.unwrap().unwrap();
    (claim.run.id, claim.fence, job_id)
}

fn database(value: Value) -> DatabaseResult {
    serde_json::from_value(value).unwrap()
}

/// A database with a copy at one destination, and none at the other.
fn half(name: &str, path: &str) -> DatabaseResult {
    let stored = json!({"destinationId": "d", "destination": "Disk", "path": path, "size": {"plain": 30, "stored": 20},
        "checksum": {"sha256Plain": "a", "sha256Stored": "b", "dropboxContentHash": "c"}, "verifiedBy": "ownHash",
        "storedAt": "2026-01-15T12:00:03Z"});
    let missing = json!({"destinationId": "e", "destination": "Offsite", "error": "no space is left", "code": "full"});
    database(json!({"database": name, "startedAt": "2026-01-15T12:00:01Z", "finishedAt": "2026-01-15T12:00:04Z",
        "dumpedBytes": 30, "rows": {"rows": 7, "tables": 2}, "copies": [stored, missing],
        "warnings": [{"code": "unlogged-tables", "message": "m", "acknowledged": true}]}))
}

fn backup(databases: Vec<DatabaseResult>) -> RunResult {
    let warnings = serde_json::from_value(json!([{"code": "invalid-database", "message": "left out"}])).unwrap();
    RunResult::Backup(BackupResult { databases, warnings })
}

async fn result_of(catalog: &Catalog, run_id: &str) -> RunResult {
    let shown = catalog.run(run_id).await.unwrap().unwrap().result.unwrap();
    let listed = catalog.runs(&RunFilter::default(), &PageRequest { after: None, limit: 100 }).await.unwrap().items;
    let listed = listed.into_iter().find(|run| run.id == run_id).unwrap().result.unwrap();
    assert_eq!(shown, listed);
    shown
}

async fn what_happens_is_there_before_the_run_ends(store: Store) {
    let catalog = store.open().await;
    let (run_id, fence, _) = running(&catalog, 10).await;
    let dumping =
        database(json!({"database": "shop", "stage": "dumping", "heldSince": "2026-01-15T12:00:01Z", "copies": []}));
    let waiting = database(json!({"database": "blog", "stage": "waiting", "copies": []}));
    let both = [(0, dumping), (1, waiting.clone())];
    assert!(catalog.record_items(&run_id, fence, &backup(Vec::new()), &both).await.unwrap());
    let through = half("shop", "j/one.zst");
    assert!(catalog.record_items(&run_id, fence, &backup(Vec::new()), &[(0, through.clone())]).await.unwrap());
    catalog.close().await.unwrap();
    // The process is gone.
    let catalog = store.open().await;
    assert_eq!(result_of(&catalog, &run_id).await, backup(vec![through.clone(), waiting]));
    let failed = database(
        json!({"database": "blog", "error": "no such database", "code": "notFound", "technicalDetails": "FATAL: 3D000", "copies": []}),
    );
    let result = backup(vec![through, failed]);
    let (state, progress) = (RunStatus::Partial, RunProgress::default());
    let end =
        RunEnd { state, error: None, code: None, technical_details: None, result: Some(result.clone()), progress };
    assert!(catalog.finish_run(&run_id, fence, &end, at(20)).await.unwrap());
    assert_eq!(result_of(&catalog, &run_id).await, result);
    assert!(!catalog.record_items(&run_id, fence, &backup(Vec::new()), &both).await.unwrap(), "it has ended");
    assert_eq!(result_of(&catalog, &run_id).await, result);
    let standing = catalog.jobs(&PageRequest { after: None, limit: 1 }).await.unwrap().items.remove(0).standing;
    assert_eq!((standing.ended_run_id, standing.databases, standing.backed_up), (Some(run_id), Some(2), 0));
}

async fn a_worker_that_lost_the_run_records_nothing(store: Store) {
    let catalog = store.open().await;
    let (run_id, fence, _) = running(&catalog, 10).await;
    let items = [(0, half("shop", "p"))];
    assert!(!catalog.record_items(&run_id, fence - 1, &backup(Vec::new()), &items).await.unwrap());
    assert_eq!(catalog.run(&run_id).await.unwrap().unwrap().result, None);
    assert_eq!(store.sql("SELECT count(*) FROM run_items"), "0");
}

async fn what_happened_goes_with_its_run(store: Store) {
    let catalog = store.open().await;
    for seconds in [10, 20] {
        let (run_id, fence, _) = running(&catalog, seconds).await;
        let result = Some(backup(vec![half("shop", "p")]));
        let end = RunEnd {
            state: RunStatus::Succeeded,
            error: None,
            code: None,
            technical_details: None,
            result,
            progress: RunProgress::default(),
        };
        catalog.finish_run(&run_id, fence, &end, at(seconds + 1)).await.unwrap();
    }
    catalog.remove_older(Aging::Runs, SignedDuration::from_secs(60), at(10_000)).await.unwrap();
    let counts = "SELECT (SELECT count(*) FROM run_items) + (SELECT count(*) FROM run_copies)";
    assert_eq!(store.sql(counts), "3", "only what belongs to the run that stays");
}

async fn many_databases_come_back_in_their_order(store: Store) {
    let catalog = store.open().await;
    let (run_id, fence, _) = running(&catalog, 10).await;
    let databases: Vec<DatabaseResult> = (0..450).map(|number| half(&format!("d{number}"), "p")).collect();
    let result = backup(databases);
    let end = RunEnd {
        state: RunStatus::Partial,
        error: None,
        code: None,
        technical_details: None,
        result: Some(result.clone()),
        progress: RunProgress::default(),
    };
    catalog.finish_run(&run_id, fence, &end, at(20)).await.unwrap();
    let found = result_of(&catalog, &run_id).await;
    assert_eq!(found, result);
    let RunResult::Backup(found) = found else { panic!() };
    assert!(found.databases.iter().all(|database| database.copies.iter().filter(|copy| copy.is_stored()).count() == 1));
    assert!(matches!(found.databases[449].copies[1], CopyResult::Missing(_)));
}
