//! A server that stops in the middle says so afterwards, and goes on.

use dropbox_emulator::Weather;
use serde_json::json;
use test_support::{PostgresServer, PostgresVersion};

use crate::world::{Browser, World, id};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_with_the_server_is_interrupted_and_begun_again() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 50_000).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let schedule = json!({"cron": "30 12 * * *"});
    let job = anna.job("shop", &source, &[&dropbox], json!({"schedule": schedule, "compression": "none"})).await;
    world.dropbox().set_weather(Weather { total: Some(1024 * 1024), ..Weather::default() });
    world.advance(jiff::SignedDuration::from_mins(31));
    let running =
        anna.until(&format!("/api/jobs/{job}"), |job| job["lastRun"]["dumpedBytes"].as_i64().unwrap_or(0) > 0).await;
    let run = id(&running["lastRun"]);
    world.stop().await;
    assert!(world.dropbox().files().is_empty());
    world.dropbox().set_weather(Weather::default());
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let interrupted = anna.get(&format!("/api/runs/{run}")).await.expect(200);
    assert_eq!(interrupted["state"], "interrupted", "{interrupted}");
    let again = anna.until(&format!("/api/jobs/{job}"), |job| job["lastRun"]["state"] == "succeeded").await;
    assert_eq!((&again["lastRun"]["cause"], &again["lastRun"]["attempt"]), (&json!("retry"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_swap_left_at_its_target_is_removed_at_the_next_start() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (path, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let run = id(&world.run_job(&anna, &job).await);
    world.stop().await;
    // As a server that is killed in the middle of POST /api/restores/put-in-place leaves it.
    let request = json!({"sourceId": source, "database": null, "kept": "shop_kept", "administers": true});
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let sql = "UPDATE runs SET kind = 'restore', job_id = NULL, result = NULL, request = ?1, state = 'running', \
               worker = 'dead', finished_at = NULL";
    database.execute(sql, [request.to_string()]).unwrap();
    drop(database);
    let (host, boot) = pipeline::host::fingerprint();
    let left = path.with_file_name(format!("shop.db.dbackup-copy-{host}-{boot}-0123456789abcdef"));
    std::fs::write(&left, "plaintext").unwrap();
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    assert_eq!(anna.get(&format!("/api/runs/{run}")).await.expect(200)["state"], "interrupted");
    test_support::wait_until("the private copy is removed", || !left.exists());
}

/// Makes the only run look as a server leaves it that could write its end nowhere and was killed.
fn forget_the_end(world: &World, cause: &str) {
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let sql = "UPDATE runs SET result = NULL, error = NULL, state = 'running', worker = 'dead', finished_at = NULL, cause = ?1";
    assert_eq!(database.execute(sql, [cause]).unwrap(), 1);
}

/// A SQLite source and a job of it to these folders, which has run once.
async fn one_backup(world: &World, anna: &Browser, folders: &[&str]) -> (String, String, Vec<std::path::PathBuf>) {
    let (_, source) = world.sqlite_source(anna, "shop", 10).await;
    let (mut paths, mut ids) = (Vec::new(), Vec::new());
    for folder in folders {
        let (path, id) = world.folder_destination(anna, folder).await;
        paths.push(path);
        ids.push(id);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let job = anna.job("shop", &source, &ids, json!({})).await;
    let run = world.run_job(anna, &job).await;
    assert_ne!(run["state"], "failed", "{run}");
    (job, id(&run), paths)
}

fn sidecars_in(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let files = folder.join("shop").read_dir().unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_str().unwrap().ends_with(".meta.json")).collect()
}

async fn runs_of(anna: &Browser, job: &str) -> usize {
    anna.get(&format!("/api/runs?jobId={job}")).await.expect(200)["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_backup_whose_end_was_written_nowhere_has_succeeded_and_is_not_made_again() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (job, run, folders) = one_backup(&world, &anna, &["Disk", "Second"]).await;
    world.stop().await;
    forget_the_end(&world, "schedule");
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let settled = anna.finished(&run).await;
    // Whether there were warnings that only the run knew is unknown, and so it is no clean success.
    assert_eq!(settled["state"], "succeededWithWarnings", "{settled}");
    let codes = warnings_of(&settled);
    assert_eq!(codes, ["warnings-not-recorded"], "{settled}");
    assert!(settled["error"].is_null(), "{settled}");
    let copies = settled["result"]["databases"][0]["copies"].as_array().unwrap();
    assert_eq!(copies.len(), 2);
    assert!(copies.iter().all(|copy| copy["path"].is_string() && copy["size"]["stored"].is_u64()), "{settled}");
    assert_eq!(runs_of(&anna, &job).await, 1);
    assert!(folders.iter().all(|folder| sidecars_in(folder).len() == 1));
    let log = anna.log_of(&run).await;
    assert!(log.contains("the server stopped after the last copy was published"), "{log}");
}

/// The codes of a run's own warnings.
fn warnings_of(run: &serde_json::Value) -> Vec<String> {
    let warnings = run["result"]["warnings"].as_array().cloned().unwrap_or_default();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn that_two_destinations_are_one_place_is_told_whenever_the_server_dies() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 50_000).await;
    let (folder, disk) = world.folder_destination(&anna, "Disk").await;
    let same = json!({"name": "Same", "settings": {"type": "folder", "path": folder}});
    let same = id(&anna.post("/api/destinations", &same).await.expect(201));
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let more = json!({"compression": "none"});
    let job = anna.job("shop", &source, &[&disk, &same, &dropbox], more).await;
    world.dropbox().set_weather(Weather { total: Some(1024 * 1024), ..Weather::default() });
    let run = id(&anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202));
    let path = format!("/api/runs/{run}");
    let running = anna.until(&path, |run| run["dumpedBytes"].as_i64().unwrap() > 0 && run["result"].is_object()).await;
    assert_eq!((&running["state"], warnings_of(&running)), (&json!("running"), vec!["same-destination".to_owned()]));
    world.dropbox().set_weather(Weather::default());
    let ended = anna.finished(&run).await;
    assert_eq!(
        (&ended["state"], warnings_of(&ended)),
        (&json!("succeededWithWarnings"), vec!["same-destination".to_owned()])
    );
    world.stop().await;
    forget_the_end(&world, "manual");
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let settled = anna.finished(&run).await;
    assert_eq!(settled["state"], "succeededWithWarnings", "{settled}");
    assert_eq!(warnings_of(&settled), ["same-destination", "warnings-not-recorded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_found_after_its_run_keeps_the_verification_that_the_run_made() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    one_backup(&world, &anna, &["Disk"]).await;
    let verified = async |anna: &Browser| anna.get("/api/backups").await.expect(200)["items"][0]["verified"].clone();
    let before = verified(&anna).await;
    assert_eq!((&before["how"], &before["result"]), (&json!("readBack"), &json!("whole")));
    world.stop().await;
    forget_the_end(&world, "manual");
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    anna.until("/api/runs", |runs| runs["items"][0]["state"] == "succeededWithWarnings").await;
    assert_eq!(verified(&anna).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_interrupted_backup_only_the_copies_are_missing_that_are_not_there() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (job, run, folders) = one_backup(&world, &anna, &["Disk", "Second"]).await;
    world.stop().await;
    forget_the_end(&world, "schedule");
    std::fs::remove_dir_all(folders[1].join("shop")).unwrap();
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let settled = anna.finished(&run).await;
    assert_eq!(settled["state"], "partial", "{settled}");
    let copies = &settled["result"]["databases"][0]["copies"];
    assert!(
        copies[0]["path"].is_string() && copies[1]["error"].as_str().unwrap().contains("before this copy"),
        "{copies}"
    );
    assert_eq!(runs_of(&anna, &job).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_interrupted_run_did_not_sign_does_not_count_as_its_backup() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (job, run, folders) = one_backup(&world, &anna, &["Disk"]).await;
    world.stop().await;
    forget_the_end(&world, "schedule");
    // As somebody who can write to the folder would have it.
    let sidecar = sidecars_in(&folders[0]).remove(0);
    let text = std::fs::read_to_string(&sidecar).unwrap();
    let mut planted: serde_json::Value = serde_json::from_str(&text).unwrap();
    planted.as_object_mut().unwrap().remove("signature");
    std::fs::write(&sidecar, planted.to_string()).unwrap();
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let settled = anna.finished(&run).await;
    assert_eq!(settled["state"], "interrupted", "{settled}");
    let again = anna.until(&format!("/api/jobs/{job}"), |job| job["lastRun"]["state"] == "succeeded").await;
    assert_eq!(again["lastRun"]["cause"], "retry");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_gone_keeps_no_abandoned_run_from_its_end_and_is_named() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (_, run, folders) = one_backup(&world, &anna, &["Disk"]).await;
    world.stop().await;
    forget_the_end(&world, "manual");
    std::fs::rename(&folders[0], world.path("unplugged")).unwrap();
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let settled = anna.finished(&run).await;
    assert_eq!(settled["state"], "interrupted", "{settled}");
    let error = settled["error"].as_str().unwrap();
    assert!(error.contains("could not be determined") && error.contains("Disk"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_hangs_at_the_start_holds_up_neither_the_start_nor_other_runs() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&dropbox], json!({})).await;
    let run = id(&world.run_job(&anna, &job).await);
    world.stop().await;
    forget_the_end(&world, "manual");
    world.dropbox().set_weather(Weather { latency: std::time::Duration::from_secs(600), ..Weather::default() });
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let other = anna.job("other", &source, &[&disk], json!({})).await;
    assert_eq!(world.run_job(&anna, &other).await["state"], "succeeded");
    assert_eq!(anna.get(&format!("/api/runs/{run}")).await.expect(200)["state"], "running");
    tokio::time::timeout(crate::world::PATIENCE, world.stop()).await.expect("the server does not stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_on_postgres_too() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
    server.sql("postgres", "CREATE DATABASE dbackup");
    let mut world = World::on_database(&server, "dbackup").await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 100).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&dropbox], json!({})).await;
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "succeeded", "{run}");
    let schedule = json!({"cron": "0 0 1 1 *"});
    let input = json!({"name": "shop", "sourceId": source, "destinationIds": [dropbox], "schedule": schedule});
    anna.put(&format!("/api/jobs/{job}"), &input).await.expect(200);
    // Slots come by the database's clock.
    server.sql("dbackup", "UPDATE jobs SET next_run_at = (EXTRACT(EPOCH FROM now()) * 1000)::bigint");
    anna.until(&format!("/api/jobs/{job}"), |job| {
        job["lastRun"]["cause"] == "schedule" && job["lastRun"]["state"] == "succeeded"
    })
    .await;
    let events = anna.get(&format!("/api/runs/{}/events", id(&run))).await;
    assert!(events.body.contains("checked by"), "{}", events.body);
    let page = anna.get("/api/runs?limit=1").await.expect(200);
    let next =
        anna.get(&format!("/api/runs?limit=1&cursor={}", page["nextCursor"].as_str().unwrap())).await.expect(200);
    assert_eq!(id(&next["items"][0]), id(&run));
    assert!(next["nextCursor"].is_null());
    anna.delete(&format!("/api/sources/{source}")).await.problem(409, "inUse", &[]);
    anna.delete(&format!("/api/jobs/{job}")).await.expect(204);
    anna.delete(&format!("/api/sources/{source}")).await.expect(204);
    world.stop().await;
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    anna.get("/api/jobs").await.expect(200);
}
