//! What comes back is what was there: restores of PostgreSQL databases that have properties, and of ones that do not load cleanly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![expect(clippy::disallowed_methods, reason = "a test hands a folder to PostgreSQL's user")]

mod common;

use common::{dump, no_owner, on_errors_continue, overwrite, restore, review};
use sources::{Error, RestoreOptions, Severity};
use test_support::{PostgresServer, PostgresVersion, wait_until};

/// Everything that belongs to a database itself.
const PROPERTIES: &str = "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider, \
    daticulocale, datconnlimit, datistemplate, datacl, shobj_description(oid, 'pg_database'), \
    (SELECT array_agg(coalesce(rolname, '') || array_to_string(setconfig, ',') ORDER BY rolname) FROM pg_db_role_setting s \
     LEFT JOIN pg_roles r ON r.oid = setrole WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = ";

fn properties(server: &PostgresServer, database: &str) -> String {
    server.sql("postgres", &format!("{PROPERTIES}'{database}'"))
}

fn passing_databases(server: &PostgresServer) -> String {
    server.sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE '%dbackup%'").trim().to_owned()
}

fn start() -> PostgresServer {
    PostgresServer::start(PostgresVersion::Debian)
}

#[tokio::test]
async fn a_database_has_its_locale_owner_settings_privileges_limit_and_comment_back() {
    let server = start();
    for sql in [
        "CREATE ROLE dbo",
        "CREATE ROLE \"we ird\"",
        "CREATE DATABASE b1 OWNER dbo CONNECTION LIMIT 33 LOCALE_PROVIDER icu ICU_LOCALE 'en-US-u-kn-true' LOCALE 'C.UTF-8' TEMPLATE template0",
        "ALTER DATABASE b1 SET search_path = app, public",
        "ALTER DATABASE b1 SET timezone = 'Asia/Tokyo'",
        "ALTER ROLE \"we ird\" IN DATABASE b1 SET work_mem = '8MB'",
        "REVOKE ALL ON DATABASE b1 FROM PUBLIC",
        "GRANT CONNECT ON DATABASE b1 TO \"we ird\" WITH GRANT OPTION",
        "COMMENT ON DATABASE b1 IS 'it''s; the one'",
        "ALTER DATABASE b1 IS_TEMPLATE true",
    ] {
        server.sql("postgres", sql);
    }
    server.sql(
        "b1",
        "CREATE TABLE f (n text); INSERT INTO f VALUES ('file10'), ('file9'), ('File2'), ('apple'), ('Banana'); \
         CREATE MATERIALIZED VIEW mv AS SELECT n FROM f ORDER BY n LIMIT 2; CREATE TABLE p (n text) PARTITION BY RANGE (n); \
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('a') TO ('n'); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('n') TO ('zzzz'); \
         INSERT INTO p VALUES ('Banana')",
    );
    let bytes = dump(&server.address("b1"), "b1").await;
    let wanted = properties(&server, "b1");
    server.sql("postgres", "CREATE DATABASE empty");
    server.sql("postgres", "CREATE DATABASE full_one CONNECTION LIMIT 5");
    server.sql("full_one", "CREATE TABLE old (x int)");
    for (target, options) in
        [("absent", RestoreOptions::default()), ("empty", RestoreOptions::default()), ("full_one", overwrite())]
    {
        let restored = restore(&server.address(target), &bytes, options).await.unwrap();
        assert_eq!(restored.warnings, [], "{target}");
        assert_eq!(properties(&server, target), wanted, "{target}");
        assert_eq!(server.sql(target, "SELECT string_agg(n, ' ') FROM mv").trim(), "apple Banana");
    }
    assert_eq!(passing_databases(&server), "");
}

