//! Backups and their copies: as runs record them, as scans find them, as lists show them.

use std::collections::BTreeMap;

use catalog::{
    AuthorizationState, BackupFilter, Catalog, FoundCopy, FoundFile, FoundSidecar, GrantChange, NewCopy,
    NewDestination, NewVerification, PageRequest, ScanEnd, StoredBackup, SweepScope, UnreadCopy,
};
use domain::BackupName;
use domain::Hashes;
use domain::sidecar::Sidecar;
use domain::stored::{BackupStatus, CopyState, ScanState, SidecarKnown, VerificationMethod, VerificationResult};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::on_both;
use crate::store::{Store, all_pages, at, destination};

on_both!(
    a_recorded_copy_comes_back_with_all_that_is_known_of_it,
    copies_of_one_backup_share_it_and_a_sidecar_that_lies_does_not,
    a_scan_adopts_what_is_unknown_by_its_name_and_then_by_its_sidecar,
    a_copy_that_is_gone_is_missing_and_comes_back_when_it_is_found,
    what_could_not_be_read_is_not_missing,
    what_changes_during_a_scan_is_newer_than_the_scan,
    a_file_that_was_replaced_is_read_anew_and_loses_its_verification,
    a_path_that_is_listed_in_another_case_is_the_same_copy,
    a_file_that_differs_by_case_only_is_a_copy_of_its_own_where_case_counts,
    a_change_of_the_destination_leaves_its_copies_unconfirmed_until_a_scan_has_seen_them,
    what_was_done_at_the_place_before_is_not_recorded_of_the_place_now,
    a_grant_for_another_account_leaves_the_copies_unconfirmed,
    a_weaker_verification_never_takes_the_place_of_a_better_one,
    a_scan_that_was_replaced_changes_nothing,
    what_a_run_records_while_a_scan_reads_is_never_overwritten_by_it,
    one_scan_per_destination_at_a_time,
    lists_are_filtered_and_go_on_where_they_stopped,
    a_removed_destination_takes_its_copies_with_it,
    text_that_one_database_refuses_is_stored_in_both,
);

const LEASE: SignedDuration = SignedDuration::from_secs(3600);
const ALL: PageRequest = PageRequest { after: None, limit: 100 };

pub(crate) fn sidecar(id: &str, job: &str, database: &str, time: Timestamp) -> Sidecar {
    serde_json::from_value(json!({
        "version": 2, "id": id, "runId": "run-1", "jobId": "job-1", "jobName": job, "sourceName": "postgres://db/", "host": "h",
        "sourceType": "postgres", "database": database, "engineVersion": "17", "toolVersion": "pg_dump 17",
        "timestamp": time.to_string(), "originalFileName": "f", "compression": "zstd:3",
        "encryption": {"format": "age", "recipients": ["age1x"]}, "size": {"plain": 300, "stored": 200},
        "checksum": {"sha256Plain": "aa", "sha256Stored": "bb", "dropboxContentHash": "cc"}, "trigger": "manual", "locked": false, "rows": {"total": 7, "tables": 2},
        "warnings": [{"code": "unlogged-tables", "message": "m"}]
    }))
    .unwrap()
}

fn name_of(path: &str) -> BackupName {
    BackupName::parse(path.rsplit('/').next().unwrap()).unwrap()
}

pub(crate) fn path(job: &str, hour: u8, database: &str) -> String {
    format!("{job}/backup_2026-01-15T{hour:02}-00-00_{database}.dump.zst.age")
}

pub(crate) fn found(path: &str, modified: i64) -> FoundCopy {
    let file = |size| FoundFile { size, modified: Some(at(modified)) };
    let job = path.split('/').next().unwrap().to_owned();
    FoundCopy { path: path.to_owned(), job, name: name_of(path), file: file(200), sidecar: Some(file(50)) }
}

fn bare(path: &str) -> FoundCopy {
    FoundCopy { sidecar: None, ..found(path, 0) }
}

pub(crate) async fn record(catalog: &Catalog, destination_id: &str, path: &str, sidecar: &Sidecar, now: Timestamp) {
    let by = format!("run {}", sidecar.run_id);
    let verification =
        NewVerification { by: &by, how: VerificationMethod::OwnHash, result: VerificationResult::Whole, detail: "" };
    let new = NewCopy {
        destination_id,
        path,
        job: path.split('/').next().unwrap(),
        name: &name_of(path),
        sidecar: Some(sidecar),
        signature: Some("ed25519:k"),
        stored_size: 200,
        epoch: catalog.epoch(destination_id).await.unwrap(),
        verification: Some(verification),
    };
    catalog.record_copy(&new, now).await.unwrap();
}

/// A scan from its beginning to its end, at which everything else was read.
pub(crate) async fn scan(
    catalog: &Catalog,
    destination_id: &str,
    found: &[FoundCopy],
    unread: &[String],
    now: Timestamp,
) -> (i64, i64) {
    let number = catalog.begin_scan(destination_id, LEASE, now).await.unwrap().unwrap();
    let adopted = catalog.reconcile(destination_id, number, found, now).await.unwrap().unwrap();
    let scope = SweepScope { unread, ignores_case: false };
    let (mut missing, mut after) = (0, Some(String::new()));
    while let Some(start) = after.take() {
        let (marked, next) = catalog.sweep(destination_id, number, &scope, &start, now).await.unwrap();
        missing += marked;
        after = next;
    }
    let end = ScanEnd { state: ScanState::Complete, found: 0, adopted, missing, error: None, unreadable: Vec::new() };
    catalog.finish_scan(destination_id, number, &end, now).await.unwrap();
    (adopted, missing)
}

