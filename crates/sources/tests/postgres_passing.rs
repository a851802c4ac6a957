//! What a restore leaves at the server when it is killed, or when others are in its way: nothing that is whole is ever removed, and
//! nothing that is not whole is ever put in place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use common::{dump, overwrite, restore, review, source};
use sources::{Error, Guard, Restore, RestoreOptions, Severity, Unguarded};
use test_support::{PostgresServer, PostgresVersion, wait_until};

/// Passes until it is told otherwise.
#[derive(Default)]
struct Stop(AtomicBool);

#[async_trait]
impl Guard for Stop {
    async fn check(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Stopped("cancelled".to_owned())) } else { Ok(()) }
    }
}

fn start() -> PostgresServer {
    PostgresServer::start(PostgresVersion::Debian)
}

fn passing(server: &PostgresServer) -> String {
    let sql = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname ~ '__dbackup_'";
    server.sql("postgres", sql).trim().to_owned()
}

/// A superuser's session in a database, which ends with the server or [`end_sessions`].
fn enter(server: &PostgresServer, database: &str) {
    let mut session = server.start_sql(database, "SELECT pg_sleep(1000)");
    std::thread::spawn(move || session.wait());
    let sql =
        format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%pg_sleep(1000)'");
    wait_until("the session is there", || server.sql("postgres", &sql).trim() == "1");
}

fn end_sessions(server: &PostgresServer) {
    let which = "query LIKE '%pg_sleep(1000)' AND pid <> pg_backend_pid()";
    server.sql("postgres", &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}"));
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE {which}");
    wait_until("the sessions have ended", || server.sql("postgres", &sql).trim() == "0");
}

/// A restore whose dump was fed to its end.
async fn loaded(address: &str, dump: &[u8], options: RestoreOptions) -> Box<dyn Restore> {
    let mut restore = source(address).restore(options).await.unwrap();
    restore.write(Bytes::copy_from_slice(dump)).await.unwrap();
    restore.finish().await.unwrap();
    restore
}

#[tokio::test]
async fn sessions_in_the_restored_database_are_ended_or_named_and_what_is_kept_is_never_removed() {
    let server = start();
    server.sql("postgres", "CREATE ROLE tenant LOGIN CREATEDB PASSWORD 'secret'");
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    let bytes = dump(&server.address("shop"), "shop").await;
    // A superuser ends them.
    let restoring = loaded(&server.address("copy"), &bytes, RestoreOptions::default()).await;
    enter(&server, &passing(&server));
    restoring.commit().await.unwrap();
    assert_eq!(server.sql("copy", "SELECT x FROM t").trim(), "1");

    // Others cannot end a superuser's.
    let no_owner = RestoreOptions { no_owner: true, ..RestoreOptions::default() };
    let address = server.address_as("tenant", "mine");
    let restoring = loaded(&address, &bytes, no_owner).await;
    enter(&server, &passing(&server));
    let Err(Error::Kept { kept, cause, .. }) = restoring.commit().await else { panic!("put in place") };
    assert!(cause.contains(&kept) && cause.contains("of postgres"), "{cause}");
    let other = restore(&server.address("other"), &bytes, RestoreOptions::default()).await.unwrap();
    assert_eq!(passing(&server), kept);
    assert!(other.warnings[0].message.contains("restored completely"), "{:?}", other.warnings);
    end_sessions(&server);
    source(&address).put_in_place(&kept, &Unguarded).await.unwrap();
    assert_eq!(server.sql("mine", "SELECT x FROM t").trim(), "1");
    let comment = "SELECT coalesce(shobj_description(oid, 'pg_database'), '-') FROM pg_database WHERE datname = 'mine'";
    assert_eq!(server.sql("postgres", comment).trim(), "-", "no mark is left");
    assert_eq!(passing(&server), "");
}

