//! What a dump of PostgreSQL holds, and what it says that it leaves out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use domain::Warning;
use sources::{DumpOptions, Error, Origin, RestoreOptions, Source, parse};
use test_support::{PostgresServer, PostgresVersion};

fn source(address: &str) -> Box<dyn Source> {
    parse(address, Origin::Private, None).unwrap()
}

async fn dump(address: &str, database: &str) -> Result<(Vec<u8>, Vec<Warning>), Error> {
    let mut dump = source(address).dump(database, DumpOptions::default()).await?;
    let mut all = Vec::new();
    while let Some(piece) = dump.next().await? {
        all.extend_from_slice(&piece);
    }
    let warnings = dump.finish().await?;
    Ok((all, warnings))
}

async fn restore(address: &str, dump: &[u8]) {
    let mut restore = source(address).restore(RestoreOptions::default()).await.unwrap();
    restore.write(Bytes::copy_from_slice(dump)).await.unwrap();
    restore.finish().await.unwrap();
    restore.commit().await.unwrap();
}

fn codes(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| warning.code.as_str()).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn as_role(server: &PostgresServer, role: &str, database: &str) -> String {
    format!("postgres://{role}:secret@127.0.0.1:{}/{database}", server.port())
}

#[tokio::test]
async fn the_dumps_encoding_is_the_databases_whatever_client_encoding_says() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    for (name, setting) in [("ascii", "SQL_ASCII"), ("latin", "LATIN1"), ("plain", "UTF8")] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql(name, "CREATE TABLE t AS SELECT '€é'::text AS x");
        server.sql("postgres", &format!("ALTER DATABASE {name} SET client_encoding = '{setting}'"));
        let (bytes, warnings) = dump(&server.address(name), name).await.unwrap();
        assert!(holds(&bytes, "SET client_encoding = 'UTF8'") && holds(&bytes, "€é"), "{name}");
        assert_eq!(warnings, [], "{name}");
        let copy = format!("{name}_copy");
        restore(&server.address(&copy), &bytes).await;
        let about = "SET client_encoding = 'UTF8'; SELECT pg_encoding_to_char(encoding), length(x), x FROM pg_database, t WHERE datname = current_database()";
        assert_eq!(server.sql(&copy, about).trim(), "UTF8|2|€é");
    }
    server.sql("postgres", "CREATE DATABASE old TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    server.sql("old", "CREATE TABLE t AS SELECT convert_from('\\xe9', 'LATIN1') AS x");
    server.sql("postgres", "ALTER ROLE postgres SET client_encoding = 'UTF8'");
    let (bytes, _) = dump(&server.address("old"), "old").await.unwrap();
    assert!(holds(&bytes, "SET client_encoding = 'LATIN1'") && !holds(&bytes, "é"));
}

#[tokio::test]
async fn a_standbys_unlogged_tables_are_named() {
    let primary = PostgresServer::start(PostgresVersion::Debian);
    primary.sql("postgres", "CREATE DATABASE shop");
    primary.sql(
        "shop",
        "CREATE UNLOGGED TABLE cache AS SELECT generate_series(1, 20) AS n; CREATE TABLE kept AS SELECT 1",
    );
    let (_, warnings) = dump(&primary.address("shop"), "shop").await.unwrap();
    assert_eq!(warnings, [], "the primary has the rows");
    let standby = primary.standby();
    let (_, warnings) = dump(&standby.address("shop"), "shop").await.unwrap();
    assert_eq!(codes(&warnings), ["unlogged-tables"]);
    assert!(warnings[0].message.contains("public.cache") && !warnings[0].message.contains("kept"), "{warnings:?}");
    assert!(warnings[0].cure.as_ref().unwrap().contains("primary"));
}

#[tokio::test]
async fn what_only_a_superuser_can_dump_is_a_warning_for_others() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'secret'; GRANT pg_read_all_data TO reader");
    server.sql("postgres", "CREATE ROLE app");
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw");
    server.sql("shop", "CREATE USER MAPPING FOR app SERVER far OPTIONS (user 'u', password 'pw')");
    server.sql(
        "shop",
        "CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false, slot_name = NONE)",
    );
    let (_, warnings) = dump(&server.address("shop"), "shop").await.unwrap();
    assert_eq!(warnings, [], "a superuser sees everything");
    let (_, warnings) = dump(&as_role(&server, "reader", "shop"), "shop").await.unwrap();
    assert_eq!(codes(&warnings), ["user-mapping-options", "subscriptions"]);
    assert!(warnings[0].message.ends_with("app on far") && warnings[1].message.ends_with("feed"), "{warnings:?}");
    server.sql(
        "shop",
        "DROP USER MAPPING FOR app SERVER far; CREATE USER MAPPING FOR reader SERVER far OPTIONS (user 'u')",
    );
    server.sql("shop", "GRANT USAGE ON FOREIGN SERVER far TO reader; DROP SUBSCRIPTION feed");
    let (_, warnings) = dump(&as_role(&server, "reader", "shop"), "shop").await.unwrap();
    assert_eq!(warnings, [], "one's own mapping can be read");
}

#[tokio::test]
async fn damaged_pages_are_never_left_out_in_silence() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'secret'; GRANT pg_read_all_data TO reader");
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n");
    // A copy by files is in no buffer.
    server.sql("postgres", "CHECKPOINT");
    server.sql("postgres", "CREATE DATABASE copy TEMPLATE shop STRATEGY file_copy");
    let file = "SELECT 'base/' || d.oid || '/' || c.relfilenode FROM pg_database d, pg_class c \
                WHERE d.datname = 'copy' AND c.relname = 't'";
    server.damage(server.sql("shop", file).trim());
    server.sql("postgres", "ALTER DATABASE copy SET zero_damaged_pages = on");

    let error = dump(&server.address("copy"), "copy").await.unwrap_err().to_string();
    assert!(error.contains("invalid page") && error.contains("damaged"), "{error}");
    let (_, warnings) = dump(&as_role(&server, "reader", "copy"), "copy").await.unwrap();
    // The server's own warning about the page may stand beside it.
    assert_eq!(codes(&warnings)[0], "zero-damaged-pages");
    assert!(warnings[0].cure.as_ref().unwrap().contains("RESET zero_damaged_pages"));
}

#[tokio::test]
async fn a_dumps_failure_has_the_cure_for_a_dump() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'secret'; GRANT pg_read_all_data TO reader");
    for (name, sql, cure) in [
        ("rls", "CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY", "BYPASSRLS"),
        ("lo", "SELECT lo_from_bytea(0, 'hello')", "SET lo_compat_privileges = on"),
    ] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql(name, sql);
        let error = dump(&as_role(&server, "reader", name), name).await.unwrap_err().to_string();
        assert!(error.contains(cure) && !error.contains("GRANT pg_read_all_data"), "{error}");
    }
    server.sql("postgres", "CREATE DATABASE closed");
    server.sql("postgres", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
    let error = dump(&as_role(&server, "reader", "closed"), "closed").await.unwrap_err().to_string();
    assert!(error.contains("GRANT CONNECT ON DATABASE") && !error.contains("pg_read_all_data"), "{error}");
}
