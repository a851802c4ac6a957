//! No secret is readable in the database, the log, an answer or a process list.

use std::collections::HashSet;
use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::serving::{PASSWORD, Serving};
use crate::world::World;

/// The command lines of all processes.
fn command_lines() -> String {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    processes.map(|line| String::from_utf8_lossy(&line).replace('\0', " ") + "\n").collect()
}

/// Every address of the API that can be read, with its parameters filled in.
fn readable(server: &Serving, ids: &[(&str, &str)]) -> Vec<String> {
    let api = server.get("/api/openapi.json");
    let paths = api["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get("get").is_some());
    let paths =
        paths.map(|(path, _)| path.clone()).filter(|path| !path.contains("{token}") && !path.contains("callback"));
    // It does not end, and tells what `/api/runs/{id}` tells.
    let paths = paths.filter(|path| path != "/api/events");
    paths
        .map(|path| match ids.iter().find(|(prefix, _)| path.starts_with(prefix)) {
            Some((_, id)) => path.replace("{id}", id),
            None => path,
        })
        .collect()
}

#[test]
fn secrets_stay_secret() {
    // M-07
    let world = World::new();
    let mut server = Serving::start(&world, &["--log", "trace"]);
    let setup_token = server.setup_token.clone().unwrap();
    server.set_up();
    let standard = dropbox_emulator::Config::default();
    let settings = json!({"type": "dropbox", "folder": "/backups"});
    let input =
        json!({"name": "Offsite", "settings": settings, "appKey": standard.app_key, "appSecret": standard.app_secret});
    let destination = server.post("/api/destinations", &input)["id"].as_str().unwrap().to_owned();
    server.authorize(&world, &destination);
    let postgres = json!({"type": "postgres", "host": "127.0.0.1", "port": 1, "user": "u"});
    let input = json!({"name": "pg", "settings": postgres, "password": "hunter2-hunter2"});
    let pg = server.post("/api/sources", &input)["id"].as_str().unwrap().to_owned();
    server.ask(reqwest::Method::POST, &format!("/api/sources/{pg}/test"), Some(&json!({})));
    world.sqlite("shop.db", 2000);
    let input = json!({"name": "shop", "settings": {"type": "sqlite", "path": world.path("shop.db")}});
    let shop = server.post("/api/sources", &input)["id"].as_str().unwrap().to_owned();
    let profile = server.post("/api/profiles", &json!({"name": "company"}))["id"].as_str().unwrap().to_owned();
    let input = json!({"name": "shop", "sourceId": shop, "destinationIds": [destination], "profileId": profile});
    let job = server.post("/api/jobs", &input)["id"].as_str().unwrap().to_owned();
    let run = server.post(&format!("/api/jobs/{job}/run"), &json!({}))["id"].as_str().unwrap().to_owned();
    test_support::wait_until("the run has ended", || server.get(&format!("/api/runs/{run}"))["state"] == "succeeded");
    let lines = command_lines();
    let exported = server.post(&format!("/api/profiles/{profile}/export"), &json!({}));
    let identity = exported["identity"]
        .as_str()
        .unwrap()
        .lines()
        .find(|line| line.starts_with("AGE-SECRET-KEY"))
        .unwrap()
        .to_owned();
    let key = fs::read_to_string(world.path("data/encryption.key")).unwrap().trim().to_owned();
    let refresh_tokens: Vec<String> = world.dropbox().refresh_tokens();
    let api_token = server.token.clone().unwrap();

    let mut secrets: HashSet<String> = [
        standard.app_key,
        standard.app_secret,
        "hunter2-hunter2".to_owned(),
        PASSWORD.to_owned(),
        identity,
        key,
        api_token,
        setup_token,
    ]
    .into();
    secrets.extend(refresh_tokens.into_iter().filter(|token| *token != standard.refresh_token));
    assert_eq!(secrets.len(), 9, "{secrets:?}");

    let ids = [
        ("/api/sources/", pg.as_str()),
        ("/api/destinations/", &destination),
        ("/api/profiles/", &profile),
        ("/api/jobs/", &job),
        ("/api/runs/", &run),
    ];
    let mut answers = String::new();
    for path in readable(&server, &ids) {
        let (_, answer): (u16, Value) = server.ask(reqwest::Method::GET, &path, None);
        answers.push_str(&answer.to_string());
    }
    assert!(answers.contains("Offsite") && answers.contains("\"succeeded\""));
    let database: Vec<u8> = ["dbackup.db", "dbackup.db-wal"]
        .iter()
        .flat_map(|name| fs::read(world.path("data").join(name)).unwrap_or_default())
        .collect();
    let database = String::from_utf8_lossy(&database).into_owned();
    assert!(database.contains("Offsite"));
    server.end(Signal::TERM);
    let log = fs::read_to_string(world.path("server.log")).unwrap();
    assert!(log.contains("TRACE"), "{log}");
    for secret in &secrets {
        for (place, text) in [("database", &database), ("log", &log), ("answers", &answers), ("process list", &lines)] {
            assert!(!text.contains(secret.as_str()), "{secret} is readable in the {place}");
        }
    }
}
