//! What the pages show: everything at a glance, and a page about each thing.

use serde_json::{Value, json};

use crate::world::{World, id};

#[tokio::test]
async fn a_cause_names_the_first_jobs_and_leads_to_all_of_them() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let offsite = world.new_dropbox(&anna, "Offsite").await;
    for number in 0..7 {
        anna.job(&format!("shop {number}"), &source, &[&destination], json!({})).await;
    }
    let waiting = anna.job("waiting", &source, &[&offsite], json!({})).await;
    let overview = anna.get("/api/overview").await.expect(200);
    let cause = |kind: &str| {
        let causes = overview["causes"].as_array().unwrap();
        causes.iter().find(|cause| cause["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {overview}")).clone()
    };
    let never = cause("never");
    assert_eq!((&never["jobCount"], never["jobs"].as_array().unwrap().len()), (&json!(7), 5));
    assert_eq!(never["jobs"][0]["name"], "shop 0");
    let all = anna.get(&format!("/api/jobs?{}", never["jobsQuery"].as_str().unwrap())).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 8, "those that wait for an authorization have not run either");
    let authorize = cause("authorize");
    assert_eq!((&authorize["jobCount"], &authorize["jobs"][0]["id"]), (&json!(1), &json!(waiting)));
    assert_eq!(authorize["destination"]["authorization"], "authorization_required");
    assert_eq!((&cause("plaintext")["jobCount"], &cause("oneCopy")["jobCount"]), (&json!(1), &json!(8)));
    assert_eq!(overview["headline"]["text"], "8 databases need attention.");
    assert_eq!((&overview["headline"]["level"], &overview["headline"]["problems"]), (&json!("bad"), &json!(2)));
    let problems = anna.get("/api/problems").await.expect(200);
    assert_eq!((&problems["headline"], &problems["jobs"]), (&overview["headline"], &overview["jobs"]));
    for query in ["status=odd", "days=0", "days=91", "sort=odd"] {
        anna.get(&format!("/api/jobs?{query}")).await.problem(422, "invalid", &[]);
    }
}

#[tokio::test]
async fn the_overview_names_what_could_be_lost_and_what_failed() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (file, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let profile = id(&anna.post("/api/profiles", &json!({"name": "company"})).await.expect(201));
    let job = anna.job("shop", &source, &[&destination], json!({"profileId": profile})).await;
    world.run_job(&anna, &job).await;
    let overview = async || anna.get("/api/overview").await.expect(200);
    let kinds = |overview: &Value| -> Vec<String> {
        overview["causes"].as_array().unwrap().iter().map(|cause| cause["kind"].as_str().unwrap().to_owned()).collect()
    };
    let good = overview().await;
    assert_eq!(kinds(&good), ["key", "oneCopy", "unrestored"]);
    assert_eq!(good["headline"]["text"], "Your database is backed up, with 1 risk.");
    assert_eq!((&good["headline"]["level"], &good["oldestGood"]["jobId"]), (&json!("warn"), &json!(job)));
    std::fs::remove_file(file).unwrap();
    let failed = world.run_job(&anna, &job).await;
    let bad = overview().await;
    assert_eq!(kinds(&bad)[0], "failed");
    let cause = &bad["causes"][0];
    assert_eq!((&cause["source"]["id"], &cause["reason"]), (&json!(source), &failed["error"]));
    assert_eq!(cause["jobs"][0]["runId"], failed["id"]);
    assert_eq!(bad["headline"]["text"], "1 database needs attention.");
    anna.patch(&format!("/api/jobs/{job}"), &json!({"enabled": false})).await.expect(200);
    let paused = overview().await;
    assert_eq!((&paused["headline"]["text"], kinds(&paused).len()), (&json!("Every job is paused."), 0));
    anna.delete(&format!("/api/jobs/{job}")).await.expect(204);
    let nothing = overview().await;
    assert_eq!(nothing["headline"]["text"], "Nothing is backed up yet.");
    let runs = |day: &Value| day["succeeded"].as_i64().unwrap() + day["failed"].as_i64().unwrap();
    let left: i64 = nothing["activity"].as_array().unwrap().iter().map(runs).sum();
    assert_eq!(left, 0, "a deleted job's runs are in no sum");
}

