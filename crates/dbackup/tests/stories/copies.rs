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

const COPY: &str = "files/copy_v2";

/// A backup in `dropbox:/a` that is larger than its sidecar: its path.
fn in_dropbox(world: &World) -> String {
    let (_, source) = world.sqlite("shop.db", 5000);
    world.run(&["backup", "--source", &source, "--to", "dropbox:/a", "--compression", "none"]).succeeded();
    let list = world.run(&["list", "dropbox:/a", "--json"]).succeeded();
    list.objects()[0]["path"].as_str().unwrap().to_owned()
}

/// Whether the backup itself was downloaded or uploaded since so many requests.
fn is_streamed(world: &World, since: usize) -> bool {
    let requests = world.dropbox().requests().split_off(since);
    let moves = requests.iter().filter(|request| request.route == "files/download" || request.route.contains("upload"));
    let is_sidecar = |path: &Option<String>| path.as_ref().is_some_and(|path| path.ends_with(".meta.json"));
    moves.filter(|request| !is_sidecar(&request.path)).count() > 0
}

fn copies_made(world: &World) -> usize {
    world.dropbox().requests().iter().filter(|request| request.route == COPY && request.status == 200).count()
}

#[test]
fn a_copy_inside_dropbox_is_made_there_and_checked_by_its_content_hash() {
    let world = World::new();
    let path = in_dropbox(&world);
    let before = world.dropbox().requests().len();
    let ran = world.run(&["copy", "dropbox:/a", &path, "--to", "dropbox:/b"]).succeeded();
    assert_eq!(ran.stdout, format!("dropbox:/b {path}\n"));
    let (inside, checked) =
        ("copied inside Dropbox, checked by the storage's own hash", "Checked: the sidecar's dropbox content hash");
    assert!(ran.stderr.contains(inside) && ran.stderr.contains(checked), "{}", ran.stderr);
    assert!(!is_streamed(&world, before) && copies_made(&world) == 1, "{:?}", world.dropbox().requests());
    for path in [path.clone(), format!("{path}.meta.json")] {
        let read = |folder: &str| world.dropbox().read(&format!("/{folder}/{path}")).unwrap();
        assert!(read("a") == read("b"), "{path}");
    }
    let again = world.run(&["copy", "dropbox:/a", &path, "--to", "dropbox:/b"]).succeeded();
    assert!(again.stderr.contains("already, with the same content"), "{}", again.stderr);
    // Left by a crash between the two.
    world.dropbox().remove(&format!("/b/{path}.meta.json"));
    world.run(&["copy", "dropbox:/a", &path, "--to", "dropbox:/b"]).succeeded();
    assert_eq!((world.stored().len(), copies_made(&world)), (4, 1));
    assert!(!is_streamed(&world, before));
}

#[test]
fn a_lost_answer_of_a_copy_inside_dropbox_is_asked_for() {
    let world = World::new();
    let path = in_dropbox(&world);
    world.dropbox().inject(Fault::next(COPY, FaultKind::AnswerLostAfterEffect));
    world.dropbox().inject(Fault::next("files/upload", FaultKind::AnswerLostAfterEffect));
    let before = world.dropbox().requests().len();
    world.run(&["copy", "dropbox:/a", &path, "--to", "dropbox:/b"]).succeeded();
    let copies = world.dropbox().requests().iter().filter(|request| request.route == COPY).count();
    assert!(copies == 1 && !is_streamed(&world, before));
    assert_eq!(world.stored().len(), 4);
}

#[test]
fn a_copy_inside_dropbox_that_cannot_be_made_says_why_and_leaves_nothing() {
    let world = World::new();
    let path = in_dropbox(&world);
    let copy = ["copy", "dropbox:/a", &path, "--to", "dropbox:/b"];
    let before = world.dropbox().requests().len();
    let (from, to) = (format!("/a/{path}"), format!("/b/{path}"));

    world.dropbox().inject(Fault::next(COPY, FaultKind::QuotaReached));
    world.run(&copy).failed_saying(&["is full", "used", "Free space"]);
    world.dropbox().set_quota(1 << 40);
    world.dropbox().inject(Fault::next(COPY, FaultKind::Unauthorized { tag: "missing_scope" }).times(2));
    world.run(&copy).failed_saying(&["files.content.write", "Permissions tab"]);
    world.dropbox().clear_faults();
    assert_eq!(world.stored().len(), 2);

    world.dropbox().write(&to, b"older");
    world.run(&copy).failed_saying(&["exists already"]);
    assert_eq!(world.dropbox().read(&to).unwrap(), b"older");
    world.dropbox().remove(&to);

    // The hash that Dropbox tells is not the one that the backup was uploaded with.
    let content = world.dropbox().read(&from).unwrap();
    let mut altered = content.clone();
    altered[100] ^= 1;
    world.dropbox().write(&from, &altered);
    world.run(&copy).failed_saying(&["not the file that was backed up", "dropbox content hash", "Copy another backup"]);
    assert_eq!((world.stored().len(), copies_made(&world)), (2, 0));
    assert!(!is_streamed(&world, before));
}

#[test]
fn what_dropbox_does_not_copy_by_itself_is_downloaded_and_uploaded_and_said() {
    let world = World::new();
    let path = in_dropbox(&world);
    let before = world.dropbox().requests().len();
    world.dropbox().inject(Fault::next(COPY, FaultKind::NotRelocated { tag: "cant_transfer_ownership" }));
    let ran = world.run(&["copy", "dropbox:/a", &path, "--to", "dropbox:/b"]).succeeded();
    let (words, why) = ("Not copied inside the storage, but downloaded and uploaded", "who owns the file");
    assert!(ran.stderr.contains(words) && ran.stderr.contains(why), "{}", ran.stderr);
    assert!(!ran.stderr.contains("inside Dropbox") && is_streamed(&world, before), "{}", ran.stderr);

    // Which account it is cannot be told without this scope, which no copy needs.
    let scopes: Vec<&str> =
        dropbox_emulator::SCOPES.into_iter().filter(|scope| *scope != "account_info.read").collect();
    world.dropbox().set_all_scopes(&scopes);
    let ran = world.run(&["copy", "dropbox:/a", &path, "--to", "dropbox:/c"]).succeeded();
    assert!(ran.stderr.contains(words) && ran.stderr.contains("account_info.read"), "{}", ran.stderr);
    assert_eq!((world.stored().len(), copies_made(&world)), (6, 0));
}

#[test]
fn a_copy_from_the_members_folder_to_the_teams_space_is_streamed() {
    let world = World::with(Config { team_root: true, ..Config::default() });
    let path = in_dropbox(&world);
    let before = world.dropbox().requests().len();
    let ran = world.run(&["copy", "dropbox:/a", &path, "--to", "dropbox-team:/b"]).succeeded();
    assert!(is_streamed(&world, before) && copies_made(&world) == 0, "{}", ran.stderr);
    let ran = world.run(&["copy", "dropbox-team:/b", &path, "--to", "dropbox-team:/c"]).succeeded();
    assert!(ran.stderr.contains("copied inside Dropbox") && copies_made(&world) == 1, "{}", ran.stderr);
    assert!(world.dropbox().read(&format!("/c/{path}")).is_some());
}
