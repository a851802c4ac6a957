//! Jobs, slots, runs: each once, and only by whoever holds it.

use catalog::{Catalog, Error, NewLogLine, NewRun, PageRequest, RunEnd, RunFilter};
use domain::outcome::RunStatus;
use domain::run::{
    BackupResult, BackupSpec, Cause, DestinationProgress, DestinationState, RunEvent, RunKind, RunProgress, RunResult,
    RunSpec,
};
use futures_util::future::join_all;
use jiff::SignedDuration;

use crate::on_both;
use crate::store::{Store, all_pages, at, destination, job, source};

const LEASE: SignedDuration = SignedDuration::from_secs(3600);

on_both!(
    jobs_come_back_as_they_were_made,
    a_slot_fires_once_and_passes_while_a_run_is_going_on,
    a_run_belongs_to_one_worker_and_is_lost_with_its_lease,
    a_late_end_withdraws_the_retry_or_prevents_it,
    lines_are_numbered_without_gaps,
    lines_that_come_at_once_are_all_kept,
    a_line_is_data_and_words_and_one_of_an_unknown_kind_still_has_its_words,
    a_run_with_warnings_is_the_jobs_last_good_one,
    runs_keep_their_order_after_a_clock_that_was_ahead,
    an_acknowledged_warning_is_kept_once_and_survives_other_changes,
);

async fn with_job(store: &Store) -> (Catalog, String) {
    let catalog = store.open().await;
    let source = catalog.create_source(&source("s", None), at(0)).await.unwrap();
    let one = catalog.create_destination(&destination("one"), at(0)).await.unwrap();
    let two = catalog.create_destination(&destination("two"), at(0)).await.unwrap();
    let job = catalog.create_job(&job("j", &source.id, &[&two.id, &one.id]), at(0)).await.unwrap();
    (catalog, job.id)
}

fn by_hand(job_id: &str) -> NewRun {
    NewRun {
        spec: RunSpec::Backup(BackupSpec::default()),
        job_id: Some(job_id.to_owned()),
        title: "j".to_owned(),
        cause: Cause::Manual,
        started_by: None,
        slot: None,
        attempt: 0,
    }
}

fn progress(dumped_bytes: u64) -> RunProgress {
    let destination = DestinationProgress {
        id: "d".to_owned(),
        name: "Offsite".to_owned(),
        acknowledged_bytes: 3,
        state: DestinationState::Failed,
        error: Some("full".to_owned()),
    };
    RunProgress { dumped_bytes, stored_bytes: 2, sent_bytes: 3, destinations: vec![destination] }
}

fn end(state: RunStatus) -> RunEnd {
    RunEnd {
        state,
        error: None,
        code: None,
        technical_details: None,
        result: Some(RunResult::Backup(BackupResult::default())),
        progress: progress(u64::MAX),
    }
}

async fn jobs_come_back_as_they_were_made(store: Store) {
    let (catalog, id) = with_job(&store).await;
    let made = catalog.job(&id).await.unwrap().unwrap();
    let (one, two) = (
        store.sql("SELECT id FROM destinations WHERE name = 'one'"),
        store.sql("SELECT id FROM destinations WHERE name = 'two'"),
    );
    assert_eq!(made.destination_ids, [two.clone(), one]);
    assert_eq!(made.databases.as_deref(), Some(&["a b".to_owned(), "ü😀".to_owned()][..]));
    assert_eq!(
        (made.compression.to_string().as_str(), made.enabled, made.next_run_at),
        ("zstd:5", true, Some(at(60).into()))
    );
    let mut change = job("renamed", &made.source_id, &[&two]);
    (change.enabled, change.next_run_at, change.databases) = (false, None, None);
    let changed = catalog.update_job(&id, made.revision, &change, at(1)).await.unwrap().unwrap();
    assert_eq!((changed.name.as_str(), changed.destination_ids.len(), changed.enabled), ("renamed", 1, false));
    for new in [job("x", "nothing", &[&two]), job("x", &made.source_id, &["nothing"])] {
        let refused = catalog.create_job(&new, at(0)).await;
        assert!(matches!(refused, Err(Error::Referenced)), "{refused:?}");
    }
    let run = catalog.queue_run(&by_hand(&id), at(5)).await.unwrap();
    assert_eq!(catalog.job_entry(&id).await.unwrap().unwrap().last_run.unwrap().id, run.id);
    for name in ["b", "A", "c"] {
        catalog.create_job(&job(name, &made.source_id, &[&two]), at(0)).await.unwrap();
    }
    let names = all_pages(async |page| catalog.jobs(&page).await, |job| job.job.name.clone()).await;
    assert_eq!(names, ["A", "b", "c", "renamed"]);
    assert!(catalog.delete_job(&id, changed.revision).await.unwrap());
    let kept = catalog.run(&run.id).await.unwrap().unwrap();
    assert_eq!((kept.job_id, kept.title.as_str()), (None, "j"));
}

