//! Backups that are not what they were: refused with the reason, and never a half for a whole.

use std::fs;

use test_support::{PostgresServer, PostgresVersion};

use crate::world::{Ran, World, rows};

struct Backup {
    world: World,
    key: String,
    path: String,
}

fn backup(layers: &[&str]) -> Backup {
    let world = World::new();
    let (key, recipient) = world.key("key.txt");
    let (_, source) = world.sqlite("shop.db", 20_000);
    let mut arguments = vec!["backup", "--source", &source, "--to", "dropbox:/b", "--json"];
    arguments.extend(layers);
    if !layers.contains(&"none") {
        arguments.extend(["--recipient", &recipient]);
    }
    let path = world.run(&arguments).succeeded().result()["backups"][0]["path"].as_str().unwrap().to_owned();
    Backup { world, key, path }
}

impl Backup {
    fn stored(&self) -> String {
        format!("/b/{}", self.path)
    }

    /// Neither restore nor get takes it, and nothing is left of the attempt.
    fn is_refused(&self, words: &[&str]) {
        let target = self.world.path("target.db");
        let address = format!("sqlite://{}", target.display());
        let restore =
            self.world.run(&["restore", "dropbox:/b", &self.path, "--target", &address, "--identity", &self.key]);
        restore.failed_saying(words);
        let output = self.world.path("output");
        let output = output.to_str().unwrap();
        self.world
            .run(&["get", "dropbox:/b", &self.path, "--output", output, "--identity", &self.key])
            .failed_saying(words);
        assert!(!target.exists() && !self.world.path("output").exists());
        let leftovers: Vec<_> =
            fs::read_dir(self.world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!leftovers.iter().any(|name| name.to_string_lossy().contains("dbackup-")), "{leftovers:?}");
    }
}

#[test]
fn what_dropbox_knows_to_be_altered_is_refused_before_a_byte_is_restored() {
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, &str); 3] = [
        (|bytes| bytes.truncate(100_000), "size"),
        (|bytes| bytes[70_000] ^= 1, "content hash"),
        (|bytes| *bytes = vec![7; 500], "size"),
    ];
    for (change, what) in changes {
        let backup = backup(&[]);
        backup.world.dropbox().corrupt(&backup.stored(), change, false);
        backup.is_refused(&["is not the file that was backed up", what]);
        // Restore and get open it and its sidecar, once each.
        let downloads =
            backup.world.dropbox().requests().into_iter().filter(|request| request.route == "files/download");
        assert_eq!(downloads.count(), 4);
    }
}

#[test]
fn what_nobody_knows_to_be_altered_is_refused_by_the_layers() {
    for change in [|bytes: &mut Vec<u8>| bytes.truncate(100_000), |bytes: &mut Vec<u8>| bytes[70_000] ^= 1] {
        let backup = backup(&[]);
        backup.world.dropbox().corrupt(&backup.stored(), change, false);
        // Without a sidecar there is nothing to compare with, but age knows.
        backup.world.dropbox().remove(&format!("{}.meta.json", backup.stored()));
        backup.is_refused(&["damaged"]);
    }
}

#[test]
fn silent_damage_without_any_layer_is_refused_by_the_hashes() {
    let backup = backup(&["--compression", "none"]);
    backup.world.dropbox().corrupt(&backup.stored(), |bytes| bytes[70_000] ^= 1, true);
    backup.is_refused(&["content"]);
}

#[test]
fn a_missing_sidecar_loses_nothing() {
    let backup = backup(&[]);
    backup.world.dropbox().remove(&format!("{}.meta.json", backup.stored()));
    let target = backup.world.path("target.db");
    let address = format!("sqlite://{}", target.display());
    let restore =
        ["restore", "dropbox:/b", "--job", "shop", "--latest", "--target", &address, "--identity", &backup.key];
    backup.world.run(&restore).succeeded();
    assert!(rows(&target) == rows(&backup.world.path("shop.db")));
}

#[test]
fn a_wrong_identity_and_none() {
    let mut backup = backup(&[]);
    let right = std::mem::replace(&mut backup.key, backup.world.key("other.txt").0);
    backup.is_refused(&["none of the given identities opens this backup"]);
    let address = format!("sqlite://{}", backup.world.path("target.db").display());
    backup.world.run(&["restore", "dropbox:/b", &backup.path, "--target", &address]).failed_saying(&["--identity"]);
    backup.world.run(&["restore", "dropbox:/b", &backup.path, "--target", &address, "--identity", &right]).succeeded();
}

