//! Jobs run, and what they made is listed, checked, downloaded, restored and deleted.

use std::time::{Duration, Instant};

use dropbox_emulator::Weather;
use serde_json::{Value, json};
use test_support::{PostgresServer, PostgresVersion};

use crate::world::{PASSWORD, PATIENCE, World, id, make_database, mark, rows};

fn first_path(run: &Value) -> String {
    run["result"]["databases"][0]["copies"][0]["path"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned()
}

// S-03
#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_and_its_backup_comes_back_row_for_row() {
    // M-06, M-11, M-12, M-13, M-14
    let world = World::new().await;
    let anna = world.administrator().await;
    let (database, source) = world.sqlite_source(&anna, "shop", 2000).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let (_, folder) = world.folder_destination(&anna, "Disk").await;
    let profile = anna.post("/api/profiles", &json!({"name": "company"})).await.expect(201);
    let more = json!({"profileId": id(&profile), "compression": "zstd:5"});
    let job = anna.job("shop nightly", &source, &[&dropbox, &folder], more).await;
    // In the middle of it the access token ends, and nobody notices.
    world.dropbox().expire_access_tokens();
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "succeeded", "{run}");
    assert_eq!(run["result"]["databases"][0]["copies"].as_array().unwrap().len(), 2);
    let path = first_path(&run);
    assert!(path.starts_with("shop nightly/backup_2026-01-15T12-00-00") && path.ends_with(".db.zst.age"), "{path}");
    let log = anna.log_of(&id(&run)).await;
    assert!(log.contains("checked by") && log.ends_with("Succeeded"), "{log}");

    let listed = anna.get(&format!("/api/destinations/{dropbox}/backups?job=shop%20nightly")).await.expect(200);
    assert_eq!((&listed["items"][0]["path"], &listed["items"][0]["encrypted"]), (&json!(path), &json!(true)));
    let query = path.replace(' ', "%20");
    let details = anna.get(&format!("/api/destinations/{dropbox}/backups/details?path={query}")).await.expect(200);
    assert_eq!((&details["job"], &details["engine"]), (&json!("shop nightly"), &json!("SQLite")));
    assert_eq!((&details["sidecar"]["runId"], &details["sidecar"]["jobId"]), (&run["id"], &json!(job)));
    let verify = format!("/api/destinations/{dropbox}/backups/verify");
    let verified = anna.post(&verify, &json!({"path": path})).await.expect(200);
    assert_eq!((&verified["result"], &verified["checkedBy"]), (&json!("whole"), &json!("ownHash")));

    // Into a file that is not there; over one that holds data only when told to.
    let target = world.path("restored.db");
    let restore = json!({"destinationId": dropbox, "path": path, "sourceId": source, "database": target});
    let preview = anna.post("/api/restores/preview", &restore).await.expect(200);
    assert_eq!((&preview["contents"], &preview["proved"]), (&json!("absent"), &json!(true)));
    let begun = anna.post("/api/restores", &restore).await.expect(202);
    assert_eq!(anna.finished(&id(&begun)).await["state"], "succeeded");
    assert_eq!(rows(&target), rows(&database));
    anna.post("/api/restores", &restore).await.problem(409, "targetHoldsData", &["holds data"]);
    // An operator writes beside the source, and nowhere else on the machine.
    let otto = world.member(&anna, "Otto", "operator").await;
    for elsewhere in ["/tmp/x.db".to_owned(), format!("{}/sub/x.db", world.folder.path().display())] {
        let mut away = restore.clone();
        away["database"] = json!(elsewhere);
        otto.post("/api/restores", &away).await.problem(403, "forbidden", &["not marked as a restore target"]);
    }
    mark(&anna, &source, "newDatabases").await;
    for elsewhere in ["/tmp/x.db".to_owned(), format!("{}/sub/x.db", world.folder.path().display())] {
        let mut away = restore.clone();
        away["database"] = json!(elsewhere);
        otto.post("/api/restores", &away).await.problem(403, "forbidden", &["folder of its source"]);
    }
    let mut beside = restore.clone();
    beside["database"] = json!(world.path("beside.db"));
    assert_eq!(otto.post("/api/restores/preview", &beside).await.expect(200)["contents"], "absent");
    let other = world.path("other.db");
    make_database(&other, 3);
    let mut over = restore.clone();
    (over["database"], over["overwrite"]) = (json!(other), json!(true));
    let begun = anna.post("/api/restores", &over).await.expect(202);
    assert_eq!(anna.finished(&id(&begun)).await["state"], "succeeded");
    assert_eq!(rows(&other), rows(&database));

    world.dropbox().corrupt(&format!("/backups/{path}"), |bytes| bytes[100] ^= 1, false);
    assert_eq!(anna.post(&verify, &json!({"path": path})).await.expect(200)["result"], "altered");
    anna.post("/api/restores", &over).await.problem(409, "altered", &["not the file that was backed up"]);

    let delete = format!("/api/destinations/{dropbox}/backups?path={query}");
    anna.delete(&delete).await.expect(204);
    anna.delete(&delete).await.problem(404, "notFound", &[]);
    assert!(world.dropbox().files().is_empty());
}