async fn a_slot_fires_once_and_passes_while_a_run_is_going_on(store: Store) {
    let (catalog, id) = with_job(&store).await;
    assert_eq!(catalog.next_slot().await.unwrap(), Some(at(60)));
    assert!(catalog.due_jobs(at(59), 10).await.unwrap().is_empty());
    assert_eq!(catalog.due_jobs(at(60), 10).await.unwrap()[0].id, id);
    let (one, other) = tokio::join!(
        catalog.fire_slot(&id, "j", at(60), Some(at(120)), at(61)),
        catalog.fire_slot(&id, "j", at(60), Some(at(120)), at(61))
    );
    let fired: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert_eq!(fired.len(), 1);
    let run = fired.into_iter().next().unwrap().unwrap();
    assert_eq!((run.cause.as_str(), run.slot, run.state), ("schedule", Some(at(60).into()), RunStatus::Queued));
    // The run is still queued: the next slot passes.
    let in_the_way = catalog.fire_slot(&id, "j", at(120), None, at(121)).await.unwrap().unwrap().unwrap_err();
    assert_eq!(in_the_way.id, run.id);
    assert!(catalog.due_jobs(at(9999), 10).await.unwrap().is_empty());
    let twice = catalog.queue_run(&by_hand(&id), at(122)).await;
    assert!(matches!(twice, Err(Error::AlreadyRunning)), "{twice:?}");
    catalog.cancel_run(&run.id, at(123)).await.unwrap().unwrap();
    assert_eq!(catalog.run(&run.id).await.unwrap().unwrap().state, RunStatus::Cancelled);
    catalog.queue_run(&by_hand(&id), at(124)).await.unwrap();
}

