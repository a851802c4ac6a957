//! Being told: what is told, to whom, once, and what happens when it cannot be (S-08).

mod capture;

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use serde_json::{Value, json};
use test_support::{PostgresServer, PostgresVersion};

use self::capture::{Capture, TOKEN, with_captures};
use crate::world::{Browser, World, id};

/// A server with a job that works.
struct Scene {
    world: World,
    anna: Browser,
    capture: Capture,
    file: PathBuf,
    job: String,
    channel: String,
}

impl Scene {
    async fn new() -> Self {
        Self::of(World::configured(with_captures).await).await
    }

    async fn of(world: World) -> Self {
        let anna = world.administrator().await;
        let (file, source) = world.sqlite_source(&anna, "shop", 10).await;
        let (_, disk) = world.folder_destination(&anna, "Disk").await;
        let job = anna.job("shop", &source, &[&disk], json!({"schedule": {"cron": "30 13 * * *"}})).await;
        let capture = Capture::start().await;
        let channel = capture.channel(&anna, "Ops").await;
        let scene = Self { world, anna, capture, file, job, channel };
        // What a careful owner would still do is not what these stories are about.
        assert_eq!(scene.run().await, "succeeded");
        scene
    }

    async fn rule(&self, name: &str, more: Value) -> String {
        let mut rule = json!({"channelIds": [self.channel]});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        id(&self.anna.post("/api/notification-rules", &json!({"name": name, "rule": rule})).await.expect(201))
    }

    async fn run(&self) -> String {
        self.world.run_job(&self.anna, &self.job).await["state"].as_str().unwrap().to_owned()
    }

    fn break_it(&self) {
        std::fs::rename(&self.file, self.file.with_extension("aside")).unwrap();
    }

    fn mend_it(&self) {
        std::fs::rename(self.file.with_extension("aside"), &self.file).unwrap();
    }

    /// Runs SQL behind the server's back.
    fn sql(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.world.path("data/dbackup.db")).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// Waits until every message in the outbox has ended, and returns them, the newest first.
    async fn settled(&self) -> Vec<Value> {
        let ended = |list: &Value| list["items"].as_array().unwrap().iter().all(|item| item["state"] != "waiting");
        self.anna.until("/api/outbox", ended).await["items"].as_array().unwrap().clone()
    }
}

// S-08
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_once_and_so_is_its_end() {
    let scene = Scene::new().await;
    scene.rule("Everything", json!({})).await;
    scene.break_it();
    assert_eq!(scene.run().await, "failed");
    let told = scene.capture.told(1).await;
    let failed = &told[0];
    assert_eq!(
        (&failed["event"], &failed["severity"], &failed["state"]),
        (&json!("failed"), &json!("critical"), &json!("firing"))
    );
    assert!(failed["title"].as_str().unwrap().starts_with("Backup of shop failed"), "{failed}");
    assert!(failed["facts"].to_string().contains("2026-01-15 12:00 UTC"), "{failed}");
    assert!(failed["link"].as_str().unwrap().starts_with("http://localhost:3000/runs/"), "{failed}");
    // The same again is nothing new.
    assert_eq!(scene.run().await, "failed");
    scene.world.advance(SignedDuration::from_mins(30));
    assert_eq!(scene.run().await, "failed");
    scene.mend_it();
    assert_eq!(scene.run().await, "succeeded");
    let told = scene.capture.told(2).await;
    let over = &told[1];
    assert_eq!(
        (&over["event"], &over["state"], &over["dedupKey"]),
        (&json!("recovered"), &json!("resolved"), &failed["dedupKey"])
    );
    assert_eq!(over["title"], format!("Resolved: {}", failed["title"].as_str().unwrap()));
    let outbox = scene.settled().await;
    let states: Vec<_> =
        outbox.iter().map(|one| (one["event"].as_str().unwrap(), one["state"].as_str().unwrap())).collect();
    assert_eq!(states, [("recovered", "sent"), ("failed", "sent")]);
    assert_eq!(
        (&outbox[1]["answer"], &outbox[1]["attempts"], &outbox[1]["id"]),
        (&json!("200 OK"), &json!(1), &failed["id"])
    );
    let failed_only = scene.anna.get("/api/outbox?event=failed&state=sent&limit=1").await.expect(200);
    assert_eq!(failed_only["items"].as_array().unwrap().len(), 1);
}

