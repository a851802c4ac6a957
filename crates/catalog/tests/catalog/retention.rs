//! Retention: policies, locks, and marks for deletion.

use catalog::{
    AuditFilter, Catalog, Error, FoundCopy, FoundSidecar, MarkedBy, NewAuditEntry, NewDeletion, NewRetentionPolicy,
    NewRun, PageRequest, Published, ScanEnd,
};
use domain::retention::{Reason, Rules};
use domain::run::{Cause, CopySpec, RestoreSpec, RunSpec};
use domain::stored::{CopyState, ScanState};
use jiff::{SignedDuration, Timestamp};

use crate::backups::{found, path, record, scan, sidecar, with_destinations};
use crate::on_both;
use crate::store::{Store, at, job, source};

on_both!(
    policies_are_kept_by_revision_and_never_removed_while_a_job_uses_them,
    a_plan_is_made_from_what_the_last_scan_has_seen,
    a_lock_takes_a_mark_back_and_a_locked_copy_is_neither_marked_nor_deleted,
    a_lock_survives_that_a_file_is_read_anew_and_that_its_path_is_spelt_otherwise,
    a_mark_holds_for_the_file_that_was_marked_only,
    a_deletion_that_failed_is_tried_again_later,
    marks_are_void_once_the_job_has_no_policy,
    only_a_verified_copy_at_a_destination_that_is_scanned_makes_another_one_dispensable,
    a_copy_that_a_run_reads_is_not_deleted,
    a_mark_is_due_only_once_the_storage_has_taken_a_backup_since,
    a_deletion_that_was_interrupted_is_completed_unless_the_file_has_come_back,
    a_mark_that_stands_takes_the_grace_period_that_holds_now,
    a_job_takes_back_its_own_marks_only,
    a_lock_holds_for_every_copy_of_the_backup_and_however_its_path_is_spelt,
    a_sidecar_that_turns_out_to_lock_its_backup_takes_the_mark_back,
    a_copy_at_the_path_of_a_deleted_one_was_first_seen_when_it_came,
    a_user_who_deletes_a_marked_copy_takes_its_mark_back,
);

const ALL: PageRequest = PageRequest { after: None, limit: 100 };
const REASONS: [Reason; 1] = [Reason::NoRule];

fn policy(name: &str) -> NewRetentionPolicy {
    NewRetentionPolicy { name: name.to_owned(), rules: Rules { keep_last: 3, ..Rules::default() }, grace_days: 7 }
}

/// Two destinations, a job with a policy at the first, and three of its backups there, the second also at the other destination.
struct Scene {
    catalog: Catalog,
    one: String,
    two: String,
    job: String,
    policy: String,
    paths: Vec<String>,
}

async fn scene(store: &Store) -> Scene {
    let (catalog, one, two) = with_destinations(store).await;
    let source = catalog.create_source(&source("s", None), at(0)).await.unwrap();
    let policy = catalog.create_retention_policy(&policy("Standard"), at(0)).await.unwrap().id;
    let mut new = job("shop", &source.id, &[&one, &two]);
    new.retention.insert(one.clone(), policy.clone());
    let job = catalog.create_job(&new, at(0)).await.unwrap().id;
    // Another job's backup, which the storage has taken last.
    let mut latest = sidecar("latest", "beat", "orders", at(0));
    latest.run_id = "run-0".to_owned();
    record(&catalog, &one, &beat().path, &latest, at(0)).await;
    let paths: Vec<String> = [1, 2, 3].map(|hour| path("shop", hour, "orders")).into();
    for (number, path) in (1..).zip(&paths) {
        let mut described = sidecar("b", "shop", "orders", at(number));
        described.job_id = Some(job.clone());
        described.run_id = format!("run-{number}");
        record(&catalog, &one, path, &described, at(number)).await;
        if number == 2 {
            record(&catalog, &two, path, &described, at(number)).await;
        }
    }
    let scene = Scene { catalog, one, two, job, policy, paths };
    scene.scan(&scene.paths, at(10)).await;
    scan(&scene.catalog, &scene.two, &[found(&scene.paths[1], 5)], &[], at(10)).await;
    scene
}

