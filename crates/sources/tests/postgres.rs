//! PostgreSQL, on real servers of three majors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Mutex;

use bytes::Bytes;
use domain::probe::StepResult;
use sources::{DumpOptions, Error, Kind, Origin, RestoreOptions, Source, parse};
use test_support::{PostgresServer, PostgresVersion};

const EVERYTHING: &str = "
    CREATE TYPE mood AS ENUM ('calm', 'hurried');
    CREATE TABLE people (id serial PRIMARY KEY, name text, mood mood, data jsonb, raw bytea);
    INSERT INTO people (name, mood, data, raw) SELECT 'name ' || n, 'calm', jsonb_build_object('n', n), sha256(n::text::bytea)
        FROM generate_series(1, 20000) n;
    CREATE TABLE empty (x int);
    CREATE VIEW calm AS SELECT * FROM people WHERE mood = 'calm';
    CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql AS 'SELECT x * 2';
    SELECT lo_from_bytea(0, repeat('large object', 100000)::bytea), lo_from_bytea(0, 'small');";

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

async fn restore(source: &dyn Source, dump: &[u8], options: RestoreOptions) -> Result<String, Error> {
    let mut restore = source.restore(options).await?;
    for piece in dump.chunks(50_000) {
        if let Err(error) = restore.write(Bytes::copy_from_slice(piece)).await {
            restore.abort().await.unwrap();
            return Err(error);
        }
    }
    match restore.finish().await {
        Ok(()) => Ok(restore.commit().await?.target),
        Err(error) => {
            restore.abort().await.unwrap();
            Err(error)
        }
    }
}

fn fingerprint(server: &PostgresServer, database: &str) -> String {
    server.sql(
        database,
        "SELECT md5(string_agg(p::text, '|' ORDER BY id)) FROM people p; SELECT twice(21), count(*) FROM calm; SELECT count(*) FROM empty;
         SELECT md5(string_agg(md5(data), '|' ORDER BY loid, pageno)) FROM pg_largeobject; SELECT nextval('people_id_seq');",
    )
}

async fn round_trip(version: PostgresVersion) {
    let server = PostgresServer::start(version);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", EVERYTHING);
    let bytes = dump(&*source(&server.address("shop")), "shop").await.unwrap();
    assert!(bytes.starts_with(b"PGDMP"));
    restore(&*source(&server.address("copy")), &bytes, RestoreOptions::default()).await.unwrap();
    assert_eq!(fingerprint(&server, "copy"), fingerprint(&server, "shop"));
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%dbackup%'").trim(), "0");
}

/// The steps of a connection test: name and what was found, or what is wrong; none for those that were not taken.
async fn steps(address: &str) -> Vec<(&'static str, Option<String>)> {
    let taken = Mutex::new(Vec::new());
    source(address).probe(&|step| taken.lock().unwrap().push(step)).await;
    let told = taken.into_inner().unwrap().into_iter().map(|step| match step.result {
        StepResult::Passed { detail } => (step.name, detail),
        StepResult::Failed { message } => (step.name, Some(format!("failed: {message}"))),
        StepResult::Skipped => (step.name, None),
    });
    told.collect()
}

