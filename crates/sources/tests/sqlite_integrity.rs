//! What is damage, what is data against its own rules, and what only the application can check.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sqlite_support;

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use sources::{DumpOptions, RestoreOptions};
use sqlite_support::{codes, create, damage, dump, dump_with, folder, restore, restore_with};

/// Rewrites the schema as SQLite's documentation shows it.
fn rewrite_schema(connection: &Connection, table: &str, old: &str, new: &str) {
    connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
    let sql = "UPDATE sqlite_schema SET sql = replace(sql, ?2, ?3) WHERE name = ?1";
    assert_eq!(connection.execute(sql, [table, old, new]).unwrap(), 1);
    connection.execute_batch("PRAGMA writable_schema = RESET").unwrap();
}

/// Backs up and restores, and returns the codes and the words of the backup's warnings. The restore has the same, except that
/// SQLite ignores CHECK constraints there.
async fn warned(path: &Path) -> (Vec<String>, String) {
    let (bytes, warnings) = dump(path).await.unwrap();
    let copy = path.with_file_name("copy.db");
    let restored = restore(&copy, &bytes, false).await.unwrap();
    let of_checks = |message: &str| message.contains("CHECK") || message.contains("table j");
    let expected: Vec<_> = warnings.iter().filter(|warning| !of_checks(&warning.message)).cloned().collect();
    assert_eq!(restored.warnings, expected, "the restore accepts what the backup did, and says the same");
    assert_eq!(fs::read(&copy).unwrap(), bytes);
    fs::remove_file(&copy).unwrap();
    let words = warnings.iter().map(|warning| format!("{warning}\n")).collect();
    (codes(&warnings).into_iter().map(str::to_owned).collect(), words)
}

fn with_foreign_collation(path: &Path, encoding: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(&format!("PRAGMA encoding = '{encoding}'")).unwrap();
    connection.create_collation("mycoll", |a, b| b.cmp(a)).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (a TEXT COLLATE mycoll UNIQUE, b TEXT);
             CREATE INDEX i ON t (a, b);
             CREATE TABLE w (a TEXT COLLATE mycoll PRIMARY KEY) WITHOUT ROWID;
             CREATE TABLE plain (a TEXT); CREATE INDEX plain_a ON plain (a);
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)
             INSERT INTO t SELECT 'row ' || n, hex(randomblob(50)) FROM n;
             INSERT INTO w SELECT a FROM t; INSERT INTO plain SELECT a FROM t;",
        )
        .unwrap();
}

#[tokio::test]
async fn a_foreign_collation_is_named_and_makes_nothing_look_damaged() {
    for encoding in ["UTF-8", "UTF-16le"] {
        let (_folder, path) = folder();
        with_foreign_collation(&path, encoding);
        let (codes, words) = warned(&path).await;
        assert_eq!(codes, ["integrity-unchecked"], "{encoding}: {words}");
        assert!(words.contains("collation mycoll") && words.contains("pages and b-trees were checked"), "{words}");
    }
}

#[tokio::test]
async fn a_damaged_page_is_found_in_a_database_with_a_foreign_collation() {
    for page in 2..12 {
        let (_folder, path) = folder();
        with_foreign_collation(&path, "UTF-8");
        let mut bytes = fs::read(&path).unwrap();
        bytes[page * 4096 + 500..page * 4096 + 3500]
            .iter_mut()
            .enumerate()
            .for_each(|(i, byte)| *byte = (i * 7 % 251) as u8);
        bytes[page * 4096..page * 4096 + 8].fill(0x77);
        fs::write(&path, bytes).unwrap();
        let error = dump(&path).await.unwrap_err().to_string();
        assert!(error.contains("is damaged"), "page {page}: {error}");
    }
}

#[tokio::test]
async fn indexes_that_need_nothing_foreign_are_checked_beside_those_that_do() {
    let (_folder, path) = folder();
    with_foreign_collation(&path, "UTF-8");
    let connection = Connection::open(&path).unwrap();
    hide_index_while(&connection, "plain_a", "INSERT INTO plain VALUES ('unindexed')");
    let (codes, words) = warned(&path).await;
    assert_eq!(codes, ["index-inconsistent", "integrity-unchecked"], "{words}");
    assert!(words.contains("missing from index plain_a"), "{words}");
}

