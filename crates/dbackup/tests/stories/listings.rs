//! What a listing costs, what it shows where something cannot be read, and what `--latest` takes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use test_support::{PostgresServer, PostgresVersion, script};

use crate::world::{Ran, World, rows};

/// A command as a user who may not read everything.
fn unprivileged(world: &World, arguments: &[&str]) -> Command {
    let inner = world.command(arguments);
    if !rustix::process::geteuid().is_root() {
        return inner;
    }
    fs::set_permissions(world.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir("/");
    command
}

fn disk(world: &World) -> (std::path::PathBuf, String) {
    let disk = world.path("disk");
    fs::create_dir_all(&disk).unwrap();
    let address = format!("file://{}", disk.display());
    (disk, address)
}

fn calls(world: &World, route: &str) -> usize {
    world.dropbox().requests().iter().filter(|request| request.route == route).count()
}

fn first_path(ran: &Ran) -> String {
    ran.result()["backups"][0]["path"].as_str().unwrap_or_else(|| panic!("{}", ran.stdout)).to_owned()
}

#[test]
fn listing_a_job_reads_no_sidecar_and_the_newest_backup_costs_a_few() {
    // M-12
    let world = World::new();
    let (database, source) = world.sqlite("shop.db", 100);
    let made = world.run(&["backup", "--source", &source, "--to", "dropbox:/b", "--json"]).succeeded();
    let path = first_path(&made);
    let (content, sidecar) = (
        world.dropbox().read(&format!("/b/{path}")).unwrap(),
        world.dropbox().read(&format!("/b/{path}.meta.json")).unwrap(),
    );
    let older =
        (0..300).map(|number| format!("/b/shop/backup_2020-01-01T{:02}-{:02}-00.db.zst", number / 60, number % 60));
    world
        .dropbox()
        .write_many(older.flat_map(|path| [(format!("{path}.meta.json"), sidecar.clone()), (path, content.clone())]));
    let before = calls(&world, "files/download");
    let list = world.run(&["list", "dropbox:/b", "--job", "shop", "--json"]).succeeded();
    assert_eq!(list.result()["backups"], 301);
    assert_eq!(calls(&world, "files/download"), before);
    let target = world.path("restored.db");
    let address = format!("sqlite://{}", target.display());
    world.run(&["restore", "dropbox:/b", "--job", "shop", "--latest", "--target", &address]).succeeded();
    assert!(rows(&target) == rows(&database));
    let cost = calls(&world, "files/download") - before;
    assert!(cost <= 8, "{cost} downloads");
}

#[test]
fn a_run_lists_each_destination_once_however_many_databases_it_has() {
    let world = World::new();
    let server = PostgresServer::start(PostgresVersion::Debian);
    for database in ["one", "two", "three"] {
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
    }
    let backup = ["backup", "--source", &server.address(""), "--to", "dropbox:/b", "--job", "all"];
    world.run(&backup).succeeded();
    let before = calls(&world, "files/list_folder") + calls(&world, "files/list_folder/continue");
    world.run(&backup).succeeded();
    let after = calls(&world, "files/list_folder") + calls(&world, "files/list_folder/continue");
    assert_eq!(after - before, 1);
    assert_eq!(world.run(&["list", "dropbox:/b", "--json"]).succeeded().result()["backups"], 8);
}

#[test]
fn a_folder_that_cannot_be_read_is_reported_and_hides_nothing_else() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 10);
    let (disk, address) = disk(&world);
    world.run(&["backup", "--source", &source, "--to", &address]).succeeded();
    let foreign = disk.join("lost+found");
    fs::create_dir(&foreign).unwrap();
    fs::set_permissions(disk.join("shop"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o000)).unwrap();
    let list = Ran::of(&mut unprivileged(&world, &["list", &address])).ended_with(3);
    assert!(list.stdout.contains("shop/backup_"), "{}", list.stdout);
    assert!(list.stderr.contains("could not read the folder lost+found: permission denied"), "{}", list.stderr);
    let result = Ran::of(&mut unprivileged(&world, &["list", &address, "--json"])).ended_with(3).result();
    assert_eq!((&result["status"], &result["backups"]), (&json!("partial"), &json!(1)));
    assert_eq!(result["unreadable"], json!([{"path": "lost+found", "error": "permission denied"}]));
    // Of a job, its own folder is enough, and must be read as a whole.
    Ran::of(&mut unprivileged(&world, &["list", &address, "--job", "shop"])).succeeded();
    fs::set_permissions(disk.join("shop"), fs::Permissions::from_mode(0o000)).unwrap();
    let failed = Ran::of(&mut unprivileged(&world, &["list", &address, "--job", "shop", "--json"])).ended_with(1);
    assert_eq!(failed.result()["status"], "failed");
    assert!(failed.result()["error"].as_str().unwrap().contains("permission denied"), "{}", failed.stdout);
    fs::set_permissions(disk.join("shop"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_jobs_folder_that_is_a_link_is_not_followed_and_named() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 10);
    let (disk, address) = disk(&world);
    let other = world.path("other");
    fs::create_dir(&other).unwrap();
    symlink(&other, disk.join("shop")).unwrap();
    symlink(world.path("nowhere"), disk.join("dangling")).unwrap();
    for job in ["shop", "dangling"] {
        let refused = world.run(&["backup", "--source", &source, "--to", &address, "--job", job]);
        refused.failed_saying(&[job, "symbolic link", "mount"]);
    }
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
    let list = world.run(&["list", &address, "--json"]).ended_with(3);
    assert_eq!(list.result()["unreadable"][0]["path"], "shop", "{}", list.stdout);
}