#[tokio::test]
async fn the_connection_test_tells_name_connection_tls_login_version_and_rights_apart() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'secret'");
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE orders (id int)");
    let address = |mode: &str, password: &str| {
        format!("postgres://reader:{password}@127.0.0.1:{}/shop?sslmode={mode}", server.port())
    };
    let of = |steps: &[(&str, Option<String>)], name: &str| {
        steps.iter().find(|step| step.0 == name).and_then(|step| step.1.clone()).unwrap_or_default()
    };

    let open = steps(&address("prefer", "secret")).await;
    let names: Vec<&str> = open.iter().map(|step| step.0).collect();
    assert_eq!(names, ["name", "connect", "tls", "login", "version", "rights"]);
    assert_eq!(of(&open, "tls"), "not offered: what is read travels in the clear");
    assert!(of(&open, "login").ends_with(", not encrypted"), "{open:?}");
    assert!(of(&open, "rights").contains("the role may not read public.orders"), "{open:?}");
    let wanted = steps(&address("require", "secret")).await;
    assert!(of(&wanted, "tls").contains("offers no TLS"), "{wanted:?}");
    assert_eq!(of(&wanted, "login"), "");

    server.offer_tls();
    server.sql("postgres", "GRANT pg_read_all_data TO reader");
    let encrypted = steps(&address("require", "secret")).await;
    assert_eq!(of(&encrypted, "tls"), "offered; the certificate is not checked");
    assert!(of(&encrypted, "login").contains(", over TLSv1."), "{encrypted:?}");
    assert_eq!(of(&encrypted, "rights"), "every table of 1 database can be read");
    let checked = steps(&address("verify-full", "secret")).await;
    assert_eq!(of(&checked, "tls"), "offered; the login checks the certificate");
    assert!(
        of(&checked, "login").starts_with("failed: ") && of(&checked, "login").contains("certificate"),
        "{checked:?}"
    );
    let refused = steps(&address("require", "wrong")).await;
    assert!(of(&refused, "login").contains("Check the user and the password"), "{refused:?}");
    let off = steps(&address("disable", "secret")).await;
    assert_eq!(of(&off, "tls"), "switched off for this source");
    let nobody = steps("postgres://reader@127.0.0.1:1/shop").await;
    assert!(of(&nobody, "connect").contains("nobody answers"), "{nobody:?}");
}

#[tokio::test]
async fn debians_postgresql_comes_back_identical() {
    round_trip(PostgresVersion::Debian).await;
}

#[tokio::test]
async fn postgresql_14_comes_back_identical() {
    // Its own client is not in PATH: the next newer one serves.
    round_trip(PostgresVersion::V14).await;
}

#[tokio::test]
async fn names_can_be_anything() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    let names = ["a b", "-x", "ü😀", "x\"; drop", "o'clock\\", "host=evil", "line\nbreak", "%41"];
    for name in names {
        server.sql("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\"")));
    }
    let found = source(&server.address("")).databases().await.unwrap().names;
    for name in names {
        assert!(found.contains(&name.to_owned()), "{name} in {found:?}");
        server.sql(name, "CREATE TABLE t (x int); INSERT INTO t VALUES (7)");
        let address = server.address(&percent_encoded(name));
        let bytes = dump(&*source(&address), name).await.unwrap();
        let refusal = restore(&*source(&address), &bytes, RestoreOptions::default()).await.unwrap_err();
        assert_eq!(*refusal.kind(), Kind::HoldsData, "{name}: {refusal}");
        server.sql(name, "UPDATE t SET x = 8");
        restore(&*source(&address), &bytes, RestoreOptions { overwrite: true, ..RestoreOptions::default() })
            .await
            .unwrap();
        assert_eq!(server.sql(name, "SELECT x FROM t").trim(), "7", "{name}");
    }
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%dbackup%'").trim(), "0");
}

fn percent_encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn replacing_keeps_owner_and_locale_and_happens_in_one_moment() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE keeper LOGIN");
    server.sql(
        "postgres",
        "CREATE DATABASE shop OWNER keeper TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    server.sql("postgres", "REVOKE CONNECT ON DATABASE shop FROM PUBLIC; ALTER DATABASE shop CONNECTION LIMIT 7");
    server.sql(
        "postgres",
        "ALTER DATABASE shop SET search_path TO \"$user\", public; ALTER DATABASE shop SET work_mem TO '5MB'",
    );
    server.sql("postgres", "ALTER ROLE keeper IN DATABASE shop SET my.setting TO 'it''s'");
    let likeness = "SELECT (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(datacl) a), datconnlimit, (SELECT string_agg(setconfig::text, '|' ORDER BY setrole) FROM pg_db_role_setting \
                    WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = 'shop'";
    let before = server.sql("postgres", likeness);
    server.sql("shop", "CREATE TABLE t AS SELECT 1 AS x");
    let bytes = dump(&*source(&server.address("shop")), "shop").await.unwrap();
    server.sql("shop", "UPDATE t SET x = 2");
    restore(&*source(&server.address("shop")), &bytes, RestoreOptions { overwrite: true, ..RestoreOptions::default() })
        .await
        .unwrap();
    assert_eq!(server.sql("shop", "SELECT x FROM t").trim(), "1");
    assert_eq!(server.sql("postgres", likeness), before);
    let about = "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datallowconn FROM pg_database WHERE datname = 'shop'";
    assert_eq!(server.sql("postgres", about).trim(), "keeper|LATIN1|t");
    // A database that is made anew has the dump's encoding.
    restore(&*source(&server.address("copy")), &bytes, RestoreOptions::default()).await.unwrap();
    assert!(server.sql("postgres", &about.replace("'shop'", "'copy'")).contains("LATIN1"));
}

