//! What cannot be meant is refused at once, with exit code 2, and says what to write instead.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::world::{Ran, World};

#[test]
fn wrong_usage_is_exit_code_2_and_a_sentence() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 1);
    world.key("key.txt");
    let key = fs::read_to_string(world.path("key.txt")).unwrap();
    let private = key.lines().last().unwrap();
    let cases: [(&[&str], &str); 14] = [
        (&["backup", "--source", &source], "--to"),
        (&["backup", "--to", "dropbox:/"], "DBACKUP_SOURCE"),
        (&["backup", "--source", "oracle://x", "--to", "dropbox:/"], "address is not one"),
        (&["backup", "--source", &source, "--to", "s3:/x"], "is not a destination"),
        (&["backup", "--source", &source, "--to", "dropbox:/b", "--to", "dropbox:/b/"], "named twice"),
        (&["backup", "--source", &source, "--to", "dropbox:/", "--compression", "zstd:19"], "not a compression"),
        (&["backup", "--source", &source, "--to", "dropbox:/", "--recipient", "age1x"], "not an age recipient"),
        (&["backup", "--source", &source, "--to", "dropbox:/", "--recipient", private], "private key"),
        (&["backup", "--source", &source, "--to", "dropbox:/", "--database", "other"], "--database does not apply"),
        (&["backup", "--source", &source, "--to", "dropbox:/", "--job", ""], "needs a name"),
        (&["restore", "dropbox:/", "--target", &source], "PATH"),
        (&["restore", "dropbox:/", "x", "--latest", "--target", &source], "cannot be used with"),
        (&["get", "dropbox:/", "../x", "--output", "x"], "not a path below"),
        (&["frobnicate"], "unrecognized"),
    ];
    for (arguments, words) in cases {
        let ran = world.run(arguments).ended_with(2);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains(private), "{}", ran.stderr);
    }
    assert!(world.stored().is_empty());
}

#[test]
fn dropbox_settings_that_are_missing_or_unsafe_are_named() {
    let world = World::new();
    let list = ["list", "dropbox:/"];
    let without_key = Ran::of(world.command(&list).env_remove("DROPBOX_APP_KEY")).ended_with(2);
    assert!(without_key.stderr.contains("DROPBOX_APP_KEY"));
    Ran::of(world.command(&list).env_remove("DROPBOX_REFRESH_TOKEN"))
        .failed_saying(&["not authorized yet", "dbackup dropbox login"]);
    let plain = Ran::of(world.command(&list).env("DROPBOX_API_URL", "http://192.0.2.1")).ended_with(2);
    assert!(plain.stderr.contains("unencrypted"), "{}", plain.stderr);
    Ran::of(world.command(&list).env_remove("DROPBOX_CA_FILE"))
        .failed_saying(&["is not trusted", "certificate authority"]);
    // A destination that is no Dropbox needs none of it.
    let disk = format!("file://{}", world.path("home").display());
    Ran::of(world.command(&["list", &disk]).env_remove("DROPBOX_APP_KEY")).succeeded();
}

#[test]
fn a_key_is_private_and_never_overwritten() {
    let world = World::new();
    let (path, recipient) = world.key("key.txt");
    assert!(recipient.starts_with("age1"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&path).unwrap();
    world.run(&["keygen", "--output", &path]).ended_with(2);
    assert_eq!(fs::read(&path).unwrap(), before);
    let shown = world.run(&["keygen"]).succeeded();
    assert!(shown.stdout.contains("AGE-SECRET-KEY-1") && shown.stderr.contains("age1"));
}