// S-06
#[tokio::test(flavor = "multi_thread")]
async fn a_download_link_works_once_for_whoever_asked() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (database, source) = world.sqlite_source(&anna, "shop", 500).await;
    let (folder, destination) = world.folder_destination(&anna, "Disk").await;
    let profile = anna.post("/api/profiles", &json!({"name": "company"})).await.expect(201);
    let job = anna.job("shop", &source, &[&destination], json!({"profileId": id(&profile)})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    let link = async |raw: bool| {
        let input = json!({"destinationId": destination, "path": path, "raw": raw});
        anna.post("/api/downloads", &input).await.expect(201)["url"].as_str().unwrap().to_owned()
    };
    let fetch = async |url: &str| {
        let mut request = crate::world::client().get(format!("{}{url}", anna.url));
        for (name, value) in &anna.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let disposition = response.headers().get("content-disposition").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), disposition, response.bytes().await.unwrap())
    };
    let raw = link(true).await;
    let otto = world.member(&anna, "Otto", "operator").await;
    otto.get(&raw).await.problem(404, "notFound", &[]);
    let (status, disposition, bytes) = fetch(&raw).await;
    assert_eq!(status, 200);
    assert!(disposition.unwrap().contains("zst%2Eage"));
    assert_eq!(bytes, std::fs::read(folder.join(&path)).unwrap());
    assert_eq!(fetch(&raw).await.0, 404);

    let (_, disposition, bytes) = fetch(&link(false).await).await;
    assert!(disposition.unwrap().ends_with("%2Edb"));
    let decoded = world.path("decoded.db");
    std::fs::write(&decoded, bytes).unwrap();
    assert_eq!(rows(&decoded), rows(&database));

    let late = link(true).await;
    world.advance(jiff::SignedDuration::from_secs(61));
    assert_eq!(fetch(&late).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_cannot_read_what_it_writes_to_a_key_of_ones_own() {
    // M-14
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let own = pipeline::keys::Identity::generate();
    let input = json!({"name": "own", "recipients": [own.recipient().to_string()]});
    let profile = anna.post("/api/profiles", &input).await.expect(201);
    assert_eq!(profile["canDecrypt"], false);
    anna.post(&format!("/api/profiles/{}/export", id(&profile)), &json!({})).await.problem(409, "noIdentity", &[]);
    let job = anna.job("shop", &source, &[&destination], json!({"profileId": id(&profile)})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    let restore =
        json!({"destinationId": destination, "path": path, "sourceId": source, "database": world.path("x.db")});
    let run = anna.post("/api/restores", &restore).await.expect(202);
    let run = anna.finished(&id(&run)).await;
    assert_eq!(run["state"], "failed", "{run}");
    assert!(!world.path("x.db").exists());

    let generated = anna.post("/api/profiles", &json!({"name": "generated"})).await.expect(201);
    let path = format!("/api/profiles/{}", id(&generated));
    anna.delete(&path).await.problem(409, "notExported", &["Export it first"]);
    let exported = anna.post(&format!("{path}/export"), &json!({})).await.expect(200);
    assert!(exported["identity"].as_str().unwrap().contains("AGE-SECRET-KEY-1"));
    assert!(exported["recoverySheet"].as_str().unwrap().contains(generated["recipients"][0].as_str().unwrap()));
    anna.post(&format!("{path}/export"), &json!({})).await.problem(409, "exported", &[]);
    anna.delete(&path).await.expect(204);
}

// S-04
#[tokio::test(flavor = "multi_thread")]
async fn a_running_backup_is_cancelled_within_two_seconds_and_leaves_nothing() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 100_000).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&dropbox], json!({"compression": "none"})).await;
    world.dropbox().set_weather(Weather { total: Some(1024 * 1024), ..Weather::default() });
    let run = anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202);
    let path = format!("/api/runs/{}", id(&run));
    anna.until(&path, |run| run["dumpedBytes"].as_i64().unwrap() > 0).await;
    anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.problem(409, "alreadyRunning", &[]);
    anna.delete(&format!("/api/jobs/{job}")).await.problem(409, "alreadyRunning", &[]);
    let clock = Instant::now();
    anna.post(&format!("{path}/cancel"), &json!({})).await.expect(202);
    let ended = anna.finished(&id(&run)).await;
    assert_eq!(ended["state"], "cancelled");
    assert!(clock.elapsed() < Duration::from_secs(2), "{:?}", clock.elapsed());
    assert!(world.dropbox().files().is_empty());
}

