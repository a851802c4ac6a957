//! The command line and a server do the main job together.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use crate::serving::{Serving, command};
use crate::world::{Ran, World, rows};

const CONFIGURATION: &str = r#"
[[jobs]]
name = "shop nightly"
source = "shop"
destinations = ["Offsite", "disk"]
profile = "company"
schedule = { cron = "30 2 * * *", timeZone = "Europe/Berlin" }

[[sources]]
name = "shop"
settings = { type = "sqlite", path = "@/shop.db" }

[[destinations]]
name = "Offsite"
settings = { type = "dropbox", folder = "/backups" }
appKey = "env:APP_KEY"
appSecret = "file:@/app-secret"

[[destinations]]
name = "Disk"
settings = { type = "folder", path = "@/disk" }

[[profiles]]
name = "company"
"#;

// S-11
#[test]
fn a_configuration_is_applied_run_followed_and_exported() {
    let world = World::new();
    let (database, _) = world.sqlite("shop.db", 1000);
    let standard = dropbox_emulator::Config::default();
    fs::create_dir(world.path("disk")).unwrap();
    fs::write(world.path("app-secret"), format!("{}\n", standard.app_secret)).unwrap();
    let file = world.path("dbackup.toml").display().to_string();
    fs::write(&file, CONFIGURATION.replace('@', &world.folder.path().display().to_string())).unwrap();
    let mut server = Serving::start(&world, &[]);
    server.set_up();
    let remote = |arguments: &[&str]| Ran::of(server.remote(&world, arguments).env("APP_KEY", &standard.app_key));

    Ran::of(&mut server.remote(&world, &["apply", "-f", &file])).failed_saying(&["APP_KEY, which is not set"]);
    let dry = remote(&["apply", "-f", &file, "--dry-run"]).ended_with(2);
    assert_eq!(dry.stdout.matches("create ").count(), 5, "{}", dry.stdout);
    assert_eq!(server.get("/api/sources")["items"], json!([]));
    remote(&["apply", "-f", &file]).succeeded();
    let again = remote(&["apply", "-f", &file]).succeeded();
    assert_eq!(
        again.stdout,
        "keep source shop\nkeep destination Offsite\nkeep destination Disk\nkeep encryption profile company\nkeep job shop nightly\n"
    );

    let partial = remote(&["jobs", "run", "SHOP nightly", "--follow"]).ended_with(3);
    assert!(partial.stderr.contains("not authorized yet"), "{}", partial.stderr);
    let offsite = server.get("/api/destinations")["items"][1]["id"].as_str().unwrap().to_owned();
    server.authorize(&world, &offsite);
    let ran = remote(&["jobs", "run", "shop nightly", "--follow"]).succeeded();
    assert!(ran.stderr.contains("checked by") && ran.stderr.contains("Succeeded"), "{}", ran.stderr);
    assert_eq!(world.stored().len(), 2, "{:?}", world.stored());
    let listed = remote(&["runs", "list", "--job", "shop nightly"]).succeeded();
    assert_eq!(listed.stdout.lines().count(), 3, "a heading and two runs: {}", listed.stdout);
    let status = remote(&["status"]).succeeded().stdout;
    assert!(status.starts_with("Your database is backed up"), "{status}");
    remote(&["jobs", "pause", "shop nightly"]).succeeded();
    let jobs = remote(&["jobs", "list"]).succeeded().stdout;
    let lines: Vec<&str> = jobs.lines().collect();
    assert!(
        lines[0].starts_with("NAME ") && lines[1].starts_with("shop nightly ") && lines[1].contains("paused"),
        "{jobs}"
    );
    let resumed = remote(&["jobs", "resume", "shop nightly"]).succeeded();
    assert!(resumed.stderr.contains("Next run: "), "{}", resumed.stderr);
    // A shell asks for what can be typed, with the names that the server knows.
    let script = remote(&["completions", "bash"]).succeeded().stdout;
    assert!(script.contains("DBACKUP_COMPLETE"), "{script}");
    let mut completed = server.remote(&world, &["--", "dbackup", "jobs", "run", ""]);
    completed.env("DBACKUP_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "3").env("_CLAP_COMPLETE_COMP_TYPE", "9");
    completed.env("_CLAP_COMPLETE_SPACE", "true").env("_CLAP_IFS", "\n");
    let completed = Ran::of(&mut completed).succeeded().stdout;
    assert!(completed.contains("shop nightly"), "{completed}");
    let followed = remote(&["runs", "follow", ran.stdout.trim()]).succeeded();
    assert!(followed.stderr.contains("checked by"));

    // What the runs have stored is known at once; what is gone, once it was looked for.
    let known = remote(&["backups", "list", "--destination", "offsite", "--search", "NIGHTLY"]).succeeded();
    assert_eq!(known.stdout.lines().count(), 2, "a heading and a backup: {}", known.stdout);
    assert_eq!(remote(&["backups", "list", "--json"]).succeeded().objects().len(), 3);
    let scan = remote(&["destinations", "scan", "offsite"]).succeeded();
    assert_eq!(scan.stdout.trim(), "complete: 1 found, 0 new, 0 missing");
    assert!(remote(&["backups", "list", "--missing"]).succeeded().stdout.is_empty());
    remote(&["destinations", "scan", "nowhere"]).failed_saying(&["nowhere"]);

    // The recovery sheet's key opens it without the server.
    let profile = server.get("/api/profiles")["items"][0]["id"].as_str().unwrap().to_owned();
    let exported = server.post(&format!("/api/profiles/{profile}/export"), &json!({}));
    let key = world.path("key.txt").display().to_string();
    fs::write(&key, exported["identity"].as_str().unwrap()).unwrap();
    let target = format!("sqlite://{}", world.path("restored.db").display());
    let restore =
        ["restore", "dropbox:/backups", "--job", "shop nightly", "--latest", "--target", &target, "--identity", &key];
    world.run(&restore).succeeded();
    assert_eq!(rows(&world.path("restored.db")), rows(&database));

    // What has no command of its own is asked of the API.
    let source = server.get("/api/sources")["items"][0]["id"].clone();
    let backups = server.get(&format!("/api/destinations/{offsite}/backups"));
    let target = world.path("restored again.db");
    let request = json!({
        "destinationId": offsite, "path": backups["items"][0]["path"], "sourceId": source, "database": target,
    });
    let request_file = world.path("restore.json").display().to_string();
    fs::write(&request_file, request.to_string()).unwrap();
    let told = remote(&["api", "post", "/api/restores", "--file", &request_file, "--follow"]).succeeded();
    assert!(told.stderr.contains("Checked: "), "{}", told.stderr);
    assert_eq!(rows(&target), rows(&database));
    let steps = remote(&["api", "POST", &format!("/api/destinations/{offsite}/test")]).succeeded();
    assert!(steps.stdout.matches("\"result\": \"passed\"").count() > 2, "{}", steps.stdout);
    remote(&["api", "GET", "/api/system", "--follow"]).ended_with(2);
    remote(&["api", "GET", "/elsewhere"]).ended_with(2);
    remote(&["api", "GET", "/api/runs/none"]).failed_saying(&["the server refused"]);

    let text = remote(&["export"]).succeeded().stdout;
    for part in ["[[jobs]]", "env:DBACKUP_DESTINATION_OFFSITE_APPKEY", "destinations = [\"Offsite\", \"Disk\"]"] {
        assert!(text.contains(part), "'{part}' is missing in {text}");
    }
    assert!(!text.contains(&standard.app_secret) && !text.contains(&standard.app_key));
    fs::write(&file, text.replace("02", "03").replace("30 2", "30 3")).unwrap();
    let mut apply = server.remote(&world, &["apply", "-f", &file]);
    apply.env("DBACKUP_DESTINATION_OFFSITE_APPKEY", &standard.app_key);
    apply.env("DBACKUP_DESTINATION_OFFSITE_APPSECRET", &standard.app_secret);
    let changed = Ran::of(&mut apply).succeeded();
    assert!(changed.stdout.contains("update job shop nightly"), "{}", changed.stdout);
    let shown = remote(&["jobs", "show", "shop nightly"]).succeeded();
    assert!(shown.stdout.contains("30 3 * * *"));

    let source = world.path("other.toml").display().to_string();
    fs::write(&source, "name = 'other'\npassword = 'in the open'\nsettings = { type = 'sqlite', path = '/x.db' }")
        .unwrap();
    let refused = remote(&["sources", "create", "-f", &source]).ended_with(2);
    assert!(refused.stderr.contains("env:NAME"), "{}", refused.stderr);
    remote(&["sources", "delete", "shop", "--yes"]).failed_saying(&["still in use"]);
    remote(&["jobs", "delete", "shop nightly", "--yes"]).succeeded();
    remote(&["sources", "delete", "shop", "--yes"]).succeeded();
    remote(&["sources", "show", "shop"]).failed_saying(&["there is no source 'shop'"]);
    Ran::of(server.remote(&world, &["sources", "list"]).env("DBACKUP_TOKEN", "dbk_x"))
        .failed_saying(&["DBACKUP_TOKEN"]);
    assert_eq!(server.end(Signal::TERM), Some(0));
}

#[test]
fn a_source_is_created_from_options_that_the_server_names() {
    let world = World::new();
    let mut server = Serving::start(&world, &[]);
    server.set_up();
    let remote = |arguments: &[&str]| Ran::of(server.remote(&world, arguments).env("SHOP_PASSWORD", "hunter2-hunter2"));
    let help = remote(&["sources", "create", "postgres", "--help"]).succeeded().stdout;
    for part in ["--ssl-root-cert", "env:NAME", "verify-full", "--name"] {
        assert!(help.contains(part), "'{part}' is missing in {help}");
    }
    let create = ["sources", "create", "postgres", "--name", "Shop", "--host", "db", "--user", "u", "--port", "5433"];
    remote(&[&create[..], &["--password", "env:SHOP_PASSWORD"]].concat()).succeeded();
    let made = server.get("/api/sources")["items"][0].clone();
    assert_eq!(made["settings"], json!({"type": "postgres", "host": "db", "user": "u", "port": 5433}));
    assert_eq!((&made["name"], &made["passwordSet"]), (&json!("Shop"), &json!(true)));
    let disk = world.path("disk");
    fs::create_dir(&disk).unwrap();
    let disk = disk.display().to_string();
    remote(&["destinations", "create", "folder", "--name", "Disk", "--path", &disk, "--when-full", "stop"]).succeeded();
    assert_eq!(server.get("/api/destinations")["items"][0]["settings"]["whenFull"], "stop");
    for (arguments, words) in [
        (&["sources", "create", "postgres", "--name", "x", "--user", "u"][..], "--host"),
        (&["sources", "create", "oracle", "--name", "x"], "postgres, sqlite"),
        (&["sources", "create"], "postgres, sqlite"),
        (&["jobs", "create"], "--file"),
        (&[&create[..], &["--password", "in the open"]].concat(), "env:NAME"),
        (&[&create[..], &["--ssl-mode", "always"]].concat(), "verify-full"),
    ] {
        let refused = remote(arguments).ended_with(2);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    assert_eq!(server.end(Signal::TERM), Some(0));
}

#[test]
fn over_tls_the_cookie_is_the_hosts_own() {
    let world = World::new();
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (world.path("cert.pem"), world.path("key.pem"));
    fs::write(&certificate, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let server = Serving::start(&world, &["--tls-cert", &certificate, "--tls-key", &key]);
    assert!(server.url.starts_with("https://"));
    let input = json!({"token": server.setup_token, "name": "Anna", "password": crate::serving::PASSWORD});
    let (status, cookie) = server.cookie("/api/setup", &input);
    assert_eq!(status, 201);
    assert!(cookie.starts_with("__Host-dbackup=") && cookie.contains("; Secure"), "{cookie}");
    let wrong = Ran::of(&mut command(&world, &["--tls-cert", &certificate]));
    assert_eq!(wrong.code, Some(2));
}
