//! What reading a database leaves behind, and where a private copy may lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sqlite_support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sources::{Contents, DumpOptions};
use sqlite_support::{
    APPLICATION, BACKUP, act_as, add_rows, all_rows, codes, create, dump, failed_steps, folder, give, is_root,
    make_fifo, must, names, restore, shared_folder, source,
};
use test_support::Mount;

/// What the tests below let another user do.
/// The end of a private file's name that this machine has written since it started.
fn mark(random: &str) -> String {
    let (host, boot) = pipeline::host::fingerprint();
    format!("{host}-{boot}-{random}")
}

#[tokio::test]
#[ignore = "run by other tests, as another user"]
async fn as_another_user() {
    let Some(path) = std::env::var_os("DATABASE").map(PathBuf::from) else { return };
    let folder = path.parent().unwrap();
    let before = names(folder);
    match std::env::var("ACTION").unwrap().as_str() {
        "back up" => {
            let mut dump = source(&path).dump("it", DumpOptions::default()).await.unwrap();
            let mut bytes = dump.next().await.unwrap().unwrap().to_vec();
            assert_eq!(names(folder), before, "while it is read");
            while let Some(piece) = dump.next().await.unwrap() {
                bytes.extend_from_slice(&piece);
            }
            println!("warnings: {:?}", dump.finish().await.unwrap());
            if let Some(output) = std::env::var_os("OUTPUT") {
                fs::write(output, bytes).unwrap();
            }
        }
        "fail" => {
            let error = dump(&path).await.unwrap_err().to_string();
            assert!(error.contains("DBACKUP_SQLITE_COPY_FOLDER"), "{error}");
            let failed = failed_steps(&path).await.join(" ");
            assert!(failed.starts_with("copy: ") && failed.contains("DBACKUP_SQLITE_COPY_FOLDER"), "{failed}");
        }
        "test" => assert_eq!(failed_steps(&path).await, [""; 0]),
        "look" => assert_eq!(source(&path).contents().await.unwrap(), Contents::Data),
        "write" => add_rows(&Connection::open(&path).unwrap(), 1),
        other => panic!("{other}"),
    }
    if std::env::var_os("ACTION").unwrap() != "write" {
        assert_eq!(names(folder), before);
    }
}

/// A database of the application's, whose rows the backup must have.
fn application_database(folder: &Path, mode: &str, rows: u32) -> (PathBuf, Connection) {
    let path = folder.join("app.db");
    let connection = create(&path, mode, rows);
    give(&path, APPLICATION, 0o644);
    for suffix in ["app.db-wal", "app.db-shm"] {
        if folder.join(suffix).exists() {
            give(&folder.join(suffix), APPLICATION, 0o644);
        }
    }
    (path, connection)
}

/// Backs up as another user, restores, and compares.
async fn backs_up(path: &Path, settings: &[(&str, &Path)], expected: &[(i64, String)]) {
    let output = tempfile::tempdir().unwrap();
    fs::set_permissions(&output, fs::Permissions::from_mode(0o777)).unwrap();
    let bytes = output.path().join("bytes");
    let mut settings = settings.to_vec();
    settings.push(("OUTPUT", &bytes));
    must(&act_as(BACKUP, "back up", path, &settings));
    let copy = output.path().join("copy.db");
    restore(&copy, &fs::read(&bytes).unwrap(), false).await.unwrap();
    assert!(all_rows(&copy) == expected);
}

#[tokio::test]
async fn reading_an_idle_wal_database_leaves_nothing_that_bars_its_application() {
    if !is_root("reading_an_idle_wal_database") {
        return;
    }
    let (_outer, folder) = shared_folder(0o2775);
    let (path, connection) = application_database(&folder, "wal", 2000);
    drop(connection);
    let rows = all_rows(&path);
    for action in ["test", "look", "back up"] {
        must(&act_as(BACKUP, action, &path, &[]));
        assert_eq!(names(&folder), ["app.db"], "{action}");
        must(&act_as(APPLICATION, "write", &path, &[]));
    }
    assert_eq!(all_rows(&path).len(), rows.len() + 3);
    backs_up(&path, &[], &all_rows(&path)).await;
}

