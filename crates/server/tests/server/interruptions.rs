//! A server that stops in the middle says so afterwards, and goes on.

use dropbox_emulator::Weather;
use serde_json::json;
use test_support::{PostgresServer, PostgresVersion};

use crate::world::{Browser, World, id};

#[tokio::test]
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

#[tokio::test]
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