// S-08
#[tokio::test(flavor = "multi_thread")]
async fn a_problem_that_lasts_is_told_again_and_a_digest_lists_what_was_not_backed_up() {
    let scene = Scene::new().await;
    scene.rule("Now", json!({"events": ["failed"], "reminderHours": 24})).await;
    let digest = json!({"events": [], "digest": {"every": "day", "at": "08:00"}, "timeZone": "Europe/Berlin"});
    scene.rule("Daily", digest).await;
    scene.break_it();
    assert_eq!(scene.run().await, "failed");
    scene.capture.told(1).await;
    // The slot at 13:30 fails, too, and says nothing new; at 08:00 in Berlin comes the digest.
    scene.world.advance(SignedDuration::from_hours(20));
    let told = scene.capture.told(2).await;
    assert_eq!((&told[1]["event"], &told[1]["title"]), (&json!("digest"), &json!("Not backed up: 1 of 1 job")));
    let text = told[1]["text"].to_string();
    assert!(text.contains("- shop: ") && text.contains("last backup 2026-01-15 13:00 CET"), "{text}");
    scene.world.advance(SignedDuration::from_hours(4));
    let told = scene.capture.told(3).await;
    assert_eq!(told[2]["title"], format!("Still: {}", told[0]["title"].as_str().unwrap()));
}

// S-08
#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_hold_everything_and_tell_it_together() {
    let scene = Scene::new().await;
    scene.rule("Days", json!({"quietHours": {"from": "11:00", "until": "13:00"}})).await;
    let (other, source) = scene.world.sqlite_source(&scene.anna, "blog", 10).await;
    let (_, attic) = scene.world.folder_destination(&scene.anna, "Attic").await;
    let blog = scene.anna.job("blog", &source, &[&attic], json!({})).await;
    scene.break_it();
    assert_eq!(scene.run().await, "failed");
    std::fs::rename(&other, other.with_extension("aside")).unwrap();
    assert_eq!(scene.world.run_job(&scene.anna, &blog).await["state"], "failed");
    scene.mend_it();
    assert_eq!(scene.run().await, "succeeded");
    scene.world.advance(SignedDuration::from_mins(61));
    let told = scene.capture.told(1).await;
    assert_eq!(told[0]["title"], "During quiet hours: 1 problem, and 1 resolved");
    let text = told[0]["text"].to_string();
    assert!(text.contains("- Backup of blog failed") && text.contains("- Resolved: Backup of shop"), "{text}");
}

// S-08
#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_is_told_although_the_scheduler_is_broken() {
    let scene = Scene::new().await;
    scene.rule("Everything", json!({})).await;
    scene.sql("CREATE TRIGGER broken BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'broken'); END");
    scene.world.advance(SignedDuration::from_mins(91));
    scene.world.advance(SignedDuration::from_mins(10));
    let told = scene.capture.told(1).await;
    assert_eq!(
        (&told[0]["event"], &told[0]["title"]),
        (&json!("missed"), &json!("Backup of shop did not run on time"))
    );
    scene.sql("DROP TRIGGER broken");
    let told = scene.capture.told(2).await;
    assert_eq!((&told[1]["event"], &told[1]["dedupKey"]), (&json!("recovered"), &json!("missed")));
}

// S-08
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_sending_and_marking_repeats_the_message_with_its_id() {
    let mut scene = Scene::new().await;
    scene.rule("Everything", json!({})).await;
    scene.sql("CREATE TRIGGER crash BEFORE UPDATE OF answer ON outbox BEGIN SELECT RAISE(ABORT, 'gone'); END");
    scene.break_it();
    assert_eq!(scene.run().await, "failed");
    let sent = scene.capture.told(1).await;
    scene.world.stop().await;
    scene.sql("DROP TRIGGER crash");
    scene.world.start().await;
    scene.anna.url = scene.world.url();
    let again = scene.capture.told(2).await;
    assert_eq!(again[1], sent[0], "the same message with the same id");
    assert_eq!(scene.settled().await[0]["attempts"], 2);
}

