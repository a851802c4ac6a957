//! Reaching PostgreSQL: several hosts, sockets, roles that may enter one database only, names, and what a listing leaves out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::TcpListener;
use std::sync::Mutex;

use bytes::Bytes;
use domain::probe::StepResult;
use sources::{Contents, DumpOptions, Error, Origin, RestoreOptions, Source, parse};
use test_support::{PostgresServer, PostgresVersion};

fn source(address: &str) -> Box<dyn Source> {
    parse(address, Origin::Private, None).unwrap()
}

async fn dump(source: &dyn Source, database: &str) -> Result<Vec<u8>, Error> {
    let mut dump = source.dump(database, DumpOptions::default()).await?;
    let mut all = Vec::new();
    while let Some(piece) = dump.next().await? {
        all.extend_from_slice(&piece);
    }
    dump.finish().await?;
    Ok(all)
}

async fn restore(source: &dyn Source, dump: &[u8], overwrite: bool) -> Result<(), Error> {
    let mut restore = source.restore(RestoreOptions { overwrite, ..RestoreOptions::default() }).await?;
    restore.write(Bytes::copy_from_slice(dump)).await?;
    restore.finish().await?;
    restore.commit().await.map(drop)
}

/// The connection test's steps: name, whether it passed, what it says.
async fn steps(source: &dyn Source) -> Vec<(&'static str, bool, String)> {
    let taken = Mutex::new(Vec::new());
    source.probe(&|step| taken.lock().unwrap().push(step)).await;
    let told = taken.into_inner().unwrap().into_iter().map(|step| match step.result {
        StepResult::Passed { detail } => (step.name, true, detail.unwrap_or_default()),
        StepResult::Failed { message } => (step.name, false, message),
        StepResult::Skipped => (step.name, false, "skipped".to_owned()),
    });
    told.collect()
}

fn said(steps: &[(&'static str, bool, String)], name: &str) -> String {
    steps.iter().find(|step| step.0 == name).unwrap().2.clone()
}

/// A server with the role `app`, which owns `shop`.
fn with_tenant() -> (PostgresServer, String) {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'secret'");
    server.sql("postgres", "CREATE DATABASE shop OWNER app");
    server.sql("shop", "SET ROLE app; CREATE SCHEMA own; CREATE TABLE own.t AS SELECT 7 AS x");
    let address = format!("postgres://app:secret@127.0.0.1:{}/shop", server.port());
    (server, address)
}

async fn works_in_its_own_database_alone(server: &PostgresServer, address: &str) {
    let source = source(address);
    let steps = steps(&*source).await;
    assert!(steps.iter().all(|step| step.1), "{steps:?}");
    assert_eq!(source.contents().await.unwrap(), Contents::Data);
    let bytes = dump(&*source, "shop").await.unwrap();
    server.sql("shop", "DROP SCHEMA own CASCADE");
    assert_eq!(source.contents().await.unwrap(), Contents::Empty);
    restore(&*source, &bytes, false).await.unwrap();
    assert_eq!(server.sql("shop", "SELECT x FROM own.t").trim(), "7");
}

#[tokio::test]
async fn a_role_without_connect_on_the_maintenance_databases_can_back_up_and_restore_its_own() {
    let (server, address) = with_tenant();
    server.sql("postgres", "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
    server.sql("postgres", "REVOKE CONNECT ON DATABASE template1 FROM PUBLIC");
    works_in_its_own_database_alone(&server, &address).await;
    // All databases: there is none to ask through, and the message says so.
    let error = source(&address.replace("/shop", "/")).databases().await.unwrap_err().to_string();
    assert!(error.contains("CONNECT") && !error.contains("pg_read_all_data"), "{error}");
}

#[tokio::test]
async fn a_role_that_pg_hba_conf_lets_into_one_database_can_back_up_and_restore_it() {
    let (server, address) = with_tenant();
    server.reject("postgres", "app");
    server.reject("template1", "app");
    works_in_its_own_database_alone(&server, &address).await;
    let error = source(&address.replace("/shop", "/")).databases().await.unwrap_err().to_string();
    assert!(error.contains("reject line"), "{error}");
}

#[tokio::test]
async fn without_postgres_the_next_database_is_asked() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("template1", "DROP DATABASE postgres");
    assert_eq!(source(&server.address("")).databases().await.unwrap().names, ["shop"]);
    assert_eq!(source(&server.address("absent")).contents().await.unwrap(), Contents::Absent);
}

#[tokio::test]
async fn several_hosts_are_tried_in_their_order() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT 1 AS x");
    let port = server.port();
    let address = format!("postgres://postgres@127.0.0.1:1,localhost:{port}/shop?target_session_attrs=read-write");
    let both = source(&address);
    let taken = steps(&*both).await;
    assert!(taken.iter().all(|step| step.1), "{taken:?}");
    assert!(said(&taken, "name").contains("localhost is"), "{taken:?}");
    assert!(said(&taken, "connect").contains("nobody answers at 127.0.0.1:1"), "{taken:?}");
    dump(&*both, "shop").await.unwrap();
    let none = steps(&*source("postgres://postgres@127.0.0.1:1,127.0.0.1:2/shop")).await;
    assert!(
        said(&none, "connect").contains("127.0.0.1:1 (") && said(&none, "connect").contains("127.0.0.1:2 ("),
        "{none:?}"
    );
}

#[tokio::test]
async fn a_standby_alone_is_no_primary() {
    let primary = PostgresServer::start(PostgresVersion::Debian);
    let standby = primary.standby();
    let address = format!("{}?target_session_attrs=read-write", standby.address("postgres"));
    let taken = steps(&*source(&address)).await;
    assert!(said(&taken, "login").contains("None of the hosts is a primary"), "{taken:?}");
    let both = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", standby.port(), primary.port());
    let taken = steps(&*source(&format!("{both}?target_session_attrs=read-write"))).await;
    assert!(taken.iter().all(|step| step.1), "{taken:?}");
}

#[tokio::test]
async fn a_socket_can_be_named_in_every_form_of_libpq() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    let (folder, port) = (server.socket_folder().display().to_string(), server.port());
    for address in [
        format!("postgres://postgres@/shop?host={folder}&port={port}"),
        format!("postgres://postgres@:{port}/shop?host={folder}"),
        format!("postgres://postgres@{}:{port}/shop", folder.replace('/', "%2F")),
        format!("postgres:///?dbname=shop&user=postgres&host={folder}&port={port}"),
    ] {
        let source = source(&address);
        let taken = steps(&*source).await;
        assert!(taken.iter().all(|step| step.1), "{address}: {taken:?}");
        assert_eq!(said(&taken, "name"), "a socket on this machine");
        dump(&*source, "shop").await.unwrap();
    }
}

