//! A connection that ends between a COMMIT and its answer: a restore tells what became of it, and if it cannot know, it says that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{dump, overwrite, source};
use sources::{Error, Kind, RestoreOptions, Restored, Unguarded};
use test_support::{Fate, PostgresServer, PostgresVersion, Relay, wait_until};

/// A database `shop` whose row is 2, a dump of when it was 1, and a relay in front of its server.
struct Shop {
    server: PostgresServer,
    relay: Relay,
    bytes: Vec<u8>,
}

impl Shop {
    async fn open(version: PostgresVersion) -> Self {
        let server = PostgresServer::start(version);
        server.sql("postgres", "CREATE DATABASE shop");
        server.sql("postgres", "COMMENT ON DATABASE shop IS 'of accounting'");
        server.sql("postgres", "ALTER DATABASE shop SET work_mem = '5MB'");
        server.sql("shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
        let bytes = dump(&server.address("shop"), "shop").await;
        server.sql("shop", "UPDATE t SET x = 2");
        let relay = Relay::start(server.port());
        Self { server, relay, bytes }
    }

    /// The address of a database through the relay.
    fn address(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.relay.port())
    }

    /// The address of a database through the relay, for psql only.
    fn address_of_psql(&self, database: &str) -> String {
        format!("{}?krbsrvname=postgres", self.address(database))
    }

    async fn restore(&self, address: &str, options: RestoreOptions) -> Result<Restored, Error> {
        restored(address.to_owned(), self.bytes.clone(), options).await
    }

    /// Restores, and lets no time pass any more once the relay has broken and lets nobody in.
    async fn restore_without_a_way_back(&self, address: &str, options: RestoreOptions) -> Error {
        let restoring = tokio::spawn(restored(address.to_owned(), self.bytes.clone(), options));
        let relay = self.relay.clone();
        tokio::task::spawn_blocking(move || wait_until("the relay breaks", || relay.is_broken())).await.unwrap();
        tokio::time::pause();
        let error = restoring.await.unwrap().unwrap_err();
        tokio::time::resume();
        self.relay.let_in();
        error
    }

    fn x(&self, database: &str) -> String {
        self.server.sql(database, "SELECT x FROM t").trim().to_owned()
    }

    fn passing(&self) -> String {
        let sql = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname ~ '__dbackup_'";
        self.server.sql("postgres", sql).trim().to_owned()
    }

    /// What the next restore does, once the one before has let go.
    async fn remove_leftovers(&self) {
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
        wait_until("its lock is gone", || self.server.sql("postgres", locks).trim() == "0");
        source(&self.server.address("shop")).remove_leftovers().await;
    }

    fn comment(&self, database: &str) -> String {
        let sql = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname =";
        self.server.sql("postgres", &format!("{sql} '{database}'")).trim().to_owned()
    }

    fn assert_is_restored(&self, restored: Result<Restored, Error>, told: &str) {
        let restored = restored.unwrap_or_else(|error| panic!("{told}: {error}"));
        assert_eq!(restored.warnings, [], "{told}");
        assert!(self.relay.is_broken(), "{told}: the test broke nothing");
        assert_eq!((self.x("shop"), self.comment("shop")), ("1".to_owned(), "of accounting".to_owned()), "{told}");
        assert_eq!(self.passing(), "", "{told}");
        self.server.sql("shop", "UPDATE t SET x = 2");
    }
}

async fn restored(address: String, bytes: Vec<u8>, options: RestoreOptions) -> Result<Restored, Error> {
    let mut restore = source(&address).restore(options).await?;
    let loaded = match restore.write(Bytes::from(bytes)).await {
        Ok(()) => restore.finish().await,
        Err(error) => Err(error),
    };
    match loaded {
        Ok(()) => restore.commit().await,
        Err(error) => {
            let _ = restore.abort().await;
            Err(error)
        }
    }
}

