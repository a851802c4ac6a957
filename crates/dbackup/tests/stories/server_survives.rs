//! A server that is killed in the middle leaves a sound database, and says afterwards what it left undone.

use std::process::Stdio;
use std::time::Duration;

use dropbox_emulator::Weather;
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::json;

use crate::serving::{Serving, command};
use crate::world::World;

fn assert_sound(world: &World) {
    let connection = Connection::open(world.path("data/dbackup.db")).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let broken: i64 =
        connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
    assert_eq!(broken, 0);
}

// S-04
#[test]
fn kill_9_in_the_middle_of_a_run_is_told_at_the_next_start() {
    let world = World::new();
    world.sqlite("shop.db", 50_000);
    let mut server = Serving::start(&world, &[]);
    server.set_up();
    let standard = dropbox_emulator::Config::default();
    let input = json!({"name": "Offsite", "settings": {"type": "dropbox", "folder": "/b"}, "appKey": standard.app_key});
    let destination = server.post("/api/destinations", &input)["id"].as_str().unwrap().to_owned();
    server.authorize(&world, &destination);
    let input = json!({"name": "shop", "settings": {"type": "sqlite", "path": world.path("shop.db")}});
    let source = server.post("/api/sources", &input)["id"].as_str().unwrap().to_owned();
    let input = json!({"name": "shop", "sourceId": source, "destinationIds": [destination], "compression": "none"});
    let job = server.post("/api/jobs", &input)["id"].as_str().unwrap().to_owned();
    world.dropbox().set_weather(Weather { total: Some(1024 * 1024), ..Weather::default() });
    let run = server.post(&format!("/api/jobs/{job}/run"), &json!({}))["id"].as_str().unwrap().to_owned();
    let path = format!("/api/runs/{run}");
    test_support::wait_until("bytes flow", || server.get(&path)["dumpedBytes"].as_i64().unwrap() > 0);
    let token = server.token.clone();
    server.end(Signal::KILL);
    assert_sound(&world);
    assert!(world.stored().is_empty());
    world.dropbox().set_weather(Weather::default());
    // What a run that is killed at a worse moment leaves.
    let (host, boot) = pipeline::host::fingerprint();
    let left = world.path(&format!("shop.db.dbackup-copy-{host}-{boot}-0123456789abcdef"));
    std::fs::write(&left, "plaintext").unwrap();
    let mut server = Serving::start(&world, &[]);
    server.token = token;
    test_support::wait_until("the private copy is removed", || !left.exists());
    // Its destination is asked first whether it published anything.
    test_support::wait_until("the run is settled", || server.get(&path)["state"] != "running");
    let run = server.get(&path);
    assert_eq!(run["state"], "interrupted");
    assert!(run["error"].as_str().unwrap().contains("nothing unfinished counts"), "{run}");
    // Nobody scheduled it, so nobody but a person begins it again.
    let run = server.post(&format!("/api/jobs/{job}/run"), &json!({}))["id"].as_str().unwrap().to_owned();
    test_support::wait_until("it succeeds", || server.get(&format!("/api/runs/{run}"))["state"] == "succeeded");
}

#[test]
fn kill_9_at_any_write_leaves_a_sound_database() {
    let world = World::new();
    let mut server = Serving::start(&world, &[]);
    server.set_up();
    let token = server.token.clone();
    let mut answered = 0;
    for round in 0..8 {
        std::thread::scope(|scope| {
            let id = server.id();
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(40 + 23 * round));
                let id = rustix::process::Pid::from_raw(id.cast_signed()).unwrap();
                rustix::process::kill_process(id, Signal::KILL).unwrap();
            });
            for number in 0.. {
                let input = json!({"name": format!("{round}-{number}"), "settings": {"type": "folder", "path": "/x"}});
                if server.ask(reqwest::Method::POST, "/api/destinations", Some(&input)).0 != 201 {
                    break;
                }
                answered += 1;
            }
        });
        drop(server);
        assert_sound(&world);
        server = Serving::start(&world, &[]);
        server.token.clone_from(&token);
        // What was answered is there; at most the last one of each round is there without an answer.
        let mut names = 0;
        let mut cursor = String::new();
        loop {
            let page = server.get(&format!("/api/destinations?limit=200{cursor}"));
            names += page["items"].as_array().unwrap().len();
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert!((answered..=answered + round as usize + 1).contains(&names), "{names} of {answered}");
    }
    assert!(answered > 8, "{answered}");
}

