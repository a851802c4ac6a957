//! Rows that are counted in a dump are those of the restored database, whatever the tables look like.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::source;
use domain::rows::Rows;
use sources::{Counting, DumpOptions, RestoreOptions};
use test_support::{PostgresServer, PostgresVersion};

const LIMIT: Duration = Duration::from_secs(60);

const SCHEMA: &str = r#"
    CREATE TABLE plain (id int GENERATED ALWAYS AS IDENTITY, text text, twice int GENERATED ALWAYS AS (2 * 21) STORED);
    INSERT INTO plain (text) VALUES (E'a\nb\n'), (E'\\.'), (E'\\'), (NULL), (''), (E'\r\n\\.\n');
    CREATE TABLE "no columns" (); INSERT INTO "no columns" SELECT FROM generate_series(1, 3);
    CREATE TABLE empty (a int);
    CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent);
    INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (3, 4);
    CREATE TABLE parted (a int) PARTITION BY RANGE (a);
    CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE TABLE high PARTITION OF parted FOR VALUES FROM (10) TO (20);
    INSERT INTO parted SELECT generate_series(5, 14);
    CREATE SCHEMA "a.b"; CREATE TABLE "a.b"."c""d" (row text); INSERT INTO "a.b"."c""d" VALUES ('x');
    CREATE UNLOGGED TABLE passing (a int); INSERT INTO passing VALUES (1);
    CREATE MATERIALIZED VIEW seen AS SELECT * FROM parent;
    CREATE TABLE secret (a int); INSERT INTO secret VALUES (1), (2);
    ALTER TABLE secret ENABLE ROW LEVEL SECURITY; ALTER TABLE secret FORCE ROW LEVEL SECURITY;
    CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.empty VALUES (1); RETURN NEW; END';
    CREATE TRIGGER more AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION more();
    SELECT lo_create(0); SELECT lo_from_bytea(0, 'abc');
"#;

async fn dumped(server: &PostgresServer, database: &str) -> (Vec<u8>, Option<Rows>) {
    let mut dump = source(&server.address(database)).dump(database, DumpOptions::default()).await.unwrap();
    let mut all = Vec::new();
    while let Some(piece) = dump.next().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    let rows = dump.count_rows(LIMIT).await;
    dump.finish().await.unwrap();
    (all, rows)
}

/// Counts in a database that is loaded and has not its place yet.
async fn counted(server: &PostgresServer, dump: &[u8], limit: Duration) -> Counting {
    let target = source(&server.address("restored"));
    let mut restore = target.restore(RestoreOptions::default()).await.unwrap();
    restore.write(Bytes::copy_from_slice(dump)).await.unwrap();
    restore.finish().await.unwrap();
    let counted = restore.count_rows(limit).await;
    restore.abort().await.unwrap();
    counted
}

#[tokio::test]
async fn every_kind_of_table_has_as_many_rows_as_its_dump() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("template1", "CREATE DATABASE shop ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0");
    server.sql("shop", SCHEMA);
    let (dump, rows) = dumped(&server, "shop").await;
    let rows = rows.unwrap();
    let public: Vec<(&str, u64)> = rows.by_table["public"].iter().map(|(name, rows)| (name.as_str(), *rows)).collect();
    let expected = [
        ("child", 1),
        ("empty", 0),
        ("high", 5),
        ("low", 5),
        ("no columns", 3),
        ("parent", 2),
        ("plain", 6),
        ("secret", 2),
    ];
    // A standby's dump has no unlogged rows; a primary's has.
    let without_unlogged: Vec<_> = public.into_iter().filter(|(name, _)| *name != "passing").collect();
    assert_eq!(without_unlogged, expected);
    assert_eq!(rows.by_table["a.b"]["c\"d"], 1);
    assert_eq!(rows.large_objects, Some(2));

    let Counting::Done(counted) = counted(&server, &dump, LIMIT).await else { panic!("not counted") };
    assert_eq!((&counted.rows, counted.can_have_changed), (&rows, false));
}

#[tokio::test]
async fn rows_that_may_lie_in_another_partition_are_not_counted() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("template1", "CREATE DATABASE shop");
    // pg_dump loads these by way of the partitioned table: the hash of an enum is another one in another database.
    server.sql(
        "shop",
        "CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TABLE parted (a mood) PARTITION BY HASH (a); \
         CREATE TABLE one PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
         CREATE TABLE two PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1); \
         INSERT INTO parted VALUES ('good'), ('bad')",
    );
    let (dump, rows) = dumped(&server, "shop").await;
    assert_eq!(rows, None);
    assert!(matches!(counted(&server, &dump, LIMIT).await, Counting::Not(_)));
}

#[tokio::test]
async fn counting_that_takes_too_long_is_no_claim() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("template1", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let (dump, rows) = dumped(&server, "shop").await;
    assert_eq!(rows.unwrap().total, 1);
    assert_eq!(counted(&server, &dump, Duration::ZERO).await, Counting::too_long(Duration::ZERO));
}
