//! What a restore does while its target is locked: it waits a little, lets others connect, and changes nothing once it is stopped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use common::{dump, overwrite};
use sources::{Error, Guard, Restored};
use test_support::{PostgresServer, PostgresVersion, wait_until};

/// Passes until it is told otherwise.
#[derive(Default)]
struct Switch(AtomicBool);

#[async_trait]
impl Guard for Switch {
    async fn check(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) { Err(Error::stopped("cancelled")) } else { Ok(()) }
    }
}

/// A database `shop` whose row is 2, a dump of when it was 1, and a session that locks the database.
struct Locked {
    server: PostgresServer,
    bytes: Vec<u8>,
    holder: std::process::Child,
}

impl Locked {
    async fn start() -> Self {
        let server = PostgresServer::start(PostgresVersion::Debian);
        server.sql("postgres", "CREATE DATABASE shop");
        server.sql("shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
        let bytes = dump(&server.address("shop"), "shop").await;
        server.sql("shop", "UPDATE t SET x = 2");
        let holder = server.start_sql("postgres", "BEGIN; COMMENT ON DATABASE shop IS 'x'; SELECT pg_sleep(1000)");
        let locked = Self { server, bytes, holder };
        wait_until("the database is locked", || locked.count("granted AND mode = 'ShareUpdateExclusiveLock'") == "1");
        locked
    }

    fn count(&self, which: &str) -> String {
        let sql = format!(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND {which}"
        );
        self.server.sql("postgres", &sql).trim().to_owned()
    }

    /// A restore that has come to its swap, and waits.
    fn swapping(&self, guard: Arc<Switch>) -> tokio::task::JoinHandle<Result<Restored, Error>> {
        let (address, bytes) = (self.server.address("shop"), self.bytes.clone());
        let swapping = tokio::spawn(async move {
            let mut restore = common::source(&address).restore(overwrite()).await?;
            restore.guard(guard);
            restore.write(Bytes::from(bytes)).await?;
            restore.finish().await?;
            restore.commit().await
        });
        wait_until("the swap waits", || self.count("NOT granted AND mode = 'AccessExclusiveLock'") == "1");
        swapping
    }

    fn release(&mut self) {
        self.server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1000)' AND pid <> pg_backend_pid()");
        self.holder.wait().unwrap();
        wait_until("nobody waits any more", || self.count("mode = 'AccessExclusiveLock'") == "0");
    }