#[tokio::test]
async fn what_cannot_be_carried_over_is_listed_and_costs_nothing() {
    let server = start();
    for sql in [
        "CREATE ROLE gone",
        "CREATE DATABASE b1 OWNER gone",
        "ALTER DATABASE b1 SET log_min_duration_statement = '1s'",
        "ALTER DATABASE b1 SET work_mem = '9MB'",
        "CREATE ROLE tenant LOGIN CREATEDB PASSWORD 'secret'",
    ] {
        server.sql("postgres", sql);
    }
    server.sql("b1", "CREATE TABLE t (x int); INSERT INTO t VALUES (42)");
    let bytes = dump(&server.address("b1"), "b1").await;
    server.sql("postgres", "DROP DATABASE b1");
    server.sql("postgres", "DROP ROLE gone");
    let restored = restore(&server.address_as("tenant", "b2"), &bytes, no_owner()).await.unwrap();
    let subjects: Vec<&str> = restored.warnings.iter().filter_map(|warning| warning.subject.as_deref()).collect();
    assert_eq!(subjects, ["ALTER DATABASE \"b2\" SET log_min_duration_statement TO '1s'"], "{:?}", restored.warnings);
    assert_eq!(server.sql("b2", "SELECT x FROM t; SHOW work_mem").trim(), "42\n9MB");
}

#[tokio::test]
async fn an_owner_with_createdb_can_replace_its_database() {
    let server = start();
    server.sql("postgres", "CREATE ROLE tenant LOGIN CREATEDB PASSWORD 'secret'");
    server.sql("postgres", "CREATE DATABASE shop OWNER tenant");
    server.sql("postgres", "ALTER DATABASE shop SET work_mem = '9MB'");
    server.sql("shop", "SET ROLE tenant; CREATE SCHEMA app; CREATE TABLE app.t (x int); INSERT INTO app.t VALUES (1)");
    let address = server.address_as("tenant", "shop");
    let bytes = dump(&address, "shop").await;
    server.sql("shop", "DROP TABLE app.t");
    server.sql("shop", "CREATE TABLE later (x int)");
    for _ in 0..2 {
        let restored = restore(&address, &bytes, overwrite()).await.unwrap();
        assert_eq!(restored.warnings, []);
    }
    assert_eq!(server.sql("shop", "SELECT x FROM app.t; SHOW work_mem").trim(), "1\n9MB");
    assert_eq!(passing_databases(&server), "");
}

#[tokio::test]
async fn nothing_of_a_target_is_merged_into_what_is_restored() {
    let server = start();
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE SCHEMA app; CREATE TABLE app.t (x int)");
    let bytes = dump(&server.address("shop"), "shop").await;
    server.sql("postgres", "CREATE DATABASE target");
    server.sql("target", "CREATE SCHEMA app; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC");
    restore(&server.address("target"), &bytes, overwrite()).await.unwrap();
    assert_eq!(server.sql("target", "SELECT relacl IS NULL FROM pg_class WHERE relname = 't'").trim(), "t");
    assert_eq!(server.sql("target", "SELECT count(*) FROM pg_default_acl").trim(), "0");
}

const SPOILED: &str = "CREATE TABLE rates (c text, r numeric); INSERT INTO rates VALUES ('EUR', 1.1); \
    CREATE FUNCTION rate(x text) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT r FROM rates WHERE c = x'; \
    CREATE MATERIALIZED VIEW m AS SELECT c, rate(c) FROM rates; \
    CREATE TABLE price (id int, c text CHECK (rate(c) IS NOT NULL)); INSERT INTO price VALUES (1, 'EUR'); \
    CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (p int REFERENCES parent); \
    SET session_replication_role = replica; INSERT INTO child VALUES (7);";

