//! What a restored SQLite database is like, and what a failed restore leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sqlite_support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;
use sources::{Error, Guard, Kind, RestoreOptions, Restored};
use sqlite_support::{
    APPLICATION, BACKUP, GROUP, act_as, add_rows, all_rows, codes, dump, folder, give, is_root, must, names, restore,
    restore_with, shared_folder, source,
};
use test_support::Mount;

const MODES: [&str; 4] = ["wal", "delete", "truncate", "persist"];

#[tokio::test]
#[ignore = "run by other tests, as another user"]
async fn as_another_user() {
    let Some(path) = std::env::var_os("DATABASE").map(PathBuf::from) else { return };
    let bytes = fs::read(std::env::var_os("BYTES").unwrap()).unwrap();
    let restored = restore(&path, &bytes, false).await.unwrap();
    println!("warnings: {:?}", restored.warnings);
}

fn create(path: &std::path::Path, mode: &str, page_size: u32, rows: u32) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "page_size", page_size).unwrap();
    connection.pragma_update(None, "journal_mode", mode).unwrap();
    connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT NOT NULL)").unwrap();
    add_rows(&connection, rows);
    connection
}

/// Whether the header names WAL mode: all that a file keeps of its journal mode.
fn is_wal(path: &std::path::Path) -> bool {
    fs::read(path).unwrap()[18..20] == [2, 2]
}

#[tokio::test]
async fn a_restored_database_has_the_journal_mode_and_pages_of_the_backup_whatever_was_there() {
    for source_mode in MODES {
        for source_pages in [1024, 4096, 16384] {
            let (folder, path) = folder();
            drop(create(&path, source_mode, source_pages, 300));
            let (bytes, rows) = (dump(&path).await.unwrap().0, all_rows(&path));
            for target_mode in MODES {
                for target_pages in [512, 4096] {
                    let case = format!("{source_mode} {source_pages} over {target_mode} {target_pages}");
                    let target = folder.path().join("target.db");
                    drop(create(&target, target_mode, target_pages, 900));
                    let restored = restore(&target, &bytes, true).await.unwrap();
                    assert!(restored.warnings.is_empty(), "{case}: {:?}", restored.warnings);
                    assert_eq!(is_wal(&target), source_mode == "wal", "{case}");
                    assert!(all_rows(&target) == rows, "{case}");
                    let pages = Connection::open(&target).unwrap().query_row("PRAGMA page_size", [], |row| row.get(0));
                    assert_eq!(pages, Ok(source_pages), "{case}");
                    let left = names(folder.path()).into_iter().filter(|name| name.starts_with("target.db")).count();
                    assert_eq!(left, 1, "{case}: {:?}", names(folder.path()));
                    fs::remove_file(&target).unwrap();
                }
            }
        }
    }
}

#[tokio::test]
async fn a_database_that_is_open_keeps_wal_mode_with_a_warning_or_is_left_as_it_was() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 4096, 300));
    let (bytes, rows) = (dump(&path).await.unwrap().0, all_rows(&path));
    let target = folder.path().join("same.db");
    let application = create(&target, "wal", 4096, 3);
    assert_eq!(codes(&restore(&target, &bytes, true).await.unwrap().warnings), ["journal-mode-not-set"]);
    assert!(all_rows(&target) == rows && is_wal(&target));
    drop(application);
    let target = folder.path().join("other.db");
    let application = create(&target, "wal", 8192, 3);
    let before = all_rows(&target);
    let error = restore(&target, &bytes, true).await.unwrap_err().to_string();
    assert!(error.contains("has it open") && error.contains("Stop the processes"), "{error}");
    assert!(all_rows(&target) == before);
    drop(application);
    assert!(is_wal(&target));
}