/// What the latest scan has found beside a copy.
async fn read_beside(catalog: &Catalog, destination_id: &str, copy: &UnreadCopy, found: &FoundSidecar, now: Timestamp) {
    let number = catalog.scan(destination_id).await.unwrap().unwrap().number;
    let job = copy.path.split('/').next().unwrap();
    let name = (job, &name_of(&copy.path));
    catalog.record_sidecar((destination_id, number), copy, name, found, now).await.unwrap();
}

async fn everything(catalog: &Catalog) -> Vec<StoredBackup> {
    catalog.backups(&BackupFilter::default(), &ALL).await.unwrap().items
}

pub(crate) async fn with_destinations(store: &Store) -> (Catalog, String, String) {
    let catalog = store.open().await;
    let one = catalog.create_destination(&destination("One"), at(0)).await.unwrap().id;
    let two = catalog.create_destination(&destination("Two"), at(0)).await.unwrap().id;
    (catalog, one, two)
}

async fn a_recorded_copy_comes_back_with_all_that_is_known_of_it(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let path = path("shop", 12, "orders");
    record(&catalog, &one, &path, &sidecar("b", "shop", "orders", at(0)), at(1)).await;
    let copy = catalog.backup_at(&one, &path).await.unwrap().unwrap();
    assert_eq!((copy.state, copy.job.as_str(), copy.database.as_deref()), (CopyState::Present, "shop", Some("orders")));
    assert_eq!((copy.job_id.as_deref(), copy.run_id.as_deref()), (Some("job-1"), Some("run-1")));
    assert_eq!(
        (copy.source_type.as_str(), copy.compression.as_deref(), copy.encrypted),
        ("postgres", Some("zst"), true)
    );
    assert_eq!((copy.dumped_size, copy.stored_size), (Some(300), 200));
    assert_eq!((copy.dump_hashes["sha256"].as_str(), copy.hashes["sha256"].as_str()), ("aa", "bb"));
    assert_eq!((copy.row_count, copy.table_count), (Some(7), Some(2)));
    assert_eq!(copy.hashes["dropboxContentHash"], "cc");
    assert_eq!(
        (copy.encrypted_to, copy.warnings.len(), copy.sidecar),
        (vec!["age1x".to_owned()], 1, SidecarKnown::Read)
    );
    assert_eq!((copy.signature.as_deref(), copy.destination.as_str()), (Some("ed25519:k"), "One"));
    assert_eq!((copy.first_seen_at, copy.created_at), (at(1).into(), at(0).into()));
    assert_eq!(copy.verified_result, Some(VerificationResult::Whole));
    let later = NewVerification {
        by: "user anna",
        how: VerificationMethod::ReadBack,
        result: VerificationResult::Altered,
        detail: "size",
    };
    assert!(catalog.record_verification((&one, 0), &path, &later, at(2)).await.unwrap());
    assert!(!catalog.record_verification((&one, 0), "shop/nothing", &later, at(2)).await.unwrap());
    let copy = catalog.backup_at(&one, &path).await.unwrap().unwrap();
    assert_eq!(copy.verified_result, Some(VerificationResult::Altered));
    assert_eq!((copy.verified_at, copy.verified_by.as_deref()), (Some(at(2).into()), Some("user anna")));
    let stored = catalog.verifications(&one, &path).await.unwrap();
    assert_eq!(stored.iter().map(|it| it.verified_by.as_str()).collect::<Vec<_>>(), ["user anna", "run run-1"]);

    let before = catalog.begin_deletion((&one, 0), &path, at(3)).await.unwrap();
    assert_eq!(everything(&catalog).await[0].state, CopyState::Deleting);
    catalog.abandon_deletion((&one, 0), &path, &before, at(3)).await.unwrap();
    assert_eq!(everything(&catalog).await[0].state, CopyState::Present);
    catalog.begin_deletion((&one, 0), &path, at(3)).await.unwrap();
    catalog.end_deletion((&one, 0), &path, at(4)).await.unwrap();
    assert!(everything(&catalog).await.is_empty());
    assert_eq!(catalog.backup_at(&one, &path).await.unwrap().unwrap().state, CopyState::Deleted);
}

async fn copies_of_one_backup_share_it_and_a_sidecar_that_lies_does_not(store: Store) {
    let (catalog, one, two) = with_destinations(&store).await;
    let path = path("shop", 12, "orders");
    let mut of_shop = sidecar("b", "shop", "orders", at(0));
    record(&catalog, &one, &path, &of_shop, at(1)).await;
    // A copy's sidecar has an id of its own, and the hashes of its storage.
    (of_shop.id, of_shop.checksum.others) = ("c".to_owned(), Hashes::default());
    record(&catalog, &two, &path, &of_shop, at(1)).await;
    let copies = everything(&catalog).await;
    assert_eq!(copies[0].backup_id, copies[1].backup_id);
    // The same run, but other bytes: another backup. And neither job nor database are what the folder and the name do not say.
    let mut lie = sidecar("b", "blog", "users", at(0));
    lie.checksum.sha256_plain = "dd".to_owned();
    let other = self::path("shop", 13, "orders");
    record(&catalog, &two, &other, &lie, at(1)).await;
    let lying = catalog.backup_at(&two, &other).await.unwrap().unwrap();
    assert_ne!(lying.backup_id, copies[0].backup_id);
    assert_eq!((lying.job.as_str(), lying.database.as_deref()), ("shop", Some("orders")));
}

