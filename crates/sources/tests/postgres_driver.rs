//! Asking PostgreSQL through the driver: its sessions, its login by libpq's rules, and what is left to psql.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{dump, restore, source};
use sources::{Contents, Kind, RestoreOptions};
use test_support::{PostgresServer, PostgresVersion, wait_until};

/// Sessions of the driver at a server. psql calls itself psql.
fn sessions(server: &PostgresServer) -> String {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbackup' AND usename <> 'postgres'";
    server.sql("postgres", sql).trim().to_owned()
}

/// A server with a role that needs its password.
fn with_role() -> PostgresServer {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE app LOGIN CREATEDB PASSWORD 'secret'");
    server.sql("postgres", "CREATE DATABASE shop OWNER app");
    server.sql("shop", "CREATE TABLE t AS SELECT 1 AS x; ALTER TABLE t OWNER TO app");
    server
}

#[tokio::test]
async fn one_session_is_asked_several_times_and_ends_with_its_source() {
    let server = with_role();
    let asked = source(&server.address_as("app", ""));
    for _ in 0..3 {
        assert!(asked.databases().await.unwrap().names.contains(&"shop".to_owned()));
        wait_until("only the one that is kept is left", || sessions(&server) == "1");
    }
    // What ends it meanwhile is no failure.
    server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
    asked.databases().await.unwrap();
    drop(asked);
    wait_until("it has ended", || sessions(&server) == "0");
}

#[tokio::test]
async fn a_password_file_is_read_as_libpq_reads_it() {
    let server = with_role();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwords");
    std::fs::write(&file, format!("*:{}:*:other:no\n127.0.0.1:*:*:app:secret\n", server.port())).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let address = format!("postgres://app@127.0.0.1:{}/?passfile={}", server.port(), file.display());
    let asked = source(&address);
    asked.databases().await.unwrap();
    wait_until("the driver's session is left", || sessions(&server) == "1");
}

#[tokio::test]
async fn what_the_driver_cannot_do_is_left_to_psql() {
    let server = with_role();
    let by_psql = |database: &str| format!("{}?krbsrvname=postgres", server.address_as("app", database));
    let bytes = dump(&by_psql("shop"), "shop").await;
    let overwrite = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    server.sql("shop", "UPDATE t SET x = 2");
    restore(&by_psql("shop"), &bytes, overwrite).await.unwrap();
    assert_eq!(server.sql("shop", "SELECT x FROM t").trim(), "1");
    let asked = source(&by_psql(""));
    asked.databases().await.unwrap();
    assert_eq!(sessions(&server), "0");
}

#[tokio::test]
async fn a_database_whose_encoding_has_no_way_to_utf_8_is_asked_and_dumped() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql(
        "postgres",
        "CREATE DATABASE mule TEMPLATE template0 ENCODING 'MULE_INTERNAL' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    assert_eq!(source(&server.address("mule")).contents().await.unwrap(), Contents::Empty);
    assert!(!dump(&server.address("mule"), "mule").await.is_empty());
}

#[tokio::test]
async fn refusals_have_their_kind_and_code() {
    let server = with_role();
    let wrong = source(&server.address_as("app", "shop").replace(":secret@", ":wrong@")).contents().await.unwrap_err();
    assert_eq!((wrong.kind(), wrong.native_code_text()), (&Kind::Denied, Some("28P01")), "{wrong}");
    assert!(wrong.cure_text().unwrap().contains("Check the user and the password"));
    let nobody = source("postgres://app@127.0.0.1:1/shop").contents().await.unwrap_err();
    assert_eq!(*nobody.kind(), Kind::Unavailable, "{nobody}");
}