async fn a_run_belongs_to_one_worker_and_is_lost_with_its_lease(store: Store) {
    let (catalog, id) = with_job(&store).await;
    let queued = catalog.queue_run(&by_hand(&id), at(0)).await.unwrap();
    let (one, other) = tokio::join!(catalog.claim_run("w1", at(1), LEASE), catalog.claim_run("w1", at(1), LEASE));
    let claims: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert_eq!(claims.len(), 1);
    let fence = claims[0].fence;
    assert_eq!((claims[0].run.state, claims[0].run.attempt), (RunStatus::Running, 1));
    assert_eq!(catalog.renew_run(&queued.id, fence, LEASE, &progress(1)).await.unwrap(), Some(false));
    assert!(catalog.holds_run(&queued.id, fence).await.unwrap());
    catalog.cancel_run(&queued.id, at(3)).await.unwrap();
    assert!(!catalog.holds_run(&queued.id, fence).await.unwrap(), "a cancelled run changes nothing");
    let so_far = RunResult::Backup(BackupResult::default());
    assert!(catalog.record_items(&queued.id, fence, &so_far, &[]).await.unwrap());
    assert_eq!(catalog.renew_run(&queued.id, fence, LEASE, &progress(1)).await.unwrap(), Some(true));
    // A worker does not see its own leases, and a renewal invalidates what another has seen.
    assert!(catalog.leases_of_others("w1").await.unwrap().is_empty());
    let seen = catalog.leases_of_others("w2").await.unwrap().remove(0);
    assert_eq!((&seen.run_id, seen.fence), (&queued.id, fence));
    let longer = LEASE + SignedDuration::from_secs(1);
    assert_eq!(catalog.renew_run(&queued.id, fence, longer, &progress(1)).await.unwrap(), Some(true));
    assert!(catalog.interrupt_abandoned(&seen, at(41)).await.unwrap().is_none());
    let seen = catalog.leases_of_others("w2").await.unwrap().remove(0);
    let lost = catalog.interrupt_abandoned(&seen, at(41)).await.unwrap().unwrap();
    assert_eq!(lost.state, RunStatus::Interrupted);
    assert!(catalog.interrupt_abandoned(&seen, at(41)).await.unwrap().is_none());
    // Whoever comes back late changes nothing.
    assert_eq!(catalog.renew_run(&queued.id, fence, LEASE, &progress(9)).await.unwrap(), None);
    assert!(!catalog.finish_run(&queued.id, fence, &end(RunStatus::Succeeded), at(42)).await.unwrap());
    assert!(!catalog.holds_run(&queued.id, fence).await.unwrap());
    let run = catalog.run(&queued.id).await.unwrap().unwrap();
    assert_eq!((run.state, run.dumped_bytes, run.result), (RunStatus::Interrupted, 1, Some(so_far)));
    assert_eq!(run.destinations, progress(1).destinations);
    // But how it really ended counts, also while the job runs again, and only from the last who had it.
    let again = catalog.queue_run(&by_hand(&id), at(43)).await.unwrap();
    assert!(!catalog.finish_late(&queued.id, fence - 1, &end(RunStatus::Failed), true, at(42)).await.unwrap());
    assert!(catalog.finish_late(&queued.id, fence, &end(RunStatus::Succeeded), true, at(42)).await.unwrap());
    assert_eq!(catalog.run(&queued.id).await.unwrap().unwrap().state, RunStatus::Succeeded);
    assert!(!catalog.finish_late(&queued.id, fence, &end(RunStatus::Failed), true, at(44)).await.unwrap());
    catalog.cancel_run(&again.id, at(45)).await.unwrap();

    catalog.queue_run(&by_hand(&id), at(50)).await.unwrap();
    let claim = catalog.claim_run("w1", at(51), LEASE).await.unwrap().unwrap();
    assert!(catalog.finish_run(&claim.run.id, claim.fence, &end(RunStatus::Succeeded), at(52)).await.unwrap());
    let ended = catalog.run(&claim.run.id).await.unwrap().unwrap();
    assert_eq!((ended.dumped_bytes, ended.finished_at), (i64::MAX, Some(at(52).into())));
    assert_eq!(ended.result, end(RunStatus::Succeeded).result);
    catalog.queue_run(&by_hand(&id), at(60)).await.unwrap();
    catalog.claim_run("w1", at(61), LEASE).await.unwrap().unwrap();
    let seen = catalog.leases_of_others("w2").await.unwrap().remove(0);
    assert!(catalog.interrupt_abandoned(&seen, at(62)).await.unwrap().is_some());
    assert!(catalog.claim_run("w1", at(63), LEASE).await.unwrap().is_none());

    let ids = all_pages(async |page| catalog.runs(&RunFilter::default(), &page).await, |run| run.id.clone()).await;
    assert_eq!(ids.len(), 4);
    let only = |state, job: Option<&str>| RunFilter {
        states: vec![state],
        job_id: job.map(str::to_owned),
        kind: Some(RunKind::Backup),
        ..RunFilter::default()
    };
    let interrupted = all_pages(
        async |page| catalog.runs(&only(RunStatus::Interrupted, Some(&id)), &page).await,
        |run| run.id.clone(),
    );
    assert_eq!(interrupted.await.len(), 1);
    let none = all_pages(async |page| catalog.runs(&only(RunStatus::Failed, None), &page).await, |run| run.id.clone());
    assert!(none.await.is_empty());
    assert_eq!(catalog.count_runs(RunStatus::Interrupted).await.unwrap(), 1);
}

