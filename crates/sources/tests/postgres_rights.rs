//! What the connection test says of a role's rights, and that the guide's SQL is enough for a complete backup.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Mutex;

use domain::probe::StepResult;
use sources::{DumpOptions, Error, Origin, Source, parse};
use test_support::{PostgresServer, PostgresVersion};

fn source(server: &PostgresServer, role: &str, database: &str) -> Box<dyn Source> {
    let address = format!("postgres://{role}@127.0.0.1:{}/{database}", server.port());
    parse(&address, Origin::Private, Some("…".into())).unwrap()
}

/// Dumps, and returns the codes of the warnings.
async fn dump(source: &dyn Source, database: &str) -> Result<Vec<String>, Error> {
    let mut dump = source.dump(database, DumpOptions::default()).await?;
    while dump.next().await?.is_some() {}
    Ok(dump.finish().await?.into_iter().map(|warning| warning.code).collect())
}

/// The step of that name: whether it passed, and what it says.
async fn rights(source: &dyn Source) -> (bool, String) {
    let taken = Mutex::new(Vec::new());
    source.probe(&|step| taken.lock().unwrap().push(step)).await;
    let step = taken.into_inner().unwrap().pop().unwrap();
    assert_eq!(step.name, "rights");
    match step.result {
        StepResult::Passed { detail } => (true, detail.unwrap()),
        StepResult::Failed { message } => (false, message),
        StepResult::Skipped => panic!("an earlier step failed"),
    }
}

fn server_with_reader() -> PostgresServer {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD '…'; GRANT pg_read_all_data TO reader");
    server
}

#[tokio::test]
async fn the_test_fails_exactly_where_the_dump_would() {
    let server = server_with_reader();
    for (name, sql, told) in [
        ("plain", "CREATE TABLE t (a int)", None),
        (
            "rls",
            "CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            Some("ALTER ROLE \"reader\" BYPASSRLS"),
        ),
        // No row is read from the parent itself.
        (
            "parted",
            "CREATE TABLE t (a int) PARTITION BY RANGE (a); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9); \
             ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            None,
        ),
        ("lo", "SELECT lo_from_bytea(0, 'hello')", Some("ALTER ROLE \"reader\" SET lo_compat_privileges = on")),
        (
            "lo_granted",
            "DO $$ BEGIN EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO reader', lo_from_bytea(0, 'x')); END $$",
            None,
        ),
        (
            "lo_public",
            "DO $$ BEGIN EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO PUBLIC', lo_from_bytea(0, 'x')); END $$",
            None,
        ),
    ] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql(name, sql);
        let source = source(&server, "reader", name);
        let (passed, words) = rights(&*source).await;
        let dumped = dump(&*source, name).await;
        assert_eq!(passed, dumped.is_ok(), "{name}: {words} {dumped:?}");
        assert_eq!(passed, told.is_none(), "{name}: {words}");
        assert!(told.is_none_or(|told| words.contains(told)), "{name}: {words}");
    }
}

#[tokio::test]
async fn tables_sequences_and_schemas_that_bar_a_dump_are_named() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE nobody_special LOGIN PASSWORD '…'");
    for (name, sql, told) in [
        ("tables", "CREATE TABLE t (a int)", Some("public.t")),
        ("sequences", "CREATE SEQUENCE s", Some("public.s")),
        ("schemas", "CREATE SCHEMA own; CREATE TABLE own.t (a int); GRANT SELECT ON own.t TO PUBLIC", Some("own.t")),
        // A dump does not read them.
        ("views", "CREATE VIEW v AS SELECT 1; CREATE MATERIALIZED VIEW m AS SELECT 1", None),
        ("extensions", "CREATE EXTENSION pg_stat_statements", None),
    ] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql(name, sql);
        let source = source(&server, "nobody_special", name);
        let (passed, words) = rights(&*source).await;
        let dumped = dump(&*source, name).await;
        assert_eq!(passed, dumped.is_ok(), "{name}: {words} {dumped:?}");
        assert_eq!(passed, told.is_none(), "{name}: {words}");
        assert!(told.is_none_or(|told| words.contains(told) && words.contains("GRANT pg_read_all_data")), "{words}");
    }
}

#[tokio::test]
async fn what_a_dump_would_leave_out_passes_with_a_remark() {
    let server = server_with_reader();
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw");
    server.sql("shop", "CREATE USER MAPPING FOR postgres SERVER far OPTIONS (user 'u', password 'pw')");
    server.sql("postgres", "ALTER DATABASE shop SET zero_damaged_pages = on");
    let (passed, words) = rights(&*source(&server, "reader", "shop")).await;
    assert!(passed && words.starts_with("every table of 1 database can be read"), "{words}");
    assert!(words.contains("postgres on far") && words.contains("zero_damaged_pages"), "{words}");
    assert!(!words.contains("pw"), "{words}");
}

/// The guide's SQL, to the letter.
fn guides_sql() -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/postgresql.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    guide.split_once("```sql\n").unwrap().1.split_once("```").unwrap().0.to_owned()
}

const NASTY: &str = "
    CREATE ROLE app; CREATE SCHEMA app AUTHORIZATION app; SET ROLE app;
    CREATE TABLE app.orders (id serial PRIMARY KEY, owner text);
    INSERT INTO app.orders (owner) SELECT 'somebody' FROM generate_series(1, 100);
    ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY; ALTER TABLE app.orders FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON app.orders USING (owner = current_user);
    REVOKE ALL ON app.orders FROM PUBLIC; REVOKE ALL ON SCHEMA app FROM PUBLIC;
    CREATE TABLE app.parted (n int) PARTITION BY HASH (n);
    CREATE TABLE app.part PARTITION OF app.parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);
    CREATE SEQUENCE app.alone; CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS x;
    CREATE FUNCTION app.secret() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION app.secret() FROM PUBLIC;
    SELECT lo_from_bytea(0, 'large'); RESET ROLE;
    CREATE TYPE app.mood AS ENUM ('calm'); REVOKE ALL ON TYPE app.mood FROM PUBLIC;";

#[tokio::test]
async fn the_guides_sql_makes_a_complete_backup() {
    for version in [PostgresVersion::Debian, PostgresVersion::V14] {
        let server = PostgresServer::start(version);
        server.sql("postgres", "CREATE DATABASE shop");
        server.sql("shop", NASTY);
        server.sql("postgres", "CREATE DATABASE walled");
        server.sql("postgres", "REVOKE CONNECT ON DATABASE walled FROM PUBLIC");
        server.sql("walled", "CREATE TABLE t (x int)");
        server.sql("postgres", &guides_sql());
        let all = source(&server, "dbackup", "");
        let found = all.databases().await.unwrap();
        assert_eq!(
            (found.names.as_slice(), found.left_out.as_slice()),
            (&["postgres", "shop", "walled"].map(str::to_owned)[..], &[][..])
        );
        assert_eq!(rights(&*all).await, (true, "every table of 3 databases can be read".to_owned()));
        for database in found.names {
            assert_eq!(dump(&*all, &database).await.unwrap(), [""; 0], "{database}");
        }
    }
}
