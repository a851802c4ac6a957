//! Which targets count as empty.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{dump, restore};
use sources::{Error, RestoreOptions};
use test_support::{PostgresServer, PostgresVersion};

/// Each of these is in an archive of pg_dump.
const KINDS: [&str; 24] = [
    "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)",
    "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)",
    "CREATE TEXT SEARCH PARSER p (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)",
    "CREATE TEXT SEARCH TEMPLATE t (LEXIZE = dsimple_lexize)",
    "CREATE COLLATION c (locale = 'C')",
    "CREATE CONVERSION c FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    "CREATE OPERATOR FAMILY f USING btree",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE mood AS ENUM ('sad')",
    "CREATE SEQUENCE s",
    "CREATE CAST (money AS int) WITH INOUT",
    "CREATE TRANSFORM FOR int LANGUAGE plpgsql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
    "CREATE LANGUAGE other HANDLER plpgsql_call_handler",
    "CREATE ACCESS METHOD a TYPE TABLE HANDLER heap_tableam_handler",
    "CREATE FOREIGN DATA WRAPPER w",
    "CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw",
    "CREATE PUBLICATION p",
    "CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)",
    "CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION fire()",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "SELECT lo_create(0)",
    "CREATE SCHEMA app",
    "COMMENT ON SCHEMA public IS 'of accounting'",
];

#[tokio::test]
async fn objects_of_every_kind_make_a_target_hold_data_even_for_a_role_that_may_read_nothing() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("postgres", "CREATE ROLE tenant LOGIN CREATEDB PASSWORD 'secret'");
    server.sql("shop", "CREATE TABLE t (x int)");
    let bytes = dump(&server.address("shop"), "shop").await;
    for (number, sql) in KINDS.iter().enumerate() {
        let name = format!("of {number}");
        server.sql("postgres", &format!("CREATE DATABASE \"{name}\" OWNER tenant"));
        if sql.contains("fire()") {
            // A function of its own would count already.
            server
                .sql(&name, "CREATE FUNCTION pg_catalog.fire() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'");
        }
        server.sql(&name, sql);
        let address = server.address_as("tenant", &name.replace(' ', "%20"));
        let refused = restore(&address, &bytes, RestoreOptions::default()).await;
        assert!(matches!(refused, Err(Error::HoldsData(_))), "{sql}: {refused:?}");
    }
}

#[tokio::test]
async fn what_prepares_a_database_to_be_filled_is_no_data() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("postgres", "CREATE ROLE tenant LOGIN PASSWORD 'secret'");
    server.sql("shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    let bytes = dump(&server.address("shop"), "shop").await;
    for (name, sql) in [
        (
            "extensions",
            "CREATE SCHEMA extensions; CREATE EXTENSION pgcrypto SCHEMA extensions; CREATE EXTENSION postgres_fdw",
        ),
        ("privileges", "REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT ALL ON SCHEMA public TO tenant"),
        ("owner", "ALTER SCHEMA public OWNER TO tenant"),
        ("again", "DROP SCHEMA public; CREATE SCHEMA public AUTHORIZATION tenant"),
    ] {
        server.sql("postgres", &format!("CREATE DATABASE {name} OWNER tenant"));
        server.sql(name, sql);
        restore(&server.address_as("tenant", name), &bytes, common::no_owner()).await.unwrap();
        assert_eq!(server.sql(name, "SELECT x FROM t").trim(), "1", "{name}");
    }
}

#[tokio::test]
async fn rows_of_an_extension_that_a_role_may_not_see_are_data() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("postgres", "CREATE ROLE tenant LOGIN CREATEDB PASSWORD 'secret'");
    server.sql("shop", "CREATE TABLE t (x int)");
    let bytes = dump(&server.address("shop"), "shop").await;
    let jobs = "CREATE SCHEMA cron; CREATE TABLE cron.job (x int); ALTER EXTENSION plpgsql ADD SCHEMA cron; \
                ALTER EXTENSION plpgsql ADD TABLE cron.job; \
                UPDATE pg_extension SET extconfig = ARRAY['cron.job'::regclass::oid], extcondition = ARRAY[''] WHERE extname = 'plpgsql'";
    for (name, sql, is_data) in [
        ("none", "", false),
        ("hidden", "INSERT INTO cron.job VALUES (1)", true),
        ("barred", "INSERT INTO cron.job VALUES (1); GRANT SELECT ON cron.job TO PUBLIC", true),
        (
            "filtered",
            "INSERT INTO cron.job VALUES (1); GRANT SELECT ON cron.job TO PUBLIC; GRANT USAGE ON SCHEMA cron TO PUBLIC; \
             ALTER TABLE cron.job ENABLE ROW LEVEL SECURITY",
            true,
        ),
    ] {
        server.sql("postgres", &format!("CREATE DATABASE {name} OWNER tenant"));
        server.sql(name, &format!("{jobs}; {sql}"));
        let restored = restore(&server.address_as("tenant", name), &bytes, common::no_owner()).await;
        assert_eq!(matches!(restored, Err(Error::HoldsData(_))), is_data, "{name}: {restored:?}");
    }
}