    fn assert_unchanged(&self) {
        assert_eq!(self.server.sql("shop", "SELECT x FROM t").trim(), "2");
        let replaced = "SELECT count(*) FROM pg_database WHERE datname LIKE '%__dbackup_replaced_%'";
        assert_eq!(self.server.sql("postgres", replaced).trim(), "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_cancelled_while_its_target_is_locked_changes_nothing() {
    let mut locked = Locked::start().await;
    let guard = Arc::new(Switch::default());
    let swapping = locked.swapping(Arc::clone(&guard));
    // Whoever connects waits for a moment at most.
    assert_eq!(locked.server.sql("shop", "SELECT x FROM t").trim(), "2");
    guard.0.store(true, Ordering::Relaxed);
    let stopped = swapping.await.unwrap();
    assert_eq!(stopped.unwrap_err(), Error::stopped("cancelled"));
    locked.release();
    locked.assert_unchanged();
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE '%__dbackup_%'";
    assert_eq!(locked.server.sql("postgres", left).trim(), "0", "the loaded database is dropped");
}

/// A guard whose catalog goes away while the target is locked.
struct Away {
    server: PostgresServer,
    has_gone: AtomicBool,
    is_back: AtomicBool,
    back: tokio::sync::Notify,
}

impl Away {
    fn is_locked(&self) -> bool {
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND granted \
                   AND mode = 'AccessExclusiveLock'";
        self.server.sql("postgres", sql).trim() != "0"
    }
}

#[async_trait]
impl Guard for Away {
    async fn check(&self) -> Result<(), Error> {
        if !self.has_gone.load(Ordering::Relaxed) && self.is_locked() {
            self.has_gone.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        if self.has_gone.load(Ordering::Relaxed) && !self.is_back.load(Ordering::Relaxed) {
            self.back.notified().await;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_does_not_answer_lets_the_target_go_and_is_asked_again() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    let bytes = dump(&server.address("shop"), "shop").await;
    server.sql("shop", "UPDATE t SET x = 2");
    let mut restore = common::source(&server.address("shop")).restore(overwrite()).await.unwrap();
    let away = Arc::new(Away {
        server,
        has_gone: AtomicBool::default(),
        is_back: AtomicBool::default(),
        back: tokio::sync::Notify::new(),
    });
    restore.guard(Arc::clone(&away) as Arc<dyn Guard>);
    restore.write(Bytes::from(bytes)).await.unwrap();
    restore.finish().await.unwrap();
    let committing = tokio::spawn(restore.commit());
    wait_until("the catalog is away", || away.has_gone.load(Ordering::Relaxed));
    wait_until("the target is let go", || !away.is_locked());
    assert_eq!(away.server.sql("shop", "SELECT x FROM t").trim(), "2", "everybody can log in, to what was there");
    assert!(!committing.is_finished(), "it waits for the catalog");
    away.is_back.store(true, Ordering::Relaxed);
    away.back.notify_one();
    committing.await.unwrap().unwrap();
    assert_eq!(away.server.sql("shop", "SELECT x FROM t").trim(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_dropped_while_its_target_is_locked_changes_nothing() {
    let mut locked = Locked::start().await;
    let swapping = locked.swapping(Arc::default());
    swapping.abort();
    assert!(swapping.await.unwrap_err().is_cancelled());
    locked.release();
    locked.assert_unchanged();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_stays_locked_keeps_the_restored_database_and_names_who_locks_it() {
    let mut locked = Locked::start().await;
    let result = locked.swapping(Arc::default()).await.unwrap();
    let (kept, cause) = common::kept(result);
    assert!(cause.contains("is locked by session") && cause.contains("postgres"), "{cause}");
    locked.assert_unchanged();
    locked.release();
    common::source(&locked.server.address("shop")).put_in_place(&kept, &sources::Unguarded).await.unwrap();
    assert_eq!(locked.server.sql("shop", "SELECT x FROM t").trim(), "1");
}

/// A restore by a role without CREATEDB into its empty database, in which nothing may be seen before the restore says so.
async fn fill_directly(server: &PostgresServer, bytes: Vec<u8>, guard: Arc<Switch>) -> Result<Restored, Error> {
    let address = server.address_as("app", "empty");
    let mut restore = common::source(&address).restore(common::no_owner()).await?;
    restore.guard(guard);
    for piece in bytes.chunks(1000) {
        restore.write(Bytes::copy_from_slice(piece)).await?;
    }
    match restore.finish().await {
        Ok(()) => restore.commit().await,
        Err(error) => {
            restore.abort().await.unwrap();
            Err(error)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_filled_directly_changes_only_once_the_guard_has_passed_it() {
    for version in [PostgresVersion::V14, PostgresVersion::Debian] {
        let server = PostgresServer::start(version);
        server.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'secret'");
        server.sql("postgres", "CREATE DATABASE shop");
        server.sql("postgres", "CREATE DATABASE empty OWNER app");
        let tables =
            "CREATE TABLE t AS SELECT n, md5(n::text) AS x FROM generate_series(1, 1000) n; CREATE INDEX ON t (x)";
        server.sql(
            "shop",
            &format!("{tables}; CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t; SELECT lo_from_bytea(0, 'x')"),
        );
        let bytes = dump(&server.address("shop"), "shop").await;
        let guard = Arc::new(Switch::default());
        guard.0.store(true, Ordering::Relaxed);
        let stopped = fill_directly(&server, bytes.clone(), Arc::clone(&guard)).await;
        assert_eq!(stopped.unwrap_err(), Error::stopped("cancelled"));
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
        wait_until("its sessions have ended", || server.sql("postgres", sessions).trim() == "0");
        let tables = "SELECT count(*) FROM pg_class WHERE relname IN ('t', 'm')";
        assert_eq!(server.sql("empty", tables).trim(), "0");
        guard.0.store(false, Ordering::Relaxed);
        let restored = fill_directly(&server, bytes, guard).await.unwrap();
        assert_eq!(restored.warnings, []);
        assert_eq!(server.sql("empty", "SELECT count(*) FROM t").trim(), "1000");
        assert_eq!(server.sql("empty", "SELECT * FROM m").trim(), "1000");
        let event_triggers = "SELECT count(*) FROM pg_event_trigger";
        assert_eq!(server.sql("empty", event_triggers).trim(), "0", "the gate leaves nothing behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_filled_directly_says_from_when_on_it_may_be_complete() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'secret'");
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("postgres", "CREATE DATABASE empty OWNER app");
    server.sql("shop", "CREATE TABLE t AS SELECT 1 AS x");
    let bytes = dump(&server.address("shop"), "shop").await;
    let mut restore = common::source(&server.address_as("app", "empty")).restore(common::no_owner()).await.unwrap();
    let activity = restore.activity();
    restore.write(Bytes::from(bytes)).await.unwrap();
    assert!(!activity.is_committing());
    // A standby that is not there holds every commit up.
    server.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    server.sql("postgres", "SELECT pg_reload_conf()");
    wait_until("commits wait", || server.sql("postgres", "SHOW synchronous_standby_names").trim() == "nobody");
    let finishing = tokio::spawn(async move {
        let finished = restore.finish().await;
        (restore, finished)
    });
    let held_up = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'app'";
    wait_until("its commit waits", || server.sql("postgres", held_up).trim() == "1");
    assert!(activity.is_committing() && activity.is_active().await, "it is not given up any more");
    server.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
    server.sql("postgres", "SELECT pg_reload_conf()");
    let (restore, finished) = finishing.await.unwrap();
    finished.unwrap();
    assert!(!activity.is_committing());
    restore.commit().await.unwrap();
    assert_eq!(server.sql("empty", "SELECT x FROM t").trim(), "1");
}