#[tokio::test]
async fn a_wal_database_that_its_application_has_open_is_read_without_the_right_to_write() {
    if !is_root("a_wal_database_that_its_application_has_open") {
        return;
    }
    for mode in [0o2775, 0o755] {
        let (_outer, folder) = shared_folder(mode);
        let (path, application) = application_database(&folder, "wal", 2000);
        for action in ["test", "look"] {
            must(&act_as(BACKUP, action, &path, &[]));
        }
        backs_up(&path, &[], &all_rows(&path)).await;
        add_rows(&application, 10);
        for name in ["app.db-wal", "app.db-shm"] {
            assert_eq!(fs::metadata(folder.join(name)).unwrap().uid(), APPLICATION);
        }
        drop(application);
        assert_eq!(names(&folder), ["app.db"]);
    }
}

#[tokio::test]
async fn the_owner_reads_in_place_and_leaves_nothing() {
    let (folder, path) = folder();
    drop(create(&path, "wal", 2000));
    source(&path).contents().await.unwrap();
    assert_eq!(failed_steps(&path).await, [""; 0]);
    assert_eq!(names(folder.path()), ["a shop.db"]);
    let bytes = dump(&path).await.unwrap().0;
    assert_eq!(names(folder.path()), ["a shop.db"]);
    assert_eq!(bytes, fs::read(&path).unwrap());
}

#[tokio::test]
async fn what_a_crashed_application_left_is_read_with_its_journal() {
    if !is_root("what_a_crashed_application_left") {
        return;
    }
    for (mode, journal) in [("wal", "-wal"), ("delete", "-journal")] {
        let (_outer, folder) = shared_folder(0o755);
        let (_inner, live) = sqlite_support::folder();
        let connection = create(&live, mode, 2000);
        let expected = all_rows(&live);
        if mode == "delete" {
            connection.execute_batch("PRAGMA cache_size = 1; BEGIN; UPDATE t SET x = 'unfinished'").unwrap();
        }
        let path = folder.join("app.db");
        for suffix in ["", journal] {
            let copy = folder.join(format!("app.db{suffix}"));
            fs::copy(format!("{}{suffix}", live.display()), &copy).unwrap();
            give(&copy, APPLICATION, 0o644);
        }
        let before = fs::read(&path).unwrap();
        for action in ["test", "look"] {
            must(&act_as(BACKUP, action, &path, &[]));
        }
        backs_up(&path, &[], &expected).await;
        // The owner's way does not change the database either.
        let (bytes, _) = dump(&path).await.unwrap();
        let copy = live.with_file_name("copy.db");
        restore(&copy, &bytes, false).await.unwrap();
        assert!(all_rows(&copy) == expected, "{mode}");
        assert!(fs::read(&path).unwrap() == before, "{mode}");
    }
}

#[tokio::test]
async fn a_folder_that_may_only_be_read_has_its_copy_elsewhere() {
    if !is_root("a_folder_that_may_only_be_read") {
        return;
    }
    for mode in ["delete", "wal"] {
        let (outer, folder) = shared_folder(0o755);
        let (path, connection) = application_database(&folder, mode, 2000);
        drop(connection);
        let expected = all_rows(&path);
        let private = outer.path().join("private");
        fs::create_dir(&private).unwrap();
        give(&private, BACKUP, 0o700);
        for variable in ["DBACKUP_SQLITE_COPY_FOLDER", "DBACKUP_DATA", "TMPDIR"] {
            let left = private.join(format!("app.db.dbackup-copy-{}", mark("0123456789abcdef")));
            fs::write(&left, "left by a killed run").unwrap();
            give(&left, BACKUP, 0o600);
            must(&act_as(BACKUP, "test", &path, &[(variable, &private)]));
            backs_up(&path, &[(variable, &private)], &expected).await;
            assert_eq!(names(&private), [""; 0], "{variable}");
        }
        // With no folder left, the test fails as the run does.
        must(&act_as(BACKUP, "fail", &path, &[("DBACKUP_SQLITE_COPY_FOLDER", &folder)]));
    }
}