#[test]
fn a_foreign_file_under_a_backups_name_is_refused() {
    let backup = backup(&[]);
    let stored = backup.stored();
    backup.world.dropbox().remove(&stored);
    backup.world.dropbox().remove(&format!("{stored}.meta.json"));
    backup.world.dropbox().write(&stored, &fs::read(backup.world.path("shop.db")).unwrap());
    backup.is_refused(&["should be encrypted and is not"]);
    backup.world.dropbox().write("/b/shop/notes.db", b"a letter to a friend");
    let address = format!("sqlite://{}", backup.world.path("target.db").display());
    let letter = backup.world.run(&["restore", "dropbox:/b", "shop/notes.db", "--target", &address]);
    letter.failed_saying(&["no database dump", "cannot be restored into SQLite"]);
}

#[test]
fn a_backup_of_one_engine_does_not_go_into_another() {
    let backup = backup(&[]);
    let server = PostgresServer::start(PostgresVersion::Debian);
    let target = server.address("target");
    let restore = ["restore", "dropbox:/b", &backup.path, "--target", &target, "--identity", &backup.key];
    backup.world.run(&restore).failed_saying(&["SQLite dump", "cannot be restored into PostgreSQL"]);
}

// S-05
#[test]
fn a_local_backup_that_was_altered_is_refused_and_the_target_stays_as_it_was() {
    for (compression, words) in [("none", "is not the file that was backed up"), ("zstd:3", "damaged")] {
        alter_locally(compression, words);
    }
}

/// A folder knows no hash of its own: the backup is checked while it is read, once.
fn alter_locally(compression: &str, words: &str) {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 5000);
    fs::create_dir(world.path("disk")).unwrap();
    let disk = format!("file://{}", world.path("disk").display());
    let backup = ["backup", "--source", &source, "--to", &disk, "--compression", compression, "--json"];
    let result = world.run(&backup).succeeded().result();
    let path = result["backups"][0]["path"].as_str().unwrap();
    let file = world.path("disk").join(path);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let address = format!("sqlite://{}", world.path("target.db").display());
    let mut restore = world.command(&["restore", &disk, path, "--target", &address]);
    Ran::of(&mut restore).failed_saying(&[words]);
    assert!(!world.path("target.db").exists());
    // A size that differs is known before a byte is read.
    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(1000).unwrap();
    Ran::of(&mut restore).failed_saying(&["is not the file that was backed up", "size"]);
}

#[test]
fn a_damaged_database_is_backed_up_and_restored_as_it_is_only_when_told_to() {
    let world = World::new();
    let (path, source) = world.sqlite("shop.db", 20_000);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let arguments = ["backup", "--source", &source, "--to", "dropbox:/b", "--json"];
    world.run(&arguments).ended_with(1);
    assert!(world.stored().is_empty());
    let backup = world.run(&[&arguments[..], &["--allow-damaged"]].concat()).succeeded();
    assert_eq!(backup.result()["status"], "succeededWithWarnings");
    assert!(backup.stdout.contains("\"code\":\"damaged\""), "{}", backup.stdout);
    // Its sidecar says that this was meant.
    let target = world.path("target.db");
    let address = format!("sqlite://{}", target.display());
    let restore = ["restore", "dropbox:/b", "--job", "shop", "--latest", "--target", &address];
    let restored = world.run(&restore).succeeded();
    assert!(restored.stderr.contains("damaged"), "{}", restored.stderr);
    assert_eq!(fs::read(&target).unwrap(), bytes);
}

#[test]
fn an_unencrypted_file_among_encrypted_backups_needs_a_confirmation_and_is_never_called_checked() {
    let world = World::new();
    let (key, recipient) = world.key("key.txt");
    let (_, source) = world.sqlite("shop.db", 100);
    let disk = world.path("disk");
    fs::create_dir(&disk).unwrap();
    let address = format!("file://{}", disk.display());
    world.run(&["backup", "--source", &source, "--to", &address, "--recipient", &recipient]).succeeded();
    let planted = "shop/backup_2030-01-01T00-00-00.db";
    fs::copy(world.path("shop.db"), disk.join(planted)).unwrap();
    let target = world.path("target.db");
    let restore = |more: &[&str]| {
        let to = format!("sqlite://{}", target.display());
        world.run(&[&["restore", &*address, planted, "--target", &*to, "--identity", &*key], more].concat())
    };
    restore(&[]).failed_saying(&["not encrypted", "--allow-unencrypted"]);
    assert!(!target.exists());
    let review = restore(&["--dry-run"]).ended_with(1);
    assert!(review.stdout.contains("[unencrypted]") && review.stdout.contains("[no-sidecar]"), "{}", review.stdout);
    assert!(review.stdout.contains("nothing to compare it with"), "{}", review.stdout);
    restore(&["--dry-run", "--allow-unencrypted"]).succeeded();
    let restored = restore(&["--allow-unencrypted"]).succeeded();
    assert!(restored.stderr.contains("Not checked: it has no sidecar"), "{}", restored.stderr);
    assert!(target.exists());
}
