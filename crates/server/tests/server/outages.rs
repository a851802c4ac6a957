//! Clocks that lie, databases that go away, disks that are full: told, and well again without a restart.

use std::net::SocketAddr;

use dropbox_emulator::Weather;
use jiff::SignedDuration;
use serde_json::json;
use test_support::{Mount, PostgresServer, PostgresVersion};
use tokio_util::sync::CancellationToken;

use crate::world::{Answer, Browser, PATIENCE, World, id};

const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

async fn postgres() -> PostgresServer {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
    server.sql("postgres", "CREATE DATABASE dbackup");
    server
}

/// Asks whether the server is ready until the answer has this status: one answer counts for a second.
async fn until_ready_is(browser: &Browser, status: u16) -> Answer {
    until_status(browser, "/readyz", status).await
}

async fn until_status(browser: &Browser, path: &str, status: u16) -> Answer {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let answer = browser.get(path).await;
        if answer.status == status {
            return answer;
        }
        assert!(std::time::Instant::now() < deadline, "{}: {}", answer.status, answer.body);
        tokio::task::yield_now().await;
    }
}

/// A way to a database that, once it is cut, neither passes anything on nor closes a connection: dropped packets.
pub(crate) async fn way_to(database: SocketAddr) -> (SocketAddr, CancellationToken) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, cut) = (listener.local_addr().unwrap(), CancellationToken::new());
    let is_cut = cut.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let is_cut = is_cut.clone();
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(database).await.unwrap();
                let copied = tokio::io::copy_bidirectional(&mut client, &mut server);
                if is_cut.run_until_cancelled(copied).await.is_none() {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (address, cut)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_although_its_metadata_database_has_stopped_answering() {
    let server = postgres().await;
    let (address, cut) = way_to(SocketAddr::from(([127, 0, 0, 1], server.port()))).await;
    let mut world = World::on_database_at(&server, "dbackup", &format!("postgres://postgres@{address}/dbackup")).await;
    let anna = world.administrator().await;
    let (_, run) = slow_backup(&world, &anna).await;
    cut.cancel();
    tokio::time::timeout(PATIENCE, world.stop()).await.expect("the server does not stop");
    let kept = world.path("data").join(format!("unrecorded/{run}.json"));
    assert!(kept.exists(), "lines of the log that could not be stored held up the end of the run");
}

/// A backup into a Dropbox that is slow, and that has begun to arrive there: its job and its run.
async fn slow_backup(world: &World, anna: &Browser) -> (String, String) {
    let (_, source) = world.sqlite_source(anna, "shop", 50_000).await;
    let dropbox = world.dropbox_destination(anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&dropbox], json!({"compression": "none"})).await;
    world.dropbox().set_weather(Weather { total: Some(1024 * 1024), ..Weather::default() });
    let run = id(&anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202));
    anna.until(&format!("/api/runs/{run}"), |run| run["dumpedBytes"].as_i64().unwrap_or(0) > 0).await;
    (job, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_ahead_for_a_moment_parks_no_schedule() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({"schedule": {"cron": "30 12 * * *"}})).await;
    assert_eq!(anna.get(&format!("/api/jobs/{job}")).await.expect(200)["nextRunAt"], "2026-01-15T12:30:00.000Z");
    world.advance(YEAR);
    let next_run_at = || {
        let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
        database.query_row("SELECT next_run_at FROM jobs", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let ahead = world.now.lock().unwrap().as_millisecond();
    test_support::wait_until("the slot of the wrong year has fired", || next_run_at() > ahead);
    world.advance(-YEAR);
    test_support::wait_until("the next slot is of this year again", || next_run_at() < ahead);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_fired_before_the_clock_was_set_back_is_passed_over_and_no_log_says_otherwise() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({"schedule": {"cron": "0 * * * *"}})).await;
    let path = format!("/api/jobs/{job}");
    let fired = async |slot: &str| {
        let is_it = |job: &serde_json::Value| job["lastRun"]["slot"] == slot && job["lastRun"]["state"] == "succeeded";
        id(&anna.until(&path, is_it).await["lastRun"])
    };
    world.advance(SignedDuration::from_mins(65));
    let first = fired("2026-01-15T13:00:00.000Z").await;
    world.advance(SignedDuration::from_mins(60));
    let second = fired("2026-01-15T14:00:00.000Z").await;
    // Back by two hours: both slots come again.
    world.advance(SignedDuration::from_mins(-120));
    assert_eq!(anna.get(&path).await.expect(200)["nextRunAt"], "2026-01-15T15:00:00.000Z");
    // As a server of another version may have planned it.
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let slot: jiff::Timestamp = "2026-01-15T14:00:00Z".parse().unwrap();
    database.execute("UPDATE jobs SET next_run_at = ?1", [slot.as_millisecond()]).unwrap();
    world.advance(SignedDuration::from_mins(120));
    anna.until(&path, |job| job["nextRunAt"] == "2026-01-15T15:00:00.000Z").await;
    world.advance(SignedDuration::from_mins(60));
    fired("2026-01-15T15:00:00.000Z").await;
    for run in [first, second] {
        let log = anna.log_of(&run).await;
        assert!(!log.contains("left out"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_cannot_be_read_is_told_and_keeps_no_other_job_from_running() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let schedule = json!({"schedule": {"cron": "30 12 * * *"}});
    let lost = anna.job("lost", &source, &[&destination], schedule.clone()).await;
    let sound = anna.job("sound", &source, &[&destination], schedule).await;
    // As another version of dbackup may have stored it.
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    database.execute("UPDATE jobs SET time_zone = 'Mars/Olympus' WHERE id = ?1", [&lost]).unwrap();
    world.advance(SignedDuration::from_mins(31));
    anna.until(&format!("/api/jobs/{sound}"), |job| job["lastRun"]["state"] == "succeeded").await;
    let shown = anna.until(&format!("/api/jobs/{lost}"), |job| job["nextRunAt"].is_null()).await;
    assert!(shown["scheduleError"].as_str().unwrap().contains("Mars/Olympus"), "{shown}");
    let overview = anna.get("/api/overview").await.expect(200);
    let causes = overview["causes"].as_array().unwrap();
    let unreadable = causes.iter().find(|cause| cause["kind"] == "schedule").unwrap_or_else(|| panic!("{overview}"));
    assert_eq!((&unreadable["jobs"][0]["id"], &unreadable["jobCount"]), (&json!(lost), &json!(1)));
    assert!(unreadable["reason"].as_str().unwrap().contains("Mars/Olympus"), "{unreadable}");
    assert!(anna.get(&format!("/api/jobs/{sound}")).await.expect(200)["scheduleError"].is_null());
}

// S-13
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_is_wrong_takes_no_run_from_another_one() {
    let server = postgres().await;
    let world = World::on_database(&server, "dbackup").await;
    let anna = world.administrator().await;
    let (_, run) = slow_backup(&world, &anna).await;
    let mut other = world.beside().await;
    other.advance(YEAR);
    // Longer than a lease and what a server waits before it settles anything.
    let renewed = || server.sql("dbackup", "SELECT count(*) FROM runs WHERE state = 'running'").trim() == "1";
    let clock = || server.sql("dbackup", "SELECT extract(epoch FROM now())").trim().parse::<f64>().unwrap();
    let until = clock() + 3.0;
    test_support::wait_until("three seconds have passed", || {
        assert!(renewed(), "the run was taken away");
        clock() > until
    });
    world.dropbox().set_weather(Weather::default());
    assert_eq!(anna.finished(&run).await["state"], "succeeded");
    other.stop().await;
}

// S-13
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_server_left_is_settled_by_another_one() {
    let server = postgres().await;
    let world = World::on_database(&server, "dbackup").await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (disk, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let run = id(&world.run_job(&anna, &job).await);
    // As if it had published nothing.
    std::fs::remove_dir_all(disk.join("shop")).unwrap();
    let dead = "UPDATE runs SET state = 'running', cause = 'schedule', result = NULL, worker = 'dead', finished_at = NULL, lease_until = \
                (EXTRACT(EPOCH FROM clock_timestamp()) * 1000 - 1)::bigint";
    server.sql("dbackup", dead);
    assert_eq!(anna.finished(&run).await["state"], "interrupted");
    let again = anna.until(&format!("/api/jobs/{job}"), |job| job["lastRun"]["cause"] == "retry").await;
    assert_eq!(anna.finished(&id(&again["lastRun"])).await["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_server_left_of_an_upload_is_removed_though_the_job_does_not_run_again() {
    let server = postgres().await;
    let world = World::on_database(&server, "dbackup").await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (disk, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let run = id(&world.run_job(&anna, &job).await);
    // As if it had published nothing.
    std::fs::remove_dir_all(disk.join("shop")).unwrap();
    std::fs::create_dir(disk.join("shop")).unwrap();
    let (host, boot) = pipeline::host::fingerprint();
    let left = ["shop", ""].map(|folder| {
        let name = format!("{}{host}-{boot}-0123456789abcdef", domain::naming::PARTIAL_PREFIX);
        let path = disk.join(folder).join(name);
        std::fs::write(&path, "half").unwrap();
        path
    });
    let dead =
        "UPDATE runs SET state = 'running', result = NULL, worker = 'dead', finished_at = NULL, lease_until = NULL";
    server.sql("dbackup", dead);
    assert_eq!(anna.finished(&run).await["state"], "interrupted");
    test_support::wait_until("the parts are gone", || !left.iter().any(|path| path.exists()));
    assert_eq!(anna.get(&format!("/api/runs?jobId={job}")).await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_ends_while_the_catalog_is_away_is_recorded_and_not_made_again() {
    let mut server = postgres().await;
    let world = World::on_database(&server, "dbackup").await;
    let anna = world.administrator().await;
    let (job, run) = slow_backup(&world, &anna).await;
    server.sql("dbackup", "UPDATE runs SET cause = 'schedule'");
    server.crash();
    world.dropbox().set_weather(Weather::default());
    // Whether the run is still this server's, nobody can know now: it waits, and publishes nothing.
    test_support::wait_until("much of it has arrived", || {
        world.dropbox().requests().iter().any(|request| request.route == "files/upload_session/append_v2")
    });
    assert!(world.dropbox().files().is_empty());
    let _server = server.start_again();
    assert_eq!(anna.finished(&run).await["state"], "succeeded");
    assert_eq!(world.dropbox().files().len(), 2, "the backup and its sidecar");
    let runs = anna.get("/api/runs").await.expect(200);
    assert_eq!(runs["items"].as_array().unwrap().len(), 1, "{runs}");
    assert_eq!(anna.get(&format!("/api/jobs/{job}")).await.expect(200)["lastRun"]["id"], run.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_a_killed_server_could_not_store_is_stored_by_the_next_start() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let ended = world.run_job(&anna, &job).await;
    let run = id(&ended);
    world.stop().await;
    // As a crash after the last copy leaves it.
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let running = "UPDATE runs SET state = 'running', cause = 'schedule', worker = 'dead', finished_at = NULL";
    database.execute(running, []).unwrap();
    let fence: i64 = database.query_row("SELECT fence FROM runs", [], |row| row.get(0)).unwrap();
    drop(database);
    let end = json!({"state": "succeeded", "error": null, "result": ended["result"], "bytes": [1, 2, 3]});
    let kept = json!({"run_id": run, "fence": fence, "end": end, "at": "2026-01-15T12:00:05Z"});
    std::fs::create_dir_all(world.path("data/unrecorded")).unwrap();
    std::fs::write(world.path("data/unrecorded").join(format!("{run}.json")), kept.to_string()).unwrap();
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let shown = anna.get(&format!("/api/runs/{run}")).await.expect(200);
    assert_eq!((&shown["state"], &shown["finishedAt"]), (&json!("succeeded"), &json!("2026-01-15T12:00:05.000Z")));
    assert_eq!(anna.get("/api/runs").await.expect(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(std::fs::read_dir(world.path("data/unrecorded")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_backup_whose_server_died_before_its_end_has_succeeded_and_is_not_made_again() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (disk, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let whole = id(&world.run_job(&anna, &job).await);
    let half = world.run_job(&anna, &job).await;
    let (half, copy) = (id(&half), half["result"]["databases"][0]["copies"][0]["path"].as_str().unwrap().to_owned());
    world.stop().await;
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let running =
        "UPDATE runs SET state = 'running', cause = 'schedule', worker = 'dead', finished_at = NULL WHERE id = ?1";
    database.execute(running, [&whole]).unwrap();
    drop(database);
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let shown = anna.get(&format!("/api/runs/{whole}")).await.expect(200);
    assert_eq!((&shown["state"], &shown["error"]), (&json!("succeeded"), &json!(null)), "{shown}");
    world.stop().await;

    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    database.execute(running, [&half]).unwrap();
    // As if it had published nothing.
    for growing in
        ["UPDATE run_items SET stage = 'proving' WHERE run_id = ?1", "DELETE FROM run_copies WHERE run_id = ?1"]
    {
        assert_eq!(database.execute(growing, [&half]).unwrap(), 1);
    }
    std::fs::remove_file(disk.join(&copy)).unwrap();
    drop(database);
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    assert_eq!(anna.finished(&half).await["state"], "interrupted");
    let again = anna.until(&format!("/api/jobs/{job}"), |job| job["lastRun"]["cause"] == "retry").await;
    assert_eq!(anna.finished(&id(&again["lastRun"])).await["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_the_server_is_well_again_by_itself() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    world.stop().await;
    // The same data folder, on a small disk.
    let aside = world.path("aside");
    std::fs::rename(world.path("data"), &aside).unwrap();
    std::fs::create_dir(world.path("data")).unwrap();
    let Some(disk) = Mount::tmpfs(&world.path("data"), "6m") else { return };
    for entry in std::fs::read_dir(&aside).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), world.path("data").join(entry.file_name())).unwrap();
    }
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    assert_eq!(anna.get("/readyz").await.status, 200);
    disk.fill();
    until_ready_is(&anna, 503).await.problem(503, "unavailable", &["disk is full"]);
    // The use of the session is noted each minute: that it cannot be noted keeps nobody from looking.
    world.advance(SignedDuration::from_mins(10));
    anna.get("/api/jobs").await.expect(200);
    let big = "x".repeat(90);
    let refused = anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await;
    assert!(refused.status == 507 || refused.status == 202, "{}", refused.body);
    let mut told = false;
    for number in 0..50 {
        let input = json!({"name": format!("{big} {number}"), "settings": {"type": "sqlite", "path": "/x.db"}});
        let answer = anna.post("/api/sources", &input).await;
        if answer.status == 507 {
            answer.problem(507, "diskFull", &["disk is full", "nothing needs to be restarted"]);
            told = true;
            break;
        }
    }
    assert!(told, "nothing was refused");
    disk.free();
    until_ready_is(&anna, 200).await;
    anna.until(&format!("/api/jobs/{job}"), |job| {
        !matches!(job["lastRun"]["state"].as_str(), Some("queued" | "running"))
    })
    .await;
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "succeeded", "{run}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metadata_database_that_does_not_answer_is_told_and_is_no_internal_error() {
    let mut server = postgres().await;
    let world = World::on_database(&server, "dbackup").await;
    let anna = world.administrator().await;
    anna.get("/api/jobs").await.expect(200);
    let (program, other) = (anna.token(&["view"]).await, anna.token(&["view"]).await);
    assert!(program.get("/metrics").await.body.contains("dbackup_catalog_up 1"));
    server.crash();
    for _ in 0..2 {
        anna.get("/api/jobs").await.problem(503, "unavailable", &["metadata database does not answer"]);
    }
    // Whoever could read the metrics lately is shown what the server itself counts.
    let metrics = program.get("/metrics").await;
    assert_eq!(metrics.status, 200, "{}", metrics.body);
    assert!(metrics.body.contains("dbackup_catalog_up 0") && metrics.body.contains("dbackup_runs_running 0"));
    for unknown in [other, world.stranger()] {
        assert_ne!(unknown.get("/metrics").await.status, 200);
    }
    let _server = server.start_again();
    // Whoever asks while another request tries is answered at once.
    until_status(&anna, "/api/jobs", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setup_token_of_each_server_on_one_database_counts_until_one_is_used() {
    let server = postgres().await;
    let mut world = World::on_database(&server, "dbackup").await;
    let token = |world: &World| world.server.as_ref().unwrap().setup().unwrap().0.to_owned();
    let first = token(&world);
    let other = world.beside().await;
    let second = token(&other);
    assert_ne!(first, second);
    world.stop().await;
    world.start().await;
    assert_eq!(token(&world), first, "a restart prints the same one");
    let set_up = |token: &str| json!({"token": token, "name": "Anna", "password": "correct horse battery"});
    world.stranger().post("/api/setup", &set_up(&first)).await.expect(201);
    other.stranger().post("/api/setup", &set_up(&second)).await.problem(403, "forbidden", &["setup token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_removes_what_dead_runs_left_at_any_source() {
    let server = postgres().await;
    let mut world = World::new().await;
    let anna = world.administrator().await;
    world.sqlite_source(&anna, "shop", 10).await;
    let settings = json!({"type": "postgres", "host": "127.0.0.1", "port": server.port(), "user": "postgres"});
    anna.post("/api/sources", &json!({"name": "pg", "settings": settings})).await.expect(201);
    world.stop().await;
    // No run in the catalog tells of these: the catalog may be younger than they are, or another server made them.
    server.sql("postgres", "CREATE DATABASE shop__dbackup_restore_0123abcd");
    server.sql("postgres", "CREATE DATABASE mine");
    let (host, boot) = pipeline::host::fingerprint();
    let left = world.path(&format!("shop.db.dbackup-copy-{host}-{boot}-0123456789abcdef"));
    std::fs::write(&left, "plaintext").unwrap();
    world.start().await;
    test_support::wait_until("the file is gone", || !left.exists());
    let databases = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate";
    let names = || server.sql("postgres", databases).trim().to_owned();
    test_support::wait_until("the database is gone", || names() == "dbackup mine postgres");
}