fn beat() -> FoundCopy {
    found(&path("beat", 9, "orders"), 3600)
}

impl Scene {
    async fn scan(&self, paths: &[String], now: Timestamp) -> i64 {
        let found: Vec<FoundCopy> = paths.iter().map(|path| found(path, 5)).chain([beat()]).collect();
        scan(&self.catalog, &self.one, &found, &[], now).await;
        self.number().await
    }

    async fn number(&self) -> i64 {
        self.catalog.scan(&self.one).await.unwrap().unwrap().number
    }

    async fn id(&self, path: &str) -> String {
        self.catalog.backup_at(&self.one, path).await.unwrap().unwrap().id
    }

    async fn mark(&self, path: &str, now: Timestamp) -> u64 {
        self.mark_by(path, true, SignedDuration::from_secs(90), now).await
    }

    async fn mark_by(&self, path: &str, confirmed: bool, grace: SignedDuration, now: Timestamp) -> u64 {
        let id = self.id(path).await;
        let by = MarkedBy { job_id: &self.job, policy: "Standard", grace, confirmed };
        let marks = [NewDeletion { copy_id: &id, reasons: &REASONS }];
        self.catalog.mark_deletions((&self.one, self.number().await), by, &marks, now).await.unwrap()
    }

    async fn due(&self, now: Timestamp) -> Vec<String> {
        let due = self.catalog.due_deletions((&self.one, &self.job), now, 10).await.unwrap();
        due.into_iter().map(|deletion| deletion.path).collect()
    }
}

async fn policies_are_kept_by_revision_and_never_removed_while_a_job_uses_them(store: Store) {
    let Scene { catalog, one, two, job: job_id, policy: id, .. } = scene(&store).await;
    let found = catalog.retention_policy_by_name("STANDARD").await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.rules.keep_last, found.grace_days, found.revision), (id.as_str(), 3, 7, 1));
    let taken = catalog.create_retention_policy(&policy("standard"), at(1)).await;
    assert!(matches!(taken, Err(Error::NameTaken)), "{taken:?}");
    let changed = NewRetentionPolicy { grace_days: 0, ..policy("Short") };
    assert_eq!(catalog.update_retention_policy(&id, 1, &changed, at(1)).await.unwrap().unwrap().revision, 2);
    let outdated = catalog.update_retention_policy(&id, 1, &changed, at(1)).await;
    assert!(matches!(outdated, Err(Error::Outdated)), "{outdated:?}");
    let used = catalog.delete_retention_policy(&id, 2).await;
    assert!(matches!(used, Err(Error::Referenced)), "{used:?}");

    let found = catalog.job(&job_id).await.unwrap().unwrap();
    assert_eq!(found.retention.get(&one), Some(&id));
    assert_eq!(found.retention.get(&two), None);
    assert_eq!(found.destination_ids, [one, two.clone()]);
    let without = job("shop", &found.source_id, &[&two]);
    assert!(catalog.update_job(&job_id, 1, &without, at(2)).await.unwrap().unwrap().retention.is_empty());
    assert!(catalog.delete_retention_policy(&id, 2).await.unwrap());
    assert!(catalog.retention_policies(&ALL).await.unwrap().items.is_empty());
}

