//! Which targets count as empty.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{dump, restore};
use sources::{Error, RestoreOptions};
use test_support::{PostgresServer, PostgresVersion};

#[tokio::test]
async fn objects_of_every_kind_make_a_target_hold_data() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (x int)");
    let bytes = dump(&server.address("shop"), "shop").await;
    for (name, sql) in [
        ("search", "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)"),
        ("dictionary", "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)"),
        ("collation", "CREATE COLLATION c (locale = 'C')"),
        ("operator", "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)"),
        ("subscription", "CREATE SUBSCRIPTION s CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)"),
    ] {
        server.sql("postgres", &format!("CREATE DATABASE \"of {name}\""));
        server.sql(&format!("of {name}"), sql);
        let refused = restore(&server.address(&format!("of {name}")), &bytes, RestoreOptions::default()).await;
        assert!(matches!(refused, Err(Error::HoldsData(_))), "{name}: {refused:?}");
    }
}