#[tokio::test]
async fn a_restore_that_finds_no_room_leaves_content_and_journal_mode() {
    let (_outer, folder) = shared_folder(0o755);
    let Some(_mount) = Mount::tmpfs(&folder, "16m") else { return };
    let (_inner, path) = sqlite_support::folder();
    drop(create(&path, "delete", 8192, 14_000));
    let bytes = dump(&path).await.unwrap().0;
    for mode in ["wal", "delete"] {
        for pages in [4096, 8192] {
            let target = folder.join("target.db");
            drop(create(&target, mode, pages, 9000));
            let rows = all_rows(&target);
            fs::write(folder.join("filler"), vec![1_u8; 2 << 20]).unwrap();
            let error = restore(&target, &bytes, true).await.unwrap_err().to_string();
            assert!(error.contains("full") && error.contains("Free some space"), "{error}");
            assert_eq!(is_wal(&target), mode == "wal", "{mode} {pages}");
            assert!(all_rows(&target) == rows, "{mode} {pages}");
            assert_eq!(names(&folder), ["filler", "target.db"]);
            fs::remove_file(&target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_new_file_belongs_to_its_folders_owner_or_says_whose_it_is() {
    if !is_root("a_new_file_belongs_to_its_folders_owner") {
        return;
    }
    let (_inner, path) = folder();
    drop(create(&path, "delete", 4096, 30));
    let bytes = dump(&path).await.unwrap().0;
    for (folder_mode, file_mode) in [(0o755, 0o640), (0o2775, 0o660), (0o700, 0o600)] {
        let (_outer, folder) = shared_folder(folder_mode);
        let target = folder.join("new.db");
        assert!(restore(&target, &bytes, false).await.unwrap().warnings.is_empty());
        let new = fs::metadata(&target).unwrap();
        assert_eq!((new.uid(), new.gid(), new.permissions().mode() & 0o777), (APPLICATION, GROUP, file_mode));
    }
    let (outer, folder) = shared_folder(0o2775);
    let dump = outer.path().join("bytes");
    fs::write(&dump, &bytes).unwrap();
    give(&dump, BACKUP, 0o600);
    let target = folder.join("new.db");
    let output = act_as(BACKUP, "restore", &target, &[("BYTES", &dump)]);
    must(&output);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("owner-not-set") && told.contains("chown 1500:1600"), "{told}");
    let new = fs::metadata(&target).unwrap();
    assert_eq!((new.uid(), new.gid(), new.permissions().mode() & 0o777), (BACKUP, GROUP, 0o660));
}

#[tokio::test]
async fn a_replaced_file_keeps_owner_and_mode() {
    if !is_root("a_replaced_file_keeps_owner_and_mode") {
        return;
    }
    let (_inner, path) = folder();
    drop(create(&path, "delete", 4096, 30));
    let bytes = dump(&path).await.unwrap().0;
    let (_outer, folder) = shared_folder(0o755);
    let target = folder.join("app.db");
    drop(create(&target, "wal", 4096, 3));
    give(&target, APPLICATION, 0o604);
    restore(&target, &bytes, true).await.unwrap();
    let replaced = fs::metadata(&target).unwrap();
    assert_eq!((replaced.uid(), replaced.gid(), replaced.permissions().mode() & 0o777), (APPLICATION, GROUP, 0o604));
    assert_eq!(names(&folder), ["app.db"]);
}

#[tokio::test]
async fn a_folder_that_everybody_may_write_to_gives_nothing_away() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 4096, 30));
    let bytes = dump(&path).await.unwrap().0;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    let target = folder.path().join("new.db");
    restore(&target, &bytes, false).await.unwrap();
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn links_are_followed_and_a_dangling_one_is_named() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 4096, 30));
    let (bytes, rows) = (dump(&path).await.unwrap().0, all_rows(&path));
    let (link, real) = (folder.path().join("link.db"), folder.path().join("real.db"));
    symlink(&real, &link).unwrap();
    let error = restore(&link, &bytes, true).await.unwrap_err().to_string();
    assert!(
        error.contains("symbolic link to") && error.contains("real.db") && error.contains("remove the link"),
        "{error}"
    );
    drop(create(&real, "wal", 4096, 3));
    restore(&link, &bytes, true).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && all_rows(&real) == rows);
}