async fn a_plan_is_made_from_what_the_last_scan_has_seen(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, two, job, paths, .. } = &scene;
    let retained = catalog.retained(one, (job, "shop"), at(10)).await.unwrap();
    assert_eq!(retained.scan, Some(ScanState::Complete));
    assert_eq!((retained.found, retained.expected, retained.found_in_all, retained.expected_in_all), (3, 3, 4, 4));
    // Of the newest, which was published by a run.
    let published = Published { started_at: at(-9 * 3600).into(), stored_at: at(5).into(), recorded_at: at(3).into() };
    assert_eq!(retained.published, Some(published));
    let seen: Vec<_> = retained.copies.iter().map(|copy| (copy.path.as_str(), copy.arrival)).collect();
    assert_eq!(seen, [(paths[2].as_str(), 4), (paths[1].as_str(), 3), (paths[0].as_str(), 2)]);
    let others: Vec<_> = retained.copies.iter().map(|copy| (copy.has_other, copy.has_confirmed)).collect();
    assert_eq!(others, [(false, false), (true, true), (false, false)]);

    // What is gone is expected all the same, and a copy that is gone confirms nothing.
    scene.scan(&paths[1..2], at(20)).await;
    scan(catalog, two, &[], &[], at(20)).await;
    let retained = catalog.retained(one, (job, "shop"), at(20)).await.unwrap();
    assert_eq!((retained.found, retained.expected, retained.copies.len()), (1, 3, 1));
    assert_eq!((retained.copies[0].has_other, retained.copies[0].has_confirmed), (true, false));
    // A scan in progress is none that has read everything.
    catalog.begin_scan(one, SignedDuration::from_secs(60), at(30)).await.unwrap().unwrap();
    assert_eq!(catalog.retained(one, (job, "shop"), at(30)).await.unwrap().scan, Some(ScanState::Running));
}

async fn a_lock_takes_a_mark_back_and_a_locked_copy_is_neither_marked_nor_deleted(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, paths, .. } = &scene;
    assert_eq!(scene.mark(&paths[0], at(10)).await, 1);
    // A mark stands.
    assert_eq!(scene.mark(&paths[0], at(11)).await, 1);
    let marked = catalog.deletions(None, &ALL).await.unwrap().items;
    assert_eq!((marked.len(), marked[0].marked_at, &marked[0].reasons[..]), (1, at(10).into(), &REASONS[..]));
    assert_eq!((scene.due(at(99)).await.len(), scene.due(at(100)).await.len()), (0, 1));
    assert_eq!(catalog.backup_at(one, &paths[0]).await.unwrap().unwrap().due_at, Some(at(100).into()));

    catalog.lock_copy(one, &paths[0], true).await.unwrap().unwrap();
    catalog.annotate_copy(one, &paths[0], Some("year end")).await.unwrap().unwrap();
    assert!(catalog.deletions(None, &ALL).await.unwrap().items.is_empty());
    assert_eq!(scene.mark(&paths[0], at(12)).await, 0);
    let number = scene.number().await;
    assert!(catalog.begin_marked_deletion((one, number), &marked[0], at(200)).await.unwrap().is_none());
    let before = catalog.begin_deletion((one, 0), &paths[0], at(12)).await.unwrap();
    assert!(before.is_locked());
    let copy = catalog.backup_at(one, &paths[0]).await.unwrap().unwrap();
    assert_eq!((copy.state, copy.locked, copy.note.as_deref()), (CopyState::Present, true, Some("year end")));

    catalog.lock_copy(one, &paths[0], false).await.unwrap().unwrap();
    assert_eq!(scene.mark(&paths[0], at(13)).await, 1);
    assert_eq!(catalog.lock_copy(one, "shop/nothing", true).await.unwrap(), None);
    // Too late.
    assert!(catalog.begin_marked_deletion((one, number), &marked[0], at(200)).await.unwrap().is_some());
    let late = catalog.lock_copy(one, &paths[0], true).await;
    assert!(matches!(late, Err(Error::Conflict)), "{late:?}");
    assert_eq!(catalog.unmark_deletions(&scene.job, &[&marked[0].copy_id]).await.unwrap(), 0);
}

