//! The master key: found, changed, refused; and passwords that were forgotten.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use crate::serving::{Serving, command};
use crate::world::{Ran, World};

const OLD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const NEW: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

/// Makes a source with a password, and gives its id.
fn with_source(server: &mut Serving) -> String {
    server.set_up();
    let settings = json!({"type": "postgres", "host": "127.0.0.1", "port": 1, "user": "u"});
    let made = server.post("/api/sources", &json!({"name": "s", "settings": settings, "password": "hunter2-hunter2"}));
    made["id"].as_str().unwrap().to_owned()
}

/// Whether the server can open the source's password: it gets as far as the network.
fn opens(server: &Serving, source: &str) -> bool {
    let (status, problem) = server.ask(Method::GET, &format!("/api/sources/{source}/databases"), None);
    assert!(status == 424 || status == 500, "{status} {problem}");
    status == 424
}

#[test]
fn the_key_file_is_changed_and_everything_still_opens() {
    // M-07
    let world = World::new();
    let mut server = Serving::start(&world, &[]);
    let source = with_source(&mut server);
    let token = server.token.clone();
    let data = world.path("data").display().to_string();
    world.run(&["key", "rotate", "--data", &data]).failed_saying(&["another dbackup uses the data folder"]);
    assert!(opens(&server, &source));
    server.end(Signal::TERM);
    let before = fs::read_to_string(world.path("data/encryption.key")).unwrap();
    world.run(&["key", "rotate", "--data", &data]).succeeded();
    let after = fs::read_to_string(world.path("data/encryption.key")).unwrap();
    assert_ne!(before, after);
    let mut server = Serving::start(&world, &[]);
    server.token = token;
    assert!(opens(&server, &source));
    server.end(Signal::TERM);
    fs::write(world.path("data/encryption.key"), before).unwrap();
    let refused = Ran::of(&mut command(&world, &[]));
    assert_eq!(refused.code, Some(1));
    let log = fs::read_to_string(world.path("server.log")).unwrap();
    assert!(log.contains("is encrypted under key") && log.contains("was given"), "{log}");
}

#[test]
fn a_key_from_the_environment_is_changed_by_another_one() {
    // M-07
    let world = World::new();
    let start = |key: &str| Serving::start_command(command(&world, &[]).env("ENCRYPTION_KEY", key));
    let mut server = start(OLD);
    let source = with_source(&mut server);
    let token = server.token.clone();
    assert!(!world.path("data/encryption.key").exists());
    server.end(Signal::TERM);
    let data = world.path("data").display().to_string();
    let rotate = |new: Option<&str>| {
        let mut rotate = world.command(&["key", "rotate", "--data", &data]);
        rotate.env("ENCRYPTION_KEY", OLD);
        new.map(|new| rotate.env("NEW_ENCRYPTION_KEY", new));
        Ran::of(&mut rotate)
    };
    assert!(rotate(None).ended_with(2).stderr.contains("NEW_ENCRYPTION_KEY"));
    assert!(rotate(Some("short")).ended_with(2).stderr.contains("64 hexadecimal digits"));
    rotate(Some(NEW)).succeeded();
    let refused = Ran::of(command(&world, &[]).env("ENCRYPTION_KEY", OLD));
    assert_eq!(refused.code, Some(1));
    let mut server = start(NEW);
    server.token = token;
    assert!(opens(&server, &source));
}

#[test]
fn a_forgotten_password_is_set_on_the_machine_itself() {
    let world = World::new();
    let mut server = Serving::start(&world, &[]);
    server.set_up();
    let token = server.token.clone();
    server.end(Signal::TERM);
    let data = world.path("data").display().to_string();
    let reset = |name: &str, password: &str| {
        let mut command = world.command(&["admin", "reset-password", name, "--data", &data]);
        let mut reset = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        reset.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        Ran::from(reset.wait_with_output().unwrap())
    };
    reset("nobody", "a new password").failed_saying(&["there is no user 'nobody'"]);
    assert!(reset("anna", "short").ended_with(2).stderr.contains("characters"));
    reset("anna", "a new password").succeeded();
    let mut server = Serving::start(&world, &[]);
    // Whoever stole the password may have made the tokens.
    server.token = token;
    assert_eq!(server.ask(Method::GET, "/api/jobs", None).0, 401);
    let sign_in = |password: &str| server.cookie("/api/session", &json!({"name": "Anna", "password": password})).0;
    assert_eq!((sign_in(crate::serving::PASSWORD), sign_in("a new password")), (401, 201));
}