#[tokio::test]
async fn only_what_is_whole_and_was_restored_for_a_database_is_put_in_its_place() {
    let server = PostgresServer::start_with(PostgresVersion::Debian, &["max_prepared_transactions=5"]);
    for name in ["shop", "shop2"] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql(name, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    }
    let bytes = dump(&server.address("shop"), "shop").await;
    server.sql("shop", "BEGIN; UPDATE t SET x = 2; PREPARE TRANSACTION 'open'");
    let Err(Error::Kept { kept, .. }) = restore(&server.address("shop"), &bytes, overwrite()).await else {
        panic!("swapped")
    };
    let mut half = source(&server.address("shop")).restore(overwrite()).await.unwrap();
    half.write(Bytes::copy_from_slice(&bytes[..bytes.len() - 10])).await.unwrap();
    let loading = passing(&server).split(' ').find(|name| *name != kept).unwrap().to_owned();
    for (target, name, words) in [
        ("shop", loading.as_str(), "not a complete database"),
        ("shop2", &kept, "was restored for 'shop'"),
        ("shop", "postgres", "not a complete database"),
        ("shop", "shop__dbackup_restored_00000000", "no database"),
    ] {
        let refused = source(&server.address(target)).put_in_place(name, &Unguarded).await.unwrap_err();
        assert!(matches!(refused, Error::Usage(_)) && refused.to_string().contains(words), "{name}: {refused}");
    }
    half.abort().await.unwrap();
    assert_eq!(passing(&server), kept);
    assert_eq!(server.sql("shop2", "SELECT x FROM t").trim(), "1");
}

