//! A disk that is full for a while: told in words, and well again by itself.

use catalog::{Catalog, Error, KeyFile, KeySource, Lease, Location, NewLogLine, NewRun};
use domain::outcome::RunStatus;
use domain::run::{BackupSpec, Cause, RunEvent, RunProgress, RunSpec};
use futures_util::future::join_all;
use jiff::SignedDuration;
use test_support::Mount;

use crate::store::{at, destination, job, source};

/// Every kind of write, as often as there are connections and more.
async fn write_everything(catalog: &Catalog, job_id: &str, run: (&str, i64)) -> Vec<Result<(), Error>> {
    let new = NewRun {
        spec: RunSpec::Backup(BackupSpec::default()),
        job_id: Some(job_id.to_owned()),
        title: "j".to_owned(),
        cause: Cause::Schedule,
        started_by: None,
        slot: None,
        attempt: 0,
    };
    let message = "x".repeat(2000);
    let line = NewLogLine { event: &RunEvent::NotEncrypted, message: &message };
    let lease = SignedDuration::from_secs(30);
    let mut results = Vec::new();
    for _ in 0..4 {
        let (new, run_id) = (&new, run.0);
        let source = source("other", Some("x"));
        let written = tokio::join!(
            join_all((0..8).map(|_| async { catalog.add_log_line(run_id, line, at(1)).await.map(drop) })),
            async { catalog.renew_run(run_id, run.1, lease, &RunProgress::default()).await.map(drop) },
            async {
                let abandoned = Lease { run_id: run_id.to_owned(), fence: run.1, until: None };
                catalog.interrupt_abandoned(&abandoned, at(1)).await.map(drop)
            },
            async { catalog.claim_run("w1", at(1), lease).await.map(drop) },
            async { catalog.fire_slot(job_id, "j", at(60), Some(at(60)), at(61)).await.map(drop) },
            async { catalog.acknowledge_warning(job_id, &message).await.map(drop) },
            async { catalog.create_source(&source, at(2)).await.map(drop) },
            async { catalog.queue_run(new, at(3)).await.map(drop) },
            async { catalog.check_writable().await },
        );
        results.extend(written.0);
        results.extend([written.1, written.2, written.3, written.4, written.5, written.6, written.7, written.8]);
    }
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_leaves_nothing_locked() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Mount::tmpfs(folder.path(), "6m") else { return };
    let location = Location::Sqlite(folder.path().join("dbackup.db"));
    let catalog = Catalog::open(&location, &KeySource::File(KeyFile::new(folder.path()))).await.unwrap();
    let source = catalog.create_source(&source("s", None), at(0)).await.unwrap();
    let one = catalog.create_destination(&destination("one"), at(0)).await.unwrap();
    let job = catalog.create_job(&job("j", &source.id, &[&one.id]), at(0)).await.unwrap();
    catalog.fire_slot(&job.id, "j", at(60), Some(at(60)), at(61)).await.unwrap();
    let claim = catalog.claim_run("w1", at(61), SignedDuration::from_secs(30)).await.unwrap().unwrap();
    for round in 0..3 {
        disk.fill();
        let failed = write_everything(&catalog, &job.id, (&claim.run.id, claim.fence)).await;
        let full = failed.iter().filter(|result| matches!(result, Err(Error::DiskFull))).count();
        assert!(full > 10, "round {round}: {failed:?}");
        assert!(
            !failed.iter().any(|result| matches!(result, Err(Error::Database(_) | Error::Unreachable(_)))),
            "round {round}: {failed:?}"
        );
        assert!(Error::DiskFull.to_string().contains("disk is full"));
        // Reading goes on.
        assert_eq!(catalog.run(&claim.run.id).await.unwrap().unwrap().state, RunStatus::Running);
        disk.free();
        let good = write_everything(&catalog, &job.id, (&claim.run.id, claim.fence)).await;
        let bad: Vec<_> = good
            .iter()
            .filter(|result| matches!(result, Err(Error::DiskFull | Error::Database(_) | Error::Unreachable(_))))
            .collect();
        assert!(bad.is_empty(), "round {round}: {bad:?}");
    }
    catalog.close().await.unwrap();
}
