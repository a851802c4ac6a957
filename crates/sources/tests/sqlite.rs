//! SQLite, in use while it is dumped and in every state in which a restore may find its target.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;
use sources::{DumpOptions, Error, Kind, Origin, RestoreOptions, Source, parse};
use tempfile::TempDir;

fn source(path: &Path) -> Box<dyn Source> {
    parse(&format!("sqlite://{}", path.display()), Origin::Argument, None).unwrap()
}

async fn dump(path: &Path) -> Result<Vec<u8>, Error> {
    let source = source(path);
    let mut dump = source.dump(&source.databases().await?.names[0], DumpOptions::default()).await?;
    let mut all = Vec::new();
    while let Some(piece) = dump.next().await? {
        all.extend_from_slice(&piece);
    }
    dump.finish().await?;
    Ok(all)
}

async fn restore(path: &Path, dump: &[u8], overwrite: bool) -> Result<String, Error> {
    let mut restore = source(path).restore(RestoreOptions { overwrite, ..RestoreOptions::default() }).await?;
    for piece in dump.chunks(100_000) {
        restore.write(Bytes::copy_from_slice(piece)).await?;
    }
    restore.finish().await?;
    Ok(restore.commit().await?.target)
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a shop.db");
    (folder, path)
}

fn create(path: &Path, mode: &str, rows: u32) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection.pragma_update(None, "journal_mode", mode).unwrap();
    connection
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT NOT NULL, pair INTEGER NOT NULL)")
        .unwrap();
    add_rows(&connection, rows);
    connection
}

fn add_rows(connection: &Connection, rows: u32) {
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
         INSERT INTO t (x, pair) SELECT hex(randomblob(200)), n FROM n"
    );
    connection.execute_batch(&sql).unwrap();
}

fn all_rows(path: &Path) -> Vec<(i64, String, i64)> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT id, x, pair FROM t ORDER BY id").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn sqlite_is_new_enough() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test]
async fn every_journal_mode_comes_back_identical() {
    for mode in ["wal", "delete", "truncate", "persist"] {
        let (folder, path) = folder();
        // The writer stays open: in WAL mode, what is dumped lies mostly in the WAL.
        let writer = create(&path, mode, 3000);
        let bytes = dump(&path).await.unwrap();
        let copy = folder.path().join("copy.db");
        restore(&copy, &bytes, false).await.unwrap();
        assert_eq!(all_rows(&copy), all_rows(&path), "{mode}");
        drop(writer);
        assert!(!names(&folder).iter().any(|name| name.contains("dbackup")), "{:?}", names(&folder));
    }
}

#[tokio::test]
async fn a_database_in_wal_mode_is_dumped_as_of_one_moment_and_writers_go_on() {
    let (_folder, path) = folder();
    let writer = create(&path, "wal", 20_000);
    let before = all_rows(&path);
    let source = source(&path);
    let mut dump = source.dump("a shop", DumpOptions::default()).await.unwrap();
    let first = dump.next().await.unwrap().unwrap();
    // A write in the middle of the dump is neither blocked nor seen, not even across a checkpoint.
    writer.busy_timeout(Duration::ZERO).unwrap();
    add_rows(&writer, 5000);
    writer.execute_batch("UPDATE t SET pair = -1; PRAGMA wal_checkpoint(PASSIVE);").unwrap();
    let mut bytes = first.to_vec();
    while let Some(piece) = dump.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    dump.finish().await.unwrap();
    let copy = path.with_file_name("copy.db");
    restore(&copy, &bytes, false).await.unwrap();
    assert!(all_rows(&copy) == before);
    assert_eq!(all_rows(&path).len(), 25_000);
}

#[tokio::test]
async fn in_other_modes_writers_wait_for_a_local_copy_at_most() {
    let (folder, path) = folder();
    let writer = create(&path, "delete", 20_000);
    let before = all_rows(&path);
    let source = source(&path);
    let mut dump = source.dump("a shop", DumpOptions::default()).await.unwrap();
    let mut bytes = dump.next().await.unwrap().unwrap().to_vec();
    writer.busy_timeout(Duration::ZERO).unwrap();
    add_rows(&writer, 5000);
    assert_eq!(names(&folder), ["a shop.db"], "the copy's name is gone as soon as it is open");
    while let Some(piece) = dump.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    dump.finish().await.unwrap();
    let copy = path.with_file_name("copy.db");
    restore(&copy, &bytes, false).await.unwrap();
    assert!(all_rows(&copy) == before);
}

#[tokio::test]
async fn what_a_killed_run_left_is_removed_by_the_next() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 10));
    let (host, boot) = pipeline::host::fingerprint();
    fs::write(folder.path().join(format!("a shop.db.dbackup-copy-{host}-{boot}-0123456789abcdef")), "plaintext")
        .unwrap();
    dump(&path).await.unwrap();
    assert_eq!(names(&folder), ["a shop.db"]);
}

#[tokio::test]
async fn a_damaged_database_is_not_backed_up() {
    let (_folder, path) = folder();
    drop(create(&path, "delete", 3000));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let error = dump(&path).await.unwrap_err().to_string();
    assert!(error.contains("is damaged") && error.contains("Restore an older backup"), "{error}");
}