#[tokio::test]
async fn one_object_never_bars_the_rest() {
    let server = start();
    server.sql("postgres", "CREATE DATABASE mv");
    server.sql("mv", SPOILED);
    let bytes = dump(&server.address("mv"), "mv").await;
    let refused = restore(&server.address("mv2"), &bytes, RestoreOptions::default()).await.unwrap_err().to_string();
    assert!(refused.contains("relation \"rates\" does not exist"), "{refused}");
    assert_eq!(passing_databases(&server), "");
    let restored = restore(&server.address("mv2"), &bytes, on_errors_continue()).await.unwrap();
    let mut failed: Vec<&str> = restored.failed_objects.iter().map(|failed| failed.object.as_str()).collect();
    failed.sort_unstable();
    assert_eq!(
        failed,
        ["FK CONSTRAINT public.child child_p_fkey", "MATERIALIZED VIEW DATA public.m", "TABLE DATA public.price"],
        "{:?}",
        restored.failed_objects
    );
    assert!(restored.failed_objects.iter().all(|failed| failed.error.contains("ERROR")), "{restored:?}");
    assert_eq!(server.sql("mv2", "SELECT c FROM rates; SELECT p FROM child").trim(), "EUR\n7");
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_object_to_go_on_past() {
    let server = start();
    server.sql("postgres", "CREATE DATABASE mv");
    server.sql("mv", SPOILED);
    let bytes = dump(&server.address("mv"), "mv").await;
    let failure = restore(&server.address("mv2"), &bytes[..bytes.len() - 20], on_errors_continue()).await.unwrap_err();
    assert!(failure.to_string().contains("cut off"), "{failure}");
    assert_eq!(passing_databases(&server), "");
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'mv2'").trim(), "0");
}

#[tokio::test]
async fn many_objects_do_not_run_out_of_locks_in_any_target() {
    let settings = ["max_connections=20", "max_locks_per_transaction=10"];
    let server = PostgresServer::start_with(PostgresVersion::Debian, &settings);
    server.sql("postgres", "CREATE ROLE tenant LOGIN PASSWORD 'secret'");
    server.sql("postgres", "CREATE DATABASE los OWNER tenant");
    for _ in 0..20 {
        server.sql("los", "SET ROLE tenant; SELECT count(lo_create(0)) FROM generate_series(1, 150)");
    }
    let bytes = dump(&server.address("los"), "los").await;
    server.sql("postgres", "CREATE DATABASE empty");
    server.sql("postgres", "CREATE DATABASE own OWNER tenant");
    restore(&server.address("empty"), &bytes, RestoreOptions::default()).await.unwrap();
    // This one may not create databases: the empty database itself is filled.
    restore(&server.address_as("tenant", "own"), &bytes, RestoreOptions::default()).await.unwrap();
    for database in ["empty", "own"] {
        assert_eq!(server.sql(database, "SELECT count(*) FROM pg_largeobject_metadata").trim(), "3000");
    }
}

#[tokio::test]
async fn a_role_without_createdb_fills_an_empty_database_and_leaves_the_providers_extension_alone() {
    let server = start();
    server.sql("postgres", "CREATE ROLE app2 LOGIN PASSWORD 'secret'");
    for database in ["src", "tgt"] {
        server.sql("postgres", &format!("CREATE DATABASE {database} OWNER app2"));
        server.sql(database, "CREATE EXTENSION pg_stat_statements");
    }
    server.sql("src", "SET ROLE app2; CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let bytes = dump(&server.address("src"), "src").await;
    let address = server.address_as("app2", "tgt");
    let restored = restore(&address, &bytes, RestoreOptions::default()).await.unwrap();
    let codes: Vec<&str> = restored.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, ["extension-comment"], "{:?}", restored.warnings);
    assert_eq!(server.sql("tgt", "SELECT a FROM t").trim(), "1");
    let refused = restore(&server.address_as("app2", "new"), &bytes, RestoreOptions::default()).await.unwrap_err();
    assert!(refused.to_string().contains("CREATEDB"), "{refused}");
    // With CREATEDB, the prepared database is filled in place.
    server.sql("postgres", "ALTER ROLE app2 CREATEDB");
    server.sql("tgt", "DROP TABLE t");
    let findings = review(&address, &bytes, RestoreOptions::default()).await;
    assert!(findings.iter().any(|finding| finding.code == "superuser-extension"), "{findings:?}");
    let in_place = RestoreOptions { in_place: true, ..RestoreOptions::default() };
    let findings = review(&address, &bytes, in_place).await;
    assert!(!findings.iter().any(|finding| finding.severity == Severity::Blocks), "{findings:?}");
    restore(&address, &bytes, in_place).await.unwrap();
    assert_eq!(server.sql("tgt", "SELECT a FROM t").trim(), "1");
}

#[tokio::test]
async fn a_target_that_may_only_be_read_by_default_is_filled_nevertheless() {
    let server = start();
    server.sql("postgres", "CREATE ROLE tenant LOGIN PASSWORD 'secret'");
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (x int)");
    let bytes = dump(&server.address("shop"), "shop").await;
    for (database, address) in [("target", server.address("target")), ("own", server.address_as("tenant", "own"))] {
        server.sql("postgres", &format!("CREATE DATABASE {database} OWNER tenant"));
        server.sql("postgres", &format!("ALTER DATABASE {database} SET default_transaction_read_only = on"));
        restore(&address, &bytes, no_owner()).await.unwrap();
        assert_eq!(server.sql(database, "SELECT count(*) FROM t").trim(), "0", "{database}");
    }
}

#[tokio::test]
async fn a_database_in_another_encoding_comes_back_under_a_new_name() {
    let server = start();
    server.sql("postgres", "CREATE DATABASE old TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    server.sql("old", "CREATE TABLE t (x text); INSERT INTO t VALUES (chr(233))");
    let bytes = dump(&server.address("old"), "old").await;
    restore(&server.address("old2"), &bytes, RestoreOptions::default()).await.unwrap();
    assert_eq!(
        server.sql("old2", "SELECT ascii(x), pg_client_encoding() FROM t; SHOW server_encoding").trim(),
        "233|LATIN1\nLATIN1"
    );
}

#[tokio::test]
async fn missing_tablespaces_are_told_and_their_objects_restored() {
    let (server, other) = (start(), start());
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("ts1");
    std::fs::create_dir(&place).unwrap();
    if rustix::process::getuid().is_root() {
        test_support::run(std::process::Command::new("chown").arg("-R").arg("postgres").arg(folder.path()));
    }
    server.sql("postgres", &format!("CREATE TABLESPACE ts1 LOCATION '{}'", place.display()));
    server.sql("postgres", "CREATE DATABASE shop TABLESPACE ts1");
    server.sql("shop", "CREATE TABLE t (x int) TABLESPACE pg_default; CREATE TABLE u (x int)");
    let bytes = dump(&server.address("shop"), "shop").await;
    let findings = review(&other.address("shop"), &bytes, RestoreOptions::default()).await;
    assert!(findings.iter().any(|finding| finding.code == "missing-tablespace"), "{findings:?}");
    let restored = restore(&other.address("shop"), &bytes, RestoreOptions::default()).await.unwrap();
    assert!(restored.warnings.iter().any(|warning| warning.code == "tablespace"), "{:?}", restored.warnings);
    assert_eq!(other.sql("shop", "SELECT count(*) FROM t, u").trim(), "0");
    // Where the tablespace exists, the database lies in it again.
    server.sql("postgres", "DROP DATABASE shop");
    restore(&server.address("shop"), &bytes, RestoreOptions::default()).await.unwrap();
    let sql = "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = 'shop'";
    assert_eq!(server.sql("postgres", sql).trim(), "ts1");
    server.sql("postgres", "DROP DATABASE shop");
    server.sql("postgres", "DROP TABLESPACE ts1");
}

#[tokio::test]
async fn a_database_that_loads_only_under_its_own_name_is_restored_in_place() {
    let server = start();
    server.sql("postgres", "CREATE DATABASE jobs");
    server.sql("jobs", "CREATE TABLE t (x int CHECK (current_database() = 'jobs')); INSERT INTO t VALUES (1)");
    let bytes = dump(&server.address("jobs"), "jobs").await;
    let options = RestoreOptions { in_place: true, ..overwrite() };
    assert!(restore(&server.address("jobs"), &bytes, overwrite()).await.is_err());
    server.sql("jobs", "INSERT INTO t VALUES (2)");
    restore(&server.address("jobs"), &bytes, options).await.unwrap();
    assert_eq!(server.sql("jobs", "SELECT x FROM t").trim(), "1");
    // One that fails brings back what was there.
    server.sql("jobs", "INSERT INTO t VALUES (3)");
    let cut = &bytes[..bytes.len() - 20];
    assert!(restore(&server.address("jobs"), cut, options).await.is_err());
    assert_eq!(server.sql("jobs", "SELECT string_agg(x::text, ' ') FROM t").trim(), "1 3");
    server.sql("postgres", "DROP DATABASE jobs");
    restore(&server.address("jobs"), &bytes, options).await.unwrap();
    assert_eq!(passing_databases(&server), "");
}

#[tokio::test]
async fn a_database_with_thousands_of_grants_is_replaced() {
    let server = start();
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "postgres",
        "DO $$ BEGIN FOR n IN 1..2500 LOOP EXECUTE format('CREATE ROLE tenant_with_a_long_name_%s', n); \
         EXECUTE format('GRANT CONNECT ON DATABASE shop TO tenant_with_a_long_name_%s', n); END LOOP; END $$",
    );
    let bytes = dump(&server.address("shop"), "shop").await;
    restore(&server.address("shop"), &bytes, overwrite()).await.unwrap();
    let sql = "SELECT cardinality(datacl) > 2500 FROM pg_database WHERE datname = 'shop'";
    assert_eq!(server.sql("postgres", sql).trim(), "t");
}

#[tokio::test]
async fn replication_is_told_before_and_does_not_keep_a_database_from_being_replaced() {
    let server = PostgresServer::start_with(PostgresVersion::Debian, &["wal_level=logical", "wal_receiver_timeout=5s"]);
    server.sql("postgres", "CREATE DATABASE upstream");
    server.sql("upstream", "CREATE TABLE t (a int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
    server.sql("upstream", "SELECT pg_create_logical_replication_slot('feed', 'pgoutput')");
    server.sql("postgres", "CREATE DATABASE live IS_TEMPLATE true");
    server.sql("live", "SELECT pg_create_logical_replication_slot('cdc', 'test_decoding')");
    server.sql("live", "CREATE TABLE t (a int PRIMARY KEY)");
    let connection = format!("host=127.0.0.1 port={} user=postgres dbname=upstream", server.port());
    server.sql("live", &format!("CREATE SUBSCRIPTION s CONNECTION '{connection}' PUBLICATION p WITH (create_slot = false, slot_name = 'feed')"));
    wait_until("the subscription works", || {
        server.sql("postgres", "SELECT active FROM pg_replication_slots WHERE slot_name = 'feed'").trim() == "t"
    });
    let bytes = dump(&server.address("live"), "live").await;
    let findings = review(&server.address("live"), &bytes, overwrite()).await;
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    for code in ["sessions", "replication-slots", "subscriptions"] {
        assert!(codes.contains(&code), "{code} in {findings:?}");
    }
    let restored = restore(&server.address("live"), &bytes, overwrite()).await.unwrap();
    let codes: Vec<&str> = restored.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, ["subscription", "replication-slot"], "{:?}", restored.warnings);
    assert_eq!(passing_databases(&server), "");
    assert_eq!(server.sql("live", "SELECT count(*) FROM t").trim(), "0");
}

#[tokio::test]
async fn a_restored_database_is_kept_when_its_place_is_not_free_and_swapped_later() {
    let server = PostgresServer::start_with(PostgresVersion::Debian, &["max_prepared_transactions=5"]);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    let bytes = dump(&server.address("shop"), "shop").await;
    server.sql("shop", "BEGIN; UPDATE t SET x = 2; PREPARE TRANSACTION 'open'");
    let findings = review(&server.address("shop"), &bytes, overwrite()).await;
    let blocking: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Blocks)
        .filter_map(|finding| finding.sql.as_deref())
        .collect();
    assert_eq!(blocking, ["ROLLBACK PREPARED 'open';"], "{findings:?}");
    let Err(Error::Kept { kept, cause, .. }) = restore(&server.address("shop"), &bytes, overwrite()).await else {
        panic!("swapped")
    };
    assert!(cause.contains("prepared transaction open"), "{cause}");
    assert_eq!(passing_databases(&server), kept);
    // The next restore leaves it alone, and names it.
    let other = restore(&server.address("other"), &bytes, RestoreOptions::default()).await.unwrap();
    assert_eq!(other.warnings.len(), 1, "{:?}", other.warnings);
    assert_eq!(other.warnings[0].subject.as_deref(), Some(kept.as_str()));
    let again = common::source(&server.address("shop")).put_in_place(&kept, &sources::Unguarded).await;
    assert!(matches!(&again, Err(Error::Kept { kept: still, .. }) if *still == kept), "{again:?}");
    server.sql("shop", "ROLLBACK PREPARED 'open'");
    common::source(&server.address("shop")).put_in_place(&kept, &sources::Unguarded).await.unwrap();
    assert_eq!(server.sql("shop", "SELECT x FROM t").trim(), "1");
    assert_eq!(passing_databases(&server), "");
    assert!(matches!(
        common::source(&server.address("shop")).put_in_place("postgres", &sources::Unguarded).await,
        Err(Error::Usage(_))
    ));
}

