//! Copying stored backups from one destination to another.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use dropbox_emulator::{Config, Fault, FaultKind};
use rustix::process::{Pid, Signal, kill_process};
use test_support::wait_until;

use crate::world::{World, rows};

const APPEND: &str = "files/upload_session/append_v2";
const PATH: &str = "shop/backup_2026-01-01T00-00-00.db";

/// A disk with a backup of so many MiB that nobody described.
fn disk_with(world: &World, mebibytes: usize) -> (PathBuf, String, Vec<u8>) {
    let disk = world.path("disk");
    fs::create_dir_all(disk.join("shop")).unwrap();
    let content: Vec<u8> = (0..mebibytes << 20).map(|index| (index * 31 % 251) as u8).collect();
    fs::write(disk.join(PATH), &content).unwrap();
    let address = format!("file://{}", disk.display());
    (disk, address, content)
}

fn sidecar(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_backup_moves_between_destinations_and_restores_from_each() {
    let world = World::new();
    let (original, source) = world.sqlite("shop.db", 1000);
    let (disk, other) = (world.path("disk"), world.path("other"));
    [&disk, &other].into_iter().for_each(|folder| fs::create_dir(folder).unwrap());
    let (disk_address, other_address) = (format!("file://{}", disk.display()), format!("file://{}", other.display()));
    world.run(&["backup", "--source", &source, "--to", &disk_address]).succeeded();
    let list = world.run(&["list", &disk_address, "--json"]).succeeded();
    let path = list.objects()[0]["path"].as_str().unwrap().to_owned();

    for (from, to) in
        [(disk_address.as_str(), "dropbox:/a"), ("dropbox:/a", "dropbox:/b"), ("dropbox:/b", &other_address)]
    {
        let ran = world.run(&["copy", from, &path, "--to", to]).succeeded();
        assert_eq!(ran.stdout, format!("{to} {path}\n"));
        let target = world.path(&format!("restored-{}.db", to.len()));
        let address = format!("sqlite://{}", target.display());
        world.run(&["restore", to, "--job", "shop", "--latest", "--target", &address]).succeeded();
        assert!(rows(&target) == rows(&original));
        fs::remove_file(&target).unwrap();
    }
    assert_eq!(fs::read(disk.join(&path)).unwrap(), fs::read(other.join(&path)).unwrap());
    // The sidecar has learnt Dropbox's hash on the way, and is the same otherwise.
    let beside = format!("{path}.meta.json");
    let (mut before, after) = (sidecar(&disk.join(&beside)), sidecar(&other.join(&beside)));
    assert!(before["checksum"]["dropboxContentHash"].is_null());
    before["checksum"]["dropboxContentHash"] = after["checksum"]["dropboxContentHash"].clone();
    assert_eq!(before, after);
    assert!(after["checksum"]["dropboxContentHash"].is_string());

    let again = world.run(&["copy", &disk_address, &path, "--to", "dropbox:/a"]).succeeded();
    assert!(again.stderr.contains("already, with the same content"), "{}", again.stderr);
    fs::write(other.join(&path), "something else").unwrap();
    world.run(&["copy", "dropbox:/a", &path, "--to", &other_address]).failed_saying(&["exists already"]);
    assert_eq!(fs::read(other.join(&path)).unwrap(), b"something else");
    assert!(world.strays().iter().all(|path| path.ends_with(".local")), "{:?}", world.strays());
}

#[test]
fn a_copy_that_was_killed_goes_on_where_it_was() {
    let world = World::new();
    let (_, disk, content) = disk_with(&world, 60);
    world.dropbox().set_weather("total=60MiB/s".parse().unwrap());
    let copy = ["copy", &disk, PATH, "--to", "dropbox:/b", "--resume"];
    let appended = || {
        let appends = world.dropbox().requests().into_iter();
        appends
            .filter(|request| request.route == APPEND && request.status == 200)
            .map(|request| request.body_bytes)
            .sum::<u64>()
    };
    // Few connections and little memory, so that little is under way when the kill comes.
    let command = || {
        let mut command = world.command(&copy);
        command.env("DROPBOX_MEMORY", "16MiB").stderr(Stdio::null());
        command
    };
    let mut killed = command().spawn().unwrap();
    wait_until("Dropbox has most of it", || appended() >= 44 << 20);
    kill_process(Pid::from_raw(killed.id().cast_signed()).unwrap(), Signal::KILL).unwrap();
    killed.wait().unwrap();
    assert!(world.stored().is_empty());
    let before = appended();
    let ran = world.run(&copy).succeeded();
    assert!(ran.stderr.contains("Going on with the interrupted copy"), "{}", ran.stderr);
    assert!(world.dropbox().read(&format!("/b/{PATH}")).unwrap() == content);
    let again = appended() - before;
    assert!(again <= 40 << 20, "{} MiB of 60 were sent again", again >> 20);
    // The state is gone with the need for it.
    let state = world.path("home/.local/state/dbackup");
    assert_eq!(fs::read_dir(state).unwrap().count(), 0);
}

#[test]
fn a_session_that_dropbox_has_forgotten_starts_anew() {
    let world = World::new();
    let (_, disk, content) = disk_with(&world, 40);
    world.dropbox().inject(Fault::next("files/upload_session/finish", FaultKind::SessionLost));
    world.run(&["copy", &disk, PATH, "--to", "dropbox:/b"]).failed_saying(&["cannot go on"]);
    assert!(world.stored().is_empty());
    let ran = world.run(&["copy", &disk, PATH, "--to", "dropbox:/b", "--resume"]).succeeded();
    assert!(ran.stderr.contains("Starting at the beginning"), "{}", ran.stderr);
    assert!(world.dropbox().read(&format!("/b/{PATH}")).unwrap() == content);
}

#[test]
fn what_is_not_the_file_that_was_backed_up_is_not_copied() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 1000);
    let disk = world.path("disk");
    fs::create_dir(&disk).unwrap();
    let address = format!("file://{}", disk.display());
    world.run(&["backup", "--source", &source, "--to", &address]).succeeded();
    let list = world.run(&["list", &address, "--json"]).succeeded();
    let path = list.objects()[0]["path"].as_str().unwrap().to_owned();
    let mut content = fs::read(disk.join(&path)).unwrap();
    content[100] ^= 1;
    fs::write(disk.join(&path), &content).unwrap();
    world.run(&["copy", &address, &path, "--to", "dropbox:/b"]).failed_saying(&["SHA-256", "Copy another backup"]);
    content.pop();
    fs::write(disk.join(&path), &content).unwrap();
    world.run(&["copy", &address, &path, "--to", "dropbox:/b"]).failed_saying(&["size"]);
    assert!(world.stored().is_empty());
    world.run(&["copy", &address, "shop/none.db", "--to", "dropbox:/b"]).failed_saying(&["does not exist"]);
    world.run(&["copy", &address, &path, "--to", &address]).ended_with(2);
}

