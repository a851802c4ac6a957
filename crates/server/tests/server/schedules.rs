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
    let standing = anna.get(overview).await.expect(200)["jobs"][0].clone();
    assert_eq!(
        (&standing["jobId"], &standing["days"], &standing["databases"]),
        (&json!(job), &json!([]), &json!(null))
    );

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
    assert_eq!(answer["dates"].as_array().unwrap().len(), 7);
    assert_eq!(answer["dates"][6], "2026-01-19");
    let standing = &answer["jobs"][0];
    let days = standing["days"].as_array().unwrap();
    let short: Vec<_> = days
        .iter()
        .map(|day| (day["day"].as_u64().unwrap(), day["succeeded"] == 1, day["failed"] == 1, day["missed"] == true))
        .collect();
    assert_eq!(
        short,
        [
            (2, true, false, false),
            (3, false, true, false),
            (4, false, false, true),
            (5, false, false, true),
            (6, true, false, false)
        ]
    );
    assert_eq!((&days[0]["runId"], &days[1]["runId"], &days[4]["runId"]), (&first["id"], &second["id"], &third["id"]));
    assert_eq!(days[0]["storedBytes"], first["storedBytes"]);
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
