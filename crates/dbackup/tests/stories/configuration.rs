//! Configuration as code: files that say what a server has.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use crate::serving::{Serving, command};
use crate::world::{Ran, World};

const PASSWORD: &str = "hunter2-hunter2";

/// Sources with a secret and without, a folder, a profile, a retention policy and a job.
fn text(world: &World) -> String {
    let folder = world.folder.path().display();
    format!(
        "[[sources]]\nname = \"shop\"\nsettings = {{ type = \"postgres\", host = \"127.0.0.1\", port = 1, user = \"u\" }}\n\
         password = \"env:SHOP_PASSWORD\"\n\n\
         [[sources]]\nname = \"files\"\nsettings = {{ type = \"sqlite\", path = \"{folder}/shop.db\" }}\n\n\
         [[destinations]]\nname = \"Disk\"\nsettings = {{ type = \"folder\", path = \"{folder}/disk\" }}\n\n\
         [[profiles]]\nname = \"company\"\n\n\
         [[retentionPolicies]]\nname = \"Standard\"\nrules = {{ keepLast = 5, keepMonthly = 12 }}\n\n\
         [[jobs]]\nname = \"nightly\"\nsource = \"shop\"\ndestinations = [\"Disk\"]\nprofile = \"company\"\n\
         retention = {{ Disk = \"Standard\" }}\n\
         schedule = {{ cron = \"30 2 * * *\", timeZone = \"Europe/Berlin\" }}\n"
    )
}

fn start(world: &World) -> Serving {
    world.sqlite("shop.db", 10);
    fs::create_dir(world.path("disk")).unwrap();
    let mut server = Serving::start(world, &[]);
    server.set_up();
    server
}

#[test]
fn every_mistake_is_named_with_its_file_and_line_and_nothing_is_changed() {
    let world = World::new();
    let server = start(&world);
    let good = world.path("a.toml").display().to_string();
    let bad = world.path("b.toml").display().to_string();
    fs::write(&good, text(&world)).unwrap();
    let mistakes = r#"[[sources]]
name = "typo"
settings = { type = "sqlite", pth = "/x.db" }

[[sources]]
name = "SHOP"
settings = { type = "postgres", host = "h", user = "u" }
password = "in the open, in the open"

[[destinations]]
name = "Offsite"
settings = { type = "dropbox", folder = "/b" }
appKey = "env:NOT_SET"
appSecret = "file:/nowhere/secret"

[[jobs]]
name = "j1"
source = "shop"
destinations = "disk"
retention = 5
schedule = { cron = "99 2 * * *" }
"#;
    fs::write(&bad, mistakes).unwrap();
    for arguments in [&["apply", "-f", &good, "-f", &bad, "--dry-run"][..], &["apply", "-f", &good, "-f", &bad]] {
        let mut command = server.remote(&world, arguments);
        let ran = Ran::of(command.env("SHOP_PASSWORD", PASSWORD)).failed_saying(&[
            &format!("{bad}:3: sources[0] \"typo\".settings.pth: unknown field"),
            &format!("{bad}:6: sources[1] \"SHOP\".name: is the same as that of {good}:1: sources[0] \"shop\""),
            &format!("{bad}:8: sources[1] \"SHOP\".password: must be a reference"),
            &format!("{bad}:13: destinations[0] \"Offsite\".appKey: refers to NOT_SET, which is not set"),
            &format!("{bad}:14: destinations[0] \"Offsite\".appSecret: could not read /nowhere/secret"),
            &format!("{bad}:19: jobs[0] \"j1\".destinations: must be a list of texts"),
            &format!("{bad}:20: jobs[0] \"j1\".retention: must be a table"),
            &format!("{bad}:21: jobs[0] \"j1\".schedule.cron: "),
        ]);
        let lines: Vec<u32> =
            ran.stderr.lines().filter_map(|line| line.strip_prefix(&bad)?.split(':').nth(1)?.parse().ok()).collect();
        assert!(lines.len() >= 8 && lines.is_sorted(), "{}", ran.stderr);
        assert!(!ran.stderr.contains("in the open") && !ran.stderr.contains(PASSWORD), "{}", ran.stderr);
        assert_eq!(server.get("/api/sources")["items"], json!([]));
        assert_eq!(server.get("/api/jobs")["items"], json!([]));
    }
    fs::write(&bad, "[[jobs]]\nname = \"a\n").unwrap();
    Ran::of(&mut server.remote(&world, &["apply", "-f", &bad, "--dry-run"])).failed_saying(&[&format!("{bad}:2: ")]);
    assert_eq!(server.end(Signal::TERM), Some(0));
}