#[tokio::test]
async fn what_a_crash_left_is_removed_by_the_next_restore_and_what_is_being_loaded_is_not() {
    let server = start();
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (x int)");
    let bytes = dump(&server.address("shop"), "shop").await;
    server.sql("postgres", "CREATE DATABASE shop__dbackup_restore_0badcafe");
    server.sql("postgres", "CREATE DATABASE mine__dbackup_restore_notours");
    let mut going_on = common::source(&server.address("slow")).restore(RestoreOptions::default()).await.unwrap();
    going_on.write(bytes::Bytes::copy_from_slice(&bytes)).await.unwrap();
    restore(&server.address("copy"), &bytes, RestoreOptions::default()).await.unwrap();
    let left = passing_databases(&server);
    assert!(
        !left.contains("0badcafe") && left.contains("notours") && left.contains("slow__dbackup_restore_"),
        "{left}"
    );
    going_on.finish().await.unwrap();
    going_on.commit().await.unwrap();
    assert_eq!(passing_databases(&server), "mine__dbackup_restore_notours");
}

#[tokio::test]
async fn a_restore_that_is_cancelled_while_its_database_is_created_leaves_none() {
    let server = start();
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (x int)");
    let bytes = dump(&server.address("shop"), "shop").await;
    let is_running = async |statement: &str| {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '{statement}%'");
        while server.sql("postgres", &sql).trim() == "0" {
            tokio::task::yield_now().await;
        }
    };
    let mut locker =
        server.start_sql("postgres", "LOCK TABLE pg_catalog.pg_database IN SHARE MODE; SELECT pg_sleep(600)");
    is_running("LOCK TABLE").await;
    let mut restore = common::source(&server.address("copy")).restore(RestoreOptions::default()).await.unwrap();
    tokio::select! {
        written = restore.write(bytes::Bytes::from(bytes)) => panic!("{written:?}"),
        () = is_running("CREATE DATABASE") => {}
    }
    let (aborted, ()) = tokio::join!(restore.abort(), async {
        is_running("DROP DATABASE").await;
        server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LOCK TABLE%'");
    });
    aborted.unwrap();
    let _ = locker.wait();
    wait_until("nothing is created any more", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE DATABASE%'";
        server.sql("postgres", sql).trim() == "0"
    });
    assert_eq!(passing_databases(&server), "");
}

