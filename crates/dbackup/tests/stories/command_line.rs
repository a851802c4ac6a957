//! What makes the command line comfortable: a stored token, editing, watching, colours, a look at the machine.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value, json};
use test_support::script;

use crate::serving::Serving;
use crate::world::{Ran, World};

fn start(world: &World) -> Serving {
    world.sqlite("shop.db", 10);
    fs::create_dir(world.path("disk")).unwrap();
    let mut server = Serving::start(world, &[]);
    server.set_up();
    let settings = json!({"type": "sqlite", "path": world.path("shop.db")});
    let source = server.post("/api/sources", &json!({"name": "shop", "settings": settings}));
    let settings = json!({"type": "folder", "path": world.path("disk")});
    let disk = server.post("/api/destinations", &json!({"name": "Disk", "settings": settings}));
    let job =
        json!({"name": "nightly", "sourceId": source["id"], "destinationIds": [disk["id"]], "timeoutSeconds": 3600});
    server.post("/api/jobs", &job);
    server
}

#[test]
fn a_token_is_stored_for_its_server_only_and_readable_by_its_owner_only() {
    let world = World::new();
    let server = start(&world);
    let token = server.token.clone().unwrap();
    let run = |arguments: &[&str], url: &str, input: &str| {
        let mut command = world.command(arguments);
        command.env("DBACKUP_URL", url).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        // A command that refuses before it reads closes the pipe.
        let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
        Ran::from(process.wait_with_output().unwrap())
    };
    let file = world.path("home/.config/dbackup/credentials.json");
    run(&["jobs", "list"], &server.url, "").ended_with(2);
    run(&["login"], &server.url, "hunter2\n").ended_with(2);
    run(&["login"], &server.url, "dbk_wrong\n").failed_saying(&["Session or token expired"]);
    assert!(!file.exists());
    let ran = run(&["login"], &server.url, &format!("{token}\n")).succeeded();
    assert!(ran.stdout.contains("as Anna") && !format!("{}{}", ran.stdout, ran.stderr).contains(&token));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(run(&["jobs", "list"], &server.url, "").succeeded().stdout.contains("nightly"));
    // Another server, or another port, gets nothing.
    run(&["jobs", "list"], "http://127.0.0.1:1", "").ended_with(2);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    run(&["jobs", "list"], &server.url, "").ended_with(2);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    run(&["logout"], &server.url, "").succeeded();
    run(&["jobs", "list"], &server.url, "").ended_with(2);
}

#[test]
fn a_job_is_edited_as_text_and_nobody_elses_change_is_lost() {
    let world = World::new();
    let server = start(&world);
    let edit = |lines: &str| {
        let editor = world.path("tmp/editor");
        script(&editor, lines);
        let mut command = server.remote(&world, &["jobs", "edit", "nightly"]);
        Ran::of(command.env("EDITOR", format!("{} --flag", editor.display())))
    };
    let job = || server.get("/api/jobs")["items"][0].clone();
    // The editor gets its own arguments first.
    let ran = edit("sed -i -e 's/3600/7200/' -e '/^compression/d' \"$2\"").succeeded();
    assert!(ran.stderr.contains("Changed nightly"), "{}", ran.stderr);
    assert_eq!((&job()["timeoutSeconds"], &job()["revision"]), (&json!(7200), &json!(2)));
    let ran = edit("grep -q 7200 \"$2\"").succeeded();
    assert!(ran.stderr.contains("Nothing was changed"), "{}", ran.stderr);
    edit("exit 3").failed_saying(&["the editor", "nothing was changed"]);
    // Somebody else is faster, and the text is not lost.
    let pause = format!("{} jobs pause nightly", env!("CARGO_BIN_EXE_dbackup"));
    let ran = edit(&format!("{pause}\nsed -i 's/7200/10/' \"$2\"")).failed_saying(&["changed since", "kept in "]);
    let kept = ran.stderr.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(fs::read_to_string(kept).unwrap().contains("timeoutSeconds = 10"));
    assert_eq!((&job()["timeoutSeconds"], &job()["enabled"]), (&json!(7200), &json!(false)));
    edit("echo 'nonsense = = 1' > \"$2\"").ended_with(1);
}

