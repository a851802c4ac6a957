//! Secrets are in no argument, no output and no file.

use std::fs;
use std::process::Stdio;

use dropbox_emulator::Config;
use test_support::{PostgresServer, PostgresVersion, script, wait_until};

use crate::world::{Ran, World};

const PASSWORD: &str = "p a'q\"s:t\\u";
const PASSWORD_ENCODED: &str = "p%20a%27q%22s%3At%5Cu";

fn shop() -> PostgresServer {
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", &format!("CREATE ROLE keeper LOGIN CREATEDB PASSWORD '{}'", PASSWORD.replace('\'', "''")));
    server.sql("postgres", "CREATE DATABASE shop OWNER keeper");
    server.sql("shop", "CREATE TABLE t AS SELECT 7 AS x; ALTER TABLE t OWNER TO keeper");
    server
}

#[test]
fn a_password_comes_by_every_private_way_and_is_refused_by_the_open_one() {
    let (world, server) = (World::new(), shop());
    let (port, plain) = (server.port(), format!("postgres://keeper@127.0.0.1:{}/shop", server.port()));
    let with_password = format!("postgres://keeper:{PASSWORD_ENCODED}@127.0.0.1:{port}/shop");
    let backup = ["backup", "--source", &plain, "--to", "dropbox:/b"];
    Ran::of(world.command(&backup).env("PGPASSWORD", PASSWORD)).succeeded();

    let file = world.path("password");
    fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    world.run(&[&backup[..], &["--password-file", file.to_str().unwrap()]].concat()).succeeded();

    let pgpass = world.path("home/.pgpass");
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    fs::write(&pgpass, format!("127.0.0.1:{port}:*:keeper:{escaped}\n")).unwrap();
    fs::set_permissions(&pgpass, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    world.run(&backup).succeeded();
    fs::remove_file(pgpass).unwrap();

    Ran::of(world.command(&["backup", "--to", "dropbox:/b"]).env("DBACKUP_SOURCE", &with_password)).succeeded();
    let mut restore = world.command(&["restore", "dropbox:/b", "--job", "shop", "--latest"]);
    restore.env("DBACKUP_TARGET", with_password.replace("/shop", "/copy"));
    Ran::of(&mut restore).succeeded();
    assert_eq!(server.sql("copy", "SELECT x FROM t").trim(), "7");

    let refused = world.run(&["backup", "--source", &with_password, "--to", "dropbox:/b"]).ended_with(2);
    for way in ["PGPASSWORD", "~/.pgpass", "--password-file", "DBACKUP_SOURCE"] {
        assert!(refused.stderr.contains(way), "{}", refused.stderr);
    }
    assert!(!refused.stderr.contains(PASSWORD_ENCODED) && !refused.stderr.contains(PASSWORD));
    world.run(&backup).failed_saying(&["The role needs its password"]);
}

#[test]
fn no_process_shows_a_secret() {
    // M-07
    let (world, server) = (World::new(), shop());
    let tools = world.path("tools");
    fs::create_dir(&tools).unwrap();
    std::os::unix::fs::symlink(server.bin().join("psql"), tools.join("psql")).unwrap();
    let (reached, go_on) = (world.path("reached"), world.path("go-on"));
    let real = server.bin().join("pg_dump");
    script(
        &tools.join("pg_dump"),
        &format!(
            "[ \"$1\" = --version ] && exec '{real}' --version\ntouch '{}'; while [ ! -e '{}' ]; do sleep 0.05; done\nenv >'{}'\nexec '{real}' \"$@\"",
            reached.display(),
            go_on.display(),
            world.path("environment").display(),
            real = real.display()
        ),
    );
    let mut command = world.command(&["backup", "--to", "dropbox:/b", "--json"]);
    command.env("DBACKUP_SOURCE", format!("postgres://keeper:{PASSWORD_ENCODED}@127.0.0.1:{}/shop", server.port()));
    command.env("DROPBOX_APP_SECRET", Config::default().app_secret).env("DBACKUP_POSTGRES_BIN", &tools);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("pg_dump runs", || reached.exists());
    let standard = Config::default();
    let secrets = [PASSWORD, PASSWORD_ENCODED, &standard.refresh_token, &standard.app_secret];
    let mut seen = 0;
    for entry in fs::read_dir("/proc").unwrap() {
        let Ok(cmdline) = fs::read(entry.unwrap().path().join("cmdline")) else { continue };
        let cmdline = String::from_utf8_lossy(&cmdline).into_owned();
        seen += usize::from(cmdline.contains("dbname='shop'"));
        for secret in secrets {
            assert!(!cmdline.contains(secret), "{cmdline}");
        }
    }
    assert!(seen > 0, "pg_dump's command line was not seen");
    fs::write(go_on, "").unwrap();
    let ran = Ran::from(run.wait_with_output().unwrap()).succeeded();
    let environment = fs::read_to_string(world.path("environment")).unwrap();
    assert!(!environment.contains("DROPBOX") && !environment.contains("DBACKUP"), "{environment}");
    for secret in secrets {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret));
        for stored in world.stored() {
            let bytes = world.dropbox().read(&stored).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{stored}");
        }
    }
}