fn in_place() -> RestoreOptions {
    RestoreOptions { in_place: true, ..overwrite() }
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_has_happened_if_the_server_says_so() {
    for version in [PostgresVersion::V14, PostgresVersion::Debian] {
        let shop = Shop::open(version).await;
        for (after, statement, options) in [
            ("CREATE DATABASE", "CREATE DATABASE", overwrite()),
            ("work_mem", "COMMIT", overwrite()),
            ("IS 'of accounting'", "COMMIT", overwrite()),
            ("restored it completely", "COMMIT", overwrite()),
            ("RENAME TO", "COMMIT", overwrite()),
            ("IS_TEMPLATE false", "COMMIT", overwrite()),
            ("DROP DATABASE", "DROP DATABASE", overwrite()),
            ("RENAME TO", "COMMIT", in_place()),
            ("replaced it]", "COMMIT", in_place()),
        ] {
            shop.relay.break_at(after, statement, Fate::AnswerLost);
            let restored = shop.restore(&shop.address("shop"), options).await;
            shop.assert_is_restored(restored, &format!("{version:?}: {after}, {statement}"));
        }
    }
}

#[tokio::test]
async fn psql_tells_the_same_as_the_driver() {
    let shop = Shop::open(PostgresVersion::Debian).await;
    for (after, statement) in
        [("CREATE DATABASE", "CREATE DATABASE"), ("RENAME TO", "COMMIT"), ("DROP DATABASE", "DROP DATABASE")]
    {
        shop.relay.break_at(after, statement, Fate::AnswerLost);
        let restored = shop.restore(&shop.address_of_psql("shop"), overwrite()).await;
        shop.assert_is_restored(restored, &format!("{after}, {statement}"));
    }
    shop.relay.break_at("RENAME TO", "COMMIT", Fate::StatementLost);
    let (kept, _) = common::kept(shop.restore(&shop.address_of_psql("shop"), overwrite()).await);
    assert_eq!((shop.x("shop"), shop.x(&kept)), ("2".to_owned(), "1".to_owned()));
}

#[tokio::test]
async fn a_swap_that_did_not_happen_is_told_so_and_its_database_is_kept() {
    for fate in [Fate::StatementLost, Fate::Delayed] {
        let shop = Shop::open(PostgresVersion::Debian).await;
        shop.relay.break_at("RENAME TO", "COMMIT", fate);
        let (kept, cause) = common::kept(shop.restore(&shop.address("shop"), overwrite()).await);
        assert!(cause.contains("could not be replaced"), "{fate:?}: {cause}");
        if fate == Fate::Delayed {
            shop.relay.deliver();
            let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbackup'";
            wait_until("its session has ended", || shop.server.sql("postgres", sessions).trim() == "0");
        }
        assert_eq!((shop.x("shop"), shop.passing()), ("2".to_owned(), kept.clone()), "{fate:?}");
        // No later restore removes it.
        shop.remove_leftovers().await;
        source(&shop.server.address("shop")).put_in_place(&kept, &Unguarded).await.unwrap();
        assert_eq!((shop.x("shop"), shop.passing()), ("1".to_owned(), String::new()), "{fate:?}");
    }
}

#[tokio::test]
async fn a_swap_of_which_nothing_is_known_says_what_to_look_for_and_loses_nothing() {
    for happens in [true, false] {
        let shop = Shop::open(PostgresVersion::Debian).await;
        let fate = if happens { Fate::AnswerLost } else { Fate::StatementLost };
        shop.relay.break_for_good_at("RENAME TO", "COMMIT", fate);
        let error = shop.restore_without_a_way_back(&shop.address("shop"), overwrite()).await;
        assert_eq!(*error.kind(), Kind::Uncertain, "{error}");
        let words = error.to_string();
        assert!(words.starts_with("it is unknown whether the restored database has become 'shop'"), "{words}");
        let passing = shop.passing();
        assert!(
            words.contains(&format!("'{passing}'"))
                && words.contains("stays until a later restore of 'shop' has succeeded"),
            "{passing}: {words}"
        );
        // What the next restore there does.
        shop.remove_leftovers().await;
        if happens {
            assert_eq!((shop.x("shop"), shop.passing()), ("1".to_owned(), String::new()));
        } else {
            assert_eq!((shop.x("shop"), shop.passing()), ("2".to_owned(), passing.clone()));
            source(&shop.server.address("shop")).put_in_place(&passing, &Unguarded).await.unwrap();
            assert_eq!((shop.x("shop"), shop.passing()), ("1".to_owned(), String::new()));
        }
    }
}

#[tokio::test]
async fn a_second_try_of_a_swap_tells_the_truth_as_well() {
    let shop = Shop::open(PostgresVersion::Debian).await;
    let keep = async || {
        shop.relay.break_at("RENAME TO", "COMMIT", Fate::StatementLost);
        common::kept(shop.restore(&shop.address("shop"), overwrite()).await).0
    };
    let kept = keep().await;
    let again = source(&shop.address("shop"));
    shop.relay.break_at("RENAME TO", "COMMIT", Fate::StatementLost);
    assert_eq!(common::kept(again.put_in_place(&kept, &Unguarded).await).0, kept);
    shop.relay.break_at("RENAME TO", "COMMIT", Fate::AnswerLost);
    let placed = again.put_in_place(&kept, &Unguarded).await;
    shop.assert_is_restored(placed, "put in place");
}

#[tokio::test]
async fn what_is_brought_back_is_there_once_whatever_answer_is_lost() {
    for fate in [Fate::AnswerLost, Fate::StatementLost] {
        let shop = Shop::open(PostgresVersion::Debian).await;
        let mut restore = source(&shop.address("shop")).restore(in_place()).await.unwrap();
        restore.write(Bytes::copy_from_slice(&shop.bytes)).await.unwrap();
        restore.finish().await.unwrap();
        shop.relay.break_at("RENAME TO", "COMMIT", fate);
        let aborted = restore.abort().await;
        assert!(shop.relay.is_broken());
        if let Err(error) = aborted {
            assert!(
                fate == Fate::StatementLost && error.to_string().contains("could not bring back 'shop'"),
                "{error}"
            );
            shop.remove_leftovers().await;
        }
        assert_eq!((shop.x("shop"), shop.comment("shop")), ("2".to_owned(), "of accounting".to_owned()), "{fate:?}");
        assert_eq!(shop.passing(), "", "{fate:?}");
    }
}

#[tokio::test]
async fn a_restore_in_place_of_which_nothing_is_known_says_how_to_tell() {
    let shop = Shop::open(PostgresVersion::Debian).await;
    shop.relay.break_for_good_at("replaced it]", "COMMIT", Fate::StatementLost);
    let error = shop.restore_without_a_way_back(&shop.address("shop"), in_place()).await;
    assert_eq!(*error.kind(), Kind::Uncertain, "{error}");
    let words = error.to_string();
    let aside = shop.passing();
    assert!(words.contains("[dbackup is restoring it: ") && words.contains(&format!("is '{aside}'")), "{words}");
    shop.remove_leftovers().await;
    assert_eq!((shop.x("shop"), shop.passing()), ("2".to_owned(), String::new()));
}

/// A role that may not create databases, so that its empty database `mine` is filled by pg_restore itself.
fn add_tenant(shop: &Shop) -> String {
    shop.server.sql("postgres", "CREATE ROLE tenant LOGIN PASSWORD 'secret'");
    shop.server.sql("postgres", "CREATE DATABASE mine OWNER tenant");
    format!("postgres://tenant:secret@127.0.0.1:{}/mine", shop.relay.port())
}

#[tokio::test]
async fn a_database_that_pg_restore_has_filled_is_restored_although_its_answer_is_lost() {
    let shop = Shop::open(PostgresVersion::Debian).await;
    let address = add_tenant(&shop);
    shop.relay.break_at("CREATE TABLE", "COMMIT", Fate::StatementLost);
    let error = shop.restore(&address, common::no_owner()).await.unwrap_err();
    assert!(*error.kind() != Kind::Uncertain && shop.relay.is_broken(), "{error}");
    assert_eq!(shop.server.sql("mine", "SELECT count(*) FROM pg_class WHERE relname = 't'").trim(), "0");
    shop.relay.break_at("CREATE TABLE", "COMMIT", Fate::AnswerLost);
    shop.restore(&address, common::no_owner()).await.unwrap();
    assert!(shop.relay.is_broken());
    assert_eq!(shop.x("mine"), "1");
}

#[tokio::test]
async fn a_database_that_pg_restore_may_have_filled_is_told_as_unknown_with_what_to_look_for() {
    let shop = Shop::open(PostgresVersion::Debian).await;
    let address = add_tenant(&shop);
    shop.relay.break_for_good_at("CREATE TABLE", "COMMIT", Fate::AnswerLost);
    let error = shop.restore_without_a_way_back(&address, common::no_owner()).await;
    assert_eq!(*error.kind(), Kind::Uncertain, "{error}");
    assert!(error.to_string().contains("if it holds anything, the restore is complete"), "{error}");
    assert_eq!(shop.x("mine"), "1");
}