#[test]
fn lists_are_watched_and_exported_and_the_audit_log_is_searched() {
    let world = World::new();
    let server = start(&world);
    let mut watching = server.remote(&world, &["jobs", "list", "--watch=1"]);
    let mut process = watching.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || lines.find(|line| line.starts_with("nightly")).unwrap();
    assert!(next().contains("never ran"));
    Ran::of(&mut server.remote(&world, &["jobs", "run", "nightly", "--follow"])).succeeded();
    while !next().contains("succeeded") {}
    process.kill().unwrap();
    process.wait().unwrap();
    let csv = Ran::of(&mut server.remote(&world, &["runs", "list", "--csv"])).succeeded().stdout;
    assert!(csv.starts_with("createdAt,") && csv.lines().count() == 2 && !csv.contains('\u{1b}'), "{csv}");
    let csv = Ran::of(&mut server.remote(&world, &["backups", "list", "--csv", "--job", "nightly"])).succeeded().stdout;
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let audit =
        |more: &[&str]| Ran::of(&mut server.remote(&world, &[&["audit", "list"], more].concat())).succeeded().stdout;
    let found = audit(&["--event", "job", "--user", "Anna", "--outcome", "done"]);
    assert!(found.contains("job.run") && found.contains("job nightly") && found.lines().count() == 3, "{found}");
    assert_eq!(audit(&["--object", "nothing"]), "");
    assert_eq!(audit(&["--csv", "--event", "job.run"]).lines().count(), 2);
    let entry: Value = serde_json::from_str(&audit(&["--json", "--event", "job.run"])).unwrap();
    assert_eq!(entry["token"], "stories");
    Ran::of(&mut server.remote(&world, &["audit", "list", "--outcome", "maybe"])).ended_with(2);
}

#[test]
fn the_doctor_tells_what_is_wrong_and_fails_then() {
    let world = World::new();
    let data = world.path("data").display().to_string();
    let nothing = world
        .command(&["doctor", "--data", &data, "--json"])
        .env("DBACKUP_URL", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(nothing.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&nothing.stdout).unwrap();
    let result = |report: &Value, name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{report}"))["result"].clone()
    };
    assert_eq!((result(&report, "server"), result(&report, "data folder")), (json!("failed"), json!("warning")));
    let server = start(&world);
    let ran = Ran::of(&mut server.remote(&world, &["doctor", "--data", &data])).succeeded();
    for line in
        ["data folder ", "encryption key ", "disk space ", "PostgreSQL: pg_dump ", "server ", "API token ", "clock "]
    {
        assert!(ran.stdout.lines().any(|text| text.starts_with(line)), "{line}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    fs::remove_file(world.path("data/encryption.key")).unwrap();
    Ran::of(&mut server.remote(&world, &["doctor", "--data", &data])).ended_with(1);
}

#[test]
fn the_web_ui_is_opened_and_its_address_is_printed() {
    let world = World::new();
    script(&world.path("tmp/xdg-open"), &format!("echo \"$1\" > {}", world.path("opened").display()));
    let mut command = world.command(&["open"]);
    let path = format!("{}:{}", world.path("tmp").display(), std::env::var("PATH").unwrap());
    let ran = Ran::of(command.env("PATH", path).env("DBACKUP_URL", "http://backup.example:3000")).succeeded();
    assert_eq!(ran.stdout, "http://backup.example:3000/\n");
}

#[test]
fn a_destination_is_authorized_with_the_code_of_the_browser() {
    let world = World::new();
    let server = start(&world);
    let standard = dropbox_emulator::Config::default();
    let input = json!({"name": "Offsite", "settings": {"type": "dropbox", "folder": "/b"}, "appKey": standard.app_key});
    server.post("/api/destinations", &input);
    let mut command = server.remote(&world, &["destinations", "authorize", "offsite"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let code = crate::browser::allow_in_browser(&world, &lines.next().unwrap());
    process.stdin.take().unwrap().write_all(format!("{code}\n").as_bytes()).unwrap();
    let last = lines.next().unwrap_or_default();
    let ended = Ran::from(process.wait_with_output().unwrap());
    assert!(last.starts_with("Offsite: authorized ("), "{last} {}", ended.stderr);
}