async fn a_late_end_withdraws_the_retry_or_prevents_it(store: Store) {
    let (catalog, id) = with_job(&store).await;
    let retry = NewRun { cause: Cause::Retry, attempt: 1, ..by_hand(&id) };
    // As another server settles a run whose end could not be stored in time.
    let interrupted = async |seconds| {
        let run = catalog.queue_run(&by_hand(&id), at(seconds)).await.unwrap();
        let fence = catalog.claim_run("w1", at(seconds), LEASE).await.unwrap().unwrap().fence;
        let lease = catalog.leases_of_others("w2").await.unwrap().remove(0);
        catalog.interrupt_abandoned(&lease, at(seconds)).await.unwrap().unwrap();
        (run.id, fence)
    };
    let state = async |id: &str| catalog.run(id).await.unwrap().unwrap().state;
    let (run, fence) = interrupted(0).await;
    let queued = catalog.queue_retry(&run, &retry, at(1)).await.unwrap().unwrap();
    assert!(catalog.finish_late(&run, fence, &end(RunStatus::Succeeded), true, at(2)).await.unwrap());
    let withdrawn = catalog.run(&queued.id).await.unwrap().unwrap();
    assert_eq!((withdrawn.state, state(&run).await), (RunStatus::Cancelled, RunStatus::Succeeded));
    assert!(withdrawn.error.unwrap().contains(&run));
    assert!(catalog.claim_run("w2", at(3), LEASE).await.unwrap().is_none(), "nothing is dumped twice");

    // The end comes first.
    let (run, fence) = interrupted(10).await;
    assert!(catalog.finish_late(&run, fence, &end(RunStatus::Failed), true, at(11)).await.unwrap());
    assert!(catalog.queue_retry(&run, &retry, at(12)).await.unwrap().is_none());

    // An end that still lacks something keeps it, and so does the end of an earlier run.
    let (run, fence) = interrupted(20).await;
    let queued = catalog.queue_retry(&run, &retry, at(21)).await.unwrap().unwrap();
    assert!(catalog.finish_late(&run, fence, &end(RunStatus::Interrupted), false, at(22)).await.unwrap());
    assert_eq!(state(&queued.id).await, RunStatus::Queued);
    assert!(matches!(catalog.queue_retry(&run, &retry, at(23)).await, Err(Error::AlreadyRunning)));
    catalog.cancel_run(&queued.id, at(24)).await.unwrap();
    let (earlier, earlier_fence) = interrupted(30).await;
    let (later, _) = interrupted(40).await;
    let queued = catalog.queue_retry(&later, &retry, at(41)).await.unwrap().unwrap();
    assert!(catalog.finish_late(&earlier, earlier_fence, &end(RunStatus::Succeeded), true, at(42)).await.unwrap());
    assert_eq!(state(&queued.id).await, RunStatus::Queued);
}

async fn lines_are_numbered_without_gaps(store: Store) {
    let (catalog, id) = with_job(&store).await;
    let run = catalog.queue_run(&by_hand(&id), at(0)).await.unwrap();
    for number in 1..=20 {
        let message = format!("line {number} 😀\n");
        let line = NewLogLine { event: &RunEvent::NotEncrypted, message: &message };
        assert_eq!(catalog.add_log_line(&run.id, line, at(number)).await.unwrap(), number);
    }
    let lines = catalog.log_lines(&run.id, 18, 10).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [19, 20]);
    assert_eq!(lines[0].message, "line 19 😀\n");
    assert_eq!(catalog.log_lines(&run.id, 0, 5).await.unwrap().len(), 5);
}

async fn lines_that_come_at_once_are_all_kept(store: Store) {
    let (catalog, id) = with_job(&store).await;
    let run = catalog.queue_run(&by_hand(&id), at(0)).await.unwrap();
    let line = NewLogLine { event: &RunEvent::NotEncrypted, message: "x" };
    let mut numbers: Vec<i64> = join_all((0..8).map(|_| catalog.add_log_line(&run.id, line, at(1))))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
}

async fn a_line_is_data_and_words_and_one_of_an_unknown_kind_still_has_its_words(store: Store) {
    let (catalog, id) = with_job(&store).await;
    let run = catalog.queue_run(&by_hand(&id), at(0)).await.unwrap();
    let event = RunEvent::Failed {
        database: "shop".to_owned(),
        error: "refused".to_owned(),
        code: None,
        technical_details: None,
    };
    catalog.add_log_line(&run.id, NewLogLine { event: &event, message: "words" }, at(1)).await.unwrap();
    let line = catalog.log_lines(&run.id, 0, 1).await.unwrap().remove(0);
    assert_eq!((line.level.as_str(), line.message.as_str(), line.event().unwrap()), ("error", "words", Some(event)));
    for (stored, is_error) in [("NULL", false), ("'{\"event\":\"teleported\"}'", true)] {
        store.sql(&format!("UPDATE run_log SET event = {stored}"));
        let line = catalog.log_lines(&run.id, 0, 1).await.unwrap().remove(0);
        assert_eq!((line.message.as_str(), line.event().is_err()), ("words", is_error), "{stored}");
    }
}

