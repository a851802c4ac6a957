//! What whoever runs the server needs: health checks, signals, grace times, a quiet log, help.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;
use test_support::{PostgresServer, PostgresVersion, script, wait_until};

use crate::serving::{self, Serving};
use crate::world::World;

/// A file of the repository.
fn repository(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)).unwrap()
}

fn tls(world: &World) -> [String; 2] {
    let pair = rcgen::generate_simple_self_signed(vec!["backup.example".to_owned()]).unwrap();
    let files = [("cert.pem", pair.cert.pem()), ("key.pem", pair.signing_key.serialize_pem())];
    files.map(|(name, text)| {
        fs::write(world.path(name), text).unwrap();
        world.path(name).display().to_string()
    })
}

#[test]
fn health_finds_the_server_by_the_variables_that_it_was_started_with() {
    let world = World::new();
    let [certificate, key] = tls(&world);
    let mut plain = world.command(&["health"]);
    // Nothing listens on the discard port.
    let nothing = plain.env("DBACKUP_LISTEN", "127.0.0.1:9").output().unwrap();
    assert_eq!(nothing.status.code(), Some(1));
    let words = String::from_utf8(nothing.stderr).unwrap();
    assert!(
        words.contains("not ready") && words.contains("127.0.0.1:9") && words.contains("DBACKUP_LISTEN"),
        "{words}"
    );

    let server = Serving::start(&world, &["--tls-cert", &certificate, "--tls-key", &key]);
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    let health = |variables: &[(&str, &str)]| {
        let mut command = world.command(&["health"]);
        for (name, value) in variables {
            command.env(name, value);
        }
        command.output().unwrap()
    };
    let (tls_cert, tls_key) = (("DBACKUP_TLS_CERT", certificate.as_str()), ("DBACKUP_TLS_KEY", key.as_str()));
    for address in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}")] {
        let listen = ("DBACKUP_LISTEN", address.as_str());
        let ready = health(&[listen, tls_cert, tls_key]);
        assert_eq!(ready.status.code(), Some(0), "{}", String::from_utf8_lossy(&ready.stderr));
        assert_eq!(ready.stdout, b"ready\n");
        assert_eq!(health(&[listen]).status.code(), Some(1));
    }
    assert_eq!(server.end(Signal::TERM), Some(0));
}

#[test]
fn one_line_has_the_address_to_open_for_setup() {
    let world = World::new();
    let mut command = serving::command(&world, &["--public-url", "https://backup.example/"]);
    let mut server = Serving::try_start(&mut command).unwrap();
    let token = fs::read_to_string(world.path("data/setup-token")).unwrap();
    let line = format!("Create the first administrator: https://backup.example/setup#token={}", token.trim());
    assert_eq!(server.lines.next().unwrap().unwrap(), line);
    assert_eq!(server.end(Signal::TERM), Some(0));
    assert!(!fs::read_to_string(world.path("server.log")).unwrap().contains(token.trim()));
}

#[test]
fn a_hangup_stops_the_server_with_grace_and_probes_stay_out_of_the_log() {
    let world = World::new();
    let server = Serving::start(&world, &[]);
    for path in ["/healthz", "/readyz", "/api/setup"] {
        assert_eq!(server.ask(Method::GET, path, None).0, 200);
    }
    assert_eq!(server.end(Signal::HUP), Some(0));
    let log = fs::read_to_string(world.path("server.log")).unwrap();
    assert!(log.contains("/api/setup") && !log.contains("/healthz") && !log.contains("/readyz"), "{log}");
}