async fn a_scan_adopts_what_is_unknown_by_its_name_and_then_by_its_sidecar(store: Store) {
    let (catalog, one, two) = with_destinations(&store).await;
    let paths = [path("shop", 12, "orders"), path("shop", 13, "orders"), path("blog", 14, "posts")];
    let listed = [found(&paths[0], 1), found(&paths[1], 1), bare(&paths[2])];
    assert_eq!(scan(&catalog, &one, &listed, &[], at(5)).await, (3, 0));
    let known = everything(&catalog).await;
    assert_eq!(known.iter().map(|copy| copy.path.as_str()).collect::<Vec<_>>(), [&*paths[2], &*paths[1], &*paths[0]]);
    let states: Vec<_> = known.iter().map(|copy| copy.sidecar).collect();
    assert_eq!(states, [SidecarKnown::Absent, SidecarKnown::Unread, SidecarKnown::Unread]);
    // Page by page, the newest first.
    let first = catalog.unread_copies(&one, None, 1).await.unwrap().remove(0);
    let second = catalog.unread_copies(&one, Some(&first), 1).await.unwrap().remove(0);
    assert_eq!((first.path.as_str(), second.path.as_str()), (&*paths[1], &*paths[0]));
    let of_shop = sidecar("b", "shop", "orders", at(3600));
    record(&catalog, &two, &paths[1], &of_shop, at(6)).await;
    let read = FoundSidecar::Read(Box::new(of_shop), "unsigned".to_owned());
    read_beside(&catalog, &one, &first, &read, at(7)).await;
    read_beside(&catalog, &one, &second, &FoundSidecar::Unreadable, at(7)).await;
    assert!(catalog.unread_copies(&one, None, 10).await.unwrap().is_empty());
    let copy = catalog.backup_at(&one, &paths[1]).await.unwrap().unwrap();
    assert_eq!(
        (copy.sidecar, copy.dumped_size, copy.signature.as_deref()),
        (SidecarKnown::Read, Some(300), Some("unsigned"))
    );
    assert_eq!(copy.backup_id, catalog.backup_at(&two, &paths[1]).await.unwrap().unwrap().backup_id);
    assert_eq!(store.sql("SELECT count(*) FROM backups"), "3", "what its name told has no copy left");
    // Nothing is new to the next scan, and no sidecar is read again.
    assert_eq!(scan(&catalog, &one, &listed, &[], at(8)).await, (0, 0));
    assert!(catalog.unread_copies(&one, None, 10).await.unwrap().is_empty());
    // What a run has recorded is completed by the first scan that sees it; from then on a change is seen.
    assert_eq!(scan(&catalog, &two, &[found(&paths[1], 6)], &[], at(9)).await, (0, 0));
    assert!(catalog.unread_copies(&two, None, 10).await.unwrap().is_empty());
    assert_eq!(
        scan(&catalog, &two, &[FoundCopy { file: found(&paths[1], 6).file, ..found(&paths[1], 7) }], &[], at(9)).await,
        (0, 0)
    );
    assert_eq!(catalog.unread_copies(&two, None, 10).await.unwrap().len(), 1);
}

async fn a_copy_that_is_gone_is_missing_and_comes_back_when_it_is_found(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let path = path("shop", 12, "orders");
    // All in one moment, and with a clock that goes back: the order is not the clock's.
    record(&catalog, &one, &path, &sidecar("b", "shop", "orders", at(0)), at(100)).await;
    assert_eq!(scan(&catalog, &one, &[], &[], at(0)).await, (0, 1));
    let missing = everything(&catalog).await.remove(0);
    assert_eq!((missing.state, missing.last_seen_at), (CopyState::Missing, at(100).into()));
    let only = BackupFilter { status: Some(BackupStatus::Missing), ..BackupFilter::default() };
    assert_eq!(catalog.backups(&only, &ALL).await.unwrap().items.len(), 1);
    assert_eq!(scan(&catalog, &one, &[], &[], at(0)).await, (0, 0));
    assert_eq!(scan(&catalog, &one, &[found(&path, 0)], &[], at(0)).await, (0, 0));
    let back = everything(&catalog).await.remove(0);
    assert_eq!((back.state, back.verified_result), (CopyState::Present, Some(VerificationResult::Whole)));
    // One whose deletion began and did not end here was deleted if it is gone, and not if it is there.
    catalog.begin_deletion((&one, 0), &path, at(0)).await.unwrap();
    scan(&catalog, &one, &[found(&path, 0)], &[], at(0)).await;
    assert_eq!(everything(&catalog).await[0].state, CopyState::Present);
    catalog.begin_deletion((&one, 0), &path, at(0)).await.unwrap();
    assert_eq!(scan(&catalog, &one, &[], &[], at(0)).await, (0, 0));
    assert_eq!(catalog.backup_at(&one, &path).await.unwrap().unwrap().state, CopyState::Deleted);
    // What was deleted and is there again is present.
    scan(&catalog, &one, &[found(&path, 0)], &[], at(0)).await;
    assert_eq!(everything(&catalog).await[0].state, CopyState::Present);
}