#[test]
fn a_jobs_folder_may_be_on_another_file_system() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 1000);
    let (disk, address) = disk(&world);
    fs::create_dir(disk.join("shop")).unwrap();
    let inner = world.command(&["backup", "--source", &source, "--to", &address]);
    let script = "mount -t tmpfs -o size=8m other \"$0/shop\" && \"$@\"; code=$?; ls -A \"$0/shop\" >&2; exit $code";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--map-root-user", "bash", "-c", script])
        .arg(&disk)
        .arg(inner.get_program())
        .args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = Ran::of(&mut command).succeeded();
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("backup_")).count(), 2, "{}", ran.stderr);
}

#[test]
fn a_list_says_what_it_looked_for_and_fails_where_it_cannot_be_written() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 10);
    let (_, address) = disk(&world);
    let empty = world.run(&["list", &address]).succeeded();
    assert!(empty.stderr.contains("yet"), "{}", empty.stderr);
    world.run(&["backup", "--source", &source, "--to", &address]).succeeded();
    let other = world.run(&["list", &address, "--job", "nosuch"]).succeeded();
    assert!(other.stderr.contains("No backups of job 'nosuch'") && !other.stderr.contains("yet"), "{}", other.stderr);
    for arguments in [&["list", &*address][..], &["list", &address, "--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = Ran::of(world.command(arguments).stdout(full));
        // Its output went elsewhere: only the code and the message tell.
        ran.failed_saying(&["could not write the result"]);
    }
}

#[test]
fn two_spellings_of_one_place_are_one_copy() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 10);
    let (disk, address) = disk(&world);
    let link = world.path("link");
    symlink(&disk, &link).unwrap();
    let spellings = [
        (address.clone(), format!("{address}/")),
        (address.clone(), format!("file://{}/./disk", world.folder.path().display())),
        (address.clone(), format!("file://{}", link.display())),
        ("dropbox:/Backups".to_owned(), "dropbox:/backups/".to_owned()),
    ];
    for (one, other) in spellings {
        let ran = world.run(&["backup", "--source", &source, "--to", &one, "--to", &other]).ended_with(2);
        assert!(ran.stderr.contains("named twice"), "{}", ran.stderr);
        let ran = world.run(&["copy", &one, "shop/x", "--to", &other]).ended_with(2);
        assert!(ran.stderr.contains("both ends"), "{}", ran.stderr);
    }
}

