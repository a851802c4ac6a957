//! A nasty SQLite database goes out and comes back, and is compared by SQLite's own tool.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![expect(clippy::disallowed_methods, reason = "the sqlite3 tool looks at the database independently")]

mod sqlite_support;

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use sqlite_support::{codes, dump, folder, restore};

/// Whatever a schema can hold. `C-ollation` stands for the application's own collation.
const SCHEMA: &str = r#"
PRAGMA foreign_keys = off;
CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT COLLATE NOCASE UNIQUE, twice AS (id * 2) VIRTUAL, kept AS (upper(name)) STORED);
INSERT INTO parent (id, name) VALUES (7, 'a'), (9000000000, 'Ünï "x"'); DELETE FROM parent WHERE id = 9000000000;
INSERT INTO parent (name) VALUES ('after the gap');
CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, CHECK (id > 0));
INSERT INTO child VALUES (1, 7), (2, 404);
CREATE TABLE strict_one (i INT NOT NULL, r REAL, t TEXT, b BLOB, a ANY, PRIMARY KEY (i, t)) STRICT, WITHOUT ROWID;
INSERT INTO strict_one VALUES (1, 0.1, 'x', x'00ff00', 'any'), (2, -1e308, char(0) || 'after NUL', zeroblob(5000), 7);
CREATE TABLE loose (x, y INTEGER, z NUMERIC); INSERT INTO loose VALUES (x'610062', 'no number', '12'), (NULL, 9223372036854775807, 1e999),
  ('a' || char(0) || 'b', -9223372036854775808, '0x1f');
INSERT INTO loose (rowid, x) VALUES (-5, 'negative rowid'), (9223372036854775807, 'the last rowid');
CREATE TABLE "na me; ""x"" -- 'y'" ("select" TEXT, "co""l; umn" BLOB, "ü" INT); INSERT INTO "na me; ""x"" -- 'y'" VALUES ('it''s', zeroblob(3), 1);
CREATE TABLE large (x BLOB); INSERT INTO large VALUES (zeroblob(300000) || x'01'), (x'');
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2000) INSERT INTO large SELECT n || '-' || hex(n * 7919) FROM n;
CREATE INDEX partial ON child (parent) WHERE parent IS NOT NULL; CREATE UNIQUE INDEX expression ON parent (lower(name), id DESC);
CREATE INDEX "in dex; ""x""" ON large (substr(x, 1, 3) COLLATE BINARY);
CREATE VIEW calm AS SELECT id, name FROM parent WHERE id < 100; CREATE VIEW broken AS SELECT * FROM nowhere;
CREATE TRIGGER log AFTER INSERT ON parent WHEN new.id > 5 BEGIN INSERT INTO loose VALUES (new.name, new.id, ';'); END;
CREATE TRIGGER instead INSTEAD OF DELETE ON calm BEGIN SELECT RAISE(IGNORE); END;
CREATE VIRTUAL TABLE docs USING fts5(title, body, tokenize = 'porter unicode61', prefix = '2 3');
INSERT INTO docs VALUES ('Running', 'the quick brown foxes'), ('ünï', 'jumped; over'); INSERT INTO docs (docs) VALUES ('optimize');
CREATE VIRTUAL TABLE places USING rtree(id, x0, x1, y0, y1, +label TEXT); INSERT INTO places VALUES (1, 0, 1.5, -2, 3, 'home');
CREATE TABLE sorted (x TEXT COLLATE "app's own", y); INSERT INTO sorted VALUES ('b', 1), ('a', 2); CREATE INDEX by_app ON sorted (x);
ANALYZE;
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Absent,
    Empty,
    Full,
}

fn create(path: &Path, page_size: u32, encoding: &str, mode: &str, vacuum: &str) {
    let connection = Connection::open(path).unwrap();
    connection.create_collation("app's own", |a, b| b.cmp(a)).unwrap();
    let pragmas = format!(
        "PRAGMA page_size = {page_size}; PRAGMA encoding = '{encoding}'; PRAGMA auto_vacuum = {vacuum}; PRAGMA journal_mode = {mode};
         PRAGMA user_version = -77; PRAGMA application_id = 1145195824;"
    );
    connection.execute_batch(&pragmas).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
}

