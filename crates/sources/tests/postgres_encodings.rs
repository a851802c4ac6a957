//! Databases, and names of databases, in encodings that cannot be converted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Mutex;

use common::{dump, overwrite, restore, review, source};
use domain::probe::StepResult;
use sources::{Error, RestoreOptions};
use test_support::{PostgresServer, PostgresVersion};

/// A database in MULE_INTERNAL with the letter é, which is two bytes in it and in nothing else, in a name and in a row.
fn mule(server: &PostgresServer) {
    let create = "CREATE DATABASE old TEMPLATE template0 ENCODING 'MULE_INTERNAL' LOCALE 'C'";
    server.sql("postgres", create);
    let sql = "SET client_encoding = 'LATIN1'; CREATE TABLE t (x text); \
               DO $$ BEGIN EXECUTE convert_from('\\x435245415445205441424c452022e922202879207465787429', 'LATIN1'); \
               EXECUTE convert_from('\\x494e5345525420494e544f20742056414c554553202827e92729', 'LATIN1'); END $$";
    server.sql("old", sql);
}

/// The bytes of the row, of the table's name, and the encoding.
fn bytes_of(server: &PostgresServer, database: &str) -> String {
    let sql = "SELECT encode(convert_to(x, 'MULE_INTERNAL'), 'hex') FROM t UNION ALL SELECT encode(convert_to(string_agg(relname, '' \
               ORDER BY relname), 'MULE_INTERNAL'), 'hex') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace \
               UNION ALL SELECT current_setting('server_encoding')";
    server.sql(database, sql).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_database_in_mule_internal_is_tested_backed_up_reviewed_and_comes_back_into_every_target() {
    for version in [PostgresVersion::V14, PostgresVersion::Debian] {
        let server = PostgresServer::start(version);
        mule(&server);
        assert_eq!(bytes_of(&server, "old"), "81e9 7481e9 MULE_INTERNAL");
        let failed = Mutex::new(Vec::new());
        let on_step = |step: domain::probe::Step| {
            if let StepResult::Failed { message } = step.result {
                failed.lock().unwrap().push(message);
            }
        };
        source(&server.address("old")).probe(&on_step).await;
        assert_eq!(failed.into_inner().unwrap(), Vec::<String>::new());
        let bytes = dump(&server.address("old"), "old").await;
        server.sql("postgres", "CREATE DATABASE empty");
        for (target, options) in
            [("absent", RestoreOptions::default()), ("empty", RestoreOptions::default()), ("absent", overwrite())]
        {
            let found = review(&server.address(target), &bytes, options).await;
            assert!(!found.iter().any(|finding| finding.code == "encoding"), "{found:?}");
            let restored = restore(&server.address(target), &bytes, options).await.unwrap();
            assert_eq!(restored.warnings, [], "{target}");
            assert_eq!(bytes_of(&server, target), "81e9 7481e9 MULE_INTERNAL", "{target}");
        }
    }
}

#[tokio::test]
async fn a_target_that_cannot_convert_from_mule_internal_is_told_before_and_left_as_it_was() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    mule(&server);
    server.sql("postgres", "CREATE ROLE tenant LOGIN PASSWORD 'secret'");
    server.sql("postgres", "CREATE DATABASE utf8 OWNER tenant");
    let bytes = dump(&server.address("old"), "old").await;
    let address = server.address_as("tenant", "utf8");
    let found = review(&address, &bytes, common::no_owner()).await;
    assert!(found.iter().any(|finding| finding.code == "encoding"), "{found:?}");
    let refused = restore(&address, &bytes, common::no_owner()).await.unwrap_err();
    assert!(refused.to_string().contains("MULE_INTERNAL"), "{refused}");
    assert_eq!(server.sql("utf8", "SELECT count(*) FROM pg_class WHERE relname = 't'").trim(), "0");
}

/// Its last letter is no character in EUC_JP.
const NAME: &str = "größe ß";

#[tokio::test]
async fn a_name_that_is_not_ascii_works_in_clusters_of_other_encodings() {
    let origin = PostgresServer::start(PostgresVersion::Debian);
    origin.sql("postgres", &format!("CREATE DATABASE \"{NAME}\""));
    origin.sql(NAME, "CREATE TABLE t (x text); INSERT INTO t VALUES ('ü')");
    origin.sql("postgres", &format!("COMMENT ON DATABASE \"{NAME}\" IS 'für {NAME}'"));
    let encoded = "gr%C3%B6%C3%9Fe%20%C3%9F";
    let bytes = dump(&origin.address(encoded), NAME).await;
    for encoding in ["LATIN1", "SQL_ASCII", "WIN1251"] {
        let server = PostgresServer::start_in(PostgresVersion::Debian, encoding);
        for options in [RestoreOptions::default(), overwrite(), RestoreOptions { in_place: true, ..overwrite() }] {
            let restored = restore(&server.address(encoded), &bytes, options).await.unwrap();
            assert_eq!(restored.warnings, [], "{encoding}");
        }
        let again = dump(&server.address(encoded), NAME).await;
        restore(&origin.address("back"), &again, RestoreOptions::default()).await.unwrap();
        assert_eq!(origin.sql("back", "SELECT x FROM t").trim(), "ü", "{encoding}");
        origin.sql("postgres", "DROP DATABASE back");
        let listed = source(&server.address("")).databases().await.unwrap();
        assert!(listed.names.iter().any(|name| name == NAME), "{encoding}: {listed:?}");
    }
}

#[tokio::test]
async fn a_name_that_a_cluster_cannot_hold_is_refused_and_leaves_nothing() {
    let origin = PostgresServer::start(PostgresVersion::Debian);
    origin.sql("postgres", "CREATE DATABASE shop");
    origin.sql("shop", "CREATE TABLE t (x text)");
    let bytes = dump(&origin.address("shop"), "shop").await;
    let server = PostgresServer::start_in(PostgresVersion::Debian, "EUC_JP");
    let refused = restore(&server.address("gr%C3%B6%C3%9Fe"), &bytes, RestoreOptions::default()).await.unwrap_err();
    let Error::Failed { cause, cure, .. } = &refused else { panic!("{refused}") };
    assert!(cause.contains("EUC_JP"), "{cause}");
    assert!(cure.as_ref().is_some_and(|cure| cure.contains("ASCII")), "{cure:?}");
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_database").trim(), "3");
}