#[test]
fn only_backups_and_their_sidecars_are_deleted_and_no_locked_one() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 10);
    let (disk, address) = disk(&world);
    let path = first_path(&world.run(&["backup", "--source", &source, "--to", &address, "--json"]).succeeded());
    fs::create_dir(disk.join("sub")).unwrap();
    for name in ["thesis.doc", "backup_2026-01-01T00-00-00.doc", "backup_2026.db"] {
        fs::write(disk.join("sub").join(name), "years of work").unwrap();
        let ran = world.run(&["delete", &address, &format!("sub/{name}"), "--yes"]).ended_with(2);
        assert!(ran.stderr.contains("is not a backup"), "{}", ran.stderr);
        assert!(disk.join("sub").join(name).exists());
    }
    let beside = format!("{path}.meta.json");
    world.run(&["delete", &address, &beside, "--yes"]).ended_with(2);
    assert!(disk.join(&beside).exists());
    let mut sidecar: Value = serde_json::from_slice(&fs::read(disk.join(&beside)).unwrap()).unwrap();
    sidecar["locked"] = json!(true);
    fs::write(disk.join(&beside), sidecar.to_string()).unwrap();
    world.run(&["delete", &address, &path, "--yes"]).failed_saying(&["is locked"]);
    assert!(disk.join(&path).exists());
    // A sidecar that says nothing bars nothing, and one that an interrupted deletion has left can go.
    fs::write(disk.join(&beside), "{\"locked\": tr").unwrap();
    fs::remove_file(disk.join(&path)).unwrap();
    world.run(&["delete", &address, &path, "--yes"]).succeeded();
    assert!(!disk.join(&beside).exists());
    world.run(&["delete", &address, &path, "--yes"]).failed_saying(&["does not exist"]);
}

#[test]
fn only_what_was_checked_is_called_checked() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 100);
    let (disk, address) = disk(&world);
    let backup =
        ["backup", "--source", &source, "--to", &address, "--to", "dropbox:/b", "--compression", "none", "--json"];
    let path = first_path(&world.run(&backup).succeeded());
    let get = |place: &str, raw: bool| {
        let output = world.path("output");
        let _ = fs::remove_file(&output);
        let mut arguments = vec!["get", place, &path, "--output", output.to_str().unwrap()];
        arguments.extend(raw.then_some("--raw"));
        world.run(&arguments)
    };
    for raw in [true, false] {
        let ran = get(&address, raw).succeeded();
        assert!(ran.stderr.contains("Checked: the sidecar's SHA-256"), "{}", ran.stderr);
        let ran = get("dropbox:/b", raw).succeeded();
        assert!(ran.stderr.contains("Checked: the storage's own hash, the sidecar's SHA-256"), "{}", ran.stderr);
    }
    let (stored, beside) = (disk.join(&path), disk.join(format!("{path}.meta.json")));
    let sidecar = fs::read(&beside).unwrap();
    let mut bytes = fs::read(&stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&stored, &bytes).unwrap();
    get(&address, true).failed_saying(&["is not the file that was backed up"]);
    let too_large = vec![b' '; 300 * 1024];
    let cases: [(&[u8], &str); 2] =
        [(&sidecar[..sidecar.len() / 2], "its sidecar cannot be read"), (&too_large, "larger than")];
    for (content, words) in cases {
        fs::write(&beside, content).unwrap();
        for raw in [true, false] {
            let ran = get(&address, raw).succeeded();
            assert!(ran.stderr.contains("Not checked") && ran.stderr.contains(words), "{}", ran.stderr);
        }
        let ran = world.run(&["copy", &address, &path, "--to", "dropbox:/c"]).succeeded();
        assert!(ran.stderr.contains("Not checked") && ran.stderr.contains(words), "{}", ran.stderr);
        world.dropbox().remove("/c");
    }
    fs::remove_file(&beside).unwrap();
    let ran = get(&address, true).succeeded();
    assert!(ran.stderr.contains("Not checked: it has no sidecar"), "{}", ran.stderr);
}

/// Restores the newest backup of a job.
fn latest(world: &World, place: &str, job: &str, name: &str, more: &[&str]) -> Ran {
    let target = format!("sqlite://{}", world.path(name).display());
    world.run(&[&["restore", place, "--job", job, "--latest", "--target", &target][..], more].concat())
}

#[test]
fn a_backup_of_a_wrong_clock_is_not_silently_the_newest() {
    let world = World::new();
    let (database, source) = world.sqlite("shop.db", 100);
    let (disk, address) = disk(&world);
    let path = first_path(&world.run(&["backup", "--source", &source, "--to", &address, "--json"]).succeeded());
    let future = "shop/backup_2099-01-01T00-00-00.db";
    fs::write(disk.join(future), "what a wrong clock has made").unwrap();
    let ran = latest(&world, &address, "shop", "restored.db", &[]).succeeded();
    assert!(ran.stderr.contains("dated later than now") && ran.stderr.contains(future), "{}", ran.stderr);
    assert!(rows(&world.path("restored.db")) == rows(&database));
    fs::remove_file(disk.join(path)).unwrap();
    latest(&world, &address, "shop", "other.db", &[]).failed_saying(&["later than this machine's clock", future]);
}