async fn a_lock_survives_that_a_file_is_read_anew_and_that_its_path_is_spelt_otherwise(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, paths, .. } = &scene;
    catalog.lock_copy(one, &paths[0], true).await.unwrap().unwrap();
    let touched: Vec<FoundCopy> = paths.iter().map(|path| found(path, 77)).collect();
    scan(catalog, one, &touched, &[], at(20)).await;
    let copy = catalog.backup_at(one, &paths[0]).await.unwrap().unwrap();
    assert!(copy.locked && copy.job_id.is_none(), "it was read anew: {copy:?}");
    let retained = catalog.retained(one, (&scene.job, "shop"), at(20)).await.unwrap();
    assert_eq!(retained.copies.iter().map(|copy| copy.arrival).collect::<Vec<_>>(), [4, 3, 2]);

    let respelled: Vec<FoundCopy> = paths.iter().map(|path| found(&path.replace("shop", "Shop"), 77)).collect();
    let number = catalog.begin_scan(one, SignedDuration::from_secs(60), at(30)).await.unwrap().unwrap();
    catalog.reconcile(one, number, &respelled, at(30)).await.unwrap().unwrap();
    let scope = catalog::SweepScope { unread: &[], ignores_case: true };
    catalog.sweep(one, number, &scope, "", at(30)).await.unwrap();
    assert!(catalog.backup_at(one, &respelled[0].path).await.unwrap().unwrap().locked);
    assert!(!catalog.backup_at(one, &respelled[1].path).await.unwrap().unwrap().locked);
}

async fn a_mark_holds_for_the_file_that_was_marked_only(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, paths, .. } = &scene;
    for path in paths {
        scene.mark(path, at(10)).await;
    }
    let marked = catalog.due_deletions((one, &scene.job), at(100), 10).await.unwrap();
    // Another file is at the first path, and nothing at the second.
    let seen = [found(&paths[0], 50), found(&paths[2], 5)];
    scan(catalog, one, &seen, &[], at(20)).await;
    let number = scene.number().await;
    for deletion in &marked {
        let holds = deletion.path == paths[2];
        let begun = catalog.begin_marked_deletion((one, number), deletion, at(100)).await.unwrap();
        assert_eq!(begun.is_some(), holds);
    }
    assert_eq!(catalog.drop_void_deletions(one).await.unwrap(), 2);
    assert_eq!(catalog.deletions(Some(one), &ALL).await.unwrap().items.len(), 1);
    // A scan that is no longer the latest begins nothing.
    scan(catalog, one, &seen, &[], at(21)).await;
    assert!(catalog.begin_marked_deletion((one, number), &marked[2], at(100)).await.unwrap().is_none());
}

async fn a_deletion_that_failed_is_tried_again_later(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, paths, .. } = &scene;
    scene.mark(&paths[0], at(10)).await;
    let id = scene.id(&paths[0]).await;
    let number = scene.number().await;
    let marked = catalog.due_deletions((one, &scene.job), at(100), 10).await.unwrap().remove(0);
    assert!(catalog.begin_marked_deletion((one, number), &marked, at(100)).await.unwrap().is_some());
    catalog.deletion_failed(&id, "quota", at(150)).await.unwrap();
    assert!(scene.due(at(160)).await.is_empty(), "whether it is still there, the next scan tells");
    scene.scan(paths, at(110)).await;
    assert_eq!((scene.due(at(149)).await.len(), scene.due(at(150)).await.len()), (0, 1));
    let listed = catalog.deletions(Some(one), &ALL).await.unwrap().items.remove(0);
    assert_eq!((listed.attempts, listed.last_error.as_deref()), (1, Some("quota")));
    // One that is gone meanwhile needs no further attempt.
    scene.scan(&paths[1..], at(160)).await;
    assert_eq!(catalog.drop_void_deletions(one).await.unwrap(), 1);
}