// S-08
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_fails_is_a_problem_and_is_told_through_the_others() {
    let scene = Scene::new().await;
    let deaf = Capture::start().await;
    deaf.answers(503);
    let other = deaf.channel(&scene.anna, "Pager").await;
    let channels = json!({"channelIds": [scene.channel, other], "events": ["failed", "channel", "recovered"]});
    scene.rule("Everything", channels).await;
    scene.break_it();
    assert_eq!(scene.run().await, "failed");
    scene.capture.told(1).await;
    deaf.told(1).await;
    scene.anna.until(&format!("/api/channels/{other}"), |channel| !channel["failingSince"].is_null()).await;
    scene.world.advance(SignedDuration::from_mins(6));
    let told = scene.capture.told(2).await;
    assert_eq!((&told[1]["event"], &told[1]["title"]), (&json!("channel"), &json!("Notifications do not reach Pager")));
    let overview = scene.anna.get("/api/overview").await.expect(200);
    let causes = overview["causes"].as_array().unwrap();
    let cause = causes.iter().find(|cause| cause["kind"] == "channel").unwrap();
    assert_eq!(cause["channel"]["name"], "Pager");
    // It comes back: what waited is delivered with its id, and the end of the problem is told.
    deaf.answers(200);
    scene.world.advance(SignedDuration::from_mins(30));
    let seen = scene.capture.told(3).await;
    assert_eq!(seen[2]["title"], "Resolved: Notifications do not reach Pager");
    let ids: std::collections::BTreeSet<String> = deaf.seen().iter().map(|message| message["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "each attempt had the same id");
}

// S-08
#[tokio::test(flavor = "multi_thread")]
async fn pings_tell_the_start_and_the_end_of_each_run_with_its_log() {
    let scene = Scene::new().await;
    let pinged = Capture::start().await;
    let channel = pinged.channel_of(&scene.anna, "Heartbeat", "capturePings").await;
    scene.rule("Pings", json!({"channelIds": [channel], "jobIds": [scene.job]})).await;
    assert_eq!(scene.run().await, "succeeded");
    pinged.told(2).await;
    scene.break_it();
    assert_eq!(scene.run().await, "failed");
    let told = pinged.told(4).await;
    let phases: Vec<_> = told.iter().map(|message| message["ping"]["signal"].as_str().unwrap()).collect();
    assert_eq!(phases, ["start", "success", "start", "fail"]);
    assert_eq!(told[3]["facts"][0]["value"], "shop");
    assert!(!told[3]["ping"]["logEnd"].as_str().unwrap().is_empty(), "{}", told[3]);
    assert!(scene.capture.seen().is_empty());
}

// S-08
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_database_tell_everything_once() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
    server.sql("postgres", "CREATE DATABASE told");
    let scene = Scene::of(World::configured_on(&server, "told", with_captures).await).await;
    let mut other = scene.world.beside().await;
    scene.rule("Everything", json!({})).await;
    scene.break_it();
    for _ in 0..3 {
        assert_eq!(scene.run().await, "failed");
    }
    scene.mend_it();
    assert_eq!(scene.run().await, "succeeded");
    scene.capture.told(2).await;
    assert_eq!(scene.settled().await.len(), 2);
    let attempts: Vec<_> = scene.settled().await.iter().map(|message| message["attempts"].clone()).collect();
    assert_eq!(attempts, [json!(1), json!(1)]);
    other.stop().await;
}

// S-08
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_tested_changed_by_revision_and_its_secret_is_nowhere() {
    let scene = Scene::new().await;
    let path = format!("/api/channels/{}", scene.channel);
    let tests = |browser: &Browser| {
        let browser = browser.clone().header("accept", "application/json");
        let path = format!("{path}/test");
        async move { browser.post(&path, &json!({})).await.expect(200) }
    };
    assert_eq!(tests(&scene.anna).await, json!([{"name": "send", "result": "passed", "detail": "200 OK"}]));
    scene.capture.answers(401);
    let refused = tests(&scene.anna).await;
    assert_eq!(refused[0]["result"], "failed");
    assert!(!refused.to_string().contains(TOKEN), "{refused}");
    assert_eq!(scene.capture.titles(), ["Test message from dbackup", "Test message from dbackup"]);

    let rule = scene.rule("Everything", json!({})).await;
    scene.anna.delete(&path).await.problem(409, "inUse", &[]);
    let shown = scene.anna.get(&path).await.expect(200);
    assert_eq!((&shown["tokenSet"], &shown["enabled"], &shown["token"]), (&json!(true), &json!(true), &Value::Null));
    let stale = scene.anna.clone().header("if-match", "\"7\"");
    assert_eq!(stale.patch(&path, &json!({"enabled": false})).await.status, 412);
    let patched = scene.anna.patch(&path, &json!({"enabled": false})).await.expect(200);
    assert_eq!((&patched["enabled"], &patched["revision"]), (&json!(false), &json!(2)));
    let wrong = json!({"name": "x", "rule": {"channelIds": ["nowhere"], "reminderHours": 0}});
    let problem = scene.anna.post("/api/notification-rules", &wrong).await.problem(422, "invalid", &[]);
    let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(fields, [json!("rule.channelIds[0]"), json!("rule.reminderHours")]);
    let bob = scene.world.member(&scene.anna, "Bob", "operator").await;
    assert_eq!(bob.get("/api/notification-rules").await.expect(200)["items"].as_array().unwrap().len(), 1);
    for (path, input) in [("/api/channels", json!({})), ("/api/notification-rules", json!({}))] {
        assert_eq!(bob.post(path, &input).await.status, 403, "{path}");
    }
    assert_eq!(bob.post(&format!("{path}/test"), &json!({})).await.status, 403);
    scene.anna.delete(&format!("/api/notification-rules/{rule}")).await.expect(204);
    for path in ["/api/channels", "/api/outbox", "/api/audit", "/metrics"] {
        let answer = scene.anna.get(path).await;
        assert!(answer.status == 200 && !answer.body.contains(TOKEN), "{path}: {}", answer.body);
    }
    assert!(!holds(&scene.world.path("data"), TOKEN));
    scene.anna.delete(&path).await.expect(204);
}

/// Whether a file of a folder holds a text.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => holds(&path, text),
        false => std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()),
    })
}