#[tokio::test]
async fn an_unknown_service_is_named_with_its_file() {
    let taken = steps(&*source("postgres:///shop?service=nowhere")).await;
    assert!(said(&taken, "name").contains("service 'nowhere'"), "{taken:?}");
    assert!(said(&taken, "login").contains("pg_service.conf"), "{taken:?}");
}

#[tokio::test]
async fn names_of_dots_and_control_characters_are_names() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    let names = ["..", ".", "a\u{1f}b", "tab\there", "\"quoted\", with a comma", "two\nlines", "$1 :x \\; select"];
    for name in names {
        server.sql("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\"")));
        server.sql(name, "CREATE TABLE t (x int)");
    }
    let found = source(&server.address("")).databases().await.unwrap().names;
    for name in names {
        assert!(found.contains(&name.to_owned()), "{name:?} in {found:?}");
        let escaped: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let one = source(&server.address(&escaped));
        assert_eq!(one.databases().await.unwrap().names, [name]);
        assert_eq!(one.contents().await.unwrap(), Contents::Data, "{name:?}");
        dump(&*one, name).await.unwrap();
    }
    assert_eq!(source(&server.address("%2E")).databases().await.unwrap().names, ["."], "one database, not all");
}

#[tokio::test]
async fn names_that_are_not_utf_8_do_not_bar_the_others() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let server = PostgresServer::start_in(PostgresVersion::Debian, encoding);
        server.sql("postgres", "CREATE DATABASE shop");
        // Stored as the one byte E9, which is no UTF-8.
        server.sql("postgres", "CREATE DATABASE nouvel");
        let rename = "UPDATE pg_database SET datname = convert_from('\\x6e6f7576656ce9', getdatabaseencoding())::name";
        server.sql("postgres", &format!("{rename} WHERE datname = 'nouvel'"));
        let found = source(&server.address("")).databases().await.unwrap();
        assert_eq!(found.names, ["postgres", "shop"], "{encoding}");
        assert_eq!(found.left_out.len(), 1, "{found:?}");
        assert_eq!(found.left_out[0].code, "database-name");
        // What is named in UTF-8 is found by the same bytes.
        let name = "café";
        server.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        server.sql(name, "CREATE TABLE t (x int)");
        let one = source(&server.address("caf%C3%A9"));
        assert_eq!(one.contents().await.unwrap(), Contents::Data, "{encoding}");
        dump(&*one, name).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_listing_leaves_out_is_named_with_its_cure() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'secret'; GRANT pg_read_all_data TO reader");
    for name in
        ["shop", "broken", "rdsadmin", "closed", "shop__dbackup_restore_1f2e3d4c", "shop__dbackup_restore_notes"]
    {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
    }
    server.sql("postgres", "CREATE DATABASE pattern IS_TEMPLATE true");
    server.sql("postgres", "CREATE DATABASE vacant IS_TEMPLATE true");
    server.sql("pattern", "CREATE TABLE t (x int)");
    server.sql("template1", "CREATE TABLE everywhere (x int)");
    server.sql("postgres", "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'broken'");
    server.sql("postgres", "REVOKE CONNECT ON DATABASE rdsadmin FROM PUBLIC");
    server.sql("postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS false");
    for name in ["cloudsqladmin", "limited"] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
    }
    server.sql("postgres", "ALTER DATABASE limited CONNECTION LIMIT 0");
    server.reject("cloudsqladmin", "reader");
    let reader = source(&format!("postgres://reader:secret@127.0.0.1:{}/", server.port()));
    let found = reader.databases().await.unwrap();
    assert_eq!(found.names, ["postgres", "shop", "shop__dbackup_restore_notes"]);
    let left_out: Vec<(&str, &str)> =
        found.left_out.iter().map(|warning| (warning.code.as_str(), warning.subject.as_deref().unwrap())).collect();
    assert_eq!(
        left_out,
        [
            ("invalid-database", "broken"),
            ("closed-database", "closed"),
            ("closed-database", "limited"),
            ("template-database", "pattern"),
            ("no-connect", "rdsadmin"),
            ("leftover-database", "shop__dbackup_restore_1f2e3d4c"),
            ("template-database", "template1"),
            ("refused-database", "cloudsqladmin"),
        ]
    );
    for (warning, cure) in found.left_out.iter().zip([
        "DROP DATABASE \"broken\"",
        "ALLOW_CONNECTIONS true",
        "CONNECTION LIMIT -1",
        "source",
        "GRANT CONNECT ON DATABASE \"rdsadmin\" TO \"reader\"",
        "the next one there removes it",
        "source",
        "allow \"reader\" from here in pg_hba.conf",
    ]) {
        assert!(warning.cure.as_ref().unwrap().contains(cure), "{warning}");
    }
    // None of them makes the connection test fail, which names them.
    let taken = steps(&*reader).await;
    assert!(taken.iter().all(|step| step.1), "{taken:?}");
    assert!(said(&taken, "rights").contains("rdsadmin") && said(&taken, "rights").contains("broken"), "{taken:?}");
}

#[tokio::test]
async fn a_database_with_thousands_of_grants_can_be_replaced() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT 1 AS x");
    server.sql(
        "postgres",
        "DO $$ BEGIN FOR n IN 1..2500 LOOP EXECUTE format('CREATE ROLE member_of_a_large_team_%s', n); \
         EXECUTE format('GRANT CONNECT ON DATABASE shop TO member_of_a_large_team_%s', n); END LOOP; END $$",
    );
    let shop = source(&server.address("shop"));
    let bytes = dump(&*shop, "shop").await.unwrap();
    restore(&*shop, &bytes, true).await.unwrap();
    let grants = "SELECT count(*) FROM pg_database, aclexplode(datacl) WHERE datname = 'shop' AND grantee <> 0";
    assert!(server.sql("postgres", grants).trim().parse::<u32>().unwrap() >= 2500);
}

#[tokio::test]
async fn a_server_that_never_answers_does_not_hold_a_question() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = source(&format!("postgres://postgres@127.0.0.1:{port}/shop?connect_timeout=2"));
    let error = silent.contents().await.unwrap_err().to_string();
    assert!(error.contains("timeout expired") && error.contains("can be reached"), "{error}");
}