async fn only_a_verified_copy_at_a_destination_that_is_scanned_makes_another_one_dispensable(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, two, job, paths, .. } = &scene;
    let confirmed = async |now: Timestamp| {
        let retained = catalog.retained(one, (job, "shop"), now).await.unwrap();
        let copy = retained.copies.into_iter().find(|copy| copy.path == paths[1]).unwrap();
        assert!(copy.has_other, "whatever it is worth, there is another copy");
        copy.has_confirmed
    };
    let hours = |hours: i64| at(10 + 3600 * hours);
    assert!(confirmed(hours(48)).await && !confirmed(hours(49)).await, "nobody has looked for two days");
    let end = |state: ScanState| ScanEnd {
        state,
        found: 0,
        adopted: 0,
        missing: 0,
        error: Some("the destination does not answer".to_owned()),
        unreadable: Vec::new(),
    };
    for state in [ScanState::Failed, ScanState::Cancelled, ScanState::Partial] {
        let number = catalog.begin_scan(two, SignedDuration::from_secs(60), hours(1)).await.unwrap().unwrap();
        catalog.finish_scan(two, number, &end(state), hours(1)).await.unwrap();
        assert!(!confirmed(hours(1)).await, "{state:?}");
    }
    scan(catalog, two, &[found(&paths[1], 5)], &[], hours(2)).await;
    assert!(confirmed(hours(2)).await);
    // Another file of the same size is at its path, beside the same sidecar.
    scan(catalog, two, &[found(&paths[1], 6)], &[], hours(3)).await;
    let unread = catalog.unread_copies(two, None, 10).await.unwrap().remove(0);
    let mut described = sidecar("b", "shop", "orders", at(2));
    described.run_id = "run-2".to_owned();
    let number = catalog.scan(two).await.unwrap().unwrap().number;
    let name = domain::BackupName::parse(paths[1].rsplit('/').next().unwrap()).unwrap();
    let read = FoundSidecar::Read(Box::new(described), "ed25519:k".to_owned());
    catalog.record_sidecar((two, number), &unread, ("shop", &name), &read, hours(3)).await.unwrap();
    assert!(!confirmed(hours(3)).await, "nobody has verified it");
}

async fn a_copy_that_a_run_reads_is_not_deleted(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, two, paths, .. } = &scene;
    scene.mark(&paths[0], at(10)).await;
    let marked = catalog.due_deletions((one, &scene.job), at(100), 10).await.unwrap().remove(0);
    let number = scene.number().await;
    let restore = RunSpec::Restore(RestoreSpec {
        destination_id: one.clone(),
        // As somebody has typed it.
        path: paths[0].replace("shop/", "Shop/"),
        source_id: "s".to_owned(),
        database: None,
        overwrite: false,
        no_owner: false,
        continue_on_error: false,
        in_place: false,
        allow_damaged: false,
        administers: false,
        allow_unencrypted: false,
        requested_by: None,
        plan: None,
    });
    let copy = RunSpec::Copy(CopySpec {
        destination_id: one.clone(),
        path: paths[0].clone(),
        to_destination_id: two.clone(),
        requested_by: None,
        plan: None,
    });
    for spec in [restore, copy] {
        let new = NewRun {
            spec,
            job_id: None,
            title: paths[0].clone(),
            cause: Cause::Manual,
            started_by: None,
            slot: None,
            attempt: 1,
        };
        let run = catalog.queue_run(&new, at(20)).await.unwrap();
        assert!(catalog.begin_marked_deletion((one, number), &marked, at(100)).await.unwrap().is_none());
        assert_eq!(scene.due(at(100)).await, paths[..1], "it is still due");
        store.sql(&format!("UPDATE runs SET state = 'succeeded' WHERE id = '{}'", run.id));
    }
    assert!(catalog.begin_marked_deletion((one, number), &marked, at(100)).await.unwrap().is_some());
}

