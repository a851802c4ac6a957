//! The audit log in words, filtered; and lists as files.

use serde_json::{Value, json};

use crate::world::{Browser, World};

async fn entries(anna: &Browser, query: &str) -> Vec<Value> {
    let list = anna.get(&format!("/api/audit?limit=200&{query}")).await.expect(200);
    list["items"].as_array().unwrap().clone()
}

/// What each entry says: who, what, to what.
fn words(entries: &[Value]) -> Vec<String> {
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let words = |entry: &Value| {
        let names = ["user", "token", "event", "objectKind", "objectName"];
        names.map(|name| text(entry, name)).join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    entries.iter().map(words).collect()
}

// S-10
#[tokio::test(flavor = "multi_thread")]
async fn entries_have_a_word_and_the_names_of_who_and_what_and_can_be_filtered() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("nightly", &source, &[&disk], json!({})).await;
    let program = anna.token(&["view", "operate"]).await;
    world.run_job(&program, &job).await;
    let path = format!("/api/jobs/{job}");
    anna.patch(&path, &json!({"name": "hourly"})).await.expect(200);
    program.delete(&path).await.problem(403, "forbidden", &[]);
    anna.delete(&path).await.expect(204);

    let of_job = entries(&anna, &format!("object={job}")).await;
    let expected = [
        "Anna job.delete job hourly",
        "Anna program job.delete job hourly",
        "Anna job.update job nightly",
        "Anna program job.run job nightly",
        "Anna job.create job nightly",
    ];
    assert_eq!(words(&of_job), expected);
    assert!(of_job.iter().all(|entry| entry["objectId"] == *job && entry["action"].is_string()));
    assert_eq!(entries(&anna, "object=hourly").await.len(), 2);
    assert_eq!(words(&entries(&anna, "token=program").await), [expected[1], expected[3]]);
    assert_eq!(words(&entries(&anna, "outcome=refused").await), [expected[1]]);
    assert_eq!(words(&entries(&anna, "event=job.delete&outcome=done").await), [expected[0]]);
    assert_eq!(entries(&anna, "event=job").await.len(), 5);
    assert_eq!(entries(&anna, "user=Otto").await.len(), 0);
    assert_eq!(words(&entries(&anna, "event=token").await), ["Anna token.create token program"]);
    assert_eq!(words(&entries(&anna, "event=setup").await), ["Anna setup.complete user Anna"]);
    assert_eq!(entries(&anna, "since=2026-01-15T12:00:01Z").await.len(), 0);
    assert!(entries(&anna, "until=2026-01-15T12:00:01Z").await.len() > 5);
    anna.get("/api/audit?outcome=maybe").await.problem(422, "invalid", &["outcome"]);

    let wanted =
        json!({"sources": [{"name": "applied", "settings": {"type": "sqlite", "path": world.path("shop.db")}}]});
    anna.post("/api/configuration", &wanted).await.expect(200);
    let applied = entries(&anna, "object=applied").await;
    assert_eq!(words(&applied), ["Anna source.create source applied"]);
    assert!(applied[0]["objectId"].is_string(), "{applied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_has_a_name_in_the_log() {
    let world = World::new().await;
    let anna = world.administrator().await;
    world.member(&anna, "Otto", "operator").await;
    let signed_in = entries(&anna, "event=session.signIn").await;
    assert_eq!(words(&signed_in), ["Otto session.signIn user Otto"]);
    assert_eq!(signed_in[0]["actor"], "user Otto");
    let wrong = json!({"name": "Otto", "password": "wrong"});
    world.stranger().post("/api/session", &wrong).await.problem(401, "unauthorized", &[]);
    let refused = &entries(&anna, "event=session.signIn&outcome=refused").await[0];
    assert_eq!((&refused["actor"], &refused["user"]), (&json!("nobody"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_whole_as_csv_and_as_json_lines() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 1).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("=1+1", &source, &[&disk], json!({})).await;
    world.run_job(&anna, &job).await;
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 450) \
               INSERT INTO audit (id, at, actor, address, action, object, outcome, detail) \
               SELECT printf('%05d', n), 0, 'a, \"b\"', '', 'x', 'y', 'done', '@' || n FROM n";
    database.execute(sql, []).unwrap();
    drop(database);
    for (list, column, least) in [
        ("runs", "createdAt,startedAt,finishedAt,kind,state,title", 1),
        ("backups", "time,job,engine", 1),
        ("audit", "at,actor,user", 450),
    ] {
        let json_lines = anna.get(&format!("/api/{list}?format=jsonl&limit=1")).await;
        assert_eq!(json_lines.headers["content-type"], "application/x-ndjson");
        let rows: Vec<Value> = json_lines.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(rows.len() >= least, "{list}: {}", rows.len());
        let csv = anna.get(&format!("/api/{list}?format=csv")).await;
        assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8; header=present");
        let file = format!("attachment; filename=\"dbackup-{list}.csv\"");
        assert_eq!(csv.headers["content-disposition"], file.as_str());
        assert!(csv.body.starts_with(column) && csv.body.ends_with("\r\n"), "{}", csv.body);
        assert_eq!(csv.body.matches("\r\n").count(), rows.len() + 1, "{list}");
        let page = anna.get(&format!("/api/{list}?limit=1")).await.expect(200);
        assert_eq!(page["items"][0], rows[0], "{list}");
        anna.get(&format!("/api/{list}?format=xml")).await.problem(422, "invalid", &["format"]);
    }
    let runs = anna.get("/api/runs?format=csv").await.body;
    assert!(runs.contains(",'=1+1,"), "{runs}");
    let audit = anna.get("/api/audit?format=csv&object=none").await.body;
    assert_eq!(audit.lines().count(), 1);
    let audit = anna.get("/api/audit?format=csv&until=1970-01-02T00:00:00Z").await.body;
    assert!(audit.contains("\"a, \"\"b\"\"\",,,,,,,,done,'@450,x,y,00450\r\n"), "{audit}");
    assert_eq!(audit.lines().count(), 451);
    // The filters of a list count for its file.
    assert_eq!(anna.get("/api/runs?format=jsonl&state=failed").await.body, "");
    // What only administrators see is no easier to get as a file.
    let viewer = world.member(&anna, "Vera", "viewer").await;
    viewer.get("/api/audit?format=csv").await.problem(403, "forbidden", &[]);
    viewer.get("/api/backups/summary?format=csv").await.problem(422, "invalid", &["format"]);
}