// S-08
#[tokio::test(flavor = "multi_thread")]
async fn channels_and_rules_are_part_of_the_configuration() {
    let scene = Scene::new().await;
    let wanted = json!({
        "channels": [
            {"name": "Ops", "settings": {"type": "capture", "url": scene.capture.url}, "token": TOKEN},
            {"name": "Pager", "settings": {"type": "capture", "url": scene.capture.url}, "token": TOKEN, "enabled": false},
        ],
        "notificationRules": [
            {"name": "Nights", "channels": ["Pager", "Ops"], "jobs": ["shop"], "events": ["failed"],
             "quietHours": {"from": "22:00", "until": "07:00"}, "timeZone": "Europe/Berlin"},
        ],
    });
    let actions = |plan: &Value| -> Vec<String> {
        let changes = plan["changes"].as_array().unwrap().iter();
        changes
            .map(|change| format!("{} {}", change["action"].as_str().unwrap(), change["name"].as_str().unwrap()))
            .collect()
    };
    let applied = scene.anna.post("/api/configuration", &wanted).await.expect(200);
    assert_eq!(actions(&applied), ["keep Ops", "create Pager", "create Nights"]);
    let again = scene.anna.post("/api/configuration/plan", &wanted).await.expect(200);
    assert_eq!(
        (actions(&again), &again["hasChanges"]),
        (vec!["keep Ops".to_owned(), "keep Pager".to_owned(), "keep Nights".to_owned()], &json!(false))
    );
    let mut changed = wanted.clone();
    changed["notificationRules"][0]["channels"] = json!(["Ops"]);
    changed["notificationRules"][0]["reminderHours"] = json!(12);
    let plan = scene.anna.post("/api/configuration/plan", &changed).await.expect(200);
    let fields: Vec<_> =
        plan["changes"][2]["fields"].as_array().unwrap().iter().map(|field| field["field"].clone()).collect();
    assert_eq!(fields, [json!("channels"), json!("reminderHours")]);
    let configurer = scene.anna.token(&["view", "configure"]).await;
    assert_eq!(configurer.post("/api/configuration/plan", &wanted).await.status, 200);
    assert_eq!(configurer.post("/api/configuration", &changed).await.status, 403);
    let mut unknown = wanted;
    unknown["notificationRules"][0]["channels"] = json!(["Nobody"]);
    let problem = scene.anna.post("/api/configuration/plan", &unknown).await.problem(422, "invalid", &[]);
    assert_eq!(problem["errors"][0]["field"], "notificationRules[0].channels[0]");
}