#[tokio::test]
async fn an_empty_database_is_no_data_whatever_its_journal_mode_keeps_beside_it() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 4096, 30));
    let (bytes, rows) = (dump(&path).await.unwrap().0, all_rows(&path));
    for mode in MODES {
        let target = folder.path().join(format!("{mode}.db"));
        let application = create(&target, mode, 4096, 3);
        application.execute_batch("DROP TABLE t").unwrap();
        // What an application that is open in WAL mode has in its log is read.
        restore(&target, &bytes, false).await.unwrap();
        assert!(all_rows(&target) == rows, "{mode}");
    }
}

/// Another process's lock on the target of a restore. At the fourth question it is either released, or the run is cancelled.
struct Locked {
    application: Mutex<(Connection, u32)>,
    releases: bool,
}

#[async_trait]
impl Guard for Locked {
    async fn check(&self) -> Result<(), Error> {
        let mut application = self.application.lock().unwrap();
        application.1 += 1;
        match application.1 {
            4 if self.releases => application.0.execute_batch("COMMIT").map_err(|error| panic!("{error}")),
            4.. if !self.releases => Err(Error::stopped("cancelled")),
            _ => Ok(()),
        }
    }
}

async fn replaced(target: &std::path::Path, bytes: &[u8], guard: Arc<Locked>) -> Result<Restored, Error> {
    let mut restore = source(target).restore(RestoreOptions { overwrite: true, ..Default::default() }).await?;
    restore.guard(guard);
    restore.write(Bytes::copy_from_slice(bytes)).await?;
    restore.finish().await?;
    restore.commit().await
}

#[tokio::test]
async fn a_restore_that_waits_for_a_lock_asks_before_each_try_and_replaces_nothing_after_a_cancel() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 4096, 300));
    let (bytes, rows) = (dump(&path).await.unwrap().0, all_rows(&path));
    for mode in ["delete", "wal"] {
        for releases in [false, true] {
            let target = folder.path().join(format!("{mode}-{releases}.db"));
            drop(create(&target, mode, 4096, 3));
            let before = all_rows(&target);
            let application = Connection::open(&target).unwrap();
            application.execute_batch("BEGIN EXCLUSIVE").unwrap();
            let guard = Arc::new(Locked { application: Mutex::new((application, 0)), releases });
            let replaced = replaced(&target, &bytes, Arc::clone(&guard)).await;
            drop(guard);
            if releases {
                replaced.unwrap();
                assert!(all_rows(&target) == rows, "{mode}");
            } else {
                assert_eq!(*replaced.unwrap_err().kind(), Kind::Stopped, "{mode}");
                assert!(all_rows(&target) == before, "{mode}");
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_goes_on_after_its_headers_size_is_refused_and_leaves_nothing() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 4096, 100));
    let (bytes, _) = dump(&path).await.unwrap();
    let target = folder.path().join("target.db");
    // What an application lets its file grow ahead is no content.
    restore(&target, &[bytes.clone(), vec![0; 1_000_000]].concat(), false).await.unwrap();
    assert_eq!(fs::metadata(&target).unwrap().len(), bytes.len() as u64);
    fs::remove_file(&target).unwrap();
    let error = restore(&target, &[bytes.clone(), vec![1; 1_000_000]].concat(), false).await.unwrap_err().to_string();
    assert!(error.contains(&format!("after the {} bytes that its own header promises", bytes.len())), "{error}");
    assert!(!target.exists());
    // A damaged header bars nobody who wants what is left.
    let mut damaged = bytes.clone();
    damaged[28..32].copy_from_slice(&1_u32.to_be_bytes());
    let error = restore(&target, &damaged, false).await.unwrap_err().to_string();
    assert!(error.contains("--allow-damaged"), "{error}");
    let allow_damaged = RestoreOptions { allow_damaged: true, ..RestoreOptions::default() };
    restore_with(&target, &damaged, allow_damaged).await.unwrap();
    assert_eq!(fs::metadata(&target).unwrap().len(), bytes.len() as u64);
}