#[tokio::test]
async fn a_database_in_use_is_replaced_and_its_sessions_end() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT 1 AS x");
    let bytes = dump(&*source(&server.address("shop")), "shop").await.unwrap();
    server.sql("shop", "UPDATE t SET x = 2");
    let mut session = server.start_sql("shop", "SELECT pg_sleep(1000)");
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop'";
    test_support::wait_until("the session is there", || server.sql("postgres", sessions).trim() == "1");
    restore(&*source(&server.address("shop")), &bytes, RestoreOptions { overwrite: true, ..RestoreOptions::default() })
        .await
        .unwrap();
    assert!(!session.wait().unwrap().success());
    assert_eq!(server.sql("shop", "SELECT x FROM t").trim(), "1");
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%dbackup%'").trim(), "0");
}

#[tokio::test]
async fn a_broken_dump_leaves_the_target_as_it_was() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", EVERYTHING);
    let bytes = dump(&*source(&server.address("shop")), "shop").await.unwrap();
    server.sql("postgres", "CREATE DATABASE vacant");
    server.sql("postgres", "CREATE DATABASE full_one");
    server.sql("full_one", "CREATE TABLE precious AS SELECT 1 AS x");
    let all = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    for cut in [1, 5, 1000, bytes.len() / 2, bytes.len() - 100] {
        let broken = &bytes[..bytes.len() - cut];
        for target in ["absent", "vacant", "full_one"] {
            let error = restore(&*source(&server.address(target)), broken, all).await.unwrap_err().to_string();
            assert!(error.contains("cut off") || error.contains("empty"), "{target} without {cut} bytes: {error}");
        }
        // Dropped without a word, as by a kill: the empty one was filled in a transaction that is gone.
        assert_eq!(server.sql("vacant", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").trim(), "0");
    }
    assert_eq!(server.sql("full_one", "SELECT x FROM precious").trim(), "1");
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'absent%' OR datname LIKE '%dbackup%'";
    assert_eq!(server.sql("postgres", left).trim(), "0");
    let not_an_archive = restore(&*source(&server.address("absent")), b"SQLite format 3\0....", all).await.unwrap_err();
    assert!(not_an_archive.to_string().contains("not a PostgreSQL archive"), "{not_an_archive}");
}

#[tokio::test]
async fn abort_leaves_no_database_behind() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", EVERYTHING);
    let bytes = dump(&*source(&server.address("shop")), "shop").await.unwrap();
    let target = source(&server.address("absent"));
    let mut restoring = target.restore(RestoreOptions::default()).await.unwrap();
    restoring.write(Bytes::copy_from_slice(&bytes[..bytes.len() / 2])).await.unwrap();
    assert_eq!(
        server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'absent__dbackup%'").trim(),
        "1"
    );
    restoring.abort().await.unwrap();
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'absent%'").trim(), "0");
}

#[tokio::test]
async fn failures_name_their_cure() {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'p a''s:s\\'");
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE secret (x int)");
    let port = server.port();
    let with_password = |password: &str| format!("postgres://reader:{password}@127.0.0.1:{port}/shop");
    let cases = [
        (server.address("missing"), "missing", "Check the database's name"),
        (with_password("wrong"), "shop", "Check the user and the password"),
        (format!("postgres://reader@127.0.0.1:{port}/shop"), "shop", "The role needs its password"),
        (with_password("p%20a%27s%3As%5C"), "shop", "GRANT pg_read_all_data"),
        ("postgres://postgres@127.0.0.1:1/shop".to_owned(), "shop", "Check that the server is running"),
    ];
    for (address, database, cure) in cases {
        let error = dump(&*source(&address), database).await.unwrap_err().to_string();
        assert!(error.contains(cure), "{error}");
        assert!(!error.contains("p a's"), "{error}");
    }
}