/// Changes a table behind an index's back.
fn hide_index_while(connection: &Connection, index: &str, sql: &str) {
    let row = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE name = ?1";
    connection.execute_batch("PRAGMA writable_schema = ON; CREATE TEMP TABLE kept (a, b, c, d, e)").unwrap();
    connection.execute(&format!("INSERT INTO kept {row}"), [index]).unwrap();
    connection.execute("DELETE FROM sqlite_schema WHERE name = ?1", [index]).unwrap();
    connection.execute_batch("PRAGMA writable_schema = RESET").unwrap();
    connection.execute_batch(sql).unwrap();
    connection
        .execute_batch("PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM kept; PRAGMA writable_schema = RESET;")
        .unwrap();
}

#[tokio::test]
async fn an_index_that_differs_from_its_table_is_a_warning_with_its_cure() {
    let (_folder, path) = folder();
    let connection = create(&path, "delete", 10);
    connection.execute_batch("CREATE INDEX i ON t (x)").unwrap();
    hide_index_while(&connection, "i", "INSERT INTO t (x) VALUES ('unindexed'); DELETE FROM t WHERE id = 3");
    let (codes, words) = warned(&path).await;
    assert_eq!(codes, ["index-inconsistent"], "{words}");
    assert!(words.contains("REINDEX"), "{words}");
}

#[tokio::test]
async fn foreign_functions_in_an_index_a_check_and_a_column_are_named() {
    let (_folder, path) = folder();
    let connection = create(&path, "delete", 10);
    for name in ["own", "second"] {
        connection.create_scalar_function(name, 1, FunctionFlags::SQLITE_DETERMINISTIC, |c| c.get::<i64>(0)).unwrap();
    }
    connection
        .execute_batch(
            "CREATE INDEX by_own ON t (own(id));
             CREATE TABLE c (a INT CHECK (own(a) IS NOT NULL), g INT NOT NULL AS (second(a)) VIRTUAL);
             INSERT INTO c VALUES (1);",
        )
        .unwrap();
    let (codes, words) = warned(&path).await;
    assert_eq!(codes, ["integrity-unchecked", "integrity-unchecked"], "{words}");
    assert!(words.contains("own()") && words.contains("second()"), "{words}");
}

#[tokio::test]
async fn full_text_indexes_with_the_applications_tokenizer_are_backed_up() {
    for (make, old, new) in [
        ("fts5(body, tokenize='porter unicode61')", "porter unicode61", "simple"),
        ("fts4(body, tokenize=porter)", "porter", "mozporter"),
        ("fts3(body, tokenize=porter 'an argument')", "porter", "icu"),
    ] {
        let (_folder, path) = folder();
        let connection = create(&path, "delete", 500);
        connection
            .execute_batch(&format!("CREATE VIRTUAL TABLE docs USING {make}; INSERT INTO docs VALUES ('hello world')"))
            .unwrap();
        rewrite_schema(&connection, "docs", old, new);
        drop(connection);
        let (codes, words) = warned(&path).await;
        assert_eq!(codes, ["integrity-unchecked"], "{make}: {words}");
        assert!(words.contains("docs") || words.contains(new), "{words}");
        damage(&path);
        let error = dump(&path).await.unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{make}: {error}");
    }
}

#[tokio::test]
async fn a_virtual_table_of_an_unknown_module_is_named() {
    let (_folder, path) = folder();
    let connection = create(&path, "delete", 5);
    connection.execute_batch("CREATE VIRTUAL TABLE docs USING fts5(body)").unwrap();
    rewrite_schema(&connection, "docs", "fts5", "spellfix1");
    drop(connection);
    let (codes, words) = warned(&path).await;
    assert_eq!(codes, ["integrity-unchecked"], "{words}");
    assert!(words.contains("table docs") && words.contains("no such module: spellfix1"), "{words}");
}