#[tokio::test]
async fn a_killed_restore_in_place_loses_nothing_and_its_half_counts_as_no_backup() {
    let server = start();
    server.sql("postgres", "CREATE DATABASE jobs");
    server.sql("postgres", "COMMENT ON DATABASE jobs IS 'of the night'");
    server.sql("jobs", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    let bytes = dump(&server.address("jobs"), "jobs").await;
    server.sql("jobs", "UPDATE t SET x = 2");
    let in_place = RestoreOptions { in_place: true, ..overwrite() };
    let mut killed = source(&server.address("jobs")).restore(in_place).await.unwrap();
    killed.write(Bytes::copy_from_slice(&bytes[..bytes.len() - 10])).await.unwrap();
    let everything = source(&server.address(""));
    let assert_left_out = async || {
        let found = everything.databases().await.unwrap();
        assert_eq!(found.names, ["postgres"]);
        let codes: Vec<&str> = found.left_out.iter().map(|warning| warning.code.as_str()).collect();
        assert_eq!(codes, ["being-restored", "being-restored"], "{:?}", found.left_out);
        assert!(!format!("{:?}", found.left_out).contains("DROP"), "{:?}", found.left_out);
    };
    assert_left_out().await;
    let mut half = source(&server.address("jobs")).dump("jobs", sources::DumpOptions::default()).await.unwrap();
    while half.next().await.unwrap().is_some() {}
    let warnings = half.finish().await.unwrap();
    assert!(warnings.iter().any(|warning| warning.code == "being-restored"), "{warnings:?}");
    // As kill -9 does: nobody undoes anything.
    drop(killed);
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    wait_until("its lock is gone", || server.sql("postgres", locks).trim() == "0");
    assert_left_out().await;

    let told = source(&server.address("jobs")).remove_leftovers().await;
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(server.sql("jobs", "SELECT x FROM t").trim(), "2");
    let comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'jobs'";
    assert_eq!(server.sql("postgres", comment).trim(), "of the night");
    assert_eq!(passing(&server), "");

    // Whatever has its name meanwhile is not ours to drop, and neither is what it was before.
    let mut killed = source(&server.address("jobs")).restore(in_place).await.unwrap();
    killed.write(Bytes::copy_from_slice(&bytes[..bytes.len() - 10])).await.unwrap();
    drop(killed);
    wait_until("its lock is gone", || server.sql("postgres", locks).trim() == "0");
    server.sql("postgres", "DROP DATABASE jobs WITH (FORCE)");
    server.sql("postgres", "CREATE DATABASE jobs");
    let told = source(&server.address("jobs")).remove_leftovers().await;
    assert!(told.len() == 1 && told[0].message.contains("'jobs' as it was before"), "{told:?}");
    assert!(!told[0].cure.as_ref().unwrap().contains("DROP"), "{told:?}");
    server.sql("postgres", "DROP DATABASE jobs");
    assert!(source(&server.address("jobs")).remove_leftovers().await.is_empty());
    assert_eq!(server.sql("jobs", "SELECT x FROM t").trim(), "2");
}

#[tokio::test]
async fn a_restore_in_place_that_is_stopped_at_its_end_brings_back_what_was_there() {
    let server = start();
    server.sql("postgres", "CREATE DATABASE jobs");
    server.sql("postgres", "COMMENT ON DATABASE jobs IS 'of the backup'");
    server.sql("jobs", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    let bytes = dump(&server.address("jobs"), "jobs").await;
    server.sql("postgres", "COMMENT ON DATABASE jobs IS 'of today'");
    server.sql("jobs", "UPDATE t SET x = 2");
    let state = || {
        let sql = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'jobs'";
        (server.sql("jobs", "SELECT x FROM t").trim().to_owned(), server.sql("postgres", sql).trim().to_owned())
    };
    let in_place = RestoreOptions { in_place: true, ..overwrite() };
    let stop = Arc::new(Stop::default());
    let mut restore = source(&server.address("jobs")).restore(in_place).await.unwrap();
    restore.guard(Arc::clone(&stop) as Arc<dyn Guard>);
    restore.write(Bytes::copy_from_slice(&bytes)).await.unwrap();
    restore.finish().await.unwrap();
    stop.0.store(true, Ordering::Relaxed);
    assert!(matches!(restore.commit().await, Err(Error::Stopped(_))));
    assert_eq!(state(), ("2".to_owned(), "of today".to_owned()));
    assert_eq!(passing(&server), "");
    // Whoever is connected to what was moved aside is in nobody's way.
    let restore = loaded(&server.address("jobs"), &bytes, in_place).await;
    enter(&server, &passing(&server));
    let restored = restore.commit().await.unwrap();
    assert!(restored.warnings.is_empty(), "{:?}", restored.warnings);
    assert_eq!(state(), ("1".to_owned(), "of the backup".to_owned()));
    assert_eq!(passing(&server), "");
}

#[tokio::test]
async fn what_was_replaced_before_a_kill_is_removed_and_what_cannot_be_told_is_not() {
    let server = start();
    for name in ["shop__dbackup_replaced_0badcafe", "shop__dbackup_replaced_0badf00d", "shop__dbackup_aside_0badcafe"] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
    }
    server.sql("postgres", "COMMENT ON DATABASE shop__dbackup_replaced_0badcafe IS E'x\n[dbackup replaced it]'");
    let told = source(&server.address("shop")).remove_leftovers().await;
    assert_eq!(passing(&server), "shop__dbackup_aside_0badcafe shop__dbackup_replaced_0badf00d");
    assert!(
        told.len() == 2 && told.iter().all(|warning| warning.cure.as_ref().unwrap().contains("Look into it")),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_empty_database_that_is_filled_itself_tells_what_it_keeps_of_its_own() {
    let server = start();
    server.sql("postgres", "CREATE ROLE tenant LOGIN PASSWORD 'secret'");
    server.sql(
        "postgres",
        "CREATE DATABASE src OWNER tenant TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US-u-kn-true' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    server.sql("src", "SET ROLE tenant; CREATE TABLE t (a text); INSERT INTO t VALUES ('x')");
    let bytes = dump(&server.address("src"), "src").await;
    for (target, encoding, codes) in
        [("plain", "UTF8", vec!["locale"]), ("ascii", "SQL_ASCII", vec!["encoding", "locale"])]
    {
        let sql = format!(
            "CREATE DATABASE {target} OWNER tenant TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C' LOCALE_PROVIDER libc"
        );
        server.sql("postgres", &sql);
        let address = server.address_as("tenant", target);
        let found = review(&address, &bytes, RestoreOptions::default()).await;
        let warned: Vec<&str> =
            found.iter().filter(|finding| finding.severity == Severity::Warns).map(|finding| finding.code).collect();
        assert_eq!(warned, codes, "{found:?}");
        let restored = restore(&address, &bytes, RestoreOptions::default()).await.unwrap();
        let warned: Vec<&str> = restored.warnings.iter().map(|warning| warning.code.as_str()).collect();
        assert_eq!(warned, codes, "{:?}", restored.warnings);
        assert!(restored.warnings.iter().any(|warning| warning.message.contains("en-US-u-kn-true")));
    }
    // One of the same kind has nothing to tell.
    server.sql("postgres", "CREATE DATABASE same OWNER tenant TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US-u-kn-true' LC_COLLATE 'C' LC_CTYPE 'C'");
    let restored = restore(&server.address_as("tenant", "same"), &bytes, RestoreOptions::default()).await.unwrap();
    assert!(restored.warnings.is_empty(), "{:?}", restored.warnings);
}

#[tokio::test]
async fn a_target_of_another_owner_and_sessions_that_may_not_be_ended_are_told_before_anything_is_loaded() {
    let server = start();
    server.sql("postgres", "CREATE ROLE tenant LOGIN CREATEDB PASSWORD 'secret'");
    for (name, owner) in [("others", "postgres"), ("vacant", "postgres"), ("own", "tenant")] {
        server.sql("postgres", &format!("CREATE DATABASE {name} OWNER {owner}"));
        server.sql(name, "GRANT CREATE ON SCHEMA public TO tenant");
    }
    for name in ["others", "own"] {
        server.sql(name, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    }
    let bytes = dump(&server.address("own"), "own").await;
    let replacing = RestoreOptions { no_owner: true, ..overwrite() };
    let blocks = async |database: &str| -> Vec<&'static str> {
        let found = review(&server.address_as("tenant", database), &bytes, replacing).await;
        found.iter().filter(|finding| finding.severity == Severity::Blocks).map(|finding| finding.code).collect()
    };
    assert_eq!(blocks("others").await, ["not-owner"]);
    let refused = restore(&server.address_as("tenant", "others"), &bytes, replacing).await.unwrap_err();
    assert!(refused.to_string().contains("ALTER DATABASE \"others\" OWNER TO \"tenant\""), "{refused}");
    assert_eq!(passing(&server), "");
    // An empty one is filled itself.
    assert!(blocks("vacant").await.is_empty());
    restore(&server.address_as("tenant", "vacant"), &bytes, replacing).await.unwrap();
    assert_eq!(server.sql("vacant", "SELECT x FROM t").trim(), "1");
    assert!(blocks("own").await.is_empty());
    enter(&server, "own");
    assert_eq!(blocks("own").await, ["sessions-of-others"]);
}

#[tokio::test]
async fn what_holds_a_leftover_database_goes_with_it_and_is_told_of_what_was_replaced() {
    let server = PostgresServer::start_with(PostgresVersion::Debian, &["wal_level=logical"]);
    server.sql("postgres", "CREATE DATABASE shop");
    for (name, slot) in [("shop__dbackup_replaced_0badcafe", "old"), ("shop__dbackup_restore_0badf00d", "new")] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql(name, "CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)");
        server.sql(name, &format!("SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')"));
        server.sql("postgres", &format!("ALTER DATABASE {name} IS_TEMPLATE true"));
    }
    server.sql("postgres", "COMMENT ON DATABASE shop__dbackup_replaced_0badcafe IS '[dbackup replaced it]'");
    let told = source(&server.address("shop")).remove_leftovers().await;
    assert_eq!(passing(&server), "");
    let told: Vec<(&str, Option<&str>)> =
        told.iter().map(|warning| (warning.code.as_str(), warning.subject.as_deref())).collect();
    assert_eq!(told, [("subscription", Some("s")), ("replication-slot", Some("old"))]);
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_replication_slots").trim(), "0");
}