async fn a_mark_is_due_only_once_the_storage_has_taken_a_backup_since(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, paths, .. } = &scene;
    scene.mark(&paths[0], at(3500)).await;
    let later = at(3600 * 24 * 365);
    assert_eq!(scene.due(later).await, paths[..1]);
    // Its time is after the newest backup's, whatever the server's clock says.
    scene.mark_by(&paths[0], true, SignedDuration::from_secs(101), at(3500)).await;
    assert!(scene.due(later).await.is_empty());
    // A file that no run has put there proves nothing.
    let mut listed: Vec<FoundCopy> = paths.iter().map(|path| found(path, 5)).chain([beat()]).collect();
    listed.push(found(&path("beat", 10, "orders"), 9999));
    scan(catalog, one, &listed, &[], at(3600)).await;
    assert!(scene.due(later).await.is_empty());
}

async fn a_deletion_that_was_interrupted_is_completed_unless_the_file_has_come_back(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, paths, .. } = &scene;
    for path in paths {
        scene.mark(path, at(10)).await;
    }
    let number = scene.number().await;
    for marked in catalog.due_deletions((one, &scene.job), at(100), 10).await.unwrap() {
        assert!(catalog.begin_marked_deletion((one, number), &marked, at(100)).await.unwrap().is_some());
    }
    // The server is killed. The first file is gone, the others are not.
    let number = scene.scan(&paths[1..], at(110)).await;
    assert_eq!(catalog.drop_void_deletions(one).await.unwrap(), 0);
    let left = catalog.interrupted_deletions(one, at(110), 10).await.unwrap();
    assert_eq!(left.iter().map(|left| &left.path).collect::<Vec<_>>(), [&paths[0]]);
    assert!(catalog.may_resume_deletion((one, number), &left[0]).await.unwrap());
    assert!(!catalog.may_resume_deletion((one, number - 1), &left[0]).await.unwrap());
    let entry = NewAuditEntry { actor: "retention", action: "delete", object: &paths[0], ..NewAuditEntry::default() };
    for _ in 0..2 {
        catalog.deletion_done(&left[0].copy_id, &entry, at(110)).await.unwrap();
    }
    assert!(catalog.interrupted_deletions(one, at(110), 10).await.unwrap().is_empty());
    assert_eq!(
        catalog.audit_entries(&AuditFilter::default(), &ALL).await.unwrap().items.len(),
        1,
        "it was deleted once"
    );

    // What somebody has put back is not deleted on the strength of the mark from before.
    let second = catalog.due_deletions((one, &scene.job), at(110), 10).await.unwrap().remove(0);
    assert!(catalog.begin_marked_deletion((one, number), &second, at(110)).await.unwrap().is_some());
    let rest: Vec<String> = paths.iter().filter(|path| **path != second.path).skip(1).cloned().collect();
    let number = scene.scan(&rest, at(120)).await;
    scene.scan(&paths[1..], at(130)).await;
    assert!(!catalog.may_resume_deletion((one, number + 1), &second).await.unwrap());
    assert!(!scene.due(at(200)).await.contains(&second.path));
}

async fn a_mark_that_stands_takes_the_grace_period_that_holds_now(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, paths, .. } = &scene;
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let times = async || {
        let marked = catalog.deletions(None, &ALL).await.unwrap().items.remove(0);
        (marked.marked_at.0, marked.due_at.0)
    };
    // The clock is a year ahead.
    let ahead = at(10) + days(365);
    scene.mark_by(&paths[0], false, days(7), ahead).await;
    assert_eq!(times().await, (ahead, ahead + days(7)));
    scene.mark_by(&paths[0], false, days(7), at(20)).await;
    assert_eq!(times().await, (at(20), at(20) + days(7)));
    scene.mark_by(&paths[0], false, days(30), at(30)).await;
    assert_eq!(times().await, (at(20), at(20) + days(30)));
    // What nobody has confirmed can be looked at for a day.
    scene.mark_by(&paths[0], false, days(0), at(30)).await;
    assert_eq!(times().await, (at(20), at(20) + days(1)));
    scene.mark_by(&paths[0], true, days(0), at(30)).await;
    scene.mark_by(&paths[0], false, days(0), at(30)).await;
    assert_eq!(times().await, (at(20), at(20)), "it was confirmed");
}