#[test]
fn a_log_that_cannot_be_written_stops_neither_answers_nor_backups() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (closed, into_closed) = std::io::pipe().unwrap();
    drop(closed);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let logs: [(&str, Stdio); 3] =
        [("a full disk", full.into()), ("a reader that has gone", into_closed.into()), ("nobody reads", writer.into())];
    for (name, log) in logs {
        let world = World::new();
        world.sqlite("shop.db", 100);
        std::fs::create_dir(world.path("disk")).unwrap();
        let mut server = Serving::start_command(command(&world, &["--log", "trace"]).stderr(log));
        server.set_up();
        let settings = json!({"type": "folder", "path": world.path("disk")});
        let destination = server.post("/api/destinations", &json!({"name": "Disk", "settings": settings}));
        let settings = json!({"type": "sqlite", "path": world.path("shop.db")});
        let source = server.post("/api/sources", &json!({"name": "shop", "settings": settings}));
        let job = json!({"name": "shop", "sourceId": source["id"], "destinationIds": [destination["id"]]});
        let job = server.post("/api/jobs", &job)["id"].as_str().unwrap().to_owned();
        // More lines than a pipe holds.
        for _ in 0..200 {
            server.get("/api/jobs");
        }
        let run = server.post(&format!("/api/jobs/{job}/run"), &json!({}))["id"].as_str().unwrap().to_owned();
        test_support::wait_until(name, || server.get(&format!("/api/runs/{run}"))["state"] == "succeeded");
    }
    drop(reader);
}

/// A pipe into which nothing more can be written, and that nobody reads.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    for size in [4096, 1] {
        while std::io::Write::write(&mut writer, &vec![b'x'; size]).is_ok() {}
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

#[test]
fn a_server_whose_log_nobody_reads_stops_when_it_is_told_to() {
    for with_run in [false, true] {
        let world = World::new();
        let (reader, writer) = full_pipe();
        let mut server = Serving::start_command(command(&world, &["--grace", "0"]).stderr(writer));
        server.set_up();
        if with_run {
            world.sqlite("shop.db", 50_000);
            let standard = dropbox_emulator::Config::default();
            let settings = json!({"type": "dropbox", "folder": "/b"});
            let input = json!({"name": "Offsite", "settings": settings, "appKey": standard.app_key});
            let destination = server.post("/api/destinations", &input)["id"].as_str().unwrap().to_owned();
            server.authorize(&world, &destination);
            let settings = json!({"type": "sqlite", "path": world.path("shop.db")});
            let source = server.post("/api/sources", &json!({"name": "shop", "settings": settings}));
            let input = json!({"name": "shop", "sourceId": source["id"], "destinationIds": [destination], "compression": "none"});
            let job = server.post("/api/jobs", &input)["id"].as_str().unwrap().to_owned();
            world.dropbox().set_weather(Weather { total: Some(1024 * 1024), ..Weather::default() });
            let run = server.post(&format!("/api/jobs/{job}/run"), &json!({}))["id"].as_str().unwrap().to_owned();
            let path = format!("/api/runs/{run}");
            test_support::wait_until("bytes flow", || server.get(&path)["dumpedBytes"].as_i64().unwrap() > 0);
        }
        assert_eq!(server.end(Signal::TERM), Some(0));
        drop(reader);
    }
}
