//! Runs that are killed or told to stop, at the worst moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use test_support::{PostgresServer, PostgresVersion, script, wait_until};

use crate::world::{Ran, World};

const SECRET_ROW: &str = "the-only-copy-of-the-company";

/// A run whose pg_dump stops in the middle, after Dropbox has got a part.
struct Halfway {
    world: World,
    server: PostgresServer,
    run: Child,
    pg_dump: Pid,
}

impl Halfway {
    fn start() -> Self {
        let (world, server) = (World::new(), PostgresServer::start(PostgresVersion::Debian));
        server.sql("postgres", "CREATE DATABASE shop");
        let rows = format!(
            "CREATE TABLE t AS SELECT '{SECRET_ROW}' AS a, sha512(n::text::bytea) FROM generate_series(1, 300000) n"
        );
        server.sql("shop", &rows);
        let tools = world.path("tools");
        fs::create_dir(&tools).unwrap();
        std::os::unix::fs::symlink(server.bin().join("psql"), tools.join("psql")).unwrap();
        let real = server.bin().join("pg_dump");
        let pid_file = world.path("pg_dump.pid");
        script(
            &tools.join("pg_dump"),
            &format!(
                "[ \"$1\" = --version ] && exec '{real}' --version\n'{real}' \"$@\" | head -c 45000000\necho $$ >'{}'\nexec sleep 1000",
                pid_file.display(),
                real = real.display()
            ),
        );
        let run = Self::command(&world, &server, &tools).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the dump is halfway", || fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n')));
        wait_until("Dropbox has a part", || {
            world.dropbox().requests().iter().any(|request| request.route == "files/upload_session/append_v2")
        });
        let pid = fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
        Self { world, server, run, pg_dump: Pid::from_raw(pid).unwrap() }
    }

    fn command(world: &World, server: &PostgresServer, tools: &Path) -> std::process::Command {
        fs::create_dir_all(world.path("disk")).unwrap();
        let disk = format!("file://{}", world.path("disk").display());
        let (_, recipient) = world.key(&format!("key-{}.txt", fs::read_dir(world.folder.path()).unwrap().count()));
        let backup = ["backup", "--source", &server.address("shop"), "--to", "dropbox:/b", "--to", &disk];
        // Uncompressed, so that what is halfway out of the database is halfway into Dropbox.
        let mut command = world.command(&[&backup[..], &["--compression", "none", "--recipient", &recipient]].concat());
        command.env("DBACKUP_POSTGRES_BIN", tools);
        command
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.run.id().cast_signed()).unwrap(), signal).unwrap();
    }

    fn backups_on_disk(&self) -> Vec<PathBuf> {
        files_below(&self.world.path("disk"))
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

fn is_alive(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(|stat| !stat.contains(") Z"))
}

#[test]
fn kill_9_leaves_nothing_visible_no_plaintext_and_the_next_run_succeeds() {
    let mut halfway = Halfway::start();
    halfway.signal(Signal::KILL);
    halfway.run.wait().unwrap();
    let _ = kill_process(halfway.pg_dump, Signal::KILL);
    assert!(halfway.world.stored().is_empty());
    let list = halfway.world.run(&["list", &format!("file://{}", halfway.world.path("disk").display()), "--json"]);
    assert_eq!(list.succeeded().result()["backups"], 0);
    for file in files_below(halfway.world.folder.path()) {
        if !file.starts_with(halfway.world.path("tools")) {
            let bytes = fs::read(&file).unwrap();
            assert!(
                !bytes.windows(SECRET_ROW.len()).any(|window| window == SECRET_ROW.as_bytes()),
                "{}",
                file.display()
            );
        }
    }
    let next = Halfway::command(&halfway.world, &halfway.server, halfway.server.bin());
    Ran::of(&mut { next }).succeeded();
    assert_eq!(halfway.world.stored().len(), 2);
    assert_eq!(halfway.backups_on_disk().len(), 2, "the part that was left is gone: {:?}", halfway.backups_on_disk());
}

#[test]
fn sigterm_stops_the_run_kills_pg_dump_and_leaves_nothing() {
    let halfway = Halfway::start();
    halfway.signal(Signal::TERM);
    let Halfway { world, run, pg_dump, .. } = halfway;
    Ran::from(run.wait_with_output().unwrap()).failed_saying(&["cancelled"]);
    wait_until("pg_dump is gone", || !is_alive(pg_dump));
    assert!(world.stored().is_empty());
    assert!(files_below(&world.path("disk")).is_empty());
}

#[test]
fn a_restore_that_is_killed_while_its_target_is_locked_changes_nothing_afterwards() {
    let (world, server) = (World::new(), PostgresServer::start(PostgresVersion::Debian));
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    world.run(&["backup", "--source", &server.address("shop"), "--to", "dropbox:/b"]).succeeded();
    server.sql("shop", "UPDATE t SET x = 2");
    let mut holder = server.start_sql("postgres", "BEGIN; COMMENT ON DATABASE shop IS 'x'; SELECT pg_sleep(1000)");
    let count = |which: &str| {
        let locks =
            "SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND ";
        server.sql("postgres", &format!("{locks}{which}")).trim().to_owned()
    };
    wait_until("the database is locked", || count("granted AND mode = 'ShareUpdateExclusiveLock'") == "1");
    let target = server.address("shop");
    let restore = ["restore", "dropbox:/b", "--job", "shop", "--latest", "--target", &target, "--overwrite"];
    let mut restoring = world.command(&restore).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the swap waits", || count("NOT granted AND mode = 'AccessExclusiveLock'") == "1");
    restoring.kill().unwrap();
    restoring.wait().unwrap();
    let release = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1000)' AND pid <> pg_backend_pid()";
    server.sql("postgres", release);
    holder.wait().unwrap();
    wait_until("nobody waits any more", || count("mode = 'AccessExclusiveLock'") == "0");
    assert_eq!(server.sql("shop", "SELECT x FROM t").trim(), "2");
    // The next restore removes what this one left, and works.
    world.run(&restore).succeeded();
    assert_eq!(server.sql("shop", "SELECT x FROM t").trim(), "1");
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE '%__dbackup_%'";
    assert_eq!(server.sql("postgres", left).trim(), "0");
}

