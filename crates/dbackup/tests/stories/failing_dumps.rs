//! A dump that fails in any way leaves no file and no sidecar at the destination, and says what to do.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use test_support::{PostgresServer, PostgresVersion, script, wait_until};

use crate::world::{Ran, World};

/// A folder with the server's real tools, but for a pg_dump of our own; `$REAL` is the real one.
fn tools_with_pg_dump(world: &World, server: &PostgresServer, body: &str) -> PathBuf {
    let tools = world.path("tools");
    fs::create_dir(&tools).unwrap();
    for name in ["psql", "pg_restore"] {
        std::os::unix::fs::symlink(server.bin().join(name), tools.join(name)).unwrap();
    }
    let real = server.bin().join("pg_dump");
    let version = format!("REAL='{}'; [ \"$1\" = --version ] && exec \"$REAL\" --version\n", real.display());
    script(&tools.join("pg_dump"), &(version + body));
    tools
}

fn shop() -> PostgresServer {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT n, sha256(n::text::bytea) FROM generate_series(1, 100000) n");
    server
}

#[test]
fn whatever_pg_dump_does_wrong() {
    let server = shop();
    let cases = [
        ("echo 'no such luck' >&2; exit 1", "no such luck"),
        ("\"$REAL\" \"$@\" | head -c 1000000; echo 'lost heart' >&2; exit 1", "lost heart"),
        ("\"$REAL\" \"$@\"; exec >&-; echo 'after the end' >&2; exit 1", "after the end"),
        ("\"$REAL\" \"$@\"; kill -9 $$", "signal: 9"),
        ("\"$REAL\" \"$@\" | head -c 1000000; exit 0", "cut off"),
        ("exit 0", "cut off"),
        ("\"$REAL\" \"$@\"; sleep 1000 & exit 0", "a process that it started still used its pipes"),
        ("echo this is no archive", "not a PostgreSQL archive"),
    ];
    for (body, words) in cases {
        let world = World::new();
        let tools = tools_with_pg_dump(&world, &server, body);
        let mut command = world.command(&["backup", "--source", &server.address("shop"), "--to", "dropbox:/b"]);
        command.env("DBACKUP_POSTGRES_BIN", tools);
        Ran::of(&mut command).failed_saying(&[words, "could not dump database 'shop'"]);
        assert!(world.stored().is_empty(), "{body}: {:?}", world.stored());
        assert!(world.strays().is_empty(), "{body}: {:?}", world.strays());
    }
}

#[test]
fn a_role_without_rights_and_a_database_that_does_not_exist() {
    let (world, server) = (World::new(), shop());
    server.sql("postgres", "CREATE ROLE nobody_special LOGIN PASSWORD 'x'");
    let address = format!("postgres://nobody_special@127.0.0.1:{}/shop", server.port());
    let mut command = world.command(&["backup", "--source", &address, "--to", "dropbox:/b"]);
    command.env("PGPASSWORD", "x");
    Ran::of(&mut command).failed_saying(&["permission denied", "GRANT pg_read_all_data"]);
    let missing = server.address("missing");
    world
        .run(&["backup", "--source", &missing, "--to", "dropbox:/b"])
        .failed_saying(&["does not exist", "Check the database's name"]);
    assert!(world.stored().is_empty());
}

#[test]
fn one_database_of_several_that_fails_makes_the_run_partial() {
    let (world, server) = (World::new(), shop());
    let address = server.address("");
    let backup =
        ["backup", "--source", &address, "--database", "shop", "--database", "missing", "--to", "dropbox:/b", "--json"];
    let result = world.run(&backup).ended_with(3).result();
    assert_eq!(result["status"], "partial");
    assert!(result["backups"][0]["path"].is_string() && result["backups"][1]["error"].is_string(), "{result}");
    assert_eq!(world.stored().len(), 2);
}

#[test]
fn a_client_older_than_the_server() {
    let (world, server) = (World::new(), shop());
    let mut command = world.command(&["backup", "--source", &server.address("shop"), "--to", "dropbox:/b"]);
    command.env("DBACKUP_POSTGRES_BIN", PostgresVersion::V14.bin());
    Ran::of(&mut command).failed_saying(&["older than the server", "Install the server's major version"]);
    assert!(world.stored().is_empty());
}

#[test]
fn a_client_whose_dumps_would_not_go_back() {
    let world = World::new();
    let server = PostgresServer::start(PostgresVersion::V14);
    let mut command = world.command(&["backup", "--source", &server.address("postgres"), "--to", "dropbox:/b"]);
    command.env("DBACKUP_POSTGRES_BIN", PostgresVersion::V17.bin());
    Ran::of(&mut command).failed_saying(&["too new", "Install the server's major version"]);
    assert!(world.stored().is_empty());
}

#[test]
fn a_server_that_dies_in_the_middle() {
    let (world, mut server) = (World::new(), shop());
    // Half of the dump passes, then the rest waits until the server is dead.
    let (reached, go_on) = (world.path("reached"), world.path("go-on"));
    server.sql("shop", "CREATE TABLE u AS SELECT n, sha256(n::text::bytea) FROM generate_series(1, 1000000) n");
    let body = format!(
        "\"$REAL\" \"$@\" | {{ head -c 3000000; touch '{}'; while [ ! -e '{}' ]; do sleep 0.05; done; cat; }}; exit ${{PIPESTATUS[0]}}",
        reached.display(),
        go_on.display()
    );
    let tools = tools_with_pg_dump(&world, &server, &body);
    let mut command = world.command(&["backup", "--source", &server.address("shop"), "--to", "dropbox:/b"]);
    command.env("DBACKUP_POSTGRES_BIN", tools).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = command.spawn().unwrap();
    wait_until("the dump is on its way", || reached.exists());
    server.crash();
    fs::write(go_on, "").unwrap();
    let ran = Ran::from(run.wait_with_output().unwrap());
    ran.failed_saying(&["could not dump database 'shop'", "The server went away"]);
    assert!(world.stored().is_empty());
}

#[test]
fn a_damaged_sqlite_database_and_one_that_is_not_there() {
    let world = World::new();
    let (path, source) = world.sqlite("shop.db", 3000);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xff);
    fs::write(&path, bytes).unwrap();
    world
        .run(&["backup", "--source", &source, "--to", "dropbox:/b"])
        .failed_saying(&["malformed", "Restore an older backup"]);
    world
        .run(&["backup", "--source", "sqlite:///nowhere.db", "--to", "dropbox:/b"])
        .failed_saying(&["/nowhere.db", "Check the path"]);
    assert!(world.stored().is_empty());
}