#[tokio::test]
async fn a_run_says_who_started_it_and_runs_are_counted_by_state() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let by_hand = world.run_job(&anna, &job).await;
    let program = anna.token(&["view", "operate"]).await;
    let by_program = world.run_job(&program, &job).await;
    let token = anna.get("/api/tokens").await.expect(200)["items"][0]["name"].clone();
    let user = json!("Anna");
    assert_eq!((&by_hand["startedBy"], &by_program["startedBy"]), (&user, &token));
    let path = &by_hand["result"]["databases"][0]["copies"][0]["path"];
    let target = world.path("restored.db");
    let restore = json!({"destinationId": destination, "path": path, "sourceId": source, "database": target});
    let begun = anna.post("/api/restores", &restore).await.expect(202);
    let restored = anna.finished(&id(&begun)).await;
    assert_eq!((&restored["state"], &restored["startedBy"]), (&json!("succeeded"), &user));

    let counts = async |query: &str| anna.get(&format!("/api/run-counts{query}")).await.expect(200);
    let all = counts("").await;
    assert_eq!((&all["succeeded"], &all["failed"], &all["queued"]), (&json!(3), &json!(0), &json!(0)));
    assert_eq!(counts("?kind=backup").await["succeeded"], 2);
    assert_eq!(counts("?kind=restore").await["succeeded"], 1);
    assert_eq!(counts(&format!("?jobId={job}")).await["succeeded"], 2);
    let shown = anna.get(&format!("/api/jobs/{job}")).await.expect(200);
    assert_eq!((&shown["lastRestore"]["runId"], shown["days"].is_null()), (&begun["id"], true));
    let restores = anna.get("/api/runs?kind=restore&restoredJob=shop").await.expect(200);
    assert_eq!(restores["items"][0]["id"], begun["id"]);
    assert_eq!(anna.get("/api/runs?restoredJob=sho").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn pages_about_things_are_told_what_is_stored_where() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let (_, other) = world.folder_destination(&anna, "Other").await;
    let job = anna.job("shop", &source, &[&disk, &other], json!({})).await;
    let run = world.run_job(&anna, &job).await;
    world.run_job(&anna, &job).await;
    let databases = async |query: &str| anna.get(&format!("/api/databases{query}")).await.expect(200)["items"].clone();
    let found = databases(&format!("?sourceId={source}")).await;
    assert_eq!((found.as_array().unwrap().len(), &found[0]["jobId"]), (1, &json!(job)));
    let copies = found[0]["copies"].as_array().unwrap();
    assert_eq!(copies.len(), 2, "the newest at each destination: {found}");
    assert!(copies.iter().all(|copy| copy["createdAt"] == found[0]["lastGoodAt"]));
    assert_eq!((databases("?job=shop").await, databases("?job=none").await), (found.clone(), json!([])));
    let usage = async || anna.get(&format!("/api/destinations/{disk}/usage")).await.expect(200);
    let used = usage().await;
    let folder = &used["jobs"][0];
    assert_eq!((&folder["job"], &folder["jobId"], &folder["backups"]), (&json!("shop"), &json!(job), &json!(2)));
    assert_eq!((&used["backups"], &used["bytes"], &used["orphanCount"]), (&json!(2), &folder["bytes"], &json!(0)));
    assert!(used["bytes"].as_i64() >= run["storedBytes"].as_i64(), "{used}");

    let path = run["result"]["databases"][0]["copies"][0]["path"].as_str().unwrap();
    let verify = format!("/api/destinations/{disk}/backups/verify");
    anna.post(&verify, &json!({"path": path})).await.expect(200);
    assert!(anna.get(&format!("/api/jobs/{job}")).await.expect(200)["lastVerifiedAt"].is_string());
    anna.delete(&format!("/api/destinations/{disk}/backups?path={path}")).await;
    assert_eq!(usage().await["backups"], 1, "what is deleted takes nothing");
    anna.delete(&format!("/api/jobs/{job}")).await.expect(204);
    let orphaned = usage().await;
    assert_eq!((&orphaned["orphans"][0]["job"], &orphaned["orphanCount"]), (&json!("shop"), &json!(1)));
    assert!(databases("?job=shop").await[0]["jobId"].is_null());
    anna.get("/api/destinations/018f0000-0000-7000-8000-000000000000/usage").await.problem(404, "notFound", &[]);
}