async fn a_job_takes_back_its_own_marks_only(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, paths, .. } = &scene;
    scene.mark(&paths[0], at(10)).await;
    let id = scene.id(&paths[0]).await;
    assert_eq!(catalog.unmark_deletions("another job", &[&id]).await.unwrap(), 0);
    assert!(catalog.due_deletions((one, "another job"), at(100), 10).await.unwrap().is_empty());
    assert_eq!(scene.due(at(100)).await.len(), 1);
    assert_eq!(catalog.unmark_deletions(&scene.job, &[&id]).await.unwrap(), 1);
}

async fn a_lock_holds_for_every_copy_of_the_backup_and_however_its_path_is_spelt(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, two, job, paths, .. } = &scene;
    scene.mark(&paths[1], at(10)).await;
    catalog.lock_copy(two, &paths[1], true).await.unwrap().unwrap();
    assert!(scene.due(at(100)).await.is_empty());
    assert_eq!(catalog.drop_void_deletions(one).await.unwrap(), 1);
    let retained = catalog.retained(one, (job, "shop"), at(10)).await.unwrap();
    assert_eq!(retained.copies.iter().map(|copy| copy.locked).collect::<Vec<_>>(), [false, true, false]);
    let respelled = paths[1].replace("shop/", "SHOP/");
    assert_eq!(catalog.spelling_of(two, &respelled).await.unwrap().as_ref(), Some(&paths[1]));
    assert_eq!(catalog.spelling_of(two, "shop/nothing").await.unwrap(), None);
}

async fn a_sidecar_that_turns_out_to_lock_its_backup_takes_the_mark_back(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, job, paths, .. } = &scene;
    scene.mark(&paths[0], at(10)).await;
    catalog.sidecar_locks(&scene.id(&paths[0]).await).await.unwrap();
    assert!(catalog.deletions(None, &ALL).await.unwrap().items.is_empty());
    assert_eq!(scene.mark(&paths[0], at(11)).await, 0);
    let retained = catalog.retained(one, (job, "shop"), at(11)).await.unwrap();
    assert!(retained.copies[2].locked);
}

async fn a_copy_at_the_path_of_a_deleted_one_was_first_seen_when_it_came(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, job, paths, .. } = &scene;
    catalog.begin_deletion((one, 0), &paths[0], at(20)).await.unwrap();
    catalog.end_deletion((one, 0), &paths[0], at(20)).await.unwrap();
    let mut described = sidecar("c", "shop", "orders", at(1));
    described.job_id = Some(job.clone());
    record(catalog, one, &paths[0], &described, at(7200)).await;
    assert_eq!(catalog.backup_at(one, &paths[0]).await.unwrap().unwrap().first_seen_at, at(7200).into());
    record(catalog, one, &paths[0], &described, at(7300)).await;
    assert_eq!(catalog.backup_at(one, &paths[0]).await.unwrap().unwrap().first_seen_at, at(7200).into());
}

async fn a_user_who_deletes_a_marked_copy_takes_its_mark_back(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, paths, .. } = &scene;
    scene.mark(&paths[0], at(10)).await;
    catalog.begin_deletion((one, scene.number().await), &paths[0], at(20)).await.unwrap();
    catalog.end_deletion((one, scene.number().await), &paths[0], at(20)).await.unwrap();
    assert!(catalog.interrupted_deletions(one, at(20), 10).await.unwrap().is_empty());
}

async fn marks_are_void_once_the_job_has_no_policy(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, two, job: id, paths, .. } = &scene;
    scene.mark(&paths[0], at(10)).await;
    assert_eq!(catalog.drop_void_deletions(one).await.unwrap(), 0);
    let found = catalog.job(id).await.unwrap().unwrap();
    catalog.update_job(id, 1, &job("shop", &found.source_id, &[one, two]), at(20)).await.unwrap().unwrap();
    assert_eq!(catalog.drop_void_deletions(one).await.unwrap(), 1);
}