async fn a_run_with_warnings_is_the_jobs_last_good_one(store: Store) {
    let (catalog, id) = with_job(&store).await;
    for (second, state) in [(0, RunStatus::Succeeded), (10, RunStatus::SucceededWithWarnings), (20, RunStatus::Failed)]
    {
        catalog.queue_run(&by_hand(&id), at(second)).await.unwrap();
        let claim = catalog.claim_run("w", at(second), LEASE).await.unwrap().unwrap();
        assert!(catalog.finish_run(&claim.run.id, claim.fence, &end(state), at(second + 1)).await.unwrap());
    }
    let standing = catalog.job_entry(&id).await.unwrap().unwrap().standing;
    assert_eq!((standing.good_at, standing.state), (Some(at(11).into()), Some(RunStatus::Failed)));
    let good = RunFilter {
        states: vec![RunStatus::Succeeded, RunStatus::SucceededWithWarnings],
        job_id: Some(id),
        ..RunFilter::default()
    };
    assert_eq!(all_pages(async |page| catalog.runs(&good, &page).await, |run| run.id.clone()).await.len(), 2);
}

async fn runs_keep_their_order_after_a_clock_that_was_ahead(store: Store) {
    let (catalog, id) = with_job(&store).await;
    let a_year = 365 * 24 * 3600;
    let mut queued = Vec::new();
    for (second, state) in
        [(0, RunStatus::Succeeded), (a_year, RunStatus::Succeeded), (10, RunStatus::Failed), (20, RunStatus::Failed)]
    {
        queued.push(catalog.queue_run(&by_hand(&id), at(second)).await.unwrap().id);
        let claim = catalog.claim_run("w", at(second), LEASE).await.unwrap().unwrap();
        assert!(catalog.finish_run(&claim.run.id, claim.fence, &end(state), at(second + 1)).await.unwrap());
    }
    catalog.fire_slot(&id, "j", at(60), None, at(61)).await.unwrap().unwrap().unwrap();
    let newest = PageRequest { after: None, limit: 1 };
    let by_slot = catalog.runs(&RunFilter::default(), &newest).await.unwrap().items.remove(0);
    assert_eq!(by_slot.cause, Cause::Schedule);
    assert!(queued.iter().all(|id| *id < by_slot.id) && queued.is_sorted(), "{queued:?}");
    let standing = catalog.job_entry(&id).await.unwrap().unwrap().standing;
    let newest = standing.ended_run_id.as_ref();
    assert_eq!(newest, Some(&queued[3]), "the failure is newer than the success with a later timestamp");
    let days = catalog.job_days(&[&id], 0).await.unwrap();
    assert_eq!(days.iter().map(|day| day.sums.runs()).collect::<Vec<_>>(), [4, 1]);
}

async fn an_acknowledged_warning_is_kept_once_and_survives_other_changes(store: Store) {
    let (catalog, id) = with_job(&store).await;
    assert!(catalog.job(&id).await.unwrap().unwrap().acknowledged_warnings.is_empty());
    for entry in ["unlogged-tables", "invalid-database:broken", "unlogged-tables"] {
        catalog.acknowledge_warning(&id, entry).await.unwrap().unwrap();
    }
    let made = catalog.job(&id).await.unwrap().unwrap();
    assert_eq!(made.acknowledged_warnings, ["unlogged-tables", "invalid-database:broken"]);
    assert_eq!(made.updated_at, at(0).into(), "it is no change of the schedule");
    let mut change = job("j", &made.source_id, &[&made.destination_ids[0]]);
    let changed = catalog.update_job(&id, made.revision, &change, at(1)).await.unwrap().unwrap();
    assert_eq!(changed.acknowledged_warnings.len(), 2);
    change.acknowledged_warnings = Some(Vec::new());
    let changed = catalog.update_job(&id, changed.revision, &change, at(2)).await.unwrap().unwrap();
    assert!(changed.acknowledged_warnings.is_empty());
    assert!(catalog.acknowledge_warning("nothing", "x").await.unwrap().is_none());
}