#[tokio::test]
async fn a_review_names_what_the_server_lacks_with_the_sql_to_copy() {
    let (server, other) = (start(), start());
    server.sql("postgres", "CREATE ROLE anon");
    server.sql("postgres", "CREATE ROLE app");
    server.sql("postgres", "CREATE ROLE \"a reader\"");
    server.sql("postgres", "CREATE DATABASE pol OWNER app");
    server.sql(
        "pol",
        "CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t TO anon USING (true); \
         ALTER TABLE t OWNER TO app; GRANT SELECT ON t TO \"a reader\"; CREATE EXTENSION unaccent; CREATE EXTENSION postgres_fdw",
    );
    let bytes = dump(&server.address("pol"), "pol").await;
    let findings = review(&other.address("pol"), &bytes, RestoreOptions::default()).await;
    let missing = findings.iter().find(|finding| finding.code == "missing-role").unwrap();
    assert_eq!(
        missing.sql.as_deref(),
        Some("CREATE ROLE \"a reader\" NOLOGIN;\nCREATE ROLE \"anon\" NOLOGIN;\nCREATE ROLE \"app\" NOLOGIN;")
    );
    // Without owners and privileges, a policy still names its role.
    let findings = review(&other.address("pol"), &bytes, no_owner()).await;
    let missing = findings.iter().find(|finding| finding.code == "missing-role").unwrap();
    assert_eq!(missing.sql.as_deref(), Some("CREATE ROLE \"anon\" NOLOGIN;"));
    assert!(restore(&other.address("pol"), &bytes, no_owner()).await.is_err());
    other.sql("postgres", &missing.sql.clone().unwrap());
    let findings = review(&other.address("pol"), &bytes, no_owner()).await;
    assert!(!findings.iter().any(|finding| finding.severity == Severity::Blocks), "{findings:?}");
    restore(&other.address("pol"), &bytes, no_owner()).await.unwrap();
    // A role that is no superuser: foreign owners and extensions.
    other.sql("postgres", "CREATE ROLE app");
    other.sql("postgres", "CREATE ROLE \"a reader\"");
    other.sql("postgres", "CREATE ROLE tenant LOGIN CREATEDB PASSWORD 'secret'");
    let findings = review(&other.address_as("tenant", "pol2"), &bytes, RestoreOptions::default()).await;
    let blocking: Vec<&str> =
        findings.iter().filter(|finding| finding.severity == Severity::Blocks).map(|finding| finding.code).collect();
    assert_eq!(blocking, ["foreign-owner", "superuser-extension"], "{findings:?}");
}

