//! Retention: policies, locks, and marks for deletion.

use catalog::{Catalog, Error, FoundCopy, MarkedBy, NewDeletion, NewRetentionPolicy, PageRequest};
use domain::retention::{Reason, Rules};
use domain::stored::{CopyState, ScanState};
use jiff::Timestamp;

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
    scene
}

impl Scene {
    async fn scan(&self, paths: &[String], now: Timestamp) -> i64 {
        let found: Vec<FoundCopy> = paths.iter().map(|path| found(path, 5)).collect();
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
        let id = self.id(path).await;
        let by = MarkedBy { job_id: &self.job, policy: "Standard", due_at: at(100) };
        let marks = [NewDeletion { copy_id: &id, reasons: &REASONS }];
        self.catalog.mark_deletions((&self.one, self.number().await), by, &marks, now).await.unwrap()
    }

    async fn due(&self, now: Timestamp) -> Vec<String> {
        let due = self.catalog.due_deletions(&self.one, now, 10).await.unwrap();
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
    let retained = catalog.retained(one, job, "shop").await.unwrap();
    assert_eq!(retained.scan, Some(ScanState::Complete));
    assert_eq!((retained.found, retained.expected, retained.found_in_all, retained.expected_in_all), (3, 3, 3, 3));
    // The storage's time and the server's of the newest.
    assert_eq!(retained.published, Some((at(5).into(), at(3).into())));
    let seen: Vec<_> = retained.copies.iter().map(|copy| (copy.path.as_str(), copy.arrival)).collect();
    assert_eq!(seen, [(paths[2].as_str(), 3), (paths[1].as_str(), 2), (paths[0].as_str(), 1)]);
    let others: Vec<_> = retained.copies.iter().map(|copy| (copy.has_other, copy.has_confirmed)).collect();
    assert_eq!(others, [(false, false), (true, true), (false, false)]);

    // What is gone is expected all the same, and a copy that is gone confirms nothing.
    scene.scan(&paths[1..2], at(20)).await;
    scan(catalog, two, &[], &[], at(20)).await;
    let retained = catalog.retained(one, job, "shop").await.unwrap();
    assert_eq!((retained.found, retained.expected, retained.copies.len()), (1, 3, 1));
    assert_eq!((retained.copies[0].has_other, retained.copies[0].has_confirmed), (true, false));
    // A scan in progress is none that has read everything.
    catalog.begin_scan(one, jiff::SignedDuration::from_secs(60), at(30)).await.unwrap().unwrap();
    assert_eq!(catalog.retained(one, job, "shop").await.unwrap().scan, Some(ScanState::Running));
}

async fn a_lock_takes_a_mark_back_and_a_locked_copy_is_neither_marked_nor_deleted(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, paths, .. } = &scene;
    assert_eq!(scene.mark(&paths[0], at(10)).await, 1);
    assert_eq!(scene.mark(&paths[0], at(11)).await, 0, "a mark stands");
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
    assert_eq!(catalog.unmark_deletions(&[&marked[0].copy_id]).await.unwrap(), 0);
}

async fn a_lock_survives_that_a_file_is_read_anew_and_that_its_path_is_spelt_otherwise(store: Store) {
    let scene = scene(&store).await;
    let Scene { catalog, one, paths, .. } = &scene;
    catalog.lock_copy(one, &paths[0], true).await.unwrap().unwrap();
    let touched: Vec<FoundCopy> = paths.iter().map(|path| found(path, 77)).collect();
    scan(catalog, one, &touched, &[], at(20)).await;
    let copy = catalog.backup_at(one, &paths[0]).await.unwrap().unwrap();
    assert!(copy.locked && copy.job_id.is_none(), "it was read anew: {copy:?}");
    let retained = catalog.retained(one, &scene.job, "shop").await.unwrap();
    assert_eq!(retained.copies.iter().map(|copy| copy.arrival).collect::<Vec<_>>(), [3, 2, 1]);

    let respelled: Vec<FoundCopy> = paths.iter().map(|path| found(&path.replace("shop", "Shop"), 77)).collect();
    let number = catalog.begin_scan(one, jiff::SignedDuration::from_secs(60), at(30)).await.unwrap().unwrap();
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
    let marked = catalog.due_deletions(one, at(100), 10).await.unwrap();
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
    let marked = catalog.due_deletions(one, at(100), 10).await.unwrap().remove(0);
    assert!(catalog.begin_marked_deletion((one, number), &marked, at(100)).await.unwrap().is_some());
    catalog.deletion_failed(&id, "quota", at(150)).await.unwrap();
    assert!(scene.due(at(160)).await.is_empty(), "whether it is still there, the next scan tells");
    scene.scan(paths, at(110)).await;
    assert_eq!((scene.due(at(149)).await.len(), scene.due(at(150)).await.len()), (0, 1));
    let listed = catalog.deletions(Some(one), &ALL).await.unwrap().items.remove(0);
    assert_eq!((listed.attempts, listed.last_error.as_deref()), (1, Some("quota")));
    // One that is gone needs no further attempt.
    scene.scan(&paths[1..], at(160)).await;
    assert_eq!(catalog.drop_void_deletions(one).await.unwrap(), 1);
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