/// What SQLite's own tool prints.
fn sqlite3(path: &Path, sql: &str) -> String {
    test_support::run(Command::new("sqlite3").arg("-batch").arg("-readonly").arg(path).arg(sql))
}

/// Schema, pragmas and each table's rows, hashed from the bytes of each value with its type.
fn facts(path: &Path) -> String {
    let pragmas =
        ["page_size", "encoding", "auto_vacuum", "user_version", "application_id", "page_count", "freelist_count"];
    let mut facts: Vec<String> =
        pragmas.iter().map(|pragma| format!("{pragma} {}", sqlite3(path, &format!("PRAGMA {pragma}")))).collect();
    facts.push(sqlite3(path, "SELECT type, name, tbl_name, quote(sql) FROM sqlite_schema ORDER BY rowid"));
    facts.push(sqlite3(path, "SELECT * FROM sqlite_sequence; SELECT * FROM sqlite_stat1"));
    facts.push(sqlite3(path, "PRAGMA foreign_key_check"));
    facts.push(sqlite3(
        path,
        "SELECT rowid, * FROM docs WHERE docs MATCH 'run OR fox'; SELECT * FROM places WHERE x1 > 1",
    ));
    let tables = sqlite3(path, "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name");
    for table in tables.lines() {
        let quoted = format!("\"{}\"", table.replace('"', "\"\""));
        let name = table.replace('\'', "''");
        let columns = format!(
            "SELECT group_concat('typeof(' || q || ') || quote(' || q || ') || hex(' || q || ')', ' || ''|'' || ') FROM
             (SELECT 'rowid' AS q FROM pragma_table_list('{name}') WHERE NOT wr UNION ALL
              SELECT '\"' || replace(name, '\"', '\"\"') || '\"' FROM pragma_table_xinfo('{name}'))"
        );
        let row = sqlite3(path, &columns).trim_end().to_owned();
        facts.push(format!("{table}: {}", sqlite3(path, &format!("SELECT {row} FROM {quoted} ORDER BY 1"))));
    }
    facts.join("\n")
}

/// Whether the header names WAL mode: all that a file keeps of its journal mode.
fn is_wal(path: &Path) -> bool {
    std::fs::read(path).unwrap()[18..20] == [2, 2]
}

#[tokio::test]
async fn a_nasty_database_comes_back_into_every_target_with_everything_in_it() {
    for (page_size, encoding, mode, vacuum) in [
        (512, "UTF-8", "wal", "none"),
        (1024, "UTF-16le", "delete", "full"),
        (4096, "UTF-16be", "wal", "incremental"),
        (65536, "UTF-8", "delete", "full"),
    ] {
        let (folder, path) = folder();
        create(&path, page_size, encoding, mode, vacuum);
        let (bytes, warnings) = dump(&path).await.unwrap();
        let mut warned = codes(&warnings);
        warned.sort_unstable();
        assert_eq!(warned, ["integrity-unchecked"], "{warnings:?}");
        let wanted = facts(&path);
        for kind in [Target::Absent, Target::Empty, Target::Full] {
            let case = format!("{page_size} {encoding} {mode} {vacuum} {kind:?}");
            let target = folder.path().join(format!("{kind:?} target;.db"));
            match kind {
                Target::Absent => {}
                Target::Empty => drop(std::fs::File::create(&target).unwrap()),
                Target::Full => {
                    let other = if encoding == "UTF-8" { "UTF-16le" } else { "UTF-8" };
                    let sql = format!(
                        "PRAGMA page_size = 8192; PRAGMA encoding = '{other}'; PRAGMA journal_mode = wal;
                        CREATE TABLE parent (old); INSERT INTO parent VALUES (1); PRAGMA user_version = 5;"
                    );
                    Connection::open(&target).unwrap().execute_batch(&sql).unwrap();
                }
            }
            restore(&target, &bytes, kind == Target::Full).await.unwrap();
            assert_eq!(is_wal(&target), mode == "wal", "{case}");
            let found = facts(&target);
            for (found, wanted) in found.lines().zip(wanted.lines()) {
                assert_eq!(found, wanted, "{case}");
            }
            assert_eq!(found.len(), wanted.len(), "{case}");
        }
    }
}