#[tokio::test]
async fn what_is_no_database_says_so() {
    let (folder, path) = folder();
    let error = dump(&path).await.unwrap_err().to_string();
    assert!(error.contains("Check the path"), "{error}");
    fs::write(&path, "no database, but long enough to be looked at ".repeat(100)).unwrap();
    let error = dump(&path).await.unwrap_err().to_string();
    assert!(error.contains("not a SQLite database"), "{error}");
    fs::write(&path, "").unwrap();
    let error = dump(&path).await.unwrap_err().to_string();
    assert!(error.contains("the file is empty"), "{error}");
    let relative = parse("sqlite://relative.db", Origin::Argument, None);
    assert!(relative.is_err_and(|error| *error.kind() == Kind::Invalid));
    drop(folder);
}

#[tokio::test]
async fn a_database_with_data_is_replaced_only_when_told_to() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 500));
    let (bytes, rows) = (dump(&path).await.unwrap(), all_rows(&path));
    for mode in ["wal", "delete"] {
        let target = folder.path().join(format!("target-{mode}.db"));
        // An application that has it open sees the new content through the connection that it has.
        let application = create(&target, mode, 3);
        let refusal = restore(&target, &bytes, false).await.unwrap_err();
        assert_eq!(*refusal.kind(), Kind::HoldsData, "{refusal}");
        assert_eq!(all_rows(&target).len(), 3);
        restore(&target, &bytes, true).await.unwrap();
        let seen: u32 = application.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(seen, 500, "{mode}");
        assert_eq!(all_rows(&target), rows);
    }
}

#[tokio::test]
async fn an_empty_file_or_database_is_no_data() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 500));
    let bytes = dump(&path).await.unwrap();
    let target = folder.path().join("vacant.db");
    fs::write(&target, "").unwrap();
    restore(&target, &bytes, false).await.unwrap();
    assert_eq!(all_rows(&target), all_rows(&path));
}

#[tokio::test]
async fn a_broken_dump_leaves_the_target_as_it_was() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 3000));
    let bytes = dump(&path).await.unwrap();
    let (absent, present) = (folder.path().join("absent.db"), folder.path().join("present.db"));
    drop(create(&present, "wal", 5));
    let mut flipped = bytes.clone();
    let middle = bytes.len() / 2 / 4096 * 4096;
    flipped[middle..middle + 64].fill(0xff);
    for broken in [&bytes[..bytes.len() / 2], &flipped, b"PGDMP and so on", &bytes[..50]] {
        for target in [&absent, &present] {
            assert!(restore(target, broken, true).await.is_err());
        }
    }
    // Given up in the middle.
    let mut restoring = source(&absent).restore(RestoreOptions::default()).await.unwrap();
    restoring.write(Bytes::from_static(b"SQLite format 3\0")).await.unwrap();
    restoring.abort().await.unwrap();
    assert!(!absent.exists());
    assert_eq!(all_rows(&present).len(), 5);
    assert!(!names(&folder).iter().any(|name| name.contains("dbackup")), "{:?}", names(&folder));
}

#[tokio::test]
async fn a_database_that_crashed_in_a_write_is_recovered_and_dumped() {
    let (folder, path) = folder();
    let writer = create(&path, "delete", 2000);
    // The state that a crash leaves: pages written to the database, the journal not yet removed.
    writer.execute_batch("PRAGMA cache_size = 1; BEGIN; UPDATE t SET pair = -1;").unwrap();
    let crashed = folder.path().join("crashed.db");
    fs::copy(&path, &crashed).unwrap();
    fs::copy(folder.path().join("a shop.db-journal"), folder.path().join("crashed.db-journal")).unwrap();
    writer.execute_batch("ROLLBACK").unwrap();
    let bytes = dump(&crashed).await.unwrap();
    let copy = folder.path().join("copy.db");
    restore(&copy, &bytes, false).await.unwrap();
    assert!(all_rows(&copy) == all_rows(&path));
}

#[tokio::test]
async fn a_database_whose_index_needs_its_application_is_dumped_with_a_remark() {
    let (_folder, path) = folder();
    let connection = create(&path, "wal", 10);
    connection
        .create_scalar_function("own", 1, rusqlite::functions::FunctionFlags::SQLITE_DETERMINISTIC, |c| c.get::<i64>(0))
        .unwrap();
    connection.execute_batch("CREATE INDEX by_own ON t (own(pair))").unwrap();
    let mut dump = source(&path).dump("a shop", DumpOptions::default()).await.unwrap();
    while dump.next().await.unwrap().is_some() {}
    let remark = dump.finish().await.unwrap().remove(0).message;
    assert!(remark.contains("could not be checked") && remark.contains("own()"), "{remark}");
}

#[tokio::test]
async fn a_target_that_is_no_database_is_moved_away_by_its_owner() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 5));
    let bytes = dump(&path).await.unwrap();
    let target = folder.path().join("broken.db");
    fs::write(&target, "not a database at all, but somebody's file".repeat(100)).unwrap();
    let error = restore(&target, &bytes, true).await.unwrap_err().to_string();
    assert!(error.contains("move the file away"), "{error}");
}

#[tokio::test]
async fn a_journal_without_its_database_stops_a_restore() {
    let (folder, path) = folder();
    drop(create(&path, "delete", 5));
    let bytes = dump(&path).await.unwrap();
    let target = folder.path().join("gone.db");
    fs::write(folder.path().join("gone.db-wal"), "old frames").unwrap();
    let error = restore(&target, &bytes, false).await.unwrap_err().to_string();
    assert!(error.contains("gone.db-wal") && error.contains("Move it away"), "{error}");
}
