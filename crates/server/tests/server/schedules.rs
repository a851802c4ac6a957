//! Slots fire by themselves, once, and pass while a run is going on.

use jiff::SignedDuration;
use serde_json::json;

use crate::world::World;

// S-03
#[tokio::test]
async fn a_slot_fires_once_and_a_missed_one_fires_at_the_start() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let schedule = json!({"cron": "30 13 * * *", "timeZone": "Europe/Berlin"});
    let job = anna.job("shop", &source, &[&destination], json!({"schedule": schedule})).await;
    let path = format!("/api/jobs/{job}");
    assert_eq!(anna.get(&path).await.expect(200)["nextRunAt"], "2026-01-15T12:30:00.000Z");
    world.advance(SignedDuration::from_mins(31));
    let fired = anna.until(&path, |job| job["lastRun"]["state"] == "succeeded").await;
    assert_eq!(
        (&fired["lastRun"]["cause"], &fired["lastRun"]["slot"]),
        (&json!("schedule"), &json!("2026-01-15T12:30:00.000Z"))
    );
    assert_eq!(fired["nextRunAt"], "2026-01-16T12:30:00.000Z");

    // Two days without a server: one run makes up for both slots.
    world.stop().await;
    world.advance(SignedDuration::from_hours(48));
    world.start().await;
    let anna = crate::world::Browser { url: world.url(), ..anna };
    let fired = anna.until(&path, |job| job["nextRunAt"] == "2026-01-18T12:30:00.000Z").await;
    assert_eq!(fired["lastRun"]["slot"], "2026-01-16T12:30:00.000Z");
    anna.until(&path, |job| job["lastRun"]["state"] == "succeeded").await;
    assert_eq!(anna.get("/api/runs").await.expect(200)["items"].as_array().unwrap().len(), 2);
}