#[tokio::test]
async fn rows_against_their_own_constraints_are_kept_with_a_warning() {
    for (made, now, row, told) in [
        ("email TEXT", "email TEXT NOT NULL", "NULL", "NULL value in v.email"),
        ("zip INTEGER", "zip TEXT", "12345", "NUMERIC value in v.zip"),
        ("n TEXT", "n INTEGER", "'12'", "TEXT value in v.n"),
        ("a INT", "a INT CHECK (a < 10)", "50", "CHECK constraint failed in v"),
    ] {
        let (_folder, path) = folder();
        let connection = create(&path, "delete", 5);
        connection
            .execute_batch(&format!(
                "CREATE TABLE v (id INTEGER PRIMARY KEY, {made}); INSERT INTO v VALUES (1, {row}), (2, {row})"
            ))
            .unwrap();
        rewrite_schema(&connection, "v", made, now);
        drop(connection);
        let (codes, words) = warned(&path).await;
        assert_eq!(codes, ["constraint-violations"], "{words}");
        assert!(words.contains(told) && !words.contains("recover"), "{words}");
    }
}

#[tokio::test]
async fn more_violations_than_are_told_hide_no_damage() {
    let (_folder, path) = folder();
    let connection = create(&path, "delete", 3000);
    rewrite_schema(&connection, "t", "x TEXT NOT NULL", "x TEXT NOT NULL CHECK (length(x) < 10)");
    drop(connection);
    let (_, words) = warned(&path).await;
    assert!(words.contains("and 2999 more"), "{words}");
    damage(&path);
    assert!(dump(&path).await.unwrap_err().to_string().contains("is damaged"));
}

#[tokio::test]
async fn an_expression_that_fails_stops_the_check_of_its_table_only() {
    let (_folder, path) = folder();
    let connection = create(&path, "delete", 5);
    connection.execute_batch("CREATE TABLE j (a TEXT); INSERT INTO j VALUES ('{no json'); CREATE TABLE z (a INT); INSERT INTO z VALUES (NULL)").unwrap();
    rewrite_schema(&connection, "j", "a TEXT", "a TEXT CHECK (json_extract(a, '$.x') IS NOT 1)");
    rewrite_schema(&connection, "z", "a INT", "a INT NOT NULL");
    drop(connection);
    let (codes, words) = warned(&path).await;
    assert_eq!(codes, ["constraint-violations", "integrity-unchecked"], "{words}");
    assert!(
        words.contains("NULL value in z.a") && words.contains("table j") && words.contains("malformed JSON"),
        "{words}"
    );
}

#[tokio::test]
async fn a_damaged_database_is_copied_as_it_is_only_when_told_to() {
    let (_folder, path) = folder();
    drop(create(&path, "delete", 3000));
    damage(&path);
    let error = dump(&path).await.unwrap_err().to_string();
    assert!(error.contains("is damaged") && error.contains("--allow-damaged"), "{error}");
    let (bytes, warnings) = dump_with(&path, DumpOptions { allow_damaged: true }).await.unwrap();
    assert_eq!(codes(&warnings), ["damaged"]);
    assert_eq!(bytes.len(), fs::read(&path).unwrap().len());
    let copy = path.with_file_name("copy.db");
    let error = restore(&copy, &bytes, false).await.unwrap_err().to_string();
    assert!(error.contains("--allow-damaged"), "{error}");
    let options = RestoreOptions { allow_damaged: true, ..RestoreOptions::default() };
    assert_eq!(codes(&restore_with(&copy, &bytes, options).await.unwrap().warnings), ["damaged"]);
    assert_eq!(fs::read(&copy).unwrap(), bytes);
}

#[tokio::test]
async fn a_truncated_file_and_a_schema_that_cannot_be_read_are_damage_too() {
    for mode in ["delete", "wal"] {
        let (_folder, path) = folder();
        let connection = create(&path, mode, 3000);
        connection.execute_batch("CREATE TABLE u (a)").unwrap();
        rewrite_schema(&connection, "u", "CREATE TABLE u (a)", "CREATE TABLE u (a");
        drop(connection);
        assert!(dump(&path).await.is_err(), "{mode}: broken schema");
        let (_, warnings) = dump_with(&path, DumpOptions { allow_damaged: true }).await.unwrap();
        assert_eq!(codes(&warnings), ["damaged"], "{mode}: broken schema");
        drop(fs::remove_file(&path));
        drop(create(&path, mode, 3000));
        fs::File::options().write(true).open(&path).unwrap().set_len(100 * 4096).unwrap();
        assert!(dump(&path).await.is_err(), "{mode}: truncated");
        let (bytes, warnings) = dump_with(&path, DumpOptions { allow_damaged: true }).await.unwrap();
        assert_eq!(codes(&warnings), ["damaged"], "{mode}: truncated");
        assert_eq!(bytes.len(), 100 * 4096);
    }
}