// S-02
#[tokio::test(flavor = "multi_thread")]
async fn one_destination_that_fails_makes_a_run_partial_and_all_of_them_failed() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (good, one) = world.folder_destination(&anna, "Good").await;
    let (gone, other) = world.folder_destination(&anna, "Gone").await;
    let unauthorized = world.new_dropbox(&anna, "New").await;
    std::fs::remove_dir(&gone).unwrap();
    let job = anna.job("shop", &source, &[&one, &other, &unauthorized], json!({})).await;
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "partial", "{run}");
    let copies = run["result"]["databases"][0]["copies"].as_array().unwrap();
    let of = |name: &str| copies.iter().find(|copy| copy["destination"] == name).unwrap_or_else(|| panic!("{run}"));
    assert!(of("Good")["path"].is_string() && of("Gone")["error"].is_string());
    assert!(of("New")["error"].as_str().unwrap().contains("not authorized yet"));
    std::fs::remove_dir_all(&good).unwrap();
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "failed", "{run}");
    let gone = anna.job("gone", &source, &[&unauthorized], json!({})).await;
    let run = world.run_job(&anna, &gone).await;
    assert!(run["error"].as_str().unwrap().contains("Authorize with Dropbox"), "{run}");
}

// S-04
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_live_and_again_from_any_line() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let run = anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202);
    let path = format!("/api/runs/{}/events", id(&run));
    // The stream ends with the run.
    let events = anna.get(&path).await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    let ids =
        |body: &str| body.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect::<Vec<i64>>();
    let all = ids(&events.body);
    assert_eq!(all, (1..=all.len() as i64).collect::<Vec<_>>());
    assert!(events.body.contains("event: state") && events.body.contains("\"state\":\"succeeded\""), "{}", events.body);
    let rest = anna.clone().header("last-event-id", "2").get(&path).await;
    assert_eq!(ids(&rest.body), all[2..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_read_any_more_ends_with_a_problem() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 50_000).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&dropbox], json!({"compression": "none"})).await;
    world.dropbox().set_weather(Weather { total: Some(1024 * 1024), ..Weather::default() });
    let run = id(&anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202));
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    for (damage, code) in [
        ("UPDATE runs SET cause = 'odd' WHERE id = ?1", "\"code\":\"internal\""),
        ("DELETE FROM runs WHERE id = ?1", "\"code\":\"notFound\""),
    ] {
        let mut stream = anna.open(&format!("/api/runs/{run}/events")).await;
        let mut told = String::new();
        let mut is_damaged = false;
        while let Some(chunk) = tokio::time::timeout(PATIENCE, stream.chunk()).await.unwrap().unwrap() {
            told.push_str(std::str::from_utf8(&chunk).unwrap());
            if !is_damaged && told.contains("event: state") {
                is_damaged = database.execute(damage, [&run]).unwrap() == 1;
            }
        }
        assert!(told.contains("event: problem") && told.contains(code), "{told}");
        database.execute("UPDATE runs SET cause = 'manual' WHERE id = ?1", [&run]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_tells_of_all_runs() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let mut stream = anna.open("/api/events").await;
    let mut told = String::new();
    for name in ["one", "two"] {
        let job = anna.job(name, &source, &[&destination], json!({})).await;
        let run = id(&anna.post(&format!("/api/jobs/{job}/run"), &json!({})).await.expect(202));
        let ended = |line: &str| line.contains(&run) && line.contains("\"state\":\"succeeded\"");
        while !told.lines().any(ended) {
            let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await.unwrap().unwrap();
            told.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
        assert!(told.lines().any(|line| line == format!("data: {{\"runId\":\"{run}\"}}")), "{told}");
    }
}

// S-05
#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_tested_dumped_and_restored_into_a_new_database() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT n, md5(n::text) AS x FROM generate_series(1, 5000) n");
    server.sql("postgres", &format!("CREATE ROLE poor LOGIN PASSWORD '{PASSWORD}'"));
    let world = World::new().await;
    let anna = world.administrator().await;
    let settings = |user: &str, database: Value| json!({"type": "postgres", "host": "127.0.0.1", "port": server.port(), "user": user, "database": database});
    let source = anna.post("/api/sources", &json!({"name": "pg", "settings": settings("postgres", Value::Null)})).await;
    let source = id(&source.expect(201));
    let databases = anna.get(&format!("/api/sources/{source}/databases")).await.expect(200);
    assert_eq!(databases["items"], json!(["postgres", "shop"]));
    let steps = async |source: &str| -> Vec<Value> {
        let answer = anna.post(&format!("/api/sources/{source}/test"), &json!({})).await;
        answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert!(steps(&source).await.iter().all(|step| step["result"] == "passed"));
    let input = json!({"name": "poor", "settings": settings("poor", json!("shop")), "password": PASSWORD});
    let poor = anna.post("/api/sources", &input).await.expect(201);
    assert_eq!(poor["passwordSet"], true);
    let refused = steps(&id(&poor)).await;
    let rights = refused.iter().find(|step| step["name"] == "rights").unwrap();
    assert!(
        rights["message"].as_str().unwrap().contains("public.t") && rights.to_string().contains("pg_read_all_data")
    );
    let nobody =
        json!({"name": "nobody", "settings": {"type": "postgres", "host": "127.0.0.1", "port": 1, "user": "x"}});
    let nobody = id(&anna.post("/api/sources", &nobody).await.expect(201));
    assert_eq!(steps(&nobody).await[1]["result"], "failed");

    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("pg", &source, &[&destination], json!({"databases": ["shop"]})).await;
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "succeeded", "{run}");
    let path = first_path(&run);
    let restore = |database: &str, overwrite: bool| json!({"destinationId": destination, "path": path, "sourceId": source, "database": database, "overwrite": overwrite});
    let begun = anna.post("/api/restores", &restore("copy", false)).await.expect(202);
    assert_eq!(anna.finished(&id(&begun)).await["state"], "succeeded");
    let sum = "SELECT md5(string_agg(x, ',' ORDER BY n)) FROM t";
    assert_eq!(server.sql("copy", sum), server.sql("shop", sum));
    server.sql("shop", "DELETE FROM t");
    anna.post("/api/restores", &restore("shop", false)).await.problem(409, "targetHoldsData", &[]);
    let begun = anna.post("/api/restores", &restore("shop", true)).await.expect(202);
    assert_eq!(anna.finished(&id(&begun)).await["state"], "succeeded");
    assert_eq!(server.sql("copy", sum), server.sql("shop", sum));
}

// S-06
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_copied_to_another_destination_and_proved_there() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 500).await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let (disk, folder) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&dropbox], json!({})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    let copy = |path: &str, to: &str| json!({"destinationId": dropbox, "path": path, "toDestinationId": to});

    for words in ["checked by", "holds it already"] {
        let begun = anna.post("/api/copies", &copy(&path, &folder)).await.expect(202);
        assert_eq!(begun["kind"], "copy");
        assert_eq!(anna.finished(&id(&begun)).await["state"], "succeeded");
        let log = anna.log_of(&id(&begun)).await;
        assert!(log.contains(words), "{log}");
    }
    let verify = format!("/api/destinations/{folder}/backups/verify");
    let verified = anna.post(&verify, &json!({"path": path})).await.expect(200);
    assert_eq!((&verified["result"], &verified["checkedBy"]), (&json!("whole"), &json!("readBack")));

    let problem = anna.post("/api/copies", &copy(&path, &dropbox)).await.problem(422, "invalid", &["already"]);
    assert_eq!(problem["errors"][0]["field"], "toDestinationId");
    anna.post("/api/copies", &copy("shop/nothing.db", &folder)).await.problem(
        400,
        "badRequest",
        &["not the path of a backup"],
    );
    let nothing = "shop/backup_2020-01-01T00-00-00.db";
    anna.post("/api/copies", &copy(nothing, &folder)).await.problem(404, "notFound", &[nothing]);
    let vera = world.member(&anna, "Vera", "viewer").await;
    vera.post("/api/copies", &copy(&path, &folder)).await.problem(403, "forbidden", &["operate"]);

    // A file that is another one at the source is copied nowhere.
    std::fs::remove_dir_all(disk.join("shop")).unwrap();
    world.dropbox().corrupt(&format!("/backups/{path}"), |bytes| bytes[100] ^= 1, false);
    let refused = anna.post("/api/copies", &copy(&path, &folder)).await;
    let ended = match refused.status {
        202 => anna.finished(&id(&refused.expect(202))).await["error"].as_str().unwrap_or_default().to_owned(),
        _ => refused.problem(409, "altered", &[])["detail"].as_str().unwrap().to_owned(),
    };
    assert!(ended.contains("not the file that was backed up"), "{ended}");
    assert!(!disk.join(&path).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_backups_are_deleted_no_locked_one_and_a_broken_sidecar_is_said() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (disk, folder) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&folder], json!({})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    let beside = disk.join(format!("{path}.meta.json"));
    let delete = |path: &str| format!("/api/destinations/{folder}/backups?path={path}");
    let details = format!("/api/destinations/{folder}/backups/details?path={path}");

    std::fs::write(disk.join("shop/thesis.doc"), "years of work").unwrap();
    for other in ["shop/thesis.doc".to_owned(), format!("{path}.meta.json")] {
        anna.delete(&delete(&other)).await.problem(400, "badRequest", &["not the path of a backup"]);
        assert!(disk.join(&other).exists());
    }
    let mut sidecar: Value = serde_json::from_slice(&std::fs::read(&beside).unwrap()).unwrap();
    assert!(sidecar["host"].is_string());
    sidecar["locked"] = json!(true);
    std::fs::write(&beside, sidecar.to_string()).unwrap();
    anna.delete(&delete(&path)).await.problem(409, "locked", &["is locked"]);

    std::fs::write(&beside, "{").unwrap();
    let shown = anna.get(&details).await.expect(200);
    assert!(shown["sidecarError"].is_string() && shown["sidecar"].is_null(), "{shown}");
    let verify = format!("/api/destinations/{folder}/backups/verify");
    let verified = anna.post(&verify, &json!({"path": path})).await.expect(200);
    assert_eq!(verified["result"], "unknown");
    assert!(verified["detail"].as_str().unwrap().contains("sidecar cannot be read"), "{verified}");
    anna.delete(&delete(&path)).await.expect(204);
    assert!(!beside.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_marks_the_destination_whose_authorization_is_gone_and_no_other() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 100).await;
    let gone = world.dropbox_destination(&anna, "Gone").await;
    let job = anna.job("shop", &source, &[&gone], json!({})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    world.dropbox().revoke_all();
    // The same account, by another authorization.
    let fine = world.dropbox_destination(&anna, "Fine").await;
    let status = async |id: &str| {
        let destination = anna.get(&format!("/api/destinations/{id}")).await.expect(200);
        destination["authorization"]["status"].as_str().unwrap().to_owned()
    };
    let copy = json!({"destinationId": fine, "path": path, "toDestinationId": gone});
    let run = anna.post("/api/copies", &copy).await.expect(202);
    assert_eq!(anna.finished(&id(&run)).await["state"], "failed");
    assert_eq!((&*status(&gone).await, &*status(&fine).await), ("reauthorization_required", "authorized"));
    let back = json!({"destinationId": gone, "path": path, "toDestinationId": fine});
    anna.post("/api/copies", &back).await.problem(409, "reauthorizationRequired", &["Re-authorize"]);
    assert_eq!(status(&fine).await, "authorized");
}