#[test]
fn a_team_has_a_space_of_its_own() {
    let world = World::with(Config { team_root: true, ..Config::default() });
    let (original, source) = world.sqlite("shop.db", 100);
    world.run(&["backup", "--source", &source, "--to", "dropbox-team:/backups", "--to", "dropbox:/mine"]).succeeded();
    let stored = world.stored();
    assert_eq!(stored.iter().filter(|path| path.starts_with("/backups/shop/")).count(), 2, "{stored:?}");
    assert_eq!(stored.iter().filter(|path| path.starts_with("/Ada Lovelace/mine/shop/")).count(), 2, "{stored:?}");
    let target = world.path("restored.db");
    let address = format!("sqlite://{}", target.display());
    world.run(&["restore", "dropbox-team:/backups", "--job", "shop", "--latest", "--target", &address]).succeeded();
    assert!(rows(&target) == rows(&original));
    let alone = World::new();
    let (_, source) = alone.sqlite("shop.db", 10);
    alone.run(&["backup", "--source", &source, "--to", "dropbox-team:/b"]).failed_saying(&["no team space"]);
}

#[test]
fn a_backup_that_will_not_fit_is_foreseen() {
    // M-16
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 10_000);
    let backup = ["backup", "--source", &source, "--to", "dropbox:/b", "--compression", "none"];
    let first = world.run(&backup).succeeded();
    assert!(!first.stderr.contains("may not fit"), "{}", first.stderr);
    let used: u64 = world.dropbox().files().iter().map(|file| file.size).sum();
    world.dropbox().set_quota(used + used / 2);
    let ran = world.run(&backup).ended_with(1);
    let foreseen = ran.stderr.find("may not fit").unwrap_or_else(|| panic!("{}", ran.stderr));
    assert!(ran.stderr.find("Dump of").is_some_and(|dumped| foreseen < dumped), "{}", ran.stderr);
    assert!(ran.stderr.contains("used"), "{}", ran.stderr);
    let events = world.run(&[&backup[..], &["--json"]].concat()).ended_with(1).objects();
    let warned = events.iter().find(|event| event["event"] == "mayNotFit").unwrap();
    assert!(warned["lastSize"].as_u64().unwrap() > warned["free"].as_u64().unwrap());
}