#[test]
fn the_same_files_twice_change_nothing_and_a_change_by_hand_is_shown() {
    let world = World::new();
    let server = start(&world);
    let folder = world.path("conf");
    fs::create_dir(&folder).unwrap();
    let all = text(&world);
    let (items, jobs) = all.split_at(all.find("[[jobs]]").unwrap());
    fs::write(folder.join("10-jobs.toml"), jobs).unwrap();
    fs::write(folder.join("20-items.toml"), items).unwrap();
    fs::write(folder.join("ignored.txt"), "[[nonsense").unwrap();
    let folder = folder.display().to_string();
    let apply = |more: &[&str], password: &str| {
        let arguments = [&["apply", "-f", &folder], more].concat();
        Ran::of(server.remote(&world, &arguments).env("SHOP_PASSWORD", password))
    };
    let dry = apply(&["--dry-run"], PASSWORD).ended_with(2);
    assert_eq!(dry.stdout.matches("create ").count(), 6, "{}", dry.stdout);
    assert!(!dry.stdout.contains(PASSWORD) && dry.stdout.contains("password: set"), "{}", dry.stdout);
    apply(&[], PASSWORD).succeeded();
    let again = apply(&["--dry-run"], PASSWORD).succeeded();
    let kept = "keep source shop\nkeep source files\nkeep destination Disk\nkeep encryption profile company\n\
                keep retention policy Standard\nkeep job nightly\n";
    assert_eq!(again.stdout, kept);
    assert_eq!(apply(&[], PASSWORD).succeeded().stdout, kept);

    // Switched off by hand, and another password.
    let job = server.get("/api/jobs")["items"][0].clone();
    let mut body = json!({"enabled": false, "compression": "zstd:9"});
    for field in ["name", "sourceId", "destinationIds", "profileId", "retention", "schedule"] {
        body[field] = job[field].clone();
    }
    let path = format!("/api/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(server.ask(Method::PUT, &path, Some(&body)).0, 200);
    let dry = apply(&["--dry-run"], "hunter3-hunter3").ended_with(2);
    for line in [
        "update source shop\n    password: changed\n",
        "update job nightly\n    compression: \"zstd:9\" -> \"zstd:3\"\n    enabled: false -> true\n",
    ] {
        assert!(dry.stdout.contains(line), "{}", dry.stdout);
    }
    apply(&[], "hunter3-hunter3").succeeded();
    assert_eq!(server.get(&path)["enabled"], true);
    apply(&["--dry-run"], "hunter3-hunter3").succeeded();

    // Four at once: each waits its turn, and none fails.
    fs::write(world.path("conf/10-jobs.toml"), jobs.replace("30 2", "31 2")).unwrap();
    let mut running = Vec::new();
    for _ in 0..4 {
        let mut command = server.remote(&world, &["apply", "-f", &folder]);
        running.push(command.env("SHOP_PASSWORD", "hunter3-hunter3").spawn().unwrap());
    }
    assert!(running.into_iter().all(|mut process| process.wait().unwrap().success()));
    apply(&["--dry-run"], "hunter3-hunter3").succeeded();

    // What is in no file any more goes only on request, and the backups stay.
    fs::remove_file(world.path("conf/10-jobs.toml")).unwrap();
    fs::write(world.path("disk/kept"), "a backup").unwrap();
    let dry = apply(&["--dry-run"], "hunter3-hunter3").succeeded();
    assert!(!dry.stdout.contains("delete"), "{}", dry.stdout);
    let dry = apply(&["--dry-run", "--prune"], "hunter3-hunter3").ended_with(2);
    assert!(dry.stdout.contains("delete job nightly\n"), "{}", dry.stdout);
    apply(&["--prune"], "hunter3-hunter3").succeeded();
    assert_eq!(server.get("/api/jobs")["items"], json!([]));
    assert!(world.path("disk/kept").exists());
    assert_eq!(server.end(Signal::TERM), Some(0));
}

// S-11
#[test]
fn what_is_exported_and_applied_is_exported_again() {
    let world = World::new();
    let server = start(&world);
    let file = world.path("dbackup.toml").display().to_string();
    fs::write(&file, text(&world)).unwrap();
    Ran::of(server.remote(&world, &["apply", "-f", &file]).env("SHOP_PASSWORD", PASSWORD)).succeeded();
    let export = |server: &Serving| Ran::of(&mut server.remote(&world, &["export"])).succeeded().stdout;
    let first = export(&server);
    assert!(first.starts_with("[[sources]]\nname = \"files\"\nsettings = { type = \"sqlite\""), "{first}");
    assert!(first.contains("# The private key is not in this file."), "{first}");
    assert!(first.contains("rules = { keepLast = 5, keepMonthly = 12 }\ngraceDays = 7"), "{first}");
    assert!(first.contains("retention = { Disk = \"Standard\" }"), "{first}");
    assert!(first.contains("password = \"env:DBACKUP_SOURCE_SHOP_PASSWORD\""), "{first}");
    fs::write(&file, &first).unwrap();
    let apply = |server: &Serving| {
        let mut command = server.remote(&world, &["apply", "-f", &file]);
        Ran::of(command.env("DBACKUP_SOURCE_SHOP_PASSWORD", PASSWORD)).succeeded()
    };
    let kept = apply(&server);
    assert!(!kept.stdout.contains("update") && !kept.stdout.contains("create"), "{}", kept.stdout);
    assert_eq!(export(&server), first);

    // Another server gets all of it but the private key, and says so.
    let mut other = Serving::start_command(&mut crate::serving::command_in(&world, "other", "other.log", &[]));
    other.set_up();
    let applied = apply(&other);
    assert!(applied.stderr.contains("warning: the private key of encryption profile 'company'"), "{}", applied.stderr);
    let there = export(&other).replace(
        "# The server does not have the private key.\n",
        "# The private key is not in this file. To let another server open the backups, write in place of the recipients:\n\
         # identity = \"file:/path/to/key.txt\"\n",
    );
    assert_eq!(there, first);
    assert_eq!(other.end(Signal::TERM), Some(0));
    assert_eq!(server.end(Signal::TERM), Some(0));
}

// S-11
#[test]
fn a_server_applies_a_configuration_at_its_start_or_does_not_start() {
    let world = World::new();
    world.sqlite("shop.db", 10);
    fs::create_dir(world.path("disk")).unwrap();
    let file = world.path("dbackup.toml");
    let config = file.display().to_string();
    let good = text(&world);
    let try_start = |text: &str| {
        fs::write(&file, text).unwrap();
        fs::write(world.path("server.log"), "").unwrap();
        let mut command = command(&world, &["--config", &config]);
        let server = Serving::try_start(command.env("SHOP_PASSWORD", PASSWORD));
        (server, fs::read_to_string(world.path("server.log")).unwrap())
    };
    // Neither what the file itself shows nor what only the server knows leaves anything behind.
    let (server, log) = try_start(&format!("{good}[[jobs]\n"));
    assert!(server.is_none() && log.contains(&format!("{config}:28: ")), "{log}");
    let (server, log) = try_start(&good.replace("env:SHOP_PASSWORD", "in the open"));
    assert!(server.is_none() && log.contains(&format!("{config}:4: sources[0] \"shop\".password: ")), "{log}");
    let (server, log) = try_start(&good.replace("30 2 * * *", "99 2 * * *").replace("port = 1", "prt = 1"));
    assert!(server.is_none(), "{log}");
    let place =
        |line: u32, field: &str| log.find(&format!("{config}:{line}: {field}")).unwrap_or_else(|| panic!("{log}"));
    assert!(place(3, "sources[0] \"shop\".settings.prt") < place(27, "jobs[0] \"nightly\".schedule.cron"), "{log}");

    let (server, _) = try_start(&good);
    let server = server.unwrap();
    assert_eq!(server.ask(Method::GET, "/api/setup", None).1["needed"], true);
    assert_eq!(server.end(Signal::TERM), Some(0));
    // Once more, with a change.
    let (server, _) = try_start(&good.replace("30 2 * * *", "45 2 * * *"));
    assert_eq!(server.unwrap().end(Signal::TERM), Some(0));
    let mut server = Serving::start(&world, &[]);
    server.set_up();
    let jobs = server.get("/api/jobs");
    assert_eq!((&jobs["items"][0]["schedule"]["cron"], &jobs["items"][1]), (&json!("45 2 * * *"), &json!(null)));
    let changes = server.get("/api/audit?object=nightly");
    let words = |entry: &serde_json::Value| {
        format!("{} {}", entry["actor"].as_str().unwrap(), entry["event"].as_str().unwrap())
    };
    let words: Vec<String> = changes["items"].as_array().unwrap().iter().map(words).collect();
    assert_eq!(words, ["configuration file job.update", "configuration file job.create"]);
}

#[test]
fn secret_files_that_others_can_change_are_refused_and_readable_ones_are_told_once() {
    let world = World::new();
    let key = world.path("key");
    let set = |mode: u32| {
        fs::write(&key, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        fs::write(world.path("server.log"), "").unwrap();
        let server = Serving::try_start(command(&world, &[]).env("ENCRYPTION_KEY_FILE", &key));
        (server.map(|server| server.end(Signal::TERM)), fs::read_to_string(world.path("server.log")).unwrap())
    };
    let cure = format!("Run: chmod 600 {}", key.display());
    let (ended, log) = set(0o666);
    assert!(ended.is_none() && log.contains(&cure), "{log}");
    let (ended, log) = set(0o644);
    assert_eq!((ended, log.matches(&*key.display().to_string()).count()), (Some(Some(0)), 1), "{log}");
    assert!(log.contains("chmod 600"), "{log}");
    let (ended, log) = set(0o640);
    assert!(ended.is_some() && !log.contains(&*key.display().to_string()), "{log}");
}