#[test]
fn the_target_decides_which_engines_backup_is_the_newest() {
    let world = World::new();
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT 'from the server' AS x");
    let (database, source) = world.sqlite("shop.db", 100);
    world.run(&["backup", "--source", &source, "--to", "dropbox:/b"]).succeeded();
    latest(&world, "dropbox:/b", "shop", "first.db", &[]).succeeded();
    let target = server.address("restored");
    let restore = ["restore", "dropbox:/b", "--job", "shop", "--latest", "--target", &target];
    world.run(&restore).failed_saying(&["has no PostgreSQL backup", "SQLite"]);
    world.run(&["backup", "--source", &server.address("shop"), "--to", "dropbox:/b"]).succeeded();
    for more in [&[][..], &["--database", "shop"]] {
        latest(&world, "dropbox:/b", "shop", "restored.db", &[more, &["--overwrite"]].concat()).succeeded();
        assert!(rows(&world.path("restored.db")) == rows(&database));
        world.run(&[&restore[..], more, &["--overwrite"]].concat()).succeeded();
        assert_eq!(server.sql("restored", "SELECT x FROM t").trim(), "from the server");
    }
    latest(&world, "dropbox:/b", "shop", "x.db", &["--database", "other"]).failed_saying(&["no backup of job 'shop'"]);
}

#[test]
fn backups_of_two_machines_are_not_taken_for_each_other() {
    let world = World::new();
    let (_, source) = world.sqlite("data.db", 10);
    let (disk, address) = disk(&world);
    let path = first_path(&world.run(&["backup", "--source", &source, "--to", &address, "--json"]).succeeded());
    let sidecar: Value = serde_json::from_slice(&fs::read(disk.join(format!("{path}.meta.json"))).unwrap()).unwrap();
    assert_eq!(sidecar["host"], pipeline::host::name().unwrap());
    // Another machine's, of the same address, a second later.
    let time: jiff::Timestamp = sidecar["timestamp"].as_str().unwrap().parse().unwrap();
    let later =
        (time + jiff::SignedDuration::from_secs(60)).strftime("data/backup_%Y-%m-%dT%H-%M-%S.db.zst").to_string();
    let mut foreign = sidecar;
    foreign["host"] = json!("another-machine");
    fs::copy(disk.join(&path), disk.join(&later)).unwrap();
    fs::write(disk.join(format!("{later}.meta.json")), foreign.to_string()).unwrap();
    let refused = latest(&world, &address, "data", "restored.db", &[]).ended_with(2);
    assert!(
        refused.stderr.contains("several machines") && refused.stderr.contains("another-machine"),
        "{}",
        refused.stderr
    );
    assert!(!Path::new(&world.path("restored.db")).exists());
    let target = format!("sqlite://{}", world.path("restored.db").display());
    world.run(&["restore", &address, &later, "--target", &target]).succeeded();
}

#[test]
fn warnings_are_in_the_result_and_no_failure() {
    let world = World::new();
    let server = PostgresServer::start(PostgresVersion::Debian);
    server.sql("postgres", "CREATE DATABASE shop");
    let tools = world.path("tools");
    fs::create_dir(&tools).unwrap();
    symlink(server.bin().join("psql"), tools.join("psql")).unwrap();
    let real = server.bin().join("pg_dump");
    let wrapper = format!(
        "[ \"$1\" = --version ] || echo 'pg_dump: warning: something is left out' >&2\nexec '{}' \"$@\"",
        real.display()
    );
    script(&tools.join("pg_dump"), &wrapper);
    let source = server.address("shop");
    let backup = |more: &[&str]| {
        let arguments = [&["backup", "--source", &source, "--to", "dropbox:/b"][..], more].concat();
        Ran::of(world.command(&arguments).env("DBACKUP_POSTGRES_BIN", &tools)).succeeded()
    };
    let result = backup(&["--json"]).result();
    assert_eq!(result["status"], "succeededWithWarnings");
    assert_eq!(result["warnings"][0]["database"], "shop", "{result}");
    assert!(result["warnings"][0]["message"].as_str().unwrap().contains("something is left out"), "{result}");
    let text = backup(&[]);
    assert!(
        text.stderr.contains("Warning: shop: ") && text.stderr.contains("Succeeded with warnings"),
        "{}",
        text.stderr
    );
}