async fn what_could_not_be_read_is_not_missing(store: Store) {
    let (catalog, one, two) = with_destinations(&store).await;
    let (read, unread, neighbour) = (path("shop", 12, "a"), path("blog", 12, "a"), path("blog2", 12, "a"));
    let listed = [bare(&read), bare(&unread), bare(&neighbour)];
    scan(&catalog, &one, &listed, &[], at(0)).await;
    scan(&catalog, &two, &listed, &[], at(0)).await;
    assert_eq!(scan(&catalog, &one, &[], &["blog".to_owned()], at(1)).await, (0, 2));
    let state = async |path: &str| catalog.backup_at(&one, path).await.unwrap().unwrap().state;
    assert_eq!(state(&unread).await, CopyState::Present);
    assert_eq!((state(&read).await, state(&neighbour).await), (CopyState::Missing, CopyState::Missing));
    assert_eq!(catalog.backup_at(&two, &read).await.unwrap().unwrap().state, CopyState::Present, "another destination");
    // Nothing at all was read.
    assert_eq!(scan(&catalog, &two, &[], &[String::new()], at(1)).await, (0, 0));
}

async fn what_changes_during_a_scan_is_newer_than_the_scan(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let (deleted, published) = (path("shop", 12, "a"), path("shop", 13, "a"));
    scan(&catalog, &one, &[bare(&deleted)], &[], at(0)).await;
    let number = catalog.begin_scan(&one, LEASE, at(1)).await.unwrap().unwrap();
    // The listing has the one and not the other.
    catalog.begin_deletion((&one, 0), &deleted, at(1)).await.unwrap();
    catalog.end_deletion((&one, 0), &deleted, at(1)).await.unwrap();
    record(&catalog, &one, &published, &sidecar("b", "shop", "a", at(3600)), at(1)).await;
    assert_eq!(catalog.reconcile(&one, number, &[bare(&deleted)], at(1)).await.unwrap(), Some(0));
    assert_eq!(catalog.sweep(&one, number, &SweepScope::default(), "", at(1)).await.unwrap(), (0, None));
    assert_eq!(catalog.backup_at(&one, &deleted).await.unwrap().unwrap().state, CopyState::Deleted);
    assert_eq!(catalog.backup_at(&one, &published).await.unwrap().unwrap().state, CopyState::Present);
}

async fn a_file_that_was_replaced_is_read_anew_and_loses_its_verification(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let path = path("shop", 12, "orders");
    record(&catalog, &one, &path, &sidecar("b", "shop", "orders", at(0)), at(0)).await;
    scan(&catalog, &one, &[found(&path, 1)], &[], at(1)).await;
    assert_eq!(everything(&catalog).await[0].verified_result, Some(VerificationResult::Whole));
    scan(&catalog, &one, &[found(&path, 2)], &[], at(2)).await;
    let replaced = everything(&catalog).await.remove(0);
    assert_eq!((replaced.verified_result, replaced.sidecar, replaced.dumped_size), (None, SidecarKnown::Unread, None));
    assert_eq!(store.sql("SELECT count(*) FROM backups"), "1");
    // A sidecar that was removed leaves what it said.
    let read = FoundSidecar::Read(Box::new(sidecar("b", "shop", "orders", at(0))), "wrong".to_owned());
    let unread = catalog.unread_copies(&one, None, 1).await.unwrap().remove(0);
    read_beside(&catalog, &one, &unread, &read, at(3)).await;
    scan(&catalog, &one, &[FoundCopy { sidecar: None, ..found(&path, 2) }], &[], at(4)).await;
    let left = everything(&catalog).await.remove(0);
    assert_eq!((left.sidecar, left.dumped_size), (SidecarKnown::Absent, Some(300)));
}

async fn a_path_that_is_listed_in_another_case_is_the_same_copy(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let (written, listed) = (path("Shop", 12, "orders"), path("shop", 12, "orders"));
    let of_shop = sidecar("b", "Shop", "orders", at(0));
    record(&catalog, &one, &written, &of_shop, at(0)).await;
    let number = catalog.begin_scan(&one, LEASE, at(1)).await.unwrap().unwrap();
    catalog.reconcile(&one, number, &[found(&listed, 0)], at(1)).await.unwrap();
    // Sidecars are read after the sweep.
    assert_eq!(catalog.sweep(&one, number, &SweepScope::default(), "", at(1)).await.unwrap().0, 0);
    let unread = catalog.unread_copies(&one, None, 1).await.unwrap().remove(0);
    let read = FoundSidecar::Read(Box::new(of_shop), "unsigned".to_owned());
    read_beside(&catalog, &one, &unread, &read, at(1)).await;
    let copies = everything(&catalog).await;
    assert_eq!(copies.iter().map(|copy| copy.path.as_str()).collect::<Vec<_>>(), [listed]);
}