// S-03
#[tokio::test]
async fn schedules_are_checked_previewed_and_paused() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let next = anna.get("/api/schedule?cron=0%203%20*%20*%201&timeZone=Europe/Berlin").await.expect(200);
    assert_eq!(next["items"][0], "2026-01-19T02:00:00.000Z");
    assert_eq!(next["items"].as_array().unwrap().len(), 5);
    let problem = anna.get("/api/schedule?cron=0%200%2031%202%20*").await.problem(422, "invalid", &["never comes"]);
    assert_eq!(problem["errors"][0]["field"], "cron");
    let input = |schedule: serde_json::Value, enabled: bool| json!({"name": "shop", "sourceId": source, "destinationIds": [destination], "schedule": schedule, "enabled": enabled});
    let wrong = input(json!({"cron": "* * * * *", "timeZone": "Nowhere"}), true);
    let problem = anna.post("/api/jobs", &wrong).await.problem(422, "invalid", &["IANA"]);
    assert_eq!(problem["errors"][0]["field"], "schedule.timeZone");
    let paused = anna.post("/api/jobs", &input(json!({"cron": "* * * * *"}), false)).await.expect(201);
    assert!(paused["nextRunAt"].is_null());
    let path = format!("/api/jobs/{}", crate::world::id(&paused));
    let going = anna.put(&path, &input(json!({"cron": "0 * * * *"}), true)).await.expect(200);
    assert_eq!(going["nextRunAt"], "2026-01-15T13:00:00.000Z");
    // What is planned, until when it is asked for.
    let planned = anna.get("/api/planned-runs?until=2026-01-15T15:30:00Z").await.expect(200);
    let hours = ["2026-01-15T13:00:00.000Z", "2026-01-15T14:00:00.000Z", "2026-01-15T15:00:00.000Z"];
    let expected = json!({"jobId": going["id"], "at": hours, "hasMore": false});
    assert_eq!((&planned["items"][0], planned["items"].as_array().unwrap().len()), (&expected, 1), "{planned}");
    let day = anna.get("/api/planned-runs").await.expect(200);
    assert_eq!(day["items"][0]["at"].as_array().unwrap().len(), 23);
    anna.get("/api/planned-runs?until=2026-02-15T15:30:00Z").await.problem(422, "invalid", &["seven days"]);
    anna.patch(&path, &json!({"enabled": false})).await.expect(200);
    assert_eq!(anna.get("/api/planned-runs").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn the_overview_tells_day_by_day_what_happened_and_what_should_have() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (file, source) = world.sqlite_source(&anna, "shop", 10).await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let schedule = json!({"cron": "30 13 * * *", "timeZone": "Europe/Berlin"});
    let job = anna.job("shop", &source, &[&destination], json!({"schedule": schedule})).await;
    let overview = "/api/overview?days=7&timeZone=Europe/Berlin";
    let with_days = format!("/api/jobs/{job}?days=7");
    let shown = anna.get(&with_days).await.expect(200);
    assert_eq!((&shown["standing"]["status"], &shown["days"]), (&json!("new"), &json!([])));
    assert_eq!((&shown["today"], &shown["standing"]["databases"]), (&json!("2026-01-15"), &json!(null)));

    // The first day is good, the second fails, on the third and fourth there is no server.
    let path = format!("/api/jobs/{job}");
    world.advance(SignedDuration::from_mins(31));
    let first = anna.until(&path, |job| job["lastRun"]["state"] == "succeeded").await["lastRun"].clone();
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    world.advance(SignedDuration::from_hours(24));
    let second = anna.until(&path, |job| job["lastRun"]["state"] == "failed").await["lastRun"].clone();
    std::fs::rename(&aside, &file).unwrap();
    world.stop().await;
    world.advance(SignedDuration::from_hours(60));
    world.start().await;
    let anna = crate::world::Browser { url: world.url(), ..anna };
    let third = anna.until(&path, |job| job["lastRun"]["state"] == "succeeded").await["lastRun"].clone();

    let answer = anna.get(overview).await.expect(200);
    let activity = answer["activity"].as_array().unwrap();
    let all: Vec<_> = activity.iter().map(|day| (day["succeeded"].as_i64(), day["failed"].as_i64())).collect();
    let (none, good, bad) = ((Some(0), Some(0)), (Some(1), Some(0)), (Some(0), Some(1)));
    assert_eq!(all, [none, none, good, bad, none, none, good]);
    assert_eq!((&activity[6]["date"], &activity[2]["storedBytes"]), (&json!("2026-01-19"), &first["storedBytes"]));
    assert_eq!(answer["jobs"], json!({"failed": 0, "new": 0, "running": 0, "warnings": 0, "good": 1, "paused": 0}));
    let shown = anna.get(&with_days).await.expect(200);
    let listed = anna.get("/api/jobs?days=7&sort=urgency").await.expect(200)["items"][0].clone();
    let days = shown["days"].as_array().unwrap();
    let short: Vec<_> = days
        .iter()
        .map(|day| (day["date"].as_str().unwrap(), day["succeeded"] == 1, day["failed"] == 1, day["missed"] == true))
        .collect();
    assert_eq!(
        short,
        [
            ("2026-01-15", true, false, false),
            ("2026-01-16", false, true, false),
            ("2026-01-17", false, false, true),
            ("2026-01-18", false, false, true),
            ("2026-01-19", true, false, false)
        ]
    );
    assert_eq!(
        (&listed["days"][3], listed["days"][0]["readBytes"].is_null()),
        (&days[3], true),
        "what is 0 is left out"
    );
    let standing = &shown["standing"];
    assert_eq!((&days[0]["runId"], &days[1]["runId"], &days[4]["runId"]), (&first["id"], &second["id"], &third["id"]));
    assert_eq!((&days[0]["storedBytes"], &days[0]["readBytes"]), (&first["storedBytes"], &first["dumpedBytes"]));
    assert_eq!((&standing["lastGoodRunId"], &standing["state"]), (&third["id"], &json!("succeeded")));
    assert_eq!((&standing["databases"], &standing["backedUp"]), (&json!(1), &json!(1)));
    let space = &answer["destinations"][0];
    assert_eq!(space["destinationId"], json!(destination));
    let used: Vec<_> = space["days"].as_array().unwrap().iter().map(|day| day["used"].as_i64().unwrap()).collect();
    assert!(used[0] >= first["storedBytes"].as_i64().unwrap(), "the backup and its sidecar: {space}");
    assert_eq!(used[1..], [used[0], 2 * used[0]]);
    assert!(space["fullOn"].is_null(), "in thousands of years: {space}");
    let shown = anna.get(&format!("/api/destinations/{destination}")).await.expect(200);
    assert_eq!(shown["authorization"]["space"]["used"], json!(used[2]));

    for (query, field) in [("days=0", "days"), ("days=91", "days"), ("timeZone=Nowhere", "timeZone")] {
        let problem = anna.get(&format!("/api/overview?{query}")).await.problem(422, "invalid", &[]);
        assert_eq!(problem["errors"][0]["field"], field);
    }
}
