//! A server that nobody sets up in a browser.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::json;

use crate::serving::{PASSWORD, Serving, command};
use crate::world::{Ran, World};

const TOKEN: &str = "dbk_00112233445566778899aabbccddeeff00112233";
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn the_first_administrator_and_a_token_come_from_files_once() {
    let world = World::new();
    let file = |name: &str, text: &str| {
        fs::write(world.path(name), format!("{text}\n")).unwrap();
        world.path(name)
    };
    let start = |password: &str, token: &str| {
        let mut command = command(&world, &[]);
        command.env("DBACKUP_ADMIN_NAME", "Anna").env("DBACKUP_ADMIN_PASSWORD_FILE", file("password", password));
        command.env("DBACKUP_BOOTSTRAP_TOKEN_FILE", file("token", token)).env("ENCRYPTION_KEY_FILE", file("key", KEY));
        command
    };
    // What could be guessed makes no administrator, and no server that anybody could take over.
    assert!(Serving::try_start(&mut start("short", TOKEN)).is_none());
    assert!(Serving::try_start(&mut start(PASSWORD, "dbk_weak")).is_none());
    let log = fs::read_to_string(world.path("server.log")).unwrap();
    assert!(log.contains("Use at least 10 characters") && log.contains("openssl rand -hex 32"), "{log}");
    assert!(!log.contains("dbk_weak"), "{log}");

    let mut server = Serving::try_start(&mut start(PASSWORD, TOKEN)).unwrap();
    server.token = Some(TOKEN.to_owned());
    assert_eq!(server.get("/api/setup")["needed"], false);
    assert_eq!(server.get("/api/users")["items"][0]["name"], "Anna");
    assert_eq!(server.cookie("/api/session", &json!({"name": "anna", "password": PASSWORD})).0, 201);
    assert!(!world.path("data/encryption.key").exists() && !world.path("data/setup-token").exists());
    let id = server.get("/api/tokens")["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.ask(reqwest::Method::DELETE, &format!("/api/tokens/{id}"), None).0, 204);
    assert_eq!(server.end(Signal::TERM), Some(0));

    // Later starts bring nothing back, and need the files no more.
    let mut again = start(PASSWORD, TOKEN);
    fs::remove_file(world.path("password")).unwrap();
    let server = Serving::try_start(&mut again).unwrap();
    let (status, _) = server.cookie("/api/session", &json!({"name": "anna", "password": PASSWORD}));
    assert_eq!(status, 201);
    let mut revoked = server;
    revoked.token = Some(TOKEN.to_owned());
    assert_eq!(revoked.ask(reqwest::Method::GET, "/api/users", None).0, 401);
    assert_eq!(revoked.end(Signal::TERM), Some(0));

    let mut both = start(PASSWORD, TOKEN);
    Ran::of(both.env("ENCRYPTION_KEY", KEY)).ended_with(2);
    let mut alone = command(&world, &[]);
    Ran::of(alone.env("DBACKUP_ADMIN_NAME", "Anna")).ended_with(2);
}

#[test]
fn users_and_tokens_are_created_by_scripts_on_the_servers_machine() {
    let world = World::new();
    let data = world.path("data").display().to_string();
    let admin = |arguments: &[&str], input: &str| {
        let mut command = world.command(&[&["admin"], arguments, &["--data", &data]].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        // A command that refuses before it reads closes the pipe.
        let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
        Ran::from(process.wait_with_output().unwrap())
    };
    admin(&["create-user", "Anna", "--role", "administrator"], &format!("{PASSWORD}\n")).succeeded();
    admin(&["create-user", "anna", "--role", "viewer"], &format!("{PASSWORD}\n")).failed_saying(&["name is taken"]);
    admin(&["create-user", "Vera", "--role", "viewer"], "short\n").ended_with(2);
    admin(&["create-user", "Vera", "--role", "king"], "").ended_with(2);
    admin(&["create-user", "Vera", "--role", "viewer"], &format!("{PASSWORD}\n")).succeeded();
    admin(&["create-token", "Vera", "--name", "x", "--scope", "configure"], "").ended_with(2);
    admin(&["create-token", "Nobody", "--name", "x", "--scope", "view"], "").failed_saying(&["no user 'Nobody'"]);
    let made = admin(&["create-token", "anna", "--name", "ci", "--scope", "view,administer", "--expires-in", "30"], "");
    let token = made.succeeded().stdout.trim().to_owned();
    assert!(token.starts_with("dbk_") && token.lines().count() == 1, "{token}");
    let mut server = Serving::start(&world, &[]);
    assert_eq!(server.setup_token, None);
    server.token = Some(token);
    assert_eq!(server.get("/api/users")["items"].as_array().unwrap().len(), 2);
    let tokens = server.get("/api/tokens");
    assert_eq!((&tokens["items"][0]["name"], tokens["items"][0]["expiresAt"].is_string()), (&json!("ci"), true));
    let audit = server.get("/api/audit").to_string();
    assert!(audit.contains("create-user") && audit.contains("create-token") && !audit.contains(PASSWORD), "{audit}");
    assert_eq!(server.end(Signal::TERM), Some(0));
}