async fn a_file_that_differs_by_case_only_is_a_copy_of_its_own_where_case_counts(store: Store) {
    let (catalog, one, two) = with_destinations(&store).await;
    let (upper, lower) = (path("Shop", 12, "orders"), path("shop", 12, "orders"));
    for (id, ignores_case) in [(&one, false), (&two, true)] {
        scan(&catalog, id, &[found(&upper, 1), found(&lower, 1)], &[], at(1)).await;
        let number = catalog.begin_scan(id, LEASE, at(2)).await.unwrap().unwrap();
        catalog.reconcile(id, number, &[found(&lower, 1)], at(2)).await.unwrap();
        let scope = SweepScope { unread: &[], ignores_case };
        catalog.sweep(id, number, &scope, "", at(2)).await.unwrap();
    }
    let state = async |id: &str| catalog.backup_at(id, &upper).await.unwrap().map(|copy| copy.state);
    assert_eq!(state(&one).await, Some(CopyState::Missing), "the other file is not this one");
    assert_eq!(state(&two).await, None, "it is the same file");
}

async fn a_change_of_the_destination_leaves_its_copies_unconfirmed_until_a_scan_has_seen_them(store: Store) {
    let (catalog, one, two) = with_destinations(&store).await;
    let [listed, unlisted, left, unread] =
        [("shop", 12), ("shop", 13), ("shop", 14), ("blog", 12)].map(|(job, hour)| path(job, hour, "orders"));
    for path in [&listed, &unlisted, &left, &unread] {
        record(&catalog, &one, path, &sidecar(path, "shop", "orders", at(0)), at(0)).await;
    }
    record(&catalog, &two, &listed, &sidecar("b", "shop", "orders", at(0)), at(0)).await;
    scan(&catalog, &one, &[found(&listed, 1)], &["shop".to_owned(), "blog".to_owned()], at(1)).await;
    let state = async |path: &str| catalog.backup_at(&one, path).await.unwrap().unwrap().state;
    // Another name is no other place.
    catalog.update_destination(&one, 1, &destination("Renamed"), at(2)).await.unwrap().unwrap();
    assert_eq!(state(&listed).await, CopyState::Present);
    assert!(catalog.scan(&one).await.unwrap().unwrap().complete_at.is_some());

    let old = catalog.begin_scan(&one, LEASE, at(3)).await.unwrap().unwrap();
    let mut elsewhere = destination("Renamed");
    elsewhere.settings["folder"] = json!("/elsewhere");
    catalog.update_destination(&one, 2, &elsewhere, at(3)).await.unwrap().unwrap();
    assert_eq!((state(&listed).await, state(&left).await), (CopyState::Unconfirmed, CopyState::Unconfirmed));
    // A deletion that is refused confirms nothing.
    let epoch = catalog.epoch(&one).await.unwrap();
    let before = catalog.begin_deletion((&one, epoch), &listed, at(3)).await.unwrap();
    catalog.abandon_deletion((&one, epoch), &listed, &before, at(3)).await.unwrap();
    assert_eq!(state(&listed).await, CopyState::Unconfirmed);
    let copies = everything(&catalog).await;
    let present = copies.iter().filter(|copy| copy.state == CopyState::Present);
    assert!(present.map(|copy| &copy.destination_id).eq([&two]), "at the other destination only: {copies:?}");
    let latest = catalog.scan(&one).await.unwrap().unwrap();
    assert_eq!((latest.state, latest.complete_at, latest.finished_at), (ScanState::Cancelled, None, None));
    // The scan of the place before ends without effect.
    assert!(!catalog.renew_scan(&one, old, LEASE, [1, 0]).await.unwrap());
    assert_eq!(catalog.reconcile(&one, old, &[found(&left, 1)], at(4)).await.unwrap(), None);
    assert_eq!(catalog.sweep(&one, old, &SweepScope::default(), "", at(4)).await.unwrap(), (0, None));
    assert_eq!(state(&left).await, CopyState::Unconfirmed);

    // A file of the same time is the same; another one, or one whose time was never known, is to be looked at anew.
    let number = catalog.begin_scan(&one, LEASE, at(5)).await.unwrap().unwrap();
    let page = [found(&listed, 1), found(&unlisted, 1)];
    assert_eq!(catalog.reconcile(&one, number, &page, at(5)).await.unwrap(), Some(0));
    let scope = SweepScope { unread: &["blog".to_owned()], ignores_case: false };
    assert_eq!(catalog.sweep(&one, number, &scope, "", at(5)).await.unwrap().0, 1);
    let copy = async |path: &str| catalog.backup_at(&one, path).await.unwrap().unwrap();
    let (listed, unlisted) = (copy(&listed).await, copy(&unlisted).await);
    assert_eq!((listed.state, listed.verified_result), (CopyState::Present, Some(VerificationResult::Whole)));
    assert_eq!((unlisted.state, unlisted.verified_result), (CopyState::Present, None));
    assert_eq!((state(&left).await, state(&unread).await), (CopyState::Missing, CopyState::Unconfirmed));
    // What a run publishes there now is there.
    record(&catalog, &one, &unread, &sidecar("c", "blog", "orders", at(0)), at(6)).await;
    assert_eq!(state(&unread).await, CopyState::Present);
}