#[tokio::test]
async fn a_read_only_medium_and_a_full_disk_have_their_copy_elsewhere() {
    let (_outer, folder) = shared_folder(0o755);
    let Some(mount) = Mount::tmpfs(&folder, "4m") else { return };
    let (_inner, live) = sqlite_support::folder();
    let connection = create(&live, "wal", 2000);
    let expected = all_rows(&live);
    for suffix in ["", "-wal"] {
        fs::copy(format!("{}{suffix}", live.display()), folder.join(format!("log.db{suffix}"))).unwrap();
    }
    drop(connection);
    fs::copy(&live, folder.join("idle.db")).unwrap();
    Connection::open(&live).unwrap().pragma_update(None, "journal_mode", "delete").unwrap();
    fs::copy(&live, folder.join("plain.db")).unwrap();
    let mut filler = vec![0_u8; 1 << 16];
    filler.fill(1);
    let mut full = fs::File::create(folder.join("filler")).unwrap();
    while std::io::Write::write_all(&mut full, &filler).is_ok() {}
    drop(full);
    let reads = async |name: &str| {
        let path = folder.join(name);
        assert_eq!(failed_steps(&path).await, [""; 0]);
        let (bytes, _) = dump(&path).await.unwrap();
        let copy = live.with_file_name("copy.db");
        restore(&copy, &bytes, false).await.unwrap();
        assert!(all_rows(&copy) == expected, "{name}");
        fs::remove_file(copy).unwrap();
    };
    reads("plain.db").await;
    let before = names(&folder);
    mount.make_read_only();
    for name in ["plain.db", "idle.db", "log.db"] {
        reads(name).await;
    }
    assert_eq!(names(&folder), before);
}

#[tokio::test]
async fn a_pipe_or_a_folder_is_refused_at_once() {
    let (folder, path) = folder();
    let bytes = {
        drop(create(&path, "delete", 5));
        dump(&path).await.unwrap().0
    };
    let (pipe, inner) = (folder.path().join("pipe"), folder.path().join("inner"));
    make_fifo(&pipe);
    fs::create_dir(&inner).unwrap();
    for (place, told) in [(&pipe, "not a regular file"), (&inner, "is a folder")] {
        let errors = [
            dump(place).await.unwrap_err().to_string(),
            restore(place, &bytes, true).await.unwrap_err().to_string(),
            source(place).contents().await.unwrap_err().to_string(),
            failed_steps(place).await.join(" "),
        ];
        for error in errors {
            assert!(error.contains(told) && error.contains("Name the database file itself"), "{error}");
        }
    }
}

#[tokio::test]
async fn what_killed_runs_left_is_removed_or_named() {
    if !is_root("what_killed_runs_left") {
        return;
    }
    let (_outer, shared) = shared_folder(0o2775);
    let (path, connection) = application_database(&shared, "wal", 10);
    drop(connection);
    let left = mark("0123456789abcdef");
    for name in ["dbackup-copy-LEFT", "dbackup-copy-LEFT-wal", "dbackup-restore-LEFT"] {
        fs::write(shared.join(format!("app.db.{}", name.replace("LEFT", &left))), "plaintext").unwrap();
    }
    // A database in WAL mode needs no copy, but its folder is looked after nevertheless.
    assert!(dump(&path).await.unwrap().1.is_empty());
    assert_eq!(names(&shared), ["app.db"]);
    let foreign = shared.join(format!("app.db.dbackup-restore-{}", mark("fedcba9876543210")));
    fs::write(&foreign, "plaintext of another user").unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o600)).unwrap();
    let output = act_as(BACKUP, "back up", &path, &[]);
    must(&output);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("leftover-file") && told.contains("fedcba9876543210"), "{told}");
    let (bytes, _) = dump(&path).await.unwrap();
    assert!(codes(&restore(&path, &bytes, true).await.unwrap().warnings).is_empty());
    assert_eq!(names(&shared), ["app.db"]);
}