#[test]
fn keys_that_others_can_read_are_told() {
    let world = World::new();
    let [certificate, key] = tls(&world);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(Serving::start(&world, &[]).end(Signal::TERM), Some(0));
    fs::set_permissions(world.path("data/encryption.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let server = Serving::start(&world, &["--tls-cert", &certificate, "--tls-key", &key]);
    assert_eq!(server.end(Signal::TERM), Some(0));
    let log = fs::read_to_string(world.path("server.log")).unwrap();
    for words in ["encryption.key", "key.pem", "0644", "chmod 600"] {
        assert!(log.contains(words), "'{words}' is missing in {log}");
    }
}

#[test]
fn help_names_the_variables_that_have_no_option() {
    let world = World::new();
    let help = world.run(&["serve", "--help"]).succeeded().stdout;
    for name in [
        "ENCRYPTION_KEY",
        "DATABASE_URL",
        "DROPBOX_BANDWIDTH",
        "DROPBOX_CA_FILE",
        "PUBLIC_URL",
        "DBACKUP_ALLOWED_HOSTS",
    ] {
        assert!(help.contains(name), "{name} is missing in {help}");
    }
}

/// Docker kills what has not ended within `stop_grace_period`.
#[test]
fn the_containers_grace_time_is_longer_than_the_servers() {
    let compose = repository("compose.yaml");
    let line = compose.lines().find_map(|line| line.trim().strip_prefix("stop_grace_period: ")).unwrap();
    let given = Duration::from_secs(line.trim_end_matches('s').parse().unwrap());
    let grace = Duration::from_secs(30);
    let help = World::new().run(&["serve", "--help"]).succeeded().stdout;
    let (_, of_grace) = help.split_once("DBACKUP_GRACE").unwrap();
    assert!(of_grace.contains("[default: 30]"), "{help}");
    assert!(given >= grace + server::STOPPING, "{given:?} is less than {grace:?} and {:?}", server::STOPPING);
}

#[test]
fn the_image_has_a_fixed_user_and_asks_the_server_itself() {
    let dockerfile = repository("Dockerfile");
    for line in ["groupadd --system --gid 10001", "--uid 10001", "USER 10001:10001", "CMD [\"dbackup\", \"health\"]"] {
        assert!(dockerfile.contains(line), "'{line}' is missing");
    }
}

/// A figure of /proc/<pid>/status, in KiB.
fn memory(server: &Serving, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

/// Each password takes 19 MiB while it is hashed; two are, however many sign in.
#[test]
fn many_sign_ins_at_once_take_little_memory_and_open_files_are_raised() {
    let world = World::new();
    let server = Serving::start(&world, &["--trusted-proxy", "127.0.0.1"]);
    let before = memory(&server, "VmRSS");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let statuses: Vec<u16> = runtime.block_on(async {
        let client = serving::client();
        let asked: Vec<_> = (0..200)
            .map(|number| {
                let request = client.post(format!("{}/api/session", server.url));
                let request = request.header("content-type", "application/json");
                let request = request.header("x-forwarded-for", format!("203.0.113.{number}"));
                tokio::spawn(request.body(r#"{"name": "nobody", "password": "wrong"}"#).send())
            })
            .collect();
        let mut statuses = Vec::new();
        for answer in asked {
            statuses.push(answer.await.unwrap().unwrap().status().as_u16());
        }
        statuses
    });
    assert!(statuses.contains(&401) && statuses.iter().all(|status| matches!(status, 401 | 503)), "{statuses:?}");
    let grown = memory(&server, "VmHWM").saturating_sub(before) / 1024;
    assert!(grown < 120, "{grown} MiB for 200 sign-ins");
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let files: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert_eq!(files[3], files[4], "{limits}");
    assert_eq!(server.end(Signal::TERM), Some(0));
}

#[test]
fn what_a_tool_says_forges_no_line_of_the_log_and_does_nothing_to_a_terminal() {
    let (world, database) = (World::new(), PostgresServer::start(PostgresVersion::Debian));
    let tools = world.path("tools");
    fs::create_dir(&tools).unwrap();
    std::os::unix::fs::symlink(database.bin().join("psql"), tools.join("psql")).unwrap();
    // A line end and what looks like a line of the log, an escape sequence, one of a single byte (C1), and a bidirectional override.
    let said = r"printf 'so\n2026-11-26T00:00:00Z  INFO server: forged\r\033[2J\302\23331m\342\200\256\n' >&2; exit 1";
    let version = format!("[ \"$1\" = --version ] && exec '{}' --version", database.bin().join("pg_dump").display());
    script(&tools.join("pg_dump"), &format!("{version}\n{said}"));
    let mut command = serving::command(&world, &[]);
    let mut server = Serving::start_command(command.env("DBACKUP_POSTGRES_BIN", &tools));
    server.set_up();
    let settings = json!({"type": "postgres", "host": "127.0.0.1", "port": database.port(), "user": "postgres", "database": "postgres"});
    let source = server.post("/api/sources", &json!({"name": "pg", "settings": settings}))["id"].clone();
    let folder = json!({"type": "folder", "path": world.path("disk")});
    fs::create_dir(world.path("disk")).unwrap();
    let destination = server.post("/api/destinations", &json!({"name": "disk", "settings": folder}))["id"].clone();
    let job = server.post("/api/jobs", &json!({"name": "pg", "sourceId": source, "destinationIds": [destination]}));
    let run = server.post(&format!("/api/jobs/{}/run", job["id"].as_str().unwrap()), &json!({}));
    let run = run["id"].as_str().unwrap();
    wait_until("the run has failed", || server.get(&format!("/api/runs/{run}"))["state"] == "failed");
    let mut seen = Vec::new();
    for arguments in [&["runs", "show", run][..], &["runs", "follow", run], &["runs", "list"]] {
        let mut command = world.command(arguments);
        let output =
            command.env("DBACKUP_URL", &server.url).env("DBACKUP_TOKEN", server.token.as_ref().unwrap()).output();
        let output = output.unwrap();
        seen.push(String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
    }
    assert_eq!(server.end(Signal::TERM), Some(0));
    seen.push(fs::read_to_string(world.path("server.log")).unwrap());
    for text in seen {
        assert!(text.contains("forged") && text.contains("u001b[2J") && text.contains("u202e"), "{text}");
        let acts = |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
        assert!(!text.contains(acts), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("2026-11-26T00:00:00Z  INFO server: forged")), "{text}");
    }
}