async fn what_was_done_at_the_place_before_is_not_recorded_of_the_place_now(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let (known, new, of_shop) =
        (path("shop", 12, "orders"), path("shop", 13, "orders"), sidecar("b", "shop", "orders", at(0)));
    record(&catalog, &one, &known, &of_shop, at(0)).await;
    let epoch = catalog.epoch(&one).await.unwrap();
    let mut elsewhere = destination("One");
    elsewhere.settings["folder"] = json!("/elsewhere");
    catalog.update_destination(&one, 1, &elsewhere, at(1)).await.unwrap().unwrap();
    scan(&catalog, &one, &[found(&known, 1)], &[], at(2)).await;
    // A run, a verification and a deletion that began before.
    let verification = NewVerification {
        by: "run run-1",
        how: VerificationMethod::ReadBack,
        result: VerificationResult::Whole,
        detail: "",
    };
    let name = name_of(&new);
    let published = NewCopy {
        destination_id: &one,
        path: &new,
        job: "shop",
        name: &name,
        sidecar: Some(&of_shop),
        signature: None,
        stored_size: 200,
        epoch,
        verification: Some(verification),
    };
    catalog.record_copy(&published, at(3)).await.unwrap();
    assert!(catalog.record_verification((&one, epoch), &known, &verification, at(3)).await.unwrap());
    catalog.end_deletion((&one, epoch), &known, at(3)).await.unwrap();
    let copies = everything(&catalog).await;
    assert_eq!(copies.len(), 1);
    assert_eq!((copies[0].state, copies[0].verified_result), (CopyState::Present, None));
    assert!(catalog.epoch(&one).await.unwrap() > epoch);
}

async fn a_grant_for_another_account_leaves_the_copies_unconfirmed(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let path = path("shop", 12, "orders");
    let state = async || catalog.backup_at(&one, &path).await.unwrap().unwrap().state;
    let grant = async |account: &str, app_changed: bool| {
        let authorization: AuthorizationState = serde_json::from_value(json!({
            "accountId": account, "accountName": "A", "email": "e", "team": null, "scopes": [], "used": null,
            "allowed": null, "authorizedAt": at(0).to_string(), "checkedAt": at(0).to_string(), "broken": null,
            "appChanged": app_changed
        }))
        .unwrap();
        catalog.set_grant(&one, &"token".into(), &authorization).await.unwrap();
    };
    grant("a", false).await;
    record(&catalog, &one, &path, &sidecar("b", "shop", "orders", at(0)), at(0)).await;
    grant("a", true).await;
    assert_eq!(state().await, CopyState::Present, "the same account");
    grant("a", false).await;
    assert_eq!(state().await, CopyState::Unconfirmed, "another app, which may have a folder of its own");
    scan(&catalog, &one, &[found(&path, 0)], &[], at(1)).await;
    assert_eq!(state().await, CopyState::Present);
    grant("b", false).await;
    assert_eq!(state().await, CopyState::Unconfirmed, "another account");
    scan(&catalog, &one, &[found(&path, 0)], &[], at(2)).await;
    let revision = catalog.destination(&one).await.unwrap().unwrap().revision;
    let removed = NewDestination { grant: GrantChange::Remove, secrets: BTreeMap::new(), ..destination("one") };
    catalog.update_destination(&one, revision, &removed, at(3)).await.unwrap().unwrap();
    assert_eq!(state().await, CopyState::Unconfirmed, "the next access may be another account's");
}

async fn a_weaker_verification_never_takes_the_place_of_a_better_one(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let (path, of_shop) = (path("shop", 12, "orders"), sidecar("b", "shop", "orders", at(0)));
    let weak = NewVerification {
        by: "run run-1",
        how: VerificationMethod::SizeAndTag,
        result: VerificationResult::Unknown,
        detail: "",
    };
    let found_again = NewCopy {
        destination_id: &one,
        path: &path,
        job: "shop",
        name: &name_of(&path),
        sidecar: Some(&of_shop),
        signature: None,
        stored_size: 200,
        epoch: 0,
        verification: Some(weak),
    };
    let last = async || {
        let copy = catalog.backup_at(&one, &path).await.unwrap().unwrap();
        (copy.verified_how, copy.verified_result)
    };
    catalog.record_copy(&found_again, at(0)).await.unwrap();
    assert_eq!(last().await, (Some(VerificationMethod::SizeAndTag), Some(VerificationResult::Unknown)));
    record(&catalog, &one, &path, &of_shop, at(1)).await;
    let whole = (Some(VerificationMethod::OwnHash), Some(VerificationResult::Whole));
    assert_eq!(last().await, whole);
    // As the settlement of an abandoned run finds it.
    catalog.record_copy(&found_again, at(2)).await.unwrap();
    assert_eq!(last().await, whole);
    catalog.record_verification((&one, 0), &path, &weak, at(3)).await.unwrap();
    assert_eq!(last().await, whole);
    let altered = NewVerification { result: VerificationResult::Altered, how: VerificationMethod::Deep, ..weak };
    catalog.record_verification((&one, 0), &path, &altered, at(4)).await.unwrap();
    catalog.record_copy(&found_again, at(5)).await.unwrap();
    assert_eq!(last().await, (Some(VerificationMethod::Deep), Some(VerificationResult::Altered)));
    // Another file at the same path has nothing of it.
    catalog.begin_deletion((&one, 0), &path, at(6)).await.unwrap();
    catalog.end_deletion((&one, 0), &path, at(6)).await.unwrap();
    catalog.record_copy(&found_again, at(7)).await.unwrap();
    assert_eq!(last().await, (Some(VerificationMethod::SizeAndTag), Some(VerificationResult::Unknown)));
}

