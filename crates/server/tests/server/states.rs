//! What lies between success and failure: warnings, objects that fail, databases that are kept.

use serde_json::{Value, json};
use test_support::{PostgresServer, PostgresVersion};

use crate::world::{Browser, World, id};

/// Makes a run one with these warnings, as a source would that leaves something out.
fn warn(world: &World, run: &str, result: &Value) {
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let sql = "UPDATE runs SET state = 'succeededWithWarnings', result = ?2 WHERE id = ?1";
    assert_eq!(database.execute(sql, (run, result.to_string())).unwrap(), 1);
    // As if a server of an earlier version had left it.
    database.execute("DELETE FROM meta WHERE name IN ('runSums', 'runItems')", ()).unwrap();
}

async fn standing(anna: &Browser, job: &str) -> Value {
    anna.get(&format!("/api/jobs/{job}?days=1")).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_warnings_counts_as_good_until_its_warnings_are_acknowledged_and_after() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let run = world.run_job(&anna, &job).await;
    let mut result = run["result"].clone();
    result["warnings"] = json!([{"code": "invalid-database", "subject": "broken", "message": "'broken' is invalid"}]);
    result["databases"][0]["warnings"] = json!([{"code": "unlogged-tables", "message": "a table is unlogged"}]);
    warn(&world, &id(&run), &result);
    let clean = world.run_job(&anna, &job).await;
    world.stop().await;
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let before = standing(&anna, &job).await;
    assert_eq!((&before["days"][0]["succeeded"], &before["days"][0]["withWarnings"]), (&json!(2), &json!(1)));
    assert_eq!(before["days"][0]["runId"], run["id"], "the day leads to the run with warnings");
    let bytes = run["storedBytes"].as_i64().unwrap() + clean["storedBytes"].as_i64().unwrap();
    assert_eq!(before["days"][0]["storedBytes"], bytes, "what both have stored counts");
    let before = &before["standing"];
    assert_eq!((&before["warnings"], &before["state"]), (&json!(0), &json!("succeeded")));

    warn(&world, &id(&clean), &result);
    world.stop().await;
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let warned = standing(&anna, &job).await["standing"].clone();
    assert_eq!(warned["status"], "warnings");
    assert_eq!((&warned["lastGoodRunId"], &warned["state"]), (&clean["id"], &json!("succeededWithWarnings")));
    assert_eq!((&warned["warnings"], &warned["backedUp"]), (&json!(2), &json!(1)));
    let runs = async |state: &str| anna.get(&format!("/api/runs?state={state}")).await.expect(200)["items"].clone();
    assert_eq!(runs("succeededWithWarnings").await.as_array().unwrap().len(), 2);
    assert_eq!(runs("succeeded,succeededWithWarnings").await.as_array().unwrap().len(), 2);
    assert_eq!(runs("succeeded").await, json!([]));
    anna.get("/api/runs?state=good").await.problem(422, "invalid", &[]);

    let acknowledge = format!("/api/jobs/{job}/acknowledge");
    let otto = world.member(&anna, "Otto", "operator").await;
    otto.post(&acknowledge, &json!({"warning": "unlogged-tables"})).await.problem(403, "forbidden", &["configure"]);
    anna.post(&acknowledge, &json!({"warning": ""})).await.problem(422, "invalid", &[]);
    anna.post(&acknowledge, &json!({"warning": "unlogged-tables"})).await.expect(200);
    assert_eq!(standing(&anna, &job).await["standing"]["warnings"], 1);
    let changed = anna.post(&acknowledge, &json!({"warning": "invalid-database:broken"})).await.expect(200);
    assert_eq!(changed["acknowledgedWarnings"], json!(["unlogged-tables", "invalid-database:broken"]));
    assert_eq!(standing(&anna, &job).await["standing"]["warnings"], 0);
    assert_eq!(standing(&anna, &job).await["standing"]["status"], "good");
    let mut input = json!({"name": "shop", "sourceId": source, "destinationIds": [destination]});
    let kept = anna.put(&format!("/api/jobs/{job}"), &input).await.expect(200);
    assert_eq!(kept["acknowledgedWarnings"].as_array().unwrap().len(), 2, "a change that names none keeps them");
    input["acknowledgedWarnings"] = json!([]);
    assert_eq!(anna.put(&format!("/api/jobs/{job}"), &input).await.expect(200)["acknowledgedWarnings"], json!([]));
    let metrics = anna.get("/metrics").await.body;
    let last = format!("dbackup_backup_last_success_timestamp_seconds{{backup_id=\"{job}\",backup=\"shop\"}} ");
    let last = metrics.lines().find_map(|line| line.strip_prefix(&last));
    assert!(last.is_some_and(|last| last != "0"), "a success with warnings is one: {metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_backed_up_and_restored_only_where_that_is_allowed() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (path, source) = world.sqlite_source(&anna, "shop", 20_000).await;
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xff);
    std::fs::write(&path, &bytes).unwrap();
    let (folder, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "failed");
    let input = json!({"name": "shop", "sourceId": source, "destinationIds": [destination], "allowDamaged": true});
    assert_eq!(anna.put(&format!("/api/jobs/{job}"), &input).await.expect(200)["allowDamaged"], true);
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "succeededWithWarnings");
    assert_eq!(run["result"]["databases"][0]["warnings"][0]["code"], "damaged");

    // Without its sidecar, nothing says that the damage was known.
    let stored = run["result"]["databases"][0]["copies"][0]["path"].as_str().unwrap();
    std::fs::remove_file(folder.join(format!("{stored}.meta.json"))).unwrap();
    let target = world.path("restored.db");
    let mut restore = json!({"destinationId": destination, "path": stored, "sourceId": source, "database": target});
    let refused = anna.post("/api/restores", &restore).await.expect(202);
    assert_eq!(anna.finished(&id(&refused)).await["state"], "failed");
    assert!(!target.exists());
    restore["allowDamaged"] = json!(true);
    let restored = anna.post("/api/restores", &restore).await.expect(202);
    assert_eq!(anna.finished(&id(&restored)).await["state"], "succeededWithWarnings");
    assert_eq!(std::fs::read(&target).unwrap(), bytes);
}