#[tokio::test]
async fn a_database_with_pg_cron_has_a_way_back_and_is_told_before_it_is_taken() {
    let settings = ["shared_preload_libraries=pg_cron", "cron.database_name=jobs", "cron.host=127.0.0.1"];
    let server = PostgresServer::start_with(PostgresVersion::Debian, &settings);
    server.sql("postgres", "CREATE DATABASE jobs");
    server.sql("jobs", "CREATE EXTENSION pg_cron; SELECT cron.schedule('nightly', '0 3 * * *', 'SELECT 1')");
    let bytes = dump(&server.address("jobs"), "jobs").await;
    let address = server.address("jobs");
    let in_place = RestoreOptions { in_place: true, ..overwrite() };
    let bound = |findings: &[sources::Finding]| findings.iter().any(|finding| finding.code == "bound-extension");
    assert!(bound(&review(&address, &bytes, overwrite()).await));
    assert!(!bound(&review(&address, &bytes, in_place).await));
    // The jobs are data, though every table belongs to an extension.
    assert!(matches!(restore(&address, &bytes, RestoreOptions::default()).await, Err(Error::HoldsData(_))));
    let refused = restore(&address, &bytes, overwrite()).await.unwrap_err().to_string();
    assert!(refused.contains("can only create extension in database jobs"), "{refused}");
    let jobs = || server.sql("jobs", "SELECT jobname FROM cron.job").trim().to_owned();
    restore(&address, &bytes, in_place).await.unwrap();
    assert_eq!(jobs(), "nightly");
    server.sql("postgres", "DROP DATABASE jobs WITH (FORCE)");
    restore(&address, &bytes, in_place).await.unwrap();
    assert_eq!(jobs(), "nightly");
    assert_eq!(passing_databases(&server), "");
}