async fn a_scan_that_was_replaced_changes_nothing(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let (published, gone) = (path("shop", 12, "orders"), path("shop", 13, "orders"));
    scan(&catalog, &one, &[found(&published, 0)], &[], at(0)).await;
    let unread = catalog.unread_copies(&one, None, 1).await.unwrap().remove(0);
    // Its server hangs until its lease has ended.
    let first = catalog.begin_scan(&one, SignedDuration::from_secs(-1), at(1)).await.unwrap().unwrap();
    let second = catalog.begin_scan(&one, LEASE, at(2)).await.unwrap().unwrap();
    catalog.reconcile(&one, second, &[found(&published, 5)], at(2)).await.unwrap().unwrap();
    assert_eq!(catalog.reconcile(&one, first, &[found(&published, 0), found(&gone, 0)], at(3)).await.unwrap(), None);
    assert_eq!(catalog.sweep(&one, first, &SweepScope::default(), "", at(3)).await.unwrap(), (0, None));
    let name = ("shop", &name_of(&published));
    catalog.record_sidecar((&one, first), &unread, name, &FoundSidecar::Unreadable, at(3)).await.unwrap();
    let copies = everything(&catalog).await;
    assert_eq!(copies.len(), 1);
    assert_eq!((copies[0].state, copies[0].sidecar), (CopyState::Present, SidecarKnown::Unread));
    assert_eq!(store.sql(&format!("SELECT scan FROM copies WHERE path = '{published}'")), second.to_string());
}

async fn what_a_run_records_while_a_scan_reads_is_never_overwritten_by_it(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let number = catalog.begin_scan(&one, LEASE, at(1)).await.unwrap().unwrap();
    for database in 0..100 {
        let path = path("shop", 12, &format!("db{database}"));
        // Listed in the moment between the backup and its sidecar.
        let listed = [bare(&path)];
        let of_shop = sidecar("b", "shop", "orders", at(0));
        let (reconciled, ()) = tokio::join!(
            catalog.reconcile(&one, number, &listed, at(1)),
            record(&catalog, &one, &path, &of_shop, at(1)),
        );
        reconciled.unwrap().unwrap();
        let copy = catalog.backup_at(&one, &path).await.unwrap().unwrap();
        assert_eq!((copy.sidecar, copy.verified_result), (SidecarKnown::Read, Some(VerificationResult::Whole)));
    }
}

async fn one_scan_per_destination_at_a_time(store: Store) {
    let (catalog, one, two) = with_destinations(&store).await;
    let first = catalog.begin_scan(&one, LEASE, at(0)).await.unwrap().unwrap();
    assert_eq!(catalog.begin_scan(&one, LEASE, at(0)).await.unwrap(), None);
    assert!(catalog.begin_scan(&two, LEASE, at(0)).await.unwrap().is_some());
    assert!(catalog.renew_scan(&one, first, LEASE, [7, 3]).await.unwrap());
    assert_eq!(catalog.scan(&one).await.unwrap().unwrap().found, 7);
    assert!(catalog.cancel_scan(&one).await.unwrap());
    assert!(!catalog.renew_scan(&one, first, LEASE, [8, 3]).await.unwrap());
    // Its server is gone: another one takes over, and the first changes nothing any more.
    assert!(!catalog.renew_scan(&one, first, SignedDuration::from_secs(-1), [8, 3]).await.unwrap());
    let second = catalog.begin_scan(&one, LEASE, at(1)).await.unwrap().unwrap();
    assert!(second > first);
    assert!(!catalog.renew_scan(&one, first, LEASE, [9, 3]).await.unwrap());
    let end = |state| ScanEnd { state, found: 1, adopted: 1, missing: 0, error: None, unreadable: Vec::new() };
    catalog.finish_scan(&one, first, &end(ScanState::Failed), at(2)).await.unwrap();
    assert_eq!(catalog.scan(&one).await.unwrap().unwrap().state, ScanState::Running);
    catalog.finish_scan(&one, second, &end(ScanState::Complete), at(2)).await.unwrap();
    assert!(!catalog.cancel_scan(&one).await.unwrap());
    catalog.end_abandoned_scans(at(3)).await.unwrap();
    let scans = catalog.scans().await.unwrap();
    let states: Vec<_> = scans.iter().map(|scan| (scan.state, scan.complete_at)).collect();
    assert_eq!(states, [(ScanState::Complete, Some(at(2).into())), (ScanState::Failed, None)]);
    catalog.begin_scan(&one, LEASE, at(4)).await.unwrap().unwrap();
    assert_eq!(catalog.scan(&one).await.unwrap().unwrap().complete_at, Some(at(2).into()));
}