// S-05
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_fails_leaves_the_target_and_names_the_way_on() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("postgres", "CREATE ROLE gone");
    server.sql("shop", "CREATE TABLE t (n int); ALTER TABLE t OWNER TO gone");
    let world = World::new().await;
    let anna = world.administrator().await;
    let settings = json!({"type": "postgres", "host": "127.0.0.1", "port": server.port(), "user": "postgres"});
    let source = id(&anna.post("/api/sources", &json!({"name": "pg", "settings": settings})).await.expect(201));
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("pg", &source, &[&destination], json!({"databases": ["shop"]})).await;
    let run = world.run_job(&anna, &job).await;
    let path = run["result"]["databases"][0]["copies"][0]["path"].clone();
    server.sql("shop", "ALTER TABLE t OWNER TO postgres; DROP ROLE gone");
    let restore = json!({"destinationId": destination, "path": path, "sourceId": source, "database": "copy"});
    let preview = anna.post("/api/restores/preview", &restore).await.expect(200);
    assert!(preview["findings"].is_array(), "{preview}");
    let begun = anna.post("/api/restores", &restore).await.expect(202);
    let stopped = anna.finished(&id(&begun)).await;
    let words = stopped["error"].as_str().unwrap();
    assert!(
        words.contains("gone") && words.contains("Continue past errors") && !words.contains("--on-error"),
        "{words}"
    );
    assert_eq!((&stopped["state"], &stopped["result"]["wayOn"]), (&json!("failed"), &json!("continueOnError")));
    let mut wrong = restore.clone();
    wrong["onError"] = json!("ignore");
    anna.post("/api/restores/preview", &wrong).await.problem(422, "invalid", &["onError"]);
    wrong["onError"] = json!("continue");
    wrong["inPlace"] = json!(true);
    let begun = anna.post("/api/restores", &wrong).await.expect(202);
    assert_eq!((&begun["request"]["continueOnError"], &begun["request"]["inPlace"]), (&json!(true), &json!(true)));
    anna.finished(&id(&begun)).await;
}

// S-05
#[tokio::test(flavor = "multi_thread")]
async fn putting_a_kept_database_in_place_is_a_restore_that_can_fail() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let place = "/api/restores/put-in-place";
    let input = json!({"sourceId": source, "kept": "shop__dbackup_restore_1"});
    let begun = anna.post(place, &input).await.expect(202);
    assert_eq!((&begun["kind"], &begun["request"]["kept"]), (&json!("restore"), &json!("shop__dbackup_restore_1")));
    let ended = anna.finished(&id(&begun)).await;
    assert!(ended["error"].as_str().unwrap().contains("keeps no restored databases"), "{ended}");
    let vera = world.member(&anna, "Vera", "viewer").await;
    vera.post(place, &input).await.problem(403, "forbidden", &["operate"]);
    let otto = world.member(&anna, "Otto", "operator").await;
    let elsewhere = json!({"sourceId": source, "kept": "x", "database": "/etc/x.db"});
    otto.post(place, &elsewhere).await.problem(403, "forbidden", &["not marked"]);
    anna.post(place, &json!({"sourceId": source, "kept": "a\nb"})).await.problem(422, "invalid", &["kept"]);
}
