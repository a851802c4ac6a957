//! Destinations that refuse, run full or go away.

use std::fs;
use std::process::Command;

use dropbox_emulator::{Config, Fault, FaultKind};

use crate::world::{Ran, World, rows};

#[test]
fn a_revoked_grant_says_to_log_in_again() {
    // M-08
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 10);
    world.dropbox().revoke(&Config::default().refresh_token);
    world
        .run(&["backup", "--source", &source, "--to", "dropbox:/b"])
        .failed_saying(&["revoked", "Run: dbackup dropbox login"]);
    world.run(&["list", "dropbox:/b"]).failed_saying(&["Run: dbackup dropbox login"]);
}

#[test]
fn a_full_dropbox_names_used_and_allowed() {
    // M-15
    let world = World::with(Config { quota: 100_000, ..Config::default() });
    let (_, source) = world.sqlite("shop.db", 1000);
    world.run(&["backup", "--source", &source, "--to", "dropbox:/b"]).failed_saying(&["is full", "of 97.7 KiB used"]);
    assert!(world.stored().is_empty());
}

#[test]
fn a_missing_permission_is_named() {
    // M-15
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 10);
    world.dropbox().set_scopes(&Config::default().refresh_token, &["files.metadata.read", "account_info.read"]);
    world
        .run(&["backup", "--source", &source, "--to", "dropbox:/b"])
        .failed_saying(&["files.content.write", "Permissions tab"]);
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let world = World::with(Config { quota: 100_000, ..Config::default() });
    let (path, source) = world.sqlite("shop.db", 100_000);
    fs::create_dir(world.path("disk")).unwrap();
    let (disk, missing) =
        (format!("file://{}", world.path("disk").display()), format!("file://{}", world.path("unmounted").display()));
    let backup = ["backup", "--source", &source, "--to", "dropbox:/b", "--to", &disk, "--to", &missing];
    let ran = world.run(&backup).ended_with(3);
    assert!(
        ran.stderr.contains("is full") && ran.stderr.contains("unmounted") && ran.stderr.contains("Partial"),
        "{}",
        ran.stderr
    );
    let target = world.path("restored.db");
    let address = format!("sqlite://{}", target.display());
    world.run(&["restore", &disk, "--job", "shop", "--latest", "--target", &address]).succeeded();
    assert!(rows(&target) == rows(&path));
    assert!(world.stored().is_empty());
}

#[test]
fn a_full_disk() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 40_000);
    let disk = world.path("disk");
    fs::create_dir(&disk).unwrap();
    let inner = world.command(&["backup", "--source", &source, "--to", &format!("file://{}", disk.display())]);
    let script = "mount -t tmpfs -o size=2m small \"$0\" && \"$@\"; code=$?; ls -A \"$0\" >&2; exit $code";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--map-root-user", "bash", "-c", script])
        .arg(&disk)
        .arg(inner.get_program())
        .args(inner.get_args());
    command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = Ran::of(&mut command).failed_saying(&["is full", "Free space"]);
    assert!(ran.stderr.trim_end().ends_with(')'), "something was left: {}", ran.stderr);
}

#[test]
fn a_sidecar_that_cannot_be_written_is_a_failure() {
    let world = World::new();
    let (path, source) = world.sqlite("shop.db", 1000);
    world.dropbox().set_quota(fs::metadata(&path).unwrap().len() + 10);
    let ran = world.run(&["backup", "--source", &source, "--to", "dropbox:/b", "--compression", "none"]);
    ran.failed_saying(&["the backup itself is whole at shop/backup_", "is full"]);
    let list = world.run(&["list", "dropbox:/b"]).succeeded();
    assert!(list.stdout.contains("(no sidecar)"), "{}", list.stdout);
}

#[test]
fn a_token_that_expires_in_the_middle_goes_unnoticed() {
    // M-06
    let world = World::new();
    let (path, source) = world.sqlite("shop.db", 200_000);
    let expired = || FaultKind::AccessTokenExpired;
    let session = "files/upload_session";
    let routes = ["start", "append_v2", "finish_batch_v2"].map(|route| format!("{session}/{route}"));
    for route in routes.iter().map(String::as_str).chain(["files/download"]) {
        world.dropbox().inject(Fault::next(route, expired()));
    }
    world.run(&["backup", "--source", &source, "--to", "dropbox:/b"]).succeeded();
    let target = world.path("restored.db");
    let address = format!("sqlite://{}", target.display());
    world.run(&["restore", "dropbox:/b", "--job", "shop", "--latest", "--target", &address]).succeeded();
    assert!(rows(&target) == rows(&path));
    assert!(world.dropbox().requests().iter().filter(|request| request.route == "oauth2/token").count() >= 5);
}

#[test]
fn a_dropbox_that_stumbles_is_waited_for() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 100_000);
    for route in
        ["oauth2/token", "files/list_folder", "files/upload_session/append_v2", "files/upload_session/finish_batch_v2"]
    {
        world.dropbox().inject(Fault::next(route, FaultKind::Status503));
        world.dropbox().inject(Fault::next(route, FaultKind::AnswerLostAfterEffect));
    }
    world.run(&["backup", "--source", &source, "--to", "dropbox:/b"]).succeeded();
    assert_eq!(world.stored().len(), 2);
}