#[test]
fn a_restore_into_the_database_itself_that_is_killed_when_everything_was_fed_commits_nothing_afterwards() {
    for version in [PostgresVersion::Debian, PostgresVersion::V18] {
        let (world, server) = (World::new(), PostgresServer::start(version));
        for sql in [
            "CREATE ROLE app LOGIN PASSWORD 'secret'",
            "CREATE DATABASE shop OWNER app",
            "CREATE DATABASE empty OWNER app",
        ] {
            server.sql("postgres", sql);
        }
        // Its index is built after all data has come, and waits for a lock.
        let waits = "CREATE FUNCTION waits(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS \
                 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN x; END'";
        server.sql(
            "shop",
            &format!("SET ROLE app; {waits}; CREATE TABLE t AS SELECT 1 AS x; CREATE INDEX ON t (waits(x))"),
        );
        let mut command = world.command(&["backup", "--source", &server.address("shop"), "--to", "dropbox:/b"]);
        Ran::of(command.env("DBACKUP_POSTGRES_BIN", server.bin())).succeeded();
        let mut holder = server.start_sql("empty", "SELECT pg_advisory_lock(42), pg_sleep(1000)");
        let count = |which: &str| {
            let sql = format!("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND {which}");
            server.sql("postgres", &sql).trim().to_owned()
        };
        wait_until("the lock is held", || count("granted") == "1");
        let target = server.address_as("app", "empty");
        let mut command = world.command(&["restore", "dropbox:/b", "--job", "shop", "--latest"]);
        command
            .env("DBACKUP_POSTGRES_BIN", server.bin())
            .env("DBACKUP_TARGET", &target)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut restoring = command.spawn().unwrap();
        wait_until("the index waits", || count("NOT granted") == "1");
        restoring.kill().unwrap();
        restoring.wait().unwrap();
        server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1000)' AND pid <> pg_backend_pid()");
        holder.wait().unwrap();
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
        wait_until("what was left of the restore has ended", || server.sql("postgres", sessions).trim() == "0");
        let tables = "SELECT count(*) FROM pg_class WHERE relname = 't'";
        assert_eq!(server.sql("empty", tables).trim(), "0");
        // Once more, and to its end.
        let mut command = world.command(&["restore", "dropbox:/b", "--job", "shop", "--latest"]);
        Ran::of(command.env("DBACKUP_POSTGRES_BIN", server.bin()).env("DBACKUP_TARGET", &target)).succeeded();
        assert_eq!(server.sql("empty", tables).trim(), "1");
    }
}