async fn lists_are_filtered_and_go_on_where_they_stopped(store: Store) {
    let (catalog, one, two) = with_destinations(&store).await;
    let mut listed = Vec::new();
    for hour in 0..3 {
        for (job, database) in [("shop", "orders"), ("shop", "users"), ("Blog_1 ü", "users")] {
            listed.push(bare(&path(job, hour, database)));
        }
    }
    scan(&catalog, &one, &listed, &[], at(0)).await;
    scan(&catalog, &two, &listed[..4], &[], at(0)).await;
    let count = async |filter: BackupFilter| {
        let list = async |page: PageRequest| catalog.backups(&filter, &page).await;
        let forwards = all_pages(list, StoredBackup::place).await;
        let filter = BackupFilter { oldest_first: true, ..filter.clone() };
        let list = async |page: PageRequest| catalog.backups(&filter, &page).await;
        let mut backwards = all_pages(list, StoredBackup::place).await;
        backwards.reverse();
        assert_eq!(forwards, backwards);
        let summary = catalog.backup_summary(&filter).await.unwrap();
        let copies = i64::try_from(forwards.len()).unwrap();
        assert_eq!((summary.copies, summary.stored_size), (copies, copies * 200));
        forwards.len()
    };
    let text = |text: &str| Some(text.to_owned());
    let filter = BackupFilter::default;
    assert_eq!(count(filter()).await, 13);
    assert_eq!(count(BackupFilter { destination_id: Some(two.clone()), ..filter() }).await, 4);
    assert_eq!(count(BackupFilter { job: text("shop"), ..filter() }).await, 9);
    assert_eq!(count(BackupFilter { database: text("users"), destination_id: Some(one.clone()), ..filter() }).await, 6);
    assert_eq!(count(BackupFilter { job: text("none"), ..filter() }).await, 0);
    for (search, expected) in [
        ("BLOG_1", 4),
        ("blog%1", 0),
        ("Ü users", 4),
        ("two orders", 2),
        (" ", 13),
        ("nothing", 0),
        ("two", 4),
        ("\\", 0),
        ("SHOP/backup_2026-01-15T00", 4),
        ("backup_2026-01-15t02 blog", 1),
    ] {
        assert_eq!(count(BackupFilter { search: text(search), ..filter() }).await, expected, "{search}");
    }
    let midnight: Timestamp = "2026-01-15T00:00:00Z".parse().unwrap();
    let hour = |hours| Some(midnight + SignedDuration::from_hours(hours));
    assert_eq!(count(BackupFilter { from: hour(1), to: hour(2), ..filter() }).await, 4);
    assert_eq!(count(BackupFilter { status: Some(BackupStatus::NoSidecar), ..filter() }).await, 13);
    assert_eq!(count(BackupFilter { status: Some(BackupStatus::Unverified), job: text("shop"), ..filter() }).await, 9);
    for (status, expected) in [
        (BackupStatus::Encrypted, 13),
        (BackupStatus::Unencrypted, 0),
        (BackupStatus::Verified, 0),
        (BackupStatus::Altered, 0),
        (BackupStatus::Missing, 0),
    ] {
        assert_eq!(count(BackupFilter { status: Some(status), ..filter() }).await, expected, "{status:?}");
    }
    let names = catalog.backup_names().await.unwrap();
    assert_eq!((names.jobs.len(), names.databases), (2, vec!["orders".to_owned(), "users".to_owned()]));
    // A cursor of another list starts from the beginning.
    let page = PageRequest { after: text("x"), limit: 100 };
    assert_eq!(catalog.backups(&filter(), &page).await.unwrap().items.len(), 13);
    // More series than are merged.
    let many: Vec<FoundCopy> = (0..300).map(|number| bare(&path(&format!("many {number}"), 5, "x"))).collect();
    scan(&catalog, &one, &many, &[], at(1)).await;
    let page = PageRequest { after: None, limit: 250 };
    let many = catalog.backups(&BackupFilter { search: text("many"), ..filter() }, &page).await.unwrap();
    assert_eq!((many.items.len(), many.more), (250, true));
}

async fn a_removed_destination_takes_its_copies_with_it(store: Store) {
    let (catalog, one, two) = with_destinations(&store).await;
    let path = path("shop", 12, "orders");
    for destination in [&one, &two] {
        record(&catalog, destination, &path, &sidecar("b", "shop", "orders", at(0)), at(0)).await;
    }
    let many: Vec<FoundCopy> = (0..450).map(|number| bare(&self::path("many", 5, &format!("x{number}")))).collect();
    scan(&catalog, &one, &many, &[], at(1)).await;
    assert!(catalog.delete_destination(&one, 1, at(9)).await.unwrap());
    assert_eq!(everything(&catalog).await.len(), 1);
    assert_eq!(store.sql("SELECT count(*) FROM backups"), "1");
    assert!(catalog.delete_destination(&two, 1, at(9)).await.unwrap());
    assert_eq!(store.sql("SELECT count(*) FROM backups"), "0");
    assert!(catalog.scans().await.unwrap().is_empty());
}

async fn text_that_one_database_refuses_is_stored_in_both(store: Store) {
    let (catalog, one, _) = with_destinations(&store).await;
    let mut odd = sidecar("b\0", "shop", "orders", at(0));
    odd.source_name = "a\0b".to_owned();
    odd.warnings[0].message = "m\0".to_owned();
    record(&catalog, &one, &path("shop", 12, "orders"), &odd, at(0)).await;
    let copy = everything(&catalog).await.remove(0);
    assert_eq!(copy.source.as_deref(), Some("a\u{fffd}b"));
    // A name that decodes to what PostgreSQL does not store.
    let found = FoundCopy { job: "a\0".to_owned(), ..bare("a%00/backup_2026-01-15T12-00-00_x%00.dump") };
    assert_eq!(scan(&catalog, &one, &[found], &[], at(1)).await.0, 1);
}
